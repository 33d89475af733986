//! Mail domains: the rows of `mail_domain`, a global table.

use sqlx::FromRow;
use time::OffsetDateTime;

use super::Store;
use super::audit::{self, AuditEntry};
use crate::error::{Refusal, StoreError};
use crate::model::DomainId;

/// One mail domain.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DomainRow {
    /// Its id.
    pub domain_id: DomainId,
    /// ASCII (IDNA A-labels), lower case.
    pub name: String,
    /// Whether mail is taken and anybody may sign in.
    pub is_enabled: bool,
    /// Whether an initial password must be changed at the first web sign-in.
    pub must_change_initial: bool,
    /// Whether its users may forward to other hosts.
    pub allows_outside_forward: bool,
    /// Whether its users find each other in the directory.
    pub shows_directory: bool,
    /// The quota of an account created without one.
    pub default_quota_bytes: i64,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Accounts in it.
    pub accounts: i64,
}

/// What of a domain is to change; `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DomainChange {
    /// Whether mail is taken and anybody may sign in.
    pub is_enabled: Option<bool>,
    /// Whether an initial password must be changed at the first web sign-in.
    pub must_change_initial: Option<bool>,
    /// Whether its users may forward to other hosts.
    pub allows_outside_forward: Option<bool>,
    /// Whether its users find each other in the directory.
    pub shows_directory: Option<bool>,
    /// The quota of an account created without one.
    pub default_quota_bytes: Option<i64>,
}

impl Store {
    /// Creates a domain.
    ///
    /// # Errors
    /// [`Refusal::Exists`].
    pub async fn create_domain(
        &self,
        name: &str,
        default_quota_bytes: i64,
        entry: &AuditEntry,
    ) -> Result<DomainId, Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let domain = sqlx::query_scalar::<_, DomainId>(
            "insert into mail_domain (name, default_quota_bytes)
             values ($1, $2)
             on conflict do nothing
             returning domain_id",
        )
        .bind(name)
        .bind(default_quota_bytes)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::Exists)?;
        audit::append(&mut tx, Some(domain), entry).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(domain)
    }

    /// All domains by name; global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn domains(&self) -> Result<Vec<DomainRow>, StoreError> {
        Ok(sqlx::query_as(
            "select d.domain_id, d.name, d.is_enabled, d.must_change_initial, d.allows_outside_forward, d.shows_directory,
                    d.default_quota_bytes, d.created_at,
                    (select count(*) from account a where a.domain_id = d.domain_id and a.deleted_at is null) as accounts
               from mail_domain d
              order by d.name",
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// The domain of a name; global table.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn domain_by_name(&self, name: &str) -> Result<Option<DomainRow>, StoreError> {
        Ok(sqlx::query_as(
            "select d.domain_id, d.name, d.is_enabled, d.must_change_initial, d.allows_outside_forward, d.shows_directory,
                    d.default_quota_bytes, d.created_at,
                    (select count(*) from account a where a.domain_id = d.domain_id and a.deleted_at is null) as accounts
               from mail_domain d
              where d.name = $1",
        )
        .bind(name)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Changes a domain's settings.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn change_domain(
        &self,
        domain: DomainId,
        change: &DomainChange,
        entry: &AuditEntry,
    ) -> Result<(), Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let done = sqlx::query(
            "update mail_domain
                set is_enabled             = coalesce($2, is_enabled),
                    must_change_initial    = coalesce($3, must_change_initial),
                    allows_outside_forward = coalesce($4, allows_outside_forward),
                    shows_directory        = coalesce($5, shows_directory),
                    default_quota_bytes    = coalesce($6, default_quota_bytes)
              where domain_id = $1",
        )
        .bind(domain)
        .bind(change.is_enabled)
        .bind(change.must_change_initial)
        .bind(change.allows_outside_forward)
        .bind(change.shows_directory)
        .bind(change.default_quota_bytes)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::NotFound);
        }
        audit::append(&mut tx, Some(domain), entry).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Deletes a domain without accounts; its aliases go with it, its audit rows stay with the host.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Invalid`] while it has accounts.
    pub async fn delete_domain(&self, domain: DomainId, entry: &AuditEntry) -> Result<(), Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        // Bars new accounts and aliases of it until the end of this transaction.
        sqlx::query_scalar::<_, DomainId>(
            "select domain_id from mail_domain where domain_id = $1 for update",
        )
        .bind(domain)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NotFound)?;
        let in_use: bool =
            sqlx::query_scalar("select exists (select from account where domain_id = $1)")
                .bind(domain)
                .fetch_one(&mut *tx)
                .await
                .map_err(StoreError::from)?;
        if in_use {
            return Err(Refusal::Invalid("domain-has-accounts"));
        }
        sqlx::query("delete from address where domain_id = $1")
            .bind(domain)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        sqlx::query("delete from mail_domain where domain_id = $1")
            .bind(domain)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        audit::append(&mut tx, None, entry).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }
}
