//! One exchange a folder, and the answer of all of them.
//!
//! ```text
//! Collection( SyncKey CollectionId Status MoreAvailable? Responses? Commands? )        in exactly this order
//! ```
//!
//! A folder with nothing to say is left out, and an answer with nothing to say is empty. Each message is written alone: one that
//! cannot be is left out and logged, and the others go on. The answer is cut at its size; a message beyond it goes alone.

use super::request::{Asked, Collection, Refused};
use super::uid_in;
use crate::eas::body::Options;
use crate::eas::call::{Call, Fault};
use crate::eas::email;
use crate::error::Refusal;
use crate::format::wbxml::Encoder;
use crate::format::wbxml::pages::airsync as a;
use crate::model::FolderId;
use crate::service::devices::hierarchy::{OUTBOX, mail_folder};
use crate::service::devices::mail_commands::Ran;
use crate::service::devices::mail_sync::{
    Ask, AskedKey, Entry, Exchange, MessageRow, SyncFault, Tell,
};

/// What is to be answered.
pub(super) enum Outcome {
    /// Nothing.
    Quiet,
    /// This.
    Document(Encoder),
}

/// How much may still be told.
struct Room {
    window: usize,
    octets: u64,
}

/// All folders of a request, in its order, until the answer is full.
pub(super) async fn all(call: &Call, asked: &Asked) -> Result<Outcome, Fault> {
    let mut out = Encoder::new();
    let mut room = Room {
        window: asked.window,
        octets: u64::try_from(call.app.config.eas.answer_body).unwrap_or(u64::MAX),
    };
    let mut is_quiet = true;
    out.open(a::SYNC);
    out.open(a::COLLECTIONS);
    for collection in &asked.collections {
        let has_commands = !collection.commands.is_empty()
            || !collection.refused.is_empty()
            || !collection.fetches.is_empty();
        if room.window == 0 && !has_commands && collection.key.as_deref() != Some("0") {
            // The device asks again for what did not fit.
            continue;
        }
        if let Some(piece) = one(call, collection, &mut room).await? {
            is_quiet = false;
            out.append(piece);
        }
    }
    if is_quiet {
        return Ok(Outcome::Quiet);
    }
    Ok(Outcome::Document(out))
}

/// One folder; nothing when there is nothing to say.
async fn one(
    call: &Call,
    collection: &Collection,
    room: &mut Room,
) -> Result<Option<Encoder>, Fault> {
    if collection.id == OUTBOX {
        return Ok(outbox(collection));
    }
    let Some(folder) = mail_folder(&collection.id) else {
        return Ok(Some(verdict(collection, 12)));
    };
    let (account, device) = (call.account(), call.device.device_id.as_str());
    let devices = &call.app.devices;
    let options = match &collection.options {
        Some(options) => Some(
            serde_json::to_value(options)
                .map_err(|_| Fault::Refused(Refusal::Internal("options")))?,
        ),
        None => None,
    };
    if collection.key.as_deref() == Some("0") {
        return match devices.start_mail(account, device, folder, options).await {
            Ok(key) => {
                let mut out = Encoder::fragment();
                head(&mut out, &key, &collection.id, 1);
                Ok(Some(out))
            }
            Err(fault) => Ok(Some(refused(collection, fault))),
        };
    }
    let key = collection
        .key
        .as_deref()
        .map_or(AskedKey::Current, AskedKey::Key);
    let ask = Ask {
        folder,
        key,
        options,
        days: Options::days,
        commands: &collection.commands,
        deletes_as_moves: collection.deletes_as_moves,
        get_changes: collection.get_changes,
        window: collection.window.min(room.window.max(1)),
    };
    let exchange = match devices.exchange_mail(account, device, ask).await {
        Ok(exchange) => exchange,
        Err(fault) => return Ok(Some(refused(collection, fault))),
    };
    let answers_commands = !collection.refused.is_empty() || !collection.fetches.is_empty();
    let is_quiet = exchange.is_quiet() && !answers_commands;
    let told = tell(call, folder, &exchange, room).await;
    let (changes, taken) = match told {
        Ok(told) => told,
        Err(refusal) => {
            devices.drop_mail(account, device, exchange).await;
            return Ok(Some(refused(collection, SyncFault::Refused(refusal))));
        }
    };
    let responses = match responses(call, folder, collection, &exchange).await {
        Ok(responses) => responses,
        Err(refusal) => {
            devices.drop_mail(account, device, exchange).await;
            return Ok(Some(refused(collection, SyncFault::Refused(refusal))));
        }
    };
    room.window = room.window.saturating_sub(taken);
    let done = match devices.finish_mail(account, device, exchange, taken).await {
        Ok(done) => done,
        Err(fault) => return Ok(Some(refused(collection, fault))),
    };
    if is_quiet && done.is_same {
        return Ok(None);
    }
    let mut out = Encoder::fragment();
    head(&mut out, &done.key, &collection.id, 1);
    if done.more {
        out.empty(a::MORE_AVAILABLE);
    }
    if responses.size() > 0 {
        out.open(a::RESPONSES);
        out.append(responses);
        out.close();
    }
    if changes.size() > 0 {
        out.open(a::COMMANDS);
        out.append(changes);
        out.close();
    }
    Ok(Some(out))
}

/// The beginning of a `Collection`, which stays open.
fn head(out: &mut Encoder, key: &str, id: &str, status: u8) {
    out.open(a::COLLECTION);
    out.text(a::SYNC_KEY, key);
    out.text(a::COLLECTION_ID, id);
    out.value(a::STATUS, status);
}

fn verdict(collection: &Collection, status: u8) -> Encoder {
    let mut out = Encoder::fragment();
    let key = collection.key.as_deref().unwrap_or("0");
    head(&mut out, key, &collection.id, status);
    out
}

/// 3 costs the device everything it has; it is said for a key that cannot be, and never for what may work in a minute.
fn refused(collection: &Collection, fault: SyncFault) -> Encoder {
    let status = match fault {
        SyncFault::Key => 3,
        SyncFault::NoFolder => 12,
        SyncFault::Busy => 16,
        SyncFault::Refused(refusal) => match Fault::of(&refusal) {
            111 => {
                tracing::error!(protocol = "eas", command = "Sync", error = %refusal, "a folder was not answered");
                16
            }
            _ => 5,
        },
    };
    verdict(collection, status)
}

/// Nothing is ever in it.
fn outbox(collection: &Collection) -> Option<Encoder> {
    const KEY: &str = "outbox:1";
    match collection.key.as_deref() {
        Some("0") => {
            let mut out = Encoder::fragment();
            head(&mut out, KEY, &collection.id, 1);
            Some(out)
        }
        Some(KEY) | None if collection.refused.is_empty() => None,
        Some(KEY) | None => {
            let mut out = Encoder::fragment();
            head(&mut out, KEY, &collection.id, 1);
            out.open(a::RESPONSES);
            for refused in &collection.refused {
                write_refused(&mut out, refused);
            }
            out.close();
            Some(out)
        }
        Some(_) => Some(verdict(collection, 3)),
    }
}

/// Writes what is to be told until the answer is full. Returns it, and how many entries it covers.
async fn tell(
    call: &Call,
    folder: FolderId,
    exchange: &Exchange,
    room: &mut Room,
) -> Result<(Encoder, usize), Refusal> {
    let options = Options::of(exchange.options());
    let mut out = Encoder::fragment();
    for (taken, entry) in exchange.entries().iter().enumerate() {
        let mark = out.mark();
        let row = exchange.rows.iter().find(|row| row.uid.0 == entry.uid);
        match write_entry(call, &mut out, (folder, *entry), row, &options).await {
            Ok(()) => {}
            Err(refusal)
                if Fault::of(&refusal) == 111 && !matches!(refusal, Refusal::Internal(_)) =>
            {
                return Err(refusal);
            }
            Err(refusal) => {
                // One message that cannot be told must not hold up all others for ever.
                tracing::error!(account = call.account().0, protocol = "eas", uid = entry.uid, error = %refusal, "a message was left out");
                out.rewind(mark);
            }
        }
        if out.size() > room.octets && taken > 0 {
            out.rewind(mark);
            room.octets = 0;
            return Ok((out, taken));
        }
    }
    room.octets = room.octets.saturating_sub(out.size());
    Ok((out, exchange.entries().len()))
}

async fn write_entry(
    call: &Call,
    out: &mut Encoder,
    (folder, entry): (FolderId, Entry),
    row: Option<&MessageRow>,
    options: &Options,
) -> Result<(), Refusal> {
    let id = email::server_id(folder, entry.uid);
    match (entry.tell, row) {
        (Tell::Delete, _) => out.element(a::DELETE, |out| out.text(a::SERVER_ID, &id)),
        (Tell::SoftDelete, _) => out.element(a::SOFT_DELETE, |out| out.text(a::SERVER_ID, &id)),
        (Tell::Change, Some(row)) => out.element(a::CHANGE, |out| {
            out.text(a::SERVER_ID, &id);
            out.element(a::APPLICATION_DATA, |out| {
                email::write_change(out, row, call.version());
            });
        }),
        (Tell::Add, Some(row)) => {
            out.open(a::ADD);
            out.text(a::SERVER_ID, &id);
            out.open(a::APPLICATION_DATA);
            email::write(call, out, row, options).await?;
            out.close();
            out.close();
        }
        // It left while the page was made; its end comes with the next one, or nobody has it.
        (Tell::Change | Tell::Add, None) => {}
    }
    Ok(())
}

fn write_refused(out: &mut Encoder, refused: &Refused) {
    match refused {
        Refused::Add(client_id) => out.element(a::ADD, |out| {
            out.text(a::CLIENT_ID, client_id);
            out.value(a::STATUS, 6);
        }),
        Refused::Change(id, status) => out.element(a::CHANGE, |out| {
            out.text(a::SERVER_ID, id);
            out.value(a::STATUS, status);
        }),
    }
}

/// What became of the device's commands: what succeeded is not spoken of.
async fn responses(
    call: &Call,
    folder: FolderId,
    collection: &Collection,
    exchange: &Exchange,
) -> Result<Encoder, Refusal> {
    let mut out = Encoder::fragment();
    for refused in &collection.refused {
        write_refused(&mut out, refused);
    }
    for (ran, id) in exchange.ran.iter().zip(&collection.command_ids) {
        if *ran == Ran::NotFound {
            write_refused(&mut out, &Refused::Change(id.clone(), 8));
        }
    }
    if collection.fetches.is_empty() {
        return Ok(out);
    }
    let options = Options::of(exchange.options());
    let uids: Vec<i64> = collection
        .fetches
        .iter()
        .filter_map(|id| uid_in(&collection.id, id))
        .collect();
    let rows = call
        .app
        .devices
        .messages(call.account(), folder, &uids)
        .await?;
    for id in &collection.fetches {
        let uid = uid_in(&collection.id, id);
        let row = rows.iter().find(|row| Some(row.uid.0) == uid);
        out.open(a::FETCH);
        out.text(a::SERVER_ID, id);
        match row {
            None => out.value(a::STATUS, 8),
            Some(row) => {
                out.value(a::STATUS, 1);
                out.open(a::APPLICATION_DATA);
                email::write(call, &mut out, row, &options).await?;
                out.close();
            }
        }
        out.close();
    }
    Ok(out)
}
