//! The blueGreen strategy: all pods of the new template stand beside the old ones, and the active Service
//! is switched (argo-rollouts v1.10.1 `rollout/bluegreen.go`).

use std::sync::Arc;

use manifests::objects::rollout::BlueGreenStrategy;
use timeline::AnalysisPhase;
use units::{Duration, Time};

use super::blue_green_runs::{self, Runs};
use super::pass::Pass;
use super::retry::Failure;
use super::sets::Set;
use super::sizes::Conflict;
use super::status::{BlueGreenState, Hash, PauseReason, RolloutState};
use super::{ephemeral, history, restart, scale_down, services, sizes};
use crate::api::ObjectId;
use crate::{Task, World};

/// One pass over a blueGreen Rollout.
pub(super) struct BlueGreen<'p> {
    pub(super) pass: &'p mut Pass,
    pub(super) strategy: BlueGreenStrategy,
    pub(super) runs: Runs,
}

/// One pass (`rolloutBlueGreen`).
///
/// # Errors
/// A run that cannot be made.
pub(super) fn reconcile(world: &mut World<'_>, pass: &mut Pass) -> Result<(), Failure> {
    let Some(mut blue_green) = BlueGreen::of(world, pass) else { return Ok(()) };
    blue_green.switch_preview(world);
    if !blue_green.pass.template_changed() {
        restart::reconcile(world, blue_green.pass);
        if blue_green.reconcile_sets(world).is_err() {
            return Ok(());
        }
        blue_green.reconcile_pause(world);
        blue_green.switch_active(world);
        blue_green_runs::reconcile(world, &mut blue_green)?;
        ephemeral::reconcile(world, blue_green.pass);
    }
    blue_green.write_status(world);
    Ok(())
}

/// A pass that only follows `spec.replicas` (`syncReplicasOnly`).
pub(super) fn follow_replicas(world: &mut World<'_>, pass: &mut Pass) {
    let Some(mut blue_green) = BlueGreen::of(world, pass) else { return };
    if blue_green.reconcile_sets(world).is_err() {
        return;
    }
    let active = pass.before.blue_green.active.clone();
    let available =
        set_of(pass, active.as_ref()).map_or(pass.available(), |set| super::sets::pods([set.size.available]));
    pass.persist(world, RolloutState { available, ..pass.before.clone() });
}

/// The size of the new ReplicaSet (`NewRSNewReplicas`): all pods, or those of a preview until it may grow.
fn new_size(pass: &Pass, strategy: &BlueGreenStrategy) -> i64 {
    let all = i64::from(pass.rollout.spec.replicas());
    let Some(preview) = strategy.preview_replica_count else { return all };
    let state = &pass.before;
    let active = set_of(pass, state.blue_green.active.as_ref());
    let is_active = active.is_none_or(|set| set.hash == pass.new_set().hash);
    if is_active || state.promote_full {
        return all;
    }
    let is_paused = pass.rollout.spec.paused || !state.pause_conditions.is_empty();
    let is_known = state.current_pod_hash.as_ref() == Some(&pass.new_set().hash);
    if is_known && !is_paused && state.blue_green.may_grow { all } else { i64::from(preview) }
}

fn set_of<'p>(pass: &'p Pass, hash: Option<&Hash>) -> Option<&'p Set> {
    pass.sets.iter().find(|set| Some(&set.hash) == hash)
}

impl<'p> BlueGreen<'p> {
    fn of(world: &World<'_>, pass: &'p mut Pass) -> Option<Self> {
        let strategy = pass.rollout.blue_green()?.clone();
        let runs = Runs::of(world, pass);
        Some(Self { pass, strategy, runs })
    }

    /// The preview Service follows the new template at once (`reconcilePreviewService`).
    fn switch_preview(&self, world: &mut World<'_>) {
        let service = &self.strategy.preview_service;
        if !service.is_empty() && !self.pass.is_halted() {
            services::point(world, self.pass, service, &self.pass.new_set().hash);
        }
    }

    /// `reconcileBlueGreenReplicaSets`
    fn reconcile_sets(&mut self, world: &mut World<'_>) -> Result<(), Conflict> {
        scale_down::remove_deadlines(world, self.pass);
        if let Some(stable) = self.pass.stable {
            let all = i64::from(self.pass.rollout.spec.replicas());
            sizes::scale(world, self.pass, stable, all)?;
        }
        let size = new_size(self.pass, &self.strategy);
        sizes::reconcile_new(world, self.pass, size)?;
        self.scale_down_others(world);
        history::reconcile(world, self.pass);
        Ok(())
    }

    /// Old ReplicaSets wait for a while, unless the analysis after the switch must succeed first
    /// (`scaleDownOldReplicaSetsForBlueGreen`).
    fn scale_down_others(&self, world: &mut World<'_>) {
        let pass = &*self.pass;
        if pass.before.pause(PauseReason::InconclusiveAnalysisRun).is_some() {
            return;
        }
        let awaits_analysis = self.strategy.post_promotion_analysis.is_some()
            && self.strategy.scale_down_delay_seconds.is_none()
            && !blue_green_runs::skips_post(self)
            && self.runs.post_phase(world) != Some(AnalysisPhase::Successful);
        if awaits_analysis {
            return;
        }
        let all = i64::from(pass.rollout.spec.replicas());
        let mut waiting = scale_down::Waiting::default();
        for index in sizes::others_latest_first(pass) {
            let present = pass.sets[index].size.spec;
            if scale_down::is_referenced(world, pass, index) {
                continue;
            }
            let size = waiting.size(world, pass, index, (present, all));
            if size != present && sizes::scale(world, pass, index, size).is_err() {
                return;
            }
        }
    }

    /// Whether the new ReplicaSet has the size that it is to have before the switch (`ReadyForPause`).
    fn is_ready(&self) -> bool {
        let (size, wanted) = (self.pass.new_set().size, new_size(self.pass, &self.strategy));
        size.spec == wanted && size.available == wanted
    }

    /// Whether nothing is waited for (`isBlueGreenFastTracked`).
    fn is_fast_tracked(&self, world: &World<'_>) -> bool {
        let active = self.active(world);
        self.pass.is_fast_rollback()
            || self.pass.before.promote_full
            || active.is_none_or(|hash| *hash == *self.pass.new_set().hash)
    }

    /// The hash that the active Service selects now.
    fn active(&self, world: &World<'_>) -> Option<Hash> {
        services::selected_hash(world, &self.pass.namespace, &self.strategy.active_service)
    }

    /// Begins the wait for the switch, or sees to its end (`reconcileBlueGreenPause`).
    fn reconcile_pause(&mut self, world: &mut World<'_>) {
        if self.pass.before.abort || !self.is_ready() || self.pass.is_halted() {
            return;
        }
        let reason = PauseReason::BlueGreenPause;
        if self.is_fast_tracked(world) || self.pass.before.blue_green.may_grow || !self.strategy.pauses() {
            self.pass.pauses.remove(reason);
            return;
        }
        if !self.runs.allows_switch(world, &self.strategy) {
            return;
        }
        if self.pass.before.pause(reason).is_none() {
            // A person may have resumed; the flag is then still set.
            if !self.pass.before.controller_pause {
                self.pass.pauses.add(reason);
            }
        } else if self.is_pause_over() {
            self.pass.pauses.remove(reason);
        } else if let Some(end) =
            switch_time(&self.pass.before, &self.strategy).filter(|end| *end > self.pass.now)
        {
            world.kernel.requeue_at(end, Task::Rollout(self.pass.id));
        }
    }

    /// Whether the wait is over: a person has resumed, or its time has passed (`CompletedBlueGreenPause`).
    fn is_pause_over(&self) -> bool {
        let state = &self.pass.before;
        if self.pass.pauses.has_added() {
            false
        } else if state.blue_green.may_grow {
            true
        } else if self.strategy.auto_promotion_enabled == Some(false) {
            state.controller_pause && state.pause(PauseReason::BlueGreenPause).is_none()
        } else if self.strategy.auto_promotion_seconds == 0 {
            true
        } else {
            switch_time(state, &self.strategy).is_some_and(|end| self.pass.now >= end)
        }
    }

    /// `reconcileActiveService`
    fn switch_active(&self, world: &mut World<'_>) {
        let new = self.pass.new_set();
        if self.pass.is_halted() || !self.is_ready() || !self.pass.is_saturated(new) {
            return;
        }
        let state = &self.pass.before;
        let released = self.is_pause_over() && self.runs.allows_switch(world, &self.strategy);
        let wanted = if state.abort {
            state.stable_rs.clone()
        } else if self.is_fast_tracked(world) || released {
            Some(Arc::clone(&new.hash))
        } else {
            self.active(world)
        };
        services::point(world, self.pass, &self.strategy.active_service, &wanted.unwrap_or_default());
    }

    /// `syncRolloutStatusBlueGreen`
    fn write_status(&mut self, world: &mut World<'_>) {
        let mut next = self.pass.base_status();
        next.current_step_hash = None;
        next.blue_green.pre_run = self.runs.pre.map(|run| super::analysis_runs::reference(world, run));
        next.blue_green.post_run = self.runs.post.map(|run| super::analysis_runs::reference(world, run));
        if self.pass.template_changed() {
            self.pass.reset(world, &mut next);
        }
        if self.pass.before.promote_full || self.pass.is_rollback_within_window() {
            self.pass.pauses.clear();
            self.pass.pauses.remove_abort();
        }
        let selected = |name: &str| services::selected_hash(world, &self.pass.namespace, name);
        next.blue_green.active = selected(&self.strategy.active_service);
        next.blue_green.preview = selected(&self.strategy.preview_service);
        match self.promotion(world, &next) {
            Some(reason) => self.pass.promote(world, &mut next, reason),
            None => next.blue_green.may_grow = self.may_grow(world),
        }
        if let Some(active) = set_of(self.pass, next.blue_green.active.as_ref()) {
            next.available = super::sets::pods([active.size.available]);
            next.ready = active.ready;
        }
        self.pass.persist(world, next);
    }

    /// Why the new template is to be trusted now, if it is (`shouldFullPromote`).
    fn promotion(&self, world: &World<'_>, next: &RolloutState) -> Option<&'static str> {
        let pass = &*self.pass;
        let BlueGreenState { active, .. } = &next.blue_green;
        if pass.stable.is_none() || active.is_none() {
            Some("Initial deploy")
        } else if *active != next.current_pod_hash {
            None
        } else if pass.before.promote_full {
            Some("Full promotion requested")
        } else if pass.is_fast_rollback() {
            Some(if pass.is_rollback_within_window() { "Rollback within window" } else { "Fast rollback" })
        } else if pass.pauses.is_aborted(&pass.before)
            || (self.strategy.post_promotion_analysis.is_some()
                && self.runs.post_phase(world) != Some(AnalysisPhase::Successful))
        {
            None
        } else {
            Some("Completed blue-green update")
        }
    }

    /// Whether a preview may grow to all its pods, which stays so until the switch
    /// (`calculateScaleUpPreviewCheckPoint`).
    fn may_grow(&self, world: &World<'_>) -> bool {
        let Some(preview) = self.strategy.preview_replica_count else { return false };
        self.pass.before.blue_green.may_grow
            || (self.runs.allows_switch(world, &self.strategy)
                && self.is_pause_over()
                && self.pass.new_set().size.available == i64::from(preview))
    }
}

/// When a wait with a time ends.
pub(super) fn switch_time(state: &RolloutState, strategy: &BlueGreenStrategy) -> Option<Time> {
    let seconds = u64::try_from(strategy.auto_promotion_seconds).ok().filter(|seconds| *seconds > 0)?;
    let pause = state.pause(PauseReason::BlueGreenPause)?;
    Some(pause.start + Duration::from_secs(seconds))
}

/// The run of a reference that still exists.
pub(super) fn run_of(
    world: &World<'_>,
    pass: &Pass,
    choose: fn(&BlueGreenState) -> Option<&super::RunReference>,
) -> Option<ObjectId> {
    super::analysis_runs::named(world, pass.id, choose(&pass.before.blue_green))
}
