//! Storing, removing, moving, copying.

use chrono_tz::Tz;
use time::OffsetDateTime;

use super::{At, Denied, FullItem, ItemRow, Items, Place, Precondition, Put};
use crate::error::Refusal;
use crate::format::ical::{Kind, Limits, Object, index};
use crate::format::vcard::{Card, CardLimits, index_card};
use crate::model::{Charge, CollectionKind, ItemId, Rights};
use crate::service::calendar::{KIND, payload};
use crate::store::item::NewItem;

/// How often a change is tried again when another door was quicker.
const TRIES: usize = 4;
/// Days a removed item stays restorable (security.md S-08).
pub(super) const KEEP_DAYS: i32 = 30;
/// Octets of a name.
const MAX_HREF: usize = 255;
/// Larger objects are read in the pool for heavy work (security.md S-13).
const HEAVY: usize = 65_536;

/// Who learns of a change.
#[derive(Debug, Clone, Copy)]
enum News<'a> {
    /// Nobody but who looks.
    Quiet,
    /// Guests or the organiser, of what is new since this was there.
    Since(Option<&'a FullItem>),
}

/// Where an item goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The collection.
    pub at: At,
    /// The name there.
    pub href: &'a str,
    /// What must hold of what stands there.
    pub when: Precondition,
}

impl Items {
    /// Stores an object at a name, new or in place of what is there. The ETag is the change number. What the change means for
    /// guests or an organiser on this host is left for delivery in the same commit.
    ///
    /// # Errors
    /// [`Denied`]; [`Refusal::Stale`] when `when` does not hold, [`Refusal::NotAllowed`] without the right to write and for
    /// a subscribed collection, [`Refusal::OverQuota`] of the owner's quota.
    pub async fn put(
        &self,
        at: At,
        href: &str,
        source: Vec<u8>,
        when: Precondition,
    ) -> Result<Put, Denied> {
        let place = self.writable(at).await?;
        for _ in 0..TRIES {
            // What is there decides what is news, so it may not change until this is stored.
            let there = if when == Precondition::Absent || !schedules(place.kind) {
                None
            } else {
                self.store.full_item(at.owner, at.collection, href).await?
            };
            let exact = match (&there, when) {
                (Some(item), Precondition::Any | Precondition::Present) if is_shared(&item.row) => {
                    Precondition::Is(item.row.modseq)
                }
                _ => when,
            };
            let old = there.filter(|item| {
                is_shared(&item.row) && !matches!(when, Precondition::Is(m) if m != item.row.modseq)
            });
            let stored = self
                .store_at(
                    place,
                    href,
                    source.clone(),
                    exact,
                    News::Since(old.as_ref()),
                )
                .await;
            match stored {
                Err(Denied::Refused(Refusal::Stale)) if exact != when => {}
                other => return other,
            }
        }
        Err(Refusal::Stale.into())
    }

    /// Stores an object and tells nobody but who looks: imports, and what scheduling itself stores.
    ///
    /// # Errors
    /// As [`Items::put`].
    pub async fn put_quietly(
        &self,
        at: At,
        href: &str,
        source: Vec<u8>,
        when: Precondition,
    ) -> Result<Put, Denied> {
        let place = self.writable(at).await?;
        self.store_at(place, href, source, when, News::Quiet).await
    }

    /// Stores at a place that was looked at; `news` says who is to learn of the change.
    async fn store_at(
        &self,
        place: Place,
        href: &str,
        source: Vec<u8>,
        when: Precondition,
        news: News<'_>,
    ) -> Result<Put, Denied> {
        let at = place.at;
        check_href(href)?;
        self.check_unseen(&place, href).await?;
        let item = self.read_new(place.kind, place.zone, href, source).await?;
        let mut batch = None;
        if let News::Since(old) = news
            && (old.is_some() || has_guests(&item.facts))
        {
            let before = old.map(|o| o.source.as_slice());
            batch = self.plan(at.owner, before, Some(&item.source)).await?;
        }
        let draft = self.store.draft().await?;
        let mut write = draft.lock(at.owner, Charge::NONE).await?;
        match write.put_item(at.collection, &item, when).await {
            Ok(put) => {
                if let Some(batch) = &batch {
                    write.add_job(KIND, &payload(batch)?).await?;
                }
                let usage = write.usage();
                self.hub.wake(write.commit().await?);
                if batch.is_some() {
                    self.work.notify_one();
                }
                self.look(at.owner, usage);
                Ok(put)
            }
            Err(Refusal::Exists) => {
                write.abandon().await?;
                let there = self
                    .store
                    .href_of_uid(at.owner, at.collection, &item.uid)
                    .await?;
                Err(Denied::UidConflict {
                    href: there.unwrap_or_default(),
                })
            }
            Err(refusal) => Err(self.told(at.owner, refusal).into()),
        }
    }

    /// Removes an item; it stays restorable for a time. An organiser's guests are told, an organiser is told that a guest declines.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Stale`], [`Refusal::NotAllowed`].
    pub async fn remove(&self, at: At, href: &str, when: Precondition) -> Result<ItemId, Refusal> {
        let place = self.writable(at).await?;
        for _ in 0..TRIES {
            let old = if schedules(place.kind) {
                self.store
                    .full_item(at.owner, at.collection, href)
                    .await?
                    .filter(|item| is_shared(&item.row))
            } else {
                None
            };
            let exact = match (&old, when) {
                (Some(item), Precondition::Any | Precondition::Present) => {
                    Precondition::Is(item.row.modseq)
                }
                _ => when,
            };
            match self.remove_at(place, href, exact, old.as_ref()).await {
                Err(Refusal::Stale) if exact != when => {}
                other => return other,
            }
        }
        Err(Refusal::Stale)
    }

    /// Removes an item and tells nobody but who looks.
    ///
    /// # Errors
    /// As [`Items::remove`].
    pub async fn remove_quietly(
        &self,
        at: At,
        href: &str,
        when: Precondition,
    ) -> Result<ItemId, Refusal> {
        let place = self.writable(at).await?;
        self.remove_at(place, href, when, None).await
    }

    async fn remove_at(
        &self,
        place: Place,
        href: &str,
        when: Precondition,
        old: Option<&FullItem>,
    ) -> Result<ItemId, Refusal> {
        let at = place.at;
        self.check_unseen(&place, href).await?;
        let batch = match old {
            Some(old) => self.plan(at.owner, Some(&old.source), None).await?,
            None => None,
        };
        let draft = self.store.draft().await?;
        let mut write = draft.lock(at.owner, Charge::NONE).await?;
        let gone = write
            .remove_item(at.collection, href, when, Some(KEEP_DAYS))
            .await?;
        if let Some(batch) = &batch {
            write.add_job(KIND, &payload(batch)?).await?;
        }
        self.hub.wake(write.commit().await?);
        if batch.is_some() {
            self.work.notify_one();
        }
        Ok(gone)
    }

    /// Moves an item: a new object there, a tombstone here (RFC 4918 9.9). Between two owners it is a copy and a removal, the
    /// copy first.
    ///
    /// # Errors
    /// As [`Items::put`] and [`Items::remove`].
    pub async fn relocate(
        &self,
        from: At,
        href: &str,
        when: Precondition,
        to: Target<'_>,
    ) -> Result<Put, Denied> {
        if from.owner != to.at.owner {
            let put = self.copy(from, href, when, to).await?;
            self.remove_quietly(from, href, Precondition::Any).await?;
            return Ok(put);
        }
        let source = self.writable(from).await?;
        let target = self.writable(to.at).await?;
        check_href(to.href)?;
        if source.kind != target.kind {
            return Err(wrong_kind(target.kind));
        }
        self.check_unseen(&source, href).await?;
        self.check_unseen(&target, to.href).await?;
        let item = self
            .store
            .item(from.owner, from.collection, href)
            .await?
            .ok_or(Refusal::NotFound)?;
        if let Precondition::Is(etag) = when
            && item.modseq != etag
        {
            return Err(Refusal::Stale.into());
        }
        let draft = self.store.draft().await?;
        let mut write = draft.lock(from.owner, Charge::NONE).await?;
        let moved = write
            .move_item(
                (from.collection, href),
                (to.at.collection, to.href),
                to.when,
            )
            .await;
        match moved {
            Ok(put) => {
                self.hub.wake(write.commit().await?);
                Ok(put)
            }
            Err(Refusal::Exists) => {
                write.abandon().await?;
                let there = self
                    .store
                    .href_of_uid(to.at.owner, to.at.collection, &item.uid)
                    .await?;
                Err(Denied::UidConflict {
                    href: there.unwrap_or_default(),
                })
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Copies an item, byte for byte (RFC 4918 9.8).
    ///
    /// # Errors
    /// As [`Items::put`].
    pub async fn copy(
        &self,
        from: At,
        href: &str,
        when: Precondition,
        to: Target<'_>,
    ) -> Result<Put, Denied> {
        let item = self.item(from, href).await?;
        if let Precondition::Is(etag) = when
            && item.row.modseq != etag
        {
            return Err(Refusal::Stale.into());
        }
        self.put_quietly(to.at, to.href, item.source, to.when).await
    }

    /// The place, when the asker may write there.
    pub(in crate::service) async fn writable(&self, at: At) -> Result<Place, Refusal> {
        let place = self.place(at, Rights::WRITE).await?;
        if place.is_subscribed {
            return Err(Refusal::NotAllowed);
        }
        Ok(place)
    }

    /// The row of an object for a place that was looked at.
    pub(in crate::service) async fn row_of(
        &self,
        place: &Place,
        href: &str,
        source: Vec<u8>,
    ) -> Result<NewItem, Denied> {
        self.read_new(place.kind, place.zone, href, source).await
    }

    async fn read_new(
        &self,
        kind: CollectionKind,
        zone: Tz,
        href: &str,
        source: Vec<u8>,
    ) -> Result<NewItem, Denied> {
        let (limits, cards) = (self.limits, self.card_limits);
        let now = OffsetDateTime::now_utc();
        let href = href.to_owned();
        if source.len() <= HEAVY {
            return made(kind, zone, &limits, &cards, href, source, now);
        }
        tokio::task::spawn_blocking(move || made(kind, zone, &limits, &cards, href, source, now))
            .await
            .map_err(|_| Refusal::Internal("reading an object panicked"))?
    }
}

/// The row of an object: read, checked, indexed.
///
/// # Errors
/// [`Denied::Calendar`], [`Denied::Card`].
pub fn made(
    kind: CollectionKind,
    zone: Tz,
    limits: &Limits,
    cards: &CardLimits,
    href: String,
    source: Vec<u8>,
    now: OffsetDateTime,
) -> Result<NewItem, Denied> {
    if kind == CollectionKind::Contacts {
        let card = Card::parse(&source, cards)?;
        let index = index_card(&card);
        return Ok(NewItem {
            // A card without a UID is known by its name: two of them are two people.
            uid: index.uid.unwrap_or_else(|| format!("href:{href}")),
            href,
            component: "VCARD".to_owned(),
            summary: index.summary,
            starts_at: None,
            ends_at: None,
            last_ends_at: None,
            next_alarm_at: None,
            facts: facts(&index.facts)?,
            words: index.search.words,
            search_text: index.search.text,
            source,
        });
    }
    let object = Object::parse(&source, limits)?;
    if object.kind().collection() != kind {
        return Err(wrong_kind(kind));
    }
    let index = index(&object, zone, now);
    Ok(NewItem {
        href,
        uid: object.uid().to_owned(),
        component: object.kind().word().to_owned(),
        summary: index.summary,
        starts_at: index.starts_at,
        ends_at: index.ends_at,
        last_ends_at: index.last_ends_at,
        next_alarm_at: index.next_alarm_at,
        facts: facts(&index.facts)?,
        words: index.search.words,
        search_text: index.search.text,
        source,
    })
}

fn facts(of: &impl serde::Serialize) -> Result<serde_json::Value, Refusal> {
    serde_json::to_value(of).map_err(|_| Refusal::Internal("facts that are no JSON"))
}

fn wrong_kind(kind: CollectionKind) -> Denied {
    match kind {
        CollectionKind::Contacts => Denied::Card(crate::format::vcard::CardFault::Version),
        _ => Denied::Calendar(crate::format::ical::Fault::Component),
    }
}

/// Whether objects of a kind have organisers and guests.
fn schedules(kind: CollectionKind) -> bool {
    matches!(kind, CollectionKind::Calendar | CollectionKind::Tasks)
}

/// Whether somebody beside the owner has to do with an item.
fn is_shared(row: &ItemRow) -> bool {
    has_guests(&row.facts)
}

fn has_guests(facts: &serde_json::Value) -> bool {
    facts.get("organizer").is_some()
}

/// A name is one segment of a path: no separator, no control character, not empty, not `.` or `..`.
fn check_href(href: &str) -> Result<(), Refusal> {
    if href.is_empty() || href.len() > MAX_HREF || href == "." || href == ".." {
        return Err(Refusal::Invalid("name"));
    }
    if href.chars().any(|c| c.is_control() || c == '/') {
        return Err(Refusal::Invalid("name"));
    }
    Ok(())
}

/// The components a collection of a kind takes.
#[must_use]
pub fn components_of(kind: CollectionKind) -> &'static str {
    match kind {
        CollectionKind::Calendar => Kind::Event.word(),
        CollectionKind::Tasks => Kind::Task.word(),
        CollectionKind::Notes => Kind::Note.word(),
        CollectionKind::Contacts => "VCARD",
    }
}
