//! Data and schemas from nobody who means well: each is an error that says what, and none costs more than it is worth.

use super::*;

fn refused(text: &str, bytes: &[u8]) -> String {
    read(text, bytes.to_vec(), DataOptions::default()).unwrap_err().into_error().to_string()
}

#[test]
fn torn_and_lying_data_is_refused() {
    let record = r#"{"type":"record","name":"R","fields":[{"name":"s","type":["null","string"]},{"name":"l","type":{"type":"array","items":"long"}}]}"#;
    for (bytes, reason) in [
        (&b""[..], "truncated"),
        (b"\x02\x04a", "a length of 2 where 1 bytes are left (field \"s\")"),
        (b"\x02\x01", "a length of -1"),
        (b"\x04", "member 2 of a union of 2"),
        (b"\x01", "member -1 of a union of 2"),
        (b"\x02\x02\xff", "UTF-8"),
        (b"\x00\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated"),
        (b"\x00\x02", "truncated"),
    ] {
        let error = refused(record, bytes);
        assert!(error.contains(reason), "{bytes:?}: {error}");
    }
    assert!(refused("\"int\"", b"\xff\xff\xff\xff\xff\x01").contains("more than 32 bits"));
    assert!(refused("\"boolean\"", b"\x02").contains("no boolean"));
    assert!(refused(r#"{"type":"int","connect.type":"int8"}"#, b"\x80\x04").contains("more than the 8 bits"));
    assert!(
        refused(r#"{"type":"enum","name":"E","symbols":["A"]}"#, b"\x02")
            .contains("symbol 1 of an enum of 1")
    );
}

#[test]
fn items_without_bytes_end() {
    let empty = r#"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#;
    assert!(refused(empty, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01").contains("take no bytes"));
    let fixed = r#"{"type":"array","items":{"type":"fixed","name":"F","size":0}}"#;
    assert!(refused(fixed, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01").contains("take no bytes"));
}

#[test]
fn schemas_that_are_none_or_too_much_are_refused() {
    let deep = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(100), "}".repeat(100));
    let record =
        |name: &str, fields: &str| format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
    // Each record has the one before twice.
    let mut bomb = record("R0", r#"{"name":"a","type":"int"}"#);
    for level in 1..40 {
        let fields = format!(r#"{{"name":"a","type":{bomb}}},{{"name":"b","type":"R{}"}}"#, level - 1);
        bomb = record(&format!("R{level}"), &fields);
    }
    for (text, reason) in [
        ("", "not JSON"),
        ("7", "no Avro schema"),
        ("\"nobody\"", "not a defined name"),
        ("{}", "without \"type\""),
        (r#"{"type":"record","name":"R"}"#, "no list of fields"),
        (r#"{"type":"record","fields":[]}"#, "without \"name\""),
        (r#"{"type":"fixed","name":"F","size":99999999999}"#, "no size up to"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "no size up to"),
        (r#"{"type":"enum","name":"E","symbols":[1]}"#, "no list of symbols"),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"R"}]}"#, "itself within itself"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "two fields a",
        ),
        (
            r#"["int",{"type":"record","name":"R","fields":[]},{"type":"record","name":"R","fields":[]}]"#,
            "Can't redefine",
        ),
        ("\"null\"", "Standalone null"),
        (&deep, "levels deep"),
        (&bomb, "stands for more than"),
    ] {
        let error = refused(text, b"\0");
        assert!(error.contains(reason), "{text:.60}: {error}");
    }
}

#[test]
fn two_types_of_one_name_are_refused_when_writing() {
    // Avro's Java library writes the second as if it were the first, and the reader gets the wrong fields.
    let part = |field: &str| serde_json::json!({"type": "struct", "name": "same", "optional": false, "fields": [{"field": field, "type": "int32", "optional": false}]});
    let mut fields = vec![part("x"), part("y")];
    fields[0]["field"] = "a".into();
    fields[1]["field"] = "b".into();
    let datum = of_json(&serde_json::json!({
        "schema": {"type": "struct", "name": "x", "optional": false, "fields": fields},
        "payload": {"a": {"x": 1}, "b": {"y": 1}},
    }));
    let error = avro(datum.schema.as_ref(), DataOptions::default()).unwrap_err().into_error().to_string();
    assert!(error.contains("Can't redefine: same"), "{error}");
}
