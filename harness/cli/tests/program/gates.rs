//! `rehearse gate test` and `rehearse schema gate`.

use crate::common::{Room, rehearse, root};

const FILE: &str = "fixtures/gates/model-quality-check.yaml";

/// A room with the shipped tests and the templates that they name.
fn room() -> Room {
    let room = Room::new();
    let tests = std::fs::read_to_string(root().join(FILE)).unwrap();
    room.write("gate.yaml", tests.replace("../ai-deployments/", "repository/"));
    room
}

#[test]
fn the_shipped_gate_tests_pass() {
    let outcome = rehearse(&[
        "gate",
        "test",
        FILE,
        "fixtures/gates/model-quality-check-as-written.yaml",
        "--color",
        "never",
    ]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""), "{outcome:#?}");
    assert!(outcome.stdout.contains("7 cases: 7 passed"), "{}", outcome.stdout);
}

#[test]
fn explain_shows_how_each_measurement_came_about() {
    let outcome = rehearse(&["gate", "test", FILE, "--explain"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "10:00 inference-latency, measurement 1 Failed query histogram_quantile(0.99,",
        "result {} 0.9750000000000001 (3 series, 30 samples)",
        "condition result[0] < 0.5",
        "counters 0 successful, 1 failed, 0 inconclusive, 0 errors (0 in a row); metric Failed",
        "run Failed: Metric \"inference-latency\" assessed Failed due to failed (1) > failureLimit (0)",
        "help no series matches inference_duration_seconds_bucket{role=\"canary\"}",
        "metric result is nil or empty: no data returned from the metric provider",
    ] {
        assert!(words.contains(text), "`{text}` is missing:\n{}", outcome.stdout);
    }
}

#[test]
fn a_gate_that_changes_fails_its_tests() {
    let room = room();
    let template = "repository/base/model-serving/analysistemplate.yaml";
    room.replace(template, "result[0] < 0.5", "result[0] < 0.05");
    let outcome = room.rehearse(&["gate", "test", "gate.yaml"]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (1, ""), "{outcome:#?}");
    let words = outcome.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the run is Successful: the run is Failed --> gate.yaml:"), "{}", outcome.stdout);

    let json = room.rehearse(&["gate", "test", "gate.yaml", "--format", "json"]).json();
    let case = &json["results"][0]["cases"][0];
    assert_eq!((case["verdict"].as_str(), case["run"]["phase"].as_str()), (Some("failed"), Some("Failed")));
    let measurement = &case["run"]["measurements"][0];
    assert_eq!((measurement["phase"].as_str(), measurement["failed"].as_u64()), (Some("Failed"), Some(1)));
}

#[test]
fn what_is_invalid_is_told_with_its_place() {
    let room = room();
    room.replace("gate.yaml", "gate: model-quality-check", "gate: model-quality-chek");
    room.write("missing.yaml", "{name: m, templates: [no.yaml], cases: [{name: c, expect: {run: Failed}}]}");
    let outcome = room.rehearse(&["gate", "test", "gate.yaml", "missing.yaml", "none.yaml"]);
    assert_eq!(outcome.code, 2, "{outcome:#?}");
    for text in [
        "no template is named `model-quality-chek`",
        "did you mean `model-quality-check`?",
        "the templates `no.yaml` cannot be read",
        "--> missing.yaml:1:",
        "the gate tests `none.yaml` cannot be read",
    ] {
        assert!(outcome.stderr.contains(text), "`{text}` is missing:\n{}", outcome.stderr);
    }
}

#[test]
fn the_schema_of_gate_tests_is_the_one_that_ships() {
    let shipped = std::fs::read_to_string(root().join("fixtures/gates/schema.json")).unwrap();
    let outcome = rehearse(&["schema", "gate"]);
    assert_eq!((outcome.code, outcome.stdout), (0, shipped));
}
