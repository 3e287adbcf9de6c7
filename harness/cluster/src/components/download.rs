//! Fetching a file by HTTPS.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{LOCATION, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;

use super::folder::LARGEST_MANIFEST;

/// How long a file may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// How often a server may send on to another address.
const REDIRECTS: usize = 5;

/// Fetches a file; proxies as `HTTPS_PROXY` and `NO_PROXY` say.
///
/// # Errors
/// Why it cannot be fetched.
pub(super) async fn get(url: &str) -> Result<Vec<u8>, String> {
    get_by(url, &Matcher::from_env()).await
}

async fn get_by(url: &str, proxies: &Matcher) -> Result<Vec<u8>, String> {
    let fetched = tokio::time::timeout(DEADLINE, follow(url, proxies)).await;
    fetched.unwrap_or_else(|_| Err(format!("no answer within {} s", DEADLINE.as_secs())))
}

async fn follow(url: &str, proxies: &Matcher) -> Result<Vec<u8>, String> {
    let mut address = url.to_owned();
    for _ in 0..=REDIRECTS {
        let uri: Uri = address.parse().map_err(|_| format!("`{address}` is no address"))?;
        if uri.scheme_str() != Some("https") {
            return Err(format!("`{address}` is not https"));
        }
        let response = ask(uri, proxies).await?;
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(LOCATION).and_then(|it| it.to_str().ok());
            address = location.ok_or_else(|| format!("{status} without an address"))?.to_owned();
        } else if status.is_success() {
            let most = usize::try_from(LARGEST_MANIFEST).unwrap_or(usize::MAX);
            let body = Limited::new(response.into_body(), most).collect().await;
            return Ok(body.map_err(|error| told(error.as_ref()))?.to_bytes().to_vec());
        } else {
            return Err(format!("{address} answers {status}"));
        }
    }
    Err(format!("more than {REDIRECTS} redirects"))
}

async fn ask(uri: Uri, proxies: &Matcher) -> Result<Response<Incoming>, String> {
    let agent = concat!("rehearse/", env!("CARGO_PKG_VERSION"));
    let request = Request::get(uri.clone()).header(USER_AGENT, agent).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| error.to_string())?;
    let mut direct = HttpConnector::new();
    direct.enforce_http(false);
    let sent = match proxies.intercept(&uri) {
        None => client(tls(direct)?).request(request).await,
        Some(proxy) => {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), direct);
            if let Some(login) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(login.clone());
            }
            client(tls(tunnel)?).request(request).await
        }
    };
    sent.map_err(|error| told(&error))
}

fn client<C>(connector: C) -> Client<C, Empty<Bytes>>
where
    C: hyper_util::client::legacy::connect::Connect + Clone,
{
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The provider is named, so that no default of the process is needed.
fn tls<C>(connector: C) -> Result<HttpsConnector<C>, String> {
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider());
    let builder = builder.map_err(|error| format!("this machine has no root certificates: {error}"))?;
    Ok(builder.https_only().enable_http1().wrap_connector(connector))
}

/// An error with its causes: hyper's own texts leave those out.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_https_is_fetched() {
        let why = get("http://127.0.0.1/install.yaml").await.unwrap_err();
        assert_eq!(why, "`http://127.0.0.1/install.yaml` is not https");
        assert!(get("nonsense\u{0}").await.is_err());
    }

    #[tokio::test]
    async fn a_proxy_is_asked_where_one_is_set() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 1024];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        };
        let proxies = Matcher::builder().https(proxy).build();
        let (asked, fetched) = tokio::join!(serve, get_by("https://example.invalid/install.yaml", &proxies));
        assert!(asked.starts_with("CONNECT example.invalid:443 HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_lowercase().contains("proxy-authorization: basic dxnlcjpzzwnyzxq="), "{asked}");
        assert!(fetched.is_err());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_the_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let why = get_by(&format!("https://{address}/x"), &Matcher::builder().build()).await.unwrap_err();
        assert!(why.to_lowercase().contains("connection refused"), "{why}");
    }
}
