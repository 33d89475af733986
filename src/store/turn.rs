//! Turns: work that one node at a time does, held by an advisory lock on a connection of its own.
//!
//! The lock goes with the connection, so a node that dies gives its turn back by dying.

use sqlx::{Connection, PgConnection};

use super::Store;
use crate::error::StoreError;

/// A turn that is ours until it is ended or dropped.
#[derive(Debug)]
pub struct Turn {
    connection: PgConnection,
}

impl Store {
    /// Takes the turn called `name`; none when another node has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_turn(&self, name: &str) -> Result<Option<Turn>, StoreError> {
        let mut connection = self.lone_connection().await?;
        let is_ours: bool =
            sqlx::query_scalar("select pg_try_advisory_lock(hashtextextended($1, 0))")
                .bind(name)
                .fetch_one(&mut connection)
                .await?;
        Ok(is_ours.then_some(Turn { connection }))
    }
}

impl Turn {
    /// Gives it back.
    ///
    /// # Errors
    /// [`StoreError::Gone`]; then it was given back by the connection's end.
    pub async fn end(self) -> Result<(), StoreError> {
        self.connection.close().await?;
        Ok(())
    }
}
