//! Many clients that do nothing, streams that outlive their session, bodies that grow when they are unpacked.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::StatusCode;
use postamt::config::Config;
use postamt::service::App;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::browser::{Browser, user};
use crate::common::TestDb;
use crate::common::server::{TestServer, tls};
use crate::program::{Folder, Program};

fn many_files() {
    let most = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, all).unwrap();
}

/// S-14 for the pages: 1,000 connections of which half have asked once and half said nothing cost under 100 KB each, and the
/// next one is served. The program is a process of its own, so that nothing else is counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_thousand_idle_connections_at_the_pages() {
    many_files();
    let db = TestDb::new().await;
    let app = App::new(Arc::new(Config::default()), db.store.clone());
    user(&app, "anna").await;
    let folder = Folder::new("crowd");
    let program = Program::start(Some(&db), &folder.0);
    let browser = Browser::signed_in(program.https, "anna").await;
    let before = program.resident_bytes();
    let mut idle = Vec::new();
    for n in 0..1_000 {
        let mut stream = tls(program.https, b"http/1.1").await;
        if n % 2 == 0 {
            let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
        }
        idle.push(stream);
    }
    let each = program.resident_bytes().saturating_sub(before) / 1_000;
    println!("{each} octets a connection");
    assert!(each < 100_000, "{each} octets");
    let page = browser.get("/mail/inbox").await;
    assert_eq!(page.status, StatusCode::OK);
}

/// One source beyond its share gets no further, and does not hold up the others.
#[tokio::test]
async fn a_source_beyond_its_share_is_not_served() {
    let program = TestServer::start_with(|config| config.web.connections_per_source = 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(tls(program.https(), b"http/1.1").await);
    }
    let mut refused = tokio::net::TcpStream::connect(program.https())
        .await
        .unwrap();
    let mut said = Vec::new();
    let closed = refused.read_to_end(&mut said);
    let closed = tokio::time::timeout(Duration::from_secs(20), closed).await;
    assert!(closed.is_ok() && said.is_empty());
    program.stop().await;
}

/// S-24: a stream that is open ends with its session, and so does that of every session when the password changes.
#[tokio::test]
async fn s24_an_event_stream_ends_with_its_session() {
    let program = TestServer::start().await;
    let anna = user(program.app(), "anna").await;
    let first = Browser::signed_in(program.https(), "anna").await;
    let accounts = &program.app().accounts;
    let [session] = accounts.sessions(anna).await.unwrap().try_into().unwrap();
    let second = Browser::signed_in(program.https(), "anna").await;
    let (mut ended, mut going_on) = (first.events(0).await, second.events(0).await);
    assert!(ended.wait_for("reset").await && going_on.wait_for("reset").await);
    accounts
        .end_session(anna, &session.session_hash)
        .await
        .unwrap();
    while ended.wait_for("count").await {}
    assert_eq!(
        first.get("/events/since?after=0").await.status,
        StatusCode::SEE_OTHER
    );

    // The other one hears what comes, until it ends too.
    let letter = b"Subject: still here\r\n\r\nText\r\n";
    let mail = &program.app().mail;
    let received = mail.receive_whole(letter).await.unwrap();
    mail.deliver(&received, &[anna]).await;
    assert!(going_on.wait_for("mail.new").await);
    let host = postamt::service::accounts::admin::Actor::command_line();
    accounts.set_password(&host, anna, None).await.unwrap();
    while going_on.wait_for("count").await {}
    program.stop().await;
}

/// No page takes a packed body, however often it is packed: nothing in it is unpacked or understood.
#[tokio::test]
async fn a_packed_body_is_not_unpacked() {
    let program = TestServer::start().await;
    user(program.app(), "anna").await;
    let browser = Browser::signed_in(program.https(), "anna").await;
    let fields = format!("_t={}&name=Packed", browser.csrf);
    let pack = |bytes: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    };
    let once = pack(fields.as_bytes());
    let bomb = pack(&[fields.as_bytes(), &vec![b'x'; 64 << 20]].concat());
    assert!(bomb.len() < 100_000);
    for (coding, body) in [
        ("gzip", &once),
        ("gzip, gzip", &pack(&once)),
        ("gzip", &bomb),
        ("deflate", &once),
        ("br", &once),
    ] {
        let coding = [("content-encoding", coding)];
        let answer = browser.post_as("/mail/folders", &coding, body).await;
        assert!(answer.status.is_client_error(), "{}", answer.status);
    }
    assert!(!browser.get("/mail/folders").await.text.contains("Packed"));
    let plain = browser.post("/mail/folders", &fields).await;
    assert!(plain.status.is_redirection(), "{}", plain.text);
    assert!(browser.get("/mail/folders").await.text.contains("Packed"));
    program.stop().await;
}
