//! The resync of the informers: from time to time everything is looked at again without a change (argo-rollouts v1.10.1
//! `controller/controller.go: DefaultRolloutResyncPeriod`, client-go `tools/cache/shared_informer.go`).

use behaviour::stream;
use planted::Bug;
use rand::RngExt;
use units::{Duration, Time};

use super::retry;
use crate::api::ObjectId;
use crate::{Task, World};

/// What `--rollout-resync` is where nobody sets it.
pub(super) const PERIOD: Duration = Duration::from_secs(15 * 60);

/// When within each quarter of an hour the resync is: the informers started at some time before the run.
pub fn resync_phase(seed: u64) -> Duration {
    Duration::from_millis(stream(seed, "argo-rollouts resync").random_range(0..PERIOD.as_millis()))
}

pub(crate) fn begin(world: &mut World<'_>) {
    if planted::is(Bug::NoResync) {
        return;
    }
    let first = Time::ZERO + resync_phase(world.options.seed);
    world.kernel.wake_at(first, Task::RolloutsResync);
}

/// Every run, Experiment and Rollout has a pass, as after a change.
pub(crate) fn resync(world: &mut World<'_>) {
    type Of = fn(ObjectId) -> Task;
    let kinds: [(&str, Of); 3] =
        [("AnalysisRun", Task::AnalysisRun), ("Experiment", Task::Experiment), ("Rollout", Task::Rollout)];
    for (kind, task) in kinds {
        let tasks: Vec<Task> = world.api.of_kind("argoproj.io", kind).map(|object| task(object.id)).collect();
        tasks.into_iter().for_each(|task| retry::wake(world, task));
    }
    world.kernel.wake_at(world.now() + PERIOD, Task::RolloutsResync);
}
