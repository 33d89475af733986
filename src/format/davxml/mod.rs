//! The XML of `WebDAV`, `CalDAV` and `CardDAV`: names, request bodies, answers. Pure.
//!
//! ```text
//! octets --tree::parse (limits)--> Element --request, report, filter--> what is asked
//! what is so --write::Writer--> octets, in pieces as they come
//! ```
//!
//! A request is read into a small tree first, under the limits of `security.md` 2, because a property that we do not know
//! must be kept with everything inside it (RFC 4918 4.3, 15). A DOCTYPE, a processing instruction and every entity but the
//! five of XML itself are refused wherever they stand, so there is nothing to expand. Elements and attributes nobody knows
//! are skipped (RFC 4918 17), also where they stand inside filters.
//!
//! Not here: what a property's value is (`dav`), and whether an object matches a filter ([`crate::service`]).

pub mod filter;
pub mod matching;
mod name;
pub mod render;
pub mod report;
pub mod request;
mod tree;
mod write;

#[cfg(test)]
mod tests;

pub use name::{Name, Ns};
pub use tree::{BadXml, Element, Limits, Node, parse};
pub use write::Writer;

/// Why a well-formed body says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Another document element than the method takes.
    #[error("this method takes another document element")]
    Root,
    /// Something that must be there is missing, or stands there twice.
    #[error("{0} is missing or not unique")]
    Shape(&'static str),
    /// A date, number or word that is none.
    #[error("the value of {0} is not valid")]
    Value(&'static str),
    /// A filter that the RFC does not allow (`CALDAV:valid-filter`).
    #[error("the filter is not valid: {0}")]
    Filter(&'static str),
    /// A collation we do not have (`CALDAV:supported-collation`).
    #[error("no such collation")]
    Collation,
    /// A REPORT we do not have (`DAV:supported-report`).
    #[error("no such report")]
    Report,
}
