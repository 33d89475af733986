//! Stories of several clients, and the limits of security.md that a dialogue cannot play.

use std::fmt::Write;
use std::time::Duration;

use postamt::model::{Flags, SpecialUse};
use postamt::service::accounts::admin::Actor;
use postamt::service::mail::actions::{Action, FlagSet, Selection};

use super::client::{Client, PASSWORD, account, server, server_with};

fn letter(n: usize) -> String {
    format!("Subject: letter {n}\r\n\r\nHello {n}\r\n")
}

/// The value behind a word in the untagged answers: `HIGHESTMODSEQ`, `UIDVALIDITY` ...
fn value(untagged: &[String], word: &str) -> i64 {
    let line = untagged.iter().find(|l| l.contains(word)).unwrap();
    let rest = line.split_once(&format!("{word} ")).unwrap().1;
    rest.split(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_hears_only_what_changed() {
    let server = server().await;
    let (id, user) = account(&server, 1 << 30).await;
    let mut first = Client::signed_in(&server, &user).await;
    for n in 1..=10 {
        first.append("INBOX", "", &letter(n)).await.ok();
    }
    first.run("ENABLE QRESYNC").await.ok();
    let opened = first.run("SELECT INBOX").await.ok();
    let (validity, modseq) = (
        value(&opened, "UIDVALIDITY"),
        value(&opened, "HIGHESTMODSEQ"),
    );
    first.run("UNSELECT").await.ok();

    let mut other = Client::signed_in(&server, &user).await;
    other.run("SELECT INBOX").await.ok();
    other.run("UID STORE 3,7 +FLAGS (\\Flagged)").await.ok();
    other
        .run("UID STORE 2,5:6 +FLAGS.SILENT (\\Deleted)")
        .await
        .ok();
    other.run("EXPUNGE").await.ok();
    other.append("INBOX", "", &letter(11)).await.ok();

    let resync = format!("SELECT INBOX (QRESYNC ({validity} {modseq} 1:10))");
    let news = first.run(&resync).await.ok();
    let vanished: Vec<&String> = news.iter().filter(|l| l.contains("VANISHED")).collect();
    assert_eq!(vanished, ["* VANISHED (EARLIER) 2,5:6"]);
    let fetched: Vec<&String> = news.iter().filter(|l| l.contains("FETCH")).collect();
    assert_eq!(fetched.len(), 2, "{fetched:?}");
    assert!(
        fetched[0].starts_with("* 2 FETCH (UID 3 FLAGS (\\Flagged")
            && fetched[1].starts_with("* 4 FETCH (UID 7 ")
    );
    let stale = first
        .run(&format!(
            "SELECT INBOX (QRESYNC ({} {modseq}))",
            validity + 1
        ))
        .await
        .ok();
    assert!(
        !stale
            .iter()
            .any(|l| l.contains("VANISHED") || l.contains("FETCH"))
    );

    // What left is no longer remembered: everything that is not there is named.
    let aged = server
        .db
        .tamper(
            "update tombstone set deleted_at = now() - interval '200 days' where account_id = $1",
            id,
        )
        .await;
    assert!(aged > 0);
    server.db.store.prune_tombstones(id, 90).await.unwrap();
    let mut third = Client::signed_in(&server, &user).await;
    third.run("ENABLE QRESYNC").await.ok();
    let news = third.run(&resync).await.ok();
    assert!(
        news.contains(&"* VANISHED (EARLIER) 2,5:6".to_owned()),
        "{news:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_browser_does_is_heard_at_once_and_the_other_way_round() {
    let server = server().await;
    let (id, user) = account(&server, 1 << 30).await;
    let mut client = Client::signed_in(&server, &user).await;
    client.append("INBOX", "", &letter(1)).await.ok();
    client.run("SELECT INBOX").await.ok();
    client.send(b"i IDLE\r\n").await;
    assert!(client.response().await.unwrap().starts_with('+'));
    let app = server.app();
    let inbox = app
        .mail
        .special_folder(id, SpecialUse::Inbox)
        .await
        .unwrap();
    let places = server
        .db
        .store
        .places_of_folder(id, inbox, postamt::model::Uid(0), 10)
        .await
        .unwrap();
    let star = Action::Flag(FlagSet {
        set: Flags::FLAGGED,
        clear: Flags::NONE,
    });
    let selection = Selection::Emails(inbox, vec![places[0].email_id]);
    app.mail.act(id, &selection, &star).await.unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
    assert_eq!(
        client.response_until(deadline).await.unwrap(),
        "* 1 FETCH (FLAGS (\\Flagged \\Recent))"
    );
    app.mail
        .act(id, &selection, &Action::MoveTo(SpecialUse::Junk))
        .await
        .unwrap();
    assert_eq!(client.response().await.unwrap(), "* 1 EXPUNGE");
    client.send(b"DONE\r\n").await;
    client.finish("i").await.ok();
    client.run("SELECT Junk").await.ok();
    client.run("MOVE 1 INBOX").await.ok();
    let back = server
        .db
        .store
        .places_of_folder(id, inbox, postamt::model::Uid(0), 10)
        .await
        .unwrap();
    assert!(back[0].flags.has(Flags::NOT_JUNK) && !back[0].flags.has(Flags::JUNK));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_box_takes_all_of_an_append_or_nothing() {
    let server = server().await;
    let (id, user) = account(&server, 30_000).await;
    let mut client = Client::signed_in(&server, &user).await;
    let (half, most) = (
        "x".repeat(20_000),
        "Subject: y\r\n\r\n".to_owned() + &"y".repeat(20_000),
    );
    let answer = client
        .run(&format!(
            "APPEND INBOX {{20000+}}\r\n{half} {{{}+}}\r\n{most}",
            most.len()
        ))
        .await;
    assert!(answer.tagged.starts_with("NO [OVERQUOTA]"), "{answer:?}");
    assert_eq!(
        client.run("STATUS INBOX (MESSAGES)").await.ok(),
        ["* STATUS INBOX (MESSAGES 0)"]
    );
    client.append("INBOX", "", &most).await.ok();
    client.run("SELECT INBOX").await.ok();
    let answer = client.run("COPY 1 Archive").await;
    assert!(answer.tagged.starts_with("NO [OVERQUOTA]"), "{answer:?}");
    assert_eq!(
        client.run("GETQUOTA \"\"").await.ok(),
        ["* QUOTA \"\" (STORAGE 20 29)"]
    );
    // Room is there again as soon as it is made.
    client.run("STORE 1 +FLAGS.SILENT (\\Deleted)").await.ok();
    client.run("EXPUNGE").await.ok();
    client.append("INBOX", "", &most).await.ok();
    server.db.assert_adds_up(id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_in_an_append_stores_nothing() {
    let server = server().await;
    let (id, user) = account(&server, 1 << 30).await;
    for sent in [0, 100, 300_000, 999_999] {
        let mut client = Client::signed_in(&server, &user).await;
        client.send(b"a APPEND INBOX {1000000+}\r\n").await;
        client.send("x".repeat(sent).as_bytes()).await;
    }
    let mut client = Client::signed_in(&server, &user).await;
    client.append("INBOX", "", &letter(1)).await.ok();
    assert_eq!(
        client.run("STATUS INBOX (MESSAGES UIDNEXT)").await.ok(),
        ["* STATUS INBOX (MESSAGES 1 UIDNEXT 2)"]
    );
    server.db.assert_adds_up(id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_comes_back_octet_for_octet() {
    let server = server().await;
    let (_, user) = account(&server, 1 << 30).await;
    let mut client = Client::signed_in(&server, &user).await;
    let mut message =
        String::from("Subject: large\r\nReturn-Path: <x@y.test>\r\nBcc: z@y.test\r\n\r\n");
    for n in 0..40_000 {
        writeln!(message, "line {n} of a message that takes several chunks\r").unwrap();
    }
    client.append("INBOX", "", &message).await.ok();
    client.run("SELECT INBOX").await.ok();
    let fetched = client.run("FETCH 1 BODY.PEEK[]").await.ok();
    let (_, body) = fetched[0].split_once("}\r\n").unwrap();
    assert!(body.strip_suffix(')').unwrap() == message);
    for (first, count) in [
        (0, 10),
        (262_140, 10),
        (262_144, 5),
        (500_000, 600_000),
        (message.len() - 3, 99),
        (message.len() + 9, 5),
    ] {
        let fetched = client
            .run(&format!("FETCH 1 BODY.PEEK[]<{first}.{count}>"))
            .await
            .ok();
        let (_, body) = fetched[0].split_once("}\r\n").unwrap();
        let from = first.min(message.len());
        let wanted = &message[from..(from + count).min(message.len())];
        assert!(
            body.strip_suffix(')').unwrap() == wanted,
            "<{first}.{count}>"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_of_lines_connections_and_patience() {
    let server = server_with(|config| {
        config.imap.connections_per_account = 2;
        config.imap.wrong_before_delay = 2;
        config.imap.wrong_before_close = 3;
        config.imap.idle_sign = Duration::from_millis(50);
    })
    .await;
    let (_, user) = account(&server, 1 << 30).await;
    let imaps = server.addresses().imaps[0];

    let mut stranger = Client::tls(imaps).await;
    stranger.response().await.unwrap();
    stranger
        .send(format!("a {}\r\n", "x".repeat(9_000)).as_bytes())
        .await;
    assert!(
        stranger
            .response()
            .await
            .unwrap()
            .starts_with("* BAD [LIMIT]")
    );
    assert!(stranger.response().await.unwrap().starts_with("* BYE"));
    stranger.expect_close().await.unwrap();

    let mut first = Client::signed_in(&server, &user).await;
    let second = Client::signed_in(&server, &user).await;
    let mut third = Client::tls(imaps).await;
    third.response().await.unwrap();
    let refused = third.run(&format!("LOGIN {user} {PASSWORD}")).await;
    assert!(refused.tagged.starts_with("NO [LIMIT]"), "{refused:?}");
    drop(second);
    while !third.run(&format!("LOGIN {user} {PASSWORD}")).await.is_ok() {
        tokio::task::yield_now().await;
    }

    first.run("SELECT INBOX").await.ok();
    first
        .send(format!("a FETCH {} UID\r\n", "1,".repeat(40_000)).as_bytes())
        .await;
    assert!(first.response().await.unwrap().starts_with("* BAD [LIMIT]"));
    first.send(b"i IDLE\r\n").await;
    assert!(first.response().await.unwrap().starts_with('+'));
    assert_eq!(first.response().await.unwrap(), "* OK Still here");
    first.send(b"DONE\r\n").await;
    first.finish("i").await.ok();
    assert!(first.run("FOO").await.tagged.starts_with("BAD"));
    first.send(b"x FOO\r\n").await;
    assert!(first.response().await.unwrap().starts_with("x BAD"));
    assert!(first.response().await.unwrap().starts_with("* BYE"));
    first.expect_close().await.unwrap();
}

/// S-24: a change of the password ends what was signed in with the old one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_password_ends_the_session() {
    let server = server().await;
    let (id, user) = account(&server, 1 << 30).await;
    let mut idle = Client::signed_in(&server, &user).await;
    idle.run("SELECT INBOX").await.ok();
    idle.send(b"i IDLE\r\n").await;
    idle.response().await.unwrap();
    let mut quiet = Client::signed_in(&server, &user).await;
    let reset = server
        .app()
        .accounts
        .set_password(&Actor::command_line(), id, None)
        .await;
    reset.unwrap();
    for client in [&mut idle, &mut quiet] {
        // Its owner is told by a message, too.
        let mut said = client.response().await.unwrap();
        while !said.starts_with("* BYE") {
            said = client.response().await.unwrap();
        }
        assert_eq!(said, "* BYE The password was changed");
        client.expect_close().await.unwrap();
    }
}
