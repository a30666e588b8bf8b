//! Options whose schemas the golden data does not hold: their forms are those of Confluent's documentation and code.

use super::*;

/// A row of such fields, each null if it may be.
fn shape(fields: &Json, parameters: &Json) -> SchemaAndValue {
    let value = |field: &Json| match field["type"].as_str() {
        _ if field["optional"] == true => Json::Null,
        Some("string") => "RED".into(),
        _ => 3.into(),
    };
    let payload = fields.as_array().unwrap().iter();
    let payload: serde_json::Map<_, _> =
        payload.map(|field| (field["field"].as_str().unwrap().to_owned(), value(field))).collect();
    of_json(&serde_json::json!({
        "schema": {"type": "struct", "name": "a.R", "optional": false, "fields": fields, "parameters": parameters},
        "payload": payload,
    }))
}

fn text(fields: &Json, parameters: &Json, options: DataOptions) -> String {
    avro(shape(fields, parameters).schema.as_ref(), options).unwrap().1
}

#[test]
fn a_null_stays_null_where_defaults_are_to_be_ignored() {
    let fields = serde_json::json!([{"field": "x", "type": "string", "optional": true, "default": "d"}]);
    let datum = shape(&fields, &serde_json::json!({}));
    let ignoring = DataOptions { ignore_default_for_nullables: true, ..DataOptions::default() };
    assert_eq!(written(&datum, ignoring).unwrap(), Some(vec![2]), "the second member is null");
    assert_eq!(written(&datum, DataOptions::default()).unwrap(), Some(b"\0\x02d".to_vec()));
}

#[test]
fn general_enums_are_enums_with_that_option_only() {
    let mark = "org.apache.kafka.connect.data.Enum";
    let parameters =
        serde_json::json!({mark: "a.Color", format!("{mark}.RED"): "0", format!("{mark}.BLUE"): "1"});
    let fields = serde_json::json!([{"field": "c", "type": "string", "optional": false, "default": "RED", "name": "a.Color", "parameters": parameters}]);
    let general = DataOptions { generalized: true, ..DataOptions::default() };
    let avro = text(&fields, &serde_json::json!({}), general);
    assert!(avro.contains(r#"{"type":"enum","name":"Color","symbols":["RED","BLUE"]"#), "{avro}");
    let back = read(&avro, vec![2], general).unwrap();
    let schema = back.schema.unwrap();
    let field = &schema.fields()[0].schema;
    assert_eq!(
        (field.parameter(mark), field.parameter(&format!("{mark}.BLUE"))),
        (Some("a.Color"), Some("1"))
    );
    assert!(text(&fields, &serde_json::json!({}), DataOptions::default()).contains(r#"{"type":"string""#));
}

#[test]
fn docs_stand_with_fields_when_types_are_to_have_none() {
    let fields = serde_json::json!([{"field": "x", "type": "int32", "optional": false, "doc": "own"}]);
    let parameters = serde_json::json!({"connect.record.doc": "the record"});
    let discarding = DataOptions { discard_type_doc_default: true, ..DataOptions::default() };
    let avro = text(&fields, &parameters, discarding);
    assert!(avro.contains(r#""doc":"the record""#) && avro.contains(r#"},"doc":"own"}"#), "{avro}");
    let back = read(&avro, vec![2], discarding).unwrap().schema.unwrap();
    assert_eq!(
        (back.parameter("connect.record.doc"), back.fields()[0].schema.doc()),
        (Some("the record"), Some("own"))
    );
}

#[test]
fn names_are_scrubbed_in_schemas_and_found_again() {
    let fields = serde_json::json!([{"field": "a-b", "type": "int32", "optional": false, "default": 3}]);
    let scrubbing = DataOptions { scrub: true, ..DataOptions::default() };
    let avro = text(&fields, &serde_json::json!({}), scrubbing);
    assert!(avro.contains(r#"{"name":"a_b","#), "{avro}");
    assert_eq!(written(&shape(&fields, &serde_json::json!({})), scrubbing).unwrap(), Some(vec![6]));
}

#[test]
fn general_unions_have_numbered_fields() {
    let general = DataOptions { generalized: true, ..DataOptions::default() };
    let back =
        read(r#"["int","string",{"type":"record","name":"R","fields":[]}]"#, b"\x02\x02s".to_vec(), general)
            .unwrap();
    let payload = to_json(&back)["payload"].clone();
    let expected = serde_json::json!({"connect_union_field_0": null, "connect_union_field_1": "s", "connect_union_field_2": null});
    assert_eq!(payload, expected);
    assert_eq!(written(&back, general).unwrap(), Some(b"\x02\x02s".to_vec()), "and are unions again");
}

#[test]
fn what_avro_cannot_tell_apart_in_a_union_is_refused() {
    // An enum is text here, and the union has text already.
    let union = r#"["string",{"type":"enum","name":"E","symbols":["A"]}]"#;
    let datum = read(union, b"\x02\0".to_vec(), DataOptions::default()).unwrap();
    let error = written(&datum, DataOptions::default()).unwrap_err().into_error().to_string();
    assert!(error.contains("string twice in a union") && error.contains("(field \"E\")"), "{error}");
    let enhanced = DataOptions { enhanced: true, ..DataOptions::default() };
    let datum = read(union, b"\x02\0".to_vec(), enhanced).unwrap();
    assert_eq!(written(&datum, enhanced).unwrap(), Some(b"\x02\0".to_vec()));
}
