//! What happens when: the cases of RFC 5545 3.8.5 and of clients that are looser than it.

use chrono_tz::Tz;
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::format::ical::{Limits, Object, Zones, named_zone};

const BERLIN: Tz = Tz::Europe__Berlin;

fn object(lines: &str) -> String {
    let body = lines
        .trim()
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\r\n");
    let body = if body.contains("BEGIN:V") {
        body
    } else {
        format!("BEGIN:VEVENT\r\nUID:1\r\n{body}\r\nEND:VEVENT")
    };
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}\r\nEND:VCALENDAR\r\n")
}

/// Starts in a window, as a reader in Berlin has them, in UTC.
fn starts(lines: &str, from: OffsetDateTime, to: OffsetDateTime) -> Vec<String> {
    expanded(lines, from, to)
        .into_iter()
        .map(|(start, _)| start)
        .collect()
}

fn expanded(lines: &str, from: OffsetDateTime, to: OffsetDateTime) -> Vec<(String, String)> {
    let text = object(lines);
    let object = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
    let zones = Zones::of(object.tree().root(), BERLIN);
    let Some(series) = Series::read(&object, &zones) else {
        return Vec::new();
    };
    let show = |at: OffsetDateTime| {
        format!(
            "{}T{:02}{:02}",
            at.date().to_string().replace('-', ""),
            at.hour(),
            at.minute()
        )
    };
    series
        .between(Window { from, to }, Caps::default())
        .instances
        .iter()
        .map(|i| (show(i.starts_at), show(i.ends_at)))
        .collect()
}

const Y26: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);
const Y27: OffsetDateTime = datetime!(2027-01-01 0:00 UTC);

#[test]
fn wall_time_goes_on_through_both_changes_of_the_clock() {
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20260327T090000\nRRULE:FREQ=DAILY;COUNT=4",
            Y26,
            Y27
        ),
        [
            "20260327T0800",
            "20260328T0800",
            "20260329T0700",
            "20260330T0700"
        ]
    );
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20261024T090000\nRRULE:FREQ=DAILY;COUNT=2",
            Y26,
            Y27
        ),
        ["20261024T0700", "20261025T0800"]
    );
}

#[test]
fn a_time_the_clock_jumps_over_is_no_instance_and_is_not_counted() {
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20260328T023000\nRRULE:FREQ=DAILY;COUNT=3",
            Y26,
            Y27
        ),
        ["20260328T0130", "20260330T0030", "20260331T0030"]
    );
}

#[test]
fn a_written_time_the_clock_jumps_over_is_read_with_the_offset_before() {
    assert_eq!(
        starts("DTSTART;TZID=Europe/Berlin:20260329T023000", Y26, Y27),
        ["20260329T0130"]
    );
}

#[test]
fn a_time_that_happens_twice_is_the_first() {
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20261024T023000\nRRULE:FREQ=DAILY;COUNT=2",
            Y26,
            Y27
        ),
        ["20261024T0030", "20261025T0030"]
    );
}

#[test]
fn until_in_all_its_spellings() {
    let with = |start: &str, until: &str| {
        starts(
            &format!("DTSTART{start}\nRRULE:FREQ=DAILY;UNTIL={until}"),
            Y26,
            Y27,
        )
        .len()
    };
    // In UTC, also without a VTIMEZONE: 09:00 in Berlin is 08:00 UTC in winter.
    assert_eq!(
        with(";TZID=Europe/Berlin:20260101T090000", "20260105T080000Z"),
        5
    );
    assert_eq!(
        with(";TZID=Europe/Berlin:20260101T090000", "20260105T075959Z"),
        4
    );
    assert_eq!(
        with(
            ";TZID=W. Europe Standard Time:20260101T090000",
            "20260105T080000Z"
        ),
        5
    );
    // Local, floating, a day with a timed series: the whole day.
    assert_eq!(
        with(";TZID=Europe/Berlin:20260101T090000", "20260105T090000"),
        5
    );
    assert_eq!(with(":20260101T090000", "20260105T090000"), 5);
    assert_eq!(with(":20260101T090000Z", "20260105T090000Z"), 5);
    assert_eq!(with(";TZID=Europe/Berlin:20260101T090000", "20260105"), 5);
    // Days: as a day, as Apple's last second in UTC, as Outlook's midnight in UTC.
    assert_eq!(with(";VALUE=DATE:20260101", "20260105"), 5);
    assert_eq!(with(";VALUE=DATE:20260101", "20260105T225959Z"), 5);
    assert_eq!(with(";VALUE=DATE:20260101", "20260105T000000Z"), 5);
}

#[test]
fn months_without_the_day_and_leap_days() {
    assert_eq!(
        starts("DTSTART;VALUE=DATE:20260131\nRRULE:FREQ=MONTHLY", Y26, Y27),
        [
            "20260130T2300",
            "20260330T2200",
            "20260530T2200",
            "20260730T2200",
            "20260830T2200",
            "20261030T2300",
            "20261230T2300"
        ]
    );
    assert_eq!(
        starts(
            "DTSTART:20240229T120000Z\nRRULE:FREQ=YEARLY",
            datetime!(2024-01-01 0:00 UTC),
            datetime!(2033-01-01 0:00 UTC)
        ),
        ["20240229T1200", "20280229T1200", "20320229T1200"]
    );
}

#[test]
fn dates_come_and_go() {
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20260105T100000
             RRULE:FREQ=WEEKLY;COUNT=4
             RDATE;TZID=Europe/Berlin:20260107T100000
             RDATE:20260108T090000Z
             RDATE;VALUE=PERIOD:20260109T090000Z/PT2H
             EXDATE;TZID=Europe/Berlin:20260112T100000
             EXDATE:20260119T090000Z",
            Y26,
            Y27
        ),
        [
            "20260105T0900",
            "20260107T0900",
            "20260108T0900",
            "20260109T0900",
            "20260126T0900"
        ]
    );
}

#[test]
fn a_period_has_its_own_length() {
    assert_eq!(
        expanded(
            "DTSTART:20260105T100000Z\nDTEND:20260105T103000Z\nRDATE;VALUE=PERIOD:20260109T090000Z/PT2H,20260110T090000Z/20260110T091500Z",
            Y26,
            Y27
        ),
        [
            ("20260105T1000".to_owned(), "20260105T1030".to_owned()),
            ("20260109T0900".to_owned(), "20260109T1100".to_owned()),
            ("20260110T0900".to_owned(), "20260110T0915".to_owned())
        ]
    );
}

#[test]
fn a_day_taken_out_of_a_timed_series_and_a_time_out_of_days() {
    assert_eq!(
        starts(
            "DTSTART;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;VALUE=DATE:20260106",
            Y26,
            Y27
        ),
        ["20260105T0900", "20260107T0900"]
    );
    assert_eq!(
        starts(
            "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260106T000000Z",
            Y26,
            Y27
        ),
        ["20260104T2300", "20260106T2300"]
    );
}

const MOVED: &str = "BEGIN:VEVENT
    UID:1
    DTSTART;TZID=Europe/Berlin:20260105T100000
    DTEND;TZID=Europe/Berlin:20260105T110000
    RRULE:FREQ=WEEKLY;COUNT=4
    SEQUENCE:0
    END:VEVENT
    BEGIN:VEVENT
    UID:1
    RECURRENCE-ID:20260112T090000Z
    DTSTART;TZID=Europe/Berlin:20260113T150000
    DTEND;TZID=Europe/Berlin:20260113T160000
    SEQUENCE:3
    SUMMARY:moved
    END:VEVENT";

#[test]
fn a_changed_instance_takes_the_place_of_its_own() {
    assert_eq!(
        starts(MOVED, Y26, Y27),
        [
            "20260105T0900",
            "20260113T1400",
            "20260119T0900",
            "20260126T0900"
        ]
    );
    // Found in the window it was moved to, not in the one it was moved from.
    let day = |d: u8| {
        let at = datetime!(2026-01-01 0:00 UTC) + time::Duration::days(i64::from(d) - 1);
        starts(MOVED, at, at + time::Duration::days(1)).len()
    };
    assert_eq!((day(12), day(13)), (0, 1));
}

#[test]
fn an_instance_moved_far_away_is_found_there() {
    let far = MOVED.replace("20260113T1", "20260913T1");
    assert_eq!(
        starts(
            &far,
            datetime!(2026-09-01 0:00 UTC),
            datetime!(2026-10-01 0:00 UTC)
        ),
        ["20260913T1300"]
    );
    let early = MOVED.replace("20260113T1", "20250913T1");
    let text = object(&early);
    let parsed = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
    let zones = Zones::of(parsed.tree().root(), BERLIN);
    let first = Series::read(&parsed, &zones)
        .unwrap()
        .first(Caps::default())
        .unwrap();
    assert_eq!(first.starts_at, datetime!(2025-09-13 13:00 UTC));
}

#[test]
fn this_and_future_moves_all_that_follow() {
    let range = MOVED
        .replace("RECURRENCE-ID:", "RECURRENCE-ID;RANGE=THISANDFUTURE:")
        .replace("T160000", "T163000");
    assert_eq!(
        expanded(&range, Y26, Y27),
        [
            ("20260105T0900".to_owned(), "20260105T1000".to_owned()),
            ("20260113T1400".to_owned(), "20260113T1530".to_owned()),
            ("20260120T1400".to_owned(), "20260120T1530".to_owned()),
            ("20260127T1400".to_owned(), "20260127T1530".to_owned())
        ]
    );
}

#[test]
fn a_guest_of_one_instance_has_that_instance() {
    let alone = "BEGIN:VEVENT
        UID:1
        RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000
        DTSTART;TZID=Europe/Berlin:20260112T140000
        DURATION:PT30M
        END:VEVENT";
    assert_eq!(
        expanded(alone, Y26, Y27),
        [("20260112T1300".to_owned(), "20260112T1330".to_owned())]
    );
}

#[test]
fn own_rules_of_a_zone_are_what_the_sender_meant() {
    let zone = "BEGIN:VTIMEZONE
        TZID:Nowhere in Particular
        BEGIN:STANDARD
        DTSTART:16011028T030000
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
        TZOFFSETFROM:+0500
        TZOFFSETTO:+0400
        END:STANDARD
        BEGIN:DAYLIGHT
        DTSTART:16010325T020000
        RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
        TZOFFSETFROM:+0400
        TZOFFSETTO:+0500
        END:DAYLIGHT
        END:VTIMEZONE
        BEGIN:VEVENT
        UID:1
        DTSTART;TZID=Nowhere in Particular:20260327T090000
        RRULE:FREQ=DAILY;COUNT=4;UNTIL=20991231T000000Z
        END:VEVENT";
    assert_eq!(
        starts(zone, Y26, Y27),
        [
            "20260327T0500",
            "20260328T0500",
            "20260329T0400",
            "20260330T0400"
        ]
    );
}

#[test]
fn names_of_zones_that_clients_write() {
    let at = datetime!(2026-07-05 10:00);
    let utc = |name: &str| named_zone(name).map(|zone| zone.instant(at));
    for name in [
        "Europe/Berlin",
        "europe/berlin",
        "W. Europe Standard Time",
        "/freeassociation.sourceforge.net/Europe/Berlin",
        "/mozilla.org/20050126_1/Europe/Berlin",
        "GMT+0200",
        "UTC+2",
        "(UTC+02:00) Somewhere",
    ] {
        assert_eq!(utc(name), Some(datetime!(2026-07-05 8:00 UTC)), "{name}");
    }
    for name in ["UTC", "Etc/UTC", "GMT"] {
        assert_eq!(utc(name), Some(datetime!(2026-07-05 10:00 UTC)), "{name}");
    }
    for name in [
        "",
        "Customized Time Zone",
        "../../etc/passwd",
        "GMT+99",
        "UTC+",
    ] {
        assert_eq!(utc(name), None, "{name}");
    }
    // A name nobody knows is the clock of whoever looks.
    assert_eq!(
        starts(
            "DTSTART;TZID=Customized Time Zone:20260105T100000",
            Y26,
            Y27
        ),
        ["20260105T0900"]
    );
}

#[test]
fn days_are_days_and_never_instants() {
    // Three days over the change of the clock end at a midnight.
    assert_eq!(
        expanded(
            "DTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260331",
            Y26,
            Y27
        ),
        [("20260327T2300".to_owned(), "20260330T2200".to_owned())]
    );
    // Without an end, or with one that is none, it is one day.
    for end in [
        "",
        "DTEND;VALUE=DATE:20260105",
        "DTEND;VALUE=DATE:20260101",
        "DURATION:P1D",
    ] {
        assert_eq!(
            expanded(&format!("DTSTART;VALUE=DATE:20260105\n{end}"), Y26, Y27),
            [("20260104T2300".to_owned(), "20260105T2300".to_owned())],
            "{end}"
        );
    }
}

#[test]
fn a_duration_of_a_day_is_a_day_of_the_clock_and_of_24_hours_is_not() {
    let with = |duration: &str| {
        expanded(
            &format!("DTSTART;TZID=Europe/Berlin:20260328T120000\nDURATION:{duration}"),
            Y26,
            Y27,
        )
    };
    assert_eq!(with("P1D")[0].1, "20260329T1000");
    assert_eq!(with("PT24H")[0].1, "20260329T1100");
}

#[test]
fn what_is_too_fast_is_shown_once() {
    for freq in ["SECONDLY", "MINUTELY"] {
        assert_eq!(
            starts(
                &format!("DTSTART:20260105T100000Z\nRRULE:FREQ={freq}"),
                Y26,
                Y27
            ),
            ["20260105T1000"]
        );
    }
    assert_eq!(
        starts(
            "DTSTART:20260105T100000Z\nRRULE:FREQ=HOURLY;INTERVAL=6;COUNT=3",
            Y26,
            Y27
        ),
        ["20260105T1000", "20260105T1600", "20260105T2200"]
    );
}

#[test]
fn a_start_the_rule_does_not_make_is_an_instance() {
    assert_eq!(
        starts(
            "DTSTART:20260106T100000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2",
            Y26,
            Y27
        ),
        ["20260106T1000", "20260112T1000", "20260119T1000"]
    );
}

#[test]
fn the_caps_hold_and_are_told() {
    let text = object("DTSTART:20200101T000000Z\nRRULE:FREQ=HOURLY");
    let parsed = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
    let zones = Zones::none(BERLIN);
    let series = Series::read(&parsed, &zones).unwrap();
    let found = series.between(Window { from: Y26, to: Y27 }, Caps::default());
    assert_eq!((found.instances.len(), found.is_cut), (1_000, true));
    let found = series.between(
        Window {
            from: Y26,
            to: Y26 + time::Duration::hours(5),
        },
        Caps::default(),
    );
    assert_eq!((found.instances.len(), found.is_cut), (5, false));
}

#[test]
fn when_it_is_over() {
    let last = |lines: &str| {
        let text = object(lines);
        let parsed = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
        let zones = Zones::of(parsed.tree().root(), BERLIN);
        Series::read(&parsed, &zones)
            .unwrap()
            .last_end(Caps::default())
    };
    assert_eq!(
        last("DTSTART:20260105T100000Z\nRRULE:FREQ=DAILY"),
        LastEnd::Never
    );
    assert_eq!(
        last("DTSTART:20260105T100000Z\nDTEND:20260105T110000Z\nRRULE:FREQ=DAILY;COUNT=3"),
        LastEnd::At(datetime!(2026-01-07 11:00 UTC))
    );
    assert_eq!(
        last("DTSTART:20260105T100000Z\nRRULE:FREQ=WEEKLY;UNTIL=20300101T000000Z"),
        LastEnd::At(datetime!(2029-12-31 10:00 UTC))
    );
    // A rule whose last occurrence lies long before its UNTIL.
    assert_eq!(
        last("DTSTART:20240229T100000Z\nRRULE:FREQ=YEARLY;UNTIL=20270101T000000Z"),
        LastEnd::At(datetime!(2024-02-29 10:00 UTC))
    );
    assert_eq!(
        last(&MOVED.replace("20260113T1", "20280113T1")),
        LastEnd::At(datetime!(2028-01-13 15:00 UTC))
    );
}

#[test]
fn a_rule_that_never_matches_ends_soon() {
    let begin = std::time::Instant::now();
    for rule in [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=31;COUNT=10",
        "FREQ=WEEKLY;BYSETPOS=9;COUNT=5",
    ] {
        let all = starts(&format!("DTSTART:16000101T000000Z\nRRULE:{rule}"), Y26, Y27);
        assert!(all.is_empty(), "{rule}");
    }
    assert!(begin.elapsed().as_secs() < 3);
}

#[test]
fn a_daily_series_since_1970_costs_the_steps_of_the_window() {
    let text = object("DTSTART;TZID=Europe/Berlin:19700101T080000\nRRULE:FREQ=DAILY");
    let parsed = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
    let zones = Zones::of(parsed.tree().root(), BERLIN);
    let series = Series::read(&parsed, &zones).unwrap();
    let window = Window {
        from: datetime!(2026-06-01 0:00 UTC),
        to: datetime!(2026-07-01 0:00 UTC),
    };
    let found = series.between(
        window,
        Caps {
            instances: 1_000,
            steps: 60,
        },
    );
    assert_eq!((found.instances.len(), found.is_cut), (30, false));
}

#[test]
fn busy_times_join_and_the_weightier_wins() {
    let busy = |from: i64, to: i64, kind| Busy {
        from: Y26 + time::Duration::hours(from),
        to: Y26 + time::Duration::hours(to),
        kind,
    };
    assert_eq!(
        merge_busy(&[
            busy(4, 6, BusyKind::Busy),
            busy(1, 3, BusyKind::Busy),
            busy(3, 4, BusyKind::Busy),
            busy(5, 8, BusyKind::Tentative),
            busy(7, 7, BusyKind::Busy),
        ]),
        [busy(1, 6, BusyKind::Busy), busy(6, 8, BusyKind::Tentative)]
    );
}

#[test]
fn a_task_lies_where_the_table_of_the_rfc_says() {
    let in_range = |lines: &str, from, to| {
        let text = object(&format!("BEGIN:VTODO\nUID:1\n{lines}\nEND:VTODO"));
        let parsed = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
        let zones = Zones::of(parsed.tree().root(), BERLIN);
        is_in_range(&parsed, &zones, TimeRange { from, to }, Caps::default())
    };
    let (a, b) = (
        Some(datetime!(2026-01-05 0:00 UTC)),
        Some(datetime!(2026-01-06 0:00 UTC)),
    );
    for (lines, is_in) in [
        ("DTSTART:20260105T100000Z\nDUE:20260109T100000Z", true),
        ("DTSTART:20260101T100000Z\nDUE:20260109T100000Z", true),
        ("DTSTART:20260106T100000Z\nDUE:20260109T100000Z", false),
        ("DTSTART:20260105T100000Z\nDURATION:PT1H", true),
        ("DTSTART:20260105T000000Z", true),
        ("DTSTART:20260106T000000Z", false),
        ("DUE:20260105T100000Z", true),
        ("DUE:20260105T000000Z", false),
        ("DUE:20260106T000000Z", true),
        ("COMPLETED:20260105T100000Z", true),
        ("COMPLETED:20260107T100000Z\nCREATED:20260101T100000Z", true),
        (
            "COMPLETED:20260107T100000Z\nCREATED:20260106T100000Z",
            false,
        ),
        ("CREATED:20260107T100000Z", false),
        ("CREATED:20260101T100000Z", true),
        ("SUMMARY:some day", true),
        (
            "DTSTART;TZID=Europe/Berlin:20250105T100000\nDUE;TZID=Europe/Berlin:20250105T110000\nRRULE:FREQ=DAILY",
            true,
        ),
    ] {
        assert_eq!(in_range(lines, a, b), is_in, "{lines}");
    }
    assert!(in_range("DUE:20260105T100000Z", a, None));
    assert!(in_range("DUE:20260105T100000Z", None, b));
    assert!(!in_range("DUE:20260105T100000Z", b, None));
}
