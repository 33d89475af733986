//! WBXML as ActiveSync writes it (MS-ASWBXML; WAP-192-WBXML with the parts that it forbids left out).
//!
//! ```text
//! 03 01 6A 00  header: version 1.3, public id 1, UTF-8, no string table
//! 00 pp        the following codes are of page pp, also after an END, until the next of these
//! 45           tag 05 with content        05   tag 05 without
//! 03 .. 00     text                       C3 length ..   octets
//! 01           end of a tag with content
//! ```
//!
//! [`Tokenizer`] reads without copying and holds every limit while it reads; [`Element`] is the small tree that commands are
//! parsed from; [`Encoder`] writes in one pass and leaves [`Hole`]s for what is large, so that a message on its way out is never
//! held whole. Output is canonical: an element without content is one octet.
//!
//! Not here: what any tag means, and whether a version knows it ([`pages`] only lists that).
//!
//! Departure: `ENTITY` is read although MS-ASWBXML 2.1.1 forbids it; no other forbidden token is.

mod element;
pub mod pages;
mod read;
mod write;
mod xml;

#[cfg(test)]
mod tests;

pub use element::{Element, Node};
pub use read::{Event, Tokenizer};
pub use write::{Encoded, Encoder, Hole, Mark};
pub use xml::to_xml;

/// A tag's identity: its page and its code without the content bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// The code page.
    pub page: u8,
    /// 0x05..=0x3F.
    pub code: u8,
}

impl Tag {
    /// What the tables call it; `?` for what they do not have.
    #[must_use]
    pub fn name(self) -> &'static str {
        pages::name(self)
    }
}

/// How much a document may ask of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open elements.
    pub depth: u8,
    /// Elements in all.
    pub elements: u32,
    /// Octets of one string.
    pub string: usize,
    /// Octets of one opaque block.
    pub opaque: usize,
}

impl Default for Limits {
    /// Those of security.md 2.
    fn default() -> Self {
        Self {
            depth: 32,
            elements: 50_000,
            string: 1_048_576,
            opaque: 52_428_800,
        }
    }
}

/// Why octets are no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WbxmlError {
    /// Not WBXML 1.1 to 1.3, another character set, or a string table.
    #[error("not a header of ours")]
    Header,
    /// A token that ActiveSync does not have.
    #[error("token {0:#04x} is not allowed")]
    Token(u8),
    /// The octets end inside something.
    #[error("the document ends too early")]
    Short,
    /// A number longer than five octets or 32 bits, or a length beyond the end.
    #[error("a number is out of range")]
    Number,
    /// A string that is no UTF-8, or an entity that is no character.
    #[error("a string is not UTF-8")]
    Text,
    /// An END without a beginning, text outside, a second root, octets behind the end.
    #[error("the elements do not nest")]
    Nesting,
    /// A limit was passed.
    #[error("the document is beyond a limit")]
    Limit,
}
