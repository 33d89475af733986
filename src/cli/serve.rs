//! `postamt serve`: runs until SIGTERM or SIGINT, reads certificates again at SIGHUP.

use std::process::ExitCode;

use anyhow::Context;
use postamt::config::Config;
use postamt::server;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Serves until told to stop. A second signal ends the program at once; the database recovers from that.
pub async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    // No core dump, no other process of this user may read our memory: it holds passwords on their way (S-20).
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot forbid core dumps")?;
    raise_open_files();
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let mut hang_up = listen_for(SignalKind::hangup())?;
    let pid_file = config.server.data_dir.join("postamt.pid");
    let running = tokio::select! {
        running = server::start(config) => running?,
        _ = terminate.recv() => return Ok(ExitCode::SUCCESS),
        _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
    };
    if let Err(error) = std::fs::write(&pid_file, format!("{}\n", std::process::id())) {
        tracing::warn!(%error, file = %pid_file.display(), "cannot write the pid file");
    }
    tracing::info!(addresses = ?running.addresses(), "serving");
    tell_supervisor(&sd_notify::NotifyState::Ready);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => running.reload(),
        }
    }
    tracing::info!("stopping");
    tell_supervisor(&sd_notify::NotifyState::Stopping);
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => tracing::warn!("stopped at once by a second signal"),
        _ = interrupt.recv() => tracing::warn!("stopped at once by a second signal"),
    }
    if let Err(error) = std::fs::remove_file(&pid_file) {
        tracing::debug!(%error, "the pid file is gone already");
    }
    Ok(ExitCode::SUCCESS)
}

fn listen_for(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("cannot listen for signals")
}

/// As many open files as the system allows us: every connection is one.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, ?limit, "the number of open files stays low");
    }
}

fn tell_supervisor(state: &sd_notify::NotifyState) {
    if let Err(error) = sd_notify::notify(std::slice::from_ref(state)) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
