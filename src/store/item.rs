//! Items of collections (events, contacts, tasks, notes), in the one write path.
//!
//! Item ids ascend under the account's lock and are never used again, so id order is creation order (DESIGN.md 3). The ETag
//! is the item's change number, hence any write gives a new one. What the user stored comes back byte for byte.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Charge, CollectionId, CollectionKind, ItemId, ModSeq};

/// An object as the format layer understood it, beside its source.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Last segment of its DAV path; the item's name for doors that have names.
    pub href: String,
    /// iCalendar or vCard UID.
    pub uid: String,
    /// `VEVENT`, `VTODO`, `VJOURNAL`, `VCARD`.
    pub component: String,
    /// As received, byte for byte.
    pub source: Vec<u8>,
    /// Title or name.
    pub summary: String,
    /// First instant it covers.
    pub starts_at: Option<OffsetDateTime>,
    /// End of the first occurrence.
    pub ends_at: Option<OffsetDateTime>,
    /// What devices filter by: end of the last occurrence; of a task, its completion. None: for ever, or still open.
    pub last_ends_at: Option<OffsetDateTime>,
    /// When to remind next.
    pub next_alarm_at: Option<OffsetDateTime>,
    /// Rarer facts.
    pub facts: Value,
    /// Lexemes.
    pub words: Vec<String>,
    /// Folded text.
    pub search_text: String,
}

/// What must hold under the lock for a write to happen (RFC 9110 13.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precondition {
    /// Nothing.
    #[default]
    Any,
    /// `If-None-Match: *`: nothing is there.
    Absent,
    /// `If-Match: *`: something is there.
    Present,
    /// `If-Match: "<modseq>"`: exactly this state is there.
    Is(ModSeq),
}

impl Precondition {
    fn holds(self, there: Option<ModSeq>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => there.is_none(),
            Self::Present => there.is_some(),
            Self::Is(etag) => there == Some(etag),
        }
    }
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Put {
    /// The object; a new one also where a replacement needed a new id.
    pub item_id: ItemId,
    /// Its ETag.
    pub modseq: ModSeq,
    /// Nothing was at this href.
    pub created: bool,
}

/// One item without its source.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ItemRow {
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its id there.
    pub item_id: ItemId,
    /// Last segment of its DAV path.
    pub href: String,
    /// iCalendar or vCard UID.
    pub uid: String,
    /// `VEVENT`, `VTODO`, `VJOURNAL`, `VCARD`.
    pub component: String,
    /// Octets of its source.
    pub size_bytes: i64,
    /// Title or name.
    pub summary: String,
    /// First instant it covers.
    pub starts_at: Option<OffsetDateTime>,
    /// End of the first occurrence.
    pub ends_at: Option<OffsetDateTime>,
    /// See [`NewItem::last_ends_at`].
    pub last_ends_at: Option<OffsetDateTime>,
    /// When to remind next.
    pub next_alarm_at: Option<OffsetDateTime>,
    /// Rarer facts.
    pub facts: Value,
    /// When it came.
    pub created_modseq: ModSeq,
    /// Its ETag.
    pub modseq: ModSeq,
    /// When it was written last.
    pub updated_at: OffsetDateTime,
}

#[derive(Debug, FromRow)]
struct There {
    item_id: ItemId,
    modseq: ModSeq,
    size_bytes: i64,
    last_ends_at: Option<OffsetDateTime>,
    is_long_past: bool,
}

impl Write {
    /// Writes the object at `item.href`: a new one, or in place of the one that is there. Charges the difference in size.
    ///
    /// A replacement keeps the id, but for one case: it brings back what every device's window has left long ago (its
    /// `last_ends_at` lies more than 14 days back and rises, or falls away). Then the old id gets a tombstone and the object
    /// a new id, so that devices that never had it see it arrive (activesync.md 5.3, "the filter value").
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there is no such collection, [`Refusal::Stale`] when `when` does not hold,
    /// [`Refusal::Exists`] when another href of the collection has this UID (RFC 4791 5.3.2.1, RFC 6352 6.3.2.1),
    /// [`Refusal::OverQuota`].
    pub async fn put_item(
        &mut self,
        collection: CollectionId,
        item: &NewItem,
        when: Precondition,
    ) -> Result<Put, Refusal> {
        let there = self.there(collection, &item.href).await?;
        if !when.holds(there.as_ref().map(|t| t.modseq)) {
            return Err(Refusal::Stale);
        }
        self.check_uid(collection, &item.uid, &[&item.href]).await?;
        let size = size_of(&item.source)?;
        let kind;
        let item_id;
        match &there {
            Some(old) if !needs_new_id(old, item.last_ends_at) => {
                item_id = old.item_id;
                kind = self
                    .count_items(collection, 0, size - old.size_bytes)
                    .await?;
                self.rewrite(collection, item_id, item, size).await?;
            }
            Some(old) => {
                self.forget(collection, old.item_id).await?;
                (item_id, kind) = self.next_item(collection, 0, size - old.size_bytes).await?;
                self.insert(collection, item_id, item, size).await?;
            }
            None => {
                (item_id, kind) = self.next_item(collection, 1, size).await?;
                self.insert(collection, item_id, item, size).await?;
            }
        }
        let delta = size - there.as_ref().map_or(0, |t| t.size_bytes);
        if delta != 0 {
            self.charge(Charge::of(kind, delta)).await?;
        }
        Ok(Put {
            item_id,
            modseq: self.modseq,
            created: there.is_none(),
        })
    }

    /// Removes an item for good and leaves its tombstone. With `keep_days` a snapshot of it stays restorable.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Stale`].
    pub async fn remove_item(
        &mut self,
        collection: CollectionId,
        href: &str,
        when: Precondition,
        keep_days: Option<i32>,
    ) -> Result<ItemId, Refusal> {
        let there = self
            .there(collection, href)
            .await?
            .ok_or(Refusal::NotFound)?;
        if !when.holds(Some(there.modseq)) {
            return Err(Refusal::Stale);
        }
        if let Some(days) = keep_days {
            sqlx::query(
                "insert into removed (account_id, kind, parent_id, parent_name, snapshot, source, size_bytes, expires_at)
                 select i.account_id, c.kind, i.collection_id, c.name,
                        jsonb_build_object('href', i.href, 'uid', i.uid, 'component', i.component, 'summary', i.summary,
                                           'starts_at', i.starts_at),
                        i.source, i.size_bytes, now() + make_interval(days => $4)
                   from item i
                   join collection c on c.account_id = i.account_id and c.collection_id = i.collection_id
                  where i.account_id = $1
                    and i.collection_id = $2
                    and i.item_id = $3",
            )
            .bind(self.account)
            .bind(collection)
            .bind(there.item_id)
            .bind(days)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        }
        self.forget(collection, there.item_id).await?;
        let kind = self.count_items(collection, -1, -there.size_bytes).await?;
        self.charge(Charge::of(kind, -there.size_bytes)).await?;
        if keep_days.is_some() {
            self.trim_removed().await?;
        }
        Ok(there.item_id)
    }

    /// Moves an item to another href, there or in another collection of the same kind: a new object there, a tombstone here
    /// (RFC 4918 9.9, EAS `MoveItems`). What stands at the target is replaced, if `overwrite` holds for it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Stale`], [`Refusal::Exists`] when the target collection has its UID at a third
    /// href, [`Refusal::Invalid`] when the kinds differ.
    pub async fn move_item(
        &mut self,
        from: (CollectionId, &str),
        to: (CollectionId, &str),
        overwrite: Precondition,
    ) -> Result<Put, Refusal> {
        let there = self.there(from.0, from.1).await?.ok_or(Refusal::NotFound)?;
        let same_kind: Option<bool> = sqlx::query_scalar(
            "select s.kind = t.kind
               from collection s, collection t
              where s.account_id = $1
                and s.collection_id = $2
                and t.account_id = $1
                and t.collection_id = $3",
        )
        .bind(self.account)
        .bind(from.0)
        .bind(to.0)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        match same_kind {
            None => return Err(Refusal::NotFound),
            Some(false) => return Err(Refusal::Invalid("the collections are of different kinds")),
            Some(true) => {}
        }
        if from == to {
            return Err(Refusal::Invalid("source and target are the same"));
        }
        let replaced = self.there(to.0, to.1).await?;
        if !overwrite.holds(replaced.as_ref().map(|r| r.modseq)) {
            return Err(Refusal::Stale);
        }
        let uid: String = sqlx::query_scalar(
            "select uid
               from item
              where account_id = $1
                and collection_id = $2
                and item_id = $3",
        )
        .bind(self.account)
        .bind(from.0)
        .bind(there.item_id)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        let own = if from.0 == to.0 {
            vec![from.1, to.1]
        } else {
            vec![to.1]
        };
        self.check_uid(to.0, &uid, &own).await?;
        if let Some(old) = &replaced {
            self.forget(to.0, old.item_id).await?;
            let kind = self.count_items(to.0, -1, -old.size_bytes).await?;
            self.charge(Charge::of(kind, -old.size_bytes)).await?;
        }
        let (item_id, _) = self.next_item(to.0, 1, there.size_bytes).await?;
        sqlx::query(
            "update item
                set collection_id  = $4,
                    item_id        = $5,
                    href           = $6,
                    created_modseq = $7,
                    modseq         = $7
              where account_id = $1
                and collection_id = $2
                and item_id = $3",
        )
        .bind(self.account)
        .bind(from.0)
        .bind(there.item_id)
        .bind(to.0)
        .bind(item_id)
        .bind(to.1)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        self.bury(from.0, there.item_id, from.1).await?;
        self.count_items(from.0, -1, -there.size_bytes).await?;
        Ok(Put {
            item_id,
            modseq: self.modseq,
            created: replaced.is_none(),
        })
    }

    /// What stands at an href. The lock is held, so it stays so until the commit.
    async fn there(
        &mut self,
        collection: CollectionId,
        href: &str,
    ) -> Result<Option<There>, Refusal> {
        Ok(sqlx::query_as(
            "select item_id, modseq, size_bytes, last_ends_at,
                    coalesce(last_ends_at < now() - interval '14 days', false) as is_long_past
               from item
              where account_id = $1
                and collection_id = $2
                and href = $3",
        )
        .bind(self.account)
        .bind(collection)
        .bind(href)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    async fn check_uid(
        &mut self,
        collection: CollectionId,
        uid: &str,
        own_hrefs: &[&str],
    ) -> Result<(), Refusal> {
        let taken: bool = sqlx::query_scalar(
            "select exists (
                 select from item
                  where account_id = $1
                    and collection_id = $2
                    and uid = $3
                    and href <> all($4))",
        )
        .bind(self.account)
        .bind(collection)
        .bind(uid)
        .bind(own_hrefs)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if taken { Err(Refusal::Exists) } else { Ok(()) }
    }

    /// Draws the next item id and counts.
    async fn next_item(
        &mut self,
        collection: CollectionId,
        items: i64,
        bytes: i64,
    ) -> Result<(ItemId, CollectionKind), Refusal> {
        let row: Option<(ItemId, String)> = sqlx::query_as(
            "update collection
                set next_item_id   = next_item_id + 1,
                    item_count     = item_count + $3,
                    total_bytes    = total_bytes + $4,
                    content_modseq = $5
              where account_id = $1
                and collection_id = $2
             returning next_item_id - 1, kind",
        )
        .bind(self.account)
        .bind(collection)
        .bind(items)
        .bind(bytes)
        .bind(self.modseq)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        let (id, kind) = row.ok_or(Refusal::NotFound)?;
        Ok((id, known_kind(&kind)?))
    }

    async fn count_items(
        &mut self,
        collection: CollectionId,
        items: i64,
        bytes: i64,
    ) -> Result<CollectionKind, Refusal> {
        let kind: Option<String> = sqlx::query_scalar(
            "update collection
                set item_count     = item_count + $3,
                    total_bytes    = total_bytes + $4,
                    content_modseq = $5
              where account_id = $1
                and collection_id = $2
             returning kind",
        )
        .bind(self.account)
        .bind(collection)
        .bind(items)
        .bind(bytes)
        .bind(self.modseq)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        known_kind(&kind.ok_or(Refusal::NotFound)?)
    }

    async fn insert(
        &mut self,
        collection: CollectionId,
        item_id: ItemId,
        item: &NewItem,
        size: i64,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "insert into item (account_id, collection_id, item_id, href, uid, component, source, size_bytes, summary,
                               starts_at, ends_at, last_ends_at, next_alarm_at, facts, search, search_text,
                               created_modseq, modseq)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, array_to_tsvector($15), $16, $17, $17)",
        )
        .bind(self.account)
        .bind(collection)
        .bind(item_id)
        .bind(&item.href)
        .bind(&item.uid)
        .bind(&item.component)
        .bind(&item.source)
        .bind(size)
        .bind(&item.summary)
        .bind(item.starts_at)
        .bind(item.ends_at)
        .bind(item.last_ends_at)
        .bind(item.next_alarm_at)
        .bind(&item.facts)
        .bind(&item.words)
        .bind(&item.search_text)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    async fn rewrite(
        &mut self,
        collection: CollectionId,
        item_id: ItemId,
        item: &NewItem,
        size: i64,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "update item
                set uid           = $4,
                    component     = $5,
                    source        = $6,
                    size_bytes    = $7,
                    summary       = $8,
                    starts_at     = $9,
                    ends_at       = $10,
                    last_ends_at  = $11,
                    next_alarm_at = $12,
                    facts         = $13,
                    search        = array_to_tsvector($14),
                    search_text   = $15,
                    modseq        = $16,
                    updated_at    = now()
              where account_id = $1
                and collection_id = $2
                and item_id = $3",
        )
        .bind(self.account)
        .bind(collection)
        .bind(item_id)
        .bind(&item.uid)
        .bind(&item.component)
        .bind(&item.source)
        .bind(size)
        .bind(&item.summary)
        .bind(item.starts_at)
        .bind(item.ends_at)
        .bind(item.last_ends_at)
        .bind(item.next_alarm_at)
        .bind(&item.facts)
        .bind(&item.words)
        .bind(&item.search_text)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Deletes an item's row and leaves its tombstone; counters are the caller's.
    async fn forget(&mut self, collection: CollectionId, item_id: ItemId) -> Result<(), Refusal> {
        let href: String = sqlx::query_scalar(
            "delete from item
              where account_id = $1
                and collection_id = $2
                and item_id = $3
             returning href",
        )
        .bind(self.account)
        .bind(collection)
        .bind(item_id)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        self.bury(collection, item_id, &href).await
    }

    async fn bury(
        &mut self,
        collection: CollectionId,
        item_id: ItemId,
        href: &str,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "insert into tombstone (account_id, kind, parent_id, modseq, first_id, last_id, href)
             values ($1, 'item', $2, $3, $4, $4, $5)",
        )
        .bind(self.account)
        .bind(collection)
        .bind(self.modseq)
        .bind(item_id)
        .bind(href)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

impl Store {
    /// One item without its source, by href.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn item(
        &self,
        account: AccountId,
        collection: CollectionId,
        href: &str,
    ) -> Result<Option<ItemRow>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at
               from item
              where account_id = $1
                and collection_id = $2
                and href = $3",
        )
        .bind(account)
        .bind(collection)
        .bind(href)
        .fetch_optional(self.pool())
        .await?)
    }

    /// At most `limit` items of a collection above `after`, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn items(
        &self,
        account: AccountId,
        collection: CollectionId,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at
               from item
              where account_id = $1
                and collection_id = $2
                and item_id > $3
              order by item_id
              limit $4",
        )
        .bind(account)
        .bind(collection)
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Sources of some items as stored, by id; what is gone meanwhile is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn item_sources(
        &self,
        account: AccountId,
        collection: CollectionId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, ModSeq, Vec<u8>)>, StoreError> {
        let ids: Vec<i64> = items.iter().map(|i| i.0).collect();
        Ok(sqlx::query_as(
            "select item_id, modseq, source
               from item
              where account_id = $1
                and collection_id = $2
                and item_id = any($3)
              order by item_id",
        )
        .bind(account)
        .bind(collection)
        .bind(ids)
        .fetch_all(self.pool())
        .await?)
    }
}

/// Whether a replacement must look like a new object to devices.
fn needs_new_id(old: &There, last_ends_at: Option<OffsetDateTime>) -> bool {
    old.is_long_past && last_ends_at.is_none_or(|new| old.last_ends_at.is_some_and(|o| new > o))
}

fn size_of(source: &[u8]) -> Result<i64, Refusal> {
    i64::try_from(source.len()).map_err(|_| Refusal::Internal("an item larger than an i64 counts"))
}

fn known_kind(word: &str) -> Result<CollectionKind, Refusal> {
    CollectionKind::from_word(word).ok_or(Refusal::Internal("a collection of no known kind"))
}
