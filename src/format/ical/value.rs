//! Values of properties: dates (RFC 5545 3.3.4, 3.3.5), durations (3.3.6), periods (3.3.9), text (3.3.11).

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// On which clock a date is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A day and never an instant.
    Date,
    /// A wall time of whoever looks at it.
    Floating,
    /// UTC.
    Utc,
    /// A wall time of the named zone; the name as written.
    Zoned(String),
}

/// A date or a date with time as a property states it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DateValue {
    /// The wall time; of a day its midnight.
    pub local: PrimitiveDateTime,
    /// On which clock.
    pub form: Form,
}

impl DateValue {
    /// Reads `20261124`, `20261124T090000` or `20261124T090000Z`; lower case letters, missing seconds and a leap second are
    /// taken. `zone` is the `TZID` parameter, which a `Z` overrules.
    #[must_use]
    pub fn parse(raw: &str, zone: Option<&str>) -> Option<Self> {
        let (day, time) = match raw.split_once(['T', 't']) {
            Some((day, time)) => (day, Some(time)),
            None => (raw, None),
        };
        let date = parse_date(day)?;
        let Some(time) = time else {
            return Some(Self {
                local: date.midnight(),
                form: Form::Date,
            });
        };
        let (time, is_utc) = match time.strip_suffix(['Z', 'z']) {
            Some(time) => (time, true),
            None => (time, false),
        };
        let form = match (is_utc, zone) {
            (true, _) => Form::Utc,
            (false, Some(zone)) if !zone.is_empty() => Form::Zoned(zone.to_owned()),
            (false, _) => Form::Floating,
        };
        Some(Self {
            local: date.with_time(parse_time(time)?),
            form,
        })
    }

    /// Whether it is a day.
    #[must_use]
    pub fn is_date(&self) -> bool {
        self.form == Form::Date
    }

    /// As it is written in a value.
    #[must_use]
    pub fn to_ical(&self) -> String {
        match self.form {
            Form::Date => write_date(self.local.date()),
            Form::Utc => format!("{}Z", write_date_time(self.local)),
            Form::Floating | Form::Zoned(_) => write_date_time(self.local),
        }
    }

    /// An instant, written in UTC.
    #[must_use]
    pub fn utc(at: OffsetDateTime) -> Self {
        let at = at.to_offset(time::UtcOffset::UTC);
        Self {
            local: PrimitiveDateTime::new(at.date(), at.time()),
            form: Form::Utc,
        }
    }
}

fn digits(text: &str, from: usize, to: usize) -> Option<u32> {
    let part = text.get(from..to)?;
    if part.bytes().all(|b| b.is_ascii_digit()) {
        part.parse().ok()
    } else {
        None
    }
}

fn parse_date(text: &str) -> Option<Date> {
    if text.len() != 8 {
        return None;
    }
    let year = i32::try_from(digits(text, 0, 4)?).ok()?;
    let month = Month::try_from(u8::try_from(digits(text, 4, 6)?).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(digits(text, 6, 8)?).ok()?).ok()
}

fn parse_time(text: &str) -> Option<Time> {
    if text.len() != 6 && text.len() != 4 {
        return None;
    }
    let second = if text.len() == 6 {
        // A leap second is the last of its minute to us (RFC 5545 3.3.12).
        digits(text, 4, 6)?.min(if digits(text, 4, 6)? == 60 { 59 } else { 99 })
    } else {
        0
    };
    Time::from_hms(
        u8::try_from(digits(text, 0, 2)?).ok()?,
        u8::try_from(digits(text, 2, 4)?).ok()?,
        u8::try_from(second).ok()?,
    )
    .ok()
}

pub(crate) fn write_date(day: Date) -> String {
    format!(
        "{:04}{:02}{:02}",
        day.year(),
        u8::from(day.month()),
        day.day()
    )
}

pub(crate) fn write_date_time(at: PrimitiveDateTime) -> String {
    format!(
        "{}T{:02}{:02}{:02}",
        write_date(at.date()),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// A duration: days are days of the wall clock, seconds are exact (RFC 5545 3.3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Span {
    /// Nominal days, weeks included.
    pub days: i64,
    /// Exact seconds.
    pub seconds: i64,
}

impl Span {
    /// Reads `P1DT2H`, `-PT15M`, `P2W`; also several units where the RFC allows but one.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.trim();
        let (raw, sign) = match raw.strip_prefix('-') {
            Some(rest) => (rest, -1),
            None => (raw.strip_prefix('+').unwrap_or(raw), 1),
        };
        let body = raw.strip_prefix(['P', 'p'])?;
        let mut span = Self::default();
        let mut number: Option<i64> = None;
        let mut is_time = false;
        for c in body.chars() {
            if let Some(digit) = c.to_digit(10) {
                let value = number.unwrap_or(0) * 10 + i64::from(digit);
                if value > 1_000_000_000 {
                    return None;
                }
                number = Some(value);
                continue;
            }
            if matches!(c, 'T' | 't') && number.is_none() {
                is_time = true;
                continue;
            }
            let value = number.take()?;
            match (c.to_ascii_uppercase(), is_time) {
                ('W', false) => span.days += value * 7,
                ('D', false) => span.days += value,
                ('H', true) => span.seconds += value * 3_600,
                ('M', true) => span.seconds += value * 60,
                ('S', true) => span.seconds += value,
                _ => return None,
            }
        }
        if number.is_some() || body.is_empty() {
            return None;
        }
        span.days *= sign;
        span.seconds *= sign;
        Some(span)
    }

    /// All of it in seconds, a day being 86,400.
    #[must_use]
    pub fn nominal_seconds(self) -> i64 {
        self.days
            .saturating_mul(86_400)
            .saturating_add(self.seconds)
    }
}

/// The two ends of a period as written: a start, and an end or a length (RFC 5545 3.3.9).
#[must_use]
pub fn parse_period(raw: &str, zone: Option<&str>) -> Option<(DateValue, Result<DateValue, Span>)> {
    let (start, end) = raw.split_once('/')?;
    let start = DateValue::parse(start.trim(), zone)?;
    let end = end.trim();
    let end = match DateValue::parse(end, zone) {
        Some(end) => Ok(end),
        None => Err(Span::parse(end)?),
    };
    Some((start, end))
}

/// Undoes `\n`, `\,`, `\;`, `\\` (RFC 5545 3.3.11); another character behind a backslash stays as it is.
#[must_use]
pub fn unescape_text(raw: &str) -> String {
    if !raw.contains('\\') {
        return raw.to_owned();
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(other @ (',' | ';' | '\\' | ':' | '"')) => out.push(other),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Writes a text value: backslash, semicolon, comma and line breaks escaped, other control characters left out.
#[must_use]
pub fn escape_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(c);
            }
            '\r' => {
                if rest.peek() != Some(&'\n') {
                    out.push_str("\\n");
                }
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push('\t'),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
