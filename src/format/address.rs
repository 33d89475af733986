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

mod list;

pub use list::{HeaderAddress, Typed, parse_header_list, parse_typed};

/// Octets of a local part (RFC 5321 4.5.3.1.1), quotes not counted.
pub const MAX_LOCAL: usize = 64;
/// Octets of a domain (RFC 5321 4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;
/// Octets of a path with its angle brackets (RFC 5321 4.5.3.1.3).
pub const MAX_PATH: usize = 256;
/// Addresses read from one list; the rest stays in the raw message only.
pub const MAX_ADDRESSES: usize = 2_000;
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

#[cfg(test)]
mod tests;
