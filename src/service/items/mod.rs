//! Items of collections: events, contacts, tasks, notes; what is true of them at every door.
//!
//! A door names a place by [`At`]: who asks, whose collection, which. Rights are looked at in here, so a door cannot forget them;
//! what a reader may not see answers as what is not there. What is stored is stored byte for byte; the row's columns are made from
//! it by [`crate::format`] before the account is locked.
//!
//! | file | what |
//! | --- | --- |
//! | `shelves` | collections: listing as a reader sees them, creating, changing, deleting |
//! | `put` | storing, removing, moving, copying |
//! | `read` | reading, filtering, changes since a point |
//! | `search` | words over everything that is no mail |
//! | `sharing` | grants, secret links, the domain's address list, classes |

mod put;
mod read;
mod search;
mod sharing;
mod shelves;

use std::sync::Arc;

use chrono_tz::Tz;
use tokio::sync::Notify;

use crate::config::Config;
use crate::error::{Refusal, StoreError};
use crate::format::ical;
use crate::format::vcard::{CardFault, CardLimits};
use crate::model::{AccountId, CollectionId, CollectionKind, Rights};
use crate::service::changes::Hub;
use crate::service::notices::{Notice, Notices};
use crate::store::Store;
use crate::store::account::Locked;

/// Rows and words of the store that doors name.
pub use crate::store::changes::{ChangedItem, ChangesError, CollectionChanges, GoneItem, Naming};
pub use crate::store::collection::CollectionRow;
pub use crate::store::grant::{DirectoryRow, LinkRow, PersonalEdit, ShareRow};
pub use crate::store::item::{ItemRow, Precondition, Put};
pub use crate::store::item_read::{FullItem, ItemFilter};
pub use put::{Target, made};
pub use search::Hit;
pub use sharing::{Grantee, Level, directory_card};
pub use shelves::{NewShelf, Shelf, ShelfEdit};

/// Who asks for which collection of whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct At {
    /// Who asks.
    pub reader: AccountId,
    /// Whose it is.
    pub owner: AccountId,
    /// Which.
    pub collection: CollectionId,
}

impl At {
    /// A collection of the asker's own.
    #[must_use]
    pub fn own(account: AccountId, collection: CollectionId) -> Self {
        Self {
            reader: account,
            owner: account,
            collection,
        }
    }

    /// Whether the asker owns it.
    #[must_use]
    pub fn is_own(self) -> bool {
        self.reader == self.owner
    }
}

/// Why an object was not stored; a door names its RFC's precondition for each.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The calendar object breaks a rule: `valid-calendar-data`, `valid-calendar-object-resource`,
    /// `supported-calendar-component`, `max-resource-size`, `min-date-time`, `max-date-time`, `max-instances`,
    /// `max-attendees-per-instance`.
    #[error(transparent)]
    Calendar(#[from] ical::Fault),
    /// The card breaks a rule: `valid-address-data`, `supported-address-data`, `max-resource-size`.
    #[error(transparent)]
    Card(#[from] CardFault),
    /// The UID stands at another name of the collection: `no-uid-conflict`.
    #[error("the UID is taken")]
    UidConflict {
        /// Where it stands.
        href: String,
    },
    /// Everything else.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl From<StoreError> for Denied {
    fn from(e: StoreError) -> Self {
        Self::Refused(e.into())
    }
}

/// The items service of one node.
pub struct Items {
    pub(in crate::service) store: Store,
    pub(in crate::service) hub: Hub,
    pub(in crate::service) limits: ical::Limits,
    /// Scheduling messages wait.
    pub(in crate::service) work: Notify,
    notices: Notices,
    card_limits: CardLimits,
}

/// A place the asker may look at.
#[derive(Debug, Clone, Copy)]
pub(in crate::service) struct Place {
    at: At,
    kind: CollectionKind,
    zone: Tz,
    is_subscribed: bool,
}

impl Place {
    /// The clock for times that name none.
    pub(in crate::service) fn zone(&self) -> Tz {
        self.zone
    }
}

impl Items {
    /// An items service over an open store.
    #[must_use]
    pub fn new(_config: &Arc<Config>, store: Store, hub: Hub, notices: Notices) -> Self {
        Self {
            store,
            hub,
            notices,
            limits: ical::Limits::default(),
            work: Notify::new(),
            card_limits: CardLimits::default(),
        }
    }

    /// The limits of calendar objects, for doors that tell them.
    #[must_use]
    pub fn calendar_limits(&self) -> &ical::Limits {
        &self.limits
    }

    /// The limits of cards, for doors that tell them.
    #[must_use]
    pub fn card_limits(&self) -> &CardLimits {
        &self.card_limits
    }

    /// Bytes held and allowed of the account that a collection is charged to.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn quota(&self, owner: AccountId) -> Result<(i64, i64), Refusal> {
        let (_, used, allowed) = self
            .store
            .account_number(owner)
            .await?
            .ok_or(Refusal::NotFound)?;
        Ok((used, allowed))
    }

    /// The place, when the asker has all of `needed` there.
    ///
    /// What the asker has no right to at all answers as what is not there (security.md S-25).
    async fn place(&self, at: At, needed: Rights) -> Result<Place, Refusal> {
        let row = self
            .store
            .collection_place(at.owner, at.collection, at.reader)
            .await?
            .ok_or(Refusal::NotFound)?;
        let rights = if at.is_own() { ALL } else { row.granted };
        if rights == Rights::default() {
            return Err(Refusal::NotFound);
        }
        if !rights.has(needed) {
            return Err(Refusal::NotAllowed);
        }
        let kind = CollectionKind::from_word(&row.kind)
            .ok_or(Refusal::Internal("a collection of no known kind"))?;
        Ok(Place {
            at,
            kind,
            zone: row.time_zone.parse().unwrap_or(Tz::UTC),
            is_subscribed: row.is_subscribed,
        })
    }

    fn look(&self, account: AccountId, usage: Locked) {
        self.notices.look(Notice::after_write(account, usage));
    }

    /// A refusal for want of room is told to the owner, whoever wrote.
    fn told(&self, owner: AccountId, refusal: Refusal) -> Refusal {
        if matches!(refusal, Refusal::OverQuota { .. }) {
            self.notices.refused_for_quota(owner);
        }
        refusal
    }
}

/// What an owner may do.
const ALL: Rights =
    Rights(Rights::FREE_BUSY.0 | Rights::READ.0 | Rights::WRITE.0 | Rights::ADMINISTER.0);
