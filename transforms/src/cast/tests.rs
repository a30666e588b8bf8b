//! Cast against Kafka Connect 4.3: a table of values of every type, and the shapes that schemas take.

use api::{Record, SchemaRef};

use super::*;
use crate::tests::{applied, of_kind, shown, transform};

const CLASS: &str = "Cast$Value";

fn applied_to(said: &[(&str, &str)], value: SchemaAndValue) -> std::result::Result<SchemaAndValue, String> {
    applied(CLASS, said, Record { value, ..Record::default() }).map(|record| record.expect("it stays").value)
}

/// Floats are compared as numbers: Java 17 prints some with a digit more than later ones, and than we do.
fn same(found: &str, expected: &str, target: SchemaType) -> bool {
    let single = |text: &str| text.parse().ok().map(f32::to_bits);
    let double = |text: &str| text.parse().ok().map(f64::to_bits);
    match target {
        SchemaType::Float32 if expected != "!" => single(found) == single(expected),
        SchemaType::Float64 if expected != "!" => double(found) == double(expected),
        SchemaType::String if expected == "*" => true,
        _ => found == expected,
    }
}

#[test]
fn every_type_becomes_every_other_as_in_connect() {
    let lines = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut columns = line.split('\t');
        let (kind, text) =
            columns.next().and_then(|input| input.split_once(' ')).expect("a type and a value");
        for (target, expected) in TYPES.iter().zip(columns) {
            let datum = of_kind(kind, text);
            let outcome = applied_to(&[("spec", target.name())], datum.clone());
            let found = outcome.as_ref().map_or("!".to_owned(), |datum| shown(&datum.value));
            if !same(&found, expected, *target) {
                assert_eq!(found, expected, "{line} to {target:?}: {outcome:?}");
            }
            let without_schema = SchemaAndValue::schemaless(datum.value.clone());
            if datum.schema.as_ref().is_some_and(|schema| schema.name().is_none()) {
                let outcome = applied_to(&[("spec", target.name())], without_schema);
                let found = outcome.map_or("!".to_owned(), |datum| shown(&datum.value));
                assert!(same(&found, expected, *target), "{line} to {target:?} without a schema: {found}");
            }
        }
    }
}

/// Connect writes `00:00:00.000Z` for each of these days.
#[test]
fn days_before_1970_keep_their_date() {
    let text =
        |kind, value| shown(&applied_to(&[("spec", "string")], of_kind(kind, value)).expect("a text").value);
    assert_eq!(text("date", "0"), "1970-01-01");
    assert_eq!(text("date", "-700000"), "0053-06-19");
    assert_eq!(text("timestamp", "0"), "1970-01-01T00:00:00.000Z");
    assert_eq!(text("timestamp", "-1"), "1969-12-31T23:59:59.999Z");
    assert_eq!(text("timestamp", "86400000"), "1970-01-02");
}

fn rows() -> (SchemaRef, SchemaAndValue) {
    let schema = Schema::structure()
        .optional()
        .name("n.S")
        .version(2)
        .field("a", Schema::plain(SchemaType::Int32))
        .field(
            "b",
            Schema::builder(SchemaType::String).optional().default_value("7").doc("D").name("N").build(),
        )
        .field("r", Schema::builder(SchemaType::Int64).default_value(300_i64).build())
        .field("ts", logical::timestamp().optional().build())
        .field("n", Schema::structure().build())
        .field("l", Schema::array(Schema::plain(SchemaType::Int32)).optional().build())
        .build();
    let inner = Struct::new(SchemaRef::clone(&schema.field("n").expect("a field").1.schema));
    let values = vec![70_000.into(), Value::Null, Value::Null, Value::Null, inner.into(), Value::Null];
    let row = Struct::of(SchemaRef::clone(&schema), values).expect("a value a field");
    (schema, SchemaAndValue::of_struct(row))
}

#[test]
fn fields_are_cast_with_their_defaults() {
    let (before, row) = rows();
    let after = applied_to(&[("spec", "r:int8, b : FLOAT64 ,zz:int8,ts:int64,l:int8,a:int8,a:string")], row)
        .expect("it applies");
    let schema = after.schema.as_ref().expect("a schema");
    assert_eq!((schema.name(), schema.version(), schema.is_optional()), (Some("n.S"), Some(2), true));
    let field = |name: &str| SchemaRef::clone(&schema.field(name).expect("a field").1.schema);
    let float = Schema::builder(SchemaType::Float64).optional().default_value(7.0).build();
    assert_eq!(field("b"), float, "the default is cast, name and documentation are not kept");
    assert_eq!(field("r"), Schema::builder(SchemaType::Int8).default_value(44_i8).build());
    assert_eq!(field("ts"), Schema::plain_optional(SchemaType::Int64));
    assert_eq!(field("l"), Schema::plain_optional(SchemaType::Int8), "null is cast whatever its type");
    assert_eq!(field("n"), before.field("n").expect("a field").1.schema);
    let row = after.value.as_struct().expect("a struct");
    let expected = ["70000".into(), 7.0.into(), 44_i8.into(), Value::Null];
    assert_eq!(row.values().to_vec()[..4], expected);
}

#[test]
fn null_is_not_replaced_if_told_so() {
    let (_, row) = rows();
    let said = [("spec", "b:int32"), ("replace.null.with.default", "false")];
    let error = "Invalid value: null used for required field: \"r\", schema type: INT64";
    assert_eq!(applied_to(&said, row), Err(error.to_owned()));
}

#[test]
fn whole_values_keep_what_their_schema_says() {
    let schema = Schema::builder(SchemaType::Int32)
        .name("w.W")
        .version(3)
        .doc("d")
        .parameter("p", "q")
        .optional()
        .default_value(300)
        .build();
    let datum = |value: Value| SchemaAndValue::new(SchemaRef::clone(&schema), value);
    let after = applied_to(&[("spec", "int8")], datum(70_000.into())).expect("it applies");
    let expected = Schema::builder(SchemaType::Int8).name("w.W").version(3).doc("d").parameter("p", "q");
    assert_eq!(after, SchemaAndValue::new(expected.optional().default_value(44_i8).build(), 112_i8.into()));
    assert_eq!(
        applied_to(&[("spec", "int8")], datum(Value::Null)),
        Ok(datum(Value::Null)),
        "null stays as it is"
    );
}

#[test]
fn maps_get_the_fields_that_they_lack() {
    let map = |entries: &[(&str, Value)]| {
        let entries = entries.iter().map(|(name, value)| ((*name).to_owned().into(), value.clone()));
        SchemaAndValue::schemaless(Value::Map(entries.collect()))
    };
    let before = map(&[("a", 70_000.into()), ("c", Value::Null), ("by", vec![1_u8, 2].into())]);
    let after = applied_to(&[("spec", "a:int8,zz:int8,c:string,by:string")], before.clone());
    let expected = [("a", 112_i8.into()), ("c", Value::Null), ("by", "AQI=".into()), ("zz", Value::Null)];
    assert_eq!(after, Ok(map(&expected)));
    let error = |spec| applied_to(&[("spec", spec)], before.clone()).expect_err("refused");
    assert_eq!(error("by:int8"), "Unexpected type in Cast transformation: class [B");
    let types = "INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING";
    let refused = format!(
        "Cast transformation does not support casting from MAP; supported types are [{types}, BYTES]"
    );
    assert_eq!(error("string"), refused);
}

#[test]
fn errors_are_connects() {
    let error = |spec, datum| applied_to(&[("spec", spec)], datum).expect_err("refused");
    let text = SchemaAndValue::of_text;
    assert_eq!(error("int8", text("1.5")), "Value (1.5) was out of range for requested data type");
    assert_eq!(
        error("a:int8", SchemaAndValue::schemaless("x".into())),
        "Only Map objects supported in absence of schema for [cast types], found: java.lang.String"
    );
    assert_eq!(
        error("a:int8", text("x")),
        "Only Struct objects supported for [cast types], found: java.lang.String"
    );
    assert!(
        error("n:string", rows().1).starts_with("Cast transformation does not support casting from STRUCT; ")
    );
    let default = Struct::new(Schema::structure().build());
    let schema = Schema::structure().default_value(default.clone()).build();
    let row = SchemaAndValue::new(schema, default.into());
    assert!(error("x:int8", row).starts_with("Cast transformation does not support casting from STRUCT; "));
}

#[test]
fn a_wrong_spec_is_told_at_once() {
    let types = "supported types are [INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING]";
    let one = "Cast transformations that specify a type to cast the entire value to may only specify a single cast in their spec";
    for (spec, reason) in [
        ("a:b:c", "Invalid rename mapping: a:b:c"),
        ("a:nope", "Invalid type found in casting spec: nope"),
        ("nope", "Invalid type found in casting spec: nope"),
        ("a:", "Invalid type found in casting spec: "),
        ("a:bytes", &format!("Cast transformation does not support casting to BYTES; {types}")),
        ("array", &format!("Cast transformation does not support casting to ARRAY; {types}")),
        ("", "Must specify at least one field to cast."),
        ("b:int8,int8", one),
        ("int8,int16", one),
    ] {
        let error = transform(CLASS, &[("spec", spec)]).err().expect("refused");
        assert!(error.contains("spec") && error.ends_with(reason), "{spec}: {error}");
    }
}
