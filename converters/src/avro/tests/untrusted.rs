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

/// Many names in a list, each made of its number.
fn listed(count: usize, one: impl Fn(usize) -> String) -> String {
    (0..count).map(one).collect::<Vec<_>>().join(",")
}

#[test]
fn values_that_the_data_has_no_bytes_for_end() {
    // A byte of the data is a struct of a thousand fields, as a union and by the defaults of the reader's schema.
    let members = listed(1_000, |number| format!(r#"{{"type":"record","name":"R{number}","fields":[]}}"#));
    let unions = format!(r#"{{"type":"array","items":[{members}]}}"#);
    let narrow =
        r#"{"type":"array","items":{"type":"record","name":"R","fields":[{"name":"n","type":"boolean"}]}}"#;
    let fields = listed(1_000, |number| format!(r#"{{"name":"f{number}","type":"int","default":7}}"#));
    let wide = format!(r#"{{"type":"array","items":{{"type":"record","name":"R","fields":[{fields}]}}}}"#);
    let data = |items: usize| {
        let mut data = Vec::new();
        crate::avro::wire::put_length(items, &mut data);
        data.resize(data.len() + items + 1, 0);
        Bytes::from(data)
    };
    for (writer, reader) in [(&*unions, &*unions), (narrow, &*wide)] {
        let (writer, reader) = (parse::parse(writer, &[]).unwrap(), parse::parse(reader, &[]).unwrap());
        let options = DataOptions::default();
        let schema = to_connect::ToConnect::new(options).schema(&reader, None).unwrap();
        let decoder = decoder::compile(&writer, &reader, schema.as_ref(), options).unwrap();
        assert!(decoder.read(&data(900), 0).is_ok());
        let error = decoder.read(&data(2_000), 0).unwrap_err().into_error().to_string();
        assert!(error.contains("values that take no bytes"), "{error}");
    }
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
    let zeros = listed(1_000, |number| format!(r#"{{"name":"f{number}","type":"int","default":0}}"#));
    let defaults = format!(
        r#"{{"name":"a","type":{{"type":"array","items":{}}},"default":[{}]}}"#,
        record("P", &zeros),
        listed(1_000, |_| "{}".to_owned())
    );
    let symbols = listed(10_001, |number| format!(r#""S{number}""#));
    let properties = listed(10_001, |number| format!(r#""p{number}":"""#));
    for (text, reason) in [
        (&*record("R", &defaults), "parts of defaults"),
        (
            &*format!(
                r#"{{"type":"array","items":{},"connect.default":[{}]}}"#,
                record("P", &zeros),
                listed(1_000, |_| "{}".to_owned())
            ),
            "parts of defaults",
        ),
        (&*format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#), "10001 symbols in one type"),
        (
            &*format!(r#"{{"type":"int","connect.parameters":{{{properties}}}}}"#),
            "10001 entries of a property",
        ),
        (&*format!("[{}]", listed(10_001, |_| "\"int\"".to_owned())), "10001 members in one type"),
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
