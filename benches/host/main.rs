//! `make bench`, the whole program: what a mail host would measure from outside, against a `postamt serve` of its own with
//! its private, durable PostgreSQL in `/var/tmp`.
//!
//! * idle: resident memory of the program, its database left out;
//! * delivery: 8 KB messages over 1 and 10 connections to 20 accounts, in clear and under STARTTLS, beside bare 8 KB rows
//!   that PostgreSQL commits on the same disk, and beside the LMTP or SMTP of a peer;
//! * pages: a folder of `BENCH_MESSAGES` (100,000) messages and searches in it, as a browser waits for them;
//! * live: from the 250 of a delivery to the event in an open page, on the same node and on another;
//! * streams: memory of `BENCH_STREAMS` (5,000) idle event streams, each its own TLS connection.
//!
//! `BENCH_PEER` names the peer by a file like `bench/sogo.toml` of its load client: `[ingest]` with protocol, host, port,
//! starttls, and `[users]` with pattern. `BENCH_ONLY=delivery,pages` runs parts. Printed, never asserted: machines are
//! noisy, so only figures of one run compare.

mod browser;
mod mail;
mod peer;
mod program;

use std::time::{Duration, Instant};

use browser::Browser;
use futures_util::future::join_all;
use mail::{Sender, Target, letter};
use postamt::service::accounts::admin::{Actor, CreateAccount};
use program::{Beside, Folder, Program};
use sqlx::postgres::PgPool;

const PASSWORD: &str = "vK9x_wQz7!";
/// Octets of a message in the delivery runs.
const SIZE: usize = 8_192;
/// Messages of one delivery run, over so many accounts.
const MESSAGES: usize = 999;
const ACCOUNTS: usize = 20;
/// Delivery runs; the median counts.
const ROUNDS: usize = 3;

fn main() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let all = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, all).unwrap();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run());
}

async fn run() {
    let wanted = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wants = |part: &str| wanted.is_empty() || wanted.split(',').any(|w| w == part);
    let folder = Folder::new();
    let program = Program::start(folder.path(), None);
    if wants("idle") {
        // What a start leaves behind is freed within the first seconds.
        tokio::time::sleep(Duration::from_secs(5)).await;
        println!(
            "idle\n  resident {:.1} MB (program alone)",
            f64::from(u32::try_from(program.resident_kb()).unwrap()) / 1024.0
        );
    }
    let beside = Beside::attach(folder.path()).await;
    people(&beside).await;
    if wants("delivery") {
        delivery(&program, &beside).await;
    }
    if wants("pages") {
        pages(&program, &beside).await;
    }
    if wants("live") {
        live(&program, &beside).await;
    }
    if wants("streams") {
        streams(&program).await;
    }
}

fn address(n: usize) -> String {
    format!("u{n:04}@bench.example")
}

async fn people(beside: &Beside) {
    let host = Actor::command_line();
    let accounts = &beside.app.accounts;
    accounts
        .create_domain(&host, "bench.example")
        .await
        .unwrap();
    for n in 0..=ACCOUNTS {
        let new = CreateAccount {
            address: &address(n),
            password: Some(PASSWORD),
            must_change: Some(false),
            quota_bytes: Some(1 << 40),
            ..CreateAccount::default()
        };
        accounts.create_account(&host, &new).await.unwrap();
    }
}

/// Rates of one connection count: ours in clear, ours under TLS, the peer's, bare rows.
#[derive(Default)]
struct Rates {
    clear: Vec<f64>,
    tls: Vec<f64>,
    peer: Vec<f64>,
    bare: Vec<f64>,
    flushes: Vec<f64>,
    /// Milliseconds of processor time a message: the program's, PostgreSQL's.
    own: Vec<f64>,
    database: Vec<f64>,
}

async fn delivery(program: &Program, beside: &Beside) {
    let peer = peer::Peer::from_environment();
    let clear = Target {
        address: program.mx,
        is_lmtp: false,
        starts_tls: false,
    };
    let tls = Target {
        starts_tls: true,
        ..clear.clone()
    };
    sqlx::raw_sql(
        "create table bare (n bigint generated always as identity primary key, bytes bytea not null);
         alter table bare alter column bytes set storage external",
    )
    .execute(&beside.pool)
    .await
    .unwrap();
    println!(
        "delivery of {MESSAGES} messages of {SIZE} octets to {ACCOUNTS} accounts, medians of {ROUNDS}, messages a second"
    );
    for connections in [1, 10] {
        let mut rates = Rates::default();
        for _ in 0..ROUNDS {
            rates.bare.push(bare(connections, &beside.pool).await);
            let before = flushes(&beside.pool).await;
            let worked = program.processor_seconds();
            rates.clear.push(rate(connections, &clear, &address).await);
            let (own, database) = program.processor_seconds();
            rates.own.push((own - worked.0) * 1e3 / count(MESSAGES));
            rates
                .database
                .push((database - worked.1) * 1e3 / count(MESSAGES));
            let flushed = flushes(&beside.pool).await - before;
            rates.flushes.push(flushed / count(MESSAGES));
            rates.tls.push(rate(connections, &tls, &address).await);
            if let Some(peer) = &peer {
                let to = |n| peer.address(n);
                rates.peer.push(rate(connections, &peer.target, &to).await);
            }
        }
        let (clear, tls, bare) = (
            median(&mut rates.clear),
            median(&mut rates.tls),
            median(&mut rates.bare),
        );
        println!(
            "  {connections:2} connections: clear {clear:6.0}, STARTTLS {tls:6.0}; bare rows {bare:6.0} (share {:.2}); flushes a message {:.2}",
            clear / bare,
            median(&mut rates.flushes)
        );
        println!(
            "                  processor time a message: {:.2} ms program, {:.2} ms PostgreSQL",
            median(&mut rates.own),
            median(&mut rates.database)
        );
        if let Some(peer) = &peer {
            let theirs = median(&mut rates.peer);
            println!(
                "                  {} {theirs:6.0} (share of bare rows {:.2}); ours is {:.2} times that in clear, {:.2} under STARTTLS",
                peer.name,
                theirs / bare,
                clear / theirs,
                tls / theirs
            );
        }
    }
}

/// Messages a second over so many connections, log-in and greeting left out.
async fn rate(connections: usize, target: &Target, to: &(impl Fn(usize) -> String + Sync)) -> f64 {
    let senders = join_all((0..connections).map(|_| Sender::connect(target))).await;
    let letters: Vec<(String, Vec<u8>)> = (0..MESSAGES)
        .map(|n| {
            let to = to(1 + n % ACCOUNTS);
            let text = letter(n, &to, SIZE);
            (to, text)
        })
        .collect();
    let start = Instant::now();
    let letters = &letters;
    join_all(
        senders
            .into_iter()
            .enumerate()
            .map(|(lane, mut sender)| async move {
                for (to, text) in letters.iter().skip(lane).step_by(connections) {
                    sender.send(to, text).await;
                }
            }),
    )
    .await;
    count(MESSAGES) / start.elapsed().as_secs_f64()
}

/// The floor: one row of [`SIZE`] octets a transaction, flushed.
async fn bare(connections: usize, pool: &PgPool) -> f64 {
    let start = Instant::now();
    join_all((0..connections).map(|lane| async move {
        let mut connection = pool.acquire().await.unwrap();
        for n in (lane..MESSAGES).step_by(connections) {
            sqlx::query("insert into bare (bytes) values ($1)")
                .bind(letter(n, "nobody@bench.example", SIZE))
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }))
    .await;
    count(MESSAGES) / start.elapsed().as_secs_f64()
}

/// Flushes of the write-ahead log so far. Server processes report them when they rest, at most a second later.
async fn flushes(pool: &PgPool) -> f64 {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    sqlx::query_scalar("select wal_sync::float8 from pg_stat_wal")
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn pages(program: &Program, beside: &Beside) {
    let wanted = number_of("BENCH_MESSAGES", 100_000);
    // Real letters through the door, then the same rows again until there are enough.
    let target = Target {
        address: program.mx,
        is_lmtp: false,
        starts_tls: false,
    };
    let mut sender = Sender::connect(&target).await;
    let to = address(0);
    for n in 0..200 {
        sender.send(&to, &letter(n, &to, 2_000)).await;
    }
    multiply(&beside.pool, i64::try_from(wanted).unwrap()).await;
    let tls = browser::tls();
    let mut browser = Browser::sign_in(program.https, &tls, &to, PASSWORD).await;
    println!("pages of a folder of {wanted} messages, at the browser, over one HTTP/2 connection");
    let middle = wanted / 2;
    for (what, path) in [
        ("folder page", "/mail/inbox".to_owned()),
        ("first rows", "/mail/inbox/rows".to_owned()),
        (
            "rows at the middle",
            format!("/mail/inbox/rows?offset={middle}"),
        ),
        ("search, 1 in 100", format!("/mail/search?q={}", mail::RARE)),
        (
            "search, every one",
            "/mail/search?q=gr%C3%BC%C3%9Fe".to_owned(),
        ),
        ("search, no one", "/mail/search?q=nirgendwo".to_owned()),
        (
            "search, from: and word",
            format!("/mail/search?q=from:absender7+{}", mail::RARE),
        ),
    ] {
        let mut times = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            browser.text(&path).await;
            times.push(start.elapsed());
        }
        print_times(what, &mut times);
    }
}

async fn multiply(pool: &PgPool, wanted: i64) {
    for sql in [
        "with a as (select account_id from address where address = 'u0000@bench.example'),
              old as (select e.*, row_number() over (order by e.email_id) - 1 as r from email e where e.account_id = (select account_id from a))
         insert into email (account_id, body_id, thread_id, size_bytes, message_id, sent_at, sender_name, sender_address,
                            recipients, participants, subject, preview, envelope, structure, parts, search, search_text)
         select old.account_id, old.body_id, nextval('thread_id_seq'), old.size_bytes, old.message_id || n, old.sent_at, old.sender_name,
                old.sender_address, old.recipients, old.participants, old.subject, old.preview, old.envelope, old.structure,
                old.parts, old.search, old.search_text
           from generate_series(200, $1 - 1) n join old on old.r = n % 200",
        "insert into message (account_id, folder_id, uid, email_id, thread_id, size_bytes, received_at, created_modseq, modseq)
         select f.account_id, f.folder_id, f.uid_next - 1 + row_number() over (order by e.email_id), e.email_id, e.thread_id, e.size_bytes,
                now() - make_interval(secs => $1 - e.email_id), 1, 1
           from folder f join email e on e.account_id = f.account_id
          where f.special_use = 'inbox'
            and f.account_id = (select account_id from address where address = 'u0000@bench.example')
            and not exists (select from message m where m.account_id = e.account_id and m.email_id = e.email_id)",
        "insert into folder_thread (account_id, folder_id, thread_id, newest_at, newest_uid, messages, unseen, starred, attachments)
         select account_id, folder_id, thread_id, received_at, uid, 1, 1, 0, 0
           from message
          where account_id = (select account_id from address where address = 'u0000@bench.example')
            and $1 > 0
         on conflict do nothing",
        "update folder
            set uid_next = $1 + 1, message_count = $1, unseen_count = $1
          where account_id = (select account_id from address where address = 'u0000@bench.example')
            and special_use = 'inbox'",
    ] {
        sqlx::query(sql).bind(wanted).execute(pool).await.unwrap();
    }
    sqlx::query("vacuum analyze").execute(pool).await.unwrap();
}

async fn live(program: &Program, beside: &Beside) {
    let folder = Folder::new();
    let other = Program::start(folder.path(), Some(&beside.url));
    let tls = browser::tls();
    let to = address(1);
    println!("live: from the 250 of a delivery to the event in an open page");
    for (what, node) in [("same node", program), ("another node", &other)] {
        let mut browser = Browser::sign_in(node.https, &tls, &to, PASSWORD).await;
        let mut events = browser.events().await;
        let target = Target {
            address: program.mx,
            is_lmtp: false,
            starts_tls: false,
        };
        let mut sender = Sender::connect(&target).await;
        // The stream tells the past first; a first letter shows where it ends.
        sender.send(&to, &letter(0, &to, SIZE)).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut times = Vec::new();
        while tokio::time::timeout(Duration::from_millis(500), events.next("mail.new"))
            .await
            .is_ok()
        {}
        for n in 0..100 {
            let heard = tokio::spawn(async move {
                events.next("mail.new").await;
                (events, Instant::now())
            });
            sender.send(&to, &letter(n, &to, SIZE)).await;
            let sent = Instant::now();
            let (again, at) = heard.await.unwrap();
            events = again;
            times.push(at.saturating_duration_since(sent));
        }
        print_times(what, &mut times);
    }
}

async fn streams(program: &Program) {
    let wanted = number_of("BENCH_STREAMS", 5_000);
    let tls = browser::tls();
    let mut browsers = Vec::new();
    for n in 1..=ACCOUNTS {
        browsers.push(Browser::sign_in(program.https, &tls, &address(n), PASSWORD).await);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = program.resident_kb();
    let mut open = Vec::new();
    let start = Instant::now();
    for some in (0..wanted).collect::<Vec<_>>().chunks(50) {
        let new = some.iter().map(|n| {
            let browser = &browsers[n % ACCOUNTS];
            let tls = &tls;
            async move {
                let mut sender = browser::connect(program.https, tls).await;
                let events = browser.events_over(&mut sender).await;
                (sender, events)
            }
        });
        open.extend(join_all(new).await);
    }
    let took = start.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let grown = program.resident_kb().saturating_sub(before);
    println!(
        "streams: {wanted} idle event streams, each over its own TLS 1.3 and HTTP/2 connection, opened in {:.1} s\n  {:.1} KB resident each, {:.0} MB in all",
        took.as_secs_f64(),
        f64::from(u32::try_from(grown).unwrap()) / count(wanted),
        f64::from(u32::try_from(program.resident_kb()).unwrap()) / 1024.0
    );
    drop(open);
}

fn print_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "  {what:24} p50 {:7.2} ms  p95 {:7.2} ms  p99 {:7.2} ms",
        at(50),
        at(95),
        at(99)
    );
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn number_of(key: &str, default: usize) -> usize {
    std::env::var(key)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap())
}
