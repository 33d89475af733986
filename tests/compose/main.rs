//! Writing mail in a browser, over HTTP: pages, drafts, files, sending, taking back (ui.md 6.2 "Compose").

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod drafts;
mod files;
mod sending;
