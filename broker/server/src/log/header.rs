//! The fixed head of a record batch, read from raw bytes: all that the log needs to know of what it stores.
//!
//! Layout: <https://kafka.apache.org/documentation/#recordbatch>. Nothing here looks into the records.

/// Bytes of a batch before its first record.
pub(crate) const HEADER_BYTES: usize = 61;
/// Bytes before those that `batch_length` counts: the base offset and the length itself.
pub(crate) const LENGTH_PREFIX_BYTES: usize = 12;
/// Bytes that the broker writes itself: base offset, length and leader epoch. The checksum does not cover them.
pub(crate) const PATCHED_BYTES: usize = 16;
/// Where the checksummed part begins.
const CHECKSUMMED_FROM: usize = 21;

/// The head of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub(crate) base_offset: i64,
    /// Whole batch, prefix included.
    pub(crate) total_bytes: usize,
    pub(crate) crc: u32,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) record_count: i32,
}

impl BatchHeader {
    /// Reads the head; `bytes` must start at a batch and hold at least [`HEADER_BYTES`].
    ///
    /// # Errors
    /// What does not fit, in words.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
            return Err(format!("{} bytes are too few for a batch header", bytes.len()));
        };
        let length = i32::from_be_bytes(field(head, 8));
        let total_bytes = usize::try_from(length).ok().and_then(|length| length.checked_add(LENGTH_PREFIX_BYTES));
        let total_bytes = total_bytes
            .filter(|total| *total >= HEADER_BYTES)
            .ok_or_else(|| format!("batch length {length} is impossible"))?;
        let magic = head[16];
        if magic != 2 {
            return Err(format!("batch has magic {magic}, expected 2"));
        }
        Ok(Self {
            base_offset: i64::from_be_bytes(field(head, 0)),
            total_bytes,
            crc: u32::from_be_bytes(field(head, 17)),
            attributes: i16::from_be_bytes(field(head, 21)),
            last_offset_delta: i32::from_be_bytes(field(head, 23)),
            base_timestamp: i64::from_be_bytes(field(head, 27)),
            max_timestamp: i64::from_be_bytes(field(head, 35)),
            producer_id: i64::from_be_bytes(field(head, 43)),
            producer_epoch: i16::from_be_bytes(field(head, 51)),
            base_sequence: i32::from_be_bytes(field(head, 53)),
            record_count: i32::from_be_bytes(field(head, 57)),
        })
    }

    /// Offset of the batch's last record.
    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the batch's last record.
    pub(crate) fn next_offset(&self) -> i64 {
        self.last_offset().saturating_add(1)
    }

    /// Whether the batch is a transaction marker.
    pub(crate) fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Whether the batch belongs to a transaction.
    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether the producer numbers its batches.
    pub(crate) fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// Sequence number of the batch's last record; sequences wrap to 0 after `i32::MAX`.
    pub(crate) fn last_sequence(&self) -> i32 {
        sequence_plus(self.base_sequence, self.last_offset_delta)
    }

    /// Checks the checksum against the whole batch.
    pub(crate) fn verify(&self, batch: &[u8]) -> Result<(), String> {
        let Some(covered) = batch.get(CHECKSUMMED_FROM..self.total_bytes) else {
            return Err(format!("batch of {} bytes is cut after {}", self.total_bytes, batch.len()));
        };
        let found = crc32c::crc32c(covered);
        if found == self.crc {
            return Ok(());
        }
        Err(format!("checksum of the batch at offset {} is {found:#010x}, expected {:#010x}", self.base_offset, self.crc))
    }
}

/// Adds to a sequence number, wrapping to 0 after `i32::MAX`.
pub(crate) fn sequence_plus(sequence: i32, delta: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(delta);
    let wrapped = if sum > i64::from(i32::MAX) { sum - i64::from(i32::MAX) - 1 } else { sum };
    i32::try_from(wrapped).unwrap_or(0)
}

/// A fixed-size field at a fixed place of the head.
fn field<const N: usize>(head: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&head[at..at + N]);
    bytes
}
