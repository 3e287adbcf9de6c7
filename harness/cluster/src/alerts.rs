//! What Prometheus says of its rules and alerts (`/api/v1/rules`, prometheus v3.5 web/api/v1/api.go), as entries of
//! the timeline. Pure: answers in, entries out, as the simulator's `prometheus/rule_groups.rs` tells them.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use timeline::{AlertState, AlertStatus, Event, ResourceName, RulesStatus};
use transform::Names;
use units::{Duration, Time};

/// An answer of `/api/v1/rules`.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    data: Groups,
}

#[derive(Debug, Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
    file: String,
    /// In seconds.
    interval: f64,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    name: String,
    #[serde(rename = "type")]
    kind: RuleKind,
    #[serde(default)]
    alerts: Vec<Alert>,
    #[serde(default)]
    last_error: String,
    last_evaluation: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RuleKind {
    Alerting,
    Recording,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: AlertState,
    active_at: Timestamp,
    value: String,
}

impl Answer {
    /// The shortest time between two evaluations of a group; `None` without groups.
    pub(crate) fn shortest_interval(&self) -> Option<Duration> {
        let intervals = self.data.groups.iter().map(|group| Duration::from_secs_f64(group.interval));
        intervals.min()
    }
}

/// What it takes to tell an answer in the words of the run.
pub(crate) struct Reading<'a> {
    /// The start of the run in seconds since 1970.
    pub(crate) begun_at: f64,
    /// When the answer came.
    pub(crate) now: Time,
    /// What things are called in the cluster.
    pub(crate) names: &'a Names,
}

impl Reading<'_> {
    fn time(&self, of: Timestamp) -> Time {
        let since = of.as_duration().as_secs_f64() - self.begun_at;
        Time::ZERO + Duration::from_secs_f64(since.max(0.0))
    }

    fn original(&self, texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        texts.iter().map(|(key, text)| (key.clone(), self.names.original_text(text))).collect()
    }
}

/// What tells alerts apart: the PrometheusRule and group of their rule, and their labels.
type Key = (ResourceName, String, BTreeMap<String, String>);

/// Follows the rules of a Prometheus.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The PrometheusRule of each rule file.
    objects: BTreeMap<String, ResourceName>,
    told: BTreeMap<ResourceName, RulesStatus>,
    active: BTreeMap<Key, AlertStatus>,
}

impl Rules {
    /// Says which PrometheusRule a file is made of.
    pub(crate) fn know(&mut self, file: String, object: ResourceName) {
        self.objects.insert(file, object);
    }

    /// The alerts that are pending.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &AlertStatus> {
        self.active.values().filter(|alert| alert.state == AlertState::Pending)
    }

    /// What is another than at the last call, with its time: of rules, then of alerts that ended, then of others.
    pub(crate) fn see(&mut self, answer: &Answer, reading: &Reading<'_>) -> Vec<(Time, Event)> {
        let groups = &answer.data.groups;
        let known = groups.iter().filter_map(|group| Some((self.objects.get(&group.file)?.clone(), group)));
        let known: Vec<(ResourceName, &Group)> = known.collect();
        let rules = self.see_rules(&known).into_iter().map(|status| (reading.now, Event::Rules(status)));
        let mut told: Vec<(Time, Event)> = rules.collect();
        told.extend(self.see_alerts(&known, reading));
        told
    }

    fn see_rules(&mut self, groups: &[(ResourceName, &Group)]) -> Vec<RulesStatus> {
        let mut present: BTreeMap<ResourceName, RulesStatus> =
            self.told.keys().map(|object| (object.clone(), nothing_of(object))).collect();
        for (object, group) in groups {
            let status = present.entry(object.clone()).or_insert_with(|| nothing_of(object));
            for rule in &group.rules {
                match rule.kind {
                    RuleKind::Alerting => status.alerts.push(rule.name.clone()),
                    RuleKind::Recording => status.records.push(rule.name.clone()),
                }
                if !rule.last_error.is_empty() {
                    status.failing.push(format!("{}: {}", rule.name, rule.last_error));
                }
            }
        }
        let is_new =
            |(object, status): &(&ResourceName, &RulesStatus)| self.told.get(*object) != Some(*status);
        let changed = present.iter().filter(is_new).map(|(_, status)| status.clone()).collect();
        self.told = present;
        changed
    }

    fn see_alerts(&mut self, groups: &[(ResourceName, &Group)], reading: &Reading<'_>) -> Vec<(Time, Event)> {
        let mut evaluated: BTreeMap<(&ResourceName, &str, &str), Time> = BTreeMap::new();
        let mut present: BTreeMap<Key, AlertStatus> = BTreeMap::new();
        for (object, group) in groups {
            for rule in group.rules.iter().filter(|rule| rule.kind == RuleKind::Alerting) {
                let at = reading.time(rule.last_evaluation);
                evaluated.insert((object, group.name.as_str(), rule.name.as_str()), at);
                for alert in &rule.alerts {
                    let status = status(object, &group.name, &rule.name, alert, reading);
                    let key = (object.clone(), group.name.clone(), alert.labels.clone());
                    // Alerts of two rules with the same labels are one, in the state that is furthest.
                    if present.get(&key).is_none_or(|known| known.state < status.state) {
                        present.insert(key, status);
                    }
                }
            }
        }
        let mut before = std::mem::replace(&mut self.active, present);
        let is_new = |(key, status): &(&Key, &AlertStatus)| {
            before.remove(*key).is_none_or(|known| known.state != status.state)
        };
        let changed: Vec<(&Key, &AlertStatus)> = self.active.iter().filter(is_new).collect();
        let last = |(object, group, _): &Key, alert: &str| {
            evaluated.get(&(object, group.as_str(), alert)).copied().unwrap_or(reading.now)
        };
        let over = before.into_iter().map(|(key, known)| {
            let at = last(&key, &known.alert);
            (at, Event::Alert(AlertStatus { state: AlertState::Inactive, ..known }))
        });
        let changed = changed.into_iter().map(|(key, status)| {
            let at = match status.state {
                AlertState::Pending => status.active_at,
                AlertState::Firing | AlertState::Inactive => last(key, &status.alert),
            };
            (at, Event::Alert(status.clone()))
        });
        over.chain(changed).collect()
    }
}

/// What Prometheus has of a PrometheusRule that it does not have.
fn nothing_of(object: &ResourceName) -> RulesStatus {
    RulesStatus {
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        alerts: Vec::new(),
        records: Vec::new(),
        failing: Vec::new(),
        without_series: Vec::new(),
    }
}

fn status(
    object: &ResourceName,
    group: &str,
    name: &str,
    alert: &Alert,
    reading: &Reading<'_>,
) -> AlertStatus {
    let mut labels = reading.original(&alert.labels);
    labels.remove("alertname");
    AlertStatus {
        namespace: object.namespace.clone(),
        rules: object.name.clone(),
        group: group.to_owned(),
        alert: name.to_owned(),
        state: alert.state,
        labels,
        annotations: reading.original(&alert.annotations),
        value: alert.value.parse().map_or_else(|_| alert.value.clone(), strconv::shortest),
        active_at: reading.time(alert.active_at),
    }
}

#[cfg(test)]
mod tests;
