//! What is removed when its time has come: tombstones, kept removals, undo tokens, sessions, remembered deliveries.
//!
//! The service's worker calls these, one account after the other, on whichever node claimed the work. Message bytes are
//! purged in `body.rs`, stale spools too.

use super::Store;
use crate::error::StoreError;
use crate::model::AccountId;

/// Most rows one call removes, so that no lock is held long.
const BITE: i64 = 5000;

impl Store {
    /// Accounts above `after`, by id: the order in which a worker goes through all of them. Global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts_after(
        &self,
        after: AccountId,
        limit: i64,
    ) -> Result<Vec<AccountId>, StoreError> {
        Ok(sqlx::query_scalar(
            "select account_id from account where account_id > $1 order by account_id limit $2",
        )
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Removes tombstones older than `days` and raises `pruned_modseq` where they lay; returns how many went, at most a
    /// bite. Each folder and collection has its own mark, so emptying a huge trash never resets a calendar.
    ///
    /// Runs under the account lock: it writes folder rows, and must not meet a writer halfway. The account's number stays,
    /// for no client sees a change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_tombstones(&self, account: AccountId, days: i32) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("select from account where account_id = $1 for update")
            .bind(account)
            .execute(&mut *tx)
            .await?;
        let gone: i64 = sqlx::query_scalar(
            "with due as (
                 select kind, parent_id, modseq, first_id
                   from tombstone
                  where account_id = $1
                    and deleted_at <= now() - make_interval(days => $2)
                  order by deleted_at
                  limit $3
             ), old as (
                 delete from tombstone t
                  using due
                  where t.account_id = $1
                    and t.kind = due.kind
                    and t.parent_id = due.parent_id
                    and t.modseq = due.modseq
                    and t.first_id = due.first_id
                 returning t.kind, t.parent_id, t.modseq
             ), top as (
                 select kind, parent_id, max(modseq) as modseq
                   from old
                  group by kind, parent_id
             ), f as (
                 update folder
                    set pruned_modseq = greatest(pruned_modseq, top.modseq)
                   from top
                  where account_id = $1
                    and folder_id = top.parent_id
                    and top.kind = 'message'
             ), c as (
                 update collection
                    set pruned_modseq = greatest(pruned_modseq, top.modseq)
                   from top
                  where account_id = $1
                    and collection_id = top.parent_id
                    and top.kind = 'item'
             ), a as (
                 update account
                    set folders_pruned_modseq = greatest(folders_pruned_modseq, m.modseq)
                   from (select max(modseq) as modseq from top where kind in ('folder', 'collection')) m
                  where account_id = $1
                    and m.modseq is not null
             )
             select count(*) from old",
        )
        .bind(account)
        .bind(days)
        .bind(BITE)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(u64::try_from(gone).unwrap_or_default())
    }

    /// Forgets removals whose time to be restored is over; returns how many. Their bytes go with the next purge.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_removed(&self, account: AccountId) -> Result<u64, StoreError> {
        Ok(
            sqlx::query("delete from removed where account_id = $1 and expires_at <= now()")
                .bind(account)
                .execute(self.pool())
                .await?
                .rows_affected(),
        )
    }

    /// Forgets undo tokens that are over; returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_undo(&self, account: AccountId) -> Result<u64, StoreError> {
        Ok(
            sqlx::query("delete from undo where account_id = $1 and expires_at <= now()")
                .bind(account)
                .execute(self.pool())
                .await?
                .rows_affected(),
        )
    }

    /// Forgets sessions that are over; returns how many. Global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_sessions(&self) -> Result<u64, StoreError> {
        Ok(sqlx::query("delete from session where expires_at <= now()")
            .execute(self.pool())
            .await?
            .rows_affected())
    }

    /// Forgets which accounts were served with which bytes more than `hours` ago; returns how many. Global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_deliveries(&self, hours: i32) -> Result<u64, StoreError> {
        Ok(
            sqlx::query("delete from delivery_seen where at <= now() - make_interval(hours => $1)")
                .bind(hours)
                .execute(self.pool())
                .await?
                .rows_affected(),
        )
    }
}
