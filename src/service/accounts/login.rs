//! Coming in: one function for all doors, with the lock of `security.md` 4.
//!
//! ```text
//! name in compare form, state read ── locked? ─ yes ─> Locked, nothing verified
//!        │ no
//!   app password? remembered? ─ yes ──────────────────────────┐
//!        │ no                                                 │
//!   slot (never more than failures left), Argon2id, shared    │
//!        ├── wrong ── count: the statement has the last word ─┼─> Wrong or Locked
//!        ├── the previous password, not on the web ───────────┼─> Wrong, not counted
//!        └── right ── second factor, enabled? ────────────────┴─> note success: still not locked? ─> LoggedIn
//! ```
//!
//! Known and unknown names are indistinguishable (S-22): the same statements, a verification against a hash that fits
//! nothing, the same counters. A database that is away, a full queue, a disabled account never count.
//! There is deliberately nothing here that ends a lock.

use ring::hmac;
use time::OffsetDateTime;
use tracing::{info, warn};

use super::keys::{Keys, Purpose};
use super::password::{Password, Verdict};
use super::slots::{Left, Share, Waiter};
use super::{Accounts, generator, user_name};
use crate::config::Lock;
use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, Protocol, Source};
use crate::store::account::admin::AccountRow;
use crate::store::login::{LockRules, LoginEvent, LoginNote, LoginState, Who};

/// An attempt to come in.
#[derive(Debug, Clone)]
pub struct Login<'a> {
    /// The user name as typed.
    pub name: &'a str,
    /// The password as typed.
    pub password: &'a str,
    /// The door.
    pub protocol: Protocol,
    /// From where, as the limits see it.
    pub source: Source,
    /// The value of `__Host-dev`, if the browser sent one.
    pub device_cookie: Option<&'a str>,
    /// The ActiveSync device id.
    pub eas_device: Option<&'a str>,
    /// The client's own name (User-Agent, ID), for the sign-in history.
    pub client: &'a str,
}

/// Somebody who came in.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Who it is.
    pub account: AccountRow,
    /// The initial password is to be changed; only the web insists.
    pub must_change: bool,
    /// What [`Accounts::is_current`] compares.
    pub password_version: i32,
    /// The app password used, if one was.
    pub app_password: Option<i64>,
}

/// Why somebody did not come in.
#[derive(Debug)]
pub enum LoginRefused {
    /// Wrong name or password or code; so many tries are left before a lock.
    Wrong {
        /// For the web page, which says it after the third miss.
        tries_left: u32,
    },
    /// Locked; mail protocols answer as for a wrong password, ActiveSync and the web say how long.
    Locked {
        /// Seconds until it ends.
        seconds_left: u32,
    },
    /// Too many attempts are waiting: try again in seconds. Nothing was counted.
    TryLater,
    /// The password is right, the account or its domain switched off. Nothing was counted.
    Disabled,
    /// The password is right and a code is needed. The web keeps `pending` in the session, asks for the code and calls
    /// [`Accounts::login_with_code`]. The other doors answer as for a wrong password: they need an app password. Nothing
    /// was counted.
    NeedsCode {
        /// Proof of the right password, good for five minutes.
        pending: String,
    },
    /// The storage is away.
    Unavailable(StoreError),
}

impl From<StoreError> for LoginRefused {
    fn from(e: StoreError) -> Self {
        Self::Unavailable(e)
    }
}

impl From<LoginRefused> for Refusal {
    /// For a change of the password, whose page shows the first two by their own words.
    fn from(refused: LoginRefused) -> Self {
        match refused {
            LoginRefused::Wrong { .. } => Self::Invalid("password-wrong"),
            LoginRefused::Locked { seconds_left } => Self::TooMany {
                retry_after_secs: seconds_left,
            },
            LoginRefused::TryLater => Self::TooMany {
                retry_after_secs: 5,
            },
            LoginRefused::Disabled | LoginRefused::NeedsCode { .. } => Self::NotAllowed,
            LoginRefused::Unavailable(e) => e.into(),
        }
    }
}

/// What a shared verification found; `None`: it could not be made, each asks again later.
type Outcome = Option<Verdict>;

/// One attempt on its way, with everything in the forms that are compared.
struct Attempt<'a> {
    login: &'a Login<'a>,
    name: String,
    source: String,
    client: String,
    rules: LockRules,
    spares_known: bool,
}

impl Accounts {
    /// Lets somebody in, or says why not. The one way in, for every door.
    ///
    /// # Errors
    /// [`LoginRefused`].
    pub async fn login(&self, login: &Login<'_>) -> Result<LoggedIn, LoginRefused> {
        let attempt = Attempt::new(login, &self.config.lock);
        let result = self.attempt(&attempt).await;
        attempt.log(&result);
        result
    }

    /// The second step on the web: `pending` of [`LoginRefused::NeedsCode`] and a code (six digits, or a recovery code).
    /// `login.password` is not looked at. A wrong code counts like a wrong password.
    ///
    /// # Errors
    /// [`LoginRefused`]; `Wrong` without a count when `pending` is too old: the first step is to be done again.
    pub async fn login_with_code(
        &self,
        login: &Login<'_>,
        pending: &str,
        code: &str,
    ) -> Result<LoggedIn, LoginRefused> {
        let attempt = Attempt::new(login, &self.config.lock);
        let result = self.second_step(&attempt, pending, code).await;
        attempt.log(&result);
        result
    }

    /// Whether a log-in of that `password_version` still holds: false after a change of the password, a revoked app
    /// password, or the account was switched off or deleted.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn is_current(
        &self,
        account: AccountId,
        password_version: i32,
    ) -> Result<bool, Refusal> {
        Ok(self.store.password_version(account).await? == Some(password_version))
    }

    /// Resolves when a log-in no longer holds (S-24): an open connection then says good-bye. Ask it beside reading:
    /// `select! { () = app.accounts.ended(id, version) => .., line = .. }`.
    ///
    /// Looks when the account changed, but at most every three seconds; while the database is away it holds.
    pub async fn ended(&self, account: AccountId, password_version: i32) {
        let mut watch = self.hub.watch(account);
        loop {
            let is_current = self.is_current(account, password_version).await;
            if let Ok(false) = is_current {
                return;
            }
            // A busy mailbox wakes often; three seconds keep within the five that are promised.
            tokio::time::sleep(LOOK).await;
            if is_current.is_ok() {
                watch.changed().await;
            }
        }
    }

    /// The account's sign-in history before `before`, newest first.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn login_events(
        &self,
        account: AccountId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<LoginEvent>, Refusal> {
        Ok(self.store.login_events(account, before, limit).await?)
    }

    /// When the account's locks end, and how many failures count now: what an administrator is shown.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] out of the actor's reach.
    pub async fn lock_shown(
        &self,
        actor: &super::admin::Actor,
        account: AccountId,
    ) -> Result<(Option<OffsetDateTime>, i64), Refusal> {
        let row = self.account(account).await?;
        actor.reaches(&row)?;
        let minutes = rules(&self.config.lock).minutes;
        Ok(self.store.lock_shown(&row.address, minutes).await?)
    }

    async fn attempt(&self, attempt: &Attempt<'_>) -> Result<LoggedIn, LoginRefused> {
        let state = self
            .store
            .login_state(attempt.who(), &attempt.rules)
            .await?;
        let is_known = self.is_known(attempt, &state).await;
        if let Some(seconds_left) = attempt.lock_of(&state, is_known) {
            return Err(self.locked(attempt, &state, seconds_left).await);
        }
        let Ok(password) = Password::read(attempt.login.password, &self.config.password) else {
            // Nobody has such a password; the same for every name.
            return Err(self.count(attempt, &state, is_known).await);
        };
        let is_web = attempt.login.protocol == Protocol::Web;
        let memory = state
            .account_id
            .zip(state.password_version)
            .filter(|_| !is_web)
            .map(|(account, version)| {
                self.memory_key(&[
                    &account.0.to_be_bytes(),
                    attempt.login.protocol.word().as_bytes(),
                    password.bytes(),
                    &version.to_be_bytes(),
                ])
            });
        if let Some(memory) = memory
            && let Some(app_password) = self.remembered.get(&memory).await
        {
            return self
                .enter_again(attempt, state, is_known, app_password)
                .await;
        }
        let mut app_password = None;
        // Held until the failure is counted, so that the next one sees it.
        let mut _slot = None;
        if !is_web {
            app_password = self
                .app_password(&state, &password, attempt.login.protocol)
                .await?;
        }
        if app_password.is_none() {
            let verdict = match self.verify(attempt, &state, is_known, &password).await? {
                Share::Did(verdict, slot) => {
                    _slot = slot;
                    verdict
                }
                Share::Got(verdict) => verdict,
            };
            match verdict {
                None => {
                    return Err(self
                        .unless_locked(attempt, is_known, LoginRefused::TryLater)
                        .await);
                }
                Some(Verdict::Wrong) => return Err(self.count(attempt, &state, is_known).await),
                Some(Verdict::Previous) => {
                    let tries_left = attempt.tries_left(&state, is_known);
                    let wrong = LoginRefused::Wrong { tries_left };
                    return Err(self.unless_locked(attempt, is_known, wrong).await);
                }
                Some(Verdict::Right { is_outdated: true }) => self.renew(&state, &password).await,
                Some(Verdict::Right { is_outdated: false }) => {}
            }
            if let Some(refused) = self.needs_code(&state, is_web).await? {
                return Err(self.unless_locked(attempt, is_known, refused).await);
            }
        }
        let entered = self.enter(attempt, &state, is_known, app_password).await?;
        if let Some(memory) = memory {
            self.remembered.insert(memory, app_password).await;
        }
        Ok(entered)
    }

    /// The proof of the first step, then the code; both are looked at only without a lock.
    async fn second_step(
        &self,
        attempt: &Attempt<'_>,
        pending: &str,
        code: &str,
    ) -> Result<LoggedIn, LoginRefused> {
        let state = self
            .store
            .login_state(attempt.who(), &attempt.rules)
            .await?;
        let is_known = self.is_known(attempt, &state).await;
        if let Some(seconds_left) = attempt.lock_of(&state, is_known) {
            return Err(self.locked(attempt, &state, seconds_left).await);
        }
        let is_proof = match (state.account_id, state.password_version) {
            (Some(account), Some(version)) => {
                let now = OffsetDateTime::now_utc().unix_timestamp();
                self.login_keys()
                    .await?
                    .is_pending(account, version, pending, now)
            }
            _ => false,
        };
        let (Some(account), true) = (state.account_id, is_proof) else {
            return Err(LoginRefused::Wrong {
                tries_left: attempt.tries_left(&state, is_known),
            });
        };
        // A code is six digits: as with passwords, no more are tried at once than failures are left.
        let (_slot, state) = self.slot(attempt, state, is_known).await?;
        if !self.use_code(account, code).await? {
            return Err(self.count(attempt, &state, is_known).await);
        }
        self.enter(attempt, &state, is_known, None).await
    }

    /// Whether a right main password is not enough: on the web a code is asked for, elsewhere an app password is needed.
    async fn needs_code(
        &self,
        state: &LoginState,
        is_web: bool,
    ) -> Result<Option<LoginRefused>, LoginRefused> {
        let (Some(account), Some(version), Some(true)) =
            (state.account_id, state.password_version, state.has_totp)
        else {
            return Ok(None);
        };
        let pending = if is_web {
            let now = OffsetDateTime::now_utc().unix_timestamp();
            self.login_keys().await?.pending(account, version, now)
        } else {
            String::new()
        };
        Ok(Some(LoginRefused::NeedsCode { pending }))
    }

    /// A result that comes after a lock was set is answered as locked, whatever it is.
    async fn unless_locked(
        &self,
        attempt: &Attempt<'_>,
        is_known: bool,
        refused: LoginRefused,
    ) -> LoginRefused {
        match self.store.login_state(attempt.who(), &attempt.rules).await {
            Ok(now) => match attempt.lock_of(&now, is_known) {
                Some(seconds_left) => self.locked(attempt, &now, seconds_left).await,
                None => refused,
            },
            Err(e) => e.into(),
        }
    }

    async fn login_keys(&self) -> Result<&Keys, LoginRefused> {
        self.keys().await.map_err(|e| match e {
            Refusal::Unavailable(e) | Refusal::StorageFull(e) => e.into(),
            _ => LoginRefused::TryLater,
        })
    }

    /// The name's password (or one that fits nothing) is tried, in a slot, once for all who ask the same at once.
    async fn verify<'s>(
        &'s self,
        attempt: &'s Attempt<'_>,
        state: &LoginState,
        is_known: bool,
        password: &Password,
    ) -> Result<Share<Outcome, Option<Waiter<'s>>>, LoginRefused> {
        let key = self.memory_key(&[
            attempt.name.as_bytes(),
            attempt.source.as_bytes(),
            &[
                u8::from(is_known),
                u8::from(attempt.login.protocol == Protocol::Web),
            ],
            state
                .password_hash
                .as_deref()
                .unwrap_or_default()
                .as_bytes(),
            password.bytes(),
        ]);
        let mut refused = None;
        let share = self
            .verifications
            .run(key, async || {
                match self.slot(attempt, state.clone(), is_known).await {
                    Ok((slot, state)) => {
                        let tried = self.passwords.verdict(
                            state.password_hash.as_deref(),
                            state.previous_hash.as_deref(),
                            attempt.login.protocol != Protocol::Web,
                            password,
                        );
                        (tried.await.ok(), Some(slot))
                    }
                    Err(e) => {
                        refused = Some(e);
                        (None, None)
                    }
                }
            })
            .await;
        match refused {
            Some(refused) => Err(refused),
            None => Ok(share),
        }
    }

    /// Waits for a slot; the state is read anew after each wait.
    async fn slot<'s>(
        &'s self,
        attempt: &'s Attempt<'_>,
        mut state: LoginState,
        is_known: bool,
    ) -> Result<(Waiter<'s>, LoginState), LoginRefused> {
        let give_up = tokio::time::Instant::now() + self.config.password.wait;
        let mut waiter = self.slots.wait(&attempt.name, &attempt.source);
        loop {
            let freed = waiter.freed();
            if let Some(seconds_left) = attempt.lock_of(&state, is_known) {
                return Err(self.locked(attempt, &state, seconds_left).await);
            }
            if waiter.take(attempt.left(&state, is_known)) {
                return Ok((waiter, state));
            }
            if tokio::time::timeout_at(give_up, freed).await.is_err() {
                return Err(LoginRefused::TryLater);
            }
            state = self
                .store
                .login_state(attempt.who(), &attempt.rules)
                .await?;
        }
    }

    /// Everything was right: the last look at the locks, and it is written down.
    async fn enter(
        &self,
        attempt: &Attempt<'_>,
        state: &LoginState,
        is_known: bool,
        app_password: Option<i64>,
    ) -> Result<LoggedIn, LoginRefused> {
        let Some(account) = state.account_id else {
            return Err(self.count(attempt, state, is_known).await);
        };
        if state.is_enabled != Some(true) {
            let disabled = LoginRefused::Disabled;
            return Err(self.unless_locked(attempt, is_known, disabled).await);
        }
        let now = self
            .store
            .note_success(
                attempt.who(),
                &attempt.rules,
                account,
                attempt.note(),
                |now| attempt.lock_of(now, is_known).is_some(),
            )
            .await?;
        if let Some(seconds_left) = attempt.lock_of(&now, is_known) {
            return Err(self.locked(attempt, &now, seconds_left).await);
        }
        self.entered(attempt, state, is_known, app_password).await
    }

    /// A remembered log-in: nothing is written as long as there is nothing to reset.
    async fn enter_again(
        &self,
        attempt: &Attempt<'_>,
        state: LoginState,
        is_known: bool,
        app_password: Option<i64>,
    ) -> Result<LoggedIn, LoginRefused> {
        if state.pair_failures > 0 || state.is_enabled != Some(true) {
            return self.enter(attempt, &state, is_known, app_password).await;
        }
        self.entered(attempt, &state, is_known, app_password).await
    }

    async fn entered(
        &self,
        attempt: &Attempt<'_>,
        state: &LoginState,
        is_known: bool,
        app_password: Option<i64>,
    ) -> Result<LoggedIn, LoginRefused> {
        let row = match state.account_id {
            Some(account) => self.store.account(account).await?,
            None => None,
        };
        match row {
            Some(row) if Some(row.password_version) == state.password_version => Ok(LoggedIn {
                must_change: row.must_change && app_password.is_none(),
                password_version: row.password_version,
                account: row,
                app_password,
            }),
            // A change meanwhile makes what was verified worth nothing.
            Some(_) | None => Err(LoginRefused::Wrong {
                tries_left: attempt.tries_left(state, is_known),
            }),
        }
    }

    /// Counts a failure; the counters' statement decides what it is answered.
    async fn count(
        &self,
        attempt: &Attempt<'_>,
        state: &LoginState,
        is_known: bool,
    ) -> LoginRefused {
        let counted = self
            .store
            .count_failure(
                attempt.who(),
                &attempt.rules,
                state.account_id,
                attempt.note(),
            )
            .await;
        let failure = match counted {
            Ok(failure) => failure,
            Err(e) => return e.into(),
        };
        let binds_name = attempt.binds_name(is_known);
        let locked = [
            failure.pair.locked,
            failure.name.locked.filter(|_| binds_name),
            failure.source.locked,
        ];
        if let Some(seconds_left) = locked.into_iter().flatten().max() {
            return LoginRefused::Locked {
                seconds_left: u32::try_from(seconds_left).unwrap_or(1),
            };
        }
        let left = |failures: i32| u32::try_from(attempt.rules.failures - failures).unwrap_or(0);
        let pair = left(failure.pair.failures);
        LoginRefused::Wrong {
            tries_left: if binds_name {
                pair.min(left(failure.name.failures))
            } else {
                pair
            },
        }
    }

    /// The answer to an attempt that met a lock; the owner finds it in the history.
    async fn locked(
        &self,
        attempt: &Attempt<'_>,
        state: &LoginState,
        seconds_left: u32,
    ) -> LoginRefused {
        let noted = self
            .store
            .note_locked(attempt.who(), state.account_id, attempt.note())
            .await;
        if let Err(e) = noted {
            warn!(error = %e, "a locked attempt was not written down");
        }
        LoginRefused::Locked { seconds_left }
    }

    /// Rule 1: a source or device the account came from lately, or a browser with its signed cookie.
    async fn is_known(&self, attempt: &Attempt<'_>, state: &LoginState) -> bool {
        if state.is_known {
            return true;
        }
        let (Some(account), Some(cookie)) = (state.account_id, attempt.login.device_cookie) else {
            return false;
        };
        match self.keys().await {
            Ok(keys) => {
                keys.is_device_of(account, cookie, OffsetDateTime::now_utc().unix_timestamp())
            }
            Err(_) => false,
        }
    }

    /// The app password this is, if it is one for this door.
    async fn app_password(
        &self,
        state: &LoginState,
        password: &Password,
        protocol: Protocol,
    ) -> Result<Option<i64>, LoginRefused> {
        let Some(account) = state.account_id else {
            return Ok(None);
        };
        if password.bytes().len() != generator::APP_PASSWORD_LENGTH {
            return Ok(None);
        }
        let hash = self
            .login_keys()
            .await?
            .sign(Purpose::AppPassword, password.bytes());
        Ok(self
            .store
            .use_app_password(account, &hash, protocol)
            .await?)
    }

    /// Puts a hash of today's parameters in the place of the old one; a failure is tried again at the next log-in.
    async fn renew(&self, state: &LoginState, password: &Password) {
        let (Some(account), Some(old)) = (state.account_id, state.password_hash.as_deref()) else {
            return;
        };
        let renewed = match self.passwords.hash(password).await {
            Ok(new) => self
                .store
                .renew_hash(account, old, &new)
                .await
                .map_err(Refusal::from),
            Err(e) => Err(e),
        };
        if let Err(e) = renewed {
            info!(account = account.0, error = %e, "an old hash was not renewed");
        }
    }

    /// HMAC-SHA256 under this process's own key, which nobody else ever sees.
    fn memory_key(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.process_key);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        key
    }
}

impl<'a> Attempt<'a> {
    fn new(login: &'a Login<'a>, lock: &Lock) -> Self {
        Self {
            login,
            name: counted_name(login.name),
            source: login.source.to_string(),
            client: printable(login.client, 200),
            rules: rules(lock),
            spares_known: lock.spares_known_devices,
        }
    }

    fn who(&self) -> Who<'_> {
        Who {
            name: &self.name,
            source: &self.source,
            eas_device: self
                .login
                .eas_device
                .filter(|_| self.login.protocol == Protocol::Eas),
        }
    }

    fn note(&self) -> LoginNote<'_> {
        LoginNote {
            protocol: self.login.protocol,
            client: &self.client,
        }
    }

    /// Rule 3 binds everybody but known devices; to the letter of the promise, everybody.
    fn binds_name(&self, is_known: bool) -> bool {
        !(is_known && self.spares_known)
    }

    /// Seconds left of the lock that binds this attempt, if any.
    fn lock_of(&self, state: &LoginState, is_known: bool) -> Option<u32> {
        [
            state.pair_locked,
            state.name_locked.filter(|_| self.binds_name(is_known)),
            state.source_locked,
        ]
        .into_iter()
        .flatten()
        .max()
        .map(|seconds| u32::try_from(seconds).unwrap_or(1).max(1))
    }

    fn left(&self, state: &LoginState, is_known: bool) -> Left {
        let left = |failures: i32| usize::try_from(self.rules.failures - failures).unwrap_or(0);
        Left {
            // An expired lock leaves its failures behind until they leave the window: at least one may try.
            pair: left(state.pair_failures).max(1),
            name: self
                .binds_name(is_known)
                .then(|| left(state.name_failures).max(1)),
        }
    }

    fn tries_left(&self, state: &LoginState, is_known: bool) -> u32 {
        let left = self.left(state, is_known);
        u32::try_from(left.name.map_or(left.pair, |name| name.min(left.pair))).unwrap_or(0)
    }

    /// One line and one count an attempt; never the name, which may be a mistyped password.
    fn log(&self, result: &Result<LoggedIn, LoginRefused>) {
        let protocol = self.login.protocol.word();
        let remote = &self.source;
        let outcome = match result {
            Ok(entered) => {
                let account = entered.account.account_id.0;
                info!(account, protocol, remote, "signed in");
                return;
            }
            Err(LoginRefused::Wrong { .. }) => "wrong",
            Err(LoginRefused::Locked { .. }) => "locked",
            Err(LoginRefused::TryLater) => "too busy",
            Err(LoginRefused::Disabled) => "disabled",
            Err(LoginRefused::NeedsCode { .. }) => "needs a second factor",
            Err(LoginRefused::Unavailable(e)) => {
                warn!(protocol, remote, error = %e, "a sign-in could not be checked");
                return;
            }
        };
        info!(protocol, remote, outcome, "sign-in refused");
        if matches!(outcome, "wrong" | "locked") {
            metrics::counter!("postamt_sign_in_failures_total", "protocol" => protocol, "outcome" => outcome)
                .increment(1);
        }
    }
}

/// How often an open connection looks whether its log-in still holds.
const LOOK: std::time::Duration = std::time::Duration::from_secs(3);
/// Octets of a name that is kept as it is; no address of ours is longer.
const MAX_NAME: usize = 320;

/// The compared name, in a form the database takes: what is no name of ours anyway is counted under its hash.
fn counted_name(typed: &str) -> String {
    let name = user_name(typed);
    if name.len() <= MAX_NAME && !name.contains(char::is_control) {
        return name;
    }
    let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    format!("sha256:{}", super::keys::hex(hash.as_ref()))
}

/// Without control characters, at most `most` characters: what a client calls itself.
pub(super) fn printable(text: &str, most: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(most)
        .collect()
}

pub(super) fn rules(lock: &Lock) -> LockRules {
    let int = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    LockRules {
        failures: int(lock.failures),
        minutes: int(lock.minutes),
        source_failures: int(lock.source_failures),
        source_names: int(lock.source_names),
        office_failures: int(lock.office_failures),
        office_accounts: int(lock.office_accounts),
        known_seconds: lock.device_known.as_secs_f64(),
        known_kept: int(lock.devices_kept),
    }
}
