//! `Date` headers (RFC 5322 3.3 and the obsolete forms of 4.3), read as well as can be, written strictly.
//!
//! Also read: the C library's `Mon Nov 23 17:45:07 2026`, RFC 3339, German month names, zones by name.

use time::format_description::well_known::Rfc3339;
use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// Reads a date; `None` when there is none in the text.
#[must_use]
pub fn parse(text: &str) -> Option<OffsetDateTime> {
    let text = text
        .get(..text.len().min(MAX_LEN))
        .unwrap_or_default()
        .trim();
    if let Ok(date) = OffsetDateTime::parse(text, &Rfc3339) {
        return Some(date);
    }
    let mut found = Found::default();
    let mut bracket = 0_usize;
    for token in text.split_inclusive([' ', '\t', ',', '(', ')', '-', '+', '/']) {
        let (word, end) = split_end(token);
        if bracket == 0 {
            found.take(word);
            found.sign = match end {
                Some('+') => Some(1),
                // A minus after the clock is a zone's sign, before it a separator (23-Nov-2026).
                Some('-') if found.clock.is_some() => Some(-1),
                _ => None,
            };
        }
        match end {
            Some('(') => bracket += 1,
            Some(')') => bracket = bracket.saturating_sub(1),
            _ => {}
        }
    }
    found.date()
}

/// Writes a date as RFC 5322 3.3 wants it: `Mon, 23 Nov 2026 17:45:07 +0000`.
#[must_use]
pub fn format(date: OffsetDateTime) -> String {
    let minutes = i32::from(date.offset().whole_minutes());
    let date =
        UtcOffset::from_whole_seconds(minutes * 60).map_or(date, |offset| date.to_offset(offset));
    let weekday = date.weekday().to_string();
    let month = date.month().to_string();
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} {}{:02}{:02}",
        weekday.get(..3).unwrap_or_default(),
        date.day(),
        month.get(..3).unwrap_or_default(),
        date.year(),
        date.hour(),
        date.minute(),
        date.second(),
        if minutes < 0 { '-' } else { '+' },
        minutes.abs() / 60,
        minutes.abs() % 60,
    )
}

/// The date a message is sorted by: what its header says, when that lies between 1970 and two days from `now`,
/// else `fallback` (the arrival).
#[must_use]
pub fn sort_date(
    header: Option<OffsetDateTime>,
    now: OffsetDateTime,
    fallback: OffsetDateTime,
) -> OffsetDateTime {
    header
        .filter(|d| *d >= OffsetDateTime::UNIX_EPOCH && *d <= now + Duration::days(2))
        .unwrap_or(fallback)
}

/// Longer texts are no dates.
const MAX_LEN: usize = 200;

fn split_end(token: &str) -> (&str, Option<char>) {
    match token.char_indices().next_back() {
        Some((at, c)) if " \t,()-+/".contains(c) => (token.get(..at).unwrap_or_default(), Some(c)),
        _ => (token, None),
    }
}

#[derive(Debug, Default)]
struct Found {
    day: Option<u8>,
    month: Option<Month>,
    year: Option<i32>,
    clock: Option<Time>,
    offset: Option<UtcOffset>,
    /// The sign before the next word.
    sign: Option<i32>,
}

impl Found {
    fn take(&mut self, word: &str) {
        if word.is_empty() {
            return;
        }
        if let (Some(sign), true) = (self.sign, self.clock.is_some()) {
            self.offset = self.offset.or_else(|| numeric_zone(word, sign));
        } else if word.contains(':') {
            self.clock = self.clock.or_else(|| clock(word));
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            self.number(word);
        } else if let Some(month) = month(word).filter(|_| self.month.is_none()) {
            self.month = Some(month);
        } else if self.clock.is_some() && self.offset.is_none() {
            self.offset = named_zone(word);
        }
    }

    fn number(&mut self, word: &str) {
        let Ok(value) = word.parse::<i32>() else {
            return;
        };
        if self.day.is_none() && word.len() <= 2 {
            self.day = u8::try_from(value).ok();
        } else if self.year.is_none() {
            // RFC 5322 4.3: two and three digits
            self.year = match (word.len(), value) {
                (2, 0..=49) => Some(value + 2000),
                (2 | 3, _) => Some(value + 1900),
                (4, _) => Some(value),
                _ => None,
            };
        }
    }

    fn date(self) -> Option<OffsetDateTime> {
        let date = Date::from_calendar_date(self.year?, self.month?, self.day?).ok()?;
        let clock = self.clock.unwrap_or(Time::MIDNIGHT);
        let offset = self.offset.unwrap_or(UtcOffset::UTC);
        Some(PrimitiveDateTime::new(date, clock).assume_offset(offset))
    }
}

fn clock(word: &str) -> Option<Time> {
    let mut parts = word.split(':');
    let hour = parts.next()?.parse::<u8>().ok()?;
    let minute = parts.next()?.parse::<u8>().ok()?;
    let second = match parts.next() {
        Some(text) => text.split('.').next()?.parse::<u8>().ok()?,
        None => 0,
    };
    // A leap second is the second before it.
    Time::from_hms(hour, minute, if second == 60 { 59 } else { second }).ok()
}

fn numeric_zone(word: &str, sign: i32) -> Option<UtcOffset> {
    let digits: String = word.chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value = digits.parse::<i32>().ok()?;
    let (hours, minutes) = (value / 100, value % 100);
    if minutes > 59 {
        return None;
    }
    UtcOffset::from_whole_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// Zones by name: RFC 5322 4.3, and those that German and other European mailers write.
///
/// Military letters were defined with the wrong sign in RFC 822 and count as UTC, as RFC 5322 says.
fn named_zone(word: &str) -> Option<UtcOffset> {
    let minutes = match word.to_ascii_uppercase().as_str() {
        "UT" | "UTC" | "GMT" | "WET" => 0,
        "BST" | "CET" | "MEZ" | "MET" | "WEST" | "IST" => 60,
        "CEST" | "MESZ" | "MEST" | "EET" => 120,
        "EEST" | "MSK" => 180,
        "JST" | "KST" => 540,
        "AEST" => 600,
        "AEDT" => 660,
        "NZST" => 720,
        "NZDT" => 780,
        "EDT" => -240,
        "EST" | "CDT" => -300,
        "CST" | "MDT" => -360,
        "MST" | "PDT" => -420,
        "PST" | "AKDT" => -480,
        "AKST" => -540,
        "HST" => -600,
        letter if letter.len() == 1 && letter.bytes().all(|b| b.is_ascii_alphabetic()) => 0,
        _ => return None,
    };
    UtcOffset::from_whole_seconds(minutes * 60).ok()
}

fn month(word: &str) -> Option<Month> {
    let lower = word.to_lowercase();
    let lower = lower.trim_end_matches('.');
    if lower.chars().count() < 3 {
        return None;
    }
    let three: String = lower.chars().take(3).collect();
    Some(match three.as_str() {
        "jan" => Month::January,
        "feb" => Month::February,
        "mar" | "mär" | "mrz" => Month::March,
        "apr" => Month::April,
        "may" | "mai" => Month::May,
        "jun" => Month::June,
        "jul" => Month::July,
        "aug" => Month::August,
        "sep" => Month::September,
        "oct" | "okt" => Month::October,
        "nov" => Month::November,
        "dec" | "dez" => Month::December,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_as_they_come() {
        for (text, want) in [
            // RFC 5322 A.1.1, A.6.2, A.6.3
            (
                "Fri, 21 Nov 1997 09:55:06 -0600",
                datetime!(1997-11-21 09:55:06 -6),
            ),
            ("21 Nov 97 09:55:06 GMT", datetime!(1997-11-21 09:55:06 UTC)),
            (
                "Thu,\t13 Feb 1969 23:32 -0330 (Newfoundland Time)",
                datetime!(1969-02-13 23:32 -03:30),
            ),
            ("Mon, 23 Nov 2026 09:05 EST", datetime!(2026-11-23 09:05 -5)),
            (
                "Mon, 23 Nov 2026 09:05:10 MEZ",
                datetime!(2026-11-23 09:05:10 +1),
            ),
            (
                "Mo, 23 Dez 2026 09:05:10 +0100",
                datetime!(2026-12-23 09:05:10 +1),
            ),
            (
                "Mon Nov 23 17:45:07 2026",
                datetime!(2026-11-23 17:45:07 UTC),
            ),
            (
                "Mon Nov 23 17:45:07 CET 2026",
                datetime!(2026-11-23 17:45:07 +1),
            ),
            (
                "23-Nov-2026 17:45:07 +0200",
                datetime!(2026-11-23 17:45:07 +2),
            ),
            ("2026-11-23T17:45:07Z", datetime!(2026-11-23 17:45:07 UTC)),
            (
                "Sat, 31 Dec 2016 23:59:60 +0000",
                datetime!(2016-12-31 23:59:59 UTC),
            ),
            ("1 Jan 103 0:00 Z", datetime!(2003-01-01 00:00 UTC)),
        ] {
            assert_eq!(parse(text), Some(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "heute",
            "Mon, 45 Nov 2026 09:05 +0100",
            "31 Feb 2026 01:00",
            "99999999999",
            "Nov 2026",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_from_nowhere_gives_way_to_the_arrival() {
        let now = datetime!(2026-11-23 12:00 UTC);
        let arrived = datetime!(2026-11-23 11:59 UTC);
        for (header, want) in [
            (None, arrived),
            (Some(datetime!(1969-12-31 23:59:59 UTC)), arrived),
            (
                Some(datetime!(1970-01-01 00:00 UTC)),
                datetime!(1970-01-01 00:00 UTC),
            ),
            (
                Some(datetime!(2026-11-25 12:00 UTC)),
                datetime!(2026-11-25 12:00 UTC),
            ),
            (Some(datetime!(2026-11-25 12:00:01 UTC)), arrived),
        ] {
            assert_eq!(sort_date(header, now, arrived), want);
        }
    }

    #[test]
    fn written_dates_are_read_back() {
        let date = datetime!(2026-11-03 07:05:09 +05:30);
        assert_eq!(format(date), "Tue, 03 Nov 2026 07:05:09 +0530");
        assert_eq!(parse(&format(date)), Some(date));
    }
}
