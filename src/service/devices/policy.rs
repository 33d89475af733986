//! The policy of a device in two steps, and the wipe (MS-ASPROV 3.1.5.2).
//!
//! ```text
//! asks for a policy          -> offer: a key for this once
//! acknowledges with that key -> the key it holds from now on
//! ```
//!
//! Keys are never 0, which means "none", and fit 32 bits, because the packed query has four octets for them.

use rand::RngExt;

use super::Devices;
use crate::error::Refusal;
use crate::model::AccountId;

impl Devices {
    /// A key that the device acknowledges the policy with.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn offer_policy(&self, account: AccountId, device: &str) -> Result<u32, Refusal> {
        let key = new_key(0);
        self.store
            .set_device_policy(account, device, None, key.into(), None)
            .await?;
        Ok(key)
    }

    /// The key a device holds after it acknowledged with `offered`; none when that was not offered.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn acknowledge_policy(
        &self,
        account: AccountId,
        device: &str,
        offered: u32,
    ) -> Result<Option<u32>, Refusal> {
        if offered == 0 {
            return Ok(None);
        }
        let key = new_key(offered);
        let is_ours = self
            .store
            .set_device_policy(account, device, Some(offered.into()), 0, Some(key.into()))
            .await?;
        Ok(is_ours.then_some(key))
    }

    /// Asks for the device to be wiped: the next thing it hears is this.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn ask_wipe(&self, account: AccountId, device: &str) -> Result<(), Refusal> {
        let asked = self
            .store
            .set_device_wipe(account, device, &["none", "asked", "sent", "done"], "asked")
            .await?;
        if !asked {
            return Err(Refusal::NotFound);
        }
        self.waits.end(account, device);
        Ok(())
    }

    /// The device was told.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn wipe_sent(&self, account: AccountId, device: &str) -> Result<(), Refusal> {
        self.store
            .set_device_wipe(account, device, &["asked"], "sent")
            .await?;
        Ok(())
    }

    /// The device says it has done it. One that was never told is not believed.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn wipe_done(&self, account: AccountId, device: &str) -> Result<bool, Refusal> {
        Ok(self
            .store
            .set_device_wipe(account, device, &["sent"], "done")
            .await?)
    }
}

/// Neither 0 nor `other`.
fn new_key(other: u32) -> u32 {
    let mut rng = rand::rng();
    loop {
        let key = rng.random::<u32>();
        if key != 0 && key != other {
            return key;
        }
    }
}
