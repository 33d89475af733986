//! Moving by a device, and the memory of it: a repeated move finds the id that the first one made.

use super::Devices;
use crate::error::Refusal;
use crate::model::{AccountId, Charge, FolderId};

/// A move as a device asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Out of this folder.
    pub from: FolderId,
    /// Its UID there.
    pub uid: i64,
    /// Into this one.
    pub to: FolderId,
}

impl Devices {
    /// Moves a message; returns its UID in the new folder. Asked again within a day, the same.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`] when it is not there and was not moved by this device; [`Refusal::NoFolder`] without a target.
    pub async fn move_mail(
        &self,
        account: AccountId,
        device: &str,
        asked: Move,
    ) -> Result<i64, Refusal> {
        let name = format!("{}:{}", asked.from, asked.uid);
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let moved = write
            .move_messages(asked.from, &[asked.uid], asked.to)
            .await?;
        let Some(moved) = moved.first() else {
            write.abandon().await?;
            let known = self.store.moved_before(account, device, &name).await?;
            return known
                .filter(|(folder, _)| *folder == asked.to)
                .map(|(_, uid)| uid)
                .ok_or(Refusal::NoMessage);
        };
        let uid = moved.to_uid.0;
        write.note_moved(device, &name, (asked.to, uid)).await?;
        self.hub.wake(write.commit().await?);
        Ok(uid)
    }
}
