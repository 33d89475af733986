//! Faults: programs killed in the middle, a database that goes away, a disk that is full, clients by the thousand, proxies
//! that are believed and others that are not. Whole programs, and each message counted.

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod crowd;
mod full;
mod gone;
mod killed;
mod narrow;
mod program;
mod proxied;
mod relay;
mod senders;
mod upkeep;
