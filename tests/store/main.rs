//! Every store function on the real schema, by family of tables.

#[path = "../common/mod.rs"]
mod common;

mod alone;
mod body;
mod changes;
mod folder;
mod hub;
mod item;
mod mail;
mod queue;
mod quota;
