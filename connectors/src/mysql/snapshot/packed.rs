//! The rows of a snapshot's batch as rows that may stay packed ([`PackedRows`]): when they may, and where what lies.
//!
//! They may when every cell was looked at and found to be a value. Invariant: what is shown of a row is what decoding makes of it.

use std::sync::Arc;

use api::{FlatMap, Result, SourceOffset, SourceRecord, ValueRef};

use super::row_batch::BatchRows;
use crate::mysql::envelope::{RowSink, TableRecords};
use crate::mysql::packed_rows::{PackedRows, RawRows};

impl BatchRows {
    /// The records of a batch, if its rows can stay packed.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub(super) fn packed(self: &Arc<Self>) -> Result<Option<PackedRows>> {
        if !self.is_sure || !self.records.keeps_rows() {
            return Ok(None);
        }
        let frame = Arc::clone(self.frames.clone().of("r", self.records.envelope())?);
        Ok(Some(PackedRows::new(self, frame, Arc::clone(self.block.shared()?))))
    }
}

impl RawRows for BatchRows {
    fn records(&self) -> &TableRecords {
        &self.records
    }

    fn count(&self) -> usize {
        self.rows.len()
    }

    fn sides(&self) -> [bool; 2] {
        [false, true]
    }

    fn number_in_source(&self, _row: usize) -> i32 {
        0
    }

    fn show_image(&self, row: usize, _side: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        Ok(self.table.decoder.show(&self.rows, row, taker)?)
    }

    fn show_key_column(&self, row: usize, column: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        Ok(self.table.decoder.show_column(&self.rows, (row, column), taker)?)
    }

    fn make(&self, row: usize) -> Result<Vec<SourceRecord>> {
        let (mut frames, mut out) = (self.frames.clone(), Vec::new());
        let mut sink =
            RowSink { table: &self.records, source: &self.block, frames: &mut frames, out: &mut out };
        self.read(row, &mut sink, SourceOffset::new(Arc::new(FlatMap::new())))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
