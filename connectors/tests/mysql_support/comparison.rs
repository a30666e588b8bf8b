//! What a real Debezium printed beside what we print: reading the golden files, and telling differences.
//!
//! Places in the binlog are compared by their distance from the start, transactions by their number since then.

use std::io::Read as _;
use std::path::Path;

use api::configs::Props;
use api::{Converted, Converter, PluginKind, SchemaAndValue, SourceRecord};
use serde_json::{Value as Json, json};

/// A group's options, as a Java properties file has them: a backslash stands twice.
pub fn options(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.replace("\\\\", "\\")))
    };
    text.lines().filter_map(pair).collect()
}

/// The lines of a compressed file.
pub fn lines(file: &Path) -> Vec<String> {
    let mut text = String::new();
    let file = std::fs::File::open(file).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The two halves of the corpus: before the connectors start, and while they watch.
pub fn corpus(file: &Path) -> [Vec<String>; 2] {
    let text = std::fs::read_to_string(file).unwrap();
    let (before, after) = text.split_once("-- STREAM\n").unwrap();
    [before, after].map(|half| {
        half.split(";;\n").map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    })
}

/// Prints records as the oracle does.
pub struct Printer {
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
}

impl std::fmt::Debug for Printer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Printer")
    }
}

impl Printer {
    pub fn new() -> Self {
        let plugin = converters::ALL.iter().find(|plugin| plugin.answers_to("JsonConverter")).unwrap();
        let PluginKind::Converter(make) = plugin.kind else { panic!("a converter") };
        let props = Props::from([("schemas.enable".to_owned(), "true".to_owned())]);
        Self { key: make(&props, true).unwrap(), value: make(&props, false).unwrap() }
    }

    /// A record as a document.
    pub fn print(&mut self, record: &SourceRecord) -> Json {
        let text = |converter: &mut Box<dyn Converter>, datum: &SchemaAndValue| {
            let mut bytes = Vec::new();
            match converter.from_connect_data("t", datum, &mut bytes).unwrap() {
                Converted::Null => Json::Null,
                Converted::Bytes => serde_json::from_slice(&bytes).unwrap(),
            }
        };
        let headers: Vec<Json> = record
            .record
            .headers
            .iter()
            .map(|header| json!([&*header.key, text(&mut self.value, &header.value)]))
            .collect();
        let flat = |map: &api::FlatMap| -> Json {
            let entries = map.entries().iter().map(|(name, value)| {
                let value = value.as_str().map_or_else(|| json!(value.as_i64()), |text| json!(text));
                (name.to_string(), value)
            });
            Json::Object(entries.collect())
        };
        json!({
            "topic": &*record.record.topic,
            "key": text(&mut self.key, &record.record.key),
            "value": text(&mut self.value, &record.record.value),
            "headers": headers,
            "partition": flat(&record.source_partition),
            "offset": flat(&record.source_offset.to_map()),
        })
    }
}

/// Where a run began.
#[derive(Debug)]
pub struct Origin {
    pub pos: i64,
    pub transactions: i64,
}

impl Origin {
    /// By the first record of a run.
    pub fn of(first: &Json) -> Self {
        let gtids = first["offset"]["gtids"].as_str().unwrap();
        let number = gtids.rsplit(['-', ':']).next().unwrap().parse().unwrap();
        Self { pos: first["offset"]["pos"].as_i64().unwrap(), transactions: number }
    }

    /// `uuid:107` and `uuid:1-107`, by their distance.
    pub fn gtid(&self, text: &str) -> String {
        text.rsplit_once(['-', ':'])
            .and_then(|(_, number)| number.parse::<i64>().ok())
            .map_or_else(|| text.to_owned(), |number| format!("+{}", number - self.transactions))
    }

    /// A record without what is not the same twice.
    pub fn normalize(&self, mut record: Json) -> Json {
        let payload = |json: &mut Json| json.get_mut("payload").map(std::mem::take).unwrap_or_default();
        let mut value = payload(&mut record["value"]);
        if let Some(source) = value.get_mut("source").and_then(Json::as_object_mut) {
            for field in ["version", "ts_ms", "ts_us", "ts_ns"] {
                source.insert(field.to_owned(), json!(source[field].is_null()));
            }
            source.insert("pos".to_owned(), json!(source["pos"].as_i64().unwrap() - self.pos));
            if let Some(gtid) = source["gtid"].as_str().map(|gtid| self.gtid(gtid)) {
                source.insert("gtid".to_owned(), json!(gtid));
            }
            source.insert("thread".to_owned(), json!(source["thread"].is_null()));
        }
        for field in ["ts_ms", "ts_us", "ts_ns"] {
            if let Some(time) = value.get_mut(field) {
                *time = json!(time.is_null());
            }
        }
        for id in [value.pointer("/transaction/id").cloned(), value.get("id").cloned()].into_iter().flatten()
        {
            let Some(gtid) = id.as_str().map(|gtid| self.gtid(gtid)) else { continue };
            match value.pointer_mut("/transaction/id") {
                Some(place) => *place = json!(gtid),
                None => value["id"] = json!(gtid),
            }
        }
        if record["value"].is_object() {
            record["value"]["payload"] = value;
        }
        if let Some(gtid) =
            record.pointer("/key/payload/id").and_then(Json::as_str).map(|gtid| self.gtid(gtid))
        {
            record["key"]["payload"]["id"] = json!(gtid);
        }
        for header in record["headers"].as_array_mut().unwrap() {
            if header[0] == "__debezium.context.runId" {
                header[1]["payload"] = json!("run");
            }
        }
        let offset = record["offset"].as_object_mut().unwrap();
        // Ours alone, which Debezium passes over; and the time, which is not the same twice.
        for own in [
            "server_uuid",
            "gtid",
            "ts_sec",
            "snapshot_plan",
            "snapshot_table",
            "snapshot_rows",
            "snapshot_key",
        ] {
            offset.remove(own);
        }
        let moved = offset["pos"].as_i64().unwrap() - self.pos;
        offset.insert("pos".to_owned(), json!(moved));
        for field in ["gtids", "transaction_id"] {
            if let Some(gtid) = offset.get(field).and_then(Json::as_str).map(|gtid| self.gtid(gtid)) {
                offset.insert(field.to_owned(), json!(gtid));
            }
        }
        record
    }
}

/// Every difference between two documents, with its place.
pub fn differ(place: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
    match (expected, found) {
        (Json::Object(left), Json::Object(right)) => {
            let names: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for name in names {
                let (left, right) = (left.get(name), right.get(name));
                differ(
                    &format!("{place}.{name}"),
                    left.unwrap_or(&json!("absent")),
                    right.unwrap_or(&json!("absent")),
                    differences,
                );
            }
        }
        (Json::Array(left), Json::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                differ(&format!("{place}[{index}]"), left, right, differences);
            }
        }
        (Json::Number(left), Json::Number(right)) if left.as_f64() == right.as_f64() => {}
        // Java 17 prints some floats of 32 bits with a digit more than they need.
        (Json::Number(left), Json::Number(right)) if same_float(left, right) => {}
        _ if expected != found => {
            differences.push(format!("{place}: expected {expected:.300}, found {found:.300}"));
        }
        _ => {}
    }
}

fn same_float(left: &serde_json::Number, right: &serde_json::Number) -> bool {
    let float = |number: &serde_json::Number| number.to_string().parse::<f32>().unwrap();
    right.is_f64() && float(left) == float(right)
}

/// A short name of a record for messages.
pub fn brief(record: &Json) -> String {
    let value = &record["value"]["payload"];
    let what = ["op", "status", "ddl"].iter().find_map(|field| value[*field].as_str()).unwrap_or("tombstone");
    format!("{} {} {what:.60}", record["topic"].as_str().unwrap(), record["key"]["payload"])
}
