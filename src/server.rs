//! Wires the pieces together: database, certificates, listeners, background work, graceful stop.
//!
//! ```text
//! start   database -> migrations -> services -> certificates -> sockets -> workers
//! stop    sockets close, what was accepted is finished (at most server.stop_timeout), workers, pool, private cluster
//! ```
//!
//! [`start`] is the whole program in one process; tests call it with [`Config::on_free_ports`] and read the real
//! addresses from [`Running::addresses`].

pub mod database;
mod http;
mod mail;
mod observe;
mod redirect;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Network};
use crate::dav;
use crate::eas;
use crate::error::{Refusal, StoreError};
use crate::net::certificate::CertificateError;
use crate::net::chain;
use crate::net::gate::{Gate, Limits};
use crate::net::listener::{Accepted, Door, Listener};
use crate::net::tls::{Inside, Tls};
use crate::service::App;
use crate::service::accounts::admin::Actor;
use crate::service::outgoing::Worker;
use crate::service::outgoing::resolve::{DnsNames, NameError};
use crate::smtp::client::SmtpTransport;
use crate::store::cluster::ClusterError;
use crate::web;
use database::{Database, For};
pub use observe::init_log;

/// Why the program does not start. Each text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The private PostgreSQL.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The database.
    #[error("the database cannot be used")]
    Store(#[from] StoreError),
    /// The name servers.
    #[error("the DNS cannot be asked")]
    Names(#[from] NameError),
    /// A URL that is none.
    #[error("setting {key} is no PostgreSQL URL like postgres://user:password@host/database")]
    DatabaseUrl {
        /// The setting.
        key: &'static str,
    },
    /// An old server.
    #[error("PostgreSQL {found} is too old: 15 or newer is needed")]
    TooOld {
        /// Its version.
        found: String,
    },
    /// A server that loses what it confirmed.
    #[error(
        "the database runs with {off} off and would lose confirmed mail in a power cut; \
         switch it on, or set database.allow_unsafe = true for a trial"
    )]
    Unsafe {
        /// The settings that are off.
        off: String,
    },
    /// A certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// A socket.
    #[error("cannot listen on {address} ({door})")]
    Listen {
        /// Which door.
        door: &'static str,
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The counters.
    #[error("cannot count events")]
    Counters(#[from] metrics_exporter_prometheus::BuildError),
    /// A question to the services failed.
    #[error("the services cannot start")]
    Service(#[from] Refusal),
}

/// The real addresses of all listeners, by door.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses {
    /// HTTPS.
    pub https: Vec<SocketAddr>,
    /// HTTP that redirects.
    pub http: Vec<SocketAddr>,
    /// Mail from other hosts.
    pub mx: Vec<SocketAddr>,
    /// Submission with STARTTLS.
    pub submission: Vec<SocketAddr>,
    /// Submission with TLS first.
    pub submissions: Vec<SocketAddr>,
    /// IMAP with STARTTLS.
    pub imap: Vec<SocketAddr>,
    /// IMAP with TLS first.
    pub imaps: Vec<SocketAddr>,
    /// POP3 with STLS.
    pub pop3: Vec<SocketAddr>,
    /// POP3 with TLS first.
    pub pop3s: Vec<SocketAddr>,
    /// Counters, loopback.
    pub metrics: Vec<SocketAddr>,
}

/// A running program.
pub struct Running {
    addresses: Addresses,
    app: App,
    tls: Tls,
    database: Database,
    /// No new connections, and sessions end between two commands.
    accepting: CancellationToken,
    /// Background work ends.
    working: CancellationToken,
    connections: TaskTracker,
    workers: TaskTracker,
}

/// Starts everything the settings name.
///
/// # Errors
/// [`StartError`]; what was started by then is stopped again.
pub async fn start(config: Config) -> Result<Running, StartError> {
    let database = Database::open(&config, For::Serving).await?;
    match wire(config, &database) {
        Ok(parts) => Ok(parts.with(database)),
        Err(error) => {
            database.close().await;
            Err(error)
        }
    }
}

/// All of [`Running`] but the database, which must be closed in order when the rest does not start.
struct Parts {
    addresses: Addresses,
    app: App,
    tls: Tls,
    accepting: CancellationToken,
    working: CancellationToken,
    connections: TaskTracker,
    workers: TaskTracker,
}

impl Parts {
    fn with(self, database: Database) -> Running {
        let Self {
            addresses,
            app,
            tls,
            accepting,
            working,
            connections,
            workers,
        } = self;
        Running {
            addresses,
            app,
            tls,
            database,
            accepting,
            working,
            connections,
            workers,
        }
    }
}

fn wire(config: Config, database: &Database) -> Result<Parts, StartError> {
    let counters = observe::counters()?;
    let config = Arc::new(config);
    let app = App::new(Arc::clone(&config), database.store.clone());
    let tls = Tls::open(
        &config.tls,
        &config.server.data_dir,
        &config.server.hostname,
    )?;
    let doors = Doors::bind(&config)?;
    let addresses = doors.addresses();
    let mut parts = Parts {
        addresses,
        app: app.clone(),
        tls: tls.clone(),
        accepting: CancellationToken::new(),
        working: CancellationToken::new(),
        connections: TaskTracker::new(),
        workers: TaskTracker::new(),
    };
    let https_port = match (config.web.public_port, parts.addresses.https.first()) {
        (0, Some(address)) => address.port(),
        (0, None) => 443,
        (port, _) => port,
    };
    app.start(&parts.workers, &parts.working);
    let queue = Worker::new(
        app.clone(),
        Arc::new(SmtpTransport::new(&config)),
        Arc::new(DnsNames::new(&config.dns)?),
    );
    parts.work(Arc::new(queue).run(parts.working.clone()));
    parts.work(tls.clone().watch(parts.working.clone()));
    parts.work(until_stopped(
        parts.working.clone(),
        cover_domains(tls.clone(), app.clone()),
    ));
    parts.work(until_stopped(
        parts.working.clone(),
        database::warn_while_unsafe(database.store.clone()),
    ));
    let upkeep = counters.clone();
    parts.work(until_stopped(parts.working.clone(), async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    }));
    parts.serve_web(doors.https, &config, &tls, &pages(&app, &parts.accepting));
    parts.serve_plain(
        doors.http,
        &config,
        &redirect::router(app.clone(), https_port),
    );
    parts.serve_smtp(doors.smtp, &app, &tls);
    parts.serve_imap(doors.imap, &app, &tls);
    parts.serve_pop3(doors.pop3, &app, &tls);
    parts.serve_plain(
        doors.metrics,
        &config,
        &observe::pages(app.clone(), counters),
    );
    Ok(parts)
}

/// What the HTTPS port answers: browsers, phones, calendars and address books.
fn pages(app: &App, stop: &CancellationToken) -> Router {
    observe::health(app.clone())
        .merge(eas::router(app.clone(), stop.clone()))
        .merge(dav::router(app.clone()))
        .merge(web::router(app.clone()))
        .layer(axum::middleware::from_fn(dav::strays))
}

/// Bound sockets that nobody serves yet.
struct Doors {
    https: Vec<Listener>,
    http: Vec<Listener>,
    smtp: mail::SmtpDoors,
    imap: mail::ReadingDoors,
    pop3: mail::ReadingDoors,
    metrics: Vec<Listener>,
}

impl Doors {
    fn bind(config: &Config) -> Result<Self, StartError> {
        let web = Gate::new(Limits {
            connections: config.web.connections,
            per_source: config.web.connections_per_source,
            new_per_minute: config.web.new_connections_per_minute,
        })
        .sharing(config.proxy.trusted.clone().into());
        let own = Gate::new(Limits {
            connections: 100,
            per_source: 100,
            new_per_minute: u32::MAX,
        });
        let door = |name, gate: &Gate| Door {
            name,
            gate: gate.clone(),
            kept_free: 0,
            proxies: Arc::new([]),
            refusal: b"",
        };
        Ok(Self {
            https: bind(&config.web.listen, &door("https", &web))?,
            http: bind(&config.web.listen_http, &door("http", &web))?,
            smtp: mail::SmtpDoors::bind(config)?,
            imap: mail::ReadingDoors::imap(config)?,
            pop3: mail::ReadingDoors::pop3(config)?,
            metrics: bind(&config.metrics.listen, &door("metrics", &own))?,
        })
    }

    fn addresses(&self) -> Addresses {
        let of = |listeners: &[Listener]| listeners.iter().map(Listener::address).collect();
        let [mx, submission, submissions] = self.smtp.addresses();
        let [imap, imaps] = self.imap.addresses();
        let [pop3, pop3s] = self.pop3.addresses();
        Addresses {
            https: of(&self.https),
            http: of(&self.http),
            mx,
            submission,
            submissions,
            imap,
            imaps,
            pop3,
            pop3s,
            metrics: of(&self.metrics),
        }
    }
}

fn bind(addresses: &[SocketAddr], door: &Door) -> Result<Vec<Listener>, StartError> {
    addresses
        .iter()
        .map(|address| {
            Listener::bind(*address, door.clone()).map_err(|source| StartError::Listen {
                door: door.name,
                address: *address,
                source,
            })
        })
        .collect()
}

impl Parts {
    fn work(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.workers.spawn(work);
    }

    /// Runs a listener; it and its connections belong to `connections`.
    fn listen<F, W>(&mut self, listener: Listener, handler: F)
    where
        F: Fn(Accepted) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let running = listener.run(self.accepting.clone(), self.connections.clone(), handler);
        self.connections.spawn(running);
    }

    fn serve_web(&mut self, listeners: Vec<Listener>, config: &Config, tls: &Tls, router: &Router) {
        let limits = Arc::new(config.web.clone());
        let proxies: Arc<[Network]> = config.proxy.trusted.clone().into();
        for listener in listeners {
            let (tls, router, limits) = (tls.clone(), router.clone(), Arc::clone(&limits));
            let (proxies, stop) = (Arc::clone(&proxies), self.accepting.clone());
            self.listen(listener, move |accepted| {
                let (tls, router, limits) = (tls.clone(), router.clone(), Arc::clone(&limits));
                let (proxies, stop) = (Arc::clone(&proxies), stop.clone());
                async move {
                    match tls.accept(accepted.stream, Inside::Http).await {
                        Ok(stream) => http::serve(stream, accepted.peer, router, limits, proxies, stop).await,
                        Err(error) => {
                            tracing::debug!(source = %accepted.source, error = chain(&error), "TLS handshake failed");
                        }
                    }
                }
            });
        }
    }

    fn serve_plain(&mut self, listeners: Vec<Listener>, config: &Config, router: &Router) {
        let limits = Arc::new(config.web.clone());
        for listener in listeners {
            let (router, limits, stop) =
                (router.clone(), Arc::clone(&limits), self.accepting.clone());
            self.listen(listener, move |accepted| {
                let router = router
                    .clone()
                    .layer(Extension(redirect::CameTo(accepted.local)));
                let (limits, stop) = (Arc::clone(&limits), stop.clone());
                http::serve(
                    accepted.stream,
                    accepted.peer,
                    router,
                    limits,
                    Arc::new([]),
                    stop,
                )
            });
        }
    }
}

impl Running {
    /// The real addresses of all listeners.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The services, for whoever runs in the same process.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Reads certificates again (SIGHUP).
    pub fn reload(&self) {
        self.tls.reload();
    }

    /// Takes no more connections, lets what was accepted finish, and stops everything in order.
    pub async fn stop(self) {
        let patience = self.app.config.server.stop_timeout;
        self.accepting.cancel();
        self.connections.close();
        if tokio::time::timeout(patience, self.connections.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.connections.len(),
                "connections did not end in time"
            );
        }
        self.working.cancel();
        self.workers.close();
        if tokio::time::timeout(patience, self.workers.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = self.workers.len(),
                "background work did not end in time"
            );
        }
        self.database.close().await;
        tracing::info!("stopped");
    }
}

async fn until_stopped(stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// Has a certificate for every mail domain, also for those added while we run.
async fn cover_domains(tls: Tls, app: App) {
    loop {
        match app.accounts.domains(&Actor::command_line()).await {
            Ok(domains) => {
                let names: Vec<String> = domains.into_iter().map(|domain| domain.name).collect();
                if let Err(error) = tls.cover(&names) {
                    tracing::error!(
                        error = chain(&error),
                        "cannot make a certificate for a domain"
                    );
                }
            }
            Err(error) => tracing::debug!(%error, "cannot list the domains"),
        }
        tokio::time::sleep(LOOK_FOR_DOMAINS).await;
    }
}

const UPKEEP: Duration = Duration::from_secs(5);
const LOOK_FOR_DOMAINS: Duration = Duration::from_secs(30);
