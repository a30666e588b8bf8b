//! Rows of a text result: where their cells lie in the bytes that came.
//!
//! The hot path of snapshots: a cell costs the two numbers of its place. Invariant: cell `n` of row `m` stands at `m * columns + n`, and its
//! place lies within the bytes; a row has as many cells as the result has columns, and nothing behind them.
//! Source: "Text Resultset Row" and "Length-Encoded Integer" of the MySQL Internals.

use std::ops::Range;
use std::sync::Arc;

use api::Bytes;
use mysql_async::{Column, Result, Row, Value};
use mysql_common::row::new_row;

use super::malformed;

/// Where a cell lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell {
    start: u32,
    /// [`NULL`] for none.
    length: u32,
}

/// The length of what is not there.
const NULL: u32 = u32::MAX;
/// The byte that stands for NULL.
const NULL_BYTE: u8 = 0xFB;

/// Rows as they came.
#[derive(Debug, Clone)]
pub struct TextRows {
    columns: usize,
    bytes: Bytes,
    cells: Vec<Cell>,
    /// What the rows weigh.
    weight: usize,
}

/// Rows that are being gathered.
#[derive(Debug)]
pub(super) struct Gathered {
    columns: usize,
    cells: Vec<Cell>,
    rows: usize,
    bytes: usize,
}

/// A length-encoded number off the front of some bytes; `None` when they are none.
pub(super) fn length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let size = match first {
        0..=0xFA => return Some((u64::from(*first), rest)),
        0xFC => 2,
        0xFD => 3,
        0xFE => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(size)?;
    let mut eight = [0; 8];
    eight[..size].copy_from_slice(number);
    Some((u64::from_le_bytes(eight), rest))
}

impl Gathered {
    /// None yet. There is room for so many cells, if they may be as many as last time.
    pub(super) fn new(columns: usize, cells: usize) -> Self {
        Self { columns, cells: Vec::with_capacity(cells), rows: 0, bytes: 0 }
    }

    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Takes a row in, which begins at this place of the buffer.
    pub(super) fn push(&mut self, packet: &[u8], start: usize) -> Result<()> {
        let mut rest = packet;
        for _ in 0..self.columns {
            let at = start + (packet.len() - rest.len());
            rest = match rest.split_first() {
                Some((&NULL_BYTE, behind)) => {
                    self.cells.push(Cell { start: 0, length: NULL });
                    behind
                }
                Some((&short, behind)) if short < NULL_BYTE && behind.len() >= usize::from(short) => {
                    let start =
                        u32::try_from(at + 1).map_err(|error| self.broken(packet, &error.to_string()))?;
                    self.cells.push(Cell { start, length: u32::from(short) });
                    behind.get(usize::from(short)..).unwrap_or_default()
                }
                _ => self.push_long(packet, start, rest)?,
            };
        }
        if !rest.is_empty() {
            return Err(self.broken(packet, "bytes are left behind the last cell").into());
        }
        self.rows += 1;
        self.bytes += packet.len();
        Ok(())
    }

    /// A cell whose length takes more than a byte; gives what is behind it.
    fn push_long<'a>(&mut self, packet: &[u8], start: usize, rest: &'a [u8]) -> Result<&'a [u8]> {
        let (length, behind) =
            length(rest).ok_or_else(|| self.broken(packet, "a cell's length cannot be read"))?;
        let cell = usize::try_from(length).ok().and_then(|length| behind.split_at_checked(length));
        let Some((cell, after)) = cell else {
            return Err(self.broken(packet, &format!("a cell of {length} bytes ends behind the row")).into());
        };
        let place = |at: usize| u32::try_from(at).map_err(|error| self.broken(packet, &error.to_string()));
        let cell = Cell { start: place(start + (packet.len() - behind.len()))?, length: place(cell.len())? };
        self.cells.push(cell);
        Ok(after)
    }

    #[cold]
    fn broken(&self, packet: &[u8], what: &str) -> std::io::Error {
        malformed(format!(
            "row {} of {} columns and {} bytes: {what}",
            self.rows + 1,
            self.columns,
            packet.len()
        ))
    }

    /// The rows, with the buffer in which they lie.
    pub(super) fn finish(self, bytes: Bytes) -> TextRows {
        TextRows { columns: self.columns, bytes, cells: self.cells, weight: self.bytes }
    }
}

/// Where the cells of one row lie; `None` for NULL.
fn places(row: &[Cell]) -> impl ExactSizeIterator<Item = Option<Range<usize>>> {
    row.iter().map(|cell| {
        // Widening: a place was an index once.
        let start = cell.start as usize;
        (cell.length != NULL).then(|| start..start + cell.length as usize)
    })
}

impl TextRows {
    /// Rows of these cells, for tests.
    #[cfg(test)]
    pub(in crate::mysql) fn of(columns: usize, rows: impl Iterator<Item = Vec<Option<Bytes>>>) -> Self {
        let (mut bytes, mut cells) = (Vec::new(), Vec::new());
        for cell in rows.flatten() {
            let start = u32::try_from(bytes.len()).unwrap();
            let length = cell.as_ref().map_or(NULL, |cell| u32::try_from(cell.len()).unwrap());
            bytes.extend_from_slice(cell.as_deref().unwrap_or_default());
            cells.push(Cell { start, length });
        }
        let weight = bytes.len();
        Self { columns, bytes: bytes.into(), cells, weight }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.columns {
            0 => 0,
            columns => self.cells.len() / columns,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// About the memory that the rows take.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight.saturating_add(self.cells.len().saturating_mul(size_of::<Cell>()))
    }

    /// The buffer in which the cells lie.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where the cells of a row lie; `None` for NULL. No cells when there is no such row.
    pub fn row(&self, index: usize) -> impl ExactSizeIterator<Item = Option<Range<usize>>> {
        let start = index.saturating_mul(self.columns);
        places(self.cells.get(start..start.saturating_add(self.columns)).unwrap_or_default())
    }

    /// The bytes of a cell; `None` for NULL, and where there is no such cell.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.row(row).nth(column).flatten().and_then(|cell| self.bytes.get(cell))
    }

    /// The cells of the last row.
    #[must_use]
    pub fn last(&self) -> Vec<Option<Bytes>> {
        let last = self.row(self.len().saturating_sub(1));
        last.map(|cell| cell.map(|cell| self.bytes.slice(cell))).collect()
    }

    /// The same rows with other columns: column `n` is what `from[n]` was, or NULL without one.
    #[must_use]
    pub fn arranged(mut self, from: &[Option<usize>]) -> Self {
        let absent = Cell { start: 0, length: NULL };
        let cell = |row: &[Cell], from: &Option<usize>| {
            from.and_then(|from| row.get(from).copied()).unwrap_or(absent)
        };
        let rows = self.cells.chunks(self.columns.max(1));
        self.cells = rows.flat_map(|row| from.iter().map(move |from| cell(row, from))).collect();
        self.columns = from.len();
        self
    }

    /// The rows as the library has them, for small results.
    pub(super) fn to_rows(&self, columns: &Arc<[Column]>) -> Vec<Row> {
        let value = |cell: Option<Range<usize>>| {
            let bytes = cell.and_then(|cell| self.bytes.get(cell));
            bytes.map_or(Value::NULL, |bytes| Value::Bytes(bytes.to_vec()))
        };
        let rows = (0..self.len()).map(|index| self.row(index).map(value).collect());
        rows.map(|row| new_row(row, Arc::clone(columns))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(columns: usize, packets: &[&[u8]]) -> Result<TextRows> {
        let mut gathered = Gathered::new(columns, 0);
        let mut bytes = Vec::new();
        for packet in packets {
            gathered.push(packet, bytes.len())?;
            bytes.extend_from_slice(packet);
        }
        Ok(gathered.finish(bytes.into()))
    }

    fn texts(rows: &TextRows, index: usize) -> Vec<Option<&[u8]>> {
        rows.row(index).map(|cell| cell.map(|cell| &rows.bytes()[cell])).collect()
    }

    #[test]
    fn cells_of_every_length_and_null_are_found() {
        let mut packet = vec![NULL_BYTE, 0, 2, b'a', b'b'];
        packet.extend([&[0xFC, 0x2C, 0x01][..], &[1; 300], &[0xFD, 3, 0, 0], b"xyz"].concat());
        packet.extend([&[0xFE, 1, 0, 0, 0, 0, 0, 0, 0][..], b"!"].concat());
        let rows = gathered(6, &[&packet, &packet]).unwrap();
        let expected = [None, Some(&b""[..]), Some(b"ab"), Some(&[1; 300]), Some(b"xyz"), Some(b"!")];
        assert_eq!((texts(&rows, 0), texts(&rows, 1)), (expected.to_vec(), expected.to_vec()));
        assert_eq!((rows.len(), rows.weight()), (2, 2 * packet.len() + 12 * 8));
        assert_eq!(rows.last()[2].as_deref(), Some(&b"ab"[..]));
        let arranged = rows.arranged(&[Some(4), None, Some(9), Some(2)]);
        assert_eq!(texts(&arranged, 1), [Some(&b"xyz"[..]), None, None, Some(b"ab")]);
    }

    #[test]
    fn a_row_that_is_not_what_it_says_is_refused() {
        let cases: [(&[u8], &str); 7] = [
            (&[1, b'a'], "length cannot be read"),
            (&[1, b'a', 1, b'b', 0], "left behind"),
            (&[1, b'a', 5, b'b'], "length of 5"),
            (&[0, 0xFC, 1], "length cannot be read"),
            (&[0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], "ends behind the row"),
            (&[0, 0xFF], "length cannot be read"),
            (&[], "length cannot be read"),
        ];
        for (packet, expected) in cases {
            let error = gathered(2, &[packet]).unwrap_err().to_string();
            let expected =
                if expected == "length of 5" { "a cell of 5 bytes ends behind the row" } else { expected };
            assert!(error.contains(expected), "{packet:?}: {error}");
        }
    }
}
