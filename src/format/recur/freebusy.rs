//! Free or busy (RFC 4791 7.10, RFC 5545 3.6.4): stretches of time, joined.

use time::OffsetDateTime;

use super::series::{Caps, Series, Window};
use crate::format::ical::Component;

/// How busy (`FBTYPE`), the weightier last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BusyKind {
    /// `BUSY-TENTATIVE`
    Tentative,
    /// `BUSY`
    Busy,
    /// `BUSY-UNAVAILABLE`
    Unavailable,
}

impl BusyKind {
    /// The parameter's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Tentative => "BUSY-TENTATIVE",
            Self::Busy => "BUSY",
            Self::Unavailable => "BUSY-UNAVAILABLE",
        }
    }
}

/// A stretch of time that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Its first moment.
    pub from: OffsetDateTime,
    /// The moment behind it.
    pub to: OffsetDateTime,
    /// How.
    pub kind: BusyKind,
}

impl Series<'_> {
    /// When the series takes time inside a window. `of` says how a component counts; none: it does not.
    #[must_use]
    pub fn busy(
        &self,
        window: Window,
        caps: Caps,
        of: impl Fn(Component<'_>) -> Option<BusyKind>,
    ) -> Vec<Busy> {
        self.between(window, caps)
            .instances
            .into_iter()
            .filter(|i| i.ends_at > i.starts_at)
            .filter_map(|i| {
                Some(Busy {
                    from: i.starts_at.max(window.from),
                    to: i.ends_at.min(window.to),
                    kind: of(i.part)?,
                })
            })
            .collect()
    }
}

impl BusyKind {
    /// How an event counts by what it says: TRANSP and STATUS (RFC 4791 7.10). `CANCELLED` and transparent ones do not.
    #[must_use]
    pub fn of_event(event: Component<'_>) -> Option<Self> {
        if event
            .text("TRANSP")
            .is_some_and(|t| t.trim().eq_ignore_ascii_case("TRANSPARENT"))
        {
            return None;
        }
        let status = event.text("STATUS").unwrap_or_default();
        if status.eq_ignore_ascii_case("CANCELLED") {
            return None;
        }
        if event
            .text("X-MICROSOFT-CDO-BUSYSTATUS")
            .is_some_and(|b| b.trim().eq_ignore_ascii_case("OOF"))
        {
            return Some(Self::Unavailable);
        }
        Some(if status.eq_ignore_ascii_case("TENTATIVE") {
            Self::Tentative
        } else {
            Self::Busy
        })
    }
}

/// Joins stretches that touch or overlap, each moment with the weightiest kind it has; by start.
#[must_use]
pub fn merge_busy(all: &[Busy]) -> Vec<Busy> {
    let mut edges: Vec<OffsetDateTime> = all.iter().flat_map(|b| [b.from, b.to]).collect();
    edges.sort_unstable();
    edges.dedup();
    let mut sorted: Vec<&Busy> = all.iter().filter(|b| b.from < b.to).collect();
    sorted.sort_by_key(|b| b.from);
    let mut merged: Vec<Busy> = Vec::new();
    let mut open: Vec<&Busy> = Vec::new();
    let mut waiting = sorted.into_iter().peekable();
    for pair in edges.windows(2) {
        let [from, to] = pair else { continue };
        open.retain(|b| b.to > *from);
        while let Some(next) = waiting.next_if(|b| b.from <= *from) {
            open.push(next);
        }
        let Some(kind) = open.iter().map(|b| b.kind).max() else {
            continue;
        };
        match merged.last_mut() {
            Some(last) if last.to == *from && last.kind == kind => last.to = *to,
            _ => merged.push(Busy {
                from: *from,
                to: *to,
                kind,
            }),
        }
    }
    merged
}
