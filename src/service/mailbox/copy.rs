//! COPY and MOVE: all or nothing in one commit (RFC 9051 6.4.7, 6.4.8).

use super::view::narrow;
use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::model::{Charge, Flags, SpecialUse};
use crate::store::mail::FlagEdit;

/// Where messages lie now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// UIDVALIDITY of the target.
    pub uid_validity: i64,
    /// UIDs there and here, in order.
    pub pairs: Vec<(u32, u32)>,
}

impl Mailboxes {
    /// Copies messages of the view into a folder.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::OverQuota`], [`Refusal::NoMessage`] when one of them is gone: then none is copied.
    pub async fn copy(&self, view: &View, uids: &[u32], name: &str) -> Result<Copied, Refusal> {
        self.place(view, uids, name, false).await
    }

    /// Moves messages of the view into a folder; those that are gone already are left out. Moving in and out of Junk says
    /// what the user thinks of them, as it does in the browser.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn relocate(&self, view: &View, uids: &[u32], name: &str) -> Result<Copied, Refusal> {
        self.place(view, uids, name, true).await
    }

    async fn place(
        &self,
        view: &View,
        uids: &[u32],
        name: &str,
        is_move: bool,
    ) -> Result<Copied, Refusal> {
        let wide: Vec<i64> = uids.iter().map(|uid| i64::from(*uid)).collect();
        let mut write = self
            .store
            .draft()
            .await?
            .lock(view.account, Charge::NONE)
            .await?;
        let target = write.folder_named(name).await?;
        let placed = if is_move {
            write
                .move_messages(view.folder, &wide, target.folder_id)
                .await?
        } else {
            write
                .copy_messages(view.folder, &wide, target.folder_id)
                .await?
        };
        if !is_move && placed.len() < uids.len() {
            write.abandon().await?;
            return Err(Refusal::NoMessage);
        }
        if placed.is_empty() {
            write.abandon().await?;
        } else {
            let source = self.store.folder(view.account, view.folder).await?;
            let from = source.and_then(|f| f.special_use());
            if let Some(edit) = junk_marks(from, target.special_use()).filter(|_| is_move) {
                let there: Vec<i64> = placed.iter().map(|m| m.to_uid.0).collect();
                write.set_flags(target.folder_id, &there, &edit).await?;
            }
            self.hub.wake(write.commit().await?);
        }
        let mut pairs = Vec::with_capacity(placed.len());
        for moved in placed {
            pairs.push((narrow(moved.from_uid.0)?, narrow(moved.to_uid.0)?));
        }
        Ok(Copied {
            uid_validity: target.uid_validity,
            pairs,
        })
    }
}

fn junk_marks(from: Option<SpecialUse>, to: Option<SpecialUse>) -> Option<FlagEdit> {
    let (set, clear) = match (from, to) {
        (Some(SpecialUse::Junk), Some(SpecialUse::Junk | SpecialUse::Trash)) => return None,
        (_, Some(SpecialUse::Junk)) => (Flags::JUNK, Flags::NOT_JUNK),
        (Some(SpecialUse::Junk), _) => (Flags::NOT_JUNK, Flags::JUNK),
        _ => return None,
    };
    Some(FlagEdit {
        set,
        clear,
        ..FlagEdit::default()
    })
}
