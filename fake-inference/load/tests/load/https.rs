//! Servers behind TLS, over sockets, certified by an authority of the tests.

use std::future::pending;
use std::sync::Arc;

use load::{Failure, Load, Outcome, Roots, Target, generate};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::scripted::{load, serve, stream};

const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");

/// A server at this port of the loopback, certified for `localhost` and 127.0.0.1.
async fn server() -> u16 {
    let certificates = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_slice(KEY).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Clients that do not trust it hang up here.
                if let Ok(transport) = acceptor.accept(connection).await {
                    serve(transport, Instant::now(), |_| stream(0, "42.")).await;
                }
            });
        }
    });
    port
}

async fn outcomes(url: &str, roots: &Roots) -> Vec<Outcome> {
    let load: Load = load(&Target::parse(url, roots).unwrap(), 200.0, 0.05);
    let mut seen = Vec::new();
    generate(&load, pending(), |arrival| match arrival {
        load::Arrival::Exchanged(exchange) => seen.push(exchange.outcome),
        load::Arrival::Dropped { .. } => panic!("ten requests fit"),
    })
    .await;
    seen
}

#[tokio::test]
async fn servers_behind_tls_are_asked_by_name_and_by_address() {
    let port = server().await;
    for host in ["localhost", "127.0.0.1"] {
        let outcomes = outcomes(&format!("https://{host}:{port}/v1"), &Roots::Pem(AUTHORITY.to_vec())).await;
        assert_eq!(outcomes.len(), 10);
        assert!(
            outcomes.iter().all(|it| matches!(it, Outcome::Complete { right: true, .. })),
            "{outcomes:?}"
        );
    }
}

#[tokio::test]
async fn servers_that_nobody_certifies_are_not_asked() {
    let port = server().await;
    let roots = Roots::Pem(include_bytes!("certificates/stranger.pem").to_vec());
    for outcome in outcomes(&format!("https://localhost:{port}"), &roots).await {
        let Outcome::Failed(Failure::Connect(why)) = outcome else { panic!("{outcome:?}") };
        assert!(why.contains("UnknownIssuer"), "{why}");
    }
}

#[test]
fn certificates_that_are_none_are_refused() {
    for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"] {
        let roots = Roots::Pem(pem.as_bytes().to_vec());
        let refused = Target::parse("https://localhost", &roots).unwrap_err().to_string();
        assert!(refused.contains("not PEM"), "{refused}");
    }
}
