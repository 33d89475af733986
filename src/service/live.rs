//! What an open page wants to hear: ids and numbers of what changed, no content (ui.md 10).

use crate::error::Refusal;
use crate::model::{AccountId, DraftId, EmailId, Flags, FolderId, ModSeq, QueueId};
use crate::service::App;
use crate::store::folder::FolderRow;

/// More changes than this in one look, and the page reloads its lists instead.
const CHANGES: i64 = 2000;

/// One change as a page hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Messages that came into a folder.
    New {
        /// Which folder.
        folder: FolderId,
        /// Which messages.
        ids: Vec<EmailId>,
    },
    /// Messages whose flags are these now.
    Flags {
        /// Which folder.
        folder: FolderId,
        /// Which messages.
        ids: Vec<EmailId>,
        /// Their flags.
        flags: Flags,
    },
    /// Messages left a folder; which ones, the list itself finds out.
    Gone {
        /// Which folder.
        folder: FolderId,
    },
    /// The folders themselves changed.
    Folders,
    /// A folder's counters.
    Count(Box<FolderRow>),
    /// A draft was saved.
    Draft {
        /// Which one.
        draft: DraftId,
        /// Its revision now.
        rev: i64,
    },
    /// Something became of a message that was sent.
    Outbox {
        /// The message.
        id: QueueId,
        /// `waiting`, `failed` or `sent`.
        state: String,
    },
    /// The use of the quota changed.
    Quota,
    /// Too much to say: load everything anew.
    Reset,
}

/// What changed, and how far this look went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Ask from here the next time.
    pub upto: ModSeq,
    /// In no particular order.
    pub changes: Vec<Change>,
}

impl App {
    /// The account's change number: where a page stands that is being made now.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn changes_upto(&self, account: AccountId) -> Result<ModSeq, Refusal> {
        Ok(self.store().modseq(account).await?)
    }

    /// What changed in an account after `since`.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn changes_since(
        &self,
        account: AccountId,
        since: ModSeq,
    ) -> Result<Changes, Refusal> {
        let upto = self.store().modseq(account).await?;
        if since >= upto {
            return Ok(Changes {
                upto,
                changes: Vec::new(),
            });
        }
        let folders = self.store().folders(account).await?;
        let messages = self
            .store()
            .messages_changed(account, since, upto, CHANGES + 1)
            .await?;
        let gone = self
            .store()
            .parents_with_tombstones(account, since, upto)
            .await?;
        if i64::try_from(messages.len()).unwrap_or(i64::MAX) > CHANGES || since.0 == 0 {
            return Ok(Changes {
                upto,
                changes: vec![Change::Reset],
            });
        }
        let mut changes = Vec::new();
        for m in messages {
            if m.created_modseq > since {
                match changes.iter_mut().find_map(|c| match c {
                    Change::New { folder, ids } if *folder == m.folder_id => Some(ids),
                    _ => None,
                }) {
                    Some(ids) => ids.push(m.email_id),
                    None => changes.push(Change::New {
                        folder: m.folder_id,
                        ids: vec![m.email_id],
                    }),
                }
            } else {
                match changes.iter_mut().find_map(|c| match c {
                    Change::Flags { folder, ids, flags }
                        if *folder == m.folder_id && *flags == m.flags =>
                    {
                        Some(ids)
                    }
                    _ => None,
                }) {
                    Some(ids) => ids.push(m.email_id),
                    None => changes.push(Change::Flags {
                        folder: m.folder_id,
                        ids: vec![m.email_id],
                        flags: m.flags,
                    }),
                }
            }
        }
        for d in self.store().drafts_changed(account, since, upto).await? {
            changes.push(Change::Draft {
                draft: d.draft_id,
                rev: d.rev,
            });
        }
        for o in self.store().outbox_changed(account, since, upto).await? {
            changes.push(Change::Outbox {
                id: o.queue_id,
                state: o.state,
            });
        }
        let mut lists_changed = false;
        for (kind, parent) in gone {
            match kind.as_str() {
                "message" => changes.push(Change::Gone {
                    folder: FolderId(parent),
                }),
                "folder" => lists_changed = true,
                _ => {}
            }
        }
        lists_changed |= folders.iter().any(|f| f.modseq > since);
        if lists_changed {
            changes.push(Change::Folders);
        }
        let mut content_changed = false;
        for f in folders.into_iter().filter(|f| f.content_modseq > since) {
            content_changed = true;
            changes.push(Change::Count(Box::new(f)));
        }
        if content_changed || lists_changed {
            changes.push(Change::Quota);
        }
        Ok(Changes { upto, changes })
    }
}
