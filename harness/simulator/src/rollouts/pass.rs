//! One pass of the controller over one Rollout, in upstream's order (argo-rollouts v1.10.1
//! `rollout/controller.go`, `rollout/canary.go`, `rollout/sync.go`).

use std::sync::Arc;

use manifests::objects::rollout::{CanaryStrategy, Rollout};
use manifests::objects::{Step, StepKind};
use planted::Bug;
use timeline::{RolloutPhase, Source};
use units::{Duration, Time};

use super::conditions::{self, Situation};
use super::pause::{self, PauseContext};
use super::plugins::{self, PluginStatus};
use super::replicas::{self, Wanted};
use super::retry::{self, Failure};
use super::sets::{Set, pods, replica_set};
use super::status::{self, ConditionKind, Hash, PauseReason, RolloutState, RunReference};
use super::weights::{Shares, TrafficWeights};
use super::{
    analysis_runs, blue_green, ephemeral, experiments, history, load, restart, router, services, sizes,
    steps, wanted,
};
use crate::api::{Body, ObjectId};
use crate::{Task, World};

/// What one pass sees and decides (`rolloutContext`). ReplicaSets are those of the beginning of the
/// pass, also after it has scaled one.
pub(super) struct Pass {
    pub(super) id: ObjectId,
    /// The spec, with template and selector of the referenced workload put in.
    pub(super) rollout: Arc<Rollout>,
    pub(super) name: Arc<str>,
    pub(super) namespace: Arc<str>,
    /// The hash of the wanted template. That of its ReplicaSet is another one where the template was written back by
    /// an undo, with defaults.
    pub(super) template_hash: Hash,
    pub(super) generation: u64,
    pub(super) workload_generation: Option<u64>,
    /// The status that the pass found.
    pub(super) before: RolloutState,
    pub(super) now: Time,
    /// All ReplicaSets, oldest first.
    pub(super) sets: Vec<Set>,
    /// The one of the wanted template.
    pub(super) new: usize,
    /// The one of the trusted template.
    pub(super) stable: Option<usize>,
    pub(super) pauses: PauseContext,
    pub(super) restarted_at: Option<String>,
    pub(super) step_run: Option<RunReference>,
    pub(super) background_run: Option<RunReference>,
    /// The Experiment of the step.
    pub(super) experiment: Option<ObjectId>,
    /// All others of the beginning of the pass, also after it has deleted one.
    pub(super) other_experiments: Vec<ObjectId>,
    /// Its name, while it is under way.
    pub(super) current_experiment: Option<Arc<str>>,
    /// How the requests are to be split as this pass leaves it.
    pub(super) weights: Option<TrafficWeights>,
    /// How the router splits them as this pass leaves it.
    pub(super) shares: Option<Shares>,
    /// The routes that steps made, as this pass leaves them.
    pub(super) routes: Vec<String>,
    /// What plugins of steps said, as this pass leaves it; `None` as long as it did not look at them.
    pub(super) plugins: Option<Vec<PluginStatus>>,
    /// Whether this pass could not do with a plugin what it was to do.
    pub(super) plugin_error: bool,
    /// The ReplicaSets that this pass has changed and not looked at again.
    pub(super) outdated: Vec<usize>,
    /// Whether the new ReplicaSet waited for its end when the pass began (`newRSWithinDelay`).
    pub(super) was_waiting: bool,
}

/// One pass over one Rollout.
pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    if !world.api.exists(id) {
        return;
    }
    let end = load::begin(world, id).and_then(|pass| pass.map_or(Ok(()), |mut pass| pass.run(world)));
    retry::note(world, id, end);
}

impl Pass {
    fn run(&mut self, world: &mut World<'_>) -> Result<(), Failure> {
        if self.note_pauses(world) {
            return Ok(());
        }
        self.sync_revision(world);
        if self.is_scaling_event() {
            if self.rollout.blue_green().is_some() {
                blue_green::follow_replicas(world, self);
            } else if sizes::reconcile(world, self).is_ok() {
                let available = self.available();
                self.persist(world, RolloutState { available, ..self.before.clone() });
            }
            return Ok(());
        }
        if self.rollout.blue_green().is_some() {
            return blue_green::reconcile(world, self);
        }
        if self.template_or_steps_changed() {
            self.write_status(world);
            return Ok(());
        }
        if restart::reconcile(world, self) {
            // Availability counts are out of date now; the evicted pods bring the next pass.
            return Ok(());
        }
        ephemeral::reconcile(world, self);
        history::reconcile(world, self);
        services::reconcile_turns(world, self);
        services::reconcile(world, self);
        router::reconcile(world, self);
        experiments::reconcile(world, self)?;
        let runs = analysis_runs::reconcile(world, self);
        if !self.pauses.has_added() {
            runs?;
            match sizes::reconcile(world, self) {
                Ok(true) => {}
                Ok(false) => {
                    if !self.reconcile_pause(world)
                        && let Err(problem) = plugins::reconcile(world, self)
                    {
                        world.fail(problem);
                        return Ok(());
                    }
                }
                Err(sizes::Conflict) => return Ok(()),
            }
        }
        self.write_status(world);
        Ok(())
    }

    /// Writes what changed about pauses, and tells whether it did: then the pass is over.
    fn note_pauses(&self, world: &mut World<'_>) -> bool {
        let changes = conditions::note_pauses(&self.rollout, &self.before, self.now);
        if changes.is_empty() {
            return false;
        }
        let mut next = self.before.clone();
        for condition in changes {
            next.set_condition(condition);
        }
        next.observed_generation = self.generation;
        (next.phase, next.message) = phase_and_message(&self.rollout, &next);
        if next == self.before {
            return false;
        }
        write(world, self.id, next);
        true
    }

    /// Makes the wanted template's ReplicaSet the latest revision (`syncReplicaSetRevision`).
    fn sync_revision(&mut self, world: &mut World<'_>) {
        let latest_other = self.others_than_new().map(|set| set.revision).max().unwrap_or(0);
        let min_ready = self.rollout.spec.min_ready();
        let new = &mut self.sets[self.new];
        let set = replica_set(world, new.id);
        if new.revision < latest_other + 1 || set.min_ready != min_ready {
            new.revision = new.revision.max(latest_other + 1);
            let revision = new.revision;
            world.api.update(new.id, |object| {
                if let Body::ReplicaSet(set) = &mut object.body {
                    set.noted.revision = revision;
                    set.min_ready = min_ready;
                }
            });
        }
        let revision = new.revision;
        if self.before.revision != revision {
            self.before.revision = revision;
            set_revision(world, self.id, revision);
        }
    }

    /// Whether `spec.replicas` changed since stable or canary was scaled last (`isScalingEvent`).
    fn is_scaling_event(&self) -> bool {
        let replicas = self.rollout.spec.replicas();
        [Some(self.new), self.stable]
            .into_iter()
            .flatten()
            .map(|index| &self.sets[index])
            .filter(|set| set.size.spec > 0)
            .any(|set| set.desired_replicas.is_some_and(|desired| desired != replicas))
    }

    /// `PodTemplateOrStepsChanged`.
    fn template_or_steps_changed(&self) -> bool {
        self.before.current_step_hash.as_ref() != Some(self.steps_hash()) || self.template_changed()
    }

    /// `CheckPodSpecChange`
    pub(super) fn template_changed(&self) -> bool {
        self.before.current_pod_hash.as_ref().is_some_and(|hash| *hash != self.new_set().hash)
    }

    /// Begins the pause of a pause step, or sees to it that its end is noticed; false where there is none
    /// (`reconcileCanaryPause`).
    fn reconcile_pause(&mut self, world: &mut World<'_>) -> bool {
        if self.rollout.spec.paused || self.before.promote_full {
            return false;
        }
        let rollout = Arc::clone(&self.rollout);
        let (Some(Step { pause: Some(pause), .. }), _) = steps::current(&rollout, &self.before) else {
            return false;
        };
        match self.before.pause(PauseReason::CanaryPauseStep) {
            None if !self.before.controller_pause => self.pauses.add(PauseReason::CanaryPauseStep),
            None => {}
            Some(condition) => {
                if let Some(expiry) = pause::expiry(pause, condition).filter(|expiry| *expiry > self.now) {
                    world.kernel.requeue_at(expiry, Task::Rollout(self.id));
                }
            }
        }
        true
    }

    /// Moves on where the step is complete, and writes the status (`syncRolloutStatusCanary`).
    fn write_status(&mut self, world: &mut World<'_>) {
        let mut next = self.base_status();
        let count = steps::count(&self.rollout);
        if self.template_or_steps_changed() {
            self.reset(world, &mut next);
            self.persist(world, next);
            return;
        }
        let rollout = Arc::clone(&self.rollout);
        let (step, at) = steps::current(&rollout, &self.before);
        let mut index = at;
        if self.before.promote_full || self.is_rollback_within_window() {
            self.pauses.clear();
            self.pauses.remove_abort();
            index = (count > 0).then_some(count);
        }
        if let Some(reason) = self.promotion() {
            self.promote(world, &mut next, &reason);
        } else if self.pauses.is_aborted(&self.before) {
            if planted::is(Bug::CanaryStableAfterAbort) {
                next.stable_rs.clone_from(&next.current_pod_hash);
            }
            next.current_step_index = (count > 0).then_some(if next.is_fully_promoted() { count } else { 0 });
        } else {
            if let (Some(step), Some(at), Some(index)) = (step, at, &mut index)
                && self.is_complete(world, step, at)
            {
                *index += 1;
                next.step_run = None;
                let message = format!("Rollout step {index}/{count} completed ({})", steps::text(step));
                world.record(Source::Rollouts, self.id, false, "RolloutStepCompleted", message);
                self.pauses.remove(PauseReason::CanaryPauseStep);
            }
            next.current_step_index = index;
        }
        self.persist(world, next);
    }

    /// The status as far as it follows from what there is (`calculateBaseStatus`).
    pub(super) fn base_status(&self) -> RolloutState {
        let new = self.new_set();
        let mut next = RolloutState {
            revision: self.before.revision,
            workload_observed_generation: self.before.workload_observed_generation,
            conditions: self.before.conditions.clone(),
            promote_full: self.before.promote_full,
            current_pod_hash: Some(Arc::clone(&new.hash)),
            stable_rs: self.before.stable_rs.clone(),
            current_step_hash: Some(self.steps_hash().clone()),
            restarted_at: self.restarted_at.clone(),
            step_run: self.step_run.clone(),
            background_run: self.background_run.clone(),
            current_experiment: self.current_experiment.clone(),
            weights: self.weights.clone(),
            shares: self.shares.clone(),
            routes: self.routes.clone(),
            stable_turn: self.before.stable_turn,
            plugins: self.plugins.as_ref().unwrap_or(&self.before.plugins).clone(),
            replicas: pods(self.sets.iter().map(|set| set.size.created)),
            updated: pods([new.size.created]),
            ready: self.sets.iter().map(|set| set.ready).sum(),
            available: self.available(),
            ..RolloutState::default()
        };
        next.remove_condition(ConditionKind::InvalidSpec);
        next
    }

    /// `completedCurrentCanaryStep`.
    fn is_complete(&self, world: &World<'_>, step: &Step, index: u32) -> bool {
        if self.rollout.spec.paused {
            return false;
        }
        match step.kind() {
            Some(StepKind::Pause) => {
                step.pause.as_ref().is_some_and(|pause| pause::is_over(pause, &self.before, self.now))
            }
            Some(StepKind::SetWeight | StepKind::SetCanaryScale) => {
                let others = self.other_sizes();
                let split = wanted::split(self.weights.as_ref());
                replicas::at_desired_counts(self.wanted(), self.threshold(), self.sizes(&others), split)
            }
            Some(StepKind::Analysis) => {
                let phase = self.step_run.as_ref().and_then(|run| run.phase);
                phase == Some(timeline::AnalysisPhase::Successful)
            }
            Some(StepKind::SetHeaderRoute | StepKind::SetMirrorRoute) => true,
            Some(StepKind::Experiment) => {
                experiments::phase(world, self) == Some(timeline::AnalysisPhase::Successful)
            }
            Some(StepKind::Plugin) => plugins::is_complete(self, index),
            None => false,
        }
    }

    /// Writes the status if it differs, with everything that follows from it (`persistRolloutStatus`).
    pub(super) fn persist(&mut self, world: &mut World<'_>, mut next: RolloutState) {
        next.observed_generation = self.generation;
        next.workload_observed_generation = self.workload_generation;
        if let Some(message) = self.situation(&next).deadline_abort(&self.before, &next) {
            world.record(Source::Rollouts, self.id, true, "RolloutAborted", message.clone());
            self.pauses.abort(message);
        }
        self.pauses.apply(&self.before, &mut next, self.now);
        let situation = self.situation(&next);
        for told in situation.update(&self.before, &mut next) {
            world.record(Source::Rollouts, self.id, told.warning, told.reason, told.message);
        }
        (next.phase, next.message) = phase_and_message(&self.rollout, &next);
        if next == self.before {
            let check = situation.deadline_check(&next);
            let is_stuck = situation.looked_at_always || check.is_some_and(|at| at <= self.now);
            let due = is_stuck.then(|| plugins::due(&next.plugins, self.now)).flatten();
            for at in [check, due].into_iter().flatten().filter(|at| *at > self.now) {
                world.kernel.requeue_at(at, Task::Rollout(self.id));
            }
            return;
        }
        self.announce_pause(world, &next);
        write(world, self.id, next);
    }

    /// `sendStateChangeEvents`. An abort ends a pause, too, but is no resumption.
    fn announce_pause(&self, world: &mut World<'_>, next: &RolloutState) {
        match (self.before.pause_conditions.first(), next.pause_conditions.first()) {
            (None, Some(pause)) => {
                let message = format!("Rollout is paused ({})", pause.reason.name());
                world.record(Source::Rollouts, self.id, false, "RolloutPaused", message);
            }
            (Some(_), None) if !next.abort => {
                world.record(Source::Rollouts, self.id, false, "RolloutResumed", "Rollout is resumed");
            }
            (_, _) => {}
        }
    }
}

/// What follows from spec, status and sizes.
impl Pass {
    /// Whether no size changes (`haltProgress`).
    pub(super) fn is_halted(&self) -> bool {
        self.rollout.spec.paused || self.before.pause(PauseReason::InconclusiveAnalysisRun).is_some()
    }

    pub(super) fn wanted(&self) -> Wanted {
        let stable = self.stable_set().map(|set| set.size);
        wanted::of(&self.rollout, &self.before, self.new_set().size, stable)
    }

    pub(super) fn threshold(&self) -> Option<manifests::objects::rollout::ProgressThreshold> {
        self.rollout.canary().and_then(|canary| canary.replica_progress_threshold)
    }

    fn steps_hash(&self) -> &String {
        static NONE: String = String::new();
        self.rollout.canary().map_or(&NONE, |canary: &CanaryStrategy| &canary.steps_hash)
    }

    /// Whether pods of an old ReplicaSet stay since they have no delay.
    fn keeps_old_pods_for_ever(&self) -> bool {
        let router = self.rollout.canary().is_some_and(|canary| canary.traffic_routing.is_some());
        let delayed = router || self.rollout.blue_green().is_some();
        let stays = |index: usize| self.sets[index].size.spec > 0 && self.sets[index].deadline.is_none();
        delayed && self.rollout.scale_down_delay() == Duration::ZERO && self.others().any(stays)
    }

    fn situation(&self, next: &RolloutState) -> Situation<'_> {
        Situation {
            rollout: &self.rollout,
            generation: self.generation,
            new_set: &self.new_set().name,
            pauses: &self.pauses,
            active_is_saturated: self.active_is_saturated(next),
            draining: self.others().any(|index| self.sets[index].deadline.is_some()),
            looked_at_always: self.keeps_old_pods_for_ever(),
            now: self.now,
        }
    }
}

pub(super) fn phase_and_message(rollout: &Rollout, state: &RolloutState) -> (Option<RolloutPhase>, String) {
    let (phase, message) = status::phase(rollout, state);
    (Some(phase), message)
}

/// Writes a Rollout's status.
pub(super) fn write(world: &mut World<'_>, id: ObjectId, next: RolloutState) {
    world.api.update_status(id, |object| {
        if let Body::Rollout(_, state) = &mut object.body {
            **state = next;
        }
    });
}

/// Writes the revision annotation and tells (`setRolloutRevision`).
pub(super) fn set_revision(world: &mut World<'_>, id: ObjectId, revision: u64) {
    world.api.update_metadata(id, |object| {
        if let Body::Rollout(_, state) = &mut object.body {
            state.revision = revision;
        }
    });
    let message = format!("Rollout updated to revision {revision}");
    world.record(Source::Rollouts, id, false, "RolloutUpdated", message);
}
