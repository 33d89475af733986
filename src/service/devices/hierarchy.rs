//! What a device knows of the folders (MS-ASCMD 2.2.1.5; two generations as for everything a device holds).
//!
//! The list is small, so a generation simply keeps it: a folder may come or go for a device without any change number (the owner
//! ticks it). A repeated key gets the same stretch again under the same key, to the list that was answered before: whichever of
//! the two answers the device took, it knows the same.
//!
//! ```text
//! previous ──the last answer──> current        asked with current's key: current becomes previous, now becomes current
//!                                              asked with previous' key: the answer was lost, the same again
//! ```

use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::{DeviceRow, Devices};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::model::{AccountId, FolderId, SpecialUse};
use crate::service::mail::Mail;
use crate::store::folder::FolderRow;

/// What a folder is for (MS-ASCMD 2.2.3.170.2).
pub mod kind {
    pub const INBOX: u8 = 2;
    pub const DRAFTS: u8 = 3;
    pub const TRASH: u8 = 4;
    pub const SENT: u8 = 5;
    pub const OUTBOX: u8 = 6;
    pub const MAIL: u8 = 12;
}

/// The id of the outbox, which devices want to see and which nothing is ever in.
pub const OUTBOX: &str = "outbox";
/// The id of what all folders lie in.
pub const ROOT: &str = "0";

/// A folder as a device knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFolder {
    /// `ServerId`
    pub id: String,
    /// `ParentId`
    pub parent: String,
    /// `DisplayName`
    pub name: String,
    /// `Type`
    pub kind: u8,
}

/// What is new for a device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderNews {
    /// The key of the list it then knows.
    pub key: String,
    /// Those it does not have; parents first.
    pub added: Vec<KnownFolder>,
    /// Those that look otherwise.
    pub changed: Vec<KnownFolder>,
    /// Those that left; children first.
    pub gone: Vec<String>,
}

impl FolderNews {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.added.len() + self.changed.len() + self.gone.len()
    }
}

/// Why the folders did not change as the device asked.
#[derive(Debug)]
pub enum FolderFault {
    /// It does not know the present list: it starts anew.
    Key,
    /// A service said no.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for FolderFault {
    fn from(e: E) -> Self {
        Self::Refused(e.into())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Generation {
    key: String,
    folders: Vec<KnownFolder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
struct State {
    current: Option<Generation>,
    previous: Option<Generation>,
}

impl State {
    fn of(device: &DeviceRow) -> Self {
        Self::deserialize(&device.folder_state).unwrap_or_default()
    }

    fn is_current(&self, key: &str) -> bool {
        self.current.as_ref().is_some_and(|g| g.key == key)
    }

    fn is_previous(&self, key: &str) -> bool {
        self.previous.as_ref().is_some_and(|g| g.key == key)
    }

    /// The list after the present one.
    fn go_on(&mut self, folders: Vec<KnownFolder>) -> String {
        let key = self
            .current
            .as_ref()
            .map_or_else(first_key, |g| next_key(&g.key));
        let next = Generation {
            key: key.clone(),
            folders,
        };
        self.previous = self.current.replace(next);
        key
    }
}

/// `prefix:1`; the prefix is drawn anew each time, so that a key of an older life never fits.
pub(super) fn first_key() -> String {
    format!("{:08x}:1", rand::rng().random::<u32>())
}

pub(super) fn next_key(key: &str) -> String {
    match key
        .split_once(':')
        .and_then(|(prefix, n)| Some((prefix, n.parse::<u64>().ok()?)))
    {
        Some((prefix, n)) => format!("{prefix}:{}", n.wrapping_add(1)),
        None => first_key(),
    }
}

fn news(before: &[KnownFolder], after: &[KnownFolder], key: String) -> FolderNews {
    let find = |list: &[KnownFolder], id: &str| list.iter().position(|f| f.id == id);
    let mut news = FolderNews {
        key,
        ..FolderNews::default()
    };
    for folder in after {
        match find(before, &folder.id).and_then(|at| before.get(at)) {
            None => news.added.push(folder.clone()),
            Some(old) if old != folder => news.changed.push(folder.clone()),
            Some(_) => {}
        }
    }
    // Lists are kept with parents first.
    news.gone = before
        .iter()
        .rev()
        .filter(|old| find(after, &old.id).is_none())
        .map(|old| old.id.clone())
        .collect();
    news
}

impl Devices {
    /// What is new among the folders for a device that knows the list of `key` (`0`: nothing).
    ///
    /// # Errors
    /// [`FolderFault::Key`]; [`FolderFault::Refused`].
    pub async fn sync_folders(
        &self,
        account: AccountId,
        lang: Lang,
        device: &str,
        key: &str,
    ) -> Result<FolderNews, FolderFault> {
        for _ in 0..TRIES {
            let row = self.row(account, device).await?;
            let mut state = State::of(&row);
            let now = self.folders_now(account, lang).await?;
            let answer = if key == "0" {
                state = State::default();
                let key = state.go_on(now.clone());
                news(&[], &now, key)
            } else if state.is_current(key) {
                let known = state.current.as_ref().map_or(&[][..], |g| &g.folders);
                let found = news(known, &now, key.to_owned());
                if found.count() == 0 {
                    return Ok(found);
                }
                let key = state.go_on(now);
                FolderNews { key, ..found }
            } else if let (true, Some(previous), Some(current)) =
                (state.is_previous(key), &state.previous, &state.current)
            {
                return Ok(news(
                    &previous.folders,
                    &current.folders,
                    current.key.clone(),
                ));
            } else {
                return Err(FolderFault::Key);
            };
            if self.keep_folders(account, device, &row, &state).await? {
                return Ok(answer);
            }
        }
        Err(Refusal::Stale.into())
    }

    /// Whether the device's list is not the present one any more: it is to ask for the folders.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn folders_changed(
        &self,
        account: AccountId,
        lang: Lang,
        device: &str,
    ) -> Result<bool, Refusal> {
        let row = self.row(account, device).await?;
        let Some(current) = State::of(&row).current else {
            return Ok(false);
        };
        let now = self.folders_now(account, lang).await?;
        Ok(news(&current.folders, &now, String::new()).count() > 0)
    }

    /// Creates a mail folder for a device that knows the list of `key`; returns its id and the new key. A repeated request finds
    /// what the first one made.
    ///
    /// # Errors
    /// [`FolderFault::Key`]; [`FolderFault::Refused`] as [`Mail::create_folder`].
    pub async fn create_folder(
        &self,
        mail: &Mail,
        account: AccountId,
        device: &str,
        (key, parent, name): (&str, &str, &str),
    ) -> Result<(String, String), FolderFault> {
        let row = self.row(account, device).await?;
        let mut state = State::of(&row);
        let name = name.trim();
        if let (true, Some(previous), Some(current)) =
            (state.is_previous(key), &state.previous, &state.current)
        {
            let made = current.folders.iter().find(|f| {
                f.parent == parent
                    && f.name == name
                    && !previous.folders.iter().any(|old| old.id == f.id)
            });
            return match made {
                Some(made) => Ok((made.id.clone(), current.key.clone())),
                None => Err(FolderFault::Key),
            };
        }
        if !state.is_current(key) {
            return Err(FolderFault::Key);
        }
        let above = parent_id(parent)?;
        let folder = mail.create_folder(account, above, &level(name)).await?;
        let made = KnownFolder {
            id: folder.to_string(),
            parent: parent.to_owned(),
            name: name.to_owned(),
            kind: kind::MAIL,
        };
        let mut folders = state
            .current
            .as_ref()
            .map(|g| g.folders.clone())
            .unwrap_or_default();
        folders.push(made.clone());
        let key = state.go_on(folders);
        if !self.keep_folders(account, device, &row, &state).await? {
            return Err(FolderFault::Key);
        }
        Ok((made.id, key))
    }

    /// Gives a mail folder another name or place for a device that knows the list of `key`; returns the new key.
    ///
    /// # Errors
    /// [`FolderFault::Key`]; [`FolderFault::Refused`] as [`Mail::rename_folder`].
    pub async fn update_folder(
        &self,
        mail: &Mail,
        account: AccountId,
        device: &str,
        (key, id, parent, name): (&str, &str, &str, &str),
    ) -> Result<String, FolderFault> {
        let row = self.row(account, device).await?;
        let mut state = State::of(&row);
        let name = name.trim();
        let is_same = |f: &KnownFolder| f.id == id && f.parent == parent && f.name == name;
        if state.is_previous(key)
            && let Some(current) = &state.current
            && current.folders.iter().any(is_same)
        {
            return Ok(current.key.clone());
        }
        if !state.is_current(key) {
            return Err(FolderFault::Key);
        }
        let folder = mail_folder(id).ok_or(Refusal::NoFolder)?;
        // Also a missing parent is to be told apart from a missing folder.
        mail.folder(account, folder).await?;
        let above = parent_id(parent)?;
        if let Some(above) = above {
            mail.folder(account, above)
                .await
                .map_err(|_| Refusal::NotFound)?;
        }
        mail.rename_folder(account, folder, above, &level(name))
            .await?;
        let mut folders = state
            .current
            .as_ref()
            .map(|g| g.folders.clone())
            .unwrap_or_default();
        for known in folders.iter_mut().filter(|f| f.id == id) {
            parent.clone_into(&mut known.parent);
            name.clone_into(&mut known.name);
        }
        let key = state.go_on(parents_first(folders));
        if !self.keep_folders(account, device, &row, &state).await? {
            return Err(FolderFault::Key);
        }
        Ok(key)
    }

    /// Deletes a mail folder and what is below it for a device that knows the list of `key`; returns the new key.
    ///
    /// # Errors
    /// [`FolderFault::Key`]; [`FolderFault::Refused`] as [`Mail::delete_folder`].
    pub async fn delete_folder(
        &self,
        mail: &Mail,
        account: AccountId,
        device: &str,
        (key, id): (&str, &str),
    ) -> Result<String, FolderFault> {
        let row = self.row(account, device).await?;
        let mut state = State::of(&row);
        if let (true, Some(previous), Some(current)) =
            (state.is_previous(key), &state.previous, &state.current)
        {
            let had = previous.folders.iter().any(|f| f.id == id);
            let has = current.folders.iter().any(|f| f.id == id);
            return if had && !has {
                Ok(current.key.clone())
            } else {
                Err(FolderFault::Key)
            };
        }
        if !state.is_current(key) {
            return Err(FolderFault::Key);
        }
        let folder = mail_folder(id).ok_or(Refusal::NoFolder)?;
        mail.delete_folder(account, folder).await?;
        let mut doomed = vec![id.to_owned()];
        let mut folders = Vec::new();
        for known in state
            .current
            .as_ref()
            .map(|g| g.folders.clone())
            .unwrap_or_default()
        {
            if doomed.contains(&known.id) || doomed.contains(&known.parent) {
                doomed.push(known.id);
            } else {
                folders.push(known);
            }
        }
        let key = state.go_on(folders);
        if !self.keep_folders(account, device, &row, &state).await? {
            return Err(FolderFault::Key);
        }
        Ok(key)
    }

    async fn row(&self, account: AccountId, device: &str) -> Result<DeviceRow, Refusal> {
        self.store
            .device(account, device)
            .await?
            .ok_or(Refusal::NotFound)
    }

    async fn keep_folders(
        &self,
        account: AccountId,
        device: &str,
        before: &DeviceRow,
        after: &State,
    ) -> Result<bool, Refusal> {
        let after = serde_json::to_value(after).map_err(|_| Refusal::Internal("folder list"))?;
        Ok(self
            .store
            .set_device_folders(account, device, &before.folder_state, &after)
            .await?)
    }

    /// The folders as a device is to know them, parents first.
    async fn folders_now(
        &self,
        account: AccountId,
        lang: Lang,
    ) -> Result<Vec<KnownFolder>, Refusal> {
        let rows = self.store.folders(account).await?;
        let mut folders: Vec<KnownFolder> =
            rows.iter().map(|row| known(row, &rows, lang)).collect();
        folders.push(KnownFolder {
            id: OUTBOX.to_owned(),
            parent: ROOT.to_owned(),
            name: lang.t("outbox"),
            kind: kind::OUTBOX,
        });
        Ok(parents_first(folders))
    }
}

/// A folder row as a device knows it. Its parent is the nearest level above it that is a folder.
fn known(row: &FolderRow, all: &[FolderRow], lang: Lang) -> KnownFolder {
    let above = row
        .name
        .match_indices('/')
        .rev()
        .filter_map(|(at, _)| row.name.split_at_checked(at))
        .find_map(|(path, rest)| {
            let parent = all.iter().find(|f| f.name == path)?;
            Some((parent.folder_id.to_string(), rest.trim_start_matches('/')))
        });
    let (parent, rest) = above.unwrap_or_else(|| (ROOT.to_owned(), row.name.as_str()));
    let special = row.special_use();
    KnownFolder {
        id: row.folder_id.to_string(),
        parent,
        name: match special {
            Some(SpecialUse::Archive) => lang.t("archive-folder"),
            Some(special) => lang.t(special.word()),
            None => rest.to_owned(),
        },
        kind: match special {
            Some(SpecialUse::Inbox) => kind::INBOX,
            Some(SpecialUse::Drafts) => kind::DRAFTS,
            Some(SpecialUse::Trash) => kind::TRASH,
            Some(SpecialUse::Sent) => kind::SENT,
            Some(SpecialUse::Archive | SpecialUse::Junk | SpecialUse::Snoozed) | None => kind::MAIL,
        },
    }
}

/// Parents before their children, otherwise in the order given.
fn parents_first(mut rest: Vec<KnownFolder>) -> Vec<KnownFolder> {
    let mut sorted: Vec<KnownFolder> = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let waits = |f: &KnownFolder, rest: &[KnownFolder]| rest.iter().any(|p| p.id == f.parent);
        let (later, now): (Vec<_>, Vec<_>) = rest.iter().cloned().partition(|f| waits(f, &rest));
        if now.is_empty() {
            // A circle; it cannot be, and is told as it stands.
            sorted.extend(later);
            break;
        }
        sorted.extend(now);
        rest = later;
    }
    sorted
}

/// The mail folder of an id.
#[must_use]
pub fn mail_folder(id: &str) -> Option<FolderId> {
    let is_number = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()) && id != ROOT;
    is_number.then(|| id.parse().ok()).flatten()
}

fn parent_id(id: &str) -> Result<Option<FolderId>, Refusal> {
    if id == ROOT || id.is_empty() {
        return Ok(None);
    }
    mail_folder(id).map(Some).ok_or(Refusal::NoFolder)
}

/// A slash is no part of a level's name; its twin stands in for it, and the device is told so at the next look.
fn level(name: &str) -> String {
    name.replace('/', "\u{2215}")
}

/// Tries against another request of the same device.
const TRIES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &str, parent: &str, name: &str) -> KnownFolder {
        KnownFolder {
            id: id.to_owned(),
            parent: parent.to_owned(),
            name: name.to_owned(),
            kind: kind::MAIL,
        }
    }

    #[test]
    fn keys_count_up_under_their_prefix() {
        let first = first_key();
        assert!(first.ends_with(":1"));
        let second = next_key(&first);
        assert_eq!(second, first.replace(":1", ":2"));
        assert!(first.len() <= 64);
        assert_ne!(first_key(), first);
    }

    #[test]
    fn parents_come_first_and_children_leave_first() {
        let before = parents_first(vec![
            folder("3", "2", "c"),
            folder("2", "1", "b"),
            folder("1", "0", "a"),
        ]);
        let ids: Vec<&str> = before.iter().map(|f| f.id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "3"]);
        let gone = news(&before, &[], String::new()).gone;
        assert_eq!(gone, ["3", "2", "1"]);
        let mut after = before.clone();
        after[1].name = "B".to_owned();
        let found = news(&before, &after, String::new());
        assert_eq!((found.count(), found.changed.len()), (1, 1));
    }

    #[test]
    fn ids_of_mail_folders_are_numbers() {
        assert_eq!(mail_folder("17"), Some(FolderId(17)));
        for id in ["0", "", "-1", "+1", "outbox", "1x", "99999999999999999999"] {
            assert_eq!(mail_folder(id), None, "{id}");
        }
    }
}
