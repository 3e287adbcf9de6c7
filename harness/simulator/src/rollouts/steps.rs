//! Which step a Rollout is at, and which weight that means.

use manifests::objects::Step;
use manifests::objects::rollout::{CanaryStrategy, Rollout};
use planted::Bug;

use super::status::RolloutState;

/// The steps of a Rollout.
pub(super) fn steps(rollout: &Rollout) -> &[Step] {
    rollout.canary().map_or(&[], |canary| &canary.steps)
}

/// How many there are.
pub(super) fn count(rollout: &Rollout) -> u32 {
    u32::try_from(steps(rollout).len()).unwrap_or(u32::MAX)
}

/// The current step and its index (`GetCurrentCanaryStep`). No step without steps, and past the last;
/// no index only without steps.
pub(super) fn current<'r>(rollout: &'r Rollout, state: &RolloutState) -> (Option<&'r Step>, Option<u32>) {
    let steps = steps(rollout);
    if steps.is_empty() {
        return (None, None);
    }
    let index = state.current_step_index.unwrap_or(0);
    (steps.get(index as usize), Some(index))
}

/// The weight that the steps have reached (`GetCurrentSetWeight`): 0 when aborted and before the first
/// `setWeight`, the maximum without steps and past the last.
pub(super) fn reached_weight(rollout: &Rollout, state: &RolloutState) -> i32 {
    if state.abort && !planted::is(Bug::WeightKeptAtAbort) {
        return 0;
    }
    match current(rollout, state) {
        (Some(_), Some(index)) => {
            let passed = &steps(rollout)[..=index as usize];
            passed.iter().rev().find_map(|step| step.set_weight).unwrap_or(0)
        }
        (_, _) => max_weight(rollout),
    }
}

/// The weight that the ReplicaSets are sized for (`GetCanaryReplicasOrWeight`).
pub(super) fn sizing_weight(rollout: &Rollout, state: &RolloutState) -> i32 {
    if state.promote_full || state.stable_rs.is_none() || state.is_fully_promoted() {
        return max_weight(rollout);
    }
    reached_weight(rollout, state)
}

pub(super) fn max_weight(rollout: &Rollout) -> i32 {
    rollout.canary().map_or(100, CanaryStrategy::max_weight)
}

/// Whether the current step takes as long as it takes, so that the progress deadline does not apply
/// (`rollout/sync.go: isIndefiniteStep`).
pub(super) fn is_indefinite(rollout: &Rollout, state: &RolloutState) -> bool {
    let (step, _) = current(rollout, state);
    step.is_some_and(|step| step.experiment.is_some() || step.analysis.is_some() || step.pause.is_some())
}

/// A step as events name it.
pub(super) fn text(step: &Step) -> String {
    step.to_string()
}

#[cfg(test)]
mod tests {
    use manifests::objects::IntOrString;
    use manifests::objects::rollout::{Analysis, Pause, RouteStep, SetCanaryScale};

    use super::*;

    fn weight(weight: i32) -> Step {
        Step { set_weight: Some(weight), ..Step::default() }
    }

    fn pause(duration: Option<IntOrString>) -> Step {
        Step { pause: Some(Pause { duration }), ..Step::default() }
    }

    fn rollout(steps: Vec<Step>) -> Rollout {
        let mut rollout = Rollout::default();
        rollout.spec.strategy.canary = Some(CanaryStrategy { steps, ..CanaryStrategy::default() });
        rollout
    }

    fn at(index: u32) -> RolloutState {
        RolloutState {
            current_step_index: Some(index),
            stable_rs: Some("a".into()),
            current_pod_hash: Some("b".into()),
            ..RolloutState::default()
        }
    }

    #[test]
    fn the_weight_is_that_of_the_last_set_weight_at_or_before_the_step() {
        let rollout = rollout(vec![pause(None), weight(10), pause(None), weight(50)]);
        for (index, expected) in [(0, 0), (1, 10), (2, 10), (3, 50), (4, 100)] {
            assert_eq!(sizing_weight(&rollout, &at(index)), expected, "step {index}");
        }
        assert_eq!(sizing_weight(&rollout, &RolloutState { abort: true, ..at(3) }), 0);
        assert_eq!(sizing_weight(&rollout, &RolloutState { promote_full: true, ..at(1) }), 100);
        assert_eq!(sizing_weight(&rollout, &RolloutState { stable_rs: Some("b".into()), ..at(1) }), 100);
        assert_eq!(sizing_weight(&super::tests::rollout(Vec::new()), &at(0)), 100);
    }

    #[test]
    fn events_name_a_step_by_its_first_field() {
        let scale = |scale: SetCanaryScale| Step { set_canary_scale: Some(scale), ..Step::default() };
        let cases = [
            (weight(20), "setWeight: 20"),
            (pause(None), "pause"),
            (pause(Some(IntOrString::String("1h".to_owned()))), "pause: 1h"),
            (pause(Some(IntOrString::Int(60))), "pause: 60"),
            (Step { analysis: Some(Analysis::default()), ..Step::default() }, "analysis"),
            (scale(SetCanaryScale { weight: Some(20), ..Default::default() }), "setCanaryScale{weight: 20}"),
            (
                scale(SetCanaryScale { replicas: Some(5), ..Default::default() }),
                "setCanaryScale{replicas: 5}",
            ),
            (
                scale(SetCanaryScale { match_traffic_weight: true, ..Default::default() }),
                "setCanaryScale{matchTrafficWeight: true}",
            ),
            (
                Step {
                    set_header_route: Some(RouteStep { name: "set-header".to_owned(), ..Default::default() }),
                    ..Step::default()
                },
                "setHeaderRoute: set-header",
            ),
            (Step::default(), "invalid"),
        ];
        for (step, expected) in cases {
            assert_eq!(text(&step), expected);
        }
    }
}
