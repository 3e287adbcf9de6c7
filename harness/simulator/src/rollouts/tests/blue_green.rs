//! A blueGreen Rollout, from its first pods to the end of the old ones (argo-rollouts v1.10.1
//! `rollout/bluegreen.go`).

use super::*;

const SERVICES: &str = "
apiVersion: v1
kind: Service
metadata: { name: active, namespace: default }
spec: { selector: { app: model }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: preview, namespace: default }
spec: { selector: { app: model }, ports: [{ port: 80 }] }
";

const GATE: &str = "{ templates: [{ templateName: gate }] }";

/// What a blueGreen Rollout announces from the update at second 60 on, and its last state.
fn story(strategy: &str, condition: &str, events: &str) -> String {
    let canary = ROLLOUT.find("    canary:").zip(ROLLOUT.find("  template:"));
    let canary =
        canary.map(|(from, to)| ROLLOUT[from..to].replace("STEPS", "[]")).expect("the manifest has a canary");
    let blue_green =
        format!("    blueGreen: {{ activeService: active, previewService: preview{strategy} }}\n");
    let spec = [(canary.as_str(), blue_green.as_str())];
    let walk = Walk { steps: "[]", condition, spec: &spec, also: SERVICES, events, ..Walk::default() };
    let timeline = walk.run();
    let end = last(&timeline);
    let mut lines = announced(&timeline, 60);
    lines.push(format!("{:?}: {}", end.phase, without_hashes(&end.message)));
    lines.join("\n")
}

const UPDATES: &str = "[{ at: 1m, UPDATE }]";

#[test]
fn the_switch_comes_with_the_last_pod_and_the_old_ones_stay_half_a_minute() {
    insta::assert_snapshot!(story("", "result[0] == 1", UPDATES));
}

#[test]
fn a_switch_that_waits_for_a_person_comes_with_promote() {
    let events = "[{ at: 1m, UPDATE }, { at: 5m, promote: model }]";
    insta::assert_snapshot!(story(", autoPromotionEnabled: false", "result[0] == 1", events));
}

#[test]
fn a_preview_grows_when_its_time_has_passed() {
    let strategy = ", previewReplicaCount: 1, autoPromotionSeconds: 20";
    insta::assert_snapshot!(story(strategy, "result[0] == 1", UPDATES));
}

#[test]
fn a_failed_analysis_before_the_switch_keeps_clients_with_the_old_pods() {
    let strategy = format!(", prePromotionAnalysis: {GATE}, abortScaleDownDelaySeconds: 10");
    insta::assert_snapshot!(story(&strategy, "result[0] == 2", UPDATES));
}

#[test]
fn a_failed_analysis_after_the_switch_takes_it_back() {
    let strategy = format!(", postPromotionAnalysis: {GATE}, scaleDownDelaySeconds: 100");
    insta::assert_snapshot!(story(&strategy, "result[0] == 2", UPDATES));
}

#[test]
fn an_inconclusive_analysis_after_the_switch_pauses() {
    let strategy = format!(", postPromotionAnalysis: {GATE}");
    let condition = "result[0] == 2\n      failureCondition: result[0] == 3";
    insta::assert_snapshot!(story(&strategy, condition, UPDATES));
}

/// `isFastRollback`: the old pods are still there.
#[test]
fn a_way_back_to_pods_that_still_stand_waits_for_nobody() {
    let revert = UPDATE.replace("value: two", "value: one");
    let events = format!("[{{ at: 1m, UPDATE }}, {{ at: 90s, promote: model }}, {{ at: 2m, {revert} }}]");
    let strategy = ", autoPromotionEnabled: false, scaleDownDelaySeconds: 300";
    insta::assert_snapshot!(story(strategy, "result[0] == 1", &events));
}
