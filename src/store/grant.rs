//! Who shares which collection with whom: `grant_out` and `grant_in` written together, `domain_grant`, `secret_link`.
//!
//! A grant changes two accounts: the owner's, who sees it in the list of shares, and the reader's, whose home it appears in. Both
//! rows are locked in ascending order and change in one transaction.

use sqlx::FromRow;
use time::OffsetDateTime;

use super::collection::CollectionRow;
use super::{Committed, Store, account};
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Charge, CollectionId, DomainId, Rights};

/// Somebody a collection is shared with; no account: everybody of the owner's domain.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ShareRow {
    /// Who.
    pub grantee_id: Option<AccountId>,
    /// Their address; of a domain its name.
    pub address: String,
    /// Their name.
    pub display_name: String,
    /// What they may do.
    pub rights: Rights,
}

/// A collection that others share with a reader.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct SharedRow {
    /// Its row at its owner.
    #[sqlx(flatten)]
    pub row: CollectionRow,
    /// Whose it is.
    pub owner_id: AccountId,
    /// The owner's address.
    pub owner_address: String,
    /// The owner's name.
    pub owner_name: String,
    /// What the reader may do.
    pub rights: Rights,
    /// The reader's own name for it.
    pub own_name: Option<String>,
    /// The reader's own colour for it.
    pub own_color: Option<String>,
    /// The reader does not want to see it.
    pub is_hidden: bool,
    /// The reader wants no reminders of it.
    pub alarms_off: bool,
}

/// What a reader chose for a collection that others share; none leaves as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct PersonalEdit<'a> {
    /// Its name; empty: the owner's.
    pub name: Option<&'a str>,
    /// Its colour.
    pub color: Option<&'a str>,
    /// Not to be seen.
    pub is_hidden: Option<bool>,
    /// No reminders.
    pub alarms_off: Option<bool>,
}

/// A link that shows a collection.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct LinkRow {
    /// SHA-256 of its token.
    pub hash: Vec<u8>,
    /// Whose collection.
    pub account_id: AccountId,
    /// Which.
    pub collection_id: CollectionId,
    /// What its maker called it.
    pub name: String,
    /// What it shows.
    pub rights: Rights,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the day.
    pub used_at: Option<OffsetDateTime>,
}

impl Store {
    /// Gives a reader rights in a collection, or takes them away with none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the collection or the reader is gone.
    pub async fn set_grant(
        &self,
        owner: AccountId,
        collection: CollectionId,
        grantee: AccountId,
        rights: Rights,
    ) -> Result<[Committed; 2], Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let mut both = [owner, grantee];
        both.sort_unstable();
        let mut done = Vec::with_capacity(2);
        for id in both {
            let locked = account::lock(&mut tx, id, Charge::NONE, false).await?;
            done.push(Committed {
                account: id,
                modseq: locked.modseq,
            });
        }
        let owners = done
            .iter()
            .find(|c| c.account == owner)
            .map_or_else(Default::default, |c| c.modseq);
        // The owner's doors show who shares it.
        let touched = sqlx::query(
            "update collection
                set modseq = $3
              where account_id = $1
                and collection_id = $2",
        )
        .bind(owner)
        .bind(collection)
        .bind(owners)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if touched.rows_affected() == 0 {
            return Err(Refusal::NotFound);
        }
        if rights == Rights::default() {
            sqlx::query(
                "delete from grant_out
                  where account_id = $1
                    and kind = 'collection'
                    and object_id = $2
                    and grantee_id = $3",
            )
            .bind(owner)
            .bind(collection)
            .bind(grantee)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
            sqlx::query(
                "delete from grant_in
                  where account_id = $1
                    and owner_id = $2
                    and kind = 'collection'
                    and object_id = $3",
            )
            .bind(grantee)
            .bind(owner)
            .bind(collection)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        } else {
            sqlx::query(
                "insert into grant_out (account_id, kind, object_id, grantee_id, rights)
                 values ($1, 'collection', $2, $3, $4)
                 on conflict (account_id, kind, object_id, grantee_id) do update set rights = excluded.rights",
            )
            .bind(owner)
            .bind(collection)
            .bind(grantee)
            .bind(rights)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
            sqlx::query(
                "insert into grant_in (account_id, owner_id, kind, object_id, rights)
                 values ($1, $2, 'collection', $3, $4)
                 on conflict (account_id, owner_id, kind, object_id) do update set rights = excluded.rights",
            )
            .bind(grantee)
            .bind(owner)
            .bind(collection)
            .bind(rights)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        }
        tx.commit().await.map_err(StoreError::from)?;
        <[Committed; 2]>::try_from(done).map_err(|_| Refusal::Internal("two accounts, two numbers"))
    }

    /// Shares a collection with everybody of the owner's domain, or no longer with none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the collection is gone.
    pub async fn set_domain_grant(
        &self,
        owner: AccountId,
        collection: CollectionId,
        rights: Rights,
    ) -> Result<Committed, Refusal> {
        let mut write = self.draft().await?.lock(owner, Charge::NONE).await?;
        let touched = sqlx::query(
            "update collection
                set modseq = $3
              where account_id = $1
                and collection_id = $2",
        )
        .bind(owner)
        .bind(collection)
        .bind(write.modseq)
        .execute(&mut *write.tx)
        .await
        .map_err(StoreError::from)?;
        if touched.rows_affected() == 0 {
            return Err(Refusal::NotFound);
        }
        // A global table: its rows are few and asked for by domain.
        if rights == Rights::default() {
            sqlx::query(
                "delete from domain_grant
                  where owner_id = $1
                    and kind = 'collection'
                    and object_id = $2",
            )
            .bind(owner)
            .bind(collection)
            .execute(&mut *write.tx)
            .await
            .map_err(StoreError::from)?;
        } else {
            sqlx::query(
                "insert into domain_grant (domain_id, owner_id, kind, object_id, rights)
                 select domain_id, account_id, 'collection', $2, $3
                   from account
                  where account_id = $1
                 on conflict (domain_id, owner_id, kind, object_id) do update set rights = excluded.rights",
            )
            .bind(owner)
            .bind(collection)
            .bind(rights)
            .execute(&mut *write.tx)
            .await
            .map_err(StoreError::from)?;
        }
        Ok(write.commit().await?)
    }

    /// Whom a collection is shared with, the domain first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shares(
        &self,
        owner: AccountId,
        collection: CollectionId,
    ) -> Result<Vec<ShareRow>, StoreError> {
        Ok(sqlx::query_as(
            "select null::bigint as grantee_id, m.name as address, '' as display_name, d.rights
               from domain_grant d
               join mail_domain m on m.domain_id = d.domain_id
              where d.owner_id = $1
                and d.kind = 'collection'
                and d.object_id = $2
             union all
             (select g.grantee_id, a.address, a.display_name, g.rights
                from grant_out g
                join account a on a.account_id = g.grantee_id
               where g.account_id = $1
                 and g.kind = 'collection'
                 and g.object_id = $2
               order by a.address)",
        )
        .bind(owner)
        .bind(collection)
        .fetch_all(self.pool())
        .await?)
    }

    /// What others share with a reader, by owner and kind.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn shared_with(&self, reader: AccountId) -> Result<Vec<SharedRow>, StoreError> {
        Ok(sqlx::query_as(
            "select c.collection_id, c.kind, c.slug, c.name, c.color, c.description, c.sort_order, c.is_default, c.time_zone,
                    c.properties, c.subscribed_url, c.item_count, c.total_bytes, c.created_modseq, c.modseq,
                    c.content_modseq, c.pruned_modseq, c.next_item_id,
                    o.account_id as owner_id, o.address as owner_address, o.display_name as owner_name,
                    w.rights, w.name as own_name, w.color as own_color, w.is_hidden, w.alarms_off
               from (select coalesce(g.owner_id, d.owner_id) as owner_id, coalesce(g.object_id, d.object_id) as object_id,
                            coalesce(g.rights, 0) | coalesce(d.rights, 0) as rights, g.name, g.color,
                            coalesce(g.is_hidden, false) as is_hidden, coalesce(g.alarms_off, false) as alarms_off
                       from (select * from grant_in where account_id = $1 and kind = 'collection') g
                       full join (select d.*
                                    from account r
                                    join domain_grant d on d.domain_id = r.domain_id
                                   where r.account_id = $1
                                     and d.kind = 'collection'
                                     and d.owner_id <> $1) d on d.owner_id = g.owner_id
                                                            and d.object_id = g.object_id) w
               join collection c on c.account_id = w.owner_id
                                and c.collection_id = w.object_id
               join account o on o.account_id = w.owner_id
                             and o.deleted_at is null
              where w.rights <> 0
              order by o.address, c.kind, c.sort_order, c.name, c.collection_id",
        )
        .bind(reader)
        .fetch_all(self.pool())
        .await?)
    }

    /// Keeps what a reader chose for a collection that others share.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the reader is gone.
    pub async fn set_personal(
        &self,
        reader: AccountId,
        owner: AccountId,
        collection: CollectionId,
        edit: &PersonalEdit<'_>,
    ) -> Result<Committed, Refusal> {
        let mut write = self.draft().await?.lock(reader, Charge::NONE).await?;
        sqlx::query(
            "insert into grant_in (account_id, owner_id, kind, object_id, rights, name, color, is_hidden, alarms_off)
             values ($1, $2, 'collection', $3, 0, nullif($4, ''), $5, coalesce($6, false), coalesce($7, false))
             on conflict (account_id, owner_id, kind, object_id) do update
                set name       = case when $4 is null then grant_in.name else nullif($4, '') end,
                    color      = coalesce($5, grant_in.color),
                    is_hidden  = coalesce($6, grant_in.is_hidden),
                    alarms_off = coalesce($7, grant_in.alarms_off)",
        )
        .bind(reader)
        .bind(owner)
        .bind(collection)
        .bind(edit.name)
        .bind(edit.color)
        .bind(edit.is_hidden)
        .bind(edit.alarms_off)
        .execute(&mut *write.tx)
        .await
        .map_err(StoreError::from)?;
        Ok(write.commit().await?)
    }

    /// Forgets every grant of a collection that was deleted; its readers' numbers rise.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn forget_grants(
        &self,
        owner: AccountId,
        collection: CollectionId,
    ) -> Result<Vec<Committed>, Refusal> {
        let mut tx = self.pool().begin().await.map_err(StoreError::from)?;
        let readers: Vec<AccountId> = sqlx::query_scalar(
            "delete from grant_out
              where account_id = $1
                and kind = 'collection'
                and object_id = $2
             returning grantee_id",
        )
        .bind(owner)
        .bind(collection)
        .fetch_all(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        // Global tables, by their owner index.
        sqlx::query("delete from domain_grant where owner_id = $1 and kind = 'collection' and object_id = $2")
            .bind(owner)
            .bind(collection)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        sqlx::query("delete from secret_link where account_id = $1 and collection_id = $2")
            .bind(owner)
            .bind(collection)
            .execute(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        let mut done = Vec::new();
        for reader in readers {
            let mut write = match self.draft().await?.lock(reader, Charge::NONE).await {
                Ok(write) => write,
                Err(Refusal::NotFound) => continue,
                Err(other) => return Err(other),
            };
            sqlx::query(
                "delete from grant_in
                  where account_id = $1
                    and owner_id = $2
                    and kind = 'collection'
                    and object_id = $3",
            )
            .bind(reader)
            .bind(owner)
            .bind(collection)
            .execute(&mut *write.tx)
            .await
            .map_err(StoreError::from)?;
            done.push(write.commit().await?);
        }
        Ok(done)
    }

    /// The account of an address, if it may be named to a reader: same host, not deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_at(
        &self,
        address: &str,
    ) -> Result<Option<(AccountId, DomainId)>, StoreError> {
        // A global table, by its key.
        Ok(sqlx::query_as(
            "select a.account_id, a.domain_id
               from address d
               join account a on a.account_id = d.account_id
              where d.address = $1
                and a.deleted_at is null",
        )
        .bind(address)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The accounts of some addresses of this host.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts_at(
        &self,
        addresses: &[String],
    ) -> Result<Vec<(String, AccountId)>, StoreError> {
        // A global table, by its key.
        Ok(sqlx::query_as(
            "select d.address, a.account_id
               from address d
               join account a on a.account_id = d.account_id
              where d.address = any($1)
                and a.deleted_at is null",
        )
        .bind(addresses)
        .fetch_all(self.pool())
        .await?)
    }

    /// The domain of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn domain_of(&self, account: AccountId) -> Result<Option<DomainId>, StoreError> {
        Ok(
            sqlx::query_scalar("select domain_id from account where account_id = $1")
                .bind(account)
                .fetch_optional(self.pool())
                .await?,
        )
    }

    /// The clock of an account, an IANA name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn zone_of(&self, account: AccountId) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar("select time_zone from account where account_id = $1")
                .bind(account)
                .fetch_optional(self.pool())
                .await?,
        )
    }

    /// Keeps a link by the hash of its token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn add_link(
        &self,
        hash: &[u8],
        owner: AccountId,
        collection: CollectionId,
        name: &str,
        rights: Rights,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into secret_link (hash, account_id, collection_id, name, rights)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(hash)
        .bind(owner)
        .bind(collection)
        .bind(name)
        .bind(rights)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// The links of a collection, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn links(
        &self,
        owner: AccountId,
        collection: CollectionId,
    ) -> Result<Vec<LinkRow>, StoreError> {
        Ok(sqlx::query_as(
            "select hash, account_id, collection_id, name, rights, created_at, used_at
               from secret_link
              where account_id = $1
                and collection_id = $2
              order by created_at, hash",
        )
        .bind(owner)
        .bind(collection)
        .fetch_all(self.pool())
        .await?)
    }

    /// Ends a link; says whether there was one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_link(
        &self,
        owner: AccountId,
        collection: CollectionId,
        hash: &[u8],
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "delete from secret_link
              where account_id = $1
                and collection_id = $2
                and hash = $3",
        )
        .bind(owner)
        .bind(collection)
        .bind(hash)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// The link of a token's hash; notes the day it was used.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn use_link(&self, hash: &[u8]) -> Result<Option<LinkRow>, StoreError> {
        // A global table, by its key.
        let link: Option<LinkRow> = sqlx::query_as(
            "select hash, account_id, collection_id, name, rights, created_at, used_at
               from secret_link
              where hash = $1",
        )
        .bind(hash)
        .fetch_optional(self.pool())
        .await?;
        if link.as_ref().is_some_and(|l| {
            l.used_at
                .is_none_or(|at| at.date() < OffsetDateTime::now_utc().date())
        }) {
            sqlx::query("update secret_link set used_at = now() where hash = $1")
                .bind(hash)
                .execute(self.pool())
                .await?;
        }
        Ok(link)
    }

    /// Names and addresses of a domain that its people may see, by name: the accounts that are not hidden.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn directory(&self, reader: AccountId) -> Result<Vec<DirectoryRow>, StoreError> {
        // Accounts are a global table; the reader's domain decides which.
        Ok(sqlx::query_as(
            "select a.account_id, a.address, a.display_name, a.created_at
               from account r
               join mail_domain d on d.domain_id = r.domain_id
               join account a on a.domain_id = r.domain_id
              where r.account_id = $1
                and d.shows_directory
                and not a.is_hidden
                and a.is_enabled
                and a.deleted_at is null
              order by a.display_name, a.address
              limit 5000",
        )
        .bind(reader)
        .fetch_all(self.pool())
        .await?)
    }
}

/// One person of the domain's address list.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct DirectoryRow {
    /// Who.
    pub account_id: AccountId,
    /// Their address.
    pub address: String,
    /// Their name.
    pub display_name: String,
    /// Since when.
    pub created_at: OffsetDateTime,
}
