use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Failure;
use crate::Server;
use crate::settings::{Dialect, HealthRule, Settings};

/// What decides each health route unless the settings say otherwise.
const DEFAULTS: [(&str, HealthRule); 10] = [
    ("/health", HealthRule::Engine),
    ("/ping", HealthRule::Engine),
    ("/health_generate", HealthRule::Engine),
    ("/livez", HealthRule::Process),
    ("/healthz", HealthRule::Process),
    ("/v2/health/live", HealthRule::Process),
    ("/ready", HealthRule::Ready),
    ("/readyz", HealthRule::Ready),
    ("/health/ready", HealthRule::Ready),
    ("/v2/health/ready", HealthRule::Ready),
];

/// The paths of all health routes.
pub(super) fn paths(settings: &Settings) -> BTreeSet<String> {
    let defaults = DEFAULTS.iter().map(|(path, _)| (*path).to_owned());
    defaults.chain(settings.health.keys().cloned()).collect()
}

pub(super) async fn health(State(server): State<Arc<Server>>, request: Request) -> Response {
    let path = request.uri().path();
    let default = DEFAULTS.iter().find(|(known, _)| *known == path).map(|(_, rule)| *rule);
    let rule = server.settings.health.get(path).copied().or(default).unwrap_or(HealthRule::Ready);
    answer(&server, rule)
}

/// `/v2/models/{model}/ready` of KServe's and Triton's protocol; 404 for a model that is not this one.
pub(super) async fn model_ready(
    State(server): State<Arc<Server>>,
    Path(parts): Path<Vec<String>>,
) -> Response {
    let identity = &server.identity;
    let wanted = [&identity.name, &identity.version];
    match parts.iter().zip(wanted).find(|(asked, is)| asked != is) {
        Some((asked, _)) => {
            let failure = Failure::unknown_model(asked);
            (StatusCode::NOT_FOUND, format!("{{\"error\":{:?}}}", failure.message)).into_response()
        }
        None => answer(&server, HealthRule::Ready),
    }
}

fn answer(server: &Server, rule: HealthRule) -> Response {
    let healthy = match rule {
        HealthRule::Process => true,
        HealthRule::Engine => server.is_ready(),
        HealthRule::Ready => server.is_ready() && !server.lifecycle.is_draining(),
    };
    match (healthy, server.settings.dialect) {
        (true, _) => StatusCode::OK.into_response(),
        (false, Dialect::Tgi) => Failure::new(503, "unhealthy").response(server),
        (false, Dialect::Openai | Dialect::Vllm | Dialect::VllmV0) => {
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
