//! The whole program in one process: its ports, its two pages for machines, its stop (`src/server`).

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::TestDb;
use common::server::{TestServer, settings, tls};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use postamt::server::{self, StartError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let program = TestServer::start().await;
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
        TestServer::start_with(|config| config.server.hostname = "mail.example.org".to_owned())
            .await;
    let http = program.addresses().http[0];
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
    let program = TestServer::start().await;
    let metrics = program.addresses().metrics[0];
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
    let program = TestServer::start().await;
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
        // What hyper alone lets pass; `net/http1.rs` has the whole list.
        (
            "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"
                .to_owned(),
            "400",
        ),
        (
            "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            "400",
        ),
        (
            "POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
                .to_owned(),
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\nHost: localhost\n\n".to_owned(),
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nx: a\r\n b\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nx : a\r\n\r\n".to_owned(),
            "400",
        ),
        (
            "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n".to_owned(),
            "400",
        ),
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (
            format!("GET / HTTP/1.1\r\nHost: localhost\r\nx: {}\r\n\r\n", "x".repeat(100_000)),
            "431",
        ),
    ] {
        let mut stream = tls(program.https(), b"http/1.1").await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        // Some TLS stacks miss the closing alert behind the answer.
        let _end = stream.read_to_end(&mut said).await;
        let said = String::from_utf8_lossy(&said);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{status}: {said}\n{request:.100}"
        );
    }
    program.stop().await;
}

#[tokio::test]
async fn slow_and_idle_clients_are_left() {
    let program = TestServer::start_with(|config| {
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
    let program = TestServer::start().await;
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
    let program = TestServer::start().await;
    let db = TestDb::new().await;
    let mut config = settings(&db, &program.folder);
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
