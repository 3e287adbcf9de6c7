//! What the kubectl plugin writes to a Rollout (argo-rollouts v1.10 pkg/kubectl-argo-rollouts/cmd).

use scenario::RolloutCommand;
use serde_json::{Value, json};

/// What a command writes, as merge patches: the status first.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Written {
    /// To the status.
    pub(super) status: Option<Value>,
    /// To the rest of the object.
    pub(super) spec: Option<Value>,
}

/// What a command writes to a Rollout as it is `now`, a time in RFC 3339; an undo depends on ReplicaSets, too, and
/// is in a module of its own.
pub(super) fn written(command: RolloutCommand, rollout: &Value, now: &str) -> Written {
    let spec = |spec: Value| Written { spec: Some(json!({"spec": spec})), status: None };
    let status = |status: Value| Written { spec: None, status: Some(json!({"status": status})) };
    match command {
        RolloutCommand::Promote => promoted(rollout),
        RolloutCommand::PromoteFull => fully_promoted(rollout),
        RolloutCommand::Abort => status(json!({"abort": true})),
        RolloutCommand::Retry => status(json!({"abort": false})),
        RolloutCommand::Pause => spec(json!({"paused": true})),
        RolloutCommand::Resume => spec(json!({"paused": false})),
        RolloutCommand::Restart => spec(json!({"restartAt": now})),
        RolloutCommand::Undo { .. } => Written::default(),
    }
}

/// A promotion ends a pause or else skips the step; both only after an inconclusive step
/// (promote/promote.go: getPatches).
fn promoted(rollout: &Value) -> Written {
    let status = &rollout["status"];
    let paused = status["pauseConditions"].as_array().is_some_and(|pauses| !pauses.is_empty());
    let inconclusive = status["canary"]["currentStepAnalysisRunStatus"]["status"] == "Inconclusive";
    let status = match after_the_step(rollout) {
        Some(next) if paused && inconclusive && status["controllerPause"] == true => {
            Some(json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": next}))
        }
        _ if paused => Some(json!({"pauseConditions": null})),
        Some(next) => Some(json!({"pauseConditions": null, "currentStepIndex": next})),
        None => None,
    };
    Written { status: status.map(|status| json!({"status": status})), spec: unpaused(rollout) }
}

fn fully_promoted(rollout: &Value) -> Written {
    let status = &rollout["status"];
    let is_under_way = status["currentPodHash"] != status["stableRS"];
    Written {
        status: is_under_way.then(|| json!({"status": {"promoteFull": true}})),
        spec: unpaused(rollout),
    }
}

fn unpaused(rollout: &Value) -> Option<Value> {
    (rollout["spec"]["paused"] == true).then(|| json!({"spec": {"paused": false}}))
}

/// The index after the current step; `None` without steps (utils/replicaset/canary.go: GetCurrentCanaryStep).
fn after_the_step(rollout: &Value) -> Option<u64> {
    let steps = rollout.pointer("/spec/strategy/canary/steps").and_then(Value::as_array).map_or(0, Vec::len);
    let steps = u64::try_from(steps).unwrap_or(u64::MAX);
    let index = rollout["status"]["currentStepIndex"].as_u64().unwrap_or(0);
    (steps > 0).then(|| if index < steps { index + 1 } else { index })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2025-01-02T03:04:05Z";

    /// A Rollout with three steps.
    fn rollout(paused: bool, status: &Value) -> Value {
        json!({
            "spec": {"paused": paused, "strategy": {"canary": {"steps": [{}, {}, {}]}}}, "status": status,
        })
    }

    fn promote(paused: bool, status: &Value) -> (Option<Value>, Option<Value>) {
        let Written { status, spec } = written(RolloutCommand::Promote, &rollout(paused, status), NOW);
        (status.map(|it| it["status"].clone()), spec)
    }

    /// The status, and what becomes of it (promote.go: getPatches).
    #[test]
    fn promote_ends_a_pause_or_skips_a_step_and_both_only_after_an_inconclusive_one() {
        let step = json!({"reason": "CanaryPauseStep"});
        let inconclusive = json!({"currentStepAnalysisRunStatus": {"status": "Inconclusive"}});
        let running = json!({"currentStepAnalysisRunStatus": {"status": "Running"}});
        let table = [
            (json!({"currentStepIndex": 1, "pauseConditions": [step]}), json!({"pauseConditions": null})),
            (json!({"currentStepIndex": 1}), json!({"pauseConditions": null, "currentStepIndex": 2})),
            (
                json!({"currentStepIndex": 1, "pauseConditions": []}),
                json!({"pauseConditions": null, "currentStepIndex": 2}),
            ),
            (json!({}), json!({"pauseConditions": null, "currentStepIndex": 1})),
            (json!({"currentStepIndex": 3}), json!({"pauseConditions": null, "currentStepIndex": 3})),
            (
                json!({"currentStepIndex": 1, "pauseConditions": [step], "controllerPause": true, "canary": inconclusive}),
                json!({"pauseConditions": null, "controllerPause": false, "currentStepIndex": 2}),
            ),
            (
                json!({"currentStepIndex": 1, "pauseConditions": [step], "canary": inconclusive}),
                json!({"pauseConditions": null}),
            ),
            (
                json!({"currentStepIndex": 1, "pauseConditions": [step], "controllerPause": true, "canary": running}),
                json!({"pauseConditions": null}),
            ),
        ];
        for (status, expected) in table {
            assert_eq!(promote(false, &status), (Some(expected), None), "{status}");
        }
    }

    #[test]
    fn promote_ends_a_person_s_pause_too() {
        let unpaused = Some(json!({"spec": {"paused": false}}));
        assert_eq!(promote(true, &json!({"currentStepIndex": 0})).1, unpaused);
        let without_steps = json!({"spec": {"paused": true, "strategy": {"canary": {}}}, "status": {}});
        let nothing_to_skip = Written { status: None, spec: unpaused };
        assert_eq!(written(RolloutCommand::Promote, &without_steps, NOW), nothing_to_skip);
    }

    #[test]
    fn promote_full_leaves_a_rollout_alone_that_is_promoted() {
        let full = |paused, current: &str| {
            let status = json!({"stableRS": "a", "currentPodHash": current});
            written(RolloutCommand::PromoteFull, &rollout(paused, &status), NOW)
        };
        assert_eq!(full(false, "a"), Written::default());
        let (status, spec) = (json!({"status": {"promoteFull": true}}), json!({"spec": {"paused": false}}));
        assert_eq!(full(false, "b"), Written { status: Some(status.clone()), spec: None });
        assert_eq!(full(true, "b"), Written { status: Some(status), spec: Some(spec) });
    }

    #[test]
    fn other_commands_write_one_field() {
        let table = [
            (RolloutCommand::Abort, Some(json!({"abort": true})), None),
            (RolloutCommand::Retry, Some(json!({"abort": false})), None),
            (RolloutCommand::Pause, None, Some(json!({"paused": true}))),
            (RolloutCommand::Resume, None, Some(json!({"paused": false}))),
            (RolloutCommand::Restart, None, Some(json!({"restartAt": NOW}))),
        ];
        for (command, status, spec) in table {
            let expected = Written {
                status: status.map(|it| json!({"status": it})),
                spec: spec.map(|it| json!({"spec": it})),
            };
            assert_eq!(written(command, &rollout(false, &json!({})), NOW), expected, "{command:?}");
        }
    }
}
