//! How often somebody may fail to log in: guessing passwords must not pay.
//!
//! Counted per address, in memory; pure, with the time passed in. Invariant: the table is bounded, and being full forgets
//! failures of long ago before those of now.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// So many failures from one address...
const FAILURES_MAX: u32 = 10;

/// ...within so long; afterwards the count starts anew.
const WINDOW: Duration = Duration::from_secs(60);

/// For how many addresses failures are counted.
const ADDRESSES_MAX: usize = 10_000;

/// The failures of late.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: HashMap<IpAddr, (u32, Instant)>,
}

impl Attempts {
    /// How long an address must wait before it may try again, if it must.
    pub(super) fn wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let (count, began) = self.failures.get(&address)?;
        let left = WINDOW.checked_sub(now.duration_since(*began))?;
        (*count >= FAILURES_MAX && !left.is_zero()).then_some(left)
    }

    /// Counts a failure.
    pub(super) fn failed(&mut self, address: IpAddr, now: Instant) {
        let is_over = |began: Instant| now.duration_since(began) >= WINDOW;
        if self.failures.len() >= ADDRESSES_MAX && !self.failures.contains_key(&address) {
            self.failures.retain(|_, (_, began)| !is_over(*began));
            if self.failures.len() >= ADDRESSES_MAX {
                self.failures.clear();
            }
        }
        let entry = self.failures.entry(address).or_insert((0, now));
        if is_over(entry.1) {
            *entry = (0, now);
        }
        entry.0 = entry.0.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn failures_are_counted_per_address_and_for_a_while() {
        let (mut attempts, began) = (Attempts::default(), Instant::now());
        let (one, other) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::BROADCAST));
        for _ in 0..FAILURES_MAX {
            assert_eq!(attempts.wait(one, began), None);
            attempts.failed(one, began);
        }
        assert_eq!(attempts.wait(one, began), Some(WINDOW));
        assert_eq!(attempts.wait(other, began), None);
        assert_eq!(attempts.wait(one, began + WINDOW), None);
        attempts.failed(one, began + WINDOW);
        assert_eq!(attempts.wait(one, began + WINDOW), None, "the count starts anew");
    }

    #[test]
    fn the_table_is_bounded() {
        let (mut attempts, began) = (Attempts::default(), Instant::now());
        for number in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 10 {
            attempts.failed(IpAddr::V4(Ipv4Addr::from_bits(number)), began);
        }
        assert!(attempts.failures.len() <= ADDRESSES_MAX);
    }
}
