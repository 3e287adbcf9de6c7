//! In the place of prometheus-operator: what Prometheus is to be given because of a change, and when.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::time::{Duration as Wait, Instant};
use yaml::{Node, Place};

use super::RULES;
use crate::observe::Change;
use crate::prometheus::translated;

/// What the operator has still to do.
#[derive(Debug)]
pub(super) struct Operator {
    /// From a change of a PrometheusRule until Prometheus has its rules.
    lag: Wait,
    /// What Prometheus is still to be given, by the name of its file.
    deliveries: BTreeMap<String, Delivery>,
    /// What was said of rules that are left out, by the name of their file.
    rejected: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Delivery {
    due: Instant,
    /// `None` for what is gone, or left out.
    configuration: Option<Value>,
}

/// What a change means to the operator.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noticed {
    /// The name of the file that it ends up in.
    pub(super) file: String,
    /// What is said of rules that are left out.
    pub(super) rejection: Option<String>,
}

impl Operator {
    /// One that has seen nothing, at this speed.
    pub(super) fn at_speed(speed: f64) -> Self {
        let lag = Wait::from_nanos((rules::LAG / speed).as_nanos());
        Self { lag, deliveries: BTreeMap::new(), rejected: BTreeMap::new() }
    }

    /// Notes a change; `None` where it is none of the operator's business. Rules are given once the lag has passed
    /// since the first change that was not given yet, as they are by then.
    pub(super) fn notice(&mut self, change: &Change, at: Instant) -> Option<Noticed> {
        let (file, translated) = translated(&change.object)?;
        let is_rules = change.object["kind"] == RULES;
        let rejection = if is_rules && !change.gone { rejection(&change.object) } else { None };
        let configuration = (!change.gone && rejection.is_none()).then_some(translated);
        let due = if is_rules { at + self.lag } else { at };
        let delivery = self.deliveries.entry(file.clone()).or_insert(Delivery { due, configuration: None });
        delivery.configuration = configuration;
        let before = match &rejection {
            Some(why) => self.rejected.insert(file.clone(), why.clone()),
            None => self.rejected.remove(&file),
        };
        Some(Noticed { file, rejection: rejection.filter(|why| before.as_ref() != Some(why)) })
    }

    /// When something is next to be given.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.deliveries.values().map(|delivery| delivery.due).min()
    }

    /// What is to be given by now: files, and their content where they have any.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(String, Option<Value>)> {
        let due: Vec<String> =
            self.deliveries.iter().filter(|(_, it)| it.due <= now).map(|(file, _)| file.clone()).collect();
        let take = |file: String| self.deliveries.remove(&file).map(|it| (file, it.configuration));
        due.into_iter().filter_map(take).collect()
    }
}

/// Why the operator leaves an object's rules out.
fn rejection(object: &Value) -> Option<String> {
    let place = Place::whole(&yaml::Source::new("the cluster", ""));
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    rules::read_object(&Node::from_json(object, &place)).rejection(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(expr: &str) -> Change {
        let rules = [json!({"alert": "A", "expr": expr})];
        let object = json!({
            "kind": "PrometheusRule", "metadata": {"namespace": "ai", "name": "web"},
            "spec": {"groups": [{"name": "g", "partial_response_strategy": "warn", "rules": rules}]},
        });
        Change { object, gone: false }
    }

    /// What is given when all is due.
    fn given(operator: &mut Operator) -> Vec<(String, Option<Value>)> {
        let due = operator.next_due();
        due.map_or_else(Vec::new, |due| operator.take_due(due))
    }

    #[test]
    fn rules_are_given_after_the_lag_of_the_speed_as_they_are_by_then() {
        let mut operator = Operator::at_speed(20.0);
        let begun = Instant::now();
        let noticed = operator.notice(&rule("up"), begun).unwrap();
        assert_eq!(noticed, Noticed { file: "rules-ai-web".to_owned(), rejection: None });
        operator.notice(&rule("up == 0"), begun + Wait::from_secs(1));
        let due = begun + Wait::from_secs(2);
        assert_eq!(operator.next_due(), Some(due));
        assert_eq!(operator.take_due(due - Wait::from_millis(1)), []);
        let rules = [json!({"alert": "A", "expr": "up == 0"})];
        let expected = json!({"groups": [{"name": "g", "rules": rules}]});
        assert_eq!(operator.take_due(due), [("rules-ai-web".to_owned(), Some(expected))]);
        assert_eq!(operator.next_due(), None);
    }

    #[test]
    fn monitors_are_given_at_once() {
        let mut operator = Operator::at_speed(1.0);
        let object =
            json!({"kind": "ServiceMonitor", "metadata": {"namespace": "ai", "name": "web"}, "spec": {}});
        let at = Instant::now();
        operator.notice(&Change { object, gone: false }, at).unwrap();
        assert_eq!(operator.next_due(), Some(at));
    }

    #[test]
    fn what_is_gone_is_taken_away() {
        let mut operator = Operator::at_speed(1.0);
        operator.notice(&Change { gone: true, ..rule("up") }, Instant::now()).unwrap();
        assert_eq!(given(&mut operator), [("rules-ai-web".to_owned(), None)]);
    }

    #[test]
    fn rules_that_prometheus_would_refuse_are_left_out_and_that_is_said_once() {
        let mut operator = Operator::at_speed(1.0);
        let said = |operator: &mut Operator, expr: &str| {
            operator.notice(&rule(expr), Instant::now()).unwrap().rejection
        };
        let told = said(&mut operator, "up ==").unwrap();
        assert!(told.starts_with("PrometheusRule web was rejected due to invalid configuration: "), "{told}");
        assert_eq!(given(&mut operator), [("rules-ai-web".to_owned(), None)]);
        assert_eq!(said(&mut operator, "up =="), None);
        assert_eq!(said(&mut operator, "up"), None);
        assert!(said(&mut operator, "up ==").is_some());
    }

    #[test]
    fn other_kinds_are_none_of_its_business() {
        let object = json!({"kind": "Service", "metadata": {"name": "web"}});
        assert_eq!(Operator::at_speed(1.0).notice(&Change { object, gone: false }, Instant::now()), None);
    }
}
