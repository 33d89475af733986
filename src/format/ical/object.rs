//! One calendar object resource (RFC 4791 4.1): what may be stored at one name of a collection.
//!
//! One VCALENDAR without METHOD; beside VTIMEZONEs, components of one kind with one UID: at most one master, and changed
//! instances. An object may consist of changed instances alone: guests of a single instance get nothing else.

use std::collections::HashSet;

use super::tree::{Component, Limits, Property, Tree};
use super::value::{DateValue, Span};
use super::{ComponentMut, Fault};
use crate::format::recur::Rule;
use crate::model::CollectionKind;

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `VEVENT`
    Event,
    /// `VTODO`
    Task,
    /// `VJOURNAL`
    Note,
}

impl Kind {
    /// The component's name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Event => "VEVENT",
            Self::Task => "VTODO",
            Self::Note => "VJOURNAL",
        }
    }

    /// The kind of a component's name.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Event, Self::Task, Self::Note]
            .into_iter()
            .find(|k| word.eq_ignore_ascii_case(k.word()))
    }

    /// The collections it is kept in.
    #[must_use]
    pub fn collection(self) -> CollectionKind {
        match self {
            Self::Event => CollectionKind::Calendar,
            Self::Task => CollectionKind::Tasks,
            Self::Note => CollectionKind::Notes,
        }
    }
}

/// A calendar object that keeps the rules.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    tree: Tree<'a>,
    kind: Kind,
    uid: String,
}

impl<'a> Object<'a> {
    /// Reads and checks an object.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, Fault> {
        Self::of_tree(Tree::parse(bytes, limits)?, limits)
    }

    /// Checks a tree that was read or made.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn of_tree(tree: Tree<'a>, limits: &Limits) -> Result<Self, Fault> {
        let root = tree.root();
        if root
            .text("VERSION")
            .is_some_and(|v| !v.trim().starts_with("2.0"))
        {
            return Err(Fault::Syntax("not version 2.0"));
        }
        if root.first("METHOD").is_some() {
            return Err(Fault::Object("a METHOD"));
        }
        let mut found: Option<(Kind, String)> = None;
        let mut masters = 0;
        let mut overrides = 0;
        for part in root.children() {
            if part.is("VTIMEZONE") {
                check_zone(part, limits)?;
                continue;
            }
            let kind = Kind::from_word(&part.name()).ok_or(Fault::Component)?;
            let uid = part.text("UID").unwrap_or_default();
            if uid.trim().is_empty() || uid.len() > MAX_UID {
                return Err(Fault::Object("no usable UID"));
            }
            match &found {
                Some((k, _)) if *k != kind => {
                    return Err(Fault::Object("components of different kinds"));
                }
                Some((_, u)) if *u != uid => return Err(Fault::Object("more than one UID")),
                Some(_) => {}
                None => found = Some((kind, uid)),
            }
            if part.first("RECURRENCE-ID").is_some() {
                overrides += 1;
            } else {
                masters += 1;
            }
            check_component(part, kind, limits)?;
        }
        let (kind, uid) = found.ok_or(Fault::Object("no component"))?;
        if masters > 1 {
            return Err(Fault::Object("the same UID twice"));
        }
        if overrides > limits.overrides {
            return Err(Fault::Syntax("too many changed instances"));
        }
        Ok(Self { tree, kind, uid })
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// All of it.
    #[must_use]
    pub fn tree(&self) -> &Tree<'a> {
        &self.tree
    }

    /// All of it, to be changed. The caller reads the result anew before it is stored.
    pub fn root_mut(&mut self) -> ComponentMut<'_, 'a> {
        self.tree.root_mut()
    }

    /// Its components, master and changed instances, in order.
    pub fn parts(&self) -> impl Iterator<Item = Component<'_>> {
        let word = self.kind.word();
        self.tree.root().children_named(word)
    }

    /// The component without a RECURRENCE-ID.
    #[must_use]
    pub fn master(&self) -> Option<Component<'_>> {
        self.parts().find(|p| p.first("RECURRENCE-ID").is_none())
    }

    /// The master, or the first changed instance where there is no master.
    #[must_use]
    pub fn main(&self) -> Option<Component<'_>> {
        self.master().or_else(|| self.parts().next())
    }
}

/// Octets of a UID.
const MAX_UID: usize = 1_024;
/// The years that are kept (security.md 2; Apple writes 1604 for birthdays).
const YEARS: std::ops::RangeInclusive<i32> = 1_600..=2_200;

fn check_year(date: &DateValue) -> Result<(), Fault> {
    match date.local.year() {
        year if year < *YEARS.start() => Err(Fault::TooEarly),
        year if year > *YEARS.end() => Err(Fault::TooLate),
        _ => Ok(()),
    }
}

fn check_date(part: Component<'_>, name: &str) -> Result<Option<DateValue>, Fault> {
    let Some(property) = part.first(name) else {
        return Ok(None);
    };
    let date = property
        .date()
        .ok_or(Fault::Syntax("a date that is none"))?;
    check_year(&date)?;
    Ok(Some(date))
}

fn check_component(part: Component<'_>, kind: Kind, limits: &Limits) -> Result<(), Fault> {
    let start = check_date(part, "DTSTART")?;
    if kind == Kind::Event && start.is_none() {
        return Err(Fault::Syntax("an event without DTSTART"));
    }
    let end = check_date(part, "DTEND")?;
    check_date(part, "DUE")?;
    check_date(part, "RECURRENCE-ID")?;
    let mut seconds = 0;
    if let (Some(start), Some(end)) = (&start, &end) {
        seconds = (end.local - start.local).whole_seconds();
    }
    if let Some(raw) = part.first("DURATION").map(Property::raw) {
        seconds = Span::parse(&raw)
            .ok_or(Fault::Syntax("a duration that is none"))?
            .nominal_seconds();
    }
    if kind == Kind::Event && seconds > limits.duration_days * 86_400 {
        return Err(Fault::Syntax("lasts too long"));
    }
    for rule in part.all("RRULE").chain(part.all("EXRULE")) {
        check_rule(&rule.raw(), limits)?;
    }
    let dates: usize = part
        .all("RDATE")
        .chain(part.all("EXDATE"))
        .map(|p| p.raw().split(',').count())
        .sum();
    if dates > limits.dates {
        return Err(Fault::Syntax("too many dates"));
    }
    Ok(())
}

fn check_rule(raw: &str, limits: &Limits) -> Result<(), Fault> {
    let too_many = raw
        .split(';')
        .any(|p| p.split(',').collect::<HashSet<_>>().len() > limits.by_values);
    if too_many {
        return Err(Fault::Syntax("too many values in a rule"));
    }
    let rule = Rule::parse(raw).map_err(Fault::Syntax)?;
    if rule.count().is_some_and(|n| n > limits.count) {
        return Err(Fault::TooManyInstances {
            limit: usize::try_from(limits.count).unwrap_or(usize::MAX),
        });
    }
    if rule.count() == Some(0) || rule.interval() > limits.interval {
        return Err(Fault::Syntax("a COUNT or INTERVAL out of range"));
    }
    Ok(())
}

fn check_zone(zone: Component<'_>, limits: &Limits) -> Result<(), Fault> {
    if zone.text("TZID").is_none() {
        return Err(Fault::Syntax("a VTIMEZONE without TZID"));
    }
    let mut observances = 0;
    for part in zone.children() {
        observances += 1;
        if observances > limits.observances {
            return Err(Fault::Syntax("too many observances"));
        }
        if part
            .all("RDATE")
            .map(|p| p.raw().split(',').count())
            .sum::<usize>()
            > limits.dates
        {
            return Err(Fault::Syntax("too many dates"));
        }
    }
    Ok(())
}
