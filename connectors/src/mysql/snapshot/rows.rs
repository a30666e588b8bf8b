//! Rows on their way out of a result: from places in a buffer to values.
//!
//! The hot path of snapshots. The values are slices of the buffer into which the socket was read, so that a row costs one vector, and the
//! threads that encode and drop it give back a few large pieces of memory instead of many small ones.

use api::{Result, Value};

use crate::mysql::text::TextRowDecoder;
use crate::mysql::wire::TextRows;

/// The values of some rows.
///
/// # Errors
/// As [`TextRowDecoder::decode_row`].
pub(super) fn decode(rows: &TextRows, decoder: &TextRowDecoder) -> Result<Vec<Vec<Value>>> {
    (0..rows.len()).map(|index| Ok(decoder.decode_row(rows.bytes(), rows.row(index))?)).collect()
}
