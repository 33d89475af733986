//! The door with users whose mailboxes a test fills, and a client that does exactly what it is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use postamt::config::Config;
use postamt::model::{AccountId, Charge, Role, SpecialUse};
use postamt::net::gate::{Gate, Limits};
use postamt::net::line::{Stream, Wire, WireError};
use postamt::net::listener::{Door, Listener};
use postamt::net::outbound::{Demand, connector};
use postamt::net::tls::Tls;
use postamt::pop3::session::Pop3;
use postamt::service::App;
use postamt::service::accounts::admin::{Actor, CreateAccount};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::common::TestDb;
use super::common::people::PASSWORD;
use super::common::server::settings;

/// The door on its own, over all services, with one domain.
pub struct World {
    pub app: App,
    pub db: TestDb,
    pop3: SocketAddr,
    pop3s: SocketAddr,
    folder: PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// Settings as delivered, but for what makes tests wait.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let db = TestDb::new().await;
        let folder = std::env::temp_dir().join(format!("postamt-pop3-{:x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut config = settings(&db, &folder);
        config.pop3.sign_in_delay = Duration::ZERO;
        config.pop3.connections_per_source = 1_000;
        config.pop3.new_connections_per_minute = 100_000;
        config.lock.failures = 50;
        change(&mut config);
        let app = App::new(Arc::new(config), db.store.clone());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        app.start(&tasks, &stop);
        let tls = Tls::open(&app.config.tls, &folder, "mx.x.test").unwrap();
        let pop3 = Arc::new(Pop3::new(app.clone(), tls));
        let gate = Gate::new(Limits {
            connections: app.config.pop3.connections,
            per_source: app.config.pop3.connections_per_source,
            new_per_minute: app.config.pop3.new_connections_per_minute,
        });
        let listen = |tls_first| {
            let door = Door {
                name: "pop3",
                gate: gate.clone(),
                kept_free: 0,
                proxies: Arc::new([]),
                refusal: b"-ERR [SYS/TEMP] Too many connections, try again later\r\n",
            };
            let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), door).unwrap();
            let address = listener.address();
            let (pop3, until) = (Arc::clone(&pop3), stop.clone());
            tasks.spawn(listener.run(stop.clone(), tasks.clone(), move |accepted| {
                let (pop3, until) = (Arc::clone(&pop3), until.clone());
                async move { pop3.serve(tls_first, accepted, &until).await }
            }));
            address
        };
        let (pop3, pop3s) = (listen(false), listen(true));
        let created = app
            .accounts
            .create_domain(&Actor::command_line(), "x.test")
            .await;
        created.unwrap();
        Self {
            app,
            db,
            pop3,
            pop3s,
            folder,
            tasks,
            stop,
        }
    }

    /// Begins a graceful stop.
    pub fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
    }

    /// Waits until everything has ended.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
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
        let accounts = &self.app.accounts;
        let created = accounts.create_account(&Actor::command_line(), &new).await;
        created.unwrap().account
    }

    /// Puts a message into an inbox as it stands.
    pub async fn deliver(&self, account: AccountId, message: &[u8]) {
        let mail = &self.app.mail;
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

    /// The same small message many times, a copy of a copy, which is quick.
    pub async fn copies(&self, account: AccountId, count: usize) {
        self.letters(account, 1).await;
        let inbox = self
            .app
            .mail
            .special_folder(account, SpecialUse::Inbox)
            .await
            .unwrap();
        let mut there = 1;
        while there < count {
            let uids: Vec<i64> = (1_i64..).take(there.min(count - there)).collect();
            let draft = self.db.store.draft().await.unwrap();
            let mut write = draft.lock(account, Charge::NONE).await.unwrap();
            write.copy_messages(inbox, &uids, inbox).await.unwrap();
            self.app.changes.wake(write.commit().await.unwrap());
            there += uids.len();
        }
    }

    /// Messages in the inbox.
    pub async fn inbox(&self, account: AccountId) -> i64 {
        let sql =
            "select message_count from folder where account_id = $1 and special_use = 'inbox'";
        self.db.number(sql, account).await
    }

    /// Removes the messages of these places in the inbox, 1 the oldest, as another door would.
    pub async fn remove(&self, account: AccountId, numbers: impl Iterator<Item = u32>) {
        let maildrop = self.app.maildrop(account).await.unwrap();
        assert!(maildrop.remove(numbers).await.refused.is_none());
    }

    /// A new connection to `pop3` or `pop3s`.
    pub async fn connect(&self, door: &str) -> Client {
        let address = match door {
            "pop3" => self.pop3,
            "pop3s" => self.pop3s,
            other => panic!("no door {other}"),
        };
        let mut client = Client::to(address).await;
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

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        drop(std::fs::remove_dir_all(&self.folder));
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
