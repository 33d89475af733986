//! Sharing: with a person, with the whole domain, by a secret link; and what a reader sees of what is not public.
//!
//! Rights are steps: free-busy, reading, writing, administering, each with those before it. A `PRIVATE` item does not exist for
//! anybody but its owner; of a `CONFIDENTIAL` one others see when it is, and nothing else (RFC 5545 3.8.1.3). An unknown CLASS is
//! private. The owner's quota is charged, whoever writes.

use rand::RngExt;
use sha2::{Digest, Sha256};

use super::{ALL, At, FullItem, ItemRow, Items, Place, Shelf};
use crate::error::Refusal;
use crate::format::ical::{Object, escape_text};
use crate::format::mime::codec;
use crate::model::{AccountId, ItemId, Rights};
use crate::store::grant::{DirectoryRow, LinkRow, PersonalEdit, ShareRow, SharedRow};

/// Shares of one collection.
const MAX_SHARES: usize = 500;
/// Links of one collection.
const MAX_LINKS: usize = 50;
/// Octets of a link's token before it is written down.
const TOKEN_BYTES: usize = 24;

/// How far somebody may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// When it is, nothing else.
    FreeBusy,
    /// Everything that is public.
    Read,
    /// Changing it too.
    Write,
    /// Sharing it too.
    Administer,
}

impl Level {
    /// As bits.
    #[must_use]
    pub fn rights(self) -> Rights {
        let mut bits = Rights::FREE_BUSY.0;
        for (step, right) in [
            (Self::Read, Rights::READ),
            (Self::Write, Rights::WRITE),
            (Self::Administer, Rights::ADMINISTER),
        ] {
            if self >= step {
                bits |= right.0;
            }
        }
        Rights(bits)
    }

    /// The highest step that bits hold.
    #[must_use]
    pub fn of(rights: Rights) -> Option<Self> {
        [Self::Administer, Self::Write, Self::Read, Self::FreeBusy]
            .into_iter()
            .find(|l| rights.has(l.rights()))
    }
}

/// Whom something is shared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grantee<'a> {
    /// The account of an address of this host.
    Person(&'a str),
    /// Everybody of the owner's domain.
    Domain,
}

impl Items {
    /// Shares a collection, or ends that with no level.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] without the right to administer; [`Refusal::NotFound`] for an address that is nobody's here or
    /// the owner's own; [`Refusal::TooMany`].
    pub async fn share(
        &self,
        at: At,
        with: Grantee<'_>,
        level: Option<Level>,
    ) -> Result<(), Refusal> {
        self.place(at, Rights::ADMINISTER).await?;
        let rights = level.map(Level::rights).unwrap_or_default();
        if level.is_some() && self.store.shares(at.owner, at.collection).await?.len() >= MAX_SHARES
        {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        match with {
            Grantee::Domain => {
                let done = self
                    .store
                    .set_domain_grant(at.owner, at.collection, rights)
                    .await?;
                self.hub.wake(done);
            }
            Grantee::Person(address) => {
                let address = address.trim().to_lowercase();
                let (account, _) = self
                    .store
                    .account_at(&address)
                    .await?
                    .filter(|(id, _)| *id != at.owner)
                    .ok_or(Refusal::NotFound)?;
                for done in self
                    .store
                    .set_grant(at.owner, at.collection, account, rights)
                    .await?
                {
                    self.hub.wake(done);
                }
            }
        }
        Ok(())
    }

    /// Whom a collection is shared with.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] without the right to administer.
    pub async fn shares(&self, at: At) -> Result<Vec<ShareRow>, Refusal> {
        self.place(at, Rights::ADMINISTER).await?;
        Ok(self.store.shares(at.owner, at.collection).await?)
    }

    /// Gives back what somebody shared: it leaves the reader's home. What the whole domain got is hidden instead.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn leave(&self, at: At) -> Result<(), Refusal> {
        if at.is_own() {
            return Err(Refusal::NotAllowed);
        }
        self.place(at, Rights::FREE_BUSY).await?;
        for done in self
            .store
            .set_grant(at.owner, at.collection, at.reader, Rights::default())
            .await?
        {
            self.hub.wake(done);
        }
        if self.place(at, Rights::FREE_BUSY).await.is_ok() {
            let hide = PersonalEdit {
                is_hidden: Some(true),
                ..PersonalEdit::default()
            };
            self.personalize(at, &hide).await?;
        }
        Ok(())
    }

    /// Keeps a reader's own name, colour and wishes for a collection that somebody shares.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`] for an own collection.
    pub async fn personalize(&self, at: At, edit: &PersonalEdit<'_>) -> Result<(), Refusal> {
        if at.is_own() {
            return Err(Refusal::NotAllowed);
        }
        self.place(at, Rights::FREE_BUSY).await?;
        let done = self
            .store
            .set_personal(at.reader, at.owner, at.collection, edit)
            .await?;
        self.hub.wake(done);
        Ok(())
    }

    /// Makes a secret link to a collection, reading or free-busy only, and returns its token: nobody can see it again.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] without the right to administer or for another level, [`Refusal::TooMany`].
    pub async fn add_link(&self, at: At, name: &str, level: Level) -> Result<String, Refusal> {
        self.place(at, Rights::ADMINISTER).await?;
        if level > Level::Read {
            return Err(Refusal::NotAllowed);
        }
        if self.store.links(at.owner, at.collection).await?.len() >= MAX_LINKS {
            return Err(Refusal::TooMany {
                retry_after_secs: 0,
            });
        }
        let mut secret = [0u8; TOKEN_BYTES];
        rand::rng().fill(&mut secret);
        let token = codec::base64(&secret).replace('+', "-").replace('/', "_");
        let name: String = name.chars().filter(|c| !c.is_control()).take(200).collect();
        self.store
            .add_link(
                &hash(&token),
                at.owner,
                at.collection,
                &name,
                level.rights(),
            )
            .await?;
        Ok(token)
    }

    /// The links of a collection, without their tokens.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] without the right to administer.
    pub async fn links(&self, at: At) -> Result<Vec<LinkRow>, Refusal> {
        self.place(at, Rights::ADMINISTER).await?;
        Ok(self.store.links(at.owner, at.collection).await?)
    }

    /// Ends a link.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn remove_link(&self, at: At, link: &[u8]) -> Result<(), Refusal> {
        self.place(at, Rights::ADMINISTER).await?;
        if self
            .store
            .remove_link(at.owner, at.collection, link)
            .await?
        {
            Ok(())
        } else {
            Err(Refusal::NotFound)
        }
    }

    /// What a link's token shows: the collection's name, and its items as a stranger may see them, a page by id.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn linked(
        &self,
        token: &str,
        after: ItemId,
        limit: i64,
    ) -> Result<(String, Vec<FullItem>), Refusal> {
        let link = self
            .store
            .use_link(&hash(token))
            .await?
            .ok_or(Refusal::NotFound)?;
        let row = self
            .store
            .collection(link.account_id, link.collection_id)
            .await?
            .ok_or(Refusal::NotFound)?;
        let items = self
            .store
            .scan_items(
                link.account_id,
                link.collection_id,
                &super::ItemFilter::default(),
                after,
                limit.min(1_000),
            )
            .await?;
        let is_busy_only = !link.rights.has(Rights::READ);
        let seen = items
            .into_iter()
            .filter_map(|item| match class_of(&item.row) {
                Class::Private => None,
                Class::Public if !is_busy_only => Some(item),
                Class::Public | Class::Confidential => masked(item),
            })
            .collect();
        Ok((row.name, seen))
    }

    /// The people of the reader's domain who are not hidden, for the address list that everybody has.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn directory(&self, reader: AccountId) -> Result<Vec<DirectoryRow>, Refusal> {
        Ok(self.store.directory(reader).await?)
    }

    /// What others share with a reader, as the reader sees it.
    pub(super) async fn shared_shelves(&self, reader: AccountId) -> Result<Vec<Shelf>, Refusal> {
        Ok(self
            .store
            .shared_with(reader)
            .await?
            .into_iter()
            .map(|shared| shelf_of(reader, shared))
            .collect())
    }

    /// Refuses a change of what the writer cannot see.
    pub(super) async fn check_unseen(&self, place: &Place, href: &str) -> Result<(), Refusal> {
        if place.at.is_own() {
            return Ok(());
        }
        let there = self
            .store
            .item(place.at.owner, place.at.collection, href)
            .await?;
        match there.as_ref().map(class_of) {
            None | Some(Class::Public) => Ok(()),
            Some(Class::Private | Class::Confidential) => Err(Refusal::NotAllowed),
        }
    }
}

/// One person of the address list as a card.
#[must_use]
pub fn directory_card(person: &DirectoryRow) -> String {
    let name = if person.display_name.trim().is_empty() {
        &person.address
    } else {
        &person.display_name
    };
    let name = escape_text(name);
    let (given, family) = name.rsplit_once(' ').unwrap_or(("", &name));
    format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Postamt//Directory//EN\r\nUID:postamt-account-{}\r\nFN:{name}\r\n\
         N:{family};{given};;;\r\nEMAIL;TYPE=INTERNET;TYPE=WORK:{}\r\nEND:VCARD\r\n",
        person.account_id, person.address
    )
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

fn shelf_of(reader: AccountId, shared: SharedRow) -> Shelf {
    let mut row = shared.row;
    if let Some(name) = shared.own_name {
        row.name = name;
    } else {
        let whose = if shared.owner_name.trim().is_empty() {
            &shared.owner_address
        } else {
            &shared.owner_name
        };
        row.name = format!("{} ({whose})", row.name);
    }
    row.color = shared.own_color.or(row.color);
    row.is_default = false;
    let mut rights = Rights(shared.rights.0 & ALL.0);
    if row.subscribed_url.is_some() {
        rights = Rights(rights.0 & Level::Read.rights().0);
    }
    Shelf {
        at: At {
            reader,
            owner: shared.owner_id,
            collection: row.collection_id,
        },
        slug: format!("shared.{}.{}", shared.owner_id, row.collection_id),
        rights,
        owner_address: shared.owner_address,
        owner_name: shared.owner_name,
        is_hidden: shared.is_hidden,
        alarms_off: shared.alarms_off,
        row,
    }
}

/// Who may see an item (RFC 5545 3.8.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Public,
    Confidential,
    Private,
}

pub(super) fn class_of(row: &ItemRow) -> Class {
    class_in(&row.facts)
}

pub(super) fn class_in(facts: &serde_json::Value) -> Class {
    match facts.get("class").and_then(serde_json::Value::as_str) {
        None | Some("PUBLIC") => Class::Public,
        Some("CONFIDENTIAL") => Class::Confidential,
        Some(_) => Class::Private,
    }
}

/// The item as a reader may see it; none when it does not exist for them.
pub(super) fn seen(at: At, item: FullItem) -> Option<FullItem> {
    if at.is_own() {
        return Some(item);
    }
    match class_of(&item.row) {
        Class::Public => Some(item),
        Class::Confidential => masked(item),
        Class::Private => None,
    }
}

/// The row as a reader may see it.
pub(super) fn seen_row(at: At, mut row: ItemRow) -> Option<ItemRow> {
    if at.is_own() {
        return Some(row);
    }
    match class_of(&row) {
        Class::Public => Some(row),
        Class::Confidential => {
            mask_row(&mut row);
            Some(row)
        }
        Class::Private => None,
    }
}

fn mask_row(row: &mut ItemRow) {
    row.summary.clear();
    row.next_alarm_at = None;
    let kept = ["repeats", "all_day", "class", "is_free", "status"];
    if let Some(facts) = row.facts.as_object_mut() {
        facts.retain(|name, _| kept.contains(&name.as_str()));
    }
}

/// When it is, and nothing else.
fn masked(mut item: FullItem) -> Option<FullItem> {
    let limits = crate::format::ical::Limits::default();
    let mut object = Object::parse(&item.source, &limits).ok()?;
    let word = object.kind().word();
    for mut part in object.root_mut().children_mut() {
        if !part.read().is(word) {
            continue;
        }
        part.retain(|name| SEEN.iter().any(|kept| name.eq_ignore_ascii_case(kept)));
        part.remove_children(|_| true);
    }
    let source = object.tree().to_bytes();
    item.source = source;
    item.row.size_bytes = i64::try_from(item.source.len()).unwrap_or(i64::MAX);
    mask_row(&mut item.row);
    Some(item)
}

/// What everybody may see of what takes time.
const SEEN: [&str; 16] = [
    "UID",
    "DTSTAMP",
    "DTSTART",
    "DTEND",
    "DUE",
    "DURATION",
    "RRULE",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RECURRENCE-ID",
    "SEQUENCE",
    "STATUS",
    "TRANSP",
    "CLASS",
    "LAST-MODIFIED",
];
