//! The program as its own process, so that it can be killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use postamt::store::cluster::{Cluster, Settings};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnectOptions;

use crate::common::TestDb;

/// A running program.
pub struct Program {
    child: Child,
    /// Where mail comes in.
    pub mx: SocketAddr,
    /// Where the pages are.
    pub https: SocketAddr,
}

impl Program {
    /// Starts it on a database of the tests, or on a cluster of its own in `folder`, and waits until it says where it listens.
    pub fn start(db: Option<&TestDb>, folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postamt"));
        command.arg("serve");
        Self::run(command, db, folder)
    }

    /// The same with so many file descriptors and not one more.
    pub fn start_with_files(db: &TestDb, folder: &Path, files: u32) -> Self {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("ulimit -n {files}; exec \"$0\" serve"))
            .arg(env!("CARGO_BIN_EXE_postamt"))
            .env("POSTAMT_SMTP_CONNECTIONS_PER_SOURCE", "1000");
        Self::run(command, Some(db), folder)
    }

    fn run(mut command: Command, db: Option<&TestDb>, folder: &Path) -> Self {
        command
            .env("POSTAMT_SERVER_DATA_DIR", folder)
            .env("POSTAMT_SMTP_NEW_CONNECTIONS_PER_MINUTE", "10000")
            .env("POSTAMT_SMTP_MESSAGES_PER_SOURCE", "100000")
            .env("POSTAMT_SMTP_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_SUBMISSION_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_SUBMISSION_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_IMAP_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_IMAP_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_POP3_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_POP3_LISTEN_TLS", "127.0.0.1:0")
            .env("POSTAMT_WEB_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_WEB_LISTEN_HTTP", "127.0.0.1:0")
            .env("POSTAMT_METRICS_LISTEN", "127.0.0.1:0")
            .env("POSTAMT_WEB_CONNECTIONS_PER_SOURCE", "2000")
            .env("POSTAMT_WEB_NEW_CONNECTIONS_PER_MINUTE", "10000")
            .env("POSTAMT_WEB_HEADER_TIMEOUT", "5m")
            .env("POSTAMT_WEB_IDLE_TIMEOUT", "5m")
            .stderr(Stdio::piped());
        if let Some(db) = db {
            command
                .env("DATABASE_URL", db.url())
                .env("POSTAMT_DATABASE_ALLOW_UNSAFE", "true");
        } else {
            command.env_remove("DATABASE_URL");
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let addresses = loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "it did not start:\n{said}"
            );
            if line.contains(" mx: [") {
                break line;
            }
            said.push_str(&line);
        };
        // Nobody reads on, so let the rest go nowhere without stopping the program.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let of = |door: &str| {
            let (_, rest) = addresses.split_once(&format!(" {door}: [")).unwrap();
            rest.split_once(']').unwrap().0.parse().unwrap()
        };
        Self {
            child,
            mx: of("mx"),
            https: of("https"),
        }
    }

    /// What it holds in memory.
    pub fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
    }

    /// `kill -9`
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A data folder with a cluster of the program's own; dropping it ends what is left there.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let name = format!("postamt-{name}-{:x}", rand::random::<u64>());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// How to reach the cluster of the program that runs there now.
    pub async fn database(&self) -> PgConnectOptions {
        let settings = Settings {
            folder: self.0.clone(),
            programs: None,
            user: None,
            shared_buffers: 16 << 20,
            connections: 20,
        };
        let found = Cluster::find_running(&settings).await.unwrap();
        found.expect("a program runs there")
    }

    /// The postmaster of the cluster.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.0.join("pg/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    /// `kill -9` of every process of the cluster.
    pub fn kill_database(&self) {
        let Ok(cluster) = self.0.join("pg").canonicalize() else {
            return;
        };
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            if std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == cluster)
                && let Some(pid) = Pid::from_raw(pid)
            {
                let _gone_already = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.kill_database();
        drop(std::fs::remove_dir_all(&self.0));
    }
}
