//! Names: a namespace and a local part. The namespaces we speak are words, all others text.

use std::fmt;

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ns {
    /// `DAV:` (RFC 4918)
    Dav,
    /// `urn:ietf:params:xml:ns:caldav` (RFC 4791, 6638)
    CalDav,
    /// `urn:ietf:params:xml:ns:carddav` (RFC 6352)
    CardDav,
    /// `http://calendarserver.org/ns/`: what Apple's server added and everybody speaks
    CalendarServer,
    /// `http://apple.com/ns/ical/`: a calendar's colour and order
    Apple,
    /// None at all.
    Empty,
    /// Any other.
    Other(String),
}

impl Ns {
    const KNOWN: [(Self, &'static str, &'static str); 5] = [
        (Self::Dav, "D", "DAV:"),
        (Self::CalDav, "C", "urn:ietf:params:xml:ns:caldav"),
        (Self::CardDav, "CR", "urn:ietf:params:xml:ns:carddav"),
        (Self::CalendarServer, "CS", "http://calendarserver.org/ns/"),
        (Self::Apple, "A", "http://apple.com/ns/ical/"),
    ];

    /// The namespace of an address; an empty one is none.
    #[must_use]
    pub fn of(uri: &str) -> Self {
        if uri.is_empty() {
            return Self::Empty;
        }
        Self::KNOWN
            .iter()
            .find(|(_, _, known)| *known == uri)
            .map_or_else(|| Self::Other(uri.to_owned()), |(ns, _, _)| ns.clone())
    }

    /// Its address.
    #[must_use]
    pub fn uri(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Other(uri) => uri,
            known => known.row().map_or("", |(_, _, uri)| uri),
        }
    }

    /// The prefix that our answers declare for it; none for those we do not know.
    #[must_use]
    pub fn prefix(&self) -> Option<&'static str> {
        self.row().map(|(_, prefix, _)| *prefix)
    }

    /// All namespaces we speak, with their prefixes.
    pub fn known() -> impl Iterator<Item = (&'static str, &'static str)> {
        Self::KNOWN.iter().map(|(_, prefix, uri)| (*prefix, *uri))
    }

    fn row(&self) -> Option<&'static (Self, &'static str, &'static str)> {
        Self::KNOWN.iter().find(|(ns, _, _)| ns == self)
    }
}

/// The name of an element or attribute.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Its namespace.
    pub ns: Ns,
    /// Its local part.
    pub local: String,
}

impl Name {
    /// A name.
    #[must_use]
    pub fn new(ns: Ns, local: &str) -> Self {
        Self {
            ns,
            local: local.to_owned(),
        }
    }

    /// Whether it is this one.
    #[must_use]
    pub fn is(&self, ns: &Ns, local: &str) -> bool {
        self.ns == *ns && self.local == local
    }

    /// The name in Clark's notation, `{namespace}local`: also the key under which a dead property is kept.
    #[must_use]
    pub fn clark(&self) -> String {
        self.to_string()
    }

    /// The name of such a key.
    #[must_use]
    pub fn from_clark(key: &str) -> Option<Self> {
        let (uri, local) = key.strip_prefix('{')?.rsplit_once('}')?;
        Some(Self::new(Ns::of(uri), local))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{}}}{}", self.ns.uri(), self.local)
    }
}
