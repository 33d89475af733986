//! The programs of PostgreSQL: found, asked for their version, run as the right user with the right settings.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::place::{Owner, Place, io_error, sync_folder, write_secret};
use super::{ClusterError, HALF_MADE, OLDEST_MAJOR, ROLE, Settings};

/// The PostgreSQL programs of this machine.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Programs {
    /// The programs that fit a cluster made by `made_by`, or the newest for a new one.
    pub(super) fn find(
        configured: Option<&Path>,
        cluster: &Path,
        made_by: Option<u32>,
    ) -> Result<Self, ClusterError> {
        let folders = match configured {
            Some(folder) => vec![folder.to_owned()],
            None => Self::candidates(),
        };
        let mut found: Vec<Self> = folders
            .into_iter()
            .filter_map(|folder| {
                Some(Self {
                    major: major_version(&folder)?,
                    folder,
                })
            })
            .collect();
        found.sort_by_key(|programs| std::cmp::Reverse(programs.major));
        let newest = found.first().ok_or(ClusterError::NoPrograms)?.major;
        if newest < OLDEST_MAJOR {
            return Err(ClusterError::TooOld { found: newest });
        }
        let wanted = made_by.unwrap_or(newest);
        let installed = found
            .iter()
            .map(|p| p.major.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        found
            .into_iter()
            .find(|programs| programs.major == wanted)
            .ok_or(ClusterError::OtherVersion {
                folder: cluster.to_owned(),
                made_by: wanted,
                installed,
            })
    }

    fn candidates() -> Vec<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
            folders.extend(versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))));
        }
        folders
    }
}

/// The major version of the programs in `folder`, when both are there and run.
fn major_version(folder: &Path) -> Option<u32> {
    if !folder.join("initdb").is_file() {
        return None;
    }
    let output = std::process::Command::new(folder.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
    let version = text.split_whitespace().nth(2)?;
    version
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

/// Makes the cluster under another name and renames it when it is whole.
pub(super) async fn initialise(
    place: &Place,
    programs: &Programs,
    password: &str,
) -> Result<(), ClusterError> {
    let fresh = place.folder.join(HALF_MADE);
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(io_error("cannot remove the half-made", &fresh))?;
    }
    DirBuilder::new()
        .mode(0o700)
        .create(&fresh)
        .map_err(io_error("cannot make", &fresh))?;
    place.give(&fresh)?;
    // initdb reads the password as the other user: a copy that is its own, gone when it is done.
    let pwfile = place.folder.join("pg.pwfile");
    write_secret(&pwfile, password)?;
    place.give(&pwfile)?;
    let mut command = command_for(&programs.folder.join("initdb"), place.owner.as_ref());
    command
        .arg("--pgdata")
        .arg(&fresh)
        .arg("--pwfile")
        .arg(&pwfile)
        .args([
            "--username",
            ROLE,
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--data-checksums",
        ])
        .args(["--auth-local", "scram-sha-256", "--auth-host", "reject"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let ended = command.output().await;
    fs::remove_file(&pwfile).map_err(io_error("cannot remove", &pwfile))?;
    let output = ended.map_err(io_error("cannot run", &programs.folder.join("initdb")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(ClusterError::Failed {
            program: "initdb",
            said: said.trim().to_owned(),
        });
    }
    fs::rename(&fresh, &place.cluster).map_err(io_error("cannot rename", &fresh))?;
    sync_folder(&place.folder)
}

/// The server's settings. On the command line, so that an update of this program updates them.
pub(super) fn arguments(settings: &Settings, place: &Place, socket: &Path) -> Vec<String> {
    let pairs = [
        ("listen_addresses", String::new()),
        ("unix_socket_directories", socket.display().to_string()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("port", "5432".to_owned()),
        ("max_connections", settings.connections.to_string()),
        (
            "shared_buffers",
            format!("{}kB", settings.shared_buffers / 1_024),
        ),
        ("fsync", "on".to_owned()),
        ("full_page_writes", "on".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("wal_compression", "on".to_owned()),
        ("min_wal_size", "256MB".to_owned()),
        ("max_wal_size", "2GB".to_owned()),
        ("checkpoint_timeout", "15min".to_owned()),
        ("random_page_cost", "1.1".to_owned()),
        ("jit", "off".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
        ("log_checkpoints", "off".to_owned()),
        ("log_line_prefix", String::new()),
        // No statement and no value reaches the log: they hold what users wrote.
        ("log_min_error_statement", "panic".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
        ("log_parameter_max_length_on_error", "0".to_owned()),
    ];
    let mut arguments = vec!["-D".to_owned(), place.cluster.display().to_string()];
    for (name, value) in pairs {
        arguments.push("-c".to_owned());
        arguments.push(format!("{name}={value}"));
    }
    arguments
}

/// How the postmaster is started, the first time and again.
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) owner: Option<Owner>,
    pub(super) pid: Arc<AtomicU32>,
}

/// The server's main process and the end of what it said.
pub(super) struct Postmaster {
    pub(super) child: Child,
    said: Arc<Mutex<VecDeque<String>>>,
}

impl Launch {
    pub(super) fn spawn(&self) -> Result<Postmaster, ClusterError> {
        let mut child = command_for(&self.program, self.owner.as_ref())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io_error("cannot run", &self.program))?;
        self.pid.store(child.id().unwrap_or(0), Ordering::Release);
        let said = Arc::new(Mutex::new(VecDeque::new()));
        if let Some(stderr) = child.stderr.take() {
            let said = Arc::clone(&said);
            // Ends with the postmaster, whose end the watcher waits for.
            tokio::spawn(async move {
                let mut lines = BufReader::new(stderr).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    log_server_line(&line);
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    if said.len() == LINES_KEPT {
                        said.pop_front();
                    }
                    said.push_back(line);
                }
            });
        }
        Ok(Postmaster { child, said })
    }
}

impl Postmaster {
    pub(super) fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

fn log_server_line(line: &str) {
    match line
        .split_once(':')
        .map(|(level, text)| (level, text.trim()))
    {
        Some(("FATAL", text)) if STARTING_UP.iter().any(|known| text.contains(known)) => {
            tracing::debug!(target: "postgres", "{text}");
        }
        Some(("FATAL" | "PANIC", text)) => tracing::error!(target: "postgres", "{text}"),
        Some(("WARNING" | "ERROR", text)) => tracing::warn!(target: "postgres", "{text}"),
        _ => tracing::debug!(target: "postgres", "{line}"),
    }
}

/// A program as the unprivileged user, with nothing of our environment, deaf to the terminal's Ctrl-C.
fn command_for(program: &Path, owner: Option<&Owner>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .current_dir("/")
        .stdin(Stdio::null())
        .process_group(0);
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    command
}

const LINES_KEPT: usize = 5;
/// What PostgreSQL says to whoever connects while it starts or stops; our own waiting causes it.
const STARTING_UP: [&str; 4] = [
    "is starting up",
    "is shutting down",
    "not yet accepting connections",
    "due to administrator command",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_of_another_version_is_refused_by_name() {
        let said = Programs::find(None, Path::new("data/pg"), Some(9))
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("PostgreSQL 9") && said.contains("postgresql-9"),
            "{said}"
        );
    }
}
