//! What a Rollout announces, and when.

use super::*;

/// The announcements of a walk, one a line.
fn story(walk: &Walk<'_>, from: u64) -> String {
    let timeline = walk.run();
    let end = last(&timeline);
    let mut lines = announced(&timeline, from);
    lines.push(format!("{:?}: {}", end.phase, without_hashes(&end.message)));
    lines.join("\n")
}

const GATED: &str = "[{ setWeight: 50 }, { analysis: { templates: [{ templateName: gate }] } }, { setWeight: 80 }, { pause: {} }]";

#[test]
fn a_good_update_walks_all_steps() {
    insta::assert_snapshot!(story(&Walk { events: "[{ at: 1m, UPDATE }]", ..Walk::default() }, 0));
}

#[test]
fn a_failed_analysis_goes_back_to_stable() {
    let walk =
        Walk { steps: GATED, condition: "result[0] == 2", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    insta::assert_snapshot!(story(&walk, 60));
}

#[test]
fn a_condition_that_cannot_work_aborts_after_five_errors() {
    let walk =
        Walk { steps: GATED, condition: "result == 1", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    insta::assert_snapshot!(story(&walk, 62));
}

#[test]
fn retry_begins_at_the_first_step_with_a_new_run() {
    let walk = Walk {
        steps: GATED,
        condition: "result[0] == 2",
        events: "[{ at: 1m, UPDATE }, { at: 10m, retry: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 600));
}

#[test]
fn an_inconclusive_analysis_pauses_and_promote_skips_it() {
    let inconclusive = "result[0] == 2\n      failureCondition: result[0] == 3";
    let walk = Walk {
        steps: GATED,
        condition: inconclusive,
        events: "[{ at: 1m, UPDATE }, { at: 10m, promote: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 62));
}

#[test]
fn promote_full_skips_what_is_left() {
    let walk = Walk {
        steps: GATED,
        events: "[{ at: 1m, UPDATE }, { at: 5m, promote_full: model }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(story(&walk, 300));
}

#[test]
fn an_operators_abort_is_undone_by_a_revert_to_the_stable_template() {
    let revert = UPDATE.replace("value: two", "value: one");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 5m, abort: model }}, {{ at: 10m, {revert} }}]");
    insta::assert_snapshot!(story(&Walk { steps: GATED, events: &events, ..Walk::default() }, 300));
}

#[test]
fn a_third_template_in_mid_update_drains_the_second_first() {
    let third = UPDATE.replace("value: two", "value: one").replace("server:1", "server:3");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 90s, {third} }}]");
    insta::assert_snapshot!(story(&Walk { events: &events, ..Walk::default() }, 60));
}

#[test]
fn an_older_template_walks_again_unless_it_lies_within_the_rollback_window() {
    let back = UPDATE.replace("value: two", "value: one");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 10m, {back} }}]");
    insta::assert_snapshot!(
        "an_older_template_walks_again",
        story(&Walk { events: &events, ..Walk::default() }, 600)
    );
    let window = [("  strategy:", "  rollbackWindow: { revisions: 1 }\n  strategy:")];
    insta::assert_snapshot!(
        "an_older_template_within_the_window",
        story(&Walk { events: &events, spec: &window, ..Walk::default() }, 600)
    );
}

#[test]
fn a_change_of_replicas_in_mid_update_keeps_the_weight_and_the_step() {
    let scale =
        "{ at: 2m, patch: { resource: { kind: Rollout, name: model }, with: { spec: { replicas: 10 } } } }";
    let events = format!("[{{ at: 1m, UPDATE }}, {scale}]");
    insta::assert_snapshot!(story(
        &Walk { steps: "[{ setWeight: 20 }, { pause: {} }]", events: &events, ..Walk::default() },
        120
    ));
}

#[test]
fn a_paused_spec_freezes_sizes_until_it_is_resumed() {
    let events = "[{ at: 30s, pause: model }, { at: 1m, UPDATE }, { at: 5m, resume: model }]";
    insta::assert_snapshot!(story(&Walk { events, ..Walk::default() }, 30));
}

#[test]
fn an_update_that_never_gets_ready_is_degraded_past_its_deadline_or_aborted() {
    let update = UPDATE.replace("value: two", "value: never");
    let events = format!("[{{ at: 1m, {update} }}]");
    let deadline = ("  strategy:", "  progressDeadlineSeconds: 120\n  strategy:");
    insta::assert_snapshot!(
        "past_its_deadline_degraded",
        story(&Walk { events: &events, spec: &[deadline], ..Walk::default() }, 60)
    );
    let abort = ("  strategy:", "  progressDeadlineSeconds: 120\n  progressDeadlineAbort: true\n  strategy:");
    insta::assert_snapshot!(
        "past_its_deadline_aborted",
        story(&Walk { events: &events, spec: &[abort], ..Walk::default() }, 60)
    );
}

#[test]
fn a_background_analysis_begins_before_the_canary_and_ends_with_the_update() {
    let analysis = [(
        "      canaryMetadata",
        "      analysis: { templates: [{ templateName: gate }] }\n      canaryMetadata",
    )];
    let condition = "result[0] == 1\n      interval: 20s";
    let walk = Walk { spec: &analysis, condition, events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    let timeline = walk.run();
    let measured: Vec<u64> = timeline
        .entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Measurement(_)))
        .map(|entry| entry.at.as_millis() / 1000)
        .collect();
    assert_eq!(measured, [60, 80, 100, 120, 140]);
    insta::assert_snapshot!(story(&walk, 60));
}

#[test]
fn an_endless_metric_in_a_step_is_an_invalid_spec_until_it_is_mended() {
    let count = "{ at: 5m, patch: { resource: { kind: AnalysisTemplate, name: gate }, with: { spec: { metrics: [{ name: gate, \
                 provider: { prometheus: { address: 'http://prometheus.monitoring:9090', query: 'vector(1)' } } }] } } } }";
    let events = format!("[{{ at: 1m, UPDATE }}, {count}, {{ at: 10m, promote: model }}]");
    let condition = "result[0] == 1\n      interval: 1m";
    insta::assert_snapshot!(story(&Walk { steps: GATED, condition, events: &events, ..Walk::default() }, 0));
}

#[test]
fn a_restart_replaces_pods_one_after_the_other() {
    let timeline = Walk { events: "[{ at: 5m, restart: model }]", ..Walk::default() }.run();
    let mut gone = Vec::new();
    for entry in &timeline.entries {
        if let Event::Pod(pod) = &entry.event
            && pod.phase == timeline::PodPhase::Deleted
        {
            gone.push(entry.at.as_millis() / 1000);
        }
    }
    assert_eq!(gone.len(), 5, "{gone:?}");
    assert!(gone.windows(2).all(|pair| pair[0] < pair[1]), "{gone:?}");
    assert_eq!(last(&timeline).phase, RolloutPhase::Healthy);
}

#[test]
fn the_same_walk_twice_gives_the_same_timeline() {
    let walk =
        Walk { steps: GATED, condition: "result[0] == 2", events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
    assert_eq!(walk.run().entries, walk.run().entries);
}
