//! Waking (DESIGN.md 3): on this node at once, on another soon, and even when a notification is lost.

use std::time::{Duration, Instant};

use postamt::model::{AccountId, Flags, ModSeq};
use postamt::service::changes::{Hub, Timing, Watch};
use postamt::store::mail::FlagEdit;
use postamt::store::{Committed, Store};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::common::TestDb;
use crate::common::fixtures::{Letter, TestAccount, deliver, quiet};

/// Patient enough for a busy machine; a wake that is missing never comes.
const LONG: Duration = Duration::from_secs(20);

/// One node: a pool and a running hub.
struct Node {
    store: Store,
    hub: Hub,
    _stop: DropGuard,
}

impl Node {
    fn start(store: Store, timing: Timing) -> Self {
        let stop = CancellationToken::new();
        let hub = Hub::with_timing(store.clone(), timing);
        let (runs, stopped) = (hub.clone(), stop.clone());
        tokio::spawn(async move { runs.run(stopped).await });
        Self {
            store,
            hub,
            _stop: stop.drop_guard(),
        }
    }

    async fn write(&self, anna: &TestAccount, subject: &str) -> Committed {
        let letter = Letter::subject(subject);
        deliver(&self.store, anna.id, anna.inbox(), &letter)
            .await
            .unwrap()
            .1
    }
}

async fn woken(watch: &mut Watch) -> ModSeq {
    tokio::time::timeout(LONG, watch.changed())
        .await
        .expect("a wake")
}

/// Waits until the node's hub listens (its backend is seen), so that the next notification is heard.
async fn listening(db: &TestDb, nodes: i64) {
    let end = Instant::now() + LONG;
    loop {
        let heard: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and query ilike 'listen %'",
        )
        .fetch_one(&db.pool)
        .await
        .unwrap();
        if heard >= nodes {
            return;
        }
        assert!(Instant::now() < end, "the hubs listen");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_change_wakes_its_own_node_at_once_and_nobody_else() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let bob = db.account("bob@x.test", 1 << 20).await;
    // Not running: what is woken here is woken without the database.
    let hub = Hub::new(db.store.clone());
    let (mut a, mut b) = (hub.watch(anna.id), hub.watch(bob.id));
    assert_eq!(a.newest(), ModSeq(0));
    let (_, committed) = deliver(&db.store, anna.id, anna.inbox(), &Letter::subject("Hello"))
        .await
        .unwrap();
    hub.wake(committed);
    assert_eq!(woken(&mut a).await, committed.modseq());
    assert_eq!(a.newest(), committed.modseq());
    // Several changes may be one wake.
    for n in 0..3 {
        let (_, more) = deliver(
            &db.store,
            anna.id,
            anna.inbox(),
            &Letter::subject(&format!("{n}")),
        )
        .await
        .unwrap();
        hub.wake(more);
    }
    assert_eq!(woken(&mut a).await, ModSeq(committed.modseq().0 + 3));
    assert!(futures_util::FutureExt::now_or_never(a.changed()).is_none());
    assert!(futures_util::FutureExt::now_or_never(b.changed()).is_none());
}

#[tokio::test]
async fn a_change_through_one_node_wakes_a_session_on_the_other() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let here = Node::start(db.store.clone(), Timing::default());
    let there = Node::start(db.second_store().await, Timing::default());
    let mut watch = there.hub.watch(anna.id);
    listening(&db, 2).await;
    let mut slowest = Duration::ZERO;
    for n in 0..10 {
        let committed = here.write(&anna, &format!("letter {n}")).await;
        let start = Instant::now();
        here.hub.wake(committed);
        while watch.newest() < committed.modseq() {
            woken(&mut watch).await;
        }
        slowest = slowest.max(start.elapsed());
        // The session looks and finds it.
        let row = there
            .store
            .folder(anna.id, anna.inbox())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.message_count, n + 1);
    }
    println!("slowest wake on the other node: {slowest:?}");
}

#[tokio::test]
async fn the_polling_net_finds_what_nobody_told() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let timing = Timing {
        poll: Duration::from_millis(50),
        ..Timing::default()
    };
    let there = Node::start(db.second_store().await, timing);
    let mut watch = there.hub.watch(anna.id);
    listening(&db, 1).await;
    // A node that died between commit and notification: its hub never spoke.
    let (_, lost) = deliver(&db.store, anna.id, anna.inbox(), &Letter::subject("Hello"))
        .await
        .unwrap();
    quiet(lost);
    while watch.newest() < lost.modseq() {
        woken(&mut watch).await;
    }
}

#[tokio::test]
async fn a_listener_that_lost_its_connection_looks_when_it_is_back() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let timing = Timing {
        poll: Duration::from_hours(1),
        reconnect: Duration::from_millis(10),
        ..Timing::default()
    };
    let there = Node::start(db.second_store().await, timing);
    let mut watch = there.hub.watch(anna.id);
    listening(&db, 1).await;
    let killed: i64 = sqlx::query_scalar(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
          where datname = current_database() and query ilike 'listen %'",
    )
    .fetch_one(&db.pool)
    .await
    .unwrap();
    assert_eq!(killed, 1);
    let (_, lost) = deliver(&db.store, anna.id, anna.inbox(), &Letter::subject("Hello"))
        .await
        .unwrap();
    quiet(lost);
    while watch.newest() < lost.modseq() {
        woken(&mut watch).await;
    }
}

#[tokio::test]
async fn many_accounts_are_told_in_one_go() {
    let db = TestDb::new().await;
    let here = Node::start(db.store.clone(), Timing::default());
    let there = Node::start(db.second_store().await, Timing::default());
    let mut watches = Vec::new();
    let mut accounts: Vec<TestAccount> = Vec::new();
    for n in 0..8 {
        let account = db.account(&format!("user{n}@x.test"), 1 << 20).await;
        watches.push(there.hub.watch(account.id));
        accounts.push(account);
    }
    listening(&db, 2).await;
    for account in &accounts {
        here.hub.wake(here.write(account, "Hello").await);
    }
    for (watch, account) in watches.iter_mut().zip(&accounts) {
        let newest = db.store.modseq(account.id).await.unwrap();
        while watch.newest() < newest {
            woken(watch).await;
        }
    }
}

#[tokio::test]
async fn a_change_number_is_polled_for_many_accounts_at_once() {
    let db = TestDb::new().await;
    let anna = db.account("anna@x.test", 1 << 20).await;
    let bob = db.account("bob@x.test", 1 << 20).await;
    let before = db.store.modseq(anna.id).await.unwrap();
    let mut w = db
        .store
        .draft()
        .await
        .unwrap()
        .lock(anna.id, postamt::model::Charge::NONE)
        .await
        .unwrap();
    let edit = FlagEdit {
        set: Flags::SEEN,
        ..FlagEdit::default()
    };
    w.set_flags(anna.inbox(), &[], &edit).await.unwrap();
    quiet(w.commit().await.unwrap());
    let mut numbers = db
        .store
        .modseqs(&[anna.id, bob.id, AccountId(0)])
        .await
        .unwrap();
    numbers.sort_unstable();
    assert_eq!(
        numbers,
        [
            (anna.id, ModSeq(before.0 + 1)),
            (bob.id, db.store.modseq(bob.id).await.unwrap())
        ]
    );
    assert_eq!(db.store.modseq(AccountId(0)).await.unwrap(), ModSeq(0));
    db.store.ping().await.unwrap();
}
