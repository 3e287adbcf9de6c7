//! The alerts of one name, followed through a run.

use std::collections::BTreeMap;

use scenario::{AlertRef, AlertWord};

use crate::{AlertState, AlertStatus, Holds, RulesStatus};

/// What tells the alerts of a name apart: their PrometheusRule, group and labels.
type Key = (String, String, String, BTreeMap<String, String>);

/// The rules that define alerts of a name, and those alerts that are pending or firing.
///
/// As on Prometheus' page of rules, the alerts of a name are together in the state of the one that is
/// furthest: firing where one fires, else pending where one is pending, else inactive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alerts {
    /// The PrometheusRules that define the alert, and whether its rules can tell anything.
    defined: BTreeMap<(String, String), bool>,
    active: BTreeMap<Key, AlertState>,
}

impl Alerts {
    /// What Prometheus has of a PrometheusRule changed; whether that says something of the alert.
    pub(crate) fn load(&mut self, alert: &AlertRef, status: &RulesStatus) -> bool {
        let key = (status.namespace.clone(), status.name.clone());
        let (before, failing) = (self.defined.remove(&key), format!("{}: ", alert.name));
        if status.alerts.contains(&alert.name) {
            let fails = status.failing.iter().any(|failed| failed.starts_with(&failing));
            self.defined.insert(key.clone(), !fails && !status.without_series.contains(&alert.name));
        }
        before != self.defined.get(&key).copied()
    }

    /// An alert changed; whether it is one of these.
    pub(crate) fn change(&mut self, alert: &AlertRef, status: &AlertStatus) -> bool {
        if !alert.refers_to(&status.alert, &status.labels) {
            return false;
        }
        let AlertStatus { namespace, rules, group, labels, .. } = status.clone();
        let key = (namespace, rules, group, labels);
        match status.state {
            AlertState::Inactive => drop(self.active.remove(&key)),
            AlertState::Pending | AlertState::Firing => drop(self.active.insert(key, status.state)),
        }
        true
    }

    /// The state of the alert that is furthest; `None` for one that no rule defines, or whose rules all fail or never
    /// had a series to look at.
    pub(crate) fn state(&self) -> Option<AlertState> {
        let inactive = || self.defined.values().any(|works| *works).then_some(AlertState::Inactive);
        self.active.values().max().copied().or_else(inactive)
    }

    pub(crate) fn holds(&self, wanted: AlertWord) -> Holds {
        self.state().map_or(Holds::Undefined, |state| Holds::from(state == state_of(wanted)))
    }
}

fn state_of(word: AlertWord) -> AlertState {
    match word {
        AlertWord::Inactive => AlertState::Inactive,
        AlertWord::Pending => AlertState::Pending,
        AlertWord::Firing => AlertState::Firing,
    }
}
