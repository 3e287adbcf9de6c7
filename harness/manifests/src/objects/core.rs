//! ConfigMaps, Secrets, Services and the other small kinds of the core group.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Metadata;
use super::values::{IntOrString, Quantity, nullable};

/// A ConfigMap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its entries.
    #[serde(default, deserialize_with = "nullable")]
    pub data: BTreeMap<String, String>,
    /// Its entries that are not text, in base64.
    #[serde(default, deserialize_with = "nullable")]
    pub binary_data: BTreeMap<String, String>,
    /// Whether its entries may never change.
    #[serde(default, deserialize_with = "nullable")]
    pub immutable: bool,
}

/// A Secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Its metadata.
    pub metadata: Metadata,
    /// Its entries in base64.
    #[serde(default, deserialize_with = "nullable")]
    pub data: BTreeMap<String, String>,
    /// Its entries as text; they win over `data`.
    #[serde(default, deserialize_with = "nullable")]
    pub string_data: BTreeMap<String, String>,
    /// What it is for; empty stands for `Opaque`.
    #[serde(default, rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// Whether its entries may never change.
    #[serde(default, deserialize_with = "nullable")]
    pub immutable: bool,
}

/// A Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Service {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it is.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: ServiceSpec,
}

/// What a Service is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Labels of the pods that it leads to; empty for none.
    #[serde(default, deserialize_with = "nullable")]
    pub selector: BTreeMap<String, String>,
    /// Its ports.
    #[serde(default, deserialize_with = "nullable")]
    pub ports: Vec<ServicePort>,
    /// `ClusterIP` (where empty), `NodePort`, `LoadBalancer` or `ExternalName`.
    #[serde(default, rename = "type", deserialize_with = "nullable")]
    pub kind: String,
    /// `None` for a headless Service.
    #[serde(default, rename = "clusterIP", deserialize_with = "nullable")]
    pub cluster_ip: String,
    /// Whether pods that are not ready are led to as well.
    #[serde(default, deserialize_with = "nullable")]
    pub publish_not_ready_addresses: bool,
}

/// A Service's port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// The name that monitors refer to.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// The number.
    pub port: i32,
    /// The number or name of the container's port; `port` where unset.
    #[serde(default)]
    pub target_port: Option<IntOrString>,
    /// `TCP` (where empty), `UDP` or `SCTP`.
    #[serde(default, deserialize_with = "nullable")]
    pub protocol: String,
}

/// A Namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Namespace {
    /// Its metadata.
    pub metadata: Metadata,
}

/// A ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ServiceAccount {
    /// Its metadata.
    pub metadata: Metadata,
}

/// A claim on storage.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct PersistentVolumeClaim {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it claims.
    #[serde(default, deserialize_with = "nullable")]
    pub spec: PersistentVolumeClaimSpec,
}

/// What a claim asks for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeClaimSpec {
    /// `ReadWriteOnce`, `ReadWriteMany`, ...
    #[serde(default, deserialize_with = "nullable")]
    pub access_modes: Vec<String>,
    /// The class; the cluster's default where unset.
    #[serde(default)]
    pub storage_class_name: Option<String>,
    /// How much.
    #[serde(default, deserialize_with = "nullable")]
    pub resources: StorageRequest,
}

/// How much storage is claimed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct StorageRequest {
    /// By resource: `storage`.
    #[serde(default, deserialize_with = "nullable")]
    pub requests: BTreeMap<String, Quantity>,
}
