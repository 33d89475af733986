//! The hub: who wakes whom after a commit (DESIGN.md 3, "Waking").
//!
//! Sessions on this node are signalled right after the commit. Other nodes: one task a node gathers the touched accounts and
//! sends one `pg_notify` every 20 ms on a connection of its own, never inside a write. A wake carries no content, it only says
//! "look". Safety net: every 30 s, and after every reconnect of the listener, the watched accounts' numbers are compared.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::model::{AccountId, ModSeq};
use crate::store::notify::Listener;
use crate::store::{Committed, Store};

/// How patient a hub is; the default is what DESIGN.md 3 promises.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long touched accounts are gathered before other nodes are told.
    pub gather: Duration,
    /// The safety net's interval.
    pub poll: Duration,
    /// How long to wait before the listener connects again.
    pub reconnect: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(20),
            poll: Duration::from_secs(30),
            reconnect: Duration::from_millis(500),
        }
    }
}

/// Most account ids in one notification; PostgreSQL takes 8,000 octets of payload.
const IDS_PER_NOTIFY: usize = 350;

/// Wakes sessions when their account changed. Clones share one hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    timing: Timing,
    watched: Mutex<HashMap<AccountId, watch::Sender<ModSeq>>>,
    touched: Mutex<HashSet<AccountId>>,
    pending: Notify,
}

/// A session's view of one account's changes; dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    receiver: watch::Receiver<ModSeq>,
}

impl Watch {
    /// The newest change number this node knows of; 0 when it has not heard of any yet.
    #[must_use]
    pub fn newest(&self) -> ModSeq {
        *self.receiver.borrow()
    }

    /// Waits until the account changed. Several changes may be one wake; look what is new.
    pub async fn changed(&mut self) -> ModSeq {
        if self.receiver.changed().await.is_err() {
            // The hub keeps its senders while anybody watches, so it is only gone with the program.
            std::future::pending::<()>().await;
        }
        *self.receiver.borrow_and_update()
    }
}

impl Hub {
    /// A hub over a store; nothing runs until [`Hub::run`].
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_timing(store, Timing::default())
    }

    /// A hub of another patience.
    #[must_use]
    pub fn with_timing(store: Store, timing: Timing) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                timing,
                watched: Mutex::new(HashMap::new()),
                touched: Mutex::new(HashSet::new()),
                pending: Notify::new(),
            }),
        }
    }

    /// Watches an account. Read the account's number *after* this call, rows after that: then nothing is missed.
    #[must_use]
    pub fn watch(&self, account: AccountId) -> Watch {
        let mut watched = lock(&self.inner.watched);
        let sender = watched
            .entry(account)
            .or_insert_with(|| watch::Sender::new(ModSeq(0)));
        Watch {
            receiver: sender.subscribe(),
        }
    }

    /// Wakes everybody who watches the account, here at once and elsewhere within 20 ms.
    pub fn wake(&self, committed: Committed) {
        self.signal(committed.account(), committed.modseq());
        lock(&self.inner.touched).insert(committed.account());
        self.inner.pending.notify_one();
    }

    fn signal(&self, account: AccountId, modseq: ModSeq) {
        if let Some(sender) = lock(&self.inner.watched).get(&account) {
            sender.send_if_modified(|seen| {
                let newer = modseq > *seen;
                if newer {
                    *seen = modseq;
                }
                newer
            });
        }
    }

    /// Runs the sender, the listener and the safety net until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            ((), ()) = async { tokio::join!(self.send_forever(), self.listen_forever()) } => {}
        }
    }

    async fn send_forever(&self) {
        loop {
            self.inner.pending.notified().await;
            tokio::time::sleep(self.inner.timing.gather).await;
            self.flush().await;
        }
    }

    /// Tells the other nodes now what waits to be told; for a program that ends without [`Hub::run`].
    pub async fn flush(&self) {
        let touched: Vec<AccountId> = lock(&self.inner.touched).drain().collect();
        for ids in touched.chunks(IDS_PER_NOTIFY) {
            if let Err(e) = self.inner.store.notify_accounts(ids).await {
                // The others' safety net finds these changes.
                debug!(error = %e, "other nodes were not told of a change");
            }
        }
    }

    async fn listen_forever(&self) {
        loop {
            match self.inner.store.listen().await {
                Ok(listener) => {
                    self.compare().await;
                    if let Err(e) = self.listen(listener).await {
                        warn!(error = %e, "the change listener lost its connection");
                    }
                }
                Err(e) => debug!(error = %e, "the change listener does not connect"),
            }
            tokio::time::sleep(self.inner.timing.reconnect).await;
        }
    }

    async fn listen(&self, mut listener: Listener) -> Result<(), crate::error::StoreError> {
        let mut poll = tokio::time::interval(self.inner.timing.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        poll.tick().await;
        loop {
            tokio::select! {
                touched = listener.next() => {
                    let mine: Vec<AccountId> = {
                        let watched = lock(&self.inner.watched);
                        touched?.into_iter().filter(|a| watched.contains_key(a)).collect()
                    };
                    self.look(&mine).await;
                }
                _ = poll.tick() => self.compare().await,
            }
        }
    }

    /// The safety net: forgets accounts nobody watches any more, compares the numbers of the others.
    async fn compare(&self) {
        let accounts: Vec<AccountId> = {
            let mut watched = lock(&self.inner.watched);
            watched.retain(|_, sender| sender.receiver_count() > 0);
            watched.keys().copied().collect()
        };
        for some in accounts.chunks(1000) {
            self.look(some).await;
        }
    }

    async fn look(&self, accounts: &[AccountId]) {
        if accounts.is_empty() {
            return;
        }
        match self.inner.store.modseqs(accounts).await {
            Ok(found) => {
                for (account, modseq) in found {
                    self.signal(account, modseq);
                }
            }
            Err(e) => debug!(error = %e, "the watched accounts could not be compared"),
        }
    }
}

/// The maps are plain data: a panic elsewhere leaves nothing half done in them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
