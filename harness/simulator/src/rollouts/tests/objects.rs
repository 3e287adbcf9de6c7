//! What happens to the objects around a Rollout.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

/// The states of the followed objects: second, name without hashes, object.
fn followed(timeline: &Timeline) -> Vec<(u64, String, Option<&Value>)> {
    let written = timeline.entries.iter().filter_map(|entry| match &entry.event {
        Event::Resource(written) => Some((entry.at.as_millis() / 1000, written)),
        _ => None,
    });
    written
        .map(|(second, written)| (second, without_hashes(&written.resource.name), written.object.as_ref()))
        .collect()
}

/// The values of one field of the objects named `name`, each with the second from which it holds.
fn values(timeline: &Timeline, name: &str, pointer: &str) -> Vec<(u64, String)> {
    let mut values: Vec<(u64, String)> = Vec::new();
    for (second, found, object) in followed(timeline) {
        let value =
            object.and_then(|object| object.pointer(pointer)).map(without_hashes_of).unwrap_or_default();
        if found == name && values.last().is_none_or(|(_, last)| *last != value) {
            values.push((second, value));
        }
    }
    values
}

fn without_hashes_of(value: &Value) -> String {
    without_hashes(value.as_str().unwrap_or(&value.to_string()))
}

/// The names and roles of the pods that exist at the end.
fn roles_at_the_end(timeline: &Timeline) -> Vec<(String, String)> {
    let mut pods = BTreeMap::new();
    for (_, name, object) in followed(timeline) {
        match object {
            Some(object) => pods.insert(
                name,
                object.pointer("/metadata/labels/role").map(without_hashes_of).unwrap_or_default(),
            ),
            None => pods.remove(&name),
        };
    }
    pods.into_iter().collect()
}

#[test]
fn running_pods_change_their_role_in_place_when_their_template_is_trusted() {
    let timeline = Walk { events: "[{ at: 1m, UPDATE }]", followed: "Pod", ..Walk::default() }.run();
    let ends = roles_at_the_end(&timeline);
    assert_eq!(ends.len(), 5);
    for (pod, role) in ends {
        assert_eq!(role, "stable");
        let roles = values(&timeline, &pod, "/metadata/labels/role");
        let roles: Vec<&str> = roles.iter().map(|(_, role)| role.as_str()).collect();
        assert_eq!(roles, ["canary", "stable"], "{pod}");
        assert_eq!(
            values(&timeline, &pod, "/metadata/labels/role").last().map(|(second, _)| *second),
            Some(156)
        );
    }
}

#[test]
fn old_replica_sets_go_when_the_history_is_full() {
    let update = |minute: u32, image: &str| {
        let update = UPDATE.replace("server:1", image);
        format!("{{ at: {minute}m, {update} }}")
    };
    let events = format!("[{}, {}, {}]", update(1, "a:1"), update(10, "a:2"), update(20, "a:3"));
    let history = [("  strategy:", "  revisionHistoryLimit: 1\n  strategy:")];
    let walk = Walk { events: &events, spec: &history, followed: "ReplicaSet", ..Walk::default() };
    let timeline = walk.run();
    let gone: Vec<u64> = followed(&timeline)
        .iter()
        .filter(|(_, _, object)| object.is_none())
        .map(|(second, _, _)| *second)
        .collect();
    // Beside the trusted one and the one that it replaces a single older one is kept.
    assert_eq!(gone.len(), 2, "{gone:?}");
    assert_eq!(last(&timeline).stable.as_ref().map(|stable| stable.revision), Some(4));
}

#[test]
fn services_follow_their_role_and_the_canarys_goes_back_after_an_abort() {
    let services = [(
        "      canaryMetadata",
        "      canaryService: canary\n      stableService: stable\n      canaryMetadata",
    )];
    let walk = Walk {
        steps: "[{ setWeight: 20 }, { pause: {} }]",
        spec: &services,
        also: SERVICES,
        events: "[{ at: 1m, UPDATE }, { at: 5m, abort: model }]",
        followed: "Service",
        ..Walk::default()
    };
    let timeline = walk.run();
    let switched: Vec<String> =
        announced(&timeline, 0).into_iter().filter(|line| line.contains("SwitchService")).collect();
    assert_eq!(
        switched,
        [
            "12 SwitchService: Switched selector for service 'stable' from '' to '#'",
            "12 SwitchService: Switched selector for service 'canary' from '' to '#'",
            "72 SwitchService: Switched selector for service 'canary' from '#' to '#'",
            "300 SwitchService: Switched selector for service 'canary' from '#' to '#'",
        ]
    );
    let owner =
        values(&timeline, "canary", "/metadata/annotations/argo-rollouts.argoproj.io~1managed-by-rollouts");
    assert_eq!(owner.last().map(|(_, owner)| owner.as_str()), Some("model"));
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: model, namespace: default }
spec:
  replicas: 5
  selector: { matchLabels: { app: model } }
  template:
    metadata: { labels: { app: model } }
    spec:
      containers:
        - name: server
          image: server:1
          env: [{ name: MODEL_VERSION, value: one }]
          ports: [{ containerPort: 80 }]
          readinessProbe: { httpGet: { path: /, port: 80 }, periodSeconds: 1 }
";

/// The Rollout's manifest with a reference in place of its template and selector.
fn referring(scale_down: &str) -> [(&'static str, String); 2] {
    let template = ROLLOUT.find("  template:").map(|at| &ROLLOUT[at..]).expect("the manifest has a template");
    let reference = format!(
        "  workloadRef: {{ apiVersion: apps/v1, kind: Deployment, name: model, scaleDown: {scale_down} }}\n"
    );
    [(template, reference), ("  selector: { matchLabels: { app: model } }\n", String::new())]
}

#[test]
fn a_workload_that_is_referred_to_gives_the_template_and_goes_when_told_to() {
    let cases: [(&str, &[(u64, &str)]); 3] = [
        ("never", &[(0, "5")]),
        ("onsuccess", &[(0, "5"), (12, "0")]),
        ("progressively", &[(0, "5"), (12, "0")]),
    ];
    for (scale_down, expected) in cases {
        let spec = referring(scale_down);
        let spec: Vec<(&str, &str)> = spec.iter().map(|(from, to)| (*from, to.as_str())).collect();
        let update = UPDATE.replace("kind: Rollout", "kind: Deployment");
        let events = format!("[{{ at: 1m, {update} }}]");
        let walk = Walk {
            spec: &spec,
            also: DEPLOYMENT,
            events: &events,
            followed: "Deployment",
            ..Walk::default()
        };
        let timeline = walk.run();
        let replicas = values(&timeline, "model", "/spec/replicas");
        let replicas: Vec<(u64, &str)> =
            replicas.iter().map(|(second, value)| (*second, value.as_str())).collect();
        assert_eq!(replicas, expected, "{scale_down}");
        let end = last(&timeline);
        assert_eq!(
            (end.phase, end.stable.as_ref().map(|stable| stable.revision)),
            (RolloutPhase::Healthy, Some(2))
        );
    }
}

#[test]
fn a_workload_that_is_missing_is_an_invalid_spec_until_it_is_there() {
    let spec = referring("never");
    let spec: Vec<(&str, &str)> = spec.iter().map(|(from, to)| (*from, to.as_str())).collect();
    let timeline = Walk { spec: &spec, ..Walk::default() }.run();
    let end = last(&timeline);
    assert!(end.invalid);
    assert_eq!(
        end.message,
        "InvalidSpec: The Rollout \"model\" is invalid: deployments.apps \"default/model\" not found"
    );
}

#[test]
fn a_gate_that_cannot_be_simulated_ends_the_run_by_name_and_place() {
    let query = "result[0] == 1\n    - name: other\n      provider: { datadog: { query: q } }";
    let expression = "result[0] == 1\n    - name: other\n      provider:\n        prometheus: { address: \
                      'http://prometheus.monitoring:9090', query: 'mad_over_time(up[1h])' }";
    let cases = [
        (query, "not simulated: the metric provider `datadog` of the metric `other`"),
        (expression, "not simulated: PromQL function `mad_over_time`"),
    ];
    for (condition, message) in cases {
        let steps = "[{ analysis: { templates: [{ templateName: gate }] } }]";
        let walk = Walk { steps, condition, events: "[{ at: 1m, UPDATE }]", ..Walk::default() };
        let problem = walk.outcome().expect_err(message);
        assert!(problem.message.starts_with(message), "{problem}");
        assert!(problem.place.is_some(), "{problem}");
    }
}
