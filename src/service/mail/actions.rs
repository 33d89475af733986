//! What a person does with messages: read, star, move, delete, and take it back for a minute.
//!
//! Bulk work runs in bites of 500 rows, each its own commit. An action on a conversation applies to its messages in the
//! folder it was done in (ui.md 7.5).

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::Mail;
use super::folders::BITE;
use crate::error::Refusal;
use crate::model::{
    AccountId, Charge, EmailId, Flags, FolderId, ModSeq, SpecialUse, ThreadId, Uid,
};
use crate::store::mail::FlagEdit;
use crate::store::message::{PlaceRow, ThreadFilter};

/// What an action applies to.
#[derive(Debug, Clone)]
pub enum Selection {
    /// Conversations, in one folder.
    Threads(FolderId, Vec<ThreadId>),
    /// Single messages, in one folder.
    Emails(FolderId, Vec<EmailId>),
    /// Single messages, wherever they lie: search results.
    Anywhere(Vec<EmailId>),
    /// Everything in a folder under a filter, as it was at this change number: refused when something newer is there.
    All(FolderId, ThreadFilter, ModSeq),
}

impl Selection {
    /// The folder it was made in; none for search results.
    #[must_use]
    pub fn folder(&self) -> Option<FolderId> {
        match self {
            Self::Threads(f, _) | Self::Emails(f, _) | Self::All(f, ..) => Some(*f),
            Self::Anywhere(_) => None,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Set and clear flags and keywords.
    Flag(FlagSet),
    /// Move to a folder.
    Move(FolderId),
    /// Move to the folder used for it: archive, junk, inbox ...
    MoveTo(SpecialUse),
    /// Move to the trash; from trash, junk and drafts for good.
    Delete,
    /// Remove for good from anywhere.
    Purge,
}

/// Flags to set and to clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlagSet {
    /// To set.
    pub set: Flags,
    /// To clear.
    pub clear: Flags,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// Messages changed or moved.
    pub messages: usize,
    /// Conversations touched.
    pub threads: usize,
    /// Takes it back within a minute; none for what cannot be.
    pub undo: Option<String>,
    /// They left the folder they were in.
    pub left: bool,
    /// They are gone for good.
    pub purged: bool,
}

/// How to take an action back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Undo {
    /// The touched flags as they were: per old value the UIDs.
    Flags {
        folder: FolderId,
        touched: Flags,
        old: Vec<(Flags, Vec<i64>)>,
    },
    /// Several of them, from several folders.
    Many(Vec<Undo>),
    /// Back from `from` (where they are now) to `to`.
    Move {
        from: FolderId,
        to: FolderId,
        uids: Vec<i64>,
    },
}

/// Rows an undo remembers; more than this cannot be taken back by one click.
const UNDO_ROWS: usize = 50_000;
/// Seconds an undo works.
const UNDO_SECONDS: i32 = 60;

impl Mail {
    /// Does `action` to `selection`.
    ///
    /// # Errors
    /// [`Refusal::NoFolder`], [`Refusal::NoMessage`] when nothing of the selection is there,
    /// [`Refusal::Stale`] when "everything" means more by now than the asker saw.
    pub async fn act(
        &self,
        account: AccountId,
        selection: &Selection,
        action: &Action,
    ) -> Result<Done, Refusal> {
        let places = self.select(account, selection).await?;
        if places.is_empty() {
            return Err(Refusal::NoMessage);
        }
        let mut folders: Vec<FolderId> = places.iter().map(|p| p.folder_id).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut done = Done::default();
        let mut undo = Vec::new();
        for folder in folders {
            let here: Vec<PlaceRow> = places
                .iter()
                .filter(|p| p.folder_id == folder)
                .cloned()
                .collect();
            undo.extend(
                self.act_in(account, folder, &here, action, &mut done)
                    .await?,
            );
        }
        if done.messages <= UNDO_ROWS {
            done.undo = match undo.pop() {
                None => None,
                Some(one) if undo.is_empty() => Some(self.remember(account, &one).await?),
                Some(last) => {
                    undo.push(last);
                    Some(self.remember(account, &Undo::Many(undo)).await?)
                }
            };
        }
        Ok(done)
    }

    /// Does `action` to messages of one folder; returns how to take it back.
    async fn act_in(
        &self,
        account: AccountId,
        folder: FolderId,
        places: &[PlaceRow],
        action: &Action,
        done: &mut Done,
    ) -> Result<Option<Undo>, Refusal> {
        let folder = self.folder(account, folder).await?;
        let mut threads: Vec<ThreadId> = places.iter().map(|p| p.thread_id).collect();
        threads.sort_unstable();
        threads.dedup();
        done.threads += threads.len();
        let target = match action {
            Action::Flag(edit) => {
                return self
                    .flag(account, folder.folder_id, places, *edit, done)
                    .await;
            }
            Action::Move(to) => Some(*to),
            Action::MoveTo(special) => Some(self.special_folder(account, *special).await?),
            Action::Delete => match folder.special_use() {
                Some(SpecialUse::Trash | SpecialUse::Junk | SpecialUse::Drafts) => None,
                _ => Some(self.special_folder(account, SpecialUse::Trash).await?),
            },
            Action::Purge => None,
        };
        match target {
            Some(to) if to == folder.folder_id => Ok(None),
            Some(to) => {
                let clear = junk_flags(action, folder.special_use());
                self.move_places(account, (folder.folder_id, to), places, clear, done)
                    .await
            }
            None => {
                for bite in chunks(places) {
                    let mut write = self
                        .store
                        .draft()
                        .await?
                        .lock(account, Charge::NONE)
                        .await?;
                    let gone = write
                        .expunge(folder.folder_id, &bite, Some(self.keep_days()))
                        .await?;
                    self.hub.wake(write.commit().await?);
                    done.messages += gone.len();
                }
                done.left = true;
                done.purged = true;
                Ok(None)
            }
        }
    }

    /// Marks the messages of one place: the reader's "seen", a star in the list.
    ///
    /// # Errors
    /// As [`Mail::act`].
    pub async fn flag_email(
        &self,
        account: AccountId,
        email: EmailId,
        edit: FlagSet,
    ) -> Result<(), Refusal> {
        let places = self.store.places_of_emails(account, &[email]).await?;
        if places.is_empty() {
            return Err(Refusal::NoMessage);
        }
        for p in places {
            self.flag(
                account,
                p.folder_id,
                std::slice::from_ref(&p),
                edit,
                &mut Done::default(),
            )
            .await?;
        }
        Ok(())
    }

    /// Takes an action back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the token is unknown, used or older than a minute.
    pub async fn undo(&self, account: AccountId, token: &str) -> Result<Done, Refusal> {
        let value = self
            .store
            .take_undo(account, token)
            .await?
            .ok_or(Refusal::NotFound)?;
        self.take_back(account, value).await
    }

    /// Takes back what an undo's description says.
    pub(crate) async fn take_back(
        &self,
        account: AccountId,
        value: serde_json::Value,
    ) -> Result<Done, Refusal> {
        let undo: Undo = serde_json::from_value(value).map_err(|_| Refusal::NotFound)?;
        let steps = match undo {
            Undo::Many(steps) => steps,
            one => vec![one],
        };
        let mut done = Done::default();
        for step in steps {
            self.undo_step(account, step, &mut done).await?;
        }
        Ok(done)
    }

    async fn undo_step(
        &self,
        account: AccountId,
        step: Undo,
        done: &mut Done,
    ) -> Result<(), Refusal> {
        match step {
            Undo::Many(_) => {}
            Undo::Flags {
                folder,
                touched,
                old,
            } => {
                for (flags, uids) in old {
                    let edit = FlagEdit {
                        set: Flags(flags.0 & touched.0),
                        clear: touched.without(flags),
                        ..FlagEdit::default()
                    };
                    for bite in uids.chunks(bite_len()) {
                        let mut write = self
                            .store
                            .draft()
                            .await?
                            .lock(account, Charge::NONE)
                            .await?;
                        done.messages += write.set_flags(folder, bite, &edit).await?.len();
                        self.hub.wake(write.commit().await?);
                    }
                }
            }
            Undo::Move { from, to, uids } => {
                for bite in uids.chunks(bite_len()) {
                    let mut write = self
                        .store
                        .draft()
                        .await?
                        .lock(account, Charge::NONE)
                        .await?;
                    done.messages += write.move_messages(from, bite, to).await?.len();
                    self.hub.wake(write.commit().await?);
                }
                done.left = true;
            }
        }
        Ok(())
    }

    async fn select(
        &self,
        account: AccountId,
        selection: &Selection,
    ) -> Result<Vec<PlaceRow>, Refusal> {
        Ok(match selection {
            Selection::Threads(folder, threads) => {
                self.store
                    .places_of_threads(account, *folder, threads)
                    .await?
            }
            Selection::Emails(folder, emails) => {
                let mut places = self.store.places_of_emails(account, emails).await?;
                places.retain(|p| p.folder_id == *folder);
                places
            }
            Selection::Anywhere(emails) => {
                let mut places = self.store.places_of_emails(account, emails).await?;
                places.sort_by_key(|p| p.email_id);
                places.dedup_by_key(|p| p.email_id);
                places
            }
            Selection::All(folder, filter, state) => {
                let mut all = Vec::new();
                let mut after = Uid(0);
                loop {
                    let bite = self
                        .store
                        .places_under_filter(account, *folder, *filter, after, 10 * BITE)
                        .await?;
                    let Some(last) = bite.last() else { break };
                    after = last.uid;
                    all.extend(bite);
                }
                if all.iter().any(|p| p.created_modseq > *state) {
                    return Err(Refusal::Stale);
                }
                all
            }
        })
    }

    async fn flag(
        &self,
        account: AccountId,
        folder: FolderId,
        places: &[PlaceRow],
        flags: FlagSet,
        done: &mut Done,
    ) -> Result<Option<Undo>, Refusal> {
        let edit = FlagEdit {
            set: flags.set,
            clear: flags.clear,
            ..FlagEdit::default()
        };
        let mut old: Vec<(Flags, Vec<i64>)> = Vec::new();
        for bite in chunks(places) {
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            let changes = write.set_flags(folder, &bite, &edit).await?;
            if changes.is_empty() {
                write.abandon().await?;
                continue;
            }
            self.hub.wake(write.commit().await?);
            done.messages += changes.len();
            for c in changes {
                match old.iter_mut().find(|(flags, _)| *flags == c.old_flags) {
                    Some((_, uids)) => uids.push(c.uid.0),
                    None => old.push((c.old_flags, vec![c.uid.0])),
                }
            }
        }
        Ok((!old.is_empty()).then(|| Undo::Flags {
            folder,
            touched: flags.set.with(flags.clear),
            old,
        }))
    }

    async fn move_places(
        &self,
        account: AccountId,
        (from, to): (FolderId, FolderId),
        places: &[PlaceRow],
        junk: Option<FlagEdit>,
        done: &mut Done,
    ) -> Result<Option<Undo>, Refusal> {
        let mut now_at = Vec::new();
        for bite in chunks(places) {
            let mut write = self
                .store
                .draft()
                .await?
                .lock(account, Charge::NONE)
                .await?;
            let moved = write.move_messages(from, &bite, to).await?;
            let uids: Vec<i64> = moved.iter().map(|m| m.to_uid.0).collect();
            if let Some(edit) = &junk {
                write.set_flags(to, &uids, edit).await?;
            }
            self.hub.wake(write.commit().await?);
            done.messages += uids.len();
            now_at.extend(uids);
        }
        done.left = true;
        Ok((!now_at.is_empty()).then_some(Undo::Move {
            from: to,
            to: from,
            uids: now_at,
        }))
    }

    async fn remember(&self, account: AccountId, undo: &Undo) -> Result<String, Refusal> {
        let token = format!("{:032x}", rand::rng().random::<u128>());
        let value = serde_json::to_value(undo).map_err(|_| Refusal::Internal("undo"))?;
        self.store
            .put_undo(account, &token, &value, UNDO_SECONDS)
            .await?;
        Ok(token)
    }
}

/// Moving into and out of Junk is a training event in the model: the keywords say what the user thinks.
fn junk_flags(action: &Action, from: Option<SpecialUse>) -> Option<FlagEdit> {
    let (set, clear) = match (action, from) {
        (Action::MoveTo(SpecialUse::Junk), _) => (Flags::JUNK, Flags::NOT_JUNK),
        (Action::MoveTo(SpecialUse::Inbox) | Action::Move(_), Some(SpecialUse::Junk)) => {
            (Flags::NOT_JUNK, Flags::JUNK)
        }
        _ => return None,
    };
    Some(FlagEdit {
        set,
        clear,
        ..FlagEdit::default()
    })
}

fn bite_len() -> usize {
    usize::try_from(BITE).unwrap_or(1)
}

fn chunks(places: &[PlaceRow]) -> Vec<Vec<i64>> {
    places
        .chunks(bite_len())
        .map(|bite| bite.iter().map(|p| p.uid.0).collect())
        .collect()
}
