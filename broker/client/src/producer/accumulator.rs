//! Collects records into batches, one growing batch per partition: what `append` writes to and the sender takes from.
//!
//! Invariants: batches of a partition leave in the order in which they were opened; `outstanding` holds the ordinal of every batch
//! that was opened and not yet settled, wherever it is; `buffered` counts the bytes of all of them.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use broker_protocol::batch::BatchBuilder;
use bytestring::ByteString;
use tokio::time::Instant;

use super::delivery::{Deliveries, Delivery};
use super::partitioner::partition_of_key;
use crate::config::ProducerConfig;
use crate::error::{Error, Result};
use crate::types::ProducerRecord;

/// Beyond this multiple of `buffer_bytes_max` nothing is taken: who never waits for `ready` must not eat all memory.
const HARD_LIMIT_FACTOR: usize = 4;

/// No record may be larger, whatever the settings: a batch's length field ends at 2 GiB.
const RECORD_BYTES_MAX: usize = 1 << 30;

/// A batch that records are added to.
#[derive(Debug)]
pub(crate) struct GrowingBatch {
    pub(crate) builder: BatchBuilder,
    pub(crate) deliveries: Deliveries,
    pub(crate) opened_at: Instant,
    pub(crate) ordinal: u64,
    /// Bytes this batch adds to `buffered`.
    pub(crate) counted_bytes: usize,
}

#[derive(Debug, Default)]
struct PartitionQueue {
    open: Option<GrowingBatch>,
    closed: VecDeque<GrowingBatch>,
}

#[derive(Debug)]
struct TopicQueue {
    name: ByteString,
    partitions: Vec<PartitionQueue>,
    turn: usize,
}

/// A topic (by its number in the accumulator) and a partition.
pub(crate) type Place = (usize, usize);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Accumulator {
    topics: Vec<TopicQueue>,
    index: HashMap<ByteString, usize>,
    /// The topic of the last append: most records go where the one before went.
    last_topic: usize,
    /// Partitions with batches to take, open or closed.
    active: BTreeSet<Place>,
    outstanding: BTreeSet<u64>,
    next_ordinal: u64,
    /// Batches opened before this one are due, whatever their age.
    flush_before: u64,
    buffered: usize,
    /// Why nothing is taken now, if so.
    closed: Option<Error>,
    /// Whether that is for good.
    failed: bool,
    spares: Vec<Vec<u8>>,
    first_error: Option<Error>,
}

/// What `append` did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) partition: i32,
    /// Whether the sender has something new to see: a batch was opened or filled.
    pub(crate) wake: bool,
}

impl Accumulator {
    /// Makes a topic known, or learns that it has more partitions.
    pub(crate) fn prepare(&mut self, topic: &ByteString, partitions: usize) {
        let index = *self.index.entry(topic.clone()).or_insert_with(|| {
            self.topics.push(TopicQueue { name: topic.clone(), partitions: Vec::new(), turn: 0 });
            self.topics.len() - 1
        });
        let queues = &mut self.topics[index].partitions;
        while queues.len() < partitions {
            queues.push(PartitionQueue::default());
        }
    }

    /// Copies a record into its partition's open batch.
    pub(crate) fn append(
        &mut self,
        record: &ProducerRecord<'_>,
        delivery: &Arc<Delivery>,
        config: &ProducerConfig,
    ) -> Result<Appended> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let limit = config.buffer_bytes_max.saturating_mul(HARD_LIMIT_FACTOR);
        if self.buffered > limit {
            return Err(Error::BufferFull { buffered: self.buffered, limit });
        }
        let topic = self.topic_index(record.topic)?;
        let partition = choose_partition(&mut self.topics[topic], record)?;
        let size = BatchBuilder::record_size_max(record.key, record.value, record.headers);
        if size > RECORD_BYTES_MAX {
            return Err(too_large(record, partition, size, RECORD_BYTES_MAX));
        }
        let mut wake = self.make_room((topic, partition), size, config);
        let timestamp = record.timestamp.unwrap_or_else(now_ms);
        let queue = &mut self.topics[topic].partitions[partition];
        let Some(batch) = queue.open.as_mut() else { return Err(Error::Closed { what: "batch" }) };
        let before = batch.builder.size();
        // Cannot fail: the size was looked at, and there was room made.
        let appended = batch.builder.append_with(timestamp, record.key, record.value, record.headers);
        appended.map_err(|_too_large| too_large(record, partition, size, RECORD_BYTES_MAX))?;
        batch.deliveries.add(delivery);
        let added = batch.builder.size() - before;
        batch.counted_bytes += added;
        self.buffered += added;
        if batch.builder.size() >= config.batch_bytes_max {
            queue.closed.extend(queue.open.take());
            wake = true;
        }
        Ok(Appended { partition: i32::try_from(partition).unwrap_or(i32::MAX), wake })
    }

    #[inline]
    fn topic_index(&mut self, topic: &str) -> Result<usize> {
        if self.topics.get(self.last_topic).is_some_and(|last| last.name == topic) {
            return Ok(self.last_topic);
        }
        match self.index.get(topic) {
            Some(index) => {
                self.last_topic = *index;
                Ok(*index)
            }
            None => Err(Error::TopicNotPrepared { topic: topic.to_owned() }),
        }
    }

    /// Sees to it that the partition has an open batch with room for `size` bytes; true if a batch was opened for it.
    fn make_room(&mut self, place: Place, size: usize, config: &ProducerConfig) -> bool {
        let queue = &mut self.topics[place.0].partitions[place.1];
        if let Some(open) = &queue.open {
            if open.builder.size() + size <= config.batch_bytes_max || open.builder.count() == 0 {
                return false;
            }
            queue.closed.extend(queue.open.take());
        }
        let builder = match self.spares.pop() {
            Some(spare) => BatchBuilder::reuse(spare),
            None => BatchBuilder::new(0),
        };
        let counted_bytes = builder.size();
        self.buffered += counted_bytes;
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.outstanding.insert(ordinal);
        self.active.insert(place);
        let opened_at = Instant::now();
        queue.open = Some(GrowingBatch {
            builder,
            deliveries: Deliveries::default(),
            opened_at,
            ordinal,
            counted_bytes,
        });
        true
    }

    /// The topic's name.
    pub(crate) fn topic_name(&self, topic: usize) -> ByteString {
        self.topics.get(topic).map(|topic| topic.name.clone()).unwrap_or_default()
    }

    /// The names of all prepared topics.
    pub(crate) fn topic_names(&self) -> Vec<ByteString> {
        self.topics.iter().map(|topic| topic.name.clone()).collect()
    }

    /// Partitions whose first batch is due now, and when the next one will be.
    pub(crate) fn due(&self, now: Instant, linger: Duration) -> (Vec<Place>, Option<Instant>) {
        let mut due = Vec::new();
        let mut next: Option<Instant> = None;
        for place in &self.active {
            let queue = &self.topics[place.0].partitions[place.1];
            match (&queue.open, queue.closed.is_empty()) {
                (_, false) => due.push(*place),
                (Some(open), true) if self.is_due(open, now, linger) => due.push(*place),
                (Some(open), true) => {
                    let at = open.opened_at + linger;
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
                (None, true) => {}
            }
        }
        (due, next)
    }

    fn is_due(&self, open: &GrowingBatch, now: Instant, linger: Duration) -> bool {
        open.ordinal < self.flush_before || open.opened_at + linger <= now
    }

    /// Takes the first batch of a partition.
    pub(crate) fn take(&mut self, place: Place) -> Option<GrowingBatch> {
        let queue = &mut self.topics.get_mut(place.0)?.partitions[place.1];
        let batch = queue.closed.pop_front().or_else(|| queue.open.take());
        if queue.closed.is_empty() && queue.open.is_none() {
            self.active.remove(&place);
        }
        batch
    }

    /// Takes every batch opened before `before`, or all.
    pub(crate) fn take_expired(&mut self, before: Option<Instant>) -> Vec<(Place, GrowingBatch)> {
        let mut expired = Vec::new();
        for place in self.active.clone() {
            let queue = &self.topics[place.0].partitions[place.1];
            let first = queue.closed.front().or(queue.open.as_ref());
            let is_old = |batch: &GrowingBatch| before.is_none_or(|before| batch.opened_at < before);
            if first.is_some_and(is_old)
                && let Some(batch) = self.take(place)
            {
                expired.push((place, batch));
            }
        }
        expired
    }

    /// A batch now takes this many bytes.
    pub(crate) fn recount(&mut self, from: usize, to: usize) {
        self.buffered = self.buffered.saturating_sub(from).saturating_add(to);
    }

    /// A batch arrived or failed.
    pub(crate) fn settle(&mut self, ordinal: u64, counted_bytes: usize, error: Option<&Error>) {
        self.outstanding.remove(&ordinal);
        self.buffered = self.buffered.saturating_sub(counted_bytes);
        if let Some(error) = error {
            self.first_error.get_or_insert_with(|| error.clone());
        }
    }

    /// Keeps a buffer for the next batch.
    pub(crate) fn keep_spare(&mut self, spare: Vec<u8>) {
        if self.spares.len() < 16 && spare.capacity() <= 4 << 20 {
            self.spares.push(spare);
        }
    }

    /// Makes everything appended so far due; the answer is the ordinal to wait for.
    pub(crate) fn flush(&mut self) -> u64 {
        self.flush_before = self.next_ordinal;
        self.flush_before
    }

    /// Whether every batch before this ordinal is settled.
    pub(crate) fn is_settled_before(&self, ordinal: u64) -> bool {
        self.outstanding.first().is_none_or(|first| *first >= ordinal)
    }

    /// Bytes waiting.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered
    }

    /// The first failure since this was last asked.
    pub(crate) fn take_first_error(&mut self) -> Option<Error> {
        self.first_error.take()
    }

    /// Why nothing is taken any more, if so.
    pub(crate) fn fatal(&self) -> Option<&Error> {
        self.closed.as_ref().filter(|_| self.failed)
    }

    /// Takes nothing any more.
    pub(crate) fn fail(&mut self, error: Error) {
        if !self.failed {
            self.closed = Some(error);
            self.failed = true;
        }
    }

    /// Takes nothing until it is told to [`Self::resume`].
    pub(crate) fn suspend(&mut self, error: Error) {
        if !self.failed {
            self.closed = Some(error);
        }
    }

    /// Takes records again.
    pub(crate) fn resume(&mut self) {
        if !self.failed {
            self.closed = None;
        }
    }
}

fn choose_partition(topic: &mut TopicQueue, record: &ProducerRecord<'_>) -> Result<usize> {
    let count = topic.partitions.len();
    if let Some(partition) = record.partition {
        let last = i32::try_from(count).unwrap_or(i32::MAX) - 1;
        let known = usize::try_from(partition).ok().filter(|partition| *partition < count);
        let unknown = || Error::UnknownPartition { topic: topic.name.to_string(), partition, last };
        return known.ok_or_else(unknown);
    }
    if let Some(key) = record.key {
        return Ok(partition_of_key(key, count));
    }
    topic.turn = (topic.turn + 1) % count.max(1);
    Ok(topic.turn)
}

fn too_large(record: &ProducerRecord<'_>, partition: usize, size: usize, limit: usize) -> Error {
    let partition = i32::try_from(partition).unwrap_or(i32::MAX);
    Error::RecordTooLarge { topic: record.topic.to_owned(), partition, size, limit }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
