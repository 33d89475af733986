//! What POP3 reads: the inbox as runs of UIDs, pages of sizes, the first octets of a message.
//!
//! Nothing here counts messages one by one outside the database: a maildrop of 100,000 comes back as its few runs.

use futures_util::{Stream, TryStreamExt};
use sqlx::FromRow;

use super::Store;
use crate::error::StoreError;
use crate::model::{AccountId, BodyId, EmailId, FolderId, Uid};

/// UIDs without a gap between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct UidRun {
    /// The folder they lie in.
    pub folder_id: FolderId,
    /// Its UIDVALIDITY.
    pub uid_validity: i64,
    /// The first of them.
    pub first_uid: Uid,
    /// How many; 0 stands for an empty folder.
    pub messages: i64,
    /// Octets of all of them as stored.
    pub octets: i64,
    /// Octets that line ends add to the whole folder (RFC 1939 11), the same in every row.
    pub crlf_bytes: i64,
}

/// One message of a maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct MaildropRow {
    /// Its place.
    pub uid: Uid,
    /// Its facts.
    pub email_id: EmailId,
    /// Octets as stored.
    pub size_bytes: i64,
    /// Octets as lines.
    pub octets: i64,
}

impl Store {
    /// The inbox as it is at this moment, by UID; one row with no messages when it is empty, none without an inbox.
    pub fn maildrop_runs(
        &self,
        account: AccountId,
    ) -> impl Stream<Item = Result<UidRun, StoreError>> + Send + '_ {
        // What line ends add is summed over the few messages that lack any, not asked of every one.
        sqlx::query_as(
            "select f.folder_id, f.uid_validity,
                    coalesce(r.first_uid, 0) as first_uid,
                    coalesce(r.messages, 0) as messages,
                    coalesce(r.octets, 0)::bigint as octets,
                    (select coalesce(sum(e.crlf_bytes), 0)::bigint
                       from email e
                       join message m on m.account_id = $1 and m.email_id = e.email_id and m.folder_id = f.folder_id
                      where e.account_id = $1
                        and e.crlf_bytes > 0) as crlf_bytes
               from folder f
               left join lateral (
                    select min(uid) as first_uid, count(*) as messages, sum(size_bytes) as octets
                      from (select uid, size_bytes, uid - row_number() over (order by uid) as gap
                              from message
                             where account_id = $1
                               and folder_id = f.folder_id) placed
                     group by gap) r on true
              where f.account_id = $1
                and f.special_use = 'inbox'
              order by first_uid",
        )
        .bind(account)
        .fetch(self.pool())
        .map_err(StoreError::from)
    }

    /// Those of the messages from `first` to `last` that are still there, by UID; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn maildrop_page(
        &self,
        account: AccountId,
        folder: FolderId,
        (first, last): (Uid, Uid),
        limit: i64,
    ) -> Result<Vec<MaildropRow>, StoreError> {
        Ok(sqlx::query_as(
            "select m.uid, m.email_id, m.size_bytes,
                    m.size_bytes + coalesce((select e.crlf_bytes
                                               from email e
                                              where e.account_id = $1
                                                and e.email_id = m.email_id
                                                and e.crlf_bytes > 0), 0) as octets
               from message m
              where m.account_id = $1
                and m.folder_id = $2
                and m.uid between $3 and $4
              order by m.uid
              limit $5",
        )
        .bind(account)
        .bind(folder)
        .bind(first)
        .bind(last)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// The body of a message and its first octets, at most `length` and at most one chunk; none when it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn maildrop_opening(
        &self,
        account: AccountId,
        email: EmailId,
        length: i32,
    ) -> Result<Option<(BodyId, Vec<u8>)>, StoreError> {
        Ok(sqlx::query_as(
            "select e.body_id, coalesce(substring(c.bytes from 1 for $3), ''::bytea)
               from email e
               left join body_chunk c on c.account_id = $1 and c.body_id = e.body_id and c.n = 0
              where e.account_id = $1
                and e.email_id = $2",
        )
        .bind(account)
        .bind(email)
        .bind(length)
        .fetch_optional(self.pool())
        .await?)
    }
}
