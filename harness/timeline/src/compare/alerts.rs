//! Whether alerts fired.

use std::collections::BTreeMap;

use scenario::Scenario;

use super::facts::NOTHING;
use super::{Fact, Sides};
use crate::{AlertState, Event, Timeline};

pub(super) fn of(scenario: &Scenario, runs: &Sides<&Timeline>) -> Vec<Fact> {
    let furthest = runs.map(|timeline| furthest(timeline));
    let both = || furthest.left.iter().chain(&furthest.right);
    let fired = both().filter(|(_, state)| **state == AlertState::Firing).map(|(alert, _)| alert.as_str());
    let followed = scenario.alerts().map(|(alert, _)| alert.name.as_str());
    let mut alerts: Vec<&str> = fired.chain(followed).collect();
    alerts.sort_unstable();
    alerts.dedup();
    alerts.into_iter().map(|alert| fact(alert, furthest.map(|all| all.get(alert).copied()))).collect()
}

/// The furthest state that alerts of each name reached.
fn furthest(timeline: &Timeline) -> BTreeMap<String, AlertState> {
    let mut furthest: BTreeMap<String, AlertState> = BTreeMap::new();
    let mut reach = |alert: &str, state: AlertState| {
        let known = furthest.entry(alert.to_owned()).or_insert(state);
        *known = state.max(*known);
    };
    for entry in &timeline.entries {
        match &entry.event {
            Event::Rules(rules) => rules.alerts.iter().for_each(|alert| reach(alert, AlertState::Inactive)),
            Event::Alert(status) => reach(&status.alert, status.state),
            _ => {}
        }
    }
    furthest
}

/// Runs agree where the alert fired in both or in none.
fn fact(alert: &str, reached: Sides<Option<AlertState>>) -> Fact {
    let said = reached.map(|state| match state {
        Some(AlertState::Firing) => "fired".to_owned(),
        Some(AlertState::Pending) => "was pending".to_owned(),
        Some(AlertState::Inactive) => "stayed inactive".to_owned(),
        None => NOTHING.to_owned(),
    });
    let fired = reached.map(|state| *state == Some(AlertState::Firing));
    Fact { what: format!("alert {alert}"), said, agrees: fired.left == fired.right }
}
