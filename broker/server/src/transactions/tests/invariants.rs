//! What must hold of the small world after every step: no record behind the marker that fences it, every marker as was decided, at most one
//! transaction open, and that one in partitions that will get a marker.

use std::collections::HashMap;

use super::{World, disk::Entry};

impl World {
    pub(super) fn check(&self) {
        let Some(known) = &self.memory else { return };
        assert_eq!(
            known.next_producer_id >= 0,
            known.state.prepared().is_some() && known.next_producer_id >= 0
        );
        for (place, log) in &self.logs {
            // What is open in a partition belongs to the one open transaction, and to a partition that will get a marker.
            let mut open: HashMap<i64, Vec<usize>> = HashMap::new();
            let mut fenced: HashMap<i64, i16> = HashMap::new();
            for entry in &log.entries {
                match *entry {
                    Entry::Data { producer, transaction } => {
                        let epoch = fenced.get(&producer.id).copied().unwrap_or(-1);
                        assert!(
                            producer.epoch >= epoch,
                            "{place:?}: a record behind the marker that fences it"
                        );
                        open.entry(producer.id).or_default().push(transaction);
                    }
                    Entry::Marker { producer, commit } => {
                        fenced.insert(producer.id, producer.epoch);
                        for transaction in open.remove(&producer.id).unwrap_or_default() {
                            let decided = self.outcomes.get(&transaction);
                            assert_eq!(decided, Some(&commit), "{place:?}: transaction {transaction}");
                        }
                    }
                }
            }
            let left: Vec<usize> = open.into_values().flatten().collect();
            let will_end = !known.state.is_idle() && known.partitions.contains(place);
            assert!(left.is_empty() || will_end, "{place:?}: hangs: {left:?} in {known:?}");
            assert!(
                left.iter().all(|transaction| *transaction == self.transactions),
                "{place:?}: two are open"
            );
        }
    }
}
