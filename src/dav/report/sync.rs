//! `sync-collection` (RFC 6578 3): what changed since the client's token, oldest first.
//!
//! A page that the limit cut says so by a 507 for the collection itself, with a token that goes on there (3.6). The last
//! page's token is the collection's own `sync-token` of that moment, so that a client which compares the two sees that nothing
//! is new, whatever happens in the rest of the account.

use std::sync::Arc;

use axum::http::StatusCode;

use super::super::multistatus::{Pages, Plan, answer, respond_status};
use super::super::reply::{Answer, Condition, Fault};
use super::super::resource::{Asker, Resource};
use super::super::token;
use crate::format::davxml::request::Asked;
use crate::format::davxml::{Ns, Writer};
use crate::model::{ModSeq, SyncPoint};
use crate::service::items::{ChangedItem, ChangesError, CollectionChanges, ItemRow, Naming, Shelf};

/// What changed since `token`; empty: everything.
///
/// # Errors
/// 403 `valid-sync-token` when the token is none of this collection's or too old.
pub async fn sync(
    asker: Asker,
    shelf: Arc<Shelf>,
    asked: Asked,
    token: &str,
    limit: Option<usize>,
    is_minimal: bool,
) -> Answer {
    let plan = Plan::new(&asker, asked, is_minimal).await?;
    let items = &asker.app.items;
    let since = if token.is_empty() {
        items.sync_start(shelf.at).await?
    } else {
        token::read(token, shelf.at.owner, shelf.row.collection_id).ok_or_else(stale)?
    };
    let changes = read(&asker, &shelf, since, limit).await?;
    answer(Sync {
        asker,
        plan,
        shelf,
        changes,
        told: 0,
        left: limit,
    })
    .await
}

async fn read(
    asker: &Asker,
    shelf: &Shelf,
    since: SyncPoint,
    left: Option<usize>,
) -> Result<CollectionChanges, Fault> {
    let page = left.unwrap_or(SERVICE_PAGE).min(SERVICE_PAGE);
    let page = i64::try_from(page).unwrap_or(i64::MAX);
    asker
        .app
        .items
        .changes(shelf.at, since, page, Naming::Href)
        .await
        .map_err(refused)
}

fn stale() -> Fault {
    Fault::forbidden(Condition::dav("valid-sync-token"))
}

fn refused(error: ChangesError) -> Fault {
    match error {
        ChangesError::NotFound => Fault::not_found(),
        ChangesError::TooOld => stale(),
        ChangesError::Store(e) => crate::error::Refusal::from(e).into(),
    }
}

struct Sync {
    asker: Asker,
    plan: Plan,
    shelf: Arc<Shelf>,
    /// Read, and partly told.
    changes: CollectionChanges,
    /// Items of `changes` that were told.
    told: usize,
    /// How many more the client takes.
    left: Option<usize>,
}

impl Sync {
    /// The next changed items of what was read.
    fn some(&mut self) -> Vec<ChangedItem> {
        let some: Vec<ChangedItem> = self
            .changes
            .items
            .iter()
            .skip(self.told)
            .take(PAGE)
            .cloned()
            .collect();
        self.told += some.len();
        some
    }

    async fn tell(&self, w: &mut Writer, some: Vec<ChangedItem>) -> Result<(), Fault> {
        let shelf = &self.shelf;
        if !self.plan.needs_source() && !self.plan.needs_row() {
            for item in some {
                let row = Box::new(row_of(shelf, item));
                let resource = Resource::Item(Arc::clone(shelf), row);
                self.asker.respond(w, &self.plan, &resource, None);
            }
            return Ok(());
        }
        let names: Vec<String> = some.into_iter().map(|item| item.href).collect();
        if names.is_empty() {
            return Ok(());
        }
        // What left since the changes were read is told of with the next token.
        for item in self.asker.app.items.items_named(shelf.at, &names).await? {
            let resource = Resource::Item(Arc::clone(shelf), Box::new(item.row));
            self.asker
                .respond(w, &self.plan, &resource, Some(&item.source));
        }
        Ok(())
    }

    /// The token behind everything that was told.
    fn next_token(&self) -> SyncPoint {
        if self.changes.more {
            return self.changes.next;
        }
        // The collection's number was read before its changes, so all changes up to it were told.
        let newest = self
            .changes
            .items
            .iter()
            .map(|item| item.modseq)
            .chain(self.changes.gone.iter().map(|gone| gone.modseq))
            .max()
            .unwrap_or(ModSeq(0));
        SyncPoint::at(newest.max(self.shelf.row.content_modseq))
    }
}

/// What a change says of an item is enough for its name, ETag, type and size.
fn row_of(shelf: &Shelf, item: ChangedItem) -> ItemRow {
    ItemRow {
        collection_id: shelf.row.collection_id,
        item_id: item.item_id,
        href: item.href,
        uid: String::new(),
        component: item.component,
        size_bytes: item.size_bytes,
        summary: String::new(),
        starts_at: None,
        ends_at: None,
        last_ends_at: item.last_ends_at,
        next_alarm_at: None,
        facts: serde_json::Value::Null,
        created_modseq: item.created_modseq,
        modseq: item.modseq,
        updated_at: time::OffsetDateTime::UNIX_EPOCH,
    }
}

impl Pages for Sync {
    async fn page(&mut self, w: &mut Writer) -> Result<bool, Fault> {
        if self.told == 0 {
            for gone in &self.changes.gone {
                let href = self.asker.item_href(&self.shelf, &gone.href);
                respond_status(w, &href, &Fault::not_found());
            }
        }
        let some = self.some();
        self.tell(w, some).await?;
        if self.told < self.changes.items.len() {
            return Ok(true);
        }
        let told = self.changes.items.len() + self.changes.gone.len();
        self.left = self.left.map(|left| left.saturating_sub(told));
        if self.changes.more && self.left != Some(0) {
            // The client takes more than is read at once.
            self.changes = read(&self.asker, &self.shelf, self.changes.next, self.left).await?;
            self.told = 0;
            return Ok(true);
        }
        if self.changes.more {
            let beyond = Fault::status(StatusCode::INSUFFICIENT_STORAGE)
                .with(Condition::dav("number-of-matches-within-limits"));
            respond_status(w, &self.asker.shelf_href(&self.shelf), &beyond);
        }
        let next = self.next_token();
        let at = self.shelf.at;
        w.leaf(
            &Ns::Dav,
            "sync-token",
            &token::write(at.owner, at.collection, next),
        );
        Ok(false)
    }
}

/// Changes the service reads at once.
const SERVICE_PAGE: usize = 1_000;
/// Objects read at once.
const PAGE: usize = 100;
