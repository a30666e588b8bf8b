//! The fields that a broker (or a producer that retries with a new id) changes in a batch without rebuilding it.
//!
//! Each takes the bytes of a batch whose header was read before. Base offset and leader epoch stand outside the
//! checksum, so they cost nothing; the others compute it anew.

use super::error::BatchError;
use super::header::{CHECKSUM_START, CONTROL_BIT, HEADER_BYTES, TIMESTAMP_TYPE_BIT, put};

/// Gives the batch its place in the log.
pub fn base_offset(batch: &mut [u8], offset: i64) -> Result<(), BatchError> {
    check_size(batch)?;
    put(batch, 0, offset.to_be_bytes());
    Ok(())
}

/// Notes the leader's epoch.
pub fn leader_epoch(batch: &mut [u8], epoch: i32) -> Result<(), BatchError> {
    check_size(batch)?;
    put(batch, 12, epoch.to_be_bytes());
    Ok(())
}

/// Switches the batch to LogAppendTime with this time stamp (ms).
pub fn log_append_time(batch: &mut [u8], timestamp: i64) -> Result<(), BatchError> {
    check_size(batch)?;
    let attributes = i16::from_be_bytes([batch[21], batch[22]]) | TIMESTAMP_TYPE_BIT;
    put(batch, 21, attributes.to_be_bytes());
    put(batch, 35, timestamp.to_be_bytes());
    checksum(batch);
    Ok(())
}

/// Sets the largest time stamp of the records (ms).
pub fn max_timestamp(batch: &mut [u8], timestamp: i64) -> Result<(), BatchError> {
    check_size(batch)?;
    put(batch, 35, timestamp.to_be_bytes());
    checksum(batch);
    Ok(())
}

/// Gives the batch to an idempotent producer.
pub fn producer(batch: &mut [u8], id: i64, epoch: i16, base_sequence: i32) -> Result<(), BatchError> {
    check_size(batch)?;
    put(batch, 43, id.to_be_bytes());
    put(batch, 51, epoch.to_be_bytes());
    put(batch, 53, base_sequence.to_be_bytes());
    checksum(batch);
    Ok(())
}

/// Makes it a control batch: its record is a marker of the broker's and no data.
pub fn control(batch: &mut [u8]) -> Result<(), BatchError> {
    check_size(batch)?;
    let attributes = i16::from_be_bytes([batch[21], batch[22]]) | CONTROL_BIT;
    put(batch, 21, attributes.to_be_bytes());
    checksum(batch);
    Ok(())
}

fn check_size(batch: &[u8]) -> Result<(), BatchError> {
    if batch.len() < HEADER_BYTES {
        return Err(BatchError::Truncated { needed: HEADER_BYTES, found: batch.len() });
    }
    Ok(())
}

pub(crate) fn checksum(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CHECKSUM_START..]);
    put(batch, 17, crc.to_be_bytes());
}
