//! Kubernetes' own controllers: Deployments, ReplicaSets, scheduler, kubelet, endpoints.

use std::sync::Arc;

use manifests::objects::PodTemplate;
use timeline::PodPhase;
use units::{Duration, Time};

use crate::api::ObjectId;

pub mod deployment;
pub mod endpoints;
pub mod kubelet;
pub mod replica_set;

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
    pub pod_labels: std::collections::BTreeMap<String, String>,
    /// Pods asked for.
    pub replicas: u32,
    /// How long a pod must be ready to count as available.
    pub min_ready: Duration,
    /// What the controller counted last.
    pub status: ReplicaSetStatus,
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
    /// Its count among all pods of the run, from 0; the purpose of its random stream.
    pub ordinal: u32,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Why it waits; empty otherwise.
    pub reason: String,
    /// The node that it was bound to.
    pub node: Option<u32>,
    /// When its container started last.
    pub started: Option<Time>,
    /// When its server has loaded the weights and answers; `None` before the container started and
    /// for a model that never gets there.
    pub serving_from: Option<Time>,
    /// Since when it is ready.
    pub ready_since: Option<Time>,
    /// The model version that its container started with: `MODEL_VERSION` of its environment.
    pub model: Option<Arc<str>>,
    /// `MODEL_NAME` of its environment.
    pub model_name: Option<Arc<str>>,
    /// When the kubelet looks at it next.
    pub next: Option<Time>,
}

/// What the Deployment controller keeps in its status.
#[derive(Debug, Clone, Default)]
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

/// The endpoints of a Service: the pods behind it that are ready.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Ready pods in the order of their creation.
    pub ready: Vec<ObjectId>,
    /// Pods that are selected and run, but are not ready.
    pub not_ready: Vec<ObjectId>,
}

/// What the timeline says of a pod.
pub(crate) fn observed(_world: &crate::World<'_>, _id: ObjectId) -> timeline::PodStatus {
    todo!("kubernetes")
}
