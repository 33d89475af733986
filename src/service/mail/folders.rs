//! Folders as a person handles them: create, rename, move, delete, empty.

use super::Mail;
use crate::error::Refusal;
use crate::model::{AccountId, Charge, FolderId, SpecialUse, Uid};
use crate::store::folder::FolderRow;

/// Rows of one bite of bulk work (style.md 6).
pub(super) const BITE: i64 = 500;
/// Octets of one level of a name (security.md 2, IMAP).
const LEVEL_BYTES: usize = 255;
/// Octets of a whole name.
const NAME_BYTES: usize = 1000;
/// Levels of a name.
const LEVELS: usize = 20;
/// Folders of one account.
const FOLDERS: usize = 2000;

impl Mail {
    /// All folders with their counters, by name.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, Refusal> {
        Ok(self.store.folders(account).await?)
    }

    /// One folder.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn folder(&self, account: AccountId, folder: FolderId) -> Result<FolderRow, Refusal> {
        self.store
            .folder(account, folder)
            .await?
            .ok_or(Refusal::NoFolder)
    }

    /// The folder used for `special`.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn special_folder(
        &self,
        account: AccountId,
        special: SpecialUse,
    ) -> Result<FolderId, Refusal> {
        self.store
            .special_folder(account, special)
            .await?
            .ok_or(Refusal::NoFolder)
    }

    /// Creates a folder below `parent`, or at the top.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a name that cannot be, [`Refusal::Exists`], [`Refusal::NoFolder`] without the parent,
    /// [`Refusal::TooMany`] beyond the limit.
    pub async fn create_folder(
        &self,
        account: AccountId,
        parent: Option<FolderId>,
        name: &str,
    ) -> Result<FolderId, Refusal> {
        let path = self.path(account, parent, name).await?;
        if self.store.folders(account).await?.len() >= FOLDERS {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let id = write.create_folder(&path, None).await?;
        self.hub.wake(write.commit().await?);
        Ok(id)
    }

    /// Gives a folder another name and, with `parent`, another place; everything below it goes along.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], [`Refusal::Exists`], [`Refusal::NoFolder`], [`Refusal::NotAllowed`] for special folders and for
    /// a move below itself.
    pub async fn rename_folder(
        &self,
        account: AccountId,
        folder: FolderId,
        parent: Option<FolderId>,
        name: &str,
    ) -> Result<(), Refusal> {
        let row = self.folder(account, folder).await?;
        if row.special_use.is_some() {
            return Err(Refusal::NotAllowed);
        }
        let path = self.path(account, parent, name).await?;
        if path
            .strip_prefix(&row.name)
            .is_some_and(|rest| rest.starts_with('/'))
        {
            return Err(Refusal::NotAllowed);
        }
        if path == row.name {
            return Ok(());
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.rename_folder(folder, &path).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Deletes a folder and everything below it; its messages go to the trash, or for good when it lies there already.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::NotAllowed`] for special folders.
    pub async fn delete_folder(&self, account: AccountId, folder: FolderId) -> Result<(), Refusal> {
        let row = self.folder(account, folder).await?;
        if row.special_use.is_some() {
            return Err(Refusal::NotAllowed);
        }
        let trash = self.special_folder(account, SpecialUse::Trash).await?;
        let below = format!("{}/", row.name);
        let mut doomed: Vec<FolderRow> = self
            .folders(account)
            .await?
            .into_iter()
            .filter(|f| f.folder_id == folder || f.name.starts_with(&below))
            .collect();
        doomed.sort_by_key(|f| std::cmp::Reverse(f.name.len()));
        for f in doomed {
            if f.special_use.is_some() {
                return Err(Refusal::NotAllowed);
            }
            self.move_all(account, f.folder_id, trash).await?;
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            write.delete_folder(f.folder_id).await?;
            self.hub.wake(write.commit().await?);
        }
        Ok(())
    }

    /// Removes every message of the trash or the junk folder for good; what is removed stays restorable for a time.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] for any other folder.
    pub async fn empty_folder(&self, account: AccountId, folder: FolderId) -> Result<u64, Refusal> {
        let row = self.folder(account, folder).await?;
        if !matches!(
            row.special_use(),
            Some(SpecialUse::Trash | SpecialUse::Junk)
        ) {
            return Err(Refusal::NotAllowed);
        }
        let mut removed = 0;
        loop {
            let bite = self
                .store
                .places_of_folder(account, folder, Uid(0), BITE)
                .await?;
            let uids: Vec<i64> = bite
                .iter()
                .filter(|p| p.uid < row.uid_next)
                .map(|p| p.uid.0)
                .collect();
            if uids.is_empty() {
                return Ok(removed);
            }
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            let gone = write.expunge(folder, &uids, Some(self.keep_days())).await?;
            self.hub.wake(write.commit().await?);
            removed += u64::try_from(gone.len()).unwrap_or(0);
        }
    }

    async fn move_all(
        &self,
        account: AccountId,
        from: FolderId,
        to: FolderId,
    ) -> Result<(), Refusal> {
        loop {
            let bite = self
                .store
                .places_of_folder(account, from, Uid(0), BITE)
                .await?;
            if bite.is_empty() {
                return Ok(());
            }
            let uids: Vec<i64> = bite.iter().map(|p| p.uid.0).collect();
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            write.move_messages(from, &uids, to).await?;
            self.hub.wake(write.commit().await?);
        }
    }

    pub(super) fn keep_days(&self) -> i32 {
        i32::try_from(self.config.server.retention_days).unwrap_or(i32::MAX)
    }

    async fn path(
        &self,
        account: AccountId,
        parent: Option<FolderId>,
        name: &str,
    ) -> Result<String, Refusal> {
        let name = name.trim();
        check_level(name)?;
        let path = match parent {
            Some(parent) => format!("{}/{name}", self.folder(account, parent).await?.name),
            None => name.to_owned(),
        };
        if path.len() > NAME_BYTES || path.split('/').count() > LEVELS {
            return Err(Refusal::Invalid("folder-name-long"));
        }
        Ok(path)
    }
}

/// One level of a folder name: 1..=255 octets, no `/`, no control character, not a reserved word at the top.
fn check_level(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::Invalid("folder-name-empty"));
    }
    if name.len() > LEVEL_BYTES {
        return Err(Refusal::Invalid("folder-name-long"));
    }
    if name.contains('/')
        || name.chars().any(char::is_control)
        || name.eq_ignore_ascii_case("INBOX")
    {
        return Err(Refusal::Invalid("folder-name-characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_their_limits() {
        assert!(check_level(&"x".repeat(255)).is_ok());
        assert!(check_level(&"x".repeat(256)).is_err());
        for bad in ["", "a/b", "a\u{7}b", "inbox"] {
            assert!(check_level(bad).is_err(), "{bad:?}");
        }
        assert!(check_level("Kunden & Verträge").is_ok());
    }
}
