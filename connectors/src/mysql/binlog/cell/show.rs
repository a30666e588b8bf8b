//! Cells that are shown as they lie in the image, without a value being made of them.
//!
//! The shortest way from the binlog to a converter. Invariant: what is shown of a cell is what [`Cell::read`] makes of it; whatever is
//! not plain to see goes that way.

use api::{Bytes, ValueRef};

use super::{Cell, CellFault, Wire};
use crate::mysql::binlog::reader::Reader;
use crate::mysql::types::BinaryHandling;
use crate::mysql::types::charset::Charset;
use crate::mysql::types::target::Target;

impl Cell {
    /// Whether any bytes of the right length are a value: then a cell that is there can be read.
    pub(crate) const fn is_sure(&self) -> bool {
        let compressed = matches!(self.wire, Wire::Counted { compressed: true, .. });
        !compressed
            && !matches!(
                self.target,
                Target::Enum(_)
                    | Target::Set(_)
                    | Target::Json
                    | Target::Point
                    | Target::Geometry
                    | Target::Vector
                    | Target::Uuid
                    | Target::Inet4
                    | Target::Inet6
            )
    }

    /// Reads the cell's bytes off the front of `reader`, which reads `image`, and gives `taker` what they are.
    #[inline]
    pub(crate) fn show(
        &self,
        reader: &mut Reader<'_>,
        image: &Bytes,
        taker: &mut dyn FnMut(ValueRef<'_>),
    ) -> Result<(), CellFault> {
        match (self.wire, &self.target) {
            (Wire::Counted { prefix, compressed: false }, Target::Text(Charset::Utf8)) => {
                let length = reader.length(prefix)?;
                let bytes = reader.take(length)?;
                match std::str::from_utf8(bytes) {
                    Ok(text) => taker(ValueRef::String(text)),
                    Err(_not_utf8) => taker(self.bytes(Bytes::copy_from_slice(bytes))?.borrowed()),
                }
            }
            (
                Wire::Counted { prefix, compressed: false },
                Target::Binary { handling: BinaryHandling::Bytes, length: 0 },
            ) => {
                let length = reader.length(prefix)?;
                taker(ValueRef::Bytes(reader.take(length)?));
            }
            (Wire::Packed { bytes }, Target::Decimal(form)) => form.show_packed(reader.take(bytes)?, taker),
            _ => taker(self.read(reader, image)?.borrowed()),
        }
        Ok(())
    }

    /// Shows what stands for NULL.
    pub(crate) fn show_null(&self, taker: &mut dyn FnMut(ValueRef<'_>)) {
        taker(self.fallback.borrowed());
    }
}
