use time::macros::datetime;

use super::*;
use crate::format::ical::Limits;

const NOW: OffsetDateTime = datetime!(2026-05-01 12:00 UTC);

fn calendar(parts: &[&str]) -> String {
    let body: Vec<String> = parts
        .iter()
        .map(|p| {
            format!(
                "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nORGANIZER:mailto:Anna@x.test\r\n{}\r\nEND:VEVENT\r\n",
                p.replace('\n', "\r\n")
            )
        })
        .collect();
    let body = body.concat();
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{body}END:VCALENDAR\r\n")
}

fn read(text: &str) -> Object<'_> {
    Object::parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Changed(bytes) => String::from_utf8(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}

const WEEKLY: &str = "DTSTART;TZID=Europe/Berlin:20260601T100000\nDTEND;TZID=Europe/Berlin:20260601T110000\n\
    RRULE:FREQ=WEEKLY\nSUMMARY:Runde\nATTENDEE:mailto:anna@x.test\n\
    ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:MAILTO:Bob@x.test\nATTENDEE:mailto:eve@x.test";

#[test]
fn a_new_event_invites_everybody_but_its_host() {
    let new = calendar(&[&format!(
        "{WEEKLY}\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM"
    )]);
    let messages = organizers_messages(None, Some(&read(&new)), NOW);
    let to: Vec<(&str, Method)> = messages.iter().map(|m| (m.to.as_str(), m.method)).collect();
    assert_eq!(
        to,
        [
            ("bob@x.test", Method::Request),
            ("eve@x.test", Method::Request)
        ]
    );
    let sent = String::from_utf8(messages[0].object.clone()).unwrap();
    assert!(!sent.contains("VALARM") && sent.contains("SUMMARY:Runde"));
}

#[test]
fn an_answer_or_a_stamp_is_no_news_but_another_time_is() {
    let old = calendar(&[WEEKLY]);
    let answered = old
        .replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")
        .replace("20260101T000000Z", "20260201T000000Z");
    assert!(organizers_messages(Some(&read(&old)), Some(&read(&answered)), NOW).is_empty());
    let moved = old.replace("T100000", "T103000");
    assert_eq!(
        organizers_messages(Some(&read(&old)), Some(&read(&moved)), NOW).len(),
        2
    );
    let forced = old.replace("RSVP=TRUE", "SCHEDULE-FORCE-SEND=REQUEST");
    assert_eq!(
        organizers_messages(Some(&read(&old)), Some(&read(&forced)), NOW).len(),
        1
    );
    let by_client = old.replace("RSVP=TRUE", "SCHEDULE-AGENT=CLIENT");
    assert_eq!(
        organizers_messages(None, Some(&read(&by_client)), NOW).len(),
        1
    );
}

#[test]
fn who_is_left_out_or_called_off_is_told_so() {
    let old = calendar(&[WEEKLY]);
    let without = old.replace("ATTENDEE:mailto:eve@x.test\r\n", "");
    let messages = organizers_messages(Some(&read(&old)), Some(&read(&without)), NOW);
    assert!(
        messages
            .iter()
            .any(|m| m.to == "eve@x.test" && m.method == Method::Cancel)
    );
    let gone = organizers_messages(Some(&read(&old)), None, NOW);
    assert_eq!(gone.len(), 2);
    let sent = String::from_utf8(gone[0].object.clone()).unwrap();
    assert!(
        gone[0].method == Method::Cancel
            && sent.contains("STATUS:CANCELLED")
            && sent.contains("SEQUENCE:1")
    );
}

#[test]
fn a_guest_of_some_instances_gets_those() {
    let one = "RECURRENCE-ID;TZID=Europe/Berlin:20260608T100000\nDTSTART;TZID=Europe/Berlin:20260608T120000\nSUMMARY:Runde mit Gast\n\
        ATTENDEE:mailto:bob@x.test\nATTENDEE:mailto:gast@y.test";
    let both = calendar(&[WEEKLY, one]);
    let messages = organizers_messages(None, Some(&read(&both)), NOW);
    let of = |to: &str| {
        String::from_utf8(messages.iter().find(|m| m.to == to).unwrap().object.clone()).unwrap()
    };
    assert!(!of("gast@y.test").contains("RRULE") && of("gast@y.test").contains("RECURRENCE-ID"));
    assert!(of("bob@x.test").contains("RRULE") && of("bob@x.test").contains("RECURRENCE-ID"));
    // Eve is not invited to the changed one.
    assert!(
        of("eve@x.test").contains("EXDATE;TZID=\"Europe/Berlin\":20260608T100000")
            || of("eve@x.test").contains("EXDATE;TZID=Europe/Berlin:20260608T100000"),
        "{}",
        of("eve@x.test")
    );
    assert!(!of("eve@x.test").contains("RECURRENCE-ID"));
}

#[test]
fn an_update_keeps_a_guests_own_things() {
    let old = calendar(&[WEEKLY]);
    let mine = old
        .replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED")
        .replace(
            "SUMMARY:Runde",
            "SUMMARY:Runde\r\nCATEGORIES:Meins\r\nX-MINE;A=b:c\r\nTRANSP:TRANSPARENT",
        )
        .replace(
            "END:VEVENT",
            "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM\r\nEND:VEVENT",
        );
    let update = old.replace("SUMMARY:Runde", "SUMMARY:Große Runde\r\nSEQUENCE:1");
    let now = text(apply_request(
        Some(&read(&mine)),
        &read(&update),
        "bob@x.test",
    ));
    for kept in [
        "SUMMARY:Große Runde",
        "CATEGORIES:Meins",
        "X-MINE;A=b:c",
        "TRANSP:TRANSPARENT",
        "TRIGGER:-PT5M",
        "PARTSTAT=ACCEPTED",
    ] {
        assert!(now.contains(kept), "{kept}\n{now}");
    }
    // Once more changes nothing; an older one changes nothing.
    assert_eq!(
        apply_request(Some(&read(&now)), &read(&update), "bob@x.test"),
        Outcome::Same
    );
    assert_eq!(
        apply_request(Some(&read(&now)), &read(&old), "bob@x.test"),
        Outcome::Same
    );
    // Another time asks anew.
    let moved = update
        .replace("T100000", "T150000")
        .replace("SEQUENCE:1", "SEQUENCE:2");
    let now = text(apply_request(
        Some(&read(&now)),
        &read(&moved),
        "bob@x.test",
    ));
    assert!(now.contains("PARTSTAT=NEEDS-ACTION") && now.contains("TRIGGER:-PT5M"));
    // Somebody else's event of the same UID does not touch mine.
    let foreign = update.replace("mailto:Anna@x.test", "mailto:mallory@z.test");
    assert_eq!(
        apply_request(Some(&read(&mine)), &read(&foreign), "bob@x.test"),
        Outcome::Same
    );
}

#[test]
fn a_guests_answer_travels_back_and_touches_one_line() {
    let host = calendar(&[WEEKLY]);
    let accepted = host.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    let reply = guests_reply(
        "bob@x.test",
        Some(&read(&host)),
        Some(&read(&accepted)),
        NOW,
    )
    .unwrap();
    assert_eq!(
        (reply.to.as_str(), reply.method),
        ("anna@x.test", Method::Reply)
    );
    let sent = String::from_utf8(reply.object).unwrap();
    assert!(!sent.contains("eve@x.test"));
    let now = text(apply_reply(&read(&host), &read(&sent), "bob@x.test"));
    assert_eq!(
        now,
        host.replace(
            "PARTSTAT=NEEDS-ACTION;RSVP=TRUE:",
            "PARTSTAT=ACCEPTED;RSVP=TRUE;SCHEDULE-STATUS=2.0:"
        )
    );
    // Nobody answers for another, and nobody answers who is not invited.
    assert_eq!(
        apply_reply(&read(&host), &read(&sent), "eve@x.test"),
        Outcome::Same
    );
    let crasher = sent.replace("Bob@x.test", "mallory@z.test");
    assert_eq!(
        apply_reply(&read(&host), &read(&crasher), "mallory@z.test"),
        Outcome::Same
    );
    // The host's own saving, and saying nothing, answer nothing.
    assert!(
        guests_reply(
            "anna@x.test",
            Some(&read(&host)),
            Some(&read(&accepted)),
            NOW
        )
        .is_none()
    );
    assert!(guests_reply("bob@x.test", None, Some(&read(&host)), NOW).is_none());
}

#[test]
fn deleting_declines_unless_it_was_called_off() {
    let host = calendar(&[WEEKLY]);
    let reply = guests_reply("bob@x.test", Some(&read(&host)), None, NOW).unwrap();
    assert!(
        String::from_utf8(reply.object)
            .unwrap()
            .contains("PARTSTAT=DECLINED")
    );
    let off = host.replace("SUMMARY", "STATUS:CANCELLED\r\nSUMMARY");
    assert!(guests_reply("bob@x.test", Some(&read(&off)), None, NOW).is_none());
}

#[test]
fn an_answer_to_one_instance_makes_it_one_of_its_own() {
    let host = calendar(&[WEEKLY]);
    let out = host.replace(
        "SUMMARY",
        "EXDATE;TZID=Europe/Berlin:20260615T100000\r\nSUMMARY",
    );
    let reply = guests_reply("bob@x.test", Some(&read(&host)), Some(&read(&out)), NOW).unwrap();
    let sent = String::from_utf8(reply.object).unwrap();
    let now = text(apply_reply(&read(&host), &read(&sent), "bob@x.test"));
    let object = read(&now);
    let one = object.parts().nth(1).unwrap();
    assert_eq!(one.text("DTSTART").as_deref(), Some("20260615T100000"));
    assert!(one.first("RRULE").is_none());
    let answer = |part: Component<'_>, who: &str| {
        part.all("ATTENDEE")
            .find(|a| address(*a) == who)
            .unwrap()
            .parameter("PARTSTAT")
    };
    assert_eq!(answer(one, "bob@x.test").as_deref(), Some("DECLINED"));
    assert_eq!(
        answer(object.master().unwrap(), "bob@x.test").as_deref(),
        Some("NEEDS-ACTION")
    );
    // A time that the series does not have is none.
    let wrong = sent.replace("20260615T100000", "20260616T100000");
    assert_eq!(
        apply_reply(&read(&host), &read(&wrong), "bob@x.test"),
        Outcome::Same
    );
}

#[test]
fn a_cancellation_marks_all_or_takes_one_out() {
    let mine = calendar(&[WEEKLY]);
    let all = organizers_messages(Some(&read(&mine)), None, NOW);
    let sent = String::from_utf8(all[0].object.clone()).unwrap();
    let now = text(apply_cancel(&read(&mine), &read(&sent)));
    assert!(now.contains("STATUS:CANCELLED"));
    let one = calendar(&[
        "RECURRENCE-ID;TZID=Europe/Berlin:20260608T100000\nDTSTART;TZID=Europe/Berlin:20260608T100000\nATTENDEE:mailto:bob@x.test",
    ]);
    let now = text(apply_cancel(&read(&mine), &read(&one)));
    assert!(now.contains("EXDATE;TZID=") && now.contains("20260608T100000"));
    assert_eq!(apply_cancel(&read(&now), &read(&one)), Outcome::Same);
    // A copy of that instance alone is gone.
    assert_eq!(apply_cancel(&read(&one), &read(&one)), Outcome::Gone);
}

#[test]
fn a_proposal_is_noted_and_an_answer_ends_it() {
    let host = calendar(&[WEEKLY]);
    let start = NewProperty::raw("DTSTART", "20260601T120000Z");
    let end = NewProperty::raw("DTEND", "20260601T130000Z");
    let proposal = counter(&read(&host), "bob@x.test", &start, &end, NOW).unwrap();
    let sent = String::from_utf8(proposal.object).unwrap();
    let noted = text(apply_counter(&read(&host), &read(&sent), "bob@x.test"));
    assert!(
        noted
            .replace("\r\n ", "")
            .contains("X-POSTAMT-PROPOSED-START=20260601T120000Z"),
        "{noted}"
    );
    assert!(noted.contains("DTSTART;TZID=Europe/Berlin:20260601T100000"));
    let accepted = host.replace("PARTSTAT=NEEDS-ACTION", "PARTSTAT=ACCEPTED");
    let reply = guests_reply(
        "bob@x.test",
        Some(&read(&host)),
        Some(&read(&accepted)),
        NOW,
    )
    .unwrap();
    let sent = String::from_utf8(reply.object).unwrap();
    assert!(!text(apply_reply(&read(&noted), &read(&sent), "bob@x.test")).contains("PROPOSED"));
}
