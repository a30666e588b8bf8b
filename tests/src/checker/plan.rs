//! Which fault comes when: a seed decides, and the same seed decides the same again.

use std::time::Duration;

/// What befalls the broker in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// `kill -9`, and a new start.
    Kill,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
    /// No room left on the disk for this time.
    DiskFull(Duration),
    /// `kill -9`, and what was not promised yet is cut off in the middle, as a power failure may.
    TornTail,
    /// `kill -9`, and bits flip in what was not promised yet; where everything was, noise follows the last batch.
    FlippedTail,
}

/// One round: work, then a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) quiet: Duration,
    pub(super) fault: Fault,
    /// Chooses the place of damage.
    pub(super) seed: u64,
}

/// Numbers that look random and are not (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A time of at least the first and less than the second.
    pub(crate) fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// The rounds of a seed.
pub(super) fn rounds(seed: u64, count: usize) -> Vec<Round> {
    let mut numbers = Numbers::new(seed);
    (0..count).map(|_| round(&mut numbers)).collect()
}

fn round(numbers: &mut Numbers) -> Round {
    let quiet = numbers.milliseconds(50, 800);
    let fault = match numbers.below(6) {
        0 | 1 => Fault::Kill,
        2 => Fault::Stop(numbers.milliseconds(100, 2_000)),
        3 => Fault::DiskFull(numbers.milliseconds(100, 1_000)),
        4 => Fault::TornTail,
        _ => Fault::FlippedTail,
    };
    Round { quiet, fault, seed: numbers.next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_plan_and_another_makes_another() {
        assert_eq!(rounds(7, 50), rounds(7, 50));
        assert_ne!(rounds(7, 50), rounds(8, 50));
    }

    #[test]
    fn every_fault_comes() {
        let kinds: std::collections::HashSet<_> =
            rounds(1, 100).iter().map(|round| std::mem::discriminant(&round.fault)).collect();
        assert_eq!(kinds.len(), 5);
    }
}
