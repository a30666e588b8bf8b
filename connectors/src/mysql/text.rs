//! Snapshot rows: the cells of a text-protocol result, turned into the values that Debezium's snapshot gives for the same row.
//!
//! The hot path of snapshots. The session must have `character_set_results = utf8mb4` and `time_zone = '+00:00'`, and must
//! ask for [`select_list`]. Invariant: a cell's value fits the column's schema and equals Debezium's. It is not always what
//! [`super::binlog::row`] decodes, since Debezium's two readers differ: here JSON is the server's text, a FLOAT has the six
//! digits that the server prints, the commas of an ENUM's word are not escaped, YEAR 0000 is 2000, and dates and times
//! are as `parse::cell` says. Source: Debezium 3.6's snapshot, see `tests/golden`.

mod shown;

use std::ops::Range;

use api::{Bytes, SchemaRef, Text, Value};

use super::binlog::RowError;
use super::shape::{ColumnShape, SqlType, TableId, TableShape};
use super::types::charset::Charset;
use super::types::decimal::unsigned_decimal;
use super::types::target::{self, Target};
use super::types::{TypeOptions, column_schema, fallback, parse};

/// What to select of a table: its columns in order, invisible ones too.
#[must_use]
pub fn select_list(shape: &TableShape) -> String {
    let column = |column: &ColumnShape| format!("`{}`", column.name.replace('`', "``"));
    shape.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Decodes the rows of one table's snapshot.
#[derive(Debug)]
pub struct TextRowDecoder {
    table: TableId,
    cells: Vec<TextCell>,
}

#[derive(Debug)]
struct TextCell {
    name: Text,
    sql_type: SqlType,
    target: Target,
    /// The column's schema, which a struct value must have to the last detail.
    schema: SchemaRef,
    fallback: Value,
}

impl TextRowDecoder {
    /// Resolves everything that the rows need.
    #[must_use]
    pub fn prepare(shape: &TableShape, options: &TypeOptions) -> Self {
        let cell = |column: &ColumnShape| {
            let target = Target::of(column, options);
            let fallback = fallback(column, &target, options);
            let schema = column_schema(column, options);
            TextCell { name: column.name.clone(), sql_type: column.sql_type, target, schema, fallback }
        };
        Self { table: shape.id.clone(), cells: shape.columns.iter().map(cell).collect() }
    }

    /// Gives columns whose values are structs the schema that their field has in the records, with its notes.
    #[must_use]
    pub fn with_schemas(mut self, of: impl Fn(usize) -> SchemaRef) -> Self {
        for (index, cell) in self.cells.iter_mut().enumerate() {
            if matches!(cell.target, Target::Point | Target::Geometry) {
                cell.schema = of(index);
                cell.fallback = target::restructured(&cell.fallback, &cell.schema);
            }
        }
        self
    }

    /// Decodes one row: a cell per column of the shape, `None` for NULL.
    ///
    /// # Errors
    /// When the number of cells is wrong, or a cell is no value of its column's type.
    pub fn decode(
        &self,
        cells: impl ExactSizeIterator<Item = Option<Bytes>>,
    ) -> Result<Vec<Value>, RowError> {
        self.decode_cells(cells, |cell, bytes| cell.value(&bytes, || bytes.clone()))
    }

    /// Decodes one row whose cells lie in a buffer; what keeps its bytes shares the buffer.
    ///
    /// # Errors
    /// As [`TextRowDecoder::decode`].
    pub fn decode_row(
        &self,
        buffer: &Bytes,
        cells: impl ExactSizeIterator<Item = Option<Range<usize>>>,
    ) -> Result<Vec<Value>, RowError> {
        self.decode_cells(cells, |cell, range| {
            let bytes = buffer.get(range.clone()).unwrap_or_default();
            cell.value(bytes, || buffer.slice_ref(bytes))
        })
    }

    fn decode_cells<C>(
        &self,
        cells: impl ExactSizeIterator<Item = Option<C>>,
        value: impl Fn(&TextCell, C) -> Result<Value, String>,
    ) -> Result<Vec<Value>, RowError> {
        if cells.len() != self.cells.len() {
            return Err(RowError::Mismatch {
                table: Box::new(self.table.clone()),
                expected: format!("{} columns", self.cells.len()),
                found: format!("{} columns", cells.len()),
            });
        }
        let mut values = Vec::with_capacity(self.cells.len());
        for (cell, found) in self.cells.iter().zip(cells) {
            let value = match found {
                None => Ok(cell.fallback.clone()),
                Some(found) => value(cell, found),
            };
            values.push(value.map_err(|found| self.bad_value(cell, found))?);
        }
        Ok(values)
    }

    #[cold]
    fn bad_value(&self, cell: &TextCell, found: String) -> RowError {
        RowError::BadValue {
            table: Box::new(self.table.clone()),
            column: cell.name.to_string(),
            expected: cell.sql_type.name(),
            found,
        }
    }
}

impl TextCell {
    /// The value of a cell; the error is what was found. `share` gives the same bytes to keep: most values need not.
    fn value(&self, bytes: &[u8], share: impl FnOnce() -> Bytes) -> Result<Value, String> {
        match &self.target {
            Target::Text(Charset::Bytes) => Ok(Value::String(Charset::Bytes.decode(share()))),
            Target::Text(_)
            | Target::Enum(_)
            | Target::Set(_)
            | Target::Json
            | Target::JsonText
            | Target::Uuid
            | Target::Inet4
            | Target::Inet6 => Ok(Value::String(Charset::Utf8.decode(share()))),
            Target::Binary { handling, length } => {
                let mut bytes = share();
                if bytes.len() < *length {
                    let mut padded = bytes.to_vec();
                    padded.resize(*length, 0);
                    bytes = padded.into();
                }
                Ok(target::binary(*handling, bytes))
            }
            Target::Boolean if self.sql_type == SqlType::Bit => {
                Ok(Value::Boolean(bytes.iter().any(|byte| *byte != 0)))
            }
            Target::Bits { .. } => Ok(Value::from(bytes.iter().rev().copied().collect::<Vec<u8>>())),
            Target::Point | Target::Geometry => {
                target::geometry(&self.schema, share()).ok_or_else(|| "other bytes".to_owned())
            }
            Target::Vector => target::vector(bytes).ok_or_else(|| format!("{} bytes", bytes.len())),
            _ => {
                let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
                self.parsed(text)
            }
        }
    }

    fn parsed(&self, text: &str) -> Result<Value, String> {
        let number = || text.parse::<i64>();
        let value = match &self.target {
            Target::Int16 => text.parse().ok().map(Value::Int16),
            Target::Int32 => text.parse().ok().map(Value::Int32),
            Target::Int64 => number().or_else(|_| text.parse().map(u64::cast_signed)).ok().map(Value::Int64),
            Target::Boolean => number().ok().map(|number| Value::Boolean(number != 0)),
            Target::UnsignedDecimal => text.parse().ok().map(unsigned_decimal),
            Target::Float32 => text.parse().ok().map(Value::Float32),
            // FLOAT(10,3): a float's nearest double, not the double nearest to the digits.
            Target::Float64 if self.sql_type == SqlType::Float => {
                text.parse::<f32>().ok().map(|number| Value::Float64(f64::from(number)))
            }
            Target::Float64 => text.parse().ok().map(Value::Float64),
            Target::Decimal(form) => form.parsed(text),
            // Adjusted in any case: it is a matter of year 0000 alone, as the others are from 1901 on.
            Target::Year { .. } => parse::year(text, true).map(Value::Int32),
            target => return Ok(parse::cell(target, text).unwrap_or_else(|| self.fallback.clone())),
        };
        value.ok_or_else(|| format!("{text:?}"))
    }
}
