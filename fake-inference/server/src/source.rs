//! Where a behaviour comes from: a file, or a server that is asked once at the start.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use fake_inference::{BehaviourFile, Identity};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::{Failure, say};

/// The longest behaviour, in bytes.
const MAX_BYTES: usize = 8 << 20;

/// How long one attempt may take, and how long it is until the next.
const ATTEMPT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);

/// Where the behaviour comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    File(PathBuf),
    Url(Uri),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        if written.starts_with("https://") {
            return Err("behaviours are fetched over http:// only; mount a file instead".to_owned());
        }
        if !written.starts_with("http://") {
            return Ok(Self::File(written.into()));
        }
        match written.parse::<Uri>() {
            Ok(uri) if uri.authority().is_some_and(|it| it.as_str().contains('@')) => {
                Err("a behaviour is fetched without a name and a password".to_owned())
            }
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(Self::Url(uri)),
            Ok(_) => Err("it names no host; write http://host:port/path".to_owned()),
            Err(error) => Err(format!("{error}; write http://host:port/path")),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(uri) => uri.fmt(f),
        }
    }
}

/// Why an attempt brought no behaviour.
enum Unanswered {
    /// Another attempt may.
    Yet(String),
    /// No other attempt will.
    Refused(String),
}

impl Source {
    /// Reads the behaviour. A server that does not answer is asked again for so long: in a cluster it may
    /// start later than this one. It is told which pod asks.
    pub(crate) async fn read(&self, identity: &Identity, within: Duration) -> Result<BehaviourFile, Failure> {
        let bytes = match self {
            Self::File(path) => std::fs::read(path)
                .map_err(|error| Failure::input(format!("--behaviour {self} cannot be read: {error}")))?,
            Self::Url(uri) => self.fetch(uri, identity, within).await?,
        };
        BehaviourFile::read(&self.to_string(), &bytes).map_err(Failure::input)
    }

    async fn fetch(&self, uri: &Uri, identity: &Identity, within: Duration) -> Result<Vec<u8>, Failure> {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let left = within.saturating_sub(begun.elapsed());
            let attempt = timeout(ATTEMPT.min(left.max(PAUSE)), get(uri, identity)).await;
            let why = match attempt.unwrap_or_else(|_| Err(Unanswered::Yet("no answer in time".to_owned()))) {
                Ok(bytes) => return Ok(bytes),
                Err(Unanswered::Refused(why)) => {
                    return Err(Failure::environment(format!("--behaviour {self}: {why}")));
                }
                Err(Unanswered::Yet(why)) => why,
            };
            if begun.elapsed() + PAUSE >= within {
                let within = within.as_secs_f64();
                return Err(Failure::environment(format!(
                    "--behaviour {self} was not there within {within} s: {why}"
                )));
            }
            if !std::mem::replace(&mut told, true) {
                say(&format!("--behaviour {self}: {why}; trying again"));
            }
            sleep(PAUSE).await;
        }
    }
}

async fn get(uri: &Uri, identity: &Identity) -> Result<Vec<u8>, Unanswered> {
    let yet = |why: &dyn fmt::Display| Unanswered::Yet(why.to_string());
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream =
        TcpStream::connect((bare, uri.port_u16().unwrap_or(80))).await.map_err(|error| yet(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| yet(&error))?;
    // It ends with the sender.
    tokio::spawn(connection);
    let mut request = Request::builder()
        .uri(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(ACCEPT, "application/yaml, application/json, text/plain")
        .body(Empty::<Bytes>::new())
        .map_err(|error| Unanswered::Refused(error.to_string()))?;
    for (name, value) in [("x-inference-pod", &identity.pod), ("x-model-version", &identity.version)] {
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
            request.headers_mut().insert(name, value);
        }
    }
    let response = sender.send_request(request).await.map_err(|error| yet(&error))?;
    match response.status() {
        StatusCode::OK => {}
        status if status.is_server_error() => return Err(yet(&format!("status {status}"))),
        status => return Err(Unanswered::Refused(format!("status {status}"))),
    }
    match Limited::new(response.into_body(), MAX_BYTES).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Unanswered::Refused(format!("it is longer than {} MiB", MAX_BYTES >> 20)))
        }
        Err(error) => Err(yet(&error)),
    }
}
