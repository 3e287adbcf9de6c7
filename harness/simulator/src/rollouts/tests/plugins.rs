//! Steps that run a plugin.

use super::*;

const STEPS: &str =
    "[{ plugin: { name: example/warm-up } }, { setWeight: 20 }, { plugin: { name: example/smoke-test } }]";

/// What a walk announces from its update on, and how it ends.
fn story(answers: &str, events: &str) -> String {
    let timeline = Walk { steps: STEPS, answers, events, ..Walk::default() }.run();
    let mut lines = announced(&timeline, 60);
    lines.retain(|line| !line.contains("ScalingReplicaSet") && !line.contains("RolloutUpdated"));
    let end = last(&timeline);
    lines.push(format!("{:?} at step {:?}: {}", end.phase, end.step, without_hashes(&end.message)));
    lines.join("\n")
}

#[test]
fn the_step_is_over_when_the_plugin_says_so() {
    let answers = "[{ plugin: example/warm-up, takes: 45s }, { plugin: '*/smoke-test', model: one, phase: Failed }, \
                   { plugin: '*/smoke-test', model: two, takes: 2m, requeue_after: 11s }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }]"));
}

#[test]
fn a_plugin_that_fails_aborts_and_those_that_ran_take_it_back() {
    let answers = "[{ plugin: '*/warm-up' }, { plugin: '*', phase: Failed, message: 3 of 12 fail }, \
                   { plugin: '*', operation: Abort, unreachable: connection is shut down }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }]"));
}

#[test]
fn an_abort_that_goes_on_is_a_failure() {
    let answers = "[{ plugin: '*', phase: Running }, { plugin: '*', operation: Abort, phase: Running, message: later }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }, { at: 5m, abort: model }]"));
}

#[test]
fn a_call_that_fails_is_repeated() {
    let answers = "[{ plugin: '*', until: 3m, unreachable: connection refused }, { plugin: '*' }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }]"));
}

/// Upstream leaves an empty backoff after the phase Error, and cannot read it at the next pass.
#[test]
fn a_plugin_that_says_error_is_never_asked_again() {
    let answers = "[{ plugin: '*', until: 3m, phase: Error }, { plugin: '*' }]";
    let story = story(answers, "[{ at: 1m, UPDATE }, { at: 6m, pause: model }]");
    insta::assert_snapshot!(story);
}

#[test]
fn a_full_promotion_stops_what_runs() {
    let answers = "[{ plugin: '*', phase: Running }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }, { at: 5m, promote_full: model }]"));
}

#[test]
fn a_retry_asks_anew() {
    let answers = "[{ plugin: '*', until: 4m, phase: Failed }, { plugin: '*' }]";
    insta::assert_snapshot!(story(answers, "[{ at: 1m, UPDATE }, { at: 5m, retry: model }]"));
}

#[test]
fn a_plugin_of_which_nothing_is_said_is_refused_with_its_line() {
    let walk = Walk {
        steps: STEPS,
        answers: "[{ plugin: other }]",
        events: "[{ at: 1m, UPDATE }]",
        ..Walk::default()
    };
    insta::assert_snapshot!(walk.outcome().unwrap_err());
}

#[test]
fn an_answer_that_no_step_asked_for_is_told() {
    let answers =
        "[{ plugin: '*' }, { plugin: '*', operation: Terminate }, { plugin: example/smoke, takes: 1m }]";
    let timeline = Walk { steps: STEPS, answers, events: "[{ at: 1m, UPDATE }]", ..Walk::default() }.run();
    let told = timeline.entries.iter().find_map(|entry| match &entry.event {
        Event::RunEnded(ended) => Some(ended.unused_answers.join("\n")),
        _ => None,
    });
    insta::assert_snapshot!(told.unwrap());
}
