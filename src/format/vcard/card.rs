//! Reading and changing cards line by line.

use std::borrow::Cow;

use vcard::tree::cst::VcardCst;
use vcard::tree::line::VcardLine;

use crate::format::mime::charset;
use crate::format::mime::codec::{self, Encoding};

/// What a card may consist of (security.md 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CardLimits {
    /// Octets.
    pub bytes: usize,
    /// Octets of a picture or sound in it, as written.
    pub photo_bytes: usize,
    /// Properties.
    pub properties: usize,
    /// Parameters of one property.
    pub parameters: usize,
}

impl Default for CardLimits {
    fn default() -> Self {
        Self {
            bytes: 524_288,
            // 256 KiB in base64, folded.
            photo_bytes: 262_144 * 4 / 3 + 16_384,
            properties: 1_000,
            parameters: 50,
        }
    }
}

/// Why bytes are no card; a door names its RFC's precondition for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    /// More octets than allowed (`max-resource-size`).
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// No vCard, or one that breaks a limit (`valid-address-data`).
    #[error("not a vCard: {0}")]
    Syntax(&'static str),
    /// A version that is none (`supported-address-data`).
    #[error("the version is not supported")]
    Version,
}

/// Which vCard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// 2.1: read only.
    V2,
    /// 3.0 (RFC 2426).
    V3,
    /// 4.0 (RFC 6350).
    V4,
}

/// One vCard, every byte of it.
#[derive(Debug, Clone)]
pub struct Card<'a> {
    has_mark: bool,
    version: Version,
    cst: VcardCst<'a>,
}

const MARK: &[u8] = b"\xef\xbb\xbf";

impl<'a> Card<'a> {
    /// Reads one card.
    ///
    /// # Errors
    /// [`CardFault`].
    pub fn parse(bytes: &'a [u8], limits: &CardLimits) -> Result<Self, CardFault> {
        if bytes.len() > limits.bytes {
            return Err(CardFault::TooLarge {
                limit_bytes: limits.bytes,
            });
        }
        let has_mark = bytes.starts_with(MARK);
        let text = if has_mark {
            bytes.get(MARK.len()..).unwrap_or_default()
        } else {
            bytes
        };
        let (mut card, rest) = Self::take(text, limits)?;
        if !is_blank(rest) {
            return Err(CardFault::Syntax("more than one card"));
        }
        // Other doors embed the card in XML, which knows no other control characters; 2.1 may be in an old character set.
        if card.version != Version::V2 && std::str::from_utf8(text).is_err() {
            return Err(CardFault::Syntax("not UTF-8"));
        }
        card.cst.trailing = Cow::Borrowed(std::str::from_utf8(rest).unwrap_or_default());
        card.has_mark = has_mark;
        Ok(card)
    }

    /// Reads every card of a file, each within the limits; what cannot be read is named by its fault in its place.
    #[must_use]
    pub fn parse_many(bytes: &'a [u8], limits: &CardLimits) -> Vec<Result<Self, CardFault>> {
        let mut rest = bytes.strip_prefix(MARK).unwrap_or(bytes);
        let mut cards = Vec::new();
        while !is_blank(rest) {
            match Self::take(rest, limits) {
                Ok((card, tail)) => {
                    cards.push(Ok(card));
                    rest = tail;
                }
                Err(fault) => {
                    cards.push(Err(fault));
                    rest = after_end(rest);
                }
            }
        }
        cards
    }

    fn take(input: &'a [u8], limits: &CardLimits) -> Result<(Self, &'a [u8]), CardFault> {
        let line = |rest: &'a [u8]| {
            VcardLine::take(rest).map_err(|_| CardFault::Syntax("a line without a colon"))
        };
        if is_blank(input) {
            return Err(CardFault::Syntax("nothing in it"));
        }
        let (begin, mut rest) = line(input)?;
        if !is_boundary(&begin, "BEGIN") {
            return Err(CardFault::Syntax("no BEGIN:VCARD"));
        }
        let mut cst = VcardCst {
            begin: Some(begin),
            props: Vec::new(),
            end: None,
            trailing: Cow::Borrowed(""),
        };
        let mut version = None;
        loop {
            if is_blank(rest) {
                return Err(CardFault::Syntax("no END:VCARD"));
            }
            let (one, tail) = line(rest)?;
            rest = tail;
            let name = one.bare_name();
            if name.eq_ignore_ascii_case("END") {
                if !is_boundary(&one, "END") {
                    return Err(CardFault::Syntax("an END of something else"));
                }
                cst.end = Some(one);
                break;
            }
            if name.eq_ignore_ascii_case("BEGIN") {
                return Err(CardFault::Syntax("a card inside a card"));
            }
            if name.is_empty()
                || !name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/'))
            {
                return Err(CardFault::Syntax("a line without a name"));
            }
            let value = one.value.to_string();
            if value
                .bytes()
                .any(|b| b < 0x20 && !matches!(b, b'\t' | b'\r' | b'\n'))
            {
                return Err(CardFault::Syntax("a control character"));
            }
            if cst.props.len() >= limits.properties {
                return Err(CardFault::Syntax("too many properties"));
            }
            if one.params.len() > limits.parameters {
                return Err(CardFault::Syntax("too many parameters"));
            }
            if value.len() > limits.photo_bytes {
                return Err(CardFault::TooLarge {
                    limit_bytes: limits.photo_bytes,
                });
            }
            if name.eq_ignore_ascii_case("VERSION") {
                version = Some(match value.trim() {
                    "2.1" => Version::V2,
                    "3.0" => Version::V3,
                    "4.0" => Version::V4,
                    _ => return Err(CardFault::Version),
                });
            }
            cst.props.push(one);
        }
        let version = version.ok_or(CardFault::Syntax("no VERSION"))?;
        Ok((
            Self {
                has_mark: false,
                version,
                cst,
            },
            rest,
        ))
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its lines in order, VERSION among them.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let version = self.version;
        self.cst
            .props
            .iter()
            .map(move |line| Line { line, version })
    }

    /// Its lines of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = Line<'_>> {
        self.lines().filter(move |l| l.is(name))
    }

    /// The first line of a name.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<Line<'_>> {
        self.lines().find(|l| l.is(name))
    }

    /// The text of the first line of a name, when there is any.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name)
            .map(Line::text)
            .filter(|t| !t.trim().is_empty())
    }

    /// The label Apple and Google write beside a grouped line (`item1.X-ABLabel`), without its marks.
    #[must_use]
    pub fn label_of(&self, line: Line<'_>) -> Option<String> {
        let group = line.group()?;
        let label = self
            .lines()
            .find(|l| {
                l.is("X-ABLabel") && l.group().is_some_and(|g| g.eq_ignore_ascii_case(group))
            })?
            .text();
        let label = label
            .strip_prefix("_$!<")
            .and_then(|l| l.strip_suffix(">!$_"))
            .unwrap_or(&label);
        (!label.trim().is_empty()).then(|| label.trim().to_owned())
    }

    /// The bytes as they were read, but for the lines an edit changed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = if self.has_mark {
            MARK.to_vec()
        } else {
            Vec::new()
        };
        out.extend(self.cst.to_bytes());
        out
    }

    /// Sets the text of a line's value, keeping its group, place and parameters; adds the line where there is none.
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.set_value(name, &escape(text));
    }

    /// Sets the value of the first line of a name as it is written; adds the line where there is none.
    pub fn set_value(&mut self, name: &str, raw: &str) {
        let raw = without_controls(raw);
        let found = self
            .cst
            .props
            .iter_mut()
            .find(|l| l.bare_name().eq_ignore_ascii_case(name));
        match found {
            Some(line) => {
                if line.value.to_string() != raw {
                    // The new value is plain, whatever coded the old one.
                    line.params.retain(|p| {
                        !["ENCODING", "CHARSET", "QUOTED-PRINTABLE", "BASE64"]
                            .iter()
                            .any(|gone| p.name.get().eq_ignore_ascii_case(gone))
                    });
                    let mut head = line.name.get().to_owned();
                    for parameter in &line.params {
                        head.push(';');
                        head.push_str(&parameter.to_string());
                    }
                    *line = folded(&head, &raw, line.eol.get() == "\n");
                }
            }
            None => self.add(&NewLine::raw(name, &raw)),
        }
    }

    /// Puts lines in the place of all lines of a name: those that say the same stay as they are, byte for byte.
    pub fn replace_all(&mut self, name: &str, new: &[NewLine]) {
        let mut waiting: Vec<Option<VcardLine<'a>>> =
            new.iter().map(|n| Some(n.line(self.is_lf()))).collect();
        let mut place = None;
        let mut kept: Vec<VcardLine<'a>> = Vec::with_capacity(self.cst.props.len());
        for line in self.cst.props.drain(..) {
            if !line.bare_name().eq_ignore_ascii_case(name) {
                kept.push(line);
                continue;
            }
            let same = waiting
                .iter_mut()
                .find(|w| w.as_ref().is_some_and(|w| is_same(w, &line)));
            if let Some(same) = same {
                *same = None;
                kept.push(line);
            }
            place = Some(kept.len());
        }
        let at = place.unwrap_or(kept.len());
        kept.splice(at..at, waiting.into_iter().flatten());
        self.cst.props = kept;
    }

    /// Adds a line at the end.
    pub fn add(&mut self, line: &NewLine) {
        let is_lf = self.is_lf();
        self.cst.props.push(line.line(is_lf));
    }

    /// Removes the lines of a name that `gone` says yes to; says whether there was one.
    pub fn remove_where(&mut self, name: &str, mut gone: impl FnMut(Line<'_>) -> bool) -> bool {
        let before = self.cst.props.len();
        let version = self.version;
        self.cst.props.retain(|line| {
            !line.bare_name().eq_ignore_ascii_case(name) || !gone(Line { line, version })
        });
        self.cst.props.len() != before
    }

    fn is_lf(&self) -> bool {
        self.cst
            .begin
            .as_ref()
            .is_some_and(|line| line.eol.get() == "\n")
    }
}

fn is_boundary(line: &VcardLine<'_>, name: &str) -> bool {
    line.name.get().eq_ignore_ascii_case(name)
        && line.raw_value_str().trim().eq_ignore_ascii_case("VCARD")
}

fn is_blank(rest: &[u8]) -> bool {
    rest.iter().all(u8::is_ascii_whitespace)
}

/// What follows the next END:VCARD line.
fn after_end(rest: &[u8]) -> &[u8] {
    let mut rest = rest;
    while !rest.is_empty() {
        let (line, tail) = match memchr::memchr(b'\n', rest) {
            Some(at) => rest.split_at(at + 1),
            None => (rest, &[][..]),
        };
        rest = tail;
        if line.trim_ascii().eq_ignore_ascii_case(b"END:VCARD") {
            break;
        }
    }
    rest
}

fn is_same(one: &VcardLine<'_>, other: &VcardLine<'_>) -> bool {
    one.name.get().eq_ignore_ascii_case(other.name.get())
        && one.value.to_string() == other.value.to_string()
        && one.params.len() == other.params.len()
        && one
            .params
            .iter()
            .zip(&other.params)
            .all(|(a, b)| a.to_string().eq_ignore_ascii_case(&b.to_string()))
}

fn without_controls(raw: &str) -> String {
    raw.chars()
        .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
        .collect()
}

/// A line to be read.
#[derive(Debug, Clone, Copy)]
pub struct Line<'t> {
    line: &'t VcardLine<'t>,
    version: Version,
}

impl<'t> Line<'t> {
    /// Its name as written, without its group.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.line.bare_name()
    }

    /// The version of its card.
    #[must_use]
    pub fn version(self) -> Version {
        self.version
    }

    /// Its group.
    #[must_use]
    pub fn group(self) -> Option<&'t str> {
        self.line.group()
    }

    /// Whether it is called so.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name)
    }

    /// The value as written, folds undone.
    #[must_use]
    pub fn raw(self) -> Cow<'t, str> {
        Cow::Owned(self.line.value.to_string())
    }

    /// The value with its coding undone (quoted-printable and character set of 2.1), escapes kept.
    #[must_use]
    pub fn decoded(self) -> Cow<'t, str> {
        let coding = self.coding();
        let charset = self.parameter("CHARSET");
        if coding != Some(Encoding::QuotedPrintable) && charset.is_none() {
            return self.raw();
        }
        // 8-bit values of old cards are no UTF-8; the crate gives their octets with the escapes undone, which 2.1 hardly uses.
        let text = self.raw();
        let octets = self.line.value.decode_bytes();
        let bytes: &[u8] = if text.contains('\u{fffd}') {
            &octets
        } else {
            text.as_bytes()
        };
        let bytes = if coding == Some(Encoding::QuotedPrintable) {
            Cow::Owned(codec::decode(bytes, Encoding::QuotedPrintable))
        } else {
            Cow::Borrowed(bytes)
        };
        Cow::Owned(charset::decode(&bytes, charset.as_deref()))
    }

    /// The value as text, escapes undone.
    #[must_use]
    pub fn text(self) -> String {
        unescape(&self.decoded(), self.version)
    }

    /// The parts of a structured value (`N`, `ADR`, `ORG`), each with its values.
    #[must_use]
    pub fn structure(self) -> Vec<Vec<String>> {
        let decoded = self.decoded();
        split(&decoded, ';')
            .into_iter()
            .map(|part| {
                if self.version == Version::V2 {
                    vec![unescape(part, self.version)]
                } else {
                    split(part, ',')
                        .into_iter()
                        .map(|v| unescape(v, self.version))
                        .collect()
                }
            })
            .collect()
    }

    /// The values of a list (`CATEGORIES`, `NICKNAME`).
    #[must_use]
    pub fn texts(self) -> Vec<String> {
        split(&self.decoded(), ',')
            .into_iter()
            .map(|v| unescape(v, self.version))
            .filter(|v| !v.trim().is_empty())
            .collect()
    }

    /// The bytes of a picture, a sound or a key that stands in the card.
    #[must_use]
    pub fn binary(self) -> Option<Vec<u8>> {
        let raw = self.raw();
        if let Some(data) = raw.strip_prefix("data:") {
            let (head, body) = data.split_once(',')?;
            return head
                .ends_with(";base64")
                .then(|| codec::decode(body.as_bytes(), Encoding::Base64));
        }
        (self.coding() == Some(Encoding::Base64))
            .then(|| codec::decode(raw.as_bytes(), Encoding::Base64))
    }

    /// The first value of a parameter, without quotes.
    #[must_use]
    pub fn parameter(self, name: &str) -> Option<String> {
        self.line
            .params
            .iter()
            .find(|p| p.name.get().eq_ignore_ascii_case(name))
            .and_then(|p| p.values.first())
            .map(|v| v.get().trim_matches('"').to_owned())
    }

    /// Names and values of all parameters in order; a 2.1 word without a name has no values.
    pub fn parameters(self) -> impl Iterator<Item = (&'t str, Vec<&'t str>)> {
        self.line.params.iter().map(|p| {
            (
                p.name.get(),
                p.values.iter().map(|v| v.get().trim_matches('"')).collect(),
            )
        })
    }

    /// TYPE words, upper case: `HOME`, `CELL`; 2.1's bare words too, PREF among them.
    #[must_use]
    pub fn types(self) -> Vec<String> {
        let mut all = Vec::new();
        for (name, values) in self.parameters() {
            if name.eq_ignore_ascii_case("TYPE") {
                for value in values {
                    // Some write TYPE="home,cell", some TYPE=home,cell.
                    all.extend(value.split(',').map(|v| v.trim().to_ascii_uppercase()));
                }
            } else if values.is_empty() && self.version == Version::V2 {
                all.push(name.to_ascii_uppercase());
            }
        }
        all.retain(|t| !t.is_empty());
        all
    }

    /// Whether it is preferred over others of its name.
    #[must_use]
    pub fn is_preferred(self) -> bool {
        self.types().iter().any(|t| t == "PREF") || self.parameter("PREF").is_some_and(|p| p == "1")
    }

    fn coding(self) -> Option<Encoding> {
        let named = self.parameter("ENCODING");
        let bare = || {
            self.parameters()
                .filter(|(_, values)| values.is_empty())
                .map(|(name, _)| name.to_owned())
                .find(|n| {
                    n.eq_ignore_ascii_case("QUOTED-PRINTABLE") || n.eq_ignore_ascii_case("BASE64")
                })
        };
        match named.or_else(bare)?.to_ascii_uppercase().as_str() {
            "B" | "BASE64" => Some(Encoding::Base64),
            "QUOTED-PRINTABLE" => Some(Encoding::QuotedPrintable),
            _ => None,
        }
    }
}

/// Cuts at a separator that no backslash protects.
fn split(raw: &str, separator: char) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut is_escaped = false;
    for (at, c) in raw.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if c == '\\' {
            is_escaped = true;
        } else if c == separator {
            pieces.push(raw.get(start..at).unwrap_or_default());
            start = at + c.len_utf8();
        }
    }
    pieces.push(raw.get(start..).unwrap_or_default());
    pieces
}

fn unescape(raw: &str, version: Version) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('n' | 'N') if version != Version::V2 => out.push('\n'),
            Some(other @ (',' | ';' | ':' | '\\')) => out.push(other),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Writes a text value for 3.0 and 4.0.
fn escape(text: &str) -> String {
    crate::format::ical::escape_text(text)
}

/// A line as it is written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLine {
    name: String,
    parameters: Vec<(String, String)>,
    raw: String,
}

impl NewLine {
    /// A line with a value that needs no escaping; line breaks in it become blanks. `name` may have a group in front.
    #[must_use]
    pub fn raw(name: &str, raw: &str) -> Self {
        Self {
            name: name.to_owned(),
            parameters: Vec::new(),
            raw: without_controls(raw),
        }
    }

    /// A line with a text value.
    #[must_use]
    pub fn text(name: &str, text: &str) -> Self {
        Self::raw(name, &escape(text))
    }

    /// A line with a structured value; each part is one text.
    #[must_use]
    pub fn structure(name: &str, parts: &[&str]) -> Self {
        let parts: Vec<String> = parts.iter().map(|p| escape(p)).collect();
        Self::raw(name, &parts.join(";"))
    }

    /// With a parameter; quoted where its value needs it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let clean: String = value
            .chars()
            .filter(|c| !c.is_control() && *c != '"')
            .collect();
        let coded = if clean.contains([':', ';', ',']) {
            format!("\"{clean}\"")
        } else {
            clean
        };
        self.parameters.push((name.to_owned(), coded));
        self
    }

    fn line<'a>(&self, is_lf: bool) -> VcardLine<'a> {
        let mut head = self.name.clone();
        for (name, value) in &self.parameters {
            head.push(';');
            head.push_str(name);
            head.push('=');
            head.push_str(value);
        }
        folded(&head, &self.raw, is_lf)
    }
}

/// A line of its text, folded at 75 octets, read back so that it is a line like any other.
fn folded<'a>(head: &str, raw: &str, is_lf: bool) -> VcardLine<'a> {
    let end = if is_lf { "\n" } else { "\r\n" };
    let mut text = String::with_capacity(head.len() + raw.len() + 8);
    let mut width = 0;
    for c in head.chars().chain([':']).chain(raw.chars()) {
        if width + c.len_utf8() > 75 {
            text.push_str(end);
            text.push(' ');
            width = 1;
        }
        text.push(c);
        width += c.len_utf8();
    }
    text.push_str(end);
    VcardLine::take(text.as_bytes()).map_or_else(
        |_| VcardLine::text("X-EMPTY", String::new()),
        |(line, _)| owned(line),
    )
}

/// The same line, owning its text.
fn owned<'a>(line: VcardLine<'_>) -> VcardLine<'a> {
    let cst = VcardCst {
        begin: None,
        props: vec![line],
        end: None,
        trailing: Cow::Borrowed(""),
    };
    let mut props = cst.into_static().props;
    props
        .pop()
        .unwrap_or_else(|| VcardLine::text("X", String::new()))
}
