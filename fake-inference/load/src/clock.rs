//! Moments of a run as spans since its start.

use tokio::time::Instant;
use units::Duration;

/// The clock of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub(crate) fn now(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The moment that lies `offset` after the start.
    pub(crate) fn at(self, offset: Duration) -> Instant {
        self.0 + std_duration(offset)
    }
}

pub(crate) fn std_duration(span: Duration) -> std::time::Duration {
    std::time::Duration::from_nanos(span.as_nanos())
}
