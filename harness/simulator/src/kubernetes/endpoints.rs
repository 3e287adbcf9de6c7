//! The endpoints controller: which pods stand behind a Service.

use manifests::objects;
use timeline::PodPhase;

use super::as_pod;
use crate::api::{Body, Object, ObjectId};
use crate::{Task, World};

/// The pods behind a Service, in the order of their creation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Ready for traffic.
    pub ready: Vec<ObjectId>,
    /// Selected and running, but not ready.
    pub not_ready: Vec<ObjectId>,
}

static NOBODY: Endpoints = Endpoints { ready: Vec::new(), not_ready: Vec::new() };

/// The pods behind a Service as they were last written.
pub(crate) fn of<'w>(world: &'w World<'_>, service: ObjectId) -> &'w Endpoints {
    world.kubernetes.endpoints.get(&service).unwrap_or(&NOBODY)
}

pub(crate) fn reconcile(world: &mut World<'_>, id: ObjectId) {
    let now = if world.api.exists(id) { selected(world, world.api.get(id)) } else { Endpoints::default() };
    if *of(world, id) == now {
        return;
    }
    world.kubernetes.endpoints.insert(id, now);
    world.kernel.wake(Task::Traffic);
    for monitor in world.api.of_kind("monitoring.coreos.com", "ServiceMonitor") {
        world.kernel.wake(Task::Discovery(monitor.id));
    }
}

fn selected(world: &World<'_>, service: &Object) -> Endpoints {
    let mut endpoints = Endpoints::default();
    let Body::Plain(plain) = &service.body else { return endpoints };
    let objects::Object::Service(spec) = &**plain else { return endpoints };
    let selector = &spec.spec.selector;
    if selector.is_empty() {
        return endpoints;
    }
    for object in world.api.of_kind("", "Pod").filter(|pod| pod.key.namespace == service.key.namespace) {
        if !selector.iter().all(|(key, value)| object.labels.get(key) == Some(value)) {
            continue;
        }
        match as_pod(object).map(|pod| pod.phase) {
            Some(PodPhase::Ready) => endpoints.ready.push(object.id),
            Some(PodPhase::Started | PodPhase::NotReady) => endpoints.not_ready.push(object.id),
            Some(PodPhase::Pending | PodPhase::Waiting | PodPhase::Terminating | PodPhase::Deleted)
            | None => {}
        }
    }
    endpoints.ready.sort();
    endpoints.not_ready.sort();
    endpoints
}
