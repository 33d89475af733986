//! What a user may choose, with the defaults: one struct, stored one name a row.
//!
//! A stored value that no longer means anything (an older program's, a hand's) is the default again and harms no other.
//! A value that equals the default is not stored, so that a later default reaches everybody who never chose.
//! Name, language and time zone belong to the account itself ([`Accounts::change_own`]).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Accounts;
use super::admin::{check_change, display_name};
use crate::error::Refusal;
use crate::format::address::Address;
use crate::format::html::{CleanOptions, Purpose, clean, html_to_text};
use crate::model::{AccountId, Charge};
use crate::store::account::admin::AccountChange;
use crate::store::preference::{IdentityRow, SignatureRow};

/// An enum with its stored spelling, which is also the one of forms and attributes.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $first:ident = $first_text:literal, $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the spellings beside them say it")]
        pub enum $name {
            #[default]
            #[serde(rename = $first_text)]
            $first,
            $(#[serde(rename = $text)] $variant),*
        }

        impl $name {
            /// Every choice, the default first.
            pub const ALL: &'static [Self] = &[Self::$first, $(Self::$variant),*];

            /// The stored spelling.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::$first => $first_text,
                    $(Self::$variant => $text),*
                }
            }
        }
    };
}

choice!(
    /// Light or dark.
    Theme { System = "system", Light = "light", Dark = "dark" }
);
choice!(
    /// Height of a list row: three lines, two, one.
    Density { Komfortabel = "komfortabel", Normal = "normal", Kompakt = "kompakt" }
);
choice!(
    /// Ours, or the system's.
    Font { Inter = "inter", System = "system" }
);
choice!(
    /// Where an opened message is shown beside the list.
    Reader { Right = "right", Below = "below", Off = "off" }
);
choice!(
    /// Keyboard shortcuts (WCAG 2.1.4).
    Keys { On = "on", Lists = "lists", Off = "off" }
);
choice!(
    /// What is opened after archiving or deleting the open message.
    After { Older = "older", Newer = "newer", List = "list" }
);
choice!(
    /// Pictures that lie elsewhere.
    RemotePictures { Ask = "ask", Never = "never", Known = "known" }
);
choice!(
    /// What a new message is written as.
    ComposeFormat { Html = "html", Text = "text" }
);
choice!(
    /// Where an answer begins.
    ReplyPosition { Above = "above", Below = "below" }
);
choice!(
    /// The first day of a week.
    WeekStart { Monday = "monday", Sunday = "sunday", Saturday = "saturday" }
);
choice!(
    /// Size of the letters.
    TextSize { Normal = "normal", Small = "small", Large = "large" }
);

/// Everything a user may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preferences {
    /// Light or dark.
    pub theme: Theme,
    /// Height of a list row.
    pub density: Density,
    /// The typeface.
    pub font: Font,
    /// Size of the letters.
    pub text_size: TextSize,
    /// Where an opened message is shown.
    pub reader: Reader,
    /// Whether things move; the system's own setting against motion goes before.
    pub animations: bool,
    /// Keyboard shortcuts.
    pub keys: Keys,
    /// The first day of a week.
    pub week_start: WeekStart,
    /// Numbers of weeks in calendars.
    pub week_numbers: bool,
    /// Messages of one conversation together.
    pub threads: bool,
    /// Milliseconds until an opened message counts as read; none: never by itself.
    pub mark_read_ms: Option<u32>,
    /// What is opened after archiving or deleting.
    pub after: After,
    /// Pictures that lie elsewhere.
    pub remote_pictures: RemotePictures,
    /// What a new message is written as.
    pub compose_format: ComposeFormat,
    /// Where an answer begins.
    pub reply_position: ReplyPosition,
    /// Seconds in which a sent message can be taken back.
    pub undo_seconds: u32,
    /// Asks when the text speaks of an attachment and there is none.
    pub attachment_reminder: bool,
    /// Remembers whom one writes to, for the address fields.
    pub collect_addresses: bool,
    /// Notifications of the browser on the desktop.
    pub notify_desktop: bool,
    /// Whether they show sender and subject.
    pub notify_details: bool,
    /// The default signature below answers and forwards too.
    pub signature_in_replies: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            theme: Theme::default(),
            density: Density::default(),
            font: Font::default(),
            text_size: TextSize::default(),
            reader: Reader::default(),
            animations: true,
            keys: Keys::default(),
            week_start: WeekStart::default(),
            week_numbers: true,
            threads: true,
            mark_read_ms: Some(2_000),
            after: After::default(),
            remote_pictures: RemotePictures::default(),
            compose_format: ComposeFormat::default(),
            reply_position: ReplyPosition::default(),
            undo_seconds: 10,
            attachment_reminder: true,
            collect_addresses: true,
            notify_desktop: false,
            notify_details: true,
            signature_in_replies: true,
        }
    }
}

impl Preferences {
    /// Puts stored rows over the defaults; what means nothing is passed over.
    fn from_rows(rows: Vec<(String, Value)>) -> Self {
        let mut all = Self::default().object();
        for (name, value) in rows {
            let Some(default) = all.insert(name.clone(), value) else {
                all.remove(&name);
                continue;
            };
            if Self::from_object(all.clone()).is_err() {
                all.insert(name, default);
            }
        }
        Self::from_object(all).unwrap_or_default()
    }

    fn from_object(object: Map<String, Value>) -> Result<Self, Refusal> {
        let read: Self = serde_json::from_value(Value::Object(object))
            .map_err(|_| Refusal::Invalid("preference"))?;
        let is_sane = read.undo_seconds <= MAX_UNDO_SECONDS
            && read.mark_read_ms.is_none_or(|ms| ms <= MAX_MARK_READ_MS);
        if is_sane {
            Ok(read)
        } else {
            Err(Refusal::Invalid("preference"))
        }
    }

    fn object(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(object)) => object,
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

/// What the account's owner changes on the account itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnChange {
    /// The name people see.
    pub display_name: Option<String>,
    /// `de` or `en`.
    pub locale: Option<String>,
    /// An IANA name.
    pub time_zone: Option<String>,
}

/// An identity as its owner wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewIdentity<'a> {
    /// The one to be written anew; none adds one.
    pub id: Option<i64>,
    /// An address the account owns.
    pub address: &'a str,
    /// The name beside it.
    pub name: &'a str,
    /// Where answers go; empty: to the address itself.
    pub reply_to: &'a str,
    /// The signature new mail begins with.
    pub signature: Option<i64>,
    /// Chosen when nothing else is.
    pub is_default: bool,
}

/// Most seconds a message may be held back.
const MAX_UNDO_SECONDS: u32 = 60;
/// Most milliseconds before an opened message counts as read.
const MAX_MARK_READ_MS: u32 = 60_000;
/// Signatures of one account.
const MAX_SIGNATURES: i64 = 50;
/// Identities of one account.
const MAX_IDENTITIES: usize = 50;
/// Octets of a signature.
const MAX_SIGNATURE: usize = 64 * 1024;

impl Accounts {
    /// What the user chose, defaults for the rest.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn preferences(&self, account: AccountId) -> Result<Preferences, Refusal> {
        Ok(Preferences::from_rows(
            self.store.preferences(account).await?,
        ))
    }

    /// Sets one preference by the name of its field; `null` goes back to the default, except where none is a choice.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`preference`) for a name or value nobody knows.
    pub async fn set_preference(
        &self,
        account: AccountId,
        name: &str,
        value: Value,
    ) -> Result<(), Refusal> {
        let mut all = self.preferences(account).await?.object();
        if !all.contains_key(name) {
            return Err(Refusal::Invalid("preference"));
        }
        all.insert(name.to_owned(), value);
        let new = Preferences::from_object(all)?;
        self.set_preferences(account, &new).await
    }

    /// Sets them all; only what differs from the default is stored.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`preference`) for a number out of its range.
    pub async fn set_preferences(
        &self,
        account: AccountId,
        new: &Preferences,
    ) -> Result<(), Refusal> {
        let (new, defaults) = (new.object(), Preferences::default().object());
        Preferences::from_object(new.clone())?;
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        for (name, value) in &new {
            let chosen = Some(value).filter(|value| defaults.get(name) != Some(*value));
            write.set_preference(name, chosen).await?;
        }
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Changes what the owner may change on the account itself.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`name`, `locale`, `time-zone`).
    pub async fn change_own(&self, account: AccountId, change: &OwnChange) -> Result<(), Refusal> {
        let change = AccountChange {
            display_name: change
                .display_name
                .as_ref()
                .map(|name| name.trim().to_owned()),
            locale: change.locale.clone(),
            time_zone: change.time_zone.clone(),
            ..AccountChange::default()
        };
        check_change(&change)?;
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.change_account(&change).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// The account's signatures by name.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn signatures(&self, account: AccountId) -> Result<Vec<SignatureRow>, Refusal> {
        Ok(self.store.signatures(account).await?)
    }

    /// Adds a signature, or writes one anew. Its HTML is cleaned, its plain text made from it; its id.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`name`, `too-many`), [`Refusal::TooLarge`], [`Refusal::NotFound`].
    pub async fn save_signature(
        &self,
        account: AccountId,
        id: Option<i64>,
        name: &str,
        html: &str,
    ) -> Result<i64, Refusal> {
        let name = display_name(name)?;
        if name.is_empty() {
            return Err(Refusal::Invalid("name"));
        }
        if html.len() > MAX_SIGNATURE {
            return Err(Refusal::TooLarge {
                limit_bytes: u64::try_from(MAX_SIGNATURE).unwrap_or(u64::MAX),
            });
        }
        // At most 64 KiB: a millisecond of work.
        let cleaned = clean(html, &CleanOptions::new(Purpose::Edit)).html;
        let plain = html_to_text(&cleaned);
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let id = write
            .save_signature(id, name, &cleaned, plain.trim_end(), MAX_SIGNATURES)
            .await?;
        self.hub.wake(write.commit().await?);
        Ok(id)
    }

    /// Deletes a signature.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_signature(&self, account: AccountId, id: i64) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.delete_signature(id).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Who the account may write as, the default first: its identities, and every own address that has none yet
    /// (with id 0 and the account's name). An identity whose address is no longer owned is left out.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn identities(&self, account: AccountId) -> Result<Vec<IdentityRow>, Refusal> {
        let row = self.account(account).await?;
        let own = self.store.own_addresses(account).await?;
        let mut identities = Vec::new();
        for identity in self.store.identities(account).await? {
            let is_own = own.contains(&identity.address)
                || match Address::parse(&identity.address) {
                    Ok(address) => self.owns_address(account, &address).await?,
                    Err(_) => false,
                };
            if is_own {
                identities.push(identity);
            }
        }
        let has_default = identities.iter().any(|identity| identity.is_default);
        for address in own {
            if identities
                .iter()
                .all(|identity| identity.address != address)
            {
                identities.push(IdentityRow {
                    identity_id: 0,
                    is_default: !has_default && address == row.address,
                    address,
                    name: row.display_name.clone(),
                    reply_to: String::new(),
                    signature_id: None,
                });
            }
        }
        identities.sort_by_key(|identity| !identity.is_default);
        Ok(identities)
    }

    /// Adds an identity, or writes one anew; its id.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`address` for one the account does not own, `name`, `reply-to`, `too-many`),
    /// [`Refusal::NotFound`].
    pub async fn save_identity(
        &self,
        account: AccountId,
        new: &NewIdentity<'_>,
    ) -> Result<i64, Refusal> {
        let address =
            Address::parse(new.address.trim()).map_err(|_| Refusal::Invalid("address"))?;
        if !self.owns_address(account, &address).await? {
            return Err(Refusal::Invalid("address"));
        }
        let reply_to = match new.reply_to.trim() {
            "" => String::new(),
            text => Address::parse(text)
                .map_err(|_| Refusal::Invalid("reply-to"))?
                .to_string(),
        };
        if new.id.is_none() && self.store.identities(account).await?.len() >= MAX_IDENTITIES {
            return Err(Refusal::Invalid("too-many"));
        }
        let row = IdentityRow {
            identity_id: new.id.unwrap_or(0),
            address: address.compare_form(),
            name: display_name(new.name)?.to_owned(),
            reply_to,
            signature_id: new.signature,
            is_default: new.is_default,
        };
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let id = write.save_identity(&row).await?;
        self.hub.wake(write.commit().await?);
        Ok(id)
    }

    /// Deletes an identity; the address itself stays the account's.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn delete_identity(&self, account: AccountId, id: i64) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        write.delete_identity(id).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn stored_values_lie_over_the_defaults_and_nonsense_harms_nothing() {
        let rows = vec![
            ("theme".to_owned(), json!("dark")),
            ("density".to_owned(), json!("no such")),
            ("mark_read_ms".to_owned(), json!(null)),
            ("undo_seconds".to_owned(), json!(1_000_000)),
            ("gone".to_owned(), json!(1)),
            ("threads".to_owned(), json!("yes")),
        ];
        let read = Preferences::from_rows(rows);
        let wanted = Preferences {
            theme: Theme::Dark,
            mark_read_ms: None,
            ..Preferences::default()
        };
        assert_eq!(read, wanted);
    }
}
