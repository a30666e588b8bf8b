//! What can be wrong with a record batch, and the code with which a broker says so.

use crate::ErrorCode;

/// A record batch that is not one.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a batch needs.
    #[error("a record batch needs {needed} bytes, {found} are there")]
    Truncated {
        /// Bytes the batch needs, as far as known.
        needed: usize,
        /// Bytes there are.
        found: usize,
    },
    /// The length field is below what an empty batch takes, or negative.
    #[error("a record batch announces {length} bytes after its length field; at least 49 are needed")]
    Length {
        /// The field as read.
        length: i32,
    },
    /// Magic 0 or 1 (message sets, gone since Kafka 4) or something unheard of.
    #[error("record batch format (magic) {magic} is not supported, only 2")]
    Magic {
        /// The byte as read.
        magic: i8,
    },
    /// The stored checksum is not that of the bytes.
    #[error("record batch at offset {base_offset} has CRC {stored:08x}, its bytes have {computed:08x}")]
    Checksum {
        /// The batch's base offset.
        base_offset: i64,
        /// The checksum in the header.
        stored: u32,
        /// The checksum of the bytes.
        computed: u32,
    },
    /// A header field contradicts another or the rules.
    #[error("record batch has {field} = {value}: {rule}")]
    Field {
        /// The field's name in the protocol guide.
        field: &'static str,
        /// Its value.
        value: i64,
        /// What it should be.
        rule: &'static str,
    },
    /// A producer may send exactly one batch per partition.
    #[error("{extra} bytes follow the one record batch that is allowed")]
    MoreThanOne {
        /// Bytes behind the first batch.
        extra: usize,
    },
    /// A compression type without codec.
    #[error("compression type {id} is not supported")]
    UnknownCompression {
        /// The three bits of the attributes.
        id: i16,
    },
    /// The codec could not read its own format.
    #[error("{codec} data of a record batch cannot be read")]
    Inflate {
        /// The codec's name.
        codec: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Inflated data exceeds the limit (or the ratio that honest data has).
    #[error(
        "{codec} data of a record batch inflates from {compressed} to more than the allowed {limit} bytes"
    )]
    InflatesTooFar {
        /// The codec's name.
        codec: &'static str,
        /// Bytes before.
        compressed: usize,
        /// The limit that was hit.
        limit: usize,
    },
    /// The codec failed to write.
    #[error("{codec} failed to compress a record batch")]
    Deflate {
        /// The codec's name.
        codec: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A time stamp outside what the topic takes.
    #[error("time stamp {timestamp} is out of range: the topic takes {earliest} to {latest}")]
    Timestamp {
        /// As read, ms.
        timestamp: i64,
        /// The first that is taken.
        earliest: i64,
        /// The last that is taken.
        latest: i64,
    },
    /// A record inside the batch is broken.
    #[error("record {index} of the batch: {fault}")]
    Record {
        /// Its place in the batch, from 0.
        index: i32,
        /// What is wrong with it.
        fault: RecordFault,
    },
    /// Bytes behind the last record.
    #[error("{left} bytes follow the {records} records that the batch announces")]
    TrailingBytes {
        /// Bytes left.
        left: usize,
        /// Records announced.
        records: i32,
    },
    /// A record, or a whole batch, larger than its length fields can say.
    #[error("{size} bytes are more than a record batch can hold")]
    TooLarge {
        /// Bytes to be written.
        size: usize,
    },
}

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// It ends before its fields do.
    #[error("ends before its fields do")]
    Truncated,
    /// A variable-length integer that does not end.
    #[error("a variable-length integer does not end")]
    VarintTooLong,
    /// A negative length where none is allowed, or a count beyond what could be there.
    #[error("length or count {length} is not possible here")]
    Length {
        /// As read.
        length: i64,
    },
    /// Its fields end before it does.
    #[error("{left} bytes follow its last header")]
    TrailingBytes {
        /// Bytes left.
        left: usize,
    },
    /// A header key that is not UTF-8.
    #[error("a header key is not valid UTF-8")]
    HeaderKeyNotUtf8,
    /// Offset deltas must be 0, 1, 2, ... in what a producer sends.
    #[error("has offset delta {found}, expected {expected}")]
    OffsetDelta {
        /// As read.
        found: i32,
        /// Its place in the batch.
        expected: i32,
    },
    /// A compacted topic needs a key.
    #[error("has no key, which a compacted topic needs")]
    MissingKey,
}

impl BatchError {
    /// The code with which a broker answers.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Magic { .. } => ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT,
            Self::UnknownCompression { .. } => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
            Self::Field { .. } | Self::MoreThanOne { .. } => ErrorCode::INVALID_RECORD,
            Self::Record { fault: RecordFault::MissingKey | RecordFault::OffsetDelta { .. }, .. } => {
                ErrorCode::INVALID_RECORD
            }
            Self::Timestamp { .. } => ErrorCode::INVALID_TIMESTAMP,
            Self::InflatesTooFar { .. } | Self::TooLarge { .. } => ErrorCode::MESSAGE_TOO_LARGE,
            _ => ErrorCode::CORRUPT_MESSAGE,
        }
    }
}
