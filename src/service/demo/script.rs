//! The letters of the demo as they are written in `letters/*.txt`: whole messages (RFC 5322) with a line before each that says
//! when it came and where it lies.
//!
//! ```text
//! === 12d 09:14 latin1 jana/inbox:seen,starred tobias/sent:seen
//!     |   |     |      |    |     flags
//!     |   |     |      |    folder: a special use, or the path of an own folder with `_` for a space
//!     |   |     |      mailbox
//!     |   |     written in ISO-8859-1 instead of UTF-8
//!     |   time of day at UTC+1
//!     days before now; `=== 35m jana/inbox` is minutes
//! ```
//!
//! Inside a message: `{{date}}` is its own date field; `{{de 3}}`, `{{en 3}}`, `{{ymd 3}}` name the day three days before now in
//! German, English and iCalendar (`-3`: after now), `{{date 3}}` as a date field does. A line `{{qp}}`, `{{b64}}` or `{{pdf}}` begins a block that a line `{{end}}`
//! ends: its text encoded, or on a page of PDF. `{{png 320x200 2f6f5e}}` is a picture of that size and colour, encoded.

use time::macros::offset;
use time::{Duration, OffsetDateTime, Time};

use super::files;
use crate::format::mime::{codec, date};
use crate::model::Flags;

/// A message and where it belongs.
#[derive(Debug, Clone)]
pub struct Letter {
    /// When it was written and came.
    pub at: OffsetDateTime,
    /// Where it lies.
    pub places: Vec<Place>,
    /// The whole message.
    pub bytes: Vec<u8>,
}

/// A folder of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Local part of the mailbox.
    pub who: String,
    /// The word of a special use, or a path.
    pub folder: String,
    /// How it lies there.
    pub flags: Flags,
}

/// All letters, oldest first; none when a file is miswritten.
#[must_use]
pub fn letters(now: OffsetDateTime) -> Option<Vec<Letter>> {
    let mut all = Vec::new();
    for text in FILES {
        for piece in text.split("\n=== ").skip(1) {
            let (head, message) = piece.split_once('\n')?;
            all.push(letter(head, message, now)?);
        }
    }
    all.sort_by_key(|letter| letter.at);
    Some(all)
}

fn letter(head: &str, message: &str, now: OffsetDateTime) -> Option<Letter> {
    let mut words = head.split_whitespace().peekable();
    let age = words.next()?;
    let at = if let Some(minutes) = age.strip_suffix('m') {
        now - Duration::minutes(minutes.parse().ok()?)
    } else {
        let days = age.strip_suffix('d')?.parse().ok()?;
        let (hour, minute) = words.next()?.split_once(':')?;
        let time = Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, 0).ok()?;
        (now.to_offset(offset!(+1)) - Duration::days(days)).replace_time(time)
    };
    let at = at.to_offset(offset!(+1)).replace_nanosecond(0).ok()?;
    let is_latin1 = words.next_if_eq(&"latin1").is_some();
    let places: Vec<Place> = words.map(place).collect::<Option<_>>()?;
    let bytes = write(message, at, now)?;
    Some(Letter {
        at,
        places,
        bytes: if is_latin1 {
            latin1(std::str::from_utf8(&bytes).ok()?)?
        } else {
            bytes
        },
    })
}

fn place(word: &str) -> Option<Place> {
    let (where_to, flags) = word.split_once(':').unwrap_or((word, ""));
    let (who, folder) = where_to.split_once('/')?;
    let mut set = Flags::NONE;
    for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
        set = set.with(match flag {
            "seen" => Flags::SEEN,
            "starred" => Flags::FLAGGED,
            "answered" => Flags::ANSWERED,
            "forwarded" => Flags::FORWARDED,
            "draft" => Flags::DRAFT,
            "junk" => Flags::JUNK,
            _ => return None,
        });
    }
    Some(Place {
        who: who.to_owned(),
        folder: folder.replace('_', " "),
        flags: set,
    })
}

/// The message with CRLF ends, its dates set and its blocks encoded.
fn write(message: &str, at: OffsetDateTime, now: OffsetDateTime) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut block: Option<(&str, String)> = None;
    for line in message.trim_end_matches('\n').split('\n') {
        let line = filled(line, at, now)?;
        let mark = line.strip_prefix("{{").and_then(|l| l.strip_suffix("}}"));
        match (mark, &mut block) {
            (Some("end"), _) => {
                let (kind, text) = block.take()?;
                match kind {
                    "qp" => codec::quoted_printable(&text, &mut out),
                    "b64" => codec::base64_lines(text.as_bytes(), &mut out),
                    _ => codec::base64_lines(&files::pdf(&text), &mut out),
                }
            }
            (Some("qp"), None) => block = Some(("qp", String::new())),
            (Some("b64"), None) => block = Some(("b64", String::new())),
            (Some("pdf"), None) => block = Some(("pdf", String::new())),
            (Some(mark), None) => {
                let (size, colour) = mark.strip_prefix("png ")?.split_once(' ')?;
                let (width, height) = size.split_once('x')?;
                let colour = u32::from_str_radix(colour, 16).ok()?;
                let png = files::png(width.parse().ok()?, height.parse().ok()?, colour)?;
                codec::base64_lines(&png, &mut out);
            }
            (_, Some((_, text))) => {
                text.push_str(&line);
                text.push_str("\r\n");
            }
            (None, None) => {
                out.extend_from_slice(line.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    block.is_none().then_some(out)
}

/// The line with the days it names.
fn filled(line: &str, at: OffsetDateTime, now: OffsetDateTime) -> Option<String> {
    let mut line = line.replace("{{date}}", &date::format(at));
    for language in ["de", "en", "ymd", "date"] {
        let opening = format!("{{{{{language} ");
        while let Some((before, rest)) = line.split_once(&opening) {
            let (days, after) = rest.split_once("}}")?;
            let day = now.to_offset(offset!(+1)) - Duration::days(days.parse().ok()?);
            let (y, m, d) = (day.year(), u8::from(day.month()), day.day());
            let name = match language {
                "de" => format!("{d:02}.{m:02}.{y}"),
                "en" => format!("{d} {} {y}", day.month()),
                "date" => date::format(day),
                _ => format!("{y:04}{m:02}{d:02}"),
            };
            line = format!("{before}{name}{after}");
        }
    }
    Some(line)
}

/// ISO-8859-1: the first 256 characters of Unicode, an octet each.
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

const FILES: [&str; 7] = [
    include_str!("letters/customers.txt"),
    include_str!("letters/office.txt"),
    include_str!("letters/club.txt"),
    include_str!("letters/invoices.txt"),
    include_str!("letters/newsletters.txt"),
    include_str!("letters/english.txt"),
    include_str!("letters/strange.txt"),
];

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 19:30 UTC);

    #[test]
    fn a_letter_has_its_time_its_places_and_its_blocks() {
        let letter = letter(
            "3d 09:14 jana/inbox:seen,starred jana/Kunden/Hofmann_Bau",
            "Date: {{date}}\n\n{{de 1}} {{en -1}} {{ymd 0}}\n{{b64}}\nHallo\n{{end}}\n",
            NOW,
        )
        .unwrap();
        assert_eq!(letter.at, datetime!(2026-11-20 09:14 +1));
        assert_eq!(letter.places[0].flags, Flags::SEEN.with(Flags::FLAGGED));
        assert_eq!(letter.places[1].folder, "Kunden/Hofmann Bau");
        assert_eq!(
            String::from_utf8(letter.bytes).unwrap(),
            "Date: Fri, 20 Nov 2026 09:14:00 +0100\r\n\r\n22.11.2026 24 November 2026 20261123\r\nSGFsbG8NCg==\r\n"
        );
    }

    #[test]
    fn every_letter_is_well_written_and_none_comes_from_tomorrow() {
        let all = letters(NOW).unwrap();
        assert!(all.iter().all(|l| l.at <= NOW && !l.places.is_empty()));
        assert!(all.iter().all(|l| NOW - l.at < Duration::days(91)));
        assert!(all.iter().all(|l| !l.bytes.windows(2).any(|w| w == b"{{")));
    }
}
