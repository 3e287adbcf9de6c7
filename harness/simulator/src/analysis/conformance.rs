//! Decisions about an AnalysisRun as the controller makes them.

use std::collections::BTreeMap;

use manifests::objects::Metric;
use manifests::objects::analysis::CheckedProvider;
use manifests::objects::rollout::MergedAnalysis;
use scenario::{JobEnd, Reply};
use serde_json::Value as Json;
use timeline::AnalysisPhase;
use units::{Duration, Time};
use yaml::Problem;

use super::job::{Made, OfRun};
use super::measure::Step;
use super::plan::{Plan, PlannedMetric};
use super::run::MetricResult;
use super::{Measurement, RunStatus, assess, job, measure, query, web};
use crate::experiments::{KnownSet, resolve_value};
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

/// A Job as it is made for a measurement: its name, labels, annotations and spec (`newMetricJob`).
pub type JobMade = (String, BTreeMap<String, String>, BTreeMap<String, String>, Json);

/// The Job that a run, by uid, name and namespace, makes for its metric's measurement of this number.
///
/// # Errors
/// A metric that is measured by no Job or that upstream does not accept.
pub fn job_made(run: (&str, &str, &str), metric: &Metric, number: u32) -> Result<JobMade, String> {
    let CheckedProvider::Job(template) = metric.provider.check()? else {
        return Err("the metric has no Job".to_owned());
    };
    let made =
        Made::new(OfRun { uid: run.0, name: run.1, namespace: run.2 }, &metric.name, &template, number);
    Ok((made.name, made.labels, made.annotations, made.spec))
}

/// Phase and message of a measurement whose Job's name is another object's.
pub fn job_exists(job: &str) -> (AnalysisPhase, String) {
    let taken = job::exists(job);
    (taken.phase, taken.message)
}

/// Phase and message of a measurement whose Job has these ends, and when it is looked at again; `ends` is `None`
/// for a Job that is gone, `job` for a measurement that names none (`Resume`).
pub fn job_looked_at(
    ends: Option<&[JobEnd]>,
    job: Option<&str>,
    elapsed: Duration,
) -> (AnalysisPhase, String, Option<Duration>) {
    let before = Measurement {
        phase: AnalysisPhase::Running,
        value: String::new(),
        message: String::new(),
        started: Time::ZERO,
        finished: None,
        job: job.map(str::to_owned),
        resume: None,
    };
    let now = Time::ZERO + elapsed;
    let step = match (job, ends) {
        (None, _) => job::missing(),
        (Some(job), None) => Step::Taken(job::gone(job)),
        (Some(_), Some(ends)) => job::looked_at(ends.iter().copied(), &before, now),
    };
    match step {
        Step::Taken(taken) => (taken.phase, taken.message, None),
        Step::UnderWay(under_way) => {
            (AnalysisPhase::Running, String::new(), Some(under_way.resume.since(now)))
        }
    }
}

/// Phase of a measurement that is terminated.
pub fn job_terminated(job: Option<&str>) -> (AnalysisPhase, String) {
    let step = if job.is_some() { Step::Taken(job::terminated()) } else { job::missing() };
    match step {
        Step::Taken(taken) => (taken.phase, taken.message),
        Step::UnderWay(_) => (AnalysisPhase::Running, String::new()),
    }
}

/// Those of a run's Jobs, oldest first, that are deleted (`GarbageCollect`).
pub fn job_surplus<T>(jobs: &[T], limit: usize) -> &[T] {
    job::surplus(jobs, limit)
}

/// The value of an Experiment's argument, with what the Experiment knows in place of placeholders; its ReplicaSets by
/// template, hash and name (`ResolveExperimentArgsValue`).
///
/// # Errors
/// As upstream words them.
pub fn experiment_value(
    value: &str,
    available: Option<Time>,
    duration: Option<Duration>,
    sets: &[(&str, String, String)],
) -> Result<String, String> {
    let known = sets.iter().map(|(template, hash, name)| KnownSet {
        template: (*template).to_owned(),
        hash: hash.clone(),
        name: name.clone(),
    });
    resolve_value(value, available, duration, &known.collect::<Vec<_>>())
}

/// The phase of a metric (`assessMetricStatus`).
///
/// # Errors
/// A metric that upstream does not accept.
pub fn metric_phase(
    metric: &Metric,
    result: &MetricResult,
    terminating: bool,
) -> Result<AnalysisPhase, String> {
    Ok(assess::metric_phase(&metric.check()?, result, terminating))
}

/// The status of a run after its metrics were looked at once (`assessRunStatus`).
///
/// # Errors
/// A spec that upstream does not accept.
pub fn assess(
    analysis: &MergedAnalysis,
    terminate: bool,
    mut status: RunStatus,
) -> Result<RunStatus, String> {
    status.assess(&*Plan::of(analysis)?, terminate, Time::ZERO);
    Ok(status)
}

/// What a spec says of a metric beside its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Whether it decides nothing (`GetDryRunMetrics`).
    pub dry_run: bool,
    /// How many measurements are kept (`GetMeasurementRetentionMetrics`).
    pub retention: usize,
}

/// What a spec says of its metrics.
///
/// # Errors
/// The message of a run with this spec (`ValidateMetrics` among others).
pub fn plan(analysis: &MergedAnalysis) -> Result<Vec<Planned>, String> {
    let plan = Plan::of(analysis)?;
    let planned = plan.metrics.iter().map(|metric| Planned {
        name: metric.checked.name.clone(),
        dry_run: metric.dry_run,
        retention: metric.retention,
    });
    Ok(planned.collect())
}

/// The metrics that are measured, or looked at again, now (`generateMetricTasks`).
///
/// # Errors
/// A spec that upstream does not accept.
pub fn due(
    analysis: &MergedAnalysis,
    terminate: bool,
    status: &RunStatus,
    now: Time,
) -> Result<Vec<String>, String> {
    let plan = Plan::of(analysis)?;
    let due = status.to_measure(&plan, terminate, now);
    Ok(due.into_iter().map(|planned| planned.checked.name.clone()).collect())
}

/// When the next pass is due (`calculateNextReconcileTime`).
///
/// # Errors
/// A spec that upstream does not accept.
pub fn next_due(analysis: &MergedAnalysis, status: &RunStatus, now: Time) -> Result<Option<Time>, String> {
    Ok(status.next_due(&*Plan::of(analysis)?, status.started.unwrap_or(now)))
}

/// Whether a phase is worse than another (`IsWorse`).
pub fn is_worse(phase: AnalysisPhase, other: AnalysisPhase) -> bool {
    assess::badness(phase) > assess::badness(other)
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
