//! `Sync` (MS-ASCMD 2.2.1.21): reading the request, one exchange a folder, waiting.
//!
//! An exchange runs as a task of its own: a device that goes away in the middle leaves no turn taken behind. While a device waits
//! there is no task but its connection's; it is woken by the change stream, and looks.

mod exchange;
mod request;

use std::sync::Arc;
use std::time::Duration;

use super::call::{Call, Fault, Reply};
use super::email::place;
use crate::format::wbxml::Encoder;
use crate::format::wbxml::pages::airsync as a;
use crate::service::devices::hierarchy::mail_folder;
use crate::service::devices::mail_sync::SyncFault;
use exchange::Outcome;
use request::{Asked, BadRequest};

/// The whole command.
pub(super) async fn run(call: &Arc<Call>) -> Result<Reply, Fault> {
    let asked = match request::read(call).await? {
        Ok(asked) => asked,
        Err(bad) => return Ok(refused(bad)),
    };
    let mut watch = call.app.devices.hub().watch(call.account());
    let waiting = call
        .app
        .devices
        .begin_wait(call.account(), &call.device.device_id);
    let deadline = asked.wait.map(|wait| tokio::time::Instant::now() + wait);
    let mut asked = Arc::new(asked);
    loop {
        let (call_of_task, asked_of_task) = (Arc::clone(call), Arc::clone(&asked));
        let outcome =
            tokio::spawn(async move { exchange::all(&call_of_task, &asked_of_task).await })
                .await
                .map_err(|_| Fault::Status(111))??;
        let Some(deadline) = deadline else {
            return Ok(answer(outcome));
        };
        if !matches!(outcome, Outcome::Quiet) {
            return Ok(answer(outcome));
        }
        // What the device did is done; from here on it only listens.
        if asked
            .collections
            .iter()
            .any(|c| !c.commands.is_empty() || !c.fetches.is_empty())
        {
            asked = Arc::new(asked.without_commands());
        }
        let account = &call.who;
        let is_over = loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break true,
                () = waiting.ended() => break true,
                () = call.stop.cancelled() => break true,
                () = call.app.accounts.ended(account.account.account_id, account.password_version) => break true,
                _ = watch.changed() => if has_news(call, &asked).await? { break false },
            }
        };
        if is_over {
            return Ok(Reply::Empty);
        }
    }
}

/// Whether any of the folders has something to tell; never louder than the exchange that follows.
async fn has_news(call: &Call, asked: &Asked) -> Result<bool, Fault> {
    for collection in &asked.collections {
        let Some(folder) = mail_folder(&collection.id) else {
            continue;
        };
        match call
            .app
            .devices
            .has_news(call.account(), &call.device.device_id, folder)
            .await
        {
            Ok(false) => {}
            Ok(true) | Err(SyncFault::NoFolder | SyncFault::Key | SyncFault::Busy) => {
                return Ok(true);
            }
            Err(SyncFault::Refused(refusal)) => return Err(refusal.into()),
        }
    }
    Ok(false)
}

fn answer(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Quiet => Reply::Empty,
        Outcome::Document(out) => Reply::Document(out),
    }
}

fn refused(bad: BadRequest) -> Reply {
    let mut out = Encoder::new();
    out.element(a::SYNC, |out| match bad {
        BadRequest::Status(status) => out.value(a::STATUS, status),
        BadRequest::Wait { limit } => {
            out.value(a::LIMIT, limit);
            out.value(a::STATUS, 14);
        }
    });
    Reply::Document(out)
}

/// The UID of a server id, if it lies in this folder.
fn uid_in(folder: &str, id: &str) -> Option<i64> {
    let (of, uid) = place(id)?;
    (mail_folder(folder) == Some(of)).then_some(uid)
}

/// A heartbeat in whole seconds.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs()
}
