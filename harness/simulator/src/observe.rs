//! What an onlooker sees: an entry of the timeline for every change of an observable state.

use std::collections::{BTreeMap, BTreeSet};

use manifests::objects::ObjectKey;
use scenario::{AlertRef, ResourceRef};
use timeline::{
    AlertStatus, ApplicationStatus, Event, PodPhase, PodStatus, ResourceWritten, RolloutStatus, Source,
};
use units::Time;

use crate::api::{Body, Change, ObjectId};
use crate::world::resource_name;
use crate::{World, argocd, kubernetes, prometheus, rollouts, traffic};

mod object;

/// What was seen last, and what may have changed since.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The last time that anything but traffic moved.
    pub(crate) moved: Time,
    /// The entries that [`State::moved`] takes into account.
    shown: usize,
    touched: BTreeSet<ObjectId>,
    rollouts: BTreeMap<ObjectId, RolloutStatus>,
    applications: BTreeMap<ObjectId, ApplicationStatus>,
    pods: BTreeMap<ObjectId, PodStatus>,
    resources: BTreeMap<ObjectId, serde_json::Value>,
    /// The resources that the scenario's claims and triggers speak of.
    followed: Vec<ResourceRef>,
    /// The alerts that they speak of.
    followed_alerts: Vec<AlertRef>,
}

impl State {
    /// An onlooker that follows what the scenario speaks of.
    pub(crate) fn new(scenario: &scenario::Scenario) -> Self {
        let followed_alerts = scenario.alerts().map(|(alert, _)| alert.clone()).collect();
        Self { followed: scenario.followed(), followed_alerts, ..Self::default() }
    }

    fn follows(&self, alert: &AlertStatus) -> bool {
        self.followed_alerts.iter().any(|wanted| wanted.refers_to(&alert.alert, &alert.labels))
    }
}

/// Whether every alert that the scenario speaks of fires or is inactive: one that is pending has not decided
/// yet.
pub(crate) fn no_followed_alert_is_pending(world: &World<'_>) -> bool {
    world.observed.followed_alerts.is_empty()
        || !prometheus::pending_alerts(world).any(|alert| world.observed.follows(alert))
}

/// Notes what a change may have changed for the onlooker: the object, and what is seen through it. A
/// Rollout is seen through its replica sets, and these through their pods.
pub(crate) fn on_change(world: &mut World<'_>, change: &Change) {
    let ancestors = std::iter::successors(Some(change.id), |id| world.api.get(*id).owner);
    let seen: Vec<ObjectId> = ancestors.collect();
    world.observed.touched.extend(seen);
}

/// Writes an entry for everything that looks different since the last call.
pub(crate) fn write_changes(world: &mut World<'_>) {
    if world.observed.touched.is_empty() && world.observed.shown == world.entries.len() {
        return;
    }
    let touched = std::mem::take(&mut world.observed.touched);
    for id in &touched {
        write_change(world, *id);
    }
    for id in touched {
        let object = world.api.get(id);
        if world.observed.followed.iter().any(|wanted| refers_to(wanted, &object.key)) {
            write_resource(world, id);
        }
    }
    if world.entries[world.observed.shown..].iter().any(|entry| moves(world, &entry.event)) {
        world.observed.moved = world.now();
    }
    world.observed.shown = world.entries.len();
}

/// Whether an event keeps the run from settling. What clients experience does not, nor what is only
/// said about things, nor a container that is started again and again, nor an alert that the scenario does
/// not speak of.
fn moves(world: &World<'_>, event: &Event) -> bool {
    match event {
        Event::Requests(_) | Event::NotSimulated(_) | Event::Recorded(_) | Event::Rules(_) => false,
        Event::Alert(alert) => world.observed.follows(alert),
        Event::Pod(status) => {
            let pod = world.api.named("", "Pod", Some(&status.namespace), &status.pod);
            let pod = pod.and_then(kubernetes::as_pod);
            !pod.is_some_and(kubernetes::is_hopeless)
        }
        Event::RunStarted(_)
        | Event::ClockStarted(_)
        | Event::ActionPerformed(_)
        | Event::Commit(_)
        | Event::Application(_)
        | Event::ResourceSynced(_)
        | Event::Rollout(_)
        | Event::Scaled(_)
        | Event::AnalysisRun(_)
        | Event::Measurement(_)
        | Event::Resource(_)
        | Event::RunEnded(_) => true,
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
        Body::ReplicaSet(_)
        | Body::AnalysisRun(_)
        | Body::Experiment(_)
        | Body::Job(_)
        | Body::Deployment(..)
        | Body::Plain(_) => {}
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

/// Whether an object is one that the scenario speaks of; a name that ends in `*` is the start of one.
pub(crate) fn refers_to(wanted: &ResourceRef, key: &ObjectKey) -> bool {
    let name_fits = match wanted.name.strip_suffix('*') {
        Some(start) => key.name.starts_with(start),
        None => *key.name == *wanted.name,
    };
    let namespace_fits =
        wanted.namespace.is_none() || wanted.namespace.as_deref() == key.namespace.as_deref();
    *key.kind == *wanted.kind && name_fits && namespace_fits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn pods(world: &World<'_>) -> Vec<String> {
        testing::told(world, |event| match event {
            Event::Pod(pod) => Some(format!("{} {:?} {}", &pod.pod[..3], pod.phase, pod.reason)),
            _ => None,
        })
    }

    #[test]
    fn each_state_of_a_pod_is_told_once() {
        let one = testing::DEPLOYMENT.replace("replicas: 2", "replicas: 1");
        let mut world = testing::world("", &[("all.yaml", &one)]);
        testing::run_until(&mut world, 40);
        testing::patch(&mut world, "Deployment", "web", "{spec: {replicas: 0}}");
        testing::run_until(&mut world, 50);
        assert_eq!(
            pods(&world),
            [
                "0 web Pending ",
                "0 web Waiting ContainerCreating",
                "2 web Started ",
                "12 web Ready ",
                "40 web Deleted ",
            ]
        );
    }

    #[test]
    fn what_a_claim_or_a_trigger_speaks_of_is_told_whole_at_every_change() {
        let expect = "expect: [{resource: {kind: Deployment, name: web}, exists: true}]\n\
                      events: [{after: {resource: {kind: ConfigMap, name: 'conf*'}, exists: true}, traffic: {rate: 0/s}}]";
        let mut world = testing::world(expect, &[("all.yaml", testing::DEPLOYMENT)]);
        testing::run_until(&mut world, 30);
        testing::apply(&mut world, "{apiVersion: v1, kind: ConfigMap, metadata: {name: config}}");
        testing::apply(&mut world, "{apiVersion: v1, kind: ConfigMap, metadata: {name: another}}");
        let config = testing::id(&world, "ConfigMap", "config");
        testing::delete(&mut world, config);
        let written: Vec<_> = world
            .entries
            .iter()
            .filter_map(|entry| match &entry.event {
                Event::Resource(written) => Some(written),
                _ => None,
            })
            .collect();
        assert!(written.windows(2).all(|pair| pair[0] != pair[1]), "the same state is told twice");
        let names: Vec<&str> = written.iter().map(|written| written.resource.name.as_str()).collect();
        assert_eq!(names[names.len() - 2..], ["config", "config"]);
        assert!(names[..names.len() - 2].iter().all(|name| *name == "web"));
        let available = |at: usize| &written[at].object.as_ref().unwrap()["status"]["availableReplicas"];
        assert_eq!((available(0), available(written.len() - 3)), (&0.into(), &2.into()));
        assert_eq!(written[written.len() - 1].object, None);
    }

    #[test]
    fn only_what_moves_keeps_a_run_from_settling() {
        let mut world = testing::world("", &[]);
        testing::run_until(&mut world, 10);
        let id = testing::id(&world, "Namespace", "default");
        let mute: fn(&mut World<'_>, ObjectId) = |world, _| world.not_simulated("what", "where", "why");
        let told: fn(&mut World<'_>, ObjectId) =
            |world, id| world.record(Source::Kubernetes, id, true, "Reason", "message");
        for quiet in [mute, told] {
            quiet(&mut world, id);
            write_changes(&mut world);
            assert_eq!(world.observed.moved, Time::ZERO);
        }
        let end = timeline::RunEnded::because(timeline::EndReason::Settled);
        world.emit(Source::Rehearse, Event::RunEnded(end));
        write_changes(&mut world);
        assert_eq!(world.observed.moved, Time::from_secs(10));
    }
}
