//! Which command is legal when, and what a connection has used up (RFC 5321 4.1.4, `security.md` 2).
//!
//! A pure function over values: [`State::step`] takes a command and says what the session is to do. The
//! session does it (asks a service, reads data, starts TLS) and tells the state how it went. So the whole
//! order of commands is tested without a socket.
//!
//! ```text
//!             EHLO, HELO            MAIL             RCPT             DATA, BDAT .. LAST
//!   greeted ------------> ready ----------> sender ----------> open ----------> stored
//!      ^                 |  ^                                                     |
//!      |     STARTTLS    |  +------- RSET, EHLO, HELO, the message's answer ------+
//!      +-----------------+     (submission: AUTH before MAIL, TLS before AUTH)
//! ```
//!
//! `A` is what a sign-in gives, `R` what a recipient was resolved to; both belong to the services.
//!
//! Not here: time limits (the session's), limits of a source over several connections (`sources.rs`).

use super::command::{ClientName, Command, CommandError};
use super::params::{MailParams, RcptParams};
use super::path::{ForwardPath, ReversePath};
use super::reply::{self, Reply, Status};
use crate::config::{Smtp, Submission};
use crate::format::sasl::Secret;

/// Which listener a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// Mail from other hosts, for our users only.
    Mx,
    /// Mail from our users, signed in.
    Submission,
}

/// What a connection may use up.
#[derive(Clone, Copy, Debug)]
pub struct SessionLimits {
    /// Octets of a message, announced as SIZE.
    pub message_size: u64,
    /// Recipients of a message.
    pub recipients: usize,
    /// Messages.
    pub messages: u32,
    /// Wrong commands that are answered at once.
    pub wrong_before_delay: u32,
    /// Wrong commands that are answered at all.
    pub wrong_before_close: u32,
    /// Unknown recipients that are answered.
    pub unknown_recipients: u32,
    /// Commands that do nothing, between two messages.
    pub idle_commands: u32,
    /// Tries to sign in.
    pub auth_tries: u32,
}

/// What the session is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer.
    Reply(Reply),
    /// Answer after the delay for those who were wrong too often.
    Slow(Reply),
    /// Answer and close.
    Close(Reply),
    /// Close without a word: what follows could be anybody's.
    Hangup,
    /// Answer, then begin TLS; then [`State::tls_started`].
    StartTls(Reply),
    /// Carry out the exchange and ask the service; then [`State::signed_in`] or [`State::sign_in_failed`].
    SignIn {
        /// Which exchange.
        mechanism: Mechanism,
        /// What came with the command, in base64.
        initial: Option<Secret>,
    },
    /// Ask whether this sender may send; then [`State::begin`].
    Sender {
        /// The path.
        from: ReversePath,
        /// Its parameters.
        params: MailParams,
    },
    /// Ask whether this recipient is ours; then [`State::add`] or [`State::unknown_recipient`].
    Recipient {
        /// The path.
        to: ForwardPath,
        /// Its parameters.
        params: RcptParams,
    },
    /// Answer 354, read to the end of the data; then [`State::end`].
    Data,
    /// Read so many octets of the message; after the last of them [`State::end`].
    Chunk {
        /// How many follow.
        size_bytes: u64,
        /// Whether the message ends with them.
        last: bool,
    },
    /// Read so many octets, throw them away, answer.
    Discard {
        /// How many follow.
        size_bytes: u64,
        /// The answer.
        reply: Reply,
    },
}

/// The SASL mechanisms that are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// Two prompts; what old mail programs know.
    Login,
}

/// A message on its way in.
#[derive(Clone, Debug)]
pub struct Transaction<R> {
    /// Where failures go.
    pub from: ReversePath,
    /// What stood behind it.
    pub params: MailParams,
    /// Those that were taken.
    pub recipients: Vec<Accepted<R>>,
    /// Octets of BDAT so far; `None` before the first chunk.
    chunked: Option<u64>,
}

/// A recipient that was taken.
#[derive(Clone, Debug)]
pub struct Accepted<R> {
    /// As it was named.
    pub to: ForwardPath,
    /// What stood behind it.
    pub params: RcptParams,
    /// What it was resolved to.
    pub target: R,
}

/// How a client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The name it gave.
    pub name: ClientName,
    /// `EHLO`, not `HELO`.
    pub extended: bool,
}

/// A connection as far as its commands have brought it.
#[derive(Debug)]
pub struct State<A, R> {
    door: Door,
    hostname: String,
    limits: SessionLimits,
    tls: bool,
    hello: Option<Hello>,
    account: Option<A>,
    transaction: Option<Transaction<R>>,
    used: Used,
}

/// What was used up so far.
#[derive(Debug, Default)]
struct Used {
    messages: u32,
    wrong: u32,
    unknown: u32,
    idle: u32,
    auth: u32,
}

impl SessionLimits {
    /// The limits of the settings for a door.
    #[must_use]
    pub fn from_config(door: Door, smtp: &Smtp, submission: &Submission) -> Self {
        Self {
            message_size: smtp.message_size,
            recipients: match door {
                Door::Mx => smtp.recipients,
                Door::Submission => submission.recipients,
            },
            messages: smtp.messages,
            wrong_before_delay: smtp.wrong_before_delay,
            wrong_before_close: smtp.wrong_before_close,
            unknown_recipients: smtp.unknown_recipients,
            idle_commands: smtp.idle_commands,
            auth_tries: smtp.auth_tries,
        }
    }
}

impl<A, R> State<A, R> {
    /// A connection that was just taken; `tls` when its listener is encrypted from the first octet.
    #[must_use]
    pub fn new(door: Door, hostname: &str, tls: bool, limits: SessionLimits) -> Self {
        Self {
            door,
            hostname: hostname.to_owned(),
            limits,
            tls,
            hello: None,
            account: None,
            transaction: None,
            used: Used::default(),
        }
    }

    /// The greeting (RFC 5321 4.3.1).
    #[must_use]
    pub fn greeting(&self) -> Reply {
        Reply::plain(220, &format!("{} ESMTP", self.hostname))
    }

    /// How the client introduced itself, if it did since the last STARTTLS.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Who signed in.
    #[must_use]
    pub fn account(&self) -> Option<&A> {
        self.account.as_ref()
    }

    /// The message on its way in.
    #[must_use]
    pub fn transaction(&self) -> Option<&Transaction<R>> {
        self.transaction.as_ref()
    }

    /// What is to be done about a command.
    ///
    /// `more` says that octets of the client lie behind the command already, which after STARTTLS and
    /// DATA is an attack or a client that does not wait.
    pub fn step(&mut self, command: Result<Command, CommandError>, more: bool) -> Action {
        match command {
            Err(error) => self.wrong(error.into()),
            Ok(Command::Ehlo(name)) => self.greet(name, true),
            Ok(Command::Helo(name)) => self.greet(name, false),
            Ok(Command::StartTls) => self.start_tls(more),
            Ok(Command::Auth { mechanism, initial }) => self.auth(&mechanism, initial),
            Ok(Command::Mail { from, params }) => self.mail(from, params),
            Ok(Command::Rcpt { to, params }) => self.rcpt(to, params),
            Ok(Command::Data) => self.data(more),
            Ok(Command::Bdat { size_bytes, last }) => self.bdat(size_bytes, last),
            Ok(Command::Rset) => {
                self.transaction = None;
                self.idle(Reply::new(250, Status(2, 0, 0), "Ok"))
            }
            Ok(Command::Noop) => self.idle(Reply::new(250, Status(2, 0, 0), "Ok")),
            Ok(Command::Vrfy) => self.idle(Reply::new(
                252,
                Status(2, 5, 2),
                "Not verified; send the message",
            )),
            Ok(Command::Help) => self.idle(Reply::new(
                214,
                Status(2, 0, 0),
                "EHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP QUIT, see RFC 5321",
            )),
            Ok(Command::Expn) => self.wrong(CommandError::NotImplemented.into()),
            Ok(Command::Quit) => Action::Close(Reply::new(221, Status(2, 0, 0), "Bye")),
        }
    }

    /// TLS stands: everything that was said before it is forgotten (RFC 3207 4.2, S-33).
    pub fn tls_started(&mut self) {
        self.tls = true;
        self.hello = None;
        self.account = None;
        self.transaction = None;
    }

    /// The sign-in succeeded.
    pub fn signed_in(&mut self, account: A) -> Reply {
        self.account = Some(account);
        Reply::new(235, Status(2, 7, 0), "Signed in")
    }

    /// The sender was taken: a transaction begins.
    pub fn begin(&mut self, from: ReversePath, params: MailParams) -> Reply {
        self.transaction = Some(Transaction {
            from,
            params,
            recipients: Vec::new(),
            chunked: None,
        });
        Reply::new(250, Status(2, 1, 0), "Sender ok")
    }

    /// A recipient was taken.
    pub fn add(&mut self, to: ForwardPath, params: RcptParams, target: R) -> Reply {
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(Accepted { to, params, target });
        }
        Reply::new(250, Status(2, 1, 5), "Recipient ok")
    }

    /// A recipient does not exist here; who names too many of them is guessing.
    pub fn unknown_recipient(&mut self, reply: Reply) -> Action {
        self.used.unknown = self.used.unknown.saturating_add(1);
        if self.used.unknown > self.limits.unknown_recipients {
            return Action::Close(reply::too_much("Too many unknown recipients"));
        }
        Action::Reply(reply)
    }

    /// The message is at its end, stored or refused: the transaction is over.
    pub fn end(&mut self) -> Option<Transaction<R>> {
        self.used.messages = self.used.messages.saturating_add(1);
        self.used.idle = 0;
        self.transaction.take()
    }

    /// EHLO and HELO (RFC 5321 4.1.1.1): both begin anew (4.1.4).
    fn greet(&mut self, name: ClientName, extended: bool) -> Action {
        self.transaction = None;
        self.hello = Some(Hello { name, extended });
        if !extended {
            return self.idle(Reply::plain(250, &self.hostname));
        }
        let size = format!("SIZE {}", self.limits.message_size);
        let mut lines = vec![
            self.hostname.as_str(),
            "PIPELINING",
            &size,
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "ENHANCEDSTATUSCODES",
        ];
        if self.door == Door::Submission {
            // Not at the MX: announcing it promises receipts to senders whom nobody has verified (RFC 3461
            // 5.2.3), which would be backscatter (S-30). The parameters are understood all the same.
            lines.push("DSN");
        }
        if !self.tls {
            lines.push("STARTTLS");
        }
        if self.door == Door::Submission && self.tls {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines.push("HELP");
        let reply = Reply::many(250, lines);
        self.idle(reply)
    }

    /// STARTTLS (RFC 3207 4). With octets behind it already the connection is closed (S-33).
    fn start_tls(&mut self, more: bool) -> Action {
        if self.tls {
            return self.wrong(reply::bad_sequence("TLS is active already"));
        }
        if self.hello.is_none() {
            return self.wrong(reply::bad_sequence("Say EHLO first"));
        }
        if more {
            return Action::Hangup;
        }
        Action::StartTls(Reply::new(220, Status(2, 0, 0), "Go ahead"))
    }

    /// AUTH (RFC 4954 4), under TLS and on submission only (S-21).
    fn auth(&mut self, mechanism: &str, initial: Option<Secret>) -> Action {
        if self.door == Door::Mx {
            return self.wrong(CommandError::NotImplemented.into());
        }
        if !self.tls {
            return self.wrong(Reply::new(
                538,
                Status(5, 7, 11),
                "Encryption required, use STARTTLS first",
            ));
        }
        if self.hello.is_none() {
            return self.wrong(reply::bad_sequence("Say EHLO first"));
        }
        if self.account.is_some() {
            return self.wrong(reply::bad_sequence("Signed in already"));
        }
        if self.transaction.is_some() {
            return self.wrong(reply::bad_sequence("Not within a message"));
        }
        let mechanism = match mechanism {
            "PLAIN" => Mechanism::Plain,
            "LOGIN" => Mechanism::Login,
            _ => {
                return self.wrong(Reply::new(504, Status(5, 5, 4), "Mechanism not offered"));
            }
        };
        self.used.auth = self.used.auth.saturating_add(1);
        if self.used.auth > self.limits.auth_tries {
            return Action::Close(reply::too_much("Too many tries to sign in"));
        }
        Action::SignIn { mechanism, initial }
    }

    /// MAIL (RFC 5321 4.1.1.2).
    fn mail(&mut self, from: ReversePath, params: MailParams) -> Action {
        if self.hello.is_none() {
            return self.wrong(reply::bad_sequence("Say EHLO first"));
        }
        if self.door == Door::Submission && !self.tls {
            // RFC 3207 4
            return self.wrong(Reply::new(530, Status(5, 7, 0), "Use STARTTLS first"));
        }
        if self.door == Door::Submission && self.account.is_none() {
            // RFC 4954 6
            return self.wrong(Reply::new(530, Status(5, 7, 0), "Sign in first"));
        }
        if self.transaction.is_some() {
            return self.wrong(reply::bad_sequence("A message is open already"));
        }
        if self.used.messages >= self.limits.messages {
            return Action::Close(reply::too_much("Too many messages on one connection"));
        }
        if params
            .size_bytes
            .is_some_and(|s| s > self.limits.message_size)
        {
            return Action::Reply(reply::too_large());
        }
        Action::Sender { from, params }
    }

    /// RCPT (RFC 5321 4.1.1.3).
    fn rcpt(&mut self, to: ForwardPath, params: RcptParams) -> Action {
        let Some(transaction) = &self.transaction else {
            return self.wrong(reply::bad_sequence("MAIL first"));
        };
        if transaction.chunked.is_some() {
            return self.wrong(reply::bad_sequence("The message has begun"));
        }
        if transaction.recipients.len() >= self.limits.recipients {
            return Action::Reply(Reply::new(452, Status(4, 5, 3), "Too many recipients"));
        }
        let wide = to.mailbox().is_some_and(|m| !m.is_ascii());
        if wide && !transaction.params.smtputf8 {
            return Action::Reply(reply::needs_smtputf8());
        }
        Action::Recipient { to, params }
    }

    /// DATA (RFC 5321 4.1.1.4). A client that does not wait for 354 is smuggling or broken.
    fn data(&mut self, more: bool) -> Action {
        if more {
            return Action::Close(reply::bad_sequence("Wait for the answer to DATA"));
        }
        match &self.transaction {
            None => self.wrong(reply::bad_sequence("MAIL first")),
            Some(t) if t.chunked.is_some() => {
                self.wrong(reply::bad_sequence("The message goes on with BDAT"))
            }
            Some(t) if t.recipients.is_empty() => {
                self.wrong(reply::bad_sequence("No recipient was taken"))
            }
            Some(_) => Action::Data,
        }
    }

    /// BDAT (RFC 3030 2). Its octets follow whatever the answer is, so they are read all the same,
    /// unless they are so many that nobody would wait for it.
    fn bdat(&mut self, size_bytes: u64, last: bool) -> Action {
        let limit = self.limits.message_size;
        let refusal = match &mut self.transaction {
            None => reply::bad_sequence("MAIL first"),
            Some(t) if t.recipients.is_empty() => reply::bad_sequence("No recipient was taken"),
            Some(t) => {
                let total = t.chunked.unwrap_or_default().saturating_add(size_bytes);
                t.chunked = Some(total);
                if total <= limit {
                    return Action::Chunk { size_bytes, last };
                }
                self.end();
                reply::too_large()
            }
        };
        if size_bytes > limit {
            return Action::Close(refusal);
        }
        match self.wrong(refusal) {
            Action::Reply(reply) | Action::Slow(reply) => Action::Discard { size_bytes, reply },
            close => close,
        }
    }

    /// A command that brings nothing forward.
    fn idle(&mut self, reply: Reply) -> Action {
        self.used.idle = self.used.idle.saturating_add(1);
        if self.used.idle > self.limits.idle_commands {
            return Action::Close(reply::too_much("Too many commands without a message"));
        }
        Action::Reply(reply)
    }

    /// A command that is the client's fault.
    fn wrong(&mut self, reply: Reply) -> Action {
        self.used.wrong = self.used.wrong.saturating_add(1);
        if self.used.wrong > self.limits.wrong_before_close {
            Action::Close(reply::too_much("Too many wrong commands"))
        } else if self.used.wrong > self.limits.wrong_before_delay {
            Action::Slow(reply)
        } else {
            Action::Reply(reply)
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
