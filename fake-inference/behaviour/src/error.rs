use units::Duration;

/// Why a behaviour cannot be. Each message is a fragment that reads after "invalid value: " and says
/// what to write instead; where it stands in a file is added by whoever read the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// A latency with a median of zero.
    #[error("p50 is 0s, but half of the requests cannot take no time at all; write for example p50: 180ms")]
    NoLatency,
    /// The 99th percentile below the median.
    #[error(
        "p99 ({p99}) is below p50 ({p50}): at least half of the requests are slower than that; swap the two"
    )]
    QuantilesCrossed {
        /// The median as given.
        p50: Duration,
        /// The 99th percentile as given.
        p99: Duration,
    },
    /// Quantiles so far apart that a lognormal through them has no useful mean.
    #[error(
        "p99 ({p99}) is more than {limit} times p50 ({p50}): no lognormal latency has such a tail; lower p99"
    )]
    TailTooHeavy {
        /// The median as given.
        p50: Duration,
        /// The 99th percentile as given.
        p99: Duration,
        /// The largest factor allowed.
        limit: u64,
    },
    /// A latency longer than any request lives.
    #[error("p99 ({p99}) is above {limit}, longer than any client waits; lower it")]
    LatencyTooLong {
        /// The 99th percentile as given.
        p99: Duration,
        /// The longest allowed.
        limit: Duration,
    },
    /// A fault that overrides nothing.
    #[error("the fault changes nothing; give at least one of latency, errors, wrong, truncated")]
    FaultWithoutEffect,
    /// A fault that ends before it begins.
    #[error(
        "the fault ends (until: {until}) no later than it begins (from: {from}); put `until` after `from`"
    )]
    EndsBeforeItBegins {
        /// When it begins.
        from: Duration,
        /// When it ends.
        until: Duration,
    },
    /// A share of pods that contains none.
    #[error("pods: 0% hits no pod; leave `pods` out for all of them")]
    NoPods,
    /// A periodic window that is empty or never closes.
    #[error(
        "the window is open for {open} every {every}: `for` must be above 0s and below `every`; \
         leave `window` out for a fault without gaps"
    )]
    BadWindow {
        /// The period.
        every: Duration,
        /// How long it is open in each.
        open: Duration,
    },
    /// A ramp that would never reach the fault's values.
    #[error(
        "the ramp ({ramp}) is longer than the fault lasts ({lasts}), so it never gets there; shorten the ramp"
    )]
    RampTooLong {
        /// The ramp as given.
        ramp: Duration,
        /// How long the fault, or one opening of its window, lasts.
        lasts: Duration,
    },
    /// More faults than a profile may have.
    #[error("{count} faults are too many; a model may have {limit}")]
    TooManyFaults {
        /// The number given.
        count: usize,
        /// The number allowed.
        limit: usize,
    },
    /// A histogram without bounds or with too many.
    #[error("a histogram needs 1 to {limit} finite bounds; this has {count}")]
    BoundCount {
        /// The number given.
        count: usize,
        /// The number allowed.
        limit: usize,
    },
    /// Bounds that are not ascending positive numbers of seconds.
    #[error("histogram bound {bound} must be a positive number of seconds above the one before it")]
    BadBound {
        /// The offending bound.
        bound: f64,
    },
}
