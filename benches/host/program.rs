//! The program as its own process on a data folder in `/var/tmp`, and the services beside it for making accounts.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use postamt::config::Config;
use postamt::server::database::{Database, For};
use postamt::service::App;
use postamt::store::cluster::{Cluster, Settings};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgPool, PgPoolOptions};

/// Limits that hold strangers back and would hold the bench back: everything comes from one address.
const OPEN: [(&str, &str); 12] = [
    ("POSTAMT_SMTP_NEW_CONNECTIONS_PER_MINUTE", "1000000"),
    ("POSTAMT_SMTP_MESSAGES_PER_SOURCE", "10000000"),
    ("POSTAMT_SMTP_BYTES_PER_SOURCE", "1000000000000"),
    ("POSTAMT_SMTP_MESSAGES", "100000"),
    ("POSTAMT_WEB_REQUESTS_PER_ACCOUNT", "10000"),
    ("POSTAMT_WEB_REQUESTS_PER_SOURCE", "100000"),
    ("POSTAMT_WEB_STREAMS_PER_ACCOUNT", "1000"),
    ("POSTAMT_WEB_CONNECTIONS_PER_SOURCE", "100000"),
    ("POSTAMT_WEB_CONNECTIONS", "100000"),
    ("POSTAMT_WEB_NEW_CONNECTIONS_PER_MINUTE", "10000000"),
    ("POSTAMT_DATABASE_PRIVATE_CONNECTIONS", "100"),
    ("POSTAMT_LOG_LEVEL", "info"),
];

/// Every listener, each on a port the system gives.
const LISTEN: [&str; 10] = [
    "SMTP_LISTEN",
    "SUBMISSION_LISTEN",
    "SUBMISSION_LISTEN_TLS",
    "IMAP_LISTEN",
    "IMAP_LISTEN_TLS",
    "POP3_LISTEN",
    "POP3_LISTEN_TLS",
    "WEB_LISTEN",
    "WEB_LISTEN_HTTP",
    "METRICS_LISTEN",
];

/// A folder in `/var/tmp` (on a disk), removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = PathBuf::from(format!(
            "/var/tmp/postamt-bench-{:x}",
            rand::random::<u64>()
        ));
        std::fs::create_dir(&path).unwrap();
        // Started by root, the database runs as another user, who must be able to enter.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// `postamt serve`, stopped when dropped.
pub struct Program {
    child: Child,
    pub mx: SocketAddr,
    pub https: SocketAddr,
}

impl Program {
    /// Starts it and waits until it says where it listens. Its log goes on to a reader that throws it away.
    pub fn start(data: &Path, database: Option<&str>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postamt"));
        command
            .arg("serve")
            .env("POSTAMT_SERVER_DATA_DIR", data)
            .envs(OPEN)
            .envs(LISTEN.map(|key| (format!("POSTAMT_{key}"), "127.0.0.1:0")))
            .env_remove("DATABASE_URL")
            .stderr(Stdio::piped());
        if let Some(url) = database {
            command.env("DATABASE_URL", url);
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        let line = loop {
            let mut line = String::new();
            let read = log.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it did not start:\n{said}");
            if line.contains("mx: [") {
                break line;
            }
            said.push_str(&line);
        };
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self {
            child,
            mx: listener(&line, "mx"),
            https: listener(&line, "https"),
        }
    }

    /// Seconds of processor time so far: the program's own, and its database's.
    pub fn processor_seconds(&self) -> (f64, f64) {
        let own = self.child.id();
        let all: Vec<Process> = std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut family = vec![own];
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            family.extend(all.iter().filter(|p| p.parent == parent).map(|p| p.id));
            next += 1;
        }
        let ticks = |wanted: &dyn Fn(&Process) -> bool| -> f64 {
            let sum: u32 = all.iter().filter(|p| wanted(p)).map(|p| p.ticks).sum();
            // USER_HZ is 100 on every Linux there is.
            f64::from(sum) / 100.0
        };
        (
            ticks(&|p| p.id == own),
            ticks(&|p| p.id != own && family.contains(&p.id)),
        )
    }

    /// Kilobytes that lie in memory now.
    pub fn resident_kb(&self) -> u64 {
        resident_kb(self.child.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        self.child.wait().ok();
    }
}

/// A line of `/proc/PID/stat` (proc(5)).
struct Process {
    id: u32,
    parent: u32,
    ticks: u32,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |n: usize| fields.get(n).and_then(|f| f.parse::<u32>().ok());
        Some(Self {
            id,
            parent: number(1)?,
            ticks: number(11)? + number(12)?,
        })
    }
}

fn listener(line: &str, name: &str) -> SocketAddr {
    let (_, rest) = line.split_once(&format!("{name}: [")).unwrap();
    rest.split_once(']').unwrap().0.parse().unwrap()
}

fn resident_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with("VmRSS:"));
    line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or_default()
}

/// The services and a look at the truth, beside the running program.
pub struct Beside {
    pub app: App,
    pub pool: PgPool,
    /// The same database for a second program.
    pub url: String,
}

impl Beside {
    pub async fn attach(data: &Path) -> Self {
        let mut config = Config::default();
        config.server.data_dir = data.to_owned();
        // Sign-ins are not what is measured here.
        config.password.memory_kib = 19_456;
        let settings = Settings {
            folder: config.server.data_dir.clone(),
            programs: config.database.programs.clone(),
            user: config.database.user.clone(),
            shared_buffers: config.database.shared_buffers,
            connections: config.database.private_connections,
        };
        let running = Cluster::find_running(&settings).await.unwrap();
        let options = running.expect("the program runs its cluster");
        let url = options.to_url_lossy().to_string();
        let pool = PgPoolOptions::new()
            .max_connections(12)
            .connect_with(options.options([("search_path", postamt::store::SCHEMA)]))
            .await
            .unwrap();
        let database = Database::open(&config, For::ACommand).await.unwrap();
        Self {
            app: App::new(Arc::new(config), database.store),
            pool,
            url,
        }
    }
}
