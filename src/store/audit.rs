//! The audit table: append-only, one hash chain a domain (`security.md` 10).
//!
//! `chain` = SHA-256 over the chain before it and the row's own fields, so a row that was changed or taken out breaks every
//! later one. The writers of one domain queue up behind an advisory lock that is always the *last* lock of its transaction.
//! The rows outlive their domain, whose id they keep; `domain_id` null are the host's own.
//!
//! Not here: what is worth a row (the services decide).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection};
use time::OffsetDateTime;

use super::{Store, Write};
use crate::error::StoreError;
use crate::model::DomainId;

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Who did it: an address, or `command line`.
    pub actor: String,
    /// What was done, e.g. `account.quota`.
    pub action: &'static str,
    /// To whom or what.
    pub object: String,
    /// Old and new values, the door, the source; never a secret.
    pub detail: BTreeMap<String, String>,
}

impl AuditEntry {
    /// An entry without details.
    #[must_use]
    pub fn new(actor: &str, action: &'static str, object: &str) -> Self {
        Self {
            actor: actor.to_owned(),
            action,
            object: object.to_owned(),
            detail: BTreeMap::new(),
        }
    }

    /// With one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }
}

/// A row as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AuditRow {
    /// Its place.
    pub event_id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To whom or what.
    pub object: String,
    /// Old and new values.
    pub detail: Json<BTreeMap<String, String>>,
    /// The chain up to and with this row.
    pub chain: Vec<u8>,
}

impl AuditRow {
    fn chain_after(&self, before: &[u8]) -> [u8; 32] {
        chain(
            before,
            self.at,
            &self.actor,
            &self.action,
            &self.object,
            &self.detail.0,
        )
    }
}

/// Appends a row to the domain's chain; the last thing a transaction does before its commit.
pub(super) async fn append(
    conn: &mut PgConnection,
    domain: Option<DomainId>,
    entry: &AuditEntry,
) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(lock_key(domain))
        .execute(&mut *conn)
        .await?;
    // A statement of its own: its snapshot is taken after the lock.
    let (at, before): (OffsetDateTime, Option<Vec<u8>>) = sqlx::query_as(
        "select clock_timestamp(),
                (select chain
                   from audit_event
                  where domain_id is not distinct from $1
                  order by event_id desc
                  limit 1)",
    )
    .bind(domain)
    .fetch_one(&mut *conn)
    .await?;
    let chain = chain(
        &before.unwrap_or_default(),
        at,
        &entry.actor,
        entry.action,
        &entry.object,
        &entry.detail,
    );
    sqlx::query(
        "insert into audit_event (domain_id, at, actor, action, object, detail, chain)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(domain)
    .bind(at)
    .bind(&entry.actor)
    .bind(entry.action)
    .bind(&entry.object)
    .bind(Json(&entry.detail))
    .bind(chain.as_slice())
    .execute(conn)
    .await?;
    Ok(())
}

fn lock_key(domain: Option<DomainId>) -> i64 {
    LOCK_BASE.wrapping_add(domain.map_or(0, |d| d.0))
}

/// Every field with its length before it, so that no two rows read the same.
fn chain(
    before: &[u8],
    at: OffsetDateTime,
    actor: &str,
    action: &str,
    object: &str,
    detail: &BTreeMap<String, String>,
) -> [u8; 32] {
    let mut hash = Sha256::new();
    let micros = (at.unix_timestamp_nanos() / 1_000).to_string();
    let fields = [
        before,
        micros.as_bytes(),
        actor.as_bytes(),
        action.as_bytes(),
        object.as_bytes(),
    ];
    let details = detail
        .iter()
        .flat_map(|(k, v)| [k.as_bytes(), v.as_bytes()]);
    for field in fields.into_iter().chain(details) {
        hash.update(field.len().to_string());
        hash.update(b":");
        hash.update(field);
    }
    hash.finalize().into()
}

/// The domains' ids are added to it; far from the other advisory locks.
const LOCK_BASE: i64 = 0x6175_6469_7400_0000;

impl Write {
    /// Writes down what this write did; nothing may follow it but the commit.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(&mut self, domain: DomainId, entry: &AuditEntry) -> Result<(), StoreError> {
        append(&mut self.tx, Some(domain), entry).await
    }
}

impl Store {
    /// Writes down something that changed nothing else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit(
        &self,
        domain: Option<DomainId>,
        entry: &AuditEntry,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        append(&mut tx, domain, entry).await?;
        Ok(tx.commit().await?)
    }

    /// A page of a domain's rows before `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_page(
        &self,
        domain: Option<DomainId>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        Ok(sqlx::query_as(
            "select event_id, at, actor, action, object, detail, chain
               from audit_event
              where domain_id is not distinct from $1
                and event_id < $2
              order by event_id desc
              limit $3",
        )
        .bind(domain)
        .bind(before.unwrap_or(i64::MAX))
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// Every domain that has a chain, the host's own among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audited_domains(&self) -> Result<Vec<Option<DomainId>>, StoreError> {
        Ok(
            sqlx::query_scalar("select distinct domain_id from audit_event order by domain_id")
                .fetch_all(self.pool())
                .await?,
        )
    }

    /// The first row whose chain does not follow from the rows before it: it, or one before it, was changed by hand.
    ///
    /// The oldest row there is starts the chain (older ones have been pruned).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_break(&self, domain: Option<DomainId>) -> Result<Option<i64>, StoreError> {
        let mut last: Option<AuditRow> = None;
        loop {
            let after = last.as_ref().map_or(0, |row| row.event_id);
            let rows: Vec<AuditRow> = sqlx::query_as(
                "select event_id, at, actor, action, object, detail, chain
                   from audit_event
                  where domain_id is not distinct from $1
                    and event_id > $2
                  order by event_id
                  limit 1000",
            )
            .bind(domain)
            .bind(after)
            .fetch_all(self.pool())
            .await?;
            if rows.is_empty() {
                return Ok(None);
            }
            for row in rows {
                if let Some(before) = &last
                    && row.chain_after(&before.chain) != row.chain.as_slice()
                {
                    return Ok(Some(row.event_id));
                }
                last = Some(row);
            }
        }
    }

    /// Drops rows older than `days`; the chain then starts at the oldest that is left.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn prune_audit(&self, days: i32) -> Result<u64, StoreError> {
        let done =
            sqlx::query("delete from audit_event where at < now() - make_interval(days => $1)")
                .bind(days)
                .execute(self.pool())
                .await?;
        Ok(done.rows_affected())
    }
}
