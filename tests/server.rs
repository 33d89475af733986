//! The whole program in one process: its ports, its two pages for machines, its stop (`src/server`).

mod common;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::TestDb;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postamt::config::{Config, Secret};
use postamt::net::outbound::{Demand, connector};
use postamt::server::{self, Running, StartError};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A program on a database of its own, with its data folder.
struct Program {
    _db: TestDb,
    folder: PathBuf,
    running: Option<Running>,
}

impl Program {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let db = TestDb::new().await;
        let folder =
            std::env::temp_dir().join(format!("postamt-server-{:x}", rand::random::<u64>()));
        let mut config = config(&db, &folder);
        change(&mut config);
        let running = server::start(config).await.unwrap();
        Self {
            _db: db,
            folder,
            running: Some(running),
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    fn https(&self) -> SocketAddr {
        self.running().addresses().https[0]
    }

    async fn stop(mut self) {
        self.running.take().unwrap().stop().await;
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn config(db: &TestDb, folder: &std::path::Path) -> Config {
    let mut config = Config::on_free_ports(folder);
    config.database.url = Some(Secret::new(db.url()));
    // The cluster of the tests trades durability for speed.
    config.database.allow_unsafe = true;
    config.server.stop_timeout = Duration::from_secs(5);
    config
}

async fn tls(address: SocketAddr, alpn: &[u8]) -> TlsStream<TcpStream> {
    let (any, _) = connector(Demand::Any).unwrap();
    let mut config = (**any.config()).clone();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

async fn text(response: Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path)
        .header("host", "localhost")
        .body(Empty::new())
        .unwrap()
}

/// One request in clear, the whole answer as text.
async fn plain(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn health_is_answered_over_both_http_versions() {
    let program = Program::start(|_| {}).await;
    let io = TokioIo::new(tls(program.https(), b"http/1.1").await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    for _ in 0..2 {
        let answer = sender.send_request(get("/healthz")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(text(answer).await, "ok\n");
    }

    let io = TokioIo::new(tls(program.https(), b"h2").await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    let answer = sender
        .send_request(get("https://localhost/healthz"))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    program.stop().await;
}

#[tokio::test]
async fn the_http_port_only_leads_to_https() {
    let program =
        Program::start(|config| config.server.hostname = "mail.example.org".to_owned()).await;
    let http = program.running().addresses().http[0];
    let https = program.https().port();
    for (host, expected) in [
        ("localhost", "localhost"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("mail.example.org", "mail.example.org"),
        ("evil.example", "mail.example.org"),
    ] {
        let request =
            format!("GET /mail?x=1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let said = plain(http, &request).await;
        assert!(said.starts_with("HTTP/1.1 308 "), "{said}");
        assert!(
            said.contains(&format!(
                "location: https://{expected}:{https}/mail?x=1\r\n"
            )),
            "{said}"
        );
        assert!(!said.to_ascii_lowercase().contains("set-cookie"));
    }
    program.stop().await;
}

#[tokio::test]
async fn counters_are_shown_on_loopback() {
    let program = Program::start(|_| {}).await;
    let metrics = program.running().addresses().metrics[0];
    let said = plain(
        metrics,
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(
        said.contains("postamt_connections_total{door=\"metrics\"}"),
        "{said}"
    );
    program.stop().await;
}

#[tokio::test]
async fn broken_and_oversized_requests_are_refused() {
    let program = Program::start(|_| {}).await;
    let long = "x".repeat(9_000);
    let many = "a: b\r\n".repeat(150);
    for (request, status) in [
        (
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            "414",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nx: {long}\r\n\r\n"),
            "431",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"),
            "431",
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nbad name: x\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx".to_owned(),
            "400",
        ),
        ("\0\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = tls(program.https(), b"http/1.1").await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // A refused client may find the connection reset before it has read everything.
        let _end = stream.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {said}"
        );
    }
    program.stop().await;
}

#[tokio::test]
async fn slow_and_idle_clients_are_left() {
    let program = Program::start(|config| {
        config.web.header_timeout = Duration::from_millis(200);
        config.web.idle_timeout = Duration::from_millis(200);
    })
    .await;
    for first in [
        "",
        "GET /healthz HTTP/1.1\r\nHo",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let mut stream = tls(program.https(), b"http/1.1").await;
        stream.write_all(first.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        let end = stream.read_to_end(&mut said);
        let end = tokio::time::timeout(Duration::from_secs(20), end).await;
        assert!(end.is_ok(), "closed after {first:?}");
        let said = String::from_utf8_lossy(&said);
        assert_eq!(said.contains("200 OK"), first.ends_with("\r\n\r\n"));
    }
    program.stop().await;
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_frees_the_ports() {
    let program = Program::start(|_| {}).await;
    let https = program.https();
    let mut idle = tls(https, b"http/1.1").await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    let stopped = tokio::time::timeout(Duration::from_secs(4), program.stop()).await;
    assert!(stopped.is_ok(), "an idle connection does not hold it up");
    assert!(TcpStream::connect(https).await.is_err());
}

#[tokio::test]
async fn a_taken_port_and_an_unsafe_database_are_refused_by_name() {
    let program = Program::start(|_| {}).await;
    let db = TestDb::new().await;
    let mut config = config(&db, &program.folder);
    config.web.listen = vec![program.https()];
    let Err(refused) = server::start(config.clone()).await else {
        panic!("the port is taken")
    };
    assert!(matches!(refused, StartError::Listen { door: "https", .. }));
    assert!(refused.to_string().contains(&program.https().to_string()));

    config.database.allow_unsafe = false;
    let Err(refused) = server::start(config).await else {
        panic!("the database is unsafe")
    };
    assert!(matches!(refused, StartError::Unsafe { .. }));
    assert!(refused.to_string().contains("fsync"));
    program.stop().await;
}
