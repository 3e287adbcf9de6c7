use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use yaml::{Node, Problem};

use super::values::nullable;

/// An object's identity within a cluster. The version is no part of it: `apps/v1` and `apps/v1beta1`
/// address the same Deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The API group, empty for the core group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The namespace; `None` for a cluster-wide object and for one whose manifest leaves it to the
    /// Application's destination.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The identity with these parts.
    pub fn new(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    /// The same object in `namespace`, if its kind has one and none was given.
    #[must_use]
    pub fn defaulted_to(mut self, namespace: &str) -> Self {
        match is_namespaced(&self.group, &self.kind) {
            Some(false) => self.namespace = None,
            Some(true) | None => {
                self.namespace.get_or_insert_with(|| namespace.into());
            }
        }
        self
    }
}

/// `argoproj.io/Rollout ai-inference/model-serving`; the core group is left out.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(f, "{}/", self.group)?;
        }
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// `apiVersion`, split.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// The group, empty for the core group.
    pub group: Arc<str>,
    /// The version.
    pub version: Arc<str>,
}

impl ApiVersion {
    /// Splits `apps/v1` or `v1`; `None` for anything with two slashes or an empty part.
    pub fn parse(text: &str) -> Option<Self> {
        let (group, version) = match text.split_once('/') {
            Some(("", _)) => return None,
            Some(parts) => parts,
            None => ("", text),
        };
        let valid = !version.is_empty() && !version.contains('/');
        valid.then(|| Self { group: group.into(), version: version.into() })
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.group {
            "" => f.write_str(&self.version),
            group => write!(f, "{group}/{}", self.version),
        }
    }
}

/// What every object says about itself (`metav1.ObjectMeta`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name; never empty in an object that was read.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The namespace, where the manifest gives one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// Labels.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: BTreeMap<String, String>,
    /// The identifier that the API server gave.
    #[serde(default)]
    pub uid: Option<String>,
    /// Finalizers.
    #[serde(default, deserialize_with = "nullable")]
    pub finalizers: Vec<String>,
}

impl Metadata {
    /// The value of an annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str)
    }
}

/// The group and version that a manifest is written in.
///
/// # Errors
/// No `apiVersion`, or one that is not `group/version`.
pub fn api_version(node: &Node) -> Result<ApiVersion, Problem> {
    let text = required_text(node, &["apiVersion"])?;
    ApiVersion::parse(text).ok_or_else(|| {
        node.at(&["apiVersion"])
            .unwrap_or(node)
            .problem(format!("`{text}` is not an apiVersion"))
            .with_help("write `v1` or `group/version`, such as `apps/v1`")
    })
}

/// The identity of the object in a manifest.
///
/// # Errors
/// Something that is not an object: no mapping, or no `apiVersion`, `kind` or `metadata.name`.
pub fn object_key(node: &Node) -> Result<ObjectKey, Problem> {
    let ApiVersion { group, .. } = api_version(node)?;
    let kind = required_text(node, &["kind"])?;
    let name = required_text(node, &["metadata", "name"])?;
    let namespace = match node.at(&["metadata", "namespace"]) {
        None => None,
        Some(value) if value.is_null() => None,
        Some(value) => Some(value.as_str().ok_or_else(|| {
            value.problem(format!("metadata.namespace must be text, not {}", value.kind()))
        })?),
    };
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    Ok(ObjectKey { group, ..ObjectKey::new("", kind, namespace, name) })
}

fn required_text<'a>(node: &'a Node, path: &[&str]) -> Result<&'a str, Problem> {
    if node.as_map().is_none() {
        return Err(node.problem(format!("an object belongs here, found {}", node.kind())));
    }
    let path_text = path.join(".");
    match node.at(path) {
        Some(value) => match value.as_str() {
            Some("") => Err(value.problem(format!("`{path_text}` is empty"))),
            Some(text) => Ok(text),
            None => Err(value.problem(format!("`{path_text}` must be text, not {}", value.kind()))),
        },
        None => Err(node
            .problem(format!("this is not a Kubernetes object: the key `{path_text}` is missing"))
            .with_help("every object has apiVersion, kind and metadata.name")),
    }
}

/// Whether objects of a kind live in a namespace; `None` for a kind that is not known here.
pub fn is_namespaced(group: &str, kind: &str) -> Option<bool> {
    let is_one_of = |kinds: &[(&str, &str)]| kinds.binary_search(&(group, kind)).is_ok();
    if is_one_of(CLUSTER_KINDS) {
        Some(false)
    } else if is_one_of(NAMESPACED_KINDS) {
        Some(true)
    } else {
        None
    }
}

/// In their order, as are the others.
const CLUSTER_KINDS: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("argoproj.io", "ClusterAnalysisTemplate"),
    ("external-secrets.io", "ClusterExternalSecret"),
    ("external-secrets.io", "ClusterSecretStore"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "StorageClass"),
];

const NAMESPACED_KINDS: &[(&str, &str)] = &[
    ("", "ConfigMap"),
    ("", "Endpoints"),
    ("", "Event"),
    ("", "LimitRange"),
    ("", "PersistentVolumeClaim"),
    ("", "Pod"),
    ("", "ReplicationController"),
    ("", "ResourceQuota"),
    ("", "Secret"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("apps", "ControllerRevision"),
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("argoproj.io", "AnalysisRun"),
    ("argoproj.io", "AnalysisTemplate"),
    ("argoproj.io", "AppProject"),
    ("argoproj.io", "Application"),
    ("argoproj.io", "ApplicationSet"),
    ("argoproj.io", "Experiment"),
    ("argoproj.io", "Rollout"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("coordination.k8s.io", "Lease"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("external-secrets.io", "ExternalSecret"),
    ("external-secrets.io", "SecretStore"),
    ("monitoring.coreos.com", "Alertmanager"),
    ("monitoring.coreos.com", "AlertmanagerConfig"),
    ("monitoring.coreos.com", "PodMonitor"),
    ("monitoring.coreos.com", "Probe"),
    ("monitoring.coreos.com", "Prometheus"),
    ("monitoring.coreos.com", "PrometheusRule"),
    ("monitoring.coreos.com", "ServiceMonitor"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("policy", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "Role"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_in_the_lists_is_found() {
        for (kinds, namespaced) in [(CLUSTER_KINDS, false), (NAMESPACED_KINDS, true)] {
            for (group, kind) in kinds {
                assert_eq!(is_namespaced(group, kind), Some(namespaced), "{group}/{kind}");
            }
        }
        assert_eq!(is_namespaced("apps", "Namespace"), None);
    }
}
