//! How SORT compares (RFC 5256 3, RFC 5957): the collation i;unicode-casemap (RFC 5051), and names and addresses out of an
//! ENVELOPE.

use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

use super::search::SortKey;
use super::subject::base_subject;
use crate::format::mime::words;

/// A text as i;unicode-casemap compares it: title case, then decomposed for compatibility; octets decide (RFC 5051 2.3).
#[must_use]
pub fn casemap(text: &str) -> String {
    // Upper case is title case but for the few letters that are two in one, which decompose to the same all the same.
    text.nfkd().flat_map(char::to_uppercase).nfkd().collect()
}

/// What a message is sorted by; only the criteria asked for need be filled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sortable {
    /// Instants and octets, by criterion of the same place as in the request.
    pub keys: Vec<Compared>,
    /// Its place in the folder, which decides at last (RFC 5256 3).
    pub number: u32,
}

/// One compared value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compared {
    /// A size, or an instant.
    Number(i128),
    /// A text, already by [`casemap`].
    Text(String),
}

/// The order of two messages under criteria, each perhaps reversed.
#[must_use]
pub fn order(a: &Sortable, b: &Sortable, by: &[(SortKey, bool)]) -> Ordering {
    for ((_, reversed), (a, b)) in by.iter().zip(a.keys.iter().zip(&b.keys)) {
        let order = a.cmp(b);
        let order = if *reversed { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.number.cmp(&b.number)
}

/// The compared form of a subject: its base (RFC 5256 3, SUBJECT).
#[must_use]
pub fn subject_key(subject: &str) -> String {
    casemap(&base_subject(subject).text)
}

/// The compared form of an address criterion, out of an ENVELOPE in our wire form.
///
/// FROM, TO and CC compare the mailbox of the first address, without its host (RFC 5256 3); the DISPLAY forms its name, or
/// mailbox and host when it has none (RFC 5957 3).
#[must_use]
pub fn address_key(envelope: &[u8], key: SortKey) -> String {
    let (field, is_display) = match key {
        SortKey::From => (2, false),
        SortKey::To => (5, false),
        SortKey::Cc => (6, false),
        SortKey::DisplayFrom => (2, true),
        SortKey::DisplayTo => (5, true),
        SortKey::Arrival | SortKey::Date | SortKey::Size | SortKey::Subject => {
            return String::new();
        }
    };
    let Some(first) = first_address(envelope, field) else {
        return String::new();
    };
    if !is_display {
        return casemap(&first.mailbox);
    }
    match first.name.filter(|name| !name.is_empty()) {
        Some(name) => casemap(&words::decode(&name)),
        None if first.host.is_empty() => casemap(&first.mailbox),
        None => casemap(&format!("{}@{}", first.mailbox, first.host)),
    }
}

/// The ids in In-Reply-To of an ENVELOPE in our wire form, as it stands.
#[must_use]
pub fn in_reply_to(envelope: &[u8]) -> Option<String> {
    let mut reader = Wire::new(envelope);
    reader.open()?;
    for _ in 0..8 {
        reader.skip()?;
    }
    reader.string()
}

/// The first address of a list.
struct Address {
    name: Option<String>,
    mailbox: String,
    host: String,
}

/// The first address, or the first group, of the list that is this field of an envelope.
fn first_address(envelope: &[u8], field: usize) -> Option<Address> {
    let mut reader = Wire::new(envelope);
    reader.open()?;
    for _ in 0..field {
        reader.skip()?;
    }
    reader.open()?;
    reader.open()?;
    let name = reader.string();
    reader.skip()?;
    Some(Address {
        name,
        mailbox: reader.string().unwrap_or_default(),
        host: reader.string().unwrap_or_default(),
    })
}

/// A reader of lists, strings and NIL as delivery writes them.
struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn blank(&mut self) {
        self.rest = self.rest.strip_prefix(b" ").unwrap_or(self.rest);
    }

    /// `(`; none for NIL.
    fn open(&mut self) -> Option<()> {
        self.blank();
        self.rest = self.rest.strip_prefix(b"(")?;
        Some(())
    }

    /// A string; none for NIL, which is read too.
    fn string(&mut self) -> Option<String> {
        self.blank();
        match self.rest.first()? {
            b'"' => {
                self.next();
                let mut out = Vec::new();
                loop {
                    match self.next()? {
                        b'"' => return Some(String::from_utf8_lossy(&out).into_owned()),
                        b'\\' => out.push(self.next()?),
                        octet => out.push(octet),
                    }
                }
            }
            b'{' => {
                self.next();
                let end = self.rest.iter().position(|b| *b == b'}')?;
                let (digits, rest) = self.rest.split_at_checked(end)?;
                let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
                let (text, rest) = rest.strip_prefix(b"}\r\n")?.split_at_checked(length)?;
                self.rest = rest;
                Some(String::from_utf8_lossy(text).into_owned())
            }
            _ => {
                self.rest = self.rest.strip_prefix(b"NIL").unwrap_or_default();
                None
            }
        }
    }

    /// Anything: a string, NIL, or a list with everything in it.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            self.blank();
            match self.rest.first()? {
                b'(' => {
                    self.next();
                    depth += 1;
                }
                b')' => {
                    self.next();
                    depth = depth.checked_sub(1)?;
                }
                _ => {
                    self.string();
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn envelope(header: &str) -> Vec<u8> {
        let now = datetime!(2026-11-23 12:00 UTC);
        let raw = format!("{header}\r\n\r\n");
        crate::format::mime::parse(raw.as_bytes(), now, now).envelope_wire
    }

    #[test]
    fn case_and_compatibility_do_not_count() {
        for (a, b) in [
            ("abc", "ABC"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{e9}", "E\u{301}"),
            ("\u{fb01}n", "FIN"),
            ("\u{ff21}", "a"),
            ("\u{3c2}", "\u{3a3}"),
        ] {
            assert_eq!(casemap(a), casemap(b), "{a} {b}");
        }
        assert!(casemap("a") < casemap("B") && casemap("e") < casemap("\u{e9}"));
        assert_ne!(casemap("\u{e9}"), casemap("e"));
    }

    #[test]
    fn addresses_of_an_envelope() {
        let envelope = envelope(
            "From: \"Zo\\\"e (x)\" <Zoe@y.test>\r\nTo: =?utf-8?q?=C3=84rzte?= <a@b.test>, c@d.test\r\nCc: list: x@y.test, z@y.test;\r\nSubject: (not) \"a\" list\r\nIn-Reply-To: <one@x>",
        );
        for (key, text) in [
            (SortKey::From, "ZOE"),
            (SortKey::DisplayFrom, "ZO\"E (X)"),
            (SortKey::To, "A"),
            (SortKey::DisplayTo, "A\u{308}RZTE"),
            (SortKey::Cc, "LIST"),
        ] {
            assert_eq!(address_key(&envelope, key), text, "{key:?}");
        }
        assert_eq!(in_reply_to(&envelope).unwrap(), "<one@x>");
    }

    #[test]
    fn addresses_that_are_not_there() {
        let envelope = envelope("Subject: x\r\nTo: nobody@x.test");
        assert_eq!(address_key(&envelope, SortKey::From), "");
        assert_eq!(address_key(&envelope, SortKey::DisplayFrom), "");
        assert_eq!(address_key(&envelope, SortKey::DisplayTo), "NOBODY@X.TEST");
        assert_eq!(in_reply_to(&envelope), None);
        assert_eq!(address_key(b"(\"cut", SortKey::From), "");
    }

    #[test]
    fn criteria_by_turns_and_at_last_the_place() {
        let message = |size: i128, text: &str, number| Sortable {
            keys: vec![Compared::Number(size), Compared::Text(text.to_owned())],
            number,
        };
        let mut all = [
            message(2, "b", 1),
            message(1, "a", 2),
            message(2, "a", 3),
            message(2, "a", 4),
        ];
        all.sort_by(|a, b| order(a, b, &[(SortKey::Size, true), (SortKey::Subject, false)]));
        assert_eq!(all.map(|m| m.number), [3, 4, 1, 2]);
    }

    proptest! {
        #[test]
        fn any_envelope_is_read(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            for key in [SortKey::From, SortKey::To, SortKey::Cc, SortKey::DisplayFrom, SortKey::DisplayTo] {
                drop(address_key(&octets, key));
            }
            drop(in_reply_to(&octets));
        }

        #[test]
        fn casemap_is_final(text in "\\PC{0,20}") {
            prop_assert_eq!(casemap(&casemap(&text)), casemap(&text));
        }
    }
}
