//! Devices over ActiveSync: who they are, what they know, what they wait for.
//!
//! [`hierarchy`] is what a device knows of the folders, [`waiting`] the one long request a device may have open.

pub mod hierarchy;
pub mod mail_commands;
mod mail_page;
pub mod mail_sync;
pub mod moved;
pub mod policy;
pub mod send;
pub mod waiting;

use std::sync::Arc;

use crate::config::Config;
use crate::error::Refusal;
use crate::model::AccountId;
use crate::service::changes::Hub;
use crate::store::Store;

/// Rows as the store reads them.
pub use crate::store::device::{DeviceRow, SeenDevice};
pub use waiting::{Waiting, Waits};

/// The device service of one node.
pub struct Devices {
    config: Arc<Config>,
    store: Store,
    hub: Hub,
    waits: Waits,
}

impl Devices {
    /// A device service over an open store.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, hub: Hub) -> Self {
        Self {
            config,
            store,
            hub,
            waits: Waits::default(),
        }
    }

    /// The device that asks, noted as having been here after a right sign-in.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when it is new and the account has as many as it may; [`Refusal::Unavailable`].
    pub async fn seen(
        &self,
        account: AccountId,
        seen: SeenDevice<'_>,
    ) -> Result<DeviceRow, Refusal> {
        let most = i64::from(self.config.eas.devices_per_account);
        self.store
            .seen_device(account, seen, most)
            .await?
            .ok_or(Refusal::TooMany {
                retry_after_secs: 0,
            })
    }

    /// The devices of an account, the latest first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn list(&self, account: AccountId) -> Result<Vec<DeviceRow>, Refusal> {
        Ok(self.store.devices(account).await?)
    }

    /// Shuts a device out, or lets it in again. What it waits for ends.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn block(
        &self,
        account: AccountId,
        device: &str,
        is_blocked: bool,
    ) -> Result<(), Refusal> {
        if !self.store.block_device(account, device, is_blocked).await? {
            return Err(Refusal::NotFound);
        }
        self.waits.end(account, device);
        Ok(())
    }

    /// Forgets a device: when it comes again, it starts anew.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn remove(&self, account: AccountId, device: &str) -> Result<(), Refusal> {
        if !self.store.remove_device(account, device).await? {
            return Err(Refusal::NotFound);
        }
        self.waits.end(account, device);
        Ok(())
    }

    /// Keeps what a device told about itself.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn set_info(
        &self,
        account: AccountId,
        device: &str,
        info: &[(&'static str, String)],
    ) -> Result<(), Refusal> {
        let value = info
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone().into()))
            .collect::<serde_json::Map<_, _>>();
        let name = ["friendly_name", "model"]
            .iter()
            .find_map(|wanted| {
                info.iter()
                    .find(|(name, text)| name == wanted && !text.is_empty())
            })
            .map_or("", |(_, text)| text);
        Ok(self
            .store
            .set_device_info(account, device, &value.into(), name)
            .await?)
    }

    /// Keeps a request that the device may ask to be repeated: `kind` is `ping` or `sync`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn keep_request(
        &self,
        account: AccountId,
        device: &DeviceRow,
        kind: &str,
        request: &serde_json::Value,
    ) -> Result<(), Refusal> {
        if device.requests.get(kind) == Some(request) {
            return Ok(());
        }
        Ok(self
            .store
            .set_device_request(account, &device.device_id, kind, request)
            .await?)
    }

    /// Begins the one long request of a device; an older one ends.
    #[must_use]
    pub fn begin_wait(&self, account: AccountId, device: &str) -> Waiting {
        self.waits.begin(account, device)
    }

    /// Whether the device has a long request open on this node.
    #[must_use]
    pub fn is_waiting(&self, account: AccountId, device: &str) -> bool {
        self.waits.is_open(account, device)
    }

    /// Whether these folders were told to the device twice already without its asking for one of them since.
    #[must_use]
    pub fn is_told_again(&self, account: AccountId, device: &str, changed: &[String]) -> bool {
        self.waits.told(account, device, changed) > 2
    }

    /// The change stream.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }
}
