//! When a recipient is tried again, when its sender is told, and when it is given up (RFC 5321 4.5.4.1; security.md 9).
//! Pure: what time it is comes in with the claim.

use std::time::Duration;

use crate::config::Queue;

/// The wait before the try after `attempts` tries: the first wait doubled with each, up to the longest.
#[must_use]
pub fn wait(attempts: i32, settings: &Queue) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(31);
    settings
        .retry_first
        .saturating_mul(1 << doublings)
        .min(settings.retry_longest)
}

/// What to do with a recipient that could not be served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try again after so long.
    Retry(Duration),
    /// Its time is over.
    GiveUp,
}

/// Decides for a recipient with `attempts` tries before this one and `left` of its time. The last try falls on the end of
/// the time, so that none of it is given away.
#[must_use]
pub fn next(attempts: i32, left: Duration, settings: &Queue) -> Next {
    if left.is_zero() {
        Next::GiveUp
    } else {
        Next::Retry(wait(attempts, settings).min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let settings = Queue::default();
        let waits: Vec<u64> = (0..6).map(|n| wait(n, &settings).as_secs()).collect();
        assert_eq!(waits, [300, 600, 1_200, 2_400, 4_000, 4_000]);
        assert_eq!(wait(i32::MAX, &settings).as_secs(), 4_000);
    }

    #[test]
    fn five_days_are_used_to_their_end() {
        let settings = Queue::default();
        let (mut at, mut tries) = (Duration::ZERO, 0);
        while let Next::Retry(wait) = next(tries, settings.give_up.saturating_sub(at), &settings) {
            at += wait;
            tries += 1;
        }
        assert_eq!(at, settings.give_up);
        assert!((100..130).contains(&tries), "{tries}");
    }
}
