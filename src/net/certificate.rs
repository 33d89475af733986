//! Certificates: read from PEM files, made by ourselves where there is none, asked for their names and their end.
//!
//! A self-signed certificate lets a host start at once; browsers and mail programs ask their users about it. It is
//! kept in the data folder, one a name, so that adding a mail domain changes no certificate somebody has accepted.
//! The end of a certificate is read by a small walk over its DER (RFC 5280 4.1); everything else is rustls' work.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// A chain with its key, ready for handshakes.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// What rustls needs.
    pub key: Arc<CertifiedKey>,
    /// When it ends; none when its own words cannot be read.
    pub not_after: Option<OffsetDateTime>,
}

/// Why a certificate cannot be used. Each text names the file.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("certificate file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no PEM of the right kind.
    #[error("{path} holds no {what} in PEM form")]
    NoPem {
        /// The file.
        path: PathBuf,
        /// Certificate or private key.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or the key's kind is unknown.
    #[error("the certificate {path} cannot be used with its key")]
    NoMatch {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// A certificate of our own cannot be made.
    #[error("cannot make a certificate for {name}")]
    NotMade {
        /// The host name.
        name: String,
        /// What rcgen said.
        #[source]
        source: rcgen::Error,
    },
}

impl Certificate {
    /// Reads a chain and its key from two PEM files (they may be the same).
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn read(
        chain: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| CertificateError::File {
                path: path.to_owned(),
                source,
            })
        };
        let no_pem = |path: &Path, what| CertificateError::NoPem {
            path: path.to_owned(),
            what,
        };
        let certificates = CertificateDer::pem_slice_iter(&read(chain)?)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| no_pem(chain, "certificate"))?;
        let Some(own) = certificates.first() else {
            return Err(no_pem(chain, "certificate"));
        };
        let not_after = not_after(own);
        let secret =
            PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|_| no_pem(key, "private key"))?;
        let certified =
            CertifiedKey::from_der(certificates, secret, provider).map_err(|source| {
                CertificateError::NoMatch {
                    path: chain.to_owned(),
                    source,
                }
            })?;
        Ok(Self {
            key: Arc::new(certified),
            not_after,
        })
    }

    /// The self-signed certificate of `name`: the one in `folder`, or a new one when it is missing or near its end.
    ///
    /// # Errors
    /// [`CertificateError`] names the file.
    pub fn self_signed(
        name: &str,
        folder: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, CertificateError> {
        let chain = folder.join(format!("{name}.crt"));
        let key = folder.join(format!("{name}.key"));
        if chain.exists()
            && let Ok(kept) = Self::read(&chain, &key, provider)
            && !kept.ends_within(RENEW_BEFORE)
        {
            return Ok(kept);
        }
        make_self_signed(name, &chain, &key)?;
        Self::read(&chain, &key, provider)
    }

    /// Whether it ends within `time` from now, or has ended.
    #[must_use]
    pub fn ends_within(&self, time: Duration) -> bool {
        self.not_after
            .is_some_and(|end| end - OffsetDateTime::now_utc() < time)
    }

    /// Whether it is for `name` (wildcards as RFC 6125 6.4.3 has them).
    #[must_use]
    pub fn is_for(&self, name: &ServerName<'_>) -> bool {
        self.key.cert.first().is_some_and(|own| {
            ParsedCertificate::try_from(own)
                .is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
        })
    }
}

fn make_self_signed(name: &str, chain: &Path, key: &Path) -> Result<(), CertificateError> {
    let not_made = |source| CertificateError::NotMade {
        name: name.to_owned(),
        source,
    };
    let mut names = vec![name.to_owned()];
    if name == "localhost" {
        names.extend(["127.0.0.1".to_owned(), "::1".to_owned()]);
    } else {
        names.extend(
            ["mail", "autoconfig", "autodiscover"].map(|prefix| format!("{prefix}.{name}")),
        );
    }
    let mut parameters = CertificateParams::new(names).map_err(not_made)?;
    if name != "localhost" {
        // Whoever tries the host out reaches it as localhost first.
        parameters.subject_alt_names.extend([
            SanType::DnsName("localhost".try_into().map_err(not_made)?),
            SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()),
            SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()),
        ]);
    }
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - Duration::days(1);
    parameters.not_after = now + LIFETIME;
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::CommonName, name);
    let pair = KeyPair::generate().map_err(not_made)?;
    let certificate = parameters.self_signed(&pair).map_err(not_made)?;
    write_private(key, &pair.serialize_pem())?;
    write_private(chain, &certificate.pem())
}

/// Writes a file only we can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), CertificateError> {
    let fail = |source| CertificateError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(fail)?;
    }
    let draft = path.with_extension("part");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    fs::rename(&draft, path).map_err(fail)
}

/// The `notAfter` of a certificate (RFC 5280 4.1.2.5).
///
/// ```text
/// Certificate ::= SEQUENCE { SEQUENCE { [0] version?, INTEGER, algorithm, issuer, SEQUENCE { notBefore, notAfter } ..
/// ```
fn not_after(certificate: &[u8]) -> Option<OffsetDateTime> {
    let (_, certificate, _) = der_value(certificate)?;
    let (_, mut rest, _) = der_value(certificate)?;
    let (tag, _, after) = der_value(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    for _serial_algorithm_issuer in 0..3 {
        (_, _, rest) = der_value(rest)?;
    }
    let (_, validity, _) = der_value(rest)?;
    let (_, _, rest) = der_value(validity)?;
    let (tag, text, _) = der_value(rest)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    // UTCTime has two digits of the year, 50 and above being 19xx; GeneralizedTime has four.
    let (year, rest) = if tag == 0x17 {
        let (year, rest) = text.split_at_checked(2)?;
        let year: i32 = year.parse().ok()?;
        (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
    } else {
        let (year, rest) = text.split_at_checked(4)?;
        (year.parse().ok()?, rest)
    };
    let mut pairs = rest
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok()?.parse::<u8>().ok());
    let mut next = || pairs.next().flatten();
    let month = Month::try_from(next()?).ok()?;
    let date = Date::from_calendar_date(year, month, next()?).ok()?;
    let time = Time::from_hms(next()?, next()?, next()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc())
}

/// The first DER value: its tag, its content, and what follows it.
fn der_value(octets: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = octets.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(*first & 0x7f);
        if count > 4 {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(count)?;
        (
            digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
            rest,
        )
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Browsers refuse what lasts longer than 825 days.
const LIFETIME: Duration = Duration::days(730);
const RENEW_BEFORE: Duration = Duration::days(30);

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            Self(std::env::temp_dir().join(format!("postamt-tls-{:x}", rand::random::<u64>())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    fn name(text: &str) -> ServerName<'_> {
        ServerName::try_from(text).unwrap()
    }

    #[test]
    fn a_self_signed_certificate_is_made_once_and_names_its_host() {
        let folder = Folder::new();
        let provider = rustls::crypto::ring::default_provider();
        let made = Certificate::self_signed("mail.example.org", &folder.0, &provider).unwrap();
        let again = Certificate::self_signed("mail.example.org", &folder.0, &provider).unwrap();
        assert_eq!(made.key.cert, again.key.cert);
        assert!(made.is_for(&name("mail.example.org")));
        assert!(made.is_for(&name("autoconfig.mail.example.org")));
        assert!(made.is_for(&name("localhost")) && made.is_for(&name("127.0.0.1")));
        assert!(!made.is_for(&name("example.org")));
        let days = (made.not_after.unwrap() - OffsetDateTime::now_utc()).whole_days();
        assert!((728..=730).contains(&days), "{days}");
        assert!(!made.ends_within(Duration::days(14)) && made.ends_within(Duration::days(731)));
    }

    #[test]
    fn a_broken_file_is_named() {
        let folder = Folder::new();
        fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("broken.pem");
        let provider = rustls::crypto::ring::default_provider();
        let said = Certificate::read(&path, &path, &provider)
            .unwrap_err()
            .to_string();
        assert!(said.contains("broken.pem"), "{said}");
        fs::write(&path, "no certificate").unwrap();
        let said = Certificate::read(&path, &path, &provider)
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("no certificate") && said.contains("broken.pem"),
            "{said}"
        );
    }

    #[test]
    fn any_octets_have_no_end_or_one() {
        bolero::check!().for_each(|octets: &[u8]| {
            let _ = not_after(octets);
        });
    }
}
