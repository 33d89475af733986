//! Reading a message: everything delivery computes once (RFC 5322, RFC 2045-2049, and what senders make of them).
//!
//! [`parse`] never fails: whatever bytes come, there is a [`Parsed`] with at least one part. Headers that are missing
//! or beyond repair are empty; the raw message, which is stored as it came, stays the truth.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::params::Value;
use super::part::{self, Part};
use super::scan::{self, Field};
use super::search::{self, SearchText};
use super::{date, subject, text, wire, words};
use crate::format::address::{self, Mailbox};

/// References kept for threading: the last ones, which are the nearest.
pub const MAX_REFERENCES: usize = 100;
/// Longer message ids are none (RFC 5322 2.1.1 bounds a line).
const MAX_ID: usize = 998;
/// Characters of a subject that are kept for display; the raw one stays in the message.
const MAX_SUBJECT: usize = 2_000;

/// A message as delivery, lists, threads and IMAP need it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// `Message-ID` without angle brackets.
    pub message_id: Option<String>,
    /// Ids of `In-Reply-To`, without brackets.
    pub in_reply_to: Vec<String>,
    /// Ids of `References`, oldest first, the last [`MAX_REFERENCES`].
    pub references: Vec<String>,
    /// `Date`, or the time of arrival when that is missing or implausible ([`date::sort_date`]).
    pub sent_at: OffsetDateTime,
    /// What `Date` really says, if it can be read.
    pub header_date: Option<OffsetDateTime>,
    /// Addresses of all `From` headers; the members of groups without the groups, here and below.
    pub from: Vec<Mailbox>,
    /// How many `From` headers there are (more than one is an attack or a fault).
    pub from_headers: usize,
    pub sender: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    /// Decoded, one line.
    pub subject: String,
    /// The subject without `Re:`, `AW:`, `Fwd:`, ... ([`subject::base`]).
    pub base_subject: String,
    /// The subject begins with a reply mark.
    pub is_reply: bool,
    /// Up to [`text::PREVIEW_CHARS`] characters of what the sender wrote.
    pub preview: String,
    pub has_attachment: bool,
    /// `List-Id` without its description and brackets (RFC 2919), lower case.
    pub list_id: Option<String>,
    /// Where to write to the list, from `List-Post` (RFC 2369 3.4).
    pub list_post: Option<String>,
    pub list_unsubscribe: Option<Unsubscribe>,
    /// First word of `Auto-Submitted` (RFC 3834 5), lower case.
    pub auto_submitted: Option<String>,
    /// `Precedence`, lower case.
    pub precedence: Option<String>,
    /// `X-Auto-Response-Suppress` is present.
    pub suppresses_auto_response: bool,
    pub importance: Importance,
    /// Who asks for a read receipt (RFC 8098 2.1).
    pub disposition_notification_to: Vec<Mailbox>,
    /// `Return-Path` without brackets; empty text for the null path.
    pub return_path: Option<String>,
    /// Number of `Received` headers.
    pub received_count: usize,
    /// Values of `Delivered-To`.
    pub delivered_to: Vec<String>,
    /// IMAP ENVELOPE, ready to send.
    pub envelope_wire: Vec<u8>,
    /// IMAP BODYSTRUCTURE with extension data, ready to send.
    pub structure_wire: Vec<u8>,
    /// All parts in the order of the message, a parent before its children; never empty.
    pub parts: Vec<Part>,
    pub search: SearchText,
}

/// How to leave a mailing list (RFC 2369 3.2, RFC 8058).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Unsubscribe {
    /// The first `mailto:` address with its parameters.
    pub mailto: Option<String>,
    /// The first `https:` address.
    pub https: Option<String>,
    /// One POST to `https` is enough (RFC 8058 3.1).
    pub one_click: bool,
}

/// From `Importance`, `X-Priority`, `Priority` or `X-MSMail-Priority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Importance {
    Low,
    #[default]
    Normal,
    High,
}

/// Reads a message. `now` bounds plausible dates, `arrived_at` stands in for an implausible one (they are the same
/// for SMTP; IMAP APPEND gives its internal date).
#[must_use]
pub fn parse(raw: &[u8], now: OffsetDateTime, arrived_at: OffsetDateTime) -> Parsed {
    let mut scanned = scan::scan(raw);
    classify(&mut scanned.parts);
    list_unreferenced(raw, &mut scanned.parts);
    let structure_wire = wire::structure(raw, &scanned);
    let fields = scanned
        .heads
        .first_mut()
        .map(|h| std::mem::take(&mut h.fields))
        .unwrap_or_default();
    name_attached_messages(raw, &mut scanned);
    let header = Header {
        raw,
        fields: &fields,
    };

    let subject: String = header
        .text("subject")
        .unwrap_or_default()
        .chars()
        .take(MAX_SUBJECT)
        .collect();
    let base = subject::base(&subject);
    let header_date = header.raw_text("date").and_then(|d| date::parse(&d));
    let mut budget = address::MAX_ADDRESSES;
    let mut people = |name: &str| header.people(name, &mut budget);
    let mut parsed = Parsed {
        message_id: header.ids("message-id", 1).pop(),
        in_reply_to: header.ids("in-reply-to", MAX_REFERENCES),
        references: header.ids("references", MAX_REFERENCES),
        sent_at: date::sort_date(header_date, now, arrived_at),
        header_date,
        from: people("from"),
        from_headers: header.all("from").count(),
        sender: people("sender"),
        reply_to: people("reply-to"),
        to: people("to"),
        cc: people("cc"),
        bcc: people("bcc"),
        subject,
        base_subject: base.text,
        is_reply: base.is_reply,
        preview: String::new(),
        has_attachment: !part::attachments(&scanned.parts).is_empty(),
        list_id: header.text("list-id").and_then(|v| list_id(&v)),
        list_post: header.raw_text("list-post").and_then(|v| list_post(&v)),
        list_unsubscribe: unsubscribe(&header),
        auto_submitted: header.first_word("auto-submitted"),
        precedence: header.first_word("precedence"),
        suppresses_auto_response: header.all("x-auto-response-suppress").next().is_some(),
        importance: importance(&header),
        disposition_notification_to: people("disposition-notification-to"),
        return_path: header
            .raw_text("return-path")
            .map(|p| p.trim_matches(['<', '>', ' ']).to_owned()),
        received_count: header.all("received").count(),
        delivered_to: header
            .all("delivered-to")
            .map(words::raw_text)
            .take(MAX_REFERENCES)
            .collect(),
        envelope_wire: wire::envelope(raw, &fields),
        structure_wire,
        parts: scanned.parts,
        search: SearchText::default(),
    };
    let body = search::body_text(raw, &parsed.parts, false);
    parsed.preview = preview(raw, &parsed.parts, &body);
    parsed.search = search::collect(&parsed, &body);
    parsed
}

/// The fields of the message's header, by name.
struct Header<'a> {
    raw: &'a [u8],
    fields: &'a [Field],
}

impl<'a> Header<'a> {
    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let raw = self.raw;
        self.fields
            .iter()
            .filter(move |f| f.is(raw, name))
            .map(move |f| f.value(raw))
    }

    fn raw_text(&self, name: &'a str) -> Option<String> {
        self.all(name).next().map(words::raw_text)
    }

    fn text(&self, name: &'a str) -> Option<String> {
        self.all(name).next().map(words::unstructured)
    }

    fn first_word(&self, name: &'a str) -> Option<String> {
        let text = self.raw_text(name)?;
        let word = text.split([' ', ';', '(', '\t']).next().unwrap_or_default();
        (!word.is_empty() && word.len() <= 64).then(|| word.to_ascii_lowercase())
    }

    fn people(&self, name: &str, budget: &mut usize) -> Vec<Mailbox> {
        let mut out = Vec::new();
        for field in self.fields.iter().filter(|f| f.is(self.raw, name)) {
            let value = words::raw_text(field.value(self.raw));
            let found = address::parse_header_list(&value, *budget);
            out.extend(found.iter().filter_map(address::HeaderAddress::mailbox));
            *budget = budget.saturating_sub(found.len());
        }
        out
    }

    /// Message ids of all headers of this name, the last `limit`, each once (its last place counts).
    fn ids(&self, name: &'a str, limit: usize) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for value in self.all(name) {
            out.extend(message_ids(&words::raw_text(value)));
        }
        let mut seen = HashSet::new();
        let mut kept: Vec<String> = out
            .into_iter()
            .rev()
            .filter(|id| seen.insert(id.clone()))
            .take(limit)
            .collect();
        kept.reverse();
        kept
    }
}

/// The ids of a `Message-ID`, `References` or `In-Reply-To` value, without brackets (RFC 5322 3.6.4).
///
/// Without any brackets the words that look like ids are taken; an `In-Reply-To` in the old style of a sentence
/// ("Your message of ...") thus gives none.
#[must_use]
pub fn message_ids(value: &str) -> Vec<String> {
    let mut out = Vec::new();
    let keep = |id: &str, out: &mut Vec<String>| {
        let id: String = id.chars().filter(|c| !c.is_whitespace()).collect();
        if !id.is_empty() && id.len() <= MAX_ID {
            out.push(id);
        }
    };
    if value.contains('<') {
        let mut rest = value;
        while let Some((_, after)) = rest.split_once('<') {
            let end = after.find(['>', '<']).unwrap_or(after.len());
            keep(after.get(..end).unwrap_or_default(), &mut out);
            rest = after.get(end..).unwrap_or_default();
        }
    } else {
        for word in value.split_whitespace().filter(|w| w.contains('@')) {
            keep(word.trim_matches([',', ';', '>']), &mut out);
        }
    }
    out
}

/// `Title <id.domain>` or the bare id.
fn list_id(value: &str) -> Option<String> {
    let inner = match value.rsplit_once('<') {
        Some((_, id)) => id.split('>').next().unwrap_or_default(),
        None => value,
    };
    let id = inner.trim().to_lowercase();
    (!id.is_empty() && id.len() <= 255).then_some(id)
}

/// The address of `List-Post: <mailto:list@a.de>`; `NO` and web forms are none.
fn list_post(value: &str) -> Option<String> {
    let link = links(value)
        .into_iter()
        .find(|l| has_scheme(l, "mailto:"))?;
    let address = link.get(7..)?.split('?').next()?;
    let address = percent_decoded(address);
    address::Address::parse(&address)
        .ok()
        .map(|a| a.to_string())
}

fn unsubscribe(header: &Header<'_>) -> Option<Unsubscribe> {
    let links = links(&header.raw_text("list-unsubscribe")?);
    let mailto = links.iter().find(|l| has_scheme(l, "mailto:")).cloned();
    let https = links.iter().find(|l| has_scheme(l, "https://")).cloned();
    let post = header.raw_text("list-unsubscribe-post");
    let one_click = https.is_some()
        && post.is_some_and(|p| {
            p.to_ascii_lowercase()
                .contains("list-unsubscribe=one-click")
        });
    (mailto.is_some() || https.is_some()).then_some(Unsubscribe {
        mailto,
        https,
        one_click,
    })
}

/// What stands in angle brackets, blanks removed (RFC 2369 2).
fn links(value: &str) -> Vec<String> {
    value
        .split('<')
        .skip(1)
        .take(20)
        .filter_map(|piece| piece.split_once('>'))
        .map(|(link, _)| {
            link.chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
        })
        .filter(|link| link.len() <= 4_096)
        .collect()
}

fn has_scheme(link: &str, scheme: &str) -> bool {
    link.get(..scheme.len())
        .is_some_and(|s| s.eq_ignore_ascii_case(scheme))
}

fn percent_decoded(text: &str) -> String {
    let value = Value::parse(format!("x; y*=utf-8''{text}").as_bytes());
    value.get("y").unwrap_or_default().to_owned()
}

fn importance(header: &Header<'_>) -> Importance {
    for name in ["importance", "x-priority", "priority", "x-msmail-priority"] {
        match header.first_word(name).as_deref() {
            Some("high" | "urgent" | "1" | "2") => return Importance::High,
            Some("low" | "non-urgent" | "4" | "5") => return Importance::Low,
            _ => {}
        }
    }
    Importance::Normal
}

/// Marks what is an attachment and what belongs to the text.
fn classify(parts: &mut [Part]) {
    let below = part::children(parts);
    for i in 0..parts.len() {
        let parent_kind = parts
            .get(i)
            .and_then(|p| p.parent)
            .and_then(|p| parts.get(p))
            .map(|p| p.content_type.clone());
        let siblings = parts
            .get(i)
            .and_then(|p| p.parent)
            .and_then(|p| below.get(p));
        let is_first = siblings.is_none_or(|s| s.first() == Some(&i));
        let Some(part) = parts.get_mut(i) else {
            continue;
        };
        let parent = parent_kind.as_deref().unwrap_or_default();
        part.is_inline = belongs_to_text(part, parent, is_first);
        part.is_attachment =
            !part.is_multipart() && !part.is_inline && is_attachment(part, parent, is_first);
    }
}

/// Pictures that the HTML does not show after all (Apple Mail sends plain text with them) are listed as attachments.
fn list_unreferenced(raw: &[u8], parts: &mut [Part]) {
    if !parts.iter().any(|p| p.is_inline && p.in_message.is_none()) {
        return;
    }
    let mut shown: HashSet<String> = HashSet::new();
    for html in part::html_body(parts)
        .into_iter()
        .filter(|p| p.content_type == "text/html")
    {
        let body = html.raw_body(raw);
        if body.len() > MAX_HTML {
            return;
        }
        let text = part::part_text(body, html).to_ascii_lowercase();
        shown.extend(text.split("cid:").skip(1).map(content_id_of));
    }
    for part in parts
        .iter_mut()
        .filter(|p| p.is_inline && p.in_message.is_none())
    {
        let id = part.content_id.as_ref().map(|id| id.to_ascii_lowercase());
        if !id.is_some_and(|id| shown.contains(&id)) {
            part.is_inline = false;
            part.is_attachment = true;
        }
    }
}

/// The id at the start of what follows a `cid:` in HTML (RFC 2392: percent-encoded).
fn content_id_of(text: &str) -> String {
    let end = text
        .find(['"', '\'', ')', '>', ' ', '&', '\n'])
        .unwrap_or(text.len());
    let id = text.get(..end.min(MAX_ID)).unwrap_or_default();
    percent_decoded(id).to_ascii_lowercase()
}

/// Bytes of HTML (encoded) that are searched for pictures; those of a longer one all count as shown.
const MAX_HTML: usize = 4_194_304;

/// What the sender wrote, without what the HTML marks as a quote if anything is left then.
fn preview(raw: &[u8], parts: &[Part], body: &str) -> String {
    if part::text_body(parts)
        .iter()
        .any(|p| p.content_type == "text/html")
    {
        let own = search::body_text(raw, parts, true);
        if !own.trim().is_empty() {
            return text::preview(&own);
        }
    }
    text::preview(body)
}

/// A piece the HTML refers to: it has a Content-ID and was not sent as an attachment, or is a later child of a
/// `multipart/related`.
fn belongs_to_text(part: &Part, parent: &str, is_first: bool) -> bool {
    if part.is_multipart()
        || part.is_message()
        || part.disposition == Some(part::Disposition::Attachment)
    {
        return false;
    }
    let media = ["image/", "audio/", "video/"]
        .iter()
        .any(|m| part.content_type.starts_with(m));
    match parent {
        "multipart/related" => !is_first && (media || part.content_id.is_some()),
        "multipart/mixed" => {
            media
                && part.content_id.is_some()
                && part.disposition == Some(part::Disposition::Inline)
        }
        _ => false,
    }
}

fn is_attachment(part: &Part, parent: &str, is_first: bool) -> bool {
    let kind = part.content_type.as_str();
    let attached = part.disposition == Some(part::Disposition::Attachment);
    match parent {
        // A signature and the control part of an encrypted message are no files.
        "multipart/signed" if !is_first => return false,
        "multipart/encrypted" if is_first => return false,
        "multipart/report"
            if matches!(
                kind,
                "message/delivery-status"
                    | "message/disposition-notification"
                    | "text/rfc822-headers"
                    | "message/global-delivery-status"
                    | "message/global-headers"
            ) =>
        {
            return false;
        }
        "multipart/alternative" if !attached => {
            return !is_shown_kind(kind) && kind != "text/calendar";
        }
        _ => {}
    }
    if is_shown_kind(kind) {
        // Text with a name is a file, unless it is all there is.
        let is_whole_body = part.parent.is_none() || parent.starts_with("message/");
        return attached
            || (part.name.is_some()
                && !is_whole_body
                && !(is_first && part.disposition.is_none()));
    }
    true
}

fn is_shown_kind(kind: &str) -> bool {
    matches!(
        kind,
        "text/plain"
            | "text/html"
            | "text/enriched"
            | "text/richtext"
            | "text/x-amp-html"
            | "text/watch-html"
    )
}

/// An attached message without a file name is called by its subject.
fn name_attached_messages(raw: &[u8], scanned: &mut scan::Scanned) {
    let below = part::children(&scanned.parts);
    for (i, children) in below.iter().enumerate() {
        let Some(part) = scanned
            .parts
            .get_mut(i)
            .filter(|p| p.is_message() && p.name.is_none())
        else {
            continue;
        };
        let fields = children
            .first()
            .and_then(|c| scanned.heads.get(*c))
            .map(|h| h.fields.as_slice())
            .unwrap_or_default();
        let header = Header { raw, fields };
        let subject = header.text("subject").unwrap_or_default();
        let subject: String = subject
            .chars()
            .map(|c| if "/\\:*?\"<>|".contains(c) { '_' } else { c })
            .take(100)
            .collect();
        let stem = super::params::clean_file_name(&subject);
        part.name = Some(if stem.is_empty() {
            "message.eml".to_owned()
        } else {
            format!("{stem}.eml")
        });
    }
}

#[cfg(test)]
mod tests;
