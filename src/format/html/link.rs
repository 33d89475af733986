//! Addresses in a message: which ones a link may lead to, and whether the text of a link names another host.

use unicode_normalization::UnicodeNormalization;
use url::{Host, Url};

/// Longest address that is kept.
const MAX_ADDRESS: usize = 8_192;

/// Where a link of a message may lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `http`, `https`, `mailto`, `tel`, `sip` or `xmpp`, written as browsers write it.
    Address(String),
    /// A place in the same message.
    Fragment(String),
    /// A part of the same message (RFC 2392), without the scheme.
    Part(String),
}

/// Read the `href` of a link; the value has its character references resolved already.
///
/// C0 controls, tabs and line ends go wherever they stand, white space of any kind goes at the ends and inside
/// the scheme, so `java&#10;script:` is seen for what it is. `//host`, `\\host` and relative addresses name
/// nothing in a message and are refused.
pub(super) fn target(raw: &str) -> Option<Target> {
    let cleaned: String = raw.chars().filter(|c| !c.is_control()).collect();
    let cleaned = cleaned.trim();
    if let Some(fragment) = cleaned.strip_prefix('#') {
        let ok = !fragment.is_empty() && !fragment.contains(char::is_whitespace);
        return ok.then(|| Target::Fragment(fragment.to_owned()));
    }
    let (scheme, rest) = cleaned.split_once(':')?;
    let scheme: String = scheme
        .chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match scheme.as_str() {
        "http" | "https" => http(&format!("{scheme}:{rest}")).map(Target::Address),
        "mailto" | "tel" | "sip" | "xmpp" => {
            let url = Url::parse(&format!("{scheme}:{}", rest.trim())).ok()?;
            let ok = url.as_str().len() <= MAX_ADDRESS && !url.path().is_empty();
            ok.then(|| Target::Address(url.as_str().trim_end().to_owned()))
        }
        "cid" => content_id(rest).map(Target::Part),
        _ => None,
    }
}

/// An `http` or `https` address as a browser reads it, without user name and password, or `None`.
pub(super) fn http(raw: &str) -> Option<String> {
    let cleaned: String = raw.chars().filter(|c| !c.is_control()).collect();
    let mut url = Url::parse(cleaned.trim()).ok()?;
    let ok =
        matches!(url.scheme(), "http" | "https") && url.host_str().is_some_and(|h| !h.is_empty());
    if !ok {
        return None;
    }
    // `https://bank.example@evil.example/` shows a name that is not the host.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    (url.as_str().len() <= MAX_ADDRESS).then(|| url.into())
}

/// The content id in a `cid:` address (RFC 2392: percent-encoded, without angle brackets).
pub(super) fn content_id(rest: &str) -> Option<String> {
    let id = percent_decode(rest.trim());
    let ok = !id.is_empty() && id.len() <= 998 && !id.chars().any(char::is_control);
    ok.then_some(id)
}

fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        let mut ahead = bytes.clone();
        let hex = (b == b'%')
            .then(|| Some((hex_digit(ahead.next()?)?, hex_digit(ahead.next()?)?)))
            .flatten();
        if let Some((high, low)) = hex {
            out.push(high * 16 + low);
            bytes = ahead;
        } else {
            out.push(b);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex_digit(b: u8) -> Option<u8> {
    char::from(b)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// The host a link leads to when its visible text names another one.
///
/// `target` is what [`target`] gave. A text names a host with an address (`https://…`, `www.…`), a mail
/// address, or a word that looks like a host name. A host and its own sub-domains count as the same.
pub(super) fn other_host(text: &str, target: &str) -> Option<String> {
    let host = host_of(target)?;
    let text: String = text.nfkc().filter(|c| !is_invisible(*c)).collect();
    let differs = text
        .split_whitespace()
        .take(40)
        .filter_map(named_host)
        .any(|named| !same_site(&named, &host));
    differs.then_some(host)
}

fn host_of(target: &str) -> Option<String> {
    if let Some(rest) = target.strip_prefix("mailto:") {
        let address = rest.split(['?', ',']).next()?;
        return ascii_host(&percent_decode(address.rsplit_once('@')?.1));
    }
    if !target.starts_with("http") {
        return None;
    }
    Url::parse(target).ok()?.host_str().map(str::to_owned)
}

fn named_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/');
    let lower = word.to_lowercase();
    if let Some((scheme, rest)) = lower.split_once("://") {
        let known =
            scheme.ends_with("http") || scheme.ends_with("https") || scheme.ends_with("ftp");
        let authority = rest.split(['/', '?', '#', '\\']).next()?;
        let host = authority.rsplit('@').next()?;
        return known.then(|| ascii_host(strip_port(host))).flatten();
    }
    let authority = lower.split(['/', '?', '#', '\\']).next()?;
    let host = strip_port(authority.rsplit('@').next()?);
    let explicit = host.starts_with("www.") || authority.contains('@');
    if !host.contains('.') || !(explicit || ends_like_a_host(host)) {
        return None;
    }
    ascii_host(host)
}

fn strip_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

fn ascii_host(name: &str) -> Option<String> {
    match Host::parse(name.trim_end_matches('.')).ok()? {
        Host::Domain(d) if d.contains('.') => Some(d),
        Host::Domain(_) => None,
        ip => Some(ip.to_string()),
    }
}

/// Whether a bare word with dots is more likely a host than a file name or an abbreviation.
fn ends_like_a_host(word: &str) -> bool {
    let Some((rest, last)) = word.rsplit_once('.') else {
        return false;
    };
    let named = rest.rsplit('.').next().is_some_and(|label| {
        label.chars().count() >= 2 && !label.bytes().all(|b| b.is_ascii_digit())
    });
    let country = last.len() == 2
        && last.bytes().all(|b| b.is_ascii_alphabetic())
        && !FILE_ENDINGS.contains(&last);
    named && (country || TOP_LEVEL.contains(&last) || last.starts_with("xn--") || !last.is_ascii())
}

fn same_site(a: &str, b: &str) -> bool {
    let a = a.strip_prefix("www.").unwrap_or(a);
    let b = b.strip_prefix("www.").unwrap_or(b);
    let below = |long: &str, short: &str| {
        short.contains('.')
            && long
                .strip_suffix(short)
                .is_some_and(|head| head.ends_with('.'))
    };
    a == b || below(a, b) || below(b, a)
}

/// Characters that take no room or turn the direction of writing.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

const FILE_ENDINGS: &[&str] = &["gz", "js", "md", "py", "rb", "rs", "sh", "ts", "7z", "ps"];

/// Top-level domains in wide use; a word that ends in one is taken for a host name.
const TOP_LEVEL: &[&str] = &[
    "app", "bank", "berlin", "biz", "blog", "cloud", "club", "com", "dev", "edu", "email", "eus",
    "example", "gmbh", "gov", "group", "hamburg", "info", "int", "invalid", "koeln", "live", "mil",
    "mobi", "name", "net", "news", "online", "org", "page", "pay", "pro", "shop", "site", "space",
    "store", "support", "team", "tech", "test", "top", "travel", "wien", "website", "world", "xyz",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn address(raw: &str) -> Option<String> {
        match target(raw) {
            Some(Target::Address(a)) => Some(a),
            _ => None,
        }
    }

    #[test]
    fn known_schemes_are_kept() {
        assert_eq!(
            address("https://a.example/x y").as_deref(),
            Some("https://a.example/x%20y")
        );
        assert_eq!(
            address(" HTTP://A.Example ").as_deref(),
            Some("http://a.example/")
        );
        assert_eq!(
            address("mailto:info@a.example?subject=Hi").as_deref(),
            Some("mailto:info@a.example?subject=Hi")
        );
        assert_eq!(address("tel:+49 30 1").as_deref(), Some("tel:+49 30 1"));
        assert_eq!(target("#top"), Some(Target::Fragment("top".into())));
        assert_eq!(target("cid:a%40b"), Some(Target::Part("a@b".into())));
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "javascript:alert(1)",
            "java\nscript:alert(1)",
            "\u{1}javascript:alert(1)",
            "java\u{a0}script:x",
            "vbscript:x",
            "data:text/html,x",
            "file:///etc/passwd",
            "//evil.example/x",
            "\\\\evil.example\\x",
            "/own/path",
            "blob:https://a/b",
            "http://",
            "https:",
            "",
            "#",
            "mailto:",
            "view-source:http://a",
        ] {
            assert_eq!(target(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_password_in_an_address_goes() {
        assert_eq!(
            address("https://bank.example:x@evil.example/").as_deref(),
            Some("https://evil.example/")
        );
    }

    #[test]
    fn text_that_names_another_host_is_found() {
        let evil = "https://evil.example/login";
        for text in [
            "https://bank.example/login",
            "www.bank.example",
            "Weiter zu bank.com",
            "service@bank.com",
            "ｂａｎｋ．com",
            "ba\u{200b}nk.com",
            "HTTPS://BANK.COM",
            "(bank.com)",
            "https://evil.example@bank.com/",
        ] {
            assert_eq!(
                other_host(text, evil).as_deref(),
                Some("evil.example"),
                "{text}"
            );
        }
        assert_eq!(
            other_host("info@bank.com", "mailto:info@evil.example").as_deref(),
            Some("evil.example")
        );
    }

    #[test]
    fn text_that_names_the_same_host_or_none_is_calm() {
        let target = "https://shop.firma.de/x";
        for text in [
            "Zum Angebot",
            "www.firma.de",
            "firma.de",
            "https://shop.firma.de/anderes",
            "Rechnung.pdf",
            "main.rs",
            "z.B. hier",
            "Version 1.2.3",
            "Klicken Sie hier...",
        ] {
            assert_eq!(other_host(text, target), None, "{text}");
        }
    }
}
