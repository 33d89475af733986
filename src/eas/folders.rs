//! `FolderSync`, `FolderCreate`, `FolderUpdate`, `FolderDelete` (MS-ASCMD 2.2.1.3 to 2.2.1.6).
//!
//! What a device changes itself is never told to it again: its list is brought up to date by the same answer.

use super::call::{Call, Fault, Reply};
use crate::error::Refusal;
use crate::format::wbxml::pages::folders as f;
use crate::format::wbxml::{Element, Encoder, Tag};
use crate::i18n::Lang;
use crate::service::devices::hierarchy::{FolderFault, FolderNews, KnownFolder};

/// The language its owner reads: folders of a fixed purpose are named in it.
pub(super) fn lang(call: &Call) -> Lang {
    call.who.account.locale.parse().unwrap_or_default()
}

/// What is new among the folders.
pub(super) async fn sync(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let Some(key) = root.text_of(f::SYNC_KEY) else {
        return Ok(status(f::FOLDER_SYNC, 10));
    };
    let device = call.device.device_id.as_str();
    let found = call
        .app
        .devices
        .sync_folders(call.account(), lang(call), device, key.trim())
        .await;
    match found {
        Ok(news) => Ok(Reply::Document(told(&news))),
        Err(FolderFault::Key) => Ok(status(f::FOLDER_SYNC, 9)),
        Err(FolderFault::Refused(refusal)) => Err(refusal.into()),
    }
}

fn told(news: &FolderNews) -> Encoder {
    let mut out = Encoder::new();
    let folder = |out: &mut Encoder, tag: Tag, folder: &KnownFolder| {
        out.element(tag, |out| {
            out.text(f::SERVER_ID, &folder.id);
            out.text(f::PARENT_ID, &folder.parent);
            out.text(f::DISPLAY_NAME, &folder.name);
            out.value(f::TYPE, folder.kind);
        });
    };
    out.element(f::FOLDER_SYNC, |out| {
        out.value(f::STATUS, 1);
        out.text(f::SYNC_KEY, &news.key);
        out.element(f::CHANGES, |out| {
            out.value(f::COUNT, news.count());
            for changed in &news.changed {
                folder(out, f::UPDATE, changed);
            }
            for gone in &news.gone {
                out.element(f::DELETE, |out| out.text(f::SERVER_ID, gone));
            }
            for added in &news.added {
                folder(out, f::ADD, added);
            }
        });
    });
    out
}

/// A new folder.
pub(super) async fn create(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let text = |tag| required(&root, tag);
    let (Some(key), Some(parent), Some(name), Some(kind)) = (
        text(f::SYNC_KEY),
        text(f::PARENT_ID),
        text(f::DISPLAY_NAME),
        text(f::TYPE),
    ) else {
        return Ok(status(f::FOLDER_CREATE, 10));
    };
    // 1: any folder; 12: a mail folder. What exists once already is not made by anybody.
    if !matches!(kind.as_str(), "1" | "12") || !(1..=NAME).contains(&name.chars().count()) {
        return Ok(status(f::FOLDER_CREATE, 10));
    }
    let device = call.device.device_id.as_str();
    let made = call
        .app
        .devices
        .create_folder(
            &call.app.mail,
            call.account(),
            device,
            (&key, &parent, &name),
        )
        .await;
    match made {
        Ok((id, key)) => Ok(done(f::FOLDER_CREATE, &key, Some(&id))),
        Err(FolderFault::Key) => Ok(status(f::FOLDER_CREATE, 9)),
        Err(FolderFault::Refused(Refusal::Exists)) => Ok(status(f::FOLDER_CREATE, 2)),
        Err(FolderFault::Refused(Refusal::NoFolder)) => Ok(status(f::FOLDER_CREATE, 5)),
        Err(FolderFault::Refused(Refusal::Invalid(_))) => Ok(status(f::FOLDER_CREATE, 10)),
        Err(FolderFault::Refused(refusal)) => failed(f::FOLDER_CREATE, refusal),
    }
}

/// Another name or place.
pub(super) async fn update(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let text = |tag| required(&root, tag);
    let (Some(key), Some(id), Some(parent), Some(name)) = (
        text(f::SYNC_KEY),
        text(f::SERVER_ID),
        text(f::PARENT_ID),
        text(f::DISPLAY_NAME),
    ) else {
        return Ok(status(f::FOLDER_UPDATE, 10));
    };
    if !(1..=NAME).contains(&name.chars().count()) {
        return Ok(status(f::FOLDER_UPDATE, 10));
    }
    let device = call.device.device_id.as_str();
    let done_as = call
        .app
        .devices
        .update_folder(
            &call.app.mail,
            call.account(),
            device,
            (&key, &id, &parent, &name),
        )
        .await;
    let is_below_itself = |path: &str| path == id;
    match done_as {
        Ok(key) => Ok(done(f::FOLDER_UPDATE, &key, None)),
        Err(FolderFault::Key) => Ok(status(f::FOLDER_UPDATE, 9)),
        Err(FolderFault::Refused(Refusal::Exists)) => Ok(status(f::FOLDER_UPDATE, 2)),
        Err(FolderFault::Refused(Refusal::NotAllowed)) => Ok(status(
            f::FOLDER_UPDATE,
            if is_below_itself(&parent) { 10 } else { 2 },
        )),
        Err(FolderFault::Refused(Refusal::NoFolder)) => Ok(status(f::FOLDER_UPDATE, 4)),
        Err(FolderFault::Refused(Refusal::NotFound)) => Ok(status(f::FOLDER_UPDATE, 5)),
        Err(FolderFault::Refused(Refusal::Invalid(_))) => Ok(status(f::FOLDER_UPDATE, 10)),
        Err(FolderFault::Refused(refusal)) => failed(f::FOLDER_UPDATE, refusal),
    }
}

/// Away with it; its messages lie in the trash then.
pub(super) async fn delete(call: &Call) -> Result<Reply, Fault> {
    let root = call.needed()?;
    let text = |tag| required(&root, tag);
    let (Some(key), Some(id)) = (text(f::SYNC_KEY), text(f::SERVER_ID)) else {
        return Ok(status(f::FOLDER_DELETE, 10));
    };
    let device = call.device.device_id.as_str();
    let gone = call
        .app
        .devices
        .delete_folder(&call.app.mail, call.account(), device, (&key, &id))
        .await;
    match gone {
        Ok(key) => Ok(done(f::FOLDER_DELETE, &key, None)),
        Err(FolderFault::Key) => Ok(status(f::FOLDER_DELETE, 9)),
        Err(FolderFault::Refused(Refusal::NotAllowed)) => Ok(status(f::FOLDER_DELETE, 3)),
        Err(FolderFault::Refused(Refusal::NoFolder)) => Ok(status(f::FOLDER_DELETE, 4)),
        Err(FolderFault::Refused(refusal)) => failed(f::FOLDER_DELETE, refusal),
    }
}

fn required(root: &Element<'_>, tag: Tag) -> Option<String> {
    root.text_of(tag).map(|text| text.trim().to_owned())
}

/// 6: the server could not; the device tries again. Storage that is away is told for the whole.
fn failed(root: Tag, refusal: Refusal) -> Result<Reply, Fault> {
    if Fault::of(&refusal) == 111 {
        return Err(refusal.into());
    }
    Ok(status(root, 6))
}

fn status(root: Tag, status: u8) -> Reply {
    let mut out = Encoder::new();
    out.element(root, |out| out.value(f::STATUS, status));
    Reply::Document(out)
}

fn done(root: Tag, key: &str, id: Option<&str>) -> Reply {
    let mut out = Encoder::new();
    out.element(root, |out| {
        out.value(f::STATUS, 1);
        out.text(f::SYNC_KEY, key);
        if let Some(id) = id {
            out.text(f::SERVER_ID, id);
        }
    });
    Reply::Document(out)
}

/// Characters of a folder's name.
const NAME: usize = 256;
