//! What one source may use up over all its connections (`security.md` 2): messages and octets a minute,
//! and guessing of recipients.
//!
//! Counted in windows that begin with the source's first use, on this node, in memory: this is a brake
//! against floods, not a promise. What must hold on every node (the lock after wrong passwords, an
//! account's sending rate) is counted by the services in the database.
//!
//! The clock is passed in. The table is bounded: what has run out is swept when it is full.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Smtp;
use crate::model::Source;

/// The counters of all sources.
#[derive(Debug)]
pub struct Sources {
    limits: Limits,
    table: Mutex<HashMap<Source, Usage>>,
}

#[derive(Debug)]
struct Limits {
    messages: u32,
    bytes: u64,
    unknown_recipients: u32,
    refused_for: Duration,
}

/// What a source has used up.
#[derive(Debug, Default)]
struct Usage {
    messages: Window,
    bytes: Window,
    unknown_recipients: Window,
    refused_until: Option<Instant>,
}

/// A sum that begins anew when its time has run out.
#[derive(Debug, Default)]
struct Window {
    ends: Option<Instant>,
    sum: u64,
}

impl Sources {
    /// Empty counters with the limits of the settings.
    #[must_use]
    pub fn new(config: &Smtp) -> Self {
        Self {
            limits: Limits {
                messages: config.messages_per_source,
                bytes: config.bytes_per_source,
                unknown_recipients: config.unknown_recipients_per_source,
                refused_for: config.guesser_refused_for,
            },
            table: Mutex::new(HashMap::new()),
        }
    }

    /// Whether the source guessed too many recipients and is not spoken to for a while.
    #[must_use]
    pub fn is_refused(&self, source: Source, now: Instant) -> bool {
        self.lock()
            .get(&source)
            .and_then(|usage| usage.refused_until)
            .is_some_and(|until| now < until)
    }

    /// Counts a message that begins; `false`: too many, it is to be refused.
    #[must_use]
    pub fn message(&self, source: Source, now: Instant) -> bool {
        let mut table = self.lock();
        let usage = entry(&mut table, source, now);
        let messages = usage.messages.add(1, MINUTE, now);
        let bytes = usage.bytes.add(0, MINUTE, now);
        messages <= u64::from(self.limits.messages) && bytes < self.limits.bytes
    }

    /// Counts octets of a message; the next message of the source feels them.
    pub fn bytes(&self, source: Source, octets: u64, now: Instant) {
        let mut table = self.lock();
        entry(&mut table, source, now)
            .bytes
            .add(octets, MINUTE, now);
    }

    /// Counts a recipient that does not exist; `false`: the source is refused from now on.
    #[must_use]
    pub fn unknown_recipient(&self, source: Source, now: Instant) -> bool {
        let mut table = self.lock();
        let usage = entry(&mut table, source, now);
        let unknown = usage.unknown_recipients.add(1, TEN_MINUTES, now);
        if unknown > u64::from(self.limits.unknown_recipients) {
            usage.refused_until = Some(now + self.limits.refused_for);
            usage.unknown_recipients = Window::default();
            return false;
        }
        true
    }

    /// The table is plain data: a panic elsewhere leaves nothing half done in it.
    fn lock(&self) -> MutexGuard<'_, HashMap<Source, Usage>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source's row; a full table is swept first, and emptied of all but the refused if that frees nothing.
fn entry(table: &mut HashMap<Source, Usage>, source: Source, now: Instant) -> &mut Usage {
    if table.len() >= SOURCES && !table.contains_key(&source) {
        table.retain(|_, usage| usage.is_live(now));
        if table.len() >= SOURCES {
            table.retain(|_, usage| usage.refused_until.is_some_and(|until| now < until));
        }
        if table.len() >= SOURCES {
            table.clear();
        }
    }
    table.entry(source).or_default()
}

impl Usage {
    fn is_live(&self, now: Instant) -> bool {
        let live = |ends: Option<Instant>| ends.is_some_and(|ends| now < ends);
        live(self.messages.ends)
            || live(self.bytes.ends)
            || live(self.unknown_recipients.ends)
            || live(self.refused_until)
    }
}

impl Window {
    fn add(&mut self, amount: u64, length: Duration, now: Instant) -> u64 {
        if self.ends.is_none_or(|ends| now >= ends) {
            self.ends = Some(now + length);
            self.sum = 0;
        }
        self.sum = self.sum.saturating_add(amount);
        self.sum
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const TEN_MINUTES: Duration = Duration::from_mins(10);
/// Sources that are remembered; 200 octets each.
const SOURCES: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(n: u32) -> Source {
        Source::of(std::net::Ipv4Addr::from_bits(n).into())
    }

    fn small() -> Sources {
        Sources::new(&Smtp {
            messages_per_source: 3,
            bytes_per_source: 1_000,
            unknown_recipients_per_source: 2,
            guesser_refused_for: Duration::from_mins(30),
            ..Smtp::default()
        })
    }

    #[test]
    fn messages_a_minute() {
        let (sources, now) = (small(), Instant::now());
        for _ in 0..3 {
            assert!(sources.message(source(1), now));
        }
        assert!(!sources.message(source(1), now));
        assert!(sources.message(source(2), now), "another source");
        assert!(!sources.message(source(1), now + Duration::from_secs(59)));
        assert!(sources.message(source(1), now + Duration::from_mins(1)));
    }

    #[test]
    fn octets_a_minute() {
        let (sources, now) = (small(), Instant::now());
        sources.bytes(source(1), 999, now);
        assert!(sources.message(source(1), now));
        sources.bytes(source(1), 1, now);
        assert!(!sources.message(source(1), now));
        assert!(sources.message(source(1), now + Duration::from_mins(1)));
    }

    #[test]
    fn who_guesses_is_refused_for_half_an_hour() {
        let (sources, now) = (small(), Instant::now());
        assert!(sources.unknown_recipient(source(1), now));
        assert!(sources.unknown_recipient(source(1), now));
        assert!(!sources.is_refused(source(1), now));
        assert!(!sources.unknown_recipient(source(1), now));
        assert!(sources.is_refused(source(1), now + Duration::from_secs(1_799)));
        assert!(!sources.is_refused(source(1), now + Duration::from_mins(30)));
        assert!(!sources.is_refused(source(2), now));
        let later = now + Duration::from_secs(601);
        assert!(sources.unknown_recipient(source(3), now));
        assert!(sources.unknown_recipient(source(3), now));
        assert!(sources.unknown_recipient(source(3), later), "a new window");
    }

    #[test]
    fn the_table_is_bounded() {
        let (sources, now) = (small(), Instant::now());
        for n in 0..3 {
            let _ = sources.unknown_recipient(source(1), now);
            assert_eq!(sources.is_refused(source(1), now), n == 2);
        }
        for n in 10..u32::try_from(SOURCES).unwrap() + 1_000 {
            sources.bytes(source(n), 1, now);
        }
        assert!(sources.lock().len() <= SOURCES);
        assert!(sources.is_refused(source(1), now), "a flood frees nobody");
    }
}
