//! Replies (RFC 5321 4.2) with their enhanced status codes (RFC 2034, RFC 3463), and every reply that the
//! server gives, in tables to be read beside RFC 5321 4.2.2 and `security.md` 2.
//!
//! Handlers return a [`Reply`]; only the session loop writes one. A text never holds a CR or an LF, never
//! what a client must not learn (style.md 4), and is ASCII.
//!
//! [`ReplyReader`] is the other direction, for our client side and for tests: bounded, sans-I/O.

use std::fmt;

use super::command::CommandError;
use super::content::ContentError;
use super::params::ParamError;
use super::path::PathError;
use crate::error::Refusal;

/// An answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<Status>,
    lines: Vec<String>,
}

/// An enhanced status code: class, subject, detail (RFC 3463 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Status(pub u8, pub u16, pub u16);

impl Reply {
    /// A reply of one line with an enhanced status code of the same class.
    #[must_use]
    pub fn new(code: u16, status: Status, text: &str) -> Self {
        debug_assert_eq!(code / 100, u16::from(status.0), "RFC 2034 4: one class");
        Self {
            code,
            status: Some(status),
            lines: vec![clean(text)],
        }
    }

    /// A reply without a status code: the greeting, EHLO's and the intermediate ones (RFC 2034 3).
    #[must_use]
    pub fn plain(code: u16, text: &str) -> Self {
        Self::many(code, [text])
    }

    /// A reply of several lines without a status code.
    #[must_use]
    pub fn many<'a>(code: u16, lines: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            code,
            status: None,
            lines: lines.into_iter().map(clean).collect(),
        }
    }

    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status code, if there is one.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.status
    }

    /// The lines' texts without their codes.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 2xx or 3xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        matches!(self.code, 200..=399)
    }

    /// 4xx: the same command may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.code, 400..=499)
    }

    /// 5xx: it never will.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        matches!(self.code, 500..=599)
    }
}

/// One line to the printable ASCII that a reply may hold; the rest becomes `?`.
fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect()
}

/// Writes the lines with CRLF, the status code on each (RFC 2034 3).
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.lines.len().saturating_sub(1);
        if self.lines.is_empty() {
            return write!(f, "{} \r\n", self.code);
        }
        for (at, line) in self.lines.iter().enumerate() {
            let dash = if at == last { ' ' } else { '-' };
            write!(f, "{}{dash}", self.code)?;
            if let Some(status) = self.status {
                write!(f, "{status} ")?;
            }
            write!(f, "{line}\r\n")?;
        }
        Ok(())
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A line that is no command.
impl From<CommandError> for Reply {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::BareControl => {
                Self::new(500, Status(5, 5, 2), "Bare CR, LF or NUL in a command")
            }
            CommandError::TooLong => Self::new(500, Status(5, 5, 6), "Line is too long"),
            CommandError::Unknown => Self::new(500, Status(5, 5, 2), "Command not recognized"),
            CommandError::NotImplemented => {
                Self::new(502, Status(5, 5, 1), "Command not implemented")
            }
            CommandError::Arguments => {
                Self::new(501, Status(5, 5, 4), "Syntax error in the arguments")
            }
            CommandError::Sender(why) => path(why, Status(5, 1, 7)),
            CommandError::Recipient(why) => path(why, Status(5, 1, 3)),
            CommandError::NeedsSmtpUtf8 => needs_smtputf8(),
            CommandError::Param(why) => param(why),
        }
    }
}

/// RFC 5321 4.2.2: 553 is "mailbox name not allowed (e.g., mailbox syntax incorrect)".
fn path(why: PathError, status: Status) -> Reply {
    let text = match why {
        PathError::Syntax => "Address is not valid",
        PathError::TooLong => "Address is too long",
        PathError::SourceRoute => "Source routes are not followed",
    };
    Reply::new(553, status, text)
}

/// RFC 5321 4.1.1.11 for what is unknown, 4.2.2 for the rest.
fn param(why: ParamError) -> Reply {
    match why {
        ParamError::Malformed => Reply::new(501, Status(5, 5, 4), "Parameter is not valid"),
        ParamError::Unknown => Reply::new(555, Status(5, 5, 4), "Parameter not recognized"),
        ParamError::NotImplemented => {
            Reply::new(504, Status(5, 5, 4), "Parameter value not implemented")
        }
    }
}

/// A message that breaks a limit (security 2, S-32, S-34).
impl From<ContentError> for Reply {
    fn from(error: ContentError) -> Self {
        match error {
            ContentError::BareNewline => {
                Self::new(550, Status(5, 6, 11), "Message holds a bare CR or LF")
            }
            ContentError::LongLine => Self::new(552, Status(5, 6, 0), "A line is too long"),
            ContentError::LargeHeader => Self::new(552, Status(5, 6, 0), "Header is too large"),
            ContentError::TooLarge => too_large(),
            ContentError::Loop => {
                Self::new(554, Status(5, 4, 6), "Too many hops, the message loops")
            }
        }
    }
}

/// A UTF-8 address without SMTPUTF8 (RFC 6531 3.5).
#[must_use]
pub fn needs_smtputf8() -> Reply {
    Reply::new(553, Status(5, 6, 7), "Address needs SMTPUTF8")
}

/// The message is beyond SIZE (RFC 1870 6).
#[must_use]
pub fn too_large() -> Reply {
    Reply::new(552, Status(5, 3, 4), "Message is too large")
}

/// A command at a moment at which it means nothing.
#[must_use]
pub fn bad_sequence(text: &str) -> Reply {
    Reply::new(503, Status(5, 5, 1), text)
}

/// A limit of the connection was passed; the connection ends.
#[must_use]
pub fn too_much(text: &str) -> Reply {
    Reply::new(421, Status(4, 7, 0), text)
}

/// The peer was silent or slow for too long; the connection ends.
#[must_use]
pub fn timed_out() -> Reply {
    Reply::new(421, Status(4, 4, 2), "Timed out, closing the connection")
}

/// The program stops; the connection ends.
#[must_use]
pub fn stopping() -> Reply {
    Reply::new(421, Status(4, 3, 2), "Shutting down, try again later")
}

/// The storage is away (S-04).
#[must_use]
pub fn unavailable() -> Reply {
    Reply::new(451, Status(4, 3, 0), "Temporary trouble, try again later")
}

/// What a service refused, in SMTP's words. A full mailbox is temporary: who knows that the message can
/// never fit says [`never_fits`] instead.
#[must_use]
pub fn refused(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::OverQuota { .. } => mailbox_full(),
        Refusal::TooLarge { .. } => too_large(),
        Refusal::NoFolder | Refusal::NoMessage | Refusal::NotFound => unknown_user(),
        Refusal::Exists | Refusal::Stale | Refusal::Invalid(_) => {
            Reply::new(554, Status(5, 6, 0), "Message is not valid")
        }
        Refusal::NotAllowed => Reply::new(553, Status(5, 7, 1), "Not allowed"),
        Refusal::TooMany { .. } => {
            Reply::new(450, Status(4, 7, 1), "Too many messages, try again later")
        }
        Refusal::StorageFull(_) => {
            Reply::new(452, Status(4, 3, 1), "Storage is full, try again later")
        }
        Refusal::Unavailable(_) | Refusal::Internal(_) => unavailable(),
    }
}

/// One text for every reason that is the client's, so that none tells whether the account exists (S-22).
#[must_use]
pub fn sign_in_failed() -> Reply {
    Reply::new(535, Status(5, 7, 8), "Name or password is wrong")
}

/// The sign-in no longer holds (S-24); the connection ends.
#[must_use]
pub fn signed_out() -> Reply {
    Reply::new(421, Status(4, 7, 0), "Signed out, sign in again")
}

/// Nobody can sign in at the moment; nothing is said about the password (RFC 4954 6).
#[must_use]
pub fn cannot_sign_in_now() -> Reply {
    Reply::new(
        454,
        Status(4, 7, 0),
        "Sign-in is not possible now, try again later",
    )
}

/// The recipient does not exist (S-30).
#[must_use]
pub fn unknown_user() -> Reply {
    Reply::new(550, Status(5, 1, 1), "No such user here")
}

/// The recipient exists and takes no mail.
#[must_use]
pub fn disabled_user() -> Reply {
    Reply::new(550, Status(5, 2, 1), "Mailbox is disabled")
}

/// The recipient is not ours, and the client has not signed in (S-30).
#[must_use]
pub fn relaying_denied() -> Reply {
    Reply::new(550, Status(5, 7, 1), "Relaying denied")
}

/// An address literal elsewhere: mail to bare addresses is not sent out, it would reach inside networks.
#[must_use]
pub fn bad_destination() -> Reply {
    Reply::new(550, Status(5, 1, 2), "Mail to address literals is not sent")
}

/// The sender is not an address of the account (S-31).
#[must_use]
pub fn not_your_address() -> Reply {
    Reply::new(553, Status(5, 7, 1), "Sender is not an address of yours")
}

/// The message has been here before (S-34).
#[must_use]
pub fn loops() -> Reply {
    Reply::new(554, Status(5, 4, 6), "The message loops")
}

/// There is no room now.
#[must_use]
pub fn mailbox_full() -> Reply {
    Reply::new(452, Status(4, 2, 2), "Mailbox is full")
}

/// There never will be room: the message is larger than the whole quota.
#[must_use]
pub fn never_fits() -> Reply {
    Reply::new(552, Status(5, 2, 2), "Message is larger than the mailbox")
}

/// A source sends more than its share.
#[must_use]
pub fn source_is_too_busy() -> Reply {
    Reply::new(
        450,
        Status(4, 7, 1),
        "Too many messages from you, try again later",
    )
}

/// A chunk that was not the last one (RFC 3030 2).
#[must_use]
pub fn chunk_taken(size_bytes: u64) -> Reply {
    Reply::new(250, Status(2, 0, 0), &format!("{size_bytes} octets taken"))
}

/// The message is committed (S-01).
#[must_use]
pub fn stored(id: &str) -> Reply {
    Reply::new(250, Status(2, 6, 0), &format!("Message taken as {id}"))
}

/// Puts a reply together from its lines, as a client receives it.
#[derive(Debug, Default)]
pub struct ReplyReader {
    reply: Option<Reply>,
    octets: usize,
}

/// What comes from a server that does not speak SMTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Not `ddd`, then a space or a dash, or lines with different codes.
    #[error("not an SMTP reply")]
    Malformed,
    /// More than [`REPLY_LINES`] lines or [`REPLY_OCTETS`] octets.
    #[error("an SMTP reply without an end")]
    TooLong,
}

impl ReplyReader {
    /// Takes one line without its line end; gives the reply back with its last line.
    ///
    /// # Errors
    /// [`ReplyError`]; the connection is of no use any more.
    pub fn push(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        self.octets = self.octets.saturating_add(line.len());
        if self.octets > REPLY_OCTETS {
            return Err(ReplyError::TooLong);
        }
        let text = String::from_utf8_lossy(line);
        let (code, rest) = text.split_at_checked(3).ok_or(ReplyError::Malformed)?;
        if !code.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ReplyError::Malformed);
        }
        let code = code.parse().map_err(|_| ReplyError::Malformed)?;
        let (last, rest) = match rest.as_bytes().first() {
            None | Some(b' ') => (true, rest.get(1..).unwrap_or_default()),
            Some(b'-') => (false, rest.get(1..).unwrap_or_default()),
            Some(_) => return Err(ReplyError::Malformed),
        };
        if !(200..=599).contains(&code) {
            return Err(ReplyError::Malformed);
        }
        let reply = self.reply.get_or_insert_with(|| Reply {
            code,
            status: split_status(code, rest).map(|(status, _)| status),
            lines: Vec::new(),
        });
        if reply.code != code {
            return Err(ReplyError::Malformed);
        }
        if reply.lines.len() >= REPLY_LINES {
            return Err(ReplyError::TooLong);
        }
        let text = match split_status(code, rest) {
            Some((status, text)) if reply.status == Some(status) => text,
            _ => rest,
        };
        reply.lines.push(clean(text));
        if last {
            self.octets = 0;
            return Ok(self.reply.take());
        }
        Ok(None)
    }
}

/// `class "." subject "." detail` at the front, of the class that the code has (RFC 2034 4).
fn split_status(code: u16, text: &str) -> Option<(Status, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = word.split('.');
    let number = |n: Option<&str>| -> Option<u16> {
        n.filter(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))?
            .parse()
            .ok()
    };
    let class = number(numbers.next())?;
    let subject = number(numbers.next())?;
    let detail = number(numbers.next())?;
    if numbers.next().is_some() || class != code / 100 || !matches!(class, 2 | 4 | 5) {
        return None;
    }
    Some((Status(u8::try_from(class).ok()?, subject, detail), rest))
}

/// Lines of one reply that are taken from a server.
pub const REPLY_LINES: usize = 128;
/// Octets of one reply that are taken from a server.
pub const REPLY_OCTETS: usize = 65_536;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(wire: &str) -> Result<Option<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        let mut last = Ok(None);
        for line in wire.lines() {
            last = reader.push(line.as_bytes());
        }
        last
    }

    #[test]
    fn written_as_the_rfcs_say() {
        let ok = Reply::new(250, Status(2, 1, 0), "Sender ok");
        assert_eq!(ok.to_string(), "250 2.1.0 Sender ok\r\n");
        let ehlo = Reply::many(250, ["host.example", "PIPELINING", "SIZE 1000"]);
        assert_eq!(
            ehlo.to_string(),
            "250-host.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"
        );
        assert_eq!(Reply::plain(354, "Go on").to_string(), "354 Go on\r\n");
    }

    /// Promise of style.md 4: nothing that a peer sent can forge a line.
    #[test]
    fn a_text_stays_one_line() {
        let reply = Reply::new(250, Status(2, 0, 0), "a\r\n250 b\0ü");
        assert_eq!(reply.to_string(), "250 2.0.0 a??250 b??\r\n");
    }

    #[test]
    fn read_from_servers() {
        // RFC 2034 5 and RFC 5321 4.2.1
        let reply = read("550 5.1.1 Mailbox \"nosuchuser\" does not exist")
            .unwrap()
            .unwrap();
        assert_eq!(reply.status(), Some(Status(5, 1, 1)));
        assert!(reply.is_permanent() && !reply.is_transient() && !reply.is_positive());
        let reply = read("250-First line\r\n250-Second line\r\n250-234 Text\r\n250 Last")
            .unwrap()
            .unwrap();
        assert_eq!(reply.lines().len(), 4);
        assert_eq!(read("250").unwrap().unwrap().code(), 250);
        assert_eq!(
            read("450 5.1.1 other class").unwrap().unwrap().status(),
            None
        );
        assert_eq!(read("250-more"), Ok(None));
        for bad in [
            "",
            "25",
            "2x0 a",
            "250_a",
            "099 a",
            "600 a",
            "250-a\r\n251 b",
            "\u{fc}\u{fc}",
        ] {
            assert_eq!(read(bad).is_err(), !bad.is_empty(), "{bad}");
        }
        assert_eq!(read(&"250-x\r\n".repeat(129)), Err(ReplyError::TooLong));
        assert_eq!(
            read(&format!("250 {}", "x".repeat(65_536))),
            Err(ReplyError::TooLong)
        );
    }

    proptest! {
        #[test]
        fn written_then_read(
            code in 200..599_u16,
            status in prop::option::of((0..999_u16, 0..999_u16)),
            lines in prop::collection::vec("[a-zA-Z][ -~]{0,60}", 1..6),
        ) {
            let class = u8::try_from(code / 100).unwrap();
            let status = status.filter(|_| class != 3).map(|(s, d)| Status(class, s, d));
            let reply = Reply { code, status, lines };
            prop_assert_eq!(read(&reply.to_string()), Ok(Some(reply)));
        }

        #[test]
        fn never_panics(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..5)) {
            let mut reader = ReplyReader::default();
            for line in &lines {
                let _ = reader.push(line);
            }
        }
    }
}
