//! Promise S-03: after `kill -9` of the program in the middle of deliveries, every message that was answered 250
//! is there exactly once, one that was not answered at most once, and no repair is needed: the next start goes on,
//! and the senders' retries complete what was cut off without doubling it. S-04: the same when PostgreSQL crashes under us.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postamt::config::Config;
use postamt::service::App;
use postamt::store::{OpenOptions, SCHEMA, SessionLimits, Store};
use rustix::process::{Signal, kill_process};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::common::TestDb;
use crate::common::smtp::populate;
use crate::program::{Folder, Program};
use crate::senders::{Sent, assert_exactly_once, deliver, greeted, ten_at_once, try_again};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_kill_9_in_the_middle_of_ten_deliveries() {
    let db = TestDb::new().await;
    populate(&App::new(Arc::new(Config::default()), db.store.clone())).await;
    let folder = Folder::new("crash");
    let mut sent = Sent::default();
    for round in 0..3 {
        let mut program = Program::start(Some(&db), &folder.0);
        let mx = program.mx;
        let more = ten_at_once(mx, round * 100_000, 30, async { program.kill() }).await;
        sent.taken.extend(more.taken);
        sent.again.extend(more.again);
    }
    assert!(sent.taken.len() >= 90, "{}", sent.taken.len());
    assert_exactly_once(&db.pool, &sent.taken).await;
    let program = Program::start(Some(&db), &folder.0);
    try_again(program.mx, &db.pool, &sent).await;
}

/// A program with a cluster of its own, and anna and bob in it.
async fn whole(folder: &Folder) -> Program {
    let program = Program::start(None, &folder.0);
    let store = Store::open(OpenOptions {
        connect: folder.database().await,
        max_connections: 4,
        acquire_timeout: Duration::from_secs(30),
        session: SessionLimits::default(),
    })
    .await
    .unwrap();
    populate(&App::new(Arc::new(Config::default()), store.clone())).await;
    store.close().await;
    program
}

/// A look at the truth.
async fn look(folder: &Folder) -> PgPool {
    let options = folder.database().await;
    PgPoolOptions::new()
        .max_connections(2)
        .connect_lazy_with(options.options([("search_path", SCHEMA)]))
}

/// Everything on this machine that belongs to the program goes at once, its PostgreSQL too, as in a power cut; it is started
/// again by the same command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_kill_9_of_everything() {
    let folder = Folder::new("kill-all");
    let mut program = whole(&folder).await;
    let mut sent = Sent::default();
    for (round, kills_database) in [false, true].into_iter().enumerate() {
        let mx = program.mx;
        let fault = async {
            if kills_database {
                folder.kill_database();
            }
            program.kill();
        };
        let more = ten_at_once(mx, round * 100_000, 30, fault).await;
        assert!(more.taken.len() >= 30, "{}", more.taken.len());
        sent.taken.extend(more.taken);
        sent.again.extend(more.again);
        program = Program::start(None, &folder.0);
        assert_exactly_once(&look(&folder).await, &sent.taken).await;
    }
    try_again(program.mx, &look(&folder).await, &sent).await;
}

/// The database crashes under a program that goes on: senders are told to come back, and can within 30 seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_crash_of_the_database_in_the_middle_of_ten_deliveries() {
    let folder = Folder::new("crash-database");
    let program = whole(&folder).await;
    let before = folder.postmaster().unwrap();
    let fault = async { kill_process(before, Signal::QUIT).unwrap() };
    let sent = ten_at_once(program.mx, 0, 30, fault).await;
    assert!(!sent.again.is_empty(), "somebody was interrupted");
    let crashed = Instant::now();
    loop {
        // A new connection each time, for one of them may only ask so often.
        let mut client = greeted(program.mx).await.unwrap();
        let answer = deliver(&mut client, 1_000_000).await.unwrap();
        if answer.starts_with("250 ") {
            break;
        }
        assert!(answer.starts_with("451 4.3.0 "), "{answer}");
        assert!(crashed.elapsed() < Duration::from_secs(30), "{answer}");
    }
    let mut sent = sent;
    sent.taken.insert(1_000_000);
    assert_ne!(folder.postmaster(), Some(before));
    let truth = look(&folder).await;
    assert_exactly_once(&truth, &sent.taken).await;
    try_again(program.mx, &truth, &sent).await;
}
