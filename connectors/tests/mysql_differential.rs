//! The differential test: the same SQL past the real Debezium and past us gives the same records, option group by option group.
//!
//! `tests/differential/corpus.sql` was run on MySQL 9.7 once with one Debezium 3.6.3 engine for each
//! `tests/differential/*.properties` watching; what they emitted is `*.jsonl.gz`, made by `Oracle.java` beside them (its first
//! lines say how). This test runs the same SQL on a server of its own, with our connector in place of each engine,
//! and compares topics, keys, values, schemas, headers and offsets. Places in the binlog are compared by their distance from
//! the start, transactions by their number since then. What differs on purpose stands in [`deliberate`], with the reason.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test: what is not as expected fails it")]

mod mysql_support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;

use api::configs::Props;
use api::{Converted, Converter, PluginKind, SchemaAndValue, SourceRecord};
use mysql_support::{Kind, Run, Server, Worker};
use serde_json::{Value as Json, json};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

fn groups() -> Vec<String> {
    let files =
        std::fs::read_dir(directory()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut groups: Vec<_> =
        files.filter_map(|file| Some(file.strip_suffix(".properties")?.to_owned())).collect();
    groups.sort();
    groups
}

/// The group's options, as a Java properties file has them: a backslash stands twice.
fn options(group: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(directory().join(format!("{group}.properties"))).unwrap();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.replace("\\\\", "\\")))
    };
    text.lines().filter_map(pair).collect()
}

fn expected(group: &str) -> Vec<Json> {
    let file = std::fs::File::open(directory().join(format!("{group}.jsonl.gz"))).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The two halves of the corpus: before the connectors start, and while they watch.
fn corpus() -> [Vec<String>; 2] {
    let text = std::fs::read_to_string(directory().join("corpus.sql")).unwrap();
    let (before, after) = text.split_once("-- STREAM\n").unwrap();
    [before, after].map(|half| {
        half.split(";;\n").map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    })
}

struct Printer {
    key: Box<dyn Converter>,
    value: Box<dyn Converter>,
}

impl Printer {
    fn new() -> Self {
        let plugin = converters::ALL.iter().find(|plugin| plugin.answers_to("JsonConverter")).unwrap();
        let PluginKind::Converter(make) = plugin.kind else { panic!("a converter") };
        let props = Props::from([("schemas.enable".to_owned(), "true".to_owned())]);
        Self { key: make(&props, true).unwrap(), value: make(&props, false).unwrap() }
    }

    fn print(&mut self, record: &SourceRecord) -> Json {
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
struct Origin {
    pos: i64,
    transactions: i64,
}

impl Origin {
    fn of(first: &Json) -> Self {
        let gtids = first["offset"]["gtids"].as_str().unwrap();
        let number = gtids.rsplit(['-', ':']).next().unwrap().parse().unwrap();
        Self { pos: first["offset"]["pos"].as_i64().unwrap(), transactions: number }
    }

    /// `uuid:107` and `uuid:1-107`, by their distance.
    fn gtid(&self, text: &str) -> String {
        text.rsplit_once(['-', ':'])
            .and_then(|(_, number)| number.parse::<i64>().ok())
            .map_or_else(|| text.to_owned(), |number| format!("+{}", number - self.transactions))
    }

    fn normalize(&self, mut record: Json) -> Json {
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
        for own in ["server_uuid", "gtid", "ts_sec"] {
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

fn differ(place: &str, expected: &Json, found: &Json, differences: &mut Vec<String>) {
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
fn brief(record: &Json) -> String {
    let value = &record["value"]["payload"];
    let what = ["op", "status", "ddl"].iter().find_map(|field| value[*field].as_str()).unwrap_or("tombstone");
    format!("{} {} {what:.60}", record["topic"].as_str().unwrap(), record["key"]["payload"])
}

/// Why a difference is meant. Everything else is a mistake.
fn deliberate(expected: &Json, difference: &str) -> Option<&'static str> {
    let value = &expected["value"]["payload"];
    if difference.contains(".offset.") {
        let is = |op: &str| value["op"] == op;
        if value.get("ddl").is_some() || value.get("status").is_some() || is("t") {
            return Some(
                "offsets behind a statement and a transaction count it in, so that it is not said twice",
            );
        }
        if is("d") || expected["value"].is_null() {
            return Some(
                "a delete is only behind us with its tombstone, and with its create when the key changed",
            );
        }
    }
    let ddl = value["ddl"].as_str();
    if ddl.is_some_and(|ddl| ddl.starts_with("UNIQUE INDEX")) && difference.contains(".ddl") {
        return Some("Debezium cuts off the first word");
    }
    if ddl.is_some() && difference.contains(".source.row: ") {
        return Some("Debezium leaves the number of the last row before the statement there");
    }
    if difference.ends_with("length: expected null, found 1") {
        return Some("CHAR is CHAR(1), as the server has it");
    }
    if difference.ends_with("charsetName: expected \"utf8\", found \"utf8mb3\"") {
        return Some("the name that the server has for it now");
    }
    // DEFAULT x'4142' is the two bytes AB; Debezium takes the four digits for them.
    if ["NDE0Mg==", "34313432", "4142"]
        .iter()
        .any(|digits| difference.contains(&format!("expected \"{digits}\"")))
    {
        return Some("the default is the bytes that the server puts in");
    }
    None
}

async fn collect(server: &Server, group: &str, worker: Arc<Worker>) -> Run {
    let base = [("topic.prefix", group), ("database.include.list", "corpus"), ("database.server.id", "0")];
    let mut config = server.config(&base);
    config.insert(
        "database.server.id".to_owned(),
        (7000 + group.len() * 31 + usize::from(group.as_bytes()[0])).to_string(),
    );
    config.remove("include.schema.changes");
    config.extend(options(group));
    Run::start(server, &worker, config).await
}

#[tokio::test]
async fn what_comes_out_is_what_debezium_gives() {
    let Some(server) = Server::start(Kind::MySql, &["--binlog-rows-query-log-events=ON"]).await else {
        return;
    };
    let [before, after] = corpus();
    server.run_in_one_session(&before).await;
    let mut runs = BTreeMap::new();
    for group in groups() {
        runs.insert(group.clone(), collect(&server, &group, Arc::new(Worker::default())).await);
    }
    let mut found: BTreeMap<String, Vec<SourceRecord>> = BTreeMap::new();
    for (group, run) in &mut runs {
        // The snapshot is over when the reader says that it is connected and nothing remains.
        let records = found.entry(group.clone()).or_default();
        run.until_following(records).await;
    }
    server.run_in_one_session(&after).await;
    for (group, mut run) in runs {
        let records = found.get_mut(&group).unwrap();
        while !records.iter().any(|record| {
            record.record.topic.contains("sentinel") && !record.record.is_tombstone() && is_streamed(record)
        }) {
            records.extend(run.some().await);
        }
        while options(&group)
            .iter()
            .any(|(name, value)| name == "provide.transaction.metadata" && value == "true")
            && records.last().is_some_and(|record| record.record.topic.contains("sentinel"))
        {
            records.extend(run.some().await);
        }
        run.stop().await;
    }
    let mut problems = Vec::new();
    for (group, records) in &found {
        compare(group, records, &mut problems);
    }
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

fn is_streamed(record: &SourceRecord) -> bool {
    mysql_support::source(record, "snapshot") == api::Value::Null
}

fn compare(group: &str, records: &[SourceRecord], problems: &mut Vec<String>) {
    let mut printer = Printer::new();
    let found: Vec<Json> = records.iter().map(|record| printer.print(record)).collect();
    let expected = expected(group);
    let base = (Origin::of(&expected[0]), Origin::of(&found[0]));
    let expected: Vec<_> = expected.into_iter().map(|record| base.0.normalize(record)).collect();
    let found: Vec<_> = found.into_iter().map(|record| base.1.normalize(record)).collect();
    let (left, right): (Vec<_>, Vec<_>) =
        (expected.iter().map(brief).collect(), found.iter().map(brief).collect());
    if left.len() != right.len() {
        let place = left
            .iter()
            .zip(&right)
            .position(|(left, right)| left != right)
            .unwrap_or(left.len().min(right.len()));
        problems.push(format!(
            "{group}: {} records expected, {} found; from {place} on expected {:?}, found {:?}",
            left.len(),
            right.len(),
            left.get(place..left.len().min(place + 4)),
            right.get(place..right.len().min(place + 4))
        ));
        return;
    }
    for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
        let mut differences = Vec::new();
        differ("", expected, found, &mut differences);
        differences.retain(|difference| deliberate(expected, difference).is_none());
        problems.extend(
            differences.into_iter().map(|one| format!("{group} {index} ({}): {one}", brief(expected))),
        );
    }
}
