//! The whole program with accounts, and a client that does exactly what it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use postamt::config::Config;
use postamt::model::AccountId;
use postamt::net::line::{Stream, Wire, WireError};
use postamt::net::outbound::{Demand, connector};
use postamt::service::accounts::admin::{Actor, CreateAccount};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::common::server::TestServer;

/// Everybody's.
pub const PASSWORD: &str = "vK9x_wQz7!";

/// A program whose limits of connections do not stop tests.
pub async fn server() -> TestServer {
    server_with(|_| {}).await
}

/// The same with other settings.
pub async fn server_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let server = TestServer::start_with(|config| {
        config.imap.new_connections_per_minute = 1_000_000;
        config.imap.connections_per_source = 10_000;
        config.imap.sign_in_delay = Duration::ZERO;
        change(config);
    })
    .await;
    let host = Actor::command_line();
    server
        .app()
        .accounts
        .create_domain(&host, "x.test")
        .await
        .unwrap();
    server
}

/// A new account; its name.
pub async fn account(server: &TestServer, quota_bytes: i64) -> (AccountId, String) {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let address = format!("u{}@x.test", NEXT.fetch_add(1, Ordering::Relaxed));
    let new = CreateAccount {
        address: &address,
        password: Some(PASSWORD),
        must_change: Some(false),
        quota_bytes: Some(quota_bytes),
        ..CreateAccount::default()
    };
    let created = server
        .app()
        .accounts
        .create_account(&Actor::command_line(), &new)
        .await
        .unwrap();
    (created.account, address)
}

/// A client.
pub struct Client {
    wire: Option<Wire>,
    tag: u32,
}

/// The answer to a command: what came before it, and the tagged line without its tag.
#[derive(Debug, Clone)]
pub struct Answer {
    pub untagged: Vec<String>,
    pub tagged: String,
}

impl Answer {
    /// Panics unless it is OK; the untagged responses.
    pub fn ok(self) -> Vec<String> {
        assert!(self.tagged.starts_with("OK"), "{self:?}");
        self.untagged
    }

    pub fn is_ok(&self) -> bool {
        self.tagged.starts_with("OK")
    }
}

impl Client {
    /// In clear; the greeting is not read.
    pub async fn plain(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self {
            wire: Some(Wire::new(Stream::Plain(stream), PATIENCE)),
            tag: 0,
        }
    }

    /// Under TLS; the greeting is not read.
    pub async fn tls(address: SocketAddr) -> Self {
        let mut client = Self::plain(address).await;
        client.start_tls().await;
        client
    }

    /// Under TLS, signed in.
    pub async fn signed_in(server: &TestServer, name: &str) -> Self {
        let mut client = Self::tls(server.addresses().imaps[0]).await;
        client.response().await.unwrap();
        client.run(&format!("LOGIN {name} {PASSWORD}")).await.ok();
        client
    }

    pub async fn start_tls(&mut self) {
        let (connector, _) = connector(Demand::Any).unwrap();
        let plain = self.wire.take().unwrap();
        let name = "localhost".try_into().unwrap();
        self.wire = Some(
            plain
                .start_tls_as_client(&connector, name, soon())
                .await
                .unwrap(),
        );
    }

    pub async fn start_deflate(&mut self) {
        self.wire().start_deflate().await.unwrap();
    }

    pub async fn send(&mut self, octets: &[u8]) {
        drop(self.wire().send(octets).await);
    }

    /// The next response, its literals inside, without the last CRLF.
    pub async fn response(&mut self) -> Result<String, String> {
        self.response_until(soon()).await
    }

    pub async fn response_until(&mut self, deadline: Instant) -> Result<String, String> {
        let mut out = Vec::new();
        loop {
            let line = self.wire().read_line(1 << 20, 1 << 21, deadline).await;
            let line = line.map_err(|error| format!("no response: {error}"))?;
            out.extend_from_slice(&line.octets);
            let Some(literal) = postamt::format::imap::announced(&line.octets) else {
                return Ok(String::from_utf8_lossy(&out).into_owned());
            };
            out.extend_from_slice(b"\r\n");
            let mut left = usize::try_from(literal.size_bytes).unwrap();
            while left > 0 {
                if self.wire().buffered().is_empty() {
                    self.wire()
                        .fill(deadline)
                        .await
                        .map_err(|e| e.to_string())?;
                }
                let some = left.min(self.wire().buffered().len());
                let taken = self.wire().buffered()[..some].to_vec();
                out.extend_from_slice(&taken);
                self.wire().consume(some);
                left -= some;
            }
        }
    }

    /// Sends a command and reads its whole answer.
    pub async fn run(&mut self, command: &str) -> Answer {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.send(format!("{tag} {command}\r\n").as_bytes()).await;
        self.finish(&tag).await
    }

    /// Reads up to the tagged line.
    pub async fn finish(&mut self, tag: &str) -> Answer {
        let mut untagged = Vec::new();
        loop {
            let response = self
                .response()
                .await
                .unwrap_or_else(|e| panic!("{tag}: {e} after {untagged:?}"));
            if let Some(tagged) = response.strip_prefix(&format!("{tag} ")) {
                return Answer {
                    untagged,
                    tagged: tagged.to_owned(),
                };
            }
            untagged.push(response);
        }
    }

    /// APPEND of a message, by a literal that is not waited for.
    pub async fn append(&mut self, mailbox: &str, flags: &str, message: &str) -> Answer {
        self.run(&format!(
            "APPEND {mailbox} ({flags}) {{{}+}}\r\n{message}",
            message.len()
        ))
        .await
    }

    pub async fn expect_close(&mut self) -> Result<(), String> {
        match self.wire().read_line(4_096, 8_192, soon()).await {
            Err(WireError::Closed) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(line) => Err(format!("the server said {:?}", line.octets)),
        }
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().unwrap()
    }
}

pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

const PATIENCE: Duration = Duration::from_mins(1);
