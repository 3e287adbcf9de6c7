//! One request and what became of it.

use std::sync::OnceLock;
use std::time::Duration as StdDuration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;
use tokio::time::{timeout, timeout_at};
use units::Duration;

use crate::clock::Clock;
use crate::connections::{Connection, Connections};
use crate::evaluation::Evaluation;
use crate::reply::{Incomplete, Reply};
use crate::sse;

/// The longest answer, in bytes.
const MAX_BODY: usize = 16 << 20;

/// The most bytes that are kept of what a header or an error says.
const MAX_NAME: usize = 200;

/// After `[DONE]`, the time that a server has to end the body, so that its connection can be kept.
const END_WITHIN: StdDuration = StdDuration::from_millis(100);

/// What became of a planned request.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrival {
    /// It was not sent: too many others were under way, or this machine had no more sockets.
    Dropped {
        /// When it should have been sent.
        planned: Duration,
    },
    /// It was sent.
    Exchanged(Exchange),
}

/// A request that was sent. Moments are spans since the start of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Its number, from 0.
    pub request: u64,
    /// When it should leave.
    pub planned: Duration,
    /// When the generator let it go, before there was a connection for it.
    pub sent: Duration,
    /// When its first token came; `None` where none came, or the answer was not streamed.
    pub first_token: Option<Duration>,
    /// The times from each token to the next.
    pub gaps: Vec<Duration>,
    /// When the answer ended, or the failure was clear.
    pub ended: Duration,
    /// Who answered: the header `x-model-version`, without it the model that the answer names; empty where
    /// nobody said.
    pub version: String,
    /// The header `x-inference-pod`; empty without it.
    pub pod: String,
    /// The answer names another model than was asked. Some servers have aliases; others still serve an old
    /// version.
    pub names_other_model: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Exchange {
    /// From the planned moment to the end: what a client would have waited.
    pub fn latency(&self) -> Duration {
        self.ended.saturating_sub(self.planned)
    }

    /// From the planned moment to the first token.
    pub fn time_to_first_token(&self) -> Option<Duration> {
        self.first_token.map(|at| at.saturating_sub(self.planned))
    }

    /// How late the generator was.
    pub fn lag(&self) -> Duration {
        self.sent.saturating_sub(self.planned)
    }
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of the answer came.
    Complete {
        /// The answer.
        text: String,
        /// Whether it is what the question expects.
        right: bool,
        /// What the server says of its length.
        usage: UsageReported,
    },
    /// The status was good, but a part of the answer is missing.
    Truncated(Cut),
    /// There is no answer.
    Failed(Failure),
}

/// What is missing of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The connection ended within the body.
    #[error("the connection ended within it")]
    Body,
    /// There is no finish reason.
    #[error("it has no finish reason")]
    NoFinishReason,
    /// There is no `[DONE]`.
    #[error("the stream has no [DONE]")]
    NoDone,
    /// It ended for its length, but before the length that was asked for.
    #[error("it ended for its length, but before the length that was asked for")]
    Short,
    /// The server says that it aborted.
    #[error("the server aborted it")]
    Aborted,
}

/// What a server says of the length of an answer (`usage.completion_tokens`), beside the chunks that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageReported {
    /// It says nothing, though it was asked.
    Missing,
    /// The answer came in one piece: there is nothing to hold it against.
    Unchecked,
    /// As many tokens as chunks.
    Equal,
    /// More tokens than chunks: several in one chunk, or some without text, as of engines that count the
    /// end of the text.
    More,
    /// Fewer tokens than chunks, which cannot be true.
    Fewer,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There was no connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// This machine lets the program open no more sockets. A load counts such requests as dropped.
    #[error("this machine lets the program open no more sockets: raise its limit of open files (ulimit -n)")]
    NoSocket,
    /// The connection ended before the answer began.
    #[error("the connection ended before the answer: {0}")]
    Closed(String),
    /// The answer did not end within the timeout.
    #[error("no whole answer within the timeout")]
    Timeout,
    /// The status is not 200.
    #[error("status {code}: {message}")]
    Status {
        /// The status.
        code: u16,
        /// The beginning of the body.
        message: String,
    },
    /// The status is 200, but the body is not what the API promises.
    #[error("not an answer of this API: {0}")]
    Malformed(String),
    /// An error in the body or in the middle of the stream, after status 200.
    #[error("an error after status 200: {0}")]
    ErrorAfterStatus(String),
}

impl Failure {
    /// Its kind, as reports count it.
    pub fn kind(&self) -> String {
        match self {
            Self::Connect(_) => "no connection".to_owned(),
            Self::NoSocket => "no socket".to_owned(),
            Self::Closed(_) => "connection ended".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Status { code, .. } => format!("status {code}"),
            Self::Malformed(_) => "malformed answer".to_owned(),
            Self::ErrorAfterStatus(_) => "error after status 200".to_owned(),
        }
    }
}

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) connections: Connections,
    /// The model that requests name, once it is known.
    pub(crate) model: OnceLock<String>,
    pub(crate) questions: Evaluation,
    pub(crate) streaming: bool,
    pub(crate) max_tokens: Option<u32>,
    pub(crate) timeout: Duration,
    /// Begins each request's identifier.
    pub(crate) id_prefix: String,
}

/// What has come so far.
#[derive(Debug, Default)]
struct Seen {
    version: String,
    pod: String,
    reply: Reply,
    ended: Option<Duration>,
    /// The connection, where the answer was read to its end.
    connection: Option<Connection>,
}

impl Client {
    /// Asks a question and waits for the whole answer.
    pub(crate) async fn ask(&self, clock: Clock, request: u64, planned: Duration) -> Exchange {
        let sent = clock.now();
        let mut seen = Seen::default();
        let deadline = clock.at(sent + self.timeout);
        let result = match timeout_at(deadline, self.exchange(clock, request, &mut seen)).await {
            Ok(result) => result,
            Err(_) => Err(Incomplete::Failed(Failure::Timeout)),
        };
        let ended = seen.ended.unwrap_or_else(|| clock.now());
        if let Some(connection) = seen.connection.take() {
            self.connections.give_back(connection).await;
        }
        let reply = seen.reply;
        let outcome = match result {
            Ok(()) => Outcome::Complete {
                right: self.questions.question(request).expected.fits(&reply.text),
                usage: reply.usage(),
                text: reply.text,
            },
            Err(Incomplete::Cut(cut)) => Outcome::Truncated(cut),
            Err(Incomplete::Failed(failure)) => Outcome::Failed(failure),
        };
        let names_other_model = reply.model.is_some() && reply.model.as_ref() != self.model.get();
        let version = if seen.version.is_empty() { reply.model.unwrap_or_default() } else { seen.version };
        Exchange {
            request,
            planned,
            sent,
            first_token: reply.first_token,
            gaps: reply.gaps,
            ended,
            version: shortened(&version),
            pod: seen.pod,
            names_other_model,
            outcome,
        }
    }

    async fn exchange(&self, clock: Clock, request: u64, seen: &mut Seen) -> Result<(), Incomplete> {
        let model = self.model().await.map_err(Incomplete::Failed)?;
        let (response, connection) =
            self.connections.send(self.request(request, model)).await.map_err(Incomplete::Failed)?;
        let header = |name| shortened(text(response.headers(), name));
        (seen.version, seen.pod) = (header("x-model-version"), header("x-inference-pod"));
        let due = if self.streaming { "text/event-stream" } else { "application/json" };
        let kind = text(response.headers(), CONTENT_TYPE.as_str()).to_owned();
        if response.status() != StatusCode::OK {
            let failure = refusal(response).await;
            seen.ended = Some(clock.now());
            seen.connection = Some(connection);
            return Err(Incomplete::Failed(failure));
        }
        if !kind.starts_with(due) {
            let why = format!("its content type is `{}`, not `{due}`", shortened(&kind));
            return Err(Incomplete::Failed(Failure::Malformed(why)));
        }
        let mut body = response.into_body();
        if self.streaming {
            read_stream(&mut body, clock, seen).await?;
        } else {
            let bytes = whole(body).await?;
            seen.ended = Some(clock.now());
            seen.reply = Reply::whole(&bytes).map_err(Incomplete::Failed)?;
        }
        seen.connection = Some(connection);
        seen.reply.completeness(self.streaming, self.max_tokens)
    }

    fn request(&self, request: u64, model: &str) -> Request<Full<Bytes>> {
        let prompt = &self.questions.question(request).prompt;
        let mut body = json!({
            "model": model,
            "messages": [{ "role": "user", "content": prompt }],
            "temperature": 0,
            "stream": self.streaming,
        });
        if self.streaming {
            body["stream_options"] = json!({ "include_usage": true });
        }
        if let Some(most) = self.max_tokens {
            body["max_tokens"] = json!(most);
        }
        let accept = if self.streaming { "text/event-stream" } else { "application/json" };
        Request::builder()
            .method(Method::POST)
            .uri(self.connections.target.path("chat/completions"))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept)
            .header("x-request-id", format!("{}-{request}", self.id_prefix))
            .body(Full::from(body.to_string()))
            .expect("the path was read from a URI, the identifier is checked, the rest is constant")
    }

    /// The model to ask: the one that was given, or the first that the server lists.
    pub(crate) async fn model(&self) -> Result<&str, Failure> {
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        let first = self.models().await?.into_iter().next();
        let first = first.ok_or_else(|| Failure::Malformed("the list of models is empty".to_owned()))?;
        Ok(self.model.get_or_init(|| first))
    }

    /// The names of the models that the server lists.
    pub(crate) async fn models(&self) -> Result<Vec<String>, Failure> {
        #[derive(serde::Deserialize)]
        struct Models {
            data: Vec<Model>,
        }
        #[derive(serde::Deserialize)]
        struct Model {
            id: String,
        }
        let request = Request::builder()
            .uri(self.connections.target.path("models"))
            .body(Full::default())
            .expect("the path was read from a URI");
        let list = async {
            let (response, connection) = self.connections.send(request).await?;
            if response.status() != StatusCode::OK {
                return Err(refusal(response).await);
            }
            let bytes = whole(response.into_body())
                .await
                .map_err(|_| Failure::Closed("within the body".to_owned()))?;
            self.connections.give_back(connection).await;
            let models: Models =
                serde_json::from_slice(&bytes).map_err(|error| Failure::Malformed(error.to_string()))?;
            Ok(models.data.into_iter().map(|model| model.id).collect())
        };
        timeout(crate::clock::std_duration(self.timeout), list).await.unwrap_or(Err(Failure::Timeout))
    }
}

async fn read_stream(body: &mut Incoming, clock: Clock, seen: &mut Seen) -> Result<(), Incomplete> {
    let malformed = |why: String| Incomplete::Failed(Failure::Malformed(why));
    let mut parser = sse::Parser::default();
    let mut bytes = 0;
    while !seen.reply.done {
        let Some(frame) = body.frame().await else { break };
        let at = clock.now();
        let Ok(data) = frame.map_err(|_| Incomplete::Cut(Cut::Body))?.into_data() else { continue };
        bytes += data.len();
        if bytes > MAX_BODY {
            return Err(malformed(format!("it is longer than {} MiB", MAX_BODY >> 20)));
        }
        for event in parser.push(&data).map_err(|error| malformed(error.to_string()))? {
            seen.reply.event(&event, at).map_err(Incomplete::Failed)?;
        }
        seen.ended = seen.reply.done.then_some(at);
    }
    seen.ended.get_or_insert_with(|| clock.now());
    // A connection whose body does not end is not given back: to drop it here closes it.
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(END_WITHIN, rest).await;
    Ok(())
}

async fn whole(body: Incoming) -> Result<Bytes, Incomplete> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let why = format!("it is longer than {} MiB", MAX_BODY >> 20);
            Err(Incomplete::Failed(Failure::Malformed(why)))
        }
        Err(_) => Err(Incomplete::Cut(Cut::Body)),
    }
}

/// What an answer with another status than 200 says.
async fn refusal(response: Response<Incoming>) -> Failure {
    let code = response.status().as_u16();
    let body = whole(response.into_body()).await.unwrap_or_default();
    let json: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let said = json.as_ref().and_then(|json| {
        let error = json.get("error").unwrap_or(json);
        error.get("message").unwrap_or(error).as_str()
    });
    let message = said.map_or_else(|| shortened(&String::from_utf8_lossy(&body)), shortened);
    Failure::Status { code, message }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_NAME)].split_whitespace().collect::<Vec<_>>().join(" ")
}
