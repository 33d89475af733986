//! Events, contacts, tasks and notes of the demo, dated around the day it is made.

use time::{Date, Duration, OffsetDateTime, Weekday};

use super::{JANA, Person, TOBIAS};
use crate::error::Refusal;
use crate::format::ical::escape_text;
use crate::model::{AccountId, CollectionKind};
use crate::service::App;
use crate::service::items::{Denied, Precondition};

/// A note: name, title, text.
type Note = (&'static str, &'static str, &'static str);

/// An event or task: days from today, lines of its own.
struct Entry {
    name: &'static str,
    title: &'static str,
    days: i64,
    lines: &'static [&'static str],
}

const fn entry(
    name: &'static str,
    title: &'static str,
    days: i64,
    lines: &'static [&'static str],
) -> Entry {
    Entry {
        name,
        title,
        days,
        lines,
    }
}

/// `{}` in a line is the entry's day, `{+n}` the day n later.
const JANAS_EVENTS: [Entry; 7] = [
    entry(
        "montagsrunde",
        "Montagsrunde",
        -70,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T093000",
            "DURATION:PT45M",
            "RRULE:FREQ=WEEKLY;BYDAY=MO",
            "LOCATION:Besprechung 1",
            "ORGANIZER;CN=Jana Brandt:mailto:jana@demo.test",
            "ATTENDEE;CN=Jana Brandt;PARTSTAT=ACCEPTED:mailto:jana@demo.test",
            "ATTENDEE;CN=Tobias Kern;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:tobias@demo.test",
        ],
    ),
    entry(
        "abnahme",
        "Abnahme Hofmann Bau",
        1,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T140000",
            "DTEND;TZID=Europe/Berlin:{}T160000",
            "LOCATION:Kaiserdamm 12\\, Berlin",
            "DESCRIPTION:Pläne und Muster mitnehmen.",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DESCRIPTION:Abnahme",
            "TRIGGER:-PT30M",
            "END:VALARM",
        ],
    ),
    entry(
        "messe",
        "Messe in Leipzig",
        9,
        &[
            "DTSTART;VALUE=DATE:{}",
            "DTEND;VALUE=DATE:{+3}",
            "LOCATION:Leipzig",
            "TRANSP:OPAQUE",
        ],
    ),
    entry(
        "zahnarzt",
        "Zahnarzt",
        4,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T081500",
            "DURATION:PT1H",
            "CLASS:PRIVATE",
        ],
    ),
    entry(
        "chorprobe",
        "Chorprobe",
        -21,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T193000",
            "DURATION:PT2H",
            "RRULE:FREQ=WEEKLY;INTERVAL=2",
            "LOCATION:Gemeindehaus",
        ],
    ),
    entry(
        "geburtstag",
        "Geburtstag Oma Lotte",
        -400,
        &[
            "DTSTART;VALUE=DATE:{}",
            "RRULE:FREQ=YEARLY",
            "TRANSP:TRANSPARENT",
        ],
    ),
    entry(
        "abschluss",
        "Monatsabschluss",
        -90,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T160000",
            "DURATION:PT1H",
            "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        ],
    ),
];
const TOBIAS_EVENTS: [Entry; 4] = [
    entry(
        "lunch",
        "Lunch with Priya",
        2,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T123000",
            "DURATION:PT1H",
            "LOCATION:Café am Kanal",
        ],
    ),
    entry(
        "flight",
        "Flight to Lisbon",
        12,
        &[
            "DTSTART:{}T053500Z",
            "DTEND:{}T091000Z",
            "LOCATION:BER",
            "CATEGORIES:Travel",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DESCRIPTION:Flight",
            "TRIGGER:-PT3H",
            "END:VALARM",
        ],
    ),
    entry(
        "holiday",
        "Lisbon",
        12,
        &[
            "DTSTART;VALUE=DATE:{}",
            "DTEND;VALUE=DATE:{+6}",
            "CATEGORIES:Travel",
        ],
    ),
    entry(
        "climbing",
        "Climbing",
        -14,
        &[
            "DTSTART;TZID=Europe/Berlin:{}T190000",
            "DURATION:PT2H",
            "RRULE:FREQ=WEEKLY;BYDAY=TH",
        ],
    ),
];
const JANAS_TASKS: [Entry; 4] = [
    entry(
        "angebot",
        "Angebot Bäckerei Seidel schreiben",
        2,
        &["DUE;VALUE=DATE:{}", "PRIORITY:1"],
    ),
    entry(
        "muell",
        "Papiertonne rausstellen",
        3,
        &[
            "DTSTART;VALUE=DATE:{}",
            "DUE;VALUE=DATE:{}",
            "RRULE:FREQ=WEEKLY;INTERVAL=2",
        ],
    ),
    entry(
        "steuer",
        "Belege für die Steuer sortieren",
        20,
        &[
            "DUE;VALUE=DATE:{}",
            "STATUS:IN-PROCESS",
            "PERCENT-COMPLETE:40",
        ],
    ),
    entry(
        "blumen",
        "Blumen für den Empfang",
        -3,
        &[
            "STATUS:COMPLETED",
            "PERCENT-COMPLETE:100",
            "COMPLETED:{}T101500Z",
        ],
    ),
];
const TOBIAS_TASKS: [Entry; 2] = [
    entry("passport", "Renew passport", 25, &["DUE;VALUE=DATE:{}"]),
    entry(
        "slides",
        "Slides for the fair",
        6,
        &["DUE;TZID=Europe/Berlin:{}T180000", "PRIORITY:5"],
    ),
];
const JANAS_NOTES: [Note; 2] = [
    (
        "wlan",
        "Gäste-WLAN",
        "Netz: BrandtKern-Gast\nKennwort hängt am Empfang.",
    ),
    (
        "ideen",
        "Ideen Messestand",
        "Holzboden\nGroße Fotos statt Prospekte\nKaffee vom Rad",
    ),
];
const TOBIAS_NOTES: [Note; 1] = [(
    "packing",
    "Packing list",
    "Charger\nSunscreen\nBook\nPassport!",
)];
/// Family, given, organisation, mail, phone, birthday.
const CARDS: [(&str, &str, &str, &str, &str, &str); 6] = [
    (
        "Hofmann",
        "Petra",
        "Hofmann Bau",
        "petra@hofmann-bau.test",
        "+49 30 5550 2210",
        "1971-03-08",
    ),
    (
        "Seidel",
        "Max",
        "Bäckerei Seidel",
        "max@baeckerei-seidel.test",
        "+49 30 5550 3391",
        "",
    ),
    (
        "Raman",
        "Priya",
        "",
        "priya@raman.test",
        "+49 171 5550 118",
        "1990-11-30",
    ),
    (
        "Öztürk",
        "Emre",
        "Druckerei Öztürk",
        "emre@druckerei.test",
        "+49 30 5550 7702",
        "",
    ),
    ("Brandt", "Lotte", "", "", "+49 4321 5550", "1939-01-17"),
    (
        "O’Brien",
        "Niamh",
        "Fair Office Leipzig",
        "niamh@fair-office.test",
        "+49 341 5550 40",
        "",
    ),
];

/// Puts a person's items into their default collections.
pub(super) async fn fill(
    app: &App,
    account: AccountId,
    person: &Person,
    now: OffsetDateTime,
) -> Result<usize, Refusal> {
    let mut put = 0;
    let (events, tasks, notes): (&[Entry], &[Entry], &[Note]) = if person.address == JANA.address {
        (&JANAS_EVENTS, &JANAS_TASKS, &JANAS_NOTES)
    } else if person.address == TOBIAS.address {
        (&TOBIAS_EVENTS, &TOBIAS_TASKS, &TOBIAS_NOTES)
    } else {
        return Ok(0);
    };
    for (kind, component, entries) in [
        (CollectionKind::Calendar, "VEVENT", events),
        (CollectionKind::Tasks, "VTODO", tasks),
    ] {
        for entry in entries {
            let day = fitting(
                now.date().saturating_add(Duration::days(entry.days)),
                entry.lines,
            );
            let mut lines = vec![format!("SUMMARY:{}", escape_text(entry.title))];
            lines.extend(entry.lines.iter().map(|line| on(line, day)));
            let text = object(component, entry.name, &lines, now);
            store(app, account, kind, entry.name, "ics", text).await?;
            put += 1;
        }
    }
    for (name, title, text) in notes {
        let lines = [
            format!("SUMMARY:{}", escape_text(title)),
            format!("DESCRIPTION:{}", escape_text(text)),
        ];
        let text = object("VJOURNAL", name, &lines, now);
        store(app, account, CollectionKind::Notes, name, "ics", text).await?;
        put += 1;
    }
    for (n, card) in CARDS.iter().enumerate() {
        let name = format!("demo-card-{n}");
        let text = written_card(&name, *card);
        store(app, account, CollectionKind::Contacts, &name, "vcf", text).await?;
        put += 1;
    }
    Ok(put)
}

async fn store(
    app: &App,
    account: AccountId,
    kind: CollectionKind,
    name: &str,
    ending: &str,
    text: String,
) -> Result<(), Refusal> {
    let shelf = app.items.default_shelf(account, kind).await?;
    let stored = app
        .items
        .put(
            shelf.at,
            &format!("{name}.{ending}"),
            text.into_bytes(),
            Precondition::Any,
        )
        .await;
    match stored {
        Ok(_) => Ok(()),
        Err(Denied::Refused(refusal)) => Err(refusal),
        Err(_) => Err(Refusal::Internal("an item of the demo")),
    }
}

fn object(component: &str, name: &str, lines: &[String], now: OffsetDateTime) -> String {
    let stamp = format!(
        "{}T{:02}{:02}{:02}Z",
        digits(now.date()),
        now.hour(),
        now.minute(),
        now.second()
    );
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Postamt//Demo//EN\r\nBEGIN:{component}\r\nUID:{name}@demo.test\r\n\
         DTSTAMP:{stamp}\r\n{}\r\nEND:{component}\r\nEND:VCALENDAR\r\n",
        lines.join("\r\n")
    )
}

/// The line with its days filled in.
fn on(line: &str, day: Date) -> String {
    let mut out = line.replace("{}", &digits(day));
    for n in 1..=9 {
        let later = day.saturating_add(Duration::days(n));
        out = out.replace(&format!("{{+{n}}}"), &digits(later));
    }
    out
}

/// A series begins on a day that its rule names: a weekday, or the last working day of a month.
fn fitting(day: Date, lines: &[&str]) -> Date {
    let has = |end: &str| {
        lines
            .iter()
            .any(|l| l.starts_with("RRULE:") && l.ends_with(end))
    };
    let back = |from: Date, fits: fn(Weekday) -> bool| {
        (0..7)
            .map(|n| from.saturating_sub(Duration::days(n)))
            .find(|d| fits(d.weekday()))
            .unwrap_or(from)
    };
    if has("BYDAY=MO") {
        back(day, |d| d == Weekday::Monday)
    } else if has("BYDAY=TH") {
        back(day, |d| d == Weekday::Thursday)
    } else if has("BYSETPOS=-1") {
        let last = day
            .replace_day(day.month().length(day.year()))
            .unwrap_or(day);
        back(last, |d| !matches!(d, Weekday::Saturday | Weekday::Sunday))
    } else {
        day
    }
}

fn digits(day: Date) -> String {
    format!(
        "{:04}{:02}{:02}",
        day.year(),
        u8::from(day.month()),
        day.day()
    )
}

fn written_card(uid: &str, card: (&str, &str, &str, &str, &str, &str)) -> String {
    let (family, given, org, mail, phone, birthday) = card;
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        format!("UID:{uid}"),
        format!("N:{family};{given};;;"),
        format!("FN:{given} {family}"),
    ];
    for (name, value) in [
        ("ORG:", org),
        ("EMAIL;TYPE=INTERNET;TYPE=WORK:", mail),
        ("TEL;TYPE=CELL:", phone),
        ("BDAY:", birthday),
    ] {
        if !value.is_empty() {
            lines.push(format!("{name}{value}"));
        }
    }
    lines.push("END:VCARD\r\n".to_owned());
    lines.join("\r\n")
}
