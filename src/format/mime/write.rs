//! The header writer: the one place where a value becomes a header line (RFC 5322 2.2, RFC 2047, RFC 2231).
//!
//! Values with CR, LF or NUL are refused, not cleaned: such a value is an attack or a fault of the caller.
//! Everything else is encoded so that what is written is ASCII (but for local parts that are not, RFC 6531), in
//! lines of at most 78 characters where there is a place to fold, and never beyond 998.

use time::OffsetDateTime;

use super::{codec, date};
use crate::format::address::{self, Mailbox};

/// Characters of a line that folding aims at (RFC 5322 2.1.1).
const FOLD_AT: usize = 78;
/// An ASCII word longer than this has no place to fold and is encoded.
const MAX_WORD: usize = 900;

/// A value that must not become a header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// CR, LF or NUL in a value.
    #[error("the header {0} holds a line break or NUL")]
    LineBreak(String),
    /// The name is no RFC 5322 field name.
    #[error("not a header name")]
    Name,
    /// A structured value (id, token, parameter name) with characters it may not have.
    #[error("the header {0} is not valid")]
    Syntax(String),
}

/// Writes header fields one after the other.
#[derive(Debug, Default, Clone)]
pub struct HeaderWriter {
    out: Vec<u8>,
}

impl HeaderWriter {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fields written so far, each with its CRLF; no empty line at the end.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// A field of free text, `Subject` for one.
    ///
    /// # Errors
    /// [`BadHeader`] when the name or the value cannot be a header.
    pub fn text(&mut self, name: &str, value: &str) -> Result<&mut Self, BadHeader> {
        check(name, value)?;
        let simple = value.bytes().all(|b| (32..=126).contains(&b))
            && !value.contains("=?")
            && !value.contains("  ")
            && value.trim() == value
            && value.split(' ').all(|word| word.len() <= MAX_WORD);
        if simple {
            self.fold(name, value.split(' '));
        } else {
            let words = encode_words_after(value, name.len() + 2);
            self.fold(name, words.split(' '));
        }
        Ok(self)
    }

    /// A field whose value is ASCII of a grammar of its own; it is folded at blanks.
    ///
    /// # Errors
    /// [`BadHeader`] when the name or the value cannot be a header, or the value is not printable ASCII.
    pub fn raw(&mut self, name: &str, value: &str) -> Result<&mut Self, BadHeader> {
        check(name, value)?;
        if !value.bytes().all(|b| (32..=126).contains(&b))
            || value.split(' ').any(|w| w.len() > MAX_WORD)
        {
            return Err(BadHeader::Syntax(name.to_owned()));
        }
        self.fold(name, value.split(' ').filter(|w| !w.is_empty()));
        Ok(self)
    }

    /// An address list; no field when the list is empty.
    ///
    /// # Errors
    /// [`BadHeader`] when a name or address cannot be in a header.
    pub fn mailboxes(&mut self, name: &str, list: &[Mailbox]) -> Result<&mut Self, BadHeader> {
        let mut pieces: Vec<String> = Vec::new();
        for (i, mailbox) in list.iter().enumerate() {
            check(name, &mailbox.name)?;
            let first = if i == 0 { name.len() + 2 } else { 1 };
            let mut own = mailbox_pieces(name, mailbox, first)?;
            if let (Some(last), true) = (own.last_mut(), i + 1 < list.len()) {
                last.push(',');
            }
            pieces.append(&mut own);
        }
        if !pieces.is_empty() {
            check(name, "")?;
            self.fold(name, pieces.iter().map(String::as_str));
        }
        Ok(self)
    }

    /// Message ids, given without brackets; those that cannot be written are left out, no field when none is left.
    ///
    /// # Errors
    /// [`BadHeader::Name`].
    pub fn ids(&mut self, name: &str, ids: &[String]) -> Result<&mut Self, BadHeader> {
        check(name, "")?;
        let pieces: Vec<String> = ids
            .iter()
            .filter(|id| is_writable_id(id))
            .map(|id| format!("<{id}>"))
            .collect();
        if !pieces.is_empty() {
            self.fold(name, pieces.iter().map(String::as_str));
        }
        Ok(self)
    }

    /// A date field.
    ///
    /// # Errors
    /// [`BadHeader::Name`].
    pub fn date(&mut self, name: &str, at: OffsetDateTime) -> Result<&mut Self, BadHeader> {
        self.raw(name, &date::format(at))
    }

    /// A token with parameters (`Content-Type`, `Content-Disposition`); values are written as token, quoted string
    /// or in the extended form of RFC 2231, in pieces when they are long.
    ///
    /// # Errors
    /// [`BadHeader`] when a name or a value cannot be in a header.
    pub fn with_params(
        &mut self,
        name: &str,
        token: &str,
        params: &[(&str, &str)],
    ) -> Result<&mut Self, BadHeader> {
        check(name, token)?;
        let good_token = !token.is_empty() && token.bytes().all(|b| is_token(b) || b == b'/');
        if !good_token
            || params
                .iter()
                .any(|(n, _)| n.is_empty() || !n.bytes().all(is_token))
        {
            return Err(BadHeader::Syntax(name.to_owned()));
        }
        let mut pieces = vec![token.to_owned()];
        for (param, value) in params {
            check(name, value)?;
            for piece in param_pieces(param, value) {
                if let Some(last) = pieces.last_mut() {
                    last.push(';');
                }
                pieces.push(piece);
            }
        }
        self.fold(name, pieces.iter().map(String::as_str));
        Ok(self)
    }

    /// Writes `name:` and the pieces parted by blanks or folds.
    fn fold<'a>(&mut self, name: &str, pieces: impl Iterator<Item = &'a str>) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b':');
        let mut column = name.len() + 1;
        for (i, piece) in pieces.enumerate() {
            if column + 1 + piece.len() > FOLD_AT && i > 0 {
                self.out.extend_from_slice(b"\r\n");
                column = 0;
            }
            self.out.push(b' ');
            self.out.extend_from_slice(piece.as_bytes());
            column += 1 + piece.len();
        }
        self.out.extend_from_slice(b"\r\n");
    }
}

fn check(name: &str, value: &str) -> Result<(), BadHeader> {
    if name.is_empty()
        || name.len() > 76
        || !name.bytes().all(|b| (33..=126).contains(&b) && b != b':')
    {
        return Err(BadHeader::Name);
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(BadHeader::LineBreak(name.to_owned()));
    }
    Ok(())
}

/// RFC 2045 5.1 `token`, without the quote RFC 2231 gives a meaning to.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~{}".contains(&b)
}

/// Whether an id can stand between `<` and `>` on one line.
fn is_writable_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_WORD
        && id
            .bytes()
            .all(|b| (33..=126).contains(&b) && b != b'<' && b != b'>')
}

/// `Name <address>` in pieces that may stand on lines of their own.
fn mailbox_pieces(
    header: &str,
    mailbox: &Mailbox,
    column: usize,
) -> Result<Vec<String>, BadHeader> {
    let bad = || BadHeader::Syntax(header.to_owned());
    let address = mailbox.smtp_address().map_err(|_| bad())?;
    // A domain always has an ASCII form; a local part need not have one.
    let domain = address.domain_ascii();
    let spec = address::Address::from_parts(address.local(), &domain)
        .map_or_else(|_| address.to_string(), |a| a.to_string());
    let name = mailbox.name.trim();
    if name.is_empty() {
        return Ok(vec![spec]);
    }
    let ascii =
        name.bytes().all(|b| (32..=126).contains(&b)) && !name.contains("=?") && name.len() <= 255;
    let mut pieces: Vec<String> = if !ascii {
        encode_words_after(name, column)
            .split(' ')
            .map(str::to_owned)
            .collect()
    } else if name.split(' ').all(|w| {
        !w.is_empty()
            && w.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    }) {
        name.split(' ').map(str::to_owned).collect()
    } else {
        vec![address::quote(name)]
    };
    pieces.push(format!("<{spec}>"));
    Ok(pieces)
}

/// `name=value` in one piece or in those of RFC 2231 3.
fn param_pieces(name: &str, value: &str) -> Vec<String> {
    let ascii = value.bytes().all(|b| (32..=126).contains(&b));
    // What looks like an encoded word would be decoded by readers, so it is percent-encoded.
    if ascii && value.len() <= 60 && !value.contains("=?") {
        return if !value.is_empty() && value.bytes().all(is_token) {
            vec![format!("{name}={value}")]
        } else {
            vec![format!("{name}={}", address::quote(value))]
        };
    }
    let coded = percent_utf8(value);
    if coded.len() <= 60 {
        return vec![format!("{name}*={coded}")];
    }
    let mut out = Vec::new();
    let mut piece = String::new();
    let mut chars = coded.chars().peekable();
    while let Some(c) = chars.next() {
        piece.push(c);
        if c == '%' {
            piece.extend(chars.next());
            piece.extend(chars.next());
        }
        if piece.len() >= 55 && chars.peek().is_some() {
            out.push(format!("{name}*{}*={piece}", out.len()));
            piece.clear();
        }
    }
    out.push(format!("{name}*{}*={piece}", out.len()));
    out
}

/// Encodes a text as RFC 2047 words of UTF-8, parted by single blanks; no word cuts a character.
///
/// "Q" when most of the text is ASCII, else "B". Used for a whole value: blanks are encoded too.
#[must_use]
pub fn encode_words(text: &str) -> String {
    encode_words_after(text, 1)
}

/// [`encode_words`] when the first word begins at `column`: a line with a word has at most 76 characters.
fn encode_words_after(text: &str, column: usize) -> String {
    let foreign = text
        .bytes()
        .filter(|b| !is_q_plain(*b) && *b != b' ')
        .count();
    let use_q = foreign * 5 <= text.len() * 3;
    // Beside the text a word has twelve characters: =?utf-8?Q??=
    let room = |column: usize| {
        let chars = 76_usize.saturating_sub(column + 12).clamp(16, 63);
        if use_q { chars } else { chars / 4 * 3 }
    };
    let mut limit = room(column);
    let mut out = String::new();
    let mut chunk = String::new();
    let mut width = 0;
    for c in text.chars() {
        let mut buffer = [0_u8; 4];
        let bytes = c.encode_utf8(&mut buffer).as_bytes();
        let cost: usize = if use_q {
            bytes
                .iter()
                .map(|b| if is_q_plain(*b) || *b == b' ' { 1 } else { 3 })
                .sum()
        } else {
            bytes.len()
        };
        if width + cost > limit {
            push_word(&mut out, &chunk, use_q);
            chunk.clear();
            width = 0;
            limit = room(1);
        }
        chunk.push(c);
        width += cost;
    }
    if !chunk.is_empty() {
        push_word(&mut out, &chunk, use_q);
    }
    out
}

fn push_word(out: &mut String, chunk: &str, use_q: bool) {
    if !out.is_empty() {
        out.push(' ');
    }
    if use_q {
        out.push_str("=?utf-8?Q?");
        for b in chunk.bytes() {
            match b {
                b' ' => out.push('_'),
                b if is_q_plain(b) => out.push(char::from(b)),
                b => push_hex(out, '=', b),
            }
        }
    } else {
        out.push_str("=?utf-8?B?");
        out.push_str(&codec::base64(chunk.as_bytes()));
    }
    out.push_str("?=");
}

/// What may stand for itself in a "Q" word, in a phrase too (RFC 2047 5 rule 3).
fn is_q_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!*+-/".contains(&b)
}

fn push_hex(out: &mut String, mark: char, b: u8) {
    out.push(mark);
    out.push(char::from(codec::hex_digit(b >> 4)));
    out.push(char::from(codec::hex_digit(b & 15)));
}

/// An RFC 2231 extended value in UTF-8: `utf-8''f%C3%BCr`.
#[must_use]
pub fn percent_utf8(text: &str) -> String {
    let mut out = String::from("utf-8''");
    for b in text.bytes() {
        // RFC 5987 3.2.1 attr-char
        if b.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&b) {
            out.push(char::from(b));
        } else {
            push_hex(&mut out, '%', b);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::params::Value;
    use super::super::words;
    use super::*;

    fn written(
        f: impl FnOnce(&mut HeaderWriter) -> Result<&mut HeaderWriter, BadHeader>,
    ) -> String {
        let mut w = HeaderWriter::new();
        f(&mut w).unwrap();
        String::from_utf8(w.into_bytes()).unwrap()
    }

    fn value(line: &str) -> &[u8] {
        line.split_once(':')
            .unwrap()
            .1
            .trim_end_matches("\r\n")
            .as_bytes()
    }

    #[test]
    fn plain_text_stays_plain() {
        assert_eq!(
            written(|w| w.text("Subject", "Hello (world)")),
            "Subject: Hello (world)\r\n"
        );
        assert_eq!(written(|w| w.text("Subject", "")), "Subject: \r\n");
        assert_eq!(
            written(|w| w.text("Subject", "Grüße")),
            "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"
        );
        assert_eq!(
            written(|w| w.text("Subject", "东京")),
            "Subject: =?utf-8?B?5Lic5Lqs?=\r\n"
        );
    }

    #[test]
    fn line_breaks_are_refused_everywhere() {
        let evil = "x\r\nBcc: all@a.de";
        let mut w = HeaderWriter::new();
        let person = Mailbox {
            name: evil.to_owned(),
            address: "a@b.de".to_owned(),
        };
        let address = Mailbox {
            name: String::new(),
            address: "a@b.de\r\nBcc: c@d.de".to_owned(),
        };
        assert!(w.text("Subject", evil).is_err());
        assert!(w.text("Subject", "a\0").is_err());
        assert!(w.text("Sub\nject", "a").is_err());
        assert!(w.text("Sub ject", "a").is_err());
        assert!(w.raw("X-A", evil).is_err());
        assert!(w.mailboxes("To", &[person]).is_err());
        assert!(w.mailboxes("To", &[address]).is_err());
        assert!(
            w.with_params("Content-Type", "a/b", &[("name", evil)])
                .is_err()
        );
        assert!(w.with_params("Content-Type", evil, &[]).is_err());
        assert!(
            w.with_params("Content-Type", "a/b", &[("na me", "x")])
                .is_err()
        );
        assert_eq!(w.into_bytes(), b"");
    }

    #[test]
    fn ids_that_would_break_the_header_are_left_out() {
        let ids = [
            "a@b".to_owned(),
            "a>\r\nX: y".to_owned(),
            "ü@b".to_owned(),
            "c@d".to_owned(),
        ];
        assert_eq!(
            written(|w| w.ids("References", &ids)),
            "References: <a@b> <c@d>\r\n"
        );
        assert_eq!(written(|w| w.ids("References", &[])), "");
    }

    #[test]
    fn people_are_written_as_rfc_5322_wants() {
        let list = [
            Mailbox {
                name: "Anna Schmidt".into(),
                address: "anna@a.de".into(),
            },
            Mailbox {
                name: "Hofmann, J. \"Jo\"".into(),
                address: "j@a.de".into(),
            },
            Mailbox {
                name: "Jörg".into(),
                address: "j@bücher.de".into(),
            },
            Mailbox {
                name: String::new(),
                address: "\"a b\"@c.de".into(),
            },
        ];
        assert_eq!(
            written(|w| w.mailboxes("To", &list)),
            "To: Anna Schmidt <anna@a.de>, \"Hofmann, J. \\\"Jo\\\"\" <j@a.de>,\r\n =?utf-8?Q?J=C3=B6rg?= <j@xn--bcher-kva.de>, \"a b\"@c.de\r\n"
        );
    }

    #[test]
    fn file_names_are_written_as_rfc_2231_wants() {
        assert_eq!(
            written(|w| w.with_params(
                "Content-Disposition",
                "attachment",
                &[("filename", "a.txt")]
            )),
            "Content-Disposition: attachment; filename=a.txt\r\n"
        );
        assert_eq!(
            written(|w| w.with_params(
                "Content-Disposition",
                "attachment",
                &[("filename", "a b.txt")]
            )),
            "Content-Disposition: attachment; filename=\"a b.txt\"\r\n"
        );
        assert_eq!(
            written(|w| w.with_params(
                "Content-Disposition",
                "attachment",
                &[("filename", "Übersicht.txt")]
            )),
            "Content-Disposition: attachment;\r\n filename*=utf-8''%C3%9Cbersicht.txt\r\n"
                .replace(";\r\n ", "; ")
        );
    }

    proptest! {
        #[test]
        fn a_subject_comes_back(text in "[^\\p{C}]{0,200}") {
            let line = written(|w| w.text("Subject", &text));
            prop_assert!(line.is_ascii());
            prop_assert!(line.split("\r\n").all(|l| l.len() <= 78), "{}", line);
            prop_assert_eq!(words::unstructured(value(&line)), text.trim());
        }

        #[test]
        fn any_subject_is_refused_or_one_field(text: String) {
            let mut w = HeaderWriter::new();
            if w.text("Subject", &text).is_ok() {
                let line = String::from_utf8(w.into_bytes()).unwrap();
                prop_assert!(line.ends_with("\r\n"));
                prop_assert!(line.trim_end_matches("\r\n").split("\r\n").skip(1).all(|l| l.starts_with(' ') && l.trim() != ""));
                prop_assert!(!line.replace("\r\n", "").contains(['\r', '\n', '\0']));
            } else {
                prop_assert!(text.contains(['\r', '\n', '\0']));
            }
        }

        #[test]
        fn a_name_comes_back(name in "[^\\p{C}\\p{Z}]{1,30}( [^\\p{C}\\p{Z}]{1,30}){0,5}") {
            let list = [Mailbox { name: name.clone(), address: "a@b.de".into() }];
            let line = written(|w| w.mailboxes("To", &list));
            let text = words::raw_text(value(&line));
            let back: Vec<Mailbox> = crate::format::address::parse_header_list(&text, 10).iter().filter_map(crate::format::address::HeaderAddress::mailbox).collect();
            let short: String = name.chars().take(255).collect();
            prop_assert_eq!(back, vec![Mailbox { name: short.trim().to_owned(), address: "a@b.de".into() }]);
        }

        #[test]
        fn a_file_name_comes_back(name in "[^\\p{C}\\p{Z}/\\\\\"\u{61C}\u{200E}-\u{200F}\u{202A}-\u{202E}\u{2066}-\u{2069}]{1,120}") {
            let line = written(|w| w.with_params("Content-Disposition", "attachment", &[("filename", &name)]));
            prop_assert!(line.is_ascii());
            prop_assert_eq!(Value::parse(value(&line)).file_name("filename"), Some(name));
        }
    }
}
