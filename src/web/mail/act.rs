//! Actions on messages and taking them back: `POST /mail/do`, `POST /undo/{token}` (static/ts/actions.ts has the contract).

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::RowId;
use super::list::find_folder;
use super::view::{folder_path, parse_filter};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::model::{EmailId, Flags, FolderId, ModSeq, SpecialUse, ThreadId};
use crate::service::drafts::Undone;
use crate::service::mail::actions::{Action, Done, FlagSet, Selection};
use crate::web::error::{Page, WebError, redirect};
use crate::web::form::Form;
use crate::web::headers::wants_part;
use crate::web::me::Me;
use crate::web::page::{Toast, header_json};

/// Ids one request may name; more is "everything in this folder".
const IDS: usize = 2000;

/// The fields of an action.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DoForm {
    from: String,
    ids: Vec<String>,
    op: String,
    one: String,
    #[serde(rename = "move")]
    target: String,
    all: String,
    filter: String,
    state: i64,
    quiet: String,
    back: String,
}

/// `POST /mail/do`.
pub async fn act(me: Me, headers: HeaderMap, Form(form): Form<DoForm>) -> Page {
    let folder = if form.from == "search" {
        None
    } else {
        Some(find_folder(&me, &form.from).await?)
    };
    let (word, selection) = selection(&form, folder)?;
    let (action, target) = action(&me, word, &form.target).await?;
    let done = me.app.mail.act(me.account, &selection, &action).await?;
    let toast = Toast {
        text: sentence(me.lang, word, &done, target.as_deref()),
        danger: false,
        undo: done.undo.clone(),
    };
    if wants_part(&headers) {
        return Ok(if form.quiet == "1" {
            StatusCode::OK.into_response()
        } else {
            triggered(&toast)
        });
    }
    let back = if form.back.is_empty() {
        format!("/mail/{}", form.from)
    } else {
        form.back.clone()
    };
    me.flash(toast).await?;
    Ok(redirect(&back))
}

/// The form of an undo.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct UndoForm {
    back: String,
}

/// `POST /undo/{token}`: takes the last action back.
pub async fn undo(
    me: Me,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<UndoForm>,
) -> Page {
    let toast = match me.app.undo(me.account, &token).await {
        Ok(Undone::Messages) => Toast {
            text: me.lang.t("done-undone"),
            ..Toast::default()
        },
        Ok(Undone::Draft(draft)) => {
            let href = format!("/mail/compose?draft={draft}");
            if !wants_part(&headers) {
                return Ok(redirect(&href));
            }
            let mut response = StatusCode::OK.into_response();
            let events = header_json(&json!({ "compose": { "href": href } }));
            if let Ok(value) = HeaderValue::from_str(&events) {
                response.headers_mut().insert("HX-Trigger", value);
            }
            return Ok(response);
        }
        Err(Refusal::NotFound) => too_late(me.lang),
        Err(e) => return Err(e.into()),
    };
    if wants_part(&headers) {
        return Ok(triggered(&toast));
    }
    me.flash(toast).await?;
    Ok(redirect(if form.back.is_empty() {
        "/mail/inbox"
    } else {
        &form.back
    }))
}

/// What cannot be taken back or hurried any more.
#[must_use]
pub fn too_late(lang: Lang) -> Toast {
    Toast {
        text: lang.t("done-too-late"),
        danger: true,
        undo: None,
    }
}

/// 200 with a toast for the page that is there.
#[must_use]
pub fn triggered(toast: &Toast) -> Response {
    let mut response = StatusCode::OK.into_response();
    if let Ok(value) = HeaderValue::from_str(&toast.trigger()) {
        response.headers_mut().insert("HX-Trigger", value);
    }
    response
}

/// What is meant: one row's own button, everything, or the ticked rows.
fn selection(form: &DoForm, folder: Option<FolderId>) -> Result<(&str, Selection), WebError> {
    if let Some((op, id)) = form.one.split_once(':') {
        return Ok((op, by_ids(folder, &[id])?));
    }
    let word = if form.op.is_empty() && !form.target.is_empty() {
        "move"
    } else {
        form.op.as_str()
    };
    if let (Some(folder), "1") = (folder, form.all.as_str()) {
        return Ok((
            word,
            Selection::All(folder, parse_filter(&form.filter), ModSeq(form.state)),
        ));
    }
    let ids: Vec<&str> = form
        .ids
        .iter()
        .flat_map(|ids| ids.split_whitespace())
        .take(IDS + 1)
        .collect();
    if ids.len() > IDS {
        return Err(WebError::Bad("error-too-many-rows"));
    }
    Ok((word, by_ids(folder, &ids)?))
}

fn by_ids(folder: Option<FolderId>, ids: &[&str]) -> Result<Selection, WebError> {
    let mut threads: Vec<ThreadId> = Vec::new();
    let mut emails: Vec<EmailId> = Vec::new();
    for id in ids {
        match RowId::parse(id) {
            Some(RowId::Thread(thread)) => threads.push(thread),
            Some(RowId::Email(email)) => emails.push(email),
            // The script names messages of a conversation by their bare numbers (data-m, data-unread).
            None => match id.parse() {
                Ok(email) => emails.push(email),
                Err(_) => return Err(WebError::Bad("error-bad-request")),
            },
        }
    }
    if threads.is_empty() && emails.is_empty() {
        return Err(WebError::Bad("error-nothing-selected"));
    }
    Ok(match folder {
        None => Selection::Anywhere(emails),
        Some(folder) if threads.is_empty() => Selection::Emails(folder, emails),
        Some(folder) => Selection::Threads(folder, threads),
    })
}

async fn action(me: &Me, word: &str, target: &str) -> Result<(Action, Option<String>), WebError> {
    let flag = |set, clear| Ok((Action::Flag(FlagSet { set, clear }), None));
    match word {
        "read" => flag(Flags::SEEN, Flags::NONE),
        "unread" => flag(Flags::NONE, Flags::SEEN),
        "star" => flag(Flags::FLAGGED, Flags::NONE),
        "unstar" => flag(Flags::NONE, Flags::FLAGGED),
        "archive" => Ok((Action::MoveTo(SpecialUse::Archive), None)),
        "junk" => Ok((Action::MoveTo(SpecialUse::Junk), None)),
        "notjunk" => Ok((Action::MoveTo(SpecialUse::Inbox), None)),
        "delete" => Ok((Action::Delete, None)),
        "purge" => Ok((Action::Purge, None)),
        "move" => {
            let folder = me
                .app
                .mail
                .folder(me.account, find_folder(me, target).await?)
                .await?;
            Ok((
                Action::Move(folder.folder_id),
                Some(folder_path(&folder, me.lang)),
            ))
        }
        _ => Err(WebError::Bad("error-bad-request")),
    }
}

/// "3 conversations archived."
fn sentence(lang: Lang, word: &str, done: &Done, target: Option<&str>) -> String {
    let n = done.threads;
    match word {
        "read" => lang.t_n("done-read", n),
        "unread" => lang.t_n("done-unread", n),
        "star" => lang.t_n("done-star", n),
        "unstar" => lang.t_n("done-unstar", n),
        "archive" => lang.t_n("done-archive", n),
        "junk" => lang.t_n("done-junk", n),
        "notjunk" => lang.t_n("done-notjunk", n),
        "move" => lang.t_args(
            "done-move",
            &[
                ("n", i64::try_from(n).unwrap_or(i64::MAX).into()),
                ("folder", target.unwrap_or_default().to_owned().into()),
            ],
        ),
        _ if done.purged => lang.t_n("done-purge", n),
        _ => lang.t_n("done-delete", n),
    }
}
