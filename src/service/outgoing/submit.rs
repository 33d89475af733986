//! Taking mail to be sent: from a user's program (RFC 6409), and onwards from an alias that leads outside.
//!
//! The header `From` must be the account's (S-31), all of it. What is missing is added (`Date`, `Message-ID`, `From`) behind
//! the trace fields on top; nothing else is touched, so that a signature the client made stays good. `Bcc` is gone already:
//! whoever receives bytes drops it (`service/mail/incoming.rs`). The submitter's address is written nowhere.
//!
//! Not here: whether the envelope sender is the account's; the door asks at MAIL ([`Accounts::owns_address`]).

use rand::RngExt;
use time::OffsetDateTime;

use super::{Outgoing, wire_form};
use crate::error::Refusal;
use crate::format::address::{Address, Mailbox, parse_header_list};
use crate::format::mime::write::HeaderWriter;
use crate::format::mime::{head, scan};
use crate::model::{AccountId, QueueId};
use crate::service::mail::Received;
use crate::store::body::Place;
use crate::store::queue::{Content, NewOutbound, Source};

#[cfg(doc)]
use crate::service::accounts::Accounts;

/// A message as a user's program hands it in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Who signed in.
    pub account: AccountId,
    /// The envelope sender; none: the null sender.
    pub sender: Option<Address>,
    /// RFC 3461 4.3: RET=FULL.
    pub ret_full: bool,
    /// RFC 3461 4.4, as the client encoded it.
    pub env_id: Option<String>,
    /// The client declared SMTPUTF8.
    pub smtputf8: bool,
    /// The client's own key of this sending, if it has one: the same key sends nothing twice.
    pub client_id: Option<String>,
    /// Who gets it.
    pub recipients: Vec<SubmissionRecipient>,
}

/// One recipient of a submission.
#[derive(Debug, Clone)]
pub struct SubmissionRecipient {
    /// The address.
    pub address: Address,
    /// RFC 3461 4.1 in upper case; empty: not said.
    pub notify: Vec<String>,
    /// RFC 3461 4.2, as the client encoded it.
    pub orcpt: Option<String>,
}

/// A message that an alias of ours leads on to other hosts.
#[derive(Debug, Clone)]
pub struct Forward<'a> {
    /// The envelope sender; none: the null sender.
    pub sender: Option<&'a Address>,
    /// The alias it came to: the loop mark (S-34).
    pub alias: &'a Address,
    /// Where it goes.
    pub targets: &'a [Address],
}

impl Outgoing {
    /// Puts a submitted message into the queue; when this returns, it will be sent.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] when the header's `From` is not the account's (553 5.7.1); [`Refusal::TooMany`] beyond the
    /// sending limits (450 4.7.1); [`Refusal::Invalid`] without a recipient; [`Refusal::Unavailable`].
    pub async fn submit(
        &self,
        submission: &Submission,
        message: &Received,
    ) -> Result<QueueId, Refusal> {
        let header = self.header(message).await?;
        let added = self.added(submission.account, &header).await?;
        let (front, cut) = with_added(&header, &added);
        let mut recipients = self.recipients(submission.recipients.iter().map(|r| &r.address));
        for new in &mut recipients {
            let given = submission
                .recipients
                .iter()
                .find(|r| wire_form(&r.address) == new.address);
            if let Some(given) = given {
                new.notify.clone_from(&given.notify);
                new.orcpt.clone_from(&given.orcpt);
            }
        }
        let sender = submission
            .sender
            .as_ref()
            .map(wire_form)
            .unwrap_or_default();
        let content = content(&front, cut, message);
        let usual = self.outbound(&sender, content, &recipients);
        let new = NewOutbound {
            ret_full: submission.ret_full,
            env_id: submission.env_id.as_deref(),
            client_id: submission.client_id.as_deref(),
            needs_utf8: usual.needs_utf8 || (submission.smtputf8 && !header.is_ascii()),
            ..usual
        };
        let done = self
            .queue
            .enqueue(Some(submission.account), &new, Some(&self.limits()))
            .await?;
        self.wake();
        tracing::info!(
            account = submission.account.0,
            queue_id = done.queue_id.0,
            recipients = recipients.len(),
            size_bytes = new.content.size_bytes(),
            again = !done.is_new,
            "mail submitted"
        );
        Ok(done.queue_id)
    }

    /// Leads a received message on to other hosts, under a sender of ours that stands for theirs (SRS). The same data to the same alias goes on once, however often its sender
    /// tries (the client id says so).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn forward(
        &self,
        forward: &Forward<'_>,
        message: &Received,
    ) -> Result<QueueId, Refusal> {
        let header = self.header(message).await?;
        let mut front = HeaderWriter::new();
        front
            .raw("Delivered-To", &wire_form(forward.alias))
            .map_err(|_| Refusal::Invalid("address"))?;
        let mut front = front.into_bytes();
        front.extend_from_slice(&head::without(&header, |name, _| name == "return-path"));
        let recipients = self.recipients(forward.targets);
        let sender = match forward.sender {
            Some(sender) => wire_form(&self.accounts.return_path(sender, forward.alias).await?),
            None => String::new(),
        };
        let hash: String = message.data_hash.iter().fold(String::new(), |mut all, b| {
            use std::fmt::Write as _;
            write!(all, "{b:02x}").ok();
            all
        });
        let key = format!("forward:{}:{hash}", forward.alias.compare_form());
        let new = NewOutbound {
            client_id: Some(&key),
            ..self.outbound(&sender, content(&front, header.len(), message), &recipients)
        };
        let done = self.queue.enqueue(None, &new, None).await?;
        self.wake();
        Ok(done.queue_id)
    }

    /// The header block with the empty line behind it.
    async fn header(&self, message: &Received) -> Result<Vec<u8>, Refusal> {
        let mut bytes = match &message.stored.place {
            Place::Memory(bytes) => bytes.to_vec(),
            Place::Spool(spool) => {
                let mut bytes = Vec::new();
                let mut n = 0;
                while let Some(chunk) = self.store.spool_chunk(*spool, n).await? {
                    bytes.extend_from_slice(&chunk);
                    n += 1;
                    let enough = bytes.len() > self.config.smtp.header_block;
                    if enough || head::body_start(&bytes, false).is_some() {
                        break;
                    }
                }
                bytes
            }
        };
        let end = head::body_start(&bytes, true).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    /// Checks `From` and writes the fields that are missing.
    async fn added(&self, account: AccountId, header: &[u8]) -> Result<Vec<u8>, Refusal> {
        let from = head::values(header, "from");
        let mut added = Vec::new();
        if from.is_empty() {
            let own = self.accounts.account(account).await?;
            let address =
                Address::parse(&own.address).map_err(|_| Refusal::Internal("own address"))?;
            let mut writer = HeaderWriter::new();
            writer
                .mailboxes("From", &[Mailbox::new(own.display_name, &address)])
                .map_err(|_| Refusal::Internal("own name"))?;
            added = writer.into_bytes();
        } else {
            self.owns_from(account, &from).await?;
        }
        let id = head::new_message_id(rand::rng().random(), &self.config.server.hostname);
        let missing = head::missing_fields(header, OffsetDateTime::now_utc(), &id)
            .map_err(|_| Refusal::Internal("message id"))?;
        added.extend_from_slice(&missing);
        Ok(added)
    }

    /// S-31: every address of every `From` is the account's; one that cannot be read is not.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`].
    pub async fn owns_from(&self, account: AccountId, from: &[String]) -> Result<(), Refusal> {
        let listed: Vec<_> = from
            .iter()
            .flat_map(|value| parse_header_list(value, MOST_FROM))
            .collect();
        if listed.is_empty() || listed.len() >= MOST_FROM {
            return Err(Refusal::NotAllowed);
        }
        for one in listed {
            let address = one
                .mailbox()
                .and_then(|mailbox| mailbox.smtp_address().ok())
                .ok_or(Refusal::NotAllowed)?;
            if !self.accounts.owns_address(account, &address).await? {
                return Err(Refusal::NotAllowed);
            }
        }
        Ok(())
    }
}

/// Where the trace fields on top end: ours stay above what is added (RFC 5321 4.4).
fn behind_trace(header: &[u8]) -> usize {
    let block = scan::header_block(header, 0);
    block
        .fields
        .iter()
        .find(|field| !field.is(header, "received") && !field.is(header, "return-path"))
        .map_or(block.end, |field| field.start)
}

/// What stands in place of the message's first octets, and how many these are. A message whose header does not end with an
/// empty line gets one, or its text would be taken for a part of the header.
fn with_added(header: &[u8], added: &[u8]) -> (Vec<u8>, usize) {
    let trace = behind_trace(header);
    let (above, below) = header.split_at_checked(trace).unwrap_or((header, b""));
    let mut front = [above, added].concat();
    let is_ended = header == b"\r\n" || header.ends_with(b"\r\n\r\n");
    if is_ended {
        return (front, trace);
    }
    front.extend_from_slice(below);
    if !front.is_empty() && !front.ends_with(b"\n") {
        front.extend_from_slice(b"\r\n");
    }
    front.extend_from_slice(b"\r\n");
    (front, header.len())
}

/// `front` in place of the message's first `cut` octets.
fn content<'a>(front: &'a [u8], cut: usize, message: &'a Received) -> Content<'a> {
    Content {
        head: front,
        skip: i64::try_from(cut).unwrap_or(i64::MAX),
        rest: match &message.stored.place {
            Place::Memory(bytes) => Source::Memory(bytes),
            Place::Spool(spool) => Source::Spool(*spool, message.stored.size_bytes),
        },
    }
}

/// Addresses of `From` that are looked at; nobody has more.
const MOST_FROM: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn added_fields_stand_behind_our_trace() {
        let header = b"Received: a\r\n b\r\nRECEIVED: c\r\nSubject: x\r\nReceived: d\r\n\r\n";
        assert_eq!(behind_trace(header), 30);
        assert_eq!(behind_trace(b"Received: a\r\n\r\n"), 13);
        assert_eq!(behind_trace(b"\r\n"), 0);
        assert_eq!(behind_trace(b"no header"), 0);
    }

    #[test]
    fn a_text_without_header_stays_the_body() {
        let add = |header: &str| {
            let (front, cut) = with_added(header.as_bytes(), b"Date: d\r\n");
            (String::from_utf8(front).unwrap(), cut)
        };
        assert_eq!(add("A: b\r\n\r\n"), ("Date: d\r\n".to_owned(), 0));
        assert_eq!(
            add("Received: x\r\nA: b\r\n\r\n"),
            ("Received: x\r\nDate: d\r\n".to_owned(), 13)
        );
        assert_eq!(add(""), ("Date: d\r\n\r\n".to_owned(), 0));
        assert_eq!(
            add("Received: x\r\nA: b\r\n"),
            ("Received: x\r\nDate: d\r\nA: b\r\n\r\n".to_owned(), 19)
        );
    }
}
