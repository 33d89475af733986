//! Changing the header block of a raw message without touching the rest (RFC 5321 4.4, `security.md` 9).
//!
//! All functions take and give header bytes only: fields with their line ends, folds as they stand. The body, which
//! can be 50 MB, streams past. A header block ends at the first empty line, or before the first line that is neither
//! a field nor a fold, which is also where [`super::scan`] and the SMTP door see its end.

use time::OffsetDateTime;

use super::write::{BadHeader, HeaderWriter};
use super::{date, scan};

/// Where the body of a message begins whose first bytes are given; `None` when they end inside the header.
///
/// With `is_whole` there is nothing more to come, and the end of the bytes is the end of the header at the latest.
#[must_use]
pub fn body_start(bytes: &[u8], is_whole: bool) -> Option<usize> {
    let block = scan::header_block(bytes, 0);
    let empty_line = block.body_start > block.end;
    // A line that is no field ends the header too, once all of it is here.
    let rest = bytes.get(block.body_start..)?;
    let ended = empty_line || memchr::memchr(b'\n', rest).is_some();
    (is_whole || ended).then_some(block.body_start)
}

/// The header without the fields that say `drop`, which is asked with the name in lower case and the raw value.
#[must_use]
pub fn without(head: &[u8], mut drop: impl FnMut(&str, &[u8]) -> bool) -> Vec<u8> {
    let block = scan::header_block(head, 0);
    let mut out = Vec::with_capacity(head.len());
    let mut at = 0;
    for (i, field) in block.fields.iter().enumerate() {
        let name = String::from_utf8_lossy(field.name(head)).to_ascii_lowercase();
        if drop(&name, field.value(head)) {
            let next = block.fields.get(i + 1).map_or(block.end, |f| f.start);
            out.extend_from_slice(head.get(at..field.start).unwrap_or_default());
            at = next;
        }
    }
    out.extend_from_slice(head.get(at..).unwrap_or_default());
    out
}

/// What is taken off every message that comes in: `Bcc`, `Resent-Bcc`, `Return-Path`, `X-Envelope-*`, and foreign
/// `Authentication-Results` that claim to be ours (RFC 8601 5).
#[must_use]
pub fn without_foreign_trace(head: &[u8], own_host: &str) -> Vec<u8> {
    without(head, |name, value| match name {
        "bcc" | "resent-bcc" | "return-path" => true,
        "authentication-results" => {
            let text = super::words::raw_text(value);
            let id = text.split([';', ' ', '(']).next().unwrap_or_default();
            id.eq_ignore_ascii_case(own_host)
        }
        name => name.starts_with("x-envelope-"),
    })
}

/// How many fields have this name.
#[must_use]
pub fn count(head: &[u8], name: &str) -> usize {
    let block = scan::header_block(head, 0);
    block.fields.iter().filter(|f| f.is(head, name)).count()
}

/// The unfolded values of the fields with this name.
#[must_use]
pub fn values(head: &[u8], name: &str) -> Vec<String> {
    let block = scan::header_block(head, 0);
    let own = block.fields.iter().filter(|f| f.is(head, name));
    own.map(|f| super::words::raw_text(f.value(head))).collect()
}

/// The fields to put in front of a submitted message: `Date` and `Message-ID` when it has none (RFC 6409 8.1, 8.2).
///
/// A `Date` that cannot be read does not count as one, nor does a `Message-ID` without an id.
///
/// # Errors
/// [`BadHeader`] when `message_id` is none.
pub fn missing_fields(
    head: &[u8],
    now: OffsetDateTime,
    message_id: &str,
) -> Result<Vec<u8>, BadHeader> {
    let mut writer = HeaderWriter::new();
    if !values(head, "date")
        .iter()
        .any(|d| date::parse(d).is_some())
    {
        writer.date("Date", now)?;
    }
    if !values(head, "message-id")
        .iter()
        .any(|id| !super::read::message_ids(id).is_empty())
    {
        writer.raw("Message-ID", &format!("<{message_id}>"))?;
    }
    Ok(writer.into_bytes())
}

/// A new message id (without brackets) from sixteen random bytes.
#[must_use]
pub fn new_message_id(random: [u8; 16], host: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(34 + host.len());
    for b in random {
        let _ = write!(out, "{b:02x}");
    }
    out.push('@');
    out.push_str(host);
    out
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const HEAD: &[u8] = b"Return-Path: <x@y>\r\nReceived: a\r\n\tb\r\nBCC : hidden@a.de,\r\n more@a.de\r\nSubject: hi\r\nX-Envelope-To: z\r\nAuthentication-Results: mx.a.de; spf=pass\r\nAuthentication-Results: other; spf=pass\r\nreceived: c\r\n\r\n";

    #[test]
    fn foreign_trace_goes_and_all_else_stays() {
        let clean = without_foreign_trace(HEAD, "MX.a.de");
        assert_eq!(clean, b"Received: a\r\n\tb\r\nSubject: hi\r\nAuthentication-Results: other; spf=pass\r\nreceived: c\r\n\r\n");
        assert_eq!(without(b"Bcc: x", |name, _| name == "bcc"), b"");
        assert_eq!(
            without(b"Bcc: x\r\n\r\nBcc: body\r\n", |name, _| name == "bcc"),
            b"\r\nBcc: body\r\n"
        );
        assert_eq!(
            without(b"no header at all\r\n", |_, _| true),
            b"no header at all\r\n"
        );
    }

    #[test]
    fn fields_are_counted_and_read() {
        assert_eq!(count(HEAD, "Received"), 2);
        assert_eq!(values(HEAD, "bcc"), ["hidden@a.de, more@a.de"]);
    }

    #[test]
    fn missing_fields_are_made() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let made = missing_fields(b"Subject: x\r\n\r\n", now, "1@a.de").unwrap();
        assert_eq!(
            made,
            b"Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@a.de>\r\n"
        );
        let head = b"date: Mon, 23 Nov 2026 12:00:00 +0000\r\nmessage-id: <2@a.de>\r\n\r\n";
        assert_eq!(missing_fields(head, now, "1@a.de").unwrap(), b"");
        assert!(missing_fields(b"\r\n", now, "1@a.de\r\nX: y").is_err());
        assert_eq!(
            new_message_id([0xAB; 16], "a.de"),
            format!("{}@a.de", "ab".repeat(16))
        );
    }

    #[test]
    fn the_end_of_a_header_is_found_in_pieces() {
        let raw = b"A: b\r\nC: d\r\n e\r\n\r\nbody";
        for n in 0..raw.len() {
            let want = (n >= 18).then_some(18);
            assert_eq!(body_start(&raw[..n], false), want, "{n}");
        }
        assert_eq!(body_start(b"A: b\r\n", true), Some(6));
        assert_eq!(body_start(b"A: b\r\nno field here\r\n", false), Some(6));
        assert_eq!(body_start(b"A: b\r\nno fie", false), None);
        assert_eq!(body_start(b"\r\nbody", false), Some(2));
    }
}
