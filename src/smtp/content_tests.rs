//! Tests of `content.rs`: every limit at n and n+1, and what counts as a header.

use super::*;

fn limits() -> ContentLimits {
    ContentLimits::from_config(&Smtp::default())
}

fn check(message: &[u8], limits: &ContentLimits) -> Result<ContentSummary, ContentError> {
    let mut content = Content::new(limits.clone());
    let mut out = Vec::new();
    for piece in message.chunks(1000) {
        content.push(piece, &mut out);
    }
    let summary = content.finish(&mut out)?;
    assert_eq!(summary.size_bytes, out.len() as u64);
    Ok(summary)
}

#[test]
fn s34_received_fields() {
    let hops = |n: usize| {
        format!(
            "{}Subject: x\r\n\r\nReceived: not one\r\n",
            "RECEIVED : by\r\n x\r\n".repeat(n)
        )
    };
    assert_eq!(
        check(hops(50).as_bytes(), &limits())
            .unwrap()
            .received_fields,
        50
    );
    assert_eq!(
        check(hops(51).as_bytes(), &limits()),
        Err(ContentError::Loop)
    );
}

#[test]
fn s34_delivered_to_is_remembered() {
    let message = b"Delivered-To:  a@b.example \r\nX: y\r\ndelivered-to: c@d.example\r\n\r\nDelivered-To: body\r\n";
    let summary = check(message, &limits()).unwrap();
    assert_eq!(summary.delivered_to, ["a@b.example", "c@d.example"]);
}

#[test]
fn line_length() {
    let line = |n: usize| format!("\r\n{}\r\n", "a".repeat(n - 2));
    let most = limits().text_line;
    assert!(check(line(most).as_bytes(), &limits()).is_ok());
    assert_eq!(
        check(line(most + 1).as_bytes(), &limits()),
        Err(ContentError::LongLine)
    );
}

#[test]
fn message_size() {
    let mut small = limits();
    small.message = 1_000;
    let message = |n: usize| format!("\r\n{}\r\n", "a".repeat(n - 4));
    assert!(check(message(1_000).as_bytes(), &small).is_ok());
    assert_eq!(
        check(message(1_001).as_bytes(), &small),
        Err(ContentError::TooLarge)
    );
}

#[test]
fn header_sizes() {
    let mut small = limits();
    small.header_field = 998;
    small.header_block = 10_000;
    small.header_fields = 100;
    let field = |n: usize| format!("X: {}\r\n \r\n\r\n", "a".repeat(n - 8));
    assert!(check(field(998).as_bytes(), &small).is_ok());
    assert_eq!(
        check(field(999).as_bytes(), &small),
        Err(ContentError::LargeHeader)
    );
    let block = |n: usize| {
        format!(
            "{}Y: {}\r\n\r\n",
            "X: 345678\r\n".repeat(n / 20),
            "b".repeat(n - n / 20 * 11 - 5)
        )
    };
    assert_eq!(
        check(block(10_000).as_bytes(), &small),
        Err(ContentError::LargeHeader),
        "one field is too long"
    );
    small.header_field = 10_000;
    small.header_fields = 1_000;
    assert_eq!(block(10_000).len(), 10_002);
    assert!(check(block(10_000).as_bytes(), &small).is_ok());
    assert_eq!(
        check(block(10_001).as_bytes(), &small),
        Err(ContentError::LargeHeader)
    );
    let fields = |n: usize| format!("{}\r\nbody\r\n", "X: y\r\n".repeat(n));
    assert!(check(fields(1_000).as_bytes(), &small).is_ok());
    assert_eq!(
        check(fields(1_001).as_bytes(), &small),
        Err(ContentError::LargeHeader)
    );
}

/// A message without a header, or with one that breaks off, is stored as it came: its text is no header.
#[test]
fn text_is_no_header() {
    let mut small = limits();
    small.header_block = 100;
    for text in [
        "just some text without a colon in it",
        "some words: and a colon",
        " begins with a space",
        ": no name",
        "grün: not a name",
        "A: b\r\nno field here",
    ] {
        let message = format!("{text}\r\n{}", "a: b\r\n".repeat(100));
        assert!(check(message.as_bytes(), &small).is_ok(), "{text}");
    }
    let message = format!(
        "From me@x Mon Nov 23 10:00:00 2026\r\n{}",
        "a: b\r\n".repeat(100)
    );
    assert_eq!(
        check(message.as_bytes(), &small),
        Err(ContentError::LargeHeader)
    );
}

#[test]
fn a_last_line_without_an_end_gets_one() {
    let mut content = Content::new(limits());
    let mut out = Vec::new();
    content.push(b"a: b\r\n\r\nc", &mut out);
    assert_eq!(content.finish(&mut out).unwrap().size_bytes, 11);
    assert_eq!(out, b"a: b\r\n\r\nc\r\n");
    assert_eq!(
        check(b"a: b\r\n\r\nc\r", &limits()),
        Err(ContentError::BareNewline)
    );
}

#[test]
fn a_refused_message_takes_no_room() {
    let mut content = Content::new(limits());
    let mut out = Vec::new();
    content.push(b"a\nb", &mut out);
    let before = out.len();
    content.push(&vec![b'x'; 100_000], &mut out);
    assert_eq!(out.len(), before);
    assert_eq!(content.error(), Some(ContentError::BareNewline));
}
