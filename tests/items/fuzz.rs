//! What nobody would write: iCalendar, rules and cards from a fuzzer. Nothing panics, nothing takes long, and what is read is
//! written as it was.

use std::time::{Duration, Instant};

use postamt::format::ical::{Limits, Object, Zones, expanded, index};
use postamt::format::recur::{Caps, Series, TimeRange, Window, alarms_in_range, is_in_range};
use postamt::format::vcard::{Card, CardLimits, Version, convert, index_card};
use time::macros::datetime;

const SLOW: Duration = Duration::from_secs(2);

fn look_at(bytes: &[u8]) {
    let begin = Instant::now();
    if let Ok(object) = Object::parse(bytes, &Limits::default()) {
        assert_eq!(object.tree().to_bytes(), bytes);
        let zones = Zones::of(object.tree().root(), chrono_tz::Europe::Berlin);
        let _ = index(
            &object,
            chrono_tz::Europe::Berlin,
            datetime!(2026-05-01 0:00 UTC),
        );
        let window = Window {
            from: datetime!(2026-05-01 0:00 UTC),
            to: datetime!(2026-06-01 0:00 UTC),
        };
        let range = TimeRange {
            from: Some(window.from),
            to: Some(window.to),
        };
        if let Some(series) = Series::read(&object, &zones) {
            let found = series.between(window, Caps::default());
            assert!(found.instances.len() <= Caps::default().instances);
            assert_eq!(
                series.overlaps(window, Caps::default()),
                !found.instances.is_empty()
            );
        }
        let _ = is_in_range(&object, &zones, range, Caps::default());
        let _ = alarms_in_range(&object, &zones, range, Caps::default());
        let _ = expanded(&object, &zones, range, Caps::default());
    }
    assert!(begin.elapsed() < SLOW, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn bytes_as_calendar_objects() {
    bolero::check!()
        .with_iterations(1_000)
        .for_each(|bytes: &[u8]| look_at(bytes));
}

/// Lines that are nearly right, in any order.
#[test]
fn lines_as_events() {
    const LINES: [&str; 28] = [
        "DTSTART:20260601T100000Z",
        "DTSTART;TZID=Europe/Berlin:19700101T023000",
        "DTSTART;VALUE=DATE:20260131",
        "DTEND:20260601T110000Z",
        "DTEND;VALUE=DATE:20260102",
        "DURATION:P1DT2H",
        "DURATION:-P4W",
        "RRULE:FREQ=DAILY",
        "RRULE:FREQ=SECONDLY;BYSETPOS=2",
        "RRULE:FREQ=HOURLY;INTERVAL=7;BYMONTH=2;BYMONTHDAY=30",
        "RRULE:FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO,-1SU",
        "RRULE:FREQ=MONTHLY;BYDAY=-5FR;BYSETPOS=-1,1;COUNT=9999",
        "RRULE:FREQ=WEEKLY;UNTIL=20260701;WKST=SU;INTERVAL=999",
        "EXRULE:FREQ=DAILY;BYDAY=MO",
        "RDATE;VALUE=PERIOD:20260601T100000Z/PT1H,20260602T100000Z/20260601T100000Z",
        "RDATE;TZID=Nowhere:20260610T100000",
        "EXDATE;VALUE=DATE:20260603",
        "EXDATE:20260604T100000Z",
        "RECURRENCE-ID:20260605T100000Z",
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20260606T100000Z",
        "END:VEVENT\r\nBEGIN:VEVENT\r\nUID:1",
        "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nREPEAT:4\r\nDURATION:PT1M\r\nEND:VALARM",
        "BEGIN:VALARM\r\nTRIGGER;VALUE=DATE-TIME:20260601T100000Z\r\nEND:VALARM",
        "END:VEVENT\r\nBEGIN:VTIMEZONE\r\nTZID:Nowhere\r\nBEGIN:STANDARD\r\nDTSTART:16010101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:-1130\r\nRRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=1,5,9\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nBEGIN:VEVENT\r\nUID:1",
        "SUMMARY:\\\\\\n\\",
        "CLASS:PRIVATE",
        "X-ODD;A=\"b:c\";D=^n:\u{e9}",
        "ATTENDEE;CN=x:mailto:",
    ];
    bolero::check!()
        .with_iterations(1_000)
        .with_type::<Vec<u8>>()
        .for_each(|picks: &Vec<u8>| {
            let lines: Vec<&str> = picks.iter().take(14).map(|p| LINES[usize::from(*p) % LINES.len()]).collect();
            let text = format!(
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\n{}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
                lines.join("\r\n")
            );
            look_at(text.as_bytes());
        });
}

#[test]
fn bytes_as_cards() {
    bolero::check!()
        .with_iterations(1_000)
        .for_each(|bytes: &[u8]| {
            for text in [
                bytes.to_vec(),
                [
                    b"BEGIN:VCARD\r\nVERSION:3.0\r\nN:",
                    bytes,
                    b"\r\nEND:VCARD\r\n",
                ]
                .concat(),
            ] {
                if let Ok(card) = Card::parse(&text, &CardLimits::default()) {
                    assert_eq!(card.to_bytes(), text);
                    let _ = index_card(&card);
                    for to in [Version::V3, Version::V4] {
                        let made = convert(&card, to);
                        assert!(
                            Card::parse(&made, &CardLimits::default()).is_ok(),
                            "{}",
                            String::from_utf8_lossy(&made)
                        );
                    }
                }
                let _ = Card::parse_many(&text, &CardLimits::default());
            }
        });
}
