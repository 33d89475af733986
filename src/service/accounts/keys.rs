//! The host's signing key: device cookies, CSRF tokens, signed addresses.
//!
//! One key in the `setting` table, made by whichever node asks first, so that every node accepts what another one signed.
//! Each purpose signs under its own name; a signature for one is worth nothing for another.

use ring::hmac;

use crate::error::Refusal;
use crate::model::AccountId;
use crate::service::accounts::{Accounts, generator};

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The token of forms, over a session's id.
    Csrf,
    /// The cookie that makes a browser a known device.
    Device,
    /// The address of a remote picture in our proxy.
    Picture,
    /// An app password as it is kept.
    AppPassword,
    /// A recovery code as it is kept.
    RecoveryCode,
    /// The proof that the first step of a sign-in was done.
    Pending,
    /// The return path of mail that an alias leads on.
    ReturnPath,
    /// An address made for one action from outside a session (undo, confirmation).
    Link,
}

impl Purpose {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Csrf => b"csrf\0",
            Self::Device => b"device\0",
            Self::Picture => b"picture\0",
            Self::AppPassword => b"app-password\0",
            Self::RecoveryCode => b"recovery-code\0",
            Self::Pending => b"pending\0",
            Self::ReturnPath => b"return-path\0",
            Self::Link => b"link\0",
        }
    }
}

/// The host's signing key.
#[derive(Debug, Clone)]
pub struct Keys {
    key: hmac::Key,
    device_seconds: i64,
}

impl Keys {
    /// HMAC-SHA256 of `data` for `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: Purpose, data: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.word());
        context.update(data);
        context.sign().as_ref().to_vec()
    }

    /// Whether `signature` is ours, compared in constant time.
    #[must_use]
    pub fn is_ours(&self, purpose: Purpose, data: &[u8], signature: &[u8]) -> bool {
        let signed = [purpose.word(), data].concat();
        hmac::verify(&self.key, &signed, signature).is_ok()
    }

    /// The token of a session's forms: 64 hex digits.
    #[must_use]
    pub fn csrf_token(&self, session_id: &str) -> String {
        hex(&self.sign(Purpose::Csrf, session_id.as_bytes()))
    }

    /// Whether `token` is the session's.
    #[must_use]
    pub fn is_csrf_token(&self, session_id: &str, token: &str) -> bool {
        from_hex(token)
            .is_some_and(|token| self.is_ours(Purpose::Csrf, session_id.as_bytes(), &token))
    }

    /// The proof that the account's password was right at `now` (Unix seconds), for the second step.
    pub(super) fn pending(&self, account: AccountId, password_version: i32, now: i64) -> String {
        let claim = format!("{account}.{password_version}.{now}");
        let signature = hex(&self.sign(Purpose::Pending, claim.as_bytes()));
        format!("{claim}.{signature}")
    }

    /// Whether `pending` is such a proof, at most five minutes old.
    pub(super) fn is_pending(
        &self,
        account: AccountId,
        password_version: i32,
        pending: &str,
        now: i64,
    ) -> bool {
        let Some((claim, signature)) = pending.rsplit_once('.') else {
            return false;
        };
        claim
            .strip_prefix(&format!("{account}.{password_version}."))
            .and_then(|made_at| made_at.parse().ok())
            .is_some_and(|made_at: i64| (0..=300).contains(&now.saturating_sub(made_at)))
            && from_hex(signature).is_some_and(|signature| {
                self.is_ours(Purpose::Pending, claim.as_bytes(), &signature)
            })
    }

    /// The value of `__Host-dev` for a browser in which the account signed in at `now` (Unix seconds).
    #[must_use]
    pub fn device_cookie(&self, account: AccountId, now: i64) -> String {
        let claim = format!("{account}.{now}");
        let signature = hex(&self.sign(Purpose::Device, claim.as_bytes()));
        format!("{claim}.{signature}")
    }

    /// Whether `cookie` is a device cookie of this account, at most `web.device_cookie` old.
    #[must_use]
    pub fn is_device_of(&self, account: AccountId, cookie: &str, now: i64) -> bool {
        let Some((claim, signature)) = cookie.rsplit_once('.') else {
            return false;
        };
        let Some((owner, made_at)) = claim.split_once('.') else {
            return false;
        };
        owner.parse() == Ok(account)
            && made_at.parse().is_ok_and(|made_at: i64| {
                (0..=self.device_seconds).contains(&now.saturating_sub(made_at))
            })
            && from_hex(signature).is_some_and(|signature| {
                self.is_ours(Purpose::Device, claim.as_bytes(), &signature)
            })
    }
}

impl Accounts {
    /// The host's signing key, read once.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn keys(&self) -> Result<&Keys, Refusal> {
        self.keys
            .get_or_try_init(|| async {
                let proposed: [u8; 32] = generator::random()?;
                let key = self.store.shared_value("signing-key", &proposed).await?;
                Ok(Keys {
                    key: hmac::Key::new(hmac::HMAC_SHA256, &key),
                    device_seconds: i64::try_from(self.config.web.device_cookie.as_secs())
                        .unwrap_or(i64::MAX),
                })
            })
            .await
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 256 {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(byte: u8) -> Keys {
        Keys {
            key: hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]),
            device_seconds: DEVICE_SECONDS,
        }
    }

    const DEVICE_SECONDS: i64 = 100;

    #[test]
    fn a_device_cookie_is_bound_to_account_key_and_time() {
        let cookie = keys(1).device_cookie(AccountId(7), 1_000);
        assert!(keys(1).is_device_of(AccountId(7), &cookie, 1_000));
        assert!(keys(1).is_device_of(AccountId(7), &cookie, 1_000 + DEVICE_SECONDS));
        assert!(!keys(1).is_device_of(AccountId(7), &cookie, 1_001 + DEVICE_SECONDS));
        assert!(!keys(1).is_device_of(AccountId(7), &cookie, 999));
        assert!(!keys(1).is_device_of(AccountId(8), &cookie, 1_000));
        assert!(!keys(2).is_device_of(AccountId(7), &cookie, 1_000));
        let other = cookie.replacen('7', "8", 1);
        assert!(!keys(1).is_device_of(AccountId(8), &other, 1_000));
        for rubbish in ["", ".", "..", "7.1000", "7.1000.", "7.1000.zz", "7.x.00"] {
            assert!(
                !keys(1).is_device_of(AccountId(7), rubbish, 1_000),
                "{rubbish}"
            );
        }
    }

    #[test]
    fn a_csrf_token_is_bound_to_its_session() {
        let token = keys(1).csrf_token("abc");
        assert!(keys(1).is_csrf_token("abc", &token));
        assert!(!keys(1).is_csrf_token("abd", &token));
        assert!(!keys(1).is_csrf_token("abc", ""));
        assert!(!keys(1).is_csrf_token("abc", &token[..62]));
        assert_ne!(token, hex(&keys(1).sign(Purpose::Device, b"abc")));
    }
}
