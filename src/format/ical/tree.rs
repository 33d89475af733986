//! Reading under limits into a tree that gives every byte back (RFC 5545 3.1, 3.4-3.6).
//!
//! Content lines are cut by ical-rs; the tree over them is built here with an explicit stack, so depth costs memory and no
//! stack, each END closes the BEGIN of its name, and each limit is checked before anything is kept.

use std::borrow::Cow;

use ical::tree::cst::{IcalCst, IcalItem};
use ical::tree::line::IcalLine;

use super::Fault;
use super::edit::ComponentMut;
use super::value::{DateValue, unescape_text};

/// What an object may consist of (security.md 2, "Calendar").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets.
    pub bytes: usize,
    /// Components inside each other.
    pub depth: usize,
    /// Components in all.
    pub components: usize,
    /// Properties of one component.
    pub properties: usize,
    /// Parameters of one property.
    pub parameters: usize,
    /// Guests of one component.
    pub attendees: usize,
    /// Reminders of one component.
    pub alarms: usize,
    /// Dates of all RDATE and EXDATE lines of one component together.
    pub dates: usize,
    /// Changed instances of one series.
    pub overrides: usize,
    /// `COUNT` of a rule.
    pub count: u32,
    /// `INTERVAL` of a rule.
    pub interval: u32,
    /// Values of one BY part of a rule.
    pub by_values: usize,
    /// STANDARD and DAYLIGHT parts of one VTIMEZONE.
    pub observances: usize,
    /// Days an event may last.
    pub duration_days: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 1_048_576,
            depth: 32,
            components: 500,
            properties: 1_000,
            parameters: 50,
            attendees: 500,
            alarms: 20,
            dates: 1_000,
            overrides: 500,
            count: 9_999,
            interval: 999,
            by_values: 366,
            observances: 200,
            duration_days: 400,
        }
    }
}

/// A whole iCalendar stream with one VCALENDAR, every byte of it.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    has_mark: bool,
    root: IcalCst<'a>,
}

/// UTF-8's byte-order mark: some programs write it, no line begins with it.
const MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> Tree<'a> {
    /// Reads one VCALENDAR.
    ///
    /// # Errors
    /// [`Fault::TooLarge`], [`Fault::Syntax`], [`Fault::TooManyAttendees`].
    pub fn parse(bytes: &'a [u8], limits: &Limits) -> Result<Self, Fault> {
        let mut found = Self::parse_many(bytes, limits)?;
        match (found.pop(), found.is_empty()) {
            (Some(tree), true) => Ok(tree),
            (None, _) => Err(Fault::Syntax("nothing in it")),
            (Some(_), false) => Err(Fault::Syntax("more than one VCALENDAR")),
        }
    }

    /// Reads every VCALENDAR of a file, each within the limits; the size limit holds for the file.
    ///
    /// # Errors
    /// As [`Tree::parse`].
    pub fn parse_many(bytes: &'a [u8], limits: &Limits) -> Result<Vec<Self>, Fault> {
        if bytes.len() > limits.bytes {
            return Err(Fault::TooLarge {
                limit_bytes: limits.bytes,
            });
        }
        let has_mark = bytes.starts_with(MARK);
        let text = if has_mark {
            bytes.get(MARK.len()..).unwrap_or_default()
        } else {
            bytes
        };
        if std::str::from_utf8(text).is_err() {
            return Err(Fault::Syntax("not UTF-8"));
        }
        if text
            .iter()
            .any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\r' | b'\n'))
        {
            return Err(Fault::Syntax("a control character"));
        }
        let mut trees: Vec<Self> = Vec::new();
        let mut rest = text;
        while !is_blank(rest) {
            let (root, tail) = read_component(rest, limits)?;
            trees.push(Self {
                has_mark: has_mark && trees.is_empty(),
                root,
            });
            rest = tail;
        }
        if let Some(last) = trees.last_mut() {
            last.root.trailing = Cow::Borrowed(std::str::from_utf8(rest).unwrap_or_default());
        }
        Ok(trees)
    }

    /// The VCALENDAR.
    #[must_use]
    pub fn root(&self) -> Component<'_> {
        Component(&self.root)
    }

    /// The VCALENDAR, to be changed.
    pub fn root_mut(&mut self) -> ComponentMut<'_, 'a> {
        ComponentMut::new(&mut self.root)
    }

    /// The bytes as they were read, but for the lines an edit changed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = if self.has_mark {
            MARK.to_vec()
        } else {
            Vec::new()
        };
        out.extend(self.root.to_bytes());
        out
    }
}

/// A component that is open: its lines so far and what was counted of them.
struct Open<'a> {
    cst: IcalCst<'a>,
    name: String,
    properties: usize,
    attendees: usize,
    alarms: usize,
}

fn read_component<'a>(input: &'a [u8], limits: &Limits) -> Result<(IcalCst<'a>, &'a [u8]), Fault> {
    let mut open: Vec<Open<'a>> = Vec::new();
    let mut components = 0;
    let mut rest = input;
    loop {
        if is_blank(rest) {
            return Err(Fault::Syntax("a component without its END"));
        }
        let (line, tail) =
            IcalLine::take(rest).map_err(|_| Fault::Syntax("a line without a colon"))?;
        rest = tail;
        let name = line.name.get();
        if name.eq_ignore_ascii_case("BEGIN") {
            components += 1;
            if components > limits.components {
                return Err(Fault::Syntax("too many components"));
            }
            if open.len() >= limits.depth {
                return Err(Fault::Syntax("nested too deep"));
            }
            let name = line.raw_value_str().trim().to_ascii_uppercase();
            if open.is_empty() && name != "VCALENDAR" {
                return Err(Fault::Syntax("no VCALENDAR"));
            }
            if name == "VALARM"
                && let Some(parent) = open.last_mut()
            {
                parent.alarms += 1;
                if parent.alarms > limits.alarms {
                    return Err(Fault::Syntax("too many alarms"));
                }
            }
            open.push(Open {
                cst: IcalCst {
                    begin: Some(line),
                    items: Vec::new(),
                    end: None,
                    trailing: Cow::Borrowed(""),
                },
                name,
                properties: 0,
                attendees: 0,
                alarms: 0,
            });
            continue;
        }
        let Some(mut this) = open.pop() else {
            return Err(Fault::Syntax("no VCALENDAR"));
        };
        if name.eq_ignore_ascii_case("END") {
            if !line.raw_value_str().trim().eq_ignore_ascii_case(&this.name) {
                return Err(Fault::Syntax("an END of another component"));
            }
            this.cst.end = Some(line);
            match open.last_mut() {
                Some(parent) => parent
                    .cst
                    .items
                    .push(IcalItem::Component(Box::new(this.cst))),
                None => return Ok((this.cst, rest)),
            }
            continue;
        }
        if name.is_empty()
            || !name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
        {
            return Err(Fault::Syntax("a line without a name"));
        }
        this.properties += 1;
        if this.properties > limits.properties {
            return Err(Fault::Syntax("too many properties"));
        }
        if line.params.len() > limits.parameters {
            return Err(Fault::Syntax("too many parameters"));
        }
        if name.eq_ignore_ascii_case("ATTENDEE") {
            this.attendees += 1;
            if this.attendees > limits.attendees {
                return Err(Fault::TooManyAttendees {
                    limit: limits.attendees,
                });
            }
        }
        this.cst.items.push(IcalItem::Prop(line));
        open.push(this);
    }
}

fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(u8::is_ascii_whitespace)
}

/// A component to be read: VCALENDAR, VEVENT, VALARM ...
#[derive(Debug, Clone, Copy)]
pub struct Component<'t>(&'t IcalCst<'t>);

impl<'t> Component<'t> {
    /// A view of a part of the tree.
    pub(super) fn over(cst: &'t IcalCst<'t>) -> Self {
        Self(cst)
    }

    /// The part of the tree.
    pub(super) fn cst(self) -> &'t IcalCst<'t> {
        self.0
    }

    /// Its name as written.
    #[must_use]
    pub fn name(self) -> Cow<'t, str> {
        match &self.0.begin {
            Some(line) => match line.raw_value_str() {
                Cow::Borrowed(name) => Cow::Borrowed(name.trim()),
                Cow::Owned(name) => Cow::Owned(name.trim().to_owned()),
            },
            None => Cow::Borrowed(""),
        }
    }

    /// Whether it is called so.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// Its own properties in order.
    pub fn properties(self) -> impl Iterator<Item = Property<'t>> {
        self.0.items.iter().filter_map(|item| match item {
            IcalItem::Prop(line) => Some(Property(line)),
            IcalItem::Component(_) | IcalItem::Opaque(_) => None,
        })
    }

    /// Its own properties of a name.
    pub fn all(self, name: &str) -> impl Iterator<Item = Property<'t>> {
        self.properties().filter(move |p| p.is(name))
    }

    /// The first of its own properties of a name.
    #[must_use]
    pub fn first(self, name: &str) -> Option<Property<'t>> {
        self.properties().find(|p| p.is(name))
    }

    /// The text of the first property of a name.
    #[must_use]
    pub fn text(self, name: &str) -> Option<String> {
        self.first(name).map(Property::text)
    }

    /// The date of the first property of a name.
    #[must_use]
    pub fn date(self, name: &str) -> Option<DateValue> {
        self.first(name).and_then(Property::date)
    }

    /// Components directly inside.
    pub fn children(self) -> impl Iterator<Item = Component<'t>> {
        self.0.items.iter().filter_map(|item| match item {
            IcalItem::Component(child) => Some(Component(child)),
            IcalItem::Prop(_) | IcalItem::Opaque(_) => None,
        })
    }

    /// Components of a name directly inside.
    pub fn children_named(self, name: &str) -> impl Iterator<Item = Component<'t>> {
        self.children().filter(move |c| c.is(name))
    }

    /// The bytes of it as they stand, BEGIN and END included.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }
}

/// A property line to be read.
#[derive(Debug, Clone, Copy)]
pub struct Property<'t>(&'t IcalLine<'t>);

impl<'t> Property<'t> {
    /// The line.
    pub(super) fn line(self) -> &'t IcalLine<'t> {
        self.0
    }

    /// Its name as written.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.0.name.get()
    }

    /// Whether it is called so; a group in front of the name does not count.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        let own = self.name();
        own.eq_ignore_ascii_case(name)
            || own
                .rsplit_once('.')
                .is_some_and(|(_, bare)| bare.eq_ignore_ascii_case(name))
    }

    /// The value as written, folds undone, escapes kept.
    #[must_use]
    pub fn raw(self) -> Cow<'t, str> {
        self.0.raw_value_str()
    }

    /// The value as text, escapes undone (RFC 5545 3.3.11).
    #[must_use]
    pub fn text(self) -> String {
        unescape_text(&self.raw())
    }

    /// The values of a list (`CATEGORIES`), escapes undone.
    #[must_use]
    pub fn texts(self) -> Vec<String> {
        split_unescaped(&self.raw(), ',')
            .into_iter()
            .map(unescape_text)
            .collect()
    }

    /// The first value of a parameter, without its quotes.
    #[must_use]
    pub fn parameter(self, name: &str) -> Option<String> {
        self.parameter_values(name).into_iter().next()
    }

    /// The values of a parameter, without their quotes; `^n`, `^'` and `^^` are undone (RFC 6868).
    #[must_use]
    pub fn parameter_values(self, name: &str) -> Vec<String> {
        self.0
            .params
            .iter()
            .filter(|p| p.name.get().eq_ignore_ascii_case(name))
            .flat_map(|p| p.values.iter())
            .map(|v| unquote(v.get()))
            .collect()
    }

    /// Names and values of all parameters in order, without quotes.
    pub fn parameters(self) -> impl Iterator<Item = (&'t str, Vec<String>)> {
        self.0.params.iter().map(|p| {
            (
                p.name.get(),
                p.values.iter().map(|v| unquote(v.get())).collect(),
            )
        })
    }

    /// The value as a date (`DTSTART`, `DUE`, `RECURRENCE-ID` ...).
    #[must_use]
    pub fn date(self) -> Option<DateValue> {
        DateValue::parse(self.raw().trim(), self.parameter("TZID").as_deref())
    }

    /// The values as dates (`EXDATE`, `RDATE` without periods).
    #[must_use]
    pub fn dates(self) -> Vec<DateValue> {
        let zone = self.parameter("TZID");
        self.raw()
            .split(',')
            .filter_map(|one| DateValue::parse(one.trim(), zone.as_deref()))
            .collect()
    }
}

/// Cuts at a separator that no backslash protects.
pub(super) fn split_unescaped(raw: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut is_escaped = false;
    for (at, c) in raw.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == separator {
            pieces.push(raw.get(start..at).unwrap_or_default());
            start = at + c.len_utf8();
        }
    }
    pieces.push(raw.get(start..).unwrap_or_default());
    pieces
}

fn unquote(value: &str) -> String {
    let inner = value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .unwrap_or(value);
    if !inner.contains('^') {
        return inner.to_owned();
    }
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '^' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => out.push('\n'),
            Some('\'') => out.push('"'),
            Some('^') | None => out.push('^'),
            Some(other) => {
                out.push('^');
                out.push(other);
            }
        }
    }
    out
}
