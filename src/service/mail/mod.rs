//! Mail: taking it in, listing, reading, moving it about.
//!
//! [`incoming`] turns arriving bytes into a [`Received`] message (stored, hashed, parsed once); [`deliver`] puts it into
//! accounts, one transaction each; [`actions`] changes what lies there; [`read`] serves pages and parts.

pub mod actions;
pub mod deliver;
pub mod folders;
pub mod incoming;
pub mod pictures;
pub mod read;
pub mod search;

use std::sync::Arc;

use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::model::{AccountId, EmailId, FolderId, ModSeq};
use crate::service::changes::Hub;
use crate::service::notices::{Notice, Notices};
use crate::store::Store;
use crate::store::account::Locked;

/// Rows as the store reads them; they go through unchanged, and doors name them from here.
pub use crate::store::folder::FolderRow;
pub use crate::store::message::{EmailRow, MessageRow, Order, ThreadFilter, ThreadRow, Window};
pub use crate::store::search::FoundRow;
pub use deliver::{Arrival, Delivered};
pub use incoming::{Incoming, Received};

/// Units of the byte budget: one permit stands for this many octets.
const BUDGET_UNIT: usize = 1024;
/// Messages whose notes are remembered.
const NOTES: u64 = 20_000;

/// Lists whose length is remembered.
const COUNTS: u64 = 20_000;

/// The mail service of one node.
pub struct Mail {
    config: Arc<Config>,
    store: Store,
    hub: Hub,
    notices: Notices,
    /// Octets of messages held in memory at the same time (security.md S-10).
    budget: Arc<Semaphore>,
    /// What bodies hold, by message. Messages do not change, so it cannot be out of date.
    notes: Cache<(AccountId, EmailId), pictures::BodyNotes>,
    /// How many conversations a list has, and the account's change number at which that was so. While the number is the
    /// same, so is the count.
    counts: Cache<(AccountId, FolderId, ThreadFilter), (ModSeq, i64)>,
}

impl Mail {
    /// A mail service over an open store.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, hub: Hub, notices: Notices) -> Self {
        let units = config.mime.body_budget / BUDGET_UNIT;
        Self {
            config,
            store,
            hub,
            notices,
            budget: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            notes: Cache::new(NOTES),
            counts: Cache::new(COUNTS),
        }
    }

    /// Tells the owner when a write has crossed a mark of the quota.
    pub(crate) fn look(&self, account: AccountId, usage: Locked) {
        self.notices.look(Notice::after_write(account, usage));
    }

    /// The permits a buffer of `bytes` needs; never more than the whole budget, or it would wait for ever.
    fn units(&self, bytes: usize) -> u32 {
        let whole = self.config.mime.body_budget / BUDGET_UNIT;
        u32::try_from(bytes.div_ceil(BUDGET_UNIT).min(whole)).unwrap_or(u32::MAX)
    }
}
