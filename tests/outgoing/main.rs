//! Mail that leaves, against another host on loopback: the SMTP client, the queue's workers, submission.

#[path = "../common/mod.rs"]
mod common;

mod client;
mod delivery;
mod dialogues;
mod peer;
mod queue;
mod returning;
mod submit;
mod whole;
mod world;
