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
use super::params::{MailParams, Notify, RcptParams, Ret, xtext};
use super::path::{ForwardPath, Host, Mailbox, ReversePath};
use super::reply::{self, Reply};
use super::session::{Next, Session};
use super::state::{Action, Door, Transaction};
use super::trace::Hop;
use crate::error::Refusal;
use crate::format::address::Address;
use crate::format::sasl::Credentials;
use crate::model::{AccountId, Protocol};
use crate::service::accounts::{Delivery, Login, LoginRefused, Recipient};
use crate::service::mail::{Delivered, Incoming, Received};
use crate::service::outgoing::{Forward, Submission, SubmissionRecipient};

/// Who signed in.
#[derive(Clone, Debug)]
pub struct User {
    /// The account.
    pub account: AccountId,
    /// Its primary address.
    pub address: String,
    /// What a change of the password raises.
    pub password_version: i32,
}

/// What a recipient was resolved to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address; `None` is the postmaster of this host.
    pub address: Option<Address>,
    /// Whose it is, if it is ours.
    pub delivery: Delivery,
}

impl Session<'_> {
    /// The end of an AUTH exchange: the one way in for every door decides.
    pub(super) async fn check(&mut self, credentials: Credentials) -> Next {
        let password = String::from_utf8_lossy(credentials.password.expose());
        let client = self.state.hello().map(|hello| hello.name.for_trace());
        let login = Login {
            name: &credentials.name,
            password: &password,
            protocol: Protocol::Smtp,
            source: self.source,
            device_cookie: None,
            eas_device: None,
            client: client.as_deref().unwrap_or_default(),
        };
        let smtp = self.smtp;
        let refused = match smtp.app.accounts.login(&login).await {
            Ok(user) => {
                let user = User {
                    account: user.account.account_id,
                    address: user.account.address,
                    password_version: user.password_version,
                };
                let ended = smtp.app.accounts.ended(user.account, user.password_version);
                self.ended = Some(Box::pin(ended));
                return Next::Answer(self.state.signed_in(user));
            }
            Err(refused) => refused,
        };
        Next::Answer(match refused {
            // One text for all of them, so that none tells whether the account exists (S-22).
            LoginRefused::Wrong { .. }
            | LoginRefused::Locked { .. }
            | LoginRefused::Disabled
            | LoginRefused::NeedsCode { .. } => reply::sign_in_failed(),
            LoginRefused::TryLater => reply::cannot_sign_in_now(),
            LoginRefused::Unavailable(cause) => {
                let cause: &(dyn std::error::Error + 'static) = &cause;
                error!(session = %self.id, protocol = self.door.word(), error = cause, "nobody can sign in");
                reply::cannot_sign_in_now()
            }
        })
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
        let address = match (to.mailbox(), self.state.account()) {
            (Some(mailbox), _) => match address(mailbox) {
                Some(address) => Some(address),
                // Within the grammar, but nothing that anybody's address looks like.
                None => return self.guessed(reply::unknown_user()),
            },
            // RFC 5321 4.5.1: for a user that is the postmaster of the own domain.
            (None, Some(user)) => postmaster_beside(&user.address),
            (None, None) => None,
        };
        let found = match &address {
            None => accounts.bare_postmaster(size).await,
            Some(address) => accounts.recipient(address, size).await,
        };
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return Next::Answer(self.refused(&refusal)),
        };
        match found {
            Recipient::Deliver(delivery) => {
                let target = Target { address, delivery };
                Next::Answer(self.state.add(to, params, target))
            }
            Recipient::Returning(sender)
                if self
                    .state
                    .transaction()
                    .is_some_and(|t| t.from.mailbox().is_none()) =>
            {
                let delivery = Delivery {
                    accounts: Vec::new(),
                    outside: vec![sender],
                };
                let target = Target { address, delivery };
                Next::Answer(self.state.add(to, params, target))
            }
            Recipient::Foreign if self.state.account().is_none() => {
                self.guessed(reply::relaying_denied())
            }
            Recipient::Foreign => {
                if to
                    .mailbox()
                    .is_some_and(|m| matches!(m.host(), Host::Literal(_)))
                {
                    return Next::Answer(reply::bad_destination());
                }
                let delivery = Delivery::default();
                let target = Target { address, delivery };
                Next::Answer(self.state.add(to, params, target))
            }
            // Only what comes back may go to a return path; else everybody who has seen one could write through us.
            Recipient::Unknown | Recipient::Returning(_) => self.guessed(reply::unknown_user()),
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
        &mut self,
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
        match self.state.account().cloned() {
            Some(user) => self.submitted(&user, &transaction, &received).await,
            None => self.delivered(&transaction, &received).await,
        }
    }

    /// A user's message goes into the queue, whoever it is for.
    async fn submitted(
        &mut self,
        user: &User,
        transaction: &Transaction<Target>,
        received: &Received,
    ) -> Reply {
        let app = &self.smtp.app;
        // A password changed while the message came in: the connection is closed after this (S-24).
        match app
            .accounts
            .is_current(user.account, user.password_version)
            .await
        {
            Ok(true) => {}
            Ok(false) => return reply::signed_out(),
            Err(refusal) => return self.refused(&refusal),
        }
        let params = &transaction.params;
        let recipients = transaction.recipients.iter().filter_map(|recipient| {
            Some(SubmissionRecipient {
                address: recipient.target.address.clone()?,
                notify: recipient
                    .params
                    .notify
                    .map(Notify::words)
                    .unwrap_or_default(),
                orcpt: recipient.params.orcpt.as_ref().map(ToString::to_string),
            })
        });
        let submission = Submission {
            account: user.account,
            sender: transaction.from.mailbox().and_then(address),
            ret_full: params.ret == Some(Ret::Full),
            env_id: params.envid.as_deref().map(xtext),
            smtputf8: params.smtputf8,
            client_id: None,
            recipients: recipients.collect(),
        };
        match app.outgoing.submit(&submission, received).await {
            Ok(queue_id) => reply::stored(&queue_id.to_string()),
            Err(Refusal::NotAllowed) => reply::not_your_address(),
            Err(refusal) => self.refused(&refusal),
        }
    }

    /// Mail from outside goes into mailboxes, and where an alias leads elsewhere, into the queue.
    ///
    /// The queue first: it remembers what it has taken, so that a retry after trouble doubles nothing.
    async fn delivered(&mut self, transaction: &Transaction<Target>, received: &Received) -> Reply {
        let app = &self.smtp.app;
        let sender = transaction.from.mailbox().and_then(address);
        let mut accounts = BTreeSet::new();
        let mut forwarded = false;
        for recipient in &transaction.recipients {
            let Target { address, delivery } = &recipient.target;
            accounts.extend(delivery.accounts.iter().copied());
            if let Some(alias) = address.as_ref().filter(|_| !delivery.outside.is_empty()) {
                let forward = Forward {
                    sender: sender.as_ref(),
                    alias,
                    targets: &delivery.outside,
                };
                if let Err(refusal) = app.outgoing.forward(&forward, received).await {
                    return self.refused(&refusal);
                }
                forwarded = true;
            }
        }
        let accounts: Vec<AccountId> = accounts.into_iter().collect();
        let outcomes = app.mail.deliver(received, &accounts).await;
        let reply = self.judged(&outcomes, received.stored.size_bytes);
        if forwarded && reply.is_permanent() {
            return reply::unavailable();
        }
        reply
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

/// `postmaster` at the domain of an address.
fn postmaster_beside(address: &str) -> Option<Address> {
    let address = Address::parse(address).ok()?;
    Address::from_parts("postmaster", address.domain()).ok()
}
