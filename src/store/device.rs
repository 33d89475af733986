//! Devices that speak ActiveSync: who they are, what policy they hold, what they are told to do.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;

use super::Store;
use crate::error::StoreError;
use crate::model::AccountId;

/// A device of an account.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct DeviceRow {
    /// What it calls itself; of this account alone.
    pub device_id: String,
    /// Its kind in its own word.
    pub device_type: String,
    /// What its owner calls it.
    pub name: String,
    /// Its program.
    pub user_agent: String,
    /// The version it speaks.
    pub protocol: String,
    /// The key of the policy it has acknowledged; 0: none.
    pub policy_key: i64,
    /// The key it is to acknowledge with.
    pub policy_offer: i64,
    /// Its owner or an administrator has shut it out.
    pub is_blocked: bool,
    /// `none`, `asked`, `sent`, `done`.
    pub wipe: String,
    /// What it told about itself.
    pub info: Value,
    /// The folders it knows.
    pub folder_state: Value,
    /// Its last Ping and Sync, to be repeated.
    pub requests: Value,
    /// When it came first.
    pub created_at: OffsetDateTime,
    /// When it came last.
    pub synced_at: Option<OffsetDateTime>,
    /// What failed last.
    pub last_error: Option<String>,
}

/// A device that asks for something.
#[derive(Debug, Clone, Copy)]
pub struct SeenDevice<'a> {
    /// What it calls itself.
    pub device_id: &'a str,
    /// Its kind.
    pub device_type: &'a str,
    /// Its program.
    pub user_agent: &'a str,
    /// The version it speaks.
    pub protocol: &'a str,
    /// Where it comes from.
    pub source: &'a str,
}

impl Store {
    /// The device, noted as having been here; none when it is new and the account has `most` already.
    ///
    /// A row that is as it was a minute ago is not written again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn seen_device(
        &self,
        account: AccountId,
        seen: SeenDevice<'_>,
        most: i64,
    ) -> Result<Option<DeviceRow>, StoreError> {
        let known: Option<DeviceRow> = sqlx::query_as(
            "select device_id, device_type, name, user_agent, protocol, policy_key, policy_offer, is_blocked, wipe, info,
                    folder_state, requests, created_at, synced_at, last_error
               from device
              where account_id = $1
                and device_id = $2
                and user_agent = $3
                and protocol = $4
                and source = $5
                and synced_at > now() - interval '1 minute'",
        )
        .bind(account)
        .bind(seen.device_id)
        .bind(seen.user_agent)
        .bind(seen.protocol)
        .bind(seen.source)
        .fetch_optional(self.pool())
        .await?;
        if known.is_some() {
            return Ok(known);
        }
        Ok(sqlx::query_as(
            "insert into device as d (account_id, device_id, device_type, user_agent, protocol, source, synced_at)
             select $1, $2, $3, $4, $5, $6, now()
              where exists (select from device where account_id = $1 and device_id = $2)
                 or (select count(*) from device where account_id = $1) < $7
             on conflict (account_id, device_id) do update
                set device_type = excluded.device_type,
                    user_agent  = excluded.user_agent,
                    protocol    = excluded.protocol,
                    source      = excluded.source,
                    synced_at   = now()
             returning device_id, device_type, name, user_agent, protocol, policy_key, policy_offer, is_blocked, wipe, info,
                       folder_state, requests, created_at, synced_at, last_error",
        )
        .bind(account)
        .bind(seen.device_id)
        .bind(seen.device_type)
        .bind(seen.user_agent)
        .bind(seen.protocol)
        .bind(seen.source)
        .bind(most)
        .fetch_optional(self.pool())
        .await?)
    }

    /// The devices of an account, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn devices(&self, account: AccountId) -> Result<Vec<DeviceRow>, StoreError> {
        Ok(sqlx::query_as(
            "select device_id, device_type, name, user_agent, protocol, policy_key, policy_offer, is_blocked, wipe, info,
                    folder_state, requests, created_at, synced_at, last_error
               from device
              where account_id = $1
              order by synced_at desc nulls last, device_id",
        )
        .bind(account)
        .fetch_all(self.pool())
        .await?)
    }

    /// One device.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn device(
        &self,
        account: AccountId,
        device: &str,
    ) -> Result<Option<DeviceRow>, StoreError> {
        Ok(sqlx::query_as(
            "select device_id, device_type, name, user_agent, protocol, policy_key, policy_offer, is_blocked, wipe, info,
                    folder_state, requests, created_at, synced_at, last_error
               from device
              where account_id = $1
                and device_id = $2",
        )
        .bind(account)
        .bind(device)
        .fetch_optional(self.pool())
        .await?)
    }

    /// Changes the policy keys, when the offer is still `offer`. Returns whether it was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_device_policy(
        &self,
        account: AccountId,
        device: &str,
        offer: Option<i64>,
        new_offer: i64,
        new_key: Option<i64>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update device
                set policy_offer = $4,
                    policy_key   = coalesce($5, policy_key)
              where account_id = $1
                and device_id = $2
                and ($3::bigint is null or policy_offer = $3)",
        )
        .bind(account)
        .bind(device)
        .bind(offer)
        .bind(new_offer)
        .bind(new_key)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps what a device told about itself; `name` only where its owner has given it none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_device_info(
        &self,
        account: AccountId,
        device: &str,
        info: &Value,
        name: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update device
                set info = $3,
                    name = case when name = '' then $4 else name end
              where account_id = $1
                and device_id = $2",
        )
        .bind(account)
        .bind(device)
        .bind(info)
        .bind(name)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Keeps the folders a device knows, when they are still those of `before`. Returns whether they were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_device_folders(
        &self,
        account: AccountId,
        device: &str,
        before: &Value,
        after: &Value,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update device
                set folder_state = $4
              where account_id = $1
                and device_id = $2
                and folder_state = $3",
        )
        .bind(account)
        .bind(device)
        .bind(before)
        .bind(after)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps a request of a device that it may ask to be repeated: `kind` is `ping` or `sync`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_device_request(
        &self,
        account: AccountId,
        device: &str,
        kind: &str,
        request: &Value,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update device
                set requests = requests || jsonb_build_object($3::text, $4::jsonb)
              where account_id = $1
                and device_id = $2
                and requests -> $3 is distinct from $4",
        )
        .bind(account)
        .bind(device)
        .bind(kind)
        .bind(request)
        .execute(self.pool())
        .await?;
        Ok(())
    }

    /// Moves a wipe on, from one state to the next. Returns whether it was in `from`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_device_wipe(
        &self,
        account: AccountId,
        device: &str,
        from: &[&str],
        to: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update device
                set wipe = $4
              where account_id = $1
                and device_id = $2
                and wipe = any($3)",
        )
        .bind(account)
        .bind(device)
        .bind(from)
        .bind(to)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Shuts a device out, or lets it in again. Returns whether it is there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn block_device(
        &self,
        account: AccountId,
        device: &str,
        is_blocked: bool,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update device
                set is_blocked = $3
              where account_id = $1
                and device_id = $2",
        )
        .bind(account)
        .bind(device)
        .bind(is_blocked)
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets a device and all that is known of it. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remove_device(
        &self,
        account: AccountId,
        device: &str,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query("delete from device where account_id = $1 and device_id = $2")
            .bind(account)
            .bind(device)
            .execute(self.pool())
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
