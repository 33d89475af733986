//! What an account has decided about the people it hears from: `known_address`, the part that concerns remote pictures.
//!
//! Whom one writes to is noted with the sending (`store/draft.rs`).

use sqlx::FromRow;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::AccountId;

/// A sender the account knows something about.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KnownSender {
    /// Compare form.
    pub address: String,
    /// The name it was last seen with.
    pub name: String,
    /// The account has written to it.
    pub was_written_to: bool,
    /// Its pictures are loaded without asking.
    pub shows_pictures: bool,
}

impl Store {
    /// Those of some addresses (compare forms) that the account knows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn known_senders(
        &self,
        account: AccountId,
        addresses: &[String],
    ) -> Result<Vec<KnownSender>, StoreError> {
        Ok(sqlx::query_as(
            "select address, name, written_count > 0 as was_written_to, shows_pictures
               from known_address
              where account_id = $1
                and address = any($2)",
        )
        .bind(account)
        .bind(addresses)
        .fetch_all(self.pool())
        .await?)
    }

    /// Everybody whose pictures are loaded without asking, by address, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn picture_senders(
        &self,
        account: AccountId,
        limit: i64,
    ) -> Result<Vec<KnownSender>, StoreError> {
        Ok(sqlx::query_as(
            "select address, name, written_count > 0 as was_written_to, shows_pictures
               from known_address
              where account_id = $1
                and shows_pictures
              order by address
              limit $2",
        )
        .bind(account)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Notes the reader's consent to a sender's pictures.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn show_pictures_of(
        &mut self,
        address: &str,
        name: &str,
        search_text: &str,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "insert into known_address as k (account_id, address, name, shows_pictures, search_text)
             values ($1, $2, $3, true, $4)
             on conflict (account_id, address) do update
                set shows_pictures = true",
        )
        .bind(self.account)
        .bind(address)
        .bind(name)
        .bind(search_text)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Takes the consent back; an address that was only known for it is forgotten.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there was none.
    pub async fn hide_pictures_of(&mut self, address: &str) -> Result<(), Refusal> {
        let done = sqlx::query(
            "with forgotten as (
                 delete from known_address
                  where account_id = $1
                    and address = $2
                    and shows_pictures
                    and written_count = 0
                 returning 1
             ), kept as (
                 update known_address
                    set shows_pictures = false
                  where account_id = $1
                    and address = $2
                    and shows_pictures
                    and written_count > 0
                 returning 1
             )
             select 1 from forgotten union all select 1 from kept",
        )
        .bind(self.account)
        .bind(address)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        done.map(|_| ()).ok_or(Refusal::NotFound)
    }
}
