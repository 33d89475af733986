//! Filters of `calendar-query` (RFC 4791 9.7) and `addressbook-query` (RFC 6352 10.5).

use time::OffsetDateTime;

use super::request::instant;
use super::{BadRequest, Element, Ns};

/// A stretch of time: from `start` on, before `end`; either may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// Its beginning.
    pub start: Option<OffsetDateTime>,
    /// The first instant behind it.
    pub end: Option<OffsetDateTime>,
}

/// A component that must be there, or must not (RFC 4791 9.7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompFilter {
    /// Its name in upper case.
    pub name: String,
    /// There must be none.
    pub is_not_defined: bool,
    /// It overlaps with this.
    pub range: Option<Range>,
    /// Its properties.
    pub props: Vec<PropFilter>,
    /// Components inside it.
    pub comps: Vec<CompFilter>,
}

/// A property that must be there, or must not (RFC 4791 9.7.2, RFC 6352 10.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropFilter {
    /// Its name in upper case; of a vCard possibly with its group in front.
    pub name: String,
    /// There must be none.
    pub is_not_defined: bool,
    /// Its value, a date, lies in this.
    pub range: Option<Range>,
    /// Its text.
    pub texts: Vec<TextMatch>,
    /// Its parameters.
    pub params: Vec<ParamFilter>,
    /// Whether one of the conditions is enough (vCards only).
    pub any: bool,
}

/// A parameter that must be there, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamFilter {
    /// Its name in upper case.
    pub name: String,
    /// There must be none.
    pub is_not_defined: bool,
    /// Its value.
    pub text: Option<TextMatch>,
}

/// A comparison of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextMatch {
    /// What is looked for.
    pub value: String,
    /// How letters compare.
    pub collation: Collation,
    /// Where it must stand.
    pub place: Place,
    /// It must not be there.
    pub negate: bool,
}

/// How letters compare (RFC 4790; RFC 4791 7.5.1, RFC 6352 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collation {
    /// `i;octet`
    Octet,
    /// `i;ascii-casemap`
    AsciiCasemap,
    /// `i;unicode-casemap` (RFC 5051)
    UnicodeCasemap,
}

impl Collation {
    /// All we have, by name.
    pub const ALL: [(&'static str, Self); 3] = [
        ("i;ascii-casemap", Self::AsciiCasemap),
        ("i;unicode-casemap", Self::UnicodeCasemap),
        ("i;octet", Self::Octet),
    ];
}

/// Where the text must stand in the value (RFC 6352 10.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is the value.
    Equals,
    /// Anywhere.
    Contains,
    /// At its beginning.
    Starts,
    /// At its end.
    Ends,
}

/// A filter over vCards: conditions, of which one or all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardFilter {
    /// One is enough.
    pub any: bool,
    /// The conditions; none: every card.
    pub props: Vec<PropFilter>,
}

impl TextMatch {
    /// Whether a value passes.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let fold = |text: &str| match self.collation {
            Collation::Octet => text.to_owned(),
            Collation::AsciiCasemap => text.to_ascii_lowercase(),
            // RFC 5051 takes titlecase and decomposes; upper case first joins what lower case alone would not.
            Collation::UnicodeCasemap => text.to_uppercase().to_lowercase(),
        };
        let (value, wanted) = (fold(value), fold(&self.value));
        let found = match self.place {
            Place::Equals => value == wanted,
            Place::Contains => value.contains(&wanted),
            Place::Starts => value.starts_with(&wanted),
            Place::Ends => value.ends_with(&wanted),
        };
        found != self.negate
    }
}

/// `C:filter`: one `comp-filter` for `VCALENDAR` (RFC 4791 9.7).
///
/// # Errors
/// [`BadRequest::Filter`] or [`BadRequest::Collation`].
pub fn calendar(filter: &Element) -> Result<CompFilter, BadRequest> {
    let mut outer = filter.all(&Ns::CalDav, "comp-filter");
    let (Some(only), None) = (outer.next(), outer.next()) else {
        return Err(BadRequest::Filter("one comp-filter"));
    };
    let read = comp(only)?;
    if read.name == "VCALENDAR" {
        Ok(read)
    } else {
        Err(BadRequest::Filter("VCALENDAR comes first"))
    }
}

fn comp(element: &Element) -> Result<CompFilter, BadRequest> {
    let mut read = CompFilter {
        name: name(element)?,
        is_not_defined: element.child(&Ns::CalDav, "is-not-defined").is_some(),
        range: None,
        props: Vec::new(),
        comps: Vec::new(),
    };
    for inside in element.elements().filter(|e| e.name.ns == Ns::CalDav) {
        match inside.name.local.as_str() {
            "time-range" => read.range = Some(time_range(inside)?),
            "prop-filter" => read.props.push(prop(inside, &Ns::CalDav)?),
            "comp-filter" => read.comps.push(comp(inside)?),
            _ => {}
        }
    }
    let has_range = read.range.is_some();
    if has_range && (read.name == "VCALENDAR" || read.name == "VTIMEZONE") {
        return Err(BadRequest::Filter("this component has no time"));
    }
    if read.is_not_defined && (has_range || !read.props.is_empty() || !read.comps.is_empty()) {
        return Err(BadRequest::Filter("is-not-defined stands alone"));
    }
    Ok(read)
}

fn prop(element: &Element, ns: &Ns) -> Result<PropFilter, BadRequest> {
    let mut read = PropFilter {
        name: name(element)?,
        is_not_defined: element.child(ns, "is-not-defined").is_some(),
        range: None,
        texts: Vec::new(),
        params: Vec::new(),
        any: *ns == Ns::CardDav && any_of(element, true)?,
    };
    for inside in element.elements().filter(|e| e.name.ns == *ns) {
        match inside.name.local.as_str() {
            "time-range" if *ns == Ns::CalDav => read.range = Some(time_range(inside)?),
            "text-match" => read.texts.push(text(inside)?),
            "param-filter" => read.params.push(param(inside, ns)?),
            _ => {}
        }
    }
    let has_more = read.range.is_some() || !read.texts.is_empty() || !read.params.is_empty();
    if read.is_not_defined && has_more {
        return Err(BadRequest::Filter("is-not-defined stands alone"));
    }
    if *ns == Ns::CalDav && read.texts.len() > 1 {
        return Err(BadRequest::Filter("one text-match"));
    }
    Ok(read)
}

fn param(element: &Element, ns: &Ns) -> Result<ParamFilter, BadRequest> {
    let read = ParamFilter {
        name: name(element)?,
        is_not_defined: element.child(ns, "is-not-defined").is_some(),
        text: element.child(ns, "text-match").map(text).transpose()?,
    };
    if read.is_not_defined && read.text.is_some() {
        return Err(BadRequest::Filter("is-not-defined stands alone"));
    }
    Ok(read)
}

fn text(element: &Element) -> Result<TextMatch, BadRequest> {
    let is_card = element.name.ns == Ns::CardDav;
    let collation = match element.attribute("collation") {
        None | Some("default") if is_card => Collation::UnicodeCasemap,
        None | Some("default") => Collation::AsciiCasemap,
        Some(name) => Collation::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, collation)| *collation)
            .ok_or(BadRequest::Collation)?,
    };
    let place = match element.attribute("match-type") {
        None | Some("contains") => Place::Contains,
        Some("equals") => Place::Equals,
        Some("starts-with") => Place::Starts,
        Some("ends-with") => Place::Ends,
        Some(_) => return Err(BadRequest::Filter("match-type")),
    };
    let negate = match element.attribute("negate-condition") {
        None | Some("no") => false,
        Some("yes") => true,
        Some(_) => return Err(BadRequest::Filter("negate-condition")),
    };
    Ok(TextMatch {
        value: element.text(),
        collation,
        place,
        negate,
    })
}

/// `CR:filter` (RFC 6352 10.5): conditions of which one is enough, unless `test` says otherwise.
///
/// # Errors
/// [`BadRequest::Filter`] or [`BadRequest::Collation`].
pub fn card(filter: &Element) -> Result<CardFilter, BadRequest> {
    let props = filter
        .all(&Ns::CardDav, "prop-filter")
        .map(|element| prop(element, &Ns::CardDav))
        .collect::<Result<_, _>>()?;
    Ok(CardFilter {
        any: any_of(filter, true)?,
        props,
    })
}

fn any_of(element: &Element, default: bool) -> Result<bool, BadRequest> {
    match element.attribute("test") {
        None => Ok(default),
        Some("anyof") => Ok(true),
        Some("allof") => Ok(false),
        Some(_) => Err(BadRequest::Filter("test")),
    }
}

fn name(element: &Element) -> Result<String, BadRequest> {
    match element.attribute("name") {
        Some(name) if !name.is_empty() => Ok(name.to_ascii_uppercase()),
        _ => Err(BadRequest::Filter("a name is missing")),
    }
}

/// `time-range` (RFC 4791 9.9): one end at least, in order.
///
/// # Errors
/// [`BadRequest::Filter`].
pub fn time_range(element: &Element) -> Result<Range, BadRequest> {
    let range = Range {
        start: bound(element, "start")?,
        end: bound(element, "end")?,
    };
    match (range.start, range.end) {
        (None, None) => Err(BadRequest::Filter("a time-range without bounds")),
        (Some(start), Some(end)) if start >= end => {
            Err(BadRequest::Filter("a time-range ends before it begins"))
        }
        _ => Ok(range),
    }
}

/// The range of `expand` and its kin: both ends are named.
pub(super) fn bounded_range(element: &Element) -> Result<Range, BadRequest> {
    let range = time_range(element)?;
    if range.start.is_some() && range.end.is_some() {
        Ok(range)
    } else {
        Err(BadRequest::Filter("both bounds are needed"))
    }
}

fn bound(element: &Element, name: &'static str) -> Result<Option<OffsetDateTime>, BadRequest> {
    element
        .attribute(name)
        .map(|text| instant(text).ok_or(BadRequest::Filter("a bound is a UTC date-time")))
        .transpose()
}
