//! Replies of one line with their response codes (RFC 1939 3, RFC 2449 8, RFC 3206), and every text that the door gives.
//!
//! A text holds no CR or LF and nothing that a client must not learn (style.md 4).

use std::borrow::Cow;
use std::fmt;

use crate::error::Refusal;
use crate::format::pop3::CommandError;

/// An answer to one command, or the first line of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    is_ok: bool,
    code: Option<Code>,
    text: Cow<'static, str>,
}

/// A response code: what a program can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The credentials are wrong, ask the user (RFC 3206 5).
    Auth,
    /// As many sessions of this account as may be (RFC 2449 8.1.2).
    InUse,
    /// Trouble of ours that passes (RFC 3206 4).
    SysTemp,
}

impl Reply {
    /// `+OK text`
    #[must_use]
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            is_ok: true,
            code: None,
            text: text.into(),
        }
    }

    /// `-ERR text`
    #[must_use]
    pub fn err(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            is_ok: false,
            code: None,
            text: text.into(),
        }
    }

    /// `-ERR [code] text`
    #[must_use]
    pub fn coded(code: Code, text: &'static str) -> Self {
        Self {
            is_ok: false,
            code: Some(code),
            text: text.into(),
        }
    }

    /// Whether it begins with `+OK`.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.is_ok
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::SysTemp => "SYS/TEMP",
        })
    }
}

/// Writes the line with its CRLF.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_ok { "+OK" } else { "-ERR" })?;
        if let Some(code) = self.code {
            write!(f, " [{code}]")?;
        }
        if !self.text.is_empty() {
            write!(f, " {}", self.text)?;
        }
        f.write_str("\r\n")
    }
}

impl From<CommandError> for Reply {
    fn from(error: CommandError) -> Self {
        Self::err(match error {
            CommandError::Unknown => "Unknown command",
            CommandError::Arguments => "Wrong arguments",
            CommandError::Control => "Control character in a command",
        })
    }
}

/// A line beyond the limit.
#[must_use]
pub fn too_long() -> Reply {
    Reply::err("Line is too long")
}

/// A command that belongs to another state (RFC 1939 3).
#[must_use]
pub fn not_now(text: &'static str) -> Reply {
    Reply::err(text)
}

/// A number that is none of the snapshot.
#[must_use]
pub fn no_such_message() -> Reply {
    Reply::err("No such message")
}

/// A message that this session has marked.
#[must_use]
pub fn marked_already() -> Reply {
    Reply::err("Message is marked as deleted")
}

/// A message that another door has removed since the snapshot.
#[must_use]
pub fn gone() -> Reply {
    Reply::err("Message was removed by another program")
}

/// One text for a wrong password, an unknown name, a locked and a disabled account (S-22).
#[must_use]
pub fn sign_in_failed() -> Reply {
    Reply::coded(Code::Auth, "Name or password is wrong")
}

/// Nobody can sign in at the moment; nothing was counted.
#[must_use]
pub fn cannot_sign_in_now() -> Reply {
    Reply::coded(Code::SysTemp, "Cannot sign in now, try again later")
}

/// The account's share of connections is taken.
#[must_use]
pub fn too_many_sessions() -> Reply {
    Reply::coded(Code::InUse, "Too many connections to this mailbox")
}

/// The last word to a client that goes on too long with what is wrong.
#[must_use]
pub fn too_many_errors() -> Reply {
    Reply::err("Too many wrong commands")
}

/// The program stops; nothing was removed.
#[must_use]
pub fn stopping() -> Reply {
    Reply::coded(Code::SysTemp, "Server is stopping, nothing was removed")
}

/// The password changed, or the account was switched off; nothing was removed.
#[must_use]
pub fn signed_out() -> Reply {
    Reply::coded(Code::Auth, "Sign in again, nothing was removed")
}

/// What a service refused.
#[must_use]
pub fn refused(refusal: &Refusal) -> Reply {
    match refusal {
        Refusal::NoMessage => gone(),
        Refusal::NoFolder | Refusal::NotFound => Reply::err("No such mailbox"),
        Refusal::NotAllowed => Reply::err("Not allowed"),
        Refusal::Unavailable(_)
        | Refusal::StorageFull(_)
        | Refusal::Internal(_)
        | Refusal::TooMany { .. } => Reply::coded(Code::SysTemp, "Try again later"),
        // Of writing objects, which no command of POP3 does.
        Refusal::OverQuota { .. }
        | Refusal::TooLarge { .. }
        | Refusal::Exists
        | Refusal::Stale
        | Refusal::Invalid(_) => Reply::err("Refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_rfc_2449_wants_them() {
        for (reply, line) in [
            (Reply::ok(""), "+OK\r\n"),
            (Reply::ok("2 320"), "+OK 2 320\r\n"),
            (no_such_message(), "-ERR No such message\r\n"),
            (
                sign_in_failed(),
                "-ERR [AUTH] Name or password is wrong\r\n",
            ),
            (
                too_many_sessions(),
                "-ERR [IN-USE] Too many connections to this mailbox\r\n",
            ),
            (
                cannot_sign_in_now(),
                "-ERR [SYS/TEMP] Cannot sign in now, try again later\r\n",
            ),
        ] {
            assert_eq!(reply.to_string(), line);
            assert!(line.len() <= 512, "RFC 2449 4");
        }
    }
}
