//! APPEND and REPLACE up to each message literal (RFC 9051 6.3.12, MULTIAPPEND RFC 3502, REPLACE RFC 8508, UTF8
//! RFC 6855 4): the messages are streamed into the store, so the command is read piece by piece.
//!
//! ```text
//! a APPEND box (\Seen) "date" {310}      start()  -> Head       then 310 octets
//!  (\Draft) {20}                         next()   -> Some(..)   then 20 octets
//!                                        next()   -> None       the end
//! ```

use time::OffsetDateTime;

use super::command::FlagList;
use super::cursor::{Cursor, Read};
use super::line::{Announced, announced};
use super::{Limits, Refused, Why, write};

/// Everything before the first message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// To answer with.
    pub tag: String,
    /// The message it replaces (RFC 8508), by UID or not.
    pub replaces: Option<Replaces>,
    /// Where to.
    pub mailbox: String,
    /// How the first message looks.
    pub first: Piece,
}

/// The message that REPLACE takes away: its number, or its UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replaces {
    /// By UID.
    pub uid: bool,
    /// The number; none: `*`.
    pub number: Option<u32>,
}

/// What stands before a message literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Flags it starts with.
    pub list: FlagList,
    /// INTERNALDATE; none: now.
    pub date: Option<OffsetDateTime>,
    /// The literal.
    pub literal: Announced,
    /// `UTF8 (~{..}`: a parenthesis follows the message.
    pub is_utf8: bool,
}

/// The head of an APPEND whose first message is announced at the end of `octets` (a command so far, without its last CRLF).
///
/// None: another command, or the literal at the end is the mailbox's name.
///
/// # Errors
/// [`Refused`] when it is an APPEND with something wrong before the message.
#[must_use]
pub fn start(octets: &[u8], limits: &Limits) -> Option<Result<Head, Refused>> {
    let literal = announced(octets)?;
    let mut c = Cursor::new(octets, limits);
    let tag = c.tag().ok()?.to_owned();
    c.space().ok()?;
    let mut verb = c.upper().ok()?;
    let uid = verb == "UID";
    if uid {
        c.space().ok()?;
        verb = c.upper().ok()?;
    }
    let is_append = verb == "APPEND" && !uid;
    if !is_append && verb != "REPLACE" {
        return None;
    }
    if is_append {
        c.space().ok()?;
        if c.rest().starts_with(b"{") && is_last(&c, literal, octets) {
            return None;
        }
        let head = mailbox_and_piece(&mut c, literal, octets).map(|(mailbox, first)| Head {
            tag: tag.clone(),
            replaces: None,
            mailbox,
            first,
        });
        return Some(head.map_err(|why| Refused {
            tag: Some(tag),
            why,
        }));
    }
    let number = match replaced(&mut c) {
        Ok(number) => number,
        Err(why) => {
            return Some(Err(Refused {
                tag: Some(tag),
                why,
            }));
        }
    };
    if c.rest().starts_with(b"{") && is_last(&c, literal, octets) {
        return None;
    }
    let head = mailbox_and_piece(&mut c, literal, octets).map(|(mailbox, first)| Head {
        tag: tag.clone(),
        replaces: Some(Replaces { uid, number }),
        mailbox,
        first,
    });
    Some(head.map_err(|why| Refused {
        tag: Some(tag),
        why,
    }))
}

fn replaced(c: &mut Cursor<'_>) -> Read<Option<u32>> {
    c.space()?;
    let number = if c.take(b'*') {
        None
    } else {
        Some(c.nz_number()?)
    };
    c.space()?;
    Ok(number)
}

/// What follows a message: the next one, or none at the command's end. `line` has no CRLF.
///
/// # Errors
/// [`Why`] when it is neither.
pub fn next(line: &[u8], after: &Piece, limits: &Limits) -> Result<Option<Piece>, Why> {
    let mut c = Cursor::new(line, limits);
    if after.is_utf8 {
        c.expect(b')', "UTF8 ( is not closed")?;
    }
    if c.is_at_end() {
        return Ok(None);
    }
    c.space()?;
    let literal = announced(line).ok_or(Why::Syntax("a message literal is missing"))?;
    piece(&mut c, literal, line).map(Some)
}

/// Whether nothing but the announcement is left.
fn is_last(c: &Cursor<'_>, literal: Announced, octets: &[u8]) -> bool {
    c.rest().len() == octets.len().saturating_sub(literal.at)
}

fn mailbox_and_piece(
    c: &mut Cursor<'_>,
    literal: Announced,
    octets: &[u8],
) -> Read<(String, Piece)> {
    let mailbox = c.mailbox()?;
    c.space()?;
    Ok((mailbox, piece(c, literal, octets)?))
}

/// `[flags SP] [date SP] literal`
fn piece(c: &mut Cursor<'_>, literal: Announced, octets: &[u8]) -> Read<Piece> {
    let mut piece = Piece {
        list: FlagList::default(),
        date: None,
        literal,
        is_utf8: false,
    };
    if c.peek() == Some(b'(') {
        piece.list = super::parse::flag_list(c)?;
        c.space()?;
    }
    if c.peek() == Some(b'"') {
        let text = c.string()?;
        piece.date = Some(write::read_date_time(&text).ok_or(Why::Syntax("not a date and time"))?);
        c.space()?;
    }
    if c.word("UTF8") {
        c.space()?;
        c.expect(b'(', "a parenthesis is missing")?;
        piece.is_utf8 = true;
    }
    if is_last(c, literal, octets) {
        Ok(piece)
    } else {
        Err(Why::Syntax("a message literal is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flags;

    fn at(text: &str) -> Option<Result<Head, Refused>> {
        start(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn heads() {
        let head =
            at("A003 APPEND saved-messages (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {326}")
                .unwrap()
                .unwrap();
        assert_eq!(head.tag, "A003");
        assert_eq!(head.mailbox, "saved-messages");
        assert_eq!(head.first.list.flags, Flags::SEEN);
        assert_eq!(head.first.list.keywords, ["$x"]);
        assert_eq!(head.first.literal.size_bytes, 326);
        assert_eq!(head.first.date.unwrap().unix_timestamp(), 837_596_665);
        assert!(
            at("a append inbox {3+}")
                .unwrap()
                .unwrap()
                .replaces
                .is_none()
        );
        assert_eq!(
            at("a append {5}\r\ninbox {3}").unwrap().unwrap().mailbox,
            "INBOX"
        );
        let utf8 = at("a APPEND x UTF8 (~{3+}").unwrap().unwrap();
        assert!(utf8.first.is_utf8 && utf8.first.literal.is_binary);
        let replace = at("a UID REPLACE 7 Drafts (\\Draft) {3}").unwrap().unwrap();
        assert_eq!(
            replace.replaces,
            Some(Replaces {
                uid: true,
                number: Some(7)
            })
        );
    }

    #[test]
    fn other_literals() {
        for none in [
            "a APPEND {5}",
            "a LOGIN {5}",
            "a REPLACE 7 {5}",
            "a APPEND x",
            "{3}",
            "a {3}",
            "a UID APPEND x {3}",
        ] {
            assert_eq!(at(none), None, "{none}");
        }
        for bad in [
            "a APPEND x y {3}",
            "a APPEND x ( {3}",
            "a APPEND x \"1\" {3}",
            "a APPEND x (\\Bad\\) {3}",
            "a REPLACE x y {3}",
            "a APPEND x  {3}",
        ] {
            assert_eq!(
                at(bad).unwrap().unwrap_err().tag.as_deref(),
                Some("a"),
                "{bad}"
            );
        }
    }

    #[test]
    fn several() {
        let first = at("a APPEND x {3}").unwrap().unwrap().first;
        let limits = Limits::default();
        assert_eq!(next(b"", &first, &limits), Ok(None));
        assert_eq!(
            next(b" (\\Draft) {20}", &first, &limits)
                .unwrap()
                .unwrap()
                .list
                .flags,
            Flags::DRAFT
        );
        for bad in [&b" "[..], b"x", b" x", b" ()", b" (\\Seen) {20} ", b"{3}"] {
            assert!(next(bad, &first, &limits).is_err());
        }
        let utf8 = at("a APPEND x UTF8 (~{3}").unwrap().unwrap().first;
        assert_eq!(next(b")", &utf8, &limits), Ok(None));
        assert!(next(b"", &utf8, &limits).is_err());
    }
}
