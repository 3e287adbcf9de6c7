//! The checks against scripted servers, in virtual time.

use load::{Evaluation, LatencyBounds, Load, Plan, Spacing, Target, latency, quality, smoke};
use units::{Duration, Rate, Ratio};

use crate::scripted::{
    Asked, Scripted, Step, done, end, finish, head, load, server, stream, token, usage, whole,
};

const JSON: &str = "application/json";
const MODELS: &str = r#"{"object":"list","data":[{"id":"llama3","object":"model"},{"id":"other"}]}"#;

/// The answer in one piece to the question of the tests.
fn piece() -> Vec<Step> {
    let choice = serde_json::json!({ "message": { "content": "It is 42." }, "finish_reason": "stop" });
    let usage = serde_json::json!({ "completion_tokens": 4 });
    whole(
        "200 OK",
        JSON,
        &serde_json::json!({ "model": "m", "choices": [choice], "usage": usage }).to_string(),
    )
}

/// A server that lists models, and answers a chat and a stream so.
fn api(models: Vec<Step>, chat: Vec<Step>, streamed: Vec<Step>) -> Scripted {
    server(move |asked: &Asked| {
        if asked.head.starts_with("get /v1/models ") {
            models.clone()
        } else if asked.body.contains(r#""stream":true"#) {
            streamed.clone()
        } else {
            chat.clone()
        }
    })
}

fn listed() -> Vec<Step> {
    whole("200 OK", JSON, MODELS)
}

async fn smoked(server: &Scripted, model: Option<&str>) -> String {
    let load = Load { timeout: Duration::from_secs(5), ..load(&server.target, 1.0, 1.0) };
    smoke(&load, model).await.unwrap().to_string()
}

#[tokio::test(start_paused = true)]
async fn smoke_tells_each_thing_that_does_not_work() {
    let no_usage = vec![head(), token("42"), finish("stop"), done(), end()];
    let few = vec![head(), token("4"), token("2"), finish("stop"), usage(1), done(), end()];
    let empty = vec![head(), finish("stop"), usage(0), done(), end()];
    let cut = vec![head(), token("4"), Step::Close];
    let busy = whole("503 Service Unavailable", JSON, r#"{"error":{"message":"loading"}}"#);
    let table = [
        (api(listed(), piece(), stream(30, "42.")), None),
        (api(listed(), piece(), stream(30, "42.")), Some("gone")),
        (api(busy.clone(), piece(), stream(30, "42.")), None),
        (api(whole("200 OK", JSON, r#"{"data":[]}"#), piece(), stream(30, "42.")), None),
        (api(whole("200 OK", "text/html", "<html>"), piece(), stream(30, "42.")), Some("llama3")),
        (api(listed(), busy, cut), None),
        (api(listed(), whole("200 OK", JSON, "{}"), no_usage), None),
        (api(listed(), piece(), few), None),
        (api(listed(), piece(), empty), None),
    ];
    let mut told = Vec::new();
    for (server, model) in table {
        told.push(smoked(&server, model).await);
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_neither_good_nor_bad() {
    let target = Target::parse("http://127.0.0.1:1", &load::Roots::System).unwrap();
    let load = load(&target, 1000.0, 0.1);
    assert_eq!(smoke(&load, None).await.unwrap_err().url, "http://127.0.0.1:1");
    assert!(quality(&load, Ratio::ZERO).await.is_err());
    let bounds = LatencyBounds { p99: Some(Duration::from_secs(1)), ..LatencyBounds::default() };
    assert!(latency(&load, &bounds).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_up_was_reached() {
    let target = Target::in_memory(|| tokio::io::duplex(64).0);
    let check = smoke(&load(&target, 1.0, 1.0), None).await.unwrap();
    assert!(check.findings[0].told.contains("the connection ended before the answer"), "{check}");
}

fn bounds(p99: u64, first_token: u64, failed: &str) -> LatencyBounds {
    LatencyBounds {
        p99: Some(Duration::from_millis(p99)),
        first_token_p99: Some(Duration::from_millis(first_token)),
        failed: failed.parse().unwrap(),
        ..LatencyBounds::default()
    }
}

#[tokio::test(start_paused = true)]
async fn latency_is_held_against_its_bounds() {
    // One in fifty takes 620 ms, one in a hundred fails.
    let server = server(|asked| match asked.number % 100 {
        7 | 57 => stream(600, "42."),
        33 => whole("503 Service Unavailable", JSON, "{}"),
        _ => stream(100, "42."),
    });
    let load = load(&server.target, 20.0, 20.0);
    let table = [
        (bounds(700, 700, "1%"), vec![true, true, true]),
        (bounds(500, 700, "1%"), vec![false, true, true]),
        (bounds(700, 500, "1%"), vec![true, false, true]),
        (bounds(700, 700, "0.9%"), vec![true, true, false]),
    ];
    for (bounds, expected) in table {
        let check = latency(&load, &bounds).await.unwrap();
        let passed: Vec<bool> = check.findings.iter().map(|finding| finding.passed).collect();
        assert_eq!(passed, expected, "{check}");
        assert_eq!(check.passed, expected.iter().all(|passed| *passed));
    }
    let dropping = Load { max_in_flight: 2, ..load };
    let check = latency(&dropping, &bounds(700, 700, "1%")).await.unwrap();
    assert!(!check.passed, "{check}");
}

#[test]
fn a_load_that_is_too_short_for_its_bounds_decides_nothing() {
    let plan = |secs| {
        let rate = Rate::new(1.0).unwrap();
        Plan::new(rate, rate, Duration::from_secs(secs), Spacing::Even, 0).unwrap()
    };
    let why = bounds(500, 500, "1%").undecidable(&plan(99)).unwrap();
    assert_eq!(why, "the p99 of 99 requests is their slowest; plan at least 100");
    assert_eq!(bounds(500, 500, "1%").undecidable(&plan(100)), None);
    assert_eq!(LatencyBounds::default().undecidable(&plan(100)).unwrap(), "no bound is given");
}

#[tokio::test(start_paused = true)]
async fn quality_is_the_share_of_right_answers_of_all_that_were_asked() {
    // Of twenty: one wrong, one failed, one truncated.
    let server = server(|asked| match asked.number {
        3 => stream(10, "43."),
        8 => whole("500 Internal Server Error", JSON, "{}"),
        12 => vec![head(), token("4"), Step::Close],
        _ => stream(10, "42."),
    });
    let load = load(&server.target, 10.0, 2.0);
    let ratio = |text: &str| text.parse::<Ratio>().unwrap();
    assert!(quality(&load, ratio("85%")).await.unwrap().passed);
    let check = quality(&load, ratio("90%")).await.unwrap();
    assert!(!check.passed);
    assert_eq!(
        check.findings[0].told,
        "17 of 20 answers are right, the bound is 90% (1 wrong, 1 failed, 1 truncated, 0 not asked)"
    );
    let wrong = "`What is the sum of 17 and 25?` was answered `The answer is 43.`, not 42";
    assert_eq!(check.wrong, [wrong]);
}

#[tokio::test(start_paused = true)]
async fn questions_are_asked_in_turns() {
    let server = server(|asked| {
        let shipped = Evaluation::shipped();
        assert!(asked.body.contains(&shipped.question(asked.number).prompt), "{}", asked.body);
        stream(10, "42.")
    });
    let questions = Evaluation::shipped();
    let rate = questions.questions().len() as f64;
    let load = Load { questions, ..load(&server.target, rate, 2.0) };
    let report = quality(&load, Ratio::ZERO).await.unwrap().report.unwrap();
    // The set asks for 42 twice.
    assert_eq!(report.counts.completed - report.counts.wrong, 4);
}
