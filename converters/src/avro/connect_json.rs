//! Default values of Connect schemas as JSON, as they stand in Avro schemas.

use api::{Schema, SchemaRef, SchemaType, Value};
use serde_json::{Map, Number, Value as Json};

use super::from_connect::has_text_keys;
use super::marks::is_union;
use super::names::field_name;
use super::options::DataOptions;
use crate::json::fault::Fault;

/// A value of a schema as JSON.
///
/// # Errors
/// When the value is not one of the schema.
pub(super) fn json_of(schema: &Schema, value: &Value, options: DataOptions) -> Result<Json, Fault> {
    let unfit = || {
        Fault::new(format!(
            "Invalid type used for default value of {} field: {}",
            schema.kind().name(),
            value.kind_name()
        ))
    };
    let float = |number: f64| Number::from_f64(number).map_or(Json::Null, Json::Number);
    Ok(match (schema.kind(), value) {
        (_, Value::Null) => Json::Null,
        // As its shortest text says it: 1.1 and not 1.100000023841858.
        (SchemaType::Float32, Value::Float32(number)) => {
            float(number.to_string().parse().unwrap_or(f64::from(*number)))
        }
        (SchemaType::Float64, Value::Float64(number)) => float(*number),
        (SchemaType::Boolean, Value::Boolean(truth)) => Json::Bool(*truth),
        (SchemaType::String, Value::String(text)) => Json::from(&**text),
        // Avro's form of bytes: each is the letter of that number.
        (SchemaType::Bytes, Value::Bytes(bytes)) => {
            Json::String(bytes.iter().copied().map(char::from).collect())
        }
        (SchemaType::Array, Value::Array(values)) => {
            let items = values.iter().map(|value| part_json(schema.value_schema(), value, options));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        (SchemaType::Map, Value::Map(entries)) => map_json(schema, entries, options)?,
        (SchemaType::Struct, Value::Struct(row)) => {
            let mut object = Map::new();
            for (field, value) in schema.fields().iter().zip(row.values()) {
                let value =
                    if value.is_null() { field.schema.default_value().unwrap_or(value) } else { value };
                let item = json_of(&field.schema, value, options)?;
                if is_union(schema) {
                    return Ok(item);
                }
                object.insert(field_name(&field.name, options.scrub)?, item);
            }
            Json::Object(object)
        }
        (kind, value) if value.kind() == Some(kind) => Json::from(value.as_i64().ok_or_else(unfit)?),
        _ => return Err(unfit()),
    })
}

fn part_json(schema: Option<&SchemaRef>, value: &Value, options: DataOptions) -> Result<Json, Fault> {
    let schema =
        schema.ok_or_else(|| Fault::new("the default of a list or map that does not say what it holds"))?;
    json_of(schema, value, options)
}

fn map_json(schema: &Schema, entries: &[(Value, Value)], options: DataOptions) -> Result<Json, Fault> {
    if has_text_keys(schema, options) {
        let entry = |(key, value): &(Value, Value)| {
            Ok((
                key.as_str().unwrap_or_default().to_owned(),
                part_json(schema.value_schema(), value, options)?,
            ))
        };
        return Ok(Json::Object(entries.iter().map(entry).collect::<Result<_, Fault>>()?));
    }
    let pair = |(key, value): &(Value, Value)| {
        let key = part_json(schema.key_schema(), key, options)?;
        Ok(Json::Array(vec![key, part_json(schema.value_schema(), value, options)?]))
    };
    Ok(Json::Array(entries.iter().map(pair).collect::<Result<_, Fault>>()?))
}
