//! The conditions of a Rollout and its progress deadline (argo-rollouts v1.10.1
//! `utils/conditions/conditions.go`, `rollout/sync.go: calculateRolloutConditions`).

use manifests::objects::Rollout;
use units::Time;

use super::pause::PauseContext;
use super::status::{Condition, ConditionKind, ConditionStatus, Reason, RolloutState};
use super::steps;

/// What the conditions depend on beside both statuses.
pub(super) struct Situation<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) generation: u64,
    /// The name of the ReplicaSet of the wanted template.
    pub(super) new_set: &'a str,
    pub(super) pauses: &'a PauseContext,
    pub(super) now: Time,
}

/// An event for people.
pub(super) struct Announcement {
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Whether something moved between two statuses (`RolloutProgressing`).
pub(super) fn is_progress(before: &RolloutState, after: &RolloutState) -> bool {
    let old = |state: &RolloutState| i64::from(state.replicas) - i64::from(state.updated);
    let step_changed = matches!(
        (before.current_step_index, after.current_step_index),
        (Some(before), Some(after)) if before != after
    );
    after.updated != before.updated
        || old(after) < old(before)
        || after.ready > before.ready
        || after.available > before.available
        || after.stable_rs != before.stable_rs
        || step_changed
        || after.current_step_hash != before.current_step_hash
}

impl Situation<'_> {
    /// Whether all pods are of the wanted template and available, every step is done, and the spec was
    /// seen before this pass (`RolloutHealthy`).
    pub(super) fn is_healthy(&self, before: &RolloutState, after: &RolloutState) -> bool {
        let replicas = self.rollout.spec.replicas();
        let steps = steps::count(self.rollout);
        after.updated == replicas
            && after.available == replicas
            && after.replicas == replicas
            && before.observed_generation == self.generation
            && after.is_completed()
            && (steps == 0 || after.current_step_index.is_none_or(|index| index == steps))
    }

    /// Whether there was no progress for longer than the deadline (`RolloutTimedOut`).
    pub(super) fn is_timed_out(&self, state: &RolloutState) -> bool {
        let Some(condition) = state.condition(ConditionKind::Progressing) else { return false };
        match condition.reason {
            Reason::RolloutAborted | Reason::RolloutPaused => false,
            Reason::ProgressDeadlineExceeded => true,
            Reason::NewReplicaSetCreated
            | Reason::ReplicaSetUpdated
            | Reason::ReplicaSetNotAvailable
            | Reason::NewReplicaSetAvailable
            | Reason::RolloutResumed
            | Reason::RolloutRetry
            | Reason::AvailableReason
            | Reason::RolloutHealthy
            | Reason::RolloutCompleted
            | Reason::InvalidSpec => self.now >= condition.updated + self.rollout.spec.progress_deadline(),
        }
    }

    /// Whether the deadline does not apply now. `before` is the status that the pass found.
    pub(super) fn is_waiting_indefinitely(&self, before: &RolloutState) -> bool {
        let paused = before.condition(ConditionKind::Paused);
        steps::is_indefinite(self.rollout, before)
            || paused.is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// The message of an abort because the deadline has passed (`evaluateProgressDeadlineAbort`).
    pub(super) fn deadline_abort(&self, before: &RolloutState, after: &RolloutState) -> Option<String> {
        let due = self.rollout.spec.progress_deadline_abort
            && !self.pauses.is_aborted(before)
            && !after.is_completed()
            && !is_progress(before, after)
            && !self.is_waiting_indefinitely(before)
            && self.is_timed_out(before);
        due.then(|| self.timed_out_message())
    }

    fn timed_out_message(&self) -> String {
        format!("ReplicaSet \"{}\" has timed out progressing.", self.new_set)
    }

    /// Brings the conditions up to date; pauses and abort must be in `next` already.
    pub(super) fn update(&self, before: &RolloutState, next: &mut RolloutState) -> Vec<Announcement> {
        let mut announcements = Vec::new();
        let became_unhealthy = self.update_healthy(before, next);
        if self.pauses.is_aborted(before) {
            let mut message = format!("Rollout aborted update to revision {}", next.revision);
            if let Some(cause) = self.pauses.abort_message() {
                message = format!("{message}: {cause}");
            }
            if self.set(
                next,
                ConditionKind::Progressing,
                ConditionStatus::False,
                Reason::RolloutAborted,
                &message,
            ) {
                announcements.push(Announcement { warning: true, reason: "RolloutAborted", message });
            }
        } else {
            self.update_progressing(before, next, became_unhealthy);
        }
        let (status, message) = if next.available >= self.rollout.spec.replicas() {
            (ConditionStatus::True, "Rollout has minimum availability")
        } else {
            (ConditionStatus::False, "Rollout does not have minimum availability")
        };
        self.set(next, ConditionKind::Available, status, Reason::AvailableReason, message);
        announcements.extend(self.update_completed(next));
        announcements
    }

    /// Tells whether the Rollout was healthy until now and is not any more.
    fn update_healthy(&self, before: &RolloutState, next: &mut RolloutState) -> bool {
        let paused = !next.pause_conditions.is_empty() || self.rollout.spec.paused;
        let reason = Reason::RolloutHealthy;
        if !paused && self.is_healthy(before, next) {
            self.set(next, ConditionKind::Healthy, ConditionStatus::True, reason, "Rollout is healthy");
            return false;
        }
        before.condition(ConditionKind::Healthy).is_some()
            && self.set(
                next,
                ConditionKind::Healthy,
                ConditionStatus::False,
                reason,
                "Rollout is not healthy",
            )
    }

    fn update_progressing(&self, before: &RolloutState, next: &mut RolloutState, became_unhealthy: bool) {
        let kind = ConditionKind::Progressing;
        if self.is_healthy(before, next) {
            let message = format!("ReplicaSet \"{}\" has successfully progressed.", self.new_set);
            self.set(next, kind, ConditionStatus::True, Reason::NewReplicaSetAvailable, &message);
        } else if is_progress(before, next) || became_unhealthy {
            let (reason, message) = if next.stable_rs == next.current_pod_hash && became_unhealthy {
                let message = "Rollout does not have minimum availability".to_owned();
                (Reason::ReplicaSetNotAvailable, message)
            } else {
                (Reason::ReplicaSetUpdated, format!("ReplicaSet \"{}\" is progressing.", self.new_set))
            };
            let mut condition = Condition::new(kind, ConditionStatus::True, reason, message, self.now);
            // Progress renews the condition even where status and reason stay: the deadline counts from it.
            if let Some(present) = before.condition(kind) {
                if present.status == ConditionStatus::True {
                    condition.transitioned = present.transitioned;
                }
                next.remove_condition(kind);
            }
            next.set_condition(condition);
        } else if !self.is_waiting_indefinitely(before) && self.is_timed_out(next) {
            let message = self.timed_out_message();
            self.set(next, kind, ConditionStatus::False, Reason::ProgressDeadlineExceeded, &message);
        }
    }

    fn update_completed(&self, next: &mut RolloutState) -> Option<Announcement> {
        let completed = next.is_completed();
        let status = if completed { ConditionStatus::True } else { ConditionStatus::False };
        let changed =
            self.set(next, ConditionKind::Completed, status, Reason::RolloutCompleted, "RolloutCompleted");
        let hash = next.current_pod_hash.as_deref().unwrap_or_default();
        let message = format!("Rollout not completed, started update to revision {} ({hash})", next.revision);
        let reason = "RolloutNotCompleted";
        (changed && !completed).then_some(Announcement { warning: false, reason, message })
    }

    fn set(
        &self,
        state: &mut RolloutState,
        kind: ConditionKind,
        status: ConditionStatus,
        reason: Reason,
        message: &str,
    ) -> bool {
        state.set_condition(Condition::new(kind, status, reason, message, self.now))
    }

    /// When to look again whether the deadline has passed, after a pass that changed nothing
    /// (`requeueStuckRollout`).
    pub(super) fn deadline_check(&self, state: &RolloutState) -> Option<Time> {
        let condition = state.condition(ConditionKind::Progressing)?;
        let paused = !state.pause_conditions.is_empty() || self.rollout.spec.paused;
        if self.is_healthy(state, state)
            || condition.reason == Reason::ProgressDeadlineExceeded
            || paused
            || state.abort
            || self.is_waiting_indefinitely(state)
        {
            return None;
        }
        let deadline = condition.updated + self.rollout.spec.progress_deadline();
        let second = units::Duration::from_secs(1);
        // A remainder below a second is waited for by quick retries.
        (deadline > self.now).then(|| if deadline < self.now + second { deadline } else { deadline + second })
    }
}

/// Notes in the conditions that a pause began or ended, and that an abort was lifted, before anything
/// else happens, so that the time does not count against the deadline (`checkPausedConditions`).
pub(super) fn note_pauses(rollout: &Rollout, state: &RolloutState, now: Time) -> Vec<Condition> {
    let mut changes = Vec::new();
    let progressing = state.condition(ConditionKind::Progressing).map(|condition| condition.reason);
    let noted_paused = progressing == Some(Reason::RolloutPaused);
    let noted_aborted = progressing == Some(Reason::RolloutAborted);
    let paused = !state.pause_conditions.is_empty() || rollout.spec.paused;
    let mut note = |kind, status, reason, message: &str| {
        changes.push(Condition::new(kind, status, reason, message, now));
    };
    if paused != noted_paused && !noted_aborted && !state.is_completed() {
        let (reason, message) = match paused {
            true => (Reason::RolloutPaused, "Rollout is paused"),
            false => (Reason::RolloutResumed, "Rollout is resumed"),
        };
        note(ConditionKind::Progressing, ConditionStatus::Unknown, reason, message);
    }
    if !state.abort && noted_aborted {
        let message = "Retrying Rollout after abort";
        note(ConditionKind::Progressing, ConditionStatus::Unknown, Reason::RolloutRetry, message);
    }
    let condition = state.condition(ConditionKind::Paused);
    let holds = condition.is_some_and(|condition| condition.status == ConditionStatus::True);
    if paused != holds && !noted_aborted {
        let status = if paused { ConditionStatus::True } else { ConditionStatus::False };
        note(ConditionKind::Paused, status, Reason::RolloutPaused, "Rollout is paused");
    }
    changes
}
