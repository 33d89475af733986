//! The promise of one change stream (DESIGN.md 3): whatever many writers do, and however badly replies are lost, every kind
//! of client ends with exactly the truth, and `used_bytes` equals the sum.
//!
//! ```text
//! writers  (2 nodes)  deliver, flag, move, copy, expunge, folders and collections come and go, items put / moved / removed
//! pruner              takes tombstones away under everybody's feet
//! clients  imap.rs    CONDSTORE / QRESYNC: one number a folder
//!          dav.rs     sync-collection: opaque token, pages
//!          eas.rs     two generations, frontier and backfill, lost replies, repeated keys (activesync.md 5.3)
//!          browser.rs nothing but wakes of the hub, on either node
//! ```
//!
//! `CONVERGENCE_SEED` repeats a run's decisions (not its interleaving), `CONVERGENCE_STEPS` makes it longer. The second test
//! proves that the first one bites: with change numbers drawn from a sequence before the lock, clients must end wrong.

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod dav;
mod eas;
mod imap;
mod truth;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use postamt::model::{AccountId, Charge, CollectionKind};
use postamt::service::changes::Hub;
use postamt::store::Store;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use common::TestDb;
use common::fixtures::{new_collection, quiet};
use truth::Truth;

/// What every writer and client of one run shares.
#[derive(Clone)]
struct World {
    account: AccountId,
    /// Two nodes on one database.
    nodes: [(Store, Hub); 2],
    /// Writers are done.
    done: Arc<AtomicBool>,
}

impl World {
    fn store(&self, n: usize) -> Store {
        self.nodes[n % 2].0.clone()
    }

    fn hub(&self, n: usize) -> Hub {
        self.nodes[n % 2].1.clone()
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }
}

/// A client of some kind, as the run drives it.
trait Client: Send + 'static {
    fn name(&self) -> String;
    /// One exchange with the server.
    fn step(&mut self, rng: &mut StdRng) -> impl Future<Output = ()> + Send;
    /// Exchanges without loss until nothing is new.
    fn settle(&mut self) -> impl Future<Output = ()> + Send;
    /// What differs from the truth.
    fn compare(&self, truth: &Truth) -> Result<(), String>;
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_client_ends_with_exactly_the_truth() {
    let seed = from_env("CONVERGENCE_SEED").unwrap_or_else(rand::random);
    let steps = from_env("CONVERGENCE_STEPS").unwrap_or(90);
    println!("CONVERGENCE_SEED={seed}");
    let db = TestDb::new().await;
    let wrong = run(&db, seed, steps).await;
    assert!(
        wrong.is_empty(),
        "CONVERGENCE_SEED={seed}\n{}",
        wrong.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_check_bites_when_numbers_come_from_a_sequence() {
    let seed = from_env("CONVERGENCE_SEED").unwrap_or_else(rand::random);
    let db = TestDb::new().await;
    sqlx::raw_sql(NUMBERS_FROM_A_SEQUENCE)
        .execute(&db.pool)
        .await
        .unwrap();
    let wrong = run(&db, seed, 60).await;
    println!("CONVERGENCE_SEED={seed}: {} clients are wrong", wrong.len());
    let clients = wrong
        .iter()
        .filter(|w| w.contains("differs from the truth"));
    assert!(
        clients.count() > 0,
        "CONVERGENCE_SEED={seed}: nobody noticed a change number that becomes visible out of order: {wrong:?}"
    );
}

/// The tempting wrong design: the number is drawn from a sequence, and only then the row is waited for.
const NUMBERS_FROM_A_SEQUENCE: &str = r"
    alter table account rename to account_row;
    create sequence wrong_modseq start 1000;
    create view account as select * from account_row;
    create function draw_early() returns trigger language plpgsql as $$
    declare
        n bigint := null;
    begin
        if new.modseq <> old.modseq then
            n := nextval('wrong_modseq');
            perform pg_sleep(random() * 0.004);
        end if;
        update account_row
           set modseq         = greatest(modseq, coalesce(n, modseq)),
               used_bytes     = used_bytes + new.used_bytes - old.used_bytes,
               mail_bytes     = mail_bytes + new.mail_bytes - old.mail_bytes,
               calendar_bytes = calendar_bytes + new.calendar_bytes - old.calendar_bytes,
               contact_bytes  = contact_bytes + new.contact_bytes - old.contact_bytes,
               folders_pruned_modseq = new.folders_pruned_modseq
         where account_id = old.account_id;
        new.modseq := coalesce(n, new.modseq);
        return new;
    end $$;
    create trigger draw_early instead of update on account for each row execute function draw_early();
";

/// Lets everybody loose; says who was wrong at the end.
async fn run(db: &TestDb, seed: u64, steps: u64) -> Vec<String> {
    let stop = CancellationToken::new();
    let second = db.second_store().await;
    let world = World {
        account: db_account(db).await,
        nodes: [
            (db.store.clone(), Hub::new(db.store.clone())),
            (second.clone(), Hub::new(second)),
        ],
        done: Arc::new(AtomicBool::new(false)),
    };
    let mut hubs = JoinSet::new();
    for (_, hub) in world.nodes.clone() {
        let stop = stop.clone();
        hubs.spawn(async move { hub.run(stop).await });
    }

    let mut clients = JoinSet::new();
    let rng = |n: u64| StdRng::seed_from_u64(seed.wrapping_mul(1000).wrapping_add(n));
    for n in 0..2_usize {
        drive(&mut clients, imap::Qresync::new(&world, n), &world, rng(10));
        drive(
            &mut clients,
            dav::SyncCollection::new(&world, n),
            &world,
            rng(20),
        );
        drive(&mut clients, eas::Device::new(&world, n), &world, rng(30));
        drive(
            &mut clients,
            browser::Browser::new(&world, n),
            &world,
            rng(40),
        );
    }

    let mut writers = JoinSet::new();
    for n in 0..4_usize {
        let writer = writers::Writer::new(&world, n, rng(u64::try_from(n).unwrap()));
        writers.spawn(writer.work(steps));
    }
    let pruner = tokio::spawn(writers::prune(world.clone(), rng(100)));
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    world.done.store(true, Ordering::Release);
    pruner.await.unwrap();

    let truth = Truth::read(db, world.account).await;
    let mut wrong: Vec<String> = Vec::new();
    while let Some(end) = clients.join_next().await {
        let (name, verdict) = end.unwrap()(&truth);
        if let Err(difference) = verdict {
            wrong.push(format!("{name} differs from the truth: {difference}"));
        }
    }
    let sums = db.store.check_account(world.account).await.unwrap();
    wrong.extend(sums.iter().map(|d| format!("does not add up: {d:?}")));
    stop.cancel();
    hubs.join_all().await;
    wrong.sort();
    wrong
}

async fn db_account(db: &TestDb) -> AccountId {
    // Small enough that some writes are refused.
    let anna = db.account("anna@x.test", 60_000).await;
    let mut w = db
        .store
        .draft()
        .await
        .unwrap()
        .lock(anna.id, Charge::NONE)
        .await
        .unwrap();
    for (kind, slug) in [
        (CollectionKind::Calendar, "home"),
        (CollectionKind::Calendar, "work"),
        (CollectionKind::Contacts, "people"),
    ] {
        w.create_collection(&new_collection(kind, slug))
            .await
            .unwrap();
    }
    quiet(w.commit().await.unwrap());
    anna.id
}

type Verdict = Box<dyn FnOnce(&Truth) -> (String, Result<(), String>) + Send>;

/// Steps while writers write, then lets the client settle.
fn drive<C: Client>(clients: &mut JoinSet<Verdict>, mut client: C, world: &World, mut rng: StdRng) {
    let world = world.clone();
    clients.spawn(async move {
        while !world.is_done() {
            client.step(&mut rng).await;
            // Now and then somebody is offline for a while, so that pruning gets ahead.
            let pause = if rng.random_ratio(1, 20) { 150 } else { 3 };
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..=pause))).await;
        }
        client.settle().await;
        Box::new(move |truth: &Truth| (client.name(), client.compare(truth))) as Verdict
    });
}
