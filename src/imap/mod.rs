//! `IMAP4rev1` and `IMAP4rev2` (RFC 3501, RFC 9051) for desktop clients and phones.
//!
//! ```text
//!   octets -> session (loop, time, TLS) -> hear (lines, literals) -> format::imap (grammar)
//!                 |
//!              perform (what is legal, one function a command) -> service::mailbox -> reply (every answer)
//!                 |
//!              tell (what changed, when the protocol allows it)
//! ```
//!
//! Untagged data goes into the connection's buffer as it is made and leaves in pieces of 32 KB; the tagged answer is the
//! handler's result and is written by the loop. Sequence numbers change only in [`tell`], which the loop calls between
//! commands, in IDLE and NOOP, never in FETCH, STORE and SEARCH by number (RFC 9051 7.5.1).

mod append;
mod auth;
mod capability;
mod fetch;
mod hear;
mod idle;
mod mailboxes;
mod messages;
mod metadata;
mod perform;
mod quota;
mod reply;
mod search;
mod select;
pub mod session;
mod tell;
