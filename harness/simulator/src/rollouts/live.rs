//! A Rollout as the API server has it, for arguments that refer to its fields.

use serde_json::{Value as Json, json};

use super::REVISION;
use super::calendar::format;
use super::pass::Pass;
use super::status::{Condition, ConditionStatus, Hash, RolloutState, RunReference};
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

fn weights(weights: &TrafficWeights) -> Json {
    let share = |share: &WeightDestination| json!({ "weight": share.weight, "serviceName": share.service, "podTemplateHash": &*share.hash });
    let additional: Vec<Json> = weights.additional.iter().map(share).collect();
    json!({ "canary": share(&weights.canary), "stable": share(&weights.stable), "additional": additional })
}
