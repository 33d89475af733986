//! One connection from its greeting to its end: the loop, the time limits, STARTTLS, the place an account takes.
//!
//! Answers of pipelined commands leave together: it flushes when no whole line is left in the buffer, or when much waits.
//! Every wrong command beyond the first ones waits; a sign-in that no longer holds (S-24) and a stop of the program are
//! told between two commands.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::hear::Heard;
use super::reply::Reply;
use crate::config::Imap as Settings;
use crate::format::imap::{Limits, Refused, Why};
use crate::model::{AccountId, Source};
use crate::net::line::{Stream, Wire, WireError};
use crate::net::listener::Accepted;
use crate::net::tls::{Inside, Tls};
use crate::service::App;
use crate::service::changes::Watch;
use crate::service::mail::FolderRow;
use crate::service::mailbox::View;

/// What all connections share.
pub struct Imap {
    pub(super) app: App,
    tls: Tls,
    /// Connections of each account that has any.
    places: Mutex<HashMap<AccountId, usize>>,
}

/// One connection.
pub(super) struct Session<'a> {
    pub(super) imap: &'a Imap,
    pub(super) wire: Wire,
    pub(super) source: Source,
    /// The name of this connection in the log.
    pub(super) id: String,
    /// What the client calls itself.
    pub(super) client: String,
    pub(super) user: Option<User<'a>>,
    pub(super) selected: Option<Box<Selected>>,
    pub(super) enabled: Enabled,
    /// The connection is encrypted.
    pub(super) is_secure: bool,
    pub(super) is_compressed: bool,
    pub(super) failed_sign_ins: u32,
    pub(super) stop: &'a CancellationToken,
    /// When it must have signed in.
    pub(super) sign_in_until: Instant,
    wrong: u32,
}

/// Who signed in.
pub(super) struct User<'a> {
    pub(super) account: AccountId,
    /// Resolves when the sign-in no longer holds (S-24).
    pub(super) ended: BoxFuture<'a, ()>,
    pub(super) _place: Place<'a>,
}

/// The selected mailbox.
pub(super) struct Selected {
    pub(super) folder: FolderRow,
    pub(super) view: View,
    pub(super) watch: Watch,
    pub(super) is_read_only: bool,
    /// Ranges of UIDs that this session is the first to be told of (RFC 3501 2.3.2).
    pub(super) recent: Vec<(u32, u32)>,
    /// What the last search found, for `$`.
    pub(super) saved: Vec<u32>,
    /// Keywords the client was told of by FLAGS.
    pub(super) told_keywords: Vec<String>,
}

/// What the client asked for by ENABLE, or by using it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Enabled {
    /// RFC 7162: MODSEQ is told.
    pub(super) condstore: bool,
    /// RFC 7162: VANISHED instead of EXPUNGE.
    pub(super) qresync: bool,
    /// RFC 6855.
    pub(super) utf8: bool,
    /// RFC 9051.
    pub(super) rev2: bool,
    /// RFC 9586: no sequence numbers.
    pub(super) uid_only: bool,
}

/// One of the connections an account may have; dropping it gives it back.
pub(super) struct Place<'a> {
    places: &'a Mutex<HashMap<AccountId, usize>>,
    account: AccountId,
}

/// What follows a command.
pub(super) enum Next {
    /// The tagged answer, and on.
    Answer(Reply),
    /// `* BYE`, the tagged answer, the end.
    Goodbye(Reply),
    /// The tagged answer, then TLS.
    StartTls(Reply),
    /// The tagged answer, then everything is deflated.
    Deflate(Reply),
    /// The end with this word.
    Leave(&'static str),
}

impl From<Reply> for Next {
    fn from(reply: Reply) -> Self {
        Self::Answer(reply)
    }
}

impl Imap {
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
        let settings = &self.app.config.imap;
        let stream = if tls_first {
            match self.tls.accept(accepted.stream, Inside::Imap).await {
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
            imap: self,
            wire: Wire::new(stream, settings.write_timeout),
            source: accepted.source,
            id: format!("{:016x}", rand::random::<u64>()),
            client: String::new(),
            user: None,
            selected: None,
            enabled: Enabled::default(),
            is_secure: tls_first,
            is_compressed: false,
            failed_sign_ins: 0,
            stop,
            sign_in_until: Instant::now() + settings.sign_in_timeout,
            wrong: 0,
        };
        debug!(session = %session.id, source = %accepted.source, protocol = "imap", "connected");
        session.run().await;
    }

    /// One more connection of an account, if it may have one.
    pub(super) fn place(&self, account: AccountId) -> Option<Place<'_>> {
        let most = self.app.config.imap.connections_per_account;
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
        let capabilities = self.capabilities();
        self.say(&format!(
            "* OK [CAPABILITY {capabilities}] Postamt ready\r\n"
        ));
        loop {
            // Boxed: an idle connection does not carry the room of everything that a command can set off.
            let (tag, next) = match Box::pin(self.step()).await {
                Ok(step) => step,
                Err(error) => return self.broke(&error).await,
            };
            match next {
                Next::Answer(reply) => self.answer(&tag, &reply),
                Next::Goodbye(reply) => {
                    self.say("* BYE Good-bye\r\n");
                    self.answer(&tag, &reply);
                    return self.leave().await;
                }
                Next::Leave(word) => {
                    self.say(&format!("* BYE {word}\r\n"));
                    return self.leave().await;
                }
                Next::Deflate(reply) => {
                    self.answer(&tag, &reply);
                    if let Err(error) = self.wire.start_deflate().await {
                        return self.broke(&error).await;
                    }
                    self.is_compressed = true;
                }
                Next::StartTls(reply) => {
                    self.answer(&tag, &reply);
                    self = match self.start_tls().await {
                        Ok(session) => session,
                        Err(WireError::DataBeforeTls) => {
                            info!("data behind STARTTLS, closed");
                            return;
                        }
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
    async fn step(&mut self) -> Result<(String, Next), WireError> {
        Ok(match self.hear().await? {
            Heard::Command(command) => {
                let next = self.perform(&command.tag, command.body).await?;
                self.count_wrong(command.tag, next).await?
            }
            Heard::Append(head) => {
                let tag = head.tag.clone();
                let next = self.append(head).await?;
                self.count_wrong(tag, next).await?
            }
            Heard::Refused(refused) => {
                let reply = refusal(&refused);
                let tag = refused.tag.unwrap_or_else(|| "*".to_owned());
                self.count_wrong(tag, Next::Answer(reply)).await?
            }
            Heard::RefusedAndLeave(refused) => {
                let reply = refusal(&refused);
                let tag = refused.tag.unwrap_or_else(|| "*".to_owned());
                self.answer(&tag, &reply);
                (tag, Next::Leave("That was too much"))
            }
            Heard::Leave(word) => (String::new(), Next::Leave(word)),
        })
    }

    /// Wrong commands: each beyond the first ones waits, then it is enough.
    async fn count_wrong(&mut self, tag: String, next: Next) -> Result<(String, Next), WireError> {
        let Next::Answer(reply) = &next else {
            return Ok((tag, next));
        };
        if !reply.is_bad() {
            return Ok((tag, next));
        }
        let settings = self.settings();
        let (delay, close) = (settings.wrong_before_delay, settings.wrong_before_close);
        self.wrong += 1;
        if self.wrong > delay {
            self.wire.flush().await?;
            sleep(PENALTY).await;
        }
        if self.wrong >= close {
            self.answer(&tag, reply);
            return Ok((tag, Next::Leave("Too many wrong commands")));
        }
        Ok((tag, next))
    }

    /// Puts a tagged answer behind what waits.
    pub(super) fn answer(&mut self, tag: &str, reply: &Reply) {
        metrics::counter!("postamt_imap_replies_total", "status" => reply.status).increment(1);
        self.wire.push(reply.line(tag).as_bytes());
    }

    /// Puts text behind what waits.
    pub(super) fn say(&mut self, text: &str) {
        self.wire.push(text.as_bytes());
    }

    /// Sends what waits when it is much.
    pub(super) async fn relieve(&mut self) -> Result<(), WireError> {
        if self.wire.pending_output() > OUTPUT {
            self.wire.flush().await?;
            // A client that takes all it gets would otherwise keep this thread from the others.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Carries out STARTTLS; what was said before is forgotten.
    async fn start_tls(mut self) -> Result<Self, WireError> {
        self.wire.flush().await?;
        let tls = &self.imap.tls;
        let (acceptor, deadline) = (tls.acceptor(Inside::Imap), tls.handshake_deadline());
        let wire = self.wire.start_tls(&acceptor, deadline).await?;
        Ok(Self {
            wire,
            is_secure: true,
            client: String::new(),
            ..self
        })
    }

    async fn leave(self) {
        let account = self.user.as_ref().map(|u| u.account.0);
        debug!(
            session = %self.id, account, octets_in = self.wire.octets_in(), octets_out = self.wire.octets_out(), "left"
        );
        self.wire.close().await;
    }

    /// The connection is over, by the client or by its slowness.
    async fn broke(mut self, error: &WireError) {
        debug!(session = %self.id, source = %self.source, %error, "the connection ended");
        match error {
            WireError::TooSlow(_) => self.say("* BYE Idle for too long\r\n"),
            WireError::Flood => self.say("* BYE The line does not end\r\n"),
            _ => return,
        }
        self.leave().await;
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.imap.app.config.imap
    }

    /// The grammar's limits for this session.
    pub(super) fn limits(&self) -> Limits {
        let settings = self.settings();
        Limits {
            depth: settings.depth,
            search_keys: settings.search_keys,
            ranges: settings.ranges,
            items: settings.fetch_items,
            utf8: self.utf8(),
        }
    }

    /// Whether names and texts are UTF-8.
    pub(super) fn utf8(&self) -> bool {
        self.enabled.utf8 || self.enabled.rev2
    }

    /// How long the next line may take.
    pub(super) fn deadline(&self) -> Instant {
        let settings = self.settings();
        if self.user.is_some() {
            Instant::now() + settings.idle_timeout
        } else {
            (Instant::now() + settings.greeting_timeout).min(self.sign_in_until)
        }
    }
}

/// The answer to what could not be read.
fn refusal(refused: &Refused) -> Reply {
    match refused.why {
        Why::Syntax(text) | Why::Unsupported(text) => Reply::bad(text),
        Why::Unknown => Reply::bad("Unknown command"),
        Why::TooMany(_) => Reply {
            status: "BAD",
            code: "LIMIT".to_owned(),
            text: "The command holds too many of something",
        },
        Why::BadCharset => Reply::no("BADCHARSET (US-ASCII UTF-8)", "Unknown character set"),
    }
}

/// What each wrong command beyond the first ones waits.
const PENALTY: Duration = Duration::from_secs(1);
/// Output that gathers before it is sent.
const OUTPUT: usize = 32_768;
