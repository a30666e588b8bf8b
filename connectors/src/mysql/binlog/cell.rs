//! One cell of a row image: its bytes in the binlog, and the value that they become.
//!
//! The innermost part of the hot path. [`Wire`] says how the bytes are read, [`Target`] what becomes of them; both are resolved
//! when the decoder is prepared. Invariant: reading a cell takes exactly its bytes, or fails.
//! Source: MySQL's `Field::pack` and libs/mysql/binlog/event/rows_event.h.

mod show;
mod temporal;

use api::{Bytes, SchemaRef, Text, Value};

use super::compressed::inflate;
use super::json;
use super::reader::{OutOfBytes, Reader};
use super::table_map::{MapColumn, column_type as t};
use crate::mysql::shape::ColumnShape;
use crate::mysql::types::charset::Charset;
use crate::mysql::types::decimal::unsigned_decimal;
use crate::mysql::types::target::{self, Target};
use crate::mysql::types::{BinaryHandling, TypeOptions, address, column_schema, fallback};

/// Why a cell cannot be read; the decoder adds the table and the column.
#[derive(Debug)]
pub(crate) enum CellFault {
    OutOfBytes(OutOfBytes),
    BadValue { expected: &'static str, found: String },
}

impl From<OutOfBytes> for CellFault {
    fn from(error: OutOfBytes) -> Self {
        Self::OutOfBytes(error)
    }
}

/// How a cell's bytes are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Integer {
        bytes: usize,
        unsigned: bool,
    },
    Float,
    Double,
    Packed {
        bytes: usize,
    },
    /// Bytes behind a length of so many bytes.
    Counted {
        prefix: usize,
        compressed: bool,
    },
    /// A number of so many bytes, most significant first.
    Bits {
        bytes: usize,
    },
    Year,
    Date,
    OldTime,
    OldDateTime,
    Time {
        digits: u32,
    },
    DateTime {
        digits: u32,
    },
    Timestamp {
        digits: u32,
    },
    OldTimestamp,
    Nothing,
}

impl Wire {
    fn of(layout: &MapColumn, unsigned: bool) -> Self {
        let meta = usize::from(layout.meta);
        let digits = u32::from(layout.meta);
        let counted = |prefix| Self::Counted { prefix, compressed: false };
        match layout.column_type {
            t::TINY => Self::Integer { bytes: 1, unsigned },
            t::SHORT => Self::Integer { bytes: 2, unsigned },
            t::INT24 => Self::Integer { bytes: 3, unsigned },
            t::LONG => Self::Integer { bytes: 4, unsigned },
            t::LONGLONG => Self::Integer { bytes: 8, unsigned },
            t::ENUM | t::SET => Self::Integer { bytes: meta.min(8), unsigned: true },
            t::FLOAT => Self::Float,
            t::DOUBLE => Self::Double,
            t::NEWDECIMAL => Self::Packed { bytes: 0 },
            t::STRING | t::VARCHAR | t::VAR_STRING => counted(if meta > 255 { 2 } else { 1 }),
            t::VARCHAR_COMPRESSED => {
                Self::Counted { prefix: if meta > 255 { 2 } else { 1 }, compressed: true }
            }
            t::BLOB_COMPRESSED => Self::Counted { prefix: meta.min(4), compressed: true },
            t::BIT => Self::Bits { bytes: meta / 256 + usize::from(meta % 256 != 0) },
            t::YEAR => Self::Year,
            t::DATE | t::NEWDATE => Self::Date,
            t::TIME => Self::OldTime,
            t::DATETIME => Self::OldDateTime,
            t::TIMESTAMP => Self::OldTimestamp,
            t::TIME2 => Self::Time { digits },
            t::DATETIME2 => Self::DateTime { digits },
            t::TIMESTAMP2 => Self::Timestamp { digits },
            t::NULL => Self::Nothing,
            _ => counted(meta.min(4)),
        }
    }
}

impl Wire {
    /// How many bytes a cell takes, unless it says so itself.
    const fn length(self) -> Option<usize> {
        Some(match self {
            Self::Integer { bytes, .. } | Self::Packed { bytes } | Self::Bits { bytes } => bytes,
            Self::Float | Self::OldTimestamp => 4,
            Self::Double | Self::OldDateTime => 8,
            Self::Year => 1,
            Self::Date | Self::OldTime => 3,
            Self::Time { digits } => 3 + digits.div_ceil(2) as usize,
            Self::DateTime { digits } => 5 + fraction_bytes(digits),
            Self::Timestamp { digits } => 4 + fraction_bytes(digits),
            Self::Nothing => 0,
            Self::Counted { .. } => return None,
        })
    }
}

/// One column, ready to be read.
#[derive(Debug)]
pub(crate) struct Cell {
    name: Text,
    wire: Wire,
    /// How many bytes it takes, unless it says so itself.
    length: Option<usize>,
    target: Target,
    /// The column's schema, which a struct value must have to the last detail.
    schema: SchemaRef,
    /// What stands for NULL and for what is no date.
    fallback: Value,
    /// What stands for a text or blob that the server left out of the image.
    unavailable: Option<Value>,
}

impl Cell {
    /// Resolves a column that fits its layout.
    pub(crate) fn new(column: &ColumnShape, layout: &MapColumn, options: &TypeOptions) -> Self {
        let target = Target::of(column, options);
        let wire = match (&target, Wire::of(layout, column.unsigned)) {
            (Target::Decimal(form), Wire::Packed { .. }) => Wire::Packed { bytes: form.packed_length() },
            (_, wire) => wire,
        };
        let placeholder = || options.unavailable_value.clone();
        let unavailable = match (&target, wire) {
            (Target::Binary { handling: BinaryHandling::Bytes, .. }, Wire::Counted { .. }) => {
                Some(Value::Bytes(placeholder().into_bytes()))
            }
            (
                Target::Binary { .. } | Target::Text(_) | Target::Json | Target::JsonText,
                Wire::Counted { .. },
            ) => Some(Value::String(placeholder())),
            _ => None,
        };
        Self {
            name: column.name.clone(),
            wire,
            length: wire.length(),
            schema: column_schema(column, options),
            fallback: fallback(column, &target, options),
            target,
            unavailable,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether values are structs, which must have their field's schema.
    pub(crate) const fn is_struct(&self) -> bool {
        matches!(self.target, Target::Point | Target::Geometry)
    }

    /// Gives values the schema of their field, and what stands for none of them too.
    pub(crate) fn set_schema(&mut self, schema: SchemaRef) {
        self.fallback = target::restructured(&self.fallback, &schema);
        self.schema = schema;
    }

    pub(crate) fn null(&self) -> Value {
        self.fallback.clone()
    }

    /// What stands for a column that the image leaves out: the placeholder in texts, blobs and JSON, null in others.
    pub(crate) fn absent(&self) -> Value {
        self.unavailable.clone().unwrap_or_default()
    }

    /// Whether it holds documents of JSON.
    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.target, Target::Json)
    }

    /// Reads changes of a document, which stand in place of it, and gives the document after them.
    #[cold]
    pub(crate) fn changed(
        &self,
        reader: &mut Reader<'_>,
        before: Option<&Value>,
    ) -> Result<Value, CellFault> {
        let bad = |found: String| CellFault::BadValue {
            expected: "change of the JSON document before it; set binlog_row_image=FULL, or binlog_row_value_options='', in every session",
            found,
        };
        let length = reader.length(4)?;
        let changes = reader.take(length)?;
        let before = before
            .and_then(Value::as_str)
            .ok_or_else(|| bad("a change of a document that is not in the row".to_owned()))?;
        super::json_diff::apply(before, changes).map(Value::from).map_err(|error| bad(error.to_string()))
    }

    /// Passes over the cell's bytes.
    #[inline]
    pub(crate) fn pass(&self, reader: &mut Reader<'_>) -> Result<(), OutOfBytes> {
        let length = match (self.length, self.wire) {
            (Some(length), _) => length,
            (None, Wire::Counted { prefix, .. }) => reader.length(prefix)?,
            (None, _) => 0,
        };
        reader.take(length).map(|_passed| ())
    }

    /// Reads the cell's bytes off the front of `reader`, which reads `image`.
    #[inline]
    pub(crate) fn read(&self, reader: &mut Reader<'_>, image: &Bytes) -> Result<Value, CellFault> {
        match self.wire {
            Wire::Integer { bytes, unsigned } => self.integer(reader.number(bytes)?, bytes, unsigned),
            Wire::Counted { prefix, compressed } => {
                let length = reader.length(prefix)?;
                let start = reader.position();
                reader.take(length)?;
                let bytes = image.slice(start..start + length);
                self.bytes(if compressed { inflate(&bytes)? } else { bytes })
            }
            Wire::Float => {
                let number = f32::from_le_bytes(reader.array()?);
                Ok(if matches!(self.target, Target::Float64) {
                    Value::Float64(f64::from(number))
                } else {
                    Value::Float32(number)
                })
            }
            Wire::Double => {
                let number = f64::from_le_bytes(reader.array()?);
                Ok(if matches!(self.target, Target::Float32) {
                    Value::Float32(narrowed(number))
                } else {
                    Value::Float64(number)
                })
            }
            Wire::Packed { bytes } => {
                let packed = reader.take(bytes)?;
                match &self.target {
                    Target::Decimal(form) => Ok(form.packed(packed)),
                    _ => Ok(self.null()),
                }
            }
            Wire::Bits { bytes } => {
                let bits = reader.take(bytes)?;
                Ok(match self.target {
                    Target::Boolean => Value::Boolean(bits.iter().any(|byte| *byte != 0)),
                    _ => Value::from(bits.iter().rev().copied().collect::<Vec<u8>>()),
                })
            }
            Wire::Nothing => Ok(self.null()),
            _ => self.temporal(reader),
        }
    }

    #[inline]
    fn integer(&self, number: u64, bytes: usize, unsigned: bool) -> Result<Value, CellFault> {
        let signed = whole(number, bytes, unsigned);
        Ok(match &self.target {
            Target::Int64 => Value::Int64(signed),
            Target::Int32 => Value::Int32(low_half(signed)),
            Target::Int16 => Value::Int16(low_quarter(signed)),
            Target::Boolean => Value::Boolean(number != 0),
            Target::UnsignedDecimal => unsigned_decimal(number),
            Target::Enum(words) => {
                return target::word(words, number).ok_or_else(|| no_word(number, words.len()));
            }
            Target::Set(words) => {
                return target::set(words, number).ok_or_else(|| no_word(number, words.len()));
            }
            _ => self.null(),
        })
    }

    #[inline]
    fn bytes(&self, mut bytes: Bytes) -> Result<Value, CellFault> {
        let bad = |expected| move || CellFault::BadValue { expected, found: "other bytes".to_owned() };
        Ok(match &self.target {
            Target::Text(charset) => Value::String(charset.decode(bytes)),
            Target::JsonText => Value::String(Charset::Utf8.decode(bytes)),
            Target::Binary { handling, length } => {
                if bytes.len() < *length {
                    // The server cuts zeros off the end of BINARY.
                    let mut padded = bytes.to_vec();
                    padded.resize(*length, 0);
                    bytes = padded.into();
                }
                target::binary(*handling, bytes)
            }
            Target::Json if bytes.is_empty() && self.fallback.is_null() => Value::Null,
            Target::Json if bytes.is_empty() => Value::from_static("{}"),
            Target::Json => Value::from(json::to_text(&bytes).map_err(|error| CellFault::BadValue {
                expected: "JSON document",
                found: error.to_string(),
            })?),
            Target::Point => return target::geometry(&self.schema, bytes).ok_or_else(bad("POINT")),
            Target::Geometry => return target::geometry(&self.schema, bytes).ok_or_else(bad("geometry")),
            Target::Vector => return target::vector(&bytes).ok_or_else(bad("VECTOR")),
            Target::Uuid => address::uuid(&bytes).map(Value::from).ok_or_else(bad("UUID"))?,
            Target::Inet4 => address::inet4(&bytes).map(Value::from).ok_or_else(bad("INET4"))?,
            Target::Inet6 => address::inet6(&bytes).map(Value::from).ok_or_else(bad("INET6"))?,
            _ => self.null(),
        })
    }
}

const fn fraction_bytes(digits: u32) -> usize {
    let bytes = digits.div_ceil(2) as usize;
    if bytes > 3 { 3 } else { bytes }
}

fn no_word(number: u64, words: usize) -> CellFault {
    CellFault::BadValue { expected: "word of its list", found: format!("number {number} of {words} words") }
}

/// The number that `bytes` bytes mean, of two's complement unless they have no sign.
#[inline]
const fn whole(number: u64, bytes: usize, unsigned: bool) -> i64 {
    if unsigned { number.cast_signed() } else { sign_extended(number, bytes) }
}

/// The number that `bytes` bytes of two's complement mean.
#[inline]
const fn sign_extended(number: u64, bytes: usize) -> i64 {
    let unused = 64 - 8 * bytes;
    (number << unused).cast_signed() >> unused
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the column's type says that it fits; checked against the table map"
)]
const fn low_half(number: i64) -> i32 {
    number as i32
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the column's type says that it fits; checked against the table map"
)]
const fn low_quarter(number: i64) -> i16 {
    number as i16
}

#[allow(clippy::cast_possible_truncation, reason = "REAL is written as FLOAT32, as Debezium does")]
const fn narrowed(number: f64) -> f32 {
    number as f32
}
