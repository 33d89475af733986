//! Events, contacts, tasks, notes: the service, the corpus of real clients' objects, recurrence against other libraries.

#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod fuzz;
mod recurrence;
mod scheduling;
mod sharing;
mod store;
