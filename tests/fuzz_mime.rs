//! Fuzz targets of the mail parsers. Under `cargo test` each runs for a bounded number of inputs; `cargo bolero`
//! runs them for as long as one likes.

use postamt::format::address::{self, Address};
use postamt::format::mime::{self, Parsed, head, params, reply, text, words};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

/// What mail is made of. An input byte below 240 stands for a fragment (the table repeats), any other for itself.
const FRAGMENTS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "\n",
    "--a",
    "--a--",
    "\r\n--a\r\n",
    "\r\n--a--\r\n",
    "\r\n--b\r\n",
    "\r\n--b--\r\n",
    "Content-Type: multipart/mixed; boundary=a\r\n",
    "Content-Type: multipart/alternative; boundary=\"b\"\r\n",
    "Content-Type: multipart/related; boundary=a\r\n",
    "Content-Type: multipart/digest; boundary=b\r\n",
    "Content-Type: message/rfc822\r\n",
    "Content-Type: text/html; charset=utf-8\r\n",
    "Content-Type: text/plain; format=flowed; delsp=yes\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n",
    "Content-Disposition: attachment; filename*0*=utf-8''%C3; filename*1=x\r\n",
    "Subject: ",
    "From: ",
    "To: ",
    "Date: ",
    "References: ",
    "=?utf-8?Q?=C3=BC?= ",
    "=?utf-8?B?w7w=?=",
    "=?",
    "?=",
    "<a@b.de>",
    "\"",
    "(",
    ")",
    "<",
    ">",
    ",",
    ";",
    ":",
    "@",
    "=",
    "\\",
    " ",
    "\t",
    "<blockquote>",
    "</blockquote>",
    "<!--",
    "-->",
    "<style>",
    "&uuml;",
    "> ",
    "-- \r\n",
    "On 1 May Anna wrote:\r\n",
    "ä",
    "\u{1F600}",
    "{5}",
];

fn mail(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for &b in input {
        match FRAGMENTS.get(usize::from(b) % FRAGMENTS.len()) {
            Some(fragment) if b < 240 => out.extend_from_slice(fragment.as_bytes()),
            _ => out.push(b),
        }
    }
    out
}

/// Whether IMAP can send it: one list, all quotes closed, all literals as long as they say, no bare line break.
fn is_one_list(wire: &[u8]) -> bool {
    let (mut depth, mut at) = (0_usize, 0_usize);
    while at < wire.len() {
        match wire[at] {
            b'(' => depth += 1,
            b')' if depth == 1 => return at + 1 == wire.len(),
            b')' => depth -= 1,
            b'"' => {
                at += 1;
                while wire[at] != b'"' {
                    at += if wire[at] == b'\\' { 2 } else { 1 };
                    assert!(!matches!(wire[at], b'\r' | b'\n' | 0));
                }
            }
            b'{' => {
                let end = at + wire[at..].iter().position(|b| *b == b'}').unwrap();
                let size: usize = std::str::from_utf8(&wire[at + 1..end])
                    .unwrap()
                    .parse()
                    .unwrap();
                assert_eq!(&wire[end + 1..end + 3], b"\r\n");
                at = end + 2 + size;
            }
            b => assert!((32..=126).contains(&b)),
        }
        at += 1;
    }
    false
}

fn holds(raw: &[u8], p: &Parsed) {
    assert!(!p.parts.is_empty());
    for (i, part) in p.parts.iter().enumerate() {
        assert!(
            part.header_start <= part.body_start
                && part.body_start <= part.body_end
                && part.body_end <= raw.len()
        );
        assert!(part.parent.is_none_or(|parent| parent < i) && (part.parent.is_none() == (i == 0)));
        if !part.is_multipart() {
            assert_eq!(
                mime::decode_part(part.raw_body(raw), part).len(),
                part.decoded_size
            );
            let leaf_or_message =
                |other: &&mime::Part| !other.is_multipart() && other.section == part.section;
            assert_eq!(
                p.parts.iter().filter(leaf_or_message).count(),
                1,
                "{}",
                part.section
            );
        }
        let _ = mime::part_text(part.raw_body(raw), part);
    }
    assert!(
        mime::text_body(&p.parts)
            .iter()
            .all(|p| p.is_text() && p.in_message.is_none())
    );
    assert!(
        mime::html_body(&p.parts)
            .iter()
            .all(|p| p.is_text() && p.in_message.is_none())
    );
    assert!(
        is_one_list(&p.envelope_wire),
        "{}",
        String::from_utf8_lossy(&p.envelope_wire)
    );
    assert!(
        is_one_list(&p.structure_wire),
        "{}",
        String::from_utf8_lossy(&p.structure_wire)
    );
    assert!(is_one_list(&mime::body_of_structure(&p.structure_wire)));
    assert!(
        p.preview.chars().count() <= text::PREVIEW_CHARS && !p.preview.contains(char::is_control)
    );
    assert!(!p.subject.contains(char::is_control));
    assert!(p.search.words.len() <= 2_000 && p.search.text.len() <= 65_537);
    assert!(!p.search.text.contains('\0') && p.search.words.iter().all(|w| !w.contains('\0')));
    let original = reply::Original::from(p);
    let _ = (
        reply::thread_headers(&original),
        reply::recipients(&original, &[], reply::ReplyTo::All),
    );
    let json = serde_json::to_string(&p.parts).unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<mime::Part>>(&json).unwrap(),
        p.parts
    );
}

#[test]
fn messages() {
    bolero::check!()
        .with_iterations(3_000)
        .with_max_len(2_000)
        .for_each(|input: &[u8]| {
            let raw = mail(input);
            holds(&raw, &mime::parse(&raw, NOW, NOW));
        });
}

#[test]
fn bytes() {
    bolero::check!()
        .with_iterations(3_000)
        .for_each(|raw: &[u8]| holds(raw, &mime::parse(raw, NOW, NOW)));
}

#[test]
fn addresses() {
    bolero::check!()
        .with_iterations(4_000)
        .for_each(|input: &[u8]| {
            let text = String::from_utf8_lossy(&mail(input)).into_owned();
            for mailbox in address::parse_typed(&text).mailboxes {
                let address = mailbox.smtp_address().unwrap();
                assert_eq!(Address::parse(&address.to_string()), Ok(address));
            }
            for found in address::parse_header_list(&text, usize::MAX) {
                let _ = found.mailbox();
            }
            let _ = Address::parse(&text);
        });
}

#[test]
fn header_values() {
    bolero::check!()
        .with_iterations(4_000)
        .for_each(|input: &[u8]| {
            let raw = mail(input);
            let decoded = words::unstructured(&raw);
            assert!(!decoded.contains(char::is_control));
            let value = params::Value::parse(&raw);
            assert!(value.params.len() <= 100);
            assert!(
                value
                    .params
                    .iter()
                    .all(|p| !p.value.contains(char::is_control))
            );
            let _ = mime::date::parse(&decoded);
            let _ = mime::subject::base(&decoded);
            let _ = mime::fold_words(&decoded);
        });
}

#[test]
fn header_blocks() {
    bolero::check!()
        .with_iterations(3_000)
        .for_each(|input: &[u8]| {
            let raw = mail(input);
            assert_eq!(head::without(&raw, |_, _| false), raw);
            let body = head::body_start(&raw, true).unwrap();
            let none = head::without(&raw, |_, _| true);
            assert!(none.ends_with(&raw[body..]));
            assert_eq!(head::count(&none, "subject"), 0);
            if let Some(early) = head::body_start(&raw, false) {
                assert_eq!(early, body);
            }
        });
}

#[test]
fn text_forms() {
    bolero::check!()
        .with_iterations(3_000)
        .for_each(|input: &[u8]| {
            let text = String::from_utf8_lossy(&mail(input)).into_owned();
            let plain = text::from_html(&text, false, usize::MAX);
            let _ = text::from_html(&text, true, 100);
            let _ = (
                text::unflow(&text, true),
                text::own_words(&plain),
                reply::quote(&plain),
            );
            assert!(text::preview(&text).chars().count() <= text::PREVIEW_CHARS);
        });
}
