//! Probes are led to where a real server answers them, wherever the manifests state them.

#![allow(clippy::unwrap_used, reason = "what cannot be read fails the test")]

mod common;

use common::{IDLE, fixture, scenario, text, tree};
use scenario::{Action, ServerProbes};
use transform::{Transformed, probing};
use yaml::Node;

fn health() -> ServerProbes {
    ServerProbes { path: Some("/health".to_owned()), port: Some(8000) }
}

fn probed(files: &[(&str, &str)], yaml: &str) -> Transformed {
    probing(&tree(files), &scenario(yaml), &health()).unwrap()
}

fn parsed(text: &str) -> Node {
    yaml::parse_one("it.yaml", text.as_bytes()).unwrap()
}

/// Containers before and after.
const CONTAINERS: &[(&str, &str)] = &[
    (
        "{readinessProbe: {periodSeconds: 5, httpGet: {path: /ready, port: http, scheme: HTTP}}}",
        "{readinessProbe: {periodSeconds: 5, httpGet: {path: /health, port: 8000, scheme: HTTP}}}",
    ),
    (
        "{startupProbe: {httpGet: {path: /s, port: 1}}, livenessProbe: {httpGet: {path: /l, port: 1}}}",
        "{startupProbe: {httpGet: {path: /health, port: 8000}}, livenessProbe: {httpGet: {path: /health, port: 8000}}}",
    ),
    ("{readinessProbe: {httpGet: {port: 1}}}", "{readinessProbe: {httpGet: {port: 8000, path: /health}}}"),
    (
        "{readinessProbe: {tcpSocket: {port: 1}}, livenessProbe: {exec: {command: [x]}}}",
        "{readinessProbe: {tcpSocket: {port: 1}}, livenessProbe: {exec: {command: [x]}}}",
    ),
    (
        "{lifecycle: {preStop: {httpGet: {path: /x, port: 1}}}}",
        "{lifecycle: {preStop: {httpGet: {path: /x, port: 1}}}}",
    ),
];

#[test]
fn every_http_probe_of_a_container_asks_the_server() {
    for kind in ["Rollout", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"] {
        for (before, after) in CONTAINERS {
            let manifest = |container: &str| {
                format!(
                    "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: it}}\n\
                     spec: {{template: {{spec: {{initContainers: [{container}], containers: [{container}]}}}}}}\n"
                )
            };
            let changed = probed(&[("it.yaml", &manifest(before))], IDLE);
            let served = parsed(&text(&changed.repository, "it.yaml")).to_json();
            assert_eq!(served, parsed(&manifest(after)).to_json(), "{kind} {before}");
            assert_eq!(changed.notes.is_empty(), before == after);
        }
    }
}

#[test]
fn what_is_not_stated_stays() {
    let manifest =
        "kind: Pod\nspec: {containers: [{readinessProbe: {httpGet: {path: /ready, port: http}}}]}\n";
    let served = |probes: ServerProbes| {
        let tree = tree(&[("it.yaml", manifest)]);
        text(&probing(&tree, &scenario(IDLE), &probes).unwrap().repository, "it.yaml")
    };
    assert_eq!(served(ServerProbes::default()), manifest);
    let path = served(ServerProbes { path: Some("/x".to_owned()), port: None });
    assert!(path.contains("path: /x") && path.contains("port: http"), "{path}");
    let port = served(ServerProbes { path: None, port: Some(9) });
    assert!(port.contains("path: /ready") && port.contains("port: 9"), "{port}");
}

#[test]
fn patches_of_a_kustomization_and_merges_are_probes_too() {
    let kustomization = "resources: []\npatches:\n  - path: strategic.yaml\n  - target: {kind: Rollout}\n    patch: |\n      \
                         - op: replace\n        path: /spec/template/spec/containers/0/readinessProbe/httpGet/path\n        \
                         value: /new\n";
    let strategic = "kind: Rollout\nspec: {template: {spec: {containers: [{name: a, livenessProbe: {httpGet: {port: 7}}}]}}}\n";
    let merge = "{ name: s, repository: ., events: [{ at: 1m, merge: { write: { rollout.yaml: \
                 'kind: Rollout\n\nspec: {template: {spec: {containers: [{readinessProbe: {httpGet: {path: /w, port: 1}}}]}}}' } } }], \
                 expect: [{ requests: { failed: == 0 } }] }";
    let changed = probed(&[("kustomization.yaml", kustomization), ("strategic.yaml", strategic)], merge);
    assert!(text(&changed.repository, "kustomization.yaml").contains("value: /health"));
    let strategic = text(&changed.repository, "strategic.yaml");
    assert!(
        strategic.contains("port: 8000") && !strategic.contains("path"),
        "a patch states what it did: {strategic}"
    );
    let Action::Merge(merge) = &changed.scenario.events[0].action else { panic!("it was a merge") };
    assert!(merge.write["rollout.yaml"].contains("path: /health"), "{:?}", merge.write);
}

#[test]
fn each_change_of_the_fixture_is_told_at_its_place() {
    let changed = probing(&fixture("ai-deployments"), &scenario(IDLE), &health()).unwrap();
    let told: Vec<String> = changed.notes.iter().map(ToString::to_string).collect();
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(told.join("\n")) });
    assert!(changed.notes.iter().all(|note| !note.is_deviation()), "probes have nothing to do with time");
}
