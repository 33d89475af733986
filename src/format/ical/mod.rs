//! iCalendar objects (RFC 5545, 7986, 9073, 9074): guarded reading, a lossless tree, what the index keeps, edits of single lines.
//!
//! What a client stored is kept byte for byte and comes back so; everything else is read from the tree and edited in it, and an
//! edit changes the lines it names and no other. The crate that reads and writes content lines (ical-rs) is seen nowhere outside
//! this folder and [`crate::format::recur`].
//!
//! | file | what |
//! | --- | --- |
//! | `tree` | [`Tree`], [`Component`], [`Property`]: reading under limits, walking |
//! | `edit` | [`ComponentMut`]: changing single lines |
//! | `value` | dates, durations, text |
//! | `zone` | wall time to instants: own VTIMEZONEs, IANA and Windows names |
//! | `object` | [`Object`]: one calendar object resource (RFC 4791 4.1) and its checks |
//! | `index` | [`Index`]: what the item's row keeps beside the bytes |
//! | `alarm` | reminders |
//! | [`itip`] | scheduling messages between organiser and guests |
//! | `task` | completing tasks, one time after the other |
//! | `expand` | what a report returns instead of the whole object |
//!
//! Invariants: no recursion on input depth, every limit of [`Limits`] is held while reading, time linear in the input.

mod alarm;
mod edit;
mod expand;
mod index;
pub mod itip;
mod object;
mod task;
mod tree;
mod value;
mod zone;

pub use alarm::{alarm_times, next_alarm};
pub use edit::{ComponentMut, NewProperty};
pub use expand::{expanded, limited};
pub use index::{Facts, Index, address, index, index_words};
pub use object::{Kind, Object};
pub use task::{Completed, complete, reopen};
pub use tree::{Component, Limits, Property, Tree};
pub use value::{DateValue, Form, Span, escape_text, parse_period, unescape_text};
pub use zone::{Clock, Zone, Zones, named_zone};

/// Why bytes are no calendar object; a door names its RFC's precondition for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More octets than allowed (`max-resource-size`).
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// No iCalendar at all, or one that breaks a limit (`valid-calendar-data`).
    #[error("not iCalendar: {0}")]
    Syntax(&'static str),
    /// iCalendar, but not one object (`valid-calendar-object-resource`).
    #[error("not one calendar object: {0}")]
    Object(&'static str),
    /// A component that is not taken (`supported-calendar-component`).
    #[error("the component is not supported")]
    Component,
    /// A date before the years that are kept (`min-date-time`).
    #[error("a date before the year 1600")]
    TooEarly,
    /// A date behind the years that are kept (`max-date-time`).
    #[error("a date after the year 2200")]
    TooLate,
    /// A rule that repeats more often than taken (`max-instances`).
    #[error("more repetitions than {limit}")]
    TooManyInstances {
        /// The limit that was passed.
        limit: usize,
    },
    /// More guests than taken (`max-attendees-per-instance`).
    #[error("more than {limit} attendees")]
    TooManyAttendees {
        /// The limit that was passed.
        limit: usize,
    },
}
