//! What is true at every door: accounts, mail, outgoing, changes.
//!
//! A door makes one call here and turns the answer into bytes. A service never sees a socket, a header or a status code.

pub mod accounts;
pub mod calendar;
pub mod changes;
pub mod check;
pub mod demo;
pub mod devices;
pub mod drafts;
pub mod house;
pub mod items;
pub mod live;
pub mod mail;
pub mod mailbox;
pub mod maildrop;
pub mod notices;
pub mod outgoing;
pub mod tasks;

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::error::Refusal;
use crate::store::Store;

/// Everything a door may call; clones are cheap.
#[derive(Clone)]
pub struct App {
    inner: Arc<Services>,
}

/// The services of one node.
pub struct Services {
    /// The settings.
    pub config: Arc<Config>,
    /// The change stream.
    pub changes: changes::Hub,
    /// Messages and folders.
    pub mail: mail::Mail,
    /// Folders as sessions hold them open.
    pub mailbox: mailbox::Mailboxes,
    /// Accounts, addresses, passwords, sign-in.
    pub accounts: Arc<accounts::Accounts>,
    /// Events, contacts, tasks, notes and their collections.
    pub items: items::Items,
    /// Mail that leaves.
    pub outgoing: outgoing::Outgoing,
    /// Phones over ActiveSync.
    pub devices: devices::Devices,
    store: Store,
    notices: Mutex<Option<mpsc::Receiver<notices::Notice>>>,
}

impl Deref for App {
    type Target = Services;
    fn deref(&self) -> &Services {
        &self.inner
    }
}

impl App {
    /// Wires the services over an open store. [`App::start`] begins their background work.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store) -> Self {
        let changes = changes::Hub::new(store.clone());
        let (notices, waiting) = notices::Notices::new();
        let mail = mail::Mail::new(
            Arc::clone(&config),
            store.clone(),
            changes.clone(),
            notices.clone(),
        );
        let items = items::Items::new(&config, store.clone(), changes.clone(), notices.clone());
        let mailbox = mailbox::Mailboxes::new(
            Arc::clone(&config),
            store.clone(),
            changes.clone(),
            notices.clone(),
        );
        let accounts = Arc::new(accounts::Accounts::new(
            config.clone(),
            store.clone(),
            changes.clone(),
            notices,
        ));
        Self {
            inner: Arc::new(Services {
                outgoing: outgoing::Outgoing::new(
                    config.clone(),
                    store.clone(),
                    Arc::clone(&accounts),
                ),
                devices: devices::Devices::new(config.clone(), store.clone(), changes.clone()),
                accounts,
                config,
                changes,
                items,
                mail,
                mailbox,
                store,
                notices: Mutex::new(Some(waiting)),
            }),
        }
    }

    /// Starts the background work of this node; it ends with `stop`, and `tasks` waits for it.
    pub fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (hub, token) = (self.changes.clone(), stop.clone());
        tasks.spawn(async move { hub.run(token).await });
        tasks.spawn(drafts::run(self.clone(), stop.clone()));
        let waiting = self
            .notices
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waiting) = waiting {
            tasks.spawn(notices::run(self.clone(), waiting, stop.clone()));
            let (accounts, token) = (Arc::clone(&self.accounts), stop.clone());
            tasks.spawn(async move { accounts.keep_house(token).await });
            tasks.spawn(house::run(self.clone(), stop.clone()));
            tasks.spawn(calendar::run(self.clone(), stop.clone()));
            tasks.spawn(house::tidy(self.clone(), stop.clone()));
        }
    }

    /// Whether the database answers: what `/healthz` asks.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`].
    pub async fn healthy(&self) -> Result<(), Refusal> {
        Ok(self.store.ping().await?)
    }

    /// The store, for the services.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }
}
