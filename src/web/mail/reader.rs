//! The reader: a conversation, its messages folded or open, its attachments (ui.md 6.2 "Reader").

use std::collections::{HashMap, HashSet};

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::list::{ListQuery, find_folder, page, targets, with_query};
use super::pictures::{consent_word, consented};
use super::view::{Ctx, folder_name, person, picture, subject};
use super::{RowId, key_of};
use crate::error::Refusal;
use crate::format::address::Mailbox;
use crate::format::html::visible;
use crate::format::mime::{self, Part};
use crate::model::{EmailId, Flags, FolderId, SpecialUse};
use crate::service::accounts::preferences::RemotePictures;
use crate::service::mail::FolderRow;
use crate::service::mail::Mail;
use crate::service::mail::MessageRow;
use crate::service::mail::deliver::Facts;
use crate::service::mail::pictures::BodyNotes;
use crate::web::error::{Page, WebError};
use crate::web::headers::{varies, wants_part};
use crate::web::me::Me;

/// More than this many older messages are one line until asked for.
const OLDER_SHOWN: usize = 6;
/// Folded messages whose bodies are looked at for what their banners say; the others offer it in their menus.
const LOOKED_AT: usize = 12;
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
    /// The page for paper.
    pub print: String,
    /// What the reader may decide about remote pictures.
    pub pictures: Pictures,
    /// "2 links lead elsewhere than their text says."
    pub suspicious: Option<String>,
    /// "2 tracking pixels removed".
    pub trackers: Option<String>,
    /// The rest of a very long message.
    pub whole: Option<String>,
    /// Its HTML is too deep to be shown.
    pub too_complex: bool,
}

/// What the reader may decide about remote pictures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pictures {
    /// Some wait, and the reader is asked.
    pub asks: bool,
    /// Some wait, or may, and the menu offers to show them.
    pub offers: bool,
    /// Whose pictures "always" would mean; empty where that cannot be chosen.
    pub sender: String,
    /// The folder the reader is in.
    pub folder: String,
    /// The row that is open.
    pub row: String,
}

/// What is known of the bodies of a conversation before they are shown.
#[derive(Debug, Default)]
struct Bodies {
    /// By message, as far as they were looked at.
    notes: HashMap<EmailId, BodyNotes>,
    /// By message: the word that shows its pictures.
    shown: HashMap<EmailId, String>,
    folder: String,
    row: String,
    is_junk: bool,
    never: bool,
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

/// What the address of a conversation may ask for beside its list's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShownQuery {
    /// Consent to the pictures of one message.
    pictures: String,
}

/// `GET /mail/{folder}/{id}`: the conversation beside its list, or alone for a script.
pub async fn conversation(
    me: Me,
    Path((key, id)): Path<(String, String)>,
    Query(query): Query<ListQuery>,
    Query(shown): Query<ShownQuery>,
    headers: HeaderMap,
) -> Page {
    let id = RowId::parse(&id).ok_or(Refusal::NoMessage)?;
    let folder = find_folder(&me, &key).await?;
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let once = consented(&me, &shown.pictures).await?;
    let reader = build(&me, &c, folder, &folders, id, once).await?;
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

/// The view of one conversation or message, opened in `folder`; the pictures of `once` are shown.
///
/// # Errors
/// [`WebError`].
pub async fn build(
    me: &Me,
    c: &Ctx,
    folder: FolderId,
    folders: &[FolderRow],
    id: RowId,
    once: Option<EmailId>,
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
    let special = row.special_use();
    let key = key_of(row);
    let open: HashSet<EmailId> = shown
        .iter()
        .filter(|m| !m.flags.has(Flags::SEEN))
        .map(|m| m.email_id)
        .chain([newest])
        .chain(only)
        .collect();
    let bodies = Bodies {
        folder: key.clone(),
        row: id.to_string(),
        is_junk: special == Some(SpecialUse::Junk),
        ..look_at(me, &shown, &open, once, special).await?
    };
    let mut messages = Vec::with_capacity(shown.len());
    for m in &shown {
        messages.push(message_view(
            c,
            m,
            folder,
            folders,
            !open.contains(&m.email_id),
            &bodies,
        )?);
    }
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
fn message_view(
    c: &Ctx,
    m: &MessageRow,
    folder: FolderId,
    folders: &[FolderRow],
    is_folded: bool,
    bodies: &Bodies,
) -> Result<MessageView, WebError> {
    let facts = Facts::read(&m.facts);
    let parts = Mail::parts(&m.parts)?;
    let (initials, hue) = picture(&m.sender_name, &m.sender_address);
    let attachments: Vec<Attachment> = mime::attachments(&parts)
        .into_iter()
        .map(|part| attachment(c, m.email_id, part))
        .collect();
    let from = person(c, &m.sender_name, &m.sender_address);
    let notes = bodies.notes.get(&m.email_id);
    let word = bodies.shown.get(&m.email_id).map_or("", String::as_str);
    let own = |what: &str| {
        with_query(
            &format!("/mail/m/{}/{what}", m.email_id),
            &[("pictures", word)],
        )
    };
    let is_html = mime::html_body(&parts)
        .iter()
        .any(|p| p.content_type == "text/html");
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
        body: own("body"),
        print: own("print"),
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
        pictures: pictures_of(m, bodies, is_html, &from),
        suspicious: notes
            .filter(|n| n.suspicious_links > 0)
            .map(|n| c.lang.t_n("body-suspicious", n.suspicious_links)),
        trackers: notes
            .filter(|n| n.trackers > 0)
            .map(|n| c.lang.t_n("trackers-removed", n.trackers)),
        whole: notes.filter(|n| n.is_cut).map(|_| {
            with_query(
                &format!("/mail/m/{}/body", m.email_id),
                &[("all", "1"), ("pictures", word)],
            )
        }),
        too_complex: notes.is_some_and(|n| n.is_too_complex),
        from,
    })
}

/// What is in the bodies, and whose pictures are shown: those of `once`, and of senders the reader agreed to. In Junk nobody's
/// name counts for anything.
async fn look_at(
    me: &Me,
    shown: &[MessageRow],
    open: &HashSet<EmailId>,
    once: Option<EmailId>,
    special: Option<SpecialUse>,
) -> Result<Bodies, WebError> {
    let (open, folded): (Vec<&MessageRow>, Vec<&MessageRow>) =
        shown.iter().rev().partition(|m| open.contains(&m.email_id));
    let wanted = open
        .into_iter()
        .chain(folded.into_iter().take(LOOKED_AT))
        .map(MessageRow::as_email)
        .collect();
    let notes = me.app.mail.body_notes(me.account, wanted).await?;
    let senders: Vec<String> = shown.iter().map(sender_of).collect();
    let agreed = if special == Some(SpecialUse::Junk) {
        HashSet::new()
    } else {
        let mail = &me.app.mail;
        mail.shows_pictures_of(me.account, me.pictures, &senders)
            .await?
    };
    let mut words = HashMap::new();
    for (m, sender) in shown.iter().zip(&senders) {
        if once == Some(m.email_id) || agreed.contains(sender) {
            words.insert(m.email_id, consent_word(me, m.email_id).await?);
        }
    }
    Ok(Bodies {
        notes,
        shown: words,
        never: me.pictures == RemotePictures::Never,
        ..Bodies::default()
    })
}

/// The compare form of a message's sender.
fn sender_of(m: &MessageRow) -> String {
    let sender = Mailbox {
        name: String::new(),
        address: m.sender_address.clone(),
    };
    sender.compare_form()
}

fn pictures_of(m: &MessageRow, bodies: &Bodies, is_html: bool, from: &str) -> Pictures {
    let waits = !bodies.shown.contains_key(&m.email_id)
        && is_html
        && bodies.notes.get(&m.email_id).is_none_or(|n| n.pictures > 0);
    let asks = waits && !bodies.never && bodies.notes.contains_key(&m.email_id);
    let may_always = !bodies.is_junk && !m.sender_address.is_empty();
    Pictures {
        asks,
        offers: waits && !asks,
        sender: if may_always {
            from.to_owned()
        } else {
            String::new()
        },
        folder: bodies.folder.clone(),
        row: bodies.row.clone(),
    }
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
