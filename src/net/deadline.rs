//! Deadlines for everything that waits for the other side, and the floor under its speed.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

/// The other side was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other side took too long")]
pub struct TooSlow;

/// Waits for `work` until `deadline`.
///
/// # Errors
/// [`TooSlow`] when the deadline passes first.
pub async fn until<T>(deadline: Instant, work: impl Future<Output = T>) -> Result<T, TooSlow> {
    tokio::time::timeout_at(deadline, work)
        .await
        .map_err(|_| TooSlow)
}

/// The least speed of a sender, averaged over a window, so that one octet a minute does not hold a connection for days.
#[derive(Debug)]
pub struct RateFloor {
    per_second: u64,
    window: Duration,
    began: Instant,
    octets: u64,
}

impl RateFloor {
    /// At least `per_second` octets a second in every window; 0 demands nothing.
    #[must_use]
    pub fn new(per_second: u64, window: Duration) -> Self {
        Self {
            per_second,
            window,
            began: Instant::now(),
            octets: 0,
        }
    }

    /// Counts `octets` that came.
    ///
    /// # Errors
    /// [`TooSlow`] when a whole window has passed and too few came in it.
    pub fn came(&mut self, octets: usize) -> Result<(), TooSlow> {
        self.came_at(Instant::now(), octets)
    }

    fn came_at(&mut self, now: Instant, octets: usize) -> Result<(), TooSlow> {
        self.octets = self
            .octets
            .saturating_add(u64::try_from(octets).unwrap_or(u64::MAX));
        let passed = now.duration_since(self.began);
        if passed < self.window {
            return Ok(());
        }
        if self.octets < self.per_second.saturating_mul(passed.as_secs()) {
            return Err(TooSlow);
        }
        self.began = now;
        self.octets = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drip_is_too_slow_only_after_a_whole_window() {
        let mut floor = RateFloor::new(500, Duration::from_mins(1));
        let began = floor.began;
        floor.came_at(began, 1).unwrap();
        floor.came_at(began + Duration::from_secs(59), 1).unwrap();
        let ended = floor.came_at(began + Duration::from_mins(1), 1);
        assert_eq!(ended, Err(TooSlow));
    }

    #[test]
    fn enough_in_each_window_goes_on() {
        let mut floor = RateFloor::new(500, Duration::from_mins(1));
        let mut now = floor.began;
        for _ in 0..5 {
            now += Duration::from_mins(1);
            floor.came_at(now, 30_000).unwrap();
        }
        now += Duration::from_mins(1);
        assert_eq!(floor.came_at(now, 29_999), Err(TooSlow));
    }

    #[tokio::test]
    async fn until_gives_up_at_the_deadline() {
        let never = std::future::pending::<()>();
        assert_eq!(until(Instant::now(), never).await, Err(TooSlow));
    }
}
