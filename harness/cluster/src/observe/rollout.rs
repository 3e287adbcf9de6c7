//! Rollouts (argo-rollouts v1.10 pkg/apis/rollouts/v1alpha1/types.go).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use manifests::objects::{Object, Rollout, Step};
use serde_json::Value;
use timeline::{Role, RolloutPhase, RolloutStatus, RolloutVersion};
use yaml::{Node, Place, Source};

use super::replica_set::ReplicaSet;

/// The observable state; `None` before the controller has seen it. `sets` are its ReplicaSets by name,
/// `models` the versions that the pods of each run.
pub(super) fn status<'a>(
    object: &Value,
    sets: impl Iterator<Item = (&'a str, &'a ReplicaSet)> + Clone,
    models: &BTreeMap<String, BTreeSet<String>>,
) -> Option<RolloutStatus> {
    let status = &object["status"];
    let spec = read(object);
    let canary = spec.as_deref().and_then(Rollout::canary);
    let routed = canary.is_some_and(|canary| canary.traffic_routing.is_some());
    let steps = spec.as_deref().and_then(Rollout::canary).map_or(&[] as &[Step], |canary| &canary.steps);
    let step = status["currentStepIndex"].as_u64().and_then(|index| u32::try_from(index).ok());
    let (stable, current) = (text(&status["stableRS"]), text(&status["currentPodHash"]));
    let version = |hash: &str| {
        let (name, set) = sets.clone().find(|(_, set)| set.hash == hash)?;
        Some(version(set, models.get(name)))
    };
    let aborted = status["abort"].as_bool().unwrap_or(false);
    Some(RolloutStatus {
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
        phase: phase(object)?,
        message: text(&status["message"]),
        aborted,
        invalid: conditions(object).any(|it| it["type"] == "InvalidSpec" && it["status"] == "True"),
        step,
        steps: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        step_text: step.and_then(|at| steps.get(at as usize)).map(Step::to_string).unwrap_or_default(),
        weight: if routed { routed_weight(status) } else { weight(steps, step, aborted) },
        // A router keeps them in objects of its own.
        routes: Vec::new(),
        stable: version(&stable).filter(|_| !stable.is_empty()),
        canary: version(&current).filter(|_| !current.is_empty() && current != stable),
    })
}

fn phase(object: &Value) -> Option<RolloutPhase> {
    serde_json::from_value(object["status"]["phase"].clone()).ok()
}

/// The Rollout as a manifest has it.
fn read(object: &Value) -> Option<Arc<Rollout>> {
    let place = Place::whole(&Source::new("the cluster", ""));
    match Object::decode(&Node::from_json(object, &place)) {
        Ok(Object::Rollout(rollout)) => Some(rollout),
        Ok(_) | Err(_) => None,
    }
}

/// The weight that a router was given; none before it was asked.
fn routed_weight(status: &Value) -> u32 {
    let weight = status["canary"]["weights"]["canary"]["weight"].as_u64();
    weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0)
}

/// The weight that the steps have reached (argo-rollouts utils/replicaset/canary.go: GetCurrentSetWeight).
fn weight(steps: &[Step], step: Option<u32>, aborted: bool) -> u32 {
    if aborted {
        return 0;
    }
    let at = step.map_or(usize::MAX, |step| step as usize);
    if at >= steps.len() {
        return 100;
    }
    let reached = steps[..=at].iter().rev().find_map(|step| step.set_weight).unwrap_or(0);
    u32::try_from(reached).unwrap_or(0)
}

fn version(set: &ReplicaSet, models: Option<&BTreeSet<String>>) -> RolloutVersion {
    RolloutVersion {
        revision: set.revision,
        hash: set.hash.clone(),
        models: models.into_iter().flatten().cloned().collect(),
        desired: set.desired,
        ready: set.ready,
        available: set.available,
    }
}

/// What a pod template is to a Rollout. The first one counts as stable before it is trusted.
pub(super) fn role_of(object: &Value, hash: &str) -> Role {
    let (stable, current) = (text(&object["status"]["stableRS"]), text(&object["status"]["currentPodHash"]));
    match () {
        () if hash == stable => Role::Stable,
        () if hash == current && stable.is_empty() => Role::Stable,
        () if hash == current => Role::Canary,
        () => Role::Other,
    }
}

/// Whether nothing will happen to it by itself: healthy, degraded with no pods left to move, or paused
/// until a person acts.
pub(super) fn is_settled<'a>(
    object: &Value,
    mut sets: impl Iterator<Item = (&'a str, &'a ReplicaSet)>,
) -> bool {
    let status = &object["status"];
    let observed = status["observedGeneration"].as_str().and_then(|it| it.parse::<i64>().ok());
    if observed < object["metadata"]["generation"].as_i64() {
        return false;
    }
    match phase(object) {
        None | Some(RolloutPhase::Progressing) => false,
        Some(RolloutPhase::Healthy) => true,
        Some(RolloutPhase::Degraded) => sets.all(|(_, set)| set.created == set.desired),
        Some(RolloutPhase::Paused) => !has_timed_pause(object),
    }
}

fn has_timed_pause(object: &Value) -> bool {
    let index = object["status"]["currentStepIndex"].as_u64().and_then(|it| usize::try_from(it).ok());
    let steps = object.pointer("/spec/strategy/canary/steps").and_then(Value::as_array);
    let step = index.and_then(|index| steps?.get(index));
    step.is_some_and(|step| !step["pause"]["duration"].is_null() || !step["analysis"].is_null())
}

fn conditions(object: &Value) -> impl Iterator<Item = &Value> {
    object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
