//! Whom to trust behind `https`.

use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The certificate authorities that certify servers.
#[derive(Debug, Clone, Default)]
pub enum Roots {
    /// The machine's, or those that the environment variable `SSL_CERT_FILE` names.
    #[default]
    System,
    /// These certificates in PEM alone.
    Pem(Vec<u8>),
}

/// There is nobody to trust.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// The machine has no certificates.
    #[error(
        "no root certificates were found on this machine{0}; set SSL_CERT_FILE, or name a file of certificates"
    )]
    NoneFound(String),
    /// The file holds none.
    #[error("the certificates of the authority are not PEM: {0}")]
    NotPem(String),
}

/// A connector for HTTP/1.1 over TLS 1.2 and 1.3.
pub(crate) fn connector(roots: &Roots) -> Result<TlsConnector, BadRoots> {
    let store = match roots {
        Roots::System => system()?,
        Roots::Pem(pem) => given(pem)?,
    };
    // The provider is named, so that no default of the process is needed.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of both protocol versions");
    let mut config = config.with_root_certificates(store).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn system() -> Result<RootCertStore, BadRoots> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(BadRoots::NoneFound(why));
    }
    Ok(store)
}

fn given(pem: &[u8]) -> Result<RootCertStore, BadRoots> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| BadRoots::NotPem(error.to_string()))?;
        store.add(certificate).map_err(|error| BadRoots::NotPem(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(BadRoots::NotPem("it holds no certificate".to_owned()));
    }
    Ok(store)
}
