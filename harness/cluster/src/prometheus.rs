//! Prometheus: one for each run, where the run's analyses look for it; and what prometheus-operator
//! would make of ServiceMonitors and PrometheusRules.

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Duration as Wait, Instant, sleep};
use units::Duration;

use crate::Failure;
use crate::alerts::Answer;
use crate::api::{Server, refused};
use crate::install::{Workload, apply_all, namespace, wait_until_available};
use crate::watch::News;

/// The port that Prometheus listens on.
const PORT: u16 = 9090;

/// The folder that Prometheus reads further scrape configurations and rules from.
const CONFIGURATION: &str = "/configuration";

/// Where a run's Prometheus is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    /// The namespace of its Service.
    pub(crate) namespace: String,
    /// The name of its Service.
    pub(crate) service: String,
    /// The port of its Service.
    pub(crate) port: u16,
}

impl Default for Address {
    /// Where the fixtures look for it.
    fn default() -> Self {
        Self { namespace: "monitoring".to_owned(), service: "prometheus".to_owned(), port: PORT }
    }
}

/// Installs a Prometheus that scrapes nothing yet.
///
/// # Errors
/// What the cluster refuses, or a Prometheus that does not get ready.
pub(crate) async fn install(
    server: &Server,
    image: &str,
    address: &Address,
    interval: Duration,
    labels: &Value,
) -> Result<(), Failure> {
    let Address { namespace: place, service, port } = address;
    let configuration = json!({
        "global": {"scrape_interval": prometheus_duration(interval), "evaluation_interval": prometheus_duration(interval)},
        "scrape_config_files": [format!("{CONFIGURATION}/scrape-*.yml")],
        "rule_files": [format!("{CONFIGURATION}/rules-*.yml")],
    });
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": service, "namespace": place, "labels": labels},
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("rehearse-{place}-{service}"), "labels": labels},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": service, "namespace": place}],
    });
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": service, "namespace": place, "labels": labels},
        "data": {"prometheus.yml": configuration.to_string()},
    });
    let workload = Workload {
        name: service,
        namespace: place,
        labels: labels.clone(),
        container: json!({
            "image": image,
            "args": [
                "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus",
                "--web.enable-lifecycle",
            ],
            "ports": [{"containerPort": PORT}],
            "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 1},
            "volumeMounts": [
                {"name": "settings", "mountPath": "/etc/prometheus"},
                {"name": "configuration", "mountPath": CONFIGURATION},
                {"name": "data", "mountPath": "/prometheus"},
            ],
        }),
        volumes: json!([
            {"name": "settings", "configMap": {"name": service}},
            {"name": "configuration", "emptyDir": {}},
            {"name": "data", "emptyDir": {}},
        ]),
        service_account: service,
        port: Some((*port, PORT)),
    };
    let objects: Vec<Value> =
        [namespace(place), account, binding, settings].into_iter().chain(workload.objects()).collect();
    apply_all(server, &objects, place).await?;
    wait_until_available(server, "Deployment", place, service).await
}

/// Gives Prometheus what prometheus-operator would make of a ServiceMonitor or PrometheusRule; `None`
/// for one that is gone.
///
/// # Errors
/// A Prometheus that does not take it.
pub(crate) async fn configure(
    server: &Server,
    address: &Address,
    name: &str,
    configuration: Option<&Value>,
) -> Result<(), Failure> {
    let Address { namespace, service, port } = address;
    let pod = server.ready_pod(namespace, &format!("app.kubernetes.io/name={service}")).await?;
    let file = path(name);
    match configuration {
        Some(configuration) => {
            let text = configuration.to_string();
            server.exec(namespace, &pod, &["tee", &file], text.as_bytes()).await?;
        }
        None => drop(server.exec(namespace, &pod, &["rm", "-f", &file], b"").await?),
    }
    server.ask("POST", namespace, &format!("{service}:{port}"), "/-/reload").await.map(drop)
}

/// Where the file of a configuration is, as Prometheus names it.
pub(crate) fn path(name: &str) -> String {
    format!("{CONFIGURATION}/{name}.yml")
}

/// Asks Prometheus for its rules for ever, twice in the shortest of their intervals, so that no evaluation is missed;
/// `evaluation` is that of groups that state none.
pub(crate) async fn follow_rules(
    server: Server,
    address: Address,
    evaluation: Duration,
    news: UnboundedSender<(Instant, News)>,
) {
    let (mut interval, mut away) = (evaluation, false);
    loop {
        let told = match ask_rules(&server, &address).await {
            Ok(answer) => {
                (interval, away) = (answer.shortest_interval().unwrap_or(evaluation), false);
                Some(News::Rules(answer))
            }
            // An absence is told once, when it begins.
            Err(failure) => (!std::mem::replace(&mut away, true)).then(|| News::Away(failure.to_string())),
        };
        // Who listens no more has ended the run.
        if told.is_some_and(|told| news.send((Instant::now(), told)).is_err()) {
            return;
        }
        sleep(Wait::from_nanos(interval.as_nanos() / 2)).await;
    }
}

async fn ask_rules(server: &Server, address: &Address) -> Result<Answer, Failure> {
    let Address { namespace, service, port } = address;
    let text = server.ask("GET", namespace, &format!("{service}:{port}"), "/api/v1/rules").await?;
    serde_json::from_str(&text).map_err(|error| refused("read the rules of Prometheus", &error))
}

/// The file that an object's configuration is kept in, and its content: what prometheus-operator makes
/// of a ServiceMonitor (prometheus-operator v0.85 pkg/prometheus/promcfg.go:
/// generateServiceMonitorConfig) or a PrometheusRule; `None` for any other kind.
pub(crate) fn translated(object: &Value) -> Option<(String, Value)> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    match text("/kind") {
        "ServiceMonitor" => {
            let endpoints = object.pointer("/spec/endpoints").and_then(Value::as_array);
            let jobs: Vec<Value> = endpoints
                .into_iter()
                .flatten()
                .enumerate()
                .map(|(index, endpoint)| scrape_job(object, namespace, name, index, endpoint))
                .collect();
            Some((format!("scrape-{namespace}-{name}"), json!({"scrape_configs": jobs})))
        }
        "PrometheusRule" => {
            let groups =
                object.pointer("/spec/groups").and_then(Value::as_array).cloned().unwrap_or_default();
            let groups: Vec<Value> = groups.into_iter().map(without_thanos_s).collect();
            Some((format!("rules-{namespace}-{name}"), json!({"groups": groups})))
        }
        _ => None,
    }
}

/// A group of rules without the key that Thanos alone knows (prometheus-operator pkg/operator/rules.go:
/// sanitizePrometheusRulesSpec).
fn without_thanos_s(mut group: Value) -> Value {
    if let Some(group) = group.as_object_mut() {
        group.remove("partial_response_strategy");
    }
    group
}

fn scrape_job(monitor: &Value, namespace: &str, name: &str, index: usize, endpoint: &Value) -> Value {
    let spec = &monitor["spec"];
    let mut relabel = selected(&spec["selector"]);
    relabel.extend(of_port(endpoint));
    relabel.push(json!({
        "source_labels": ["__meta_kubernetes_pod_phase"], "regex": "(Failed|Succeeded)", "action": "drop",
    }));
    relabel.extend([
        copied("__meta_kubernetes_namespace", "namespace"),
        copied("__meta_kubernetes_service_name", "service"),
        copied("__meta_kubernetes_pod_name", "pod"),
        copied("__meta_kubernetes_pod_container_name", "container"),
    ]);
    let labels = |key: &str| spec[key].as_array().into_iter().flatten().filter_map(Value::as_str);
    for label in labels("targetLabels") {
        relabel
            .push(copied_where_set(&format!("__meta_kubernetes_service_label_{}", sanitised(label)), label));
    }
    for label in labels("podTargetLabels") {
        relabel.push(copied_where_set(&format!("__meta_kubernetes_pod_label_{}", sanitised(label)), label));
    }
    relabel.push(copied("__meta_kubernetes_service_name", "job"));
    if let Some(label) = spec["jobLabel"].as_str().filter(|label| !label.is_empty()) {
        relabel
            .push(copied_where_set(&format!("__meta_kubernetes_service_label_{}", sanitised(label)), "job"));
    }
    if let Some(port) = called(endpoint) {
        relabel.push(json!({"target_label": "endpoint", "replacement": port}));
    }
    relabel.extend(relabelings(&endpoint["relabelings"]));
    let mut job = json!({
        "job_name": format!("serviceMonitor/{namespace}/{name}/{index}"),
        "honor_labels": endpoint["honorLabels"].as_bool().unwrap_or(false),
        "metrics_path": endpoint["path"].as_str().unwrap_or("/metrics"),
        "kubernetes_sd_configs": [{"role": "endpoints", "namespaces": namespaces(spec, namespace)}],
        "relabel_configs": relabel,
    });
    for (theirs, ours) in
        [("interval", "scrape_interval"), ("scrapeTimeout", "scrape_timeout"), ("params", "params")]
    {
        if !endpoint[theirs].is_null() {
            job[ours] = endpoint[theirs].clone();
        }
    }
    if let Some(scheme) = endpoint["scheme"].as_str() {
        job["scheme"] = json!(scheme.to_lowercase());
    }
    let of_samples = relabelings(&endpoint["metricRelabelings"]);
    if !of_samples.is_empty() {
        job["metric_relabel_configs"] = json!(of_samples);
    }
    job
}

/// What the label `endpoint` says.
fn called(endpoint: &Value) -> Option<String> {
    match (&endpoint["port"], &endpoint["targetPort"]) {
        (Value::String(name), _) | (_, Value::String(name)) => Some(name.clone()),
        (_, Value::Number(number)) => Some(number.to_string()),
        _ => None,
    }
}

/// The user's own rules, in the words of Prometheus.
fn relabelings(rules: &Value) -> Vec<Value> {
    const WORDS: [(&str, &str); 7] = [
        ("sourceLabels", "source_labels"),
        ("separator", "separator"),
        ("targetLabel", "target_label"),
        ("regex", "regex"),
        ("modulus", "modulus"),
        ("replacement", "replacement"),
        ("action", "action"),
    ];
    let translated = |rule: &Value| {
        let mut config = json!({});
        for (theirs, ours) in WORDS.into_iter().filter(|(theirs, _)| !rule[*theirs].is_null()) {
            config[ours] = rule[theirs].clone();
        }
        if let Some(action) = config["action"].as_str() {
            config["action"] = json!(action.to_lowercase());
        }
        config
    };
    rules.as_array().into_iter().flatten().map(translated).collect()
}

fn namespaces(spec: &Value, own: &str) -> Value {
    let selector = &spec["namespaceSelector"];
    if selector["any"].as_bool() == Some(true) {
        return json!({});
    }
    match selector["matchNames"].as_array().filter(|names| !names.is_empty()) {
        Some(names) => json!({"names": names}),
        None => json!({"names": [own]}),
    }
}

/// Only Services with these labels.
fn selected(selector: &Value) -> Vec<Value> {
    let label = |label: &str| format!("__meta_kubernetes_service_label_{}", sanitised(label));
    let present = |label: &str| format!("__meta_kubernetes_service_labelpresent_{}", sanitised(label));
    let has_one_of = |key: &str, values: &[&str], action: &str| {
        json!({
            "action": action, "source_labels": [label(key), present(key)],
            "regex": format!("({});true", values.join("|")),
        })
    };
    let has =
        |key: &str, action: &str| json!({"action": action, "source_labels": [present(key)], "regex": "true"});
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let equal = labels.map(|(key, value)| has_one_of(key, &[value.as_str().unwrap_or_default()], "keep"));
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    let expressions = expressions.filter_map(|it| {
        let key = it["key"].as_str()?;
        let values: Vec<&str> =
            it["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match it["operator"].as_str()? {
            "In" => Some(has_one_of(key, &values, "keep")),
            "NotIn" => Some(has_one_of(key, &values, "drop")),
            "Exists" => Some(has(key, "keep")),
            "DoesNotExist" => Some(has(key, "drop")),
            _ => None,
        }
    });
    equal.chain(expressions).collect()
}

fn of_port(endpoint: &Value) -> Option<Value> {
    let keep = |label: &str, regex: &str| json!({"action": "keep", "source_labels": [label], "regex": regex});
    match (&endpoint["port"], &endpoint["targetPort"]) {
        (Value::String(name), _) => Some(keep("__meta_kubernetes_endpoint_port_name", name)),
        (_, Value::String(name)) => Some(keep("__meta_kubernetes_pod_container_port_name", name)),
        (_, Value::Number(number)) => {
            Some(keep("__meta_kubernetes_pod_container_port_number", &number.to_string()))
        }
        _ => None,
    }
}

fn copied(from: &str, to: &str) -> Value {
    json!({"source_labels": [from], "target_label": to})
}

fn copied_where_set(from: &str, to: &str) -> Value {
    json!({"source_labels": [from], "target_label": sanitised(to), "regex": "(.+)", "replacement": "${1}"})
}

/// A label as Prometheus writes it.
fn sanitised(label: &str) -> String {
    label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// A duration as Prometheus reads it.
fn prometheus_duration(duration: Duration) -> String {
    format!("{}ms", duration.as_nanos() / 1_000_000)
}

#[cfg(test)]
mod tests;
