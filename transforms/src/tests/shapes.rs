//! The transforms that give a record another shape, against Kafka Connect 4.3.

use api::{Record, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Value};

use super::*;

#[test]
fn extract_field_takes_one_field() {
    assert_eq!(value(applied("ExtractField$Value", &[("field", "b")], with_struct())).value, "dd".into());
    assert_eq!(
        value(applied(
            "ExtractField$Value",
            &[("field", "b"), ("replace.null.with.default", "false")],
            with_struct()
        ))
        .value,
        Value::Null
    );
    assert_eq!(value(applied("ExtractField$Value", &[("field", "zz")], with_map())), SchemaAndValue::NULL);
    assert_eq!(
        applied("ExtractField$Value", &[("field", "zz")], with_struct()),
        Err("Unknown field: zz".to_owned())
    );
    let nested = || record(map(&[("a", Value::Map(vec![("b.c".into(), 1.into())])), ("a.b", 2.into())]));
    let v2 = |path| {
        value(applied("ExtractField$Value", &[("field", path), ("field.syntax.version", "v2")], nested()))
            .value
    };
    assert_eq!((v2("a.`b.c`"), v2("`a.b`"), v2("a.x")), (1.into(), 2.into(), Value::Null));
    assert_eq!(value(applied("ExtractField$Value", &[("field", "a.b")], nested())).value, 2.into());
}

#[test]
fn hoist_field_wraps_even_null() {
    assert_eq!(
        value(applied("HoistField$Value", &[("field", "w")], record(SchemaAndValue::NULL))),
        map(&[("w", Value::Null)])
    );
    let datum = value(applied("HoistField$Value", &[("field", "w")], with_text(false)));
    assert_eq!(fields(&datum), [("w".to_owned(), "x".into())]);
}

#[test]
fn value_to_key_copies_fields() {
    let key = |said: &str, record| {
        applied("ValueToKey", &[("fields", said)], record).map(|record| record.expect("it stays").key)
    };
    let struct_key = key("b,a", with_struct()).expect("two fields");
    assert_eq!(fields(&struct_key), [("b".to_owned(), "dd".into()), ("a".to_owned(), 1.into())]);
    assert_eq!(key("b,zz", with_map()), Ok(map(&[("b", "x".into()), ("zz", Value::Null)])));
    assert_eq!(key("zz", with_struct()), Err("Field does not exist: zz".to_owned()));
    assert!(key("a", record(SchemaAndValue::NULL)).is_err());
}

#[test]
fn flatten_joins_names() {
    let datum = value(applied("Flatten$Value", &[], with_structs()));
    let expected = [
        ("a", 1.into()),
        ("n.x", 5.into()),
        ("n.y", "yy".into()),
        ("m.x", Value::Null),
        ("m.y", Value::Null),
        ("l", Value::Null),
    ];
    assert_eq!(fields(&datum), expected.map(|(name, value)| (name.to_owned(), value)));
    let schema = datum.schema.as_ref().expect("a schema");
    assert!(schema.fields().iter().all(|field| field.schema.is_optional()) && !schema.is_optional());
    assert_eq!(schema.field("l").and_then(|(_, field)| field.schema.name()), Some("LL"));
    assert!(datum.value.validate(schema).is_ok());
    let nested = map(&[("a", 1.into()), ("m", Value::Map(vec![("x".into(), 1.into())])), ("z", Value::Null)]);
    let flat = value(applied("Flatten$Value", &[("delimiter", "_")], record(nested)));
    assert_eq!(flat, map(&[("a", 1.into()), ("m_x", 1.into()), ("z", Value::Null)]));
    let deep = (0..1000).fold(Value::Null, |inner, _| Value::Map(vec![("x".into(), inner)]));
    assert!(
        applied("Flatten$Value", &[], record(SchemaAndValue::schemaless(deep)))
            .expect_err("too deep")
            .contains("nested deeper")
    );
}

#[test]
fn flatten_errors_are_connects() {
    let maps = Schema::map(Schema::plain(SchemaType::String), Schema::plain(SchemaType::Int32)).build();
    let row = Struct::of(Schema::structure().field("m", maps).build(), vec![Value::Map(vec![])])
        .expect("one field");
    let error = "Flatten transformation does not support MAP for record with schemas (for field m).";
    assert_eq!(applied("Flatten$Value", &[], record(SchemaAndValue::of_struct(row))), Err(error.to_owned()));
    let error = "Only Map objects supported in absence of schema for [flattening], found: java.lang.String";
    assert_eq!(applied("Flatten$Value", &[], with_text(true)), Err(error.to_owned()));
}

#[test]
fn header_from_moves_and_copies() {
    let said = |operation| [("fields", "a,b"), ("headers", "ha,hb"), ("operation", operation)];
    let headers = |record: &Record| {
        record.headers.iter().map(|header| (header.key.to_string(), header.value.clone())).collect::<Vec<_>>()
    };
    let text = Schema::builder(SchemaType::String).optional().default_value("dd").build();
    let expected = [
        ("ha".to_owned(), SchemaAndValue::new(Schema::plain(SchemaType::Int32), 1.into())),
        ("hb".to_owned(), SchemaAndValue::new(text, "dd".into())),
    ];
    let moved =
        applied("HeaderFrom$Value", &said("move"), with_struct()).expect("it applies").expect("it stays");
    assert_eq!(headers(&moved), expected);
    assert_basics_kept(&moved.value);
    assert_eq!(
        fields(&moved.value).into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["by", "ts", "dec", "l"]
    );
    let copied =
        applied("HeaderFrom$Value", &said("copy"), with_struct()).expect("it applies").expect("it stays");
    assert_eq!((headers(&copied).as_slice(), copied.value), (&expected[..], with_struct().value));
    let said = [("fields", "a,q"), ("headers", "ha,hq"), ("operation", "move")];
    let moved = applied("HeaderFrom$Value", &said, with_map()).expect("it applies").expect("it stays");
    let expected =
        [("ha".to_owned(), SchemaAndValue::schemaless(1.into())), ("hq".to_owned(), SchemaAndValue::NULL)];
    assert_eq!((headers(&moved).as_slice(), moved.value), (&expected[..], map(&[("b", "x".into())])));
}

#[test]
fn header_from_errors_are_connects() {
    let error =
        |said: &[(&str, &str)], record| applied("HeaderFrom$Value", said, record).expect_err("refused");
    let uneven = [("fields", "a"), ("headers", "ha,b"), ("operation", "move")];
    assert_eq!(
        error(&uneven, with_struct()),
        "'fields' config must have the same number of elements as 'headers' config."
    );
    let even = [("fields", "zz"), ("headers", "ha"), ("operation", "copy")];
    let found = "Only Map objects supported in absence of schema for [header copy], found: null";
    assert_eq!(error(&even, record(SchemaAndValue::NULL)), found);
    assert_eq!(error(&even, with_struct()), "Unknown field: zz");
}

#[test]
fn set_schema_metadata_renames() {
    let both = [("schema.name", "z"), ("schema.version", "7")];
    let datum = value(applied("SetSchemaMetadata$Value", &both, with_struct()));
    let schema = datum.schema.as_ref().expect("a schema");
    assert_eq!(
        (schema.name(), schema.version(), schema.doc(), schema.is_optional()),
        (Some("z"), Some(7), Some("d"), true)
    );
    assert!(SchemaRef::ptr_eq(schema, datum.value.as_struct().expect("a struct").schema()));
    let text = value(applied("SetSchemaMetadata$Value", &both, with_text(false)));
    assert_eq!((text.schema.as_ref().and_then(|schema| schema.name()), text.value), (Some("z"), "x".into()));
    let tombstone = record(SchemaAndValue::NULL);
    assert_eq!(applied("SetSchemaMetadata$Value", &both, tombstone.clone()), Ok(Some(tombstone)));
    let error = applied("SetSchemaMetadata$Value", &both, with_text(true));
    assert_eq!(error, Err("Schema required for [updating schema metadata]".to_owned()));
    let error = applied("SetSchemaMetadata$Value", &[], with_struct());
    assert_eq!(error, Err("Neither schema name nor version configured".to_owned()));
}
