//! Services that select only stable or only canary pods (argo-rollouts v1.10.1 `rollout/service.go`).

use manifests::objects::{self, ObjectKey};
use timeline::Source;
use yaml::{Map, Node, Value};

use super::HASH_LABEL;
use super::pass::{Pass, Set};
use crate::World;
use crate::api::Body;

/// The annotation with which a Rollout claims a Service.
const MANAGED_BY: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";

/// Points both Services where they belong. An aborted canary's Service goes back to stable.
pub(super) fn reconcile(world: &mut World<'_>, pass: &Pass) {
    let Some(canary) = pass.rollout.canary() else { return };
    let stable = pass.stable_set();
    let tested = if pass.pauses.is_aborted(&pass.before) { stable } else { Some(pass.new_set()) };
    for (service, set) in [(&canary.stable_service, stable), (&canary.canary_service, tested)] {
        if let Some(set) = set.filter(|_| !service.is_empty()) {
            ensure(world, pass, service, set);
        }
    }
}

/// `ensureSVCTargets`: never to a ReplicaSet without available pods, and at first only to one that is
/// available as a whole.
fn ensure(world: &mut World<'_>, pass: &Pass, name: &str, set: &Set) {
    let key = ObjectKey::new("", "Service", Some(&pass.namespace), name);
    let Some(object) = world.api.find(&key) else { return };
    let Body::Plain(plain) = &object.body else { return };
    let objects::Object::Service(service) = &**plain else { return };
    let present = service.spec.selector.get(HASH_LABEL).cloned();
    if present.as_deref() == Some(&*set.hash) {
        return;
    }
    let adopted = service.metadata.annotations.contains_key(MANAGED_BY);
    let size = set.size;
    let available = if adopted { size.available > 0 } else { size.spec > 0 && size.spec <= size.available };
    let (id, Some(manifest)) = (object.id, object.manifest.clone()) else { return };
    if !available {
        return;
    }
    let map = |entries: Vec<(&str, Value)>| {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), Node::new(value, manifest.place.clone())));
        Value::Map(Map::from_iter(entries))
    };
    let selector = map(vec![(HASH_LABEL, Value::String(set.hash.to_string()))]);
    let annotations = map(vec![(MANAGED_BY, Value::String(pass.name.to_string()))]);
    let patch = map(vec![
        ("metadata", map(vec![("annotations", annotations)])),
        ("spec", map(vec![("selector", selector)])),
    ]);
    if let Err(problem) = world.api.patch(id, &Node::new(patch, manifest.place.clone())) {
        world.record(Source::Rollouts, pass.id, true, "ReconciliationError", problem.message);
        return;
    }
    let before = present.unwrap_or_default();
    let message = format!("Switched selector for service '{name}' from '{before}' to '{}'", set.hash);
    world.record(Source::Rollouts, pass.id, false, "SwitchService", message);
}
