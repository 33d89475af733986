//! Bodies of PROPFIND, PROPPATCH, MKCALENDAR and extended MKCOL.
//!
//! RFC 4918 9.1, 9.2 and 14; RFC 4791 5.3.1 and 9.6; RFC 6352 10.4; RFC 5689 3.

use time::OffsetDateTime;

use super::filter::{self, Range};
use super::{BadRequest, Element, Name, Ns};

/// Which properties are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Those of `allprop`, and these beside them.
    All(Vec<PropAsk>),
    /// Their names alone.
    Names,
    /// These.
    These(Vec<PropAsk>),
}

/// One property that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropAsk {
    /// Its name.
    pub name: Name,
    /// What of the object is asked for, if it is `calendar-data` or `address-data`.
    pub data: Option<DataAsk>,
    /// Properties of the resources that it names (`expand-property`, RFC 3253 3.8).
    pub inner: Vec<PropAsk>,
}

impl PropAsk {
    /// A property as such.
    #[must_use]
    pub fn plain(name: Name) -> Self {
        Self {
            name,
            data: None,
            inner: Vec::new(),
        }
    }
}

/// In which shape an object is asked for (RFC 4791 9.6, RFC 6352 10.4).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataAsk {
    /// Media type and version, when one is named.
    pub content_type: Option<(String, Option<String>)>,
    /// The parts wanted; none: the whole object as it is stored.
    pub part: Option<CompAsk>,
    /// vCard properties wanted (RFC 6352 10.4.2), in upper case; none: all.
    pub card_props: Option<Vec<String>>,
    /// Recurrences written out as instances of this range.
    pub expand: Option<Range>,
    /// Only overrides that touch this range.
    pub limit_recurrence_set: Option<Range>,
    /// Only free-busy periods of this range.
    pub limit_freebusy_set: Option<Range>,
}

impl DataAsk {
    /// Whether the object goes out as it is stored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.part.is_none()
            && self.card_props.is_none()
            && self.expand.is_none()
            && self.limit_recurrence_set.is_none()
            && self.limit_freebusy_set.is_none()
    }
}

/// Which parts of a component are asked for (RFC 4791 9.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompAsk {
    /// Its name in upper case.
    pub name: String,
    /// All its properties, or these (in upper case) and whether their values are left out.
    pub props: Option<Vec<(String, bool)>>,
    /// All components inside, or these.
    pub comps: Option<Vec<CompAsk>>,
}

/// The body of PROPFIND; an empty one is `allprop` (RFC 4918 9.1).
///
/// # Errors
/// [`BadRequest`].
pub fn propfind(root: &Element) -> Result<Asked, BadRequest> {
    if !root.name.is(&Ns::Dav, "propfind") {
        return Err(BadRequest::Root);
    }
    asked(root)?.ok_or(BadRequest::Shape("prop"))
}

/// `prop`, `allprop` (with `include`) or `propname` inside a request; at most one of them.
pub(super) fn asked(parent: &Element) -> Result<Option<Asked>, BadRequest> {
    let mut found = None;
    for element in parent.elements().filter(|e| e.name.ns == Ns::Dav) {
        let one = match element.name.local.as_str() {
            "prop" => Asked::These(props(element)?),
            "allprop" => {
                let include = parent.child(&Ns::Dav, "include");
                Asked::All(include.map(props).transpose()?.unwrap_or_default())
            }
            "propname" => Asked::Names,
            _ => continue,
        };
        if found.replace(one).is_some() {
            return Err(BadRequest::Shape("prop"));
        }
    }
    Ok(found)
}

fn props(parent: &Element) -> Result<Vec<PropAsk>, BadRequest> {
    let mut asks: Vec<PropAsk> = Vec::new();
    for element in parent.elements() {
        let data = if element.name.is(&Ns::CalDav, "calendar-data")
            || element.name.is(&Ns::CardDav, "address-data")
        {
            Some(data(element)?)
        } else {
            None
        };
        if !asks.iter().any(|ask| ask.name == element.name) {
            asks.push(PropAsk {
                data,
                ..PropAsk::plain(element.name.clone())
            });
        }
        if asks.len() > MOST_PROPS {
            return Err(BadRequest::Shape("prop"));
        }
    }
    Ok(asks)
}

fn data(element: &Element) -> Result<DataAsk, BadRequest> {
    let content_type = element.attribute("content-type").map(|kind| {
        let version = element.attribute("version").map(str::to_owned);
        (kind.to_ascii_lowercase(), version)
    });
    let mut ask = DataAsk {
        content_type,
        ..DataAsk::default()
    };
    for inside in element.elements() {
        match (&inside.name.ns, inside.name.local.as_str()) {
            (Ns::CalDav, "comp") => ask.part = Some(comp(inside)?),
            (Ns::CalDav, "expand") => ask.expand = Some(filter::bounded_range(inside)?),
            (Ns::CalDav, "limit-recurrence-set") => {
                ask.limit_recurrence_set = Some(filter::bounded_range(inside)?);
            }
            (Ns::CalDav, "limit-freebusy-set") => {
                ask.limit_freebusy_set = Some(filter::bounded_range(inside)?);
            }
            (Ns::CardDav, "prop") => {
                let name = inside.attribute("name").ok_or(BadRequest::Shape("name"))?;
                ask.card_props
                    .get_or_insert_default()
                    .push(name.to_ascii_uppercase());
            }
            (Ns::CardDav, "allprop") => ask.card_props = None,
            _ => {}
        }
    }
    if ask.expand.is_some() && ask.limit_recurrence_set.is_some() {
        return Err(BadRequest::Shape("expand"));
    }
    Ok(ask)
}

fn comp(element: &Element) -> Result<CompAsk, BadRequest> {
    let name = element.attribute("name").ok_or(BadRequest::Shape("name"))?;
    let mut ask = CompAsk {
        name: name.to_ascii_uppercase(),
        props: Some(Vec::new()),
        comps: Some(Vec::new()),
    };
    let mut is_bare = true;
    for inside in element.elements().filter(|e| e.name.ns == Ns::CalDav) {
        is_bare = false;
        match inside.name.local.as_str() {
            "allprop" => ask.props = None,
            "allcomp" => ask.comps = None,
            "prop" => {
                let name = inside.attribute("name").ok_or(BadRequest::Shape("name"))?;
                let no_value = inside.attribute("novalue") == Some("yes");
                if let Some(props) = &mut ask.props {
                    props.push((name.to_ascii_uppercase(), no_value));
                }
            }
            "comp" => {
                let inner = comp(inside)?;
                if let Some(comps) = &mut ask.comps {
                    comps.push(inner);
                }
            }
            _ => {}
        }
    }
    if is_bare {
        // RFC 4791 9.6.1: a component that names nothing inside is asked for whole.
        ask.props = None;
        ask.comps = None;
    }
    Ok(ask)
}

/// One step of a PROPPATCH, in document order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Gives the property this value.
    Set(Element),
    /// Takes it away.
    Remove(Name),
}

impl Change {
    /// The property it is about.
    #[must_use]
    pub fn name(&self) -> &Name {
        match self {
            Self::Set(element) => &element.name,
            Self::Remove(name) => name,
        }
    }
}

/// The body of PROPPATCH (RFC 4918 14.19).
///
/// # Errors
/// [`BadRequest`].
pub fn proppatch(root: &Element) -> Result<Vec<Change>, BadRequest> {
    if !root.name.is(&Ns::Dav, "propertyupdate") {
        return Err(BadRequest::Root);
    }
    let changes = changes(root);
    if changes.is_empty() || changes.len() > MOST_PROPS {
        return Err(BadRequest::Shape("prop"));
    }
    Ok(changes)
}

fn changes(root: &Element) -> Vec<Change> {
    let mut changes = Vec::new();
    for step in root.elements().filter(|e| e.name.ns == Ns::Dav) {
        let is_set = match step.name.local.as_str() {
            "set" => true,
            "remove" => false,
            _ => continue,
        };
        for prop in step.all(&Ns::Dav, "prop") {
            changes.extend(prop.elements().map(|element| {
                if is_set {
                    Change::Set(element.clone())
                } else {
                    Change::Remove(element.name.clone())
                }
            }));
        }
    }
    changes
}

/// The body of MKCOL (RFC 5689 3) or MKCALENDAR (RFC 4791 5.3.1.2): properties to begin with.
///
/// # Errors
/// [`BadRequest`].
pub fn make_collection(root: &Element) -> Result<Vec<Element>, BadRequest> {
    if !root.name.is(&Ns::Dav, "mkcol") && !root.name.is(&Ns::CalDav, "mkcalendar") {
        return Err(BadRequest::Root);
    }
    let mut set = Vec::new();
    for change in changes(root) {
        match change {
            Change::Set(element) => set.push(element),
            Change::Remove(_) => return Err(BadRequest::Shape("remove")),
        }
    }
    if set.len() > MOST_PROPS {
        return Err(BadRequest::Shape("prop"));
    }
    Ok(set)
}

/// A point in time in UTC as `CalDAV` writes it: `20260301T120000Z`.
#[must_use]
pub fn instant(text: &str) -> Option<OffsetDateTime> {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(text, format)
        .ok()
        .map(time::PrimitiveDateTime::assume_utc)
}

/// Properties named in one request; nobody has so many.
const MOST_PROPS: usize = 500;
