//! The reader: a conversation, its messages folded or open, its attachments (ui.md 6.2 "Reader").

use std::collections::HashMap;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};

use super::list::{ListQuery, find_folder, page, targets};
use super::view::{Ctx, folder_name, person, picture, subject};
use super::{RowId, key_of};
use crate::error::Refusal;
use crate::format::address::Mailbox;
use crate::format::html::visible;
use crate::format::mime::{self, Part};
use crate::model::{EmailId, Flags, FolderId, SpecialUse};
use crate::service::mail::FolderRow;
use crate::service::mail::Mail;
use crate::service::mail::MessageRow;
use crate::service::mail::deliver::Facts;
use crate::web::error::{Page, WebError};
use crate::web::headers::{varies, wants_part};
use crate::web::me::Me;

/// More than this many older messages are one line until asked for.
const OLDER_SHOWN: usize = 6;
/// Addresses named under the sender; the details have all.
const NAMED: usize = 4;

/// An open conversation.
#[derive(Debug, Clone)]
pub struct ReaderView {
    /// The folder it was opened in, as addresses name it.
    pub key: String,
    /// The folder's shown name.
    pub folder: String,
    /// `t12` or `m12`.
    pub id: String,
    /// The subject of the newest message.
    pub subject: String,
    /// "3 messages".
    pub counts: String,
    /// Ids of the open unread ones.
    pub unread: String,
    /// Something in it is starred.
    pub starred: bool,
    /// Deleting here is for good.
    pub deletes_for_good: bool,
    /// It is the junk folder.
    pub is_junk: bool,
    /// Offer to archive.
    pub can_archive: bool,
    /// Older ones behind one line.
    pub hidden: Vec<MessageView>,
    /// "12 older messages".
    pub hidden_text: String,
    /// The others, oldest first.
    pub messages: Vec<MessageView>,
    /// Targets of "move".
    pub targets: Vec<(String, String)>,
    /// The message that the foot's buttons answer.
    pub last: i64,
    /// Reply to all makes a difference.
    pub has_others: bool,
    /// It is a draft: open it for writing.
    pub edit_draft: Option<String>,
}

/// A line of addresses in the details.
#[derive(Debug, Clone)]
pub struct HeaderLine {
    /// "To".
    pub label: String,
    /// Name and address of each.
    pub people: Vec<(String, String)>,
}

/// One message.
#[derive(Debug, Clone)]
pub struct MessageView {
    /// Its number.
    pub email: i64,
    /// Folded to one line.
    pub is_folded: bool,
    /// Not read yet.
    pub unread: bool,
    /// Starred.
    pub starred: bool,
    /// It is a draft.
    pub is_draft: bool,
    /// Where it lies, when that is another folder.
    pub elsewhere: Option<String>,
    /// Initials.
    pub initials: String,
    /// Hue of the picture.
    pub hue: u8,
    /// Name, or "me".
    pub from: String,
    /// Address.
    pub address: String,
    /// "to me, Tobias Kern".
    pub to_line: String,
    /// The whole header for the details.
    pub headers: Vec<HeaderLine>,
    /// `10:42`.
    pub time: String,
    /// For `datetime`.
    pub iso: String,
    /// For `title` and the details.
    pub full: String,
    /// First words.
    pub preview: String,
    /// Address of the body frame.
    pub body: String,
    /// Title of the frame.
    pub body_title: String,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// All of them in one archive, when there are several.
    pub zip: Option<String>,
    /// Answers go to another address than the sender's.
    pub reply_elsewhere: Option<String>,
    /// The list can be left.
    pub unsubscribe: Option<String>,
    /// Urgent.
    pub important: bool,
    /// Size as text.
    pub size: String,
    /// The message has remote pictures that wait for consent; filled by the body, see `body.rs`.
    pub pictures: Pictures,
}

/// What the reader may decide about remote pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pictures {
    /// How many wait.
    pub blocked: usize,
    /// They are shown now.
    pub shown: bool,
    /// Whose pictures "always" would mean.
    pub sender: String,
}

/// A file of a message.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Shown name.
    pub name: String,
    /// `PDF`.
    pub kind: String,
    /// Hue of the type.
    pub hue: u8,
    /// `1,4 MB`.
    pub size: String,
    /// Where it is downloaded.
    pub href: String,
    /// Where it can be looked at in the browser.
    pub view: Option<String>,
    /// May do harm when opened.
    pub is_dangerous: bool,
}

#[derive(Template)]
#[template(path = "mail/_reader.html")]
struct ReaderPart<'a> {
    c: &'a Ctx,
    reader: &'a ReaderView,
}

/// One message as a block of its own, after a decision about its pictures.
#[derive(Template)]
#[template(path = "mail/_message.html")]
pub struct MessagePart<'a> {
    pub c: &'a Ctx,
    pub m: &'a MessageView,
}

/// `GET /mail/{folder}/{id}`: the conversation beside its list, or alone for a script.
pub async fn conversation(
    me: Me,
    Path((key, id)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Page {
    let id = RowId::parse(&id).ok_or(Refusal::NoMessage)?;
    let folder = find_folder(&me, &key).await?;
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let reader = build(&me, &c, folder, &folders, id).await?;
    if wants_part(&headers) {
        return Ok((
            varies(),
            Html(
                ReaderPart {
                    c: &c,
                    reader: &reader,
                }
                .render()?,
            ),
        )
            .into_response());
    }
    let page = page(&me, c, folder, &query, Some(id), Some(reader)).await?;
    Ok((varies(), Html(page.render()?)).into_response())
}

/// The view of one conversation or message, opened in `folder`.
///
/// # Errors
/// [`WebError`].
pub async fn build(
    me: &Me,
    c: &Ctx,
    folder: FolderId,
    folders: &[FolderRow],
    id: RowId,
) -> Result<ReaderView, WebError> {
    let row = folders
        .iter()
        .find(|f| f.folder_id == folder)
        .ok_or(Refusal::NoFolder)?;
    let (thread, only) = match id {
        RowId::Thread(thread) => (thread, None),
        RowId::Email(email) => (
            me.app.mail.email(me.account, email).await?.thread_id,
            Some(email),
        ),
    };
    let found = me.app.mail.conversation(me.account, thread).await?;
    let shown = shown_messages(found, row, folders, only);
    if shown.is_empty() {
        return Err(Refusal::NoMessage.into());
    }
    let newest = shown.last().map(|m| m.email_id).unwrap_or_default();
    let mut messages = Vec::with_capacity(shown.len());
    for m in &shown {
        let is_open = m.email_id == newest || !m.flags.has(Flags::SEEN) || Some(m.email_id) == only;
        messages.push(message_view(c, m, folder, folders, !is_open)?);
    }
    let special = row.special_use();
    let key = key_of(row);
    let unread: Vec<String> = shown
        .iter()
        .filter(|m| !m.flags.has(Flags::SEEN))
        .map(|m| m.email_id.to_string())
        .collect();
    let last = shown.last();
    let facts = last.map(|m| Facts::read(&m.facts)).unwrap_or_default();
    let others = facts
        .to
        .iter()
        .chain(&facts.cc)
        .filter(|m| !c.own.contains(&m.address.to_lowercase()))
        .count();
    let folded = messages.iter().take_while(|m| m.is_folded).count();
    let hidden: Vec<MessageView> = if folded > OLDER_SHOWN {
        messages.drain(..folded - 1).collect()
    } else {
        Vec::new()
    };
    let is_draft = last.is_some_and(|m| m.flags.has(Flags::DRAFT));
    Ok(ReaderView {
        folder: folder_name(row, c.lang),
        id: id.to_string(),
        subject: subject(c.lang, last.map_or("", |m| &m.subject)),
        counts: c.lang.t_n("count-messages", shown.len()),
        unread: unread.join(" "),
        starred: shown.iter().any(|m| m.flags.has(Flags::FLAGGED)),
        deletes_for_good: matches!(
            special,
            Some(SpecialUse::Trash | SpecialUse::Junk | SpecialUse::Drafts)
        ),
        is_junk: special == Some(SpecialUse::Junk),
        can_archive: !matches!(special, Some(SpecialUse::Archive | SpecialUse::Drafts)),
        hidden_text: c.lang.t_n("reader-older", hidden.len()),
        hidden,
        messages,
        targets: targets(c.lang, folders, Some(folder)),
        last: newest.0,
        has_others: others > 0,
        edit_draft: is_draft.then(|| format!("/mail/compose?edit={newest}")),
        key,
    })
}

/// One copy of each message, the one in this folder first; trash, junk and drafts only where the reader is in them.
fn shown_messages(
    found: Vec<MessageRow>,
    folder: &FolderRow,
    folders: &[FolderRow],
    only: Option<EmailId>,
) -> Vec<MessageRow> {
    let special: HashMap<FolderId, Option<SpecialUse>> = folders
        .iter()
        .map(|f| (f.folder_id, f.special_use()))
        .collect();
    let hides = |m: &MessageRow| {
        m.folder_id != folder.folder_id
            && Some(m.email_id) != only
            && matches!(
                special.get(&m.folder_id).copied().flatten(),
                Some(SpecialUse::Trash | SpecialUse::Junk | SpecialUse::Drafts)
            )
    };
    let mut here: HashMap<EmailId, bool> = HashMap::new();
    for m in &found {
        let is_here = m.folder_id == folder.folder_id;
        let entry = here.entry(m.email_id).or_insert(is_here);
        *entry |= is_here;
    }
    let mut seen = std::collections::HashSet::new();
    let mut out: Vec<MessageRow> = Vec::new();
    for m in found {
        let better = here.get(&m.email_id) == Some(&true) && m.folder_id != folder.folder_id;
        if hides(&m) || better || !seen.insert(m.email_id) {
            continue;
        }
        // The same message sent to oneself lies in two folders as two mails; one is enough.
        if !m.message_id.is_empty() && out.iter().any(|o| o.message_id == m.message_id) {
            if m.folder_id == folder.folder_id {
                out.retain(|o| o.message_id != m.message_id);
            } else {
                continue;
            }
        }
        out.push(m);
    }
    if let Some(only) = only {
        // Opened from a list of single messages: the conversation around it stays, but it is the last to be seen open.
        if !out.iter().any(|m| m.email_id == only) {
            out.clear();
        }
    }
    out
}

/// The view of one message.
///
/// # Errors
/// [`WebError`].
pub fn message_view(
    c: &Ctx,
    m: &MessageRow,
    folder: FolderId,
    folders: &[FolderRow],
    is_folded: bool,
) -> Result<MessageView, WebError> {
    let facts = Facts::read(&m.facts);
    let parts = Mail::parts(&m.parts)?;
    let (initials, hue) = picture(&m.sender_name, &m.sender_address);
    let attachments: Vec<Attachment> = mime::attachments(&parts)
        .into_iter()
        .map(|part| attachment(c, m.email_id, part))
        .collect();
    let from = person(c, &m.sender_name, &m.sender_address);
    let pictures = Pictures::default();
    Ok(MessageView {
        email: m.email_id.0,
        is_folded,
        unread: !m.flags.has(Flags::SEEN),
        starred: m.flags.has(Flags::FLAGGED),
        is_draft: m.flags.has(Flags::DRAFT),
        elsewhere: (m.folder_id != folder)
            .then(|| {
                folders
                    .iter()
                    .find(|f| f.folder_id == m.folder_id)
                    .map(|f| folder_name(f, c.lang))
            })
            .flatten(),
        initials,
        hue,
        address: visible(&m.sender_address),
        to_line: to_line(c, &facts),
        headers: header_lines(c, &facts),
        time: c.dates.short(m.received_at),
        iso: c.dates.iso(m.received_at),
        full: c.dates.full(m.sent_at),
        preview: visible(&m.preview),
        body: format!("/mail/m/{}/body", m.email_id),
        body_title: c
            .lang
            .t_args("reader-body-of", &[("name", from.clone().into())]),
        zip: (attachments.len() > 1).then(|| format!("/mail/m/{}/zip", m.email_id)),
        attachments,
        reply_elsewhere: reply_elsewhere(&facts),
        unsubscribe: facts
            .list_unsubscribe
            .as_ref()
            .and_then(|u| u.https.clone().or_else(|| u.mailto.clone())),
        important: facts.importance == mime::Importance::High,
        size: c.lang.size(m.size_bytes),
        pictures,
        from,
    })
}

/// Answers would go to another domain than the sender's.
fn reply_elsewhere(facts: &Facts) -> Option<String> {
    let sender = facts.from.first()?.compare_form();
    let domain = sender.rsplit('@').next().unwrap_or_default();
    if facts.list_id.is_some() {
        return None;
    }
    facts
        .reply_to
        .iter()
        .find(|m| m.compare_form().rsplit('@').next() != Some(domain))
        .map(|m| visible(&m.address))
}

fn to_line(c: &Ctx, facts: &Facts) -> String {
    let all: Vec<&Mailbox> = facts.to.iter().chain(&facts.cc).collect();
    let mut names: Vec<String> = all
        .iter()
        .take(NAMED)
        .map(|m| person_dative(c, m))
        .collect();
    let more = all.len().saturating_sub(NAMED);
    if more > 0 {
        names.push(c.lang.t_n("reader-and-more", more));
    }
    if names.is_empty() {
        return c.lang.t("list-no-recipient");
    }
    c.lang
        .t_args("reader-to", &[("names", names.join(", ").into())])
}

fn person_dative(c: &Ctx, m: &Mailbox) -> String {
    if c.own.contains(&m.address.to_lowercase()) {
        c.lang.t("reader-me")
    } else {
        visible(m.label())
    }
}

fn header_lines(c: &Ctx, facts: &Facts) -> Vec<HeaderLine> {
    [
        (c.lang.t("from"), &facts.from),
        (c.lang.t("to"), &facts.to),
        (c.lang.t("cc"), &facts.cc),
        (c.lang.t("bcc"), &facts.bcc),
        (c.lang.t("reply-to"), &facts.reply_to),
    ]
    .into_iter()
    .filter(|(_, people)| !people.is_empty())
    .map(|(label, people)| HeaderLine {
        label,
        people: people
            .iter()
            .map(|m| (visible(&m.name), visible(&m.address)))
            .collect(),
    })
    .collect()
}

fn attachment(c: &Ctx, email: EmailId, part: &Part) -> Attachment {
    let name = part.name.clone().unwrap_or_else(|| {
        c.lang.t(if part.is_message() {
            "attachment-message"
        } else {
            "attachment-unnamed"
        })
    });
    let kind = kind_of(&name, &part.content_type);
    let href = format!("/mail/m/{email}/part/{}", part_path(&part.section));
    let view = can_view(&part.content_type).then(|| format!("{href}?view=1"));
    Attachment {
        hue: kind_hue(&kind),
        size: c.lang.size(part.decoded_size),
        is_dangerous: is_dangerous(&name),
        name: visible(&name),
        kind,
        href,
        view,
    }
}

/// The section of the message's own body when that is no multipart is empty; an address needs a word.
#[must_use]
pub fn part_path(section: &str) -> &str {
    if section.is_empty() { "0" } else { section }
}

fn can_view(content_type: &str) -> bool {
    matches!(
        content_type,
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "application/pdf" | "text/plain"
    )
}

/// `PDF`, `JPG` ...: the extension, else a word from the type.
/// The type of a file in a few letters: `PDF`.
#[must_use]
pub fn kind_of(name: &str, content_type: &str) -> String {
    let extension = name.rsplit_once('.').map(|(_, e)| e).unwrap_or_default();
    let word = if (1..=4).contains(&extension.len())
        && extension.chars().all(|ch| ch.is_ascii_alphanumeric())
    {
        extension
    } else {
        let sub = content_type.rsplit('/').next().unwrap_or_default();
        if sub == "rfc822" {
            "eml"
        } else {
            sub.get(..sub.len().min(4)).unwrap_or("?")
        }
    };
    word.to_ascii_uppercase()
}

/// The hue of such a type.
#[must_use]
pub fn kind_hue(kind: &str) -> u8 {
    match kind {
        "PDF" => 5,
        "JPG" | "JPEG" | "PNG" | "GIF" | "WEBP" | "HEIC" => 2,
        "DOC" | "DOCX" | "ODT" | "TXT" | "EML" => 1,
        "XLS" | "XLSX" | "ODS" | "CSV" => 3,
        "PPT" | "PPTX" | "ODP" => 4,
        "ZIP" | "7Z" | "RAR" | "GZ" => 7,
        "ICS" | "VCF" => 6,
        _ => 8,
    }
}

/// File types that run something when they are opened.
fn is_dangerous(name: &str) -> bool {
    const RUN: [&str; 32] = [
        "exe", "com", "bat", "cmd", "scr", "pif", "js", "jse", "vbs", "vbe", "wsf", "wsh", "hta",
        "html", "htm", "xhtml", "svg", "mht", "mhtml", "jar", "msi", "msp", "ps1", "lnk", "iso",
        "img", "vhd", "reg", "cpl", "docm", "xlsm", "pptm",
    ];
    let extension = name
        .rsplit_once('.')
        .map(|(_, e)| e.to_ascii_lowercase())
        .unwrap_or_default();
    RUN.contains(&extension.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_files() {
        assert_eq!(kind_of("Angebot.pdf", "application/pdf"), "PDF");
        assert_eq!(kind_of("ohne", "message/rfc822"), "EML");
        assert_eq!(kind_of("x.verylong", "image/jpeg"), "JPEG");
        assert!(
            is_dangerous("Rechnung.PDF.exe") && is_dangerous("a.HTML") && !is_dangerous("a.pdf")
        );
    }
}
