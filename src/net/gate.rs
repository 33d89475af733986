//! How many connections there may be: in all, from one source, and new ones from it within a minute.
//!
//! One gate serves all listeners of a service, so that a flood on one of them cannot take what is kept free for
//! another. Counting is by [`Source`]; a proxy's connections count as those of the source it names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Network;
use crate::model::Source;

/// The limits of a gate.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections from one source.
    pub per_source: usize,
    /// New connections from one source within a minute.
    pub new_per_minute: u32,
}

/// Why a connection was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// All places are taken.
    #[error("too many connections")]
    InAll,
    /// The source holds its share already.
    #[error("too many connections from this source")]
    FromSource,
    /// The source comes too often.
    #[error("too many new connections from this source")]
    WithinMinute,
}

/// The counter in front of one service's listeners; clones count together.
#[derive(Debug, Clone)]
pub struct Gate {
    limits: Limits,
    /// Whose connections are those of many sources.
    shared: Arc<[Network]>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    sources: HashMap<Source, Count>,
    /// The number of sources at which idle ones are looked for.
    sweep_at: usize,
}

#[derive(Debug)]
struct Count {
    open: usize,
    minute_began: Instant,
    new_in_minute: u32,
}

/// A place behind the gate; dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    gate: Gate,
    /// Whose count it is in.
    source: Option<Source>,
}

impl Gate {
    /// A gate with nobody behind it.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            shared: Arc::new([]),
            state: Arc::default(),
        }
    }

    /// Counts connections from `networks` in all, and not by source: proxies that carry everybody's.
    #[must_use]
    pub fn sharing(mut self, networks: Arc<[Network]>) -> Self {
        self.shared = networks;
        self
    }

    /// Lets a connection from `address` in, leaving `kept_free` places for other listeners.
    ///
    /// # Errors
    /// As [`Gate::admit`].
    pub fn admit_peer(&self, address: IpAddr, kept_free: usize) -> Result<Permit, TooMany> {
        let source = Source::of(address);
        if !self.shared.iter().any(|network| network.contains(address)) {
            return self.admit(source, kept_free);
        }
        let mut state = self.state();
        if state.open >= self.limits.connections.saturating_sub(kept_free) {
            return Err(TooMany::InAll);
        }
        state.open += 1;
        let gate = self.clone();
        Ok(Permit { gate, source: None })
    }

    /// Lets a connection of `source` in, leaving `kept_free` places for other listeners.
    ///
    /// # Errors
    /// [`TooMany`]; a refused connection counts as new all the same, so that trying faster does not help.
    pub fn admit(&self, source: Source, kept_free: usize) -> Result<Permit, TooMany> {
        self.admit_at(Instant::now(), source, kept_free)
    }

    fn admit_at(&self, now: Instant, source: Source, kept_free: usize) -> Result<Permit, TooMany> {
        let mut state = self.state();
        state.forget_idle(now);
        let places = self.limits.connections.saturating_sub(kept_free);
        let full = state.open >= places;
        let count = state.sources.entry(source).or_insert(Count {
            open: 0,
            minute_began: now,
            new_in_minute: 0,
        });
        if now.duration_since(count.minute_began) >= MINUTE {
            count.minute_began = now;
            count.new_in_minute = 0;
        }
        count.new_in_minute = count.new_in_minute.saturating_add(1);
        if count.new_in_minute > self.limits.new_per_minute {
            return Err(TooMany::WithinMinute);
        }
        if count.open >= self.limits.per_source {
            return Err(TooMany::FromSource);
        }
        if full {
            return Err(TooMany::InAll);
        }
        count.open += 1;
        state.open += 1;
        Ok(Permit {
            gate: self.clone(),
            source: Some(source),
        })
    }

    /// Connections behind the gate now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state().open
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole after every statement, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Drops sources that have nothing open and no running minute, each time their number has doubled.
    fn forget_idle(&mut self, now: Instant) {
        if self.sources.len() < self.sweep_at.max(FEW_SOURCES) {
            return;
        }
        self.sources
            .retain(|_, count| count.open > 0 || now.duration_since(count.minute_began) < MINUTE);
        if self.sources.len() > MOST_SOURCES {
            // A flood from ever new addresses: forget their minutes rather than grow.
            self.sources.retain(|_, count| count.open > 0);
        }
        self.sweep_at = self.sources.len() * 2;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.open = state.open.saturating_sub(1);
        if let Some(count) = self
            .source
            .and_then(|source| state.sources.get_mut(&source))
        {
            count.open = count.open.saturating_sub(1);
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const FEW_SOURCES: usize = 1_024;
const MOST_SOURCES: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_counted_in_all_and_not_as_one_source() {
        let limits = Limits {
            connections: 4,
            per_source: 1,
            new_per_minute: 1,
        };
        let gate = Gate::new(limits).sharing(Arc::new(["10.0.0.0/8".parse().unwrap()]));
        let peer = |text: &str| gate.admit_peer(text.parse().unwrap(), 0);
        let proxied = [(); 3].map(|()| peer("10.0.0.1").unwrap());
        let other = peer("192.0.2.1").unwrap();
        assert_eq!(peer("10.0.0.1").unwrap_err(), TooMany::InAll);
        drop(proxied);
        assert_eq!(gate.open(), 1);
        assert_eq!(peer("192.0.2.1").unwrap_err(), TooMany::WithinMinute);
        drop(other);
        assert_eq!(gate.open(), 0);
    }

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    fn gate(connections: usize, per_source: usize, new_per_minute: u32) -> Gate {
        Gate::new(Limits {
            connections,
            per_source,
            new_per_minute,
        })
    }

    #[test]
    fn a_source_has_its_share_and_gets_it_back() {
        let gate = gate(10, 2, 100);
        let first = gate.admit(source(1), 0).unwrap();
        let second = gate.admit(source(1), 0).unwrap();
        assert_eq!(gate.admit(source(1), 0).unwrap_err(), TooMany::FromSource);
        gate.admit(source(2), 0).unwrap();
        drop(first);
        let third = gate.admit(source(1), 0).unwrap();
        assert_eq!(gate.open(), 2);
        drop((second, third));
        assert_eq!(gate.open(), 0);
    }

    #[test]
    fn what_is_kept_free_is_for_the_other_listener() {
        let gate = gate(3, 10, 100);
        let held: Vec<Permit> = (1..=2).map(|n| gate.admit(source(n), 1).unwrap()).collect();
        assert_eq!(gate.admit(source(3), 1).unwrap_err(), TooMany::InAll);
        let kept = gate.admit(source(3), 0).unwrap();
        assert_eq!(gate.admit(source(4), 0).unwrap_err(), TooMany::InAll);
        drop((held, kept));
    }

    #[test]
    fn new_connections_are_counted_by_the_minute() {
        let gate = gate(100, 100, 3);
        let now = Instant::now();
        for _ in 0..3 {
            gate.admit_at(now, source(1), 0).unwrap();
        }
        let refused = gate.admit_at(now, source(1), 0).unwrap_err();
        assert_eq!(refused, TooMany::WithinMinute);
        gate.admit_at(now, source(2), 0).unwrap();
        gate.admit_at(now + MINUTE, source(1), 0).unwrap();
    }

    #[test]
    fn the_table_of_sources_does_not_grow_for_ever() {
        let gate = gate(100, 100, 3);
        let now = Instant::now();
        for n in 0..300_000u32 {
            drop(gate.admit_at(now, Source::of(n.to_be_bytes().into()), 0));
            assert!(gate.state().sources.len() <= 2 * MOST_SOURCES);
        }
        let later = now + MINUTE;
        for n in 0..300_000u32 {
            drop(gate.admit_at(later + MINUTE * n, Source::of(n.to_be_bytes().into()), 0));
        }
        assert!(gate.state().sources.len() <= 2 * FEW_SOURCES);
    }
}
