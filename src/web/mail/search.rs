//! `GET /mail/search`: results in the same list as a folder (ui.md 7.7), and the form with the fields of the language.

use askama::Template;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::column::column_of;
use super::list::{ListPart, MailPage, WINDOW, find_folder, targets, with_query};
use super::view::{Ctx, Entry, ListView, Row, folder_name, person, push_head, recipients, subject};
use super::{RowId, key_of};
use crate::format::html::visible;
use crate::model::{EmailId, Flags, SpecialUse};
use crate::service::mail::FolderRow;
use crate::service::mail::FoundRow;
use crate::service::mail::search::Search;
use crate::web::error::{Page, WebError};
use crate::web::headers::{varies, wants_part};
use crate::web::me::Me;
use crate::web::page::Area;

/// What a search page asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SearchQuery {
    q: String,
    #[serde(rename = "in")]
    folder: String,
    all: String,
    before: String,
}

/// `GET /mail/search?q=`.
pub async fn results(me: Me, Query(query): Query<SearchQuery>, headers: HeaderMap) -> Page {
    show(me, query, &headers, "search").await
}

/// `GET /mail/starred`: everything with a star, as a folder of its own.
pub async fn starred(me: Me, Query(query): Query<SearchQuery>, headers: HeaderMap) -> Page {
    let query = SearchQuery {
        q: "is:starred".to_owned(),
        folder: String::new(),
        all: String::new(),
        before: query.before,
    };
    show(me, query, &headers, "starred").await
}

/// The results under `name`, which is the last part of their address.
async fn show(me: Me, query: SearchQuery, headers: &HeaderMap, name: &str) -> Page {
    let is_search = name == "search";
    let c = me.ctx().await?;
    let folders = me.app.mail.folders(me.account).await?;
    let mut list = build(&me, &c, &folders, &query).await?;
    if !is_search {
        let address = |before: &str| with_query("/mail/starred", &[("before", before)]);
        list.title = c.lang.t("starred");
        list.counts = c.lang.t_n("count-messages", list.total);
        if list.older.is_some() {
            list.counts = c.lang.t_n("search-more-than", list.total);
        }
        list.href = address(&query.before);
        list.newer = list.newer.map(|_| address(""));
        list.older = list.older.map(|_| address(&list.last));
        list.empty = ("star", c.lang.t("empty-starred"));
        list.empty_link = None;
    }
    if wants_part(headers) {
        return Ok((varies(), Html(ListPart { c: &c, list: &list }.render()?)).into_response());
    }
    let mut layout = me.layout(Area::Mail, list.title.clone(), &folders).await?;
    if is_search {
        layout.search.value.clone_from(&query.q);
    }
    layout.client.modseq = list.modseq;
    let column = column_of(&c, &folders, name, &layout);
    let page = MailPage {
        layout,
        c,
        column,
        list,
        reader: None,
    };
    Ok((varies(), Html(page.render()?)).into_response())
}

async fn build(
    me: &Me,
    c: &Ctx,
    folders: &[FolderRow],
    query: &SearchQuery,
) -> Result<ListView, WebError> {
    let folder = if query.folder.is_empty() {
        None
    } else {
        Some(find_folder(me, &query.folder).await?)
    };
    let before: Option<EmailId> = query.before.parse().ok();
    let search = Search {
        text: &query.q,
        folder,
        everywhere: query.all == "1",
        before,
        zone: me.zone,
        now: c.dates.now,
    };
    let upto = me.app.changes_upto(me.account).await?;
    let mut found = me.app.mail.search(me.account, &search, WINDOW + 1).await?;
    let has_more = found.len() > usize::try_from(WINDOW).unwrap_or(usize::MAX);
    found.truncate(usize::try_from(WINDOW).unwrap_or(usize::MAX));
    let address = |before: &str, all: &str| {
        with_query(
            "/mail/search",
            &[
                ("q", &query.q),
                ("in", &query.folder),
                ("all", all),
                ("before", before),
            ],
        )
    };
    let total = i64::try_from(found.len()).unwrap_or(0);
    Ok(ListView {
        key: "search".to_owned(),
        title: c.lang.t("search-results"),
        counts: if has_more {
            c.lang.t_n("search-more-than", total)
        } else {
            c.lang.t_n("search-found", total)
        },
        href: address(&query.before, &query.all),
        rows_href: String::new(),
        query: String::new(),
        filter: String::new(),
        total,
        modseq: upto.0,
        offset: 0,
        count: found.len(),
        chips: Vec::new(),
        orders: Vec::new(),
        cursors: (String::new(), String::new()),
        lift: None,
        newer: before.is_some().then(|| address("", &query.all)),
        last: found
            .last()
            .map_or_else(String::new, |f| f.email_id.to_string()),
        older: found
            .last()
            .filter(|_| has_more)
            .map(|f| address(&f.email_id.to_string(), &query.all)),
        empty: ("search", c.lang.t("empty-search")),
        empty_link: (query.all != "1" && !query.q.trim().is_empty())
            .then(|| (address("", "1"), c.lang.t("search-everywhere"))),
        deletes_for_good: false,
        is_junk: false,
        can_archive: true,
        can_empty: false,
        targets: targets(c.lang, folders, None),
        entries: entries(c, folders, &found),
    })
}

fn entries(c: &Ctx, folders: &[FolderRow], found: &[FoundRow]) -> Vec<Entry> {
    let mut out = Vec::with_capacity(found.len() + 8);
    let mut last = None;
    for (row, index) in found.iter().zip(1..) {
        push_head(c, &mut out, &mut last, c.dates.group(row.received_at));
        let folder = folders.iter().find(|f| f.folder_id == row.folder_id);
        let special = folder.and_then(FolderRow::special_use);
        let key = folder.map_or_else(|| row.folder_id.to_string(), key_of);
        let id = RowId::Email(row.email_id);
        let place = folder.map(|f| folder_name(f, c.lang)).unwrap_or_default();
        let preview = visible(&row.preview);
        out.push(Entry::Row(Box::new(Row {
            id: id.to_string(),
            href: format!("/mail/{key}/{id}"),
            emails: row.email_id.to_string(),
            index,
            unread: !row.flags.has(Flags::SEEN),
            starred: row.flags.has(Flags::FLAGGED),
            is_open: false,
            from: if matches!(special, Some(SpecialUse::Sent | SpecialUse::Drafts)) {
                recipients(c, &row.recipients)
            } else {
                person(c, &row.sender_name, &row.sender_address)
            },
            messages: 1,
            time: c.dates.short(row.received_at),
            iso: c.dates.iso(row.received_at),
            full: c.dates.full(row.received_at),
            subject: subject(c.lang, &row.subject),
            preview: if special == Some(SpecialUse::Inbox) {
                preview
            } else {
                format!("{place} · {preview}")
            },
            answered: row.flags.has(Flags::ANSWERED),
            forwarded: row.flags.has(Flags::FORWARDED),
            attachment: row.has_attachment,
            draft: row.flags.has(Flags::DRAFT),
        })));
    }
    out
}
