//! Reading items with their sources: by name, by UID, by time, in pages; and what a reader may do in a collection.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::Store;
use super::item::ItemRow;
use crate::error::StoreError;
use crate::model::{AccountId, CollectionId, ItemId, ModSeq, Rights};

/// One item with its source.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct FullItem {
    /// What the row says.
    #[sqlx(flatten)]
    pub row: ItemRow,
    /// As received, byte for byte.
    pub source: Vec<u8>,
}

/// What a question about a collection needs to know first.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PlaceRow {
    /// `calendar`, `contacts`, `tasks`, `notes`.
    pub kind: String,
    /// The collection's clock, else its owner's.
    pub time_zone: String,
    /// It is read from elsewhere.
    pub is_subscribed: bool,
    /// What the reader was given; of the owner's own no matter.
    pub granted: Rights,
}

/// Which items of a collection; none of a field leaves it open.
#[derive(Debug, Clone, Default)]
pub struct ItemFilter {
    /// `VEVENT`, `VTODO`, `VJOURNAL`, `VCARD`.
    pub component: Option<String>,
    /// iCalendar or vCard UID.
    pub uid: Option<String>,
    /// It begins before; items without a time are taken in.
    pub starts_before: Option<OffsetDateTime>,
    /// It ends after; what never ends is taken in.
    pub ends_after: Option<OffsetDateTime>,
}

impl Store {
    /// What a reader may do in a collection, and its clock; none when there is no such collection.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection_place(
        &self,
        owner: AccountId,
        collection: CollectionId,
        reader: AccountId,
    ) -> Result<Option<PlaceRow>, StoreError> {
        Ok(sqlx::query_as(
            "select c.kind, coalesce(c.time_zone, a.time_zone) as time_zone,
                    c.subscribed_url is not null as is_subscribed,
                    coalesce(g.rights, 0) | coalesce(d.rights, 0) as granted
               from collection c
               join account a on a.account_id = c.account_id
               left join grant_out g on g.account_id = c.account_id
                                    and g.kind = 'collection'
                                    and g.object_id = c.collection_id
                                    and g.grantee_id = $3
               left join domain_grant d on d.domain_id = a.domain_id
                                       and d.owner_id = c.account_id
                                       and d.kind = 'collection'
                                       and d.object_id = c.collection_id
                                       and exists (select
                                                     from account r
                                                    where r.account_id = $3
                                                      and r.domain_id = d.domain_id)
              where c.account_id = $1
                and c.collection_id = $2
                and a.deleted_at is null",
        )
        .bind(owner)
        .bind(collection)
        .bind(reader)
        .fetch_optional(self.pool())
        .await?)
    }

    /// One item with its source, by href.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn full_item(
        &self,
        account: AccountId,
        collection: CollectionId,
        href: &str,
    ) -> Result<Option<FullItem>, StoreError> {
        Ok(self
            .full_items(account, collection, &[href.to_owned()])
            .await?
            .pop())
    }

    /// Some items with their sources, by href, in the order of their ids; what is not there is missing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn full_items(
        &self,
        account: AccountId,
        collection: CollectionId,
        hrefs: &[String],
    ) -> Result<Vec<FullItem>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at, source
               from item
              where account_id = $1
                and collection_id = $2
                and href = any($3)
              order by item_id",
        )
        .bind(account)
        .bind(collection)
        .bind(hrefs)
        .fetch_all(self.pool())
        .await?)
    }

    /// One item with its source, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn full_item_by_id(
        &self,
        account: AccountId,
        collection: CollectionId,
        item: ItemId,
    ) -> Result<Option<FullItem>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at, source
               from item
              where account_id = $1
                and collection_id = $2
                and item_id = $3",
        )
        .bind(account)
        .bind(collection)
        .bind(item)
        .fetch_optional(self.pool())
        .await?)
    }

    /// At most `limit` items above `after` that pass a filter, with their sources, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn scan_items(
        &self,
        account: AccountId,
        collection: CollectionId,
        filter: &ItemFilter,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<FullItem>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at, source
               from item
              where account_id = $1
                and collection_id = $2
                and item_id > $3
                and ($5::text is null or component = $5)
                and ($6::text is null or uid = $6)
                and ($7::timestamptz is null or starts_at is null or starts_at < $7)
                and ($8::timestamptz is null or last_ends_at is null or last_ends_at >= $8)
              order by item_id
              limit $4",
        )
        .bind(account)
        .bind(collection)
        .bind(after)
        .bind(limit)
        .bind(&filter.component)
        .bind(&filter.uid)
        .bind(filter.starts_before)
        .bind(filter.ends_after)
        .fetch_all(self.pool())
        .await?)
    }

    /// Items of some collections that match a `tsquery`, newest first, at most `limit`; with `public_only` none that has a
    /// class.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn search_items(
        &self,
        account: AccountId,
        collections: &[CollectionId],
        query: &str,
        public_only: bool,
        limit: i64,
    ) -> Result<Vec<ItemRow>, StoreError> {
        let ids: Vec<i64> = collections.iter().map(|c| c.0).collect();
        Ok(sqlx::query_as(
            "select collection_id, item_id, href, uid, component, size_bytes, summary, starts_at, ends_at, last_ends_at,
                    next_alarm_at, facts, created_modseq, modseq, updated_at
               from item
              where account_id = $1
                and collection_id = any($2)
                and search @@ $3::tsquery
                and (not $4 or facts->>'class' is null)
              order by coalesce(starts_at, updated_at) desc, collection_id, item_id
              limit $5",
        )
        .bind(account)
        .bind(ids)
        .bind(query)
        .bind(public_only)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Where a UID stands in a collection.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn href_of_uid(
        &self,
        account: AccountId,
        collection: CollectionId,
        uid: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select href
               from item
              where account_id = $1
                and collection_id = $2
                and uid = $3
              order by item_id
              limit 1",
        )
        .bind(account)
        .bind(collection)
        .bind(uid)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Where a UID stands in the account's collections of one component.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn items_of_uid(
        &self,
        account: AccountId,
        component: &str,
        uid: &str,
    ) -> Result<Vec<FullItem>, StoreError> {
        Ok(sqlx::query_as(
            "select i.collection_id, i.item_id, i.href, i.uid, i.component, i.size_bytes, i.summary, i.starts_at, i.ends_at,
                    i.last_ends_at, i.next_alarm_at, i.facts, i.created_modseq, i.modseq, i.updated_at, i.source
               from collection c
               join item i on i.account_id = c.account_id
                          and i.collection_id = c.collection_id
                          and i.uid = $3
              where c.account_id = $1
                and c.subscribed_url is null
                and i.component = $2
              order by c.is_default desc, i.collection_id, i.item_id",
        )
        .bind(account)
        .bind(component)
        .bind(uid)
        .fetch_all(self.pool())
        .await?)
    }

    /// The facts of some items, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn item_facts(
        &self,
        account: AccountId,
        collection: CollectionId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Value)>, StoreError> {
        let ids: Vec<i64> = items.iter().map(|i| i.0).collect();
        Ok(sqlx::query_as(
            "select item_id, facts
               from item
              where account_id = $1
                and collection_id = $2
                and item_id = any($3)",
        )
        .bind(account)
        .bind(collection)
        .bind(ids)
        .fetch_all(self.pool())
        .await?)
    }

    /// The account's change number, where a full sync begins; and its quota: bytes held and allowed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_number(
        &self,
        account: AccountId,
    ) -> Result<Option<(ModSeq, i64, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select modseq, used_bytes, quota_bytes
               from account
              where account_id = $1
                and deleted_at is null",
        )
        .bind(account)
        .fetch_optional(self.pool())
        .await?)
    }
}
