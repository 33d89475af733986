//! What a dialogue file cannot tell about the SMTP doors: waits that run out, a stop in the middle, a retry
//! after a partial failure, a database that has gone, many connections.

mod common;

use std::fmt::Write as _;
use std::time::Duration;

use common::smtp::{Client, PASSWORD, Server};
use postamt::format::sasl::encode_base64;
use postamt::service::accounts::admin::Actor;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sends a line and gives back the code and text of the answer.
async fn say(client: &mut Client, line: &str) -> String {
    client.send(format!("{line}\r\n").as_bytes()).await;
    hear(client).await
}

async fn hear(client: &mut Client) -> String {
    let lines = client.reply().await.unwrap();
    lines.last().unwrap().clone()
}

/// Goes to the point where the message may follow.
async fn open(client: &mut Client, recipients: &[&str]) {
    assert!(hear(client).await.starts_with("220 "));
    assert!(say(client, "EHLO client.example").await.starts_with("250 "));
    begin(client, recipients).await;
}

async fn begin(client: &mut Client, recipients: &[&str]) {
    assert!(
        say(client, "MAIL FROM:<me@away.example>")
            .await
            .starts_with("250 ")
    );
    for recipient in recipients {
        let answer = say(client, &format!("RCPT TO:<{recipient}>")).await;
        assert!(answer.starts_with("250 "), "{answer}");
    }
    assert!(say(client, "DATA").await.starts_with("354 "));
}

#[tokio::test]
async fn a_silent_client_is_sent_away() {
    let server = Server::start_with(Vec::new(), |config| {
        config.smtp.greeting_timeout = Duration::from_millis(50);
        config.smtp.data_timeout = Duration::from_millis(50);
    })
    .await;
    let mut client = server.connect("mx").await;
    assert!(hear(&mut client).await.starts_with("220 "));
    assert!(hear(&mut client).await.starts_with("421 4.4.2 "));
    client.expect_close().await.unwrap();

    let mut client = server.connect("mx").await;
    open(&mut client, &["anna@x.test"]).await;
    client.send(b"Subject: half a mess").await;
    assert!(hear(&mut client).await.starts_with("421 4.4.2 "));
    client.expect_close().await.unwrap();
}

#[tokio::test]
async fn no_connection_lives_for_ever() {
    let server = Server::start_with(Vec::new(), |config| {
        config.smtp.session_timeout = Duration::from_millis(300);
        config.smtp.idle_commands = u32::MAX;
    })
    .await;
    let mut client = server.connect("mx").await;
    assert!(hear(&mut client).await.starts_with("220 "));
    loop {
        let answer = say(&mut client, "VRFY me").await;
        if answer.starts_with("421 4.4.2 ") {
            break;
        }
        assert!(answer.starts_with("252 "), "{answer}");
    }
    client.expect_close().await.unwrap();
}

/// A stop is told between two commands; a message that is coming in is finished and answered.
#[tokio::test]
async fn a_stop_finishes_what_has_begun() {
    let server = Server::start(Vec::new()).await;
    let mark = server.mark().await;
    let mut idle = server.connect("mx").await;
    let mut busy = server.connect("mx").await;
    assert!(hear(&mut idle).await.starts_with("220 "));
    open(&mut busy, &["anna@x.test"]).await;
    server.stop();
    assert!(hear(&mut idle).await.starts_with("421 4.3.2 "));
    idle.expect_close().await.unwrap();
    busy.send(b"Subject: the last one\r\n\r\n.\r\n").await;
    assert!(hear(&mut busy).await.starts_with("250 2.6.0 "));
    assert!(hear(&mut busy).await.starts_with("421 4.3.2 "));
    busy.expect_close().await.unwrap();
    server.stopped().await;
    assert_eq!(server.inbox("anna", &mark).await.len(), 1);
}

/// DESIGN.md 4: who has it is remembered, so the sender's retry stores nothing twice.
#[tokio::test]
async fn a_partial_failure_loses_and_doubles_nothing() {
    let server = Server::start(Vec::new()).await;
    let mark = server.mark().await;
    let mut client = server.connect("mx").await;
    let line = format!("{}\r\n", "x".repeat(998));
    let message = |subject: &str| format!("Subject: {subject}\r\n\r\n{}.\r\n", line.repeat(12));
    open(&mut client, &["small@x.test"]).await;
    client.send(message("fills").as_bytes()).await;
    assert!(hear(&mut client).await.starts_with("250 "));
    for _ in 0..3 {
        begin(&mut client, &["anna@x.test", "small@x.test", "bob@x.test"]).await;
        client.send(message("for three").as_bytes()).await;
        let answer = hear(&mut client).await;
        assert!(answer.starts_with("452 4.2.2 "), "{answer}");
    }
    for (who, there) in [("anna", 1), ("bob", 1), ("small", 0)] {
        let inbox = server.inbox(who, &mark).await;
        let copies = inbox
            .iter()
            .filter(|m| String::from_utf8_lossy(m).contains("Subject: for three"));
        assert_eq!(copies.count(), there, "{who}");
    }
}

/// S-04: an outage is a temporary answer at every step, and nothing half-written.
#[tokio::test]
async fn without_a_database_everything_is_temporary() {
    let server = Server::start(Vec::new()).await;
    let mut early = server.connect("mx").await;
    let mut late = server.connect("mx").await;
    open(&mut late, &["anna@x.test"]).await;
    server.db.store.close().await;
    late.send(b"Subject: too late\r\n\r\n.\r\n").await;
    assert!(hear(&mut late).await.starts_with("451 4.3.0 "));
    assert!(hear(&mut early).await.starts_with("220 "));
    assert!(
        say(&mut early, "EHLO client.example")
            .await
            .starts_with("250 ")
    );
    assert!(
        say(&mut early, "MAIL FROM:<me@away.example>")
            .await
            .starts_with("250 ")
    );
    assert!(
        say(&mut early, "RCPT TO:<anna@x.test>")
            .await
            .starts_with("451 4.3.0 ")
    );
    assert!(
        say(&mut early, "RCPT TO:<nobody@x.test>")
            .await
            .starts_with("451 4.3.0 ")
    );
}

/// A message beyond the chunk size goes through the spool and comes out octet for octet.
#[tokio::test]
async fn a_large_message_is_stored_octet_for_octet() {
    let server = Server::start(Vec::new()).await;
    let mark = server.mark().await;
    let mut client = server.connect("mx").await;
    open(&mut client, &["anna@x.test"]).await;
    let mut body = String::from("Subject: large\r\n\r\n");
    for n in 0..30_000 {
        writeln!(body, ".line {n} of a large message, dots in front\r").unwrap();
    }
    client
        .send(&postamt::smtp::data::stuff(body.as_bytes()))
        .await;
    assert!(hear(&mut client).await.starts_with("250 "));
    let inbox = server.inbox("anna", &mark).await;
    assert!(inbox[0].len() > 1_000_000 && inbox[0].ends_with(body.as_bytes()));
    let left: i64 =
        sqlx::query_scalar("select count(*) from body_chunk where octet_length(bytes) > 262144")
            .fetch_one(&server.db.pool)
            .await
            .unwrap();
    assert_eq!(left, 0);
}

/// Several clients at once, and a count that is exactly what was answered with 250.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_clients_at_once() {
    let server = Server::start(Vec::new()).await;
    let mark = server.mark().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(server.connect("mx").await);
    }
    let deliveries = clients
        .into_iter()
        .enumerate()
        .map(|(c, mut client)| async move {
            assert!(hear(&mut client).await.starts_with("220 "));
            assert!(
                say(&mut client, "EHLO client.example")
                    .await
                    .starts_with("250 ")
            );
            for n in 0..5 {
                begin(&mut client, &["anna@x.test", "bob@x.test"]).await;
                client
                    .send(format!("Subject: {c} {n}\r\n\r\nHello\r\n.\r\n").as_bytes())
                    .await;
                assert!(hear(&mut client).await.starts_with("250 2.6.0 "));
            }
        });
    futures_util::future::join_all(deliveries).await;
    assert_eq!(server.inbox("anna", &mark).await.len(), 50);
    assert_eq!(server.inbox("bob", &mark).await.len(), 50);
}

/// Signs anna in on the door with TLS first.
async fn signed_in(server: &Server) -> Client {
    let mut client = server.connect("smtps").await;
    assert!(hear(&mut client).await.starts_with("220 "));
    assert!(
        say(&mut client, "EHLO client.example")
            .await
            .starts_with("250 ")
    );
    let secret = encode_base64(format!("\0anna@x.test\0{PASSWORD}").as_bytes());
    assert!(
        say(&mut client, &format!("AUTH PLAIN {secret}"))
            .await
            .starts_with("235 ")
    );
    client
}

#[tokio::test]
async fn s24_a_changed_password_ends_the_connection() {
    let server = Server::start(Vec::new()).await;
    let mut client = signed_in(&server).await;
    let anna = server
        .app
        .accounts
        .account_by_name("anna@x.test")
        .await
        .unwrap();
    let host = Actor::command_line();
    server
        .app
        .accounts
        .set_password(&host, anna.account_id, None)
        .await
        .unwrap();
    let answer = hear(&mut client).await;
    assert!(answer.starts_with("421 4.7.0 "), "{answer}");
    client.expect_close().await.unwrap();
}

/// RFC 3461: what the sender asked for is kept for the worker, as it was written.
#[tokio::test]
async fn dsn_parameters_reach_the_queue() {
    let server = Server::start(Vec::new()).await;
    let mut client = signed_in(&server).await;
    for line in [
        "MAIL FROM:<anna@x.test> RET=FULL ENVID=a+2Bb",
        "RCPT TO:<you@away.example> NOTIFY=success,DELAY ORCPT=rfc822;You+2B@away.example",
        "RCPT TO:<none@away.example> NOTIFY=NEVER",
        "RCPT TO:<plain@away.example>",
    ] {
        assert!(say(&mut client, line).await.starts_with("250 "), "{line}");
    }
    assert!(say(&mut client, "DATA").await.starts_with("354 "));
    client
        .send(b"From: anna@x.test\r\nSubject: notices\r\n\r\n.\r\n")
        .await;
    assert!(hear(&mut client).await.starts_with("250 2.6.0 "));
    let (ret, envid): (String, String) = sqlx::query_as("select ret, env_id from outbound")
        .fetch_one(&server.db.pool)
        .await
        .unwrap();
    assert_eq!((ret.as_str(), envid.as_str()), ("FULL", "a+2Bb"));
    let rows: Vec<(String, Vec<String>, Option<String>)> =
        sqlx::query_as("select address, notify, orcpt from outbound_recipient order by address")
            .fetch_all(&server.db.pool)
            .await
            .unwrap();
    let notify: Vec<String> = rows.iter().map(|(_, notify, _)| notify.join(",")).collect();
    assert_eq!(notify, ["NEVER", "", "SUCCESS,DELAY"]);
    assert_eq!(rows[2].2.as_deref(), Some("rfc822;You+2B@away.example"));
}

/// S-14: 1,000 idle connections under TLS cost under 100 KB each, both ends of them counted here, and the door
/// still answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_thousand_idle_connections() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: most,
            maximum: most,
        },
    )
    .unwrap();
    let server = Server::start_with(Vec::new(), |config| {
        config.smtp.connections = 2_000;
        config.smtp.connections_per_source = 2_000;
    })
    .await;
    drop(server.connect("smtps").await);
    let before = resident_bytes();
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let mut client = server.connect("smtps").await;
        assert!(hear(&mut client).await.starts_with("220 "));
        idle.push(client);
    }
    let each = resident_bytes().saturating_sub(before) / 1_000;
    assert!(each < 100_000, "{each} octets");
    assert!(say(&mut idle[500], "NOOP").await.starts_with("250 "));
    let mut fresh = server.connect("mx").await;
    open(&mut fresh, &["anna@x.test"]).await;
}

/// What this process holds in memory.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// SRS: what comes back to a stranger's mail that an alias led on reaches the stranger, and nobody writes through us by it.
#[tokio::test]
async fn a_return_path_takes_notices_and_nothing_else() {
    let server = Server::start(Vec::new()).await;
    let mut client = server.connect("mx").await;
    open(&mut client, &["away@x.test"]).await;
    client.send(b"Subject: onwards\r\n\r\n.\r\n").await;
    assert!(hear(&mut client).await.starts_with("250 "));
    let queued = || async {
        sqlx::query_as::<_, (String, String)>(
            "select o.sender, r.address
               from outbound o
               join outbound_recipient r on r.queue_id = o.queue_id
              order by o.queue_id",
        )
        .fetch_all(&server.db.pool)
        .await
        .unwrap()
    };
    let [(path, to)] = queued().await.try_into().unwrap();
    assert_eq!(to, "anna@away.example");
    assert!(
        path.starts_with("SRS0=") && path.ends_with("=away.example=me@x.test"),
        "{path}"
    );
    let prey = path.replace("=me@", "=prey@");
    let at_catch_all = path
        .replace("@x.test", "@any.test")
        .replace("=me@", "=you@");
    for (from, to, answer) in [
        ("<>", &path, "250 2.1.5 "),
        ("<>", &path.to_lowercase(), "250 2.1.5 "),
        ("<me@away.example>", &path, "550 5.1.1 "),
        ("<>", &prey, "550 5.1.1 "),
        ("<>", &at_catch_all, "550 5.1.1 "),
        ("<>", &path.replace("@x.test", "@other.example"), "550 "),
    ] {
        assert!(say(&mut client, "RSET").await.starts_with("250 "));
        let mail = say(&mut client, &format!("MAIL FROM:{from}")).await;
        assert!(mail.starts_with("250 "), "{mail}");
        let said = say(&mut client, &format!("RCPT TO:<{to}>")).await;
        assert!(said.starts_with(answer), "{from} {to}: {said}");
    }
    say(&mut client, "RSET").await;
    say(&mut client, "MAIL FROM:<>").await;
    say(&mut client, &format!("RCPT TO:<{path}>")).await;
    assert!(say(&mut client, "DATA").await.starts_with("354 "));
    client.send(b"Subject: not delivered\r\n\r\n.\r\n").await;
    assert!(hear(&mut client).await.starts_with("250 "));
    let back = queued().await.pop().unwrap();
    assert_eq!(back, (String::new(), "me@away.example".to_owned()));
}
