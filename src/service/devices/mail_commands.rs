//! What a device does to messages: their flags, and away with them.
//!
//! A device's own change lands in `echo` with the number it got, and is not told back while the message still has that number;
//! unless somebody else's change lay under it untold, or it could not be kept as it was said.
//!
//! Departure: a device's flags are taken also when the message changed meanwhile (MS-ASCMD 2.2.3.33 lets the server win): read,
//! flag and categories stand alone each, and throwing away what its owner just tapped helps nobody.

use super::Devices;
use super::mail_sync::{Ask, SyncFault};
use crate::model::{AccountId, Charge, Flags, ModSeq, SpecialUse, SyncPoint};
use crate::store::mail::FlagEdit;

/// A command of a device on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Other flags.
    Change {
        /// Which message.
        uid: i64,
        /// Read or not.
        read: Option<bool>,
        /// The follow-up flag.
        flag: Option<FollowUp>,
        /// All its categories.
        categories: Option<Vec<String>>,
    },
    /// Away with it.
    Delete {
        /// Which message.
        uid: i64,
    },
}

/// The follow-up flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowUp {
    /// None.
    Clear,
    /// Done.
    Complete,
    /// To be done.
    Active,
}

/// The keyword of a follow-up that is done.
pub const COMPLETE: &str = "$FlagComplete";

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ran {
    /// It is so now.
    Done,
    /// There is no such message.
    NotFound,
}

impl Devices {
    /// Runs a device's commands in one commit. Returns what became of each, and the echo.
    pub(super) async fn run(
        &self,
        account: AccountId,
        ask: &Ask<'_>,
        began: SyncPoint,
        echo: &[(i64, ModSeq)],
    ) -> Result<(Vec<Ran>, Vec<(i64, ModSeq)>), SyncFault> {
        let folder = ask.folder;
        let special = self
            .store
            .folder(account, folder)
            .await?
            .and_then(|row| row.special_use());
        let for_good = !ask.deletes_as_moves
            || matches!(special, Some(SpecialUse::Trash | SpecialUse::Drafts));
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let uids: Vec<i64> = ask
            .commands
            .iter()
            .map(|command| match command {
                Command::Change { uid, .. } | Command::Delete { uid } => *uid,
            })
            .collect();
        let found = write.find_messages(folder, &uids).await?;
        let modseq = write.modseq();
        let mut ran = Vec::new();
        let mut own = Vec::new();
        let mut doomed = Vec::new();
        for command in ask.commands {
            match command {
                Command::Delete { uid } => {
                    doomed.push(*uid);
                    ran.push(Ran::Done);
                }
                Command::Change {
                    uid,
                    read,
                    flag,
                    categories,
                } => {
                    let Some(now) = found.iter().find(|m| m.uid == *uid) else {
                        ran.push(Ran::NotFound);
                        continue;
                    };
                    ran.push(Ran::Done);
                    let (edit, is_altered) =
                        edit(*read, *flag, categories.as_deref(), &now.keywords);
                    let changed = write.set_flags(folder, &[*uid], &edit).await?;
                    // A change of somebody else that lies under ours untold must still be told.
                    let is_told = now.modseq <= began.modseq || echo.contains(&(*uid, now.modseq));
                    if !changed.is_empty() && is_told && !is_altered {
                        own.push((*uid, modseq));
                    }
                }
            }
        }
        if !doomed.is_empty() {
            if for_good {
                let days = i32::try_from(self.config.server.retention_days).unwrap_or(i32::MAX);
                let keep = (special != Some(SpecialUse::Drafts)).then_some(days);
                write.expunge(folder, &doomed, keep).await?;
            } else {
                let trash = write.special_folder(SpecialUse::Trash).await?;
                write.move_messages(folder, &doomed, trash).await?;
            }
            own.retain(|(uid, _)| !doomed.contains(uid));
            own.extend(doomed.iter().map(|uid| (*uid, modseq)));
        }
        self.hub.wake(write.commit().await?);
        Ok((ran, own))
    }
}

/// The change of flags that a device asks for, and whether it cannot be kept as it was said.
fn edit(
    read: Option<bool>,
    flag: Option<FollowUp>,
    categories: Option<&[String]>,
    keywords: &[String],
) -> (FlagEdit, bool) {
    let mut edit = FlagEdit::default();
    let mut is_altered = false;
    match read {
        Some(true) => edit.set = edit.set.with(Flags::SEEN),
        Some(false) => edit.clear = edit.clear.with(Flags::SEEN),
        None => {}
    }
    match flag {
        Some(FollowUp::Active) => {
            edit.set = edit.set.with(Flags::FLAGGED);
            edit.remove_keywords.push(COMPLETE.to_owned());
        }
        Some(FollowUp::Complete) => {
            edit.clear = edit.clear.with(Flags::FLAGGED);
            edit.add_keywords.push(COMPLETE.to_owned());
        }
        Some(FollowUp::Clear) => {
            edit.clear = edit.clear.with(Flags::FLAGGED);
            edit.remove_keywords.push(COMPLETE.to_owned());
        }
        None => {}
    }
    if let Some(categories) = categories {
        let wanted: Vec<String> = categories.iter().filter_map(|name| keyword(name)).collect();
        is_altered =
            wanted.len() != categories.len() || wanted.iter().zip(categories).any(|(a, b)| a != b);
        edit.remove_keywords.extend(
            keywords
                .iter()
                .filter(|k| is_category(k) && !wanted.contains(k))
                .cloned(),
        );
        edit.add_keywords
            .extend(wanted.into_iter().filter(|k| !keywords.contains(k)));
    }
    (edit, is_altered)
}

/// Whether a keyword is a category of its owner's, and none of the system's.
#[must_use]
pub fn is_category(keyword: &str) -> bool {
    !keyword.starts_with(['$', '\\'])
}

/// A category as a keyword, which is one word of ASCII (RFC 9051 9, `flag-keyword`).
fn keyword(category: &str) -> Option<String> {
    let word: String = category
        .trim()
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !"(){%*\"\\]".contains(c) {
                c
            } else {
                '_'
            }
        })
        .take(64)
        .collect();
    (!word.is_empty() && is_category(&word)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_words_and_system_keywords_stay() {
        assert_eq!(keyword("Privat").as_deref(), Some("Privat"));
        assert_eq!(keyword("Rote Kategorie").as_deref(), Some("Rote_Kategorie"));
        assert_eq!(keyword("$Junk"), None);
        assert_eq!(keyword("  "), None);
        let have = ["$Forwarded".to_owned(), "Alt".to_owned(), "Neu".to_owned()];
        let (edit, altered) = edit(
            None,
            None,
            Some(&["Neu".to_owned(), "Zwei Worte".to_owned()]),
            &have,
        );
        assert_eq!(edit.remove_keywords, ["Alt"]);
        assert_eq!(edit.add_keywords, ["Zwei_Worte"]);
        assert!(altered);
    }
}
