//! A rows event that is not decoded yet: what the reader hands to `poll`, which makes records of it.
//!
//! Why there: whoever polls encodes and drops the records on the same thread, a handful at a time. So a record's few allocations and
//! counters of references never leave that processor's cache, and reading the binlog goes on meanwhile on another. Nothing is lost
//! by it: the reader has counted the rows, so that a cut-off event fails there; a value that cannot be decoded fails here, with the
//! event's place, and no record behind it comes out before that was decided (`event.processing.failure.handling.mode`).
//! Events whose rows somebody else must see (signals, chunks, counts of a transaction) are decoded by the reader, as ever. Rows in which
//! nothing can be wrong stay packed even here ([`PackedRows`]).

mod packed;

use std::sync::Arc;

use api::{Bytes, Error, FlatMap, Result, SourceRecord, Text};

use super::binlog::event::RowsKind;
use super::binlog::row::RowDecoder;
use super::config::events::FailureHandling;
use super::envelope::{Changes, Frames, RowSink, SourceBlock, TableRecords};
use super::packed_rows::PackedRows;
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

/// The rows of an event, as they came.
#[derive(Debug)]
pub struct EventRows {
    /// The table.
    pub table: Arc<CapturedTable>,
    /// What the event does.
    pub kind: RowsKind,
    /// Which columns stand in the images; after an update, in the second ones.
    pub columns: [Bytes; 2],
    /// The images of the rows.
    pub images: Bytes,
    /// Where each image begins: one a row, or two of an update.
    pub starts: Vec<u32>,
    /// Where the rows come from.
    pub source: SourceBlock,
    /// What their envelopes share.
    pub frames: Frames,
}

/// See the module.
#[derive(Debug)]
pub struct RowEvent {
    rows: Arc<EventRows>,
    packed: Option<PackedRows>,
    frames: Frames,
    /// The first row that is left.
    next: usize,
    offset: Arc<FlatMap>,
    events: i64,
    place: (Text, u64),
    failures: FailureHandling,
}

/// Where an event stands, and what becomes of it if it cannot be read.
#[derive(Debug)]
pub struct EventPlace {
    /// What the offsets of its rows share.
    pub offset: Arc<FlatMap>,
    /// The events of the transaction before this one.
    pub events: i64,
    /// The event's file and first byte.
    pub place: (Text, u64),
    /// What becomes of the rest of the event when a row cannot be decoded.
    pub failures: FailureHandling,
}

impl EventRows {
    /// How many rows they are.
    #[must_use]
    pub fn count(&self) -> usize {
        if self.kind == RowsKind::Update { self.starts.len() / 2 } else { self.starts.len() }
    }

    /// Where the images of a row begin; the second one only means something in an update.
    fn starts_of(&self, row: usize) -> Option<[u32; 2]> {
        if self.kind == RowsKind::Update {
            let (pairs, _without_an_after) = self.starts.as_chunks::<2>();
            return pairs.get(row).copied();
        }
        self.starts.get(row).map(|start| [*start; 2])
    }

    /// Decodes a row and makes records of it.
    fn decode(&self, row: usize, changes: &mut Changes<'_>) -> Result<()> {
        let Some([first, second]) = self.starts_of(row) else { return Ok(()) };
        let decoder = &self.table.decoder;
        let number = number_of(row)?;
        let row = decoder.decode_at(&self.columns[0], &self.images, first)?;
        match self.kind {
            RowsKind::Insert => changes.create(row, number),
            RowsKind::Delete => changes.delete(row, number),
            RowsKind::Update => {
                let after = decoder.decode_after_at(&self.columns[1], &self.images, second, &row)?;
                changes.update(row, after, number)
            }
        }
    }
}

impl RowEvent {
    /// An event with these rows.
    ///
    /// # Errors
    /// Never, as long as the schemas of envelopes and source blocks are ours.
    pub fn new(rows: EventRows, place: EventPlace) -> Result<Self> {
        let (frames, rows) = (rows.frames.clone(), Arc::new(rows));
        let EventPlace { offset, events, place, failures } = place;
        let packed = rows.packed()?;
        Ok(Self { rows, packed, frames, next: 0, offset, events, place, failures })
    }

    /// How many rows are left.
    #[must_use]
    pub fn rows_left(&self) -> usize {
        self.rows.count().saturating_sub(self.next)
    }

    /// About the memory that it holds, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.rows.images.len()
    }

    /// Makes records of at most so many rows, and adds them to `out`.
    ///
    /// # Errors
    /// When a row cannot be decoded and may not be left out; what came before it is in `out`. Nothing is left of the event then.
    pub fn take(&mut self, rows_max: usize, out: &mut Vec<SourceRecord>) -> Result<()> {
        let (rows, packed) = (&self.rows, self.packed.as_ref());
        let end = self.next.saturating_add(rows_max).min(rows.count());
        out.reserve(end.saturating_sub(self.next));
        let mut changes = Changes {
            rows: RowSink { table: &rows.table.records, source: &rows.source, frames: &mut self.frames, out },
            shared: &self.offset,
            events: self.events,
            transaction: None,
        };
        let outcome = (self.next..end).try_for_each(|row| match packed {
            Some(packed) if rows.keeps_key(row) => {
                changes.packed(packed.record(row), number_of(row)?, rows.kind == RowsKind::Delete);
                Ok(())
            }
            _ => rows.decode(row, &mut changes),
        });
        self.next = end;
        outcome.or_else(|error| {
            self.next = rows.count();
            let place = format!("{}:{}", self.place.0, self.place.1);
            self.failures.decide(error.context(format!("reading the event at {place}")))
        })
    }
}

/// The number of a row in its event, as the source block says it.
fn number_of(row: usize) -> Result<i32> {
    i32::try_from(row).map_err(|error| too_many().with_source(error))
}

/// Nobody has that many rows in an event, but a number must not wrap.
pub(super) fn too_many() -> Error {
    Error::fatal("an event has more rows than can be counted")
}

#[cfg(test)]
mod tests;
