//! Data written with the registry's schema instead of the value's own, and data read as another schema than it was written with.

use api::{Schema, SchemaType, Struct, Value};

use super::*;

fn row() -> SchemaAndValue {
    let schema = Schema::structure()
        .name("a.R")
        .field("id", Schema::plain(SchemaType::Int32))
        .field("name", Schema::plain_optional(SchemaType::String))
        .build();
    let row = Struct::of(schema, vec![Value::Int32(7), Value::from("x")]).unwrap();
    SchemaAndValue::of_struct(row)
}

/// What a value is when it is written with a schema of the registry and read with the same.
fn written_as(theirs: &str) -> Result<Json, Fault> {
    let (datum, options) = (row(), DataOptions::default());
    let mut out = Vec::new();
    let mut encoder = encoder::compile(datum.schema.as_ref(), &*parse::parse(theirs, &[])?, options)?;
    encoder.write(&datum.value, &mut out)?;
    Ok(to_json(&read(theirs, out, options)?)["payload"].clone())
}

#[test]
fn fields_are_written_by_name_and_what_only_avro_has_gets_its_default() {
    let theirs = r#"{"type":"record","name":"R","namespace":"a","fields":[
        {"name":"note","type":["null","string"],"default":null},
        {"name":"name","type":["string","null"]},
        {"name":"tags","type":{"type":"array","items":"string"},"default":["t"]},
        {"name":"id","type":"long"},
        {"name":"kind","type":{"type":"enum","name":"K","symbols":["A","B"]},"default":"B"},
        {"name":"size","type":{"type":"map","values":"double"},"default":{"m":1.5}},
        {"name":"at","type":{"type":"record","name":"P","fields":[{"name":"x","type":"float","default":2}]},"default":{}}]}"#;
    let expected = serde_json::json!({"note": null, "name": "x", "tags": ["t"], "id": 7, "kind": "B", "size": {"m": 1.5}, "at": {"x": 2.0}});
    assert_eq!(written_as(theirs).unwrap(), expected);
}

#[test]
fn what_cannot_be_written_as_the_registrys_schema_says_why() {
    let record =
        |fields: &str| format!(r#"{{"type":"record","name":"R","namespace":"a","fields":[{fields}]}}"#);
    let id = r#"{"name":"id","type":"int"}"#;
    for (fields, reason) in [
        (id.to_owned(), "has no field name"),
        (
            format!(r#"{id},{{"name":"name","type":"int"}}"#),
            "STRING cannot be written as int (field \"name\")",
        ),
        (
            format!(r#"{id},{{"name":"name","type":["null","string"]}},{{"name":"z","type":"int"}}"#),
            "no default for it",
        ),
    ] {
        let error = written_as(&record(&fields)).unwrap_err().into_error().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

/// A value of one schema read as another.
fn resolved(writer: &str, reader: &str, bytes: &[u8]) -> Result<Json, Fault> {
    let options = DataOptions::default();
    let (writer, reader) = (parse::parse(writer, &[])?, parse::parse(reader, &[])?);
    let schema = to_connect::ToConnect::new(options).schema(&reader, None)?;
    let decoder = decoder::compile(&writer, &reader, schema.as_ref(), options)?;
    let value = decoder.read(&Bytes::copy_from_slice(bytes), 0)?;
    Ok(to_json(&SchemaAndValue { schema, value })["payload"].clone())
}

#[test]
fn data_is_read_as_another_schema_by_avros_rules() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let written = record(
        r#"{"name":"gone","type":"string"},{"name":"n","type":"int"},{"name":"u","type":["null","int"]}"#,
    );
    let read = record(
        r#"{"name":"new","type":["null","int"],"default":null},{"name":"u","type":["null","long"]},{"name":"n","type":"double"},{"name":"d","type":"string","default":"q"}"#,
    );
    let json = resolved(&written, &read, b"\x02a\x06\x02\x08").unwrap();
    assert_eq!(json, serde_json::json!({"new": null, "u": 4, "n": 3.0, "d": "q"}));
    assert_eq!(
        resolved("\"int\"", r#"["null","string","long"]"#, b"\x08").unwrap(),
        serde_json::json!({"string": null, "long": 4})
    );
    assert_eq!(resolved(r#"["null","int"]"#, "\"int\"", b"\x02\x08").unwrap(), serde_json::json!(4));
    let enums =
        |symbols: &str, more: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{more}}}"#);
    let (wide, narrow) = (enums(r#""A","B""#, ""), enums(r#""A""#, ""));
    assert_eq!(resolved(&wide, &narrow, b"\0").unwrap(), "A");
    assert_eq!(resolved(&wide, &enums(r#""A""#, r#","default":"A""#), b"\x02").unwrap(), "A");
    for (writer, reader, bytes, reason) in [
        (wide.as_str(), narrow.as_str(), b"\x02", "has no symbol B"),
        (r#"["null","int"]"#, "\"int\"", b"\0", "data of null cannot be read as int"),
        ("\"string\"", "\"int\"", b"\0", "data of string cannot be read as int"),
        (&record(""), &record(r#"{"name":"x","type":"int"}"#), b"\0", "has no default for it"),
    ] {
        let error = resolved(writer, reader, bytes).unwrap_err().into_error().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn referenced_schemas_are_known_by_name() {
    let options = DataOptions::default();
    let part =
        r#"{"type":"record","name":"P","namespace":"b","fields":[{"name":"x","type":"int"}]}"#.to_owned();
    let whole = r#"{"type":"record","name":"R","namespace":"a","fields":[{"name":"p","type":"b.P"}]}"#;
    assert!(parse::parse(whole, &[]).is_err());
    let avro = parse::parse(whole, &[part]).unwrap();
    let schema = to_connect::ToConnect::new(options).schema(&avro, Some(3)).unwrap().unwrap();
    assert_eq!((schema.version(), schema.fields()[0].schema.name()), (Some(3), Some("b.P")));
}
