//! `kubectl argo rollouts undo`: the template of an earlier ReplicaSet, written back.

use manifests::objects::pod::PodMetadata;
use manifests::objects::undo::{is_derivative, set_to_restore};
use serde_json::json;
use yaml::Node;

use super::workload;
use crate::World;
use crate::api::ObjectId;
use crate::kubernetes::{ReplicaSet, as_replica_set};

/// Where a template stands, in a Rollout as in a Deployment.
const TEMPLATE: [&str; 2] = ["spec", "template"];

/// Returns a Rollout, or the workload that it refers to, to the template of the revision `to`, or of the last but
/// one. A template that says nothing else is left alone.
///
/// Deviation: a cluster's ReplicaSet has the API server's defaults in its template, which an undo writes into the
/// Rollout, too; here the template is restored as it was written.
///
/// # Errors
/// There is no such revision, in upstream's words.
pub(super) fn undo(world: &mut World<'_>, id: ObjectId, to: Option<u64>) -> Result<(), String> {
    let object = world.api.get(id);
    let sets = world.api.owned(id).filter_map(as_replica_set).map(|set| (set.noted.revision, set));
    let set = set_to_restore(&object.key.name, sets, to)?;
    let Some(template) = template_of(set) else { return Ok(()) };
    let live = object.manifest.as_ref().and_then(|manifest| manifest.at(&TEMPLATE));
    if live.is_some_and(|live| is_derivative(live, &template)) {
        return Ok(());
    }
    let owner = workload::template_owner(world, id);
    world.api.replace(owner, &TEMPLATE, template).map(|_| ()).map_err(|problem| problem.to_string())
}

/// A ReplicaSet's template with what its role put there.
fn template_of(set: &ReplicaSet) -> Option<Node> {
    let mut template = set.noted.made_from.as_ref()?.at(&TEMPLATE)?.clone();
    if let Some(PodMetadata { labels, annotations }) = &set.noted.injected {
        let injected = json!({"metadata": {"labels": labels, "annotations": annotations}});
        let injected = Node::from_json(&injected, &template.place);
        yaml::merge_patch(&mut template, &injected);
    }
    Some(template)
}
