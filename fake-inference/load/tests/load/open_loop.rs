//! The generator against scripted servers, in virtual time: every moment below is exact.

use std::future::pending;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration as StdDuration;

use crate::scripted::{Step, done, end, event, finish, head, load, server, stream, token, usage, whole};
use load::{
    Arrival, Cut, Exchange, Failure, Load, Outcome, Report, Reuse, Span, Tally, UsageReported, generate,
    generate_in_spans,
};
use tokio::time::sleep;
use units::Duration;

async fn exchanges(load: &Load) -> Vec<Exchange> {
    let mut seen = Vec::new();
    generate(load, pending(), |arrival| match arrival {
        Arrival::Exchanged(exchange) => seen.push(exchange),
        Arrival::Dropped { planned } => panic!("the request of {planned} was dropped"),
    })
    .await;
    seen.sort_by_key(|exchange| exchange.request);
    seen
}

async fn report(load: &Load) -> Report {
    let mut tally = Tally::new(load.plan, None);
    generate(load, pending(), |arrival| tally.add(&arrival)).await;
    tally.report(load.plan.during())
}

/// What becomes of one request that the server answers so.
async fn outcome(steps: Vec<Step>) -> Outcome {
    let server = server(move |_| steps.clone());
    let load = Load { timeout: Duration::from_secs(5), ..load(&server.target, 1.0, 0.5) };
    exchanges(&load).await.remove(0).outcome
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_seen_by_every_request_that_was_planned_meanwhile() {
    // From 2 s to 4 s nothing is answered; otherwise an answer takes 30 ms.
    let server = server(|asked| {
        let stalled = (2_000..4_000).contains(&asked.at.as_millis());
        stream(if stalled { 4_010 - asked.at.as_millis() as u64 } else { 10 }, "42.")
    });
    let exchanges = exchanges(&load(&server.target, 10.0, 10.0)).await;
    let slow: Vec<u64> =
        exchanges.iter().map(|it| it.latency().as_millis()).filter(|millis| *millis > 40).collect();
    assert_eq!(exchanges.len(), 100);
    // A client that waits for its answers would have seen the first of these alone.
    assert_eq!(slow.len(), 20);
    assert!(slow.windows(2).all(|two| two[0] - two[1] == 100), "{slow:?}");
    assert!((2_010..=2_031).contains(&slow[0]), "{slow:?}");
}

#[tokio::test(start_paused = true)]
async fn the_stall_stands_in_the_quantiles() {
    let server = server(|asked| {
        let stalled = (2_000..4_000).contains(&asked.at.as_millis());
        stream(if stalled { 4_010 - asked.at.as_millis() as u64 } else { 10 }, "42.")
    });
    let times = report(&load(&server.target, 10.0, 10.0)).await.end_to_end.unwrap();
    // A fifth of the requests waited 0.1 s to 2 s: half of them longer than a second.
    assert!(times.p50 < 0.04, "{times:?}");
    assert!((0.93..1.05).contains(&times.p90), "{times:?}");
    assert!((1.9..2.05).contains(&times.p99), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_the_bound_are_dropped_and_told() {
    let server = server(|_| stream(2_000, "42."));
    let load = Load { max_in_flight: 5, ..load(&server.target, 10.0, 3.0) };
    let report = report(&load).await;
    // Five leave at once, and five more when those are answered after 2.02 s.
    assert_eq!((report.offered, report.counts.sent, report.dropped), (30, 10, 20));
    assert!(report.warnings()[0].starts_with("20 of 30 requests were not sent"), "{:?}", report.warnings());
}

#[tokio::test(start_paused = true)]
async fn times_of_tokens_are_measured_from_the_planned_moment() {
    let server = server(|_| {
        let tokens = ["The ", "answer ", "is ", "42."].map(|text| [token(text), Step::Wait(30)]);
        let last = [finish("stop"), usage(4), done(), end()];
        [Step::Wait(100), head(), Step::Wait(50)].into_iter().chain(tokens.concat()).chain(last).collect()
    });
    let first = exchanges(&load(&server.target, 1.0, 0.5)).await.remove(0);
    assert_eq!(first.time_to_first_token(), Some(Duration::from_millis(150)));
    assert_eq!(first.gaps, [Duration::from_millis(30); 3]);
    assert_eq!(first.latency(), Duration::from_millis(270));
    assert_eq!((first.version.as_str(), first.pod.as_str()), ("3.1", "pod-a"));
    let text = "The answer is 42.".to_owned();
    assert_eq!(first.outcome, Outcome::Complete { text, right: true, usage: UsageReported::Equal });
}

#[tokio::test(start_paused = true)]
async fn streams_that_are_not_whole_are_told_apart() {
    let begun = || vec![head(), token("The answer is 42.")];
    let table = [
        (vec![end()], Cut::NoFinishReason),
        (vec![Step::Close], Cut::Body),
        (vec![finish("stop"), usage(1), end()], Cut::NoDone),
        (vec![finish("stop"), Step::Close], Cut::Body),
        (vec![done(), end()], Cut::NoFinishReason),
        (vec![finish("length"), usage(1), done(), end()], Cut::Short),
        (vec![finish("abort"), usage(1), done(), end()], Cut::Aborted),
    ];
    for (rest, cut) in table {
        assert_eq!(outcome([begun(), rest].concat()).await, Outcome::Truncated(cut), "{cut:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_over_with_its_end_mark_even_if_the_body_is_not() {
    let steps = vec![head(), token("42"), finish("stop"), usage(1), done(), Step::Wait(60_000)];
    let server = server(move |_| steps.clone());
    let first = exchanges(&load(&server.target, 1.0, 0.5)).await.remove(0);
    assert!(matches!(first.outcome, Outcome::Complete { right: true, .. }), "{first:?}");
    assert!(first.latency() < Duration::from_millis(10), "{first:?}");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_by_their_kind() {
    let json = "application/json";
    let late_error = event(r#"{"error":{"message":"out of memory"}}"#);
    let overloaded = r#"{"error":{"message":"The queue is full.","type":"server_error"}}"#;
    let table = [
        (whole("503 Service Unavailable", json, overloaded), "status 503", "The queue is full."),
        (
            whole("502 Bad Gateway", "text/html", "<h1>Bad\nGateway</h1>"),
            "status 502",
            "<h1>Bad Gateway</h1>",
        ),
        (vec![Step::Close], "connection ended", "before the answer"),
        (vec![Step::Wait(60_000)], "timeout", "within the timeout"),
        (vec![head(), token("a"), Step::Wait(60_000)], "timeout", "within the timeout"),
        (vec![head(), token("a"), late_error, done(), end()], "error after status 200", "out of memory"),
        (vec![head(), event("{\"choices\":"), end()], "malformed answer", "EOF"),
        (whole("200 OK", json, "{}"), "malformed answer", "not `text/event-stream`"),
    ];
    for (steps, kind, told) in table {
        let Outcome::Failed(failure) = outcome(steps).await else { panic!("{kind}: it did not fail") };
        assert_eq!(failure.kind(), kind);
        assert!(failure.to_string().contains(told), "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_in_one_piece_are_judged_by_the_same_rules() {
    let json = "application/json";
    let body = |content: &str, reason: &str, tokens: u64| {
        let choice = serde_json::json!({ "message": { "content": content }, "finish_reason": reason });
        let usage = serde_json::json!({ "completion_tokens": tokens });
        serde_json::json!({ "model": "m", "choices": [choice], "usage": usage }).to_string()
    };
    let complete = |text: &str, right| {
        let usage = UsageReported::Unchecked;
        Outcome::Complete { text: text.to_owned(), right, usage }
    };
    let empty = "EOF while parsing a value at line 1 column 0";
    let half = whole("200 OK", json, &body("It is 42.", "stop", 3))[0].clone();
    let Step::Write(half) = half else { unreachable!() };
    let half = vec![Step::Write(half[..half.len() - 9].to_owned()), Step::Close];
    let table = [
        (whole("200 OK", json, &body("It is 42.", "stop", 3)), complete("It is 42.", true)),
        (whole("200 OK", json, &body("It is 43.", "stop", 3)), complete("It is 43.", false)),
        (whole("200 OK", json, &body("", "stop", 0)), complete("", false)),
        (whole("200 OK", json, &body("and and", "length", 128)), complete("and and", false)),
        (whole("200 OK", json, &body("It is", "length", 2)), Outcome::Truncated(Cut::Short)),
        (half, Outcome::Truncated(Cut::Body)),
        (whole("200 OK", json, ""), Outcome::Failed(Failure::Malformed(empty.to_owned()))),
    ];
    for (steps, expected) in table {
        let server = server(move |_| steps.clone());
        let load = Load { streaming: false, ..load(&server.target, 1.0, 0.5) };
        assert_eq!(exchanges(&load).await.remove(0).outcome, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept_as_long_as_the_settings_say() {
    let table = [
        (Reuse::KeepAlive, 1),
        (Reuse::Requests(NonZeroU32::new(4).unwrap()), 5),
        (Reuse::Requests(NonZeroU32::MIN), 20),
    ];
    for (reuse, expected) in table {
        let server = server(|_| stream(10, "42."));
        let load = Load { reuse, ..load(&server.target, 10.0, 2.0) };
        assert_eq!(report(&load).await.counts.completed, 20);
        assert_eq!(server.connections.load(Ordering::Relaxed), expected, "{reuse:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_server_closed_while_idle_is_replaced() {
    let server = server(|_| [stream(10, "42."), vec![Step::Wait(5), Step::Close]].concat());
    let report = report(&load(&server.target, 10.0, 2.0)).await;
    assert_eq!((report.counts.completed, report.counts.failed), (20, 0));
    assert_eq!(server.connections.load(Ordering::Relaxed), 20);
}

#[tokio::test(start_paused = true)]
async fn requests_say_what_the_load_says() {
    let server = server(|asked| {
        assert!(asked.head.starts_with("post /v1/chat/completions http/1.1\r\n"), "{}", asked.head);
        assert!(asked.head.contains(&format!("x-request-id: run-7-{}\r\n", asked.number)), "{}", asked.head);
        assert!(asked.head.contains("authorization: bearer secret\r\n"), "{}", asked.head);
        let body: serde_json::Value = serde_json::from_str(&asked.body).unwrap();
        assert_eq!(body["messages"][0]["content"], "What is the sum of 17 and 25?");
        assert_eq!((&body["model"], &body["stream"]), (&"m".into(), &true.into()));
        assert_eq!(
            (&body["max_tokens"], &body["stream_options"]["include_usage"]),
            (&9.into(), &true.into())
        );
        stream(1, "42.")
    });
    let target = server.target.clone().with_key("secret").unwrap();
    let load = Load { max_tokens: Some(9), id_prefix: "run-7".to_owned(), ..load(&target, 10.0, 0.3) };
    assert_eq!(report(&load).await.counts.completed, 3);
}

/// A server that is 3.1 for five seconds, then 3.2, which is wrong and slower.
fn replaced() -> crate::scripted::Scripted {
    server(|asked| {
        if asked.at < StdDuration::from_secs(5) {
            return stream(10, "42.");
        }
        let mut steps = stream(200, "43.");
        steps[1] = Step::Write(crate::scripted::HEAD.replace("3.1", "3.2"));
        steps
    })
}

#[tokio::test(start_paused = true)]
async fn spans_tell_what_clients_saw_of_each_version_and_pod() {
    let server = replaced();
    let mut spans: Vec<Span> = Vec::new();
    let slow = Some(Duration::from_millis(100));
    let load = load(&server.target, 10.0, 10.0);
    let report =
        generate_in_spans(&load, Duration::from_secs(1), slow, pending(), |span| spans.push(span)).await;
    assert!(spans.windows(2).all(|two| two[0].until == two[1].since));
    let of = |version: &str| -> Vec<u64> { spans.iter().map(|span| span.of(version).sent).collect() };
    assert_eq!(of("3.1"), [10, 10, 10, 10, 10, 0, 0, 0, 0, 0, 0]);
    // Two of each ten are still under way when the span ends.
    assert_eq!(of("3.2"), [0, 0, 0, 0, 0, 8, 10, 10, 10, 10, 2]);
    let bad = report.versions["3.2"].counts;
    assert_eq!((bad.sent, bad.wrong, bad.slow, bad.hurt), (50, 50, 50, 50));
    assert_eq!(report.versions["3.1"].counts.hurt, 0);
    assert!(spans.iter().flat_map(|span| &span.answered).all(|answered| answered.pod == "pod-a"));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_stopped_waits_for_its_answers_and_sends_no_more() {
    let server = server(|_| stream(1_000, "42."));
    let load = load(&server.target, 10.0, 3_600.0);
    let mut tally = Tally::new(load.plan, None);
    let stop = sleep(StdDuration::from_millis(950));
    generate(&load, stop, |arrival| tally.add(&arrival)).await;
    let counts = tally.report(Duration::from_secs(2)).counts;
    assert_eq!((counts.sent, counts.completed), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_generator_that_is_late_says_so() {
    let server = server(|_| stream(10, "42."));
    let load = load(&server.target, 10.0, 1.0);
    let mut tally = Tally::new(load.plan, None);
    for mut exchange in exchanges(&load).await {
        if exchange.request == 3 {
            exchange.sent = exchange.planned + Duration::from_millis(150);
        }
        tally.add(&Arrival::Exchanged(exchange));
    }
    let report = tally.report(Duration::from_secs(1));
    assert_eq!(report.late, 1);
    assert!(report.warnings()[0].contains("the generator lagged: 1 requests"), "{:?}", report.warnings());
}

#[tokio::test(start_paused = true)]
async fn the_report_reads_well() {
    let server = server(|asked| match asked.number % 10 {
        3 => whole("503 Service Unavailable", "application/json", r#"{"error":{"message":"full"}}"#),
        5 => vec![head(), token("4"), Step::Close],
        7 => stream(600, "43."),
        _ => stream(100, "42."),
    });
    let load = load(&server.target, 10.0, 10.0);
    let mut tally = Tally::new(load.plan, Some(Duration::from_millis(500)));
    generate(&load, pending(), |arrival| tally.add(&arrival)).await;
    let report = tally.report(Duration::from_secs(10));
    insta::assert_snapshot!("report", report);
    insta::assert_json_snapshot!("report_json", report);
}

/// A server that ends connections until a second has passed, and lists the model `m` from then on.
fn late_server() -> crate::scripted::Scripted {
    server(|asked| {
        let list = r#"{"data":[{"id":"m"}]}"#;
        if asked.at < StdDuration::from_secs(1) {
            vec![Step::Close]
        } else {
            whole("200 OK", "application/json", list)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_load_waits_for_a_server_that_comes_late() {
    let begun = tokio::time::Instant::now();
    let unnamed = Load { model: String::new(), ..load(&late_server().target, 1.0, 1.0) };
    let ready = unnamed.awaited(Duration::from_secs(5)).await;
    let waited = begun.elapsed().as_millis();
    assert_eq!(ready.model, "m");
    assert!((1_000..=1_051).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_load_does_not_wait_for_ever() {
    let begun = tokio::time::Instant::now();
    let unnamed = Load { model: String::new(), ..load(&late_server().target, 1.0, 1.0) };
    let load = unnamed.awaited(Duration::from_millis(500)).await;
    let waited = begun.elapsed().as_millis();
    assert_eq!(load.model, "");
    assert!((500..=501).contains(&waited), "{waited} ms");
}
