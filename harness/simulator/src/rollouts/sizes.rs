//! The sizes of the ReplicaSets: stable, then new, then the others; a pass changes one class only
//! (argo-rollouts v1.10.1 `rollout/canary.go: reconcileCanaryReplicaSets`, `rollout/replicaset.go`).

use std::cmp::Reverse;

use timeline::{Event, Scaled, Source};

use super::pass::Pass;
use super::status::PauseReason;
use super::{replicas, role_of, workload};
use crate::World;
use crate::api::Body;

/// Scales what is to be scaled, and tells whether anything was.
pub(super) fn reconcile(world: &mut World<'_>, pass: &Pass) -> bool {
    // `haltProgress`
    if pass.rollout.spec.paused || pass.before.pause(PauseReason::InconclusiveAnalysisRun).is_some() {
        return false;
    }
    let others = pass.other_sizes();
    let counts = replicas::next_counts(pass.wanted(), pass.sizes(&others));
    if let Some(stable) = pass.apart_stable()
        && scale(world, pass, stable, counts.stable)
    {
        return true;
    }
    let scaled = scale(world, pass, pass.new, counts.canary);
    workload::scale_down_progressively(world, pass, pass.new_set().size.spec > counts.canary);
    scaled || scale_down_others(world, pass)
}

/// Others lose first what is not available anyway, then as much as availability allows, the latest
/// revision first (`scaleDownOldReplicaSetsForCanary`).
fn scale_down_others(world: &mut World<'_>, pass: &Pass) -> bool {
    let mut others: Vec<usize> = pass.others().filter(|index| pass.sets[*index].size.spec > 0).collect();
    let mut spec: Vec<i64> = pass.sets.iter().map(|set| set.size.spec).collect();
    let mut scaled = false;
    for &index in &others {
        let size = pass.sets[index].size;
        if size.available > size.spec {
            // Pods are still on their way out; upstream gives up for this pass.
            return false;
        }
        if size.spec > size.available {
            scaled |= scale(world, pass, index, size.available);
            spec[index] = size.available;
        }
    }
    let wanted = pass.wanted();
    let mut spare = i64::from(pass.available()) - (wanted.replicas - wanted.unavailable);
    if spare <= 0 {
        // Upstream forgets here that it may have scaled, and goes on with the pass.
        return false;
    }
    others.sort_by_key(|index| Reverse((pass.sets[*index].revision, pass.sets[*index].created)));
    for index in others {
        if spare <= 0 {
            break;
        }
        let rest = (spec[index] - spare).max(0);
        if spec[index] > rest {
            scaled |= scale(world, pass, index, rest);
            spare -= spec[index] - rest;
        }
    }
    scaled
}

/// Sets a ReplicaSet's size and notes for which `spec.replicas` it was; tells whether the size changed
/// (`scaleReplicaSet`).
fn scale(world: &mut World<'_>, pass: &Pass, index: usize, to: i64) -> bool {
    let set = &pass.sets[index];
    let desired = pass.rollout.spec.replicas();
    let to = u32::try_from(to).unwrap_or(0);
    let from = super::pass::replica_set(world, set.id).replicas;
    if from == to && set.desired_replicas == Some(desired) {
        return false;
    }
    world.api.update(set.id, |object| {
        if let Body::ReplicaSet(set) = &mut object.body {
            set.replicas = to;
            set.noted.desired_replicas = Some(desired);
        }
    });
    if from == to {
        return false;
    }
    let direction = if from < to { "up" } else { "down" };
    let (name, revision) = (&set.name, set.revision);
    let message = format!("Scaled {direction} ReplicaSet {name} (revision {revision}) from {from} to {to}");
    world.record(Source::Rollouts, pass.id, false, "ScalingReplicaSet", message);
    let scaled = Scaled {
        namespace: pass.namespace.to_string(),
        replica_set: name.to_string(),
        owner: pass.name.to_string(),
        role: role_of(world, set.id),
        from,
        to,
    };
    world.emit(Source::Rollouts, Event::Scaled(scaled));
    true
}
