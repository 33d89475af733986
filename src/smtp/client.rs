//! SMTP as a client: how mail leaves (RFC 5321 3, RFC 3207 for TLS). The queue's port to other hosts
//! ([`crate::service::outgoing::transport`]) is served here.
//!
//! What is said and what it means is without I/O: [`opening`] up to a ready connection, [`transaction`] for a message,
//! [`body`] for its text. This file and [`wire`] move the bytes and hold the times.
//!
//! * STARTTLS is used whenever it is offered, with any certificate. A failed handshake leads to a new connection in clear,
//!   and the delivery is recorded as `none`; a route that demands TLS gets no such connection.
//! * A host that sends anything together with its `220 ready` is dropped (security.md 8): somebody put words into its mouth.
//! * The message is read as a stream, one chunk in memory. If it ends short or fails, no end of data is sent: the host
//!   never takes half a message for a whole one.
//!
//! Not here: which host (`service/outgoing/resolve.rs`), when again (`schedule.rs`), CHUNKING (DATA is understood by all).

pub mod body;
pub mod capabilities;
pub mod opening;
pub mod transaction;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use rustls::ProtocolVersion;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::Config;
use crate::net::outbound::{Demand, connector};
use crate::service::outgoing::transport::{
    Answer, Connection, Mail, Peer, Protection, Transport, Trouble,
};
use crate::smtp::reply::Reply;
use body::BodyWriter;
use capabilities::Capabilities;
use opening::{Act, Opening};
use transaction::{Awaited, Step, Transaction};
use wire::{Wire, WireError};

/// Opens connections to mail hosts.
#[derive(Clone)]
pub struct SmtpTransport {
    helo: Arc<str>,
    times: Times,
}

/// How long we wait (RFC 5321 4.5.3.2).
#[derive(Debug, Clone, Copy)]
struct Times {
    connect: Duration,
    handshake: Duration,
    command: Duration,
    data: Duration,
    block: Duration,
    end: Duration,
}

impl SmtpTransport {
    /// A client by the settings.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let queue = &config.queue;
        Self {
            helo: config.helo().into(),
            times: Times {
                connect: queue.connect_timeout,
                handshake: queue.connect_timeout,
                command: queue.command_timeout,
                data: queue.data_timeout,
                block: queue.block_timeout,
                end: queue.end_of_data_timeout,
            },
        }
    }

    async fn dial(&self, peer: &Peer) -> Result<Wire, Trouble> {
        let reach = |why: String| {
            Trouble::local(
                "4.4.1",
                format!("No connection to {} [{}]: {why}", peer.host, peer.address),
            )
        };
        let stream = timeout(self.times.connect, TcpStream::connect(peer.address))
            .await
            .map_err(|_| reach("timed out".to_owned()))?
            .map_err(|e| reach(e.kind().to_string()))?;
        // Commands are small and answered one by one.
        stream.set_nodelay(true).ok();
        Ok(Wire::new(Box::new(stream)))
    }

    async fn handshake(&self, wire: Wire, peer: &Peer) -> Result<(Wire, String), Trouble> {
        let failed = |why: String| {
            Trouble::local("4.7.5", format!("TLS handshake with {}: {why}", peer.host))
        };
        let name = ServerName::try_from(peer.host.clone())
            .unwrap_or_else(|_| ServerName::from(peer.address.ip()));
        let demand = if peer.verifies {
            Demand::Right
        } else {
            Demand::Any
        };
        let (connector, _) = connector(demand).map_err(|e| failed(e.to_string()))?;
        let stream = timeout(
            self.times.handshake,
            connector.connect(name, wire.into_stream()),
        )
        .await
        .map_err(|_| failed("timed out".to_owned()))?
        .map_err(|e| failed(e.to_string()))?;
        let version = version_name(stream.get_ref().1.protocol_version());
        Ok((Wire::new(Box::new(stream)), version))
    }

    async fn open(&self, peer: &Peer) -> Result<Session, Failed> {
        let mut wire = self.dial(peer).await?;
        let mut tls = None;
        if peer.protection == Protection::Implicit {
            let (secure, version) = self.handshake(wire, peer).await?;
            (wire, tls) = (secure, Some(version));
        }
        let mut opening = Opening::new(
            &self.helo,
            peer.protection,
            peer.login.as_ref(),
            tls.is_some(),
        );
        let mut act = opening.reply(&self.hear(&mut wire).await?);
        let capabilities = loop {
            act = match act {
                Act::Say(line) => {
                    wire.write(line.as_bytes(), self.times.command).await?;
                    opening.reply(&self.hear(&mut wire).await?)
                }
                Act::Handshake => {
                    if wire.has_more() {
                        return Err(Failed::Other(Trouble::local(
                            "4.7.5",
                            format!("{} sent more than its reply to STARTTLS", peer.host),
                        )));
                    }
                    let (secure, version) = self
                        .handshake(wire, peer)
                        .await
                        .map_err(Failed::Handshake)?;
                    (wire, tls) = (secure, Some(version));
                    opening.secured()
                }
                Act::Ready(capabilities) => break capabilities,
                Act::Fail(trouble) => {
                    wire.write(b"QUIT\r\n", FAREWELL).await.ok();
                    return Err(Failed::Other(trouble));
                }
            };
        };
        Ok(Session {
            wire,
            times: self.times,
            capabilities,
            tls: tls.unwrap_or_else(|| NO_TLS.to_owned()),
            is_usable: true,
        })
    }

    async fn hear(&self, wire: &mut Wire) -> Result<Reply, Trouble> {
        Ok(wire.reply(self.times.command).await?)
    }
}

impl From<WireError> for Trouble {
    fn from(error: WireError) -> Self {
        Self::local("4.4.2", error.to_string())
    }
}

impl From<WireError> for Failed {
    fn from(error: WireError) -> Self {
        Self::Other(error.into())
    }
}

/// A failed handshake is not the end: there is a way without.
enum Failed {
    Handshake(Trouble),
    Other(Trouble),
}

impl From<Trouble> for Failed {
    fn from(trouble: Trouble) -> Self {
        Self::Other(trouble)
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn connect(&self, peer: &Peer) -> Result<Box<dyn Connection>, Trouble> {
        match self.open(peer).await {
            Ok(session) => Ok(Box::new(session)),
            Err(Failed::Handshake(trouble)) if peer.protection == Protection::Opportunistic => {
                tracing::info!(host = %peer.host, why = %trouble, "handshake failed, going on in clear");
                let clear = Peer {
                    protection: Protection::Never,
                    ..peer.clone()
                };
                match self.open(&clear).await {
                    Ok(session) => Ok(Box::new(session)),
                    Err(Failed::Other(trouble) | Failed::Handshake(trouble)) => Err(trouble),
                }
            }
            Err(Failed::Other(trouble) | Failed::Handshake(trouble)) => Err(trouble),
        }
    }
}

/// A connection behind EHLO.
struct Session {
    wire: Wire,
    times: Times,
    capabilities: Capabilities,
    tls: String,
    is_usable: bool,
}

#[async_trait]
impl Connection for Session {
    async fn send(&mut self, mail: &Mail<'_>) -> Vec<Answer> {
        let mut transaction = Transaction::new(mail, &self.capabilities);
        if let Err(why) = self.run(&mut transaction, mail).await {
            transaction.lost(&why);
        }
        self.is_usable = transaction.leaves_usable();
        transaction.answers()
    }

    fn tls(&self) -> &str {
        &self.tls
    }

    fn is_usable(&self) -> bool {
        self.is_usable
    }

    async fn quit(mut self: Box<Self>) {
        if self.is_usable && self.wire.write(b"QUIT\r\n", FAREWELL).await.is_ok() {
            self.wire.reply(FAREWELL).await.ok();
        }
        self.wire.close(FAREWELL).await;
    }
}

impl Session {
    async fn run(&mut self, transaction: &mut Transaction, mail: &Mail<'_>) -> Result<(), String> {
        loop {
            match transaction.step() {
                Step::Write(bytes) => self
                    .wire
                    .write(&bytes, self.times.command)
                    .await
                    .map_err(|e| e.to_string())?,
                Step::Content => self.content(transaction, mail).await?,
                Step::Done => return Ok(()),
            }
            while let Some(awaited) = transaction.awaited() {
                let time = match awaited {
                    Awaited::Data => self.times.data,
                    Awaited::End => self.times.end,
                    Awaited::Mail | Awaited::Rcpt(_) | Awaited::Nothing => self.times.command,
                };
                let reply = self.wire.reply(time).await.map_err(|e| e.to_string())?;
                transaction.reply(&reply);
            }
        }
    }

    /// Streams the message; its end is marked only when all of it was there.
    async fn content(
        &mut self,
        transaction: &mut Transaction,
        mail: &Mail<'_>,
    ) -> Result<(), String> {
        let mut chunks = mail.content.open();
        let mut body = BodyWriter::default();
        let mut out = Vec::new();
        let mut sent = 0_i64;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|e| e.to_string())?;
            sent = sent.saturating_add(i64::try_from(chunk.len()).unwrap_or(i64::MAX));
            for piece in chunk.chunks(BLOCK) {
                out.clear();
                body.push(piece, &mut out);
                self.block(&out).await?;
            }
        }
        if sent != mail.size_bytes {
            return Err("The message left the queue meanwhile".to_owned());
        }
        out.clear();
        body.finish(&mut out);
        transaction.end_of_data();
        self.block(&out).await
    }

    async fn block(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.wire
            .write(bytes, self.times.block)
            .await
            .map_err(|e| e.to_string())
    }
}

/// As it stands in the delivery log.
fn version_name(version: Option<ProtocolVersion>) -> String {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".to_owned(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".to_owned(),
        Some(other) => format!("{other:?}"),
        None => "TLS".to_owned(),
    }
}

/// Status code and words of a reply, as the delivery log and a bounce show them.
fn said(reply: &Reply) -> (String, String) {
    let status = reply.status().map_or_else(
        || format!("{}.0.0", reply.code() / 100),
        |status| status.to_string(),
    );
    let mut text = reply.code().to_string();
    if reply.status().is_some() {
        text.push(' ');
        text.push_str(&status);
    }
    for line in reply.lines() {
        text.push(' ');
        text.push_str(line.trim());
    }
    (status, text.chars().take(SAID).collect())
}

/// How a connection in clear stands in the delivery log.
pub const NO_TLS: &str = "none";
/// Octets written in one go; each has its own time.
const BLOCK: usize = 65_536;
/// Characters kept of what a host says.
const SAID: usize = 500;
/// Time for taking leave.
const FAREWELL: Duration = Duration::from_secs(5);
