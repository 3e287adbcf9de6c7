//! The blueGreen strategy (argo-rollouts v1.10.1 `pkg/apis/rollouts/v1alpha1/types.go:
//! BlueGreenStrategy`).

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::pod::PodMetadata;
use super::super::values::{IntOrString, Rounding, nullable};
use super::super::workload::at_least_zero;
use super::Analysis;

/// The blueGreen strategy: all pods of the new template stand beside the old ones, and a Service is switched.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlueGreenStrategy {
    /// The Service that is switched.
    #[serde(default, deserialize_with = "nullable")]
    pub active_service: String,
    /// The Service that selects the new template's pods at once.
    #[serde(default, deserialize_with = "nullable")]
    pub preview_service: String,
    /// Pods of the new template before the switch; all where unset.
    #[serde(default)]
    pub preview_replica_count: Option<i32>,
    /// Whether the switch waits for nobody; true where unset.
    #[serde(default)]
    pub auto_promotion_enabled: Option<bool>,
    /// Seconds before a switch that waits for nobody.
    #[serde(default, deserialize_with = "nullable")]
    pub auto_promotion_seconds: i32,
    /// Pods that may be unavailable during a restart; 25% where unset.
    #[serde(default)]
    pub max_unavailable: Option<IntOrString>,
    /// Seconds that the old pods stay after the switch; 30 where unset.
    #[serde(default)]
    pub scale_down_delay_seconds: Option<i32>,
    /// How many old ReplicaSets may wait so; unlimited where unset.
    #[serde(default)]
    pub scale_down_delay_revision_limit: Option<i32>,
    /// Analysis that must succeed before the switch.
    #[serde(default)]
    pub pre_promotion_analysis: Option<Analysis>,
    /// Analysis that must succeed after the switch, before the new template is trusted.
    #[serde(default)]
    pub post_promotion_analysis: Option<Analysis>,
    /// Labels and annotations that pods carry before the switch.
    #[serde(default)]
    pub preview_metadata: Option<PodMetadata>,
    /// Labels and annotations that pods carry while the active Service selects them.
    #[serde(default)]
    pub active_metadata: Option<PodMetadata>,
    /// Seconds that the new pods stay after an abort; 30 where unset, 0 for always.
    #[serde(default)]
    pub abort_scale_down_delay_seconds: Option<i32>,
    /// Keeps pods of two templates apart; not modelled.
    #[serde(default)]
    pub anti_affinity: Option<Json>,
}

impl BlueGreenStrategy {
    /// Whether the switch waits for a person or a time (`needsBlueGreenControllerPause`).
    pub fn pauses(&self) -> bool {
        self.auto_promotion_enabled == Some(false) || self.auto_promotion_seconds > 0
    }

    /// maxUnavailable in pods; any text is a percentage (`MaxUnavailable`).
    pub(super) fn max_unavailable(&self, replicas: u32) -> u32 {
        let default = || IntOrString::String("25".to_owned());
        let unavailable = self.max_unavailable.clone().unwrap_or_else(default);
        unavailable.of_any_text_percent(replicas, Rounding::Down).map_or(0, at_least_zero)
    }
}
