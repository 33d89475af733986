//! Reports about principals: `principal-property-search` (RFC 3744 9.4), `principal-search-property-set` (9.5),
//! `principal-match` (9.3) and `expand-property` (RFC 3253 3.8).
//!
//! Found are the accounts of the asker's own domain that are not hidden, by name or address.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::super::multistatus::{Members, Plan, answer};
use super::super::props::{self, Live};
use super::super::reply::{Answer, Fault, status_line, xml};
use super::super::resource::{Asker, Resource};
use crate::format::davxml::request::{Asked, PropAsk};
use crate::format::davxml::{Element, Name, Ns, Writer};

/// Accounts whose properties hold these texts.
///
/// # Errors
/// 503.
pub async fn search(
    asker: Asker,
    asked: Asked,
    searches: Vec<(Vec<Name>, String)>,
    any: bool,
    is_minimal: bool,
) -> Answer {
    let plan = Plan::new(&asker, asked, is_minimal).await?;
    let mut found = Vec::new();
    for who in asker.colleagues().await? {
        let matches = |(names, text): &(Vec<Name>, String)| {
            let text = text.trim().to_lowercase();
            // Several properties of one search must all hold the text (RFC 3744 9.4).
            names.iter().all(|name| match props::find(name) {
                Some(Live::DisplayName) => who.shown().to_lowercase().contains(&text),
                Some(Live::CalendarUserAddressSet | Live::EmailAddressSet) => {
                    let text = text.strip_prefix("mailto:").unwrap_or(&text);
                    who.addresses
                        .iter()
                        .any(|a| a.to_lowercase().contains(text))
                }
                Some(Live::CalendarUserType) => "individual".contains(&text),
                _ => false,
            })
        };
        let is_found = if any {
            searches.iter().any(matches)
        } else {
            searches.iter().all(matches)
        };
        if is_found {
            found.push(Resource::Principal(std::sync::Arc::clone(&who)));
        }
        if found.len() >= MOST_FOUND {
            break;
        }
    }
    answer(Members::new(asker, plan, found, None)).await
}

/// The properties that can be searched for.
#[must_use]
pub fn search_properties() -> Response<Body> {
    let mut w = Writer::document(&Ns::Dav, "principal-search-property-set");
    for (ns, local, text) in [
        (Ns::Dav, "displayname", "Name"),
        (Ns::CalendarServer, "email-address-set", "Address"),
        (Ns::CalDav, "calendar-user-address-set", "Calendar address"),
    ] {
        w.open(&Ns::Dav, "principal-search-property");
        w.open(&Ns::Dav, "prop");
        w.empty(&ns, local);
        w.close(&Ns::Dav, "prop");
        w.open_with(&Ns::Dav, "description", &[("xml:lang", "en")]);
        w.text(text);
        w.close(&Ns::Dav, "description");
        w.close(&Ns::Dav, "principal-search-property");
    }
    w.close(&Ns::Dav, "principal-search-property-set");
    xml(StatusCode::OK, w.take())
}

/// The asker's own principal.
///
/// # Errors
/// 503.
pub async fn matching(asker: Asker, asked: Asked, is_minimal: bool) -> Answer {
    let plan = Plan::new(&asker, asked, is_minimal).await?;
    let address = asker.me.address.clone();
    let me = Resource::Principal(asker.person(&address).await?);
    answer(Members::new(asker, plan, vec![me], None)).await
}

/// Properties, and those of the resources that they name.
///
/// # Errors
/// 503.
pub async fn expand(asker: Asker, of: Resource, asks: Vec<PropAsk>) -> Answer {
    let mut plan = Plan::new(&asker, Asked::These(flat(&asks)), false).await?;
    plan.prepare(&asker, std::slice::from_ref(&of)).await?;
    let mut w = Writer::document(&Ns::Dav, "multistatus");
    let mut left = MOST_EXPANDED;
    expand_one(&asker, &mut w, &plan, &of, &asks, &mut left).await?;
    w.close(&Ns::Dav, "multistatus");
    Ok(xml(StatusCode::MULTI_STATUS, w.take()))
}

/// All properties named anywhere, so that one plan serves them.
fn flat(asks: &[PropAsk]) -> Vec<PropAsk> {
    asks.iter()
        .flat_map(|ask| std::iter::once(PropAsk::plain(ask.name.clone())).chain(flat(&ask.inner)))
        .collect()
}

/// Recursion is bounded by the depth of the request and by `left`.
async fn expand_one(
    asker: &Asker,
    w: &mut Writer,
    plan: &Plan,
    of: &Resource,
    asks: &[PropAsk],
    left: &mut usize,
) -> Result<(), Fault> {
    *left = left.saturating_sub(1);
    w.open(&Ns::Dav, "response");
    w.leaf(&Ns::Dav, "href", &asker.href(of));
    let mut missing = Vec::new();
    w.open(&Ns::Dav, "propstat");
    w.open(&Ns::Dav, "prop");
    for ask in asks {
        let before = w.waiting();
        if !asker.write_ask(w, plan, ask, of) {
            missing.push(&ask.name);
            continue;
        }
        if ask.inner.is_empty() {
            continue;
        }
        // What the property names, read from its own value.
        let hrefs = hrefs(w.since(before));
        w.rewind(before);
        w.open(&ask.name.ns, &ask.name.local);
        for href in hrefs {
            let target = match asker.shape.read_url(&href) {
                Some(place) if *left > 0 => asker.find(&place).await.ok(),
                _ => None,
            };
            match target {
                Some(target) => {
                    Box::pin(expand_one(asker, w, plan, &target, &ask.inner, left)).await?;
                }
                None => w.leaf(&Ns::Dav, "href", &href),
            }
        }
        w.close(&ask.name.ns, &ask.name.local);
    }
    w.close(&Ns::Dav, "prop");
    w.leaf(&Ns::Dav, "status", &status_line(StatusCode::OK));
    w.close(&Ns::Dav, "propstat");
    if !missing.is_empty() {
        w.open(&Ns::Dav, "propstat");
        w.open(&Ns::Dav, "prop");
        for name in missing {
            w.empty(&name.ns, &name.local);
        }
        w.close(&Ns::Dav, "prop");
        w.leaf(&Ns::Dav, "status", &status_line(StatusCode::NOT_FOUND));
        w.close(&Ns::Dav, "propstat");
    }
    w.close(&Ns::Dav, "response");
    Ok(())
}

/// The addresses in a property that was just written.
fn hrefs(written: &str) -> Vec<String> {
    let Some(property) = Element::from_written(written) else {
        return Vec::new();
    };
    property
        .all(&Ns::Dav, "href")
        .map(|href| href.text().trim().to_owned())
        .filter(|href| href.starts_with('/'))
        .collect()
}

const MOST_FOUND: usize = 100;
const MOST_EXPANDED: usize = 200;
