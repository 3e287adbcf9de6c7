//! One measurement (argo-rollouts v1.10.1 `metricproviders/prometheus/prometheus.go`,
//! `utils/evaluate/evaluate.go`).

use conditions::{Condition, ErrorKind, Outcome, Value, judge_measurement, prometheus_value};
use manifests::objects::analysis::{CheckedMetric, CheckedProvider, Prometheus};
use timeline::{AnalysisPhase, QueryEvidence};
use yaml::{Place, Problem};

use super::help;
use super::plan::{ParsedCondition, PlannedMetric};
use crate::World;
use crate::api::ObjectId;
use crate::prometheus::{QueryResult, RefusedQuery, resolves};
use crate::traffic::requests_of_canary;

/// A measurement with everything that explains it.
pub(super) struct Taken {
    pub(super) phase: AnalysisPhase,
    /// The value as recorded; empty where none was obtained.
    pub(super) value: String,
    pub(super) message: String,
    /// The condition that decided.
    pub(super) condition: String,
    pub(super) evidence: Option<QueryEvidence>,
    pub(super) help: String,
}

/// Measures a metric of the run `id` now.
///
/// # Errors
/// A provider, a query or a condition that is not simulated: any result would be a guess, and it decides
/// the verdict.
pub(super) fn measure(
    world: &mut World<'_>,
    id: ObjectId,
    planned: &PlannedMetric,
) -> Result<Taken, Problem> {
    let prometheus = query_of(&planned.checked)?;
    if let Err(message) = reachable(world, prometheus) {
        return Ok(error(message, help::unreachable(&prometheus.address)));
    }
    let now = world.now();
    let found = match world.prometheus.query(&prometheus.query, now) {
        Ok(found) => found,
        Err(refused) => return refuse(planned, refused),
    };
    // An empty sum is negative zero.
    let rollout = world.api.get(id).owner;
    let requests = rollout.map_or(0.0, |rollout| requests_of_canary(world, rollout, found.range) + 0.0);
    let mut taken = judge(planned, &found, Some(requests))?;
    taken.evidence = found_value(&found).map(|_| QueryEvidence {
        series: found.series,
        samples: found.samples,
        range_seconds: found.range.as_secs_f64(),
        requests,
    });
    Ok(taken)
}

/// The Prometheus query of a metric.
///
/// # Errors
/// A provider or a kind of query that is not simulated.
pub(super) fn query_of(metric: &CheckedMetric) -> Result<&Prometheus, Problem> {
    let prometheus = match &metric.provider {
        CheckedProvider::Prometheus(prometheus) => prometheus,
        CheckedProvider::Other(name) => {
            let message =
                format!("not simulated: the metric provider `{name}` of the metric `{}`", metric.name);
            let help = "only `prometheus` is simulated; rehearse this gate with the engine `kind`";
            return Err(problem(metric.places.metric.as_ref(), message).with_help(help));
        }
    };
    if prometheus.range_query.is_some() {
        let message = format!("not simulated: `rangeQuery` of the metric `{}`", metric.name);
        let help = "write an instant query over a range, such as `avg_over_time(…[5m])`";
        return Err(problem(metric.places.query.as_ref(), message).with_help(help));
    }
    Ok(prometheus)
}

/// What a query that gave nothing makes of a measurement.
///
/// # Errors
/// A query that is not simulated.
pub(super) fn refuse(planned: &PlannedMetric, refused: RefusedQuery) -> Result<Taken, Problem> {
    match refused {
        RefusedQuery::NotSimulated(what) => Err(problem(planned.checked.places.query.as_ref(), what)),
        RefusedQuery::Rejected(message) => Ok(error(message, String::new())),
    }
}

/// `NewPrometheusAPI`, `NewPrometheusProvider`.
fn reachable(world: &World<'_>, prometheus: &Prometheus) -> Result<(), String> {
    if prometheus.timeout.is_some_and(|seconds| seconds < 0) {
        return Err("prometheus timeout should not be negative".to_owned());
    }
    let host = prometheus.address.split_once("://").filter(|(scheme, _)| !scheme.is_empty());
    match (prometheus.address.as_str(), host) {
        ("", _) => Err("prometheus address is not configured".to_owned()),
        (_, Some((_, rest))) if !rest.is_empty() && !rest.starts_with('/') => {
            resolves(world, &prometheus.address)
        }
        (_, _) => Err("prometheus address is not is url format".to_owned()),
    }
}

/// Judges what a query gave. `requests` is how many the canary had within its range, where that is known.
///
/// # Errors
/// A condition that is not simulated.
pub(super) fn judge(
    planned: &PlannedMetric,
    found: &QueryResult,
    requests: Option<f64>,
) -> Result<Taken, Problem> {
    let Some(value) = found_value(found) else {
        return Ok(error("Prometheus metric type not supported".to_owned(), String::new()));
    };
    let metric = &planned.checked;
    let (outcome, condition) = decide(planned, &value)?;
    let (phase, message) = match outcome {
        Outcome::Successful => (AnalysisPhase::Successful, String::new()),
        Outcome::Failed => (AnalysisPhase::Failed, String::new()),
        Outcome::Inconclusive => (AnalysisPhase::Inconclusive, String::new()),
        Outcome::Error(message) => (AnalysisPhase::Error, message),
    };
    // Upstream records no value beside an error (`Run` returns before it is set).
    let recorded = match phase {
        AnalysisPhase::Error => String::new(),
        _ => prometheus_value(&value).unwrap_or_default(),
    };
    let help = help::explain(metric, &value, phase, found, requests);
    Ok(Taken { phase, value: recorded, message, condition, evidence: None, help })
}

/// The value as conditions see it; `None` for a text.
pub(super) fn found_value(found: &QueryResult) -> Option<Value> {
    match &found.value {
        promql::Value::Scalar(number) => Some(Value::Float(*number)),
        promql::Value::Vector(samples) => {
            Some(Value::Floats(samples.iter().map(|sample| sample.value).collect()))
        }
        promql::Value::Matrix(series) => {
            let points = series.iter().flat_map(|series| &series.points);
            Some(Value::Floats(points.map(|point| point.value).collect()))
        }
        promql::Value::String(_) => None,
    }
}

/// The outcome, and the condition that it is due to.
fn decide(planned: &PlannedMetric, value: &Value) -> Result<(Outcome, String), Problem> {
    let places = &planned.checked.places;
    let success = usable(planned.success.as_ref(), places.success_condition.as_ref(), value)?;
    let failure = usable(planned.failure.as_ref(), places.failure_condition.as_ref(), value)?;
    for (condition, name) in [(&success, "successCondition"), (&failure, "failureCondition")] {
        if let Usable::Unreadable { text, message } = condition {
            // An empty value hides every other cause (`formatEvalError`).
            let cause = match value {
                Value::Floats(samples) if samples.is_empty() => {
                    "metric result is nil or empty: no data returned from the metric provider"
                }
                Value::Floats(_)
                | Value::Float(_)
                | Value::Nil
                | Value::Text(_)
                | Value::Bool(_)
                | Value::Json(_) => message,
            };
            let message = format!("could not evaluate {name} \"{text}\": {cause}");
            return Ok((Outcome::Error(message), text.clone()));
        }
    }
    let (success, failure) = (success.condition(), failure.condition());
    let outcome = judge_measurement(success, failure, value);
    let failure_holds = failure.is_some_and(|condition| condition.evaluate(value).unwrap_or(false));
    let deciding = if failure_holds { failure } else { success.or(failure) };
    Ok((outcome, deciding.map(|condition| condition.text().to_owned()).unwrap_or_default()))
}

/// A condition as far as it can be used.
enum Usable<'a> {
    Absent,
    Condition(&'a Condition),
    Unreadable { text: String, message: String },
}

impl<'a> Usable<'a> {
    fn condition(&self) -> Option<&'a Condition> {
        match self {
            Self::Condition(condition) => Some(condition),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }
}

/// # Errors
/// A condition that upstream would evaluate and this engine does not.
fn usable<'a>(
    parsed: Option<&'a ParsedCondition>,
    place: Option<&Place>,
    value: &Value,
) -> Result<Usable<'a>, Problem> {
    let beyond = |kind: ErrorKind| match kind {
        ErrorKind::NotSimulated | ErrorKind::Limit => true,
        ErrorKind::Syntax | ErrorKind::Type | ErrorKind::Run | ErrorKind::NotBool => false,
    };
    match parsed {
        None => Ok(Usable::Absent),
        Some(Err((_, error))) if beyond(error.kind()) => Err(problem(place, error.to_string())),
        Some(Err((text, error))) => {
            Ok(Usable::Unreadable { text: text.clone(), message: error.message().to_owned() })
        }
        Some(Ok(condition)) => match condition.evaluate(value) {
            Err(error) if beyond(error.kind()) => Err(problem(place, error.to_string())),
            Ok(_) | Err(_) => Ok(Usable::Condition(condition)),
        },
    }
}

fn error(message: String, help: String) -> Taken {
    Taken {
        phase: AnalysisPhase::Error,
        value: String::new(),
        message,
        condition: String::new(),
        evidence: None,
        help,
    }
}

fn problem(place: Option<&Place>, message: String) -> Problem {
    match place {
        Some(place) => Problem::at(place, message),
        None => Problem::new(message),
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::Metric;
    use manifests::objects::analysis::Provider;

    use super::*;

    fn planned(success: &str, failure: &str) -> PlannedMetric {
        let provider = Provider { prometheus: Some(Prometheus::default()), ..Provider::default() };
        let metric = Metric {
            name: "m".to_owned(),
            success_condition: success.to_owned(),
            failure_condition: failure.to_owned(),
            provider,
            ..Metric::default()
        };
        PlannedMetric::new(metric.check().unwrap(), false, 10)
    }

    #[test]
    fn both_conditions_decide_and_the_one_that_did_is_told() {
        let vector = |values: &[f64]| Value::Floats(values.to_vec());
        let cases = [
            ("result[0] < 0.5", "", vector(&[0.1]), Outcome::Successful, "result[0] < 0.5"),
            ("result[0] < 0.5", "", vector(&[0.7]), Outcome::Failed, "result[0] < 0.5"),
            ("", "result[0] >= 0.5", vector(&[f64::NAN]), Outcome::Successful, "result[0] >= 0.5"),
            (
                "result[0] < 0.5",
                "result[0] >= 0.5",
                vector(&[f64::NAN]),
                Outcome::Inconclusive,
                "result[0] < 0.5",
            ),
            ("result[0] < 0.5", "result[0] > 0", vector(&[0.1]), Outcome::Failed, "result[0] > 0"),
            ("", "", vector(&[]), Outcome::Successful, ""),
        ];
        for (success, failure, value, outcome, condition) in cases {
            let decided = decide(&planned(success, failure), &value).unwrap();
            assert_eq!(decided, (outcome, condition.to_owned()), "{success} / {failure}");
        }
    }

    #[test]
    fn a_condition_that_is_no_expression_makes_every_measurement_an_error() {
        let (outcome, _) = decide(&planned("result[0] <", ""), &Value::Floats(vec![0.1])).unwrap();
        let Outcome::Error(message) = outcome else { panic!("{outcome}") };
        assert!(message.starts_with("could not evaluate successCondition \"result[0] <\": "), "{message}");
    }
}
