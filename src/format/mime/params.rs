//! `Content-Type` and `Content-Disposition` values (RFC 2045 5.1, RFC 2183, RFC 2231), read as well as can be.
//!
//! Beyond the RFCs: unquoted values may hold blanks, brackets and raw 8-bit text, a comment is one only after a
//! blank, encoded words in values are decoded when the value is a name to show.

use super::{charset, codec, words};

/// Parameters, and RFC 2231 pieces of them, read from one header.
const MAX_PARAMS: usize = 100;
/// The highest number of an RFC 2231 piece.
const MAX_INDEX: usize = 99;
/// Characters of a file name that are kept.
const MAX_NAME: usize = 255;

/// A header value of the shape `token; name=value; ...`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Value {
    /// The leading token in lower case, blanks removed: `text/plain`, `attachment`.
    pub token: String,
    /// Parameters in the order of the header; names in lower case without RFC 2231 marks, each once.
    pub params: Vec<Param>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    /// RFC 2231 undone; encoded words as they stand.
    pub value: String,
    /// Whether it was written in the extended form of RFC 2231 (`name*=`).
    pub extended: bool,
}

impl Value {
    /// Reads a raw header value.
    #[must_use]
    pub fn parse(raw: &[u8]) -> Self {
        let text = words::raw_text(raw);
        let mut pieces = split_semicolons(&text).into_iter();
        let token = pieces
            .next()
            .map(|p| {
                drop_comments(p)
                    .chars()
                    .filter(|c| !c.is_whitespace())
                    .collect::<String>()
            })
            .unwrap_or_default()
            .to_ascii_lowercase();
        Self {
            token,
            params: join(
                &pieces
                    .take(MAX_PARAMS)
                    .filter_map(Piece::parse)
                    .collect::<Vec<_>>(),
            ),
        }
    }

    /// The value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|p| p.name == name)
            .map(|p| p.value.as_str())
    }

    /// A parameter that names a file, decoded and safe to show (see [`clean_file_name`]).
    #[must_use]
    pub fn file_name(&self, name: &str) -> Option<String> {
        let param = self.params.iter().find(|p| p.name == name)?;
        let decoded = if param.extended {
            param.value.clone()
        } else {
            words::decode(&param.value)
        };
        let clean = clean_file_name(&decoded);
        (!clean.is_empty()).then_some(clean)
    }
}

/// A file name without folders, control and direction characters, at most 255 characters.
#[must_use]
pub fn clean_file_name(name: &str) -> String {
    let last = name
        .rsplit(['/', '\\'])
        .find(|part| !part.trim().is_empty())
        .unwrap_or_default();
    let visible = last
        .chars()
        .filter(|c| !c.is_control() && !is_direction_mark(*c));
    let clean: String = visible.take(MAX_NAME).collect();
    clean.trim().trim_matches('"').to_owned()
}

/// Marks that turn the order of characters around: `gpj.exe` shown as `exe.jpg`.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// The pieces between semicolons that stand outside quotes.
fn split_semicolons(text: &str) -> Vec<&str> {
    let (mut out, mut start) = (Vec::new(), 0);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                out.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
                if out.len() > MAX_PARAMS {
                    return out;
                }
            }
            _ => {}
        }
    }
    out.push(text.get(start..).unwrap_or_default());
    out
}

/// Removes `(comments)` that begin the text or follow a blank.
fn drop_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut quoted, mut before) = (0_usize, false, ' ');
    for c in text.chars() {
        match c {
            '(' if !quoted && (depth > 0 || before.is_whitespace()) => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            c => {
                quoted ^= c == '"';
                out.push(c);
            }
        }
        before = c;
    }
    // A bracket that is never closed was no comment.
    if depth > 0 { text.to_owned() } else { out }
}

/// One `name[*index][*]=value` as it stands.
#[derive(Debug)]
struct Piece {
    name: String,
    index: Option<usize>,
    encoded: bool,
    value: String,
}

impl Piece {
    fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once('=')?;
        let name = drop_comments(name).trim().to_ascii_lowercase();
        let (name, encoded) = match name.strip_suffix('*') {
            Some(name) => (name, true),
            None => (name.as_str(), false),
        };
        let (name, index) = match name.split_once('*') {
            Some((name, index)) => {
                let index = index.parse::<usize>().ok().filter(|i| *i <= MAX_INDEX)?;
                (name, Some(index))
            }
            None => (name, None),
        };
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            index,
            encoded,
            value: unquote(value),
        })
    }
}

/// A parameter's value without its quotes; an unquoted one loses a trailing comment.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let Some(inner) = value.strip_prefix('"') else {
        return drop_comments(value).trim().to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            // Windows paths come unescaped: only a quote or a backslash is an escape.
            '\\' => match chars.next() {
                Some(c @ ('"' | '\\')) => out.push(c),
                Some(c) => {
                    out.push('\\');
                    out.push(c);
                }
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Joins the pieces of RFC 2231 3 and decodes those of RFC 2231 4; the extended form wins over the plain one.
fn join(pieces: &[Piece]) -> Vec<Param> {
    let mut out: Vec<Param> = Vec::new();
    let mut joined: Vec<String> = Vec::new();
    for piece in pieces {
        if joined.contains(&piece.name) {
            continue;
        }
        joined.push(piece.name.clone());
        let mut same: Vec<&Piece> = pieces.iter().filter(|p| p.name == piece.name).collect();
        let plain = same
            .iter()
            .find(|p| p.index.is_none() && !p.encoded)
            .copied();
        let whole = same
            .iter()
            .find(|p| p.index.is_none() && p.encoded)
            .copied();
        same.retain(|p| p.index.is_some());
        same.sort_by_key(|p| p.index);
        let value = match (whole, plain) {
            (Some(whole), _) => decode_pieces(&[whole]),
            (None, _) if same.first().is_some_and(|p| p.index == Some(0)) => decode_pieces(&same),
            (None, Some(plain)) => plain.value.clone(),
            (None, None) => decode_pieces(&same),
        };
        let extended = whole.is_some() || same.first().is_some_and(|p| p.index == Some(0));
        out.push(Param {
            name: piece.name.clone(),
            value,
            extended,
        });
    }
    out
}

/// `charset'language'percent-encoded`, the first piece naming the character set for all.
fn decode_pieces(pieces: &[&Piece]) -> String {
    let mut label: Option<String> = None;
    let mut bytes = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        if !piece.encoded {
            bytes.extend_from_slice(piece.value.as_bytes());
            continue;
        }
        let mut text = piece.value.as_str();
        if i == 0 {
            let mut split = text.splitn(3, '\'');
            if let (Some(charset), Some(_), Some(rest)) = (split.next(), split.next(), split.next())
            {
                label = (!charset.is_empty()).then(|| charset.to_owned());
                text = rest;
            }
        }
        percent_decode(text.as_bytes(), &mut bytes);
    }
    let text = charset::decode(&bytes, label.as_deref());
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        at += 1;
        if b == b'%'
            && let (Some(high), Some(low)) =
                (codec::hex(text.get(at)), codec::hex(text.get(at + 1)))
        {
            out.push((high << 4) | low);
            at += 2;
        } else {
            out.push(b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Value {
        Value::parse(text.as_bytes())
    }

    #[test]
    fn rfc_2231_examples() {
        let v = parse(
            "message/external-body; access-type=URL;\r\n URL*0=\"ftp://\";\r\n URL*1=\"cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar\"",
        );
        assert_eq!(
            v.get("url"),
            Some("ftp://cs.utk.edu/pub/moore/bulk-mailer/bulk-mailer.tar")
        );
        let v = parse(
            "application/x-stuff;\r\n title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
        );
        assert_eq!(v.get("title"), Some("This is ***fun***"));
        let v = parse(
            "application/x-stuff;\r\n title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n title*1*=%2A%2A%2Afun%2A%2A%2A%20;\r\n title*2=\"isn't it!\"",
        );
        assert_eq!(
            v.get("title"),
            Some("This is even more ***fun*** isn't it!")
        );
    }

    #[test]
    fn odd_values_are_read() {
        let v = parse("Text / HTML (a comment); charset = \"utf-8\" ; name=My File (1).pdf");
        assert_eq!(v.token, "text/html");
        assert_eq!(v.get("charset"), Some("utf-8"));
        assert_eq!(
            parse("a/b; name=file(1).pdf").get("name"),
            Some("file(1).pdf")
        );
        assert_eq!(
            parse("a/b; charset=us-ascii (Plain text)").get("charset"),
            Some("us-ascii")
        );
        assert_eq!(
            parse("a/b; name=\"C:\\Temp\\x.doc\"")
                .file_name("name")
                .as_deref(),
            Some("x.doc")
        );
        assert_eq!(
            parse("attachment; filename=\"a;b.txt\"").get("filename"),
            Some("a;b.txt")
        );
        assert_eq!(parse("").token, "");
        assert_eq!(parse(";;;=;*=;*0=x").params, []);
    }

    #[test]
    fn names_in_every_encoding() {
        for text in [
            "attachment; filename*=UTF-8''%C3%9Cbersicht.pdf; filename=\"Ubersicht.pdf\"",
            "attachment; filename*0*=iso-8859-1'de'%DCbers; filename*1=icht.pdf",
            "attachment; filename=\"=?utf-8?Q?=C3=9Cbersicht.pdf?=\"",
            "attachment; filename=Übersicht.pdf",
            "attachment; filename=\"../../Über\u{202E}sicht.pdf\"",
        ] {
            assert_eq!(
                parse(text).file_name("filename").as_deref(),
                Some("Übersicht.pdf"),
                "{text}"
            );
        }
    }

    #[test]
    fn limits_hold() {
        let many = (0..500)
            .map(|i| format!("; a{i}=1"))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(parse(&format!("a/b{many}")).params.len(), 100);
        assert_eq!(parse("a/b; n*100=x; n*99999999999999999999=y").params, []);
        let name = "n".repeat(1_000);
        assert_eq!(clean_file_name(&name).len(), 255);
    }
}
