use serde_json::{Value, json};

use super::*;

const FILE: &str = "/configuration/rules-ai-x1-web.yml";

/// The start of the run: 2025-01-01T00:00:00Z.
const BEGUN: f64 = 1_735_689_600.0;

fn object() -> ResourceName {
    ResourceName { kind: "PrometheusRule".to_owned(), namespace: "ai".to_owned(), name: "web".to_owned() }
}

fn following() -> Rules {
    let mut rules = Rules::default();
    rules.know(FILE.to_owned(), object());
    rules
}

/// A rule `Slow`, last evaluated at a second of the run, with these alerts.
fn slow(evaluated: u32, alerts: &[Value]) -> Value {
    json!({
        "name": "Slow", "type": "alerting", "state": "firing", "health": "ok", "query": "x > 1", "duration": 10,
        "keepFiringFor": 0, "labels": {}, "annotations": {}, "alerts": alerts, "evaluationTime": 0.001,
        "lastEvaluation": at(evaluated),
    })
}

fn at(second: u32) -> String {
    format!("2025-01-01T00:{:02}:{:02}.5Z", second / 60, second % 60)
}

fn alert(role: &str, state: &str, active: u32) -> Value {
    json!({
        "labels": {"alertname": "Slow", "role": role, "namespace": "ai-x1"}, "state": state, "value": "1.25e+00",
        "annotations": {"summary": "slow in ai-x1"}, "activeAt": at(active),
    })
}

/// What is told of an answer that came at a second of the run.
fn see(rules: &mut Rules, second: u64, listed: &[Value]) -> Vec<String> {
    let groups: &[Value] = if listed.is_empty() {
        &[]
    } else {
        &[json!({"name": "g", "file": FILE, "interval": 0.5, "rules": listed})]
    };
    let answer = json!({"status": "success", "data": {"groups": groups}});
    let answer: Answer = serde_json::from_value(answer).unwrap();
    let names = Names::with_suffix("-x1").unwrap();
    let reading = Reading { begun_at: BEGUN, now: Time::from_secs(second), names: &names };
    let told = rules.see(&answer, &reading).into_iter();
    told.map(|(at, event)| match event {
        Event::Rules(it) => {
            format!("{} rules {:?} {:?} {:?}", at.as_secs_f64(), it.alerts, it.records, it.failing)
        }
        Event::Alert(it) => {
            let role = &it.labels["role"];
            format!(
                "{} {} {role} {} since {}",
                at.as_secs_f64(),
                it.alert,
                it.state,
                it.active_at.as_secs_f64()
            )
        }
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn an_alert_is_told_at_each_change_of_its_state_with_prometheus_s_own_times() {
    let mut rules = following();
    assert_eq!(see(&mut rules, 1, &[slow(0, &[])]), ["1 rules [\"Slow\"] [] []"]);
    let pending = [slow(5, &[alert("canary", "pending", 5)])];
    assert_eq!(see(&mut rules, 6, &pending), ["5.5 Slow canary pending since 5.5"]);
    assert_eq!(rules.pending().count(), 1);
    assert_eq!(see(&mut rules, 7, &pending), [""; 0]);
    let firing = [slow(15, &[alert("canary", "firing", 5), alert("stable", "pending", 15)])];
    assert_eq!(
        see(&mut rules, 17, &firing),
        ["15.5 Slow canary firing since 5.5", "15.5 Slow stable pending since 15.5"]
    );
    let over = [slow(20, &[alert("canary", "firing", 5)])];
    assert_eq!(see(&mut rules, 21, &over), ["20.5 Slow stable inactive since 15.5"]);
    assert_eq!(rules.pending().count(), 0);
}

#[test]
fn labels_and_annotations_have_the_user_s_names_and_the_value_is_as_templates_show_it() {
    let mut rules = following();
    see(&mut rules, 6, &[slow(5, &[alert("canary", "firing", 5)])]);
    let status = rules.active.values().next().unwrap();
    assert_eq!((status.namespace.as_str(), status.rules.as_str(), status.group.as_str()), ("ai", "web", "g"));
    assert_eq!(status.labels.get("namespace").map(String::as_str), Some("ai"));
    assert_eq!(status.labels.get("alertname"), None);
    assert_eq!(status.annotations["summary"], "slow in ai");
    assert_eq!(status.value, "1.25");
}

#[test]
fn of_rules_that_are_gone_alerts_end_and_nothing_is_left() {
    let mut rules = following();
    let mut recording = json!({
        "name": "r", "type": "recording", "query": "up", "health": "ok", "evaluationTime": 0.1, "lastEvaluation": at(5),
    });
    see(&mut rules, 6, &[recording.clone(), slow(5, &[alert("canary", "firing", 5)])]);
    recording["health"] = json!("err");
    recording["lastError"] = json!("vector contains metrics with the same labelset");
    assert_eq!(
        see(&mut rules, 7, &[recording, slow(5, &[alert("canary", "firing", 5)])]),
        ["7 rules [\"Slow\"] [\"r\"] [\"r: vector contains metrics with the same labelset\"]"]
    );
    assert_eq!(see(&mut rules, 9, &[]), ["9 rules [] [] []", "9 Slow canary inactive since 5.5"]);
    assert_eq!(see(&mut rules, 10, &[]), [""; 0]);
}

#[test]
fn alerts_of_two_rules_with_the_same_labels_are_one_in_the_state_that_is_furthest() {
    let mut rules = following();
    let twice = [slow(5, &[alert("canary", "firing", 5)]), slow(5, &[alert("canary", "pending", 5)])];
    assert_eq!(see(&mut rules, 6, &twice)[1..], ["5.5 Slow canary firing since 5.5"]);
}

#[test]
fn rules_of_files_that_no_prometheus_rule_made_are_not_told() {
    let mut rules = Rules::default();
    assert_eq!(see(&mut rules, 6, &[slow(5, &[alert("canary", "firing", 5)])]), [""; 0]);
}
