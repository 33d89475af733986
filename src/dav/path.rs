//! Addresses under `/dav/`: what a path names, and what a thing's path is (RFC 3986 3.3, RFC 4918 8.3).
//!
//! ```text
//! /dav/                                          the root
//! /dav/principals/[address/[calendar-proxy-read/ | calendar-proxy-write/]]
//! /dav/calendars/[address/[slug/[href]]]         calendars, task lists, notes
//! /dav/addressbooks/[address/[slug/[href]]]      address books
//!
//! /SOGo/dav/                                     the same in `SOGo`'s shape, for clients that were set up there
//! /SOGo/dav/address/                             the principal
//! /SOGo/dav/address/Calendar/[slug/[href]]       `SOGo`'s `personal` is the default collection
//! /SOGo/dav/address/Contacts/[slug/[href]]
//! ```
//!
//! An answer names everything in the shape in which it was asked. A path is cut at its slashes first and decoded after, so a
//! name may hold any character but a slash and the control characters; `.` and `..` are no names.

use std::fmt::Write as _;

/// Which of the two address shapes a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Ours, `/dav/`.
    Own,
    /// `SOGo`'s, `/SOGo/dav/`.
    Sogo,
}

/// Calendars or address books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Calendars, task lists and notes.
    Calendars,
    /// Address books.
    Books,
}

/// The two groups of Apple's calendar-proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proxy {
    /// May read.
    Read,
    /// May write.
    Write,
}

/// What a path names; whether it exists is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where discovery begins.
    Root,
    /// All principals.
    Principals,
    /// An account.
    Principal(String),
    /// Those who may act for an account; always empty groups for who has given no rights.
    ProxyGroup(String, Proxy),
    /// All homes of a family.
    Homes(Family),
    /// Where an account's collections are.
    Home(Family, String),
    /// A collection.
    Collection(Family, String, String),
    /// An object.
    Item(Family, String, String, String),
}

/// Octets of a slug or an object's name; file systems on the other side end here.
pub const LONGEST_NAME: usize = 255;
/// `SOGo`'s name of everybody's first collection.
const PERSONAL: &str = "personal";

impl Shape {
    /// Where it begins.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Own => "/dav/",
            Self::Sogo => "/SOGo/dav/",
        }
    }

    /// What a path names; none when nothing can have such a path. A slash at the end makes no difference.
    #[must_use]
    pub fn read(self, path: &str) -> Option<Place> {
        let rest = match path.strip_prefix(self.prefix()) {
            Some(rest) => rest,
            None if self.prefix().trim_end_matches('/') == path => "",
            None => return None,
        };
        if rest.is_empty() {
            return Some(Place::Root);
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let names: Vec<String> = rest.split('/').map(decode).collect::<Option<_>>()?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match self {
            Self::Own => own(&names),
            Self::Sogo => sogo(&names),
        }
    }

    /// The path of a place, percent-encoded.
    #[must_use]
    pub fn href(self, place: &Place) -> String {
        let mut out = self.prefix().to_owned();
        match (self, place) {
            (Self::Own, Place::Principals) => out.push_str("principals/"),
            (Self::Own, Place::Principal(who)) => folder(&mut out, &["principals", who]),
            (Self::Own, Place::ProxyGroup(who, proxy)) => {
                folder(&mut out, &["principals", who, proxy.word()]);
            }
            (Self::Own, Place::Homes(family)) => folder(&mut out, &[family.own()]),
            (Self::Own, Place::Home(family, who)) => folder(&mut out, &[family.own(), who]),
            (Self::Own, Place::Collection(family, who, slug)) => {
                folder(&mut out, &[family.own(), who, slug]);
            }
            (Self::Own, Place::Item(family, who, slug, href)) => {
                folder(&mut out, &[family.own(), who, slug]);
                encode(&mut out, href);
            }
            // SOGo has one root for all of them.
            (_, Place::Root) | (Self::Sogo, Place::Principals | Place::Homes(_)) => {}
            (Self::Sogo, Place::Principal(who)) => folder(&mut out, &[who]),
            (Self::Sogo, Place::ProxyGroup(who, proxy)) => folder(&mut out, &[who, proxy.word()]),
            (Self::Sogo, Place::Home(family, who)) => folder(&mut out, &[who, family.sogo()]),
            (Self::Sogo, Place::Collection(family, who, slug)) => {
                folder(&mut out, &[who, family.sogo(), slug]);
            }
            (Self::Sogo, Place::Item(family, who, slug, href)) => {
                folder(&mut out, &[who, family.sogo(), slug]);
                encode(&mut out, href);
            }
        }
        out
    }

    /// What a client wrote for an address: an absolute path, or a whole URL whose host is not looked at here.
    #[must_use]
    pub fn read_url(self, url: &str) -> Option<Place> {
        let path = match url.split_once("://") {
            Some((_, rest)) => {
                let at = rest.find('/')?;
                rest.get(at..)?
            }
            None => url,
        };
        let path = path.split(['?', '#']).next().unwrap_or(path);
        self.read(path)
    }
}

impl Family {
    fn own(self) -> &'static str {
        match self {
            Self::Calendars => "calendars",
            Self::Books => "addressbooks",
        }
    }

    fn sogo(self) -> &'static str {
        match self {
            Self::Calendars => "Calendar",
            Self::Books => "Contacts",
        }
    }
}

impl Proxy {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "calendar-proxy-read",
            Self::Write => "calendar-proxy-write",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Read, Self::Write]
            .into_iter()
            .find(|proxy| proxy.word() == word)
    }
}

/// Whether a collection's slug stands for the default one in this shape.
#[must_use]
pub fn is_default(shape: Shape, slug: &str) -> bool {
    shape == Shape::Sogo && slug == PERSONAL
}

fn own(names: &[&str]) -> Option<Place> {
    let text = |name: &&str| (*name).to_owned();
    match names {
        ["principals"] => Some(Place::Principals),
        ["principals", who] => Some(Place::Principal(text(who))),
        ["principals", who, proxy] => Some(Place::ProxyGroup(text(who), Proxy::from_word(proxy)?)),
        [family, rest @ ..] => {
            let family = [Family::Calendars, Family::Books]
                .into_iter()
                .find(|f| f.own() == *family)?;
            match rest {
                [] => Some(Place::Homes(family)),
                [who, inside @ ..] => below(family, who, inside),
            }
        }
        [] => Some(Place::Root),
    }
}

fn sogo(names: &[&str]) -> Option<Place> {
    match names {
        [who] => Some(Place::Principal((*who).to_owned())),
        [who, second, inside @ ..] => {
            if inside.is_empty()
                && let Some(proxy) = Proxy::from_word(second)
            {
                return Some(Place::ProxyGroup((*who).to_owned(), proxy));
            }
            let family = [Family::Calendars, Family::Books]
                .into_iter()
                .find(|f| f.sogo() == *second)?;
            below(family, who, inside)
        }
        [] => Some(Place::Root),
    }
}

fn below(family: Family, who: &str, inside: &[&str]) -> Option<Place> {
    let who = who.to_owned();
    match inside {
        [] => Some(Place::Home(family, who)),
        [slug] => Some(Place::Collection(family, who, (*slug).to_owned())),
        [slug, href] => Some(Place::Item(
            family,
            who,
            (*slug).to_owned(),
            (*href).to_owned(),
        )),
        _ => None,
    }
}

/// One segment, percent-decoded; none when it is no name.
fn decode(segment: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            octets.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            octets.push(octet);
        }
    }
    let name = String::from_utf8(octets).ok()?;
    let is_name = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name != "."
        && name != ".."
        && !name.chars().any(|c| c.is_control() || c == '/');
    is_name.then_some(name)
}

fn folder(out: &mut String, names: &[&str]) {
    for name in names {
        encode(out, name);
        out.push('/');
    }
}

/// Encodes all but unreserved characters and those that stand unharmed in any segment; `@` and `:` among them, since clients
/// compare addresses as text.
fn encode(out: &mut String, name: &str) {
    for octet in name.bytes() {
        let plain = octet.is_ascii_alphanumeric()
            || matches!(
                octet,
                b'-' | b'.'
                    | b'_'
                    | b'~'
                    | b'@'
                    | b':'
                    | b'!'
                    | b'$'
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b'='
            );
        if plain {
            out.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(href: &str) -> Place {
        Place::Item(
            Family::Calendars,
            "anna@x.test".to_owned(),
            "work".to_owned(),
            href.to_owned(),
        )
    }

    #[test]
    fn paths_are_read_in_both_shapes() {
        assert_eq!(Shape::Own.read("/dav"), Some(Place::Root));
        assert_eq!(Shape::Own.read("/dav/"), Some(Place::Root));
        assert_eq!(
            Shape::Own.read("/dav/principals/anna%40x.test/"),
            Some(Place::Principal("anna@x.test".to_owned()))
        );
        assert_eq!(
            Shape::Own.read("/dav/calendars/anna@x.test/work/a%20b.ics"),
            Some(item("a b.ics"))
        );
        assert_eq!(
            Shape::Sogo.read("/SOGo/dav/anna@x.test/Calendar/work/a%20b.ics"),
            Some(item("a b.ics"))
        );
        assert_eq!(
            Shape::Sogo.read("/SOGo/dav/anna@x.test/Contacts"),
            Some(Place::Home(Family::Books, "anna@x.test".to_owned()))
        );
        assert_eq!(
            Shape::Own.read("/dav/principals/a/calendar-proxy-write"),
            Some(Place::ProxyGroup("a".to_owned(), Proxy::Write))
        );
        assert_eq!(
            Shape::Own.read_url("https://h.test:8443/dav/addressbooks/?x"),
            Some(Place::Homes(Family::Books))
        );
    }

    #[test]
    fn what_is_no_path_of_ours_names_nothing() {
        for path in [
            "/",
            "/davx",
            "/dav//",
            "/dav/other/",
            "/dav/calendars//work/",
            "/dav/calendars/a/../b/",
            "/dav/calendars/a/%2e%2e/b",
            "/dav/calendars/a/b%2Fc",
            "/dav/calendars/a/b/c/d",
            "/dav/calendars/a/b/%00",
            "/dav/calendars/a/b/%ff",
            "/dav/calendars/a/b/%4",
            "/dav/calendars/a/b/%zz",
            "/dav/principals/a/b",
        ] {
            assert_eq!(Shape::Own.read(path), None, "{path}");
        }
        let long = format!("/dav/calendars/a/b/{}", "x".repeat(LONGEST_NAME + 1));
        assert_eq!(Shape::Own.read(&long), None);
        assert!(
            Shape::Own
                .read(long.get(..long.len() - 1).unwrap())
                .is_some()
        );
    }

    #[test]
    fn any_name_comes_back() {
        bolero::check!()
            .with_type::<(bool, bool, String, String, String)>()
            .for_each(|(is_sogo, is_book, who, slug, href)| {
                let fits = |name: &String| {
                    !name.is_empty()
                        && name.len() <= LONGEST_NAME
                        && name != "."
                        && name != ".."
                        && !name.chars().any(|c| c.is_control() || c == '/')
                };
                if ![who, slug, href].into_iter().all(fits) {
                    return;
                }
                let shape = if *is_sogo { Shape::Sogo } else { Shape::Own };
                let family = if *is_book {
                    Family::Books
                } else {
                    Family::Calendars
                };
                for place in [
                    Place::Item(family, who.clone(), slug.clone(), href.clone()),
                    Place::Collection(family, who.clone(), slug.clone()),
                    Place::Home(family, who.clone()),
                    Place::Principal(who.clone()),
                ] {
                    let path = shape.href(&place);
                    assert!(path.is_ascii());
                    assert_eq!(shape.read(&path), Some(place), "{path}");
                }
            });
    }
}
