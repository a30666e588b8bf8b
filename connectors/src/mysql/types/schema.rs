//! Schemas of columns, rows and keys.

use api::{Schema, SchemaRef, SchemaType};

use super::TypeOptions;
use crate::mysql::shape::{ColumnShape, TableShape};

/// The schema of a column's values.
#[must_use]
pub fn column_schema(_column: &ColumnShape, _options: &TypeOptions) -> SchemaRef {
    Schema::plain(SchemaType::Int32)
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

/// The struct schema of a table's record keys, and which columns they take; `None` without a key.
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
