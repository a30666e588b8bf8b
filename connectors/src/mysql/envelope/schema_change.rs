//! Schema changes: records that say what a statement did to a table or a database (`include.schema.changes`), in the topic of
//! the prefix.
//!
//! Off the hot path. Source: Debezium 3.6 by what it emits, see `tests/golden`.

use std::sync::{Arc, OnceLock};

use api::{
    Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, SourceOffset, SourceRecord, Struct, Text,
    Value,
};

use super::{Envelopes, Flavour, Moment, Origin, SourceBlock};
use crate::mysql::shape::{ColumnDefault, ColumnShape, JSON, SqlType, TableId, TableShape};

/// What happened to one table.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is new.
    Create(Arc<TableShape>),
    /// It is another one now, or has another name.
    Alter(Arc<TableShape>),
    /// It is gone.
    Drop(TableId),
}

/// What a record says.
#[derive(Debug, Clone)]
pub struct SchemaChange {
    /// Where the statement comes from.
    pub origin: Origin,
    /// The statement.
    pub ddl: String,
    /// What it did to a table; `None` for one about a database.
    pub change: Option<Change>,
}

/// The schemas of these records.
#[derive(Debug, Clone)]
pub(super) struct Schemas {
    key: SchemaRef,
    value: SchemaRef,
    change: SchemaRef,
    table: SchemaRef,
    column: SchemaRef,
}

impl Schemas {
    fn new(flavour: Flavour, source: &SchemaRef) -> Self {
        let text = || Schema::plain_optional(SchemaType::String);
        let texts = || Schema::array(Schema::plain(SchemaType::String)).optional().build();
        let (number, flag) =
            (|| Schema::plain_optional(SchemaType::Int32), || Schema::plain_optional(SchemaType::Boolean));
        let column = Schema::structure()
            .name("io.debezium.connector.schema.Column")
            .version(1)
            .field("name", Schema::plain(SchemaType::String))
            .field("jdbcType", Schema::plain(SchemaType::Int32))
            .field("nativeType", number())
            .field("typeName", Schema::plain(SchemaType::String))
            .field("typeExpression", text())
            .field("charsetName", text())
            .field("length", number())
            .field("scale", number())
            .field("position", Schema::plain(SchemaType::Int32))
            .field("optional", flag())
            .field("autoIncremented", flag())
            .field("generated", flag())
            .field("comment", text())
            .field("defaultValueExpression", text())
            .field("enumValues", texts())
            .build();
        let table = Schema::structure()
            .optional()
            .name("io.debezium.connector.schema.Table")
            .version(1)
            .field("defaultCharsetName", text())
            .field("primaryKeyColumnNames", texts())
            .field("columns", Schema::array(Arc::clone(&column)).build())
            .field("comment", text())
            .build();
        let change = Schema::structure()
            .name("io.debezium.connector.schema.Change")
            .version(1)
            .field("type", Schema::plain(SchemaType::String))
            .field("id", Schema::plain(SchemaType::String))
            .field("table", Arc::clone(&table))
            .build();
        let named = |part: &str| {
            Schema::structure()
                .name(format!("io.debezium.connector.{}.SchemaChange{part}", flavour.word()))
                .version(1)
        };
        let value = named("Value")
            .field("source", Arc::clone(source))
            .field("ts_ms", Schema::plain(SchemaType::Int64))
            .field("databaseName", text())
            .field("schemaName", text())
            .field("ddl", text())
            .field("tableChanges", Schema::array(Arc::clone(&change)).build())
            .build();
        let key = named("Key").field("databaseName", Schema::plain(SchemaType::String)).build();
        Self { key, value, change, table, column }
    }
}

impl Envelopes {
    /// The record of a statement.
    ///
    /// # Errors
    /// Never, as long as the schemas are the ones above.
    pub fn schema_change(&self, said: &SchemaChange, source_offset: SourceOffset) -> Result<SourceRecord> {
        static SCHEMAS: [OnceLock<Schemas>; 2] = [const { OnceLock::new() }; 2];
        let slot = &SCHEMAS[usize::from(self.flavour == Flavour::MariaDb)];
        let schemas = slot.get_or_init(|| Schemas::new(self.flavour, &self.source_schema));
        let source = SourceBlock::new(&self.source_schema, self.flavour, &said.origin).value(0)?;
        let changes = said.change.as_ref().map(|change| self.change(schemas, change)).transpose()?;
        let database = || Value::String(said.origin.database.clone());
        let values = vec![
            source,
            Value::Int64(Moment::now().milliseconds()),
            database(),
            Value::Null,
            Value::from(said.ddl.clone()),
            Value::Array(changes.into_iter().collect()),
        ];
        let record = Record {
            topic: Text::from(super::sanitized(&self.prefix)),
            partition: Some(0),
            key: SchemaAndValue::of_struct(Struct::of(Arc::clone(&schemas.key), vec![database()])?),
            value: SchemaAndValue::of_struct(Struct::of(Arc::clone(&schemas.value), values)?),
            timestamp: None,
            headers: self.context.clone(),
            kafka_offset: None,
        };
        Ok(SourceRecord { record, source_partition: Arc::clone(&self.partition), source_offset })
    }

    fn change(&self, schemas: &Schemas, change: &Change) -> Result<Value> {
        let (word, id, shape) = match change {
            Change::Create(shape) => ("CREATE", &shape.id, Some(shape)),
            Change::Alter(shape) => ("ALTER", &shape.id, Some(shape)),
            Change::Drop(id) => ("DROP", id, None),
        };
        let table = shape.map(|shape| self.change_of(schemas, shape)).transpose()?.unwrap_or_default();
        let id = format!("\"{}\".\"{}\"", id.database, id.table);
        let values = vec![Value::from_static(word), Value::from(id), table];
        Ok(Value::Struct(Struct::of(Arc::clone(&schemas.change), values)?))
    }

    fn change_of(&self, schemas: &Schemas, shape: &TableShape) -> Result<Value> {
        let comments = self.events.config.schema_comments;
        let columns: Vec<Value> = (1..)
            .zip(&shape.columns)
            .map(|(position, column)| {
                let values = column_values(column, position, comments);
                Ok(Value::Struct(Struct::of(Arc::clone(&schemas.column), values)?))
            })
            .collect::<Result<_>>()?;
        let required = |index: &&usize| !shape.columns[**index].optional;
        let key = shape.key_columns().iter().filter(required);
        let key = key.map(|index| Value::String(shape.columns[*index].name.clone())).collect();
        let comment = Some(shape.comment.clone()).filter(|comment| comments && !comment.is_empty());
        let values = vec![
            Value::String(shape.charset.clone()),
            Value::Array(key),
            Value::Array(columns),
            Value::from(comment),
        ];
        Ok(Value::Struct(Struct::of(Arc::clone(&schemas.table), values)?))
    }
}

fn column_values(column: &ColumnShape, position: i32, comments: bool) -> Vec<Value> {
    let type_name = type_name(column);
    let number = |number: Option<u32>| Value::from(number.and_then(|number| i32::try_from(number).ok()));
    let default = match &column.default {
        ColumnDefault::Literal(text) if column.sql_type == SqlType::Bit => Some(bits(text)),
        ColumnDefault::Literal(text) => Some(text.clone()),
        ColumnDefault::CurrentTimestamp => Some(Text::from_static("1970-01-01 00:00:00")),
        ColumnDefault::Unset | ColumnDefault::Null | ColumnDefault::Expression => None,
    };
    let words: Vec<Value> = column
        .enum_values
        .iter()
        .map(|word| Value::from(format!("'{}'", word.replace('\'', "''"))))
        .collect();
    let comment = Some(column.comment.clone()).filter(|comment| comments && !comment.is_empty());
    let automatic = column.auto_increment || column.on_update;
    vec![
        Value::String(column.name.clone()),
        Value::Int32(written_type(column).unwrap_or(jdbc_type(column.sql_type))),
        Value::Null,
        Value::from(type_name.clone()),
        Value::from(type_name),
        Value::from(column.charset.clone().filter(|_| column.sql_type.is_text() && !column.is_json_text())),
        number(length(column)),
        number(column.scale),
        Value::Int32(position),
        Value::Boolean(column.optional),
        Value::Boolean(automatic),
        Value::Boolean(automatic),
        Value::from(comment),
        Value::from(default),
        if words.is_empty() { Value::Null } else { Value::Array(words) },
    ]
}

/// The digits of bits, which a shape keeps as a number.
fn bits(text: &Text) -> Text {
    text.parse::<u64>().map_or_else(|_| text.clone(), |number| Text::from(format!("{number:b}")))
}

/// The type's name as Debezium writes it, with its sign.
pub(super) fn type_name(column: &ColumnShape) -> String {
    let unsigned = if column.unsigned { " UNSIGNED" } else { "" };
    let zerofill = if column.zerofill { " ZEROFILL" } else { "" };
    format!("{}{unsigned}{zerofill}", column.written.as_deref().unwrap_or(column.sql_type.name()))
}

/// The type's length as Debezium has it: of a SET it is one for each word and comma.
pub(super) fn length(column: &ColumnShape) -> Option<u32> {
    match column.sql_type {
        SqlType::Enum => Some(1),
        SqlType::Set => u32::try_from((2 * column.enum_values.len()).saturating_sub(1)).ok(),
        _ => column.length,
    }
}

/// The number of a type that JDBC tells from the one that it is another word for.
fn written_type(column: &ColumnShape) -> Option<i32> {
    match column.written.as_deref()? {
        "NUMERIC" => Some(2),
        JSON => Some(1111),
        "NCHAR" | "NATIONAL CHAR" => Some(-15),
        "NVARCHAR" | "NATIONAL VARCHAR" => Some(-9),
        _ => None,
    }
}

/// The number that JDBC gives a type (`java.sql.Types`).
const fn jdbc_type(kind: SqlType) -> i32 {
    match kind {
        SqlType::TinyInt | SqlType::SmallInt => 5,
        SqlType::MediumInt | SqlType::Int | SqlType::Year => 4,
        SqlType::BigInt => -5,
        SqlType::Boolean => 16,
        SqlType::Decimal => 3,
        SqlType::Float => 6,
        SqlType::Double => 8,
        SqlType::Real => 7,
        SqlType::Bit => -7,
        SqlType::Date => 91,
        SqlType::Time => 92,
        SqlType::DateTime => 93,
        SqlType::Timestamp => 2014,
        SqlType::Char | SqlType::Enum | SqlType::Set => 1,
        SqlType::VarChar | SqlType::TinyText | SqlType::Text | SqlType::MediumText | SqlType::LongText => 12,
        SqlType::Binary => -2,
        SqlType::VarBinary => -3,
        SqlType::TinyBlob | SqlType::Blob | SqlType::MediumBlob | SqlType::LongBlob => 2004,
        _ => 1111,
    }
}
