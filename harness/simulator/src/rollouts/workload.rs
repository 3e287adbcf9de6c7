//! `workloadRef`: the template of another workload, and that workload's end (argo-rollouts v1.10.1
//! `rollout/templateref.go`, `rollout/scale_utils.go`).

use std::sync::Arc;

use manifests::objects::{Deployment, Rollout};
use timeline::{RolloutPhase, Source};
use yaml::{Map, Node, Value};

use super::pass::Pass;
use crate::World;
use crate::api::{Body, Object, ObjectId};

/// The Rollout with template and selector of the workload that it refers to, and that workload's
/// generation. The error is that of the Rollout's `InvalidSpec` condition.
pub(super) fn resolve(
    world: &World<'_>,
    rollout: &Arc<Rollout>,
    namespace: &str,
) -> Result<(Arc<Rollout>, Option<u64>), String> {
    let Some(reference) = &rollout.spec.workload_ref else { return Ok((Arc::clone(rollout), None)) };
    if !rollout.spec.template.spec.containers.is_empty() {
        return Err("template must be empty for workload reference rollout".to_owned());
    }
    let group = reference.api_version.split_once('/').map_or("", |(group, _)| group);
    if (group, reference.kind.as_str()) != ("apps", "Deployment") {
        return Err(format!("workload of type {group}/{} is not supported", reference.kind));
    }
    let (object, deployment) = deployment(world, namespace, &reference.name)
        .ok_or_else(|| format!("deployments.apps \"{namespace}/{}\" not found", reference.name))?;
    let mut resolved = (**rollout).clone();
    resolved.spec.template = deployment.spec.template.clone();
    resolved.spec.selector.get_or_insert_with(|| deployment.spec.selector.clone());
    Ok((Arc::new(resolved), Some(object.generation)))
}

/// The object that the template of a Rollout stands in: the Rollout itself, or the Deployment that it refers to.
pub(super) fn template_owner(world: &World<'_>, rollout: ObjectId) -> ObjectId {
    let object = world.api.get(rollout);
    let Body::Rollout(spec, _) = &object.body else { return rollout };
    let namespace = object.key.namespace.as_deref().unwrap_or_default();
    let reference = spec.spec.workload_ref.as_ref();
    let referred = reference.and_then(|reference| deployment(world, namespace, &reference.name));
    referred.map_or(rollout, |(deployment, _)| deployment.id)
}

/// A reference to a workload that upstream follows and this engine does not.
pub(super) fn not_simulated(rollout: &Rollout) -> Option<String> {
    let kind = &rollout.spec.workload_ref.as_ref()?.kind;
    let known = matches!(kind.as_str(), "ReplicaSet" | "PodTemplate");
    known.then(|| format!("not simulated: a `workloadRef` of kind {kind}"))
}

fn deployment<'w>(world: &'w World<'_>, namespace: &str, name: &str) -> Option<(&'w Object, &'w Deployment)> {
    let object = world.api.named("apps", "Deployment", Some(namespace), name)?;
    match &object.body {
        Body::Deployment(deployment, _) => Some((object, deployment)),
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Rollout(..)
        | Body::Application(..)
        | Body::Plain(_) => None,
    }
}

/// Whether the last pass saw the present generation of the workload; true without one.
pub(super) fn is_observed(world: &World<'_>, rollout: &Rollout, namespace: &str, seen: Option<u64>) -> bool {
    let reference = rollout.spec.workload_ref.as_ref();
    let present = reference.and_then(|reference| deployment(world, namespace, &reference.name));
    present.is_none_or(|(object, _)| seen.is_none_or(|seen| seen == object.generation))
}

/// `scaleDown: onsuccess`: the first healthy Rollout takes over from the Deployment.
pub(super) fn scale_down_on_success(world: &mut World<'_>, pass: &Pass) {
    let reference = pass.rollout.spec.workload_ref.as_ref();
    if reference.is_some_and(|reference| reference.scale_down == "onsuccess") {
        scale(world, pass, 0);
    }
}

/// `scaleDown: progressively`: the Deployment shrinks as pods of the Rollout's first revision get ready
/// (`reconcileNewReplicaSet`). `shrinking` tells whether the new ReplicaSet itself shrinks.
pub(super) fn scale_down_progressively(world: &mut World<'_>, pass: &Pass, shrinking: bool) {
    let reference = pass.rollout.spec.workload_ref.as_ref();
    if reference.is_none_or(|reference| reference.scale_down != "progressively")
        || pass.new_set().revision != 1
    {
        return;
    }
    let ready = pass.before.ready;
    if pass.before.phase == Some(RolloutPhase::Healthy) {
        scale(world, pass, 0);
    } else if ready > 0 || shrinking {
        scale(world, pass, pass.rollout.spec.replicas().saturating_sub(ready));
    }
}

fn scale(world: &mut World<'_>, pass: &Pass, replicas: u32) {
    let Some(reference) = &pass.rollout.spec.workload_ref else { return };
    let Some((object, deployment)) = deployment(world, &pass.namespace, &reference.name) else { return };
    if deployment.spec.replicas() == replicas {
        return;
    }
    let id = object.id;
    let Some(patch) = spec_patch(world, id, "replicas", Value::Int(i64::from(replicas))) else { return };
    if let Err(problem) = world.api.patch(id, &patch) {
        world.record(Source::Rollouts, pass.id, true, "ReconciliationError", problem.message);
    }
}

/// A merge patch of one field of an object's spec; `None` for an object that was never applied.
pub(super) fn spec_patch(world: &World<'_>, id: ObjectId, field: &str, value: Value) -> Option<Node> {
    let place = &world.api.get(id).manifest.as_ref()?.place;
    let map =
        |key: &str, value| Value::Map(Map::from_iter([(key.to_owned(), Node::new(value, place.clone()))]));
    Some(Node::new(map("spec", map(field, value)), place.clone()))
}
