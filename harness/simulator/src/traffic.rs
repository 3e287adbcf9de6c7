//! The clients: what they send, where it goes, and what they experience.
//!
//! Requests are not followed one by one. A pod's counters advance from one moment to the next by a
//! draw from its behaviour profile, so the cost does not depend on the rate. Requests are spread evenly
//! over the ready endpoints of one Service, as kube-proxy spreads connections, or a traffic router splits
//! them first. They begin when the first pod is ready, since a deployment that has never served has no
//! clients; from then on what is sent to a Service without a ready endpoint fails.

use behaviour::{Arrivals, Batch, Buckets, Draws};
use scenario::Scenario;
use timeline::Role;
use units::{Duration, Rate, Time};

use crate::api::ObjectId;
use crate::kubernetes::as_pod;
use crate::run::Options;
use crate::{Task, World, rollouts};

mod account;
mod meter;
mod routes;
mod service;
mod slow;

use account::Group;
use meter::{Container, Meter, Meters, Samplers};
use routes::{Routes, Share};
pub use slow::slow_bound;

/// The longest span of one entry of the account.
const ACCOUNT_SPAN: Duration = Duration::from_secs(60);

/// The request rate, where it goes, and what was experienced since the last account.
#[derive(Debug)]
pub struct State<'a> {
    rate: Rate,
    arrivals: Arrivals,
    seed: u64,
    /// Whether a pod was ready at some time.
    begun: bool,
    /// The Service that is called, once one leads to a model.
    service: Option<ObjectId>,
    meters: Meters<'a>,
    samplers: Samplers,
    /// The start of the present account.
    since: Time,
    /// The part of the requests that meets no ready pod now.
    unserved_share: f64,
    /// Requests that met no ready pod since then, until `unserved_until`.
    unserved: f64,
    unserved_until: Time,
    unserved_draws: Draws,
}

impl State<'_> {
    pub(crate) fn new(scenario: &Scenario, options: &Options) -> Self {
        Self {
            rate: scenario.traffic.rate,
            arrivals: options.arrivals,
            seed: options.seed,
            begun: false,
            service: None,
            meters: Meters::default(),
            samplers: Samplers::new(Buckets::default()),
            since: Time::ZERO,
            unserved_share: 1.0,
            unserved: 0.0,
            unserved_until: Time::ZERO,
            unserved_draws: Draws::new(options.arrivals, options.seed, "unserved"),
        }
    }

    pub(crate) fn set_slow_bound(&mut self, seconds: Option<f64>) {
        self.samplers.slow = seconds.map(Duration::from_secs_f64);
    }

    /// The buckets of every model's latency histogram.
    pub(crate) fn buckets(&self) -> &Buckets {
        &self.samplers.buckets
    }

    /// A pod's counters as it exposes them.
    pub(crate) fn counters(&self, pod: ObjectId) -> Option<&Batch> {
        self.meters.get(pod).map(Meter::counters)
    }

    /// Whether these routes, to the same pods, give some of them another part than now.
    fn splits_otherwise(&self, routes: &Routes) -> bool {
        let rate = self.rate.per_second();
        let as_now = |(pod, _, share): &(ObjectId, Group, Share)| {
            self.meters.get(*pod).is_some_and(|meter| meter.rate == share.of(rate))
        };
        self.unserved_share != routes.unserved || !routes.pods.iter().all(as_now)
    }

    /// The pods that requests go to.
    fn served(&self) -> impl Iterator<Item = (ObjectId, &Group)> {
        self.meters.iter().filter_map(|meter| Some((meter.pod, meter.group.as_ref()?)))
    }
}

/// The request rate changes. What was sent at the old one is accounted by itself.
pub(crate) fn set_rate(world: &mut World<'_>, rate: Rate) {
    settle(world);
    account::write(world);
    world.traffic.rate = rate;
    world.kernel.wake(Task::Traffic);
}

/// A Rollout's step or roles changed.
pub(crate) fn on_rollout_change(world: &mut World<'_>) {
    world.kernel.wake(Task::Traffic);
}

/// Brings the account up to date: something that decides where requests go changed, or a span ends.
pub(crate) fn advance(world: &mut World<'_>) {
    settle(world);
    service::choose(world);
    let routes = routes::present(world);
    let changed = !world.traffic.served().eq(routes.pods.iter().map(|(pod, group, _)| (*pod, group)));
    if changed || world.now().since(world.traffic.since) >= ACCOUNT_SPAN {
        account::write(world);
    }
    if changed || world.traffic.splits_otherwise(&routes) {
        route(world, routes);
    }
    if world.traffic.begun && world.traffic.rate > Rate::ZERO {
        world.kernel.wake_at(world.traffic.since + ACCOUNT_SPAN, Task::Traffic);
    }
}

/// The account is closed at the end of the run.
pub(crate) fn close(world: &mut World<'_>) {
    settle(world);
    account::write(world);
}

/// Advances one pod's counters to the present, for a scrape or a change of its container. A pod without a
/// model has none.
pub(crate) fn advance_pod(world: &mut World<'_>, id: ObjectId) {
    let now = world.now();
    let World { api, scenario, traffic, actions, .. } = world;
    let State { meters, samplers, .. } = traffic;
    let Some(pod) = as_pod(api.get(id)) else { return };
    let Some(started) = pod.started else { return };
    let counted = meters.get(id).map(Meter::started);
    if counted != Some(started) {
        let profile = pod.model.as_deref().and_then(|version| scenario.models.get(version));
        let Some(profile) = profile else { return };
        let container = Container { started, profile, pod_of_model: u64::from(pod.model_ordinal) };
        match meters.get_mut(id) {
            Some(meter) => meter.restart(container, &samplers.buckets),
            None => {
                let draws = Draws::new(traffic.arrivals, traffic.seed, &format!("pod {}", pod.ordinal));
                meters.insert(Meter::new(id, draws, container, &samplers.buckets, now));
            }
        }
    }
    if let Some(meter) = meters.get_mut(id) {
        meter.advance(now, actions.clock, pod.serving_from.is_some(), samplers);
    }
}

/// Requests that canary pods of a Rollout answered within the last `range`, as far as they were counted
/// by the last scrape or account.
pub(crate) fn requests_of_canary(world: &World<'_>, rollout: ObjectId, range: Duration) -> f64 {
    let from = world.now() - range;
    let of_canary = |meter: &&Meter<'_>| {
        world.api.get(meter.pod).owner.is_some_and(|set| {
            world.api.get(set).owner == Some(rollout) && rollouts::role_of(world, set) == Role::Canary
        })
    };
    let meters = world.traffic.meters.iter().filter(of_canary);
    meters.map(|meter| meter.requests_since(from)).sum()
}

/// Brings every counter to the present.
pub(crate) fn settle(world: &mut World<'_>) {
    let now = world.now();
    let served: Vec<ObjectId> = world.traffic.served().map(|(pod, _)| pod).collect();
    for pod in &served {
        advance_pod(world, *pod);
    }
    let traffic = &mut world.traffic;
    if traffic.begun && traffic.unserved_share > 0.0 {
        let expected = traffic.rate.over(now.since(traffic.unserved_until)) * traffic.unserved_share;
        let sampler = traffic.samplers.of(meter::refused());
        traffic.unserved += sampler.sample(expected, &mut traffic.unserved_draws).requests;
    }
    traffic.unserved_until = now;
}

fn route(world: &mut World<'_>, routes: Routes) {
    let rate = world.traffic.rate.per_second();
    for meter in world.traffic.meters.iter_mut() {
        (meter.rate, meter.group) = (0.0, None);
    }
    world.traffic.begun |= !routes.pods.is_empty();
    world.traffic.unserved_share = routes.unserved;
    for (pod, group, share) in routes.pods {
        advance_pod(world, pod);
        if let Some(meter) = world.traffic.meters.get_mut(pod) {
            (meter.rate, meter.group) = (share.of(rate), Some(group));
        }
    }
}

#[cfg(test)]
mod tests;
