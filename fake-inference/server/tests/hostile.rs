//! Clients that mean no good, or no longer mean anything.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use common::{Client, running, series, server};
use fake_inference::{Server, connect_in_memory};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Everything that comes back before the connection ends.
async fn rest_of(connection: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    // A connection that breaks has said what it has said.
    let _ = connection.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn say(server: &Arc<Server>, text: &str) -> DuplexStream {
    let mut connection = connect_in_memory(server);
    connection.write_all(text.as_bytes()).await.unwrap();
    connection
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_http_get_400_and_the_door() {
    for nonsense in
        ["\u{16}\u{3}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "hello there\r\n\r\n"]
    {
        let mut connection = say(&server(""), nonsense).await;
        let said = rest_of(&mut connection).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{nonsense:?}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_large_gets_431() {
    let head = format!("GET /health HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(100_000));
    let mut connection = connect_in_memory(&server(""));
    let (mut read, mut write) = tokio::io::split(&mut connection);
    let mut answer = [0; 12];
    let (_, _) = tokio::join!(write.write_all(head.as_bytes()), read.read_exact(&mut answer));
    assert_eq!(&answer, b"HTTP/1.1 431");
}

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_loses_its_connection() {
    let server = server("");
    let mut connection = say(&server, "GET /health HTTP/1.1\r\nhost: x\r\n").await;
    let begun = Instant::now();
    let drip = async {
        loop {
            sleep(Duration::from_secs(10)).await;
            if connection.write_all(b"x-more: 1\r\n").await.is_err() {
                return;
            }
        }
    };
    timeout(Duration::from_secs(600), drip).await.unwrap();
    assert!((75..100).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_gets_408() {
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    let mut connection = say(&server(""), head).await;
    let begun = Instant::now();
    let said = rest_of(&mut connection).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("connection: close"), "{said}");
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_is_no_request() {
    let server = server("");
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{";
    let mut connection = say(&server, head).await;
    connection.shutdown().await.unwrap();
    rest_of(&mut connection).await;
    assert_eq!(series(&server, "inference_requests_total", "chat").await, Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_large_gets_413_announced_or_not() {
    let server = server("server: { limits: { body_bytes: 1000 } }");
    let body = "x".repeat(50_000);
    let announced =
        Client::memory(&server).await.send(Method::POST, "/v1/completions", &[], &body).await.unwrap();
    assert_eq!((announced.status.as_u16(), announced.header("connection")), (413, "close"));
    assert!(announced.json()["error"]["message"].as_str().unwrap().contains("1000 bytes"));

    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut connection = say(&server, &format!("{head}{chunk}0\r\n\r\n")).await;
    assert!(rest_of(&mut connection).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test(start_paused = true)]
async fn all_bodies_together_have_a_bound() {
    let server = server("server: { limits: { all_bodies_bytes: 1500 } }");
    let head = "POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n";
    let part = format!("{head}{}", " ".repeat(1000));
    let _first = say(&server, &part).await;
    sleep(Duration::from_millis(1)).await;
    let mut second = say(&server, &part).await;
    let said = rest_of(&mut second).await;
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("retry-after: 1"), "{said}");
    sleep(Duration::from_secs(31)).await;
    let answer = Client::memory(&server).await.chat(json!({})).await;
    assert_eq!(answer.status, 200, "the first gave its bytes back when its time was over");
}

#[tokio::test(start_paused = true)]
async fn json_of_the_wrong_shape_gets_400_in_the_servers_dialect() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["", "{", "null", "[]", "\u{0}", "{\"model\":", deep.as_str(), "{\"model\":{}}"] {
        let mut client = Client::memory(&server("")).await;
        let answer = client.send(Method::POST, "/v1/chat/completions", &[], body).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"]["type"].as_str()),
            (400, Some("invalid_request_error"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_id_that_is_no_id_gets_400() {
    let mut client = Client::memory(&server("")).await;
    let long = "x".repeat(129);
    for id in [long.as_str(), ""] {
        assert_eq!(client.chat_as(id, json!({})).await.status, 400);
    }
    assert_eq!(client.chat_as(&"x".repeat(128), json!({})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_idle_connections_keep_nobody_from_being_served() {
    let server = server("");
    let idle: Vec<_> = (0..5_000).map(|_| connect_in_memory(&server)).collect();
    assert_eq!(Client::memory(&server).await.chat(json!({})).await.status, 200);
    let begun = Instant::now();
    for mut connection in idle {
        assert_eq!(rest_of(&mut connection).await, "");
    }
    assert!(begun.elapsed().as_secs() <= 75, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let mut connection = connect_in_memory(&server(""));
    let begun = Instant::now();
    assert_eq!(rest_of(&mut connection).await, "");
    assert_eq!(begun.elapsed().as_secs(), 75);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_loses_its_connection_and_its_slot() {
    let server = server("");
    let body = r#"{"model":"llama3","stream":true,"n":16,"messages":[{"role":"user","content":"Repeat: "}]}"#;
    let prompt = body.replace("Repeat: ", &format!("Repeat: {}", "word ".repeat(800)));
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", prompt.len());
    let connection = say(&server, &format!("{head}{prompt}")).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(server.requests_under_way(), 1, "the client's buffer is full");
    sleep(Duration::from_secs(31)).await;
    assert_eq!(server.requests_under_way(), 0);
    drop(connection);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_frees_its_slot_at_once() {
    for more in ["", ", \"stream\": true"] {
        let server = server("faults: [{ slow: { factor: 100 } }]\nserver: { metrics: [document, vllm-v1] }");
        let body = format!(r#"{{"model":"llama3","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let connection = say(&server, &format!("{head}{body}")).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(server.requests_under_way(), 1);
        drop(connection);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(server.requests_under_way(), 0);
        assert_eq!(series(&server, "vllm:request_success_total", "abort").await, Some(1.0));
        assert_eq!(series(&server, "inference_duration_seconds_count", "chat").await, Some(0.0));
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_and_others_are_served_when_some_end() {
    let server = server("server: { limits: { connections: 20 } }");
    let running = running(&server).await;
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(TcpStream::connect(running.address).await.unwrap());
    }
    let mut late = Client::tcp(running.address).await;
    let asked = tokio::spawn(async move { late.get("/health").await.status });
    tokio::task::yield_now().await;
    assert!(!asked.is_finished());
    drop(idle);
    assert_eq!(asked.await.unwrap(), 200);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // Whatever is sent, the server answers or closes, and serves the next client.
    #[test]
    fn any_bytes_leave_the_server_serving(bytes in prop::collection::vec(any::<u8>(), 0..300), path in "/[a-z0-9/%.]{0,20}") {
        paused(async {
            let server = server("");
            let mut connection = connect_in_memory(&server);
            connection.write_all(&bytes).await.unwrap();
            connection.shutdown().await.unwrap();
            rest_of(&mut connection).await;
            let body = String::from_utf8_lossy(&bytes).into_owned();
            let mut client = Client::memory(&server).await;
            client.send(Method::POST, "/v1/chat/completions", &[], &body).await.unwrap();
            client.send(Method::GET, &path, &[], "").await.unwrap();
            assert_eq!(client.chat(json!({})).await.status, 200);
        });
    }

    // Whatever a field holds, the answer is one, or says in the dialect's form why there is none.
    #[test]
    fn any_fields_are_answered_or_refused(
        fields in prop::collection::vec((prop::sample::select(FIELDS), anything()), 1..5),
        path in prop::sample::select(&["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize"][..]),
    ) {
        paused(async {
            let server = server("");
            let mut client = Client::memory(&server).await;
            let mut body = json!({ "model": "llama3", "prompt": "hi", "input": "hi", "max_tokens": 4 });
            body["messages"] = json!([{ "role": "user", "content": "hi" }]);
            for (field, value) in &fields {
                body[*field] = value.clone();
            }
            let answer = client.send(Method::POST, path, &[], &body.to_string()).await.unwrap();
            let status = answer.status.as_u16();
            assert!(matches!(status, 200 | 400 | 404), "{status} for {body}");
            assert!(status == 200 || answer.json()["error"]["message"].is_string(), "{}", answer.body);
            assert_eq!(client.chat(json!({})).await.status, 200);
        });
    }

    // Whatever is sent to the admin port, it is taken or changes nothing.
    #[test]
    fn any_definition_is_taken_or_changes_nothing(
        kind in prop::sample::select(fake_inference::fault::KINDS),
        arguments in prop_oneof![object(ARGUMENTS), anything()],
        scope in object(SCOPE),
        cut in 0_usize..200,
    ) {
        paused(async {
            let server = server("faults: [{ id: old, delay: { fixed: 1ms } }]");
            let running = running(&server).await;
            let mut admin = Client::tcp(running.admin.unwrap()).await;
            let mut definition = scope;
            definition[kind] = arguments;
            let whole = definition.to_string();
            let half = &whole[..whole.floor_char_boundary(cut.min(whole.len()))];
            for (method, path) in [(Method::POST, "/admin/faults"), (Method::PUT, "/admin/faults/new")] {
                for body in [half, &whole] {
                    let before = admin.get("/admin/faults").await.json();
                    let answer = admin.send(method.clone(), path, &[], body).await.unwrap();
                    let status = answer.status.as_u16();
                    assert!(matches!(status, 200 | 201 | 400 | 409), "{status} for {body}");
                    if status >= 400 {
                        assert!(answer.json()["error"].is_string(), "{}", answer.body);
                        assert_eq!(admin.get("/admin/faults").await.json(), before, "{body}");
                    }
                }
            }
            assert_eq!(admin.get("/admin/state").await.status, 200);
        });
    }
}

/// Fields of requests that mean something.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "stop",
    "seed",
    "logprobs",
    "echo",
    "suffix",
    "tools",
    "tool_choice",
    "response_format",
    "user",
    "dimensions",
    "encoding_format",
    "unknown",
];

/// What says when, whom and how often a fault hits.
const SCOPE: &[&str] = &[
    "id", "share", "where", "clock", "from", "until", "window", "ramp", "pods", "after", "first", "max",
    "priority", "ttl",
];

/// What faults are given.
const ARGUMENTS: &[&str] = &[
    "fixed",
    "uniform",
    "lognormal",
    "factor",
    "add",
    "slots",
    "reserve",
    "code",
    "retry_after",
    "for",
    "body",
    "requests",
    "per",
    "limit",
    "after",
    "events",
    "usage",
    "version",
    "model",
    "every",
    "bytes",
    "cap",
    "exit",
    "mode",
    "metric",
    "to",
    "label",
    "value",
    "is",
    "series",
    "by",
    "bounds",
    "says",
];

fn paused(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.unwrap().block_on(test);
}

fn anything() -> impl Strategy<Value = Value> {
    const WRITTEN: &[&str] = &[
        "5s",
        "10%",
        "100%",
        "-1s",
        "1e400",
        "99999999h",
        "nan",
        "503",
        "user",
        "llama3",
        "inference_errors_total",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-4_i64..600).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(WRITTEN).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                ("role|content|type|text|name|function|from|to|above|users|[a-z]{1,6}", inner),
                0..4
            )
            .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An object with some of these keys.
fn object(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let entries = prop::collection::vec((prop::sample::select(keys), anything()), 0..4);
    entries.prop_map(|entries| {
        Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}
