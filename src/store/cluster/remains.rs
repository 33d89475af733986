//! What an earlier run left behind: a postmaster that outlived us, a pid file that names a stranger.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::place::io_error;
use super::{ClusterError, POLL, STOP_STEP};

/// Ends what an earlier run left behind: an orphaned postmaster, then backends whose postmaster was killed.
///
/// We hold the lock, so nothing that works in this folder belongs to a living owner.
pub(super) async fn end_residents(cluster: &Path) -> Result<(), ClusterError> {
    for step in [Signal::INT, Signal::QUIT, Signal::KILL] {
        let deadline = Instant::now() + STOP_STEP;
        let postmaster = recorded_postmaster(cluster);
        let mut signalled = false;
        loop {
            let residents = residents(cluster);
            if residents.is_empty() {
                return forget_foreign_pid(cluster);
            }
            if !signalled {
                signalled = true;
                tracing::info!(
                    processes = residents.len(),
                    "ending the private PostgreSQL of an earlier run"
                );
                // A fast stop is the postmaster's to give; only what has no postmaster any more is ended one by one.
                let addressed = match postmaster.filter(|pid| residents.contains(pid)) {
                    Some(pid) if step != Signal::KILL => vec![pid],
                    _ => residents,
                };
                for pid in addressed {
                    if let Err(error) = kill_process(pid, step) {
                        tracing::debug!(%error, "a process of PostgreSQL is already gone");
                    }
                }
            }
            if Instant::now() > deadline {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Err(ClusterError::Haunted {
        folder: cluster.to_owned(),
    })
}

/// Processes of PostgreSQL whose working folder is the cluster.
fn residents(cluster: &Path) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let works_there =
                fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == cluster);
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            // A zombie has no working folder; a shell that merely stands there is not ours to end.
            if works_there && name.starts_with("postgres") {
                Pid::from_raw(pid)
            } else {
                None
            }
        })
        .collect()
}

fn recorded_postmaster(cluster: &Path) -> Option<Pid> {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).ok()?;
    Pid::from_raw(text.lines().next()?.trim().parse().ok()?)
}

/// Removes a socket and its lock file that a killed postmaster left: PostgreSQL believes the number in the lock file as long as
/// any process has it, a zombie or a stranger (after a power cut) as well, and would not start.
///
/// We hold the lock of the folder, and nothing works in it any more.
pub(super) fn forget_socket(socket: &Path) -> Result<(), ClusterError> {
    for name in SOCKET_FILES {
        let path = socket.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error("cannot remove", &path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

const SOCKET_FILES: [&str; 2] = [".s.PGSQL.5432", ".s.PGSQL.5432.lock"];

/// Removes a pid file whose number now belongs to a stranger (after a reboot), which PostgreSQL would take for a rival.
///
/// A file whose process is gone stays: from it PostgreSQL finds shared memory that is still in use.
fn forget_foreign_pid(cluster: &Path) -> Result<(), ClusterError> {
    let path = cluster.join("postmaster.pid");
    match recorded_postmaster(cluster) {
        Some(pid)
            if Path::new("/proc")
                .join(pid.as_raw_nonzero().to_string())
                .exists() =>
        {
            fs::remove_file(&path).map_err(io_error("cannot remove", &path))
        }
        _ => Ok(()),
    }
}
