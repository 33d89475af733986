//! What its owner does with an account's credentials: the password, app passwords, the second factor (`security.md` 3).
//!
//! Every change ends what was opened before it: a change of the password every session but the acting one and every other
//! connection (S-24), the others every remembered log-in.

use time::OffsetDateTime;
use totp_rs::{Builder, Secret as TotpSecret, Totp};

use super::keys::Purpose;
use super::login::{Login, printable};
use super::password::{BadPassword, Strength, Verdict};
use super::{Accounts, generator};
use crate::config::Secret;
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Charge, Protocol};
use crate::service::notices::Notice;
use crate::store::audit::AuditEntry;
use crate::store::credential::AppPasswordRow;

/// A second factor that is being set up; nothing is stored until a code proves that the owner's app has it.
#[derive(Debug, Clone)]
pub struct NewTotp {
    /// Base32, for typing.
    pub secret: Secret,
    /// `otpauth://totp/...`, for the QR code.
    pub url: Secret,
}

/// App passwords of one account.
const MAX_APP_PASSWORDS: i64 = 50;
/// Recovery codes handed out at once.
const RECOVERY_CODES: usize = 10;

impl Accounts {
    /// How good a new password would be, with its owner's own words counted out; for the page that is being typed in.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::TooMany`].
    pub async fn strength(&self, account: AccountId, typed: &str) -> Result<Strength, Refusal> {
        let row = self.account(account).await?;
        Ok(self
            .passwords
            .judge(typed, &[&row.address, &row.display_name])
            .await?)
    }

    /// Changes the password. `proof` is a web log-in with the old password, which counts for the lock like any other.
    /// Every other session ends, every connection closes; `keep` (the acting session's hash) stays.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`password-wrong` for the old one, a word of [`BadPassword`] for the new one);
    /// [`Refusal::TooMany`] while locked.
    pub async fn change_password(
        &self,
        account: AccountId,
        proof: &Login<'_>,
        new: &str,
        keep: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let row = self.account(account).await?;
        if super::user_name(proof.name) != row.address {
            return Err(Refusal::NotAllowed);
        }
        // The rules first: a new password that will not do costs no try.
        let password = self
            .new_password(new, &[&row.address, &row.display_name])
            .await?;
        self.prove(proof).await?;
        if super::password::Password::read(proof.password, &self.config.password)? == password {
            return Err(BadPassword::Unchanged.into());
        }
        let hash = self.passwords.hash(&password).await?;
        self.replace_password(account, &hash, None, keep, "password.change")
            .await
    }

    /// Sets the first password of one's own, while the initial one is to be changed; the session that just signed in with
    /// the initial one is the proof.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] when no change is due; [`Refusal::Invalid`] with a word of [`BadPassword`];
    /// [`Refusal::Stale`] when somebody else changed it meanwhile.
    pub async fn set_first_password(
        &self,
        account: AccountId,
        new: &str,
        keep: Option<&[u8]>,
    ) -> Result<(), Refusal> {
        let row = self.account(account).await?;
        if !row.must_change {
            return Err(Refusal::NotAllowed);
        }
        let password = self
            .new_password(new, &[&row.address, &row.display_name])
            .await?;
        let initial = self.store.password_hash(account).await?;
        let verdict = self
            .passwords
            .verdict(initial.as_deref(), None, false, &password)
            .await?;
        if let Verdict::Right { .. } = verdict {
            return Err(BadPassword::Unchanged.into());
        }
        let hash = self.passwords.hash(&password).await?;
        let version = Some(row.password_version);
        self.replace_password(account, &hash, version, keep, "password.first")
            .await
    }

    async fn replace_password(
        &self,
        account: AccountId,
        hash: &str,
        version: Option<i32>,
        keep: Option<&[u8]>,
        action: &'static str,
    ) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        if version.is_some_and(|version| version != row.password_version) {
            return Err(Refusal::Stale);
        }
        let kept = self.config.password.previous_kept.as_secs_f64();
        write.set_password(hash, false, kept, keep).await?;
        let entry = AuditEntry::new(&row.address, action, &row.address);
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        let notice = Notice::password_changed(account, true);
        self.notices.look(Some(notice));
        Ok(())
    }

    /// The old password, by the same way in as everybody's; a second factor was proved when the session began.
    async fn prove(&self, proof: &Login<'_>) -> Result<(), Refusal> {
        debug_assert!(proof.protocol == Protocol::Web);
        match self.login(proof).await {
            Ok(_) | Err(super::LoginRefused::NeedsCode { .. }) => Ok(()),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Makes an app password for some doors; it is shown once.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`name`, `scopes`, `too-many`).
    pub async fn create_app_password(
        &self,
        account: AccountId,
        name: &str,
        scopes: &[Protocol],
    ) -> Result<Secret, Refusal> {
        let name = printable(name.trim(), 100);
        if name.is_empty() {
            return Err(Refusal::Invalid("name"));
        }
        if scopes.is_empty() || scopes.contains(&Protocol::Web) {
            return Err(Refusal::Invalid("scopes"));
        }
        let mut words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
        words.sort_unstable();
        words.dedup();
        let made = generator::app_password()?;
        let hash = self
            .keys()
            .await?
            .sign(Purpose::AppPassword, made.expose().as_bytes());
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        write
            .add_app_password(&name, &hash, &words, MAX_APP_PASSWORDS)
            .await?;
        let entry = AuditEntry::new(&row.address, "app-password.create", &row.address)
            .with("name", name)
            .with("scopes", words.join(" "));
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        Ok(made)
    }

    /// The account's app passwords, the newest first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn app_passwords(&self, account: AccountId) -> Result<Vec<AppPasswordRow>, Refusal> {
        Ok(self.store.app_passwords(account).await?)
    }

    /// Takes an app password away; what was opened with it closes.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn revoke_app_password(&self, account: AccountId, id: i64) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        let name = write.revoke_app_password(id).await?;
        let entry =
            AuditEntry::new(&row.address, "app-password.revoke", &row.address).with("name", name);
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Begins to set up the second factor.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Internal`].
    pub async fn begin_totp(&self, account: AccountId) -> Result<NewTotp, Refusal> {
        let row = self.account(account).await?;
        let secret: [u8; 20] = generator::random()?;
        let totp = Builder::new()
            .with_secret(TotpSecret::from(secret.to_vec()))
            .with_account_name(row.address.replace(':', "."))
            .with_issuer(Some(row.domain.replace(':', ".")))
            .build()
            .map_err(|_| Refusal::Internal("totp"))?;
        Ok(NewTotp {
            secret: Secret::new(totp.secret().to_base32()),
            url: Secret::new(totp.to_url().map_err(|_| Refusal::Internal("totp"))?),
        })
    }

    /// Switches the second factor on when `code` is of `secret`; the recovery codes are shown once.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`code`, `secret`).
    pub async fn confirm_totp(
        &self,
        account: AccountId,
        secret: &str,
        code: &str,
    ) -> Result<Vec<Secret>, Refusal> {
        let secret = TotpSecret::try_from_base32(secret).map_err(|_| Refusal::Invalid("secret"))?;
        let bytes = secret.as_ref().to_vec();
        if bytes.len() < 16 {
            return Err(Refusal::Invalid("secret"));
        }
        let step = step_of(&bytes, code, unix_now()).ok_or(Refusal::Invalid("code"))?;
        let mut codes = Vec::with_capacity(RECOVERY_CODES);
        let mut hashes = Vec::with_capacity(RECOVERY_CODES);
        let keys = self.keys().await?;
        for _ in 0..RECOVERY_CODES {
            let made = generator::recovery_code()?;
            hashes.push(keys.sign(
                Purpose::RecoveryCode,
                recovery_form(made.expose()).as_bytes(),
            ));
            codes.push(made);
        }
        self.write_totp(account, Some(&bytes), step, &hashes, "totp.on")
            .await?;
        Ok(codes)
    }

    /// Switches the second factor off; `proof` is a web log-in with the password, which counts for the lock.
    ///
    /// # Errors
    /// As [`Accounts::change_password`] for the old password.
    pub async fn remove_totp(&self, account: AccountId, proof: &Login<'_>) -> Result<(), Refusal> {
        let row = self.account(account).await?;
        if super::user_name(proof.name) != row.address {
            return Err(Refusal::NotAllowed);
        }
        self.prove(proof).await?;
        self.write_totp(account, None, 0, &[], "totp.off").await
    }

    /// Recovery codes that were not used yet.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn recovery_codes_left(&self, account: AccountId) -> Result<i64, Refusal> {
        Ok(self.store.recovery_codes_left(account).await?)
    }

    async fn write_totp(
        &self,
        account: AccountId,
        secret: Option<&[u8]>,
        step: i64,
        hashes: &[Vec<u8>],
        action: &'static str,
    ) -> Result<(), Refusal> {
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        write.set_totp(secret, step, hashes).await?;
        let entry = AuditEntry::new(&row.address, action, &row.address);
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Whether `code` is the second factor's, or a recovery code; either is good once.
    pub(super) async fn use_code(
        &self,
        account: AccountId,
        code: &str,
    ) -> Result<bool, StoreError> {
        let Some(secret) = self.store.totp_secret(account).await? else {
            return Ok(false);
        };
        if let Some(step) = step_of(&secret, code, unix_now()) {
            return self.store.use_totp_step(account, step).await;
        }
        let Ok(keys) = self.keys().await else {
            return Ok(false);
        };
        let hash = keys.sign(Purpose::RecoveryCode, recovery_form(code).as_bytes());
        self.store.use_recovery_code(account, &hash).await
    }
}

/// The time step whose code this is, one before and one after the present allowed.
fn step_of(secret: &[u8], code: &str, now: u64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let totp: Totp = Builder::new()
        .with_secret(TotpSecret::from(secret.to_vec()))
        .with_account_name("x")
        .build()
        .ok()?;
    i64::try_from(totp.check(&digits, now)?).ok()
}

/// A recovery code as it is compared: letters and digits only, lower case.
fn recovery_form(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .take(64)
        .collect()
}

fn unix_now() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B, SHA-1, cut to six digits.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = b"12345678901234567890";
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (20_000_000_000, "353130"),
        ] {
            let step = i64::try_from(time / 30).unwrap();
            assert_eq!(step_of(secret, code, time), Some(step));
            assert_eq!(
                step_of(secret, code, time + 30),
                Some(step),
                "one step late"
            );
            assert_eq!(step_of(secret, code, time + 90), None, "three steps late");
        }
        assert_eq!(step_of(secret, "287 082", 59), Some(1));
        for bad in ["", "28708", "2870822", "abcdef", "28708٢"] {
            assert_eq!(step_of(secret, bad, 59), None, "{bad}");
        }
    }

    #[test]
    fn a_recovery_code_is_read_as_people_write_it() {
        assert_eq!(
            recovery_form(" ABCDEF ghjkmn "),
            recovery_form("abcdef-ghjkmn")
        );
    }
}
