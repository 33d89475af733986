//! Postamt: a mail host's whole groupware in one program on one `PostgreSQL` schema.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::print_stdout,
        clippy::print_stderr
    )
)]

pub mod config;
pub mod error;
pub mod format;
pub mod i18n;
pub mod model;
pub mod net;
pub mod server;
pub mod service;
pub mod smtp;
pub mod store;
pub mod web;
