//! Putting a received message into accounts: one transaction each, 250 only after the last commit.
//!
//! On a partial failure the answer is temporary and the accounts already served are remembered by the hash of the data for a
//! day, so the sender's retry stores nothing twice (DESIGN.md 4).

use std::collections::HashSet;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::{Mail, Received};
use crate::error::Refusal;
use crate::format::address::Mailbox;
use crate::format::mime;
use crate::model::{AccountId, Charge, Flags, SpecialUse, ThreadId};
use crate::service::notices::Notice;
use crate::store::account::Locked;
use crate::store::mail::{Added, NewEmail, Placement, Target};

/// How a message arrives in an account.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which folder.
    pub target: Target,
    /// Flags it starts with.
    pub flags: Flags,
    /// Keywords it starts with.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
    /// Join this conversation whatever the headers say.
    pub thread: Option<ThreadId>,
    /// The program's own notices are charged but never refused for quota (security.md 9).
    pub never_refused: bool,
}

impl Arrival {
    /// New mail in the inbox, now.
    #[must_use]
    pub fn inbox() -> Self {
        Self::to(Target::Special(SpecialUse::Inbox), Flags::NONE)
    }

    /// A message in some folder with some flags, now.
    #[must_use]
    pub fn to(target: Target, flags: Flags) -> Self {
        Self {
            target,
            flags,
            keywords: Vec::new(),
            received_at: OffsetDateTime::now_utc(),
            thread: None,
            never_refused: false,
        }
    }
}

/// What became of one account.
#[derive(Debug)]
pub struct Delivered {
    /// Whose.
    pub account: AccountId,
    /// Where it lies; none when an earlier try with the same data had served this account.
    pub outcome: Result<Option<Added>, Refusal>,
}

impl Mail {
    /// Delivers to the inboxes of `accounts`, each in a transaction of its own, in ascending order of their ids.
    ///
    /// With several accounts each success is remembered, so that a retry after a partial failure skips it.
    pub async fn deliver(&self, message: &Received, accounts: &[AccountId]) -> Vec<Delivered> {
        let mut accounts = accounts.to_vec();
        accounts.sort_unstable();
        accounts.dedup();
        // A sender that tries again one mailbox was told nothing, and means it.
        let remembers = accounts.len() > 1;
        self.deliver_each(message, accounts, remembers).await
    }

    /// The same for a message whose `data_hash` names this one sending and no other: each account gets it once, however often
    /// and by how many at a time it is tried. What the outgoing queue delivers here (DESIGN.md, promise 1).
    pub async fn deliver_once(&self, message: &Received, accounts: &[AccountId]) -> Vec<Delivered> {
        let mut accounts = accounts.to_vec();
        accounts.sort_unstable();
        accounts.dedup();
        self.deliver_each(message, accounts, true).await
    }

    async fn deliver_each(
        &self,
        message: &Received,
        accounts: Vec<AccountId>,
        remembers: bool,
    ) -> Vec<Delivered> {
        let served: HashSet<AccountId> = if remembers {
            match self.store.delivered_to(&message.data_hash).await {
                Ok(served) => served.into_iter().collect(),
                Err(e) => {
                    // The same trouble would meet every account; the sender tries again.
                    tracing::error!(error = %e, "delivery: earlier recipients could not be read");
                    return accounts
                        .into_iter()
                        .map(|account| Delivered {
                            account,
                            outcome: Err(Refusal::Internal("storage")),
                        })
                        .collect();
                }
            }
        } else {
            HashSet::new()
        };
        let mut out = Vec::with_capacity(accounts.len());
        for account in accounts {
            let outcome = if served.contains(&account) {
                Ok(None)
            } else {
                let remember = remembers.then_some(message.data_hash.as_slice());
                self.put(account, message, &Arrival::inbox(), remember)
                    .await
            };
            out.push(Delivered { account, outcome });
        }
        out
    }

    /// Puts one message into one account.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`] (a notice mail tells the owner), [`Refusal::NoFolder`], [`Refusal::Unavailable`].
    pub async fn append(
        &self,
        account: AccountId,
        message: &Received,
        arrival: &Arrival,
    ) -> Result<Added, Refusal> {
        self.put(account, message, arrival, None)
            .await?
            .ok_or(Refusal::Internal("an append is never remembered"))
    }

    async fn put(
        &self,
        account: AccountId,
        message: &Received,
        arrival: &Arrival,
        remember: Option<&[u8]>,
    ) -> Result<Option<Added>, Refusal> {
        let placement = Placement {
            target: arrival.target,
            flags: arrival.flags,
            keywords: &arrival.keywords,
            received_at: arrival.received_at,
            thread: arrival.thread,
        };
        if remember.is_none()
            && let Some((added, usage, committed)) = self
                .store
                .add_alone(
                    account,
                    &message.stored,
                    &message.email,
                    &placement,
                    !arrival.never_refused,
                )
                .await?
        {
            self.hub.wake(committed);
            self.tell(account, arrival, usage);
            return Ok(Some(added));
        }
        let mut draft = self.store.draft().await?;
        let body = draft.put_body(account, &message.stored).await?;
        let charge = Charge::mail(body.size_bytes);
        let locked = if arrival.never_refused {
            draft.lock_unguarded(account, charge).await
        } else {
            draft.lock(account, charge).await
        };
        let mut write = match locked {
            Ok(write) => write,
            Err(refusal) => {
                if matches!(refusal, Refusal::OverQuota { .. }) {
                    self.notices.refused_for_quota(account);
                }
                return Err(refusal);
            }
        };
        let added = write.add_message(body, &message.email, &placement).await?;
        if let Some(hash) = remember
            && !write.note_delivery(hash).await?
        {
            // Two at a time: the other one's commit was first, and nothing of this one stays.
            return Ok(None);
        }
        let usage = write.usage();
        self.hub.wake(write.commit().await?);
        self.tell(account, arrival, usage);
        Ok(Some(added))
    }

    /// Tells the owner when mail has crossed a mark of the quota; the program's own notices do not ask for another.
    fn tell(&self, account: AccountId, arrival: &Arrival, usage: Locked) {
        if !arrival.never_refused {
            self.notices.look(Notice::after_write(account, usage));
        }
    }
}

/// What the rows of a message hold. Takes the large pieces out of `parsed`; its header facts stay.
pub(super) fn facts(parsed: &mut mime::Parsed) -> NewEmail {
    let from = parsed.from.first().cloned().unwrap_or_default();
    let shown: Vec<&str> = parsed
        .to
        .iter()
        .chain(&parsed.cc)
        .take(SHOWN_RECIPIENTS)
        .map(Mailbox::label)
        .collect();
    let mut participants: Vec<String> = parsed
        .from
        .iter()
        .chain(&parsed.to)
        .chain(&parsed.cc)
        .map(Mailbox::compare_form)
        .collect();
    participants.sort_unstable();
    participants.dedup();
    participants.truncate(PARTICIPANTS);
    let subject = parsed.base_subject.to_lowercase();
    let links = parsed
        .message_id
        .iter()
        .chain(parsed.in_reply_to.iter())
        .chain(parsed.references.iter().rev())
        .filter(|id| !id.is_empty())
        .map(|id| link_hash(id))
        .collect();
    NewEmail {
        message_id: parsed.message_id.clone().unwrap_or_default(),
        sent_at: parsed.sent_at,
        sender_name: from.name.clone(),
        sender_address: from.address.clone(),
        recipients: shown.join(", "),
        participants,
        subject: parsed.subject.clone(),
        subject_hash: (!subject.is_empty()).then(|| subject_hash(&subject)),
        is_reply: parsed.is_reply,
        preview: parsed.preview.clone(),
        has_attachment: parsed.has_attachment,
        envelope: std::mem::take(&mut parsed.envelope_wire),
        structure: std::mem::take(&mut parsed.structure_wire),
        parts: serde_json::to_value(&parsed.parts).unwrap_or_default(),
        facts: serde_json::to_value(Facts::of(parsed)).unwrap_or_default(),
        words: std::mem::take(&mut parsed.search.words),
        search_text: std::mem::take(&mut parsed.search.text),
        links,
        crlf_bytes: 0,
        header_text: String::new(),
        body_text: String::new(),
        sent_day: day_number(parsed.header_date.unwrap_or(parsed.sent_at).date()),
        is_text_cut: false,
    }
}

/// The rarer header facts of a message: what readers, replies and sorting-out ask for. Stored as JSON beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// All of `From`.
    pub from: Vec<Mailbox>,
    /// `Reply-To`.
    pub reply_to: Vec<Mailbox>,
    /// `To`.
    pub to: Vec<Mailbox>,
    /// `Cc`.
    pub cc: Vec<Mailbox>,
    /// `Bcc` of an own message.
    pub bcc: Vec<Mailbox>,
    /// `References`, oldest first.
    pub references: Vec<String>,
    /// `List-Id`.
    pub list_id: Option<String>,
    /// Where to write to the list.
    pub list_post: Option<String>,
    /// How to leave a list.
    pub list_unsubscribe: Option<mime::Unsubscribe>,
    /// First word of `Auto-Submitted`.
    pub auto_submitted: Option<String>,
    /// Urgent or not.
    pub importance: mime::Importance,
    /// Who asks for a read receipt.
    pub receipt_to: Vec<Mailbox>,
}

impl Facts {
    fn of(parsed: &mime::Parsed) -> Self {
        let some = |list: &[Mailbox]| list.iter().take(FACT_ADDRESSES).cloned().collect();
        Self {
            from: some(&parsed.from),
            reply_to: some(&parsed.reply_to),
            to: some(&parsed.to),
            cc: some(&parsed.cc),
            bcc: some(&parsed.bcc),
            references: parsed.references.clone(),
            list_id: parsed.list_id.clone(),
            list_post: parsed.list_post.clone(),
            list_unsubscribe: parsed.list_unsubscribe.clone(),
            auto_submitted: parsed.auto_submitted.clone(),
            importance: parsed.importance,
            receipt_to: some(&parsed.disposition_notification_to),
        }
    }

    /// Reads them back from a row.
    #[must_use]
    pub fn read(stored: &serde_json::Value) -> Self {
        Self::deserialize(stored).unwrap_or_default()
    }
}

/// Days since 1970-01-01.
pub(in crate::service) fn day_number(day: Date) -> i32 {
    day.to_julian_day() - OffsetDateTime::UNIX_EPOCH.date().to_julian_day()
}

/// The key of a Message-ID in `thread_link`: the first 16 octets of its SHA-256.
fn link_hash(message_id: &str) -> Vec<u8> {
    let mut hash = digest(&SHA256, message_id.as_bytes()).as_ref().to_vec();
    hash.truncate(16);
    hash
}

/// The key of a folded base subject.
fn subject_hash(subject: &str) -> i64 {
    let hash = digest(&SHA256, subject.as_bytes());
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(hash.as_ref()) {
        *to = *from;
    }
    i64::from_be_bytes(first)
}

/// Recipients whose names a list row keeps.
const SHOWN_RECIPIENTS: usize = 12;
/// Addresses that take part in the subject rule.
const PARTICIPANTS: usize = 200;
/// Addresses of one header kept for display; the raw message has the rest.
const FACT_ADDRESSES: usize = 200;
