//! Reading: one item, some, all that pass a filter, what changed.

use std::collections::HashSet;

use super::sharing::{Class, class_in, seen, seen_row};
use super::{
    At, ChangedItem, ChangesError, CollectionChanges, FullItem, GoneItem, ItemFilter, ItemRow,
    Items, Naming,
};
use crate::error::Refusal;
use crate::model::{ItemId, Rights, SyncPoint};

/// Names of one question.
const MAX_NAMES: usize = 1_000;
/// Rows of one page.
const MAX_PAGE: i64 = 1_000;

impl Items {
    /// One item with its source.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn item(&self, at: At, href: &str) -> Result<FullItem, Refusal> {
        self.place(at, Rights::READ).await?;
        self.store
            .full_item(at.owner, at.collection, href)
            .await?
            .and_then(|item| seen(at, item))
            .ok_or(Refusal::NotFound)
    }

    /// One item by its id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn item_by_id(&self, at: At, item: ItemId) -> Result<FullItem, Refusal> {
        self.place(at, Rights::READ).await?;
        self.store
            .full_item_by_id(at.owner, at.collection, item)
            .await?
            .and_then(|item| seen(at, item))
            .ok_or(Refusal::NotFound)
    }

    /// Some items by name with their sources, in no order; what is not there is missing. At most 1,000 names.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] without the collection, [`Refusal::NotAllowed`], [`Refusal::TooMany`].
    pub async fn items_named(&self, at: At, hrefs: &[String]) -> Result<Vec<FullItem>, Refusal> {
        self.place(at, Rights::READ).await?;
        if hrefs.len() > MAX_NAMES {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        Ok(self
            .store
            .full_items(at.owner, at.collection, hrefs)
            .await?
            .into_iter()
            .filter_map(|item| seen(at, item))
            .collect())
    }

    /// A page of items without sources, by id: those above `after`. Fewer than `limit` are the last.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn list(&self, at: At, after: ItemId, limit: i64) -> Result<Vec<ItemRow>, Refusal> {
        self.place(at, Rights::READ).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let mut page = Vec::new();
        let mut after = after;
        // What the reader may not see leaves room for what comes behind it.
        loop {
            let wanted = left(limit, page.len());
            let rows = self
                .store
                .items(at.owner, at.collection, after, wanted)
                .await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|n| n < wanted);
            let Some(last) = rows.last().map(|r| r.item_id) else {
                return Ok(page);
            };
            after = last;
            page.extend(rows.into_iter().filter_map(|row| seen_row(at, row)));
            if is_last || left(limit, page.len()) == 0 {
                return Ok(page);
            }
        }
    }

    /// A page of items with sources that pass a coarse filter, by id: those above `after`. Fewer than `limit` are the last. A
    /// window of time takes in what may lie in it; whether it does, the series of its source says.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn scan(
        &self,
        at: At,
        filter: &ItemFilter,
        after: ItemId,
        limit: i64,
    ) -> Result<Vec<FullItem>, Refusal> {
        self.place(at, Rights::READ).await?;
        let limit = limit.clamp(1, MAX_PAGE);
        let mut page = Vec::new();
        let mut after = after;
        loop {
            let wanted = left(limit, page.len());
            let items = self
                .store
                .scan_items(at.owner, at.collection, filter, after, wanted)
                .await?;
            let is_last = i64::try_from(items.len()).is_ok_and(|n| n < wanted);
            let Some(last) = items.last().map(|i| i.row.item_id) else {
                return Ok(page);
            };
            after = last;
            page.extend(items.into_iter().filter_map(|item| seen(at, item)));
            if is_last || left(limit, page.len()) == 0 {
                return Ok(page);
            }
        }
    }

    /// Where a full sync of the collection begins.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn sync_start(&self, at: At) -> Result<SyncPoint, Refusal> {
        self.place(at, Rights::READ).await?;
        let (modseq, _, _) = self
            .store
            .account_number(at.owner)
            .await?
            .ok_or(Refusal::NotFound)?;
        Ok(SyncPoint::full(modseq))
    }

    /// What changed inside the collection behind a point, oldest first, at most `limit` (RFC 6578 3.2).
    ///
    /// # Errors
    /// [`ChangesError::TooOld`]: the caller starts a full sync. [`ChangesError::NotFound`] also without the right to read.
    pub async fn changes(
        &self,
        at: At,
        since: SyncPoint,
        limit: i64,
        naming: Naming,
    ) -> Result<CollectionChanges, ChangesError> {
        match self.place(at, Rights::READ).await {
            Ok(_) => {}
            Err(Refusal::Unavailable(e) | Refusal::StorageFull(e)) => {
                return Err(ChangesError::Store(e));
            }
            Err(_) => return Err(ChangesError::NotFound),
        }
        let mut changes = self
            .store
            .collection_changes(at.owner, at.collection, since, limit.min(MAX_PAGE), naming)
            .await?;
        if !at.is_own() {
            self.hide_private(at, &mut changes).await?;
        }
        Ok(changes)
    }

    /// What became private has left for everybody but its owner.
    async fn hide_private(
        &self,
        at: At,
        changes: &mut CollectionChanges,
    ) -> Result<(), ChangesError> {
        let ids: Vec<ItemId> = changes.items.iter().map(|i| i.item_id).collect();
        let hidden: HashSet<ItemId> = self
            .store
            .item_facts(at.owner, at.collection, &ids)
            .await?
            .into_iter()
            .filter(|(_, facts)| class_in(facts) == Class::Private)
            .map(|(id, _)| id)
            .collect();
        let (gone, kept): (Vec<ChangedItem>, Vec<ChangedItem>) = std::mem::take(&mut changes.items)
            .into_iter()
            .partition(|i| hidden.contains(&i.item_id));
        changes.items = kept;
        changes.gone.extend(gone.into_iter().map(|i| GoneItem {
            item_id: i.item_id,
            href: i.href,
            modseq: i.modseq,
        }));
        changes.gone.sort_by_key(|g| (g.modseq, g.item_id));
        Ok(())
    }
}

/// Rows that still fit into a page.
fn left(limit: i64, held: usize) -> i64 {
    limit
        .saturating_sub(i64::try_from(held).unwrap_or(i64::MAX))
        .max(0)
}
