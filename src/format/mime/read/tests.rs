use time::macros::datetime;

use super::super::{attachments, decode_part, html_body, part_text, text_body};
use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

fn read(raw: &str) -> Parsed {
    parse(raw.replace('\n', "\r\n").as_bytes(), NOW, NOW)
}

#[test]
fn a_plain_message() {
    let raw = "From: =?utf-8?Q?J=C3=B6rg?= <joerg@a.de>\nTo: b@c.de, \"Doe, J\" <j@d.de>\nSubject: AW: Gr\u{fc}\u{df}e\nDate: Mon, 23 Nov 2026 09:05 EST\nMessage-ID: <1@a.de>\nIn-Reply-To: <0@c.de>\nReferences: <x@c.de>\n <0@c.de>\n\nHallo,\n\ndas ist gut.\n\n> alt\n-- \nJ\n";
    let p = read(raw);
    assert_eq!(p.message_id.as_deref(), Some("1@a.de"));
    assert_eq!(p.in_reply_to, ["0@c.de"]);
    assert_eq!(p.references, ["x@c.de", "0@c.de"]);
    assert_eq!(p.sent_at, datetime!(2026-11-23 14:05 UTC));
    assert_eq!(p.header_date, Some(datetime!(2026-11-23 14:05 UTC)));
    assert_eq!(p.from[0].name, "Jörg");
    assert_eq!(p.from[0].address, "joerg@a.de");
    assert_eq!(p.to[1].name, "Doe, J");
    assert_eq!(
        (p.subject.as_str(), p.base_subject.as_str(), p.is_reply),
        ("AW: Grüße", "Grüße", true)
    );
    assert_eq!(p.preview, "Hallo, das ist gut.");
    assert_eq!(p.parts.len(), 1);
    assert_eq!(p.parts[0].section, "1");
    assert!(!p.has_attachment);
    assert!(p.search.words.contains(&"f:jorg".to_owned()));
    assert!(p.search.words.contains(&"f:joerg".to_owned()));
    assert!(p.search.words.contains(&"s:gruesse".to_owned()));
}

fn sections(p: &Parsed) -> Vec<String> {
    p.parts
        .iter()
        .map(|p| format!("{} {}", p.section, p.content_type))
        .collect()
}

fn bodies(raw: &str, p: &Parsed) -> Vec<String> {
    let raw = raw.replace('\n', "\r\n");
    let leaf = |p: &&Part| !p.is_multipart() && !p.is_message();
    p.parts
        .iter()
        .filter(leaf)
        .map(|p| part_text(p.raw_body(raw.as_bytes()), p))
        .collect()
}

#[test]
fn the_part_numbers_of_rfc_9051() {
    // RFC 9051 6.4.5.1, the example of a complex message
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/plain\n\n1\n--a\nContent-Type: application/octet-stream\n\n2\n--a\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n3.1\n--b\nContent-Type: application/octet-stream\n\n3.2\n--b--\n--a\nContent-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: image/gif\n\n4.1\n--c\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=d\n\n--d\nContent-Type: text/plain\n\n4.2.1\n--d\nContent-Type: multipart/alternative; boundary=e\n\n--e\nContent-Type: text/plain\n\n4.2.2.1\n--e\nContent-Type: text/richtext\n\n4.2.2.2\n--e--\n--d--\n--c--\n--a--\n";
    let p = read(raw);
    assert_eq!(
        sections(&p),
        [
            " multipart/mixed",
            "1 text/plain",
            "2 application/octet-stream",
            "3 message/rfc822",
            "3 multipart/mixed",
            "3.1 text/plain",
            "3.2 application/octet-stream",
            "4 multipart/mixed",
            "4.1 image/gif",
            "4.2 message/rfc822",
            "4.2 multipart/mixed",
            "4.2.1 text/plain",
            "4.2.2 multipart/alternative",
            "4.2.2.1 text/plain",
            "4.2.2.2 text/richtext",
        ]
    );
    assert_eq!(
        bodies(raw, &p),
        ["1", "2", "3.1", "3.2", "4.1", "4.2.1", "4.2.2.1", "4.2.2.2"]
    );
    let shown: Vec<&str> = attachments(&p.parts)
        .iter()
        .map(|p| p.section.as_str())
        .collect();
    assert_eq!(shown, ["2", "3", "4.1", "4.2"]);
    let text: Vec<&str> = text_body(&p.parts)
        .iter()
        .map(|p| p.section.as_str())
        .collect();
    assert_eq!(text, ["1"]);
    assert_eq!(p.parts[5].in_message, Some(3));
    assert_eq!(p.parts[11].in_message, Some(9));
}

#[test]
fn a_part_stored_is_a_part_read_back() {
    let p = read(
        "Content-Type: text/html; charset=utf-8; format=flowed\nContent-Disposition: inline; filename=x.html\n\n<p>",
    );
    let json = serde_json::to_string(&p.parts).unwrap();
    assert!(json.len() < 200, "{json}");
    assert_eq!(serde_json::from_str::<Vec<Part>>(&json).unwrap(), p.parts);
}

#[test]
fn what_is_shown_of_an_alternative() {
    let raw = "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/plain\n\nplain\n--a\nContent-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<p>rich<img src=cid:p1>\n--r\nContent-Type: image/png\nContent-ID: <p1>\n\nx\n--r--\n--a\nContent-Type: text/calendar; method=request\n\nBEGIN:VCALENDAR\n--a--\n--m\nContent-Type: text/plain\n\nfooter\n--m\nContent-Type: text/plain; name=log.txt\nContent-Disposition: inline\n\nlog\n--m\nContent-Type: application/pdf\n\nx\n--m--\n";
    let p = read(raw);
    let list = |parts: Vec<&Part>| {
        parts
            .iter()
            .map(|p| format!("{} {}", p.section, p.content_type))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(text_body(&p.parts)),
        ["1.1 text/plain", "2 text/plain"]
    );
    assert_eq!(
        list(html_body(&p.parts)),
        ["1.2.1 text/html", "2 text/plain"]
    );
    assert_eq!(
        list(attachments(&p.parts)),
        ["3 text/plain", "4 application/pdf"]
    );
    assert!(
        p.parts
            .iter()
            .any(|p| p.method.as_deref() == Some("REQUEST"))
    );
    assert_eq!(p.preview, "plain footer");
    assert!(p.search.words.contains(&"n:log".to_owned()));
}

#[test]
fn a_picture_nobody_refers_to_is_an_attachment() {
    let raw = "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain\n\nLook:\n--m\nContent-Type: image/png; name=a.png\nContent-ID: <p1@x>\nContent-Disposition: inline; filename=a.png\n\nx\n--m--\n";
    assert!(read(raw).has_attachment);
    let html = raw.replace(
        "text/plain\n\nLook:",
        "text/html\n\n<img src=3D\"CID:p1%40x\">"
            .replace("3D", "")
            .as_str(),
    );
    let p = read(&html);
    assert!(!p.has_attachment && p.parts[2].is_inline);
}

#[test]
fn of_an_alternative_without_the_wanted_form_the_other_is_shown() {
    let raw = "Content-Type: multipart/alternative; boundary=a\n\n--a\nContent-Type: text/html\n\n<p>x\n--a\nContent-Type: text/x-amp-html\n\n<p>amp\n--a--\n";
    let p = read(raw);
    assert_eq!(text_body(&p.parts)[0].section, "1");
    assert_eq!(html_body(&p.parts)[0].section, "1");
    assert!(!p.has_attachment);
}

#[test]
fn html_names_its_own_character_set() {
    let raw = [
        &b"Content-Type: text/html\r\n\r\n<meta charset='iso-8859-2'><p>\xB1"[..],
        b"\xE6",
    ]
    .concat();
    assert_eq!(parse(&raw, NOW, NOW).preview, "ąć");
}

#[test]
fn header_limits_at_the_edge() {
    let part = |lines: usize| {
        let filler = "X: y\n".repeat(lines - 1);
        format!(
            "Content-Type: multipart/mixed; boundary=a\n\n--a\n{filler}Content-Type: text/html\n\n<p>x\n--a--\n"
        )
    };
    assert_eq!(read(&part(500)).parts[1].content_type, "text/html");
    let beyond = read(&part(501));
    assert_eq!(beyond.parts[1].content_type, "text/plain");
    assert_eq!(beyond.preview, "<p>x");
    let top = |lines: usize| format!("{}Subject: z\n\nx", "X: y\n".repeat(lines - 1));
    assert_eq!(read(&top(5_000)).subject, "z");
    assert_eq!(read(&top(5_001)).subject, "");
    assert_eq!(read(&top(5_001)).preview, "x");
    let boundary = |n: usize| {
        let b = "b".repeat(n);
        read(&format!(
            "Content-Type: multipart/mixed; boundary={b}\n\n--{b}\n\nx\n--{b}--\n"
        ))
        .parts
        .len()
    };
    assert_eq!((boundary(70), boundary(200), boundary(201)), (2, 2, 1));
}

#[test]
fn only_html_is_shown_in_both_forms() {
    let p = read(
        "Content-Type: text/html\n\n<style>p{}</style><p>Gr&uuml;&szlig;e &amp; <b>mehr</b></p><blockquote>alt</blockquote>",
    );
    assert_eq!(text_body(&p.parts).len(), 1);
    assert_eq!(p.preview, "Grüße & mehr");
    assert!(p.search.words.contains(&"alt".to_owned()));
}

#[test]
fn signed_and_reported_mail_has_no_attachments() {
    let p = read(
        "Content-Type: multipart/signed; boundary=s\n\n--s\n\ntext\n--s\nContent-Type: application/pkcs7-signature; name=smime.p7s\nContent-Disposition: attachment; filename=smime.p7s\n\nx\n--s--\n",
    );
    assert!(!p.has_attachment);
    assert_eq!(p.preview, "text");
}

#[test]
fn broken_mail_shows_its_text() {
    // no header at all
    let p = read("Just some text.\nMore: text");
    assert_eq!(
        (p.preview.as_str(), p.subject.as_str()),
        ("Just some text. More: text", "")
    );
    // multipart without a boundary, with one that never comes, with one that is too long
    for kind in [
        "multipart/mixed",
        "multipart/mixed; boundary=never",
        &format!("multipart/mixed; boundary={}", "b".repeat(201)),
    ] {
        let p = read(&format!("Content-Type: {kind}\n\nsome text"));
        assert_eq!(sections(&p), ["1 text/plain"]);
        assert_eq!(p.preview, "some text");
    }
    // no end boundary, and an inner multipart that is not ended
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--a\n\ntwo";
    let p = read(raw);
    assert_eq!(bodies(raw, &p), ["one", "two"]);
    // a boundary inside a line, or that only begins like ours, is none
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none --a two\n--ab\n--a \t\n\ntwo\n--a--\n";
    let p = read(raw);
    assert_eq!(bodies(raw, &p), ["one --a two\n--ab", "two"]);
    // a header block without the empty line
    let p = read("Subject: x\nThis is text already.\n\nmore");
    assert_eq!(
        (p.subject.as_str(), p.preview.as_str()),
        ("x", "This is text already. more")
    );
    // a mailbox separator before the header
    let p = read("From anna@a.de Mon Nov 23\nSubject: x\n\ny");
    assert_eq!(p.subject, "x");
    // nothing
    let p = read("");
    assert_eq!(sections(&p), ["1 text/plain"]);
    // bare LF and broken base64
    let p = parse(
        b"Content-Transfer-Encoding: base64\nContent-Type: text/plain\n\nSGFsbG8!gV2Vs\ndA=",
        NOW,
        NOW,
    );
    assert_eq!(p.preview, "Hallo Welt");
    // 8-bit without a character set
    let p = parse(b"Subject: Gr\xFC\xDFe\r\n\r\nsch\xF6n", NOW, NOW);
    assert_eq!((p.subject.as_str(), p.preview.as_str()), ("Grüße", "schön"));
    // a part that ends inside its header
    let raw = "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n--a--\n";
    assert_eq!(sections(&read(raw)), [" multipart/mixed", "1 text/html"]);
}

#[test]
fn a_message_that_is_encoded_is_a_file() {
    let p = read(
        "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeA==\n--a\nContent-Type: message/rfc822\n\nSubject: Ein/Betreff\n\nx\n--a--\n",
    );
    let names: Vec<_> = attachments(&p.parts)
        .iter()
        .map(|p| (p.content_type.as_str(), p.name.as_deref().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            ("application/octet-stream", "message.eml"),
            ("message/rfc822", "Ein_Betreff.eml")
        ]
    );
}

#[test]
fn lists_robots_and_importance() {
    let p = read(
        "List-Id: Our list <Team.a.de>\nList-Post: <mailto:team%40a.de>\nList-Unsubscribe: <mailto:leave@a.de?subject=x>,\n <https://a.de/u?1>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\nAuto-Submitted: Auto-Replied (vacation)\nPrecedence: Bulk\nX-Priority: 1 (Highest)\nX-Auto-Response-Suppress: All\nDisposition-Notification-To: Anna <a@a.de>\nReturn-Path: <>\nReceived: a\nReceived: b\nDelivered-To: me@a.de\n\nx",
    );
    assert_eq!(p.list_id.as_deref(), Some("team.a.de"));
    assert_eq!(p.list_post.as_deref(), Some("team@a.de"));
    assert_eq!(
        p.list_unsubscribe,
        Some(Unsubscribe {
            mailto: Some("mailto:leave@a.de?subject=x".into()),
            https: Some("https://a.de/u?1".into()),
            one_click: true
        })
    );
    assert_eq!(
        (p.auto_submitted.as_deref(), p.precedence.as_deref()),
        (Some("auto-replied"), Some("bulk"))
    );
    assert_eq!(p.importance, Importance::High);
    assert!(p.suppresses_auto_response);
    assert_eq!(p.disposition_notification_to[0].address, "a@a.de");
    assert_eq!((p.return_path.as_deref(), p.received_count), (Some(""), 2));
    assert_eq!(p.delivered_to, ["me@a.de"]);
}

#[test]
fn ids_are_read_and_bounded() {
    let many: String = (0..500)
        .map(|i| format!("<{i}@a>\n "))
        .collect::<Vec<_>>()
        .concat();
    let p = read(&format!(
        "References: {many}<x@a> <x@a>\nIn-Reply-To: Your message of Monday\nMessage-ID: 7@a\n\n"
    ));
    assert_eq!(p.references.len(), MAX_REFERENCES);
    assert_eq!(p.references[99], "x@a");
    assert_eq!(p.references[98], "499@a");
    assert_eq!(p.in_reply_to, Vec::<String>::new());
    assert_eq!(p.message_id.as_deref(), Some("7@a"));
}

#[test]
fn well_formed_mail_is_seen_as_others_see_it() {
    let raw = "From: a@b.de\nContent-Type: multipart/mixed; boundary=\"=_m 1\"\n\npre\n--=_m 1\nContent-Type: multipart/alternative; boundary=alt\n\n--alt\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe=\n!\n--alt\nContent-Type: text/html; charset=iso-8859-1\n\n<p>x\n--alt--\n\n--=_m 1\nContent-Type: application/pdf; name=\"a.pdf\"\nContent-Transfer-Encoding: base64\n\nAAEC\nAwQF\n--=_m 1--\nepi\n".replace('\n', "\r\n");
    let ours = parse(raw.as_bytes(), NOW, NOW);
    let theirs = mail_parser::MessageParser::default()
        .parse(raw.as_bytes())
        .unwrap();
    assert_eq!(ours.parts.len(), theirs.parts.len());
    for (a, b) in ours.parts.iter().zip(&theirs.parts) {
        assert_eq!(a.header_start, usize::try_from(b.offset_header).unwrap());
        assert_eq!(a.body_start, usize::try_from(b.offset_body).unwrap());
        if !a.is_multipart() {
            assert_eq!(a.body_end, usize::try_from(b.offset_end).unwrap());
            let decoded = decode_part(a.raw_body(raw.as_bytes()), a);
            assert_eq!(decoded, b.contents());
            assert_eq!(decoded.len(), a.decoded_size);
        }
    }
}

/// Parses and looks at everything a door would touch. None of these inputs takes a second in a debug build; ten are
/// allowed for a loaded machine, and a quadratic walk of them would take minutes.
fn survives(raw: &[u8]) -> Parsed {
    let started = std::time::Instant::now();
    let p = parse(raw, NOW, NOW);
    let _ = (
        text_body(&p.parts),
        html_body(&p.parts),
        attachments(&p.parts),
    );
    let _ = super::super::body_of_structure(&p.structure_wire);
    assert!(!p.parts.is_empty() && p.parts.len() <= scan::MAX_PARTS);
    assert!(p.preview.chars().count() <= text::PREVIEW_CHARS);
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "{took:?}");
    p
}

#[test]
fn hostile_nesting() {
    let raw = (0..2_000)
        .map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n"))
        .collect::<Vec<_>>()
        .concat();
    let p = survives(raw.as_bytes());
    assert_eq!(p.parts.len(), scan::MAX_DEPTH + 1);
    assert_eq!(
        p.parts.last().unwrap().content_type,
        "application/octet-stream"
    );
    let p = survives(
        "Content-Type: message/rfc822\r\n\r\n"
            .repeat(5_000)
            .as_bytes(),
    );
    assert_eq!(p.parts.len(), scan::MAX_DEPTH + 1);
    // the same boundary at every level
    survives(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            .repeat(50_000)
            .as_bytes(),
    );
}

#[test]
fn hostile_numbers() {
    let many = "--b\r\n\r\nx\r\n".repeat(20_000);
    let p = survives(format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{many}").as_bytes());
    assert_eq!(p.parts.len(), scan::MAX_PARTS);
    assert!(p.parts.last().unwrap().encoded_size() > 100_000);
    survives("X: y\r\n".repeat(100_000).as_bytes());
    survives(format!("Subject: {}\r\n\r\nx", "a".repeat(5_000_000)).as_bytes());
    survives(format!("Subject: {}\r\n\r\nx", "=?utf-8?q?a?= ".repeat(300_000)).as_bytes());
    survives(format!("To: {}\r\n\r\nx", "a@b.de, ".repeat(200_000)).as_bytes());
    survives(format!("To: {}\r\n\r\nx", "(".repeat(300_000)).as_bytes());
    survives(
        format!(
            "Content-Type: text/plain; {}\r\n\r\nx",
            "a=b; ".repeat(100_000)
        )
        .as_bytes(),
    );
    survives(
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
            "--\r\n".repeat(500_000)
        )
        .as_bytes(),
    );
    survives(format!("References: {}\r\n\r\n", "<a".repeat(300_000)).as_bytes());
}

#[test]
fn hostile_bodies() {
    survives(format!("Content-Type: text/html\r\n\r\n{}", "<div>".repeat(200_000)).as_bytes());
    survives(
        format!(
            "Content-Type: text/html\r\n\r\n{}",
            "<a href='".repeat(100_000)
        )
        .as_bytes(),
    );
    survives(format!("Content-Type: text/html\r\n\r\n{}", "<!--".repeat(200_000)).as_bytes());
    survives(
        format!(
            "Content-Type: text/html\r\n\r\n{}",
            "<style></".repeat(100_000)
        )
        .as_bytes(),
    );
    survives(format!("Content-Type: text/html\r\n\r\n{}", "&".repeat(500_000)).as_bytes());
    survives(format!("\r\n{}", "> ".repeat(500_000)).as_bytes());
    survives(format!("\r\n{}", "On wrote:\r\n".repeat(50_000)).as_bytes());
    survives(format!("\r\n{}", "Am \r\n".repeat(100_000)).as_bytes());
    survives(
        format!(
            "Content-Type: text/plain; format=flowed\r\n\r\n{}",
            ">\r\n \r\n".repeat(100_000)
        )
        .as_bytes(),
    );
    survives(
        &[
            b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec(),
            vec![b'='; 1_000_000],
        ]
        .concat(),
    );
    survives(&vec![0_u8; 1_000_000]);
}
