//! What is read, and what is refused.

use api::{Schema, SchemaType, Value};

use super::*;

#[test]
fn schemaless_text_is_read_as_connect_reads_it() {
    let mut plain = plain();
    let mut value = |text: &str| read(&mut plain, text).map(|datum| datum.value);
    for nothing in ["", "  ", "null"] {
        assert_eq!(value(nothing), Ok(Value::Null));
    }
    assert_eq!(value("\u{feff} 1"), Ok(Value::Int64(1)));
    assert_eq!(value("01"), Ok(Value::Int64(1)));
    assert_eq!(value("-0"), Ok(Value::Int64(0)));
    assert_eq!(value("1.0"), Ok(Value::Float64(1.0)));
    assert_eq!(value("1.5e3"), Ok(Value::Float64(1500.0)));
    assert_eq!(value("1e400"), Ok(Value::Float64(f64::INFINITY)));
    assert_eq!(value("9223372036854775807"), Ok(Value::Int64(i64::MAX)));
    assert_eq!(value(r#""\u00e4\ud83d\ude00\/\n""#), Ok("ä😀/\n".into()));
    assert_eq!(value(r#""\ud83dx""#), Ok("\u{fffd}x".into()));
    let object = Value::Map(vec![
        ("a".into(), Value::Int64(2)),
        ("b".into(), Value::Map(vec![("c".into(), Value::Array(vec![]))])),
    ]);
    assert_eq!(value(r#"{"a":1,"b":{"c":[]},"a":2}"#), Ok(object));
    assert_eq!(value(r#"[1,null,"a"]"#), Ok(Value::Array(vec![Value::Int64(1), Value::Null, "a".into()])));
}

#[test]
fn many_repeated_keys_are_found_too() {
    let entries: Vec<String> = (0..100).map(|number| format!("\"k{}\":{number}", number % 50)).collect();
    let datum = read(&mut plain(), &format!("{{{}}}", entries.join(","))).expect("valid");
    assert_eq!(
        (datum.value.as_map().map(<[_]>::len), datum.value.get("k7")),
        (Some(50), Some(&Value::Int64(57)))
    );
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let bad = [
        "{a:1}",
        "[1,]",
        "NaN",
        "nul",
        "{\"a\"",
        "{\"a\":1",
        "{\"a\":1,}",
        "\"a\tb\"",
        "'x'",
        "1.",
        ".5",
        "+1",
        "-",
        "0.1e",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "truex",
        "[1 2]",
        "{\"a\" 1}",
    ];
    for text in bad {
        let error = read(&mut plain(), text).expect_err(text);
        assert!(
            error.contains("Converting byte[] to Kafka Connect data failed due to serialization error: "),
            "{text}: {error}"
        );
    }
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&mut plain(), &deep(128)).is_ok());
    assert!(
        read(&mut plain(), &deep(100_000))
            .expect_err("too deep")
            .contains("nested deeper than 128 at byte 128")
    );
    let error = plain().to_connect_data("t", Some(Bytes::from_static(b"\"\xff\""))).expect_err("not UTF-8");
    assert!(error.to_string().contains("the bytes are not UTF-8"));
}

/// Connect drops the bits that do not fit and the text after the value, and says nothing.
#[test]
fn what_connect_loses_in_silence_is_refused() {
    assert!(read(&mut plain(), "9223372036854775808").expect_err("too large").contains("does not fit INT64"));
    assert!(
        read(&mut plain(), "{\"a\":1} junk")
            .expect_err("more text")
            .contains("there is more text after the value at byte 8")
    );
    assert!(
        payload(r#"{"type":"int8"}"#, "300").expect_err("too large").contains("Number 300 does not fit INT8")
    );
    assert!(
        payload(r#"{"type":"int32"}"#, "1.9")
            .expect_err("a fraction")
            .contains("Number 1.9 is not an integer")
    );
    assert!(
        payload(r#"{"type":"int32"}"#, "\"1\"")
            .expect_err("a text")
            .contains("Invalid type for INT32: STRING")
    );
    assert!(
        payload(r#"{"type":"string"}"#, "1")
            .expect_err("a number")
            .contains("Invalid type for STRING: NUMBER")
    );
    assert!(
        payload(r#"{"type":"boolean"}"#, "\"true\"")
            .expect_err("a text")
            .contains("Invalid type for BOOLEAN: STRING")
    );
    assert!(
        payload(r#"{"type":"double"}"#, "\"NaN\"")
            .is_ok_and(|value| matches!(value, Value::Float64(number) if number.is_nan()))
    );
}

#[test]
fn envelopes_must_be_envelopes() {
    for text in ["", "null", "1", "{}", r#"{"payload":1}"#, r#"{"schema":null,"payload":1,"x":2}"#] {
        let error = read(&mut converter(&[]), text).expect_err(text);
        let expected = "JsonConverter with schemas.enable requires \"schema\" and \"payload\" fields and may not contain additional fields. If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration.";
        assert!(error.ends_with(expected) || text.is_empty(), "{text}: {error}");
    }
    assert_eq!(payload("null", "1"), Ok(Value::Int64(1)));
    let turned = read(&mut converter(&[]), r#" {"payload":5 , "schema": {"type":"int8","optional":true} } "#)
        .expect("valid");
    assert_eq!(
        (turned.value, turned.schema),
        (Value::Int8(5), Some(Schema::plain_optional(SchemaType::Int8)))
    );
}

/// The shortcut for a schema that was just read must notice what comes after the payload.
#[test]
fn the_second_envelope_is_checked_like_the_first() {
    let mut converter = converter(&[]);
    let good = r#"{"schema":{"type":"int32"},"payload":1}"#;
    for _ in 0..2 {
        assert_eq!(read(&mut converter, good).map(|datum| datum.value), Ok(Value::Int32(1)));
    }
    let more = r#"{"schema":{"type":"int32"},"payload":1,"x":2}"#;
    assert!(
        read(&mut converter, more).expect_err("three fields").contains("may not contain additional fields")
    );
    assert!(read(&mut converter, &format!("{good} x")).is_err());
    assert!(read(&mut converter, r#"{"schema":{"type":"int32"},"payload":1"#).is_err());
}

#[test]
fn schemas_are_checked_in_connects_words() {
    let cases = [
        (r#"{"type":"foo"}"#, "1", "Unknown schema type: foo"),
        ("{}", "1", "Schema must contain 'type' field"),
        (r#"{"type":"array"}"#, "[1]", "Array schema did not specify the element type"),
        (r#"{"type":"struct"}"#, "{}", "Struct schema's \"fields\" argument is not an array."),
        (
            r#"{"type":"struct","fields":[{"type":"int32"}]}"#,
            "{}",
            "Struct schema's field name not specified properly",
        ),
        (r#"{"type":"int32","parameters":{"a":1}}"#, "1", "Schema parameters must have string values."),
        (r#"{"type":"int32"}"#, "null", "Invalid null value for required INT32 field"),
        (
            r#"{"type":"struct","fields":[{"field":"a","type":"int32"}]}"#,
            "{}",
            "Invalid null value for required INT32 field (field \"a\")",
        ),
        (
            r#"{"type":"struct","fields":[]}"#,
            "[]",
            "Structs should be encoded as JSON objects, but found ARRAY",
        ),
        (
            r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}"#,
            "[[1]]",
            "Found invalid map entry, expected length 2 but found :1",
        ),
        (
            r#"{"type":"map","keys":{"type":"string"},"values":{"type":"string"}}"#,
            "[]",
            "Maps with string fields should be encoded as JSON objects, but found ARRAY",
        ),
        (
            r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}"#,
            "{}",
            "Maps with non-string fields should be encoded as JSON array of tuples, but found OBJECT",
        ),
        (
            r#"{"type":"int32","name":"org.apache.kafka.connect.data.Date","version":1}"#,
            "\"x\"",
            "Invalid type for Date, underlying representation should be integer but was STRING",
        ),
    ];
    for (schema, value, expected) in cases {
        let error = payload(schema, value).expect_err(expected);
        assert!(error.ends_with(expected), "{error}");
    }
    assert!(
        payload(r#"{"type":"bytes"}"#, "\"A!\"").expect_err("not base64").contains("Invalid bytes field")
    );
}

#[test]
fn payloads_are_read_as_their_schema_says() {
    assert_eq!(payload(r#"{"type":"int32","default":4}"#, "null"), Ok(Value::Int32(4)));
    assert_eq!(payload(r#"{"type":"float"}"#, "1"), Ok(Value::Float32(1.0)));
    let decimal = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}"#;
    assert_eq!(payload(decimal, "1.5"), Ok(unscaled(150)));
    assert_eq!(payload(decimal, "\"AJY=\""), Ok(Value::Bytes(Bytes::from_static(&[0, 150]))));
    let pairs = payload(
        r#"{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}"#,
        r#"[[1,"a"],[2,"b"]]"#,
    );
    assert_eq!(pairs, Ok(Value::Map(vec![(1.into(), "a".into()), (2.into(), "b".into())])));
    let out_of_order = payload(
        r#"{"type":"struct","fields":[{"field":"a","type":"int32"},{"field":"b","type":"string"}]}"#,
        r#"{"z":[{}],"b":"x","a":1}"#,
    );
    let row = out_of_order.expect("valid");
    assert_eq!(row.as_struct().unwrap().values(), [Value::Int32(1), "x".into()]);
}

#[test]
fn a_schema_in_the_settings_stands_for_all_messages() {
    let mut fixed = converter(&[("schema.content", r#"{"type":"int32"}"#)]);
    assert_eq!(
        read(&mut fixed, "5").map(|datum| (datum.value, datum.schema)),
        Ok((Value::Int32(5), Some(primitive(SchemaType::Int32))))
    );
    assert!(read(&mut fixed, "5 6").is_err());
    let mut ignored = converter(&[("schemas.enable", "false"), ("schema.content", r#"{"type":"int32"}"#)]);
    assert_eq!(read(&mut ignored, "5").map(|datum| datum.value), Ok(Value::Int64(5)));
    let wrong = Props::from([
        ("schema.content".to_owned(), "{".to_owned()),
        ("decimal.format".to_owned(), "BASE64".to_owned()),
    ]);
    assert!(JsonConverter::new(&wrong).expect_err("not a schema").to_string().contains("schema.content"));
}

#[test]
fn texts_are_slices_of_the_record() {
    let bytes = Bytes::from_static(br#"{"a":"some text"}"#);
    let datum = plain().to_connect_data("t", Some(bytes.clone())).expect("valid");
    let Some(Value::String(text)) = datum.value.get("a") else { panic!("no text") };
    assert!(bytes.as_ptr_range().contains(&text.as_ptr()));
}
