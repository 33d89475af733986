//! A whole series: master, dates, changed instances; what of it lies in a window.

use std::collections::{BTreeMap, BTreeSet};

use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time};

use super::rule::Rule;
use crate::format::ical::{
    Clock, Component, DateValue, Form, Kind, Object, Property, Span, Zone, Zones,
};

/// A stretch of time, the end not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first moment.
    pub from: OffsetDateTime,
    /// The moment behind it.
    pub to: OffsetDateTime,
}

/// How far one question about one event goes (security.md 2, "Calendar").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Instances made.
    pub instances: usize,
    /// Steps of all rules together.
    pub steps: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            instances: 1_000,
            steps: 50_000,
        }
    }
}

/// One time that something happens.
#[derive(Debug, Clone)]
pub struct Instance<'t> {
    /// The component that describes it: the master or a changed instance.
    pub part: Component<'t>,
    /// What RECURRENCE-ID calls it; none when the object does not repeat.
    pub id: Option<DateValue>,
    /// The instant of that name: when it starts, or would have started before it was moved.
    pub id_at: OffsetDateTime,
    /// Wall time of its start, on the clock of `part`'s DTSTART.
    pub local: PrimitiveDateTime,
    /// It takes whole days and is no instant: the two instants are midnights of whoever looks.
    pub is_all_day: bool,
    /// When it starts.
    pub starts_at: OffsetDateTime,
    /// When it ends.
    pub ends_at: OffsetDateTime,
}

/// What lies in a window.
#[derive(Debug, Clone, Default)]
pub struct Expansion<'t> {
    /// By start.
    pub instances: Vec<Instance<'t>>,
    /// There would have been more.
    pub is_cut: bool,
}

/// When something is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastEnd {
    /// Never.
    Never,
    /// Then.
    At(OffsetDateTime),
    /// It has no time.
    Untimed,
}

/// How long an instance lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Length(Span);

/// A changed instance.
#[derive(Debug, Clone)]
struct Override<'t> {
    part: Component<'t>,
    start: DateValue,
    length: Length,
    /// For RANGE=THISANDFUTURE: how far it and all later instances are moved.
    moves: Option<Duration>,
}

/// A series, or something that happens once.
#[derive(Debug, Clone)]
pub struct Series<'t> {
    master: Option<Master<'t>>,
    /// By the wall time that names them, on the master's clock.
    overrides: BTreeMap<PrimitiveDateTime, Override<'t>>,
    zones: Zones,
}

#[derive(Debug, Clone)]
struct Master<'t> {
    part: Component<'t>,
    start: DateValue,
    zone: Zone,
    length: Length,
    rules: Vec<Rule>,
    exrules: Vec<Rule>,
    /// With the end of a period where it states one.
    dates: BTreeMap<PrimitiveDateTime, Option<Length>>,
    exdates: BTreeSet<PrimitiveDateTime>,
    /// Days that EXDATE takes out of a timed series.
    exdays: BTreeSet<Date>,
}

impl<'t> Series<'t> {
    /// Reads the series of an object; none when nothing in it has a time. `zones` are those of the object.
    #[must_use]
    pub fn read(object: &'t Object<'_>, zones: &Zones) -> Option<Self> {
        Self::of_parts(object.kind(), object.parts(), zones)
    }

    /// Reads the series of components with one UID.
    #[must_use]
    pub fn of_parts(
        kind: Kind,
        parts: impl Iterator<Item = Component<'t>>,
        zones: &Zones,
    ) -> Option<Self> {
        let (changed, masters): (Vec<_>, Vec<_>) =
            parts.partition(|p| p.first("RECURRENCE-ID").is_some());
        let master = masters
            .into_iter()
            .next()
            .and_then(|part| Master::read(part, kind, zones));
        let mut overrides = BTreeMap::new();
        for part in changed {
            let Some(id) = part.date("RECURRENCE-ID") else {
                continue;
            };
            let key = match &master {
                Some(master) => master.key(&id, zones),
                None => id.local,
            };
            let start = anchor(part, kind).unwrap_or_else(|| match &master {
                // A changed task may state no time of its own: it happens when it would have.
                Some(master) => DateValue {
                    local: key,
                    form: master.start.form.clone(),
                },
                None => id.clone(),
            });
            let is_range = part
                .first("RECURRENCE-ID")
                .and_then(|p| p.parameter("RANGE"))
                .is_some_and(|r| r.eq_ignore_ascii_case("THISANDFUTURE"));
            let moves = match (&master, is_range) {
                (Some(master), true) => Some(master.key(&start, zones) - key),
                _ => None,
            };
            let length = length(part, kind, &start, zones)
                .or(master.as_ref().map(|m| m.length))
                .unwrap_or(Length(Span::default()));
            overrides.insert(
                key,
                Override {
                    part,
                    start,
                    length,
                    moves,
                },
            );
        }
        (master.is_some() || !overrides.is_empty()).then(|| Self {
            master,
            overrides,
            zones: zones.clone(),
        })
    }

    /// Its components: master and changed instances.
    #[must_use]
    pub fn parts(&self) -> Vec<Component<'t>> {
        self.master
            .iter()
            .map(|m| m.part)
            .chain(self.overrides.values().map(|o| o.part))
            .collect()
    }

    /// Whether it happens more than once, by what it says.
    #[must_use]
    pub fn is_recurring(&self) -> bool {
        !self.overrides.is_empty()
            || self
                .master
                .as_ref()
                .is_some_and(|m| !m.rules.is_empty() || !m.dates.is_empty())
    }

    /// What overlaps a window (RFC 4791 9.9), by start.
    #[must_use]
    pub fn between(&self, window: Window, caps: Caps) -> Expansion<'t> {
        let mut found = Expansion::default();
        self.each(window, caps.steps, &mut |instance| {
            if !falls_in(instance.starts_at, instance.ends_at, window) {
                return true;
            }
            if found.instances.len() >= caps.instances {
                found.is_cut = true;
                return false;
            }
            found.instances.push(instance);
            true
        });
        found.instances.sort_by_key(|i| i.starts_at);
        found
    }

    /// Whether anything of it overlaps a window.
    #[must_use]
    pub fn overlaps(&self, window: Window, caps: Caps) -> bool {
        let mut is_hit = false;
        self.each(window, caps.steps, &mut |instance| {
            is_hit = falls_in(instance.starts_at, instance.ends_at, window);
            !is_hit
        });
        is_hit
    }

    /// The instance that a RECURRENCE-ID names, whether a rule makes it or it was changed.
    #[must_use]
    pub fn instance(&self, id: &DateValue, caps: Caps) -> Option<Instance<'t>> {
        let Some(master) = &self.master else {
            return self
                .overrides
                .get(&id.local)
                .map(|o| self.changed(id.local, o));
        };
        let key = master.key(id, &self.zones);
        if let Some(changed) = self.overrides.get(&key) {
            return Some(self.changed(key, changed));
        }
        let at = master.zone.instant(key);
        let near = Window {
            from: at - Duration::days(1),
            to: at + Duration::days(1),
        };
        let mut found = None;
        self.each(near, caps.steps, &mut |instance| {
            let is_it = instance.id.as_ref().is_some_and(|i| i.local == key);
            if is_it {
                found = Some(instance);
            }
            !is_it
        });
        found
    }

    /// The first instance that starts at or after a moment.
    #[must_use]
    pub fn next(&self, from: OffsetDateTime, caps: Caps) -> Option<Instance<'t>> {
        // Looked for in growing stretches: most series go on within the month, birthdays within the year.
        let mut reach = 40;
        while reach < 40_000 {
            let window = Window {
                from,
                to: from.checked_add(Duration::days(reach))?,
            };
            let mut best: Option<Instance<'t>> = None;
            self.each(window, caps.steps, &mut |instance| {
                if instance.starts_at >= from
                    && best
                        .as_ref()
                        .is_none_or(|b| instance.starts_at < b.starts_at)
                {
                    best = Some(instance);
                }
                true
            });
            if best.is_some() {
                return best;
            }
            if let LastEnd::At(end) = self.last_end(caps)
                && end < window.to
            {
                return None;
            }
            reach *= 10;
        }
        None
    }

    /// The master's own time, the next time behind it that is not taken out, both as the rules have them, and how many times
    /// the rules made from the one to the other, those taken out among them. None when there is no next time.
    #[must_use]
    pub fn after_first(&self, caps: Caps) -> Option<(PrimitiveDateTime, PrimitiveDateTime, u32)> {
        let master = self.master.as_ref()?;
        let start = master.start.local;
        let end = start.saturating_add(Duration::days(366 * 30));
        let mut left = caps.steps;
        let excluded: BTreeSet<PrimitiveDateTime> = master
            .exrules
            .iter()
            .flat_map(|rule| {
                master
                    .ids(rule, start, end, &self.zones, &mut left)
                    .take(caps.instances)
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut next: Option<PrimitiveDateTime> = None;
        let mut consider = |id: PrimitiveDateTime| {
            let is_next = id > start && !master.is_excluded(id) && !excluded.contains(&id);
            if is_next && next.is_none_or(|n| id < n) {
                next = Some(id);
            }
            is_next
        };
        for date in master.dates.keys() {
            consider(*date);
        }
        for rule in &master.rules {
            if rule.is_shown_once(master.start.is_date()) {
                continue;
            }
            for id in master.ids(rule, start, end, &self.zones, &mut left) {
                if consider(id) {
                    break;
                }
            }
        }
        let next = next?;
        let mut passed = 0;
        if let Some(rule) = master.rules.first() {
            passed = master
                .ids(rule, start, end, &self.zones, &mut left)
                .take_while(|id| *id < next)
                .fold(0, |n: u32, _| n.saturating_add(1));
        }
        Some((start, next, passed))
    }

    /// The first instance of all.
    #[must_use]
    pub fn first(&self, caps: Caps) -> Option<Instance<'t>> {
        let Some(master) = &self.master else {
            return self
                .overrides
                .iter()
                .map(|(id, o)| self.changed(*id, o))
                .min_by_key(|i| i.starts_at);
        };
        let start = master.zone.instant(master.start.local);
        let regular = self.next(start - Duration::days(1), caps);
        self.overrides
            .iter()
            .map(|(id, o)| self.changed(*id, o))
            .chain(regular)
            .min_by_key(|i| i.starts_at)
            .or_else(|| Some(self.plain(master, master.start.local)))
    }

    /// When the last of it is over.
    #[must_use]
    pub fn last_end(&self, caps: Caps) -> LastEnd {
        let mut last: Option<OffsetDateTime> = None;
        let mut note = |at: OffsetDateTime| last = Some(last.map_or(at, |l| l.max(at)));
        for (id, changed) in &self.overrides {
            note(self.changed(*id, changed).ends_at);
        }
        if let Some(master) = &self.master {
            let is_date = master.start.is_date();
            note(self.plain(master, master.start.local).ends_at);
            if let Some(date) = master.dates.keys().next_back() {
                note(self.plain(master, *date).ends_at);
            }
            for rule in &master.rules {
                if rule.is_shown_once(is_date) {
                    continue;
                }
                if rule.is_endless() {
                    return LastEnd::Never;
                }
                if let Some(id) = master.last_of(rule, &self.zones, caps) {
                    note(self.plain(master, id).ends_at);
                }
            }
        }
        last.map_or(LastEnd::Untimed, LastEnd::At)
    }

    /// Gives `take` what may overlap a window, in no order, until it says stop.
    pub(super) fn each(
        &self,
        window: Window,
        steps: usize,
        take: &mut dyn FnMut(Instance<'t>) -> bool,
    ) {
        for (id, changed) in &self.overrides {
            if self.master.as_ref().is_some_and(|m| m.is_excluded(*id)) {
                continue;
            }
            if !take(self.changed(*id, changed)) {
                return;
            }
        }
        let Some(master) = &self.master else { return };
        let is_date = master.start.is_date();
        // Wall time is at most a day from UTC; a range moves what it changes.
        let moves: Vec<Duration> = self.overrides.values().filter_map(|o| o.moves).collect();
        let latest = moves
            .iter()
            .copied()
            .max()
            .unwrap_or(Duration::ZERO)
            .max(Duration::ZERO);
        let earliest = moves
            .iter()
            .copied()
            .min()
            .unwrap_or(Duration::ZERO)
            .min(Duration::ZERO);
        let longest = self
            .overrides
            .values()
            .filter(|o| o.moves.is_some())
            .map(|o| o.length)
            .chain(master.dates.values().flatten().copied())
            .chain([master.length])
            .map(|l| l.0.nominal_seconds())
            .max()
            .unwrap_or(0);
        let from = plain_utc(window.from)
            .saturating_sub(Duration::days(2))
            .saturating_sub(Duration::seconds(longest))
            .saturating_sub(latest);
        let to = plain_utc(window.to)
            .saturating_add(Duration::days(2))
            .saturating_sub(earliest);
        let mut left = steps;
        let excluded: BTreeSet<PrimitiveDateTime> = master
            .exrules
            .iter()
            .flat_map(|rule| {
                master
                    .ids(rule, from, to, &self.zones, &mut left)
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut given: BTreeSet<PrimitiveDateTime> = BTreeSet::new();
        let several = master.rules.len() > 1 || !master.dates.is_empty();
        let mut offer = |id: PrimitiveDateTime| -> bool {
            if id < from
                || id > to
                || self.overrides.contains_key(&id)
                || excluded.contains(&id)
                || master.is_excluded(id)
                || (several && !given.insert(id))
            {
                return true;
            }
            take(self.plain(master, id))
        };
        if !offer(master.start.local) {
            return;
        }
        for date in master.dates.keys() {
            if *date != master.start.local && !offer(*date) {
                return;
            }
        }
        for rule in &master.rules {
            if rule.is_shown_once(is_date) {
                continue;
            }
            for id in master.ids(rule, from, to, &self.zones, &mut left) {
                if id != master.start.local && !offer(id) {
                    return;
                }
            }
        }
    }

    /// An instance that was not changed on its own; a range before it may have moved it.
    fn plain(&self, master: &Master<'t>, id: PrimitiveDateTime) -> Instance<'t> {
        let range = self
            .overrides
            .range(..=id)
            .rev()
            .find_map(|(_, o)| o.moves.map(|by| (o, by)));
        let period = master.dates.get(&id).copied().flatten();
        let (part, start, length) = match range {
            Some((changed, by)) => (changed.part, id.saturating_add(by), changed.length),
            None => (master.part, id, period.unwrap_or(master.length)),
        };
        let (starts_at, ends_at) = length.ends(start, &master.zone);
        Instance {
            part,
            id: self.is_recurring().then(|| master.id(id)),
            id_at: master.zone.instant(id),
            local: start,
            is_all_day: master.start.is_date(),
            starts_at,
            ends_at,
        }
    }

    /// An instance that was changed on its own.
    fn changed(&self, id: PrimitiveDateTime, changed: &Override<'t>) -> Instance<'t> {
        let zone = self.zones.of_form(&changed.start.form);
        let (starts_at, ends_at) = changed.length.ends(changed.start.local, &zone);
        let id_at = match &self.master {
            Some(master) => master.zone.instant(id),
            None => changed
                .part
                .date("RECURRENCE-ID")
                .map_or(starts_at, |d| self.zones.instant(&d)),
        };
        Instance {
            part: changed.part,
            id_at,
            id: Some(match &self.master {
                Some(master) => master.id(id),
                None => changed.part.date("RECURRENCE-ID").unwrap_or(DateValue {
                    local: id,
                    form: Form::Floating,
                }),
            }),
            local: changed.start.local,
            is_all_day: changed.start.is_date(),
            starts_at,
            ends_at,
        }
    }
}

impl<'t> Master<'t> {
    fn read(part: Component<'t>, kind: Kind, zones: &Zones) -> Option<Self> {
        let start = anchor(part, kind)?;
        let zone = zones.of_form(&start.form);
        let length = length(part, kind, &start, zones).unwrap_or(Length(Span::default()));
        let rules = |name: &'static str| -> Vec<Rule> {
            part.all(name)
                .take(MAX_RULES)
                .filter_map(|p| Rule::parse(&p.raw()).ok())
                .collect()
        };
        let mut master = Self {
            part,
            start,
            zone,
            length,
            rules: rules("RRULE"),
            exrules: rules("EXRULE"),
            dates: BTreeMap::new(),
            exdates: BTreeSet::new(),
            exdays: BTreeSet::new(),
        };
        for property in part.all("RDATE") {
            master.read_dates(property, zones);
        }
        for date in part.all("EXDATE").flat_map(Property::dates) {
            if date.is_date() && !master.start.is_date() {
                master.exdays.insert(date.local.date());
            } else {
                master.exdates.insert(master.key(&date, zones));
            }
        }
        Some(master)
    }

    fn read_dates(&mut self, property: Property<'_>, zones: &Zones) {
        let name = property.parameter("TZID");
        for one in property.raw().split(',') {
            let one = one.trim();
            if let Some((start, end)) = crate::format::ical::parse_period(one, name.as_deref()) {
                let length = match end {
                    Ok(end) => Span {
                        days: 0,
                        seconds: (zones.instant(&end) - zones.instant(&start)).whole_seconds(),
                    },
                    Err(span) => span,
                };
                self.dates
                    .insert(self.key(&start, zones), Some(Length(length)));
            } else if let Some(date) = DateValue::parse(one, name.as_deref()) {
                self.dates.entry(self.key(&date, zones)).or_insert(None);
            }
        }
    }

    /// The wall time on this series' clock that a written date names.
    fn key(&self, date: &DateValue, zones: &Zones) -> PrimitiveDateTime {
        if self.start.is_date() {
            return date.local.date().midnight();
        }
        match &date.form {
            Form::Date => date.local.date().with_time(self.start.local.time()),
            form if *form == self.start.form => date.local,
            Form::Floating => date.local,
            form => self.zone.local(zones.of_form(form).instant(date.local)),
        }
    }

    /// The name of an instance as RECURRENCE-ID writes it.
    fn id(&self, local: PrimitiveDateTime) -> DateValue {
        DateValue {
            local,
            form: self.start.form.clone(),
        }
    }

    fn is_excluded(&self, id: PrimitiveDateTime) -> bool {
        self.exdates.contains(&id) || self.exdays.contains(&id.date())
    }

    /// What a rule makes between two wall times; what its clock jumps over is left out and not counted.
    fn ids<'m>(
        &'m self,
        rule: &'m Rule,
        from: PrimitiveDateTime,
        to: PrimitiveDateTime,
        zones: &Zones,
        left: &'m mut usize,
    ) -> impl Iterator<Item = PrimitiveDateTime> + use<'m, 't> {
        let until = self.until(rule, zones);
        let is_zoned = matches!(self.start.form, Form::Zoned(_));
        let mut count = rule.count().unwrap_or(u32::MAX);
        rule.walk(self.start.local, self.start.is_date(), from, to, until)
            .map_while(move |at| {
                *left = left.checked_sub(1)?;
                Some(at)
            })
            .filter(move |at| !is_zoned || !matches!(self.zone.clock(*at), Clock::Gap { .. }))
            .map_while(move |at| {
                count = count.checked_sub(1)?;
                Some(at)
            })
            .skip_while(move |at| *at < from)
    }

    /// UNTIL on the clock of this series.
    fn until(&self, rule: &Rule, zones: &Zones) -> Option<PrimitiveDateTime> {
        let until = rule.until()?;
        let midnight = Time::MIDNIGHT;
        Some(match (&self.start.form, &until.form) {
            (Form::Date, Form::Utc) if until.local.time() != midnight => {
                zones.floating().local(until.local.assume_utc())
            }
            // A day takes all of itself in.
            (Form::Date, _) | (_, Form::Date) => until.local.date().with_time(LAST_SECOND),
            (Form::Utc, _) | (_, Form::Floating | Form::Zoned(_)) => until.local,
            (_, Form::Utc) => self.zone.local(until.local.assume_utc()),
        })
    }

    /// The last that a finite rule makes.
    fn last_of(&self, rule: &Rule, zones: &Zones, caps: Caps) -> Option<PrimitiveDateTime> {
        let end = PrimitiveDateTime::new(
            Date::from_calendar_date(2_300, time::Month::January, 1).ok()?,
            Time::MIDNIGHT,
        );
        let until = self.until(rule, zones).map_or(end, |u| u.min(end));
        if rule.count().is_none() {
            // Near the end first: from the beginning only where nothing is found there.
            let near = until.saturating_sub(Duration::days(rule.period_days() * 3));
            let mut left = caps.steps;
            if let Some(last) = self.ids(rule, near, until, zones, &mut left).last() {
                return Some(last);
            }
        }
        let mut left = caps.steps;
        self.ids(rule, self.start.local, until, zones, &mut left)
            .last()
    }
}

impl Length {
    /// Start and end of an instance.
    fn ends(self, start: PrimitiveDateTime, zone: &Zone) -> (OffsetDateTime, OffsetDateTime) {
        let starts_at = zone.instant(start);
        let end = if self.0.days == 0 {
            starts_at
        } else {
            zone.instant(start.saturating_add(Duration::days(self.0.days)))
        };
        let end = end
            .checked_add(Duration::seconds(self.0.seconds))
            .unwrap_or(end);
        (starts_at, end.max(starts_at))
    }
}

/// Rules of one kind that are read of a component; RFC 5545 allows one.
const MAX_RULES: usize = 4;
const LAST_SECOND: Time = match Time::from_hms(23, 59, 59) {
    Ok(time) => time,
    Err(_) => Time::MIDNIGHT,
};

/// The date a component hangs on: DTSTART, of a task else DUE.
fn anchor(part: Component<'_>, kind: Kind) -> Option<DateValue> {
    part.date("DTSTART").or_else(|| match kind {
        Kind::Task => part.date("DUE"),
        Kind::Event | Kind::Note => None,
    })
}

/// How long a component lasts, by what it says; none where it says nothing.
fn length(part: Component<'_>, kind: Kind, start: &DateValue, zones: &Zones) -> Option<Length> {
    let end = match kind {
        Kind::Event => part.date("DTEND"),
        Kind::Task => part.date("DUE").filter(|_| part.first("DTSTART").is_some()),
        Kind::Note => None,
    };
    if let Some(end) = end {
        return Some(Length(if start.is_date() {
            let days = (end.local.date() - start.local.date()).whole_days();
            Span {
                // An event of no day is one of a day; a task may be due on the day it starts.
                days: days.max(i64::from(kind == Kind::Event)),
                seconds: 0,
            }
        } else {
            let seconds = (zones.instant(&end) - zones.instant(start)).whole_seconds();
            Span {
                days: 0,
                seconds: seconds.max(0),
            }
        }));
    }
    if let Some(span) = part.first("DURATION").and_then(|p| Span::parse(&p.raw())) {
        return Some(Length(Span {
            days: span.days.max(0),
            seconds: span.seconds.max(0),
        }));
    }
    if part.first("DTSTART").is_none() && kind != Kind::Event {
        return None;
    }
    Some(Length(Span {
        days: i64::from(start.is_date() && kind != Kind::Task),
        seconds: 0,
    }))
}

/// Whether a stretch overlaps a window; what takes no time is in it where it happens (RFC 4791 9.9).
#[must_use]
pub fn falls_in(starts_at: OffsetDateTime, ends_at: OffsetDateTime, window: Window) -> bool {
    if ends_at <= starts_at {
        window.from <= starts_at && starts_at < window.to
    } else {
        window.from < ends_at && starts_at < window.to
    }
}

fn plain_utc(at: OffsetDateTime) -> PrimitiveDateTime {
    let at = at.to_offset(time::UtcOffset::UTC);
    PrimitiveDateTime::new(at.date(), at.time())
}
