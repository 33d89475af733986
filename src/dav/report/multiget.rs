//! `calendar-multiget` (RFC 4791 7.9) and `addressbook-multiget` (RFC 6352 8.7): these objects, in the order of the request.
//!
//! An address that names nothing of the asked collection is told of as 404, whatever it may be elsewhere. Those beyond the
//! limit are told of as 507, so that a client can ask for them again (RFC 6352 8.7 points to it).

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::StatusCode;

use super::super::multistatus::{Pages, Plan, answer, respond_status};
use super::super::path::Place;
use super::super::reply::{Answer, Condition, Fault};
use super::super::resource::{Asker, Resource, family_of};
use crate::format::davxml::Writer;
use crate::format::davxml::request::Asked;
use crate::service::items::{FullItem, Shelf};

/// The objects of `hrefs`.
///
/// # Errors
/// 403, 503.
pub async fn multiget(
    asker: Asker,
    of: Resource,
    asked: Asked,
    hrefs: Vec<String>,
    is_minimal: bool,
) -> Answer {
    let plan = Plan::new(&asker, asked, is_minimal).await?;
    let shelves = match &of {
        Resource::Shelf(shelf) | Resource::Item(shelf, _) => vec![Arc::clone(shelf)],
        // Asked of a home: any of its collections.
        Resource::Home(family) => asker.shelves(*family).await?,
        _ => Vec::new(),
    };
    let most = asker.app.config.dav.hrefs;
    answer(Multiget {
        asker,
        plan,
        shelves,
        hrefs,
        next: 0,
        most,
    })
    .await
}

struct Multiget {
    asker: Asker,
    plan: Plan,
    shelves: Vec<Arc<Shelf>>,
    hrefs: Vec<String>,
    next: usize,
    most: usize,
}

impl Multiget {
    /// The collection and the name of an address.
    fn place(&self, url: &str) -> Option<(Arc<Shelf>, String)> {
        let Some(Place::Item(family, who, slug, href)) = self.asker.shape.read_url(url) else {
            return None;
        };
        let shelf = self.shelves.iter().find(|shelf| {
            family_of(shelf) == Some(family)
                && self.asker.is_me(&who)
                && (shelf.slug == slug
                    || (super::super::path::is_default(self.asker.shape, &slug)
                        && shelf.row.is_default))
        })?;
        Some((Arc::clone(shelf), href))
    }
}

impl Pages for Multiget {
    async fn page(&mut self, w: &mut Writer) -> Result<bool, Fault> {
        let until = (self.next + PAGE).min(self.hrefs.len());
        let urls = self.hrefs.get(self.next..until).unwrap_or_default();
        let places: Vec<Option<(Arc<Shelf>, String)>> = urls
            .iter()
            .enumerate()
            .map(|(n, url)| {
                (self.next + n < self.most)
                    .then(|| self.place(url))
                    .flatten()
            })
            .collect();
        let mut found: HashMap<(i64, String), FullItem> = HashMap::new();
        for shelf in &self.shelves {
            let names: Vec<String> = places
                .iter()
                .flatten()
                .filter(|(of, _)| of.at == shelf.at)
                .map(|(_, href)| href.clone())
                .collect();
            if names.is_empty() {
                continue;
            }
            for item in self.asker.app.items.items_named(shelf.at, &names).await? {
                let key = (shelf.row.collection_id.0, item.row.href.clone());
                found.insert(key, item);
            }
        }
        for ((n, url), place) in urls.iter().enumerate().zip(places) {
            if self.next + n >= self.most {
                let beyond = Fault::status(StatusCode::INSUFFICIENT_STORAGE)
                    .with(Condition::dav("number-of-matches-within-limits"));
                respond_status(w, url, &beyond);
                continue;
            }
            let item = place.and_then(|(shelf, href)| {
                let item = found.get(&(shelf.row.collection_id.0, href))?;
                Some((shelf, item))
            });
            match item {
                Some((shelf, item)) => {
                    let resource = Resource::Item(shelf, Box::new(item.row.clone()));
                    self.asker
                        .respond(w, &self.plan, &resource, Some(&item.source));
                }
                None => respond_status(w, url, &Fault::not_found()),
            }
        }
        self.next = until;
        Ok(until < self.hrefs.len())
    }
}

/// Objects read at once.
const PAGE: usize = 100;
