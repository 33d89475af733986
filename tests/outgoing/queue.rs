//! The queue's workers: retries by an injected clock, notices, crashes, many workers, one connection for many messages.

use std::sync::Arc;
use std::time::Duration;

use postamt::service::outgoing::transport::{Mail, MailContent, MailRecipient, Transport};
use postamt::smtp::client::SmtpTransport;
use tokio_util::sync::CancellationToken;

use crate::peer::{ALL, Act, Peer, Tls};
use crate::world::{World, route, submission};

const HOURS: u64 = 1;
const DAYS: u64 = 24 * HOURS;

#[tokio::test]
async fn a_submitted_message_leaves_over_starttls_and_is_recorded() {
    let peer = Peer::good(Tls::Good).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let id = world.submit(&anna, &["b@y.test"]).await;
    assert_eq!(world.drain_after(0).await, 1);
    let taken = peer.taken();
    assert_eq!(taken[0].rcpts, ["RCPT TO:<b@y.test>"]);
    assert!(taken[0].mail.starts_with("MAIL FROM:<anna@x.test> SIZE="));
    assert!(taken[0].tls && taken[0].data.ends_with("Text\r\n"));
    let row = world.rows().await.remove(0);
    assert_eq!((row.queue_id, row.state.as_str()), (id, "sent"));
    assert_eq!(row.tls.as_deref(), Some("TLSv1.3"));
    assert_eq!(row.last_reply.as_deref(), Some("250 2.0.0 taken"));
    assert_eq!(row.last_host.as_deref(), Some("127.0.0.1"));
    assert_eq!(
        world
            .db
            .number(
                "select count(*) from outbound_chunk where queue_id > 0 or $1 = 0",
                anna.id
            )
            .await,
        0
    );
    assert_eq!(world.subjects(&anna).await, [""; 0]);
}

#[tokio::test]
async fn each_recipient_is_told_apart() {
    let peer = Peer::start(Tls::None, &ALL, |m| match m.line {
        "RCPT TO:<no@y.test>" => Some(Act::Say("550 5.1.1 no such user".to_owned())),
        "RCPT TO:<grey@y.test>" if m.taken < 1 => Some(Act::Say("451 4.7.1 greylisted".to_owned())),
        _ => None,
    })
    .await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(&anna, &["yes@y.test", "no@y.test", "grey@y.test"])
        .await;
    assert_eq!(world.drain_after(0).await, 2, "the message and the bounce");
    assert_eq!(world.states().await, ["sent", "failed", "waiting", "sent"]);
    assert_eq!(peer.taken()[0].rcpts, ["RCPT TO:<yes@y.test>"]);
    assert_eq!(
        world.subjects(&anna).await,
        ["Nachricht konnte nicht zugestellt werden"]
    );
    let bounce = world.newest(&anna).await;
    assert!(bounce.starts_with("Return-Path: <>\r\n"), "{bounce}");
    for expected in [
        "Final-Recipient: rfc822; no@y.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "Subject: Hello",
    ] {
        assert!(bounce.contains(expected), "{expected} in {bounce}");
    }
    assert!(
        !bounce.contains("Text\r\n") && !bounce.contains("yes@y.test"),
        "{bounce}"
    );
    world.drain_after(1).await;
    assert_eq!(world.states().await[2], "sent");
    assert_eq!(peer.taken()[1].rcpts, ["RCPT TO:<grey@y.test>"]);
}

#[tokio::test]
async fn a_host_that_stays_away_is_tried_for_five_days() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        m.line
            .is_empty()
            .then(|| Act::Say("421 4.3.2 closed".to_owned()))
    })
    .await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .db
        .tamper(
            "update account set locale = 'en' where account_id = $1",
            anna.id,
        )
        .await;
    world.submit(&anna, &["b@y.test"]).await;
    assert_eq!(world.drain_after(0).await, 1);
    assert_eq!(world.drain_after(0).await, 0, "not due again");
    assert_eq!(world.drain_after(HOURS).await, 1);
    assert_eq!(world.subjects(&anna).await.len(), 0);
    assert_eq!(
        world.drain_after(5 * HOURS).await,
        2,
        "the try and the notice of the delay"
    );
    assert_eq!(world.subjects(&anna).await, ["Delivery is delayed"]);
    assert!(world.newest(&anna).await.contains("Action: delayed"));
    assert_eq!(world.drain_after(3 * DAYS).await, 1, "told once");
    assert_eq!(world.drain_after(5 * DAYS + 1).await, 2);
    assert_eq!(
        world.subjects(&anna).await,
        ["Delivery is delayed", "Message could not be delivered"]
    );
    let bounce = world.newest(&anna).await;
    assert!(
        bounce.contains("421 4.3.2 closed") && bounce.contains("Status: 4.3.2"),
        "{bounce}"
    );
    assert_eq!(world.rows().await[0].attempts, 5);
    assert_eq!(world.drain_after(30 * DAYS).await, 0);
}

#[tokio::test]
async fn a_bounce_that_cannot_be_delivered_is_dropped() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        m.line
            .starts_with("RCPT")
            .then(|| Act::Say("550 5.1.1 no".to_owned()))
    })
    .await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test"]).await;
    world
        .db
        .tamper("delete from address where account_id = $1", anna.id)
        .await;
    assert_eq!(world.drain_after(0).await, 2);
    assert_eq!(world.states().await, ["failed", "failed"]);
    assert_eq!(world.drain_after(DAYS).await, 0, "and that is its end");
}

#[tokio::test]
async fn success_is_told_to_who_asked() {
    let deaf = Peer::start(Tls::None, &["PIPELINING"], |_| None).await;
    let world = World::with_peer(&deaf).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let berta = world.db.account("berta@x.test", 1 << 20).await;
    let mut asked = submission(&anna, &["b@y.test", "berta@x.test"]);
    for recipient in &mut asked.recipients {
        recipient.notify = vec!["SUCCESS".to_owned()];
    }
    asked.env_id = Some("QQ+2B1".to_owned());
    asked.recipients[0].orcpt = Some("rfc822;Bob+2Bx@y.test".to_owned());
    let text = b"From: anna@x.test\r\nSubject: Hello\r\n\r\nText\r\n";
    let message = world.app.mail.receive_whole(text).await.unwrap();
    world.app.outgoing.submit(&asked, &message).await.unwrap();
    world.drain_after(0).await;
    assert_eq!(world.subjects(&berta).await, ["Hello"]);
    assert_eq!(
        world.subjects(&anna).await,
        ["Nachricht zugestellt", "Nachricht zugestellt"]
    );
    let both: Vec<String> = sqlx::query_scalar(
        "select convert_from(bytes, 'UTF8') from body_chunk where account_id = $1",
    )
    .bind(anna.id)
    .fetch_all(&world.db.pool)
    .await
    .unwrap();
    let both = both.concat();
    for expected in [
        "Action: relayed",
        "Action: delivered",
        "Original-Envelope-Id: QQ+1",
        "Original-Recipient: rfc822;Bob+x@y.test",
    ] {
        assert!(both.contains(expected), "{expected} in {both}");
    }
}

#[tokio::test]
async fn a_host_with_dsn_tells_success_itself() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let mut asked = submission(&anna, &["b@y.test"]);
    asked.recipients[0].notify = vec!["SUCCESS".to_owned(), "FAILURE".to_owned()];
    let message = world
        .app
        .mail
        .receive_whole(b"From: anna@x.test\r\n\r\nText\r\n")
        .await
        .unwrap();
    world.app.outgoing.submit(&asked, &message).await.unwrap();
    assert_eq!(world.drain_after(0).await, 1);
    assert_eq!(
        peer.taken()[0].rcpts,
        ["RCPT TO:<b@y.test> NOTIFY=SUCCESS,FAILURE"]
    );
}

struct Queued(postamt::store::queue::Queue, postamt::model::QueueId);

impl MailContent for Queued {
    fn open(
        &self,
    ) -> futures_util::stream::BoxStream<'static, Result<bytes::Bytes, postamt::error::StoreError>>
    {
        Box::pin(self.0.content(self.1))
    }
}

/// A worker that dies between the other host's 250 and its own commit.
#[tokio::test]
async fn s07_a_crash_behind_the_250_makes_one_duplicate_and_loses_nothing() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test"]).await;
    let queue = world.db.store.queue();
    let lease = world.app.config.queue.lease;
    let claim = queue.claim(&[], None, 100, lease).await.unwrap().unwrap();
    let to = [MailRecipient {
        address: "b@y.test",
        notify: &[],
        orcpt: None,
    }];
    let mut connection = SmtpTransport::new(&world.app.config)
        .connect(&postamt::service::outgoing::transport::Peer {
            host: "mx.y.test".to_owned(),
            address: peer.address,
            protection: postamt::service::outgoing::transport::Protection::Never,
            verifies: false,
            login: None,
        })
        .await
        .unwrap();
    connection
        .send(&Mail {
            sender: &claim.sender,
            ret_full: false,
            env_id: None,
            needs_utf8: false,
            size_bytes: claim.size_bytes,
            recipients: &to,
            content: &Queued(queue, claim.queue_id),
        })
        .await;
    assert_eq!(peer.taken().len(), 1);
    // Dead. Nobody touches it before the lease is over; then it goes once more, and never again.
    assert_eq!(world.drain_after(0).await, 0);
    assert_eq!(world.drain_after(1).await, 1);
    assert_eq!(world.drain_after(2).await, 0);
    assert_eq!(peer.taken().len(), 2);
    assert_eq!(world.states().await, ["sent"]);
}

#[tokio::test]
async fn two_nodes_send_nothing_twice_and_wake_at_once() {
    let peer = Peer::good(Tls::Good).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let stop = CancellationToken::new();
    let nodes = [
        Arc::new(world.worker()),
        Arc::new(world.node(world.db.second_store().await)),
    ];
    for n in 0..25 {
        world
            .submit(&anna, &[&format!("b{n}@y.test"), "c@y.test"])
            .await;
    }
    let running: Vec<_> = nodes
        .into_iter()
        .map(|node| tokio::spawn(node.run(stop.clone())))
        .collect();
    peer.wait_for(25).await;
    for n in 25..30 {
        // The poll is minutes away: only the wake can bring it out in time.
        world.submit(&anna, &[&format!("b{n}@y.test")]).await;
        peer.wait_for(n + 1).await;
    }
    // The two nodes may share a message, a recipient each; what counts is that no pair comes twice.
    while !world.states().await.iter().all(|state| state == "sent") {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    for node in running {
        node.await.unwrap();
    }
    let mut seen: Vec<(String, String)> = peer
        .taken()
        .into_iter()
        .flat_map(|t| t.rcpts.into_iter().map(move |rcpt| (rcpt, t.data.clone())))
        .collect();
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), all), (55, 55));
    assert!(
        world.states().await.iter().all(|state| state == "sent"),
        "stop finishes what was begun"
    );
}

#[tokio::test]
async fn one_connection_serves_what_waits_for_one_destination() {
    let peer = Peer::good(Tls::Good).await;
    let world = World::new(|config| {
        config
            .queue
            .routes
            .insert("y.test".to_owned(), route(&peer));
        config.queue.messages_per_connection = 3;
    })
    .await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    for _ in 0..5 {
        world.submit(&anna, &["b@y.test"]).await;
    }
    assert_eq!(world.drain_after(0).await, 5);
    let by: Vec<usize> = peer.taken().iter().map(|t| t.connection).collect();
    assert_eq!(by, [1, 1, 1, 2, 2]);
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_costs_nothing() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        (m.connection == 1 && m.taken == 1 && m.line.starts_with("MAIL"))
            .then(|| Act::SayAndClose("421 4.4.2 idle for too long".to_owned()))
    })
    .await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test"]).await;
    world.submit(&anna, &["b@y.test"]).await;
    assert_eq!(world.drain_after(0).await, 2);
    assert_eq!(world.states().await, ["sent", "sent"]);
}

#[tokio::test]
async fn more_recipients_than_a_host_takes_at_once() {
    let peer = Peer::start(Tls::None, &[], |m| {
        // Two in each transaction: the third and fourth address have even numbers.
        let n: Option<u32> = m
            .line
            .strip_prefix("RCPT TO:<b")
            .and_then(|r| r.split('@').next()?.parse().ok());
        n.filter(|n| n / 2 > u32::try_from(m.taken).unwrap())
            .map(|_| Act::Say("452 4.5.3 too many recipients".to_owned()))
    })
    .await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(
            &anna,
            &[
                "b0@y.test",
                "b1@y.test",
                "b2@y.test",
                "b3@y.test",
                "b4@y.test",
            ],
        )
        .await;
    assert_eq!(world.drain_after(0).await, 1);
    assert_eq!(world.states().await, ["sent"; 5]);
    assert_eq!(peer.log(|log| log.connections), 1);
    let sizes: Vec<usize> = peer.taken().iter().map(|t| t.rcpts.len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn recipients_go_in_chunks() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let to: Vec<String> = (0..150).map(|n| format!("b{n}@y.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    world.submit(&anna, &to).await;
    assert_eq!(world.drain_after(0).await, 2);
    let sizes: Vec<usize> = peer.taken().iter().map(|t| t.rcpts.len()).collect();
    assert_eq!(sizes, [100, 50]);
}

#[tokio::test]
async fn what_is_taken_back_never_leaves() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let outgoing = &world.app.outgoing;
    let recipients = outgoing.recipients([&"b@y.test".parse().unwrap()]);
    let mut mail = outgoing.outbound(
        "anna@x.test",
        postamt::store::queue::Content::bytes(b"a: b\r\n\r\n"),
        &recipients,
    );
    mail.hold = Duration::from_secs(20);
    mail.draft = Some(postamt::model::DraftId(1));
    for is_taken_back in [true, false] {
        let lock = async || {
            world
                .db
                .store
                .draft()
                .await
                .unwrap()
                .lock(anna.id, postamt::model::Charge::NONE)
                .await
                .unwrap()
        };
        let mut write = lock().await;
        write
            .enqueue(&mail, Some(&outgoing.limits()))
            .await
            .unwrap();
        crate::common::fixtures::quiet(write.commit().await.unwrap());
        assert_eq!(world.drain_after(0).await, 0, "held for undo");
        if is_taken_back {
            let mut write = lock().await;
            assert!(
                write
                    .cancel_outbound(postamt::model::DraftId(1))
                    .await
                    .unwrap()
            );
            crate::common::fixtures::quiet(write.commit().await.unwrap());
        }
        assert_eq!(world.drain_after(1).await, usize::from(!is_taken_back));
    }
    assert_eq!(peer.taken().len(), 1);
}
