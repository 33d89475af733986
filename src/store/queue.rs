//! The outgoing queue: what goes in, what is taken back, and what its operator sees. Global tables: a message in the queue
//! belongs to nobody's quota, and may come from the program itself.
//!
//! ```text
//! enqueue ──> waiting ──claim──> waiting, leased ──finish──> sent | failed | waiting again, later
//!                │                                      └─ last recipient done: the bytes go in the same commit (S-07)
//!                └── cancel (undo send), drop (operator)
//! ```
//!
//! The bytes are a copy of the queue's own, so that the sender may do with the mailbox's copy as they like. A row stays after
//! its end as the delivery log, without the bytes; [`Queue::sweep`] removes it.
//!
//! The clock of the queue is the database's, so that all nodes agree; a test puts [`Queue::ahead`] of it.
//! The worker's half (claim, renew, finish) is in `queue/work.rs`.

mod work;

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

pub use work::{Claim, ClaimedRecipient, Fate, Finished, Notice, Outcome};

use super::body::CHUNK_BYTES;
use super::{BodyRef, Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, DraftId, QueueId, SpoolId};

/// A message to be put into the queue.
#[derive(Debug, Clone)]
pub struct NewOutbound<'a> {
    /// The envelope sender, bare; empty is the null sender.
    pub sender: &'a str,
    /// RFC 3461 4.3: whether a failure notice brings the whole message back.
    pub ret_full: bool,
    /// RFC 3461 4.4, as the client encoded it.
    pub env_id: Option<&'a str>,
    /// The sender's own key of this sending: the same key sends nothing twice.
    pub client_id: Option<&'a str>,
    /// The header or an address needs SMTPUTF8 (RFC 6531).
    pub needs_utf8: bool,
    /// A delivery status notification: its own failure is told to nobody.
    pub is_bounce: bool,
    /// The web draft it came from, for taking it back.
    pub draft: Option<DraftId>,
    /// How long it stays before the first try (undo send).
    pub hold: Duration,
    /// How long it is tried.
    pub give_up: Duration,
    /// The message.
    pub content: Content<'a>,
    /// Who gets it; at least one.
    pub recipients: &'a [NewRecipient],
}

/// A message's bytes: `head`, and then what lies in `rest` from octet `skip` on.
///
/// So a changed header (a `Bcc` that goes, a `Date` that comes) needs no second copy of 50 MB.
#[derive(Debug, Clone)]
pub struct Content<'a> {
    /// Octets in front.
    pub head: &'a [u8],
    /// Octets of `rest` that are left out at its beginning.
    pub skip: i64,
    /// Where the rest lies.
    pub rest: Source<'a>,
}

/// Where bytes lie that are copied into the queue.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// In memory.
    Memory(&'a [u8]),
    /// In the spool; so many octets.
    Spool(SpoolId, i64),
    /// A stored body of the account whose write this is.
    Body(BodyRef),
}

impl<'a> Content<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn bytes(bytes: &'a [u8]) -> Self {
        Self {
            head: b"",
            skip: 0,
            rest: Source::Memory(bytes),
        }
    }

    /// All of a stored body.
    #[must_use]
    pub fn body(body: BodyRef) -> Self {
        Self {
            head: b"",
            skip: 0,
            rest: Source::Body(body),
        }
    }

    /// Octets of the whole.
    #[must_use]
    pub fn size_bytes(&self) -> i64 {
        let rest = match self.rest {
            Source::Memory(bytes) => len(bytes),
            Source::Spool(_, size) => size,
            Source::Body(body) => body.size_bytes,
        };
        len(self.head) + (rest - self.skip).max(0)
    }
}

fn len(bytes: &[u8]) -> i64 {
    i64::try_from(bytes.len()).unwrap_or(i64::MAX)
}

/// One recipient of a new message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecipient {
    /// `local@domain`, the domain as A-labels.
    pub address: String,
    /// What groups recipients into one delivery: the domain, or `*` where a smarthost takes all.
    pub destination: String,
    /// RFC 3461 4.1 in upper case (`NEVER`, `SUCCESS`, `FAILURE`, `DELAY`); empty: not said.
    pub notify: Vec<String>,
    /// RFC 3461 4.2, as the client encoded it.
    pub orcpt: Option<String>,
}

/// How much one account may send (security.md 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimits {
    /// Messages within a minute.
    pub messages_per_minute: i64,
    /// Messages within an hour.
    pub messages_per_hour: i64,
    /// Recipients within a day.
    pub recipients_per_day: i64,
}

/// What became of [`Write::enqueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enqueued {
    /// The message in the queue.
    pub queue_id: QueueId,
    /// False: the same client id sent it before, nothing was added.
    pub is_new: bool,
}

/// A handle on the queue of a database.
#[derive(Debug, Clone)]
pub struct Queue {
    store: Store,
    ahead: Duration,
}

/// A message in the queue, as an operator sees it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct QueueRow {
    /// The message.
    pub queue_id: QueueId,
    /// The recipient's number in it.
    pub recipient_id: i32,
    /// Who submitted it; none: the program itself.
    pub account: Option<String>,
    /// The envelope sender; empty: the null sender.
    pub sender: String,
    /// The recipient.
    pub address: String,
    /// `waiting`, `sent`, `failed` or `dropped`.
    pub state: String,
    /// Octets.
    pub size_bytes: i64,
    /// When it came.
    pub created_at: OffsetDateTime,
    /// When it is tried next.
    pub next_at: OffsetDateTime,
    /// A worker has it now.
    pub is_leased: bool,
    /// Tries so far.
    pub attempts: i32,
    /// The last answer of the other side, or what went wrong before there was one.
    pub last_reply: Option<String>,
    /// Who gave it.
    pub last_host: Option<String>,
    /// How the last connection was protected.
    pub tls: Option<String>,
}

/// The queue in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, FromRow)]
pub struct QueueCounts {
    /// Messages with a recipient still waiting.
    pub messages: i64,
    /// Recipients waiting.
    pub waiting: i64,
    /// Of these, tried at least once.
    pub deferred: i64,
    /// Of these, with a worker now.
    pub leased: i64,
    /// Age of the oldest waiting message in seconds.
    pub oldest_secs: f64,
}

impl Write {
    /// Puts a message into the queue, in this commit. Within `limits`, when they are given.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] beyond a limit; [`Refusal::Invalid`] without a recipient.
    pub async fn enqueue(
        &mut self,
        new: &NewOutbound<'_>,
        limits: Option<&SendLimits>,
    ) -> Result<Enqueued, Refusal> {
        insert(&mut self.tx, Some(self.account), new, limits).await
    }

    /// Takes a message back out of the queue, by its draft, as long as no worker has touched it.
    /// False: it is not there, or on its way.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn cancel_outbound(&mut self, draft: DraftId) -> Result<bool, Refusal> {
        // Held against a claim: a worker skips locked rows, and we wait for the one that was faster.
        let touched: Vec<bool> = sqlx::query_scalar(
            "select r.state <> 'waiting' or r.lease_until is not null or r.attempts > 0
               from outbound o
               join outbound_recipient r on r.queue_id = o.queue_id
              where o.account_id = $1
                and o.draft_id = $2
                for update of r",
        )
        .bind(self.account)
        .bind(draft)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if touched.is_empty() || touched.contains(&true) {
            return Ok(false);
        }
        sqlx::query("delete from outbound where account_id = $1 and draft_id = $2")
            .bind(self.account)
            .bind(draft)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        Ok(true)
    }
}

impl Store {
    /// The queue.
    #[must_use]
    pub fn queue(&self) -> Queue {
        Queue {
            store: self.clone(),
            ahead: Duration::ZERO,
        }
    }
}

impl Queue {
    /// The queue as it looks when `by` has passed: for tests that do not wait five days.
    #[must_use]
    pub fn ahead(mut self, by: Duration) -> Self {
        self.ahead = by;
        self
    }

    /// Puts a message into the queue in a transaction of its own: what needs no account's lock, like SMTP submission
    /// (which changes nothing in the mailbox) and the program's own notices.
    ///
    /// # Errors
    /// As [`Write::enqueue`].
    pub async fn enqueue(
        &self,
        account: Option<AccountId>,
        new: &NewOutbound<'_>,
        limits: Option<&SendLimits>,
    ) -> Result<Enqueued, Refusal> {
        let mut tx = self.store.pool().begin().await.map_err(StoreError::from)?;
        let done = insert(&mut tx, account, new, limits).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(done)
    }

    /// A message's bytes, one chunk held at a time. A message that ends short of its `size_bytes` left the queue meanwhile.
    pub fn content(
        &self,
        message: QueueId,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
        let store = self.store.clone();
        futures_util::stream::try_unfold(0_i32, move |n| {
            let store = store.clone();
            async move {
                let row: Option<Vec<u8>> = sqlx::query_scalar(
                    "select bytes
                       from outbound_chunk
                      where queue_id = $1
                        and n = $2",
                )
                .bind(message)
                .bind(n)
                .fetch_optional(store.pool())
                .await?;
                Ok(row.map(|bytes| (Bytes::from(bytes), n + 1)))
            }
        })
    }

    /// Recipients in the queue, oldest message first, at most `limit`, behind message `after`.
    /// Without `finished` only those that still wait.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        after: QueueId,
        finished: bool,
        limit: i64,
    ) -> Result<Vec<QueueRow>, StoreError> {
        Ok(sqlx::query_as(
            "select o.queue_id, r.recipient_id, a.address as account, o.sender, r.address, r.state, o.size_bytes,
                    o.created_at, r.next_at, coalesce(r.lease_until > now(), false) as is_leased, r.attempts,
                    r.last_reply, r.last_host, r.tls
               from outbound_recipient r
               join outbound o on o.queue_id = r.queue_id
               left join account a on a.account_id = o.account_id
              where r.queue_id > $1
                and ($2 or r.state = 'waiting')
              order by r.queue_id, r.recipient_id
              limit $3",
        )
        .bind(after)
        .bind(finished)
        .bind(limit)
        .fetch_all(self.store.pool())
        .await?)
    }

    /// Makes waiting recipients due now: of one message, or of all. What a worker has is left to it. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn retry(&self, message: Option<QueueId>) -> Result<u64, StoreError> {
        Ok(sqlx::query(
            "update outbound_recipient
                set next_at = now()
              where state = 'waiting'
                and ($1::bigint is null or queue_id = $1)
                and (lease_until is null or lease_until <= now())",
        )
        .bind(message)
        .execute(self.store.pool())
        .await?
        .rows_affected())
    }

    /// Gives a message up without telling its sender: all its waiting recipients. Returns how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drop_message(&self, message: QueueId) -> Result<u64, StoreError> {
        let mut tx = self.store.pool().begin().await?;
        let dropped = sqlx::query(
            "update outbound_recipient
                set state       = 'dropped',
                    lease_until = null,
                    finished_at = now()
              where queue_id = $1
                and state = 'waiting'",
        )
        .bind(message)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        work::drop_bytes(&mut tx, message).await?;
        tx.commit().await?;
        Ok(dropped)
    }

    /// The queue in numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn counts(&self) -> Result<QueueCounts, StoreError> {
        Ok(sqlx::query_as(
            "select count(distinct r.queue_id) as messages,
                    count(*) as waiting,
                    count(*) filter (where r.attempts > 0) as deferred,
                    count(*) filter (where r.lease_until > now()) as leased,
                    coalesce(extract(epoch from now() - min(o.created_at)), 0)::float8 as oldest_secs
               from outbound_recipient r
               join outbound o on o.queue_id = r.queue_id
              where r.state = 'waiting'",
        )
        .fetch_one(self.store.pool())
        .await?)
    }

    /// Removes at most 500 messages that came to their end and are older than `keep`: the end of the delivery log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep(&self, keep: Duration) -> Result<u64, StoreError> {
        Ok(sqlx::query(
            "delete from outbound o
              where o.queue_id in (
                        select d.queue_id
                          from outbound d
                         where d.created_at < now() + make_interval(secs => $1) - make_interval(secs => $2)
                           and not exists (select from outbound_recipient r
                                            where r.queue_id = d.queue_id and r.state = 'waiting')
                         order by d.created_at
                         limit 500
                           for update skip locked)",
        )
        .bind(self.ahead.as_secs_f64())
        .bind(keep.as_secs_f64())
        .execute(self.store.pool())
        .await?
        .rows_affected())
    }
}

/// Message, bytes and recipients, or nothing when the client id is known already.
async fn insert(
    conn: &mut PgConnection,
    account: Option<AccountId>,
    new: &NewOutbound<'_>,
    limits: Option<&SendLimits>,
) -> Result<Enqueued, Refusal> {
    if new.recipients.is_empty() {
        return Err(Refusal::Invalid("recipients"));
    }
    if let (Some(account), Some(limits)) = (account, limits) {
        hold_limits(conn, account, new, limits).await?;
    }
    let id: Option<QueueId> = sqlx::query_scalar(
        "insert into outbound (account_id, sender, ret, env_id, client_id, size_bytes, needs_utf8, is_bounce, draft_id,
                               send_after, expires_at)
         values ($1, $2, case when $3 then 'FULL' else 'HDRS' end, $4, $5, $6, $7, $8, $9,
                 now() + make_interval(secs => $10), now() + make_interval(secs => $10 + $11))
         on conflict do nothing
         returning queue_id",
    )
    .bind(account)
    .bind(new.sender)
    .bind(new.ret_full)
    .bind(new.env_id)
    .bind(new.client_id)
    .bind(new.content.size_bytes())
    .bind(new.needs_utf8)
    .bind(new.is_bounce)
    .bind(new.draft)
    .bind(new.hold.as_secs_f64())
    .bind(new.give_up.as_secs_f64())
    .fetch_optional(&mut *conn)
    .await
    .map_err(StoreError::from)?;
    let Some(queue_id) = id else {
        return known(conn, account, new.client_id).await;
    };
    copy_content(conn, account, queue_id, &new.content).await?;
    insert_recipients(conn, queue_id, new).await?;
    Ok(Enqueued {
        queue_id,
        is_new: true,
    })
}

async fn known(
    conn: &mut PgConnection,
    account: Option<AccountId>,
    client_id: Option<&str>,
) -> Result<Enqueued, Refusal> {
    let queue_id = sqlx::query_scalar(
        "select queue_id
           from outbound
          where account_id is not distinct from $1
            and client_id = $2",
    )
    .bind(account)
    .bind(client_id)
    .fetch_one(conn)
    .await
    .map_err(StoreError::from)?;
    Ok(Enqueued {
        queue_id,
        is_new: false,
    })
}

/// Counts and decides under a lock of the account's submissions, so that many connections at once stay within the limits.
/// Not the account's row: that would make a phone that sends wait for a delivery, and the reverse.
async fn hold_limits(
    conn: &mut PgConnection,
    account: AccountId,
    new: &NewOutbound<'_>,
    limits: &SendLimits,
) -> Result<(), Refusal> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('outbound', $1))")
        .bind(account)
        .execute(&mut *conn)
        .await
        .map_err(StoreError::from)?;
    let (minute, hour, day, is_known): (i64, i64, i64, bool) = sqlx::query_as(
        "select count(*) filter (where o.created_at > now() - interval '1 minute'),
                count(*) filter (where o.created_at > now() - interval '1 hour'),
                coalesce(sum((select count(*) from outbound_recipient r where r.queue_id = o.queue_id)), 0)::bigint,
                exists (select from outbound k where k.account_id = $1 and k.client_id = $2)
           from outbound o
          where o.account_id = $1
            and o.created_at > now() - interval '1 day'",
    )
    .bind(account)
    .bind(new.client_id)
    .fetch_one(&mut *conn)
    .await
    .map_err(StoreError::from)?;
    let recipients = i64::try_from(new.recipients.len()).unwrap_or(i64::MAX);
    let retry_after_secs = if is_known {
        // Sends nothing, so there is nothing to limit.
        return Ok(());
    } else if day.saturating_add(recipients) > limits.recipients_per_day {
        3_600
    } else if hour >= limits.messages_per_hour {
        600
    } else if minute >= limits.messages_per_minute {
        60
    } else {
        return Ok(());
    };
    Err(Refusal::TooMany { retry_after_secs })
}

async fn insert_recipients(
    conn: &mut PgConnection,
    queue_id: QueueId,
    new: &NewOutbound<'_>,
) -> Result<(), StoreError> {
    let column = |of: fn(&NewRecipient) -> String| -> Vec<String> {
        new.recipients.iter().map(of).collect()
    };
    let orcpt: Vec<Option<&str>> = new.recipients.iter().map(|r| r.orcpt.as_deref()).collect();
    sqlx::query(
        "insert into outbound_recipient (queue_id, recipient_id, address, destination, notify, orcpt, next_at)
         select $1, r.n, r.address, r.destination, string_to_array(r.notify, ','), r.orcpt,
                now() + make_interval(secs => $6)
           from unnest($2::text[], $3::text[], $4::text[], $5::text[])
                with ordinality r(address, destination, notify, orcpt, n)",
    )
    .bind(queue_id)
    .bind(column(|r| r.address.clone()))
    .bind(column(|r| r.destination.clone()))
    .bind(column(|r| r.notify.join(",")))
    .bind(orcpt)
    .bind(new.hold.as_secs_f64())
    .execute(conn)
    .await?;
    Ok(())
}

/// Head and rest as chunks; what lies in the database is copied there.
async fn copy_content(
    conn: &mut PgConnection,
    account: Option<AccountId>,
    queue_id: QueueId,
    content: &Content<'_>,
) -> Result<(), StoreError> {
    let mut n = 0_i32;
    let memory: Vec<u8>;
    let front = match content.rest {
        Source::Memory(bytes) => {
            let skip = usize::try_from(content.skip).unwrap_or(0);
            memory = [content.head, bytes.get(skip..).unwrap_or_default()].concat();
            memory.as_slice()
        }
        Source::Spool(..) | Source::Body(_) => content.head,
    };
    for chunk in front.chunks(CHUNK_BYTES) {
        sqlx::query("insert into outbound_chunk (queue_id, n, bytes) values ($1, $2, $3)")
            .bind(queue_id)
            .bind(n)
            .bind(chunk)
            .execute(&mut *conn)
            .await?;
        n += 1;
    }
    match content.rest {
        Source::Memory(_) => {}
        Source::Spool(spool, _) => {
            sqlx::query(
                "insert into outbound_chunk (queue_id, n, bytes)
                 select $1, $2 + row_number() over (order by s.n) - 1,
                        substring(s.bytes from greatest($3 - s.start, 0)::int + 1)
                   from (select n, bytes, sum(octet_length(bytes)) over (order by n) - octet_length(bytes) as start
                           from spool
                          where spool_id = $4) s
                  where s.start + octet_length(s.bytes) > $3",
            )
            .bind(queue_id)
            .bind(n)
            .bind(content.skip)
            .bind(spool)
            .execute(conn)
            .await?;
        }
        Source::Body(body) => {
            sqlx::query(
                "insert into outbound_chunk (queue_id, n, bytes)
                 select $1, $2 + row_number() over (order by s.n) - 1,
                        substring(s.bytes from greatest($3 - s.start, 0)::int + 1)
                   from (select n, bytes, sum(octet_length(bytes)) over (order by n) - octet_length(bytes) as start
                           from body_chunk
                          where account_id = $4
                            and body_id = $5) s
                  where s.start + octet_length(s.bytes) > $3",
            )
            .bind(queue_id)
            .bind(n)
            .bind(content.skip)
            .bind(account)
            .bind(body.id)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}
