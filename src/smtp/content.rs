//! What may be in a message, checked while it comes in (security 2 "SMTP", promises S-32 and S-34).
//!
//! [`Content`] sees the message's octets in order, after the framing of DATA (`data.rs`) or BDAT has been
//! taken away, in pieces of any size. It passes on what is to be stored and remembers the first rule that
//! was broken; from then on it passes on nothing, so a refused message costs no room. It holds a few
//! octets of state and no line, so nothing here grows with the input.
//!
//! Where the header ends: at the first empty line, or before the first line that is neither a field nor a
//! fold (a message without a header is stored as it came). Deeper questions are for `format/mime`.
//!
//! Not here: whether the message is ours to take, and what it says.

use crate::config::{BareNewline, Smtp};

/// The limits of one message.
#[derive(Clone, Debug)]
pub struct ContentLimits {
    /// Octets of the whole message as it is stored.
    pub message: u64,
    /// Octets of a line with its end.
    pub text_line: usize,
    /// Octets of the header block.
    pub header_block: usize,
    /// Octets of one field, folds included.
    pub header_field: usize,
    /// Fields.
    pub header_fields: usize,
    /// `Received` fields (S-34).
    pub received_fields: usize,
    /// What a bare CR or LF means.
    pub bare_newline: BareNewline,
}

/// Why a message is refused for what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A CR without LF or an LF without CR.
    #[error("a bare CR or LF")]
    BareNewline,
    /// A line beyond the limit.
    #[error("a line is too long")]
    LongLine,
    /// The header block, one field, or the number of fields is beyond its limit.
    #[error("the header is too large")]
    LargeHeader,
    /// The message is beyond the limit of SIZE.
    #[error("the message is too large")]
    TooLarge,
    /// Too many `Received` fields.
    #[error("the message loops")]
    Loop,
}

/// What was seen of a whole message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContentSummary {
    /// Octets passed on.
    pub size_bytes: u64,
    /// `Received` fields in the header.
    pub received_fields: usize,
    /// The values of `Delivered-To` fields, trimmed (S-34; at most [`DELIVERED_TO`] of them).
    pub delivered_to: Vec<String>,
}

/// The check, fed piece by piece.
#[derive(Debug)]
pub struct Content {
    limits: ContentLimits,
    summary: ContentSummary,
    error: Option<ContentError>,
    /// The last octet was a CR whose fate the next one decides.
    cr: bool,
    line_length: usize,
    header: Header,
}

/// Where in the header the check stands.
#[derive(Debug)]
struct Header {
    place: Place,
    block: usize,
    field: usize,
    fields: usize,
    /// Octets of this line that are counted in `block` and `field`.
    counted: usize,
    /// The line's first octets, as long as they may still be a field's name, or a value we keep.
    kept: Vec<u8>,
}

/// Which part of a header the next octet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first octet of a line.
    LineStart,
    /// A field's name, no colon yet.
    Name,
    /// Behind the colon of a field whose value is of no interest.
    Value,
    /// Behind the colon of `Delivered-To`.
    DeliveredTo,
    /// A `From ` line above the header.
    Mbox,
    /// Past the header.
    Body,
}

impl ContentLimits {
    /// The limits of the settings.
    #[must_use]
    pub fn from_config(config: &Smtp) -> Self {
        Self {
            message: config.message_size,
            text_line: config.text_line,
            header_block: config.header_block,
            header_field: config.header_field,
            header_fields: config.header_fields,
            received_fields: config.received_fields,
            bare_newline: config.bare_newline,
        }
    }
}

impl Content {
    /// A check for one message.
    #[must_use]
    pub fn new(limits: ContentLimits) -> Self {
        Self {
            limits,
            summary: ContentSummary::default(),
            error: None,
            cr: false,
            line_length: 0,
            header: Header {
                place: Place::LineStart,
                block: 0,
                field: 0,
                fields: 0,
                counted: 0,
                kept: Vec::new(),
            },
        }
    }

    /// Takes the next octets and appends to `out` what is to be stored of them.
    pub fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while self.error.is_none() && !input.is_empty() {
            let end = input.iter().position(|b| matches!(b, b'\r' | b'\n'));
            let (text, rest) = input.split_at(end.unwrap_or(input.len()));
            if !text.is_empty() {
                self.text(text, out);
            }
            if let Some((&newline, rest)) = rest.split_first() {
                self.newline(newline, out);
                input = rest;
            } else {
                input = rest;
            }
        }
    }

    /// Says what was seen, when the message has ended.
    ///
    /// # Errors
    /// [`ContentError`]: the first rule that was broken.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<ContentSummary, ContentError> {
        if self.error.is_none() && self.cr {
            self.bare(out);
        }
        // A last line without an end: with DATA it cannot be, with BDAT it can (RFC 3030 2).
        if self.error.is_none() && self.line_length > 0 {
            self.end_of_line(out);
        }
        match self.error {
            None => Ok(self.summary),
            Some(error) => Err(error),
        }
    }

    /// The first rule that was broken so far.
    #[must_use]
    pub fn error(&self) -> Option<ContentError> {
        self.error
    }

    /// Octets without CR and LF, at least one.
    fn text(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        if self.cr {
            self.bare(out);
        }
        if self.header.place == Place::LineStart {
            let fold = matches!(text.first(), Some(b' ' | b'\t')) && self.header.fields > 0;
            self.header.place = if fold { Place::Value } else { Place::Name };
            self.header.kept.clear();
        }
        if self.header.place == Place::Name {
            let colon = text.iter().position(|&b| b == b':');
            let (name, rest) = text.split_at(colon.unwrap_or(text.len()));
            let (colon, rest) = rest.split_at(rest.len().min(1));
            keep(&mut self.header.kept, name, FIELD_NAME.saturating_add(1));
            self.emit(name, out);
            self.emit(colon, out);
            self.name(!colon.is_empty());
            text = rest;
        }
        if self.header.place == Place::DeliveredTo {
            keep(&mut self.header.kept, text, KEPT_VALUE);
        }
        self.emit(text, out);
    }

    /// A CR or an LF.
    fn newline(&mut self, newline: u8, out: &mut Vec<u8>) {
        match (newline, self.cr) {
            (b'\r', false) => self.cr = true,
            (b'\r', true) => {
                self.bare(out);
                self.cr = true;
            }
            (_, true) => {
                self.cr = false;
                self.end_of_line(out);
            }
            (_, false) => self.bare(out),
        }
    }

    /// A CR or LF that has lost its fellow: refused, or taken for a line's end.
    fn bare(&mut self, out: &mut Vec<u8>) {
        self.cr = false;
        match self.limits.bare_newline {
            BareNewline::Refuse => self.refuse(ContentError::BareNewline),
            BareNewline::Normalize => self.end_of_line(out),
        }
    }

    fn end_of_line(&mut self, out: &mut Vec<u8>) {
        self.emit(b"\r\n", out);
        self.line_length = 0;
        self.header_end_of_line();
    }

    /// Counts and passes on. Of several limits the one that is met first in the octets' order is told, so
    /// that the answer does not depend on how the message was cut up by the network.
    fn emit(&mut self, text: &[u8], out: &mut Vec<u8>) {
        if text.is_empty() || self.error.is_some() {
            return;
        }
        let mut first: Option<(usize, ContentError)> = None;
        let mut hold = |room: usize, error: ContentError| {
            if text.len() > room && first.is_none_or(|(least, _)| room < least) {
                first = Some((room, error));
            }
        };
        let limits = &self.limits;
        hold(
            limits.text_line.saturating_sub(self.line_length),
            ContentError::LongLine,
        );
        let room = limits.message.saturating_sub(self.summary.size_bytes);
        hold(
            usize::try_from(room).unwrap_or(usize::MAX),
            ContentError::TooLarge,
        );
        let header = &mut self.header;
        if matches!(header.place, Place::Value | Place::DeliveredTo) {
            // The name was passed on before anybody knew that it was one.
            let name = self.line_length.saturating_sub(header.counted);
            header.block = header.block.saturating_add(name);
            header.field = header.field.saturating_add(name);
            hold(
                limits.header_block.saturating_sub(header.block),
                ContentError::LargeHeader,
            );
            hold(
                limits.header_field.saturating_sub(header.field),
                ContentError::LargeHeader,
            );
            header.block = header.block.saturating_add(text.len());
            header.field = header.field.saturating_add(text.len());
            header.counted = self.line_length.saturating_add(text.len());
        }
        if let Some((_, error)) = first {
            self.refuse(error);
            return;
        }
        self.line_length = self.line_length.saturating_add(text.len());
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.summary.size_bytes = self.summary.size_bytes.saturating_add(length);
        out.extend_from_slice(text);
    }

    /// Decides what a line is from what came of it so far, up to its colon or with more to come.
    fn name(&mut self, at_colon: bool) {
        let name = self.header.kept.trim_ascii_end();
        if is_field_name(name) {
            if at_colon {
                self.field_begins();
            }
        } else {
            self.header.place = if self.is_mbox_line() {
                Place::Mbox
            } else {
                Place::Body
            };
        }
    }

    /// A field's name came to its colon.
    fn field_begins(&mut self) {
        let kept = std::mem::take(&mut self.header.kept);
        let name = kept.trim_ascii_end();
        self.header.place = Place::Value;
        self.header.field = 0;
        self.header.fields = self.header.fields.saturating_add(1);
        if self.header.fields > self.limits.header_fields {
            self.refuse(ContentError::LargeHeader);
        }
        if name.eq_ignore_ascii_case(b"received") {
            self.summary.received_fields = self.summary.received_fields.saturating_add(1);
            if self.summary.received_fields > self.limits.received_fields {
                self.refuse(ContentError::Loop);
            }
        } else if name.eq_ignore_ascii_case(b"delivered-to")
            && self.summary.delivered_to.len() < DELIVERED_TO
        {
            self.header.place = Place::DeliveredTo;
        }
    }

    /// `From ` at the top, as mbox files begin a message and some programs then send it.
    fn is_mbox_line(&self) -> bool {
        let kept = &self.header.kept;
        self.header.fields == 0 && (kept.starts_with(b"From ") || kept.starts_with(b">From "))
    }

    /// A line of the header has ended.
    fn header_end_of_line(&mut self) {
        self.header.counted = 0;
        self.header.place = match self.header.place {
            Place::Name if self.is_mbox_line() => Place::LineStart,
            // An empty line, or one without a colon.
            Place::Body | Place::LineStart | Place::Name => Place::Body,
            Place::Value | Place::Mbox => Place::LineStart,
            Place::DeliveredTo => {
                let value = String::from_utf8_lossy(&self.header.kept);
                self.summary.delivered_to.push(value.trim().to_owned());
                Place::LineStart
            }
        };
        self.header.kept.clear();
    }

    /// The first broken rule is the one that is told.
    fn refuse(&mut self, error: ContentError) {
        self.error.get_or_insert(error);
    }
}

/// Appends as much of `text` as `kept` may still hold.
fn keep(kept: &mut Vec<u8>, text: &[u8], most: usize) {
    let room = most.saturating_sub(kept.len()).min(text.len());
    kept.extend_from_slice(text.get(..room).unwrap_or_default());
}

/// `ftext` of RFC 5322 3.6.8: printable ASCII but the colon.
fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= FIELD_NAME
        && name.iter().all(|b| matches!(b, 33..=57 | 59..=126))
}

/// Octets of a field's name that we believe to be one.
const FIELD_NAME: usize = 200;
/// Octets kept of a `Delivered-To` value; longer is no address.
const KEPT_VALUE: usize = 320;
/// `Delivered-To` fields that are kept.
pub const DELIVERED_TO: usize = 100;

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
