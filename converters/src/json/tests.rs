//! What Kafka Connect 4.3's `JsonConverter` wrote and read for the same values (its answers are the expected texts), and where we differ.

use api::{Header, HeaderConverter, Schema, SchemaType, Struct, Value, logical};
use num_bigint::BigInt;

use super::*;

mod reading;

fn converter(said: &[(&str, &str)]) -> JsonConverter {
    let props = said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    JsonConverter::new(&props).expect("valid settings")
}

fn plain() -> JsonConverter {
    converter(&[("schemas.enable", "false")])
}

fn written(converter: &mut JsonConverter, datum: &SchemaAndValue) -> Result<Option<String>, String> {
    let mut out = Vec::new();
    match converter.from_connect_data("t", datum, &mut out) {
        Ok(Converted::Bytes) => Ok(Some(String::from_utf8(out).expect("UTF-8"))),
        Ok(Converted::Null) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn text(converter: &mut JsonConverter, schema: &SchemaRef, value: impl Into<Value>) -> String {
    written(converter, &SchemaAndValue::new(SchemaRef::clone(schema), value.into()))
        .expect("fits")
        .expect("not null")
}

fn read(converter: &mut JsonConverter, text: &str) -> Result<SchemaAndValue, String> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    converter.to_connect_data("t", Some(bytes)).map_err(|error| error.to_string())
}

fn payload(schema: &str, payload: &str) -> Result<Value, String> {
    let text = format!("{{\"schema\":{schema},\"payload\":{payload}}}");
    read(&mut converter(&[]), &text).map(|datum| datum.value)
}

fn primitive(kind: SchemaType) -> SchemaRef {
    Schema::plain(kind)
}

fn unscaled(number: i64) -> Value {
    Value::Bytes(BigInt::from(number).to_signed_bytes_be().into())
}

/// A schema with everything that one can say.
fn everything() -> SchemaRef {
    let optional = Schema::plain_optional;
    let nested = Schema::structure().optional().field("x", primitive(SchemaType::String)).build();
    Schema::structure()
        .name("n.S")
        .version(3)
        .doc("d\"oc")
        .parameter("p1", "v1")
        .parameter("a", "b")
        .field("i", Schema::builder(SchemaType::Int32).optional().default_value(7).build())
        .field("s", Schema::builder(SchemaType::String).default_value("x\ty").build())
        .field("b", Schema::builder(SchemaType::Bytes).optional().default_value(vec![1_u8]).build())
        .field("dec", logical::decimal(2).optional().default_value(unscaled(100)).build())
        .field("arr", Schema::array(primitive(SchemaType::Int64)).optional().build())
        .field(
            "m",
            Schema::map(primitive(SchemaType::String), primitive(SchemaType::Float64)).optional().build(),
        )
        .field("ä", optional(SchemaType::Float32))
        .field("i8", optional(SchemaType::Int8))
        .field("i16", optional(SchemaType::Int16))
        .field("bo", optional(SchemaType::Boolean))
        .field("ts", logical::timestamp().optional().build())
        .field("n", nested)
        .build()
}

const EVERYTHING: &str = r#"{"type":"struct","fields":[{"type":"int32","optional":true,"default":7,"field":"i"},{"type":"string","optional":false,"default":"x\ty","field":"s"},{"type":"bytes","optional":true,"default":"AQ==","field":"b"},{"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"default":"ZA==","field":"dec"},{"type":"array","items":{"type":"int64","optional":false},"optional":true,"field":"arr"},{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"double","optional":false},"optional":true,"field":"m"},{"type":"float","optional":true,"field":"ä"},{"type":"int8","optional":true,"field":"i8"},{"type":"int16","optional":true,"field":"i16"},{"type":"boolean","optional":true,"field":"bo"},{"type":"int64","optional":true,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"ts"},{"type":"struct","fields":[{"type":"string","optional":false,"field":"x"}],"optional":true,"field":"n"}],"optional":false,"name":"n.S","version":3,"doc":"d\"oc","parameters":{"p1":"v1","a":"b"}}"#;

#[test]
fn a_whole_schema_and_its_defaults() {
    let schema = everything();
    let row = || Value::Struct(Struct::new(SchemaRef::clone(&schema)));
    let payload = r#"{"i":7,"s":"x\ty","b":"AQ==","dec":"ZA==","arr":null,"m":null,"ä":null,"i8":null,"i16":null,"bo":null,"ts":null,"n":null}"#;
    assert_eq!(
        text(&mut converter(&[]), &schema, row()),
        format!(r#"{{"schema":{EVERYTHING},"payload":{payload}}}"#)
    );
    assert_eq!(text(&mut plain(), &schema, row()), payload);
    let mut numeric = converter(&[("decimal.format", "numeric")]);
    let enveloped = format!(r#"{{"schema":{EVERYTHING},"payload":{payload}}}"#).replace("\"ZA==\"", "1.00");
    assert_eq!(text(&mut numeric, &schema, row()), enveloped);
}

#[test]
fn a_whole_schema_reads_back() {
    let schema = everything();
    let mut converter = converter(&[]);
    let row = Value::Struct(Struct::new(SchemaRef::clone(&schema)).with("s", "é").expect("a field"));
    let enveloped = text(&mut converter, &schema, row);
    let first = read(&mut converter, &enveloped).expect("valid");
    assert_eq!(first.schema.as_deref(), Some(&*schema));
    let second = read(&mut converter, &enveloped).expect("valid");
    assert!(SchemaRef::ptr_eq(
        first.schema.as_ref().expect("a schema"),
        second.schema.as_ref().expect("a schema")
    ));
    assert_eq!(first, second);
    let row = first.value.as_struct().expect("a struct");
    assert_eq!(
        (row.get("s"), row.get("i"), row.get("dec")),
        (Some(&"é".into()), Some(&Value::Int32(7)), Some(&unscaled(100)))
    );
}

#[test]
fn nulls_are_connects() {
    let null = |schema| SchemaAndValue::new(schema, Value::Null);
    let optional = Schema::plain_optional(SchemaType::String);
    assert_eq!(written(&mut plain(), &SchemaAndValue::NULL), Ok(None));
    assert_eq!(written(&mut converter(&[]), &SchemaAndValue::NULL), Ok(None));
    assert_eq!(written(&mut plain(), &null(SchemaRef::clone(&optional))), Ok(Some("null".to_owned())));
    let enveloped = r#"{"schema":{"type":"string","optional":true},"payload":null}"#;
    assert_eq!(written(&mut converter(&[]), &null(optional)), Ok(Some(enveloped.to_owned())));
    let refused = written(&mut plain(), &null(primitive(SchemaType::String))).expect_err("required");
    assert!(
        refused.ends_with("Conversion error: null value for field that is required and has no default value"),
        "{refused}"
    );
}

#[test]
fn defaults_do_not_replace_null_if_told_so() {
    let mut keep = converter(&[("schemas.enable", "false"), ("replace.null.with.default", "false")]);
    let optional = Schema::builder(SchemaType::Int32).optional().default_value(7).build();
    let required = Schema::structure()
        .field("s", Schema::builder(SchemaType::String).default_value("x").build())
        .build();
    assert_eq!(text(&mut keep, &optional, Value::Null), "null");
    let row = SchemaAndValue::of_struct(Struct::new(required));
    let refused = written(&mut keep, &row).expect_err("required");
    assert!(refused.ends_with("required and has no default value (field \"s\")"), "{refused}");
}

#[test]
fn primitives() {
    let mut plain = plain();
    assert_eq!(text(&mut plain, &primitive(SchemaType::Float64), 1e10), "1.0E10");
    assert_eq!(text(&mut plain, &primitive(SchemaType::Float64), f64::NAN), "\"NaN\"");
    assert_eq!(text(&mut plain, &primitive(SchemaType::Float32), f32::NEG_INFINITY), "\"-Infinity\"");
    assert_eq!(text(&mut plain, &primitive(SchemaType::Int64), i64::MIN), "-9223372036854775808");
    assert_eq!(text(&mut plain, &primitive(SchemaType::Bytes), vec![1_u8, 2, 255, 0]), "\"AQL/AA==\"");
    assert_eq!(text(&mut plain, &primitive(SchemaType::Bytes), vec![0_u8; 0]), "\"\"");
    assert_eq!(text(&mut plain, &logical::date().build(), 10_000), "10000");
    assert_eq!(text(&mut plain, &logical::decimal(2).build(), unscaled(-110)), "\"kg==\"");
    let mut numeric = converter(&[("schemas.enable", "false"), ("decimal.format", "NUMERIC")]);
    assert_eq!(text(&mut numeric, &logical::decimal(2).build(), unscaled(-110)), "-1.10");
}

#[test]
fn collections() {
    let mut plain = plain();
    let names = Schema::map(primitive(SchemaType::String), primitive(SchemaType::Int32)).build();
    let numbers = Schema::map(primitive(SchemaType::Int32), primitive(SchemaType::String)).build();
    let by_name = || Value::Map(vec![("a".into(), 1.into()), ("b".into(), 2.into())]);
    let by_number = || Value::Map(vec![(1.into(), "x".into()), (2.into(), "y".into())]);
    assert_eq!(text(&mut plain, &names, by_name()), r#"{"a":1,"b":2}"#);
    assert_eq!(text(&mut plain, &numbers, by_number()), r#"[[1,"x"],[2,"y"]]"#);
    let schemaless = |converter: &mut JsonConverter, value| {
        written(converter, &SchemaAndValue::schemaless(value)).expect("fits").expect("bytes")
    };
    assert_eq!(schemaless(&mut plain, by_name()), r#"{"a":1,"b":2}"#);
    assert_eq!(schemaless(&mut plain, by_number()), r#"[[1,"x"],[2,"y"]]"#);
    assert_eq!(schemaless(&mut plain, Value::Map(vec![(Value::Null, 1.into())])), "[[null,1]]");
    let list =
        vec![1.into(), Value::Null, "a".into(), 2.5.into(), true.into(), vec![1_u8].into(), 1.5_f32.into()];
    assert_eq!(schemaless(&mut plain, Value::Array(list)), r#"[1,null,"a",2.5,true,"AQ==",1.5]"#);
    assert_eq!(schemaless(&mut converter(&[]), "x".into()), r#"{"schema":null,"payload":"x"}"#);
    let untyped = Schema::builder(SchemaType::Array).build();
    let mixed = || Value::Array(vec![1.into(), "a".into()]);
    let enveloped = r#"{"schema":{"type":"array","items":null,"optional":false},"payload":[1,"a"]}"#;
    assert_eq!(text(&mut converter(&[]), &untyped, mixed()), enveloped);
    let empty = Schema::structure().build();
    assert_eq!(text(&mut plain, &empty, Struct::new(SchemaRef::clone(&empty))), "{}");
}

#[test]
fn what_does_not_fit_its_schema_is_named() {
    let inner = Schema::structure().field("id", primitive(SchemaType::Int64)).build();
    let outer = Schema::structure().field("after", SchemaRef::clone(&inner)).build();
    let bad = Struct::of(inner, vec!["seven".into()]).expect("one value");
    let bad = Struct::of(outer, vec![bad.into()]).expect("one value");
    let error = written(&mut plain(), &SchemaAndValue::of_struct(bad)).expect_err("a text for a number");
    assert!(error.ends_with("Invalid type for INT64: STRING (field \"after.id\")"), "{error}");
    let other = Struct::new(Schema::structure().field("x", primitive(SchemaType::Int8)).build());
    let error =
        written(&mut plain(), &SchemaAndValue::new(everything(), other.into())).expect_err("another struct");
    assert!(error.ends_with("Mismatching schema."), "{error}");
}

#[test]
fn headers_go_the_same_way() {
    let mut plain = AsHeader(plain());
    let header = Header { key: "h".into(), value: SchemaAndValue::of_text("x") };
    let mut out = Vec::new();
    assert_eq!(plain.from_connect_header("t", &header, &mut out).expect("fits"), Converted::Bytes);
    let back = plain.to_connect_header("t", "h", Some(out.into())).expect("valid");
    assert_eq!(back, SchemaAndValue::schemaless("x".into()));
    let error = plain.to_connect_header("t", "h", Some(Bytes::from_static(b"{"))).expect_err("malformed");
    assert!(error.to_string().starts_with("header \"h\": "), "{error}");
}
