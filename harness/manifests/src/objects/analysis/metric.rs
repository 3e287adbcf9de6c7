use units::Duration;

use super::super::values::{IntOrString, go_duration, span};
use super::{Job, Metric, MetricPlaces, Prometheus, Provider, Web};

/// A metric that upstream accepts, with numbers and durations read and defaults filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedMetric {
    /// The name.
    pub name: String,
    /// Time between measurements.
    pub interval: Option<Duration>,
    /// Time before the first measurement.
    pub initial_delay: Duration,
    /// How many measurements there will be; `None` for no end (`Metric.EffectiveCount`).
    pub count: Option<u32>,
    /// The expression that makes a measurement successful.
    pub success_condition: Option<String>,
    /// The expression that makes a measurement a failure.
    pub failure_condition: Option<String>,
    /// Failures tolerated; `None` for any number.
    pub failure_limit: Option<u32>,
    /// Inconclusive measurements tolerated.
    pub inconclusive_limit: u32,
    /// Errors in a row tolerated.
    pub consecutive_error_limit: u32,
    /// Successes in a row that end the metric, if any do.
    pub consecutive_success_limit: Option<u32>,
    /// Where measurements come from.
    pub provider: CheckedProvider,
    /// Where its parts stand.
    pub places: MetricPlaces,
}

/// Where a valid metric's measurements come from.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckedProvider {
    /// A Prometheus query.
    Prometheus(Prometheus),
    /// An HTTP request.
    Web(Web),
    /// A Kubernetes Job.
    Job(Job),
    /// Another provider, not modelled, by the name that the manifest gives it.
    Other(String),
}

impl CheckedProvider {
    /// The time after which a Prometheus query has failed (`metricproviders/prometheus`).
    pub const PROMETHEUS_TIMEOUT: Duration = Duration::from_secs(30);
}

impl Metric {
    /// Checks the metric as the AnalysisRun controller does (`utils/analysis/factory.go:
    /// ValidateMetric`), after [`Metric::resolve`].
    ///
    /// # Errors
    /// Upstream's message for the first rule that is broken; it makes the run Error.
    pub fn check(&self) -> Result<CheckedMetric, String> {
        let number = |value: &Option<IntOrString>, default: i64| {
            value.as_ref().map_or(default, IntOrString::int_value)
        };
        let count = number(&self.count, 0);
        let failure_limit = number(&self.failure_limit, 0);
        let success_limit = number(&self.consecutive_success_limit, 0);
        let inconclusive_limit = number(&self.inconclusive_limit, 0);
        let error_limit = number(&self.consecutive_error_limit, 4);
        check_limits(failure_limit, success_limit, inconclusive_limit, error_limit)?;
        check_count(count, failure_limit, success_limit, inconclusive_limit)?;
        if count > 1 && self.interval.is_empty() {
            return Err("interval must be specified when count > 1".to_owned());
        }
        let duration = |text: &str, what: &str| match text {
            "" => Ok(None),
            text => go_duration(text)
                .map(|nanos| Some(span(nanos)))
                .map_err(|error| format!("invalid {what} string: {error}")),
        };
        let interval = duration(&self.interval, "interval")?;
        let initial_delay = duration(&self.initial_delay, "startDelay")?.unwrap_or(Duration::ZERO);
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(CheckedMetric {
            name: self.name.clone(),
            interval,
            initial_delay,
            count: effective_count(count, interval),
            success_condition: text(&self.success_condition),
            failure_condition: text(&self.failure_condition),
            failure_limit: u32::try_from(failure_limit).ok(),
            inconclusive_limit: limit(inconclusive_limit),
            consecutive_error_limit: limit(error_limit),
            consecutive_success_limit: Some(limit(success_limit)).filter(|limit| *limit > 0),
            provider: self.provider.check()?,
            places: self.places.clone(),
        })
    }

    /// Whether the metric is measured for as long as the run lasts (`Metric.EffectiveCount` is nil).
    pub fn is_infinite(&self) -> bool {
        let unset = self.count.as_ref().is_none_or(|count| count.int_value() == 0);
        unset && !self.interval.is_empty()
    }
}

fn effective_count(count: i64, interval: Option<Duration>) -> Option<u32> {
    match (count, interval) {
        (0, None) => Some(1),
        (0, Some(_)) => None,
        // A negative count is reached by the first measurement, even by an error, which does not count.
        (count, _) => Some(u32::try_from(count.max(0)).unwrap_or(u32::MAX)),
    }
}

fn limit(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn check_limits(failures: i64, successes: i64, inconclusive: i64, errors: i64) -> Result<(), String> {
    let message = if successes < 0 {
        "consecutiveSuccessLimit must be >= 0"
    } else if failures < -1 {
        "failureLimit must be >= 0, or -1 to be disabled"
    } else if successes == 0 && failures == -1 {
        "failureLimit and consecutiveSuccessLimit cannot both be disabled"
    } else if inconclusive < 0 {
        "inconclusiveLimit must be >= 0"
    } else if errors < 0 {
        "consecutiveErrorLimit must be >= 0"
    } else {
        return Ok(());
    };
    Err(message.to_owned())
}

fn check_count(count: i64, failures: i64, successes: i64, inconclusive: i64) -> Result<(), String> {
    if count <= 0 {
        Ok(())
    } else if failures >= 0 && count < failures.saturating_add(successes) {
        Err(format!(
            "count ({count}) must be >= failureLimit + consecutiveSuccessLimit ({failures} + {successes}) \
             if both >= 0"
        ))
    } else if failures < 0 && count < successes {
        Err("count must be >= consecutiveSuccessLimit".to_owned())
    } else if count < inconclusive {
        Err("count must be >= inconclusiveLimit".to_owned())
    } else {
        Ok(())
    }
}

impl Provider {
    /// The one provider that is set.
    ///
    /// # Errors
    /// None or several, in upstream's words.
    pub fn check(&self) -> Result<CheckedProvider, String> {
        let names = self.names();
        let name = match names.as_slice() {
            [] => return Err("no provider specified".to_owned()),
            [name] => (*name).to_owned(),
            [_, _, ..] => return Err("multiple providers specified".to_owned()),
        };
        Ok(match (&self.prometheus, &self.web, &self.job) {
            (Some(prometheus), _, _) => CheckedProvider::Prometheus(prometheus.clone()),
            (_, Some(web), _) => CheckedProvider::Web(web.clone()),
            (_, _, Some(job)) => CheckedProvider::Job(job.clone()),
            (None, None, None) => CheckedProvider::Other(name),
        })
    }
}
