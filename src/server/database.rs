//! The database of a run: the operator's server or the private cluster, checked and migrated (DESIGN.md 7, S-02).

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::StartError;
use crate::config::Config;
use crate::store::cluster::{self, Cluster, OLDEST_MAJOR};
use crate::store::{OpenOptions, SessionLimits, Store};

/// Who asks for the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// The serving program: the private cluster is its own, a second one is refused.
    Serving,
    /// A single command: beside a running server it uses that one's cluster.
    ACommand,
}

/// An open store, and the private cluster under it when it is ours to stop.
#[derive(Debug)]
pub struct Database {
    /// The open store.
    pub store: Store,
    cluster: Option<Cluster>,
}

impl Database {
    /// Finds or starts the server, checks that it keeps what it confirms, and brings the schema up to date.
    ///
    /// # Errors
    /// [`StartError`] with a sentence for the operator.
    pub async fn open(config: &Config, who: For) -> Result<Self, StartError> {
        let (connect, cluster) = find_server(config, who).await?;
        match open_store(config, connect).await {
            Ok(store) => Ok(Self { store, cluster }),
            Err(error) => {
                if let Some(cluster) = cluster {
                    cluster.stop().await;
                }
                Err(error)
            }
        }
    }

    /// Closes the pool and stops the cluster when it is ours.
    pub async fn close(self) {
        self.store.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

async fn find_server(
    config: &Config,
    who: For,
) -> Result<(PgConnectOptions, Option<Cluster>), StartError> {
    if let Some(url) = &config.database.url {
        return Ok((parse_url(url.expose(), "database.url")?, None));
    }
    let settings = cluster::Settings {
        folder: config.server.data_dir.clone(),
        programs: config.database.programs.clone(),
        user: config.database.user.clone(),
        shared_buffers: config.database.shared_buffers,
        connections: config.database.private_connections,
    };
    if who == For::ACommand
        && let Some(running) = Cluster::find_running(&settings).await?
    {
        return Ok((running, None));
    }
    let cluster = Cluster::start(&settings).await?;
    Ok((cluster.connect_options(), Some(cluster)))
}

fn parse_url(url: &str, key: &'static str) -> Result<PgConnectOptions, StartError> {
    url.parse::<PgConnectOptions>()
        .map(|options| options.application_name("postamt"))
        .map_err(|_| StartError::DatabaseUrl { key })
}

async fn open_store(config: &Config, connect: PgConnectOptions) -> Result<Store, StartError> {
    let settings = &config.database;
    let session = SessionLimits {
        statement_timeout: settings.statement_timeout,
        lock_timeout: settings.lock_timeout,
        idle_transaction_timeout: settings.idle_transaction_timeout,
    };
    let options = |connect, max_connections| OpenOptions {
        connect,
        max_connections,
        acquire_timeout: settings.acquire_timeout,
        session,
    };
    let store = Store::open(options(connect, settings.connections)).await?;
    check(&store, settings.allow_unsafe).await?;
    if let Some(url) = &settings.migrate_url {
        let other = parse_url(url.expose(), "database.migrate_url")?;
        let other = Store::open(options(other, 1)).await?;
        other.migrate().await?;
        other.close().await;
    } else {
        store.migrate().await?;
    }
    Ok(store)
}

/// Refuses a server that is too old or loses confirmed commits (S-02).
async fn check(store: &Store, allow_unsafe: bool) -> Result<(), StartError> {
    let found = store.durability().await?;
    if u32::try_from(found.version / 10_000).unwrap_or(0) < OLDEST_MAJOR {
        return Err(StartError::TooOld {
            found: found.version_text,
        });
    }
    if !found.is_safe() {
        let off = found.what_is_off();
        if !allow_unsafe {
            return Err(StartError::Unsafe { off });
        }
        tracing::warn!(off, "this database may lose confirmed mail in a power cut");
    }
    if !found.data_checksums {
        tracing::warn!("the database has no data checksums: damaged pages are not noticed");
    }
    Ok(())
}

/// Says every hour that the database is unsafe, as long as it is allowed to be (S-02). Ends when it is dropped.
pub(super) async fn warn_while_unsafe(store: Store) {
    loop {
        tokio::time::sleep(AN_HOUR).await;
        if let Ok(found) = store.durability().await
            && !found.is_safe()
        {
            tracing::warn!(
                off = found.what_is_off(),
                "this database may lose confirmed mail in a power cut"
            );
        }
    }
}

const AN_HOUR: Duration = Duration::from_hours(1);
