//! Building a message: what the web form, EAS and the program itself send (RFC 5322, RFC 2045-2047, RFC 2231).
//!
//! Shape, leaving out what is not there:
//!
//! ```text
//! multipart/mixed
//!   multipart/alternative
//!     text/plain
//!     multipart/related
//!       text/html
//!       pictures (inline, by cid)
//!   attachments
//! ```
//!
//! Output is clean CRLF and ASCII, but for attached messages, which must stay as they are (RFC 2046 5.2.1). Text is
//! 7bit when it is ASCII with short lines, else quoted-printable in UTF-8. Every header passes the one writer
//! (`write`), so no value can make a header of its own.
//!
//! The boundaries are made of the message id: it is random and new for each message, and `=_` at their start can
//! appear in no quoted-printable or base64 line.

use std::borrow::Cow;

use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::codec;
use super::params::clean_file_name;
use super::write::{BadHeader, HeaderWriter};
use crate::format::address::Mailbox;

/// A message to be written.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    pub from: Vec<Mailbox>,
    /// Only when somebody else than the author sends (RFC 5322 3.6.2).
    pub sender: Option<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    /// Written only by [`Outgoing::with_bcc`]: a draft keeps it, a message on its way must not.
    pub bcc: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub subject: String,
    pub date: OffsetDateTime,
    /// Without brackets; see [`super::head::new_message_id`].
    pub message_id: String,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Plain text, any line ends.
    pub text: String,
    pub html: Option<String>,
    /// Pictures the HTML refers to by `cid:`; without HTML they are attachments.
    pub inline: Vec<File<'a>>,
    pub attachments: Vec<File<'a>>,
    /// Further fields, name and text value (`Importance`, `Auto-Submitted`, `Disposition-Notification-To`).
    pub extra: Vec<(String, String)>,
}

/// A file in a message.
#[derive(Debug, Clone, Default)]
pub struct File<'a> {
    /// Shown name; cleaned when written.
    pub name: String,
    /// `type/subtype`; what is no such thing is written as `application/octet-stream`.
    pub content_type: String,
    /// Character set of a text file, when it is known.
    pub charset: Option<String>,
    /// Without brackets.
    pub content_id: Option<String>,
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Outgoing<'a> {
    /// An empty message from `from`.
    #[must_use]
    pub fn new(from: Mailbox, date: OffsetDateTime, message_id: impl Into<String>) -> Self {
        Self {
            from: vec![from],
            sender: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            reply_to: Vec::new(),
            subject: String::new(),
            date,
            message_id: message_id.into(),
            in_reply_to: Vec::new(),
            references: Vec::new(),
            text: String::new(),
            html: None,
            inline: Vec::new(),
            attachments: Vec::new(),
            extra: Vec::new(),
        }
    }

    /// The message as it is sent: without `Bcc`.
    ///
    /// # Errors
    /// [`BadHeader`] when a value cannot be in a header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BadHeader> {
        self.write(false)
    }

    /// The message as a draft or as the copy in Sent: with `Bcc`.
    ///
    /// # Errors
    /// As [`Outgoing::to_bytes`].
    pub fn with_bcc(&self) -> Result<Vec<u8>, BadHeader> {
        self.write(true)
    }

    fn write(&self, with_bcc: bool) -> Result<Vec<u8>, BadHeader> {
        let mut head = HeaderWriter::new();
        head.date("Date", self.date)?;
        head.mailboxes("From", &self.from)?;
        head.mailboxes("Sender", self.sender.as_slice())?;
        head.mailboxes("Reply-To", &self.reply_to)?;
        head.mailboxes("To", &self.to)?;
        head.mailboxes("Cc", &self.cc)?;
        if with_bcc {
            head.mailboxes("Bcc", &self.bcc)?;
        }
        head.text("Subject", self.subject.trim())?;
        head.raw("Message-ID", &format!("<{}>", self.message_id))?;
        head.ids("In-Reply-To", &self.in_reply_to)?;
        head.ids("References", &self.references)?;
        for (name, value) in &self.extra {
            head.text(name, value)?;
        }
        head.raw("MIME-Version", "1.0")?;
        let mut out = head.into_bytes();
        out.append(&mut self.body(&Boundaries::new(&self.message_id))?);
        Ok(out)
    }

    /// The entity that is the body: its content headers, an empty line, its content.
    fn body(&self, boundaries: &Boundaries) -> Result<Vec<u8>, BadHeader> {
        let mut text = text_entity("text/plain", &self.text)?;
        let mut files: Vec<&File<'a>> = Vec::new();
        if let Some(html) = &self.html {
            let mut rich = text_entity("text/html", html)?;
            if !self.inline.is_empty() {
                let mut children = vec![rich];
                for picture in &self.inline {
                    children.push(file_entity(picture, "inline")?);
                }
                rich = multipart(
                    "related",
                    &boundaries.get("r"),
                    &[("type", "text/html")],
                    children,
                )?;
            }
            text = multipart("alternative", &boundaries.get("a"), &[], vec![text, rich])?;
        } else {
            files.extend(&self.inline);
        }
        files.extend(&self.attachments);
        if files.is_empty() {
            return Ok(text);
        }
        let mut children = vec![text];
        for file in files {
            children.push(file_entity(file, "attachment")?);
        }
        multipart("mixed", &boundaries.get("m"), &[], children)
    }
}

/// Boundaries of one message, different from each other and from those of any other message.
pub(super) struct Boundaries(String);

impl Boundaries {
    pub(super) fn new(message_id: &str) -> Self {
        use std::fmt::Write as _;
        let mut id = String::with_capacity(32);
        for b in Sha256::digest(message_id.as_bytes()).iter().take(14) {
            let _ = write!(id, "{b:02x}");
        }
        Self(id)
    }

    pub(super) fn get(&self, mark: &str) -> String {
        format!("=_{mark}_{}", self.0)
    }
}

/// A multipart of whole entities (each with its headers).
pub(super) fn multipart(
    subtype: &str,
    boundary: &str,
    params: &[(&str, &str)],
    children: Vec<Vec<u8>>,
) -> Result<Vec<u8>, BadHeader> {
    let mut head = HeaderWriter::new();
    let mut all = params.to_vec();
    all.push(("boundary", boundary));
    head.with_params("Content-Type", &format!("multipart/{subtype}"), &all)?;
    let mut out = head.into_bytes();
    out.extend_from_slice(b"\r\n");
    for mut child in children {
        out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
        out.append(&mut child);
        if !out.ends_with(b"\r\n") {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

/// A text in UTF-8: 7bit when it can be, else quoted-printable.
pub(super) fn text_entity(content_type: &str, text: &str) -> Result<Vec<u8>, BadHeader> {
    let seven_bit = codec::Lines(text).all(|line| {
        line.len() <= 78
            && line.bytes().all(|b| b == b'\t' || (32..=126).contains(&b))
            && !line.starts_with("From ")
            && !line.starts_with("--=_")
            && line != "."
    });
    let mut head = HeaderWriter::new();
    let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
    head.with_params("Content-Type", content_type, &[("charset", charset)])?;
    head.raw(
        "Content-Transfer-Encoding",
        if seven_bit {
            "7bit"
        } else {
            "quoted-printable"
        },
    )?;
    let mut out = head.into_bytes();
    out.extend_from_slice(b"\r\n");
    if seven_bit {
        for line in codec::Lines(text) {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    } else {
        codec::quoted_printable(text, &mut out);
    }
    Ok(out)
}

/// A file: base64, or as it stands when it is a message.
fn file_entity(file: &File<'_>, disposition: &str) -> Result<Vec<u8>, BadHeader> {
    let name = clean_file_name(&file.name);
    let declared = file
        .content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let as_message = declared == "message/rfc822" && can_stand_as_it_is(&file.bytes);
    // Multiparts and messages may not be base64 (RFC 2045 6.4); whatever is no media type is a file of bytes.
    let composite = declared.starts_with("multipart/") || declared.starts_with("message/");
    let kind = match declared.split_once('/') {
        Some(_) if super::scan::is_media_type(&declared) && (!composite || as_message) => {
            declared.as_str()
        }
        _ => "application/octet-stream",
    };
    let mut params = Vec::new();
    if let Some(charset) = file
        .charset
        .as_deref()
        .filter(|_| kind.starts_with("text/"))
    {
        params.push(("charset", charset));
    }
    if !name.is_empty() {
        params.push(("name", name.as_str()));
    }
    let mut head = HeaderWriter::new();
    head.with_params("Content-Type", kind, &params)?;
    let encoding = match (as_message, file.bytes.is_ascii()) {
        (true, true) => "7bit",
        (true, false) => "8bit",
        (false, _) => "base64",
    };
    head.raw("Content-Transfer-Encoding", encoding)?;
    let file_name: &[(&str, &str)] = if name.is_empty() {
        &[]
    } else {
        &[("filename", name.as_str())]
    };
    head.with_params("Content-Disposition", disposition, file_name)?;
    if let Some(id) = &file.content_id {
        head.ids("Content-ID", std::slice::from_ref(id))?;
    }
    let mut out = head.into_bytes();
    out.extend_from_slice(b"\r\n");
    if as_message {
        clean_line_ends(&file.bytes, &mut out);
    } else {
        out.reserve(file.bytes.len() / 57 * 78 + 80);
        codec::base64_lines(&file.bytes, &mut out);
    }
    Ok(out)
}

/// Whether an attached message keeps the line rules of SMTP as it is.
fn can_stand_as_it_is(bytes: &[u8]) -> bool {
    !bytes.contains(&0) && bytes.split(|b| *b == b'\n').all(|line| line.len() <= 999)
}

/// Copies with every line end (CRLF, LF, CR) as CRLF.
pub(super) fn clean_line_ends(bytes: &[u8], out: &mut Vec<u8>) {
    let mut before = 0_u8;
    for &b in bytes {
        match b {
            b'\n' if before == b'\r' => {}
            b'\r' | b'\n' => out.extend_from_slice(b"\r\n"),
            b => out.push(b),
        }
        before = b;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::super::{Part, attachments, decode_part, html_body, parse, part_text, text_body};
    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-23 12:00 UTC);

    fn person(name: &str, address: &str) -> Mailbox {
        Mailbox {
            name: name.into(),
            address: address.into(),
        }
    }

    fn message() -> Outgoing<'static> {
        Outgoing::new(person("Jörg Groß", "joerg@a.de"), NOW, "1@a.de")
    }

    fn is_clean(raw: &[u8]) {
        let text = String::from_utf8(raw.to_vec()).unwrap();
        assert!(text.ends_with("\r\n"));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        assert!(text.split("\r\n").all(|l| l.len() <= 998));
    }

    #[test]
    fn a_small_message_is_small() {
        let mut m = message();
        m.to = vec![person("", "b@c.de")];
        m.bcc = vec![person("", "secret@c.de")];
        m.subject = "Hello".into();
        m.text = "Hi,\n\nbye".into();
        assert_eq!(
            String::from_utf8(m.to_bytes().unwrap()).unwrap(),
            "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nFrom: =?utf-8?Q?J=C3=B6rg_Gro=C3=9F?= <joerg@a.de>\r\nTo: b@c.de\r\nSubject: Hello\r\nMessage-ID: <1@a.de>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nHi,\r\n\r\nbye\r\n"
        );
        assert!(
            String::from_utf8(m.with_bcc().unwrap())
                .unwrap()
                .contains("Bcc: secret@c.de\r\n")
        );
    }

    #[test]
    fn everything_at_once_is_read_back() {
        let mut m = message();
        m.to = vec![person("Hofmann, Miriam", "m@b.de")];
        m.subject = "Grüße 🎉".into();
        m.in_reply_to = vec!["0@b.de".into()];
        m.references = vec!["x@b.de".into(), "0@b.de".into()];
        m.text = "Schöne Grüße\nJörg".into();
        m.html = Some("<p>Schöne <b>Grüße</b><img src=\"cid:p1\"></p>".into());
        m.inline = vec![File {
            name: "logo.png".into(),
            content_type: "image/png".into(),
            content_id: Some("p1".into()),
            bytes: Cow::Borrowed(b"\x89PNG"),
            ..File::default()
        }];
        let inner = b"Subject: innen\n\nText\n--=_m_x\n";
        m.attachments = vec![
            File {
                name: "Übersicht für den Vorstand und alle anderen Beteiligten im Jahr 2026.pdf"
                    .into(),
                content_type: "application/pdf".into(),
                bytes: Cow::Borrowed(b"%PDF"),
                ..File::default()
            },
            File {
                name: "alt.eml".into(),
                content_type: "message/rfc822".into(),
                bytes: Cow::Borrowed(inner),
                ..File::default()
            },
            File {
                name: "../x.txt".into(),
                content_type: "nonsense".into(),
                bytes: Cow::Borrowed(b""),
                ..File::default()
            },
        ];
        let raw = m.to_bytes().unwrap();
        is_clean(&raw);
        let p = parse(&raw, NOW, NOW);
        assert_eq!(p.subject, m.subject);
        assert_eq!(p.from, m.from);
        assert_eq!(p.to, m.to);
        assert_eq!(p.references, m.references);
        assert_eq!(p.in_reply_to, m.in_reply_to);
        let show = |list: Vec<&Part>| {
            list.iter()
                .map(|p| {
                    format!(
                        "{} {} {}",
                        p.section,
                        p.content_type,
                        p.name.clone().unwrap_or_default()
                    )
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(show(text_body(&p.parts)), ["1.1 text/plain "]);
        assert_eq!(show(html_body(&p.parts)), ["1.2.1 text/html "]);
        assert_eq!(
            show(attachments(&p.parts)),
            [
                "2 application/pdf Übersicht für den Vorstand und alle anderen Beteiligten im Jahr 2026.pdf",
                "3 message/rfc822 alt.eml",
                "4 application/octet-stream x.txt"
            ]
        );
        let picture = p
            .parts
            .iter()
            .find(|p| p.content_id.as_deref() == Some("p1"))
            .unwrap();
        assert!(picture.is_inline && !picture.is_attachment);
        assert_eq!(decode_part(picture.raw_body(&raw), picture), b"\x89PNG");
    }

    #[test]
    fn no_value_makes_a_header() {
        let evil = "x\r\nBcc: y@z.de";
        for change in [
            (|m: &mut Outgoing<'_>, e: &str| m.subject = e.into()) as fn(&mut Outgoing<'_>, &str),
            |m, e| m.message_id = e.into(),
            |m, e| m.to = vec![person(e, "a@b.de")],
            |m, e| m.extra = vec![("X-A".into(), e.into())],
            |m, e| m.extra = vec![(e.into(), "x".into())],
        ] {
            let mut m = message();
            change(&mut m, evil);
            assert!(m.to_bytes().is_err());
        }
        let mut m = message();
        m.attachments = vec![File {
            name: evil.into(),
            content_type: evil.into(),
            content_id: Some(evil.into()),
            ..File::default()
        }];
        let raw = String::from_utf8(m.to_bytes().unwrap()).unwrap();
        assert!(!raw.contains("\r\nBcc"));
    }

    proptest! {
        #[test]
        fn bodies_come_back(text in "([^\\p{C}]{0,120}\n){0,8}", html in "([^\\p{C}]{0,120}\n){0,8}", bytes: Vec<u8>) {
            let mut m = message();
            m.text.clone_from(&text);
            m.html = Some(html.clone());
            m.attachments = vec![File { name: "a".into(), content_type: "a/b".into(), bytes: Cow::Borrowed(&bytes), ..File::default() }];
            let raw = m.to_bytes().unwrap();
            let p = parse(&raw, NOW, NOW);
            let whole = |list: Vec<&Part>| list.iter().map(|p| part_text(p.raw_body(&raw), p)).collect::<String>();
            // The line break before a boundary belongs to the boundary.
            prop_assert_eq!(whole(text_body(&p.parts)), text.strip_suffix('\n').unwrap_or(&text));
            prop_assert_eq!(whole(html_body(&p.parts)), html.strip_suffix('\n').unwrap_or(&html));
            let file = attachments(&p.parts)[0];
            prop_assert_eq!(decode_part(file.raw_body(&raw), file), bytes);
        }
    }
}
