//! Mail that leaves: submission, the queue's workers, hosts and routes, notices about failures.

pub mod resolve;
pub mod schedule;
pub mod transport;
