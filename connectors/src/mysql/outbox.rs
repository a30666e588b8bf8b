//! The outbox: records that are made but not sent yet, as a batch of about 1 MiB.
//!
//! Stands between those who make records, the snapshot and the binlog reader, and the queue. Invariant: records leave in the
//! order in which they came, and a batch never holds more than it may.

use api::{Error, Result, SourceRecord};

use super::queue::{Batch, Sender};

/// What a batch weighs at most, by [`Outbox::weigh`].
const BATCH_BYTES_MAX: usize = 1 << 20;
/// About what a record holds beside its row's bytes: envelope, source block, row and key as vectors of values.
const RECORD_BYTES: usize = 1600;

/// Records on their way to the queue.
#[derive(Debug)]
pub struct Outbox {
    sender: Sender,
    /// The records. Whoever adds some calls [`Outbox::weigh`] for them.
    pub records: Vec<SourceRecord>,
    row_bytes: usize,
    records_max: usize,
}

impl Outbox {
    /// Sends batches of at most so many records.
    #[must_use]
    pub const fn new(sender: Sender, records_max: usize) -> Self {
        Self { sender, records: Vec::new(), row_bytes: 0, records_max }
    }

    /// Adds to the weight of the batch what rows in it took in the binlog or in a result.
    pub const fn weigh(&mut self, row_bytes: usize) {
        self.row_bytes = self.row_bytes.saturating_add(row_bytes);
    }

    /// Whether the batch should go.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.records.len() >= self.records_max || self.row_bytes >= BATCH_BYTES_MAX
    }

    /// Sends what there is; waits for room in the queue.
    ///
    /// # Errors
    /// `Fatal` when nobody receives any more.
    pub async fn flush(&mut self) -> Result<()> {
        while !self.records.is_empty() {
            // An event with many rows may have gone past the bound.
            let rest = self.records.split_off(self.records.len().min(self.records_max));
            let records = std::mem::replace(&mut self.records, rest);
            let bytes = std::mem::take(&mut self.row_bytes) + records.len() * RECORD_BYTES;
            self.sender.send(Batch { records, bytes }).await?;
        }
        self.row_bytes = 0;
        Ok(())
    }

    /// Sends an error behind what was sent.
    ///
    /// # Errors
    /// As [`Outbox::flush`].
    pub async fn send_error(&self, error: Error) -> Result<()> {
        self.sender.send_error(error).await
    }
}
