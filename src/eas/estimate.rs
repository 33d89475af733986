//! `GetItemEstimate` (MS-ASCMD 2.2.1.9): how much the next `Sync` would bring. Some devices skip the Sync when it is 0, so it is
//! counted by the same choice.

use super::body::days_of;
use super::call::{Call, Fault, Reply};
use super::version::Version;
use crate::format::wbxml::pages::{airsync as a, estimate as g};
use crate::format::wbxml::{Element, Encoder};
use crate::service::devices::hierarchy::{OUTBOX, mail_folder};
use crate::service::devices::mail_sync::{Days, SyncFault};

pub(super) async fn run(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let Some(all) = root.child(g::COLLECTIONS) else {
        return Err(Fault::Status(103));
    };
    let asked: Vec<&Element<'_>> = all.children(g::COLLECTION).collect();
    if asked.is_empty() || asked.len() > MOST {
        return Err(Fault::Status(103));
    }
    let mut out = Encoder::new();
    out.open(g::GET_ITEM_ESTIMATE);
    for collection in asked {
        let id = collection
            .text_of(g::COLLECTION_ID)
            .unwrap_or_default()
            .trim()
            .to_owned();
        let key = collection
            .text_of(a::SYNC_KEY)
            .unwrap_or_default()
            .trim()
            .to_owned();
        let filter = collection
            .child(a::FILTER_TYPE)
            .or_else(|| collection.at(&[a::OPTIONS, a::FILTER_TYPE]));
        let days = filter
            .and_then(Element::number)
            .map(|n| Days(u8::try_from(n).ok().and_then(days_of)));
        let (status, estimate) = estimate(call, &id, &key, days).await?;
        out.element(g::RESPONSE, |out| {
            out.value(g::STATUS, status);
            out.element(g::COLLECTION, |out| {
                if call.version() < Version::V14_0 {
                    out.text(g::CLASS, "Email");
                }
                out.text(g::COLLECTION_ID, &id);
                if let Some(estimate) = estimate {
                    out.value(g::ESTIMATE, estimate);
                }
            });
        });
    }
    Ok(Reply::Document(out))
}

async fn estimate(
    call: &Call,
    id: &str,
    key: &str,
    days: Option<Days>,
) -> Result<(u8, Option<usize>), Fault> {
    if id == OUTBOX {
        return Ok((1, Some(0)));
    }
    let Some(folder) = mail_folder(id) else {
        return Ok((2, None));
    };
    if key == "0" || key.is_empty() {
        return Ok((3, None));
    }
    let device = call.device.device_id.as_str();
    match call
        .app
        .devices
        .estimate_mail(call.account(), device, (folder, key), days, COUNTED)
        .await
    {
        Ok(count) => Ok((1, Some(count))),
        Err(SyncFault::NoFolder) => Ok((2, None)),
        Err(SyncFault::Key) => Ok((4, None)),
        Err(SyncFault::Busy) => Err(Fault::Status(111)),
        Err(SyncFault::Refused(refusal)) => Err(refusal.into()),
    }
}

/// Collections of one request.
const MOST: usize = 1_000;
/// Nobody's progress bar needs to know more.
const COUNTED: usize = 10_000;
