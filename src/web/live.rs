//! `GET /events`: the browser's view of the change stream (ui.md 10; static/ts/live.ts has the contract).
//!
//! Event id = the account's change number, so a reconnect with `Last-Event-ID` hears only what it missed. Events carry ids and
//! numbers, no content. A waiting stream costs one task and its connection; the watch is opened before the first look, so nothing
//! falls between the two.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use futures_util::Stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{Page, WebError};
use super::mail::key_of;
use super::me::Me;
use super::session_store::hash_of;
use crate::model::{Flags, FolderId, ModSeq, SpecialUse};
use crate::service::changes::Watch;
use crate::service::live::{Change, Changes};
use crate::service::mail::FolderRow;

/// A comment line this often keeps proxies from closing the stream.
const HEARTBEAT: Duration = Duration::from_secs(25);

/// Where the page stands.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct After {
    after: i64,
}

/// `GET /events?after=`: the stream.
pub async fn events(me: Me, Query(after): Query<After>, headers: HeaderMap) -> Page {
    let after = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .and_then(|id| id.parse().ok())
        .unwrap_or(after.after);
    let watch = me.app.changes.watch(me.account);
    let stream = stream(me, watch, ModSeq(after));
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(HEARTBEAT).text(""))
        .into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// `GET /events/since?after=`: the same once, for browsers whose stream breaks.
pub async fn since(me: Me, Query(after): Query<After>) -> Result<Response, WebError> {
    let changes = me
        .app
        .changes_since(me.account, ModSeq(after.after))
        .await?;
    let folders = folder_keys(&me, &changes).await?;
    let events: Vec<Value> = changes
        .changes
        .iter()
        .map(|change| {
            let (event, data) = wire(change, &folders);
            json!({ "event": event, "data": data })
        })
        .collect();
    Ok(Json(json!({ "id": changes.upto.0, "events": events })).into_response())
}

/// Looks, says what is new, waits for the next wake. Ends with the session.
fn stream(me: Me, watch: Watch, since: ModSeq) -> impl Stream<Item = Result<Event, Infallible>> {
    let state = (me, watch, since, Vec::<Event>::new());
    futures_util::stream::unfold(
        state,
        |(me, mut watch, mut since, mut waiting)| async move {
            loop {
                if let Some(event) = waiting.pop() {
                    return Some((Ok(event), (me, watch, since, waiting)));
                }
                match look(&me, since).await {
                    Ok((upto, mut events)) => {
                        since = upto;
                        events.reverse();
                        waiting = events;
                    }
                    Err(e) => {
                        // The browser reconnects by itself and asks from where it stands.
                        tracing::debug!(protocol = "web", account = me.account.0, error = ?e, "an event stream ends");
                        return None;
                    }
                }
                if waiting.is_empty() {
                    watch.changed().await;
                    if has_ended(&me).await {
                        return None;
                    }
                }
            }
        },
    )
}

/// Whether the stream's own session was ended meanwhile (S-24): by its owner, by a changed password. The browser connects
/// again, is answered 401, and asks to sign in. While the database is away nothing has ended.
async fn has_ended(me: &Me) -> bool {
    match me.session.id().map(hash_of) {
        Some(hash) => matches!(me.app.accounts.session(&hash).await, Ok(None)),
        None => true,
    }
}

async fn look(me: &Me, since: ModSeq) -> Result<(ModSeq, Vec<Event>), WebError> {
    let changes = me.app.changes_since(me.account, since).await?;
    if changes.changes.is_empty() {
        return Ok((changes.upto, Vec::new()));
    }
    let folders = folder_keys(me, &changes).await?;
    let events = changes
        .changes
        .iter()
        .map(|change| {
            let (name, data) = wire(change, &folders);
            event(changes.upto, name, &data)
        })
        .collect();
    Ok((changes.upto, events))
}

fn event(id: ModSeq, name: &str, data: &Value) -> Event {
    Event::default()
        .id(id.to_string())
        .event(name)
        .data(data.to_string())
}

async fn folder_keys(me: &Me, changes: &Changes) -> Result<Vec<FolderRow>, WebError> {
    let needs = changes.changes.iter().any(|c| {
        matches!(
            c,
            Change::New { .. } | Change::Flags { .. } | Change::Gone { .. }
        )
    });
    Ok(if needs {
        me.app.mail.folders(me.account).await?
    } else {
        Vec::new()
    })
}

/// Name and data of one change.
fn wire(change: &Change, folders: &[FolderRow]) -> (&'static str, Value) {
    let find = |id: FolderId| folders.iter().find(|f| f.folder_id == id);
    let key = |id: FolderId| find(id).map_or_else(|| id.to_string(), key_of);
    match change {
        Change::New { folder, ids } => (
            "mail.new",
            json!({ "folder": key(*folder), "ids": strings(ids), "unread": find(*folder).map_or(0, |f| f.unseen_count) }),
        ),
        Change::Flags { folder, ids, flags } => {
            let (mut set, mut cleared) = (Vec::new(), Vec::new());
            for (flag, name) in [
                (Flags::SEEN, "seen"),
                (Flags::ANSWERED, "answered"),
                (Flags::FLAGGED, "flagged"),
                (Flags::FORWARDED, "forwarded"),
            ] {
                if flags.has(flag) {
                    &mut set
                } else {
                    &mut cleared
                }
                .push(name);
            }
            (
                "mail.flags",
                json!({ "folder": key(*folder), "ids": strings(ids), "set": set, "cleared": cleared }),
            )
        }
        Change::Gone { folder } => ("mail.gone", json!({ "folder": key(*folder), "ids": [] })),
        Change::Folders => ("folders", json!({})),
        Change::Count(f) => (
            "count",
            json!({
                "folder": key_of(f),
                "unread": f.unseen_count,
                "total": f.message_count,
                "role": f.special_use.as_deref().unwrap_or(""),
                // The column counts every draft, read or not.
                "shown": if f.special_use() == Some(SpecialUse::Drafts) { f.message_count } else { f.unseen_count },
            }),
        ),
        Change::Draft { draft, rev } => {
            ("draft", json!({ "draft": draft.to_string(), "rev": rev }))
        }
        Change::Outbox { id, state } => ("outbox", json!({ "id": id.to_string(), "state": state })),
        Change::Quota => ("quota", json!({})),
        Change::Reset => ("reset", json!({})),
    }
}

fn strings(ids: &[crate::model::EmailId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}
