//! The admin port: what the server is and does, and its faults, to see and to change.

use std::io;
use std::net::SocketAddr;
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::Server;
use crate::api::body;
use crate::fault::{Definition, InForce, Origin, Rejected};
use crate::settings::Limits;

/// The largest body.
const BODY_BYTES: usize = 1 << 20;

/// The most entries of the journal in one answer.
const JOURNAL_PAGE: usize = 1000;

/// What opens the admin port: nothing on a loopback address, a token elsewhere.
#[derive(Clone)]
pub struct Gate {
    token: Option<Arc<[u8]>>,
}

/// Why the admin port stays shut.
#[derive(Debug, thiserror::Error)]
pub enum NoGate {
    /// An address that others can reach, without a token.
    #[error("--admin {0} can be reached by others; give a token with --admin-token-file, or use 127.0.0.1")]
    Open(SocketAddr),
    /// The token's file cannot be read.
    #[error("the token file {path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// A token that is easily guessed.
    #[error("the token in {0} is shorter than {least} bytes", least = Gate::MIN_TOKEN)]
    Short(String),
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.token.is_some() { "Gate(token)" } else { "Gate(open)" })
    }
}

impl Gate {
    /// The shortest token.
    pub const MIN_TOKEN: usize = 16;

    /// The gate of an admin port at this address, with the token in this file where there is one.
    ///
    /// # Errors
    /// An address that is not loopback without a token, and a token that cannot be used.
    pub fn new(address: SocketAddr, token_file: Option<&FilePath>) -> Result<Self, NoGate> {
        let Some(file) = token_file else {
            return if address.ip().is_loopback() {
                Ok(Self { token: None })
            } else {
                Err(NoGate::Open(address))
            };
        };
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| NoGate::Unreadable { path: path.clone(), error })?;
        let token = text.trim();
        if token.len() < Self::MIN_TOKEN {
            return Err(NoGate::Short(path));
        }
        Ok(Self { token: Some(token.as_bytes().into()) })
    }

    /// Why a request may not pass, if it may not. Requests from web pages never may; without a token only
    /// those that address the loopback, so that a name that is rebound to it does not help.
    fn refusal(&self, request: &Request) -> Option<(StatusCode, &'static str)> {
        let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
        if header(header::ORIGIN).is_some() {
            return Some((StatusCode::FORBIDDEN, "requests from web pages are refused"));
        }
        match &self.token {
            None => {
                let host = header(header::HOST).and_then(|host| std::str::from_utf8(host).ok()).unwrap_or("");
                let loopback = is_loopback(host);
                (!loopback).then_some((StatusCode::FORBIDDEN, "the Host header must name the loopback"))
            }
            Some(token) => {
                let given = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix(b"Bearer "));
                let right = given.is_some_and(|given| given.ct_eq(token).into());
                (!right).then_some((StatusCode::UNAUTHORIZED, "a bearer token is needed"))
            }
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// All routes of the admin port.
pub(crate) fn routes(server: &Arc<Server>, gate: Gate) -> Router {
    let faults = get(list).post(add).delete(remove_all);
    let fault = get(show).put(put).delete(remove);
    Router::new()
        .route("/admin/state", get(state))
        .route("/admin/profile", get(profile))
        .route("/admin/faults", faults)
        .route("/admin/faults/{id}", fault)
        .route("/admin/reset", post(reset))
        .route("/admin/journal", get(journal))
        .fallback(async || error(StatusCode::NOT_FOUND, "there is no such route"))
        .layer(from_fn_with_state(gate, guard))
        .with_state(Arc::clone(server))
}

async fn guard(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.refusal(&request) {
        Some((status, why)) => error(status, why),
        None => next.run(request).await,
    }
}

async fn state(State(server): State<Arc<Server>>) -> Response {
    let (identity, load) = (&server.identity, server.engine.load());
    answer(
        StatusCode::OK,
        &json!({
            "phase": server.phase().to_string(),
            "ready": server.is_ready(),
            "model": identity.name, "version": identity.version, "revision": identity.revision, "pod": identity.pod,
            "seed": server.chance.seed(),
            "age": server.clocks.age().as_secs_f64(),
            "load_time": server.load_time().as_secs_f64(),
            "requests": server.requests_accepted(),
            "under_way": server.requests_under_way(),
            "running": load.running, "waiting": load.waiting, "kv_usage": load.kv_usage, "preemptions": load.preemptions,
            "leaked_bytes": server.leaked_bytes(),
            "faults": server.faults.snapshot().len(),
            "order_dependent": ["slots", "queue", "kv cache", "warm-up", "leak", "first", "after", "max", "rate_limit"],
        }),
    )
}

async fn profile(State(server): State<Arc<Server>>) -> Response {
    let version = server.identity.version.as_str();
    answer(
        StatusCode::OK,
        &json!({ "models": { version: serde_json::to_value(&server.profile).unwrap_or_default() } }),
    )
}

async fn list(State(server): State<Arc<Server>>) -> Response {
    let faults: Vec<_> = server.faults.snapshot().iter().map(|fault| shown(fault)).collect();
    answer(StatusCode::OK, &json!({ "faults": faults }))
}

async fn show(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Response {
    let faults = server.faults.snapshot();
    match faults.iter().find(|fault| fault.definition.id == id) {
        Some(fault) => answer(StatusCode::OK, &shown(fault)),
        None => unknown(&id),
    }
}

/// Adds one definition or a list of them: all or none.
async fn add(State(server): State<Arc<Server>>, request: Request) -> Response {
    let read = |node: &yaml::Node| match node.as_seq() {
        Some(_) => crate::file::faults(node),
        None => Definition::read(node, None).map(|fault| vec![fault]),
    };
    match read_body(&server, request).await.and_then(|node| read(&node).map_err(|problem| refused(&problem)))
    {
        Ok(definitions) => put_in_force(&server, definitions),
        Err(response) => *response,
    }
}

async fn put(State(server): State<Arc<Server>>, Path(id): Path<String>, request: Request) -> Response {
    let read = |node: &yaml::Node| Definition::read(node, Some(&id)).map_err(|problem| refused(&problem));
    match read_body(&server, request).await.and_then(|node| read(&node)) {
        Ok(definition) => put_in_force(&server, vec![definition]),
        Err(response) => *response,
    }
}

fn put_in_force(server: &Server, definitions: Vec<Definition>) -> Response {
    let ids: Vec<_> = definitions.iter().map(|definition| definition.id.clone()).collect();
    let before = server.faults.snapshot();
    let known = |id: &String| before.iter().any(|fault| fault.definition.id == *id);
    let status = if ids.iter().all(known) { StatusCode::OK } else { StatusCode::CREATED };
    match server.add_faults(definitions, Origin::Admin) {
        Ok(()) => {
            let faults = server.faults.snapshot();
            let added = faults.iter().filter(|fault| ids.contains(&fault.definition.id));
            answer(status, &json!({ "faults": added.map(|fault| shown(fault)).collect::<Vec<_>>() }))
        }
        Err(rejected @ (Rejected::TooLate(_) | Rejected::TooMany { .. })) => {
            error(StatusCode::CONFLICT, &rejected.to_string())
        }
        Err(rejected @ (Rejected::Twice(_) | Rejected::UnknownModel(_) | Rejected::UnknownMetric(_))) => {
            error(StatusCode::BAD_REQUEST, &rejected.to_string())
        }
    }
}

async fn remove(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Response {
    if !server.faults.remove(&id) {
        return unknown(&id);
    }
    server.refresh();
    StatusCode::NO_CONTENT.into_response()
}

async fn remove_all(State(server): State<Arc<Server>>) -> Response {
    let removed = server.faults.retain(|_| false);
    server.refresh();
    answer(StatusCode::OK, &json!({ "removed": removed }))
}

/// Removes what was added at run time; the faults of the file stay.
async fn reset(State(server): State<Arc<Server>>) -> Response {
    let removed = server.faults.retain(|fault| fault.origin == Origin::File);
    server.refresh();
    answer(StatusCode::OK, &json!({ "removed": removed }))
}

async fn journal(State(server): State<Arc<Server>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or("");
    let (mut after, mut limit) = (0, JOURNAL_PAGE);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let number = value.parse::<u64>().ok();
        match (name, number) {
            ("after", Some(number)) => after = number,
            ("limit", Some(number)) => limit = (number as usize).min(JOURNAL_PAGE),
            _ => {
                return error(StatusCode::BAD_REQUEST, "the journal takes `after=number` and `limit=number`");
            }
        }
    }
    answer(StatusCode::OK, &server.journal.page(after, limit))
}

async fn read_body(server: &Server, request: Request) -> Result<yaml::Node, Box<Response>> {
    let (head, content) = request.into_parts();
    let limits = Limits { body_bytes: BODY_BYTES, ..server.settings.limits };
    let bytes = body::read(server, limits, &head.headers, content).await.map_err(|failure| {
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::BAD_REQUEST);
        Box::new(error(status, &failure.message))
    })?;
    yaml::parse_one("request body", &bytes).map_err(|problem| refused(&problem))
}

fn refused(problem: &yaml::Problem) -> Box<Response> {
    Box::new(error(StatusCode::BAD_REQUEST, &problem.to_string()))
}

fn unknown(id: &str) -> Response {
    error(
        StatusCode::NOT_FOUND,
        &format!("no fault is called `{}`", id.chars().take(100).collect::<String>()),
    )
}

fn shown(fault: &InForce) -> Value {
    let origin = match fault.origin {
        Origin::File => "file",
        Origin::Admin => "admin",
    };
    json!({
        "id": fault.definition.id, "kind": fault.definition.effect.kind(), "definition": fault.definition.written,
        "origin": origin, "hits": fault.hit_count(),
        "expires_in": fault.expires_in().map(units::Duration::as_secs_f64),
    })
}

fn error(status: StatusCode, message: &str) -> Response {
    answer(status, &json!({ "error": message }))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_loopback_are_the_loopback() {
        for host in ["localhost", "localhost:8001", "127.0.0.1:8001", "127.1.2.3", "[::1]:8001", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in
            ["", "example.com", "localhost.example.com", "10.0.0.1:80", "[::2]", "127.0.0.1.example.com"]
        {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        let open = Gate::new("0.0.0.0:8001".parse().unwrap(), None).unwrap_err().to_string();
        assert!(open.contains("--admin-token-file"), "{open}");
        assert!(Gate::new("127.0.0.1:8001".parse().unwrap(), None).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let with = |token: &str| {
            std::fs::write(&file, token).unwrap();
            Gate::new("0.0.0.0:8001".parse().unwrap(), Some(&file))
        };
        assert!(with("short\n").unwrap_err().to_string().contains("shorter than 16"));
        assert!(with("0123456789abcdef\n").is_ok());
        let missing = Gate::new("0.0.0.0:8001".parse().unwrap(), Some(&folder.path().join("none")));
        assert!(missing.unwrap_err().to_string().contains("cannot be read"));
    }
}
