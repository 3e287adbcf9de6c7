//! The clients: what they send, where it goes, and what they experience.
//!
//! Requests are not followed one by one. A pod's counters advance from one moment to the next by a
//! draw from its behaviour profile, so the cost does not depend on the rate. Requests are spread evenly
//! over the ready endpoints of one Service, as kube-proxy spreads connections. They begin when the
//! first pod is ready, since a deployment that has never served has no clients; from then on a moment
//! without a ready endpoint fails them all.

use std::collections::{BTreeMap, VecDeque};

use behaviour::{Arrivals, Batch, Buckets, Draws, Moment, Sampler};
use scenario::Scenario;
use timeline::{Event, Requests, Role, Source};
use units::{Duration, Rate, Time};
use yaml::{Place, Problem};

use crate::api::ObjectId;
use crate::kubernetes::{as_pod, endpoints};
use crate::run::Options;
use crate::{Task, World, rollouts};

mod slow;

pub use slow::slow_bound;

/// The longest span of one entry of the account.
const ACCOUNT_SPAN: Duration = Duration::from_secs(60);

/// Counters older than this are not looked back at.
const HISTORY: Duration = Duration::from_mins(60);

/// Behaviours whose samplers are kept; more are seen only while something ramps.
const SAMPLERS_KEPT: usize = 16;

/// The request rate, where it goes, and what was experienced since the last account.
#[derive(Debug)]
pub struct State {
    rate: Rate,
    slow: Option<Duration>,
    buckets: Buckets,
    arrivals: Arrivals,
    seed: u64,
    /// Whether a pod was ready at some time.
    begun: bool,
    service: Option<ObjectId>,
    meters: BTreeMap<ObjectId, Meter>,
    samplers: Vec<Sampler>,
    /// The start of the present account.
    since: Time,
    /// Requests that met no ready pod since then.
    unserved: f64,
    unserved_until: Time,
    unserved_draws: Draws,
    next_account: Option<Time>,
}

/// The counters of one pod.
#[derive(Debug)]
struct Meter {
    draws: Draws,
    counters: Batch,
    /// The counters at the start of the account.
    accounted: Totals,
    advanced: Time,
    /// The start of the container that counts.
    started: Option<Time>,
    /// Requests a second that are sent to it now.
    rate: f64,
    group: Option<Group>,
    /// Requests so far, at moments in the past.
    history: VecDeque<(Time, f64)>,
    /// Requests of earlier containers of the pod, whose counters are gone.
    earlier: f64,
}

/// The pods that share an entry of the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    owner: String,
    role: Role,
    model: String,
    step: Option<u32>,
}

/// Counts without buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Totals {
    requests: f64,
    errors: f64,
    slow: f64,
    wrong: f64,
    truncated: f64,
    hurt: f64,
}

impl Totals {
    fn of(batch: &Batch) -> Self {
        let Batch { requests, errors, slow, wrong, truncated, hurt, .. } = *batch;
        Self { requests, errors, slow, wrong, truncated, hurt }
    }

    fn add_difference(&mut self, now: Self, before: Self) {
        self.requests += now.requests - before.requests;
        self.errors += now.errors - before.errors;
        self.slow += now.slow - before.slow;
        self.wrong += now.wrong - before.wrong;
        self.truncated += now.truncated - before.truncated;
        self.hurt += now.hurt - before.hurt;
    }
}

impl State {
    pub(crate) fn new(scenario: &Scenario, options: &Options) -> Self {
        Self {
            rate: scenario.traffic.rate,
            slow: None,
            buckets: Buckets::default(),
            arrivals: options.arrivals,
            seed: options.seed,
            begun: false,
            service: None,
            meters: BTreeMap::new(),
            samplers: Vec::new(),
            since: Time::ZERO,
            unserved: 0.0,
            unserved_until: Time::ZERO,
            unserved_draws: Draws::new(options.arrivals, options.seed, "unserved"),
            next_account: None,
        }
    }

    pub(crate) fn set_slow_bound(&mut self, seconds: Option<f64>) {
        self.slow = seconds.map(Duration::from_secs_f64);
    }

    /// The finite upper bounds of the latency histogram's buckets, in seconds.
    pub(crate) fn bucket_bounds(&self) -> Vec<f64> {
        self.buckets.bounds().to_vec()
    }

    /// A pod's counters as it exposes them.
    pub(crate) fn counters(&self, pod: ObjectId) -> Option<&Batch> {
        self.meters.get(&pod).map(|meter| &meter.counters)
    }
}

/// The request rate changes.
pub(crate) fn set_rate(world: &mut World<'_>, rate: Rate) {
    settle(world);
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
    choose_service(world);
    let now = world.now();
    let routes = routes(world);
    let groups_changed = {
        let groups = |(pod, group): &(ObjectId, Group)| (*pod, group.clone());
        let before: Vec<(ObjectId, Group)> =
            served(&world.traffic).map(|(pod, group)| (pod, group.clone())).collect();
        before != routes.iter().map(groups).collect::<Vec<_>>()
    };
    let due = world.traffic.next_account.is_some_and(|at| at <= now);
    if groups_changed || due {
        write_account(world);
    }
    route(world, routes);
    plan_next_account(world);
}

/// The account is closed at the end of the run.
pub(crate) fn close(world: &mut World<'_>) {
    settle(world);
    write_account(world);
}

/// Advances one pod's counters to the present, for a scrape.
pub(crate) fn advance_pod(world: &mut World<'_>, pod: ObjectId) {
    let now = world.now();
    let Some((scenario_profile, started, ordinal, purpose)) = as_pod(world.api.get(pod)).and_then(|p| {
        let profile = world.scenario.models.get(p.model.as_deref()?)?;
        Some((profile, p.started?, p.model_ordinal, p.ordinal))
    }) else {
        return;
    };
    let traffic = &mut world.traffic;
    let meter = traffic.meters.entry(pod).or_insert_with(|| {
        Meter::new(
            Draws::new(traffic.arrivals, traffic.seed, &format!("pod {purpose}")),
            &traffic.buckets,
            now,
        )
    });
    if meter.started != Some(started) {
        meter.restart(started, &traffic.buckets);
    }
    if meter.advanced >= now {
        return;
    }
    if meter.rate > 0.0 {
        let moment =
            Moment { age: meter.advanced.since(started), now: meter.advanced, pod: u64::from(ordinal) };
        for piece in scenario_profile.pieces(moment, now) {
            let expected = meter.rate * piece.until.since(piece.from).as_secs_f64();
            let sampler = sampler(&mut traffic.samplers, piece.effective, &traffic.buckets, traffic.slow);
            sampler.sample_into(expected, &mut meter.draws, &mut meter.counters);
        }
    }
    meter.advanced = now;
    meter.remember(now);
}

/// Requests that canary pods of a Rollout answered within the last `range`.
pub(crate) fn requests_of_canary(world: &World<'_>, rollout: ObjectId, range: Duration) -> f64 {
    let from = world.now() - range;
    let meters = world.traffic.meters.iter().filter(|(pod, _)| {
        let set = world.api.get(**pod).owner;
        set.is_some_and(|set| {
            world.api.get(set).owner == Some(rollout) && rollouts::role_of(world, set) == Role::Canary
        })
    });
    meters.map(|(_, meter)| meter.earlier + meter.counters.requests - meter.requests_at(from)).sum()
}

impl Meter {
    fn new(draws: Draws, buckets: &Buckets, now: Time) -> Self {
        Self {
            draws,
            counters: Batch::empty(buckets),
            accounted: Totals::default(),
            advanced: now,
            started: None,
            rate: 0.0,
            group: None,
            history: VecDeque::new(),
            earlier: 0.0,
        }
    }

    /// A container that starts again counts from zero.
    fn restart(&mut self, started: Time, buckets: &Buckets) {
        if self.started.replace(started).is_some() {
            self.earlier += self.counters.requests;
            self.counters = Batch::empty(buckets);
            self.accounted = Totals::default();
        }
    }

    fn remember(&mut self, now: Time) {
        self.history.push_back((now, self.earlier + self.counters.requests));
        while self.history.front().is_some_and(|(at, _)| now.since(*at) > HISTORY) {
            self.history.pop_front();
        }
    }

    /// Requests so far at a moment in the past: what was counted at the last look before it.
    fn requests_at(&self, at: Time) -> f64 {
        let later = self.history.partition_point(|(time, _)| *time <= at);
        later.checked_sub(1).and_then(|index| self.history.get(index)).map_or(0.0, |(_, requests)| *requests)
    }
}

fn sampler<'s>(
    kept: &'s mut Vec<Sampler>,
    effective: behaviour::Effective,
    buckets: &Buckets,
    slow: Option<Duration>,
) -> &'s Sampler {
    let position = match kept.iter().position(|sampler| *sampler.effective() == effective) {
        Some(position) => position,
        None => {
            if kept.len() >= SAMPLERS_KEPT {
                kept.remove(0);
            }
            kept.push(Sampler::new(effective, buckets, slow));
            kept.len() - 1
        }
    };
    &kept[position]
}

/// Brings every counter to the present.
fn settle(world: &mut World<'_>) {
    let now = world.now();
    for pod in served(&world.traffic).map(|(pod, _)| pod).collect::<Vec<_>>() {
        advance_pod(world, pod);
    }
    let traffic = &mut world.traffic;
    if traffic.begun && served(traffic).next().is_none() {
        let expected = traffic.rate.over(now.since(traffic.unserved_until));
        let sampler = sampler(&mut traffic.samplers, refused(), &traffic.buckets, traffic.slow);
        traffic.unserved += sampler.sample(expected, &mut traffic.unserved_draws).requests;
    }
    traffic.unserved_until = now;
}

/// A connection that is refused: nothing answers.
fn refused() -> behaviour::Effective {
    let latency = behaviour::Latency::new(Duration::from_millis(1), Duration::from_millis(2));
    let latency = latency.expect("one and two milliseconds are a valid latency").distribution();
    let none = units::Ratio::ZERO;
    behaviour::Effective { latency, errors: units::Ratio::ONE, wrong: none, truncated: none }
}

/// The pods that requests go to.
fn served(traffic: &State) -> impl Iterator<Item = (ObjectId, &Group)> {
    traffic.meters.iter().filter_map(|(pod, meter)| Some((*pod, meter.group.as_ref()?)))
}

/// The pods that requests are to go to now, in the order of their creation.
fn routes(world: &World<'_>) -> Vec<(ObjectId, Group)> {
    let Some(service) = world.traffic.service else { return Vec::new() };
    let ready = endpoints::of(world, service).ready.iter();
    ready
        .filter(|pod| world.api.exists(**pod))
        .filter_map(|pod| Some((*pod, group_of(world, *pod)?)))
        .collect()
}

fn group_of(world: &World<'_>, pod: ObjectId) -> Option<Group> {
    let object = world.api.get(pod);
    let model = as_pod(object)?.model.as_deref()?.to_owned();
    let set = object.owner?;
    let owner = world.api.get(set).owner?;
    Some(Group {
        owner: world.api.get(owner).key.name.to_string(),
        role: rollouts::role_of(world, set),
        model,
        step: rollouts::current_step(world, owner),
    })
}

fn route(world: &mut World<'_>, routes: Vec<(ObjectId, Group)>) {
    let share = world.traffic.rate.per_second() / routes.len().max(1) as f64;
    for meter in world.traffic.meters.values_mut() {
        (meter.rate, meter.group) = (0.0, None);
    }
    world.traffic.begun |= !routes.is_empty();
    for (pod, group) in routes {
        advance_pod(world, pod);
        if let Some(meter) = world.traffic.meters.get_mut(&pod) {
            (meter.rate, meter.group) = (share, Some(group));
        }
    }
}

fn plan_next_account(world: &mut World<'_>) {
    let now = world.now();
    let traffic = &mut world.traffic;
    let flows = traffic.begun && traffic.rate > Rate::ZERO;
    if flows && traffic.next_account.is_none_or(|at| at <= now) {
        traffic.next_account = Some(now + ACCOUNT_SPAN);
        world.kernel.wake_at(now + ACCOUNT_SPAN, Task::Traffic);
    }
}

/// Writes what every group of pods experienced since the last account.
fn write_account(world: &mut World<'_>) {
    let Some(service) = world.traffic.service else { return };
    let service = world.api.get(service).key.name.to_string();
    let now = world.now();
    let traffic = &mut world.traffic;
    let since = std::mem::replace(&mut traffic.since, now);
    let mut groups: BTreeMap<Group, Totals> = BTreeMap::new();
    for meter in traffic.meters.values_mut() {
        let Some(group) = &meter.group else { continue };
        let totals = Totals::of(&meter.counters);
        groups.entry(group.clone()).or_default().add_difference(totals, meter.accounted);
        meter.accounted = totals;
    }
    let unserved = std::mem::take(&mut traffic.unserved);
    if since == now {
        return;
    }
    if unserved > 0.0 {
        let nobody = Group { owner: String::new(), role: Role::Other, model: String::new(), step: None };
        let totals = Totals { requests: unserved, errors: unserved, hurt: unserved, ..Totals::default() };
        groups.insert(nobody, totals);
    }
    for (group, totals) in groups {
        let Group { owner, role, model, step } = group;
        let Totals { requests: total, errors: failed, slow, wrong, truncated, hurt } = totals;
        let service = service.clone();
        let requests = Requests {
            service,
            owner,
            role,
            model,
            step,
            since,
            total,
            failed,
            slow,
            wrong,
            truncated,
            hurt,
        };
        world.emit(Source::Clients, Event::Requests(requests));
    }
}

/// The Service that clients call: the one that the scenario names, or the only one that leads to pods
/// of a model.
fn choose_service(world: &mut World<'_>) {
    if world.traffic.service.is_some() || world.traffic.rate == Rate::ZERO {
        return;
    }
    let leads_to_model = |service: ObjectId| {
        let behind = endpoints::of(world, service);
        behind.ready.iter().any(|pod| as_pod(world.api.get(*pod)).is_some_and(|pod| pod.model.is_some()))
    };
    let named = world.scenario.traffic.service.as_deref();
    let candidates: Vec<ObjectId> = world
        .api
        .of_kind("", "Service")
        .filter(|service| named.is_none_or(|name| *service.key.name == *name) && leads_to_model(service.id))
        .map(|service| service.id)
        .collect();
    match candidates.as_slice() {
        [] => {}
        [service] => {
            world.traffic.service = Some(*service);
            world.traffic.since = world.now();
            world.traffic.unserved_until = world.now();
        }
        several => {
            let names: Vec<String> =
                several.iter().map(|id| world.api.get(*id).key.name.to_string()).collect();
            let problem = Problem::at(
                &Place::whole(&world.scenario.source),
                format!("the traffic could go to several Services: {}", names.join(", ")),
            );
            world.fail(problem.with_help("name one with `traffic: { service: … }`"));
        }
    }
}
