//! Records: a key, a value and where they go. What sources hand out, transforms change and sinks take in.
//!
//! A [`SourceRecord`] adds where the record came from, so that the runtime can say after a restart how far it got; a
//! [`SinkRecord`] adds where it lay in Kafka. Invariant: no record carries more than one source position, and an
//! offset of a [`SourceOffset`] means "everything up to and including this record".

use std::sync::Arc;

use crate::header::Headers;
use crate::value::{SchemaAndValue, Text, Value};

/// A key and a value on their way to or from a topic.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The topic.
    pub topic: Text,
    /// The partition, if the source chose one; otherwise the key's hash does, or round robin.
    pub partition: Option<i32>,
    /// The key.
    pub key: SchemaAndValue,
    /// The value; [`SchemaAndValue::NULL`] is a tombstone.
    pub value: SchemaAndValue,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp: Option<i64>,
    /// The headers.
    pub headers: Headers,
    /// The offset in the topic: present on the way to a sink, absent on the way from a source.
    pub kafka_offset: Option<i64>,
}

impl Record {
    /// Whether this is a tombstone: a null value, which deletes its key from a compacted topic.
    #[must_use]
    pub const fn is_tombstone(&self) -> bool {
        self.value.value.is_null()
    }
}

/// Text keys and primitive values, in order: the shape that Connect allows for source partitions and offsets
/// (`OffsetUtils.validateFormat`). The order counts: it is the order of the JSON in the offsets topic, and for a
/// partition that JSON is the key of compaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FlatMap(Vec<(Text, Value)>);

impl FlatMap {
    /// No entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets an entry: in its place if the key is there, else at the end.
    pub fn set(&mut self, key: impl Into<Text>, value: impl Into<Value>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some(slot) => slot.1 = value,
            None => self.0.push((key, value)),
        }
    }

    /// [`FlatMap::set`], for building one in a chain.
    #[must_use]
    pub fn with(mut self, key: impl Into<Text>, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// The value at a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| &**name == key).map(|(_, value)| value)
    }

    /// The entries, in order.
    #[must_use]
    pub fn entries(&self) -> &[(Text, Value)] {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How far a source got, as of one record.
///
/// Many records share all of it but a counter or two (the row within a transaction, the byte within a file). So the
/// shared part is an [`Arc`] and the counters stand beside it: a position costs no allocation per record, and the whole
/// map is only made for the few that are committed.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceOffset {
    shared: Arc<FlatMap>,
    counters: [Option<(&'static str, i64)>; 2],
}

impl SourceOffset {
    /// An offset that is all in its shared part.
    #[must_use]
    pub const fn new(shared: Arc<FlatMap>) -> Self {
        Self { shared, counters: [None; 2] }
    }

    /// An offset with one counter over the shared part.
    #[must_use]
    pub const fn with_counter(shared: Arc<FlatMap>, name: &'static str, value: i64) -> Self {
        Self { shared, counters: [Some((name, value)), None] }
    }

    /// An offset with two counters over the shared part.
    #[must_use]
    pub const fn with_counters(shared: Arc<FlatMap>, counters: [(&'static str, i64); 2]) -> Self {
        Self { shared, counters: [Some(counters[0]), Some(counters[1])] }
    }

    /// The whole offset as it is stored: the shared part, with the counters set over it.
    #[must_use]
    pub fn to_map(&self) -> FlatMap {
        let mut map = (*self.shared).clone();
        for (name, value) in self.counters.iter().flatten() {
            map.set(Text::from_static(name), *value);
        }
        map
    }
}

/// A record from a source, with the position to go on from once it is safe in its topic.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRecord {
    /// What to write.
    pub record: Record,
    /// Which part of the source it came from, such as `{"filename": "/var/log/x"}`.
    pub source_partition: Arc<FlatMap>,
    /// How far that part is read with this record, such as `{"position": 4711}`.
    pub source_offset: SourceOffset,
}

impl SourceRecord {
    /// No record, only how far the source got: nothing is written, the offset is committed. Its topic is empty.
    #[must_use]
    pub fn progress(source_partition: Arc<FlatMap>, source_offset: SourceOffset) -> Self {
        Self { record: Record::default(), source_partition, source_offset }
    }

    /// Whether this is only an offset ([`SourceRecord::progress`]).
    #[must_use]
    pub fn is_progress(&self) -> bool {
        self.record.topic.is_empty()
    }
}

/// What a record's timestamp says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// When it was made, by the producer's word.
    #[default]
    CreateTime,
    /// When the broker appended it.
    LogAppendTime,
}

/// A topic and one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Text,
    /// The partition, from 0.
    pub partition: i32,
}

/// A record for a sink, with its place in Kafka.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkRecord {
    /// What to deliver, after the transforms: topic and partition may be changed ones.
    pub record: Record,
    /// What the timestamp says.
    pub timestamp_type: TimestampType,
    /// Where the record was read, whatever transforms made of its topic (KIP-793).
    pub original: TopicPartition,
    /// The offset at which the record was read.
    pub offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_take_their_place_in_the_stored_offset() {
        let shared =
            Arc::new(FlatMap::new().with("file", "binlog.1").with("row", 0_i64).with("gtids", "a:1"));
        let map = SourceOffset::with_counters(shared, [("row", 3), ("event", 2)]).to_map();
        let entries: Vec<_> =
            map.entries().iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
        assert_eq!(entries[1], ("row".to_owned(), Value::Int64(3)));
        assert_eq!(entries[3], ("event".to_owned(), Value::Int64(2)));
    }
}
