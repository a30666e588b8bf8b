//! A rows event that is not decoded yet: what the reader hands to `poll`, which makes records of it.
//!
//! Why there: whoever polls encodes and drops the records on the same thread, a handful at a time. So a record's few allocations and
//! counters of references never leave that processor's cache, and reading the binlog goes on meanwhile on another. Nothing is lost
//! by it: the reader has counted the rows, so that a cut-off event fails there; a value that cannot be decoded fails here, with the
//! event's place, and no record behind it comes out before that was decided (`event.processing.failure.handling.mode`).
//! Events whose rows somebody else must see (signals, chunks, counts of a transaction) are decoded by the reader, as ever.

use std::sync::Arc;

use api::{Bytes, Error, FlatMap, Result, SourceRecord, Text};

use super::binlog::event::RowsKind;
use super::binlog::row::RowDecoder;
use super::config::events::FailureHandling;
use super::envelope::{Changes, Frames, RowSink, SourceBlock, TableRecords};
use super::shape::TableId;

/// What rows of a captured table need.
#[derive(Debug)]
pub struct CapturedTable {
    /// Which table.
    pub id: TableId,
    /// From bytes to values.
    pub decoder: RowDecoder,
    /// From values to records.
    pub records: TableRecords,
}

/// See the module.
#[derive(Debug)]
pub struct RowEvent {
    /// The table.
    pub table: Arc<CapturedTable>,
    /// What the event does.
    pub kind: RowsKind,
    /// Which columns stand in the images; after an update, in the second ones.
    pub columns: [Bytes; 2],
    /// The images of the rows that are left.
    pub images: Bytes,
    /// How many rows they are.
    pub rows: usize,
    /// The number of the first of them.
    pub number: i32,
    /// Where the rows come from.
    pub source: SourceBlock,
    /// What their envelopes share.
    pub frames: Frames,
    /// What their offsets share.
    pub offset: Arc<FlatMap>,
    /// The events of the transaction before this one.
    pub events: i64,
    /// The event's file and first byte.
    pub place: (Text, u64),
    /// What becomes of the rest of the event when a row cannot be decoded.
    pub failures: FailureHandling,
}

impl RowEvent {
    /// Makes records of at most so many rows, and adds them to `out`.
    ///
    /// # Errors
    /// When a row cannot be decoded and may not be left out; what came before it is in `out`. Nothing is left of the event then.
    pub fn take(&mut self, rows_max: usize, out: &mut Vec<SourceRecord>) -> Result<()> {
        let (number, images) = (&mut self.number, &mut self.images);
        let columns = [&*self.columns[0], &*self.columns[1]];
        let mut changes = Changes {
            rows: RowSink { table: &self.table.records, source: &self.source, frames: &mut self.frames, out },
            shared: &self.offset,
            events: self.events,
            transaction: None,
        };
        let outcome = (0..rows_max.min(self.rows)).try_for_each(|_| {
            next_row(&self.table.decoder, self.kind, columns, images, &mut changes, number)
        });
        self.rows = self.rows.saturating_sub(rows_max);
        outcome.or_else(|error| {
            self.rows = 0;
            let place = format!("{}:{}", self.place.0, self.place.1);
            self.failures.decide(error.context(format!("reading the event at {place}")))
        })
    }
}

/// One row, off the front of the images.
fn next_row(
    decoder: &RowDecoder,
    kind: RowsKind,
    columns: [&[u8]; 2],
    images: &mut Bytes,
    changes: &mut Changes<'_>,
    number: &mut i32,
) -> Result<()> {
    let row = decoder.decode(columns[0], images)?;
    match kind {
        RowsKind::Insert => changes.create(row, *number)?,
        RowsKind::Delete => changes.delete(row, *number)?,
        RowsKind::Update => changes.update(row, decoder.decode(columns[1], images)?, *number)?,
    }
    *number = number.checked_add(1).ok_or_else(too_many)?;
    Ok(())
}

/// Nobody has that many rows in an event, but a number must not wrap.
pub(super) fn too_many() -> Error {
    Error::fatal("an event has more rows than can be counted")
}

#[cfg(test)]
mod tests;
