//! The mail pages: folders, list, reader, actions, parts of a message.
//!
//! Ids in addresses are opaque to scripts: `t{thread}` names a conversation in a folder, `m{email}` a single message, a folder
//! is its role (`inbox`, `sent` ...) or its number.

pub mod act;
pub mod body;
pub mod column;
pub mod list;
pub mod outbox;
pub mod pictures;
pub mod reader;
pub mod search;
pub mod view;

use axum::Router;
use axum::routing::{get, post};

use crate::model::{EmailId, FolderId, SpecialUse, ThreadId};
use crate::service::App;
use crate::service::mail::FolderRow;

/// The routes below `/mail`.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/mail", get(list::home))
        .route("/mail/{folder}", get(list::folder))
        .route("/mail/{folder}/rows", get(list::rows))
        .route("/mail/{folder}/{id}", get(reader::conversation))
        .route("/mail/search", get(search::results))
        .route("/mail/starred", get(search::starred))
        .route("/mail/outbox", get(outbox::outbox))
        .route("/mail/outbox/{id}", post(outbox::act))
        .route("/mail/quota", get(column::quota))
        .route("/mail/folders", get(column::manage).post(column::create))
        .route("/mail/folders/column", get(column::column))
        .route("/mail/folders/{id}", get(column::edit).post(column::change))
        .route("/mail/do", post(act::act))
        .route("/undo/{token}", post(act::undo))
        .route("/mail/m/{id}/body", get(body::frame))
        .route("/mail/m/{id}/part/{section}", get(body::part))
        .route("/mail/m/{id}/raw", get(body::raw))
        .route("/mail/m/{id}/eml", get(body::eml))
        .route("/mail/m/{id}/headers", get(body::headers))
        .route("/mail/m/{id}/print", get(body::print))
        .route("/mail/m/{id}/zip", get(body::zip))
}

/// What a row or an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowId {
    /// A conversation.
    Thread(ThreadId),
    /// A single message.
    Email(EmailId),
}

impl RowId {
    /// Reads `t12` or `m12`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, number) = text.split_at_checked(1)?;
        let number: i64 = number.parse().ok().filter(|n| *n > 0)?;
        match kind {
            "t" => Some(Self::Thread(ThreadId(number))),
            "m" => Some(Self::Email(EmailId(number))),
            _ => None,
        }
    }
}

impl std::fmt::Display for RowId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Thread(id) => write!(f, "t{id}"),
            Self::Email(id) => write!(f, "m{id}"),
        }
    }
}

/// A folder as an address names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderKey {
    /// By what it is for.
    Special(SpecialUse),
    /// By its number.
    Id(FolderId),
}

impl FolderKey {
    /// Reads `inbox` or `12`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        SpecialUse::from_word(text)
            .map(Self::Special)
            .or_else(|| text.parse().ok().map(Self::Id))
    }
}

/// The key of a folder in addresses.
#[must_use]
pub fn key_of(folder: &FolderRow) -> String {
    folder.special_use().map_or_else(
        || folder.folder_id.to_string(),
        |special| special.word().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        for text in ["t1", "m99"] {
            assert_eq!(RowId::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "t", "x1", "t-1", "t0", "t1x", "ä1"] {
            assert_eq!(RowId::parse(bad), None, "{bad}");
        }
        assert_eq!(
            FolderKey::parse("inbox"),
            Some(FolderKey::Special(SpecialUse::Inbox))
        );
        assert_eq!(FolderKey::parse("17"), Some(FolderKey::Id(FolderId(17))));
        assert_eq!(FolderKey::parse("nope"), None);
    }
}
