//! COPY and MOVE of an object (RFC 4918 9.8, 9.9). Collections are renamed by their `displayname`, not moved.

use axum::http::{HeaderValue, StatusCode, header};

use super::Call;
use super::headers::{overwrite, text};
use super::object::{precondition, refused, set_etag};
use super::path::Place;
use super::reply::{Answer, Condition, Fault, empty};
use super::resource::Asker;
use crate::service::items::{Precondition, Target};

/// COPY.
///
/// # Errors
/// As [`relocate`].
pub async fn copy(asker: Asker, call: Call) -> Answer {
    transfer(asker, call, false).await
}

/// MOVE.
///
/// # Errors
/// 400, 403, 404, 409 without the target's collection, 412, 502 for another host.
pub async fn relocate(asker: Asker, call: Call) -> Answer {
    transfer(asker, call, true).await
}

async fn transfer(asker: Asker, call: Call, is_move: bool) -> Answer {
    let headers = &call.parts.headers;
    let target = destination(&asker, &call)?;
    let may_replace = overwrite(headers)?;
    let (Place::Item(family, who, slug, href), Place::Item(to_family, to_who, to_slug, to_href)) =
        (&call.place, &target)
    else {
        asker.find(&call.place).await?;
        return Err(Fault::status(StatusCode::FORBIDDEN)
            .because("only objects are copied and moved, into collections that are there"));
    };
    let from = asker.shelf(*family, who, slug).await?;
    let to = asker
        .shelf(*to_family, to_who, to_slug)
        .await
        .map_err(|fault| match fault.code() {
            StatusCode::NOT_FOUND => Fault::status(StatusCode::CONFLICT),
            _ => fault,
        })?;
    if from.at == to.at && href == to_href {
        return Err(Fault::status(StatusCode::FORBIDDEN).because("source and target are the same"));
    }
    if from.kind() != to.kind() {
        return Err(Fault::forbidden(if to.component() == "VCARD" {
            Condition::carddav("supported-address-data")
        } else {
            Condition::caldav("supported-calendar-component")
        }));
    }
    let when = precondition(&asker, &call.parts, &from, href).await?;
    let target = Target {
        at: to.at,
        href: to_href,
        when: if may_replace {
            Precondition::Any
        } else {
            Precondition::Absent
        },
    };
    let items = &asker.app.items;
    let done = if is_move {
        items.relocate(from.at, href, when, target).await
    } else {
        items.copy(from.at, href, when, target).await
    };
    let put = done.map_err(|denied| refused(&asker, &to, denied))?;
    let mut response = empty(if put.created {
        StatusCode::CREATED
    } else {
        StatusCode::NO_CONTENT
    });
    set_etag(&mut response, put.modseq);
    if put.created
        && let Ok(location) = HeaderValue::from_str(&asker.item_href(&to, to_href))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Where to: a place on this host.
fn destination(asker: &Asker, call: &Call) -> Result<Place, Fault> {
    let headers = &call.parts.headers;
    let url = text(headers, "destination").ok_or_else(|| Fault::bad("Destination is missing"))?;
    if let Some((_, rest)) = url.split_once("://") {
        let named = host_name(rest.split('/').next().unwrap_or_default());
        let ours = call
            .parts
            .uri
            .host()
            .map(str::to_owned)
            .or_else(|| text(headers, "host").map(|host| host_name(host).to_owned()));
        if ours.is_some_and(|ours| !ours.eq_ignore_ascii_case(named)) {
            // RFC 4918 9.8.5: we do not write to other servers.
            return Err(Fault::status(StatusCode::BAD_GATEWAY));
        }
    }
    asker
        .shape
        .read_url(url)
        .ok_or_else(|| Fault::status(StatusCode::CONFLICT).because("nothing can be there"))
}

fn host_name(authority: &str) -> &str {
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}
