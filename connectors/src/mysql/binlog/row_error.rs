//! Why rows cannot be decoded, from the binlog or from a snapshot.
//!
//! Every error names the table, and the column where there is one. [`RowError::Mismatch`] is the one that a new reading of the
//! table's shape may heal; the others end the task, since a change must never be lost silently.

use super::reader::OutOfBytes;
use crate::mysql::shape::TableId;

/// Why rows cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// The table map and the known shape contradict each other: the shape is out of date, read it again.
    #[error("the rows of {table} do not fit its known shape: expected {expected}, found {found}")]
    Mismatch {
        /// The table.
        table: Box<TableId>,
        /// What the shape says.
        expected: String,
        /// What the table map says.
        found: String,
    },
    /// A row image ends too early.
    #[error("a row of {table} is cut off in column {column}")]
    CutOff {
        /// The table.
        table: Box<TableId>,
        /// The column, or what comes before the columns.
        column: String,
        /// Where.
        #[source]
        source: OutOfBytes,
    },
    /// A value makes no sense for its column.
    #[error("column {column} of {table} holds {found}, which is no {expected}")]
    BadValue {
        /// The table.
        table: Box<TableId>,
        /// The column.
        column: String,
        /// What the column's type asks for.
        expected: &'static str,
        /// What was found.
        found: String,
    },
}

impl From<RowError> for api::Error {
    fn from(error: RowError) -> Self {
        Self::fatal("cannot decode a row").with_source(error)
    }
}
