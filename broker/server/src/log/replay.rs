//! Reading a whole log at start, batch by batch: how the broker's own topics become what it knows.

use std::fmt::Display;

use broker_protocol::batch::Batch;

use super::{LogError, PartitionLog};

/// Bytes read at a time.
const READ_BYTES: usize = 1024 * 1024;

impl PartitionLog {
    /// Hands every batch below the high watermark to `take`, in order. Blocks on the disk.
    ///
    /// # Errors
    /// What cannot be read, and what `take` does not understand, with its offset: a log of which a part is missing means nothing.
    pub(crate) fn replay<E: Display>(
        &self,
        mut take: impl FnMut(&Batch) -> Result<(), E>,
    ) -> Result<(), LogError> {
        let reach = self.offsets();
        let mut next = reach.start;
        while next < reach.high_watermark {
            let mut bytes = self.read(next, READ_BYTES, true)?;
            if bytes.is_empty() {
                break;
            }
            while !bytes.is_empty() {
                let batch = Batch::take(&mut bytes).map_err(|error| self.not_understood(next, &error))?;
                take(&batch).map_err(|error| self.not_understood(next, &error))?;
                next = batch.header().next_offset();
            }
        }
        Ok(())
    }

    fn not_understood(&self, offset: i64, error: &dyn Display) -> LogError {
        LogError::Corrupt {
            path: self.name().into(),
            position: u64::try_from(offset).unwrap_or(0),
            reason: format!("offset {offset}: {error}"),
        }
    }
}
