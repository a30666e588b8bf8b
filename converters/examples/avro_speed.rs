//! How fast a change event of Debezium is written and read as Avro, beside JSON, per second of processor time of this thread (other work
//! on the machine does not count; Linux only): `cargo run --release -p millrace-converters --example avro_speed`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use api::{Converter, Error, PluginKind, Props, SchemaAndValue};
use serde_json::{Value as Json, json};

const RECORDS: u32 = 500_000;
const TOPIC: &str = "shop.shop.products";

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|cause| Error::fatal("no runtime").with_source(cause))?;
    let _entered = runtime.enter();
    let registry = registry().map_err(|cause| Error::fatal("no registry").with_source(cause))?;
    let event = event()?;
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
