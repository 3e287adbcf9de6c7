//! `restartAt`: pods that are older are evicted, as few at a time as availability allows (argo-rollouts
//! v1.10.1 `rollout/restart.go`).

use units::Duration;

use super::calendar;
use super::pass::Pass;
use crate::api::ObjectId;
use crate::kubernetes::as_pod;
use crate::{Task, World};

/// How long upstream waits before it evicts the next pods.
const AGAIN: Duration = Duration::from_secs(30);

/// Evicts pods that are to be restarted, and tells whether it evicted any.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> bool {
    let Some(text) = &pass.rollout.spec.restart_at else { return false };
    if pass.before.restarted_at.as_ref() == Some(text) {
        return false;
    }
    let Some(restart_at) = calendar::parse(text) else {
        let place = world.api.get(pass.id).manifest.as_ref().map(|manifest| manifest.place.to_string());
        let what = format!("spec.restartAt: {text}");
        world.not_simulated(
            what,
            place.unwrap_or_default(),
            "it is no RFC 3339 time, and no pod is restarted",
        );
        return false;
    };
    if pass.now < restart_at {
        world.kernel.requeue_at(restart_at, Task::Rollout(pass.id));
        return false;
    }
    let pods = listed(world, pass);
    let older: Vec<ObjectId> = pods
        .iter()
        .copied()
        .filter(|pod| world.api.get(*pod).created.truncated_to_secs() < restart_at)
        .collect();
    let evicted: Vec<ObjectId> = older.iter().copied().take(room(world, pass, &pods)).collect();
    for pod in &evicted {
        world.api.delete(*pod);
    }
    if evicted.len() < older.len() {
        let again = pass.now + AGAIN;
        world.kernel.requeue_at(again, Task::Rollout(pass.id));
    } else {
        pass.restarted_at = Some(text.clone());
    }
    !evicted.is_empty()
}

/// How many pods may be evicted now: at least one is allowed to be missing.
fn room(world: &World<'_>, pass: &Pass, pods: &[ObjectId]) -> usize {
    let min_ready = pass.rollout.spec.min_ready();
    let available = pods.iter().filter_map(|pod| as_pod(world.api.get(*pod))).filter(|pod| {
        pod.phase == timeline::PodPhase::Ready
            && pod.ready_since.is_some_and(|since| since + min_ready <= pass.now)
    });
    let wanted = pass.wanted();
    let total: i64 = pass.sets.iter().map(|set| set.size.spec).sum();
    let fewest = wanted.replicas.max(total) - wanted.unavailable.max(1);
    usize::try_from(available.count() as i64 - fewest).unwrap_or(0)
}

/// The pods as the API server lists them, by name. Upstream sorts the ReplicaSets by their priority, stable first,
/// but not the pods: between templates their hashes decide.
fn listed(world: &World<'_>, pass: &Pass) -> Vec<ObjectId> {
    let mut pods: Vec<_> = pass.sets.iter().flat_map(|set| world.api.owned(set.id)).collect();
    pods.sort_by_key(|pod| &pod.key.name);
    pods.into_iter().map(|pod| pod.id).collect()
}
