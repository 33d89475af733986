//! Domains, accounts and aliases: what the command line and the administration pages do.
//!
//! An [`Actor`] is who asks: the command line and a host administrator reach everything, a domain administrator the own
//! domain's accounts and nothing of their mail or passwords (S-26); what lies outside is answered like what does not exist
//! (S-25). Every change leaves an audit row with old and new values in the same transaction.

use std::str::FromStr;

use super::password::Password;
use super::{Accounts, Generated, Recipe, Recipient, generate};
use crate::error::Refusal;
use crate::format::address::{Address, domain_to_ascii};
use crate::i18n::Lang;
use crate::model::{AccountId, Charge, CollectionKind, DomainId, Role};
use crate::service::notices::Notice;
use crate::store::account::admin::NewAccount;
pub use crate::store::account::admin::{AccountChange, AccountRow};
use crate::store::address::AddressRow;
use crate::store::audit::{AuditEntry, AuditRow};
use crate::store::domain::{DomainChange, DomainRow};

/// Who administers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    name: String,
    account: Option<AccountId>,
    reach: Reach,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Host,
    Domain(DomainId),
}

impl Actor {
    /// The operator at the machine itself.
    #[must_use]
    pub fn command_line() -> Self {
        Self {
            name: "command line".to_owned(),
            account: None,
            reach: Reach::Host,
        }
    }

    /// An administrator who signed in.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] for a user without that role.
    pub fn of(account: &AccountRow) -> Result<Self, Refusal> {
        let reach = match account.role() {
            Role::User => return Err(Refusal::NotAllowed),
            Role::DomainAdmin => Reach::Domain(account.domain_id),
            Role::HostAdmin => Reach::Host,
        };
        Ok(Self {
            name: account.address.clone(),
            account: Some(account.account_id),
            reach,
        })
    }

    /// Who the audit row names.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn host(&self) -> Result<(), Refusal> {
        match self.reach {
            Reach::Host => Ok(()),
            Reach::Domain(_) => Err(Refusal::NotAllowed),
        }
    }

    fn domain(&self, domain: DomainId) -> Result<(), Refusal> {
        match self.reach {
            Reach::Host => Ok(()),
            Reach::Domain(own) if own == domain => Ok(()),
            Reach::Domain(_) => Err(Refusal::NotFound),
        }
    }

    /// A host administrator's account is out of a domain administrator's reach, also in the own domain.
    pub(super) fn reaches(&self, account: &AccountRow) -> Result<(), Refusal> {
        self.domain(account.domain_id)?;
        match self.reach {
            Reach::Domain(_) if account.role() == Role::HostAdmin => Err(Refusal::NotAllowed),
            Reach::Host | Reach::Domain(_) => Ok(()),
        }
    }

    fn entry(&self, action: &'static str, object: &str) -> AuditEntry {
        AuditEntry::new(&self.name, action, object)
    }
}

/// What a new account is to be.
#[derive(Debug, Clone, Default)]
pub struct CreateAccount<'a> {
    /// Its primary address, as typed; its domain exists.
    pub address: &'a str,
    /// The name people see; empty: the local part.
    pub display_name: &'a str,
    /// What it may do; `None`: user.
    pub role: Option<Role>,
    /// Its language; `None`: German.
    pub lang: Option<Lang>,
    /// An IANA name; `None`: Europe/Berlin.
    pub time_zone: Option<&'a str>,
    /// Its quota; `None`: the domain's.
    pub quota_bytes: Option<i64>,
    /// Its initial password; `None`: one is made.
    pub password: Option<&'a str>,
    /// Whether it must be changed at the first web sign-in; `None`: as the domain says.
    pub must_change: Option<bool>,
}

/// An account that was created.
#[derive(Debug, Clone)]
pub struct Created {
    /// Its id.
    pub account: AccountId,
    /// Its address in compare form.
    pub address: String,
    /// The password that was made; to be shown once.
    pub password: Option<Generated>,
}

impl Accounts {
    /// Creates a domain.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`] for all but the host's administrators, [`Refusal::Invalid`] (`domain`), [`Refusal::Exists`].
    pub async fn create_domain(&self, actor: &Actor, name: &str) -> Result<DomainId, Refusal> {
        actor.host()?;
        let name = domain_name(name)?;
        let quota = i64::try_from(self.config.server.default_quota).unwrap_or(i64::MAX);
        self.store
            .create_domain(&name, quota, &actor.entry("domain.create", &name))
            .await
    }

    /// The domains the actor reaches.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn domains(&self, actor: &Actor) -> Result<Vec<DomainRow>, Refusal> {
        let mut domains = self.store.domains().await?;
        domains.retain(|domain| actor.domain(domain.domain_id).is_ok());
        Ok(domains)
    }

    /// The domain of a name, in any spelling.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn domain(&self, actor: &Actor, name: &str) -> Result<DomainRow, Refusal> {
        let name = domain_name(name).map_err(|_| Refusal::NotFound)?;
        let domain = self
            .store
            .domain_by_name(&name)
            .await?
            .ok_or(Refusal::NotFound)?;
        actor.domain(domain.domain_id)?;
        Ok(domain)
    }

    /// Changes a domain's settings; whether it is switched on at all is the host's to say.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`], [`Refusal::Invalid`] (`quota`).
    pub async fn change_domain(
        &self,
        actor: &Actor,
        name: &str,
        change: &DomainChange,
    ) -> Result<(), Refusal> {
        let domain = self.domain(actor, name).await?;
        if change.is_enabled.is_some() {
            actor.host()?;
        }
        check_quota(change.default_quota_bytes)?;
        let mut entry = actor.entry("domain.change", &domain.name);
        note(
            &mut entry,
            "enabled",
            &domain.is_enabled,
            change.is_enabled.as_ref(),
        );
        note(
            &mut entry,
            "must-change",
            &domain.must_change_initial,
            change.must_change_initial.as_ref(),
        );
        note(
            &mut entry,
            "outside-forward",
            &domain.allows_outside_forward,
            change.allows_outside_forward.as_ref(),
        );
        note(
            &mut entry,
            "directory",
            &domain.shows_directory,
            change.shows_directory.as_ref(),
        );
        note(
            &mut entry,
            "default-quota",
            &domain.default_quota_bytes,
            change.default_quota_bytes.as_ref(),
        );
        self.store
            .change_domain(domain.domain_id, change, &entry)
            .await
    }

    /// Deletes a domain that has no accounts any more.
    ///
    /// # Errors
    /// [`Refusal::NotAllowed`], [`Refusal::NotFound`], [`Refusal::Invalid`] (`domain-has-accounts`).
    pub async fn delete_domain(&self, actor: &Actor, name: &str) -> Result<(), Refusal> {
        actor.host()?;
        let domain = self.domain(actor, name).await?;
        let entry = actor.entry("domain.delete", &domain.name);
        self.store.delete_domain(domain.domain_id, &entry).await
    }

    /// Creates an account with its folders, collections and primary address; without a password one is made.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`address`, `name`, `quota`, `time-zone` or a word of [`super::BadPassword`]),
    /// [`Refusal::NotFound`] when the domain is missing or out of reach, [`Refusal::NotAllowed`], [`Refusal::Exists`].
    pub async fn create_account(
        &self,
        actor: &Actor,
        new: &CreateAccount<'_>,
    ) -> Result<Created, Refusal> {
        let address =
            Address::parse(new.address.trim()).map_err(|_| Refusal::Invalid("address"))?;
        if address.local().contains('+') {
            return Err(Refusal::Invalid("address"));
        }
        let domain = self.domain(actor, &address.domain_ascii()).await?;
        let role = new.role.unwrap_or(Role::User);
        if role == Role::HostAdmin {
            actor.host()?;
        }
        check_quota(new.quota_bytes)?;
        let display_name = match display_name(new.display_name)? {
            "" => address.local(),
            name => name,
        };
        let time_zone = time_zone(new.time_zone.unwrap_or("Europe/Berlin"))?;
        let lang = new.lang.unwrap_or(Lang::De);
        let address = address.compare_form();
        let (password, made) = self
            .initial_password(new.password, &[&address, display_name])
            .await?;
        let hash = self.passwords.hash(&password).await?;
        let collections = FIRST_COLLECTIONS.map(|(kind, key)| (kind, lang.t(key)));
        let account = self
            .store
            .create_account(
                &NewAccount {
                    domain: domain.domain_id,
                    address: &address,
                    display_name,
                    role,
                    locale: lang.as_str(),
                    time_zone,
                    password_hash: &hash,
                    must_change: new.must_change,
                    quota_bytes: new.quota_bytes,
                    collections: &collections,
                },
                &actor
                    .entry("account.create", &address)
                    .with("role", role.word()),
            )
            .await?;
        Ok(Created {
            account,
            address,
            password: made,
        })
    }

    /// A page of accounts after `after` (an address, empty for the first), of one domain or of all in reach.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the domain is out of reach.
    pub async fn accounts(
        &self,
        actor: &Actor,
        domain: Option<DomainId>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<AccountRow>, Refusal> {
        let domain = match (actor.reach, domain) {
            (Reach::Host, domain) => domain,
            (Reach::Domain(own), None) => Some(own),
            (Reach::Domain(_), Some(domain)) => {
                actor.domain(domain)?;
                Some(domain)
            }
        };
        Ok(self.store.accounts(domain, after, limit).await?)
    }

    /// Changes an account. Switching it off ends every log-in and refuses its mail.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`], [`Refusal::Invalid`] (`name`, `quota`, `time-zone`, `locale`;
    /// `own-account` when an administrator would take the own role or access away).
    pub async fn change_account(
        &self,
        actor: &Actor,
        account: AccountId,
        change: &AccountChange,
    ) -> Result<(), Refusal> {
        if change.role == Some(Role::HostAdmin) {
            actor.host()?;
        }
        if actor.account == Some(account)
            && (change.role.is_some() || change.is_enabled == Some(false))
        {
            return Err(Refusal::Invalid("own-account"));
        }
        check_change(change)?;
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let old = write.account_row().await?;
        actor.reaches(&old)?;
        write.change_account(change).await?;
        if change.is_enabled == Some(false) {
            write.end_logins().await?;
        }
        let mut entry = actor.entry("account.change", &old.address);
        let role = change.role.map(Role::word);
        note(
            &mut entry,
            "name",
            old.display_name.as_str(),
            change.display_name.as_deref(),
        );
        note(&mut entry, "role", old.role.as_str(), role);
        note(
            &mut entry,
            "locale",
            old.locale.as_str(),
            change.locale.as_deref(),
        );
        note(
            &mut entry,
            "time-zone",
            old.time_zone.as_str(),
            change.time_zone.as_deref(),
        );
        note(
            &mut entry,
            "enabled",
            &old.is_enabled,
            change.is_enabled.as_ref(),
        );
        note(
            &mut entry,
            "hidden",
            &old.is_hidden,
            change.is_hidden.as_ref(),
        );
        note(
            &mut entry,
            "quota",
            &old.quota_bytes,
            change.quota_bytes.as_ref(),
        );
        write.audit(old.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        Ok(())
    }

    /// Sets a new initial password, made or given; ends every session and open connection. A lock stays as it is.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`], [`Refusal::Invalid`] with a word of [`super::BadPassword`],
    /// [`Refusal::TooMany`].
    pub async fn set_password(
        &self,
        actor: &Actor,
        account: AccountId,
        password: Option<&str>,
    ) -> Result<Option<Generated>, Refusal> {
        let row = self.account(account).await?;
        actor.reaches(&row)?;
        let (password, made) = self
            .initial_password(password, &[&row.address, &row.display_name])
            .await?;
        let hash = self.passwords.hash(&password).await?;
        let must_change = self
            .store
            .domain_by_name(&row.domain)
            .await?
            .is_none_or(|domain| domain.must_change_initial);
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        actor.reaches(&row)?;
        let kept = self.config.password.previous_kept.as_secs_f64();
        write.set_password(&hash, must_change, kept, None).await?;
        let entry = actor.entry("account.password", &row.address);
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        let notice = Notice::password_changed(account, false);
        self.notices.look(Some(notice));
        Ok(made)
    }

    /// Deletes an account: at once for everybody who looks, then, before this returns, everything it owned.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`], [`Refusal::Invalid`] (`own-account`).
    pub async fn delete_account(&self, actor: &Actor, account: AccountId) -> Result<(), Refusal> {
        if actor.account == Some(account) {
            return Err(Refusal::Invalid("own-account"));
        }
        let mut write = self
            .store
            .draft()
            .await?
            .lock(account, Charge::NONE)
            .await?;
        let row = write.account_row().await?;
        actor.reaches(&row)?;
        write.mark_deleted().await?;
        let entry = actor.entry("account.delete", &row.address);
        write.audit(row.domain_id, &entry).await?;
        self.hub.wake(write.commit().await?);
        Ok(self.store.purge_account(account).await?)
    }

    /// Finishes deletions a crash cut off; a worker calls it at start and daily.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn purge_deleted(&self) -> Result<(), Refusal> {
        for account in self.store.deleted_accounts().await? {
            self.store.purge_account(account).await?;
        }
        Ok(())
    }

    /// Creates an alias: `address` may be `@domain` for all addresses of a domain that are nobody's.
    ///
    /// One target that is a mailbox of this domain makes the alias its own address, which it may also send as.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] (`address`, `targets`, or `target-unknown` for an address of ours that is nobody's),
    /// [`Refusal::NotFound`], [`Refusal::Exists`].
    pub async fn create_alias(
        &self,
        actor: &Actor,
        address: &str,
        targets: &[&str],
    ) -> Result<(), Refusal> {
        let (address, domain) = self.alias_address(actor, address).await?;
        if targets.is_empty() || targets.len() > MAX_ALIAS_TARGETS {
            return Err(Refusal::Invalid("targets"));
        }
        let mut forms: Vec<String> = Vec::with_capacity(targets.len());
        for target in targets {
            let target = Address::parse(target.trim()).map_err(|_| Refusal::Invalid("targets"))?;
            if matches!(
                self.recipient(&target, 0).await?,
                Recipient::Unknown | Recipient::Returning(_)
            ) {
                return Err(Refusal::Invalid("target-unknown"));
            }
            let form = target.compare_form();
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        let mut own = None;
        if let [only] = forms.as_slice() {
            own = self
                .store
                .account_by_address(only)
                .await?
                .filter(|row| row.domain_id == domain.domain_id)
                .map(|row| row.account_id);
        }
        let entry = actor
            .entry("alias.create", &address)
            .with("targets", forms.join(" "));
        let targets = if own.is_some() { &[] } else { forms.as_slice() };
        self.store
            .create_alias(domain.domain_id, &address, own, targets, &entry)
            .await
    }

    /// Deletes an alias.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], also for a primary address.
    pub async fn delete_alias(&self, actor: &Actor, address: &str) -> Result<(), Refusal> {
        let (address, domain) = self.alias_address(actor, address).await?;
        let entry = actor.entry("alias.delete", &address);
        self.store
            .delete_alias(domain.domain_id, &address, &entry)
            .await
    }

    /// All addresses of a domain: mailboxes, their other addresses, aliases, the catch-all.
    ///
    /// # Errors
    /// [`Refusal::NotFound`].
    pub async fn addresses(&self, actor: &Actor, domain: &str) -> Result<Vec<AddressRow>, Refusal> {
        let domain = self.domain(actor, domain).await?;
        Ok(self.store.addresses(domain.domain_id).await?)
    }

    /// A page of a domain's audit rows before `before`, newest first; without a domain the host's own.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotAllowed`].
    pub async fn audit(
        &self,
        actor: &Actor,
        domain: Option<DomainId>,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, Refusal> {
        match domain {
            Some(domain) => actor.domain(domain)?,
            None => actor.host()?,
        }
        Ok(self.store.audit_page(domain, before, limit).await?)
    }

    /// Checks every audit chain of the host; the ids of rows that do not follow from those before them.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn audit_breaks(&self) -> Result<Vec<i64>, Refusal> {
        let mut broken = Vec::new();
        for domain in self.store.audited_domains().await? {
            broken.extend(self.store.audit_break(domain).await?);
        }
        Ok(broken)
    }

    async fn alias_address(
        &self,
        actor: &Actor,
        typed: &str,
    ) -> Result<(String, DomainRow), Refusal> {
        let typed = typed.trim();
        let (address, domain) = if let Some(domain) = typed.strip_prefix('@') {
            let domain = domain_name(domain)?;
            (format!("@{domain}"), domain)
        } else {
            let address = Address::parse(typed).map_err(|_| Refusal::Invalid("address"))?;
            (address.compare_form(), address.domain_ascii())
        };
        Ok((address, self.domain(actor, &domain).await?))
    }

    /// A given password that keeps the rules, or one that is made.
    async fn initial_password(
        &self,
        given: Option<&str>,
        about: &[&str],
    ) -> Result<(Password, Option<Generated>), Refusal> {
        if let Some(given) = given {
            return Ok((self.new_password(given, about).await?, None));
        }
        let made = generate(Recipe::INITIAL)?;
        let password = Password::read(made.password.expose(), &self.config.password)?;
        Ok((password, Some(made)))
    }

    /// A new password that keeps the rules.
    pub(super) async fn new_password(
        &self,
        typed: &str,
        about: &[&str],
    ) -> Result<Password, Refusal> {
        match self.passwords.judge(typed, about).await?.problem {
            Some(problem) => Err(problem.into()),
            None => Ok(Password::read(typed, &self.config.password)?),
        }
    }
}

/// The collections every account starts with, and the words they are named by in its language.
const FIRST_COLLECTIONS: [(CollectionKind, &str); 4] = [
    (CollectionKind::Calendar, "calendar"),
    (CollectionKind::Contacts, "contacts"),
    (CollectionKind::Tasks, "tasks"),
    (CollectionKind::Notes, "notes"),
];
/// Targets one alias may name itself.
const MAX_ALIAS_TARGETS: usize = 200;
/// Characters of a display name.
const MAX_NAME: usize = 200;

fn domain_name(typed: &str) -> Result<String, Refusal> {
    let name = domain_to_ascii(typed.trim()).ok_or(Refusal::Invalid("domain"))?;
    // The grammar of an address decides what a domain is; a literal is none of ours.
    if name.starts_with('[') || Address::from_parts("postmaster", &name).is_err() {
        return Err(Refusal::Invalid("domain"));
    }
    Ok(name)
}

pub(super) fn display_name(typed: &str) -> Result<&str, Refusal> {
    let name = typed.trim();
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Refusal::Invalid("name"));
    }
    Ok(name)
}

pub(super) fn time_zone(name: &str) -> Result<&str, Refusal> {
    match chrono_tz::Tz::from_str(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(Refusal::Invalid("time-zone")),
    }
}

fn check_quota(quota_bytes: Option<i64>) -> Result<(), Refusal> {
    match quota_bytes {
        Some(quota) if quota < 0 => Err(Refusal::Invalid("quota")),
        Some(_) | None => Ok(()),
    }
}

pub(super) fn check_change(change: &AccountChange) -> Result<(), Refusal> {
    check_quota(change.quota_bytes)?;
    if let Some(name) = &change.display_name {
        display_name(name)?;
    }
    if let Some(name) = &change.time_zone {
        time_zone(name)?;
    }
    match change.locale.as_deref() {
        None | Some("de" | "en") => Ok(()),
        Some(_) => Err(Refusal::Invalid("locale")),
    }
}

/// Writes `old -> new` under `name` when it changes.
fn note<T: ToString + ?Sized>(entry: &mut AuditEntry, name: &str, old: &T, new: Option<&T>) {
    if let Some(new) = new {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            entry
                .detail
                .insert(name.to_owned(), format!("{old} -> {new}"));
        }
    }
}
