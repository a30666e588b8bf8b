//! What the log adds to the protocol's batch header: the part that the broker writes itself, and the checksum of a batch
//! that was read back.

use broker_protocol::batch::BatchHeader;

/// Bytes that the broker writes itself: base offset, length and leader epoch. The checksum does not cover them.
pub(crate) const PATCHED_BYTES: usize = 16;
/// Where the checksummed part begins.
const CHECKSUMMED_FROM: usize = 21;

/// Checks the checksum of a batch; `bytes` begin with it.
pub(crate) fn verify(header: &BatchHeader, bytes: &[u8]) -> Result<(), String> {
    let Some(covered) = bytes.get(CHECKSUMMED_FROM..header.size) else {
        return Err(format!("batch of {} bytes is cut after {}", header.size, bytes.len()));
    };
    let (found, expected) = (crc32c::crc32c(covered), header.crc);
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "checksum of the batch at offset {} is {found:#010x}, expected {expected:#010x}",
        header.base_offset
    ))
}
