//! Web sessions as the web door keeps them and the settings page shows them (`security.md` 5).
//!
//! The id never comes here: the door hands over its SHA-256 ([`session_hash`]). Ending one wakes the account's open event
//! streams, which ask [`Accounts::session`] again and find it gone.

use std::time::Duration;

use ring::digest;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Accounts;
use super::login::printable;
use crate::error::Refusal;
use crate::model::{AccountId, Charge};
use crate::store::session::{NewSession, SessionRow, SessionTimes};

/// What of a session's record the database must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// Whose it is; none before the sign-in.
    pub account: Option<AccountId>,
    /// "Stay signed in".
    pub stays: bool,
    /// From where it was opened.
    pub source: String,
    /// The browser's name for itself.
    pub user_agent: String,
}

/// A session nobody signed in to holds only the token of the sign-in form.
const NOBODY_SECONDS: f64 = 3_600.0;

/// What a session is stored under.
#[must_use]
pub fn session_hash(id: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, id).as_ref().to_vec()
}

impl Accounts {
    /// Opens a session; false when the id is taken.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn create_session(
        &self,
        hash: &[u8],
        facts: &SessionFacts,
        data: &Value,
    ) -> Result<bool, Refusal> {
        let user_agent = printable(&facts.user_agent, 300);
        let new = facts.new_session(hash, data, &user_agent);
        Ok(self.store.create_session(new, self.session_times()).await?)
    }

    /// Writes a session's record anew; one that was ended meanwhile stays ended.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn save_session(
        &self,
        hash: &[u8],
        facts: &SessionFacts,
        data: &Value,
    ) -> Result<(), Refusal> {
        let new = facts.new_session(hash, data, "");
        Ok(self.store.save_session(new, self.session_times()).await?)
    }

    /// A living session's record and when it ends.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn session(&self, hash: &[u8]) -> Result<Option<(Value, OffsetDateTime)>, Refusal> {
        Ok(self.store.load_session(hash, self.session_times()).await?)
    }

    /// Signs out: ends the session of that hash, whoever's it is.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn delete_session(&self, hash: &[u8]) -> Result<(), Refusal> {
        Ok(self.store.delete_session(hash).await?)
    }

    /// The account's living sessions, the last used first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn sessions(&self, account: AccountId) -> Result<Vec<SessionRow>, Refusal> {
        Ok(self.store.sessions(account).await?)
    }

    /// Ends one of the account's sessions.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] for one that is not the account's.
    pub async fn end_session(&self, account: AccountId, hash: &[u8]) -> Result<(), Refusal> {
        match self.end_some(account, Some(hash), None).await? {
            0 => Err(Refusal::NotFound),
            _ => Ok(()),
        }
    }

    /// Ends all of the account's sessions but `keep`; how many that were.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn end_other_sessions(
        &self,
        account: AccountId,
        keep: &[u8],
    ) -> Result<u64, Refusal> {
        self.end_some(account, None, Some(keep)).await
    }

    async fn end_some(
        &self,
        account: AccountId,
        only: Option<&[u8]>,
        keep: Option<&[u8]>,
    ) -> Result<u64, Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let ended = write.end_sessions(only, keep).await?;
        if ended == 0 {
            write.abandon().await?;
        } else {
            self.hub.wake(write.commit().await?);
        }
        Ok(ended)
    }

    /// Sweeps at start and every hour until `stop`. Every node does; what one has swept the others do not find.
    pub async fn keep_house(&self, stop: CancellationToken) {
        let mut hourly = tokio::time::interval(HOUR);
        hourly.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hourly.tick() => {}
            }
            if let Err(e) = self.sweep().await {
                tracing::warn!(error = %e, "sessions and log-ins were not swept");
            }
        }
    }

    /// Drops what is over: sessions, counters of failures, old events and audit rows; finishes begun deletions.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn sweep(&self) -> Result<(), Refusal> {
        self.store.prune_sessions().await?;
        let rules = super::login::rules(&self.config.lock);
        self.store.prune_logins(&rules, KEPT_DAYS).await?;
        self.store.prune_audit(KEPT_DAYS).await?;
        self.purge_deleted().await
    }

    fn session_times(&self) -> SessionTimes {
        let web = &self.config.web;
        SessionTimes {
            idle: web.session_idle.as_secs_f64(),
            stay: web.session_stay.as_secs_f64(),
            nobody: NOBODY_SECONDS,
            absolute: web.session_absolute.as_secs_f64(),
        }
    }
}

/// How often what is over is swept.
const HOUR: Duration = Duration::from_hours(1);
/// Days the sign-in history and the audit rows are kept (`security.md` 10).
const KEPT_DAYS: i32 = 400;

impl SessionFacts {
    fn new_session<'a>(
        &'a self,
        hash: &'a [u8],
        data: &'a Value,
        user_agent: &'a str,
    ) -> NewSession<'a> {
        NewSession {
            hash,
            account: self.account,
            stays: self.stays,
            data,
            source: &self.source,
            user_agent,
        }
    }
}
