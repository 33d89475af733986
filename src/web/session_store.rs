//! The store behind tower-sessions: our `session` table through the accounts service (`security.md` 5).
//!
//! The table knows a session by the SHA-256 of its id. Four entries of the record are columns there, so that sessions can
//! be listed and ended and so that the database decides when one is over: [`ACCOUNT`], [`STAYS`], [`SOURCE`],
//! [`USER_AGENT`]. A session that was ended stays ended: saving never brings one back, and an id nobody handed out is
//! never adopted.

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use crate::model::AccountId;
use crate::service::App;
use crate::service::accounts::sessions::{SessionFacts, session_hash};

/// Whose session it is: an account's id, a number. Absent before the sign-in.
pub const ACCOUNT: &str = "account";
/// Whether its owner asked to stay signed in.
pub const STAYS: &str = "stays";
/// From where it was opened.
pub const SOURCE: &str = "source";
/// The browser's name for itself.
pub const USER_AGENT: &str = "user_agent";

/// Keeps sessions in the database.
#[derive(Clone)]
pub struct DbSessions {
    app: App,
}

impl DbSessions {
    /// The store of this host's sessions.
    #[must_use]
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

impl fmt::Debug for DbSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DbSessions")
    }
}

/// What the session of this id is stored under: what `end_session` and `change_password` take.
#[must_use]
pub fn hash_of(id: Id) -> Vec<u8> {
    session_hash(&id.0.to_le_bytes())
}

#[async_trait]
impl SessionStore for DbSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        for _ in 0..3 {
            let (facts, data) = split(record)?;
            let hash = hash_of(record.id);
            let created = self.app.accounts.create_session(&hash, &facts, &data).await;
            if created.map_err(|e| backend(&e))? {
                return Ok(());
            }
            record.id = Id::default();
        }
        Err(Error::Backend("no free session id".to_owned()))
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let (facts, data) = split(record)?;
        let hash = hash_of(record.id);
        let saved = self.app.accounts.save_session(&hash, &facts, &data).await;
        saved.map_err(|e| backend(&e))
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = self.app.accounts.session(&hash_of(*id)).await;
        let Some((data, expiry_date)) = found.map_err(|e| backend(&e))? else {
            return Ok(None);
        };
        Ok(Some(Record {
            id: *id,
            data: serde_json::from_value(data).map_err(|e| Error::Decode(e.to_string()))?,
            expiry_date,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let deleted = self.app.accounts.delete_session(&hash_of(*id)).await;
        deleted.map_err(|e| backend(&e))
    }
}

fn split(record: &Record) -> Result<(SessionFacts, Value)> {
    let text = |name: &str| {
        let value = record.data.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let facts = SessionFacts {
        account: record
            .data
            .get(ACCOUNT)
            .and_then(Value::as_i64)
            .map(AccountId),
        stays: record
            .data
            .get(STAYS)
            .and_then(Value::as_bool)
            .unwrap_or(false),
        source: text(SOURCE),
        user_agent: text(USER_AGENT),
    };
    let data = serde_json::to_value(&record.data).map_err(|e| Error::Encode(e.to_string()))?;
    Ok((facts, data))
}

fn backend(e: &crate::error::Refusal) -> Error {
    Error::Backend(e.to_string())
}
