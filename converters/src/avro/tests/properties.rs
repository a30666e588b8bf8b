//! Any schema and any value of it: what is written is read back, and Avro's library for Rust reads it and writes the same.

use std::sync::atomic::{AtomicU32, Ordering};

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use api::{Schema, SchemaType, Struct, Value, logical};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Names of maps, which Avro wants to be different.
static NAMES: AtomicU32 = AtomicU32::new(0);

fn leaf() -> BoxedStrategy<SchemaRef> {
    let plain = [
        SchemaType::Int8,
        SchemaType::Int16,
        SchemaType::Int32,
        SchemaType::Int64,
        SchemaType::Float32,
        SchemaType::Float64,
        SchemaType::Boolean,
        SchemaType::String,
        SchemaType::Bytes,
    ];
    let plain = proptest::sample::select(plain.to_vec()).prop_map(Schema::builder);
    let logical = prop_oneof![Just(logical::date()), Just(logical::time()), Just(logical::timestamp())];
    let named = Just(
        Schema::builder(SchemaType::String)
            .name("io.debezium.data.Enum")
            .version(1)
            .parameter("allowed", "a,b"),
    );
    prop_oneof![4 => plain, 1 => logical, 1 => named]
        .prop_flat_map(|builder| {
            any::<bool>().prop_map(move |optional| builder.clone().with_optional(optional).build())
        })
        .boxed()
}

fn schema(depth: u32) -> BoxedStrategy<SchemaRef> {
    if depth == 0 {
        return leaf();
    }
    let part = move || schema(depth - 1);
    let row = vec(part(), 0..4).prop_map(|parts| {
        let fields = parts.into_iter().enumerate();
        fields.fold(Schema::structure(), |row, (index, part)| row.field(format!("f{index}"), part))
    });
    // Maps with keys of text are Avro's own, which say nothing of their keys.
    let key = leaf().prop_filter("text", |key| key.kind() != SchemaType::String);
    let entries = (key, part()).prop_map(|(key, value)| {
        Schema::map(key, value).name(format!("m.E{}", NAMES.fetch_add(1, Ordering::Relaxed)))
    });
    let texts = part().prop_map(|value| Schema::map(Schema::plain(SchemaType::String), value));
    let nested = prop_oneof![3 => row, 1 => part().prop_map(Schema::array), 1 => entries, 1 => texts];
    let nested =
        (nested, any::<bool>()).prop_map(|(builder, optional)| builder.with_optional(optional).build());
    prop_oneof![1 => leaf(), 2 => nested].boxed()
}

fn value(schema: &SchemaRef) -> BoxedStrategy<Value> {
    let numbers = proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::INFINITE;
    let floats = proptest::num::f32::NORMAL | proptest::num::f32::ZERO;
    let part = || schema.value_schema().map(value).unwrap();
    let present = match schema.kind() {
        SchemaType::Int8 => any::<i8>().prop_map(Value::Int8).boxed(),
        SchemaType::Int16 => any::<i16>().prop_map(Value::Int16).boxed(),
        SchemaType::Int32 => any::<i32>().prop_map(Value::Int32).boxed(),
        SchemaType::Int64 => any::<i64>().prop_map(Value::Int64).boxed(),
        SchemaType::Float32 => floats.prop_map(Value::Float32).boxed(),
        SchemaType::Float64 => numbers.prop_map(Value::Float64).boxed(),
        SchemaType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        SchemaType::String => ".{0,9}".prop_map(Value::from).boxed(),
        SchemaType::Bytes => vec(any::<u8>(), 0..9).prop_map(Value::from).boxed(),
        SchemaType::Array => vec(part(), 0..4).prop_map(Value::Array).boxed(),
        // At most one entry, since the oracle's maps have no order.
        SchemaType::Map => {
            let key = schema.key_schema().map(value).unwrap();
            vec((key, part()), 0..2).prop_map(Value::Map).boxed()
        }
        SchemaType::Struct => {
            let schema = SchemaRef::clone(schema);
            let fields: Vec<_> = schema.fields().iter().map(|field| value(&field.schema)).collect();
            fields
                .prop_map(move |values| Value::Struct(Struct::of(SchemaRef::clone(&schema), values).unwrap()))
                .boxed()
        }
    };
    match schema.is_optional() {
        true => prop_oneof![1 => Just(Value::Null), 3 => present].boxed(),
        false => present,
    }
}

fn datum() -> impl Strategy<Value = SchemaAndValue> {
    schema(3).prop_flat_map(|schema| {
        value(&schema).prop_map(move |value| SchemaAndValue::new(SchemaRef::clone(&schema), value))
    })
}

/// A value without a schema, with the types that it comes back as.
fn schemaless() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Int64),
        any::<i32>().prop_map(Value::Int32),
        any::<bool>().prop_map(Value::Boolean),
        ".{0,5}".prop_map(Value::from),
        vec(any::<u8>(), 0..5).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 20, 4, |part| {
        let entry = (part.clone(), part.clone());
        prop_oneof![vec(part, 0..4).prop_map(Value::Array), vec(entry, 0..4).prop_map(Value::Map)]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back_with_its_schema(datum in datum()) {
        let options = DataOptions::default();
        let (_, text) = avro(datum.schema.as_ref(), options).unwrap();
        if let Some(bytes) = written(&datum, options).unwrap() {
            prop_assert_eq!(read(&text, bytes, options).unwrap(), datum, "{}", text);
        }
    }

    #[test]
    fn the_library_for_avro_reads_it_and_writes_the_same(datum in datum()) {
        let options = DataOptions::default();
        let (avro, text) = avro(datum.schema.as_ref(), options).unwrap();
        let bytes = written(&datum, options).unwrap();
        // Bytes alone have no length in front: Confluent's form, not Avro's.
        if let Some(bytes) = bytes.filter(|_| !matches!(avro.kind, crate::avro::schema::Kind::Bytes)) {
            let schema = apache_avro::Schema::parse_str(&text).unwrap();
            let mut rest = &*bytes;
            let reader = GenericDatumReader::builder(&schema).build().unwrap();
            let value = reader.read_value(&mut rest).unwrap();
            prop_assert!(rest.is_empty(), "{} bytes left", rest.len());
            let writer = GenericDatumWriter::builder(&schema).build().unwrap();
            prop_assert_eq!(writer.write_value_to_vec(value).unwrap(), bytes, "{}", text);
        }
    }

    #[test]
    fn values_without_a_schema_come_back(value in schemaless()) {
        let options = DataOptions::default();
        let datum = SchemaAndValue::schemaless(value);
        let (_, text) = avro(None, options).unwrap();
        if let Some(bytes) = written(&datum, options).unwrap() {
            prop_assert_eq!(read(&text, bytes, options).unwrap(), datum);
        }
    }

    /// No panic, whatever the bytes and the schema.
    #[test]
    fn any_bytes_are_a_value_or_an_error(datum in datum(), bytes in vec(any::<u8>(), 0..60)) {
        let options = DataOptions::default();
        let (_, text) = avro(datum.schema.as_ref(), options).unwrap();
        drop(read(&text, bytes, options));
    }
}
