//! The only SQL and the only transactions.
//!
//! The one write path (DESIGN.md 4), held by types:
//!
//! ```text
//! Store::draft() -> Draft     bodies go in, nothing is locked
//!       .lock()  -> Write     account row locked, bytes charged, change number ours: one guarded UPDATE
//!       .commit()-> Committed #[must_use], taken only by the hub, which wakes the sessions
//! ```
//!
//! Order inside, always: bodies, lock, folder counters and UID, row, tombstone, commit, wake. Preconditions are compared
//! after the lock. A `Write` has one change number; several changes in it share it, in object order.
//! Reading is READ COMMITTED: read `upto` (the account's number) first, rows second.

pub mod account;
mod add;
pub mod address;
pub mod audit;
pub mod body;
pub mod changes;
pub mod check;
pub mod cluster;
pub mod collection;
pub mod credential;
pub mod device;
pub mod device_sync;
pub mod directory;
pub mod domain;
pub mod draft;
pub mod folder;
pub mod grant;
pub mod health;
pub mod item;
pub mod item_read;
pub mod job;
pub mod known;
pub mod login;
pub mod mail;
pub mod mailbox;
pub mod mailbox_metadata;
pub mod mailbox_search;
pub mod maildrop;
pub mod message;
pub mod notify;
pub mod outbox;
pub mod preference;
pub mod prune;
pub mod queue;
pub mod search;
pub mod session;
pub mod turn;
pub mod undo;
pub mod upkeep;

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres, Transaction};

use crate::error::{Refusal, StoreError};
use crate::model::{AccountId, BodyId, Charge, ModSeq};

/// The schema all tables live in; set as the search path of every connection.
pub const SCHEMA: &str = "postamt";

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A handle on the database; clones share one pool.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
}

/// How a pool is opened.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// Where the database is and who we are there.
    pub connect: PgConnectOptions,
    /// The most connections of this node.
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// What one connection may hold up.
    pub session: SessionLimits,
}

/// The time-outs the server itself holds for every connection (security.md 10).
#[derive(Debug, Clone, Copy)]
pub struct SessionLimits {
    /// `statement_timeout`.
    pub statement_timeout: Duration,
    /// `lock_timeout`.
    pub lock_timeout: Duration,
    /// `idle_in_transaction_session_timeout`.
    pub idle_transaction_timeout: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(5),
            idle_transaction_timeout: Duration::from_mins(1),
        }
    }
}

impl Store {
    /// Opens a pool. Every connection gets the schema as its search path and the time-outs of security.md 10.
    ///
    /// # Errors
    /// [`StoreError::Gone`] when the server cannot be reached.
    pub async fn open(open: OpenOptions) -> Result<Self, StoreError> {
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let session = open.session;
        let options = open.connect.options([
            ("search_path", SCHEMA.to_owned()),
            ("statement_timeout", milliseconds(session.statement_timeout)),
            ("lock_timeout", milliseconds(session.lock_timeout)),
            (
                "idle_in_transaction_session_timeout",
                milliseconds(session.idle_transaction_timeout),
            ),
            ("TimeZone", "UTC".to_owned()),
            ("jit", "off".to_owned()),
        ]);
        // Statements hold what people wrote: their text never reaches a log.
        let options = options.disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(open.max_connections)
            .min_connections(1)
            .acquire_timeout(open.acquire_timeout)
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await?;
        Ok(Self { pool, options })
    }

    /// Creates the schema where it is missing and runs the migrations that have not run yet.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when a migration fails, also when the database is newer than this program.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut conn = PgConnection::connect_with(&self.options).await?;
        sqlx::query("create schema if not exists postamt")
            .execute(&mut conn)
            .await?;
        // A first migration over a large database may take longer than a statement may.
        sqlx::query("set statement_timeout = 0")
            .execute(&mut conn)
            .await?;
        MIGRATIONS
            .run(&mut conn)
            .await
            .map_err(|e| StoreError::Broken(sqlx::Error::Migrate(Box::new(e))))?;
        conn.close().await?;
        Ok(())
    }

    /// The pool, for the store's own modules.
    fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A connection of its own outside the pool, for LISTEN and advisory locks.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn lone_connection(&self) -> Result<PgConnection, StoreError> {
        Ok(PgConnection::connect_with(&self.options).await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("select 1").execute(self.pool()).await?;
        Ok(())
    }

    /// Closes the pool; queries that run are finished first.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Opens a transaction in which bodies are stored; nothing is locked yet.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn draft(&self) -> Result<Draft, StoreError> {
        Ok(Draft {
            tx: self.pool.begin().await?,
        })
    }
}

/// A transaction in which bodies go in and nothing is locked.
#[derive(Debug)]
pub struct Draft {
    tx: Transaction<'static, Postgres>,
}

/// What a body is known by inside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyRef {
    /// The stored body.
    pub id: BodyId,
    /// Its octets.
    pub size_bytes: i64,
}

impl Draft {
    /// Locks the account, charges `charge` and takes the next change number, in one guarded statement.
    ///
    /// # Errors
    /// [`Refusal::OverQuota`] when the charge does not fit; [`Refusal::NotFound`] when the account is gone.
    pub async fn lock(mut self, account: AccountId, charge: Charge) -> Result<Write, Refusal> {
        let locked = account::lock(&mut self.tx, account, charge, true).await?;
        Ok(Write {
            tx: self.tx,
            account,
            modseq: locked.modseq,
            usage: locked,
        })
    }

    /// Like [`Draft::lock`], but the charge is never refused: for the program's own notices and for what only moves bytes
    /// that are there already.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] when the account is gone.
    pub async fn lock_unguarded(
        mut self,
        account: AccountId,
        charge: Charge,
    ) -> Result<Write, Refusal> {
        let locked = account::lock(&mut self.tx, account, charge, false).await?;
        Ok(Write {
            tx: self.tx,
            account,
            modseq: locked.modseq,
            usage: locked,
        })
    }

    /// Gives up; nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn abandon(self) -> Result<(), StoreError> {
        self.tx.rollback().await?;
        Ok(())
    }
}

/// A transaction that holds one account's row: the only way to change what an account owns.
///
/// Dropping it rolls back. No parsing, hashing or body bytes in here.
#[derive(Debug)]
#[must_use]
pub struct Write {
    tx: Transaction<'static, Postgres>,
    account: AccountId,
    modseq: ModSeq,
    usage: account::Locked,
}

impl Write {
    /// The change number of everything this write does.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }

    /// Whose row is locked.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// How full the account is, this write's charges included.
    #[must_use]
    pub fn usage(&self) -> account::Locked {
        self.usage
    }

    /// Charges what became known only under the lock (the sizes of copied messages, say).
    ///
    /// # Errors
    /// [`Refusal::OverQuota`]; the caller drops the write.
    pub async fn charge(&mut self, charge: Charge) -> Result<(), Refusal> {
        account::charge(&mut self.tx, self.account, charge).await?;
        self.usage.used_bytes += charge.total();
        Ok(())
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was written, or, if the connection broke in this very moment, all of it.
    pub async fn commit(self) -> Result<Committed, StoreError> {
        self.tx.commit().await?;
        Ok(Committed {
            account: self.account,
            modseq: self.modseq,
        })
    }

    /// Gives up; nothing was written.
    ///
    /// # Errors
    /// [`StoreError::Gone`].
    pub async fn abandon(self) -> Result<(), StoreError> {
        self.tx.rollback().await?;
        Ok(())
    }
}

/// Proof of a durable change; only the hub takes it, and wakes the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "give it to Hub::wake, or nobody learns of the change"]
pub struct Committed {
    account: AccountId,
    modseq: ModSeq,
}

impl Committed {
    /// Whose data changed.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The change number.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        self.modseq
    }
}
