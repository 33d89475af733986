//! The queue as its account sees it: what still waits, what failed lately, and what changed since a page looked.
//!
//! The queue itself is global and works without the account's lock (`store/queue.rs`). What a page shall hear of it is noted
//! on the message's row with the account's change number, after the fact.

use sqlx::FromRow;
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, DraftId, ModSeq, QueueId};

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct OutboxRow {
    /// The message.
    pub queue_id: QueueId,
    /// The draft it came from, when a browser sent it.
    pub draft_id: Option<DraftId>,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// It is held until then.
    pub send_after: OffsetDateTime,
    /// The hold is not over.
    pub is_held: bool,
    /// No worker has touched it, and its draft is still there: it can be taken back.
    pub can_recall: bool,
    /// Recipients that still wait.
    pub waiting: Vec<String>,
    /// Recipients that will not get it.
    pub failed: Vec<String>,
    /// The next try.
    pub next_at: Option<OffsetDateTime>,
    /// What a host answered last.
    pub last_reply: Option<String>,
    /// The beginning of the message: its header, unless that is huge; none once everybody was served.
    pub head: Option<Vec<u8>>,
}

/// A message in the queue that changed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct OutboxChange {
    /// The message.
    pub queue_id: QueueId,
    /// `waiting`, `failed` (somebody will not get it) or `sent`.
    pub state: String,
}

/// A draft that changed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DraftChanged {
    /// The draft.
    pub draft_id: DraftId,
    /// Its revision now.
    pub rev: i64,
}

impl Store {
    /// What waits, and what failed within a day, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox(
        &self,
        account: AccountId,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        Ok(sqlx::query_as(
            "select o.queue_id, o.draft_id, o.created_at, o.send_after, o.send_after > now() as is_held,
                    d.draft_id is not null and r.is_untouched as can_recall,
                    r.waiting, r.failed, r.next_at, r.last_reply,
                    (select substring(c.bytes for 16384) from outbound_chunk c where c.queue_id = o.queue_id and c.n = 0) as head
               from outbound o
               join lateral (
                    select coalesce(array_agg(x.address order by x.recipient_id) filter (where x.state = 'waiting'), '{}') as waiting,
                           coalesce(array_agg(x.address order by x.recipient_id)
                                    filter (where x.state = 'failed' and x.finished_at > now() - interval '1 day'), '{}') as failed,
                           min(x.next_at) filter (where x.state = 'waiting') as next_at,
                           (array_agg(x.last_reply order by x.attempts desc) filter (where x.state in ('waiting', 'failed')))[1] as last_reply,
                           bool_and(x.state = 'waiting' and x.lease_until is null and x.attempts = 0) as is_untouched
                      from outbound_recipient x
                     where x.queue_id = o.queue_id) r on r.waiting <> '{}' or r.failed <> '{}'
               left join draft d on d.account_id = o.account_id and d.draft_id = o.draft_id and d.state = 'sending'
              where o.account_id = $1
                and not o.is_bounce
              order by o.queue_id
              limit $2",
        )
        .bind(account)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// How many messages of an account wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox_count(&self, account: AccountId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(
            "select count(*)
               from outbound o
              where o.account_id = $1
                and not o.is_bounce
                and exists (select from outbound_recipient r where r.queue_id = o.queue_id and r.state = 'waiting')",
        )
        .bind(account)
        .fetch_one(self.pool())
        .await?)
    }

    /// The draft an account's waiting message came from.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_of_message(
        &self,
        account: AccountId,
        message: QueueId,
    ) -> Result<Option<DraftId>, StoreError> {
        let found: Option<Option<DraftId>> = sqlx::query_scalar(
            "select draft_id
               from outbound
              where account_id = $1
                and queue_id = $2",
        )
        .bind(account)
        .bind(message)
        .fetch_optional(self.pool())
        .await?;
        Ok(found.flatten())
    }

    /// Whether a message in the queue is the account's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn owns_message(
        &self,
        account: AccountId,
        message: QueueId,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(
            "select exists (select from outbound where account_id = $1 and queue_id = $2 and not is_bounce)",
        )
        .bind(account)
        .bind(message)
        .fetch_one(self.pool())
        .await?)
    }

    /// Messages in the queue about which something was noted after `since`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn outbox_changed(
        &self,
        account: AccountId,
        since: ModSeq,
        upto: ModSeq,
    ) -> Result<Vec<OutboxChange>, StoreError> {
        Ok(sqlx::query_as(
            "select o.queue_id,
                    case when exists (select from outbound_recipient r where r.queue_id = o.queue_id and r.state = 'failed') then 'failed'
                         when exists (select from outbound_recipient r where r.queue_id = o.queue_id and r.state = 'waiting') then 'waiting'
                         else 'sent'
                    end as state
               from outbound o
              where o.account_id = $1
                and o.modseq > $2
                and o.modseq <= $3
              order by o.queue_id
              limit 100",
        )
        .bind(account)
        .bind(since)
        .bind(upto)
        .fetch_all(self.pool())
        .await?)
    }

    /// Open drafts that were saved after `since`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drafts_changed(
        &self,
        account: AccountId,
        since: ModSeq,
        upto: ModSeq,
    ) -> Result<Vec<DraftChanged>, StoreError> {
        Ok(sqlx::query_as(
            "select draft_id, rev
               from draft
              where account_id = $1
                and modseq > $2
                and modseq <= $3
                and state = 'open'
              order by draft_id
              limit 100",
        )
        .bind(account)
        .bind(since)
        .bind(upto)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Notes that something became of a message in the queue, so that open pages look. False: it is not the account's.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_outbound(&mut self, message: QueueId) -> Result<bool, Refusal> {
        let done = sqlx::query(
            "update outbound
                set modseq = $3
              where account_id = $1
                and queue_id = $2",
        )
        .bind(self.account)
        .bind(message)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(done.rows_affected() > 0)
    }
}
