//! Rows from servers that leave columns out of their images (`binlog_row_image` MINIMAL and NOBLOB), with a primary key and without:
//! nothing that was left out may pass for a value, and what is known must be said.

#![allow(clippy::unwrap_used, reason = "a test: what is not as expected fails it")]

mod mysql_support;

use std::sync::Arc;

use api::{PluginKind, SourceRecord, Struct, Value};
use mysql_support::{Kind, Run, Server, Worker, text};

const PLACEHOLDER: &str = "__debezium_unavailable_value";
const HEADERS: (&str, &str) = ("unavailable.column.handling.mode", "header");

const TABLES: [&str; 3] = [
    "CREATE DATABASE shop",
    "CREATE TABLE shop.t (id INT PRIMARY KEY, n INT NOT NULL DEFAULT 5, d DATETIME NOT NULL, v VARCHAR(20), b BLOB, x TEXT, g POINT)",
    "CREATE TABLE shop.nokey (a INT, n INT NOT NULL DEFAULT 5, x TEXT)",
];

const CHANGES: [&str; 9] = [
    "INSERT INTO shop.t (id, d, v) VALUES (1, '2024-02-29 12:00:00', 'a')",
    "INSERT INTO shop.t VALUES (2, 2, '2024-02-29 12:00:00', 'b', 'bytes', 'text', POINT(1, 2))",
    "UPDATE shop.t SET n = 7 WHERE id = 2",
    "UPDATE shop.t SET x = 'other', v = NULL WHERE id = 2",
    "UPDATE shop.t SET id = 3 WHERE id = 2",
    "DELETE FROM shop.t WHERE id = 3",
    "INSERT INTO shop.nokey (a, x) VALUES (1, 'text')",
    "UPDATE shop.nokey SET n = 7",
    "DELETE FROM shop.nokey",
];

/// The names in a header of a record.
fn named(record: &SourceRecord, header: &str) -> Vec<String> {
    let header = record.record.headers.last(&format!("__debezium.unavailable.{header}"));
    match header.map(|header| &header.value.value) {
        None => Vec::new(),
        Some(Value::Array(names)) => names.iter().map(text).collect(),
        Some(other) => panic!("a list of names, but it is {other:?}"),
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Struct(_) => "struct".to_owned(),
        other => text(other),
    }
}

/// An image, with `?` for what its record says was left out: that must be null, or the placeholder.
fn image(record: &SourceRecord, value: &Struct, name: &str) -> String {
    let Some(row) = value.get(name).and_then(Value::as_struct) else { return String::new() };
    let unavailable = named(record, name);
    let fields = row.schema().fields().iter().zip(row.values());
    let cells = fields.map(|(field, value)| {
        if !unavailable.contains(&field.name.to_string()) {
            return cell(value);
        }
        let is_none = value.is_null() && field.schema.is_optional() && field.schema.default_value().is_none();
        assert!(is_none || cell(value) == PLACEHOLDER, "{}: {value:?} in {:?}", field.name, field.schema);
        if value.is_null() { "?".to_owned() } else { "??".to_owned() }
    });
    format!(" {name}: {}", cells.collect::<Vec<_>>().join("|"))
}

/// What a record says: operation, key and images.
fn said(record: &SourceRecord) -> String {
    let key =
        record.record.key.value.as_struct().map_or_else(|| "-".to_owned(), |key| text(&key.values()[0]));
    let Some(value) = record.record.value.value.as_struct() else { return format!("tombstone {key}") };
    record.record.value.value.validate(value.schema()).unwrap();
    let op = value.get("op").map(text).unwrap();
    format!("{op} {key}{}{}", image(record, value, "before"), image(record, value, "after"))
}

/// What the changes become on a server with this setting.
async fn streamed(kind: Kind, row_image: &str, extra: &[(&str, &str)]) -> Option<Vec<SourceRecord>> {
    let server = Server::start(kind, &[&format!("--binlog-row-image={row_image}")]).await?;
    server.run(&TABLES).await;
    let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(extra)).await;
    run.until_following(&mut Vec::new()).await;
    server.run(&CHANGES).await;
    let mut records = Vec::new();
    while records.last().is_none_or(|last| said(last) != "tombstone -") {
        records.extend(run.some().await);
    }
    run.stop().await;
    Some(records)
}

/// What comes of the images of a table without a key: those before a change lack nothing, so nothing is lacking after it either.
const WITHOUT_KEY: [&str; 3] =
    ["u - before: 1|5|text after: 1|7|text", "d - before: 1|7|text", "tombstone -"];

#[tokio::test]
async fn minimal_images_say_what_they_lack() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(records) = streamed(kind, "MINIMAL", &[HEADERS]).await else { continue };
        let found: Vec<_> = records.iter().map(said).collect();
        // MySQL leaves out what an INSERT does not name, whether the table has a key or not.
        let insert = if kind == Kind::MySql { "c - after: 1|?|text" } else { "c - after: 1|5|text" };
        let expected = [
            "c 1 after: 1|?|1709208000000|a|??|??|?",
            "c 2 after: 2|2|1709208000000|b|bytes|text|struct",
            "u 2 before: 2|?|?|??|??|??|? after: 2|7|?|??|??|??|?",
            "u 2 before: 2|?|?|??|??|??|? after: 2|?|?|null|??|other|?",
            "d 2 before: 2|?|?|??|??|??|?",
            "tombstone 2",
            "c 3 after: 3|?|?|??|??|??|?",
            "d 3 before: 3|?|?|??|??|??|?",
            "tombstone 3",
            insert,
        ];
        assert_eq!(found, [&expected[..], &WITHOUT_KEY].concat(), "{kind:?}");
        // The header of a changed key comes before, those of the context behind.
        let names: Vec<_> = records[4].record.headers.iter().map(|header| &*header.key).collect();
        assert_eq!(names[..2], ["__debezium.newkey", "__debezium.unavailable.before"]);
        assert!(
            records[5].record.headers.last("__debezium.unavailable.before").is_none(),
            "a tombstone has no fields"
        );
        assert!(records[1].record.headers.iter().all(|header| !header.key.contains("unavailable")));
        a_flattened_record_has_the_fields_that_are_known(&records);
    }
}

#[tokio::test]
async fn images_without_unchanged_blobs_say_which() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(records) = streamed(kind, "NOBLOB", &[HEADERS]).await else { continue };
        let found: Vec<_> = records.iter().map(said).collect();
        let expected = [
            "c 1 after: 1|5|1709208000000|a|??|??|null",
            "c 2 after: 2|2|1709208000000|b|bytes|text|struct",
            "u 2 before: 2|2|1709208000000|b|??|??|struct after: 2|7|1709208000000|b|??|??|struct",
            "u 2 before: 2|7|1709208000000|b|??|??|struct after: 2|7|1709208000000|null|??|other|struct",
            "d 2 before: 2|7|1709208000000|null|??|??|struct",
            "tombstone 2",
            "c 3 after: 3|7|1709208000000|null|??|??|struct",
            "d 3 before: 3|7|1709208000000|null|??|??|struct",
            "tombstone 3",
            "c - after: 1|5|text",
        ];
        assert_eq!(found, [&expected[..], &WITHOUT_KEY].concat(), "{kind:?}");
    }
}

/// `ExtractNewRecordState` takes the list of the header for what it is to leave out of the row: a sink then changes what is known only.
fn a_flattened_record_has_the_fields_that_are_known(records: &[SourceRecord]) {
    let class = "io.debezium.transforms.ExtractNewRecordState";
    let plugin = transforms::ALL.iter().find(|plugin| plugin.class == class).unwrap();
    let PluginKind::Transform(make) = plugin.kind else { panic!("a transform") };
    let options = [("drop.fields.header.name", "__debezium.unavailable.after")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut flatten = make(&options.into_iter().collect()).unwrap();
    let mut flattened = |record: &SourceRecord| {
        let record = flatten.apply(record.record.clone()).unwrap().unwrap();
        let row = record.value.value.as_struct().unwrap().clone();
        let fields = row.schema().fields().iter().zip(row.values());
        let shown: Vec<_> = fields.map(|(field, value)| format!("{}={}", field.name, cell(value))).collect();
        assert!(record.headers.last("__debezium.unavailable.before").is_some(), "headers stay");
        shown.join(" ")
    };
    assert_eq!(flattened(&records[2]), "id=2 n=7");
    assert_eq!(flattened(&records[3]), "id=2 v=null x=other");
}

#[tokio::test]
async fn without_headers_what_nothing_can_stand_for_ends_the_task() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &["--binlog-row-image=MINIMAL"]).await else { continue };
        server.run(&TABLES).await;
        let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&[])).await;
        run.until_following(&mut Vec::new()).await;
        server.run(&["INSERT INTO shop.nokey VALUES (1, 5, 'text')"]).await;
        server.run(&CHANGES[7..]).await;
        let found: Vec<_> = run.take(4).await.iter().map(said).collect();
        assert_eq!(found[0], "c - after: 1|5|text");
        assert_eq!(found[1..], WITHOUT_KEY, "{kind:?}");
        server.run(&CHANGES[..1]).await;
        let report = run.failure().await.report();
        for part in ["column n of shop.t", "binlog_row_image=FULL", "unavailable.column.handling.mode=header"]
        {
            assert!(report.contains(part), "{kind:?}: {report}");
        }
        run.stop().await;
    }
}

#[tokio::test]
async fn a_key_whose_columns_are_left_out_is_never_made_up() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &["--binlog-row-image=MINIMAL"]).await else { continue };
        server.run(&TABLES).await;
        let options = [HEADERS, ("message.key.columns", "shop.t:n,v")];
        let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&options)).await;
        run.until_following(&mut Vec::new()).await;
        server.run(&CHANGES[1..3]).await;
        assert_eq!(said(&run.take(1).await[0]), "c 2 after: 2|2|1709208000000|b|bytes|text|struct");
        let report = run.failure().await.report();
        for part in ["the key of shop.t needs column n", "binlog_row_image=FULL", "message.key.columns"] {
            assert!(report.contains(part), "{kind:?}: {report}");
        }
        run.stop().await;
    }
}
