//! The port to other mail hosts: what the queue asks of whoever speaks SMTP. The server wires [`crate::smtp`]'s client in
//! here; a test may wire a peer of its own.

use std::net::SocketAddr;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

use crate::config::Secret;
use crate::error::StoreError;

/// Opens connections to other hosts.
#[async_trait]
pub trait Transport: Send + Sync {
    /// Connects, greets and protects the connection as `peer` says.
    ///
    /// # Errors
    /// [`Trouble`]: there is no usable connection; another host may be tried.
    async fn connect(&self, peer: &Peer) -> Result<Box<dyn Connection>, Trouble>;
}

/// A connection that is ready for a message.
#[async_trait]
pub trait Connection: Send {
    /// Offers one message to `mail.recipients`; answers in their order, one for each.
    async fn send(&mut self, mail: &Mail<'_>) -> Vec<Answer>;

    /// How it is protected: `TLSv1.3`, `TLSv1.2` or `none`.
    fn tls(&self) -> &str;

    /// Whether another message may be sent.
    fn is_usable(&self) -> bool;

    /// Takes leave.
    async fn quit(self: Box<Self>);
}

/// One address of one host, and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The host's name, or its address where it has none.
    pub host: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// How the connection is protected.
    pub protection: Protection,
    /// Whether its certificate must be right.
    pub verifies: bool,
    /// Name and password, for a smarthost.
    pub login: Option<Login>,
}

/// How a connection is to be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// STARTTLS when it is offered; in clear when it is not, or when the handshake fails.
    Opportunistic,
    /// STARTTLS or nothing.
    Starttls,
    /// TLS from the first octet.
    Implicit,
    /// Never TLS.
    Never,
}

/// What a smarthost knows us by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// A message and those of its recipients that go over this connection.
pub struct Mail<'a> {
    /// The envelope sender; empty: the null sender.
    pub sender: &'a str,
    /// RFC 3461 4.3: RET=FULL.
    pub ret_full: bool,
    /// RFC 3461 4.4, as the client encoded it.
    pub env_id: Option<&'a str>,
    /// Needs SMTPUTF8.
    pub needs_utf8: bool,
    /// Octets.
    pub size_bytes: i64,
    /// At least one.
    pub recipients: &'a [MailRecipient<'a>],
    /// The bytes.
    pub content: &'a dyn MailContent,
}

/// One recipient.
#[derive(Debug, Clone, Copy)]
pub struct MailRecipient<'a> {
    /// `local@domain`.
    pub address: &'a str,
    /// RFC 3461 4.1; empty: not said.
    pub notify: &'a [String],
    /// RFC 3461 4.2, as the client encoded it.
    pub orcpt: Option<&'a str>,
}

/// A message's bytes, readable once a try.
pub trait MailContent: Send + Sync {
    /// The bytes from their beginning.
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>>;
}

/// What a host said about one recipient, or what went wrong before it said anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// The enhanced status code, the host's or the one that fits.
    pub status: String,
    /// The words, printable, at most 500 characters.
    pub text: String,
    /// The words are those of the other host.
    pub is_remote: bool,
    /// The next host understands DSN and has been told what the sender wants to know.
    pub passes_dsn: bool,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The host has the message.
    Sent,
    /// The host will never take it.
    Failed,
    /// Later; a try at another host of the destination is worth it at once.
    Elsewhere,
    /// Later; not elsewhere, because the host may have taken it after all, or refused its content.
    Later,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Trouble {
    /// The enhanced status code that fits.
    pub status: String,
    /// What happened, printable.
    pub text: String,
    /// The words are those of the other host.
    pub is_remote: bool,
    /// The host says that it takes no mail at all (RFC 7504).
    pub is_permanent: bool,
}

impl Trouble {
    /// Something of our own or of the network.
    #[must_use]
    pub fn local(status: &str, text: impl Into<String>) -> Self {
        Self {
            status: status.to_owned(),
            text: text.into(),
            is_remote: false,
            is_permanent: false,
        }
    }
}

impl Answer {
    /// An answer of our own.
    #[must_use]
    pub fn local(verdict: Verdict, status: &str, text: impl Into<String>) -> Self {
        Self {
            verdict,
            status: status.to_owned(),
            text: text.into(),
            is_remote: false,
            passes_dsn: false,
        }
    }
}

impl From<Trouble> for Answer {
    fn from(t: Trouble) -> Self {
        Self {
            verdict: if t.is_permanent {
                Verdict::Failed
            } else {
                Verdict::Elsewhere
            },
            status: t.status,
            text: t.text,
            is_remote: t.is_remote,
            passes_dsn: false,
        }
    }
}
