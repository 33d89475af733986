//! The message list: a folder's page, its windows, its empty states (ui.md 6.2, 12 "Long lists").

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;
use time::OffsetDateTime;

use super::column::{Column, column_of};
use super::reader::ReaderView;
use super::view::{
    self, Chip, Ctx, Entry, FILTERS, ListView, filter_on, filter_text, folder_name, folder_path,
    parse_filter,
};
use super::{FolderKey, RowId, key_of};
use crate::error::Refusal;
use crate::i18n::Lang;
use crate::model::{FolderId, SpecialUse, ThreadId};
use crate::service::mail::FolderRow;
use crate::service::mail::read::ThreadPage;
use crate::service::mail::{Order, ThreadFilter, ThreadRow, Window};
use crate::web::error::{Page, WebError, redirect};
use crate::web::headers::{varies, wants_part};
use crate::web::me::Me;
use crate::web::page::{Area, Layout};

/// Rows of one window.
pub const WINDOW: i64 = 50;

/// What the address of a list may ask for.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    /// `unread,starred,attachment`, any of them.
    #[serde(default)]
    pub filter: String,
    /// Place of the first row.
    #[serde(default)]
    pub offset: i64,
    /// One of [`view::ORDERS`].
    #[serde(default)]
    pub sort: String,
    /// For a further window: the row beside it, as the window before gave it.
    #[serde(default)]
    pub at: String,
    /// `newer`: the window ends there; else it begins there.
    #[serde(default)]
    pub dir: String,
    /// Rows, at most [`WINDOW`].
    #[serde(default)]
    pub limit: Option<i64>,
}

impl ListQuery {
    fn order(&self) -> Order {
        view::ORDERS
            .into_iter()
            .find(|(word, _)| *word == self.sort)
            .map_or(Order::Newest, |(_, order)| order)
    }

    /// By cursor where there is one: the place of a row says nothing any more when others came or went above it, and
    /// finding a place deep down is work.
    fn window(&self) -> Window {
        if self.order() == Order::Newest
            && let Some((at, thread)) = read_cursor(&self.at)
        {
            return if self.dir == "newer" {
                Window::After(at, thread)
            } else {
                Window::Before(at, thread)
            };
        }
        match self.offset.max(0) {
            0 => Window::Top,
            n => Window::Offset(n),
        }
    }
}

/// The place of a row, for its neighbours' addresses.
fn cursor(row: &ThreadRow) -> String {
    let micros = row.newest_at.unix_timestamp_nanos() / 1_000;
    format!("{micros}.{}", row.thread_id)
}

fn read_cursor(text: &str) -> Option<(OffsetDateTime, ThreadId)> {
    let (micros, thread) = text.split_once('.')?;
    let nanos = micros.parse::<i128>().ok()?.checked_mul(1_000)?;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
    Some((at, thread.parse().ok()?))
}

/// The whole mail page.
#[derive(Template)]
#[template(path = "mail/page.html")]
pub struct MailPage {
    pub layout: Layout,
    pub c: Ctx,
    pub column: Column,
    pub list: ListView,
    pub reader: Option<ReaderView>,
}

/// The list alone.
#[derive(Template)]
#[template(path = "mail/_list.html")]
pub struct ListPart<'a> {
    pub c: &'a Ctx,
    pub list: &'a ListView,
}

#[derive(Template)]
#[template(path = "mail/_window.html")]
struct WindowPart<'a> {
    c: &'a Ctx,
    list: &'a ListView,
}

/// `GET /mail`: to the inbox.
pub async fn home(_me: Me) -> Page {
    Ok(redirect("/mail/inbox"))
}

/// `GET /mail/{folder}`: the list with an empty reader, or the list alone for a script.
pub async fn folder(
    me: Me,
    Path(key): Path<String>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Page {
    let folder = find_folder(&me, &key).await?;
    let c = me.ctx().await?;
    if wants_part(&headers) {
        let folders = me.app.mail.folders(me.account).await?;
        let list = build(&me, &c, folder, &folders, &query, None).await?;
        return Ok((varies(), Html(ListPart { c: &c, list: &list }.render()?)).into_response());
    }
    Ok((
        varies(),
        Html(page(&me, c, folder, &query, None, None).await?.render()?),
    )
        .into_response())
}

/// `GET /mail/{folder}/rows?offset=`: the next window of a long list.
pub async fn rows(me: Me, Path(key): Path<String>, Query(query): Query<ListQuery>) -> Page {
    let folder = find_folder(&me, &key).await?;
    let c = me.ctx().await?;
    let limit = query.limit.unwrap_or(WINDOW).clamp(1, WINDOW);
    let (filter, order) = (parse_filter(&query.filter), query.order());
    let found = me
        .app
        .mail
        .further(me.account, folder, filter, order, query.window(), limit)
        .await?;
    let list = list_view(&c, &found, &[], &query, None);
    Ok(Html(WindowPart { c: &c, list: &list }.render()?).into_response())
}

/// The folder an address names.
///
/// # Errors
/// [`Refusal::NoFolder`].
pub async fn find_folder(me: &Me, key: &str) -> Result<FolderId, WebError> {
    match FolderKey::parse(key).ok_or(Refusal::NoFolder)? {
        FolderKey::Special(special) => Ok(me.app.mail.special_folder(me.account, special).await?),
        FolderKey::Id(id) => Ok(id),
    }
}

/// A whole page around one folder's list.
///
/// # Errors
/// [`WebError`].
pub async fn page(
    me: &Me,
    c: Ctx,
    folder: FolderId,
    query: &ListQuery,
    open: Option<RowId>,
    reader: Option<ReaderView>,
) -> Result<MailPage, WebError> {
    let folders = me.app.mail.folders(me.account).await?;
    let list = build(me, &c, folder, &folders, query, open).await?;
    let mut layout = me.layout(Area::Mail, list.title.clone(), &folders).await?;
    layout.client.modseq = list.modseq;
    let column = column_of(&c, &folders, &list.key, &layout);
    Ok(MailPage {
        layout,
        c,
        column,
        list,
        reader,
    })
}

/// The list of one folder.
///
/// # Errors
/// [`WebError`].
pub async fn build(
    me: &Me,
    c: &Ctx,
    folder: FolderId,
    folders: &[FolderRow],
    query: &ListQuery,
    open: Option<RowId>,
) -> Result<ListView, WebError> {
    let (filter, order) = (parse_filter(&query.filter), query.order());
    let found = me
        .app
        .mail
        .list(me.account, folder, filter, order, query.window(), WINDOW)
        .await?;
    Ok(list_view(c, &found, folders, query, open))
}

fn list_view(
    c: &Ctx,
    found: &ThreadPage,
    folders: &[FolderRow],
    query: &ListQuery,
    open: Option<RowId>,
) -> ListView {
    let (filter, order, offset) = (
        parse_filter(&query.filter),
        query.order(),
        query.offset.max(0),
    );
    let sort = view::ORDERS
        .into_iter()
        .find(|(_, o)| *o == order)
        .map_or("", |(word, _)| word);
    let folder = &found.folder;
    let key = key_of(folder);
    let text = filter_text(filter);
    let own = format!("/mail/{key}");
    let address = |filter: &str, offset: i64| {
        with_query(
            &own,
            &[
                ("filter", filter),
                ("sort", sort),
                ("offset", &place(offset)),
            ],
        )
    };
    let total = found.total.unwrap_or(0);
    let special = folder.special_use();
    let title = folder_name(folder, c.lang);
    let counts = if folder.unseen_count > 0 && special != Some(SpecialUse::Drafts) {
        c.lang.t_n("count-unread", folder.unseen_count)
    } else {
        c.lang.t_n("count-messages", folder.message_count)
    };
    let end = offset + i64::try_from(found.rows.len()).unwrap_or(0);
    let entries = view::entries(c, folder, &found.rows, offset, open, order);
    let ends = || Some((cursor(found.rows.first()?), cursor(found.rows.last()?)));
    ListView {
        href: address(&text, 0),
        rows_href: format!("{own}/rows"),
        query: with_query("", &[("filter", &text), ("sort", sort)])
            .trim_start_matches('?')
            .to_owned(),
        chips: chips(c.lang, filter, sort, &own),
        last: String::new(),
        orders: orders(c.lang, order, &text, &own),
        cursors: ends()
            .filter(|_| order == Order::Newest)
            .unwrap_or_default(),
        lift: (!text.is_empty()).then(|| with_query(&own, &[("sort", sort)])),
        newer: (offset > 0).then(|| address(&text, (offset - WINDOW).max(0))),
        older: (end < total).then(|| address(&text, end)),
        empty: empty(c.lang, special, &text),
        empty_link: None,
        deletes_for_good: matches!(
            special,
            Some(SpecialUse::Trash | SpecialUse::Junk | SpecialUse::Drafts)
        ),
        is_junk: special == Some(SpecialUse::Junk),
        can_archive: !matches!(special, Some(SpecialUse::Archive | SpecialUse::Drafts)),
        can_empty: matches!(special, Some(SpecialUse::Trash | SpecialUse::Junk))
            && folder.message_count > 0,
        targets: targets(c.lang, folders, Some(folder.folder_id)),
        filter: text,
        total,
        modseq: found.upto.0,
        offset,
        count: found.rows.len(),
        entries,
        title,
        counts,
        key,
    }
}

/// Where messages can be moved to: everything but drafts and the folder they are in.
#[must_use]
pub fn targets(lang: Lang, folders: &[FolderRow], but: Option<FolderId>) -> Vec<(String, String)> {
    folders
        .iter()
        .filter(|f| Some(f.folder_id) != but && f.special_use() != Some(SpecialUse::Drafts))
        .map(|f| (key_of(f), folder_path(f, lang)))
        .collect()
}

/// The orders, each with the list in it.
fn orders(lang: Lang, now: Order, filter: &str, own: &str) -> Vec<Chip> {
    view::ORDERS
        .into_iter()
        .map(|(word, order)| Chip {
            label: match order {
                Order::Newest => lang.t("sort-newest"),
                Order::Oldest => lang.t("sort-oldest"),
                Order::Sender => lang.t("sort-sender"),
                Order::Subject => lang.t("sort-subject"),
                Order::Size => lang.t("sort-size"),
                Order::Starred => lang.t("sort-starred"),
            },
            href: with_query(own, &[("filter", filter), ("sort", word)]),
            on: order == now,
        })
        .collect()
}

fn chips(lang: Lang, filter: ThreadFilter, sort: &str, own: &str) -> Vec<Chip> {
    let on = filter_on(filter);
    let labels = [
        lang.t("filter-unread"),
        lang.t("filter-starred"),
        lang.t("filter-attachment"),
        lang.t("filter-to-me"),
    ];
    labels
        .into_iter()
        .enumerate()
        .map(|(at, label)| {
            let words: Vec<&str> = FILTERS
                .into_iter()
                .zip(on)
                .enumerate()
                .filter(|(other, (_, on))| *on != (*other == at))
                .map(|(_, (word, _))| word)
                .collect();
            Chip {
                label,
                href: with_query(own, &[("filter", &words.join(",")), ("sort", sort)]),
                on: on.get(at).copied().unwrap_or(false),
            }
        })
        .collect()
}

fn empty(lang: Lang, special: Option<SpecialUse>, filter: &str) -> (&'static str, String) {
    match (filter, special) {
        ("unread", _) => ("check-all", lang.t("empty-unread")),
        (f, _) if !f.is_empty() => ("filter", lang.t("empty-filter")),
        (_, Some(SpecialUse::Inbox)) => ("check-all", lang.t("empty-inbox")),
        (_, Some(SpecialUse::Trash)) => ("trash", lang.t("empty-trash")),
        (_, Some(SpecialUse::Junk)) => ("shield", lang.t("empty-junk")),
        _ => ("folder-open", lang.t("nothing-here")),
    }
}

fn place(offset: i64) -> String {
    if offset == 0 {
        String::new()
    } else {
        offset.to_string()
    }
}

/// An address with those of the pairs that say something.
#[must_use]
pub fn with_query(path: &str, pairs: &[(&str, &str)]) -> String {
    let query: Vec<String> = pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", crate::web::query_escape(value)))
        .collect();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", query.join("&"))
    }
}
