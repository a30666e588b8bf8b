//! How did the transaction of a batch end? What compaction asks while it walks the decided part of a log in order.
//!
//! Records of aborted transactions go at once, and say nothing of their keys. A marker goes when a round has seen it `delete.retention.ms` ago
//! and no batch of its transaction is left: an abort marker that went earlier would leave a reader that is in the middle of the
//! transaction skipping what its producer commits afterwards, and a commit marker that went before its records would make
//! them look open after a crash. Pure: headers in, answers out.

use std::collections::{HashMap, HashSet};

use broker_protocol::batch::BatchHeader;

use super::aborted::Aborted;

/// Tells the data of aborted transactions. Batches must be asked for in the order of their offsets.
#[derive(Clone, Debug)]
pub(super) struct AbortedData {
    /// Transactions not reached yet; the next one is the last.
    ahead: Vec<Aborted>,
    /// Where the newest aborted transaction of a producer that was reached ends.
    ends: HashMap<i64, i64>,
}

impl AbortedData {
    pub(super) fn new(mut aborted: Vec<Aborted>) -> Self {
        aborted.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.first_offset));
        Self { ahead: aborted, ends: HashMap::new() }
    }

    /// Whether the batch holds records of an aborted transaction.
    pub(super) fn holds(&mut self, header: &BatchHeader) -> bool {
        if !header.is_transactional() || header.is_control() {
            return false;
        }
        while let Some(entry) = self.ahead.pop_if(|entry| entry.first_offset <= header.base_offset) {
            self.ends.insert(entry.producer_id, entry.last_offset);
        }
        self.ends.get(&header.producer_id).is_some_and(|end| header.base_offset <= *end)
    }
}

/// Says which batches go because of how their transaction ended. It must see every batch from the log's start on.
#[derive(Debug)]
pub(super) struct Outcomes {
    aborted: AbortedData,
    /// Producers with a batch since their last marker.
    with_data: HashSet<i64>,
    /// Markers before this offset were seen by a round long enough ago.
    markers_until: i64,
}

impl Outcomes {
    pub(super) fn new(aborted: AbortedData, markers_until: i64) -> Self {
        Self { aborted, with_data: HashSet::new(), markers_until }
    }

    /// Whether nothing of the batch stays.
    pub(super) fn drops(&mut self, header: &BatchHeader) -> bool {
        if header.is_control() {
            let has_data = self.with_data.remove(&header.producer_id);
            return !has_data && header.base_offset < self.markers_until;
        }
        if header.is_transactional() {
            self.with_data.insert(header.producer_id);
        }
        self.aborted.holds(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: i16 = 0x10;
    const MARKER: i16 = 0x30;

    fn header(attributes: i16, producer_id: i64, base_offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset,
            size: 100,
            leader_epoch: 0,
            crc: 0,
            attributes,
            last_offset_delta: 0,
            base_timestamp: 1,
            max_timestamp: 1,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            record_count: 1,
        }
    }

    fn outcomes(markers_until: i64) -> Outcomes {
        let entry = |producer_id, first_offset, last_offset| Aborted {
            producer_id,
            first_offset,
            last_offset,
            last_stable: last_offset + 1,
        };
        Outcomes::new(AbortedData::new(vec![entry(1, 2, 5), entry(2, 3, 9), entry(1, 20, 25)]), markers_until)
    }

    #[test]
    fn data_of_aborted_transactions_goes_and_nothing_else() {
        let mut outcomes = outcomes(0);
        let gone: Vec<i64> =
            [(1, 0), (1, 2), (2, 3), (3, 4), (1, 6), (2, 7), (2, 10), (1, 20), (2, 21), (1, 26)]
                .into_iter()
                .filter(|(producer, offset)| outcomes.drops(&header(DATA, *producer, *offset)))
                .map(|(_, offset)| offset)
                .collect();
        assert_eq!(gone, [2, 3, 7, 20]);
        assert!(!outcomes.drops(&header(0, 1, 27)), "outside of any transaction");
    }

    #[test]
    fn a_marker_stays_while_its_data_does_and_for_its_time() {
        let mut outcomes = outcomes(30);
        assert!(!outcomes.drops(&header(DATA, 9, 0)));
        assert!(!outcomes.drops(&header(MARKER, 9, 1)), "its data is there");
        assert!(outcomes.drops(&header(DATA, 1, 2)));
        assert!(!outcomes.drops(&header(MARKER, 1, 5)), "its data was there until now");
        assert!(outcomes.drops(&header(MARKER, 9, 29)), "no data, and seen long ago");
        assert!(!outcomes.drops(&header(MARKER, 9, 30)), "no data, but not seen for long enough");
    }
}
