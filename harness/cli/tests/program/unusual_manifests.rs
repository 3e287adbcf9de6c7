//! Manifests that are wrong in ways that only a cluster tells: the run shows what the real controllers
//! show, since whoever merges them gets no better answer. What is right and not modelled is refused.

use crate::common::{Outcome, Room};

const TEMPLATE: &str = "repository/base/model-serving/analysistemplate.yaml";
const ROLLOUT: &str = "repository/base/model-serving/rollout.yaml";
const QUERY: &str = "\
query: |
            histogram_quantile(0.99,
              sum by (le) (rate(inference_duration_seconds_bucket{role=\"canary\"}[5m])))
";

/// A good model is merged; the claim is what is expected of the Rollout.
fn update(claim: &str) -> String {
    format!(
        "\
name: update
repository: repository
apply: [argocd/project.yaml, argocd/llama3-production.yaml]
models:
  3.1-70b-instruct: {{ latency: {{ p50: 180ms, p99: 350ms }} }}
  3.2-70b-instruct: {{ latency: {{ p50: 180ms, p99: 350ms }} }}
traffic: {{ rate: 20/s }}
events:
  - at: 2m
    merge:
      edit:
        overlays/production/model-config.yaml: {{ data: {{ MODEL_VERSION: 3.2-70b-instruct }} }}
expect:
  - {{ rollout: model-serving, {claim} }}
"
    )
}

fn run(room: &Room, claim: &str) -> Outcome {
    room.write("update.yaml", update(claim));
    room.rehearse(&["run", "update.yaml", "--verbose"])
}

/// Runs the update with another query in the latency metric.
fn with_query(query: &str, claim: &str) -> Outcome {
    let room = Room::new();
    room.replace(TEMPLATE, QUERY, &format!("query: '{query}'\n"));
    run(&room, claim)
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_rollout_that_upstream_rejects_is_degraded_with_upstreams_words() {
    let cases = [
        ("setWeight: 10\n", "setWeight: 110\n", "SetWeight needs to be between 0 and 100"),
        (
            "  replicas: 5\n",
            "  replicas: 5\n  selector: { matchLabels: { a: b } }\n",
            "`selector` does not match",
        ),
    ];
    for (from, to, message) in cases {
        let room = Room::new();
        room.replace(ROLLOUT, from, to);
        let outcome = run(&room, "stays: invalid, of: start");
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let told = words(&outcome.stdout);
        assert!(told.contains("Degraded: InvalidSpec: The Rollout \"model-serving\" is invalid"), "{told}");
        assert!(told.contains(message), "{told}");
    }
}

#[test]
fn a_gate_that_cannot_work_aborts_every_update_after_five_errors() {
    let cases = [
        ("sum by (le) (rate(x", "Error: bad_data: invalid parameter \"query\""),
        ("frobnicate(x)", "unknown function with name"),
        (
            "nothing_is_called_this",
            "metric result is nil or empty: no data returned from the metric provider",
        ),
    ];
    for (query, message) in cases {
        let outcome = with_query(query, "becomes: aborted, because: inference-latency");
        assert_eq!(outcome.code, 0, "{query}: {outcome:#?}");
        let told = words(&outcome.stdout);
        assert!(told.contains(message), "{query}: {told}");
        assert!(told.contains("consecutiveErrors (5) > consecutiveErrorLimit (4)"), "{query}: {told}");
    }
}

#[test]
fn a_query_that_is_not_simulated_is_refused_by_name() {
    let function = "PromQL function `mad_over_time`";
    let place = "base/model-serving/analysistemplate.yaml:11:18";
    with_query("mad_over_time(x[5m])", "becomes: promoted").refused(2, &[&[function, place]]);
}

#[test]
fn a_provider_that_is_not_simulated_is_refused_by_name() {
    let room = Room::new();
    room.write(TEMPLATE, room.read(TEMPLATE).replacen("prometheus:", "datadog:", 1));
    let expected: &[&str] = &["metric provider `datadog`", "`inference-latency`", "analysistemplate.yaml:"];
    run(&room, "becomes: promoted").refused(2, &[expected]);
}

#[test]
fn what_has_no_bearing_on_the_verdict_is_named_in_every_report() {
    let room = Room::new();
    let traffic = "canary:\n      trafficRouting: { istio: { virtualService: { name: v } } }\n";
    room.replace(ROLLOUT, "canary:\n", traffic);
    let outcome = run(&room, "becomes: promoted");
    let named = outcome.stdout.contains("trafficRouting") || outcome.stderr.contains("trafficRouting");
    assert!(named, "{outcome:#?}");
}
