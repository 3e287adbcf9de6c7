//! Which step a Rollout is at, and which weight that means.

use manifests::objects::Step;
use manifests::objects::rollout::{CanaryStrategy, ExperimentStep, Rollout, SetCanaryScale};
use planted::Bug;

use super::replicas::{Size, pods_for};
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

/// What the canary is sized for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// So many pods.
    Pods(i32),
    /// A share of the requests.
    Weight(i32),
}

/// What the ReplicaSets are sized for (`GetCanaryReplicasOrWeight`).
pub(super) fn scale(rollout: &Rollout, state: &RolloutState, new: Size, stable: Option<Size>) -> Scale {
    if state.promote_full || state.stable_rs.is_none() || state.is_fully_promoted() {
        return Scale::Weight(max_weight(rollout));
    }
    let named = named_scale(rollout, state)
        .and_then(|scale| scale.replicas.map(Scale::Pods).or(scale.weight.map(Scale::Weight)));
    named.unwrap_or_else(|| Scale::Weight(desired_weight(rollout, state, new, stable)))
}

/// The `setCanaryScale` in force (`UseSetCanaryScale`): the last one at or before the step, with a router
/// only, and after an abort only where the canary's pods are to stay.
fn named_scale(rollout: &Rollout, state: &RolloutState) -> Option<SetCanaryScale> {
    let canary = rollout.canary()?;
    canary.traffic_routing.as_ref()?;
    if state.abort && rollout.abort_scale_down_delay().is_some() {
        return None;
    }
    let (Some(_), Some(index)) = current(rollout, state) else { return None };
    let last = steps(rollout)[..=index as usize].iter().rev().find_map(|step| step.set_canary_scale);
    last.filter(|scale| !scale.match_traffic_weight)
}

/// The weight to go to (`GetDesiredCanaryWeight`): that of the steps, except that an aborted update with
/// dynamic scale goes back through the steps as stable grows.
pub(super) fn desired_weight(
    rollout: &Rollout,
    state: &RolloutState,
    new: Size,
    stable: Option<Size>,
) -> i32 {
    let dynamic = rollout.canary().is_some_and(|canary| canary.dynamic_stable_scale);
    let Some(stable) = stable.filter(|_| state.abort && dynamic) else {
        return reached_weight(rollout, state);
    };
    let replicas = i64::from(rollout.spec.replicas());
    let left = (replicas - stable.available).max(new.available);
    let max = i64::from(max_weight(rollout));
    let weights = steps(rollout).iter().rev().filter_map(|step| step.set_weight);
    weights.into_iter().find(|weight| pods_for(replicas, i64::from(*weight), max) < left).unwrap_or(0)
}

/// The last `setWeight` before the step, which holds until the canary has the size for the next one; 0
/// where there is none.
pub(super) fn weight_before(rollout: &Rollout, index: u32) -> i32 {
    let passed = &steps(rollout)[..(index as usize).min(steps(rollout).len())];
    passed.iter().rev().find_map(|step| step.set_weight).unwrap_or(0)
}

/// The experiment of the last step that has one, at or before the current one (`GetCurrentExperimentStep`).
pub(super) fn last_experiment<'r>(rollout: &'r Rollout, state: &RolloutState) -> Option<&'r ExperimentStep> {
    let (Some(_), Some(index)) = current(rollout, state) else { return None };
    steps(rollout)[..=index as usize].iter().rev().find_map(|step| step.experiment.as_ref())
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
    use manifests::objects::rollout::{Analysis, Pause, RouteStep, SetCanaryScale, TrafficRouting};

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

    fn sizing_weight(rollout: &Rollout, state: &RolloutState) -> i32 {
        match scale(rollout, state, Size::default(), None) {
            Scale::Weight(weight) => weight,
            Scale::Pods(pods) => panic!("{pods} pods"),
        }
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

    /// `utils/replicaset/canary.go: UseSetCanaryScale`.
    #[test]
    fn a_named_scale_holds_until_another_one_and_only_with_a_router() {
        let scale_step = |scale| Step { set_canary_scale: Some(scale), ..Step::default() };
        let pods = |pods| SetCanaryScale { replicas: Some(pods), ..SetCanaryScale::default() };
        let follow = SetCanaryScale { match_traffic_weight: true, ..SetCanaryScale::default() };
        let share = SetCanaryScale { weight: Some(30), ..SetCanaryScale::default() };
        let plain = rollout(vec![scale_step(pods(2)), weight(50), scale_step(share), scale_step(follow)]);
        let mut routed = plain.clone();
        routed.spec.strategy.canary.as_mut().unwrap().traffic_routing = Some(TrafficRouting::default());
        let found = |rollout: &Rollout, state: &RolloutState| {
            super::scale(rollout, state, Size::default(), Some(Size::default()))
        };
        for (index, expected) in [
            (0, Scale::Pods(2)),
            (1, Scale::Pods(2)),
            (2, Scale::Weight(30)),
            (3, Scale::Weight(50)),
            (4, Scale::Weight(100)),
        ] {
            assert_eq!(found(&routed, &at(index)), expected, "step {index}");
        }
        assert_eq!(found(&plain, &at(0)), Scale::Weight(0));
        let aborted = RolloutState { abort: true, ..at(0) };
        assert_eq!(found(&routed, &aborted), Scale::Weight(0));
        routed.spec.strategy.canary.as_mut().unwrap().abort_scale_down_delay_seconds = Some(0);
        assert_eq!(found(&routed, &aborted), Scale::Pods(2), "the canary's pods are to stay");
    }

    /// `GetDesiredCanaryWeight`.
    #[test]
    fn an_abort_with_dynamic_scale_goes_back_through_the_steps_as_stable_grows() {
        let mut rollout = rollout(vec![weight(10), weight(30), weight(80)]);
        rollout.spec.replicas = Some(10);
        rollout.spec.strategy.canary.as_mut().unwrap().dynamic_stable_scale = true;
        let aborted = RolloutState { abort: true, ..at(0) };
        let of = |canary, stable| {
            let size = |available| Size { available, ..Size::default() };
            desired_weight(&rollout, &aborted, size(canary), Some(size(stable)))
        };
        for (canary, stable, expected) in [(10, 0, 80), (8, 2, 30), (3, 7, 10), (1, 9, 0), (0, 10, 0)] {
            assert_eq!(of(canary, stable), expected, "{canary} canaries, {stable} stable");
        }
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
