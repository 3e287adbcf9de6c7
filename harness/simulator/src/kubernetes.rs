//! Kubernetes' own controllers: Deployments, ReplicaSets, scheduler, kubelet, endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use manifests::objects::PodTemplate;
use timeline::{PodPhase, PodStatus, Role};
use units::{Duration, Time};

use crate::api::{Body, Object, ObjectId};
use crate::{World, rollouts};

pub mod deployment;
pub mod endpoints;
mod environment;
pub mod job;
pub mod kubelet;
pub mod replica_set;

pub use job::Job;
pub(crate) use job::as_job;

/// A ReplicaSet: its spec, and the status that its controller counts.
#[derive(Debug, Clone)]
pub struct ReplicaSet {
    /// What its pods are made of. Ephemeral metadata of a Rollout is merged in.
    pub template: Arc<PodTemplate>,
    /// The pod template's hash, as in its name and its pods' labels.
    pub hash: String,
    /// The label that carries the hash: `rollouts-pod-template-hash` or `pod-template-hash`.
    pub hash_label: &'static str,
    /// Labels that pods get beside the template's and the hash.
    pub pod_labels: BTreeMap<String, String>,
    /// Pods asked for.
    pub replicas: u32,
    /// How long a pod must be ready to count as available.
    pub min_ready: Duration,
    /// What the controller counted last.
    pub status: ReplicaSetStatus,
    /// What Argo Rollouts' controller notes on the sets of a Rollout.
    pub noted: rollouts::SetNotes,
}

/// What the ReplicaSet controller counts (`appsv1.ReplicaSetStatus`); terminating pods do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplicaSetStatus {
    /// Pods that exist.
    pub replicas: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Pods that have been ready for `min_ready`.
    pub available: u32,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// What it is made of.
    pub template: Arc<PodTemplate>,
    /// The GPUs that it asks for.
    pub gpus: i128,
    /// Its count among all pods of the run, from 0: the purpose of its random stream.
    pub ordinal: u32,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Why it waits; empty otherwise.
    pub reason: String,
    /// The node that it was bound to.
    pub node: Option<u32>,
    /// When its container started last.
    pub started: Option<Time>,
    /// How often its container was started again.
    pub restarts: u32,
    /// The restarts that the back-off counts: those after a long run count no more.
    pub back_off: u32,
    /// When its server begins to answer, its metrics included: once the weights are loaded, or at once
    /// where it says that it is ready before. `None` while no container runs.
    pub serving_from: Option<Time>,
    /// Since when it is ready.
    pub ready_since: Option<Time>,
    /// The model version that its container started with: `MODEL_VERSION` of its environment.
    pub model: Option<Arc<str>>,
    /// `MODEL_NAME` of its environment.
    pub model_name: Option<Arc<str>>,
    /// Its count among the pods of its model version, from 0.
    pub model_ordinal: u32,
    /// When the kubelet has to do with it next, and what for.
    pub next: Option<(Time, kubelet::Next)>,
}

/// What the Deployment controller keeps in its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// The generation that the controller acted on.
    pub observed_generation: u64,
    /// Pods of the current template.
    pub updated: u32,
    /// All pods.
    pub replicas: u32,
    /// Pods that are available.
    pub available: u32,
    /// The last time that it moved on.
    pub progressed: Time,
    /// The latest revision given to a ReplicaSet.
    pub revision: u64,
}

/// What the model of Kubernetes remembers outside of its objects.
#[derive(Debug, Default)]
pub struct State {
    pods: u32,
    pods_of_model: BTreeMap<Arc<str>, u32>,
    endpoints: BTreeMap<ObjectId, endpoints::Endpoints>,
}

impl State {
    /// The count of the next pod, from 0.
    fn next_pod(&mut self) -> u32 {
        self.pods += 1;
        self.pods - 1
    }

    /// The count of the next pod of a model version, from 0.
    fn next_pod_of_model(&mut self, version: &Arc<str>) -> u32 {
        let count = self.pods_of_model.entry(Arc::clone(version)).or_default();
        *count += 1;
        *count - 1
    }
}

impl ReplicaSet {
    /// A set of no pods yet.
    pub fn new(
        template: Arc<PodTemplate>,
        hash: String,
        hash_label: &'static str,
        min_ready: Duration,
    ) -> Self {
        let (pod_labels, status) = (BTreeMap::new(), ReplicaSetStatus::default());
        let noted = rollouts::SetNotes::default();
        Self { template, hash, hash_label, pod_labels, replicas: 0, min_ready, status, noted }
    }
}

/// The replica set in an object, where it is one.
pub fn as_replica_set(object: &Object) -> Option<&ReplicaSet> {
    let Body::ReplicaSet(set) = &object.body else { return None };
    Some(set)
}

/// The pod in an object, where it is one.
pub fn as_pod(object: &Object) -> Option<&Pod> {
    let Body::Pod(pod) = &object.body else { return None };
    Some(pod)
}

/// What the timeline says of a pod.
///
/// # Panics
/// If the object is no pod.
pub(crate) fn observed(world: &World<'_>, id: ObjectId) -> PodStatus {
    let object = world.api.get(id);
    let pod = as_pod(object).expect("the caller names a pod");
    let set = object.owner.map(|owner| world.api.get(owner));
    PodStatus {
        namespace: object.key.namespace.as_deref().unwrap_or_default().to_owned(),
        pod: object.key.name.to_string(),
        replica_set: set.map(|set| set.key.name.to_string()).unwrap_or_default(),
        role: set.map_or(Role::Other, |set| rollouts::role_of(world, set.id)),
        phase: pod.phase,
        model: pod.model.as_deref().map(str::to_owned),
        reason: pod.reason.clone(),
    }
}

/// Whether no pod changes by itself any more. One that waits for a ConfigMap that is not there, or
/// whose container was started again and again, counts as settled.
pub(crate) fn is_settled(world: &World<'_>) -> bool {
    let mut pods = world.api.of_kind("", "Pod").filter_map(as_pod);
    pods.all(|pod| pod.next.is_none() || is_hopeless(pod) || environment::is_missed(&pod.reason))
}

/// Whether a pod's container was started again so often that nobody waits for it.
pub(crate) fn is_hopeless(pod: &Pod) -> bool {
    pod.restarts > RESTARTS_UNTIL_HOPELESS
}

/// A container that was restarted more often than this is not waited for.
const RESTARTS_UNTIL_HOPELESS: u32 = 3;

/// Deletes everything in a namespace that is gone.
pub(crate) fn remove_contents(world: &mut World<'_>, namespace: ObjectId) {
    let name = world.api.get(namespace).key.name.clone();
    let inside = world.api.all().filter(|object| object.key.namespace.as_deref() == Some(&*name));
    for id in inside.map(|object| object.id).collect::<Vec<_>>() {
        world.api.delete(id);
    }
}
