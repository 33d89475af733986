//! The one long request a device may have open: a newer one ends the older, and so does whoever shuts the device out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::model::AccountId;

type Key = (AccountId, String);
type Open = HashMap<Key, (u64, CancellationToken)>;
type Told = HashMap<Key, (Vec<String>, u32)>;

/// The open long requests of this node. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    open: Arc<Mutex<Open>>,
    /// What a device was told last, and how often without its asking.
    told: Arc<Mutex<Told>>,
}

/// An open long request; dropping it closes it.
#[derive(Debug)]
pub struct Waiting {
    waits: Waits,
    key: Key,
    number: u64,
    ended: CancellationToken,
}

impl Waits {
    /// Begins a long request; an older one of the device ends.
    #[must_use]
    pub fn begin(&self, account: AccountId, device: &str) -> Waiting {
        let key = (account, device.to_owned());
        let ended = CancellationToken::new();
        let mut open = self.open();
        let older = open.remove(&key);
        let number = older
            .as_ref()
            .map_or(0, |(number, _)| number.wrapping_add(1));
        if let Some((_, older)) = older {
            older.cancel();
        }
        open.insert(key.clone(), (number, ended.clone()));
        Waiting {
            waits: self.clone(),
            key,
            number,
            ended,
        }
    }

    /// Whether the device has a long request open.
    #[must_use]
    pub fn is_open(&self, account: AccountId, device: &str) -> bool {
        self.open().contains_key(&(account, device.to_owned()))
    }

    /// Notes that the device is told of these folders; returns how often it was told just that since it last asked.
    pub fn told(&self, account: AccountId, device: &str, changed: &[String]) -> u32 {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let last = all.entry((account, device.to_owned())).or_default();
        if last.0 != changed {
            *last = (changed.to_vec(), 0);
        }
        last.1 = last.1.saturating_add(1);
        last.1
    }

    /// The device asks for what it was told of.
    pub fn asked(&self, account: AccountId, device: &str) {
        let mut all = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&(account, device.to_owned()));
    }

    /// Ends the device's long request, if it has one.
    pub fn end(&self, account: AccountId, device: &str) {
        if let Some((_, ended)) = self.open().remove(&(account, device.to_owned())) {
            ended.cancel();
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Resolves when a newer request of the device, or somebody else, ends this one.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut open = self.waits.open();
        if open
            .get(&self.key)
            .is_some_and(|(number, _)| *number == self.number)
        {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_wait_ends_the_older_and_leaves_when_it_goes() {
        let waits = Waits::default();
        let first = waits.begin(AccountId(1), "a");
        let other = waits.begin(AccountId(2), "a");
        let second = waits.begin(AccountId(1), "a");
        first.ended().await;
        drop(first);
        assert_eq!(
            waits.open().len(),
            2,
            "the older one takes nothing of the newer along"
        );
        assert!(!second.ended.is_cancelled() && !other.ended.is_cancelled());
        waits.end(AccountId(1), "a");
        second.ended().await;
        drop((second, other));
        assert!(waits.open().is_empty());
    }
}
