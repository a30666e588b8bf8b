//! Row images: from the bytes of a row event to values in the order of the table's columns.
//!
//! The hot path of streaming: a [`RowDecoder`] is prepared once per table map and shape, with every type, length,
//! character set and word list resolved; a row then costs one vector, and what its values own. Text that is UTF-8 already
//! and bytes are slices of the packet. Rows whose values nobody asks for are shown as they lie there (`shown`). Invariant: a decoder only exists for a table map that fits its shape.

mod image;
mod shown;

use api::{Bytes, SchemaRef};

pub use self::image::RowImage;

use super::cell::{Cell, CellFault};
use super::layout::check;
use super::reader::{OutOfBytes, Reader};
use super::row_error::RowError;
use super::table_map::TableMap;
use crate::mysql::shape::{TableId, TableShape};
use crate::mysql::types::TypeOptions;

/// Decodes the row images of one table as one table map lays them out.
#[derive(Debug)]
pub struct RowDecoder {
    table: TableId,
    cells: Vec<Cell>,
    /// Whether any bytes are values in every column.
    are_sure: bool,
}

impl RowDecoder {
    /// Resolves everything that rows of this map need. Character sets and words come from the map where the server sends
    /// them, else from the shape.
    ///
    /// # Errors
    /// [`RowError::Mismatch`] when map and shape disagree about the columns: their number, names, types or signs.
    pub fn prepare(map: &TableMap, shape: &TableShape, options: &TypeOptions) -> Result<Self, RowError> {
        let columns = check(map, shape)?;
        let cells: Vec<Cell> = columns
            .iter()
            .zip(&map.columns)
            .map(|(column, layout)| Cell::new(column, layout, options))
            .collect();
        Ok(Self { table: shape.id.clone(), are_sure: cells.iter().all(Cell::is_sure), cells })
    }

    /// Gives columns whose values are structs the schema that their field has in the records, with its notes.
    #[must_use]
    pub fn with_schemas(mut self, of: impl Fn(usize) -> SchemaRef) -> Self {
        let structs = self.cells.iter_mut().enumerate().filter(|(_, cell)| cell.is_struct());
        structs.for_each(|(index, cell)| cell.set_schema(of(index)));
        self
    }

    /// How many values a decoded row has.
    #[must_use]
    pub const fn column_count(&self) -> usize {
        self.cells.len()
    }

    /// Decodes one row image and takes it off the front of `image`. `columns_present` is the event's bitmap, least significant bit first.
    ///
    /// # Errors
    /// When the image is cut off or a value is impossible.
    pub fn decode(&self, columns_present: &[u8], image: &mut Bytes) -> Result<RowImage, RowError> {
        let reader = Reader::new(image);
        let (row, length) = self.decode_from(reader, columns_present, image, None)?;
        drop(image.split_to(length));
        Ok(row)
    }

    /// Decodes the image after an update, with what it lacks from the one before, and takes it off the front of `image`.
    ///
    /// # Errors
    /// As [`RowDecoder::decode`].
    pub fn decode_after(
        &self,
        columns_present: &[u8],
        image: &mut Bytes,
        before: &RowImage,
    ) -> Result<RowImage, RowError> {
        let mut after = self.decode(columns_present, image)?;
        after.complete(before);
        Ok(after)
    }

    /// Passes over one image.
    fn pass(&self, reader: &mut Reader<'_>, columns_present: &[u8]) -> Result<(), RowError> {
        let count = self.count_present(columns_present)?;
        let complete = count == self.cells.len();
        let nulls = reader.take(count.div_ceil(8)).map_err(|error| self.cut_off("(nulls)", error))?;
        let mut place = 0;
        for (index, cell) in self.cells.iter().enumerate() {
            if !complete && !is_set(columns_present, index) {
                continue;
            }
            place += 1;
            if !is_set(nulls, place - 1) {
                cell.pass(reader).map_err(|error| self.cut_off(cell.name(), error))?;
            }
        }
        Ok(())
    }

    /// The same where JSON documents may stand as changes of those before.
    ///
    /// # Errors
    /// As [`RowDecoder::decode`]; and when the document before a change is not known.
    pub fn decode_partial(
        &self,
        columns_present: &[u8],
        image: &mut Bytes,
        before: &RowImage,
    ) -> Result<RowImage, RowError> {
        const PARTIAL_JSON: usize = 1;
        let mut reader = Reader::new(image);
        let options = reader.length_encoded().map_err(|error| self.cut_off("(options)", error))?;
        let documents = self.cells.iter().filter(|cell| cell.is_json()).count();
        let changed = if options & PARTIAL_JSON == 0 {
            &[][..]
        } else {
            reader.take(documents.div_ceil(8)).map_err(|error| self.cut_off("(changed documents)", error))?
        };
        let (mut after, length) =
            self.decode_from(reader, columns_present, image, Some((changed, before)))?;
        drop(image.split_to(length));
        after.complete(before);
        Ok(after)
    }

    /// The row, and where the image ends.
    #[inline]
    fn decode_from(
        &self,
        mut reader: Reader<'_>,
        columns_present: &[u8],
        image: &Bytes,
        partial: Option<(&[u8], &RowImage)>,
    ) -> Result<(RowImage, usize), RowError> {
        let count = self.count_present(columns_present)?;
        let complete = count == self.cells.len();
        let mut documents = 0;
        let nulls = reader.take(count.div_ceil(8)).map_err(|error| self.cut_off("(nulls)", error))?;
        let mut row = RowImage::from(Vec::with_capacity(self.cells.len()));
        let mut place = 0;
        for (index, cell) in self.cells.iter().enumerate() {
            let mut is_change = false;
            if let Some((changed, _)) = partial.filter(|_| cell.is_json()) {
                documents += 1;
                is_change = !changed.is_empty() && is_set(changed, documents - 1);
            }
            let value = if complete || is_set(columns_present, index) {
                place += 1;
                match partial {
                    _ if is_set(nulls, place - 1) => Ok(cell.null()),
                    Some((_, before)) if is_change => cell.changed(&mut reader, before.held(index)),
                    _ => cell.read(&mut reader, image),
                }
            } else {
                row.absent.push(index);
                Ok(cell.absent())
            };
            row.values.push(value.map_err(|fault| self.fault(cell, fault))?);
        }
        Ok((row, reader.position()))
    }

    /// How many of the columns are in the images that this bitmap goes with.
    fn count_present(&self, columns_present: &[u8]) -> Result<usize, RowError> {
        let (columns, wanted) = (self.cells.len(), self.cells.len().div_ceil(8));
        let Some(bitmap) = columns_present.get(..wanted) else {
            let source = OutOfBytes { position: 0, wanted, left: columns_present.len() };
            return Err(self.cut_off("(columns present)", source));
        };
        // The bits behind the last column mean nothing.
        let mask = |index: usize| {
            if index == wanted - 1 && columns % 8 != 0 { (1_u8 << (columns % 8)) - 1 } else { 0xff }
        };
        Ok(bitmap.iter().enumerate().map(|(index, byte)| (byte & mask(index)).count_ones() as usize).sum())
    }

    fn cut_off(&self, column: &str, source: OutOfBytes) -> RowError {
        RowError::CutOff { table: Box::new(self.table.clone()), column: column.to_owned(), source }
    }

    #[cold]
    fn fault(&self, cell: &Cell, fault: CellFault) -> RowError {
        match fault {
            CellFault::OutOfBytes(source) => self.cut_off(cell.name(), source),
            CellFault::BadValue { expected, found } => RowError::BadValue {
                table: Box::new(self.table.clone()),
                column: cell.name().to_owned(),
                expected,
                found,
            },
        }
    }
}

/// Whether the bitmap, whose length was checked, has a column.
#[inline]
const fn is_set(bitmap: &[u8], index: usize) -> bool {
    bitmap[index / 8] >> (index % 8) & 1 == 1
}

#[cfg(test)]
mod tests;
