//! What Prometheus tells of its rules and alerts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use units::Time;

/// What Prometheus has of a PrometheusRule, as its page of rules shows it. An alert that no rule defines has
/// no state; one that a rule defines is inactive until an [`AlertStatus`] says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RulesStatus {
    /// The PrometheusRule's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The alerts that its rules define, in their order; empty once Prometheus has them no more.
    pub alerts: Vec<String>,
    /// The series that its rules record.
    pub records: Vec<String>,
    /// The rules whose latest evaluation failed, as `name: why`.
    pub failing: Vec<String>,
    /// The alerts whose rules select series and never had one to look at until now, nor a result: that such an
    /// alert is inactive is no evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without_series: Vec<String>,
}

/// The states of an alert (prometheus rules/alerting.go: AlertState).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Its condition does not hold, or no longer.
    Inactive,
    /// Its condition holds, not yet for as long as the rule's `for` demands.
    Pending,
    /// It fires: people are told.
    Firing,
}

/// The state of an alert changed: of one element of a rule's result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// The namespace of the PrometheusRule that defines it.
    pub namespace: String,
    /// That PrometheusRule's name.
    pub rules: String,
    /// The group of the rule.
    pub group: String,
    /// The alert's name.
    pub alert: String,
    /// Its state.
    pub state: AlertState,
    /// Its labels but for its name (`alertname`).
    pub labels: BTreeMap<String, String>,
    /// What it tells, with the values filled in.
    pub annotations: BTreeMap<String, String>,
    /// The value of its expression when it last held, as `{{ $value }}` shows it.
    pub value: String,
    /// Since when its condition holds, or held.
    pub active_at: Time,
}
