//! Flatten: the fields of nested structs and maps become fields of the top, their names joined by a delimiter.

use api::configs::config;
use api::{
    Error, Field, Props, Record, Result, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Transform,
    Value,
};

use crate::bad_config;
use crate::schema::{Derived, basics, with_fields};
use crate::side::{Side, java_class, not_a_map, not_a_struct, put, sided_plugins};

sided_plugins!(
    Flatten,
    FlattenConfig,
    "Flatten",
    "Flattens nested data: names of the resulting fields are the names on the way, joined by a delimiter. Arrays stay as they are."
);

const PURPOSE: &str = "flattening";
/// How deep maps may be nested.
const DEPTH_MAX: usize = 128;

config! {
    /// Options of Flatten.
    struct FlattenConfig {
        /// Delimiter to insert between field names from the input record when generating field names for the output record.
        delimiter: String = default("delimiter", ".");
    }
}

/// See the module.
#[derive(Debug)]
struct Flatten {
    side: Side,
    delimiter: String,
    flat: Derived<SchemaRef>,
}

impl Flatten {
    fn new(props: &Props, side: Side) -> Result<Self> {
        let delimiter = FlattenConfig::parse(props).map_err(bad_config)?.delimiter;
        Ok(Self { side, delimiter, flat: Derived::new() })
    }

    fn flatten_struct(&mut self, schema: &SchemaRef, row: Struct) -> Result<Struct> {
        let delimiter = &self.delimiter;
        let flat = self.flat.get_or_derive(schema, (), |()| {
            let mut fields = Vec::new();
            collect_fields(schema, "", delimiter, schema.is_optional(), &mut fields)?;
            with_fields(schema, fields)
        })?;
        let mut values = Vec::with_capacity(flat.fields().len());
        collect_values(schema, Some(row), &mut values);
        Struct::of(SchemaRef::clone(flat), values)
    }
}

fn joined(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}{delimiter}{name}") }
}

/// The flat fields of a struct; below something optional all are optional, and a struct's default gives its fields theirs.
fn collect_fields(
    schema: &Schema,
    prefix: &str,
    delimiter: &str,
    optional: bool,
    flat: &mut Vec<Field>,
) -> Result<()> {
    let struct_default = schema.default_value().and_then(Value::as_struct);
    for field in schema.fields() {
        let name = joined(prefix, delimiter, &field.name);
        let optional = optional || field.schema.is_optional();
        match field.schema.kind() {
            SchemaType::Struct => collect_fields(&field.schema, &name, delimiter, optional, flat)?,
            SchemaType::Map => {
                return Err(Error::bad_record(format!(
                    "Flatten transformation does not support MAP for record with schemas (for field {name})."
                )));
            }
            _ => {
                let inherited =
                    || struct_default.and_then(|row| row.get(&field.name)).filter(|value| !value.is_null());
                let mut builder = basics(&field.schema);
                if optional {
                    builder = builder.optional();
                }
                if let Some(default) = field.schema.default_value().or_else(inherited) {
                    builder = builder.default_value(default.clone());
                }
                flat.push(Field { name: name.into(), schema: builder.build() });
            }
        }
    }
    Ok(())
}

/// The values in the order of [`collect_fields`]; a struct that is null gives its fields null.
fn collect_values(schema: &Schema, row: Option<Struct>, flat: &mut Vec<Value>) {
    let mut values = row.map(|row| row.into_values().into_iter());
    for field in schema.fields() {
        let value = values.as_mut().and_then(Iterator::next);
        match (field.schema.kind(), value) {
            (SchemaType::Struct, Some(Value::Struct(row))) => collect_values(&field.schema, Some(row), flat),
            (SchemaType::Struct, _) => collect_values(&field.schema, None, flat),
            (_, Some(value)) => flat.push(crate::schema::or_default(value, &field.schema, true)),
            (_, None) => flat.push(Value::Null),
        }
    }
}

fn flatten_map(
    entries: Vec<(Value, Value)>,
    prefix: &str,
    delimiter: &str,
    depth: usize,
    flat: &mut Vec<(Value, Value)>,
) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::bad_record(format!(
            "Flatten transformation does not support maps nested deeper than {DEPTH_MAX}."
        )));
    }
    for (key, value) in entries {
        let Some(name) = key.as_str() else {
            return Err(Error::bad_record(format!(
                "Flatten transformation does not support keys of {}.",
                java_class(&key)
            )));
        };
        let name = joined(prefix, delimiter, name);
        match value {
            Value::Map(inner) => flatten_map(inner, &name, delimiter, depth + 1, flat)?,
            Value::Struct(_) => {
                return Err(Error::bad_record(format!(
                    "Flatten transformation does not support class {} for record without schemas (for field {name}).",
                    java_class(&value)
                )));
            }
            value => put(flat, &name, value),
        }
    }
    Ok(())
}

impl Transform for Flatten {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>> {
        let datum = self.side.of_mut(&mut record);
        match (&datum.schema, std::mem::take(&mut datum.value)) {
            (_, Value::Null) => {}
            (Some(schema), Value::Struct(row)) => {
                let schema = SchemaRef::clone(schema);
                *datum = SchemaAndValue::of_struct(self.flatten_struct(&schema, row)?);
            }
            (Some(_), other) => return Err(not_a_struct(PURPOSE, &other)),
            (None, Value::Map(entries)) => {
                let mut flat = Vec::with_capacity(entries.len());
                flatten_map(entries, "", &self.delimiter, 0, &mut flat)?;
                datum.value = Value::Map(flat);
            }
            (None, other) => return Err(not_a_map(PURPOSE, &other)),
        }
        Ok(Some(record))
    }
}
