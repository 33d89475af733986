//! IMAP's grammar (RFC 3501, RFC 9051 and the extensions named at each function), bytes to values and back.
//!
//! ```text
//! line by line  [`announced`]  does this line end with a literal, and how large?
//!               [`append`]     is it the message of an APPEND, which is streamed and never held?
//! whole         [`parse`]      a command of its octets, literals inside; a refusal carries the tag and the reason
//! back          [`write`]      strings, names, flags, dates as responses hold them
//! ```
//!
//! Nothing here recurses deeper than [`Limits::depth`], and every list has a limit with a name. Mailbox names are decoded
//! here (modified UTF-7, or UTF-8 once the client asked for it); nothing later sees the encoded form.

pub mod append;
pub mod command;
mod cursor;
pub mod fetch;
pub mod line;
pub mod list;
pub mod parse;
pub mod pattern;
pub mod search;
pub mod set;
pub mod sort;
pub mod subject;
pub mod thread;
pub mod utf7;
pub mod write;

pub use command::{Body, Command};
pub use line::{Announced, announced};
pub use parse::parse;

/// What a command may hold; defaults and reasons are in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parentheses inside one another.
    pub depth: usize,
    /// Keys of a search.
    pub search_keys: usize,
    /// Ranges of a sequence set after merging.
    pub ranges: usize,
    /// Items of a FETCH, entries of any other list.
    pub items: usize,
    /// Mailbox names are UTF-8 (RFC 6855 3; RFC 9051 5.1 after `ENABLE IMAP4rev2`).
    pub utf8: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 32,
            search_keys: 500,
            ranges: 10_000,
            items: 200,
            utf8: false,
        }
    }
}

/// Why a command is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Not what the grammar has there; the text says what was expected.
    #[error("{0}")]
    Syntax(&'static str),
    /// No such command.
    #[error("unknown command")]
    Unknown,
    /// More of something than is allowed.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// RFC 9051 6.4.4: a character set nobody here reads.
    #[error("unknown character set")]
    BadCharset,
    /// A section that is encoded in a way nobody here reads, an attribute that does not exist.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// A refused command: the tag to answer with, if there was one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refused {
    /// Its tag.
    pub tag: Option<String>,
    /// The reason.
    pub why: Why,
}

#[cfg(test)]
mod tests;
