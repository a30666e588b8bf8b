//! How fast a change event of Debezium is written and read as Avro, beside JSON, per second of processor time of this thread (other work
//! on the machine does not count; Linux only): `cargo run --release -p millrace-converters --example avro_speed`. Written as values, and
//! as the rows of a binlog's event, which are packed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use api::{
    Converter, Error, PackedStructs, PluginKind, Props, SchemaAndValue, SchemaRef, SharedFields, ShowFields,
    Struct, StructRef, Value, ValueRef,
};
use serde_json::{Value as Json, json};

const RECORDS: u32 = 500_000;
/// How many rows an event of a binlog has.
const ROWS: usize = 100;
const TOPIC: &str = "shop.shop.products";

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|cause| Error::fatal("no runtime").with_source(cause))?;
    let _entered = runtime.enter();
    let registry = registry().map_err(|cause| Error::fatal("no registry").with_source(cause))?;
    let event = event()?;
    let rows = Rows::of(&event)?;
    for (name, class, option, text) in [
        ("JSON", "JsonConverter", "schemas.enable", "false"),
        ("JSON with schemas", "JsonConverter", "schemas.enable", "true"),
        ("Avro", "AvroConverter", "schema.registry.url", registry.as_str()),
    ] {
        let mut converter = converter(class, option, text)?;
        let mut out = Vec::new();
        // The first conversions ask the registry.
        while let Err(error) = converter.from_connect_data(TOPIC, &event, &mut out) {
            let pending = converter.pending().ok_or(error)?;
            runtime.block_on(pending)?;
            out.clear();
        }
        let start = processor_seconds()?;
        for _ in 0..RECORDS {
            out.clear();
            let _converted = converter.from_connect_data(TOPIC, &event, &mut out)?;
        }
        report(name, "written", processor_seconds()? - start, out.len());
        let start = processor_seconds()?;
        for _ in 0..RECORDS / u32::try_from(ROWS).unwrap_or(1) {
            let rows: Arc<dyn PackedStructs> = Arc::new(rows.clone());
            for number in 0..ROWS {
                let row = SchemaAndValue::of_struct(Struct::of_packed(Arc::clone(&rows), number));
                out.clear();
                let _converted = converter.from_connect_data(TOPIC, &row, &mut out)?;
            }
        }
        report(name, "written of packed rows", processor_seconds()? - start, out.len());
        let bytes = api::Bytes::from(out);
        while let Err(error) = converter.to_connect_data(TOPIC, Some(bytes.clone())) {
            let pending = converter.pending().ok_or(error)?;
            runtime.block_on(pending)?;
        }
        let start = processor_seconds()?;
        for _ in 0..RECORDS {
            std::hint::black_box(converter.to_connect_data(TOPIC, Some(bytes.clone()))?);
        }
        report(name, "read", processor_seconds()? - start, bytes.len());
    }
    Ok(())
}

fn converter(class: &str, option: &str, text: &str) -> Result<Box<dyn Converter>, Error> {
    let make = converters::ALL.iter().find_map(|plugin| match plugin.kind {
        PluginKind::Converter(make) if plugin.answers_to(class) => Some(make),
        _ => None,
    });
    let make = make.ok_or_else(|| Error::fatal(format!("there is no {class}")))?;
    make(&Props::from([(option.to_owned(), text.to_owned())]), false)
}

/// The insert of a row, from the golden data of the tests.
fn event() -> Result<SchemaAndValue, Error> {
    let golden = include_str!("../src/avro/golden/schemas.jsonl");
    let line = golden.lines().find(|line| line.contains("products.Envelope")).unwrap_or_default();
    let golden: Json =
        serde_json::from_str(line).map_err(|cause| Error::fatal("golden data").with_source(cause))?;
    let input = json!({"schema": golden["input"]["schema"], "payload": golden["input"]["payload"]});
    let mut json = converter("JsonConverter", "schemas.enable", "true")?;
    json.to_connect_data(TOPIC, Some(api::Bytes::from(input.to_string())))
}

/// The rows of an event, like those of the binlog's reader.
#[derive(Debug, Clone)]
struct Rows {
    frame: Arc<SharedFields>,
    source: Arc<SharedFields>,
    after: Struct,
    made: Vec<OnceLock<Struct>>,
}

impl Rows {
    fn of(event: &SchemaAndValue) -> Result<Self, Error> {
        let not_one = || Error::fatal("the golden data is no event");
        let structure = |value: Option<&Value>| match value {
            Some(Value::Struct(row)) => Ok(row.clone()),
            _ => Err(not_one()),
        };
        let place =
            |row: &Struct, name: &str| row.schema().field(name).map(|(place, _)| place).ok_or_else(not_one);
        let sharing = |row: &Struct, names: &[&str]| {
            let places = names.iter().map(|name| place(row, name)).collect::<Result<Vec<_>, _>>()?;
            SharedFields::new(SchemaRef::clone(row.schema()), row.values().to_vec(), &places)
        };
        let envelope = structure(Some(&event.value))?;
        let source = structure(envelope.get("source"))?;
        Ok(Self {
            frame: sharing(&envelope, &["before", "after", "source"])?,
            source: sharing(&source, &["row"])?,
            after: structure(envelope.get("after"))?,
            made: vec![OnceLock::new(); ROWS],
        })
    }

    fn row(number: usize) -> i32 {
        i32::try_from(number).unwrap_or(i32::MAX)
    }
}

impl PackedStructs for Rows {
    fn schema(&self) -> &SchemaRef {
        self.frame.schema()
    }

    fn unpacked(&self, number: usize) -> &Struct {
        self.made[number].get_or_init(|| {
            let own = [Value::Int32(Self::row(number)), Value::Null, Value::Null];
            let source = Value::Struct(Struct::sharing(&self.source, own));
            let after = Struct::of(SchemaRef::clone(self.after.schema()), self.after.values().to_vec());
            let after = after.map_or(Value::Null, Value::Struct);
            Struct::sharing(&self.frame, [Value::Null, after, source])
        })
    }

    fn show(&self, number: usize, viewer: &mut dyn FnMut(StructRef<'_>)) {
        let row = [ValueRef::Int32(Self::row(number))];
        let source = ValueRef::Struct(StructRef::Sharing(&self.source, &row));
        let after = Image(&self.after);
        let after = ValueRef::Struct(StructRef::Each(&after));
        viewer(StructRef::Sharing(&self.frame, &[ValueRef::Null, after, source]));
    }
}

#[derive(Debug)]
struct Image<'a>(&'a Struct);

impl ShowFields for Image<'_> {
    fn schema(&self) -> &SchemaRef {
        self.0.schema()
    }

    fn show_each(&self, taker: &mut dyn FnMut(ValueRef<'_>)) -> api::Result<()> {
        self.0.values().iter().for_each(|value| taker(value.borrowed()));
        Ok(())
    }
}

/// A registry for one schema: it answers each question with what was posted last. Its URL.
fn registry() -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        let schema = Arc::new(Mutex::new(String::new()));
        for stream in listener.incoming().flatten() {
            let schema = Arc::clone(&schema);
            std::thread::spawn(move || serve(stream, &schema));
        }
    });
    Ok(url)
}

fn serve(mut stream: TcpStream, schema: &Mutex<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line)? > 2 {
            let lower = line.to_ascii_lowercase();
            length = lower
                .strip_prefix("content-length:")
                .map_or(Ok(length), |text| text.trim().parse())
                .unwrap_or(0);
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let posted = serde_json::from_slice::<Json>(&body).ok();
        let mut known = schema.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = posted.as_ref().and_then(|posted| posted["schema"].as_str()) {
            text.clone_into(&mut known);
        }
        let answer = json!({"id": 1, "version": 1, "schema": *known}).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())?;
    }
}

/// What this thread has had of the processor.
#[allow(clippy::cast_precision_loss, reason = "nanoseconds of a short run")]
fn processor_seconds() -> Result<f64, Error> {
    let failed =
        |cause: std::io::Error| Error::fatal("cannot read /proc/thread-self/schedstat").with_source(cause);
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(failed)?;
    let nanoseconds: Option<u64> = text.split_whitespace().next().and_then(|first| first.parse().ok());
    nanoseconds.map(|count| count as f64 / 1e9).ok_or_else(|| Error::fatal("schedstat has no number"))
}

#[allow(clippy::print_stdout, reason = "figures for people")]
fn report(name: &str, what: &str, seconds: f64, bytes: usize) {
    println!("{name:<18} {:>10.0} records/s {what}, {bytes} bytes each", f64::from(RECORDS) / seconds);
}
