//! Providers that ask something outside of the pipeline: an HTTP server, a Kubernetes Job.

use serde::Deserialize;
use serde_json::Value as Json;

use super::super::values::nullable;
use super::{Argument, Header, resolve_text};

/// An HTTP request (`WebMetric`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Web {
    /// GET where it is empty.
    #[serde(default, deserialize_with = "nullable")]
    pub method: String,
    /// The URL.
    #[serde(default, deserialize_with = "nullable")]
    pub url: String,
    /// HTTP headers.
    #[serde(default, deserialize_with = "nullable")]
    pub headers: Vec<Header>,
    /// The body, a text.
    #[serde(default, deserialize_with = "nullable")]
    pub body: String,
    /// The body as JSON, in place of the text.
    #[serde(default)]
    pub json_body: Option<Json>,
    /// Seconds until the request has failed; 10 where it is 0 or less.
    #[serde(default, deserialize_with = "nullable")]
    pub timeout_seconds: i64,
    /// Which part of the response is measured; all of it where this is empty.
    #[serde(default, deserialize_with = "nullable")]
    pub json_path: String,
    /// Whether certificates go unchecked.
    #[serde(default, deserialize_with = "nullable")]
    pub insecure: bool,
    /// Credentials.
    #[serde(default)]
    pub authentication: Option<Json>,
}

/// A Kubernetes Job (`JobMetric`), as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Job {
    /// Its labels and annotations.
    #[serde(default)]
    pub metadata: Option<Json>,
    /// What runs.
    pub spec: Json,
}

impl Web {
    /// Puts arguments into every text.
    pub(super) fn resolve(&mut self, arguments: &[Argument]) -> Result<(), String> {
        let mut texts = vec![&mut self.method, &mut self.url, &mut self.body, &mut self.json_path];
        for header in &mut self.headers {
            texts.extend([&mut header.key, &mut header.value]);
        }
        for text in texts {
            *text = resolve_text(text, arguments)?;
        }
        let parts = self.json_body.iter_mut().chain(&mut self.authentication);
        parts.into_iter().try_for_each(|json| resolve_json(json, arguments))
    }

    /// The URL at which a token is asked for, where the request has credentials of OAuth2; with it whether
    /// both of the client's credentials are there.
    pub fn oauth2(&self) -> Option<(&str, bool)> {
        let oauth2 = self.authentication.as_ref()?.get("oauth2")?;
        let text = |key: &str| oauth2.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        Some((text("tokenUrl")?, text("clientId").is_some() && text("clientSecret").is_some()))
    }
}

impl Job {
    /// Puts arguments into every text.
    pub(super) fn resolve(&mut self, arguments: &[Argument]) -> Result<(), String> {
        let parts = self.metadata.iter_mut().chain([&mut self.spec]);
        parts.into_iter().try_for_each(|json| resolve_json(json, arguments))
    }

    /// When its pods are started again (`spec.template.spec.restartPolicy`).
    pub fn restart_policy(&self) -> &str {
        let written = self.spec.pointer("/template/spec/restartPolicy").and_then(Json::as_str);
        written.unwrap_or("Always")
    }
}

fn resolve_json(json: &mut Json, arguments: &[Argument]) -> Result<(), String> {
    match json {
        Json::String(text) => *text = resolve_text(text, arguments)?,
        Json::Array(items) => {
            for item in items {
                resolve_json(item, arguments)?;
            }
        }
        Json::Object(fields) => {
            for (name, mut value) in std::mem::take(fields) {
                resolve_json(&mut value, arguments)?;
                fields.insert(resolve_text(&name, arguments)?, value);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
    Ok(())
}
