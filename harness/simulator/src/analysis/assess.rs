//! From measurements to the phase of a metric and of a run (argo-rollouts v1.10.1
//! `analysis/analysis.go: assessMetricStatus, assessRunStatus`).

use manifests::objects::analysis::CheckedMetric;
use planted::Bug;
use timeline::AnalysisPhase;

use super::metric::is_completed;
use super::run::MetricResult;

/// Whether a run is to end early: it was told to, or a metric that decides has failed, in whatever way
/// (`IsTerminating`).
pub(super) fn is_terminating(terminate: bool, results: &[MetricResult]) -> bool {
    terminate
        || results.iter().any(|result| {
            !result.dry_run
                && match result.phase {
                    AnalysisPhase::Failed | AnalysisPhase::Error | AnalysisPhase::Inconclusive => true,
                    AnalysisPhase::Pending | AnalysisPhase::Running | AnalysisPhase::Successful => false,
                }
        })
}

/// The limit that a metric has exceeded, and the phase that this means: errors in a row win over
/// inconclusive measurements, and these over failures (`assessMetricFailureInconclusiveOrError`).
pub(super) fn exceeded(metric: &CheckedMetric, result: &MetricResult) -> Option<(AnalysisPhase, String)> {
    let over = |count: u32, limit: u32, name: &str, limit_name: &str, bug: Bug| {
        let over = count > limit || (planted::is(bug) && count == limit);
        over.then(|| format!("{name} ({count}) > {limit_name} ({limit})"))
    };
    let error = over(
        result.consecutive_error,
        metric.consecutive_error_limit,
        "consecutiveErrors",
        "consecutiveErrorLimit",
        Bug::ConsecutiveErrorLimitAtLimit,
    );
    let inconclusive = over(
        result.inconclusive,
        metric.inconclusive_limit,
        "inconclusive",
        "inconclusiveLimit",
        Bug::InconclusiveLimitAtLimit,
    );
    let failed = metric
        .failure_limit
        .and_then(|limit| over(result.failed, limit, "failed", "failureLimit", Bug::FailureLimitAtLimit));
    let found = [
        (AnalysisPhase::Error, error),
        (AnalysisPhase::Inconclusive, inconclusive),
        (AnalysisPhase::Failed, failed),
    ];
    found.into_iter().find_map(|(phase, reason)| Some((phase, reason?)))
}

/// The phase of a metric that was measured at least once.
pub(super) fn metric_phase(
    metric: &CheckedMetric,
    result: &MetricResult,
    terminating: bool,
) -> AnalysisPhase {
    if is_completed(result.phase) {
        return result.phase;
    }
    let Some(last) = result.measurements.last() else {
        return if terminating { AnalysisPhase::Successful } else { AnalysisPhase::Pending };
    };
    if !is_completed(last.phase) {
        return AnalysisPhase::Running;
    }
    if let Some((phase, _)) = exceeded(metric, result) {
        return phase;
    }
    let success_limit = metric.consecutive_success_limit;
    let one_more = u32::from(planted::is(Bug::ConsecutiveSuccessLimitPlusOne));
    if success_limit.is_some_and(|limit| result.consecutive_success >= limit + one_more) {
        return AnalysisPhase::Successful;
    }
    if metric.count.is_some_and(|count| result.count >= count) {
        return match (success_limit, metric.failure_limit) {
            (Some(_), Some(_)) => AnalysisPhase::Inconclusive,
            (Some(_), None) => AnalysisPhase::Failed,
            (None, _) => AnalysisPhase::Successful,
        };
    }
    if terminating { AnalysisPhase::Successful } else { AnalysisPhase::Running }
}

/// How bad a phase is beside others: the worst metric decides a run, the worst run an experiment
/// (`utils/analysis/helpers.go: analysisStatusOrder`).
pub(crate) fn badness(phase: AnalysisPhase) -> u8 {
    match phase {
        AnalysisPhase::Successful => 0,
        AnalysisPhase::Running => 1,
        AnalysisPhase::Pending => 2,
        AnalysisPhase::Inconclusive => 3,
        AnalysisPhase::Error => 4,
        AnalysisPhase::Failed => 5,
    }
}

/// The phase of a run and its message from its metrics, whose phases must be up to date. A metric
/// without a result was not measured yet.
pub(super) fn run_phase(
    metrics: &[(&CheckedMetric, bool, Option<&MetricResult>)],
    terminate: bool,
    terminating: bool,
) -> (AnalysisPhase, String) {
    let mut worst = None;
    let mut message = if terminate { "Run Terminated".to_owned() } else { String::new() };
    let mut everything_completed = true;
    for (metric, dry_run, result) in metrics {
        let Some(result) = result.filter(|result| is_completed(result.phase)) else {
            everything_completed = false;
            continue;
        };
        if *dry_run && !planted::is(Bug::DryRunDecides) {
            worst.get_or_insert(AnalysisPhase::Successful);
        } else if worst.is_none_or(|worst| badness(result.phase) > badness(worst)) {
            worst = Some(result.phase);
            if let Some((_, reason)) = exceeded(metric, result) {
                message = format!("Metric \"{}\" assessed {} due to {reason}", metric.name, result.phase);
                if !result.message.is_empty() {
                    message.push_str(&format!(": \"Error Message: {}\"", result.message));
                }
            }
        }
    }
    let message = message.trim().to_owned();
    match worst {
        None if terminating => (AnalysisPhase::Successful, message),
        Some(worst) if terminating || everything_completed => (worst, message),
        None | Some(_) => (AnalysisPhase::Running, String::new()),
    }
}

#[cfg(test)]
mod tests;
