//! Keys and values for people: JSON is indented, Connect's envelope of schema and payload becomes a line of types and the payload.
//!
//! Pure. Invariant: nothing that comes out can steer a terminal; the depth of what is drawn is bounded by the JSON reader (128).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A key, value or header.
pub(super) fn text(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "(null)".to_owned() };
    let Ok(said) = std::str::from_utf8(bytes) else { return format!("(base64) {}", STANDARD.encode(bytes)) };
    match serde_json::from_str::<Value>(said) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => json(&value),
        _ => plain(said),
    }
}

/// Text whose control characters are escaped, lines and tabs apart.
pub(super) fn plain(said: &str) -> String {
    let escaped = |it: char| match it {
        '\n' | '\t' => it.to_string(),
        it if it.is_control() => it.escape_default().to_string(),
        it => it.to_string(),
    };
    said.chars().map(escaped).collect()
}

fn json(value: &Value) -> String {
    match (value.get("schema"), value.get("payload"), value.as_object()) {
        (Some(schema @ Value::Object(_)), Some(payload), Some(envelope)) if envelope.len() == 2 => {
            format!("schema {}\n{}", plain(&schema_text(schema)), indented(payload))
        }
        _ => indented(value),
    }
}

fn indented(value: &Value) -> String {
    plain(&format!("{value:#}"))
}

/// `struct shop.Order {id: int32, note: string?}`; a question mark says that null is possible.
fn schema_text(schema: &Value) -> String {
    let word = |name: &str| schema.get(name).and_then(Value::as_str);
    let mark = if schema.get("optional").and_then(Value::as_bool) == Some(true) { "?" } else { "" };
    let kind = word("type").unwrap_or("any");
    let inner = |name: &str| schema.get(name).map_or_else(|| "any".to_owned(), schema_text);
    let shape = match kind {
        "struct" => {
            let fields =
                schema.get("fields").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let field = |it: &Value| {
                format!("{}: {}", it.get("field").and_then(Value::as_str).unwrap_or("?"), schema_text(it))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        "array" => format!("[{}]", inner("items")),
        "map" => format!("<{}, {}>", inner("keys"), inner("values")),
        _ => String::new(),
    };
    let name = word("name").map(|name| format!(" {name}")).unwrap_or_default();
    let gap = if kind == "struct" { " " } else { "" };
    format!("{kind}{name}{mark}{gap}{shape}")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn an_envelope_becomes_types_and_payload() {
        let value = r#"{"schema":{"type":"struct","name":"shop.Order","optional":false,"fields":[
            {"field":"id","type":"int32","optional":false},{"field":"at","type":"int64","name":"Timestamp","optional":true},
            {"field":"tags","type":"array","items":{"type":"string"},"optional":true}]},"payload":{"id":7}}"#;
        let expected = "schema struct shop.Order {id: int32, at: int64 Timestamp?, tags: array?[string]}\n{\n  \"id\": 7\n}";
        assert_eq!(text(Some(value.as_bytes())), expected);
    }

    #[test]
    fn other_values_are_shown_as_they_are() {
        assert_eq!(text(Some(br#"{"a":1}"#)), "{\n  \"a\": 1\n}");
        assert_eq!(text(Some(b"17")), "17");
        assert_eq!(text(Some(b"a\x1b[31m\tb")), "a\\u{1b}[31m\tb");
        assert_eq!(text(Some(&[0xff])), "(base64) /w==");
        assert_eq!(text(None), "(null)");
    }
}
