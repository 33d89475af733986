//! The directory of a domain: who of it others of it may find.

use sqlx::FromRow;

use super::Store;
use crate::error::StoreError;
use crate::model::AccountId;

/// Somebody of the domain.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ColleagueRow {
    /// The account.
    pub account_id: AccountId,
    /// Its primary address.
    pub address: String,
    /// The name people see.
    pub display_name: String,
}

impl Store {
    /// Accounts of the asker's domain that it may find, by address: those that are neither hidden nor switched off, when the
    /// domain shows its directory. With `address` only this one. The asker itself is among them in any case. Global tables.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn colleagues(
        &self,
        asker: AccountId,
        address: Option<&str>,
        limit: i64,
    ) -> Result<Vec<ColleagueRow>, StoreError> {
        Ok(sqlx::query_as(
            "select a.account_id, a.address, a.display_name
               from account me
               join mail_domain d on d.domain_id = me.domain_id
               join account a on a.domain_id = me.domain_id
              where me.account_id = $1
                and a.deleted_at is null
                and ($2::text is null or a.address = $2)
                and (a.account_id = me.account_id
                     or (d.shows_directory and a.is_enabled and not a.is_hidden))
              order by a.address
              limit $3",
        )
        .bind(asker)
        .bind(address)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }
}
