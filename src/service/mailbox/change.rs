//! What sessions do to messages of an open folder: flags, removal, new messages. Each answer is given after the commit.

use time::OffsetDateTime;

use super::view::narrow;
use super::{Mailboxes, View};
use crate::error::Refusal;
use crate::model::{AccountId, Charge, Flags, ModSeq, SpecialUse, Uid};
use crate::service::mail::Received;
use crate::service::notices::Notice;
use crate::store::mail::{FlagEdit, Placement, Target};

/// A change of flags as a protocol asks for it.
#[derive(Debug, Clone, Default)]
pub struct FlagWish {
    /// Bits to set.
    pub set: Flags,
    /// Bits to clear.
    pub clear: Flags,
    /// Keywords to add.
    pub add_keywords: Vec<String>,
    /// Keywords to remove.
    pub remove_keywords: Vec<String>,
    /// The keywords to add are all that stay.
    pub replaces_keywords: bool,
    /// Messages that changed after this number are left alone.
    pub unchanged_since: Option<i64>,
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Messages whose flags are others now, with the number of the change.
    pub changed: Vec<(u32, ModSeq)>,
    /// Messages that were left alone because they had changed.
    pub modified: Vec<u32>,
}

/// A message to be added.
pub struct NewMessage {
    /// Its bytes and facts.
    pub received: Received,
    /// Flags it starts with.
    pub flags: Flags,
    /// Keywords it starts with.
    pub keywords: Vec<String>,
    /// INTERNALDATE.
    pub received_at: OffsetDateTime,
}

/// Where messages were added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// UIDVALIDITY of the folder.
    pub uid_validity: i64,
    /// Their UIDs, in order.
    pub uids: Vec<u32>,
}

/// Rows of one commit of bulk work.
const BITE: usize = 500;
/// Octets of a keyword (security.md 2).
pub(super) const KEYWORD_BYTES: usize = 64;
/// Keywords in use in one folder (security.md 2).
pub(super) const KEYWORDS: usize = 100;

impl Mailboxes {
    /// Changes flags of messages of the view, in bites of 500, each its own commit; the view has them afterwards.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the folder would have too many keywords, [`Refusal::Invalid`] for one that cannot be.
    pub async fn set_flags(
        &self,
        view: &mut View,
        uids: &[u32],
        wish: &FlagWish,
    ) -> Result<Stored, Refusal> {
        let mut edit = FlagEdit {
            set: wish.set,
            clear: wish.clear,
            add_keywords: wish.add_keywords.clone(),
            remove_keywords: wish.remove_keywords.clone(),
            replaces_keywords: wish.replaces_keywords,
            unchanged_since: wish.unchanged_since,
        };
        let known = view.rows().all_keywords();
        spell_as_known(&mut edit.add_keywords, &known);
        spell_as_known(&mut edit.remove_keywords, &known);
        check_keywords(&edit.add_keywords, &known)?;
        let mut stored = Stored::default();
        for bite in uids.chunks(BITE) {
            let bite: Vec<i64> = bite.iter().map(|uid| i64::from(*uid)).collect();
            let mut write = self
                .store
                .draft()
                .await?
                .lock(view.account, Charge::NONE)
                .await?;
            if let Some(since) = edit.unchanged_since {
                let modified = write.changed_after(view.folder, &bite, since).await?;
                stored.modified.extend(
                    modified
                        .into_iter()
                        .filter_map(|uid| u32::try_from(uid).ok()),
                );
            }
            let changes = write.set_flags(view.folder, &bite, &edit).await?;
            if changes.is_empty() {
                write.abandon().await?;
                continue;
            }
            let modseq = write.modseq();
            self.hub.wake(write.commit().await?);
            for change in changes {
                let uid = narrow(change.uid.0)?;
                view.note_own(uid, change.flags, change.keywords, modseq);
                stored.changed.push((uid, modseq));
            }
        }
        stored.changed.sort_unstable();
        Ok(stored)
    }

    /// Removes the messages marked as deleted, of `among` when it is given; in bites of 500, each its own commit. The view
    /// learns of it at its next look. What is removed stays restorable for a time, but for drafts.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn expunge(&self, view: &View, among: Option<&[u32]>) -> Result<(), Refusal> {
        let keep = self.keeps(view).await?;
        let among: Option<Vec<i64>> =
            among.map(|uids| uids.iter().map(|uid| i64::from(*uid)).collect());
        let bite = i64::try_from(BITE).unwrap_or(i64::MAX);
        loop {
            let mut write = self
                .store
                .draft()
                .await?
                .lock(view.account, Charge::NONE)
                .await?;
            let uids = write
                .deleted_uids(view.folder, among.as_deref(), bite)
                .await?;
            if uids.is_empty() {
                write.abandon().await?;
                return Ok(());
            }
            write.expunge(view.folder, &uids, keep).await?;
            self.hub.wake(write.commit().await?);
            if uids.len() < BITE {
                return Ok(());
            }
        }
    }

    async fn keeps(&self, view: &View) -> Result<Option<i32>, Refusal> {
        let folder = self.store.folder(view.account, view.folder).await?;
        let is_drafts = folder.is_some_and(|f| f.special_use() == Some(SpecialUse::Drafts));
        Ok((!is_drafts).then(|| self.keep_days()))
    }

    /// Adds messages to a folder, all or none in one commit (RFC 3502), and takes away the one they replace (RFC 8508).
    ///
    /// # Errors
    /// [`Refusal::OverQuota`], [`Refusal::NoFolder`], [`Refusal::NoMessage`] when the replaced one is gone, keywords as in
    /// [`Mailboxes::set_flags`].
    pub async fn append(
        &self,
        account: AccountId,
        name: &str,
        messages: &[NewMessage],
        replaced: Option<(&View, u32)>,
    ) -> Result<Appended, Refusal> {
        let mut draft = self.store.draft().await?;
        // Hashes are locked in ascending order, so that two appends of the same messages never wait for each other.
        let mut order: Vec<usize> = (0..messages.len()).collect();
        order.sort_by_key(|at| messages.get(*at).map(|m| m.received.stored.sha256));
        let mut bodies = vec![None; messages.len()];
        for at in order {
            if let (Some(message), Some(slot)) = (messages.get(at), bodies.get_mut(at)) {
                *slot = Some(draft.put_body(account, &message.received.stored).await?);
            }
        }
        let bytes: i64 = messages.iter().map(|m| m.received.stored.size_bytes).sum();
        let mut write = match draft.lock(account, Charge::mail(bytes)).await {
            Ok(write) => write,
            Err(refusal) => {
                if matches!(refusal, Refusal::OverQuota { .. }) {
                    self.notices.refused_for_quota(account);
                }
                return Err(refusal);
            }
        };
        let folder = write.folder_named(name).await?;
        let mut uids = Vec::with_capacity(messages.len());
        for (message, body) in messages.iter().zip(bodies) {
            check_keywords(&message.keywords, &[])?;
            let body = body.ok_or(Refusal::Internal("a body was not stored"))?;
            let placement = Placement {
                target: Target::Folder(folder.folder_id),
                flags: message.flags,
                keywords: &message.keywords,
                received_at: message.received_at,
                thread: None,
            };
            let added = write
                .add_message(body, &message.received.email, &placement)
                .await?;
            uids.push(narrow(added.uid.0)?);
        }
        if let Some((view, uid)) = replaced {
            // An earlier state of what now lies there in full: nothing to restore.
            let gone = write.expunge(view.folder, &[i64::from(uid)], None).await?;
            if gone != [Uid(i64::from(uid))] {
                return Err(Refusal::NoMessage);
            }
        }
        let usage = write.usage();
        self.hub.wake(write.commit().await?);
        self.notices.look(Notice::after_write(account, usage));
        Ok(Appended {
            uid_validity: folder.uid_validity,
            uids,
        })
    }
}

/// Keywords have no case (RFC 9051 2.3.2): the spelling that is there stays.
fn spell_as_known(keywords: &mut [String], known: &[String]) {
    for keyword in keywords {
        if let Some(there) = known.iter().find(|k| k.eq_ignore_ascii_case(keyword)) {
            keyword.clone_from(there);
        }
    }
}

fn check_keywords(new: &[String], known: &[String]) -> Result<(), Refusal> {
    if new.iter().any(|k| k.len() > KEYWORD_BYTES) {
        return Err(Refusal::Invalid("keyword-long"));
    }
    let fresh = new.iter().filter(|k| !known.contains(k)).count();
    if fresh > 0 && known.len() + fresh > KEYWORDS {
        return Err(Refusal::TooMany {
            retry_after_secs: 0,
        });
    }
    Ok(())
}
