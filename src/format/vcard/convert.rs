//! A card in another version, for those who ask for it (RFC 6352 5.1.1.1; RFC 6350 against RFC 2426).
//!
//! What the other version has no word for goes along under its own name or an `X-` name: both versions tell readers to leave alone
//! what they do not know. Groups, labels and order stay.

use super::card::{Card, Line, Version};
use crate::format::mime::codec;

/// The card in a version; the bytes as stored when it is that version already. Nothing is made in 2.1: who asks for it gets 3.0.
#[must_use]
pub fn convert(card: &Card<'_>, to: Version) -> Vec<u8> {
    let to = if to == Version::V2 { Version::V3 } else { to };
    if card.version() == to {
        return card.to_bytes();
    }
    let mut out = Out::default();
    out.line("BEGIN:VCARD");
    out.line(if to == Version::V4 {
        "VERSION:4.0"
    } else {
        "VERSION:3.0"
    });
    for line in card.lines() {
        if !line.is("VERSION") {
            let made = if to == Version::V4 {
                to_4(line)
            } else {
                to_3(line)
            };
            for one in made {
                out.line(&one.write());
            }
        }
    }
    // Each version demands what the other may leave out (RFC 2426 3.1.2, RFC 6350 6.2.1).
    if to == Version::V3 && card.first("N").is_none() {
        let name = card.text("FN").unwrap_or_default();
        out.line(&format!(
            "N:{};;;;",
            crate::format::ical::escape_text(&name)
        ));
    }
    if card.first("FN").is_none() {
        let name = super::index::index_card(card).summary;
        out.line(&format!("FN:{}", crate::format::ical::escape_text(&name)));
    }
    out.line("END:VCARD");
    out.bytes
}

/// A line on its way.
#[derive(Debug, Clone, Default)]
struct Made {
    group: Option<String>,
    name: String,
    /// A name and its value as it is written, quotes included.
    parameters: Vec<(String, String)>,
    value: String,
}

impl Made {
    fn write(&self) -> String {
        let mut out = String::new();
        if let Some(group) = &self.group {
            out.push_str(group);
            out.push('.');
        }
        out.push_str(&self.name);
        for (name, value) in &self.parameters {
            out.push(';');
            out.push_str(name);
            out.push('=');
            if value.contains([':', ';', ','])
                && !name.eq_ignore_ascii_case("TYPE")
                && !value.starts_with('"')
            {
                out.push('"');
                out.push_str(value);
                out.push('"');
            } else {
                out.push_str(value);
            }
        }
        out.push(':');
        out.push_str(&self.value);
        out
    }
}

/// The line in UTF-8 with its coding undone; TYPE words gathered apart from the other parameters.
fn plain(line: Line<'_>) -> (Made, Vec<String>) {
    let value = if line.version() == Version::V2 && line.binary().is_none() {
        if STRUCTURED.iter().any(|n| line.is(n)) {
            let parts: Vec<String> = line
                .structure()
                .iter()
                .map(|p| crate::format::ical::escape_text(&p.join(" ")))
                .collect();
            parts.join(";")
        } else {
            crate::format::ical::escape_text(&line.text())
        }
    } else {
        line.decoded().into_owned()
    };
    let parameters = line
        .parameters()
        .filter(|(name, values)| {
            !values.is_empty()
                && !["TYPE", "ENCODING", "CHARSET"]
                    .iter()
                    .any(|gone| name.eq_ignore_ascii_case(gone))
        })
        .map(|(name, values)| (name.to_owned(), values.join(",")))
        .collect();
    let types = line
        .types()
        .into_iter()
        .filter(|t| t != "QUOTED-PRINTABLE" && t != "BASE64")
        .collect();
    let made = Made {
        group: line.group().map(str::to_owned),
        name: line.name().to_owned(),
        parameters,
        value,
    };
    (made, types)
}

const STRUCTURED: [&str; 4] = ["N", "ADR", "ORG", "GEO"];
/// What may stand in a card as bytes.
const BINARY: [&str; 4] = ["PHOTO", "LOGO", "SOUND", "KEY"];

fn to_4(line: Line<'_>) -> Vec<Made> {
    let (mut made, mut types) = plain(line);
    if BINARY.iter().any(|n| line.is(n))
        && let Some(bytes) = line.binary()
    {
        let kind = types.first().map_or("", String::as_str);
        made.value = format!(
            "data:{};base64,{}",
            media_type(line.name(), kind, &bytes),
            codec::base64(&bytes)
        );
        made.parameters
            .retain(|(name, _)| !name.eq_ignore_ascii_case("VALUE"));
        return vec![made];
    }
    let had = types.len();
    types.retain(|t| t != "PREF");
    if types.len() < had {
        made.parameters.push(("PREF".to_owned(), "1".to_owned()));
    }
    let upper = line.name().to_ascii_uppercase();
    match upper.as_str() {
        "EMAIL" => types.retain(|t| t != "INTERNET"),
        "BDAY" | "ANNIVERSARY" | "REV" => {
            let no_year = made
                .parameters
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case("X-APPLE-OMIT-YEAR"))
                .map(|(_, year)| year.clone());
            made.value = basic_date(&made.value);
            if let Some(year) = no_year
                && let Some(rest) = made.value.strip_prefix(&year)
            {
                made.value = format!("--{rest}");
            }
            made.parameters.retain(|(n, _)| {
                !n.eq_ignore_ascii_case("VALUE") && !n.eq_ignore_ascii_case("X-APPLE-OMIT-YEAR")
            });
        }
        "GEO" => {
            if let Some((lat, long)) = made.value.split_once([';', ',']) {
                made.value = format!("geo:{},{}", lat.trim(), long.trim());
            }
        }
        "X-ADDRESSBOOKSERVER-KIND" => "KIND".clone_into(&mut made.name),
        "X-ADDRESSBOOKSERVER-MEMBER" => "MEMBER".clone_into(&mut made.name),
        // 4.0 dropped these words; as unknown ones they do no harm.
        "LABEL" | "AGENT" | "MAILER" | "CLASS" | "NAME" | "PROFILE" | "SORT-STRING" => {
            made.name = format!("X-{upper}");
        }
        _ => {}
    }
    if !types.is_empty() {
        let words: Vec<String> = types.iter().map(|t| t.to_ascii_lowercase()).collect();
        // Some readers take one word a parameter only.
        for word in words.into_iter().rev() {
            made.parameters.insert(0, ("TYPE".to_owned(), word));
        }
    }
    vec![made]
}

fn to_3(line: Line<'_>) -> Vec<Made> {
    let (mut made, mut types) = plain(line);
    if BINARY.iter().any(|n| line.is(n))
        && let Some(bytes) = line.binary()
    {
        let kind = made
            .value
            .strip_prefix("data:")
            .and_then(|v| v.split_once(';'))
            .map_or_else(
                || types.first().cloned().unwrap_or_default(),
                |(media, _)| {
                    media
                        .rsplit('/')
                        .next()
                        .unwrap_or_default()
                        .to_ascii_uppercase()
                },
            );
        made.value = codec::base64(&bytes);
        made.parameters = vec![("ENCODING".to_owned(), "b".to_owned())];
        if !kind.is_empty() {
            made.parameters.push(("TYPE".to_owned(), kind));
        }
        return vec![made];
    }
    let mut more = Vec::new();
    let mut label = None;
    made.parameters.retain(|(name, value)| {
        let upper = name.to_ascii_uppercase();
        match upper.as_str() {
            "PREF" => {
                if value == "1" {
                    types.push("PREF".to_owned());
                }
                false
            }
            "LABEL" => {
                label = Some(value.clone());
                false
            }
            "ALTID" | "PID" | "MEDIATYPE" | "CALSCALE" | "SORT-AS" | "GEO" | "TZ" | "INDEX"
            | "LEVEL" => false,
            _ => true,
        }
    });
    let upper = line.name().to_ascii_uppercase();
    match upper.as_str() {
        "TEL" => {
            if let Some(number) = made.value.strip_prefix("tel:") {
                let bare = number.split(';').next().unwrap_or_default().to_owned();
                made.value = bare;
            }
            made.parameters
                .retain(|(n, _)| !n.eq_ignore_ascii_case("VALUE"));
        }
        "EMAIL" => types.insert(0, "INTERNET".to_owned()),
        "BDAY" | "ANNIVERSARY" => {
            if let Some(rest) = made.value.strip_prefix("--") {
                // Apple's way to say that a year is missing; others show 1604.
                made.value = extended_date(&format!("1604{rest}"));
                made.parameters
                    .push(("X-APPLE-OMIT-YEAR".to_owned(), "1604".to_owned()));
            } else {
                made.value = extended_date(&made.value);
            }
        }
        "GEO" => {
            if let Some((lat, long)) = made
                .value
                .strip_prefix("geo:")
                .and_then(|g| g.split(';').next())
                .and_then(|g| g.split_once(','))
            {
                made.value = format!("{lat};{long}");
            }
        }
        "KIND" => "X-ADDRESSBOOKSERVER-KIND".clone_into(&mut made.name),
        "MEMBER" => "X-ADDRESSBOOKSERVER-MEMBER".clone_into(&mut made.name),
        "ADR" => {
            if let Some(text) = label {
                more.push(Made {
                    group: made.group.clone(),
                    name: "LABEL".to_owned(),
                    parameters: type_words(&types),
                    value: crate::format::ical::escape_text(&text.replace("\\n", "\n")),
                });
            }
        }
        "X-LABEL" | "X-AGENT" | "X-MAILER" | "X-CLASS" | "X-SORT-STRING" => {
            upper
                .get(2..)
                .unwrap_or_default()
                .clone_into(&mut made.name);
        }
        _ => {}
    }
    let words = type_words(&types);
    made.parameters.splice(0..0, words);
    more.insert(0, made);
    more
}

fn type_words(types: &[String]) -> Vec<(String, String)> {
    types
        .iter()
        .map(|t| ("TYPE".to_owned(), t.clone()))
        .collect()
}

/// `1985-04-12T10:00:00Z` as `19850412T100000Z`; what is no such date stays.
fn basic_date(text: &str) -> String {
    let text = text.trim();
    let is_date = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b':' | b'T' | b'Z' | b'+' | b'.'));
    if !is_date || text.starts_with("--") {
        return text.to_owned();
    }
    let (day, time) = match text.split_once('T') {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let mut out: String = day.chars().filter(char::is_ascii_digit).collect();
    if let Some(time) = time {
        out.push('T');
        out.extend(time.chars().filter(|c| *c != ':'));
    }
    out
}

/// `19850412` as `1985-04-12`; what is no such date stays.
fn extended_date(text: &str) -> String {
    let day = text.get(..8).unwrap_or_default();
    if day.len() != 8 || !day.bytes().all(|b| b.is_ascii_digit()) {
        return text.to_owned();
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let mut out = format!("{}-{}-{}", part(0, 4), part(4, 6), part(6, 8));
    out.push_str(text.get(8..).unwrap_or_default());
    out
}

fn media_type(name: &str, word: &str, bytes: &[u8]) -> String {
    let upper = word.to_ascii_uppercase();
    if upper.contains('/') {
        return word.to_ascii_lowercase();
    }
    let by_content = match bytes {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', ..] => Some("image/webp"),
        _ => None,
    };
    match (by_content, upper.as_str()) {
        (Some(known), _) => known.to_owned(),
        (None, "") => "application/octet-stream".to_owned(),
        (None, word) => {
            let family = if name.eq_ignore_ascii_case("SOUND") {
                "audio"
            } else if name.eq_ignore_ascii_case("KEY") {
                "application"
            } else {
                "image"
            };
            format!("{family}/{}", word.to_ascii_lowercase())
        }
    }
}

/// Lines, folded at 75 octets between characters (RFC 6350 3.2).
#[derive(Debug, Default)]
struct Out {
    bytes: Vec<u8>,
}

impl Out {
    fn line(&mut self, text: &str) {
        let mut width = 0;
        for c in text.chars() {
            if c == '\r' || c == '\n' {
                continue;
            }
            let len = c.len_utf8();
            if width + len > 75 {
                self.bytes.extend(b"\r\n ");
                width = 1;
            }
            let mut buffer = [0; 4];
            self.bytes.extend(c.encode_utf8(&mut buffer).as_bytes());
            width += len;
        }
        self.bytes.extend(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::CardLimits;
    use super::*;

    fn made(text: &str, to: Version) -> String {
        let text = text.replace('\n', "\r\n");
        let card = Card::parse(text.as_bytes(), &CardLimits::default()).unwrap();
        String::from_utf8(convert(&card, to))
            .unwrap()
            .replace("\r\n", "\n")
    }

    const APPLE: &str = "BEGIN:VCARD\nVERSION:3.0\nPRODID:-//Apple Inc.//iOS 17//EN\nN:Müller;Anna;;;\nFN:Anna Müller\n\
        EMAIL;type=INTERNET;type=HOME;type=pref:anna@x.test\nitem1.TEL;type=CELL:+49 30 1\nitem1.X-ABLabel:_$!<Work>!$_\n\
        BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\nPHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQ\nREV:2026-01-02T03:04:05Z\nUID:1\nEND:VCARD\n";

    #[test]
    fn a_card_of_an_iphone_becomes_4() {
        assert_eq!(
            made(APPLE, Version::V4),
            "BEGIN:VCARD\nVERSION:4.0\nPRODID:-//Apple Inc.//iOS 17//EN\nN:Müller;Anna;;;\nFN:Anna Müller\n\
             EMAIL;TYPE=home;PREF=1:anna@x.test\nitem1.TEL;TYPE=cell:+49 30 1\nitem1.X-ABLabel:_$!<Work>!$_\n\
             BDAY:--0412\nPHOTO:data:image/jpeg;base64,/9j/4AAQ\nREV:20260102T030405Z\nUID:1\nEND:VCARD\n"
        );
    }

    #[test]
    fn the_same_version_is_the_same_bytes() {
        assert_eq!(made(APPLE, Version::V3), APPLE);
    }

    #[test]
    fn a_4_card_becomes_3() {
        let four = "BEGIN:VCARD\nVERSION:4.0\nFN:Anna Müller\nKIND:group\nMEMBER:urn:uuid:2\n\
            TEL;VALUE=uri;TYPE=cell;PREF=1:tel:+49-30-1;ext=5\nADR;TYPE=home;LABEL=\"Weg 1, Berlin\":;;Weg 1;Berlin;;;\n\
            BDAY:--0412\nANNIVERSARY:20100501\nGEO:geo:52.5,13.4\nPHOTO:data:image/png;base64,iVBORw==\nUID:urn:uuid:1\nEND:VCARD\n";
        assert_eq!(
            made(four, Version::V3),
            "BEGIN:VCARD\nVERSION:3.0\nFN:Anna Müller\nX-ADDRESSBOOKSERVER-KIND:group\n\
             X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:2\nTEL;TYPE=CELL;TYPE=PREF:+49-30-1\n\
             ADR;TYPE=HOME:;;Weg 1;Berlin;;;\nLABEL;TYPE=HOME:Weg 1\\, Berlin\n\
             BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12\nANNIVERSARY:2010-05-01\nGEO:52.5;13.4\n\
             PHOTO;ENCODING=b;TYPE=PNG:iVBORw==\nUID:urn:uuid:1\nN:Anna Müller;;;;\nEND:VCARD\n"
        );
    }

    #[test]
    fn an_old_phones_card_becomes_readable() {
        let old = "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J=F6rg, Dr.\n\
            TEL;HOME;VOICE;PREF:030 1\nADR;WORK:;;Hauptstr. 1;Berlin;;10115;\nEND:VCARD\n";
        assert_eq!(
            made(old, Version::V3),
            "BEGIN:VCARD\nVERSION:3.0\nN:Müller;Jörg\\, Dr.\nTEL;TYPE=HOME;TYPE=VOICE;TYPE=PREF:030 1\n\
             ADR;TYPE=WORK:;;Hauptstr. 1;Berlin;;10115;\nFN:Jörg\\, Dr. Müller\nEND:VCARD\n"
        );
    }
}
