//! Annotations of folders (RFC 5464). Folder 0 stands for the account itself.

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, FolderId};

impl Store {
    /// All annotations of a folder, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn metadata(
        &self,
        account: AccountId,
        folder: FolderId,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        Ok(sqlx::query_as(
            "select name, value
               from folder_metadata
              where account_id = $1
                and folder_id = $2
              order by name",
        )
        .bind(account)
        .bind(folder)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Sets an annotation, or removes it.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn set_metadata(
        &mut self,
        folder: FolderId,
        name: &str,
        value: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let query = match value {
            Some(value) => sqlx::query(
                "insert into folder_metadata (account_id, folder_id, name, value)
                 values ($1, $2, $3, $4)
                 on conflict (account_id, folder_id, name) do update set value = excluded.value",
            )
            .bind(self.account)
            .bind(folder)
            .bind(name)
            .bind(value),
            None => sqlx::query(
                "delete from folder_metadata
                  where account_id = $1
                    and folder_id = $2
                    and name = $3",
            )
            .bind(self.account)
            .bind(folder)
            .bind(name),
        };
        query
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        Ok(())
    }

    /// How many annotations a folder has.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn metadata_count(&mut self, folder: FolderId) -> Result<i64, Refusal> {
        Ok(sqlx::query_scalar(
            "select count(*) from folder_metadata where account_id = $1 and folder_id = $2",
        )
        .bind(self.account)
        .bind(folder)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }
}
