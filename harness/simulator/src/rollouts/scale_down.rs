//! Pods that stay for a while after they are of no more use: those of an old ReplicaSet after a
//! promotion, and those of the canary or the preview after an abort (argo-rollouts v1.10.1
//! `rollout/replicaset.go`).

use planted::Bug;
use units::{Duration, Time};

use super::pass::Pass;
use super::status::BlueGreenState;
use super::{resync, sizes};
use crate::api::Body;
use crate::{Task, World};

/// Takes the deadlines off the ReplicaSets in use (`removeScaleDownDeadlines`).
pub(super) fn remove_deadlines(world: &mut World<'_>, pass: &mut Pass) {
    let new = Some(pass.new).filter(|_| !delays_on_abort(pass));
    let stable = pass.stable.filter(|stable| new != Some(*stable));
    for index in new.into_iter().chain(stable) {
        if pass.sets[index].deadline.take().is_some() {
            set_deadline(world, pass, index, None);
            pass.outdated.push(index);
        }
    }
}

/// Whether the pods of an aborted update stay for a while (`shouldDelayScaleDownOnAbort`).
pub(super) fn delays_on_abort(pass: &Pass) -> bool {
    if !pass.pauses.is_aborted(&pass.before) || pass.stable.is_none() {
        return false;
    }
    if planted::is(Bug::AbortScaleDownDelayIgnored) {
        return false;
    }
    let Some(delay) = pass.rollout.abort_scale_down_delay() else { return false };
    match pass.rollout.canary() {
        None => true,
        Some(canary) => canary.traffic_routing.is_some() && (!canary.dynamic_stable_scale || delay.is_set),
    }
}

/// What becomes of the new ReplicaSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewSet {
    /// It gets the size that was computed.
    Scales,
    /// It stays as it is, and only notes for how many pods of the Rollout that is.
    Stays,
    /// It goes.
    Drains,
}

/// What an abort makes of the new ReplicaSet (`reconcileNewReplicaSet`). The delay begins when stable has
/// all its pods.
pub(super) fn of_new(world: &mut World<'_>, pass: &Pass) -> NewSet {
    let Some(delay) = pass.rollout.abort_scale_down_delay().filter(|_| delays_on_abort(pass)) else {
        return NewSet::Scales;
    };
    match pass.new_set().deadline {
        Some(deadline) if deadline > pass.now => {
            // Beyond the next resync there is no timer, and the delay does not hold the pods.
            if deadline.since(pass.now) >= resync::PERIOD {
                return NewSet::Scales;
            }
            world.kernel.requeue_at(deadline, Task::Rollout(pass.id));
            NewSet::Stays
        }
        Some(_) => NewSet::Drains,
        None => {
            let stable = pass.stable_set().map_or(0, |set| set.size.available);
            let is_complete = stable >= i64::from(pass.rollout.spec.replicas());
            if is_complete || planted::is(Bug::AbortScaleDownDelayTooEarly) {
                add_delay(world, pass, pass.new, delay.delay);
            }
            NewSet::Stays
        }
    }
}

/// Old ReplicaSets that wait, counted up to the limit.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    count: u32,
}

impl Waiting {
    /// The size of an old ReplicaSet that is of no more use: its present one when its deadline is set,
    /// `held` until then, and then nothing (`scaleDownDelayHelper`).
    pub(super) fn size(
        &mut self,
        world: &mut World<'_>,
        pass: &Pass,
        index: usize,
        (present, held): (i64, i64),
    ) -> i64 {
        let mut limit = pass.rollout.scale_down_delay_revision_limit();
        if planted::is(Bug::ScaleDownDelayLimitPlusOne) {
            limit = limit.saturating_add(1);
        }
        let set = &pass.sets[index];
        let Some(deadline) = set.deadline else {
            if present == 0 || self.count >= limit || planted::is(Bug::ScaleDownDelayIgnored) {
                return 0;
            }
            self.count += 1;
            let delay = pass.rollout.scale_down_delay();
            add_delay(world, pass, index, delay);
            if delay > Duration::ZERO {
                world.kernel.requeue_at(pass.now + delay, Task::Rollout(pass.id));
            }
            return present;
        };
        self.count += 1;
        if self.count > limit || deadline <= pass.now {
            return 0;
        }
        world.kernel.requeue_at(deadline, Task::Rollout(pass.id));
        held
    }
}

/// `addScaleDownDelay`: no delay means no deadline, and the pods stay.
fn add_delay(world: &mut World<'_>, pass: &Pass, index: usize, delay: Duration) {
    let deadline = (delay > Duration::ZERO).then(|| (pass.now + delay).truncated_to_secs());
    set_deadline(world, pass, index, deadline);
}

fn set_deadline(world: &mut World<'_>, pass: &Pass, index: usize, deadline: Option<Time>) {
    let id = pass.sets[index].id;
    if super::sets::replica_set(world, id).noted.scale_down_deadline == deadline {
        return;
    }
    world.api.update_metadata(id, |object| {
        if let Body::ReplicaSet(set) = &mut object.body {
            set.noted.scale_down_deadline = deadline;
        }
    });
}

/// Whether a ReplicaSet is still in use by the Rollout, its router or one of its Services
/// (`isReplicaSetReferenced`).
pub(super) fn is_referenced(world: &World<'_>, pass: &Pass, index: usize) -> bool {
    let hash = &pass.sets[index].hash;
    let state = &pass.before;
    let BlueGreenState { active, preview, .. } = &state.blue_green;
    let recorded = [&state.stable_rs, &state.current_pod_hash, active, preview];
    let weighted = state.weights.iter().flat_map(|weights| [&weights.canary.hash, &weights.stable.hash]);
    recorded.into_iter().flatten().chain(weighted).any(|known| known == hash)
        || sizes::services(pass).iter().any(|service| {
            super::services::selected_hash(world, &pass.namespace, service).as_deref() == Some(&**hash)
        })
}
