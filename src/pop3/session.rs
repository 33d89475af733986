//! One connection from its greeting to its end (RFC 1939 3): the loop, the time limits, STLS, the place an account takes.
//!
//! The loop reads a command, asks [`State`] what it means, carries that out and writes the answer. Answers of pipelined
//! commands leave together (RFC 2449 6.6): it flushes when no whole command is left in the buffer, or when much waits.
//!
//! A connection that ends in any way but QUIT removes nothing, and one that was idle for too long is closed without a word
//! (RFC 1939 3). A stop of the program is told between two commands.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::reply::{self, Reply};
use super::state::{Action, SessionLimits, State};
use crate::config::Pop3 as Limits;
use crate::format::pop3::{CommandError, parse};
use crate::model::{AccountId, Source};
use crate::net::line::{Line, Stream, Wire, WireError};
use crate::net::listener::Accepted;
use crate::net::tls::{Inside, Tls};
use crate::service::App;
use crate::service::maildrop::Maildrop;

/// What all connections share.
pub struct Pop3 {
    pub(super) app: App,
    tls: Tls,
    /// Connections of each account that has any.
    places: Mutex<HashMap<AccountId, usize>>,
}

/// One connection.
pub(super) struct Session<'a> {
    pub(super) pop3: &'a Pop3,
    pub(super) wire: Wire,
    pub(super) state: State,
    pub(super) source: Source,
    /// The name of this connection in the log.
    pub(super) id: String,
    /// After the sign-in.
    pub(super) open: Option<Open<'a>>,
    pub(super) done: Done,
    /// When it must have signed in.
    sign_in_until: Instant,
    stop: &'a CancellationToken,
}

/// What a sign-in opened.
pub(super) struct Open<'a> {
    pub(super) maildrop: Maildrop,
    /// Resolves when the sign-in no longer holds (S-24).
    pub(super) ended: BoxFuture<'a, ()>,
    pub(super) _place: Place<'a>,
}

/// What a session did, for its line in the log.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) retrieved: u32,
    pub(super) tops: u32,
    pub(super) removed: usize,
}

/// One of the connections an account may have; dropping it gives it back.
pub(super) struct Place<'a> {
    places: &'a Mutex<HashMap<AccountId, usize>>,
    account: AccountId,
}

/// What was heard of a client.
enum Heard {
    Line(Line),
    TooLong,
    /// Nothing, and it is time to go.
    Leave(Reply),
}

/// What follows an action.
pub(super) enum Next {
    /// The answer, and on.
    Answer(Reply),
    /// It was answered already.
    Answered,
    /// The answer, and the end.
    Close(Reply),
    /// The end without an answer.
    Hangup,
    /// The answer, then TLS.
    StartTls(Reply),
}

impl Pop3 {
    /// The door over the services; nothing listens yet.
    #[must_use]
    pub fn new(app: App, tls: Tls) -> Self {
        Self {
            app,
            tls,
            places: Mutex::default(),
        }
    }

    /// Speaks with one client until either side ends it; `tls_first` when the listener is encrypted from the first octet.
    pub async fn serve(&self, tls_first: bool, accepted: Accepted, stop: &CancellationToken) {
        let limits = &self.app.config.pop3;
        let stream = if tls_first {
            match self.tls.accept(accepted.stream, Inside::Pop3).await {
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
            pop3: self,
            wire: Wire::new(stream, limits.write_timeout),
            state: State::new(tls_first, SessionLimits::from_config(limits)),
            source: accepted.source,
            id: format!("{:016x}", rand::random::<u64>()),
            open: None,
            done: Done::default(),
            sign_in_until: Instant::now() + limits.sign_in_timeout,
            stop,
        };
        debug!(session = %session.id, source = %accepted.source, protocol = "pop3", "connected");
        session.run().await;
    }

    /// One more connection of an account, if it may have one.
    pub(super) fn place(&self, account: AccountId) -> Option<Place<'_>> {
        let most = self.app.config.pop3.connections_per_account;
        let mut places = lock(&self.places);
        let taken = places.entry(account).or_default();
        if *taken >= most {
            return None;
        }
        *taken += 1;
        Some(Place {
            places: &self.places,
            account,
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = lock(self.places);
        if let Some(taken) = places.get_mut(&self.account) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                places.remove(&self.account);
            }
        }
    }
}

fn lock(places: &Mutex<HashMap<AccountId, usize>>) -> MutexGuard<'_, HashMap<AccountId, usize>> {
    // Whole after every statement, so a panic elsewhere does not spoil it.
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session<'_> {
    /// From the greeting to the end.
    async fn run(mut self) {
        let host = &self.pop3.app.config.server.hostname;
        let greeting = Reply::ok(format!("{host} POP3 ready"));
        self.answer(&greeting);
        loop {
            let step = match self.step().await {
                Ok(step) => step,
                Err(error) => return self.broke(&error).await,
            };
            match step {
                Next::Answer(reply) => self.answer(&reply),
                Next::Answered => {}
                Next::Close(reply) => {
                    self.answer(&reply);
                    self.sum_up();
                    self.open = None;
                    self.wire.close().await;
                    return;
                }
                Next::Hangup => {
                    self.sum_up();
                    return;
                }
                Next::StartTls(reply) => {
                    self.answer(&reply);
                    self = match self.start_tls().await {
                        Ok(session) => session,
                        Err(error) => {
                            debug!(%error, "STLS failed");
                            return;
                        }
                    };
                }
            }
        }
    }

    /// Reads a command and carries it out.
    async fn step(&mut self) -> Result<Next, WireError> {
        let action = match self.hear().await? {
            Heard::Line(line) => {
                let more = !self.wire.buffered().is_empty();
                // Departure: a bare LF ends a command too; `openssl s_client` sends it, and a command is not mail.
                let command = if line.octets.contains(&b'\r') {
                    Err(CommandError::Control)
                } else {
                    parse(&line.octets)
                };
                self.state.step(command, more)
            }
            Heard::TooLong => self.state.wrong(reply::too_long()),
            Heard::Leave(reply) => return Ok(Next::Close(reply)),
        };
        // Boxed: an idle connection does not carry the room of everything that a command can set off.
        Box::pin(self.perform(action)).await
    }

    /// One function for each thing that a command can ask for.
    async fn perform(&mut self, action: Action) -> Result<Next, WireError> {
        match action {
            Action::Reply(reply) => Ok(Next::Answer(reply)),
            Action::Slow(reply) => {
                self.wire.flush().await?;
                sleep(PENALTY).await;
                Ok(Next::Answer(reply))
            }
            Action::Close(reply) => Ok(Next::Close(reply)),
            Action::Hangup => {
                info!(session = %self.id, source = %self.source, "data behind STLS, closed");
                Ok(Next::Hangup)
            }
            Action::StartTls(reply) => Ok(Next::StartTls(reply)),
            Action::Lines(reply, lines) => {
                self.answer(&reply);
                for line in lines {
                    self.wire.push(line.as_bytes());
                    self.wire.push(b"\r\n");
                }
                self.wire.push(b".\r\n");
                Ok(Next::Answered)
            }
            Action::SignIn { name, password } => self.sign_in(&name, &password).await,
            Action::Exchange { mechanism, initial } => self.exchange(mechanism, initial).await,
            Action::Stat => Ok(self.stat()),
            Action::Size(number) => Ok(self.size(number).await),
            Action::Sizes => self.sizes().await,
            Action::UniqueId(number) => Ok(self.unique_id(number)),
            Action::UniqueIds => self.unique_ids().await,
            Action::Retrieve(number) => self.retrieve(number).await,
            Action::Top(number, lines) => self.top(number, lines).await,
            Action::Delete(number) => Ok(self.delete(number).await),
            Action::Commit => Ok(self.commit().await),
        }
    }

    /// The next line. Sends what waits before it waits itself.
    async fn hear(&mut self) -> Result<Heard, WireError> {
        let limits = &self.pop3.app.config.pop3;
        let deadline = self.deadline();
        if !self.wire.buffered().contains(&b'\n') || self.wire.pending_output() > OUTPUT {
            self.wire.flush().await?;
        }
        let line = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(Heard::Leave(reply::stopping())),
            () = ended(self.open.as_mut()) => return Ok(Heard::Leave(reply::signed_out())),
            line = self.wire.read_line(limits.command_line, limits.line_flood, deadline) => line,
        };
        match line {
            Ok(line) => Ok(Heard::Line(line)),
            Err(WireError::LineTooLong) => Ok(Heard::TooLong),
            Err(error) => Err(error),
        }
    }

    /// How long the next line may take.
    pub(super) fn deadline(&self) -> Instant {
        let limits = self.limits();
        if self.state.is_signed_in() {
            Instant::now() + limits.idle_timeout
        } else {
            (Instant::now() + limits.greeting_timeout).min(self.sign_in_until)
        }
    }

    /// Puts an answer behind those that wait.
    pub(super) fn answer(&mut self, reply: &Reply) {
        let outcome = if reply.is_ok() { "ok" } else { "err" };
        metrics::counter!("postamt_pop3_replies_total", "outcome" => outcome).increment(1);
        self.wire.push(reply.to_string().as_bytes());
    }

    /// Carries out STLS.
    async fn start_tls(mut self) -> Result<Self, WireError> {
        self.wire.flush().await?;
        let tls = &self.pop3.tls;
        let (acceptor, deadline) = (tls.acceptor(Inside::Pop3), tls.handshake_deadline());
        let wire = self.wire.start_tls(&acceptor, deadline).await?;
        self.state.tls_started();
        Ok(Self { wire, ..self })
    }

    /// The connection is over, by the client or by its slowness; only a flood is told why.
    async fn broke(mut self, error: &WireError) {
        debug!(session = %self.id, source = %self.source, %error, "the connection ended");
        self.sum_up();
        if matches!(error, WireError::Flood) {
            self.answer(&reply::too_long());
            self.wire.close().await;
        }
    }

    /// One line for what a session did; programs that only looked for mail are too many for one each.
    fn sum_up(&self) {
        let Some(open) = &self.open else { return };
        let Done {
            retrieved,
            tops,
            removed,
        } = self.done;
        let (account, octets) = (open.maildrop.account().0, self.wire.octets_out());
        if retrieved > 0 || removed > 0 {
            info!(
                session = %self.id, source = %self.source, account, protocol = "pop3", retrieved, tops, removed, octets,
                "maildrop read"
            );
        } else {
            debug!(session = %self.id, source = %self.source, account, tops, octets, "maildrop looked at");
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.pop3.app.config.pop3
    }
}

/// The end of a sign-in; never, as long as nobody has signed in.
async fn ended(open: Option<&mut Open<'_>>) {
    match open {
        Some(open) => (&mut open.ended).await,
        None => std::future::pending().await,
    }
}

/// What each wrong command beyond the first ones waits.
pub(super) const PENALTY: std::time::Duration = std::time::Duration::from_secs(1);
/// Answers that gather before they are sent whatever else waits.
const OUTPUT: usize = 16_384;
