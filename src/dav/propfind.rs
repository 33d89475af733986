//! PROPFIND (RFC 4918 9.1) and PROPPATCH (9.2).

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::Value;

use super::headers::{Depth, depth, wants_minimal};
use super::multistatus::{Members, Plan, answer};
use super::path::{Family, Proxy};
use super::props::{self, Live};
use super::reply::{Answer, Condition, Fault, empty, status_line, xml};
use super::resource::{Asker, Resource};
use super::{Call, body};
use crate::format::davxml::request::{Asked, Change, propfind as read_propfind, proppatch};
use crate::format::davxml::{Element, Name, Ns, Writer};
use crate::format::ical::{Zone, named_zone};
use crate::service::items::ShelfEdit;

/// PROPFIND: 207, one `response` a resource. Depth infinity is refused (RFC 4918 9.1.1).
///
/// # Errors
/// 400, 403 `propfind-finite-depth`, 404, 413.
pub async fn propfind(asker: Asker, call: Call) -> Answer {
    let Call { place, parts, body } = call;
    let asked = match body::xml(&parts, body, &asker.app.config.dav).await? {
        Some(root) => read_propfind(&root)?,
        None => Asked::All(Vec::new()),
    };
    let depth = depth(&parts.headers, Depth::Infinity)?;
    let resource = asker.find(&place).await?;
    // A client that forgets the header means the thing itself; one that says infinity is told.
    let is_said = parts.headers.contains_key("depth");
    let is_leaf = matches!(resource, Resource::Item(..) | Resource::ProxyGroup(..));
    let deep = match depth {
        Depth::Infinity if is_said && !is_leaf => {
            return Err(Fault::forbidden(Condition::dav("propfind-finite-depth")));
        }
        Depth::One => !is_leaf,
        Depth::Zero | Depth::Infinity => false,
    };
    let mut plan = Plan::new(&asker, asked, wants_minimal(&parts.headers)).await?;
    let mut head = vec![resource];
    let mut inside = None;
    if deep {
        match head.first() {
            Some(Resource::Shelf(shelf)) => inside = Some(std::sync::Arc::clone(shelf)),
            Some(resource) => {
                let below = members(&asker, resource).await?;
                head.extend(below);
            }
            None => {}
        }
    }
    plan.prepare(&asker, &head).await?;
    answer(Members::new(asker, plan, head, inside)).await
}

/// What is directly inside of what is no collection of objects.
async fn members(asker: &Asker, of: &Resource) -> Result<Vec<Resource>, Fault> {
    let me = std::sync::Arc::clone(&asker.me);
    Ok(match of {
        Resource::Root => vec![
            Resource::Principals,
            Resource::Homes(Family::Calendars),
            Resource::Homes(Family::Books),
        ],
        Resource::Principals => {
            let address = me.address.clone();
            vec![Resource::Principal(asker.person(&address).await?)]
        }
        Resource::Homes(family) => vec![Resource::Home(*family)],
        Resource::Home(family) => asker
            .shelves(*family)
            .await?
            .into_iter()
            .map(Resource::Shelf)
            .collect(),
        Resource::Principal(who) if who.id == me.id => vec![
            Resource::ProxyGroup(std::sync::Arc::clone(&me), Proxy::Read),
            Resource::ProxyGroup(me, Proxy::Write),
        ],
        Resource::Principal(_)
        | Resource::ProxyGroup(..)
        | Resource::Shelf(_)
        | Resource::Item(..) => Vec::new(),
    })
}

/// PROPPATCH of a collection: all changes or none (RFC 4918 9.2).
///
/// # Errors
/// 400, 403, 404, 413.
pub async fn patch(asker: Asker, call: Call) -> Answer {
    let Call { place, parts, body } = call;
    let root = body::xml(&parts, body, &asker.app.config.dav)
        .await?
        .ok_or_else(|| Fault::bad("PROPPATCH has a body"))?;
    let changes = proppatch(&root)?;
    let resource = asker.find(&place).await?;
    let href = asker.href(&resource);
    let Resource::Shelf(shelf) = resource else {
        // Nothing else of ours has properties that could change.
        let refused = changes
            .iter()
            .map(|change| Verdict::refused(change, None))
            .collect();
        return Ok(told("multistatus", &Ns::Dav, Some(&href), &refused));
    };
    let mut edit = Edit::new(&shelf.row.properties);
    let verdicts: Verdicts = changes.iter().map(|c| edit.apply(c, &shelf.slug)).collect();
    if verdicts.iter().any(|v| v.refused.is_some()) {
        return Ok(told("multistatus", &Ns::Dav, Some(&href), &verdicts));
    }
    asker
        .app
        .items
        .edit_shelf(shelf.at, &edit.as_shelf_edit())
        .await
        .map_err(invalid)?;
    if wants_minimal(&parts.headers) {
        return Ok(empty(StatusCode::OK));
    }
    Ok(told("multistatus", &Ns::Dav, Some(&href), &verdicts))
}

/// A value that breaks a rule of the service.
fn invalid(refusal: crate::error::Refusal) -> Fault {
    match refusal {
        crate::error::Refusal::Invalid("properties") => {
            Fault::status(StatusCode::INSUFFICIENT_STORAGE)
        }
        crate::error::Refusal::Invalid(what) => {
            Fault::status(StatusCode::CONFLICT).because(format!("the {what} is not valid"))
        }
        other => other.into(),
    }
}

/// What becomes of one change.
pub(super) struct Verdict {
    name: Name,
    /// Why not, with the condition if there is one.
    refused: Option<(StatusCode, Option<Condition>)>,
}

/// Of all of them.
pub(super) type Verdicts = Vec<Verdict>;

impl Verdict {
    pub(super) fn refused(change: &Change, condition: Option<Condition>) -> Self {
        Self {
            name: change.name().clone(),
            refused: Some((StatusCode::FORBIDDEN, condition)),
        }
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }
}

/// Changes of a collection, gathered.
pub(super) struct Edit {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) color: Option<String>,
    pub(super) order: Option<i32>,
    pub(super) zone: Option<String>,
    pub(super) properties: Value,
    has_new_properties: bool,
}

impl Edit {
    /// No change yet of a collection with these dead properties.
    pub(super) fn new(properties: &Value) -> Self {
        let properties = if properties.is_object() {
            properties.clone()
        } else {
            Value::Object(serde_json::Map::new())
        };
        Self {
            name: None,
            description: None,
            color: None,
            order: None,
            zone: None,
            properties,
            has_new_properties: false,
        }
    }

    pub(super) fn as_shelf_edit(&self) -> ShelfEdit<'_> {
        ShelfEdit {
            name: self.name.as_deref(),
            color: self.color.as_deref(),
            description: self.description.as_deref(),
            sort_order: self.order,
            time_zone: self.zone.as_deref(),
            properties: self.has_new_properties.then_some(&self.properties),
        }
    }

    /// Takes one change in, or says why not. A name that is taken away becomes the collection's segment.
    pub(super) fn apply(&mut self, change: &Change, slug: &str) -> Verdict {
        let refused = match self.take(change, slug) {
            Ok(()) => None,
            Err(condition) => Some((StatusCode::FORBIDDEN, condition)),
        };
        Verdict {
            name: change.name().clone(),
            refused,
        }
    }

    fn take(&mut self, change: &Change, slug: &str) -> Result<(), Option<Condition>> {
        let name = change.name();
        let element = match change {
            Change::Set(element) => Some(element),
            Change::Remove(_) => None,
        };
        let text = element.map(|e| e.text().trim().to_owned());
        match props::find(name) {
            Some(Live::DisplayName) => {
                self.name = Some(text.filter(|t| !t.is_empty()).unwrap_or(slug.to_owned()));
            }
            Some(Live::CalendarDescription | Live::AddressbookDescription) => {
                self.description = Some(text.unwrap_or_default());
            }
            Some(Live::CalendarColor) => {
                let color = text.as_deref().and_then(color).ok_or(None)?;
                self.color = Some(color);
                self.keep(name, element);
            }
            Some(Live::CalendarOrder) => {
                self.order = Some(match text {
                    None => 0,
                    Some(text) => text.parse().map_err(|_| None)?,
                });
            }
            Some(Live::CalendarTimezone) => {
                if let Some(text) = &text {
                    let id = zone_id(text)
                        .ok_or_else(|| Some(Condition::caldav("valid-calendar-data")))?;
                    // A zone that nobody knows by name is kept as it is, and nothing else.
                    if let Some(Zone::Iana(zone)) = named_zone(&id) {
                        self.zone = Some(zone.name().to_owned());
                    }
                }
                self.keep(name, element);
            }
            Some(Live::CalendarTimezoneId) => {
                let zone = text.ok_or(None)?;
                if zone.parse::<chrono_tz::Tz>().is_err() {
                    return Err(Some(Condition::caldav("valid-timezone")));
                }
                self.zone = Some(zone);
            }
            None | Some(Live::ScheduleCalendarTransp) => self.keep(name, element),
            Some(_) => return Err(Some(Condition::dav("cannot-modify-protected-property"))),
        }
        Ok(())
    }

    fn keep(&mut self, name: &Name, element: Option<&Element>) {
        self.has_new_properties = true;
        let Some(all) = self.properties.as_object_mut() else {
            return;
        };
        match element {
            Some(element) => {
                all.insert(name.clark(), Value::String(element.to_text()));
            }
            None => {
                all.remove(&name.clark());
            }
        }
    }
}

/// `#RRGGBB` of `#RRGGBB`, `#RRGGBBAA`.
fn color(text: &str) -> Option<String> {
    let digits = text.strip_prefix('#')?;
    let is_color = matches!(digits.len(), 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let color = digits.get(..6).filter(|_| is_color)?;
    Some(format!("#{}", color.to_ascii_lowercase()))
}

/// The name of the VTIMEZONE in a VCALENDAR.
fn zone_id(text: &str) -> Option<String> {
    let limits = crate::format::ical::Limits::default();
    let tree = crate::format::ical::Tree::parse(text.as_bytes(), &limits).ok()?;
    let zone = tree.root().children_named("VTIMEZONE").next()?;
    zone.text("TZID")
}

/// The outcome of a PROPPATCH, or of the properties of a new collection: what was refused, and what failed with it (424).
pub(super) fn told(
    root: &str,
    ns: &Ns,
    href: Option<&str>,
    verdicts: &Verdicts,
) -> axum::http::Response<Body> {
    let is_refused = verdicts.iter().any(Verdict::is_refused);
    let mut w = Writer::document(ns, root);
    if let Some(href) = href {
        w.open(&Ns::Dav, "response");
        w.leaf(&Ns::Dav, "href", href);
    }
    for verdict in verdicts {
        w.open(&Ns::Dav, "propstat");
        w.open(&Ns::Dav, "prop");
        w.empty(&verdict.name.ns, &verdict.name.local);
        w.close(&Ns::Dav, "prop");
        let status = match &verdict.refused {
            Some((status, _)) => *status,
            None if is_refused => StatusCode::FAILED_DEPENDENCY,
            None => StatusCode::OK,
        };
        w.leaf(&Ns::Dav, "status", &status_line(status));
        if let Some((_, Some(condition))) = &verdict.refused {
            w.open(&Ns::Dav, "error");
            Fault::forbidden(condition.clone()).write_error(&mut w);
            w.close(&Ns::Dav, "error");
        }
        w.close(&Ns::Dav, "propstat");
    }
    if href.is_some() {
        w.close(&Ns::Dav, "response");
    }
    w.close(ns, root);
    xml(StatusCode::MULTI_STATUS, w.take())
}

#[cfg(test)]
mod tests {
    use super::color;

    #[test]
    fn colors_lose_their_transparency() {
        assert_eq!(color("#FF2968FF").as_deref(), Some("#ff2968"));
        assert_eq!(color("#FF2968").as_deref(), Some("#ff2968"));
        for bad in ["", "red", "#FFF", "#GG0000", "#FF29680"] {
            assert_eq!(color(bad), None, "{bad}");
        }
    }
}
