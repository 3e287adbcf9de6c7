//! The Deployment controller: rolling updates and `Recreate`
//! (kubernetes pkg/controller/deployment: rolling.go, recreate.go, sync.go).
//!
//! Not modelled: a change of `replicas` in the middle of an update is not spread over old and new pods in
//! proportion; the update takes it up as it goes on.

use std::sync::Arc;

use manifests::objects::{Deployment as Spec, ObjectKey};
use timeline::{Event, Role, Scaled, Source};

use super::{Deployment, ReplicaSet, as_replica_set};
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
        None if spec.spec.paused => None,
        None => Some(create_set(world, id, &spec)),
        Some(new) => Some(new),
    };
    if let Some(new) = new {
        sync_set(world, id, new, &spec);
    }
    let (new_size, old) = sizes(world, id, new);
    let is_recreate = spec.spec.strategy.kind.as_deref() == Some("Recreate");
    let scaled = match new_size {
        _ if spec.spec.paused => resize(&spec, new_size, &old),
        None => None,
        Some(new) if is_recreate => recreate(&spec, new, &old),
        Some(new) => roll(&spec, new, &old),
    };
    if let Some((set, to)) = scaled {
        scale(world, id, set, to);
    } else if new_size.is_some_and(|new| is_complete(&spec, new, &old)) {
        delete_surplus_history(world, &spec, &old);
    }
    write_status(world, id, new);
}

fn current_set(world: &World<'_>, id: ObjectId, spec: &Spec) -> Option<ObjectId> {
    let hash = &spec.spec.template.hash;
    world.api.owned(id).find(|set| as_replica_set(set).is_some_and(|set| set.hash == *hash)).map(|set| set.id)
}

fn create_set(world: &mut World<'_>, id: ObjectId, spec: &Spec) -> ObjectId {
    let object = world.api.get(id);
    let template = &spec.spec.template;
    let name = format!("{}-{}", object.key.name, template.hash);
    let key = ObjectKey::new("apps", "ReplicaSet", object.key.namespace.as_deref(), &name);
    let set =
        ReplicaSet::new(Arc::new(template.clone()), template.hash.clone(), HASH_LABEL, spec.spec.min_ready());
    let now = world.now();
    let set = world.api.create(key, Some(id), Body::ReplicaSet(set), now);
    world.api.update_metadata(set, |object| {
        object.labels.clone_from(&template.metadata.labels);
        object.labels.insert(HASH_LABEL.to_owned(), template.hash.clone());
    });
    set
}

/// Gives the set of the present template the newest revision and what else the Deployment says of it
/// (sync.go: getNewReplicaSet).
fn sync_set(world: &mut World<'_>, id: ObjectId, set: ObjectId, spec: &Spec) {
    let Body::Deployment(_, status) = &world.api.get(id).body else { return };
    if status.revision == 0 || revision(world, set) != status.revision {
        let now = world.now();
        let newest = status.revision + 1;
        world.api.update_status(id, |object| {
            if let Body::Deployment(_, status) = &mut object.body {
                status.revision = newest;
                status.progressed = now;
            }
        });
        world.api.update_metadata(set, |object| {
            object.annotations.insert(REVISION.to_owned(), newest.to_string())
        });
    }
    let min_ready = spec.spec.min_ready();
    if as_replica_set(world.api.get(set)).is_some_and(|set| set.min_ready != min_ready) {
        world.api.update(set, |object| {
            if let Body::ReplicaSet(set) = &mut object.body {
                set.min_ready = min_ready;
            }
        });
    }
}

fn revision(world: &World<'_>, set: ObjectId) -> u64 {
    world.api.get(set).annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The set of the present template, and the others by their revision.
fn sizes(world: &World<'_>, id: ObjectId, new: Option<ObjectId>) -> (Option<Size>, Vec<Size>) {
    let size = |set_id: ObjectId, set: &ReplicaSet| Size {
        id: set_id,
        spec: set.replicas,
        existing: set.status.replicas,
        available: set.status.available,
    };
    let all = world.api.owned(id).filter_map(|object| Some(size(object.id, as_replica_set(object)?)));
    let (new_sizes, mut old): (Vec<Size>, Vec<Size>) = all.partition(|size| Some(size.id) == new);
    old.sort_by_key(|size| revision(world, size.id));
    (new_sizes.first().copied(), old)
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
    if removable == 0 {
        return None;
    }
    if let Some(set) = old.iter().find(|set| set.spec > set.available) {
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

/// While `paused`, only the size is followed, and only where one set has pods
/// (deployment_util.go: FindActiveOrLatest).
fn resize(spec: &Spec, new: Option<Size>, old: &[Size]) -> Option<(ObjectId, u32)> {
    let active: Vec<Size> = old.iter().copied().chain(new).filter(|set| set.spec > 0).collect();
    let set = match active.as_slice() {
        [] => new.or(old.last().copied())?,
        [only] => *only,
        [_, _, ..] => return None,
    };
    (set.spec != spec.spec.replicas()).then(|| (set.id, spec.spec.replicas()))
}

/// Whether an update is over (deployment_util.go: DeploymentComplete).
fn is_complete(spec: &Spec, new: Size, old: &[Size]) -> bool {
    let wanted = spec.spec.replicas();
    new.existing == wanted && new.available == wanted && old.iter().all(|set| set.existing == 0)
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

/// Old sets without pods beyond `revisionHistoryLimit` go, the oldest revision first.
fn delete_surplus_history(world: &mut World<'_>, spec: &Spec, old: &[Size]) {
    let limit = usize::try_from(spec.spec.revision_history_limit.unwrap_or(10)).unwrap_or(0);
    let empty: Vec<&Size> = old.iter().filter(|set| set.spec == 0 && set.existing == 0).collect();
    for set in empty.iter().take(empty.len().saturating_sub(limit)) {
        world.api.delete(set.id);
    }
}

fn write_status(world: &mut World<'_>, id: ObjectId, new: Option<ObjectId>) {
    let now = world.now();
    let object = world.api.get(id);
    let Body::Deployment(_, status) = &object.body else { return };
    let (mut replicas, mut available, mut updated) = (0, 0, 0);
    for (set, counted) in world.api.owned(id).filter_map(|set| Some((set.id, as_replica_set(set)?.status))) {
        replicas += counted.replicas;
        available += counted.available;
        if Some(set) == new {
            updated = counted.replicas;
        }
    }
    let observed_generation = object.generation;
    let mut next = Deployment { observed_generation, updated, replicas, available, ..status.clone() };
    if has_progressed(status, &next) {
        next.progressed = now;
    }
    if next != *status {
        world.api.update_status(id, |object| {
            if let Body::Deployment(_, status) = &mut object.body {
                *status = next;
            }
        });
    }
}

/// More new pods, fewer old ones, or more that are available
/// (deployment_util.go: DeploymentProgressing).
fn has_progressed(before: &Deployment, after: &Deployment) -> bool {
    let old = |status: &Deployment| status.replicas.saturating_sub(status.updated);
    after.updated > before.updated || old(after) < old(before) || after.available > before.available
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    #[test]
    fn a_paused_deployment_only_follows_its_size() {
        let spec = spec("replicas: 3\n  paused: true");
        let (new, old) = ids();
        let size = |id, n| Size { id, spec: n, existing: n, available: n };
        for (new_size, old_sizes, expected) in [
            (Some(size(new, 2)), vec![], Some((new, 3))),
            (Some(size(new, 3)), vec![size(old, 0)], None),
            (Some(size(new, 0)), vec![size(old, 2)], Some((old, 3))),
            (Some(size(new, 1)), vec![size(old, 2)], None),
            (None, vec![size(old, 5)], Some((old, 3))),
            (None, vec![], None),
        ] {
            assert_eq!(resize(&spec, new_size, &old_sizes), expected, "{new_size:?} {old_sizes:?}");
        }
    }

    #[test]
    fn unhealthy_old_pods_go_first_and_only_while_enough_are_available() {
        let spec = spec("replicas: 4");
        let (new, old) = ids();
        let set = |id, spec, available| Size { id, spec, existing: spec, available };
        for (new_size, old_size, expected) in [
            (set(new, 1, 0), set(old, 4, 4), Some((old, 3))),
            (set(new, 1, 0), set(old, 4, 2), Some((old, 3))),
            (set(new, 1, 1), set(old, 4, 2), Some((old, 2))),
            (set(new, 2, 0), set(old, 3, 3), None),
            (set(new, 4, 4), set(old, 1, 0), Some((old, 0))),
        ] {
            assert_eq!(roll(&spec, new_size, &[old_size]), expected, "{new_size:?} {old_size:?}");
        }
    }

    fn set_sizes(world: &World<'_>) -> Vec<(u64, u32)> {
        let deployment = crate::testing::id(world, "Deployment", "web");
        let sets = world.api.owned(deployment);
        sets.filter_map(|set| Some((revision(world, set.id), as_replica_set(set)?.replicas))).collect()
    }

    #[test]
    fn an_old_template_that_returns_is_the_newest_revision_and_history_is_bounded() {
        let files =
            crate::testing::DEPLOYMENT.replace("replicas: 2", "replicas: 2\n  revisionHistoryLimit: 1");
        let mut world = crate::testing::world("", &[("all.yaml", &files)]);
        let apply = |world: &mut World<'_>, image: &str, second| {
            crate::testing::apply(world, &files.replace("server:1", image));
            crate::testing::run_until(world, second);
        };
        crate::testing::run_until(&mut world, 100);
        assert_eq!(set_sizes(&world), [(1, 2)]);
        apply(&mut world, "server:2", 200);
        assert_eq!(set_sizes(&world), [(1, 0), (2, 2)]);
        apply(&mut world, "server:1", 300);
        assert_eq!(set_sizes(&world), [(3, 2), (2, 0)]);
        apply(&mut world, "server:3", 400);
        assert_eq!(set_sizes(&world), [(3, 0), (4, 2)]);
    }

    proptest! {
        // However fast pods become available, there are never more than replicas and surge, and never
        // fewer available than replicas without those that may be unavailable; and the update ends.
        #[test]
        fn a_rolling_update_stays_within_its_bounds(
            replicas in 0_u32..12,
            surge in 0_u32..4,
            unavailable in 0_u32..4,
            percent in any::<bool>(),
            luck in prop::collection::vec(any::<bool>(), 1..40),
        ) {
            let bound = |n: u32| if percent { format!("'{}%'", n * 25) } else { n.to_string() };
            let spec = spec(&format!(
                "replicas: {replicas}\n  strategy: {{rollingUpdate: {{maxSurge: {}, maxUnavailable: {}}}}}",
                bound(surge), bound(unavailable)
            ));
            let (surge, unavailable) = spec.spec.fenceposts();
            let (new, old) = ids();
            let mut new = Size { id: new, spec: 0, existing: 0, available: 0 };
            let mut old = Size { id: old, spec: replicas, existing: replicas, available: replicas };
            let mut luck = luck.into_iter().chain([true]).cycle();
            for _ in 0..1_000 {
                match roll(&spec, new, &[old]) {
                    Some((id, to)) if id == new.id => {
                        new = Size { spec: to, existing: to, available: new.available.min(to), ..new };
                    }
                    Some((_, to)) => old = Size { spec: to, existing: to, available: old.available.min(to), ..old },
                    None if new.available < new.spec => {}
                    None => break,
                }
                if new.available < new.spec && luck.next() == Some(true) {
                    new.available += 1;
                }
                prop_assert!(new.spec + old.spec <= replicas + surge);
                prop_assert!(new.available + old.available >= replicas.saturating_sub(unavailable));
            }
            prop_assert_eq!((new.available, old.spec), (replicas, 0));
        }
    }
}
