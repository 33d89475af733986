//! POP3: mail for programs that collect it (RFC 1939, 2449, 2595, 3206, 5034, 6856).
//!
//! ```text
//!   octets -> session (loop, time, TLS) -> format::pop3 (grammar) -> state (what is legal, what is marked)
//!                 |                                                       |
//!                 |   auth (USER/PASS, AUTH)   transfer (LIST, UIDL, RETR, TOP, the end)
//!                 +-- service::maildrop (the snapshot)          reply (every answer)
//! ```
//!
//! A maildrop is a snapshot, not a lock: several phones and programs of one user may be there at the same time, each with
//! its own numbers, and none finds it "in use" because another one has not finished. Only the number of connections of
//! one account is limited (`-ERR [IN-USE]`).
//!
//! `UTF8` is understood and changes nothing (RFC 6856): names and passwords are UTF-8 anyway, and a message goes out as it
//! was stored, with the same octets and sizes in both modes. Departure from RFC 6856 4: a message with UTF-8 in its header
//! is neither rewritten nor refused for a client that did not say `UTF8`; programs in use show it, or show it badly, but a
//! refusal would hide it.
//!
//! Not here: APOP (it needs readable passwords), LAST and XTND (obsolete), LANG, a log-in delay.

mod auth;
pub mod reply;
pub mod session;
pub mod state;
mod transfer;
