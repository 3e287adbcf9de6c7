//! An AnalysisRun and one pass over it (argo-rollouts v1.10.1 `analysis/analysis.go:
//! reconcileAnalysisRun`).

use std::sync::Arc;

use manifests::objects::rollout::MergedAnalysis;
use timeline::{AnalysisPhase, AnalysisRunStatus, Event, Source};
use units::Time;

use super::measure::{self, Step, Taken, UnderWay};
use super::plan::{Plan, PlannedMetric};
use super::waiting::Pass;
use super::{assess, job, metric, secrets};
use crate::api::{Body, ObjectId};
use crate::rollouts::Hash;
use crate::{Task, World};

/// `argoproj.io/AnalysisRun`: its spec, frozen when it was made, and its status.
#[derive(Debug, Clone)]
pub struct AnalysisRun {
    /// The Rollout that made it.
    pub rollout: Arc<str>,
    /// The hash of the template under test (label `rollouts-pod-template-hash`).
    pub hash: Hash,
    /// The step that it decides; `None` beside the steps.
    pub step: Option<u32>,
    /// What it does.
    pub analysis: MergedAnalysis,
    /// Whether it was told to end.
    pub terminate: bool,
    /// What came of it so far.
    pub status: RunStatus,
    plan: Result<Arc<Plan>, String>,
}

/// What came of a run so far (`AnalysisRunStatus`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunStatus {
    /// Its phase; `None` before the first pass.
    pub phase: Option<AnalysisPhase>,
    /// The message beside the phase.
    pub message: String,
    /// When the first pass was.
    pub started: Option<Time>,
    /// When it came to its end.
    pub completed: Option<Time>,
    /// The metrics that were measured, in the order of their first measurement.
    pub results: Vec<MetricResult>,
}

/// What came of a metric so far (`MetricResult`).
#[derive(Debug, Clone, PartialEq)]
pub struct MetricResult {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: AnalysisPhase,
    /// The message of the measurement that decided.
    pub message: String,
    /// Whether it decides nothing.
    pub dry_run: bool,
    /// Measurements without the errors.
    pub count: u32,
    /// Successful measurements.
    pub successful: u32,
    /// Failed measurements.
    pub failed: u32,
    /// Inconclusive measurements.
    pub inconclusive: u32,
    /// Errors.
    pub error: u32,
    /// Errors since the last measurement that was none.
    pub consecutive_error: u32,
    /// Successes since the last measurement that was none.
    pub consecutive_success: u32,
    /// The latest measurements, oldest first.
    pub measurements: Vec<Measurement>,
}

/// A measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// Its outcome.
    pub phase: AnalysisPhase,
    /// The value as recorded; empty where none was obtained.
    pub value: String,
    /// Why it is an error; empty otherwise.
    pub message: String,
    /// When it was begun.
    pub started: Time,
    /// When it was taken; `None` while it is under way.
    pub finished: Option<Time>,
    /// The Job that it waits for, or waited for.
    pub job: Option<String>,
    /// When a measurement that is under way is looked at again.
    pub resume: Option<Time>,
}

impl AnalysisRun {
    /// A run that has not begun.
    pub(crate) fn new(rollout: Arc<str>, hash: Hash, step: Option<u32>, analysis: MergedAnalysis) -> Self {
        let plan = Plan::of(&analysis);
        Self { rollout, hash, step, analysis, terminate: false, status: RunStatus::default(), plan }
    }
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_completed(&self) -> bool {
        self.phase.is_some_and(metric::is_completed)
    }

    fn result(&self, name: &str) -> Option<&MetricResult> {
        self.results.iter().find(|result| result.name == name)
    }

    /// Brings the phases of metrics and run up to date (`assessRunStatus`), forgets measurements beyond
    /// their retention, and gives the metrics that came to their end.
    pub(super) fn assess(&mut self, plan: &Plan, terminate: bool, now: Time) -> Vec<(String, AnalysisPhase)> {
        let terminating = assess::is_terminating(terminate, &self.results);
        let mut completed = Vec::new();
        for planned in &plan.metrics {
            let name = &planned.checked.name;
            let Some(result) = self.results.iter_mut().find(|result| result.name == *name) else {
                continue;
            };
            let phase = assess::metric_phase(&planned.checked, result, terminating);
            if phase != result.phase {
                result.message =
                    result.measurements.last().map(|last| last.message.clone()).unwrap_or_default();
                result.phase = phase;
                if metric::is_completed(phase) {
                    completed.push((name.clone(), phase));
                }
            }
            let surplus = result.measurements.len().saturating_sub(planned.retention);
            result.measurements.drain(..surplus);
        }
        let metrics: Vec<_> = plan
            .metrics
            .iter()
            .map(|planned| (&planned.checked, planned.dry_run, self.result(&planned.checked.name)))
            .collect();
        let (phase, message) = assess::run_phase(&metrics, terminate, terminating);
        for planned in plan.metrics.iter().filter(|planned| planned.dry_run) {
            let result = self.results.iter_mut().find(|result| result.name == planned.checked.name);
            if let Some(result) = result.filter(|result| metric::is_completed(result.phase))
                && let Some((_, reason)) = assess::exceeded(&planned.checked, result)
            {
                result.message = format!("Metric assessed {} due to {reason}", result.phase);
            }
        }
        if self.phase != Some(phase) {
            self.phase = Some(phase);
            self.message = message;
            if metric::is_completed(phase) {
                self.completed = Some(now.truncated_to_secs());
            }
        }
        completed
    }
}

impl RunStatus {
    /// The metrics that are to be measured now, or whose measurement goes on. A run that is ending begins none.
    pub(super) fn to_measure<'a>(
        &self,
        plan: &'a Plan,
        terminate: bool,
        now: Time,
    ) -> Vec<&'a PlannedMetric> {
        match assess::is_terminating(terminate, &self.results) {
            true => self.unfinished(plan),
            false => self.due(plan, self.started.unwrap_or(now.truncated_to_secs()), now),
        }
    }

    /// The metrics that are to be measured now.
    pub(super) fn due<'a>(&self, plan: &'a Plan, started: Time, now: Time) -> Vec<&'a PlannedMetric> {
        let is_due = |planned: &&PlannedMetric| {
            let result = self.result(&planned.checked.name);
            let due = metric::due(&planned.checked, result, started);
            // The time to resume is stored in whole seconds; the timer is set to the exact one.
            let under_way = self.under_way(&planned.checked.name).is_some();
            due.is_some_and(|at| at <= now || (under_way && at.truncated_to_secs() <= now))
        };
        plan.metrics.iter().filter(is_due).collect()
    }

    /// When the next measurement is due, now or later.
    pub(super) fn next_due(&self, plan: &Plan, started: Time) -> Option<Time> {
        let due = plan
            .metrics
            .iter()
            .filter_map(|planned| metric::due(&planned.checked, self.result(&planned.checked.name), started));
        due.min()
    }

    /// The metrics whose measurement is under way.
    pub(super) fn unfinished<'a>(&self, plan: &'a Plan) -> Vec<&'a PlannedMetric> {
        let is_unfinished = |planned: &&PlannedMetric| {
            let result =
                self.result(&planned.checked.name).filter(|result| !metric::is_completed(result.phase));
            result.is_some_and(|result| self.under_way(&result.name).is_some())
        };
        plan.metrics.iter().filter(is_unfinished).collect()
    }

    /// The measurement of a metric that is under way.
    pub(super) fn under_way(&self, metric: &str) -> Option<&Measurement> {
        self.result(metric)?.measurements.last().filter(|last| last.finished.is_none())
    }

    /// Adds a measurement that was begun at a time, or ends the one that was under way, and gives its number
    /// among those of its metric.
    pub(super) fn add(&mut self, planned: &PlannedMetric, taken: &Taken, begun: Time) -> u32 {
        let result = self.result_of(planned);
        let before = result.take_unfinished();
        result.add(Measurement {
            phase: taken.phase,
            value: taken.value.clone(),
            message: taken.message.clone(),
            started: before.as_ref().map_or(begun.truncated_to_secs(), |before| before.started),
            finished: Some((begun + taken.takes).truncated_to_secs()),
            job: before.and_then(|before| before.job),
            resume: None,
        });
        result.taken()
    }

    /// Notes that a measurement goes on.
    pub(super) fn go_on(&mut self, planned: &PlannedMetric, under_way: UnderWay, now: Time) {
        let result = self.result_of(planned);
        let before = result.take_unfinished();
        result.measurements.push(Measurement {
            phase: AnalysisPhase::Running,
            value: String::new(),
            message: String::new(),
            started: before.map_or(now.truncated_to_secs(), |before| before.started),
            finished: None,
            job: Some(under_way.job),
            resume: Some(under_way.resume),
        });
    }

    fn result_of(&mut self, planned: &PlannedMetric) -> &mut MetricResult {
        let name = &planned.checked.name;
        let results = &mut self.results;
        let index = results.iter().position(|result| result.name == *name).unwrap_or_else(|| {
            results.push(MetricResult::new(name, planned.dry_run));
            results.len() - 1
        });
        &mut results[index]
    }
}

/// One pass over one AnalysisRun.
pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let now = world.now();
    if world.analysis.is_waiting(id, now) {
        return;
    }
    let waited = world.analysis.take(id);
    let object = world.api.get(id);
    let Body::AnalysisRun(run) = &object.body else { return };
    if object.deleted || run.status.is_completed() {
        return;
    }
    let mut run = run.clone();
    let before = run.status.clone();
    if waited.is_some() {
        // What happened meanwhile is looked at afterwards.
        world.kernel.wake(Task::AnalysisRun(id));
    }
    match run.plan.clone() {
        Ok(plan) => match waited.map_or_else(|| measure_what_is_due(world, id, &run, &plan), Ok) {
            Ok(pass) if pass.begun + pass.takes() > now => {
                let until = pass.begun + pass.takes();
                world.kernel.wake_at(until, Task::AnalysisRun(id));
                world.analysis.wait(id, until, pass);
                return;
            }
            Ok(pass) => end_pass(world, id, &mut run, &plan, pass),
            Err(message) => fail(&mut run, message),
        },
        Err(message) => fail(&mut run, message),
    }
    if run.status != before {
        write(world, id, &before, run.status);
    }
}

/// Notes what was measured, and assesses.
fn end_pass(world: &mut World<'_>, id: ObjectId, run: &mut AnalysisRun, plan: &Plan, pass: Pass) {
    let now = world.now();
    for (name, step) in pass.steps {
        let Some(planned) = plan.metrics.iter().find(|planned| planned.checked.name == name) else {
            continue;
        };
        match step {
            Step::Taken(taken) => note(world, id, run, planned, taken, pass.begun),
            Step::UnderWay(under_way) => run.status.go_on(planned, under_way, now),
        }
    }
    run.status.started.get_or_insert(now.truncated_to_secs());
    assess(world, id, run, plan, pass.terminate);
    wake_when_due(world, id, run, plan);
}

fn fail(run: &mut AnalysisRun, message: String) {
    run.status.phase = Some(AnalysisPhase::Error);
    run.status.message = message;
}

/// Takes every measurement that is due, and goes on with those that are under way. A run that is ending
/// begins none.
///
/// # Errors
/// The message of the run when an argument cannot be had.
fn measure_what_is_due(
    world: &mut World<'_>,
    id: ObjectId,
    run: &AnalysisRun,
    plan: &Plan,
) -> Result<Pass, String> {
    let now = world.now();
    let mut pass = Pass { begun: now, terminate: run.terminate, steps: Vec::new() };
    let terminating = assess::is_terminating(run.terminate, &run.status.results);
    let due = run.status.to_measure(plan, run.terminate, now);
    if due.is_empty() {
        return Ok(pass);
    }
    let namespace = world.api.get(id).key.namespace.clone().unwrap_or_default();
    let unresolved = |error| format!("Unable to resolve metric arguments: {error}");
    let arguments = secrets::arguments(world, &namespace, &run.analysis.args).map_err(unresolved)?;
    for planned in due {
        let before = run.status.under_way(&planned.checked.name);
        let step = match &arguments {
            None => measure::measure(world, id, planned, before, terminating),
            Some(arguments) => {
                let resolved = arguments.resolve(run, plan, planned).map_err(unresolved)?;
                let step = measure::measure(world, id, &resolved, before, terminating);
                step.map(|step| arguments.redact(step))
            }
        };
        match step {
            Ok(step) => pass.steps.push((planned.checked.name.clone(), step)),
            Err(problem) => {
                world.fail(problem);
                return Ok(pass);
            }
        }
    }
    Ok(pass)
}

/// Adds a measurement to the run and to the timeline.
fn note(
    world: &mut World<'_>,
    id: ObjectId,
    run: &mut AnalysisRun,
    planned: &PlannedMetric,
    taken: Taken,
    begun: Time,
) {
    let number = run.status.add(planned, &taken, begun);
    let key = &world.api.get(id).key;
    let measurement = timeline::Measurement {
        namespace: key.namespace.as_deref().unwrap_or_default().to_owned(),
        run: key.name.to_string(),
        rollout: run.rollout.to_string(),
        step: run.step,
        metric: planned.checked.name.clone(),
        number,
        phase: taken.phase,
        value: taken.value,
        message: taken.message,
        condition: taken.condition,
        evidence: taken.evidence,
        help: taken.help,
    };
    world.emit(Source::Analysis, Event::Measurement(measurement));
}

/// Brings the phases of metrics and run up to date, tells of the metrics that came to their end, and deletes
/// Jobs with the measurements that are forgotten (`garbageCollectMeasurements`).
fn assess(world: &mut World<'_>, id: ObjectId, run: &mut AnalysisRun, plan: &Plan, terminate: bool) {
    let jobs = plan.metrics.iter().filter(|planned| planned.is_a_job());
    let too_many = |planned: &&PlannedMetric| {
        let result = run.status.result(&planned.checked.name);
        result.is_some_and(|result| result.measurements.len() > planned.retention)
    };
    let limits: Vec<usize> = jobs.filter(too_many).map(|planned| planned.retention).collect();
    for (name, phase) in run.status.assess(plan, terminate, world.now()) {
        let message = format!("Metric '{name}' Completed. Result: {phase}");
        world.record(Source::Analysis, id, is_bad(phase), &format!("Metric{phase}"), message);
    }
    for limit in limits {
        job::collect(world, id, limit);
    }
}

/// Sets a timer for the earliest measurement to come (`calculateNextReconcileTime`).
fn wake_when_due(world: &mut World<'_>, id: ObjectId, run: &AnalysisRun, plan: &Plan) {
    if run.status.is_completed() {
        return;
    }
    let now = world.now();
    let started = run.status.started.unwrap_or(now);
    if let Some(at) = run.status.next_due(plan, started).filter(|at| *at > now) {
        world.kernel.wake_at(at, Task::AnalysisRun(id));
    }
}

/// Writes a run's status and tells of a new phase.
fn write(world: &mut World<'_>, id: ObjectId, before: &RunStatus, status: RunStatus) {
    let changed = status.phase.filter(|_| status.phase != before.phase);
    let message = status.message.clone();
    world.api.update_status(id, |object| {
        if let Body::AnalysisRun(run) = &mut object.body {
            run.status = status;
        }
    });
    let Some(phase) = changed else { return };
    if metric::is_completed(phase) {
        let text = format!("Analysis Completed. Result: {phase}");
        world.record(Source::Analysis, id, is_bad(phase), &format!("AnalysisRun{phase}"), text);
    }
    let object = world.api.get(id);
    let Body::AnalysisRun(run) = &object.body else { return };
    let told = AnalysisRunStatus {
        namespace: object.key.namespace.as_deref().unwrap_or_default().to_owned(),
        name: object.key.name.to_string(),
        rollout: run.rollout.to_string(),
        step: run.step,
        phase,
        message,
    };
    world.emit(Source::Analysis, Event::AnalysisRun(told));
}

fn is_bad(phase: AnalysisPhase) -> bool {
    phase == AnalysisPhase::Failed || phase == AnalysisPhase::Error
}
