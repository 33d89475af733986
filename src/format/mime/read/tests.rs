use time::macros::datetime;

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
