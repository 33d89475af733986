//! Dates as the message list, the reader and the settings show them, in the reader's time zone.
//!
//! The clock is passed in, so a page is a function of its data and one instant.

use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Timelike as _, Utc};
use chrono_tz::Tz;
use time::OffsetDateTime;

use super::Lang;

/// Shows instants to one reader: in `lang`, in `zone`, seen from `now`.
#[derive(Clone, Copy, Debug)]
pub struct Dates {
    pub lang: Lang,
    pub zone: Tz,
    pub now: OffsetDateTime,
}

/// The heading of a run of rows in a list that is sorted by date, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Future,
    Today,
    Yesterday,
    ThisWeek,
    LastWeek,
    Month { year: i32, month: u32 },
}

impl Dates {
    /// The short form of a list row: today `10:42`, within the last seven days `Mo 18:20`, this year
    /// `12. Nov.`, else `12.11.2024`.
    #[must_use]
    pub fn short(&self, at: OffsetDateTime) -> String {
        let (local, now) = (self.local(at), self.local(self.now));
        let days = (now.date_naive() - local.date_naive()).num_days();
        if days == 0 {
            clock(&local)
        } else if (1..7).contains(&days) {
            format!("{} {}", self.weekday_short(&local), clock(&local))
        } else if local.year() == now.year() {
            self.day_month(&local)
        } else {
            self.date_of(&local)
        }
    }

    /// The full form for `title` and headers: `Montag, 23. November 2026, 10:42`.
    #[must_use]
    pub fn full(&self, at: OffsetDateTime) -> String {
        let local = self.local(at);
        format!("{}, {}", self.long_date_of(&local), clock(&local))
    }

    /// Day and time without a weekday: `23.11.2026, 10:42`; `23 Nov 2026, 10:42`.
    #[must_use]
    pub fn date_time(&self, at: OffsetDateTime) -> String {
        let local = self.local(at);
        format!("{}, {}", self.date_of(&local), clock(&local))
    }

    /// The day alone: `12.11.2024`; `12 Nov 2024`.
    #[must_use]
    pub fn date(&self, at: OffsetDateTime) -> String {
        self.date_of(&self.local(at))
    }

    /// The day in words: `23. November 2026`; `23 November 2026`.
    #[must_use]
    pub fn date_long(&self, at: OffsetDateTime) -> String {
        let local = self.local(at);
        let month = name(self.lang, &MONTHS, local.month0());
        match self.lang {
            Lang::De => format!("{}. {month} {}", local.day(), local.year()),
            Lang::En => format!("{} {month} {}", local.day(), local.year()),
        }
    }

    /// The time of day alone: `10:42`.
    #[must_use]
    pub fn time(&self, at: OffsetDateTime) -> String {
        clock(&self.local(at))
    }

    /// What `<time datetime="…">` wants: `2026-11-23T10:42:00+01:00`.
    #[must_use]
    pub fn iso(&self, at: OffsetDateTime) -> String {
        self.local(at).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// The group a row of a list belongs to. Weeks begin on Monday (ISO 8601).
    #[must_use]
    pub fn group(&self, at: OffsetDateTime) -> Group {
        let (day, today) = (
            self.local(at).date_naive(),
            self.local(self.now).date_naive(),
        );
        let monday = today - TimeDelta::days(i64::from(today.weekday().num_days_from_monday()));
        match (today - day).num_days() {
            ..0 => Group::Future,
            0 => Group::Today,
            1 => Group::Yesterday,
            _ if day >= monday => Group::ThisWeek,
            _ if day >= monday - TimeDelta::days(7) => Group::LastWeek,
            _ => Group::Month {
                year: day.year(),
                month: day.month(),
            },
        }
    }

    /// The heading of a group: `Heute`, `Letzte Woche`, `November`, `November 2024`.
    #[must_use]
    pub fn group_name(&self, group: Group) -> String {
        match group {
            Group::Future => self.lang.t("future"),
            Group::Today => self.lang.t("today"),
            Group::Yesterday => self.lang.t("yesterday"),
            Group::ThisWeek => self.lang.t("this-week"),
            Group::LastWeek => self.lang.t("last-week"),
            Group::Month { year, month } => {
                let month = name(self.lang, &MONTHS, month.saturating_sub(1));
                if year == self.local(self.now).year() {
                    month.to_owned()
                } else {
                    format!("{month} {year}")
                }
            }
        }
    }

    fn local(&self, at: OffsetDateTime) -> DateTime<Tz> {
        // `time` reaches the year 9999, chrono far beyond: the conversion cannot fail for what we store.
        DateTime::<Utc>::from_timestamp(at.unix_timestamp(), 0)
            .unwrap_or_default()
            .with_timezone(&self.zone)
    }

    fn weekday_short(&self, local: &DateTime<Tz>) -> &'static str {
        name(
            self.lang,
            &WEEKDAYS_SHORT,
            local.weekday().num_days_from_monday(),
        )
    }

    fn day_month(&self, local: &DateTime<Tz>) -> String {
        let month = name(self.lang, &MONTHS_SHORT, local.month0());
        match self.lang {
            Lang::De => format!("{}. {month}", local.day()),
            Lang::En => format!("{} {month}", local.day()),
        }
    }

    fn date_of(&self, local: &DateTime<Tz>) -> String {
        let day: NaiveDate = local.date_naive();
        match self.lang {
            Lang::De => day.format("%d.%m.%Y").to_string(),
            Lang::En => format!("{} {}", self.day_month(local), day.year()),
        }
    }

    fn long_date_of(&self, local: &DateTime<Tz>) -> String {
        let weekday = name(self.lang, &WEEKDAYS, local.weekday().num_days_from_monday());
        let month = name(self.lang, &MONTHS, local.month0());
        match self.lang {
            Lang::De => format!("{weekday}, {}. {month} {}", local.day(), local.year()),
            Lang::En => format!("{weekday}, {} {month} {}", local.day(), local.year()),
        }
    }
}

fn clock(local: &DateTime<Tz>) -> String {
    format!("{:02}:{:02}", local.hour(), local.minute())
}

/// `[German, English]` names, counted from 0.
fn name<const N: usize>(lang: Lang, names: &[[&'static str; N]; 2], at: u32) -> &'static str {
    let [de, en] = names;
    let table = match lang {
        Lang::De => de,
        Lang::En => en,
    };
    usize::try_from(at)
        .ok()
        .and_then(|at| table.get(at))
        .copied()
        .unwrap_or("")
}

const MONTHS: [[&str; 12]; 2] = [
    [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
];

const MONTHS_SHORT: [[&str; 12]; 2] = [
    [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni", "Juli", "Aug.", "Sept.", "Okt.", "Nov.",
        "Dez.",
    ],
    [
        "Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec",
    ],
];

const WEEKDAYS: [[&str; 7]; 2] = [
    [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
];

const WEEKDAYS_SHORT: [[&str; 7]; 2] = [
    ["Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"],
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
];

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn seen(lang: Lang) -> Dates {
        Dates {
            lang,
            zone: chrono_tz::Europe::Berlin,
            now: datetime!(2026-11-23 10:51 UTC),
        }
    }

    #[test]
    fn rows_show_as_much_of_the_date_as_is_needed() {
        let (de, en) = (seen(Lang::De), seen(Lang::En));
        for (at, german, english) in [
            (datetime!(2026-11-23 09:42 UTC), "10:42", "10:42"),
            // 23:30 UTC on Sunday is Monday in Berlin.
            (datetime!(2026-11-22 23:30 UTC), "00:30", "00:30"),
            (datetime!(2026-11-22 17:20 UTC), "So 18:20", "Sun 18:20"),
            (datetime!(2026-11-17 08:00 UTC), "Di 09:00", "Tue 09:00"),
            (datetime!(2026-11-16 08:00 UTC), "16. Nov.", "16 Nov"),
            (datetime!(2026-03-03 08:00 UTC), "3. März", "3 Mar"),
            (datetime!(2024-11-12 08:00 UTC), "12.11.2024", "12 Nov 2024"),
            (datetime!(2026-11-25 08:00 UTC), "25. Nov.", "25 Nov"),
        ] {
            assert_eq!(de.short(at), german);
            assert_eq!(en.short(at), english);
        }
    }

    #[test]
    fn the_full_forms() {
        let at = datetime!(2026-07-01 22:05 UTC);
        let (de, en) = (seen(Lang::De), seen(Lang::En));
        assert_eq!(de.full(at), "Donnerstag, 2. Juli 2026, 00:05");
        assert_eq!(en.full(at), "Thursday, 2 July 2026, 00:05");
        assert_eq!(de.date_time(at), "02.07.2026, 00:05");
        assert_eq!(en.date_time(at), "2 July 2026, 00:05");
        assert_eq!(de.date_long(at), "2. Juli 2026");
        assert_eq!(de.iso(at), "2026-07-02T00:05:00+02:00");
        assert_eq!(de.time(at), "00:05");
    }

    #[test]
    fn groups_run_from_today_to_months() {
        let de = seen(Lang::De); // a Monday
        let heading = |at| de.group_name(de.group(at));
        assert_eq!(heading(datetime!(2026-11-24 09:00 UTC)), "Später");
        assert_eq!(heading(datetime!(2026-11-23 00:00 UTC)), "Heute");
        assert_eq!(heading(datetime!(2026-11-22 09:00 UTC)), "Gestern");
        assert_eq!(heading(datetime!(2026-11-20 09:00 UTC)), "Letzte Woche");
        assert_eq!(heading(datetime!(2026-11-16 09:00 UTC)), "Letzte Woche");
        assert_eq!(heading(datetime!(2026-11-15 09:00 UTC)), "November");
        assert_eq!(heading(datetime!(2025-12-01 09:00 UTC)), "Dezember 2025");
        let friday = Dates {
            now: datetime!(2026-11-27 10:00 UTC),
            ..de
        };
        assert_eq!(
            friday.group(datetime!(2026-11-24 10:00 UTC)),
            Group::ThisWeek
        );
    }
}
