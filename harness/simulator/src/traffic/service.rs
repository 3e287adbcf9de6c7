//! Which Service clients call.

use units::Rate;
use yaml::Problem;

use crate::api::ObjectId;
use crate::kubernetes::{as_pod, endpoints};
use crate::{World, rollouts};

/// The Service that clients call: the one that the scenario names, or the only one that leads to pods of a model and
/// was not made by a controller; of several, the one that a router or blueGreen puts before the others. Clients call it
/// by name: one that was deleted and made again is called as before.
pub(super) fn choose(world: &mut World<'_>) {
    match world.traffic.service {
        Some(service) if !world.api.exists(service) => {
            if let Some(again) = world.api.find(&world.api.get(service).key) {
                world.traffic.service = Some(again.id);
            }
        }
        Some(_) => {}
        None if world.traffic.rate == Rate::ZERO => {}
        None => choose_first(world),
    }
}

fn choose_first(world: &mut World<'_>) {
    let named = world.scenario.traffic.service.as_deref();
    let candidates: Vec<ObjectId> = world
        .api
        .of_kind("", "Service")
        .filter(|service| match named {
            Some(name) => *service.key.name == *name,
            // An Experiment's is nothing that clients know of.
            None => service.owner.is_none(),
        })
        .map(|service| service.id)
        .filter(|service| leads_to_model(world, *service))
        .collect();
    let entrances: Vec<ObjectId> = candidates
        .iter()
        .copied()
        .filter(|service| rollouts::is_entrance(world, &world.api.get(*service).key))
        .collect();
    match if entrances.len() == 1 { entrances } else { candidates }.as_slice() {
        [] => {}
        [service] => {
            world.traffic.service = Some(*service);
            world.traffic.since = world.now();
        }
        several => {
            let names: Vec<String> = several.iter().map(|id| world.api.get(*id).key.to_string()).collect();
            let problem = Problem::at(
                &world.scenario.place_of("traffic"),
                format!("the traffic could go to several Services: {}", names.join(", ")),
            );
            world.fail(problem.with_help("name one with `traffic: { service: … }`"));
        }
    }
}

fn leads_to_model(world: &World<'_>, service: ObjectId) -> bool {
    let mut ready = endpoints::of(world, service).ready.iter();
    ready.any(|pod| as_pod(world.api.get(*pod)).is_some_and(|pod| pod.model.is_some()))
}
