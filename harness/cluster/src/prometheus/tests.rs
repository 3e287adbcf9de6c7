use super::*;

fn monitor(spec: &str) -> Value {
    let text = format!(
        "kind: ServiceMonitor\nmetadata: {{ name: web, namespace: ai }}\nspec:\n  selector: {{}}\n  {spec}\n"
    );
    yaml::parse_one("monitor.yaml", text.as_bytes()).unwrap().to_json()
}

/// The first job of a monitor.
fn job(spec: &str) -> Value {
    let (_, configuration) = translated(&monitor(spec)).unwrap();
    configuration["scrape_configs"][0].clone()
}

/// The labels that a job sets, in the order of its rules, where a later one wins.
fn labels(job: &Value) -> Vec<&str> {
    let rules = job["relabel_configs"].as_array().unwrap();
    rules.iter().filter_map(|rule| rule["target_label"].as_str()).collect()
}

#[test]
fn the_fixture_s_monitor_is_scraped_as_the_operator_would() {
    let manifest = include_bytes!("../../../../fixtures/ai-deployments/base/monitoring/servicemonitor.yaml");
    let mut object = yaml::parse_one("servicemonitor.yaml", manifest).unwrap().to_json();
    object["metadata"]["namespace"] = json!("ai-production");
    let (file, configuration) = translated(&object).unwrap();
    assert_eq!(file, "scrape-ai-production-model-serving");
    insta::with_settings!({ omit_expression => true }, { insta::assert_json_snapshot!(configuration) });
    // The order of simulator::prometheus::discovery::labels.
    let job = &configuration["scrape_configs"][0];
    assert_eq!(labels(job), ["namespace", "service", "pod", "container", "role", "job", "endpoint"]);
}

#[test]
fn the_fixture_s_rules_are_taken_as_they_are() {
    let manifest = include_bytes!("../../../../fixtures/ai-deployments/base/monitoring/alerts.yaml");
    let object = yaml::parse_one("alerts.yaml", manifest).unwrap().to_json();
    let (file, rules) = translated(&object).unwrap();
    assert!(file.starts_with("rules-"), "{file}");
    assert_eq!(rules, json!({"groups": object["spec"]["groups"]}));
    assert!(rules["groups"].as_array().is_some_and(|groups| !groups.is_empty()));
}

#[test]
fn other_kinds_are_none_of_prometheus_s() {
    assert_eq!(translated(&json!({"kind": "Service", "metadata": {"name": "web"}})), None);
}

/// The same table as that of the simulator's discovery.
#[test]
fn labels_come_in_the_order_of_the_operator_s_rules() {
    let all = ["namespace", "service", "pod", "container", "job", "endpoint"];
    let between = |more: &[&'static str]| [&all[..4], more, &all[4..]].concat();
    let table = [
        ("endpoints: [{ port: http }]", all.to_vec()),
        ("podTargetLabels: [role]\n  endpoints: [{ port: http }]", between(&["role"])),
        ("podTargetLabels: [no-such]\n  endpoints: [{ port: http }]", between(&["no_such"])),
        (
            "podTargetLabels: [role]\n  targetLabels: [team]\n  endpoints: [{ port: http }]",
            between(&["team", "role"]),
        ),
        ("jobLabel: team\n  endpoints: [{ port: http }]", [&all[..5], &["job", "endpoint"]].concat()),
        ("endpoints: [{ targetPort: http }]", all.to_vec()),
        ("endpoints: [{ targetPort: 8000 }]", all.to_vec()),
    ];
    for (spec, expected) in table {
        assert_eq!(labels(&job(spec)), expected, "{spec}");
    }
}

#[test]
fn the_port_decides_what_is_kept_and_what_the_endpoint_is_called() {
    let table = [
        ("port: http", "__meta_kubernetes_endpoint_port_name", "http"),
        ("targetPort: http", "__meta_kubernetes_pod_container_port_name", "http"),
        ("targetPort: 8000", "__meta_kubernetes_pod_container_port_number", "8000"),
    ];
    for (port, label, value) in table {
        let rules = job(&format!("endpoints: [{{ {port} }}]"))["relabel_configs"].clone();
        let rules = rules.as_array().unwrap();
        assert_eq!(rules[0], json!({"action": "keep", "source_labels": [label], "regex": value}), "{port}");
        assert_eq!(rules.last(), Some(&json!({"target_label": "endpoint", "replacement": value})), "{port}");
    }
}

#[test]
fn services_are_selected_by_labels_and_expressions() {
    let select = |selector: &str| selected(&yaml::parse_one("s", selector.as_bytes()).unwrap().to_json());
    let label = "__meta_kubernetes_service_label_app_kubernetes_io_name";
    let present = "__meta_kubernetes_service_labelpresent_app_kubernetes_io_name";
    let rule =
        |action, labels: &[&str], regex| json!({"action": action, "source_labels": labels, "regex": regex});
    let key = "key: app.kubernetes.io/name";
    let table = [
        ("{}".to_owned(), vec![]),
        (
            "{ matchLabels: { app.kubernetes.io/name: web } }".to_owned(),
            vec![rule("keep", &[label, present], "(web);true")],
        ),
        (
            format!("{{ matchExpressions: [{{ {key}, operator: In, values: [a, b] }}] }}"),
            vec![rule("keep", &[label, present], "(a|b);true")],
        ),
        (
            format!("{{ matchExpressions: [{{ {key}, operator: NotIn, values: [a] }}] }}"),
            vec![rule("drop", &[label, present], "(a);true")],
        ),
        (
            format!("{{ matchExpressions: [{{ {key}, operator: Exists }}] }}"),
            vec![rule("keep", &[present], "true")],
        ),
        (
            format!("{{ matchExpressions: [{{ {key}, operator: DoesNotExist }}] }}"),
            vec![rule("drop", &[present], "true")],
        ),
    ];
    for (selector, expected) in table {
        assert_eq!(select(&selector), expected, "{selector}");
    }
}

#[test]
fn namespaces_are_the_monitor_s_own_the_named_ones_or_all() {
    let of = |selector: &str| {
        job(&format!("{selector}\n  endpoints: [{{ port: http }}]"))["kubernetes_sd_configs"][0].clone()
    };
    let endpoints = |namespaces: Value| json!({"role": "endpoints", "namespaces": namespaces});
    assert_eq!(of(""), endpoints(json!({"names": ["ai"]})));
    assert_eq!(of("namespaceSelector: { matchNames: [a, b] }"), endpoints(json!({"names": ["a", "b"]})));
    assert_eq!(of("namespaceSelector: { any: true }"), endpoints(json!({})));
}

#[test]
fn what_an_endpoint_says_is_said_to_prometheus() {
    let plain = job("endpoints: [{ port: http }]");
    assert_eq!((&plain["metrics_path"], &plain["honor_labels"]), (&json!("/metrics"), &json!(false)));
    assert!(plain.get("scrape_interval").is_none(), "the global one holds");
    let rule = "{ sourceLabels: [pod], targetLabel: replica, action: Replace, replacement: x }";
    let told = job(&format!(
        "endpoints: [{{ port: http, path: /m, interval: 15s, scrapeTimeout: 5s, honorLabels: true, scheme: HTTPS, \
         params: {{ a: [b] }}, relabelings: [{rule}], metricRelabelings: [{rule}] }}]"
    ));
    let translated =
        json!({"source_labels": ["pod"], "target_label": "replica", "action": "replace", "replacement": "x"});
    assert_eq!(told["relabel_configs"].as_array().unwrap().last(), Some(&translated));
    assert_eq!(told["metric_relabel_configs"], json!([translated]));
    for (key, expected) in [
        ("metrics_path", json!("/m")),
        ("scrape_interval", json!("15s")),
        ("scrape_timeout", json!("5s")),
        ("honor_labels", json!(true)),
        ("scheme", json!("https")),
        ("params", json!({"a": ["b"]})),
    ] {
        assert_eq!(told[key], expected, "{key}");
    }
}

#[test]
fn each_endpoint_is_a_job_of_its_own() {
    let (_, configuration) = translated(&monitor("endpoints: [{ port: http }, { port: admin }]")).unwrap();
    let names: Vec<&str> = configuration["scrape_configs"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|job| job["job_name"].as_str())
        .collect();
    assert_eq!(names, ["serviceMonitor/ai/web/0", "serviceMonitor/ai/web/1"]);
}

#[test]
fn durations_are_told_in_whole_milliseconds() {
    assert_eq!(prometheus_duration(Duration::from_secs(15)), "15000ms");
    assert_eq!(prometheus_duration(Duration::from_nanos(500_999_999)), "500ms");
}
