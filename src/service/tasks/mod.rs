//! What only tasks have: completing and reopening.

use rand::RngExt;
use time::OffsetDateTime;

use crate::error::Refusal;
use crate::format::ical::{Object, Zones, complete, reopen};
use crate::model::{Charge, ModSeq};
use crate::service::items::{At, Denied, Items, Precondition};

/// What completing a task did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The task's new ETag.
    pub modseq: ModSeq,
    /// Where what was completed is kept, when the task repeats and moved on.
    pub kept_at: Option<String>,
}

impl Items {
    /// Completes a task. One that repeats moves on to its next time, and what was completed stays as a task of its own, both in
    /// one commit.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Stale`] when it is not as `seen`, [`Refusal::Invalid`] for what is no task,
    /// [`Refusal::OverQuota`].
    pub async fn complete_task(
        &self,
        at: At,
        href: &str,
        seen: Option<ModSeq>,
    ) -> Result<Done, Denied> {
        let place = self.writable(at).await?;
        let item = self.item(at, href).await?;
        if seen.is_some_and(|seen| seen != item.row.modseq) {
            return Err(Refusal::Stale.into());
        }
        let now = OffsetDateTime::now_utc();
        let uid = format!("{:032x}", rand::rng().random::<u128>());
        let made = {
            let object = Object::parse(&item.source, &self.limits)?;
            let zones = Zones::of(object.tree().root(), place.zone());
            complete(&object, &zones, now, &uid).ok_or(Refusal::Invalid("no task"))?
        };
        let task = self.row_of(&place, href, made.task).await?;
        let kept_at = made.done.as_ref().map(|_| format!("{uid}.ics"));
        let kept = match (&kept_at, made.done) {
            (Some(name), Some(bytes)) => Some(self.row_of(&place, name, bytes).await?),
            _ => None,
        };
        let draft = self.store.draft().await?;
        let mut write = draft.lock(at.owner, Charge::NONE).await?;
        let put = write
            .put_item(at.collection, &task, Precondition::Is(item.row.modseq))
            .await?;
        if let Some(kept) = &kept {
            write
                .put_item(at.collection, kept, Precondition::Absent)
                .await?;
        }
        self.hub.wake(write.commit().await?);
        Ok(Done {
            modseq: put.modseq,
            kept_at,
        })
    }

    /// Takes the completion of a task back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Stale`] when it is not as `seen`.
    pub async fn reopen_task(
        &self,
        at: At,
        href: &str,
        seen: Option<ModSeq>,
    ) -> Result<Done, Denied> {
        let item = self.item(at, href).await?;
        if seen.is_some_and(|seen| seen != item.row.modseq) {
            return Err(Refusal::Stale.into());
        }
        let bytes = {
            let object = Object::parse(&item.source, &self.limits)?;
            reopen(&object, OffsetDateTime::now_utc())
        };
        let put = self
            .put(at, href, bytes, Precondition::Is(item.row.modseq))
            .await?;
        Ok(Done {
            modseq: put.modseq,
            kept_at: None,
        })
    }
}
