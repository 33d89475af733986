//! Narrow places: few file descriptors, a network cut in the middle of a message, processors busy with wrong passwords.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postamt::config::Config;
use postamt::format::sasl::encode_base64;
use postamt::service::App;
use tokio::net::TcpStream;

use crate::browser::user;
use crate::common::TestDb;
use crate::common::people::PASSWORD;
use crate::common::server::TestServer;
use crate::common::smtp::{Client, populate};
use crate::program::{Folder, Program};
use crate::senders::{assert_exactly_once, deliver, greeted};

/// When there are no file descriptors left, connections wait; when there are again, the service goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_file_descriptors_and_back() {
    let db = TestDb::new().await;
    populate(&App::new(Arc::new(Config::default()), db.store.clone())).await;
    let folder = Folder::new("narrow");
    let program = Program::start_with_files(&db, &folder.0, 100);
    let mut early = greeted(program.mx).await.unwrap();
    assert!(deliver(&mut early, 0).await.unwrap().starts_with("250 "));
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(program.mx).await.unwrap());
    }
    let greeted_one = tokio::time::timeout(Duration::from_secs(20), crowd[0].readable()).await;
    greeted_one.unwrap().unwrap();
    // Who is in may be asked to come back, and is not lost.
    let answer = deliver(&mut early, 1).await.unwrap();
    assert!(
        answer.starts_with("250 ") || answer.starts_with('4'),
        "{answer}"
    );
    let waiting = crowd[199].try_read(&mut [0]).unwrap_err();
    assert_eq!(
        waiting.kind(),
        std::io::ErrorKind::WouldBlock,
        "not even accepted"
    );
    let mut taken = std::collections::BTreeSet::from([0]);
    if answer.starts_with("250 ") {
        taken.insert(1);
    }
    drop(crowd);
    let mut late = greeted(program.mx).await.unwrap();
    assert!(deliver(&mut late, 2).await.unwrap().starts_with("250 "));
    taken.insert(2);
    assert_exactly_once(&db.pool, &taken).await;
}

/// A sender whose network is cut in the middle of a large message leaves nothing behind.
#[tokio::test]
async fn a_message_cut_off_leaves_nothing_behind() {
    let program = TestServer::start().await;
    let anna = user(program.app(), "anna").await;
    let spooled = || async {
        sqlx::query_scalar::<_, i64>("select count(*) from spool")
            .fetch_one(&program.db.pool)
            .await
            .unwrap()
    };
    let mut client = greeted(program.addresses().mx[0]).await.unwrap();
    for line in [
        "MAIL FROM:<me@away.example>",
        "RCPT TO:<anna@x.test>",
        "DATA",
    ] {
        client.send(format!("{line}\r\n").as_bytes()).await;
        assert!(client.reply().await.unwrap()[0].starts_with(['2', '3']));
    }
    let line = format!("{}\r\n", "x".repeat(98));
    client.send(b"Subject: cut\r\n\r\n").await;
    client.send(line.repeat(20_000).as_bytes()).await;
    let began = Instant::now();
    while spooled().await == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it goes into the spool"
        );
    }
    drop(client);
    while spooled().await > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "the spool is dropped"
        );
    }
    let there = "select count(*) from message where account_id = $1";
    assert_eq!(program.db.number(there, anna).await, 0);
    program.db.assert_adds_up(anna).await;
    program.stop().await;
}

/// S-13: 50 parallel wrong sign-ins leave those who are signed in their speed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_wrong_passwords_do_not_slow_down_who_is_in() {
    let program = TestServer::start_with(|config| {
        config.lock.source_failures = 1_000;
        config.smtp.connections_per_source = 200;
        config.smtp.new_connections_per_minute = 10_000;
    })
    .await;
    user(program.app(), "anna").await;
    let door = program.addresses().submissions[0];
    let mut signed_in = sign_in(door, "anna@x.test", PASSWORD).await;
    assert!(signed_in.1.starts_with("235 "), "{}", signed_in.1);
    let guesses: Vec<_> = (0..50)
        .map(|n| {
            tokio::spawn(async move { sign_in(door, &format!("guess{n}@x.test"), "wrong").await.1 })
        })
        .collect();
    let mut waits = Vec::new();
    for _ in 0..90 {
        let began = Instant::now();
        signed_in.0.send(b"NOOP\r\n").await;
        assert!(signed_in.0.reply().await.unwrap()[0].starts_with("250 "));
        waits.push(began.elapsed());
        if guesses.iter().all(tokio::task::JoinHandle::is_finished) {
            break;
        }
    }
    for guess in guesses {
        let answer = guess.await.unwrap();
        assert!(
            answer.starts_with("535 ") || answer.starts_with("454 "),
            "{answer}"
        );
    }
    waits.sort();
    let p95 = waits[waits.len() * 95 / 100];
    println!("{} NOOPs, p95 {p95:?}", waits.len());
    assert!(p95 < Duration::from_millis(500), "{p95:?}");
    program.stop().await;
}

/// A connection and the answer to its attempt to sign in.
async fn sign_in(door: std::net::SocketAddr, name: &str, password: &str) -> (Client, String) {
    let mut client = Client::to(door).await.unwrap();
    client.start_tls().await;
    client.reply().await.unwrap();
    client.send(b"EHLO client.example\r\n").await;
    client.reply().await.unwrap();
    let secret = encode_base64(format!("\0{name}\0{password}").as_bytes());
    client
        .send(format!("AUTH PLAIN {secret}\r\n").as_bytes())
        .await;
    let answer = client.reply().await.unwrap().swap_remove(0);
    (client, answer)
}
