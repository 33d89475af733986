//! Pure functions between bytes and values: no I/O, no `async`, no SQL.

pub mod address;
pub mod davxml;
pub mod html;
pub mod ical;
pub mod imap;
pub mod lines;
pub mod mime;
pub mod picture;
pub mod pop3;
pub mod query;
pub mod recur;
pub mod sasl;
pub mod srs;
pub mod vcard;
pub mod wbxml;
pub mod words;
