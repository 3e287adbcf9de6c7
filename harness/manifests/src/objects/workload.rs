//! Deployments, ReplicaSets and autoscalers (kubernetes `apps/v1`, `autoscaling`).

use serde::Deserialize;
use units::Duration;
use yaml::Node;

use super::values::{IntOrString, LabelSelector, Rounding, nullable};
use super::{Metadata, PodTemplate};

/// A Deployment (`apps/v1`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Deployment {
    /// Its metadata.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: DeploymentSpec,
}

/// What a Deployment wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentSpec {
    /// Pods wanted; 1 where unset.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods.
    pub template: PodTemplate,
    /// How pods are replaced.
    #[serde(default, deserialize_with = "nullable")]
    pub strategy: DeploymentStrategy,
    /// Seconds that a pod must be ready before it counts as available.
    #[serde(default, deserialize_with = "nullable")]
    pub min_ready_seconds: i32,
    /// Seconds without progress after which the Deployment reports failure; 600 where unset.
    #[serde(default)]
    pub progress_deadline_seconds: Option<i32>,
    /// Old ReplicaSets kept; 10 where unset.
    #[serde(default)]
    pub revision_history_limit: Option<i32>,
    /// Whether changes of the template wait.
    #[serde(default, deserialize_with = "nullable")]
    pub paused: bool,
}

impl Deployment {
    pub(crate) fn finish(&mut self, node: &Node) {
        self.spec.template.finish(node.at(&["spec", "template"]));
    }
}

impl DeploymentSpec {
    /// Pods wanted, with the default of 1.
    pub fn replicas(&self) -> u32 {
        u32::try_from(self.replicas.unwrap_or(1)).unwrap_or(0)
    }

    /// Time that a pod must be ready before it counts as available.
    pub fn min_ready(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.min_ready_seconds).unwrap_or(0))
    }

    /// Time without progress after which the Deployment reports failure.
    pub fn progress_deadline(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.progress_deadline_seconds.unwrap_or(600)).unwrap_or(0))
    }

    /// How many pods may exist above `replicas`, and how many may be unavailable, while pods are
    /// replaced (`kubernetes pkg/controller/deployment/util: ResolveFenceposts`). `Recreate` allows
    /// no surge and any unavailability.
    pub fn fenceposts(&self) -> (u32, u32) {
        let replicas = self.replicas();
        match self.strategy.kind.as_deref() {
            Some("Recreate") => (0, replicas),
            Some(_) | None => {
                let rolling = self.strategy.rolling_update.clone().unwrap_or_default();
                let quarter = || IntOrString::String("25%".to_owned());
                let surge = rolling.max_surge.unwrap_or_else(quarter);
                let unavailable = rolling.max_unavailable.unwrap_or_else(quarter);
                let surge = surge.of_percent(replicas, Rounding::Up).unwrap_or(0);
                let unavailable = unavailable.of_percent(replicas, Rounding::Down).unwrap_or(0);
                let (surge, unavailable) = (at_least_zero(surge), at_least_zero(unavailable));
                // Fractions may round to a pair that could never move.
                let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
                (surge, unavailable.min(replicas))
            }
        }
    }
}

pub(crate) fn at_least_zero(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

/// How a Deployment replaces its pods.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStrategy {
    /// `RollingUpdate` (where unset) or `Recreate`.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// The bounds of a rolling update.
    #[serde(default)]
    pub rolling_update: Option<RollingUpdate>,
}

/// The bounds of a rolling update.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdate {
    /// Pods above the wanted number; 25% where unset.
    #[serde(default)]
    pub max_surge: Option<IntOrString>,
    /// Pods below the wanted number; 25% where unset.
    #[serde(default)]
    pub max_unavailable: Option<IntOrString>,
}

/// A ReplicaSet (`apps/v1`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ReplicaSet {
    /// Its metadata.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: ReplicaSetSpec,
}

/// What a ReplicaSet wants.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaSetSpec {
    /// Pods wanted; 1 where unset.
    #[serde(default)]
    pub replicas: Option<i32>,
    /// Seconds that a pod must be ready before it counts as available.
    #[serde(default, deserialize_with = "nullable")]
    pub min_ready_seconds: i32,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// The pods.
    #[serde(default, deserialize_with = "nullable")]
    pub template: PodTemplate,
}

impl ReplicaSet {
    pub(crate) fn finish(&mut self, node: &Node) {
        self.spec.template.finish(node.at(&["spec", "template"]));
    }
}

/// A HorizontalPodAutoscaler (`autoscaling/v1` or `v2`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct HorizontalPodAutoscaler {
    /// Its metadata.
    pub metadata: Metadata,
    /// What it does.
    pub spec: HorizontalPodAutoscalerSpec,
}

/// What a HorizontalPodAutoscaler scales, and between which bounds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HorizontalPodAutoscalerSpec {
    /// The workload.
    pub scale_target_ref: ScaleTarget,
    /// Fewest pods; 1 where unset.
    #[serde(default)]
    pub min_replicas: Option<i32>,
    /// Most pods.
    pub max_replicas: i32,
}

/// A workload that is scaled or referred to (`autoscaling.CrossVersionObjectReference`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaleTarget {
    /// Its apiVersion.
    #[serde(default, deserialize_with = "nullable")]
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
}
