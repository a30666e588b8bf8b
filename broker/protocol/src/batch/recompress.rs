//! Gives a batch another codec: what a broker does for topics whose `compression.type` is not the producer's.
//!
//! The records stay byte for byte what they were, and so does every field of the header but codec, length and checksum:
//! producer, sequence and time stamps need no second look.

use super::compression::{self, Compression, InflateLimits};
use super::error::BatchError;
use super::header::{Batch, HEADER_BYTES, LENGTH_PREFIX_BYTES, put};
use super::patch;

/// The three bits of the attributes that name the codec.
const CODEC_BITS: i16 = 0x07;

/// The same records in this codec; the batch itself if it has it already.
pub fn recompress(batch: &Batch, codec: Compression, limits: InflateLimits) -> Result<Batch, BatchError> {
    if batch.header().compression()? == codec {
        return Ok(batch.clone());
    }
    let records = batch.records(limits)?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + records.size());
    bytes.extend_from_slice(&batch.bytes()[..HEADER_BYTES]);
    compression::deflate(codec, records.bytes(), &mut bytes)?;
    let size = bytes.len();
    let Ok(length) = i32::try_from(size - LENGTH_PREFIX_BYTES) else {
        return Err(BatchError::TooLarge { size });
    };
    let attributes = (batch.header().attributes & !CODEC_BITS) | codec.id();
    put(&mut bytes, 8, length.to_be_bytes());
    put(&mut bytes, 21, attributes.to_be_bytes());
    patch::checksum(&mut bytes);
    Batch::take(&mut bytes.into())
}
