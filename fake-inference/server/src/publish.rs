//! `fake-inference publish`: a behaviour for servers that fetch theirs over HTTP.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use fake_inference::BehaviourFile;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Failure, say};

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `publish`.
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The behaviour file: the `models:` of a scenario, or the scenario itself
    file: PathBuf,
    /// Where to publish it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8000")]
    listen: String,
}

impl Publish {
    /// Publishes a file that is a behaviour until SIGTERM or SIGINT; the exit code.
    pub(crate) async fn run(&self) -> Result<u8, Failure> {
        let name = self.file.display().to_string();
        let bytes = std::fs::read(&self.file)
            .map_err(|error| Failure::input(format!("{name} cannot be read: {error}")))?;
        BehaviourFile::read(&name, &bytes).map_err(Failure::input)?;
        let listener = TcpListener::bind(&self.listen).await;
        let listener =
            listener.map_err(|error| Failure::environment(format!("--listen {}: {error}", self.listen)))?;
        say(&format!("publishing {name} on {}", self.listen));
        tokio::select! {
            () = publish(listener, Bytes::from(bytes)) => Ok(0),
            ended = ended() => ended.map(|()| 0),
        }
    }
}

async fn ended() -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::environment)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::environment)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn publish(listener: TcpListener, behaviour: Bytes) {
    loop {
        // An error here is one of a connection that is gone again, or of too many of them.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let behaviour = behaviour.clone();
        let service = service_fn(move |request| {
            let response = response(&request, &behaviour);
            async { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(async move {
            let mut connection = hyper::server::conn::http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // Whoever hangs up has what it wanted, or wants nothing.
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The behaviour, whatever the path; nothing is changed here.
fn response(request: &Request<Incoming>, behaviour: &Bytes) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        let mut refused = Response::new(Full::default());
        *refused.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return refused;
    }
    let mut response = Response::new(Full::new(behaviour.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    response
}
