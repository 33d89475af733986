//! Reading: one item, some, all that pass a filter, what changed.

use super::{At, ChangesError, CollectionChanges, FullItem, ItemFilter, ItemRow, Items, Naming};
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
            .await?)
    }

    /// A page of items without sources, by id: those above `after`.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn list(&self, at: At, after: ItemId, limit: i64) -> Result<Vec<ItemRow>, Refusal> {
        self.place(at, Rights::READ).await?;
        Ok(self
            .store
            .items(at.owner, at.collection, after, limit.min(MAX_PAGE))
            .await?)
    }

    /// A page of items with sources that pass a coarse filter, by id: those above `after`. A window of time takes in what may
    /// lie in it; whether it does, the series of its source says.
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
        Ok(self
            .store
            .scan_items(at.owner, at.collection, filter, after, limit.min(MAX_PAGE))
            .await?)
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
        self.store
            .collection_changes(at.owner, at.collection, since, limit.min(MAX_PAGE), naming)
            .await
    }
}
