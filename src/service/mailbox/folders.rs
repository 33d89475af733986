//! Folders by name, as IMAP handles them: levels above a new folder come with it, a folder with others below it stays.

use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::model::{AccountId, Charge, FolderId, SpecialUse};
use crate::store::folder::FolderRow;

/// Octets of one level of a name (security.md 2, IMAP).
const LEVEL_BYTES: usize = 255;
/// Octets of a whole name.
const NAME_BYTES: usize = 1_000;
/// Levels of a name.
const LEVELS: usize = 20;
/// Folders of one account.
const FOLDERS: i64 = 2_000;
/// Rows of one commit of bulk work.
const BITE: i64 = 500;

/// Counters that the folder's row does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    /// Messages nobody was told of.
    pub recent: i64,
    /// Messages marked as deleted.
    pub deleted: i64,
    /// Their octets.
    pub deleted_bytes: i64,
}

impl Mailboxes {
    /// All folders with their counters: the inbox first, then by name.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, Refusal> {
        let mut folders = self.store.folders(account).await?;
        folders
            .sort_by_cached_key(|f| (f.special_use() != Some(SpecialUse::Inbox), f.name.clone()));
        Ok(folders)
    }

    /// The folder of this name.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn folder(&self, account: AccountId, name: &str) -> Result<FolderRow, Refusal> {
        self.store
            .folder_by_name(account, name)
            .await?
            .ok_or(Refusal::NoFolder)
    }

    /// Counts what is recent and what is marked as deleted.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn count(&self, account: AccountId, folder: &FolderRow) -> Result<Counted, Refusal> {
        let (recent, deleted, deleted_bytes) = self
            .store
            .recent_and_deleted(account, folder.folder_id, folder.recent_uid)
            .await?;
        Ok(Counted {
            recent,
            deleted,
            deleted_bytes,
        })
    }

    /// Says that this session has shown everything in the folder; returns the first UID nobody had been told of.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn claim_recent(&self, view: &View) -> Result<Option<u32>, Refusal> {
        let first = self.store.claim_recent(view.account, view.folder).await?;
        Ok(first.and_then(|uid| u32::try_from(uid.0).ok()))
    }

    /// Creates a folder, and the levels above it that are missing.
    ///
    /// # Errors
    /// [`Refusal::Exists`], [`Refusal::Invalid`] for a name that cannot be, [`Refusal::TooMany`] beyond the limit.
    pub async fn create(
        &self,
        account: AccountId,
        name: &str,
        special: Option<SpecialUse>,
    ) -> Result<FolderId, Refusal> {
        let name = name.strip_suffix('/').unwrap_or(name);
        check_name(name)?;
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let mut made = 0;
        for (at, _) in name.match_indices('/') {
            let above = name.get(..at).unwrap_or_default();
            match write.folder_named(above).await {
                Ok(_) => {}
                Err(Refusal::NoFolder) => {
                    write.create_folder(above, None).await?;
                    made += 1;
                }
                Err(other) => return Err(other),
            }
        }
        let id = write.create_folder(name, special).await?;
        made += 1;
        let there = write.folder_count().await?;
        if there > FOLDERS && made > 0 {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        self.hub.wake(write.commit().await?);
        Ok(id)
    }

    /// Deletes a folder and its messages; they stay restorable for a time.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::NotAllowed`] for a folder the account needs, [`Refusal::Exists`] when others lie
    /// below it.
    pub async fn delete(&self, account: AccountId, name: &str) -> Result<(), Refusal> {
        loop {
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            let folder = write.folder_named(name).await?;
            if folder.special_use.is_some() {
                return Err(Refusal::NotAllowed);
            }
            if write.has_folders_below(name).await? {
                return Err(Refusal::Exists);
            }
            let uids = write.some_uids(folder.folder_id, BITE).await?;
            if !uids.is_empty() {
                write
                    .expunge(folder.folder_id, &uids, Some(self.keep_days()))
                    .await?;
            }
            let is_last = i64::try_from(uids.len()).unwrap_or(i64::MAX) < BITE;
            if is_last {
                write.delete_folder(folder.folder_id).await?;
            }
            self.hub.wake(write.commit().await?);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Gives a folder another name, and all below it. The inbox stays where it is and its messages move (RFC 9051 6.3.6).
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::Exists`], [`Refusal::Invalid`], [`Refusal::NotAllowed`] for a folder the account
    /// needs.
    pub async fn rename(&self, account: AccountId, from: &str, to: &str) -> Result<(), Refusal> {
        let to = to.strip_suffix('/').unwrap_or(to);
        check_name(to)?;
        let folder = self.folder(account, from).await?;
        let is_inbox = folder.special_use() == Some(SpecialUse::Inbox);
        if folder.special_use.is_some() && !is_inbox {
            return Err(Refusal::NotAllowed);
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        for (at, _) in to.match_indices('/') {
            let above = to.get(..at).unwrap_or_default();
            if above == from {
                return Err(Refusal::Invalid("a folder cannot move into itself"));
            }
            if matches!(write.folder_named(above).await, Err(Refusal::NoFolder)) {
                write.create_folder(above, None).await?;
            }
        }
        if is_inbox {
            let target = write.create_folder(to, None).await?;
            let uids = write.some_uids(folder.folder_id, i64::MAX).await?;
            write.move_messages(folder.folder_id, &uids, target).await?;
        } else {
            write.rename_folder(folder.folder_id, to).await?;
        }
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Sets whether clients that list subscribed folders see it.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn subscribe(
        &self,
        account: AccountId,
        name: &str,
        is_subscribed: bool,
    ) -> Result<(), Refusal> {
        let folder = self.folder(account, name).await?;
        if folder.is_subscribed == is_subscribed {
            return Ok(());
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write
            .subscribe_folder(folder.folder_id, is_subscribed)
            .await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }
}

/// A name as it may be created: levels of 1..=255 octets, no control character, no wildcard that LIST could not name.
fn check_name(name: &str) -> Result<(), Refusal> {
    if name.len() > NAME_BYTES || name.split('/').count() > LEVELS {
        return Err(Refusal::Invalid("folder-name-long"));
    }
    for level in name.split('/') {
        if level.is_empty() {
            return Err(Refusal::Invalid("folder-name-empty"));
        }
        if level.len() > LEVEL_BYTES {
            return Err(Refusal::Invalid("folder-name-long"));
        }
        // Line and paragraph separators are controls by another name (RFC 5198 2); lone bidi marks hide what is there.
        if level.chars().any(|c| {
            c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        }) || level.contains(['*', '%'])
        {
            return Err(Refusal::Invalid("folder-name-characters"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_their_limits() {
        assert!(check_name(&"x".repeat(255)).is_ok());
        assert!(check_name(&"x".repeat(256)).is_err());
        assert!(check_name(&["x"; 20].join("/")).is_ok());
        assert!(check_name(&["x"; 21].join("/")).is_err());
        for bad in [
            "",
            "a//b",
            "/a",
            "a\u{7}b",
            "a\rb",
            "a*",
            "%",
            "a\u{202e}b",
            "a\u{2028}",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in [
            "a",
            "a/b",
            "Kunden & Verträge",
            "日本語",
            "a b",
            "..",
            "~x",
            "\\a",
            "a\"b",
        ] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
