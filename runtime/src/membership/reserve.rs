//! What is kept for a worker that may come back (`scheduled.rebalance.max.delay.ms`).
//!
//! Memory of the worker that leads, asked in each round; pure. What was out in the last round and is claimed by nobody now was lost with
//! its worker. By default it is given out at once; whoever sets a delay (Kafka Connect's default is five minutes) has it kept
//! until the delay ends. Invariant: nothing is kept longer than the delay, counted from the round that missed it first.

use std::time::{Duration, Instant};

use crate::herder::Assignment;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reserve {
    /// The generation that was led last, and what was out in it.
    last: Option<(i32, Assignment)>,
    due: Option<Instant>,
}

impl Reserve {
    /// What of the wanted is to be kept in this round, and for how long.
    pub(super) fn keep(
        &mut self,
        generation: i32,
        wanted: &Assignment,
        claimed: &Assignment,
        delay: Duration,
        now: Instant,
    ) -> (Assignment, Duration) {
        let led_before = self.last.take().filter(|(last, _)| *last == generation - 1);
        let lost = led_before.map(|(_, out)| out.intersection(wanted).without(claimed)).unwrap_or_default();
        if lost == Assignment::default() || delay.is_zero() {
            self.due = None;
            return Default::default();
        }
        let due = *self.due.get_or_insert(now + delay);
        if now >= due {
            self.due = None;
            return Default::default();
        }
        (lost, due - now)
    }

    /// What is out after the round: run by someone, or kept.
    pub(super) fn note(&mut self, generation: i32, out: Assignment) {
        self.last = Some((generation, out));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::herder::TaskId;

    fn tasks(numbers: &[u32]) -> Assignment {
        let tasks = numbers.iter().map(|number| TaskId::new("c", *number)).collect();
        Assignment { connectors: BTreeSet::new(), tasks }
    }

    #[test]
    fn lost_work_is_kept_until_the_delay_ends() {
        let (start, delay) = (Instant::now(), Duration::from_secs(300));
        let after = |seconds| start + Duration::from_secs(seconds);
        let nothing = (tasks(&[]), Duration::ZERO);
        let mut reserve = Reserve::default();
        assert_eq!(reserve.keep(1, &tasks(&[0, 1]), &tasks(&[]), delay, start), nothing, "new work");
        reserve.note(1, tasks(&[0, 1]));
        let kept = reserve.keep(2, &tasks(&[0, 1, 2]), &tasks(&[0]), delay, start);
        assert_eq!(kept, (tasks(&[1]), delay));
        reserve.note(2, tasks(&[0, 1, 2]));
        let kept = reserve.keep(3, &tasks(&[0, 1, 2]), &tasks(&[0, 2]), delay, after(100));
        assert_eq!(kept, (tasks(&[1]), Duration::from_secs(200)));
        reserve.note(3, tasks(&[0, 1, 2]));
        assert_eq!(reserve.keep(4, &tasks(&[0, 1, 2]), &tasks(&[0, 2]), delay, after(300)), nothing);
        reserve.note(4, tasks(&[0, 1, 2]));
        let late = reserve.keep(6, &tasks(&[0, 1, 2]), &tasks(&[0]), delay, after(300));
        assert_eq!(late, nothing, "somebody else led in between: who knows what was out");
        reserve.note(6, tasks(&[0, 1]));
        assert_eq!(reserve.keep(7, &tasks(&[0, 1]), &tasks(&[0]), Duration::ZERO, after(400)), nothing);
    }
}
