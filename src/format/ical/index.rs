//! What the row of an item keeps beside its bytes, so that lists, filters and reminders need not read them.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::next_alarm;
use super::object::{Kind, Object};
use super::tree::{Component, Property};
use super::zone::Zones;
use crate::format::mime::SearchText;
use crate::format::recur::{Caps, LastEnd, Series};
use crate::format::words::{Field, of_fields};

/// The columns of a calendar object.
#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    /// Its title, of a note without one its first line.
    pub summary: String,
    /// When it first happens.
    pub starts_at: Option<OffsetDateTime>,
    /// When it is first over.
    pub ends_at: Option<OffsetDateTime>,
    /// What devices filter by: when its last is over; of a task, when it was completed. None: never, or open.
    pub last_ends_at: Option<OffsetDateTime>,
    /// When to remind next.
    pub next_alarm_at: Option<OffsetDateTime>,
    /// The rest.
    pub facts: Facts,
    /// For search.
    pub search: SearchText,
}

/// Rarer facts of an object, of its main component.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// It repeats or has changed instances.
    #[serde(skip_serializing_if = "is_false")]
    pub repeats: bool,
    /// It takes whole days.
    #[serde(skip_serializing_if = "is_false")]
    pub all_day: bool,
    /// It has reminders.
    #[serde(skip_serializing_if = "is_false")]
    pub alarms: bool,
    /// `PRIVATE`, `CONFIDENTIAL`; none is public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// `STATUS`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// It takes no time in free-busy.
    #[serde(skip_serializing_if = "is_false")]
    pub is_free: bool,
    /// `LOCATION`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// `CATEGORIES`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// `PRIORITY`, 1 to 9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// `PERCENT-COMPLETE`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// `DUE` as an instant, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<i64>,
    /// `DUE` is a day.
    #[serde(skip_serializing_if = "is_false")]
    pub due_all_day: bool,
    /// `COMPLETED`, or known to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    /// Who invites, as an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organizer: Option<String>,
    /// How many are invited.
    #[serde(skip_serializing_if = "is_zero")]
    pub attendees: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}

/// Indexes an object. `floating`: its owner's clock; `now`: reminders before it are past.
#[must_use]
pub fn index(object: &Object<'_>, floating: Tz, now: OffsetDateTime) -> Index {
    let zones = Zones::of(object.tree().root(), floating);
    let caps = Caps::default();
    let series = Series::read(object, &zones);
    let main = object.main();
    let first = series.as_ref().and_then(|s| s.first(caps));
    let mut facts = main.map(|m| facts(m, &zones)).unwrap_or_default();
    facts.repeats = series.as_ref().is_some_and(Series::is_recurring);
    facts.all_day = first.as_ref().is_some_and(|i| i.is_all_day);
    facts.alarms = object
        .parts()
        .any(|p| p.children_named("VALARM").next().is_some());
    let is_done = object.kind() == Kind::Task && is_done(&facts);
    let last_ends_at = match object.kind() {
        Kind::Task if is_done => facts
            .completed_at
            .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
            .or(Some(now)),
        Kind::Task | Kind::Note => None,
        Kind::Event => match series.as_ref().map(|s| s.last_end(caps)) {
            Some(LastEnd::At(end)) => Some(end),
            Some(LastEnd::Never | LastEnd::Untimed) | None => None,
        },
    };
    Index {
        summary: main.map(|m| title(m, object.kind())).unwrap_or_default(),
        starts_at: first.as_ref().map(|i| i.starts_at),
        ends_at: first.as_ref().map(|i| i.ends_at),
        last_ends_at,
        next_alarm_at: series
            .as_ref()
            .filter(|_| !is_done)
            .and_then(|s| next_alarm(s, &zones, now, caps)),
        facts,
        search: index_words(object),
    }
}

/// Whether a task is done or called off.
fn is_done(facts: &Facts) -> bool {
    facts.completed_at.is_some()
        || matches!(facts.status.as_deref(), Some("COMPLETED" | "CANCELLED"))
}

fn title(main: Component<'_>, kind: Kind) -> String {
    let text = main
        .text("SUMMARY")
        .filter(|s| !s.trim().is_empty())
        .or_else(|| {
            (kind == Kind::Note)
                .then(|| main.text("DESCRIPTION"))
                .flatten()
        })
        .unwrap_or_default();
    short(text.lines().next().unwrap_or_default())
}

/// A line for a list: control characters made blanks, cut to [`MAX_SHORT`] characters.
fn short(text: &str) -> String {
    text.trim()
        .chars()
        .take(MAX_SHORT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Characters of a title, a place, a category in the index.
const MAX_SHORT: usize = 500;
/// Categories in the index.
const MAX_CATEGORIES: usize = 50;

fn facts(main: Component<'_>, zones: &Zones) -> Facts {
    let word = |name: &str| {
        main.text(name)
            .map(|w| short(&w).to_ascii_uppercase())
            .filter(|w| !w.is_empty())
    };
    let unix = |name: &str| main.date(name).map(|d| zones.instant(&d).unix_timestamp());
    let due = main.date("DUE");
    let due_at = due
        .as_ref()
        .map(|d| zones.instant(d))
        .or_else(|| {
            let start = zones.instant(&main.date("DTSTART")?);
            let span = super::Span::parse(&main.first("DURATION")?.raw())?;
            start.checked_add(Duration::seconds(span.nominal_seconds()))
        })
        .filter(|_| main.is("VTODO"));
    Facts {
        class: word("CLASS").filter(|c| c != "PUBLIC"),
        status: word("STATUS"),
        is_free: word("TRANSP").is_some_and(|t| t == "TRANSPARENT"),
        location: main
            .text("LOCATION")
            .map(|l| short(&l))
            .filter(|l| !l.is_empty()),
        categories: main
            .all("CATEGORIES")
            .flat_map(Property::texts)
            .map(|c| short(&c))
            .filter(|c| !c.is_empty())
            .take(MAX_CATEGORIES)
            .collect(),
        priority: main
            .text("PRIORITY")
            .and_then(|p| p.trim().parse().ok())
            .filter(|p| (1..=9).contains(p)),
        percent: main
            .text("PERCENT-COMPLETE")
            .and_then(|p| p.trim().parse().ok())
            .filter(|p| *p <= 100),
        due_at: due_at.map(OffsetDateTime::unix_timestamp),
        due_all_day: due.is_some_and(|d| d.is_date()),
        completed_at: unix("COMPLETED"),
        organizer: main.first("ORGANIZER").map(address),
        attendees: main.all("ATTENDEE").count(),
        ..Facts::default()
    }
}

/// The address of ORGANIZER or ATTENDEE, lower case, without `mailto:`.
#[must_use]
pub fn address(person: Property<'_>) -> String {
    let raw = person.raw();
    let raw = raw.trim();
    let bare = match raw.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => raw.get(7..).unwrap_or_default(),
        _ => raw,
    };
    bare.to_lowercase()
}

/// Search words of an object: title, place, people, categories, description, of every component.
#[must_use]
pub fn index_words(object: &Object<'_>) -> SearchText {
    let mut texts: Vec<(Option<&'static str>, String)> = Vec::new();
    for part in object.parts() {
        for (name, prefix) in FIELDS {
            for property in part.all(name) {
                texts.push((prefix, property.text()));
            }
        }
        for name in ["ORGANIZER", "ATTENDEE"] {
            for person in part.all(name).take(MAX_PEOPLE) {
                texts.push((Some("f:"), address(person)));
                if let Some(cn) = person.parameter("CN") {
                    texts.push((Some("f:"), cn));
                }
            }
        }
    }
    // Many changed instances say the same.
    let mut seen = std::collections::HashSet::new();
    texts.retain(|t| seen.insert(t.clone()));
    let fields: Vec<Field<'_>> = texts
        .iter()
        .map(|(prefix, text)| Field {
            prefix: *prefix,
            text,
        })
        .collect();
    of_fields(&fields)
}

/// People of one component that are searched for.
const MAX_PEOPLE: usize = 100;
const FIELDS: [(&str, Option<&str>); 6] = [
    ("SUMMARY", Some("s:")),
    ("LOCATION", None),
    ("CATEGORIES", None),
    ("DESCRIPTION", None),
    ("COMMENT", None),
    ("CONTACT", None),
];
