//! An Application as the controller works with it.

use std::sync::Arc;

use manifests::objects::application::ApplicationSource;
use manifests::objects::{self, ObjectKey};
use timeline::Source;

use super::status::ApplicationStatus;
use crate::World;
use crate::api::{Body, Object, ObjectId};

/// An Application: its spec, and its status as it was when it was read.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) id: ObjectId,
    pub(super) key: ObjectKey,
    pub(super) spec: Arc<objects::Application>,
    pub(super) status: Arc<ApplicationStatus>,
}

impl App {
    /// Reads an Application.
    pub(super) fn of(world: &World<'_>, id: ObjectId) -> Self {
        let object = world.api.get(id);
        let (spec, status) = parts(object);
        Self { id, key: object.key.clone(), spec: Arc::clone(spec), status: Arc::clone(status) }
    }

    /// The namespace that Argo CD runs in: the one of its Applications.
    pub(super) fn namespace(&self) -> &str {
        self.key.namespace.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        &self.key.name
    }

    /// Where its manifests are (`ApplicationSpec.GetSource`). More than one source is refused where
    /// the manifests are loaded.
    pub(super) fn source(&self) -> ApplicationSource {
        let spec = &self.spec.spec;
        spec.sources.first().or(spec.source.as_ref()).cloned().unwrap_or_default()
    }

    /// The namespace of objects that give none.
    pub(super) fn destination_namespace(&self) -> &str {
        &self.spec.spec.destination.namespace
    }
}

fn parts(object: &Object) -> (&Arc<objects::Application>, &Arc<ApplicationStatus>) {
    match &object.body {
        Body::Application(spec, status) => (spec, status),
        Body::ReplicaSet(_)
        | Body::Pod(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Rollout(..)
        | Body::Deployment(..)
        | Body::Plain(_) => {
            unreachable!("{} is asked for as an Application", object.key)
        }
    }
}

/// The Application of this name, in whatever namespace.
///
/// # Errors
/// None of that name, in words for people.
pub(super) fn find(world: &World<'_>, name: &str) -> Result<ObjectId, String> {
    let apps = || world.api.of_kind("argoproj.io", "Application");
    apps().find(|app| *app.key.name == *name).map(|app| app.id).ok_or_else(|| {
        let names: Vec<&str> = apps().map(|app| &*app.key.name).collect();
        match names.as_slice() {
            [] => format!("there is no Application `{name}` at that time, nor any other"),
            names => format!("there is no Application `{name}` at that time, only {}", names.join(", ")),
        }
    })
}

/// Whether the controller is told to leave an Application alone (`canProcessApp`).
pub(super) fn is_skipped(world: &World<'_>, id: ObjectId) -> bool {
    world
        .api
        .get(id)
        .annotations
        .get("argocd.argoproj.io/skip-reconcile")
        .is_some_and(|value| value == "true")
}

/// Changes an Application's status; an unchanged one is not written.
pub(super) fn write(world: &mut World<'_>, id: ObjectId, change: impl FnOnce(&mut ApplicationStatus)) {
    let before = Arc::clone(parts(world.api.get(id)).1);
    let mut status = (*before).clone();
    change(&mut status);
    if *before != status {
        world.api.update_status(id, |object| {
            if let Body::Application(_, slot) = &mut object.body {
                *slot = Arc::new(status);
            }
        });
    }
}

/// Records a Kubernetes Event about an Application.
pub(super) fn record(
    world: &mut World<'_>,
    id: ObjectId,
    warning: bool,
    reason: &str,
    message: impl Into<String>,
) {
    world.record(Source::ArgoCd, id, warning, reason, message);
}
