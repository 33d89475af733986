//! Reading a `Sync` request, whole, in part or empty.
//!
//! A request that came whole is kept, without its commands and keys: an empty one asks for the same again, one with `Partial` for
//! the same with changes, each folder with the key that is valid then.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{seconds, uid_in};
use crate::eas::body::Options;
use crate::eas::call::{Call, Fault};
use crate::format::wbxml::Element;
use crate::format::wbxml::pages::{airsync as a, email as e};
use crate::service::devices::mail_commands::{Command, FollowUp};

/// One folder of a request.
#[derive(Debug, Clone)]
pub(super) struct Collection {
    pub id: String,
    /// None: the one that is valid now.
    pub key: Option<String>,
    pub options: Option<Options>,
    pub deletes_as_moves: bool,
    pub get_changes: bool,
    pub window: usize,
    pub commands: Vec<Command>,
    /// The server id of each command, as it was written.
    pub command_ids: Vec<String>,
    /// Commands that are refused, each with its element, id and status.
    pub refused: Vec<Refused>,
    /// Server ids to be told whole.
    pub fetches: Vec<String>,
}

/// A command that cannot be run.
#[derive(Debug, Clone)]
pub(super) enum Refused {
    /// An Add, by its client id.
    Add(String),
    /// A Change, by its server id.
    Change(String, u8),
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub collections: Vec<Collection>,
    pub wait: Option<Duration>,
    /// Most changes of the whole answer.
    pub window: usize,
}

impl Asked {
    pub fn without_commands(&self) -> Self {
        let mut asked = self.clone();
        for collection in &mut asked.collections {
            collection.commands.clear();
            collection.command_ids.clear();
            collection.refused.clear();
            collection.fetches.clear();
            // The commands' answer would have brought another key.
            collection.options = None;
        }
        asked
    }
}

/// Why a request is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadRequest {
    /// MS-ASCMD 2.2.3.177.17.
    Status(u8),
    /// A wait beyond the limits, of which this is the nearest.
    Wait {
        /// In the unit that was used.
        limit: u64,
    },
}

/// What is kept of a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Kept {
    collections: Vec<KeptCollection>,
    wait_seconds: Option<u64>,
    window: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptCollection {
    id: String,
    deletes_as_moves: bool,
    get_changes: bool,
    window: usize,
}

/// Reads the request and what was kept, and keeps this one.
pub(super) async fn read(call: &Call) -> Result<Result<Asked, BadRequest>, Fault> {
    let kept: Kept = call
        .device
        .requests
        .get("sync")
        .and_then(|kept| Kept::deserialize(kept).ok())
        .unwrap_or_default();
    let Some(root) = call.document()? else {
        if kept.collections.is_empty() {
            return Ok(Err(BadRequest::Status(13)));
        }
        return Ok(Ok(repeat(&kept)));
    };
    let asked = match parse(call, &root, &kept) {
        Ok(asked) => asked,
        Err(bad) => return Ok(Err(bad)),
    };
    let keep = Kept {
        collections: asked
            .collections
            .iter()
            .map(|c| KeptCollection {
                id: c.id.clone(),
                deletes_as_moves: c.deletes_as_moves,
                get_changes: c.get_changes,
                window: c.window,
            })
            .collect(),
        wait_seconds: asked.wait.map(seconds),
        window: asked.window,
    };
    if let Ok(value) = serde_json::to_value(&keep) {
        call.app
            .devices
            .keep_request(call.account(), &call.device, "sync", &value)
            .await?;
    }
    Ok(Ok(asked))
}

fn repeat(kept: &Kept) -> Asked {
    Asked {
        collections: kept.collections.iter().map(again).collect(),
        wait: kept.wait_seconds.map(Duration::from_secs),
        window: kept.window,
    }
}

fn again(kept: &KeptCollection) -> Collection {
    Collection {
        id: kept.id.clone(),
        key: None,
        options: None,
        deletes_as_moves: kept.deletes_as_moves,
        get_changes: kept.get_changes,
        window: kept.window,
        commands: Vec::new(),
        command_ids: Vec::new(),
        refused: Vec::new(),
        fetches: Vec::new(),
    }
}

fn parse(call: &Call, root: &Element<'_>, kept: &Kept) -> Result<Asked, BadRequest> {
    let wait = wait(call, root)?;
    let usual = usize::try_from(call.app.config.eas.window).unwrap_or(100);
    let window = match root.child(a::WINDOW_SIZE) {
        Some(size) => window(size)?,
        None => MOST_WINDOW,
    };
    let mut collections = Vec::new();
    if let Some(all) = root.child(a::COLLECTIONS) {
        for element in all.children(a::COLLECTION) {
            let read = collection(element, usual)?;
            if collections.iter().any(|c: &Collection| c.id == read.id) {
                return Err(BadRequest::Status(4));
            }
            collections.push(read);
        }
    }
    let mut asked = Asked {
        collections,
        wait,
        window,
    };
    if root.child(a::PARTIAL).is_some() {
        if kept.collections.is_empty() {
            return Err(BadRequest::Status(13));
        }
        for old in &kept.collections {
            if !asked.collections.iter().any(|c| c.id == old.id) {
                asked.collections.push(again(old));
            }
        }
        asked.wait = asked.wait.or(kept.wait_seconds.map(Duration::from_secs));
        if root.child(a::WINDOW_SIZE).is_none() {
            asked.window = kept.window;
        }
    } else if asked.collections.is_empty() {
        return Err(BadRequest::Status(4));
    }
    let commands: usize = asked
        .collections
        .iter()
        .map(|c| c.commands.len() + c.refused.len() + c.fetches.len())
        .sum();
    if commands > MOST_COMMANDS {
        return Err(BadRequest::Status(4));
    }
    Ok(asked)
}

/// `Wait` in minutes or `HeartbeatInterval` in seconds, not both.
fn wait(call: &Call, root: &Element<'_>) -> Result<Option<Duration>, BadRequest> {
    let limits = &call.app.config.eas;
    let (least, most) = (seconds(limits.heartbeat_min), seconds(limits.heartbeat_max));
    let number = |element: &Element<'_>| {
        element
            .number()
            .and_then(|n| u64::try_from(n).ok())
            .ok_or(BadRequest::Status(4))
    };
    let (asked, unit) = match (root.child(a::WAIT), root.child(a::HEARTBEAT_INTERVAL)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(BadRequest::Status(4)),
        (Some(minutes), None) => (number(minutes)?, 60),
        (None, Some(heartbeat)) => (number(heartbeat)?, 1),
    };
    let wanted = asked.saturating_mul(unit);
    if wanted < least {
        return Err(BadRequest::Wait {
            limit: least.div_ceil(unit),
        });
    }
    if wanted > most {
        return Err(BadRequest::Wait { limit: most / unit });
    }
    Ok(Some(Duration::from_secs(wanted)))
}

/// 0 and more than 512 mean 512 (MS-ASCMD 2.2.3.199).
fn window(element: &Element<'_>) -> Result<usize, BadRequest> {
    let size = element.number().ok_or(BadRequest::Status(4))?;
    Ok(usize::try_from(size)
        .ok()
        .filter(|size| (1..=MOST_WINDOW).contains(size))
        .unwrap_or(MOST_WINDOW))
}

fn collection(element: &Element<'_>, usual: usize) -> Result<Collection, BadRequest> {
    let needed = |tag| {
        element
            .text_of(tag)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .ok_or(BadRequest::Status(4))
    };
    let flag = |tag, otherwise| match element.child(tag) {
        Some(value) => value.flag().ok_or(BadRequest::Status(4)),
        None => Ok(otherwise),
    };
    let mut read = Collection {
        id: needed(a::COLLECTION_ID)?,
        key: Some(needed(a::SYNC_KEY)?),
        options: options(element)?,
        deletes_as_moves: flag(a::DELETES_AS_MOVES, true)?,
        get_changes: flag(a::GET_CHANGES, true)?,
        window: match element.child(a::WINDOW_SIZE) {
            Some(size) => window(size)?,
            None => usual,
        },
        commands: Vec::new(),
        command_ids: Vec::new(),
        refused: Vec::new(),
        fetches: Vec::new(),
    };
    if let Some(commands) = element.child(a::COMMANDS) {
        for one in commands.elements() {
            command(&mut read, one)?;
        }
    }
    Ok(read)
}

/// The options for mail; those for SMS are passed over, the same class twice is an error.
fn options(element: &Element<'_>) -> Result<Option<Options>, BadRequest> {
    let mut found = None;
    for one in element.children(a::OPTIONS) {
        if one
            .text_of(a::CLASS)
            .is_some_and(|class| class.trim() == "SMS")
        {
            continue;
        }
        let read = Options::read(one).ok_or(BadRequest::Status(4))?;
        if found.replace(read).is_some() {
            return Err(BadRequest::Status(4));
        }
    }
    Ok(found)
}

fn command(into: &mut Collection, element: &Element<'_>) -> Result<(), BadRequest> {
    let id = |tag| {
        element
            .text_of(tag)
            .map(|text| text.trim().to_owned())
            .ok_or(BadRequest::Status(4))
    };
    match element.tag {
        // Mail is sent, not added (drafts come with 16.0).
        a::ADD => into.refused.push(Refused::Add(id(a::CLIENT_ID)?)),
        a::FETCH => into.fetches.push(id(a::SERVER_ID)?),
        a::DELETE => {
            let id = id(a::SERVER_ID)?;
            // What is not there is deleted already.
            if let Some(uid) = uid_in(&into.id, &id) {
                into.commands.push(Command::Delete { uid });
                into.command_ids.push(id);
            }
        }
        a::CHANGE => {
            let id = id(a::SERVER_ID)?;
            let data = element
                .child(a::APPLICATION_DATA)
                .ok_or(BadRequest::Status(4))?;
            match (uid_in(&into.id, &id), change(data)) {
                (None, _) => into.refused.push(Refused::Change(id, 8)),
                (Some(_), None) => into.refused.push(Refused::Change(id, 6)),
                (Some(uid), Some((read, flag, categories))) => {
                    into.commands.push(Command::Change {
                        uid,
                        read,
                        flag,
                        categories,
                    });
                    into.command_ids.push(id);
                }
            }
        }
        _ => {}
    }
    Ok(())
}

type FlagsAsked = (Option<bool>, Option<FollowUp>, Option<Vec<String>>);

/// What a device may write of a message. None: a value that cannot be.
fn change(data: &Element<'_>) -> Option<FlagsAsked> {
    let read = match data.child(e::READ) {
        Some(read) if !read.text().trim().is_empty() => Some(read.flag()?),
        Some(_) => return None,
        None => None,
    };
    let flag = match data.child(e::FLAG) {
        Some(flag) => Some(match flag.text_of(e::STATUS).as_deref().map(str::trim) {
            // An empty flag is none; some write it as an empty text.
            None | Some("" | "0") => FollowUp::Clear,
            Some("1") => FollowUp::Complete,
            Some("2") => FollowUp::Active,
            Some(_) => return None,
        }),
        None => None,
    };
    let categories = data.child(e::CATEGORIES).map(|all| {
        all.children(e::CATEGORY)
            .map(|one| one.text().into_owned())
            .take(300)
            .collect()
    });
    Some((read, flag, categories))
}

/// MS-ASCMD 2.2.3.199.
const MOST_WINDOW: usize = 512;
/// The document says 200; devices that send more are not cut off for it.
const MOST_COMMANDS: usize = 512;
