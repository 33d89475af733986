//! What an account signs in with beside its password: app passwords, the second factor, recovery codes.

use sqlx::FromRow;
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Protocol};

/// An app password as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AppPasswordRow {
    /// Its id.
    pub app_password_id: i64,
    /// What its owner called it.
    pub name: String,
    /// The doors it opens.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the hour.
    pub used_at: Option<OffsetDateTime>,
}

impl Store {
    /// The app password of that hash which opens `protocol`; notes the use once an hour.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_app_password(
        &self,
        account: AccountId,
        hash: &[u8],
        protocol: Protocol,
    ) -> Result<Option<i64>, StoreError> {
        let found: Option<(i64, bool)> = sqlx::query_as(
            "select app_password_id, coalesce(used_at < now() - interval '1 hour', true)
               from app_password
              where account_id = $1
                and hash = $2
                and $3 = any(scopes)",
        )
        .bind(account)
        .bind(hash)
        .bind(protocol.word())
        .fetch_optional(self.pool())
        .await?;
        let Some((id, is_due)) = found else {
            return Ok(None);
        };
        if is_due {
            sqlx::query(
                "update app_password set used_at = now() where account_id = $1 and app_password_id = $2",
            )
            .bind(account)
            .bind(id)
            .execute(self.pool())
            .await?;
        }
        Ok(Some(id))
    }

    /// The account's app passwords, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn app_passwords(
        &self,
        account: AccountId,
    ) -> Result<Vec<AppPasswordRow>, StoreError> {
        Ok(sqlx::query_as(
            "select app_password_id, name, scopes, created_at, used_at
               from app_password
              where account_id = $1
              order by app_password_id desc",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }

    /// The second factor's secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn totp_secret(&self, account: AccountId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(
            sqlx::query_scalar("select totp_secret from account where account_id = $1")
                .bind(account)
                .fetch_optional(self.pool())
                .await?
                .flatten(),
        )
    }

    /// Takes a time step of the second factor; false when it, or a later one, was used before (RFC 6238 5.2).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_totp_step(&self, account: AccountId, step: i64) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update account
                set totp_last_step = $2
              where account_id = $1
                and totp_secret is not null
                and totp_last_step < $2",
        )
        .bind(account)
        .bind(step)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Uses a recovery code; false when there is none of that hash or it was used before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_recovery_code(
        &self,
        account: AccountId,
        hash: &[u8],
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update recovery_code
                set used_at = now()
              where account_id = $1
                and hash = $2
                and used_at is null",
        )
        .bind(account)
        .bind(hash)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Recovery codes that were not used yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recovery_codes_left(&self, account: AccountId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "select count(*) from recovery_code where account_id = $1 and used_at is null",
        )
        .bind(account)
        .fetch_one(self.pool())
        .await?)
    }
}

impl Write {
    /// Adds an app password.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`too-many`) when there are `most` already.
    pub async fn add_app_password(
        &mut self,
        name: &str,
        hash: &[u8],
        scopes: &[&str],
        most: i64,
    ) -> Result<i64, Refusal> {
        sqlx::query_scalar(
            "insert into app_password (account_id, name, hash, scopes)
             select $1, $2, $3, $4
              where (select count(*) from app_password where account_id = $1) < $5
             returning app_password_id",
        )
        .bind(self.account)
        .bind(name)
        .bind(hash)
        .bind(scopes)
        .bind(most)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::Invalid("too-many"))
    }

    /// Takes an app password away and ends every remembered log-in; its name.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revoke_app_password(&mut self, id: i64) -> Result<String, Refusal> {
        let name = sqlx::query_scalar(
            "delete from app_password where account_id = $1 and app_password_id = $2 returning name",
        )
        .bind(self.account)
        .bind(id)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NotFound)?;
        self.raise_password_version().await?;
        Ok(name)
    }

    /// Sets or takes away the second factor, with its recovery codes, and ends every remembered log-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_totp(
        &mut self,
        secret: Option<&[u8]>,
        last_step: i64,
        code_hashes: &[Vec<u8>],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update account set totp_secret = $2, totp_last_step = $3 where account_id = $1",
        )
        .bind(self.account)
        .bind(secret)
        .bind(last_step)
        .execute(&mut *self.tx)
        .await?;
        sqlx::query("delete from recovery_code where account_id = $1")
            .bind(self.account)
            .execute(&mut *self.tx)
            .await?;
        sqlx::query("insert into recovery_code (account_id, hash) select $1, unnest($2::bytea[])")
            .bind(self.account)
            .bind(code_hashes)
            .execute(&mut *self.tx)
            .await?;
        self.raise_password_version().await
    }

    /// Makes remembered log-ins and open connections of before worth nothing.
    pub(super) async fn raise_password_version(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "update account set password_version = password_version + 1 where account_id = $1",
        )
        .bind(self.account)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
