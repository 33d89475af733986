//! What IMAP SEARCH looks into (RFC 9051 6.4.4): the whole header and the whole text of a message, folded.
//!
//! [`super::search`] makes what the pages search, bounded to what a reader would look for. Here everything counts that the
//! RFC's BODY, TEXT and HEADER can name: every field, every text part whether it is shown or not, the headers and texts of
//! attached messages, the names of attachments. Transfer encodings, character sets and encoded words are undone, HTML has its
//! tags off, and case, accents and white space are folded, so that a search is a search for octets.
//!
//! [`Needle`] is the other side: what is looked for, folded the same way. `ä` is found by `a`, by `ae`, and the other way round.

use super::part::{Part, part_text};
use super::scan::header_block;
use super::search::{fold, fold_expanded};
use super::{text, words};

/// Bytes of the folded header that are kept.
pub const MAX_HEADER: usize = 262_144;
/// Bytes of the folded text that are kept.
pub const MAX_BODY: usize = 2 << 20;

/// The whole text of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FullText {
    /// One line a field: its name in lower case, `: `, its folded value.
    pub header: String,
    /// Folded text, a line a part. With umlauts, everything once more with them written out.
    pub body: String,
    /// Something is missing: what is not found here may still be in the message.
    pub is_cut: bool,
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    /// Folded.
    pub plain: String,
    /// With umlauts written out, when that is another text.
    pub expanded: Option<String>,
}

impl Needle {
    /// Folds what a client asks for. Blanks at its ends count.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (plain, expanded) = (padded(text, fold), padded(text, fold_expanded));
        Self {
            expanded: (expanded != plain).then_some(expanded),
            plain,
        }
    }

    /// Whether it is in a folded text.
    #[must_use]
    pub fn is_in(&self, folded: &str) -> bool {
        folded.contains(&self.plain)
            || self
                .expanded
                .as_ref()
                .is_some_and(|expanded| folded.contains(expanded))
    }

    /// Whether it is in a field of a folded header; an empty one is when the field is there.
    #[must_use]
    pub fn is_in_field(&self, header: &str, name: &str) -> bool {
        header.lines().any(|line| {
            line.strip_prefix(name)
                .and_then(|rest| rest.strip_prefix(':'))
                .is_some_and(|value| self.is_in(value.strip_prefix(' ').unwrap_or(value)))
        })
    }
}

/// Folds and keeps one blank at an end that had any.
fn padded(text: &str, folding: fn(&str) -> String) -> String {
    let folded = folding(text);
    if folded.is_empty() {
        return if text.is_empty() {
            folded
        } else {
            " ".to_owned()
        };
    }
    let before = if text.starts_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    let behind = if text.ends_with(char::is_whitespace) {
        " "
    } else {
        ""
    };
    format!("{before}{}{behind}", folded.trim())
}

impl FullText {
    /// Of a message and its parts, at most [`MAX_HEADER`] and [`MAX_BODY`].
    #[must_use]
    pub fn of(raw: &[u8], parts: &[Part]) -> Self {
        Self::within(raw, parts, (MAX_HEADER, MAX_BODY))
    }

    /// The same with limits of one's own.
    #[must_use]
    pub fn within(raw: &[u8], parts: &[Part], (most_header, most_body): (usize, usize)) -> Self {
        let mut header = Gathered::new(most_header);
        let top = parts.first().map_or(0, |part| part.header_start);
        header.fields(raw, top);
        let mut body = Gathered::new(most_body);
        for part in parts {
            if part.in_message.is_some() && is_message_top(part, parts) {
                body.fields(raw, part.header_start);
            }
            if let Some(name) = &part.name {
                body.line(name);
            }
            if part.is_text() {
                body.part(raw, part);
            }
            if body.is_cut {
                break;
            }
        }
        let is_cut = header.is_cut || body.is_cut;
        Self {
            header: header.finish(),
            body: body.finish(),
            is_cut,
        }
    }
}

/// Whether a part is the body of an attached message, so that its header is that message's.
fn is_message_top(part: &Part, parts: &[Part]) -> bool {
    part.parent.is_some()
        && part.parent == part.in_message
        && part
            .parent
            .and_then(|at| parts.get(at))
            .is_some_and(Part::is_message)
}

/// Lines on their way into a bounded text.
struct Gathered {
    text: String,
    expanded: String,
    most: usize,
    is_cut: bool,
}

impl Gathered {
    fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            expanded: String::new(),
            most,
            is_cut: false,
        }
    }

    /// The header block that begins at `start`.
    fn fields(&mut self, raw: &[u8], start: usize) {
        for field in header_block(raw, start).fields {
            let name = String::from_utf8_lossy(field.name(raw)).to_ascii_lowercase();
            let name: String = name.chars().filter(char::is_ascii_graphic).collect();
            let value = words::unstructured(field.value(raw));
            self.named(&name, &value);
            if self.is_cut {
                return;
            }
        }
    }

    fn named(&mut self, name: &str, value: &str) {
        let (plain, expanded) = both(value);
        self.push(&format!("{name}: {plain}"));
        if let Some(expanded) = expanded {
            self.push(&format!("{name}: {expanded}"));
        }
    }

    fn part(&mut self, raw: &[u8], part: &Part) {
        let bytes = part.raw_body(raw);
        // Twice for base64 and markup; what is longer is cut anyway.
        let most = self.most.saturating_mul(4);
        self.is_cut |= bytes.len() > most;
        let bytes = bytes.get(..bytes.len().min(most)).unwrap_or_default();
        let decoded = part_text(bytes, part);
        let text = if part.content_type == "text/html" {
            text::from_html(&decoded, false, most)
        } else if part.is_flowed {
            text::unflow(&decoded, part.is_delsp)
        } else {
            decoded
        };
        self.line(&text);
    }

    fn line(&mut self, text: &str) {
        let (plain, expanded) = both(text);
        self.push(&plain);
        if let Some(expanded) = expanded {
            let room = self
                .most
                .saturating_sub(self.text.len() + self.expanded.len());
            if expanded.len() < room {
                self.expanded.push_str(&expanded);
                self.expanded.push('\n');
            } else {
                self.is_cut = true;
            }
        }
    }

    fn push(&mut self, line: &str) {
        let room = self
            .most
            .saturating_sub(self.text.len() + self.expanded.len());
        let kept = line
            .get(..line.floor_char_boundary(room))
            .unwrap_or_default();
        self.is_cut |= kept.len() < line.len();
        self.text.push_str(kept);
        self.text.push('\n');
    }

    fn finish(mut self) -> String {
        self.text.push_str(&self.expanded);
        self.text
    }
}

/// A folded text, and with umlauts written out when that is another one.
fn both(text: &str) -> (String, Option<String>) {
    let plain = fold(text);
    if text.is_ascii() {
        return (plain, None);
    }
    let expanded = fold_expanded(text);
    let expanded = (expanded != plain).then_some(expanded);
    (plain, expanded)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn full(raw: &str) -> FullText {
        let now = datetime!(2026-11-23 12:00 UTC);
        let parsed = super::super::parse(raw.as_bytes(), now, now);
        FullText::of(raw.as_bytes(), &parsed.parts)
    }

    const MIXED: &str = "From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <jm@x.test>\r\nSubject: Out\r\n er\r\nX-Empty:\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nSGF1cHRiYWhuaG9mIEvDtmxu\r\n--a\r\nContent-Type: text/html\r\n\r\n<p>only in <b>mark</b>up</p>\r\n--a--\r\n--b\r\nContent-Type: text/plain; name=\"liste.txt\"\r\nContent-Disposition: attachment; filename=\"liste.txt\"\r\n\r\nin the\r\nattachment\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: Inner subject\r\n\r\ninner words\r\n--b\r\nContent-Type: application/pdf; name=\"Rechnung.pdf\"\r\n\r\n%PDF never this\r\n--b--\r\n";

    #[test]
    fn everything_that_is_text_can_be_found() {
        let full = full(MIXED);
        assert!(!full.is_cut);
        for (needle, is_there) in [
            ("BAHNHOF", true),
            ("köln", true),
            ("koln", true),
            ("koeln", true),
            ("only in markup", true),
            ("in the attachment", true),
            ("inner subject", true),
            ("inner words", true),
            ("rechnung.pdf", true),
            ("liste.txt", true),
            ("never this", false),
            ("preamble", false),
            ("out er", false),
            ("jm@x", false),
            ("<p>", false),
        ] {
            assert_eq!(Needle::new(needle).is_in(&full.body), is_there, "{needle}");
        }
    }

    #[test]
    fn fields_are_found_by_their_names() {
        let full = full(MIXED);
        for (name, needle, is_there) in [
            ("from", "jürgen müller", true),
            ("from", "juergen", true),
            ("from", "Jurgen", true),
            ("from", "müller <jm@", true),
            ("from", "outer", false),
            ("subject", "out er", true),
            ("subject", "inner", false),
            ("x-empty", "", true),
            ("x-empty", "x", false),
            ("x-none", "", false),
            ("fro", "", false),
            ("content-type", "boundary=B", true),
        ] {
            let found = Needle::new(needle).is_in_field(&full.header, name);
            assert_eq!(found, is_there, "{name} {needle:?}");
        }
    }

    #[test]
    fn blanks_at_the_ends_count() {
        assert_eq!(Needle::new(" a  b ").plain, " a b ");
        assert_eq!(Needle::new("").plain, "");
        assert_eq!(Needle::new("\t").plain, " ");
        assert!(!Needle::new("art ").is_in("party"));
        assert!(Needle::new("").is_in(""));
    }

    #[test]
    fn what_is_too_long_says_so() {
        let raw = format!("Subject: x\r\n\r\n{}end", "word ".repeat(1_000));
        let now = datetime!(2026-11-23 12:00 UTC);
        let parts = super::super::parse(raw.as_bytes(), now, now).parts;
        let cut = FullText::within(raw.as_bytes(), &parts, (1_000, 1_000));
        assert!(cut.is_cut && cut.body.len() <= 1_001 && !cut.header.is_empty());
        let whole = FullText::within(raw.as_bytes(), &parts, (1_000, 10_000));
        assert!(!whole.is_cut && whole.body.ends_with("end\n"));
    }
}
