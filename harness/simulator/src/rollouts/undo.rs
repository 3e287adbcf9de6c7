//! `kubectl argo rollouts undo`: the template of an earlier ReplicaSet, written back, and how the ReplicaSet is
//! found again by what such a template says. An Experiment copies templates in the same way.

use std::collections::BTreeMap;

use manifests::objects::PodTemplate;
use manifests::objects::pod::PodMetadata;
use manifests::objects::undo::{is_derivative, set_to_restore};
use serde_json::json;
use yaml::{Node, Value};

use super::ephemeral::NOTHING;
use super::sets::Set;
use super::workload;
use crate::World;
use crate::api::ObjectId;
use crate::kubernetes::{ReplicaSet, as_replica_set};

/// Where a template stands, in a Rollout as in a Deployment.
const TEMPLATE: [&str; 2] = ["spec", "template"];

/// Returns a Rollout, or the workload that it refers to, to the template of the revision `to`, or of the last but
/// one. A template that says nothing else is left alone.
///
/// # Errors
/// There is no such revision, in upstream's words.
pub(super) fn undo(world: &mut World<'_>, id: ObjectId, to: Option<u64>) -> Result<(), String> {
    let object = world.api.get(id);
    let sets = world.api.owned(id).filter_map(as_replica_set).map(|set| (set.noted.revision, set));
    let set = set_to_restore(&object.key.name, sets, to)?;
    let Some(template) = template_of(set, &set.template.metadata, None) else { return Ok(()) };
    let owner = workload::template_owner(world, id);
    let template = stored(template, owner == id);
    let live = object.manifest.as_ref().and_then(|manifest| manifest.at(&TEMPLATE));
    if live.is_some_and(|live| is_derivative(live, &template)) {
        return Ok(());
    }
    world.api.replace(owner, &TEMPLATE, template).map(|_| ()).map_err(|problem| problem.to_string())
}

/// The hash of a ReplicaSet's template that is copied to an Experiment, with `metadata` on it
/// (`experiments/replicaset.go: newReplicaSetFromTemplate`). It is that of the Rollout's own template where this has
/// its defaults written out, as an undo leaves it: Services then select the pods of both.
pub(super) fn hash_of_copy(
    world: &World<'_>,
    rollout: ObjectId,
    set: &ReplicaSet,
    metadata: &PodMetadata,
) -> Option<String> {
    let template = template_of(set, metadata, None)?;
    let template = stored(template, workload::template_owner(world, rollout) == rollout);
    Some(PodTemplate::hash_of(&template))
}

/// A template as its ReplicaSet has it. A workload of Kubernetes' own has its defaults from the beginning, a Rollout's
/// gets them with the ReplicaSet.
fn stored(template: Node, is_of_rollout: bool) -> Node {
    if is_of_rollout { complete(&template) } else { template }
}

/// A ReplicaSet's template as it was written, with the metadata that roles have left in it, but without some that was
/// put there.
fn template_of(set: &ReplicaSet, metadata: &PodMetadata, without: Option<&PodMetadata>) -> Option<Node> {
    let mut template = set.noted.made_from.as_ref()?.at(&TEMPLATE)?.clone();
    let place = template.place.clone();
    let mut patch = |metadata: serde_json::Value| {
        yaml::merge_patch(&mut template, &Node::from_json(&json!({"metadata": metadata}), &place));
    };
    patch(json!({"labels": null, "annotations": null}));
    let PodMetadata { labels, annotations } = metadata;
    let without = without.unwrap_or(&NOTHING);
    for (name, all, without) in
        [("labels", labels, &without.labels), ("annotations", annotations, &without.annotations)]
    {
        let kept: BTreeMap<_, _> = all.iter().filter(|(key, _)| !without.contains_key(*key)).collect();
        if !kept.is_empty() {
            patch(json!({name: kept}));
        }
    }
    Some(template)
}

/// A template with what the API server fills in.
///
/// Deviation: only some of it, for the pod and for each container, which is enough for what has defaults to have another
/// hash than what has none.
fn complete(template: &Node) -> Node {
    let defaults = json!({"spec": {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst"}});
    let mut complete = over(template, &defaults);
    for list in ["initContainers", "containers"] {
        if let Some(Node { value: Value::Seq(containers), .. }) = complete.at_mut(&["spec", list]) {
            for container in containers {
                *container = over(container, &json!({"terminationMessagePath": "/dev/termination-log"}));
            }
        }
    }
    complete
}

/// What is written, over defaults.
fn over(written: &Node, defaults: &serde_json::Value) -> Node {
    let mut complete = Node::from_json(defaults, &written.place);
    yaml::merge_patch(&mut complete, written);
    complete
}

/// The ReplicaSet whose template says what the Rollout's says, once defaults are filled in and what was put there for
/// its role is taken off (`FindNewReplicaSet`). A template that an undo has written back is found so, unless it brought
/// a role's metadata with it.
pub(super) fn find_by_content(world: &World<'_>, rollout: ObjectId, sets: &[Set]) -> Option<usize> {
    let owner = workload::template_owner(world, rollout);
    let wanted = complete(world.api.get(owner).manifest.as_ref()?.at(&TEMPLATE)?);
    sets.iter().position(|set| {
        let set = as_replica_set(world.api.get(set.id));
        let template =
            set.and_then(|set| template_of(set, &set.template.metadata, set.noted.injected.as_ref()));
        template
            .map(|template| complete(&template))
            .is_some_and(|template| is_derivative(&template, &wanted) && is_derivative(&wanted, &template))
    })
}
