//! The image beside a real Prometheus: it scrapes the pages of every profile, and on the samples that it scraped, the
//! queries of the pipeline's gate give there what the simulator's PromQL gives. Needs docker, the image of `just image`,
//! and Prometheus' image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::Client;
use load::{Evaluation, Load, Plan, Report, Reuse, Roots, Spacing, Tally, Target, generate};
use promql::{Labels, Query, Storage, Value};
use serde::Deserialize;
use tempfile::NamedTempFile;
use testcontainers::core::{IntoContainerPort, Mount, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::time::timeout;
use units::Rate;

const BEHAVIOUR: &str = "
models:
  3.1-70b-instruct: { latency: { p50: 180ms, p99: 350ms }, errors: 0.1%, load: 0s }
  3.2-70b-instruct: { latency: { p50: 420ms, p99: 900ms }, errors: 4%, load: 0s }
";

/// As many digits as Prometheus prints a number with, and room for sums in another order.
const TOLERANCE: f64 = 1e-9;

/// A file that a container's user may read.
fn readable(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    file
}

fn mount(file: &NamedTempFile, at: &str) -> Mount {
    Mount::bind_mount(file.path().to_str().unwrap(), at)
}

/// A pod of this version, called `NETWORK-NAME` in the network.
async fn pod(
    name: &str,
    version: &str,
    network: &str,
    behaviour: &NamedTempFile,
) -> ContainerAsync<GenericImage> {
    GenericImage::new("ghcr.io/rehearse-dev/fake-inference", env!("CARGO_PKG_VERSION"))
        .with_exposed_port(8000.tcp())
        .with_wait_for(WaitFor::message_on_stderr("serving llama3"))
        .with_network(network)
        .with_container_name(format!("{network}-{name}"))
        .with_hostname(name)
        .with_mount(mount(behaviour, "/behaviour.yaml"))
        .with_readonly_rootfs(true)
        .with_cap_drop("ALL")
        .with_env_var("MODEL_NAME", "llama3")
        .with_env_var("MODEL_VERSION", version)
        .start()
        .await
        .unwrap()
}

/// A Prometheus that scrapes the pods often, so that a few seconds of load are many samples. The labels are those that
/// a ServiceMonitor with `podTargetLabels: [role]` gives.
async fn prometheus(network: &str, pods: &[(&str, &str)]) -> (ContainerAsync<GenericImage>, NamedTempFile) {
    let target = |(name, role): &(&str, &str)| {
        format!("\n      - {{ targets: ['{network}-{name}:8000'], labels: {{ role: {role}, pod: {name} }} }}")
    };
    let targets: Vec<_> = pods.iter().map(target).collect();
    let config = readable(&format!(
        "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}
scrape_configs:
  - job_name: model-serving
    static_configs:{}",
        targets.concat()
    ));
    let container = GenericImage::new("quay.io/prometheus/prometheus", "v3.5.3")
        .with_exposed_port(9090.tcp())
        .with_wait_for(WaitFor::message_on_stderr("Server is ready to receive web requests"))
        .with_network(network)
        .with_container_name(format!("{network}-prometheus"))
        .with_mount(mount(&config, "/etc/prometheus/prometheus.yml"))
        .start()
        .await
        .unwrap();
    (container, config)
}

async fn address(container: &ContainerAsync<GenericImage>, port: u16) -> std::net::SocketAddr {
    let host = container.get_host().await.unwrap();
    let port = container.get_host_port_ipv4(port.tcp()).await.unwrap();
    tokio::net::lookup_host(format!("{host}:{port}")).await.unwrap().find(|it| it.is_ipv4()).unwrap()
}

/// Ten seconds of requests to one pod, each over a connection of its own.
async fn ask(pod: &ContainerAsync<GenericImage>, seed: u64) -> Report {
    let target = Target::parse(&format!("http://{}", address(pod, 8000).await), &Roots::System).unwrap();
    let (rate, during) = (Rate::new(30.0).unwrap(), units::Duration::from_secs(10));
    let plan = Plan::new(rate, rate, during, Spacing::Poisson, seed).unwrap();
    let load = Load {
        streaming: false,
        reuse: Reuse::Requests(NonZeroU32::MIN),
        id_prefix: format!("load-{seed}"),
        ..Load::new(target, "llama3", Evaluation::shipped(), plan)
    };
    let mut tally = Tally::new(plan, None);
    generate(&load, std::future::pending(), |arrival| tally.add(&arrival)).await;
    tally.report(during)
}

/// The answer of Prometheus' API to a query at a time in milliseconds: `data.result`.
async fn query(prometheus: &mut Client, query: &str, at_ms: i64) -> serde_json::Value {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let at = format!("{}.{:03}", at_ms / 1000, at_ms % 1000);
    let answer = prometheus.get(&format!("/api/v1/query?query={encoded}&time={at}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()["data"]["result"].clone()
}

fn number(written: &serde_json::Value) -> f64 {
    written.as_str().unwrap().parse().unwrap()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// The present of Prometheus, once every pod has a sample that is later: no sample before it is still to come.
async fn settled_moment(prometheus: &mut Client) -> i64 {
    let at_ms = now_ms();
    loop {
        let latest = query(prometheus, "timestamp(inference_requests_total)", now_ms()).await;
        let latest = latest.as_array().unwrap();
        if latest.len() == 3 && latest.iter().all(|it| number(&it["value"][1]) * 1e3 > at_ms as f64) {
            return at_ms;
        }
        // Prometheus tells nobody of a scrape: it is asked again.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The samples that Prometheus has of the server's own metrics up to this time, in the simulator's storage.
async fn samples(prometheus: &mut Client, at_ms: i64) -> (Storage, usize) {
    let (mut storage, mut count) = (Storage::new(), 0);
    let series = query(prometheus, r#"{__name__=~"inference_.+"}[1h]"#, at_ms).await;
    for it in series.as_array().unwrap() {
        let labels = it["metric"].as_object().unwrap();
        let labels = Labels::new(labels.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())));
        let id = storage.series(&labels);
        for sample in it["values"].as_array().unwrap() {
            let sample_ms = (sample[0].as_f64().unwrap() * 1e3).round() as i64;
            storage.append(id, sample_ms, number(&sample[1])).unwrap();
            count += 1;
        }
    }
    (storage, count)
}

/// The queries of the pipeline's gate, by the names of their metrics.
fn gate() -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Template {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        metrics: Vec<Metric>,
    }
    #[derive(Deserialize)]
    struct Metric {
        name: String,
        provider: Provider,
    }
    #[derive(Deserialize)]
    struct Provider {
        prometheus: Asked,
    }
    #[derive(Deserialize)]
    struct Asked {
        query: String,
    }
    let text = include_bytes!("../../../fixtures/ai-deployments/base/model-serving/analysistemplate.yaml");
    let node = yaml::parse_one("analysistemplate.yaml", text).unwrap();
    let template: Template = yaml::decode(&node).unwrap();
    template.spec.metrics.into_iter().map(|it| (it.name, it.provider.prometheus.query)).collect()
}

fn simulated(storage: &Storage, query: &str, at_ms: i64) -> f64 {
    let Value::Vector(result) = Query::parse(query).unwrap().instant(storage, at_ms).unwrap() else {
        panic!("{query} gives no vector");
    };
    assert_eq!(result.len(), 1, "{query}: {result:?}");
    result[0].value
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queries_of_the_gate_give_what_the_simulators_promql_gives() {
    let network = &format!("rehearse-{}", std::process::id());
    let behaviour = readable(BEHAVIOUR);
    let canary = pod("canary", "3.2-70b-instruct", network, &behaviour).await;
    let stable = pod("stable", "3.1-70b-instruct", network, &behaviour).await;
    let idle = pod("idle", "3.1-70b-instruct", network, &behaviour).await;
    let pods = [("canary", "canary"), ("stable", "stable"), ("idle", "stable")];
    let (container, _config) = prometheus(network, &pods).await;

    let (of_canary, of_stable) = tokio::join!(ask(&canary, 1), ask(&stable, 2));
    let mut prometheus = Client::tcp(address(&container, 9090).await).await;
    let at_ms = settled_moment(&mut prometheus).await;
    let (storage, count) = samples(&mut prometheus, at_ms).await;
    drop(idle);

    // A scrape fails on a page that Prometheus cannot read: whoever gets here scraped all three.
    assert!(count > 3 * 10 * 20, "{count} samples");
    for (report, role) in [(of_canary, "canary"), (of_stable, "stable")] {
        let counted = format!(r#"sum(inference_requests_total{{role="{role}"}})"#);
        assert_eq!(simulated(&storage, &counted, at_ms), report.counts.sent as f64, "{report}");
        let errors = format!(r#"sum(inference_errors_total{{role="{role}"}})"#);
        assert_eq!(simulated(&storage, &errors, at_ms), report.counts.failed as f64, "{report}");
    }
    let gate = gate();
    let names: Vec<_> = gate.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["inference-latency", "error-rate"]);
    for (name, asked) in &gate {
        for asked in [asked.clone(), asked.replace("canary", "stable")] {
            let real = query(&mut prometheus, &asked, at_ms).await;
            let real = number(&real[0]["value"][1]);
            let ours = simulated(&storage, &asked, at_ms);
            assert!((real - ours).abs() <= TOLERANCE * real.abs(), "{name}: {asked}: {real} and {ours}");
        }
    }
    // The canary is a bad one: what was compared is not nothing.
    let of = |index: usize| simulated(&storage, &gate[index].1, at_ms);
    assert!(of(0) > 0.5 && of(1) > 0.01, "{} {}", of(0), of(1));
}

/// A series that each profile's page has after an answer, with its own labels.
const OWN: [(&str, &str); 5] = [
    ("document", r#"inference_requests_total{version="3.1-70b-instruct",endpoint="/v1/chat/completions"}"#),
    ("vllm-v0", r#"vllm:time_per_output_token_seconds_count{model_name="llama3"}"#),
    ("vllm-v1", r#"vllm:inter_token_latency_seconds_count{model_name="llama3",engine="0"}"#),
    ("tgi", r#"tgi_request_count"#),
    ("sglang", r#"sglang:e2e_request_latency_seconds_count{model_name="llama3"}"#),
];

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_the_page_of_every_profile() {
    let network = &format!("rehearse-pages-{}", std::process::id());
    let mut pods = Vec::new();
    for (profile, _) in OWN {
        let behaviour = readable(&format!("{BEHAVIOUR}server: {{ metrics: [{profile}] }}\n"));
        pods.push((pod(profile, "3.1-70b-instruct", network, &behaviour).await, behaviour));
    }
    let (container, _config) = prometheus(network, &OWN.map(|(profile, _)| (profile, "stable"))).await;
    for (pod, _) in &pods {
        let answer = Client::tcp(address(pod, 8000).await).await.chat(serde_json::json!({})).await;
        assert_eq!(answer.status, 200);
    }
    let mut prometheus = Client::tcp(address(&container, 9090).await).await;
    for (profile, own) in OWN {
        let scraped = timeout(Duration::from_secs(60), scraped(&mut prometheus, profile, own)).await;
        scraped.unwrap_or_else(|_| panic!("{profile}: no {own}"));
    }
}

/// Waits for a series of a page that Prometheus could read.
async fn scraped(prometheus: &mut Client, profile: &str, own: &str) {
    let counted = format!(r#"{own} > 0 and on (pod) up{{pod="{profile}"}} == 1"#);
    while query(prometheus, &counted, now_ms()).await.as_array().unwrap().is_empty() {
        let targets = prometheus.get("/api/v1/targets").await.json();
        for target in targets["data"]["activeTargets"].as_array().unwrap() {
            assert_eq!(target["lastError"], "", "{profile}");
        }
        // Prometheus tells nobody of a scrape: it is asked again.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
