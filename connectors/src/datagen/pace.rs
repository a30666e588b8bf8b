//! How many records are due now. Pure: the time is passed in.
//!
//! Invariant: over any stretch of time no more records are due than the rate says, and one second's worth at once: what a long
//! pause left undone is not made up for.

use std::time::{Duration, Instant};

/// A rate that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// None: no limit.
    per_second: Option<f64>,
    /// Since when records are counted.
    since: Instant,
    given: f64,
}

impl Pace {
    /// `tasks` share `records_per_second`; 0 is no limit.
    #[allow(clippy::cast_precision_loss, reason = "a rate of more than 2^53 records a second is none")]
    pub(super) fn new(records_per_second: u64, tasks: u64, now: Instant) -> Self {
        let share = records_per_second as f64 / tasks.max(1) as f64;
        Self { per_second: (records_per_second > 0).then_some(share), since: now, given: 0.0 }
    }

    /// How many are due, at most `most`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the float is between 0 and a batch's size"
    )]
    #[allow(clippy::cast_precision_loss, reason = "a batch is smaller than 2^53 records")]
    pub(super) fn due(&mut self, most: usize, now: Instant) -> usize {
        let Some(per_second) = self.per_second else { return most };
        let owed = now.saturating_duration_since(self.since).as_secs_f64() * per_second - self.given;
        if owed > per_second.max(1.0) {
            (self.since, self.given) = (now, 0.0);
            return (per_second.max(1.0).min(most as f64)) as usize;
        }
        owed.clamp(0.0, most as f64) as usize
    }

    /// Some were handed out.
    #[allow(clippy::cast_precision_loss, reason = "a batch is smaller than 2^53 records")]
    pub(super) fn give(&mut self, records: usize) {
        self.given += records as f64;
    }

    /// How long until the next one is due.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let Some(per_second) = self.per_second else { return Duration::ZERO };
        let due_after = Duration::try_from_secs_f64((self.given + 1.0) / per_second).unwrap_or(Duration::MAX);
        due_after.saturating_sub(now.saturating_duration_since(self.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shared_and_kept() {
        let start = Instant::now();
        let mut pace = Pace::new(100, 2, start);
        assert_eq!(pace.due(1000, start), 0);
        assert_eq!(pace.wait(start), Duration::from_millis(20));
        assert_eq!(pace.due(1000, start + Duration::from_millis(100)), 5);
        pace.give(5);
        assert_eq!(pace.due(1000, start + Duration::from_millis(119)), 0);
        assert_eq!(pace.due(2, start + Duration::from_millis(500)), 2);
    }

    #[test]
    fn what_a_pause_left_undone_is_not_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::new(50, 1, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(pace.due(1000, later), 50);
        pace.give(50);
        assert_eq!(pace.due(1000, later), 0);
    }

    #[test]
    fn a_slow_rate_comes_to_one_record_in_time() {
        let start = Instant::now();
        let mut pace = Pace::new(1, 4, start);
        assert_eq!(pace.wait(start), Duration::from_secs(4));
        assert_eq!(pace.due(10, start + Duration::from_secs(4)), 1);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut pace = Pace::new(0, 1, Instant::now());
        assert_eq!((pace.due(7, Instant::now()), pace.wait(Instant::now())), (7, Duration::ZERO));
    }
}
