//! What is true at every door: accounts, mail, outgoing, changes.
//!
//! A door makes one call here and turns the answer into bytes. A service never sees a socket, a header or a status code.

pub mod changes;

use std::ops::Deref;
use std::sync::Arc;

use crate::config::Config;
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
    store: Store,
}

impl Deref for App {
    type Target = Services;
    fn deref(&self) -> &Services {
        &self.inner
    }
}

impl App {
    /// Wires the services over an open store. Workers are started by the server, not here.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store) -> Self {
        Self {
            inner: Arc::new(Services {
                config,
                changes: changes::Hub::new(store.clone()),
                store,
            }),
        }
    }

    /// Whether the database answers: what `/healthz` asks.
    ///
    /// # Errors
    /// [`crate::error::Refusal::Unavailable`].
    pub async fn healthy(&self) -> Result<(), crate::error::Refusal> {
        Ok(self.store.ping().await?)
    }
}
