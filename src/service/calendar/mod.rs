//! What only calendars have: scheduling between accounts of this host (RFC 6638, without mail), and free-busy.
//!
//! ```text
//! put by a host or a guest -> what changed, for whom (format/ical/itip) -> one job row in the same commit
//!                                     worker: one transaction a guest <- leases the row, notes how far it came
//! ```
//!
//! Whoever stores an object through [`crate::service::items::Items::put`] schedules: DAV, ActiveSync and the pages are the same here.
//! Guests elsewhere are not written to by this module.

mod busy;
mod schedule;
mod worker;

pub use busy::FreeBusy;
pub(in crate::service) use schedule::{KIND, payload};
pub use worker::run;
