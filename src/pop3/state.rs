//! What a command means at this moment: the states of RFC 1939 3, the marks of DELE, what is used up.
//!
//! ```text
//! AUTHORIZATION ── USER + PASS, or AUTH ──> TRANSACTION ── QUIT ──> UPDATE, then the end
//!       └── QUIT ──> the end, nothing removed      └── anything else that ends it: nothing removed
//! ```
//!
//! In clear there is only CAPA, STLS and QUIT (S-21). What was said before TLS is forgotten (RFC 2595 4, S-33).
//! No I/O: the session carries out what [`State::step`] answers.

use super::reply::{self, Reply};
use crate::config::Pop3;
use crate::format::pop3::{Command, CommandError};
use crate::format::sasl::Secret;

/// What is to be done about a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Answer.
    Reply(Reply),
    /// Answer after a pause.
    Slow(Reply),
    /// Answer and close.
    Close(Reply),
    /// Close without a word.
    Hangup,
    /// Answer, then TLS; then [`State::tls_started`].
    StartTls(Reply),
    /// Answer with these lines.
    Lines(Reply, Vec<String>),
    /// Ask the service; then [`State::signed_in`] or [`State::sign_in_failed`].
    SignIn {
        /// As typed.
        name: String,
        /// As typed.
        password: Secret,
    },
    /// The exchange of a mechanism; then as for `SignIn`.
    Exchange {
        /// Which.
        mechanism: Mechanism,
        /// What came with the command.
        initial: Option<Secret>,
    },
    /// STAT.
    Stat,
    /// LIST of one message.
    Size(u32),
    /// LIST of all.
    Sizes,
    /// UIDL of one message.
    UniqueId(u32),
    /// UIDL of all.
    UniqueIds,
    /// RETR.
    Retrieve(u32),
    /// TOP.
    Top(u32, u32),
    /// DELE; then [`State::mark`].
    Delete(u32),
    /// QUIT: remove what is marked, answer, close.
    Commit,
}

/// The SASL mechanisms that are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616
    Plain,
    /// Two prompts; what old mail programs know.
    Login,
}

/// The limits of a connection.
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// Wrong commands before each further one waits.
    pub wrong_before_delay: u32,
    /// Wrong commands before the close.
    pub wrong_before_close: u32,
    /// Failed sign-ins before the close.
    pub sign_in_tries: u32,
}

/// A connection as far as its commands have brought it.
#[derive(Debug)]
pub struct State {
    limits: SessionLimits,
    has_tls: bool,
    phase: Phase,
    wrong: u32,
    failed: u32,
}

#[derive(Debug)]
enum Phase {
    /// The name of USER, until a PASS.
    Authorization(Option<String>),
    Transaction(Marks),
}

/// The messages of a snapshot that are marked as deleted: one bit each, made by the first DELE.
#[derive(Debug, Default)]
pub struct Marks {
    messages: u32,
    bits: Vec<u64>,
    marked: u32,
    octets: u64,
}

impl SessionLimits {
    /// The limits of the settings.
    #[must_use]
    pub fn from_config(pop3: &Pop3) -> Self {
        Self {
            wrong_before_delay: pop3.wrong_before_delay,
            wrong_before_close: pop3.wrong_before_close,
            sign_in_tries: pop3.sign_in_tries,
        }
    }
}

impl State {
    /// A connection that was just taken; `has_tls` when its listener is encrypted from the first octet.
    #[must_use]
    pub fn new(has_tls: bool, limits: SessionLimits) -> Self {
        Self {
            limits,
            has_tls,
            phase: Phase::Authorization(None),
            wrong: 0,
            failed: 0,
        }
    }

    /// What is to be done about a command; `more` says that octets of the client lie behind it already.
    pub fn step(&mut self, command: Result<Command, CommandError>, more: bool) -> Action {
        match command {
            Err(error) => self.wrong(error.into()),
            Ok(Command::Capa) => Action::Lines(Reply::ok("Capabilities"), self.capabilities()),
            Ok(Command::Quit) => match &self.phase {
                Phase::Authorization(_) => Action::Close(Reply::ok("Bye")),
                Phase::Transaction(_) => Action::Commit,
            },
            Ok(Command::Stls) => self.start_tls(more),
            Ok(command) if !self.has_tls => self.in_clear(&command),
            Ok(command) => match &self.phase {
                Phase::Authorization(_) => self.authorize(command),
                Phase::Transaction(_) => self.transact(&command),
            },
        }
    }

    /// TLS stands: everything that was said before it is forgotten.
    pub fn tls_started(&mut self) {
        self.has_tls = true;
        self.phase = Phase::Authorization(None);
    }

    /// The sign-in succeeded, and the maildrop holds so many messages.
    pub fn signed_in(&mut self, messages: u32) {
        self.phase = Phase::Transaction(Marks {
            messages,
            ..Marks::default()
        });
    }

    /// The sign-in failed; after the last try the connection is closed.
    pub fn sign_in_failed(&mut self, reply: Reply) -> Action {
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.limits.sign_in_tries {
            Action::Close(reply)
        } else {
            Action::Reply(reply)
        }
    }

    /// Whether somebody has signed in.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        matches!(self.phase, Phase::Transaction(_))
    }

    /// What is marked; nothing before the sign-in.
    #[must_use]
    pub fn marks(&self) -> Option<&Marks> {
        match &self.phase {
            Phase::Authorization(_) => None,
            Phase::Transaction(marks) => Some(marks),
        }
    }

    /// Marks a message of so many octets.
    pub fn mark(&mut self, number: u32, octets: u64) {
        if let Phase::Transaction(marks) = &mut self.phase {
            marks.set(number, octets);
        }
    }

    /// CAPA (RFC 2449 6); what cannot be used now is not named.
    fn capabilities(&self) -> Vec<String> {
        let mut names = vec![
            "TOP",
            "UIDL",
            "PIPELINING",
            "RESP-CODES",
            "AUTH-RESP-CODE",
            "EXPIRE NEVER",
            "UTF8 USER",
        ];
        if self.has_tls {
            names.extend(["USER", "SASL PLAIN LOGIN"]);
        } else {
            names.push("STLS");
        }
        names.push("IMPLEMENTATION Postamt");
        names.into_iter().map(str::to_owned).collect()
    }

    /// STLS (RFC 2595 4). With octets behind it already the connection is closed (S-33).
    fn start_tls(&mut self, more: bool) -> Action {
        if self.has_tls {
            return self.wrong(reply::not_now("TLS is active already"));
        }
        if more {
            return Action::Hangup;
        }
        Action::StartTls(Reply::ok("Begin TLS"))
    }

    /// A command before TLS.
    fn in_clear(&mut self, command: &Command) -> Action {
        if *command == Command::Utf8 {
            return Action::Reply(Reply::ok("UTF-8 it is"));
        }
        self.wrong(reply::not_now("Encryption required, use STLS first"))
    }

    /// AUTHORIZATION under TLS.
    fn authorize(&mut self, command: Command) -> Action {
        let named = match &mut self.phase {
            Phase::Authorization(name) => name.take(),
            Phase::Transaction(_) => None,
        };
        match command {
            Command::User(name) => {
                self.phase = Phase::Authorization(Some(name));
                // The same for every name, so that none tells whether there is an account (S-22).
                Action::Reply(Reply::ok("Send the password"))
            }
            Command::Pass(password) => match named {
                Some(name) => Action::SignIn { name, password },
                None => self.wrong(reply::not_now("USER first")),
            },
            Command::Auth {
                mechanism: None, ..
            } => Action::Lines(
                // Departure: RFC 5034 knows no AUTH without a mechanism; old Outlook asks so what there is.
                Reply::ok("Mechanisms"),
                vec!["PLAIN".to_owned(), "LOGIN".to_owned()],
            ),
            Command::Auth {
                mechanism: Some(mechanism),
                initial,
            } => match mechanism.as_str() {
                "PLAIN" => Action::Exchange {
                    mechanism: Mechanism::Plain,
                    initial,
                },
                "LOGIN" => Action::Exchange {
                    mechanism: Mechanism::Login,
                    initial,
                },
                _ => self.wrong(Reply::err("Mechanism not offered")),
            },
            Command::Utf8 => Action::Reply(Reply::ok("UTF-8 it is")),
            _ => self.wrong(reply::not_now("Sign in first")),
        }
    }

    /// TRANSACTION.
    fn transact(&mut self, command: &Command) -> Action {
        let Phase::Transaction(marks) = &mut self.phase else {
            return self.wrong(reply::not_now("Sign in first"));
        };
        let asked = |number: u32, action: Action| match marks.state(number) {
            Mark::Free => action,
            Mark::Set => Action::Reply(reply::marked_already()),
            Mark::Beyond => Action::Reply(reply::no_such_message()),
        };
        match *command {
            Command::Stat => Action::Stat,
            Command::List(None) => Action::Sizes,
            Command::List(Some(number)) => asked(number, Action::Size(number)),
            Command::Uidl(None) => Action::UniqueIds,
            Command::Uidl(Some(number)) => asked(number, Action::UniqueId(number)),
            Command::Retr(number) => asked(number, Action::Retrieve(number)),
            Command::Top { number, lines } => asked(number, Action::Top(number, lines)),
            Command::Dele(number) => asked(number, Action::Delete(number)),
            Command::Noop => Action::Reply(Reply::ok("")),
            Command::Rset => {
                marks.clear();
                Action::Reply(Reply::ok("Nothing is marked as deleted"))
            }
            Command::User(_) | Command::Pass(_) | Command::Auth { .. } => {
                self.wrong(reply::not_now("Signed in already"))
            }
            Command::Utf8 => self.wrong(reply::not_now("Not after the sign-in")),
            // Answered by `step`.
            Command::Capa | Command::Stls | Command::Quit => Action::Hangup,
        }
    }

    /// A command that is the client's fault.
    pub fn wrong(&mut self, reply: Reply) -> Action {
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong > self.limits.wrong_before_close {
            Action::Close(reply::too_many_errors())
        } else if self.wrong > self.limits.wrong_before_delay {
            Action::Slow(reply)
        } else {
            Action::Reply(reply)
        }
    }
}

/// What is known of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A message.
    Free,
    /// One that is marked.
    Set,
    /// None of the snapshot.
    Beyond,
}

impl Marks {
    /// Messages that are marked.
    #[must_use]
    pub fn marked(&self) -> u32 {
        self.marked
    }

    /// Octets of those that are marked.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether a number is marked.
    #[must_use]
    pub fn is_set(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// The marked numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (1..=self.messages).filter(|number| self.is_set(*number))
    }

    fn state(&self, number: u32) -> Mark {
        if number == 0 || number > self.messages {
            Mark::Beyond
        } else if self.is_set(number) {
            Mark::Set
        } else {
            Mark::Free
        }
    }

    fn set(&mut self, number: u32, octets: u64) {
        if self.state(number) != Mark::Free {
            return;
        }
        let (word, bit) = place(number);
        if self.bits.is_empty() {
            let (last, _) = place(self.messages);
            self.bits = vec![0; last + 1];
        }
        if let Some(bits) = self.bits.get_mut(word) {
            *bits |= bit;
            self.marked += 1;
            self.octets = self.octets.saturating_add(octets);
        }
    }

    fn clear(&mut self) {
        *self = Self {
            messages: self.messages,
            ..Self::default()
        };
    }
}

/// The word and the bit of a number.
fn place(number: u32) -> (usize, u64) {
    let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
    (word, 1 << (number % 64))
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
