//! Field by field: what becomes of it at a speed, in manifests, patches and operations.

#![allow(clippy::unwrap_used, reason = "what cannot be transformed fails the test")]

mod common;

use common::{IDLE, at_speed, plan, scenario, text, tree};
use proptest::prelude::*;
use transform::{Noted, highest_speed, transform};
use yaml::Node;

fn parsed(text: &str) -> Node {
    yaml::parse_one("it.yaml", text.as_bytes()).unwrap()
}

/// `spec` at speed 10 of an object with this `spec`.
fn spec_at_10(kind: &str, spec: &str) -> Node {
    let manifest =
        format!("apiVersion: {}\nkind: {kind}\nmetadata: {{name: it}}\nspec: {spec}\n", version(kind));
    let changed = at_speed(10.0, &[("it.yaml", &manifest)]);
    parsed(&text(&changed.repository, "it.yaml")).get("spec").unwrap().clone()
}

fn version(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" => "apps/v1",
        "CronJob" | "Job" => "batch/v1",
        "Pod" => "v1",
        "HorizontalPodAutoscaler" => "autoscaling/v2",
        "ServiceMonitor" | "PodMonitor" | "PrometheusRule" => "monitoring.coreos.com/v1",
        "ExternalSecret" => "external-secrets.io/v1",
        _ => "argoproj.io/v1alpha1",
    }
}

/// A kind, its `spec`, and its `spec` at speed 10.
const SPECS: &[(&str, &str, &str)] = &[
    (
        "Rollout",
        "{minReadySeconds: 30, progressDeadlineSeconds: 900}",
        "{minReadySeconds: 3, progressDeadlineSeconds: 113}",
    ),
    ("Rollout", "{paused: true}", "{paused: true, progressDeadlineSeconds: 83}"),
    (
        "Rollout",
        "{progressDeadlineSeconds: 600, strategy: {canary: {steps: [{pause: {duration: 5m}}, {pause: {duration: 300}}, {pause: {duration: '300'}}, {pause: {}}, {setWeight: 50}], scaleDownDelaySeconds: 60}}}",
        "{progressDeadlineSeconds: 83, strategy: {canary: {steps: [{pause: {duration: 30s}}, {pause: {duration: 30}}, {pause: {duration: '30'}}, {pause: {}}, {setWeight: 50}], scaleDownDelaySeconds: 6}}}",
    ),
    (
        "Rollout",
        "{progressDeadlineSeconds: 600, strategy: {blueGreen: {autoPromotionSeconds: 300, abortScaleDownDelaySeconds: 0}}}",
        "{progressDeadlineSeconds: 83, strategy: {blueGreen: {autoPromotionSeconds: 30, abortScaleDownDelaySeconds: 0, scaleDownDelaySeconds: 3}}}",
    ),
    (
        "AnalysisTemplate",
        "{metrics: [{interval: 1m, initialDelay: 90s, provider: {prometheus: {timeout: 40, query: 'rate(x[5m] offset 1m)'}}}]}",
        "{metrics: [{interval: 6s, initialDelay: 9s, provider: {prometheus: {timeout: 40, query: 'rate(x[30s] offset 6s)'}}}]}",
    ),
    (
        "ClusterAnalysisTemplate",
        "{metrics: [{provider: {prometheus: {query: x, rangeQuery: {start: 'now() - duration(\"10m\")', end: now(), step: 1m}}}}]}",
        "{metrics: [{provider: {prometheus: {query: x, rangeQuery: {start: 'now() - duration(\"1m\")', end: now(), step: 6s}}}}]}",
    ),
    (
        "Experiment",
        "{duration: 10m, progressDeadlineSeconds: 300, templates: [{minReadySeconds: 20}]}",
        "{duration: 1m, progressDeadlineSeconds: 53, templates: [{minReadySeconds: 2}]}",
    ),
    (
        "Deployment",
        "{template: {spec: {containers: [{readinessProbe: {initialDelaySeconds: 30, timeoutSeconds: 5}}]}}}",
        "{progressDeadlineSeconds: 83, template: {spec: {containers: [{readinessProbe: {initialDelaySeconds: 3, timeoutSeconds: 5, periodSeconds: 1}}]}}}",
    ),
    (
        "Pod",
        "{terminationGracePeriodSeconds: 60, containers: [{lifecycle: {preStop: {sleep: {seconds: 20}}}}], tolerations: [{tolerationSeconds: 300}]}",
        "{terminationGracePeriodSeconds: 60, containers: [{lifecycle: {preStop: {sleep: {seconds: 20}}}}], tolerations: [{tolerationSeconds: 30}]}",
    ),
    (
        "CronJob",
        "{schedule: '* * * * *', startingDeadlineSeconds: 100, jobTemplate: {spec: {activeDeadlineSeconds: 600}}}",
        "{schedule: '* * * * *', startingDeadlineSeconds: 10, jobTemplate: {spec: {activeDeadlineSeconds: 60}}}",
    ),
    (
        "HorizontalPodAutoscaler",
        "{behavior: {scaleDown: {stabilizationWindowSeconds: 300, policies: [{periodSeconds: 60}]}}}",
        "{behavior: {scaleDown: {stabilizationWindowSeconds: 30, policies: [{periodSeconds: 6}]}}}",
    ),
    (
        "ServiceMonitor",
        "{endpoints: [{interval: 30s, scrapeTimeout: 10s}, {}]}",
        "{endpoints: [{interval: 3s, scrapeTimeout: 1s}, {}]}",
    ),
    (
        "PodMonitor",
        "{podMetricsEndpoints: [{interval: 15s}]}",
        "{podMetricsEndpoints: [{interval: 1s500ms}]}",
    ),
    (
        "PrometheusRule",
        "{groups: [{interval: 1m, rules: [{expr: 'max_over_time(up[1h:1m]) > 5', for: 5m, keep_firing_for: 10m}]}]}",
        "{groups: [{interval: 6s, rules: [{expr: 'max_over_time(up[6m:6s]) > 5', for: 30s, keep_firing_for: 1m}]}]}",
    ),
    ("ExternalSecret", "{refreshInterval: 1h}", "{refreshInterval: 6m}"),
    ("ExternalSecret", "{target: {}}", "{target: {}, refreshInterval: 6m}"),
    (
        "Application",
        "{syncPolicy: {retry: {limit: 3, backoff: {duration: 30s, factor: 2}}}}",
        "{syncPolicy: {retry: {limit: 3, backoff: {duration: 3s, factor: 2, maxDuration: 18s}}}}",
    ),
    (
        "Application",
        "{syncPolicy: {retry: {limit: 3}}}",
        "{syncPolicy: {retry: {limit: 3, backoff: {duration: 500ms, maxDuration: 18s}}}}",
    ),
    (
        "ApplicationSet",
        "{generators: [{git: {requeueAfterSeconds: 180}}], template: {spec: {syncPolicy: {retry: {backoff: {duration: '20', maxDuration: 1m}}}}}}",
        "{generators: [{git: {requeueAfterSeconds: 18}}], template: {spec: {syncPolicy: {retry: {backoff: {duration: 2s, maxDuration: 6s}}}}}}",
    ),
];

#[test]
fn every_duration_of_every_kind_is_divided() {
    for (kind, spec, expected) in SPECS {
        assert_eq!(spec_at_10(kind, spec), parsed(expected), "{kind} {spec}");
    }
}

#[test]
fn arguments_are_divided_where_they_are_used_as_durations() {
    let template = "
apiVersion: argoproj.io/v1alpha1
kind: AnalysisTemplate
metadata: {name: t}
spec:
  args: [{name: window, value: 10m}, {name: version, value: 10m}, {name: every}]
  metrics: [{name: m, interval: '{{args.every}}', provider: {prometheus: {query: 'x{v=\"{{args.version}}\"}[{{ args.window }}]'}}}]
";
    let rollout = "
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec: {strategy: {canary: {steps: [{analysis: {args: [{name: every, value: 30s}, {name: version, value: 30s}]}}]}}}
";
    let changed = at_speed(10.0, &[("a.yaml", rollout), ("t.yaml", template)]);
    let read = |path: &str| parsed(&text(&changed.repository, path)).to_json();
    let args = &read("t.yaml")["spec"]["args"];
    assert_eq!((&args[0]["value"], &args[1]["value"]), (&"1m".into(), &"10m".into()));
    let args = &read("a.yaml")["spec"]["strategy"]["canary"]["steps"][0]["analysis"]["args"];
    assert_eq!((&args[0]["value"], &args[1]["value"]), (&"3s".into(), &"30s".into()));
    assert_eq!(
        highest_speed(&tree(&[("a.yaml", rollout), ("t.yaml", template)]), &scenario(IDLE)).factor(),
        30.0
    );
}

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec: {progressDeadlineSeconds: 600, template: {spec: {terminationGracePeriodSeconds: 30, containers: [{name: c, startupProbe: {periodSeconds: 10}}]}}}
";

/// The rendered Deployment of a kustomization at speed 10.
fn rendered_at_10(kustomization: &str, patch: &str) -> serde_json::Value {
    let files = [("kustomization.yaml", kustomization), ("d.yaml", DEPLOYMENT), ("patch.yaml", patch)];
    let changed = at_speed(10.0, &files);
    let rendered = manifests::kustomize::build(&changed.repository, "").unwrap();
    rendered.objects[0].to_json()["spec"].clone()
}

#[test]
fn patches_are_divided_and_get_no_defaults() {
    let strategic = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {minReadySeconds: 20, template: {spec: {containers: [{name: c, startupProbe: {failureThreshold: 9}}]}}}\n";
    let operations = "[{op: add, path: /spec/minReadySeconds, value: 20}, {op: add, path: /spec/template/spec/containers/0/startupProbe, value: {periodSeconds: 10, failureThreshold: 9}}]";
    let inline = |patch: &str| {
        format!(
            "resources: [d.yaml]\npatches:\n- target: {{kind: Deployment, name: d}}\n  patch: |-\n    {}\n",
            patch.trim_end().replace('\n', "\n    ")
        )
    };
    let cases = [
        ("resources: [d.yaml]\npatches: [{path: patch.yaml}]\n".to_owned(), strategic),
        ("resources: [d.yaml]\npatchesStrategicMerge: [patch.yaml]\n".to_owned(), strategic),
        ("resources: [d.yaml]\npatches: [{path: patch.yaml, target: {kind: Deployment}}]\n".to_owned(), operations),
        ("resources: [d.yaml]\npatches: [{path: patch.yaml, target: {name: d}}]\n".to_owned(), operations),
        ("resources: [d.yaml]\npatchesJson6902: [{path: patch.yaml, target: {version: v1, kind: Deployment, name: d}}]\n".to_owned(), operations),
        (inline(strategic), "{}"),
        (inline(operations), "{}"),
    ];
    for (kustomization, patch) in cases {
        let spec = rendered_at_10(&kustomization, patch);
        let container = &spec["template"]["spec"]["containers"][0];
        assert_eq!(
            (&spec["minReadySeconds"], &spec["progressDeadlineSeconds"]),
            (&2.into(), &83.into()),
            "{kustomization}"
        );
        assert_eq!(
            container["startupProbe"],
            serde_json::json!({"periodSeconds": 1, "failureThreshold": 9}),
            "{kustomization}"
        );
    }
}

#[test]
fn the_settings_of_argo_cd_get_their_jitter_written() {
    let settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\ndata: {timeout.reconciliation: 3m, other: 5m}\n";
    let other = settings.replace("argocd-cm", "other");
    let changed = at_speed(10.0, &[("cm.yaml", settings), ("other.yaml", &other)]);
    let data = parsed(&text(&changed.repository, "cm.yaml")).get("data").unwrap().clone();
    assert_eq!(data, parsed("{timeout.reconciliation: 18s, other: 5m, timeout.reconciliation.jitter: 6s}"));
    assert_eq!(text(&changed.repository, "other.yaml"), other);
}

#[test]
fn the_manifests_in_events_and_expectations_are_divided_too() {
    let yaml = "
name: it
repository: .
events:
  - at: 1m
    merge:
      edit: { d.yaml: { spec: { progressDeadlineSeconds: 300, template: { spec: { containers: [{ name: c, livenessProbe: {} }] } } } } }
      write: { k/kustomization.yaml: 'patches: [{path: p.yaml, target: {kind: Rollout}}]', k/p.yaml: '[{op: add, path: /spec/minReadySeconds, value: 50}]' }
  - after: { resource: { kind: Deployment, name: d }, match: { spec: { minReadySeconds: 40 } } }
    wait: 30s
    patch: { resource: { kind: Deployment, name: d }, with: { spec: { minReadySeconds: 30 } } }
expect:
  - resource: { kind: Deployment, name: d }
    becomes: { spec: { minReadySeconds: 30 } }
    within: 1m
";
    let files = tree(&[("d.yaml", DEPLOYMENT)]);
    let changed = transform(&files, &scenario(yaml), &plan(10.0, "")).unwrap().scenario;
    insta::assert_snapshot!(
        "events",
        format!(
            "{:#?}\n{}",
            changed
                .events
                .iter()
                .map(|it| (format!("{:?}", it.trigger), format!("{:?}", it.action)))
                .collect::<Vec<_>>(),
            changed.expect[0].text
        )
    );
}

#[test]
fn what_is_not_scaled_is_said() {
    let template = "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: t}\nspec: {metrics: [{interval: '{{inputs.x}}', provider: {datadog: {query: x}}}, {provider: {prometheus: {query: 'time() - x[{{ y }}]'}}}]}\n";
    let kustomization = "resources: [t.yaml]\nreplacements:\n- source: {kind: ConfigMap, fieldPath: data.x}\n  targets: [{select: {kind: Rollout}, fieldPaths: [spec.progressDeadlineSeconds, spec.replicas]}]\n";
    let changed = at_speed(10.0, &[("t.yaml", template), ("kustomization.yaml", kustomization)]);
    let said: Vec<String> =
        changed.notes.iter().filter(|note| note.is_deviation()).map(ToString::to_string).collect();
    insta::assert_snapshot!("not_scaled", said.join("\n"));
}

#[test]
fn texts_that_yaml_would_take_for_something_else_survive() {
    let words = [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "null",
        "~",
        "0644",
        "1_000",
        "1e3",
        "0x1F",
        "0b1",
        "12:30:00",
        "2024-01-01",
        ".inf",
        ".5",
        "+1",
        "-",
        "true",
        "'",
        "\"",
        " a",
        "a ",
        "a: b",
        "#",
        "@x",
        "%",
        "&a",
        "*a",
        "!x",
        "|",
        ">",
        "",
        "\n",
        "a\nb\n",
        "\t",
        "---",
        "=",
        "<<",
    ];
    let data: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(i, word)| format!("  k{i}: {}\n", serde_json::to_string(word).unwrap()))
        .collect();
    let manifest =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: argocd-cm}}\ndata:\n{}", data.concat());
    let changed = at_speed(10.0, &[("cm.yaml", &manifest)]);
    let after = text(&changed.repository, "cm.yaml");
    let data = parsed(&after).get("data").unwrap().clone();
    for (i, word) in words.iter().enumerate() {
        assert_eq!(data.str_at(&[&format!("k{i}")]), Some(*word), "{after}");
    }
    insta::assert_snapshot!("quoting", after);
}

proptest! {
    #[test]
    fn a_divided_duration_is_the_original_divided(seconds in 30_u64..100_000, factor in 1.0..15.0_f64) {
        let manifest = format!("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {{name: r}}\nspec: {{progressDeadlineSeconds: 9000, strategy: {{canary: {{steps: [{{pause: {{duration: {seconds}s}}}}]}}}}}}\n");
        let changed = at_speed(factor, &[("r.yaml", &manifest)]);
        let node = parsed(&text(&changed.repository, "r.yaml")).to_json();
        let duration = node["spec"]["strategy"]["canary"]["steps"][0]["pause"]["duration"].as_str().unwrap().to_owned();
        let got = duration.parse::<units::Duration>().unwrap().as_secs_f64();
        let exact = seconds as f64 / factor;
        prop_assert!(got >= exact - 1e-6 && got < exact + 1.0, "{got} {exact}");
        let rounded = changed.notes.iter().any(|note| matches!(&note.what, Noted::Rounded { field, .. } if field == "duration"));
        prop_assert_eq!(rounded, got - exact > exact / 1_000.0);
    }
}
