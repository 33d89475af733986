//! TLS as a client: opportunistic between mail hosts, verified where a password or a policy is at stake.
//!
//! Opportunistic TLS (RFC 7435) takes any certificate, since the alternative is clear text; whether the certificate
//! was right is found out all the same, so that the delivery log can say it.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

/// What is demanded of the other side's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Any certificate will do.
    Any,
    /// A public authority vouches for the name.
    Right,
}

/// Whether the certificate of one connection was right; known after its handshake.
#[derive(Debug, Clone, Default)]
pub struct Finding(Arc<OnceLock<bool>>);

impl Finding {
    /// Whether a public authority vouches for the name that was asked for.
    #[must_use]
    pub fn was_right(&self) -> bool {
        self.0.get().copied().unwrap_or(false)
    }
}

/// A connector for one connection, and where its finding will stand.
///
/// # Errors
/// Only when rustls' own tables contradict each other.
pub fn connector(demand: Demand) -> Result<(TlsConnector, Finding), rustls::Error> {
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(), Arc::clone(&provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))?;
    let finding = Finding::default();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier {
            inner: verifier,
            demand,
            finding: finding.clone(),
        }))
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(config)), finding))
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

fn roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    Arc::clone(ROOTS.get_or_init(|| {
        Arc::new(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        })
    }))
}

/// Verifies as the web does and notes the outcome; handshake signatures always count.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    demand: Demand,
    finding: Finding,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        // Set once a handshake; a second handshake does not happen on one connection.
        let _already = self.finding.0.set(verdict.is_ok());
        match self.demand {
            Demand::Any => Ok(ServerCertVerified::assertion()),
            Demand::Right => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
