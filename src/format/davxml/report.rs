//! Bodies of REPORT: RFC 4791 7, RFC 6352 8, RFC 6578 3, RFC 3744 9, RFC 3253 3.8.

use super::filter::{self, CardFilter, CompFilter, Range};
use super::request::{Asked, PropAsk, asked};
use super::{BadRequest, Element, Name, Ns};

/// What a REPORT asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// `calendar-multiget` and `addressbook-multiget`: these objects.
    Multiget {
        /// Whether it is the calendars' one.
        is_calendar: bool,
        /// What of them.
        asked: Asked,
        /// Their addresses as they were written.
        hrefs: Vec<String>,
    },
    /// `calendar-query`
    CalendarQuery {
        /// What of them.
        asked: Asked,
        /// Which.
        filter: CompFilter,
        /// A VCALENDAR whose time zone floating times are read in.
        timezone: Option<String>,
        /// An IANA name instead (RFC 7809 5.3).
        timezone_id: Option<String>,
    },
    /// `addressbook-query`
    CardQuery {
        /// What of them.
        asked: Asked,
        /// Which.
        filter: CardFilter,
        /// At most so many.
        limit: Option<usize>,
    },
    /// `free-busy-query`
    FreeBusy(Range),
    /// `sync-collection`
    Sync {
        /// What of them.
        asked: Asked,
        /// What the client has; empty: nothing.
        token: String,
        /// Asked for everything below, not the members alone.
        is_infinite: bool,
        /// At most so many.
        limit: Option<usize>,
    },
    /// `principal-property-search`
    PrincipalSearch {
        /// What of them.
        asked: Asked,
        /// Property and text; empty text finds all.
        searches: Vec<(Vec<Name>, String)>,
        /// One condition is enough.
        any: bool,
    },
    /// `principal-search-property-set`
    PrincipalSearchProperties,
    /// `principal-match`: the asker, where `self` is asked.
    PrincipalMatch {
        /// What of them.
        asked: Asked,
        /// Asked for the principal itself, not for a property that names it.
        is_self: bool,
    },
    /// `expand-property`
    Expand(Vec<PropAsk>),
}

/// Reads the body of a REPORT; at most `most_hrefs` addresses.
///
/// # Errors
/// [`BadRequest`]; `Report` when there is no such one.
pub fn report(root: &Element, most_hrefs: usize) -> Result<Report, BadRequest> {
    match (&root.name.ns, root.name.local.as_str()) {
        (Ns::CalDav, "calendar-multiget") => multiget(root, true, most_hrefs),
        (Ns::CardDav, "addressbook-multiget") => multiget(root, false, most_hrefs),
        (Ns::CalDav, "calendar-query") => calendar_query(root),
        (Ns::CardDav, "addressbook-query") => card_query(root),
        (Ns::CalDav, "free-busy-query") => {
            let range = root
                .child(&Ns::CalDav, "time-range")
                .ok_or(BadRequest::Shape("time-range"))?;
            Ok(Report::FreeBusy(filter::time_range(range)?))
        }
        (Ns::Dav, "sync-collection") => sync(root),
        (Ns::Dav, "principal-property-search") => principal_search(root),
        (Ns::Dav, "principal-search-property-set") => Ok(Report::PrincipalSearchProperties),
        (Ns::Dav, "principal-match") => Ok(Report::PrincipalMatch {
            asked: props(root)?,
            is_self: root.child(&Ns::Dav, "self").is_some(),
        }),
        (Ns::Dav, "expand-property") => Ok(Report::Expand(expand(root)?)),
        _ => Err(BadRequest::Report),
    }
}

fn props(root: &Element) -> Result<Asked, BadRequest> {
    Ok(asked(root)?.unwrap_or(Asked::These(Vec::new())))
}

fn multiget(root: &Element, is_calendar: bool, most: usize) -> Result<Report, BadRequest> {
    let hrefs: Vec<String> = root
        .all(&Ns::Dav, "href")
        .take(most.saturating_add(1))
        .map(|href| href.text().trim().to_owned())
        .collect();
    if hrefs.is_empty() {
        return Err(BadRequest::Shape("href"));
    }
    Ok(Report::Multiget {
        is_calendar,
        asked: props(root)?,
        hrefs,
    })
}

fn calendar_query(root: &Element) -> Result<Report, BadRequest> {
    let filter = root
        .child(&Ns::CalDav, "filter")
        .ok_or(BadRequest::Filter("it is missing"))?;
    let text = |local| {
        root.child(&Ns::CalDav, local)
            .map(|element| element.text().trim().to_owned())
    };
    Ok(Report::CalendarQuery {
        asked: props(root)?,
        filter: filter::calendar(filter)?,
        timezone: text("timezone"),
        timezone_id: text("timezone-id"),
    })
}

fn card_query(root: &Element) -> Result<Report, BadRequest> {
    let filter = root.child(&Ns::CardDav, "filter");
    let limit = root
        .child(&Ns::CardDav, "limit")
        .map(|limit| number(limit.child(&Ns::CardDav, "nresults")))
        .transpose()?;
    Ok(Report::CardQuery {
        asked: props(root)?,
        filter: filter.map(filter::card).transpose()?.unwrap_or_default(),
        limit,
    })
}

fn sync(root: &Element) -> Result<Report, BadRequest> {
    let token = root
        .child(&Ns::Dav, "sync-token")
        .map(|token| token.text().trim().to_owned())
        .unwrap_or_default();
    let is_infinite = match root.child(&Ns::Dav, "sync-level").map(Element::text) {
        // RFC 6578 6.3 wants one; drafts had the Depth header instead, and old clients still leave it out.
        None => false,
        Some(level) => match level.trim() {
            "1" => false,
            "infinite" | "infinity" => true,
            _ => return Err(BadRequest::Value("sync-level")),
        },
    };
    let limit = root
        .child(&Ns::Dav, "limit")
        .map(|limit| number(limit.child(&Ns::Dav, "nresults")))
        .transpose()?;
    Ok(Report::Sync {
        asked: props(root)?,
        token,
        is_infinite,
        limit,
    })
}

fn number(element: Option<&Element>) -> Result<usize, BadRequest> {
    let text = element.ok_or(BadRequest::Shape("nresults"))?.text();
    match text.trim().parse() {
        Ok(0) | Err(_) => Err(BadRequest::Value("nresults")),
        Ok(number) => Ok(number),
    }
}

fn principal_search(root: &Element) -> Result<Report, BadRequest> {
    let mut searches = Vec::new();
    for search in root.all(&Ns::Dav, "property-search") {
        let names: Vec<Name> = search
            .all(&Ns::Dav, "prop")
            .flat_map(Element::elements)
            .map(|prop| prop.name.clone())
            .collect();
        let text = search
            .child(&Ns::Dav, "match")
            .ok_or(BadRequest::Shape("match"))?
            .text();
        if names.is_empty() {
            return Err(BadRequest::Shape("prop"));
        }
        searches.push((names, text));
    }
    if searches.is_empty() || searches.len() > MOST_SEARCHES {
        return Err(BadRequest::Shape("property-search"));
    }
    Ok(Report::PrincipalSearch {
        asked: props(root)?,
        searches,
        any: root.attribute("test") == Some("anyof"),
    })
}

fn expand(parent: &Element) -> Result<Vec<PropAsk>, BadRequest> {
    let mut asks = Vec::new();
    for element in parent.all(&Ns::Dav, "property") {
        let local = element.attribute("name").ok_or(BadRequest::Shape("name"))?;
        let ns = element.attribute("namespace").unwrap_or("DAV:");
        asks.push(PropAsk {
            inner: expand(element)?,
            ..PropAsk::plain(Name::new(Ns::of(ns), local))
        });
        if asks.len() > MOST_EXPANDED {
            return Err(BadRequest::Shape("property"));
        }
    }
    Ok(asks)
}

const MOST_SEARCHES: usize = 20;
const MOST_EXPANDED: usize = 100;
