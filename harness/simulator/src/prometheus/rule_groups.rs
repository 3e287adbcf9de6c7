//! Recording and alerting rules: the groups of PrometheusRules, each evaluated on its interval
//! (prometheus rules/manager.go: Update; rules/group.go: run).

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use promql::Labels;
use rules::{Group, Kind, ObjectRules, Rule, RuleError, RunningGroup, Settings};
use timeline::{AlertState, AlertStatus, Event, RulesStatus, Source};
use units::{Duration, Time};

use super::{State, first_time, in_ms, learns_now};
use crate::api::ObjectId;
use crate::world::resource_name;
use crate::{Index, Task, World};

/// The PrometheusRules that Prometheus knows.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// The groups of each as the operator passes them on, and the generation that it read.
    read: BTreeMap<ObjectId, (u64, Vec<Rc<Group>>)>,
    groups: Vec<Evaluated>,
    /// What was told of each last.
    told: BTreeMap<ObjectId, RulesStatus>,
}

/// A group that Prometheus has, or had.
#[derive(Debug)]
struct Evaluated {
    object: ObjectId,
    /// `None` once nothing is left to do for it.
    running: Option<RunningGroup>,
    interval: Duration,
    /// When it was taken away.
    ended: Option<Time>,
    /// Its alerts that are pending or firing. Those of two rules with the same labels are one to whoever is
    /// told, in the state that is furthest.
    active: BTreeMap<Labels, AlertStatus>,
    /// Why rules gave nothing at the latest evaluation, by their position.
    failing: BTreeMap<usize, String>,
}

impl Evaluated {
    fn is_live(&self, object: ObjectId) -> bool {
        self.object == object && self.ended.is_none()
    }
}

/// A PrometheusRule changed; Prometheus has its rules once the lag has passed.
pub(crate) fn notice(world: &mut World<'_>, object: ObjectId) {
    // The operator looks at the rules at once.
    let groups = read(world, object);
    let lag = rules::LAG / world.options.speed;
    if learns_now(world, Task::Rules(object), lag) {
        load(world, object, groups);
    }
}

/// The groups of a PrometheusRule as the operator passes them on; none of one that is gone.
fn read(world: &mut World<'_>, object: ObjectId) -> Vec<Rc<Group>> {
    if !world.api.exists(object) {
        return Vec::new();
    }
    let generation = world.api.get(object).generation;
    match world.prometheus.rules.read.get(&object) {
        Some((known, groups)) if *known == generation => groups.clone(),
        Some(_) | None => {
            let groups: Vec<_> = selected(world, object).into_iter().map(Rc::new).collect();
            world.prometheus.rules.read.insert(object, (generation, groups.clone()));
            groups
        }
    }
}

/// The groups that the operator selects: all, or none where Prometheus would refuse any. What is not simulated
/// is reported and left out.
fn selected(world: &mut World<'_>, object: ObjectId) -> Vec<Group> {
    let Some(manifest) = world.api.get(object).manifest.clone() else { return Vec::new() };
    let read = rules::read_object(&manifest);
    let rejection = read.rejection(&world.api.get(object).key.name);
    let ObjectRules { groups, not_simulated, .. } = read;
    for problem in not_simulated {
        let place = problem.place.map_or(String::new(), |place| place.to_string());
        world.not_simulated(
            problem.message.trim_start_matches("not simulated: "),
            place,
            "its rule is left out",
        );
    }
    if let Some(rejection) = rejection {
        world.record(Source::Kubernetes, object, true, rules::REJECTED, rejection);
        return Vec::new();
    }
    groups.iter().flat_map(|group| &group.rules).for_each(|rule| report_server_settings(world, rule));
    groups
}

/// Templates can show what the server is called outside, which nothing here knows.
fn report_server_settings(world: &mut World<'_>, rule: &Rule) {
    let Kind::Alerting(alerting) = &rule.kind else { return };
    let templates = alerting.labels.values().chain(alerting.annotations.values());
    for setting in ["externalLabels", "externalURL", "ExternalLabels", "ExternalURL"] {
        if templates.clone().any(|template| template.text().contains(setting)) {
            let what = format!("{setting} in the templates of the alert {}", alerting.alert);
            world.not_simulated(what, rule.place.to_string(), "it is empty");
        }
    }
}

/// Prometheus takes over the groups of a PrometheusRule: one that is as before goes on, one that changed goes
/// on with its alerts, one that is gone ends.
fn load(world: &mut World<'_>, object: ObjectId, groups: Vec<Rc<Group>>) {
    let live = world.prometheus.rules.groups.iter().any(|known| known.is_live(object));
    if groups.is_empty() && !live {
        return;
    }
    let mut replaced: BTreeMap<String, usize> = BTreeMap::new();
    for (index, known) in world.prometheus.rules.groups.iter().enumerate() {
        if let Some(running) = known.running.as_ref().filter(|_| known.is_live(object)) {
            replaced.insert(running.group().name.clone(), index);
        }
    }
    for group in groups {
        let before = replaced.remove(&group.name);
        let is_same = |index: usize| {
            let running = &world.prometheus.rules.groups[index].running;
            running.as_ref().is_some_and(|running| running.group().is_same(&group))
        };
        if !before.is_some_and(is_same) {
            start(world, object, group, before);
        }
    }
    let gone: Vec<usize> = replaced.into_values().collect();
    for index in &gone {
        end(world, *index);
    }
    tell_rules(world, object);
    for index in gone {
        tell_alerts(world, index);
    }
}

/// Begins with a group, in the place of the one with this index where there is one.
fn start(world: &mut World<'_>, object: ObjectId, group: Rc<Group>, before: Option<usize>) {
    let now = world.now();
    let evaluation = world.scenario.cluster.scrape_interval;
    let interval = group.interval.unwrap_or(evaluation);
    let purpose = format!("evaluation offset of {} in {}", group.name, world.api.get(object).key);
    let first = first_time(world, &purpose, interval, now + Duration::from_nanos(1));
    let subquery_step_ms = i64::try_from(evaluation.as_millis()).unwrap_or(i64::MAX);
    let query = promql::Options { subquery_step_ms, ..promql::Options::default() };
    let settings = Settings { query, ..Settings::default() };
    let mut running = RunningGroup::new(group, Rc::new(settings));
    let groups = &mut world.prometheus.rules.groups;
    let mut active = BTreeMap::new();
    if let Some(known) = before.map(|index| &mut groups[index]) {
        known.ended = Some(now);
        if let Some(known) = known.running.take() {
            running.succeed(known);
        }
        active = std::mem::take(&mut known.active);
    }
    let index = groups.len();
    groups.push(Evaluated {
        object,
        running: Some(running),
        interval,
        ended: None,
        active,
        failing: BTreeMap::new(),
    });
    world.kernel.wake_at(first, Task::RuleGroup(Index::of(index)));
}

/// Prometheus has a group no more. Its series are marked as stale two intervals later.
fn end(world: &mut World<'_>, index: usize) {
    let now = world.now();
    let group = &mut world.prometheus.rules.groups[index];
    group.ended = Some(now);
    let at = now + Duration::from_nanos(group.interval.as_nanos().saturating_mul(2));
    world.kernel.wake_at(at, Task::RuleGroup(Index::of(index)));
}

/// Evaluates a group, or marks its series as stale once it has been gone for long enough.
pub(crate) fn evaluate(world: &mut World<'_>, index: usize) {
    let now = world.now();
    let State { storage, rules, .. } = &mut world.prometheus;
    let group = &mut rules.groups[index];
    if let Some(ended) = group.ended {
        let due = ended + Duration::from_nanos(group.interval.as_nanos().saturating_mul(2));
        if let Some(running) = group.running.take_if(|_| due <= now) {
            running.end(storage, in_ms(ended));
        }
        return;
    }
    let Some(running) = &mut group.running else { return };
    let exercised = count_exercised(running);
    let failures = running.evaluate(storage, in_ms(now));
    let sees_more = count_exercised(running) > exercised;
    let next = now + group.interval;
    world.kernel.wake_at(next, Task::RuleGroup(Index::of(index)));
    let mut failing = BTreeMap::new();
    for failure in failures {
        match failure.error {
            RuleError::NotSimulated(what) => report_failure(world, index, failure.rule, what),
            error => drop(failing.insert(failure.rule, format!("{}: {error}", failure.name))),
        }
    }
    let group = &mut world.prometheus.rules.groups[index];
    if sees_more || group.failing != failing {
        group.failing = failing;
        let object = group.object;
        tell_rules(world, object);
    }
    tell_alerts(world, index);
}

/// How many rules of a group were ever put to the test.
fn count_exercised(running: &RunningGroup) -> usize {
    (0..running.group().rules.len()).filter(|rule| running.was_exercised(*rule)).count()
}

/// The alerts that are pending.
pub(crate) fn pending<'w>(world: &'w World<'_>) -> impl Iterator<Item = &'w AlertStatus> {
    let alerts = world.prometheus.rules.groups.iter().flat_map(|group| group.active.values());
    alerts.filter(|alert| alert.state == AlertState::Pending)
}

fn report_failure(world: &mut World<'_>, index: usize, rule: usize, what: String) {
    let running = world.prometheus.rules.groups[index].running.as_ref();
    let place = running.map_or(String::new(), |running| running.group().rules[rule].place.to_string());
    world.not_simulated(what, place, "the rule gives nothing");
}

/// Tells what Prometheus has of a PrometheusRule, where that is another than at the last call.
fn tell_rules(world: &mut World<'_>, object: ObjectId) {
    let name = resource_name(&world.api.get(object).key);
    let mut status = RulesStatus {
        namespace: name.namespace,
        name: name.name,
        alerts: Vec::new(),
        records: Vec::new(),
        failing: Vec::new(),
        without_series: Vec::new(),
    };
    let mut exercised: BTreeSet<&str> = BTreeSet::new();
    for known in world.prometheus.rules.groups.iter().filter(|known| known.is_live(object)) {
        let Some(running) = &known.running else { continue };
        for (index, rule) in running.group().rules.iter().enumerate() {
            match &rule.kind {
                Kind::Alerting(alerting) => {
                    status.alerts.push(alerting.alert.clone());
                    exercised.extend(running.was_exercised(index).then_some(&*alerting.alert));
                }
                Kind::Recording { record, .. } => status.records.push(record.clone()),
            }
        }
        status.failing.extend(known.failing.values().cloned());
    }
    let without = status.alerts.iter().filter(|alert| !exercised.contains(alert.as_str()));
    status.without_series = without.cloned().collect::<BTreeSet<_>>().into_iter().collect();
    if world.prometheus.rules.told.get(&object) != Some(&status) {
        world.prometheus.rules.told.insert(object, status.clone());
        world.emit(Source::Prometheus, Event::Rules(status));
    }
}

/// Tells of each alert of a group whose state is another than at the last call.
fn tell_alerts(world: &mut World<'_>, index: usize) {
    let group = &mut world.prometheus.rules.groups[index];
    let is_quiet = group.running.as_ref().is_none_or(|running| running.active().next().is_none());
    if is_quiet && group.active.is_empty() {
        return;
    }
    let name = resource_name(&world.api.get(group.object).key);
    let mut before = std::mem::take(&mut group.active);
    let mut changed = Vec::new();
    if let Some(running) = group.running.as_ref().filter(|_| group.ended.is_none()) {
        for (labels, alert) in furthest(running) {
            let known = before.remove(labels);
            let is_new = known.as_ref().is_none_or(|known| known.state != state(alert));
            let status = match known {
                Some(known) => followed(known, alert),
                None => status(&name, &running.group().name, alert),
            };
            changed.extend(is_new.then(|| status.clone()));
            group.active.insert(labels.clone(), status);
        }
    }
    let over = before.into_values().map(|known| AlertStatus { state: AlertState::Inactive, ..known });
    for status in over.chain(changed) {
        world.emit(Source::Prometheus, Event::Alert(status));
    }
}

/// The alerts of a group that are pending or firing, of those with the same labels the one that is furthest.
fn furthest(running: &RunningGroup) -> BTreeMap<&Labels, &rules::Alert> {
    let mut furthest: BTreeMap<&Labels, &rules::Alert> = BTreeMap::new();
    for alert in running.active() {
        let known = furthest.entry(&alert.labels).or_insert(alert);
        if state(known) < state(alert) {
            *known = alert;
        }
    }
    furthest
}

/// What is told of an alert that was told before. Its labels are the same; to collect them anew at every
/// evaluation would take most of its time.
fn followed(known: AlertStatus, alert: &rules::Alert) -> AlertStatus {
    AlertStatus {
        state: state(alert),
        annotations: alert.annotations.clone(),
        value: alert.value_text(),
        active_at: active_at(alert),
        ..known
    }
}

fn state(alert: &rules::Alert) -> AlertState {
    match alert.state {
        rules::AlertState::Inactive => AlertState::Inactive,
        rules::AlertState::Pending => AlertState::Pending,
        rules::AlertState::Firing => AlertState::Firing,
    }
}

fn active_at(alert: &rules::Alert) -> Time {
    Time::ZERO + Duration::from_millis(u64::try_from(alert.active_at_ms).unwrap_or(0))
}

fn status(name: &timeline::ResourceName, group: &str, alert: &rules::Alert) -> AlertStatus {
    let labels = alert.labels.iter().filter(|label| &*label.name != "alertname");
    AlertStatus {
        namespace: name.namespace.clone(),
        rules: name.name.clone(),
        group: group.to_owned(),
        alert: alert.labels.get("alertname").unwrap_or_default().to_owned(),
        state: state(alert),
        labels: labels.map(|label| (label.name.to_string(), label.value.to_string())).collect(),
        annotations: alert.annotations.clone(),
        value: alert.value_text(),
        active_at: active_at(alert),
    }
}

#[cfg(test)]
mod tests;
