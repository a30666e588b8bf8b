//! The 61 bytes in front of every record batch, and how whole batches are told apart in a log or a response.
//!
//! Invariant: a [`Batch`] has a known format, a length that is that of its bytes, and a checksum that holds.
//! The record count is bounded by the bytes there are, so that it can be trusted for sizes.

use bytes::Bytes;

use super::compression::Compression;
use super::error::BatchError;

/// Bytes before the first record.
pub const HEADER_BYTES: usize = 61;
/// Base offset and length: what must be read to know where a batch ends.
pub const LENGTH_PREFIX_BYTES: usize = 12;
/// The checksum covers everything from the attributes on.
pub(crate) const CHECKSUM_START: usize = 21;
pub(crate) const TIMESTAMP_TYPE_BIT: i16 = 0x08;
pub(crate) const TRANSACTIONAL_BIT: i16 = 0x10;
pub(crate) const CONTROL_BIT: i16 = 0x20;
const DELETE_HORIZON_BIT: i16 = 0x40;

/// Who set the time stamps of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TimestampType {
    /// The producer.
    #[default]
    CreateTime,
    /// The broker, on append; all records have the batch's maximum.
    LogAppendTime,
}

/// The fields in front of the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: i64,
    /// Bytes of the whole batch, this header included.
    pub size: usize,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// CRC-32C of everything from the attributes on.
    pub crc: u32,
    /// Compression, time stamp type and flags; see the methods.
    pub attributes: i16,
    /// Offset of the last record minus the base offset; compaction keeps it while it removes records.
    pub last_offset_delta: i32,
    /// Time stamp of the first record (or the delete horizon, see [`Self::delete_horizon_ms`]), ms.
    pub base_timestamp: i64,
    /// The largest time stamp of its records, ms.
    pub max_timestamp: i64,
    /// Id of an idempotent producer, or -1.
    pub producer_id: i64,
    /// Its epoch, or -1.
    pub producer_epoch: i16,
    /// Sequence number of the first record, or -1.
    pub base_sequence: i32,
    /// Records in the batch.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header alone: format and length are checked, the checksum is not (the records may not be there).
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
            check_magic(bytes)?;
            return Err(BatchError::Truncated { needed: HEADER_BYTES, found: bytes.len() });
        };
        check_magic(header)?;
        let size = batch_size(header)?.unwrap_or(HEADER_BYTES);
        let header = Self {
            base_offset: i64::from_be_bytes(field(header, 0)),
            size,
            leader_epoch: i32::from_be_bytes(field(header, 12)),
            crc: u32::from_be_bytes(field(header, 17)),
            attributes: i16::from_be_bytes(field(header, 21)),
            last_offset_delta: i32::from_be_bytes(field(header, 23)),
            base_timestamp: i64::from_be_bytes(field(header, 27)),
            max_timestamp: i64::from_be_bytes(field(header, 35)),
            producer_id: i64::from_be_bytes(field(header, 43)),
            producer_epoch: i16::from_be_bytes(field(header, 51)),
            base_sequence: i32::from_be_bytes(field(header, 53)),
            record_count: i32::from_be_bytes(field(header, 57)),
        };
        header.check_counts()?;
        Ok(header)
    }

    fn check_counts(&self) -> Result<(), BatchError> {
        let wrong = |field, value, rule| Err(BatchError::Field { field, value, rule });
        if self.last_offset_delta < 0 {
            return wrong("lastOffsetDelta", self.last_offset_delta.into(), "must not be negative");
        }
        if self.record_count < 0 || i64::from(self.record_count) > i64::from(self.last_offset_delta) + 1 {
            return wrong("recordsCount", self.record_count.into(), "must be 0 to lastOffsetDelta + 1");
        }
        if self.base_offset.checked_add(self.last_offset_delta.into()).is_none_or(|last| last == i64::MAX) {
            return wrong("baseOffset", self.base_offset, "the last offset is beyond the end of all offsets");
        }
        Ok(())
    }

    /// The header's bytes, as they stand in front of the records.
    pub fn to_bytes(&self) -> Result<[u8; HEADER_BYTES], BatchError> {
        let mut bytes = [0; HEADER_BYTES];
        let too_large = BatchError::TooLarge { size: self.size };
        let after_length =
            self.size.checked_sub(LENGTH_PREFIX_BYTES).and_then(|size| i32::try_from(size).ok());
        let length = after_length.ok_or(too_large)?;
        put(&mut bytes, 0, self.base_offset.to_be_bytes());
        put(&mut bytes, 8, length.to_be_bytes());
        put(&mut bytes, 12, self.leader_epoch.to_be_bytes());
        put(&mut bytes, 16, [2]);
        put(&mut bytes, 17, self.crc.to_be_bytes());
        put(&mut bytes, 21, self.attributes.to_be_bytes());
        put(&mut bytes, 23, self.last_offset_delta.to_be_bytes());
        put(&mut bytes, 27, self.base_timestamp.to_be_bytes());
        put(&mut bytes, 35, self.max_timestamp.to_be_bytes());
        put(&mut bytes, 43, self.producer_id.to_be_bytes());
        put(&mut bytes, 51, self.producer_epoch.to_be_bytes());
        put(&mut bytes, 53, self.base_sequence.to_be_bytes());
        put(&mut bytes, 57, self.record_count.to_be_bytes());
        Ok(bytes)
    }

    /// Offset of the last record (of the last one there was before compaction).
    pub fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.last_offset_delta)
    }

    /// The offset behind the batch.
    pub fn next_offset(&self) -> i64 {
        self.last_offset() + 1
    }

    /// The sequence number of the last record; sequences wrap to 0 after 2^31 - 1. -1 without a producer id.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 { -1 } else { sequence_after(self.base_sequence, self.last_offset_delta) }
    }

    /// How the records are compressed.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_attributes(self.attributes)
    }

    /// Who set the time stamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether its records are part of a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether it holds a marker of the broker (commit, abort) and no data.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Until when tombstones stay, ms, if compaction has set it.
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }
}

/// `sequence` advanced by `records`, wrapping from 2^31 - 1 to 0 as Kafka's sequences do.
pub fn sequence_after(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
}

fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

pub(crate) fn put<const N: usize>(header: &mut [u8], at: usize, bytes: [u8; N]) {
    header[at..at + N].copy_from_slice(&bytes);
}

fn check_magic(bytes: &[u8]) -> Result<(), BatchError> {
    match bytes.get(16).map(|magic| magic.cast_signed()) {
        Some(magic) if magic != 2 => Err(BatchError::Magic { magic }),
        _ => Ok(()),
    }
}

/// Bytes of the batch that starts here, once its length field is there.
pub fn batch_size(bytes: &[u8]) -> Result<Option<usize>, BatchError> {
    let Some((_offset, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let Some(length) = rest.first_chunk::<4>().map(|length| i32::from_be_bytes(*length)) else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(bytes) if bytes + LENGTH_PREFIX_BYTES >= HEADER_BYTES => Ok(Some(bytes + LENGTH_PREFIX_BYTES)),
        // Message sets of old formats are shorter; their magic stands at the same place and is the better error.
        _ => check_magic(bytes).and(Err(BatchError::Length { length })),
    }
}

/// One whole batch: header, records, checksum checked.
#[derive(Debug, Clone)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Takes the batch at the front of `bytes` and checks it; what follows stays in `bytes`.
    pub fn take(bytes: &mut Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::read(bytes)?;
        if bytes.len() < header.size {
            return Err(BatchError::Truncated { needed: header.size, found: bytes.len() });
        }
        let batch = Self { header, bytes: bytes.split_to(header.size) };
        batch.check_checksum()?;
        Ok(batch)
    }

    fn check_checksum(&self) -> Result<(), BatchError> {
        let computed = crc32c::crc32c(&self.bytes[CHECKSUM_START..]);
        let BatchHeader { base_offset, crc: stored, .. } = self.header;
        if computed == stored { Ok(()) } else { Err(BatchError::Checksum { base_offset, stored, computed }) }
    }

    /// The fields in front.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All of it, as it came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The (perhaps compressed) records.
    pub fn record_bytes(&self) -> Bytes {
        self.bytes.slice(HEADER_BYTES..)
    }
}

/// The whole batches of a log's slice or a Fetch response, one after the other. A Fetch response may end within a
/// batch: that ends the iteration, and [`Self::rest`] holds the piece.
#[derive(Debug, Clone)]
pub struct Batches {
    bytes: Bytes,
}

impl Batches {
    /// Starts at the front of `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// What was not iterated: empty, or a batch that is not all there.
    pub fn rest(&self) -> &Bytes {
        &self.bytes
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        match batch_size(&self.bytes) {
            Ok(Some(size)) if size <= self.bytes.len() => {
                let batch = Batch::take(&mut self.bytes);
                if batch.is_err() {
                    self.bytes.clear();
                }
                Some(batch)
            }
            Ok(_partial) => None,
            Err(error) => {
                self.bytes.clear();
                Some(Err(error))
            }
        }
    }
}
