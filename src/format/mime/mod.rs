//! MIME messages: reading (RFC 2045-2049, 5322, 6532), writing, notifications, replies.
//!
//! [`parse`] is the one reader of the product: SMTP delivery, IMAP APPEND and imports call it once a message and
//! store what it finds, so no door ever parses again to list, search or show structure. Afterwards a body is read
//! by its offsets ([`Part::raw_body`], [`decode_part`], [`part_text`]).
//!
//! | file | what |
//! | --- | --- |
//! | `read` | [`parse`] and [`Parsed`] |
//! | `scan` | header blocks and the part tree: offsets and limits |
//! | `part` | [`Part`], which parts are shown, which are attachments |
//! | `wire` | IMAP ENVELOPE and BODYSTRUCTURE |
//! | `words`, `params`, `date`, `codec`, `charset` | the small grammars and encodings |
//! | `text`, `subject`, `search` | previews, thread subjects, index words |
//! | `write` | the header writer that every outgoing value passes |
//! | `compose` | building whole messages |
//! | `reply` | subject, references, recipients and quotes of answers |
//! | `dsn` | delivery status notifications |
//! | `fulltext` | all text, for IMAP SEARCH |
//! | `head` | changing the header block of a raw message |
//!
//! Invariants: pure functions; no recursion on input depth; time linear in the input; the limits of each file's
//! constants; what cannot be understood is shown as text or kept as an opaque part, never dropped.

pub mod charset;
pub mod codec;
pub mod compose;
pub mod date;
pub mod dsn;
pub mod fulltext;
pub mod head;
pub mod params;
pub mod part;
pub mod read;
pub mod reply;
pub mod scan;
pub mod search;
pub mod subject;
pub mod text;
mod wire;
pub mod words;
pub mod write;

pub use compose::{File, Outgoing};
pub use fulltext::{FullText, Needle};
pub use part::{
    Disposition, Encoding, Part, attachments, decode_part, html_body, part_text, text_body,
};
pub use read::{Importance, Parsed, Unsubscribe, parse};
pub use search::{FoldedWord, SearchText, fold, fold_words};
pub use wire::body_of_structure;

/// The languages the program writes mail in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    German,
    English,
}
