//! The nightly proof: every counter equals what it counts (DESIGN.md 4), and nothing refers to what is not there.
//!
//! Each rule is one statement over one account in one snapshot, so it may run while the account is written to. It repairs
//! nothing: a difference is our own fault and wants a person.

use sqlx::FromRow;

use super::Store;
use crate::error::StoreError;
use crate::model::{AccountId, BodyId};

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Discrepancy {
    /// Which rule.
    pub rule: String,
    /// The object: a folder, a message, a counter's name.
    pub object: String,
    /// What is stored.
    pub stored: Option<i64>,
    /// What it should be.
    pub counted: Option<i64>,
}

impl Store {
    /// Everything about an account that does not add up; empty when all is well. At most 100.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check_account(&self, account: AccountId) -> Result<Vec<Discrepancy>, StoreError> {
        let mut found = Vec::new();
        for rule in RULES {
            found.extend(
                sqlx::query_as::<_, Discrepancy>(rule)
                    .bind(account)
                    .fetch_all(self.pool())
                    .await?,
            );
        }
        found.truncate(100);
        Ok(found)
    }
}

/// What [`Store::check_bodies`] read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bodies {
    /// Bodies read.
    pub read: u64,
    /// Those that do not have their hash or size, at most 100.
    pub damaged: Vec<BodyId>,
}

impl Store {
    /// Reads every body of an account again, in the database, and compares it with its hash and size.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check_bodies(&self, account: AccountId) -> Result<Bodies, StoreError> {
        let mut found = Bodies::default();
        let mut after = BodyId(0);
        loop {
            let page: Vec<(BodyId, bool)> = sqlx::query_as(
                "select b.body_id,
                        coalesce(sha256(c.bytes) = b.sha256 and length(c.bytes) = b.size_bytes, b.size_bytes = 0)
                   from (select body_id, sha256, size_bytes
                           from body
                          where account_id = $1 and body_id > $2
                          order by body_id
                          limit 50) b
                   left join lateral (select string_agg(bytes, null order by n) as bytes
                                        from body_chunk
                                       where account_id = $1 and body_id = b.body_id) c on true
                  order by b.body_id",
            )
            .bind(account)
            .bind(after)
            .fetch_all(self.pool())
            .await?;
            let Some((last, _)) = page.last() else {
                return Ok(found);
            };
            after = *last;
            found.read += u64::try_from(page.len()).unwrap_or(0);
            let damaged = page
                .iter()
                .filter(|(_, whole)| !whole)
                .map(|(body, _)| *body);
            found
                .damaged
                .extend(damaged.take(100 - found.damaged.len()));
        }
    }
}

const RULES: [&str; 7] = [
    "select 'account bytes' as rule, v.object, v.stored, v.counted::bigint as counted
       from account a
       left join lateral (select coalesce(sum(size_bytes), 0) as bytes
                            from message
                           where account_id = $1) m on true
       left join lateral (select coalesce(sum(size_bytes) filter (where c.kind = 'calendar'), 0) as calendar,
                                 coalesce(sum(size_bytes) filter (where c.kind = 'contacts'), 0) as contacts,
                                 coalesce(sum(size_bytes) filter (where c.kind = 'tasks'), 0) as tasks,
                                 coalesce(sum(size_bytes) filter (where c.kind = 'notes'), 0) as notes
                            from item i
                            join collection c on c.account_id = i.account_id and c.collection_id = i.collection_id
                           where i.account_id = $1) i on true
      cross join lateral (values ('mail', a.mail_bytes, m.bytes),
                                 ('calendar', a.calendar_bytes, i.calendar),
                                 ('contacts', a.contact_bytes, i.contacts),
                                 ('tasks', a.task_bytes, i.tasks),
                                 ('notes', a.note_bytes, i.notes),
                                 ('used', a.used_bytes, m.bytes + i.calendar + i.contacts + i.tasks + i.notes))
                 v(object, stored, counted)
      where a.account_id = $1
        and v.stored <> v.counted",
    "select 'folder counters' as rule, f.name || ': ' || v.object as object, v.stored, v.counted::bigint as counted
       from folder f
       left join (select folder_id, count(*) as messages, count(*) filter (where flags & 1 = 0) as unseen,
                         sum(size_bytes) as bytes, max(uid) as last_uid, max(modseq) as modseq
                    from message
                   where account_id = $1
                   group by folder_id) m using (folder_id)
      cross join lateral (values ('messages', f.message_count, coalesce(m.messages, 0)),
                                 ('unseen', f.unseen_count, coalesce(m.unseen, 0)),
                                 ('bytes', f.total_bytes, coalesce(m.bytes, 0)),
                                 ('uid_next', f.uid_next, greatest(f.uid_next, m.last_uid + 1)),
                                 ('content_modseq', f.content_modseq, greatest(f.content_modseq, m.modseq)))
                 v(object, stored, counted)
      where f.account_id = $1
        and v.stored <> v.counted",
    "select 'collection counters' as rule, c.slug || ': ' || v.object as object, v.stored, v.counted::bigint as counted
       from collection c
       left join (select collection_id, count(*) as items, sum(size_bytes) as bytes, max(item_id) as last_id,
                         max(modseq) as modseq
                    from item
                   where account_id = $1
                   group by collection_id) i using (collection_id)
      cross join lateral (values ('items', c.item_count, coalesce(i.items, 0)),
                                 ('bytes', c.total_bytes, coalesce(i.bytes, 0)),
                                 ('next_item_id', c.next_item_id, greatest(c.next_item_id, i.last_id + 1)),
                                 ('content_modseq', c.content_modseq, greatest(c.content_modseq, i.modseq)))
                 v(object, stored, counted)
      where c.account_id = $1
        and v.stored <> v.counted",
    "select 'conversation list' as rule, 'folder ' || folder_id || ', conversation ' || thread_id as object,
            t.newest_uid as stored, m.newest_uid as counted
       from (select folder_id, thread_id, newest_at, newest_uid, messages, unseen, starred, attachments
               from folder_thread
              where account_id = $1) t
       full join (select folder_id, thread_id, max(received_at) as newest_at,
                         (array_agg(uid order by received_at desc, uid desc))[1] as newest_uid,
                         count(*) as messages,
                         count(*) filter (where flags & 1 = 0) as unseen,
                         count(*) filter (where flags & 4 <> 0) as starred,
                         count(*) filter (where has_attachment) as attachments
                    from message
                   where account_id = $1
                   group by folder_id, thread_id) m using (folder_id, thread_id)
      where (t.newest_at, t.newest_uid, t.messages, t.unseen, t.starred, t.attachments)
            is distinct from (m.newest_at, m.newest_uid, m.messages, m.unseen, m.starred, m.attachments)
      limit 100",
    "select 'message facts' as rule, 'folder ' || m.folder_id || ', UID ' || m.uid as object,
            m.size_bytes as stored, b.size_bytes as counted
       from message m
       left join folder f on f.account_id = m.account_id and f.folder_id = m.folder_id
       left join email e on e.account_id = m.account_id and e.email_id = m.email_id
       left join body b on b.account_id = m.account_id and b.body_id = e.body_id
      where m.account_id = $1
        and (f.folder_id is null
             or b.body_id is null
             or m.size_bytes <> e.size_bytes
             or m.size_bytes <> b.size_bytes
             or m.thread_id <> e.thread_id
             or m.created_modseq > m.modseq)
      limit 100",
    "select 'body bytes' as rule, 'body ' || b.body_id as object, b.size_bytes as stored,
            sum(length(c.bytes))::bigint as counted
       from body b
       left join body_chunk c on c.account_id = b.account_id and c.body_id = b.body_id
      where b.account_id = $1
      group by b.body_id, b.size_bytes
     having b.size_bytes is distinct from coalesce(sum(length(c.bytes)), 0)
      limit 100",
    "select 'tombstones' as rule, t.kind || ' ' || t.parent_id || ', ids from ' || t.first_id as object,
            t.modseq as stored, a.modseq as counted
       from tombstone t
       join account a on a.account_id = t.account_id
      where t.account_id = $1
        and (t.modseq > a.modseq
             or (t.kind = 'message' and exists (select from message m
                                                 where m.account_id = $1
                                                   and m.folder_id = t.parent_id
                                                   and m.uid between t.first_id and t.last_id))
             or (t.kind = 'item' and exists (select from item i
                                              where i.account_id = $1
                                                and i.collection_id = t.parent_id
                                                and i.item_id = t.first_id)))
      limit 100",
];
