//! Bugs to plant in the simulator's rules: what a test suite is worth shows when a rule is wrong.
//!
//! A rule asks [`is`] in the one place where its bug would stand. Without the feature `on` the answer is a
//! constant `false`, so that the compiler leaves nothing of it. With the feature the environment variable
//! [`VARIABLE`] names the bug of the whole process, and `tests/caught.rs` runs the suite with each.

/// Names the bug that is planted, in builds with the feature `on`.
pub const VARIABLE: &str = "REHEARSE_PLANTED";

macro_rules! bugs {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// What is wrong with a rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug { $($(#[doc = $what])+ $name,)+ }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// What is wrong, for people.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => concat!($($what),+).trim_ascii(),)+ }
            }
        }
    };
}

bugs! {
    /// A metric fails as soon as its failures reach `failureLimit`.
    FailureLimitAtLimit,
    /// A metric is inconclusive as soon as such measurements reach `inconclusiveLimit`.
    InconclusiveLimitAtLimit,
    /// A metric is an error as soon as errors in a row reach `consecutiveErrorLimit`.
    ConsecutiveErrorLimitAtLimit,
    /// One success more than `consecutiveSuccessLimit` is wanted.
    ConsecutiveSuccessLimitPlusOne,
    /// A success does not end the errors in a row.
    ConsecutiveErrorsNotReset,
    /// A failure does not end the successes in a row.
    ConsecutiveSuccessesNotReset,
    /// An error counts towards `count`.
    ErrorsCount,
    /// After an error a metric waits for its interval.
    ErrorsWaitForTheInterval,
    /// The first measurement does not wait for `initialDelay`.
    InitialDelayIgnored,
    /// A metric of a dry run decides.
    DryRunDecides,
    /// A comparison with NaN holds.
    NanIsLess,
    /// A pause lasts a second longer.
    PauseOneSecondLonger,
    /// The canary keeps its weight when the update is aborted.
    WeightKeptAtAbort,
    /// An abort makes the canary stable.
    CanaryStableAfterAbort,
    /// `progressDeadlineSeconds` never passes.
    ProgressDeadlineIgnored,
    /// A pod is available as soon as it is ready.
    MinReadyIgnored,
    /// A percentage of `maxSurge` is rounded down.
    SurgeRoundedDown,
    /// A percentage of `maxUnavailable` is rounded up.
    UnavailableRoundedUp,
    /// Of two equally close sizes the smaller canary is taken.
    TieToTheSmallerCanary,
    /// A step is complete while old pods still serve.
    OthersMayServe,
    /// One old ReplicaSet more than `revisionHistoryLimit` is kept.
    HistoryLimitPlusOne,
    /// A rollback to stable goes through the steps.
    RollbackThroughSteps,
    /// The pods of an aborted update go at once, whatever `abortScaleDownDelaySeconds` says.
    AbortScaleDownDelayIgnored,
    /// `abortScaleDownDelaySeconds` begins before stable has all its pods.
    AbortScaleDownDelayTooEarly,
    /// The old pods go with the promotion, whatever `scaleDownDelaySeconds` says.
    ScaleDownDelayIgnored,
    /// One old ReplicaSet more than `scaleDownDelayRevisionLimit` waits.
    ScaleDownDelayLimitPlusOne,
    /// The end of a series is not seen.
    StaleMarkerIgnored,
    /// An instant query sees a sample that is exactly the lookback old.
    LookbackClosed,
    /// A rate is not extended to the edges of its window.
    RateNotExtrapolated,
    /// A counter that starts again falls.
    CounterResetIgnored,
    /// `histogram_quantile` interpolates from zero in every bucket.
    QuantileFromZero,
    /// The series of a pod whose scrape fails go on.
    FailedScrapeNotStale,
    /// An alert fires only once `for` is exceeded, not when it has passed.
    ForMustBeExceeded,
    /// An alert ends with its condition, whatever `keep_firing_for` says.
    KeepFiringForForgotten,
    /// What a rule wrote and writes no more goes on.
    RuleSeriesGoOn,
    /// A group whose rules change begins without the alerts that it had.
    AlertsLostAtReload,
    /// A `jsonPath` that finds nothing is a success.
    NothingFoundIsSuccess,
    /// A response is measured whatever its status.
    StatusOfResponseIgnored,
    /// A web metric waits for its answer for ever.
    WebTimeoutIgnored,
    /// A Job that fails is an error of the measurement.
    FailedJobIsError,
    /// The Job of a run that ends goes on.
    JobOutlivesItsRun,
    /// One Job more than `measurementRetention` is kept.
    JobRetentionPlusOne,
    /// The plugin of a step is asked again by every pass.
    PluginAskedByEveryPass,
    /// Nothing is looked at again without a change.
    NoResync,
    /// Plugins are not asked to take back what they did before an abort.
    PluginNotTakenBack,
    /// A later wait of a work queue takes the place of an earlier one.
    LaterWaitCounts,
    /// The name of a generated ConfigMap does not depend on its data.
    HashWithoutData,
    /// Self-heal follows self-heal at once.
    HealWithoutBackoff,
    /// A commit whose sync failed is tried again and again.
    FailedSyncRetried,
    /// What was made first is pruned first.
    PruneInOrder,
}

/// Whether a bug is planted.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn is(_: Bug) -> bool {
    false
}

/// Whether a bug is planted.
///
/// # Panics
/// When [`VARIABLE`] names no bug.
#[cfg(feature = "on")]
pub fn is(bug: Bug) -> bool {
    static PLANTED: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    let named = |name: String| {
        let found = Bug::ALL.iter().find(|bug| format!("{bug:?}") == name);
        *found.unwrap_or_else(|| panic!("{VARIABLE}={name} is no bug"))
    };
    #[allow(clippy::disallowed_methods, reason = "a test build, whose processes are told their bug")]
    let planted = PLANTED.get_or_init(|| std::env::var(VARIABLE).ok().map(named));
    *planted == Some(bug)
}
