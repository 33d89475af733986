//! The outbox: an account's own messages on their way out, and what their sender may still do about them.

use time::OffsetDateTime;

use super::Outgoing;
use crate::error::Refusal;
use crate::format::mime;
use crate::model::{AccountId, Charge, DraftId, QueueId};
use crate::service::App;
use crate::service::drafts::Drafts;
use crate::store::outbox::OutboxRow;

/// Messages on the page of the outbox.
const SHOWN: i64 = 200;

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnItsWay {
    /// The message.
    pub id: QueueId,
    /// Its subject; none when it is not known any more.
    pub subject: Option<String>,
    /// Who still waits for it.
    pub waiting: Vec<String>,
    /// Who will not get it.
    pub failed: Vec<String>,
    /// It is held until then.
    pub held_until: Option<OffsetDateTime>,
    /// The next try, when there was one already.
    pub next_at: Option<OffsetDateTime>,
    /// What the other host said last.
    pub reason: Option<String>,
    /// It can be taken back as a draft.
    pub can_recall: bool,
    /// When it was sent off.
    pub sent_at: OffsetDateTime,
}

impl From<OutboxRow> for OnItsWay {
    fn from(row: OutboxRow) -> Self {
        let subject = row.head.map(|head| {
            let now = row.created_at;
            mime::parse(&head, now, now).subject
        });
        Self {
            id: row.queue_id,
            subject,
            waiting: row.waiting,
            failed: row.failed,
            held_until: row.is_held.then_some(row.send_after),
            next_at: row
                .next_at
                .filter(|_| !row.is_held && row.last_reply.is_some()),
            reason: row.last_reply,
            can_recall: row.can_recall,
            sent_at: row.created_at,
        }
    }
}

impl Outgoing {
    /// What of an account is on its way, and what failed within a day.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn outbox(&self, account: AccountId) -> Result<Vec<OnItsWay>, Refusal> {
        let rows = self.store.outbox(account, SHOWN).await?;
        Ok(rows.into_iter().map(OnItsWay::from).collect())
    }

    /// How many of its messages wait.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn outbox_count(&self, account: AccountId) -> Result<i64, Refusal> {
        Ok(self.store.outbox_count(account).await?)
    }
}

impl App {
    /// Tries a message of the account again now.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is not the account's, or nothing of it waits.
    pub async fn retry_sending(&self, account: AccountId, id: QueueId) -> Result<(), Refusal> {
        self.own_message(account, id).await?;
        if self.outgoing.retry(Some(id)).await? == 0 {
            return Err(Refusal::NotFound);
        }
        Ok(())
    }

    /// Gives a message of the account up: whoever has not got it will not get it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn give_up_sending(&self, account: AccountId, id: QueueId) -> Result<(), Refusal> {
        self.own_message(account, id).await?;
        if self.outgoing.drop_message(id).await? == 0 {
            return Err(Refusal::NotFound);
        }
        self.tell_of_sending(account, id).await
    }

    /// Lets open pages know that something became of a message in the queue.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub(crate) async fn tell_of_sending(
        &self,
        account: AccountId,
        id: QueueId,
    ) -> Result<(), Refusal> {
        let mut write = self
            .store()
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.note_outbound(id).await?;
        self.changes.wake(write.commit().await?);
        Ok(())
    }

    async fn own_message(&self, account: AccountId, id: QueueId) -> Result<(), Refusal> {
        if self.store().owns_message(account, id).await? {
            Ok(())
        } else {
            Err(Refusal::NotFound)
        }
    }
}

impl Drafts<'_> {
    /// Takes a message back that has not left yet; its draft.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is on its way, or came from no draft.
    pub async fn recall(&self, account: AccountId, id: QueueId) -> Result<DraftId, Refusal> {
        let draft = self
            .app
            .store()
            .draft_of_message(account, id)
            .await?
            .ok_or(Refusal::NotFound)?;
        self.take_back(account, draft).await?;
        Ok(draft)
    }
}
