//! `207 Multi-Status` (RFC 4918 13): which properties are wanted, one `response` a resource, and answers that are written
//! while they are sent.
//!
//! A collection may have 100,000 objects of a megabyte. So an answer is made page by page: what a page needs is read, its
//! octets go out, the next one is read. The first page is made before the head of the answer, so that what is wrong from the
//! beginning is told by a status; what goes wrong later ends the connection, and the client asks again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::data::{self, Lens};
use super::props::{self, Facts, Live};
use super::reply::{Answer, Condition, Fault, XML, status_line, xml};
use super::resource::{Asker, Resource};
use crate::format::davxml::request::{Asked, PropAsk};
use crate::format::davxml::{Element, Name, Ns, Writer};
use crate::model::ItemId;
use crate::service::items::{ItemFilter, Shelf};

/// What each `response` of an answer shows.
#[derive(Debug, Clone)]
pub struct Plan {
    wanted: Vec<Wanted>,
    /// Names without values.
    is_names: bool,
    /// Dead properties too.
    with_dead: bool,
    /// Properties that are not there are not told of.
    is_minimal: bool,
    facts: Facts,
    lens: Lens,
}

#[derive(Debug, Clone)]
struct Wanted {
    ask: PropAsk,
    live: Option<Live>,
    /// Asked for by name: told of when missing.
    is_named: bool,
}

impl Plan {
    /// What was asked for.
    ///
    /// # Errors
    /// 503; 403 for a kind of data that we cannot make.
    pub async fn new(asker: &Asker, asked: Asked, is_minimal: bool) -> Result<Self, Fault> {
        let named = |asks: Vec<PropAsk>| {
            asks.into_iter().map(|ask| Wanted {
                live: props::find(&ask.name),
                ask,
                is_named: true,
            })
        };
        let live = |allprop: bool| {
            props::all(allprop).map(|(name, live)| Wanted {
                ask: PropAsk::plain(name),
                live: Some(live),
                is_named: false,
            })
        };
        let (wanted, is_names, with_dead): (Vec<Wanted>, bool, bool) = match asked {
            Asked::Names => (live(false).collect(), true, true),
            Asked::All(more) => (live(true).chain(named(more)).collect(), false, true),
            Asked::These(asks) => (named(asks).collect(), false, false),
        };
        let limits = asker.app.items.calendar_limits();
        let cards = asker.app.items.card_limits();
        let mut plan = Self {
            wanted,
            is_names,
            with_dead,
            is_minimal,
            facts: Facts {
                quotas: HashMap::new(),
                largest: [limits.bytes, cards.bytes, cards.photo_bytes],
                instances: limits.count,
                attendees: limits.attendees,
            },
            lens: Lens::default(),
        };
        for wanted in &plan.wanted {
            if let Some(ask) = &wanted.ask.data {
                plan.lens = Lens::of(ask)?.on_clock(asker.zone);
            }
        }
        if plan.asks(Live::QuotaAvailable) || plan.asks(Live::QuotaUsed) {
            let quota = asker.app.items.quota(asker.me.id).await?;
            plan.facts.quotas.insert(asker.me.id, quota);
        }
        Ok(plan)
    }

    /// Makes ready for collections of others: their owners' quotas.
    ///
    /// # Errors
    /// 503.
    pub async fn prepare(&mut self, asker: &Asker, resources: &[Resource]) -> Result<(), Fault> {
        if !self.asks(Live::QuotaAvailable) && !self.asks(Live::QuotaUsed) {
            return Ok(());
        }
        for resource in resources {
            if let Resource::Shelf(shelf) = resource
                && !self.facts.quotas.contains_key(&shelf.at.owner)
            {
                let quota = asker.app.items.quota(shelf.at.owner).await?;
                self.facts.quotas.insert(shelf.at.owner, quota);
            }
        }
        Ok(())
    }

    /// Whether objects themselves are wanted, not only what their rows say.
    #[must_use]
    pub fn needs_source(&self) -> bool {
        self.asks(Live::CalendarData) || self.asks(Live::AddressData)
    }

    /// Whether more of an object's row is wanted than a change tells.
    #[must_use]
    pub fn needs_row(&self) -> bool {
        self.asks(Live::GetLastModified)
    }

    /// The same on somebody's clock: floating times are told on it.
    #[must_use]
    pub fn on_clock(mut self, zone: chrono_tz::Tz) -> Self {
        self.lens = self.lens.on_clock(zone);
        self
    }

    fn asks(&self, live: Live) -> bool {
        self.wanted.iter().any(|wanted| wanted.live == Some(live))
    }
}

impl Asker {
    /// Writes the `response` of a resource; `source` is the object itself, when it was read.
    ///
    /// One with more instances than are written out is told of as 403 (RFC 4791 7.8), the others are shown all the same.
    pub fn respond(&self, w: &mut Writer, plan: &Plan, of: &Resource, source: Option<&[u8]>) {
        let shown = match (source, of) {
            (Some(source), Resource::Item(shelf, item)) if plan.needs_source() => {
                let shown = data::show(source, &plan.lens, shelf, item);
                if shown.is_none() {
                    let beyond =
                        Fault::forbidden(Condition::dav("number-of-matches-within-limits"));
                    respond_status(w, &self.href(of), &beyond);
                    return;
                }
                shown
            }
            _ => None,
        };
        let shown = shown.as_deref();
        w.open(&Ns::Dav, "response");
        w.leaf(&Ns::Dav, "href", &self.href(of));
        let mut missing: Vec<&Name> = Vec::new();
        let before = w.waiting();
        w.open(&Ns::Dav, "propstat");
        w.open(&Ns::Dav, "prop");
        let nothing = w.waiting();
        for wanted in &plan.wanted {
            let is_there = if plan.is_names {
                self.has(plan, wanted, of, w)
            } else {
                self.write_wanted(w, plan, wanted, of, shown)
            };
            if !is_there && wanted.is_named {
                missing.push(&wanted.ask.name);
            }
        }
        if plan.with_dead
            && let Resource::Shelf(shelf) = of
        {
            for (name, text) in props::all_dead(&shelf.row) {
                if plan.is_names {
                    w.empty(&name.ns, &name.local);
                } else if let Some(element) = Element::from_text(text) {
                    w.element(&element);
                }
            }
        }
        let has_missing = !missing.is_empty() && !plan.is_minimal;
        if w.waiting() == nothing && has_missing {
            w.rewind(before);
        } else {
            w.close(&Ns::Dav, "prop");
            w.leaf(&Ns::Dav, "status", &status_line(StatusCode::OK));
            w.close(&Ns::Dav, "propstat");
        }
        if has_missing {
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
    }

    /// Writes one property with its value; false, and nothing written, where it is not there.
    pub fn write_ask(&self, w: &mut Writer, plan: &Plan, ask: &PropAsk, of: &Resource) -> bool {
        let wanted = Wanted {
            live: props::find(&ask.name),
            ask: ask.clone(),
            is_named: true,
        };
        self.write_wanted(w, plan, &wanted, of, None)
    }

    /// Writes the property's name where the resource has it.
    fn has(&self, plan: &Plan, wanted: &Wanted, of: &Resource, w: &mut Writer) -> bool {
        let before = w.waiting();
        let is_there = self.write_wanted(w, plan, wanted, of, None);
        w.rewind(before);
        if is_there {
            w.empty(&wanted.ask.name.ns, &wanted.ask.name.local);
        }
        is_there
    }

    fn write_wanted(
        &self,
        w: &mut Writer,
        plan: &Plan,
        wanted: &Wanted,
        of: &Resource,
        shown: Option<&str>,
    ) -> bool {
        let name = &wanted.ask.name;
        match wanted.live {
            Some(Live::CalendarData | Live::AddressData) => {
                let (Some(shown), Resource::Item(_, item)) = (shown, of) else {
                    return false;
                };
                let is_card = item.component == "VCARD";
                if is_card != (wanted.live == Some(Live::AddressData)) {
                    return false;
                }
                w.leaf(&name.ns, &name.local, shown);
                true
            }
            Some(live) => self.write(w, name, live, of, &plan.facts),
            None => match of {
                Resource::Shelf(shelf) => {
                    match props::dead(&shelf.row, name).and_then(Element::from_text) {
                        Some(element) => {
                            w.element(&element);
                            true
                        }
                        None => false,
                    }
                }
                _ => false,
            },
        }
    }
}

/// The `response` of a resource that is told of by a status alone.
pub fn respond_status(w: &mut Writer, href: &str, fault: &Fault) {
    w.open(&Ns::Dav, "response");
    w.leaf(&Ns::Dav, "href", href);
    w.leaf(&Ns::Dav, "status", &status_line(fault.code()));
    if fault.has_condition() {
        w.open(&Ns::Dav, "error");
        fault.write_error(w);
        w.close(&Ns::Dav, "error");
    }
    w.close(&Ns::Dav, "response");
}

/// What an answer is made of, page by page.
pub trait Pages: Send + Sized + 'static {
    /// Writes the next page; false: that was the last.
    fn page(&mut self, w: &mut Writer) -> impl Future<Output = Result<bool, Fault>> + Send;
}

/// The answer of pages.
///
/// # Errors
/// What the first page says.
pub async fn answer(mut pages: impl Pages) -> Answer {
    let mut w = Writer::document(&Ns::Dav, "multistatus");
    let has_more = pages.page(&mut w).await?;
    if !has_more {
        w.close(&Ns::Dav, "multistatus");
        return Ok(xml(StatusCode::MULTI_STATUS, w.take()));
    }
    let first = Bytes::from(w.take());
    let rest = stream::try_unfold(Some((w, pages)), |state| async {
        let Some((mut w, mut pages)) = state else {
            return Ok(None);
        };
        let has_more = pages.page(&mut w).await?;
        if !has_more {
            w.close(&Ns::Dav, "multistatus");
        }
        let text = Bytes::from(w.take());
        Ok::<_, Fault>(Some((text, has_more.then_some((w, pages)))))
    });
    // The status is gone; the client sees the body break off.
    let rest = rest.map_err(|fault| {
        tracing::warn!(status = %fault.code(), protocol = "dav", "an answer broke off");
        std::io::Error::other("the answer broke off")
    });
    let mut response = Response::new(Body::from_stream(
        stream::once(async { Ok(first) }).chain(rest),
    ));
    *response.status_mut() = StatusCode::MULTI_STATUS;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(XML));
    Ok(response)
}

/// Resources that are known already, then, maybe, the objects of a collection.
pub struct Members {
    asker: Asker,
    plan: Plan,
    head: Vec<Resource>,
    inside: Option<Inside>,
}

/// Objects of a collection still to come.
struct Inside {
    shelf: Arc<Shelf>,
    after: ItemId,
}

impl Members {
    /// These resources, and the objects of `inside`.
    #[must_use]
    pub fn new(asker: Asker, plan: Plan, head: Vec<Resource>, inside: Option<Arc<Shelf>>) -> Self {
        Self {
            asker,
            plan,
            head,
            inside: inside.map(|shelf| Inside {
                shelf,
                after: ItemId(0),
            }),
        }
    }
}

impl Members {
    fn most(&self) -> i64 {
        if self.plan.needs_source() {
            PAGE_WITH_SOURCE
        } else {
            PAGE
        }
    }
}

impl Pages for Members {
    async fn page(&mut self, w: &mut Writer) -> Result<bool, Fault> {
        for resource in self.head.drain(..) {
            self.asker.respond(w, &self.plan, &resource, None);
        }
        let most = self.most();
        let Some(inside) = &mut self.inside else {
            return Ok(false);
        };
        let items = &self.asker.app.items;
        let (at, after) = (inside.shelf.at, inside.after);
        let mut rows = Vec::new();
        if self.plan.needs_source() {
            for full in items.scan(at, &ItemFilter::default(), after, most).await? {
                rows.push((full.row, Some(full.source)));
            }
        } else {
            for row in items.list(at, after, most).await? {
                rows.push((row, None));
            }
        }
        let has_more = i64::try_from(rows.len()).is_ok_and(|n| n >= most);
        for (row, source) in rows {
            inside.after = row.item_id;
            let item = Resource::Item(Arc::clone(&inside.shelf), Box::new(row));
            self.asker.respond(w, &self.plan, &item, source.as_deref());
        }
        Ok(has_more)
    }
}

/// Rows read at once; with their sources, which may be a megabyte each, fewer.
pub const PAGE: i64 = 500;
/// See [`PAGE`].
pub const PAGE_WITH_SOURCE: i64 = 100;
