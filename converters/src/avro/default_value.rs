//! Default values in Avro schemas: whether they fit, and what they are in Connect.

use api::{Bytes, Schema, SchemaRef, Struct, Value};
use serde_json::Value as Json;

use super::schema::{Avro, Kind};
use crate::json::fault::Fault;

/// Whether Avro takes this default: of a union, any member may fit.
pub(super) fn is_valid(avro: &Avro, default: &Json) -> bool {
    let fits_integer = |minimum: i64, maximum: i64| {
        default.as_i64().is_some_and(|number| (minimum..=maximum).contains(&number))
    };
    match &avro.kind {
        Kind::Null => default.is_null(),
        Kind::Boolean => default.is_boolean(),
        Kind::Int => fits_integer(i64::from(i32::MIN), i64::from(i32::MAX)),
        Kind::Long => fits_integer(i64::MIN, i64::MAX),
        Kind::Float | Kind::Double => default.is_number(),
        Kind::Bytes | Kind::String | Kind::Fixed(_) | Kind::Enum(_) => default.is_string(),
        Kind::Array(items) => {
            default.as_array().is_some_and(|values| values.iter().all(|value| is_valid(items, value)))
        }
        Kind::Map(values) => {
            default.as_object().is_some_and(|entries| entries.values().all(|value| is_valid(values, value)))
        }
        Kind::Record(record) => default.as_object().is_some_and(|object| {
            record.fields.iter().all(|field| {
                object
                    .get(&field.name)
                    .or(field.default.as_ref())
                    .is_some_and(|value| is_valid(&field.schema, value))
            })
        }),
        Kind::Union(members) => members.iter().any(|member| is_valid(member, default)),
        Kind::Recursive(_) => false,
    }
}

/// How many types and values whoever looks at a default looks at, up to a limit: a default of few letters may stand for very many
/// values, since what it leaves out of a record is that field's own default.
pub(super) fn weight(avro: &Avro, default: &Json, limit: usize) -> usize {
    let mut left = limit.saturating_add(1);
    weigh(avro, default, &mut left);
    limit + 1 - left
}

fn weigh(avro: &Avro, default: &Json, left: &mut usize) {
    *left = left.saturating_sub(1);
    if *left == 0 {
        return;
    }
    match (&avro.kind, default) {
        (Kind::Array(items), Json::Array(values)) => {
            values.iter().for_each(|value| weigh(items, value, left))
        }
        (Kind::Map(items), Json::Object(entries)) => {
            entries.values().for_each(|value| weigh(items, value, left))
        }
        (Kind::Record(record), Json::Object(object)) => {
            for field in &record.fields {
                let value = object.get(&field.name).or(field.default.as_ref()).unwrap_or(&Json::Null);
                weigh(&field.schema, value, left);
            }
        }
        (Kind::Union(members), _) => members.iter().for_each(|member| weigh(member, default, left)),
        _ => {}
    }
}

/// A default of an Avro schema as a value of the Connect schema that was made of it.
///
/// # Errors
/// When it does not fit.
pub(super) fn value_of(schema: &Schema, avro: &Avro, default: &Json) -> Result<Value, Fault> {
    let unfit = || Fault::new(format!("the default {default} does not fit {}", avro.shown()));
    if default.is_null() {
        return Ok(Value::Null);
    }
    Ok(match &avro.kind {
        Kind::Int => integer(schema, default.as_i64().ok_or_else(unfit)?).ok_or_else(unfit)?,
        Kind::Long => Value::Int64(default.as_i64().ok_or_else(unfit)?),
        #[allow(clippy::cast_possible_truncation, reason = "a FLOAT32 is the nearest one, as in Java")]
        Kind::Float => Value::Float32(default.as_f64().ok_or_else(unfit)? as f32),
        Kind::Double => Value::Float64(default.as_f64().ok_or_else(unfit)?),
        Kind::Boolean => Value::Boolean(default.as_bool().ok_or_else(unfit)?),
        Kind::String | Kind::Enum(_) => Value::from(default.as_str().ok_or_else(unfit)?),
        Kind::Bytes | Kind::Fixed(_) => {
            Value::Bytes(bytes(default.as_str().ok_or_else(unfit)?).ok_or_else(unfit)?)
        }
        Kind::Array(items) => {
            let schema = part(schema.value_schema())?;
            let values = default.as_array().ok_or_else(unfit)?.iter();
            Value::Array(values.map(|value| value_of(schema, items, value)).collect::<Result<_, _>>()?)
        }
        Kind::Map(values) => {
            let schema = part(schema.value_schema())?;
            let entry =
                |(key, value): (&String, &Json)| Ok((Value::from(&**key), value_of(schema, values, value)?));
            let entries = default.as_object().ok_or_else(unfit)?.iter();
            Value::Map(entries.map(entry).collect::<Result<_, Fault>>()?)
        }
        Kind::Record(record) => {
            let object = default.as_object().ok_or_else(unfit)?;
            let mut values = Vec::with_capacity(record.fields.len());
            for (avro_field, field) in record.fields.iter().zip(schema.fields()) {
                let value =
                    object.get(&avro_field.name).or(avro_field.default.as_ref()).unwrap_or(&Json::Null);
                values.push(value_of(&field.schema, &avro_field.schema, value)?);
            }
            let row = Struct::of(schema.to_builder().build(), values);
            Value::Struct(row.map_err(|cause| Fault::new(cause.to_string()))?)
        }
        Kind::Null | Kind::Union(_) | Kind::Recursive(_) => return Err(unfit()),
    })
}

fn part(schema: Option<&SchemaRef>) -> Result<&SchemaRef, Fault> {
    schema.ok_or_else(|| Fault::new("the schema does not say what it holds"))
}

fn integer(schema: &Schema, number: i64) -> Option<Value> {
    Some(match schema.kind() {
        api::SchemaType::Int8 => Value::Int8(number.try_into().ok()?),
        api::SchemaType::Int16 => Value::Int16(number.try_into().ok()?),
        _ => Value::Int32(number.try_into().ok()?),
    })
}

/// Avro's form of bytes: each is the letter of that number.
pub(super) fn bytes(text: &str) -> Option<Bytes> {
    text.chars()
        .map(|letter| u8::try_from(u32::from(letter)).ok())
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}
