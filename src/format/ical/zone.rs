//! Wall time to instants and back (RFC 5545 3.6.5).
//!
//! A zone is read from the object's own VTIMEZONE where it has one: those rules are what the sender meant. A name without one is
//! an IANA name, such a name behind a vendor's path (`/freeassociation.sourceforge.net/Europe/Berlin`), a Windows name, or an
//! offset (`GMT+0100`); what is none of these is read on the clock of whoever asks. A name is never a path of a file.
//!
//! A gap (the clock jumps over a time) and a fold (it shows a time twice) are told apart; what that means is decided by the caller:
//! a written time is read as RFC 5545 3.3.5 says, an instance a rule makes in a gap does not exist (3.3.10).

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::Tz;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};
use windows_timezones::WindowsTimezone;

use super::tree::Component;
use super::value::{DateValue, Form};
use crate::format::recur::Onsets;

/// What a wall time is in a zone: offsets in seconds east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// It happens once.
    Once(i32),
    /// The clock jumps over it.
    Gap {
        /// The offset until then.
        before: i32,
        /// The offset from then on.
        after: i32,
    },
    /// It happens twice.
    Fold {
        /// The offset of the first time.
        earlier: i32,
        /// The offset of the second time.
        later: i32,
    },
}

impl Clock {
    /// The offset a written time is read with (RFC 5545 3.3.5): the first of two, and in a gap the one before it.
    #[must_use]
    pub fn written(self) -> i32 {
        match self {
            Self::Once(offset) => offset,
            Self::Gap { before, .. } => before,
            Self::Fold { earlier, .. } => earlier,
        }
    }
}

/// A clock that wall times are told on.
#[derive(Debug, Clone)]
pub enum Zone {
    /// A fixed offset in seconds; UTC is 0.
    Fixed(i32),
    /// The database's rules.
    Iana(Tz),
    /// The rules of a VTIMEZONE.
    Own(Arc<Own>),
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self::Fixed(0);

    /// What a wall time is here.
    #[must_use]
    pub fn clock(&self, local: PrimitiveDateTime) -> Clock {
        match self {
            Self::Fixed(offset) => Clock::Once(*offset),
            Self::Iana(tz) => iana_clock(*tz, local),
            Self::Own(own) => own.clock(local),
        }
    }

    /// The instant a written wall time names.
    #[must_use]
    pub fn instant(&self, local: PrimitiveDateTime) -> OffsetDateTime {
        let offset = i64::from(self.clock(local).written());
        local
            .assume_utc()
            .checked_sub(Duration::seconds(offset))
            .unwrap_or(local.assume_utc())
    }

    /// The wall time at an instant.
    #[must_use]
    pub fn local(&self, at: OffsetDateTime) -> PrimitiveDateTime {
        let offset = match self {
            Self::Fixed(offset) => *offset,
            Self::Iana(tz) => iana_offset(*tz, at.unix_timestamp()),
            Self::Own(own) => own.offset(at.unix_timestamp()),
        };
        let utc = at.to_offset(time::UtcOffset::UTC);
        let utc = PrimitiveDateTime::new(utc.date(), utc.time());
        utc.checked_add(Duration::seconds(i64::from(offset)))
            .unwrap_or(utc)
    }
}

fn iana_offset(tz: Tz, unix: i64) -> i32 {
    let at = DateTime::from_timestamp(unix, 0)
        .unwrap_or_default()
        .naive_utc();
    tz.offset_from_utc_datetime(&at).fix().local_minus_utc()
}

fn iana_clock(tz: Tz, local: PrimitiveDateTime) -> Clock {
    let unix = local.assume_utc().unix_timestamp();
    // No zone is further than a day from UTC, none shifts twice within two days.
    let before = iana_offset(tz, unix - 86_400);
    let after = iana_offset(tz, unix + 86_400);
    if before == after {
        return Clock::Once(before);
    }
    let is_before = iana_offset(tz, unix - i64::from(before)) == before;
    let is_after = iana_offset(tz, unix - i64::from(after)) == after;
    match (is_before, is_after) {
        (true, true) => Clock::Fold {
            earlier: before,
            later: after,
        },
        (true, false) => Clock::Once(before),
        (false, true) => Clock::Once(after),
        (false, false) => Clock::Gap { before, after },
    }
}

/// One onset of an observance.
#[derive(Debug, Clone, Copy)]
struct Shift {
    /// In the wall time before it.
    local: PrimitiveDateTime,
    from: i32,
    to: i32,
}

impl Shift {
    fn at(self) -> i64 {
        self.local.assume_utc().unix_timestamp() - i64::from(self.from)
    }
}

/// The rules of a VTIMEZONE; its shifts are reckoned when a year is first asked for.
#[derive(Debug)]
pub struct Own {
    observances: Vec<(i32, i32, Onsets)>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    years: Option<(i32, i32)>,
    shifts: Vec<Shift>,
}

impl Own {
    /// Reads a VTIMEZONE; none when it states no offset.
    fn read(zone: Component<'_>) -> Option<Self> {
        let observances: Vec<(i32, i32, Onsets)> = zone
            .children()
            .filter(|c| c.is("STANDARD") || c.is("DAYLIGHT"))
            .filter_map(|c| {
                let from = parse_offset(&c.text("TZOFFSETFROM")?)?;
                let to = parse_offset(&c.text("TZOFFSETTO")?)?;
                Some((from, to, Onsets::read(c)?))
            })
            .collect();
        (!observances.is_empty()).then(|| Self {
            observances,
            known: Mutex::new(Known::default()),
        })
    }

    fn clock(&self, local: PrimitiveDateTime) -> Clock {
        self.reach(local.year());
        let known = lock(&self.known);
        let next = known.shifts.partition_point(|s| s.local <= local);
        let previous = next.checked_sub(1).and_then(|at| known.shifts.get(at));
        if let Some(shift) = previous {
            let jump = Duration::seconds(i64::from(shift.to - shift.from));
            if shift.to > shift.from && local < shift.local.saturating_add(jump) {
                return Clock::Gap {
                    before: shift.from,
                    after: shift.to,
                };
            }
        }
        if let Some(shift) = known.shifts.get(next) {
            let back = Duration::seconds(i64::from(shift.from - shift.to));
            if shift.to < shift.from && local >= shift.local.saturating_sub(back) {
                return Clock::Fold {
                    earlier: shift.from,
                    later: shift.to,
                };
            }
        }
        Clock::Once(match (previous, known.shifts.first()) {
            (Some(shift), _) => shift.to,
            (None, Some(first)) => first.from,
            (None, None) => 0,
        })
    }

    fn offset(&self, unix: i64) -> i32 {
        let year = OffsetDateTime::from_unix_timestamp(unix).map_or(1970, OffsetDateTime::year);
        self.reach(year);
        let known = lock(&self.known);
        let next = known.shifts.partition_point(|s| s.at() <= unix);
        match next.checked_sub(1).and_then(|at| known.shifts.get(at)) {
            Some(shift) => shift.to,
            None => known.shifts.first().map_or(0, |first| first.from),
        }
    }

    /// Makes sure that the shifts around a year are known.
    fn reach(&self, year: i32) {
        let (low, high) = {
            let known = lock(&self.known);
            match known.years {
                Some((low, high)) if low <= year && year <= high => return,
                Some((low, high)) => (low.min(year - 2), high.max(year + SPAN)),
                None => (year - 2, year + SPAN),
            }
        };
        let mut shifts: Vec<Shift> = self
            .observances
            .iter()
            .flat_map(|(from, to, onsets)| {
                onsets.around(low, high).into_iter().map(|local| Shift {
                    local,
                    from: *from,
                    to: *to,
                })
            })
            .collect();
        shifts.sort_by_key(|s| (s.at(), s.local));
        shifts.dedup_by_key(|s| (s.local, s.from, s.to));
        *lock(&self.known) = Known {
            years: Some((low, high)),
            shifts,
        };
    }
}

/// What a panic elsewhere leaves is still whole: both are caches.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Years reckoned ahead of the one asked for.
const SPAN: i32 = 6;

/// Reads `+0100`, `-0330`, `+005328`.
fn parse_offset(raw: &str) -> Option<i32> {
    let raw = raw.trim();
    let (sign, digits) = match raw.as_bytes().first()? {
        b'-' => (-1, raw.get(1..)?),
        b'+' => (1, raw.get(1..)?),
        _ => (1, raw),
    };
    if !matches!(digits.len(), 4 | 6) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize| digits.get(from..from + 2)?.parse::<i32>().ok();
    let seconds = part(0)? * 3_600 + part(2)? * 60 + part(4).unwrap_or(0);
    (seconds < 86_400).then_some(sign * seconds)
}

/// The zone of a name that no VTIMEZONE explains.
#[must_use]
pub fn named_zone(name: &str) -> Option<Zone> {
    let name = name.trim().trim_matches('"');
    if name.len() > 128 {
        return None;
    }
    if let Some(tz) = iana(name) {
        return Some(tz);
    }
    if let Ok(windows) = WindowsTimezone::from_str(name) {
        return iana(windows.tzdb_id());
    }
    // Vendors put their own path in front: /mozilla.org/20050126_1/Europe/Berlin.
    let mut rest = name;
    while let Some((_, tail)) = rest.split_once('/') {
        if let Some(tz) = iana(tail) {
            return Some(tz);
        }
        rest = tail;
    }
    offset_name(name)
}

fn iana(name: &str) -> Option<Zone> {
    if matches!(name, "UTC" | "Etc/UTC" | "Z" | "GMT" | "Etc/GMT") {
        return Some(Zone::UTC);
    }
    Tz::from_str(name)
        .ok()
        .or_else(|| {
            chrono_tz::TZ_VARIANTS
                .into_iter()
                .find(|tz| tz.name().eq_ignore_ascii_case(name))
        })
        .map(Zone::Iana)
}

/// `GMT+0100`, `UTC+01:00`, `GMT-3`, `(UTC+01:00) Amsterdam, Berlin`.
fn offset_name(name: &str) -> Option<Zone> {
    let name = name.strip_prefix('(').unwrap_or(name);
    let rest = name
        .strip_prefix("GMT")
        .or_else(|| name.strip_prefix("UTC"))?;
    let sign = match rest.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let body: String = rest
        .get(1..)?
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ':')
        .filter(char::is_ascii_digit)
        .collect();
    let (hours, minutes) = match body.len() {
        1 | 2 => (body.parse::<i32>().ok()?, 0),
        3 | 4 => {
            let cut = body.len() - 2;
            (
                body.get(..cut)?.parse().ok()?,
                body.get(cut..)?.parse().ok()?,
            )
        }
        _ => return None,
    };
    let seconds = hours * 3_600 + minutes * 60;
    (seconds <= 14 * 3_600 && minutes < 60).then_some(Zone::Fixed(sign * seconds))
}

/// The zones of one object, and the clock for times that name none.
#[derive(Debug, Clone)]
pub struct Zones {
    own: HashMap<String, Zone>,
    floating: Zone,
    named: Arc<Mutex<HashMap<String, Option<Zone>>>>,
}

impl Zones {
    /// Reads the VTIMEZONEs of a VCALENDAR. `floating`: the clock of whoever looks.
    #[must_use]
    pub fn of(calendar: Component<'_>, floating: Tz) -> Self {
        let mut own = HashMap::new();
        for zone in calendar.children_named("VTIMEZONE") {
            if let (Some(id), Some(read)) = (zone.text("TZID"), Own::read(zone)) {
                own.entry(id).or_insert_with(|| Zone::Own(Arc::new(read)));
            }
        }
        Self {
            own,
            floating: Zone::Iana(floating),
            named: Arc::default(),
        }
    }

    /// No VTIMEZONE at all: names alone.
    #[must_use]
    pub fn none(floating: Tz) -> Self {
        Self {
            own: HashMap::new(),
            floating: Zone::Iana(floating),
            named: Arc::default(),
        }
    }

    /// The zone of a `TZID`; an unknown name is the clock of whoever looks.
    #[must_use]
    pub fn get(&self, name: &str) -> Zone {
        if let Some(zone) = self.own.get(name) {
            return zone.clone();
        }
        if let Some(known) = lock(&self.named).get(name) {
            return known.clone().unwrap_or_else(|| self.floating.clone());
        }
        let found = named_zone(name);
        lock(&self.named).insert(name.to_owned(), found.clone());
        found.unwrap_or_else(|| self.floating.clone())
    }

    /// The clock a date is told on.
    #[must_use]
    pub fn of_form(&self, form: &Form) -> Zone {
        match form {
            Form::Utc => Zone::UTC,
            Form::Zoned(name) => self.get(name),
            Form::Date | Form::Floating => self.floating.clone(),
        }
    }

    /// The clock for times that name none.
    #[must_use]
    pub fn floating(&self) -> &Zone {
        &self.floating
    }

    /// The instant of a written date; a day begins at the midnight of whoever looks.
    #[must_use]
    pub fn instant(&self, date: &DateValue) -> OffsetDateTime {
        self.of_form(&date.form).instant(date.local)
    }
}
