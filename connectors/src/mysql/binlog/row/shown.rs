//! Row images that are shown as they lie in the event, or read at their place in it.
//!
//! Beside [`RowDecoder::decode`], for events whose images were found by [`RowDecoder::find_images`]: each has its place, so a row can be
//! read without those before it. Invariant: what is shown of an image is what decoding makes of it.

use api::{Bytes, ValueRef};

use super::{RowDecoder, RowImage, is_set};
use crate::mysql::binlog::reader::{OutOfBytes, Reader};
use crate::mysql::binlog::row_error::RowError;

impl RowDecoder {
    /// Whether images with these columns can be shown: all columns are there, and any bytes of theirs are values.
    #[must_use]
    pub fn can_show(&self, columns_present: &[u8]) -> bool {
        let is_complete = self.count_present(columns_present).is_ok_and(|count| count == self.cells.len());
        is_complete && self.are_sure
    }

    /// Finds the images of an event: where each of them begins. Each row is one image per bitmap. A look at their lengths only, much
    /// cheaper than decoding.
    ///
    /// # Errors
    /// When an image is cut off. Values are not looked at.
    pub fn find_images(&self, columns_present: &[&[u8]], images: &[u8]) -> Result<Vec<u32>, RowError> {
        let mut reader = Reader::new(images);
        let mut starts = Vec::new();
        while !reader.is_empty() {
            let before = reader.position();
            for columns in columns_present {
                // An event's length has four bytes.
                starts.push(u32::try_from(reader.position()).unwrap_or(u32::MAX));
                self.pass(&mut reader, columns)?;
            }
            if reader.position() == before {
                let source = OutOfBytes { position: before, wanted: 1, left: reader.left() };
                return Err(self.cut_off("(all)", source));
            }
        }
        Ok(starts)
    }

    /// Decodes the image that begins at `start`, as [`RowDecoder::decode`] does.
    ///
    /// # Errors
    /// As [`RowDecoder::decode`].
    pub fn decode_at(
        &self,
        columns_present: &[u8],
        images: &Bytes,
        start: u32,
    ) -> Result<RowImage, RowError> {
        let reader = self.reader_at(images, start)?;
        self.decode_from(reader, columns_present, images, None).map(|(row, _end)| row)
    }

    /// Decodes the image after an update that begins at `start`, as [`RowDecoder::decode_after`] does.
    ///
    /// # Errors
    /// As [`RowDecoder::decode`].
    pub fn decode_after_at(
        &self,
        columns_present: &[u8],
        images: &Bytes,
        start: u32,
        before: &RowImage,
    ) -> Result<RowImage, RowError> {
        let mut after = self.decode_at(columns_present, images, start)?;
        after.complete(before);
        Ok(after)
    }

    /// Shows each value of the complete image that begins at `start`.
    ///
    /// # Errors
    /// When the image is cut off or a value is impossible, which cannot be where [`RowDecoder::can_show`] said so and
    /// [`RowDecoder::find_images`] found it.
    pub fn show_at(
        &self,
        images: &Bytes,
        start: u32,
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), RowError> {
        let mut reader = self.reader_at(images, start)?;
        let nulls = self.nulls(&mut reader)?;
        for (index, cell) in self.cells.iter().enumerate() {
            if is_set(nulls, index) {
                cell.show_null(taker);
            } else {
                cell.show(&mut reader, images, taker).map_err(|fault| self.fault(cell, fault))?;
            }
        }
        Ok(())
    }

    /// Shows one value of such an image.
    ///
    /// # Errors
    /// As [`RowDecoder::show_at`].
    pub fn show_column_at(
        &self,
        images: &Bytes,
        start: u32,
        column: usize,
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), RowError> {
        let Some(cell) = self.cells.get(column) else {
            taker(ValueRef::Null);
            return Ok(());
        };
        match self.reader_of(images, start, column)? {
            None => cell.show_null(taker),
            Some(mut reader) => {
                cell.show(&mut reader, images, taker).map_err(|fault| self.fault(cell, fault))?;
            }
        }
        Ok(())
    }

    /// Whether two such images have the same bytes in these columns.
    ///
    /// # Errors
    /// As [`RowDecoder::show_at`].
    pub fn same_bytes(&self, images: &Bytes, starts: [u32; 2], columns: &[usize]) -> Result<bool, RowError> {
        for column in columns {
            let [before, after] = starts.map(|start| self.bytes_of(images, start, *column));
            if before? != after? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes of a column; `None` when it is NULL.
    fn bytes_of<'a>(
        &self,
        images: &'a [u8],
        start: u32,
        column: usize,
    ) -> Result<Option<&'a [u8]>, RowError> {
        let (Some(cell), Some(mut reader)) = (self.cells.get(column), self.reader_of(images, start, column)?)
        else {
            return Ok(None);
        };
        let begin = reader.position();
        cell.pass(&mut reader).map_err(|error| self.cut_off(cell.name(), error))?;
        Ok(images.get(begin..reader.position()))
    }

    /// A reader that stands before a column; `None` when it is NULL.
    fn reader_of<'a>(
        &self,
        images: &'a [u8],
        start: u32,
        column: usize,
    ) -> Result<Option<Reader<'a>>, RowError> {
        let mut reader = self.reader_at(images, start)?;
        let nulls = self.nulls(&mut reader)?;
        for (index, cell) in self.cells.iter().enumerate().take(column) {
            if !is_set(nulls, index) {
                cell.pass(&mut reader).map_err(|error| self.cut_off(cell.name(), error))?;
            }
        }
        Ok((!is_set(nulls, column)).then_some(reader))
    }

    fn reader_at<'a>(&self, images: &'a [u8], start: u32) -> Result<Reader<'a>, RowError> {
        let mut reader = Reader::new(images);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        reader.take(start).map_err(|error| self.cut_off("(nulls)", error))?;
        Ok(reader)
    }

    /// Which columns of a complete image are NULL.
    fn nulls<'a>(&self, reader: &mut Reader<'a>) -> Result<&'a [u8], RowError> {
        reader.take(self.cells.len().div_ceil(8)).map_err(|error| self.cut_off("(nulls)", error))
    }
}
