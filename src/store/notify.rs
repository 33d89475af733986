//! LISTEN and NOTIFY between nodes: account ids, no content (DESIGN.md 3).

use sqlx::postgres::PgListener;

use super::Store;
use crate::error::StoreError;
use crate::model::AccountId;

const CHANNEL: &str = "postamt_change";

/// A connection of its own that hears which accounts other nodes touched.
#[derive(Debug)]
pub struct Listener {
    inner: PgListener,
}

impl Store {
    /// Opens a listener.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn listen(&self) -> Result<Listener, StoreError> {
        let mut inner = PgListener::connect_with(self.pool()).await?;
        inner.eager_reconnect(false);
        inner.listen(CHANNEL).await?;
        Ok(Listener { inner })
    }

    /// Tells every node, this one included, that these accounts changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notify_accounts(&self, accounts: &[AccountId]) -> Result<(), StoreError> {
        let payload = accounts
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        sqlx::query("select pg_notify($1, $2)")
            .bind(CHANNEL)
            .bind(payload)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

impl Listener {
    /// Waits for the next notification.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the connection broke: open another one and compare all numbers.
    pub async fn next(&mut self) -> Result<Vec<AccountId>, StoreError> {
        let Some(notification) = self.inner.try_recv().await? else {
            return Err(StoreError::Gone(sqlx::Error::WorkerCrashed));
        };
        Ok(notification
            .payload()
            .split(',')
            .filter_map(|id| id.parse().ok())
            .collect())
    }
}
