//! A measurement by a Kubernetes Job (argo-rollouts v1.10.1 `metricproviders/job/job.go`), which the scenario
//! lets end.

use std::collections::BTreeMap;

use manifests::objects::ObjectKey;
use manifests::objects::analysis::{CheckedMetric, Job as Template};
use planted::Bug;
use scenario::JobEnd;
use serde_json::{Value as Json, json};
use timeline::AnalysisPhase;
use units::{Duration, Time};
use yaml::Problem;

use super::measure::{Step, Taken, UnderWay, problem};
use super::run::{Measurement, MetricResult};
use crate::World;
use crate::answers::Asked;
use crate::api::{Body, ObjectId};
use crate::kubernetes::{self, as_job};

/// The longest name of a label's value, and so of a Job (`defaults.Kubernetes_DNS_Limit`).
const LONGEST_NAME: usize = 63;

/// What a pass takes at least. Deviation: a pass is one moment here, and no time at all after its start a
/// Job would be looked at again without end.
const SHORTEST_PASS: Duration = Duration::from_millis(10);

/// Starts the Job of a metric (`Run`).
///
/// # Errors
/// A Job that Kubernetes refuses, and one of which the scenario does not say how it ends.
pub(super) fn start(
    world: &mut World<'_>,
    id: ObjectId,
    metric: &CheckedMetric,
    template: &Template,
) -> Result<Step, Problem> {
    check(metric, template)?;
    let asked = Asked::by_run(world, id);
    let place = metric.places.job.as_ref();
    let answers = &world.scenario.answers;
    let (end, takes) = world.questions.job(answers, &metric.name, &asked, place)?;
    let object = world.api.get(id);
    let Body::AnalysisRun(run) = &object.body else {
        return Err(Problem::new("only a run has measurements"));
    };
    let result = run.status.results.iter().find(|result| result.name == metric.name);
    let number = result.map_or(0, MetricResult::taken) + 1;
    let namespace = object.key.namespace.clone().unwrap_or_default();
    let of = OfRun { uid: &object.uid(), name: &object.key.name, namespace: &namespace };
    let made = Made::new(of, &metric.name, template, number);
    let key = ObjectKey::new("batch", "Job", Some(&namespace), &made.name);
    match world.api.find(&key).map(|existing| existing.owner == Some(id)) {
        Some(true) => {}
        Some(false) => return Ok(Step::Taken(exists(&made.name))),
        None => {
            let job = kubernetes::job::create(world, key, id, kubernetes::Job::new(made.spec, end, takes));
            let (labels, annotations) = (made.labels, made.annotations);
            world.api.update_metadata(job, |object| {
                (object.labels, object.annotations) = (labels, annotations);
            });
        }
    }
    // The Job is looked at at once, for one that is over soon.
    Ok(Step::UnderWay(UnderWay { job: made.name, resume: world.now() }))
}

/// The run for which a Job is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfRun<'a> {
    pub(super) uid: &'a str,
    pub(super) name: &'a str,
    pub(super) namespace: &'a str,
}

/// The Job that measures a metric (`newMetricJob`), without the run, its owner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) spec: Json,
}

impl Made {
    /// The Job of a metric's measurement, by its number from 1.
    pub(super) fn new(run: OfRun<'_>, metric: &str, template: &Template, number: u32) -> Self {
        let own = |key: &str, value: &str| (format!("analysisrun.argoproj.io/{key}"), value.to_owned());
        let mut labels = texts(template, "/labels");
        labels.extend([own("uid", run.uid)]);
        let mut annotations = texts(template, "/annotations");
        annotations.extend([
            own("name", run.name),
            own("namespace", run.namespace),
            own("metric-name", metric),
        ]);
        let mut spec = template.spec.clone();
        let mut part = Some(&mut spec);
        for name in ["template", "metadata", "labels"] {
            let fields = part.and_then(Json::as_object_mut);
            part = fields.map(|fields| fields.entry(name).or_insert_with(|| json!({})));
        }
        if let Some(labels) = part.and_then(Json::as_object_mut) {
            let (key, uid) = own("uid", run.uid);
            labels.insert(key, Json::from(uid));
        }
        Self { name: name(run.uid, metric, number), labels, annotations, spec }
    }
}

/// A measurement whose Job cannot be made, since another object has its name.
pub(super) fn exists(job: &str) -> Taken {
    Taken::error(format!("jobs.batch \"{job}\" already exists"), "")
}

/// Looks at the Job of a measurement that is under way (`Resume`).
pub(super) fn resume(world: &World<'_>, id: ObjectId, before: &Measurement) -> Step {
    let Some(name) = &before.job else { return missing() };
    let namespace = world.api.get(id).key.namespace.clone();
    let found = world.api.find(&ObjectKey::new("batch", "Job", namespace.as_deref(), name));
    match found.and_then(as_job) {
        None => Step::Taken(gone(name)),
        Some(job) => looked_at(job.condition, before, world.now()),
    }
}

/// A measurement whose Job somebody deleted.
pub(super) fn gone(job: &str) -> Taken {
    Taken::error(format!("job.batch \"{job}\" not found"), "")
}

/// What a Job with these conditions means for the measurement that waits for it: of several ends the last counts.
pub(super) fn looked_at(
    conditions: impl IntoIterator<Item = JobEnd>,
    before: &Measurement,
    now: Time,
) -> Step {
    match (conditions.into_iter().last(), &before.job) {
        (Some(JobEnd::Complete), _) => Step::Taken(Taken::plain(AnalysisPhase::Successful, "")),
        (Some(JobEnd::Failed), _) if planted::is(Bug::FailedJobIsError) => Step::Taken(Taken::error("", "")),
        (Some(JobEnd::Failed), _) => Step::Taken(Taken::plain(AnalysisPhase::Failed, "")),
        (None, Some(job)) => {
            let resume = now + wait(now.since(before.started));
            Step::UnderWay(UnderWay { job: job.clone(), resume })
        }
        (None, None) => missing(),
    }
}

/// How long after a look the next one follows, by the time since the Job was started.
fn wait(elapsed: Duration) -> Duration {
    let seconds = (2.0 * elapsed.max(SHORTEST_PASS).as_secs_f64()).sqrt();
    Duration::from_nanos((seconds * 1e9) as u64)
}

/// Ends a measurement whose run is ending, and deletes its Job (`Terminate`).
pub(super) fn terminate(world: &mut World<'_>, id: ObjectId, before: &Measurement) -> Step {
    let Some(name) = &before.job else { return missing() };
    let namespace = world.api.get(id).key.namespace.clone();
    let key = ObjectKey::new("batch", "Job", namespace.as_deref(), name);
    let job = world.api.find(&key).map(|job| job.id).filter(|_| !planted::is(Bug::JobOutlivesItsRun));
    if let Some(job) = job {
        world.api.delete(job);
    }
    Step::Taken(terminated())
}

/// What a measurement is whose run is ending.
pub(super) fn terminated() -> Taken {
    Taken::plain(AnalysisPhase::Inconclusive, "Metric Terminated")
}

pub(super) fn missing() -> Step {
    Step::Taken(Taken::error("job metadata reference missing", ""))
}

/// Deletes the oldest Jobs of a run beyond a number, of whatever metric they are (`GarbageCollect`).
pub(super) fn collect(world: &mut World<'_>, id: ObjectId, limit: usize) {
    let jobs: Vec<ObjectId> =
        world.api.owned(id).filter(|object| as_job(object).is_some()).map(|job| job.id).collect();
    let limit = limit + usize::from(planted::is(Bug::JobRetentionPlusOne));
    for job in surplus(&jobs, limit) {
        world.api.delete(*job);
    }
}

/// Those of the Jobs, oldest first, that are too many.
pub(super) fn surplus<T>(jobs: &[T], limit: usize) -> &[T] {
    &jobs[..jobs.len().saturating_sub(limit)]
}

/// What Kubernetes would refuse when the Job is made.
fn check(metric: &CheckedMetric, template: &Template) -> Result<(), Problem> {
    let places = &metric.places;
    let policy = template.restart_policy();
    if policy != "Never" && policy != "OnFailure" {
        let message = format!(
            "Kubernetes refuses the Job of the metric `{}`: its pods have restartPolicy {policy}",
            metric.name
        );
        return Err(problem(places.job.as_ref(), message)
            .with_help("write `restartPolicy: Never` into its pod template"));
    }
    let containers = template.spec.pointer("/template/spec/containers").and_then(Json::as_array);
    if containers.is_none_or(Vec::is_empty) {
        let message =
            format!("Kubernetes refuses the Job of the metric `{}`: its pods have no container", metric.name);
        return Err(problem(places.job.as_ref(), message));
    }
    let is_part = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        edge(part.chars().next())
            && edge(part.chars().last())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if !metric.name.split('.').all(is_part) {
        let message = format!(
            "Kubernetes refuses the Job of the metric `{}`: the name of a Job has no such characters",
            metric.name
        );
        let help = "use lower-case letters, digits, `-` and `.` in the metric's name, which is in the Job's";
        return Err(problem(places.metric.as_ref(), message).with_help(help));
    }
    Ok(())
}

fn texts(template: &Template, path: &str) -> BTreeMap<String, String> {
    let map =
        template.metadata.as_ref().and_then(|metadata| metadata.pointer(path)).and_then(Json::as_object);
    let entries = map.into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The name of a Job, cut where it would be too long for a label (`newJobName`).
fn name(uid: &str, metric: &str, number: u32) -> String {
    let around = format!("{uid}..{number}").len();
    let kept = &metric[..metric.len().min(LONGEST_NAME.saturating_sub(around))];
    format!("{uid}.{kept}.{number}")
}

#[cfg(test)]
mod tests;
