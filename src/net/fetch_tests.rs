use std::collections::HashMap;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Names as a test wants them, and how often each was asked for.
#[derive(Default)]
struct Zone {
    names: HashMap<&'static str, Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Zone {
    fn with(names: &[(&'static str, &[&str])]) -> Self {
        Self {
            names: names
                .iter()
                .map(|(name, all)| (*name, all.iter().map(|a| a.parse().unwrap()).collect()))
                .collect(),
            asked: Arc::default(),
        }
    }
}

#[async_trait]
impl Lookup for Zone {
    async fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.names.get(host).cloned()
    }
}

/// A server on loopback: answers each request by its path, and remembers what was asked.
struct Peer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    async fn start(answers: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answers) = (Arc::clone(&log), answers.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    let mut block = [0; 4096];
                    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
                        match stream.read(&mut block).await {
                            Ok(0) | Err(_) => return,
                            Ok(n) => head.extend_from_slice(&block[..n]),
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let path = head.split(' ').nth(1).unwrap().to_owned();
                    log.lock().unwrap().push(head);
                    let answer = answers.iter().find(|(p, _)| *p == path);
                    match answer {
                        // Silence: the connection stays open until the other side goes.
                        Some((_, bytes)) if bytes.is_empty() => {
                            let _ = stream.read(&mut block).await;
                        }
                        Some((_, bytes)) => {
                            let _ = stream.write_all(bytes).await;
                        }
                        None => {
                            let _ = stream.write_all(b"HTTP/1.1 404 No\r\n\r\n").await;
                        }
                    }
                });
            }
        });
        Self { address, heard }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn fetcher(&self) -> Fetcher {
        fetcher_with(Zone::default(), &[self.address])
    }
}

fn fetcher_with(zone: Zone, allow: &[SocketAddr]) -> Fetcher {
    let limits = Fetch {
        allow: allow.to_vec(),
        timeout: Duration::from_secs(5),
        ..Fetch::default()
    };
    Fetcher::new(limits, Box::new(zone))
}

fn body(head: &str, body: &[u8]) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 OK\r\n{head}\r\n").into_bytes();
    out.extend_from_slice(body);
    out
}

fn elsewhere(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn refused(fetcher: &Fetcher, address: &str) -> FetchError {
    fetcher.get(address, "*/*", 1000).await.expect_err(address)
}

#[tokio::test]
async fn addresses_that_are_no_web_pages_are_not_fetched() {
    let fetcher = fetcher_with(Zone::default(), &[]);
    for address in [
        "",
        "x",
        "//host/x",
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://example.com/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com:25/",
        "http://example.com:8080/",
        "https://example.com:6379/",
        "http://",
    ] {
        let error = refused(&fetcher, address).await;
        assert!(
            matches!(error, FetchError::Address(_)),
            "{address}: {error}"
        );
    }
}

#[tokio::test]
async fn nothing_inside_is_fetched_however_it_is_written() {
    let fetcher = fetcher_with(Zone::default(), &[]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "0",
        "10.1.2.3",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "１２７.0.0.1",
    ] {
        let error = refused(&fetcher, &format!("http://{host}/")).await;
        assert!(matches!(error, FetchError::Inside), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_even_with_one_address_outside() {
    let zone = Zone::with(&[
        ("in.example", &["10.0.0.1"]),
        ("both.example", &["1.1.1.1", "127.0.0.1"]),
        ("six.example", &["2606:4700::1111", "::1"]),
        ("mapped.example", &["::ffff:192.168.1.1"]),
        ("empty.example", &[]),
    ]);
    let asked = Arc::clone(&zone.asked);
    let fetcher = fetcher_with(zone, &[]);
    for (n, name) in ["in", "both", "six", "mapped"].iter().enumerate() {
        let error = refused(&fetcher, &format!("https://{name}.example/x")).await;
        assert!(matches!(error, FetchError::Inside), "{name}: {error}");
        assert_eq!(asked.load(Ordering::Relaxed), n + 1, "asked once");
    }
    for name in ["empty", "missing"] {
        let error = refused(&fetcher, &format!("http://{name}.example/")).await;
        assert!(matches!(error, FetchError::NoName), "{name}: {error}");
    }
}

#[tokio::test]
async fn an_address_of_this_machine_is_its_own() {
    assert!(is_own("127.0.0.1:80".parse().unwrap()).await);
    assert!(!is_own("1.1.1.1:80".parse().unwrap()).await);
}

#[tokio::test]
async fn what_lies_there_comes_back_and_nothing_of_us_is_told() {
    let answer = body("Content-Type: image/png\r\nContent-Length: 3\r\n", b"abc");
    let peer = Peer::start(vec![("/a/b?c=d", answer)]).await;
    let found = peer
        .fetcher()
        .get(&peer.url("/a/b?c=d#fragment"), "image/*", 3)
        .await
        .unwrap();
    assert_eq!(found.bytes, b"abc");
    assert_eq!(found.content_type, "image/png");
    let heard = peer.heard.lock().unwrap().concat().to_ascii_lowercase();
    assert!(heard.starts_with("get /a/b?c=d http/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {}\r\n", peer.address)));
    assert!(heard.contains("user-agent: postamt\r\n"));
    for said in ["referer", "cookie", "fragment", "authorization"] {
        assert!(!heard.contains(said), "{heard}");
    }
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let peer = Peer::start(vec![("/", body("", b"abc"))]).await;
    let found = peer.fetcher().get(&peer.url("/"), "*/*", 10).await;
    assert_eq!(found.unwrap().bytes, b"abc");
}

#[tokio::test]
async fn what_is_too_large_is_not_taken() {
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n4\r\nefgh\r\n0\r\n\r\n";
    let peer = Peer::start(vec![
        ("/said", body("Content-Length: 100000\r\n", b"")),
        ("/unsaid", body("", &[b'x'; 11])),
        ("/fits", body("", &[b'x'; 10])),
        ("/chunks", chunked.to_vec()),
        (
            "/head",
            body(&format!("X: {}\r\n", "x".repeat(4 * HEAD)), b""),
        ),
    ])
    .await;
    let fetcher = peer.fetcher();
    for path in ["/said", "/unsaid"] {
        let error = fetcher.get(&peer.url(path), "*/*", 10).await.unwrap_err();
        assert!(matches!(error, FetchError::TooLarge), "{path}: {error}");
    }
    assert!(fetcher.get(&peer.url("/fits"), "*/*", 10).await.is_ok());
    let error = fetcher.get(&peer.url("/chunks"), "*/*", 7).await;
    assert!(matches!(error, Err(FetchError::TooLarge)));
    let found = fetcher.get(&peer.url("/chunks"), "*/*", 8).await.unwrap();
    assert_eq!(found.bytes, b"abcdefgh");
    let error = fetcher.get(&peer.url("/head"), "*/*", 10).await;
    assert!(matches!(error, Err(FetchError::Http(_))));
}

#[tokio::test]
async fn one_layer_of_gzip_is_undone_and_a_bomb_is_not() {
    let small = gzip(&[b'x'; 5000]);
    let bomb = gzip(&vec![0; 4 << 20]);
    let peer = Peer::start(vec![
        ("/small", body("Content-Encoding: gzip\r\n", &small)),
        ("/bomb", body("Content-Encoding: gzip\r\n", &bomb)),
        (
            "/bad",
            body("Content-Encoding: gzip\r\n", b"nothing of the kind"),
        ),
        (
            "/two",
            body("Content-Encoding: gzip, gzip\r\n", &gzip(&small)),
        ),
        ("/br", body("Content-Encoding: br\r\n", b"x")),
    ])
    .await;
    let fetcher = peer.fetcher();
    let found = fetcher.get(&peer.url("/small"), "*/*", 1 << 20).await;
    assert_eq!(found.unwrap().bytes, [b'x'; 5000]);
    let error = fetcher.get(&peer.url("/bomb"), "*/*", 64 << 20).await;
    assert!(matches!(error, Err(FetchError::TooLarge)));
    for path in ["/bad", "/two", "/br"] {
        let error = fetcher.get(&peer.url(path), "*/*", 1 << 20).await;
        assert!(matches!(error, Err(FetchError::Encoding)), "{path}");
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_checked_each_time() {
    let peer = Peer::start(vec![
        ("/3", elsewhere("/2")),
        ("/2", elsewhere("1")),
        ("/1", elsewhere("/?end")),
        ("/?end", body("", b"end")),
        ("/4", elsewhere("/3")),
        ("/loop", elsewhere("/loop")),
        (
            "/inside",
            elsewhere("http://169.254.169.254/latest/meta-data"),
        ),
        ("/port", elsewhere("http://127.0.0.1:22/")),
        ("/file", elsewhere("file:///etc/passwd")),
        (
            "/nowhere",
            b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        (
            "/error",
            b"HTTP/1.1 500 Oh\r\nContent-Length: 1\r\n\r\nx".to_vec(),
        ),
        ("/not-modified", b"HTTP/1.1 304 No\r\n\r\n".to_vec()),
    ])
    .await;
    let fetcher = peer.fetcher();
    let found = fetcher.get(&peer.url("/3"), "*/*", 10).await.unwrap();
    assert_eq!(found.bytes, b"end");
    assert_eq!(found.address.query(), Some("end"));
    for path in ["/4", "/loop", "/nowhere"] {
        let error = refused(&fetcher, &peer.url(path)).await;
        assert!(matches!(error, FetchError::Redirect), "{path}: {error}");
    }
    let error = refused(&fetcher, &peer.url("/inside")).await;
    assert!(matches!(error, FetchError::Inside), "{error}");
    for path in ["/port", "/file"] {
        let error = refused(&fetcher, &peer.url(path)).await;
        assert!(matches!(error, FetchError::Address(_)), "{path}: {error}");
    }
    for path in ["/error", "/missing", "/not-modified"] {
        let error = refused(&fetcher, &peer.url(path)).await;
        assert!(matches!(error, FetchError::Status(_)), "{path}: {error}");
    }
}

#[test]
fn a_redirect_never_gives_up_tls() {
    let from = Url::parse("https://a.example/x").unwrap();
    assert!(next(&from, "http://a.example/x").is_err());
    assert_eq!(
        next(&from, "//b.example/y").unwrap().as_str(),
        "https://b.example/y"
    );
    let clear = Url::parse("http://a.example/x").unwrap();
    assert_eq!(
        next(&clear, "https://a.example/").unwrap().scheme(),
        "https"
    );
}

#[tokio::test]
async fn an_allowed_address_is_allowed_with_its_port_only() {
    let peer = Peer::start(vec![("/", body("", b"x"))]).await;
    let other: SocketAddr = "127.0.0.2:80".parse().unwrap();
    let fetcher = fetcher_with(Zone::default(), &[other]);
    let error = refused(&fetcher, &peer.url("/")).await;
    assert!(matches!(error, FetchError::Address(_)), "{error}");
    // The port alone does not open other machines.
    let fetcher = peer.fetcher();
    let error = refused(
        &fetcher,
        &format!("http://127.0.0.2:{}/", peer.address.port()),
    )
    .await;
    assert!(matches!(error, FetchError::Inside), "{error}");
    // Nor does an odd port open the public net.
    let error = refused(
        &fetcher,
        &format!("http://1.1.1.1:{}/", peer.address.port()),
    )
    .await;
    assert!(matches!(error, FetchError::Inside), "{error}");
}

#[tokio::test]
async fn a_silent_host_is_given_up() {
    let peer = Peer::start(vec![("/", Vec::new())]).await;
    let limits = Fetch {
        allow: vec![peer.address],
        timeout: Duration::from_millis(200),
        ..Fetch::default()
    };
    let fetcher = Fetcher::new(limits, Box::new(Zone::default()));
    let error = refused(&fetcher, &peer.url("/")).await;
    assert!(matches!(error, FetchError::Timeout), "{error}");
}
