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

/// `BODY`, the form without extension data, made of a stored `BODYSTRUCTURE` (RFC 9051 7.5.2 `body`).
///
/// What is no structure of ours gives `NIL`-like emptiness: an empty vector.
#[must_use]
pub fn body_of_structure(structure: &[u8]) -> Vec<u8> {
    let nodes = nodes(structure);
    let mut out = Vec::with_capacity(structure.len());
    // Each step is a list to be shortened, or bytes to be copied as they stand.
    let mut todo = vec![Step::Body(0)];
    while let Some(step) = todo.pop() {
        let index = match step {
            Step::Copy(text) => {
                out.extend_from_slice(text);
                continue;
            }
            Step::Body(index) => index,
        };
        let Some(node) = nodes.get(index) else {
            continue;
        };
        let child = |n: usize| {
            node.children
                .get(n)
                .and_then(|c| Some((*c, nodes.get(*c)?)))
        };
        let text = |n: usize| {
            child(n).map_or(&b"NIL"[..], |(_, c)| {
                structure.get(c.start..c.end).unwrap_or_default()
            })
        };
        let mut steps: Vec<Step<'_>> = vec![Step::Copy(b"(")];
        let bodies = node
            .children
            .iter()
            .take_while(|c| nodes.get(**c).is_some_and(|n| n.is_list))
            .count();
        if bodies > 0 {
            steps.extend(node.children.iter().take(bodies).map(|c| Step::Body(*c)));
            steps.push(Step::Copy(b" "));
            steps.push(Step::Copy(text(bodies)));
        } else {
            let is_text = text(0).eq_ignore_ascii_case(b"\"TEXT\"");
            let is_message = text(0).eq_ignore_ascii_case(b"\"MESSAGE\"")
                && child(8).is_some_and(|(_, c)| c.is_list);
            let count = if is_message {
                10
            } else {
                7 + usize::from(is_text)
            };
            for n in 0..count {
                if n > 0 {
                    steps.push(Step::Copy(b" "));
                }
                match child(n) {
                    Some((c, _)) if is_message && n == 8 => steps.push(Step::Body(c)),
                    _ => steps.push(Step::Copy(text(n))),
                }
            }
        }
        steps.push(Step::Copy(b")"));
        todo.extend(steps.into_iter().rev());
    }
    out
}

enum Step<'a> {
    Copy(&'a [u8]),
    Body(usize),
}

#[derive(Default)]
struct Node {
    start: usize,
    end: usize,
    is_list: bool,
    children: Vec<usize>,
}

/// The lists and atoms of a structure, a list before what it holds.
fn nodes(text: &[u8]) -> Vec<Node> {
    let mut out: Vec<Node> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(b) = text.get(at) {
        let end = match b {
            b' ' => {
                at += 1;
                continue;
            }
            b')' => {
                at += 1;
                if let Some(node) = open.pop().and_then(|i| out.get_mut(i)) {
                    node.end = at;
                }
                continue;
            }
            b'(' => at + 1,
            b'"' => quoted_end(text, at + 1),
            b'{' => literal_end(text, at),
            _ => {
                at + text.get(at..).map_or(1, |rest| {
                    rest.iter()
                        .position(|b| b" ()".contains(b))
                        .unwrap_or(rest.len())
                        .max(1)
                })
            }
        };
        let index = out.len();
        if let Some(parent) = open.last().and_then(|i| out.get_mut(*i)) {
            parent.children.push(index);
        }
        out.push(Node {
            start: at,
            end,
            is_list: *b == b'(',
            children: Vec::new(),
        });
        if *b == b'(' {
            open.push(index);
        }
        at = end;
    }
    out
}

fn quoted_end(text: &[u8], mut at: usize) -> usize {
    while let Some(b) = text.get(at) {
        match b {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn literal_end(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let size = rest
        .get(..digits)
        .and_then(|d| std::str::from_utf8(d).ok())
        .and_then(|d| d.parse::<usize>().ok());
    // "{" digits "}" CR LF
    size.and_then(|size| (at + 1 + digits + 3).checked_add(size))
        .unwrap_or(text.len())
        .min(text.len())
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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::super::parse;
    use super::*;

    fn wires(raw: &str) -> (String, String, String) {
        let now = datetime!(2026-11-23 12:00 UTC);
        let parsed = parse(raw.replace('\n', "\r\n").as_bytes(), now, now);
        let body = body_of_structure(&parsed.structure_wire);
        (
            String::from_utf8(parsed.envelope_wire).unwrap(),
            String::from_utf8(parsed.structure_wire).unwrap(),
            String::from_utf8(body).unwrap(),
        )
    }

    #[test]
    fn the_envelope_of_rfc_9051() {
        // RFC 9051 8, the sample connection
        let (envelope, _, _) = wires(
            "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\nFrom: Terry Gray <gray@cac.washington.edu>\nSubject: IMAP4rev2 WG mtg summary and minutes\nTo: imap@cac.washington.edu\ncc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\nMessage-Id: <B27397-0100000@cac.washington.ed>\nMIME-Version: 1.0\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\n\nx\n",
        );
        let terry = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))";
        assert_eq!(
            envelope,
            format!(
                "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg summary and minutes\" {terry} {terry} {terry} ((NIL NIL \"imap\" \"cac.washington.edu\")) ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \"<B27397-0100000@cac.washington.ed>\")"
            )
        );
    }

    #[test]
    fn envelopes_of_odd_headers() {
        let (envelope, _, _) = wires(
            "Subject: say \"hi\" \\ there\nTo: Friends: a@b.de, =?utf-8?Q?J=C3=B6rg?= <j@b.de>;\nFrom: root\n\nx",
        );
        assert_eq!(
            envelope,
            "(NIL \"say \\\"hi\\\" \\\\ there\" ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) ((NIL NIL \"root\" \"\")) ((NIL NIL \"Friends\" NIL)(NIL NIL \"a\" \"b.de\")(\"=?utf-8?Q?J=C3=B6rg?=\" NIL \"j\" \"b.de\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"
        );
        let (envelope, _, _) = wires("Subject: Grüße\nFrom: Jörg <jörg@b.de>\n\nx");
        assert!(envelope.starts_with("(NIL \"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=\" ((\"=?utf-8?Q?J=C3=B6rg?=\" NIL {5}\r\njörg \"b.de\"))"), "{envelope}");
        let (envelope, _, _) = wires("\nno header");
        assert_eq!(envelope, "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    }

    #[test]
    fn the_structure_of_rfc_9051() {
        // RFC 9051 7.5.2: "a two part message consisting of a text and a BASE64-encoded text attachment"
        let text = "0123456789012345678901234567890123456789012345678\n".repeat(23);
        let (_, structure, body) = wires(&format!(
            "Content-Type: multipart/mixed; boundary=xx\n\npreamble\n--xx\nContent-Type: text/plain; charset=US-ASCII\n\n{text}\n--xx\nContent-Type: TEXT/PLAIN; charset=US-ASCII; name=cc.diff\nContent-ID: <960723163407.20117h@cac.washington.edu>\nContent-Description: Compiler diff\nContent-Transfer-Encoding: base64\n\nZm9v\nZm9v\n--xx--\nepilogue\n"
        ));
        assert_eq!(
            body,
            "((\"TEXT\" \"PLAIN\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 1173 23)(\"TEXT\" \"PLAIN\" (\"charset\" \"US-ASCII\" \"name\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 10 2) \"MIXED\")"
        );
        assert_eq!(
            structure,
            "((\"TEXT\" \"PLAIN\" (\"charset\" \"US-ASCII\") NIL NIL \"7BIT\" 1173 23 NIL NIL NIL NIL)(\"TEXT\" \"PLAIN\" (\"charset\" \"US-ASCII\" \"name\" \"cc.diff\") \"<960723163407.20117h@cac.washington.edu>\" \"Compiler diff\" \"BASE64\" 10 2 NIL NIL NIL NIL) \"MIXED\" (\"boundary\" \"xx\") NIL NIL NIL)"
        );
    }

    #[test]
    fn an_attached_message_has_its_envelope_and_body() {
        let (_, structure, body) = wires(
            "Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: in (ner\n\nHi\n--x\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename*=utf-8''%C3%BC.eml\nContent-Language: de, en\n\nContent-Type: multipart/mixed; boundary=y\n\n--y\n\nA\n--y--\n--x--\n",
        );
        assert_eq!(
            body,
            "((\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 22 (NIL \"in (ner\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 2 1) 3)(\"MESSAGE\" \"RFC822\" NIL NIL NIL \"7BIT\" 60 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 1 1) \"MIXED\") 6) \"DIGEST\")"
        );
        assert!(
            structure.contains(
                "(\"attachment\" (\"filename*\" \"utf-8''%C3%BC.eml\")) (\"de\" \"en\") NIL)"
            ),
            "{structure}"
        );
    }

    #[test]
    fn literals_are_stepped_over() {
        assert_eq!(
            body_of_structure(b"({7}\r\na\"( )bc \"P\" NIL NIL NIL \"7BIT\" 3 NIL)"),
            b"({7}\r\na\"( )bc \"P\" NIL NIL NIL \"7BIT\" 3)"
        );
        for broken in [
            &b""[..],
            b"(",
            b")",
            b"(\"",
            b"({9",
            b"{99999999999999999999}\r\n",
            b"((((",
            b"\"\\",
        ] {
            let _ = body_of_structure(broken);
        }
    }
}
