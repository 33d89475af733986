//! SEARCH, SORT and THREAD as trees (RFC 9051 6.4.4, RFC 5256; WITHIN RFC 5032, SAVEDATE RFC 8514, OBJECTID RFC 8474,
//! CONDSTORE RFC 7162, ESEARCH RFC 4731, SEARCHRES RFC 5182, PARTIAL RFC 9394).
//!
//! What a key means is said here, whether a message fits is decided by the service. Strings are decoded from the client's
//! character set to text; case and accents are folded by whoever compares.

use encoding_rs::Encoding;
use time::{Date, Month};

use super::Why;
use super::cursor::{Cursor, Read, utf8};
use super::fetch::{Window, window};
use super::set::SequenceSet;
use crate::model::Flags;

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchKey {
    /// `ALL`
    All,
    /// All of these; an empty list fits everything.
    And(Vec<SearchKey>),
    /// `OR a b`
    Or(Box<SearchKey>, Box<SearchKey>),
    /// `NOT a`
    Not(Box<SearchKey>),
    /// Sequence numbers of the session's view.
    Sequence(SequenceSet),
    /// `UID set`
    Uid(SequenceSet),
    /// `$`, `UID $`
    Saved,
    /// A system flag or a keyword that is a bit with us is set, or is not.
    Flag(Flags, bool),
    /// Another keyword is set, or is not.
    Keyword(String, bool),
    /// `RECENT` (RFC 3501): `NEW` is `RECENT UNSEEN`, `OLD` is `NOT RECENT`.
    Recent,
    /// `LARGER n`: more octets than this.
    Larger(u64),
    /// `SMALLER n`: fewer octets than this.
    Smaller(u64),
    /// A date without time and zone; see [`DateKey`].
    Date(Which, DateKey, Date),
    /// `SAVEDATESUPPORTED`
    SaveDateSupported,
    /// `OLDER n`: arrived more than so many seconds ago.
    Older(u32),
    /// `YOUNGER n`: arrived within so many seconds.
    Younger(u32),
    /// A header field (any name) contains a text; an empty text: the field is there.
    Header(String, String),
    /// `BODY text`
    Body(String),
    /// `TEXT text`: header or body
    Text(String),
    /// `MODSEQ n`: changed at this number or later
    ModSeq(i64),
    /// `EMAILID id`
    EmailId(String),
    /// `THREADID id`
    ThreadId(String),
}

/// Which date of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// INTERNALDATE
    Arrived,
    /// The `Date` field
    Sent,
    /// SAVEDATE
    Saved,
}

/// How a date is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateKey {
    /// Earlier than this day.
    Before,
    /// Within it.
    On,
    /// Within it or later.
    Since,
}

/// What ESEARCH answers with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returns {
    /// The lowest.
    pub min: bool,
    /// The highest.
    pub max: bool,
    /// All of them.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Kept for `$`.
    pub save: bool,
    /// A window of them.
    pub partial: Option<Window>,
}

/// SEARCH or UID SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UIDs are answered.
    pub uid: bool,
    /// ESEARCH; none: the untagged SEARCH of RFC 3501.
    pub returns: Option<Returns>,
    /// What is looked for.
    pub key: SearchKey,
}

/// SORT or UID SORT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The search.
    pub search: Search,
    /// By what, the first first; true: reversed.
    pub by: Vec<(SortKey, bool)>,
}

/// A criterion of SORT (RFC 5256 3, RFC 5957).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// INTERNALDATE
    Arrival,
    /// First address of Cc
    Cc,
    /// The `Date` field
    Date,
    /// First address of From
    From,
    /// Octets
    Size,
    /// The base subject
    Subject,
    /// First address of To
    To,
    /// What From shows
    DisplayFrom,
    /// What To shows
    DisplayTo,
}

/// How messages are threaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// By subject and date.
    OrderedSubject,
    /// By References.
    References,
}

/// THREAD or UID THREAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// How.
    pub algorithm: Algorithm,
    /// Of what.
    pub search: Search,
}

/// The arguments behind `SEARCH`.
pub(super) fn search(c: &mut Cursor<'_>, uid: bool) -> Read<Search> {
    c.space()?;
    let returns = if c.word("RETURN") {
        c.space()?;
        let returns = returns(c)?;
        c.space()?;
        Some(returns)
    } else {
        None
    };
    let charset = if c.word("CHARSET") {
        c.space()?;
        let charset = charset(c)?;
        c.space()?;
        charset
    } else {
        encoding_rs::UTF_8
    };
    Ok(Search {
        uid,
        returns,
        key: program(c, charset)?,
    })
}

/// The arguments behind `SORT`.
pub(super) fn sort(c: &mut Cursor<'_>, uid: bool) -> Read<Sort> {
    c.space()?;
    let returns = if c.word("RETURN") {
        c.space()?;
        let returns = returns(c)?;
        c.space()?;
        Some(returns)
    } else {
        None
    };
    let mut reverse = false;
    let mut by = Vec::new();
    c.list(1, |c| {
        let key = match c.upper()?.as_str() {
            "REVERSE" if !reverse => {
                reverse = true;
                return Ok(());
            }
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "FROM" => SortKey::From,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            "DISPLAYFROM" => SortKey::DisplayFrom,
            "DISPLAYTO" => SortKey::DisplayTo,
            _ => return Err(Why::Syntax("no such sort criterion")),
        };
        by.push((key, std::mem::take(&mut reverse)));
        Ok(())
    })?;
    if reverse || by.is_empty() {
        return Err(Why::Syntax("REVERSE stands before no criterion"));
    }
    c.space()?;
    let charset = charset(c)?;
    c.space()?;
    Ok(Sort {
        search: Search {
            uid,
            returns,
            key: program(c, charset)?,
        },
        by,
    })
}

/// The arguments behind `THREAD`.
pub(super) fn thread(c: &mut Cursor<'_>, uid: bool) -> Read<Thread> {
    c.space()?;
    let algorithm = match c.upper()?.as_str() {
        "REFERENCES" => Algorithm::References,
        "ORDEREDSUBJECT" => Algorithm::OrderedSubject,
        _ => return Err(Why::Syntax("no such threading algorithm")),
    };
    c.space()?;
    let charset = charset(c)?;
    c.space()?;
    Ok(Thread {
        algorithm,
        search: Search {
            uid,
            returns: None,
            key: program(c, charset)?,
        },
    })
}

fn returns(c: &mut Cursor<'_>) -> Read<Returns> {
    let mut returns = Returns::default();
    c.list(0, |c| {
        match c.name()?.as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "PARTIAL" if returns.partial.is_none() => {
                c.space()?;
                returns.partial = Some(window(c)?);
            }
            _ => return Err(Why::Syntax("no such return option")),
        }
        Ok(())
    })?;
    if returns.all && returns.partial.is_some() {
        // RFC 9394 3.1
        return Err(Why::Syntax("ALL and PARTIAL exclude each other"));
    }
    if returns == Returns::default() {
        // RFC 4731 3.1: an empty list means ALL.
        returns.all = true;
    }
    Ok(returns)
}

fn charset(c: &mut Cursor<'_>) -> Read<&'static Encoding> {
    let label = c.astring()?;
    Encoding::for_label(&label).ok_or(Why::BadCharset)
}

/// Keys with spaces between; all of them must fit.
fn program(c: &mut Cursor<'_>, charset: &'static Encoding) -> Read<SearchKey> {
    let mut keys = Keys {
        charset,
        left: c.limits.search_keys,
    };
    let mut all = vec![keys.key(c)?];
    while c.take(b' ') {
        all.push(keys.key(c)?);
    }
    Ok(one(all))
}

/// A list of one is that one.
fn one(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.pop() {
        Some(only) if keys.is_empty() => only,
        Some(last) => {
            keys.push(last);
            SearchKey::And(keys)
        }
        None => SearchKey::All,
    }
}

struct Keys {
    charset: &'static Encoding,
    left: usize,
}

impl Keys {
    fn key(&mut self, c: &mut Cursor<'_>) -> Read<SearchKey> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(Why::TooMany("search keys"))?;
        match c.peek() {
            Some(b'(') => {
                c.open()?;
                let mut all = vec![self.key(c)?];
                while c.take(b' ') {
                    all.push(self.key(c)?);
                }
                c.close()?;
                return Ok(one(all));
            }
            Some(b'0'..=b'9' | b'*') => return Ok(SearchKey::Sequence(c.set()?)),
            Some(b'$') => {
                c.take(b'$');
                return Ok(SearchKey::Saved);
            }
            _ => {}
        }
        let name = c.upper()?;
        self.named(c, &name)
    }

    fn named(&mut self, c: &mut Cursor<'_>, name: &str) -> Read<SearchKey> {
        if let Some(key) = without_argument(name) {
            return Ok(key);
        }
        c.space()?;
        Ok(match name {
            "NOT" => SearchKey::Not(Box::new(c.deeper(|c| self.key(c))?)),
            "OR" => c.deeper(|c| {
                let a = self.key(c)?;
                c.space()?;
                Ok(SearchKey::Or(Box::new(a), Box::new(self.key(c)?)))
            })?,
            "UID" if c.take(b'$') => SearchKey::Saved,
            "UID" => SearchKey::Uid(c.set()?),
            "KEYWORD" => keyword(c, true)?,
            "UNKEYWORD" => keyword(c, false)?,
            "LARGER" => SearchKey::Larger(c.number()?),
            "SMALLER" => SearchKey::Smaller(c.number()?),
            "OLDER" => SearchKey::Older(c.nz_number()?),
            "YOUNGER" => SearchKey::Younger(c.nz_number()?),
            "BODY" => SearchKey::Body(self.text(c)?),
            "TEXT" => SearchKey::Text(self.text(c)?),
            "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => {
                SearchKey::Header(name.to_ascii_lowercase(), self.text(c)?)
            }
            "HEADER" => {
                let field = utf8(&c.astring()?)?.to_ascii_lowercase();
                c.space()?;
                SearchKey::Header(field, self.text(c)?)
            }
            "MODSEQ" => modseq(c)?,
            "EMAILID" => SearchKey::EmailId(c.atom()?.to_owned()),
            "THREADID" => SearchKey::ThreadId(c.atom()?.to_owned()),
            _ => {
                let (which, key) = date_key(name).ok_or(Why::Syntax("no such search key"))?;
                SearchKey::Date(which, key, date(c)?)
            }
        })
    }

    /// A string in the client's character set.
    fn text(&self, c: &mut Cursor<'_>) -> Read<String> {
        let raw = c.astring()?;
        Ok(self
            .charset
            .decode_without_bom_handling(&raw)
            .0
            .into_owned())
    }
}

fn without_argument(name: &str) -> Option<SearchKey> {
    let flag = |flag, is_set| SearchKey::Flag(flag, is_set);
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => flag(Flags::ANSWERED, true),
        "DELETED" => flag(Flags::DELETED, true),
        "DRAFT" => flag(Flags::DRAFT, true),
        "FLAGGED" => flag(Flags::FLAGGED, true),
        "SEEN" => flag(Flags::SEEN, true),
        "UNANSWERED" => flag(Flags::ANSWERED, false),
        "UNDELETED" => flag(Flags::DELETED, false),
        "UNDRAFT" => flag(Flags::DRAFT, false),
        "UNFLAGGED" => flag(Flags::FLAGGED, false),
        "UNSEEN" => flag(Flags::SEEN, false),
        "RECENT" => SearchKey::Recent,
        "OLD" => SearchKey::Not(Box::new(SearchKey::Recent)),
        "NEW" => SearchKey::And(vec![SearchKey::Recent, flag(Flags::SEEN, false)]),
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
        _ => return None,
    })
}

fn date_key(name: &str) -> Option<(Which, DateKey)> {
    Some(match name {
        "BEFORE" => (Which::Arrived, DateKey::Before),
        "ON" => (Which::Arrived, DateKey::On),
        "SINCE" => (Which::Arrived, DateKey::Since),
        "SENTBEFORE" => (Which::Sent, DateKey::Before),
        "SENTON" => (Which::Sent, DateKey::On),
        "SENTSINCE" => (Which::Sent, DateKey::Since),
        "SAVEDBEFORE" => (Which::Saved, DateKey::Before),
        "SAVEDON" => (Which::Saved, DateKey::On),
        "SAVEDSINCE" => (Which::Saved, DateKey::Since),
        _ => return None,
    })
}

fn keyword(c: &mut Cursor<'_>, is_set: bool) -> Read<SearchKey> {
    let word = c.atom()?;
    Ok(match super::write::flag_bit(word) {
        Some(bit) => SearchKey::Flag(bit, is_set),
        None => SearchKey::Keyword(word.to_owned(), is_set),
    })
}

/// `MODSEQ [entry type] n`: ours is one number for all metadata of a message, so the entry changes nothing.
fn modseq(c: &mut Cursor<'_>) -> Read<SearchKey> {
    if c.is_at_string() {
        c.string()?;
        c.space()?;
        match c.upper()?.as_str() {
            "PRIV" | "SHARED" | "ALL" => {}
            _ => return Err(Why::Syntax("priv, shared or all is missing")),
        }
        c.space()?;
    }
    Ok(SearchKey::ModSeq(c.modseq()?))
}

/// `date`: `1-Feb-1994`, quoted or not.
fn date(c: &mut Cursor<'_>) -> Read<Date> {
    let quoted = c.take(b'"');
    let text = c.atom()?;
    if quoted {
        c.expect(b'"', "a quote is missing")?;
    }
    day(text).ok_or(Why::Syntax("a date like 1-Feb-1994 is missing"))
}

/// `d-MMM-yyyy`.
pub(super) fn day(text: &str) -> Option<Date> {
    let mut pieces = text.split('-');
    let (day, month, year) = (pieces.next()?, pieces.next()?, pieces.next()?);
    if pieces.next().is_some() || year.len() != 4 || day.is_empty() || day.len() > 2 {
        return None;
    }
    let number = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    let month = Month::try_from(u8::try_from(number + 1).ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

pub(super) const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
