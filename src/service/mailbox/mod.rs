//! Folders as sessions hold them open (IMAP): a view of UIDs and flags that is kept true by the change stream, what is
//! read of messages, and what is done to them by UID.
//!
//! ```text
//! open(name) -> View          the folder as it is; sequence numbers are places in it
//! look(&mut View) -> News     what changed since; the only call after which numbers may be others (RFC 9051 7.5.1)
//! ```
//!
//! The last image of a folder stays in memory for a while, so that the next session that opens it reads only what changed
//! since. Views share their rows until one of them changes.

mod change;
mod copy;
mod folders;
mod metadata;
pub mod read;
pub mod search;
mod sort;
pub mod view;

use std::sync::Arc;

use moka::sync::Cache;

use crate::config::Config;
use crate::error::Refusal;
use crate::model::{AccountId, FolderId, ModSeq, SyncPoint, Uid};
use crate::service::changes::{Hub, Watch};
use crate::service::notices::Notices;
use crate::store::Store;
use crate::store::account::Usage;
use crate::store::changes::ChangesError;
use crate::store::folder::FolderRow;

pub use crate::store::mailbox::{StoredRow, Wanted};
pub use change::{Appended, FlagWish, NewMessage, Stored};
pub use copy::Copied;
pub use folders::Counted;
pub use read::{Octets, Piece};
pub use search::{Progress, Question};
pub use view::{News, Rows, View};

/// The mailbox service of one node.
pub struct Mailboxes {
    config: Arc<Config>,
    store: Store,
    hub: Hub,
    notices: Notices,
    images: Cache<(AccountId, FolderId), Image>,
}

/// A folder as some view last saw it.
#[derive(Clone)]
struct Image {
    rows: Arc<Rows>,
    /// Everything up to this number is in it.
    upto: ModSeq,
    /// The highest number of anything in it.
    highest: ModSeq,
}

/// An opened folder.
pub struct Opened {
    /// Its row.
    pub folder: FolderRow,
    /// What is in it.
    pub view: View,
}

/// Octets of all images kept.
const IMAGES_BYTES: u64 = 64 << 20;
/// Changes read in one statement.
const CHANGES: i64 = 5_000;

impl Mailboxes {
    /// A mailbox service over an open store.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, hub: Hub, notices: Notices) -> Self {
        let images = Cache::builder()
            .max_capacity(IMAGES_BYTES)
            .weigher(|_, image: &Image| u32::try_from(image.rows.weight()).unwrap_or(u32::MAX))
            .time_to_idle(std::time::Duration::from_mins(30))
            .build();
        Self {
            config,
            store,
            hub,
            notices,
            images,
        }
    }

    /// Wakes when the account changes. Taken before a folder is opened, it misses nothing.
    #[must_use]
    pub fn watch(&self, account: AccountId) -> Watch {
        self.hub.watch(account)
    }

    /// What fills the account, and how much it may hold.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unavailable`].
    pub async fn usage(&self, account: AccountId) -> Result<Usage, Refusal> {
        self.store.usage(account).await?.ok_or(Refusal::NotFound)
    }

    /// Opens a folder by name.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::Unavailable`].
    pub async fn open(&self, account: AccountId, name: &str) -> Result<Opened, Refusal> {
        let mut folder = self.folder(account, name).await?;
        let key = (account, folder.folder_id);
        let mut view = match self.images.get(&key) {
            Some(image) => View::of(
                account,
                folder.folder_id,
                image.rows,
                image.upto,
                image.highest,
            ),
            None => self.load(account, folder.folder_id).await?,
        };
        if folder.content_modseq > view.upto {
            self.look(&mut view).await?;
        }
        folder.content_modseq = folder.content_modseq.max(view.highest);
        folder.uid_next = folder
            .uid_next
            .max(Uid(i64::from(view.rows().last_uid()) + 1));
        Ok(Opened { folder, view })
    }

    /// Reads a folder whole.
    async fn load(&self, account: AccountId, folder: FolderId) -> Result<View, Refusal> {
        let image = self
            .store
            .folder_image(account, folder)
            .await?
            .ok_or(Refusal::NoFolder)?;
        let (upto, highest) = (image.upto, image.content_modseq);
        let view = View::of(account, folder, Arc::new(Rows::of(image)?), upto, highest);
        self.keep(&view);
        Ok(view)
    }

    fn keep(&self, view: &View) {
        self.images.insert(
            (view.account, view.folder),
            Image {
                rows: view.shared_rows(),
                upto: view.upto,
                highest: view.highest,
            },
        );
    }

    /// Brings a view up to date and says what is new.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`] when it was deleted, [`Refusal::Unavailable`].
    pub async fn look(&self, view: &mut View) -> Result<News, Refusal> {
        let mut since = SyncPoint::at(view.upto);
        let mut gathered = view::Gathered::default();
        loop {
            let page = self
                .store
                .folder_changes(view.account, view.folder, since, CHANGES)
                .await;
            match page {
                Ok(page) => {
                    since = page.next;
                    let more = page.more;
                    gathered.take(page);
                    if !more {
                        break;
                    }
                }
                Err(ChangesError::NotFound) => return Err(Refusal::NoFolder),
                Err(ChangesError::Store(e)) => return Err(e.into()),
                Err(ChangesError::TooOld) => {
                    // What left is no longer remembered: compare with the folder as it is.
                    let fresh = self.load(view.account, view.folder).await?;
                    return Ok(view.become_like(&fresh));
                }
            }
        }
        let news = view.apply(gathered, since.modseq)?;
        if !news.is_empty() {
            self.keep(view);
        }
        Ok(news)
    }

    fn keep_days(&self) -> i32 {
        i32::try_from(self.config.server.retention_days).unwrap_or(i32::MAX)
    }
}
