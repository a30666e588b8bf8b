//! The binary log: from packets to values.
//!
//! [`table_map`] reads what the server says about a table before its rows, [`row`] prepares a decoder from that and the
//! table's shape, once, and then decodes row images with everything resolved; [`json`] writes binary JSON as text.

mod cell;
mod compressed;
pub mod event;
pub mod json;
mod json_diff;
mod layout;
pub mod reader;
pub mod row;
mod row_error;
mod row_metadata;
pub mod stream;
pub mod table_map;
pub mod tracker;

pub use row_error::RowError;
