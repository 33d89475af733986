//! SMTP: the MX listener and submission (RFC 5321, 6409), both on one session loop.

pub mod client;
pub mod command;
pub mod content;
pub mod data;
pub mod params;
pub mod path;
pub mod reply;
pub mod sasl;
pub mod sources;
pub mod state;
pub mod trace;
