//! Values as Connect's `Values.convertToString` writes them: what [`api::values::parse`] reads back.
//!
//! The invariant: nothing is left out. Timestamps are always written in full, where Connect leaves out the day of those before 1970.

use api::{Schema, Value, calendar, logical};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::java_text;

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

#[cfg(test)]
mod tests {
    use api::{SchemaRef, SchemaType, Struct};

    use super::*;

    fn written(value: impl Into<Value>, schema: Option<&Schema>) -> String {
        let mut out = String::new();
        write(&value.into(), schema, &mut out);
        out
    }

    /// The expected texts are those of Kafka Connect 4.3.
    #[test]
    fn values_are_written_as_connect_writes_them() {
        assert_eq!(written("a\"b", None), "a\"b");
        assert_eq!(written(1e10, None), "1.0E10");
        assert_eq!(written(vec![1_u8, 2, 255], None), "AQL/");
        let list = Value::Array(vec!["a\"b\\".into(), Value::Null, 1.into(), 2.5.into(), true.into()]);
        assert_eq!(written(list, None), r#"["a\"b\\",null,1,2.5,true]"#);
        assert_eq!(written(Value::Array(vec![vec![1_u8].into()]), None), r#"["AQ=="]"#);
        let map = Value::Map(vec![("k".into(), "v".into()), (1.into(), Value::Null)]);
        assert_eq!(written(map, None), r#"{"k":"v",1:null}"#);
        assert_eq!(written(vec![110_u8], Some(&logical::decimal(2).build())), "1.10");
        assert_eq!(written(10_000, Some(&logical::date().build())), "1997-05-19");
        assert_eq!(written(1234, Some(&logical::time().build())), "00:00:01.234Z");
        assert_eq!(
            written(1_234_567_890_123_i64, Some(&logical::timestamp().build())),
            "2009-02-13T23:31:30.123Z"
        );
        assert_eq!(written(-1_i64, Some(&logical::timestamp().build())), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn structs_are_written_with_their_defaults() {
        let schema = Schema::structure()
            .field("a", Schema::plain(SchemaType::Int32))
            .field("c", Schema::plain_optional(SchemaType::String))
            .field("by", Schema::plain_optional(SchemaType::Bytes))
            .field("dec", logical::decimal(2).optional().build())
            .field("def", Schema::builder(SchemaType::String).optional().default_value("dd").build())
            .build();
        let values = vec![1.into(), Value::Null, vec![1_u8, 2].into(), vec![110_u8].into(), Value::Null];
        let row = Struct::of(SchemaRef::clone(&schema), values).expect("a value a field");
        assert_eq!(written(row, Some(&schema)), r#"{"a":1,"c":null,"by":"AQI=","dec":1.10,"def":"dd"}"#);
    }
}
