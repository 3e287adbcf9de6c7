//! What Argo CD tells of Applications and their syncs.

use serde::{Deserialize, Serialize};

use super::ResourceName;

/// Argo CD's sync status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SyncStatus {
    /// Live and desired state could not be compared.
    Unknown,
    /// They agree.
    Synced,
    /// They differ.
    OutOfSync,
}

/// Argo CD's health status, from best to worst as Argo CD aggregates it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HealthStatus {
    /// Healthy.
    Healthy,
    /// Suspended or paused.
    Suspended,
    /// Not yet healthy, but could still become so.
    Progressing,
    /// Not in the cluster.
    Missing,
    /// It failed.
    Degraded,
    /// It could not be assessed.
    Unknown,
}

/// The phase of a sync operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OperationPhase {
    /// Under way, or waiting for a retry.
    Running,
    /// All resources were applied.
    Succeeded,
    /// A resource could not be applied, and no retry is left.
    Failed,
    /// The operation could not be started.
    Error,
}

/// The observable state of an Application: what `kubectl get application -o yaml` shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplicationStatus {
    /// Its name.
    pub application: String,
    /// Its sync status.
    pub sync: SyncStatus,
    /// Its aggregated health.
    pub health: HealthStatus,
    /// The commit that was last compared; empty before the first comparison.
    pub revision: String,
    /// The latest sync operation.
    pub operation: Option<Operation>,
    /// `Type: message` of each condition.
    pub conditions: Vec<String>,
    /// The resources that differ or are not healthy, as `Kind name: why`.
    pub resources: Vec<String>,
}

/// A sync operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its phase.
    pub phase: OperationPhase,
    /// Its message.
    pub message: String,
    /// The commit that it syncs.
    pub revision: String,
    /// How often it was retried.
    pub retries: u64,
    /// The count of self-heal attempts, 0 for an ordinary sync.
    pub self_heal_attempts: u64,
}

/// What a sync did to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncOutcome {
    /// It was created.
    Created,
    /// It was changed.
    Configured,
    /// It was already so.
    Unchanged,
    /// It was deleted.
    Pruned,
    /// It could not be written.
    Failed,
}

/// A sync handled one resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceSynced {
    /// The Application.
    pub application: String,
    /// The resource.
    pub resource: ResourceName,
    /// What was done.
    pub outcome: SyncOutcome,
    /// Why it failed, or empty.
    pub message: String,
}
