//! The harness of all integration tests. A test file begins with `mod common;` and takes what it needs:
//!
//! ```ignore
//! let db = TestDb::new().await;                    // a fresh database with our schema, dropped with `db`
//! let anna = db.account("anna@x.test", 1 << 20).await;
//! let inbox = anna.folder(SpecialUse::Inbox);
//! let added = db.deliver(&anna, inbox, &Letter::subject("Hello")).await;
//! let other_node = db.second_store().await;        // another pool on the same database
//! let n: i64 = db.number("select count(*) from message where account_id = $1", anna.id).await;
//! ```
//!
//! * `TestDb` costs some 50 ms: `create database .. template ..` in a private `PostgreSQL` cluster that the first test of a
//!   test program starts and that dies with the program, however it ends (`cluster.rs`). Tests run side by side, each on
//!   its own database. `fsync` is off there: tests of what survives a crash start a cluster of their own.
//! * `TestServer::start()` (`server.rs`) is the whole program in this process, every door on a free port; `smtp.rs` has the
//!   SMTP doors alone with a scripted client, `people.rs` accounts with passwords and attempts to sign in.
//! * `fixtures.rs` makes accounts, letters and items in the shape the write path takes, without parsing.
//! * Raw SQL in a test is for looking at the truth, never for changing what the write path keeps.

#![expect(
    dead_code,
    reason = "every test program uses another part of the harness"
)]

pub mod cluster;
pub mod fixtures;
pub mod people;
pub mod server;
pub mod smtp;

use postamt::model::AccountId;
use postamt::store::{OpenOptions, SessionLimits, Store};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use std::time::Duration;

use cluster::TestCluster;

/// A database of its own with our schema; dropping it drops the database.
pub struct TestDb {
    /// What the program would open.
    pub store: Store,
    /// For looking at the truth; the search path is our schema.
    pub pool: PgPool,
    name: String,
}

impl TestDb {
    /// A fresh database, migrated, empty.
    pub async fn new() -> Self {
        let name = TestCluster::get().create_database().await;
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(30))
            .connect_lazy_with(options(&name).options([("search_path", postamt::store::SCHEMA)]));
        Self {
            store: open(&name).await,
            pool,
            name,
        }
    }

    /// Another pool on the same database: a second node.
    pub async fn second_store(&self) -> Store {
        open(&self.name).await
    }

    /// How to connect to this database, without our search path: what a whole program is given as its database.
    pub fn connect_options(&self) -> PgConnectOptions {
        options(&self.name)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!(
            "postgresql://{}@localhost/{}?host={}",
            cluster::ROLE,
            self.name,
            TestCluster::get().socket_folder().display()
        )
    }

    /// One number of an account: `$1` is its id.
    pub async fn number(&self, sql: &'static str, account: AccountId) -> i64 {
        sqlx::query_scalar(sql)
            .bind(account)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Panics unless every counter of the account equals what it counts.
    pub async fn assert_adds_up(&self, account: AccountId) {
        assert_eq!(self.store.check_account(account).await.unwrap(), []);
    }

    /// A statement on one account (`$1`), for what no store function should be able to do, such as ageing a row.
    pub async fn tamper(&self, sql: &'static str, account: AccountId) -> u64 {
        sqlx::query(sql)
            .bind(account)
            .execute(&self.pool)
            .await
            .unwrap()
            .rows_affected()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        TestCluster::get().drop_database(&self.name);
    }
}

fn options(database: &str) -> PgConnectOptions {
    TestCluster::get().options().database(database)
}

async fn open(database: &str) -> Store {
    Store::open(OpenOptions {
        connect: options(database),
        max_connections: 16,
        acquire_timeout: Duration::from_secs(30),
        session: SessionLimits::default(),
    })
    .await
    .unwrap()
}

/// Never called: keeps the `expect` above true in a test program that happens to use everything.
fn unused_by_design() {}
