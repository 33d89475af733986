//! The SMTP doors on free ports over a fresh database, and a client that does exactly what it is told.
//!
//! Everybody's password is [`PASSWORD`]. Users of `x.test`: anna (administrator; also info@), bob, `disabled`,
//! `full` (a quota of 20,000 octets, used up) and `small` (the same quota, empty). `list@x.test` goes to anna
//! and bob, everything at `any.test` to bob, `away@x.test` to another host. No other host can be reached.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postamt::config::Config;
use postamt::model::Role;
use postamt::net::gate::{Gate, Limits};
use postamt::net::line::{Stream, Wire, WireError};
use postamt::net::listener::{Door as Place, Listener};
use postamt::net::outbound::{Demand, connector};
use postamt::net::tls::Tls;
use postamt::service::App;
use postamt::service::accounts::admin::{Actor, CreateAccount};
use postamt::service::outgoing::Worker;
use postamt::service::outgoing::resolve::{NameError, Names};
use postamt::service::outgoing::transport::{Connection, Peer, Transport, Trouble};
use postamt::smtp::session::{Smtp, Speaks};
use postamt::smtp::state::Door;
use postamt::store::account::admin::AccountChange;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::TestDb;

/// Everybody's.
pub const PASSWORD: &str = "right horse battery staple";

/// The doors of one test.
pub struct Server {
    /// The services.
    pub app: App,
    /// Its database.
    pub db: TestDb,
    worker: Worker,
    mx: SocketAddr,
    submission: SocketAddr,
    smtps: SocketAddr,
    folder: PathBuf,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    /// Starts with settings given as environment variables.
    pub async fn start(settings: Vec<(String, String)>) -> Self {
        Self::start_with(settings, |_| {}).await
    }

    /// The same with settings that no operator may have, such as very short waits.
    pub async fn start_with(
        settings: Vec<(String, String)>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("postamt-smtp-{:x}", rand::random::<u64>()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut environment = vec![
            ("POSTAMT_SERVER_HOSTNAME".to_owned(), "mx.x.test".to_owned()),
            (
                "POSTAMT_SMTP_NEW_CONNECTIONS_PER_MINUTE".to_owned(),
                "100000".to_owned(),
            ),
        ];
        environment.extend(settings);
        let mut config = Config::load_from(None, environment).unwrap();
        config.server.data_dir.clone_from(&folder);
        change(&mut config);
        let config = Arc::new(config);
        let db = TestDb::new().await;
        let app = App::new(Arc::clone(&config), db.store.clone());
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        app.start(&tasks, &stop);
        populate(&app).await;
        let tls = Tls::open(&config.tls, &folder, "mx.x.test").unwrap();
        let smtp = Arc::new(Smtp::new(app.clone(), tls));
        let gate = Gate::new(Limits {
            connections: config.smtp.connections,
            per_source: config.smtp.connections_per_source,
            new_per_minute: config.smtp.new_connections_per_minute,
        });
        let listen = |door, tls_first| {
            let place = Place {
                name: "smtp",
                gate: gate.clone(),
                kept_free: 0,
                proxies: Arc::new([]),
                refusal: b"421 4.7.0 Too many connections\r\n",
            };
            let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), place).unwrap();
            let address = listener.address();
            let (smtp, stop) = (Arc::clone(&smtp), stop.clone());
            let speaks = Speaks { door, tls_first };
            let until = stop.clone();
            tasks.spawn(listener.run(stop, tasks.clone(), move |accepted| {
                let (smtp, until) = (Arc::clone(&smtp), until.clone());
                async move { smtp.serve(speaks, accepted, &until).await }
            }));
            address
        };
        Self {
            mx: listen(Door::Mx, false),
            submission: listen(Door::Submission, false),
            smtps: listen(Door::Submission, true),
            worker: Worker::new(app.clone(), Arc::new(NoNetwork), Arc::new(NoNetwork)),
            app,
            db,
            folder,
            tasks,
            stop,
        }
    }

    /// A new client of `mx`, `submission` or `smtps`.
    pub async fn connect(&self, door: &str) -> Client {
        let address = match door {
            "mx" => self.mx,
            "submission" => self.submission,
            "smtps" => self.smtps,
            other => panic!("no door {other}"),
        };
        let mut client = Client::to(address).await.unwrap();
        if door == "smtps" {
            client.start_tls().await;
        }
        client
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

    /// What is there now, so that a test sees only what comes.
    pub async fn mark(&self) -> Mark {
        let (received, queued) = sqlx::query_as(
            "select coalesce((select max(email_id) from email), 0),
                    coalesce((select max(queue_id) from outbound), 0)",
        )
        .fetch_one(&self.db.pool)
        .await
        .unwrap();
        Mark { received, queued }
    }

    /// The messages that have come into a user's inbox, oldest first; what waits for users here is delivered.
    pub async fn inbox(&self, user: &str, since: &Mark) -> Vec<Vec<u8>> {
        self.worker.drain().await.unwrap();
        sqlx::query_scalar(
            "select (select string_agg(c.bytes, ''::bytea order by c.n)
                       from body_chunk c
                      where c.account_id = e.account_id
                        and c.body_id = e.body_id)
               from account a
               join folder f on f.account_id = a.account_id and f.special_use = 'inbox'
               join message m on m.account_id = a.account_id and m.folder_id = f.folder_id
               join email e on e.account_id = a.account_id and e.email_id = m.email_id
              where a.address = $1
                and e.email_id > $2
              order by m.uid",
        )
        .bind(format!("{user}@x.test"))
        .bind(since.received)
        .fetch_all(&self.db.pool)
        .await
        .unwrap()
    }

    /// Recipients at other hosts that have come into the outgoing queue and wait there.
    pub async fn queue(&self, since: &Mark) -> i64 {
        self.worker.drain().await.unwrap();
        sqlx::query_scalar(
            "select count(*)
               from outbound_recipient
              where state = 'waiting'
                and queue_id > $1",
        )
        .bind(since.queued)
        .fetch_one(&self.db.pool)
        .await
        .unwrap()
    }
}

/// A moment in the life of a [`Server`].
pub struct Mark {
    received: i64,
    queued: i64,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// No name is found and no host is reached.
struct NoNetwork;

#[async_trait]
impl Transport for NoNetwork {
    async fn connect(&self, _: &Peer) -> Result<Box<dyn Connection>, Trouble> {
        Err(Trouble::local("4.4.1", "no network"))
    }
}

#[async_trait]
impl Names for NoNetwork {
    async fn mx(&self, _: &str) -> Result<Vec<(u16, String)>, NameError> {
        Err(NameError::Temporary("no network".to_owned()))
    }

    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, NameError> {
        Err(NameError::Temporary("no network".to_owned()))
    }
}

/// The users that every dialogue may speak of.
pub async fn populate(app: &App) {
    let host = Actor::command_line();
    for domain in ["x.test", "any.test"] {
        app.accounts.create_domain(&host, domain).await.unwrap();
    }
    for (name, role, quota_bytes) in [
        ("anna", Role::DomainAdmin, 1 << 30),
        ("bob", Role::User, 1 << 30),
        ("disabled", Role::User, 1 << 30),
        ("full", Role::User, 20_000),
        ("small", Role::User, 20_000),
    ] {
        let new = CreateAccount {
            address: &format!("{name}@x.test"),
            role: Some(role),
            quota_bytes: Some(quota_bytes),
            password: Some(PASSWORD),
            ..CreateAccount::default()
        };
        let account = app
            .accounts
            .create_account(&host, &new)
            .await
            .unwrap()
            .account;
        match name {
            "disabled" => {
                let off = AccountChange {
                    is_enabled: Some(false),
                    ..AccountChange::default()
                };
                app.accounts
                    .change_account(&host, account, &off)
                    .await
                    .unwrap();
            }
            "full" => {
                let filler = app.mail.receive_whole(&vec![b'x'; 20_000]).await.unwrap();
                for delivered in app.mail.deliver(&filler, &[account]).await {
                    delivered.outcome.unwrap();
                }
            }
            _ => {}
        }
    }
    for (alias, targets) in [
        ("info@x.test", &["anna@x.test"][..]),
        ("list@x.test", &["anna@x.test", "bob@x.test"]),
        ("@any.test", &["bob@x.test"]),
        ("away@x.test", &["anna@away.example"]),
    ] {
        app.accounts
            .create_alias(&host, alias, targets)
            .await
            .unwrap();
    }
}

/// A client that does exactly what it is told.
pub struct Client {
    wire: Option<Wire>,
}

impl Client {
    /// A client of a server that listens there.
    pub async fn to(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        Ok(Self {
            wire: Some(Wire::new(Stream::Plain(stream), PATIENCE)),
        })
    }

    /// Sends octets as they are; a server that has closed is noticed by the next reply.
    pub async fn send(&mut self, octets: &[u8]) {
        drop(self.wire().send(octets).await);
    }

    /// The lines of the next whole reply.
    pub async fn reply(&mut self) -> Result<Vec<String>, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.wire().read_line(4_096, 8_192, soon()).await;
            let line = line.map_err(|error| format!("no reply: {error}"))?;
            let line = String::from_utf8_lossy(&line.octets).into_owned();
            let is_last = line.as_bytes().get(3) == Some(&b' ');
            if line.len() < 4 {
                return Err(format!("not a reply: {line:?}"));
            }
            lines.push(line);
            if is_last {
                return Ok(lines);
            }
        }
    }

    /// The client's handshake; any certificate will do.
    pub async fn start_tls(&mut self) {
        let (connector, _) = connector(Demand::Any).unwrap();
        let name = "mx.x.test".try_into().unwrap();
        let plain = self.wire.take().unwrap();
        self.wire = Some(
            plain
                .start_tls_as_client(&connector, name, soon())
                .await
                .unwrap(),
        );
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
