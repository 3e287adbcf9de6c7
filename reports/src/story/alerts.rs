//! Alerts that nobody was told of.

use std::collections::{BTreeMap, BTreeSet};

use timeline::{AlertState, AlertStatus, Event, Timeline};

/// The entries of alerts that were pending and ended without having fired, by position: each pod that starts
/// is such a one for a while to a rule that watches whether pods answer.
pub(super) fn unheard(timeline: &Timeline) -> BTreeSet<usize> {
    let mut pending: BTreeMap<Key<'_>, usize> = BTreeMap::new();
    let mut unheard = BTreeSet::new();
    for (index, entry) in timeline.entries.iter().enumerate() {
        let Event::Alert(alert) = &entry.event else { continue };
        match (alert.state, pending.remove(&key(alert))) {
            (AlertState::Pending, _) => drop(pending.insert(key(alert), index)),
            (AlertState::Inactive, Some(began)) => unheard.extend([began, index]),
            (AlertState::Inactive, None) | (AlertState::Firing, _) => {}
        }
    }
    unheard
}

/// What tells alerts apart.
type Key<'a> = (&'a str, &'a str, &'a str, &'a str, &'a BTreeMap<String, String>);

fn key(alert: &AlertStatus) -> Key<'_> {
    (&alert.namespace, &alert.rules, &alert.group, &alert.alert, &alert.labels)
}
