//! What a broker checks before it appends what a producer sent (as Kafka's LogValidator does).

use bytes::Bytes;

use super::compression::InflateLimits;
use super::error::{BatchError, RecordFault};
use super::header::{Batch, HEADER_BYTES};
use super::records::Records;

/// Checks the one batch that a Produce request may hold for a partition: format, length, checksum, counts, flags,
/// sequence. The records are looked at by [`check_records`].
pub fn check_produced(mut bytes: Bytes) -> Result<Batch, BatchError> {
    if bytes.is_empty() {
        return Err(BatchError::Truncated { needed: HEADER_BYTES, found: 0 });
    }
    let batch = Batch::take(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(BatchError::MoreThanOne { extra: bytes.len() });
    }
    let header = batch.header();
    header.compression()?;
    let wrong = |field, value, rule| Err(BatchError::Field { field, value, rule });
    if header.record_count <= 0 || header.record_count - 1 != header.last_offset_delta {
        return wrong(
            "recordsCount",
            header.record_count.into(),
            "must be lastOffsetDelta + 1 and at least 1",
        );
    }
    if header.is_control() {
        return wrong("attributes", header.attributes.into(), "clients must not write control batches");
    }
    if header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0) {
        return wrong(
            "baseSequence",
            header.base_sequence.into(),
            "an idempotent producer must number its records",
        );
    }
    if header.is_transactional() && header.producer_id < 0 {
        return wrong("producerId", header.producer_id, "a transaction needs a producer id");
    }
    Ok(batch)
}

/// What a record bears that was given no time.
const NO_TIMESTAMP: i64 = -1;

/// Checks time stamps (ms) against the range that a topic takes; -1 stands for none and always passes.
pub fn check_timestamps(
    min_timestamp: i64,
    max_timestamp: i64,
    range: std::ops::RangeInclusive<i64>,
) -> Result<(), BatchError> {
    let outside = |timestamp: &i64| *timestamp != NO_TIMESTAMP && !range.contains(timestamp);
    match [min_timestamp, max_timestamp].into_iter().find(outside) {
        None => Ok(()),
        Some(timestamp) => {
            Err(BatchError::Timestamp { timestamp, earliest: *range.start(), latest: *range.end() })
        }
    }
}

/// What a broker learns from the records of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordSummary {
    /// The largest time stamp, ms.
    pub max_timestamp: i64,
    /// Offset delta of the first record with it.
    pub max_timestamp_delta: i32,
    /// The smallest time stamp, ms, of the records that have one (-1 is none); [`i64::MAX`] if none has.
    pub min_timestamp: i64,
    /// Bytes of the inflated records.
    pub inflated_bytes: usize,
}

/// Reads every record of a produced batch: fields intact, offset deltas 0, 1, 2, ..., keys where the topic is compacted.
pub fn check_records(
    batch: &Batch,
    limits: InflateLimits,
    key_required: bool,
) -> Result<RecordSummary, BatchError> {
    let records: Records = batch.records(limits)?;
    let mut summary = RecordSummary {
        max_timestamp: -1,
        max_timestamp_delta: 0,
        min_timestamp: i64::MAX,
        inflated_bytes: records.size(),
    };
    for (expected, record) in (0_i32..).zip(&records) {
        let record = record?;
        let fault = if record.offset_delta != expected {
            Some(RecordFault::OffsetDelta { found: record.offset_delta, expected })
        } else if key_required && record.key.is_none() {
            Some(RecordFault::MissingKey)
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(BatchError::Record { index: expected, fault });
        }
        if record.timestamp > summary.max_timestamp {
            summary.max_timestamp = record.timestamp;
            summary.max_timestamp_delta = expected;
        }
        if record.timestamp != NO_TIMESTAMP {
            summary.min_timestamp = summary.min_timestamp.min(record.timestamp);
        }
    }
    Ok(summary)
}
