//! What an account's owner set: preferences by name, signatures, identities.
//!
//! The names and what they mean: `service/accounts/preferences.rs`.

use sqlx::FromRow;
use sqlx::types::JsonValue;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::AccountId;

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SignatureRow {
    /// Its id.
    pub signature_id: i64,
    /// What its owner calls it.
    pub name: String,
    /// Cleaned HTML.
    pub html: String,
    /// The same as plain text.
    pub plain: String,
}

/// How a sender's address appears in what the account sends.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct IdentityRow {
    /// Its id.
    pub identity_id: i64,
    /// An address the account owns.
    pub address: String,
    /// The name beside it.
    pub name: String,
    /// Where answers go; empty: to the address itself.
    pub reply_to: String,
    /// The signature new mail begins with.
    pub signature_id: Option<i64>,
    /// Chosen when nothing else is.
    pub is_default: bool,
}

impl Store {
    /// Everything the account's owner set to something else than the default.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn preferences(
        &self,
        account: AccountId,
    ) -> Result<Vec<(String, JsonValue)>, StoreError> {
        Ok(
            sqlx::query_as("select name, value from preference where account_id = $1")
                .bind(account)
                .fetch_all(self.pool())
                .await?,
        )
    }

    /// The account's signatures by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signatures(&self, account: AccountId) -> Result<Vec<SignatureRow>, StoreError> {
        Ok(sqlx::query_as(
            "select signature_id, name, html, plain
               from signature
              where account_id = $1
              order by name, signature_id",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }

    /// The account's identities, the default one first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn identities(&self, account: AccountId) -> Result<Vec<IdentityRow>, StoreError> {
        Ok(sqlx::query_as(
            "select identity_id, address, name, reply_to, signature_id, is_default
               from identity
              where account_id = $1
              order by is_default desc, address, identity_id",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Sets a preference; `None` goes back to the default.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_preference(
        &mut self,
        name: &str,
        value: Option<&JsonValue>,
    ) -> Result<(), StoreError> {
        let Some(value) = value else {
            sqlx::query("delete from preference where account_id = $1 and name = $2")
                .bind(self.account)
                .bind(name)
                .execute(&mut *self.tx)
                .await?;
            return Ok(());
        };
        sqlx::query(
            "insert into preference (account_id, name, value)
             values ($1, $2, $3)
             on conflict (account_id, name) do update set value = excluded.value",
        )
        .bind(self.account)
        .bind(name)
        .bind(value)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Adds a signature, or writes the one of that id anew; its id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Invalid`] (`too-many`) when there are `most` already.
    pub async fn save_signature(
        &mut self,
        id: Option<i64>,
        name: &str,
        html: &str,
        plain: &str,
        most: i64,
    ) -> Result<i64, Refusal> {
        let saved = match id {
            Some(id) => sqlx::query_scalar(
                "update signature
                    set name = $3, html = $4, plain = $5
                  where account_id = $1
                    and signature_id = $2
                 returning signature_id",
            )
            .bind(self.account)
            .bind(id),
            None => sqlx::query_scalar(
                "insert into signature (account_id, name, html, plain)
                 select $1, $3, $4, $5
                  where (select count(*) from signature where account_id = $1) < $2
                 returning signature_id",
            )
            .bind(self.account)
            .bind(most),
        };
        saved
            .bind(name)
            .bind(html)
            .bind(plain)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(StoreError::from)?
            .ok_or(match id {
                Some(_) => Refusal::NotFound,
                None => Refusal::Invalid("too-many"),
            })
    }

    /// Deletes a signature; identities that began with it begin with none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_signature(&mut self, id: i64) -> Result<(), Refusal> {
        let done = sqlx::query("delete from signature where account_id = $1 and signature_id = $2")
            .bind(self.account)
            .bind(id)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::NotFound);
        }
        sqlx::query(
            "update identity set signature_id = null where account_id = $1 and signature_id = $2",
        )
        .bind(self.account)
        .bind(id)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Adds an identity (id 0), or writes the one of that id anew. A new default one takes the place of the old.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], also for a signature that is not the account's.
    pub async fn save_identity(&mut self, new: &IdentityRow) -> Result<i64, Refusal> {
        if let Some(signature) = new.signature_id {
            let is_own: bool = sqlx::query_scalar(
                "select exists (select from signature where account_id = $1 and signature_id = $2)",
            )
            .bind(self.account)
            .bind(signature)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
            if !is_own {
                return Err(Refusal::NotFound);
            }
        }
        if new.is_default {
            sqlx::query("update identity set is_default = false where account_id = $1")
                .bind(self.account)
                .execute(&mut *self.tx)
                .await
                .map_err(StoreError::from)?;
        }
        let saved = match new.identity_id {
            0 => sqlx::query_scalar(
                "insert into identity (address, name, reply_to, signature_id, is_default, account_id)
                 values ($1, $2, $3, $4, $5, $6)
                 returning identity_id",
            ),
            _ => sqlx::query_scalar(
                "update identity
                    set address = $1, name = $2, reply_to = $3, signature_id = $4, is_default = $5
                  where account_id = $6
                    and identity_id = $7
                 returning identity_id",
            ),
        };
        let saved = saved
            .bind(&new.address)
            .bind(&new.name)
            .bind(&new.reply_to)
            .bind(new.signature_id)
            .bind(new.is_default)
            .bind(self.account);
        let saved = match new.identity_id {
            0 => saved,
            id => saved.bind(id),
        };
        saved
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(StoreError::from)?
            .ok_or(Refusal::NotFound)
    }

    /// Deletes an identity.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_identity(&mut self, id: i64) -> Result<(), Refusal> {
        let done = sqlx::query("delete from identity where account_id = $1 and identity_id = $2")
            .bind(self.account)
            .bind(id)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        match done.rows_affected() {
            0 => Err(Refusal::NotFound),
            _ => Ok(()),
        }
    }
}
