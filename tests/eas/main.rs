//! Exchange ActiveSync: the codec, the HTTP layer and every command, spoken by a simulated device.

#![expect(
    clippy::semicolon_if_nothing_returned,
    reason = "one line an element reads like the document it writes"
)]

#[path = "../common/mod.rs"]
mod common;

mod client;
mod device;
mod door;
mod generations;
mod operations;
mod ping;
mod send;
mod setup;
mod sync;
mod wbxml;
