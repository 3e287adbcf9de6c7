//! When a Rollout is looked at again after a pass that failed (argo-rollouts v1.10.1 `utils/queue/queue.go:
//! DefaultArgoRolloutsRateLimiter`, client-go `util/workqueue`): waits double up to 10 s, and a change meanwhile
//! shortens none, since the queue asks the same limiter for it.

use std::collections::BTreeMap;

use timeline::Source;
use units::{Duration, Time};

use crate::api::ObjectId;
use crate::{Task, World};

/// The first wait: those before it, from a millisecond on, are over within one moment.
const FIRST: Duration = Duration::from_millis(128);

/// The last of the waits that double: the next would be longer than the longest.
const LAST_DOUBLED: Duration = Duration::from_millis(8192);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// Why a pass came to no end. Nothing of its status is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The spec is invalid, which stands in the status.
    Refused,
    /// Something cannot be done, in upstream's words.
    Error(String),
    /// Something was written to that is gone: what is not found is not tried again (`processNextWorkItem`).
    Gone,
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Self::Error(error)
    }
}

/// The Rollouts whose last pass failed.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<ObjectId, Retry>);

#[derive(Debug, Clone, Default)]
struct Retry {
    /// The wait since the last pass that was planned, and its end.
    wait: Duration,
    at: Time,
    /// The error that was told last.
    told: String,
}

/// Plans the next pass after one that failed; after any other, changes are looked at when they come.
pub(super) fn note(world: &mut World<'_>, id: ObjectId, end: Result<(), Failure>) {
    match end {
        Ok(()) | Err(Failure::Gone) => {
            world.rollouts.retries.0.remove(&id);
        }
        Err(Failure::Refused) => plan(world, id),
        Err(Failure::Error(error)) => {
            plan(world, id);
            tell(world, id, error);
        }
    }
}

/// A pass that came out of turn leaves the plan as it is.
fn plan(world: &mut World<'_>, id: ObjectId) {
    let now = world.now();
    let retry = world.rollouts.retries.0.entry(id).or_default();
    if retry.at > now {
        return;
    }
    retry.wait = match retry.wait {
        Duration::ZERO => FIRST,
        wait if wait < LAST_DOUBLED => wait + wait,
        _ => LONGEST,
    };
    retry.at = now + retry.wait;
    world.kernel.wake_at(retry.at, Task::Rollout(id));
}

/// Tells of an error that is new. Upstream has it in its log alone, so that it is told in the harness's own name.
fn tell(world: &mut World<'_>, id: ObjectId, error: String) {
    let Some(retry) = world.rollouts.retries.0.get_mut(&id).filter(|retry| retry.told != error) else {
        return;
    };
    retry.told.clone_from(&error);
    let message = format!("the controller's pass fails: {error}");
    world.record(Source::Rehearse, id, true, "ReconciliationError", message);
}

/// Brings a task without a time of its own, as a change does; not one over a Rollout that waits for its next retry.
pub(crate) fn wake(world: &mut World<'_>, task: Task) {
    let retry = match task {
        Task::Rollout(id) => world.rollouts.retries.0.get(&id),
        _ => None,
    };
    if retry.is_none_or(|retry| retry.at <= world.now()) {
        world.kernel.wake(task);
    }
}
