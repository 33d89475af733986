//! SMTP: the MX listener and submission (RFC 5321, 6409), both on one session loop, and the client side.
//!
//! ```text
//!   octets -> session (loop, time, TLS) -> command (grammar) -> state (what is legal, what is used up)
//!                 |                                                |
//!                 |   auth (AUTH exchange)  receive (DATA, BDAT: data, content)
//!                 +-- calls (what the services are asked) -> reply (every answer, in tables)
//! ```

mod auth;
pub mod calls;
pub mod client;
pub mod command;
pub mod content;
pub mod data;
pub mod params;
pub mod path;
mod receive;
pub mod reply;
pub mod session;
pub mod sources;
pub mod state;
pub mod trace;
