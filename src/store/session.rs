//! Web sessions: kept under the SHA-256 of their id, so that whoever reads the table cannot sign in with it.
//!
//! A global table: a session is looked up before anybody knows whose it is. What it ends by, idle and absolute time, is
//! decided here by the database's clock.

use sqlx::FromRow;
use sqlx::types::JsonValue;
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::StoreError;
use crate::model::AccountId;

/// How long sessions live, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct SessionTimes {
    /// Unused.
    pub idle: f64,
    /// Unused, with "stay signed in".
    pub stay: f64,
    /// Nobody signed in.
    pub nobody: f64,
    /// Whatever happens.
    pub absolute: f64,
}

/// A session to be written.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// SHA-256 of its id.
    pub hash: &'a [u8],
    /// Whose it is; none before the sign-in.
    pub account: Option<AccountId>,
    /// "Stay signed in".
    pub stays: bool,
    /// Its record.
    pub data: &'a JsonValue,
    /// From where.
    pub source: &'a str,
    /// The browser's name for itself.
    pub user_agent: &'a str,
}

/// A session as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SessionRow {
    /// SHA-256 of its id.
    pub session_hash: Vec<u8>,
    /// From where it was opened.
    pub source: String,
    /// The browser's name for itself.
    pub user_agent: String,
    /// When it was opened.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the minute.
    pub seen_at: OffsetDateTime,
    /// When it ends if it is not used.
    pub expires_at: OffsetDateTime,
}

impl Store {
    /// Adds a session; false when there is one of that hash.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_session(
        &self,
        new: NewSession<'_>,
        times: SessionTimes,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "insert into session (session_hash, account_id, stays, data, source, user_agent, expires_at)
             values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
             on conflict do nothing",
        )
        .bind(new.hash)
        .bind(new.account)
        .bind(new.stays)
        .bind(new.data)
        .bind(new.source)
        .bind(new.user_agent)
        .bind(times.of(new.account, new.stays).min(times.absolute))
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Writes a session's record anew; one that was ended meanwhile stays ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn save_session(
        &self,
        new: NewSession<'_>,
        times: SessionTimes,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update session
                set account_id = $2,
                    stays      = $3,
                    data       = $4,
                    seen_at    = now(),
                    expires_at = least(now() + make_interval(secs => $5), created_at + make_interval(secs => $6))
              where session_hash = $1",
        )
        .bind(new.hash)
        .bind(new.account)
        .bind(new.stays)
        .bind(new.data)
        .bind(times.of(new.account, new.stays))
        .bind(times.absolute)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// A living session's record and its end; notes its use once a minute.
    ///
    /// One whose account is gone or switched off is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn load_session(
        &self,
        hash: &[u8],
        times: SessionTimes,
    ) -> Result<Option<(JsonValue, OffsetDateTime)>, StoreError> {
        let found: Option<(JsonValue, OffsetDateTime, bool)> = sqlx::query_as(
            "select s.data, s.expires_at, s.seen_at < now() - interval '1 minute'
               from session s
               left join account a on a.account_id = s.account_id
               left join mail_domain d on d.domain_id = a.domain_id
              where s.session_hash = $1
                and s.expires_at > now()
                and (s.account_id is null or (a.is_enabled and a.deleted_at is null and d.is_enabled))",
        )
        .bind(hash)
        .fetch_optional(self.pool())
        .await?;
        let Some((data, expires_at, is_due)) = found else {
            return Ok(None);
        };
        if !is_due {
            return Ok(Some((data, expires_at)));
        }
        let expires_at: Option<OffsetDateTime> = sqlx::query_scalar(
            "update session
                set seen_at    = now(),
                    expires_at = least(now() + make_interval(secs => case when account_id is null then $4
                                                                          when stays then $3
                                                                          else $2 end),
                                       created_at + make_interval(secs => $5))
              where session_hash = $1
             returning expires_at",
        )
        .bind(hash)
        .bind(times.idle)
        .bind(times.stay)
        .bind(times.nobody)
        .bind(times.absolute)
        .fetch_optional(self.pool())
        .await?;
        Ok(expires_at.map(|expires_at| (data, expires_at)))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_session(&self, hash: &[u8]) -> Result<(), StoreError> {
        sqlx::query("delete from session where session_hash = $1")
            .bind(hash)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// The account's living sessions, the last used first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions(&self, account: AccountId) -> Result<Vec<SessionRow>, StoreError> {
        Ok(sqlx::query_as(
            "select session_hash, source, user_agent, created_at, seen_at, expires_at
               from session
              where account_id = $1
                and expires_at > now()
              order by seen_at desc",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }
}

impl SessionTimes {
    fn of(self, account: Option<AccountId>, stays: bool) -> f64 {
        match (account, stays) {
            (None, _) => self.nobody,
            (Some(_), false) => self.idle,
            (Some(_), true) => self.stay,
        }
    }
}

impl Write {
    /// Ends one of the account's sessions, or all but `keep`; how many that were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_sessions(
        &mut self,
        only: Option<&[u8]>,
        keep: Option<&[u8]>,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "delete from session
              where account_id = $1
                and ($2::bytea is null or session_hash = $2)
                and session_hash is distinct from $3",
        )
        .bind(self.account)
        .bind(only)
        .bind(keep)
        .execute(&mut *self.tx)
        .await?;
        Ok(done.rows_affected())
    }
}
