//! How fast the JSON converter writes and reads a change event of about 750 bytes, per second of processor time (other work on the machine
//! does not count; Linux only): `cargo run --release -p millrace-converters --example json_speed`.

use api::{Converted, PluginKind, Props, Schema, SchemaAndValue, SchemaRef, SchemaType, Struct, Value};

const RECORDS: u32 = 1_000_000;

/// The row of a table with a key, two texts, a number and a time.
fn row_schema() -> SchemaRef {
    Schema::structure()
        .optional()
        .name("shop.inventory.orders.Value")
        .field("id", Schema::plain(SchemaType::Int64))
        .field("customer", Schema::plain_optional(SchemaType::String))
        .field("note", Schema::plain_optional(SchemaType::String))
        .field("amount", Schema::plain_optional(SchemaType::Float64))
        .field("created_at", Schema::plain_optional(SchemaType::Int64))
        .build()
}

fn source_schema() -> SchemaRef {
    let text = || Schema::plain_optional(SchemaType::String);
    let number = || Schema::plain_optional(SchemaType::Int64);
    let texts =
        ["version", "connector", "name", "snapshot", "db", "sequence", "table", "gtid", "file", "query"];
    let numbers = ["ts_ms", "ts_us", "ts_ns", "server_id", "pos", "row", "thread"];
    let builder = texts.iter().fold(Schema::structure(), |builder, name| builder.field(*name, text()));
    numbers.iter().fold(builder, |builder, name| builder.field(*name, number())).build()
}

fn event() -> Result<SchemaAndValue, api::Error> {
    let (row, source) = (row_schema(), source_schema());
    let envelope = Schema::structure()
        .field("before", SchemaRef::clone(&row))
        .field("after", SchemaRef::clone(&row))
        .field("source", SchemaRef::clone(&source))
        .field("transaction", Schema::structure().optional().build())
        .field("op", Schema::plain(SchemaType::String))
        .field("ts_ms", Schema::plain_optional(SchemaType::Int64))
        .field("ts_us", Schema::plain_optional(SchemaType::Int64))
        .field("ts_ns", Schema::plain_optional(SchemaType::Int64))
        .build();
    let image = || {
        let values = vec![
            Value::Int64(1_234_567),
            "Sally Thomas, Springfield".into(),
            "leave it with the neighbour, please".into(),
            Value::Float64(129.95),
            Value::Int64(1_700_000_000_123_456),
        ];
        Struct::of(SchemaRef::clone(&row), values)
    };
    let mut values: Vec<Value> =
        ["1.0", "mysql", "shop", "false", "inventory"].map(Value::from_static).into();
    values.extend([
        Value::Null,
        "orders".into(),
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:23".into(),
        "mysql-bin.000003".into(),
        Value::Null,
    ]);
    values.extend(
        [1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000, 223_344, 484_123, 0, 7]
            .map(Value::Int64),
    );
    let stamps = [1_700_000_000_123, 1_700_000_000_123_456, 1_700_000_000_123_456_789].map(Value::Int64);
    let mut event: Vec<Value> =
        vec![image()?.into(), image()?.into(), Struct::of(source, values)?.into(), Value::Null, "u".into()];
    event.extend(stamps);
    Ok(SchemaAndValue::of_struct(Struct::of(envelope, event)?))
}

#[allow(clippy::print_stdout, reason = "it is there to print")]
fn main() -> Result<(), api::Error> {
    let event = event()?;
    for schemas in ["false", "true"] {
        let props = Props::from([("schemas.enable".to_owned(), schemas.to_owned())]);
        let plugin = converters::ALL.iter().find_map(|plugin| match plugin.kind {
            PluginKind::Converter(make) if plugin.answers_to("JsonConverter") => Some(make),
            _ => None,
        });
        let Some(make) = plugin else { return Err(api::Error::fatal("there is no JsonConverter")) };
        let mut converter = make(&props, false)?;
        let (mut out, mut bytes) = (Vec::new(), 0);
        let start = processor_seconds()?;
        for _ in 0..RECORDS {
            out.clear();
            if converter.from_connect_data("shop.inventory.orders", &event, &mut out)? == Converted::Bytes {
                bytes += out.len();
            }
        }
        report("written", schemas, processor_seconds()? - start, bytes);
        let text = api::Bytes::from(out);
        let start = processor_seconds()?;
        for _ in 0..RECORDS {
            let read = converter.to_connect_data("shop.inventory.orders", Some(text.clone()))?;
            std::hint::black_box(read);
        }
        report("read", schemas, processor_seconds()? - start, text.len() * 1_000_000);
    }
    Ok(())
}

/// What this thread has had of the processor.
#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a short run")]
fn processor_seconds() -> Result<f64, api::Error> {
    let failed = |cause: std::io::Error| {
        api::Error::fatal("cannot read /proc/thread-self/schedstat").with_source(cause)
    };
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(failed)?;
    let nanoseconds: Option<u64> = text.split_whitespace().next().and_then(|first| first.parse().ok());
    nanoseconds.map(|count| count as f64 / 1e9).ok_or_else(|| api::Error::fatal("schedstat has no number"))
}

#[allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "figures for people")]
fn report(what: &str, schemas: &str, seconds: f64, bytes: usize) {
    let (rate, each, megabytes) =
        (f64::from(RECORDS) / seconds, bytes / 1_000_000, bytes as f64 / seconds / 1e6);
    println!("schemas {schemas}: {rate:>10.0} records/s {what}, {each} bytes each, {megabytes:.0} MB/s");
}
