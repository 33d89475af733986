//! One connection from its greeting to its end: the loop of both SMTP doors (RFC 5321 3, RFC 6409).
//!
//! The loop reads a command, asks [`State`] what it means, carries that out and writes the answer; it is
//! the only place that writes. Answers of pipelined commands leave together (RFC 2920 3.2): it flushes when
//! no whole command is left in the buffer.
//!
//! Time limits are held here: for the first command, for each further one, for each block of data, for
//! the whole connection. Octets behind STARTTLS end the connection without a word (S-33); a stop of the
//! program is told between two commands (421) and never interrupts a message that is coming in.

use std::net::IpAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::command::{Command, CommandError, parse};
use super::path::PathLimits;
use super::receive::Chunks;
use super::reply::{self, Reply, Status};
use super::sources::Sources;
use super::state::{Action, Door, SessionLimits, State};
use crate::config::Smtp as Limits;
use crate::model::Source;
use crate::net::line::{Line, Stream, Wire, WireError};
use crate::net::listener::Accepted;
use crate::net::tls::{Inside, Tls};
use crate::service::App;

/// What all connections of both doors share.
pub struct Smtp {
    pub(super) app: App,
    pub(super) tls: Tls,
    pub(super) sources: Sources,
    pub(super) paths: PathLimits,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speaks {
    /// For whom.
    pub door: Door,
    /// TLS from the first octet (RFC 8314 3.3), not after STARTTLS.
    pub tls_first: bool,
}

/// One connection.
pub(super) struct Session<'a> {
    pub(super) smtp: &'a Smtp,
    pub(super) door: Door,
    pub(super) wire: Wire,
    pub(super) state: State<super::calls::User, super::calls::Target>,
    /// The message that BDAT is sending.
    pub(super) chunks: Option<Chunks>,
    pub(super) source: Source,
    pub(super) peer: IpAddr,
    /// The name of this connection in the log.
    pub(super) id: String,
    /// When it has lived long enough.
    pub(super) ends: Instant,
    /// Resolves when the sign-in no longer holds (S-24).
    pub(super) ended: Option<BoxFuture<'a, ()>>,
    stop: &'a CancellationToken,
    has_spoken: bool,
}

/// What was heard of a client.
enum Heard {
    /// A command, or what was none.
    Command(Result<Command, CommandError>),
    /// Nothing, and it is time to go.
    Leave(Reply),
}

/// What follows an action.
pub(super) enum Next {
    /// The answer, and on.
    Answer(Reply),
    /// The answer, and the end.
    Close(Reply),
    /// The end without an answer.
    Hangup,
    /// The answer, then TLS.
    StartTls(Reply),
}

impl Smtp {
    /// The doors over the services; nothing listens yet.
    #[must_use]
    pub fn new(app: App, tls: Tls) -> Self {
        let sources = Sources::new(&app.config.smtp);
        let paths = PathLimits::from_config(&app.config.smtp);
        Self {
            app,
            tls,
            sources,
            paths,
        }
    }

    /// Speaks with one client until either side ends it.
    pub async fn serve(&self, speaks: Speaks, accepted: Accepted, stop: &CancellationToken) {
        let limits = &self.app.config.smtp;
        let ends = Instant::now() + limits.session_timeout;
        let stream = if speaks.tls_first {
            match self.tls.accept(accepted.stream, Inside::Smtp).await {
                Ok(stream) => Stream::Tls(Box::new(stream.into())),
                Err(error) => {
                    debug!(source = %accepted.source, %error, "the TLS handshake failed");
                    return;
                }
            }
        } else {
            Stream::Plain(accepted.stream)
        };
        let session = Session {
            smtp: self,
            door: speaks.door,
            wire: Wire::new(stream, limits.write_timeout),
            state: State::new(
                speaks.door,
                &self.app.config.server.hostname,
                speaks.tls_first,
                SessionLimits::from_config(speaks.door, limits, &self.app.config.submission),
            ),
            chunks: None,
            source: accepted.source,
            peer: accepted.peer.ip(),
            id: format!("{:016x}", rand::random::<u64>()),
            ends,
            ended: None,
            stop,
            has_spoken: false,
        };
        debug!(
            session = %session.id, source = %accepted.source, protocol = speaks.door.word(), "connected"
        );
        session.run().await;
    }
}

impl Session<'_> {
    /// From the greeting to the end.
    async fn run(mut self) {
        if self
            .smtp
            .sources
            .is_refused(self.source, Instant::now().into_std())
        {
            self.wire.push(
                reply::too_much("Too many unknown recipients, try again later")
                    .to_string()
                    .as_bytes(),
            );
            self.wire.close().await;
            return;
        }
        let greeting = self.state.greeting();
        self.answer(&greeting);
        loop {
            let step = match self.step().await {
                Ok(step) => step,
                Err(error) => return self.broke(error).await,
            };
            match step {
                Next::Answer(reply) => self.answer(&reply),
                Next::Close(reply) => {
                    self.answer(&reply);
                    self.wire.close().await;
                    return;
                }
                Next::Hangup => {
                    info!(session = %self.id, source = %self.source, "data behind STARTTLS, closed");
                    return;
                }
                Next::StartTls(reply) => {
                    self.answer(&reply);
                    self = match self.start_tls().await {
                        Ok(session) => session,
                        Err(error) => {
                            debug!(%error, "STARTTLS failed");
                            return;
                        }
                    };
                }
            }
        }
    }

    /// Reads a command and carries it out.
    async fn step(&mut self) -> Result<Next, WireError> {
        let command = match self.command().await? {
            Heard::Command(command) => command,
            Heard::Leave(reply) => return Ok(Next::Close(reply)),
        };
        let more = !self.wire.buffered().is_empty();
        let action = self.state.step(command, more);
        // Boxed: an idle connection does not carry the room of everything that a command can set off.
        let next = Box::pin(self.perform(action)).await?;
        if self.state.transaction().is_none() {
            self.chunks = None;
        }
        Ok(next)
    }

    /// One function for each thing that a command can ask for.
    async fn perform(&mut self, action: Action) -> Result<Next, WireError> {
        Ok(match action {
            Action::Reply(reply) => Next::Answer(reply),
            Action::Slow(reply) => {
                self.wire.flush().await?;
                sleep(PENALTY).await;
                Next::Answer(reply)
            }
            Action::Close(reply) => Next::Close(reply),
            Action::Hangup => Next::Hangup,
            Action::StartTls(reply) => Next::StartTls(reply),
            Action::SignIn { mechanism, initial } => self.sign_in(mechanism, initial).await?,
            Action::Sender { from, params } => Next::Answer(self.sender(from, params).await),
            Action::Recipient { to, params } => self.recipient(to, params).await,
            Action::Data => Next::Answer(self.data().await?),
            Action::Chunk { size_bytes, last } => Next::Answer(self.chunk(size_bytes, last).await?),
            Action::Discard { size_bytes, reply } => {
                self.discard(size_bytes).await?;
                Next::Answer(reply)
            }
        })
    }

    /// The next command. Sends what waits before it waits itself.
    async fn command(&mut self) -> Result<Heard, WireError> {
        let limits = self.limits();
        let patience = if self.has_spoken {
            limits.command_timeout
        } else {
            limits.greeting_timeout
        };
        // Only a client that signs in has a reason for a line beyond the ordinary length.
        let most = limits.auth_line.max(limits.command_line);
        let (usual, flood) = (limits.command_line, limits.line_flood);
        let deadline = self.deadline(patience);
        if !self.wire.buffered().contains(&b'\n') || self.wire.pending_output() > OUTPUT {
            self.wire.flush().await?;
        }
        let line = tokio::select! {
            biased;
            () = self.stop.cancelled(), if self.state.transaction().is_none() => {
                return Ok(Heard::Leave(reply::stopping()));
            }
            () = resolved(&mut self.ended) => return Ok(Heard::Leave(reply::signed_out())),
            line = self.wire.read_line(most, flood, deadline) => line,
        };
        self.has_spoken = true;
        let line = match line {
            Err(WireError::LineTooLong) => return Ok(Heard::Command(Err(CommandError::TooLong))),
            other => other?,
        };
        let is_auth = line
            .octets
            .get(..5)
            .is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
        if line.octets.len().saturating_add(2) > usual && !is_auth {
            return Ok(Heard::Command(Err(CommandError::TooLong)));
        }
        Ok(Heard::Command(self.parse(&line)))
    }

    fn parse(&self, line: &Line) -> Result<Command, CommandError> {
        if !line.is_clean() {
            return Err(CommandError::BareControl);
        }
        parse(&line.octets, &self.smtp.paths)
    }

    /// A line inside an AUTH exchange; `None` when it was too long or not clean.
    pub(super) async fn auth_line(&mut self) -> Result<Option<Bytes>, WireError> {
        let limits = self.limits();
        let (most, flood) = (limits.auth_line, limits.line_flood);
        let deadline = self.deadline(limits.command_timeout);
        self.wire.flush().await?;
        match self.wire.read_line(most, flood, deadline).await {
            Ok(line) => Ok(line.is_clean().then_some(line.octets)),
            Err(WireError::LineTooLong) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts an answer behind those that wait.
    pub(super) fn answer(&mut self, reply: &Reply) {
        debug!(session = %self.id, code = reply.code(), "answered");
        metrics::counter!(
            "postamt_smtp_replies_total",
            "door" => self.door.word(),
            "code" => reply.code().to_string(),
        )
        .increment(1);
        self.wire.push(reply.to_string().as_bytes());
    }

    /// Carries out STARTTLS; what was said before is forgotten (RFC 3207 4.2).
    async fn start_tls(mut self) -> Result<Self, WireError> {
        self.wire.flush().await?;
        let acceptor = self.smtp.tls.acceptor(Inside::Smtp);
        let deadline = self.smtp.tls.handshake_deadline();
        let wire = self.wire.start_tls(&acceptor, deadline).await?;
        self.state.tls_started();
        Ok(Self { wire, ..self })
    }

    /// Says a last word to a client that was too slow or too long, and nothing to one that has gone.
    async fn broke(mut self, error: WireError) {
        match error {
            WireError::TooSlow(_) => self.answer(&reply::timed_out()),
            WireError::Flood => self.answer(&Reply::new(500, Status(5, 5, 6), "Line is too long")),
            WireError::Closed
            | WireError::Io(_)
            | WireError::DataBeforeTls
            | WireError::LineTooLong => {
                debug!(session = %self.id, %error, "the connection ended");
                return;
            }
        }
        debug!(session = %self.id, source = %self.source, %error, "closed");
        self.wire.close().await;
    }

    /// The settings of both doors.
    pub(super) fn limits(&self) -> &Limits {
        &self.smtp.app.config.smtp
    }

    /// So long from now, but never beyond the life of the connection.
    pub(super) fn deadline(&self, patience: std::time::Duration) -> Instant {
        (Instant::now() + patience).min(self.ends)
    }
}

/// The end of a sign-in; never, as long as nobody has signed in.
async fn resolved(ended: &mut Option<BoxFuture<'_, ()>>) {
    match ended {
        Some(ended) => ended.await,
        None => std::future::pending().await,
    }
}

impl Door {
    /// The word for logs and counters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mx => "mx",
            Self::Submission => "submission",
        }
    }
}

/// What each wrong command beyond the first ones waits.
const PENALTY: std::time::Duration = std::time::Duration::from_secs(1);
/// Answers that gather before they are sent whatever else waits.
const OUTPUT: usize = 16_384;
