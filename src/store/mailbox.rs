//! What sessions that hold a folder open need (IMAP, POP3): the whole folder as columns, the stored pieces of some
//! messages, and what is decided under the lock about messages named by UID.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::folder::FolderRow;
use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, BodyId, EmailId, Flags, FolderId, ModSeq, ThreadId, Uid};

/// A folder as columns, by UID: one row of the answer instead of one a message.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FolderImage {
    /// Everything up to this number is in it.
    pub upto: ModSeq,
    /// HIGHESTMODSEQ.
    pub content_modseq: ModSeq,
    /// The next UID.
    pub uid_next: Uid,
    /// All UIDs, ascending.
    pub uids: Vec<i64>,
    /// Their flags.
    pub flags: Vec<i32>,
    /// Those with keywords.
    pub marked: Vec<i64>,
    /// Their keywords, joined by spaces.
    pub keywords: Vec<String>,
}

/// What to read of messages beside their narrow row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// ENVELOPE.
    pub envelope: bool,
    /// BODYSTRUCTURE.
    pub structure: bool,
    /// PREVIEW.
    pub preview: bool,
    /// Where its bytes are stored.
    pub body: bool,
    /// Where the pieces of the message lie.
    pub parts: bool,
}

/// A message with what was wanted of it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct StoredRow {
    /// Its place.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Octets.
    pub size_bytes: i64,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// SAVEDATE.
    pub saved_at: OffsetDateTime,
    /// Last change.
    pub modseq: ModSeq,
    /// ENVELOPE in wire form.
    pub envelope: Option<Vec<u8>>,
    /// BODYSTRUCTURE in wire form.
    pub structure: Option<Vec<u8>>,
    /// First words.
    pub preview: Option<String>,
    /// Stored bytes.
    pub body_id: Option<BodyId>,
    /// The part index.
    pub parts: Option<Value>,
}

impl Store {
    /// The folder of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn folder_by_name(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<Option<FolderRow>, StoreError> {
        Ok(sqlx::query_as(
            "select folder_id, name, special_use, uid_validity, uid_next, recent_uid, message_count, unseen_count,
                    total_bytes, is_subscribed, created_modseq, modseq, content_modseq, pruned_modseq
               from folder
              where account_id = $1
                and name = $2",
        )
        .bind(account)
        .bind(name)
        .fetch_optional(self.pool())
        .await?)
    }

    /// A whole folder in one statement, hence one snapshot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn folder_image(
        &self,
        account: AccountId,
        folder: FolderId,
    ) -> Result<Option<FolderImage>, StoreError> {
        Ok(sqlx::query_as(
            "select a.modseq as upto, f.content_modseq, f.uid_next,
                    coalesce(m.uids, '{}') as uids, coalesce(m.flags, '{}') as flags,
                    coalesce(m.marked, '{}') as marked, coalesce(m.keywords, '{}') as keywords
               from account a
               join folder f on f.account_id = a.account_id
              cross join lateral (
                    select array_agg(uid order by uid) as uids,
                           array_agg(flags order by uid) as flags,
                           array_agg(uid order by uid) filter (where keywords <> '{}') as marked,
                           array_agg(array_to_string(keywords, ' ') order by uid)
                               filter (where keywords <> '{}') as keywords
                      from message
                     where account_id = $1
                       and folder_id = $2) m
              where a.account_id = $1
                and f.folder_id = $2",
        )
        .bind(account)
        .bind(folder)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Some messages of a folder, by UID, with what is wanted of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored_rows(
        &self,
        account: AccountId,
        folder: FolderId,
        uids: &[i64],
        wanted: Wanted,
    ) -> Result<Vec<StoredRow>, StoreError> {
        if wanted == Wanted::default() {
            return Ok(sqlx::query_as(
                "select uid, email_id, thread_id, size_bytes, received_at, saved_at, modseq, null::bytea as envelope,
                        null::bytea as structure, null::text as preview, null::bigint as body_id, null::jsonb as parts
                   from message
                  where account_id = $1
                    and folder_id = $2
                    and uid = any($3)
                  order by uid",
            )
            .bind(account)
            .bind(folder)
            .bind(uids)
            .fetch_all(self.pool())
            .await?);
        }
        // The `case` keeps what is not wanted from being read at all: these columns lie outside of their rows.
        Ok(sqlx::query_as(
            "select m.uid, m.email_id, m.thread_id, m.size_bytes, m.received_at, m.saved_at, m.modseq,
                    case when $4 then e.envelope end as envelope,
                    case when $5 then e.structure end as structure,
                    case when $6 then e.preview end as preview,
                    case when $7 then e.body_id end as body_id,
                    case when $8 then e.parts end as parts
               from message m
               join email e on e.account_id = m.account_id and e.email_id = m.email_id
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid = any($3)
              order by m.uid",
        )
        .bind(account)
        .bind(folder)
        .bind(uids)
        .bind(wanted.envelope)
        .bind(wanted.structure)
        .bind(wanted.preview)
        .bind(wanted.body)
        .bind(wanted.parts)
        .fetch_all(self.pool())
        .await?)
    }

    /// The first chunks of some bodies: most messages are no longer than that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn first_chunks(
        &self,
        account: AccountId,
        bodies: &[i64],
    ) -> Result<Vec<(BodyId, Vec<u8>)>, StoreError> {
        Ok(sqlx::query_as(
            "select body_id, bytes
               from body_chunk
              where account_id = $1
                and body_id = any($2)
                and n = 0",
        )
        .bind(account)
        .bind(bodies)
        .fetch_all(self.pool())
        .await?)
    }

    /// Tells that everything in the folder has been shown to somebody; returns the first UID that had not been
    /// (RFC 3501 2.3.2). Nobody syncs this mark, so it takes no change number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn claim_recent(
        &self,
        account: AccountId,
        folder: FolderId,
    ) -> Result<Option<Uid>, StoreError> {
        Ok(sqlx::query_scalar(
            "with old as (
                 select recent_uid
                   from folder
                  where account_id = $1
                    and folder_id = $2
                    and recent_uid < uid_next
                    for update
             )
             update folder f
                set recent_uid = f.uid_next
               from old
              where f.account_id = $1
                and f.folder_id = $2
             returning old.recent_uid",
        )
        .bind(account)
        .bind(folder)
        .fetch_optional(self.pool())
        .await?)
    }

    /// How many messages are recent, how many are marked as deleted, and the octets of those.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn recent_and_deleted(
        &self,
        account: AccountId,
        folder: FolderId,
        recent_uid: Uid,
    ) -> Result<(i64, i64, i64), StoreError> {
        Ok(sqlx::query_as(
            "select count(*) filter (where uid >= $3),
                    count(*) filter (where flags & 8 <> 0),
                    coalesce(sum(size_bytes) filter (where flags & 8 <> 0), 0)::bigint
               from message
              where account_id = $1
                and folder_id = $2",
        )
        .bind(account)
        .bind(folder)
        .bind(recent_uid)
        .fetch_one(self.pool())
        .await?)
    }

    /// UIDs that left a folder after `since`, as ranges; of what is still remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// Source: RFC 7162 3.2.5.1.
    pub async fn vanished(
        &self,
        account: AccountId,
        folder: FolderId,
        since: ModSeq,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select first_id, last_id
               from tombstone
              where account_id = $1
                and kind = 'message'
                and parent_id = $2
                and modseq > $3
              order by first_id",
        )
        .bind(account)
        .bind(folder)
        .bind(since)
        .fetch_all(self.pool())
        .await?)
    }

    /// Messages of a folder that came or changed after `since`, with their numbers, by UID.
    ///
    /// # Errors
    /// [`StoreError`].
    ///
    /// Source: RFC 7162 3.1.4.1.
    pub async fn changed_uids(
        &self,
        account: AccountId,
        folder: FolderId,
        since: ModSeq,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select uid, modseq
               from message
              where account_id = $1
                and folder_id = $2
                and modseq > $3
              order by uid",
        )
        .bind(account)
        .bind(folder)
        .bind(since)
        .fetch_all(self.pool())
        .await?)
    }
}

impl Write {
    /// Which of `uids` changed after `since`: what a conditional STORE leaves alone (RFC 7162 3.1.3).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn changed_after(
        &mut self,
        folder: FolderId,
        uids: &[i64],
        since: i64,
    ) -> Result<Vec<i64>, Refusal> {
        Ok(sqlx::query_scalar(
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
                and uid = any($3)
                and modseq > $4
              order by uid",
        )
        .bind(self.account)
        .bind(folder)
        .bind(uids)
        .bind(since)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    /// At most `limit` messages marked as deleted, of `among` when it is given, lowest UID first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn deleted_uids(
        &mut self,
        folder: FolderId,
        among: Option<&[i64]>,
        limit: i64,
    ) -> Result<Vec<i64>, Refusal> {
        Ok(sqlx::query_scalar(
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
                and flags & $3 <> 0
                and ($4::bigint[] is null or uid = any($4))
              order by uid
              limit $5",
        )
        .bind(self.account)
        .bind(folder)
        .bind(Flags::DELETED)
        .bind(among)
        .bind(limit)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    /// All messages of a folder, at most `limit`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn some_uids(&mut self, folder: FolderId, limit: i64) -> Result<Vec<i64>, Refusal> {
        Ok(sqlx::query_scalar(
            "select uid
               from message
              where account_id = $1
                and folder_id = $2
              order by uid
              limit $3",
        )
        .bind(self.account)
        .bind(folder)
        .bind(limit)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    /// A folder of this name, read under the lock.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn folder_named(&mut self, name: &str) -> Result<FolderRow, Refusal> {
        sqlx::query_as(
            "select folder_id, name, special_use, uid_validity, uid_next, recent_uid, message_count, unseen_count,
                    total_bytes, is_subscribed, created_modseq, modseq, content_modseq, pruned_modseq
               from folder
              where account_id = $1
                and name = $2",
        )
        .bind(self.account)
        .bind(name)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NoFolder)
    }

    /// How many folders the account has.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn folder_count(&mut self) -> Result<i64, Refusal> {
        Ok(
            sqlx::query_scalar("select count(*) from folder where account_id = $1")
                .bind(self.account)
                .fetch_one(&mut *self.tx)
                .await
                .map_err(StoreError::from)?,
        )
    }

    /// Whether folders lie below this name.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn has_folders_below(&mut self, name: &str) -> Result<bool, Refusal> {
        Ok(sqlx::query_scalar(
            "select exists (select from folder where account_id = $1 and starts_with(name, $2 || '/'))",
        )
        .bind(self.account)
        .bind(name)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }
}
