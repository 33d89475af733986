//! Sequence sets (RFC 9051 9, `sequence-set`): numbers, ranges, `*`.
//!
//! `*` is the largest number in use, known only when the set is used, so it is kept apart: every range with `*` says
//! "from here to the last", and of several the lowest start is enough. Ranges are kept sorted and merged, so that a set
//! of a million ranges costs what it covers and no more.

use std::fmt;

/// A set of message numbers or UIDs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SequenceSet {
    /// Sorted, merged, none touching the next; both ends included.
    ranges: Vec<(u32, u32)>,
    /// The lowest start of a range that ends with `*`; `u32::MAX` for `*` alone.
    to_last: Option<u32>,
}

impl SequenceSet {
    /// Reads a set; none when it is not one, or when more than `limit` ranges remain after merging.
    #[must_use]
    pub fn parse(text: &[u8], limit: usize) -> Option<Self> {
        let mut set = Self::default();
        let mut raw: Vec<(u32, u32)> = Vec::new();
        for piece in text.split(|b| *b == b',') {
            let mut ends = piece.splitn(2, |b| *b == b':');
            let first = number(ends.next()?)?;
            let last = match ends.next() {
                Some(last) => number(last)?,
                None => first,
            };
            match (first, last) {
                (Number::Last, Number::Last) => set.reaches_last(u32::MAX),
                (Number::Last, Number::Is(n)) | (Number::Is(n), Number::Last) => {
                    set.reaches_last(n);
                }
                (Number::Is(a), Number::Is(b)) => {
                    raw.push((a.min(b), a.max(b)));
                    if raw.len() >= limit.saturating_mul(2) {
                        raw = merged(raw);
                        if raw.len() > limit {
                            return None;
                        }
                    }
                }
            }
        }
        set.ranges = merged(raw);
        (set.ranges.len() <= limit).then_some(set)
    }

    /// One range.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        Self {
            ranges: vec![(first.min(last), first.max(last))],
            to_last: None,
        }
    }

    /// The smallest set that holds these numbers.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self {
            ranges: merged(numbers.into_iter().map(|n| (n, n)).collect()),
            to_last: None,
        }
    }

    /// The smallest set that holds these ranges.
    #[must_use]
    pub fn of_ranges(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        Self {
            ranges: merged(ranges.into_iter().collect()),
            to_last: None,
        }
    }

    fn reaches_last(&mut self, from: u32) {
        self.to_last = Some(self.to_last.map_or(from, |old| old.min(from)));
    }

    /// The ranges it means while `last` is the largest number in use; sorted, merged.
    ///
    /// `7:*` with 5 as the last means `5:7` (RFC 9051 9, `seq-range`), of which only 5 exists.
    #[must_use]
    pub fn resolve(&self, last: u32) -> Vec<(u32, u32)> {
        let Some(from) = self.to_last else {
            return self.ranges.clone();
        };
        if last == 0 {
            return self.ranges.clone();
        }
        let mut all = self.ranges.clone();
        all.push((from.min(last), last));
        merged(all)
    }

    /// Whether a number lies in it while `last` is the largest in use.
    #[must_use]
    pub fn has(&self, number: u32, last: u32) -> bool {
        if self
            .to_last
            .is_some_and(|from| number >= from.min(last) && number <= last)
        {
            return true;
        }
        let after = self.ranges.partition_point(|(first, _)| *first <= number);
        after
            .checked_sub(1)
            .and_then(|at| self.ranges.get(at))
            .is_some_and(|(_, end)| number <= *end)
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.to_last.is_none()
    }

    /// Whether `*` occurs in it.
    #[must_use]
    pub fn has_last(&self) -> bool {
        self.to_last.is_some()
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (first, last) in &self.ranges {
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
            comma = ",";
        }
        match self.to_last {
            Some(u32::MAX) => write!(f, "{comma}*"),
            Some(from) => write!(f, "{comma}{from}:*"),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy)]
enum Number {
    Is(u32),
    Last,
}

/// `nz-number / "*"`.
fn number(text: &[u8]) -> Option<Number> {
    if text == b"*" {
        return Some(Number::Last);
    }
    if text.first() == Some(&b'0') || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().map(Number::Is)
}

/// Sorted ranges, those that touch joined.
fn merged(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(ranges.len().min(64));
    for (first, last) in ranges {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> SequenceSet {
        SequenceSet::parse(text.as_bytes(), 100).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_9051() {
        assert_eq!(set("2:4").to_string(), "2:4");
        assert_eq!(set("4:2").to_string(), "2:4");
        assert_eq!(
            set("2,4:7,9,12:*").resolve(15),
            [(2, 2), (4, 7), (9, 9), (12, 15)]
        );
        assert_eq!(set("2:4,3,5").to_string(), "2:5");
        assert_eq!(set("*:4,5:7").resolve(10), [(4, 10)]);
        assert_eq!(set("*").resolve(7), [(7, 7)]);
        assert_eq!(set("9:*").resolve(7), [(7, 7)]);
        assert!(set("1:*").resolve(0).is_empty());
    }

    #[test]
    fn what_is_no_set() {
        for bad in [
            "",
            "0",
            "01",
            "1,",
            ",1",
            "1:",
            ":1",
            "1:2:3",
            "a",
            "-1",
            "4294967296",
            "1 2",
            "**",
        ] {
            assert_eq!(SequenceSet::parse(bad.as_bytes(), 100), None, "{bad:?}");
        }
    }

    #[test]
    fn the_limit_counts_ranges_after_merging() {
        let joined: Vec<String> = (1..=10_000).map(|n| n.to_string()).collect();
        assert_eq!(
            SequenceSet::parse(joined.join(",").as_bytes(), 10)
                .unwrap()
                .to_string(),
            "1:10000"
        );
        let apart: Vec<String> = (1..=11).map(|n| (n * 2).to_string()).collect();
        assert!(SequenceSet::parse(apart.join(",").as_bytes(), 10).is_none());
        assert!(SequenceSet::parse(apart[..10].join(",").as_bytes(), 10).is_some());
    }

    proptest! {
        #[test]
        fn it_means_what_a_plain_set_means(
            ranges in prop::collection::vec((0u32..40, 0u32..40), 1..12),
            last in 1u32..40,
        ) {
            // 0 stands for `*`.
            let word = |n: u32| if n == 0 { "*".to_owned() } else { n.to_string() };
            let text: Vec<String> = ranges.iter().map(|(a, b)| format!("{}:{}", word(*a), word(*b))).collect();
            let parsed = SequenceSet::parse(text.join(",").as_bytes(), 100).unwrap();
            let truth = |n: u32| ranges.iter().any(|(a, b)| {
                let (a, b) = (if *a == 0 { last } else { *a }, if *b == 0 { last } else { *b });
                (a.min(b)..=a.max(b)).contains(&n)
            });
            let resolved = parsed.resolve(last);
            for n in 1..=last {
                prop_assert_eq!(parsed.has(n, last), truth(n), "{}", n);
                prop_assert_eq!(resolved.iter().any(|(a, b)| (*a..=*b).contains(&n)), truth(n), "{}", n);
            }
            let again = SequenceSet::parse(parsed.to_string().as_bytes(), 100).unwrap();
            prop_assert_eq!(again, parsed);
        }
    }
}
