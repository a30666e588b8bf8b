//! Types: which schema a column has, and how its values are written in it. Debezium 3.6 is the measure, field for field.
//!
//! [`column_schema`] makes schemas of shapes; the other files convert values. The row decoder and the snapshot's text reader
//! share them, so that a row reads the same from both. Invariant: a value made for a column fits [`column_schema`]
//! of that column under the same [`TypeOptions`].

mod options;
mod schema;

pub use options::{BigintUnsignedHandling, BinaryHandling, DecimalHandling, TimePrecision, TypeOptions};
pub use schema::{column_schema, key_schema, row_schema};
