//! One test for each sentence of the rules.

use timeline::testing::{Recorder, aborted, healthy, measurement, saw, scenario, updating, version};
use timeline::{
    AnalysisPhase, EndReason, Event, HealthStatus, Judged, ResourceName, ResourceWritten, Role,
    RolloutStatus, Source, SyncStatus, Timeline, Verdict, judge,
};

const MERGE: &str = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }]";
const MERGE_AND_REVERT: &str =
    "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }, { at: 50s, revert: last }]";

const OLD: &str = "3.1";
const NEW: &str = "3.2";

fn old() -> RolloutStatus {
    healthy(version(1, OLD))
}

fn at_step(step: u32) -> RolloutStatus {
    updating(version(1, OLD), version(2, NEW), step)
}

fn failed_update() -> RolloutStatus {
    aborted(version(1, OLD), version(2, NEW))
}

fn promoted() -> RolloutStatus {
    healthy(version(2, NEW))
}

/// Healthy at 5 s, a merge at 10 s, an update from 11 s on.
fn update() -> Recorder {
    Recorder::new().rollout(5_000, old()).action(10_000, 0, "merge").rollout(11_000, at_step(0))
}

/// The only expectation of a scenario, judged.
fn judged(events: &str, expect: &str, timeline: &Timeline) -> Judged {
    let mut judgement = judge(&scenario(events, &format!("[{{ {expect} }}]")), timeline);
    assert_eq!(judgement.expectations.len(), 1);
    judgement.expectations.remove(0)
}

#[track_caller]
fn check(expect: &str, timeline: &Timeline, verdict: Verdict, message: &str) -> Judged {
    let judged = judged(MERGE_AND_REVERT, expect, timeline);
    assert_eq!(judged.verdict, verdict, "{expect}: {}", judged.message);
    assert!(judged.message.contains(message), "{expect}: {}", judged.message);
    for index in &judged.evidence {
        assert!(*index < timeline.entries.len());
    }
    judged
}

use Verdict::{Failed, Inconclusive, Passed};

const ABORTED: &str = "rollout: serving, becomes: aborted";

#[test]
fn a_state_that_is_entered_in_time_became() {
    let timeline = update().rollout(40_000, failed_update()).settled(100_000);
    let judged = check(
        "rollout: serving, becomes: aborted, within: 30s",
        &timeline,
        Passed,
        "30s after the first action",
    );
    assert_eq!((judged.at, judged.evidence), (Some(timeline.entries[4].at), vec![4]));
}

#[test]
fn time_in_which_the_scenarios_clock_stood_still_does_not_count() {
    let clock = || Event::ClockStarted(timeline::ClockStarted { in_place: true });
    let run = |aborted_at| {
        let held = Recorder::new().action(0, 0, "merge").rollout(5_000, at_step(0));
        held.at(20_000, Source::Rehearse, clock()).rollout(aborted_at, failed_update()).settled(100_000)
    };
    for claim in ["within: 30s", "within: 30s, of: start", "within: 30s, of: merge"] {
        let claim = format!("{ABORTED}, {claim}");
        check(&claim, &run(50_000), Passed, "at 00:50");
        check(&claim, &run(50_001), Failed, "only at 00:50.001");
    }
    let later = format!("{ABORTED}, within: 30s, of: {{ rollout: serving, is: updating }}");
    check(&later, &run(50_001), Failed, "only at");
    let stays = "rollout: serving, stays: aborted, for: 10s, within: 30s";
    check(stays, &run(50_000), Passed, "held for 50s");
    check(stays, &run(50_001), Failed, "only at");
    let never = Recorder::new().action(0, 0, "merge").rollout(5_000, at_step(0));
    let never = never.at(20_000, Source::Rehearse, clock());
    check(
        "rollout: serving, becomes: aborted, within: 30s",
        &never.ended(45_000, EndReason::DurationReached),
        Inconclusive,
        "may come true until 00:50",
    );
}

#[test]
fn a_state_that_is_entered_too_late_did_not_become() {
    let timeline = update().rollout(40_001, failed_update()).settled(100_000);
    check(
        "rollout: serving, becomes: aborted, within: 30s",
        &timeline,
        Failed,
        "only at 00:40.001, 30.001s after",
    );
}

#[test]
fn a_state_that_lasted_no_time_became() {
    let timeline = update()
        .rollout(40_000, failed_update())
        .rollout(40_000, at_step(0))
        .rollout(60_000, promoted())
        .settled(99_000);
    check(ABORTED, &timeline, Passed, "00:40");
    check("rollout: serving, never: aborted", &timeline, Failed, "at 00:40 it was Degraded, aborted");
}

#[test]
fn a_state_that_held_before_and_never_changed_was_not_exercised() {
    let timeline = Recorder::new().rollout(5_000, old()).action(10_000, 0, "merge").settled(99_000);
    let judged = check(
        "rollout: serving, becomes: healthy",
        &timeline,
        Inconclusive,
        "held before the first action and never changed",
    );
    assert_eq!(judged.evidence, [1]);
}

#[test]
fn a_state_that_is_left_and_entered_again_became() {
    let timeline = update().rollout(60_000, promoted()).settled(99_000);
    check("rollout: serving, becomes: healthy, within: 50s", &timeline, Passed, "at 01:00");
}

#[test]
fn a_state_that_is_left_for_good_did_not_become() {
    let timeline = update().settled(99_000);
    check(
        "rollout: serving, becomes: healthy",
        &timeline,
        Failed,
        "it was left at 00:11; since 00:11 it is Progressing",
    );
}

#[test]
fn a_settled_run_ends_the_wait_for_a_state() {
    check(
        "rollout: serving, becomes: aborted, within: 1h",
        &update().settled(99_000),
        Failed,
        "not entered by 1:00:10",
    );
}

#[test]
fn a_run_that_is_over_too_early_answers_nothing() {
    for (reason, message) in [
        (EndReason::TimeLimit, "longest time"),
        (EndReason::Interrupted, "interrupted at 01:39"),
        (EndReason::DurationReached, "may come true until 1:00:10"),
    ] {
        check(
            "rollout: serving, becomes: aborted, within: 1h",
            &update().ended(99_000, reason),
            Inconclusive,
            message,
        );
        check(
            "rollout: serving, becomes: aborted, within: 1m",
            &update().ended(99_000, reason),
            Failed,
            "not entered",
        );
    }
}

#[test]
fn the_scenarios_duration_ends_the_wait_for_a_state_without_a_deadline() {
    check(ABORTED, &update().ended(99_000, EndReason::DurationReached), Failed, "not entered");
    check(ABORTED, &update().ended(99_000, EndReason::TimeLimit), Inconclusive, "longest time");
}

#[test]
fn an_anchor_that_never_happened_leaves_no_answer() {
    let timeline = update().rollout(40_000, failed_update()).settled(99_000);
    check(
        "rollout: serving, becomes: healthy, of: revert",
        &timeline,
        Inconclusive,
        "`revert` was never performed",
    );
    check("rollout: serving, always: healthy, of: revert", &timeline, Inconclusive, "never performed");
    let idle = Recorder::new().rollout(5_000, old()).settled(99_000);
    check("rollout: serving, never: aborted", &idle, Inconclusive, "no action was performed");
}

#[test]
fn without_actions_the_start_is_the_anchor() {
    let timeline = Recorder::new().rollout(5_000, old()).settled(99_000);
    let judged = judged("[]", "rollout: serving, becomes: healthy, within: 5s", &timeline);
    assert_eq!(judged.verdict, Passed, "{}", judged.message);
}

#[test]
fn an_anchor_may_be_a_state_that_is_reached() {
    let timeline = update().rollout(40_000, failed_update()).rollout(45_000, old()).settled(99_000);
    let of_abort = "rollout: serving, becomes: healthy, within: 5s, of: { rollout: serving, is: aborted }";
    check(of_abort, &timeline, Passed, "5s after rollout serving aborted");
    let of_pause = "rollout: serving, becomes: healthy, of: { rollout: serving, is: paused }";
    check(of_pause, &timeline, Inconclusive, "\"rollout serving paused\" was never reached");
}

#[test]
fn before_demands_an_order() {
    let timeline = update().action(39_000, 1, "revert").rollout(40_000, failed_update()).settled(99_000);
    check(
        "rollout: serving, becomes: aborted, before: revert",
        &timeline,
        Failed,
        "only at 00:40, 30s after the first action; revert was performed at 00:39",
    );
    let timeline = update().rollout(40_000, failed_update()).action(40_000, 1, "revert").settled(99_000);
    check("rollout: serving, becomes: aborted, before: revert", &timeline, Passed, "00:40");
    let timeline = update().rollout(40_000, failed_update()).settled(99_000);
    check("rollout: serving, becomes: aborted, before: revert", &timeline, Passed, "00:40");
}

#[test]
fn promoted_means_a_version_that_was_not_trusted_at_the_anchor() {
    let never = "rollout: serving, never: promoted";
    let rolled_back = update().rollout(40_000, failed_update()).rollout(60_000, old()).settled(99_000);
    check(never, &rolled_back, Passed, "");
    check("rollout: serving, becomes: promoted", &rolled_back, Failed, "not entered");
    let promoted = update().rollout(60_000, promoted()).settled(99_000);
    check(never, &promoted, Failed, "at 01:00");
    check("rollout: serving, becomes: promoted", &promoted, Passed, "at 01:00");
    let of_promotion = "rollout: serving, always: { stable: '3.2' }, of: { rollout: serving, is: promoted }";
    check(of_promotion, &promoted, Passed, "held from 01:00");
}

#[test]
fn the_first_deployment_is_not_a_promotion() {
    let timeline = Recorder::new().rollout(5_000, old()).settled(99_000);
    let judged = judged("[]", "rollout: serving, never: promoted", &timeline);
    assert_eq!(judged.verdict, Passed, "{}", judged.message);
}

const BECAUSE: &str = "rollout: serving, becomes: aborted, because: latency";

fn failing(metric: &str) -> Recorder {
    update()
        .measured(30_000, "latency", AnalysisPhase::Successful, Some(saw(1, 100.0)))
        .measured(38_000, metric, AnalysisPhase::Failed, Some(saw(1, 100.0)))
        .analysis(39_000, AnalysisPhase::Failed)
        .rollout(40_000, failed_update())
}

#[test]
fn because_names_the_metric_that_failed() {
    let judged = check(
        BECAUSE,
        &failing("latency").settled(99_000),
        Passed,
        "latency measured [0.87] (result < 0.5), over 100 requests",
    );
    assert_eq!(judged.evidence, [5, 6, 7], "the measurement, the analysis and the abort");
    check(
        BECAUSE,
        &failing("errors").settled(99_000),
        Failed,
        "not because of latency: errors measured [0.87]",
    );
}

#[test]
fn because_takes_any_of_the_metrics_that_failed_together() {
    let timeline = update()
        .measured(38_000, "latency", AnalysisPhase::Failed, None)
        .measured(38_000, "errors", AnalysisPhase::Error, None)
        .analysis(38_000, AnalysisPhase::Failed)
        .rollout(40_000, failed_update())
        .settled(99_000);
    check(BECAUSE, &timeline, Passed, "latency");
}

#[test]
fn because_does_not_blame_a_measurement_of_an_earlier_update() {
    let timeline =
        failing("latency").rollout(50_000, at_step(0)).rollout(60_000, failed_update()).settled(99_000);
    check(BECAUSE, &timeline, Passed, "at 00:40");
    let again = "rollout: serving, becomes: aborted, because: latency, of: { rollout: serving, step: 1 }";
    let timeline =
        failing("latency").rollout(50_000, at_step(1)).rollout(60_000, failed_update()).settled(99_000);
    check(again, &timeline, Failed, "no measurement had failed before (RolloutAborted");
}

#[test]
fn a_promotion_behind_a_gate_without_samples_is_no_evidence() {
    let gate = |evidence| {
        update()
            .measured(30_000, "latency", AnalysisPhase::Successful, evidence)
            .analysis(39_000, AnalysisPhase::Successful)
            .rollout(60_000, promoted())
            .settled(99_000)
    };
    let promoted = "rollout: serving, becomes: promoted";
    check(
        promoted,
        &gate(Some(saw(0, 0.0))),
        Inconclusive,
        "the gate saw no samples: 1 measurement of latency",
    );
    check(promoted, &gate(Some(saw(1, 0.0))), Inconclusive, "the gate saw no samples");
    check(promoted, &gate(Some(saw(1, 10.0))), Passed, "");
    check(promoted, &gate(None), Passed, "");
    check(
        "rollout: serving, stays: promoted",
        &gate(Some(saw(0, 0.0))),
        Inconclusive,
        "the gate saw no samples",
    );
}

#[test]
fn a_promotion_behind_an_analysis_that_measured_nothing_is_no_evidence() {
    let analysed = || update().analysis(39_000, AnalysisPhase::Successful);
    let timeline = analysed().rollout(60_000, promoted()).settled(99_000);
    check("rollout: serving, becomes: promoted", &timeline, Inconclusive, "its analysis measured nothing");
    let skipped = analysed().action(59_000, 1, "promote_full").rollout(60_000, promoted()).settled(99_000);
    check("rollout: serving, becomes: promoted", &skipped, Passed, "");
}

#[test]
fn always_fails_at_the_first_moment_that_breaks_it() {
    let always = "rollout: serving, always: { stable: '3.1' }";
    let good = update().rollout(40_000, failed_update()).settled(99_000);
    check(always, &good, Passed, "held from 00:10 to 01:39");
    let bad = update().rollout(60_000, promoted()).settled(99_000);
    let judged = check(always, &bad, Failed, "at 01:00 it was stable 3.2");
    assert_eq!(judged.evidence, [4]);
}

#[test]
fn what_is_undefined_does_not_break_always() {
    let mut nothing_runs = old();
    nothing_runs.stable.as_mut().unwrap().models.clear();
    let timeline = update().rollout(20_000, nothing_runs.clone()).rollout(30_000, old()).settled(99_000);
    check("rollout: serving, always: { stable: '3.1' }", &timeline, Passed, "");
    let timeline = Recorder::new().rollout(1_000, nothing_runs).action(10_000, 0, "merge").settled(99_000);
    check("rollout: serving, always: { stable: '3.1' }", &timeline, Inconclusive, "never defined");
}

#[test]
fn what_was_before_the_anchor_or_after_the_bound_does_not_count() {
    let timeline = Recorder::new()
        .rollout(1_000, failed_update())
        .rollout(2_000, old())
        .action(10_000, 0, "merge")
        .action(50_000, 1, "revert")
        .rollout(60_000, failed_update())
        .settled(99_000);
    check("rollout: serving, never: aborted, before: revert", &timeline, Passed, "from 00:10 to 00:50");
    check("rollout: serving, always: healthy, before: revert", &timeline, Passed, "");
    check("rollout: serving, never: aborted", &timeline, Failed, "at 01:00");
}

#[test]
fn the_state_at_the_anchor_counts() {
    let timeline = Recorder::new().rollout(1_000, failed_update()).action(10_000, 0, "merge").settled(99_000);
    check("rollout: serving, never: aborted", &timeline, Failed, "at 00:10 it was");
    check("rollout: serving, always: aborted", &timeline, Passed, "held from 00:10");
}

#[test]
fn what_always_or_never_holds_of_a_subject_that_was_never_seen_was_not_exercised() {
    let timeline = update().settled(99_000);
    for claim in ["always: healthy", "never: aborted"] {
        check(&format!("rollout: other, {claim}"), &timeline, Inconclusive, "it knows ai/serving");
    }
    check("application: llama3, never: { health: Degraded }", &timeline, Inconclusive, "nothing of its kind");
}

#[test]
fn a_subject_that_was_never_seen_did_not_become_anything() {
    for claim in ["becomes: healthy", "stays: healthy"] {
        let claim = format!("rollout: other, {claim}");
        let message = "the run says nothing about rollout other: it knows ai/serving";
        check(&claim, &update().settled(99_000), Failed, message);
        check(&claim, &update().ended(99_000, EndReason::Interrupted), Inconclusive, message);
    }
}

#[test]
fn a_run_that_was_interrupted_does_not_prove_what_holds_to_its_end() {
    let timeline = || update().rollout(20_000, old());
    let interrupted = timeline().ended(99_000, EndReason::Interrupted);
    check("rollout: serving, never: aborted", &interrupted, Inconclusive, "interrupted at 01:39");
    check("rollout: serving, stays: healthy", &interrupted, Inconclusive, "interrupted");
    let later = timeline().action(50_000, 1, "revert").ended(99_000, EndReason::Interrupted);
    check("rollout: serving, never: aborted, before: revert", &later, Passed, "");
}

#[test]
fn stays_demands_that_the_state_holds_long_enough() {
    let steady = || update().rollout(40_000, failed_update());
    let stays = "rollout: serving, stays: aborted, within: 1m, for: 20s";
    check(stays, &steady().settled(99_000), Passed, "held for 59s from 00:40");
    check(
        stays,
        &steady().rollout(59_999, old()).settled(99_000),
        Failed,
        "at 00:59.999 it was Healthy, step 4/4, after 19.999s",
    );
    check(stays, &steady().settled(59_000), Inconclusive, "longer `duration`");
    check(
        "rollout: serving, stays: aborted, within: 20s",
        &steady().settled(99_000),
        Failed,
        "only at 00:40, 30s after",
    );
    check("rollout: serving, stays: aborted", &update().settled(99_000), Failed, "not entered");
}

#[test]
fn a_state_that_held_already_may_stay() {
    let timeline = Recorder::new().rollout(5_000, old()).action(10_000, 0, "merge").settled(99_000);
    check(
        "rollout: serving, stays: healthy, within: 1s, for: 1m",
        &timeline,
        Passed,
        "held for 1m29s from 00:10",
    );
}

#[test]
fn a_state_that_is_left_too_early_may_be_entered_anew() {
    let timeline = update()
        .rollout(20_000, old())
        .rollout(21_000, at_step(1))
        .rollout(30_000, promoted())
        .settled(99_000);
    check(
        "rollout: serving, stays: healthy, within: 30s, for: 1m",
        &timeline,
        Passed,
        "held for 1m9s from 00:30",
    );
}

#[test]
fn a_name_in_two_namespaces_must_be_told_apart() {
    let other = RolloutStatus { namespace: "staging".into(), ..failed_update() };
    let timeline = update().rollout(20_000, other).settled(99_000);
    check("rollout: serving, never: aborted", &timeline, Inconclusive, "several namespaces (ai, staging)");
    check("rollout: ai/serving, never: aborted", &timeline, Passed, "");
    check("rollout: staging/serving, never: aborted", &timeline, Failed, "");
}

#[test]
fn an_application_is_judged_by_all_that_is_asked() {
    let timeline = Recorder::new()
        .application(1_000, SyncStatus::Synced, HealthStatus::Healthy, "aaa")
        .action(10_000, 0, "merge")
        .application(20_000, SyncStatus::OutOfSync, HealthStatus::Healthy, "bbb")
        .application(30_000, SyncStatus::Synced, HealthStatus::Progressing, "bbb")
        .application(40_000, SyncStatus::Synced, HealthStatus::Healthy, "bbb")
        .settled(99_000);
    let becomes = |state: &str| format!("application: llama3, becomes: {{ {state} }}, within: 30s");
    check(&becomes("sync: Synced"), &timeline, Passed, "at 00:30");
    check(&becomes("sync: Synced, health: Healthy"), &timeline, Passed, "at 00:40");
    check(&becomes("sync: Unknown"), &timeline, Failed, "it is Synced");
}

#[test]
fn the_revision_of_an_application_is_the_commit_of_an_action() {
    let commit = |commit: &str| {
        Event::Commit(timeline::Commit {
            repository: "r".into(),
            commit: commit.into(),
            reason: timeline::CommitReason::Merge,
            title: "t".into(),
            author: "a".into(),
            files: Vec::new(),
            reverts: None,
        })
    };
    let timeline = Recorder::new()
        .application(1_000, SyncStatus::Synced, HealthStatus::Healthy, "aaa")
        .action(10_000, 0, "merge")
        .at(10_000, Source::Git, commit("bbb"))
        .application(20_000, SyncStatus::OutOfSync, HealthStatus::Healthy, "bbb")
        .settled(99_000);
    check("application: llama3, becomes: { revision: merge }, within: 10s", &timeline, Passed, "at 00:20");
    check("application: llama3, becomes: { revision: revert }", &timeline, Inconclusive, "never performed");
}

fn written(name: &str, object: Option<serde_json::Value>) -> Event {
    let resource = ResourceName { kind: "ConfigMap".into(), namespace: "ai".into(), name: name.into() };
    Event::Resource(ResourceWritten { resource, object })
}

fn config(version: &str) -> Option<serde_json::Value> {
    Some(serde_json::json!({ "data": { "MODEL_VERSION": version, "OTHER": "x" } }))
}

#[test]
fn a_resource_is_judged_by_what_it_contains() {
    let timeline = Recorder::new()
        .at(1_000, Source::Kubernetes, written("model-config", config("3.1")))
        .action(10_000, 0, "merge")
        .at(20_000, Source::Kubernetes, written("model-config", config("3.2")))
        .at(60_000, Source::Kubernetes, written("model-config", None))
        .settled(99_000);
    let resource = |claim: &str| format!("resource: {{ kind: ConfigMap, name: model-config }}, {claim}");
    let matching = |version: &str| format!("{{ match: {{ data: {{ MODEL_VERSION: '{version}' }} }} }}");
    check(&resource(&format!("becomes: {}", matching("3.2"))), &timeline, Passed, "at 00:20");
    check(
        &resource(&format!("always: {}", matching("3.1"))),
        &timeline,
        Failed,
        "at 00:20 it was data.MODEL_VERSION is \"3.2\"",
    );
    check(&resource("becomes: { exists: false }, within: 50s"), &timeline, Passed, "at 01:00");
    check(&resource("always: { exists: true }"), &timeline, Failed, "it was missing");
}

#[test]
fn a_name_with_a_star_stands_for_the_one_that_was_written_last() {
    let timeline = Recorder::new()
        .at(1_000, Source::Kubernetes, written("model-config-aa", config("3.1")))
        .action(10_000, 0, "merge")
        .at(20_000, Source::Kubernetes, written("model-config-bb", config("3.2")))
        .at(21_000, Source::Kubernetes, written("model-config-aa", None))
        .settled(99_000);
    let resource = |claim: &str| format!("resource: {{ kind: ConfigMap, name: model-config-* }}, {claim}");
    check(&resource("becomes: { match: { data: { MODEL_VERSION: '3.2' } } }"), &timeline, Passed, "at 00:20");
    check(&resource("always: { exists: true }"), &timeline, Passed, "");
}

fn traffic() -> Recorder {
    Recorder::new()
        .requests(0, 20_000, Role::Stable, OLD, 100.0, 1.0)
        .action(20_000, 0, "merge")
        .requests(20_000, 60_000, Role::Stable, OLD, 200.0, 0.0)
        .requests(20_000, 60_000, Role::Canary, NEW, 100.0, 50.0)
        .action(60_000, 1, "revert")
}

#[test]
fn requests_are_summed_over_what_the_filter_lets_through() {
    let timeline = traffic().settled(99_000);
    check("requests: { slow: < 13% }", &timeline, Passed, "12.75% slow (51 of 400), wanted < 13%");
    let judged = check("requests: { model: '3.2', slow: <= 49% }", &timeline, Failed, "50% slow (50 of 100)");
    assert_eq!(judged.evidence, [4]);
    check("requests: { role: canary, total: <= 100 }", &timeline, Passed, "100 total");
    check("requests: { step: 1, hurt: == 51 }", &timeline, Passed, "51 hurt");
    check(
        "requests: { step: 1, failed: == 0, slow: < 50 }",
        &timeline,
        Failed,
        "0 failed, wanted == 0; 51 slow, wanted < 50",
    );
    check("requests: { after: merge, total: < 6/s }", &timeline, Failed, "7.500/s total over 40 s");
}

#[test]
fn an_entry_that_lies_partly_in_the_time_counts_in_part() {
    let timeline = Recorder::new()
        .action(10_000, 0, "merge")
        .action(20_000, 1, "revert")
        .requests(0, 40_000, Role::Stable, OLD, 400.0, 40.0)
        .settled(99_000);
    check("requests: { after: merge, before: revert, total: == 100 }", &timeline, Passed, "");
    check("requests: { after: revert, slow: == 20 }", &timeline, Passed, "");
}

#[test]
fn without_requests_there_is_no_answer() {
    let timeline = traffic().settled(99_000);
    check("requests: { model: other, failed: < 2% }", &timeline, Inconclusive, "no request matched");
    check("requests: { model: other, total: == 0 }", &timeline, Passed, "0 total");
    check("requests: { total: == 0 }", &update().settled(99_000), Inconclusive, "no requests");
}

#[test]
fn without_a_bound_nothing_is_slow() {
    let timeline =
        Recorder::without_slow_bound().requests(0, 1_000, Role::Stable, OLD, 10.0, 0.0).settled(99_000);
    check("requests: { slow: < 2% }", &timeline, Inconclusive, "traffic: { slow: 500ms }");
    check("requests: { hurt: < 2% }", &timeline, Inconclusive, "traffic: { slow: 500ms }");
    check("requests: { failed: < 2% }", &timeline, Passed, "");
}

#[test]
fn the_worst_expectation_decides_the_run() {
    let timeline = update().rollout(40_000, failed_update()).settled(99_000);
    let verdict = |expect: &str| judge(&scenario(MERGE, expect), &timeline);
    let (good, bad, open) = (
        "{ rollout: serving, becomes: aborted }",
        "{ rollout: serving, never: aborted }",
        "{ rollout: other, never: aborted }",
    );
    assert_eq!(verdict(&format!("[{good}]")).verdict, Passed);
    assert_eq!(verdict(&format!("[{good}, {open}]")).verdict, Inconclusive);
    assert_eq!(verdict(&format!("[{good}, {open}, {bad}]")).verdict, Failed);
    assert_eq!(verdict(&format!("[{good}, {bad}]")).reason, "1 of 2 expectations failed");
    let mut nothing = scenario(MERGE, "[]".replace("[]", &format!("[{good}]")).as_str());
    nothing.expect.clear();
    assert_eq!(judge(&nothing, &timeline).verdict, Inconclusive);
}

#[test]
fn one_run_does_not_answer_a_claim_about_many_seeds() {
    let timeline = update().rollout(40_000, failed_update()).settled(99_000);
    let expect = "[{ rollout: serving, becomes: aborted, in: '>= 95% of seeds' }]";
    let judgement = judge(&scenario(MERGE, expect), &timeline);
    assert_eq!(judgement.expectations[0].verdict, Passed);
    assert_eq!(judgement.verdict, Inconclusive);
    assert!(judgement.reason.contains("--seeds"), "{}", judgement.reason);
}

#[test]
fn what_was_not_exercised_is_listed() {
    let events = "[{ at: 10s, merge: { title: New, write: { a.txt: b } } }, \
                   { id: back, after: { rollout: serving, is: aborted }, revert: last }]";
    let expect = "[{ rollout: other, never: aborted }]";
    let mut timeline = update().settled(99_000);
    if let Some(Event::RunEnded(ended)) = timeline.entries.last_mut().map(|entry| &mut entry.event) {
        ended.unused_answers.push("the answer to job suite was never given".into());
    }
    let judgement = judge(&scenario(events, expect), &timeline);
    assert_eq!(
        judgement.never_exercised,
        [
            "rollout other never aborted",
            "action revert `back` after \"rollout serving aborted\" was never performed",
            "the answer to job suite was never given"
        ]
    );
}

#[test]
fn a_timeline_without_beginning_or_end_is_judged_without_panic() {
    let expect = "[{ rollout: serving, becomes: aborted, because: latency }, { requests: { hurt: < 2% } }]";
    let judgement = judge(&scenario(MERGE, expect), &Timeline::default());
    assert_eq!(judgement.verdict, Inconclusive);
    let lone = measurement("latency", AnalysisPhase::Failed, None);
    let lone = Recorder::new().at(0, Source::Analysis, Event::Measurement(lone));
    assert_eq!(judge(&scenario(MERGE, expect), &lone.settled(0)).verdict, Inconclusive);
}

#[test]
fn every_field_of_a_state_is_compared() {
    let mut paused = at_step(1);
    paused.phase = timeline::RolloutPhase::Paused;
    paused.message = "CanaryPauseStep".into();
    let timeline = update().rollout(40_000, paused).settled(99_000);
    let cases = [
        ("paused", true),
        ("updating", true),
        ("degraded", false),
        ("progressing", false),
        ("healthy", false),
        ("invalid", false),
        ("{ step: 1 }", true),
        ("{ step: 2 }", false),
        ("{ step: 1, weight: 10 }", true),
        ("{ step: 1, weight: 50 }", false),
        ("{ step: 1, stable: '3.1', canary: '3.2' }", true),
        ("{ step: 1, canary: '3.1' }", false),
        ("{ step: 1, canary_pods: 1, stable_pods: 1 }", true),
        ("{ step: 1, canary_pods: 2 }", false),
        ("{ step: 1, stable_pods: 2 }", false),
        ("{ message: PauseStep }", true),
        ("{ message: Other }", false),
    ];
    for (state, holds) in cases {
        let stays = format!("rollout: serving, stays: {state}, of: {{ rollout: serving, is: paused }}");
        let (verdict, message) = if holds { (Passed, "held for 59s") } else { (Failed, "not entered") };
        check(&stays, &timeline, verdict, message);
    }
}

#[test]
fn an_operation_and_the_messages_of_an_application_are_compared() {
    let failed = timeline::ApplicationStatus {
        application: "llama3".into(),
        sync: SyncStatus::OutOfSync,
        health: HealthStatus::Missing,
        revision: "abc".into(),
        operation: Some(timeline::Operation {
            phase: timeline::OperationPhase::Failed,
            message: "one or more objects failed to apply".into(),
            revision: "abc".into(),
            retries: 3,
            self_heal_attempts: 0,
        }),
        conditions: vec!["SyncError: no such kind".into()],
        resources: Vec::new(),
    };
    let timeline = Recorder::new()
        .action(10_000, 0, "merge")
        .at(20_000, Source::ArgoCd, Event::Application(failed))
        .settled(99_000);
    let becomes = |state: &str| format!("application: llama3, becomes: {{ {state} }}");
    for state in ["operation: Failed", "message: failed to apply", "message: no such kind", "health: Missing"]
    {
        check(&becomes(state), &timeline, Passed, "at 00:20");
    }
    check(&becomes("operation: Error"), &timeline, Failed, "it is operation Failed");
    check(&becomes("message: other"), &timeline, Failed, "SyncError: no such kind");
}

#[test]
fn a_bound_compares_as_it_is_written() {
    let timeline = traffic().settled(99_000);
    let cases = [
        ("< 51", false),
        ("< 52", true),
        ("<= 51", true),
        ("<= 50", false),
        ("'> 51'", false),
        ("'> 50'", true),
        ("'>= 51'", true),
        ("'>= 52'", false),
        ("== 51", true),
        ("== 50", false),
    ];
    for (bound, holds) in cases {
        let verdict = if holds { Passed } else { Failed };
        check(&format!("requests: {{ slow: {bound} }}"), &timeline, verdict, "51 slow, wanted");
    }
}

#[test]
fn the_evidence_of_requests_is_what_contributed_most() {
    let many = (0..20_u32).fold(Recorder::new(), |recorder, second| {
        let (since, slow) = (u64::from(second) * 1_000, f64::from(second));
        recorder.requests(since, since + 1_000, Role::Stable, OLD, 100.0, slow)
    });
    let judged = check("requests: { slow: < 1% }", &many.settled(99_000), Failed, "9.5% slow");
    assert_eq!(judged.evidence, [13, 14, 15, 16, 17, 18, 19, 20], "the last eight, in their order");
}

#[test]
fn an_id_is_looked_for_before_a_kind() {
    let performed = |index, id: Option<&str>, action: &str| {
        let (id, action) = (id.map(str::to_owned), action.to_owned());
        Event::ActionPerformed(timeline::ActionPerformed { index, action, id, text: String::new() })
    };
    let timeline = Recorder::new()
        .at(10_000, Source::Rehearse, performed(0, None, "merge"))
        .at(20_000, Source::Rehearse, performed(1, Some("second"), "merge"))
        .rollout(30_000, failed_update())
        .settled(99_000);
    let events = "[{ at: 10s, merge: { title: A, write: { a.txt: b } } }, \
                   { at: 20s, id: second, merge: { title: B, write: { a.txt: c } } }]";
    for (anchor, message) in [("second", "10s after second"), ("merge", "20s after merge")] {
        let judged = judged(events, &format!("{ABORTED}, of: {anchor}"), &timeline);
        assert!(judged.message.contains(message), "{}", judged.message);
    }
}
