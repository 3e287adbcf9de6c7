//! A Rollout as the API server has it, for arguments that refer to its fields.

use scenario::{PluginOperation, PluginPhase};
use serde_json::{Value as Json, json};
use units::Duration;

use super::REVISION;
use super::calendar::format;
use super::pass::Pass;
use super::plugins::PluginStatus;
use super::status::{Condition, ConditionStatus, Hash, RolloutState, RunReference, Turn};
use super::weights::{TrafficWeights, WeightDestination};
use crate::World;

/// What was applied, with the metadata and the status as they are before the pass. The router's own names, the
/// selector and what autoscalers count are not in it.
///
/// # Errors
/// A Rollout that nobody applied.
pub(super) fn object(world: &World<'_>, pass: &Pass) -> Result<Json, String> {
    let object = world.api.get(pass.id);
    let manifest = object.manifest.as_ref().ok_or("the Rollout has no manifest")?;
    let mut live = manifest.to_json();
    let mut annotations = object.annotations.clone();
    annotations.insert(REVISION.to_owned(), pass.before.revision.to_string());
    let metadata = &mut live["metadata"];
    metadata["namespace"] = json!(pass.namespace);
    metadata["labels"] = json!(object.labels);
    metadata["annotations"] = json!(annotations);
    metadata["generation"] = json!(object.generation);
    metadata["uid"] = json!(object.uid());
    live["status"] = status(&pass.before);
    Ok(live)
}

/// `RolloutStatus`
fn status(state: &RolloutState) -> Json {
    let hash = |hash: &Option<Hash>| hash.as_deref().map(str::to_owned);
    let pauses = state.pause_conditions.iter();
    json!({
        "abort": state.abort,
        "pauseConditions": pauses
            .map(|pause| json!({ "reason": pause.reason.name(), "startTime": format(pause.start) }))
            .collect::<Vec<_>>(),
        "controllerPause": state.controller_pause,
        "abortedAt": state.aborted_at.map(format),
        "currentPodHash": hash(&state.current_pod_hash),
        "currentStepHash": state.current_step_hash,
        "replicas": state.replicas,
        "updatedReplicas": state.updated,
        "readyReplicas": state.ready,
        "availableReplicas": state.available,
        "currentStepIndex": state.current_step_index,
        "observedGeneration": state.observed_generation.to_string(),
        "workloadObservedGeneration": state.workload_observed_generation.map(|generation| generation.to_string()),
        "conditions": state.conditions.iter().map(condition).collect::<Vec<_>>(),
        "canary": {
            "currentStepAnalysisRunStatus": state.step_run.as_ref().map(run),
            "currentBackgroundAnalysisRunStatus": state.background_run.as_ref().map(run),
            "currentExperiment": state.current_experiment.as_deref(),
            "weights": state.weights.as_ref().map(weights),
            "stablePingPong": state.stable_turn.map(turn),
            "stepPluginStatuses": state.plugins.iter().map(plugin).collect::<Vec<_>>(),
        },
        "blueGreen": {
            "previewSelector": hash(&state.blue_green.preview),
            "activeSelector": hash(&state.blue_green.active),
            "scaleUpPreviewCheckPoint": state.blue_green.may_grow,
            "prePromotionAnalysisRunStatus": state.blue_green.pre_run.as_ref().map(run),
            "postPromotionAnalysisRunStatus": state.blue_green.post_run.as_ref().map(run),
        },
        "stableRS": hash(&state.stable_rs),
        "restartedAt": state.restarted_at,
        "promoteFull": state.promote_full,
        "phase": state.phase.map(|phase| phase.to_string()),
        "message": state.message,
    })
}

fn condition(condition: &Condition) -> Json {
    let status = match condition.status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
        ConditionStatus::Unknown => "Unknown",
    };
    json!({
        "type": format!("{:?}", condition.kind), "status": status, "reason": format!("{:?}", condition.reason),
        "message": condition.message,
        "lastUpdateTime": format(condition.updated), "lastTransitionTime": format(condition.transitioned),
    })
}

fn run(run: &RunReference) -> Json {
    let phase = run.phase.map(|phase| phase.to_string()).unwrap_or_default();
    json!({ "name": &*run.name, "status": phase, "message": run.message })
}

fn turn(turn: Turn) -> &'static str {
    match turn {
        Turn::Ping => "ping",
        Turn::Pong => "pong",
    }
}

/// `StepPluginStatus`; what a plugin keeps for itself is not simulated.
fn plugin(status: &PluginStatus) -> Json {
    let ran = status.operation == PluginOperation::Run;
    let is_over = !ran || matches!(status.phase, PluginPhase::Successful | PluginPhase::Failed);
    json!({
        "index": status.index, "name": &*status.name, "operation": status.operation.name(),
        "phase": status.phase.name(), "message": status.message,
        "startedAt": format(status.started),
        "updatedAt": ran.then(|| format(status.updated)),
        "finishedAt": is_over.then(|| format(status.updated)),
        "backoff": status.backoff.map(go_text),
        "executions": status.executions,
    })
}

/// A duration as Go writes it, from a second on: `1m0s`.
fn go_text(duration: Duration) -> String {
    let whole = duration.as_nanos() / 1_000_000_000;
    let seconds = duration.as_secs_f64() - (whole / 60 * 60) as f64;
    match (whole / 3600, whole / 60 % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn weights(weights: &TrafficWeights) -> Json {
    let share = |share: &WeightDestination| json!({ "weight": share.weight, "serviceName": share.service, "podTemplateHash": &*share.hash });
    let additional: Vec<Json> = weights.additional.iter().map(share).collect();
    json!({ "canary": share(&weights.canary), "stable": share(&weights.stable), "additional": additional })
}

#[cfg(test)]
mod tests {
    use units::Time;

    use super::*;

    #[test]
    fn what_a_plugin_said_stands_in_the_status() {
        let ran = PluginStatus {
            index: 2,
            name: "example/smoke-test".into(),
            operation: PluginOperation::Run,
            phase: PluginPhase::Running,
            message: "3 of 12".to_owned(),
            started: Time::from_secs(0),
            updated: Time::from_secs(90),
            backoff: Some(Duration::from_secs(60)),
            executions: 4,
        };
        let taken_back = PluginStatus { operation: PluginOperation::Abort, backoff: None, ..ran.clone() };
        insta::assert_snapshot!(format!("{:#}\n{:#}", plugin(&ran), plugin(&taken_back)));
        let texts = [15, 90, 3600].map(|seconds| go_text(Duration::from_secs(seconds)));
        assert_eq!(texts, ["15s", "1m30s", "1h0m0s"]);
    }
}
