//! Providers that ask something outside of the pipeline: an HTTP server, a Kubernetes Job.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use super::super::values::nullable;
use super::Header;

/// An HTTP request (`WebMetric`).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
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
    #[serde(default, deserialize_with = "credentials")]
    pub authentication: Option<Json>,
}

/// Reads credentials; Go writes none as two empty kinds of them.
pub(super) fn credentials<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    let is_empty = |kind: &Json| kind.as_object().is_some_and(serde_json::Map::is_empty);
    let written = Option::<Json>::deserialize(deserializer)?;
    Ok(written.filter(|written| !written.as_object().is_some_and(|kinds| kinds.values().all(is_empty))))
}

/// A Kubernetes Job (`JobMetric`), as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
pub struct Job {
    /// Its labels and annotations.
    #[serde(default)]
    pub metadata: Option<Json>,
    /// What runs.
    pub spec: Json,
}

impl Web {
    /// The URL at which a token is asked for, where the request has credentials of OAuth2; with it whether
    /// both of the client's credentials are there.
    pub fn oauth2(&self) -> Option<(&str, bool)> {
        let oauth2 = self.authentication.as_ref()?.get("oauth2")?;
        let text = |key: &str| oauth2.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
        Some((text("tokenUrl")?, text("clientId").is_some() && text("clientSecret").is_some()))
    }
}

impl Job {
    /// When its pods are started again (`spec.template.spec.restartPolicy`).
    pub fn restart_policy(&self) -> &str {
        let written = self.spec.pointer("/template/spec/restartPolicy").and_then(Json::as_str);
        written.unwrap_or("Always")
    }
}
