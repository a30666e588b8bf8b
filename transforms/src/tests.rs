//! Every transform and predicate by its class name, against the answers of Kafka Connect 4.3 for the same record and settings.

use api::{
    Field, PluginKind, Predicate, Props, Record, Registry, Schema, SchemaAndValue, SchemaRef, SchemaType,
    Struct, Transform, Value, logical,
};

use super::ALL;

mod fields;
mod shapes;

fn props(said: &[(&str, &str)]) -> Props {
    said.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

pub(crate) fn transform(class: &str, said: &[(&str, &str)]) -> Result<Box<dyn Transform>, String> {
    let plugin =
        Registry::new().with(ALL).find(&["transformation"], class).map_err(|error| error.to_string())?;
    match plugin.kind {
        PluginKind::Transform(make) => make(&props(said)).map_err(|error| error.to_string()),
        kind => Err(format!("{class} is a {}", kind.name())),
    }
}

pub(crate) fn applied(class: &str, said: &[(&str, &str)], record: Record) -> Result<Option<Record>, String> {
    transform(class, said)?.apply(record).map_err(|error| error.to_string())
}

/// A value of a type that the tables of expectations name, with its schema.
pub(crate) fn of_kind(kind: &str, text: &str) -> SchemaAndValue {
    fn number<T: std::str::FromStr>(text: &str) -> T {
        text.parse().unwrap_or_else(|_| panic!("not a number of the type: {text}"))
    }
    let plain = |kind, value| SchemaAndValue::new(Schema::plain(kind), value);
    match kind {
        "int8" => plain(SchemaType::Int8, Value::Int8(number(text))),
        "int16" => plain(SchemaType::Int16, Value::Int16(number(text))),
        "int32" => plain(SchemaType::Int32, Value::Int32(number(text))),
        "int64" => plain(SchemaType::Int64, Value::Int64(number(text))),
        "float32" => plain(SchemaType::Float32, Value::Float32(number(text))),
        "float64" => plain(SchemaType::Float64, Value::Float64(number(text))),
        "boolean" => plain(SchemaType::Boolean, Value::Boolean(text == "true")),
        "string" => plain(SchemaType::String, text.to_owned().into()),
        "date" => SchemaAndValue::new(logical::date().build(), Value::Int32(number(text))),
        "time" => SchemaAndValue::new(logical::time().build(), Value::Int32(number(text))),
        "timestamp" => SchemaAndValue::new(logical::timestamp().build(), Value::Int64(number(text))),
        "bytes" => {
            let byte = |place| {
                text.get(place..place + 2)
                    .and_then(|byte| u8::from_str_radix(byte, 16).ok())
                    .expect("hexadecimal")
            };
            let bytes: Vec<u8> = (0..text.len()).step_by(2).map(byte).collect();
            plain(SchemaType::Bytes, bytes.into())
        }
        decimal => {
            let scale = number(decimal.strip_prefix("decimal").expect("a known type"));
            let unscaled: num_bigint::BigInt = number(text);
            SchemaAndValue::new(logical::decimal(scale).build(), unscaled.to_signed_bytes_be().into())
        }
    }
}

/// A value as Java prints it.
pub(crate) fn shown(value: &Value) -> String {
    api::java_text::of(&SchemaAndValue::schemaless(value.clone()))
}

fn predicate(class: &str, said: &[(&str, &str)]) -> Result<Box<dyn Predicate>, String> {
    let plugin = Registry::new().with(ALL).find(&["predicate"], class).map_err(|error| error.to_string())?;
    match plugin.kind {
        PluginKind::Predicate(make) => make(&props(said)).map_err(|error| error.to_string()),
        kind => Err(format!("{class} is a {}", kind.name())),
    }
}

fn row_schema() -> SchemaRef {
    Schema::structure()
        .optional()
        .name("n.S")
        .version(2)
        .doc("d")
        .parameter("p", "q")
        .field("a", Schema::plain(SchemaType::Int32))
        .field("b", Schema::builder(SchemaType::String).optional().default_value("dd").build())
        .field("by", Schema::plain_optional(SchemaType::Bytes))
        .field("ts", logical::timestamp().optional().build())
        .field("dec", logical::decimal(2).optional().build())
        .field("l", Schema::array(Schema::plain(SchemaType::Int32)).optional().build())
        .build()
}

fn record(value: SchemaAndValue) -> Record {
    let key = SchemaAndValue::of_text("key");
    Record {
        topic: "topic".into(),
        partition: Some(3),
        key,
        value,
        timestamp: Some(1234),
        ..Record::default()
    }
}

/// A record with a struct: `a=1`, `b` null with the default `dd`.
fn with_struct() -> Record {
    let list = Value::Array(vec![1.into()]);
    let values = vec![1.into(), Value::Null, vec![1_u8].into(), 5_i64.into(), vec![110_u8].into(), list];
    record(SchemaAndValue::of_struct(Struct::of(row_schema(), values).expect("a value a field")))
}

fn map(entries: &[(&str, Value)]) -> SchemaAndValue {
    SchemaAndValue::schemaless(Value::Map(
        entries.iter().map(|(key, value)| (Value::from((*key).to_owned()), value.clone())).collect(),
    ))
}

fn with_map() -> Record {
    record(map(&[("a", 1.into()), ("b", "x".into())]))
}

fn with_text(schemaless: bool) -> Record {
    record(if schemaless { SchemaAndValue::schemaless("x".into()) } else { SchemaAndValue::of_text("x") })
}

fn value(outcome: Result<Option<Record>, String>) -> SchemaAndValue {
    outcome.expect("it applies").expect("it stays").value
}

fn fields(datum: &SchemaAndValue) -> Vec<(String, Value)> {
    let row = datum.value.as_struct().expect("a struct");
    let name = |field: &Field| field.name.to_string();
    row.schema().fields().iter().map(name).zip(row.values().iter().cloned()).collect()
}

fn field(datum: &SchemaAndValue, name: &str) -> Value {
    datum.value.as_struct().and_then(|row| row.get(name)).expect("a field").clone()
}

/// The schema keeps its name and the like, but is not optional any more: Connect's `copySchemaBasics`.
fn assert_basics_kept(datum: &SchemaAndValue) {
    let schema = datum.schema.as_ref().expect("a schema");
    assert_eq!(
        (schema.name(), schema.version(), schema.doc(), schema.parameter("p")),
        (Some("n.S"), Some(2), Some("d"), Some("q"))
    );
    assert!(!schema.is_optional());
    assert!(SchemaRef::ptr_eq(schema, datum.value.as_struct().expect("a struct").schema()));
}

#[test]
fn regex_router_routes_whole_names_only() {
    let topic = |regex: &'static str, replacement: &'static str| {
        let routed = applied("RegexRouter", &[("regex", regex), ("replacement", replacement)], with_map());
        routed.map(|record| record.expect("it stays").topic.to_string())
    };
    assert_eq!(topic("(.*)pic", "$1x"), Ok("tox".to_owned()));
    assert_eq!(topic("to|topic", "X"), Ok("Xpic".to_owned()));
    for other in ["nope", "opic"] {
        assert_eq!(topic(other, "x"), Ok("topic".to_owned()));
    }
    assert!(
        topic("(", "x")
            .expect_err("unclosed")
            .starts_with("Invalid value ( for configuration regex: Invalid regex: ")
    );
}

#[test]
fn filter_drops_everything() {
    assert_eq!(applied("Filter", &[], with_map()), Ok(None));
}

#[test]
fn predicates_are_connects() {
    let headed = || {
        let mut record = with_map();
        record.headers.add_text("h", "x");
        record
    };
    let test = |class, said: &[(&str, &str)], record: &Record| {
        predicate(class, said).map(|predicate| predicate.test(record))
    };
    assert_eq!(test("TopicNameMatches", &[("pattern", "to.*")], &with_map()), Ok(true));
    assert_eq!(test("TopicNameMatches", &[("pattern", "op")], &with_map()), Ok(false));
    assert_eq!(test("HasHeaderKey", &[("name", "h")], &headed()), Ok(true));
    assert_eq!(test("HasHeaderKey", &[("name", "h")], &with_map()), Ok(false));
    assert_eq!(test("RecordIsTombstone", &[], &with_map()), Ok(false));
    let typed_null = record(SchemaAndValue::new(row_schema(), Value::Null));
    assert_eq!(
        test("org.apache.kafka.connect.transforms.predicates.RecordIsTombstone", &[], &typed_null),
        Ok(true)
    );
    let missing = "Missing required configuration \"pattern\" which has no default value.";
    assert_eq!(test("TopicNameMatches", &[], &with_map()), Err(missing.to_owned()));
    let empty = "Invalid value  for configuration name: String must be non-empty";
    assert_eq!(test("HasHeaderKey", &[("name", "")], &with_map()), Err(empty.to_owned()));
}

#[test]
fn drop_headers_drops_all_of_a_name() {
    let mut headed = with_map();
    ["a", "b", "a", "c"].iter().for_each(|name| headed.headers.add_text(*name, "x"));
    let record =
        applied("DropHeaders", &[("headers", "a,c")], headed).expect("it applies").expect("it stays");
    assert_eq!(record.headers.iter().map(|header| header.key.to_string()).collect::<Vec<_>>(), ["b"]);
}

/// A record with structs in a struct: `n` with `x=5`, `m` null.
fn with_structs() -> Record {
    let inner = Schema::structure()
        .optional()
        .field("x", Schema::plain(SchemaType::Int32))
        .field("y", Schema::builder(SchemaType::String).optional().default_value("yy").build())
        .build();
    let outer = Schema::structure()
        .optional()
        .name("n.S")
        .field("a", Schema::plain(SchemaType::Int32))
        .field("n", SchemaRef::clone(&inner))
        .field("m", SchemaRef::clone(&inner))
        .field("l", Schema::array(Schema::plain(SchemaType::Int32)).name("LL").optional().build())
        .build();
    let row = Struct::of(inner, vec![5.into(), Value::Null]).expect("two fields");
    let values = vec![1.into(), row.into(), Value::Null, Value::Null];
    record(SchemaAndValue::of_struct(Struct::of(outer, values).expect("four fields")))
}

/// The second record of a schema costs no new schema: the converter behind finds the pointer it knows.
#[test]
fn schemas_are_derived_once() {
    for (class, said) in [
        ("InsertField$Value", [("topic.field", "t")]),
        ("ReplaceField$Value", [("exclude", "a")]),
        ("HoistField$Value", [("field", "w")]),
    ] {
        let mut transform = transform(class, &said).expect("valid");
        let first = with_struct();
        let mut schema_of = |record| {
            transform.apply(record).expect("it applies").expect("it stays").value.schema.expect("a schema")
        };
        assert!(SchemaRef::ptr_eq(&schema_of(first.clone()), &schema_of(first)), "{class}");
    }
}

#[test]
fn every_name_stands_for_one_plugin() {
    let mut names: Vec<_> = ALL.iter().map(|plugin| plugin.class).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ALL.len());
    assert!(ALL.iter().all(|plugin| !plugin.documentation.is_empty()
        && (plugin.config)().keys().iter().all(|key| !key.documentation.is_empty())));
}
