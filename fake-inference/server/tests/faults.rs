//! Every fault of the catalogue, through a real HTTP client: what a client sees, and what the metrics say.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Answer, Client, running, series, server, value_of};
use fake_inference::Server;
use serde_json::{Value, json};
use tokio::time::sleep;

/// A server with this fault and a connection to it.
async fn with(fault: &str) -> (Arc<Server>, Client) {
    let server = server(&format!("faults: [{fault}]"));
    let client = Client::memory(&server).await;
    (server, client)
}

/// The fault is named in the response, counted, and written down with the request.
async fn assert_performed(server: &Arc<Server>, kind: &str, answer: &Answer) {
    assert_eq!(answer.header("x-fault"), kind);
    assert_counted(server, kind).await;
    let journal = server.journal.page(0, 10);
    let entry = &journal["entries"][0];
    assert_eq!((&entry["fault"], &entry["kind"]), (&json!(kind), &json!(kind)));
    assert_eq!(entry["request"], answer.header("x-request-id"));
    assert!(entry["u"].as_f64().unwrap() < 1.0);
}

async fn assert_counted(server: &Arc<Server>, kind: &str) {
    let counted = series(server, "fault_injected_total", &format!("kind=\"{kind}\"")).await;
    assert_eq!(counted, Some(1.0), "{kind}");
}

/// What the document's two metrics saw of the chats: durations, their sum, and errors.
async fn gate(server: &Arc<Server>) -> (f64, f64, f64) {
    let page = Client::memory(server).await.get("/metrics").await.body;
    let of = |name| value_of(&page, name, r#"endpoint="/v1/chat/completions""#).unwrap();
    (
        of("inference_duration_seconds_count"),
        of("inference_duration_seconds_sum"),
        of("inference_errors_total"),
    )
}

fn stream() -> Value {
    json!({ "stream": true, "stream_options": { "include_usage": true } })
}

fn millis(answer: &Answer) -> u128 {
    answer.took.as_millis()
}

// Latency.

#[tokio::test(start_paused = true)]
async fn delay_comes_before_everything_and_the_gate_sees_it() {
    let (server, mut client) = with("{ delay: { fixed: 2s } }").await;
    let answer = client.chat(json!({})).await;
    assert!((2_200..2_205).contains(&millis(&answer)), "{}", millis(&answer));
    assert_performed(&server, "delay", &answer).await;
    let (_, sum, errors) = gate(&server).await;
    assert!(sum > 2.19 && errors == 0.0);
    for (delay, least, most) in
        [("uniform: { from: 1s, to: 2s }", 1_200, 2_202), ("lognormal: { p50: 1s, p99: 1s }", 1_200, 1_203)]
    {
        let (_, mut client) = with(&format!("{{ delay: {{ {delay} }} }}")).await;
        let took = millis(&client.chat(json!({})).await);
        assert!((least..=most).contains(&took), "{delay}: {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_stretches_the_whole_answer() {
    let (server, mut client) = with("{ slow: { factor: 10 } }").await;
    let answer = client.chat(stream()).await;
    assert!((2_000..2_005).contains(&millis(&answer)), "{}", millis(&answer));
    assert!((400..405).contains(&answer.pieces[0].0.as_millis()));
    assert_performed(&server, "slow", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn ttft_moves_the_first_token_and_leaves_the_pace() {
    let (server, mut client) = with("{ ttft: { factor: 2, add: 1s } }").await;
    let answer = client.chat(stream()).await;
    assert!((1_080..1_083).contains(&answer.pieces[0].0.as_millis()), "{:?}", answer.pieces[0].0);
    assert!((1_240..1_245).contains(&millis(&answer)), "{}", millis(&answer));
    assert_performed(&server, "ttft", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn itl_slows_the_tokens_after_the_first() {
    let (server, mut client) = with("{ itl: { factor: 3 } }").await;
    let answer = client.chat(stream()).await;
    assert!((40..43).contains(&answer.pieces[0].0.as_millis()), "{:?}", answer.pieces[0].0);
    assert!((520..525).contains(&millis(&answer)), "{}", millis(&answer));
    assert_performed(&server, "itl", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn queue_leaves_fewer_slots_so_that_requests_wait() {
    let (server, mut first) = with("{ queue: { slots: 1 } }").await;
    let mut second = Client::memory(&server).await;
    let (one, two) = tokio::join!(first.chat(json!({})), second.chat(json!({})));
    assert!(one.took.max(two.took).as_millis() >= 400);
    assert_counted(&server, "queue").await;
}

#[tokio::test(start_paused = true)]
async fn kv_pressure_takes_cache_so_that_requests_wait() {
    let more = "server: { engine: { kv_tokens: 40 } }\nfaults: [{ kv_pressure: { reserve: 70% } }]";
    let server = server(more);
    let (mut first, mut second) = (Client::memory(&server).await, Client::memory(&server).await);
    let (one, two) = tokio::join!(first.chat(json!({})), second.chat(json!({})));
    assert!(one.took.max(two.took).as_millis() >= 400, "{:?} {:?}", one.took, two.took);
    assert_counted(&server, "kv_pressure").await;
}

// Errors.

#[tokio::test(start_paused = true)]
async fn status_answers_at_once_with_the_body_that_goes_with_it() {
    for (code, kind) in [(401, "invalid_api_key"), (429, "rate_limit_exceeded"), (503, "overloaded")] {
        let (server, mut client) = with(&format!("{{ status: {{ code: {code} }} }}")).await;
        let answer = client.chat(json!({})).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["code"]), (code, &json!(kind)));
        assert_eq!(answer.header("retry-after"), if code == 401 { "" } else { "1" });
        assert!(millis(&answer) < 5);
        assert_performed(&server, "status", &answer).await;
        let (count, _, errors) = gate(&server).await;
        assert_eq!((count, errors), (1.0, 1.0));
    }
}

#[tokio::test]
async fn reset_breaks_the_connection_before_the_response_and_counts_as_no_error() {
    let (server, _) = with("{ reset: {} }").await;
    let running = running(&server).await;
    let stream = std::net::TcpStream::connect(running.address).unwrap();
    let error = tokio::task::spawn_blocking(move || raw_chat(stream)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_counted(&server, "reset").await;
    assert_eq!(gate(&server).await, (0.0, 0.0, 0.0));
}

#[tokio::test]
async fn close_ends_the_connection_in_order_before_the_response() {
    let (server, _) = with("{ close: {} }").await;
    let running = running(&server).await;
    let stream = std::net::TcpStream::connect(running.address).unwrap();
    let read = tokio::task::spawn_blocking(move || raw_chat(stream)).await.unwrap().unwrap();
    assert_eq!(read, "");
    assert_counted(&server, "close").await;
    assert_eq!(gate(&server).await, (0.0, 0.0, 0.0));
}

/// A chat over a plain socket: everything that comes back until the connection ends.
fn raw_chat(mut stream: std::net::TcpStream) -> std::io::Result<String> {
    use std::io::{Read, Write};
    let body = r#"{"model":"llama3","messages":[{"role":"user","content":"hi"}]}"#;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut read = String::new();
    stream.read_to_string(&mut read)?;
    Ok(read)
}

#[tokio::test(start_paused = true)]
async fn hang_says_nothing_and_is_in_no_metric_until_it_ends() {
    let (server, mut client) = with("{ hang: { for: 60s } }").await;
    let asked = tokio::spawn(async move { client.try_chat(&[], json!({})).await.is_err() });
    sleep(Duration::from_secs(59)).await;
    assert!(!asked.is_finished());
    assert_eq!(gate(&server).await, (0.0, 0.0, 0.0));
    assert!(asked.await.unwrap(), "the connection closes without a response");
    assert_counted(&server, "hang").await;
}

#[tokio::test(start_paused = true)]
async fn malformed_is_a_success_whose_body_is_useless() {
    for (body, kind) in [("json", "application/json"), ("html", "text/html"), ("content_type", "text/plain")]
    {
        let (server, mut client) = with(&format!("{{ malformed: {{ body: {body} }} }}")).await;
        let answer = client.chat(json!({})).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, kind));
        assert_eq!(serde_json::from_str::<Value>(&answer.body).is_ok(), body == "content_type");
        assert_performed(&server, "malformed", &answer).await;
        assert_eq!(gate(&server).await.2, 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn rate_limit_lets_so_many_pass_and_refills() {
    let (server, mut client) = with("{ rate_limit: { requests: 2, per: 10s } }").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(client.chat(json!({})).await);
    }
    assert_eq!(statuses.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>(), [200, 200, 429]);
    let refused = &statuses[2];
    assert_eq!((refused.header("retry-after"), refused.header("x-ratelimit-limit-requests")), ("5", "2"));
    assert_eq!(refused.header("x-ratelimit-remaining-requests"), "0");
    assert_performed(&server, "rate_limit", refused).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(client.chat(json!({})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn context_length_refuses_what_the_model_would_take() {
    let (server, mut client) = with("{ context_length: { limit: 10 } }").await;
    let answer = client.chat(json!({ "max_tokens": 5 })).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"]),
        (400, &json!("context_length_exceeded"))
    );
    assert_performed(&server, "context_length", &answer).await;
    assert_eq!(gate(&server).await.2, 1.0);
}

// Streams.

#[tokio::test(start_paused = true)]
async fn stall_pauses_the_stream_after_its_tokens() {
    let (server, mut client) = with("{ stall: { after: 2, for: 5s } }").await;
    let answer = client.chat(stream()).await;
    let gaps: Vec<_> = answer.pieces.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_millis()).collect();
    assert!(gaps[2] >= 5_000 && gaps[1] < 100, "{gaps:?}");
    assert_eq!(answer.text(), "The answer is 42.");
    assert_performed(&server, "stall", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn truncate_ends_early_with_200_and_even_faster() {
    let (server, mut client) = with("{ truncate: { after: 2 } }").await;
    let answer = client.chat(stream()).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "The answer"));
    assert!(!answer.body.contains("[DONE]") && !answer.body.contains("\"finish_reason\":\"stop\""));
    assert!(millis(&answer) < 150, "{}", millis(&answer));
    assert_performed(&server, "truncate", &answer).await;
    assert_eq!(gate(&server).await.2, 0.0);
    let whole = client.chat(json!({})).await;
    assert_eq!(
        (whole.text().as_str(), &whole.json()["choices"][0]["finish_reason"]),
        ("The answer", &json!("length"))
    );
}

#[tokio::test(start_paused = true)]
async fn no_done_leaves_the_end_mark_out() {
    let (server, mut client) = with("{ no_done: {} }").await;
    let answer = client.chat(stream()).await;
    assert!(!answer.body.contains("[DONE]") && answer.body.contains("\"finish_reason\":\"stop\""));
    assert_performed(&server, "no_done", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn late_error_comes_after_status_200_and_the_counters_see_a_success() {
    let (server, mut client) = with("{ late_error: { after: 1 } }").await;
    let answer = client.chat(stream()).await;
    let events = answer.events();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "The"));
    let error: Value = serde_json::from_str(events[events.len() - 2]).unwrap();
    assert_eq!(error["error"]["type"], "server_error");
    assert_eq!(events[events.len() - 1], "[DONE]");
    assert_performed(&server, "late_error", &answer).await;
    assert_eq!(gate(&server).await.2, 0.0);
}

#[tokio::test(start_paused = true)]
async fn split_cuts_events_in_two_inside_a_character() {
    let (server, mut client) = with("{ split: {} }, { language: {} }").await;
    let answer = client.chat(stream()).await;
    assert_eq!(answer.text(), "La réponse est 42.");
    let broken = answer.pieces.iter().filter(|(_, bytes)| std::str::from_utf8(bytes).is_err()).count();
    assert!(broken >= 2, "{broken} pieces that are no text by themselves");
    assert!(answer.pieces.len() >= 2 * answer.events().len());
    assert_eq!(answer.header("x-fault"), "language,split");
    assert_counted(&server, "split").await;
}

#[tokio::test(start_paused = true)]
async fn coalesce_sends_several_events_at_once() {
    let (server, mut client) = with("{ coalesce: { events: 3 } }").await;
    let answer = client.chat(stream()).await;
    assert_eq!(answer.text(), "The answer is 42.");
    assert_eq!(answer.pieces.len(), answer.events().len().div_ceil(3));
    assert_performed(&server, "coalesce", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn duplicate_sends_a_chunk_twice() {
    let (server, mut client) = with("{ duplicate: { after: 1 } }").await;
    let answer = client.chat(stream()).await;
    assert_eq!(answer.text(), "The answer answer is 42.");
    assert_performed(&server, "duplicate", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn reorder_swaps_two_chunks() {
    let (server, mut client) = with("{ reorder: { after: 1 } }").await;
    let answer = client.chat(stream()).await;
    assert_eq!(answer.text(), "The is answer 42.");
    assert_performed(&server, "reorder", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn usage_wrong_miscounts_or_leaves_the_usage_out() {
    let (server, mut client) = with("{ usage_wrong: { usage: wrong } }").await;
    let answer = client.chat(json!({})).await;
    assert_eq!(answer.json()["usage"]["completion_tokens"], 4 + 7);
    assert_performed(&server, "usage_wrong", &answer).await;
    let streamed = client.chat(stream()).await;
    assert_eq!(streamed.chunks().last().unwrap()["usage"]["completion_tokens"], 4 + 7);
    let (_, mut client) = with("{ usage_wrong: { usage: missing } }").await;
    assert!(client.chat(json!({})).await.json().get("usage").is_none());
    assert!(client.chat(stream()).await.chunks().iter().all(|chunk| chunk.get("usage").is_none()));
}

// Quality: the same status, the same time.

async fn quality(kind: &str) -> String {
    let (server, mut client) = with(&format!("{{ {kind}: {{}} }}")).await;
    let answer = client.chat(json!({})).await;
    assert_eq!(answer.status, 200);
    assert_performed(&server, kind, &answer).await;
    assert_eq!(gate(&server).await.2, 0.0);
    answer.text()
}

#[tokio::test(start_paused = true)]
async fn wrong_is_a_well_formed_answer_that_is_not_so() {
    let text = quality("wrong").await;
    assert!(text.starts_with("The answer is ") && !text.contains("42"), "{text}");
    let body = json!({ "model": "llama3", "input": "a" });
    let right = Client::memory(&server("")).await.post("/v1/embeddings", &body).await.json();
    let wrong = with("{ wrong: {} }").await.1.post("/v1/embeddings", &body).await.json();
    assert_ne!(right["data"], wrong["data"]);
}

#[tokio::test(start_paused = true)]
async fn garbled_is_noise() {
    assert!(quality("garbled").await.contains('\u{fffd}'));
}

#[tokio::test(start_paused = true)]
async fn empty_has_no_text_and_takes_no_longer() {
    assert_eq!(quality("empty").await, "");
}

#[tokio::test(start_paused = true)]
async fn refusal_declines() {
    assert!(quality("refusal").await.starts_with("I'm sorry"));
}

#[tokio::test(start_paused = true)]
async fn looping_runs_to_the_length_limit() {
    let (server, mut client) = with("{ looping: {} }").await;
    let answer = client.chat(json!({ "max_tokens": 100 })).await;
    assert_eq!(answer.json()["choices"][0]["finish_reason"], "length");
    assert!(answer.text().starts_with("again and again and"));
    assert_performed(&server, "looping", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn language_is_right_in_another_language() {
    assert_eq!(quality("language").await, "La réponse est 42.");
}

#[tokio::test(start_paused = true)]
async fn format_is_right_in_another_form() {
    assert_eq!(quality("format").await, r#"{"answer":"42"}"#);
}

#[tokio::test(start_paused = true)]
async fn stale_model_id_names_another_version_in_the_body() {
    let (server, mut client) = with("{ stale_model_id: { version: 3.0-70b } }").await;
    let answer = client.chat(json!({})).await;
    let body = answer.json();
    assert_eq!(
        (&body["model"], &body["system_fingerprint"]),
        (&json!("3.0-70b"), &json!("fp_3.0-70b_a2431349ba"))
    );
    assert_eq!(answer.header("x-model-version"), "3.1-70b");
    assert_performed(&server, "stale_model_id", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn identity_swap_performs_another_version_under_this_ones_name() {
    let (server, mut client) = with("{ identity_swap: { model: 3.0-70b } }").await;
    let answer = client.chat(json!({})).await;
    assert!((900..905).contains(&millis(&answer)), "{}", millis(&answer));
    assert_eq!(answer.json()["model"], "llama3");
    assert_performed(&server, "identity_swap", &answer).await;
}

#[tokio::test(start_paused = true)]
async fn temperature_ignored_varies_where_it_should_not() {
    let (server, mut client) = with("{ temperature_ignored: {} }").await;
    let ask = || json!({ "temperature": 0, "messages": [{ "role": "user", "content": "Tell me a story" }] });
    let one = client.chat_as("a", ask()).await;
    assert_performed(&server, "temperature_ignored", &one).await;
    assert_ne!(one.text(), client.chat_as("b", ask()).await.text());
}

#[tokio::test(start_paused = true)]
async fn leak_prompt_shows_the_system_message() {
    let (server, mut client) = with("{ leak_prompt: {} }").await;
    let messages =
        json!([{ "role": "system", "content": "Keep it secret" }, { "role": "user", "content": "1 + 1" }]);
    let answer = client.chat(json!({ "messages": messages })).await;
    assert!(answer.text().contains("Keep it secret"), "{}", answer.text());
    assert_performed(&server, "leak_prompt", &answer).await;
}

// Lifecycle.

async fn health(server: &Arc<Server>) -> u16 {
    Client::memory(server).await.get("/health").await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn slow_load_keeps_the_server_from_being_ready() {
    let (server, _) = with("{ slow_load: { for: 17m } }").await;
    assert_counted(&server, "slow_load").await;
    sleep(Duration::from_secs(17 * 60 - 1)).await;
    assert_eq!((health(&server).await, server.phase().to_string().as_str()), (503, "loading"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!((health(&server).await, server.phase().to_string().as_str()), (200, "ready"));
}

#[tokio::test(start_paused = true)]
async fn ready_before_loaded_says_yes_and_answers_503() {
    let (server, mut client) = with("{ ready_before_loaded: {} }, { slow_load: { for: 1m } }").await;
    assert_eq!(health(&server).await, 200);
    let answer = client.chat(json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert_counted(&server, "ready_before_loaded").await;
}

#[tokio::test(start_paused = true)]
async fn never_ready_says_no_for_ever() {
    let (server, mut client) = with("{ never_ready: {} }").await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(health(&server).await, 503);
    client = {
        drop(client);
        Client::memory(&server).await
    };
    assert_eq!(client.chat(json!({})).await.status, 200, "the model itself is loaded");
    assert_counted(&server, "never_ready").await;
}

#[tokio::test(start_paused = true)]
async fn flap_is_ready_and_not_ready_in_turns() {
    let (server, _) = with("{ flap: { every: 10s, for: 3s } }").await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.push(health(&server).await);
        sleep(Duration::from_secs(1)).await;
    }
    let period = [[503; 3].as_slice(), &[200; 7]].concat();
    assert_eq!(seen, [period.clone(), period].concat());
    assert_counted(&server, "flap").await;
}

#[tokio::test(start_paused = true)]
async fn exit_ends_the_process_after_so_many_requests_or_at_a_time() {
    let (server, mut client) = with("{ exit: { code: 137 }, after: 2 }").await;
    client.chat(json!({})).await;
    assert_eq!(server.phase().to_string(), "ready");
    client.chat(json!({})).await;
    assert_eq!((server.lifecycle.ended().await, server.phase().to_string().as_str()), (137, "dead"));
    assert_counted(&server, "exit").await;

    let (server, _) = with("{ exit: { code: 1 }, from: 5m }").await;
    let _running = running(&server).await;
    let before = tokio::time::Instant::now();
    assert_eq!(server.lifecycle.ended().await, 1);
    assert!((300..301).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn wedge_hangs_requests_behind_a_healthy_probe() {
    let (server, mut client) = with("{ wedge: {}, until: 1m }").await;
    let asked = tokio::spawn(async move { client.chat(json!({})).await });
    sleep(Duration::from_secs(59)).await;
    assert_eq!((health(&server).await, server.phase().to_string().as_str()), (200, "wedged"));
    assert!(!asked.is_finished());
    assert_eq!(gate(&server).await, (0.0, 0.0, 0.0));
    assert_eq!(asked.await.unwrap().status, 200);
    assert_counted(&server, "wedge").await;
}

#[tokio::test(start_paused = true)]
async fn leak_grows_with_each_request_up_to_its_cap() {
    let (server, mut client) = with("{ leak: { bytes: 1000, cap: 2500, exit: 137 } }").await;
    let mut held = Vec::new();
    let first = client.chat(json!({})).await;
    assert_performed(&server, "leak", &first).await;
    for _ in 0..2 {
        held.push(server.leaked_bytes());
        client.chat(json!({})).await;
    }
    assert_eq!((held, server.leaked_bytes()), (vec![1000, 2000], 2500));
    assert_eq!(server.lifecycle.ended().await, 137);
}

#[tokio::test(start_paused = true)]
async fn shutdown_changes_what_sigterm_does() {
    let (server, _) = with("{ shutdown: { mode: at-once } }").await;
    running(&server).await.terminate().await;
    assert_eq!(server.lifecycle.ended().await, 143);
    assert_counted(&server, "shutdown").await;
}

// Metrics.

async fn page(fault: &str) -> String {
    let (server, mut client) = with(fault).await;
    client.chat(json!({})).await;
    let page = Client::memory(&server).await.get("/metrics").await;
    assert_eq!(page.status, 200);
    let kind = fault.trim_start_matches("{ ").split(':').next().unwrap();
    assert_eq!(value_of(&page.body, "fault_injected_total", kind), Some(1.0), "{kind}");
    page.body
}

const CHAT: &str = r#"endpoint="/v1/chat/completions""#;

#[tokio::test(start_paused = true)]
async fn absent_takes_a_metric_off_the_page() {
    let page = page("{ absent: { metric: inference_errors_total } }").await;
    assert!(!page.contains("inference_errors") && page.contains("inference_requests_total"));
}

#[tokio::test(start_paused = true)]
async fn rename_gives_a_metric_another_name() {
    let page = page("{ rename: { metric: inference_requests, to: requests_total } }").await;
    assert!(!page.contains("inference_requests"));
    assert_eq!(value_of(&page, "requests_total", CHAT), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn label_loss_takes_a_label_away() {
    let page = page("{ label_loss: { label: version } }").await;
    assert!(!page.contains("version=") && page.contains("endpoint="));
}

#[tokio::test(start_paused = true)]
async fn label_value_replaces_a_labels_value() {
    let page = page("{ label_value: { label: version, value: unknown } }").await;
    assert!(page.contains(r#"version="unknown""#) && !page.contains(r#"version="3.1-70b""#));
}

#[tokio::test(start_paused = true)]
async fn frozen_stops_every_value_until_it_ends() {
    let (server, mut client) = with("{ frozen: {}, until: 30s }").await;
    let count = async || series(&server, "inference_requests_total", CHAT).await.unwrap();
    assert_eq!(count().await, 0.0);
    client.chat(json!({})).await;
    assert_eq!(count().await, 0.0);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(count().await, 1.0);
    assert_counted(&server, "frozen").await;
}

#[tokio::test(start_paused = true)]
async fn value_makes_a_metric_impossible() {
    for (is, written) in [("nan", "NaN"), ("inf", "+Inf"), ("negative", "-1.0")] {
        let page = page(&format!("{{ value: {{ metric: inference_requests_total, is: {is} }} }}")).await;
        let line = page.lines().find(|line| line.starts_with("inference_requests_total{")).unwrap();
        assert!(line.ends_with(written), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn counter_reset_begins_at_zero_once() {
    let (server, mut client) = with("{ counter_reset: {}, from: 10s }").await;
    client.chat(json!({})).await;
    let count = async || series(&server, "inference_requests_total", CHAT).await.unwrap();
    assert_eq!(count().await, 1.0);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(count().await, 0.0);
    client.chat(json!({})).await;
    assert_eq!(count().await, 1.0);
    assert_counted(&server, "counter_reset").await;
}

#[tokio::test(start_paused = true)]
async fn lying_ttft_observes_less_than_it_was() {
    let (server, mut client) = with("{ lying_ttft: { factor: 0.1 } }").await;
    let answer = client.chat(stream()).await;
    assert!(answer.pieces[0].0.as_millis() >= 40);
    assert_performed(&server, "lying_ttft", &answer).await;
    let ttft = series(&server, "inference_time_to_first_token_seconds_sum", CHAT).await.unwrap();
    assert!(ttft < 0.005, "{ttft}");
}

#[tokio::test(start_paused = true)]
async fn lying_duration_lets_a_slow_model_look_fast() {
    let (server, mut client) = with("{ lying_duration: { factor: 0.1 } }, { slow: { factor: 10 } }").await;
    let answer = client.chat(json!({})).await;
    assert!(millis(&answer) >= 2_000);
    let (count, sum, _) = gate(&server).await;
    assert!(count == 1.0 && sum < 0.21, "{sum}");
    assert_counted(&server, "lying_duration").await;
}

#[tokio::test(start_paused = true)]
async fn undercount_hides_errors_but_not_requests() {
    let (server, mut client) = with("{ undercount: {} }, { status: { code: 500 } }").await;
    assert_eq!(client.chat(json!({})).await.status, 500);
    let (count, _, errors) = gate(&server).await;
    assert_eq!((count, errors), (1.0, 0.0));
    assert_counted(&server, "undercount").await;
}

#[tokio::test(start_paused = true)]
async fn slow_scrape_takes_longer_than_a_scraper_waits() {
    let (server, mut client) = with("{ slow_scrape: { for: 11s }, until: 11s }").await;
    let answer = client.get("/metrics").await;
    assert_eq!((answer.status.as_u16(), answer.took.as_secs()), (200, 11));
    assert_counted(&server, "slow_scrape").await;
}

#[tokio::test(start_paused = true)]
async fn scrape_status_is_an_error_of_the_page_alone() {
    let (server, mut client) = with("{ scrape_status: { code: 503 }, until: 1s }").await;
    assert_eq!(client.get("/metrics").await.status, 503);
    assert_eq!(client.chat(json!({})).await.status, 200);
    sleep(Duration::from_secs(1)).await;
    assert_counted(&server, "scrape_status").await;
}

#[tokio::test(start_paused = true)]
async fn huge_fills_the_page_with_series() {
    let page = page("{ huge: { series: 5000 } }").await;
    assert_eq!(page.lines().filter(|line| line.starts_with("fake_inference_padding{")).count(), 5000);
}

#[tokio::test(start_paused = true)]
async fn late_samples_carry_a_time_in_the_past() {
    let (server, mut client) = with("{ late: { by: 1h } }").await;
    let page = client.get("/metrics").await.body;
    let line = page.lines().find(|line| line.starts_with("model_info")).unwrap();
    let at: u64 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((1_759_996_400_000..1_759_996_400_200).contains(&at), "{line}");
    let journal = server.journal.page(0, 10);
    assert_eq!(journal["entries"][0]["kind"], "late");
}

#[tokio::test(start_paused = true)]
async fn bucket_change_gives_the_durations_other_bounds() {
    let page = page("{ bucket_change: { bounds: [0.3, 1] } }").await;
    let bounds = page
        .lines()
        .filter(|line| line.starts_with("inference_duration_seconds_bucket") && line.contains(CHAT));
    assert_eq!(bounds.count(), 3);
    assert_eq!(value_of(&page, "inference_duration_seconds_bucket", r#"le="0.3""#), Some(1.0));
}

// Dependencies.

#[tokio::test(start_paused = true)]
async fn registry_that_refuses_ends_the_start_with_code_1() {
    for says in ["credentials_missing", "credentials_expired", "weights_missing", "checksum"] {
        let (server, _) =
            with(&format!("{{ slow_load: {{ for: 1m }} }}, {{ registry: {{ says: {says} }} }}")).await;
        assert_counted(&server, "registry").await;
        let _running = running(&server).await;
        assert_eq!(server.lifecycle.ended().await, 1);
    }
}

/// The catalogue and the tests above do not drift apart: each kind has a test that begins with its name.
#[test]
fn every_kind_has_a_test() {
    let tests = include_str!("faults.rs");
    for kind in fake_inference::fault::KINDS {
        assert!(tests.contains(&format!("async fn {kind}_")), "no test for {kind}");
    }
}
