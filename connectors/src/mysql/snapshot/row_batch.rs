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
use crate::mysql::packed_rows::PackedRows;
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

/// The rows of a batch and what records are made of them with.
#[derive(Debug)]
pub(super) struct BatchRows {
    /// From bytes to values.
    pub(super) table: Arc<TableReading>,
    /// From values to records.
    pub(super) records: Arc<TableRecords>,
    /// Where the rows come from.
    pub(super) block: Arc<SourceBlock>,
    /// The rows.
    pub(super) rows: TextRows,
    /// Whether every cell was looked at and is a value.
    pub(super) is_sure: bool,
    /// What the envelopes share.
    pub(super) frames: Frames,
}

/// See the module.
#[derive(Debug)]
pub struct RowBatch {
    rows: Arc<BatchRows>,
    packed: Option<PackedRows>,
    frames: Frames,
    /// The row that is next.
    next: usize,
    /// What the first row and the last are.
    mark: Mark,
    /// The offsets before the rows and with them.
    offsets: [SourceOffset; 2],
}

impl BatchRows {
    /// Decodes a row and makes a record of it.
    pub(super) fn read(&self, row: usize, sink: &mut RowSink<'_>, offset: SourceOffset) -> Result<()> {
        let values = self.table.decoder.decode_row(self.rows.bytes(), self.rows.row(row))?;
        sink.read(values, offset)
    }
}

impl RowBatch {
    /// A batch of these rows.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub(super) fn new(rows: BatchRows, mark: Mark, offsets: [SourceOffset; 2]) -> Result<Self> {
        let (frames, rows) = (rows.frames.clone(), Arc::new(rows));
        let packed = rows.packed()?;
        Ok(Self { rows, packed, frames, next: 0, mark, offsets })
    }

    /// How many rows are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.rows.rows.len().saturating_sub(self.next)
    }

    /// The bytes that the rows hold.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.rows.rows.weight()
    }

    /// Makes records of at most so many rows, and adds them to `out`.
    ///
    /// # Errors
    /// `Fatal` when a cell cannot be decoded; what came before it is in `out`. Nothing is left of the batch then.
    pub fn take(&mut self, rows_max: usize, out: &mut Vec<SourceRecord>) -> Result<()> {
        let (rows, count) = (&self.rows, self.rows.rows.len());
        let end = count.min(self.next.saturating_add(rows_max));
        let [before, after] = &self.offsets;
        for index in std::mem::replace(&mut self.next, count)..end {
            let (is_first, is_last) = (index == 0, index + 1 == count);
            let mark = Mark {
                first: self.mark.first && is_first,
                first_of_table: self.mark.first_of_table && is_first,
                last_of_table: self.mark.last_of_table && is_last,
                last: self.mark.last && is_last,
            };
            let offset = if is_last { after.clone() } else { before.clone() };
            let frames = &mut self.frames;
            match (mark.word(), &self.packed) {
                (IN_THE_MIDST, Some(packed)) => {
                    RowSink { table: &rows.records, source: &rows.block, frames, out }
                        .read_packed(packed.record(index), offset);
                }
                (IN_THE_MIDST, None) => {
                    let mut sink = RowSink { table: &rows.records, source: &rows.block, frames, out };
                    rows.read(index, &mut sink, offset)?;
                }
                (word, _) => {
                    let source = &rows.block.marked(word);
                    rows.read(index, &mut RowSink { table: &rows.records, source, frames, out }, offset)?;
                }
            }
        }
        self.next = end;
        Ok(())
    }
}
