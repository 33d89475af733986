//! What a client may ask for: one variant a command.

use super::fetch::Fetch;
use super::list::{List, StatusItem};
use super::search::{Search, Sort, Thread};
use super::set::SequenceSet;
use crate::format::sasl::Secret;
use crate::model::{Flags, SpecialUse};

/// A command with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// To answer with.
    pub tag: String,
    /// What is asked for.
    pub body: Body,
}

/// Messages by number or UID, or what the last search found (RFC 9051 6.4.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Messages {
    /// These.
    Set(SequenceSet),
    /// `$`.
    Saved,
}

/// QRESYNC parameters of SELECT (RFC 7162 3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// The UIDVALIDITY the client knows.
    pub uid_validity: i64,
    /// The number it has seen.
    pub modseq: i64,
    /// The UIDs it knows; none: all.
    pub known: Option<SequenceSet>,
    /// A sample of what it had: sequence numbers and their UIDs.
    pub sample: Option<(SequenceSet, SequenceSet)>,
}

/// SELECT and EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub mailbox: String,
    /// EXAMINE: nothing is changed.
    pub is_read_only: bool,
    /// `CONDSTORE`.
    pub condstore: bool,
    /// `QRESYNC (..)`.
    pub resync: Option<Resync>,
}

/// How STORE combines (RFC 9051 6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreHow {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// Flags and keywords of a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagList {
    /// System flags and the keywords that are bits with us.
    pub flags: Flags,
    /// The other keywords, in the client's spelling.
    pub keywords: Vec<String>,
}

/// STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// By UID.
    pub uid: bool,
    /// Which messages.
    pub messages: Messages,
    /// RFC 7162 3.1.3.
    pub unchanged_since: Option<i64>,
    /// How.
    pub how: StoreHow,
    /// No FETCH responses are wanted.
    pub silent: bool,
    /// What.
    pub list: FlagList,
}

/// A SASL exchange that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// The mechanism in upper case.
    pub mechanism: String,
    /// The initial response as sent (RFC 4959); `=` is an empty one.
    pub initial: Option<Secret>,
}

/// Events of NOTIFY (RFC 5465 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyGroup {
    /// Which mailboxes.
    pub filter: NotifyFilter,
    /// What of them, in upper case; empty for `NONE`.
    pub events: Vec<String>,
    /// Fetch items of `MessageNew`.
    pub fetch: Vec<super::fetch::FetchItem>,
}

/// Mailboxes of a NOTIFY group (RFC 5465 6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyFilter {
    /// `SELECTED`
    Selected,
    /// `SELECTED-DELAYED`
    SelectedDelayed,
    /// `INBOXES`
    Inboxes,
    /// `PERSONAL`
    Personal,
    /// `SUBSCRIBED`
    Subscribed,
    /// `SUBTREE`
    Subtree(Vec<String>),
    /// `MAILBOXES`
    Mailboxes(Vec<String>),
}

/// An entry and its value (RFC 5464); none removes it.
pub type Entry = (String, Option<Vec<u8>>);

/// One change of an access control list (RFC 4314 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAcl {
    /// The mailbox.
    pub mailbox: String,
    /// For whom.
    pub identifier: String,
    /// `+`, `-` or none: replace.
    pub sign: Option<char>,
    /// The letters.
    pub rights: String,
}

/// Every command but APPEND and REPLACE, whose messages are streamed ([`super::append`]).
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// RFC 9051 6.1.1
    Capability,
    /// RFC 9051 6.1.2
    Noop,
    /// RFC 9051 6.1.3
    Logout,
    /// RFC 2971
    Id(Vec<Entry>),
    /// RFC 9051 6.2.1
    StartTls,
    /// RFC 9051 6.2.2
    Authenticate(Authenticate),
    /// RFC 9051 6.2.3
    Login {
        /// The user name.
        name: String,
        /// The password.
        password: Secret,
    },
    /// RFC 8437
    Unauthenticate,
    /// RFC 9051 6.3.1
    Enable(Vec<String>),
    /// RFC 4978; the mechanism in upper case.
    Compress(String),
    /// RFC 9051 6.3.2, 6.3.3
    Select(Select),
    /// RFC 9051 6.3.4; RFC 6154 3
    Create {
        /// The new mailbox.
        mailbox: String,
        /// `USE (..)`; none of a word we do not know.
        uses: Vec<Option<SpecialUse>>,
    },
    /// RFC 9051 6.3.5
    Delete(String),
    /// RFC 9051 6.3.6
    Rename {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// RFC 9051 6.3.7
    Subscribe(String),
    /// RFC 9051 6.3.8
    Unsubscribe(String),
    /// RFC 9051 6.3.9, also LSUB and XLIST
    List(List),
    /// RFC 9051 6.3.10
    Namespace,
    /// RFC 9051 6.3.11
    Status {
        /// Of which mailbox.
        mailbox: String,
        /// What of it.
        items: Vec<StatusItem>,
    },
    /// RFC 9051 6.3.13
    Idle,
    /// RFC 3501 6.4.1
    Check,
    /// RFC 9051 6.4.1
    Close,
    /// RFC 9051 6.4.2
    Unselect,
    /// RFC 9051 6.4.3, 6.4.9; RFC 4315 2.1
    Expunge(Option<Messages>),
    /// RFC 9051 6.4.4
    Search(Search),
    /// RFC 5256
    Sort(Sort),
    /// RFC 5256
    Thread(Thread),
    /// RFC 9051 6.4.5
    Fetch(Fetch),
    /// RFC 9051 6.4.6
    Store(Store),
    /// RFC 9051 6.4.7, 6.4.8
    Copy {
        /// By UID.
        uid: bool,
        /// Which messages.
        messages: Messages,
        /// Where to.
        mailbox: String,
        /// MOVE: they leave.
        is_move: bool,
    },
    /// RFC 9208 4.1.2
    GetQuota(String),
    /// RFC 9208 4.1.3
    GetQuotaRoot(String),
    /// RFC 9208 4.1.1
    SetQuota(String),
    /// RFC 4314 3.3
    GetAcl(String),
    /// RFC 4314 3.1
    SetAcl(SetAcl),
    /// RFC 4314 3.2
    DeleteAcl {
        /// The mailbox.
        mailbox: String,
        /// Whose entry.
        identifier: String,
    },
    /// RFC 4314 3.4
    ListRights {
        /// The mailbox.
        mailbox: String,
        /// For whom.
        identifier: String,
    },
    /// RFC 4314 3.5
    MyRights(String),
    /// RFC 5464 4.2
    GetMetadata {
        /// The mailbox; empty: the server.
        mailbox: String,
        /// The entries.
        entries: Vec<String>,
        /// `MAXSIZE`
        max_size: Option<u64>,
        /// `DEPTH`: 0, 1, or none for infinity.
        depth: Option<u8>,
    },
    /// RFC 5464 4.3
    SetMetadata {
        /// The mailbox; empty: the server.
        mailbox: String,
        /// The entries.
        entries: Vec<Entry>,
    },
    /// RFC 5465; none: `NOTIFY NONE`.
    Notify(Option<Notify>),
}

/// NOTIFY SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// A STATUS of every named mailbox is wanted at once.
    pub status: bool,
    /// The groups.
    pub groups: Vec<NotifyGroup>,
}
