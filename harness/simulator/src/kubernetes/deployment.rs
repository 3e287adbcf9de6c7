//! The Deployment controller: rolling updates and `Recreate`
//! (kubernetes pkg/controller/deployment: rolling.go, recreate.go, sync.go).

use std::sync::Arc;

use manifests::objects::{Deployment as Spec, ObjectKey};
use timeline::{Event, Role, Scaled, Source};

use super::{ReplicaSet, as_replica_set};
use crate::World;
use crate::api::{Body, ObjectId};

/// The label that tells a Deployment's pods by their template.
const HASH_LABEL: &str = "pod-template-hash";

/// The annotation that counts a Deployment's templates.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// A replica set as the arithmetic below sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    id: ObjectId,
    spec: u32,
    existing: u32,
    available: u32,
}

pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let object = world.api.get(id);
    let Body::Deployment(spec, _) = &object.body else { return };
    if object.deleted {
        return;
    }
    let spec = Arc::clone(spec);
    let new = match current_set(world, id, &spec) {
        Some(new) => new,
        None if spec.spec.paused => return write_status(world, id, None),
        None => create_set(world, id, &spec),
    };
    let (new_size, old) = sizes(world, id, new);
    let scaled = if spec.spec.strategy.kind.as_deref() == Some("Recreate") {
        recreate(&spec, new_size, &old)
    } else {
        roll(&spec, new_size, &old)
    };
    if let Some((set, to)) = scaled {
        scale(world, id, set, to);
    } else {
        delete_surplus_history(world, &spec, &old);
    }
    write_status(world, id, Some(new));
}

fn current_set(world: &World<'_>, id: ObjectId, spec: &Spec) -> Option<ObjectId> {
    let hash = template_hash(spec);
    world.api.owned(id).find(|set| as_replica_set(set).is_some_and(|set| set.hash == hash)).map(|set| set.id)
}

/// The template's hash as Deployments spell it. They hash templates otherwise than Rollouts do, so that
/// the replica sets of a Deployment and of a Rollout of its name never have one name.
fn template_hash(spec: &Spec) -> String {
    const DIGITS: &str = "bcdf456789";
    let next = |digit: char| DIGITS.find(digit).and_then(|at| DIGITS.chars().cycle().nth(at + 1)).unwrap_or(digit);
    spec.spec.template.hash.chars().map(next).collect()
}

fn create_set(world: &mut World<'_>, id: ObjectId, spec: &Spec) -> ObjectId {
    let object = world.api.get(id);
    let template = &spec.spec.template;
    let hash = template_hash(spec);
    let name = format!("{}-{hash}", object.key.name);
    let key = ObjectKey::new("apps", "ReplicaSet", object.key.namespace.as_deref(), &name);
    let set = ReplicaSet::new(Arc::new(template.clone()), hash, HASH_LABEL, spec.spec.min_ready());
    let now = world.now();
    let set = world.api.create(key, Some(id), Body::ReplicaSet(set), now);
    let revision = world.api.update_status(id, |object| match &mut object.body {
        Body::Deployment(_, status) => {
            status.revision += 1;
            status.progressed = now;
            status.revision
        }
        _ => 0,
    });
    world.api.update_metadata(set, |object| {
        object.annotations.insert(REVISION.to_owned(), revision.to_string());
        object.labels.clone_from(&template.metadata.labels);
    });
    set
}

fn sizes(world: &World<'_>, id: ObjectId, new: ObjectId) -> (Size, Vec<Size>) {
    let size = |set_id: ObjectId, set: &ReplicaSet| Size {
        id: set_id,
        spec: set.replicas,
        existing: set.status.replicas,
        available: set.status.available,
    };
    let all = world.api.owned(id).filter_map(|object| Some(size(object.id, as_replica_set(object)?)));
    let (new_sizes, old): (Vec<Size>, Vec<Size>) = all.partition(|size| size.id == new);
    (new_sizes[0], old)
}

/// The one change that a pass of a rolling update makes: the new set grows within the surge, else
/// unhealthy old pods go, else old pods go as far as availability allows.
fn roll(spec: &Spec, new: Size, old: &[Size]) -> Option<(ObjectId, u32)> {
    let wanted = spec.spec.replicas();
    let (surge, unavailable) = spec.spec.fenceposts();
    let in_all = new.spec + old.iter().map(|set| set.spec).sum::<u32>();
    if new.spec > wanted {
        return Some((new.id, wanted));
    }
    let room = (wanted + surge).saturating_sub(in_all);
    let grown = new.spec + room.min(wanted - new.spec);
    if grown > new.spec {
        return Some((new.id, grown));
    }
    let min_available = wanted.saturating_sub(unavailable);
    let new_unavailable = new.spec.saturating_sub(new.available);
    let removable = in_all.saturating_sub(min_available + new_unavailable);
    let unhealthy = old.iter().find(|set| set.spec > set.available && removable > 0);
    if let Some(set) = unhealthy {
        return Some((set.id, set.spec - removable.min(set.spec - set.available)));
    }
    let available = new.available + old.iter().map(|set| set.available).sum::<u32>();
    let spare = available.saturating_sub(min_available);
    let shrinking = old.iter().find(|set| set.spec > 0 && spare > 0)?;
    Some((shrinking.id, shrinking.spec - spare.min(shrinking.spec)))
}

/// `Recreate`: every old pod goes before a new one comes.
fn recreate(spec: &Spec, new: Size, old: &[Size]) -> Option<(ObjectId, u32)> {
    if let Some(set) = old.iter().find(|set| set.spec > 0) {
        return Some((set.id, 0));
    }
    let gone = old.iter().all(|set| set.existing == 0);
    (gone && new.spec != spec.spec.replicas()).then(|| (new.id, spec.spec.replicas()))
}

fn scale(world: &mut World<'_>, id: ObjectId, set: ObjectId, to: u32) {
    let owner = world.api.get(id).key.name.to_string();
    let from = world.api.update(set, |object| match &mut object.body {
        Body::ReplicaSet(set) => std::mem::replace(&mut set.replicas, to),
        _ => to,
    });
    let key = &world.api.get(set).key;
    let (namespace, replica_set) =
        (key.namespace.as_deref().unwrap_or_default().to_owned(), key.name.to_string());
    world.emit(
        Source::Kubernetes,
        Event::Scaled(Scaled { namespace, replica_set, owner, role: Role::Other, from, to }),
    );
}

/// Old sets without pods beyond `revisionHistoryLimit` go, the oldest first.
fn delete_surplus_history(world: &mut World<'_>, spec: &Spec, old: &[Size]) {
    let limit = usize::try_from(spec.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let empty: Vec<ObjectId> =
        old.iter().filter(|set| set.spec == 0 && set.existing == 0).map(|set| set.id).collect();
    for id in empty.iter().take(empty.len().saturating_sub(limit)) {
        world.api.delete(*id);
    }
}

fn write_status(world: &mut World<'_>, id: ObjectId, new: Option<ObjectId>) {
    let now = world.now();
    let sets = world.api.owned(id).filter_map(|object| Some((object.id, as_replica_set(object)?.status)));
    let (mut replicas, mut available, mut updated) = (0, 0, 0);
    for (set, status) in sets {
        replicas += status.replicas;
        available += status.available;
        if Some(set) == new {
            updated = status.replicas;
        }
    }
    let object = world.api.get(id);
    let Body::Deployment(_, status) = &object.body else { return };
    let mut next = status.clone();
    if (next.updated, next.available) != (updated, available) {
        next.progressed = now;
    }
    (next.observed_generation, next.replicas, next.available, next.updated) =
        (object.generation, replicas, available, updated);
    if next != *status {
        world.api.update_status(id, |object| {
            if let Body::Deployment(_, status) = &mut object.body {
                *status = next;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> Spec {
        let text = format!(
            "metadata: {{name: web}}\nspec:\n  {text}\n  selector: {{matchLabels: {{app: web}}}}\n  template: {{metadata: {{labels: {{app: web}}}}}}\n"
        );
        yaml::decode(&yaml::parse_one("d.yaml", text.as_bytes()).unwrap()).unwrap()
    }

    fn ids() -> (ObjectId, ObjectId) {
        let mut api = crate::api::Api::default();
        let mut id = |name| {
            let set = ReplicaSet::new(Arc::default(), String::new(), HASH_LABEL, units::Duration::ZERO);
            api.create(
                ObjectKey::new("apps", "ReplicaSet", Some("x"), name),
                None,
                Body::ReplicaSet(set),
                units::Time::ZERO,
            )
        };
        (id("new"), id("old"))
    }

    /// The changes of a rolling update where every pod is available at once, as `new/old` sizes.
    fn sequence(spec: &Spec, replicas: u32) -> Vec<(u32, u32)> {
        let (new, old) = ids();
        let (mut a, mut b) = (0, replicas);
        let mut seen = Vec::new();
        let size = |id, n| Size { id, spec: n, existing: n, available: n };
        while let Some((id, to)) = roll(spec, size(new, a), &[size(old, b)]) {
            if id == new {
                a = to
            } else {
                b = to
            }
            seen.push((a, b));
            assert!(seen.len() < 100);
        }
        seen
    }

    #[test]
    fn a_rolling_update_of_four_keeps_three_and_never_has_more_than_five() {
        let steps = sequence(&spec("replicas: 4"), 4);
        assert_eq!(steps.first(), Some(&(1, 4)));
        assert_eq!(steps.last(), Some(&(4, 0)));
        assert!(steps.iter().all(|(new, old)| (3..=5).contains(&(new + old))), "{steps:?}");
    }

    #[test]
    fn recreate_removes_every_old_pod_first() {
        let spec = spec("replicas: 2\n  strategy: {type: Recreate}");
        let (new, old) = ids();
        let size = |id, n| Size { id, spec: n, existing: n, available: n };
        assert_eq!(recreate(&spec, size(new, 0), &[size(old, 2)]), Some((old, 0)));
        assert_eq!(recreate(&spec, size(new, 0), &[Size { existing: 2, ..size(old, 0) }]), None);
        assert_eq!(recreate(&spec, size(new, 0), &[size(old, 0)]), Some((new, 2)));
    }
}
