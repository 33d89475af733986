//! A place in a command's octets, and the small pieces of the grammar (RFC 9051 9).

use std::borrow::Cow;

use super::set::SequenceSet;
use super::{Limits, Why, utf7};

pub(super) type Read<T> = Result<T, Why>;

/// A command's octets from some place on.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    pub(super) limits: &'a Limits,
    depth: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(octets: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            rest: octets,
            limits,
            depth: 0,
        }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    fn advance(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes `b` if it stands here.
    pub(super) fn take(&mut self, b: u8) -> bool {
        let is_there = self.peek() == Some(b);
        if is_there {
            self.advance(1);
        }
        is_there
    }

    pub(super) fn expect(&mut self, b: u8, why: &'static str) -> Read<()> {
        if self.take(b) {
            Ok(())
        } else {
            Err(Why::Syntax(why))
        }
    }

    pub(super) fn space(&mut self) -> Read<()> {
        self.expect(b' ', "a space is missing")
    }

    pub(super) fn end(&self) -> Read<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Why::Syntax("something follows the command's end"))
        }
    }

    fn while_is(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let count = self.rest.iter().take_while(|b| is(**b)).count();
        self.advance(count)
    }

    /// Takes a word in any case if it stands here whole.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let is_there = self
            .rest
            .get(..word.len())
            .is_some_and(|w| w.eq_ignore_ascii_case(word.as_bytes()))
            && !self
                .rest
                .get(word.len())
                .is_some_and(|b| is_atom(*b) && *b != b'[' && *b != b'<');
        if is_there {
            self.advance(word.len());
        }
        is_there
    }

    /// `atom` as text.
    pub(super) fn atom(&mut self) -> Read<&'a str> {
        self.ascii(is_atom, "an atom is missing")
    }

    /// An atom in upper case.
    pub(super) fn upper(&mut self) -> Read<String> {
        Ok(self.atom()?.to_ascii_uppercase())
    }

    /// `tag`: an astring without `+`.
    pub(super) fn tag(&mut self) -> Read<&'a str> {
        self.ascii(|b| is_astring(b) && b != b'+', "a tag is missing")
    }

    /// Letters, digits, `-` and `.`: names of items before a bracket or a space.
    pub(super) fn name(&mut self) -> Read<String> {
        let name = self.ascii(
            |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'),
            "a name is missing",
        )?;
        Ok(name.to_ascii_uppercase())
    }

    fn ascii(&mut self, is: impl Fn(u8) -> bool, why: &'static str) -> Read<&'a str> {
        let taken = self.while_is(is);
        match std::str::from_utf8(taken) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(Why::Syntax(why)),
        }
    }

    pub(super) fn number(&mut self) -> Read<u64> {
        self.ascii(|b| b.is_ascii_digit(), "a number is missing")?
            .parse()
            .map_err(|_| Why::Syntax("the number is too large"))
    }

    /// `nz-number`.
    pub(super) fn nz_number(&mut self) -> Read<u32> {
        match u32::try_from(self.number()?) {
            Ok(0) | Err(_) => Err(Why::Syntax("a number from 1 to 4294967295 is missing")),
            Ok(n) => Ok(n),
        }
    }

    /// `mod-sequence-value` and 0 (RFC 7162 7): 63 bits.
    pub(super) fn modseq(&mut self) -> Read<i64> {
        i64::try_from(self.number()?).map_err(|_| Why::Syntax("the number is too large"))
    }

    pub(super) fn set(&mut self) -> Read<SequenceSet> {
        let text = self.while_is(|b| b.is_ascii_digit() || matches!(b, b',' | b':' | b'*'));
        SequenceSet::parse(text, self.limits.ranges).ok_or_else(|| {
            if text.split(|b| *b == b',').count() > self.limits.ranges {
                Why::TooMany("ranges in the set")
            } else {
                Why::Syntax("a set of numbers is missing")
            }
        })
    }

    /// `quoted`; with any octet but CR, LF and NUL (RFC 6855 3 and what clients do).
    fn quoted(&mut self) -> Read<Cow<'a, [u8]>> {
        let whole = self.rest.get(1..).unwrap_or_default();
        let mut out: Option<Vec<u8>> = None;
        let mut at = 0;
        loop {
            match whole.get(at) {
                Some(b'"') => {
                    let plain = whole.get(..at).unwrap_or_default();
                    self.advance(at + 2);
                    return Ok(out.map_or(Cow::Borrowed(plain), Cow::Owned));
                }
                Some(b'\\') => {
                    let escaped = whole.get(at + 1).copied();
                    let Some(escaped @ (b'"' | b'\\')) = escaped else {
                        return Err(Why::Syntax("a backslash stands before neither \" nor \\"));
                    };
                    out.get_or_insert_with(|| whole.get(..at).unwrap_or_default().to_vec())
                        .push(escaped);
                    at += 2;
                }
                Some(b'\r' | b'\n' | 0) | None => {
                    return Err(Why::Syntax("a quoted string does not end"));
                }
                Some(b) => {
                    if let Some(out) = &mut out {
                        out.push(*b);
                    }
                    at += 1;
                }
            }
        }
    }

    /// `literal` or `literal8`, its octets inside the command.
    fn literal(&mut self) -> Read<(&'a [u8], bool)> {
        let is_binary = self.take(b'~');
        self.expect(b'{', "a literal is missing")?;
        let size =
            usize::try_from(self.number()?).map_err(|_| Why::Syntax("the number is too large"))?;
        self.take(b'+');
        self.expect(b'}', "a literal is not announced rightly")?;
        if !(self.take(b'\r') && self.take(b'\n')) || self.rest.len() < size {
            return Err(Why::Syntax("a literal is not there"));
        }
        let octets = self.advance(size);
        if !is_binary && octets.contains(&0) {
            return Err(Why::Syntax("NUL in a literal"));
        }
        Ok((octets, is_binary))
    }

    /// `string`.
    pub(super) fn string(&mut self) -> Read<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => Ok(Cow::Borrowed(self.literal()?.0)),
            _ => Err(Why::Syntax("a string is missing")),
        }
    }

    pub(super) fn is_at_string(&self) -> bool {
        matches!(self.peek(), Some(b'"' | b'{'))
    }

    /// `string` or `literal8` (values of METADATA, RFC 5464 5).
    pub(super) fn string8(&mut self) -> Read<Cow<'a, [u8]>> {
        if self.peek() == Some(b'~') {
            return Ok(Cow::Borrowed(self.literal()?.0));
        }
        self.string()
    }

    /// `nstring`.
    pub(super) fn nstring(&mut self) -> Read<Option<Cow<'a, [u8]>>> {
        if self.word("NIL") {
            return Ok(None);
        }
        self.string().map(Some)
    }

    /// `astring`.
    pub(super) fn astring(&mut self) -> Read<Cow<'a, [u8]>> {
        if self.is_at_string() {
            return self.string();
        }
        let atom = self.while_is(is_astring);
        if atom.is_empty() {
            return Err(Why::Syntax("a string is missing"));
        }
        Ok(Cow::Borrowed(atom))
    }

    /// An astring that must be UTF-8.
    pub(super) fn text(&mut self) -> Read<String> {
        utf8(&self.astring()?)
    }

    /// `mailbox`: decoded; `INBOX` in any case is `INBOX`.
    pub(super) fn mailbox(&mut self) -> Read<String> {
        let raw = self.astring()?;
        Ok(fold_inbox(self.name_of(&raw)?))
    }

    /// `list-mailbox`: wildcards are allowed in the atom.
    pub(super) fn list_mailbox(&mut self) -> Read<String> {
        let raw = if self.is_at_string() {
            self.string()?
        } else {
            let atom = self.while_is(|b| is_astring(b) || matches!(b, b'*' | b'%'));
            if atom.is_empty() {
                return Err(Why::Syntax("a pattern is missing"));
            }
            Cow::Borrowed(atom)
        };
        self.name_of(&raw)
    }

    /// A name in the encoding of this session. What is no modified UTF-7 stands for itself: clients send raw UTF-8 and
    /// lone ampersands, and mean them.
    fn name_of(&self, raw: &[u8]) -> Read<String> {
        let text = utf8(raw)?;
        if self.limits.utf8 {
            return Ok(text);
        }
        Ok(utf7::decode(&text).unwrap_or(text))
    }

    /// `(` item SP item … `)`, at least `least` items.
    pub(super) fn list<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<T>> {
        self.open()?;
        let mut out = Vec::new();
        if self.peek() != Some(b')') {
            loop {
                if out.len() >= self.limits.items {
                    return Err(Why::TooMany("items in a list"));
                }
                out.push(item(self)?);
                if !self.take(b' ') {
                    break;
                }
            }
        }
        self.close()?;
        if out.len() < least {
            return Err(Why::Syntax("a list is empty"));
        }
        Ok(out)
    }

    /// `(`, one level down.
    pub(super) fn open(&mut self) -> Read<()> {
        self.expect(b'(', "a parenthesis is missing")?;
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Why::TooMany("parentheses"));
        }
        Ok(())
    }

    /// `)`, one level up.
    pub(super) fn close(&mut self) -> Read<()> {
        self.expect(b')', "a parenthesis is not closed")?;
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    /// One level down without a parenthesis (`NOT NOT NOT …`).
    pub(super) fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(Why::TooMany("keys inside one another"));
        }
        let out = inner(self);
        self.depth = self.depth.saturating_sub(1);
        out
    }
}

pub(super) fn utf8(raw: &[u8]) -> Read<String> {
    match std::str::from_utf8(raw) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Why::Syntax("not UTF-8")),
    }
}

/// `INBOX` and the levels below it: its case does not count (RFC 9051 5.1).
fn fold_inbox(name: String) -> String {
    match name.split_once('/') {
        None if name.eq_ignore_ascii_case("INBOX") => "INBOX".to_owned(),
        Some((first, below)) if first.eq_ignore_ascii_case("INBOX") => format!("INBOX/{below}"),
        _ => name,
    }
}

/// `ATOM-CHAR`: no control, no space, no 8-bit octet, none of the specials.
pub(super) fn is_atom(b: u8) -> bool {
    matches!(b, 0x21..=0x7e) && !matches!(b, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`, and 8-bit octets, which clients send in names.
fn is_astring(b: u8) -> bool {
    is_atom(b) || b == b']' || b >= 0x80
}
