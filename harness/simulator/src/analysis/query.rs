//! A measurement by a Prometheus query (argo-rollouts v1.10.1 `metricproviders/prometheus/prometheus.go`).

use conditions::{Value, prometheus_value};
use manifests::objects::analysis::{CheckedMetric, Prometheus};
use timeline::{AnalysisPhase, QueryEvidence};
use units::Time;
use yaml::Problem;

use super::measure::{Taken, problem};
use super::plan::PlannedMetric;
use super::range::{NoRange, Range};
use super::{decide, help};
use crate::World;
use crate::api::ObjectId;
use crate::prometheus::{QueryResult, RefusedQuery, State, resolves};
use crate::traffic::requests_of_canary;

/// Measures a metric of the run `id` now.
///
/// # Errors
/// A query or a condition that is not simulated.
pub(super) fn measure(
    world: &mut World<'_>,
    id: ObjectId,
    planned: &PlannedMetric,
    prometheus: &Prometheus,
) -> Result<Taken, Problem> {
    if let Err(message) = reachable(world, prometheus) {
        return Ok(Taken::error(message, help::unreachable(&prometheus.address)));
    }
    let now = world.now();
    let found = match ask(&mut world.prometheus, &planned.checked, prometheus, now)? {
        Ok(found) => found,
        Err(message) => return Ok(Taken::error(message, "")),
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

/// What Prometheus answers to a metric's query (`executeQuery`). Inside: upstream's message.
///
/// # Errors
/// A query or a range that is not simulated.
pub(super) fn ask(
    state: &mut State,
    metric: &CheckedMetric,
    prometheus: &Prometheus,
    now: Time,
) -> Result<Result<QueryResult, String>, Problem> {
    let found = match &prometheus.range_query {
        None => state.query(&prometheus.query, now),
        Some(query) => match Range::of(query, now) {
            Ok(range) => state.query_range(&prometheus.query, range, now),
            Err(NoRange::Upstream(message)) => return Ok(Err(message)),
            Err(NoRange::NotSimulated(what)) => {
                let message =
                    format!("not simulated: in `rangeQuery` of the metric `{}`, {what}", metric.name);
                return Err(problem(metric.places.range_query.as_ref(), message));
            }
        },
    };
    match found {
        Ok(found) => Ok(Ok(found)),
        Err(RefusedQuery::Rejected(message)) => Ok(Err(message)),
        Err(RefusedQuery::NotSimulated(what)) => Err(problem(metric.places.query.as_ref(), what)),
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
            let path = if prometheus.range_query.is_some() { "query_range" } else { "query" };
            resolves(world, &prometheus.address, path)
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
        return Ok(Taken::error("Prometheus metric type not supported", ""));
    };
    let decide::Judged { phase, message, condition } = decide::judge(planned, &value)?;
    // Upstream records no value beside an error (`Run` returns before it is set).
    let recorded = match phase {
        AnalysisPhase::Error => String::new(),
        _ => prometheus_value(&value).unwrap_or_default(),
    };
    let help = help::explain(&planned.checked, &value, phase, found, requests);
    Ok(Taken { value: recorded, condition, help, ..Taken::plain(phase, message) })
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
