//! The private PostgreSQL: made, started twice, killed, recovered (`store/cluster.rs`).

use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use postamt::store::cluster::{Cluster, ClusterError, Settings};
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

/// A data folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("postamt-{name}-{:x}", rand::random::<u64>()));
        Self(folder)
    }

    fn settings(&self) -> Settings {
        Settings {
            folder: self.0.clone(),
            programs: None,
            user: None,
            shared_buffers: 16 << 20,
            connections: 20,
        }
    }

    fn postmaster(&self) -> Option<rustix::process::Pid> {
        let text = std::fs::read_to_string(self.0.join("pg/postmaster.pid")).ok()?;
        rustix::process::Pid::from_raw(text.lines().next()?.parse().ok()?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

async fn number(options: &PgConnectOptions, query: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = options.connect().await?;
    sqlx::query_scalar(query).fetch_one(&mut connection).await
}

async fn show(options: &PgConnectOptions, name: &str) -> String {
    let mut connection = options.connect().await.unwrap();
    sqlx::query_scalar("select current_setting($1)")
        .bind(name)
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_cluster_is_made_once_and_keeps_what_it_was_given() {
    let folder = Folder::new("made");
    let cluster = Cluster::start(&folder.settings()).await.unwrap();
    let options = cluster.connect_options();
    for (name, value) in [
        ("listen_addresses", ""),
        ("data_checksums", "on"),
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("server_encoding", "UTF8"),
        ("max_connections", "20"),
        ("password_encryption", "scram-sha-256"),
    ] {
        assert_eq!(show(&options, name).await, value, "{name}");
    }
    let mut connection = options.connect().await.unwrap();
    sqlx::query("create table kept (n bigint)")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("insert into kept values (7)")
        .execute(&mut connection)
        .await
        .unwrap();
    drop(connection);
    let wrong = options.clone().password("wrong").connect().await;
    assert!(wrong.is_err(), "the socket asks for the password");
    cluster.stop().await;
    assert!(folder.postmaster().is_none(), "stop waits for the end");

    let again = Cluster::start(&folder.settings()).await.unwrap();
    assert_eq!(
        number(&again.connect_options(), "select n from kept")
            .await
            .unwrap(),
        7
    );
    again.stop().await;
}

#[tokio::test]
async fn a_second_start_on_the_same_folder_is_refused_and_finds_the_first() {
    let folder = Folder::new("second");
    let cluster = Cluster::start(&folder.settings()).await.unwrap();
    let refused = Cluster::start(&folder.settings()).await.unwrap_err();
    assert!(matches!(refused, ClusterError::InUse { .. }));
    let said = refused.to_string();
    assert!(
        said.contains(&format!("process {}", std::process::id())),
        "{said}"
    );
    let beside = Cluster::find_running(&folder.settings())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(number(&beside, "select 1::bigint").await.unwrap(), 1);
    cluster.stop().await;
    assert!(
        Cluster::find_running(&folder.settings())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again() {
    let folder = Folder::new("killed");
    let cluster = Cluster::start(&folder.settings()).await.unwrap();
    let before = folder.postmaster().unwrap();
    rustix::process::kill_process(before, rustix::process::Signal::KILL).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        match number(&cluster.connect_options(), "select 1::bigint").await {
            Ok(1) if folder.postmaster().is_some_and(|now| now != before) => break,
            _ => assert!(Instant::now() < deadline, "it comes back"),
        }
        tokio::task::yield_now().await;
    }
    cluster.stop().await;
}

/// After a power cut the number in the socket's lock file may be anybody's; PostgreSQL alone would not start.
#[tokio::test]
async fn a_socket_that_a_killed_postmaster_left_is_no_rival() {
    let folder = Folder::new("socket");
    Cluster::start(&folder.settings())
        .await
        .unwrap()
        .stop()
        .await;
    let (run, data) = (folder.0.join("run"), folder.0.join("pg"));
    let owner = std::fs::metadata(&data).unwrap();
    std::fs::DirBuilder::new().mode(0o700).create(&run).unwrap();
    chown(&run, Some(owner.uid()), Some(owner.gid())).unwrap();
    let left = format!(
        "{}\n{}\n0\n5432\n{}\n",
        std::process::id(),
        data.display(),
        run.display()
    );
    std::fs::write(run.join(".s.PGSQL.5432.lock"), left).unwrap();
    let again = Cluster::start(&folder.settings()).await.unwrap();
    assert_eq!(
        number(&again.connect_options(), "select 1::bigint")
            .await
            .unwrap(),
        1
    );
    again.stop().await;
}

#[tokio::test]
async fn a_deep_folder_keeps_its_socket_elsewhere() {
    let folder = Folder::new("deep");
    let mut settings = folder.settings();
    settings.folder = folder.0.join("x".repeat(100));
    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(
        number(&cluster.connect_options(), "select 1::bigint")
            .await
            .unwrap(),
        1
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_cluster_of_another_version_is_refused_with_a_clear_sentence() {
    let folder = Folder::new("version");
    let cluster = Cluster::start(&folder.settings()).await.unwrap();
    cluster.stop().await;
    std::fs::write(folder.0.join("pg/PG_VERSION"), "9\n").unwrap();
    let said = Cluster::start(&folder.settings())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("made by PostgreSQL 9") && said.contains("postgresql-9"),
        "{said}"
    );
}
