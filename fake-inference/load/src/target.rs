//! Whom to ask: the base URL of an OpenAI-compatible server.

use std::fmt;
use std::sync::Arc;

use hyper::Uri;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use tokio::io::DuplexStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{self, BadRoots, Roots};

/// An OpenAI-compatible server: its base URL, with or without the `/v1` at its end.
#[derive(Clone)]
pub struct Target {
    url: String,
    /// The value of the `Host` header.
    pub(crate) authority: HeaderValue,
    /// The path of the API, ending in `/v1`.
    api: String,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) dial: Dial,
}

/// How a connection is made.
#[derive(Clone)]
pub(crate) enum Dial {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, connector: TlsConnector },
    Memory(Arc<dyn Fn() -> DuplexStream + Send + Sync>),
}

/// Why a URL does not name a server.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    /// It is not a URL.
    #[error("`{url}` is not a URL: {why}; write for example http://127.0.0.1:8000")]
    NotAUrl {
        /// What was written.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// It has a part that has no meaning here.
    #[error("`{url}` has {part}, which a base URL must not have")]
    Part {
        /// What was written.
        url: String,
        /// The part.
        part: &'static str,
    },
    /// The key cannot be sent in a header.
    #[error("the key has characters that a header cannot carry")]
    Key(#[from] InvalidHeaderValue),
    /// There are no usable root certificates.
    #[error(transparent)]
    Roots(#[from] BadRoots),
}

impl Target {
    /// Reads a base URL. `https` servers must be certified by one of `roots`.
    ///
    /// # Errors
    /// A text that is no `http` or `https` URL, user names, queries, or no root certificates for `https`.
    pub fn parse(url: &str, roots: &Roots) -> Result<Self, BadTarget> {
        let wrong = |why: &str| BadTarget::NotAUrl { url: url.to_owned(), why: why.to_owned() };
        let extra = |part| BadTarget::Part { url: url.to_owned(), part };
        if url.contains('#') {
            return Err(extra("a fragment"));
        }
        let uri: Uri = url.parse().map_err(|error| wrong(&format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(wrong("its scheme is neither http nor https")),
            None => return Err(wrong("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(extra("a user name"));
        }
        if uri.query().is_some() {
            return Err(extra("a query"));
        }
        if authority.host().is_empty() {
            return Err(wrong("it has no host"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, digits)) if !digits.ends_with(']') => {
                authority.port_u16().ok_or_else(|| wrong("its port is not a number up to 65535"))?
            }
            Some(_) | None if secure => 443,
            Some(_) | None => 80,
        };
        let dial = if secure {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| wrong("its host is no name for TLS"))?;
            Dial::Tls { host, port, name, connector: tls::connector(roots)? }
        } else {
            Dial::Tcp { host, port }
        };
        let path = uri.path().trim_end_matches('/');
        let api = if path.ends_with("/v1") { path.to_owned() } else { format!("{path}/v1") };
        Ok(Self {
            url: url.to_owned(),
            authority: HeaderValue::from_str(authority.as_str())?,
            api,
            authorization: None,
            dial,
        })
    }

    /// A server in the same process: `connect` gives the client's end of each new connection.
    pub fn in_memory(connect: impl Fn() -> DuplexStream + Send + Sync + 'static) -> Self {
        Self {
            url: "memory".to_owned(),
            authority: HeaderValue::from_static("memory"),
            api: "/v1".to_owned(),
            authorization: None,
            dial: Dial::Memory(Arc::new(connect)),
        }
    }

    /// The same server, asked with this key as bearer token.
    ///
    /// # Errors
    /// A key that a header cannot carry.
    pub fn with_key(mut self, key: &str) -> Result<Self, BadTarget> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim()))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// The URL as it was written.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The path of a resource of the API.
    pub(crate) fn path(&self, resource: &str) -> String {
        format!("{}/{resource}", self.api)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({})", self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, String, u16), String> {
        let authority = include_bytes!("../tests/load/certificates/authority.pem");
        let target =
            Target::parse(url, &Roots::Pem(authority.to_vec())).map_err(|error| error.to_string())?;
        match &target.dial {
            Dial::Tcp { host, port } | Dial::Tls { host, port, .. } => {
                Ok((target.path("models"), host.clone(), *port))
            }
            Dial::Memory(_) => unreachable!(),
        }
    }

    #[test]
    fn a_base_url_is_taken_with_and_without_its_version() {
        let table = [
            ("http://127.0.0.1:8000", "/v1/models", "127.0.0.1", 8000),
            ("http://127.0.0.1:8000/", "/v1/models", "127.0.0.1", 8000),
            ("http://model-serving", "/v1/models", "model-serving", 80),
            ("https://example.com/v1", "/v1/models", "example.com", 443),
            ("http://[::1]:8000/openai/v1/", "/openai/v1/models", "::1", 8000),
            ("http://[::1]/gateway", "/gateway/v1/models", "::1", 80),
        ];
        for (url, path, host, port) in table {
            assert_eq!(read(url), Ok((path.to_owned(), host.to_owned(), port)), "{url}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        let table = [
            ("127.0.0.1:8000", "http://"),
            ("localhost", "http://"),
            ("ftp://example.com", "neither http nor https"),
            ("http://user:secret@example.com", "a user name"),
            ("http://example.com/v1?key=1", "a query"),
            ("http://example.com/v1#top", "a fragment"),
            ("http://example.com:99999", "port"),
            ("http://", "not a URL"),
            ("", "not a URL"),
        ];
        for (url, expected) in table {
            let told = read(url).unwrap_err();
            assert!(told.contains(expected), "{url}: {told}");
        }
    }
}
