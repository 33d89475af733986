//! Reading messages: list windows, conversations, single messages.
//!
//! A list window is an index range over `folder_thread`; no reader counts or sorts a folder.

use serde_json::Value;
use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::Store;
use crate::error::StoreError;
use crate::model::{AccountId, BodyId, EmailId, Flags, FolderId, ModSeq, ThreadId, Uid};

/// Which conversations of a folder a list shows. Conditions combine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ThreadFilter {
    /// With an unread message.
    pub unseen: bool,
    /// With a starred message.
    pub starred: bool,
    /// With an attachment.
    pub attachment: bool,
    /// With a message whose `To` names the account itself.
    pub to_me: bool,
}

/// In which order a list shows its conversations. All but the first two read every conversation of the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// By who wrote the newest message.
    Sender,
    /// By the subject, without the marks of answers and forwards.
    Subject,
    /// The largest newest message first.
    Size,
    /// Starred ones first, then the newest.
    Starred,
}

impl Order {
    fn sql(self) -> &'static str {
        match self {
            Self::Newest => "t.newest_at desc, t.thread_id desc",
            Self::Oldest => "t.newest_at, t.thread_id",
            Self::Sender => {
                "lower(case when e.sender_name = '' then e.sender_address else e.sender_name end), t.newest_at desc, t.thread_id desc"
            }
            Self::Subject => {
                "lower(regexp_replace(e.subject, '^((re|aw|antw|fwd?|wg)\\s*:\\s*)+', '', 'i')), t.newest_at desc, t.thread_id desc"
            }
            Self::Size => "e.size_bytes desc, t.newest_at desc, t.thread_id desc",
            Self::Starred => "t.starred > 0 desc, t.newest_at desc, t.thread_id desc",
        }
    }

    /// Whether what is sorted by stands with the messages.
    fn reads_messages(self) -> bool {
        matches!(self, Self::Sender | Self::Subject | Self::Size)
    }
}

/// The conditions of a filter on `folder_thread t`.
fn narrow(
    q: &mut QueryBuilder<Postgres>,
    account: AccountId,
    folder: FolderId,
    filter: ThreadFilter,
) {
    if filter.unseen {
        q.push(" and t.unseen > 0");
    }
    if filter.starred {
        q.push(" and t.starred > 0");
    }
    if filter.attachment {
        q.push(" and t.attachments > 0");
    }
    if filter.to_me {
        q.push(
            " and exists (select from message y
                             join email f on f.account_id = y.account_id and f.email_id = y.email_id
                            where y.account_id = ",
        );
        q.push_bind(account).push(" and y.folder_id = ");
        q.push_bind(folder).push(
            " and y.thread_id = t.thread_id
                              and exists (select from jsonb_array_elements(f.facts -> 'to') p
                                            join address a on a.address = lower(p.value ->> 'a') and a.account_id = ",
        );
        q.push_bind(account).push("))");
    }
}

/// Where a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The newest.
    Top,
    /// Older than this row.
    Before(OffsetDateTime, ThreadId),
    /// Newer than this row, nearest first.
    After(OffsetDateTime, ThreadId),
    /// At this place from the top.
    Offset(i64),
}

/// One row of the conversation list.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct ThreadRow {
    /// The conversation.
    pub thread_id: ThreadId,
    /// When its newest message in this folder arrived.
    pub newest_at: OffsetDateTime,
    /// That message.
    pub newest_uid: Uid,
    /// Messages of it in this folder.
    pub messages: i32,
    /// Unread ones.
    pub unseen: i32,
    /// Starred ones.
    pub starred: i32,
    /// With attachments.
    pub attachments: i32,
    /// Facts of the newest message.
    pub email_id: EmailId,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords.
    pub keywords: Vec<String>,
    /// Subject of the newest message.
    pub subject: String,
    /// First words of it.
    pub preview: String,
    /// Who wrote it.
    pub sender_name: String,
    /// Their address.
    pub sender_address: String,
    /// To whom.
    pub recipients: String,
    /// Names and addresses, by turns, of the latest six messages in this folder, oldest first.
    pub senders: Vec<String>,
    /// Its messages in this folder, newest first, at most a hundred.
    pub emails: Vec<i64>,
}

/// A message with its place, as a conversation shows it.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct MessageRow {
    /// Where it lies.
    pub folder_id: FolderId,
    /// Its place there.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Its flags.
    pub flags: Flags,
    /// Its keywords.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// Last change of flags.
    pub modseq: ModSeq,
    /// Octets.
    pub size_bytes: i64,
    /// `Date`.
    pub sent_at: OffsetDateTime,
    /// Stored bytes.
    pub body_id: BodyId,
    /// `Message-ID` without brackets.
    pub message_id: String,
    /// Who wrote it.
    pub sender_name: String,
    /// Their address.
    pub sender_address: String,
    /// To and Cc as lists show them.
    pub recipients: String,
    /// Decoded subject.
    pub subject: String,
    /// First words.
    pub preview: String,
    /// Has a part that a reader would call an attachment.
    pub has_attachment: bool,
    /// The part index.
    pub parts: Value,
    /// Rarer header facts.
    pub facts: Value,
}

/// The facts one needs to serve a part of a message.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct EmailRow {
    /// Its facts.
    pub email_id: EmailId,
    /// Stored bytes.
    pub body_id: BodyId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Octets.
    pub size_bytes: i64,
    /// `Date`.
    pub sent_at: OffsetDateTime,
    /// `Message-ID` without brackets.
    pub message_id: String,
    /// Who wrote it.
    pub sender_name: String,
    /// Their address.
    pub sender_address: String,
    /// To and Cc as lists show them.
    pub recipients: String,
    /// Decoded subject.
    pub subject: String,
    /// First words.
    pub preview: String,
    /// The part index.
    pub parts: Value,
    /// Rarer header facts.
    pub facts: Value,
}

/// A message's place and flags only: what bulk actions and sessions need.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PlaceRow {
    /// Where it lies.
    pub folder_id: FolderId,
    /// Its place there.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Its conversation.
    pub thread_id: ThreadId,
    /// Its flags.
    pub flags: Flags,
    /// When it came here.
    pub created_modseq: ModSeq,
    /// Last change.
    pub modseq: ModSeq,
}

impl MessageRow {
    /// The facts of the message without its place.
    #[must_use]
    pub fn as_email(&self) -> EmailRow {
        EmailRow {
            email_id: self.email_id,
            body_id: self.body_id,
            thread_id: self.thread_id,
            size_bytes: self.size_bytes,
            sent_at: self.sent_at,
            message_id: self.message_id.clone(),
            sender_name: self.sender_name.clone(),
            sender_address: self.sender_address.clone(),
            recipients: self.recipients.clone(),
            subject: self.subject.clone(),
            preview: self.preview.clone(),
            parts: self.parts.clone(),
            facts: self.facts.clone(),
        }
    }
}

impl Store {
    /// A window of at most `limit` conversations of a folder, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn thread_window(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        window: Window,
        limit: i64,
    ) -> Result<Vec<ThreadRow>, StoreError> {
        self.thread_window_by(account, folder, filter, Order::Newest, window, limit)
            .await
    }

    /// The same in another order. Cursors ([`Window::Before`], [`Window::After`]) are for [`Order::Newest`] alone; with another
    /// order they mean the top.
    ///
    /// # Errors
    /// [`StoreError`].
    #[expect(
        clippy::too_many_lines,
        reason = "one statement and the orders it knows"
    )]
    pub async fn thread_window_by(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        order: Order,
        window: Window,
        limit: i64,
    ) -> Result<Vec<ThreadRow>, StoreError> {
        let mut q = QueryBuilder::new("with ");
        let mut rest = window;
        if let (Order::Newest, Window::Offset(n)) = (order, window) {
            // Where the window begins, found in the index alone; the rows before it are not read.
            q.push(
                "s as materialized (
                 select newest_at, thread_id from folder_thread t where account_id = ",
            );
            q.push_bind(account)
                .push(" and folder_id = ")
                .push_bind(folder);
            narrow(&mut q, account, folder, filter);
            q.push(" order by newest_at desc, thread_id desc limit 1 offset ")
                .push_bind(n)
                .push("), ");
        }
        q.push(
            "w as materialized (
                 select x.*, row_number() over () as place
                   from (
                 select t.thread_id, t.newest_at, t.newest_uid, t.messages, t.unseen, t.starred, t.attachments
                   from folder_thread t",
        );
        if order.reads_messages() {
            q.push(
                " join message m on m.account_id = t.account_id and m.folder_id = t.folder_id and m.uid = t.newest_uid
                  join email e on e.account_id = m.account_id and e.email_id = m.email_id",
            );
        }
        q.push(" where t.account_id = ").push_bind(account);
        q.push(" and t.folder_id = ").push_bind(folder);
        narrow(&mut q, account, folder, filter);
        if order == Order::Newest {
            match window {
                Window::Top => {}
                Window::Offset(_) => {
                    q.push(
                        " and (t.newest_at, t.thread_id) <= ((select newest_at from s), (select thread_id from s))",
                    );
                    rest = Window::Top;
                }
                Window::Before(at, thread) => {
                    q.push(" and (t.newest_at, t.thread_id) < (")
                        .push_bind(at)
                        .push(", ")
                        .push_bind(thread)
                        .push(")");
                }
                Window::After(at, thread) => {
                    q.push(" and (t.newest_at, t.thread_id) > (")
                        .push_bind(at)
                        .push(", ")
                        .push_bind(thread)
                        .push(")");
                }
            }
        }
        let upwards = order == Order::Newest && matches!(window, Window::After(..));
        q.push(" order by ").push(if upwards {
            "t.newest_at, t.thread_id"
        } else {
            order.sql()
        });
        q.push(" limit ").push_bind(limit);
        if let Window::Offset(n) = rest {
            q.push(" offset ").push_bind(n);
        }
        q.push(
            ") x)
             select w.thread_id, w.newest_at, w.newest_uid, w.messages, w.unseen, w.starred, w.attachments,
                    m.email_id, m.flags, m.keywords, e.subject, e.preview, e.sender_name, e.sender_address, e.recipients,
                    case when w.messages = 1 then array[e.sender_name, e.sender_address]
                         else (select array_agg(word order by at, u, n)
                                 from (select s.sender_name, s.sender_address, x.received_at as at, x.uid as u
                                         from message x
                                         join email s on s.account_id = x.account_id and s.email_id = x.email_id
                                        where x.account_id = ",
        );
        q.push_bind(account).push(" and x.folder_id = ").push_bind(folder).push(
            "                             and x.thread_id = w.thread_id
                                        order by x.received_at desc, x.uid desc
                                        limit 6) latest,
                                      lateral (values (1, latest.sender_name), (2, latest.sender_address)) v(n, word))
                    end as senders,
                    case when w.messages = 1 then array[m.email_id]
                         else array(select x.email_id
                                      from message x
                                     where x.account_id = m.account_id
                                       and x.folder_id = m.folder_id
                                       and x.thread_id = w.thread_id
                                     order by x.received_at desc, x.uid desc
                                     limit 100)
                    end as emails
               from w
               join message m on m.account_id = ",
        );
        q.push_bind(account)
            .push(" and m.folder_id = ")
            .push_bind(folder)
            .push(
                " and m.uid = w.newest_uid
               join email e on e.account_id = m.account_id and e.email_id = m.email_id
              order by ",
            )
            .push(if upwards { "w.place desc" } else { "w.place" });
        Ok(q.build_query_as().fetch_all(self.pool()).await?)
    }

    /// How many conversations a folder has under a filter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn thread_count(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
    ) -> Result<i64, StoreError> {
        let mut q = QueryBuilder::new("select count(*) from folder_thread t where account_id = ");
        q.push_bind(account)
            .push(" and folder_id = ")
            .push_bind(folder);
        narrow(&mut q, account, folder, filter);
        Ok(q.build_query_scalar().fetch_one(self.pool()).await?)
    }

    /// The messages of a conversation in every folder, oldest first, at most `limit` of the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn thread_messages(
        &self,
        account: AccountId,
        thread: ThreadId,
        limit: i64,
    ) -> Result<Vec<MessageRow>, StoreError> {
        Ok(sqlx::query_as(
            "select * from (
                 select m.folder_id, m.uid, m.email_id, m.thread_id, m.flags, m.keywords, m.received_at, m.modseq,
                        m.size_bytes, e.sent_at, e.body_id, e.message_id, e.sender_name, e.sender_address, e.recipients,
                        e.subject, e.preview, e.has_attachment, e.parts, e.facts
                   from message m
                   join email e on e.account_id = m.account_id and e.email_id = m.email_id
                  where m.account_id = $1
                    and m.thread_id = $2
                  order by m.received_at desc, m.uid desc
                  limit $3) newest
             order by received_at, uid",
        )
        .bind(account)
        .bind(thread)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// One message at its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn message(
        &self,
        account: AccountId,
        folder: FolderId,
        uid: Uid,
    ) -> Result<Option<MessageRow>, StoreError> {
        Ok(sqlx::query_as(
            "select m.folder_id, m.uid, m.email_id, m.thread_id, m.flags, m.keywords, m.received_at, m.modseq,
                    m.size_bytes, e.sent_at, e.body_id, e.message_id, e.sender_name, e.sender_address, e.recipients,
                    e.subject, e.preview, e.has_attachment, e.parts, e.facts
               from message m
               join email e on e.account_id = m.account_id and e.email_id = m.email_id
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid = $3",
        )
        .bind(account)
        .bind(folder)
        .bind(uid)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The facts of a message wherever it lies.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn email(
        &self,
        account: AccountId,
        email: EmailId,
    ) -> Result<Option<EmailRow>, StoreError> {
        Ok(sqlx::query_as(
            "select email_id, body_id, thread_id, size_bytes, sent_at, message_id, sender_name, sender_address, recipients,
                    subject, preview, parts, facts
               from email
              where account_id = $1
                and email_id = $2",
        )
        .bind(account)
        .bind(email)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Every place of some messages.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn places_of_emails(
        &self,
        account: AccountId,
        emails: &[EmailId],
    ) -> Result<Vec<PlaceRow>, StoreError> {
        let ids: Vec<i64> = emails.iter().map(|e| e.0).collect();
        Ok(sqlx::query_as(
            "select folder_id, uid, email_id, thread_id, flags, created_modseq, modseq
               from message
              where account_id = $1
                and email_id = any($2)
              order by folder_id, uid",
        )
        .bind(account)
        .bind(ids)
        .fetch_all(self.pool())
        .await?)
    }

    /// Every message of some conversations in one folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn places_of_threads(
        &self,
        account: AccountId,
        folder: FolderId,
        threads: &[ThreadId],
    ) -> Result<Vec<PlaceRow>, StoreError> {
        let ids: Vec<i64> = threads.iter().map(|t| t.0).collect();
        Ok(sqlx::query_as(
            "select folder_id, uid, email_id, thread_id, flags, created_modseq, modseq
               from message
              where account_id = $1
                and folder_id = $2
                and thread_id = any($3)
              order by uid",
        )
        .bind(account)
        .bind(folder)
        .bind(ids)
        .fetch_all(self.pool())
        .await?)
    }

    /// At most `limit` messages of a folder above `after`, by UID: bites for work on a whole folder.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn places_of_folder(
        &self,
        account: AccountId,
        folder: FolderId,
        after: Uid,
        limit: i64,
    ) -> Result<Vec<PlaceRow>, StoreError> {
        Ok(sqlx::query_as(
            "select folder_id, uid, email_id, thread_id, flags, created_modseq, modseq
               from message
              where account_id = $1
                and folder_id = $2
                and uid > $3
              order by uid
              limit $4",
        )
        .bind(account)
        .bind(folder)
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Like [`Store::places_of_folder`], only messages that fit a filter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn places_under_filter(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        after: Uid,
        limit: i64,
    ) -> Result<Vec<PlaceRow>, StoreError> {
        let mut q = QueryBuilder::new(
            "select m.folder_id, m.uid, m.email_id, m.thread_id, m.flags, m.created_modseq, m.modseq
               from message m
               join folder_thread t on t.account_id = m.account_id and t.folder_id = m.folder_id and t.thread_id = m.thread_id
              where m.account_id = ",
        );
        q.push_bind(account)
            .push(" and m.folder_id = ")
            .push_bind(folder)
            .push(" and m.uid > ")
            .push_bind(after);
        narrow(&mut q, account, folder, filter);
        q.push(" order by m.uid limit ").push_bind(limit);
        Ok(q.build_query_as().fetch_all(self.pool()).await?)
    }

    /// Places whose message came or changed after `since`, up to `upto`: what open pages hear.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn messages_changed(
        &self,
        account: AccountId,
        since: ModSeq,
        upto: ModSeq,
        limit: i64,
    ) -> Result<Vec<PlaceRow>, StoreError> {
        Ok(sqlx::query_as(
            "select m.folder_id, m.uid, m.email_id, m.thread_id, m.flags, m.created_modseq, m.modseq
               from folder f
               join message m on m.account_id = f.account_id and m.folder_id = f.folder_id and m.modseq > $2
              where f.account_id = $1
                and f.content_modseq > $2
                and m.modseq <= $3
              limit $4",
        )
        .bind(account)
        .bind(since)
        .bind(upto)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Kinds and parents of what left after `since`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn parents_with_tombstones(
        &self,
        account: AccountId,
        since: ModSeq,
        upto: ModSeq,
    ) -> Result<Vec<(String, i64)>, StoreError> {
        Ok(sqlx::query_as(
            "select distinct kind, parent_id
               from tombstone
              where account_id = $1
                and modseq > $2
                and modseq <= $3",
        )
        .bind(account)
        .bind(since)
        .bind(upto)
        .fetch_all(self.pool())
        .await?)
    }
}
