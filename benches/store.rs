//! `cargo bench --bench store`: what the write path costs, on a durable cluster of its own in `/var/tmp`.
//!
//! Printed, never asserted: milliseconds and octets of write-ahead log of
//! * a flag change on 5,000 messages in one bite and in bites of 500 (DESIGN.md 5: 18 ms and 3 MB),
//! * a delivery of 8 KB, flushed, over one and over ten connections, beside bare 8 KB rows on the same disk,
//! * a folder page of 50 rows in a folder of 100,000 messages (`BENCH_MESSAGES` to change that).

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use common::cluster::TestCluster;
use common::fixtures::{Letter, TestAccount, deliver, quiet};
use common::{TestDb, fixtures};
use postamt::model::{Charge, Flags};
use postamt::store::Store;
use postamt::store::mail::FlagEdit;
use postamt::store::message::{ThreadFilter, Window};

fn main() {
    TestCluster::make_durable();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            flags().await;
            deliveries().await;
            pages().await;
        });
}

/// Octets of write-ahead log so far.
async fn wal(db: &TestDb) -> f64 {
    sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0')::float8")
        .fetch_one(&db.pool)
        .await
        .unwrap()
}

async fn set_flags(store: &Store, anna: &TestAccount, uids: &[i64], edit: &FlagEdit) {
    let mut w = store
        .draft()
        .await
        .unwrap()
        .lock(anna.id, Charge::NONE)
        .await
        .unwrap();
    w.set_flags(anna.inbox(), uids, edit).await.unwrap();
    quiet(w.commit().await.unwrap());
}

async fn flags() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 40).await;
    fill(&db, &anna, 5000).await;
    let uids: Vec<i64> = (1..=5000).collect();
    println!("flag change on 5,000 messages");
    for (what, bite) in [("one commit", 5000), ("bites of 500", 500)] {
        for flag in [Flags::SEEN, Flags::ANSWERED] {
            let edit = FlagEdit {
                set: flag,
                ..FlagEdit::default()
            };
            let back = FlagEdit {
                clear: flag,
                ..FlagEdit::default()
            };
            // The first touch of a page after a checkpoint logs it whole; the second round shows the change itself.
            for round in ["first", "second"] {
                checkpoint(&db, round == "first").await;
                let (start, log) = (Instant::now(), wal(&db).await);
                for some in uids.chunks(bite) {
                    set_flags(&db.store, &anna, some, &edit).await;
                }
                let took = start.elapsed();
                let mb = (wal(&db).await - log) / 1e6;
                println!(
                    "  {what:12} {:9} {round:6}  {:7.1} ms  {mb:6.2} MB of log",
                    if flag == Flags::SEEN {
                        "\\Seen"
                    } else {
                        "\\Answered"
                    },
                    took.as_secs_f64() * 1e3
                );
                set_flags(&db.store, &anna, &uids, &back).await;
            }
        }
    }
}

async fn checkpoint(db: &TestDb, wanted: bool) {
    if wanted {
        sqlx::query("vacuum message")
            .execute(&db.pool)
            .await
            .unwrap();
        sqlx::query("checkpoint").execute(&db.pool).await.unwrap();
    }
}

async fn deliveries() {
    let db = TestDb::new().await;
    let mut accounts = Vec::new();
    for n in 0..20 {
        accounts.push(db.account(&format!("u{n}@x.test"), 1 << 40).await);
    }
    let seconds = Duration::from_secs(5);
    println!("durable writes of 8 KB in {seconds:?}");
    sqlx::query("create table bare (n bigint generated always as identity primary key, bytes bytea not null)")
        .execute(&db.pool)
        .await
        .unwrap();
    sqlx::query("alter table bare alter column bytes set storage external")
        .execute(&db.pool)
        .await
        .unwrap();
    for connections in [1, 10] {
        let bare = rate(connections, seconds, |n| {
            let pool = db.pool.clone();
            async move {
                let bytes = Letter::subject(&n.to_string()).of_size(8192).bytes;
                sqlx::query("insert into bare (bytes) values ($1)")
                    .bind(bytes)
                    .execute(&pool)
                    .await
                    .unwrap();
            }
        })
        .await;
        let log = wal(&db).await;
        let ours = rate(connections, seconds, |n| {
            let store = db.store.clone();
            let to = accounts[n % accounts.len()].clone();
            async move {
                let letter = Letter::subject(&format!("letter {n}")).of_size(8192);
                quiet(deliver(&store, to.id, to.inbox(), &letter).await.unwrap().1);
            }
        })
        .await;
        let per_message = (wal(&db).await - log) / (ours * seconds.as_secs_f64()) / 1e3;
        println!(
            "  {connections:2} connections: bare rows {bare:6.0}/s, deliveries {ours:6.0}/s ({:.2} of bare), {per_message:.1} KB of log each",
            ours / bare
        );
    }
}

/// Calls a second, `connections` at a time.
async fn rate<F, Fut>(connections: usize, time: Duration, call: F) -> f64
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = ()>,
{
    let start = Instant::now();
    let call = &call;
    let lanes = (0..connections).map(|lane| async move {
        let mut done = 0_usize;
        while start.elapsed() < time {
            call(lane + connections * done).await;
            done += 1;
        }
        done
    });
    let done: usize = futures_util::future::join_all(lanes).await.iter().sum();
    f64::from(u32::try_from(done).unwrap()) / start.elapsed().as_secs_f64()
}

async fn pages() {
    let count = std::env::var("BENCH_MESSAGES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(100_000);
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 40).await;
    fill(&db, &anna, count).await;
    sqlx::query("analyze").execute(&db.pool).await.unwrap();
    println!("folder page of 50 rows in a folder of {count} messages");
    for (what, window) in [("top", Window::Top), ("middle", Window::Offset(count / 2))] {
        let mut times = Vec::new();
        for _ in 0..200 {
            let start = Instant::now();
            let rows = db
                .store
                .thread_window(anna.id, anna.inbox(), ThreadFilter::default(), window, 50)
                .await
                .unwrap();
            assert_eq!(rows.len(), 50);
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!("  {what:6}  p50 {:?}  p99 {:?}", times[100], times[198]);
    }
}

/// So many small messages in the inbox, each its own conversation, by plain SQL: the shape matters, not the way there.
async fn fill(db: &TestDb, anna: &TestAccount, count: i64) {
    db.deliver(
        anna,
        anna.inbox(),
        &Letter::subject("pattern").received(fixtures::now()),
    )
    .await;
    for sql in [
        "insert into email (account_id, body_id, thread_id, size_bytes, message_id, sent_at, sender_name, sender_address,
                            recipients, participants, subject, preview, envelope, structure, parts, search, search_text)
         select e.account_id, e.body_id, nextval('thread_id_seq'), e.size_bytes, 'm' || n, e.sent_at, 'Sender ' || n,
                e.sender_address, e.recipients, e.participants, 'Subject of message ' || n, repeat('preview ', 12),
                e.envelope, e.structure, e.parts, e.search, e.search_text
           from email e, generate_series(2, $2) n
          where e.account_id = $1",
        "insert into message (account_id, folder_id, uid, email_id, thread_id, size_bytes, received_at, created_modseq, modseq)
         select m.account_id, m.folder_id, row_number() over (order by e.email_id) + 1, e.email_id, e.thread_id, e.size_bytes,
                now() - make_interval(secs => $2 - e.email_id), 1, 1
           from message m, email e
          where m.account_id = $1
            and e.account_id = $1
            and e.email_id <> m.email_id
            and $2 > 0",
        "insert into folder_thread (account_id, folder_id, thread_id, newest_at, newest_uid, messages, unseen, starred, attachments)
         select account_id, folder_id, thread_id, received_at, uid, 1, 1, 0, 0
           from message
          where account_id = $1
            and uid > 1
            and $2 > 0",
        "update folder
            set uid_next = $2 + 1, message_count = $2, unseen_count = $2
          where account_id = $1
            and special_use = 'inbox'",
    ] {
        sqlx::query(sql)
            .bind(anna.id)
            .bind(count)
            .execute(&db.pool)
            .await
            .unwrap();
    }
    sqlx::query("vacuum analyze")
        .execute(&db.pool)
        .await
        .unwrap();
}
