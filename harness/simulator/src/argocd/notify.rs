//! What Argo CD sees of changes in the cluster (argo-cd controller/cache/cache.go, controller/appcontroller.go).

use std::collections::BTreeMap;

use timeline::HealthStatus;

use super::app::App;
use super::queue::{self, Level};
use super::target::live;
use super::{WATCH_BATCH, compare, health, project};
use crate::World;
use crate::api::{Body, Change, ChangeKind, ObjectId};

/// The finalizers with which an Application takes its resources along.
const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";

/// How managed objects looked when they were seen last: a change that shows in none of these is
/// dropped (`skipResourceUpdate`; the status itself does not count).
#[derive(Debug, Default)]
pub(super) struct Seen(BTreeMap<ObjectId, Look>);

#[derive(Debug, PartialEq)]
struct Look {
    health: Option<HealthStatus>,
    generation: u64,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Takes note of a change.
pub(super) fn on_change(world: &mut World<'_>, change: &Change) {
    if change.kind == ChangeKind::Created {
        report_not_simulated(world, change.id);
    }
    if matches!(world.api.get(change.id).body, Body::Application(..)) {
        on_application(world, change);
    }
    let root = root_of(world, change.id);
    // An Application that manages itself does not ask itself.
    let Some(app) = application_of(world, root).filter(|app| *app != root) else { return };
    let level = if root != change.id {
        Level::Nothing
    } else if is_news(world, change) {
        Level::Recent
    } else {
        return;
    };
    if has_project(world, app) {
        queue::request_after(world, app, level, WATCH_BATCH);
    }
}

fn has_project(world: &World<'_>, app: ObjectId) -> bool {
    let object = world.api.get(app);
    let Body::Application(spec, _) = &object.body else { return false };
    project::named(world, object.key.namespace.as_deref().unwrap_or_default(), &spec.spec.project).is_some()
}

/// Reports, by name, what an object asks of Argo CD or of its own controller and is not modelled.
fn report_not_simulated(world: &mut World<'_>, id: ObjectId) {
    let object = world.api.get(id);
    let Some(place) = object.manifest.as_ref().map(|manifest| manifest.place.to_string()) else { return };
    let (kind, name) = (object.key.kind.clone(), object.key.name.clone());
    if let Some(instead) = health::without_controller(&object.key.group, &kind) {
        world.not_simulated(format!("{kind} {name}"), place.clone(), instead);
    }
    let Body::Application(spec, _) = &world.api.get(id).body else { return };
    let spec = spec.clone();
    let rules = &spec.spec.ignore_differences;
    if rules.iter().any(|rule| !rule.managed_fields_managers.is_empty()) {
        let what = format!("spec.ignoreDifferences[].managedFieldsManagers of Application {name}");
        world.not_simulated(what, place, "fields have no managers: these differences count");
    }
}

/// An Application's own change gives it a turn; a policy that was switched on asks for a comparison
/// (`automatedSyncEnabled`).
fn on_application(world: &mut World<'_>, change: &Change) {
    if change.kind == ChangeKind::Deleted {
        return on_deleted(world, change.id);
    }
    let automated = App::of(world, change.id).spec.spec.sync_policy.automated();
    let now = (automated.is_some(), automated.is_some_and(|automated| automated.self_heal));
    let queue = world.argocd.queues.of(change.id);
    let before = queue.automated.replace(now);
    queue.enqueue();
    if before.is_some_and(|before| (!before.0 && now.0) || (!before.1 && now.1)) {
        queue::request(world, change.id, Level::Latest);
    }
}

/// An Application with the resources finalizer takes its resources along; without it they stay
/// (`finalizeApplicationDeletion`).
fn on_deleted(world: &mut World<'_>, id: ObjectId) {
    world.argocd.queues.forget(id);
    let app = App::of(world, id);
    let finalizers = &app.spec.metadata.finalizers;
    if finalizers.iter().any(|finalizer| finalizer.starts_with(RESOURCES_FINALIZER)) {
        let managed: Vec<ObjectId> = compare::managed(world, app.name()).map(|object| object.id).collect();
        for object in managed {
            world.api.delete(object);
        }
    }
}

/// The object at the top of the owners.
fn root_of(world: &World<'_>, id: ObjectId) -> ObjectId {
    std::iter::successors(Some(id), |id| world.api.get(*id).owner).last().unwrap_or(id)
}

fn application_of(world: &World<'_>, root: ObjectId) -> Option<ObjectId> {
    let name = live::application(world.api.get(root))?;
    world.api.of_kind("argoproj.io", "Application").find(|app| *app.key.name == *name).map(|app| app.id)
}

fn is_news(world: &mut World<'_>, change: &Change) -> bool {
    match change.kind {
        ChangeKind::Deleted => {
            world.argocd.seen.0.remove(&change.id);
            true
        }
        ChangeKind::Created | ChangeKind::Updated | ChangeKind::Status | ChangeKind::RunPhase => {
            let object = world.api.get(change.id);
            let look = Look {
                health: health::of(world, change.id),
                generation: object.generation,
                labels: object.labels.clone(),
                annotations: object.annotations.clone(),
            };
            let before = world.argocd.seen.0.get(&change.id);
            let news = before != Some(&look);
            world.argocd.seen.0.insert(change.id, look);
            news
        }
    }
}
