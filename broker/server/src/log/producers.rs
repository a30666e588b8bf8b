//! What the log remembers of each numbering producer, so that a batch sent twice is stored once, and which transactions are open.
//!
//! Per producer id: its newest epoch, its last five batches (a producer keeps at most five requests in flight), and where its open
//! transaction began. The table is a function of the log's batches: it is rebuilt from them, or from a snapshot and the batches after
//! it. Rules: KIP-98, KIP-360, KIP-890.

use std::collections::{BTreeSet, HashMap, VecDeque};

use broker_protocol::batch::{BatchHeader, header::sequence_after};

use super::{Marker, error::LogError};

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
    /// Time stamp of its last batch or marker, -1 if unknown.
    pub(crate) last_timestamp: i64,
    /// Epoch of the coordinator that ended its last transaction, -1 if none did.
    pub(crate) coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub(crate) transaction: Option<i64>,
}

impl Producer {
    pub(crate) fn new(epoch: i16) -> Self {
        let batches = VecDeque::new();
        Self { epoch, batches, seen_ms: 0, last_timestamp: -1, coordinator_epoch: -1, transaction: None }
    }

    fn move_to(&mut self, epoch: i16) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn check_epoch(&self, producer_id: i64, found: i16) -> Result<(), LogError> {
        let current = self.epoch;
        if found < current {
            Err(LogError::InvalidProducerEpoch { producer_id, current, found })
        } else {
            Ok(())
        }
    }

    /// The sequence that its next batch must begin with.
    fn next_sequence(&self) -> i32 {
        self.batches.back().map_or(0, |batch| sequence_after(batch.last_sequence, 1))
    }
}

/// A producer as DescribeProducers tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerView {
    /// Its id.
    pub producer_id: i64,
    /// Its newest epoch.
    pub producer_epoch: i16,
    /// Sequence of its last record, -1 if it has none in this epoch.
    pub last_sequence: i32,
    /// Time stamp of its last batch or marker, -1 if unknown.
    pub last_timestamp: i64,
    /// Epoch of the coordinator that ended its last transaction, -1 if none did.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction, -1 without one.
    pub transaction_start_offset: i64,
}

/// All producers of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProducerTable {
    pub(crate) producers: HashMap<i64, Producer>,
    /// First offsets of the open transactions.
    open: BTreeSet<i64>,
}

impl ProducerTable {
    /// Says whether the batch may be appended; a batch that is there already comes back as it was stored.
    /// Of a producer that nothing is known of, any sequence is taken unless `new_begins_at_zero`.
    pub(crate) fn check(
        &self,
        header: &BatchHeader,
        new_begins_at_zero: bool,
    ) -> Result<Option<StoredBatch>, LogError> {
        let producer_id = header.producer_id;
        if producer_id < 0 {
            return Ok(None);
        }
        let Some(producer) = self.producers.get(&producer_id) else {
            // Retention or expiry forgot it: any sequence may start it again (KIP-360).
            return if new_begins_at_zero && header.base_sequence != 0 {
                Err(LogError::OutOfOrderSequence { producer_id, expected: 0, found: header.base_sequence })
            } else {
                Ok(None)
            };
        };
        producer.check_epoch(producer_id, header.producer_epoch)?;
        let (first, last) = (header.base_sequence, header.last_sequence());
        if first < 0 {
            // Committed offsets within a transaction: the broker writes them, without numbers and never twice.
            return Ok(None);
        }
        if header.producer_epoch == producer.epoch {
            let same = |batch: &&StoredBatch| batch.base_sequence == first && batch.last_sequence == last;
            if let Some(duplicate) = producer.batches.iter().find(same) {
                return Ok(Some(*duplicate));
            }
        }
        if producer.transaction.is_some() && !header.is_transactional() {
            return Err(LogError::InvalidTransactionState { producer_id });
        }
        let expected = if header.producer_epoch > producer.epoch { 0 } else { producer.next_sequence() };
        if first != expected {
            return Err(LogError::OutOfOrderSequence { producer_id, expected, found: first });
        }
        Ok(None)
    }

    /// Says whether the marker may be appended.
    pub(crate) fn check_marker(&self, marker: &Marker) -> Result<(), LogError> {
        let Some(producer) = self.producers.get(&marker.producer_id) else { return Ok(()) };
        producer.check_epoch(marker.producer_id, marker.producer_epoch)?;
        let (current, found) = (producer.coordinator_epoch, marker.coordinator_epoch);
        if found < current {
            return Err(LogError::CoordinatorFenced { producer_id: marker.producer_id, current, found });
        }
        Ok(())
    }

    /// Takes note of a stored batch of data; its offsets are final.
    pub(crate) fn update(&mut self, header: &BatchHeader) {
        if header.producer_id < 0 || header.is_control() {
            return;
        }
        let new = || Producer::new(header.producer_epoch);
        let producer = self.producers.entry(header.producer_id).or_insert_with(new);
        producer.move_to(header.producer_epoch);
        if header.is_transactional() && producer.transaction.is_none() {
            producer.transaction = Some(header.base_offset);
            self.open.insert(header.base_offset);
        }
        producer.last_timestamp = header.max_timestamp;
        if header.base_sequence < 0 {
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

    /// Takes note of a stored marker; returns where the transaction began that it ended, if one was open.
    pub(crate) fn end(&mut self, marker: &Marker, timestamp: i64) -> Option<i64> {
        let new = || Producer::new(marker.producer_epoch);
        let producer = self.producers.entry(marker.producer_id).or_insert_with(new);
        producer.move_to(marker.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = timestamp;
        let first_offset = producer.transaction.take()?;
        self.open.remove(&first_offset);
        Some(first_offset)
    }

    /// Puts a producer into the table that a snapshot has.
    pub(crate) fn insert(&mut self, producer_id: i64, producer: Producer) {
        self.open.extend(producer.transaction);
        self.producers.insert(producer_id, producer);
    }

    /// First offset of the oldest open transaction.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.open.first().copied()
    }

    /// Producers with an open transaction, with their epochs.
    pub(crate) fn open_producers(&self) -> Vec<(i64, i16)> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let open = self.producers.iter().filter(|(_, producer)| producer.transaction.is_some());
        open.map(|(id, producer)| (*id, producer.epoch)).collect()
    }

    /// First offset of the producer's open transaction, and of the oldest of the others.
    pub(crate) fn open_of(&self, producer_id: i64) -> Option<(i64, Option<i64>)> {
        let own = self.producers.get(&producer_id)?.transaction?;
        Some((own, self.open.iter().copied().find(|first| *first != own)))
    }

    /// All producers, by id.
    pub(crate) fn views(&self) -> Vec<ProducerView> {
        let view = |(id, producer): (&i64, &Producer)| ProducerView {
            producer_id: *id,
            producer_epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start_offset: producer.transaction.unwrap_or(-1),
        };
        let mut views: Vec<ProducerView> = self.producers.iter().map(view).collect();
        views.sort_unstable_by_key(|view| view.producer_id);
        views
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

    /// Forgets producers that were not heard of since, save those with an open transaction: its marker is still to come.
    pub(crate) fn expire(&mut self, oldest_ms: i64) {
        self.producers.retain(|_, producer| producer.seen_ms >= oldest_ms || producer.transaction.is_some());
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
            assert_eq!(table.check(&batch, false).unwrap(), None);
            table.update(&batch);
        }
        assert_eq!(table.check(&header(0, 50, 10, 0), false).unwrap().unwrap().base_offset, 50);
        assert_eq!(table.check(&header(0, 10, 10, 0), false).unwrap().unwrap().base_offset, 10);
        let forgotten = table.check(&header(0, 0, 10, 0), false).unwrap_err();
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
            table.check(&header(3, 2, 1, 0), false),
            Err(LogError::OutOfOrderSequence { expected: 1, .. })
        ));
        assert!(matches!(
            table.check(&header(2, 1, 1, 0), false),
            Err(LogError::InvalidProducerEpoch { current: 3, .. })
        ));
        assert!(matches!(
            table.check(&header(4, 1, 1, 0), false),
            Err(LogError::OutOfOrderSequence { expected: 0, .. })
        ));
        assert_eq!(table.check(&header(4, 0, 1, 0), false).unwrap(), None);
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
    fn batches_without_numbers_are_never_taken_for_one_another() {
        let mut table = ProducerTable::default();
        for offset in 0..3 {
            let batch = BatchHeader { attributes: 0x10, ..header(1, -1, 1, offset) };
            assert_eq!(table.check(&batch, false).unwrap(), None);
            table.update(&batch);
        }
        assert_eq!(table.first_open(), Some(0));
        assert!(matches!(
            table.check(&header(0, -1, 1, 3), false),
            Err(LogError::InvalidProducerEpoch { .. })
        ));
    }

    #[test]
    fn sequences_wrap_to_zero() {
        let mut table = ProducerTable::default();
        table.update(&header(0, i32::MAX - 1, 2, 0));
        assert_eq!(table.check(&header(0, 0, 5, 2), false).unwrap(), None);
        let mut across = ProducerTable::default();
        across.update(&header(0, i32::MAX, 2, 0));
        assert_eq!(across.producers[&7].batches[0].last_sequence, 0);
    }
}
