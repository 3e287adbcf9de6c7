//! A server whose every byte and pause is scripted, in the memory of the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration as StdDuration;

use load::{Evaluation, Expected, Load, Plan, Question, Spacing, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep};
use units::{Duration, Rate};

/// What a client sent.
pub(crate) struct Asked {
    /// The number at the end of its identifier.
    pub(crate) number: u64,
    /// The head of the request.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
    /// The time since the server's start.
    pub(crate) at: StdDuration,
}

/// What the server does next.
#[derive(Clone)]
pub(crate) enum Step {
    Wait(u64),
    Write(String),
    /// Ends the connection.
    Close,
}

pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-model-version: 3.1\r\n\
                        x-inference-pod: pod-a\r\ntransfer-encoding: chunked\r\n\r\n";

/// The piece of a chunked body that carries this event.
pub(crate) fn event(data: &str) -> Step {
    let event = format!("data: {data}\n\n");
    Step::Write(format!("{:x}\r\n{event}\r\n", event.len()))
}

pub(crate) fn token(text: &str) -> Step {
    let choice = serde_json::json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
    event(&serde_json::json!({ "model": "m", "choices": [choice], "usage": null }).to_string())
}

pub(crate) fn finish(reason: &str) -> Step {
    let choice = serde_json::json!({ "index": 0, "delta": {}, "finish_reason": reason });
    event(&serde_json::json!({ "model": "m", "choices": [choice], "usage": null }).to_string())
}

pub(crate) fn usage(tokens: u64) -> Step {
    event(&serde_json::json!({ "choices": [], "usage": { "completion_tokens": tokens } }).to_string())
}

pub(crate) fn done() -> Step {
    event("[DONE]")
}

/// The end of a chunked body.
pub(crate) fn end() -> Step {
    Step::Write("0\r\n\r\n".to_owned())
}

pub(crate) fn head() -> Step {
    Step::Write(HEAD.to_owned())
}

/// A whole stream after a pause: `The answer is`, the answer, in two tokens 20 ms apart.
pub(crate) fn stream(wait_ms: u64, answer: &str) -> Vec<Step> {
    let (first, second) = (token("The answer is "), token(answer));
    vec![Step::Wait(wait_ms), head(), first, Step::Wait(20), second, finish("stop"), usage(2), done(), end()]
}

/// An answer in one piece.
pub(crate) fn whole(status: &str, kind: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::Write(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))]
}

/// A server, and the number of its connections.
pub(crate) struct Scripted {
    pub(crate) target: Target,
    pub(crate) connections: Arc<AtomicU64>,
}

/// A server in memory that does for each request what `script` says.
pub(crate) fn server(script: impl Fn(&Asked) -> Vec<Step> + Clone + Send + Sync + 'static) -> Scripted {
    let connections = Arc::new(AtomicU64::new(0));
    let (start, counter) = (Instant::now(), Arc::clone(&connections));
    let target = Target::in_memory(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        let (client, transport) = tokio::io::duplex(1 << 16);
        tokio::spawn(serve(transport, start, script.clone()));
        client
    });
    Scripted { target, connections }
}

/// Serves one connection.
pub(crate) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    mut transport: T,
    start: Instant,
    script: impl Fn(&Asked) -> Vec<Step>,
) {
    while let Some(asked) = read_request(&mut transport, start).await {
        for step in script(&asked) {
            match step {
                Step::Wait(millis) => sleep(StdDuration::from_millis(millis)).await,
                Step::Close => return,
                Step::Write(text) => {
                    if transport.write_all(text.as_bytes()).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

async fn read_request<T: AsyncRead + Unpin>(transport: &mut T, start: Instant) -> Option<Asked> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(transport.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let header = |name: &str| head.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let length = header("content-length:").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    transport.read_exact(&mut body).await.ok()?;
    let number = header("x-request-id:").and_then(|id| id.rsplit_once('-')?.1.parse().ok());
    let body = String::from_utf8(body).unwrap();
    Some(Asked { number: number.unwrap_or_default(), head, body, at: start.elapsed() })
}

pub(crate) fn question() -> Evaluation {
    let expected = Expected::Number(42.0);
    Evaluation::of(Question { prompt: "What is the sum of 17 and 25?".to_owned(), expected })
}

/// A load of this many requests a second for so many seconds.
pub(crate) fn load(target: &Target, rate: f64, secs: f64) -> Load {
    let rate = Rate::new(rate).unwrap();
    let plan = Plan::new(rate, rate, Duration::from_secs_f64(secs), Spacing::Even, 0).unwrap();
    Load::new(target.clone(), "m", question(), plan)
}
