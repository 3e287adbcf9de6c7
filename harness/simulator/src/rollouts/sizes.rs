//! The sizes of the ReplicaSets: stable, then new, then the others; a pass changes one class only
//! (argo-rollouts v1.10.1 `rollout/canary.go: reconcileCanaryReplicaSets`, `rollout/replicaset.go`).

use std::cmp::Reverse;

use timeline::{Event, Scaled, Source};

use super::pass::Pass;
use super::replicas::{self, Counts, Split};
use super::scale_down::{self, NewSet, Waiting};
use super::{role_of, wanted, workload};
use crate::World;
use crate::api::Body;

/// A pass that ends before it has written a status. Upstream takes the deadline off a ReplicaSet, or changes its
/// template's metadata, and then updates its copy of before: the API server refuses that, and the next pass goes on.
#[derive(Debug)]
pub(super) struct Conflict;

/// Scales what is to be scaled, and tells whether anything was.
///
/// # Errors
/// The new ReplicaSet or the stable one would be scaled, and this pass has changed it before.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> Result<bool, Conflict> {
    if pass.is_halted() {
        return Ok(false);
    }
    scale_down::remove_deadlines(world, pass);
    // Stable follows the split that the router had before this pass: requests move first, then pods.
    let before = wanted::split(pass.before.weights.as_ref());
    if let Some(stable) = pass.apart_stable() {
        let size = next_counts(pass, before).stable;
        if scale(world, pass, stable, size)? {
            return Ok(true);
        }
    }
    let canary = next_counts(pass, wanted::split(pass.weights.as_ref())).canary;
    Ok(reconcile_new(world, pass, canary)? || scale_down_others(world, pass))
}

fn next_counts(pass: &Pass, split: Option<Split>) -> Counts {
    let others = pass.other_sizes();
    replicas::next_counts(pass.wanted(), pass.sizes(&others), split)
}

/// Brings the new ReplicaSet to its size, or lets it wait after an abort; tells whether its size changed.
pub(super) fn reconcile_new(world: &mut World<'_>, pass: &Pass, size: i64) -> Result<bool, Conflict> {
    let size = match scale_down::of_new(world, pass) {
        NewSet::Stays => {
            scale(world, pass, pass.new, pass.new_set().size.spec)?;
            return Ok(false);
        }
        NewSet::Drains => 0,
        NewSet::Scales => size,
    };
    let scaled = scale(world, pass, pass.new, size)?;
    workload::scale_down_progressively(world, pass, pass.new_set().size.spec > size);
    Ok(scaled)
}

/// The Services that the Rollout switches.
pub(super) fn services(pass: &Pass) -> Vec<&str> {
    let (canary, blue_green) = (pass.rollout.canary(), pass.rollout.blue_green());
    let of_canary = canary.map(|canary| [canary.canary_service.as_str(), &canary.stable_service]);
    let of_blue_green =
        blue_green.map(|strategy| [strategy.active_service.as_str(), &strategy.preview_service]);
    let named = of_canary.into_iter().chain(of_blue_green).flatten();
    named.filter(|name| !name.is_empty()).collect()
}

/// Other ReplicaSets that are to have pods, the latest revision first.
pub(super) fn others_latest_first(pass: &Pass) -> Vec<usize> {
    let mut others: Vec<usize> = pass.others().filter(|index| pass.sets[*index].size.spec > 0).collect();
    others.sort_by_key(|index| Reverse((pass.sets[*index].revision, pass.sets[*index].created)));
    others
}

/// Others lose first what is not available anyway, then as much as availability allows, the latest
/// revision first (`scaleDownOldReplicaSetsForCanary`). After a conflict the pass goes on without them.
fn scale_down_others(world: &mut World<'_>, pass: &Pass) -> bool {
    let others = others_latest_first(pass);
    let mut spec: Vec<i64> = pass.sets.iter().map(|set| set.size.spec).collect();
    let mut scaled = false;
    for index in pass.others().filter(|index| pass.sets[*index].size.spec > 0) {
        let size = pass.sets[index].size;
        if size.available > size.spec {
            // Pods are still on their way out; upstream gives up for this pass.
            return false;
        }
        if size.spec > size.available {
            match scale(world, pass, index, size.available) {
                Ok(changed) => scaled |= changed,
                Err(Conflict) => return scaled,
            }
            spec[index] = size.available;
        }
    }
    let wanted = pass.wanted();
    let mut spare = i64::from(pass.available()) - (wanted.replicas - wanted.unavailable);
    if spare <= 0 {
        // Upstream forgets here that it may have scaled, and goes on with the pass.
        return false;
    }
    let mut waiting = Waiting::default();
    for index in others {
        if wanted.routed.is_some() && scale_down::is_referenced(world, pass, index) {
            continue;
        }
        if spare <= 0 {
            break;
        }
        if spec[index] == 0 {
            continue;
        }
        let rest = match wanted.routed {
            None => (spec[index] - spare).max(0),
            Some(routed) => {
                let waits = was_stable(pass, index) && !routed.dynamic;
                // After a promotion it waits for a while; one that was overtaken goes at once.
                if waits { waiting.size(world, pass, index, (spec[index], spec[index])) } else { 0 }
            }
        };
        if spec[index] != rest {
            match scale(world, pass, index, rest) {
                Ok(changed) => scaled |= changed,
                Err(Conflict) => return false,
            }
            spare -= spec[index] - rest;
        }
    }
    scaled
}

/// Whether an old ReplicaSet was the stable one, or waits already.
fn was_stable(pass: &Pass, index: usize) -> bool {
    pass.before.is_fully_promoted() || pass.sets[index].deadline.is_some()
}

/// Sets a ReplicaSet's size and notes for which `spec.replicas` it was; tells whether the size changed
/// (`scaleReplicaSet`).
///
/// # Errors
/// It would have to be written, and this pass has changed it before.
pub(super) fn scale(world: &mut World<'_>, pass: &Pass, index: usize, to: i64) -> Result<bool, Conflict> {
    let set = &pass.sets[index];
    let desired = pass.rollout.spec.replicas();
    let to = u32::try_from(to).unwrap_or(0);
    let from = super::sets::replica_set(world, set.id).replicas;
    if from == to && set.desired_replicas == Some(desired) {
        return Ok(false);
    }
    if pass.outdated.contains(&index) {
        return Err(Conflict);
    }
    let waits_no_more = to == 0 && !scale_down::delays_on_abort(pass);
    world.api.update(set.id, |object| {
        if let Body::ReplicaSet(set) = &mut object.body {
            set.replicas = to;
            set.noted.desired_replicas = Some(desired);
            if waits_no_more {
                set.noted.scale_down_deadline = None;
            }
        }
    });
    if from == to {
        return Ok(false);
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
    Ok(true)
}
