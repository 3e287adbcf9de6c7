//! Two runs side by side.

use std::collections::BTreeMap;

use timeline::testing::{Recorder, aborted, healthy, measurement, saw, scenario, updating, version};
use timeline::{
    Agreement, AlertState, AlertStatus, AnalysisPhase, Comparison, EndReason, Engine, Entry, Event,
    HealthStatus, Role, RolloutPhase, RolloutStatus, RulesStatus, Source, SyncStatus, Timeline, compare,
};

const MERGE: &str = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }]";
const ABORTS: &str = "[{ rollout: serving, becomes: aborted, within: 60s }]";

fn old() -> RolloutStatus {
    healthy(version(1, "3.1"))
}

fn at_step(step: u32) -> RolloutStatus {
    updating(version(1, "3.1"), version(2, "3.2"), step)
}

fn paused(step: u32) -> RolloutStatus {
    RolloutStatus { phase: RolloutPhase::Paused, ..at_step(step) }
}

fn failed_update() -> RolloutStatus {
    aborted(version(1, "3.1"), version(2, "3.2"))
}

/// A merge at 10 s and an update that is paused a second later.
fn update() -> Recorder {
    Recorder::new()
        .application(0, SyncStatus::Synced, HealthStatus::Healthy, "a")
        .rollout(1_000, old())
        .action(10_000, 0, "merge")
        .application(10_500, SyncStatus::OutOfSync, HealthStatus::Healthy, "b")
        .rollout(11_000, at_step(0))
        .rollout(11_000, paused(1))
}

/// That update, stopped by its analysis after 40 s.
fn stopped() -> Timeline {
    update()
        .rollout(40_000, at_step(2))
        .measured(40_000, "latency", AnalysisPhase::Failed, Some(saw(2, 100.0)))
        .analysis(40_000, AnalysisPhase::Failed)
        .rollout(40_000, failed_update())
        .requests(1_000, 60_000, Role::Stable, "3.1", 1_000.0, 10.0)
        .settled(100_000)
}

fn compared(left: &Timeline, right: &Timeline) -> Comparison {
    compare(&scenario(MERGE, ABORTS), left, right)
}

/// Every entry after `from` milliseconds comes this much later.
fn later(timeline: &Timeline, from: u64, by: u64) -> Timeline {
    let mut timeline = timeline.clone();
    for entry in timeline.entries.iter_mut().filter(|entry| entry.at.as_millis() >= from) {
        entry.at += units::Duration::from_millis(by);
    }
    timeline
}

/// With another engine's name, and this speed in both.
fn on_kind(mut timeline: Timeline) -> Timeline {
    if let Event::RunStarted(started) = &mut timeline.entries[0].event {
        started.engine = Engine::Kind;
    }
    timeline
}

fn at_speed(mut timeline: Timeline, speed: f64) -> Timeline {
    if let Event::RunStarted(started) = &mut timeline.entries[0].event {
        started.speed = speed;
    }
    timeline
}

/// Differences, as lines.
fn differences(comparison: &Comparison) -> Vec<String> {
    let facts = comparison.outcome.iter().chain(&comparison.expectations).chain(&comparison.analyses);
    let facts = facts.filter(|fact| !fact.agrees);
    let facts = facts.map(|fact| format!("{}: {} / {}", fact.what, fact.said.left, fact.said.right));
    let states = comparison.states().filter(|state| state.agreement != Agreement::Same);
    facts.chain(states.map(|it| format!("{}: {} {:?}", it.subject, it.state, it.agreement))).collect()
}

#[test]
fn a_run_agrees_with_itself_in_everything() {
    let comparison = compared(&stopped(), &on_kind(stopped()));
    assert_eq!(differences(&comparison), [""; 0]);
    assert!(comparison.agrees() && comparison.outcome_agrees() && comparison.in_time());
    assert_eq!((comparison.engines.left, comparison.engines.right), (Engine::Sim, Engine::Kind));
    let titles: Vec<&str> = comparison.chapters.iter().map(|chapter| chapter.title.as_str()).collect();
    assert_eq!(titles, ["the start", "merge something"]);
    assert_eq!(comparison.states().count(), 7);
}

#[test]
fn times_are_counted_from_the_action_before() {
    let run = at_speed(stopped(), 60.0);
    // The whole run comes later: from the action on nothing differs.
    let shifted = compared(&run, &later(&run, 10_000, 50_000));
    assert!(shifted.agrees() && shifted.in_time(), "{:?}", differences(&shifted));
    // Only what follows the pause does: by 10 s, which 5 s + 180 s / 60 + a fifth of 40 s allow, or by 20 s.
    assert!(compared(&run, &later(&run, 40_000, 10_000)).in_time());
    let late = compared(&run, &later(&run, 40_000, 20_000));
    assert!(late.agrees() && !late.in_time());
    let expected = [
        "rollout serving: Progressing, step 2/4 OutOfTime",
        "rollout serving: Degraded, aborted, step 0/4 OutOfTime",
    ];
    assert_eq!(differences(&late), expected);
}

#[test]
fn what_passes_on_one_side_alone_is_told_and_what_lasts_there_is_a_difference() {
    let with_state_for = |millis: u64| {
        update()
            .rollout(20_000, RolloutStatus { phase: RolloutPhase::Degraded, ..at_step(1) })
            .rollout(20_000 + millis, paused(1))
            .settled(100_000)
    };
    let without = update().settled(100_000);
    let brief = compared(&without, &with_state_for(3_000));
    assert!(brief.agrees() && brief.in_time());
    assert_eq!(differences(&brief), ["rollout serving: Degraded, step 1/4 Passing"]);
    let lasting = compared(&without, &with_state_for(3_001));
    assert!(!lasting.agrees() && lasting.outcome_agrees());
}

#[test]
fn another_end_of_the_update_is_a_difference_of_the_outcome() {
    let promoted = update().rollout(40_000, healthy(version(2, "3.2"))).settled(100_000);
    let comparison = compared(&stopped(), &promoted);
    assert!(!comparison.outcome_agrees() && !comparison.agrees());
    let differences = differences(&comparison);
    for expected in [
        "rollout ai/serving: Degraded, aborted / Healthy",
        "rollout ai/serving: stable: 3.1 / 3.2",
        "rollout serving becomes aborted within 1m: passed / failed",
        "analysis of serving at step 2: Failed / –",
    ] {
        assert!(differences.iter().any(|it| it == expected), "{expected}: {differences:#?}");
    }
}

#[test]
fn analyses_must_say_the_same_in_the_same_order_but_not_equally_often() {
    let measured = |phases: &[AnalysisPhase]| {
        let recorder = phases.iter().enumerate().fold(update(), |recorder, (index, phase)| {
            recorder.measured(40_000 + index as u64 * 1_000, "latency", *phase, None)
        });
        recorder.settled(100_000)
    };
    use AnalysisPhase::{Error, Failed, Successful};
    let five_errors = measured(&[Error; 5]);
    assert!(compared(&five_errors, &measured(&[Error; 4])).agrees());
    assert!(!compared(&five_errors, &measured(&[Error, Successful])).agrees());
    let mixed = compared(&measured(&[Successful, Failed]), &measured(&[Failed, Successful]));
    assert!(!mixed.agrees() && mixed.outcome_agrees());
}

#[test]
fn hashes_and_commit_ids_are_no_difference() {
    let renamed = |hash: &str| {
        let mut failed = failed_update();
        failed.message = format!("ReplicaSet \"serving-{hash}\" has timed out");
        failed.canary.as_mut().expect("it has one").hash = hash.to_owned();
        Recorder::new()
            .rollout(1_000, old())
            .action(10_000, 0, "merge")
            .rollout(40_000, failed)
            .settled(50_000)
    };
    assert!(compared(&renamed("abc12"), &renamed("def34")).agrees());
}

#[test]
fn an_action_that_only_one_run_performed_is_a_difference() {
    let reverted = stopped();
    let mut entries = reverted.entries.clone();
    let end = entries.pop().expect("it has an end");
    let second = Recorder::new().action(90_000, 1, "revert").settled(90_000).entries.remove(1);
    entries.extend([second, end]);
    let comparison = compared(&reverted, &Timeline { entries });
    assert!(!comparison.outcome_agrees());
    assert_eq!(differences(&comparison), ["actions performed: merge / merge, revert"]);
}

#[test]
fn shares_of_requests_are_compared_roughly() {
    let hurt =
        |hurt: f64| Recorder::new().requests(0, 60_000, Role::Stable, "3.1", 1_000.0, hurt).settled(60_000);
    let agrees =
        |one: f64, two: f64| compared(&hurt(one), &hurt(two)).requests.iter().all(|fact| fact.agrees);
    assert!(agrees(0.0, 10.0) && agrees(100.0, 200.0) && agrees(0.0, 0.0));
    assert!(!agrees(0.0, 11.0) && !agrees(100.0, 201.0));
    assert!(compared(&hurt(0.0), &hurt(500.0)).agrees(), "numbers of requests are no difference of the run");
}

#[test]
fn a_run_that_was_cut_short_is_compared_as_far_as_it_went() {
    let cut = update().ended(20_000, EndReason::Interrupted);
    let comparison = compared(&stopped(), &cut);
    assert!(!comparison.agrees());
    let kind = Recorder::new().at(
        0,
        Source::Analysis,
        Event::Measurement(measurement("latency", AnalysisPhase::Error, None)),
    );
    assert!(!compared(&kind.settled(1), &Timeline { entries: Vec::new() }).agrees());
}

/// Rules that define `Slow` and `Other`, both of which fire when told.
fn with_alerts(changes: &[(u64, &str, AlertState)]) -> Timeline {
    let rules = RulesStatus {
        namespace: "ai".into(),
        name: "serving".into(),
        alerts: vec!["Slow".into(), "Other".into()],
        records: Vec::new(),
        failing: Vec::new(),
        without_series: Vec::new(),
    };
    let recorder = update().at(12_000, Source::Prometheus, Event::Rules(rules));
    let add = |recorder: Recorder, (at, name, state): &(u64, &str, AlertState)| {
        let status = AlertStatus {
            namespace: "ai".into(),
            rules: "serving".into(),
            group: "g".into(),
            alert: (*name).into(),
            state: *state,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            value: "1".into(),
            active_at: units::Time::ZERO,
        };
        recorder.at(*at, Source::Prometheus, Event::Alert(status))
    };
    changes.iter().fold(recorder, add).settled(100_000)
}

const FIRES: &str = "[{ alert: Slow, becomes: firing, within: 60s }]";

#[test]
fn an_alert_that_the_scenario_speaks_of_is_among_the_states_and_its_claim_decides_the_outcome() {
    use AlertState::{Firing, Pending};
    let fires = with_alerts(&[(20_000, "Slow", Pending), (40_000, "Slow", Firing)]);
    let pends = with_alerts(&[(20_000, "Slow", Pending)]);
    let scenario = scenario(MERGE, FIRES);
    let same = compare(&scenario, &fires, &on_kind(fires.clone()));
    assert_eq!(differences(&same), [""; 0]);
    let states: Vec<String> = same
        .states()
        .filter(|it| it.subject == "alert Slow")
        .map(|it| format!("{} +{}", it.state, it.reached.left.unwrap().after))
        .collect();
    assert_eq!(states, ["inactive +2s", "pending +10s", "firing +30s"]);
    let other = compare(&scenario, &fires, &on_kind(pends));
    assert!(!other.outcome_agrees());
    assert!(
        differences(&other).contains(&"alert Slow: firing Missing".to_owned()),
        "{:?}",
        differences(&other)
    );
    let alert = &other.alerts[0];
    assert_eq!((alert.what.as_str(), alert.agrees), ("alert Slow", false));
    assert_eq!((alert.said.left.as_str(), alert.said.right.as_str()), ("fired", "was pending"));
}

#[test]
fn of_other_alerts_it_is_told_whether_they_fired_and_nothing_depends_on_that() {
    let fires = with_alerts(&[(40_000, "Other", AlertState::Firing)]);
    let quiet = with_alerts(&[]);
    let compared = compare(&scenario(MERGE, ABORTS), &fires, &on_kind(quiet));
    assert!(compared.agrees());
    let told: Vec<(&str, bool)> = compared.alerts.iter().map(|it| (it.what.as_str(), it.agrees)).collect();
    assert_eq!(told, [("alert Other", false)]);
    assert!(compared.states().all(|it| !it.subject.starts_with("alert")));
}

#[test]
fn that_rules_were_without_series_which_only_the_simulator_knows_is_no_difference() {
    let fires = with_alerts(&[(40_000, "Slow", AlertState::Pending), (60_000, "Slow", AlertState::Firing)]);
    let mut told = fires.clone();
    let is_rules = |entry: &Entry| matches!(entry.event, Event::Rules(_));
    let loaded = told.entries.iter().position(is_rules).unwrap();
    let mut later = told.entries[loaded].clone();
    later.at += units::Duration::from_secs(18);
    let Event::Rules(rules) = &mut told.entries[loaded].event else { unreachable!() };
    rules.without_series.clone_from(&rules.alerts);
    let place = told.entries.partition_point(|entry| entry.at <= later.at);
    told.entries.insert(place, later);
    let compared = compare(&scenario(MERGE, FIRES), &told, &on_kind(fires));
    assert_eq!(differences(&compared), [""; 0]);
    assert!(compared.agrees() && compared.in_time());
}
