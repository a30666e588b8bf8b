//! InsertField, ReplaceField and MaskField against Kafka Connect 4.3.

use api::{Record, SchemaAndValue, Value, logical};

use super::*;

#[test]
fn insert_field_adds_fields_in_connects_order() {
    let said = [
        ("topic.field", "t!"),
        ("partition.field", "p"),
        ("timestamp.field", "tt?"),
        ("static.field", "s!"),
        ("static.value", "sv"),
    ];
    let datum = value(applied("InsertField$Value", &said, with_struct()));
    assert_basics_kept(&datum);
    let inserted: Vec<(String, Value)> = fields(&datum).into_iter().skip(6).collect();
    let expected =
        [("t", "topic".into()), ("p", Value::Int32(3)), ("tt", Value::Int64(1234)), ("s", "sv".into())];
    assert_eq!(inserted, expected.map(|(name, value)| (name.to_owned(), value)));
    let schema = datum.schema.as_ref().expect("a schema");
    let optional: Vec<bool> =
        schema.fields().iter().skip(6).map(|field| field.schema.is_optional()).collect();
    assert_eq!(optional, [false, true, true, false]);
    assert_eq!(schema.field("tt").and_then(|(_, field)| field.schema.name()), Some(logical::TIMESTAMP));
    assert_eq!(field(&datum, "b"), "dd".into());
    let kept = value(applied(
        "InsertField$Value",
        &[("topic.field", "t"), ("replace.null.with.default", "false")],
        with_struct(),
    ));
    assert_eq!(field(&kept, "b"), Value::Null);
}

#[test]
fn insert_field_into_maps_and_null() {
    let said =
        [("topic.field", "t!"), ("timestamp.field", "tt"), ("static.field", "a"), ("static.value", "sv")];
    let datum = value(applied("org.apache.kafka.connect.transforms.InsertField$Value", &said, with_map()));
    assert_eq!(
        datum,
        map(&[("a", "sv".into()), ("b", "x".into()), ("t", "topic".into()), ("tt", Value::Int64(1234))])
    );
    let tombstone = record(SchemaAndValue::NULL);
    assert_eq!(applied("InsertField$Value", &said, tombstone.clone()), Ok(Some(tombstone)));
    let without = Record { partition: None, timestamp: None, ..with_map() };
    let datum =
        value(applied("InsertField$Value", &[("partition.field", "p!"), ("timestamp.field", "t")], without));
    assert_eq!(datum, with_map().value);
}

#[test]
fn insert_field_offset_is_for_sinks() {
    let offset = [("offset.field", "o!")];
    let from_kafka = Record { kafka_offset: Some(77), ..with_struct() };
    assert_eq!(field(&value(applied("InsertField$Value", &offset, from_kafka)), "o"), Value::Int64(77));
    let error = "Only SinkRecord supported for [field insertion], found: org.apache.kafka.connect.source.SourceRecord";
    assert_eq!(applied("InsertField$Value", &offset, with_struct()), Err(error.to_owned()));
}

#[test]
fn insert_field_errors_are_connects() {
    let topic: &[(&str, &str)] = &[("topic.field", "t")];
    let none: &[(&str, &str)] = &[];
    let cases = [
        (
            "InsertField$Value",
            topic,
            with_text(true),
            "Only Map objects supported in absence of schema for [field insertion], found: java.lang.String",
        ),
        (
            "InsertField$Value",
            topic,
            with_text(false),
            "Only Struct objects supported for [field insertion], found: java.lang.String",
        ),
        (
            "InsertField$Key",
            topic,
            with_struct(),
            "Only Struct objects supported for [field insertion], found: java.lang.String",
        ),
        (
            "InsertField$Value",
            &[("topic.field", "a")],
            with_struct(),
            "Cannot create field because of field name duplication a",
        ),
        ("InsertField$Value", none, with_struct(), "No field insertion configured"),
        ("InsertField$Value", &[("static.value", "x")][..], with_struct(), "No field insertion configured"),
    ];
    for (class, said, record, error) in cases {
        assert_eq!(applied(class, said, record), Err(error.to_owned()));
    }
    let error = applied("InsertField$Value", &[("static.field", "x")], with_struct()).expect_err("no value");
    assert_eq!(
        error,
        "Invalid value null for configuration static.value: No value specified for static field: x"
    );
}

#[test]
fn replace_field_drops_and_renames() {
    let names = |datum: &SchemaAndValue| fields(datum).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let datum =
        value(applied("ReplaceField$Value", &[("exclude", "by,l"), ("renames", "a:z")], with_struct()));
    assert_basics_kept(&datum);
    assert_eq!(names(&datum), ["z", "b", "ts", "dec"]);
    assert_eq!((field(&datum, "z"), field(&datum, "b")), (1.into(), "dd".into()));
    let datum =
        value(applied("ReplaceField$Value", &[("include", "a,b,by"), ("exclude", "by")], with_struct()));
    assert_eq!(names(&datum), ["a", "b"]);
    let datum = value(applied(
        "ReplaceField$Value",
        &[("include", "b"), ("replace.null.with.default", "false")],
        with_struct(),
    ));
    assert_eq!(fields(&datum), [("b".to_owned(), Value::Null)]);
    let datum = value(applied("ReplaceField$Value", &[("exclude", "a"), ("renames", "b:c,x:y")], with_map()));
    assert_eq!(datum, map(&[("c", "x".into())]));
    assert_eq!(
        value(applied("ReplaceField$Value", &[("renames", "a:b")], with_map())),
        map(&[("b", "x".into())])
    );
    let tombstone = record(SchemaAndValue::NULL);
    assert_eq!(applied("ReplaceField$Value", &[("exclude", "a")], tombstone.clone()), Ok(Some(tombstone)));
}

#[test]
fn replace_field_errors_are_connects() {
    let said = |renames| [("renames", renames)];
    for wrong in ["a", "a:b:c", "a:", ":b"] {
        let expected =
            format!("Invalid value {wrong} for configuration renames: Invalid rename mapping: {wrong}");
        assert_eq!(applied("ReplaceField$Value", &said(wrong), with_struct()), Err(expected));
    }
    let error = "Cannot create field because of field name duplication b";
    assert_eq!(applied("ReplaceField$Value", &said("a:b"), with_struct()), Err(error.to_owned()));
    let error =
        "Only Map objects supported in absence of schema for [field replacement], found: java.lang.String";
    assert_eq!(applied("ReplaceField$Value", &said("a:b"), with_text(true)), Err(error.to_owned()));
}

#[test]
fn mask_field_puts_the_empty_value_of_the_type() {
    let datum = value(applied("MaskField$Value", &[("fields", "a,b,ts,dec,l,zz")], with_struct()));
    assert!(datum.schema.as_ref().is_some_and(|schema| **schema == *row_schema()));
    let masked =
        [0.into(), "".into(), vec![1_u8].into(), 0_i64.into(), vec![0_u8].into(), Value::Array(vec![])];
    assert_eq!(fields(&datum).into_iter().map(|(_, value)| value).collect::<Vec<_>>(), masked);
    let datum = value(applied("MaskField$Value", &[("fields", "a,b,zz")], with_map()));
    assert_eq!(datum, map(&[("a", 0.into()), ("b", "".into()), ("zz", Value::Null)]));
    let datum = value(applied(
        "MaskField$Value",
        &[("fields", "t,m")],
        record(map(&[("t", true.into()), ("m", Value::Map(vec![]))])),
    ));
    assert_eq!(datum, map(&[("t", false.into()), ("m", Value::Map(vec![]))]));
}

#[test]
fn mask_field_replacements() {
    let datum =
        value(applied("MaskField$Value", &[("fields", "a,b,dec"), ("replacement", "7")], with_struct()));
    assert_eq!((field(&datum, "a"), field(&datum, "b")), (7.into(), "7".into()));
    let Value::Bytes(unscaled) = field(&datum, "dec") else { panic!("not a decimal") };
    assert_eq!(unscaled.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)), 700);
    let error = |fields: &'static str, replacement: &'static str| {
        applied("MaskField$Value", &[("fields", fields), ("replacement", replacement)], with_struct())
            .expect_err("refused")
    };
    assert_eq!(error("a", "x"), "Unable to convert x (class java.lang.String) to a number");
    assert_eq!(error("dec", "x"), "Unable to convert x (class java.lang.String) to a number");
    assert_eq!(error("ts", "7"), "Cannot mask value of type class java.util.Date with custom replacement.");
    assert_eq!(error("b", ""), "Invalid value  for configuration replacement: String must be non-empty");
}

/// A field that was named must not go through unmasked.
#[test]
fn mask_field_refuses_what_it_cannot_mask() {
    let error = applied("MaskField$Value", &[("fields", "by")], with_struct());
    assert_eq!(error, Err("Cannot mask value of type: class [B".to_owned()));
    let error = applied("MaskField$Value", &[], with_struct()).expect_err("no fields");
    assert_eq!(error, "Missing required configuration \"fields\" which has no default value.");
    let error = applied("MaskField$Value", &[("fields", "t")], record(SchemaAndValue::NULL));
    assert_eq!(
        error,
        Err("Only Map objects supported in absence of schema for [mask fields], found: null".to_owned())
    );
}
