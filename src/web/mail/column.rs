//! The folder column, the quota meter, and the pages that manage folders.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::view::{Ctx, folder_name, folder_path};
use super::{FolderKey, key_of};
use crate::error::Refusal;
use crate::format::html::visible;
use crate::i18n::Lang;
use crate::model::{FolderId, SpecialUse};
use crate::service::mail::FolderRow;
use crate::web::error::{Page, WebError, redirect};
use crate::web::form::Form;
use crate::web::me::Me;
use crate::web::page::{Area, Layout, Quota, Toast};

/// The folder column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Special folders in fixed order.
    pub special: Vec<Folder>,
    /// The user's own as a tree, flattened.
    pub own: Vec<Folder>,
    /// Messages on their way out; the entry is there while there are any.
    pub outbox: i64,
    /// The open one's key.
    pub at: String,
    /// The meter at its foot.
    pub quota: Quota,
    /// Its text.
    pub quota_text: String,
}

/// One folder of the column.
#[derive(Debug, Clone)]
pub struct Folder {
    /// `inbox` or a number.
    pub key: String,
    /// `inbox`, or empty.
    pub role: &'static str,
    /// Drawing.
    pub icon: &'static str,
    /// Shown name.
    pub name: String,
    /// Unread; in drafts all.
    pub count: i64,
    /// Counts unread messages, so it is bold.
    pub is_unread: bool,
    /// Depth, 0 at the top.
    pub level: usize,
    /// Key that jumps here.
    pub shortcut: &'static str,
    /// Messages may be dropped here.
    pub takes_drops: bool,
}

const ORDER: [SpecialUse; 6] = [
    SpecialUse::Inbox,
    SpecialUse::Drafts,
    SpecialUse::Sent,
    SpecialUse::Archive,
    SpecialUse::Junk,
    SpecialUse::Trash,
];

/// The column for a page whose open folder is `at`.
#[must_use]
pub fn column_of(c: &Ctx, folders: &[FolderRow], at: &str, layout: &Layout) -> Column {
    let special = ORDER
        .into_iter()
        .filter_map(|use_| folders.iter().find(|f| f.special_use() == Some(use_)))
        .map(|f| folder(c.lang, f, 0))
        .collect();
    let mut own: Vec<&FolderRow> = folders.iter().filter(|f| f.special_use.is_none()).collect();
    own.sort_by_key(|f| path_key(f));
    Column {
        special,
        own: own
            .into_iter()
            .map(|f| folder(c.lang, f, f.name.matches('/').count()))
            .collect(),
        outbox: layout.outbox,
        at: at.to_owned(),
        quota: layout.quota,
        quota_text: layout.quota.text(&c.lang),
    }
}

/// Orders folders by name, each one right before what lies in it.
fn path_key(folder: &FolderRow) -> String {
    folder.name.to_lowercase().replace('/', "\u{1}")
}

fn folder(lang: Lang, row: &FolderRow, level: usize) -> Folder {
    let special = row.special_use();
    let (icon, shortcut) = match special {
        Some(SpecialUse::Inbox) => ("inbox", "g i"),
        Some(SpecialUse::Drafts) => ("draft", "g d"),
        Some(SpecialUse::Sent) => ("send", "g s"),
        Some(SpecialUse::Archive) => ("archive", "g a"),
        Some(SpecialUse::Junk) => ("junk", "g x"),
        Some(SpecialUse::Trash) => ("trash", "g t"),
        Some(SpecialUse::Snoozed) => ("clock", ""),
        None => ("folder", ""),
    };
    let is_drafts = special == Some(SpecialUse::Drafts);
    Folder {
        key: key_of(row),
        role: special.map_or("", SpecialUse::word),
        icon,
        name: folder_name(row, lang),
        count: if is_drafts {
            row.message_count
        } else {
            row.unseen_count
        },
        is_unread: !is_drafts && row.unseen_count > 0,
        level: level.min(4),
        shortcut,
        takes_drops: !is_drafts && special != Some(SpecialUse::Sent),
    }
}

#[derive(Template)]
#[template(path = "mail/_folders.html")]
struct ColumnPart<'a> {
    c: &'a Ctx,
    column: &'a Column,
}

#[derive(Template)]
#[template(path = "mail/_quota.html")]
struct QuotaPart<'a> {
    c: &'a Ctx,
    column: &'a Column,
}

/// Which folder is open.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct At {
    at: String,
}

/// `GET /mail/folders/column?at=`: the column alone.
pub async fn column(me: Me, Query(at): Query<At>) -> Page {
    let (c, column) = load(&me, &at.at).await?;
    Ok(Html(
        ColumnPart {
            c: &c,
            column: &column,
        }
        .render()?,
    )
    .into_response())
}

/// `GET /mail/quota`: the meter alone.
pub async fn quota(me: Me) -> Page {
    let (c, column) = load(&me, "").await?;
    Ok(Html(
        QuotaPart {
            c: &c,
            column: &column,
        }
        .render()?,
    )
    .into_response())
}

async fn load(me: &Me, at: &str) -> Result<(Ctx, Column), WebError> {
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let layout = me.layout(Area::Mail, String::new(), &folders).await?;
    let column = column_of(&c, &folders, at, &layout);
    Ok((c, column))
}

/// A folder as the managing page lists it.
#[derive(Debug, Clone)]
struct Managed {
    key: String,
    name: String,
    messages: String,
    size: String,
    is_special: bool,
    can_empty: bool,
}

#[derive(Template)]
#[template(path = "mail/folders.html")]
struct FoldersPage {
    layout: Layout,
    c: Ctx,
    column: Column,
    folders: Vec<Managed>,
    parents: Vec<(String, String)>,
    error: String,
    name: String,
}

#[derive(Template)]
#[template(path = "mail/folder_edit.html")]
struct FolderPage {
    layout: Layout,
    c: Ctx,
    column: Column,
    key: String,
    name: String,
    parent: String,
    parents: Vec<(String, String)>,
    messages: i64,
    error: String,
}

/// `GET /mail/folders`: all folders, and the form for a new one.
pub async fn manage(me: Me) -> Page {
    folders_page(&me, String::new(), String::new()).await
}

async fn folders_page(me: &Me, error: String, name: String) -> Page {
    let (c, column) = load(me, "").await?;
    let mut rows = me.app.mail.folders(me.account).await?;
    // As the column has them.
    rows.sort_by_key(|f| {
        let special = ORDER.iter().position(|s| f.special_use() == Some(*s));
        (special.unwrap_or(ORDER.len()), path_key(f))
    });
    let folders = rows
        .iter()
        .map(|f| Managed {
            key: key_of(f),
            name: folder_path(f, me.lang),
            messages: me.lang.t_n("count-messages", f.message_count),
            size: me.lang.size(f.total_bytes),
            is_special: f.special_use.is_some(),
            can_empty: f.message_count > 0
                && matches!(f.special_use(), Some(SpecialUse::Trash | SpecialUse::Junk)),
        })
        .collect();
    let layout = me.layout(Area::Mail, me.lang.t("folders"), &rows).await?;
    let page = FoldersPage {
        parents: parents(me.lang, &rows, None),
        layout,
        c,
        column,
        folders,
        name,
        error: error.clone(),
    };
    let status = if error.is_empty() {
        axum::http::StatusCode::OK
    } else {
        axum::http::StatusCode::UNPROCESSABLE_ENTITY
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// Folders that may hold others: the user's own, and not the one that is being moved.
fn parents(lang: Lang, rows: &[FolderRow], but: Option<&FolderRow>) -> Vec<(String, String)> {
    rows.iter()
        .filter(|f| f.special_use.is_none())
        .filter(|f| {
            but.is_none_or(|b| f.name != b.name && !f.name.starts_with(&format!("{}/", b.name)))
        })
        .map(|f| (key_of(f), folder_path(f, lang)))
        .collect()
}

/// A new or changed folder.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FolderForm {
    name: String,
    parent: String,
    op: String,
}

impl FolderForm {
    fn parent(&self) -> Option<FolderId> {
        self.parent.parse().ok()
    }
}

/// `POST /mail/folders`: creates a folder.
pub async fn create(me: Me, Form(form): Form<FolderForm>) -> Page {
    match me
        .app
        .mail
        .create_folder(me.account, form.parent(), &form.name)
        .await
    {
        Ok(id) => {
            me.flash(Toast {
                text: me.lang.t_args(
                    "folder-created",
                    &[("name", visible(form.name.trim()).into())],
                ),
                ..Toast::default()
            })
            .await?;
            Ok(redirect(&format!("/mail/{id}")))
        }
        Err(e @ (Refusal::Invalid(_) | Refusal::Exists | Refusal::TooMany { .. })) => {
            folders_page(&me, folder_error(me.lang, e), form.name).await
        }
        Err(e) => Err(e.into()),
    }
}

/// `GET /mail/folders/{id}`: rename, move or delete one.
pub async fn edit(me: Me, Path(key): Path<String>) -> Page {
    edit_page(&me, &key, None, String::new()).await
}

async fn edit_page(me: &Me, key: &str, typed: Option<FolderForm>, error: String) -> Page {
    let id = own_folder(key)?;
    let (c, column) = load(me, key).await?;
    let rows = me.app.mail.folders(me.account).await?;
    let row = rows
        .iter()
        .find(|f| f.folder_id == id && f.special_use.is_none())
        .ok_or(Refusal::NoFolder)?;
    let parent_name = row.name.rsplit_once('/').map(|(parent, _)| parent);
    let parent = rows
        .iter()
        .find(|f| Some(f.name.as_str()) == parent_name)
        .map(key_of)
        .unwrap_or_default();
    let layout = me
        .layout(Area::Mail, folder_name(row, me.lang), &rows)
        .await?;
    let status = if error.is_empty() {
        axum::http::StatusCode::OK
    } else {
        axum::http::StatusCode::UNPROCESSABLE_ENTITY
    };
    let page = FolderPage {
        name: typed.as_ref().map_or_else(
            || row.name.rsplit('/').next().unwrap_or_default().to_owned(),
            |t| t.name.clone(),
        ),
        parent: typed.map_or(parent, |t| t.parent),
        parents: parents(me.lang, &rows, Some(row)),
        messages: row.message_count,
        key: key.to_owned(),
        layout,
        c,
        column,
        error,
    };
    Ok((status, Html(page.render()?)).into_response())
}

/// `POST /mail/folders/{id}` with `op` rename, delete or empty.
pub async fn change(me: Me, Path(key): Path<String>, Form(form): Form<FolderForm>) -> Page {
    let (text, back) = match form.op.as_str() {
        "empty" => {
            let folder = super::list::find_folder(&me, &key).await?;
            let n = me.app.mail.empty_folder(me.account, folder).await?;
            (me.lang.t_n("folder-emptied", n), format!("/mail/{key}"))
        }
        "delete" => {
            me.app
                .mail
                .delete_folder(me.account, own_folder(&key)?)
                .await?;
            (me.lang.t("folder-deleted"), "/mail/folders".to_owned())
        }
        "rename" => {
            let done = me
                .app
                .mail
                .rename_folder(me.account, own_folder(&key)?, form.parent(), &form.name)
                .await;
            match done {
                Ok(()) => (me.lang.t("folder-renamed"), format!("/mail/{key}")),
                Err(e @ (Refusal::Invalid(_) | Refusal::Exists)) => {
                    let text = folder_error(me.lang, e);
                    return edit_page(&me, &key, Some(form), text).await;
                }
                Err(e) => return Err(e.into()),
            }
        }
        _ => return Err(WebError::Bad("error-bad-request")),
    };
    me.flash(Toast {
        text,
        ..Toast::default()
    })
    .await?;
    Ok(redirect(&back))
}

fn own_folder(key: &str) -> Result<FolderId, WebError> {
    match FolderKey::parse(key) {
        Some(FolderKey::Id(id)) => Ok(id),
        _ => Err(Refusal::NoFolder.into()),
    }
}

fn folder_error(lang: Lang, refusal: Refusal) -> String {
    match refusal {
        Refusal::Exists => lang.t("error-folder-exists"),
        Refusal::TooMany { .. } => lang.t("error-folder-many"),
        other => WebError::Refused(other).text(lang),
    }
}
