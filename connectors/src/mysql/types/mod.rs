//! Types: which schema a column has, and how its values are written in it. Debezium 3.6 is the measure, field for field.
//!
//! [`column_schema`] makes schemas of shapes; the other files convert values. The row decoder and the snapshot's text reader
//! share them, and differ in the values where Debezium's do. Invariant: a value made for a column fits [`column_schema`]
//! of that column under the same [`TypeOptions`].

pub(crate) mod address;
pub mod charset;
mod charset_tables;
pub(crate) mod decimal;
mod default;
mod options;
pub(crate) mod parse;
mod schema;
pub(crate) mod target;
pub(crate) mod temporal;

pub use options::{BigintUnsignedHandling, BinaryHandling, DecimalHandling, TimePrecision, TypeOptions};
pub(crate) use schema::fallback;
pub use schema::{column_schema, key_schema, row_schema};
