//! Promise S-03: after `kill -9` of the program in the middle of deliveries, every message that was answered 250
//! is there exactly once, one that was not answered at most once, and no repair is needed: the next start goes on,
//! and the senders' retries complete what was cut off without doubling it.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::TestDb;
use common::smtp::{Client, populate};
use postamt::config::Config;
use postamt::service::App;

/// The program as its own process.
struct Program {
    child: Child,
    mx: SocketAddr,
}

impl Program {
    /// Starts it and waits until it says where it listens.
    fn start(db: &TestDb, folder: &PathBuf) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_postamt"))
            .arg("serve")
            .env("DATABASE_URL", db.url())
            .env("POSTAMT_DATABASE_ALLOW_UNSAFE", "true")
            .env("POSTAMT_SERVER_DATA_DIR", folder)
            .env("POSTAMT_SMTP_NEW_CONNECTIONS_PER_MINUTE", "10000")
            .env("POSTAMT_SMTP_MESSAGES_PER_SOURCE", "100000")
            .env("POSTAMT_SMTP_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_SUBMISSION_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_SUBMISSION_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_IMAP_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_IMAP_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_POP3_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_POP3_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_WEB_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_WEB_LISTEN_HTTP", "127.0.0.1:0")
            .env("POSTAMT_METRICS_LISTEN", "127.0.0.1:0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let mx = loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it did not start:\n{said}"
            );
            if let Some((_, rest)) = line.split_once("mx: [") {
                break rest.split_once(']').unwrap().0.parse().unwrap();
            }
            said.push_str(&line);
        };
        // Nobody reads on, so let the rest go nowhere without stopping the program.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, mx }
    }

    /// `kill -9`
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Delivers one message to anna and bob; whether it was answered 250. An error: the program is gone.
async fn deliver(client: &mut Client, id: usize) -> Result<bool, String> {
    for line in [
        "MAIL FROM:<me@away.example>",
        "RCPT TO:<anna@x.test>",
        "RCPT TO:<bob@x.test>",
        "DATA",
    ] {
        client.send(format!("{line}\r\n").as_bytes()).await;
        let reply = client.reply().await?;
        if !reply[0].starts_with(['2', '3']) {
            return Ok(false);
        }
    }
    let text = "x".repeat(70);
    let message = format!(
        "Subject: letter {id}\r\n\r\n{}.\r\n",
        format!("{text}\r\n").repeat(100)
    );
    client.send(message.as_bytes()).await;
    Ok(client.reply().await?[0].starts_with("250 "))
}

/// Delivers every tenth message from `first` on until the program is gone; those that were answered, and the one
/// that was cut off.
async fn deliver_until_the_end(
    mx: SocketAddr,
    first: usize,
    enough: Arc<tokio::sync::Semaphore>,
) -> (Vec<usize>, Option<usize>) {
    let mut answered = Vec::new();
    let Ok(mut client) = greeted(mx).await else {
        return (answered, None);
    };
    for id in (first..).step_by(10) {
        match deliver(&mut client, id).await {
            Ok(true) => {
                answered.push(id);
                enough.add_permits(1);
            }
            Ok(false) => panic!("refused while it ran"),
            Err(_) => return (answered, Some(id)),
        }
    }
    unreachable!("the program is killed some time")
}

async fn greeted(mx: SocketAddr) -> Result<Client, String> {
    let mut client = Client::to(mx).await.map_err(|e| e.to_string())?;
    client.reply().await?;
    client.send(b"EHLO client.example\r\n").await;
    client.reply().await?;
    Ok(client)
}

/// How often each letter lies in a user's inbox.
async fn letters(db: &TestDb, user: &str) -> BTreeMap<usize, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select e.subject, count(*)
           from account a
           join message m on m.account_id = a.account_id
           join email e on e.account_id = a.account_id and e.email_id = m.email_id
          where a.address = $1
          group by e.subject",
    )
    .bind(format!("{user}@x.test"))
    .fetch_all(&db.pool)
    .await
    .unwrap();
    rows.into_iter()
        .filter_map(|(subject, count)| {
            Some((subject.strip_prefix("letter ")?.parse().unwrap(), count))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_kill_9_in_the_middle_of_ten_deliveries() {
    let db = TestDb::new().await;
    populate(&App::new(Arc::new(Config::default()), db.store.clone())).await;
    let folder = std::env::temp_dir().join(format!("postamt-crash-{:x}", rand::random::<u64>()));
    std::fs::create_dir_all(&folder).unwrap();

    let mut answered = BTreeSet::new();
    let mut cut_off = BTreeSet::new();
    for round in 0..3 {
        let program = Program::start(&db, &folder);
        let enough = Arc::new(tokio::sync::Semaphore::new(0));
        let base = round * 100_000;
        let clients: Vec<_> = (0..10)
            .map(|n| {
                tokio::spawn(deliver_until_the_end(
                    program.mx,
                    base + n,
                    Arc::clone(&enough),
                ))
            })
            .collect();
        enough.acquire_many(30).await.unwrap().forget();
        program.kill();
        for client in clients {
            let (taken, last) = client.await.unwrap();
            answered.extend(taken);
            cut_off.extend(last);
        }
    }
    assert!(answered.len() >= 90, "{}", answered.len());
    for user in ["anna", "bob"] {
        let there = letters(&db, user).await;
        for id in &answered {
            assert_eq!(there.get(id), Some(&1), "letter {id} of {user}");
        }
        assert!(there.values().all(|count| *count == 1), "{user}: {there:?}");
    }

    // The senders try again what was not answered.
    let program = Program::start(&db, &folder);
    let mut client = greeted(program.mx).await.unwrap();
    for id in &cut_off {
        assert!(deliver(&mut client, *id).await.unwrap());
    }
    program.kill();
    for user in ["anna", "bob"] {
        let there = letters(&db, user).await;
        assert_eq!(there.len(), answered.len() + cut_off.len(), "{user}");
        assert!(there.values().all(|count| *count == 1), "{user}: {there:?}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
