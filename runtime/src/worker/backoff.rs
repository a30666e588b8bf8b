//! How long to wait before the next try: doubling, capped, with jitter.
//!
//! Used off the hot path by the tolerance of a task and by supervision. Pure: the randomness is a seed that is passed in.
//! Invariant: a delay is never longer than the cap, and never zero.

use std::time::Duration;

/// Cheap pseudo-random numbers for jitter (xorshift64*); not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Jitter(u64);

impl Jitter {
    /// A sequence that follows from the seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    /// A sequence that nobody else has.
    pub(crate) fn unique() -> Self {
        let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
        Self::new(high ^ low)
    }

    /// The next number.
    const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit` (0 when the limit is 0).
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }
}

/// Connect's delay of the n-th retry (from 1) under `errors.retry.*`: 300 ms doubling; past the cap, anything below the cap.
pub(crate) fn retry_delay(attempt: u32, delay_max: Duration, jitter: &mut Jitter) -> Duration {
    const FIRST_MS: u64 = 300;
    let delay_ms = FIRST_MS.saturating_mul(1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX));
    let max_ms = u64::try_from(delay_max.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(if delay_ms <= max_ms { delay_ms } else { jitter.below(max_ms).max(1) })
}

/// The delay before the n-th restart (from 1): doubling from `first`, capped, then between half of that and all of it, so that what
/// failed together does not come back together.
pub(crate) fn restart_delay(attempt: u32, first: Duration, cap: Duration, jitter: &mut Jitter) -> Duration {
    let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
    let full = first.saturating_mul(factor).min(cap).max(Duration::from_millis(2));
    let half = full / 2;
    let spread_ms = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    half + Duration::from_millis(jitter.below(spread_ms.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_and_stay_below_the_cap() {
        let mut jitter = Jitter::new(7);
        let cap = Duration::from_secs(1);
        let delays: Vec<_> =
            (1..=2).map(|attempt| retry_delay(attempt, cap, &mut jitter).as_millis()).collect();
        assert_eq!(delays, [300, 600]);
        for attempt in 3..200 {
            let delay = retry_delay(attempt, cap, &mut jitter);
            assert!(delay <= cap && delay > Duration::ZERO, "{attempt}: {delay:?}");
        }
    }

    #[test]
    fn restarts_spread_between_half_and_all_of_the_delay() {
        let mut jitter = Jitter::new(7);
        let (first, cap) = (Duration::from_secs(1), Duration::from_secs(60));
        for attempt in 1..100 {
            let full = Duration::from_secs(1_u64.checked_shl(attempt - 1).unwrap_or(u64::MAX)).min(cap);
            let delay = restart_delay(attempt, first, cap, &mut jitter);
            assert!(delay >= full / 2 && delay <= full, "{attempt}: {delay:?} of {full:?}");
        }
    }
}
