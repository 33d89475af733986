//! LIST, LSUB, XLIST and STATUS (RFC 9051 6.3.9, 6.3.11; RFC 5258, RFC 5819, RFC 6154, RFC 8440).

use super::Why;
use super::cursor::{Cursor, Read};

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct List {
    /// How it was asked for.
    pub verb: ListVerb,
    /// The reference.
    pub reference: String,
    /// The patterns; one, unless in a list.
    pub patterns: Vec<String>,
    /// Only these.
    pub select: ListSelect,
    /// What else is told.
    pub returns: ListReturn,
}

/// The command's name, which the response repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListVerb {
    /// `LIST`
    #[default]
    List,
    /// `LSUB`: subscribed ones (RFC 3501 6.3.9)
    Lsub,
}

/// Selection options (RFC 5258 3.1, RFC 6154 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListSelect {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `REMOTE`
    pub remote: bool,
    /// `RECURSIVEMATCH`
    pub recursive: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
}

/// Return options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListReturn {
    /// `SUBSCRIBED`
    pub subscribed: bool,
    /// `CHILDREN`
    pub children: bool,
    /// `SPECIAL-USE`
    pub special_use: bool,
    /// `MYRIGHTS` (RFC 8440)
    pub my_rights: bool,
    /// `STATUS (..)` (RFC 5819)
    pub status: Vec<StatusItem>,
    /// Any were given: the client knows RFC 5258.
    pub is_extended: bool,
}

/// What STATUS tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// `MESSAGES`
    Messages,
    /// `RECENT` (RFC 3501)
    Recent,
    /// `UIDNEXT`
    UidNext,
    /// `UIDVALIDITY`
    UidValidity,
    /// `UNSEEN`
    Unseen,
    /// `DELETED`
    Deleted,
    /// `SIZE`
    Size,
    /// `HIGHESTMODSEQ`
    HighestModSeq,
    /// `MAILBOXID`
    MailboxId,
    /// `APPENDLIMIT`
    AppendLimit,
    /// `DELETED-STORAGE` (RFC 9208 4.1.4)
    DeletedStorage,
}

impl StatusItem {
    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::Deleted => "DELETED",
            Self::Size => "SIZE",
            Self::HighestModSeq => "HIGHESTMODSEQ",
            Self::MailboxId => "MAILBOXID",
            Self::AppendLimit => "APPENDLIMIT",
            Self::DeletedStorage => "DELETED-STORAGE",
        }
    }

    const ALL: [Self; 11] = [
        Self::Messages,
        Self::Recent,
        Self::UidNext,
        Self::UidValidity,
        Self::Unseen,
        Self::Deleted,
        Self::Size,
        Self::HighestModSeq,
        Self::MailboxId,
        Self::AppendLimit,
        Self::DeletedStorage,
    ];
}

/// `(MESSAGES UNSEEN ..)`
pub(super) fn status_items(c: &mut Cursor<'_>) -> Read<Vec<StatusItem>> {
    c.list(1, |c| {
        let name = c.name()?;
        StatusItem::ALL
            .into_iter()
            .find(|item| item.word() == name)
            .ok_or(Why::Syntax("no such status item"))
    })
}

/// The arguments behind `LIST `.
pub(super) fn list(c: &mut Cursor<'_>) -> Read<List> {
    let mut list = List::default();
    if c.peek() == Some(b'(') {
        list.select = selection(c)?;
        list.returns.is_extended = true;
        c.space()?;
    }
    list.reference = c.mailbox()?;
    c.space()?;
    if c.peek() == Some(b'(') {
        list.patterns = c.list(1, Cursor::list_mailbox)?;
        list.returns.is_extended = true;
    } else {
        list.patterns.push(c.list_mailbox()?);
    }
    if c.take(b' ') {
        if !c.word("RETURN") {
            return Err(Why::Syntax("RETURN is missing"));
        }
        c.space()?;
        returns(c, &mut list.returns)?;
    }
    // RFC 5258 3.1: what is selected by is told as well.
    list.returns.subscribed |= list.select.subscribed;
    list.returns.special_use |= list.select.special_use;
    Ok(list)
}

/// `LSUB reference pattern`.
pub(super) fn lsub(c: &mut Cursor<'_>) -> Read<List> {
    let reference = c.mailbox()?;
    c.space()?;
    Ok(List {
        verb: ListVerb::Lsub,
        reference,
        patterns: vec![c.list_mailbox()?],
        select: ListSelect {
            subscribed: true,
            ..ListSelect::default()
        },
        returns: ListReturn::default(),
    })
}

fn selection(c: &mut Cursor<'_>) -> Read<ListSelect> {
    let mut select = ListSelect::default();
    c.list(0, |c| {
        match c.name()?.as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive = true,
            "SPECIAL-USE" => select.special_use = true,
            _ => return Err(Why::Syntax("no such selection option")),
        }
        Ok(())
    })?;
    if select.recursive && !select.subscribed && !select.special_use {
        // RFC 5258 3.1
        return Err(Why::Syntax("RECURSIVEMATCH needs another selection option"));
    }
    Ok(select)
}

fn returns(c: &mut Cursor<'_>, returns: &mut ListReturn) -> Read<()> {
    returns.is_extended = true;
    c.list(0, |c| {
        match c.name()?.as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "MYRIGHTS" => returns.my_rights = true,
            "STATUS" => {
                c.space()?;
                returns.status = status_items(c)?;
            }
            _ => return Err(Why::Syntax("no such return option")),
        }
        Ok(())
    })?;
    Ok(())
}
