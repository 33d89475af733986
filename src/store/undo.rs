//! What can be taken back for a minute: a token and a description that the service understands.

use serde_json::Value;

use super::Store;
use crate::error::StoreError;
use crate::model::AccountId;

impl Store {
    /// Remembers how to take something back for `seconds`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_undo(
        &self,
        account: AccountId,
        token: &str,
        action: &Value,
        seconds: i32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "with old as (
                 delete from undo where account_id = $1 and expires_at < now()
             )
             insert into undo (account_id, token, action, expires_at)
             values ($1, $2, $3, now() + make_interval(secs => $4))",
        )
        .bind(account)
        .bind(token)
        .bind(action)
        .bind(f64::from(seconds))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Takes the description out; a token works once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_undo(
        &self,
        account: AccountId,
        token: &str,
    ) -> Result<Option<Value>, StoreError> {
        Ok(sqlx::query_scalar(
            "delete from undo
              where account_id = $1
                and token = $2
                and expires_at > now()
             returning action",
        )
        .bind(account)
        .bind(token)
        .fetch_optional(self.pool())
        .await?)
    }
}
