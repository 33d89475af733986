//! What a compose page begins with. Reading only: the first saving makes the draft.

use chrono_tz::Tz;
use time::OffsetDateTime;

use super::files::{sections, shown_name};
use super::message::People;
use super::{Content, Drafts, Kind, Memory, original, parts_of};
use crate::error::Refusal;
use crate::format::address::{Address, Mailbox};
use crate::format::html::{CleanOptions, Purpose, clean, html_to_text, quote_html};
use crate::format::mime::reply::{self, ReplyTo};
use crate::format::mime::{Language, Part, text};
use crate::i18n::Lang;
use crate::model::{AccountId, DraftId, EmailId, SpecialUse};
use crate::service::accounts::preferences::{ComposeFormat, Preferences, ReplyPosition};
use crate::service::mail::deliver::Facts;
use crate::store::draft::DraftPartRow;
use crate::store::message::EmailRow;
use crate::store::preference::SignatureRow;

/// What to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Fields that a link has filled in, or none.
    New(Box<Content>),
    /// An answer; to everybody or to the sender.
    Reply(EmailId, bool),
    /// To somebody else.
    Forward(EmailId),
    /// A draft.
    Draft(DraftId),
    /// A message in Drafts.
    Edit(EmailId),
}

/// Whose page it is.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// The account.
    pub account: AccountId,
    /// The language of what we write into the text.
    pub lang: Lang,
    /// The zone of its dates.
    pub zone: Tz,
}

/// A compose page's beginning.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The draft, which may not be stored yet.
    pub id: DraftId,
    /// 0: not stored yet.
    pub rev: i64,
    /// The fields; `html` is for the editor.
    pub content: Content,
    /// What it answers.
    pub origin: Option<(Kind, EmailId)>,
    /// Its files.
    pub files: Vec<OpenFile>,
    /// Who it may be written as: address and label.
    pub senders: Vec<(String, String)>,
    /// The editor opens with the HTML.
    pub prefers_html: bool,
    /// The mailbox is full.
    pub is_full: bool,
}

/// A file of a message being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFile {
    /// Its number, or the section of the original while nothing is stored (`s1.2`).
    pub key: String,
    /// Shown name.
    pub name: String,
    /// `type/subtype`.
    pub content_type: String,
    /// Octets.
    pub size_bytes: i64,
    /// A picture in the text.
    pub is_inline: bool,
}

impl OpenFile {
    /// A stored file.
    #[must_use]
    pub fn of(part: &DraftPartRow) -> Self {
        Self {
            key: part.part_id.to_string(),
            name: part.name.clone(),
            content_type: bare(&part.content_type).to_owned(),
            size_bytes: part.size_bytes,
            is_inline: part.content_id.is_some(),
        }
    }
}

impl Drafts<'_> {
    /// What a compose page begins with.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`], [`Refusal::NotFound`] for what is not there or not the account's.
    pub async fn open(&self, who: Writer, start: &Start) -> Result<Opened, Refusal> {
        let choices = self.app.accounts.preferences(who.account).await?;
        let usage = self.app.mail.usage(who.account).await?;
        let mut opened = Opened {
            id: Self::new_id(),
            rev: 0,
            content: Content::default(),
            origin: None,
            files: Vec::new(),
            senders: Vec::new(),
            prefers_html: choices.compose_format == ComposeFormat::Html,
            is_full: usage.used_bytes >= usage.quota_bytes,
        };
        let identities = self.app.accounts.identities(who.account).await?;
        for identity in &identities {
            if let Ok(address) = Address::parse(&identity.address) {
                let label = Mailbox::new(identity.name.clone(), &address).to_string();
                opened.senders.push((identity.address.clone(), label));
            }
        }
        match start {
            Start::New(content) => {
                opened.content = (**content).clone();
                let signature = self.signature(who.account, None).await?;
                let above = opened.content.text.clone();
                let blocks = Blocks {
                    above: &above,
                    signature: signature.as_ref(),
                    quote_text: "",
                    quote_html: "",
                    is_below: false,
                };
                blocks.fill(&mut opened.content);
            }
            Start::Reply(email, all) => {
                self.answer(who, *email, *all, &choices, &mut opened)
                    .await?;
            }
            Start::Forward(email) => self.forward(who, *email, &choices, &mut opened).await?,
            Start::Draft(id) => self.draft(who.account, *id, &mut opened).await?,
            Start::Edit(email) => self.edit(who.account, *email, &mut opened).await?,
        }
        if opened.content.from.is_empty() {
            opened.content.from = opened
                .senders
                .first()
                .map(|(address, _)| address.clone())
                .unwrap_or_default();
        }
        Ok(opened)
    }

    async fn answer(
        &self,
        who: Writer,
        email: EmailId,
        all: bool,
        choices: &Preferences,
        opened: &mut Opened,
    ) -> Result<(), Refusal> {
        let row = self.app.mail.email(who.account, email).await?;
        let facts = Facts::read(&row.facts);
        let original = original(&row, &facts, &[]);
        let own = self.app.accounts.own_addresses(who.account).await?;
        let kind = if all { ReplyTo::All } else { ReplyTo::Sender };
        let people = reply::recipients(&original, &own, kind);
        opened.content.to = joined(&people.to);
        opened.content.cc = joined(&people.cc);
        opened.content.subject = reply::reply_subject(&row.subject);
        opened.content.from = addressed_as(&facts, &opened.senders);
        opened.origin = Some((Kind::Reply, email));

        let author = facts
            .from
            .first()
            .map_or(row.sender_address.as_str(), Mailbox::label);
        let line = reply::attribution(language(who.lang), author, local(row.sent_at, who.zone));
        let source = self.source(who.account, &row).await?;
        let quote_text = format!("{line}\n{}", reply::quote(&source.plain()));
        let quote_html = format!(
            "<div class=\"quote\">{}</div>{}",
            escape(&line),
            source.quoted(email).await?
        );
        let signature = if choices.signature_in_replies {
            self.signature(who.account, Some(&opened.content.from))
                .await?
        } else {
            None
        };
        let blocks = Blocks {
            above: "",
            signature: signature.as_ref(),
            quote_text: &quote_text,
            quote_html: &quote_html,
            is_below: choices.reply_position == ReplyPosition::Below,
        };
        blocks.fill(&mut opened.content);
        opened.files = kept(&row, &source, false)?;
        Ok(())
    }

    async fn forward(
        &self,
        who: Writer,
        email: EmailId,
        choices: &Preferences,
        opened: &mut Opened,
    ) -> Result<(), Refusal> {
        let row = self.app.mail.email(who.account, email).await?;
        let facts = Facts::read(&row.facts);
        let original = original(&row, &facts, &[]);
        opened.content.subject = reply::forward_subject(&row.subject);
        opened.content.from = addressed_as(&facts, &opened.senders);
        opened.origin = Some((Kind::Forward, email));
        let head = reply::forward_head(language(who.lang), &original, local(row.sent_at, who.zone));
        let source = self.source(who.account, &row).await?;
        let quote_text = format!("{head}\n{}", source.plain());
        let quote_html = format!(
            "<div class=\"quote\">{}<div><br></div>{}</div>",
            text_html(head.trim_end()),
            source.shown(email).await?
        );
        let signature = if choices.signature_in_replies {
            self.signature(who.account, Some(&opened.content.from))
                .await?
        } else {
            None
        };
        let blocks = Blocks {
            above: "",
            signature: signature.as_ref(),
            quote_text: &quote_text,
            quote_html: &quote_html,
            is_below: false,
        };
        blocks.fill(&mut opened.content);
        opened.files = kept(&row, &source, true)?;
        Ok(())
    }

    async fn draft(
        &self,
        account: AccountId,
        id: DraftId,
        opened: &mut Opened,
    ) -> Result<(), Refusal> {
        let row = self.row(account, id).await?;
        let parts = self.files(account, id).await?;
        opened.id = id;
        opened.rev = row.rev;
        opened.origin = Memory::of(&row).origin;
        opened.content = Content::read(&row.content);
        opened.files = parts.iter().map(OpenFile::of).collect();
        if row.rev > 0 {
            opened.prefers_html = opened.content.is_html;
        }
        if opened.content.is_html {
            let cids: Vec<(String, String)> = parts
                .iter()
                .filter_map(|part| {
                    let address = format!("/mail/draft/{id}/file/{}", part.part_id);
                    Some((part.content_id.clone()?, address))
                })
                .collect();
            let html = opened.content.html.clone();
            opened.content.text = html_to_text(&html);
            opened.content.html = for_editor(html, cids).await?;
        } else {
            opened.content.html = text_html(&opened.content.text);
        }
        Ok(())
    }

    async fn edit(
        &self,
        account: AccountId,
        email: EmailId,
        opened: &mut Opened,
    ) -> Result<(), Refusal> {
        if self
            .app
            .mail
            .special_folder(account, SpecialUse::Drafts)
            .await
            .is_ok()
            && let Some(uid) = self.copy_in_drafts(account, email).await?
            && let Some(id) = self.app.store().draft_of_copy(account, uid).await?
        {
            return self.draft(account, id, opened).await;
        }
        let row = self.app.mail.email(account, email).await?;
        let facts = Facts::read(&row.facts);
        let source = self.source(account, &row).await?;
        opened.origin = Some((Kind::Edit, email));
        opened.prefers_html = source.html.is_some();
        opened.content = Content {
            from: facts
                .from
                .first()
                .map(|m| m.address.clone())
                .unwrap_or_default(),
            to: joined(&facts.to),
            cc: joined(&facts.cc),
            bcc: joined(&facts.bcc),
            subject: row.subject.clone(),
            text: source.plain(),
            html: source.shown(email).await?,
            is_html: source.html.is_some(),
            ..Content::default()
        };
        opened.files = kept(&row, &source, true)?;
        Ok(())
    }

    /// What the original says, as HTML and as text.
    async fn source(&self, account: AccountId, row: &EmailRow) -> Result<Source, Refusal> {
        let shown = self.app.mail.shown_body(account, row, false).await?;
        let text = match &shown.html {
            Some(_) => self.app.mail.plain_body(account, row).await?,
            None => shown.text,
        };
        let pictures = parts_of(row)?
            .into_iter()
            .filter(|part| part.is_inline)
            .filter_map(|part| Some((part.content_id?, part.section)))
            .collect();
        Ok(Source {
            text: text.map(|text| {
                if shown.is_flowed {
                    text::unflow(&text, false)
                } else {
                    text
                }
            }),
            html: shown.html,
            pictures,
        })
    }

    /// The signature of an identity, or of the default one.
    async fn signature(
        &self,
        account: AccountId,
        from: Option<&str>,
    ) -> Result<Option<SignatureRow>, Refusal> {
        let identities = self.app.accounts.identities(account).await?;
        let wanted = identities
            .iter()
            .find(|identity| from.is_some_and(|from| identity.address == from))
            .or(identities.first())
            .and_then(|identity| identity.signature_id);
        let Some(wanted) = wanted else {
            return Ok(None);
        };
        Ok(self
            .app
            .accounts
            .signatures(account)
            .await?
            .into_iter()
            .find(|signature| signature.signature_id == wanted))
    }
}

/// The original's files that go along.
fn kept(row: &EmailRow, source: &Source, with_attachments: bool) -> Result<Vec<OpenFile>, Refusal> {
    let parts = sections(row, with_attachments)?;
    Ok(parts
        .iter()
        .filter(|part| with_attachments || source.html.is_some() && part.is_inline)
        .map(file_of)
        .collect())
}

/// The body of a message that is answered.
struct Source {
    html: Option<String>,
    text: Option<String>,
    /// Content ids and sections of its pictures.
    pictures: Vec<(String, String)>,
}

impl Source {
    fn plain(&self) -> String {
        match (&self.text, &self.html) {
            (Some(text), _) if !text.trim().is_empty() => text.clone(),
            (_, Some(html)) => html_to_text(html),
            (text, None) => text.clone().unwrap_or_default(),
        }
    }

    fn addresses(&self, email: EmailId) -> Vec<(String, String)> {
        self.pictures
            .iter()
            .map(|(cid, section)| {
                let path = if section.is_empty() { "0" } else { section };
                (cid.clone(), format!("/mail/m/{email}/part/{path}?view=1"))
            })
            .collect()
    }

    /// For the editor, as it is.
    async fn shown(&self, email: EmailId) -> Result<String, Refusal> {
        match &self.html {
            Some(html) => for_editor(html.clone(), self.addresses(email)).await,
            None => Ok(text_html(&self.plain())),
        }
    }

    /// For the editor, as a quotation.
    async fn quoted(&self, email: EmailId) -> Result<String, Refusal> {
        let Some(html) = self.html.clone() else {
            let inner = text_html(self.plain().trim_end());
            return Ok(format!("<blockquote type=\"cite\">{inner}</blockquote>"));
        };
        let addresses = self.addresses(email);
        tokio::task::spawn_blocking(move || {
            let cid = |wanted: &str| address_of(&addresses, wanted);
            let options = CleanOptions {
                cid: &cid,
                ..CleanOptions::new(Purpose::Edit)
            };
            quote_html(&html, &options)
        })
        .await
        .map_err(|_| Refusal::Internal("cleaning panicked"))
    }
}

async fn for_editor(html: String, addresses: Vec<(String, String)>) -> Result<String, Refusal> {
    tokio::task::spawn_blocking(move || {
        let cid = |wanted: &str| address_of(&addresses, wanted);
        let options = CleanOptions {
            cid: &cid,
            max_bytes: usize::MAX,
            ..CleanOptions::new(Purpose::Edit)
        };
        let done = clean(&html, &options);
        if done.too_complex {
            text_html(&html_to_text(&html))
        } else {
            done.html
        }
    })
    .await
    .map_err(|_| Refusal::Internal("cleaning panicked"))
}

fn address_of(addresses: &[(String, String)], wanted: &str) -> Option<String> {
    addresses
        .iter()
        .find(|(cid, _)| cid == wanted)
        .map(|(_, address)| address.clone())
}

/// The pieces of a new text, in their order.
struct Blocks<'a> {
    above: &'a str,
    signature: Option<&'a SignatureRow>,
    quote_text: &'a str,
    quote_html: &'a str,
    /// The answer stands below the quotation.
    is_below: bool,
}

impl Blocks<'_> {
    fn fill(&self, content: &mut Content) {
        let plain = self
            .signature
            .map(|s| format!("-- \n{}\n", s.plain.trim_end()));
        let rich = self
            .signature
            .map(|s| format!("<div class=\"sig\">-- <br>{}</div>", s.html));
        let (plain, rich) = (plain.unwrap_or_default(), rich.unwrap_or_default());
        let above_html = text_html(self.above);
        let (text, html) = if self.is_below {
            (
                format!("{}\n\n{plain}", self.quote_text),
                format!("{}<div><br></div>{rich}", self.quote_html),
            )
        } else {
            let gap = if plain.is_empty() && self.quote_text.is_empty() {
                ""
            } else {
                "\n\n"
            };
            let between = if plain.is_empty() || self.quote_text.is_empty() {
                ""
            } else {
                "\n"
            };
            let gap_html = if rich.is_empty() && self.quote_html.is_empty() {
                ""
            } else {
                "<div><br></div>"
            };
            let between_html = if between.is_empty() {
                ""
            } else {
                "<div><br></div>"
            };
            (
                format!("{}{gap}{plain}{between}{}", self.above, self.quote_text),
                format!(
                    "{above_html}{gap_html}{rich}{between_html}{}",
                    self.quote_html
                ),
            )
        };
        content.text = text;
        content.html = html;
    }
}

/// Plain text for the editor: a block a line.
pub(super) fn text_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
    for line in text.lines() {
        out.push_str("<div>");
        if line.trim().is_empty() {
            out.push_str("<br>");
        } else {
            let start = line.len() - line.trim_start_matches(' ').len();
            for _ in 0..start {
                out.push_str("&nbsp;");
            }
            out.push_str(&escape(line.get(start..).unwrap_or_default()).replace("  ", " &nbsp;"));
        }
        out.push_str("</div>");
    }
    if out.is_empty() {
        out.push_str("<div><br></div>");
    }
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn joined(list: &[Mailbox]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

fn bare(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

fn file_of(part: &Part) -> OpenFile {
    OpenFile {
        key: format!("s{}", part.section),
        name: shown_name(part),
        content_type: part.content_type.clone(),
        size_bytes: i64::try_from(part.decoded_size).unwrap_or(i64::MAX),
        is_inline: part.is_inline && part.content_id.is_some(),
    }
}

/// The own address the original was sent to, so that the answer comes from where the sender wrote to.
fn addressed_as(facts: &Facts, senders: &[(String, String)]) -> String {
    let named: Vec<String> = facts
        .to
        .iter()
        .chain(&facts.cc)
        .chain(&facts.from)
        .map(Mailbox::compare_form)
        .collect();
    senders
        .iter()
        .find(|(address, _)| {
            Address::parse(address).is_ok_and(|a| named.contains(&a.compare_form()))
        })
        .map(|(address, _)| address.clone())
        .unwrap_or_default()
}

fn language(lang: Lang) -> Language {
    match lang {
        Lang::De => Language::German,
        Lang::En => Language::English,
    }
}

/// The instant with the offset it has in `zone`.
fn local(at: OffsetDateTime, zone: Tz) -> OffsetDateTime {
    use chrono::{DateTime, Offset, TimeZone, Utc};
    let utc = DateTime::<Utc>::from_timestamp(at.unix_timestamp(), 0).unwrap_or_default();
    let seconds = zone
        .offset_from_utc_datetime(&utc.naive_utc())
        .fix()
        .local_minus_utc();
    time::UtcOffset::from_whole_seconds(seconds).map_or(at, |offset| at.to_offset(offset))
}

/// How many people the fields of To and Cc name: what the door asks about before sending.
#[must_use]
pub fn open_recipients(content: &Content) -> usize {
    let people = People::of(content);
    people.to.len() + people.cc.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_keeps_its_lines_and_blanks() {
        assert_eq!(
            text_html("a <b>\n\n  c  d"),
            "<div>a &lt;b&gt;</div><div><br></div><div>&nbsp;&nbsp;c &nbsp;d</div>"
        );
        assert_eq!(text_html(""), "<div><br></div>");
    }

    #[test]
    fn pieces_stand_in_their_order() {
        let signature = SignatureRow {
            signature_id: 1,
            name: "a".to_owned(),
            html: "<b>Jana</b>".to_owned(),
            plain: "Jana".to_owned(),
        };
        let mut content = Content::default();
        let mut blocks = Blocks {
            above: "",
            signature: Some(&signature),
            quote_text: "Am ...:\n> x\n",
            quote_html: "<blockquote>x</blockquote>",
            is_below: false,
        };
        blocks.fill(&mut content);
        assert_eq!(content.text, "\n\n-- \nJana\n\nAm ...:\n> x\n");
        blocks.is_below = true;
        blocks.fill(&mut content);
        assert_eq!(content.text, "Am ...:\n> x\n\n\n-- \nJana\n");
        assert!(content.html.starts_with("<blockquote>"));
    }

    #[test]
    fn dates_have_the_readers_offset() {
        let at = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let there = local(at, chrono_tz::Europe::Berlin);
        assert_eq!(there, at);
        assert_eq!(there.offset().whole_hours(), 1);
    }
}
