//! Writing mail in a browser: a draft's life from the first word to the commit that sends it (ui.md 6.2 "Compose").
//!
//! ```text
//!            save (2 s after a change)          send: one commit
//!  open ──> open ──────────────────────> open ───────────────────> sending ──10 min──> gone
//!  (GET)      │ └─ copy in Drafts, renewed     <── undo ───────────┘
//!             │    on close and every minute
//!             └── discard ──> discarded ──10 min──> gone
//!                   <── undo ──┘
//! ```
//!
//! * [`open`]: what a compose page begins with: new, answer, forward, draft, a message lying in Drafts.
//! * [`files`]: files of a draft, streamed in.
//! * [`message`]: the message made from it; files stream through, one chunk held at a time.
//! * [`send`]: the commit, and taking it back.
//!
//! A draft row and its files are outside the quota; its copy in Drafts is inside it like any message. Revisions tell two
//! writers of one draft apart; saves of one and the same page follow each other, so a page that went away while saving
//! is no second writer.

pub mod files;
pub mod message;
pub mod open;
pub mod send;

pub(crate) use send::searched;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use self::files::Taken;
use super::App;
use crate::error::Refusal;
use crate::format::html::{CleanOptions, Purpose, clean};
use crate::format::mime::{self, head, reply};
use crate::model::{
    AccountId, Charge, DraftId, DraftPartId, EmailId, Flags, FolderId, QueueId, SpecialUse, Uid,
};
use crate::service::mail::Mail;
use crate::service::mail::deliver::Facts;
use crate::store::draft::{DraftChange, DraftPartRow, DraftRow, NewPart, PersonRow};
use crate::store::mail::{Placement, Target};
use crate::store::message::EmailRow;

/// The drafts of one node's services.
#[derive(Clone, Copy)]
pub struct Drafts<'a> {
    pub(in crate::service) app: &'a App,
}

impl App {
    /// Mail that is being written.
    #[must_use]
    pub fn drafts(&self) -> Drafts<'_> {
        Drafts { app: self }
    }
}

/// The fields of a message being written, as typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Content {
    /// The address it is written as.
    pub from: String,
    /// Recipients as typed.
    pub to: String,
    /// As typed.
    pub cc: String,
    /// As typed.
    pub bcc: String,
    /// The subject.
    pub subject: String,
    /// Plain text; counts unless `is_html`.
    pub text: String,
    /// Cleaned HTML as it would be sent: pictures are named by `cid:`.
    pub html: String,
    /// The HTML counts.
    pub is_html: bool,
    /// Marked as urgent.
    pub is_important: bool,
    /// Asks for a read receipt.
    pub wants_receipt: bool,
    /// When it shall leave, `2026-11-24T08:00` on the writer's clock; empty: at once.
    pub send_at: String,
    /// Which page wrote this: saves of one page follow each other.
    pub page: String,
    /// Without brackets; the same for every copy of this draft.
    pub message_id: String,
}

impl Content {
    fn read(stored: &Value) -> Self {
        Self::deserialize(stored).unwrap_or_default()
    }

    /// Nothing was written yet.
    fn is_blank(&self) -> bool {
        let all = [&self.to, &self.cc, &self.bcc, &self.subject];
        let has_text = if self.is_html {
            self.html.contains("<img")
                || !crate::format::html::html_to_text(&self.html)
                    .trim()
                    .is_empty()
        } else {
            !self.text.trim().is_empty()
        };
        !has_text && all.iter().all(|field| field.trim().is_empty())
    }

    /// What two saves are compared by.
    fn is_same_as(&self, other: &Self) -> bool {
        let bare = |c: &Self| Self {
            page: String::new(),
            message_id: String::new(),
            ..c.clone()
        };
        bare(self) == bare(other)
    }
}

/// What a new message has to do with one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// It answers it.
    Reply,
    /// It leads it on.
    Forward,
    /// It is that message, taken up from Drafts.
    Edit,
}

/// What a page sends to be kept.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    /// As typed; `html` is not cleaned yet.
    pub content: Content,
    /// The revision the page began with.
    pub rev: i64,
    /// What it answers.
    pub origin: Option<(Kind, EmailId)>,
    /// Sections of that message whose files belong to this one.
    pub keep: Vec<String>,
    /// The page goes away: the copy in Drafts is renewed now.
    pub leaves: bool,
}

/// What a draft remembers beside its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    origin: Option<(Kind, EmailId)>,
    in_reply_to: Vec<String>,
    references: Vec<String>,
    /// Files that came from the original, by their section there.
    sections: BTreeMap<String, DraftPartId>,
    /// The copy in Sent.
    sent: Option<(FolderId, Uid)>,
    /// Where the original was marked by the sending.
    marked: Vec<(FolderId, Vec<i64>)>,
}

impl Memory {
    fn of(row: &DraftRow) -> Self {
        row.answers
            .as_ref()
            .and_then(|stored| Self::deserialize(stored).ok())
            .unwrap_or_default()
    }

    fn value(&self) -> Result<Value, Refusal> {
        serde_json::to_value(self).map_err(|_| Refusal::Internal("draft memory"))
    }
}

/// What became of a saving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Under this id.
    pub id: DraftId,
    /// At this revision.
    pub rev: i64,
    /// Somebody else had changed the draft: both are kept, this one under the id above.
    pub is_fork: bool,
    /// The copy in Drafts could not be renewed for want of room.
    pub is_full: bool,
}

/// What an undo brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// Messages, where they were.
    Messages,
    /// A draft, to be opened again.
    Draft(DraftId),
}

/// How a draft's undo is remembered.
#[derive(Debug, Serialize, Deserialize)]
struct UndoDraft {
    #[serde(rename = "Draft")]
    draft: DraftId,
}

/// Whether the renewing of a copy may be refused for want of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Guarded,
    NeverRefused,
}

/// Seconds between two copies in Drafts while one writes.
const COPY_EVERY: time::Duration = time::Duration::seconds(60);
/// Seconds a sending or discarding can be taken back.
const UNDO_SECONDS: i32 = 60;
/// Drafts of one account at the same time.
const DRAFTS: i64 = 500;

impl Drafts<'_> {
    /// An id for a message about to be written.
    #[must_use]
    pub fn new_id() -> DraftId {
        // Exact in every script's numbers, and hard to guess.
        DraftId(rand::rng().random_range(1..(1 << 53)))
    }

    /// Keeps what was written. The first saving makes the draft.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the draft was sent or discarded meanwhile, or never was; [`Refusal::TooMany`] beyond the
    /// number of drafts; [`Refusal::TooLarge`] for a forwarded file that is too large.
    pub async fn save(
        &self,
        account: AccountId,
        id: DraftId,
        fields: &Fields,
    ) -> Result<Saved, Refusal> {
        let mut saved = self.store_fields(account, id, fields).await?;
        let row = self.row(account, saved.id).await?;
        let is_due = fields.leaves
            || row
                .saved_at
                .is_none_or(|at| OffsetDateTime::now_utc() - at >= COPY_EVERY);
        if is_due && row.saved_rev < row.rev {
            match self.renew(account, saved.id, Room::Guarded).await {
                Ok(()) => {}
                Err(Refusal::OverQuota { .. }) => saved.is_full = true,
                Err(e) => return Err(e),
            }
        }
        Ok(saved)
    }

    /// Throws a draft away; the token takes that back for a minute. What was never saved needs no throwing away.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn discard(
        &self,
        account: AccountId,
        id: DraftId,
    ) -> Result<Option<String>, Refusal> {
        let mut write = self
            .app
            .store()
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let Some(row) = write.draft_row(id).await?.filter(|row| row.state == "open") else {
            write.abandon().await?;
            return Ok(None);
        };
        if let Some(uid) = row.saved_uid {
            let drafts = write.special_folder(SpecialUse::Drafts).await?;
            write.expunge(drafts, &[uid.0], None).await?;
        }
        let change = DraftChange {
            rev: row.rev,
            state: "discarded",
            content: &row.content,
            answers: row.answers.as_ref(),
            queue_id: None,
        };
        write.put_draft(id, &change).await?;
        write.note_copy(id, None, 0).await?;
        self.app.changes.wake(write.commit().await?);
        self.remember(account, id).await.map(Some)
    }

    /// Keeps what was written, in one commit, without touching the copy in Drafts.
    async fn store_fields(
        &self,
        account: AccountId,
        id: DraftId,
        fields: &Fields,
    ) -> Result<Saved, Refusal> {
        let before = self.app.store().draft_row(account, id).await?;
        let is_first = before.as_ref().is_none_or(|row| row.answers.is_none());
        let parts = self.app.store().draft_parts(account, id).await?;
        let mut content = cleaned(fields.content.clone(), &parts).await?;
        let origin = if is_first {
            self.origin(account, fields).await?
        } else {
            None
        };
        let sender = self.sender(account, &content).await?;
        let sender = sender.map_or_else(String::new, |identity| identity.address);
        if before.is_none() {
            self.room_for_one(account).await?;
        }
        let mut draft = self.app.store().draft().await?;
        let mut taken = Vec::new();
        if let Some(origin) = &origin {
            for file in &origin.files {
                let body = draft.put_body(account, &file.stored).await?;
                taken.push((file, body));
            }
        }
        let mut write = draft.lock(account, Charge::NONE).await?;
        let row = write.draft_row(id).await?;
        let mut saved = Saved {
            id,
            rev: 1,
            is_fork: false,
            is_full: false,
        };
        let mut memory = Memory::default();
        match &row {
            None if fields.rev > 0 => return Err(Refusal::NotFound),
            Some(row) if row.state != "open" => return Err(Refusal::NotFound),
            None => {}
            Some(row) => {
                let old = Content::read(&row.content);
                memory = Memory::of(row);
                content.message_id.clone_from(&old.message_id);
                if row.rev != fields.rev && old.page != content.page {
                    saved.id = Self::new_id();
                    saved.is_fork = true;
                    content.message_id = String::new();
                } else if row.rev > 0 && old.is_same_as(&content) {
                    saved.rev = row.rev;
                    write.abandon().await?;
                    return Ok(saved);
                } else {
                    saved.rev = row.rev + 1;
                }
            }
        }
        if content.message_id.is_empty() {
            content.message_id = self.message_id(&sender);
        }
        let is_new_memory = row.as_ref().is_none_or(|row| row.answers.is_none());
        if let (Some(origin), true) = (&origin, is_new_memory) {
            memory = origin.memory.clone();
        }
        let value = serde_json::to_value(&content).map_err(|_| Refusal::Internal("draft"))?;
        let put = async |write: &mut crate::store::Write, memory: &Memory| {
            let answers = memory.value()?;
            let change = DraftChange {
                rev: saved.rev,
                state: "open",
                content: &value,
                answers: Some(&answers),
                queue_id: None,
            };
            write.put_draft(saved.id, &change).await
        };
        put(&mut write, &memory).await?;
        if saved.is_fork {
            write.copy_parts(id, saved.id).await?;
        }
        if is_new_memory && !taken.is_empty() {
            for (file, body) in taken {
                let part = NewPart {
                    body,
                    name: &file.name,
                    content_type: &file.content_type,
                    content_id: file.content_id.as_deref(),
                };
                let part = write.add_part(saved.id, &part).await?;
                memory.sections.insert(file.section.clone(), part);
            }
            put(&mut write, &memory).await?;
        }
        if let (Some(origin), true) = (&origin, is_new_memory)
            && let Some(uid) = origin.copy
        {
            write.note_copy(saved.id, Some(uid), 0).await?;
        }
        self.app.changes.wake(write.commit().await?);
        Ok(saved)
    }

    /// What the first saving of an answer takes from the message it answers.
    async fn origin(&self, account: AccountId, fields: &Fields) -> Result<Option<Origin>, Refusal> {
        let Some((kind, email)) = fields.origin else {
            return Ok(None);
        };
        let mut origin = Origin {
            memory: Memory {
                origin: Some((kind, email)),
                ..Memory::default()
            },
            files: Vec::new(),
            copy: None,
        };
        let row = match self.app.mail.email(account, email).await {
            Ok(row) => row,
            // It was deleted meanwhile; what was written about it is kept all the same.
            Err(Refusal::NoMessage) => return Ok(Some(origin)),
            Err(e) => return Err(e),
        };
        let (in_reply_to, references) = self.threading(account, &row).await?;
        match kind {
            Kind::Edit => {
                origin.memory.in_reply_to = in_reply_to;
                origin.memory.references = references;
                origin.copy = self.copy_in_drafts(account, email).await?;
            }
            Kind::Reply | Kind::Forward => {
                let facts = Facts::read(&row.facts);
                let original = original(&row, &facts, &in_reply_to);
                let thread = reply::thread_headers(&original);
                if kind == Kind::Reply {
                    origin.memory.in_reply_to = thread.in_reply_to;
                }
                origin.memory.references = thread.references;
            }
        }
        for section in fields.keep.iter().take(KEPT) {
            origin
                .files
                .push(self.take_section(account, email, section).await?);
        }
        Ok(Some(origin))
    }

    /// `In-Reply-To` and `References` of a message.
    async fn threading(
        &self,
        account: AccountId,
        row: &EmailRow,
    ) -> Result<(Vec<String>, Vec<String>), Refusal> {
        let header = self.app.mail.header_block(account, row).await?;
        let ids = head::values(&header, "in-reply-to")
            .iter()
            .flat_map(|value| value.split('<').skip(1))
            .filter_map(|rest| rest.split_once('>'))
            .map(|(id, _)| id.to_owned())
            .collect();
        Ok((ids, Facts::read(&row.facts).references))
    }

    /// Where a message lies in Drafts.
    async fn copy_in_drafts(
        &self,
        account: AccountId,
        email: EmailId,
    ) -> Result<Option<Uid>, Refusal> {
        let drafts = self
            .app
            .mail
            .special_folder(account, SpecialUse::Drafts)
            .await?;
        let places = self.app.store().places_of_emails(account, &[email]).await?;
        Ok(places
            .iter()
            .find(|place| place.folder_id == drafts)
            .map(|place| place.uid))
    }

    /// Puts the present text into Drafts in place of its earlier copy, in one commit.
    async fn renew(&self, account: AccountId, id: DraftId, room: Room) -> Result<(), Refusal> {
        let row = self.row(account, id).await?;
        let content = Content::read(&row.content);
        let parts = self.app.store().draft_parts(account, id).await?;
        if content.is_blank() && parts.is_empty() {
            return Ok(());
        }
        if room == Room::Guarded && row.saved_uid.is_none() {
            // Nothing leaves in exchange: what cannot fit need not be put together.
            let usage = self.app.mail.usage(account).await?;
            let files: i64 = parts.iter().map(|part| part.size_bytes).sum();
            if usage.used_bytes.saturating_add(files) >= usage.quota_bytes {
                return Err(Refusal::OverQuota {
                    limit_bytes: usage.quota_bytes,
                });
            }
        }
        let built = self
            .build(
                account,
                &content,
                &Memory::of(&row),
                &parts,
                OffsetDateTime::now_utc(),
            )
            .await?;
        let mut draft = self.app.store().draft().await?;
        let body = draft.put_body(account, &built.received.stored).await?;
        let charge = Charge::mail(body.size_bytes);
        let mut write = match room {
            Room::Guarded => draft.lock(account, Charge::NONE).await?,
            Room::NeverRefused => draft.lock_unguarded(account, charge).await?,
        };
        let Some(now) = write.draft_row(id).await? else {
            return Ok(write.abandon().await?);
        };
        if now.state != "open" || now.rev != row.rev || now.saved_rev >= now.rev {
            // Somebody was faster, or the next saving brings newer words.
            return Ok(write.abandon().await?);
        }
        let drafts = write.special_folder(SpecialUse::Drafts).await?;
        let mut thread = None;
        if let Some(uid) = now.saved_uid {
            thread = write.thread_at(drafts, uid).await?;
            write.expunge(drafts, &[uid.0], None).await?;
        }
        if room == Room::Guarded {
            write.charge(charge).await?;
        }
        let placement = Placement {
            target: Target::Folder(drafts),
            flags: Flags::SEEN.with(Flags::DRAFT),
            keywords: &[],
            received_at: OffsetDateTime::now_utc(),
            thread,
        };
        let added = write
            .add_message(body, &built.received.email, &placement)
            .await?;
        write.note_copy(id, Some(added.uid), now.rev).await?;
        let usage = write.usage();
        self.app.changes.wake(write.commit().await?);
        self.app.mail.look(account, usage);
        Ok(())
    }

    /// Whether the account may begin one more draft.
    async fn room_for_one(&self, account: AccountId) -> Result<(), Refusal> {
        let (_, count) = self.app.store().draft_bytes(account).await?;
        if count >= DRAFTS {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        Ok(())
    }

    /// An open draft.
    async fn row(&self, account: AccountId, id: DraftId) -> Result<DraftRow, Refusal> {
        self.app
            .store()
            .draft_row(account, id)
            .await?
            .filter(|row| row.state == "open")
            .ok_or(Refusal::NotFound)
    }

    /// A message id under the sender's domain.
    fn message_id(self, from: &str) -> String {
        let domain = from
            .rsplit_once('@')
            .map(|(_, domain)| domain)
            .and_then(crate::format::address::domain_to_ascii)
            .unwrap_or_else(|| self.app.config.server.hostname.clone());
        head::new_message_id(rand::rng().random(), &domain)
    }

    /// A token that takes the draft's last step back.
    async fn remember(&self, account: AccountId, id: DraftId) -> Result<String, Refusal> {
        let token = format!("{:032x}", rand::rng().random::<u128>());
        let action = json!(UndoDraft { draft: id });
        self.app
            .store()
            .put_undo(account, &token, &action, UNDO_SECONDS)
            .await?;
        Ok(token)
    }

    /// People the account may mean by `typed`, best first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn people(
        &self,
        account: AccountId,
        typed: &str,
        limit: i64,
    ) -> Result<Vec<PersonRow>, Refusal> {
        let words = mime::fold(
            typed
                .get(..typed.floor_char_boundary(200))
                .unwrap_or_default(),
        );
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let literal = words
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        let domain = self.app.accounts.account(account).await?.domain_id;
        Ok(self
            .app
            .store()
            .people(account, domain, &format!("% {literal}%"), limit)
            .await?)
    }

    /// Ends the time in which a message could be taken back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when it is not the account's, or on its way already.
    pub async fn send_now(&self, account: AccountId, message: QueueId) -> Result<(), Refusal> {
        if !self.app.store().send_now(account, message).await? {
            return Err(Refusal::NotFound);
        }
        self.app.outgoing.wake();
        Ok(())
    }
}

impl App {
    /// Takes the last action back: of messages, of a sending, of a discarding.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the token is unknown, used or too old, or the message is on its way.
    pub async fn undo(&self, account: AccountId, token: &str) -> Result<Undone, Refusal> {
        let action = self
            .store()
            .take_undo(account, token)
            .await?
            .ok_or(Refusal::NotFound)?;
        if let Ok(UndoDraft { draft }) = UndoDraft::deserialize(&action) {
            self.drafts().take_back(account, draft).await?;
            return Ok(Undone::Draft(draft));
        }
        self.mail.take_back(account, action).await?;
        Ok(Undone::Messages)
    }
}

/// Brings copies in Drafts up to date that a browser left behind, and drops drafts that came to their end.
pub async fn run(app: App, stop: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_mins(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        app.drafts().tidy().await;
    }
}

impl Drafts<'_> {
    /// One round of [`run`].
    pub async fn tidy(&self) {
        match self.app.store().drafts_behind(60, 100).await {
            Ok(behind) => {
                for (account, draft) in behind {
                    match self.renew(account, draft, Room::Guarded).await {
                        Ok(()) | Err(Refusal::OverQuota { .. } | Refusal::NotFound) => {}
                        Err(e) => {
                            tracing::warn!(account = account.0, error = %e, "a draft's copy is behind");
                        }
                    }
                }
            }
            Err(e) => tracing::debug!(error = %e, "drafts were not looked at"),
        }
        if let Err(e) = self.app.store().drafts_sweep().await {
            tracing::debug!(error = %e, "drafts were not swept");
        }
    }
}

/// What a first saving takes from the message it is about.
struct Origin {
    memory: Memory,
    files: Vec<Taken>,
    copy: Option<Uid>,
}

/// A stored message as the reply rules want it.
fn original<'a>(
    row: &'a EmailRow,
    facts: &'a Facts,
    in_reply_to: &'a [String],
) -> reply::Original<'a> {
    reply::Original {
        message_id: Some(row.message_id.as_str()).filter(|id| !id.is_empty()),
        in_reply_to,
        references: &facts.references,
        from: &facts.from,
        sender: &[],
        reply_to: &facts.reply_to,
        to: &facts.to,
        cc: &facts.cc,
        subject: &row.subject,
        list_post: facts.list_post.as_deref(),
    }
}

/// The fields as they are kept: the HTML as it would be sent, no control characters where there are no lines.
async fn cleaned(mut content: Content, parts: &[DraftPartRow]) -> Result<Content, Refusal> {
    for line in [&mut content.from, &mut content.subject, &mut content.page] {
        if line.contains(char::is_control) {
            *line = line.replace(char::is_control, " ");
        }
    }
    for long in [&mut content.subject, &mut content.page] {
        long.truncate(long.floor_char_boundary(LINE_BYTES));
    }
    content.text = content.text.replace("\r\n", "\n");
    content.message_id = String::new();
    if !content.is_html {
        content.html = String::new();
        return Ok(content);
    }
    let cids: Vec<(i64, String)> = parts
        .iter()
        .filter_map(|part| Some((part.part_id.0, part.content_id.clone()?)))
        .collect();
    let html = std::mem::take(&mut content.html);
    content.html = tokio::task::spawn_blocking(move || {
        let own = |address: &str| {
            let (_, number) = address.rsplit_once("/file/")?;
            let number: i64 = number.parse().ok()?;
            let (_, cid) = cids.iter().find(|(id, _)| *id == number)?;
            Some(format!("cid:{cid}"))
        };
        let options = CleanOptions {
            own: &own,
            max_bytes: usize::MAX,
            ..CleanOptions::new(Purpose::Send)
        };
        let done = clean(&html, &options);
        if done.too_complex {
            open::text_html(&crate::format::html::html_to_text(&html))
        } else {
            done.html
        }
    })
    .await
    .map_err(|_| Refusal::Internal("cleaning panicked"))?;
    content.text = String::new();
    Ok(content)
}

/// Octets of a one-line field.
const LINE_BYTES: usize = 4_000;
/// Files of an original that a forward takes along.
const KEPT: usize = 500;

/// The part index of a stored message.
fn parts_of(row: &EmailRow) -> Result<Vec<mime::Part>, Refusal> {
    Mail::parts(&row.parts)
}
