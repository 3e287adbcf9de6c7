//! What clients and probes see of a healthy server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, also in the functions that it calls")]

mod common;

use axum::http::Method;
use common::{Client, identity, server, server_of, server_with, value_of};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn an_answer_has_the_shape_of_openais_and_says_who_gave_it() {
    let mut client = Client::memory(&server("")).await;
    let answer = client.chat_as("request-1", json!({})).await;
    let body = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(body["object"], "chat.completion");
    assert!(body["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(body["model"], "llama3");
    assert_eq!(body["system_fingerprint"], "fp_3.1-70b_a2431349ba");
    assert_eq!(body["created"], 1_760_000_000);
    assert_eq!(body["choices"][0]["message"], json!({ "role": "assistant", "content": "The answer is 42." }));
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    assert_eq!(body["usage"]["prompt_tokens"], 8);
    assert_eq!(body["usage"]["total_tokens"], 8 + body["usage"]["completion_tokens"].as_u64().unwrap());
    let headers = ["x-request-id", "x-model-version", "x-model-revision", "x-inference-pod"]
        .map(|name| answer.header(name));
    assert_eq!(headers, ["request-1", "3.1-70b", "a2431349ba", "llama3-0"]);
    assert_eq!(answer.header("x-fault"), "");
}

#[tokio::test(start_paused = true)]
async fn requests_without_an_id_of_their_own_get_different_ones() {
    let server = server("");
    let (mut first, mut second) = (Client::memory(&server).await, Client::memory(&server).await);
    let (one, two) = tokio::join!(first.chat(json!({})), second.chat(json!({})));
    let three = first.chat(json!({ "n": 0 })).await;
    let ids = [&one, &two, &three].map(|answer| answer.header("x-request-id").to_owned());
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_opens_with_the_role_and_ends_with_reason_usage_and_done() {
    let mut client = Client::memory(&server("")).await;
    let answer = client.chat(json!({ "stream": true, "stream_options": { "include_usage": true } })).await;
    assert_eq!(answer.header("content-type"), "text/event-stream; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(*answer.events().last().unwrap(), "[DONE]");
    let chunks = answer.chunks();
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let (usage, finish) = (&chunks[chunks.len() - 1], &chunks[chunks.len() - 2]);
    assert_eq!((&usage["choices"], &finish["choices"][0]["delta"]), (&json!([]), &json!({})));
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["usage"]["completion_tokens"], chunks.len() - 3);
    assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
    let constant = |key: &str| chunks.iter().all(|chunk| chunk[key] == chunks[0][key]);
    assert!(constant("id") && constant("created") && constant("model"));
    assert!(chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk"));
    assert_eq!(answer.text(), "The answer is 42.");
}

#[tokio::test(start_paused = true)]
async fn usage_is_only_in_a_stream_that_asks_for_it_or_in_every_chunk() {
    let mut client = Client::memory(&server("")).await;
    let without = client.chat(json!({ "stream": true })).await;
    assert!(without.chunks().iter().all(|chunk| chunk.get("usage").is_none()));
    let options = json!({ "stream": true, "stream_options": { "continuous_usage_stats": true } });
    let counts: Vec<_> = client
        .chat(options)
        .await
        .chunks()
        .iter()
        .map(|chunk| chunk["usage"]["completion_tokens"].as_u64().unwrap())
        .collect();
    assert!(counts.is_sorted() && counts[0] == 0 && counts[counts.len() - 1] > 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_spread_over_the_time_of_the_answer() {
    let mut client = Client::memory(&server("")).await;
    let whole = client.chat(json!({})).await;
    let streamed = client.chat(json!({ "stream": true })).await;
    // The profile's 200 ms, of which 20 % until the first token, to the runtime's millisecond.
    for took in [whole.took, streamed.took] {
        assert!((200..=203).contains(&took.as_millis()), "{took:?}");
    }
    let first = streamed.pieces[0].0.as_millis();
    assert!((40..=42).contains(&first), "{first} ms");
    let times: Vec<_> = streamed.pieces.iter().map(|(at, _)| at.as_millis()).collect();
    assert!(times.is_sorted() && times[times.len() / 2] > 60 && times[times.len() / 2] < 180, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn choices_lengths_stops_and_tools_are_as_asked_for() {
    let mut client = Client::memory(&server("")).await;
    let three = client.chat(json!({ "n": 3 })).await.json();
    assert_eq!(three["choices"].as_array().unwrap().len(), 3);
    assert_eq!(three["choices"][2]["index"], 2);
    let short = client.chat(json!({ "max_tokens": 2 })).await.json();
    assert_eq!(
        (&short["choices"][0]["finish_reason"], &short["usage"]["completion_tokens"]),
        (&json!("length"), &json!(2))
    );
    let stopped = client.chat(json!({ "stop": [" 42"] })).await.json();
    assert_eq!(stopped["choices"][0]["message"]["content"], "The answer is");
    let json_mode = client.chat(json!({ "response_format": { "type": "json_object" } })).await.json();
    assert_eq!(json_mode["choices"][0]["message"]["content"], r#"{"answer":"42"}"#);
    let tools = json!([{ "type": "function", "function": { "name": "weather" } }]);
    let called = client.chat(json!({ "tools": tools, "tool_choice": "required" })).await.json();
    assert_eq!(called["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(called["choices"][0]["message"]["tool_calls"][0]["function"]["name"], "weather");
    let streamed = client.chat(json!({ "tools": tools, "tool_choice": "required", "stream": true })).await;
    assert_eq!(streamed.chunks()[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"], "weather");
}

#[tokio::test(start_paused = true)]
async fn a_temperature_of_zero_and_a_seed_repeat_an_answer() {
    let mut client = Client::memory(&server("")).await;
    let open = |more: Value| {
        let mut body = json!({ "messages": [{ "role": "user", "content": "Tell me a story" }] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for same in [json!({ "temperature": 0 }), json!({ "seed": 5 })] {
        let (one, two) = (client.chat(open(same.clone())).await.text(), client.chat(open(same)).await.text());
        assert_eq!(one, two);
    }
    let (one, two) = (client.chat_as("a", open(json!({}))).await, client.chat_as("b", open(json!({}))).await);
    assert_ne!(one.text(), two.text());
}

#[tokio::test(start_paused = true)]
async fn completions_have_a_choice_for_each_prompt_and_may_echo_it() {
    let mut client = Client::memory(&server("")).await;
    let body = json!({ "model": "llama3", "prompt": ["6 * 7", "2 + 2"], "echo": true });
    let answer = client.post("/v1/completions", &body).await.json();
    assert_eq!(answer["object"], "text_completion");
    let texts: Vec<_> = (0..2).map(|n| answer["choices"][n]["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(texts, ["6 * 7The answer is 42.", "2 + 2The answer is 4."]);
    let body = json!({ "model": "llama3", "prompt": [1, 2, 3], "stream": true });
    let streamed = client.post("/v1/completions", &body).await;
    assert_eq!(streamed.chunks()[0]["object"], "text_completion");
    assert!(streamed.chunks()[0]["choices"][0]["text"].is_string());
    assert_eq!(*streamed.events().last().unwrap(), "[DONE]");
}

#[tokio::test(start_paused = true)]
async fn embeddings_are_unit_vectors_that_follow_from_the_text() {
    let mut client = Client::memory(&server("")).await;
    let body = json!({ "model": "llama3", "input": ["a", "b", "a"], "dimensions": 8 });
    let answer = client.post("/v1/embeddings", &body).await.json();
    let vector = |n: usize| -> Vec<f64> {
        answer["data"][n]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    assert_eq!((vector(0).len(), vector(0) == vector(2), vector(0) == vector(1)), (8, true, false));
    assert!((vector(0).iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-6);
    assert_eq!(answer["usage"], json!({ "prompt_tokens": 3, "total_tokens": 3 }));
    let body = json!({ "model": "llama3", "input": "a", "dimensions": 8, "encoding_format": "base64" });
    let encoded = client.post("/v1/embeddings", &body).await.json();
    assert_eq!(encoded["data"][0]["embedding"].as_str().unwrap().len(), 44);
}

#[tokio::test(start_paused = true)]
async fn models_version_and_tokens_can_be_asked_for() {
    let mut client = Client::memory(&server("")).await;
    let models = client.get("/v1/models").await.json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("llama3")));
    assert_eq!(models["data"][0]["max_model_len"], 4096);
    assert_eq!(client.get("/v1/models/llama3").await.json()["root"], "3.1-70b");
    assert_eq!(client.get("/v1/models/gpt").await.status, 404);
    assert_eq!(client.get("/version").await.json()["model_revision"], "a2431349ba");
    let tokens = client.post("/tokenize", &json!({ "prompt": "one two three" })).await.json();
    assert_eq!(tokens["count"], 3);
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_answered_say_why_in_the_servers_dialect() {
    let long = json!({ "max_tokens": 5000 });
    let mut client = Client::memory(&server("")).await;
    let error = client.chat(long.clone()).await;
    assert_eq!(error.status, 400);
    assert_eq!(error.json()["error"]["code"], "context_length_exceeded");
    assert!(
        error.json()["error"]["message"].as_str().unwrap().contains("maximum context length is 4096 tokens")
    );
    let unknown = client.chat(json!({ "model": "gpt" })).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));

    let mut vllm = Client::memory(&server("server: { dialect: vllm }")).await;
    let error = vllm.chat(long.clone()).await.json();
    assert_eq!((&error["error"]["type"], &error["error"]["code"]), (&json!("BadRequestError"), &json!(400)));
    let mut flat = Client::memory(&server("server: { dialect: vllm-v0 }")).await;
    let error = flat.chat(long.clone()).await.json();
    assert_eq!(
        (&error["object"], &error["type"], &error["code"]),
        (&json!("error"), &json!("BadRequestError"), &json!(400))
    );
    let mut tgi = Client::memory(&server("server: { dialect: tgi }")).await;
    let error = tgi.chat(long).await;
    assert_eq!((error.status.as_u16(), &error.json()["error_type"]), (422, &json!("validation")));
    assert!(error.json()["error"].as_str().unwrap().contains("maximum context length"));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_refused_with_a_time_to_come_back() {
    for status in [429, 503] {
        let more = format!(
            "server: {{ engine: {{ slots: 1, queue: {{ limit: 0, status: {status}, retry_after: 2500ms }} }} }}"
        );
        let server = server(&more);
        let (mut first, mut second) = (Client::memory(&server).await, Client::memory(&server).await);
        let (one, two) = tokio::join!(first.chat(json!({})), second.chat(json!({})));
        let (served, refused) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!((served.status.as_u16(), refused.status.as_u16()), (200, status));
        assert_eq!((refused.header("retry-after"), refused.header("retry-after-ms")), ("3", "2500"));
        let code = refused.json()["error"]["code"].clone();
        assert_eq!(code, if status == 429 { "rate_limit_exceeded" } else { "overloaded" });
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_slot_and_its_wait_counts() {
    let server = server("server: { engine: { slots: 1 }, metrics: [document, vllm-v1] }");
    let (mut first, mut second) = (Client::memory(&server).await, Client::memory(&server).await);
    let (one, two) = tokio::join!(first.chat(json!({})), second.chat(json!({})));
    let (soon, late) = (one.took.min(two.took), one.took.max(two.took));
    assert!(soon.as_millis() < 210 && late.as_millis() >= 400, "{soon:?} {late:?}");
    let page = first.get("/metrics").await.body;
    let labels = r#"model_name="llama3",engine="0""#;
    assert!(value_of(&page, "vllm:request_queue_time_seconds_sum", labels).unwrap() >= 0.2);
}

#[tokio::test(start_paused = true)]
async fn token_times_of_their_own_make_the_answers_time() {
    let more =
        "server: { engine: { tokens: { ttft: { p50: 1s, p99: 1s }, itl: { p50: 100ms, p99: 100ms } } } }";
    let mut client = Client::memory(&server(more)).await;
    let answer = client.chat(json!({ "stream": true, "max_tokens": 4 })).await;
    assert!((1_000..=1_003).contains(&answer.pieces[0].0.as_millis()), "{:?}", answer.pieces[0].0);
    assert!((1_300..=1_305).contains(&answer.took.as_millis()), "{:?}", answer.took);
}

#[tokio::test(start_paused = true)]
async fn a_bounded_cache_preempts_the_youngest_and_slows_it_down() {
    let more = "server: { engine: { kv_tokens: 22, first_token: 50% }, metrics: [vllm-v1] }";
    let server = server(more);
    let (mut first, mut second) = (Client::memory(&server).await, Client::memory(&server).await);
    let stream = json!({ "stream": true });
    let (one, two) = tokio::join!(first.chat(stream.clone()), second.chat(stream));
    let (soon, late) = (one.took.min(two.took), one.took.max(two.took));
    assert!(soon.as_millis() < 210 && late.as_millis() > 290, "{soon:?} {late:?}");
    assert_eq!(one.text(), two.text());
    let page = first.get("/metrics").await.body;
    assert!(value_of(&page, "vllm:num_preemptions_total", "").unwrap() >= 1.0);
}

#[tokio::test(start_paused = true)]
async fn health_follows_the_weights_in_every_dialect() {
    let server = server_of("models: { 3.1-70b: { latency: { p50: 1s, p99: 1s }, load: 90s } }");
    let mut client = Client::memory(&server).await;
    let engine = ["/health", "/ping", "/health_generate"];
    let ready = ["/ready", "/readyz", "/health/ready", "/v2/health/ready", "/v2/models/llama3/ready"];
    let alive = ["/livez", "/healthz", "/v2/health/live"];
    for path in engine.iter().chain(&ready) {
        assert_eq!(client.get(path).await.status, 503, "{path} while loading");
    }
    let refused = client.chat(json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "1"));
    assert!(refused.took.as_millis() < 10, "{:?}", refused.took);
    tokio::time::sleep(std::time::Duration::from_secs(90)).await;
    let mut client = Client::memory(&server).await;
    for path in engine.iter().chain(&ready).chain(&alive) {
        assert_eq!(client.get(path).await.status, 200, "{path} when loaded");
    }
    assert_eq!(client.get("/v2/models/llama3/versions/3.1-70b/ready").await.status, 200);
    assert_eq!(client.get("/v2/models/llama3/versions/3.0/ready").await.status, 404);
    assert_eq!(client.get("/v2/models/other/ready").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_tgi_says_so_in_json() {
    let file = "
models: { 3.1-70b: { latency: { p50: 1s, p99: 1s }, load: 90s } }
server: { dialect: tgi }";
    let mut client = Client::memory(&server_of(file)).await;
    let loading = client.get("/health").await;
    assert_eq!(loading.status, 503);
    assert_eq!(loading.json(), json!({ "error": "unhealthy", "error_type": "healthcheck" }));
}

#[tokio::test(start_paused = true)]
async fn a_health_route_can_be_made_to_mean_something_else() {
    let file = "
models: { 3.1-70b: { latency: { p50: 1s, p99: 1s }, load: 90s } }
server: { health: { /health: process, /own: ready } }";
    let mut client = Client::memory(&server_of(file)).await;
    assert_eq!(client.get("/health").await.status, 200);
    assert_eq!(client.get("/own").await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn the_documents_series_exist_with_zeros_from_the_first_scrape() {
    let mut client = Client::memory(&server("")).await;
    let page = client.get("/metrics").await;
    assert_eq!(page.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let labels = r#"{model="llama3",version="3.1-70b",endpoint="/v1/chat/completions""#;
    for name in ["inference_requests_total", "inference_errors_total", "inference_duration_seconds_count"] {
        assert_eq!(value_of(&page.body, name, labels), Some(0.0), "{name}");
    }
    assert!(!page.body.contains("/v1/embeddings"));
    client.post("/v1/embeddings", &json!({ "model": "llama3", "input": "a" })).await;
    let later = client.get("/metrics").await.body;
    assert_eq!(value_of(&later, "inference_errors_total", "/v1/embeddings"), Some(0.0));
    let info = r#"{name="llama3",version="3.1-70b",revision="a2431349ba"}"#;
    assert_eq!(value_of(&page.body, "model_info", info), Some(1.0));
    client.chat(json!({})).await;
    client.chat(json!({ "max_tokens": 9999 })).await;
    let page = client.get("/metrics").await.body;
    let chat = r#"endpoint="/v1/chat/completions""#;
    assert_eq!(value_of(&page, "inference_requests_total", chat), Some(1.0), "a bad request is not accepted");
    assert_eq!(
        value_of(&page, "inference_duration_seconds_bucket", &format!(r#"{chat},le="0.15""#)),
        Some(0.0)
    );
    assert_eq!(
        value_of(&page, "inference_duration_seconds_bucket", &format!(r#"{chat},le="0.25""#)),
        Some(1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn open_metrics_is_written_for_those_who_accept_it() {
    let mut client = Client::memory(&server("server: { metrics: [document, tgi] }")).await;
    let accept = ("accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2");
    let page = client.send(Method::GET, "/metrics", &[accept], "").await.unwrap();
    assert_eq!(page.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(page.body.ends_with("# EOF\n"));
    assert!(page.body.contains("# TYPE inference_requests counter\n"));
    assert!(page.body.contains("# TYPE tgi_request_count unknown\n"));
}

/// The families of a page: each with its type, the names of its labels, and its bounds.
fn outline(page: &str) -> String {
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let family = |line: &str| {
        let (name, kind) = line.split_once(' ').unwrap();
        let of = |name: String| page.lines().find(|line| line.starts_with(&name)).unwrap_or_default();
        let first = if kind == "histogram" { of(format!("{name}_sum")) } else { of(name.to_owned()) };
        let labels = first.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |it| it.0);
        let labels = labels.split(',').filter_map(|label| Some(label.split_once('=')?.0));
        let mut labels: Vec<_> = labels.collect();
        labels.sort_unstable();
        let buckets = page.lines().filter(|line| line.starts_with(&format!("{name}_bucket{{")));
        let bounds = buckets.map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap());
        let labels = format!("{{{}}}", labels.join(","));
        [name, kind, &labels].into_iter().chain(bounds).collect::<Vec<_>>().join(" ") + "\n"
    };
    types.map(family).collect()
}

#[tokio::test(start_paused = true)]
async fn real_servers_metrics_have_their_own_names_labels_and_bounds() {
    let table = [
        ("vllm-v0", include_str!("metrics/vllm-v0.txt")),
        ("vllm-v1", include_str!("metrics/vllm-v1.txt")),
        ("tgi", include_str!("metrics/tgi.txt")),
        ("sglang", include_str!("metrics/sglang.txt")),
    ];
    for (profile, expected) in table {
        let server = server(&format!("server: {{ metrics: [{profile}] }}"));
        let mut client = Client::memory(&server).await;
        client.chat(json!({ "stream": true })).await;
        let page = client.get("/metrics").await.body;
        assert_eq!(outline(&page), expected, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_served_is_said_in_json() {
    let mut client = Client::memory(&server("")).await;
    let table = [
        (Method::GET, "/v1/nothing", 404),
        (Method::GET, "/v1/chat/completions", 405),
        (Method::POST, "/health", 405),
    ];
    for (method, path, status) in table {
        let answer = client.send(method, path, &[], "").await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains(path));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_without_an_environment_is_the_version() {
    let server = server_with(
        common::MODELS,
        fake_inference::Identity { version: "3.0-70b".into(), ..Default::default() },
        1,
    );
    assert_eq!(Client::memory(&server).await.get("/v1/models").await.json()["data"][0]["id"], "3.0-70b");
    assert_eq!(identity().name, "llama3");
}
