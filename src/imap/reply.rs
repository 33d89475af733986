//! The tagged answers (RFC 9051 7.1, RFC 5530): why a service said no, in IMAP's words.

use crate::error::Refusal;

/// A tagged answer without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// `OK`, `NO` or `BAD`.
    pub status: &'static str,
    /// The response code without its brackets; empty for none.
    pub code: String,
    /// For people.
    pub text: &'static str,
}

impl Reply {
    /// It is done.
    pub fn ok(text: &'static str) -> Self {
        Self::with("OK", "", text)
    }

    /// It is done, and this is known of it.
    pub fn ok_with(code: impl Into<String>, text: &'static str) -> Self {
        Self::with("OK", code, text)
    }

    /// It cannot be done.
    pub fn no(code: impl Into<String>, text: &'static str) -> Self {
        Self::with("NO", code, text)
    }

    /// It makes no sense.
    pub fn bad(text: &'static str) -> Self {
        Self::with("BAD", "", text)
    }

    fn with(status: &'static str, code: impl Into<String>, text: &'static str) -> Self {
        Self {
            status,
            code: code.into(),
            text,
        }
    }

    /// The line behind a tag.
    pub fn line(&self, tag: &str) -> String {
        if self.code.is_empty() {
            format!("{tag} {} {}\r\n", self.status, self.text)
        } else {
            format!("{tag} {} [{}] {}\r\n", self.status, self.code, self.text)
        }
    }

    /// Whether it is `BAD`.
    pub fn is_bad(&self) -> bool {
        self.status == "BAD"
    }

    /// The answer to a refusal; the texts tell nothing about other users, paths or the database.
    pub fn refused(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::OverQuota { .. } => Self::no("OVERQUOTA", "The mailbox is full"),
            Refusal::TooLarge { .. } => Self::no("TOOBIG", "The message is too large"),
            Refusal::NoFolder => Self::no("NONEXISTENT", "No such mailbox"),
            Refusal::NoMessage => Self::no("EXPUNGEISSUED", "Some of the messages no longer exist"),
            Refusal::NotFound => Self::no("NONEXISTENT", "No such object"),
            Refusal::Exists => Self::no("ALREADYEXISTS", "It exists already"),
            Refusal::Stale => Self::no("INUSE", "It changed meanwhile, try again"),
            Refusal::Invalid("keyword-long") => Self::no("LIMIT", "A keyword is too long"),
            Refusal::Invalid(_) => Self::no("CANNOT", "This name or value cannot be used"),
            Refusal::NotAllowed => Self::no("NOPERM", "Not allowed"),
            Refusal::TooMany { .. } => Self::no("LIMIT", "There are too many of them"),
            Refusal::StorageFull(_) | Refusal::Unavailable(_) => {
                Self::no("UNAVAILABLE", "The storage is away, try again later")
            }
            Refusal::Internal(_) => Self::no("SERVERBUG", "Something went wrong here"),
        }
    }

    /// The same where the mailbox is a target (RFC 9051 6.3.12, 6.4.7): it may be created first.
    pub fn refused_target(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoFolder => Self::no("TRYCREATE", "No such mailbox"),
            other => Self::refused(other),
        }
    }
}
