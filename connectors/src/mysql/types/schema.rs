//! Schemas of columns, rows and keys.
//!
//! Made once per table shape; converters cache by their pointers. Invariant: fields stand in the order of the table's columns
//! (of the key's columns for a key) and carry the columns' names as they are.

use api::{Schema, SchemaRef, Value};

use super::TypeOptions;
use super::default::default_value;
use super::target::Target;
use crate::mysql::shape::{ColumnShape, TableShape};

/// The schema of a column's values.
#[must_use]
pub fn column_schema(column: &ColumnShape, options: &TypeOptions) -> SchemaRef {
    let target = Target::of(column, options);
    let builder = target.schema().with_optional(column.optional);
    match default_value(column, &target, options) {
        Some(value) => builder.default_value(value).build(),
        None if builder_is_plain(&target) && column.optional => {
            Schema::plain_optional(target.schema().build().kind())
        }
        None if builder_is_plain(&target) => Schema::plain(target.schema().build().kind()),
        None => builder.build(),
    }
}

/// Whether the type alone says it all, so that the shared schema will do.
const fn builder_is_plain(target: &Target) -> bool {
    matches!(
        target,
        Target::Boolean
            | Target::Int16
            | Target::Int32
            | Target::Int64
            | Target::Float32
            | Target::Float64
            | Target::Text(_)
    )
}

/// What stands for NULL, or for a date that is none: null in an optional column, else the default, else a zero.
pub(crate) fn fallback(column: &ColumnShape, target: &Target, options: &TypeOptions) -> Value {
    if column.optional {
        return Value::Null;
    }
    default_value(column, target, options).unwrap_or_else(|| target.zero())
}

/// The struct schema of a table's rows: a field per column, in order. `name` is the schema's, such as `shop.db.t.Value`.
/// It is optional, as Debezium's `before` and `after` are.
#[must_use]
pub fn row_schema(shape: &TableShape, options: &TypeOptions, name: &str) -> SchemaRef {
    let fields = shape.columns.iter().fold(Schema::structure().optional(), |builder, column| {
        builder.field(column.name.clone(), column_schema(column, options))
    });
    fields.name(name).build()
}

/// The struct schema of a table's record keys, over the columns of [`TableShape::key_columns`]; `None` without a key.
#[must_use]
pub fn key_schema(shape: &TableShape, options: &TypeOptions, name: &str) -> Option<SchemaRef> {
    let columns = shape.key_columns();
    if columns.is_empty() {
        return None;
    }
    let fields = columns.iter().fold(Schema::structure(), |builder, index| {
        let column = &shape.columns[*index];
        builder.field(column.name.clone(), column_schema(column, options))
    });
    Some(fields.name(name).build())
}
