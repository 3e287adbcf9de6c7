//! What an onlooker sees of a cluster: changes of its objects in, entries of the timeline out.
//!
//! [`Onlooker`] is pure. It keeps the latest state of every object that the timeline speaks of and tells
//! of each change of what can be observed, as the simulator's onlooker does.

use std::collections::{BTreeMap, BTreeSet};

use scenario::ResourceRef;
use serde_json::Value;
use timeline::{
    ApplicationStatus, Entry, Event, PodPhase, PodStatus, ResourceName, ResourceWritten, Role, RolloutStatus,
    Source,
};
use units::Time;

mod analysis;
mod application;
mod event;
mod pod;
mod replica_set;
mod rollout;

use analysis::Runs;
use pod::Environments;
use replica_set::ReplicaSet;

/// A namespace and a name.
type Name = (String, String);

/// A change of an object.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// The object as it is now, or as it was last.
    pub(crate) object: Value,
    /// Whether it is gone.
    pub(crate) gone: bool,
}

/// Sees changes and tells of them.
#[derive(Debug, Default)]
pub(crate) struct Onlooker {
    applications: BTreeMap<String, ApplicationStatus>,
    syncs: BTreeSet<String>,
    rollouts: BTreeMap<Name, Value>,
    told_rollouts: BTreeMap<Name, RolloutStatus>,
    sets: BTreeMap<Name, ReplicaSet>,
    pods: BTreeMap<Name, PodStatus>,
    /// The order in which pods were first seen.
    ages: BTreeMap<Name, u64>,
    environments: Environments,
    runs: Runs,
    events: BTreeSet<String>,
    followed: Vec<ResourceRef>,
    resources: BTreeMap<ResourceName, Value>,
    entries: Vec<Entry>,
}

impl Onlooker {
    /// An onlooker that follows the resources that the scenario speaks of.
    pub(crate) fn new(followed: Vec<ResourceRef>) -> Self {
        Self { followed, ..Self::default() }
    }

    /// What a change shows.
    pub(crate) fn see(&mut self, at: Time, change: &Change) -> Vec<Entry> {
        let object = &change.object;
        match object["kind"].as_str().unwrap_or_default() {
            "Application" => self.see_application(at, change),
            "Rollout" => self.see_rollout(at, change),
            "ReplicaSet" => self.see_replica_set(at, change),
            "Pod" => self.see_pod(at, change),
            "AnalysisRun" => {
                for event in self.runs.see(change) {
                    self.tell(at, Source::Analysis, event);
                }
            }
            "ConfigMap" => self.environments.see_config_map(change),
            "Event" => self.see_event(at, object),
            _ => {}
        }
        self.see_followed(at, change);
        std::mem::take(&mut self.entries)
    }

    /// What a pod is to its Rollout, and that Rollout's name and step.
    pub(crate) fn answered(&self, pod: &str) -> Option<(Role, String, Option<u32>)> {
        let ((namespace, _), status) = self.pods.iter().find(|((_, name), _)| name == pod)?;
        let set = self.sets.get(&(namespace.clone(), status.replica_set.clone()))?;
        let rollout = self.told_rollouts.get(&(namespace.clone(), set.owner.clone()));
        Some((status.role, set.owner.clone(), rollout.and_then(|rollout| rollout.step)))
    }

    /// The same for an answer that names no pod but a model version: `None` unless all running pods of that
    /// version are the same to the same Rollout.
    pub(crate) fn answered_as(&self, model: &str) -> Option<(Role, String, Option<u32>)> {
        let of_model = |pod: &&PodStatus| runs(pod) && pod.model.as_deref() == Some(model);
        let mut answered = self.pods.values().filter(of_model).map(|pod| self.answered(&pod.pod));
        let first = answered.next()?;
        answered.all(|other| other == first).then_some(first)?
    }

    /// The pods of a Rollout, named `name` or `namespace/name`, that have a node, the oldest first.
    pub(crate) fn pods_of(&self, rollout: &str, role: Option<Role>) -> Vec<Name> {
        let (namespace, name) = match rollout.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, rollout),
        };
        let of_rollout = |(place, _): &Name, pod: &PodStatus| {
            let set = self.sets.get(&(place.clone(), pod.replica_set.clone()));
            set.is_some_and(|set| set.owner == name) && namespace.is_none_or(|namespace| namespace == place)
        };
        let wanted = |pod: &PodStatus| {
            role.is_none_or(|role| pod.role == role)
                && !matches!(pod.phase, PodPhase::Pending | PodPhase::Terminating | PodPhase::Deleted)
        };
        let mut pods: Vec<(u64, Name)> = self
            .pods
            .iter()
            .filter(|(name, pod)| of_rollout(name, pod) && wanted(pod))
            .map(|(name, _)| (self.ages.get(name).copied().unwrap_or(u64::MAX), name.clone()))
            .collect();
        pods.sort();
        pods.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether nothing is under way: every Application is compared and at rest, no Rollout moves, and no
    /// pod is on its way to readiness.
    pub(crate) fn is_settled(&self) -> bool {
        let at_rest = |app: &ApplicationStatus| {
            app.operation.as_ref().is_none_or(|it| it.phase != timeline::OperationPhase::Running)
        };
        self.applications.values().all(at_rest)
            && self.rollouts.iter().all(|(name, object)| rollout::is_settled(object, self.sets_of(name)))
    }

    /// Whether every Application has compared this commit.
    pub(crate) fn has_compared(&self, head: &str) -> bool {
        self.applications.values().all(|app| app.revision == head)
    }

    /// Whether everything that was applied is in place: Applications Synced and Healthy, Rollouts Healthy.
    pub(crate) fn is_in_place(&self) -> bool {
        let fine = |app: &ApplicationStatus| {
            app.sync == timeline::SyncStatus::Synced && app.health == timeline::HealthStatus::Healthy
        };
        let healthy = |it: &RolloutStatus| it.phase == timeline::RolloutPhase::Healthy;
        !self.applications.is_empty()
            && self.applications.values().all(fine)
            && self.told_rollouts.values().all(healthy)
            && self.told_rollouts.len() == self.rollouts.len()
    }

    fn tell(&mut self, at: Time, source: Source, event: Event) {
        self.entries.push(Entry { at, source, event });
    }

    fn see_application(&mut self, at: Time, change: &Change) {
        if change.gone {
            return;
        }
        for synced in application::synced(&change.object, &mut self.syncs) {
            self.tell(at, Source::ArgoCd, Event::ResourceSynced(synced));
        }
        let Some(status) = application::status(&change.object) else { return };
        if self.applications.get(&status.application) != Some(&status) {
            self.applications.insert(status.application.clone(), status.clone());
            self.tell(at, Source::ArgoCd, Event::Application(status));
        }
    }

    fn see_rollout(&mut self, at: Time, change: &Change) {
        let name = name_of(&change.object);
        if change.gone {
            self.rollouts.remove(&name);
            return;
        }
        self.rollouts.insert(name.clone(), change.object.clone());
        self.tell_rollout(at, &name);
        self.tell_roles(at, &name);
    }

    fn see_replica_set(&mut self, at: Time, change: &Change) {
        let name = name_of(&change.object);
        let Some(set) = ReplicaSet::read(&change.object) else { return };
        let before = self.sets.get(&name).map_or(0, |set| set.desired);
        let now = if change.gone { 0 } else { set.desired };
        if before != now {
            let role = self.role_of(&name.0, &set);
            let scaled = timeline::Scaled {
                namespace: name.0.clone(),
                replica_set: name.1.clone(),
                owner: set.owner.clone(),
                role,
                from: before,
                to: now,
            };
            self.tell(at, Source::Rollouts, Event::Scaled(scaled));
        }
        let owner = (name.0.clone(), set.owner.clone());
        if change.gone {
            self.sets.remove(&name);
        } else {
            self.sets.insert(name, set);
        }
        self.tell_rollout(at, &owner);
        self.tell_roles(at, &owner);
    }

    fn see_pod(&mut self, at: Time, change: &Change) {
        let name = name_of(&change.object);
        let Some(mut status) = pod::status(change, self.pods.get(&name), &mut self.environments) else {
            return;
        };
        let next = self.ages.len() as u64;
        self.ages.entry(name.clone()).or_insert(next);
        let set = self.sets.get(&(name.0.clone(), status.replica_set.clone()));
        let owner = set.map(|set| (name.0.clone(), set.owner.clone()));
        status.role = set.map_or(Role::Other, |set| self.role_of(&name.0, set));
        self.tell_pod(at, &name, status);
        if change.gone {
            self.pods.remove(&name);
        }
        if let Some(owner) = owner {
            self.tell_rollout(at, &owner);
        }
    }

    fn see_event(&mut self, at: Time, object: &Value) {
        if let Some((source, recorded)) = event::recorded(object, &mut self.events) {
            self.tell(at, source, Event::Recorded(recorded));
        }
    }

    fn see_followed(&mut self, at: Time, change: &Change) {
        let object = &change.object;
        let text = |key: &str| object.pointer(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let resource = ResourceName {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        };
        if !self.followed.iter().any(|wanted| refers_to(wanted, &resource)) {
            return;
        }
        let object = (!change.gone).then(|| shown(object));
        let seen = match &object {
            Some(object) => self.resources.insert(resource.clone(), object.clone()),
            None => self.resources.remove(&resource),
        };
        if seen != object {
            self.tell(at, Source::Kubernetes, Event::Resource(ResourceWritten { resource, object }));
        }
    }

    fn tell_rollout(&mut self, at: Time, name: &Name) {
        let Some(object) = self.rollouts.get(name) else { return };
        let Some(status) = rollout::status(object, self.sets_of(name), &self.models()) else { return };
        if self.told_rollouts.get(name) != Some(&status) {
            self.told_rollouts.insert(name.clone(), status.clone());
            self.tell(at, Source::Rollouts, Event::Rollout(status));
        }
    }

    /// A pod's role follows from its Rollout's status.
    fn tell_roles(&mut self, at: Time, owner: &Name) {
        let pods: Vec<(Name, PodStatus)> =
            self.pods.iter().map(|(name, it)| (name.clone(), it.clone())).collect();
        for (name, mut status) in pods.into_iter().filter(|(name, _)| name.0 == owner.0) {
            let set = self.sets.get(&(name.0.clone(), status.replica_set.clone()));
            if let Some(set) = set.filter(|set| set.owner == owner.1) {
                status.role = self.role_of(&name.0, set);
                self.tell_pod(at, &name, status);
            }
        }
    }

    fn tell_pod(&mut self, at: Time, name: &Name, status: PodStatus) {
        if self.pods.get(name) != Some(&status) {
            self.pods.insert(name.clone(), status.clone());
            self.tell(at, Source::Kubernetes, Event::Pod(status));
        }
    }

    fn role_of(&self, namespace: &str, set: &ReplicaSet) -> Role {
        let rollout = self.rollouts.get(&(namespace.to_owned(), set.owner.clone()));
        rollout.map_or(Role::Other, |rollout| rollout::role_of(rollout, &set.hash))
    }

    fn sets_of<'a>(&'a self, rollout: &'a Name) -> impl Iterator<Item = (&'a str, &'a ReplicaSet)> + Clone {
        let of_rollout = self
            .sets
            .iter()
            .filter(|((namespace, _), set)| *namespace == rollout.0 && set.owner == rollout.1);
        of_rollout.map(|((_, name), set)| (name.as_str(), set))
    }

    /// The model versions that the running pods of each ReplicaSet started with.
    fn models(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut models: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for pod in self.pods.values() {
            if let Some(model) = pod.model.as_ref().filter(|_| runs(pod)) {
                models.entry(pod.replica_set.clone()).or_default().insert(model.clone());
            }
        }
        models
    }
}

/// Whether a pod's container is up.
fn runs(pod: &PodStatus) -> bool {
    matches!(pod.phase, PodPhase::Started | PodPhase::Ready | PodPhase::NotReady)
}

fn name_of(object: &Value) -> Name {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// The name of the controller of this kind that owns an object.
fn owner_of(object: &Value, kind: &str) -> Option<String> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let owner = owners.iter().find(|owner| owner["kind"] == kind)?;
    owner["name"].as_str().map(str::to_owned)
}

/// An object as people look at it: without the record of who wrote which field.
fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}

/// Whether a resource is one that the scenario speaks of; a name that ends in `*` is the start of one.
pub(crate) fn refers_to(wanted: &ResourceRef, resource: &ResourceName) -> bool {
    let name_fits = match wanted.name.strip_suffix('*') {
        Some(start) => resource.name.starts_with(start),
        None => resource.name == wanted.name,
    };
    let namespace_fits = wanted.namespace.as_ref().is_none_or(|namespace| *namespace == resource.namespace);
    wanted.kind == resource.kind && name_fits && namespace_fits
}

#[cfg(test)]
mod tests;
