//! The pages over HTTP, without a browser: what they answer, to whom, and what they refuse.

#[path = "../common/mod.rs"]
mod common;

#[path = "../compose/browser.rs"]
#[expect(dead_code, reason = "the tests of writing use all of it")]
mod browser;
mod later;
mod list;
mod outbox;
mod pictures;
mod session;
