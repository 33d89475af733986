//! Accounts as an administrator sees them: creating, changing, deleting.
//!
//! Changes go through [`Write`]: they take a change number, so the hub wakes every open connection of the account, which
//! then finds its `password_version` outdated (S-24). Deleting is two steps: [`Write::mark_deleted`] frees the address and
//! ends every log-in at once; [`Store::purge_account`] then takes away what it owned in bites, and finds its work again
//! after a crash by `deleted_at`.

use sqlx::{AssertSqlSafe, FromRow};
use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::{Store, Write};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, CollectionKind, DomainId, Role, SpecialUse};

/// An account without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccountRow {
    /// Its id.
    pub account_id: AccountId,
    /// Its domain.
    pub domain_id: DomainId,
    /// The domain's name.
    pub domain: String,
    /// Its primary address in compare form: also the user name.
    pub address: String,
    /// The name people see.
    pub display_name: String,
    /// `user`, `domain-admin`, `host-admin`.
    pub role: String,
    /// `de` or `en`.
    pub locale: String,
    /// An IANA name.
    pub time_zone: String,
    /// Whether mail is taken and its owner may sign in.
    pub is_enabled: bool,
    /// Whether the domain is.
    pub domain_enabled: bool,
    /// Kept out of the directory.
    pub is_hidden: bool,
    /// The password is an initial one that the domain wants changed.
    pub must_change: bool,
    /// A second factor is asked for.
    pub has_totp: bool,
    /// Rises with every change that ends remembered log-ins and open connections.
    pub password_version: i32,
    /// When the password was set.
    pub password_changed_at: OffsetDateTime,
    /// What it may hold.
    pub quota_bytes: i64,
    /// What it holds.
    pub used_bytes: i64,
    /// When it was created.
    pub created_at: OffsetDateTime,
}

impl AccountRow {
    /// The role; a word nobody knows gives no right.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role.parse().unwrap_or(Role::User)
    }
}

/// What a new account starts with.
#[derive(Debug, Clone)]
pub struct NewAccount<'a> {
    /// Its domain.
    pub domain: DomainId,
    /// Its primary address in compare form.
    pub address: &'a str,
    /// The name people see.
    pub display_name: &'a str,
    /// What it may do.
    pub role: Role,
    /// `de` or `en`.
    pub locale: &'a str,
    /// An IANA name.
    pub time_zone: &'a str,
    /// Argon2id, as a PHC string.
    pub password_hash: &'a str,
    /// Whether the password must be changed; `None` asks the domain.
    pub must_change: Option<bool>,
    /// The quota; `None` asks the domain.
    pub quota_bytes: Option<i64>,
    /// The first collections, by kind and shown name.
    pub collections: &'a [(CollectionKind, String)],
}

/// What of an account is to change; `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountChange {
    /// The name people see.
    pub display_name: Option<String>,
    /// What it may do.
    pub role: Option<Role>,
    /// `de` or `en`.
    pub locale: Option<String>,
    /// An IANA name.
    pub time_zone: Option<String>,
    /// Whether mail is taken and its owner may sign in.
    pub is_enabled: Option<bool>,
    /// Kept out of the directory.
    pub is_hidden: Option<bool>,
    /// What it may hold.
    pub quota_bytes: Option<i64>,
}

/// Every table that holds rows led by `account_id` without a foreign key to `account`, in the order they are emptied:
/// what refers to others first. `tests/catalogue.rs` compares it with the schema.
pub const OWNED_TABLES: [&str; 32] = [
    "message",
    "folder_thread",
    "thread_link",
    "removed",
    "email_text",
    "email",
    "draft_part",
    "draft",
    "body_chunk",
    "body",
    "item",
    "collection",
    "folder",
    "tombstone",
    "grant_out",
    "grant_in",
    "device_exchange",
    "device_sync",
    "device",
    "app_password",
    "recovery_code",
    "login_event",
    "preference",
    "folder_metadata",
    "identity",
    "signature",
    "rule",
    "absence_reply",
    "absence",
    "forward",
    "known_address",
    "undo",
];

/// Rows deleted in one commit.
const BITE: i64 = 500;

impl Store {
    /// Creates an account with its first folders, its default collections and its primary address, in one transaction.
    ///
    /// # Errors
    /// [`Refusal::Exists`] when the address is taken, be it by an alias; [`Refusal::NotFound`] when the domain is gone.
    pub async fn create_account(
        &self,
        new: &NewAccount<'_>,
        entry: &AuditEntry,
    ) -> Result<AccountId, Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let taken: bool =
            sqlx::query_scalar("select exists (select from address where address = $1)")
                .bind(new.address)
                .fetch_one(&mut *tx)
                .await
                .map_err(StoreError::from)?;
        if taken {
            return Err(Refusal::Exists);
        }
        let account = sqlx::query_scalar::<_, AccountId>(
            "insert into account (domain_id, address, display_name, role, locale, time_zone, password_hash, must_change,
                                  quota_bytes)
             select d.domain_id, $2, $3, $4, $5, $6, $7, coalesce($8, d.must_change_initial),
                    coalesce($9, d.default_quota_bytes)
               from mail_domain d
              where d.domain_id = $1
             on conflict do nothing
             returning account_id",
        )
        .bind(new.domain)
        .bind(new.address)
        .bind(new.display_name)
        .bind(new.role.word())
        .bind(new.locale)
        .bind(new.time_zone)
        .bind(new.password_hash)
        .bind(new.must_change)
        .bind(new.quota_bytes)
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        let Some(account) = account else {
            // Another transaction took the address meanwhile, or the domain is gone.
            tx.rollback().await.map_err(StoreError::from)?;
            return Err(if self.has_domain(new.domain).await? {
                Refusal::Exists
            } else {
                Refusal::NotFound
            });
        };
        let done = sqlx::query(
            "insert into address (address, domain_id, account_id, is_primary)
             values ($1, $2, $3, true)
             on conflict do nothing",
        )
        .bind(new.address)
        .bind(new.domain)
        .bind(account)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::Exists);
        }
        let (words, names): (Vec<&str>, Vec<&str>) = SpecialUse::FIRST
            .iter()
            .map(|(special, name)| (special.word(), *name))
            .unzip();
        sqlx::query(
            "insert into folder (account_id, name, special_use, uid_validity, created_modseq, modseq, content_modseq)
             select $1, f.name, f.special_use, 1, 1, 1, 1
               from unnest($2::text[], $3::text[]) as f (special_use, name)",
        )
        .bind(account)
        .bind(words)
        .bind(names)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        let (kinds, names): (Vec<&str>, Vec<&str>) = new
            .collections
            .iter()
            .map(|(kind, name)| (kind.word(), name.as_str()))
            .unzip();
        sqlx::query(
            "insert into collection (account_id, kind, slug, name, is_default, created_modseq, modseq, content_modseq)
             select $1, c.kind, c.kind, c.name, true, 1, 1, 1
               from unnest($2::text[], $3::text[]) as c (kind, name)",
        )
        .bind(account)
        .bind(kinds)
        .bind(names)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        audit::append(&mut tx, Some(new.domain), entry).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(account)
    }

    async fn has_domain(&self, domain: DomainId) -> Result<bool, StoreError> {
        Ok(
            sqlx::query_scalar("select exists (select from mail_domain where domain_id = $1)")
                .bind(domain)
                .fetch_one(self.pool())
                .await?,
        )
    }

    /// One account; a deleted one is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, account: AccountId) -> Result<Option<AccountRow>, StoreError> {
        Ok(sqlx::query_as(
            "select a.account_id, a.domain_id, d.name as domain, a.address, a.display_name, a.role, a.locale, a.time_zone,
                    a.is_enabled, d.is_enabled as domain_enabled, a.is_hidden, a.must_change,
                    a.totp_secret is not null as has_totp, a.password_version, a.password_changed_at,
                    a.quota_bytes, a.used_bytes, a.created_at
               from account a
               join mail_domain d on d.domain_id = a.domain_id
              where a.account_id = $1
                and a.deleted_at is null",
        )
        .bind(account)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The account of a primary address in compare form (not of an alias); on the global address order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_by_address(
        &self,
        address: &str,
    ) -> Result<Option<AccountRow>, StoreError> {
        Ok(sqlx::query_as(
            "select a.account_id, a.domain_id, d.name as domain, a.address, a.display_name, a.role, a.locale, a.time_zone,
                    a.is_enabled, d.is_enabled as domain_enabled, a.is_hidden, a.must_change,
                    a.totp_secret is not null as has_totp, a.password_version, a.password_changed_at,
                    a.quota_bytes, a.used_bytes, a.created_at
               from account a
               join mail_domain d on d.domain_id = a.domain_id
              where a.address = $1
                and a.deleted_at is null",
        )
        .bind(address)
        .fetch_optional(self.pool())
        .await?)
    }

    /// A page of accounts after `after` by address, of one domain or of all; for administrators.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts(
        &self,
        domain: Option<DomainId>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<AccountRow>, StoreError> {
        Ok(sqlx::query_as(
            "select a.account_id, a.domain_id, d.name as domain, a.address, a.display_name, a.role, a.locale, a.time_zone,
                    a.is_enabled, d.is_enabled as domain_enabled, a.is_hidden, a.must_change,
                    a.totp_secret is not null as has_totp, a.password_version, a.password_changed_at,
                    a.quota_bytes, a.used_bytes, a.created_at
               from account a
               join mail_domain d on d.domain_id = a.domain_id
              where ($1::bigint is null or a.domain_id = $1)
                and a.address > $2
                and a.deleted_at is null
              order by a.address
              limit $3",
        )
        .bind(domain)
        .bind(after)
        .bind(limit)
        .fetch_all(self.pool())
        .await?)
    }

    /// The hash of the account's password.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn password_hash(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar("select password_hash from account where account_id = $1")
                .bind(account)
                .fetch_optional(self.pool())
                .await?,
        )
    }

    /// Accounts whose deletion was begun: work for [`Store::purge_account`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deleted_accounts(&self) -> Result<Vec<AccountId>, StoreError> {
        Ok(sqlx::query_scalar(
            "select account_id from account where deleted_at is not null order by account_id",
        )
        .fetch_all(self.pool())
        .await?)
    }

    /// Takes away everything a deleted account owned, in bites of 500 rows, then its row. Safe to run twice at once.
    ///
    /// # Errors
    /// [`StoreError`]; what is left is found again by [`Store::deleted_accounts`].
    pub async fn purge_account(&self, account: AccountId) -> Result<(), StoreError> {
        // The other halves of its grants lie with other accounts.
        sqlx::query(
            "delete from grant_in
              where account_id in (select grantee_id from grant_out where account_id = $1)
                and owner_id = $1",
        )
        .bind(account)
        .execute(self.pool())
        .await?;
        sqlx::query(
            "delete from grant_out
              where account_id in (select owner_id from grant_in where account_id = $1)
                and grantee_id = $1",
        )
        .bind(account)
        .execute(self.pool())
        .await?;
        for table in OWNED_TABLES {
            // The names are the constants above.
            let bite = format!(
                "delete from {table}
                  where ctid = any (array (select ctid
                                             from {table}
                                            where account_id = $1
                                            limit $2))
                    and account_id = $1
                    and exists (select from account where account_id = $1 and deleted_at is not null)"
            );
            loop {
                let done = sqlx::query(AssertSqlSafe(bite.clone()))
                    .bind(account)
                    .bind(BITE)
                    .execute(self.pool())
                    .await?;
                if done.rows_affected() == 0 {
                    break;
                }
            }
        }
        sqlx::query("delete from account where account_id = $1 and deleted_at is not null")
            .bind(account)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

impl Write {
    /// The account as it is under the lock.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when its deletion was begun.
    pub async fn account_row(&mut self) -> Result<AccountRow, Refusal> {
        sqlx::query_as(
            "select a.account_id, a.domain_id, d.name as domain, a.address, a.display_name, a.role, a.locale, a.time_zone,
                    a.is_enabled, d.is_enabled as domain_enabled, a.is_hidden, a.must_change,
                    a.totp_secret is not null as has_totp, a.password_version, a.password_changed_at,
                    a.quota_bytes, a.used_bytes, a.created_at
               from account a
               join mail_domain d on d.domain_id = a.domain_id
              where a.account_id = $1
                and a.deleted_at is null",
        )
        .bind(self.account)
        .fetch_optional(&mut *self.tx)
        .await
        .map_err(StoreError::from)?
        .ok_or(Refusal::NotFound)
    }

    /// Changes what an administrator, or its owner, may change.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn change_account(&mut self, change: &AccountChange) -> Result<(), StoreError> {
        sqlx::query(
            "update account
                set display_name     = coalesce($2, display_name),
                    role             = coalesce($3, role),
                    locale           = coalesce($4, locale),
                    time_zone        = coalesce($5, time_zone),
                    is_hidden        = coalesce($7, is_hidden),
                    quota_bytes      = coalesce($8, quota_bytes),
                    is_enabled       = coalesce($6, is_enabled)
              where account_id = $1",
        )
        .bind(self.account)
        .bind(&change.display_name)
        .bind(change.role.map(Role::word))
        .bind(&change.locale)
        .bind(&change.time_zone)
        .bind(change.is_enabled)
        .bind(change.is_hidden)
        .bind(change.quota_bytes)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Sets the password's hash; the one before it is kept for `previous_seconds`, so that a phone that still sends it is
    /// not counted. Ends every session but `keep`, and by the new `password_version` every remembered log-in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_password(
        &mut self,
        hash: &str,
        must_change: bool,
        previous_seconds: f64,
        keep: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update account
                set previous_hash       = password_hash,
                    previous_until      = now() + make_interval(secs => $4),
                    password_hash       = $2,
                    must_change         = $3,
                    password_changed_at = now(),
                    password_version    = password_version + 1
              where account_id = $1",
        )
        .bind(self.account)
        .bind(hash)
        .bind(must_change)
        .bind(previous_seconds)
        .execute(&mut *self.tx)
        .await?;
        sqlx::query(
            "delete from session where account_id = $1 and session_hash is distinct from $2",
        )
        .bind(self.account)
        .bind(keep)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }

    /// Ends every session and every remembered log-in without touching the password.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn end_logins(&mut self) -> Result<(), StoreError> {
        self.raise_password_version().await?;
        sqlx::query("delete from session where account_id = $1")
            .bind(self.account)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Begins the deletion: no log-in, no mail, the address is free again. The rest is [`Store::purge_account`]'s.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn mark_deleted(&mut self) -> Result<(), StoreError> {
        self.end_logins().await?;
        sqlx::query("delete from address where account_id = $1")
            .bind(self.account)
            .execute(&mut *self.tx)
            .await?;
        sqlx::query(
            "update account
                set deleted_at    = now(),
                    is_enabled    = false,
                    address       = account_id || '!' || address,
                    password_hash = '',
                    previous_hash = null
              where account_id = $1",
        )
        .bind(self.account)
        .execute(&mut *self.tx)
        .await?;
        Ok(())
    }
}
