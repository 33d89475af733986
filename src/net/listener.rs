//! A listening socket: accepts, finds the real source, asks the gate, and gives each connection a task with an owner.
//!
//! The owner of the tasks is a [`TaskTracker`], joined at shutdown. A panic ends its own connection only (S-15).

use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::deadline::until;
use super::gate::{Gate, TooMany};
use super::proxy::{self, Header};
use crate::config::Network;
use crate::model::Source;

/// What one listener is.
#[derive(Debug, Clone)]
pub struct Door {
    /// The word for logs and counters: `mx`, `submission`, `https` …
    pub name: &'static str,
    /// Its share of this gate.
    pub gate: Gate,
    /// Places it leaves free for the other listeners of the gate.
    pub kept_free: usize,
    /// Networks that speak PROXY v2 to it. Empty: nobody does.
    pub proxies: Arc<[Network]>,
    /// What a refused client is told before the close (`421 …`); empty where TLS comes first.
    pub refusal: &'static [u8],
}

/// A bound socket that waits for [`Listener::run`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    door: Door,
}

/// A connection that may stay.
#[derive(Debug)]
pub struct Accepted {
    /// The bytes.
    pub stream: TcpStream,
    /// The client, behind any trusted proxy.
    pub peer: SocketAddr,
    /// Our address it came to.
    pub local: SocketAddr,
    /// What limits and locks count it as.
    pub source: Source,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one. IPv6 addresses take IPv6 only, so `0.0.0.0` and `::` go together.
    ///
    /// # Errors
    /// What the system says; the caller names the address.
    pub fn bind(address: SocketAddr, door: Door) -> std::io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let address = socket.local_addr()?;
        Ok(Self {
            socket,
            address,
            door,
        })
    }

    /// The address it is bound to, with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop`; every connection runs `handler` in `tasks`.
    pub async fn run<F, W>(self, stop: CancellationToken, tasks: TaskTracker, handler: F)
    where
        F: Fn(Accepted) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send,
    {
        let handler = Arc::new(handler);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let door = self.door.clone();
                    let handler = Arc::clone(&handler);
                    tasks.spawn(async move {
                        let name = door.name;
                        let work = AssertUnwindSafe(serve_one(door, stream, peer, &*handler));
                        if work.catch_unwind().await.is_err() {
                            metrics::counter!("postamt_panics_total", "door" => name).increment(1);
                        }
                    });
                }
                Err(error) => {
                    // Out of file descriptors, or a connection that was gone before we took it.
                    tracing::warn!(%error, door = self.door.name, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

async fn serve_one<F, W>(door: Door, mut stream: TcpStream, peer: SocketAddr, handler: &F)
where
    F: Fn(Accepted) -> W,
    W: Future<Output = ()>,
{
    let Some(peer) = real_peer(&door, &mut stream, peer).await else {
        return;
    };
    let source = Source::of(peer.ip());
    metrics::counter!("postamt_connections_total", "door" => door.name).increment(1);
    // Held here and not by the session, which might let go of it before its socket.
    let _place = match door.gate.admit_peer(peer.ip(), door.kept_free) {
        Ok(permit) => permit,
        Err(why) => return refuse(&door, stream, source, why).await,
    };
    // Small replies leave at once; they are written whole, so nothing is gained by waiting for more.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let open = metrics::gauge!("postamt_connections_open", "door" => door.name);
    open.increment(1.0);
    let _closed = Closing(open);
    handler(Accepted {
        stream,
        peer,
        local,
        source,
    })
    .await;
}

/// Counts a connection as closed, also when its task panics or is dropped.
struct Closing(metrics::Gauge);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// The client behind a trusted proxy, or the peer itself. None: the proxy said nothing we understand.
async fn real_peer(door: &Door, stream: &mut TcpStream, peer: SocketAddr) -> Option<SocketAddr> {
    if !door
        .proxies
        .iter()
        .any(|network| network.contains(peer.ip()))
    {
        return Some(peer);
    }
    let read = until(Instant::now() + HEADER_WAIT, proxy::read_header(stream)).await;
    match read {
        Ok(Ok(Header::Client(client))) => Some(client),
        Ok(Ok(Header::Local)) => Some(peer),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!(%peer, door = door.name, "a trusted proxy sent no PROXY header");
            None
        }
    }
}

async fn refuse(door: &Door, mut stream: TcpStream, source: Source, why: TooMany) {
    metrics::counter!("postamt_connections_refused_total", "door" => door.name).increment(1);
    tracing::debug!(%source, door = door.name, %why, "connection refused");
    if !door.refusal.is_empty() {
        // Whoever does not take the line gets the close.
        let told = async {
            stream.write_all(door.refusal).await?;
            stream.shutdown().await
        };
        if !matches!(until(Instant::now() + REFUSAL_WAIT, told).await, Ok(Ok(()))) {
            tracing::debug!(%source, "the refusal was not taken");
        }
    }
}

const BACKLOG: i32 = 1_024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const HEADER_WAIT: Duration = Duration::from_secs(10);
const REFUSAL_WAIT: Duration = Duration::from_secs(2);
