//! Rows of a snapshot that are not decoded yet: what the sessions hand to `poll`, which makes records of them.
//!
//! Why there: as with the binlog's events (`row_event`), whoever polls encodes and drops the records on the same thread, a handful at a
//! time, so that what a record is made of never leaves that processor's cache; the sessions go on reading meanwhile on others.
//! Invariant: an offset never claims a row that was not handed out before it or with it: all but the last record of a batch
//! carry what was true before the batch. A cell that cannot be decoded is an error behind the records of the rows before it.

use std::sync::Arc;

use api::{Result, SourceOffset, SourceRecord};

use super::ranges::TableReading;
use crate::mysql::envelope::{Frames, RowSink, SourceBlock, TableRecords};
use crate::mysql::wire::TextRows;

/// What most rows are to the snapshot.
pub(super) const IN_THE_MIDST: &str = "true";

/// Which place a row has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mark {
    pub(super) first: bool,
    pub(super) first_of_table: bool,
    pub(super) last_of_table: bool,
    pub(super) last: bool,
}

impl Mark {
    /// Debezium's word for it; the earlier case wins.
    const fn word(self) -> &'static str {
        match self {
            Self { last: true, .. } => "last",
            Self { first: true, .. } => "first",
            Self { last_of_table: true, .. } => "last_in_data_collection",
            Self { first_of_table: true, .. } => "first_in_data_collection",
            _ => IN_THE_MIDST,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct RowBatch {
    /// From bytes to values.
    pub(super) table: Arc<TableReading>,
    /// From values to records.
    pub(super) records: Arc<TableRecords>,
    /// Where the rows come from.
    pub(super) block: Arc<SourceBlock>,
    /// The rows.
    pub(super) rows: TextRows,
    /// The one that is next.
    pub(super) next: usize,
    /// What the first row and the last are.
    pub(super) mark: Mark,
    /// What the envelopes share.
    pub(super) frames: Frames,
    /// The offset before the rows.
    pub(super) before: SourceOffset,
    /// The offset with them.
    pub(super) after: SourceOffset,
}

impl RowBatch {
    /// How many rows are left.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rows.len().saturating_sub(self.next)
    }

    /// The bytes that the rows hold.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.rows.weight()
    }

    /// Makes records of at most so many rows, and adds them to `out`.
    ///
    /// # Errors
    /// `Fatal` when a cell cannot be decoded; what came before it is in `out`. Nothing is left of the batch then.
    pub fn take(&mut self, rows_max: usize, out: &mut Vec<SourceRecord>) -> Result<()> {
        let count = self.rows.len();
        for index in self.next..count.min(self.next.saturating_add(rows_max)) {
            self.next = count;
            let row = self.table.decoder.decode_row(self.rows.bytes(), self.rows.row(index))?;
            let (is_first, is_last) = (index == 0, index + 1 == count);
            let mark = Mark {
                first: self.mark.first && is_first,
                first_of_table: self.mark.first_of_table && is_first,
                last_of_table: self.mark.last_of_table && is_last,
                last: self.mark.last && is_last,
            };
            let marked;
            let source = match mark.word() {
                IN_THE_MIDST => &*self.block,
                word => {
                    marked = self.block.marked(word);
                    &marked
                }
            };
            let offset = if is_last { &self.after } else { &self.before };
            let frames = &mut self.frames;
            RowSink { table: &self.records, source, frames, out }.read(row, offset.clone())?;
            self.next = index + 1;
        }
        Ok(())
    }
}
