//! Mail that leaves: submission, the queue's workers, hosts and routes, notices about failures.
//!
//! ```text
//! submit / Write::enqueue ──> queue (store) ──claim──> Worker ──┬── own domain: mail::deliver, no network
//!                                 ^                             └── others: hops ──> Transport (SMTP)
//!                                 └── retry, bounce, delay notice ──┘ in one commit with the outcome (S-07)
//! ```
//!
//! Everything that is sent goes through the queue, to our own users too: so a message has one way to be accepted, to be
//! taken back, to be delivered and to fail. A worker is awake at once after a commit on its node ([`Outgoing::wake`]), and
//! within the poll interval after one elsewhere.
//!
//! No backscatter (S-30): notices go to senders who signed in, never to an address that a stranger wrote into an envelope.

pub mod bounce;
mod deliver;
mod local;
pub mod outbox;
pub mod resolve;
pub mod schedule;
pub mod submit;
pub mod transport;
pub mod worker;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::config::{self, Config};
use crate::error::Refusal;
use crate::format::address::Address;
use crate::model::QueueId;
use crate::service::accounts::Accounts;
use crate::store::Store;
use crate::store::queue::{
    Content, NewOutbound, NewRecipient, Queue, QueueCounts, QueueRow, SendLimits,
};

pub use submit::{Forward, Submission, SubmissionRecipient};
pub use worker::Worker;

/// The outgoing mail of one node.
pub struct Outgoing {
    config: Arc<Config>,
    store: Store,
    queue: Queue,
    accounts: Arc<Accounts>,
    wake: Arc<Notify>,
}

impl Outgoing {
    /// The service over an open store. Workers are the server's to start ([`Worker`]).
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, accounts: Arc<Accounts>) -> Self {
        Self {
            config,
            queue: store.queue(),
            store,
            accounts,
            wake: Arc::new(Notify::new()),
        }
    }

    /// Wakes this node's workers; call it after a commit with `Write::enqueue`.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// What one account may send.
    #[must_use]
    pub fn limits(&self) -> SendLimits {
        let limits = &self.config.submission;
        SendLimits {
            messages_per_minute: limits.messages_per_minute.into(),
            messages_per_hour: limits.messages_per_hour.into(),
            recipients_per_day: limits.recipients_per_day.into(),
        }
    }

    /// Recipients as the queue takes them, each mailbox once, in their order.
    #[must_use]
    pub fn recipients<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Vec<NewRecipient> {
        let mut seen = HashSet::new();
        addresses
            .into_iter()
            .filter(|address| seen.insert(address.compare_form()))
            .map(|address| NewRecipient {
                address: wire_form(address),
                destination: destination(&address.domain_ascii(), &self.config.queue),
                ..NewRecipient::default()
            })
            .collect()
    }

    /// A message for `Write::enqueue` with the settings' times: header only in a notice, sent at once, no client id.
    #[must_use]
    pub fn outbound<'a>(
        &self,
        sender: &'a str,
        content: Content<'a>,
        recipients: &'a [NewRecipient],
    ) -> NewOutbound<'a> {
        NewOutbound {
            sender,
            ret_full: false,
            env_id: None,
            client_id: None,
            needs_utf8: recipients.iter().any(|r| !r.address.is_ascii()) || !sender.is_ascii(),
            is_bounce: false,
            draft: None,
            hold: Duration::ZERO,
            give_up: self.config.queue.give_up,
            content,
            recipients,
        }
    }

    /// What is in the queue, oldest message first, behind message `after`; with `finished` also the delivery log.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn list(
        &self,
        after: QueueId,
        finished: bool,
        limit: i64,
    ) -> Result<Vec<QueueRow>, Refusal> {
        Ok(self.queue.list(after, finished, limit).await?)
    }

    /// Makes a message, or all, due now; how many recipients that were.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn retry(&self, message: Option<QueueId>) -> Result<u64, Refusal> {
        let due = self.queue.retry(message).await?;
        self.wake();
        Ok(due)
    }

    /// Gives a message up without a word to its sender; how many recipients still waited.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn drop_message(&self, message: QueueId) -> Result<u64, Refusal> {
        Ok(self.queue.drop_message(message).await?)
    }

    /// The queue in numbers.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn counts(&self) -> Result<QueueCounts, Refusal> {
        Ok(self.queue.counts().await?)
    }
}

/// What groups recipients into one delivery: the domain, unless a smarthost takes all.
#[must_use]
pub fn destination(domain: &str, settings: &config::Queue) -> String {
    if settings.routes.contains_key(domain) || !settings.routes.contains_key("*") {
        domain.to_owned()
    } else {
        "*".to_owned()
    }
}

/// `local@domain` as it travels: the domain in ASCII, the local part quoted where it must be.
fn wire_form(address: &Address) -> String {
    Address::from_parts(address.local(), &address.domain_ascii())
        .map_or_else(|_| address.to_string(), |a| a.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smarthost_for_all_is_one_destination() {
        let mut settings = config::Queue::default();
        assert_eq!(destination("a.test", &settings), "a.test");
        settings.routes = toml::from_str(
            "\"*\" = { host = \"relay.test:25\" }\n\"own.test\" = { host = \"own.test:25\" }",
        )
        .unwrap();
        assert_eq!(destination("a.test", &settings), "*");
        assert_eq!(destination("own.test", &settings), "own.test");
    }

    #[test]
    fn addresses_travel_with_ascii_domains() {
        let form = |text| wire_form(&Address::parse(text).unwrap());
        assert_eq!(form("Anna@M\u{fc}ller.test"), "Anna@xn--mller-kva.test");
        assert_eq!(form("\"a b\"@c.test"), "\"a b\"@c.test");
        assert_eq!(form("a@[192.0.2.1]"), "a@[192.0.2.1]");
    }
}
