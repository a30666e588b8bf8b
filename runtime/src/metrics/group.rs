//! Numbers about the worker's place in its group, named after Connect's worker rebalance metrics.
//!
//! Written by the membership, once a round. Invariant: a worker that is alone in its group has none.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::{Sample, SampleKind, as_f64, signed_as_f64};

/// See the module.
#[derive(Debug, Default)]
pub struct GroupMetrics {
    /// 0 before the first round, -1 while it is out of the group.
    generation: AtomicI64,
    leads: AtomicU64,
    rebalances: AtomicU64,
    rebalance_ms: AtomicU64,
    rebalance_ms_max: AtomicU64,
}

impl GroupMetrics {
    /// A round ended with a place.
    pub(crate) fn rebalanced(&self, generation: i32, leads: bool, took: Duration) {
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.generation.store(i64::from(generation), Ordering::Relaxed);
        self.leads.store(u64::from(leads), Ordering::Relaxed);
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        self.rebalance_ms.fetch_add(took_ms, Ordering::Relaxed);
        self.rebalance_ms_max.fetch_max(took_ms, Ordering::Relaxed);
    }

    /// The worker is out of the group.
    pub(crate) fn out(&self) {
        self.generation.store(-1, Ordering::Relaxed);
        self.leads.store(0, Ordering::Relaxed);
    }

    pub(super) fn samples(&self, samples: &mut Vec<Sample>) {
        use SampleKind::{Counter, Gauge};
        let generation = self.generation.load(Ordering::Relaxed);
        if generation == 0 {
            return;
        }
        let number = |number: &AtomicU64| as_f64(number.load(Ordering::Relaxed));
        let rows = [
            (
                "rebalance_epoch",
                Gauge,
                "Generation of the group of workers; -1 while out of it.",
                signed_as_f64(generation),
            ),
            ("rebalance_leader", Gauge, "1 on the worker that leads the group.", number(&self.leads)),
            (
                "rebalance_completed_total",
                Counter,
                "Rounds in which work was given out.",
                number(&self.rebalances),
            ),
            (
                "rebalance_time_ms_total",
                Counter,
                "Milliseconds that rounds took together.",
                number(&self.rebalance_ms),
            ),
            (
                "rebalance_max_time_ms",
                Gauge,
                "Milliseconds of the longest round.",
                number(&self.rebalance_ms_max),
            ),
        ];
        samples.extend(rows.into_iter().map(|(name, kind, help, value)| Sample {
            name: name.to_owned(),
            kind,
            help,
            labels: Vec::new(),
            value,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_is_alone_has_none() {
        let numbers = GroupMetrics::default();
        let samples = || {
            let mut samples = Vec::new();
            numbers.samples(&mut samples);
            samples.into_iter().map(|sample| (sample.name, sample.value)).collect::<Vec<_>>()
        };
        assert!(samples().is_empty());
        numbers.rebalanced(3, true, Duration::from_millis(7));
        numbers.rebalanced(4, false, Duration::from_millis(5));
        let values: Vec<f64> = samples().into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, [4.0, 0.0, 2.0, 12.0, 7.0]);
        numbers.out();
        assert_eq!(samples()[0], ("rebalance_epoch".to_owned(), -1.0));
    }
}
