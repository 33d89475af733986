//! Recurrence against two other libraries: python-dateutil (its answers are in `tests/corpus/recurrence.txt`) and calcard.

use calcard::Entry;
use postamt::format::ical::{DateValue, Limits, Object, Zones};
use postamt::format::recur::{Caps, Series, Window};
use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;

fn object(start: &str, rule: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART{start}\r\nRRULE:{rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

fn ours(text: &str, from: OffsetDateTime, to: OffsetDateTime) -> Vec<OffsetDateTime> {
    let object = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
    let zones = Zones::of(object.tree().root(), chrono_tz::UTC);
    Series::read(&object, &zones)
        .unwrap()
        .between(Window { from, to }, Caps::default())
        .instances
        .iter()
        .map(|i| i.starts_at)
        .collect()
}

/// Where dateutil is right by its own reading and we by another:
/// a day of week 1 that lies in December belongs to the period of the year its week is of; dateutil takes it into the period of
/// the calendar year. With INTERVAL the two differ. RFC 5545 numbers weeks as ISO 8601 does, by the week's own year.
const DATEUTIL_DIFFERS: [&str; 1] = ["FREQ=YEARLY;INTERVAL=5;BYWEEKNO=1,20,53;BYDAY=WE;"];

#[test]
fn rules_agree_with_dateutil() {
    let all = include_str!("../corpus/recurrence.txt");
    let at = |text: &str| DateValue::parse(text, None).unwrap().local.assume_utc();
    let mut compared = 0;
    for line in all.lines().filter(|l| !l.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [start, rule, from, to, want] = fields[..] else {
            panic!("{line}");
        };
        if DATEUTIL_DIFFERS.iter().any(|d| rule.starts_with(d)) {
            continue;
        }
        let want: Vec<_> = want.split_whitespace().map(at).collect();
        let got = ours(&object(&format!(":{start}Z"), rule), at(from), at(to));
        assert_eq!(got, want, "{start} {rule} {from}..{to}");
        compared += 1;
    }
    assert!(compared > 890, "{compared}");
}

fn calcards(text: &str, from: OffsetDateTime, to: OffsetDateTime) -> Vec<OffsetDateTime> {
    let Entry::ICalendar(calendar) = calcard::Parser::new(text).entry() else {
        panic!("{text}");
    };
    let mut all: Vec<OffsetDateTime> = calendar
        .expand_dates(chrono_tz::UTC, 7_000)
        .events
        .into_iter()
        .filter_map(calcard::icalendar::dates::CalendarEvent::try_into_date_time)
        .filter_map(|e| OffsetDateTime::from_unix_timestamp(e.start.timestamp()).ok())
        .filter(|at| *at >= from && *at < to)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Rules of the kinds people make, on clocks with and without summer time. What is left out, and why:
/// * times between 00:00 and 06:00 on a clock with summer time: calcard gives a wrong instant in gaps and folds;
/// * UNTIL in UTC on another clock: calcard compares it as wall time and loses the last;
/// * a start that the rule does not make: calcard leaves DTSTART out.
fn rule() -> impl Strategy<Value = (String, String)> {
    let days = prop::sample::subsequence(vec!["MO", "TU", "WE", "TH", "FR", "SA", "SU"], 1..4);
    let clock = prop_oneof![
        Just(";TZID=Europe/Berlin:"),
        Just(";TZID=America/New_York:"),
        Just(";TZID=Asia/Kolkata:"),
        Just(":"),
    ];
    let end = prop_oneof![
        Just(String::new()),
        (1u32..60).prop_map(|n| format!(";COUNT={n}")),
    ];
    (
        clock,
        2010i32..2026,
        1u8..13,
        1u8..29,
        7u8..22,
        1u32..5,
        0usize..5,
        days,
        end,
    )
        .prop_map(
            |(clock, year, month, day, hour, interval, kind, days, end)| {
                let date = time::Date::from_calendar_date(
                    year,
                    time::Month::try_from(month).unwrap(),
                    day,
                )
                .unwrap();
                let weekday = &date.weekday().to_string()[..2].to_uppercase();
                let mut days: Vec<&str> = days;
                if !days.contains(&weekday.as_str()) {
                    days.push(weekday);
                }
                let nth = (day - 1) / 7 + 1;
                let rule = match kind {
                    0 => format!("FREQ=DAILY;INTERVAL={interval}{end}"),
                    1 => format!(
                        "FREQ=WEEKLY;INTERVAL={interval};BYDAY={}{end}",
                        days.join(",")
                    ),
                    2 => format!("FREQ=MONTHLY;INTERVAL={interval};BYMONTHDAY={day}{end}"),
                    3 => format!("FREQ=MONTHLY;INTERVAL={interval};BYDAY={nth}{weekday}{end}"),
                    _ => format!("FREQ=YEARLY;INTERVAL={interval}{end}"),
                };
                let z = if clock == ":" { "Z" } else { "" };
                (
                    format!("{clock}{year}{month:02}{day:02}T{hour:02}0000{z}"),
                    rule,
                )
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn rules_agree_with_calcard((start, rule) in rule(), ahead in 0i64..5_000) {
        let text = object(&start, &rule);
        let from = datetime!(2010-01-01 0:00 UTC) + time::Duration::days(ahead);
        let to = from + time::Duration::days(200);
        prop_assert_eq!(ours(&text, from, to), calcards(&text, from, to), "{} {}", start, rule);
    }
}
