//! Completing and reopening tasks (RFC 5545 3.6.2, 3.8.1.11, 3.8.2.1).
//!
//! A task that repeats is completed one time after the other: the series moves on to its next time, and what was completed stays
//! as a task of its own. The last time completes the series itself.

use time::OffsetDateTime;

use super::edit::{ComponentMut, NewProperty};
use super::object::{Kind, Object};
use super::tree::Component;
use super::value::{DateValue, Form};
use super::zone::Zones;
use crate::format::recur::{Caps, Series};

/// What completing a task leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The task: completed, or moved on to its next time.
    pub task: Vec<u8>,
    /// The time that was completed, as an object of its own, when the task moved on.
    pub done: Option<Vec<u8>>,
}

/// Completes a task. `done_uid` is the UID of the object that keeps what was completed, if there is one.
///
/// None for what is no task or has no component without a RECURRENCE-ID.
#[must_use]
pub fn complete(
    object: &Object<'_>,
    zones: &Zones,
    now: OffsetDateTime,
    done_uid: &str,
) -> Option<Completed> {
    if object.kind() != Kind::Task {
        return None;
    }
    let master = object.master()?;
    let series = Series::read(object, zones).filter(Series::is_recurring);
    let next = series.as_ref().and_then(|s| s.after_first(Caps::default()));
    let Some((start, next, passed)) = next else {
        let mut tree = object.tree().clone();
        for mut part in tree.root_mut().children_mut() {
            if part.read().is("VTODO") && part.read().first("RECURRENCE-ID").is_none() {
                mark_done(&mut part, now);
            }
        }
        return Some(Completed {
            task: tree.to_bytes(),
            done: None,
        });
    };
    let by = next - start;
    let mut done = object.tree().clone();
    let mut root = done.root_mut();
    root.remove_children(|c| c.is("VTODO"));
    // What was changed for this one time is what was completed.
    let this = object
        .parts()
        .find(|p| {
            p.date("RECURRENCE-ID").is_some_and(|d| {
                zones.instant(&d) == zones.of_form(&form_of(master)).instant(start)
            })
        })
        .unwrap_or(master);
    root.add_copy(this, |copy| {
        for name in ["RRULE", "RDATE", "EXDATE", "EXRULE", "RECURRENCE-ID"] {
            copy.remove(name);
        }
        copy.remove_children(|_| true);
        copy.set_value("UID", done_uid);
        copy.add(&NewProperty::raw("RELATED-TO", object.uid()).with("RELTYPE", "SIBLING"));
        mark_done(copy, now);
    });
    let mut tree = object.tree().clone();
    let mut root = tree.root_mut();
    root.remove_children(|c| {
        c.is("VTODO")
            && c.date("RECURRENCE-ID").is_some_and(|id| {
                zones.instant(&id) < zones.of_form(&form_of(master)).instant(next)
            })
    });
    for mut part in root.children_mut() {
        if !part.read().is("VTODO") || part.read().first("RECURRENCE-ID").is_some() {
            continue;
        }
        for name in ["DTSTART", "DUE"] {
            if let Some(date) = part.read().date(name) {
                let moved = DateValue {
                    local: date.local.saturating_add(by),
                    form: date.form,
                };
                part.set_value(name, &moved.to_ical());
            }
        }
        count_down(&mut part, passed);
        reopen_part(&mut part, now);
    }
    Some(Completed {
        task: tree.to_bytes(),
        done: Some(done.to_bytes()),
    })
}

/// Takes a completion back.
#[must_use]
pub fn reopen(object: &Object<'_>, now: OffsetDateTime) -> Vec<u8> {
    let mut tree = object.tree().clone();
    for mut part in tree.root_mut().children_mut() {
        if part.read().is("VTODO") && part.read().first("RECURRENCE-ID").is_none() {
            reopen_part(&mut part, now);
        }
    }
    tree.to_bytes()
}

fn form_of(master: Component<'_>) -> Form {
    master
        .date("DTSTART")
        .or_else(|| master.date("DUE"))
        .map_or(Form::Floating, |d| d.form)
}

fn mark_done(part: &mut ComponentMut<'_, '_>, now: OffsetDateTime) {
    let now = DateValue::utc(now).to_ical();
    part.set_value("STATUS", "COMPLETED");
    part.set_value("PERCENT-COMPLETE", "100");
    part.set_value("COMPLETED", &now);
    stamp(part, &now);
}

fn reopen_part(part: &mut ComponentMut<'_, '_>, now: OffsetDateTime) {
    let now = DateValue::utc(now).to_ical();
    if part.read().first("STATUS").is_some() {
        part.set_value("STATUS", "NEEDS-ACTION");
    }
    part.remove("PERCENT-COMPLETE");
    part.remove("COMPLETED");
    stamp(part, &now);
}

fn stamp(part: &mut ComponentMut<'_, '_>, now: &str) {
    part.set_value("DTSTAMP", now);
    part.set_value("LAST-MODIFIED", now);
}

/// COUNT says how often in all: what has passed is counted off.
fn count_down(part: &mut ComponentMut<'_, '_>, passed: u32) {
    let Some(raw) = part.read().first("RRULE").map(|p| p.raw().into_owned()) else {
        return;
    };
    let parts: Vec<String> = raw
        .split(';')
        .map(|piece| match piece.split_once('=') {
            Some((name, count)) if name.eq_ignore_ascii_case("COUNT") => {
                let left = count
                    .trim()
                    .parse::<u32>()
                    .map_or(1, |n| n.saturating_sub(passed).max(1));
                format!("COUNT={left}")
            }
            _ => piece.to_owned(),
        })
        .collect();
    part.set_value("RRULE", &parts.join(";"));
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::format::ical::Limits;

    const NOW: OffsetDateTime = datetime!(2026-06-02 12:00 UTC);

    fn task(lines: &str) -> String {
        format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTODO\r\nUID:1\r\nSUMMARY:M\u{fc}ll\r\nX-A:b\r\n{}\r\nEND:VTODO\r\nEND:VCALENDAR\r\n",
            lines.replace('\n', "\r\n")
        )
    }

    fn done(text: &str) -> (String, Option<String>) {
        let object = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
        let zones = Zones::of(object.tree().root(), chrono_tz::Europe::Berlin);
        let made = complete(&object, &zones, NOW, "2").unwrap();
        let read = |bytes: Vec<u8>| {
            Object::parse(&bytes, &Limits::default()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        (read(made.task), made.done.map(read))
    }

    #[test]
    fn a_task_that_happens_once_is_completed_and_reopened() {
        let (text, kept) = done(&task("DUE;VALUE=DATE:20260601\nSTATUS:NEEDS-ACTION"));
        assert!(kept.is_none());
        assert!(
            text.contains("STATUS:COMPLETED\r\n") && text.contains("COMPLETED:20260602T120000Z")
        );
        assert!(text.contains("X-A:b\r\nDUE;VALUE=DATE:20260601\r\n"));
        let object = Object::parse(text.as_bytes(), &Limits::default()).unwrap();
        let open = String::from_utf8(reopen(&object, NOW)).unwrap();
        assert!(open.contains("STATUS:NEEDS-ACTION") && !open.contains("COMPLETED:"));
    }

    #[test]
    fn a_task_that_repeats_moves_on_and_keeps_what_was_done() {
        let text = task(
            "DTSTART;TZID=Europe/Berlin:20260601T080000\nDUE;TZID=Europe/Berlin:20260601T180000\nRRULE:FREQ=WEEKLY;COUNT=5\n\
             EXDATE;TZID=Europe/Berlin:20260608T080000\nSTATUS:IN-PROCESS\nPERCENT-COMPLETE:40\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM",
        );
        let (moved, kept) = done(&text);
        // One time was taken out: the third is next, and three are left.
        assert!(
            moved.contains("DTSTART;TZID=Europe/Berlin:20260615T080000"),
            "{moved}"
        );
        assert!(moved.contains("DUE;TZID=Europe/Berlin:20260615T180000"));
        assert!(moved.contains("RRULE:FREQ=WEEKLY;COUNT=3"));
        assert!(moved.contains("STATUS:NEEDS-ACTION") && !moved.contains("PERCENT-COMPLETE"));
        assert!(moved.contains("BEGIN:VALARM"));
        let kept = kept.unwrap();
        assert!(
            kept.contains("UID:2\r\n")
                && kept.contains("DTSTART;TZID=Europe/Berlin:20260601T080000")
        );
        assert!(
            !kept.contains("RRULE")
                && !kept.contains("VALARM")
                && kept.contains("STATUS:COMPLETED")
        );
        assert!(kept.contains("RELATED-TO;RELTYPE=SIBLING:1"));
    }

    #[test]
    fn the_last_time_completes_the_series() {
        let mut text = task(
            "DUE;VALUE=DATE:20260601\nDTSTART;VALUE=DATE:20260601\nRRULE:FREQ=MONTHLY;COUNT=2",
        );
        let (moved, kept) = done(&text);
        assert!(
            kept.is_some()
                && moved.contains("DUE;VALUE=DATE:20260701")
                && moved.contains("COUNT=1")
        );
        text = moved;
        let (last, kept) = done(&text);
        assert!(kept.is_none() && last.contains("STATUS:COMPLETED"));
    }

    #[test]
    fn a_task_due_every_month_without_a_start_moves_on() {
        let (moved, kept) = done(&task("DUE;VALUE=DATE:20260131\nRRULE:FREQ=MONTHLY"));
        assert!(
            kept.is_some() && moved.contains("DUE;VALUE=DATE:20260331"),
            "{moved}"
        );
    }

    #[test]
    fn what_was_changed_for_this_time_is_what_is_kept() {
        let text = task(
            "DTSTART:20260601T080000Z\nRRULE:FREQ=WEEKLY\nEND:VTODO\nBEGIN:VTODO\nUID:1\n\
             RECURRENCE-ID:20260601T080000Z\nDTSTART:20260601T100000Z\nSUMMARY:diesmal anders\nEND:VTODO\nBEGIN:VTODO\nUID:1\n\
             RECURRENCE-ID:20260615T080000Z\nDTSTART:20260615T100000Z\nSUMMARY:sp\u{e4}ter",
        );
        let (moved, kept) = done(&text);
        assert!(kept.unwrap().contains("SUMMARY:diesmal anders"));
        assert!(
            !moved.contains("diesmal anders")
                && moved.contains("sp\u{e4}ter")
                && moved.contains("DTSTART:20260608T080000Z")
        );
    }
}
