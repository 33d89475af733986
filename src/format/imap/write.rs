//! What responses are made of (RFC 9051 9): strings, names, flags, dates.

use time::{OffsetDateTime, UtcOffset};

use super::cursor::is_atom;
use super::search::MONTHS;
use super::utf7;
use crate::model::{Flags, SpecialUse};

/// Longer strings go as literals.
const MAX_QUOTED: usize = 1_000;

/// `quoted` if it can be (7-bit text on one line, or UTF-8 where the client takes it), else a literal.
pub fn string(out: &mut Vec<u8>, octets: &[u8]) {
    let is_quotable =
        octets.len() <= MAX_QUOTED && octets.iter().all(|b| (32..=126).contains(b) || *b == b'\t');
    if is_quotable {
        quote(out, octets);
    } else {
        literal(out, octets);
    }
}

/// `"…"`; the caller knows that no line end is inside.
fn quote(out: &mut Vec<u8>, octets: &[u8]) {
    out.push(b'"');
    for b in octets {
        if matches!(b, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*b);
    }
    out.push(b'"');
}

/// `{n}` and the octets. NUL has no place in a literal.
pub fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    if octets.contains(&0) {
        let kept: Vec<u8> = octets.iter().copied().filter(|b| *b != 0).collect();
        return literal(out, &kept);
    }
    out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
    out.extend_from_slice(octets);
}

/// `nstring`
pub fn nstring(out: &mut Vec<u8>, octets: Option<&[u8]>) {
    match octets {
        Some(octets) => string(out, octets),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// An atom if it can be, else a string.
pub fn astring(out: &mut Vec<u8>, octets: &[u8]) {
    let is_plain = !octets.is_empty() && octets.iter().all(|b| is_atom(*b) || *b == b']');
    if is_plain && !octets.eq_ignore_ascii_case(b"NIL") {
        out.extend_from_slice(octets);
    } else {
        string(out, octets);
    }
}

/// Text for a client that takes UTF-8 in quoted strings, or only ASCII outside of literals.
pub fn text(out: &mut Vec<u8>, text: &str, utf8: bool) {
    if utf8 && text.len() <= MAX_QUOTED && !text.contains(['\r', '\n', '\0']) {
        quote(out, text.as_bytes());
    } else {
        string(out, text.as_bytes());
    }
}

/// A mailbox's name in the encoding of the session.
pub fn mailbox(out: &mut Vec<u8>, name: &str, utf8: bool) {
    if utf8 {
        if name.is_ascii() {
            astring(out, name.as_bytes());
        } else {
            text(out, name, true);
        }
    } else {
        astring(out, utf7::encode(name).as_bytes());
    }
}

/// The bits that are flags or keywords, with their names.
pub const FLAGS: [(Flags, &str); 10] = [
    (Flags::ANSWERED, "\\Answered"),
    (Flags::FLAGGED, "\\Flagged"),
    (Flags::DELETED, "\\Deleted"),
    (Flags::SEEN, "\\Seen"),
    (Flags::DRAFT, "\\Draft"),
    (Flags::FORWARDED, "$Forwarded"),
    (Flags::JUNK, "$Junk"),
    (Flags::NOT_JUNK, "$NotJunk"),
    (Flags::MDN_SENT, "$MDNSent"),
    (Flags::PHISHING, "$Phishing"),
];

/// The bit of a system flag's name, without its backslash.
#[must_use]
pub fn system_flag(word: &str) -> Option<Flags> {
    FLAGS
        .into_iter()
        .find(|(_, name)| {
            name.strip_prefix('\\')
                .is_some_and(|n| n.eq_ignore_ascii_case(word))
        })
        .map(|(bit, _)| bit)
}

/// The bit of a keyword, if it is one with us. `Junk` and `NonJunk` are what Thunderbird and Apple write.
#[must_use]
pub fn flag_bit(word: &str) -> Option<Flags> {
    FLAGS
        .into_iter()
        .find(|(_, name)| name.eq_ignore_ascii_case(word))
        .map(|(bit, _)| bit)
}

/// `(\Seen $x)`
pub fn flags<'k>(
    out: &mut Vec<u8>,
    flags: Flags,
    keywords: impl IntoIterator<Item = &'k str>,
    is_recent: bool,
) {
    let mut between = b'(';
    let mut word = |out: &mut Vec<u8>, word: &str| {
        out.push(between);
        out.extend_from_slice(word.as_bytes());
        between = b' ';
    };
    for (bit, name) in FLAGS {
        if flags.has(bit) {
            word(out, name);
        }
    }
    if is_recent {
        word(out, "\\Recent");
    }
    for keyword in keywords {
        word(out, keyword);
    }
    if between == b'(' {
        out.push(b'(');
    }
    out.push(b')');
}

/// The attribute of a special use (RFC 6154 2).
#[must_use]
pub fn special_use(special: SpecialUse) -> Option<&'static str> {
    match special {
        SpecialUse::Drafts => Some("\\Drafts"),
        SpecialUse::Sent => Some("\\Sent"),
        SpecialUse::Archive => Some("\\Archive"),
        SpecialUse::Junk => Some("\\Junk"),
        SpecialUse::Trash => Some("\\Trash"),
        SpecialUse::Inbox | SpecialUse::Snoozed => None,
    }
}

/// `"17-Jul-1996 02:44:25 +0000"`
pub fn date_time(out: &mut Vec<u8>, at: OffsetDateTime) {
    let at = at.to_offset(UtcOffset::UTC);
    let month = MONTHS
        .get(usize::from(u8::from(at.month())).saturating_sub(1))
        .copied()
        .unwrap_or("Jan");
    out.extend_from_slice(
        format!(
            "\"{:2}-{month}-{:04} {:02}:{:02}:{:02} +0000\"",
            at.day(),
            at.year(),
            at.hour(),
            at.minute(),
            at.second()
        )
        .as_bytes(),
    );
}

/// Reads `date-time` without its quotes: `17-Jul-1996 02:44:25 -0700`, the day with a space or a zero before it.
#[must_use]
pub fn read_date_time(text: &[u8]) -> Option<OffsetDateTime> {
    let text = std::str::from_utf8(text).ok()?.trim_start();
    let mut pieces = text.split(' ');
    let (day, clock, zone) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if pieces.next().is_some() || !text.is_ascii() {
        return None;
    }
    let date = super::search::day(day)?;
    let mut numbers = clock.split(':').map(|n| {
        (n.len() == 2 && n.bytes().all(|b| b.is_ascii_digit())).then(|| n.parse::<u8>().ok())?
    });
    let (hour, minute, second) = (numbers.next()??, numbers.next()??, numbers.next()??);
    if numbers.next().is_some() {
        return None;
    }
    let time = time::Time::from_hms(hour, minute, second.min(59)).ok()?;
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let digits = zone.get(1..)?;
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i8, i8) = (
        digits.get(..2)?.parse().ok()?,
        digits.get(2..)?.parse().ok()?,
    );
    if minutes > 59 {
        return None;
    }
    let offset = UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()?;
    let at = date.with_time(time).assume_offset(offset);
    // The database keeps years of four digits, and so does the wire.
    (at.to_offset(UtcOffset::UTC).year() > 0).then_some(at)
}

/// Capital letters of an object id (RFC 8474 4): a letter in front, so that it is never taken for a number.
#[must_use]
pub fn object_id(letter: char, id: i64) -> String {
    format!("{letter}{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings() {
        assert_eq!(made(|o| string(o, b"a \"b\" \\")), r#""a \"b\" \\""#);
        assert_eq!(made(|o| string(o, b"")), "\"\"");
        assert_eq!(made(|o| string(o, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(made(|o| string(o, "ä".as_bytes())), "{2}\r\nä");
        assert_eq!(made(|o| string(o, b"a\0b")), "{2}\r\nab");
        assert_eq!(made(|o| astring(o, b"INBOX")), "INBOX");
        assert_eq!(made(|o| astring(o, b"a b")), "\"a b\"");
        assert_eq!(made(|o| astring(o, b"nil")), "\"nil\"");
        assert_eq!(made(|o| nstring(o, None)), "NIL");
        assert_eq!(made(|o| mailbox(o, "Entwürfe", false)), "Entw&APw-rfe");
        assert_eq!(made(|o| mailbox(o, "Entwürfe", true)), "\"Entwürfe\"");
        assert_eq!(made(|o| mailbox(o, "a*b", false)), "\"a*b\"");
    }

    #[test]
    fn flag_lists() {
        let f = Flags::SEEN.with(Flags::JUNK);
        assert_eq!(
            made(|o| flags(o, f, ["x"], true)),
            "(\\Seen $Junk \\Recent x)"
        );
        assert_eq!(made(|o| flags(o, Flags::NONE, [], false)), "()");
        assert_eq!(system_flag("seen"), Some(Flags::SEEN));
        assert_eq!(system_flag("$Junk"), None);
        assert_eq!(flag_bit("$mdnsent"), Some(Flags::MDN_SENT));
        assert_eq!(flag_bit("work"), None);
    }

    #[test]
    fn dates() {
        let at = read_date_time(b"17-Jul-1996 02:44:25 -0700").unwrap();
        assert_eq!(made(|o| date_time(o, at)), "\"17-Jul-1996 09:44:25 +0000\"");
        let at = read_date_time(b" 1-Feb-2026 00:00:60 +0000").unwrap();
        assert_eq!(made(|o| date_time(o, at)), "\" 1-Feb-2026 00:00:59 +0000\"");
        for bad in [
            "",
            "17-Jul-1996",
            "17-Jul-1996 02:44:25",
            "17-Jul-1996 2:44:25 +0000",
            "32-Jul-1996 02:44:25 +0000",
            "17-Foo-1996 02:44:25 +0000",
            "17-Jul-1996 02:44:25 0000",
            "17-Jul-1996 02:44:25 +9900",
            "17-Jul-1996 25:44:25 +0000",
            "01-Jan-0000 00:00:00 +0000",
            "17-Jul-1996 02:44:25 +000\u{e9}",
        ] {
            assert_eq!(read_date_time(bad.as_bytes()), None, "{bad}");
        }
    }
}
