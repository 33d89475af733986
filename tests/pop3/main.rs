//! POP3 against the whole program: dialogues (`tests/dialogues/pop3`), and stories that need more than one client.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod dialogues;
mod whole;
