//! Objects in the shape that a client asked for: some parts (RFC 4791 9.6.1, RFC 6352 10.4.2), instances written out
//! (9.6.5 `expand`), only the changed instances of a range (9.6.6), a vCard in another version.
//!
//! Who asks for the whole object gets it as it is stored. Here lines are taken over as they mean, folded anew. What cannot be
//! read goes out as it is stored: a client can do more with that than with nothing.

use std::borrow::Cow;

use super::filter::Range;
use super::request::{CompAsk, DataAsk};
use crate::format::ical::{Component, Limits, Object, Property, Tree, Zones, expanded, limited};
use crate::format::recur::{Caps, TimeRange};
use crate::format::vcard::{Card, CardLimits, Version, convert};
use chrono_tz::Tz;

/// A calendar object as it was asked for; none when it has more instances than are made. `floating`: the clock of whoever
/// looks.
#[must_use]
pub fn calendar<'s>(source: &'s [u8], ask: &DataAsk, floating: Tz) -> Option<Cow<'s, str>> {
    match shaped(source, ask, floating) {
        Shaped::Text(text) => Some(Cow::Owned(text)),
        Shaped::Unreadable => Some(String::from_utf8_lossy(source)),
        Shaped::TooMany => None,
    }
}

enum Shaped {
    Text(String),
    Unreadable,
    TooMany,
}

fn shaped(source: &[u8], ask: &DataAsk, floating: Tz) -> Shaped {
    let Ok(object) = Object::parse(source, &Limits::default()) else {
        return Shaped::Unreadable;
    };
    let zones = Zones::of(object.tree().root(), floating);
    let octets = match (ask.expand, ask.limit_recurrence_set) {
        (Some(range), _) => {
            let (octets, is_cut) = expanded(&object, &zones, times(range), Caps::default());
            if is_cut {
                return Shaped::TooMany;
            }
            octets
        }
        (None, Some(range)) => limited(&object, &zones, times(range)),
        (None, None) => source.to_vec(),
    };
    let made = match &ask.part {
        None => String::from_utf8(octets).ok(),
        Some(part) => Tree::parse(&octets, &WRITTEN_OUT).ok().map(|tree| {
            let mut text = String::with_capacity(octets.len());
            Part::of(tree.root()).only(part).write(&mut text);
            text
        }),
    };
    made.map_or(Shaped::Unreadable, Shaped::Text)
}

fn times(range: Range) -> TimeRange {
    TimeRange {
        from: range.start,
        to: range.end,
    }
}

/// A component as it goes out.
struct Part {
    name: String,
    /// Unfolded content lines with their names in upper case.
    lines: Vec<(String, String)>,
    parts: Vec<Part>,
}

impl Part {
    fn of(component: Component<'_>) -> Self {
        Self {
            name: component.name().to_ascii_uppercase(),
            lines: component.properties().map(line).collect(),
            parts: component.children().map(Self::of).collect(),
        }
    }

    /// What was asked for of it; BEGIN and END stand in any case.
    fn only(mut self, ask: &CompAsk) -> Self {
        if let Some(props) = &ask.props {
            self.lines.retain_mut(|(name, line)| {
                match props.iter().find(|(wanted, _)| wanted == name) {
                    Some((_, true)) => {
                        line.truncate(value_at(line));
                        true
                    }
                    Some((_, false)) => true,
                    None => false,
                }
            });
        }
        if let Some(comps) = &ask.comps {
            self.parts = self
                .parts
                .into_iter()
                .filter_map(|part| {
                    let ask = comps.iter().find(|ask| ask.name == part.name)?;
                    Some(part.only(ask))
                })
                .collect();
        }
        self
    }

    fn write(&self, out: &mut String) {
        fold(out, &format!("BEGIN:{}", self.name));
        for (_, line) in &self.lines {
            fold(out, line);
        }
        for part in &self.parts {
            part.write(out);
        }
        fold(out, &format!("END:{}", self.name));
    }
}

/// Where the value of an unfolded line begins: behind the first colon outside of quotes.
fn value_at(line: &str) -> usize {
    let mut is_quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            ':' if !is_quoted => return at + 1,
            _ => {}
        }
    }
    line.len()
}

fn line(property: Property<'_>) -> (String, String) {
    let name = property.name();
    let mut text = name.to_owned();
    for (parameter, values) in property.parameters() {
        text.push(';');
        text.push_str(parameter);
        for (n, value) in values.iter().enumerate() {
            text.push(if n == 0 { '=' } else { ',' });
            push_parameter(&mut text, value);
        }
    }
    text.push(':');
    text.push_str(&property.raw());
    let bare = name.rsplit('.').next().unwrap_or(name);
    (bare.to_ascii_uppercase(), text)
}

/// RFC 5545 3.2, RFC 6868.
fn push_parameter(out: &mut String, value: &str) {
    let needs_quotes = value.contains([':', ';', ',']);
    if needs_quotes {
        out.push('"');
    }
    for c in value.chars() {
        match c {
            '"' => out.push_str("^'"),
            '^' => out.push_str("^^"),
            '\n' => out.push_str("^n"),
            c => out.push(c),
        }
    }
    if needs_quotes {
        out.push('"');
    }
}

/// A content line of at most 75 octets a piece (RFC 5545 3.1).
fn fold(out: &mut String, line: &str) {
    let mut left = 75;
    for c in line.chars() {
        if c.len_utf8() > left {
            out.push_str("\r\n ");
            left = 74;
        }
        left -= c.len_utf8();
        out.push(c);
    }
    out.push_str("\r\n");
}

/// A card in another version; none when it is in that one already, or cannot be read.
#[must_use]
pub fn card_version(source: &[u8], version: Version) -> Option<Vec<u8>> {
    let card = Card::parse(source, &CardLimits::default()).ok()?;
    (card.version() != version).then(|| convert(&card, version))
}

/// A card with some of its properties (upper case), in another version if one is asked for.
#[must_use]
pub fn card<'s>(
    source: &'s [u8],
    props: Option<&[String]>,
    version: Option<Version>,
) -> Cow<'s, str> {
    let converted = version.and_then(|version| card_version(source, version));
    let Some(props) = props else {
        return match converted {
            Some(octets) => Cow::Owned(String::from_utf8_lossy(&octets).into_owned()),
            None => String::from_utf8_lossy(source),
        };
    };
    let octets = converted.as_deref().unwrap_or(source);
    let Ok(card) = Card::parse(octets, &CardLimits::default()) else {
        return String::from_utf8_lossy(source);
    };
    let mut out = String::from("BEGIN:VCARD\r\n");
    for line in card.lines() {
        let name = line.name().to_ascii_uppercase();
        // A card is none without its version.
        if name != "VERSION" && !props.contains(&name) {
            continue;
        }
        let mut text = String::new();
        if let Some(group) = line.group() {
            text.push_str(group);
            text.push('.');
        }
        text.push_str(line.name());
        for (parameter, values) in line.parameters() {
            text.push(';');
            text.push_str(parameter);
            for (n, value) in values.iter().enumerate() {
                text.push(if n == 0 { '=' } else { ',' });
                push_parameter(&mut text, value);
            }
        }
        text.push(':');
        text.push_str(&line.raw());
        fold(&mut out, &text);
    }
    out.push_str("END:VCARD\r\n");
    Cow::Owned(out)
}

/// A thousand instances of the largest object: what was written out is ours, and was within limits before.
const WRITTEN_OUT: Limits = Limits {
    bytes: usize::MAX,
    depth: 32,
    components: usize::MAX,
    properties: 1_000,
    parameters: 50,
    attendees: 500,
    alarms: 20,
    dates: 1_000,
    overrides: usize::MAX,
    count: 9_999,
    interval: 999,
    by_values: 366,
    observances: 200,
    duration_days: 400,
};
