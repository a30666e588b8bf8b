//! Snapshot rows that are shown as they came, without values being made of them.
//!
//! Beside [`TextRowDecoder::decode_row`], for rows that [`TextRowDecoder::is_sure_of`] has looked at. Invariant: what is shown of a row is
//! what decoding makes of it; whatever is not plain to see is made and shown.

use api::{Bytes, ValueRef};

use super::{TextCell, TextRowDecoder};
use crate::mysql::binlog::RowError;
use crate::mysql::types::BinaryHandling;
use crate::mysql::types::charset::Charset;
use crate::mysql::types::target::Target;
use crate::mysql::wire::TextRows;

impl TextRowDecoder {
    /// Whether each of the rows can be decoded, so that showing them cannot fail.
    #[must_use]
    pub fn is_sure_of(&self, rows: &TextRows) -> bool {
        (0..rows.len()).all(|row| {
            let cells = rows.row(row);
            cells.len() == self.cells.len()
                && self.cells.iter().zip(cells).all(|(cell, place)| {
                    place
                        .is_none_or(|place| rows.bytes().get(place).is_some_and(|bytes| cell.is_value(bytes)))
                })
        })
    }

    /// Shows each value of a row.
    ///
    /// # Errors
    /// When a cell is no value, which cannot be where [`TextRowDecoder::is_sure_of`] said so.
    pub fn show(
        &self,
        rows: &TextRows,
        row: usize,
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), RowError> {
        for (cell, place) in self.cells.iter().zip(rows.row(row)) {
            self.show_bytes(cell, place.and_then(|place| rows.bytes().get(place)), taker)?;
        }
        Ok(())
    }

    /// Shows one value of a row.
    ///
    /// # Errors
    /// As [`TextRowDecoder::show`].
    pub fn show_column(
        &self,
        rows: &TextRows,
        (row, column): (usize, usize),
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), RowError> {
        match self.cells.get(column) {
            Some(cell) => self.show_bytes(cell, rows.cell(row, column), taker),
            None => {
                taker(ValueRef::Null);
                Ok(())
            }
        }
    }

    fn show_bytes(
        &self,
        cell: &TextCell,
        bytes: Option<&[u8]>,
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), RowError> {
        match bytes {
            None => taker(cell.fallback.borrowed()),
            Some(bytes) => cell.show(bytes, taker).map_err(|found| self.bad_value(cell, found))?,
        }
        Ok(())
    }
}

impl TextCell {
    /// Whether these bytes can be decoded.
    fn is_value(&self, bytes: &[u8]) -> bool {
        match &self.target {
            Target::Text(_)
            | Target::Enum(_)
            | Target::Set(_)
            | Target::Json
            | Target::Uuid
            | Target::Inet4
            | Target::Inet6
            | Target::Binary { .. }
            | Target::Bits { .. } => true,
            // What is no date is shown as what stands for NULL.
            Target::Date { .. } | Target::DateTime { .. } | Target::Timestamp { .. } | Target::Time(_) => {
                bytes.is_ascii()
            }
            Target::Point | Target::Geometry | Target::Vector => false,
            _ => self.value(bytes, || Bytes::copy_from_slice(bytes)).is_ok(),
        }
    }

    /// Shows what [`TextCell::value`] makes.
    fn show(&self, bytes: &[u8], taker: &mut dyn FnMut(ValueRef<'_>)) -> Result<(), String> {
        match &self.target {
            Target::Text(Charset::Bytes) => {}
            Target::Text(_)
            | Target::Enum(_)
            | Target::Set(_)
            | Target::Json
            | Target::Uuid
            | Target::Inet4
            | Target::Inet6 => {
                if let Ok(text) = std::str::from_utf8(bytes) {
                    taker(ValueRef::String(text));
                    return Ok(());
                }
            }
            Target::Binary { handling: BinaryHandling::Bytes, length } if bytes.len() >= *length => {
                taker(ValueRef::Bytes(bytes));
                return Ok(());
            }
            Target::Decimal(form) => {
                let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
                return form.show_parsed(text, taker).ok_or_else(|| format!("{text:?}"));
            }
            _ => {}
        }
        taker(self.value(bytes, || Bytes::copy_from_slice(bytes))?.borrowed());
        Ok(())
    }
}
