//! Return paths of mail that an alias leads on (`format/srs.rs`), and what is delivered here only once.

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use postamt::format::address::Address;
use postamt::format::srs;
use postamt::service::accounts::Recipient;
use postamt::service::outgoing::Forward;

use crate::common::fixtures::TestAccount;
use crate::peer::{ALL, Act, Peer, Tls};
use crate::world::World;

async fn world(peer: &Peer) -> (World, TestAccount) {
    let world = World::with_peer(peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .db
        .tamper(
            "insert into address (address, domain_id, targets)
             select 'team@x.test', domain_id, '{b@y.test}' from account where account_id = $1",
            anna.id,
        )
        .await;
    (world, anna)
}

/// Leads a message of `sender` on from team@x.test; what the next host is told as its sender.
fn led_on<'a>(world: &'a World, peer: &'a Peer, sender: &'a str) -> LocalBoxFuture<'a, Address> {
    lead_on(world, peer, sender).boxed_local()
}

async fn lead_on(world: &World, peer: &Peer, sender: &str) -> Address {
    let text = format!(
        "Subject: {:x} from {sender}\r\n\r\nText\r\n",
        rand::random::<u64>()
    );
    let message = world.app.mail.receive_whole(text.as_bytes()).await.unwrap();
    let forward = Forward {
        sender: Some(&sender.parse().unwrap()),
        alias: &"team@x.test".parse().unwrap(),
        targets: &["b@y.test".parse().unwrap()],
    };
    let outgoing = &world.app.outgoing;
    outgoing.forward(&forward, &message).await.unwrap();
    assert_eq!(world.drain_after(0).await, 1);
    let taken = peer.taken();
    let path = taken.last().unwrap().mail.split(['<', '>']).nth(1).unwrap();
    path.parse().unwrap()
}

async fn meaning(world: &World, address: &Address) -> Recipient {
    world.app.accounts.recipient(address, 0).await.unwrap()
}

#[tokio::test]
async fn a_strangers_mail_is_led_on_under_a_name_of_ours_that_leads_back() {
    let peer = Peer::good(Tls::None).await;
    let (world, _) = world(&peer).await;
    let sender: Address = "Eve@z.test".parse().unwrap();
    let path = led_on(&world, &peer, "Eve@z.test").await;
    assert_eq!(path.domain(), "x.test");
    assert!(path.local().starts_with("SRS0="), "{path}");
    assert!(path.local().ends_with("=z.test=Eve"), "{path}");
    assert_eq!(meaning(&world, &path).await, Recipient::Returning(sender));

    // Another host had led it on before: the first one of them gets what comes back.
    let theirs = "SRS0=HHH=TT=orig.test=user@hop.test";
    let path = led_on(&world, &peer, theirs).await;
    assert!(path.local().starts_with("SRS1="), "{path}");
    let back = Recipient::Returning(theirs.parse().unwrap());
    assert_eq!(meaning(&world, &path).await, back);

    // A domain that is not ours is foreign, whatever stands before it.
    let elsewhere = Address::from_parts(path.local(), "y.test").unwrap();
    assert_eq!(meaning(&world, &elsewhere).await, Recipient::Foreign);
    let forged = path.local().replace("hop.test", "prey.test");
    let forged = Address::from_parts(forged, "x.test").unwrap();
    assert_eq!(meaning(&world, &forged).await, Recipient::Unknown);
}

#[tokio::test]
async fn a_sender_too_long_for_a_return_path_is_kept_as_long_as_it_may_be_needed() {
    let peer = Peer::good(Tls::None).await;
    let (world, anna) = world(&peer).await;
    let long = format!("0102018f-{}@bounces.mailer.test", "x".repeat(50));
    let path = led_on(&world, &peer, &long).await;
    assert!(path.local().len() <= 64, "{path}");
    let back = Recipient::Returning(long.parse().unwrap());
    assert_eq!(meaning(&world, &path).await, back);
    assert_eq!(
        led_on(&world, &peer, &long).await,
        path,
        "one number a sender"
    );
    assert_eq!(world.db.store.prune_kept_senders(1).await.unwrap(), 0);
    world
        .db
        .tamper(
            "update kept_sender set used_at = used_at - interval '23 days' where $1 > 0",
            anna.id,
        )
        .await;
    postamt::service::house::sweep(&world.app).await.unwrap();
    assert_eq!(meaning(&world, &path).await, Recipient::Unknown);
}

#[tokio::test]
async fn mail_of_our_own_users_and_notices_keep_their_sender() {
    let peer = Peer::good(Tls::None).await;
    let (world, anna) = world(&peer).await;
    assert_eq!(
        led_on(&world, &peer, "anna@x.test").await.to_string(),
        "anna@x.test"
    );
    world.submit(&anna, &["team@x.test"]).await;
    assert_eq!(world.drain_after(0).await, 2);
    let mail = peer.taken().last().unwrap().mail.clone();
    assert!(mail.starts_with("MAIL FROM:<anna@x.test>"), "{mail}");
    let text = b"Subject: a notice\r\n\r\nText\r\n";
    let message = world.app.mail.receive_whole(text).await.unwrap();
    let notice = Forward {
        sender: None,
        alias: &"team@x.test".parse().unwrap(),
        targets: &["b@y.test".parse().unwrap()],
    };
    world.app.outgoing.forward(&notice, &message).await.unwrap();
    world.drain_after(0).await;
    let mail = peer.taken().last().unwrap().mail.clone();
    assert!(mail.starts_with("MAIL FROM:<>"), "{mail}");
}

/// What a user's own program writes to a return path, with a sender, goes nowhere: it is for notices.
#[tokio::test]
async fn a_return_path_is_nobodys_mailbox() {
    let peer = Peer::good(Tls::None).await;
    let (world, anna) = world(&peer).await;
    let path = led_on(&world, &peer, "eve@y.test").await;
    assert!(srs::is_return(path.local()));
    world.submit(&anna, &[&path.to_string()]).await;
    assert_eq!(world.drain_after(0).await, 2, "and its notice");
    assert_eq!(peer.taken().len(), 1, "only the mail led on has left");
    assert!(world.newest(&anna).await.contains("Status: 5.1.1"));

    let mut receipt = crate::world::submission(&anna, &[&path.to_string()]);
    receipt.sender = None;
    let text = b"From: anna@x.test\r\nSubject: read\r\n\r\nText\r\n";
    let message = world.app.mail.receive_whole(text).await.unwrap();
    world.app.outgoing.submit(&receipt, &message).await.unwrap();
    assert_eq!(world.drain_after(0).await, 2);
    let last = peer.taken().last().unwrap().clone();
    assert_eq!(last.rcpts, ["RCPT TO:<eve@y.test>"]);
    assert!(last.mail.starts_with("MAIL FROM:<>"), "{}", last.mail);
}

/// A program that dies after the commit in the mailbox and before the queue's record leaves the recipient waiting.
#[tokio::test]
async fn a_crash_between_delivery_and_record_doubles_nothing() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        m.line
            .starts_with("RCPT")
            .then(|| Act::Say("450 4.2.0 later".to_owned()))
    })
    .await;
    let (world, anna) = world(&peer).await;
    let bob = world.db.account("bob@x.test", 1 << 20).await;
    // The recipient elsewhere keeps the bytes in the queue.
    world.submit(&anna, &["bob@x.test", "b@y.test"]).await;
    world.drain_after(0).await;
    assert_eq!(world.subjects(&bob).await, ["Hello"]);
    let undone = world
        .db
        .tamper(
            "update outbound_recipient
                set state = 'waiting', lease_until = null, next_at = now(), finished_at = null
              where address = 'bob@x.test' and $1 > 0",
            anna.id,
        )
        .await;
    assert_eq!(undone, 1);
    // Two nodes find it.
    let other = world.node(world.db.second_store().await);
    let ours = world.worker();
    let (a, b) = tokio::join!(ours.drain(), other.drain());
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    assert_eq!(world.subjects(&bob).await, ["Hello"], "once");
    let states = world.states().await;
    assert_eq!(states, ["sent", "waiting"]);
}
