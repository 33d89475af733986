//! Collections as their reader sees them: own ones, and those others share.

use serde_json::Value;

use super::put::components_of;
use super::{ALL, At, CollectionRow, Items, PersonalEdit};
use crate::error::Refusal;
use crate::model::{AccountId, Charge, CollectionId, CollectionKind, ItemId, Rights};
use crate::store::collection::{CollectionEdit, NewCollection};
use crate::store::item::Precondition;

/// Collections of one account.
const MAX_COLLECTIONS: usize = 500;
/// Items removed in one commit (style.md 6).
const BITE: i64 = 500;
/// Characters of a name; of a description.
const MAX_NAME: usize = 200;
const MAX_DESCRIPTION: usize = 4_000;
/// Octets of a slug.
const MAX_SLUG: usize = 200;
/// Octets of all dead properties of a collection.
const MAX_PROPERTIES: usize = 65_536;
/// What own slugs never begin with: names of what others share.
const SHARED: &str = "shared.";

/// A collection as its reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shelf {
    /// Its row; name and colour are the reader's own where they chose some.
    pub row: CollectionRow,
    /// Where it is and who asks.
    pub at: At,
    /// Its segment in the reader's paths.
    pub slug: String,
    /// What the reader may do.
    pub rights: Rights,
    /// Its owner's address.
    pub owner_address: String,
    /// Its owner's name.
    pub owner_name: String,
    /// The reader does not want to see it.
    pub is_hidden: bool,
    /// The reader wants no reminders of it.
    pub alarms_off: bool,
}

impl Shelf {
    /// What it holds.
    #[must_use]
    pub fn kind(&self) -> Option<CollectionKind> {
        self.row.kind()
    }

    /// The component it takes: `VEVENT`, `VTODO`, `VJOURNAL`, `VCARD`.
    #[must_use]
    pub fn component(&self) -> &'static str {
        self.kind().map_or("", components_of)
    }

    /// Whether the reader may change what is in it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.rights.has(Rights::WRITE) && self.row.subscribed_url.is_none()
    }
}

/// A collection as it is created.
#[derive(Debug, Clone, Copy)]
pub struct NewShelf<'a> {
    /// What it holds.
    pub kind: CollectionKind,
    /// Its segment in a path.
    pub slug: &'a str,
    /// As shown; empty: the slug.
    pub name: &'a str,
    /// `#rrggbb`.
    pub color: Option<&'a str>,
    /// As shown.
    pub description: &'a str,
    /// Place among the others.
    pub sort_order: i32,
    /// IANA name.
    pub time_zone: Option<&'a str>,
    /// Dead DAV properties.
    pub properties: Option<&'a Value>,
}

/// What changes of a collection; none leaves as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShelfEdit<'a> {
    /// As shown.
    pub name: Option<&'a str>,
    /// `#rrggbb`.
    pub color: Option<&'a str>,
    /// As shown.
    pub description: Option<&'a str>,
    /// Place among the others.
    pub sort_order: Option<i32>,
    /// IANA name.
    pub time_zone: Option<&'a str>,
    /// All dead DAV properties.
    pub properties: Option<&'a Value>,
}

impl ShelfEdit<'_> {
    fn is_empty(&self) -> bool {
        self.name.is_none()
            && self.color.is_none()
            && self.description.is_none()
            && self.sort_order.is_none()
            && self.time_zone.is_none()
            && self.properties.is_none()
    }
}

impl Items {
    /// Every collection the reader has: own ones in their order, then what others share.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn shelves(&self, reader: AccountId) -> Result<Vec<Shelf>, Refusal> {
        let owner = self.store.owner(reader).await?.ok_or(Refusal::NotFound)?;
        let mut all: Vec<Shelf> = self
            .store
            .collections(reader)
            .await?
            .into_iter()
            .map(|row| Shelf {
                at: At::own(reader, row.collection_id),
                slug: row.slug.clone(),
                rights: ALL,
                owner_address: owner.address.clone(),
                owner_name: owner.display_name.clone(),
                is_hidden: false,
                alarms_off: false,
                row,
            })
            .collect();
        all.extend(self.shared_shelves(reader).await?);
        Ok(all)
    }

    /// One collection by its segment in the reader's paths.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn shelf(&self, reader: AccountId, slug: &str) -> Result<Shelf, Refusal> {
        self.shelves(reader)
            .await?
            .into_iter()
            .find(|s| s.slug == slug)
            .ok_or(Refusal::NotFound)
    }

    /// Where new objects of a kind go.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the account has no collection of the kind.
    pub async fn default_shelf(
        &self,
        account: AccountId,
        kind: CollectionKind,
    ) -> Result<Shelf, Refusal> {
        let mut own: Vec<Shelf> = self
            .shelves(account)
            .await?
            .into_iter()
            .filter(|s| s.at.is_own() && s.kind() == Some(kind) && s.is_writable())
            .collect();
        own.sort_by_key(|s| (!s.row.is_default, s.row.collection_id));
        own.into_iter().next().ok_or(Refusal::NotFound)
    }

    /// Creates a collection.
    ///
    /// # Errors
    /// [`Refusal::Exists`] when the segment is taken, [`Refusal::Invalid`], [`Refusal::TooMany`] beyond the limit.
    pub async fn create_shelf(
        &self,
        account: AccountId,
        new: &NewShelf<'_>,
    ) -> Result<CollectionId, Refusal> {
        check_slug(new.slug)?;
        let name = if new.name.trim().is_empty() {
            new.slug
        } else {
            new.name.trim()
        };
        check_edit(&ShelfEdit {
            name: Some(name),
            color: new.color,
            description: Some(new.description),
            time_zone: new.time_zone,
            properties: new.properties,
            sort_order: None,
        })?;
        if self.store.collections(account).await?.len() >= MAX_COLLECTIONS {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        let draft = self.store.draft().await?;
        let mut write = draft.lock(account, Charge::NONE).await?;
        let id = write
            .create_collection(&NewCollection {
                kind: new.kind,
                slug: new.slug,
                name,
                color: new.color,
                description: new.description,
                sort_order: new.sort_order,
                is_default: false,
                time_zone: new.time_zone,
            })
            .await?;
        if new.properties.is_some() {
            write
                .edit_collection(
                    id,
                    &CollectionEdit {
                        properties: new.properties,
                        ..CollectionEdit::default()
                    },
                )
                .await?;
        }
        self.hub.wake(write.commit().await?);
        Ok(id)
    }

    /// Changes a collection itself. Of what others share, name and colour are the reader's own; the rest is the owner's and
    /// of those who administer it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`], [`Refusal::Invalid`].
    pub async fn edit_shelf(&self, at: At, edit: &ShelfEdit<'_>) -> Result<(), Refusal> {
        self.place(at, Rights::FREE_BUSY).await?;
        check_edit(edit)?;
        let mut edit = *edit;
        if !at.is_own() {
            if edit.name.is_some() || edit.color.is_some() {
                let own = PersonalEdit {
                    name: edit.name.take(),
                    color: edit.color.take(),
                    ..PersonalEdit::default()
                };
                self.personalize(at, &own).await?;
            }
            if edit.is_empty() {
                return Ok(());
            }
        }
        self.place(at, Rights::ADMINISTER).await?;
        let draft = self.store.draft().await?;
        let mut write = draft.lock(at.owner, Charge::NONE).await?;
        write
            .edit_collection(
                at.collection,
                &CollectionEdit {
                    name: edit.name,
                    color: edit.color,
                    description: edit.description,
                    sort_order: edit.sort_order,
                    time_zone: edit.time_zone,
                    properties: edit.properties,
                },
            )
            .await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Deletes a collection with everything in it; its items stay restorable for a time. What others share is given back.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`]: also for the last collection of a kind where new objects go.
    pub async fn delete_shelf(&self, at: At) -> Result<(), Refusal> {
        if !at.is_own() {
            return self.leave(at).await;
        }
        let place = self.place(at, Rights::ADMINISTER).await?;
        let all = self.store.collections(at.owner).await?;
        let is_only = !all.iter().any(|c| {
            c.collection_id != at.collection
                && c.kind() == Some(place.kind)
                && c.subscribed_url.is_none()
        });
        if is_only && !place.is_subscribed {
            return Err(Refusal::NotAllowed);
        }
        loop {
            let some = self
                .store
                .items(at.owner, at.collection, ItemId(0), BITE)
                .await?;
            let is_last = i64::try_from(some.len()).is_ok_and(|n| n < BITE);
            let draft = self.store.draft().await?;
            let mut write = draft.lock(at.owner, Charge::NONE).await?;
            for row in &some {
                let keep = (!place.is_subscribed).then_some(super::put::KEEP_DAYS);
                match write
                    .remove_item(at.collection, &row.href, Precondition::Any, keep)
                    .await
                {
                    // Another door was quicker.
                    Ok(_) | Err(Refusal::NotFound) => {}
                    Err(other) => return Err(other),
                }
            }
            let done = if is_last {
                write.delete_collection(at.collection).await
            } else {
                Err(Refusal::NotFound)
            };
            self.hub.wake(write.commit().await?);
            if done.is_ok() {
                for reader in self.store.forget_grants(at.owner, at.collection).await? {
                    self.hub.wake(reader);
                }
                return Ok(());
            }
            if self
                .store
                .collection(at.owner, at.collection)
                .await?
                .is_none()
            {
                return Err(Refusal::NotFound);
            }
        }
    }
}

fn check_slug(slug: &str) -> Result<(), Refusal> {
    let is_name = !slug.is_empty()
        && slug.len() <= MAX_SLUG
        && slug != "."
        && slug != ".."
        && !slug.to_ascii_lowercase().starts_with(SHARED)
        && !slug.chars().any(|c| c.is_control() || c == '/');
    if is_name {
        Ok(())
    } else {
        Err(Refusal::Invalid("slug"))
    }
}

fn check_edit(edit: &ShelfEdit<'_>) -> Result<(), Refusal> {
    if let Some(name) = edit.name {
        let is_name = !name.trim().is_empty()
            && name.chars().count() <= MAX_NAME
            && !name.chars().any(char::is_control);
        if !is_name {
            return Err(Refusal::Invalid("name"));
        }
    }
    if edit
        .description
        .is_some_and(|d| d.chars().count() > MAX_DESCRIPTION)
    {
        return Err(Refusal::Invalid("description"));
    }
    if let Some(color) = edit.color {
        let is_color = color.len() == 7
            && color
                .strip_prefix('#')
                .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !is_color {
            return Err(Refusal::Invalid("color"));
        }
    }
    if edit
        .time_zone
        .is_some_and(|z| z.parse::<chrono_tz::Tz>().is_err())
    {
        return Err(Refusal::Invalid("time zone"));
    }
    if edit
        .properties
        .is_some_and(|p| p.to_string().len() > MAX_PROPERTIES)
    {
        return Err(Refusal::Invalid("properties"));
    }
    Ok(())
}
