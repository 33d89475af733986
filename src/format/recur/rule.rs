//! One rule: reading it, entering it near a window, walking it in wall time.

use ical::recur::expand::IcalRecurExpand;
use ical::recur::{
    IcalRecurDateTime, IcalRecurFreq, IcalRecurRule, IcalRecurWeekday, IcalRecurWeekdayNum,
};
use time::{Date, Duration, Month, PrimitiveDateTime, Time, Weekday};

use crate::format::ical::{Component, DateValue, Property};

/// A recurrence rule (`RRULE`, `EXRULE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    rule: IcalRecurRule,
    until: Option<DateValue>,
}

impl Rule {
    /// Reads a rule as written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, &'static str> {
        let raw = raw.trim();
        let mut rule = IcalRecurRule::parse(raw).map_err(|_| "a rule that is none")?;
        let mut until = None;
        for part in raw.split(';') {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            if name.trim().eq_ignore_ascii_case("UNTIL") {
                until = Some(DateValue::parse(value.trim(), None).ok_or("an UNTIL that is none")?);
            }
        }
        rule.until = None;
        // Values are a set: a value written a thousand times costs no more than once.
        rule.by_second.sort_unstable();
        rule.by_second.dedup();
        rule.by_minute.sort_unstable();
        rule.by_minute.dedup();
        rule.by_hour.sort_unstable();
        rule.by_hour.dedup();
        rule.by_month_day.sort_unstable();
        rule.by_month_day.dedup();
        rule.by_year_day.sort_unstable();
        rule.by_year_day.dedup();
        rule.by_week_no.sort_unstable();
        rule.by_week_no.dedup();
        rule.by_month.sort_unstable();
        rule.by_month.dedup();
        rule.by_set_pos.sort_unstable();
        rule.by_set_pos.dedup();
        Ok(Self { rule, until })
    }

    /// How often it happens in all, where it says so.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        self.rule.count
    }

    /// Periods between two occurrences.
    #[must_use]
    pub fn interval(&self) -> u32 {
        self.rule.interval
    }

    /// Its last moment, as written.
    #[must_use]
    pub fn until(&self) -> Option<&DateValue> {
        self.until.as_ref()
    }

    /// Whether it goes on for ever.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.rule.count.is_none() && self.until.is_none()
    }

    /// Whether it is too fast to be shown more than once.
    pub(super) fn is_shown_once(&self, is_date: bool) -> bool {
        match self.rule.freq {
            IcalRecurFreq::Secondly | IcalRecurFreq::Minutely => true,
            IcalRecurFreq::Hourly => is_date,
            _ => false,
        }
    }

    /// Walks it: occurrences from `start` on, at most up to `to`; those before `from` may be left out where nothing counts them.
    /// `until`: its last moment on the clock of `start`.
    pub(super) fn walk(
        &self,
        start: PrimitiveDateTime,
        is_date: bool,
        from: PrimitiveDateTime,
        to: PrimitiveDateTime,
        until: Option<PrimitiveDateTime>,
    ) -> impl Iterator<Item = PrimitiveDateTime> + use<> {
        let mut rule = self.rule.clone();
        let is_counted = rule.count.take().is_some();
        rule.until = Some(to_crate(until.map_or(to, |u| u.min(to))));
        if is_date {
            rule.by_hour.clear();
            rule.by_minute.clear();
            rule.by_second.clear();
        }
        let entered = if is_counted || from <= start {
            start
        } else {
            state_what_start_implies(&mut rule, start);
            entry(&rule, start, from)
        };
        let is_shown_once = self.is_shown_once(is_date);
        IcalRecurExpand::new(rule, to_crate(entered))
            .map_while(from_crate)
            .filter(move |at| *at >= start)
            .take(if is_shown_once { 0 } else { usize::MAX })
    }

    /// The length of one period in days, at least; for going back from the end of a rule.
    pub(super) fn period_days(&self) -> i64 {
        let days = match self.rule.freq {
            IcalRecurFreq::Yearly => 366,
            IcalRecurFreq::Monthly => 31,
            IcalRecurFreq::Weekly => 7,
            _ => 1,
        };
        days * i64::from(self.rule.interval)
    }
}

/// Writes into the rule what it takes from DTSTART, so that it can be entered at another date (RFC 5545 3.3.10, last notes).
fn state_what_start_implies(rule: &mut IcalRecurRule, start: PrimitiveDateTime) {
    let weekday = IcalRecurWeekdayNum {
        ordinal: None,
        weekday: weekday_to_crate(start.weekday()),
    };
    let day = i8::try_from(start.day()).unwrap_or(1);
    match rule.freq {
        IcalRecurFreq::Weekly if rule.by_day.is_empty() => rule.by_day.push(weekday),
        IcalRecurFreq::Monthly if rule.by_day.is_empty() && rule.by_month_day.is_empty() => {
            rule.by_month_day.push(day);
        }
        IcalRecurFreq::Yearly
            if rule.by_day.is_empty()
                && rule.by_month_day.is_empty()
                && rule.by_year_day.is_empty() =>
        {
            if rule.by_week_no.is_empty() {
                if rule.by_month.is_empty() {
                    rule.by_month.push(u8::from(start.month()));
                }
                rule.by_month_day.push(day);
            } else {
                rule.by_day.push(weekday);
            }
        }
        _ => {}
    }
}

/// A date in step with `start`, at least one whole period before `from`, never before `start`.
fn entry(
    rule: &IcalRecurRule,
    start: PrimitiveDateTime,
    from: PrimitiveDateTime,
) -> PrimitiveDateTime {
    let interval = i64::from(rule.interval);
    let days = (from.date() - start.date()).whole_days();
    let steps = |distance: i64, unit: i64| (distance / unit - 2).max(0) * unit;
    let entered = match rule.freq {
        IcalRecurFreq::Secondly | IcalRecurFreq::Minutely => Some(start),
        IcalRecurFreq::Hourly => {
            let hours = (from - start).whole_hours();
            start.checked_add(Duration::hours(steps(hours, interval)))
        }
        IcalRecurFreq::Daily => start.checked_add(Duration::days(steps(days, interval))),
        IcalRecurFreq::Weekly => start.checked_add(Duration::days(steps(days, interval * 7))),
        IcalRecurFreq::Monthly => {
            let month = |d: Date| i64::from(d.year()) * 12 + i64::from(u8::from(d.month())) - 1;
            let ahead = steps(month(from.date()) - month(start.date()), interval);
            if ahead == 0 {
                Some(start)
            } else {
                first_of(month(start.date()) + ahead, start.time())
            }
        }
        IcalRecurFreq::Yearly => {
            let ahead = steps(i64::from(from.year() - start.year()), interval);
            if ahead == 0 {
                Some(start)
            } else {
                first_of((i64::from(start.year()) + ahead) * 12, start.time())
            }
        }
    };
    entered.unwrap_or(start).max(start)
}

/// The first day of a month, counted from the year 0.
fn first_of(month: i64, at: Time) -> Option<PrimitiveDateTime> {
    let year = i32::try_from(month.div_euclid(12)).ok()?;
    let month = u8::try_from(month.rem_euclid(12) + 1).ok()?;
    let date = Date::from_calendar_date(year, Month::try_from(month).ok()?, 1).ok()?;
    Some(date.with_time(at))
}

fn to_crate(at: PrimitiveDateTime) -> IcalRecurDateTime {
    IcalRecurDateTime {
        year: at.year(),
        month: u8::from(at.month()),
        day: at.day(),
        hour: at.hour(),
        minute: at.minute(),
        second: at.second(),
    }
}

fn from_crate(at: IcalRecurDateTime) -> Option<PrimitiveDateTime> {
    let month = Month::try_from(at.month).ok()?;
    let date = Date::from_calendar_date(at.year, month, at.day).ok()?;
    let time = Time::from_hms(at.hour, at.minute, at.second.min(59)).ok()?;
    Some(date.with_time(time))
}

fn weekday_to_crate(day: Weekday) -> IcalRecurWeekday {
    match day {
        Weekday::Monday => IcalRecurWeekday::Monday,
        Weekday::Tuesday => IcalRecurWeekday::Tuesday,
        Weekday::Wednesday => IcalRecurWeekday::Wednesday,
        Weekday::Thursday => IcalRecurWeekday::Thursday,
        Weekday::Friday => IcalRecurWeekday::Friday,
        Weekday::Saturday => IcalRecurWeekday::Saturday,
        Weekday::Sunday => IcalRecurWeekday::Sunday,
    }
}

/// When an observance of a VTIMEZONE takes effect (RFC 5545 3.6.5), in the wall time before it.
#[derive(Debug, Clone)]
pub struct Onsets {
    start: PrimitiveDateTime,
    rule: Option<Rule>,
    dates: Vec<PrimitiveDateTime>,
}

impl Onsets {
    /// Reads STANDARD or DAYLIGHT; none without a DTSTART. A rule faster than monthly is no rule of a zone and not read.
    #[must_use]
    pub fn read(observance: Component<'_>) -> Option<Self> {
        let start = observance.date("DTSTART")?.local;
        let rule = observance
            .first("RRULE")
            .and_then(|p| Rule::parse(&p.raw()).ok())
            .filter(|r| matches!(r.rule.freq, IcalRecurFreq::Yearly | IcalRecurFreq::Monthly));
        let dates = observance
            .all("RDATE")
            .flat_map(Property::dates)
            .map(|d| d.local)
            .collect();
        Some(Self { start, rule, dates })
    }

    /// All onsets that matter in the years from `low` to `high`: those of a rule from shortly before, and every written one.
    #[must_use]
    pub fn around(&self, low: i32, high: i32) -> Vec<PrimitiveDateTime> {
        let mut all = self.dates.clone();
        all.push(self.start);
        if let Some(rule) = &self.rule {
            let day = |year: i32| {
                Date::from_calendar_date(year.clamp(1, 9_998), Month::January, 1)
                    .map_or(self.start, Date::midnight)
            };
            // UNTIL of a zone's rule is in UTC; its offset is small beside the distance of two onsets.
            let until = rule.until.as_ref().map(|u| {
                if u.is_date() {
                    u.local + Duration::days(1)
                } else {
                    u.local + Duration::hours(14)
                }
            });
            // The last onset before the years tells the offset they begin with, also where the rule ended long ago.
            let from = until.map_or(day(low - 1), |u| day(low - 1).min(u - Duration::days(800)));
            let mut onsets: Vec<PrimitiveDateTime> = Vec::new();
            let mut left = rule.count().unwrap_or(u32::MAX);
            for at in rule.walk(self.start, false, from, day(high + 1), until) {
                if left == 0 || onsets.len() >= MAX_ONSETS {
                    break;
                }
                left -= 1;
                onsets.push(at);
            }
            all.extend(onsets);
        }
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// Onsets of one observance that are kept.
const MAX_ONSETS: usize = 2_000;
