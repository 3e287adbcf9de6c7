//! The endpoints controller: which pods stand behind a Service.

use manifests::objects;
use timeline::PodPhase;

use super::as_pod;
use crate::api::{Object, ObjectId};
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
    world.kernel.wake(Task::Discovery(id));
}

/// The pods that a Service selects and that have an address: since their container started first
/// (kubernetes pkg/controller/endpoint/endpoints_controller.go: addEndpointSubset).
fn selected(world: &World<'_>, service: &Object) -> Endpoints {
    let mut endpoints = Endpoints::default();
    let Some(objects::Object::Service(service_spec)) = service.plain() else { return endpoints };
    let spec = &service_spec.spec;
    if spec.selector.is_empty() || spec.kind == "ExternalName" {
        return endpoints;
    }
    for object in world.api.of_kind("", "Pod").filter(|pod| pod.key.namespace == service.key.namespace) {
        let is_selected = spec.selector.iter().all(|(key, value)| object.labels.get(key) == Some(value));
        let Some(pod) = as_pod(object).filter(|pod| is_selected && pod.started.is_some()) else { continue };
        if pod.phase == PodPhase::Ready || spec.publish_not_ready_addresses {
            endpoints.ready.push(object.id);
        } else {
            endpoints.not_ready.push(object.id);
        }
    }
    endpoints.ready.sort();
    endpoints.not_ready.sort();
    endpoints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// How many pods stand behind the Service: ready and not ready.
    fn behind(world: &World<'_>) -> (usize, usize) {
        let endpoints = of(world, testing::id(world, "Service", "web"));
        (endpoints.ready.len(), endpoints.not_ready.len())
    }

    #[test]
    fn a_pod_comes_with_its_address_and_is_used_when_it_is_ready() {
        for (spec, started, ready) in [
            ("selector: {app: web}", (0, 2), (2, 0)),
            ("publishNotReadyAddresses: true\n  selector: {app: web}", (2, 0), (2, 0)),
            ("selector: {app: web, role: other}", (0, 0), (0, 0)),
            ("selector: {}", (0, 0), (0, 0)),
            ("type: ExternalName\n  selector: {app: web}", (0, 0), (0, 0)),
        ] {
            let service = testing::SERVICE.replace("selector: {app: web}", spec);
            let mut world =
                testing::world("", &[("all.yaml", &format!("{}---{service}", testing::DEPLOYMENT))]);
            testing::run_until(&mut world, 1);
            assert_eq!(behind(&world), (0, 0), "{spec}");
            testing::run_until(&mut world, 2);
            assert_eq!(behind(&world), started, "{spec}");
            testing::run_until(&mut world, 12);
            assert_eq!(behind(&world), ready, "{spec}");
        }
    }

    #[test]
    fn endpoints_follow_labels_selectors_and_deletions() {
        let files = [testing::DEPLOYMENT, testing::SERVICE].join("---");
        let mut world = testing::world("", &[("all.yaml", &files)]);
        testing::run_until(&mut world, 12);
        let pod = testing::pods(&world)[0];
        world.api.update_metadata(pod, |pod| pod.labels.insert("app".to_owned(), "gone".to_owned()));
        crate::run::after_task(&mut world);
        testing::run_until(&mut world, 12);
        assert_eq!(behind(&world), (1, 0));
        testing::patch(&mut world, "Service", "web", "{spec: {selector: {app: gone}}}");
        testing::run_until(&mut world, 12);
        assert_eq!(of(&world, testing::id(&world, "Service", "web")).ready, [pod]);
        testing::delete(&mut world, pod);
        testing::run_until(&mut world, 12);
        assert_eq!(behind(&world), (0, 0));
    }
}
