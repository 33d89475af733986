//! Calendars and address books over HTTP, spoken to by a client of ours: every method and report, and what must be refused.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod clients;
mod collections;
mod discovery;
mod hostile;
mod objects;
mod queries;
mod sharing;
mod sync;
