//! Whose mail is it: what an address means at RCPT (`security.md` 9), and which addresses an account may send as (S-31).
//!
//! The first that fits wins: the address itself, the address without its `+tag` (RFC 5233), `postmaster` and `abuse`
//! (RFC 5321 4.5.1, RFC 2142: the domain's first administrator), the domain's catch-all `@domain`. A plain mailbox costs one
//! statement, quota read fresh in it; an alias one more for each level it unfolds. Nothing is cached: an answer that is a
//! second old could take mail for a full or deleted mailbox.
//!
//! A return path that we made for mail an alias led on (`format/srs.rs`) means its sender, before any catch-all; one we did not
//! make means nobody.
//!
//! Nothing here rewrites an address: `a%b@c`, `c!a` and quoted local parts mean a mailbox of exactly that name or nobody.

use std::collections::{HashMap, HashSet};

use super::keys::Purpose;
use super::{Accounts, day};
use crate::error::Refusal;
use crate::format::address::Address;
use crate::format::srs::{self, Origin, Srs};
use crate::model::AccountId;
use crate::store::address::{FoundAddress, Mailbox};

/// Levels an alias may lead through.
const MAX_DEPTH: usize = 10;
/// Addresses one alias may unfold to, over all levels.
const MAX_TARGETS: usize = 1_000;

/// What a recipient address means here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The domain is not ours: relaying, for who may.
    Foreign,
    /// Ours, and nobody there: `550 5.1.1`.
    Unknown,
    /// There, but switched off: `550 5.2.1`.
    Disabled,
    /// No room now: `452 4.2.2`.
    Full,
    /// Larger than the whole quota: `552 5.2.2`.
    TooLarge {
        /// That quota.
        limit_bytes: i64,
    },
    /// To be delivered.
    Deliver(Delivery),
    /// A return path of ours: a notice goes to this sender of mail that was led on. For the null sender only.
    Returning(Address),
}

/// Where a message for one recipient goes; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery {
    /// Mailboxes here, each once.
    pub accounts: Vec<AccountId>,
    /// Addresses at other hosts an alias leads to, each once.
    pub outside: Vec<Address>,
}

/// What a mailbox says to a message of that size.
enum Room {
    Enough,
    Full,
    TooLarge(i64),
}

impl Accounts {
    /// What `to` means, for a message that was declared to have `declared_size` octets (0: not declared).
    ///
    /// A list is served as far as it can be: a member that is switched off is left out; a full one stays in as long as
    /// another one can take the message, and answers for itself at the delivery.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn recipient(&self, to: &Address, declared_size: u64) -> Result<Recipient, Refusal> {
        match self.find(std::slice::from_ref(to)).await?.pop() {
            None | Some(Found::Foreign) => Ok(Recipient::Foreign),
            Some(Found::Unknown) => Ok(Recipient::Unknown),
            Some(Found::Disabled) => Ok(Recipient::Disabled),
            Some(Found::Return(sender)) => Ok(Recipient::Returning(sender)),
            Some(Found::Mailbox(mailbox)) => Ok(judge(&[mailbox], Vec::new(), declared_size)),
            Some(Found::Alias(targets)) => {
                let (mailboxes, outside) = self.unfold(to, targets).await?;
                Ok(judge(&mailboxes, outside, declared_size))
            }
        }
    }

    /// What `<postmaster>` without a domain means (RFC 5321 4.5.1): the host's first administrator.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn bare_postmaster(&self, declared_size: u64) -> Result<Recipient, Refusal> {
        Ok(match self.store.host_postmaster().await? {
            Some(mailbox) => judge(&[mailbox], Vec::new(), declared_size),
            None => Recipient::Unknown,
        })
    }

    /// Whether mail for the domain (in any spelling) is ours to take or refuse.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn is_local_domain(&self, domain: &str) -> Result<bool, Refusal> {
        let Some(ascii) = crate::format::address::domain_to_ascii(domain) else {
            return Ok(false);
        };
        Ok(!self.store.find_addresses(&[ascii], &[]).await?.is_empty())
    }

    /// Whether the account may send as `address`: mail to it reaches this account and nobody else (S-31).
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn owns_address(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<bool, Refusal> {
        let is_mine = |mailboxes: &[Mailbox], outside: &[Address]| {
            outside.is_empty()
                && !mailboxes.is_empty()
                && mailboxes.iter().all(|m| m.account_id == account)
        };
        Ok(
            match self.find(std::slice::from_ref(address)).await?.pop() {
                Some(Found::Mailbox(mailbox)) => is_mine(&[mailbox], &[]),
                Some(Found::Alias(targets)) => {
                    let (mailboxes, outside) = self.unfold(address, targets).await?;
                    is_mine(&mailboxes, &outside)
                }
                Some(Found::Foreign | Found::Unknown | Found::Disabled | Found::Return(_))
                | None => false,
            },
        )
    }

    /// The account's own addresses, the primary one first: what a sender may choose from.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn own_addresses(&self, account: AccountId) -> Result<Vec<Address>, Refusal> {
        let texts = self.store.own_addresses(account).await?;
        Ok(texts
            .iter()
            .filter_map(|text| Address::parse(text).ok())
            .collect())
    }

    /// Follows an alias to mailboxes here and addresses outside, each once, level by level.
    async fn unfold(
        &self,
        alias: &Address,
        targets: Vec<String>,
    ) -> Result<(Vec<Mailbox>, Vec<Address>), Refusal> {
        let mut seen = HashSet::from([alias.compare_form()]);
        let mut mailboxes: Vec<Mailbox> = Vec::new();
        let mut outside: Vec<Address> = Vec::new();
        let mut level = targets;
        for _ in 0..MAX_DEPTH {
            let mut asked: Vec<Address> = Vec::new();
            for target in level.drain(..) {
                if let Ok(address) = Address::parse(&target)
                    && seen.len() <= MAX_TARGETS
                    && seen.insert(address.compare_form())
                {
                    asked.push(address);
                }
            }
            if asked.is_empty() {
                break;
            }
            let found = self.find(&asked).await?;
            for (address, found) in asked.into_iter().zip(found) {
                match found {
                    Found::Foreign => outside.push(address),
                    Found::Mailbox(m) if mailboxes.iter().all(|k| k.account_id != m.account_id) => {
                        mailboxes.push(m);
                    }
                    Found::Alias(more) => level.extend(more),
                    Found::Mailbox(_) | Found::Unknown | Found::Disabled | Found::Return(_) => {}
                }
            }
        }
        Ok((mailboxes, outside))
    }

    /// The envelope sender under which mail of `sender` is led on from `alias`: an address of ours that stands for them, so that
    /// the next host's SPF check finds us; senders of our own domains stay as they are.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn return_path(&self, sender: &Address, alias: &Address) -> Result<Address, Refusal> {
        if self.is_local_domain(sender.domain()).await? {
            return Ok(sender.clone());
        }
        let today = day();
        let srs = self.srs().await?;
        let local = match srs.wrap(sender, today) {
            Some(local) => local,
            None => srs.wrap_kept(self.store.keep_sender(&sender.to_string()).await?, today),
        };
        Address::from_parts(local, &alias.domain_ascii())
            .map_err(|_| Refusal::Internal("a return path is no address"))
    }

    /// Whom a return path stands for; none: we did not make it, or its days are over.
    async fn origin(&self, local: &str) -> Result<Option<Address>, Refusal> {
        let origin = self.srs().await?.unwrap(local, day());
        Ok(match origin {
            Ok(Origin::Sender(sender)) => Some(sender),
            Ok(Origin::Kept(number)) => {
                let sender = self.store.kept_sender(number).await?;
                sender.and_then(|text| Address::parse(&text).ok())
            }
            Err(why) => {
                tracing::debug!(%why, "no return path of ours");
                None
            }
        })
    }

    async fn srs(&self) -> Result<Srs<impl Fn(&str) -> Vec<u8>>, Refusal> {
        let keys = self.keys().await?;
        let sign = |text: &str| keys.sign(Purpose::ReturnPath, text.as_bytes());
        Ok(Srs::new(sign, self.config.queue.return_days))
    }

    /// What each address means, in their order, by one statement (and one for each postmaster among them).
    async fn find(&self, addresses: &[Address]) -> Result<Vec<Found>, Refusal> {
        let asked: Vec<Asked> = addresses.iter().map(Asked::new).collect();
        let domains: HashSet<&String> = asked.iter().map(|a| &a.domain).collect();
        let keys: HashSet<&String> = asked.iter().flat_map(|a| &a.keys).collect();
        let rows = self
            .store
            .find_addresses(
                &domains.into_iter().cloned().collect::<Vec<_>>(),
                &keys.into_iter().cloned().collect::<Vec<_>>(),
            )
            .await?;
        let by_address: HashMap<&str, &FoundAddress> = rows
            .iter()
            .filter_map(|row| Some((row.address.as_deref()?, row)))
            .collect();
        let mut found = Vec::with_capacity(asked.len());
        for one in &asked {
            found.push(self.choose(one, &rows, &by_address).await?);
        }
        Ok(found)
    }

    async fn choose(
        &self,
        asked: &Asked,
        rows: &[FoundAddress],
        by_address: &HashMap<&str, &FoundAddress>,
    ) -> Result<Found, Refusal> {
        let Some(domain) = rows.iter().find(|row| row.domain == asked.domain) else {
            return Ok(Found::Foreign);
        };
        if !domain.domain_enabled {
            return Ok(Found::Disabled);
        }
        let [exact, base, catch_all] = &asked.keys;
        for key in [exact, base] {
            if let Some(row) = by_address.get(key.as_str()) {
                return Ok(Found::of(row));
            }
        }
        if asked.is_postmaster
            && let Some(mailbox) = self.store.postmaster(domain.domain_id).await?
        {
            return Ok(Found::Mailbox(mailbox));
        }
        if srs::is_return(&asked.local) {
            return Ok(self
                .origin(&asked.local)
                .await?
                .map_or(Found::Unknown, Found::Return));
        }
        Ok(by_address
            .get(catch_all.as_str())
            .map_or(Found::Unknown, |row| Found::of(row)))
    }
}

/// An address and the keys it is looked up by, the strongest first.
struct Asked {
    local: String,
    domain: String,
    keys: [String; 3],
    is_postmaster: bool,
}

impl Asked {
    fn new(address: &Address) -> Self {
        let domain = address.domain_ascii();
        let base = address.base();
        let local = base.local().to_lowercase();
        Self {
            keys: [
                address.compare_form(),
                base.compare_form(),
                format!("@{domain}"),
            ],
            is_postmaster: local == "postmaster" || local == "abuse",
            local: address.local().to_owned(),
            domain,
        }
    }
}

/// What one address means before anybody asked for room.
enum Found {
    Foreign,
    Unknown,
    Disabled,
    Mailbox(Mailbox),
    Alias(Vec<String>),
    /// A return path, and whom it stands for.
    Return(Address),
}

impl Found {
    fn of(row: &FoundAddress) -> Self {
        match (
            row.account_id,
            row.is_enabled,
            row.quota_bytes,
            row.used_bytes,
        ) {
            (Some(account_id), Some(is_enabled), Some(quota_bytes), Some(used_bytes)) => {
                Self::Mailbox(Mailbox {
                    account_id,
                    is_enabled,
                    quota_bytes,
                    used_bytes,
                })
            }
            _ => Self::Alias(row.targets.clone().unwrap_or_default()),
        }
    }
}

fn judge(mailboxes: &[Mailbox], outside: Vec<Address>, declared_size: u64) -> Recipient {
    let enabled: Vec<&Mailbox> = mailboxes.iter().filter(|m| m.is_enabled).collect();
    if enabled.is_empty() && outside.is_empty() {
        return if mailboxes.is_empty() {
            Recipient::Unknown
        } else {
            Recipient::Disabled
        };
    }
    let rooms: Vec<Room> = enabled.iter().map(|m| room(m, declared_size)).collect();
    if outside.is_empty() && !rooms.iter().any(|room| matches!(room, Room::Enough)) {
        // One that may have room later makes the whole answer a temporary one.
        let limits = rooms.iter().map(|room| match room {
            Room::TooLarge(limit) => Some(*limit),
            Room::Full | Room::Enough => None,
        });
        return match limits.collect::<Option<Vec<i64>>>() {
            Some(limits) => Recipient::TooLarge {
                limit_bytes: limits.into_iter().max().unwrap_or_default(),
            },
            None => Recipient::Full,
        };
    }
    Recipient::Deliver(Delivery {
        accounts: enabled.iter().map(|m| m.account_id).collect(),
        outside,
    })
}

/// By the declared size; the write path has the last word.
fn room(mailbox: &Mailbox, declared_size: u64) -> Room {
    let size = i64::try_from(declared_size).unwrap_or(i64::MAX);
    if size > mailbox.quota_bytes {
        Room::TooLarge(mailbox.quota_bytes)
    } else if mailbox.used_bytes >= mailbox.quota_bytes
        || mailbox.used_bytes.saturating_add(size) > mailbox.quota_bytes
    {
        Room::Full
    } else {
        Room::Enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(id: i64, used: i64) -> Mailbox {
        Mailbox {
            account_id: AccountId(id),
            is_enabled: true,
            quota_bytes: 1_000,
            used_bytes: used,
        }
    }

    fn deliver(ids: &[i64]) -> Recipient {
        Recipient::Deliver(Delivery {
            accounts: ids.iter().copied().map(AccountId).collect(),
            outside: Vec::new(),
        })
    }

    #[test]
    fn a_mailbox_is_full_by_the_declared_size() {
        assert_eq!(judge(&[mailbox(1, 900)], vec![], 100), deliver(&[1]));
        assert_eq!(judge(&[mailbox(1, 900)], vec![], 101), Recipient::Full);
        assert_eq!(judge(&[mailbox(1, 999)], vec![], 0), deliver(&[1]));
        assert_eq!(judge(&[mailbox(1, 1_000)], vec![], 0), Recipient::Full);
        assert_eq!(judge(&[mailbox(1, 0)], vec![], 1_000), deliver(&[1]));
        assert_eq!(
            judge(&[mailbox(1, 0)], vec![], 1_001),
            Recipient::TooLarge { limit_bytes: 1_000 }
        );
        assert_eq!(
            judge(&[mailbox(1, 0)], vec![], u64::MAX),
            Recipient::TooLarge { limit_bytes: 1_000 }
        );
    }

    #[test]
    fn a_list_is_served_while_one_member_can_take_it() {
        let off = Mailbox {
            is_enabled: false,
            ..mailbox(3, 0)
        };
        assert_eq!(
            judge(&[mailbox(1, 1_000), mailbox(2, 0), off], vec![], 1),
            deliver(&[1, 2])
        );
        assert_eq!(
            judge(&[mailbox(1, 1_000), mailbox(2, 1_000)], vec![], 1),
            Recipient::Full
        );
        assert_eq!(judge(&[off], vec![], 1), Recipient::Disabled);
        assert_eq!(judge(&[], vec![], 1), Recipient::Unknown);
    }
}
