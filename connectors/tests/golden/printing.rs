//! Values and schemas as Connect's JSON converter writes them, and what differs between two of them.

use std::sync::Arc;

use api::{SchemaRef, SchemaType, Struct, Value};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value as Json, json};

/// A struct as JSON, after a check that its values fit its schema.
pub(crate) fn structure(schema: &SchemaRef, values: Vec<Value>) -> Json {
    let value = Value::Struct(Struct::of(Arc::clone(schema), values).unwrap());
    value.validate(schema).unwrap();
    value_json(&value)
}

/// A value as Connect's JSON converter writes it.
pub(crate) fn value_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Float32(number) => serde_json::from_str(&format!("{number:?}")).unwrap(),
        Value::Float64(number) => json!(number),
        Value::String(text) => json!(&**text),
        Value::Bytes(bytes) => json!(BASE64_STANDARD.encode(bytes)),
        Value::Array(items) => items.iter().map(value_json).collect(),
        Value::Struct(value) => {
            let fields = value.schema().fields().iter().zip(value.values());
            Json::Object(fields.map(|(field, value)| (field.name.to_string(), value_json(value))).collect())
        }
        integer => json!(integer.as_i64().unwrap()),
    }
}

/// A schema as Connect's JSON converter writes it.
pub(crate) fn schema_json(schema: &SchemaRef) -> Json {
    let kind = match schema.kind() {
        SchemaType::Float32 => "float".to_owned(),
        SchemaType::Float64 => "double".to_owned(),
        kind => kind.name().to_lowercase(),
    };
    let mut json = json!({"type": kind, "optional": schema.is_optional()});
    let mut put = |name: &str, value: Json| json[name] = value;
    if let Some(name) = schema.name() {
        put("name", json!(name));
    }
    if let Some(version) = schema.version() {
        put("version", json!(version));
    }
    if let Some(doc) = schema.doc() {
        put("doc", json!(doc));
    }
    if !schema.parameters().is_empty() {
        let parameters = schema.parameters().iter().map(|(name, value)| (name.to_string(), json!(&**value)));
        put("parameters", Json::Object(parameters.collect()));
    }
    if let Some(default) = schema.default_value() {
        put("default", value_json(default));
    }
    if let Some(items) = schema.value_schema() {
        put("items", schema_json(items));
    }
    if schema.kind() == SchemaType::Struct {
        let field = |field: &api::Field| {
            let mut json = schema_json(&field.schema);
            json["field"] = json!(&*field.name);
            json
        };
        put("fields", schema.fields().iter().map(field).collect());
    }
    json
}

pub(crate) fn differ(place: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(left), Json::Object(right))
            if left.keys().all(|name| right.contains_key(name)) && left.len() == right.len() =>
        {
            for (name, value) in left {
                differ(&format!("{place}.{name}"), value, &right[name], differences);
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differ(&format!("{place}[{index}]"), left, right, differences);
            }
        }
        // Java 17 prints some floats with a digit more than they need.
        (Json::Number(left), Json::Number(right)) if same_float(left, right) => {}
        _ if expected != found => {
            differences.push(format!("{place}: expected {expected:.200}, found {found:.200}"))
        }
        _ => {}
    }
}

/// Whether both are prints of the same float: of 32 bits, or of 64 up to the last bit, in which this JSON reader may err.
fn same_float(expected: &serde_json::Number, found: &serde_json::Number) -> bool {
    let (Some(left), Some(right)) = (expected.as_f64(), found.as_f64()) else { return false };
    let float = |number: &serde_json::Number| number.to_string().parse::<f32>().unwrap();
    let print =
        |number: &serde_json::Number| serde_json::from_str::<Json>(&format!("{:?}", float(number))).unwrap();
    // A float of 32 bits takes at most nine digits; more are those of a double.
    let short = |number: &serde_json::Number| {
        let digits = number.to_string();
        digits.split('e').next().is_some_and(|mantissa| mantissa.len() <= 13)
    };
    let same_32 =
        || short(expected) && float(expected) == float(found) && print(found) == Json::Number(found.clone());
    found.is_f64()
        && ((left - right).abs() <= left.abs() * f64::EPSILON || (float(found).is_finite() && same_32()))
}
