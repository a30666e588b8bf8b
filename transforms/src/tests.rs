//! Every transform and predicate by its class name, against the answers of Kafka Connect 4.3 for the same record and settings.

use api::{
    Field, PluginKind, Predicate, Props, Record, Registry, Schema, SchemaAndValue, SchemaRef, SchemaType,
    Struct, Transform, Value, logical,
};

use super::ALL;

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
