//! IMAP against the whole program: dialogues (`tests/dialogues/imap`), stories of several clients, a model-checked random
//! stress, other people's clients.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod clients;
mod dialogues;
mod stories;
mod stress;
