//! A small HTTP client over hyper, for sockets and for connections in memory.

#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use fake_inference::{BehaviourFile, Gate, Identity, Running, Server, Start, connect_in_memory, start};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

pub const MODELS: &str = "
models:
  3.1-70b: { latency: { p50: 200ms, p99: 200ms }, load: 0s }
  3.0-70b: { latency: { p50: 900ms, p99: 900ms }, load: 0s }
";

/// A server of the version 3.1-70b called `llama3`, with these further parts of its file.
pub fn server(more: &str) -> Arc<Server> {
    server_of(&format!("{MODELS}{more}"))
}

/// A server of a whole file.
pub fn server_of(file: &str) -> Arc<Server> {
    server_with(file, identity(), 7)
}

pub fn identity() -> Identity {
    Identity {
        name: "llama3".to_owned(),
        version: "3.1-70b".to_owned(),
        revision: "a2431349ba".to_owned(),
        max_batch_size: 32,
        max_sequence_length: 4096,
        quantization: "awq-int4".to_owned(),
        pod: "llama3-0".to_owned(),
        role: "canary".to_owned(),
        ..Identity::default()
    }
}

pub fn server_with(file: &str, identity: Identity, seed: u64) -> Arc<Server> {
    let file = BehaviourFile::read("behaviour.yaml", file.as_bytes()).unwrap();
    let start = Start {
        identity,
        seed,
        unix_time: units::Duration::from_secs(1_760_000_000),
        run_started_before: units::Duration::ZERO,
        has_credentials: false,
    };
    Server::new(&file, start).unwrap()
}

/// The server with open ports on the loopback.
pub async fn running(server: &Arc<Server>) -> Running {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    start(Arc::clone(server), any, Some((any, Gate::new(any, None).unwrap()))).await.unwrap()
}

/// A response, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// The pieces of the body and when they came, since the request was sent.
    pub pieces: Vec<(Duration, Bytes)>,
    /// Whether the body came to its proper end.
    pub complete: bool,
    /// How long it all took.
    pub took: Duration,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The data of the server-sent events.
    pub fn events(&self) -> Vec<&str> {
        self.body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect()
    }

    /// The events that are JSON.
    pub fn chunks(&self) -> Vec<Value> {
        self.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    }

    /// The text of the answer, streamed or not.
    pub fn text(&self) -> String {
        if self.header("content-type").starts_with("text/event-stream") {
            let chunks = self.chunks();
            let texts = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
            return texts.collect();
        }
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }
}

/// One connection.
pub struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub async fn memory(server: &Arc<Server>) -> Self {
        Self::over(connect_in_memory(server)).await
    }

    pub async fn tcp(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    async fn over(transport: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = handshake(TokioIo::new(transport)).await.unwrap();
        tokio::spawn(connection);
        Self { sender }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await.unwrap()
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], &body.to_string()).await.unwrap()
    }

    /// An answer to a question; `more` are further fields.
    pub async fn chat(&mut self, more: Value) -> Answer {
        self.try_chat(&[], more).await.unwrap()
    }

    pub async fn chat_as(&mut self, id: &str, more: Value) -> Answer {
        self.try_chat(&[("x-request-id", id)], more).await.unwrap()
    }

    pub async fn try_chat(&mut self, headers: &[(&str, &str)], more: Value) -> Result<Answer, hyper::Error> {
        let mut body = json!({
            "model": "llama3", "messages": [{ "role": "user", "content": "What is the sum of 17 and 25?" }],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.send(Method::POST, "/v1/chat/completions", headers, &body.to_string()).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, hyper::Error> {
        let sent = Instant::now();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (head, mut body) = response.into_parts();
        let (mut pieces, mut complete) = (Vec::new(), true);
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => pieces.push((sent.elapsed(), frame.into_data().unwrap_or_default())),
                Err(_) => complete = false,
            }
        }
        let whole: Vec<u8> = pieces.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(whole).unwrap(),
            pieces,
            complete,
            took: sent.elapsed(),
        })
    }
}

/// The value of a series of the server's page; the labels are looked for in the order of the page.
pub async fn series(server: &Arc<Server>, name: &str, labels: &str) -> Option<f64> {
    let page = Client::memory(server).await.get("/metrics").await.body;
    value_of(&page, name, labels)
}

pub fn value_of(page: &str, name: &str, labels: &str) -> Option<f64> {
    page.lines().find_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let rest = series.strip_prefix(name)?;
        let fits = rest.is_empty() || rest.starts_with('{');
        (fits && rest.contains(labels)).then(|| value.parse().unwrap())
    })
}
