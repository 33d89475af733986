//! `MoveItems` (MS-ASCMD 2.2.1.12). Here 3 is success.
//!
//! The message gets a new id in its new folder, and the `Add` there carries it. What was moved is remembered for a day, so that a
//! device whose answer was lost hears the same id again.

use super::call::{Call, Fault, Reply};
use super::email::{place, server_id};
use crate::error::Refusal;
use crate::format::wbxml::Encoder;
use crate::format::wbxml::pages::moves as m;
use crate::service::devices::hierarchy::mail_folder;
use crate::service::devices::moved::Move;

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let asked: Vec<_> = root.children(m::MOVE).collect();
    if asked.len() > MOST {
        return Err(Fault::Status(103));
    }
    let mut out = Encoder::new();
    out.open(m::MOVE_ITEMS);
    for one in asked {
        let text = |tag| one.text_of(tag).unwrap_or_default().trim().to_owned();
        let (id, from, to) = (
            text(m::SRC_MSG_ID),
            text(m::SRC_FLD_ID),
            text(m::DST_FLD_ID),
        );
        let (status, new_id) = move_one(call, &id, &from, &to).await?;
        out.element(m::RESPONSE, |out| {
            out.text(m::SRC_MSG_ID, &id);
            out.value(m::STATUS, status);
            if let Some(new_id) = &new_id {
                out.text(m::DST_MSG_ID, new_id);
            }
        });
    }
    Ok(Reply::Document(out))
}

async fn move_one(
    call: &Call,
    id: &str,
    from: &str,
    to: &str,
) -> Result<(u8, Option<String>), Fault> {
    let (Some(source), Some((in_folder, uid))) = (mail_folder(from), place(id)) else {
        return Ok((1, None));
    };
    if source != in_folder {
        return Ok((1, None));
    }
    let Some(target) = mail_folder(to) else {
        return Ok((2, None));
    };
    if source == target {
        return Ok((4, None));
    }
    let asked = Move {
        from: source,
        uid,
        to: target,
    };
    match call
        .app
        .devices
        .move_mail(call.account(), &call.device.device_id, asked)
        .await
    {
        Ok(new) => Ok((3, Some(server_id(target, new)))),
        Err(Refusal::NoMessage) => Ok((1, None)),
        Err(Refusal::NoFolder) => Ok((2, None)),
        Err(refusal) if Fault::of(&refusal) == 111 => Err(refusal.into()),
        Err(_) => Ok((5, None)),
    }
}

/// Moves of one request.
const MOST: usize = 1_000;
