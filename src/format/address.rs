//! Mail addresses: what an SMTP path holds (RFC 5321 4.1.2, RFC 6531 3.3) and what people type.
//!
//! [`Address`] is strict: it exists only within the limits of RFC 5321 4.5.3.1 (local part 64 octets, domain
//! 255, path 256 with its brackets) and is what the envelope, the routing and the lock work with. [`Mailbox`]
//! is what a header shows: a name and an address as the sender wrote it, which need not be routable
//! (`From: root`). [`parse_typed`] reads an address field of a form, [`parse_header_list`] a header's value.
//!
//! Deliberately not here: source routes and the bare `<postmaster>` of a path (the SMTP grammar's business),
//! general address literals (RFC 5321 4.1.3 knows only IPv4 and IPv6 in practice).
//!
//! Invariants: an `Address` prints as a text that parses to an equal `Address`; no function recurses; each is
//! linear in its input and stops at [`MAX_ADDRESSES`].

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::format::mime::words;

/// Octets of a local part (RFC 5321 4.5.3.1.1), quotes not counted.
pub const MAX_LOCAL: usize = 64;
/// Octets of a domain (RFC 5321 4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;
/// Octets of a path with its angle brackets (RFC 5321 4.5.3.1.3).
pub const MAX_PATH: usize = 256;
/// Addresses read from one list; the rest stays in the raw message only.
pub const MAX_ADDRESSES: usize = 2_000;
/// Comments inside comments; deeper parentheses are taken as text of the comment.
const MAX_COMMENT_DEPTH: usize = 32;

/// A mailbox of an SMTP path: local part and domain, both within the limits of RFC 5321.
///
/// Equality is by the text as written (a quoted local part that needs no quotes equals the plain one); use
/// [`Address::compare_form`] to ask whether two addresses name the same mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: String,
}

/// Why a text is no [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("the address is empty")]
    Empty,
    #[error("the address has no @")]
    NoAt,
    #[error("the part before the @ is not valid")]
    BadLocal,
    #[error("the part before the @ is longer than 64 octets")]
    LocalTooLong,
    #[error("the part after the @ is not a valid domain")]
    BadDomain,
    #[error("the domain is longer than 255 octets")]
    DomainTooLong,
    #[error("the address is longer than 254 octets")]
    PathTooLong,
}

impl Address {
    /// Reads `local@domain` as RFC 5321 4.1.2 `Mailbox`, with the UTF-8 of RFC 6531 3.3 in both parts.
    ///
    /// # Errors
    /// [`BadAddress`] says which rule was broken.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        if text.is_empty() {
            return Err(BadAddress::Empty);
        }
        let (raw_local, domain) = split_at_sign(text).ok_or(BadAddress::NoAt)?;
        let local = parse_local(raw_local)?;
        Self::from_parts(local, domain)
    }

    /// Makes an address of an unquoted local part and a domain.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn from_parts(local: impl Into<String>, domain: &str) -> Result<Self, BadAddress> {
        let local = local.into();
        if local.is_empty() || local.chars().any(char::is_control) {
            return Err(BadAddress::BadLocal);
        }
        if local.len() > MAX_LOCAL {
            return Err(BadAddress::LocalTooLong);
        }
        check_domain(domain)?;
        let address = Self {
            local,
            domain: domain.to_owned(),
        };
        if address.to_string().len() + 2 > MAX_PATH {
            return Err(BadAddress::PathTooLong);
        }
        Ok(address)
    }

    /// The local part without quotes.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain as written (an address literal keeps its brackets).
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The domain in the form domains are compared and looked up in: ASCII (IDNA), lower case.
    #[must_use]
    pub fn domain_ascii(&self) -> String {
        domain_to_ascii(&self.domain).unwrap_or_else(|| self.domain.to_lowercase())
    }

    /// The form in which addresses are compared: local part in lower case, domain as
    /// [`Address::domain_ascii`].
    ///
    /// RFC 5321 2.4 lets a host tell `Anna` from `anna`; no host does, so neither do we.
    #[must_use]
    pub fn compare_form(&self) -> String {
        let local = self.local.to_lowercase();
        format!("{}@{}", quote_local(&local), self.domain_ascii())
    }

    /// The address without its `+tag` (RFC 5233): `anna+shop@a.de` is `anna@a.de`.
    #[must_use]
    pub fn base(&self) -> Self {
        let local = match self.local.split_once('+') {
            Some((base, _)) if !base.is_empty() => base.to_owned(),
            _ => self.local.clone(),
        };
        Self {
            local,
            domain: self.domain.clone(),
        }
    }

    /// Whether the address can go only to a server that offers SMTPUTF8 (RFC 6531): its local part is not ASCII.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", quote_local(&self.local), self.domain)
    }
}

impl std::str::FromStr for Address {
    type Err = BadAddress;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::parse(s)
    }
}

/// A person as a header names them: a decoded display name (empty when there is none) and an address.
///
/// The address is what the header says, so it may lack a domain or be no address at all; ask
/// [`Mailbox::smtp_address`] before sending to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Mailbox {
    #[serde(rename = "n", default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(rename = "a", default)]
    pub address: String,
}

impl Mailbox {
    /// A mailbox of a display name and an address.
    #[must_use]
    pub fn new(name: impl Into<String>, address: &Address) -> Self {
        Self {
            name: name.into(),
            address: address.to_string(),
        }
    }

    /// The address as one that mail can be sent to.
    ///
    /// # Errors
    /// [`BadAddress`] when the header held something else.
    pub fn smtp_address(&self) -> Result<Address, BadAddress> {
        Address::parse(&self.address)
    }

    /// The compare form of the address, or its lower case when it is none.
    #[must_use]
    pub fn compare_form(&self) -> String {
        self.smtp_address()
            .map_or_else(|_| self.address.to_lowercase(), |a| a.compare_form())
    }

    /// What a list shows: the name, or the address when there is no name.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.name.is_empty() {
            &self.address
        } else {
            &self.name
        }
    }
}

/// As an address field of a form shows it: `Anna <a@b.de>`, the name quoted where it must be.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.is_empty() {
            return f.write_str(&self.address);
        }
        let plain = self
            .name
            .chars()
            .all(|c| c.is_alphanumeric() || c == ' ' || "!#$%&'*+-/=?^_`{|}~".contains(c));
        if plain {
            write!(f, "{} <{}>", self.name, self.address)
        } else {
            write!(f, "{} <{}>", quote(&self.name), self.address)
        }
    }
}

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

/// Puts a text in double quotes and escapes what must be (RFC 5322 3.2.4).
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The domain in ASCII (IDNA 2008, UTS 46) and lower case; `None` when it is no domain.
#[must_use]
pub fn domain_to_ascii(domain: &str) -> Option<String> {
    if domain.starts_with('[') {
        return Some(domain.to_ascii_lowercase());
    }
    let ascii = idna::domain_to_ascii(domain).ok()?;
    (!ascii.is_empty()).then_some(ascii)
}

/// A local part as it is written in an address: quoted when it is no dot-atom (RFC 5321 4.1.2).
fn quote_local(local: &str) -> String {
    if is_dot_atom(local) {
        local.to_owned()
    } else {
        quote(local)
    }
}

fn is_dot_atom(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5322 3.2.3 `atext`, widened by RFC 6532 3.2.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

/// Splits at the last `@` that stands outside quotes.
fn split_at_sign(text: &str) -> Option<(&str, &str)> {
    let (mut quoted, mut escaped, mut found) = (false, false, None);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '@' if !quoted => found = Some(at),
            _ => {}
        }
    }
    let at = found?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// `Dot-string / Quoted-string`, unquoted.
fn parse_local(raw: &str) -> Result<String, BadAddress> {
    if !raw.starts_with('"') {
        if raw.len() > MAX_LOCAL {
            return Err(BadAddress::LocalTooLong);
        }
        return if is_dot_atom(raw) {
            Ok(raw.to_owned())
        } else {
            Err(BadAddress::BadLocal)
        };
    }
    let inner = raw
        .strip_prefix('"')
        .and_then(|r| r.strip_suffix('"'))
        .filter(|_| raw.len() >= 2)
        .ok_or(BadAddress::BadLocal)?;
    let mut local = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => local.push(chars.next().ok_or(BadAddress::BadLocal)?),
            '"' => return Err(BadAddress::BadLocal),
            c => local.push(c),
        }
    }
    Ok(local)
}

fn check_domain(domain: &str) -> Result<(), BadAddress> {
    if domain.len() > MAX_DOMAIN {
        return Err(BadAddress::DomainTooLong);
    }
    if let Some(literal) = domain.strip_prefix('[') {
        let inner = literal.strip_suffix(']').ok_or(BadAddress::BadDomain)?;
        let v6 = inner
            .get(..5)
            .is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        let good = if v6 {
            inner
                .get(5..)
                .is_some_and(|ip| ip.parse::<Ipv6Addr>().is_ok())
        } else {
            inner.parse::<Ipv4Addr>().is_ok()
        };
        return if good {
            Ok(())
        } else {
            Err(BadAddress::BadDomain)
        };
    }
    if domain.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(BadAddress::BadDomain);
    }
    let ascii = domain_to_ascii(domain).ok_or(BadAddress::BadDomain)?;
    if ascii.len() > MAX_DOMAIN {
        return Err(BadAddress::DomainTooLong);
    }
    // The underscore is no letter of RFC 1035, but hosts with it exist and receive mail.
    let good = ascii.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    });
    if good {
        Ok(())
    } else {
        Err(BadAddress::BadDomain)
    }
}

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
    ready: std::collections::VecDeque<Entry>,
    done: bool,
}

impl<'a> Entries<'a> {
    fn new(text: &'a str, style: Style) -> Self {
        Self {
            chars: text.chars().peekable(),
            style,
            in_group: false,
            ready: std::collections::VecDeque::new(),
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
