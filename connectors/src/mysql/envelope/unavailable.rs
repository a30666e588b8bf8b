//! Columns that the server left out of a row image (`binlog_row_image` other than FULL): what records say of them.
//!
//! By default as Debezium has it: a placeholder in texts, blobs and JSON; other columns have no value that could say it, so the task ends.
//! `unavailable.column.handling.mode=header` lets the schemas have null in every column but the key's, without defaults, which
//! converters write in place of null; and each record has headers that name the fields whose values are not known. Invariant: what is no
//! value of the row is a placeholder or is named in a header, and a key is never made without all of its columns.

use std::sync::Arc;

use api::{Error, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Text, Value};

use super::{Envelopes, TableRecords};
use crate::mysql::binlog::row::RowImage;
use crate::mysql::config::events::UnavailableHandling;
use crate::mysql::shape::TableShape;

/// The header that names the fields of `before` whose values are not known: an array of their names.
const BEFORE: Text = Text::from_static("__debezium.unavailable.before");
/// The same of `after`.
const AFTER: Text = Text::from_static("__debezium.unavailable.after");

/// Headers that are one record's own, in order.
pub(super) type OwnHeaders = Vec<(Text, SchemaAndValue)>;

/// An image as its record has it.
#[derive(Debug, PartialEq)]
pub(super) struct Shown {
    /// The row.
    pub(super) value: Value,
    /// The fields that the image did not hold.
    unavailable: Vec<Value>,
}

impl Shown {
    /// No image.
    pub(super) const NONE: Self = Self { value: Value::Null, unavailable: Vec::new() };
}

impl Envelopes {
    /// The columns of a table's record keys.
    pub(super) fn key_columns(&self, shape: &TableShape) -> Vec<usize> {
        self.keys.of(shape).unwrap_or_else(|| shape.key_columns().to_vec())
    }

    /// The schema of a column in a row.
    #[must_use]
    pub fn column_schema(&self, shape: &TableShape, index: usize) -> SchemaRef {
        self.field_schema(shape, index, &self.key_columns(shape))
    }

    /// The same, for who knows the columns of the key.
    pub(super) fn field_schema(&self, shape: &TableShape, index: usize, key: &[usize]) -> SchemaRef {
        let schema = self.noted_schema(shape, &shape.columns[index]);
        let is_always_known =
            self.events.config.unavailable == UnavailableHandling::Fail || key.contains(&index);
        if is_always_known || (schema.is_optional() && schema.default_value().is_none()) {
            return schema;
        }
        schema.to_builder().optional().without_default().build()
    }
}

impl TableRecords {
    /// The key of a row.
    ///
    /// # Errors
    /// When the image lacks a column of it.
    pub(super) fn key_of(&self, row: &RowImage) -> Result<SchemaAndValue> {
        self.check_key(row)?;
        let Some((schema, columns)) = &self.key else { return Ok(SchemaAndValue::NULL) };
        let values =
            columns.iter().map(|index| row.values.get(*index).cloned().unwrap_or_default()).collect();
        Ok(SchemaAndValue::of_struct(Struct::of(Arc::clone(schema), values)?))
    }

    /// Whether an update leaves the key as it is.
    ///
    /// # Errors
    /// As [`TableRecords::key_of`].
    pub(super) fn same_key(&self, before: &RowImage, after: &RowImage) -> Result<bool> {
        self.check_key(before)?;
        let Some((_, columns)) = &self.key else { return Ok(true) };
        Ok(columns.iter().all(|index| before.values.get(*index) == after.values.get(*index)))
    }

    fn check_key(&self, row: &RowImage) -> Result<()> {
        let Some((schema, columns)) = self.key.as_ref().filter(|_| !row.absent.is_empty()) else {
            return Ok(());
        };
        match columns.iter().zip(schema.fields()).find(|(index, _)| !row.holds(**index)) {
            None => Ok(()),
            Some((_, field)) => Err(Error::fatal(format!(
                "the key of {} needs column {}, which the server left out of a row image: set binlog_row_image=FULL on the server and in \
                 every session, or take columns of the primary key for the key (message.key.columns)",
                self.name, field.name
            ))),
        }
    }

    /// A row as its record has it: masked, without the columns that are not captured.
    ///
    /// # Errors
    /// When a captured column is not there and nothing may stand for it; `BadRecord` when the row has another number of columns than its
    /// table.
    pub(super) fn shown(&self, row: RowImage) -> Result<Shown> {
        let unavailable = self.unavailable(&row)?;
        let RowImage { values: mut row, absent } = row;
        for (index, mask) in &self.masks {
            // A placeholder that is hashed or cut off would pass for a value.
            if let Some(value) = row.get_mut(*index).filter(|_| absent.binary_search(index).is_err()) {
                mask.apply(value);
            }
        }
        let row = match &self.projection {
            None => row,
            Some(columns) => columns
                .iter()
                .map(|index| row.get_mut(*index).map(std::mem::take).unwrap_or_default())
                .collect(),
        };
        Ok(Shown { value: Value::Struct(Struct::of(Arc::clone(&self.row), row)?), unavailable })
    }

    /// The names of the captured fields that an image lacks.
    fn unavailable(&self, row: &RowImage) -> Result<Vec<Value>> {
        let mut names = Vec::new();
        for column in &row.absent {
            let place = match &self.projection {
                None => Some(*column),
                Some(captured) => captured.iter().position(|index| index == column),
            };
            let Some(field) = place.and_then(|place| self.row.fields().get(place)) else { continue };
            let is_said = row.values.get(*column).is_some_and(|value| !value.is_null());
            if self.unavailable == UnavailableHandling::Fail && !is_said {
                return Err(Error::fatal(format!(
                    "column {} of {} is not in a row image: set binlog_row_image=FULL on the server and in every session, or let headers \
                     say so (unavailable.column.handling.mode=header)",
                    field.name, self.name
                )));
            }
            names.push(Value::String(field.name.clone()));
        }
        Ok(names)
    }

    /// Takes the rows out of their images, and adds the headers that say what these did not hold.
    pub(super) fn say_unavailable(&self, images: [Shown; 2], headers: &mut OwnHeaders) -> [Value; 2] {
        let [before, after] = images;
        for (name, unavailable) in [(BEFORE, before.unavailable), (AFTER, after.unavailable)] {
            if !unavailable.is_empty() && self.unavailable == UnavailableHandling::Header {
                let names = Schema::array(Schema::plain(SchemaType::String)).build();
                headers.push((name, SchemaAndValue::new(names, Value::Array(unavailable))));
            }
        }
        [before.value, after.value]
    }
}
