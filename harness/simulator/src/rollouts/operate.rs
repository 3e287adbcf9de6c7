//! What `kubectl argo rollouts` writes (argo-rollouts v1.10.1 `pkg/kubectl-argo-rollouts/cmd`).

use std::sync::Arc;

use manifests::objects::Rollout;
use scenario::RolloutCommand;
use timeline::AnalysisPhase;
use yaml::Value;

use super::status::RolloutState;
use super::{calendar, pass, steps, undo, workload};
use crate::World;
use crate::api::{Body, ObjectId};

/// Carries out an operator's command. The controller acts on what was written in its next pass.
///
/// # Errors
/// Why the command cannot be carried out.
pub(crate) fn operate(world: &mut World<'_>, id: ObjectId, command: RolloutCommand) -> Result<(), String> {
    let object = world.api.get(id);
    let Body::Rollout(rollout, state) = &object.body else {
        return Err(format!("{} is no Rollout", object.key));
    };
    if let RolloutCommand::Undo { to_revision } = command {
        return undo::undo(world, id, to_revision);
    }
    let (rollout, before) = (Arc::clone(rollout), (**state).clone());
    let mut next = before.clone();
    let written = match command {
        RolloutCommand::Promote => {
            promote(&rollout, &mut next);
            rollout.spec.paused.then_some(("paused", Value::Bool(false)))
        }
        RolloutCommand::PromoteFull => {
            next.promote_full |= !before.is_fully_promoted();
            rollout.spec.paused.then_some(("paused", Value::Bool(false)))
        }
        RolloutCommand::Abort => {
            (next.abort, next.retried) = (true, false);
            None
        }
        RolloutCommand::Retry => {
            (next.abort, next.retried) = (false, true);
            None
        }
        RolloutCommand::Pause => Some(("paused", Value::Bool(true))),
        RolloutCommand::Resume => Some(("paused", Value::Bool(false))),
        RolloutCommand::Restart => Some(("restartAt", Value::String(calendar::format(world.now())))),
        RolloutCommand::Undo { .. } => None,
    };
    if next != before {
        pass::write(world, id, next);
    }
    if let Some((field, value)) = written
        && let Some(patch) = workload::spec_patch(world, id, field, value)
    {
        world.api.patch(id, &patch).map_err(|problem| problem.to_string())?;
    }
    Ok(())
}

/// Ends a pause or, where there is none, skips the step; both after an inconclusive step
/// (`promote.go: getPatches`).
fn promote(rollout: &Rollout, state: &mut RolloutState) {
    let count = steps::count(rollout);
    let (_, index) = steps::current(rollout, state);
    let skipped = index.map(|index| if index < count { index + 1 } else { index });
    let paused = !state.pause_conditions.is_empty();
    let inconclusive =
        state.step_run.as_ref().is_some_and(|run| run.phase == Some(AnalysisPhase::Inconclusive));
    if inconclusive && paused && state.controller_pause {
        if skipped.is_some() {
            state.pause_conditions.clear();
            state.controller_pause = false;
            state.current_step_index = skipped;
        }
    } else if paused {
        state.pause_conditions.clear();
    } else if skipped.is_some() {
        state.current_step_index = skipped;
    }
}

#[cfg(test)]
mod tests {
    use manifests::objects::Step;
    use manifests::objects::rollout::CanaryStrategy;
    use units::Time;

    use super::super::status::{PauseCondition, PauseReason, RunReference};
    use super::*;

    fn three_steps() -> Rollout {
        let mut rollout = Rollout::default();
        let steps = vec![Step::default(); 3];
        rollout.spec.strategy.canary = Some(CanaryStrategy { steps, ..CanaryStrategy::default() });
        rollout
    }

    fn paused() -> RolloutState {
        let pause = PauseCondition { reason: PauseReason::CanaryPauseStep, start: Time::ZERO };
        RolloutState {
            controller_pause: true,
            pause_conditions: vec![pause],
            current_step_index: Some(1),
            ..RolloutState::default()
        }
    }

    #[test]
    fn promote_ends_a_pause_or_skips_a_step_and_both_only_after_an_inconclusive_one() {
        let run = RunReference {
            name: "run".into(),
            phase: Some(AnalysisPhase::Inconclusive),
            message: String::new(),
        };
        let cases = [
            ("paused", paused(), (1, false, true)),
            (
                "running",
                RolloutState { current_step_index: Some(1), ..RolloutState::default() },
                (2, false, false),
            ),
            (
                "done",
                RolloutState { current_step_index: Some(3), ..RolloutState::default() },
                (3, false, false),
            ),
            ("inconclusive", RolloutState { step_run: Some(run), ..paused() }, (2, false, false)),
        ];
        for (name, mut state, (index, paused, controller_pause)) in cases {
            promote(&three_steps(), &mut state);
            assert_eq!(state.current_step_index, Some(index), "{name}");
            assert_eq!(!state.pause_conditions.is_empty(), paused, "{name}");
            assert_eq!(state.controller_pause, controller_pause, "{name}");
        }
    }
}
