//! "What changed since": one index range over rows and one over tombstones (DESIGN.md 3).
//!
//! Every protocol's token is a [`SyncPoint`]; these functions answer what lies behind it, oldest first by (modseq, object),
//! and give the next point. Each answer is one statement, hence one snapshot: the account's number, the pruning mark and the
//! rows belong together, and a pruner at work in between cannot take away a tombstone that the answer still owes.
//!
//! ```text
//!            floor: nothing that died up to here is news to this client
//!              v
//!   ---|-------|------------|~~~~~~~~~~~~~~~|----> modseq
//!      ^ pruned_modseq      ^ point         ^ upto
//!        too old if max(point, floor) is left of it
//! ```

use sqlx::FromRow;
use time::OffsetDateTime;

use super::Store;
use super::collection::CollectionRow;
use super::folder::FolderRow;
use crate::error::StoreError;
use crate::model::{
    AccountId, CollectionId, EmailId, Flags, FolderId, ItemId, ModSeq, SyncPoint, ThreadId, Uid,
};

/// Why changes since a point cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The folder or collection is not there (any more).
    #[error("no such folder or collection")]
    NotFound,
    /// Tombstones behind the point are gone, or the point lies in the future (a database restored from a backup): the
    /// caller starts a full sync.
    #[error("the point is too old")]
    TooOld,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ChangesError {
    fn from(e: sqlx::Error) -> Self {
        Self::Store(e.into())
    }
}

/// A message that came or changed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ChangedMessage {
    /// Its place.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords.
    pub keywords: Vec<String>,
    /// Octets.
    pub size_bytes: i64,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// When it came: above the asker's point, it is new.
    pub created_modseq: ModSeq,
    /// Its last change.
    pub modseq: ModSeq,
}

/// Messages that left, as a range of UIDs without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoneRange {
    /// The first.
    pub first: Uid,
    /// The last.
    pub last: Uid,
    /// INTERNALDATE of the newest of them.
    pub newest_at: Option<OffsetDateTime>,
    /// When they left.
    pub modseq: ModSeq,
}

/// Changes inside a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderChanges {
    /// Came or changed, by (modseq, UID).
    pub messages: Vec<ChangedMessage>,
    /// Left, by (modseq, first UID).
    pub gone: Vec<GoneRange>,
    /// What to ask with next.
    pub next: SyncPoint,
    /// The limit cut the answer: there is more behind `next` right now.
    pub more: bool,
}

/// How a door names items, which decides what a tombstone means to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By href (DAV): a name that lives again has not left.
    Href,
    /// By item id (EAS): an id never lives again.
    Id,
}

/// An item that came or changed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ChangedItem {
    /// Its id.
    pub item_id: ItemId,
    /// Its name.
    pub href: String,
    /// `VEVENT`, `VTODO`, `VJOURNAL`, `VCARD`.
    pub component: String,
    /// Octets of its source.
    pub size_bytes: i64,
    /// What devices filter by.
    pub last_ends_at: Option<OffsetDateTime>,
    /// When it came.
    pub created_modseq: ModSeq,
    /// Its last change: its ETag.
    pub modseq: ModSeq,
}

/// An item that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneItem {
    /// Its id.
    pub item_id: ItemId,
    /// Its name then.
    pub href: String,
    /// When it left.
    pub modseq: ModSeq,
}

/// Changes inside a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionChanges {
    /// Came or changed, by (modseq, id).
    pub items: Vec<ChangedItem>,
    /// Left, by (modseq, id).
    pub gone: Vec<GoneItem>,
    /// What to ask with next.
    pub next: SyncPoint,
    /// The limit cut the answer: there is more behind `next` right now.
    pub more: bool,
}

/// What changed of an account's folders and collections, and inside which of them anything did.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountChanges {
    /// What to ask with next.
    pub upto: ModSeq,
    /// Folders that came, changed, or in which something changed.
    pub folders: Vec<FolderRow>,
    /// Collections likewise.
    pub collections: Vec<CollectionRow>,
    /// Folders that left.
    pub gone_folders: Vec<FolderId>,
    /// Collections that left.
    pub gone_collections: Vec<CollectionId>,
}

impl Store {
    /// Changes inside a folder behind `since`, oldest first, at most `limit` (a range of gone messages counts as one).
    ///
    /// # Errors
    /// [`ChangesError`].
    ///
    /// Source: RFC 7162 3.1.4 and 3.2.5 (CONDSTORE, QRESYNC), activesync.md 5.3.
    pub async fn folder_changes(
        &self,
        account: AccountId,
        folder: FolderId,
        since: SyncPoint,
        limit: i64,
    ) -> Result<FolderChanges, ChangesError> {
        let rows: Vec<FolderChangeRow> = sqlx::query_as(
            "select p.upto, p.pruned_modseq, c.*
               from (select a.modseq as upto, f.pruned_modseq
                       from account a
                       join folder f on f.account_id = a.account_id
                      where a.account_id = $1
                        and f.folder_id = $2) p
               left join (
                     (select modseq, uid as object, null::bigint as last_id, email_id, thread_id, flags, keywords, size_bytes,
                             received_at, created_modseq
                        from message
                       where account_id = $1
                         and folder_id = $2
                         and (modseq, uid) > ($3, $4)
                       order by modseq, uid
                       limit $6)
                     union all
                     (select modseq, first_id, last_id, null, null, null, null, null, received_at, null
                        from tombstone
                       where account_id = $1
                         and kind = 'message'
                         and parent_id = $2
                         and (modseq, first_id) > ($3, $4)
                         and modseq > $5
                       order by modseq, first_id
                       limit $6)
                     order by modseq, object
                     limit $6) c on true
              order by c.modseq, c.object",
        )
        .bind(account)
        .bind(folder)
        .bind(since.modseq)
        .bind(since.object)
        .bind(since.floor)
        .bind(limit.saturating_add(1))
        .fetch_all(self.pool())
        .await?;
        let mut page = Page::check(
            since,
            limit,
            rows.first().map(|r| (r.upto, r.pruned_modseq)),
        )?;
        let mut changes = FolderChanges {
            messages: Vec::new(),
            gone: Vec::new(),
            next: since,
            more: false,
        };
        for row in rows {
            let (Some(modseq), Some(object)) = (row.modseq, row.object) else {
                break;
            };
            if !page.takes(modseq, object) {
                break;
            }
            if let Some(last) = row.last_id {
                changes.gone.push(GoneRange {
                    first: Uid(object),
                    last: Uid(last),
                    newest_at: row.received_at,
                    modseq,
                });
            } else {
                changes.messages.push(ChangedMessage {
                    uid: Uid(object),
                    email_id: row.email_id.unwrap_or_default(),
                    thread_id: row.thread_id.unwrap_or_default(),
                    flags: row.flags.unwrap_or_default(),
                    keywords: row.keywords.unwrap_or_default(),
                    size_bytes: row.size_bytes.unwrap_or_default(),
                    received_at: row.received_at.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                    created_modseq: row.created_modseq.unwrap_or_default(),
                    modseq,
                });
            }
        }
        (changes.next, changes.more) = page.end();
        Ok(changes)
    }

    /// Changes inside a collection behind `since`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`ChangesError`].
    ///
    /// Source: RFC 6578 3.2 (sync-collection), activesync.md 5.3.
    pub async fn collection_changes(
        &self,
        account: AccountId,
        collection: CollectionId,
        since: SyncPoint,
        limit: i64,
        naming: Naming,
    ) -> Result<CollectionChanges, ChangesError> {
        let rows: Vec<CollectionChangeRow> = sqlx::query_as(
            "select p.upto, p.pruned_modseq, c.*
               from (select a.modseq as upto, k.pruned_modseq
                       from account a
                       join collection k on k.account_id = a.account_id
                      where a.account_id = $1
                        and k.collection_id = $2) p
               left join (
                     (select modseq, item_id as object, false as is_gone, href, component, size_bytes, last_ends_at,
                             created_modseq
                        from item
                       where account_id = $1
                         and collection_id = $2
                         and (modseq, item_id) > ($3, $4)
                       order by modseq, item_id
                       limit $6)
                     union all
                     (select t.modseq, t.first_id, true, t.href, null, null, null, null
                        from tombstone t
                       where t.account_id = $1
                         and t.kind = 'item'
                         and t.parent_id = $2
                         and (t.modseq, t.first_id) > ($3, $4)
                         and t.modseq > $5
                         and not ($7 and exists (select from item i
                                                  where i.account_id = $1
                                                    and i.collection_id = $2
                                                    and i.href = t.href))
                       order by t.modseq, t.first_id
                       limit $6)
                     order by modseq, object
                     limit $6) c on true
              order by c.modseq, c.object",
        )
        .bind(account)
        .bind(collection)
        .bind(since.modseq)
        .bind(since.object)
        .bind(since.floor)
        .bind(limit.saturating_add(1))
        .bind(naming == Naming::Href)
        .fetch_all(self.pool())
        .await?;
        let mut page = Page::check(
            since,
            limit,
            rows.first().map(|r| (r.upto, r.pruned_modseq)),
        )?;
        let mut changes = CollectionChanges {
            items: Vec::new(),
            gone: Vec::new(),
            next: since,
            more: false,
        };
        for row in rows {
            let (Some(modseq), Some(object)) = (row.modseq, row.object) else {
                break;
            };
            if !page.takes(modseq, object) {
                break;
            }
            let item_id = ItemId(object);
            let href = row.href.unwrap_or_default();
            if row.is_gone == Some(true) {
                if naming == Naming::Href {
                    // A name that came and left twice is told once.
                    changes.gone.retain(|g: &GoneItem| g.href != href);
                }
                changes.gone.push(GoneItem {
                    item_id,
                    href,
                    modseq,
                });
            } else {
                changes.items.push(ChangedItem {
                    item_id,
                    href,
                    component: row.component.unwrap_or_default(),
                    size_bytes: row.size_bytes.unwrap_or_default(),
                    last_ends_at: row.last_ends_at,
                    created_modseq: row.created_modseq.unwrap_or_default(),
                    modseq,
                });
            }
        }
        (changes.next, changes.more) = page.end();
        Ok(changes)
    }

    /// What changed of the account's folders and collections behind `since`, and inside which of them anything did: what
    /// a browser asks after each wake, and EAS `FolderSync` and Ping.
    ///
    /// # Errors
    /// [`ChangesError`]; `NotFound` when the account is gone.
    pub async fn account_changes(
        &self,
        account: AccountId,
        since: ModSeq,
    ) -> Result<AccountChanges, ChangesError> {
        // The numbers and what left first, in one snapshot; the rows after that are at least as new.
        let gone: Vec<AccountChangeRow> = sqlx::query_as(
            "select a.modseq as upto, a.folders_pruned_modseq as pruned_modseq, t.kind, t.first_id
               from account a
               left join tombstone t on t.account_id = a.account_id
                                    and t.kind in ('folder', 'collection')
                                    and t.parent_id = 0
                                    and t.modseq > $2
              where a.account_id = $1
              order by t.modseq, t.first_id",
        )
        .bind(account)
        .bind(since)
        .fetch_all(self.pool())
        .await?;
        let first = gone.first().ok_or(ChangesError::NotFound)?;
        let upto = first.upto;
        if since < first.pruned_modseq || since > upto {
            return Err(ChangesError::TooOld);
        }
        let mut changes = AccountChanges {
            upto,
            folders: sqlx::query_as(
                "select folder_id, name, special_use, uid_validity, uid_next, recent_uid, message_count, unseen_count,
                        total_bytes, is_subscribed, created_modseq, modseq, content_modseq, pruned_modseq
                   from folder
                  where account_id = $1
                    and (modseq > $2 or content_modseq > $2)
                  order by folder_id",
            )
            .bind(account)
            .bind(since)
            .fetch_all(self.pool())
            .await?,
            collections: sqlx::query_as(
                "select collection_id, kind, slug, name, color, description, sort_order, is_default, time_zone,
                        properties, subscribed_url, item_count, total_bytes, created_modseq, modseq, content_modseq,
                        pruned_modseq, next_item_id
                   from collection
                  where account_id = $1
                    and (modseq > $2 or content_modseq > $2)
                  order by collection_id",
            )
            .bind(account)
            .bind(since)
            .fetch_all(self.pool())
            .await?,
            gone_folders: Vec::new(),
            gone_collections: Vec::new(),
        };
        for row in gone {
            match (row.kind.as_deref(), row.first_id) {
                (Some("folder"), Some(id)) => changes.gone_folders.push(FolderId(id)),
                (Some("collection"), Some(id)) => changes.gone_collections.push(CollectionId(id)),
                _ => {}
            }
        }
        Ok(changes)
    }
}

impl Store {
    /// Messages with an UID in `first..=last`, at most `limit`, from the low end or the high one: how a device's first sync
    /// goes through a folder.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// Source: activesync.md 5.3 (frontier and backfill).
    pub async fn messages_between(
        &self,
        account: AccountId,
        folder: FolderId,
        first: Uid,
        last: Uid,
        newest_first: bool,
        limit: i64,
    ) -> Result<Vec<ChangedMessage>, StoreError> {
        let query = if newest_first {
            "select uid, email_id, thread_id, flags, keywords, size_bytes, received_at, created_modseq, modseq
               from message
              where account_id = $1
                and folder_id = $2
                and uid between $3 and $4
              order by uid desc
              limit $5"
        } else {
            "select uid, email_id, thread_id, flags, keywords, size_bytes, received_at, created_modseq, modseq
               from message
              where account_id = $1
                and folder_id = $2
                and uid between $3 and $4
              order by uid
              limit $5"
        };
        Ok(sqlx::query_as(query)
            .bind(account)
            .bind(folder)
            .bind(first)
            .bind(last)
            .bind(limit)
            .fetch_all(self.pool())
            .await?)
    }

    /// Items with an id in `first..=last`, at most `limit`, from the low end or the high one.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// Source: activesync.md 5.3 (frontier and backfill).
    pub async fn items_between(
        &self,
        account: AccountId,
        collection: CollectionId,
        first: ItemId,
        last: ItemId,
        newest_first: bool,
        limit: i64,
    ) -> Result<Vec<ChangedItem>, StoreError> {
        let query = if newest_first {
            "select item_id, href, component, size_bytes, last_ends_at, created_modseq, modseq
               from item
              where account_id = $1
                and collection_id = $2
                and item_id between $3 and $4
              order by item_id desc
              limit $5"
        } else {
            "select item_id, href, component, size_bytes, last_ends_at, created_modseq, modseq
               from item
              where account_id = $1
                and collection_id = $2
                and item_id between $3 and $4
              order by item_id
              limit $5"
        };
        Ok(sqlx::query_as(query)
            .bind(account)
            .bind(collection)
            .bind(first)
            .bind(last)
            .bind(limit)
            .fetch_all(self.pool())
            .await?)
    }
}

/// Cuts an answer at its limit and says where the next one begins.
struct Page {
    since: SyncPoint,
    upto: ModSeq,
    left: i64,
    last: Option<(ModSeq, i64)>,
    more: bool,
}

impl Page {
    fn check(
        since: SyncPoint,
        limit: i64,
        place: Option<(ModSeq, ModSeq)>,
    ) -> Result<Self, ChangesError> {
        let (upto, pruned) = place.ok_or(ChangesError::NotFound)?;
        if since.is_too_old(pruned) || since.modseq > upto {
            return Err(ChangesError::TooOld);
        }
        Ok(Self {
            since,
            upto,
            left: limit,
            last: None,
            more: false,
        })
    }

    fn takes(&mut self, modseq: ModSeq, object: i64) -> bool {
        if self.left <= 0 {
            self.more = true;
            return false;
        }
        self.left -= 1;
        self.last = Some((modseq, object));
        true
    }

    fn end(self) -> (SyncPoint, bool) {
        let next = match (self.more, self.last) {
            (true, Some((modseq, object))) => SyncPoint {
                modseq,
                object,
                floor: self.since.floor,
            },
            (true, None) => self.since,
            (false, _) => SyncPoint {
                modseq: self.upto,
                object: i64::MAX,
                floor: self.since.floor,
            },
        };
        (next, self.more)
    }
}

#[derive(Debug, FromRow)]
struct FolderChangeRow {
    upto: ModSeq,
    pruned_modseq: ModSeq,
    modseq: Option<ModSeq>,
    object: Option<i64>,
    last_id: Option<i64>,
    email_id: Option<EmailId>,
    thread_id: Option<ThreadId>,
    flags: Option<Flags>,
    keywords: Option<Vec<String>>,
    size_bytes: Option<i64>,
    received_at: Option<OffsetDateTime>,
    created_modseq: Option<ModSeq>,
}

#[derive(Debug, FromRow)]
struct CollectionChangeRow {
    upto: ModSeq,
    pruned_modseq: ModSeq,
    modseq: Option<ModSeq>,
    object: Option<i64>,
    is_gone: Option<bool>,
    href: Option<String>,
    component: Option<String>,
    size_bytes: Option<i64>,
    last_ends_at: Option<OffsetDateTime>,
    created_modseq: Option<ModSeq>,
}

#[derive(Debug, FromRow)]
struct AccountChangeRow {
    upto: ModSeq,
    pruned_modseq: ModSeq,
    kind: Option<String>,
    first_id: Option<i64>,
}
