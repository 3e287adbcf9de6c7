//! Metrics: arguments put in, then checked as the AnalysisRun controller checks them.
#![allow(clippy::unwrap_used)]

use manifests::objects::analysis::{Argument, CheckedProvider, merge_arguments, resolve_text};
use manifests::objects::{Metric, Object};
use proptest::prelude::*;
use units::Duration;

fn metric(fields: &str) -> Metric {
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {{name: t}}\nspec:\n  metrics:\n    - \
         {{name: m, {fields}}}\n"
    );
    let node = yaml::parse_one("m.yaml", text.as_bytes()).unwrap();
    match Object::decode(&node).unwrap_or_else(|problem| panic!("{problem}")) {
        Object::AnalysisTemplate(template) => template.spec.metrics[0].clone(),
        other => panic!("{other:?}"),
    }
}

const QUERY: &str = "provider: {prometheus: {query: up}}";

// argo-rollouts utils/analysis/factory.go: ValidateMetric.
#[test]
fn a_metric_is_refused_in_upstreams_words() {
    for (fields, expected) in [
        ("", ""),
        ("count: 3", "interval must be specified when count > 1"),
        ("count: 1", ""),
        ("count: 3, interval: 1m", ""),
        ("interval: 1x", "invalid interval string: time: unknown unit \"x\" in duration \"1x\""),
        ("interval: '5'", "invalid interval string: time: missing unit in duration \"5\""),
        ("initialDelay: soon", "invalid startDelay string: time: invalid duration \"soon\""),
        (
            "count: 2, interval: 1m, failureLimit: 3",
            "count (2) must be >= failureLimit + consecutiveSuccessLimit (3 + 0) if both >= 0",
        ),
        ("count: 2, interval: 1m, inconclusiveLimit: 3", "count must be >= inconclusiveLimit"),
        ("failureLimit: -2", "failureLimit must be >= 0, or -1 to be disabled"),
        ("failureLimit: -1", "failureLimit and consecutiveSuccessLimit cannot both be disabled"),
        ("failureLimit: -1, consecutiveSuccessLimit: 2", ""),
        (
            "failureLimit: -1, consecutiveSuccessLimit: 3, count: 2, interval: 1s",
            "count must be >= consecutiveSuccessLimit",
        ),
        ("consecutiveSuccessLimit: -1", "consecutiveSuccessLimit must be >= 0"),
        ("inconclusiveLimit: -1", "inconclusiveLimit must be >= 0"),
        ("consecutiveErrorLimit: -1", "consecutiveErrorLimit must be >= 0"),
    ] {
        let comma = if fields.is_empty() { "" } else { ", " };
        let found = metric(&format!("{fields}{comma}{QUERY}")).check().err().unwrap_or_default();
        assert_eq!(found, expected, "{fields}");
    }
    assert_eq!(metric("provider: {}").check().unwrap_err(), "no provider specified");
    assert_eq!(
        metric("provider: {web: {url: u}, prometheus: {query: up}}").check().unwrap_err(),
        "multiple providers specified"
    );
    let datadog = metric("provider: {datadog: {query: q}}").check().unwrap();
    assert_eq!(datadog.provider, CheckedProvider::Other("datadog".to_owned()));
}

#[test]
fn how_often_a_metric_is_measured_follows_from_count_and_interval() {
    for (fields, count, infinite) in [
        ("", Some(1), false),
        ("interval: 1m, ", None, true),
        ("interval: 1m, count: 0, ", None, true),
        ("interval: 1m, count: 5, ", Some(5), false),
        ("interval: 1m, count: '5', ", Some(5), false),
        // A text that is no number counts as none.
        ("interval: 1m, count: many, ", None, true),
        ("count: 1, ", Some(1), false),
    ] {
        let metric = metric(&format!("{fields}{QUERY}"));
        assert_eq!(metric.check().unwrap().count, count, "{fields}");
        assert_eq!(metric.is_infinite(), infinite, "{fields}");
    }
}

#[test]
fn arguments_go_into_every_text_of_a_metric() {
    let written = metric(
        "interval: '{{args.every}}', count: '{{ args.n }}', successCondition: 'result[0] < {{args.limit}}', provider: \
         {prometheus: {address: 'http://{{args.host}}:9090', query: 'up{role=\"{{args.role}}\"}'}}",
    );
    let args = [("every", "30s"), ("n", "4"), ("limit", "0.5"), ("host", "prom"), ("role", "a\"b\\c")]
        .map(|(name, value)| Argument::with_value(name, value));
    let metric = written.resolve(&args).unwrap();
    let checked = metric.check().unwrap();
    assert_eq!((checked.interval, checked.count), (Some(Duration::from_secs(30)), Some(4)));
    assert_eq!(checked.success_condition.as_deref(), Some("result[0] < 0.5"));
    let CheckedProvider::Prometheus(prometheus) = checked.provider else { panic!() };
    assert_eq!(prometheus.address, "http://prom:9090");
    assert_eq!(prometheus.query, "up{role=\"a\"b\\c\"}");
    assert_eq!(metric.places, written.places);
    assert_eq!(written.resolve(&args[1..]).unwrap_err(), "failed to resolve {{args.every}}");
}

#[test]
fn arguments_go_into_requests_and_jobs_too() {
    let args = [("name", "model"), ("token", "abc")].map(|(name, value)| Argument::with_value(name, value));
    let web = "provider: {web: {url: 'http://q/{{args.name}}', method: POST, jsonPath: '{$.{{args.name}}}', \
               headers: [{key: Authorization, value: 'Bearer {{args.token}}'}], jsonBody: {'{{args.name}}': [1, '{{args.token}}']}}}";
    let CheckedProvider::Web(web) = metric(web).resolve(&args).unwrap().check().unwrap().provider else {
        panic!()
    };
    assert_eq!((web.url.as_str(), web.json_path.as_str()), ("http://q/model", "{$.model}"));
    assert_eq!(web.headers[0].value, "Bearer abc");
    assert_eq!(web.json_body, Some(serde_json::json!({"model": [1, "abc"]})));
    let job = "provider: {job: {spec: {template: {spec: {restartPolicy: Never, containers: [{args: ['{{args.name}}']}]}}}}}";
    let CheckedProvider::Job(job) = metric(job).resolve(&args).unwrap().check().unwrap().provider else {
        panic!()
    };
    assert_eq!(job.restart_policy(), "Never");
    assert_eq!(job.spec.pointer("/template/spec/containers/0/args/0").unwrap(), "model");
    let unknown = metric(
        "provider: {job: {spec: {unread: '{{args.a}}', suspend: false, template: {spec: {hostname: '{{args.nothing}}'}}}}}",
    );
    assert_eq!(unknown.resolve(&args).unwrap_err(), "failed to resolve {{args.nothing}}");
    // What is not closed reaches to the next `}}` of the metric's JSON.
    let open = metric("provider: {prometheus: {query: 'up{{args.name'}}");
    assert_eq!(
        open.resolve(&args).unwrap_err(),
        "failed to resolve {{args.name\",\"authentication\":{\"sigv4\":{},\"oauth2\":{}}"
    );
}

#[test]
fn supplied_arguments_win_over_defaults_and_strangers_are_dropped() {
    let declared = [
        Argument { name: "a".into(), ..Argument::default() },
        Argument::with_value("b", "default"),
        Argument::with_value("c", "default"),
    ];
    let supplied =
        [Argument::with_value("a", "1"), Argument::with_value("b", "2"), Argument::with_value("z", "9")];
    let merged = merge_arguments(&supplied, &declared).unwrap();
    let values: Vec<_> =
        merged.iter().map(|argument| (argument.name.as_str(), argument.value.as_deref())).collect();
    assert_eq!(values, [("a", Some("1")), ("b", Some("2")), ("c", Some("default"))]);
    assert_eq!(merge_arguments(&[], &declared).unwrap_err(), "args.a was not resolved");
}

proptest! {
    // A text without placeholders stays as it is, and no text makes the substitution panic.
    #[test]
    fn substitution_changes_placeholders_only(text in "[a-z{}. ]{0,40}", value in "\\PC{0,8}") {
        let args = [Argument::with_value("a", &value)];
        let resolved = resolve_text(&text, &args);
        if !text.contains("{{") {
            prop_assert_eq!(resolved.as_deref(), Ok(text.as_str()));
        }
        prop_assert_eq!(resolve_text("x{{args.a}}y{{ args.a }}", &args), Ok(format!("x{value}y{value}")));
    }
}
