//! REPORT (RFC 3253 3.6): one function a report, one file where it has a life of its own.

mod freebusy;
mod multiget;
mod principals;
mod query;
mod sync;

use super::headers::wants_minimal;
use super::reply::{Answer, Condition, Fault};
use super::resource::{Asker, Resource};
use super::{Call, body};
use crate::format::davxml::report::{Report, report as read};
use crate::model::CollectionKind;
use crate::service::items::Shelf;

/// REPORT: reads which one, and asks it.
///
/// # Errors
/// 400, 403 `supported-report`, 404, 413 and what the report says.
pub async fn report(asker: Asker, call: Call) -> Answer {
    let Call { place, parts, body } = call;
    let limits = &asker.app.config.dav;
    let most = limits.hrefs;
    let root = body::xml(&parts, body, limits)
        .await?
        .ok_or_else(|| Fault::bad("REPORT has a body"))?;
    let report = read(&root, most)?;
    let is_minimal = wants_minimal(&parts.headers);
    let resource = asker.find(&place).await?;
    match report {
        Report::Multiget {
            is_calendar,
            asked,
            hrefs,
        } => {
            check_kind(&resource, is_calendar)?;
            multiget::multiget(asker, resource, asked, hrefs, is_minimal).await
        }
        Report::CalendarQuery {
            asked,
            filter,
            timezone,
            timezone_id,
        } => {
            let shelf = shelf(&resource, true)?;
            let zone = query::zone(timezone.as_deref(), timezone_id.as_deref())?;
            query::calendar(asker, shelf, resource, asked, filter, zone, is_minimal).await
        }
        Report::CardQuery {
            asked,
            filter,
            limit,
        } => {
            let shelf = shelf(&resource, false)?;
            query::cards(asker, shelf, resource, asked, filter, limit, is_minimal).await
        }
        Report::FreeBusy(range) => freebusy::freebusy(asker, shelf(&resource, true)?, range).await,
        Report::Sync {
            asked,
            token,
            is_infinite,
            limit,
        } => {
            let Resource::Shelf(shelf) = resource else {
                // RFC 6578 3.3: only a collection has members to tell of.
                return Err(unsupported());
            };
            if is_infinite {
                return Err(Fault::forbidden(Condition::dav("sync-traversal-supported")));
            }
            sync::sync(asker, shelf, asked, &token, limit, is_minimal).await
        }
        Report::PrincipalSearch {
            asked,
            searches,
            any,
        } => principals::search(asker, asked, searches, any, is_minimal).await,
        Report::PrincipalSearchProperties => Ok(principals::search_properties()),
        Report::PrincipalMatch { asked, .. } => {
            principals::matching(asker, asked, is_minimal).await
        }
        Report::Expand(asks) => principals::expand(asker, resource, asks).await,
    }
}

fn unsupported() -> Fault {
    Fault::forbidden(Condition::dav("supported-report"))
}

/// The collection that a query is about; a query on an object is about this object of it.
fn shelf(resource: &Resource, is_calendar: bool) -> Result<std::sync::Arc<Shelf>, Fault> {
    check_kind(resource, is_calendar)?;
    match resource {
        Resource::Shelf(shelf) | Resource::Item(shelf, _) => Ok(std::sync::Arc::clone(shelf)),
        _ => Err(unsupported()),
    }
}

/// A report of calendars is none of address books, and the reverse. Homes take those of their kind too: clients ask there.
fn check_kind(resource: &Resource, is_calendar: bool) -> Result<(), Fault> {
    let fits = match resource {
        Resource::Shelf(shelf) | Resource::Item(shelf, _) => {
            (shelf.kind() != Some(CollectionKind::Contacts)) == is_calendar
        }
        Resource::Home(family) => (*family == super::path::Family::Calendars) == is_calendar,
        _ => false,
    };
    if fits { Ok(()) } else { Err(unsupported()) }
}
