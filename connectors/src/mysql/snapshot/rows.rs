//! Rows on their way out of a result: gathered as bytes, decoded a batch at a time.
//!
//! The hot path of snapshots. The library gives each cell an allocation of its own; here their bytes move into one buffer and those
//! allocations end where they began, on the same thread. The values of a batch are then slices of that one buffer, so that a row costs
//! one vector, and the threads that encode and drop it give back a few large pieces of memory instead of many small ones.
//! Invariant: cell `n` of row `m` is what stands between the ends `m * columns + n - 1` and `m * columns + n`, unless it is NULL.

use std::ops::Range;

use api::{Bytes, Error, Result, Value};
use mysql_async::{Row, Value as Cell};

use crate::mysql::text::TextRowDecoder;

/// Where a cell ends; NULL has no bytes, and says so.
#[derive(Debug, Clone, Copy)]
struct End {
    at: usize,
    null: bool,
}

/// The values of some rows, and the last one's cells.
pub(super) type Decoded = (Vec<Vec<Value>>, Vec<Option<Bytes>>);

/// The cells of some rows.
#[derive(Debug)]
pub(super) struct RawRows {
    columns: usize,
    bytes: Vec<u8>,
    ends: Vec<End>,
}

impl RawRows {
    /// Room for rows of so many columns.
    #[must_use]
    pub(super) fn new(columns: usize, rows: usize, bytes: usize) -> Self {
        let ends = Vec::with_capacity(columns.saturating_mul(rows));
        Self { columns, bytes: Vec::with_capacity(bytes), ends }
    }

    /// How many rows there are.
    #[must_use]
    pub(super) const fn len(&self) -> usize {
        match self.columns {
            0 => 0,
            columns => self.ends.len() / columns,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub(super) const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all cells.
    #[must_use]
    pub(super) const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Takes a row in. With `places`, column `n` is the row's cell `places[n]`, or NULL without one.
    ///
    /// # Errors
    /// `Fatal` when the row has another number of cells than there are columns.
    pub(super) fn push(&mut self, row: Row, places: Option<&[Option<usize>]>) -> Result<()> {
        let cells = row.unwrap_raw();
        if let Some(places) = places {
            for place in places {
                self.push_cell(place.and_then(|place| cells.get(place)?.as_ref()));
            }
            return Ok(());
        }
        if cells.len() != self.columns {
            let (found, expected) = (cells.len(), self.columns);
            return Err(Error::fatal(format!("a row has {found} cells instead of {expected}")));
        }
        for cell in cells {
            self.push_cell(cell.as_ref());
        }
        Ok(())
    }

    fn push_cell(&mut self, cell: Option<&Cell>) {
        match cell {
            None | Some(Cell::NULL) => {}
            Some(Cell::Bytes(cell)) => self.bytes.extend_from_slice(cell),
            Some(other) => self.bytes.extend_from_slice(other.as_sql(true).as_bytes()),
        }
        let null = matches!(cell, None | Some(Cell::NULL));
        self.ends.push(End { at: self.bytes.len(), null });
    }

    /// Decodes all rows; gives the last one's cells too, whose key may be wanted.
    ///
    /// # Errors
    /// As [`TextRowDecoder::decode_row`].
    pub(super) fn decode(self, decoder: &TextRowDecoder) -> Result<Decoded> {
        let Self { columns, bytes, ends } = self;
        let bytes = Bytes::from(bytes);
        let mut rows = Vec::with_capacity(ends.len() / columns.max(1));
        let mut start = 0;
        for row in ends.chunks(columns.max(1)) {
            rows.push(decoder.decode_row(&bytes, cells(row, start))?);
            start = row.last().map_or(start, |end| end.at);
        }
        let last = ends.len().saturating_sub(columns);
        let (before, row) = ends.split_at(last);
        let start = before.last().map_or(0, |end| end.at);
        let last = cells(row, start).map(|cell| cell.map(|cell| bytes.slice(cell))).collect();
        Ok((rows, last))
    }
}

/// Where the cells of one row lie.
fn cells(ends: &[End], mut start: usize) -> impl ExactSizeIterator<Item = Option<Range<usize>>> {
    ends.iter().map(move |end| {
        let cell = start..end.at;
        start = end.at;
        (!end.null).then_some(cell)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::shape::{ColumnShape, SqlType, TableId, TableShape};

    #[test]
    fn rows_come_out_as_they_went_in_with_nulls_and_empty_cells() {
        let mut shape = TableShape::new(TableId::new("shop", "t"), "utf8mb4");
        shape.columns =
            vec![ColumnShape::new("id", SqlType::Int), ColumnShape::new("name", SqlType::VarChar)];
        let decoder = TextRowDecoder::prepare(&shape, &crate::mysql::types::TypeOptions::default());
        let mut rows = RawRows::new(2, 2, 8);
        assert!(rows.is_empty());
        let cells = [Some("7"), None, None, Some(""), Some("-12"), Some("z\u{e4}")];
        for cell in cells {
            rows.push_cell(cell.map(|cell| Cell::Bytes(cell.into())).as_ref());
        }
        assert_eq!((rows.len(), rows.bytes()), (3, 7));
        let (values, last) = rows.decode(&decoder).unwrap();
        let expected = [
            vec![Value::Int32(7), Value::Null],
            vec![Value::Null, Value::from("")],
            vec![Value::Int32(-12), Value::from("z\u{e4}")],
        ];
        assert_eq!(values, expected);
        assert_eq!(last, [Some(Bytes::from("-12")), Some(Bytes::from("z\u{e4}"))]);
    }
}
