//! InsertField: adds where and when a record was, or a fixed text, as fields.

use api::configs::config;
use api::{
    Error, Field, Props, Record, Result, Schema, SchemaRef, SchemaType, Struct, Text, Transform, Value,
    logical,
};

use crate::bad_config;
use crate::schema::{Derived, or_default, with_fields};
use crate::side::{Side, not_a_map, not_a_struct, put, sided_plugins};

sided_plugins!(
    InsertField,
    InsertFieldConfig,
    "InsertField",
    "Inserts fields with the record's topic, partition, offset or timestamp, or with a fixed text."
);

const PURPOSE: &str = "field insertion";

config! {
    /// Options of InsertField.
    struct InsertFieldConfig {
        /// Field name for Kafka topic. Suffix with `!` to make this a required field, or `?` to keep it optional (the default).
        topic_field: Option<String> = optional("topic.field");
        /// Field name for Kafka partition. Suffix with `!` to make this a required field, or `?` to keep it optional (the default).
        partition_field: Option<String> = optional("partition.field");
        /// Field name for Kafka offset - only applicable to sink connectors. Suffix with `!` to make this a required field, or `?` to keep it optional (the default).
        offset_field: Option<String> = optional("offset.field");
        /// Field name for record timestamp. Suffix with `!` to make this a required field, or `?` to keep it optional (the default).
        timestamp_field: Option<String> = optional("timestamp.field");
        /// Field name for static data field. Suffix with `!` to make this a required field, or `?` to keep it optional (the default).
        static_field: Option<String> = optional("static.field");
        /// Static field value, if field name configured.
        static_value: Option<String> = optional("static.value");
        /// Whether null in a field that has a default value is replaced by that value.
        replace_null_with_default: bool = default("replace.null.with.default", true);
    }
}

/// What is inserted.
#[derive(Clone, Debug)]
enum Datum {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(Text),
}

/// One field that is inserted.
#[derive(Debug)]
struct Insertion {
    name: Text,
    schema: SchemaRef,
    datum: Datum,
}

/// See the module.
#[derive(Debug)]
struct InsertField {
    side: Side,
    insertions: Vec<Insertion>,
    replace_null_with_default: bool,
    updated: Derived<SchemaRef>,
}

impl InsertField {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let config = InsertFieldConfig::parse(props).map_err(bad_config)?;
        let fields = [
            (&config.topic_field, Datum::Topic),
            (&config.partition_field, Datum::Partition),
            (&config.offset_field, Datum::Offset),
            (&config.timestamp_field, Datum::Timestamp),
        ];
        let given =
            fields.into_iter().filter_map(|(field, datum)| Some(Insertion::new(field.as_ref()?, datum)));
        let mut insertions: Vec<Insertion> = given.collect();
        match (&config.static_field, config.static_value) {
            (Some(field), Some(text)) => insertions.push(Insertion::new(field, Datum::Static(text.into()))),
            (Some(field), None) => {
                return Err(Error::bad_config(format!(
                    "Invalid value null for configuration static.value: No value specified for static field: {field}"
                )));
            }
            (None, _) => {}
        }
        if insertions.is_empty() {
            return Err(Error::bad_config("No field insertion configured"));
        }
        let replace_null_with_default = config.replace_null_with_default;
        Ok(Self { side, insertions, replace_null_with_default, updated: Derived::new() })
    }

    fn insert_into_struct(
        &mut self,
        schema: &SchemaRef,
        row: Struct,
        inserted: Vec<Value>,
    ) -> Result<(SchemaRef, Value)> {
        let insertions = &self.insertions;
        let updated = self.updated.get_or_derive(schema, (), |()| {
            let new = insertions
                .iter()
                .map(|new| Field { name: new.name.clone(), schema: SchemaRef::clone(&new.schema) });
            with_fields(schema, schema.fields().iter().cloned().chain(new))
        })?;
        let fields = schema.fields().iter().zip(row.into_values());
        let kept =
            fields.map(|(field, value)| or_default(value, &field.schema, self.replace_null_with_default));
        let row = Struct::of(SchemaRef::clone(updated), kept.chain(inserted).collect())?;
        Ok((SchemaRef::clone(updated), row.into()))
    }
}

impl Insertion {
    /// A field as the settings name it: with `!` it is required.
    fn new(said: &str, datum: Datum) -> Self {
        let (name, optional) = match said.strip_suffix('!') {
            Some(name) => (name, false),
            None => (said.strip_suffix('?').unwrap_or(said), true),
        };
        let schema = match datum {
            Datum::Topic | Datum::Static(_) => Schema::builder(SchemaType::String),
            Datum::Partition => Schema::builder(SchemaType::Int32),
            Datum::Offset => Schema::builder(SchemaType::Int64),
            Datum::Timestamp => logical::timestamp(),
        };
        Self { name: name.to_owned().into(), schema: schema.with_optional(optional).build(), datum }
    }

    fn value(&self, record: &Record) -> Result<Value> {
        Ok(match &self.datum {
            Datum::Topic => Value::String(record.topic.clone()),
            Datum::Partition => record.partition.into(),
            Datum::Offset => match record.kafka_offset {
                Some(offset) => offset.into(),
                None => {
                    return Err(Error::bad_record(format!(
                        "Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"
                    )));
                }
            },
            Datum::Timestamp => record.timestamp.into(),
            Datum::Static(text) => Value::String(text.clone()),
        })
    }
}

impl Transform for InsertField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        if self.side.of_mut(&mut record).value.is_null() {
            return Ok(Some(record));
        }
        let inserted =
            self.insertions.iter().map(|insertion| insertion.value(&record)).collect::<Result<Vec<_>>>()?;
        let datum = self.side.of_mut(&mut record);
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (Some(schema), Value::Struct(row)) => {
                let schema = SchemaRef::clone(schema);
                let (schema, value) = self.insert_into_struct(&schema, row, inserted)?;
                *datum = api::SchemaAndValue::new(schema, value);
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Map(mut entries)) => {
                for (insertion, value) in
                    self.insertions.iter().zip(inserted).filter(|(_, value)| !value.is_null())
                {
                    put(&mut entries, &insertion.name, value);
                }
                datum.value = Value::Map(entries);
            }
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}
