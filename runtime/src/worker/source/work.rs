//! A batch on its way into the producer: which record is next, how far it got, and how one record is appended.
//!
//! The hot path of the source loop; no I/O. Invariants: a record's position is noted when it is taken, dropped or not, so the offset
//! of a batch is that of its last record; records of one topic are appended in their order. Those whose topic is not ready are put aside
//! until the end of the batch, so that all topics that a batch needs are got ready at once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use api::{Error, FlatMap, Pending, Record, SourceOffset, SourceRecord, Text};
use broker_client::{Delivery, Producer, ProducerRecord, RecordHeaders};

use super::{count, now_ms};
use crate::worker::pipeline::{AFTER_CHAIN, Pipeline, StageFailure};
use crate::worker::tolerance::Stage;

/// What to do before the next record can be appended.
pub(super) enum Step {
    /// Nothing: the batch is done.
    Done,
    /// Get the topics ready of the records that are put aside.
    Prepare,
    /// Wait for room.
    Full,
    /// Wait before the next try.
    Wait(Duration),
    /// Wait for what a converter lacks; what then fails, fails at this stage.
    Await(Stage, &'static str, Pending),
    /// Give up: the transaction cannot go on.
    Broken(broker_client::Error),
}

/// The records of one poll that are not appended yet.
pub(crate) struct Work {
    rest: std::vec::IntoIter<SourceRecord>,
    /// The record at hand, and the transform to go on at.
    pub(super) current: Option<(usize, Record)>,
    /// Records whose topics are not ready, behind all transforms.
    aside: VecDeque<Record>,
    /// The topics of those.
    unprepared: HashSet<Text>,
    /// Records that were put aside, whose topics are ready now.
    ready: VecDeque<Record>,
    pub(crate) delivery: Arc<Delivery>,
    pub(crate) positions: Vec<Position>,
    pub(crate) written: u64,
    pub(crate) written_bytes: u64,
    /// When records are appended that have no time of their own, in ms: one look at the clock serves many.
    pub(super) now_ms: i64,
}

/// How far the batch gets in one source partition.
pub(crate) struct Position {
    pub(crate) partition: Arc<FlatMap>,
    pub(crate) offset: SourceOffset,
    pub(crate) records: u64,
}

impl Work {
    pub(super) fn new(batch: Vec<SourceRecord>) -> Self {
        Self {
            rest: batch.into_iter(),
            current: None,
            aside: VecDeque::new(),
            unprepared: HashSet::new(),
            ready: VecDeque::new(),
            delivery: Delivery::new(),
            positions: Vec::new(),
            written: 0,
            written_bytes: 0,
            now_ms: now_ms(),
        }
    }

    /// The record at hand, or the next one, whose position is noted.
    pub(super) fn take(&mut self) -> Option<(usize, Record)> {
        if let Some(current) = self.current.take() {
            return Some(current);
        }
        if let Some(ready) = self.ready.pop_front() {
            return Some((AFTER_CHAIN, ready));
        }
        let next = self.rest.next()?;
        let same = |position: &&mut Position| Arc::ptr_eq(&position.partition, &next.source_partition);
        match self.positions.iter_mut().rev().find(same) {
            Some(position) => {
                position.offset = next.source_offset;
                position.records += 1;
            }
            None => self.positions.push(Position {
                partition: next.source_partition,
                offset: next.source_offset,
                records: 1,
            }),
        }
        Some((0, next.record))
    }

    /// Puts a record aside if its topic waits to be got ready; else the record comes back.
    pub(super) fn wait_behind(&mut self, record: Record) -> Option<Record> {
        if self.unprepared.is_empty() || !self.unprepared.contains(&record.topic) {
            return Some(record);
        }
        self.aside.push_back(record);
        None
    }

    /// Puts a record aside until its topic is ready.
    pub(super) fn put_aside(&mut self, record: Record) {
        self.unprepared.insert(record.topic.clone());
        self.aside.push_back(record);
    }

    /// The topics of what is put aside, in the order in which they came.
    pub(super) fn unprepared(&self) -> Vec<Text> {
        let mut seen = HashSet::with_capacity(self.unprepared.len());
        let topics = self.aside.iter().map(|record| &record.topic);
        topics.filter(|topic| seen.insert(*topic)).cloned().collect()
    }

    /// What is put aside comes next: its topics are ready.
    pub(super) fn prepared(&mut self) {
        self.unprepared.clear();
        self.ready.append(&mut self.aside);
    }

    /// Whether a record was taken that could not be appended yet.
    pub(super) fn is_held_up(&self) -> bool {
        self.current.is_some() || !self.aside.is_empty()
    }
}

/// Why a record was not appended.
pub(super) enum Refusal {
    NotPrepared,
    Full,
    /// The transaction cannot go on, whatever the record.
    Broken(broker_client::Error),
    Failed(StageFailure),
}

/// Converts a record and gives it to the producer: its bytes.
pub(super) fn append(
    pipeline: &mut Pipeline,
    producer: &Producer,
    record: &Record,
    work: &Work,
) -> std::result::Result<u64, Refusal> {
    let encoded = pipeline.encode(record).map_err(Refusal::Failed)?;
    let bytes = encoded.key.map_or(0, <[u8]>::len) + encoded.value.map_or(0, <[u8]>::len);
    let produced = ProducerRecord {
        topic: &record.topic,
        partition: record.partition,
        key: encoded.key,
        value: encoded.value,
        headers: RecordHeaders::Encoded(encoded.headers),
        timestamp: record.timestamp.or(Some(work.now_ms)),
    };
    match producer.append(produced, &work.delivery) {
        Ok(_partition) => Ok(count(bytes)),
        Err(broker_client::Error::TopicNotPrepared { .. }) => Err(Refusal::NotPrepared),
        Err(broker_client::Error::BufferFull { .. }) => Err(Refusal::Full),
        Err(error) if error.is_abortable() || error.is_fenced() => Err(Refusal::Broken(error)),
        Err(error) => Err(Refusal::Failed(StageFailure::new(
            Stage::KafkaProduce,
            "broker_client::Producer",
            produce_error(record, error),
        ))),
    }
}

/// A record that the producer refuses for good is a bad record.
fn produce_error(record: &Record, error: broker_client::Error) -> Error {
    let message = format!("cannot write a record to topic {}", record.topic);
    match error.is_retriable() {
        true => Error::retriable(message).with_source(error),
        false => Error::bad_record(message).with_source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(topic: &'static str, number: i64) -> SourceRecord {
        let partition: Arc<FlatMap> = Arc::default();
        SourceRecord {
            record: Record { topic: Text::from_static(topic), timestamp: Some(number), ..Record::default() },
            source_offset: SourceOffset::with_counter(Arc::clone(&partition), "n", number),
            source_partition: partition,
        }
    }

    /// What becomes of the next record when these topics are ready.
    fn step(work: &mut Work, ready: &[&str], out: &mut Vec<(String, i64)>) -> bool {
        let Some((_, record)) = work.take() else { return false };
        let Some(record) = work.wait_behind(record) else { return true };
        match ready.contains(&&*record.topic) {
            true => out.push((record.topic.to_string(), record.timestamp.unwrap_or(-1))),
            false => work.put_aside(record),
        }
        true
    }

    #[test]
    fn records_wait_for_their_topics_together_and_stay_in_order_by_topic() {
        let topics = ["a", "new", "b", "new", "other", "a", "new"];
        let batch = topics.iter().zip(0..).map(|(topic, number)| record(topic, number)).collect();
        let (mut work, mut out) = (Work::new(batch), Vec::new());
        while step(&mut work, &["a", "b"], &mut out) {}
        let places = |out: &[(String, i64)]| out.iter().map(|(_, number)| *number).collect::<Vec<_>>();
        assert_eq!(places(&out), [0, 2, 5]);
        assert!(work.is_held_up(), "the batch is not done");
        assert_eq!(work.unprepared(), ["new", "other"].map(Text::from_static), "asked for at once");
        assert_eq!(work.positions.iter().map(|position| position.records).sum::<u64>(), 7);
        work.prepared();
        while step(&mut work, &["a", "b", "new", "other"], &mut out) {}
        assert_eq!(places(&out), [0, 2, 5, 1, 3, 4, 6]);
        assert!(!work.is_held_up());
    }
}
