//! Whether an object passes a filter (RFC 4791 9.7 to 9.9, RFC 6352 10.5).
//!
//! Times are those of instances: a series passes when one instance does, with the component that describes this instance.
//! A range with an open end, or of more than five years, is not expanded: it is answered from the first and the last moment
//! of the series (`security.md` 2).

use time::Duration;

use super::filter::{CardFilter, CompFilter, ParamFilter, PropFilter, Range, TextMatch};
use crate::format::ical::{Component, Kind, Object, Property, Zones};
use crate::format::recur::{Caps, Series, TimeRange, alarms_in_range, is_in_range};
use crate::format::vcard::{Card, Line};

/// A filter over calendar objects, on somebody's clock.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'f> {
    filter: &'f CompFilter,
}

impl<'f> Calendar<'f> {
    /// The filter of a `calendar-query`: its outermost component is the VCALENDAR.
    #[must_use]
    pub fn new(filter: &'f CompFilter) -> Self {
        Self { filter }
    }

    /// The range in which every object that passes must lie, and its component, where the filter asks for one: what a
    /// database can look for first.
    #[must_use]
    pub fn coarse(&self) -> (Option<&'f str>, Option<Range>) {
        let mut parts = self
            .filter
            .comps
            .iter()
            .filter(|comp| !comp.is_not_defined && Kind::from_word(&comp.name).is_some());
        match (parts.next(), parts.next()) {
            (Some(only), None) => (Some(&only.name), only.range),
            _ => (None, None),
        }
    }

    /// Whether an object passes.
    #[must_use]
    pub fn passes(&self, object: &Object<'_>, zones: &Zones) -> bool {
        let root = object.tree().root();
        let filter = self.filter;
        !filter.is_not_defined
            && filter.props.iter().all(|p| property(root, p, zones))
            && filter
                .comps
                .iter()
                .all(|comp| main_component(object, comp, zones))
    }
}

/// A filter of a component directly inside the VCALENDAR.
fn main_component(object: &Object<'_>, filter: &CompFilter, zones: &Zones) -> bool {
    let mut named = object.tree().root().children_named(&filter.name).peekable();
    if filter.is_not_defined {
        return named.peek().is_none();
    }
    if named.peek().is_none() {
        return false;
    }
    let inner = |part: Component<'_>| {
        filter.props.iter().all(|p| property(part, p, zones))
            && filter
                .comps
                .iter()
                .all(|comp| inner_component(object, part, comp, zones))
    };
    let Some(range) = filter.range else {
        return named.any(inner);
    };
    let range = TimeRange {
        from: range.start,
        to: range.end,
    };
    let caps = Caps::default();
    if !is_in_range(object, zones, range, caps) {
        return false;
    }
    if filter.props.is_empty() && filter.comps.is_empty() {
        return true;
    }
    // The other conditions are those of the very component that describes an instance in the range.
    let (is_event, window) = (object.kind() == Kind::Event, range.window());
    match Series::read(object, zones) {
        Some(series) if is_event && window.to - window.from <= LONGEST => series
            .between(window, caps)
            .instances
            .iter()
            .any(|instance| inner(instance.part)),
        _ => named.any(inner),
    }
}

/// A filter of a component deeper inside, an alarm mostly.
fn inner_component(
    object: &Object<'_>,
    parent: Component<'_>,
    filter: &CompFilter,
    zones: &Zones,
) -> bool {
    let mut named = parent.children_named(&filter.name).peekable();
    if filter.is_not_defined {
        return named.peek().is_none();
    }
    let rings = || {
        filter.range.is_none_or(|range| {
            let range = TimeRange {
                from: range.start,
                to: range.end,
            };
            alarms_in_range(object, zones, range, Caps::default())
        })
    };
    named.any(|part| {
        filter.props.iter().all(|p| property(part, p, zones))
            && filter
                .comps
                .iter()
                .all(|comp| inner_component(object, part, comp, zones))
            && (filter.range.is_none() || part.is("VALARM"))
    }) && rings()
}

fn property(component: Component<'_>, filter: &PropFilter, zones: &Zones) -> bool {
    let mut named = component.all(&filter.name).peekable();
    if filter.is_not_defined {
        return named.peek().is_none();
    }
    named.any(|property| {
        filter
            .range
            .is_none_or(|range| dated_in(property, range, zones))
            && filter
                .texts
                .iter()
                .all(|text| text.matches(&property.text()))
            && filter.params.iter().all(|param| {
                let values = property.parameter_values(&param.name);
                parameter(&values, param)
            })
    })
}

fn dated_in(property: Property<'_>, range: Range, zones: &Zones) -> bool {
    property.dates().iter().any(|date| {
        let at = zones.instant(date);
        range.start.is_none_or(|start| at >= start) && range.end.is_none_or(|end| at < end)
    })
}

fn parameter(values: &[String], filter: &ParamFilter) -> bool {
    if filter.is_not_defined {
        return values.is_empty();
    }
    match &filter.text {
        None => !values.is_empty(),
        Some(text) => values.iter().any(|value| text.matches(value)),
    }
}

/// Whether a card passes (RFC 6352 10.5).
#[must_use]
pub fn card(filter: &CardFilter, card: &Card<'_>) -> bool {
    if filter.props.is_empty() {
        return true;
    }
    let mut each = filter.props.iter().map(|prop| card_property(card, prop));
    if filter.any {
        each.any(|passes| passes)
    } else {
        each.all(|passes| passes)
    }
}

fn card_property(card: &Card<'_>, filter: &PropFilter) -> bool {
    let (group, name) = match filter.name.split_once('.') {
        Some((group, name)) => (Some(group), name),
        None => (None, filter.name.as_str()),
    };
    let mut named = card
        .all(name)
        .filter(|line| {
            group.is_none_or(|group| line.group().is_some_and(|g| g.eq_ignore_ascii_case(group)))
        })
        .peekable();
    if filter.is_not_defined {
        return named.peek().is_none();
    }
    named.any(|line| card_line(line, filter))
}

fn card_line(line: Line<'_>, filter: &PropFilter) -> bool {
    if filter.texts.is_empty() && filter.params.is_empty() {
        return true;
    }
    let texts = filter.texts.iter().map(|text| card_text(line, text));
    let params = filter.params.iter().map(|param| {
        let values: Vec<String> = line
            .parameters()
            .filter(|(name, _)| name.eq_ignore_ascii_case(&param.name))
            .flat_map(|(_, values)| values)
            .flat_map(|value| value.split(','))
            .map(|value| value.trim_matches('"').to_owned())
            .collect();
        parameter(&values, param)
    });
    let mut each = texts.chain(params);
    if filter.any {
        each.any(|passes| passes)
    } else {
        each.all(|passes| passes)
    }
}

/// Of a structured value each part may be it, and the whole of it too.
fn card_text(line: Line<'_>, text: &TextMatch) -> bool {
    let whole = line.text();
    if !whole.contains(';') {
        return text.matches(&whole);
    }
    let is_found = |wanted: &TextMatch| {
        wanted.matches(&whole)
            || line
                .structure()
                .iter()
                .flatten()
                .any(|part| wanted.matches(part))
    };
    let positive = TextMatch {
        negate: false,
        ..text.clone()
    };
    is_found(&positive) != text.negate
}

/// The longest range that is expanded.
const LONGEST: Duration = Duration::days(5 * 366);
