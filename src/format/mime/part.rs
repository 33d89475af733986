//! The parts of a message as delivery stores them, and the choice of what is shown.
//!
//! A [`Part`] is all that is ever needed of a part without reading the message again: where its bytes lie, how they
//! are coded, what it is called. The list is in the order of the message (a parent before its children); part 0 is
//! the message's own body. Parts inside an attached message are in the list too (IMAP sections reach them), but
//! neither shown nor listed as attachments of the outer message.

use serde::{Deserialize, Serialize};

use super::{charset, codec};

pub use super::codec::Encoding;

/// One part of a message; field names are short because the list is stored as JSON beside each message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, none a state"
)]
pub struct Part {
    /// IMAP section number (RFC 9051 6.4.5.1): `1.2`; empty for a message whose body is a multipart. The multipart
    /// that is the body of an attached message has the number of that message.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// Index of the multipart or `message/rfc822` this part stands in.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Index of the innermost attached message this part stands in; `None` for the message's own parts.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub in_message: Option<usize>,
    /// `type/subtype` in lower case.
    #[serde(rename = "t")]
    pub content_type: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
    /// File name, decoded, without folders and control characters.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub disposition: Option<Disposition>,
    /// `Content-ID` without its angle brackets.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub content_id: Option<String>,
    #[serde(rename = "e", default)]
    pub encoding: Encoding,
    /// Offset of the part's first header byte in the raw message.
    #[serde(rename = "h")]
    pub header_start: usize,
    /// Offset of the first byte after the empty line.
    #[serde(rename = "b")]
    pub body_start: usize,
    /// Offset behind the last body byte; the line break before a boundary belongs to the boundary.
    #[serde(rename = "z")]
    pub body_end: usize,
    /// Size after the transfer encoding is undone.
    #[serde(rename = "o", default)]
    pub decoded_size: usize,
    /// Lines of the body as it stands (text and attached messages only).
    #[serde(rename = "l", default, skip_serializing_if = "is_zero")]
    pub lines: usize,
    /// To be listed as an attachment.
    #[serde(rename = "a", default, skip_serializing_if = "is_false")]
    pub is_attachment: bool,
    /// A picture or other piece that the text refers to (`cid:`).
    #[serde(rename = "r", default, skip_serializing_if = "is_false")]
    pub is_inline: bool,
    /// `method` of a `text/calendar` part, upper case (RFC 6047 2.4).
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `format=flowed` (RFC 3676).
    #[serde(rename = "f", default, skip_serializing_if = "is_false")]
    pub is_flowed: bool,
    /// `delsp=yes` (RFC 3676).
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub is_delsp: bool,
}

/// `Content-Disposition` (RFC 2183); an unknown one counts as attachment, as the RFC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    #[serde(rename = "i")]
    Inline,
    #[serde(rename = "a")]
    Attachment,
}

impl Part {
    #[must_use]
    pub fn is_multipart(&self) -> bool {
        self.content_type.starts_with("multipart/")
    }

    #[must_use]
    pub fn is_text(&self) -> bool {
        self.content_type.starts_with("text/")
    }

    /// An attached message whose own parts follow in the list.
    #[must_use]
    pub fn is_message(&self) -> bool {
        matches!(
            self.content_type.as_str(),
            "message/rfc822" | "message/global"
        )
    }

    /// Size as it stands in the message.
    #[must_use]
    pub fn encoded_size(&self) -> usize {
        self.body_end.saturating_sub(self.body_start)
    }

    /// The body's bytes inside the raw message, still encoded.
    #[must_use]
    pub fn raw_body<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.body_start..self.body_end).unwrap_or_default()
    }
}

/// Decodes a part's body; broken encodings give what can be read of them.
#[must_use]
pub fn decode_part(raw_body: &[u8], part: &Part) -> Vec<u8> {
    codec::decode(raw_body, part.encoding)
}

/// A text part's body as text with LF line ends: transfer encoding and character set undone.
///
/// Without a (known) character set it is UTF-8 if it can be, else windows-1252; HTML may name its own in a `meta`
/// element. `format=flowed` lines are *not* joined, see [`super::text::unflow`].
#[must_use]
pub fn part_text(raw_body: &[u8], part: &Part) -> String {
    let bytes = decode_part(raw_body, part);
    let in_html = if part.charset.is_none() && part.content_type == "text/html" {
        meta_charset(&bytes)
    } else {
        None
    };
    let text = charset::decode(&bytes, part.charset.as_deref().or(in_html.as_deref()));
    if text.contains(['\r', '\0']) {
        text.replace("\r\n", "\n")
            .replace('\r', "\n")
            .replace('\0', "")
    } else {
        text
    }
}

/// The first part with this section number: for an attached message the part itself, not its body.
#[must_use]
pub fn find<'a>(parts: &'a [Part], section: &str) -> Option<&'a Part> {
    parts.iter().find(|p| p.section == section)
}

/// The parts that make the text in its plain form, in order; where only HTML exists it is that.
#[must_use]
pub fn text_body(parts: &[Part]) -> Vec<&Part> {
    shown(parts, false)
}

/// The parts that make the text in its rich form, in order: HTML where there is some, plain text elsewhere.
#[must_use]
pub fn html_body(parts: &[Part]) -> Vec<&Part> {
    shown(parts, true)
}

/// The parts to be listed as attachments, in order.
#[must_use]
pub fn attachments(parts: &[Part]) -> Vec<&Part> {
    parts
        .iter()
        .filter(|p| p.is_attachment && p.in_message.is_none())
        .collect()
}

/// Walks the tree once: of a `multipart/alternative` one child is taken, of a `multipart/related` the first, of
/// every other multipart all.
fn shown(parts: &[Part], rich: bool) -> Vec<&Part> {
    let wanted = if rich { "text/html" } else { "text/plain" };
    let has = |i: &usize, test: &dyn Fn(&Part) -> bool| subtree(parts, *i).any(test);
    let mut takes: Vec<bool> = vec![false; parts.len()];
    let mut chosen: Vec<Option<usize>> = vec![None; parts.len()];
    let children = children(parts);
    let mut out = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let of_parent = part.parent.and_then(|p| Some((p, parts.get(p)?)));
        let take = match of_parent {
            None => true,
            Some((p, parent)) => {
                takes.get(p) == Some(&true)
                    && !parent.is_message()
                    && chosen
                        .get(p)
                        .copied()
                        .flatten()
                        .is_none_or(|only| only == i)
            }
        };
        if let Some(slot) = takes.get_mut(i) {
            *slot = take;
        }
        if !take {
            continue;
        }
        let own = children.get(i).map(Vec::as_slice).unwrap_or_default();
        let only = match part.content_type.as_str() {
            "multipart/alternative" => {
                let exact = |p: &Part| is_shown(p) && p.content_type == wanted;
                let last =
                    |test: &dyn Fn(&Part) -> bool| own.iter().rev().find(|c| has(c, test)).copied();
                let other = |p: &Part| {
                    is_shown(p) && matches!(p.content_type.as_str(), "text/plain" | "text/html")
                };
                last(&exact)
                    .or_else(|| last(&other))
                    .or_else(|| last(&is_shown))
            }
            "multipart/related" => own.iter().find(|c| has(c, &is_shown)).copied(),
            _ => None,
        };
        if let Some(slot) = chosen.get_mut(i) {
            *slot = only;
        }
        if is_shown(part) {
            out.push(part);
        }
    }
    out
}

/// Whether a leaf is text to be read where it stands.
fn is_shown(part: &Part) -> bool {
    part.is_text() && !part.is_attachment && part.content_type != "text/calendar"
}

/// The part at `root` and all below it that belong to the same message: they follow it in the list.
fn subtree(parts: &[Part], root: usize) -> impl Iterator<Item = &Part> {
    let inside = parts.get(root).and_then(|p| p.in_message);
    let mut last = root;
    parts
        .iter()
        .enumerate()
        .skip(root)
        .take_while(move |(i, p)| {
            let below = *i == root
                || p.parent
                    .is_some_and(|parent| parent >= root && parent <= last);
            last = *i;
            below
        })
        .map(|(_, p)| p)
        .filter(move |p| p.in_message == inside)
}

/// Children of each part in order.
pub(super) fn children(parts: &[Part]) -> Vec<Vec<usize>> {
    let mut out = vec![Vec::new(); parts.len()];
    for (i, part) in parts.iter().enumerate() {
        if let Some(list) = part.parent.and_then(|p| out.get_mut(p)) {
            list.push(i);
        }
    }
    out
}

/// `<meta charset=...>` or its `http-equiv` form in the first kilobyte.
fn meta_charset(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(1_024))?.to_ascii_lowercase();
    let at = memchr::memmem::find(&head, b"charset=")? + 8;
    let value = head.get(at..)?;
    let value = value
        .strip_prefix(b"\"")
        .or_else(|| value.strip_prefix(b"'"))
        .unwrap_or(value);
    let label: String = value
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"-_:.".contains(b))
        .map(|b| char::from(*b))
        .collect();
    // A document that can be read as ASCII this far is not UTF-16, whatever it says (HTML 13.2.3.3).
    (!label.is_empty() && !label.starts_with("utf-16")).then_some(label)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(value: &usize) -> bool {
    *value == 0
}
