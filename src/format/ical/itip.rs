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

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::edit::{ComponentMut, NewProperty};
use super::index::address;
use super::object::Object;
use super::tree::{Component, Property, Tree};
use super::value::DateValue;
use super::zone::Zones;
use crate::format::recur::{Caps, Series};

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

/// An invitation or its update, taken into a guest's copy (or making it).
#[must_use]
pub fn apply_request(mine: Option<&Object<'_>>, message: &Object<'_>, me: &str) -> Outcome {
    let theirs = zones_of(message);
    let Some(mine) = mine else {
        let mut tree = message.tree().clone();
        let word = message.kind().word();
        tree.root_mut().remove("METHOD");
        for mut part in tree.root_mut().children_mut() {
            if part.read().is(word) {
                part.remove_children(|_| true);
            }
        }
        return Outcome::Changed(tree.to_bytes());
    };
    if organizer(mine) != organizer(message) {
        return Outcome::Same;
    }
    let zones = zones_of(mine);
    let own: BTreeMap<Key, Component<'_>> = mine.parts().map(|p| (key(p, &zones), p)).collect();
    let is_old = message.parts().any(|p| {
        own.get(&key(p, &theirs))
            .is_some_and(|o| sequence(*o) > sequence(p))
    });
    if is_old {
        return Outcome::Same;
    }
    let word = message.kind().word();
    let has_master = message.master().is_some();
    let new: Vec<Key> = message.parts().map(|p| key(p, &theirs)).collect();
    let mut tree = mine.tree().clone();
    let mut root = tree.root_mut();
    root.remove_children(|c| {
        c.is(word) && (has_master || new.contains(&key(c, &zones)))
            || c.is("VTIMEZONE")
                && message
                    .tree()
                    .root()
                    .children_named("VTIMEZONE")
                    .any(|z| z.text("TZID") == c.text("TZID"))
    });
    for zone in message.tree().root().children_named("VTIMEZONE") {
        root.add_copy(zone, |_| {});
    }
    for part in message.parts() {
        let before = own.get(&key(part, &theirs)).copied();
        root.add_copy(part, |copy| {
            copy.remove_children(|_| true);
            // A changed instance without a copy of its own keeps what the series has.
            let keeps = before.or_else(|| own.get(&None).copied());
            if let Some(keeps) = keeps {
                keep_own(copy, keeps, part);
            }
            if let Some(before) = before.filter(|b| same_time(*b, part))
                && let Some(line) = before.all("ATTENDEE").find(|a| address(*a) == me)
            {
                let answer = line.parameter("PARTSTAT");
                copy.set_parameter(
                    "ATTENDEE",
                    |raw| bare(raw) == me,
                    "PARTSTAT",
                    answer.as_deref(),
                );
            }
        });
    }
    changed(mine, tree.to_bytes())
}

/// A guest's own properties and reminders, beside what the organiser says.
fn keep_own(copy: &mut ComponentMut<'_, '_>, own: Component<'_>, theirs: Component<'_>) {
    for property in own.properties() {
        let name = property.name();
        if !HOSTS.iter().any(|n| property.is(n)) && theirs.first(name).is_none() {
            copy.add_property(property);
        }
    }
    for name in ["CATEGORIES", "TRANSP", "CLASS", "COLOR"] {
        if own.first(name).is_some() {
            copy.remove(name);
            for property in own.all(name) {
                copy.add_property(property);
            }
        }
    }
    for alarm in own.children_named("VALARM") {
        copy.add_copy(alarm, |_| {});
    }
}

/// What the organiser alone says.
const HOSTS: [&str; 25] = [
    "UID",
    "DTSTAMP",
    "CREATED",
    "LAST-MODIFIED",
    "SEQUENCE",
    "DTSTART",
    "DTEND",
    "DUE",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RECURRENCE-ID",
    "SUMMARY",
    "DESCRIPTION",
    "LOCATION",
    "ORGANIZER",
    "ATTENDEE",
    "STATUS",
    "GEO",
    "URL",
    "ATTACH",
    "CONTACT",
    "X-ALT-DESC",
];

fn same_time(one: Component<'_>, other: Component<'_>) -> bool {
    ["DTSTART", "DTEND", "DUE", "DURATION", "RRULE"]
        .iter()
        .all(|name| {
            let of = |part: Component<'_>| {
                part.first(name)
                    .map(|p| (p.raw().into_owned(), p.parameter("TZID")))
            };
            of(one) == of(other)
        })
}

/// A cancellation, taken into a guest's copy: all of it is marked as cancelled, single instances are taken out.
#[must_use]
pub fn apply_cancel(mine: &Object<'_>, message: &Object<'_>) -> Outcome {
    if organizer(mine) != organizer(message) {
        return Outcome::Same;
    }
    let theirs = zones_of(message);
    let zones = zones_of(mine);
    let word = mine.kind().word();
    let mut tree = mine.tree().clone();
    let mut root = tree.root_mut();
    if let Some(master) = message.master() {
        if mine.main().is_some_and(|m| sequence(m) > sequence(master)) {
            return Outcome::Same;
        }
        for mut part in root.children_mut() {
            if part.read().is(word) {
                part.set_value("STATUS", "CANCELLED");
                part.set_value("SEQUENCE", &sequence(master).to_string());
            }
        }
        return changed(mine, tree.to_bytes());
    }
    let gone: Vec<(Key, DateValue)> = message
        .parts()
        .filter_map(|p| Some((key(p, &theirs), p.date("RECURRENCE-ID")?)))
        .collect();
    root.remove_children(|c| c.is(word) && gone.iter().any(|(k, _)| *k == key(c, &zones)));
    match mine.master() {
        Some(master) => {
            for mut part in root.children_mut() {
                if part.read().is(word) && part.read().first("RECURRENCE-ID").is_none() {
                    for (at, date) in &gone {
                        let is_known = master
                            .all("EXDATE")
                            .flat_map(Property::dates)
                            .any(|d| Some(zones.instant(&d).unix_timestamp()) == *at);
                        if !is_known {
                            add_exdate(&mut part, master.first("DTSTART"), date, &theirs);
                        }
                    }
                }
            }
        }
        None => {
            if root.read().children_named(word).next().is_none() {
                return Outcome::Gone;
            }
        }
    }
    changed(mine, tree.to_bytes())
}

/// A guest's answer, taken into the organiser's object: their own attendee line and no other (security.md 9).
#[must_use]
pub fn apply_reply(mine: &Object<'_>, message: &Object<'_>, from: &str) -> Outcome {
    apply_answer(mine, message, from, false)
}

/// A guest's proposal, noted at their attendee line; the organiser decides.
#[must_use]
pub fn apply_counter(mine: &Object<'_>, message: &Object<'_>, from: &str) -> Outcome {
    apply_answer(mine, message, from, true)
}

/// Parameters of an attendee's line that hold a proposal, in UTC.
pub const PROPOSED_START: &str = "X-POSTAMT-PROPOSED-START";
/// Its end.
pub const PROPOSED_END: &str = "X-POSTAMT-PROPOSED-END";

fn apply_answer(mine: &Object<'_>, message: &Object<'_>, from: &str, is_proposal: bool) -> Outcome {
    let theirs = zones_of(message);
    let zones = zones_of(mine);
    let word = mine.kind().word();
    let series = Series::read(mine, &zones);
    let mut tree = mine.tree().clone();
    for part in message.parts() {
        let Some(line) = part.all("ATTENDEE").find(|a| address(*a) == from) else {
            continue;
        };
        let answer = line
            .parameter("PARTSTAT")
            .unwrap_or_default()
            .to_ascii_uppercase();
        if ![
            "ACCEPTED",
            "DECLINED",
            "TENTATIVE",
            "DELEGATED",
            "COMPLETED",
            "IN-PROCESS",
        ]
        .contains(&answer.as_str())
        {
            continue;
        }
        let at = key(part, &theirs);
        let mut root = tree.root_mut();
        let is_there = root
            .read()
            .children_named(word)
            .any(|c| key(c, &zones) == at);
        if !is_there {
            // An instance of its own, made from the series, if it is one and the guest is invited.
            let (Some(series), Some(id), Some(master)) =
                (&series, part.date("RECURRENCE-ID"), mine.master())
            else {
                continue;
            };
            let invited = master.all("ATTENDEE").any(|a| address(a) == from);
            let id = DateValue {
                form: id.form,
                local: id.local,
            };
            let Some(instance) = series.instance(&id, Caps::default()).filter(|_| invited) else {
                continue;
            };
            root.add_copy(master, |copy| single_out(copy, master, &instance, &zones));
        }
        for mut part_of_mine in root.children_mut() {
            if !part_of_mine.read().is(word) || key(part_of_mine.read(), &zones) != at {
                continue;
            }
            let is_them = |raw: &str| bare(raw) == from;
            part_of_mine.set_parameter("ATTENDEE", is_them, "PARTSTAT", Some(&answer));
            part_of_mine.set_parameter("ATTENDEE", is_them, "SCHEDULE-STATUS", Some("2.0"));
            let utc = |name: &str| {
                part.date(name)
                    .filter(|_| is_proposal)
                    .map(|d| DateValue::utc(theirs.instant(&d)).to_ical())
            };
            let end = utc("DTEND").or_else(|| utc("DUE"));
            part_of_mine.set_parameter(
                "ATTENDEE",
                is_them,
                PROPOSED_START,
                utc("DTSTART").as_deref(),
            );
            part_of_mine.set_parameter("ATTENDEE", is_them, PROPOSED_END, end.as_deref());
        }
    }
    changed(mine, tree.to_bytes())
}

/// Makes of a copy of the master the changed instance for one of its times.
fn single_out(
    copy: &mut ComponentMut<'_, '_>,
    master: Component<'_>,
    instance: &crate::format::recur::Instance<'_>,
    zones: &Zones,
) {
    for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
        copy.remove(name);
    }
    let start = master.first("DTSTART");
    let id = instance.id.clone().unwrap_or(DateValue {
        local: instance.local,
        form: super::Form::Floating,
    });
    copy.replace(&id_line("DTSTART", start, &id, zones));
    for name in ["DTEND", "DUE"] {
        if master.first(name).is_some() {
            let line = if instance.is_all_day {
                let length = (instance.ends_at - instance.starts_at).whole_hours() + 12;
                let end = DateValue {
                    local: id.local.saturating_add(time::Duration::days(length / 24)),
                    form: super::Form::Date,
                };
                NewProperty::raw(name, &end.to_ical()).with("VALUE", "DATE")
            } else {
                NewProperty::raw(name, &DateValue::utc(instance.ends_at).to_ical())
            };
            copy.replace(&line);
        }
    }
    copy.replace(&id_line("RECURRENCE-ID", start, &id, zones));
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

fn changed(mine: &Object<'_>, bytes: Vec<u8>) -> Outcome {
    if bytes == mine.tree().to_bytes() {
        Outcome::Same
    } else {
        Outcome::Changed(bytes)
    }
}

#[cfg(test)]
mod tests;
