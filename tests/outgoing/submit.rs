//! Submission: whose `From`, what is added, what goes, how much.

use postamt::error::Refusal;
use postamt::service::outgoing::Submission;

use crate::common::fixtures::TestAccount;
use crate::peer::{Peer, Tls};
use crate::world::{World, submission};

async fn world() -> (World, Peer, TestAccount) {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.db.account("berta@x.test", 1 << 20).await;
    (world, peer, anna)
}

#[tokio::test]
async fn s31_every_from_is_the_accounts() {
    let (world, _, anna) = world().await;
    for (from, is_mine) in [
        ("From: anna@x.test\r\n", true),
        ("From: \"B, A\" <Anna+x@X.TEST>\r\n", true),
        ("From: anna@x.test, anna+b@x.test\r\n", true),
        ("From: berta@x.test\r\n", false),
        ("From: anna@x.test, berta@x.test\r\n", false),
        ("From: anna@x.test\r\nFROM : berta@x.test\r\n", false),
        ("From: anna@x.test <berta@x.test>\r\n", false),
        ("From: eve@z.test\r\n", false),
        ("From: \r\n", false),
        ("From: nonsense\r\n", false),
        ("From: friends:;\r\n", false),
    ] {
        let text = format!("{from}Subject: x\r\n\r\nText\r\n");
        let done = world.submit_text(&anna, &["b@y.test"], &text).await;
        assert!(
            if is_mine {
                done.is_ok()
            } else {
                matches!(done, Err(Refusal::NotAllowed))
            },
            "{from} {done:?}"
        );
    }
}

#[tokio::test]
async fn what_is_missing_is_added_and_bcc_is_not_shown() {
    let (world, peer, anna) = world().await;
    let text = "Received: by us\r\nSubject: x\r\nBcc: secret@y.test\r\n\r\nText\r\n";
    world.submit_text(&anna, &["b@y.test"], text).await.unwrap();
    let whole = "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nFrom: anna@x.test\r\nMessage-ID: <1@x.test>\r\n\r\n.\r\n";
    world
        .submit_text(&anna, &["b@y.test"], whole)
        .await
        .unwrap();
    world
        .submit_text(&anna, &["b@y.test"], "no header at all")
        .await
        .unwrap();
    world.drain_after(0).await;
    let taken = peer.taken();
    let data = &taken[0].data;
    assert!(
        data.starts_with("Received: by us\r\nFrom: \"anna@x.test\" <anna@x.test>\r\nDate: "),
        "{data}"
    );
    assert!(
        data.contains("@mail.x.test>\r\nSubject: x\r\n\r\nText\r\n"),
        "{data}"
    );
    assert!(!data.contains("secret"), "{data}");
    assert_eq!(
        taken[1].data,
        whole.replace("\r\n.\r\n", "\r\n..\r\n"),
        "nothing else is touched"
    );
    assert!(
        taken[2]
            .data
            .ends_with("@mail.x.test>\r\n\r\nno header at all\r\n"),
        "{}",
        taken[2].data
    );
}

#[tokio::test]
async fn a_large_message_goes_from_the_spool() {
    let (world, peer, anna) = world().await;
    let body = "0123456789abcdef0123456789abcdef\r\n".repeat(100_000);
    let text = format!("Received: by us\r\nBcc: secret@y.test\r\nFrom: anna@x.test\r\n\r\n{body}");
    world
        .submit_text(&anna, &["b@y.test"], &text)
        .await
        .unwrap();
    world.drain_after(0).await;
    let taken = peer.taken();
    assert!(taken[0].data.ends_with(&format!("\r\n\r\n{body}")));
    assert!(taken[0].data.starts_with("Received: by us\r\nDate: "));
    let said = taken[0].mail.split("SIZE=").nth(1).unwrap();
    let size: usize = said.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(size, taken[0].data.len());
}

#[tokio::test]
async fn limits_keys_and_doubles() {
    let peer = Peer::good(Tls::None).await;
    let world = World::new(|config| {
        config
            .queue
            .routes
            .insert("y.test".to_owned(), crate::world::route(&peer));
        config.submission.messages_per_minute = 3;
    })
    .await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(&anna, &["b@y.test", "B@Y.test", "b@y.test"])
        .await;
    let message = world
        .app
        .mail
        .receive_whole(b"From: anna@x.test\r\n\r\nText\r\n")
        .await
        .unwrap();
    let keyed = Submission {
        client_id: Some("k1".to_owned()),
        ..submission(&anna, &["b@y.test"])
    };
    let first = world.app.outgoing.submit(&keyed, &message).await.unwrap();
    assert_eq!(
        world.app.outgoing.submit(&keyed, &message).await.unwrap(),
        first
    );
    world.submit(&anna, &["b@y.test"]).await;
    let text = "From: anna@x.test\r\n\r\nText\r\n";
    let many = world.submit_text(&anna, &["b@y.test"], text).await;
    assert!(
        matches!(
            many,
            Err(Refusal::TooMany {
                retry_after_secs: 60
            })
        ),
        "{many:?}"
    );
    assert_eq!(
        world.app.outgoing.submit(&keyed, &message).await.unwrap(),
        first,
        "a known key is no new sending"
    );
    let nobody = world.submit_text(&anna, &[], text).await;
    assert!(matches!(nobody, Err(Refusal::Invalid(_))));
    world.drain_after(0).await;
    let rcpts: Vec<usize> = peer.taken().iter().map(|t| t.rcpts.len()).collect();
    assert_eq!(rcpts, [1, 1, 1]);
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_host_that_takes_them() {
    let (world, peer, anna) = world().await;
    world.submit(&anna, &["gr\u{fc}n@y.test", "b@y.test"]).await;
    world.drain_after(0).await;
    assert!(peer.taken()[0].mail.contains(" SMTPUTF8"));
    let old = Peer::start(Tls::None, &[], |_| None).await;
    let world = World::with_peer(&old).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["gr\u{fc}n@y.test"]).await;
    world.drain_after(0).await;
    assert_eq!(world.states().await[0], "failed");
    assert!(world.newest(&anna).await.contains("Status: 5.6.7"));
}
