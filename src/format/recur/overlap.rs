//! Whether a component lies in a time range as a filter means it (RFC 4791 9.9).

use time::{Duration, OffsetDateTime};

use super::series::{Caps, LastEnd, Series, Window, falls_in};
use crate::format::ical::{Component, Kind, Object, Zones, alarm_times};

/// A longer range is matched coarsely, by first start and last end (security.md 2, "Calendar").
const LONG: Duration = Duration::days(5 * 366);

/// A range that may be open; none stands for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// Its first moment.
    pub from: Option<OffsetDateTime>,
    /// The moment behind it.
    pub to: Option<OffsetDateTime>,
}

impl TimeRange {
    /// As a window, open ends far away.
    #[must_use]
    pub fn window(self) -> Window {
        let far = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        Window {
            // The years 1000 and 3000: outside of what is kept.
            from: self.from.unwrap_or_else(|| far(-30_610_224_000)),
            to: self.to.unwrap_or_else(|| far(32_503_680_000)),
        }
    }
}

/// Whether an object has an instance in a range. A task or note without a time follows the RFC's table.
#[must_use]
pub fn is_in_range(object: &Object<'_>, zones: &Zones, range: TimeRange, caps: Caps) -> bool {
    let window = range.window();
    let Some(series) = Series::read(object, zones) else {
        return object.main().is_some_and(|part| match object.kind() {
            Kind::Task => is_untimed_task_in(part, zones, window),
            Kind::Event | Kind::Note => false,
        });
    };
    if window.to - window.from > LONG {
        return is_coarsely_in(&series, window, caps);
    }
    let mut is_hit = false;
    series.each(window, caps.steps, &mut |instance| {
        let (starts_at, ends_at) = (instance.starts_at, instance.ends_at);
        is_hit = match object.kind() {
            Kind::Event | Kind::Note => falls_in(starts_at, ends_at, window),
            Kind::Task => is_task_in(instance.part, starts_at, ends_at, window),
        };
        !is_hit
    });
    is_hit
}

/// Whether a reminder of an object goes off in a range.
#[must_use]
pub fn alarms_in_range(object: &Object<'_>, zones: &Zones, range: TimeRange, caps: Caps) -> bool {
    let Some(series) = Series::read(object, zones) else {
        return false;
    };
    let window = range.window();
    if window.to - window.from > LONG {
        return object
            .parts()
            .any(|p| p.children_named("VALARM").next().is_some())
            && is_coarsely_in(&series, window, caps);
    }
    // A reminder lies at most 400 days from its event.
    let wide = Window {
        from: window.from.saturating_sub(Duration::days(401)),
        to: window.to.saturating_add(Duration::days(401)),
    };
    let mut is_hit = false;
    series.each(wide, caps.steps, &mut |instance| {
        is_hit = alarm_times(instance.part, zones, instance.starts_at, instance.ends_at)
            .into_iter()
            .any(|at| window.from <= at && at < window.to);
        !is_hit
    });
    is_hit
}

fn is_coarsely_in(series: &Series<'_>, window: Window, caps: Caps) -> bool {
    let begins = series.first(caps).is_some_and(|i| i.starts_at < window.to);
    let ends = match series.last_end(caps) {
        LastEnd::Never => true,
        LastEnd::At(end) => end >= window.from,
        LastEnd::Untimed => false,
    };
    begins && ends
}

/// The rows of the RFC's table with DTSTART or DUE.
fn is_task_in(
    part: Component<'_>,
    starts_at: OffsetDateTime,
    ends_at: OffsetDateTime,
    window: Window,
) -> bool {
    let (start, end) = (window.from, window.to);
    let has_start = part.first("DTSTART").is_some();
    let has_due = part.first("DUE").is_some();
    if !has_start {
        return start < starts_at && end >= starts_at;
    }
    if has_due {
        (start < ends_at || start <= starts_at) && (end > starts_at || end >= ends_at)
    } else if part.first("DURATION").is_some() {
        start <= ends_at && (end > starts_at || end >= ends_at)
    } else {
        start <= starts_at && end > starts_at
    }
}

/// The rows without.
fn is_untimed_task_in(part: Component<'_>, zones: &Zones, window: Window) -> bool {
    let at = |name: &str| part.date(name).map(|d| zones.instant(&d));
    let (start, end) = (window.from, window.to);
    match (at("COMPLETED"), at("CREATED")) {
        (Some(completed), Some(created)) => {
            (start <= created || start <= completed) && (end >= created || end >= completed)
        }
        (Some(completed), None) => start <= completed && end >= completed,
        (None, Some(created)) => end > created,
        (None, None) => true,
    }
}
