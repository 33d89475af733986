//! TLS of the listeners: names, ALPN, reload, and the limits in front of them (`src/net`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postamt::config;
use postamt::net::gate::{Gate, Limits};
use postamt::net::line::{Stream, Wire, WireError};
use postamt::net::listener::{Door, Listener};
use postamt::net::outbound::{Demand, connector};
use postamt::net::tls::{Inside, Tls};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("postamt-listen-{:x}", rand::random::<u64>())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn gate(per_source: usize) -> Gate {
    Gate::new(Limits {
        connections: 1_000,
        per_source,
        new_per_minute: 10_000,
    })
}

fn door(gate: Gate) -> Door {
    Door {
        name: "test",
        gate,
        kept_free: 0,
        proxies: Arc::new([]),
        refusal: b"421 4.7.0 too many connections\r\n",
    }
}

/// A listener that makes the handshake and echoes one line, under TLS.
fn echo(
    tls: &Tls,
    inside: Inside,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> std::net::SocketAddr {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), door(gate(1_000))).unwrap();
    let address = listener.address();
    let tls = tls.clone();
    tasks.spawn(listener.run(stop.clone(), tasks.clone(), move |accepted| {
        let tls = tls.clone();
        async move {
            let Ok(stream) = tls.accept(accepted.stream, inside).await else {
                return;
            };
            let mut wire = Wire::new(Stream::Tls(Box::new(stream.into())), Duration::from_secs(5));
            assert!(wire.tls().unwrap().version.starts_with("TLSv1."));
            if let Ok(line) = wire.read_line(100, 1_000, soon()).await {
                wire.push(&line.octets);
                wire.push(b"\r\n");
            }
            wire.close().await;
        }
    }));
    address
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

/// The server's certificate as a client that asks for `name` sees it.
async fn seen(
    address: std::net::SocketAddr,
    name: &str,
    alpn: &[&[u8]],
) -> std::io::Result<CertificateDer<'static>> {
    let (any, _) = connector(Demand::Any).unwrap();
    let mut config = (**any.config()).clone();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut tls = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    tls.write_all(b"hello\r\n").await?;
    let mut echoed = String::new();
    tls.read_to_string(&mut echoed).await?;
    assert_eq!(echoed, "hello\r\n");
    Ok(tls.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned())
}

fn write_pair(folder: &Path, file: &str, name: &str) -> config::Certificate {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let (cert, key) = (
        folder.join(format!("{file}.crt")),
        folder.join(format!("{file}.key")),
    );
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    config::Certificate { cert, key }
}

#[tokio::test]
async fn each_domain_has_a_certificate_of_its_own_that_lasts() {
    let folder = Folder::new();
    let open = || Tls::open(&config::Tls::default(), &folder.0, "mail.example.org").unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let tls = open();
    tls.cover(&["demo.test".to_owned()]).unwrap();
    let address = echo(&tls, Inside::Smtp, &stop, &tasks);
    let host = seen(address, "mail.example.org", &[]).await.unwrap();
    let domain = seen(address, "demo.test", &[]).await.unwrap();
    assert_ne!(host, domain);
    assert_eq!(
        seen(address, "autoconfig.demo.test", &[]).await.unwrap(),
        domain
    );
    assert_eq!(seen(address, "unknown.test", &[]).await.unwrap(), host);

    let again = open();
    let address = echo(&again, Inside::Smtp, &stop, &tasks);
    assert_eq!(seen(address, "mail.example.org", &[]).await.unwrap(), host);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test]
async fn a_browser_is_not_led_to_a_mail_port_nor_the_reverse() {
    let folder = Folder::new();
    let tls = Tls::open(&config::Tls::default(), &folder.0, "mail.example.org").unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let smtp = echo(&tls, Inside::Smtp, &stop, &tasks);
    let http = echo(&tls, Inside::Http, &stop, &tasks);
    assert!(
        seen(smtp, "mail.example.org", &[b"h2", b"http/1.1"])
            .await
            .is_err()
    );
    assert!(seen(http, "mail.example.org", &[b"imap"]).await.is_err());
    assert!(seen(http, "mail.example.org", &[b"http/1.1"]).await.is_ok());
    assert!(seen(smtp, "mail.example.org", &[]).await.is_ok());
    stop.cancel();
}

#[tokio::test]
async fn a_changed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let folder = Folder::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let pair = write_pair(&folder.0, "host", "mail.example.org");
    let other = write_pair(&folder.0, "other", "other.example.org");
    let settings = config::Tls {
        certificates: vec![pair.clone(), other],
        reload: Duration::from_millis(10),
        ..config::Tls::default()
    };
    let tls = Tls::open(&settings, &folder.0, "mail.example.org").unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(tls.clone().watch(stop.clone()));
    let address = echo(&tls, Inside::Imap, &stop, &tasks);
    let first = seen(address, "mail.example.org", &[]).await.unwrap();
    let other = seen(address, "other.example.org", &[]).await.unwrap();
    assert_ne!(first, other);

    std::fs::write(&pair.cert, "broken").unwrap();
    tls.reload();
    assert_eq!(seen(address, "mail.example.org", &[]).await.unwrap(), first);

    write_pair(&folder.0, "host", "mail.example.org");
    let deadline = Instant::now() + Duration::from_secs(20);
    while seen(address, "mail.example.org", &[]).await.unwrap() == first {
        assert!(
            Instant::now() < deadline,
            "the new certificate comes into use by itself"
        );
    }
    stop.cancel();
}

#[tokio::test]
async fn a_client_that_says_nothing_is_left_after_the_handshakes_time() {
    let folder = Folder::new();
    let settings = config::Tls {
        handshake_timeout: Duration::from_millis(50),
        ..config::Tls::default()
    };
    let tls = Tls::open(&settings, &folder.0, "mail.example.org").unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let address = echo(&tls, Inside::Smtp, &stop, &tasks);
    let mut silent = TcpStream::connect(address).await.unwrap();
    let read = tokio::time::timeout(Duration::from_secs(20), silent.read(&mut [0; 10])).await;
    assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
    stop.cancel();
}

#[tokio::test]
async fn starttls_upgrades_in_place_and_certificates_of_strangers_are_found_out() {
    let folder = Folder::new();
    let tls = Tls::open(&config::Tls::default(), &folder.0, "mail.example.org").unwrap();
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), door(gate(10))).unwrap();
    let address = listener.address();
    tasks.spawn(listener.run(stop.clone(), tasks.clone(), move |accepted| {
        let tls = tls.clone();
        async move {
            let mut wire = Wire::new(Stream::Plain(accepted.stream), Duration::from_secs(5));
            let line = wire.read_line(100, 1_000, soon()).await.unwrap();
            assert_eq!(&line.octets[..], b"STARTTLS");
            wire.send(b"220 go ahead\r\n").await.unwrap();
            if let Ok(mut wire) = wire
                .start_tls(&tls.acceptor(Inside::Smtp), tls.handshake_deadline())
                .await
            {
                let line = wire.read_line(100, 1_000, soon()).await.unwrap();
                wire.send(&line.octets).await.unwrap();
                wire.close().await;
            }
        }
    }));
    for (demand, taken) in [(Demand::Any, true), (Demand::Right, false)] {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut wire = Wire::new(Stream::Plain(stream), Duration::from_secs(5));
        wire.send(b"STARTTLS\r\n").await.unwrap();
        wire.read_line(100, 1_000, soon()).await.unwrap();
        let (connector, finding) = connector(demand).unwrap();
        let name = ServerName::try_from("mail.example.org").unwrap();
        let upgraded = wire.start_tls_as_client(&connector, name, soon()).await;
        assert_eq!(upgraded.is_ok(), taken);
        assert!(!finding.was_right());
        if let Ok(mut wire) = upgraded {
            wire.send(b"EHLO\r\n").await.unwrap();
            let end = loop {
                if let Err(end) = wire.fill(soon()).await {
                    break end;
                }
            };
            assert!(matches!(end, WireError::Closed));
            assert_eq!(wire.buffered(), b"EHLO");
        }
    }
    stop.cancel();
}

#[tokio::test]
async fn a_source_over_its_share_is_told_so_and_a_panic_frees_its_place() {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let gate = gate(2);
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), door(gate.clone())).unwrap();
    let address = listener.address();
    tasks.spawn(
        listener.run(stop.clone(), tasks.clone(), |mut accepted| async move {
            accepted.stream.write_all(b"220 welcome\r\n").await.unwrap();
            let mut octet = [0];
            accepted.stream.read_exact(&mut octet).await.unwrap();
            panic!("as a broken session would");
        }),
    );
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut greeting = [0; 13];
        stream.read_exact(&mut greeting).await.unwrap();
        held.push(stream);
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    let mut said = String::new();
    third.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "421 4.7.0 too many connections\r\n");

    let mut broken = held.pop().unwrap();
    broken.write_all(b"x").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while gate.open() > 1 {
        assert!(Instant::now() < deadline, "the place is given back");
        tokio::task::yield_now().await;
    }
    stop.cancel();
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_the_source() {
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let door = Door {
        proxies: Arc::new(["127.0.0.0/8".parse().unwrap()]),
        ..door(gate(10))
    };
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), door).unwrap();
    let address = listener.address();
    tasks.spawn(
        listener.run(stop.clone(), tasks.clone(), |mut accepted| async move {
            let said = format!("{} {}", accepted.peer, accepted.source);
            accepted.stream.write_all(said.as_bytes()).await.unwrap();
        }),
    );
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0, 25]);
    let mut proxied = TcpStream::connect(address).await.unwrap();
    proxied.write_all(&header).await.unwrap();
    let mut said = String::new();
    proxied.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "203.0.113.9:12345 203.0.113.9");

    let mut bare = TcpStream::connect(address).await.unwrap();
    bare.write_all(b"EHLO client.example with some words\r\n")
        .await
        .unwrap();
    said.clear();
    // Closed, with our octets unread on the other side a reset.
    let _end = bare.read_to_string(&mut said).await;
    assert_eq!(said, "");
    stop.cancel();
}
