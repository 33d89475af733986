//! FETCH and its items (RFC 9051 6.4.5; BINARY RFC 3516, CONDSTORE RFC 7162, OBJECTID RFC 8474, PREVIEW RFC 8970,
//! SAVEDATE RFC 8514, PARTIAL RFC 9394).

use super::Why;
use super::command::Messages;
use super::cursor::{Cursor, Read, utf8};

/// FETCH or UID FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// By UID.
    pub uid: bool,
    /// Which messages.
    pub messages: Messages,
    /// What of them, in the order asked for.
    pub items: Vec<FetchItem>,
    /// Only what changed after this number (RFC 7162 3.1.4.1).
    pub changed_since: Option<i64>,
    /// And what vanished since (RFC 7162 3.2.6).
    pub vanished: bool,
    /// Only this window of the messages (RFC 9394 3.3).
    pub partial: Option<Window>,
}

/// A window of results: 1 is the first; negative numbers count from the end (RFC 9394 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The lower place, 1 or more.
    pub first: u32,
    /// The higher place.
    pub last: u32,
    /// Counted from the end.
    pub from_end: bool,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`
    Uid,
    /// `FLAGS`
    Flags,
    /// `INTERNALDATE`
    InternalDate,
    /// `RFC822.SIZE`
    Size,
    /// `ENVELOPE`
    Envelope,
    /// `BODY` without a section
    Body,
    /// `BODYSTRUCTURE`
    BodyStructure,
    /// `MODSEQ`
    ModSeq,
    /// `EMAILID`
    EmailId,
    /// `THREADID`
    ThreadId,
    /// `SAVEDATE`
    SaveDate,
    /// `PREVIEW`
    Preview,
    /// `BODY[..]`, `BODY.PEEK[..]` and the three of RFC 822
    Section(SectionItem),
    /// `BINARY[..]`, `BINARY.PEEK[..]`
    Binary {
        /// The part; empty: the message.
        part: Vec<u32>,
        /// `\Seen` is not set.
        peek: bool,
        /// First octet and how many.
        partial: Option<(u64, u64)>,
    },
    /// `BINARY.SIZE[..]`
    BinarySize(Vec<u32>),
}

/// A piece of the message as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionItem {
    /// How it was asked for, which is how it is answered.
    pub spelling: Spelling,
    /// Which piece.
    pub section: Section,
    /// `\Seen` is not set.
    pub peek: bool,
    /// First octet and how many.
    pub partial: Option<(u64, u64)>,
}

/// The name an item is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `BODY[..]`
    Body,
    /// `RFC822`
    Rfc822,
    /// `RFC822.HEADER`
    Rfc822Header,
    /// `RFC822.TEXT`
    Rfc822Text,
}

/// `section-spec`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// `section-part`; empty: the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

/// `section-text`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SectionText {
    /// All of it.
    #[default]
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS`
    Fields(Vec<String>),
    /// `HEADER.FIELDS.NOT`
    FieldsNot(Vec<String>),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

impl FetchItem {
    /// Whether fetching it reads the message (RFC 9051 6.4.5: sets `\Seen`).
    #[must_use]
    pub fn marks_seen(&self) -> bool {
        match self {
            Self::Section(item) => !item.peek,
            Self::Binary { peek, .. } => !peek,
            _ => false,
        }
    }
}

impl Section {
    /// As it stands between the brackets of a response.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (i, n) in self.part.iter().enumerate() {
            if i > 0 {
                out.push(b'.');
            }
            out.extend_from_slice(n.to_string().as_bytes());
        }
        let (word, fields) = match &self.text {
            SectionText::Whole => return out,
            SectionText::Header => ("HEADER", None),
            SectionText::Text => ("TEXT", None),
            SectionText::Mime => ("MIME", None),
            SectionText::Fields(fields) => ("HEADER.FIELDS", Some(fields)),
            SectionText::FieldsNot(fields) => ("HEADER.FIELDS.NOT", Some(fields)),
        };
        if !out.is_empty() {
            out.push(b'.');
        }
        out.extend_from_slice(word.as_bytes());
        if let Some(fields) = fields {
            out.extend_from_slice(b" (");
            for (i, field) in fields.iter().enumerate() {
                if i > 0 {
                    out.push(b' ');
                }
                super::write::astring(&mut out, field.as_bytes());
            }
            out.push(b')');
        }
        out
    }
}

/// The arguments behind `FETCH `.
pub(super) fn fetch(c: &mut Cursor<'_>, uid: bool) -> Read<Fetch> {
    let messages = messages(c)?;
    c.space()?;
    let items = items(c)?;
    let mut fetch = Fetch {
        uid,
        messages,
        items,
        changed_since: None,
        vanished: false,
        partial: None,
    };
    if c.take(b' ') {
        modifiers(c, &mut fetch)?;
    }
    if fetch.vanished && (!uid || fetch.changed_since.is_none()) {
        return Err(Why::Syntax("VANISHED needs UID FETCH and CHANGEDSINCE"));
    }
    Ok(fetch)
}

fn modifiers(c: &mut Cursor<'_>, fetch: &mut Fetch) -> Read<()> {
    c.list(1, |c| {
        match c.name()?.as_str() {
            "CHANGEDSINCE" => {
                c.space()?;
                fetch.changed_since = Some(c.modseq()?);
            }
            "VANISHED" => fetch.vanished = true,
            "PARTIAL" => {
                c.space()?;
                fetch.partial = Some(window(c)?);
            }
            _ => return Err(Why::Syntax("no such modifier of FETCH")),
        }
        Ok(())
    })?;
    Ok(())
}

/// `sequence-set`, or `$`.
pub(super) fn messages(c: &mut Cursor<'_>) -> Read<Messages> {
    if c.take(b'$') {
        return Ok(Messages::Saved);
    }
    c.set().map(Messages::Set)
}

/// `partial-range` (RFC 9394 4).
pub(super) fn window(c: &mut Cursor<'_>) -> Read<Window> {
    let from_end = c.take(b'-');
    let a = c.nz_number()?;
    c.expect(b':', "a range is missing")?;
    if c.take(b'-') != from_end {
        return Err(Why::Syntax("a range has both ends on one side"));
    }
    let b = c.nz_number()?;
    Ok(Window {
        first: a.min(b),
        last: a.max(b),
        from_end,
    })
}

/// A macro, one item, or a list of them.
pub(super) fn items(c: &mut Cursor<'_>) -> Read<Vec<FetchItem>> {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
    if c.peek() == Some(b'(') {
        return c.list(1, item);
    }
    if c.word("ALL") {
        return Ok(vec![Flags, InternalDate, Size, Envelope]);
    }
    if c.word("FAST") {
        return Ok(vec![Flags, InternalDate, Size]);
    }
    if c.word("FULL") {
        return Ok(vec![Flags, InternalDate, Size, Envelope, Body]);
    }
    Ok(vec![item(c)?])
}

fn item(c: &mut Cursor<'_>) -> Read<FetchItem> {
    let name = c.name()?;
    if c.peek() == Some(b'[') {
        return match name.as_str() {
            "BODY" => section(c, false),
            "BODY.PEEK" => section(c, true),
            "BINARY" => binary(c, false),
            "BINARY.PEEK" => binary(c, true),
            "BINARY.SIZE" => {
                c.expect(b'[', "a bracket is missing")?;
                let part = part(c)?;
                c.expect(b']', "a bracket is not closed")?;
                Ok(FetchItem::BinarySize(part))
            }
            _ => Err(Why::Syntax("no such item")),
        };
    }
    Ok(match name.as_str() {
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822.SIZE" => FetchItem::Size,
        "ENVELOPE" => FetchItem::Envelope,
        "BODY" => FetchItem::Body,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "MODSEQ" => FetchItem::ModSeq,
        "EMAILID" => FetchItem::EmailId,
        "THREADID" => FetchItem::ThreadId,
        "SAVEDATE" => FetchItem::SaveDate,
        "PREVIEW" => {
            lazy(c)?;
            FetchItem::Preview
        }
        "RFC822" => rfc822(Spelling::Rfc822, SectionText::Whole, false),
        "RFC822.HEADER" => rfc822(Spelling::Rfc822Header, SectionText::Header, true),
        "RFC822.TEXT" => rfc822(Spelling::Rfc822Text, SectionText::Text, false),
        _ => return Err(Why::Syntax("no such item")),
    })
}

/// `PREVIEW (LAZY)`: ours are ready, so it makes no difference.
fn lazy(c: &mut Cursor<'_>) -> Read<()> {
    let mut ahead = c.clone();
    if ahead.take(b' ') && ahead.peek() == Some(b'(') {
        ahead.list(1, |c| {
            if c.word("LAZY") {
                Ok(())
            } else {
                Err(Why::Syntax("no such modifier of PREVIEW"))
            }
        })?;
        *c = ahead;
    }
    Ok(())
}

fn rfc822(spelling: Spelling, text: SectionText, peek: bool) -> FetchItem {
    FetchItem::Section(SectionItem {
        spelling,
        section: Section {
            part: Vec::new(),
            text,
        },
        peek,
        partial: None,
    })
}

fn section(c: &mut Cursor<'_>, peek: bool) -> Read<FetchItem> {
    c.expect(b'[', "a bracket is missing")?;
    let part = part(c)?;
    let text = if c.peek() == Some(b']') {
        SectionText::Whole
    } else {
        section_text(c, !part.is_empty())?
    };
    c.expect(b']', "a bracket is not closed")?;
    let partial = partial(c)?;
    Ok(FetchItem::Section(SectionItem {
        spelling: Spelling::Body,
        section: Section { part, text },
        peek,
        partial,
    }))
}

fn section_text(c: &mut Cursor<'_>, has_part: bool) -> Read<SectionText> {
    let name = c.name()?;
    Ok(match name.as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if has_part => SectionText::Mime,
        "HEADER.FIELDS" | "HEADER.FIELDS.NOT" => {
            c.space()?;
            let fields = c.list(1, |c| utf8(&c.astring()?))?;
            if name.ends_with("NOT") {
                SectionText::FieldsNot(fields)
            } else {
                SectionText::Fields(fields)
            }
        }
        _ => return Err(Why::Syntax("no such section")),
    })
}

fn binary(c: &mut Cursor<'_>, peek: bool) -> Read<FetchItem> {
    c.expect(b'[', "a bracket is missing")?;
    let part = part(c)?;
    c.expect(b']', "a bracket is not closed")?;
    Ok(FetchItem::Binary {
        part,
        peek,
        partial: partial(c)?,
    })
}

/// `section-part`, and the dot behind it when a text follows.
fn part(c: &mut Cursor<'_>) -> Read<Vec<u32>> {
    let mut part = Vec::new();
    while c.peek().is_some_and(|b| b.is_ascii_digit()) {
        if part.len() >= MOST_LEVELS {
            return Err(Why::TooMany("levels of a section"));
        }
        part.push(c.nz_number()?);
        if !c.take(b'.') {
            return Ok(part);
        }
    }
    if !part.is_empty() && c.peek() == Some(b']') {
        return Err(Why::Syntax("a section ends with a dot"));
    }
    Ok(part)
}

/// `<first.count>`
fn partial(c: &mut Cursor<'_>) -> Read<Option<(u64, u64)>> {
    if !c.take(b'<') {
        return Ok(None);
    }
    let first = c.number()?;
    c.expect(b'.', "a dot is missing")?;
    let count = c.number()?;
    c.expect(b'>', "> is missing")?;
    if count == 0 {
        return Err(Why::Syntax("no octet is asked for"));
    }
    Ok(Some((first, count)))
}

/// Levels of a section number; MIME goes no deeper either.
const MOST_LEVELS: usize = 64;
