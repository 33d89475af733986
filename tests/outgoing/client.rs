//! The SMTP client alone: TLS in all its ways, slow and silent hosts, messages that end short.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use postamt::config::{Config, Secret};
use postamt::error::StoreError;
use postamt::service::outgoing::transport::{
    Answer, Connection, Login, Mail, MailContent, MailRecipient, Peer as Target, Protection,
    Transport, Trouble, Verdict,
};
use postamt::smtp::client::SmtpTransport;

use crate::peer::{ALL, Act, Peer, Tls};

struct Text(Vec<Bytes>);

impl MailContent for Text {
    fn open(&self) -> BoxStream<'static, Result<Bytes, StoreError>> {
        stream::iter(self.0.clone()).map(Ok).boxed()
    }
}

fn transport() -> SmtpTransport {
    let mut config = Config::default();
    "us.test".clone_into(&mut config.server.hostname);
    config.queue.command_timeout = Duration::from_secs(1);
    config.queue.data_timeout = Duration::from_secs(1);
    config.queue.end_of_data_timeout = Duration::from_secs(1);
    SmtpTransport::new(&config)
}

fn target(peer: &Peer, protection: Protection) -> Target {
    Target {
        host: "mx.peer.test".to_owned(),
        address: peer.address,
        protection,
        verifies: false,
        login: None,
    }
}

async fn connect(peer: &Peer, protection: Protection) -> Result<Box<dyn Connection>, Trouble> {
    transport().connect(&target(peer, protection)).await
}

async fn send(connection: &mut Box<dyn Connection>, text: &'static str, size_bytes: i64) -> Answer {
    let recipients = [MailRecipient {
        address: "b@y.test",
        notify: &[],
        orcpt: None,
    }];
    let pieces = text.as_bytes().chunks(7).map(Bytes::from_static).collect();
    let mail = Mail {
        sender: "a@x.test",
        ret_full: false,
        env_id: None,
        needs_utf8: false,
        size_bytes,
        recipients: &recipients,
        content: &Text(pieces),
    };
    connection.send(&mail).await.remove(0)
}

const TEXT: &str = "Subject: x\r\n\r\n.dot\nbare\r\nend";
const ON_THE_WIRE: &str = "Subject: x\r\n\r\n..dot\r\nbare\r\nend\r\n";

async fn send_text(connection: &mut Box<dyn Connection>) -> Answer {
    send(connection, TEXT, i64::try_from(TEXT.len()).unwrap()).await
}

#[tokio::test]
async fn starttls_is_used_when_it_is_offered() {
    for (tls, protection, version) in [
        (Tls::Good, Protection::Opportunistic, "TLSv1.3"),
        (Tls::Good, Protection::Starttls, "TLSv1.3"),
        (Tls::Implicit, Protection::Implicit, "TLSv1.3"),
        (Tls::None, Protection::Opportunistic, "none"),
        (Tls::Good, Protection::Never, "none"),
    ] {
        let peer = Peer::good(tls).await;
        let mut connection = connect(&peer, protection).await.unwrap();
        assert_eq!(connection.tls(), version);
        for _ in 0..2 {
            let answer = send_text(&mut connection).await;
            assert_eq!(
                (answer.verdict, answer.text.as_str()),
                (Verdict::Sent, "250 2.0.0 taken")
            );
        }
        connection.quit().await;
        let taken = peer.taken();
        assert_eq!(taken.len(), 2);
        assert_eq!(taken[0].data, ON_THE_WIRE, "S-32");
        assert_eq!(taken[0].tls, version != "none");
        assert_eq!(
            peer.log(|log| (log.connections, log.lines.last().unwrap().clone())),
            (1, "QUIT".to_owned())
        );
    }
}

#[tokio::test]
async fn a_broken_handshake_leads_to_a_new_connection_in_clear() {
    let peer = Peer::start(Tls::Broken, &ALL, |_| None).await;
    let mut connection = connect(&peer, Protection::Opportunistic).await.unwrap();
    assert_eq!(connection.tls(), "none");
    assert_eq!(send_text(&mut connection).await.verdict, Verdict::Sent);
    assert_eq!(peer.log(|log| log.connections), 2);
    assert!(!peer.taken()[0].tls);
    let demanding = connect(&peer, Protection::Starttls).await;
    assert!(demanding.is_err_and(|t| t.status == "4.7.5"));
    assert_eq!(
        peer.log(|log| log.connections),
        3,
        "no way in clear for who demands TLS"
    );
}

#[tokio::test]
async fn words_with_the_220_end_the_connection() {
    let peer = Peer::good(Tls::Talkative).await;
    let dropped = connect(&peer, Protection::Opportunistic).await;
    assert!(dropped.is_err_and(|t| t.status == "4.7.5" && !t.is_permanent));
    assert_eq!(peer.log(|log| log.connections), 1, "and no other in clear");
}

#[tokio::test]
async fn a_password_is_for_the_right_certificate_only() {
    let peer = Peer::start(Tls::Implicit, &["AUTH PLAIN"], |_| None).await;
    let login = Login {
        name: "relay".to_owned(),
        password: Secret::new("secret".to_owned()),
    };
    let target = Target {
        login: Some(login),
        verifies: true,
        ..target(&peer, Protection::Implicit)
    };
    let refused = transport().connect(&target).await;
    assert!(refused.is_err_and(|t| t.status == "4.7.5"));
    assert!(peer.log(|log| log.lines.is_empty()));
    let careless = Target {
        verifies: false,
        ..target
    };
    transport().connect(&careless).await.unwrap().quit().await;
    assert!(peer.log(|log| {
        log.lines
            .iter()
            .any(|l| l == "AUTH PLAIN AHJlbGF5AHNlY3JldA==")
    }));
}

#[tokio::test]
async fn silent_hosts_are_not_waited_for() {
    let cases: [(&'static str, Option<Verdict>); 6] = [
        ("", None),
        ("EHLO us.test", None),
        ("MAIL FROM:<a@x.test>", Some(Verdict::Elsewhere)),
        ("RCPT TO:<b@y.test>", Some(Verdict::Elsewhere)),
        ("DATA", Some(Verdict::Elsewhere)),
        (".", Some(Verdict::Later)),
    ];
    for (at, expected) in cases {
        let peer = Peer::start(Tls::None, &[], move |m| {
            (m.line == at).then_some(Act::Silence)
        })
        .await;
        match connect(&peer, Protection::Opportunistic).await {
            Err(trouble) => {
                assert_eq!((expected, trouble.status.as_str()), (None, "4.4.2"), "{at}");
            }
            Ok(mut connection) => {
                let answer = send_text(&mut connection).await;
                assert_eq!(
                    (Some(answer.verdict), answer.status.as_str()),
                    (expected, "4.4.2"),
                    "{at}"
                );
                assert!(!connection.is_usable());
            }
        }
    }
}

#[tokio::test]
async fn hosts_that_hang_up() {
    for (at, expected) in [
        ("MAIL FROM:<a@x.test>", Verdict::Elsewhere),
        ("...", Verdict::Elsewhere),
        (".", Verdict::Later),
    ] {
        let peer = Peer::start(Tls::None, &[], move |m| {
            (m.line == at).then_some(Act::Close)
        })
        .await;
        let mut connection = connect(&peer, Protection::Opportunistic).await.unwrap();
        let text: &'static str =
            Box::leak("a long line of text\r\n".repeat(200_000).into_boxed_str());
        let answer = send(&mut connection, text, 4_200_000).await;
        assert_eq!(answer.verdict, expected, "{at}: {answer:?}");
    }
}

#[tokio::test]
async fn half_a_message_is_never_ended() {
    let peer = Peer::good(Tls::None).await;
    let mut connection = connect(&peer, Protection::Opportunistic).await.unwrap();
    let answer = send(
        &mut connection,
        TEXT,
        i64::try_from(TEXT.len()).unwrap() + 1,
    )
    .await;
    assert_eq!(answer.verdict, Verdict::Elsewhere);
    assert!(!connection.is_usable());
    connection.quit().await;
    assert!(peer.taken().is_empty());
}

#[tokio::test]
async fn nobody_there() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let target = Target {
        host: "mx.peer.test".to_owned(),
        address,
        protection: Protection::Opportunistic,
        verifies: false,
        login: None,
    };
    let Err(trouble) = transport().connect(&target).await else {
        panic!()
    };
    assert_eq!(
        (trouble.status.as_str(), trouble.is_permanent),
        ("4.4.1", false)
    );
    assert!(
        trouble.text.contains("mx.peer.test") && trouble.text.contains("refused"),
        "{trouble}"
    );
}
