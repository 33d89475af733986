//! Ids, change numbers, flags, rights: the words that every layer may use.
//!
//! Ids are newtypes over the database's `bigint`; a bare number never crosses a function border.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, sqlx::Type,
        )]
        #[sqlx(transparent)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(s: &str) -> Result<Self, Self::Err> {
                s.parse().map(Self)
            }
        }
    };
}

id!(
    /// A mail domain of a customer.
    DomainId
);
id!(
    /// An account: the owner of folders and collections.
    AccountId
);
id!(
    /// A folder of messages.
    FolderId
);
id!(
    /// An immutable message as it was delivered or appended (RFC 8474 `EMAILID`).
    EmailId
);
id!(
    /// A conversation (RFC 8474 `THREADID`).
    ThreadId
);
id!(
    /// Stored message bytes.
    BodyId
);
id!(
    /// A message's place in one folder (RFC 9051 2.3.1.1), 1..=2^32-1, never used again.
    Uid
);
id!(
    /// Received bytes that belong to nobody yet; drawn at random.
    SpoolId
);
id!(
    /// A calendar, address book, task list or notes collection.
    CollectionId
);
id!(
    /// An item of a collection, ascending, never used again.
    ItemId
);
id!(
    /// A message in the outgoing queue.
    QueueId
);
id!(
    /// A message being written in a browser.
    DraftId
);
id!(
    /// A file of a draft.
    DraftPartId
);
id!(
    /// A position in an account's change order (RFC 7162 3.1.2.1). Not a time.
    ModSeq
);

/// How far a client has seen an account's or a folder's changes.
///
/// `object` breaks ties inside one change number when a page was cut off; `floor` is the account's number when a full
/// sync began: a token is too old only if `max(modseq, floor) < pruned_modseq`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct SyncPoint {
    /// Everything up to this number was seen, and of this very number the objects up to `object`.
    pub modseq: ModSeq,
    /// The last object seen of `modseq`; `i64::MAX` when all of them were.
    pub object: i64,
    /// The account's change number when this client's full sync began.
    pub floor: ModSeq,
}

impl SyncPoint {
    /// A point that has seen everything up to `modseq`.
    #[must_use]
    pub fn at(modseq: ModSeq) -> Self {
        Self {
            modseq,
            object: i64::MAX,
            floor: modseq,
        }
    }

    /// Where a full sync begins: it has seen nothing, and nothing that died up to `floor` is news to it.
    #[must_use]
    pub fn full(floor: ModSeq) -> Self {
        Self {
            modseq: ModSeq(0),
            object: 0,
            floor,
        }
    }

    /// Whether tombstones this point still needs are gone.
    ///
    /// A point that was cut inside a change number still needs the rest of that number.
    #[must_use]
    pub fn is_too_old(self, pruned: ModSeq) -> bool {
        let whole = if self.object == i64::MAX {
            self.modseq
        } else {
            ModSeq(self.modseq.0.saturating_sub(1))
        };
        whole.max(self.floor) < pruned
    }
}

/// Message flags as bits (RFC 9051 2.3.2 system flags, then the registered keywords that clients use).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Flags(pub i32);

impl Flags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Deleted`
    pub const DELETED: Self = Self(8);
    /// `\Draft`
    pub const DRAFT: Self = Self(16);
    /// `$Forwarded`
    pub const FORWARDED: Self = Self(32);
    /// `$Junk`
    pub const JUNK: Self = Self(64);
    /// `$NotJunk`
    pub const NOT_JUNK: Self = Self(128);
    /// `$MDNSent` (RFC 3503)
    pub const MDN_SENT: Self = Self(256);
    /// `$Phishing`
    pub const PHISHING: Self = Self(512);

    /// No flag.
    pub const NONE: Self = Self(0);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the bits of `other` set.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without the bits of `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// What a folder is for (RFC 6154, RFC 8457 and ours).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpecialUse {
    /// Where mail arrives.
    Inbox,
    /// `\Drafts`
    Drafts,
    /// `\Sent`
    Sent,
    /// `\Archive`
    Archive,
    /// `\Junk`
    Junk,
    /// `\Trash`
    Trash,
    /// Put off until later.
    Snoozed,
}

impl SpecialUse {
    /// Every use a new account gets a folder for, with the folder's stored name.
    pub const FIRST: [(Self, &'static str); 6] = [
        (Self::Inbox, "INBOX"),
        (Self::Drafts, "Drafts"),
        (Self::Sent, "Sent"),
        (Self::Archive, "Archive"),
        (Self::Junk, "Junk"),
        (Self::Trash, "Trash"),
    ];

    /// The word stored in `folder.special_use` and used in addresses of the web pages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Drafts => "drafts",
            Self::Sent => "sent",
            Self::Archive => "archive",
            Self::Junk => "junk",
            Self::Trash => "trash",
            Self::Snoozed => "snoozed",
        }
    }

    /// The use of a stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "inbox" => Self::Inbox,
            "drafts" => Self::Drafts,
            "sent" => Self::Sent,
            "archive" => Self::Archive,
            "junk" => Self::Junk,
            "trash" => Self::Trash,
            "snoozed" => Self::Snoozed,
            _ => return None,
        })
    }
}

/// What an account may do for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The own mailbox only.
    User,
    /// Manages the own domain's accounts.
    DomainAdmin,
    /// Manages the whole host.
    HostAdmin,
}

impl Role {
    /// The stored word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::DomainAdmin => "domain-admin",
            Self::HostAdmin => "host-admin",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownWord;
    fn from_str(s: &str) -> Result<Self, UnknownWord> {
        match s {
            "user" => Ok(Self::User),
            "domain-admin" => Ok(Self::DomainAdmin),
            "host-admin" => Ok(Self::HostAdmin),
            _ => Err(UnknownWord),
        }
    }
}

/// A stored or typed word that names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown word")]
pub struct UnknownWord;

/// What is charged to the quota, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Charge {
    /// Change of the message bytes.
    pub mail: i64,
    /// Change of the calendar bytes.
    pub calendar: i64,
    /// Change of the contact bytes.
    pub contacts: i64,
    /// Change of the task bytes.
    pub tasks: i64,
    /// Change of the note bytes.
    pub notes: i64,
}

impl Charge {
    /// Nothing is charged.
    pub const NONE: Self = Self {
        mail: 0,
        calendar: 0,
        contacts: 0,
        tasks: 0,
        notes: 0,
    };

    /// So many message bytes.
    #[must_use]
    pub fn mail(bytes: i64) -> Self {
        Self {
            mail: bytes,
            ..Self::NONE
        }
    }

    /// So many bytes of a collection of `kind`.
    #[must_use]
    pub fn of(kind: CollectionKind, bytes: i64) -> Self {
        let mut charge = Self::NONE;
        match kind {
            CollectionKind::Calendar => charge.calendar = bytes,
            CollectionKind::Contacts => charge.contacts = bytes,
            CollectionKind::Tasks => charge.tasks = bytes,
            CollectionKind::Notes => charge.notes = bytes,
        }
        charge
    }

    /// The whole change.
    #[must_use]
    pub fn total(self) -> i64 {
        self.mail + self.calendar + self.contacts + self.tasks + self.notes
    }
}

/// What a collection holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CollectionKind {
    /// VEVENT
    Calendar,
    /// vCard
    Contacts,
    /// VTODO
    Tasks,
    /// VJOURNAL
    Notes,
}

impl CollectionKind {
    /// The stored word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Calendar => "calendar",
            Self::Contacts => "contacts",
            Self::Tasks => "tasks",
            Self::Notes => "notes",
        }
    }

    /// The kind of a stored word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "calendar" => Self::Calendar,
            "contacts" => Self::Contacts,
            "tasks" => Self::Tasks,
            "notes" => Self::Notes,
            _ => return None,
        })
    }
}

/// The door through which somebody signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// The browser.
    Web,
    /// SMTP submission.
    Smtp,
    /// IMAP.
    Imap,
    /// POP3.
    Pop3,
    /// CalDAV and CardDAV.
    Dav,
    /// Exchange ActiveSync.
    Eas,
}

impl Protocol {
    /// The stored word, also the scope of an app password.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Dav => "dav",
            Self::Eas => "eas",
        }
    }
}

/// Where a connection comes from, for limits and locks: an IPv4 address, or the /64 of an IPv6 address.
///
/// A site owns at least a /64 (RFC 6177), so counting single IPv6 addresses would count nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source of `address`; an IPv4 address in its IPv6 form counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
        })
    }
}

impl fmt::Display for Source {
    /// `192.0.2.1` or `2001:db8:1:2::/64`; also the stored form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// What a grant allows, as bits; IMAP's ACL letters (RFC 4314), the DAV privileges and the pages are views of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, sqlx::Type)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct Rights(pub i32);

impl Rights {
    /// Free or busy, nothing else.
    pub const FREE_BUSY: Self = Self(1);
    /// Read objects.
    pub const READ: Self = Self(2);
    /// Add, change and remove objects.
    pub const WRITE: Self = Self(4);
    /// Rename, share, delete the folder or collection itself.
    pub const ADMINISTER: Self = Self(8);

    /// Whether every bit of `other` is set.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_sets() {
        let f = Flags::SEEN.with(Flags::FLAGGED);
        assert!(f.has(Flags::SEEN) && f.has(Flags::FLAGGED) && !f.has(Flags::DRAFT));
        assert_eq!(f.without(Flags::SEEN), Flags::FLAGGED);
    }

    #[test]
    fn a_source_is_an_ipv4_address_or_an_ipv6_site() {
        let of = |text: &str| Source::of(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.1"), "192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
    }

    #[test]
    fn a_floor_saves_a_long_first_sync_from_pruning() {
        let p = SyncPoint {
            modseq: ModSeq(3),
            object: 7,
            floor: ModSeq(50),
        };
        assert!(!p.is_too_old(ModSeq(50)));
        assert!(p.is_too_old(ModSeq(51)));
    }

    #[test]
    fn a_point_cut_inside_a_number_needs_the_rest_of_it() {
        let cut = SyncPoint {
            modseq: ModSeq(60),
            object: 7,
            floor: ModSeq(50),
        };
        assert!(cut.is_too_old(ModSeq(60)));
        assert!(!cut.is_too_old(ModSeq(59)));
        assert!(!SyncPoint::at(ModSeq(60)).is_too_old(ModSeq(60)));
    }
}
