use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::{Failure, body};
use crate::Server;
use crate::answer::count_tokens;
use crate::metrics::Format;

pub(super) async fn models(State(server): State<Arc<Server>>) -> Response {
    json_page(&json!({ "object": "list", "data": [card(&server)] }))
}

pub(super) async fn model(State(server): State<Arc<Server>>, Path(id): Path<String>) -> Response {
    if id != server.identity.name {
        return Failure::unknown_model(&id).response(&server);
    }
    json_page(&card(&server))
}

pub(super) async fn version(State(server): State<Arc<Server>>) -> Response {
    let identity = &server.identity;
    json_page(&json!({
        "version": env!("CARGO_PKG_VERSION"), "model_version": identity.version, "model_revision": identity.revision,
    }))
}

/// vLLM's tokenizer route, with this server's tokens: their ids are their numbers in the prompt.
pub(super) async fn tokenize(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (head, content) = request.into_parts();
    let bytes = match body::read(&server, server.settings.limits, &head.headers, content).await {
        Ok(bytes) => bytes,
        Err(failure) => return failure.response(&server),
    };
    let prompt = serde_json::from_slice::<Value>(&bytes).ok();
    let Some(prompt) = prompt.as_ref().and_then(|value| value.get("prompt")?.as_str()) else {
        return Failure::invalid("`prompt` must be text.", Some("prompt")).response(&server);
    };
    let count = count_tokens(prompt);
    let ids: Vec<_> = (0..count).collect();
    json_page(&json!({ "count": count, "max_model_len": server.identity.max_sequence_length, "tokens": ids }))
}

pub(super) async fn metrics(State(server): State<Arc<Server>>, request: Request) -> Response {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let format = Format::wanted(accept);
    let scrape = server.scrape();
    if scrape.wait > units::Duration::ZERO {
        tokio::time::sleep(std::time::Duration::from_nanos(scrape.wait.as_nanos())).await;
    }
    if let Some(status) = scrape.status.and_then(|status| StatusCode::from_u16(status).ok()) {
        return status.into_response();
    }
    let mut response = Response::new(Body::from(format.page(&scrape.families)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    response
}

fn card(server: &Server) -> Value {
    let identity = &server.identity;
    json!({
        "id": identity.name,
        "object": "model",
        "created": server.clocks.started_unix_seconds() as u64,
        "owned_by": "rehearse",
        "root": identity.version,
        "parent": null,
        "max_model_len": identity.max_sequence_length,
        "quantization": identity.quantization,
    })
}

fn json_page(value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
