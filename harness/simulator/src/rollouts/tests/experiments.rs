//! Experiments as steps (argo-rollouts v1.10.1 `rollout/experiment.go`, `experiments/experiment.go`).

use super::*;

/// A Rollout whose first step is an experiment; what the controllers announce from the update on.
fn story(experiment: &str, condition: &str, events: &str) -> String {
    let steps =
        format!("[{{ experiment: {experiment} }}, {{ setWeight: 20 }}, {{ pause: {{ duration: 1m }} }}]");
    let timeline = Walk { steps: &steps, condition, events, ..Walk::default() }.run();
    let end = last(&timeline);
    let mut lines = announced(&timeline, 60);
    lines.push(format!("{:?}: {}", end.phase, without_hashes(&end.message)));
    lines.join("\n")
}

const UPDATES: &str = "[{ at: 1m, UPDATE }]";
const TEMPLATES: &str =
    "templates: [{ name: baseline, specRef: stable }, { name: trial, specRef: canary, replicas: 2 }]";

#[test]
fn pods_run_for_their_time_and_the_step_is_complete() {
    let experiment = format!("{{ duration: 1m, {TEMPLATES} }}");
    insta::assert_snapshot!(story(&experiment, "result[0] == 1", UPDATES));
}

#[test]
fn a_failed_analysis_of_the_pods_aborts_the_update() {
    let experiment =
        format!("{{ duration: 5m, {TEMPLATES}, analyses: [{{ name: check, templateName: gate }}] }}");
    insta::assert_snapshot!(story(&experiment, "result[0] == 2", UPDATES));
}

#[test]
fn a_required_analysis_ends_the_experiment_before_its_time() {
    let experiment = format!(
        "{{ {TEMPLATES}, scaleDownDelaySeconds: 0, analyses: [{{ name: check, templateName: gate, requiredForCompletion: true }}] }}"
    );
    insta::assert_snapshot!(story(&experiment, "result[0] == 1", UPDATES));
}

#[test]
fn an_abort_ends_the_experiment() {
    let experiment = format!("{{ duration: 10m, {TEMPLATES} }}");
    insta::assert_snapshot!(story(
        &experiment,
        "result[0] == 1",
        "[{ at: 1m, UPDATE }, { at: 3m, abort: model }]"
    ));
}
