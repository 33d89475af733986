//! Queued mail for our own domains: handed to the mailboxes by the same delivery that SMTP uses, without a network.
//!
//! An alias among them may lead outside; its targets go into the queue as recipients of their own, in the name of who sent
//! the message, so that a failure there is told to them.

use futures_util::TryStreamExt;
use sha2::{Digest, Sha256};

use super::transport::{Answer, Verdict};
use super::worker::Worker;
use crate::error::Refusal;
use crate::format::address::Address;
use crate::model::AccountId;
use crate::service::accounts::{Delivery, Recipient};
use crate::service::mail::Received;
use crate::store::queue::{Claim, ClaimedRecipient, Content, NewOutbound, Source};

impl Worker {
    /// Delivers to `recipients`, all of domains of ours; answers in their order.
    pub(super) async fn deliver_here(
        &self,
        claim: &Claim,
        recipients: &[&ClaimedRecipient],
    ) -> Vec<Answer> {
        match self.receive(claim).await {
            Ok(message) => {
                let mut answers = Vec::with_capacity(recipients.len());
                for recipient in recipients {
                    answers.push(self.deliver_one(claim, recipient, &message).await);
                }
                answers
            }
            Err(refusal) => recipients
                .iter()
                .map(|_| answer_to(&refusal, claim.size_bytes))
                .collect(),
        }
    }

    /// The queued bytes as a received message, parsed once for all recipients.
    async fn receive(&self, claim: &Claim) -> Result<Received, Refusal> {
        let trace = format!("Return-Path: <{}>\r\n", claim.sender);
        let mut incoming = self.app.mail.incoming(trace.into_bytes()).await?;
        let mut chunks = std::pin::pin!(self.queue.content(claim.queue_id));
        let mut size = 0;
        while let Some(chunk) = chunks.try_next().await? {
            size += i64::try_from(chunk.len()).unwrap_or(i64::MAX);
            incoming.push(&chunk).await?;
        }
        if size != claim.size_bytes {
            return Err(Refusal::Internal("the message left the queue"));
        }
        let mut message = self.app.mail.finish(incoming).await?;
        // What was delivered before is known by this queue entry, not by the text: who sends a text twice means it. So a crash
        // between a delivery and its record in the queue doubles nothing.
        let mut hash = Sha256::new();
        hash.update(claim.queue_id.0.to_be_bytes());
        hash.update(message.data_hash);
        message.data_hash = hash.finalize().into();
        Ok(message)
    }

    async fn deliver_one(
        &self,
        claim: &Claim,
        recipient: &ClaimedRecipient,
        message: &Received,
    ) -> Answer {
        let Ok(address) = Address::parse(&recipient.address) else {
            return Answer::local(Verdict::Failed, "5.1.3", "The address is not valid");
        };
        let size = u64::try_from(claim.size_bytes).unwrap_or(u64::MAX);
        match self.app.accounts.recipient(&address, size).await {
            Ok(Recipient::Deliver(delivery)) => {
                self.put(claim, recipient, &address, &delivery, message)
                    .await
            }
            // What a user's program sends back to mail that was led on to them.
            Ok(Recipient::Returning(sender)) if claim.sender.is_empty() => {
                let led = self.lead_on(claim, recipient, &[sender], &address).await;
                led.map_or_else(
                    |refusal| answer_to(&refusal, claim.size_bytes),
                    |()| delivered(),
                )
            }
            Ok(Recipient::Unknown | Recipient::Foreign | Recipient::Returning(_)) => {
                Answer::local(Verdict::Failed, "5.1.1", "There is no such address")
            }
            Ok(Recipient::Disabled) => {
                Answer::local(Verdict::Failed, "5.2.1", "The mailbox is switched off")
            }
            Ok(Recipient::Full) => full(),
            Ok(Recipient::TooLarge { limit_bytes }) => too_large(limit_bytes),
            Err(refusal) => answer_to(&refusal, claim.size_bytes),
        }
    }

    async fn put(
        &self,
        claim: &Claim,
        recipient: &ClaimedRecipient,
        address: &Address,
        delivery: &Delivery,
        message: &Received,
    ) -> Answer {
        if !delivery.outside.is_empty()
            && let Err(refusal) = self
                .lead_on(claim, recipient, &delivery.outside, address)
                .await
        {
            return answer_to(&refusal, claim.size_bytes);
        }
        let mut worst: Option<Answer> = None;
        for done in self.deliver_once(message, &delivery.accounts).await {
            if let Err(refusal) = done {
                let answer = answer_to(&refusal, message.stored.size_bytes);
                // Later wins: whoever has it already is not served again.
                if answer.verdict == Verdict::Later || worst.is_none() {
                    worst = Some(answer);
                }
            }
        }
        worst.unwrap_or_else(delivered)
    }

    async fn deliver_once(
        &self,
        message: &Received,
        accounts: &[AccountId],
    ) -> Vec<Result<(), Refusal>> {
        self.app
            .mail
            .deliver_once(message, accounts)
            .await
            .into_iter()
            .map(|done| done.outcome.map(|_| ()))
            .collect()
    }

    /// The outside targets of an alias, once for each queue entry and alias.
    async fn lead_on(
        &self,
        claim: &Claim,
        recipient: &ClaimedRecipient,
        outside: &[Address],
        alias: &Address,
    ) -> Result<(), Refusal> {
        let outgoing = &self.app.outgoing;
        let mut bytes = format!("Delivered-To: {}\r\n", recipient.address).into_bytes();
        // The queue has no copy inside the database from itself; an alias that leads outside is rare, a large mail to it rarer.
        let mut chunks = std::pin::pin!(self.queue.content(claim.queue_id));
        while let Some(chunk) = chunks.try_next().await? {
            bytes.extend_from_slice(&chunk);
        }
        let sender = match Address::parse(&claim.sender) {
            Ok(sender) => {
                let path = self.app.accounts.return_path(&sender, alias).await?;
                super::wire_form(&path)
            }
            Err(_) => claim.sender.clone(),
        };
        let key = format!("alias:{}:{}", claim.queue_id, alias.compare_form());
        let recipients = outgoing.recipients(outside);
        let content = Content {
            head: b"",
            skip: 0,
            rest: Source::Memory(&bytes),
        };
        let new = NewOutbound {
            client_id: Some(&key),
            is_bounce: claim.is_bounce,
            ..outgoing.outbound(&sender, content, &recipients)
        };
        self.queue.enqueue(claim.account, &new, None).await?;
        outgoing.wake();
        Ok(())
    }
}

fn delivered() -> Answer {
    Answer::local(Verdict::Sent, "2.1.5", "Delivered")
}

fn full() -> Answer {
    Answer::local(Verdict::Later, "4.2.2", "The mailbox is full")
}

fn too_large(limit_bytes: i64) -> Answer {
    Answer::local(
        Verdict::Failed,
        "5.2.2",
        format!("The message is larger than the whole mailbox of {limit_bytes} octets"),
    )
}

/// What a refusal means to a message that waits in the queue: only what can never change is final.
fn answer_to(refusal: &Refusal, size_bytes: i64) -> Answer {
    match refusal {
        Refusal::OverQuota { limit_bytes } if size_bytes > *limit_bytes => too_large(*limit_bytes),
        Refusal::OverQuota { .. } => full(),
        Refusal::TooLarge { limit_bytes } => Answer::local(
            Verdict::Failed,
            "5.3.4",
            format!("The message is larger than {limit_bytes} octets"),
        ),
        Refusal::NotFound => Answer::local(Verdict::Failed, "5.1.1", "There is no such address"),
        Refusal::NoFolder
        | Refusal::NoMessage
        | Refusal::Exists
        | Refusal::Stale
        | Refusal::Invalid(_)
        | Refusal::NotAllowed
        | Refusal::TooMany { .. }
        | Refusal::StorageFull(_)
        | Refusal::Unavailable(_)
        | Refusal::Internal(_) => {
            tracing::error!(error = %refusal, "a queued message was not delivered here");
            Answer::local(Verdict::Later, "4.3.0", "Temporary trouble of this host")
        }
    }
}
