//! When a Rollout is looked at again after a pass that failed (argo-rollouts v1.10.1 `utils/queue/queue.go:
//! DefaultArgoRolloutsRateLimiter`, client-go `util/workqueue`): waits double up to 10 s, and a change meanwhile
//! shortens none, since the queue asks the same limiter for it.

use std::collections::BTreeMap;

use units::{Duration, Time};

use crate::api::ObjectId;
use crate::{Task, World};

/// The first wait: those before it, from a millisecond on, are over within one moment.
const FIRST: Duration = Duration::from_millis(128);

/// The last of the waits that double: the next would be longer than the longest.
const LAST_DOUBLED: Duration = Duration::from_millis(8192);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// The Rollouts whose last pass failed, with the wait since then and its end.
#[derive(Debug, Default)]
pub(super) struct Retries(BTreeMap<ObjectId, (Duration, Time)>);

/// Plans the next pass after one that failed. One that came out of turn leaves the plan as it is.
pub(super) fn plan(world: &mut World<'_>, id: ObjectId) {
    let now = world.now();
    let wait = match world.rollouts.retries.0.get(&id) {
        Some((_, at)) if *at > now => return,
        Some((wait, _)) if *wait < LAST_DOUBLED => *wait + *wait,
        Some(_) => LONGEST,
        None => FIRST,
    };
    world.rollouts.retries.0.insert(id, (wait, now + wait));
    world.kernel.wake_at(now + wait, Task::Rollout(id));
}

/// After a pass that did not fail, changes are looked at when they come.
pub(super) fn forget(world: &mut World<'_>, id: ObjectId) {
    world.rollouts.retries.0.remove(&id);
}

/// Whether a change does not bring this task, since the Rollout waits for its next retry.
pub(crate) fn is_put_off(world: &World<'_>, task: Task) -> bool {
    let Task::Rollout(id) = task else { return false };
    world.rollouts.retries.0.get(&id).is_some_and(|(_, at)| *at > world.now())
}
