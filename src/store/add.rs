//! Adding a message: UID, counters, conversation and rows in one statement; and for what arrives alone and small, the lock,
//! the body and the commit in that same statement.
//!
//! A small message costs more in exchanges with the database than in work done there: BEGIN, body, lock, rows and COMMIT are
//! five, [`Store::add_alone`] is one. Its statement sees the account as it stood when the statement began. It therefore
//! takes the lock only if the account's change number is still the one it saw; whoever wrote meanwhile wins, it does
//! nothing, and the caller goes the long way. So both ways decide on the same state: conversations are found under the lock.

use sqlx::postgres::PgArguments;
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres};

use super::account::Locked;
use super::body::{CHUNK_BYTES, Place, Stored};
use super::mail::{Added, NewEmail, Placement, Target};
use super::{BodyRef, Committed, Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Flags};

/// The common part: `w (modseq, body_id)` says under which number and for which body; no row of it, nothing happens.
macro_rules! rows {
    () => {
        ", f as (
             update folder
                set uid_next       = uid_next + 1,
                    message_count  = message_count + 1,
                    unseen_count   = unseen_count + $3,
                    total_bytes    = total_bytes + $4,
                    content_modseq = w.modseq
               from w
              where account_id = $1
                and (folder_id = $2 or special_use = $5)
             returning folder_id, uid_next - 1 as uid, w.modseq, w.body_id
         ), t as materialized (
             select coalesce(
                        $6,
                        (select l.thread_id
                           from unnest($7::bytea[]) with ordinality r(hash, place)
                           join thread_link l on l.account_id = $1 and l.hash = r.hash
                          order by r.place
                          limit 1),
                        (select e.thread_id
                           from email e
                          where e.account_id = $1
                            and $8
                            and e.subject_hash = $9
                            and e.participants && $10
                            and e.created_at > now() - interval '90 days'
                          order by e.email_id desc
                          limit 1),
                        nextval('thread_id_seq')) as thread_id,
                    f.body_id
               from f
         ), e as (
             insert into email (account_id, body_id, thread_id, size_bytes, message_id, sent_at, sender_name,
                                sender_address, recipients, participants, subject, subject_hash, preview,
                                has_attachment, envelope, structure, parts, facts, search, search_text, crlf_bytes)
             select $1, t.body_id, t.thread_id, $4, $12, $13, $14, $15, $16, $10, $17, $9, $18, $19, $20, $21, $22, $23,
                    array_to_tsvector($24), $25, $11
               from t
             returning email_id
         ), x as (
             insert into email_text (account_id, email_id, header_text, body_text, sent_day, is_cut)
             select $1, e.email_id, $30, $31, $32, $33
               from e
         ), m as (
             insert into message (account_id, folder_id, uid, email_id, thread_id, size_bytes, flags, keywords,
                                  has_attachment, received_at, created_modseq, modseq)
             select $1, f.folder_id, f.uid, e.email_id, t.thread_id, $4, $26, $27, $19, $28, f.modseq, f.modseq
               from f, t, e
         ), l as (
             insert into thread_link (account_id, hash, thread_id)
             select $1, r.hash, t.thread_id
               from t, (select distinct unnest($7::bytea[]) as hash) r
             on conflict do nothing
         ), ft as (
             insert into folder_thread as o (account_id, folder_id, thread_id, newest_at, newest_uid, messages, unseen,
                                             starred, attachments)
             select $1, f.folder_id, t.thread_id, $28, f.uid, 1, $3, $29, $19::int
               from f, t
             on conflict (account_id, folder_id, thread_id) do update
                set newest_at   = greatest(o.newest_at, excluded.newest_at),
                    newest_uid  = case when excluded.newest_at >= o.newest_at then excluded.newest_uid else o.newest_uid end,
                    messages    = o.messages + 1,
                    unseen      = o.unseen + excluded.unseen,
                    starred     = o.starred + excluded.starred,
                    attachments = o.attachments + excluded.attachments
         )"
    };
}

/// Under the lock: $34 the change number, $35 the body.
const ADD: &str = concat!(
    "with w as (select $34::bigint as modseq, $35::bigint as body_id)",
    rows!(),
    " select f.folder_id, f.uid, e.email_id, t.thread_id from f, t, e"
);

/// On its own: $34 SHA-256, $35 the bytes, $36 whether the quota may refuse.
const ADD_ALONE: &str = concat!(
    "with seen as (
         select modseq from account where account_id = $1
     ), a as (
         update account
            set modseq       = modseq + 1,
                used_bytes   = used_bytes + $4,
                mail_bytes   = mail_bytes + $4,
                quota_notice = case when (used_bytes + $4) / 9 < quota_bytes / 10 then 0 else quota_notice end
          where account_id = $1
            and deleted_at is null
            and modseq = (select modseq from seen)
            and (not $36 or used_bytes + $4 <= quota_bytes)
            and exists (select from folder where account_id = $1 and (folder_id = $2 or special_use = $5))
         returning modseq, used_bytes, quota_bytes, quota_notice
     ), b as (
         insert into body (account_id, sha256, size_bytes)
         select $1, $34, $4
           from a
         on conflict (account_id, sha256) do update set touched_at = now()
         returning body_id, xmax = 0 as fresh
     ), c as (
         insert into body_chunk (account_id, body_id, n, bytes)
         select $1, body_id, 0, $35
           from b
          where fresh
     ), w as (
         select a.modseq, b.body_id from a, b
     )",
    rows!(),
    " select f.folder_id, f.uid, e.email_id, t.thread_id, a.modseq, a.used_bytes, a.quota_bytes, a.quota_notice
        from f, t, e, a"
);

/// A message that was added, locked and committed in one.
#[derive(Debug, FromRow)]
struct Alone {
    #[sqlx(flatten)]
    added: Added,
    #[sqlx(flatten)]
    locked: Locked,
}

impl Write {
    /// Adds a message: UID, counters, conversation, row, all in one statement.
    ///
    /// The conversation is found by References, nearest first, then by subject when it began with a reply mark and a
    /// participant is shared within 90 days (ui.md 7.5); else it begins a new one. Existing ones are never merged.
    /// The bytes must have been charged by the lock.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn add_message(
        &mut self,
        body: BodyRef,
        email: &NewEmail,
        at: &Placement<'_>,
    ) -> Result<Added, Refusal> {
        bind(
            sqlx::query_as(ADD),
            self.account,
            body.size_bytes,
            email,
            at,
        )
        .bind(self.modseq)
        .bind(body.id)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NoFolder)
    }
}

impl Store {
    /// Adds one message of at most one chunk in a single statement that is its own transaction. `None`: nothing was done
    /// (another write came between, it would go over quota, there is no such account or folder, it is too large), and the
    /// way by [`Store::draft`] says why or does it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_alone(
        &self,
        account: AccountId,
        stored: &Stored,
        email: &NewEmail,
        at: &Placement<'_>,
        guarded: bool,
    ) -> Result<Option<(Added, Locked, Committed)>, StoreError> {
        let Place::Memory(bytes) = &stored.place else {
            return Ok(None);
        };
        if bytes.len() > CHUNK_BYTES {
            return Ok(None);
        }
        let done: Option<Alone> = bind(
            sqlx::query_as(ADD_ALONE),
            account,
            stored.size_bytes,
            email,
            at,
        )
        .bind(stored.sha256.as_slice())
        .bind(bytes.as_ref())
        .bind(guarded)
        .fetch_optional(self.pool())
        .await?;
        Ok(done.map(|Alone { added, locked }| {
            let committed = Committed {
                account,
                modseq: locked.modseq,
            };
            (added, locked, committed)
        }))
    }
}

type Query<'q, O> = QueryAs<'q, Postgres, O, PgArguments>;

/// $1 to $33.
fn bind<'q, O>(
    query: Query<'q, O>,
    account: AccountId,
    size_bytes: i64,
    email: &'q NewEmail,
    at: &'q Placement<'_>,
) -> Query<'q, O> {
    let (folder, special) = match at.target {
        Target::Folder(folder) => (Some(folder), None),
        Target::Special(special) => (None, Some(special.word())),
    };
    query
        .bind(account)
        .bind(folder)
        .bind(i64::from(!at.flags.has(Flags::SEEN)))
        .bind(size_bytes)
        .bind(special)
        .bind(at.thread)
        .bind(&email.links)
        .bind(email.is_reply)
        .bind(email.subject_hash)
        .bind(&email.participants)
        .bind(email.crlf_bytes)
        .bind(&email.message_id)
        .bind(email.sent_at)
        .bind(&email.sender_name)
        .bind(&email.sender_address)
        .bind(&email.recipients)
        .bind(&email.subject)
        .bind(&email.preview)
        .bind(email.has_attachment)
        .bind(&email.envelope)
        .bind(&email.structure)
        .bind(&email.parts)
        .bind(&email.facts)
        .bind(&email.words)
        .bind(&email.search_text)
        .bind(at.flags)
        .bind(at.keywords)
        .bind(at.received_at)
        .bind(i32::from(at.flags.has(Flags::FLAGGED)))
        .bind(&email.header_text)
        .bind(&email.body_text)
        .bind(email.sent_day)
        .bind(email.is_text_cut)
}
