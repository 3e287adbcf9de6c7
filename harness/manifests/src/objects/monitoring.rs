//! Objects of prometheus-operator and of External Secrets.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;
use yaml::Node;

use super::Metadata;
use super::values::{IntOrString, LabelSelector, nullable};

/// A ServiceMonitor (prometheus-operator v0.85 `pkg/apis/monitoring/v1`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ServiceMonitor {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it scrapes.
    pub spec: ServiceMonitorSpec,
}

/// What a ServiceMonitor scrapes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitorSpec {
    /// Which Services.
    pub selector: LabelSelector,
    /// In which namespaces; its own where unset.
    #[serde(default, deserialize_with = "nullable")]
    pub namespace_selector: NamespaceSelector,
    /// How.
    #[serde(default, deserialize_with = "nullable")]
    pub endpoints: Vec<Endpoint>,
    /// Labels of the pods that become labels of the series.
    #[serde(default, deserialize_with = "nullable")]
    pub pod_target_labels: Vec<String>,
    /// Labels of the Service that become labels of the series.
    #[serde(default, deserialize_with = "nullable")]
    pub target_labels: Vec<String>,
    /// The label of the Service that gives the series' `job`; the Service's name where unset.
    #[serde(default, deserialize_with = "nullable")]
    pub job_label: String,
}

/// In which namespaces a monitor looks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// In all.
    #[serde(default, deserialize_with = "nullable")]
    pub any: bool,
    /// In these; where empty, in its own.
    #[serde(default, deserialize_with = "nullable")]
    pub match_names: Vec<String>,
}

/// How one port is scraped.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The name of the Service's port.
    #[serde(default)]
    pub port: Option<String>,
    /// The number or name of the container's port.
    #[serde(default)]
    pub target_port: Option<IntOrString>,
    /// The path; `/metrics` where unset.
    #[serde(default)]
    pub path: Option<String>,
    /// Prometheus duration between scrapes; the server's default where unset.
    #[serde(default)]
    pub interval: Option<String>,
    /// Prometheus duration after which a scrape has failed; the server's default where unset.
    #[serde(default)]
    pub scrape_timeout: Option<String>,
    /// Whether labels that the application exposes win over those of discovery.
    #[serde(default, deserialize_with = "nullable")]
    pub honor_labels: bool,
}

/// A PrometheusRule: its groups are kept as written, for the rule engine to read.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct PrometheusRule {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it holds.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: PrometheusRuleSpec,
    /// `spec.groups`, with places.
    #[serde(skip)]
    pub groups: Vec<Node>,
}

/// What a PrometheusRule holds.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct PrometheusRuleSpec {
    /// The groups.
    #[serde(default, deserialize_with = "nullable")]
    pub groups: Vec<Json>,
}

impl PrometheusRule {
    pub(crate) fn finish(&mut self, node: &Node) {
        self.groups = node.at(&["spec", "groups"]).and_then(Node::as_seq).unwrap_or(&[]).to_vec();
    }
}

/// An ExternalSecret (external-secrets `apis/externalsecrets/v1`, and `v1beta1` alike).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct ExternalSecret {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it fetches.
    pub spec: ExternalSecretSpec,
}

/// What an ExternalSecret fetches.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretSpec {
    /// A Go duration between fetches; 1h where unset, none or less for a single fetch.
    #[serde(default)]
    pub refresh_interval: Option<String>,
    /// `Periodic` (where unset), `OnChange` or `CreatedOnce`.
    #[serde(default)]
    pub refresh_policy: Option<String>,
    /// The store.
    #[serde(default)]
    pub secret_store_ref: Option<SecretStoreReference>,
    /// The Secret that is written.
    #[serde(default, deserialize_with = "nullable")]
    pub target: ExternalSecretTarget,
    /// The entries.
    #[serde(default, deserialize_with = "nullable")]
    pub data: Vec<ExternalSecretData>,
}

/// A store of secrets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SecretStoreReference {
    /// Its name.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// `SecretStore` (where empty) or `ClusterSecretStore`.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: String,
}

/// The Secret that an ExternalSecret writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretTarget {
    /// Its name; the ExternalSecret's where empty.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// `Owner` (where unset), `Orphan`, `Merge` or `None`.
    #[serde(default)]
    pub creation_policy: Option<String>,
    /// `Retain` (where unset), `Delete` or `Merge`.
    #[serde(default)]
    pub deletion_policy: Option<String>,
}

/// An entry of an ExternalSecret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalSecretData {
    /// The entry of the Secret.
    pub secret_key: String,
    /// The value's name in the store.
    pub remote_ref: RemoteReference,
}

/// A value in a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RemoteReference {
    /// Its name.
    pub key: String,
    /// The part of it.
    #[serde(default)]
    pub property: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<String>,
}

impl ExternalSecret {
    /// The name of the Secret that it writes.
    pub fn secret_name(&self) -> &str {
        match self.spec.target.name.as_str() {
            "" => &self.metadata.name,
            name => name,
        }
    }

    /// The names of the entries that it writes.
    pub fn entries(&self) -> BTreeMap<&str, &RemoteReference> {
        self.spec.data.iter().map(|entry| (entry.secret_key.as_str(), &entry.remote_ref)).collect()
    }
}
