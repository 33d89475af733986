//! GET, HEAD, PUT and DELETE of an object (RFC 4791 5.3.2, RFC 6352 6.3.2).
//!
//! What was stored comes back octet for octet, so the answer to PUT bears the ETag (RFC 4791 5.3.4).

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Response, StatusCode, header};

use super::headers::{self, Conditions, Verdict, wants_representation, write_etag};
use super::path::{Family, Place};
use super::reply::{Answer, Condition, Fault, empty};
use super::resource::{Asker, family_of};
use super::values::{content_type, http_date};
use super::{Call, body, collection};
use crate::error::Refusal;
use crate::format::davxml::render;
use crate::format::ical;
use crate::format::vcard::{CardFault, Version};
use crate::model::ModSeq;
use crate::service::items::{Denied, FullItem, Precondition, Shelf};

/// GET and HEAD: an object, or a line for people who come with a browser.
///
/// # Errors
/// 304, 404, 412.
pub async fn get(asker: Asker, call: Call) -> Answer {
    let Call { place, parts, .. } = call;
    let Place::Item(family, who, slug, href) = &place else {
        asker.find(&place).await?;
        return Ok(text(
            "Addresses for calendars and contacts programs (CalDAV and CardDAV).\n",
        ));
    };
    let shelf = asker.shelf(*family, who, slug).await?;
    let item = asker.app.items.item(shelf.at, href).await?;
    match Conditions::read(&parts.headers)?.verdict(Some(item.row.modseq), true) {
        Verdict::Holds => Ok(whole(&parts, &shelf, item)),
        Verdict::Failed => Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
        Verdict::NotModified => {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            set_etag(&mut response, item.row.modseq);
            Ok(response)
        }
    }
}

/// The object; a card in the version that `Accept` prefers (RFC 6352 5.1.1).
fn whole(parts: &Parts, shelf: &Shelf, item: FullItem) -> Response<Body> {
    let mut kind = content_type(shelf, &item.row);
    let etag = item.row.modseq;
    let changed = http_date(item.row.updated_at);
    let mut octets = item.source;
    if item.row.component == "VCARD"
        && let Some(version) = accepted(parts)
        && let Some(other) = render::card_version(&octets, version)
    {
        octets = other;
        kind = format!(
            "text/vcard; charset=utf-8; version={}",
            match version {
                Version::V4 => "4.0",
                Version::V2 | Version::V3 => "3.0",
            }
        );
    }
    let mut response = Response::new(Body::from(octets));
    set_etag(&mut response, etag);
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    if let Ok(changed) = HeaderValue::from_str(&changed) {
        headers.insert(header::LAST_MODIFIED, changed);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// The version a client asks for, if it asks for one.
fn accepted(parts: &Parts) -> Option<Version> {
    let accept = headers::text(&parts.headers, "accept")?.to_ascii_lowercase();
    accept
        .split(',')
        .filter(|range| range.trim().starts_with("text/vcard"))
        .find_map(|range| {
            let version = range
                .split(';')
                .find_map(|parameter| parameter.trim().strip_prefix("version="))?;
            match version.trim_matches('"') {
                "3.0" => Some(Version::V3),
                "4.0" => Some(Version::V4),
                _ => None,
            }
        })
}

fn text(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

pub(super) fn set_etag(response: &mut Response<Body>, etag: ModSeq) {
    if let Ok(value) = HeaderValue::from_str(&write_etag(etag)) {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// PUT: 201 when new, 204 when replaced.
///
/// # Errors
/// 403 and 409 with the precondition that does not hold, 404, 409 without the collection, 412, 413, 507.
pub async fn put(asker: Asker, call: Call) -> Answer {
    let Call { place, parts, body } = call;
    let Place::Item(family, who, slug, href) = &place else {
        // A collection takes no body.
        asker.find(&place).await?;
        return Err(super::not_allowed(&place));
    };
    let shelf = match asker.shelf(*family, who, slug).await {
        // RFC 4918 9.7.1: a parent must be there; somebody else's home is not there at all.
        Err(fault) if fault.code() == StatusCode::NOT_FOUND && asker.is_me(who) => {
            return Err(Fault::status(StatusCode::CONFLICT).because("there is no such collection"));
        }
        other => other?,
    };
    check_type(&parts, *family)?;
    let octets = read_object(&asker, &parts, body, *family).await?;
    let when = precondition(&asker, &parts, &shelf, href).await?;
    let put = asker
        .app
        .items
        .put(shelf.at, href, octets.clone().into(), when)
        .await
        .map_err(|denied| refused(&asker, &shelf, denied))?;
    let mut response = empty(if put.created {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    });
    if wants_representation(&parts.headers) {
        *response.body_mut() = Body::from(octets);
        if !put.created {
            *response.status_mut() = StatusCode::OK;
        }
    }
    set_etag(&mut response, put.modseq);
    Ok(response)
}

/// RFC 4791 5.3.2.1 `supported-calendar-data`, RFC 6352 6.3.2.1 `supported-address-data`.
fn check_type(parts: &Parts, family: Family) -> Result<(), Fault> {
    let Some(value) = headers::text(&parts.headers, "content-type") else {
        return Ok(());
    };
    let kind = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_known = match family {
        Family::Calendars => matches!(kind.as_str(), "text/calendar" | "application/ics"),
        Family::Books => matches!(
            kind.as_str(),
            "text/vcard" | "text/x-vcard" | "text/directory"
        ),
    };
    // Some tools cannot say what they send; what it is, its content shows.
    if is_known
        || matches!(
            kind.as_str(),
            "" | "text/plain" | "application/octet-stream"
        )
    {
        return Ok(());
    }
    Err(Fault::forbidden(match family {
        Family::Calendars => Condition::caldav("supported-calendar-data"),
        Family::Books => Condition::carddav("supported-address-data"),
    }))
}

async fn read_object(
    asker: &Asker,
    parts: &Parts,
    body: Body,
    family: Family,
) -> Result<bytes::Bytes, Fault> {
    let most = match family {
        Family::Calendars => asker.app.items.calendar_limits().bytes,
        Family::Books => asker.app.items.card_limits().bytes,
    };
    body::read(parts, body, most).await.map_err(|fault| {
        if fault.code() == StatusCode::PAYLOAD_TOO_LARGE {
            fault.with(too_large(family))
        } else {
            fault
        }
    })
}

fn too_large(family: Family) -> Condition {
    match family {
        Family::Calendars => Condition::caldav("max-resource-size"),
        Family::Books => Condition::carddav("max-resource-size"),
    }
}

/// The request's conditions as the write path compares them, under the lock.
pub(super) async fn precondition(
    asker: &Asker,
    parts: &Parts,
    shelf: &Shelf,
    href: &str,
) -> Result<Precondition, Fault> {
    let conditions = Conditions::read(&parts.headers)?;
    if conditions.is_empty() {
        return Ok(Precondition::Any);
    }
    if conditions.is_only_absent() {
        return Ok(Precondition::Absent);
    }
    if let Some(etag) = conditions.only() {
        return Ok(Precondition::Is(etag));
    }
    let there = match asker.app.items.item(shelf.at, href).await {
        Ok(item) => Some(item.row.modseq),
        Err(Refusal::NotFound) => None,
        Err(other) => return Err(other.into()),
    };
    match conditions.verdict(there, false) {
        // Exactly what was looked at is still there, or still nothing.
        Verdict::Holds => Ok(there.map_or(Precondition::Absent, Precondition::Is)),
        Verdict::Failed | Verdict::NotModified => {
            Err(Fault::status(StatusCode::PRECONDITION_FAILED))
        }
    }
}

/// Why an object was not stored, by the names of RFC 4791 5.3.2.1, RFC 6352 6.3.2.1.
pub(super) fn refused(asker: &Asker, shelf: &Shelf, denied: Denied) -> Fault {
    let family = family_of(shelf).unwrap_or(Family::Calendars);
    let why = denied.to_string();
    match denied {
        Denied::Calendar(fault) => {
            let condition = match fault {
                ical::Fault::TooLarge { .. } => {
                    return Fault::status(StatusCode::PAYLOAD_TOO_LARGE)
                        .with(too_large(Family::Calendars));
                }
                ical::Fault::Syntax(_) => "valid-calendar-data",
                ical::Fault::Object(_) => "valid-calendar-object-resource",
                ical::Fault::Component => "supported-calendar-component",
                ical::Fault::TooEarly => "min-date-time",
                ical::Fault::TooLate => "max-date-time",
                ical::Fault::TooManyInstances { .. } => "max-instances",
                ical::Fault::TooManyAttendees { .. } => "max-attendees-per-instance",
            };
            Fault::forbidden(Condition::caldav(condition)).because(why)
        }
        Denied::Card(fault) => {
            let condition = match fault {
                CardFault::TooLarge { .. } => {
                    return Fault::status(StatusCode::PAYLOAD_TOO_LARGE)
                        .with(too_large(Family::Books));
                }
                CardFault::Syntax(_) => "valid-address-data",
                CardFault::Version => "supported-address-data",
            };
            Fault::forbidden(Condition::carddav(condition)).because(why)
        }
        Denied::UidConflict { href } => {
            let condition = match family {
                Family::Calendars => Condition::caldav("no-uid-conflict"),
                Family::Books => Condition::carddav("no-uid-conflict"),
            };
            Fault::conflict(condition).about(asker.item_href(shelf, &href))
        }
        Denied::Refused(refusal) => refusal.into(),
    }
}

/// DELETE: an object, or a collection.
///
/// # Errors
/// 403, 404, 412.
pub async fn delete(asker: Asker, call: Call) -> Answer {
    let Place::Item(family, who, slug, href) = &call.place else {
        return collection::delete(asker, call).await;
    };
    let shelf = asker.shelf(*family, who, slug).await?;
    let when = precondition(&asker, &call.parts, &shelf, href).await?;
    if when == Precondition::Absent {
        return Err(Fault::status(StatusCode::PRECONDITION_FAILED));
    }
    asker.app.items.remove(shelf.at, href, when).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
