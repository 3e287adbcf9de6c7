//! Web and Job metrics: the scenario answers them, or the run is refused.

use std::fs;

use crate::common::{Room, root};

const SCENARIO: &str = "scenarios/canary/fast-and-wrong.yaml";

/// The shipped scenario, changed, in a room.
fn room(change: impl FnOnce(String) -> String) -> Room {
    let text = fs::read_to_string(root().join(SCENARIO)).unwrap();
    let repository = root().join("fixtures/strategies");
    let room = Room::empty();
    let changed = change(text.replace("../../fixtures/strategies", &repository.to_string_lossy()));
    room.write("gate.yaml", changed);
    room
}

#[test]
fn the_evaluation_service_decides_and_a_job_that_fails_decides_before_it() {
    let outcome = room(|text| text).rehearse(&["run", "gate.yaml", "--kustomize", "builtin"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stdout.contains("quality-score"), "{}", outcome.stdout);
    let failing = |text: String| {
        text.replace("ends: Complete", "ends: Failed")
            .replace("because: quality-score", "because: regression-suite")
    };
    let json =
        room(failing).rehearse(&["run", "gate.yaml", "--kustomize", "builtin", "--format", "json"]).json();
    let aborted = "rollout model-serving becomes aborted within 12m because regression-suite";
    let told = json.to_string();
    assert!(told.contains(aborted), "{told}");
    let expectations = json["results"][0]["expectations"].as_array().unwrap();
    let verdict = expectations.iter().find(|it| it["text"] == aborted).unwrap();
    assert_eq!(verdict["verdict"], "passed", "{verdict}");
}

#[test]
fn a_metric_that_nothing_answers_is_refused_with_its_line() {
    let without_url = |text: String| text.replace("evaluation.quality", "other.quality");
    let refused = room(without_url).rehearse(&["run", "gate.yaml", "--kustomize", "builtin"]);
    refused.refused(
        2,
        &[&[
            "http://evaluation.quality.svc.cluster.local/score?hash=",
            "is asked, and nothing under `answers` is to it",
            "quality-gate/analysistemplate.yaml:30:16",
            "script it with `answers:`, such as",
        ]],
    );
    let without_job = |text: String| text.replace("job: regression-suite", "job: suite");
    let refused = room(without_job).rehearse(&["run", "gate.yaml", "--kustomize", "builtin"]);
    refused.refused(
        2,
        &[&[
            "the Job of the metric `regression-suite` runs, and nothing",
            "quality-gate/analysistemplate.yaml:",
        ]],
    );
}

#[test]
fn an_answer_that_no_metric_is_given_is_told() {
    let with_another = |text: String| {
        text.replacen("answers:\n", "answers:\n  - { job: regresion-suite, ends: Failed }\n", 1)
    };
    let outcome =
        room(with_another).rehearse(&["run", "gate.yaml", "--kustomize", "builtin", "--color", "never"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let told = "- the answer to job regresion-suite was never given: no Job of such a metric runs; \
                did you mean `regression-suite`?";
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(told), "{}", outcome.stdout);
}

#[test]
fn a_cluster_serves_no_answers_to_urls() {
    let room = room(|text| text);
    let outcome = room.rehearse(&["run", "gate.yaml", "--engine", "kind"]);
    outcome.refused(
        2,
        &[&["on the engine `kind` nothing serves an answer to a URL", "gate.yaml:14:5", "engine `sim`"]],
    );
    let outcome = room.rehearse(&["compare", "gate.yaml"]);
    outcome.refused(2, &[&["on the engine `kind` nothing serves an answer to a URL"]]);
}

#[test]
fn a_cluster_has_no_plugins_of_steps() {
    let plugin = |text: String| {
        let (before, after) = text.split_once("answers:\n").unwrap();
        format!("{before}answers:\n  - {{ plugin: example/smoke-test, takes: 1m }}\n{after}")
    };
    let outcome = room(plugin).rehearse(&["run", "gate.yaml", "--engine", "kind"]);
    outcome.refused(2, &[&["on the engine `kind` no plugin of a step is installed", "gate.yaml:11:5"]]);
}
