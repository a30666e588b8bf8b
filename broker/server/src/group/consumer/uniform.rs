//! The uniform assignor: everyone gets about as many partitions as the others that read the same topics, and keeps what it had unless
//! that stands in the way.
//!
//! First everyone keeps what it had, then what is free goes to those who have least, then the fullest give to those who have at least two
//! less. Every such gift lowers the sum of the squares of the loads, so there is an end; if all read the same, the loads
//! differ by one at most, and no more partitions move than that takes.

use std::collections::{BTreeMap, BTreeSet};

use broker_protocol::Uuid;

use super::{
    member::{Assigned, each},
    target::Seat,
};

/// The deal as it goes on.
struct Deal {
    held: Vec<Assigned>,
    loads: Vec<usize>,
    /// Load and seat, the least loaded first.
    by_load: BTreeSet<(usize, usize)>,
    /// Seats that read a topic.
    readers: BTreeMap<Uuid, BTreeSet<usize>>,
}

/// What each seat gets, in the order of the seats.
pub(super) fn deal(seats: &[Seat<'_>]) -> Vec<Assigned> {
    let mut deal = Deal {
        held: vec![Assigned::new(); seats.len()],
        loads: vec![0; seats.len()],
        by_load: (0..seats.len()).map(|seat| (0, seat)).collect(),
        readers: BTreeMap::new(),
    };
    let mut free: BTreeSet<(Uuid, i32)> = BTreeSet::new();
    for (at, seat) in seats.iter().enumerate() {
        for (topic, partitions) in &seat.reads {
            deal.readers.entry(*topic).or_default().insert(at);
            free.extend((0..*partitions).map(|partition| (*topic, partition)));
        }
    }
    for (at, seat) in seats.iter().enumerate() {
        for (topic, partition) in each(&seat.had).filter(|(topic, _)| seat.reads.contains_key(topic)) {
            if free.remove(&(topic, partition)) {
                deal.give(at, topic, partition);
            }
        }
    }
    // Topics that few read first: their readers have less choice.
    let mut free: Vec<(Uuid, i32)> = free.into_iter().collect();
    free.sort_by_key(|(topic, _)| deal.readers.get(topic).map_or(0, BTreeSet::len));
    for (topic, partition) in free {
        if let Some(at) = deal.least_loaded(topic) {
            deal.give(at, topic, partition);
        }
    }
    while let Some((from, topic, to)) = deal.gift() {
        deal.pass_on(from, topic, to);
    }
    deal.held
}

impl Deal {
    fn change_load(&mut self, at: usize, load: usize) {
        self.by_load.remove(&(self.loads[at], at));
        self.loads[at] = load;
        self.by_load.insert((load, at));
    }

    fn give(&mut self, at: usize, topic: Uuid, partition: i32) {
        self.held[at].entry(topic).or_default().insert(partition);
        self.change_load(at, self.loads[at] + 1);
    }

    fn least_loaded(&self, topic: Uuid) -> Option<usize> {
        let readers = self.readers.get(&topic)?;
        self.by_load.iter().map(|(_, at)| *at).find(|at| readers.contains(at))
    }

    /// Who can give a partition of what topic to whom, so that the loads are closer.
    fn gift(&self) -> Option<(usize, Uuid, usize)> {
        self.by_load.iter().rev().find_map(|(load, from)| {
            let gift = |topic: &Uuid| {
                let to = self.least_loaded(*topic)?;
                (self.loads[to] + 1 < *load).then_some((*from, *topic, to))
            };
            self.held[*from].keys().find_map(gift)
        })
    }

    fn pass_on(&mut self, from: usize, topic: Uuid, to: usize) {
        let Some(partitions) = self.held[from].get_mut(&topic) else { return };
        let Some(partition) = partitions.pop_last() else { return };
        if partitions.is_empty() {
            self.held[from].remove(&topic);
        }
        self.change_load(from, self.loads[from].saturating_sub(1));
        self.give(to, topic, partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: Uuid = Uuid([1; 16]);
    const OTHER: Uuid = Uuid([2; 16]);

    fn seat<'a>(member_id: &'a str, reads: &[(Uuid, i32)], had: Assigned) -> Seat<'a> {
        Seat { member_id, instance_id: None, reads: reads.iter().copied().collect(), had }
    }

    fn load(dealt: &Assigned) -> usize {
        each(dealt).count()
    }

    #[test]
    fn a_newcomer_gets_its_share_and_nothing_else_moves() {
        let reads = [(TOPIC, 9), (OTHER, 3)];
        let before = deal(&[seat("a", &reads, Assigned::new()), seat("b", &reads, Assigned::new())]);
        assert_eq!(before.iter().map(load).collect::<Vec<_>>(), [6, 6]);
        let seats = [
            seat("a", &reads, before[0].clone()),
            seat("b", &reads, before[1].clone()),
            seat("c", &reads, Assigned::new()),
        ];
        let after = deal(&seats);
        assert_eq!(after.iter().map(load).collect::<Vec<_>>(), [4, 4, 4]);
        for (before, after) in before.iter().zip(&after) {
            assert!(
                each(after).all(|(topic, partition)| super::super::member::has(before, topic, partition))
            );
        }
    }

    #[test]
    fn those_who_read_less_do_not_hold_up_the_others() {
        let dealt = deal(&[
            seat("a", &[(TOPIC, 6)], Assigned::new()),
            seat("b", &[(TOPIC, 6), (OTHER, 2)], Assigned::new()),
        ]);
        assert_eq!(dealt.iter().map(load).collect::<Vec<_>>(), [4, 4]);
        assert_eq!(dealt[1][&OTHER].len(), 2, "nobody else reads it");
    }
}
