//! Values as Connect's `Values.convertToString` writes them, and the type that a text has by itself (`Values.parseString`).
//!
//! The invariant: reading never loses a part of the text. Connect takes `1` from `1:2`, `14` from `14:34:54Z`, and a day of March from
//! `2019-02-30`; here what is not one value as a whole stays a string. Timestamps are always written in full, where Connect leaves out the
//! day of those before 1970. Values in lists and maps have a type only if all fit one, else the list says none, as in Connect.

use api::{Schema, SchemaAndValue, SchemaRef, SchemaType, Value, logical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{calendar, java_text};

mod parse;

pub(crate) use parse::parse;

/// Writes a value; the schema says what is a date or a decimal. Text stands as it is at the top, and in quotation marks inside.
pub(crate) fn write(value: &Value, schema: Option<&Schema>, out: &mut String) {
    let is_decimal = schema.and_then(Schema::name) == Some(logical::DECIMAL);
    match value {
        Value::String(text) => out.push_str(text),
        Value::Bytes(bytes) if !is_decimal => STANDARD.encode_string(bytes, out),
        other => write_embedded(other, schema, out),
    }
}

fn write_embedded(value: &Value, schema: Option<&Schema>, out: &mut String) {
    match (schema.and_then(Schema::name), value) {
        (Some(logical::DATE), Value::Int32(days)) => return out.push_str(&calendar::date(i64::from(*days))),
        (Some(logical::TIME), Value::Int32(ms)) => {
            return out.push_str(&calendar::time(i64::from(*ms).rem_euclid(86_400_000)));
        }
        (Some(logical::TIMESTAMP), Value::Int64(ms)) => return out.push_str(&calendar::timestamp(*ms)),
        (Some(logical::DECIMAL), Value::Bytes(unscaled)) => {
            let scale = schema
                .and_then(|schema| schema.parameter(logical::SCALE))
                .and_then(|scale| scale.parse().ok());
            if let Some(text) = java_text::decimal(unscaled, scale.unwrap_or(0)) {
                return out.push_str(&text);
            }
        }
        _ => {}
    }
    let items = schema.and_then(Schema::value_schema).map(|schema| &**schema);
    match value {
        Value::Null => out.push_str("null"),
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int8(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int16(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int32(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Int64(number) => out.push_str(itoa::Buffer::new().format(*number)),
        Value::Float32(number) => out.push_str(&java_text::f32_text(*number)),
        Value::Float64(number) => out.push_str(&java_text::f64_text(*number)),
        Value::String(text) => write_quoted(text, out),
        Value::Bytes(bytes) => write_quoted(&STANDARD.encode(bytes), out),
        Value::Array(values) => {
            write_all("[", "]", values, out, |item, out| write_embedded(item, items, out))
        }
        Value::Map(entries) => {
            let keys = schema.and_then(Schema::key_schema).map(|schema| &**schema);
            write_all("{", "}", entries, out, |(key, item), out| {
                write_embedded(key, keys, out);
                out.push(':');
                write_embedded(item, items, out);
            });
        }
        Value::Struct(row) => write_all("{", "}", row.schema().fields(), out, |field, out| {
            write_quoted(&field.name, out);
            out.push(':');
            write_embedded(row.get_or_default(&field.name).unwrap_or(&Value::Null), Some(&field.schema), out);
        }),
    }
}

/// In quotation marks, which are escaped inside, as are backslashes.
fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

fn write_all<I: IntoIterator>(
    open: &str,
    close: &str,
    items: I,
    out: &mut String,
    write: impl Fn(I::Item, &mut String),
) {
    out.push_str(open);
    for (index, item) in items.into_iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        write(item, out);
    }
    out.push_str(close);
}

/// The schema that all these values fit, if there is one, and the values widened to it: integers to the widest, with decimals to floats.
fn common(values: Vec<SchemaAndValue>) -> Result<(Option<SchemaRef>, Vec<Value>), MixedNull> {
    let nulls = values.iter().filter(|datum| datum.value.is_null()).count();
    if nulls > 0 {
        let mixed = nulls < values.len();
        return if mixed {
            Err(MixedNull)
        } else {
            Ok((None, values.into_iter().map(|datum| datum.value).collect()))
        };
    }
    let rank = |datum: &SchemaAndValue| {
        datum.schema.as_ref().and_then(|schema| NUMBERS.iter().position(|kind| is_plain(schema, *kind)))
    };
    let ranks: Option<Vec<usize>> = values.iter().map(rank).collect();
    if let Some(widest) = ranks.and_then(|ranks| ranks.into_iter().max()).map(|widest| NUMBERS[widest]) {
        let widened = values.into_iter().map(|datum| widen(&datum.value, widest)).collect();
        return Ok((Some(Schema::plain(widest)), widened));
    }
    let first = values.first().and_then(|datum| datum.schema.clone());
    let schema = first.filter(|first| values.iter().all(|datum| datum.schema.as_ref() == Some(first)));
    Ok((schema, values.into_iter().map(|datum| datum.value).collect()))
}

/// A list of values and nulls, which Connect does not take for a list.
#[derive(Debug)]
struct MixedNull;

/// The numbers from narrow to wide.
const NUMBERS: [SchemaType; 6] = [
    SchemaType::Int8,
    SchemaType::Int16,
    SchemaType::Int32,
    SchemaType::Int64,
    SchemaType::Float32,
    SchemaType::Float64,
];

fn is_plain(schema: &Schema, kind: SchemaType) -> bool {
    schema.kind() == kind && schema.name().is_none()
}

fn widen(value: &Value, kind: SchemaType) -> Value {
    #[allow(
        clippy::cast_precision_loss,
        reason = "Connect widens integers among floats to the nearest float"
    )]
    let float = |integer: i64| integer as f64;
    #[allow(clippy::cast_possible_truncation, reason = "the same, for the narrower float")]
    let narrow = |number: f64| number as f32;
    let number = match value {
        Value::Float32(number) => f64::from(*number),
        Value::Float64(number) => *number,
        other => other.as_i64().map_or(0.0, float),
    };
    match (kind, value.as_i64()) {
        (SchemaType::Int16, Some(integer)) => {
            i16::try_from(integer).map_or(Value::Int64(integer), Value::Int16)
        }
        (SchemaType::Int32, Some(integer)) => {
            i32::try_from(integer).map_or(Value::Int64(integer), Value::Int32)
        }
        (SchemaType::Int64, Some(integer)) => Value::Int64(integer),
        (SchemaType::Float32, _) => Value::Float32(narrow(number)),
        (SchemaType::Float64, _) => Value::Float64(number),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests;
