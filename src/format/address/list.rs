//! Address lists: what people type into a field, and the address headers (RFC 5322 3.4 and 4.4).
//!
//! One splitter serves both. It looks at each character once and keeps no stack: comments are counted, groups may
//! not nest, quotes end with the text.

use std::collections::VecDeque;

use super::{Address, BadAddress, MAX_ADDRESSES, Mailbox, quote_local, split_at_sign};
use crate::format::mime::words;

/// What [`parse_typed`] read from an address field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Typed {
    /// Entries that can be sent to, in the order typed, each once.
    pub mailboxes: Vec<Mailbox>,
    /// Entries that cannot, as typed, with the reason.
    pub bad: Vec<(String, BadAddress)>,
}

/// Reads what a user typed or pasted into an address field.
///
/// Separators are comma, semicolon and line break; `Hofmann, Miriam <a@b.de>` is one person although the name
/// is not quoted; addresses that are parted by nothing but white space are taken apart; a group's members are
/// taken without the group. Names may be RFC 2047 encoded words (pasted from a header).
#[must_use]
pub fn parse_typed(text: &str) -> Typed {
    let text = text.replace(['\r', '\n'], ",");
    let mut typed = Typed::default();
    let mut seen = std::collections::HashSet::new();
    let mut waiting: Option<String> = None;
    for entry in Entries::new(&text, Style::Typed).take(MAX_ADDRESSES) {
        let Entry::Mailbox(mut found) = entry else {
            continue;
        };
        if !found.has_at {
            // Half of an unquoted "Surname, Given name <address>", or nothing we can use.
            if let Some(old) = waiting.replace(found.source) {
                typed.bad.push((old, BadAddress::NoAt));
            }
            continue;
        }
        if let Some(surname) = waiting.take() {
            if found.in_brackets && !found.phrase.is_empty() {
                found.phrase = format!("{surname}, {}", found.phrase);
            } else {
                typed.bad.push((surname, BadAddress::NoAt));
            }
        }
        match Address::parse(&found.spec) {
            Ok(address) => {
                if seen.insert(address.compare_form()) {
                    let name = words::decode(&found.phrase);
                    typed
                        .mailboxes
                        .push(Mailbox::new(clean_name(&name), &address));
                }
            }
            Err(why) => typed.bad.push((found.source, why)),
        }
    }
    if let Some(old) = waiting {
        typed.bad.push((old, BadAddress::NoAt));
    }
    typed
}

/// One element of an address header, undecoded, as IMAP ENVELOPE needs it (RFC 9051 7.5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderAddress {
    /// A mailbox: display name with its encoded words as they stand, unquoted local part, domain (may be empty).
    Mailbox {
        phrase: String,
        local: String,
        domain: String,
    },
    /// The start of a group and its name.
    GroupStart(String),
    GroupEnd,
}

impl HeaderAddress {
    /// The mailbox with its name decoded; `None` for the marks of a group.
    #[must_use]
    pub fn mailbox(&self) -> Option<Mailbox> {
        let Self::Mailbox {
            phrase,
            local,
            domain,
        } = self
        else {
            return None;
        };
        let address = if domain.is_empty() {
            local.clone()
        } else {
            format!("{}@{domain}", quote_local(local))
        };
        Some(Mailbox {
            name: clean_name(&words::decode(phrase)),
            address,
        })
    }
}

/// Reads the value of an address header (RFC 5322 3.4, with the obsolete forms of 4.4), as well as can be.
///
/// `value` is unfolded and already text. Comments beside an address without a name become its name (the old
/// `a@b.de (Anna)`), source routes are dropped, groups may not nest. At most `limit` elements are read.
#[must_use]
pub fn parse_header_list(value: &str, limit: usize) -> Vec<HeaderAddress> {
    let mut out = Vec::new();
    let mut in_group = false;
    for entry in Entries::new(value, Style::Header).take(limit.min(MAX_ADDRESSES)) {
        match entry {
            Entry::Mailbox(found) => {
                let (local, domain) = match split_at_sign(&found.spec) {
                    Some((local, domain)) => (unquote(local), domain.to_owned()),
                    None => (unquote(&found.spec), String::new()),
                };
                if local.is_empty() && domain.is_empty() && found.phrase.is_empty() {
                    continue;
                }
                out.push(HeaderAddress::Mailbox {
                    phrase: found.phrase,
                    local,
                    domain,
                });
            }
            Entry::GroupStart(name) => {
                if !in_group {
                    out.push(HeaderAddress::GroupStart(name));
                    in_group = true;
                }
            }
            Entry::GroupEnd => {
                if in_group {
                    out.push(HeaderAddress::GroupEnd);
                    in_group = false;
                }
            }
        }
    }
    if in_group {
        out.push(HeaderAddress::GroupEnd);
    }
    out
}

/// Comments inside comments; deeper parentheses are taken as text of the comment.
const MAX_COMMENT_DEPTH: usize = 32;

/// A display name without control characters and doubled blanks, at most 255 characters.
fn clean_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    match out.char_indices().nth(255) {
        Some((at, _)) => out.get(..at).unwrap_or_default().to_owned(),
        None => out,
    }
}

/// Removes quotes and escapes wherever they stand.
fn unquote(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in raw.chars() {
        match c {
            c if escaped => {
                out.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c => out.push(c),
        }
    }
    out
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Typed,
}

#[derive(Debug)]
enum Entry {
    Mailbox(Found),
    GroupStart(String),
    GroupEnd,
}

#[derive(Debug, Default)]
struct Found {
    phrase: String,
    /// `local@domain` with the local part's quotes as written, or a text without `@`.
    spec: String,
    in_brackets: bool,
    has_at: bool,
    source: String,
}

/// One blank-separated piece of an entry.
#[derive(Debug, Default, Clone)]
struct Word {
    raw: String,
    has_at: bool,
}

/// Splits an address list into its entries.
struct Entries<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    style: Style,
    in_group: bool,
    ready: VecDeque<Entry>,
    done: bool,
}

impl<'a> Entries<'a> {
    fn new(text: &'a str, style: Style) -> Self {
        Self {
            chars: text.chars().peekable(),
            style,
            in_group: false,
            ready: VecDeque::new(),
            done: false,
        }
    }

    /// The rest of a quoted string, its opening quote being read; with quotes and escapes as written.
    fn quoted(&mut self, into: &mut String) {
        into.push('"');
        let mut escaped = false;
        for c in self.chars.by_ref() {
            into.push(c);
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return,
                _ => {}
            }
        }
        if escaped {
            into.push('\\');
        }
        into.push('"');
    }

    /// The text of a comment, its opening parenthesis being read.
    fn comment(&mut self) -> String {
        let (mut depth, mut out) = (1_usize, String::new());
        while let Some(c) = self.chars.next() {
            match c {
                '\\' => out.extend(self.chars.next()),
                '(' if depth < MAX_COMMENT_DEPTH => {
                    depth += 1;
                    out.push(c);
                }
                ')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                    out.push(c);
                }
                c => out.push(c),
            }
        }
        out
    }

    /// What stands between `<` and `>`: comments and blanks dropped, a source route too.
    fn brackets(&mut self) -> String {
        let mut out = String::new();
        while let Some(c) = self.chars.next() {
            match c {
                '>' => break,
                '"' => self.quoted(&mut out),
                '(' => {
                    self.comment();
                }
                c if c.is_whitespace() => {}
                c => out.push(c),
            }
        }
        if out.starts_with('@')
            && let Some((_, after)) = out.split_once(':')
        {
            return after.to_owned();
        }
        let mailto = out
            .get(..7)
            .is_some_and(|p| p.eq_ignore_ascii_case("mailto:"));
        if self.style == Style::Typed && mailto {
            out.drain(..7);
        }
        out
    }

    /// Reads up to the next separator and queues what was found.
    fn read_entry(&mut self) {
        let mut entry = Raw::default();
        while let Some(c) = self.chars.next() {
            match c {
                '"' => {
                    self.quoted(&mut entry.word().raw);
                }
                '(' => {
                    let text = self.comment();
                    entry.comments.push(text);
                    entry.end_word();
                }
                '<' => {
                    let spec = self.brackets();
                    entry.spec.get_or_insert(spec);
                    entry.end_word();
                }
                '[' => {
                    let word = entry.word();
                    word.raw.push('[');
                    for c in self.chars.by_ref() {
                        word.raw.push(c);
                        if c == ']' {
                            break;
                        }
                    }
                }
                ',' => return self.finish(entry),
                ';' => {
                    self.finish(entry);
                    if self.in_group {
                        self.in_group = false;
                        self.ready.push_back(Entry::GroupEnd);
                    }
                    return;
                }
                ':' if entry.spec.is_none() && !entry.has_at => {
                    entry.end_word();
                    let name = entry.phrase(None);
                    if !(self.style == Style::Typed && name.eq_ignore_ascii_case("mailto")) {
                        self.in_group = true;
                        self.ready.push_back(Entry::GroupStart(name));
                    }
                    return;
                }
                c if c.is_whitespace() => entry.end_word(),
                c => {
                    entry.has_at |= c == '@';
                    let word = entry.word();
                    word.has_at |= c == '@';
                    word.raw.push(c);
                }
            }
        }
        self.done = true;
        self.finish(entry);
    }

    fn finish(&mut self, mut entry: Raw) {
        entry.end_word();
        if entry.words.is_empty() && entry.spec.is_none() {
            return;
        }
        let source = entry.source();
        if let Some(spec) = entry.spec.take() {
            let phrase = entry.phrase(None);
            self.ready.push_back(Entry::Mailbox(Found {
                has_at: split_at_sign(&spec).is_some(),
                phrase,
                spec,
                in_brackets: true,
                source,
            }));
            return;
        }
        entry.join_at_signs();
        let addresses = entry.words.iter().filter(|w| w.has_at).count();
        if addresses > 1 && self.style == Style::Typed {
            for word in entry.words.into_iter().filter(|w| w.has_at) {
                self.ready.push_back(Entry::Mailbox(Found {
                    phrase: String::new(),
                    source: word.raw.clone(),
                    spec: word.raw,
                    in_brackets: false,
                    has_at: true,
                }));
            }
            return;
        }
        let at = entry.words.iter().position(|w| w.has_at);
        let spec = match at {
            Some(at) => entry
                .words
                .get(at)
                .map(|w| w.raw.clone())
                .unwrap_or_default(),
            None if self.style == Style::Header && entry.words.len() == 1 => entry
                .words
                .first()
                .map(|w| w.raw.clone())
                .unwrap_or_default(),
            None => String::new(),
        };
        let skip = if spec.is_empty() {
            None
        } else {
            at.or(Some(0))
        };
        let phrase = entry.phrase(skip);
        if spec.is_empty() && phrase.is_empty() {
            return;
        }
        self.ready.push_back(Entry::Mailbox(Found {
            phrase,
            spec,
            in_brackets: false,
            has_at: at.is_some(),
            source,
        }));
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(entry);
            }
            if self.done {
                return None;
            }
            self.read_entry();
        }
    }
}

/// An entry while it is read.
#[derive(Debug, Default)]
struct Raw {
    words: Vec<Word>,
    /// The word that is being read; a blank ends it.
    current: Option<Word>,
    has_at: bool,
    comments: Vec<String>,
    spec: Option<String>,
}

impl Raw {
    fn word(&mut self) -> &mut Word {
        self.current.get_or_insert_default()
    }

    fn end_word(&mut self) {
        self.words.extend(self.current.take());
    }

    /// The words without quotes, but for the one at `skip`; else the first comment.
    fn phrase(&self, skip: Option<usize>) -> String {
        let mut out = String::new();
        for (i, word) in self.words.iter().enumerate() {
            if Some(i) == skip {
                continue;
            }
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&unquote(&word.raw));
        }
        if out.trim().is_empty() {
            self.comments.first().cloned().unwrap_or_default()
        } else {
            out
        }
    }

    /// `foo @ example.com` (RFC 5322 4.4) is one word.
    fn join_at_signs(&mut self) {
        let mut joined: Vec<Word> = Vec::with_capacity(self.words.len());
        for word in self.words.drain(..) {
            let glue = joined.last().is_some_and(|last| {
                (word.has_at && word.raw.starts_with('@') && !last.has_at)
                    || (last.has_at && last.raw.ends_with('@'))
            });
            match joined.last_mut().filter(|_| glue) {
                Some(last) => {
                    last.raw.push_str(&word.raw);
                    last.has_at = true;
                }
                None => joined.push(word),
            }
        }
        self.words = joined;
    }

    fn source(&self) -> String {
        let mut out = String::new();
        for word in &self.words {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&word.raw);
        }
        if let Some(spec) = &self.spec {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push('<');
            out.push_str(spec);
            out.push('>');
        }
        out
    }
}
