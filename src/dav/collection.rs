//! MKCALENDAR (RFC 4791 5.3.1), extended MKCOL (RFC 5689), DELETE of a collection.

use axum::http::StatusCode;
use serde_json::Value;

use super::headers::{Depth, depth};
use super::path::{Family, Place};
use super::propfind::{Edit, Verdict, Verdicts, told};
use super::reply::{Answer, Condition, Fault, empty};
use super::resource::{Asker, Resource};
use super::{Call, body};
use crate::error::Refusal;
use crate::format::davxml::request::{Change, make_collection};
use crate::format::davxml::{Element, Name, Ns};
use crate::model::CollectionKind;
use crate::service::items::NewShelf;

/// MKCALENDAR: a calendar, task list or notebook, by the components it shall take.
///
/// # Errors
/// 403 `resource-must-be-null`, `calendar-collection-location-ok`; 409 without a parent.
pub async fn make_calendar(asker: Asker, call: Call) -> Answer {
    make(asker, call, true).await
}

/// MKCOL with a body that says what it shall be.
///
/// # Errors
/// 405 when something is there, 403 `valid-resourcetype`, 409 without a parent.
pub async fn make_collection_of_kind(asker: Asker, call: Call) -> Answer {
    make(asker, call, false).await
}

async fn make(asker: Asker, call: Call, is_mkcalendar: bool) -> Answer {
    let Call { place, parts, body } = call;
    let root = body::xml(&parts, body, &asker.app.config.dav).await?;
    let (family, slug) = location(&asker, &place, is_mkcalendar)?;
    let set = match &root {
        Some(root) => make_collection(root)?,
        None => Vec::new(),
    };
    let kind = kind(&set, family, is_mkcalendar)?;
    if asker.app.items.shelf(asker.me.id, &slug).await.is_ok() {
        return Err(taken(is_mkcalendar));
    }
    let mut edit = Edit::new(&Value::Null);
    let verdicts: Verdicts = set
        .into_iter()
        .filter(|e| !is_kind(&e.name))
        .map(|element| edit.apply(&Change::Set(element), &slug))
        .collect();
    if verdicts.iter().any(Verdict::is_refused) {
        let (ns, root) = if is_mkcalendar {
            (Ns::CalDav, "mkcalendar-response")
        } else {
            (Ns::Dav, "mkcol-response")
        };
        let mut response = told(root, &ns, None, &verdicts);
        if !is_mkcalendar {
            // RFC 5689 3.3: not a multistatus.
            *response.status_mut() = StatusCode::FAILED_DEPENDENCY;
        }
        return Ok(response);
    }
    let new = NewShelf {
        kind,
        slug: &slug,
        name: edit.name.as_deref().unwrap_or(&slug),
        color: edit.color.as_deref(),
        description: edit.description.as_deref().unwrap_or_default(),
        sort_order: edit.order.unwrap_or_default(),
        time_zone: edit.zone.as_deref(),
        properties: Some(&edit.properties),
    };
    match asker.app.items.create_shelf(asker.me.id, &new).await {
        Ok(_) => Ok(empty(StatusCode::CREATED)),
        Err(Refusal::Exists) => Err(taken(is_mkcalendar)),
        Err(Refusal::Invalid("slug")) => Err(misplaced(is_mkcalendar)),
        // The number of collections: trying again does not help.
        Err(Refusal::TooMany { .. }) => Err(Fault::status(StatusCode::INSUFFICIENT_STORAGE)),
        Err(Refusal::Invalid(what)) => {
            Err(Fault::status(StatusCode::CONFLICT).because(format!("the {what} is not valid")))
        }
        Err(other) => Err(other.into()),
    }
}

/// A free segment in one of the asker's homes.
fn location(asker: &Asker, place: &Place, is_mkcalendar: bool) -> Result<(Family, String), Fault> {
    match place {
        Place::Collection(family, who, slug) if asker.is_me(who) => {
            if is_mkcalendar && *family == Family::Books {
                return Err(misplaced(is_mkcalendar));
            }
            Ok((*family, slug.clone()))
        }
        // A collection inside a collection (RFC 4791 4.2), or in no home at all.
        Place::Item(_, who, _, _) if asker.is_me(who) => Err(misplaced(is_mkcalendar)),
        Place::Collection(..) | Place::Item(..) => {
            Err(Fault::status(StatusCode::CONFLICT).because("there is no such home"))
        }
        _ => Err(taken(is_mkcalendar)),
    }
}

fn taken(is_mkcalendar: bool) -> Fault {
    if is_mkcalendar {
        Fault::forbidden(Condition::dav("resource-must-be-null"))
    } else {
        Fault::status(StatusCode::METHOD_NOT_ALLOWED)
    }
}

fn misplaced(is_mkcalendar: bool) -> Fault {
    Fault::forbidden(if is_mkcalendar {
        Condition::caldav("calendar-collection-location-ok")
    } else {
        Condition::carddav("addressbook-collection-location-ok")
    })
}

fn is_kind(name: &Name) -> bool {
    name.is(&Ns::Dav, "resourcetype") || name.is(&Ns::CalDav, "supported-calendar-component-set")
}

/// What it shall hold. A calendar takes one kind of component; who asks for several gets the first of events, tasks and
/// notes that is among them, and sees in `supported-calendar-component-set` what came of it.
fn kind(set: &[Element], family: Family, is_mkcalendar: bool) -> Result<CollectionKind, Fault> {
    let find = |ns: &Ns, local: &str| set.iter().find(|e| e.name.is(ns, local));
    let (mut is_calendar, mut is_book) = (is_mkcalendar, false);
    if let Some(types) = find(&Ns::Dav, "resourcetype") {
        is_calendar |= types.child(&Ns::CalDav, "calendar").is_some();
        is_book |= types.child(&Ns::CardDav, "addressbook").is_some();
    }
    match (family, is_calendar, is_book) {
        (Family::Books, false, true) => return Ok(CollectionKind::Contacts),
        (Family::Calendars, true, false) => {}
        _ => return Err(Fault::forbidden(Condition::dav("valid-resourcetype"))),
    }
    let Some(components) = find(&Ns::CalDav, "supported-calendar-component-set") else {
        return Ok(CollectionKind::Calendar);
    };
    let names: Vec<String> = components
        .all(&Ns::CalDav, "comp")
        .filter_map(|comp| comp.attribute("name"))
        .map(str::to_ascii_uppercase)
        .collect();
    [
        ("VEVENT", CollectionKind::Calendar),
        ("VTODO", CollectionKind::Tasks),
        ("VJOURNAL", CollectionKind::Notes),
    ]
    .into_iter()
    .find(|(name, _)| names.iter().any(|n| n == name))
    .map(|(_, kind)| kind)
    .ok_or_else(|| Fault::forbidden(Condition::caldav("supported-calendar-component")))
}

/// DELETE of a collection with everything in it.
///
/// # Errors
/// 400 for a Depth that is not infinity, 403 where nothing may be deleted, 404.
pub async fn delete(asker: Asker, call: Call) -> Answer {
    let Resource::Shelf(shelf) = asker.find(&call.place).await? else {
        return Err(Fault::forbidden(Condition::dav("need-privileges")));
    };
    if depth(&call.parts.headers, Depth::Infinity)? != Depth::Infinity {
        return Err(Fault::bad("a collection is deleted with all that is in it"));
    }
    asker.app.items.delete_shelf(shelf.at).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
