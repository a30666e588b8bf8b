//! Values as JSON without schemas: what Connect's JsonConverter writes with `schemas.enable=false` and
//! `decimal.format=NUMERIC`.
//!
//! Bytes are base64, maps with text keys and structs are objects, other maps arrays of pairs, dates and times their numbers;
//! what JSON has no number for (`NaN`) is a string, as Jackson writes it. Invariant: what is appended is valid JSON.

use api::{Error, Result, Schema, Value, java_text, logical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Values nested deeper than this are refused, as JSON parsers refuse to read them.
const DEPTH_MAX: usize = 100;

/// Appends a value.
///
/// # Errors
/// `BadRecord` when it is nested too deep.
pub(super) fn append(schema: Option<&Schema>, value: &Value, json: &mut Vec<u8>) -> Result<()> {
    append_at(schema, value, json, 0)
}

fn append_at(schema: Option<&Schema>, value: &Value, json: &mut Vec<u8>, depth: usize) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(Error::bad_record(format!("the value is nested deeper than {DEPTH_MAX} levels")));
    }
    match value {
        Value::Null => json.extend_from_slice(b"null"),
        Value::Boolean(flag) => json.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int8(_) | Value::Int16(_) | Value::Int32(_) | Value::Int64(_) => append_plain(value, json),
        Value::Float32(number) => append_number(value, number.is_finite(), json),
        Value::Float64(number) => append_number(value, number.is_finite(), json),
        Value::String(text) => append_string(text, json)?,
        Value::Bytes(bytes) => match decimal(schema, bytes) {
            Some(number) => json.extend_from_slice(number.as_bytes()),
            None => append_string(&STANDARD.encode(bytes), json)?,
        },
        Value::Array(items) => {
            let item_schema = schema.and_then(Schema::value_schema).map(|schema| &**schema);
            append_sequence(b"[]", items, json, |item, json| append_at(item_schema, item, json, depth + 1))?;
        }
        Value::Map(entries) => append_map(schema, entries, json, depth)?,
        Value::Struct(value) => {
            let fields = value.schema().fields().iter().zip(value.values());
            append_sequence(b"{}", fields, json, |(field, value), json| {
                append_string(&field.name, json)?;
                json.push(b':');
                append_at(Some(&field.schema), value, json, depth + 1)
            })?;
        }
    }
    Ok(())
}

fn decimal(schema: Option<&Schema>, unscaled: &[u8]) -> Option<String> {
    let schema = schema.filter(|schema| schema.name() == Some(logical::DECIMAL))?;
    java_text::big_decimal(schema, unscaled)
}

fn append_map(
    schema: Option<&Schema>,
    entries: &[(Value, Value)],
    json: &mut Vec<u8>,
    depth: usize,
) -> Result<()> {
    let key_schema = schema.and_then(Schema::key_schema).map(|schema| &**schema);
    let value_schema = schema.and_then(Schema::value_schema).map(|schema| &**schema);
    if entries.iter().all(|(key, _)| key.as_str().is_some()) {
        return append_sequence(b"{}", entries, json, |(key, value), json| {
            append_at(key_schema, key, json, depth + 1)?;
            json.push(b':');
            append_at(value_schema, value, json, depth + 1)
        });
    }
    append_sequence(b"[]", entries, json, |(key, value), json| {
        json.push(b'[');
        append_at(key_schema, key, json, depth + 2)?;
        json.push(b',');
        append_at(value_schema, value, json, depth + 2)?;
        json.push(b']');
        Ok(())
    })
}

fn append_sequence<T>(
    brackets: &[u8; 2],
    items: impl IntoIterator<Item = T>,
    json: &mut Vec<u8>,
    mut append_item: impl FnMut(T, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    json.push(brackets[0]);
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        append_item(item, json)?;
    }
    json.push(brackets[1]);
    Ok(())
}

fn append_plain(value: &Value, json: &mut Vec<u8>) {
    let mut text = String::new();
    java_text::append(None, value, &mut text);
    json.extend_from_slice(text.as_bytes());
}

fn append_number(value: &Value, finite: bool, json: &mut Vec<u8>) {
    let quote: &[u8] = if finite { b"" } else { b"\"" };
    json.extend_from_slice(quote);
    append_plain(value, json);
    json.extend_from_slice(quote);
}

fn append_string(text: &str, json: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(json, text)
        .map_err(|error| Error::bad_record("the text cannot be written as JSON").with_source(error))
}

#[cfg(test)]
mod tests {
    use api::{SchemaType, Struct};

    use super::*;

    fn json(value: impl Into<Value>) -> String {
        let mut json = Vec::new();
        append(None, &value.into(), &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn values_are_written_as_the_json_converter_does() {
        assert_eq!(json("quo\"te\n\u{1}ü"), "\"quo\\\"te\\n\\u0001ü\"");
        assert_eq!(json(i64::MIN), "-9223372036854775808");
        assert_eq!(
            (json(0.1), json(1e10), json(f64::NAN)),
            ("0.1".into(), "1.0E10".into(), "\"NaN\"".into())
        );
        assert_eq!(json(vec![1_u8, 2, 3]), "\"AQID\"");
        assert_eq!(json(Value::Array(vec![Value::Null, true.into()])), "[null,true]");
        assert_eq!(
            json(Value::Map(vec![("a".into(), 1_i8.into()), ("b".into(), Value::Null)])),
            "{\"a\":1,\"b\":null}"
        );
        assert_eq!(json(Value::Map(vec![(1_i8.into(), "x".into())])), "[[1,\"x\"]]");
    }

    #[test]
    fn structs_keep_their_fields_in_order_and_decimals_are_numbers() {
        let schema = Schema::structure()
            .field("b", logical::decimal(2).build())
            .field("a", Schema::plain_optional(SchemaType::String))
            .field("d", logical::date().build())
            .build();
        let value =
            Struct::of(schema, vec![vec![0x04, 0xd2].into(), Value::Null, Value::Int32(19_782)]).unwrap();
        assert_eq!(json(value), "{\"b\":12.34,\"a\":null,\"d\":19782}");
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(append(None, &deep, &mut Vec::new()).is_err());
    }
}
