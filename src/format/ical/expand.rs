//! What a report returns in place of a whole object: instances, or only the changed instances that matter (RFC 4791 9.6.5-9.6.6).

use time::OffsetDateTime;

use super::edit::{ComponentMut, NewProperty};
use super::object::Object;
use super::tree::Component;
use super::value::{DateValue, Form};
use super::zone::Zones;
use crate::format::recur::{Caps, Instance, Series, TimeRange, falls_in};

/// The object as single instances in UTC, without rules and VTIMEZONEs (`expand`); whether the caps cut it.
#[must_use]
pub fn expanded(
    object: &Object<'_>,
    zones: &Zones,
    range: TimeRange,
    caps: Caps,
) -> (Vec<u8>, bool) {
    let mut tree = object.tree().clone();
    let word = object.kind().word();
    let mut root = tree.root_mut();
    root.remove_children(|c| c.is("VTIMEZONE") || c.is(word));
    let mut is_cut = false;
    match Series::read(object, zones) {
        Some(series) => {
            let found = series.between(range.window(), caps);
            is_cut = found.is_cut;
            for instance in &found.instances {
                root.add_copy(instance.part, |part| single(part, instance));
            }
        }
        // What has no time has one instance.
        None => {
            for part in object.parts() {
                root.add_copy(part, |_| {});
            }
        }
    }
    (tree.to_bytes(), is_cut)
}

fn single(part: &mut ComponentMut<'_, '_>, instance: &Instance<'_>) {
    for name in ["RRULE", "RDATE", "EXDATE", "EXRULE"] {
        part.remove(name);
    }
    if part.read().first("DTSTART").is_some() {
        part.replace(&date("DTSTART", instance.starts_at, instance));
    }
    for name in ["DTEND", "DUE"] {
        if part.read().first(name).is_some() {
            part.replace(&date(name, instance.ends_at, instance));
        }
    }
    if let Some(id) = &instance.id {
        let at = match id.form {
            Form::Date => NewProperty::raw("RECURRENCE-ID", &id.to_ical()).with("VALUE", "DATE"),
            _ => NewProperty::raw("RECURRENCE-ID", &DateValue::utc(instance.id_at).to_ical()),
        };
        part.replace(&at);
    }
}

fn date(name: &str, at: OffsetDateTime, instance: &Instance<'_>) -> NewProperty {
    if instance.is_all_day {
        let days = (at - instance.starts_at).whole_days().max(0);
        // Midnights are as far apart as the clock has it: half a day rounds a change of time away.
        let days = days + i64::from((at - instance.starts_at).whole_hours() % 24 >= 12);
        let day = DateValue {
            local: instance.local.saturating_add(time::Duration::days(days)),
            form: Form::Date,
        };
        return NewProperty::raw(name, &day.to_ical()).with("VALUE", "DATE");
    }
    NewProperty::raw(name, &DateValue::utc(at).to_ical())
}

/// The object with its master and only those changed instances that lie in the range, or would (`limit-recurrence-set`).
#[must_use]
pub fn limited(object: &Object<'_>, zones: &Zones, range: TimeRange) -> Vec<u8> {
    let window = range.window();
    let word = object.kind().word();
    let mut tree = object.tree().clone();
    tree.root_mut().remove_children(|part| {
        part.is(word)
            && part.first("RECURRENCE-ID").is_some()
            && !matters(part, object, zones, window)
    });
    tree.to_bytes()
}

fn matters(
    part: Component<'_>,
    object: &Object<'_>,
    zones: &Zones,
    window: crate::format::recur::Window,
) -> bool {
    let is_range = part
        .first("RECURRENCE-ID")
        .is_some_and(|p| p.parameter("RANGE").is_some());
    let was = part.date("RECURRENCE-ID").map(|d| zones.instant(&d));
    let now = Series::of_parts(object.kind(), std::iter::once(part), zones)
        .and_then(|s| s.first(Caps::default()));
    is_range
        || was.is_some_and(|at| falls_in(at, at, window))
        || now.is_some_and(|i| falls_in(i.starts_at, i.ends_at, window))
}
