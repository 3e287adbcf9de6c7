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

/// The runtime's timers go off at whole milliseconds, never early.
const HALF_A_TICK: StdDuration = StdDuration::from_micros(500);

/// Waits until this moment, to the nearest millisecond, so that the error has no direction.
pub(crate) async fn until(moment: tokio::time::Instant) {
    let aim = moment - HALF_A_TICK;
    if tokio::time::Instant::now() < aim {
        tokio::time::sleep_until(aim).await;
    }
}
