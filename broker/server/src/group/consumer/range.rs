//! The range assignor: of every topic each reader gets neighbouring partitions, the first readers one more if they do not divide evenly.

use std::collections::BTreeMap;

use broker_protocol::Uuid;

use super::{member::Assigned, target::Seat};

/// What each seat gets, in the order of the seats.
pub(super) fn deal(seats: &[Seat<'_>]) -> Vec<Assigned> {
    let mut dealt = vec![Assigned::new(); seats.len()];
    // A static member keeps its place when it comes back under another id.
    let mut order: Vec<usize> = (0..seats.len()).collect();
    order.sort_by_key(|at| seats[*at].instance_id.unwrap_or(seats[*at].member_id));
    let mut topics: BTreeMap<Uuid, (i32, Vec<usize>)> = BTreeMap::new();
    for at in order {
        for (topic, partitions) in &seats[at].reads {
            topics.entry(*topic).or_insert((*partitions, Vec::new())).1.push(at);
        }
    }
    for (topic, (partitions, readers)) in topics {
        let readers_count = i32::try_from(readers.len()).unwrap_or(i32::MAX);
        let (share, longer) = (partitions / readers_count, partitions % readers_count);
        let mut next = 0;
        for (place, at) in (0..).zip(readers) {
            let end = next + share + i32::from(place < longer);
            if next < end {
                dealt[at].insert(topic, (next..end).collect());
            }
            next = end;
        }
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_of_topics_meet_and_the_first_get_one_more() {
        let reads = BTreeMap::from([(Uuid([1; 16]), 5), (Uuid([2; 16]), 5)]);
        let seat =
            |member_id| Seat { member_id, instance_id: None, reads: reads.clone(), had: Assigned::new() };
        let dealt = deal(&[seat("a"), seat("b")]);
        for topic in reads.keys() {
            assert_eq!(dealt[0][topic], (0..3).collect());
            assert_eq!(dealt[1][topic], (3..5).collect());
        }
    }
}
