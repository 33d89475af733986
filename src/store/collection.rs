//! Collections (calendars, address books, task lists, notes): the rows, creating, changing, deleting.
//!
//! The counters of a collection are kept by the item functions (`item.rs`) and nowhere else.

use serde_json::Value;
use sqlx::FromRow;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, CollectionId, CollectionKind, ItemId, ModSeq};

/// One collection with its counters.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct CollectionRow {
    /// Its id, stable over renames.
    pub collection_id: CollectionId,
    /// `calendar`, `contacts`, `tasks`, `notes`.
    pub kind: String,
    /// Its segment in a DAV path.
    pub slug: String,
    /// As shown.
    pub name: String,
    /// `#rrggbb`.
    pub color: Option<String>,
    /// As shown.
    pub description: String,
    /// Place among the others.
    pub sort_order: i32,
    /// Where new objects of its kind go.
    pub is_default: bool,
    /// IANA name; none: the account's.
    pub time_zone: Option<String>,
    /// Dead DAV properties.
    pub properties: Value,
    /// Read from there instead of written by the user.
    pub subscribed_url: Option<String>,
    /// Items.
    pub item_count: i64,
    /// Sum of the sizes of their sources.
    pub total_bytes: i64,
    /// When it came.
    pub created_modseq: ModSeq,
    /// Last change of the collection itself.
    pub modseq: ModSeq,
    /// Last change of anything inside.
    pub content_modseq: ModSeq,
    /// Tombstones up to here are gone.
    pub pruned_modseq: ModSeq,
    /// Above every item id given so far.
    pub next_item_id: ItemId,
}

impl CollectionRow {
    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Option<CollectionKind> {
        CollectionKind::from_word(&self.kind)
    }
}

/// A collection as it is created.
#[derive(Debug, Clone)]
pub struct NewCollection<'a> {
    /// What it holds.
    pub kind: CollectionKind,
    /// Its segment in a DAV path.
    pub slug: &'a str,
    /// As shown.
    pub name: &'a str,
    /// `#rrggbb`.
    pub color: Option<&'a str>,
    /// As shown.
    pub description: &'a str,
    /// Place among the others.
    pub sort_order: i32,
    /// Where new objects of its kind go.
    pub is_default: bool,
    /// IANA name; none: the account's.
    pub time_zone: Option<&'a str>,
}

/// What changes of a collection itself; none leaves as it is.
#[derive(Debug, Clone, Default)]
pub struct CollectionEdit<'a> {
    /// As shown.
    pub name: Option<&'a str>,
    /// `#rrggbb`.
    pub color: Option<&'a str>,
    /// As shown.
    pub description: Option<&'a str>,
    /// Place among the others.
    pub sort_order: Option<i32>,
    /// IANA name.
    pub time_zone: Option<&'a str>,
    /// All dead DAV properties.
    pub properties: Option<&'a Value>,
}

impl Write {
    /// Creates a collection.
    ///
    /// # Errors
    /// [`Refusal::Exists`] when the slug is taken.
    pub async fn create_collection(
        &mut self,
        new: &NewCollection<'_>,
    ) -> Result<CollectionId, Refusal> {
        sqlx::query_scalar(
            "insert into collection (account_id, kind, slug, name, color, description, sort_order, is_default, time_zone,
                                     created_modseq, modseq, content_modseq)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $10)
             on conflict do nothing
             returning collection_id",
        )
        .bind(self.account)
        .bind(new.kind.word())
        .bind(new.slug)
        .bind(new.name)
        .bind(new.color)
        .bind(new.description)
        .bind(new.sort_order)
        .bind(new.is_default)
        .bind(new.time_zone)
        .bind(self.modseq)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::Exists)
    }

    /// Changes a collection itself, not what is inside.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn edit_collection(
        &mut self,
        collection: CollectionId,
        edit: &CollectionEdit<'_>,
    ) -> Result<(), Refusal> {
        let done = sqlx::query(
            "update collection
                set name        = coalesce($3, name),
                    color       = coalesce($4, color),
                    description = coalesce($5, description),
                    sort_order  = coalesce($6, sort_order),
                    time_zone   = coalesce($7, time_zone),
                    properties  = coalesce($8, properties),
                    modseq      = $9
              where account_id = $1
                and collection_id = $2",
        )
        .bind(self.account)
        .bind(collection)
        .bind(edit.name)
        .bind(edit.color)
        .bind(edit.description)
        .bind(edit.sort_order)
        .bind(edit.time_zone)
        .bind(edit.properties)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(Refusal::NotFound)
        }
    }

    /// Deletes an empty collection and leaves its tombstone. Item tombstones of the collection go with it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is missing or not empty (the caller empties it first, in bites).
    pub async fn delete_collection(&mut self, collection: CollectionId) -> Result<(), Refusal> {
        let done = sqlx::query(
            "delete from collection
              where account_id = $1
                and collection_id = $2
                and item_count = 0",
        )
        .bind(self.account)
        .bind(collection)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::NotFound);
        }
        sqlx::query(
            "delete from tombstone
              where account_id = $1
                and kind = 'item'
                and parent_id = $2",
        )
        .bind(self.account)
        .bind(collection)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        sqlx::query(
            "insert into tombstone (account_id, kind, parent_id, modseq, first_id, last_id)
             values ($1, 'collection', 0, $3, $2, $2)",
        )
        .bind(self.account)
        .bind(collection)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

impl Store {
    /// One collection.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collection(
        &self,
        account: AccountId,
        collection: CollectionId,
    ) -> Result<Option<CollectionRow>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, kind, slug, name, color, description, sort_order, is_default, time_zone, properties,
                    subscribed_url, item_count, total_bytes, created_modseq, modseq, content_modseq, pruned_modseq, next_item_id
               from collection
              where account_id = $1
                and collection_id = $2",
        )
        .bind(account)
        .bind(collection)
        .fetch_optional(self.pool())
        .await?)
    }

    /// All collections of an account, in the user's order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collections(&self, account: AccountId) -> Result<Vec<CollectionRow>, StoreError> {
        Ok(sqlx::query_as(
            "select collection_id, kind, slug, name, color, description, sort_order, is_default, time_zone, properties,
                    subscribed_url, item_count, total_bytes, created_modseq, modseq, content_modseq, pruned_modseq, next_item_id
               from collection
              where account_id = $1
              order by kind, sort_order, name, collection_id",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }
}
