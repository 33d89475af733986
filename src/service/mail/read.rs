//! Reading: list windows, conversations, parts, the text to show.

use bytes::Bytes;
use futures_util::Stream;

use super::Mail;
use crate::error::{Refusal, StoreError};
use crate::format::mime::{self, Part};
use crate::model::{AccountId, EmailId, FolderId, ModSeq, ThreadId};
use crate::store::folder::FolderRow;
use crate::store::message::{EmailRow, MessageRow, Order, ThreadFilter, ThreadRow, Window};

/// Octets of a decoded text part that are shown; the rest is offered as "show all" (security.md 2, MIME).
pub const SHOWN_TEXT: usize = 2 << 20;
/// Messages of one conversation that a page opens.
pub const CONVERSATION: i64 = 200;
/// Raw octets of a part that may be decoded in memory at once; larger ones are refused for inline use.
const DECODED_PART: i64 = 64 << 20;

/// A window of a folder's conversation list.
#[derive(Debug, Clone)]
pub struct ThreadPage {
    /// The account's change number before the rows were read: what "everything in this folder" means.
    pub upto: ModSeq,
    /// The folder with its counters.
    pub folder: FolderRow,
    /// Conversations under the filter, where they were counted.
    pub total: Option<i64>,
    /// At most as many as were asked for, newest first.
    pub rows: Vec<ThreadRow>,
}

/// What a reader shows of one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownBody {
    /// HTML source, not cleaned yet.
    pub html: Option<String>,
    /// Plain text.
    pub text: Option<String>,
    /// The plain text is `format=flowed` (RFC 3676).
    pub is_flowed: bool,
    /// And its soft line ends leave no blank (`delsp=yes`).
    pub is_delsp: bool,
    /// Something was cut at the limit.
    pub is_cut: bool,
}

/// One decoded part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartBytes {
    /// Its description.
    pub part: Part,
    /// Its bytes, transfer encoding undone.
    pub bytes: Vec<u8>,
}

impl Mail {
    /// A window of a folder's conversations.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn list(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        order: Order,
        window: Window,
        limit: i64,
    ) -> Result<ThreadPage, Refusal> {
        let upto = self.store.modseq(account).await?;
        let (row, rows, total) = tokio::try_join!(
            self.store.folder(account, folder),
            self.store
                .thread_window_by(account, folder, filter, order, window, limit),
            self.count(account, folder, filter, upto),
        )?;
        Ok(ThreadPage {
            upto,
            folder: row.ok_or(Refusal::NoFolder)?,
            total: Some(total),
            rows,
        })
    }

    /// Counting 100,000 rows takes longer than the page. Read before the rows, `upto` never names a later state than was counted.
    async fn count(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        upto: ModSeq,
    ) -> Result<i64, StoreError> {
        let key = (account, folder, filter);
        if let Some((at, count)) = self.counts.get(&key).await
            && at == upto
        {
            return Ok(count);
        }
        let count = self.store.thread_count(account, folder, filter).await?;
        self.counts.insert(key, (upto, count)).await;
        Ok(count)
    }

    /// The same without counting the whole list: a further window of a page that knows how long it is.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`].
    pub async fn further(
        &self,
        account: AccountId,
        folder: FolderId,
        filter: ThreadFilter,
        order: Order,
        window: Window,
        limit: i64,
    ) -> Result<ThreadPage, Refusal> {
        let upto = self.store.modseq(account).await?;
        let (row, rows) = tokio::try_join!(
            self.store.folder(account, folder),
            self.store
                .thread_window_by(account, folder, filter, order, window, limit),
        )?;
        Ok(ThreadPage {
            upto,
            folder: row.ok_or(Refusal::NoFolder)?,
            total: None,
            rows,
        })
    }

    /// What fills the account.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the account is gone.
    pub async fn usage(&self, account: AccountId) -> Result<crate::store::account::Usage, Refusal> {
        self.store.usage(account).await?.ok_or(Refusal::NotFound)
    }

    /// The messages of a conversation, oldest first, wherever they lie.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn conversation(
        &self,
        account: AccountId,
        thread: ThreadId,
    ) -> Result<Vec<MessageRow>, Refusal> {
        let rows = self
            .store
            .thread_messages(account, thread, CONVERSATION)
            .await?;
        if rows.is_empty() {
            return Err(Refusal::NoMessage);
        }
        Ok(rows)
    }

    /// The facts of one message.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn email(&self, account: AccountId, email: EmailId) -> Result<EmailRow, Refusal> {
        self.store
            .email(account, email)
            .await?
            .ok_or(Refusal::NoMessage)
    }

    /// The part index of a message.
    ///
    /// # Errors
    /// [`Refusal::Internal`] when the stored index cannot be read.
    pub fn parts(row: &serde_json::Value) -> Result<Vec<Part>, Refusal> {
        serde_json::from_value(row.clone()).map_err(|_| Refusal::Internal("part index"))
    }

    /// What a reader shows: the HTML and the text of the message, decoded, each at most [`SHOWN_TEXT`] octets unless `whole`.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn shown_body(
        &self,
        account: AccountId,
        email: &EmailRow,
        whole: bool,
    ) -> Result<ShownBody, Refusal> {
        let parts = Self::parts(&email.parts)?;
        let limit = if whole { usize::MAX } else { SHOWN_TEXT };
        let mut shown = ShownBody {
            html: None,
            text: None,
            is_flowed: false,
            is_delsp: false,
            is_cut: false,
        };
        let html = mime::html_body(&parts);
        for part in html.iter().filter(|p| p.content_type == "text/html") {
            let text = self.decoded_text(account, email, part).await?;
            join(&mut shown.html, &text, limit, &mut shown.is_cut);
        }
        let wanted = if shown.html.is_some() {
            Vec::new()
        } else {
            mime::text_body(&parts)
        };
        for part in wanted {
            let text = self.decoded_text(account, email, part).await?;
            shown.is_flowed |= part.is_flowed;
            shown.is_delsp |= part.is_delsp;
            join(&mut shown.text, &text, limit, &mut shown.is_cut);
        }
        Ok(shown)
    }

    /// The plain text of a message for quoting: the text parts, or the HTML turned into text by the caller.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn plain_body(
        &self,
        account: AccountId,
        email: &EmailRow,
    ) -> Result<Option<String>, Refusal> {
        let parts = Self::parts(&email.parts)?;
        let mut out = None;
        let mut is_cut = false;
        for part in mime::text_body(&parts)
            .into_iter()
            .filter(|p| p.content_type == "text/plain")
        {
            let text = self.decoded_text(account, email, part).await?;
            join(&mut out, &text, SHOWN_TEXT, &mut is_cut);
        }
        Ok(out)
    }

    /// One part by its section number (RFC 9051 6.4.5.1), decoded, within the byte budget.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`] when the message or the part is not there, [`Refusal::TooLarge`].
    pub async fn part(
        &self,
        account: AccountId,
        email: EmailId,
        section: &str,
    ) -> Result<PartBytes, Refusal> {
        let row = self.email(account, email).await?;
        let parts = Self::parts(&row.parts)?;
        let part = mime::part::find(&parts, section)
            .ok_or(Refusal::NoMessage)?
            .clone();
        let raw = self.raw_part(account, &row, &part).await?;
        let bytes = mime::decode_part(&raw, &part);
        Ok(PartBytes { part, bytes })
    }

    /// The part a `cid:` address names (RFC 2392).
    ///
    /// # Errors
    /// [`Refusal::NoMessage`].
    pub async fn message_bytes(
        &self,
        account: AccountId,
        email: &EmailRow,
    ) -> Result<Vec<u8>, Refusal> {
        let _permit = self
            .budget
            .acquire_many(self.units(usize::try_from(email.size_bytes).unwrap_or(usize::MAX)))
            .await
            .map_err(|_| Refusal::Internal("the byte budget is closed"))?;
        Ok(self.store.body_whole(account, email.body_id).await?)
    }

    /// The header block of a message, at most as much of it as is kept.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn header_block(
        &self,
        account: AccountId,
        email: &EmailRow,
    ) -> Result<Vec<u8>, Refusal> {
        let parts = Self::parts(&email.parts)?;
        let end = parts.first().map_or(0, |p| p.body_start);
        let len = i64::try_from(end.min(self.config.smtp.header_block)).unwrap_or(0);
        Ok(self
            .store
            .body_range(account, email.body_id, 0, len)
            .await?)
    }

    /// The whole message as a stream of chunks, as it was stored.
    pub fn raw_stream(
        &self,
        account: AccountId,
        email: &EmailRow,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
        self.store.body_stream(account, email.body_id)
    }

    async fn decoded_text(
        &self,
        account: AccountId,
        email: &EmailRow,
        part: &Part,
    ) -> Result<String, Refusal> {
        let raw = self.raw_part(account, email, part).await?;
        Ok(mime::part_text(&raw, part))
    }

    async fn raw_part(
        &self,
        account: AccountId,
        email: &EmailRow,
        part: &Part,
    ) -> Result<Vec<u8>, Refusal> {
        let from = i64::try_from(part.body_start).map_err(|_| Refusal::Internal("offset"))?;
        let len = i64::try_from(part.encoded_size()).map_err(|_| Refusal::Internal("offset"))?;
        if len > DECODED_PART {
            return Err(Refusal::TooLarge {
                limit_bytes: u64::try_from(DECODED_PART).unwrap_or(u64::MAX),
            });
        }
        let _permit = self
            .budget
            .acquire_many(self.units(usize::try_from(len).unwrap_or(usize::MAX)))
            .await
            .map_err(|_| Refusal::Internal("the byte budget is closed"))?;
        Ok(self
            .store
            .body_range(account, email.body_id, from, len)
            .await?)
    }
}

fn join(all: &mut Option<String>, text: &str, limit: usize, is_cut: &mut bool) {
    let all = all.get_or_insert_with(String::new);
    let room = limit.saturating_sub(all.len());
    let cut = if text.len() > room {
        *is_cut = true;
        text.get(..text.floor_char_boundary(room))
            .unwrap_or_default()
    } else {
        text
    };
    if !all.is_empty() && !cut.is_empty() {
        all.push('\n');
    }
    all.push_str(cut);
}
