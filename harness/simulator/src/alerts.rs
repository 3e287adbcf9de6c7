//! Alerts that a scenario speaks of and that nothing defines.

use std::collections::BTreeSet;

use manifests::tree::Tree;
use scenario::{Action, Scenario};
use yaml::{Node, Problem, did_you_mean};

/// Checks that every alert that a scenario speaks of can exist: that its name stands in the repository, or in
/// an event that could write it there.
///
/// # Errors
/// The first that does not, with the alert that may be meant.
pub fn ensure_alerts_are_defined(scenario: &Scenario, repository: &Tree) -> Result<(), Problem> {
    let unwritten = |name: &str| !is_written(scenario, repository, name);
    let Some((alert, place)) = scenario.alerts().find(|(alert, _)| unwritten(&alert.name)) else {
        return Ok(());
    };
    let defined = defined(repository);
    let message = format!("no rule in the repository defines the alert `{}`", alert.name);
    let help = match did_you_mean(&alert.name, defined.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if defined.is_empty() => "the repository has no PrometheusRule with an alert".to_owned(),
        None => format!("its alerts are {}", defined.into_iter().collect::<Vec<_>>().join(", ")),
    };
    Err(Problem::at(place, message).with_help(help))
}

fn is_written(scenario: &Scenario, repository: &Tree, name: &str) -> bool {
    let in_files = repository.files().any(|(_, bytes)| has_word(&String::from_utf8_lossy(bytes), name));
    in_files || scenario.events.iter().any(|event| writes(&event.action, name))
}

fn writes(action: &Action, name: &str) -> bool {
    let in_node = |node: &Node| has_word(&node.to_yaml(), name);
    match action {
        Action::Merge(merge) => {
            merge.edit.values().any(|node| in_node(node))
                || merge.write.values().any(|text| has_word(text, name))
        }
        Action::Patch { with, .. } => in_node(with),
        Action::Revert(_)
        | Action::Apply(_)
        | Action::Delete(_)
        | Action::Operate { .. }
        | Action::Refresh { .. }
        | Action::Sync { .. }
        | Action::Traffic(_) => false,
    }
}

/// Whether the text has the word, and not only as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part))
}

/// The alerts that the PrometheusRules of the repository's files define.
fn defined(repository: &Tree) -> BTreeSet<String> {
    let paths: Vec<&str> = repository.files().map(|(path, _)| path).collect();
    let documents = paths.iter().filter_map(|path| repository.documents(path)?.ok()).flatten();
    let rules = documents.filter(|node| node.str_at(&["kind"]) == Some("PrometheusRule"));
    let lists = |node: &Node, key: &str| node.get(key).and_then(Node::as_seq).unwrap_or_default().to_vec();
    let groups = rules.filter_map(|node| node.get("spec")).flat_map(|spec| lists(spec, "groups"));
    let rules = groups.flat_map(|group| lists(&group, "rules"));
    rules.filter_map(|rule| rule.str_at(&["alert"]).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: r}
spec: {groups: [{name: g, rules: [{alert: ModelDown, expr: up == 0}, {alert: ModelDownForLong, expr: up == 0}]}]}
";

    /// What is said of a scenario that speaks of an alert.
    #[track_caller]
    fn check(rest: &str, rules: &str, expected: Option<&str>) {
        let text = format!("name: t\nrepository: .\n{rest}");
        let scenario = Scenario::read("t.yaml", text.as_bytes()).unwrap().remove(0);
        let result = ensure_alerts_are_defined(&scenario, &crate::tree_of([("rules.yaml", rules)]));
        let said = result.err().map(|problem| problem.to_string());
        match expected {
            Some(part) => assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{said:?}"),
            None => assert_eq!(said, None, "{rest}"),
        }
    }

    #[test]
    fn an_alert_that_nothing_defines_is_told_at_its_place_with_the_one_that_is_meant() {
        let of = |name: &str| format!("expect: [{{alert: {name}, becomes: firing}}]");
        check(&of("ModelDown"), RULES, None);
        check(&of("Model"), RULES, Some("no rule in the repository defines the alert `Model`"));
        check(&of("ModelDwn"), RULES, Some("did you mean `ModelDown`?"));
        check(&of("ModelDwn"), RULES, Some("t.yaml:3:"));
        check(&of("Other"), RULES, Some("its alerts are ModelDown, ModelDownForLong"));
        check(&of("Other"), "a: 1", Some("has no PrometheusRule with an alert"));
    }

    #[test]
    fn an_alert_that_an_event_writes_may_exist() {
        let expect = "expect: [{alert: New, becomes: firing}]";
        for event in [
            "merge: {write: {r.yaml: 'groups: [{rules: [{alert: New}]}]'}}",
            "merge: {edit: {rules.yaml: {spec: {groups: [{name: g, rules: [{alert: New}]}]}}}}",
            "patch: {resource: {kind: PrometheusRule, name: r}, with: {spec: {groups: [{rules: [{alert: New}]}]}}}",
        ] {
            check(&format!("events: [{{at: 1m, {event}}}]\n{expect}"), RULES, None);
        }
        let waits = "events: [{after: {alert: New, is: firing}, traffic: {rate: 1/s}}]";
        check(&format!("{waits}\n{expect}"), RULES, Some("defines the alert `New`"));
    }
}
