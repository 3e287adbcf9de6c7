//! What becomes of a group's state and series when its rules change or are taken away
//! (prometheus rules/group.go: CopyState, cleanupStaleSeries; rules/manager.go: Update).

use std::collections::BTreeMap;

use planted::Bug;
use promql::Storage;

use crate::evaluate::{RunningGroup, RunningRule, milliseconds};
use crate::group::{Group, Kind, Rule};

impl Group {
    /// Whether a server that runs this group goes on with it where it reads the other: then nothing of
    /// what is written differs but its place (group.go: Equals).
    pub fn is_same(&self, other: &Self) -> bool {
        let are_same =
            |(one, two): (&Rule, &Rule)| one.kind == two.kind && one.expr.text() == two.expr.text();
        self.name == other.name
            && self.interval == other.interval
            && self.query_offset == other.query_offset
            && self.limit == other.limit
            && self.rules.len() == other.rules.len()
            && self.rules.iter().zip(&other.rules).all(are_same)
    }
}

impl Rule {
    /// Whether it goes on where the other left off: it has the same name and labels.
    fn succeeds(&self, other: &Self) -> bool {
        self.name() == other.name() && labels(self) == labels(other)
    }
}

fn labels(rule: &Rule) -> BTreeMap<&str, &str> {
    match &rule.kind {
        Kind::Recording { labels, .. } => labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
        Kind::Alerting(alerting) => alerting.labels.iter().map(|(name, it)| (&**name, it.text())).collect(),
    }
}

impl RunningGroup {
    /// Takes over from the group of the same name that this one replaces: alerts stay as they are, and
    /// series of rules that are gone are marked as stale at the next evaluation.
    pub fn succeed(&mut self, before: Self) {
        let mut rules: Vec<(&Rule, Option<RunningRule>)> =
            before.group.rules.iter().zip(before.rules.into_iter().map(Some)).collect();
        for (rule, running) in self.group.rules.iter().zip(&mut self.rules) {
            let same = rules.iter_mut().find(|(known, state)| state.is_some() && rule.succeeds(known));
            if let Some((known, Some(state))) = same.map(|(known, state)| (*known, state.take())) {
                running.exercised |= state.exercised && rule.expr.text() == known.expr.text();
                running.written = state.written;
                if !planted::is(Bug::AlertsLostAtReload) {
                    running.active = state.active;
                }
            }
        }
        self.left = before.left;
        self.left.extend(rules.into_iter().filter_map(|(_, state)| state).flat_map(|state| state.written));
    }

    /// The group was taken away at a time in milliseconds: its series are marked as stale there. Prometheus
    /// does so two intervals later.
    pub fn end(mut self, storage: &mut Storage, at_ms: i64) {
        let written = self.rules.iter_mut().flat_map(|rule| std::mem::take(&mut rule.written));
        self.left.extend(written);
        self.mark_left(storage, at_ms);
    }

    pub(crate) fn mark_left(&mut self, storage: &mut Storage, at_ms: i64) {
        for labels in self.left.drain(..) {
            let series = storage.series(&labels);
            // Where another rule writes the series now, it goes on.
            let _ = storage.mark_stale(series, at_ms - milliseconds(self.group.query_offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use promql::{Query, Value, notation};

    use super::*;
    use crate::{AlertState, Settings, read_object};

    fn group(rules: &str) -> Group {
        let text = format!("{{spec: {{groups: [{{name: g, rules: {rules}}}]}}}}");
        read_object(&yaml::parse_one("rules.yaml", text.as_bytes()).unwrap()).groups.remove(0)
    }

    fn running(rules: &str) -> RunningGroup {
        RunningGroup::new(Rc::new(group(rules)), Rc::new(Settings::default()))
    }

    fn count(storage: &Storage, query: &str, at_ms: i64) -> usize {
        match Query::parse(query).unwrap().instant(storage, at_ms).unwrap() {
            Value::Vector(samples) => samples.len(),
            other => panic!("{query} gives {other:?}"),
        }
    }

    #[test]
    fn a_group_is_the_same_until_anything_but_its_place_differs() {
        let written = "[{alert: A, expr: up == 0, for: 1m, labels: {severity: page}}]";
        assert!(group(written).is_same(&group(&format!("  {written}"))));
        for (from, to) in [
            ("up == 0", "up == 1"),
            ("1m", "2m"),
            ("page", "mail"),
            ("A", "B"),
            ("alert: A, ", "record: a, "),
        ] {
            let other = written
                .replace(from, to)
                .replace("record: a, expr: up == 0, for: 1m", "record: a, expr: up == 0");
            assert!(!group(written).is_same(&group(&other)), "{other}");
        }
    }

    #[test]
    fn alerts_go_on_in_the_group_that_replaces_theirs_and_other_series_end() {
        let mut storage = Storage::new();
        notation::load(&mut storage, 60_000, "up{job=\"a\"} 0x9").unwrap();
        let mut before = running("[{alert: A, expr: up == 0, for: 2m}, {record: r, expr: up}]");
        for at_ms in [0, 60_000] {
            assert!(before.evaluate(&mut storage, at_ms).is_empty());
        }
        let mut after = running("[{alert: A, expr: up < 1, for: 2m}, {record: s, expr: up}]");
        after.succeed(before);
        assert!(after.evaluate(&mut storage, 120_000).is_empty());
        let states: Vec<AlertState> = after.active().map(|alert| alert.state).collect();
        assert_eq!(states, [AlertState::Firing]);
        assert_eq!((count(&storage, "r", 60_000), count(&storage, "r", 120_000)), (1, 0));
        assert_eq!(count(&storage, "s", 120_000), 1);
    }

    #[test]
    fn a_rule_was_exercised_while_its_query_is_the_same() {
        let mut storage = Storage::new();
        notation::load(&mut storage, 60_000, "up 1").unwrap();
        let mut before = running("[{alert: A, expr: up == 0}, {alert: B, expr: up == 0}]");
        before.evaluate(&mut storage, 0);
        let mut after = running("[{alert: B, expr: up < 0}, {alert: A, expr: up == 0, for: 1m}]");
        after.succeed(before);
        assert_eq!((after.was_exercised(0), after.was_exercised(1)), (false, true));
    }

    #[test]
    fn an_alert_whose_labels_are_written_differently_begins_anew() {
        let mut storage = Storage::new();
        notation::load(&mut storage, 60_000, "up{job=\"a\"} 0x9").unwrap();
        let mut before = running("[{alert: A, expr: up == 0, for: 1m}]");
        before.evaluate(&mut storage, 0);
        let mut after = running("[{alert: A, expr: up == 0, for: 1m, labels: {severity: page}}]");
        after.succeed(before);
        after.evaluate(&mut storage, 60_000);
        let states: Vec<AlertState> = after.active().map(|alert| alert.state).collect();
        assert_eq!(states, [AlertState::Pending]);
        assert_eq!(count(&storage, "ALERTS{severity=\"\"}", 60_000), 0);
    }

    #[test]
    fn the_series_of_a_group_that_is_gone_end_at_its_end() {
        let mut storage = Storage::new();
        notation::load(&mut storage, 60_000, "up{job=\"a\"} 0x9").unwrap();
        let mut gone = running("[{alert: A, expr: up == 0}, {record: r, expr: up}]");
        gone.evaluate(&mut storage, 60_000);
        assert_eq!(count(&storage, "{__name__=~\"ALERTS.*|r\"}", 90_000), 3);
        gone.end(&mut storage, 90_000);
        assert_eq!(count(&storage, "{__name__=~\"ALERTS.*|r\"}", 90_000), 0);
    }
}
