//! The rows of an event as rows that may stay packed ([`PackedRows`]): when they may, and where what lies.
//!
//! They may when every column is there and any bytes of its length are a value. An update that changes its key says so in more records than
//! one, and is decoded. Invariant: what is shown of a row is what [`EventRows::decode`] makes of it.

use std::sync::Arc;

use api::{FlatMap, Result, SourceRecord, ValueRef};

use super::EventRows;
use crate::mysql::binlog::event::RowsKind;
use crate::mysql::envelope::{Changes, RowSink, TableRecords};
use crate::mysql::packed_rows::{PackedRows, RawRows};

impl EventRows {
    /// The records of an event, if its rows can stay packed.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub(super) fn packed(self: &Arc<Self>) -> Result<Option<PackedRows>> {
        let table = &self.table;
        let images = if self.kind == RowsKind::Update { &self.columns[..] } else { &self.columns[..1] };
        if !table.records.keeps_rows() || !images.iter().all(|columns| table.decoder.can_show(columns)) {
            return Ok(None);
        }
        let op = match self.kind {
            RowsKind::Insert => "c",
            RowsKind::Update => "u",
            RowsKind::Delete => "d",
        };
        let frame = Arc::clone(self.frames.clone().of(op, table.records.envelope())?);
        Ok(Some(PackedRows::new(self, frame, Arc::clone(self.source.shared()?))))
    }

    /// Whether one record says all that happened to a row: its key has the same bytes before and after. Other bytes may be the same key:
    /// decoding tells.
    pub(super) fn keeps_key(&self, row: usize) -> bool {
        let (RowsKind::Update, Some((_, columns)), Some(starts)) =
            (self.kind, self.table.records.key_parts(), self.starts_of(row))
        else {
            return true;
        };
        self.table.decoder.same_bytes(&self.images, starts, columns).unwrap_or(false)
    }
}

impl RawRows for EventRows {
    fn records(&self) -> &TableRecords {
        &self.table.records
    }

    fn count(&self) -> usize {
        Self::count(self)
    }

    fn sides(&self) -> [bool; 2] {
        [self.kind != RowsKind::Insert, self.kind != RowsKind::Delete]
    }

    fn number_in_source(&self, row: usize) -> i32 {
        i32::try_from(row).unwrap_or(i32::MAX)
    }

    fn show_image(&self, row: usize, side: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        let Some(starts) = self.starts_of(row) else { return Ok(()) };
        Ok(self.table.decoder.show_at(&self.images, starts[side], taker)?)
    }

    /// The key is that of the last image: an update whose rows stay packed does not change it.
    fn show_key_column(&self, row: usize, column: usize, taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<()> {
        let Some([_, start]) = self.starts_of(row) else { return Ok(()) };
        Ok(self.table.decoder.show_column_at(&self.images, start, column, taker)?)
    }

    fn make(&self, row: usize) -> Result<Vec<SourceRecord>> {
        let (mut frames, mut out) = (self.frames.clone(), Vec::new());
        let rows =
            RowSink { table: &self.table.records, source: &self.source, frames: &mut frames, out: &mut out };
        let mut changes = Changes { rows, shared: &Arc::new(FlatMap::new()), events: 0, transaction: None };
        self.decode(row, &mut changes)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
