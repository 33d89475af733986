//! What IMAP SEARCH, SORT and THREAD ask of the database: columns of messages by range, and texts in their folded form.
//!
//! Every answer is UIDs of one folder, ascending. Nothing here knows how conditions are put together.

use sqlx::{FromRow, Postgres, QueryBuilder};
use time::OffsetDateTime;

use super::Store;
use crate::error::StoreError;
use crate::model::{AccountId, EmailId, FolderId, ModSeq, ThreadId, Uid};

/// Bounds of columns; all that are given must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// More octets than this.
    pub larger: Option<i64>,
    /// Fewer octets than this.
    pub smaller: Option<i64>,
    /// INTERNALDATE at or after.
    pub arrived_from: Option<OffsetDateTime>,
    /// INTERNALDATE before.
    pub arrived_before: Option<OffsetDateTime>,
    /// SAVEDATE at or after.
    pub saved_from: Option<OffsetDateTime>,
    /// SAVEDATE before.
    pub saved_before: Option<OffsetDateTime>,
    /// Changed at this number or later.
    pub modseq: Option<ModSeq>,
    /// This message.
    pub email: Option<EmailId>,
    /// Of this conversation.
    pub thread: Option<ThreadId>,
}

/// What a text is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One field of the header.
    Field,
    /// Header or text.
    Text,
    /// Text.
    Body,
}

/// A text that is looked for, in its folded forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// In what.
    pub place: Place,
    /// The field's name in lower case.
    pub field: String,
    /// Folded.
    pub plain: String,
    /// Folded the other way; the same as `plain` when there is no other.
    pub expanded: String,
}

/// What was found of one message.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TextsRow {
    /// Its place.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// For each text that was asked for; none when its texts are not kept.
    pub found: Option<Vec<bool>>,
    /// The kept texts are not the whole.
    pub is_cut: bool,
}

/// What SORT and THREAD need of a message.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SortRow {
    /// Its place.
    pub uid: Uid,
    /// Octets.
    pub size_bytes: i64,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// The `Date` field, or the arrival.
    pub sent_at: OffsetDateTime,
    /// Decoded subject.
    pub subject: Option<String>,
    /// `Message-ID` without brackets.
    pub message_id: Option<String>,
    /// ENVELOPE in wire form.
    pub envelope: Option<Vec<u8>>,
    /// `References`, oldest first, one a line.
    pub references: Option<String>,
}

/// Which of them to read beside the narrow ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SortWanted {
    /// Subject.
    pub subject: bool,
    /// Message-ID and References, and the envelope where there are none.
    pub threads: bool,
    /// The envelope.
    pub envelope: bool,
}

impl Store {
    /// UIDs of the messages of a folder within bounds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uids_within(
        &self,
        account: AccountId,
        folder: FolderId,
        bounds: &Bounds,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select coalesce(array_agg(uid order by uid), '{}')
               from message
              where account_id = $1
                and folder_id = $2
                and ($3::bigint is null or size_bytes > $3)
                and ($4::bigint is null or size_bytes < $4)
                and ($5::timestamptz is null or received_at >= $5)
                and ($6::timestamptz is null or received_at < $6)
                and ($7::timestamptz is null or saved_at >= $7)
                and ($8::timestamptz is null or saved_at < $8)
                and ($9::bigint is null or modseq >= $9)
                and ($10::bigint is null or email_id = $10)
                and ($11::bigint is null or thread_id = $11)",
        )
        .bind(account)
        .bind(folder)
        .bind(bounds.larger)
        .bind(bounds.smaller)
        .bind(bounds.arrived_from)
        .bind(bounds.arrived_before)
        .bind(bounds.saved_from)
        .bind(bounds.saved_before)
        .bind(bounds.modseq)
        .bind(bounds.email)
        .bind(bounds.thread)
        .fetch_one(self.pool())
        .await?)
    }

    /// UIDs of the messages of a folder whose `Date` names a day from `from` on and before `before`, in days since 1970-01-01. Those stored before the
    /// day was kept go by the instant they were sent at.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uids_sent(
        &self,
        account: AccountId,
        folder: FolderId,
        from: Option<i32>,
        before: Option<i32>,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar(
            "select coalesce(array_agg(m.uid order by m.uid), '{}')
               from message m
               join email e on e.account_id = $1 and e.email_id = m.email_id
               left join email_text t on t.account_id = $1 and t.email_id = m.email_id
              where m.account_id = $1
                and m.folder_id = $2
                and ($3::integer is null or coalesce(t.sent_day, floor(extract(epoch from e.sent_at) / 86400)::integer) >= $3)
                and ($4::integer is null or coalesce(t.sent_day, floor(extract(epoch from e.sent_at) / 86400)::integer) < $4)",
        )
        .bind(account)
        .bind(folder)
        .bind(from)
        .bind(before)
        .fetch_one(self.pool())
        .await?)
    }

    /// Looks for texts in some messages of a folder; `uids` are ascending. Messages between them may be answered too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_texts(
        &self,
        account: AccountId,
        folder: FolderId,
        uids: &[i64],
        asked: &[Asked],
    ) -> Result<Vec<TextsRow>, StoreError> {
        let (Some(first), Some(last)) = (uids.first(), uids.last()) else {
            return Ok(Vec::new());
        };
        // One expression for each text: over an array of them the same took five times as long.
        let mut q = QueryBuilder::new(
            "select m.uid, m.email_id, coalesce(t.is_cut, true) as is_cut,
                    case when t.email_id is not null then array[",
        );
        for (n, text) in asked.iter().enumerate() {
            q.push(if n > 0 { ", " } else { "" });
            push_text(&mut q, text);
        }
        q.push(
            "]::boolean[] end as found
               from message m
               left join email_text t on t.account_id = m.account_id and t.email_id = m.email_id
              where m.account_id = ",
        );
        q.push_bind(account);
        q.push(" and m.folder_id = ").push_bind(folder);
        q.push(" and m.uid between ").push_bind(*first);
        q.push(" and ").push_bind(*last);
        // A range is read in order; single ones are looked up when they lie far apart.
        let span = last.saturating_sub(*first);
        if i64::try_from(uids.len()).is_ok_and(|count| span / 2 > count) {
            q.push(" and m.uid = any(")
                .push_bind(uids.to_vec())
                .push(")");
        }
        q.push(" order by m.uid");
        Ok(q.build_query_as()
            .persistent(false)
            .fetch_all(self.pool())
            .await?)
    }

    /// What some messages of a folder are sorted and threaded by.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sort_rows(
        &self,
        account: AccountId,
        folder: FolderId,
        uids: &[i64],
        wanted: SortWanted,
    ) -> Result<Vec<SortRow>, StoreError> {
        Ok(sqlx::query_as(
            "select m.uid, m.size_bytes, m.received_at, e.sent_at,
                    case when $4 then e.subject end as subject,
                    case when $5 then e.message_id end as message_id,
                    case when $6 or ($5 and coalesce(e.facts -> 'references', '[]') = '[]') then e.envelope end as envelope,
                    case when $5 then (select string_agg(r, chr(10) order by n)
                                         from jsonb_array_elements_text(e.facts -> 'references') with ordinality x(r, n))
                         end as references
               from message m
               join email e on e.account_id = $1 and e.email_id = m.email_id
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid = any($3)
              order by m.uid",
        )
        .bind(account)
        .bind(folder)
        .bind(uids)
        .bind(wanted.subject)
        .bind(wanted.threads)
        .bind(wanted.envelope)
        .fetch_all(self.pool())
        .await?)
    }
}

/// A text as an expression of the kept texts.
fn push_text(q: &mut QueryBuilder<Postgres>, asked: &Asked) {
    match asked.place {
        Place::Body => push_either(q, asked, "t.body_text"),
        Place::Text => {
            q.push("(");
            push_either(q, asked, "t.header_text");
            q.push(" or ");
            push_either(q, asked, "t.body_text");
            q.push(")");
        }
        Place::Field => {
            // Only a header that has the text somewhere is taken apart.
            q.push("(");
            push_either(q, asked, "t.header_text");
            q.push(
                " and exists (select
                         from string_to_table(t.header_text, chr(10)) line
                        where starts_with(line, ",
            );
            q.push_bind(format!("{}:", asked.field));
            q.push(") and ");
            let value = format!("substr(line, {})", asked.field.chars().count() + 3);
            push_either(q, asked, &value);
            q.push("))");
        }
    }
}

/// One form of the text or the other is in `place`, an expression of ours.
fn push_either(q: &mut QueryBuilder<Postgres>, asked: &Asked, place: &str) {
    q.push("(position(")
        .push_bind(asked.plain.clone())
        .push(" in ")
        .push(place)
        .push(") > 0");
    if asked.expanded != asked.plain {
        q.push(" or position(")
            .push_bind(asked.expanded.clone())
            .push(" in ")
            .push(place)
            .push(") > 0");
    }
    q.push(")");
}
