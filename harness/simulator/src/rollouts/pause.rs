//! Pauses and aborts that one pass decides on (argo-rollouts v1.10.1 `rollout/pause.go`).

use manifests::objects::rollout::{Pause, PauseDuration};
use planted::Bug;
use units::{Duration, Time};

use super::status::{PauseCondition, PauseReason, RolloutState};

/// What a pass will do to pauses and abort when it writes the status (`pauseContext`).
#[derive(Debug, Clone, Default)]
pub(super) struct PauseContext {
    added: Vec<PauseReason>,
    removed: Vec<PauseReason>,
    clear: bool,
    /// The abort's message, once there is one.
    abort: Option<String>,
    remove_abort: bool,
}

impl PauseContext {
    pub(super) fn add(&mut self, reason: PauseReason) {
        self.added.push(reason);
    }

    pub(super) fn remove(&mut self, reason: PauseReason) {
        self.removed.push(reason);
    }

    pub(super) fn clear(&mut self) {
        self.clear = true;
    }

    pub(super) fn abort(&mut self, message: String) {
        self.abort = Some(message);
    }

    pub(super) fn remove_abort(&mut self) {
        self.remove_abort = true;
    }

    pub(super) fn has_added(&self) -> bool {
        !self.added.is_empty()
    }

    pub(super) fn abort_message(&self) -> Option<&str> {
        self.abort.as_deref()
    }

    pub(super) fn is_aborted(&self, state: &RolloutState) -> bool {
        !self.remove_abort && (self.abort.is_some() || state.abort)
    }

    /// Writes pauses and abort into the next status (`CalculatePauseStatus`).
    pub(super) fn apply(&self, state: &RolloutState, next: &mut RolloutState, now: Time) {
        let now = now.truncated_to_secs();
        // An abort that this pass adds counts even where the pass also lifts an earlier one.
        if self.abort.is_some() || (!self.remove_abort && state.abort) {
            (next.abort, next.retried) = (true, false);
            next.aborted_at = state.aborted_at.or(Some(now));
            return;
        }
        (next.abort, next.retried) = (false, state.retried);
        next.aborted_at = None;
        if self.clear {
            return;
        }
        let mut pauses = state.pause_conditions.clone();
        pauses.retain(|pause| !self.removed.contains(&pause.reason));
        let mut controller_pause = state.controller_pause;
        for reason in &self.added {
            if state.pause(*reason).is_none() {
                pauses.push(PauseCondition { reason: *reason, start: now });
                controller_pause = true;
            }
        }
        if !pauses.is_empty() {
            next.controller_pause = controller_pause;
            next.pause_conditions = pauses;
        }
    }
}

/// Whether a pause step is over: a person cleared the condition, or its time has passed
/// (`CompletedCanaryPauseStep`).
pub(super) fn is_over(pause: &Pause, state: &RolloutState, now: Time) -> bool {
    match state.pause(PauseReason::CanaryPauseStep) {
        None => state.controller_pause,
        Some(condition) => expiry(pause, condition).is_some_and(|expiry| now >= expiry),
    }
}

/// When a pause ends by itself.
pub(super) fn expiry(pause: &Pause, condition: PauseCondition) -> Option<Time> {
    match pause.duration() {
        PauseDuration::For(duration) => {
            let more = Duration::from_secs(u64::from(planted::is(Bug::PauseOneSecondLonger)));
            Some(condition.start + duration + more)
        }
        PauseDuration::Indefinite | PauseDuration::Invalid => None,
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::IntOrString;

    use super::*;

    fn paused_at(start: u64) -> RolloutState {
        let pause = PauseCondition { reason: PauseReason::CanaryPauseStep, start: Time::from_secs(start) };
        RolloutState { controller_pause: true, pause_conditions: vec![pause], ..RolloutState::default() }
    }

    fn of(duration: Option<&str>) -> Pause {
        Pause { duration: duration.map(|text| IntOrString::String(text.to_owned())) }
    }

    fn after(context: &PauseContext, state: &RolloutState) -> RolloutState {
        let mut next = RolloutState::default();
        context.apply(state, &mut next, Time::from_nanos(7_900_000_000));
        next
    }

    #[test]
    fn a_pause_is_over_at_its_time_or_when_a_person_cleared_it() {
        let resumed = RolloutState { pause_conditions: Vec::new(), ..paused_at(0) };
        let cases = [
            ("before its time", of(Some("5m")), paused_at(10), 309, false),
            ("at its time", of(Some("5m")), paused_at(10), 310, true),
            ("seconds without unit", of(Some("30")), paused_at(10), 40, true),
            ("indefinite", of(None), paused_at(10), 1_000_000, false),
            ("not begun", of(None), RolloutState::default(), 0, false),
            ("cleared by a person", of(None), resumed, 11, true),
        ];
        for (name, pause, state, now, expected) in cases {
            assert_eq!(is_over(&pause, &state, Time::from_secs(now)), expected, "{name}");
        }
    }

    #[test]
    fn a_pause_starts_at_a_whole_second_and_is_added_once() {
        let mut context = PauseContext::default();
        context.add(PauseReason::CanaryPauseStep);
        let next = after(&context, &RolloutState::default());
        assert_eq!(next.pause_conditions[0].start, Time::from_secs(7));
        assert!(next.controller_pause);
        assert_eq!(after(&context, &paused_at(3)).pause_conditions, paused_at(3).pause_conditions);
    }

    #[test]
    fn the_end_of_a_pause_drops_both_the_condition_and_the_flag() {
        let mut context = PauseContext::default();
        context.remove(PauseReason::CanaryPauseStep);
        assert_eq!(after(&context, &paused_at(3)), RolloutState::default());
        // A flag that a person left behind goes with the next write, too.
        let resumed = RolloutState { pause_conditions: Vec::new(), ..paused_at(0) };
        assert_eq!(after(&PauseContext::default(), &resumed), RolloutState::default());
    }

    #[test]
    fn an_abort_ends_every_pause_and_keeps_its_first_time() {
        let mut context = PauseContext::default();
        context.abort("why".to_owned());
        let next = after(&context, &paused_at(3));
        assert!(next.abort && next.pause_conditions.is_empty() && !next.controller_pause);
        assert_eq!(next.aborted_at, Some(Time::from_secs(7)));
        let aborted =
            RolloutState { abort: true, aborted_at: Some(Time::from_secs(2)), ..RolloutState::default() };
        assert_eq!(after(&PauseContext::default(), &aborted).aborted_at, Some(Time::from_secs(2)));
        let mut lifted = PauseContext::default();
        lifted.remove_abort();
        assert!(!after(&lifted, &aborted).abort);
    }
}
