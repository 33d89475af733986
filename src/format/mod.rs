//! Pure functions between bytes and values: no I/O, no `async`, no SQL.

pub mod address;
pub mod davxml;
pub mod html;
pub mod mime;
pub mod query;
pub mod sasl;
pub mod wbxml;
