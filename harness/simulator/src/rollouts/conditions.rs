//! The conditions of a Rollout and its progress deadline (argo-rollouts v1.10.1
//! `utils/conditions/conditions.go`, `rollout/sync.go: calculateRolloutConditions`).

use manifests::objects::Rollout;
use planted::Bug;
use units::Time;

use super::pause::PauseContext;
use super::status::{BlueGreenState, Condition, ConditionKind, ConditionStatus, Reason, RolloutState};
use super::steps;

/// What the conditions depend on beside both statuses.
pub(super) struct Situation<'a> {
    pub(super) rollout: &'a Rollout,
    pub(super) generation: u64,
    /// The name of the ReplicaSet of the wanted template.
    pub(super) new_set: &'a str,
    pub(super) pauses: &'a PauseContext,
    /// Whether all pods of the template that the active Service selects are available.
    pub(super) active_is_saturated: bool,
    /// Whether an old ReplicaSet is to be scaled down at a stated time
    /// (`isWaitingForReplicaSetScaleDown`).
    pub(super) draining: bool,
    /// Whether the Rollout is looked at again and again, as upstream does while old pods stay for which there is no delay
    /// (`scaleDownDelayHelper`). These passes change nothing, and are left out here.
    pub(super) looked_at_always: bool,
    pub(super) now: Time,
}

/// An event for people.
pub(super) struct Announcement {
    pub(super) warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Whether something moved between two statuses (`RolloutProgressing`).
pub(super) fn is_progress(rollout: &Rollout, before: &RolloutState, after: &RolloutState) -> bool {
    let old = |state: &RolloutState| i64::from(state.replicas) - i64::from(state.updated);
    let step_changed = matches!(
        (before.current_step_index, after.current_step_index),
        (Some(before), Some(after)) if before != after
    );
    after.updated != before.updated
        || old(after) < old(before)
        || after.ready > before.ready
        || after.available > before.available
        || match rollout.blue_green() {
            Some(_) => {
                after.blue_green.active != before.blue_green.active
                    || after.blue_green.preview != before.blue_green.preview
            }
            None => {
                after.stable_rs != before.stable_rs
                    || step_changed
                    || after.current_step_hash != before.current_step_hash
            }
        }
}

impl Situation<'_> {
    /// Whether all pods are of the wanted template and available, every step is done, and the spec was
    /// seen before this pass (`RolloutHealthy`).
    pub(super) fn is_healthy(&self, before: &RolloutState, after: &RolloutState) -> bool {
        let replicas = self.rollout.spec.replicas();
        let steps = steps::count(self.rollout);
        let is_done = match self.rollout.blue_green() {
            Some(strategy) => {
                let BlueGreenState { active, preview, .. } = &after.blue_green;
                *active == after.current_pod_hash
                    && (strategy.preview_service.is_empty() || *preview == after.current_pod_hash)
            }
            None => {
                after.replicas == replicas
                    && after.is_completed()
                    && (steps == 0 || after.current_step_index.is_none_or(|index| index == steps))
            }
        };
        after.updated == replicas
            && after.available == replicas
            && before.observed_generation == self.generation
            && is_done
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
            | Reason::InvalidSpec => {
                !planted::is(Bug::ProgressDeadlineIgnored)
                    && self.now >= condition.updated + self.rollout.spec.progress_deadline()
            }
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
            && !is_progress(self.rollout, before, after)
            && !self.is_waiting_indefinitely(before)
            && !self.draining
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
        let available = match self.rollout.blue_green() {
            Some(_) => self.active_is_saturated,
            None => next.available >= self.rollout.spec.replicas(),
        };
        let (status, message) = if available {
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

    /// Deviation: a blueGreen Rollout that is paused after its switch, by an inconclusive analysis, has all its
    /// pods. Upstream then writes in turns, pass after pass, that it is paused and that it is available; here
    /// it stays paused.
    fn update_progressing(&self, before: &RolloutState, next: &mut RolloutState, became_unhealthy: bool) {
        let kind = ConditionKind::Progressing;
        let paused = !next.pause_conditions.is_empty() || self.rollout.spec.paused;
        if paused
            && self.rollout.blue_green().is_some()
            && !next.is_completed()
            && self.is_healthy(before, next)
        {
            return;
        }
        if self.is_healthy(before, next) {
            let message = format!("ReplicaSet \"{}\" has successfully progressed.", self.new_set);
            self.set(next, kind, ConditionStatus::True, Reason::NewReplicaSetAvailable, &message);
        } else if is_progress(self.rollout, before, next) || became_unhealthy {
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
        } else if !self.is_waiting_indefinitely(before) && !self.draining && self.is_timed_out(next) {
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

    /// When to look again whether the deadline has passed, after a pass that changed nothing (`requeueStuckRollout`). A time
    /// that is over where the deadline has passed and does not count yet, as while an old ReplicaSet waits for its end:
    /// upstream then looks again and again.
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
        let at_once = self.looked_at_always || deadline < self.now + second;
        Some(if at_once { deadline } else { deadline + second })
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

#[cfg(test)]
mod tests {
    use super::super::status::{PauseCondition, PauseReason};
    use super::*;

    /// Four pods at the second of three steps, in the middle of an update.
    fn updating() -> RolloutState {
        RolloutState {
            observed_generation: 1,
            current_pod_hash: Some("new".into()),
            stable_rs: Some("old".into()),
            current_step_index: Some(1),
            current_step_hash: Some("steps".to_owned()),
            replicas: 4,
            updated: 2,
            ready: 3,
            available: 3,
            ..RolloutState::default()
        }
    }

    fn promoted() -> RolloutState {
        RolloutState {
            stable_rs: Some("new".into()),
            current_step_index: Some(3),
            updated: 4,
            ready: 4,
            available: 4,
            ..updating()
        }
    }

    fn progressing(reason: Reason, updated: u64) -> RolloutState {
        let mut state = updating();
        let (kind, status, now) =
            (ConditionKind::Progressing, ConditionStatus::True, Time::from_secs(updated));
        state.set_condition(Condition::new(kind, status, reason, "", now));
        state
    }

    fn situation<'a>(rollout: &'a Rollout, pauses: &'a PauseContext, now: u64) -> Situation<'a> {
        Situation {
            rollout,
            generation: 1,
            new_set: "model-new",
            pauses,
            active_is_saturated: true,
            draining: false,
            looked_at_always: false,
            now: Time::from_secs(now),
        }
    }

    /// Four pods, three steps of which the third takes no time by itself, a deadline of 60 s.
    fn rollout() -> Rollout {
        let steps = vec![manifests::objects::Step { set_weight: Some(50), ..Default::default() }; 3];
        let mut rollout = Rollout::default();
        rollout.spec.replicas = Some(4);
        rollout.spec.progress_deadline_seconds = Some(60);
        rollout.spec.strategy.canary =
            Some(manifests::objects::rollout::CanaryStrategy { steps, ..Default::default() });
        rollout
    }

    #[test]
    fn progress_is_any_pod_step_or_template_that_moved_forward() {
        type Change = fn(&mut RolloutState);
        let cases: [(&str, Change, bool); 9] = [
            ("nothing", |_| (), false),
            ("an updated pod more", |state| (state.replicas, state.updated) = (5, 3), true),
            ("an updated pod less", |state| (state.replicas, state.updated) = (3, 1), true),
            ("an old pod less", |state| state.replicas = 3, true),
            ("an old pod more", |state| state.replicas = 5, false),
            ("a ready pod more", |state| state.ready = 4, true),
            ("an available pod less", |state| state.available = 2, false),
            ("the next step", |state| state.current_step_index = Some(2), true),
            ("another stable template", |state| state.stable_rs = Some("new".into()), true),
        ];
        for (name, change, expected) in cases {
            let mut after = updating();
            change(&mut after);
            assert_eq!(is_progress(&rollout(), &updating(), &after), expected, "{name}");
        }
    }

    #[test]
    fn healthy_is_all_pods_of_a_trusted_template_with_every_step_done() {
        type Change = fn(&mut RolloutState);
        let cases: [(&str, Change, bool); 6] = [
            ("promoted", |_| (), true),
            ("a pod not available", |state| state.available = 3, false),
            ("an old pod left", |state| state.replicas = 5, false),
            ("not updated", |state| state.updated = 3, false),
            ("a step left", |state| state.current_step_index = Some(2), false),
            ("not trusted", |state| state.stable_rs = Some("old".into()), false),
        ];
        let (rollout, pauses) = (rollout(), PauseContext::default());
        let situation = situation(&rollout, &pauses, 0);
        for (name, change, expected) in cases {
            let mut after = promoted();
            change(&mut after);
            assert_eq!(situation.is_healthy(&promoted(), &after), expected, "{name}");
        }
        let unseen = RolloutState { observed_generation: 0, ..promoted() };
        assert!(!situation.is_healthy(&unseen, &promoted()), "a spec that was not seen before this pass");
    }

    #[test]
    fn the_deadline_counts_from_the_last_progress_and_not_in_pauses_or_after_an_abort() {
        let (rollout, pauses) = (rollout(), PauseContext::default());
        let cases = [
            ("in time", Reason::ReplicaSetUpdated, 100, 159, false),
            ("too late", Reason::ReplicaSetUpdated, 100, 160, true),
            ("since the resumption", Reason::RolloutResumed, 100, 160, true),
            ("paused", Reason::RolloutPaused, 100, 1000, false),
            ("aborted", Reason::RolloutAborted, 100, 1000, false),
            ("too late already", Reason::ProgressDeadlineExceeded, 100, 101, true),
        ];
        for (name, reason, updated, now, expected) in cases {
            let state = progressing(reason, updated);
            assert_eq!(situation(&rollout, &pauses, now).is_timed_out(&state), expected, "{name}");
        }
        assert!(!situation(&rollout, &pauses, 1000).is_timed_out(&updating()), "no progress was ever noted");
    }

    #[test]
    fn the_deadline_is_looked_at_a_second_after_it() {
        let (rollout, pauses) = (rollout(), PauseContext::default());
        let check = |state: &RolloutState, now| {
            situation(&rollout, &pauses, now).deadline_check(state).map(|at| at.as_millis() / 1000)
        };
        let state = progressing(Reason::ReplicaSetUpdated, 100);
        assert_eq!(check(&state, 100), Some(161));
        assert_eq!(check(&state, 159), Some(161));
        assert_eq!(check(&state, 170), Some(160), "again and again");
        assert_eq!(check(&RolloutState { abort: true, ..state.clone() }, 100), None);
        assert_eq!(check(&progressing(Reason::ProgressDeadlineExceeded, 100), 100), None);
        let pause = PauseCondition { reason: PauseReason::InconclusiveAnalysisRun, start: Time::ZERO };
        assert_eq!(check(&RolloutState { pause_conditions: vec![pause], ..state }, 100), None);
    }

    #[test]
    fn progress_renews_the_condition_and_the_deadline_only_marks_the_rollout() {
        let (rollout, pauses) = (rollout(), PauseContext::default());
        let before = progressing(Reason::ReplicaSetUpdated, 100);
        let mut after = RolloutState { ready: 4, ..before.clone() };
        situation(&rollout, &pauses, 150).update(&before, &mut after);
        let condition = after.condition(ConditionKind::Progressing).unwrap();
        assert_eq!((condition.updated, condition.transitioned), (Time::from_secs(150), Time::from_secs(100)));
        let mut late = before.clone();
        situation(&rollout, &pauses, 160).update(&before, &mut late);
        let condition = late.condition(ConditionKind::Progressing).unwrap();
        assert_eq!(condition.reason, Reason::ProgressDeadlineExceeded);
        assert_eq!(condition.message, "ReplicaSet \"model-new\" has timed out progressing.");
    }

    #[test]
    fn pauses_and_lifted_aborts_are_noted_before_anything_else() {
        let rollout = rollout();
        let noted = |state: &RolloutState| -> Vec<(ConditionKind, ConditionStatus, Reason)> {
            let changes = note_pauses(&rollout, state, Time::ZERO);
            changes.iter().map(|change| (change.kind, change.status, change.reason)).collect()
        };
        let pause = PauseCondition { reason: PauseReason::CanaryPauseStep, start: Time::ZERO };
        let running = progressing(Reason::ReplicaSetUpdated, 0);
        let paused = RolloutState { pause_conditions: vec![pause], ..running.clone() };
        let began = [
            (ConditionKind::Progressing, ConditionStatus::Unknown, Reason::RolloutPaused),
            (ConditionKind::Paused, ConditionStatus::True, Reason::RolloutPaused),
        ];
        assert_eq!(noted(&running), []);
        assert_eq!(noted(&paused), began);
        let resumed = progressing(Reason::RolloutPaused, 0);
        assert_eq!(
            noted(&resumed),
            [(ConditionKind::Progressing, ConditionStatus::Unknown, Reason::RolloutResumed)]
        );
        let retried = progressing(Reason::RolloutAborted, 0);
        assert_eq!(
            noted(&retried),
            [(ConditionKind::Progressing, ConditionStatus::Unknown, Reason::RolloutRetry)]
        );
        assert_eq!(noted(&RolloutState { abort: true, ..retried }), []);
    }
}
