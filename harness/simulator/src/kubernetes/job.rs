//! The Job controller: a Job ends as the scenario says. No pod of it runs
//! (kubernetes pkg/controller/job/job_controller.go: the conditions alone).

use manifests::objects::ObjectKey;
use scenario::JobEnd;
use serde_json::Value as Json;
use units::Duration;

use crate::api::{Body, Object, ObjectId};
use crate::{Task, World};

/// `batch/Job`, of an AnalysisRun.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its spec as written.
    pub spec: Json,
    /// How it will end.
    end: JobEnd,
    /// How long it takes.
    takes: Duration,
    /// The condition that it has once it is over.
    pub condition: Option<JobEnd>,
}

impl Job {
    /// A Job that has just been made.
    pub(crate) fn new(spec: Json, end: JobEnd, takes: Duration) -> Self {
        Self { spec, end, takes, condition: None }
    }
}

/// A Job; `None` for any other object.
pub(crate) fn as_job(object: &Object) -> Option<&Job> {
    match &object.body {
        Body::Job(job) => Some(job),
        _ => None,
    }
}

/// Makes a Job, which ends when its time has passed.
pub(crate) fn create(world: &mut World<'_>, key: ObjectKey, owner: ObjectId, job: Job) -> ObjectId {
    let now = world.now();
    let takes = job.takes;
    let id = world.api.create(key, Some(owner), Body::Job(job), now);
    world.kernel.wake_at(now + takes, Task::Job(id));
    id
}

/// The time of a Job has passed.
pub(crate) fn finish(world: &mut World<'_>, id: ObjectId) {
    if !world.api.exists(id) {
        return;
    }
    world.api.update_status(id, |object| {
        if let Body::Job(job) = &mut object.body {
            job.condition = Some(job.end);
        }
    });
}
