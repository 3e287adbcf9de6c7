//! An object as `kubectl get -o json` shows it, as far as the model knows it.

use scenario::JobEnd;
use serde_json::{Map, Value, json};

use crate::api::{Body, Object, ObjectId};
use crate::{World, argocd, kubernetes, rollouts};

/// The whole object: what was applied, its metadata as they are now, and its status.
pub(super) fn as_json(world: &World<'_>, id: ObjectId) -> Value {
    let object = world.api.get(id);
    let mut json = match object.manifest.as_ref().map(|manifest| manifest.to_json()) {
        Some(Value::Object(map)) => map,
        Some(_) | None => made_by_controller(object),
    };
    let metadata = json.entry("metadata").or_insert_with(|| json!({}));
    if let Value::Object(metadata) = metadata {
        metadata.insert("name".into(), json!(&*object.key.name));
        if let Some(namespace) = &object.key.namespace {
            metadata.insert("namespace".into(), json!(&**namespace));
        }
        metadata.insert("labels".into(), json!(object.labels));
        metadata.insert("annotations".into(), json!(object.annotations));
        metadata.insert("generation".into(), json!(object.generation));
    }
    if let Some(status) = status(world, object) {
        json.insert("status".into(), status);
    }
    Value::Object(json)
}

fn made_by_controller(object: &Object) -> Map<String, Value> {
    let (api_version, spec) = match &object.body {
        Body::ReplicaSet(set) => ("apps/v1", Some(json!({ "replicas": set.replicas }))),
        Body::Job(job) => ("batch/v1", Some(job.spec.clone())),
        Body::AnalysisRun(_) | Body::Experiment(_) => ("argoproj.io/v1alpha1", None),
        Body::Pod(_) | Body::Rollout(..) | Body::Deployment(..) | Body::Application(..) | Body::Plain(_) => {
            ("v1", None)
        }
    };
    let mut map = Map::new();
    map.insert("apiVersion".into(), json!(api_version));
    map.insert("kind".into(), json!(&*object.key.kind));
    map.extend(spec.map(|spec| ("spec".to_owned(), spec)));
    map
}

fn status(world: &World<'_>, object: &Object) -> Option<Value> {
    match &object.body {
        Body::Rollout(..) => {
            let seen = rollouts::observed(world, object.id)?;
            let canary = seen.canary.as_ref();
            Some(json!({
                "phase": seen.phase, "message": seen.message, "abort": seen.aborted,
                "currentStepIndex": seen.step,
                "stableRS": seen.stable.as_ref().map(|version| &version.hash),
                "currentPodHash": canary.or(seen.stable.as_ref()).map(|version| &version.hash),
                "readyReplicas": seen.stable.iter().chain(canary).map(|version| version.ready).sum::<u32>(),
                "availableReplicas": seen.stable.iter().chain(canary).map(|version| version.available).sum::<u32>(),
            }))
        }
        Body::Application(..) => {
            let seen = argocd::observed(world, object.id)?;
            Some(json!({
                "sync": { "status": seen.sync, "revision": seen.revision },
                "health": { "status": seen.health },
                "operationState": seen.operation.map(|operation| json!({
                    "phase": operation.phase, "message": operation.message, "retryCount": operation.retries,
                })),
                "conditions": seen.conditions,
            }))
        }
        Body::ReplicaSet(set) => Some(json!({
            "replicas": set.status.replicas, "readyReplicas": set.status.ready, "availableReplicas": set.status.available,
        })),
        Body::Deployment(_, status) => Some(json!({
            "replicas": status.replicas, "updatedReplicas": status.updated, "availableReplicas": status.available,
            "observedGeneration": status.observed_generation,
        })),
        Body::Pod(_) => {
            let seen = kubernetes::observed(world, object.id);
            Some(json!({ "phase": seen.phase, "reason": seen.reason }))
        }
        Body::Experiment(experiment) => Some(json!({
            "phase": experiment.status.phase.map(|phase| phase.to_string()),
            "message": experiment.status.message,
        })),
        Body::Job(job) => {
            let condition = job.condition.map(|end| match end {
                JobEnd::Complete => "Complete",
                JobEnd::Failed => "Failed",
            });
            let conditions = condition.iter().map(|kind| json!({ "type": kind, "status": "True" }));
            Some(json!({ "conditions": conditions.collect::<Vec<_>>() }))
        }
        Body::AnalysisRun(_) | Body::Plain(_) => None,
    }
}
