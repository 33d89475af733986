//! `calendar-query` (RFC 4791 7.8) and `addressbook-query` (RFC 6352 8.6).
//!
//! The database is asked for what may lie in the range, by its coarse columns; whether it does, and every other condition,
//! the object itself says. Reading objects and making instances is work for the pool (`security.md` S-13).

use std::sync::Arc;

use axum::http::StatusCode;
use chrono_tz::Tz;
use time::Duration;

use super::super::multistatus::{PAGE_WITH_SOURCE, Pages, Plan, answer, respond_status};
use super::super::reply::{Answer, Condition, Fault};
use super::super::resource::{Asker, Resource};
use crate::error::Refusal;
use crate::format::davxml::Writer;
use crate::format::davxml::filter::{CardFilter, CompFilter};
use crate::format::davxml::matching::{self, Calendar};
use crate::format::davxml::request::Asked;
use crate::format::ical::{Kind, Limits, Object, Tree, Zone, Zones, named_zone};
use crate::format::vcard::{Card, CardLimits};
use crate::model::ItemId;
use crate::service::items::{FullItem, ItemFilter, Shelf};

/// The clock that a query names for floating times.
///
/// # Errors
/// 403 `valid-timezone` or `valid-calendar-data`.
pub fn zone(timezone: Option<&str>, id: Option<&str>) -> Result<Option<Tz>, Fault> {
    if let Some(id) = id {
        return match named_zone(id) {
            Some(Zone::Iana(zone)) => Ok(Some(zone)),
            _ => Err(Fault::forbidden(Condition::caldav("valid-timezone"))),
        };
    }
    let Some(text) = timezone else {
        return Ok(None);
    };
    let bad = || Fault::forbidden(Condition::caldav("valid-calendar-data"));
    let tree = Tree::parse(text.as_bytes(), &Limits::default()).map_err(|_| bad())?;
    let id = tree
        .root()
        .children_named("VTIMEZONE")
        .next()
        .and_then(|zone| zone.text("TZID"))
        .ok_or_else(bad)?;
    // A zone that nobody knows by name leaves the collection's own clock.
    Ok(match named_zone(&id) {
        Some(Zone::Iana(zone)) => Some(zone),
        _ => None,
    })
}

/// The objects of a calendar that pass.
///
/// # Errors
/// 403, 503.
pub async fn calendar(
    asker: Asker,
    shelf: Arc<Shelf>,
    of: Resource,
    asked: Asked,
    filter: CompFilter,
    zone: Option<Tz>,
    is_minimal: bool,
) -> Answer {
    let clock = zone.unwrap_or_else(|| asker.clock(&shelf));
    let plan = Plan::new(&asker, asked, is_minimal).await?.on_clock(clock);
    let coarse = coarse(&filter);
    answer(Query {
        asker,
        plan,
        shelf,
        only: only(&of),
        test: Arc::new(Test::Calendar(filter, clock)),
        coarse,
        after: ItemId(0),
        left: None,
    })
    .await
}

/// The cards of an address book that pass, at most `limit`.
///
/// # Errors
/// 403, 503.
pub async fn cards(
    asker: Asker,
    shelf: Arc<Shelf>,
    of: Resource,
    asked: Asked,
    filter: CardFilter,
    limit: Option<usize>,
    is_minimal: bool,
) -> Answer {
    let plan = Plan::new(&asker, asked, is_minimal).await?;
    answer(Query {
        asker,
        plan,
        shelf,
        only: only(&of),
        test: Arc::new(Test::Cards(filter)),
        coarse: ItemFilter::default(),
        after: ItemId(0),
        left: limit,
    })
    .await
}

/// A query on an object is about this one alone.
fn only(of: &Resource) -> Option<ItemId> {
    match of {
        Resource::Item(_, item) => Some(item.item_id),
        _ => None,
    }
}

/// What the database can look for. A day more on either side: floating times may be on another clock.
fn coarse(filter: &CompFilter) -> ItemFilter {
    let query = Calendar::new(filter);
    let (component, range) = query.coarse();
    let day = Duration::days(1);
    let is_event = component.and_then(Kind::from_word) == Some(Kind::Event);
    ItemFilter {
        component: component.map(str::to_owned),
        uid: None,
        starts_before: range
            .and_then(|range| range.end)
            .and_then(|end| end.checked_add(day)),
        // Of a task that column is its completion, which is another thing.
        ends_after: range
            .filter(|_| is_event)
            .and_then(|range| range.start)
            .and_then(|start| start.checked_sub(day)),
    }
}

enum Test {
    Calendar(CompFilter, Tz),
    Cards(CardFilter),
}

impl Test {
    fn passes(&self, source: &[u8]) -> bool {
        match self {
            Self::Calendar(filter, clock) => {
                let Ok(object) = Object::parse(source, &Limits::default()) else {
                    return false;
                };
                let zones = Zones::of(object.tree().root(), *clock);
                Calendar::new(filter).passes(&object, &zones)
            }
            Self::Cards(filter) => Card::parse(source, &CardLimits::default())
                .is_ok_and(|card| matching::card(filter, &card)),
        }
    }
}

struct Query {
    asker: Asker,
    plan: Plan,
    shelf: Arc<Shelf>,
    only: Option<ItemId>,
    test: Arc<Test>,
    coarse: ItemFilter,
    after: ItemId,
    /// How many more the client takes.
    left: Option<usize>,
}

impl Pages for Query {
    async fn page(&mut self, w: &mut Writer) -> Result<bool, Fault> {
        let items = &self.asker.app.items;
        let read: Vec<FullItem> = match self.only {
            Some(item) => vec![items.item_by_id(self.shelf.at, item).await?],
            None => {
                items
                    .scan(self.shelf.at, &self.coarse, self.after, PAGE_WITH_SOURCE)
                    .await?
            }
        };
        let is_last =
            self.only.is_some() || i64::try_from(read.len()).is_ok_and(|n| n < PAGE_WITH_SOURCE);
        if let Some(last) = read.last() {
            self.after = last.row.item_id;
        }
        let test = Arc::clone(&self.test);
        let passed = tokio::task::spawn_blocking(move || {
            read.into_iter()
                .filter(|item| test.passes(&item.source))
                .collect::<Vec<_>>()
        })
        .await
        .map_err(|_| Fault::from(Refusal::Internal("a query panicked")))?;
        for item in passed {
            if self.left == Some(0) {
                // RFC 6352 8.6.2: there are more than the client takes.
                let beyond = Fault::status(StatusCode::INSUFFICIENT_STORAGE)
                    .with(Condition::dav("number-of-matches-within-limits"));
                respond_status(w, &self.asker.shelf_href(&self.shelf), &beyond);
                return Ok(false);
            }
            self.left = self.left.map(|left| left - 1);
            let resource = Resource::Item(Arc::clone(&self.shelf), Box::new(item.row));
            self.asker
                .respond(w, &self.plan, &resource, Some(&item.source));
        }
        Ok(!is_last)
    }
}
