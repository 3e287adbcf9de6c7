use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use units::Duration;

use crate::Server;
use crate::settings::Dialect;

/// Why a request has no answer: a status, a message, and what the dialects say besides.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// The field of the request that is wrong.
    pub(crate) param: Option<String>,
    /// OpenAI's code.
    pub(crate) code: Option<&'static str>,
    pub(crate) retry_after: Option<Duration>,
    /// Requests and the time in which they are allowed, for the headers of a rate limit.
    pub(crate) limit: Option<(u32, Duration)>,
    /// Whether the connection cannot be used again.
    pub(crate) closes: bool,
}

impl Failure {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, message, param: None, code: None, retry_after: None, limit: None, closes: false }
    }

    /// 400: the request cannot be what it says.
    pub(crate) fn invalid(message: impl Into<String>, param: Option<&str>) -> Self {
        Self { param: param.map(str::to_owned), ..Self::new(400, message) }
    }

    pub(crate) fn no_route(method: &Method, path: &str) -> Self {
        Self::new(404, format!("Invalid URL ({method} {})", path.chars().take(200).collect::<String>()))
    }

    pub(crate) fn no_method(method: &Method, path: &str) -> Self {
        Self::new(405, format!("Not allowed to {method} on {path}"))
    }

    /// The same, to be tried again after this long.
    pub(crate) fn retry(self, after: Option<Duration>) -> Self {
        Self { retry_after: after, ..self }
    }

    /// What a fault that answers with this status says.
    pub(crate) fn injected(status: u16, model: &str) -> Self {
        match status {
            400 => Self::invalid("The request is invalid.", None),
            401 => Self { code: Some("invalid_api_key"), ..Self::new(401, "Incorrect API key provided.") },
            404 => Self::unknown_model(model),
            429 => Self { code: Some("rate_limit_exceeded"), ..Self::new(429, "Rate limit reached.") },
            503 => Self { code: Some("overloaded"), ..Self::new(503, "The engine is overloaded.") },
            504 => Self::new(504, "The upstream did not answer in time."),
            500 => Self::new(500, "The server had an error while processing your request."),
            other => Self::new(other, format!("The server answered with {other}.")),
        }
    }

    pub(crate) fn unknown_model(model: &str) -> Self {
        let shown: String = model.chars().take(200).collect();
        let message = format!("The model `{shown}` does not exist.");
        Self { code: Some("model_not_found"), param: Some("model".to_owned()), ..Self::new(404, message) }
    }

    pub(crate) fn overloaded(status: u16, message: &str, after: Duration) -> Self {
        let code = if status == 429 { "rate_limit_exceeded" } else { "overloaded" };
        Self { code: Some(code), ..Self::new(status, message) }.retry(Some(after))
    }

    /// The body in a dialect. 401 from vLLM is its middleware's, without a type.
    pub(crate) fn body(&self, dialect: Dialect) -> Value {
        let Self { status, message, param, .. } = self;
        match dialect {
            Dialect::Openai => json!({ "error": {
                "message": message, "type": self.openai_type(), "param": param, "code": self.code,
            }}),
            Dialect::Vllm | Dialect::VllmV0 if *status == 401 => json!({ "error": "Unauthorized" }),
            Dialect::Vllm => json!({ "error": {
                "message": message, "type": self.vllm_type(), "param": param, "code": status,
            }}),
            Dialect::VllmV0 => json!({
                "object": "error", "message": message, "type": self.vllm_type(), "param": param, "code": status,
            }),
            Dialect::Tgi => json!({ "error": message, "error_type": self.tgi_type() }),
        }
    }

    /// The response in the server's dialect.
    pub(crate) fn response(&self, server: &Server) -> Response {
        let status = match (server.settings.dialect, self.status) {
            (Dialect::Tgi, 400) => 422,
            (_, status) => status,
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(self.body(server.settings.dialect).to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_nanos().div_ceil(1_000_000_000)));
            headers.insert("retry-after-ms", HeaderValue::from(after.as_millis()));
        }
        if let Some((requests, per)) = self.limit {
            headers.insert("x-ratelimit-limit-requests", HeaderValue::from(requests));
            headers.insert("x-ratelimit-remaining-requests", HeaderValue::from(0));
            if let Ok(reset) = HeaderValue::from_str(&per.to_string()) {
                headers.insert("x-ratelimit-reset-requests", reset);
            }
        }
        if self.closes {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn openai_type(&self) -> &'static str {
        match self.status {
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        }
    }

    fn tgi_type(&self) -> &'static str {
        match self.status {
            429 => "overloaded",
            400..=499 => "validation",
            503 => "healthcheck",
            _ => "incomplete_generation",
        }
    }

    fn vllm_type(&self) -> &'static str {
        match self.status {
            404 => "NotFoundError",
            429 => "RateLimitError",
            400..=499 => "BadRequestError",
            503 => "ServiceUnavailableError",
            _ => "InternalServerError",
        }
    }
}
