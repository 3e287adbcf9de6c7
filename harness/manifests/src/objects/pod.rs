//! Pods and their templates (kubernetes `core/v1`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use units::Duration;
use yaml::{Node, Place};

use super::values::{IntOrString, Quantity, nullable};
use super::{Metadata, hash};

/// A pod as its controller stamps it out (`corev1.PodTemplateSpec`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct PodTemplate {
    /// Labels and annotations of the pods.
    #[serde(default, deserialize_with = "nullable")]
    pub metadata: PodMetadata,
    /// The pods.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: PodSpec,
    /// FNV-1a of the template as written, unmodelled fields included, in the alphabet of upstream's
    /// pod-template hash. Injective for practical purposes; the value differs from upstream's, which
    /// hashes its own Go structure.
    #[serde(skip)]
    pub hash: String,
}

/// Labels and annotations, without a name: templates, `canaryMetadata`, `stableMetadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct PodMetadata {
    /// Labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
}

impl PodTemplate {
    /// The [`hash`](Self::hash) of a template that is written so.
    pub fn hash_of(written: &Node) -> String {
        hash::of(written)
    }

    /// Fills in what serde cannot see: the hash, and where containers stand.
    pub(crate) fn finish(&mut self, node: Option<&Node>) {
        let Some(node) = node else { return };
        self.hash = Self::hash_of(node);
        self.spec.finish(node.get("spec"));
    }
}

/// A pod (`corev1.PodSpec`), as far as it decides when a pod is scheduled, starts, is ready and ends.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// The containers; all must be ready for the pod to be ready.
    #[serde(default, deserialize_with = "nullable")]
    pub containers: Vec<Container>,
    /// Containers that run first, one after the other.
    #[serde(default, deserialize_with = "nullable")]
    pub init_containers: Vec<Container>,
    /// Volumes.
    #[serde(default, deserialize_with = "nullable")]
    pub volumes: Vec<Volume>,
    /// Labels that the node must have.
    #[serde(default, deserialize_with = "nullable")]
    pub node_selector: BTreeMap<String, String>,
    /// Seconds between the request to end and the kill; 30 where unset.
    #[serde(default)]
    pub termination_grace_period_seconds: Option<i64>,
    /// `Always`, `OnFailure` or `Never`; empty stands for `Always`.
    #[serde(default, deserialize_with = "nullable")]
    pub restart_policy: String,
    /// Names of Secrets with registry credentials.
    #[serde(default, deserialize_with = "nullable")]
    pub image_pull_secrets: Vec<LocalReference>,
    /// The service account.
    #[serde(default, deserialize_with = "nullable")]
    pub service_account_name: String,
}

impl PodSpec {
    pub(crate) fn finish(&mut self, node: Option<&Node>) {
        for (containers, key) in
            [(&mut self.containers, "containers"), (&mut self.init_containers, "initContainers")]
        {
            let nodes = node.and_then(|node| node.get(key)).and_then(Node::as_seq).unwrap_or(&[]);
            for (container, node) in containers.iter_mut().zip(nodes) {
                container.place = Some(node.place.clone());
            }
        }
    }

    /// The sum of the containers' requests for a resource; a limit stands in for a missing request,
    /// as the API server defaults it. Init containers count by their maximum.
    pub fn request(&self, resource: &str) -> Quantity {
        let of = |container: &Container| container.resources.request(resource).milli;
        let running: i128 = self.containers.iter().map(of).fold(0, i128::saturating_add);
        let starting = self.init_containers.iter().map(of).max().unwrap_or(0);
        Quantity { milli: running.max(starting) }
    }

    /// Every resource that some container asks for.
    pub fn requests(&self) -> BTreeMap<&str, Quantity> {
        let containers = self.containers.iter().chain(&self.init_containers);
        let names = containers.flat_map(|c| c.resources.requests.keys().chain(c.resources.limits.keys()));
        names.map(|name| (name.as_str(), self.request(name))).collect()
    }

    /// The time between the request to end and the kill.
    pub fn termination_grace_period(&self) -> Duration {
        let seconds = self.termination_grace_period_seconds.unwrap_or(30);
        Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
    }
}

/// The name of an object in the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LocalReference {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
}

/// A container (`corev1.Container`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The image.
    #[serde(default, deserialize_with = "nullable")]
    pub image: String,
    /// The command, in place of the image's entry point.
    #[serde(default, deserialize_with = "nullable")]
    pub command: Vec<String>,
    /// Its arguments.
    #[serde(default, deserialize_with = "nullable")]
    pub args: Vec<String>,
    /// Environment variables.
    #[serde(default, deserialize_with = "nullable")]
    pub env: Vec<EnvVar>,
    /// ConfigMaps and Secrets whose every entry is an environment variable; later ones win, `env` wins
    /// over all.
    #[serde(default, deserialize_with = "nullable")]
    pub env_from: Vec<EnvFrom>,
    /// Ports.
    #[serde(default, deserialize_with = "nullable")]
    pub ports: Vec<ContainerPort>,
    /// Requests and limits.
    #[serde(default, deserialize_with = "nullable")]
    pub resources: Resources,
    /// Whether it may receive traffic.
    #[serde(default)]
    pub readiness_probe: Option<Probe>,
    /// Whether it has started; the other probes wait for it.
    #[serde(default)]
    pub startup_probe: Option<Probe>,
    /// Whether it must be restarted.
    #[serde(default)]
    pub liveness_probe: Option<Probe>,
    /// `Always` makes an init container a sidecar.
    #[serde(default)]
    pub restart_policy: Option<String>,
    /// Where it stands.
    #[serde(skip)]
    pub place: Option<Place>,
}

/// An environment variable (`corev1.EnvVar`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The value.
    #[serde(default)]
    pub value: Option<String>,
    /// Where the value comes from.
    #[serde(default)]
    pub value_from: Option<EnvSource>,
}

/// Where an environment variable's value comes from; exactly one is set in a valid pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvSource {
    /// An entry of a ConfigMap.
    #[serde(default)]
    pub config_map_key_ref: Option<KeyReference>,
    /// An entry of a Secret.
    #[serde(default)]
    pub secret_key_ref: Option<KeyReference>,
    /// A field of the pod.
    #[serde(default)]
    pub field_ref: Option<FieldReference>,
}

/// An entry of a ConfigMap or Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct KeyReference {
    /// The object's name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The entry.
    #[serde(default, deserialize_with = "nullable")]
    pub key: String,
    /// Whether the pod starts without it.
    #[serde(default, deserialize_with = "nullable")]
    pub optional: bool,
}

/// A field of the pod, or of the Rollout in analysis arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldReference {
    /// The path, such as `metadata.labels['role']`.
    #[serde(default, deserialize_with = "nullable")]
    pub field_path: String,
}

/// A ConfigMap or Secret whose entries become environment variables (`corev1.EnvFromSource`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvFrom {
    /// Put before every name.
    #[serde(default, deserialize_with = "nullable")]
    pub prefix: String,
    /// The ConfigMap.
    #[serde(default)]
    pub config_map_ref: Option<OptionalReference>,
    /// The Secret.
    #[serde(default)]
    pub secret_ref: Option<OptionalReference>,
}

/// A ConfigMap or Secret that may be allowed to be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct OptionalReference {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// Whether the pod starts without it.
    #[serde(default, deserialize_with = "nullable")]
    pub optional: bool,
}

/// A port (`corev1.ContainerPort`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// The name that Services refer to.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The number.
    #[serde(default, deserialize_with = "nullable")]
    pub container_port: i32,
    /// `TCP`, `UDP` or `SCTP`; empty stands for `TCP`.
    #[serde(default, deserialize_with = "nullable")]
    pub protocol: String,
}

/// What a container asks for and may use at most.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Resources {
    /// What the scheduler reserves, by resource: `cpu`, `memory`, `nvidia.com/gpu`.
    #[serde(default, deserialize_with = "nullable")]
    pub requests: BTreeMap<String, Quantity>,
    /// What it may use at most.
    #[serde(default, deserialize_with = "nullable")]
    pub limits: BTreeMap<String, Quantity>,
}

impl Resources {
    /// What is reserved of a resource: the request, else the limit, else nothing.
    pub fn request(&self, resource: &str) -> Quantity {
        self.requests.get(resource).or_else(|| self.limits.get(resource)).copied().unwrap_or_default()
    }
}

/// A probe (`corev1.Probe`). Zero stands for upstream's default in every number but the initial delay.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Seconds after the container's start before the first probe.
    #[serde(default, deserialize_with = "nullable")]
    pub initial_delay_seconds: i32,
    /// Seconds between probes.
    #[serde(default, deserialize_with = "nullable")]
    pub period_seconds: i32,
    /// Seconds after which a probe has failed.
    #[serde(default, deserialize_with = "nullable")]
    pub timeout_seconds: i32,
    /// Successes in a row that make it successful.
    #[serde(default, deserialize_with = "nullable")]
    pub success_threshold: i32,
    /// Failures in a row that make it fail.
    #[serde(default, deserialize_with = "nullable")]
    pub failure_threshold: i32,
    /// The request, where it is an HTTP probe.
    #[serde(default)]
    pub http_get: Option<HttpGet>,
}

impl Probe {
    /// Time between the container's start and the first probe.
    pub fn initial_delay(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.initial_delay_seconds).unwrap_or(0))
    }

    /// Time between probes; 10 s where unset.
    pub fn period(&self) -> Duration {
        Duration::from_secs(or_default(self.period_seconds, 10))
    }

    /// Time after which a probe has failed; 1 s where unset.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(or_default(self.timeout_seconds, 1))
    }

    /// Successes in a row; 1 where unset.
    pub fn successes(&self) -> u32 {
        or_default(self.success_threshold, 1) as u32
    }

    /// Failures in a row; 3 where unset.
    pub fn failures(&self) -> u32 {
        or_default(self.failure_threshold, 3) as u32
    }
}

fn or_default(value: i32, default: u64) -> u64 {
    u64::try_from(value).ok().filter(|value| *value > 0).unwrap_or(default)
}

/// An HTTP probe.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HttpGet {
    /// The path.
    #[serde(default, deserialize_with = "nullable")]
    pub path: String,
    /// The port's number or name.
    pub port: IntOrString,
}

/// A volume, as far as its source can keep a pod from starting.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// A ConfigMap.
    #[serde(default)]
    pub config_map: Option<ConfigMapVolume>,
    /// A Secret.
    #[serde(default)]
    pub secret: Option<SecretVolume>,
    /// A claim.
    #[serde(default)]
    pub persistent_volume_claim: Option<ClaimVolume>,
}

/// A ConfigMap as a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ConfigMapVolume {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The entries that become files; all where empty. Each must exist for the pod to start.
    #[serde(default, deserialize_with = "nullable")]
    pub items: Vec<VolumeItem>,
    /// Whether the pod starts without it.
    #[serde(default, deserialize_with = "nullable")]
    pub optional: bool,
}

/// An entry that becomes a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct VolumeItem {
    /// The entry.
    #[serde(default, deserialize_with = "nullable")]
    pub key: String,
}

/// A Secret as a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretVolume {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub secret_name: String,
    /// The entries that become files; all where empty. Each must exist for the pod to start.
    #[serde(default, deserialize_with = "nullable")]
    pub items: Vec<VolumeItem>,
    /// Whether the pod starts without it.
    #[serde(default, deserialize_with = "nullable")]
    pub optional: bool,
}

/// A claim as a volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimVolume {
    /// The name.
    #[serde(default, deserialize_with = "nullable")]
    pub claim_name: String,
}

/// A pod that stands alone.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Pod {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it runs.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: PodSpec,
}

impl Pod {
    pub(crate) fn finish(&mut self, node: &Node) {
        self.spec.finish(node.get("spec"));
    }
}
