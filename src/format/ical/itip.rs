//! Scheduling messages (RFC 5546) between an organiser's object and the guests' copies, as RFC 6638 has a server do it.
//!
//! ```text
//!  organiser's object --REQUEST, CANCEL--> guest's copy      what changed, for each guest what concerns them
//!  organiser's object <--REPLY, COUNTER--- guest's copy      one guest's own attendee line and no other
//! ```
//!
//! Pure: who may send to whom, where copies lie and how messages travel is the service's.
//! An organiser's message carries what the guest sees of the object: without reminders, with instances they are not invited to taken
//! out by EXDATE. A guest's reminders, categories and own properties survive every update.

mod apply;

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::edit::{ComponentMut, NewProperty};
use super::index::address;
use super::object::Object;
use super::tree::{Component, Property, Tree};
use super::value::DateValue;
use super::zone::Zones;

pub use apply::{apply_cancel, apply_counter, apply_reply, apply_request};

/// What a message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// An invitation or its update.
    Request,
    /// It does not take place, or no longer with this guest.
    Cancel,
    /// A guest's answer.
    Reply,
    /// A guest proposes another time.
    Counter,
    /// The organiser does not take the proposal.
    DeclineCounter,
}

impl Method {
    /// The property's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
            Self::Reply => "REPLY",
            Self::Counter => "COUNTER",
            Self::DeclineCounter => "DECLINECOUNTER",
        }
    }
}

/// A message to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// To whom: an address in lower case.
    pub to: String,
    /// What it asks for.
    pub method: Method,
    /// The object, without METHOD; whoever mails it adds that.
    pub object: Vec<u8>,
}

/// What became of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The copy is to be this.
    Changed(Vec<u8>),
    /// Nothing is left of it.
    Gone,
    /// It stays as it is: an old message, or one that says nothing new.
    Same,
}

/// Who invites, when anybody does.
#[must_use]
pub fn organizer(object: &Object<'_>) -> Option<String> {
    object
        .parts()
        .find_map(|p| p.first("ORGANIZER"))
        .map(address)
}

/// Whether somebody is invited to any of an object.
#[must_use]
pub fn is_invited(object: &Object<'_>, who: &str) -> bool {
    object
        .parts()
        .any(|p| p.all("ATTENDEE").any(|a| address(a) == who))
}

/// Guests of a component that the server writes to, without the organiser.
fn guests(part: Component<'_>, organizer: &str) -> Vec<String> {
    part.all("ATTENDEE")
        .filter(|a| {
            a.parameter("SCHEDULE-AGENT")
                .is_none_or(|agent| agent.eq_ignore_ascii_case("SERVER"))
        })
        .map(address)
        .filter(|a| a != organizer && !a.is_empty())
        .collect()
}

/// What a component is called: its RECURRENCE-ID as an instant, none for the master.
type Key = Option<i64>;

fn key(part: Component<'_>, zones: &Zones) -> Key {
    part.date("RECURRENCE-ID")
        .map(|d| zones.instant(&d).unix_timestamp())
}

fn zones_of(object: &Object<'_>) -> Zones {
    Zones::of(object.tree().root(), chrono_tz::UTC)
}

/// What an organiser's change makes known to the guests. None of `before` and `after`: new, or deleted.
#[must_use]
pub fn organizers_messages(
    before: Option<&Object<'_>>,
    after: Option<&Object<'_>>,
    now: OffsetDateTime,
) -> Vec<Message> {
    let Some(host) = after.or(before).and_then(organizer) else {
        return Vec::new();
    };
    let all = |object: Option<&Object<'_>>| -> Vec<String> {
        let mut all: Vec<String> = object
            .into_iter()
            .flat_map(|o| o.parts().flat_map(|p| guests(p, &host)).collect::<Vec<_>>())
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (old, new) = (all(before), all(after));
    let mut messages = Vec::new();
    for guest in &new {
        let Some(view) = after.and_then(|o| view_of(o, guest)) else {
            continue;
        };
        let had = before.and_then(|o| view_of(o, guest));
        let is_news = had.is_none_or(|had| essence(&had) != essence(&view));
        let is_forced = after.is_some_and(|o| {
            o.parts()
                .flat_map(|p| p.all("ATTENDEE").collect::<Vec<_>>())
                .any(|a| {
                    address(a) == *guest
                        && a.parameter("SCHEDULE-FORCE-SEND")
                            .is_some_and(|f| f.eq_ignore_ascii_case("REQUEST"))
                })
        });
        if is_news || is_forced {
            messages.push(Message {
                to: guest.clone(),
                method: Method::Request,
                object: view,
            });
        }
    }
    for guest in old.iter().filter(|g| !new.contains(g)) {
        if let Some(object) = before.and_then(|o| cancellation(o, guest, now)) {
            messages.push(Message {
                to: guest.clone(),
                method: Method::Cancel,
                object,
            });
        }
    }
    messages
}

/// What one guest sees of an object; none when they are not invited to any of it.
fn view_of(object: &Object<'_>, guest: &str) -> Option<Vec<u8>> {
    let host = organizer(object)?;
    let zones = zones_of(object);
    let is_invited = |part: Component<'_>| guests(part, &host).iter().any(|g| g == guest);
    let master = object.master().filter(|m| is_invited(*m));
    if master.is_none() && !object.parts().any(is_invited) {
        return None;
    }
    let mut tree = object.tree().clone();
    let word = object.kind().word();
    // Instances that they are not invited to are not theirs.
    let missing: Vec<DateValue> = object
        .parts()
        .filter(|p| master.is_some() && !is_invited(*p))
        .filter_map(|p| p.date("RECURRENCE-ID"))
        .collect();
    let start = master.and_then(|m| m.first("DTSTART"));
    let mut root = tree.root_mut();
    root.remove("METHOD");
    root.remove_children(|c| c.is(word) && !is_invited(c));
    for mut part in root.children_mut() {
        if !part.read().is(word) {
            continue;
        }
        part.remove_children(|_| true);
        part.retain(|name| !name.to_ascii_uppercase().starts_with("X-MOZ-"));
        for name in [
            "SCHEDULE-STATUS",
            "SCHEDULE-FORCE-SEND",
            "SCHEDULE-AGENT",
            PROPOSED_START,
            PROPOSED_END,
        ] {
            while part.clear_parameter("ATTENDEE", name) {}
        }
        if part.read().first("RECURRENCE-ID").is_none() {
            for date in &missing {
                add_exdate(&mut part, start, date, &zones);
            }
        }
    }
    Some(tree.to_bytes())
}

/// What makes a view news: not stamps, sequence, or who has answered what.
fn essence(view: &[u8]) -> Vec<String> {
    let limits = super::Limits::default();
    let Ok(tree) = Tree::parse(view, &limits) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for part in tree.root().children() {
        if part.is("VTIMEZONE") {
            continue;
        }
        lines.push(format!(
            "BEGIN {}",
            part.text("RECURRENCE-ID").unwrap_or_default()
        ));
        let mut own: Vec<String> = part
            .properties()
            .filter(|p| {
                !["DTSTAMP", "LAST-MODIFIED", "CREATED", "SEQUENCE"]
                    .iter()
                    .any(|n| p.is(n))
            })
            .map(|p| {
                if p.is("ATTENDEE") {
                    return format!(
                        "ATTENDEE {} {}",
                        address(p),
                        p.parameter("ROLE").unwrap_or_default()
                    );
                }
                let zone = p.parameter("TZID").unwrap_or_default();
                format!("{} {zone} {}", p.name().to_ascii_uppercase(), p.raw())
            })
            .collect();
        own.sort_unstable();
        lines.extend(own);
    }
    lines
}

/// What tells a guest that they are not invited any more.
fn cancellation(object: &Object<'_>, guest: &str, now: OffsetDateTime) -> Option<Vec<u8>> {
    let view = view_of(object, guest)?;
    let limits = super::Limits::default();
    let mut tree = Tree::parse(&view, &limits).ok()?;
    let word = object.kind().word();
    for mut part in tree.root_mut().children_mut() {
        if !part.read().is(word) {
            continue;
        }
        part.set_value("STATUS", "CANCELLED");
        part.set_value("DTSTAMP", &DateValue::utc(now).to_ical());
        let sequence = sequence(part.read()) + 1;
        part.set_value("SEQUENCE", &sequence.to_string());
    }
    Some(tree.to_bytes())
}

/// What a guest's change of their copy answers the organiser. Deleting the copy declines.
#[must_use]
pub fn guests_reply(
    me: &str,
    before: Option<&Object<'_>>,
    after: Option<&Object<'_>>,
    now: OffsetDateTime,
) -> Option<Message> {
    let host = after.or(before).and_then(organizer)?;
    if host == me {
        return None;
    }
    let agent = after
        .or(before)?
        .parts()
        .find_map(|p| p.first("ORGANIZER"))?;
    if agent
        .parameter("SCHEDULE-AGENT")
        .is_some_and(|a| !a.eq_ignore_ascii_case("SERVER"))
    {
        return None;
    }
    let had = before.map(|o| answers(o, me)).unwrap_or_default();
    let mut said: BTreeMap<Key, String> = match after {
        Some(object) => answers(object, me),
        // A copy that was called off is thrown away without a word.
        None => had
            .iter()
            .filter(|_| !before.is_some_and(is_cancelled))
            .map(|(key, _)| (*key, "DECLINED".to_owned()))
            .collect(),
    };
    said.retain(|key, answer| had.get(key) != Some(answer) && *answer != "NEEDS-ACTION");
    // An instance that the guest took out of their copy is declined.
    let mut taken_out: Vec<DateValue> = Vec::new();
    if let (Some(old), Some(new)) = (before, after) {
        let zones = zones_of(new);
        let dates = |o: &Object<'_>| -> Vec<DateValue> {
            o.master()
                .map(|m| m.all("EXDATE").flat_map(Property::dates).collect())
                .unwrap_or_default()
        };
        let known: Vec<i64> = dates(old)
            .iter()
            .map(|d| zones.instant(d).unix_timestamp())
            .collect();
        taken_out = dates(new)
            .into_iter()
            .filter(|d| !known.contains(&zones.instant(d).unix_timestamp()))
            .collect();
    }
    if said.is_empty() && taken_out.is_empty() {
        return None;
    }
    let source = after.or(before)?;
    let zones = zones_of(source);
    let mut tree = source.tree().clone();
    let word = source.kind().word();
    let mut root = tree.root_mut();
    root.remove_children(|c| c.is(word));
    for part in source.parts() {
        let Some(answer) = said.get(&key(part, &zones)) else {
            continue;
        };
        root.add_copy(part, |copy| as_reply(copy, me, answer, now));
    }
    if let Some(master) = source.master() {
        for date in &taken_out {
            root.add_copy(master, |copy| {
                as_reply(copy, me, "DECLINED", now);
                let id = id_line("RECURRENCE-ID", master.first("DTSTART"), date, &zones);
                copy.replace(&id);
            });
        }
    }
    Some(Message {
        to: host,
        method: Method::Reply,
        object: tree.to_bytes(),
    })
}

/// A guest's copy as a proposal of another time (RFC 5546 3.2.7).
#[must_use]
pub fn counter(
    object: &Object<'_>,
    me: &str,
    start: &NewProperty,
    end: &NewProperty,
    now: OffsetDateTime,
) -> Option<Message> {
    let to = organizer(object)?;
    let mut tree = object.tree().clone();
    let word = object.kind().word();
    let main = object.main()?;
    let mut root = tree.root_mut();
    root.remove_children(|c| c.is(word));
    root.add_copy(main, |copy| {
        as_reply(copy, me, "TENTATIVE", now);
        copy.replace(start);
        copy.remove("DURATION");
        copy.replace(end);
    });
    Some(Message {
        to,
        method: Method::Counter,
        object: tree.to_bytes(),
    })
}

/// Keeps of a component what an answer needs, with the one attendee line.
fn as_reply(part: &mut ComponentMut<'_, '_>, me: &str, answer: &str, now: OffsetDateTime) {
    part.remove_children(|_| true);
    part.retain(|name| REPLIED.iter().any(|kept| name.eq_ignore_ascii_case(kept)));
    part.remove_values("ATTENDEE", |raw| bare(raw) != me);
    part.set_parameter("ATTENDEE", |_| true, "PARTSTAT", Some(answer));
    part.set_value("DTSTAMP", &DateValue::utc(now).to_ical());
}

const REPLIED: [&str; 11] = [
    "UID",
    "DTSTAMP",
    "DTSTART",
    "DTEND",
    "DUE",
    "SEQUENCE",
    "RECURRENCE-ID",
    "ORGANIZER",
    "ATTENDEE",
    "SUMMARY",
    "COMMENT",
];

fn bare(raw: &str) -> String {
    let raw = raw.trim();
    match raw.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => {
            raw.get(7..).unwrap_or_default().to_lowercase()
        }
        _ => raw.to_lowercase(),
    }
}

fn sequence(part: Component<'_>) -> i64 {
    part.text("SEQUENCE")
        .and_then(|s| s.trim().parse().ok())
        .unwrap_or(0)
}

fn is_cancelled(object: &Object<'_>) -> bool {
    object.main().is_some_and(|m| {
        m.text("STATUS")
            .is_some_and(|s| s.trim().eq_ignore_ascii_case("CANCELLED"))
    })
}

/// What somebody answered, component by component.
fn answers(object: &Object<'_>, me: &str) -> BTreeMap<Key, String> {
    let zones = zones_of(object);
    object
        .parts()
        .filter_map(|part| {
            let line = part.all("ATTENDEE").find(|a| address(*a) == me)?;
            let answer = line
                .parameter("PARTSTAT")
                .unwrap_or_else(|| "NEEDS-ACTION".to_owned())
                .to_ascii_uppercase();
            Some((key(part, &zones), answer))
        })
        .collect()
}

/// A date written in the form of DTSTART.
fn id_line(
    name: &str,
    start: Option<Property<'_>>,
    date: &DateValue,
    zones: &Zones,
) -> NewProperty {
    let form = start.and_then(Property::date).map(|d| d.form);
    match form {
        Some(super::Form::Date) => NewProperty::raw(
            name,
            &DateValue {
                local: date.local,
                form: super::Form::Date,
            }
            .to_ical(),
        )
        .with("VALUE", "DATE"),
        Some(super::Form::Zoned(zone)) => {
            let local = match &date.form {
                super::Form::Zoned(other) if *other == zone => date.local,
                super::Form::Floating | super::Form::Date => date.local,
                _ => zones.get(&zone).local(zones.instant(date)),
            };
            NewProperty::raw(
                name,
                &DateValue {
                    local,
                    form: super::Form::Floating,
                }
                .to_ical(),
            )
            .with("TZID", &zone)
        }
        Some(super::Form::Utc) => {
            NewProperty::raw(name, &DateValue::utc(zones.instant(date)).to_ical())
        }
        Some(super::Form::Floating) | None => NewProperty::raw(name, &date.to_ical()),
    }
}

fn add_exdate(
    part: &mut ComponentMut<'_, '_>,
    start: Option<Property<'_>>,
    date: &DateValue,
    zones: &Zones,
) {
    part.add(&id_line("EXDATE", start, date, zones));
}

/// Parameters of an attendee's line that hold a proposal, in UTC.
pub const PROPOSED_START: &str = "X-POSTAMT-PROPOSED-START";
/// Its end.
pub const PROPOSED_END: &str = "X-POSTAMT-PROPOSED-END";

#[cfg(test)]
mod tests;
