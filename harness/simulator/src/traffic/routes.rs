//! Where requests go: from the called Service, or from the router before it, to pods.

use manifests::objects::ObjectKey;

use super::account::Group;
use crate::api::ObjectId;
use crate::kubernetes::endpoints;
use crate::{World, rollouts};

/// Where requests go at a moment.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The pods that get any, in the order of their creation.
    pub(super) pods: Vec<(ObjectId, Group, Share)>,
    /// The part of the requests that meets no ready pod.
    pub(super) unserved: f64,
}

/// A pod's share: an equal one of a part of all requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share {
    /// The part of all requests that its Service gets.
    pub(super) part: f64,
    /// The pods that it shares it with, itself included.
    pub(super) pods: usize,
}

/// Where requests go now. A pod without a model has no known behaviour: it gets none.
pub(super) fn present(world: &mut World<'_>) -> Routes {
    let Some(service) = world.traffic.service else { return Routes { unserved: 1.0, ..Routes::default() } };
    let mut routes = Routes::default();
    for (destination, part) in destinations(world, service) {
        let pods = destination.map_or_else(Vec::new, |service| pods(world, service));
        if pods.is_empty() {
            routes.unserved += part;
        }
        let share = Share { part, pods: pods.len() };
        routes.pods.extend(pods.into_iter().map(|(pod, group)| (pod, group, share)));
    }
    routes.pods.sort_by_key(|(pod, ..)| *pod);
    // One that stands behind both Services gets both shares.
    routes.pods.dedup_by(|(second, _, more), (first, _, share)| {
        let same = first == second;
        if same {
            *share = share.with(*more);
        }
        same
    });
    routes
}

impl Share {
    /// What a pod with this share gets of a rate.
    pub(super) fn of(self, rate: f64) -> f64 {
        rate * self.part / self.pods as f64
    }

    fn with(self, other: Self) -> Self {
        let each = |share: Self| share.part / share.pods as f64;
        Self { part: each(self) + each(other), pods: 1 }
    }
}

/// The Services that requests to `service` end up at, each with its part of them; `None` for one that
/// does not exist.
fn destinations(world: &World<'_>, service: ObjectId) -> Vec<(Option<ObjectId>, f64)> {
    let key = &world.api.get(service).key;
    let Some(shares) = rollouts::router_before(world, key) else { return vec![(Some(service), 1.0)] };
    let found = shares.weights.iter().filter(|(_, weight)| *weight > 0).map(|(name, weight)| {
        let key = ObjectKey::new("", "Service", key.namespace.as_deref(), name);
        let part = f64::from(*weight) / f64::from(shares.max);
        (world.api.find(&key).map(|object| object.id), part)
    });
    found.collect()
}

/// The pods behind a Service, with their groups. Nearly all share the one of the pod before.
fn pods(world: &mut World<'_>, service: ObjectId) -> Vec<(ObjectId, Group)> {
    let mut pods: Vec<(ObjectId, Group)> = Vec::new();
    let mut without_model = false;
    for pod in &endpoints::of(world, service).ready {
        if !world.api.exists(*pod) {
            continue;
        }
        let before = pods.last().filter(|(before, _)| Group::is_shared(world, *before, *pod));
        match before.map(|(_, group)| group.clone()).or_else(|| Group::of(world, *pod)) {
            Some(group) => pods.push((*pod, group)),
            None => without_model = true,
        }
    }
    if without_model {
        let place = world.api.get(service).key.to_string();
        world.not_simulated(
            "a pod without MODEL_VERSION behind the called Service",
            place,
            "it gets no requests",
        );
    }
    pods
}
