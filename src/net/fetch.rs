//! The one guarded fetcher: every request to an address that came from content or from a user (`security.md` 7, S-41).
//!
//! ```text
//! address --parse--> scheme, port, no name and password in it
//!         --names--> its addresses, looked up once; every one of the public net, none our own
//!         --connect--> one of these very addresses (TLS with a right certificate) --GET--> 200: the body, counted
//!                                                                                    \--3xx: all of it again, at most 3 times
//! ```
//!
//! The check is on the resolved address, not on the text: wildcard names lead inside too, and so does a name that
//! answers differently the second time. No cookies, no Referer, one User-Agent. One deadline covers everything.
//! What went wrong is told to our log only: an error that described the other side would be a way to look around inside.

use std::future::Future;
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::{Host, Url};

use super::outbound::{Demand, connector};
use super::public::is_public;
use crate::config::Fetch;

/// The question we have for the DNS.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// Addresses of a host; `None`: no answer, or no such name.
    async fn addresses(&self, host: &str) -> Option<Vec<IpAddr>>;
}

/// What lies at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The body, content encoding undone.
    pub bytes: Vec<u8>,
    /// What the other side calls it.
    pub content_type: String,
    /// Where it lay in the end.
    pub address: Url,
}

/// Why there is nothing.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is one that is not fetched.
    #[error("not an address that is fetched: {0}")]
    Address(&'static str),
    /// The host has no address, or the DNS is silent.
    #[error("no address for the host")]
    NoName,
    /// The host leads into our own network.
    #[error("the host is not on the public net")]
    Inside,
    /// The other side cannot be reached.
    #[error("no connection")]
    Connection(#[source] std::io::Error),
    /// It does not speak HTTP as we understand it.
    #[error("no understandable answer")]
    Http(#[source] hyper::Error),
    /// It answered, but not with what lies there.
    #[error("answered {0}")]
    Status(StatusCode),
    /// More redirects than are followed, or one that leads nowhere.
    #[error("redirects that are not followed")]
    Redirect,
    /// More octets than are taken.
    #[error("too large")]
    TooLarge,
    /// Compressed in a way that was not asked for, or damaged.
    #[error("an encoding that cannot be undone")]
    Encoding,
    /// The time is over.
    #[error("took too long")]
    Timeout,
}

/// The guarded fetcher of one process.
pub struct Fetcher {
    limits: Fetch,
    names: Box<dyn Lookup>,
    at_once: Semaphore,
}

impl Fetcher {
    /// A fetcher with these limits that asks `names`.
    #[must_use]
    pub fn new(limits: Fetch, names: Box<dyn Lookup>) -> Self {
        Self {
            at_once: Semaphore::new(limits.at_once),
            limits,
            names,
        }
    }

    /// Gets what lies at `address`, at most `limit` octets of it; `accept` is what is hoped for.
    ///
    /// # Errors
    /// [`FetchError`]; nothing of it is for the eyes of whoever asked.
    pub async fn get(
        &self,
        address: &str,
        accept: &'static str,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let address = Url::parse(address).map_err(|_| FetchError::Address("no address"))?;
        timeout(self.limits.timeout, async {
            let _permit = self
                .at_once
                .acquire()
                .await
                .map_err(|_| FetchError::Timeout)?;
            self.follow(address, accept, limit).await
        })
        .await
        .map_err(|_| FetchError::Timeout)?
    }

    async fn follow(
        &self,
        mut address: Url,
        accept: &'static str,
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        for _ in 0..=self.limits.redirects {
            let to = Target::of(&address, &self.limits.allow)?;
            let addresses = self.resolve(&to).await?;
            let stream = self.connect(&to, &addresses).await?;
            let found = if to.is_tls {
                let (tls, _) = connector(Demand::Right)
                    .map_err(|e| FetchError::Connection(std::io::Error::other(e)))?;
                let name = to.server_name()?;
                let stream = tls
                    .connect(name, stream)
                    .await
                    .map_err(FetchError::Connection)?;
                exchange(stream, &to, accept, limit).await?
            } else {
                exchange(stream, &to, accept, limit).await?
            };
            match found {
                Found::Body(bytes, content_type) => {
                    return Ok(Fetched {
                        bytes,
                        content_type,
                        address,
                    });
                }
                Found::Elsewhere(location) => address = next(&address, &location)?,
            }
        }
        Err(FetchError::Redirect)
    }

    /// The host's addresses, all of them ones we may talk to.
    async fn resolve(&self, to: &Target) -> Result<Vec<SocketAddr>, FetchError> {
        let found = match &to.host {
            Host::Ipv4(v4) => vec![IpAddr::V4(*v4)],
            Host::Ipv6(v6) => vec![IpAddr::V6(*v6)],
            Host::Domain(name) => self.names.addresses(name).await.ok_or(FetchError::NoName)?,
        };
        if found.is_empty() {
            return Err(FetchError::NoName);
        }
        let mut all = Vec::with_capacity(found.len());
        for ip in found {
            let address = SocketAddr::new(ip, to.port);
            // One address inside spoils the name: a host of the public net has none.
            if !self.limits.allow.contains(&address)
                && (!is_public(ip) || !is_standard(to.port) || is_own(address).await)
            {
                return Err(FetchError::Inside);
            }
            all.push(address);
        }
        Ok(all)
    }

    /// A connection to the first address that answers; a silent one gets a third of the whole time.
    async fn connect(&self, to: &Target, all: &[SocketAddr]) -> Result<TcpStream, FetchError> {
        let patience: Duration = self.limits.timeout / 3;
        let mut last = FetchError::NoName;
        for address in all {
            debug_assert_eq!(address.port(), to.port);
            match timeout(patience, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Requests are small and alone; nothing is gained by waiting for more.
                    stream.set_nodelay(true).map_err(FetchError::Connection)?;
                    return Ok(stream);
                }
                Ok(Err(e)) => last = FetchError::Connection(e),
                Err(_) => last = FetchError::Timeout,
            }
        }
        Err(last)
    }
}

/// An address taken apart, as far as its text can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    host: Host<String>,
    port: u16,
    is_tls: bool,
    /// As the `Host` field says it.
    authority: String,
    /// Path and query.
    path: String,
}

impl Target {
    fn of(address: &Url, allow: &[SocketAddr]) -> Result<Self, FetchError> {
        let is_tls = match address.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(FetchError::Address("scheme")),
        };
        if !address.username().is_empty() || address.password().is_some() {
            return Err(FetchError::Address("a name or password in it"));
        }
        let host = address
            .host()
            .ok_or(FetchError::Address("no host"))?
            .to_owned();
        let port = address
            .port_or_known_default()
            .ok_or(FetchError::Address("port"))?;
        if !is_standard(port) && allow.iter().all(|allowed| allowed.port() != port) {
            return Err(FetchError::Address("port"));
        }
        let authority = match address.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let path = match address.query() {
            Some(query) => format!("{}?{query}", address.path()),
            None => address.path().to_owned(),
        };
        Ok(Self {
            host,
            port,
            is_tls,
            authority,
            path,
        })
    }

    fn server_name(&self) -> Result<ServerName<'static>, FetchError> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned())
                .map_err(|_| FetchError::Address("no host name")),
            Host::Ipv4(v4) => Ok(ServerName::from(IpAddr::V4(*v4))),
            Host::Ipv6(v6) => Ok(ServerName::from(IpAddr::V6(*v6))),
        }
    }
}

fn is_standard(port: u16) -> bool {
    matches!(port, 80 | 443)
}

/// Whether an address is one of this machine's: the system would talk to it from that very address. No packet is sent.
async fn is_own(address: SocketAddr) -> bool {
    let any = match address {
        SocketAddr::V4(_) => "0.0.0.0:0",
        SocketAddr::V6(_) => "[::]:0",
    };
    let probe = async {
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        socket.local_addr()
    };
    // Without a way there it is not ours, and connecting will fail by itself.
    probe.await.is_ok_and(|local| local.ip() == address.ip())
}

/// Where a redirect leads (RFC 9110 10.2.2): never from https to http.
fn next(from: &Url, location: &str) -> Result<Url, FetchError> {
    let to = from.join(location).map_err(|_| FetchError::Redirect)?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(FetchError::Redirect);
    }
    Ok(to)
}

enum Found {
    Body(Vec<u8>, String),
    Elsewhere(String),
}

/// One request and its answer.
async fn exchange<S>(
    stream: S,
    to: &Target,
    accept: &'static str,
    limit: usize,
) -> Result<Found, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD)
        .max_headers(FIELDS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Http)?;
    let request = Request::builder()
        .method(Method::GET)
        .uri(&to.path)
        .header(header::HOST, &to.authority)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, accept)
        .header(header::ACCEPT_ENCODING, "gzip")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Address("path"))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(FetchError::Http)?;
        read(response, limit).await
    };
    driven(connection, answer).await
}

/// The answer, while the connection is kept going; both end together, so nothing is left behind.
async fn driven<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    answer: impl Future<Output = Result<T, FetchError>>,
) -> Result<T, FetchError> {
    tokio::pin!(connection, answer);
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            done = &mut answer => return done,
            // What was received before the end is still read.
            _ = &mut connection, if is_open => is_open = false,
        }
    }
}

async fn read(response: Response<Incoming>, limit: usize) -> Result<Found, FetchError> {
    let status = response.status();
    let (head, mut body) = response.into_parts();
    if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return text(&head.headers, header::LOCATION)
            .map(|location| Found::Elsewhere(location.to_owned()))
            .ok_or(FetchError::Redirect);
    }
    if status != StatusCode::OK {
        return Err(FetchError::Status(status));
    }
    let gzip = match text(&head.headers, header::CONTENT_ENCODING).map(str::trim) {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Err(FetchError::Encoding),
    };
    let announced = text(&head.headers, header::CONTENT_LENGTH).and_then(|n| n.parse().ok());
    if announced.is_some_and(|n: usize| n > limit) {
        return Err(FetchError::TooLarge);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(FetchError::Http)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bytes.len().saturating_add(data.len()) > limit {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    let content_type = text(&head.headers, header::CONTENT_TYPE)
        .unwrap_or_default()
        .to_owned();
    if gzip {
        bytes = tokio::task::spawn_blocking(move || unzip(&bytes, limit))
            .await
            .map_err(|_| FetchError::Encoding)??;
    }
    Ok(Found::Body(bytes, content_type))
}

/// Undoes one layer of gzip; what grows beyond every measure is a bomb (`security.md` 2, `Content-Encoding`).
fn unzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, FetchError> {
    let limit = limit.min(bytes.len().saturating_mul(RATIO).saturating_add(64 * 1024));
    let mut out = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(bytes)
        .take(one_more)
        .read_to_end(&mut out)
        .map_err(|_| FetchError::Encoding)?;
    if out.len() > limit {
        return Err(FetchError::TooLarge);
    }
    Ok(out)
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What we call ourselves: no version, no system, nothing of the reader.
const USER_AGENT: &str = "Postamt";
/// Octets of the other side's head.
const HEAD: usize = 64 * 1024;
/// Fields of it.
const FIELDS: usize = 100;
/// How much larger than its compressed form a body may be.
const RATIO: usize = 20;

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
