//! Signals and notifications against real servers, and against what Debezium made of the same signals.
//!
//! `golden/snapshot_signals.events.json.gz` holds, a line an event, what the Debezium 3.6.3 embedded engine gave for the tables and signals of
//! [`TABLES`] and [`SIGNALS`] on MySQL 9.7 (`incremental.snapshot.chunk.size=2`, `signal.enabled.channels=source,file`,
//! `notification.enabled.channels=sink`, `include.schema.changes=false`); the blocking snapshot was asked for through the file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Instant;

use api::{SourceRecord, Value};
use mysql_async::prelude::Queryable;
use mysql_support::{Kind, PATIENCE, Run, Server, Worker, brief, source, text};
use serde_json::Value as Json;

const TABLES: [&str; 11] = [
    "CREATE DATABASE shop",
    "CREATE TABLE shop.a (id INT PRIMARY KEY, v VARCHAR(20) NOT NULL)",
    "CREATE TABLE shop.b (x INT, y INT)",
    "CREATE TABLE shop.c (k VARCHAR(10), n INT, v INT, PRIMARY KEY (k, n))",
    "CREATE TABLE shop.empty (id INT PRIMARY KEY)",
    "CREATE TABLE shop.one (id INT PRIMARY KEY)",
    "CREATE TABLE shop.signal_t (id VARCHAR(64) PRIMARY KEY, type VARCHAR(32) NOT NULL, data TEXT)",
    "INSERT INTO shop.a VALUES (1,'a'),(2,'b'),(3,'c'),(4,'d'),(5,'e')",
    "INSERT INTO shop.b VALUES (1,1),(2,2)",
    "INSERT INTO shop.c VALUES ('a',1,1),('a',2,2),('b',1,3)",
    "INSERT INTO shop.one VALUES (1)",
];

const SIGNALS: [&str; 3] = [
    r#"('s1','execute-snapshot','{"data-collections":["shop.a","shop.c"],"type":"incremental"}')"#,
    r#"('s2','execute-snapshot','{"data-collections":["shop.a"],"type":"incremental","additional-conditions":[{"data-collection":"shop.a","filter":"id>3"}]}')"#,
    r#"('s3','execute-snapshot','{"data-collections":["shop.b","shop.empty"],"type":"incremental"}')"#,
];

const BLOCKING: &str = r#"{"id":"s4","type":"execute-snapshot","data":{"data-collections":["shop.one","shop.a"],"type":"blocking"}}"#;

fn golden() -> Vec<Json> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/snapshot_signals.events.json.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A note as `aggregate type {data}`, lists in order.
fn note_text(aggregate: &str, kind: &str, data: &BTreeMap<String, String>) -> String {
    let sorted = |text: &str| {
        let mut items: Vec<_> = text.split(',').collect();
        items.sort_unstable();
        items.join(",")
    };
    let data: Vec<_> = data
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", if name == "data_collections" { sorted(value) } else { value.clone() })
        })
        .collect();
    format!("{aggregate} {kind} {}", data.join(" "))
}

fn our_note(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct().unwrap();
    let field = |name: &str| value.get(name).map(text).unwrap();
    let Some(Value::Map(data)) = value.get("additional_data") else { panic!("no data") };
    let data = data.iter().map(|(name, value)| (text(name), text(value))).collect();
    note_text(&field("aggregate_type"), &field("type"), &data)
}

fn is_note(record: &SourceRecord) -> bool {
    &*record.record.topic == "notes"
}

/// Takes records until a note of this kind came so often.
async fn until_note(run: &mut Run, kind: &str, times: usize, all: &mut Vec<SourceRecord>) {
    let found = |all: &[SourceRecord]| {
        let notes = all.iter().filter(|record| is_note(record));
        notes.filter(|record| our_note(record).starts_with(kind)).count()
    };
    let deadline = Instant::now() + PATIENCE;
    while found(all) < times {
        assert!(
            Instant::now() < deadline,
            "no {kind} in {:?}",
            all.iter().filter(|record| is_note(record)).map(our_note).collect::<Vec<_>>()
        );
        all.extend(run.some().await);
    }
}

/// `op snapshot-mark row` of the records of a table.
fn ours(records: &[SourceRecord], topic: &str) -> Vec<String> {
    let of_topic = records.iter().filter(|record| &*record.record.topic == topic);
    of_topic
        .map(|record| {
            let value = record.record.value.value.as_struct().unwrap();
            let row = value.get("after").and_then(Value::as_struct).unwrap();
            let row: Vec<_> = row.values().iter().map(text).collect();
            let mark = source(record, "snapshot");
            let mark = if mark.is_null() { "false".to_owned() } else { text(&mark) };
            format!("{} {mark} {}", text(value.get("op").unwrap()), row.join(","))
        })
        .collect()
}

fn theirs(golden: &[Json], topic: &str) -> Vec<String> {
    let of_topic = golden.iter().filter(|event| event["topic"] == topic);
    of_topic
        .map(|event| {
            let value = &event["value"];
            let row = value["after"].as_object().unwrap();
            let row: Vec<_> = row
                .values()
                .map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned))
                .collect();
            let mark = value["source"]["snapshot"].as_str().unwrap();
            format!("{} {mark} {}", value["op"].as_str().unwrap(), row.join(","))
        })
        .collect()
}

#[tokio::test]
async fn signals_give_debeziums_events_and_notifications() {
    let golden = golden();
    for (kind, channel) in [
        (Kind::MySql, "source"),
        (Kind::MariaDb, "source"),
        (Kind::MySql, "read-only"),
        (Kind::MariaDb, "read-only"),
    ] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLES).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("signals");
        let read_only = if channel == "source" { "false" } else { "true" };
        let config = server.config(&[
            ("signal.data.collection", "shop.signal_t"),
            ("signal.enabled.channels", "source,file"),
            ("signal.file", file.to_str().unwrap()),
            ("signal.poll.interval.ms", "50"),
            ("incremental.snapshot.chunk.size", "2"),
            ("notification.enabled.channels", "sink,log"),
            ("notification.sink.topic.name", "notes"),
            ("read.only", read_only),
        ]);
        let mut run = Run::start(&server, &Arc::new(Worker::default()), config).await;
        let mut all = Vec::new();
        until_note(&mut run, "Initial Snapshot COMPLETED", 1, &mut all).await;
        for (number, signal) in SIGNALS.iter().enumerate() {
            server.run(&[&format!("INSERT INTO shop.signal_t VALUES {signal}")]).await;
            until_note(&mut run, "Incremental Snapshot COMPLETED", number + 1, &mut all).await;
        }
        std::fs::write(&file, format!("{BLOCKING}\n")).unwrap();
        until_note(&mut run, "Initial Snapshot COMPLETED", 2, &mut all).await;
        server.run(&["INSERT INTO shop.a VALUES (100, 'z')"]).await;
        while ours(&all, "p.shop.a").last().is_none_or(|last| last != "c false 100,z") {
            all.extend(run.some().await);
        }
        for table in ["a", "b", "c", "one"] {
            let topic = format!("p.shop.{table}");
            assert_eq!(ours(&all, &topic), theirs(&golden, &topic), "{kind:?} {channel} {table}");
        }
        let expected: Vec<_> = golden
            .iter()
            .filter(|event| event["topic"] == "notes")
            .map(|event| {
                let value = &event["value"];
                let data = serde_json::from_value(value["additional_data"].clone()).unwrap();
                note_text(value["aggregate_type"].as_str().unwrap(), value["type"].as_str().unwrap(), &data)
            })
            .collect();
        let found: Vec<_> = all.iter().filter(|record| is_note(record)).map(our_note).collect();
        assert_eq!(found, expected, "{kind:?} {channel}");
        let ids = |table: &str| -> BTreeSet<String> {
            let topic = format!("p.shop.{table}");
            all.iter()
                .filter(|record| *record.record.topic == *topic)
                .map(brief)
                .map(|brief| brief.chars().skip(2).take(36).collect())
                .collect()
        };
        // Only with a table to write to are windows marked in it.
        assert_eq!(ids("signal_t").len() > 3, channel == "source", "{kind:?} {channel}");
        run.stop().await;
    }
}

async fn server_with_rows(kind: Kind) -> Option<Server> {
    let server = Server::start(kind, &[]).await?;
    server
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT NOT NULL)",
            "CREATE TABLE shop.signal_t (id VARCHAR(64) PRIMARY KEY, type VARCHAR(32) NOT NULL, data TEXT)",
        ])
        .await;
    let rows: Vec<_> = (0..500).map(|id| format!("({id}, 0)")).collect();
    server.run(&[&format!("INSERT INTO shop.t VALUES {}", rows.join(","))]).await;
    Some(server)
}

/// Writers change the table all the while, and the task is killed at every few records.
#[tokio::test]
async fn an_incremental_snapshot_among_writers_and_kills_makes_the_table() {
    for (kind, extra) in [
        (
            Kind::MySql,
            [("incremental.snapshot.watermarking.strategy", "insert_delete"), ("read.only", "false")],
        ),
        (
            Kind::MySql,
            [("incremental.snapshot.watermarking.strategy", "insert_insert"), ("read.only", "true")],
        ),
        (
            Kind::MariaDb,
            [("incremental.snapshot.watermarking.strategy", "insert_insert"), ("read.only", "true")],
        ),
    ] {
        let Some(server) = server_with_rows(kind).await else { continue };
        let mut said = vec![
            ("snapshot.mode", "no_data"),
            ("signal.data.collection", "shop.signal_t"),
            ("incremental.snapshot.chunk.size", "20"),
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", "notes"),
        ];
        said.extend(extra);
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&said)).await;
        *worker.offset.lock() = Some(run.offset_alone().await);
        server.run(&[r#"INSERT INTO shop.signal_t VALUES ('s','execute-snapshot','{"data-collections":["shop.t"]}')"#]).await;
        let (mut rows, mut problems) = (BTreeMap::new(), Vec::new());
        let (mut complete, mut since_kill, mut round, mut reads) = (false, 0, 0_i64, 0);
        while !complete {
            round += 1;
            server
                .run(&[
                    &format!("UPDATE shop.t SET v = v + 1 WHERE id % 7 = {}", round % 7),
                    &format!("DELETE FROM shop.t WHERE id = {}", (round * 13) % 500),
                    &format!("REPLACE INTO shop.t VALUES ({}, {round})", (round * 29) % 600),
                ])
                .await;
            let mut killed = false;
            for record in run.some().await {
                since_kill += 1;
                complete |=
                    is_note(&record) && our_note(&record).starts_with("Incremental Snapshot COMPLETED");
                reads += fold(&record, &mut rows, &mut problems);
                run.commit(&record);
                killed = since_kill >= 150;
                if killed {
                    break;
                }
            }
            if killed && !complete {
                since_kill = 0;
                run.stop().await;
                run = Run::start(&server, &worker, server.config(&said)).await;
            }
        }
        run.stop().await;
        server.run(&["INSERT INTO shop.t VALUES (99999, 1)"]).await;
        let mut run = Run::start(&server, &worker, server.config(&said)).await;
        while !rows.contains_key(&99_999) {
            for record in run.some().await {
                fold(&record, &mut rows, &mut problems);
            }
        }
        run.stop().await;
        let found: Vec<(i64, i64)> = server.session().await.query("SELECT id, v FROM shop.t").await.unwrap();
        assert_eq!(rows, found.into_iter().collect::<BTreeMap<_, _>>(), "{kind:?} {extra:?}");
        assert_eq!(problems, Vec::<String>::new(), "{kind:?} {extra:?}");
        assert!((1..=600).contains(&reads), "{kind:?}: {reads} rows were read of 500");
    }
}

/// One record into the table that the topic tells of; whether it was a row of a snapshot.
fn fold(record: &SourceRecord, rows: &mut BTreeMap<i64, i64>, problems: &mut Vec<String>) -> usize {
    if &*record.record.topic != "p.shop.t" {
        return 0;
    }
    let field =
        |row: &Value, name: &str| row.as_struct().and_then(|row| row.get(name)).and_then(Value::as_i64);
    let Some(value) = record.record.value.value.as_struct() else { return 0 };
    let (before, after) = (value.get("before").unwrap(), value.get("after").unwrap());
    let is_read = value.get("op").and_then(Value::as_str) == Some("r");
    if let (Some(id), Some(v)) = (field(before, "id"), field(before, "v"))
        && rows.remove(&id).is_some_and(|known| known != v)
    {
        problems.push(format!("{} had another row before", brief(record)));
    }
    if let (Some(id), Some(v)) = (field(after, "id"), field(after, "v")) {
        let known = rows.insert(id, v);
        let fits = if is_read { known.is_none_or(|known| known == v) } else { known.is_none() };
        if !fits {
            problems.push(format!("{} was {known:?} before", brief(record)));
        }
    }
    usize::from(is_read)
}

#[tokio::test]
async fn a_new_table_is_read_on_request_and_a_snapshot_can_be_held_and_given_up() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server.run(&TABLES).await;
    let base = [
        ("signal.data.collection", "shop.signal_t"),
        ("incremental.snapshot.chunk.size", "2"),
        ("notification.enabled.channels", "sink"),
        ("notification.sink.topic.name", "notes"),
        ("snapshot.mode", "no_data"),
    ];
    let worker = Arc::new(Worker::default());
    let mut said = base.to_vec();
    said.push(("table.include.list", "shop.a"));
    let mut run = Run::start(&server, &worker, server.config(&said)).await;
    *worker.offset.lock() = Some(run.offset_alone().await);
    run.stop().await;
    // shop.c joins the list.
    said.pop();
    said.push(("table.include.list", "shop.a,shop.c"));
    let mut run = Run::start(&server, &worker, server.config(&said)).await;
    let signal = |id: &'static str, kind: &'static str, data: &'static str| {
        let server = &server;
        async move {
            server.run(&[&format!("INSERT INTO shop.signal_t VALUES ('{id}', '{kind}', '{data}')")]).await
        }
    };
    signal("1", "execute-snapshot", r#"{"data-collections":["shop.c"]}"#).await;
    let mut all = Vec::new();
    until_note(&mut run, "Incremental Snapshot COMPLETED", 1, &mut all).await;
    assert_eq!(ours(&all, "p.shop.c").len(), 3);
    signal("2", "pause-snapshot", "").await;
    until_note(&mut run, "Incremental Snapshot PAUSED", 1, &mut all).await;
    signal("3", "execute-snapshot", r#"{"data-collections":["shop.a","shop.c"]}"#).await;
    until_note(&mut run, "Incremental Snapshot STARTED", 2, &mut all).await;
    signal("4", "stop-snapshot", r#"{"data-collections":["shop.a"]}"#).await;
    until_note(&mut run, "Incremental Snapshot ABORTED", 1, &mut all).await;
    assert_eq!(ours(&all, "p.shop.a").len(), 0, "it was paused, then given up");
    // Held over a restart, with what is left of it.
    run.commit(all.iter().rev().find(|record| is_note(record)).unwrap());
    run.stop().await;
    let mut run = Run::start(&server, &worker, server.config(&said)).await;
    signal("5", "resume-snapshot", "").await;
    until_note(&mut run, "Incremental Snapshot COMPLETED", 2, &mut all).await;
    assert_eq!((ours(&all, "p.shop.a").len(), ours(&all, "p.shop.c").len()), (0, 6));
    signal("6", "set-binlog-position", r#"{"binlog_filename":"none.000001","binlog_position":4}"#).await;
    signal("7", "nonsense", "{").await;
    server.run(&["INSERT INTO shop.a VALUES (6, 'f')"]).await;
    while ours(&all, "p.shop.a").is_empty() {
        all.extend(run.some().await);
    }
    run.stop().await;
}
