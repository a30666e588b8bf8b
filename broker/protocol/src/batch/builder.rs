//! Builds a batch by appending records straight into the buffer that becomes it: the producer's hot path.
//!
//! Invariant: `finish` yields a batch whose checksum, counts and time stamps are those of the appended records. Compression
//! and checksum happen in `finish` only, so that the caller of `append` pays for neither.

use super::compression::{self, Compression};
use super::error::BatchError;
use super::header::{
    BatchHeader, CHECKSUM_START, HEADER_BYTES, TIMESTAMP_TYPE_BIT, TRANSACTIONAL_BIT, TimestampType,
};
use super::patch;
use super::record_headers::RecordHeaders;
use super::records::Header;
use super::varint;

/// Largest batch that is built; its length field could say a little more.
const BATCH_BYTES_MAX: usize = 0x7fff_0000;

/// A batch that grows.
#[derive(Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    buffer: Vec<u8>,
    count: i32,
    next_offset_delta: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

/// What a batch says besides its records.
#[derive(Debug, Clone, Copy)]
pub struct BatchFields {
    /// Codec for the records; data that does not shrink is stored as it is.
    pub compression: Compression,
    /// Offset of the first record; 0 in what a producer sends.
    pub base_offset: i64,
    /// Epoch of the leader, -1 in what a producer sends.
    pub leader_epoch: i32,
    /// Id of an idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Part of a transaction.
    pub is_transactional: bool,
    /// Who set the time stamps.
    pub timestamp_type: TimestampType,
    /// Compaction keeps the delta of the last record that there once was.
    pub last_offset_delta: Option<i32>,
}

impl Default for BatchFields {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            base_offset: 0,
            leader_epoch: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            is_transactional: false,
            timestamp_type: TimestampType::CreateTime,
            last_offset_delta: None,
        }
    }
}

impl BatchBuilder {
    /// An empty batch; `capacity` in bytes is a hint.
    pub fn new(capacity: usize) -> Self {
        Self::reuse(Vec::with_capacity(capacity.max(HEADER_BYTES)))
    }

    /// An empty batch in a buffer that served before.
    pub fn reuse(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        buffer.resize(HEADER_BYTES, 0);
        Self { buffer, count: 0, next_offset_delta: 0, base_timestamp: 0, max_timestamp: i64::MIN }
    }

    /// Bytes so far, uncompressed, header included.
    pub fn size(&self) -> usize {
        self.buffer.len()
    }

    /// Records so far.
    pub fn count(&self) -> i32 {
        self.count
    }

    /// An upper bound of what [`Self::append`] adds for such a record, in bytes.
    pub fn record_size_max(key: Option<&[u8]>, value: Option<&[u8]>, headers: RecordHeaders<'_>) -> usize {
        36 + key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers.size_max()
    }

    /// Appends a record behind the last one. `timestamp` is in ms.
    #[inline]
    pub fn append(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<i32, BatchError> {
        self.append_with(timestamp, key, value, RecordHeaders::Each(headers))
    }

    /// [`Self::append`], with headers that may be encoded already.
    #[inline]
    pub fn append_with(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: RecordHeaders<'_>,
    ) -> Result<i32, BatchError> {
        let offset_delta = self.next_offset_delta;
        self.put(offset_delta, timestamp, key, value, headers)?;
        Ok(offset_delta)
    }

    /// Appends a record with a given offset delta, which must ascend: what compaction needs.
    #[inline]
    pub fn append_at(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<(), BatchError> {
        self.put(offset_delta, timestamp, key, value, RecordHeaders::Each(headers))
    }

    #[inline]
    fn put(
        &mut self,
        offset_delta: i32,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: RecordHeaders<'_>,
    ) -> Result<(), BatchError> {
        let size = self.buffer.len().saturating_add(Self::record_size_max(key, value, headers));
        if size > BATCH_BYTES_MAX || offset_delta == i32::MAX || offset_delta < self.next_offset_delta {
            return Err(BatchError::TooLarge { size });
        }
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let body_bytes = 1
            + varint::size(timestamp_delta)
            + varint::size(offset_delta.into())
            + nullable_size(key)
            + nullable_size(value)
            + headers.size();
        self.buffer.reserve(body_bytes + 5);
        let buffer = &mut self.buffer;
        varint::put(buffer, length_i64(body_bytes));
        buffer.push(0);
        varint::put(buffer, timestamp_delta);
        varint::put(buffer, offset_delta.into());
        put_nullable(buffer, key);
        put_nullable(buffer, value);
        headers.put(buffer);
        self.count += 1;
        self.next_offset_delta = offset_delta + 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        Ok(())
    }

    /// Compresses and closes the batch. The second value is the buffer of the uncompressed records, for reuse, if
    /// it did not become the batch.
    pub fn finish(self, fields: &BatchFields) -> Result<(Vec<u8>, Option<Vec<u8>>), BatchError> {
        let mut compression = fields.compression;
        let (mut batch, mut spare) = (self.buffer, None);
        if compression != Compression::None {
            // What fills a batch is mostly JSON, which shrinks to less than this; room that is never used costs page faults.
            let mut compressed = Vec::with_capacity(HEADER_BYTES + batch.len() / 8);
            compressed.resize(HEADER_BYTES, 0);
            compression::deflate(compression, &batch[HEADER_BYTES..], &mut compressed)?;
            if compressed.len() < batch.len() {
                // It may wait long to be sent: keep no room that it does not need.
                compressed.shrink_to(compressed.len() * 5 / 4);
                spare = Some(std::mem::replace(&mut batch, compressed));
            } else {
                compression = Compression::None;
            }
        }
        let last_offset_delta = fields.last_offset_delta.unwrap_or(self.next_offset_delta - 1).max(0);
        let mut header = BatchHeader {
            base_offset: fields.base_offset,
            size: batch.len(),
            leader_epoch: fields.leader_epoch,
            crc: 0,
            attributes: attributes(compression, fields),
            last_offset_delta,
            base_timestamp: self.base_timestamp,
            max_timestamp: if self.count == 0 { -1 } else { self.max_timestamp },
            producer_id: fields.producer_id,
            producer_epoch: fields.producer_epoch,
            base_sequence: fields.base_sequence,
            record_count: self.count,
        };
        header.crc = 0;
        batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes()?);
        debug_assert!(batch.len() > CHECKSUM_START);
        patch::checksum(&mut batch);
        Ok((batch, spare))
    }
}

fn attributes(compression: Compression, fields: &BatchFields) -> i16 {
    let mut attributes = compression.id();
    if fields.timestamp_type == TimestampType::LogAppendTime {
        attributes |= TIMESTAMP_TYPE_BIT;
    }
    if fields.is_transactional {
        attributes |= TRANSACTIONAL_BIT;
    }
    attributes
}

/// Lengths here are below [`BATCH_BYTES_MAX`], so they always fit.
#[inline]
pub(super) fn length_i64(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

#[inline]
pub(super) fn nullable_size(value: Option<&[u8]>) -> usize {
    value.map_or(1, |value| varint::size(length_i64(value.len())) + value.len())
}

#[inline]
pub(super) fn put_nullable(buffer: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            varint::put(buffer, length_i64(value.len()));
            buffer.extend_from_slice(value);
        }
        None => varint::put(buffer, -1),
    }
}
