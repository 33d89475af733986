//! IMAP `ENVELOPE` and `BODYSTRUCTURE` (RFC 9051 7.5.2), made once at delivery and stored ready to send.
//!
//! Strings are quoted when they are ASCII without line breaks and not long, else literals, which every client of
//! either IMAP revision reads. Raw 8-bit text in display names and subjects becomes RFC 2047 encoded words, so
//! that clients without UTF8=ACCEPT show it right; they decode those words anyway.
//!
//! Departure: RFC 9051 asks for RFC 2231 parameters as `name*` with a plain UTF-8 value; clients (Thunderbird,
//! Apple Mail, K-9) expect what RFC 3501 servers send, the value still percent-encoded. We send that, joined.

use super::params::{Param, Value};
use super::part::{Part, children};
use super::scan::{Field, Head, Scanned};
use super::words;
use crate::format::address::{self, HeaderAddress};

/// Longer strings go as literals (clients read lines into small buffers).
const MAX_QUOTED: usize = 1_000;

/// `ENVELOPE` of the message whose header has these fields.
#[must_use]
pub(super) fn envelope(raw: &[u8], fields: &[Field]) -> Vec<u8> {
    let first = |name: &str| {
        fields
            .iter()
            .find(|f| f.is(raw, name))
            .map(|f| words::raw_text(f.value(raw)))
    };
    let list = |name: &str| {
        let mut out = Vec::new();
        for field in fields.iter().filter(|f| f.is(raw, name)) {
            let left = address::MAX_ADDRESSES.saturating_sub(out.len());
            out.extend(address::parse_header_list(
                &words::raw_text(field.value(raw)),
                left,
            ));
        }
        out
    };
    let from = list("from");
    let (sender, reply_to) = (list("sender"), list("reply-to"));
    let mut out = Vec::with_capacity(512);
    out.push(b'(');
    nstring(&mut out, first("date").as_deref());
    out.push(b' ');
    nstring(&mut out, first("subject").map(|s| seven_bit(&s)).as_deref());
    // RFC 9051 7.5.2: an absent or empty Sender or Reply-To is the From.
    for addresses in [
        &from,
        if sender.is_empty() { &from } else { &sender },
        if reply_to.is_empty() {
            &from
        } else {
            &reply_to
        },
        &list("to"),
        &list("cc"),
        &list("bcc"),
    ] {
        out.push(b' ');
        address_list(&mut out, addresses);
    }
    out.push(b' ');
    nstring(&mut out, first("in-reply-to").as_deref());
    out.push(b' ');
    nstring(&mut out, first("message-id").as_deref());
    out.push(b')');
    out
}

fn address_list(out: &mut Vec<u8>, addresses: &[HeaderAddress]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in addresses {
        match address {
            HeaderAddress::Mailbox {
                phrase,
                local,
                domain,
            } => {
                out.push(b'(');
                let name = seven_bit(phrase);
                nstring(out, Some(name.as_str()).filter(|n| !n.is_empty()));
                out.extend_from_slice(b" NIL ");
                string(out, local);
                out.push(b' ');
                // NIL would mean a group.
                string(out, domain);
                out.push(b')');
            }
            HeaderAddress::GroupStart(name) => {
                out.extend_from_slice(b"(NIL NIL ");
                string(out, &seven_bit(name));
                out.extend_from_slice(b" NIL)");
            }
            HeaderAddress::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        }
    }
    out.push(b')');
}

/// `BODYSTRUCTURE` with its extension data. Built from the last part to the first, so that no call nests.
#[must_use]
pub(super) fn structure(raw: &[u8], scanned: &Scanned) -> Vec<u8> {
    let below = children(&scanned.parts);
    let mut built: Vec<Vec<u8>> = vec![Vec::new(); scanned.parts.len()];
    for (i, (part, head)) in scanned.parts.iter().zip(&scanned.heads).enumerate().rev() {
        let mut out = Vec::with_capacity(128);
        out.push(b'(');
        let own = below.get(i).map(Vec::as_slice).unwrap_or_default();
        if part.is_multipart() {
            for child in own {
                out.append(
                    &mut built
                        .get_mut(*child)
                        .map(std::mem::take)
                        .unwrap_or_default(),
                );
            }
            out.push(b' ');
            string(&mut out, &subtype(part).to_ascii_uppercase());
            out.push(b' ');
            params(&mut out, &head.content_type);
        } else {
            leaf(&mut out, part, head);
            if let (true, Some(body)) = (part.is_message(), own.first()) {
                let fields = scanned
                    .heads
                    .get(*body)
                    .map(|h| h.fields.as_slice())
                    .unwrap_or_default();
                out.push(b' ');
                out.append(&mut envelope(raw, fields));
                out.push(b' ');
                out.append(&mut built.get_mut(*body).map(std::mem::take).unwrap_or_default());
            }
            if part.is_text() || part.is_message() {
                out.extend_from_slice(format!(" {}", part.lines).as_bytes());
            }
            out.push(b' ');
            nstring(&mut out, head.md5.as_deref());
        }
        extension(&mut out, head);
        out.push(b')');
        if let Some(slot) = built.get_mut(i) {
            *slot = out;
        }
    }
    built.into_iter().next().unwrap_or_default()
}

/// `body-fields`: type, parameters, id, description, encoding, size.
fn leaf(out: &mut Vec<u8>, part: &Part, head: &Head) {
    let kind = part.content_type.split('/').next().unwrap_or_default();
    string(out, &kind.to_ascii_uppercase());
    out.push(b' ');
    string(out, &subtype(part).to_ascii_uppercase());
    out.push(b' ');
    params(out, &head.content_type);
    out.push(b' ');
    nstring(out, head.id.as_deref());
    out.push(b' ');
    nstring(out, head.description.as_deref().map(seven_bit).as_deref());
    out.push(b' ');
    string(out, part.encoding.name());
    out.extend_from_slice(format!(" {}", part.encoded_size()).as_bytes());
}

fn subtype(part: &Part) -> &str {
    part.content_type.split_once('/').map_or("", |(_, s)| s)
}

/// Disposition, language, location (RFC 9051 `body-ext-1part` and `body-ext-mpart`, their common tail).
fn extension(out: &mut Vec<u8>, head: &Head) {
    out.push(b' ');
    match &head.disposition {
        Some(disposition) => {
            out.push(b'(');
            string(out, &disposition.token);
            out.push(b' ');
            params(out, disposition);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    let tags: Vec<&str> = head
        .language
        .iter()
        .flat_map(|l| l.split(','))
        .map(str::trim)
        .filter(|t| !t.is_empty())
        .collect();
    if tags.is_empty() {
        out.extend_from_slice(b"NIL");
    } else {
        out.push(b'(');
        for (i, tag) in tags.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            string(out, tag);
        }
        out.push(b')');
    }
    out.push(b' ');
    nstring(out, head.location.as_deref());
}

fn params(out: &mut Vec<u8>, value: &Value) {
    if value.params.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (
        i,
        Param {
            name,
            value,
            extended,
        },
    ) in value.params.iter().enumerate()
    {
        if i > 0 {
            out.push(b' ');
        }
        if *extended && !value.is_ascii() {
            string(out, &format!("{name}*"));
            out.push(b' ');
            string(out, &super::write::percent_utf8(value));
        } else {
            string(out, name);
            out.push(b' ');
            string(out, &seven_bit(value));
        }
    }
    out.push(b')');
}

/// Text with raw 8-bit characters as encoded words; ASCII as it stands.
fn seven_bit(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        super::write::encode_words(text)
    }
}

fn nstring(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => string(out, text),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// RFC 9051 `string`: quoted if it can be, else a literal; NUL is never sent.
fn string(out: &mut Vec<u8>, text: &str) {
    let quotable =
        text.len() <= MAX_QUOTED && text.bytes().all(|b| (32..=126).contains(&b) || b == b'\t');
    if quotable {
        out.push(b'"');
        for b in text.bytes() {
            if matches!(b, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(b);
        }
        out.push(b'"');
    } else {
        let bytes: Vec<u8> = text.bytes().filter(|b| *b != 0).collect();
        out.extend_from_slice(format!("{{{}}}\r\n", bytes.len()).as_bytes());
        out.extend_from_slice(&bytes);
    }
}
