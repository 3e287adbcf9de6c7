//! The resources that actions name.

use manifests::objects::ObjectKey;
use scenario::{PodRole, ResourceRef};
use timeline::{PodPhase, Role};
use yaml::{Place, Problem, did_you_mean};

use crate::api::{Body, ObjectId};
use crate::observe::refers_to;
use crate::{World, rollouts};

/// The one resource that is meant.
///
/// # Errors
/// None, or several.
pub(super) fn find(world: &World<'_>, wanted: &ResourceRef, place: &Place) -> Result<ObjectId, Problem> {
    let found: Vec<(ObjectId, &ObjectKey)> = world
        .api
        .all()
        .filter(|object| refers_to(wanted, &object.key))
        .map(|object| (object.id, &object.key))
        .collect();
    match found.as_slice() {
        [] => Err(missing(world, wanted, place)),
        [(id, _)] => Ok(*id),
        several => {
            let names: Vec<String> = several.iter().map(|(_, key)| key.to_string()).collect();
            let message = format!("{} `{}` could be {}", wanted.kind, wanted.name, names.join(" or "));
            let first = &several[0].1;
            let by_namespace =
                several.iter().all(|(_, key)| key.name == first.name && key.group == first.group);
            let help = if by_namespace { "name the namespace" } else { "write the whole name" };
            Err(Problem::at(place, message).with_help(help))
        }
    }
}

fn missing(world: &World<'_>, wanted: &ResourceRef, place: &Place) -> Problem {
    let of_kind = world.api.all().filter(|object| *object.key.kind == *wanted.kind);
    let names: Vec<&str> = of_kind.map(|object| &*object.key.name).collect();
    let message = format!("there is no {} `{}` at that time ({})", wanted.kind, wanted.name, world.now());
    let problem = Problem::at(place, message);
    match did_you_mean(&wanted.name, names).filter(|similar| *similar != wanted.name) {
        Some(similar) => problem.with_help(format!("did you mean `{similar}`?")),
        None => problem,
    }
}

/// The Rollout named `name` or `namespace/name`.
///
/// # Errors
/// As [`find`].
pub(super) fn find_rollout(world: &World<'_>, name: &str, place: &Place) -> Result<ObjectId, Problem> {
    let (namespace, name) = match name.split_once('/') {
        Some((namespace, name)) => (Some(namespace.to_owned()), name),
        None => (None, name),
    };
    find(world, &ResourceRef { kind: "Rollout".to_owned(), name: name.to_owned(), namespace }, place)
}

/// Deletes pods of a Rollout that have a node, the oldest first.
///
/// # Errors
/// No such Rollout, or fewer such pods.
pub(super) fn delete_pods(
    world: &mut World<'_>,
    of: &str,
    role: Option<PodRole>,
    count: u32,
    place: &Place,
) -> Result<(), Problem> {
    let rollout = find_rollout(world, of, place)?;
    let wanted = role.map(|role| match role {
        PodRole::Stable => Role::Stable,
        PodRole::Canary => Role::Canary,
    });
    let sets = world.api.owned(rollout).filter(|object| matches!(object.body, Body::ReplicaSet(_)));
    let sets = sets.filter(|set| wanted.is_none_or(|wanted| rollouts::role_of(world, set.id) == wanted));
    let mut pods: Vec<ObjectId> = sets
        .flat_map(|set| world.api.owned(set.id))
        .filter(|pod| matches!(&pod.body, Body::Pod(pod) if pod.phase != PodPhase::Pending))
        .map(|pod| pod.id)
        .collect();
    pods.sort();
    if pods.len() < count as usize {
        return Err(Problem::at(
            place,
            format!("{of} has only {} of {count} such pods at that time ({})", pods.len(), world.now()),
        ));
    }
    for pod in pods.into_iter().take(count as usize) {
        world.api.delete(pod);
    }
    Ok(())
}
