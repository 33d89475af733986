//! Sending is one commit: the queue's copy of the bytes, the copy in Sent, the end of the copy in Drafts, the mark on what
//! was answered (DESIGN.md 4). Taking it back is one commit, too.
//!
//! The draft's id is the queue's client id, so a retry after a lost answer sends nothing twice. While the draft waits for
//! its hold to end nobody needs a browser: the queue's worker sends it.

use std::time::Duration;

use chrono::NaiveDateTime;
use time::OffsetDateTime;

use super::message::People;
use super::{Content, Drafts, Fields, Kind, Memory, Room};
use crate::error::Refusal;
use crate::format::address::{Address, Mailbox};
use crate::format::mime;
use crate::model::{AccountId, Charge, DraftId, EmailId, Flags, FolderId, QueueId, SpecialUse};
use crate::store::Write;
use crate::store::body::Place;
use crate::store::draft::{DraftChange, DraftRow};
use crate::store::mail::{FlagEdit, Placement, Target};
use crate::store::queue::{Content as Bytes, NewOutbound, Source};

/// A message in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The message.
    pub queue_id: QueueId,
    /// Seconds until the first try.
    pub hold_seconds: u32,
    /// Takes it back, as long as it has not left.
    pub undo: Option<String>,
    /// A copy lies in Sent; false: there was no room.
    pub is_kept: bool,
    /// It leaves then.
    pub later: Option<OffsetDateTime>,
}

/// When a message shall leave.
enum Later {
    Now,
    At(OffsetDateTime),
    /// No such time, or one that is over or too far away.
    Never,
}

/// The farthest time at which a message can be asked to leave.
const LATEST: time::Duration = time::Duration::days(366);

/// What became of a sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It will be sent, now or before.
    Sent(Sent),
    /// It cannot be sent as it is; the text is kept under this id and revision.
    Wrong {
        /// The draft.
        id: DraftId,
        /// Its revision.
        rev: i64,
        /// What is wrong.
        wrong: Vec<Wrong>,
    },
}

/// One thing that keeps a message from being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The field.
    pub field: &'static str,
    /// The key of the sentence.
    pub key: &'static str,
    /// What it is about: the text that is no address.
    pub what: String,
}

impl Drafts<'_> {
    /// Sends what was written.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the draft was discarded or never was; [`Refusal::TooLarge`]; [`Refusal::TooMany`] beyond the
    /// sending limits.
    pub async fn send(
        &self,
        account: AccountId,
        id: DraftId,
        fields: &Fields,
    ) -> Result<Outcome, Refusal> {
        if let Some(sent) = self.sent_already(account, id).await? {
            return Ok(Outcome::Sent(sent));
        }
        let saved = self.store_fields(account, id, fields).await?;
        let id = saved.id;
        let row = self.row(account, id).await?;
        let content = Content::read(&row.content);
        let people = People::of(&content);
        let mut wrong = self.wrong(account, &content, &people).await?;
        let later = match self.later(account, &content.send_at).await? {
            Later::At(at) => Some(at),
            Later::Now => None,
            Later::Never => {
                wrong.push(Wrong {
                    field: "send_at",
                    key: "compose-bad-time",
                    what: content.send_at.clone(),
                });
                None
            }
        };
        if !wrong.is_empty() {
            let rev = saved.rev;
            return Ok(Outcome::Wrong { id, rev, wrong });
        }
        let hold_seconds = self.app.accounts.preferences(account).await?.undo_seconds;
        let done = self
            .commit_send(account, &row, &content, &people, hold_seconds, later)
            .await?;
        let Some((queue_id, is_kept)) = done else {
            // A second request of the same sending was faster.
            return match self.sent_already(account, id).await? {
                Some(sent) => Ok(Outcome::Sent(sent)),
                None => Err(Refusal::Stale),
            };
        };
        self.app.outgoing.wake();
        let undo = match hold_seconds {
            0 if later.is_none() => None,
            _ => Some(self.remember(account, id).await?),
        };
        tracing::info!(
            account = account.0,
            queue_id = queue_id.0,
            protocol = "web",
            is_kept,
            "mail sent from the browser"
        );
        Ok(Outcome::Sent(Sent {
            queue_id,
            hold_seconds,
            undo,
            is_kept,
            later,
        }))
    }

    /// What is meant by a time on the writer's clock. An hour that does not exist in spring is the one after it.
    async fn later(&self, account: AccountId, text: &str) -> Result<Later, Refusal> {
        if text.trim().is_empty() {
            return Ok(Later::Now);
        }
        let zone = self.app.accounts.account(account).await?.time_zone;
        let zone: chrono_tz::Tz = zone.parse().unwrap_or(chrono_tz::Europe::Berlin);
        let Ok(local) = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%dT%H:%M") else {
            return Ok(Later::Never);
        };
        let at = local
            .and_local_timezone(zone)
            .earliest()
            .or_else(|| {
                (local + chrono::TimeDelta::hours(1))
                    .and_local_timezone(zone)
                    .earliest()
            })
            .and_then(|at| OffsetDateTime::from_unix_timestamp(at.timestamp()).ok());
        let now = OffsetDateTime::now_utc();
        Ok(match at {
            Some(at) if at > now && at - now <= LATEST => Later::At(at),
            _ => Later::Never,
        })
    }

    /// The sending that this draft had already, when its answer was lost.
    async fn sent_already(&self, account: AccountId, id: DraftId) -> Result<Option<Sent>, Refusal> {
        let row = self.app.store().draft_row(account, id).await?;
        if row.as_ref().is_some_and(|row| row.state == "open") {
            return Ok(None);
        }
        let known = self
            .app
            .store()
            .sent_before(account, &client_id(id))
            .await?;
        let Some(queue_id) = known else {
            return Ok(None);
        };
        let undo = match &row {
            Some(row) if row.state == "sending" => Some(self.remember(account, id).await?),
            _ => None,
        };
        Ok(Some(Sent {
            queue_id,
            hold_seconds: 0,
            undo,
            is_kept: row.is_none_or(|row| Memory::of(&row).sent.is_some()),
            later: None,
        }))
    }

    /// What keeps the message from being sent.
    async fn wrong(
        &self,
        account: AccountId,
        content: &Content,
        people: &People,
    ) -> Result<Vec<Wrong>, Refusal> {
        let mut wrong: Vec<Wrong> = people
            .bad
            .iter()
            .map(|(field, text)| Wrong {
                field,
                key: "compose-bad-address",
                what: text.clone(),
            })
            .collect();
        let count = people.all().count();
        let about = |field, key| Wrong {
            field,
            key,
            what: String::new(),
        };
        if count == 0 && wrong.is_empty() {
            wrong.push(about("to", "compose-no-recipient"));
        }
        if count > self.app.config.submission.recipients {
            wrong.push(about("to", "compose-too-many-recipients"));
        }
        if self.sender(account, content).await?.is_none() {
            wrong.push(about("from", "compose-foreign-sender"));
        }
        Ok(wrong)
    }

    /// The one commit. None: the draft is not open any more.
    #[expect(clippy::too_many_lines, reason = "one commit, read whole")]
    async fn commit_send(
        &self,
        account: AccountId,
        row: &DraftRow,
        content: &Content,
        people: &People,
        hold_seconds: u32,
        later: Option<OffsetDateTime>,
    ) -> Result<Option<(QueueId, bool)>, Refusal> {
        let now = OffsetDateTime::now_utc();
        let hold = match later {
            Some(at) => Duration::try_from(at - now).unwrap_or_default(),
            None => Duration::from_secs(hold_seconds.into()),
        };
        let id = row.draft_id;
        let mut memory = Memory::of(row);
        let parts = self.app.store().draft_parts(account, id).await?;
        let sender = self
            .sender(account, content)
            .await?
            .and_then(|identity| Address::parse(&identity.address).ok())
            .ok_or(Refusal::NotAllowed)?;
        let addresses: Vec<Address> = people.all().filter_map(|m| m.smtp_address().ok()).collect();
        let recipients = self.app.outgoing.recipients(&addresses);
        let envelope = Address::from_parts(sender.local(), &sender.domain_ascii())
            .map_or_else(|_| sender.to_string(), |a| a.to_string());
        let collects = self
            .app
            .accounts
            .preferences(account)
            .await?
            .collect_addresses;
        let places = match memory.origin {
            Some((Kind::Reply | Kind::Forward, email)) => {
                self.app.store().places_of_emails(account, &[email]).await?
            }
            _ => Vec::new(),
        };
        let date = later.unwrap_or(now);
        let built = self.build(account, content, &memory, &parts, date).await?;
        let stored = &built.received.stored;
        let bytes = Bytes {
            head: &built.sent_head,
            skip: i64::try_from(built.head_len).map_err(|_| Refusal::Internal("header"))?,
            rest: match &stored.place {
                Place::Memory(bytes) => Source::Memory(bytes),
                Place::Spool(spool) => Source::Spool(*spool, stored.size_bytes),
            },
        };
        let key = client_id(id);
        let usual = self.app.outgoing.outbound(&envelope, bytes, &recipients);
        let outbound = NewOutbound {
            client_id: Some(&key),
            draft: Some(id),
            needs_utf8: usual.needs_utf8 || !built.sent_head.is_ascii(),
            hold,
            ..usual
        };

        let mut draft = self.app.store().draft().await?;
        let body = draft.put_body(account, stored).await?;
        let mut write = draft.lock(account, Charge::NONE).await?;
        let now = write.draft_row(id).await?.filter(|now| now.state == "open");
        let Some(now) = now else {
            write.abandon().await?;
            return Ok(None);
        };
        let queued = write
            .enqueue(&outbound, Some(&self.app.outgoing.limits()))
            .await?;
        write.note_outbound(queued.queue_id).await?;
        let drafts = write.special_folder(SpecialUse::Drafts).await?;
        let mut thread = None;
        if let Some(uid) = now.saved_uid {
            thread = write.thread_at(drafts, uid).await?;
            write.expunge(drafts, &[uid.0], None).await?;
        }
        memory.sent = match write.charge(Charge::mail(body.size_bytes)).await {
            Ok(()) => {
                let placement = Placement {
                    target: Target::Special(SpecialUse::Sent),
                    flags: Flags::SEEN,
                    keywords: &[],
                    received_at: OffsetDateTime::now_utc(),
                    thread,
                };
                let added = write
                    .add_message(body, &built.received.email, &placement)
                    .await?;
                Some((added.folder_id, added.uid))
            }
            // Sending works while the mailbox is full; the copy is left out.
            Err(Refusal::OverQuota { .. }) => None,
            Err(e) => return Err(e),
        };
        memory.marked = mark_original(&mut write, &memory, &places).await?;
        if collects {
            let (names, known, texts) = known_people(people);
            write.note_written(&names, &known, &texts).await?;
        }
        let answers = memory.value()?;
        let change = DraftChange {
            rev: now.rev,
            state: "sending",
            content: &row.content,
            answers: Some(&answers),
            queue_id: Some(queued.queue_id),
        };
        write.put_draft(id, &change).await?;
        write.note_copy(id, None, 0).await?;
        let usage = write.usage();
        self.app.changes.wake(write.commit().await?);
        self.app.mail.look(account, usage);
        Ok(Some((queued.queue_id, memory.sent.is_some())))
    }

    /// Takes a sending or a discarding back: the draft is there again with everything, in Drafts, too.
    pub(in crate::service) async fn take_back(
        &self,
        account: AccountId,
        id: DraftId,
    ) -> Result<(), Refusal> {
        let mut write = self
            .app
            .store()
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.draft_row(id).await?.ok_or(Refusal::NotFound)?;
        if row.state == "open" {
            write.abandon().await?;
            return Ok(());
        }
        let mut memory = Memory::of(&row);
        let rev = row.rev + 1;
        let mut copy = None;
        if row.state == "sending" {
            if !write.cancel_outbound(id).await? {
                write.abandon().await?;
                return Err(Refusal::NotFound);
            }
            if let Some((folder, uid)) = memory.sent.take() {
                let drafts = write.special_folder(SpecialUse::Drafts).await?;
                let moved = write.move_messages(folder, &[uid.0], drafts).await?;
                if let Some(there) = moved.first() {
                    let edit = FlagEdit {
                        set: Flags::DRAFT,
                        ..FlagEdit::default()
                    };
                    write.set_flags(drafts, &[there.to_uid.0], &edit).await?;
                    copy = Some(there.to_uid);
                }
            }
            let edit = FlagEdit {
                clear: mark_of(&memory),
                ..FlagEdit::default()
            };
            for (folder, uids) in std::mem::take(&mut memory.marked) {
                write.set_flags(folder, &uids, &edit).await?;
            }
        }
        let answers = memory.value()?;
        let change = DraftChange {
            rev,
            state: "open",
            content: &row.content,
            answers: Some(&answers),
            queue_id: None,
        };
        write.put_draft(id, &change).await?;
        write
            .note_copy(id, copy, if copy.is_some() { rev } else { 0 })
            .await?;
        self.app.changes.wake(write.commit().await?);
        if copy.is_none() {
            // What was there a moment ago is not refused for want of room.
            self.renew(account, id, Room::NeverRefused).await?;
        }
        Ok(())
    }
}

/// The draft's key in the queue.
fn client_id(id: DraftId) -> String {
    format!("draft:{id}")
}

/// The flag that says what was done with the original.
fn mark_of(memory: &Memory) -> Flags {
    match memory.origin {
        Some((Kind::Reply, _)) => Flags::ANSWERED,
        Some((Kind::Forward, _)) => Flags::FORWARDED,
        Some((Kind::Edit, EmailId(_))) | None => Flags::NONE,
    }
}

/// Marks the original wherever it lies; where it was not marked before.
async fn mark_original(
    write: &mut Write,
    memory: &Memory,
    places: &[crate::store::message::PlaceRow],
) -> Result<Vec<(FolderId, Vec<i64>)>, Refusal> {
    let edit = FlagEdit {
        set: mark_of(memory),
        ..FlagEdit::default()
    };
    let mut marked = Vec::new();
    for place in places {
        let changed = write
            .set_flags(place.folder_id, &[place.uid.0], &edit)
            .await?;
        if !changed.is_empty() {
            let uids = changed.iter().map(|change| change.uid.0).collect();
            marked.push((place.folder_id, uids));
        }
    }
    Ok(marked)
}

/// Names, addresses and searched texts of the recipients, each address once.
fn known_people(people: &People) -> (Vec<String>, Vec<String>, Vec<String>) {
    let mut all: Vec<(String, String, String)> = Vec::new();
    for person in people.all() {
        let address = person.compare_form();
        if all.iter().any(|(_, have, _)| *have == address) {
            continue;
        }
        all.push((person.name.clone(), address, searched(person)));
    }
    let mut out = (Vec::new(), Vec::new(), Vec::new());
    for (name, address, text) in all {
        out.0.push(name);
        out.1.push(address);
        out.2.push(text);
    }
    out
}

/// A person as the address fields look for them: every word of name and address may be its beginning.
pub(crate) fn searched(person: &Mailbox) -> String {
    let address = person.address.to_lowercase();
    let words = address.replace(['.', '@', '_', '-', '+'], " ");
    format!("{} {address} {words}", mime::fold(&person.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_any_word() {
        let person = Mailbox {
            name: "Jörg Groß".to_owned(),
            address: "J.Gross@Bau.test".to_owned(),
        };
        assert_eq!(
            searched(&person),
            format!(
                "{} j.gross@bau.test j gross bau test",
                mime::fold("Jörg Groß")
            )
        );
    }
}
