//! Claims about alerts, one test for each sentence of the rules.

use std::collections::BTreeMap;

use timeline::testing::{Recorder, scenario};
use timeline::{
    AlertState, AlertStatus, Event, Judged, RulesStatus, Source, Timeline, Verdict, Watch, judge,
};
use units::Time;

use AlertState::{Firing, Inactive, Pending};
use Verdict::{Failed, Inconclusive, Passed};

const EVENTS: &str = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }]";

fn rules(alerts: &[&str], failing: &[&str]) -> Event {
    Event::Rules(RulesStatus {
        namespace: "ai".into(),
        name: "serving".into(),
        alerts: alerts.iter().map(ToString::to_string).collect(),
        records: Vec::new(),
        failing: failing.iter().map(ToString::to_string).collect(),
        without_series: Vec::new(),
    })
}

/// Rules with the alert Slow, which had no series to look at until now.
fn blind() -> Event {
    let Event::Rules(status) = rules(&["Slow"], &[]) else { unreachable!() };
    Event::Rules(RulesStatus { without_series: vec!["Slow".into()], ..status })
}

fn alert(role: &str, state: AlertState) -> Event {
    Event::Alert(AlertStatus {
        namespace: "ai".into(),
        rules: "serving".into(),
        group: "g".into(),
        alert: "Slow".into(),
        state,
        labels: BTreeMap::from([("role".to_owned(), role.to_owned())]),
        annotations: BTreeMap::new(),
        value: "0.9".into(),
        active_at: Time::ZERO,
    })
}

/// Rules with an alert at 5 s, a merge at 10 s.
fn run() -> Recorder {
    Recorder::new().at(5_000, Source::Prometheus, rules(&["Slow", "Down"], &[])).action(10_000, 0, "merge")
}

fn with(recorder: Recorder, changes: &[(u64, &str, AlertState)]) -> Recorder {
    let add = |recorder: Recorder, (at, role, state): &(u64, &str, AlertState)| {
        recorder.at(*at, Source::Prometheus, alert(role, *state))
    };
    changes.iter().fold(recorder, add)
}

#[track_caller]
fn check(expect: &str, timeline: &Timeline, verdict: Verdict, message: &str) -> Judged {
    let judged = judge(&scenario(EVENTS, &format!("[{{ {expect} }}]")), timeline).expectations.remove(0);
    assert_eq!(judged.verdict, verdict, "{expect}: {}", judged.message);
    assert!(judged.message.contains(message), "{expect}: {}", judged.message);
    judged
}

#[test]
fn an_alert_that_fires_in_time_became() {
    let timeline = with(run(), &[(20_000, "canary", Pending), (40_000, "canary", Firing)]).settled(99_000);
    let judged = check("alert: Slow, becomes: firing, within: 30s", &timeline, Passed, "at 00:40, 30s after");
    assert_eq!(judged.evidence, [4]);
    check("alert: Slow, becomes: firing, within: 29s", &timeline, Failed, "only at 00:40");
    check("alert: Slow, becomes: pending, within: 10s", &timeline, Passed, "at 00:20");
    check("alert: Slow, never: firing", &timeline, Failed, "at 00:40 it was firing for role=canary");
    check("alert: Slow, always: inactive", &timeline, Failed, "at 00:20 it was pending for role=canary");
    let of = "alert: Slow, becomes: firing, within: 20s, of: { alert: Slow, is: pending }";
    check(of, &timeline, Passed, "20s after alert Slow pending");
}

#[test]
fn labels_choose_among_the_alerts_of_a_name() {
    let timeline = with(run(), &[(20_000, "canary", Firing), (40_000, "stable", Firing)]).settled(99_000);
    check("alert: Slow, labels: { role: stable }, becomes: firing", &timeline, Passed, "at 00:40");
    check("alert: Slow, labels: { role: other }, never: firing", &timeline, Passed, "it never was");
    check("alert: Slow, becomes: firing", &timeline, Passed, "at 00:20");
}

#[test]
fn the_alert_that_is_furthest_decides() {
    let changes = [
        (20_000, "canary", Firing),
        (30_000, "stable", Pending),
        (40_000, "canary", Inactive),
        (50_000, "stable", Inactive),
    ];
    let timeline = with(run(), &changes).settled(99_000);
    check("alert: Slow, becomes: pending", &timeline, Passed, "at 00:40");
    check("alert: Slow, stays: firing, for: 20s", &timeline, Passed, "held for 20s");
    check("alert: Slow, stays: inactive, of: { alert: Slow, is: firing }", &timeline, Passed, "from 00:50");
}

#[test]
fn an_alert_that_never_fired_did_not_become_and_its_last_state_is_told() {
    let timeline = with(run(), &[(20_000, "canary", Pending)]).settled(99_000);
    check("alert: Slow, becomes: firing", &timeline, Failed, "since 00:20 it is pending for role=canary");
    check("alert: Down, becomes: firing", &timeline, Failed, "since 00:05 it is inactive");
    check("alert: Down, never: firing", &timeline, Passed, "it never was");
}

#[test]
fn what_no_rule_defines_was_not_exercised() {
    let timeline = run().settled(99_000);
    check(
        "alert: Slwo, never: firing",
        &timeline,
        Inconclusive,
        "the run says nothing about alert Slwo: it knows Down, Slow",
    );
    let failing = Recorder::new()
        .at(5_000, Source::Prometheus, rules(&["Slow"], &["Slow: many-to-many matching not allowed"]))
        .action(10_000, 0, "merge")
        .settled(99_000);
    check("alert: Slow, never: firing", &failing, Inconclusive, "nothing was exercised");
    let gone = run().at(20_000, Source::Prometheus, rules(&[], &[])).settled(99_000);
    check("alert: Slow, becomes: firing", &gone, Failed, "since 00:20 it is no longer defined");
}

#[test]
fn an_alert_whose_rule_never_had_a_series_is_no_evidence() {
    let begun = || Recorder::new().at(5_000, Source::Prometheus, blind()).action(10_000, 0, "merge");
    let timeline = begun().settled(99_000);
    let why = "at 00:05 it was inactive, but its rule never had a series to look at: nothing was exercised";
    for claim in
        ["never: firing", "always: inactive", "stays: inactive", "becomes: inactive", "becomes: firing"]
    {
        let judged = check(&format!("alert: Slow, {claim}"), &timeline, Inconclusive, why);
        assert_eq!(judged.evidence, [1]);
    }
    let judgement = judge(&scenario(EVENTS, "[{ requests: { total: '> 0' } }]"), &timeline);
    assert_eq!(
        judgement.never_exercised.last().map(String::as_str),
        Some("alert Slow of ai/serving: its rule never had a series to look at")
    );
    // From the first series on it is evidence, and so is an alert that needs none to fire.
    let seen = begun().at(20_000, Source::Prometheus, rules(&["Slow"], &[])).settled(99_000);
    check("alert: Slow, never: firing", &seen, Passed, "last: inactive");
    check("alert: Slow, always: inactive", &seen, Passed, "held from 00:20");
    let fired = with(begun(), &[(20_000, "canary", Firing)]).settled(99_000);
    check("alert: Slow, never: firing", &fired, Failed, "at 00:20 it was firing");
    let judgement = judge(&scenario(EVENTS, "[{ requests: { total: '> 0' } }]"), &seen);
    assert!(judgement.never_exercised.iter().all(|it| !it.contains("alert")), "{judgement:?}");
}

#[test]
fn a_trigger_waits_for_the_alert_to_enter_its_state() {
    let events = "[{ after: { alert: Slow, labels: { role: canary }, is: firing }, revert: last }]";
    let scenario = scenario(
        &format!("[{{ at: 1s, merge: {{ delete: [a] }} }}, {}", &events[1..]),
        "[{ requests: { total: '> 0' } }]",
    );
    let scenario::Trigger::After { reached, .. } = &scenario.events[1].trigger else { panic!("it waits") };
    let changes = [
        (20_000, "stable", Firing),
        (30_000, "canary", Pending),
        (40_000, "canary", Firing),
        (50_000, "canary", Firing),
    ];
    let mut watch = Watch::new(&reached.0);
    let timeline = with(run(), &changes).settled(99_000);
    let entered: Vec<u64> = timeline
        .entries
        .iter()
        .filter(|entry| watch.entered(entry))
        .map(|entry| entry.at.as_millis())
        .collect();
    assert_eq!(entered, [40_000]);
}

#[test]
fn what_is_told_of_alerts_is_read_back_unchanged() {
    let timeline = with(run(), &[(20_000, "canary", Firing)]).settled(99_000);
    let text = timeline.to_jsonl();
    assert_eq!(Timeline::from_jsonl(&text), Ok(timeline));
    let line = text.lines().nth(3).unwrap_or_default();
    assert_eq!(
        line,
        "{\"at\":20,\"source\":\"prometheus\",\"event\":{\"kind\":\"alert\",\"namespace\":\"ai\",\"rules\":\"serving\",\
         \"group\":\"g\",\"alert\":\"Slow\",\"state\":\"firing\",\"labels\":{\"role\":\"canary\"},\"annotations\":{},\
         \"value\":\"0.9\",\"active_at\":0}}"
    );
}
