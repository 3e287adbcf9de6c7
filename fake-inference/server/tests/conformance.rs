//! The server performs what the simulator samples: the same text, and counters that follow the same laws.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::sync::Arc;

use behaviour::{Arrivals, Batch, Buckets, Draws, Effective, Moment, Profile, Sampler};
use common::{Answer, Client, identity, server_with, value_of};
use fake_inference::{Identity, Server};
use serde_json::json;
use units::{Duration, Time};

const FLAWED: &str =
    "{ latency: { p50: 250ms, p99: 550ms }, errors: 3%, wrong: 10%, truncated: 5%, load: 0s }";
const REQUESTS: usize = 4_000;
const CONNECTIONS: usize = 40;
const HALF_SECOND: Option<Duration> = Some(Duration::from_millis(500));

/// A true law shows a deviation of this many standard errors once in 1.7 million looks.
const FIVE_SIGMA: f64 = 5.0;

fn performer(profile: &str) -> Arc<Server> {
    let identity = Identity { max_batch_size: 1000, ..identity() };
    server_with(&format!("models: {{ 3.1-70b: {profile} }}"), identity, 11)
}

fn effective(profile: &str) -> Effective {
    let profile: Profile = yaml::decode(&yaml::parse_one("profile", profile.as_bytes()).unwrap()).unwrap();
    profile.at(Moment { age: Duration::from_mins(5), now: Time::from_secs(300), pod: 0 })
}

/// The answers to so many questions, asked over several connections.
async fn ask(server: &Arc<Server>) -> Vec<Answer> {
    let mut tasks = Vec::new();
    for connection in 0..CONNECTIONS {
        let server = Arc::clone(server);
        tasks.push(tokio::spawn(async move {
            let mut client = Client::memory(&server).await;
            let mut answers = Vec::new();
            for number in 0..REQUESTS / CONNECTIONS {
                answers.push(client.chat_as(&format!("{connection}/{number}"), json!({})).await);
            }
            answers
        }));
    }
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.unwrap());
    }
    answers
}

/// What the page of metrics says of the chats, in the simulator's form.
async fn counters(server: &Arc<Server>, buckets: &Buckets) -> Batch {
    let page = Client::memory(server).await.get("/metrics").await.body;
    let of = |name: &str, more: &str| {
        value_of(&page, name, &format!(r#"endpoint="/v1/chat/completions"{more}"#)).unwrap()
    };
    let bounds = buckets.bounds().iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
    let mut batch = Batch::empty(buckets);
    let mut before = 0.0;
    for (bucket, bound) in batch.buckets.iter_mut().zip(bounds) {
        let cumulative = of("inference_duration_seconds_bucket", &format!(r#",le="{bound}""#));
        *bucket = cumulative - before;
        before = cumulative;
    }
    batch.requests = of("inference_requests_total", "");
    batch.errors = of("inference_errors_total", "");
    batch.duration_sum = of("inference_duration_seconds_sum", "");
    batch
}

/// Fails where `seen` of `requests` is not what this share would give.
fn assert_share(seen: f64, share: f64, requests: f64, what: &str) {
    let allowed = FIVE_SIGMA * (share * (1.0 - share) * requests).sqrt() + 1.0;
    assert!((seen - share * requests).abs() <= allowed, "{what}: {seen}, expected {}", share * requests);
}

#[tokio::test(start_paused = true)]
async fn the_servers_series_follow_the_laws_that_the_simulator_samples() {
    let (server, buckets) = (performer(FLAWED), Buckets::default());
    ask(&server).await;
    let measured = counters(&server, &buckets).await;
    let sampler = Sampler::new(effective(FLAWED), &buckets, HALF_SECOND);
    let expected = sampler.sample(REQUESTS as f64, &mut Draws::new(Arrivals::Expected, 0, ""));

    assert_eq!(measured.requests, expected.requests);
    assert_share(measured.errors, 0.03, measured.requests, "errors");
    for ((bound, seen), law) in buckets.bounds().iter().zip(measured.cumulative()).zip(expected.cumulative())
    {
        assert_share(seen, law / REQUESTS as f64, measured.requests, &format!("le {bound}"));
    }
    // The runtime's millisecond, and five standard errors of a deviation of about 90 ms.
    let mean = |batch: &Batch| batch.duration_sum / batch.requests;
    assert!((mean(&measured) - mean(&expected)).abs() < 0.001 + FIVE_SIGMA * 0.09 / (REQUESTS as f64).sqrt());

    // And a run of the simulator: two samples of one law.
    let mut draws = Draws::new(Arrivals::Drawn, 11, "pod/llama3-0");
    let drawn = sampler.sample(REQUESTS as f64, &mut draws);
    let compare = |a: f64, b: f64, what: &str| {
        let (a, b) = (a / measured.requests, b / drawn.requests);
        let share = f64::midpoint(a, b);
        let allowed = FIVE_SIGMA * (2.0 * share * (1.0 - share) / REQUESTS as f64).sqrt() + 1e-3;
        assert!((a - b).abs() <= allowed, "{what}: {a} and {b}");
    };
    compare(measured.errors, drawn.errors, "errors");
    for ((bound, a), b) in buckets.bounds().iter().zip(measured.cumulative()).zip(drawn.cumulative()) {
        compare(a, b, &format!("le {bound}"));
    }
}

#[tokio::test(start_paused = true)]
async fn clients_measure_the_quantiles_and_the_shares_of_the_profile() {
    let server = performer(FLAWED);
    let answers = ask(&server).await;
    let law = effective(FLAWED).latency;
    let mut times: Vec<f64> = answers.iter().map(|answer| answer.took.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    for (p, tolerance) in [(0.5, 0.02), (0.9, 0.02), (0.99, 0.05)] {
        let measured = times[(p * times.len() as f64) as usize];
        let wanted = law.quantile(p);
        assert!((measured / wanted - 1.0).abs() < tolerance, "p{p}: {measured}, the profile says {wanted}");
    }
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    let share = |is: &dyn Fn(&Answer) -> bool| good.iter().filter(|answer| is(answer)).count() as f64;
    let named = |answer: &Answer, name: &str| answer.header("x-fault").split(',').any(|fault| fault == name);
    assert_share(share(&|a| named(a, "profile/wrong")), 0.1, good.len() as f64, "wrong");
    assert_share(share(&|a| named(a, "profile/truncated")), 0.05, good.len() as f64, "truncated");
    for answer in good {
        let (wrong, cut) = (named(answer, "profile/wrong"), named(answer, "profile/truncated"));
        assert_eq!(answer.text() == "The answer is 42.", !wrong && !cut, "{:?}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_p99_of_500_ms_is_measured_within_2_percent() {
    let server = performer("{ latency: { p50: 480ms, p99: 500ms }, load: 0s }");
    let mut times: Vec<_> = ask(&server).await.iter().map(|answer| answer.took).collect();
    times.sort();
    let p99 = times[REQUESTS * 99 / 100].as_secs_f64();
    assert!((p99 / 0.5 - 1.0).abs() < 0.02, "{p99}");
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_profile_come_and_go_as_in_the_simulator() {
    let profile = "{ latency: { p50: 10ms, p99: 10ms }, load: 10s, faults: [{ from: 30s, until: 40s, errors: 100%, latency: { p50: 90ms, p99: 90ms } }] }";
    let server = performer(profile);
    let mut seen = Vec::new();
    for _ in 0..5 {
        let answer = Client::memory(&server).await.chat(json!({})).await;
        seen.push((answer.status.as_u16(), answer.took.as_millis() / 10));
        tokio::time::sleep(std::time::Duration::from_secs(10) - answer.took).await;
    }
    assert_eq!(seen, [(503, 0), (200, 1), (200, 1), (500, 9), (200, 1)]);
}

#[test]
fn the_scenario_itself_configures_the_server() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scenarios/canary");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let file = fake_inference::BehaviourFile::read(&path.display().to_string(), &text);
        let text = String::from_utf8_lossy(&text).into_owned();
        // A scenario with a matrix is expanded before its models mean anything.
        if text.contains("matrix:") || !text.contains("models:") {
            continue;
        }
        assert!(!file.unwrap_or_else(|problem| panic!("{problem}")).models.is_empty());
        read += 1;
    }
    assert!(read > 0);
}
