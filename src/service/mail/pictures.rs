//! Remote pictures: whose are shown, and what a message's HTML holds before anybody looks at it.
//!
//! A picture from elsewhere tells its sender when, where and that it was looked at. It is loaded after the reader's consent
//! only, once or for a sender; the `remote_pictures` preference can widen that to everybody the account has written to, or
//! switch it off (security.md S-40, ui.md 7.11). Who a message is from is its own claim, so a message in Junk never profits.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, TryStreamExt};

use crate::error::Refusal;
use crate::format::address::Mailbox;
use crate::format::html::{CleanOptions, Purpose, clean};
use crate::model::{AccountId, Charge, EmailId};
use crate::service::accounts::preferences::RemotePictures;
use crate::service::drafts::searched;
use crate::service::mail::{EmailRow, Mail};

pub use crate::store::known::KnownSender;

/// What the reader should know about a body before it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BodyNotes {
    /// Pictures from elsewhere that wait for consent.
    pub pictures: usize,
    /// Pictures too small to be seen; they never load.
    pub trackers: usize,
    /// Links whose text names another host than they lead to.
    pub suspicious_links: usize,
    /// Longer than is shown at first.
    pub is_cut: bool,
    /// Too deep or too large to be shown as HTML: its text is shown.
    pub is_too_complex: bool,
}

/// Bodies read side by side.
const AT_ONCE: usize = 4;
/// Senders on the page of those whose pictures are loaded.
const SENDERS: i64 = 1_000;

impl Mail {
    /// What is in the bodies of some messages, found by cleaning each once; remembered, since a message does not change.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn body_notes(
        &self,
        account: AccountId,
        emails: Vec<EmailRow>,
    ) -> Result<HashMap<EmailId, BodyNotes>, Refusal> {
        let all: Vec<_> = emails
            .into_iter()
            .map(|email| self.notes_of(account, email))
            .collect();
        futures_util::stream::iter(all)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn notes_of(
        &self,
        account: AccountId,
        email: EmailRow,
    ) -> Result<(EmailId, BodyNotes), Refusal> {
        let key = (account, email.email_id);
        if let Some(notes) = self.notes.get(&key).await {
            return Ok((email.email_id, notes));
        }
        let shown = self.shown_body(account, &email, false).await?;
        let is_cut = shown.is_cut;
        let notes = match shown.html {
            None => BodyNotes {
                is_cut,
                ..BodyNotes::default()
            },
            Some(html) => tokio::task::spawn_blocking(move || {
                let cleaned = clean(&html, &CleanOptions::new(Purpose::Read));
                BodyNotes {
                    pictures: cleaned.blocked_count,
                    trackers: cleaned.trackers,
                    suspicious_links: cleaned.suspicious_links,
                    is_cut: is_cut || cleaned.cut,
                    is_too_complex: cleaned.too_complex,
                }
            })
            .await
            .map_err(|_| Refusal::Internal("cleaning panicked"))?,
        };
        self.notes.insert(key, notes).await;
        Ok((email.email_id, notes))
    }

    /// Those of some senders (compare forms) whose pictures are loaded without asking.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn shows_pictures_of(
        &self,
        account: AccountId,
        wish: RemotePictures,
        senders: &[String],
    ) -> Result<HashSet<String>, Refusal> {
        if wish == RemotePictures::Never || senders.is_empty() {
            return Ok(HashSet::new());
        }
        let known = self.store.known_senders(account, senders).await?;
        Ok(known
            .into_iter()
            .filter(|k| k.shows_pictures || (wish == RemotePictures::Known && k.was_written_to))
            .map(|k| k.address)
            .collect())
    }

    /// Everybody whose pictures are loaded by the reader's consent.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn picture_senders(&self, account: AccountId) -> Result<Vec<KnownSender>, Refusal> {
        Ok(self.store.picture_senders(account, SENDERS).await?)
    }

    /// From now on pictures of this message's sender are loaded.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the message names no sender.
    pub async fn consent_to_sender(
        &self,
        account: AccountId,
        email: &EmailRow,
    ) -> Result<(), Refusal> {
        let sender = Mailbox {
            name: email.sender_name.clone(),
            address: email.sender_address.clone(),
        };
        if sender.address.is_empty() {
            return Err(Refusal::NotFound);
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write
            .show_pictures_of(&sender.compare_form(), &sender.name, &searched(&sender))
            .await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Takes the consent for a sender back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when there was none.
    pub async fn withdraw_consent(&self, account: AccountId, address: &str) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.hide_pictures_of(address).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }
}
