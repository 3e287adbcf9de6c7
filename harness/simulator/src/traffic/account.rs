//! What clients experienced, by the pods that served them.

use std::collections::BTreeMap;
use std::ops::{Add, Sub};
use std::sync::Arc;

use behaviour::Batch;
use timeline::{Event, Requests, Role, Source};
use units::Rate;

use crate::api::ObjectId;
use crate::experiments::as_experiment;
use crate::kubernetes::as_pod;
use crate::{World, rollouts};

/// The pods that share an entry of the account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    owner: Arc<str>,
    role: Role,
    model: Arc<str>,
    step: Option<u32>,
}

impl Group {
    /// The group of a pod; `None` for one without a model, or without a Rollout or Deployment.
    pub(super) fn of(world: &World<'_>, pod: ObjectId) -> Option<Self> {
        let object = world.api.get(pod);
        let model = Arc::clone(as_pod(object)?.model.as_ref()?);
        let set = object.owner?;
        // The pods of an Experiment count among those of its Rollout.
        let owner = world.api.get(set).owner?;
        let owner = match as_experiment(world, owner) {
            Some(_) => world.api.get(owner).owner?,
            None => owner,
        };
        Some(Self {
            owner: Arc::clone(&world.api.get(owner).key.name),
            role: rollouts::role_of(world, set),
            model,
            step: rollouts::current_step(world, owner),
        })
    }

    /// Whether two pods have the same group, as far as a glance says: those of one ReplicaSet that run the same
    /// model.
    pub(super) fn is_shared(world: &World<'_>, one: ObjectId, other: ObjectId) -> bool {
        let (one, other) = (world.api.get(one), world.api.get(other));
        let model = |pod| as_pod(pod).and_then(|pod| pod.model.as_ref());
        one.owner == other.owner && model(one) == model(other)
    }

    /// Where no pod is ready.
    fn nobody() -> Self {
        Self { owner: Arc::default(), role: Role::Other, model: Arc::default(), step: None }
    }
}

/// Counts without buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Totals {
    pub(super) requests: f64,
    pub(super) errors: f64,
    slow: f64,
    wrong: f64,
    truncated: f64,
    hurt: f64,
}

impl Totals {
    pub(super) fn of(batch: &Batch) -> Self {
        let Batch { requests, errors, slow, wrong, truncated, hurt, .. } = *batch;
        Self { requests, errors, slow, wrong, truncated, hurt }
    }

    /// Requests that all met a closed door.
    fn refused(requests: f64) -> Self {
        Self { requests, errors: requests, hurt: requests, ..Self::default() }
    }

    fn with(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            requests: combine(self.requests, other.requests),
            errors: combine(self.errors, other.errors),
            slow: combine(self.slow, other.slow),
            wrong: combine(self.wrong, other.wrong),
            truncated: combine(self.truncated, other.truncated),
            hurt: combine(self.hurt, other.hurt),
        }
    }
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, |a, b| a + b)
    }
}

impl Sub for Totals {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }
}

/// Writes what every group of pods experienced since the last account. Nothing where no time has passed
/// since then, or where nothing was sent.
pub(super) fn write(world: &mut World<'_>) {
    let now = world.now();
    let Some(service) = world.traffic.service else { return };
    if world.traffic.since == now {
        return;
    }
    let service = world.api.get(service).key.name.to_string();
    let traffic = &mut world.traffic;
    let since = std::mem::replace(&mut traffic.since, now);
    let mut groups: BTreeMap<Group, Totals> = BTreeMap::new();
    for meter in traffic.meters.iter_mut() {
        let Some(group) = meter.group.clone() else { continue };
        let totals = groups.entry(group).or_default();
        *totals = *totals + meter.account();
    }
    let unserved = std::mem::take(&mut traffic.unserved);
    if unserved > 0.0 {
        groups.insert(Group::nobody(), Totals::refused(unserved));
    }
    if traffic.rate == Rate::ZERO {
        return;
    }
    for (group, totals) in groups {
        let Group { role, step, .. } = group;
        let (owner, model) = (group.owner.to_string(), group.model.to_string());
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
