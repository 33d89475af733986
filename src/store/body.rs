//! Message bytes in 256 KiB chunks, once an account, and the spool of bytes on their way in.
//!
//! A body that exists already is taken by touching it; the purge runs under the account lock and takes only what nobody
//! refers to and nobody touched for a while. Hashes are locked in ascending order by the caller.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use sqlx::PgConnection;

use super::{BodyRef, Draft, Store};
use crate::error::StoreError;
use crate::model::{AccountId, BodyId, SpoolId};

/// Octets of one stored chunk; bounds the memory of a large message.
pub const CHUNK_BYTES: usize = 262_144;

/// Bytes whose end has been seen: in memory when small, in the spool when not.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Whole octet count.
    pub size_bytes: i64,
    /// SHA-256 over all of it.
    pub sha256: [u8; 32],
    /// Where they lie.
    pub place: Place,
}

/// Where received bytes lie until they belong to an account.
#[derive(Debug, Clone)]
pub enum Place {
    /// At most one chunk, in memory.
    Memory(Bytes),
    /// In the spool, already on disk.
    Spool(SpoolId),
}

impl Draft {
    /// Puts `stored` into the account's bodies, in front of `head` (the trace headers this host adds), or touches the body
    /// that has the same bytes already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_body(
        &mut self,
        account: AccountId,
        stored: &Stored,
    ) -> Result<BodyRef, StoreError> {
        match &stored.place {
            Place::Memory(bytes) if bytes.len() <= CHUNK_BYTES => {
                let id = put_small(&mut self.tx, account, stored, bytes).await?;
                Ok(BodyRef {
                    id,
                    size_bytes: stored.size_bytes,
                })
            }
            _ => {
                let (id, fresh) = put_row(&mut self.tx, account, stored).await?;
                if fresh {
                    put_chunks(&mut self.tx, account, id, &stored.place).await?;
                }
                Ok(BodyRef {
                    id,
                    size_bytes: stored.size_bytes,
                })
            }
        }
    }
}

/// One statement for what most messages are: a body of one chunk.
async fn put_small(
    conn: &mut PgConnection,
    account: AccountId,
    stored: &Stored,
    bytes: &[u8],
) -> Result<BodyId, StoreError> {
    Ok(sqlx::query_scalar(
        "with b as (
             insert into body (account_id, sha256, size_bytes)
             values ($1, $2, $3)
             on conflict (account_id, sha256) do update set touched_at = now()
             returning body_id, xmax = 0 as fresh
         ), c as (
             insert into body_chunk (account_id, body_id, n, bytes)
             select $1, body_id, 0, $4
               from b
              where fresh
         )
         select body_id from b",
    )
    .bind(account)
    .bind(stored.sha256.as_slice())
    .bind(stored.size_bytes)
    .bind(bytes)
    .fetch_one(conn)
    .await?)
}

async fn put_row(
    conn: &mut PgConnection,
    account: AccountId,
    stored: &Stored,
) -> Result<(BodyId, bool), StoreError> {
    Ok(sqlx::query_as(
        "insert into body (account_id, sha256, size_bytes)
         values ($1, $2, $3)
         on conflict (account_id, sha256) do update set touched_at = now()
         returning body_id, xmax = 0",
    )
    .bind(account)
    .bind(stored.sha256.as_slice())
    .bind(stored.size_bytes)
    .fetch_one(conn)
    .await?)
}

async fn put_chunks(
    conn: &mut PgConnection,
    account: AccountId,
    id: BodyId,
    place: &Place,
) -> Result<(), StoreError> {
    match place {
        Place::Memory(bytes) => {
            for (n, chunk) in (0_i32..).zip(bytes.chunks(CHUNK_BYTES)) {
                sqlx::query("insert into body_chunk (account_id, body_id, n, bytes) values ($1, $2, $3, $4)")
                    .bind(account)
                    .bind(id)
                    .bind(n)
                    .bind(chunk)
                    .execute(&mut *conn)
                    .await?;
            }
        }
        Place::Spool(spool) => {
            // Inside the database: the bytes do not travel again.
            sqlx::query(
                "insert into body_chunk (account_id, body_id, n, bytes)
                 select $1, $2, n, bytes
                   from spool
                  where spool_id = $3
                  order by n",
            )
            .bind(account)
            .bind(id)
            .bind(spool)
            .execute(conn)
            .await?;
        }
    }
    Ok(())
}

impl Store {
    /// Appends chunk `n` to a spool, durably. Global table: nobody owns these bytes yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spool_push(&self, spool: SpoolId, n: i32, bytes: &[u8]) -> Result<(), StoreError> {
        sqlx::query("insert into spool (spool_id, n, bytes) values ($1, $2, $3)")
            .bind(spool)
            .bind(n)
            .bind(bytes)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// One chunk of a spool; none past its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spool_chunk(&self, spool: SpoolId, n: i32) -> Result<Option<Bytes>, StoreError> {
        let row: Option<Vec<u8>> =
            sqlx::query_scalar("select bytes from spool where spool_id = $1 and n = $2")
                .bind(spool)
                .bind(n)
                .fetch_optional(self.pool())
                .await?;
        Ok(row.map(Bytes::from))
    }

    /// Drops a spool whose bytes have been taken over or refused.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spool_drop(&self, spool: SpoolId) -> Result<(), StoreError> {
        sqlx::query("delete from spool where spool_id = $1")
            .bind(spool)
            .execute(self.pool())
            .await?;
        Ok(())
    }

    /// Drops what no session finished within `hours`; returns how many chunks went.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn spool_sweep(&self, hours: i32) -> Result<u64, StoreError> {
        Ok(
            sqlx::query("delete from spool where created_at < now() - make_interval(hours => $1)")
                .bind(hours)
                .execute(self.pool())
                .await?
                .rows_affected(),
        )
    }

    /// `len` octets of a body from `from`; fewer at its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn body_range(
        &self,
        account: AccountId,
        body: BodyId,
        from: i64,
        len: i64,
    ) -> Result<Vec<u8>, StoreError> {
        let chunk = i64::try_from(CHUNK_BYTES).unwrap_or(i64::MAX);
        let (first, last) = (from / chunk, (from + len.max(1) - 1) / chunk);
        let parts: Vec<Vec<u8>> = sqlx::query_scalar(
            "select substring(bytes
                              from greatest($5 - n::bigint * $7, 0)::int + 1
                              for (least($6 - n::bigint * $7, $7) - greatest($5 - n::bigint * $7, 0))::int)
               from body_chunk
              where account_id = $1
                and body_id = $2
                and n between $3 and $4
              order by n",
        )
        .bind(account)
        .bind(body)
        .bind(first)
        .bind(last)
        .bind(from)
        .bind(from + len)
        .bind(chunk)
        .fetch_all(self.pool())
        .await?;
        Ok(parts.concat())
    }

    /// A body as a stream of chunks, one held at a time.
    pub fn body_stream(
        &self,
        account: AccountId,
        body: BodyId,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
        let store = self.clone();
        futures_util::stream::try_unfold(0_i32, move |n| {
            let store = store.clone();
            async move {
                let row: Option<Vec<u8>> = sqlx::query_scalar(
                    "select bytes
                       from body_chunk
                      where account_id = $1
                        and body_id = $2
                        and n = $3",
                )
                .bind(account)
                .bind(body)
                .bind(n)
                .fetch_optional(store.pool())
                .await?;
                Ok(row.map(|bytes| (Bytes::from(bytes), n + 1)))
            }
        })
    }

    /// A whole body; for callers that hold the byte budget for it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn body_whole(
        &self,
        account: AccountId,
        body: BodyId,
    ) -> Result<Vec<u8>, StoreError> {
        self.body_stream(account, body)
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    /// Removes bodies that no message, draft or kept removal refers to and nobody touched for `minutes`; returns how many.
    /// Runs under the account lock, so no delivery can take one of them at the same time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge_bodies(&self, account: AccountId, minutes: i32) -> Result<u64, StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("select from account where account_id = $1 for update")
            .bind(account)
            .execute(&mut *tx)
            .await?;
        sqlx::query(
            "delete from email e
              where e.account_id = $1
                and not exists (select from message m where m.account_id = $1 and m.email_id = e.email_id)
                and not exists (select from removed r where r.account_id = $1 and r.email_id = e.email_id)",
        )
        .bind(account)
        .execute(&mut *tx)
        .await?;
        let gone = sqlx::query(
            "with dead as (
                 select b.body_id
                   from body b
                  where b.account_id = $1
                    and b.touched_at < now() - make_interval(mins => $2)
                    and not exists (select from email e where e.account_id = $1 and e.body_id = b.body_id)
                    and not exists (select from draft_part p where p.account_id = $1 and p.body_id = b.body_id)
                  limit 500
                    for update skip locked
             ), chunks as (
                 delete from body_chunk c using dead where c.account_id = $1 and c.body_id = dead.body_id
             )
             delete from body b using dead where b.account_id = $1 and b.body_id = dead.body_id",
        )
        .bind(account)
        .bind(minutes)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(gone)
    }
}
