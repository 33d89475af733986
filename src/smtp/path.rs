//! Paths and mailboxes as they stand in an SMTP command (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3 for UTF-8).
//!
//! Only the grammar: whether a mailbox exists, and what it is an alias of, is known to
//! `service/accounts.rs`. Nothing in here rewrites an address. `a%b@host`, `b!a@host` and `"a@b"@host`
//! are local parts like any other and stay what they are, so they can never become an address at
//! another host.
//!
//! Invariants: a [`Mailbox`] holds its local part without quoting, so that `"joe"@x` and `joe@x` are
//! equal (RFC 5321 4.1.2: they name one mailbox); writing one out quotes again where it must.
//!
//! Departure: a host name may contain `_` (RFC 5321 does not let it), because Windows hosts have sent
//! such names for decades and a bounce to them is nobody's gain.
//! Departure: source routes (`<@a,@b:c@d>`, RFC 5321 appendix C) are refused, not ignored: nobody has
//! sent one honestly for twenty years, and an ignored route is a relay attempt that got an answer.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config::Smtp;

/// Most octets of a domain (RFC 5321 4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;

/// How long the parts of a path may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathLimits {
    /// The path with its angle brackets.
    pub path: usize,
    /// The local part as it is written, quotes included.
    pub local: usize,
    /// The domain.
    pub domain: usize,
}

impl PathLimits {
    /// The limits of the settings.
    #[must_use]
    pub fn from_config(config: &Smtp) -> Self {
        Self {
            path: config.path,
            local: config.local_part,
            domain: config.domain,
        }
    }
}

/// RFC 5321 4.5.3.1.
impl Default for PathLimits {
    fn default() -> Self {
        Self {
            path: 256,
            local: 64,
            domain: MAX_DOMAIN,
        }
    }
}

/// A mailbox: a local part and the host that knows what it means.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mailbox {
    local: String,
    host: Host,
}

/// The right side of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name as it was written; upper and lower case are kept.
    Name(String),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]` or another tagged literal (RFC 5321 4.1.3).
    Literal(Literal),
}

/// An address literal without its brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// `[192.0.2.1]`
    V4(Ipv4Addr),
    /// `[IPv6:2001:db8::1]`
    V6(Ipv6Addr),
    /// `[tag:content]`, a kind that is not known to us.
    General(String),
}

/// Where `MAIL FROM` says that failures go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: a bounce or another automatic message; nothing is ever sent back to it.
    Null,
    /// The sender's mailbox.
    Mailbox(Mailbox),
}

/// Where `RCPT TO` wants the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every host has (RFC 5321 4.5.1).
    Postmaster,
    /// A mailbox.
    Mailbox(Mailbox),
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not follow the grammar.
    #[error("the address does not follow RFC 5321 4.1.2")]
    Syntax,
    /// Path, local part or domain is longer than RFC 5321 4.5.3.1 lets it be.
    #[error("the address is too long")]
    TooLong,
    /// It begins with a source route.
    #[error("source routes are not followed")]
    SourceRoute,
}

impl Mailbox {
    /// Reads `local@host` without angle brackets, the whole text.
    ///
    /// # Errors
    /// [`PathError`] says which rule was broken.
    pub fn parse(text: &str, limits: &PathLimits) -> Result<Self, PathError> {
        let (local, rest) = if text.starts_with('"') {
            quoted_string(text)?
        } else {
            dot_string(text)?
        };
        if text.len().saturating_sub(rest.len()) > limits.local {
            return Err(PathError::TooLong);
        }
        let host = Host::parse(rest.strip_prefix('@').ok_or(PathError::Syntax)?, limits)?;
        Ok(Self { local, host })
    }

    /// The local part without quoting, in the case in which it was sent.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The right side.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether every octet is ASCII, so that it may be used without SMTPUTF8 (RFC 6531 3.3).
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
            && match &self.host {
                Host::Name(name) => name.is_ascii(),
                Host::Literal(_) => true,
            }
    }
}

impl ReversePath {
    /// Reads `<>` or `<local@host>`, the whole text.
    ///
    /// # Errors
    /// [`PathError`] says which rule was broken.
    pub fn parse(text: &str, limits: &PathLimits) -> Result<Self, PathError> {
        if text == "<>" {
            return Ok(Self::Null);
        }
        Mailbox::parse(bracketed(text, limits)?, limits).map(Self::Mailbox)
    }

    /// The mailbox, if there is one.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Null => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl ForwardPath {
    /// Reads `<local@host>` or `<Postmaster>`, the whole text.
    ///
    /// # Errors
    /// [`PathError`] says which rule was broken.
    pub fn parse(text: &str, limits: &PathLimits) -> Result<Self, PathError> {
        let inside = bracketed(text, limits)?;
        if inside.eq_ignore_ascii_case("postmaster") {
            return Ok(Self::Postmaster);
        }
        Mailbox::parse(inside, limits).map(Self::Mailbox)
    }

    /// The mailbox; `None` is the postmaster of whatever host is spoken to.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            Self::Postmaster => None,
            Self::Mailbox(mailbox) => Some(mailbox),
        }
    }
}

impl Host {
    /// Reads a host name or an address literal, the whole text.
    ///
    /// # Errors
    /// [`PathError`] says which rule was broken.
    pub fn parse(text: &str, limits: &PathLimits) -> Result<Self, PathError> {
        if text.len() > limits.domain {
            return Err(PathError::TooLong);
        }
        if let Some(inside) = text.strip_prefix('[') {
            let inside = inside.strip_suffix(']').ok_or(PathError::Syntax)?;
            return Literal::parse(inside).map(Self::Literal);
        }
        for label in text.split('.') {
            check_label(label)?;
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl Literal {
    /// RFC 5321 4.1.3: a dotted quad, `IPv6:` and an address, or `tag:` and printable octets but `[\]`.
    fn parse(inside: &str) -> Result<Self, PathError> {
        if let Ok(v4) = inside.parse() {
            return Ok(Self::V4(v4));
        }
        let (tag, content) = inside.split_once(':').ok_or(PathError::Syntax)?;
        if tag.eq_ignore_ascii_case("IPv6") {
            return content.parse().map(Self::V6).map_err(|_| PathError::Syntax);
        }
        let tag_is_good = !tag.is_empty()
            && !tag.ends_with('-')
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let content_is_good =
            !content.is_empty() && content.bytes().all(|b| matches!(b, 33..=90 | 94..=126));
        if tag_is_good && content_is_good {
            Ok(Self::General(inside.to_owned()))
        } else {
            Err(PathError::Syntax)
        }
    }
}

/// Splits `<path> rest` into the path with its brackets and what follows; a `>` inside quotes is text.
///
/// # Errors
/// [`PathError::Syntax`] when there is no whole path at the front.
pub fn split_path(text: &str) -> Result<(&str, &str), PathError> {
    if !text.starts_with('<') {
        return Err(PathError::Syntax);
    }
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let end = at.saturating_add(1);
                return text.split_at_checked(end).ok_or(PathError::Syntax);
            }
            _ => {}
        }
    }
    Err(PathError::Syntax)
}

/// The text between the brackets, the length rule and the source route rule applied.
fn bracketed<'a>(text: &'a str, limits: &PathLimits) -> Result<&'a str, PathError> {
    if text.len() > limits.path {
        return Err(PathError::TooLong);
    }
    let inside = text
        .strip_prefix('<')
        .and_then(|t| t.strip_suffix('>'))
        .ok_or(PathError::Syntax)?;
    if inside.starts_with('@') {
        return Err(PathError::SourceRoute);
    }
    Ok(inside)
}

/// `Dot-string = Atom *("." Atom)`
fn dot_string(text: &str) -> Result<(String, &str), PathError> {
    let end = text
        .find(|c| !(is_atext(c) || c == '.'))
        .unwrap_or(text.len());
    let (local, rest) = text.split_at_checked(end).ok_or(PathError::Syntax)?;
    if local.split('.').any(str::is_empty) {
        return Err(PathError::Syntax);
    }
    Ok((local.to_owned(), rest))
}

/// `Quoted-string = DQUOTE *(qtextSMTP / quoted-pairSMTP) DQUOTE`, without its quoting.
fn quoted_string(text: &str) -> Result<(String, &str), PathError> {
    let mut local = String::new();
    let mut chars = text.char_indices();
    chars.next();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
                return Ok((local, rest));
            }
            '\\' => match chars.next() {
                Some((_, escaped @ ' '..='~')) => local.push(escaped),
                _ => return Err(PathError::Syntax),
            },
            ' '..='~' => local.push(c),
            _ if is_wide(c) => local.push(c),
            _ => return Err(PathError::Syntax),
        }
    }
    Err(PathError::Syntax)
}

/// `sub-domain = Let-dig [Ldh-str]`, U-labels and `_` beside it.
fn check_label(label: &str) -> Result<(), PathError> {
    if label.chars().count() > 63 {
        return Err(PathError::TooLong);
    }
    let good = !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_' || is_wide(c));
    if good { Ok(()) } else { Err(PathError::Syntax) }
}

/// `atext` of RFC 5322 3.2.3 with the `UTF8-non-ascii` of RFC 6531 3.3.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_wide(c)
}

/// Beyond ASCII and not one of the C1 controls.
fn is_wide(c: char) -> bool {
    !c.is_ascii() && !c.is_control()
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = !self.local.split('.').any(str::is_empty)
            && self.local.chars().all(|c| is_atext(c) || c == '.');
        if plain {
            write!(f, "{}@{}", self.local, self.host)
        } else {
            f.write_str("\"")?;
            for c in self.local.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            write!(f, "\"@{}", self.host)
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Literal(Literal::V4(v4)) => write!(f, "[{v4}]"),
            Self::Literal(Literal::V6(v6)) => write!(f, "[IPv6:{v6}]"),
            Self::Literal(Literal::General(text)) => write!(f, "[{text}]"),
        }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("<Postmaster>"),
            Self::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn forward(text: &str) -> Result<ForwardPath, PathError> {
        ForwardPath::parse(text, &PathLimits::default())
    }

    fn reverse(text: &str) -> Result<ReversePath, PathError> {
        ReversePath::parse(text, &PathLimits::default())
    }

    fn read(text: &str) -> Result<Mailbox, PathError> {
        Mailbox::parse(text, &PathLimits::default())
    }

    fn host(text: &str) -> Result<Host, PathError> {
        Host::parse(text, &PathLimits::default())
    }

    #[test]
    fn known_paths() {
        let joe = forward("<Joe.Q+x=y@Example.COM>").unwrap();
        let mailbox = joe.mailbox().unwrap();
        assert_eq!(mailbox.local(), "Joe.Q+x=y");
        assert_eq!(mailbox.host(), &Host::Name("Example.COM".into()));
        assert_eq!(reverse("<>"), Ok(ReversePath::Null));
        assert_eq!(forward("<pOSTmASTER>"), Ok(ForwardPath::Postmaster));
        for text in [
            "<joe@[192.0.2.1]>",
            "<joe@[IPv6:2001:db8::1]>",
            "<joe@[x-tag:abc]>",
            "<\"a b\"@x.example>",
            "<\"a@b\"@x.example>",
            "<\"a\\\"b\"@x.example>",
            "<\"\"@x.example>",
            "<grün@grün.example>",
            "<用户@例子.example>",
            "<a@b_c.example>",
            "<a@localhost>",
            "<a%b.example@c.example>",
            "<b.example!a@c.example>",
        ] {
            assert_eq!(forward(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn one_mailbox_quoted_or_not() {
        assert_eq!(read("\"joe\"@x.example"), read("joe@x.example"));
        assert_eq!(read("\"j\\oe\"@x.example").unwrap().local(), "joe");
    }

    #[test]
    fn broken_paths() {
        for text in [
            "",
            "<",
            ">",
            "<a>",
            "<@>",
            "<a@>",
            "<a@b",
            "a@b>",
            "<a@b>>",
            "<a @b>",
            "<a@b c>",
            "<a@b@c>",
            "<.a@b>",
            "<a.@b>",
            "<a..b@c>",
            "<a@b..c>",
            "<a@b.>",
            "<a@.b>",
            "<a@-b>",
            "<a@b->",
            "<a@[1.2.3]>",
            "<a@[1.2.3.4>",
            "<a@[]>",
            "<a@[IPv6:1::2::3]>",
            "<a@[-:x]>",
            "<\"a@b>",
            "<\"a\"b@c>",
            "<a(comment)@b>",
            "<a\u{85}b@c>",
            "<\"a\u{7f}\"@c>",
            "<a,b@c>",
            "<a:b@c>",
        ] {
            let broken = forward(text).unwrap_err();
            assert!(
                matches!(broken, PathError::Syntax | PathError::SourceRoute),
                "{text}"
            );
        }
        for text in ["<@a.example:b@c.example>", "<@a,@b:c@d>", "<@a>"] {
            assert_eq!(forward(text), Err(PathError::SourceRoute));
            assert_eq!(reverse(text), Err(PathError::SourceRoute));
        }
    }

    /// Security 2: local part 64, domain 255, path 256, each at n and n+1.
    #[test]
    fn lengths() {
        let local = |n: usize| format!("<{}@x.example>", "a".repeat(n));
        assert!(forward(&local(64)).is_ok());
        assert_eq!(forward(&local(64 + 1)), Err(PathError::TooLong));
        let label = "d".repeat(63);
        let domain = |n: usize| format!("{label}.{label}.{label}.{}", "e".repeat(n - 192));
        assert!(host(&domain(MAX_DOMAIN)).is_ok());
        assert_eq!(
            host(&format!("{label}.{label}.{label}.{label}.e")),
            Err(PathError::TooLong)
        );
        let path = |n: usize| format!("<a@{}>", domain(n - 4));
        assert_eq!(path(256).len(), 256);
        assert!(forward(&path(256)).is_ok());
        assert_eq!(forward(&path(256 + 1)), Err(PathError::TooLong));
        assert_eq!(host(&"d".repeat(64)), Err(PathError::TooLong));
    }

    #[test]
    fn split_keeps_a_quoted_bracket() {
        assert_eq!(
            split_path("<\"a>\\\"b\"@c> SIZE=1"),
            Ok(("<\"a>\\\"b\"@c>", " SIZE=1"))
        );
        assert_eq!(split_path("<>x"), Ok(("<>", "x")));
        assert_eq!(split_path("<a@b"), Err(PathError::Syntax));
        assert_eq!(split_path("a@b"), Err(PathError::Syntax));
    }

    /// Mailboxes within all limits, quoted, foreign and literal ones among them.
    pub(crate) fn any_mailbox() -> impl Strategy<Value = Mailbox> {
        let local = prop_oneof![
            "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9]{1,9}){0,3}",
            "[ -~]{0,20}",
            "[a-zäöüß漢字]{1,10}",
        ];
        let label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,10}[a-zA-Z0-9])?";
        let host = prop_oneof![
            4 => prop::collection::vec(label, 1..5).prop_map(|l| Host::Name(l.join("."))),
            1 => "[a-zäöü漢]{1,9}\\.example".prop_map(Host::Name),
            1 => any::<Ipv4Addr>().prop_map(|a| Host::Literal(Literal::V4(a))),
            1 => any::<Ipv6Addr>().prop_map(|a| Host::Literal(Literal::V6(a))),
        ];
        (local, host).prop_map(|(local, host)| Mailbox { local, host })
    }

    proptest! {
        #[test]
        fn written_then_read(mailbox in any_mailbox()) {
            prop_assert_eq!(read(&mailbox.to_string()), Ok(mailbox));
        }

        #[test]
        fn never_panics(text in "\\PC{0,80}") {
            let _ = forward(&text);
            let _ = reverse(&text);
            let _ = split_path(&text);
        }
    }
}
