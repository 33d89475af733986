//! Messages being written in a browser: the form's fields, the files, and where their copy in Drafts lies.
//!
//! Every change runs inside a [`Write`], so one account's saving, sending and taking back never cross. What is in here is
//! outside the quota until it becomes a message; [`Store::draft_bytes`] lets the service bound it.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::{BodyRef, Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{
    AccountId, BodyId, DomainId, DraftId, DraftPartId, FolderId, QueueId, ThreadId, Uid,
};

/// A draft.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct DraftRow {
    /// Its id, drawn at random by the service.
    pub draft_id: DraftId,
    /// Rises with every saving; 0 while only files were added.
    pub rev: i64,
    /// `open`, `sending` or `discarded`.
    pub state: String,
    /// The form's fields.
    pub content: Value,
    /// What it answers, and what its sending did.
    pub answers: Option<Value>,
    /// Its copy in Drafts.
    pub saved_uid: Option<Uid>,
    /// The revision of that copy.
    pub saved_rev: i64,
    /// When that copy was made.
    pub saved_at: Option<OffsetDateTime>,
    /// The message in the queue.
    pub queue_id: Option<QueueId>,
    /// The last change.
    pub updated_at: OffsetDateTime,
}

/// A file of a draft.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DraftPartRow {
    /// Its id.
    pub part_id: DraftPartId,
    /// Its bytes.
    pub body_id: BodyId,
    /// Shown name.
    pub name: String,
    /// `type/subtype`.
    pub content_type: String,
    /// Octets.
    pub size_bytes: i64,
    /// Set for pictures in the text.
    pub content_id: Option<String>,
}

/// A file to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewPart<'a> {
    /// Its bytes, stored already.
    pub body: BodyRef,
    /// Shown name.
    pub name: &'a str,
    /// `type/subtype`.
    pub content_type: &'a str,
    /// Set for pictures in the text.
    pub content_id: Option<&'a str>,
}

/// What a saving writes.
#[derive(Debug, Clone, Copy)]
pub struct DraftChange<'a> {
    /// The new revision.
    pub rev: i64,
    /// `open`, `sending` or `discarded`.
    pub state: &'a str,
    /// The form's fields.
    pub content: &'a Value,
    /// What it answers.
    pub answers: Option<&'a Value>,
    /// The message in the queue.
    pub queue_id: Option<QueueId>,
}

/// Somebody to write to.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PersonRow {
    /// Shown name; may be empty.
    pub name: String,
    /// The address.
    pub address: String,
}

const COLUMNS: &str = "select draft_id, rev, state, content, answers, saved_uid, saved_rev, saved_at, queue_id, updated_at
       from draft
      where account_id = $1
        and draft_id = $2";

impl Store {
    /// A draft, in whatever state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_row(
        &self,
        account: AccountId,
        draft: DraftId,
    ) -> Result<Option<DraftRow>, StoreError> {
        Ok(sqlx::query_as(COLUMNS)
            .bind(account)
            .bind(draft)
            .fetch_optional(self.pool())
            .await?)
    }

    /// The files of a draft, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_parts(
        &self,
        account: AccountId,
        draft: DraftId,
    ) -> Result<Vec<DraftPartRow>, StoreError> {
        Ok(sqlx::query_as(
            "select part_id, body_id, name, content_type, size_bytes, content_id
               from draft_part
              where account_id = $1
                and draft_id = $2
              order by part_id",
        )
        .bind(account)
        .bind(draft)
        .fetch_all(self.pool())
        .await?)
    }

    /// The open draft whose copy in Drafts has this UID.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_of_copy(
        &self,
        account: AccountId,
        uid: Uid,
    ) -> Result<Option<DraftId>, StoreError> {
        Ok(sqlx::query_scalar(
            "select draft_id
               from draft
              where account_id = $1
                and saved_uid = $2
                and state = 'open'
              order by updated_at desc
              limit 1",
        )
        .bind(account)
        .bind(uid)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Octets of all files in an account's drafts, and how many drafts there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draft_bytes(&self, account: AccountId) -> Result<(i64, i64), StoreError> {
        Ok(sqlx::query_as(
            "select (select coalesce(sum(size_bytes), 0)::bigint from draft_part where account_id = $1),
                    (select count(*) from draft where account_id = $1)",
        )
        .bind(account)
        .fetch_one(self.pool())
        .await?)
    }

    /// Whether a client id of the account is known to the queue; the message it stands for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sent_before(
        &self,
        account: AccountId,
        client_id: &str,
    ) -> Result<Option<QueueId>, StoreError> {
        Ok(sqlx::query_scalar(
            "select queue_id from outbound where account_id = $1 and client_id = $2",
        )
        .bind(account)
        .bind(client_id)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Ends the hold of a message in the queue. False: not the account's, or nothing of it waits any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn send_now(&self, account: AccountId, message: QueueId) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "with o as (
                 update outbound
                    set send_after = least(send_after, now())
                  where account_id = $1
                    and queue_id = $2
                 returning queue_id
             )
             update outbound_recipient r
                set next_at = now()
               from o
              where r.queue_id = o.queue_id
                and r.state = 'waiting'
                and r.attempts = 0
                and r.lease_until is null",
        )
        .bind(account)
        .bind(message)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// People whose name or address has `like` in it (a folded text as a pattern): whom the account wrote to, most often
    /// first, then the colleagues its domain shows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn people(
        &self,
        account: AccountId,
        domain: DomainId,
        like: &str,
        limit: i64,
    ) -> Result<Vec<PersonRow>, StoreError> {
        Ok(sqlx::query_as(
            "select name, address from (
                 select k.name, k.address, 0 as rank, k.written_count as n, k.used_at as at
                   from known_address k
                  where k.account_id = $1
                    and (' ' || k.search_text) like $3
                 union all
                 select a.display_name, a.address, 1, 0, null
                   from account a
                   join mail_domain d on d.domain_id = a.domain_id
                  where a.domain_id = $2
                    and a.account_id <> $1
                    and d.shows_directory
                    and a.is_enabled
                    and not a.is_hidden
                    and a.deleted_at is null
                    and (' ' || lower(a.display_name) || ' ' || a.address || ' ' || translate(a.address, '.@_+-', '     ')) like $3
                    and not exists (select from known_address k where k.account_id = $1 and k.address = a.address)) p
              order by rank, n desc, at desc nulls last, address
              limit $4",
        )
        .bind(account)
        .bind(domain)
        .bind(like)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Open drafts of any account whose copy in Drafts is behind and that nobody touched for `seconds`. Global: the work of
    /// all nodes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drafts_behind(
        &self,
        seconds: i32,
        limit: i64,
    ) -> Result<Vec<(AccountId, DraftId)>, StoreError> {
        Ok(sqlx::query_as(
            "select account_id, draft_id
               from draft
              where state = 'open'
                and saved_rev < rev
                and updated_at between now() - interval '1 hour' and now() - make_interval(secs => $1)
              order by updated_at
              limit $2",
        )
        .bind(f64::from(seconds))
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Drops drafts that came to their end: sent or discarded some minutes ago, or forgotten for a month. Global: the work
    /// of all nodes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn drafts_sweep(&self) -> Result<u64, StoreError> {
        Ok(sqlx::query(
            "delete from draft
              where ((state <> 'open' and updated_at < now() - interval '10 minutes')
                     or updated_at < now() - interval '30 days')
                and not exists (select from outbound o
                                 where o.account_id = draft.account_id
                                   and o.draft_id = draft.draft_id
                                   and o.send_after > now())",
        )
        .execute(self.pool())
        .await?
        .rows_affected())
    }
}

impl Write {
    /// A draft, read under the lock.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn draft_row(&mut self, draft: DraftId) -> Result<Option<DraftRow>, Refusal> {
        Ok(sqlx::query_as(COLUMNS)
            .bind(self.account)
            .bind(draft)
            .fetch_optional(&mut *self.tx)
            .await
            .map_err(StoreError::from)?)
    }

    /// Writes a draft's fields, making the draft when it is not there.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn put_draft(
        &mut self,
        draft: DraftId,
        change: &DraftChange<'_>,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "insert into draft (account_id, draft_id, rev, state, content, answers, queue_id, modseq)
             values ($1, $2, $3, $4, $5, $6, $7, $8)
             on conflict (account_id, draft_id) do update
                set rev        = excluded.rev,
                    state      = excluded.state,
                    content    = excluded.content,
                    answers    = excluded.answers,
                    queue_id   = excluded.queue_id,
                    modseq     = excluded.modseq,
                    updated_at = now()",
        )
        .bind(self.account)
        .bind(draft)
        .bind(change.rev)
        .bind(change.state)
        .bind(change.content)
        .bind(change.answers)
        .bind(change.queue_id)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Notes where the copy in Drafts lies and which revision it is.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_copy(
        &mut self,
        draft: DraftId,
        uid: Option<Uid>,
        rev: i64,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "update draft
                set saved_uid = $3,
                    saved_rev = $4,
                    saved_at  = now()
              where account_id = $1
                and draft_id = $2",
        )
        .bind(self.account)
        .bind(draft)
        .bind(uid)
        .bind(rev)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// The conversation of a message at its place; none when it is not there any more.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn thread_at(
        &mut self,
        folder: FolderId,
        uid: Uid,
    ) -> Result<Option<ThreadId>, Refusal> {
        Ok(sqlx::query_scalar(
            "select thread_id from message where account_id = $1 and folder_id = $2 and uid = $3",
        )
        .bind(self.account)
        .bind(folder)
        .bind(uid)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    /// Adds a file to a draft.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn add_part(
        &mut self,
        draft: DraftId,
        part: &NewPart<'_>,
    ) -> Result<DraftPartId, Refusal> {
        Ok(sqlx::query_scalar(
            "insert into draft_part (account_id, draft_id, body_id, name, content_type, size_bytes, content_id)
             values ($1, $2, $3, $4, $5, $6, $7)
             returning part_id",
        )
        .bind(self.account)
        .bind(draft)
        .bind(part.body.id)
        .bind(part.name)
        .bind(part.content_type)
        .bind(part.body.size_bytes)
        .bind(part.content_id)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(StoreError::from)?)
    }

    /// Takes a file out of a draft; false when it was not there.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn remove_part(
        &mut self,
        draft: DraftId,
        part: DraftPartId,
    ) -> Result<bool, Refusal> {
        Ok(sqlx::query(
            "delete from draft_part where account_id = $1 and draft_id = $2 and part_id = $3",
        )
        .bind(self.account)
        .bind(draft)
        .bind(part)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .rows_affected()
            == 1)
    }

    /// Gives another draft the same files, under the same ids.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn copy_parts(&mut self, from: DraftId, to: DraftId) -> Result<(), Refusal> {
        sqlx::query(
            "insert into draft_part (account_id, draft_id, part_id, body_id, name, content_type, size_bytes, content_id)
             select account_id, $3, part_id, body_id, name, content_type, size_bytes, content_id
               from draft_part
              where account_id = $1
                and draft_id = $2",
        )
        .bind(self.account)
        .bind(from)
        .bind(to)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Remembers whom the account wrote to: names, addresses and their folded texts, side by side.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_written(
        &mut self,
        names: &[String],
        addresses: &[String],
        texts: &[String],
    ) -> Result<(), Refusal> {
        sqlx::query(
            "insert into known_address as k (account_id, address, name, written_count, search_text)
             select $1, p.address, p.name, 1, p.search_text
               from unnest($2::text[], $3::text[], $4::text[]) p(name, address, search_text)
             on conflict (account_id, address) do update
                set written_count = k.written_count + 1,
                    used_at       = now(),
                    name          = case when excluded.name = '' then k.name else excluded.name end,
                    search_text   = case when excluded.name = '' then k.search_text else excluded.search_text end",
        )
        .bind(self.account)
        .bind(names)
        .bind(addresses)
        .bind(texts)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}
