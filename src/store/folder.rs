//! Folders: the rows, their counters, creating, renaming, deleting.

use sqlx::FromRow;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, FolderId, ModSeq, SpecialUse, Uid};

/// One folder with its counters.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FolderRow {
    /// Its id, stable over renames.
    pub folder_id: FolderId,
    /// Full path, levels separated by `/`.
    pub name: String,
    /// `inbox`, `drafts` ... or none.
    pub special_use: Option<String>,
    /// RFC 9051 2.3.1.1.
    pub uid_validity: i64,
    /// The next UID.
    pub uid_next: Uid,
    /// The first UID no read-write session has been told of.
    pub recent_uid: Uid,
    /// Messages.
    pub message_count: i64,
    /// Messages without `\Seen`.
    pub unseen_count: i64,
    /// Sum of the message sizes.
    pub total_bytes: i64,
    /// Shown by clients that ask for subscribed folders.
    pub is_subscribed: bool,
    /// When it came.
    pub created_modseq: ModSeq,
    /// Last change of the folder itself (name, subscription).
    pub modseq: ModSeq,
    /// Last change of anything inside: HIGHESTMODSEQ.
    pub content_modseq: ModSeq,
    /// Tombstones up to here are gone.
    pub pruned_modseq: ModSeq,
}

impl FolderRow {
    /// What the folder is for.
    #[must_use]
    pub fn special_use(&self) -> Option<SpecialUse> {
        self.special_use.as_deref().and_then(SpecialUse::from_word)
    }
}

impl Store {
    /// All folders of an account, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn folders(&self, account: AccountId) -> Result<Vec<FolderRow>, StoreError> {
        Ok(sqlx::query_as(
            "select folder_id, name, special_use, uid_validity, uid_next, recent_uid, message_count, unseen_count,
                    total_bytes, is_subscribed, created_modseq, modseq, content_modseq, pruned_modseq
               from folder
              where account_id = $1
              order by name",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }

    /// One folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn folder(
        &self,
        account: AccountId,
        folder: FolderId,
    ) -> Result<Option<FolderRow>, StoreError> {
        Ok(sqlx::query_as(
            "select folder_id, name, special_use, uid_validity, uid_next, recent_uid, message_count, unseen_count,
                    total_bytes, is_subscribed, created_modseq, modseq, content_modseq, pruned_modseq
               from folder
              where account_id = $1
                and folder_id = $2",
        )
        .bind(account)
        .bind(folder)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The folder an account uses for `special`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn special_folder(
        &self,
        account: AccountId,
        special: SpecialUse,
    ) -> Result<Option<FolderId>, StoreError> {
        Ok(sqlx::query_scalar(
            "select folder_id from folder where account_id = $1 and special_use = $2",
        )
        .bind(account)
        .bind(special.word())
        .fetch_optional(self.pool())
        .await?)
    }
}

impl Write {
    /// The folder an account uses for `special`, read under the lock.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn special_folder(&mut self, special: SpecialUse) -> Result<FolderId, Refusal> {
        sqlx::query_scalar(
            "select folder_id from folder where account_id = $1 and special_use = $2",
        )
        .bind(self.account)
        .bind(special.word())
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NoFolder)
    }

    /// Creates a folder. Its UIDVALIDITY is the account's change number, so it is never one used before.
    ///
    /// # Errors
    /// [`Refusal::Exists`].
    pub async fn create_folder(
        &mut self,
        name: &str,
        special: Option<SpecialUse>,
    ) -> Result<FolderId, Refusal> {
        sqlx::query_scalar(
            "insert into folder (account_id, name, special_use, uid_validity, created_modseq, modseq, content_modseq)
             values ($1, $2, $3, $4, $4, $4, $4)
             on conflict do nothing
             returning folder_id",
        )
        .bind(self.account)
        .bind(name)
        .bind(special.map(SpecialUse::word))
        .bind(self.modseq)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::Exists)
    }

    /// Renames a folder and everything below it (RFC 9051 6.3.6).
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::Exists`], [`Refusal::Invalid`] when it would move into itself.
    pub async fn rename_folder(&mut self, folder: FolderId, new_name: &str) -> Result<(), Refusal> {
        let old: String =
            sqlx::query_scalar("select name from folder where account_id = $1 and folder_id = $2")
                .bind(self.account)
                .bind(folder)
                .fetch_optional(&mut *self.tx)
                .await
                .map_err(StoreError::from)?
                .ok_or(Refusal::NoFolder)?;
        if old == new_name {
            return Ok(());
        }
        if new_name
            .strip_prefix(&old)
            .is_some_and(|below| below.starts_with('/'))
        {
            return Err(Refusal::Invalid("a folder cannot move into itself"));
        }
        let taken: bool = sqlx::query_scalar(
            "select exists (
                 select from folder n
                  where n.account_id = $1
                    and n.name in (select $3 || substr(o.name, length($2) + 1)
                                     from folder o
                                    where o.account_id = $1
                                      and (o.name = $2 or starts_with(o.name, $2 || '/')))
                    and not (n.name = $2 or starts_with(n.name, $2 || '/')))",
        )
        .bind(self.account)
        .bind(&old)
        .bind(new_name)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if taken {
            return Err(Refusal::Exists);
        }
        sqlx::query(
            "update folder
                set name   = $3 || substr(name, length($2) + 1),
                    modseq = $4
              where account_id = $1
                and (name = $2 or starts_with(name, $2 || '/'))",
        )
        .bind(self.account)
        .bind(&old)
        .bind(new_name)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Sets whether clients that list subscribed folders see it.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn subscribe_folder(
        &mut self,
        folder: FolderId,
        is_subscribed: bool,
    ) -> Result<(), Refusal> {
        let done = sqlx::query(
            "update folder set is_subscribed = $3, modseq = $4 where account_id = $1 and folder_id = $2",
        )
        .bind(self.account)
        .bind(folder)
        .bind(is_subscribed)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(Refusal::NoFolder)
        }
    }

    /// Deletes an empty folder and leaves its tombstone. Message tombstones of the folder go with it.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`] when it is missing, special or not empty (the caller empties it first, in bites).
    pub async fn delete_folder(&mut self, folder: FolderId) -> Result<(), Refusal> {
        let done = sqlx::query(
            "delete from folder
              where account_id = $1
                and folder_id = $2
                and special_use is null
                and message_count = 0",
        )
        .bind(self.account)
        .bind(folder)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::NoFolder);
        }
        sqlx::query(
            "delete from tombstone where account_id = $1 and kind = 'message' and parent_id = $2",
        )
        .bind(self.account)
        .bind(folder)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        sqlx::query("delete from folder_metadata where account_id = $1 and folder_id = $2")
            .bind(self.account)
            .bind(folder)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        sqlx::query(
            "insert into tombstone (account_id, kind, parent_id, modseq, first_id, last_id)
             values ($1, 'folder', 0, $3, $2, $2)",
        )
        .bind(self.account)
        .bind(folder)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}
