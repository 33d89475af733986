//! The worker's half of the queue: claim under a lease, renew, finish.
//!
//! A claim moves `next_at` to the lease's end, so that a claimed row leaves the index range of what is due, and a dead
//! worker's rows come back into it by themselves. `lease_until` is also the token of who holds the row: whoever lost the
//! lease may still record a delivery that happened, and nothing else.

use std::time::Duration;

use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::{NewOutbound, Queue, insert};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, QueueId};

/// A message and those of its recipients that go to one destination, held by one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The message.
    pub queue_id: QueueId,
    /// Who submitted it; none: the program itself.
    pub account: Option<AccountId>,
    /// The envelope sender; empty: the null sender.
    pub sender: String,
    /// RFC 3461 4.3.
    pub ret_full: bool,
    /// RFC 3461 4.4.
    pub env_id: Option<String>,
    /// Needs SMTPUTF8.
    pub needs_utf8: bool,
    /// Is itself a status notification.
    pub is_bounce: bool,
    /// Octets.
    pub size_bytes: i64,
    /// When it was accepted.
    pub created_at: OffsetDateTime,
    /// How long it has been tried, from the end of its hold on.
    pub age: Duration,
    /// How long it will still be tried; zero: this is the last time.
    pub left: Duration,
    /// What the recipients have in common.
    pub destination: String,
    /// The lease's end, which is also its token.
    pub lease: OffsetDateTime,
    /// At least one.
    pub recipients: Vec<ClaimedRecipient>,
}

/// One recipient of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRecipient {
    /// Its number in the message.
    pub recipient_id: i32,
    /// `local@domain`.
    pub address: String,
    /// RFC 3461 4.1; empty: not said.
    pub notify: Vec<String>,
    /// RFC 3461 4.2.
    pub orcpt: Option<String>,
    /// Tries before this one.
    pub attempts: i32,
    /// Its sender knows that it takes longer.
    pub delay_told: bool,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its number in the message.
    pub recipient_id: i32,
    /// What comes of it.
    pub fate: Fate,
    /// The enhanced status code.
    pub status: String,
    /// The other side's words, or ours when it did not come to any.
    pub reply: String,
    /// Who said them; empty: we.
    pub host: String,
    /// `TLSv1.3`, `none`; absent when there was no connection.
    pub tls: Option<String>,
}

/// What comes of a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The other side has it.
    Sent,
    /// It never will.
    Failed,
    /// Once more after so long.
    Retry {
        /// The wait.
        wait: Duration,
        /// Note that the sender is told of the delay with this commit.
        tells_delay: bool,
    },
}

/// A notification that goes into the queue with the outcomes it is about.
#[derive(Debug, Clone)]
pub struct Notice<'a> {
    /// Numbers of the recipients it speaks of.
    pub about: Vec<i32>,
    /// The notification.
    pub mail: NewOutbound<'a>,
}

/// What [`Queue::finish`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Recipients whose row was changed. Fewer than outcomes: the lease was lost, or an operator dropped the message.
    pub recipients: usize,
    /// Notices that went into the queue.
    pub notices: usize,
}

#[derive(FromRow)]
struct ClaimRow {
    queue_id: QueueId,
    account_id: Option<AccountId>,
    sender: String,
    ret: String,
    env_id: Option<String>,
    needs_utf8: bool,
    is_bounce: bool,
    size_bytes: i64,
    created_at: OffsetDateTime,
    age_secs: f64,
    left_secs: f64,
    destination: String,
    lease_until: OffsetDateTime,
    recipient_id: i32,
    address: String,
    notify: Vec<String>,
    orcpt: Option<String>,
    attempts: i32,
    delay_told: bool,
}

impl Queue {
    /// Takes the message that has been due longest, with its recipients of one destination, for the time of `lease`.
    ///
    /// Destinations in `busy` are passed over; with `only` nothing else is taken (a connection that is open already).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim(
        &self,
        busy: &[String],
        only: Option<&str>,
        recipients: i64,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        let rows: Vec<ClaimRow> = sqlx::query_as(
            "with clock as (
                 select now() + make_interval(secs => $1) as at
             ), first as (
                 select r.queue_id, r.destination
                   from outbound_recipient r, clock
                  where r.state = 'waiting'
                    and r.next_at <= clock.at
                    and r.destination <> all($2)
                    and ($3::text is null or r.destination = $3)
                  order by r.next_at, r.queue_id
                  limit 1
                    for update of r skip locked
             ), mine as (
                 select r.queue_id, r.recipient_id
                   from outbound_recipient r, first, clock
                  where r.queue_id = first.queue_id
                    and r.destination = first.destination
                    and r.state = 'waiting'
                    and r.next_at <= clock.at
                  order by r.recipient_id
                  limit $4
                    for update of r skip locked
             ), taken as (
                 update outbound_recipient r
                    set lease_until = clock.at + make_interval(secs => $5),
                        next_at     = clock.at + make_interval(secs => $5)
                   from mine, clock
                  where r.queue_id = mine.queue_id
                    and r.recipient_id = mine.recipient_id
                 returning r.*
             )
             select o.queue_id, o.account_id, o.sender, o.ret, o.env_id, o.needs_utf8, o.is_bounce, o.size_bytes,
                    o.created_at, extract(epoch from clock.at - o.send_after)::float8 as age_secs,
                    extract(epoch from o.expires_at - clock.at)::float8 as left_secs, t.destination, t.lease_until,
                    t.recipient_id, t.address, t.notify, t.orcpt, t.attempts, t.delay_told
               from taken t
               join outbound o on o.queue_id = t.queue_id, clock
              order by t.recipient_id",
        )
        .bind(self.ahead.as_secs_f64())
        .bind(busy)
        .bind(only)
        .bind(recipients)
        .bind(lease.as_secs_f64())
        .fetch_all(self.store.pool())
        .await?;
        Ok(claim_of(rows))
    }

    /// Holds a claim for `lease` from now; false: it was lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew(&self, claim: &mut Claim, lease: Duration) -> Result<bool, StoreError> {
        let until: Option<OffsetDateTime> = sqlx::query_scalar(
            "update outbound_recipient
                set lease_until = now() + make_interval(secs => $1 + $2),
                    next_at     = now() + make_interval(secs => $1 + $2)
              where queue_id = $3
                and recipient_id = any($4)
                and state = 'waiting'
                and lease_until = $5
             returning lease_until",
        )
        .bind(self.ahead.as_secs_f64())
        .bind(lease.as_secs_f64())
        .bind(claim.queue_id)
        .bind(claim.numbers())
        .bind(claim.lease)
        .fetch_all(self.store.pool())
        .await?
        .first()
        .copied();
        if let Some(until) = until {
            claim.lease = until;
        }
        Ok(until.is_some())
    }

    /// Gives a claim back untried: a worker that stops.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn release(&self, claim: &Claim) -> Result<(), StoreError> {
        sqlx::query(
            "update outbound_recipient
                set lease_until = null,
                    next_at     = now() + make_interval(secs => $1)
              where queue_id = $2
                and recipient_id = any($3)
                and state = 'waiting'
                and lease_until = $4",
        )
        .bind(self.ahead.as_secs_f64())
        .bind(claim.queue_id)
        .bind(claim.numbers())
        .bind(claim.lease)
        .execute(self.store.pool())
        .await?;
        Ok(())
    }

    /// Records what became of a claim's recipients, queues the notices about them, and drops the bytes behind the last
    /// recipient, all in one transaction (S-07).
    ///
    /// A recipient that was sent is recorded even when the lease was lost meanwhile, so that it is not sent again. A notice
    /// goes in only if every recipient it is about was recorded.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]: nothing was recorded; the lease runs out and the recipients are tried again.
    pub async fn finish(
        &self,
        claim: &Claim,
        outcomes: &[Outcome],
        notices: &[Notice<'_>],
    ) -> Result<Finished, Refusal> {
        let mut tx = self.store.pool().begin().await.map_err(StoreError::from)?;
        // Two workers with different recipients of one message: the later one must see that all are done.
        sqlx::query("select from outbound where queue_id = $1 for update")
            .bind(claim.queue_id)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        let recorded = record(&mut tx, self.ahead, claim, outcomes).await?;
        let mut queued = 0;
        for notice in notices {
            if notice.about.iter().all(|n| recorded.contains(n)) {
                insert(&mut tx, None, &notice.mail, None).await?;
                queued += 1;
            }
        }
        drop_bytes(&mut tx, claim.queue_id).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Finished {
            recipients: recorded.len(),
            notices: queued,
        })
    }

    /// How long until the next recipient comes due; none: the queue is empty. Zero: one is due now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn next_due(&self) -> Result<Option<Duration>, StoreError> {
        let secs: Option<f64> = sqlx::query_scalar(
            "select extract(epoch from min(next_at) - now() - make_interval(secs => $1))::float8
               from outbound_recipient
              where state = 'waiting'",
        )
        .bind(self.ahead.as_secs_f64())
        .fetch_one(self.store.pool())
        .await?;
        Ok(secs.map(duration))
    }
}

impl Claim {
    fn numbers(&self) -> Vec<i32> {
        self.recipients.iter().map(|r| r.recipient_id).collect()
    }
}

fn claim_of(rows: Vec<ClaimRow>) -> Option<Claim> {
    let mut claim: Option<Claim> = None;
    for row in rows {
        let claim = claim.get_or_insert_with(|| Claim {
            queue_id: row.queue_id,
            account: row.account_id,
            sender: row.sender,
            ret_full: row.ret == "FULL",
            env_id: row.env_id,
            needs_utf8: row.needs_utf8,
            is_bounce: row.is_bounce,
            size_bytes: row.size_bytes,
            created_at: row.created_at,
            age: duration(row.age_secs),
            left: duration(row.left_secs),
            destination: row.destination,
            lease: row.lease_until,
            recipients: Vec::new(),
        });
        claim.recipients.push(ClaimedRecipient {
            recipient_id: row.recipient_id,
            address: row.address,
            notify: row.notify,
            orcpt: row.orcpt,
            attempts: row.attempts,
            delay_told: row.delay_told,
        });
    }
    claim
}

fn duration(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs.max(0.0)).unwrap_or_default()
}

/// Returns the numbers of the recipients that were recorded.
async fn record(
    conn: &mut PgConnection,
    ahead: Duration,
    claim: &Claim,
    outcomes: &[Outcome],
) -> Result<Vec<i32>, StoreError> {
    let column = |of: fn(&Outcome) -> String| -> Vec<String> { outcomes.iter().map(of).collect() };
    let numbers: Vec<i32> = outcomes.iter().map(|o| o.recipient_id).collect();
    let waits: Vec<f64> = outcomes
        .iter()
        .map(|o| match o.fate {
            Fate::Retry { wait, .. } => wait.as_secs_f64(),
            Fate::Sent | Fate::Failed => 0.0,
        })
        .collect();
    let told: Vec<bool> = outcomes
        .iter()
        .map(|o| matches!(o.fate, Fate::Retry { tells_delay, .. } if tells_delay))
        .collect();
    let tls: Vec<Option<&str>> = outcomes.iter().map(|o| o.tls.as_deref()).collect();
    Ok(sqlx::query_scalar(
        "update outbound_recipient r
            set state       = o.state,
                attempts    = r.attempts + 1,
                next_at     = now() + make_interval(secs => $1 + o.wait),
                lease_until = null,
                delay_told  = r.delay_told or o.told,
                last_status = o.status,
                last_reply  = o.reply,
                last_host   = o.host,
                tls         = coalesce(o.tls, r.tls),
                finished_at = case when o.state <> 'waiting' then now() end
           from unnest($4::int[], $5::text[], $6::float8[], $7::bool[], $8::text[], $9::text[], $10::text[], $11::text[])
                o(recipient_id, state, wait, told, status, reply, host, tls)
          where r.queue_id = $2
            and r.recipient_id = o.recipient_id
            and r.state = 'waiting'
            and (r.lease_until = $3 or o.state = 'sent')
         returning r.recipient_id",
    )
    .bind(ahead.as_secs_f64())
    .bind(claim.queue_id)
    .bind(claim.lease)
    .bind(numbers)
    .bind(column(|o| {
        match o.fate {
            Fate::Sent => "sent",
            Fate::Failed => "failed",
            Fate::Retry { .. } => "waiting",
        }
        .to_owned()
    }))
    .bind(waits)
    .bind(told)
    .bind(column(|o| o.status.clone()))
    .bind(column(|o| o.reply.clone()))
    .bind(column(|o| o.host.clone()))
    .bind(tls)
    .fetch_all(conn)
    .await?)
}

/// Drops the bytes of a message nobody waits for any more.
pub(super) async fn drop_bytes(
    conn: &mut PgConnection,
    message: QueueId,
) -> Result<(), StoreError> {
    sqlx::query(
        "delete from outbound_chunk
          where queue_id = $1
            and not exists (select from outbound_recipient r where r.queue_id = $1 and r.state = 'waiting')",
    )
    .bind(message)
    .execute(conn)
    .await?;
    Ok(())
}
