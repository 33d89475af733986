//! Addresses this host answers for: `address`, a global table, joined to what decides about a delivery.
//!
//! Which row wins, what an alias unfolds to and what the answer is: `service/accounts/recipients.rs`.

use sqlx::FromRow;

use super::Store;
use super::audit::{self, AuditEntry};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, DomainId};

/// A local domain and, where one was found, one of the addresses asked for in it.
#[derive(Debug, Clone, FromRow)]
pub struct FoundAddress {
    /// The domain, ASCII.
    pub domain: String,
    /// Its id.
    pub domain_id: DomainId,
    /// Whether the domain takes mail.
    pub domain_enabled: bool,
    /// The address found, in compare form.
    pub address: Option<String>,
    /// Where an alias leads; empty when the address is a mailbox's own.
    pub targets: Option<Vec<String>>,
    /// The mailbox whose own address it is.
    pub account_id: Option<AccountId>,
    /// Whether the mailbox takes mail.
    pub is_enabled: Option<bool>,
    /// What the mailbox may hold, read now.
    pub quota_bytes: Option<i64>,
    /// What it holds, read now.
    pub used_bytes: Option<i64>,
}

/// A mailbox as a delivery sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct Mailbox {
    /// Whose.
    pub account_id: AccountId,
    /// Whether it takes mail.
    pub is_enabled: bool,
    /// What it may hold.
    pub quota_bytes: i64,
    /// What it holds.
    pub used_bytes: i64,
}

/// An address row as an administrator sees it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AddressRow {
    /// Compare form; `@domain` is the catch-all.
    pub address: String,
    /// Its domain.
    pub domain_id: DomainId,
    /// The mailbox whose own address it is.
    pub account_id: Option<AccountId>,
    /// That mailbox's primary address.
    pub mailbox: Option<String>,
    /// The primary address itself.
    pub is_primary: bool,
    /// Where an alias leads.
    pub targets: Vec<String>,
}

macro_rules! found {
    ($addresses:literal, $domains:literal) => {
        concat!(
            "select d.name as domain, d.domain_id, d.is_enabled as domain_enabled, a.address, a.targets,
                    a.account_id, c.is_enabled, c.quota_bytes, c.used_bytes
               from mail_domain d
               left join address a on a.domain_id = d.domain_id and a.address ",
            $addresses,
            " left join account c on c.account_id = a.account_id where d.name ",
            $domains
        )
    };
}

/// Several domains and addresses.
const MANY: &str = found!("= any($2)", "= any($1)");
/// One domain, up to four addresses in it.
const ONE: &str = found!("in ($2, $3, $4, $5)", "= $1");

impl Store {
    /// Looks `addresses` up in those of `domains` that are ours, quota and state included, in one statement.
    ///
    /// A local domain in which nothing was found comes back as one row without an address; a foreign domain not at all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn find_addresses(
        &self,
        domains: &[String],
        addresses: &[String],
    ) -> Result<Vec<FoundAddress>, StoreError> {
        if let ([domain], [first, rest @ ..]) = (domains, addresses)
            && rest.len() < 4
        {
            // What every RCPT asks. With values in place of arrays the plan is made once, which costs less than the answer.
            let at = |n: usize| rest.get(n).unwrap_or(first);
            return Ok(sqlx::query_as(ONE)
                .bind(domain)
                .bind(first)
                .bind(at(0))
                .bind(at(1))
                .bind(at(2))
                .fetch_all(self.pool())
                .await?);
        }
        Ok(sqlx::query_as(MANY)
            .bind(domains)
            .bind(addresses)
            .fetch_all(self.pool())
            .await?)
    }

    /// Who reads the domain's postmaster mail: its first administrator, else the host's, else its oldest account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn postmaster(&self, domain: DomainId) -> Result<Option<Mailbox>, StoreError> {
        Ok(sqlx::query_as(
            "select account_id, is_enabled, quota_bytes, used_bytes
               from account
              where (domain_id = $1 or role = 'host-admin')
                and is_enabled
                and deleted_at is null
              order by (domain_id = $1 and role <> 'user') desc, (role = 'host-admin') desc, account_id
              limit 1",
        )
        .bind(domain)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Who reads the host's own postmaster mail: its first host administrator.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn host_postmaster(&self) -> Result<Option<Mailbox>, StoreError> {
        Ok(sqlx::query_as(
            "select account_id, is_enabled, quota_bytes, used_bytes
               from account
              where is_enabled
                and deleted_at is null
                and role <> 'user'
              order by (role = 'host-admin') desc, account_id
              limit 1",
        )
        .fetch_optional(self.pool())
        .await?)
    }

    /// A mailbox's own addresses, the primary one first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn own_addresses(&self, account: AccountId) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "select address
               from address
              where account_id = $1
                and left(address, 1) <> '@'
              order by is_primary desc, address",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }

    /// All addresses of a domain, by address.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn addresses(&self, domain: DomainId) -> Result<Vec<AddressRow>, StoreError> {
        Ok(sqlx::query_as(
            "select a.address, a.domain_id, a.account_id, c.address as mailbox, a.is_primary, a.targets
               from address a
               left join account c on c.account_id = a.account_id
              where a.domain_id = $1
              order by a.address",
        )
        .bind(domain)
        .fetch_all(self.pool())
        .await?)
    }

    /// Creates an alias: another address of one mailbox, or one that leads to `targets`.
    ///
    /// # Errors
    /// [`Refusal::Exists`].
    pub async fn create_alias(
        &self,
        domain: DomainId,
        address: &str,
        account: Option<AccountId>,
        targets: &[String],
        entry: &AuditEntry,
    ) -> Result<(), Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let done = sqlx::query(
            "insert into address (address, domain_id, account_id, targets)
             values ($1, $2, $3, $4)
             on conflict do nothing",
        )
        .bind(address)
        .bind(domain)
        .bind(account)
        .bind(targets)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if done.rows_affected() == 0 {
            return Err(Refusal::Exists);
        }
        audit::append(&mut tx, Some(domain), entry).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// Deletes an alias; a primary address goes only with its account.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_alias(
        &self,
        domain: DomainId,
        address: &str,
        entry: &AuditEntry,
    ) -> Result<(), Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let done = sqlx::query(
            "delete from address where domain_id = $1 and address = $2 and not is_primary",
        )
        .bind(domain)
        .bind(address)
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
}
