//! What an onlooker sees: an entry of the timeline for every change of an observable state.

use std::collections::{BTreeMap, BTreeSet};

use scenario::{Claim, ResourceRef, State as Claimed, Trigger};
use timeline::{ApplicationStatus, Event, PodPhase, PodStatus, ResourceWritten, RolloutStatus, Source};
use units::Time;

use crate::api::{Body, Change, ChangeKind, Object, ObjectId};
use crate::world::resource_name;
use crate::{World, argocd, kubernetes, rollouts, traffic};

mod object;

/// What was seen last, and what may have changed since.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The last time that anything but traffic moved.
    pub(crate) moved: Time,
    touched: BTreeSet<ObjectId>,
    gone: BTreeSet<ObjectId>,
    written: BTreeSet<ObjectId>,
    rollouts: BTreeMap<ObjectId, RolloutStatus>,
    applications: BTreeMap<ObjectId, ApplicationStatus>,
    pods: BTreeMap<ObjectId, PodStatus>,
    resources: BTreeMap<ObjectId, serde_json::Value>,
    /// The resources that the scenario's claims and triggers speak of.
    followed: Vec<ResourceRef>,
}

impl State {
    /// An onlooker that follows what the scenario speaks of.
    pub(crate) fn new(scenario: &scenario::Scenario) -> Self {
        Self { followed: followed(scenario), ..Self::default() }
    }
}

/// Notes what a change may have changed for the onlooker.
pub(crate) fn on_change(world: &mut World<'_>, change: &Change) {
    let object = world.api.get(change.id);
    let is_followed = world.observed.followed.iter().any(|wanted| refers_to(wanted, object));
    let owner = object.owner;
    let observed = &mut world.observed;
    if is_followed {
        observed.written.insert(change.id);
    }
    if change.kind == ChangeKind::Deleted {
        observed.gone.insert(change.id);
    }
    observed.touched.insert(change.id);
    // A Rollout is seen through its replica sets, and these through their pods.
    for ancestor in owner.into_iter().flat_map(|owner| [Some(owner), world.api.get(owner).owner]).flatten() {
        world.observed.touched.insert(ancestor);
    }
}

/// Writes an entry for everything that looks different since the last call.
pub(crate) fn write_changes(world: &mut World<'_>) {
    let before = world.entries.len();
    for id in std::mem::take(&mut world.observed.touched) {
        write_change(world, id);
    }
    for id in std::mem::take(&mut world.observed.written) {
        write_resource(world, id);
    }
    world.observed.gone.clear();
    let moved = world.entries[before..].iter().any(|entry| !matches!(entry.event, Event::Requests(_)));
    if moved || before == 0 {
        world.observed.moved = world.now();
    }
}

fn write_change(world: &mut World<'_>, id: ObjectId) {
    let deleted = !world.api.exists(id);
    match &world.api.get(id).body {
        Body::Rollout(..) => {
            let Some(status) = rollouts::observed(world, id).filter(|_| !deleted) else { return };
            if world.observed.rollouts.get(&id) != Some(&status) {
                world.observed.rollouts.insert(id, status.clone());
                world.emit(Source::Rollouts, Event::Rollout(status));
                traffic::on_rollout_change(world);
            }
        }
        Body::Application(..) => {
            let Some(status) = argocd::observed(world, id).filter(|_| !deleted) else { return };
            if world.observed.applications.get(&id) != Some(&status) {
                world.observed.applications.insert(id, status.clone());
                world.emit(Source::ArgoCd, Event::Application(status));
            }
        }
        Body::Pod(_) => write_pod(world, id, deleted),
        Body::ReplicaSet(_) | Body::AnalysisRun(_) | Body::Deployment(..) | Body::Plain(_) => {}
    }
}

fn write_pod(world: &mut World<'_>, id: ObjectId, deleted: bool) {
    let mut status = kubernetes::observed(world, id);
    if deleted {
        status.phase = PodPhase::Deleted;
    }
    if world.observed.pods.get(&id) != Some(&status) {
        world.observed.pods.insert(id, status.clone());
        world.emit(Source::Kubernetes, Event::Pod(status));
    }
}

fn write_resource(world: &mut World<'_>, id: ObjectId) {
    let object = world.api.exists(id).then(|| object::as_json(world, id));
    let resource = resource_name(&world.api.get(id).key);
    let seen = match &object {
        Some(json) => world.observed.resources.insert(id, json.clone()),
        None => world.observed.resources.remove(&id),
    };
    if seen != object {
        world.emit(Source::Kubernetes, Event::Resource(ResourceWritten { resource, object }));
    }
}

fn refers_to(wanted: &ResourceRef, object: &Object) -> bool {
    let name_fits = match wanted.name.strip_suffix('*') {
        Some(start) => object.key.name.starts_with(start),
        None => *object.key.name == *wanted.name,
    };
    let namespace_fits =
        wanted.namespace.is_none() || wanted.namespace.as_deref() == object.key.namespace.as_deref();
    *object.key.kind == *wanted.kind && name_fits && namespace_fits
}

/// Every resource that a claim or a trigger of the scenario speaks of.
fn followed(scenario: &scenario::Scenario) -> Vec<ResourceRef> {
    let claims = scenario.expect.iter().flat_map(|expectation| states(&expectation.claim));
    let triggers = scenario.events.iter().filter_map(|event| match &event.trigger {
        Trigger::After { reached, .. } => Some(&reached.0),
        Trigger::At(_) => None,
    });
    claims
        .chain(triggers)
        .filter_map(|state| match state {
            Claimed::Resource(resource, _) => Some(resource.clone()),
            Claimed::Rollout(..) | Claimed::Application(..) => None,
        })
        .collect()
}

fn states(claim: &Claim) -> Vec<&Claimed> {
    match claim {
        Claim::Becomes { state, of, before, .. }
        | Claim::Always { state, of, before }
        | Claim::Never { state, of, before } => {
            [Some(state), anchored(Some(of)), anchored(before.as_ref())].into_iter().flatten().collect()
        }
        Claim::Stays { state, of, .. } => [Some(state), anchored(Some(of))].into_iter().flatten().collect(),
        Claim::Requests { which, .. } => {
            [anchored(which.after.as_ref()), anchored(which.before.as_ref())].into_iter().flatten().collect()
        }
    }
}

fn anchored(anchor: Option<&scenario::Anchor>) -> Option<&Claimed> {
    match anchor {
        Some(scenario::Anchor::Reached(reached)) => Some(&reached.0),
        Some(scenario::Anchor::Start | scenario::Anchor::FirstAction | scenario::Anchor::Action(_))
        | None => None,
    }
}
