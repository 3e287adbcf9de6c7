//! Decisions about an AnalysisRun as the controller makes them.

use manifests::objects::Metric;
use manifests::objects::analysis::CheckedProvider;
use manifests::objects::rollout::MergedAnalysis;
use scenario::Reply;
use timeline::AnalysisPhase;
use units::{Duration, Time};
use yaml::Problem;

use super::plan::{Plan, PlannedMetric};
use super::{RunStatus, measure, query, web};
use crate::prometheus::QueryResult;

/// The status that a run with these measurements has once the controller has come to rest and before
/// any further one falls due (`reconcileAnalysisRun`).
pub fn settle(analysis: &MergedAnalysis, terminate: bool, mut status: RunStatus) -> RunStatus {
    let plan = match Plan::of(analysis) {
        Ok(plan) => plan,
        Err(message) => {
            status.phase = Some(AnalysisPhase::Error);
            status.message = message;
            return status;
        }
    };
    loop {
        let before = status.clone();
        status.assess(&plan, terminate, Time::ZERO);
        if status == before || status.is_completed() {
            return status;
        }
    }
}

/// Phase, value and message that a web metric has where this is answered at once (`webmetric.go: Run`).
///
/// # Errors
/// A metric that is none of the web or that upstream does not accept, and what is not simulated.
pub fn web_measurement(metric: &Metric, reply: &Reply) -> Result<(AnalysisPhase, String, String), Problem> {
    let planned = PlannedMetric::new(metric.check().map_err(Problem::new)?, false, 1);
    let CheckedProvider::Web(asked) = &planned.checked.provider else {
        return Err(Problem::new("the metric asks no HTTP server"));
    };
    let taken = match web::Request::prepare(&planned.checked, asked)? {
        Ok(request) => request.answered(&planned, reply, Duration::ZERO)?,
        Err(message) => measure::Taken::error(message, ""),
    };
    Ok((taken.phase, taken.value, taken.message))
}

/// Phase, value and message that a Prometheus metric has where its query gives this (`prometheus.go: Run`).
///
/// # Errors
/// A metric that upstream does not accept, and what is not simulated.
pub fn prometheus_measurement(
    metric: &Metric,
    value: promql::Value,
) -> Result<(AnalysisPhase, String, String), Problem> {
    let planned = PlannedMetric::new(metric.check().map_err(Problem::new)?, false, 1);
    let found = QueryResult { value, series: 0, samples: 0, range: Duration::ZERO, selectors: Vec::new() };
    let taken = query::judge(&planned, &found, None)?;
    Ok((taken.phase, taken.value, taken.message))
}
