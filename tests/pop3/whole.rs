//! Stories of more than one client, or of more than POP3.

use std::time::Duration;

use postamt::error::Refusal;
use postamt::service::accounts::admin::Actor;

use super::client::{Client, World};
use super::common::people::PASSWORD;
use super::common::server::TestServer;

/// RFC 1939 6: what is marked goes at QUIT, and only then; it frees the quota and can be brought back.
#[tokio::test]
async fn what_is_marked_goes_at_quit() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 3).await;
    let used = "select used_bytes from account where account_id = $1";
    let before = world.db.number(used, anna).await;
    let mut client = world.sign_in("anna").await;
    assert_eq!(client.say("DELE 2").await, "+OK Marked as deleted");
    drop(client);
    let mut client = world.sign_in("anna").await;
    assert_eq!(client.ask("LIST").await.len(), 3);
    client.say("DELE 2").await;
    assert_eq!(client.ask("LIST").await.len(), 2);
    assert_eq!(client.say("QUIT").await, "+OK Bye");
    client.expect_close().await.unwrap();
    assert_eq!(world.inbox(anna).await, 2);
    let db = &world.db;
    assert_eq!(db.number(used, anna).await, before - 41);
    let kept = "select count(*) from removed where account_id = $1";
    assert_eq!(db.number(kept, anna).await, 1);
    db.assert_adds_up(anna).await;
}

/// A program that collects mail must not take the unread mark from the phone and the browser.
#[tokio::test]
async fn reading_changes_nothing() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 2).await;
    let modseq = "select modseq from account where account_id = $1";
    let before = world.db.number(modseq, anna).await;
    let mut client = world.sign_in("anna").await;
    for command in ["RETR 1", "TOP 2 0", "LIST", "UIDL"] {
        client.ask(command).await;
    }
    client.say("QUIT").await;
    client.expect_close().await.unwrap();
    let db = &world.db;
    assert_eq!(db.number(modseq, anna).await, before);
    let unseen = "select unseen_count from folder where account_id = $1 and special_use = 'inbox'";
    assert_eq!(db.number(unseen, anna).await, 2);
}

/// Three devices of one user: each its own numbers, all may delete, nobody is told "in use".
#[tokio::test]
async fn several_programs_share_a_mailbox() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 6).await;
    let mut phones = Vec::new();
    for _ in 0..3 {
        phones.push(world.sign_in("anna").await);
    }
    for (phone, number) in phones.iter_mut().zip([2, 2, 5]) {
        assert_eq!(
            phone.say(&format!("DELE {number}")).await,
            "+OK Marked as deleted"
        );
    }
    for phone in &mut phones {
        assert_eq!(phone.say("QUIT").await, "+OK Bye");
    }
    for phone in &mut phones {
        phone.expect_close().await.unwrap();
    }
    assert_eq!(world.inbox(anna).await, 4);
    let mut client = world.sign_in("anna").await;
    let ids = client.ask("UIDL").await;
    let uids: Vec<&str> = ids
        .iter()
        .map(|line| line.rsplit_once('.').unwrap().1)
        .collect();
    assert_eq!(uids, ["1", "3", "4", "6"]);
    world.db.assert_adds_up(anna).await;
}

/// security 2: ten connections an account, and a place is free again as soon as one ends, however it ends.
#[tokio::test]
async fn an_account_has_its_share_of_connections() {
    let world = World::start_with(|config| config.pop3.connections_per_account = 2).await;
    world.user("anna").await;
    world.user("bob").await;
    let first = world.sign_in("anna").await;
    let mut second = world.sign_in("anna").await;
    let mut third = world.connect("pop3s").await;
    third.line().await;
    third.say("USER anna@x.test").await;
    let said = third.say(&format!("PASS {PASSWORD}")).await;
    assert_eq!(said, "-ERR [IN-USE] Too many connections to this mailbox");
    world.sign_in("bob").await;
    assert_eq!(second.say("QUIT").await, "+OK Bye");
    second.expect_close().await.unwrap();
    let _again = world.sign_in("anna").await;
    drop(first);
    // The server has to notice the drop first.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = world.connect("pop3s").await;
        client.line().await;
        client.say("USER anna@x.test").await;
        if client
            .say(&format!("PASS {PASSWORD}"))
            .await
            .starts_with("+OK")
        {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the place stays taken"
        );
    }
}

/// S-24: a new password ends the connections of the old one within five seconds, and nothing is removed.
#[tokio::test]
async fn a_new_password_ends_the_session() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 1).await;
    let mut client = world.sign_in("anna").await;
    client.say("DELE 1").await;
    let host = Actor::command_line();
    let new = "quite another horse 77";
    world
        .app
        .accounts
        .set_password(&host, anna, Some(new))
        .await
        .unwrap();
    let said = tokio::time::timeout(Duration::from_secs(5), client.line()).await;
    assert_eq!(
        said.unwrap(),
        "-ERR [AUTH] Sign in again, nothing was removed"
    );
    client.expect_close().await.unwrap();
    // The notice of the new password came in.
    assert_eq!(world.inbox(anna).await, 2);
}

/// A stop is told between two commands, and what is only marked stays.
#[tokio::test]
async fn a_stop_removes_nothing() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 1).await;
    let mut client = world.sign_in("anna").await;
    client.say("DELE 1").await;
    world.stop();
    assert_eq!(
        client.line().await,
        "-ERR [SYS/TEMP] Server is stopping, nothing was removed"
    );
    client.expect_close().await.unwrap();
    world.stopped().await;
    assert_eq!(world.inbox(anna).await, 1);
}

/// S-04: an outage is temporary at every step, no failed sign-in, no empty mailbox, and a message never ends early.
#[tokio::test]
async fn without_a_database_everything_is_temporary() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 3).await;
    let mut reader = world.sign_in("anna").await;
    let mut stranger = world.connect("pop3s").await;
    stranger.line().await;
    world.db.store.close().await;
    for command in ["LIST", "LIST 1", "RETR 1", "TOP 1 0", "DELE 1"] {
        assert_eq!(
            reader.say(command).await,
            "-ERR [SYS/TEMP] Try again later",
            "{command}"
        );
    }
    stranger.say("USER anna@x.test").await;
    assert_eq!(
        stranger.say(&format!("PASS {PASSWORD}")).await,
        "-ERR [SYS/TEMP] Cannot sign in now, try again later"
    );
    assert_eq!(reader.say("STAT").await, "+OK 3 123");
    assert_eq!(reader.say("QUIT").await, "+OK Bye");
}

/// RFC 1939 6: when removing fails the client is told, and what was not removed is there.
#[tokio::test]
async fn a_removal_that_fails_is_told() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.letters(anna, 2).await;
    let mut client = world.sign_in("anna").await;
    client.say("DELE 1").await;
    world.db.store.close().await;
    assert_eq!(
        client.say("QUIT").await,
        "-ERR [SYS/TEMP] Some marked messages were not removed"
    );
    client.expect_close().await.unwrap();
    assert_eq!(world.inbox(anna).await, 2);
}

/// 1,200 messages are three bites of work; afterwards nothing is left and everything adds up.
#[tokio::test]
async fn a_large_mailbox_is_emptied_in_bites() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    world.copies(anna, 1_200).await;
    let mut client = world.sign_in("anna").await;
    let listed = client.ask("LIST").await;
    let ids = client.ask("UIDL").await;
    assert_eq!((listed.len(), ids.len()), (1_200, 1_200));
    assert_eq!(listed[1_199], "1200 41");
    assert!(ids[1_199].starts_with("1200 ") && ids[1_199].ends_with(".1200"));
    let modseq = "select modseq from account where account_id = $1";
    let before = world.db.number(modseq, anna).await;
    let all: Vec<String> = (1..=1_200).map(|n| format!("DELE {n}\r\n")).collect();
    let all = all.concat();
    client.send(all.as_bytes()).await;
    for _ in 0..1_200 {
        assert_eq!(client.line().await, "+OK Marked as deleted");
    }
    assert_eq!(client.say("QUIT").await, "+OK Bye");
    assert_eq!(world.inbox(anna).await, 0);
    let db = &world.db;
    assert_eq!(db.number(modseq, anna).await, before + 3);
    db.assert_adds_up(anna).await;
}

/// A large message comes as its stored octets, piece by piece, with dots at the borders of the pieces.
#[tokio::test]
async fn a_large_message_comes_whole() {
    let world = World::start().await;
    let anna = world.user("anna").await;
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    let mut n = 0_usize;
    while message.len() < 1_500_000 {
        let dots = ".".repeat(n % 3);
        message.extend_from_slice(format!("{dots}line {n} {}\r\n", "x".repeat(n % 61)).as_bytes());
        n += 1;
    }
    world.deliver(anna, &message).await;
    let mut client = world.sign_in("anna").await;
    assert_eq!(
        client.say("RETR 1").await,
        format!("+OK {} octets", message.len())
    );
    let mut read = client.lines().await.unwrap().join("\r\n").into_bytes();
    read.extend_from_slice(b"\r\n");
    assert!(read == message, "{} octets came", read.len());
    let top = client.ask("TOP 1 20000").await;
    assert_eq!(top.len(), 2 + 20_000);
    assert_eq!(
        top[2 + 19_999],
        format!(".line 19999 {}", "x".repeat(19_999 % 61))
    );
}

/// The program serves both doors.
#[tokio::test]
async fn the_program_listens() {
    let server = TestServer::start().await;
    let mut clear = Client::to(server.addresses().pop3[0]).await;
    assert!(clear.line().await.ends_with(" POP3 ready"));
    assert_eq!(clear.say("STLS").await, "+OK Begin TLS");
    clear.start_tls().await;
    assert!(
        clear
            .ask("CAPA")
            .await
            .contains(&"SASL PLAIN LOGIN".to_owned())
    );
    let mut under_tls = Client::to(server.addresses().pop3s[0]).await;
    under_tls.start_tls().await;
    assert!(under_tls.line().await.ends_with(" POP3 ready"));
    server.stop().await;
}

/// A refusal of the service has a reply of its own, and none of them tells more than it should.
#[test]
fn refusals_have_codes() {
    let stale = postamt::pop3::reply::refused(&Refusal::NoMessage).to_string();
    assert_eq!(stale, "-ERR Message was removed by another program\r\n");
}
