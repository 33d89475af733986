//! TLS of every listener: one set of certificates, chosen by the name the client asks for, reloaded while running.
//!
//! TLS 1.2 and 1.3 with rustls' own suites. ALPN tells the doors apart (RFC 7301; RFC 9325 3.9): a client that offers
//! protocols and not ours is refused, so that a browser cannot be led to speak to a mail port or the reverse. A client
//! that offers none, as most mail programs, goes on.
//!
//! Certificates come from the settings, or, while none is named, from [`Certificate::self_signed`]. A file that
//! cannot be read at reload leaves the old certificate in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant as StdInstant, SystemTime};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig};
use time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_util::sync::CancellationToken;

use super::certificate::{Certificate, CertificateError};
use super::deadline::until;
use super::line::WireError;
use crate::config;

/// What is spoken inside TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inside {
    /// HTTP/2 and HTTP/1.1.
    Http,
    /// SMTP and submission.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
}

impl Inside {
    /// The names in ALPN.
    fn alpn(self) -> Vec<Vec<u8>> {
        let names: &[&[u8]] = match self {
            Self::Http => &[b"h2", b"http/1.1"],
            Self::Smtp => &[b"smtp", b"submission"],
            Self::Imap => &[b"imap"],
            Self::Pop3 => &[b"pop3"],
        };
        names.iter().map(|name| name.to_vec()).collect()
    }
}

/// How a connection is protected, for trace fields and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The suite by its IANA name.
    pub cipher: String,
}

impl TlsInfo {
    /// What was agreed on.
    #[must_use]
    pub fn of(stream: &TlsStream<TcpStream>) -> Self {
        let (_, state) = stream.get_ref();
        let version = match state.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        };
        let cipher = state
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .unwrap_or("unknown");
        // rustls marks the suites of 1.3 in their names, the registry does not.
        Self {
            version,
            cipher: cipher.replace("TLS13_", "TLS_"),
        }
    }
}

/// The TLS side of all listeners; clones share certificates.
#[derive(Debug, Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: config::Tls,
    /// Where self-signed certificates are kept.
    folder: PathBuf,
    hostname: String,
    provider: Arc<CryptoProvider>,
    certificates: Arc<RwLock<Certificates>>,
    http: Arc<ServerConfig>,
    smtp: Arc<ServerConfig>,
    imap: Arc<ServerConfig>,
    pop3: Arc<ServerConfig>,
}

#[derive(Debug)]
struct Certificates {
    /// From the settings, or the host's own; the first answers clients that ask for no name of ours.
    main: Vec<Certificate>,
    /// Self-signed ones of mail domains, by domain.
    domains: HashMap<String, Certificate>,
    stamps: Vec<Stamp>,
}

/// A file's last change, as far as it can be seen.
type Stamp = (PathBuf, Option<(SystemTime, u64)>);

impl Tls {
    /// Reads the certificates of the settings, or makes one for `hostname` in the data folder.
    ///
    /// # Errors
    /// [`CertificateError`] names the file that cannot be used.
    pub fn open(
        settings: &config::Tls,
        data_dir: &Path,
        hostname: &str,
    ) -> Result<Self, CertificateError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let folder = data_dir.join("tls");
        let main = read_main(settings, &folder, hostname, &provider)?;
        let certificates = Arc::new(RwLock::new(Certificates {
            main,
            domains: HashMap::new(),
            stamps: stamps(settings),
        }));
        let server = |inside| server_config(inside, &provider, &certificates);
        let (http, smtp) = (server(Inside::Http)?, server(Inside::Smtp)?);
        let (imap, pop3) = (server(Inside::Imap)?, server(Inside::Pop3)?);
        Ok(Self {
            shared: Arc::new(Shared {
                settings: settings.clone(),
                folder,
                hostname: hostname.to_owned(),
                provider,
                certificates,
                http,
                smtp,
                imap,
                pop3,
            }),
        })
    }

    /// The acceptor for one kind of listener.
    #[must_use]
    pub fn acceptor(&self, inside: Inside) -> TlsAcceptor {
        let config = match inside {
            Inside::Http => &self.shared.http,
            Inside::Smtp => &self.shared.smtp,
            Inside::Imap => &self.shared.imap,
            Inside::Pop3 => &self.shared.pop3,
        };
        TlsAcceptor::from(Arc::clone(config))
    }

    /// The handshake's deadline, from now.
    #[must_use]
    pub fn handshake_deadline(&self) -> Instant {
        Instant::now() + self.shared.settings.handshake_timeout
    }

    /// Makes the handshake of a listener that is TLS from the first octet.
    ///
    /// # Errors
    /// [`WireError::TooSlow`] after the handshake's time; [`WireError::Io`] when it fails.
    pub async fn accept(
        &self,
        stream: TcpStream,
        inside: Inside,
    ) -> Result<tokio_rustls::server::TlsStream<TcpStream>, WireError> {
        until(
            self.handshake_deadline(),
            self.acceptor(inside).accept(stream),
        )
        .await?
        .map_err(WireError::Io)
    }

    /// Has a certificate for each mail domain: makes self-signed ones while the operator has named none at all.
    ///
    /// # Errors
    /// [`CertificateError`] when one cannot be made or kept.
    pub fn cover(&self, domains: &[String]) -> Result<(), CertificateError> {
        if !self.shared.settings.certificates.is_empty() {
            return Ok(());
        }
        let mut made = HashMap::new();
        for domain in domains {
            let certificate =
                Certificate::self_signed(domain, &self.shared.folder, &self.shared.provider)?;
            made.insert(domain.clone(), certificate);
        }
        write(&self.shared.certificates).domains = made;
        Ok(())
    }

    /// Reads the files again. A file that cannot be used is logged, and all old certificates stay.
    pub fn reload(&self) {
        let shared = &self.shared;
        let stamps = stamps(&shared.settings);
        match read_main(
            &shared.settings,
            &shared.folder,
            &shared.hostname,
            &shared.provider,
        ) {
            Ok(main) => {
                let mut certificates = write(&shared.certificates);
                certificates.main = main;
                certificates.stamps = stamps;
                tracing::info!("certificates read again");
            }
            Err(error) => {
                write(&shared.certificates).stamps = stamps;
                tracing::error!("certificates stay as they were: {}", super::chain(&error));
            }
        }
    }

    /// Reloads when a file changes, and warns each day of a certificate near its end, until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        let mut warned: Option<StdInstant> = None;
        loop {
            if stamps(&self.shared.settings) != read(&self.shared.certificates).stamps {
                self.reload();
            }
            if warned.is_none_or(|at| at.elapsed() > A_DAY) {
                warned = Some(StdInstant::now());
                self.warn_of_ends();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.shared.settings.reload) => {}
            }
        }
    }

    fn warn_of_ends(&self) {
        let near = read(&self.shared.certificates)
            .main
            .iter()
            .any(|certificate| certificate.ends_within(NEAR_END));
        if !near {
            return;
        }
        if self.shared.settings.certificates.is_empty() {
            // One of our own is simply made anew.
            self.reload();
        } else {
            tracing::warn!("a certificate ends within 14 days");
        }
    }
}

fn read_main(
    settings: &config::Tls,
    folder: &Path,
    hostname: &str,
    provider: &CryptoProvider,
) -> Result<Vec<Certificate>, CertificateError> {
    if settings.certificates.is_empty() {
        return Ok(vec![Certificate::self_signed(hostname, folder, provider)?]);
    }
    settings
        .certificates
        .iter()
        .map(|files| Certificate::read(&files.cert, &files.key, provider))
        .collect()
}

fn stamps(settings: &config::Tls) -> Vec<Stamp> {
    settings
        .certificates
        .iter()
        .flat_map(|files| [&files.cert, &files.key])
        .map(|path| {
            let seen =
                std::fs::metadata(path).and_then(|found| Ok((found.modified()?, found.len())));
            (path.clone(), seen.ok())
        })
        .collect()
}

fn server_config(
    inside: Inside,
    provider: &Arc<CryptoProvider>,
    certificates: &Arc<RwLock<Certificates>>,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| CertificateError::NoMatch {
            path: PathBuf::new(),
            source,
        })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(Arc::clone(certificates))));
    config.alpn_protocols = inside.alpn();
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct Resolver(Arc<RwLock<Certificates>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = read(&self.0);
        certificates.choose(hello.server_name())
    }
}

impl Certificates {
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let first = self.main.first();
        let chosen = match name.and_then(|name| Some((name, ServerName::try_from(name).ok()?))) {
            Some((text, name)) => self
                .main
                .iter()
                .find(|certificate| certificate.is_for(&name))
                .or_else(|| self.domains.get(text))
                .or_else(|| {
                    text.split_once('.')
                        .and_then(|(_, parent)| self.domains.get(parent))
                })
                .or(first),
            None => first,
        };
        chosen.map(|certificate| Arc::clone(&certificate.key))
    }
}

fn read(certificates: &RwLock<Certificates>) -> std::sync::RwLockReadGuard<'_, Certificates> {
    certificates.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(certificates: &RwLock<Certificates>) -> std::sync::RwLockWriteGuard<'_, Certificates> {
    certificates.write().unwrap_or_else(PoisonError::into_inner)
}

const NEAR_END: Duration = Duration::days(14);
const A_DAY: std::time::Duration = std::time::Duration::from_hours(24);
