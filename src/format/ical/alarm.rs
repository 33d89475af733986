//! The next reminder of an object (RFC 5545 3.6.6, RFC 9074).

use time::{Duration, OffsetDateTime};

use super::tree::Component;
use super::value::Span;
use super::zone::Zones;
use crate::format::recur::{Caps, Series, Window};

/// When a VALARM goes off.
#[derive(Debug, Clone, Copy)]
enum Trigger {
    At(OffsetDateTime),
    FromStart(i64),
    FromEnd(i64),
}

/// A reminder and how it repeats.
#[derive(Debug, Clone, Copy)]
struct Alarm {
    trigger: Trigger,
    /// Further times, so many seconds apart.
    repeat: (i64, i64),
    acknowledged: Option<OffsetDateTime>,
}

/// The first moment after `now` at which a reminder of the series goes off. What was acknowledged is over (RFC 9074 6.1).
#[must_use]
pub fn next_alarm(
    series: &Series<'_>,
    zones: &Zones,
    now: OffsetDateTime,
    caps: Caps,
) -> Option<OffsetDateTime> {
    let parts = series.parts();
    let mut ahead = 0;
    let mut behind = 0;
    let mut has_any = false;
    for alarm in parts.iter().flat_map(|p| alarms(*p, zones)) {
        has_any = true;
        let offset = match alarm.trigger {
            Trigger::At(_) => 0,
            Trigger::FromStart(s) | Trigger::FromEnd(s) => s,
        };
        ahead = ahead.max(-offset);
        behind = behind.max(offset + alarm.repeat.0 * alarm.repeat.1);
    }
    if !has_any {
        return None;
    }
    let from = now.checked_sub(Duration::seconds(behind))?;
    for days in [35, 400, 4_000] {
        let to = now.checked_add(Duration::days(days) + Duration::seconds(ahead))?;
        let found = series
            .between(Window { from, to }, caps)
            .instances
            .iter()
            .flat_map(|instance| {
                alarms(instance.part, zones)
                    .into_iter()
                    .map(move |a| (a, instance.starts_at, instance.ends_at))
            })
            .filter_map(|(alarm, starts_at, ends_at)| alarm.next(starts_at, ends_at, now))
            .min();
        if found.is_some() {
            return found;
        }
    }
    // Times that stand on their own do not hang on an instance near now.
    parts
        .iter()
        .flat_map(|p| alarms(*p, zones))
        .filter(|a| matches!(a.trigger, Trigger::At(_)))
        .filter_map(|a| a.next(now, now, now))
        .min()
}

/// Every time the reminders of one instance go off, repetitions included.
#[must_use]
pub fn alarm_times(
    part: Component<'_>,
    zones: &Zones,
    starts_at: OffsetDateTime,
    ends_at: OffsetDateTime,
) -> Vec<OffsetDateTime> {
    alarms(part, zones)
        .into_iter()
        .flat_map(|alarm| {
            let first = alarm.first(starts_at, ends_at);
            let (times, gap) = alarm.repeat;
            (0..=times).filter_map(move |n| first?.checked_add(Duration::seconds(n * gap)))
        })
        .collect()
}

impl Alarm {
    fn first(self, starts_at: OffsetDateTime, ends_at: OffsetDateTime) -> Option<OffsetDateTime> {
        match self.trigger {
            Trigger::At(at) => Some(at),
            Trigger::FromStart(s) => starts_at.checked_add(Duration::seconds(s)),
            Trigger::FromEnd(s) => ends_at.checked_add(Duration::seconds(s)),
        }
    }

    fn next(
        self,
        starts_at: OffsetDateTime,
        ends_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        let first = self.first(starts_at, ends_at)?;
        let after = self.acknowledged.map_or(now, |a| a.max(now));
        if self.acknowledged.is_some_and(|a| a >= first) {
            return None;
        }
        let (times, gap) = self.repeat;
        (0..=times)
            .filter_map(|n| first.checked_add(Duration::seconds(n * gap)))
            .find(|at| *at > after)
    }
}

fn alarms(part: Component<'_>, zones: &Zones) -> Vec<Alarm> {
    part.children_named("VALARM")
        .filter(|a| {
            !a.text("ACTION")
                .is_some_and(|x| x.trim().eq_ignore_ascii_case("NONE"))
        })
        .filter_map(|alarm| {
            let trigger = alarm.first("TRIGGER")?;
            let raw = trigger.raw();
            let read = match Span::parse(&raw) {
                Some(span) => {
                    let seconds = span.nominal_seconds().clamp(-MAX_SECONDS, MAX_SECONDS);
                    let is_end = trigger
                        .parameter("RELATED")
                        .is_some_and(|r| r.eq_ignore_ascii_case("END"));
                    if is_end {
                        Trigger::FromEnd(seconds)
                    } else {
                        Trigger::FromStart(seconds)
                    }
                }
                None => Trigger::At(zones.instant(&trigger.date()?)),
            };
            let times = alarm
                .text("REPEAT")
                .and_then(|r| r.trim().parse::<i64>().ok())
                .unwrap_or(0)
                .clamp(0, MAX_REPEAT);
            let gap = alarm
                .first("DURATION")
                .and_then(|d| Span::parse(&d.raw()))
                .map_or(0, Span::nominal_seconds)
                .clamp(0, MAX_SECONDS / MAX_REPEAT);
            Some(Alarm {
                trigger: read,
                repeat: if gap == 0 { (0, 0) } else { (times, gap) },
                acknowledged: alarm.date("ACKNOWLEDGED").map(|d| zones.instant(&d)),
            })
        })
        .collect()
}

/// How far from its event a reminder may lie: beyond 400 days it is at 400 days.
const MAX_SECONDS: i64 = 400 * 86_400;
/// Further times of one reminder.
const MAX_REPEAT: i64 = 100;
