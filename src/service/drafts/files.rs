//! Files of a draft: streamed in before they belong to anybody, then taken into the account's bodies.
//!
//! What lies in drafts is outside the quota, so it is bounded by itself: all drafts of an account together hold at most
//! what the quota still has room for, but always one whole message, because sending works while the mailbox is full.

use bytes::{Bytes, BytesMut};
use rand::RngExt;
use ring::digest::{Context, SHA256, digest};
use serde_json::json;

use super::{Drafts, Memory, parts_of};
use crate::error::Refusal;
use crate::format::html::{SafeType, safe_filename, sniff};
use crate::format::mime::{self, Part};
use crate::model::{AccountId, Charge, DraftId, DraftPartId, EmailId, SpoolId};
use crate::store::Store;
use crate::store::body::{CHUNK_BYTES, Place, Stored};
use crate::store::draft::{DraftChange, DraftPartRow, NewPart};
use crate::store::message::EmailRow;

/// A file on its way in.
pub struct Upload {
    store: Store,
    name: String,
    content_type: String,
    buffer: BytesMut,
    head: Vec<u8>,
    spool: Option<SpoolId>,
    chunks: i32,
    size_bytes: u64,
    max_bytes: u64,
    hash: Context,
}

/// A file of the message that a draft is about.
#[derive(Debug)]
pub(super) struct Taken {
    pub section: String,
    pub name: String,
    pub content_type: String,
    pub content_id: Option<String>,
    pub stored: Stored,
}

/// One file, to be served.
#[derive(Debug)]
pub struct FileBytes {
    /// Its description.
    pub part: DraftPartRow,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`], [`Refusal::Unavailable`], [`Refusal::StorageFull`].
    pub async fn push(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        self.size_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.size_bytes > self.max_bytes {
            return Err(Refusal::TooLarge {
                limit_bytes: self.max_bytes,
            });
        }
        self.hash.update(bytes);
        if self.head.len() < HEAD {
            let now = bytes.len().min(HEAD - self.head.len());
            self.head
                .extend_from_slice(bytes.get(..now).unwrap_or_default());
        }
        while !bytes.is_empty() {
            if self.buffer.len() == CHUNK_BYTES {
                self.flush().await?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Whether its first bytes are those of a picture that a text may show.
    #[must_use]
    pub fn is_picture(&self) -> bool {
        sniff(&self.head).is_some_and(SafeType::is_picture)
    }

    async fn flush(&mut self) -> Result<(), Refusal> {
        let spool = *self
            .spool
            .get_or_insert_with(|| SpoolId(rand::rng().random()));
        self.store
            .spool_push(spool, self.chunks, &self.buffer)
            .await?;
        self.chunks += 1;
        self.buffer.clear();
        Ok(())
    }

    async fn finish(&mut self) -> Result<Stored, Refusal> {
        let place = match self.spool {
            None => Place::Memory(self.buffer.split().freeze()),
            Some(spool) => {
                if !self.buffer.is_empty() {
                    self.flush().await?;
                }
                Place::Spool(spool)
            }
        };
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(self.hash.clone().finish().as_ref());
        Ok(Stored {
            size_bytes: i64::try_from(self.size_bytes).map_err(|_| Refusal::Internal("size"))?,
            sha256,
            place,
        })
    }
}

impl Drop for Upload {
    /// What was taken over or broken off leaves nothing in the spool; what this misses, the sweep finds.
    fn drop(&mut self) {
        if let (Some(spool), Ok(runtime)) =
            (self.spool.take(), tokio::runtime::Handle::try_current())
        {
            let store = self.store.clone();
            runtime.spawn(async move {
                if let Err(e) = store.spool_drop(spool).await {
                    tracing::debug!(error = %e, "a spool stays for the sweep");
                }
            });
        }
    }
}

impl Drafts<'_> {
    /// Begins to take a file.
    #[must_use]
    pub fn upload(&self, name: &str, content_type: &str) -> Upload {
        Upload {
            store: self.app.store().clone(),
            name: safe_filename(name),
            content_type: content_type.to_owned(),
            buffer: BytesMut::new(),
            head: Vec::new(),
            spool: None,
            chunks: 0,
            size_bytes: 0,
            max_bytes: self.app.config.smtp.message_size,
            hash: Context::new(&SHA256),
        }
    }

    /// Adds a file to a draft, making the draft when this is its beginning.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] when the message would be, [`Refusal::OverQuota`] beyond what drafts may hold,
    /// [`Refusal::Invalid`] (`picture`) for a picture in the text that is none, [`Refusal::NotFound`] when the draft was sent
    /// or discarded.
    pub async fn add_file(
        &self,
        account: AccountId,
        id: DraftId,
        mut upload: Upload,
        is_inline: bool,
    ) -> Result<DraftPartRow, Refusal> {
        if is_inline && !upload.is_picture() {
            return Err(Refusal::Invalid("picture"));
        }
        let there = self.app.store().draft_row(account, id).await?;
        if there.is_none() {
            self.room_for_one(account).await?;
        }
        let stored = upload.finish().await?;
        self.room_for_file(account, id, stored.size_bytes).await?;
        let content_id = is_inline.then(|| self.message_id(""));
        let mut draft = self.app.store().draft().await?;
        let body = draft.put_body(account, &stored).await?;
        let mut write = draft.lock(account, Charge::NONE).await?;
        match write.draft_row(id).await? {
            Some(row) if row.state != "open" => return Err(Refusal::NotFound),
            Some(_) => {}
            None => {
                let empty = json!({});
                let change = DraftChange {
                    rev: 0,
                    state: "open",
                    content: &empty,
                    answers: None,
                    queue_id: None,
                };
                write.put_draft(id, &change).await?;
            }
        }
        let new = NewPart {
            body,
            name: &upload.name,
            content_type: &upload.content_type,
            content_id: content_id.as_deref(),
        };
        let part_id = write.add_part(id, &new).await?;
        self.app.changes.wake(write.commit().await?);
        Ok(DraftPartRow {
            part_id,
            body_id: body.id,
            name: upload.name.clone(),
            content_type: upload.content_type.clone(),
            size_bytes: stored.size_bytes,
            content_id,
        })
    }

    /// Takes a file out of a draft: by its number, or by the section it had in the message the draft is about (`s1.2`).
    /// What is not there any more is out already.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] without such a draft.
    pub async fn remove_file(
        &self,
        account: AccountId,
        id: DraftId,
        key: &str,
    ) -> Result<(), Refusal> {
        let row = match self.row(account, id).await {
            Ok(row) => row,
            // Nothing was saved yet: the page has only to forget it.
            Err(Refusal::NotFound) if key.starts_with('s') => return Ok(()),
            Err(e) => return Err(e),
        };
        let part = match key.strip_prefix('s') {
            Some(section) => Memory::of(&row).sections.get(section).copied(),
            None => key.parse().ok().map(DraftPartId),
        };
        let Some(part) = part else { return Ok(()) };
        let mut write = self
            .app
            .store()
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        if write.remove_part(id, part).await? {
            self.app.changes.wake(write.commit().await?);
        } else {
            write.abandon().await?;
        }
        Ok(())
    }

    /// The files of a draft.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn files(
        &self,
        account: AccountId,
        id: DraftId,
    ) -> Result<Vec<DraftPartRow>, Refusal> {
        Ok(self.app.store().draft_parts(account, id).await?)
    }

    /// One file of a draft.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn file(
        &self,
        account: AccountId,
        id: DraftId,
        part: DraftPartId,
    ) -> Result<FileBytes, Refusal> {
        let part = self
            .files(account, id)
            .await?
            .into_iter()
            .find(|row| row.part_id == part)
            .ok_or(Refusal::NotFound)?;
        let bytes = self.app.store().body_whole(account, part.body_id).await?;
        Ok(FileBytes { part, bytes })
    }

    async fn room_for_file(
        &self,
        account: AccountId,
        id: DraftId,
        size_bytes: i64,
    ) -> Result<(), Refusal> {
        let limit_bytes = self.app.config.smtp.message_size;
        let limit = i64::try_from(limit_bytes).unwrap_or(i64::MAX);
        let here: i64 = self
            .files(account, id)
            .await?
            .iter()
            .map(|part| part.size_bytes)
            .sum();
        // Base64 in lines makes 78 octets of 57.
        if (here + size_bytes).saturating_mul(78) / 57 > limit {
            return Err(Refusal::TooLarge { limit_bytes });
        }
        let (all, _) = self.app.store().draft_bytes(account).await?;
        let usage = self.app.mail.usage(account).await?;
        let free = usage.quota_bytes - usage.used_bytes;
        if all + size_bytes > free.max(limit) {
            return Err(Refusal::OverQuota {
                limit_bytes: usage.quota_bytes,
            });
        }
        Ok(())
    }

    /// A file of another message, decoded.
    pub(super) async fn take_section(
        &self,
        account: AccountId,
        email: EmailId,
        section: &str,
    ) -> Result<Taken, Refusal> {
        let found = self.app.mail.part(account, email, section).await?;
        let bytes = Bytes::from(found.bytes);
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &bytes).as_ref());
        let part = found.part;
        let content_type = match part.charset.as_deref().filter(|_| part.is_text()) {
            Some(charset) => format!("{}; charset={charset}", part.content_type),
            None => part.content_type.clone(),
        };
        Ok(Taken {
            section: section.to_owned(),
            name: shown_name(&part),
            content_type,
            content_id: part.content_id.clone().filter(|_| part.is_inline),
            stored: Stored {
                size_bytes: i64::try_from(bytes.len()).map_err(|_| Refusal::Internal("size"))?,
                sha256,
                place: Place::Memory(bytes),
            },
        })
    }
}

/// The sections of a message that go along: its attachments, and the pictures its text shows.
pub(super) fn sections(row: &EmailRow, with_attachments: bool) -> Result<Vec<Part>, Refusal> {
    let parts = parts_of(row)?;
    let mut out: Vec<Part> = Vec::new();
    if with_attachments {
        out.extend(mime::attachments(&parts).into_iter().cloned());
    }
    let pictures = parts
        .iter()
        .filter(|part| part.is_inline && part.content_id.is_some() && part.in_message.is_none());
    for part in pictures {
        if out.iter().all(|have| have.section != part.section) {
            out.push(part.clone());
        }
    }
    Ok(out)
}

/// The name of a file in a message; one without a name gets one that opens.
pub(super) fn shown_name(part: &Part) -> String {
    match &part.name {
        Some(name) => safe_filename(name),
        None if part.is_message() => "message.eml".to_owned(),
        None => {
            let extension = match part.content_type.as_str() {
                "text/plain" => "txt",
                "text/html" => "html",
                "text/calendar" => "ics",
                "image/jpeg" => "jpg",
                "image/png" => "png",
                "image/gif" => "gif",
                "application/pdf" => "pdf",
                _ => "bin",
            };
            format!("part-{}.{extension}", part.section)
        }
    }
}

/// First bytes a type is told by.
const HEAD: usize = 64;
