//! A program with users whose mailboxes a test fills, and a client that does exactly what it is told.

use std::net::SocketAddr;
use std::time::Duration;

use postamt::config::Config;
use postamt::model::{AccountId, Role};
use postamt::net::line::{Stream, Wire, WireError};
use postamt::net::outbound::{Demand, connector};
use postamt::service::accounts::admin::{Actor, CreateAccount};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::common::people::PASSWORD;
use super::common::server::TestServer;

/// The program and its one domain.
pub struct World {
    pub server: TestServer,
}

impl World {
    /// Settings as delivered, but for what makes tests wait.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = TestServer::start_with(|config| {
            config.pop3.sign_in_delay = Duration::ZERO;
            config.pop3.connections_per_source = 1_000;
            config.pop3.new_connections_per_minute = 100_000;
            config.lock.failures = 50;
            change(config);
        })
        .await;
        let host = Actor::command_line();
        let created = server.app().accounts.create_domain(&host, "x.test").await;
        created.unwrap();
        Self { server }
    }

    /// A user with [`PASSWORD`].
    pub async fn user(&self, name: &str) -> AccountId {
        let new = CreateAccount {
            address: &format!("{name}@x.test"),
            role: Some(Role::User),
            quota_bytes: Some(1 << 30),
            password: Some(PASSWORD),
            must_change: Some(false),
            ..CreateAccount::default()
        };
        let accounts = &self.server.app().accounts;
        let created = accounts.create_account(&Actor::command_line(), &new).await;
        created.unwrap().account
    }

    /// Puts a message into an inbox as it stands.
    pub async fn deliver(&self, account: AccountId, message: &[u8]) {
        let mail = &self.server.app().mail;
        let received = mail.receive_whole(message).await.unwrap();
        for delivered in mail.deliver(&received, &[account]).await {
            delivered.outcome.unwrap();
        }
    }

    /// Small messages, `Subject: <n>`.
    pub async fn letters(&self, account: AccountId, count: usize) {
        for n in 1..=count {
            let letter = format!("From: b@x.test\r\nSubject: {n}\r\n\r\nNumber {n}.\r\n");
            self.deliver(account, letter.as_bytes()).await;
        }
    }

    /// Messages in the inbox.
    pub async fn inbox(&self, account: AccountId) -> i64 {
        let sql =
            "select message_count from folder where account_id = $1 and special_use = 'inbox'";
        self.server.db.number(sql, account).await
    }

    /// Removes the messages of these places in the inbox, 1 the oldest, as another door would.
    pub async fn remove(&self, account: AccountId, numbers: impl Iterator<Item = u32>) {
        let maildrop = self.server.app().maildrop(account).await.unwrap();
        assert!(maildrop.remove(numbers).await.refused.is_none());
    }

    /// A new connection to `pop3` or `pop3s`.
    pub async fn connect(&self, door: &str) -> Client {
        let addresses = self.server.addresses();
        let mut client = match door {
            "pop3" => Client::to(addresses.pop3[0]).await,
            "pop3s" => Client::to(addresses.pop3s[0]).await,
            other => panic!("no door {other}"),
        };
        if door == "pop3s" {
            client.start_tls().await;
        }
        client
    }

    /// A connection that has signed in.
    pub async fn sign_in(&self, name: &str) -> Client {
        let mut client = self.connect("pop3s").await;
        assert!(client.line().await.starts_with("+OK "));
        assert_eq!(
            client.say(&format!("USER {name}@x.test")).await,
            "+OK Send the password"
        );
        let said = client.say(&format!("PASS {PASSWORD}")).await;
        assert!(said.starts_with("+OK "), "{said}");
        client
    }
}

/// One connection.
pub struct Client {
    wire: Option<Wire>,
}

impl Client {
    pub async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self {
            wire: Some(Wire::new(Stream::Plain(stream), PATIENCE)),
        }
    }

    /// The client's handshake; any certificate will do.
    pub async fn start_tls(&mut self) {
        let (connector, _) = connector(Demand::Any).unwrap();
        let name = "localhost".try_into().unwrap();
        let plain = self.wire.take().unwrap();
        let tls = plain.start_tls_as_client(&connector, name, soon()).await;
        self.wire = Some(tls.unwrap());
    }

    /// Sends octets as they are; a server that has closed is noticed by the next line.
    pub async fn send(&mut self, octets: &[u8]) {
        drop(self.wire().send(octets).await);
    }

    /// The next line, or how the connection ended.
    pub async fn try_line(&mut self) -> Result<String, String> {
        match self.wire().read_line(1 << 20, 1 << 21, soon()).await {
            Ok(line) if line.is_clean() => Ok(String::from_utf8_lossy(&line.octets).into_owned()),
            Ok(line) => Err(format!("a line with a lone CR or LF: {:?}", line.octets)),
            Err(error) => Err(format!("no line: {error}")),
        }
    }

    pub async fn line(&mut self) -> String {
        self.try_line().await.unwrap()
    }

    /// A command and the first line of its answer.
    pub async fn say(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.line().await
    }

    /// The lines up to the end mark, dots undone.
    pub async fn lines(&mut self) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.try_line().await?;
            match line.strip_prefix('.') {
                Some("") => return Ok(lines),
                Some(undone) => lines.push(undone.to_owned()),
                None => lines.push(line),
            }
        }
    }

    /// A command with an answer of many lines: those behind the first.
    pub async fn ask(&mut self, command: &str) -> Vec<String> {
        let first = self.say(command).await;
        assert!(first.starts_with("+OK"), "{command}: {first}");
        self.lines().await.unwrap()
    }

    /// Waits for the server's close, with nothing before it.
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

fn soon() -> Instant {
    Instant::now() + PATIENCE
}

const PATIENCE: Duration = Duration::from_secs(20);
