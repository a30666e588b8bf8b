//! Source partitions and offsets as the JSON of the offsets topic: what Connect's `JsonConverter` writes without schemas.
//!
//! Between the offset store and the tasks; pure. Invariant: keys stand in the order of the map, without spaces, since these
//! bytes are the key of compaction.

use api::{FlatMap, Text, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value as Json};

/// The map as a JSON object. Numbers that JSON has no word for become null, as in Connect.
pub(crate) fn to_json(map: &FlatMap) -> Json {
    let entry = |(key, value): &(Text, Value)| (key.to_string(), value_to_json(value));
    Json::Object(map.entries().iter().map(entry).collect::<Map<_, _>>())
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Boolean(flag) => Json::Bool(*flag),
        Value::Int8(number) => Json::from(*number),
        Value::Int16(number) => Json::from(*number),
        Value::Int32(number) => Json::from(*number),
        Value::Int64(number) => Json::from(*number),
        Value::Float32(number) => Number::from_f64(f64::from(*number)).map_or(Json::Null, Json::Number),
        Value::Float64(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::String(text) => Json::String(text.to_string()),
        Value::Bytes(bytes) => Json::String(STANDARD.encode(bytes)),
        // A FlatMap is flat by Connect's own rule (`OffsetUtils.validateFormat`); the store checks it before it writes.
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Struct(_) => Json::Null,
    }
}

/// Whether every value is one that the offsets topic may hold; the name of the first that is not.
pub(crate) fn first_nested(map: &FlatMap) -> Option<&str> {
    let nested = |value: &Value| matches!(value, Value::Array(_) | Value::Map(_) | Value::Struct(_));
    map.entries().iter().find(|(_, value)| nested(value)).map(|(key, _)| &**key)
}

/// Reads a JSON object back. Whole numbers are INT64, as Connect's sources expect them.
pub(crate) fn from_json(json: &Json) -> Result<FlatMap, String> {
    let object = json.as_object().ok_or_else(|| format!("not a JSON object: {json}"))?;
    let mut map = FlatMap::new();
    for (key, value) in object {
        let value =
            value_from_json(value).ok_or_else(|| format!("\"{key}\" is not a plain value: {value}"))?;
        map.set(Text::from(key.as_str()), value);
    }
    Ok(map)
}

fn value_from_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int64(whole),
            None => Value::Float64(number.as_f64()?),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(_) | Json::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_whole_numbers_survive() {
        let map = FlatMap::new().with("z", 1_i64).with("a", "x").with("m", Value::Null).with("b", true);
        let json = to_json(&map);
        assert_eq!(json.to_string(), r#"{"z":1,"a":"x","m":null,"b":true}"#);
        assert_eq!(from_json(&json).unwrap(), map);
    }

    #[test]
    fn nested_values_are_named() {
        assert!(from_json(&serde_json::json!({ "a": [1] })).unwrap_err().contains("\"a\""));
        let map = FlatMap::new().with("a", 1).with("deep", vec![Value::Int8(1)]);
        assert_eq!(first_nested(&map), Some("deep"));
    }
}
