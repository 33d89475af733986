//! The structure of a message (RFC 2045, RFC 2046): one walk over the bytes, an explicit stack, no copy.
//!
//! Why not `mail-parser`'s tree: it takes a boundary anywhere in a line and by prefix (`--a` inside `--ab`), walks
//! to the end of the message again for each boundary that is missing, decodes and keeps every attachment, and
//! stops at 32 bits. IMAP needs exact offsets, and hostile mail needs linear time, so the walk is ours; the tests
//! compare it with `mail-parser` on well-formed mail.
//!
//! Rules for broken mail: a line that is no header ends the header block, and begins the body; a multipart without
//! a (usable) boundary, or whose boundary never comes, is plain text; a missing end boundary is supplied by an
//! outer boundary or the end; beyond the limits content stays inside the last part as it is.
//!
//! Cost: every byte is looked at a fixed number of times, a line that begins with `--` up to `MAX_DEPTH` times.

use memchr::{memchr, memmem};

use super::codec::{self, Encoding};
use super::params::Value;
use super::part::{Disposition, Part};
use super::words;

/// Nesting of multiparts and attached messages together; what lies deeper is one opaque part.
pub const MAX_DEPTH: usize = 64;
/// Parts; what follows belongs to the last one.
pub const MAX_PARTS: usize = 5_000;
/// Header lines and bytes that are read of the message itself.
const MAX_TOP_LINES: usize = 5_000;
const MAX_TOP_BYTES: usize = 1_048_576;
/// Header lines and bytes that are read of a part.
const MAX_PART_LINES: usize = 500;
const MAX_PART_BYTES: usize = 65_536;
/// Bytes read of one header.
const MAX_FIELD_BYTES: usize = 262_144;
/// RFC 2046 5.1.1 allows 70; mailers exist that use more.
const MAX_BOUNDARY: usize = 200;

/// One header field: byte ranges of its name and its raw value (folds included, last line break not).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub start: usize,
    pub name_end: usize,
    pub value_start: usize,
    pub value_end: usize,
}

impl Field {
    #[must_use]
    pub fn name<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.start..self.name_end).unwrap_or_default()
    }

    #[must_use]
    pub fn value<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        raw.get(self.value_start..self.value_end)
            .unwrap_or_default()
    }

    #[must_use]
    pub fn is(&self, raw: &[u8], name: &str) -> bool {
        self.name(raw).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// What only the IMAP structure needs of a part's header, and the fields of messages.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub content_type: Value,
    pub disposition: Option<Value>,
    pub id: Option<String>,
    pub description: Option<String>,
    pub md5: Option<String>,
    pub language: Option<String>,
    pub location: Option<String>,
    /// All fields, if the part is the body of a message (the outer or an attached one).
    pub fields: Vec<Field>,
}

/// The parts of a message and their heads, same index.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub parts: Vec<Part>,
    pub heads: Vec<Head>,
}

/// Walks a whole message.
pub(super) fn scan(raw: &[u8]) -> Scanned {
    let mut scanner = Scanner {
        raw,
        at: 0,
        open: Vec::new(),
        out: Scanned::default(),
    };
    scanner.run();
    scanner.out
}

/// Where a header block ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderBlock {
    pub fields: Vec<Field>,
    /// Offset behind the last header line, before the empty line.
    pub end: usize,
    /// Offset of the body: behind the empty line, if there is one.
    pub body_start: usize,
}

/// Reads the header block of the message that begins at `start`.
#[must_use]
pub fn header_block(raw: &[u8], start: usize) -> HeaderBlock {
    read_header(raw, start, (MAX_TOP_LINES, MAX_TOP_BYTES), &|_| false)
}

/// An entity whose end has not been seen.
struct Open {
    part: usize,
    /// The delimiter text of a multipart until its end boundary came.
    boundary: Option<Vec<u8>>,
    children: usize,
    is_digest: bool,
}

struct Scanner<'a> {
    raw: &'a [u8],
    at: usize,
    open: Vec<Open>,
    out: Scanned,
}

impl Scanner<'_> {
    fn run(&mut self) {
        self.begin();
        while self.open.iter().any(|o| o.boundary.is_some()) && self.out.parts.len() < MAX_PARTS {
            let Some(line) = self.next_dashes() else {
                break;
            };
            let after = line_end(self.raw, line);
            self.at = after;
            let text = self.raw.get(line..after).unwrap_or_default();
            let Some((owner, is_close)) = find_boundary(&self.open, text) else {
                continue;
            };
            self.close_above(owner, before_break(self.raw, line));
            if is_close {
                if let Some(frame) = self.open.get_mut(owner) {
                    frame.boundary = None;
                }
            } else {
                self.begin();
            }
        }
        let end = self.raw.len();
        while let Some(open) = self.open.pop() {
            self.close(&open, end);
        }
    }

    /// The next line from here on that begins with `--`; `at` is always the beginning of a line.
    fn next_dashes(&self) -> Option<usize> {
        let rest = self.raw.get(self.at..)?;
        if rest.starts_with(b"--") {
            return Some(self.at);
        }
        memmem::find(rest, b"\n--").map(|i| self.at + i + 1)
    }

    /// Begins the entity at `at`, and the messages that begin inside it without a boundary.
    fn begin(&mut self) {
        loop {
            if self.out.parts.len() >= MAX_PARTS {
                return;
            }
            let is_top = self.open.is_empty();
            let start = if is_top {
                skip_mbox_line(self.raw)
            } else {
                self.at
            };
            let limits = if is_top {
                (MAX_TOP_LINES, MAX_TOP_BYTES)
            } else {
                (MAX_PART_LINES, MAX_PART_BYTES)
            };
            let open = &self.open;
            let block = read_header(self.raw, start, limits, &|line| {
                find_boundary(open, line).is_some()
            });
            self.at = block.body_start;
            let descends = self.add(start, block);
            if !descends {
                return;
            }
        }
    }

    /// Records an entity; true when its body is a message that begins at once.
    fn add(&mut self, start: usize, block: HeaderBlock) -> bool {
        let index = self.out.parts.len();
        let parent = self.open.last().map(|o| o.part);
        let in_digest = self.open.last().is_some_and(|o| o.is_digest);
        let parent_part = parent.and_then(|p| self.out.parts.get(p));
        let is_body_of_message = parent_part.is_none_or(Part::is_message);
        let in_message =
            parent_part.and_then(|p| if p.is_message() { parent } else { p.in_message });

        let (mut head, mut part) = describe(self.raw, &block.fields, in_digest);
        let boundary = head
            .content_type
            .get("boundary")
            .map(str::trim_end)
            .filter(|b| (1..=MAX_BOUNDARY).contains(&b.len()))
            .map(|b| b.as_bytes().to_vec());
        let may_nest = self.open.len() < MAX_DEPTH;
        if part.is_multipart() && boundary.is_none() {
            make_plain(&mut part, &mut head);
        } else if (part.is_multipart() || part.is_message()) && !may_nest {
            make_opaque(&mut part, &mut head);
        }
        let is_multipart = part.is_multipart();
        let descends = part.is_message() && part.encoding.is_identity() && index + 1 < MAX_PARTS;
        if part.is_message() && !descends {
            make_opaque(&mut part, &mut head);
        }
        part.section = self.section(is_multipart);
        part.parent = parent;
        part.in_message = in_message;
        part.header_start = start;
        part.body_start = block.body_start;
        part.body_end = block.body_start;
        if is_body_of_message {
            head.fields = block.fields;
        }
        if let Some(frame) = self.open.last_mut() {
            frame.children += 1;
        }
        self.open.push(Open {
            part: index,
            boundary: boundary.filter(|_| is_multipart),
            children: 0,
            is_digest: part.content_type == "multipart/digest",
        });
        self.out.parts.push(part);
        self.out.heads.push(head);
        descends
    }

    /// The section number of the entity that begins now (RFC 9051 6.4.5.1).
    fn section(&self, is_multipart: bool) -> String {
        let Some((frame, parent)) = self
            .open
            .last()
            .and_then(|o| Some((o, self.out.parts.get(o.part)?)))
        else {
            return if is_multipart {
                String::new()
            } else {
                "1".to_owned()
            };
        };
        match (parent.is_message(), is_multipart) {
            (true, true) => parent.section.clone(),
            (true, false) => format!("{}.1", parent.section),
            (false, _) if parent.section.is_empty() => (frame.children + 1).to_string(),
            (false, _) => format!("{}.{}", parent.section, frame.children + 1),
        }
    }

    /// Ends every entity inside the one at `owner`.
    fn close_above(&mut self, owner: usize, end: usize) {
        while self.open.len() > owner + 1 {
            if let Some(open) = self.open.pop() {
                self.close(&open, end);
            }
        }
    }

    fn close(&mut self, open: &Open, end: usize) {
        let (Some(part), Some(head)) = (
            self.out.parts.get_mut(open.part),
            self.out.heads.get_mut(open.part),
        ) else {
            return;
        };
        part.body_end = end.max(part.body_start);
        if part.is_multipart() && open.children == 0 {
            make_plain(part, head);
            let is_body_of_message = !head.fields.is_empty() || part.parent.is_none();
            if part.section.is_empty() {
                part.section.push('1');
            } else if is_body_of_message {
                part.section.push_str(".1");
            }
        }
        let body = part.raw_body(self.raw);
        if part.is_multipart() {
            return;
        }
        part.decoded_size = codec::decoded_size(body, part.encoding);
        if part.is_text() || part.is_message() {
            part.lines = count_lines(body);
        }
    }
}

/// Innermost multipart whose boundary this line is, and whether it is the closing one.
fn find_boundary(open: &[Open], line: &[u8]) -> Option<(usize, bool)> {
    let text = line.strip_prefix(b"--")?;
    open.iter().enumerate().rev().find_map(|(i, frame)| {
        let rest = text.strip_prefix(frame.boundary.as_deref()?)?;
        match rest.strip_prefix(b"--") {
            Some(_) => Some((i, true)),
            None => rest
                .iter()
                .all(u8::is_ascii_whitespace)
                .then_some((i, false)),
        }
    })
}

fn read_header(
    raw: &[u8],
    start: usize,
    limits: (usize, usize),
    is_boundary: &dyn Fn(&[u8]) -> bool,
) -> HeaderBlock {
    let (max_lines, max_bytes) = limits;
    let mut block = HeaderBlock {
        fields: Vec::new(),
        end: start,
        body_start: start,
    };
    let (mut at, mut lines) = (start, 0_usize);
    while at < raw.len() {
        let next = line_end(raw, at);
        let line = raw.get(at..next).unwrap_or_default();
        if line == b"\n" || line == b"\r\n" {
            block.body_start = next;
            return block;
        }
        lines += 1;
        let is_kept = lines <= max_lines && next - start <= max_bytes;
        let content_end = before_break(raw, next);
        if matches!(line.first(), Some(b' ' | b'\t')) {
            match block.fields.last_mut() {
                Some(field) if is_kept && content_end - field.start <= MAX_FIELD_BYTES => {
                    field.value_end = content_end;
                }
                Some(_) => {}
                None => break,
            }
        } else if line.starts_with(b"--") && is_boundary(line) {
            break;
        } else if let Some(name_end) = field_name_end(line) {
            let colon = name_end
                + line
                    .get(name_end..)
                    .map_or(0, |rest| memchr(b':', rest).unwrap_or(0));
            if is_kept {
                block.fields.push(Field {
                    start: at,
                    name_end: at + name_end,
                    value_start: (at + colon + 1).min(content_end),
                    value_end: content_end
                        .min(at + MAX_FIELD_BYTES)
                        .max(at + colon + 1)
                        .min(content_end),
                });
            }
        } else {
            break;
        }
        at = next;
        block.end = at;
    }
    block.body_start = at;
    block
}

/// The length of the field name if the line is a header field: printable ASCII, blanks allowed before the colon.
fn field_name_end(line: &[u8]) -> Option<usize> {
    let end = line.iter().position(|b| !matches!(b, 33..=57 | 59..=126))?;
    let blanks = line
        .get(end..)?
        .iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    (end > 0 && line.get(end + blanks) == Some(&b':')).then_some(end)
}

/// Reads what a part's header says of it.
fn describe(raw: &[u8], fields: &[Field], in_digest: bool) -> (Head, Part) {
    let mut head = Head::default();
    let mut part = Part::default();
    let mut declared: Option<Value> = None;
    let mut encoding: Option<Encoding> = None;
    for field in fields {
        let name = field.name(raw);
        if !name
            .get(..8)
            .is_some_and(|n| n.eq_ignore_ascii_case(b"content-"))
        {
            continue;
        }
        let value = field.value(raw);
        let text = || Some(words::raw_text(value)).filter(|t| !t.is_empty());
        match name.to_ascii_lowercase().as_slice() {
            b"content-type" if declared.is_none() => declared = Some(Value::parse(value)),
            b"content-transfer-encoding" if encoding.is_none() => {
                encoding = Some(Encoding::parse(&words::raw_text(value)));
            }
            b"content-disposition" if head.disposition.is_none() => {
                head.disposition = Some(Value::parse(value)).filter(|v| !v.token.is_empty());
            }
            b"content-id" if head.id.is_none() => head.id = text(),
            b"content-description" if head.description.is_none() => head.description = text(),
            b"content-md5" if head.md5.is_none() => head.md5 = text(),
            b"content-language" if head.language.is_none() => head.language = text(),
            b"content-location" if head.location.is_none() => head.location = text(),
            _ => {}
        }
    }
    let default = if in_digest && declared.is_none() {
        "message/rfc822"
    } else {
        "text/plain"
    };
    head.content_type = declared.unwrap_or_default();
    if !is_media_type(&head.content_type.token) {
        default.clone_into(&mut head.content_type.token);
    }
    let kind = &head.content_type;
    part.content_type.clone_from(&kind.token);
    part.encoding = encoding.unwrap_or_default();
    part.charset = kind
        .get("charset")
        .map(|c| c.trim().to_ascii_lowercase())
        .filter(|c| !c.is_empty() && c.len() <= 64);
    part.disposition = head.disposition.as_ref().map(|d| match d.token.as_str() {
        "inline" => Disposition::Inline,
        _ => Disposition::Attachment,
    });
    part.name = head
        .disposition
        .as_ref()
        .and_then(|d| d.file_name("filename").or_else(|| d.file_name("name")))
        .or_else(|| kind.file_name("name"))
        .or_else(|| kind.file_name("filename"));
    part.content_id = head
        .id
        .as_deref()
        .map(|id| id.trim_matches(['<', '>', ' ']).to_owned())
        .filter(|id| !id.is_empty());
    part.method = kind
        .get("method")
        .map(|m| m.trim().to_ascii_uppercase())
        .filter(|m| m.len() <= 32);
    part.is_flowed = kind
        .get("format")
        .is_some_and(|f| f.eq_ignore_ascii_case("flowed"));
    part.is_delsp = kind
        .get("delsp")
        .is_some_and(|d| d.eq_ignore_ascii_case("yes"));
    (head, part)
}

/// `type/subtype` of the letters RFC 6838 4.2 allows.
pub(super) fn is_media_type(token: &str) -> bool {
    let good = |part: &str| {
        !part.is_empty()
            && part.len() <= 127
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-'".contains(&b))
    };
    token
        .split_once('/')
        .is_some_and(|(kind, subtype)| good(kind) && good(subtype))
}

/// A multipart that cannot be taken apart is shown as text.
fn make_plain(part: &mut Part, head: &mut Head) {
    "text/plain".clone_into(&mut part.content_type);
    "text/plain".clone_into(&mut head.content_type.token);
}

/// What lies too deep, or is a message that is itself encoded, is a file to be saved.
fn make_opaque(part: &mut Part, head: &mut Head) {
    if part.is_message() && part.name.is_none() {
        part.name = Some("message.eml".to_owned());
    }
    "application/octet-stream".clone_into(&mut part.content_type);
    "application/octet-stream".clone_into(&mut head.content_type.token);
}

/// Offset behind the line that begins at `start`.
fn line_end(raw: &[u8], start: usize) -> usize {
    raw.get(start..)
        .and_then(|rest| memchr(b'\n', rest))
        .map_or(raw.len(), |i| start + i + 1)
}

/// `at` is behind a line break (or at the end of the input): the offset before the break.
fn before_break(raw: &[u8], at: usize) -> usize {
    let before = raw.get(..at).unwrap_or_default();
    let before = before
        .strip_suffix(b"\n")
        .map_or(before, |b| b.strip_suffix(b"\r").unwrap_or(b));
    before.len()
}

/// An mbox separator before the first header is none of the message.
fn skip_mbox_line(raw: &[u8]) -> usize {
    if raw.starts_with(b"From ") || raw.starts_with(b">From ") {
        line_end(raw, 0)
    } else {
        0
    }
}

/// Lines, a last one without its break included.
fn count_lines(body: &[u8]) -> usize {
    let breaks = memchr::memchr_iter(b'\n', body).count();
    breaks + usize::from(!body.is_empty() && !body.ends_with(b"\n"))
}
