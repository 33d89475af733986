//! What devices know of a folder, and what lies behind it (reference: the id interval of a device).
//!
//! A device *knows* the live messages whose UID lies in (backfill, frontier] and whose (`received_at`, UID) is not below the bound.
//! No list of what was sent is kept; every statement here is an index range under these numbers.
//!
//! A row of `device_sync` is worked on by one exchange at a time, on whatever node: it takes the turn, and gives it back with the
//! new state.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::changes::ChangesError;
use super::message::MessageRow;
use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Flags, FolderId, ModSeq, SyncPoint};

/// Below this, messages are outside a device's filter. Equal instants are told apart by the UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bound {
    /// `received_at`
    pub at: OffsetDateTime,
    /// UID
    pub id: i64,
}

/// The bound with nothing outside.
pub const OPEN: Bound = Bound {
    at: time::macros::datetime!(0001-01-01 00:00 UTC),
    id: 0,
};

/// Which messages of a folder a device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// At and below it, everything is still to come; 0: nothing is.
    pub backfill: i64,
    /// Above it, everything is still to come.
    pub frontier: i64,
    /// Below it, everything is outside the filter.
    pub bound: Bound,
}

/// A state with the turn to change it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct TurnRow {
    /// What the device has if it got the last answer; null: it never asked.
    pub current: Value,
    /// What it had before.
    pub previous: Option<Value>,
}

/// A change of what a device knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceChange {
    /// When.
    pub modseq: ModSeq,
    /// Which message.
    pub uid: i64,
    /// It left.
    pub is_gone: bool,
}

/// Changes of what a device knows, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceChanges {
    /// At most as many as were asked for.
    pub changes: Vec<DeviceChange>,
    /// The account's number: when nothing was cut off, everything up to it is told.
    pub upto: ModSeq,
    /// The highest UID given in the folder.
    pub highest: i64,
    /// The limit cut the answer.
    pub more: bool,
}

/// A message's place in the order of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Dated {
    /// Which message.
    pub uid: i64,
    /// When it came.
    pub received_at: OffsetDateTime,
}

/// A message as a device's command finds it, under the lock.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FoundMessage {
    /// Which.
    pub uid: i64,
    /// Its last change.
    pub modseq: ModSeq,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords.
    pub keywords: Vec<String>,
}

#[derive(Debug, FromRow)]
struct ChangeRow {
    upto: ModSeq,
    pruned_modseq: ModSeq,
    highest: i64,
    modseq: Option<ModSeq>,
    object: Option<i64>,
    last_id: Option<i64>,
}

impl Store {
    /// Takes the turn of a device in a folder for `seconds`; none while another exchange has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_device_turn(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
        (by, seconds): (i64, i32),
    ) -> Result<Option<TurnRow>, StoreError> {
        Ok(sqlx::query_as(
            "insert into device_sync as s (account_id, device_id, class_id, parent_id, generation, current, turn_by, turn_until)
             values ($1, $2, 'email', $3, 0, 'null', $4, now() + make_interval(secs => $5))
             on conflict (account_id, device_id, class_id, parent_id) do update
                set turn_by    = excluded.turn_by,
                    turn_until = excluded.turn_until
              where s.turn_until is null
                 or s.turn_until < now()
             returning current, previous",
        )
        .bind(account)
        .bind(device)
        .bind(folder)
        .bind(by)
        .bind(f64::from(seconds))
        .fetch_optional(self.pool())
        .await?)
    }

    /// Gives the turn back, with a new state if there is one. False: it was not ours any more, nothing was kept.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_device_turn(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
        by: i64,
        state: Option<(&Value, Option<&Value>)>,
    ) -> Result<bool, StoreError> {
        let (current, previous) = state.map_or((None, None), |(c, p)| (Some(c), p));
        let done = sqlx::query(
            "update device_sync
                set turn_until = null,
                    generation = generation + case when $5::jsonb is null then 0 else 1 end,
                    current    = coalesce($5, current),
                    previous   = case when $5::jsonb is null then previous else $6 end,
                    updated_at = case when $5::jsonb is null then updated_at else now() end
              where account_id = $1
                and device_id = $2
                and class_id = 'email'
                and parent_id = $3
                and turn_by = $4",
        )
        .bind(account)
        .bind(device)
        .bind(folder)
        .bind(by)
        .bind(current)
        .bind(previous)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The state of a device in a folder, to look at only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device_state(
        &self,
        account: AccountId,
        device: &str,
        folder: FolderId,
    ) -> Result<Option<TurnRow>, StoreError> {
        Ok(sqlx::query_as(
            "select current, previous
               from device_sync
              where account_id = $1
                and device_id = $2
                and class_id = 'email'
                and parent_id = $3",
        )
        .bind(account)
        .bind(device)
        .bind(folder)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Changes behind `point` of the messages a device knows, and which of them left; at most `limit`, ranges of what left taken
    /// apart. One statement, hence one snapshot with its numbers.
    ///
    /// # Errors
    /// [`ChangesError`].
    pub async fn device_changes(
        &self,
        account: AccountId,
        folder: FolderId,
        point: SyncPoint,
        known: Interval,
        limit: usize,
    ) -> Result<DeviceChanges, ChangesError> {
        let rows: Vec<ChangeRow> = sqlx::query_as(
            "select p.upto, p.pruned_modseq, p.highest, c.*
               from (select a.modseq as upto, f.pruned_modseq, f.uid_next - 1 as highest
                       from account a
                       join folder f on f.account_id = a.account_id
                      where a.account_id = $1
                        and f.folder_id = $2) p
               left join (
                     (select modseq, uid as object, null::bigint as last_id
                        from message
                       where account_id = $1
                         and folder_id = $2
                         and (modseq, uid) > ($3, $4)
                         and uid > $6
                         and uid <= $7
                         and (received_at, uid) >= ($8, $9)
                       order by modseq, uid
                       limit $10)
                     union all
                     (select modseq, first_id, last_id
                        from tombstone
                       where account_id = $1
                         and kind = 'message'
                         and parent_id = $2
                         and (modseq, last_id) > ($3, $4)
                         and modseq > $5
                         and last_id > $6
                         and first_id <= $7
                         and (received_at is null or received_at >= $8)
                       order by modseq, first_id
                       limit $10)) c on true
              order by c.modseq, c.object",
        )
        .bind(account)
        .bind(folder)
        .bind(point.modseq)
        .bind(point.object)
        .bind(point.floor)
        .bind(known.backfill)
        .bind(known.frontier)
        .bind(known.bound.at)
        .bind(known.bound.id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .fetch_all(self.pool())
        .await?;
        let first = rows.first().ok_or(ChangesError::NotFound)?;
        if point.is_too_old(first.pruned_modseq) || point.modseq > first.upto {
            return Err(ChangesError::TooOld);
        }
        let mut found = DeviceChanges {
            changes: Vec::new(),
            upto: first.upto,
            highest: first.highest,
            more: false,
        };
        for row in &rows {
            let (Some(modseq), Some(object)) = (row.modseq, row.object) else {
                break;
            };
            let is_gone = row.last_id.is_some();
            let behind = if modseq == point.modseq {
                point.object
            } else {
                0
            };
            let from = if is_gone {
                object
                    .max(known.backfill.saturating_add(1))
                    .max(behind.saturating_add(1))
            } else {
                object
            };
            let to = row.last_id.unwrap_or(object).min(known.frontier);
            for uid in from..=to {
                if found.changes.len() == limit {
                    found.more = true;
                    return Ok(found);
                }
                found.changes.push(DeviceChange {
                    modseq,
                    uid,
                    is_gone,
                });
            }
        }
        Ok(found)
    }

    /// UIDs in `first..=last` that are not below the bound, at most `limit`, from the low end or the high one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uids_between(
        &self,
        account: AccountId,
        folder: FolderId,
        (first, last): (i64, i64),
        bound: Bound,
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let query = if newest_first {
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
                and uid between $3 and $4
                and (received_at, uid) >= ($5, $6)
              order by uid desc
              limit $7"
        } else {
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
                and uid between $3 and $4
                and (received_at, uid) >= ($5, $6)
              order by uid
              limit $7"
        };
        Ok(sqlx::query_scalar(query)
            .bind(account)
            .bind(folder)
            .bind(first)
            .bind(last)
            .bind(bound.at)
            .bind(bound.id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(self.pool())
            .await?)
    }

    /// Messages with an UID in (backfill, frontier] between two bounds, the lower one inside and the upper one not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uids_by_date(
        &self,
        account: AccountId,
        folder: FolderId,
        (backfill, frontier): (i64, i64),
        (lower, upper): (Bound, Bound),
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Dated>, StoreError> {
        let query = if newest_first {
            "select uid, received_at
               from message
              where account_id = $1
                and folder_id = $2
                and uid > $3
                and uid <= $4
                and (received_at, uid) >= ($5, $6)
                and (received_at, uid) < ($7, $8)
              order by received_at desc, uid desc
              limit $9"
        } else {
            "select uid, received_at
               from message
              where account_id = $1
                and folder_id = $2
                and uid > $3
                and uid <= $4
                and (received_at, uid) >= ($5, $6)
                and (received_at, uid) < ($7, $8)
              order by received_at, uid
              limit $9"
        };
        Ok(sqlx::query_as(query)
            .bind(account)
            .bind(folder)
            .bind(backfill)
            .bind(frontier)
            .bind(lower.at)
            .bind(lower.id)
            .bind(upper.at)
            .bind(upper.id)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(self.pool())
            .await?)
    }

    /// What a device that knows `from` is to be told to know `to`, beside what changed and left: messages it does not know yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uids_new_between(
        &self,
        account: AccountId,
        folder: FolderId,
        from: Interval,
        to: Interval,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
                and uid > $3
                and uid <= $4
                and (received_at, uid) >= ($5, $6)
                and not (uid > $7 and uid <= $8 and (received_at, uid) >= ($9, $10))
              order by uid desc",
        )
        .bind(account)
        .bind(folder)
        .bind(to.backfill)
        .bind(to.frontier)
        .bind(to.bound.at)
        .bind(to.bound.id)
        .bind(from.backfill)
        .bind(from.frontier)
        .bind(from.bound.at)
        .bind(from.bound.id)
        .fetch_all(self.pool())
        .await?)
    }

    /// Messages at these UIDs, with everything a device is told of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages_at(
        &self,
        account: AccountId,
        folder: FolderId,
        uids: &[i64],
    ) -> Result<Vec<MessageRow>, StoreError> {
        Ok(sqlx::query_as(
            "select m.folder_id, m.uid, m.email_id, m.thread_id, m.flags, m.keywords, m.received_at, m.modseq,
                    m.size_bytes, e.sent_at, e.body_id, e.message_id, e.sender_name, e.sender_address, e.recipients,
                    e.subject, e.preview, e.has_attachment, e.parts, e.facts
               from message m
               join email e on e.account_id = m.account_id and e.email_id = m.email_id
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid = any($3)",
        )
        .bind(account)
        .bind(folder)
        .bind(uids)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Messages at these UIDs as they are now.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn find_messages(
        &mut self,
        folder: FolderId,
        uids: &[i64],
    ) -> Result<Vec<FoundMessage>, Refusal> {
        Ok(sqlx::query_as(
            "select uid, modseq, flags, keywords
               from message
              where account_id = $1
                and folder_id = $2
                and uid = any($3)",
        )
        .bind(self.account)
        .bind(folder)
        .bind(uids)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }
}

impl Store {
    /// Where a device moved a message (`<folder>:<uid>`) within the last day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn moved_before(
        &self,
        account: AccountId,
        device: &str,
        name: &str,
    ) -> Result<Option<(FolderId, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select (moved_ids -> $3 ->> 'folder')::bigint, (moved_ids -> $3 ->> 'uid')::bigint
               from device
              where account_id = $1
                and device_id = $2
                and moved_ids ? $3
                and (moved_ids -> $3 ->> 'at')::double precision > extract(epoch from now()) - 86400",
        )
        .bind(account)
        .bind(device)
        .bind(name)
        .fetch_optional(self.pool())
        .await?)
    }
}

impl Write {
    /// Remembers for a day where a device moved a message; what is older is forgotten.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_moved(
        &mut self,
        device: &str,
        name: &str,
        (folder, uid): (FolderId, i64),
    ) -> Result<(), Refusal> {
        sqlx::query(
            "update device
                set moved_ids = coalesce((select jsonb_object_agg(m.key, m.value)
                                            from jsonb_each(moved_ids) m
                                           where (m.value ->> 'at')::double precision > extract(epoch from now()) - 86400),
                                         '{}')
                                || jsonb_build_object($3::text, jsonb_build_object('folder', $4::bigint, 'uid', $5::bigint,
                                                                             'at', extract(epoch from now())))
              where account_id = $1
                and device_id = $2",
        )
        .bind(self.account)
        .bind(device)
        .bind(name)
        .bind(folder)
        .bind(uid)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

/// What a device sent under a name within two days.
const SENT: &str = "select sent_ids -> $3 ->> 'hash'
       from device
      where account_id = $1
        and device_id = $2
        and (sent_ids -> $3 ->> 'at')::double precision > extract(epoch from now()) - 172800";

impl Store {
    /// The hash of what a device sent under a name within two days.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sent_hash(
        &self,
        account: AccountId,
        device: &str,
        name: &str,
    ) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(SENT)
            .bind(account)
            .bind(device)
            .bind(name)
            .fetch_optional(self.pool())
            .await?)
    }
}

impl Write {
    /// The same, under the lock.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn sent_hash(&mut self, device: &str, name: &str) -> Result<Option<String>, Refusal> {
        Ok(sqlx::query_scalar(SENT)
            .bind(self.account)
            .bind(device)
            .bind(name)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(StoreError::from)?)
    }

    /// Remembers for two days what a device sent under a name; what is older is forgotten.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_sent(&mut self, device: &str, name: &str, hash: &str) -> Result<(), Refusal> {
        sqlx::query(
            "update device
                set sent_ids = coalesce((select jsonb_object_agg(s.key, s.value)
                                           from jsonb_each(sent_ids) s
                                          where (s.value ->> 'at')::double precision > extract(epoch from now()) - 172800),
                                        '{}')
                               || jsonb_build_object($3::text, jsonb_build_object('hash', $4::text,
                                                                            'at', extract(epoch from now())))
              where account_id = $1
                and device_id = $2",
        )
        .bind(self.account)
        .bind(device)
        .bind(name)
        .bind(hash)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}
