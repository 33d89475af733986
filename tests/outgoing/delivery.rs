//! Where mail goes: MX hosts in their order, a smarthost, our own users, aliases that lead outside.

use std::collections::HashMap;
use std::net::IpAddr;

use postamt::config::RouteTls;
use postamt::service::outgoing::Forward;
use postamt::service::outgoing::resolve::{DnsNames, NameError, Names};

use crate::peer::{ALL, Act, Peer, Tls};
use crate::world::{World, Zone, route};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Hosts of `y.test` at one port of different loopback addresses: the peer answers at 127.0.0.1 only.
fn zone(mx: &[(u16, &'static str)]) -> Zone {
    Zone {
        mx: HashMap::from([
            ("y.test", mx.to_vec()),
            ("null.test", vec![(0, "")]),
            ("bare.test", vec![]),
        ]),
        hosts: HashMap::from([
            ("dead.test", vec![ip("127.0.0.77")]),
            ("live.test", vec![ip("::1"), ip("127.0.0.1")]),
            ("bare.test", vec![ip("127.0.0.1")]),
        ]),
    }
}

async fn by_mx(peer: &Peer, mx: &[(u16, &'static str)]) -> World {
    World::with_names(
        |config| {
            config.queue.mx_port = peer.address.port();
            config.queue.allow_private_addresses = true;
        },
        zone(mx),
    )
    .await
}

#[tokio::test]
async fn the_next_host_is_tried_when_one_is_dead_or_gone() {
    let peer = Peer::good(Tls::Good).await;
    let world = by_mx(
        &peer,
        &[(5, "gone.test"), (10, "dead.test"), (20, "live.test")],
    )
    .await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(&anna, &["b@y.test", "c@bare.test", "d@[127.0.0.1]"])
        .await;
    assert_eq!(world.drain_after(0).await, 3);
    assert_eq!(world.states().await, ["sent"; 3]);
    let rows = world.rows().await;
    assert_eq!(rows[0].last_host.as_deref(), Some("live.test"));
    assert_eq!(rows[1].last_host.as_deref(), Some("bare.test"));
    assert_eq!(rows[2].last_host.as_deref(), Some("127.0.0.1"));
}

#[tokio::test]
async fn domains_that_take_no_mail_are_bounced_at_once() {
    let peer = Peer::good(Tls::None).await;
    let world = by_mx(&peer, &[(10, "gone.test")]).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(&anna, &["a@null.test", "b@nowhere.test", "c@y.test"])
        .await;
    assert_eq!(world.drain_after(0).await, 6);
    assert_eq!(world.subjects(&anna).await.len(), 3);
    let told: Vec<String> = world
        .rows()
        .await
        .into_iter()
        .filter_map(|r| r.last_reply)
        .collect();
    assert!(told[0].contains("null MX"), "{told:?}");
    assert!(told[1].contains("nowhere.test does not exist"), "{told:?}");
    assert!(told[2].contains("gone.test does not exist"), "{told:?}");
}

#[tokio::test]
async fn a_host_inside_our_network_is_not_spoken_to() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_names(
        |config| config.queue.mx_port = peer.address.port(),
        zone(&[(10, "live.test")]),
    )
    .await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test", "c@[127.0.0.1]"]).await;
    world.drain_after(0).await;
    assert_eq!(world.states().await[..2], ["failed", "failed"]);
    assert_eq!(peer.log(|log| log.connections), 0);
}

#[tokio::test]
async fn a_host_that_refuses_everybody_is_believed_only_when_all_do() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        m.line
            .is_empty()
            .then(|| Act::SayAndClose("554 5.7.1 you are listed".to_owned()))
    })
    .await;
    let world = by_mx(&peer, &[(10, "live.test"), (20, "dead.test")]).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test"]).await;
    world.drain_after(0).await;
    assert_eq!(
        world.states().await,
        ["waiting"],
        "the other host may think otherwise"
    );
    let world = by_mx(&peer, &[(10, "bare.test")]).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world.submit(&anna, &["b@y.test"]).await;
    world.drain_after(0).await;
    assert_eq!(world.states().await[0], "failed");
    assert!(
        world
            .newest(&anna)
            .await
            .contains("554 5.7.1 you are listed")
    );
}

#[tokio::test]
async fn a_smarthost_takes_all_domains_in_one_transaction() {
    let peer = Peer::start(Tls::Good, &["PIPELINING", "AUTH PLAIN"], |_| None).await;
    let world = World::new(|config| {
        let mut smarthost = route(&peer);
        smarthost.tls = RouteTls::Starttls;
        smarthost.username = Some("u".to_owned());
        smarthost.password = Some(postamt::config::Secret::new("p".to_owned()));
        smarthost.verify = Some(false);
        config.queue.routes.insert("*".to_owned(), smarthost);
    })
    .await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .submit(&anna, &["b@y.test", "c@z.test", "anna@x.test"])
        .await;
    assert_eq!(world.drain_after(0).await, 1);
    assert_eq!(world.states().await, ["sent"; 3]);
    assert_eq!(
        peer.taken()[0].rcpts,
        ["RCPT TO:<b@y.test>", "RCPT TO:<c@z.test>"]
    );
    assert_eq!(world.subjects(&anna).await, ["Hello"], "our own stay here");
    assert!(peer.log(|log| log.lines.contains(&"AUTH PLAIN AHUAcA==".to_owned())));
}

#[tokio::test]
async fn our_own_users_get_it_without_a_network() {
    let world = World::new(|_| {}).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let berta = world.db.account("berta@x.test", 1 << 20).await;
    let tiny = world.db.account("tiny@x.test", 100).await;
    world
        .submit(
            &anna,
            &["Berta+shop@X.test", "tiny@x.test", "nobody@x.test"],
        )
        .await;
    assert_eq!(world.drain_after(0).await, 2);
    assert_eq!(world.subjects(&berta).await, ["Hello"]);
    let letter = world.newest(&berta).await;
    assert!(
        letter.starts_with("Return-Path: <anna@x.test>\r\n"),
        "{letter}"
    );
    let states = world.states().await;
    assert_eq!(states[..3], ["sent", "failed", "failed"]);
    let bounce = world.newest(&anna).await;
    assert!(
        bounce.contains("Status: 5.2.2") && bounce.contains("Status: 5.1.1"),
        "{bounce}"
    );
    assert!(world.subjects(&tiny).await.is_empty());
}

#[tokio::test]
async fn a_full_mailbox_is_waited_for() {
    let world = World::new(|_| {}).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    let berta = world.db.account("berta@x.test", 300).await;
    world.submit(&anna, &["berta@x.test"]).await;
    world.submit(&anna, &["berta@x.test"]).await;
    world.drain_after(0).await;
    assert_eq!(world.states().await, ["sent", "waiting"]);
    world
        .db
        .tamper(
            "update account set quota_bytes = 10000 where account_id = $1",
            berta.id,
        )
        .await;
    world.drain_after(1).await;
    assert_eq!(world.states().await, ["sent", "sent"]);
    assert_eq!(
        world.subjects(&berta).await,
        ["Hello", "Hello"],
        "the same text twice is two messages"
    );
}

#[tokio::test]
async fn an_alias_leads_outside_once() {
    let peer = Peer::good(Tls::None).await;
    let world = World::with_peer(&peer).await;
    let anna = world.db.account("anna@x.test", 1 << 20).await;
    world
        .db
        .tamper(
            "insert into address (address, domain_id, targets)
             select 'team@x.test', domain_id, '{anna@x.test,b@y.test}' from account where account_id = $1",
            anna.id,
        )
        .await;
    world.submit(&anna, &["team@x.test"]).await;
    assert_eq!(world.drain_after(0).await, 2);
    assert_eq!(world.subjects(&anna).await, ["Hello"]);
    let taken = peer.taken();
    assert_eq!(taken[0].rcpts, ["RCPT TO:<b@y.test>"]);
    assert!(
        taken[0].data.starts_with("Delivered-To: team@x.test\r\n"),
        "{}",
        taken[0].data
    );

    let text = b"Return-Path: <eve@z.test>\r\nReceived: x\r\nSubject: From outside\r\n\r\nText\r\n";
    let message = world.app.mail.receive_whole(text).await.unwrap();
    let (alias, target, sender) = (
        "team@x.test".parse().unwrap(),
        ["b@y.test".parse().unwrap()],
        "eve@z.test".parse().unwrap(),
    );
    let forward = Forward {
        sender: Some(&sender),
        alias: &alias,
        targets: &target,
    };
    let first = world
        .app
        .outgoing
        .forward(&forward, &message)
        .await
        .unwrap();
    let again = world
        .app
        .outgoing
        .forward(&forward, &message)
        .await
        .unwrap();
    assert_eq!(first, again, "the sender's retry is led on once");
    assert_eq!(world.drain_after(0).await, 1);
    let data = &peer.taken()[1].data;
    assert!(
        data.starts_with("Delivered-To: team@x.test\r\nReceived: x\r\nSubject"),
        "{data}"
    );
}

#[tokio::test]
async fn a_forward_that_fails_tells_no_stranger() {
    let peer = Peer::start(Tls::None, &ALL, |m| {
        m.line
            .starts_with("RCPT")
            .then(|| Act::Say("550 5.1.1 no".to_owned()))
    })
    .await;
    let world = World::with_peer(&peer).await;
    let text = b"Subject: x\r\n\r\nText\r\n";
    let message = world.app.mail.receive_whole(text).await.unwrap();
    let (alias, target, sender) = (
        "team@x.test".parse().unwrap(),
        ["b@y.test".parse().unwrap()],
        "eve@z.test".parse().unwrap(),
    );
    let forward = Forward {
        sender: Some(&sender),
        alias: &alias,
        targets: &target,
    };
    world
        .app
        .outgoing
        .forward(&forward, &message)
        .await
        .unwrap();
    assert_eq!(world.drain_after(0).await, 1);
    assert_eq!(world.states().await, ["failed"]);
    assert_eq!(world.drain_after(0).await, 0, "S-30: no backscatter");
}

/// A name server of one answer, on UDP: what hickory asks and how we read what it says.
#[tokio::test]
async fn the_configured_name_server_is_asked() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut question = [0; 512];
        while let Ok((n, from)) = socket.recv_from(&mut question).await {
            socket.send_to(&answer(&question[..n]), from).await.unwrap();
        }
    });
    let mut config = postamt::config::Config::default();
    config.dns.servers = vec![address];
    config.dns.timeout = std::time::Duration::from_secs(1);
    config.dns.attempts = 1;
    let names = DnsNames::new(&config.dns).unwrap();
    assert_eq!(
        names.mx("y.test").await.unwrap(),
        [(10, "mx.y.test".to_owned())]
    );
    assert_eq!(
        names.addresses("mx.y.test").await.unwrap(),
        [ip("192.0.2.7")]
    );
    assert_eq!(names.mx("empty.test").await.unwrap(), []);
    assert_eq!(names.mx("gone.test").await, Err(NameError::NoSuchName));
    assert!(matches!(
        names.mx("broken.test").await,
        Err(NameError::Temporary(_))
    ));
}

/// RFC 1035 4: header, the question again, and one record or a code.
fn answer(question: &[u8]) -> Vec<u8> {
    let mut end = 12;
    let mut name = String::new();
    while question[end] != 0 {
        let n = usize::from(question[end]);
        name.push_str(std::str::from_utf8(&question[end + 1..=end + n]).unwrap());
        name.push('.');
        end += n + 1;
    }
    let kind = u16::from_be_bytes([question[end + 1], question[end + 2]]);
    let name = name.to_ascii_lowercase();
    let record: Option<Vec<u8>> = match (name.as_str(), kind) {
        // Preference 10, `mx` and a pointer to the name asked for.
        ("y.test.", 15) => Some(vec![0, 10, 2, b'm', b'x', 0xC0, 12]),
        ("mx.y.test.", 1) => Some(vec![192, 0, 2, 7]),
        _ => None,
    };
    let code = match name.as_str() {
        "gone.test." => 3,
        "broken.test." => 2,
        _ => 0,
    };
    let mut out = question[..2].to_vec();
    out.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(record.is_some()),
        0,
        0,
        0,
        0,
    ]);
    out.extend(&question[12..end + 5]);
    if let Some(data) = record {
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).unwrap()]);
        out.extend(data);
    }
    out
}
