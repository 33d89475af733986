//! The only SQL and the only transactions.

pub mod cluster;
