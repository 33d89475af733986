//! `SendMail`, `SmartReply`, `SmartForward` (MS-ASCMD 2.2.1.17, 2.2.1.19, 2.2.1.20).
//!
//! Up to 12.1 the body is the message and the query says the rest; from 14.0 on it is a document. Success is an empty answer. A
//! recipient that is refused is told by a status and never by 500, which phones repeat for ever.

use super::call::{Call, Fault, Reply};
use super::email::place;
use super::query::Command;
use crate::error::Refusal;
use crate::format::wbxml::Element;
use crate::format::wbxml::pages::{compose as c, search};
use crate::model::FolderId;
use crate::service::devices::send::{SendFault, Sending, Verb};

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let verb = match call.asked.command {
        Command::SmartReply => Some(Verb::Reply),
        Command::SmartForward => Some(Verb::Forward),
        _ => None,
    };
    if !call.version().tells_in_band() {
        return old(call, verb).await;
    }
    let root = call.needed()?;
    let mime = root.child(c::MIME).ok_or(Fault::Status(103))?.bytes();
    let client_id = root.text_of(c::CLIENT_ID).ok_or(Fault::Status(103))?;
    let client_id = client_id.trim();
    if client_id.is_empty() || client_id.len() > CLIENT_ID {
        return Err(Fault::Status(103));
    }
    let source = match verb {
        Some(verb) => {
            let (folder, uid) = root
                .child(c::SOURCE)
                .and_then(source)
                .ok_or(Fault::Status(150))?;
            Some((verb, folder, uid))
        }
        None => None,
    };
    send(
        call,
        &Sending {
            client_id: Some(client_id),
            mime: &mime,
            keep: root
                .child(c::SAVE_IN_SENT_ITEMS)
                .is_some_and(|e| e.flag() != Some(false)),
            source,
            is_whole: root.child(c::REPLACE_MIME).is_some(),
        },
    )
    .await
}

async fn old(call: &Call, verb: Option<Verb>) -> Result<Reply, Fault> {
    let asked = &call.asked;
    let source = match verb {
        Some(verb) => {
            let id = asked.long_id.as_deref().or(asked.item_id.as_deref());
            let (folder, uid) = id.and_then(place).ok_or(Fault::Status(150))?;
            Some((verb, folder, uid))
        }
        None => None,
    };
    send(
        call,
        &Sending {
            client_id: None,
            mime: &call.body,
            keep: asked.save_in_sent,
            source,
            is_whole: false,
        },
    )
    .await
}

async fn send(call: &Call, sending: &Sending<'_>) -> Result<Reply, Fault> {
    let device = call.device.device_id.as_str();
    let sent = call
        .app
        .devices
        .send(&call.app, &call.who.account, device, sending)
        .await;
    Err(match sent {
        Ok(()) => return Ok(Reply::Empty),
        Err(SendFault::AlreadySent) => Fault::Status(118),
        Err(SendFault::NoMessage) => Fault::Status(107),
        Err(SendFault::NoRecipient) => Fault::Status(119),
        Err(SendFault::NoSource) => Fault::Status(150),
        Err(SendFault::Refused(Refusal::TooMany { .. })) => Fault::Status(115),
        Err(SendFault::Refused(Refusal::NotAllowed | Refusal::Invalid(_))) => Fault::Status(120),
        Err(SendFault::Refused(refusal)) => refusal.into(),
    })
}

/// The original: folder and item, or a search result's id.
fn source(element: &Element<'_>) -> Option<(FolderId, i64)> {
    let id = element
        .text_of(c::ITEM_ID)
        .or_else(|| element.text_of(c::LONG_ID))
        .or_else(|| element.text_of(search::LONG_ID))?;
    place(&id)
}

/// Characters of a device's own name of a sending (MS-ASCMD 2.2.3.30.1 says 40; some write more).
const CLIENT_ID: usize = 128;
