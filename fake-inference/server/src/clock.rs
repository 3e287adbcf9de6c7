//! Time as the runtime measures it, and as this project does.

use std::time::Duration as StdDuration;

/// The runtime's form of a span.
pub(crate) fn std_duration(span: units::Duration) -> StdDuration {
    StdDuration::from_nanos(span.as_nanos())
}

/// Sleeps for a span; not at all for none.
pub(crate) async fn rest(span: units::Duration) {
    if span > units::Duration::ZERO {
        tokio::time::sleep(std_duration(span)).await;
    }
}
