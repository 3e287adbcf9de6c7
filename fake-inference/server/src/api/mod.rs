//! The serving port: the routes of OpenAI's API, health in several dialects, and the metrics.

mod account;
mod ask;
pub(crate) mod body;
mod error;
mod exchange;
mod health;
mod pages;
mod reply;
mod stream;

pub(crate) use error::Failure;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::Server;
use crate::connection::Link;

/// A route that answers with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Embeddings,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 3] = [Self::Chat, Self::Completions, Self::Embeddings];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Completions => "/v1/completions",
            Self::Embeddings => "/v1/embeddings",
        }
    }

    /// The one that this request is for. Asked before any router: it decides what an answer costs.
    fn of<B>(request: &hyper::Request<B>) -> Option<Self> {
        let path = request.uri().path();
        Self::ALL.into_iter().find(|endpoint| request.method() == Method::POST && endpoint.path() == path)
    }
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest identifier that a client may give a request.
pub(crate) const MAX_REQUEST_ID: usize = 128;

/// The routes of the serving port beside the model's own. No fault can be reached from here.
pub(crate) fn routes(server: &Arc<Server>) -> Router {
    let mut router = Router::new()
        .route("/v1/models", get(pages::models))
        .route("/v1/models/{id}", get(pages::model))
        .route("/tokenize", post(pages::tokenize))
        .route("/version", get(pages::version))
        .route("/metrics", get(pages::metrics))
        .route("/v2/models/{model}/ready", get(health::model_ready))
        .route("/v2/models/{model}/versions/{version}/ready", get(health::model_ready));
    for path in health::paths(&server.settings) {
        router = router.route(&path, get(health::health));
    }
    // Their one method does not come here.
    for endpoint in Endpoint::ALL {
        router = router.route(endpoint.path(), MethodRouter::new());
    }
    router.fallback(no_route).method_not_allowed_fallback(no_method).with_state(Arc::clone(server))
}

/// Answers a request: gives it its identifier, and every response the headers that say who answered.
pub(crate) async fn respond(
    server: Arc<Server>,
    router: Router,
    link: Link,
    request: hyper::Request<Incoming>,
) -> Response {
    let given = request.headers().get("x-request-id").cloned();
    let id = match given.as_ref().map(HeaderValue::to_str) {
        None => server.next_request_id(),
        Some(Ok(id)) if (1..=MAX_REQUEST_ID).contains(&id.len()) => id.into(),
        Some(_) => {
            let message = format!("X-Request-Id must be 1 to {MAX_REQUEST_ID} visible ASCII characters");
            let failure = Failure::invalid(message, None);
            return finished(&server, failure.response(&server), &server.next_request_id(), "none", "other");
        }
    };
    let (handler, method) = (handler(request.uri().path()), method(request.method()));
    let response = match Endpoint::of(&request) {
        Some(endpoint) => {
            exchange::answer(Arc::clone(&server), endpoint, Arc::clone(&id), link, request).await
        }
        None => routed(router, request.map(Body::new)).await,
    };
    finished(&server, response, &id, handler, method)
}

/// The response of a router.
pub(crate) async fn routed(router: Router, request: Request) -> Response {
    match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn finished(
    server: &Server,
    mut response: Response,
    id: &str,
    handler: &'static str,
    method: &'static str,
) -> Response {
    server.meters.response(handler, method, response.status().as_u16());
    let headers = response.headers_mut();
    for (name, value) in &server.who {
        headers.insert(name, value.clone());
    }
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    if server.lifecycle.is_draining() {
        // Whoever keeps its connections has to go to another pod.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn no_route(State(server): State<Arc<Server>>, request: Request) -> Response {
    Failure::no_route(request.method(), request.uri().path()).response(&server)
}

async fn no_method(State(server): State<Arc<Server>>, request: Request) -> Response {
    Failure::no_method(request.method(), request.uri().path()).response(&server)
}

/// The route of a path, for the counts: never what a client made up.
fn handler(path: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "/v1/chat/completions",
        "/v1/completions",
        "/v1/embeddings",
        "/v1/models",
        "/tokenize",
        "/version",
        "/metrics",
        "/health",
        "/ready",
    ];
    let known = KNOWN.into_iter().find(|known| *known == path);
    let under = |prefix: &str, name| path.starts_with(prefix).then_some(name);
    known
        .or_else(|| under("/v1/models/", "/v1/models/{id}"))
        .or_else(|| under("/v2/", "/v2"))
        .unwrap_or("none")
}

fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        _ => "other",
    }
}
