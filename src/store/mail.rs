//! Writing messages: copy, move, flags, expunge, inside a [`Write`]; what a new message is made of. `add.rs` adds it.
//!
//! Counters of the folder and the conversation list (`folder_thread`) are kept here and nowhere else. UIDs are given under
//! the account's lock, so UID order is commit order.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Charge, EmailId, Flags, FolderId, SpecialUse, ThreadId, Uid};

/// The immutable facts of a message, as delivery computed them.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// `Message-ID` without angle brackets; empty when there is none.
    pub message_id: String,
    /// The `Date` header inside the accepted range, else the time of arrival.
    pub sent_at: OffsetDateTime,
    /// Display name of the first `From`.
    pub sender_name: String,
    /// Address of the first `From`.
    pub sender_address: String,
    /// To and Cc as the list shows them.
    pub recipients: String,
    /// Compare forms of all addresses, for the subject rule of conversations.
    pub participants: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// Hash of the base subject; none when it is empty.
    pub subject_hash: Option<i64>,
    /// The subject began with a reply mark, so a subject may join it to a conversation.
    pub is_reply: bool,
    /// First words of the text.
    pub preview: String,
    /// Has a part that a reader would call an attachment.
    pub has_attachment: bool,
    /// IMAP ENVELOPE in wire form.
    pub envelope: Vec<u8>,
    /// IMAP BODYSTRUCTURE in wire form.
    pub structure: Vec<u8>,
    /// The part index.
    pub parts: Value,
    /// Rarer header facts.
    pub facts: Value,
    /// Lexemes.
    pub words: Vec<String>,
    /// Folded text.
    pub search_text: String,
    /// Hashes of the own Message-ID first, then of References, nearest first.
    pub links: Vec<Vec<u8>>,
    /// Octets that CRLF at every line's end adds to the size.
    pub crlf_bytes: i64,
    /// The folded header, a line a field, for IMAP SEARCH.
    pub header_text: String,
    /// The folded text of all parts.
    pub body_text: String,
    /// The day of the `Date` field in its own zone, in days since 1970-01-01.
    pub sent_day: i32,
    /// One of the two texts is not whole.
    pub is_text_cut: bool,
}

/// A folder by its id or by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// This one.
    Folder(FolderId),
    /// Whichever the account uses for it.
    Special(SpecialUse),
}

/// Where a new message goes and how it looks there.
#[derive(Debug, Clone)]
pub struct Placement<'a> {
    /// The folder.
    pub target: Target,
    /// Flags it starts with.
    pub flags: Flags,
    /// Keywords it starts with.
    pub keywords: &'a [String],
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// Join this conversation whatever the headers say (a draft that is saved again).
    pub thread: Option<ThreadId>,
}

/// A message that has just been added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Added {
    /// The folder it lies in.
    pub folder_id: FolderId,
    /// Its place in the folder.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
}

/// What a flag change did to one message.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FlagChange {
    /// Which message.
    pub uid: Uid,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Flags before.
    pub old_flags: Flags,
    /// Flags now.
    pub flags: Flags,
    /// Keywords now.
    pub keywords: Vec<String>,
}

/// A message that changed its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Moved {
    /// UID in the source folder.
    pub from_uid: Uid,
    /// UID in the target folder.
    pub to_uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Its size.
    pub size_bytes: i64,
}

/// A flag change as asked for.
#[derive(Debug, Clone, Default)]
pub struct FlagEdit {
    /// Bits to set.
    pub set: Flags,
    /// Bits to clear.
    pub clear: Flags,
    /// Keywords to add.
    pub add_keywords: Vec<String>,
    /// Keywords to remove.
    pub remove_keywords: Vec<String>,
    /// `add_keywords` are all that stay.
    pub replaces_keywords: bool,
    /// RFC 7162 3.1.3: only messages whose change number is not above this.
    pub unchanged_since: Option<i64>,
}

#[derive(Debug, FromRow)]
struct Gone {
    uid: Uid,
    email_id: EmailId,
    thread_id: ThreadId,
    flags: Flags,
    size_bytes: i64,
    received_at: OffsetDateTime,
}

impl Write {
    /// Changes flags of `uids` in one folder; rows that look so already stay untouched. Returns what changed, by UID.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn set_flags(
        &mut self,
        folder: FolderId,
        uids: &[i64],
        edit: &FlagEdit,
    ) -> Result<Vec<FlagChange>, Refusal> {
        let changes: Vec<FlagChange> = sqlx::query_as(
            "with old as (
                 select uid, flags, keywords,
                        (flags | $4) & ~$5 as new_flags,
                        case when $10 then array(select k from unnest($6::text[]) k order by 1)
                             when cardinality($6::text[]) + cardinality($7::text[]) = 0 then keywords
                             else array(select k from unnest(keywords) k where k <> all($7)
                                        union
                                        select k from unnest($6::text[]) k
                                        order by 1)
                        end as new_keywords
                   from message
                  where account_id = $1
                    and folder_id = $2
                    and uid = any($3)
                    and ($8::bigint is null or modseq <= $8)
             )
             update message m
                set flags    = old.new_flags,
                    keywords = old.new_keywords,
                    modseq   = $9
               from old
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid = old.uid
                and (old.flags <> old.new_flags or old.keywords <> old.new_keywords)
             returning m.uid, m.thread_id, old.flags as old_flags, m.flags, m.keywords",
        )
        .bind(self.account)
        .bind(folder)
        .bind(uids)
        .bind(edit.set)
        .bind(edit.clear)
        .bind(&edit.add_keywords)
        .bind(&edit.remove_keywords)
        .bind(edit.unchanged_since)
        .bind(self.modseq)
        .bind(edit.replaces_keywords)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if changes.is_empty() {
            return Ok(changes);
        }
        let unseen: i64 = changes
            .iter()
            .map(|c| {
                i64::from(!c.flags.has(Flags::SEEN)) - i64::from(!c.old_flags.has(Flags::SEEN))
            })
            .sum();
        self.touch_folder(folder, 0, unseen, 0).await?;
        let counted = Flags::SEEN.with(Flags::FLAGGED);
        let threads: Vec<ThreadId> = changes
            .iter()
            .filter(|c| c.flags.0 & counted.0 != c.old_flags.0 & counted.0)
            .map(|c| c.thread_id)
            .collect();
        self.refresh_threads(folder, threads).await?;
        Ok(changes)
    }

    /// Copies `uids` of one folder into another (RFC 9051 6.4.7), keeping flags, keywords and date; charges their bytes.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`], [`Refusal::NoFolder`].
    pub async fn copy_messages(
        &mut self,
        from: FolderId,
        uids: &[i64],
        to: FolderId,
    ) -> Result<Vec<Moved>, Refusal> {
        let copied = self.place_again(from, uids, to).await?;
        let bytes: i64 = copied.iter().map(|m| m.size_bytes).sum();
        self.charge(Charge::mail(bytes)).await?;
        Ok(copied)
    }

    /// Moves `uids` of one folder into another (RFC 6851): new UIDs there, tombstones here.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn move_messages(
        &mut self,
        from: FolderId,
        uids: &[i64],
        to: FolderId,
    ) -> Result<Vec<Moved>, Refusal> {
        let moved = self.place_again(from, uids, to).await?;
        let gone: Vec<i64> = moved.iter().map(|m| m.from_uid.0).collect();
        self.take_away(from, &gone).await?;
        Ok(moved)
    }

    /// Removes `uids` for good; their bytes leave the quota. With `keep_days` a snapshot of each stays restorable.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn expunge(
        &mut self,
        folder: FolderId,
        uids: &[i64],
        keep_days: Option<i32>,
    ) -> Result<Vec<Uid>, Refusal> {
        if let Some(days) = keep_days {
            sqlx::query(
                "insert into removed (account_id, kind, parent_id, parent_name, email_id, snapshot, size_bytes, expires_at)
                 select m.account_id, 'message', m.folder_id, f.name, m.email_id,
                        jsonb_build_object('flags', m.flags, 'keywords', m.keywords, 'received_at', m.received_at,
                                           'special_use', f.special_use),
                        m.size_bytes, now() + make_interval(days => $4)
                   from message m
                   join folder f on f.account_id = m.account_id and f.folder_id = m.folder_id
                  where m.account_id = $1
                    and m.folder_id = $2
                    and m.uid = any($3)",
            )
            .bind(self.account)
            .bind(folder)
            .bind(uids)
            .bind(days)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        }
        let gone = self.take_away(folder, uids).await?;
        let bytes: i64 = gone.iter().map(|g| g.size_bytes).sum();
        self.charge(Charge::mail(-bytes)).await?;
        if keep_days.is_some() {
            self.trim_removed().await?;
        }
        Ok(gone.iter().map(|g| g.uid).collect())
    }

    /// What is kept after deletion takes at most one quota; the oldest leave first (security.md S-08).
    pub(super) async fn trim_removed(&mut self) -> Result<(), Refusal> {
        sqlx::query(
            "delete from removed r
              using (select removed_id, sum(size_bytes) over (order by removed_id desc) as total
                       from removed
                      where account_id = $1) old
              where r.account_id = $1
                and r.removed_id = old.removed_id
                and old.total > (select quota_bytes from account where account_id = $1)",
        )
        .bind(self.account)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Rows for the same emails in another folder, UIDs ascending in the order of the source.
    async fn place_again(
        &mut self,
        from: FolderId,
        uids: &[i64],
        to: FolderId,
    ) -> Result<Vec<Moved>, Refusal> {
        let placed: Vec<Moved> = sqlx::query_as(
            "with src as (
                 select uid, email_id, thread_id, size_bytes, flags, keywords, has_attachment, received_at,
                        row_number() over (order by uid) as place
                   from message
                  where account_id = $1
                    and folder_id = $2
                    and uid = any($3)
             ), n as (
                 select count(*) as n, coalesce(sum(size_bytes), 0)::bigint as bytes,
                        count(*) filter (where flags & 1 = 0) as unseen
                   from src
             ), f as (
                 update folder
                    set uid_next       = uid_next + n.n,
                        message_count  = message_count + n.n,
                        unseen_count   = unseen_count + n.unseen,
                        total_bytes    = total_bytes + n.bytes,
                        content_modseq = $5
                   from n
                  where account_id = $1
                    and folder_id = $4
                 returning uid_next - n.n as base
             ), ins as (
                 insert into message (account_id, folder_id, uid, email_id, thread_id, size_bytes, flags, keywords,
                                      has_attachment, received_at, created_modseq, modseq)
                 select $1, $4, f.base + src.place - 1, email_id, thread_id, size_bytes, flags & ~8, keywords,
                        has_attachment, received_at, $5, $5
                   from src, f
             )
             select src.uid as from_uid, f.base + src.place - 1 as to_uid, email_id, thread_id, size_bytes
               from src, f
              order by src.place",
        )
        .bind(self.account)
        .bind(from)
        .bind(uids)
        .bind(to)
        .bind(self.modseq)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if placed.is_empty() {
            let exists: bool = sqlx::query_scalar(
                "select exists (select from folder where account_id = $1 and folder_id = $2)",
            )
            .bind(self.account)
            .bind(to)
            .fetch_one(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
            return if exists {
                Ok(placed)
            } else {
                Err(Refusal::NoFolder)
            };
        }
        let threads = placed.iter().map(|m| m.thread_id).collect();
        self.refresh_threads(to, threads).await?;
        Ok(placed)
    }

    /// Deletes rows of one folder, leaves tombstones as UID ranges, keeps counters and conversations.
    async fn take_away(&mut self, folder: FolderId, uids: &[i64]) -> Result<Vec<Gone>, Refusal> {
        let mut gone: Vec<Gone> = sqlx::query_as(
            "delete from message
              where account_id = $1
                and folder_id = $2
                and uid = any($3)
             returning uid, email_id, thread_id, flags, size_bytes, received_at",
        )
        .bind(self.account)
        .bind(folder)
        .bind(uids)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        if gone.is_empty() {
            return Ok(gone);
        }
        gone.sort_unstable_by_key(|g| g.uid);
        let ranges = Ranges::of(&gone);
        sqlx::query(
            "insert into tombstone (account_id, kind, parent_id, modseq, first_id, last_id, received_at)
             select $1, 'message', $2, $3, r.first_id, r.last_id, r.received_at
               from unnest($4::bigint[], $5::bigint[], $6::timestamptz[]) r(first_id, last_id, received_at)",
        )
        .bind(self.account)
        .bind(folder)
        .bind(self.modseq)
        .bind(&ranges.first)
        .bind(&ranges.last)
        .bind(&ranges.received_at)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        let count = i64::try_from(gone.len())
            .map_err(|_| Refusal::Internal("more rows than an i64 counts"))?;
        let unseen = gone
            .iter()
            .map(|g| i64::from(!g.flags.has(Flags::SEEN)))
            .sum::<i64>();
        let bytes: i64 = gone.iter().map(|g| g.size_bytes).sum();
        self.touch_folder(folder, -count, -unseen, -bytes).await?;
        self.refresh_threads(folder, gone.iter().map(|g| g.thread_id).collect())
            .await?;
        debug_assert!(gone.iter().all(|g| g.email_id.0 > 0));
        Ok(gone)
    }

    /// Remembers that this account was served with these bytes, so that a retry after a partial failure skips it.
    /// False: another one was faster, and this write is to be dropped.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn note_delivery(&mut self, data_hash: &[u8]) -> Result<bool, Refusal> {
        let noted = sqlx::query("insert into delivery_seen (data_hash, account_id) values ($1, $2) on conflict do nothing")
            .bind(data_hash)
            .bind(self.account)
            .execute(&mut *self.tx)
            .await
            .map_err(StoreError::from)?;
        Ok(noted.rows_affected() == 1)
    }

    async fn touch_folder(
        &mut self,
        folder: FolderId,
        messages: i64,
        unseen: i64,
        bytes: i64,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "update folder
                set message_count  = message_count + $3,
                    unseen_count   = unseen_count + $4,
                    total_bytes    = total_bytes + $5,
                    content_modseq = $6
              where account_id = $1
                and folder_id = $2",
        )
        .bind(self.account)
        .bind(folder)
        .bind(messages)
        .bind(unseen)
        .bind(bytes)
        .bind(self.modseq)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }

    /// Computes the conversation rows of `threads` in `folder` anew from its messages.
    async fn refresh_threads(
        &mut self,
        folder: FolderId,
        mut threads: Vec<ThreadId>,
    ) -> Result<(), Refusal> {
        threads.sort_unstable();
        threads.dedup();
        if threads.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = threads.iter().map(|t| t.0).collect();
        sqlx::query(
            "with now_there as (
                 select thread_id, max(received_at) as newest_at,
                        (array_agg(uid order by received_at desc, uid desc))[1] as newest_uid,
                        count(*) as messages,
                        count(*) filter (where flags & 1 = 0) as unseen,
                        count(*) filter (where flags & 4 <> 0) as starred,
                        count(*) filter (where has_attachment) as attachments
                   from message
                  where account_id = $1
                    and folder_id = $2
                    and thread_id = any($3)
                  group by thread_id
             ), gone as (
                 delete from folder_thread
                  where account_id = $1
                    and folder_id = $2
                    and thread_id = any($3)
                    and thread_id not in (select thread_id from now_there)
             )
             insert into folder_thread (account_id, folder_id, thread_id, newest_at, newest_uid, messages, unseen, starred,
                                        attachments)
             select $1, $2, thread_id, newest_at, newest_uid, messages, unseen, starred, attachments
               from now_there
             on conflict (account_id, folder_id, thread_id) do update
                set newest_at   = excluded.newest_at,
                    newest_uid  = excluded.newest_uid,
                    messages    = excluded.messages,
                    unseen      = excluded.unseen,
                    starred     = excluded.starred,
                    attachments = excluded.attachments",
        )
        .bind(self.account)
        .bind(folder)
        .bind(ids)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

impl Store {
    /// Which accounts were served with these bytes within the last day. Global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delivered_to(&self, data_hash: &[u8]) -> Result<Vec<AccountId>, StoreError> {
        Ok(
            sqlx::query_scalar("select account_id from delivery_seen where data_hash = $1 and at > now() - interval '24 hours'")
                .bind(data_hash)
                .fetch_all(self.pool())
                .await?,
        )
    }
}

/// Runs of neighbouring UIDs, as columns for `unnest`.
struct Ranges {
    first: Vec<i64>,
    last: Vec<i64>,
    received_at: Vec<OffsetDateTime>,
}

impl Ranges {
    /// `gone` is sorted by UID.
    fn of(gone: &[Gone]) -> Self {
        let mut r = Self {
            first: Vec::new(),
            last: Vec::new(),
            received_at: Vec::new(),
        };
        for g in gone {
            match (r.last.last_mut(), r.received_at.last_mut()) {
                (Some(last), Some(newest)) if *last + 1 == g.uid.0 => {
                    *last = g.uid.0;
                    *newest = (*newest).max(g.received_at);
                }
                _ => {
                    r.first.push(g.uid.0);
                    r.last.push(g.uid.0);
                    r.received_at.push(g.received_at);
                }
            }
        }
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone(uid: i64) -> Gone {
        Gone {
            uid: Uid(uid),
            email_id: EmailId(1),
            thread_id: ThreadId(1),
            flags: Flags::NONE,
            size_bytes: 1,
            received_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(uid),
        }
    }

    #[test]
    fn neighbours_become_one_range() {
        let r = Ranges::of(&[gone(1), gone(2), gone(3), gone(7), gone(9), gone(10)]);
        assert_eq!(r.first, [1, 7, 9]);
        assert_eq!(r.last, [3, 7, 10]);
        assert_eq!(
            r.received_at[0],
            OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(3)
        );
    }
}
