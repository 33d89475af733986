//! Work that touches many accounts: a row in the first commit, then one transaction an account (DESIGN.md 4).
//!
//! A worker leases the row, works through it and notes how far it came; a lease that ends without that is somebody else's.

use serde_json::Value;
use sqlx::FromRow;

use super::{Store, Write};
use crate::error::{Refusal, StoreError};

/// A piece of work under lease.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct JobRow {
    /// Its id.
    pub job_id: i64,
    /// What is to be done.
    pub payload: Value,
    /// How often it was begun.
    pub attempts: i32,
}

impl Write {
    /// Leaves work behind, in this very commit.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn add_job(&mut self, kind: &str, payload: &Value) -> Result<(), Refusal> {
        sqlx::query(
            "insert into job (account_id, kind, payload)
             values ($1, $2, $3)",
        )
        .bind(self.account)
        .bind(kind)
        .bind(payload)
        .execute(&mut *self.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(())
    }
}

impl Store {
    /// Leases the oldest piece of work of a kind that is due and free, for some seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn lease_job(&self, kind: &str, seconds: i32) -> Result<Option<JobRow>, StoreError> {
        // A global table, by its due index.
        Ok(sqlx::query_as(
            "update job
                set lease_until = now() + make_interval(secs => $2),
                    attempts    = attempts + 1
              where job_id = (select job_id
                                from job
                               where kind = $1
                                 and run_at <= now()
                                 and (lease_until is null or lease_until < now())
                               order by run_at, job_id
                               limit 1
                                 for update skip locked)
             returning job_id, payload, attempts",
        )
        .bind(kind)
        .bind(f64::from(seconds))
        .fetch_optional(self.pool())
        .await?)
    }

    /// Notes how far a piece of work came, and keeps its lease.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_job(
        &self,
        job: i64,
        payload: &Value,
        seconds: i32,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update job
                set payload     = $2,
                    lease_until = now() + make_interval(secs => $3)
              where job_id = $1",
        )
        .bind(job)
        .bind(payload)
        .bind(f64::from(seconds))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Puts a piece of work off.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_off_job(&self, job: i64, seconds: i32) -> Result<(), StoreError> {
        sqlx::query(
            "update job
                set lease_until = null,
                    run_at      = now() + make_interval(secs => $2)
              where job_id = $1",
        )
        .bind(job)
        .bind(f64::from(seconds))
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Ends a piece of work.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_job(&self, job: i64) -> Result<(), StoreError> {
        sqlx::query("delete from job where job_id = $1")
            .bind(job)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}
