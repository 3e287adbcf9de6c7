use std::collections::BTreeMap;

use axum::http::HeaderMap;
use serde::Deserialize;
use units::Ratio;

use crate::{Chance, Identity};

/// Whom a fault hits: everything that is given must hold.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct Scope {
    /// The model's name.
    pub model: Option<String>,
    /// The model's version.
    pub version: Option<String>,
    /// The model's revision.
    pub revision: Option<String>,
    /// The role that the pod started with.
    pub role: Option<String>,
    /// The pod's name.
    pub pod: Option<String>,
    /// The request's path.
    pub path: Option<String>,
    /// Headers of the request and their exact values.
    pub header: BTreeMap<String, String>,
    /// Whether the request asks for a stream.
    pub stream: Option<bool>,
    /// The length of the prompt.
    pub prompt_tokens: Option<TokenRange>,
    /// A share of the users, by the request's `user`.
    pub users: Option<Ratio>,
}

/// A range of prompt lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping")]
pub struct TokenRange {
    /// More than this many.
    pub above: Option<u32>,
    /// At most this many.
    pub up_to: Option<u32>,
}

/// What a fault's scope can look at in a request.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The request's identifier.
    pub request: &'a str,
    /// The path.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Whether the answer is text.
    pub text: bool,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// The length of the prompt.
    pub prompt_tokens: u32,
    /// The user that the request names.
    pub user: &'a str,
}

impl Scope {
    /// Whether this process is one that the fault is for.
    pub(crate) fn holds_server(&self, identity: &Identity) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        is(&self.model, &identity.name)
            && is(&self.version, &identity.version)
            && is(&self.revision, &identity.revision)
            && is(&self.role, &identity.role)
            && is(&self.pod, &identity.pod)
    }

    /// Whether this request is one that the fault is for. `fault` is its id, so that each fault has its
    /// own share of users.
    pub(crate) fn holds_request(&self, facts: &Facts<'_>, chance: Chance, fault: &str) -> bool {
        let tokens = self.prompt_tokens.unwrap_or_default();
        self.path.as_deref().is_none_or(|path| path == facts.path)
            && self.stream.is_none_or(|stream| stream == facts.stream)
            && tokens.above.is_none_or(|above| facts.prompt_tokens > above)
            && tokens.up_to.is_none_or(|up_to| facts.prompt_tokens <= up_to)
            && self.header.iter().all(|(name, value)| {
                facts.headers.get_all(name.as_str()).iter().any(|given| given.as_bytes() == value.as_bytes())
            })
            && self
                .users
                .is_none_or(|share| chance.uniform(facts.user, &format!("{fault}/users")) < share.as_f64())
    }

    /// The first selector that looks at a request.
    pub(crate) fn request_selector(&self) -> Option<&'static str> {
        let selectors = [
            (self.path.is_some(), "path"),
            (!self.header.is_empty(), "header"),
            (self.stream.is_some(), "stream"),
            (self.prompt_tokens.is_some(), "prompt_tokens"),
            (self.users.is_some(), "users"),
        ];
        selectors.into_iter().find(|(given, _)| *given).map(|(_, name)| name)
    }

    /// What cannot be, by name.
    pub(crate) fn check(&self) -> Result<(), String> {
        for name in self.header.keys() {
            if axum::http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                return Err(format!("`where.header` has `{name}`, which is not a header's name"));
            }
        }
        match self.path.as_deref() {
            Some(path) if !path.starts_with('/') => {
                Err(format!("`where.path` is `{path}`; a path begins with /"))
            }
            _ => Ok(()),
        }
    }
}
