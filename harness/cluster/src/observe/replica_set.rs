//! ReplicaSets of Rollouts.

use manifests::objects::rollout::{HASH_LABEL, REVISION};
use serde_json::Value;

use super::owner_of;

/// A ReplicaSet of a Rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplicaSet {
    /// The Rollout.
    pub(super) owner: String,
    /// The pod template's hash.
    pub(super) hash: String,
    /// The Rollout's count of its pod templates.
    pub(super) revision: u64,
    /// Pods asked for.
    pub(super) desired: u32,
    /// Pods that exist.
    pub(super) created: u32,
    /// Pods that are ready.
    pub(super) ready: u32,
    /// Pods that are available.
    pub(super) available: u32,
}

impl ReplicaSet {
    /// Reads one; `None` for one of no Rollout.
    pub(super) fn read(object: &Value) -> Option<Self> {
        let number = |path: &str| {
            let number = object.pointer(path).and_then(Value::as_u64).unwrap_or(0);
            u32::try_from(number).unwrap_or(u32::MAX)
        };
        let metadata = &object["metadata"];
        let revision = metadata["annotations"][REVISION].as_str();
        Some(Self {
            owner: owner_of(object, "Rollout")?,
            hash: metadata["labels"][HASH_LABEL].as_str()?.to_owned(),
            revision: revision.and_then(|revision| revision.parse().ok()).unwrap_or(0),
            desired: number("/spec/replicas"),
            created: number("/status/replicas"),
            ready: number("/status/readyReplicas"),
            available: number("/status/availableReplicas"),
        })
    }
}
