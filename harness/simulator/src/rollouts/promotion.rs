//! When the wanted template is trusted, and how an update begins: afresh, or back at what was trusted
//! before (argo-rollouts v1.10.1 `rollout/sync.go`).

use planted::Bug;
use timeline::{RolloutPhase, Source};
use units::Time;

use super::pass::Pass;
use super::sets::Set;
use super::status::{RolloutState, Turn};
use super::{replicas, steps, workload};
use crate::World;

impl Pass {
    /// Starts afresh for another template or other steps (`resetRolloutStatus`).
    pub(super) fn reset(&mut self, world: &mut World<'_>, next: &mut RolloutState) {
        self.pauses.clear();
        self.pauses.remove_abort();
        next.promote_full = false;
        next.step_run = None;
        next.background_run = None;
        next.plugins.clear();
        next.blue_green.pre_run = None;
        next.blue_green.post_run = None;
        next.blue_green.may_grow = false;
        let count = steps::count(&self.rollout);
        if count == 0 {
            next.current_step_index = None;
            return;
        }
        let new = self.new_set();
        let skipped =
            if self.before.stable_rs.as_ref() == Some(&new.hash) && !planted::is(Bug::RollbackThroughSteps) {
                Some("Rollback to stable ReplicaSets")
            } else if self.is_rollback_within_window() && new.size.spec > 0 {
                Some("Rollback to active ReplicaSets within RollbackWindow")
            } else {
                None
            };
        if let Some(message) = skipped {
            world.record(Source::Rollouts, self.id, false, "SkipSteps", message);
        }
        next.current_step_index = Some(if skipped.is_some() { count } else { 0 });
    }

    /// Why the wanted template is to be trusted now, if it is (`shouldFullPromote`). The very first one
    /// is trusted before any of its pods exists.
    pub(super) fn promotion(&self) -> Option<String> {
        if self.stable.is_none() {
            return Some("Initial deploy".to_owned());
        }
        if self.pauses.is_aborted(&self.before) {
            return None;
        }
        let replicas = i64::from(self.rollout.spec.replicas());
        let new = self.new_set().size;
        if new.available < replicas && !replicas::enough_available(self.threshold(), new, replicas) {
            return None;
        }
        let count = steps::count(&self.rollout);
        let reached = steps::current(&self.rollout, &self.before).1;
        if self.before.promote_full {
            Some("Full promotion requested".to_owned())
        } else if self.is_rollback_within_window() {
            Some("Rollback within window".to_owned())
        } else if self.is_back_at_stable() {
            Some("Fast rollback".to_owned())
        } else if count == 0 || reached == Some(count) {
            Some(format!("Completed all {count} canary steps"))
        } else {
            None
        }
    }

    /// Trusts the wanted template (`promoteStable`).
    pub(super) fn promote(&mut self, world: &mut World<'_>, next: &mut RolloutState, reason: &str) {
        self.pauses.clear();
        self.pauses.remove_abort();
        next.promote_full = false;
        next.blue_green.may_grow = false;
        let count = steps::count(&self.rollout);
        next.current_step_index = (count > 0).then_some(count);
        let (revision, hash) = (next.revision, self.new_set().hash.clone());
        if next.stable_rs.as_ref() != Some(&hash) {
            let message = format!("Rollout completed update to revision {revision} ({hash}): {reason}");
            world.record(Source::Rollouts, self.id, false, "RolloutCompleted", message);
            next.stable_rs = Some(hash);
            if self.rollout.canary().is_some_and(|canary| canary.ping_pong.is_some()) {
                next.stable_turn = Some(match self.before.stable_turn {
                    Some(Turn::Ping) => Turn::Pong,
                    Some(Turn::Pong) | None => Turn::Ping,
                });
            }
        }
        if revision == 1 && self.before.phase == Some(RolloutPhase::Healthy) {
            workload::scale_down_on_success(world, self);
        }
    }

    /// Whether the wanted template is the trusted one.
    fn is_back_at_stable(&self) -> bool {
        self.before.stable_rs.as_ref() == Some(&self.new_set().hash)
    }

    /// Whether the steps are skipped (`isFastRollback`).
    pub(super) fn is_fast_rollback(&self) -> bool {
        let Some(stable) = self.stable_set() else { return false };
        let is_older = created(self.new_set()) < created(stable);
        self.is_back_at_stable()
            || self.is_rollback_within_window()
            || (is_older && self.was_waiting && self.rollout.blue_green().is_some())
    }

    /// Whether the wanted template is older than the trusted one, with fewer than
    /// `rollbackWindow.revisions` ReplicaSets made between them (`isRollbackWithinWindow`).
    pub(super) fn is_rollback_within_window(&self) -> bool {
        let (Some(window), Some(stable)) = (self.rollout.spec.rollback_window, self.stable_set()) else {
            return false;
        };
        let (new, stable) = (created(self.new_set()), created(stable));
        let between = self.sets.iter().filter(|set| new < created(set) && created(set) < stable).count();
        new < stable && i64::try_from(between).is_ok_and(|between| between < i64::from(window.revisions))
    }
}

/// When a ReplicaSet was made, as upstream knows it.
fn created(set: &Set) -> Time {
    set.created.truncated_to_secs()
}
