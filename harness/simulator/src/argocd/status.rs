//! What the controller keeps in an Application (argo-cd v3.2 pkg/apis/application/v1alpha1/types.go).

use std::fmt;
use std::sync::Arc;

use manifests::objects::ObjectKey;
use manifests::objects::application::{ApplicationSource, Destination, IgnoreDifference, Retry};
use timeline::{HealthStatus, OperationPhase, SyncStatus};
use units::Time;

/// An Application's status, and its `operation` field, which is no part of its spec either.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ApplicationStatus {
    /// Whether live and desired state agree; `None` before the first comparison.
    pub sync: Option<SyncStatus>,
    /// The commit that was compared last; the target revision as written where none could be.
    pub revision: String,
    /// The spec that was compared last.
    pub compared_to: Option<ComparedTo>,
    /// The aggregated health.
    pub health: Option<HealthStatus>,
    /// When a comparison of level 2 or 3 was made last, in whole seconds.
    pub reconciled_at: Option<Time>,
    /// The operation that is asked for or under way.
    pub operation: Option<Operation>,
    /// How the latest operation goes.
    pub operation_state: Option<OperationState>,
    /// In the order of type and message.
    pub conditions: Vec<Condition>,
    /// Every managed resource.
    pub resources: Vec<ResourceStatus>,
    /// The syncs that succeeded, oldest first.
    pub history: Vec<Deployed>,
}

/// The parts of the spec that a comparison depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparedTo {
    /// Where the manifests came from.
    pub source: ApplicationSource,
    /// Where the objects go.
    pub destination: Destination,
    /// Differences that did not count.
    pub ignore_differences: Vec<IgnoreDifference>,
}

/// What a condition is about. The order is that of the names, which conditions are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ConditionType {
    ComparisonError,
    InvalidSpecError,
    RepeatedResourceWarning,
    SharedResourceWarning,
    SyncError,
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// What it is about.
    pub kind: ConditionType,
    /// What is to be said.
    pub message: String,
}

impl Condition {
    /// A condition.
    pub fn new(kind: ConditionType, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

/// A managed resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceStatus {
    /// Which one.
    pub key: ObjectKey,
    /// Whether it agrees with Git.
    pub sync: SyncStatus,
    /// Whether it is only in the cluster.
    pub requires_pruning: bool,
    /// Its own health; `None` where nothing judges its kind.
    pub health: Option<HealthStatus>,
}

/// A sync that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The commit; empty for the newest one of the source's target revision.
    pub revision: String,
    /// Where the manifests come from.
    pub source: ApplicationSource,
    /// Whether resources that are not in Git are deleted.
    pub prune: bool,
    /// `CreateNamespace=true` and the like.
    pub options: Vec<String>,
    /// What happens after a failure.
    pub retry: Retry,
    /// Whether the controller started it.
    pub automated: bool,
    /// The resources of a partial sync; empty for all.
    pub resources: Vec<SelectedResource>,
    /// Which self-heal attempt it is, from 1; 0 for an ordinary sync.
    pub self_heal_attempts: u32,
}

impl Operation {
    /// Whether an option such as `PruneLast=true` is set.
    pub fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }
}

/// A resource of a partial sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedResource {
    /// The API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// How an operation goes.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationState {
    /// What was asked for.
    pub operation: Operation,
    /// Where it is.
    pub phase: OperationPhase,
    /// The message beside the phase.
    pub message: String,
    /// When it began, in whole seconds.
    pub started_at: Time,
    /// When it ended, in whole seconds; set in phase Running while a retry is waited for.
    pub finished_at: Option<Time>,
    /// How often it was retried.
    pub retry_count: u32,
    /// What was done so far.
    pub sync_result: Option<SyncResult>,
    /// Until when the pause between two waves lasts.
    pub wave_pause_until: Option<Time>,
}

impl OperationState {
    /// The state of an operation that begins now.
    pub fn new(operation: Operation, now: Time) -> Self {
        Self {
            operation,
            phase: OperationPhase::Running,
            message: String::new(),
            started_at: now.truncated_to_secs(),
            finished_at: None,
            retry_count: 0,
            sync_result: None,
            wave_pause_until: None,
        }
    }

    /// Whether it is over.
    pub fn is_complete(&self) -> bool {
        self.phase != OperationPhase::Running
    }
}

/// What an operation did so far.
#[derive(Debug, Clone, PartialEq)]
pub struct SyncResult {
    /// The commit.
    pub revision: String,
    /// Where the manifests come from.
    pub source: ApplicationSource,
    /// What was done to each resource.
    pub resources: Vec<ResourceResult>,
}

/// What an operation did to a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceResult {
    /// The resource.
    pub key: ObjectKey,
    /// The phase of the sync that it belongs to.
    pub sync_phase: SyncPhase,
    /// What was done.
    pub code: ResultCode,
    /// How it went on.
    pub phase: OperationPhase,
    /// The message of the API server, or of its health.
    pub message: String,
}

/// The phases of a sync, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncPhase {
    /// Before anything else: the namespace.
    PreSync,
    /// The resources.
    Sync,
}

/// What a sync did to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResultCode {
    /// It was applied.
    Synced,
    /// It was not.
    SyncFailed,
    /// It was deleted.
    Pruned,
    /// It was left, since pruning is off.
    PruneSkipped,
}

impl ResultCode {
    /// The phase that a resource is in right after (gitops-engine pkg/sync: operationPhases).
    pub fn phase(self) -> OperationPhase {
        match self {
            Self::Synced => OperationPhase::Running,
            Self::SyncFailed => OperationPhase::Failed,
            Self::Pruned | Self::PruneSkipped => OperationPhase::Succeeded,
        }
    }
}

/// A sync that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// Its number, from 0.
    pub id: u64,
    /// The commit.
    pub revision: String,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub deployed_at: Time,
    /// Whether the controller started it.
    pub automated: bool,
}

impl ApplicationStatus {
    /// Replaces the conditions of the given types, and keeps the others (`SetConditions`).
    pub fn set_conditions(&mut self, conditions: Vec<Condition>, evaluated: &[ConditionType]) {
        self.conditions.retain(|condition| !evaluated.contains(&condition.kind));
        self.conditions.extend(conditions);
        self.conditions.sort();
    }

    /// Whether there is a condition of that type.
    pub fn has_condition(&self, kind: ConditionType) -> bool {
        self.conditions.iter().any(|condition| condition.kind == kind)
    }

    /// What the timeline says of it; `None` before the controller has seen it.
    pub(super) fn observed(&self, name: &str) -> Option<timeline::ApplicationStatus> {
        Some(timeline::ApplicationStatus {
            application: name.to_owned(),
            sync: self.sync?,
            health: self.health?,
            revision: self.revision.clone(),
            operation: self.operation_state.as_ref().map(OperationState::observed),
            conditions: self.conditions.iter().map(ToString::to_string).collect(),
            resources: self.resources.iter().filter_map(ResourceStatus::complaint).collect(),
        })
    }
}

impl OperationState {
    fn observed(&self) -> timeline::Operation {
        let result = self.sync_result.as_ref();
        timeline::Operation {
            phase: self.phase,
            message: self.message.clone(),
            revision: result.map_or(&self.operation.revision, |result| &result.revision).clone(),
            retries: self.retry_count.into(),
            self_heal_attempts: self.operation.self_heal_attempts.into(),
        }
    }
}

impl ResourceStatus {
    /// `Kind name: why`, where it differs from Git or is not healthy.
    fn complaint(&self) -> Option<String> {
        let sync = match self.sync {
            SyncStatus::Synced => None,
            SyncStatus::OutOfSync if self.requires_pruning => Some("OutOfSync (requires pruning)".to_owned()),
            SyncStatus::OutOfSync => Some("OutOfSync".to_owned()),
            SyncStatus::Unknown => Some("Unknown".to_owned()),
        };
        let health =
            self.health.filter(|health| *health != HealthStatus::Healthy).map(|health| format!("{health:?}"));
        let why: Vec<String> = sync.into_iter().chain(health).collect();
        (!why.is_empty()).then(|| format!("{} {}: {}", self.key.kind, self.key.name, why.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_types_that_were_not_evaluated_stay() {
        let mut status = ApplicationStatus::default();
        status
            .set_conditions(vec![Condition::new(ConditionType::SyncError, "s")], &[ConditionType::SyncError]);
        status.set_conditions(
            vec![Condition::new(ConditionType::ComparisonError, "c")],
            &[ConditionType::ComparisonError],
        );
        let texts: Vec<String> = status.conditions.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["ComparisonError: c", "SyncError: s"]);
        status.set_conditions(vec![], &[ConditionType::SyncError]);
        assert!(
            !status.has_condition(ConditionType::SyncError)
                && status.has_condition(ConditionType::ComparisonError)
        );
    }
}
