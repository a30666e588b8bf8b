//! Which fault befalls the group when: a seed decides, and the same seed decides the same again.

use std::time::Duration;

use crate::checker::Numbers;

/// How many workers there are.
pub(super) const WORKERS: u8 = 3;

/// What befalls the group. Members of the network are numbered: 0 is the broker, then come the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing that one sends reaches the other; `both` ways, or only this one.
    Cut { from: u8, to: u8, both: bool },
    /// SIGSTOP to a worker, and SIGCONT in the end.
    Halt(u8),
    /// `kill -9` of a worker, and a new start in the end.
    Kill(u8),
    /// `kill -9` of the broker, and a new start in the end.
    Broker,
}

/// One round: work, then faults, all of which end at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) quiet: Duration,
    pub(super) faults: Vec<Fault>,
    pub(super) lasts: Duration,
}

/// The rounds of a seed, one after the other, for ever.
pub(super) struct Plan(Numbers);

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self(Numbers::new(seed))
    }

    /// A fault shorter than a session, or one that outlasts it; now and then two at a time.
    pub(super) fn round(&mut self, with_network: bool) -> Round {
        let numbers = &mut self.0;
        let quiet = numbers.milliseconds(200, 3_000);
        let lasts = if numbers.below(3) == 0 {
            numbers.milliseconds(50, 2_500)
        } else {
            numbers.milliseconds(2_500, 9_000)
        };
        let mut faults = vec![fault(numbers, with_network)];
        if numbers.below(4) == 0 {
            let second = fault(numbers, with_network);
            if second.process().is_none() || second.process() != faults.first().and_then(Fault::process) {
                faults.push(second);
            }
        }
        Round { quiet, faults, lasts }
    }
}

impl Fault {
    /// The process that it befalls, as a member of the network.
    fn process(&self) -> Option<u8> {
        match *self {
            Self::Cut { .. } => None,
            Self::Halt(worker) | Self::Kill(worker) => Some(worker + 1),
            Self::Broker => Some(0),
        }
    }

    /// Where it stands when several are healed one after the other: a process that starts is waited for, and it gets ready only when it
    /// reaches the broker.
    pub(super) const fn healing_turn(&self) -> u8 {
        match self {
            Self::Cut { .. } => 0,
            Self::Broker => 1,
            Self::Halt(_) | Self::Kill(_) => 2,
        }
    }

    /// What it is called in a report.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Cut { from: 0, both: true, .. } | Self::Cut { to: 0, both: true, .. } => {
                "worker and broker cut"
            }
            Self::Cut { from: 0, .. } | Self::Cut { to: 0, .. } => "worker and broker cut one way",
            Self::Cut { both: true, .. } => "two workers cut",
            Self::Cut { .. } => "two workers cut one way",
            Self::Halt(_) => "SIGSTOP",
            Self::Kill(_) => "kill -9",
            Self::Broker => "broker restart",
        }
    }
}

fn fault(numbers: &mut Numbers, with_network: bool) -> Fault {
    let worker = u8::try_from(numbers.below(u64::from(WORKERS))).unwrap_or_default();
    let kinds = if with_network { 7 } else { 3 };
    match numbers.below(kinds) {
        0 => Fault::Halt(worker),
        1 => Fault::Kill(worker),
        2 => Fault::Broker,
        _ => cut(numbers),
    }
}

/// Any two members, in any order.
fn cut(numbers: &mut Numbers) -> Fault {
    let members = u64::from(WORKERS) + 1;
    let from = numbers.below(members);
    let to = (from + 1 + numbers.below(members - 1)) % members;
    let member = |number: u64| u8::try_from(number).unwrap_or_default();
    Fault::Cut { from: member(from), to: member(to), both: numbers.below(3) > 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rounds(seed: u64, with_network: bool) -> Vec<Round> {
        let mut plan = Plan::new(seed);
        (0..300).map(|_| plan.round(with_network)).collect()
    }

    #[test]
    fn a_seed_repeats_its_plan_and_another_makes_another() {
        assert_eq!(rounds(7, true), rounds(7, true));
        assert_ne!(rounds(7, true), rounds(8, true));
    }

    #[test]
    fn what_a_start_needs_is_healed_before_it() {
        let cut = Fault::Cut { from: 0, to: 1, both: true };
        let mut faults = [Fault::Kill(0), Fault::Broker, cut];
        faults.sort_by_key(Fault::healing_turn);
        assert_eq!(faults, [cut, Fault::Broker, Fault::Kill(0)]);
    }

    #[test]
    fn every_fault_and_every_pair_comes() {
        let all = rounds(1, true);
        let faults = || all.iter().flat_map(|round| &round.faults);
        let names: BTreeSet<_> = faults().map(Fault::name).collect();
        assert_eq!(names.len(), 7, "{names:?}");
        let pairs: BTreeSet<_> = faults()
            .filter_map(|fault| match fault {
                Fault::Cut { from, to, .. } => Some((from.min(to), from.max(to))),
                _ => None,
            })
            .collect();
        assert_eq!(pairs.len(), 6, "{pairs:?}");
        assert!(pairs.iter().all(|(one, other)| one < other));
        assert!(all.iter().any(|round| round.faults.len() == 2));
        let without = rounds(1, false);
        assert!(
            without.iter().flat_map(|round| &round.faults).all(|fault| !matches!(fault, Fault::Cut { .. }))
        );
    }

    #[test]
    fn no_process_is_struck_twice_at_a_time() {
        for round in rounds(3, true) {
            let mut struck = BTreeSet::new();
            assert!(round.faults.iter().filter_map(Fault::process).all(|process| struck.insert(process)));
        }
    }
}
