//! What the log remembers of each numbering producer, so that a batch sent twice is stored once.
//!
//! Per producer id: its newest epoch and its last five batches, because a producer keeps at most five requests in
//! flight. The table is a function of the log's batches: it is rebuilt from them, or from a snapshot and the batches
//! after it. Rules: KIP-98, KIP-360.

use std::collections::{HashMap, VecDeque};

use broker_protocol::batch::{BatchHeader, header::sequence_after};

use super::error::LogError;

/// Batches remembered per producer.
pub(crate) const BATCHES_KEPT: usize = 5;

/// A batch that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) timestamp: i64,
}

/// One producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) epoch: i16,
    pub(crate) batches: VecDeque<StoredBatch>,
    /// When it was heard of last, in milliseconds since 1970; records' own time stamps may be of any age.
    pub(crate) seen_ms: i64,
}

/// All producers of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerTable {
    pub(crate) producers: HashMap<i64, Producer>,
}

impl ProducerTable {
    /// Says whether the batch may be appended; a batch that is there already comes back as it was stored.
    pub(crate) fn check(&self, header: &BatchHeader) -> Result<Option<StoredBatch>, LogError> {
        if header.producer_id < 0 || header.is_control() {
            return Ok(None);
        }
        let Some(producer) = self.producers.get(&header.producer_id) else {
            // Unknown: retention or expiry forgot it. Any sequence may start it again (KIP-360).
            return Ok(None);
        };
        if header.producer_epoch < producer.epoch {
            return Err(LogError::InvalidProducerEpoch {
                producer_id: header.producer_id,
                current: producer.epoch,
                found: header.producer_epoch,
            });
        }
        let out_of_order = |expected| LogError::OutOfOrderSequence {
            producer_id: header.producer_id,
            expected,
            found: header.base_sequence,
        };
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Ok(None) } else { Err(out_of_order(0)) };
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        let same = |batch: &&StoredBatch| batch.base_sequence == first && batch.last_sequence == last;
        if let Some(duplicate) = producer.batches.iter().find(same) {
            return Ok(Some(*duplicate));
        }
        match producer.batches.back().map(|batch| sequence_after(batch.last_sequence, 1)) {
            Some(expected) if expected != first => Err(out_of_order(expected)),
            _ => Ok(None),
        }
    }

    /// Takes note of a stored batch; its offsets are final.
    pub(crate) fn update(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 {
            return;
        }
        let producer = self.producers.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            batches: VecDeque::new(),
            seen_ms: 0,
        });
        if header.producer_epoch != producer.epoch {
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if header.is_control() {
            return;
        }
        if producer.batches.len() == BATCHES_KEPT {
            producer.batches.pop_front();
        }
        producer.batches.push_back(StoredBatch {
            base_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            last_offset: header.last_offset(),
            timestamp: header.max_timestamp,
        });
    }

    /// The producer of this batch was heard of.
    pub(crate) fn heard(&mut self, producer_id: i64, now_ms: i64) {
        if let Some(producer) = self.producers.get_mut(&producer_id) {
            producer.seen_ms = now_ms;
        }
    }

    /// All producers count as heard of: the log was just opened.
    pub(crate) fn heard_all(&mut self, now_ms: i64) {
        self.producers.values_mut().for_each(|producer| producer.seen_ms = now_ms);
    }

    /// Forgets producers that were not heard of since.
    pub(crate) fn expire(&mut self, oldest_ms: i64) {
        self.producers.retain(|_, producer| producer.seen_ms >= oldest_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(epoch: i16, base_sequence: i32, count: i32, base_offset: i64) -> BatchHeader {
        BatchHeader {
            base_offset,
            size: 100,
            leader_epoch: 0,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: 1,
            max_timestamp: 1,
            producer_id: 7,
            producer_epoch: epoch,
            base_sequence,
            record_count: count,
        }
    }

    #[test]
    fn a_batch_sent_again_is_found_among_the_last_five() {
        let mut table = ProducerTable::default();
        for at in 0..6 {
            let batch = header(0, at * 10, 10, i64::from(at) * 10);
            assert_eq!(table.check(&batch).unwrap(), None);
            table.update(&batch);
        }
        assert_eq!(table.check(&header(0, 50, 10, 0)).unwrap().unwrap().base_offset, 50);
        assert_eq!(table.check(&header(0, 10, 10, 0)).unwrap().unwrap().base_offset, 10);
        let forgotten = table.check(&header(0, 0, 10, 0)).unwrap_err();
        assert!(
            matches!(forgotten, LogError::OutOfOrderSequence { expected: 60, found: 0, .. }),
            "{forgotten}"
        );
    }

    #[test]
    fn gaps_old_epochs_and_new_epochs_in_the_middle_are_refused() {
        let mut table = ProducerTable::default();
        table.update(&header(3, 0, 1, 0));
        assert!(matches!(
            table.check(&header(3, 2, 1, 0)),
            Err(LogError::OutOfOrderSequence { expected: 1, .. })
        ));
        assert!(matches!(
            table.check(&header(2, 1, 1, 0)),
            Err(LogError::InvalidProducerEpoch { current: 3, .. })
        ));
        assert!(matches!(
            table.check(&header(4, 1, 1, 0)),
            Err(LogError::OutOfOrderSequence { expected: 0, .. })
        ));
        assert_eq!(table.check(&header(4, 0, 1, 0)).unwrap(), None);
    }

    #[test]
    fn the_silent_are_forgotten_whatever_time_their_records_bear() {
        let mut table = ProducerTable::default();
        table.update(&header(0, 0, 1, 0));
        table.heard(7, 1_000);
        table.expire(1_000);
        assert_eq!(table.producers.len(), 1);
        table.expire(1_001);
        assert!(table.producers.is_empty());
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut table = ProducerTable::default();
        table.update(&header(0, i32::MAX - 1, 2, 0));
        assert_eq!(table.check(&header(0, 0, 5, 2)).unwrap(), None);
        let mut across = ProducerTable::default();
        across.update(&header(0, i32::MAX, 2, 0));
        assert_eq!(across.producers[&7].batches[0].last_sequence, 0);
    }
}
