//! The alerts of one name, followed through a run.

use std::collections::BTreeMap;

use scenario::{AlertRef, AlertWord};

use crate::{AlertState, AlertStatus, Holds, RulesStatus};

/// What tells the alerts of a name apart: their PrometheusRule, group and labels.
type Key = (String, String, String, BTreeMap<String, String>);

/// What rules without alerts can tell, the best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sight {
    /// Nothing, not even that there are no alerts: they fail.
    Fails,
    /// That there are no alerts, which is no evidence: they never had a series to look at.
    WithoutSeries,
    /// That there are no alerts.
    Works,
}

impl Sight {
    fn of(alert: &str, status: &RulesStatus) -> Self {
        let failing = format!("{alert}: ");
        if status.failing.iter().any(|failed| failed.starts_with(&failing)) {
            Self::Fails
        } else if status.without_series.iter().any(|blind| blind == alert) {
            Self::WithoutSeries
        } else {
            Self::Works
        }
    }
}

/// The rules that define alerts of a name, and those alerts that are pending or firing.
///
/// As on Prometheus' page of rules, the alerts of a name are together in the state of the one that is
/// furthest: firing where one fires, else pending where one is pending, else inactive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alerts {
    /// The PrometheusRules that define the alert, and what its rules there can tell.
    defined: BTreeMap<(String, String), Sight>,
    active: BTreeMap<Key, AlertState>,
}

impl Alerts {
    /// What Prometheus has of a PrometheusRule changed; whether that says something of the alert.
    pub(crate) fn load(&mut self, alert: &AlertRef, status: &RulesStatus) -> bool {
        let key = (status.namespace.clone(), status.name.clone());
        let before = self.defined.remove(&key);
        if status.alerts.contains(&alert.name) {
            self.defined.insert(key.clone(), Sight::of(&alert.name, status));
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

    /// The state of the alert that is furthest, as Prometheus shows it; `None` for one that no rule defines, or whose
    /// rules all fail.
    pub(crate) fn state(&self) -> Option<AlertState> {
        self.furthest(Sight::WithoutSeries)
    }

    /// Whether the alert is in a state, as far as there is evidence.
    pub(crate) fn holds(&self, wanted: AlertWord) -> Holds {
        let state = self.furthest(Sight::Works);
        state.map_or(Holds::Undefined, |state| Holds::from(state == state_of(wanted)))
    }

    /// The state of the alert that is furthest, where rules are taken at their word from this sight on.
    fn furthest(&self, sight: Sight) -> Option<AlertState> {
        let inactive = || self.defined.values().any(|its| *its >= sight).then_some(AlertState::Inactive);
        self.active.values().max().copied().or_else(inactive)
    }
}

fn state_of(word: AlertWord) -> AlertState {
    match word {
        AlertWord::Inactive => AlertState::Inactive,
        AlertWord::Pending => AlertState::Pending,
        AlertWord::Firing => AlertState::Firing,
    }
}
