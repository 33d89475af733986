//! The browser's door: pages, forms, live updates.

pub mod assets;
mod auth;
mod compose;
mod error;
mod form;
pub mod headers;
mod help;
mod live;
mod mail;
mod me;
pub mod page;
mod prefs;
mod pwa;
mod router;
pub mod session_store;
mod settings;
mod signed;

pub use router::router;

/// A text for the query part of an address (RFC 3986 3.4): everything but unreserved characters and `/` is percent-encoded.
#[must_use]
pub fn query_escape(text: &str) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b',') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn queries_are_escaped() {
        assert_eq!(super::query_escape("a b&c=ä/?"), "a%20b%26c%3D%C3%A4/%3F");
    }
}
