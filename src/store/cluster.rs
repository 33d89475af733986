//! The private PostgreSQL: made, started, watched and stopped by this program, in its own data folder.
//!
//! For hosts that bring no database of their own. Unix socket only, data checksums, a random password in a 0600
//! file, and the durability settings of S-02. PostgreSQL refuses to run as root, so as root we run it as the
//! owner of its folder: at first `postgres`, else `nobody`.
//!
//! ```text
//! <data>/postamt.lock   held (flock) while this program owns the cluster; says which process it is
//! <data>/pg/            the cluster; made in pg.new and renamed, so a cut-off initdb leaves nothing half-made
//! <data>/pg.password    the role's password, 0600
//! <data>/run/           the socket, 0700; in /run or /tmp when this path is too long for a socket
//! ```
//!
//! Recovery after `kill -9`: the kernel drops our lock, while the postmaster may live on without us. Whoever takes
//! the lock next stops every process whose working folder is the cluster, and starts it anew as its own child.
//! PostgreSQL itself replays its log. A cluster that dies under us is started again; the pool reconnects.
//!
//! Not here: the schema and its migrations; a server of the operator's own ([`crate::store`] opens either alike).

mod place;
mod programs;
mod remains;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use place::Place;
use programs::{Launch, Postmaster, Programs, arguments, initialise};
use remains::{end_residents, forget_socket};

/// What the private cluster needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data folder; made when it is missing.
    pub folder: PathBuf,
    /// The folder of `initdb` and `postgres`; unset: PATH, then `/usr/lib/postgresql/*/bin`, the newest.
    pub programs: Option<PathBuf>,
    /// The user to run as when we are root; unset: the folder's owner, `postgres`, `nobody`.
    pub user: Option<String>,
    /// `shared_buffers` in octets.
    pub shared_buffers: u64,
    /// `max_connections`.
    pub connections: u32,
}

/// Why there is no private cluster. Each text says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Another program owns the folder.
    #[error(
        "another postamt{who} already runs on the data folder {folder}; stop it, or choose another server.data_dir"
    )]
    InUse {
        /// The data folder.
        folder: PathBuf,
        /// ` (process 123)` or nothing.
        who: String,
    },
    /// No PostgreSQL programs were found.
    #[error(
        "no PostgreSQL programs (initdb, postgres) found in PATH or /usr/lib/postgresql/*/bin: \
         install the package postgresql, set database.programs, or set DATABASE_URL to a server of your own"
    )]
    NoPrograms,
    /// The programs are older than the schema needs.
    #[error("PostgreSQL {found} is too old: {OLDEST_MAJOR} or newer is needed")]
    TooOld {
        /// The newest major version found.
        found: u32,
    },
    /// The cluster belongs to another major version than the programs.
    #[error(
        "the cluster in {folder} was made by PostgreSQL {made_by}, but only version {installed} is installed: \
         install postgresql-{made_by}, or move the data with pg_upgrade"
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// Its major version.
        made_by: u32,
        /// The major versions there are.
        installed: String,
    },
    /// As root, no unprivileged user to run as.
    #[error(
        "PostgreSQL does not run as root, and the user {wanted} does not exist: set database.user"
    )]
    NoUser {
        /// The names tried.
        wanted: String,
    },
    /// The unprivileged user cannot reach the folder.
    #[error(
        "the user {user} cannot enter {closed}, which holds the data folder: \
         choose a server.data_dir outside of it, for example /var/lib/postamt"
    )]
    Closed {
        /// The unprivileged user.
        user: String,
        /// The folder in the way.
        closed: PathBuf,
    },
    /// The cluster is there, its password is not.
    #[error(
        "the password file {path} is missing although the cluster exists: restore it from a backup of the data folder"
    )]
    NoPassword {
        /// The file.
        path: PathBuf,
    },
    /// A folder for the socket belongs to somebody else.
    #[error("{path} exists, but is not a folder of our own closed to others: remove it")]
    ForeignSocketFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// Processes of an earlier run do not end.
    #[error("PostgreSQL processes of an earlier run in {folder} do not end")]
    Haunted {
        /// The cluster's folder.
        folder: PathBuf,
    },
    /// The server does not answer.
    #[error("the private PostgreSQL does not answer")]
    Silent(#[source] sqlx::Error),
    /// The system refused a file operation.
    #[error("{doing} {path}")]
    Io {
        /// What we were about to do.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A running private cluster. Dropping it without [`Cluster::stop`] asks PostgreSQL to stop, but does not wait.
#[derive(Debug)]
pub struct Cluster {
    options: PgConnectOptions,
    stop: CancellationToken,
    watcher: Option<JoinHandle<()>>,
    pid: Arc<AtomicU32>,
    socket: PathBuf,
    lock: Option<File>,
}

impl Cluster {
    /// Makes the cluster when there is none, starts it, and keeps it running until [`Cluster::stop`].
    ///
    /// # Errors
    /// [`ClusterError`]; `InUse` when another process owns the folder.
    pub async fn start(settings: &Settings) -> Result<Self, ClusterError> {
        let place = Place::prepare(settings)?;
        let lock = place.lock()?;
        let programs = Programs::find(
            settings.programs.as_deref(),
            &place.cluster,
            place.made_by()?,
        )?;
        end_residents(&place.cluster).await?;
        end_residents(&place.folder.join(HALF_MADE)).await?;
        let password = place.password()?;
        if !place.cluster.exists() {
            initialise(&place, &programs, &password).await?;
        }
        let socket = place.socket_folder()?;
        forget_socket(&socket)?;
        let pid = Arc::new(AtomicU32::new(0));
        let launch = Launch {
            program: programs.folder.join("postgres"),
            arguments: arguments(settings, &place, &socket),
            owner: place.owner.clone(),
            pid: Arc::clone(&pid),
        };
        let options = connect_options(&socket, &password);
        let mut postmaster = launch.spawn()?;
        wait_until_ready(&mut postmaster, &options).await?;
        ensure_database(&options).await?;
        tracing::info!(folder = %place.cluster.display(), version = programs.major, "private PostgreSQL is up");
        let stop = CancellationToken::new();
        let watcher = tokio::spawn(watch(postmaster, launch, options.clone(), stop.clone()));
        Ok(Self {
            options,
            stop,
            watcher: Some(watcher),
            pid,
            socket,
            lock: Some(lock),
        })
    }

    /// How to connect to the cluster that another process of ours runs on this folder, if one does.
    ///
    /// # Errors
    /// [`ClusterError`] when the folder cannot be read or the running server does not answer.
    pub async fn find_running(
        settings: &Settings,
    ) -> Result<Option<PgConnectOptions>, ClusterError> {
        let place = Place::prepare(settings)?;
        let deadline = Instant::now() + READY;
        loop {
            match place.lock() {
                Ok(_free) => return Ok(None),
                Err(ClusterError::InUse { .. }) => {}
                Err(other) => return Err(other),
            }
            // The owner may still be starting: its pid file, then its socket, come a moment later.
            let tried = match (place.recorded_socket(), place.read_password()?) {
                (Some(socket), Some(password)) => {
                    let options = connect_options(&socket, &password);
                    match options.connect().await {
                        Ok(_) => return Ok(Some(options)),
                        Err(error) => error,
                    }
                }
                _ => sqlx::Error::Io(io::ErrorKind::NotFound.into()),
            };
            if Instant::now() > deadline {
                return Err(ClusterError::Silent(tried));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How to connect: database, role and socket; the schema is for [`crate::store`] to choose.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// Stops PostgreSQL and waits until it is down and its last checkpoint is written.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(watcher) = self.watcher.take()
            && let Err(error) = watcher.await
        {
            tracing::error!(%error, "the watcher of the private PostgreSQL failed");
        }
        // In /run or /tmp the folder of the socket should not stay behind; in the data folder it does no harm.
        if let Err(error) = fs::remove_dir(&self.socket) {
            tracing::debug!(%error, folder = %self.socket.display(), "the folder of the socket stays");
        }
        // The lock goes last: who gets it finds no process of ours.
        drop(self.lock.take());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop.cancel();
        // The runtime may end before the watcher runs again; a signal needs no runtime.
        if self.watcher.is_some() {
            signal(self.pid.load(Ordering::Acquire), Signal::INT);
        }
    }
}

fn connect_options(socket: &Path, password: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .port(5432)
        .username(ROLE)
        .password(password)
        .database(DATABASE)
        .ssl_mode(PgSslMode::Disable)
        .application_name("postamt")
}

/// Waits for the first connection; crash recovery may take its time, so only a dead child or long silence ends it.
async fn wait_until_ready(
    postmaster: &mut Postmaster,
    options: &PgConnectOptions,
) -> Result<(), ClusterError> {
    let options = options.clone().database("postgres");
    let deadline = Instant::now() + READY;
    loop {
        let Err(error) = options.connect().await else {
            return Ok(());
        };
        if let Ok(Some(status)) = postmaster.child.try_wait() {
            let said = format!("ended with {status}: {}", postmaster.last_words());
            return Err(ClusterError::Failed {
                program: "postgres",
                said,
            });
        }
        if Instant::now() > deadline {
            return Err(ClusterError::Silent(error));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Makes the database of the cluster, which initdb does not.
async fn ensure_database(options: &PgConnectOptions) -> Result<(), ClusterError> {
    let mut connection = options
        .clone()
        .database("postgres")
        .connect()
        .await
        .map_err(ClusterError::Silent)?;
    let there: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await
            .map_err(ClusterError::Silent)?;
    if !there {
        sqlx::query("create database postamt")
            .execute(&mut connection)
            .await
            .map_err(ClusterError::Silent)?;
    }
    Ok(())
}

/// Keeps the postmaster running until told to stop, then stops it.
async fn watch(
    mut postmaster: Postmaster,
    launch: Launch,
    options: PgConnectOptions,
    stop: CancellationToken,
) {
    let mut pause = RESTART_FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return shut_down(&mut postmaster.child).await,
            ended = postmaster.child.wait() => {
                let status = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                tracing::error!(status, "the private PostgreSQL ended by itself; starting it again");
            }
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(RESTART_LONGEST);
            match launch.spawn() {
                Ok(again) => {
                    postmaster = again;
                    break;
                }
                Err(error) => tracing::error!(%error, "cannot start the private PostgreSQL again"),
            }
        }
        tokio::select! {
            () = stop.cancelled() => return shut_down(&mut postmaster.child).await,
            ready = wait_until_ready(&mut postmaster, &options) => match ready {
                Ok(()) => {
                    pause = RESTART_FIRST;
                    tracing::info!("private PostgreSQL is up again");
                }
                Err(error) => tracing::error!(%error, "the private PostgreSQL does not come up"),
            }
        }
    }
}

/// Fast shutdown (open transactions roll back); after a minute the immediate one, from which the next start recovers.
async fn shut_down(child: &mut Child) {
    for step in [Signal::INT, Signal::QUIT, Signal::KILL] {
        signal(child.id().unwrap_or(0), step);
        if tokio::time::timeout(STOP_STEP, child.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("the private PostgreSQL does not stop; asking harder");
    }
}

/// Sends a signal to a process of ours; 0 is a process that has ended.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = kill_process(pid, signal)
    {
        tracing::debug!(%error, "a process of PostgreSQL is already gone");
    }
}

/// The oldest PostgreSQL the schema runs on.
pub const OLDEST_MAJOR: u32 = 15;
const HALF_MADE: &str = "pg.new";
const ROLE: &str = "postamt";
const DATABASE: &str = "postamt";
const READY: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(40);
const STOP_STEP: Duration = Duration::from_mins(1);
const RESTART_FIRST: Duration = Duration::from_millis(200);
const RESTART_LONGEST: Duration = Duration::from_secs(10);
