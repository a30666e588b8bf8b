//! The outbox: records that are made, or are to be made by `poll`, but not sent yet, as a batch of about 1 MiB.
//!
//! Stands between those who make records, the snapshot and the binlog reader, and the queue. Invariant: records leave in the
//! order in which they came.

use api::{Error, Result, SourceRecord};

use super::queue::{Batch, Part, Sender};
use super::row_event::RowEvent;
use super::snapshot::RowBatch;

/// What a batch weighs at most, by [`Outbox::weigh`].
const BATCH_BYTES_MAX: usize = 1 << 20;
/// About what a record holds beside its row's bytes: envelope, source block, row and key as vectors of values.
const RECORD_BYTES: usize = 1600;

/// Records on their way to the queue.
#[derive(Debug)]
pub struct Outbox {
    sender: Sender,
    /// What is before the records.
    parts: Vec<Part>,
    part_rows: usize,
    /// The records. Whoever adds some calls [`Outbox::weigh`] for them.
    pub records: Vec<SourceRecord>,
    row_bytes: usize,
    records_max: usize,
}

impl Outbox {
    /// Sends batches of at most so many records.
    #[must_use]
    pub const fn new(sender: Sender, records_max: usize) -> Self {
        Self { sender, parts: Vec::new(), part_rows: 0, records: Vec::new(), row_bytes: 0, records_max }
    }

    /// Adds to the weight of the batch what rows in it took in the binlog or in a result.
    pub const fn weigh(&mut self, row_bytes: usize) {
        self.row_bytes = self.row_bytes.saturating_add(row_bytes);
    }

    /// Adds an event whose rows become records when they are polled.
    pub fn push_event(&mut self, event: RowEvent) {
        self.close_records();
        self.weigh(event.weight());
        self.part_rows = self.part_rows.saturating_add(event.rows_left());
        self.parts.push(Part::Event(Box::new(event)));
    }

    /// Adds rows of a snapshot, which become records when they are polled.
    pub fn push_rows(&mut self, rows: RowBatch) {
        self.close_records();
        self.weigh(rows.weight());
        self.part_rows = self.part_rows.saturating_add(rows.left());
        self.parts.push(Part::Rows(Box::new(rows)));
    }

    /// Whether the batch should go.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.part_rows + self.records.len() >= self.records_max || self.row_bytes >= BATCH_BYTES_MAX
    }

    /// Sends what there is; waits for room in the queue.
    ///
    /// # Errors
    /// `Fatal` when nobody receives any more.
    pub async fn flush(&mut self) -> Result<()> {
        self.close_records();
        let (parts, records) = (std::mem::take(&mut self.parts), std::mem::take(&mut self.part_rows));
        let bytes = std::mem::take(&mut self.row_bytes);
        self.sender.send(Batch { parts, records, bytes }).await
    }

    /// What comes next comes behind the records.
    fn close_records(&mut self) {
        if !self.records.is_empty() {
            self.part_rows += self.records.len();
            self.weigh(self.records.len() * RECORD_BYTES);
            self.parts.push(Part::Records(std::mem::take(&mut self.records)));
        }
    }

    /// Sends an error behind what was sent.
    ///
    /// # Errors
    /// As [`Outbox::flush`].
    pub async fn send_error(&self, error: Error) -> Result<()> {
        self.sender.send_error(error).await
    }
}
