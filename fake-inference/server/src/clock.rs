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

/// How late the runtime's timers go off, nearly: they count in whole milliseconds, rounded up, and the wait for events is
/// as many of them from whenever it begins. A little less, so that a clock that stands on whole milliseconds is exact.
const LATE: StdDuration = StdDuration::from_micros(999);

/// Waits until this moment, to a millisecond, so that the error has no direction.
pub(crate) async fn until(moment: tokio::time::Instant) {
    let aim = moment - LATE;
    if tokio::time::Instant::now() < aim {
        tokio::time::sleep_until(aim).await;
    }
}
