//! The account row: lock, charge, and reading what doors show of it.

pub mod admin;

use sqlx::{FromRow, PgConnection};

use super::Store;
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Charge, ModSeq};

/// What the lock statement tells: the change number, and how full the account is with this charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Locked {
    /// The number of everything this write does.
    pub modseq: ModSeq,
    /// Bytes held, this charge included.
    pub used_bytes: i64,
    /// Bytes allowed.
    pub quota_bytes: i64,
    /// The last notice mail sent: 0, 90 or 100 (percent); 0 again once the use is below 90 %.
    pub quota_notice: i16,
}

/// Locks the row, charges it and takes the next change number, or says no (style.md 6).
pub(super) async fn lock(
    conn: &mut PgConnection,
    account: AccountId,
    charge: Charge,
    guarded: bool,
) -> Result<Locked, Refusal> {
    // No row: over quota, or no such account.
    let locked = sqlx::query_as(
        "update account
            set modseq         = modseq + 1,
                used_bytes     = used_bytes + $2,
                mail_bytes     = mail_bytes + $3,
                calendar_bytes = calendar_bytes + $4,
                contact_bytes  = contact_bytes + $5,
                task_bytes     = task_bytes + $6,
                note_bytes     = note_bytes + $7,
                quota_notice   = case when (used_bytes + $2) / 9 < quota_bytes / 10 then 0 else quota_notice end
          where account_id = $1
            and deleted_at is null
            and ($2 <= 0 or not $8 or used_bytes + $2 <= quota_bytes)
         returning modseq, used_bytes, quota_bytes, quota_notice",
    )
    .bind(account)
    .bind(charge.total())
    .bind(charge.mail)
    .bind(charge.calendar)
    .bind(charge.contacts)
    .bind(charge.tasks)
    .bind(charge.notes)
    .bind(guarded)
    .fetch_optional(&mut *conn)
    .await
    .map_err(StoreError::from)?;
    match locked {
        Some(locked) => Ok(locked),
        None => Err(over_quota_or_gone(conn, account).await?),
    }
}

/// Charges a row that this transaction holds already.
pub(super) async fn charge(
    conn: &mut PgConnection,
    account: AccountId,
    charge: Charge,
) -> Result<(), Refusal> {
    let done = sqlx::query(
        "update account
            set used_bytes     = used_bytes + $2,
                mail_bytes     = mail_bytes + $3,
                calendar_bytes = calendar_bytes + $4,
                contact_bytes  = contact_bytes + $5,
                task_bytes     = task_bytes + $6,
                note_bytes     = note_bytes + $7,
                quota_notice   = case when (used_bytes + $2) / 9 < quota_bytes / 10 then 0 else quota_notice end
          where account_id = $1
            and ($2 <= 0 or used_bytes + $2 <= quota_bytes)",
    )
    .bind(account)
    .bind(charge.total())
    .bind(charge.mail)
    .bind(charge.calendar)
    .bind(charge.contacts)
    .bind(charge.tasks)
    .bind(charge.notes)
    .execute(&mut *conn)
    .await
    .map_err(StoreError::from)?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(over_quota_or_gone(conn, account).await?)
    }
}

async fn over_quota_or_gone(
    conn: &mut PgConnection,
    account: AccountId,
) -> Result<Refusal, StoreError> {
    let quota = sqlx::query_scalar::<_, i64>(
        "select quota_bytes from account where account_id = $1 and deleted_at is null",
    )
    .bind(account)
    .fetch_optional(conn)
    .await?;
    Ok(match quota {
        Some(limit_bytes) => Refusal::OverQuota { limit_bytes },
        None => Refusal::NotFound,
    })
}

/// What fills an account, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Usage {
    /// What the account may hold.
    pub quota_bytes: i64,
    /// What it holds: the sum of the kinds below.
    pub used_bytes: i64,
    /// Messages.
    pub mail_bytes: i64,
    /// Calendars.
    pub calendar_bytes: i64,
    /// Address books.
    pub contact_bytes: i64,
    /// Task lists.
    pub task_bytes: i64,
    /// Notes.
    pub note_bytes: i64,
    /// The last notice mail sent: 0, 90 or 100 (percent).
    pub quota_notice: i16,
}

/// What a notice mail needs to know of its reader.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Owner {
    /// The primary address.
    pub address: String,
    /// The shown name.
    pub display_name: String,
    /// `de` or `en`.
    pub locale: String,
    /// Bytes held.
    pub used_bytes: i64,
    /// Bytes allowed.
    pub quota_bytes: i64,
}

impl Owner {
    /// The domain of the primary address.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.address
            .rsplit_once('@')
            .map_or("", |(_, domain)| domain)
    }
}

impl Store {
    /// Whose mailbox it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn owner(&self, account: AccountId) -> Result<Option<Owner>, StoreError> {
        Ok(sqlx::query_as(
            "select address, display_name, locale, used_bytes, quota_bytes from account where account_id = $1",
        )
        .bind(account)
        .fetch_optional(self.pool())
        .await?)
    }

    /// What fills the account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, account: AccountId) -> Result<Option<Usage>, StoreError> {
        Ok(sqlx::query_as(
            "select quota_bytes, used_bytes, mail_bytes, calendar_bytes, contact_bytes, task_bytes, note_bytes, quota_notice
               from account
              where account_id = $1",
        )
        .bind(account)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The change numbers of several accounts: the polling net of the hub.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn modseqs(
        &self,
        accounts: &[AccountId],
    ) -> Result<Vec<(AccountId, ModSeq)>, StoreError> {
        let ids: Vec<i64> = accounts.iter().map(|a| a.0).collect();
        Ok(
            sqlx::query_as("select account_id, modseq from account where account_id = any($1)")
                .bind(ids)
                .fetch_all(self.pool())
                .await?,
        )
    }

    /// The account's change number: `upto` of a reader, read before the rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn modseq(&self, account: AccountId) -> Result<ModSeq, StoreError> {
        Ok(
            sqlx::query_scalar("select modseq from account where account_id = $1")
                .bind(account)
                .fetch_optional(self.pool())
                .await?
                .unwrap_or_default(),
        )
    }

    /// Notes that the notice mail of `percent` (90, 100) went out; false when another node was faster, and below 90 %: one
    /// message that is too large for the room that is left does not make a box full.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_quota_notice(
        &self,
        account: AccountId,
        percent: i16,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update account
                set quota_notice = $2
              where account_id = $1
                and quota_notice <> $2
                and used_bytes / 9 >= quota_bytes / 10",
        )
        .bind(account)
        .bind(percent)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
