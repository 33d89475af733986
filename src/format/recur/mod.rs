//! Recurrence (RFC 5545 3.3.10, 3.8.5): what happens when, inside an asked window and never further.
//!
//! A series is a master with its rules and dates, and changed instances. Rules are walked in wall time on the clock of DTSTART
//! (ical-rs steps through the periods); wall times become instants one by one through [`crate::format::ical::Zones`]. A rule
//! without COUNT is entered shortly before the window, however long ago it began.
//!
//! ```text
//!   DTSTART . . . . . . . . . . [jump]  |== window ==|
//!      1970                      2026-05   2026-06      30 steps, not 20,000
//! ```
//!
//! Decisions where clients differ:
//! * an instance a rule makes at a wall time that does not exist is no instance and is not counted (RFC 5545 3.3.10);
//! * DTSTART is an instance, also where the rule does not make it;
//! * UNTIL as a day with a timed series takes the whole day in; UNTIL in UTC is compared on the clock of DTSTART;
//! * a changed instance that no rule makes is an instance; EXDATE takes away by what RECURRENCE-ID would name;
//! * `FREQ=SECONDLY` and `MINUTELY` are shown once, as the first instance (security.md 2).
//!
//! Invariants: at most [`Caps::steps`] steps and [`Caps::instances`] instances an event and question; no recursion.

mod freebusy;
mod overlap;
mod rule;
mod series;
#[cfg(test)]
mod tests;

pub use freebusy::{Busy, BusyKind, merge_busy};
pub use overlap::{TimeRange, alarms_in_range, is_in_range};
pub use rule::{Onsets, Rule};
pub use series::{Caps, Expansion, Instance, LastEnd, Series, Window, falls_in};
