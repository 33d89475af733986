//! The message made from a draft.
//!
//! The MIME writer is given a short mark in place of each file; the marks' lines are then replaced by the files as they
//! stream out of the database. So a message of 50 MB is put together one chunk at a time.

use futures_util::TryStreamExt;
use rand::RngExt;
use time::OffsetDateTime;

use super::{Content, Drafts, Kind, Memory};
use crate::error::Refusal;
use crate::format::address::{Address, Mailbox, parse_typed};
use crate::format::html::html_to_text;
use crate::format::mime::{File, Outgoing, codec, head};
use crate::model::{AccountId, BodyId};
use crate::service::mail::{Incoming, Received};
use crate::store::draft::DraftPartRow;
use crate::store::preference::IdentityRow;

/// A finished message, stored but nobody's yet.
pub(super) struct Built {
    /// With `Bcc`: the copy in Drafts and in Sent.
    pub received: Received,
    /// Octets of its header block.
    pub head_len: usize,
    /// The header block of what leaves: without `Bcc`.
    pub sent_head: Vec<u8>,
}

/// The recipients of a message, read from its fields.
#[derive(Debug, Default)]
pub(super) struct People {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    /// The field and the text that is no address.
    pub bad: Vec<(&'static str, String)>,
}

impl People {
    pub fn of(content: &Content) -> Self {
        let mut people = Self::default();
        let fields = [
            ("to", &content.to, &mut people.to),
            ("cc", &content.cc, &mut people.cc),
            ("bcc", &content.bcc, &mut people.bcc),
        ];
        for (field, text, into) in fields {
            let typed = parse_typed(text);
            *into = typed.mailboxes;
            people
                .bad
                .extend(typed.bad.into_iter().map(|(text, _)| (field, text)));
        }
        people
    }

    pub fn all(&self) -> impl Iterator<Item = &Mailbox> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// A file whose line in the message is still a mark.
struct Marked {
    mark: String,
    body: BodyId,
}

impl Drafts<'_> {
    /// Who a message is written as: the identity of its address, or the default one.
    pub(super) async fn sender(
        &self,
        account: AccountId,
        content: &Content,
    ) -> Result<Option<IdentityRow>, Refusal> {
        let identities = self.app.accounts.identities(account).await?;
        if content.from.trim().is_empty() {
            return Ok(identities.into_iter().next());
        }
        let typed = parse_typed(&content.from).mailboxes.into_iter().next();
        let Some(address) = typed.and_then(|m| m.smtp_address().ok()) else {
            return Ok(None);
        };
        let wanted = address.compare_form();
        let known = identities.iter().find(|identity| {
            Address::parse(&identity.address).is_ok_and(|a| a.compare_form() == wanted)
        });
        if let Some(identity) = known {
            return Ok(Some(identity.clone()));
        }
        // An own address with a tag.
        if self.app.accounts.owns_address(account, &address).await?
            && let Some(first) = identities.into_iter().next()
        {
            return Ok(Some(IdentityRow {
                address: address.to_string(),
                ..first
            }));
        }
        Ok(None)
    }

    /// Puts the message together.
    pub(super) async fn build(
        &self,
        account: AccountId,
        content: &Content,
        memory: &Memory,
        parts: &[DraftPartRow],
        date: OffsetDateTime,
    ) -> Result<Built, Refusal> {
        let sender = match self.sender(account, content).await? {
            Some(sender) => sender,
            // A draft may name anybody; what is sent has been checked before.
            None => self
                .app
                .accounts
                .identities(account)
                .await?
                .into_iter()
                .next()
                .ok_or(Refusal::Internal("no own address"))?,
        };
        let own = Address::parse(&sender.address).map_err(|_| Refusal::Internal("own address"))?;
        let people = People::of(content);
        let mut out = Outgoing::new(
            Mailbox::new(sender.name.clone(), &own),
            date,
            content.message_id.clone(),
        );
        out.to = people.to;
        out.cc = people.cc;
        out.bcc = people.bcc;
        if let Ok(address) = Address::parse(&sender.reply_to) {
            out.reply_to = vec![Mailbox::new("", &address)];
        }
        out.subject.clone_from(&content.subject);
        out.in_reply_to.clone_from(&memory.in_reply_to);
        out.references.clone_from(&memory.references);
        if content.is_important {
            out.extra.push(("Importance".to_owned(), "high".to_owned()));
            // Outlook and the phones look at this one.
            out.extra.push(("X-Priority".to_owned(), "1".to_owned()));
        }
        if content.wants_receipt && own.to_string().is_ascii() {
            let field = "Disposition-Notification-To".to_owned();
            out.extra.push((field, format!("<{own}>")));
        }
        if content.is_html {
            let html = content.html.clone();
            out.text = tokio::task::spawn_blocking(move || html_to_text(&html))
                .await
                .map_err(|_| Refusal::Internal("text panicked"))?;
            out.html = Some(format!(
                "<!doctype html>\n<html><head><meta charset=\"utf-8\"></head><body>{}</body></html>\n",
                content.html
            ));
        } else {
            out.text.clone_from(&content.text);
        }
        let marked = self
            .attach(account, content, memory, parts, &mut out)
            .await?;
        let bad = |_| Refusal::Invalid("header");
        let whole = out.with_bcc().map_err(bad)?;
        let mut sent_head = out.to_bytes().map_err(bad)?;
        sent_head.truncate(head::body_start(&sent_head, true).unwrap_or(sent_head.len()));
        let head_len = head::body_start(&whole, true).unwrap_or(whole.len());
        let incoming = self.app.mail.incoming(Vec::new()).await?.keeping_bcc();
        let received = self.pour(account, incoming, &whole, &marked).await?;
        Ok(Built {
            received,
            head_len,
            sent_head,
        })
    }

    /// Puts a mark for each file into the message.
    async fn attach(
        &self,
        account: AccountId,
        content: &Content,
        memory: &Memory,
        parts: &[DraftPartRow],
        out: &mut Outgoing<'_>,
    ) -> Result<Vec<Marked>, Refusal> {
        let mut marked = Vec::new();
        for part in parts {
            let is_picture = part.content_id.is_some();
            let is_shown = content.is_html
                && part
                    .content_id
                    .as_ref()
                    .is_some_and(|id| content.html.contains(&format!("cid:{id}")));
            let is_forward = matches!(memory.origin, Some((Kind::Forward, _)));
            if is_picture && !is_shown && (content.is_html || !is_forward) {
                // It was taken out of the text.
                continue;
            }
            let (kind, charset) = match part.content_type.split_once(';') {
                Some((kind, rest)) => (
                    kind.trim(),
                    rest.trim().strip_prefix("charset=").map(str::to_owned),
                ),
                None => (part.content_type.as_str(), None),
            };
            let mut file = File {
                name: part.name.clone(),
                content_type: kind.to_owned(),
                charset,
                content_id: part.content_id.clone().filter(|_| is_shown),
                ..File::default()
            };
            if kind.starts_with("message/") {
                file.bytes = self
                    .app
                    .store()
                    .body_whole(account, part.body_id)
                    .await?
                    .into();
            } else {
                let mark: [u8; 24] = rand::rng().random();
                marked.push(Marked {
                    mark: codec::base64(&mark) + "\r\n",
                    body: part.body_id,
                });
                file.bytes = mark.to_vec().into();
            }
            if is_shown {
                out.inline.push(file);
            } else {
                out.attachments.push(file);
            }
        }
        Ok(marked)
    }

    /// Writes the message, the files in place of their marks.
    async fn pour(
        &self,
        account: AccountId,
        mut incoming: Incoming,
        whole: &[u8],
        marked: &[Marked],
    ) -> Result<Received, Refusal> {
        let mut rest = whole;
        // Pictures stand before attachments whatever the order of the files, so marks are looked for, not counted.
        while let Some((at, file)) = marked
            .iter()
            .filter_map(|file| Some((find(rest, file.mark.as_bytes())?, file)))
            .min_by_key(|(at, _)| *at)
        {
            incoming.push(rest.get(..at).unwrap_or_default()).await?;
            rest = rest.get(at + file.mark.len()..).unwrap_or_default();
            self.pour_file(account, &mut incoming, file.body).await?;
        }
        incoming.push(rest).await?;
        self.app.mail.finish(incoming).await
    }

    async fn pour_file(
        &self,
        account: AccountId,
        incoming: &mut Incoming,
        body: BodyId,
    ) -> Result<(), Refusal> {
        let chunks = self.app.store().body_stream(account, body);
        futures_util::pin_mut!(chunks);
        let mut carry: Vec<u8> = Vec::new();
        let mut lines = Vec::new();
        while let Some(chunk) = chunks.try_next().await? {
            carry.extend_from_slice(&chunk);
            let (now, later) = carry.split_at(carry.len() / LINE * LINE);
            lines.clear();
            codec::base64_lines(now, &mut lines);
            let later = later.to_vec();
            incoming.push(&lines).await?;
            carry = later;
        }
        lines.clear();
        codec::base64_lines(&carry, &mut lines);
        incoming.push(&lines).await
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

/// Octets of one line of base64.
const LINE: usize = 57;
