//! What compaction keeps: the newest record of each key, and tombstones for a while. Pure: batches in, batches out.
//!
//! Keys are remembered as 128-bit keyed hashes with the offset of their newest record. Two keys that met in one hash would
//! lose a record; with 128 bits and a secret key that takes far more records than any disk holds.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher,
};

use broker_protocol::batch::{Batch, BatchBuilder, BatchError, BatchFields, Header, InflateLimits};

/// Keys remembered in one round, about 50 bytes each; what does not fit is left for the next round.
pub(super) const KEYS_MAX: usize = 1_000_000;

/// The newest offset of each key in the part of the log that is new since the last round.
#[derive(Debug, Default)]
pub(super) struct NewestOffsets {
    hashers: [RandomState; 2],
    offsets: HashMap<u128, i64>,
    /// Offset before which every record was noted.
    pub(super) end: i64,
}

impl NewestOffsets {
    /// Begins with the records from `end` on.
    pub(super) fn since(end: i64) -> Self {
        Self { end, ..Self::default() }
    }

    /// Notes all records of a batch; `false` if there is no room for them, and then `end` stays before the batch.
    pub(super) fn add(&mut self, batch: &Batch, keys_max: usize) -> Result<bool, BatchError> {
        let header = batch.header();
        let count = usize::try_from(header.record_count).unwrap_or(0);
        if !self.offsets.is_empty() && self.offsets.len() + count > keys_max {
            return Ok(false);
        }
        if !header.is_control() {
            for record in &batch.records(InflateLimits::default())? {
                let record = record?;
                if let Some(key) = record.key {
                    self.offsets.insert(self.hash(key), record.offset);
                }
            }
        }
        self.end = header.next_offset();
        Ok(true)
    }

    /// Passes over a batch whose records count for nothing.
    pub(super) fn skip(&mut self, batch: &Batch) {
        self.end = batch.header().next_offset();
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let [high, low] = &self.hashers;
        u128::from(high.hash_one(key)) << 64 | u128::from(low.hash_one(key))
    }

    /// Whether the key has a newer record.
    fn is_outdated(&self, key: &[u8], offset: i64) -> bool {
        self.offsets.get(&self.hash(key)).is_some_and(|newest| *newest > offset)
    }
}

/// What becomes of a batch.
#[derive(Debug)]
pub(super) enum Cleaned {
    /// Nothing in it is outdated.
    Unchanged,
    /// Some records are gone; the rest keep their offsets.
    Rebuilt(Vec<u8>),
    /// Nothing is left.
    Removed,
}

/// Takes the outdated records out of a batch. Tombstones before `tombstones_until` go as well.
pub(super) fn clean(
    batch: &Batch,
    newest: &NewestOffsets,
    tombstones_until: i64,
) -> Result<Cleaned, BatchError> {
    let header = batch.header();
    if header.is_control() {
        return Ok(Cleaned::Unchanged);
    }
    let records = batch.records(InflateLimits::default())?;
    let mut kept = Vec::new();
    for record in &records {
        let record = record?;
        let gone = match (record.key, record.value) {
            (None, _) => true,
            (Some(_), None) if record.offset < tombstones_until => true,
            (Some(key), _) => newest.is_outdated(key, record.offset),
        };
        if !gone {
            kept.push(record);
        }
    }
    if kept.len() == usize::try_from(header.record_count).unwrap_or(0) {
        return Ok(Cleaned::Unchanged);
    }
    if kept.is_empty() {
        return Ok(Cleaned::Removed);
    }
    let mut builder = BatchBuilder::new(header.size);
    for record in kept {
        let headers: Vec<Header<'_>> = record.headers().collect();
        builder.append_at(record.offset_delta, record.timestamp, record.key, record.value, &headers)?;
    }
    let fields = BatchFields {
        compression: header.compression()?,
        base_offset: header.base_offset,
        leader_epoch: header.leader_epoch,
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        is_transactional: header.is_transactional(),
        timestamp_type: header.timestamp_type(),
        last_offset_delta: Some(header.last_offset_delta),
    };
    let (bytes, _) = builder.finish(&fields)?;
    Ok(Cleaned::Rebuilt(bytes))
}
