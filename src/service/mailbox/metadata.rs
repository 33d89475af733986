//! Annotations of folders and of the account (RFC 5464): a client's own notes, few and small.

use super::Mailboxes;
use crate::error::Refusal;
use crate::model::{AccountId, Charge, FolderId};

/// Annotations of one folder.
const ENTRIES: i64 = 50;

impl Mailboxes {
    /// All annotations of a folder, by name; of the account itself for an empty folder name.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::Unavailable`].
    pub async fn metadata(
        &self,
        account: AccountId,
        folder: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, Refusal> {
        let folder = self.annotated(account, folder).await?;
        Ok(self.store.metadata(account, folder).await?)
    }

    /// Sets and removes annotations, all or none.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::TooMany`] when there would be too many.
    pub async fn set_metadata(
        &self,
        account: AccountId,
        folder: &str,
        entries: &[(String, Option<Vec<u8>>)],
    ) -> Result<(), Refusal> {
        let folder = self.annotated(account, folder).await?;
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        for (name, value) in entries {
            write.set_metadata(folder, name, value.as_deref()).await?;
        }
        if write.metadata_count(folder).await? > ENTRIES {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    async fn annotated(&self, account: AccountId, folder: &str) -> Result<FolderId, Refusal> {
        if folder.is_empty() {
            return Ok(FolderId(0));
        }
        Ok(self.folder(account, folder).await?.folder_id)
    }
}
