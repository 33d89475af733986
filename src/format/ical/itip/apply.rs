//! Taking a message into the copy it is for.

use std::collections::BTreeMap;

use super::{
    Key, Outcome, PROPOSED_END, PROPOSED_START, add_exdate, bare, id_line, key, organizer,
    sequence, zones_of,
};
use crate::format::ical::index::address;
use crate::format::ical::{
    Component, ComponentMut, DateValue, Form, NewProperty, Object, Property, Zones,
};
use crate::format::recur::{Caps, Instance, Series};

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
    instance: &Instance<'_>,
    zones: &Zones,
) {
    for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
        copy.remove(name);
    }
    let start = master.first("DTSTART");
    let id = instance.id.clone().unwrap_or(DateValue {
        local: instance.local,
        form: Form::Floating,
    });
    copy.replace(&id_line("DTSTART", start, &id, zones));
    for name in ["DTEND", "DUE"] {
        if master.first(name).is_some() {
            let line = if instance.is_all_day {
                let length = (instance.ends_at - instance.starts_at).whole_hours() + 12;
                let end = DateValue {
                    local: id.local.saturating_add(time::Duration::days(length / 24)),
                    form: Form::Date,
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

fn changed(mine: &Object<'_>, bytes: Vec<u8>) -> Outcome {
    if bytes == mine.tree().to_bytes() {
        Outcome::Same
    } else {
        Outcome::Changed(bytes)
    }
}
