//! `Ping` (MS-ASCMD 2.2.1.13): waits until the next `Sync` of one of these folders would bring something.
//!
//! It asks the same question as that `Sync` does, so it never wakes a phone for nothing: a Ping that says "changed" before a Sync
//! that says "nothing" empties batteries at full speed. A folder that was never synchronised is passed over.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::call::{Call, Fault, Reply};
use super::folders;
use crate::format::wbxml::Encoder;
use crate::format::wbxml::pages::ping as p;
use crate::service::devices::hierarchy::{OUTBOX, mail_folder};
use crate::service::devices::mail_sync::SyncFault;

/// What is kept of a Ping for the one that leaves it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    heartbeat: Option<u64>,
    folders: Vec<String>,
}

/// What a look found.
enum Found {
    Nothing,
    Changed(Vec<String>),
    /// The folders themselves are not those the device knows.
    Hierarchy,
}

pub(super) async fn run(call: &Arc<Call>) -> Result<Reply, Fault> {
    let mut wanted: Kept = call
        .device
        .requests
        .get("ping")
        .and_then(|kept| Kept::deserialize(kept).ok())
        .unwrap_or_default();
    if let Some(root) = call.document()? {
        if let Some(heartbeat) = root.child(p::HEARTBEAT_INTERVAL) {
            let seconds = heartbeat.number().and_then(|n| u64::try_from(n).ok());
            let Some(seconds) = seconds else {
                return Ok(status(4));
            };
            wanted.heartbeat = Some(seconds);
        }
        if let Some(all) = root.child(p::FOLDERS) {
            let ids: Option<Vec<String>> = all
                .children(p::FOLDER)
                .map(|folder| folder.text_of(p::ID).map(|id| id.trim().to_owned()))
                .collect();
            let Some(ids) = ids else {
                return Ok(status(4));
            };
            wanted.folders = ids;
        }
    }
    let (Some(heartbeat), false) = (wanted.heartbeat, wanted.folders.is_empty()) else {
        return Ok(status(3));
    };
    let limits = &call.app.config.eas;
    let (least, most) = (
        limits.heartbeat_min.as_secs(),
        limits.heartbeat_max.as_secs(),
    );
    if !(least..=most).contains(&heartbeat) {
        let nearest = heartbeat.clamp(least, most);
        return Ok(reply(|out| {
            out.value(p::STATUS, 5);
            out.value(p::HEARTBEAT_INTERVAL, nearest);
        }));
    }
    if wanted.folders.len() > limits.ping_folders {
        let most = limits.ping_folders;
        return Ok(reply(|out| {
            out.value(p::STATUS, 6);
            out.value(p::MAX_FOLDERS, most);
        }));
    }
    if let Ok(value) = serde_json::to_value(&wanted) {
        call.app
            .devices
            .keep_request(call.account(), &call.device, "ping", &value)
            .await?;
    }
    wait(call, &wanted.folders, Duration::from_secs(heartbeat)).await
}

async fn wait(call: &Arc<Call>, ids: &[String], heartbeat: Duration) -> Result<Reply, Fault> {
    let (account, device) = (call.account(), call.device.device_id.as_str());
    let deadline = tokio::time::Instant::now() + heartbeat;
    // Watched before the first look, so that nothing falls between the two.
    let mut watch = call.app.devices.hub().watch(account);
    let waiting = call.app.devices.begin_wait(account, device);
    loop {
        match look(call, ids).await? {
            Found::Hierarchy => return Ok(status(7)),
            Found::Changed(changed) => {
                if call.app.devices.is_told_again(account, device, &changed) {
                    // It was told twice and did not ask: once more, but not at full speed.
                    tokio::time::sleep(AGAIN.min(deadline - tokio::time::Instant::now())).await;
                }
                return Ok(reply(|out| {
                    out.value(p::STATUS, 2);
                    out.element(p::FOLDERS, |out| {
                        for id in &changed {
                            out.text(p::FOLDER, id);
                        }
                    });
                }));
            }
            Found::Nothing => {}
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline) => return Ok(status(1)),
            () = waiting.ended() => return Ok(status(1)),
            () = call.stop.cancelled() => return Ok(status(1)),
            () = call.app.accounts.ended(account, call.who.password_version) => return Ok(status(1)),
            _ = watch.changed() => {}
        }
    }
}

async fn look(call: &Call, ids: &[String]) -> Result<Found, Fault> {
    let (account, device) = (call.account(), call.device.device_id.as_str());
    let devices = &call.app.devices;
    if devices
        .folders_changed(account, folders::lang(call), device)
        .await?
    {
        return Ok(Found::Hierarchy);
    }
    let mut changed = Vec::new();
    for id in ids.iter().filter(|id| *id != OUTBOX) {
        let Some(folder) = mail_folder(id) else {
            return Ok(Found::Hierarchy);
        };
        match devices.has_news(account, device, folder).await {
            Ok(true) | Err(SyncFault::Key) => changed.push(id.clone()),
            Ok(false) | Err(SyncFault::Busy) => {}
            Err(SyncFault::NoFolder) => return Ok(Found::Hierarchy),
            Err(SyncFault::Refused(refusal)) => return Err(refusal.into()),
        }
    }
    Ok(if changed.is_empty() {
        Found::Nothing
    } else {
        Found::Changed(changed)
    })
}

fn status(status: u8) -> Reply {
    reply(|out| out.value(p::STATUS, status))
}

fn reply(inside: impl FnOnce(&mut Encoder)) -> Reply {
    let mut out = Encoder::new();
    out.element(p::PING, inside);
    Reply::Document(out)
}

/// How long a device waits that was told the same twice and did not ask.
const AGAIN: Duration = Duration::from_secs(5);
