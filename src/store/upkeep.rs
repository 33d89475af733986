//! Work that one node does for all and that has no account: when it was done last, the search index's waiting list, kept senders.
//!
//! Global tables and whole indexes; none of it is on the write path.

use super::Store;
use crate::error::StoreError;

impl Store {
    /// Whether the work called `name` was last done more than `hours` ago, or never. Ask it while holding its turn.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_due(&self, name: &str, hours: i32) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(
            "select not exists (select
                                  from upkeep
                                 where name = $1
                                   and done_at > now() - make_interval(hours => $2))",
        )
        .bind(name)
        .bind(hours)
        .fetch_one(self.pool())
        .await?)
    }

    /// Notes that the work called `name` is done.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn note_done(&self, name: &str) -> Result<(), StoreError> {
        sqlx::query(
            "insert into upkeep (name, done_at)
             values ($1, now())
             on conflict (name) do update
                set done_at = now()",
        )
        .bind(name)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Sorts what deliveries left on the search index's waiting list into the index, so that a search reads the index and not
    /// the list. How many pages that were; none when another node is at it, or when the program's role does not own the index
    /// (autovacuum does it then).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tidy_search(&self) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select case
                        when pg_has_role(c.relowner, 'usage') and pg_try_advisory_xact_lock(hashtextextended('search', 0))
                        then gin_clean_pending_list(c.oid::regclass)
                    end
               from pg_class c
              where c.oid = 'email_search'::regclass",
        )
        .fetch_one(self.pool())
        .await?)
    }

    /// The number that stands for a sender in return paths of ours, from now on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_sender(&self, sender: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "insert into kept_sender (sender)
             values ($1)
             on conflict (sender) do update
                set used_at = now()
             returning sender_id",
        )
        .bind(sender)
        .fetch_one(self.pool())
        .await?)
    }

    /// The sender kept under a number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn kept_sender(&self, number: i64) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar("select sender from kept_sender where sender_id = $1")
                .bind(number)
                .fetch_optional(self.pool())
                .await?,
        )
    }

    /// Forgets senders whose mail was last led on more than `days` ago; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_kept_senders(&self, days: i32) -> Result<u64, StoreError> {
        Ok(sqlx::query(
            "delete from kept_sender
              where used_at < now() - make_interval(days => $1)",
        )
        .bind(days)
        .execute(self.pool())
        .await?
        .rows_affected())
    }
}
