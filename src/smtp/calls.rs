//! What the session asks of the services, and how their answers become replies.
//!
//! Everything that is true at every door is decided behind these calls: who may sign in, whose an address
//! is, whether there is room, what becomes of a message. Here is only the translation, and the few rules that
//! are SMTP's own: who may relay (S-30), which answer stands for several recipients.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::{error, info};

use super::content::ContentSummary;
use super::params::{MailParams, RcptParams};
use super::path::{ForwardPath, Host, Mailbox, ReversePath};
use super::reply::{self, Reply};
use super::sasl::Credentials;
use super::session::{Next, Session};
use super::state::{Action, Door, Transaction};
use super::trace::Hop;
use crate::error::Refusal;
use crate::format::address::Address;
use crate::model::AccountId;
use crate::service::accounts::{Delivery, Recipient};
use crate::service::mail::{Delivered, Incoming};

/// Who signed in.
#[derive(Clone, Debug)]
pub struct User {
    /// The account.
    pub account: AccountId,
}

/// What a recipient was resolved to.
#[derive(Clone, Debug)]
pub enum Target {
    /// Ours.
    Here(Delivery),
    /// Another host's; only who signed in gets this far.
    Away(Address),
}

impl Session<'_> {
    /// The end of an AUTH exchange.
    #[expect(clippy::unused_async, reason = "asks the account service")]
    pub(super) async fn check(&mut self, credentials: Credentials) -> Next {
        // Nobody is signed in before the account service knows how to count and lock.
        drop(credentials);
        Next::Answer(reply::cannot_sign_in_now())
    }

    /// MAIL: on submission the sender must be an address of the account (S-31).
    ///
    /// The null sender is taken from users too: their programs send receipts with it (RFC 8098 3), and the
    /// header's From is checked all the same.
    pub(super) async fn sender(&mut self, from: ReversePath, params: MailParams) -> Reply {
        if let (Some(user), Some(mailbox)) = (self.state.account(), from.mailbox()) {
            let owned = match address(mailbox) {
                Some(address) => {
                    let accounts = &self.smtp.app.accounts;
                    accounts.owns_address(user.account, &address).await
                }
                None => Ok(false),
            };
            match owned {
                Ok(true) => {}
                Ok(false) => return reply::not_your_address(),
                Err(refusal) => return self.refused(&refusal),
            }
        }
        self.state.begin(from, params)
    }

    /// RCPT: whose is it, and is there room (security 9).
    pub(super) async fn recipient(&mut self, to: ForwardPath, params: RcptParams) -> Next {
        let size = self
            .state
            .transaction()
            .and_then(|t| t.params.size_bytes)
            .unwrap_or_default();
        let accounts = &self.smtp.app.accounts;
        let address = to.mailbox().map(address);
        let found = match &address {
            None => accounts.bare_postmaster(size).await,
            Some(Some(address)) => accounts.recipient(address, size).await,
            // Within the grammar, but nothing that anybody's address looks like.
            Some(None) => Ok(Recipient::Unknown),
        };
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return Next::Answer(self.refused(&refusal)),
        };
        match found {
            // Mail for elsewhere is not taken before there is a queue that carries it there.
            Recipient::Deliver(delivery) if !delivery.outside.is_empty() => {
                Next::Answer(reply::unavailable())
            }
            Recipient::Deliver(delivery) => {
                Next::Answer(self.state.add(to, params, Target::Here(delivery)))
            }
            Recipient::Foreign => match address.flatten() {
                Some(address) if self.state.account().is_some() => {
                    if to
                        .mailbox()
                        .is_some_and(|m| matches!(m.host(), Host::Literal(_)))
                    {
                        return Next::Answer(reply::bad_destination());
                    }
                    Next::Answer(self.state.add(to, params, Target::Away(address)))
                }
                _ => self.guessed(reply::relaying_denied()),
            },
            Recipient::Unknown => self.guessed(reply::unknown_user()),
            Recipient::Disabled => Next::Answer(reply::disabled_user()),
            Recipient::Full => Next::Answer(reply::mailbox_full()),
            Recipient::TooLarge { .. } => Next::Answer(reply::never_fits()),
        }
    }

    /// A recipient that is not there: counted for the connection, and for the source unless a user typed it.
    fn guessed(&mut self, reply: Reply) -> Next {
        let is_user = self.state.account().is_some();
        if !is_user
            && !self
                .smtp
                .sources
                .unknown_recipient(self.source, Instant::now().into_std())
        {
            info!(source = %self.source, "too many unknown recipients, refused for a while");
            return Next::Close(reply::too_much("Too many unknown recipients"));
        }
        match self.state.unknown_recipient(reply) {
            Action::Close(reply) => Next::Close(reply),
            Action::Reply(reply) | Action::Slow(reply) => Next::Answer(reply),
            _ => Next::Hangup,
        }
    }

    /// The fields that go in front of the message.
    pub(super) fn trace(&self) -> Vec<u8> {
        let (Some(hello), Some(transaction)) = (self.state.hello(), self.state.transaction())
        else {
            return Vec::new();
        };
        let tls = self.wire.tls();
        let hop = Hop {
            door: self.door,
            hello,
            peer: self.peer,
            hostname: &self.smtp.app.config.server.hostname,
            tls: tls.as_ref().map(|tls| (tls.version, tls.cipher.as_str())),
            smtputf8: transaction.params.smtputf8,
            id: &self.id,
            only_recipient: match transaction.recipients.as_slice() {
                [only] => Some(&only.to),
                _ => None,
            },
            at: OffsetDateTime::now_utc(),
        };
        let received = hop.received();
        match self.door {
            // RFC 5321 4.4: the host of the final delivery writes the return path.
            Door::Mx => format!("Return-Path: {}\r\n{received}", transaction.from).into_bytes(),
            Door::Submission => received.into_bytes(),
        }
    }

    /// The message is whole: store it, and say what became of it (S-01).
    pub(super) async fn finish(
        &self,
        transaction: Transaction<Target>,
        summary: &ContentSummary,
        incoming: Incoming,
    ) -> Reply {
        if loops(&transaction, summary) {
            return reply::loops();
        }
        let received = match self.smtp.app.mail.finish(incoming).await {
            Ok(received) => received,
            Err(refusal) => return self.refused(&refusal),
        };
        let mut accounts = BTreeSet::new();
        for recipient in &transaction.recipients {
            if let Target::Here(delivery) = &recipient.target {
                accounts.extend(delivery.accounts.iter().copied());
            }
        }
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        let outcomes = self.smtp.app.mail.deliver(&received, &accounts).await;
        self.judged(&outcomes, received.stored.size_bytes)
    }

    /// One answer for all mailboxes: taken when all took it, for good refused when none ever can, else later.
    fn judged(&self, outcomes: &[Delivered], size_bytes: i64) -> Reply {
        let refusals: Vec<&Refusal> = outcomes
            .iter()
            .filter_map(|d| d.outcome.as_ref().err())
            .collect();
        let door = self.door.word();
        let taken = outcomes.len().saturating_sub(refusals.len());
        metrics::counter!("postamt_deliveries_total", "door" => door)
            .increment(u64::try_from(taken).unwrap_or(u64::MAX));
        info!(
            session = %self.id, source = %self.source, protocol = door, size_bytes, taken,
            refused = refusals.len(), "message delivered"
        );
        let never = |refusal: &&Refusal| matches!(refusal, Refusal::OverQuota { limit_bytes } if size_bytes > *limit_bytes);
        match refusals.as_slice() {
            [] => reply::stored(&self.id),
            all if all.len() == outcomes.len() && all.iter().all(never) => reply::never_fits(),
            [only] if outcomes.len() == 1 => self.refused(only),
            // Some have it: a retry stores nothing twice there, and asks the others again.
            [first, ..] => {
                let reply = self.refused(first);
                if reply.is_permanent() {
                    reply::unavailable()
                } else {
                    reply
                }
            }
        }
    }

    /// A refusal's reply; trouble that is ours is logged here, once.
    pub(super) fn refused(&self, refusal: &Refusal) -> Reply {
        match refusal {
            Refusal::Unavailable(_) | Refusal::StorageFull(_) | Refusal::Internal(_) => {
                let cause: &(dyn std::error::Error + 'static) = refusal;
                error!(session = %self.id, protocol = self.door.word(), error = cause, "refused for now");
            }
            Refusal::OverQuota { .. } => {
                metrics::counter!("postamt_quota_refusals_total", "door" => self.door.word())
                    .increment(1);
            }
            _ => {}
        }
        reply::refused(refusal)
    }
}

/// A mailbox of the grammar as the services know addresses; `None`: nobody's address looks like it.
fn address(mailbox: &Mailbox) -> Option<Address> {
    Address::from_parts(mailbox.local(), &mailbox.host().to_string()).ok()
}

/// Whether the message has been in one of these mailboxes before (S-34).
fn loops(transaction: &Transaction<Target>, summary: &ContentSummary) -> bool {
    let before: BTreeSet<String> = summary
        .delivered_to
        .iter()
        .filter_map(|text| Address::parse(text).ok())
        .map(|address| address.compare_form())
        .collect();
    !before.is_empty()
        && transaction
            .recipients
            .iter()
            .filter_map(|recipient| address(recipient.to.mailbox()?))
            .any(|address| before.contains(&address.compare_form()))
}
