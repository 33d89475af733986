//! Accounts with passwords, made by the accounts service, and attempts to sign in.

use std::net::IpAddr;
use std::sync::Arc;

use postamt::config::Config;
use postamt::model::{AccountId, Protocol, Role, Source};
use postamt::service::App;
use postamt::service::accounts::admin::{Actor, CreateAccount};
use postamt::service::accounts::{LoggedIn, Login, LoginRefused};

use super::TestDb;

/// The password of everybody a test makes.
pub const PASSWORD: &str = "vK9x_wQz7!";
/// Where nobody ever signed in from.
pub const STRANGER: &str = "203.0.113.66";
/// Where the owner sits.
pub const HOME: &str = "192.0.2.1";

/// One node on a fresh database, with cheap password hashes.
pub struct World {
    /// The database.
    pub db: TestDb,
    /// The services of the first node.
    pub app: App,
    /// The operator.
    pub host: Actor,
}

/// Settings of tests: everything as it is delivered, but password hashes that cost a third.
pub fn settings() -> Config {
    let mut config = Config::default();
    config.password.memory_kib = 19_456;
    config
}

impl World {
    /// A node with `settings`.
    pub async fn new() -> Self {
        Self::with(settings()).await
    }

    /// A node with settings of one's own.
    pub async fn with(config: Config) -> Self {
        let db = TestDb::new().await;
        let app = App::new(Arc::new(config), db.store.clone());
        Self {
            db,
            app,
            host: Actor::command_line(),
        }
    }

    /// Another node on the same database, or this one after a restart.
    pub async fn node(&self, config: Config) -> App {
        App::new(Arc::new(config), self.db.second_store().await)
    }

    /// A domain.
    pub async fn domain(&self, name: &str) {
        let created = self.app.accounts.create_domain(&self.host, name).await;
        created.unwrap();
    }

    /// An account with [`PASSWORD`], which need not be changed.
    pub async fn account(&self, address: &str, role: Role) -> AccountId {
        let new = CreateAccount {
            address,
            role: Some(role),
            password: Some(PASSWORD),
            must_change: Some(false),
            ..CreateAccount::default()
        };
        let created = self.app.accounts.create_account(&self.host, &new).await;
        created.unwrap().account
    }
}

/// An attempt to sign in.
#[derive(Debug, Clone)]
pub struct Try {
    pub name: String,
    pub password: String,
    pub protocol: Protocol,
    pub source: String,
    pub cookie: Option<String>,
    pub device: Option<String>,
}

impl Try {
    /// By IMAP, from nowhere known.
    pub fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
            protocol: Protocol::Imap,
            source: STRANGER.to_owned(),
            cookie: None,
            device: None,
        }
    }

    pub fn from(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }

    pub fn by(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    pub fn login(&self) -> Login<'_> {
        Login {
            name: &self.name,
            password: &self.password,
            protocol: self.protocol,
            source: Source::of(self.source.parse::<IpAddr>().unwrap()),
            device_cookie: self.cookie.as_deref(),
            eas_device: self.device.as_deref(),
            client: "test",
        }
    }

    pub async fn at(&self, app: &App) -> Result<LoggedIn, LoginRefused> {
        app.accounts.login(&self.login()).await
    }

    /// The outcome as one word: `ok`, `wrong`, `locked`, `later`, `disabled`, `code`, `away`.
    pub async fn word(&self, app: &App) -> &'static str {
        word(&self.at(app).await)
    }
}

/// The outcome as one word.
pub fn word(result: &Result<LoggedIn, LoginRefused>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(LoginRefused::Wrong { .. }) => "wrong",
        Err(LoginRefused::Locked { .. }) => "locked",
        Err(LoginRefused::TryLater) => "later",
        Err(LoginRefused::Disabled) => "disabled",
        Err(LoginRefused::NeedsCode { .. }) => "code",
        Err(LoginRefused::Unavailable(_)) => "away",
    }
}
