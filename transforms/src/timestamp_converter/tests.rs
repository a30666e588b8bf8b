//! TimestampConverter against Kafka Connect 4.3: a table of conversions and patterns, and the shapes that schemas take.

use super::*;
use crate::tests::{applied, of_kind, shown, transform};

const CLASS: &str = "TimestampConverter$Value";

fn applied_to(said: &[(&str, &str)], value: SchemaAndValue) -> std::result::Result<SchemaAndValue, String> {
    applied(CLASS, said, Record { value, ..Record::default() }).map(|record| record.expect("it stays").value)
}

/// The value as the table has it: dates in milliseconds.
fn shown_in_ms(datum: &SchemaAndValue) -> String {
    match (datum.schema.as_ref().and_then(|schema| schema.name()), &datum.value) {
        (Some(logical::DATE), Value::Int32(days)) => (i64::from(*days) * DAY_MS).to_string(),
        (_, value) => shown(value),
    }
}

#[test]
fn every_conversion_is_connects() {
    for line in include_str!("golden.txt").lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [settings, input, expected] = columns[..] else { panic!("three columns: {line}") };
        let settings: Vec<&str> = settings.split('|').collect();
        let [target, format, precision] = settings[..] else { panic!("three settings: {line}") };
        let precision = if precision.is_empty() { "milliseconds" } else { precision };
        let said = [("target.type", target), ("format", format), ("unix.precision", precision)];
        let (kind, text) = input.split_once(' ').expect("a type and a value");
        match applied_to(&said, of_kind(kind, text)) {
            Ok(datum) => assert_eq!(shown_in_ms(&datum), expected, "{line}"),
            Err(error) => {
                assert_eq!(expected, "!", "{line}: {error}");
                let told =
                    format!("Could not parse timestamp: value ({text}) does not match pattern ({format})");
                assert_eq!(error, told);
            }
        }
    }
}

fn row() -> SchemaAndValue {
    let schema = Schema::structure()
        .optional()
        .name("n.S")
        .field("a", Schema::plain(SchemaType::Int32))
        .field("ts", logical::timestamp().optional().build())
        .field("tz", logical::timestamp().default_value(5_i64).build())
        .build();
    let values = vec![7.into(), 1500_i64.into(), Value::Null];
    SchemaAndValue::of_struct(Struct::of(schema, values).expect("a value a field"))
}

#[test]
fn a_field_changes_its_schema_and_no_other_does() {
    let said = [("field", "ts"), ("target.type", "unix"), ("unix.precision", "seconds")];
    let after = applied_to(&said, row()).expect("it applies");
    let schema = after.schema.as_ref().expect("a schema");
    assert_eq!((schema.name(), schema.is_optional()), (Some("n.S"), true));
    let field = |name: &str| SchemaRef::clone(&schema.field(name).expect("a field").1.schema);
    assert_eq!(field("ts"), Schema::plain_optional(SchemaType::Int64));
    assert_eq!(field("tz"), logical::timestamp().default_value(5_i64).build());
    let values = after.value.as_struct().expect("a struct").values();
    assert_eq!(values, [7.into(), Value::Int64(1), Value::Int64(5)]);
    let said = [("field", "tz"), ("target.type", "string"), ("format", "S")];
    let after = applied_to(&said, row()).expect("it applies");
    let schema = after.schema.as_ref().expect("a schema");
    let tz = &schema.field("tz").expect("a field").1.schema;
    assert_eq!(*tz, Schema::plain(SchemaType::String), "the default is gone");
    assert_eq!(after.value.as_struct().and_then(|row| row.get("tz")), Some(&"5".into()));
    let absent = applied_to(&[("field", "zz"), ("target.type", "unix")], row()).expect("it applies");
    assert_eq!(absent.schema, row().schema);
}

#[test]
fn null_goes_through_with_the_new_schema() {
    let null = |schema: SchemaRef| SchemaAndValue::new(schema, Value::Null);
    let before = logical::timestamp().optional().doc("x").default_value(7_i64).build();
    let after = applied_to(&[("target.type", "unix")], null(before));
    assert_eq!(after, Ok(null(Schema::plain_optional(SchemaType::Int64))));
    let before = row().schema.expect("a schema");
    let after = applied_to(&[("field", "ts"), ("target.type", "unix")], null(before)).expect("it applies");
    assert!(after.value.is_null());
    let field = after.schema.as_ref().and_then(|schema| schema.field("ts")).expect("a field").1.schema.kind();
    assert_eq!(field, SchemaType::Int64);
    for field in ["", "a"] {
        let said = [("field", field), ("target.type", "unix")];
        assert_eq!(applied_to(&said, SchemaAndValue::NULL), Ok(SchemaAndValue::NULL));
    }
    let said = [("field", "ts"), ("target.type", "unix"), ("replace.null.with.default", "false")];
    let error = "Invalid value: null used for required field: \"tz\", schema type: INT64";
    assert_eq!(applied_to(&said, row()), Err(error.to_owned()));
}

#[test]
fn the_default_of_a_struct_is_converted_too() {
    let plain = Schema::structure().field("t", logical::timestamp().build()).build();
    let default = Struct::of(SchemaRef::clone(&plain), vec![2000_i64.into()]).expect("one field");
    let schema = plain.to_builder().default_value(default.clone()).build();
    let said = [("field", "t"), ("target.type", "unix"), ("unix.precision", "seconds")];
    let after = applied_to(&said, SchemaAndValue::new(schema, default.into())).expect("it applies");
    let default = after.schema.as_ref().and_then(|schema| schema.default_value()).and_then(Value::as_struct);
    assert_eq!(default.expect("a default").values(), [Value::Int64(2)]);
}

#[test]
fn maps_are_read_by_the_types_of_their_values() {
    let map = |entries: &[(&str, Value)]| {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned().into(), value.clone()));
        SchemaAndValue::schemaless(Value::Map(entries.collect()))
    };
    let before = map(&[("i", 1.into()), ("l", 5_i64.into()), ("s", "2009".into())]);
    let converted = |field, target| {
        applied_to(&[("field", field), ("target.type", target), ("format", "yyyy")], before.clone())
    };
    let with = |field, value: Value| {
        let mut entries = vec![("i", 1.into()), ("l", 5_i64.into()), ("s", "2009".into())];
        match entries.iter_mut().find(|(name, _)| *name == field) {
            Some(entry) => entry.1 = value,
            None => entries.push((field, value)),
        }
        Ok(map(&entries))
    };
    assert_eq!(converted("l", "string"), with("l", "1970".into()));
    assert_eq!(converted("s", "unix"), with("s", 1_230_768_000_000_i64.into()));
    assert_eq!(converted("zz", "unix"), with("zz", Value::Null));
    let error = "TimestampConverter does not support class java.lang.Integer objects as timestamps";
    assert_eq!(converted("i", "unix"), Err(error.to_owned()));
}

#[test]
fn errors_are_connects() {
    let error = |said: &[(&str, &str)], datum| applied_to(said, datum).expect_err("refused");
    let unix = [("target.type", "unix"), ("field", "a")];
    let unknown = "Schema Schema{INT32} does not correspond to a known timestamp type format";
    assert_eq!(error(&unix, row()), unknown);
    let whole = "Schema Schema{n.S:STRUCT} does not correspond to a known timestamp type format";
    assert_eq!(error(&unix[..1], row()), whole);
    let purpose = "[converting timestamp formats], found: java.lang.String";
    let text = SchemaAndValue::of_text;
    assert_eq!(error(&unix, text("x")), format!("Only Struct objects supported for {purpose}"));
    let schemaless = SchemaAndValue::schemaless("x".into());
    let expected = format!("Only Map objects supported in absence of schema for {purpose}");
    assert_eq!(error(&unix, schemaless), expected);
    assert!(error(&unix[..1], text("2009")).contains("the option format does not say"));
    let far = SchemaAndValue::new(logical::timestamp().build(), i64::MAX.into());
    assert!(error(&[("target.type", "Date")], far).contains("beyond what a Date holds"));
}

#[test]
fn wrong_settings_are_told_at_once() {
    let error = |said: &[(&str, &str)]| transform(CLASS, said).err().expect("refused");
    let required = "TimestampConverter requires format option to be specified when using string timestamps";
    assert_eq!(error(&[("target.type", "string"), ("format", " ")]), required);
    assert!(
        error(&[("target.type", "unix"), ("format", "yyyyj")])
            .ends_with("yyyyj: Illegal pattern character 'j'")
    );
    assert_eq!(
        error(&[("target.type", "date")]),
        "Invalid value date for configuration target.type: String must be one of: string, unix, Date, Time, Timestamp"
    );
    assert!(error(&[("target.type", "unix"), ("unix.precision", "Seconds")]).contains("unix.precision"));
    assert!(error(&[]).contains("\"target.type\""));
}

/// The converter behind finds the schema that it knows.
#[test]
fn schemas_are_derived_once() {
    for said in [[("target.type", "Date"), ("field", "")], [("target.type", "Date"), ("field", "ts")]] {
        let mut transform = transform(CLASS, &said).expect("valid");
        let datum = if said[1].1.is_empty() { of_kind("timestamp", "1") } else { row() };
        let mut schema = || {
            let record = Record { value: datum.clone(), ..Record::default() };
            transform.apply(record).expect("it applies").expect("it stays").value.schema.expect("a schema")
        };
        assert!(SchemaRef::ptr_eq(&schema(), &schema()));
    }
}
