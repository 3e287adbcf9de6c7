//! Argo Rollouts' rollout controller, v1.10.1.
//!
//! [`reconcile`] is one pass: it reads the Rollout, its ReplicaSets and AnalysisRuns, makes at most one
//! kind of change and writes the status; what it writes wakes the next pass. The arithmetic, the steps,
//! the pauses and the conditions are functions of plain values in modules of their own.
//!
//! Deviation: upstream writes an absent `spec.replicas` back as 1; here it only counts as 1.

use std::sync::Arc;

use manifests::objects::pod::PodMetadata;
use manifests::objects::rollout::{HASH_LABEL, REVISION};
use units::Time;
use yaml::Node;

mod analysis_runs;
mod blue_green;
mod blue_green_runs;
pub(crate) mod calendar;
mod conditions;
#[cfg(feature = "conformance")]
pub mod conformance;
mod ephemeral;
mod experiments;
mod history;
mod live;
mod load;
mod observed;
mod operate;
mod pass;
mod pause;
mod plugins;
mod promotion;
mod replicas;
mod restart;
mod resync;
mod retry;
mod router;
mod scale_down;
mod services;
mod sets;
mod sizes;
mod status;
mod steps;
mod undo;
mod wanted;
mod weights;
mod workload;

#[cfg(test)]
mod tests;

pub(crate) use load::{InNamespace, State, pod_hash};
pub(crate) use observed::{current_step, health, is_entrance, is_settled, observed, role_of, router_before};
pub(crate) use operate::operate;
pub(crate) use pass::reconcile;
pub use plugins::PluginStatus;
pub use resync::resync_phase;
pub(crate) use resync::{begin, resync};
pub(crate) use retry::wake;
pub use status::{
    BlueGreenState, Condition, ConditionKind, ConditionStatus, Hash, PauseCondition, PauseReason, Reason,
    RolloutState, RunReference, Turn,
};
pub use weights::{Shares, TrafficWeights, WeightDestination};

/// What the controller notes on a Rollout's ReplicaSet; upstream keeps it in annotations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SetNotes {
    /// The Rollout's count of its templates (`rollout.argoproj.io/revision`).
    pub revision: u64,
    /// The Rollout's `replicas` when the set was scaled last (`rollout.argoproj.io/desired-replicas`).
    pub desired_replicas: Option<u32>,
    /// When the set is to be scaled to nothing (`scale-down-deadline`), a whole second.
    pub scale_down_deadline: Option<Time>,
    /// What was put into the template for the set's role (`rollout.argoproj.io/ephemeral-metadata`).
    pub injected: Option<PodMetadata>,
    /// The object whose `spec.template` the set was made from, as it was written then: the Rollout or the
    /// workload that it refers to.
    pub made_from: Option<Arc<Node>>,
}
