//! Accounts: who there is, whose an address is, what a password may be, who may come in.
//!
//! [`admin`] creates, changes and deletes; [`recipients`] resolves addresses for SMTP; [`password`] and [`generator`] hold
//! the rules of passwords; [`login`] is the one way in, [`credentials`] what its owner does with a password, [`sessions`]
//! what the web keeps, [`directory`] who finds whom, [`preferences`] what a user chose, [`keys`] what the host signs with. Every change of an account goes through the write path and wakes its open connections, which
//! compare `password_version`.

pub mod admin;
pub mod credentials;
pub mod directory;
pub mod generator;
pub mod keys;
pub mod login;
pub mod password;
pub mod preferences;
pub mod recipients;
pub mod sessions;
mod slots;

use std::sync::Arc;

use moka::future::Cache;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::OnceCell;

use crate::config::Config;
use crate::error::Refusal;
use crate::format::address::domain_to_ascii;
use crate::model::AccountId;
use crate::service::changes::Hub;
use crate::service::notices::Notices;
use crate::store::Store;
use crate::store::account::admin::AccountRow;
pub use crate::store::login::LoginEvent;

pub use generator::{Generated, Recipe, generate};
pub use keys::{Keys, Purpose};
pub use login::{LoggedIn, Login, LoginRefused};
pub use password::{BadPassword, Strength};
pub use preferences::Preferences;
pub use recipients::{Delivery, Recipient};

/// The accounts of the host.
pub struct Accounts {
    store: Store,
    hub: Hub,
    notices: Notices,
    config: Arc<Config>,
    passwords: password::Passwords,
    slots: slots::Slots,
    verifications: slots::Shared<Option<password::Verdict>>,
    /// Right log-ins of the last minutes, and the app password used.
    remembered: Cache<[u8; 32], Option<i64>>,
    /// Of this process alone; whoever reads its memory has the passwords' traces anyway.
    process_key: hmac::Key,
    keys: OnceCell<Keys>,
}

impl Accounts {
    /// The service over an open store.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, hub: Hub, notices: Notices) -> Self {
        Self {
            passwords: password::Passwords::new(config.password.clone()),
            slots: slots::Slots::default(),
            verifications: slots::Shared::default(),
            remembered: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(config.password.remembered)
                .build(),
            process_key: process_key(),
            keys: OnceCell::new(),
            store,
            hub,
            notices,
            config,
        }
    }

    /// One account; a deleted one is none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn account(&self, account: AccountId) -> Result<AccountRow, Refusal> {
        self.store.account(account).await?.ok_or(Refusal::NotFound)
    }

    /// The account of a user name as somebody types it.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn account_by_name(&self, name: &str) -> Result<AccountRow, Refusal> {
        self.store
            .account_by_address(&user_name(name))
            .await?
            .ok_or(Refusal::NotFound)
    }
}

/// Log-ins remembered at most; one is some 100 octets.
const REMEMBERED: u64 = 100_000;

/// A key that lives as long as the process.
#[expect(
    clippy::expect_used,
    reason = "a system without randomness can keep no secret, so it must not start"
)]
fn process_key() -> hmac::Key {
    hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
        .expect("the system gives randomness")
}

/// The form user names are compared, counted and locked by: trimmed, lower case, the domain in ASCII (`security.md` 3).
///
/// The one function for all protocols. What is no address stays a name like any other, and counts like any other.
#[must_use]
pub fn user_name(typed: &str) -> String {
    let name = typed.trim().to_lowercase();
    match name.rsplit_once('@') {
        Some((local, domain)) => match domain_to_ascii(domain) {
            Some(ascii) => format!("{local}@{ascii}"),
            None => name,
        },
        None => name,
    }
}

/// Today, in days since 1970.
fn day() -> i64 {
    time::OffsetDateTime::now_utc()
        .unix_timestamp()
        .div_euclid(86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_compared_in_one_form() {
        for typed in [
            "anna@müller.test",
            " Anna@MÜLLER.test\t",
            "ANNA@xn--mller-kva.test",
        ] {
            assert_eq!(user_name(typed), "anna@xn--mller-kva.test", "{typed}");
        }
        assert_eq!(user_name("  Root "), "root");
        assert_eq!(user_name("a b@c.test"), "a b@c.test");
    }
}
