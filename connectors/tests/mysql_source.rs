//! The MySQL source against real servers: what comes out, and that nothing is lost or repeated on the way.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod mysql_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{SourceRecord, Value};
use mysql_async::prelude::Queryable;
use mysql_support::{Kind, Run, Server, Worker, after, brief, source};

const TABLES: [&str; 3] = [
    "CREATE DATABASE shop",
    "CREATE TABLE shop.customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(100) NOT NULL, email VARCHAR(100))",
    "INSERT INTO shop.customers (name, email) VALUES ('a', 'a@x'), ('b', NULL), ('c', 'c@x')",
];

async fn snapshot_then_changes(kind: Kind) {
    let Some(server) = Server::start(kind, &[]).await else { return };
    server.run(&TABLES).await;
    server
        .run(&["CREATE TABLE shop.nothing (id INT PRIMARY KEY)", "CREATE TABLE shop.keyless (x INT)"])
        .await;
    let worker = Arc::new(Worker::default());
    let mut run = Run::start(&server, &worker, server.config(&[])).await;
    let records = run.take(3).await;
    assert_eq!(records.iter().map(brief).collect::<Vec<_>>(), ["r 1", "r 2", "r 3"]);
    let marks: Vec<_> = records.iter().map(|record| source(record, "snapshot")).collect();
    assert_eq!(marks, ["first", "true", "last"].map(Value::from));
    assert!(records[1].source_offset.to_map().get("snapshot").is_some());
    assert!(records[2].source_offset.to_map().get("snapshot").is_none());
    assert_eq!(&*records[0].record.topic, "p.shop.customers");
    server
        .run(&[
            "INSERT INTO shop.customers (name) VALUES ('d')",
            "UPDATE shop.customers SET name = 'bb' WHERE id = 2",
            "UPDATE shop.customers SET id = 20 WHERE id = 2",
            "DELETE FROM shop.customers WHERE id = 1",
            "INSERT INTO shop.keyless VALUES (1)",
            "TRUNCATE shop.customers",
            "INSERT INTO shop.customers (id, name) VALUES (31, 'x'), (32, 'y')",
        ])
        .await;
    let records = run.take(10).await;
    let expected = ["c 4", "u 2", "d 2", "tombstone 2", "c 20", "d 1", "tombstone 1", "c ", "c 31", "c 32"];
    assert_eq!(records.iter().map(brief).collect::<Vec<_>>(), expected);
    assert_eq!(source(&records[9], "row"), Value::Int32(1));
    assert_eq!(after(&records[1], "name"), Value::from("bb"));
    assert_eq!(source(&records[0], "snapshot"), Value::Null);
    assert_eq!(run.gauges.snapshot().get("connected"), Some(&1));
    run.stop().await;
}

#[tokio::test]
async fn mariadb_gives_its_rows_and_then_every_change() {
    snapshot_then_changes(Kind::MariaDb).await;
}

#[tokio::test]
async fn mysql_gives_its_rows_and_then_every_change() {
    snapshot_then_changes(Kind::MySql).await;
}

/// The table as its records tell it: every record must fit what the ones before it left.
fn replay(records: &[SourceRecord], rows: &mut BTreeMap<i64, i64>, problems: &mut Vec<String>) {
    let field =
        |row: &Value, name: &str| row.as_struct().and_then(|row| row.get(name)).and_then(Value::as_i64);
    for record in records {
        let Some(value) = record.record.value.value.as_struct() else { continue };
        let (before, after) = (value.get("before").unwrap(), value.get("after").unwrap());
        if let (Some(id), Some(v)) = (field(before, "id"), field(before, "v"))
            && rows.remove(&id) != Some(v)
        {
            problems.push(format!("{} had another row before", brief(record)));
        }
        if let (Some(id), Some(v)) = (field(after, "id"), field(after, "v"))
            && rows.insert(id, v).is_some()
        {
            problems.push(format!("{} was there before", brief(record)));
        }
    }
}

#[tokio::test]
async fn a_snapshot_among_writers_and_what_follows_make_the_table() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server
            .run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT NOT NULL)"])
            .await;
        let fill: Vec<_> = (0..2000).map(|id| format!("({id}, 0)")).collect();
        server.run(&[&format!("INSERT INTO shop.t VALUES {}", fill.join(","))]).await;
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..3_u64 {
            let mut conn = server.session().await;
            writers.spawn(async move {
                let mut random = writer + 1;
                for round in 0..400_u64 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let id = (random >> 33) % 2000;
                    let statement = match random >> 61 {
                        0 => format!("DELETE FROM shop.t WHERE id = {id}"),
                        1 => format!("INSERT IGNORE INTO shop.t VALUES ({id}, {round})"),
                        2 => format!("UPDATE IGNORE shop.t SET id = id + 10000 WHERE id = {id}"),
                        _ => format!("UPDATE shop.t SET v = v + 1 WHERE id BETWEEN {id} AND {}", id + 3),
                    };
                    // Two writers that lock each other out try again with their next statement.
                    drop(conn.query_drop(statement).await);
                }
                conn.disconnect().await.unwrap();
            });
        }
        let worker = Arc::new(Worker::default());
        let mut run = Run::start(&server, &worker, server.config(&[])).await;
        let (mut rows, mut problems) = (BTreeMap::new(), Vec::new());
        let mut done = false;
        while !done {
            let records = run.some().await;
            done = records.iter().any(|record| source_or_null(record) == Value::from("last"));
            replay(&records, &mut rows, &mut problems);
        }
        while writers.join_next().await.is_some() {}
        server.run(&["INSERT INTO shop.t VALUES (99999, 1)"]).await;
        while !rows.contains_key(&99_999) {
            replay(&run.some().await, &mut rows, &mut problems);
        }
        let found: Vec<(i64, i64)> = server.session().await.query("SELECT id, v FROM shop.t").await.unwrap();
        assert_eq!(rows, found.into_iter().collect::<BTreeMap<_, _>>(), "{kind:?}");
        assert_eq!(problems, Vec::<String>::new(), "{kind:?}");
        run.stop().await;
    }
}

fn source_or_null(record: &SourceRecord) -> Value {
    if record.record.is_tombstone() { Value::Null } else { source(record, "snapshot") }
}

#[tokio::test]
async fn heartbeats_carry_the_position_over_what_is_not_captured() {
    for kind in [Kind::MariaDb, Kind::MySql] {
        let Some(server) = Server::start(kind, &[]).await else { continue };
        server.run(&TABLES).await;
        server.run(&["CREATE DATABASE other", "CREATE TABLE other.t (id INT PRIMARY KEY)"]).await;
        let worker = Arc::new(Worker::default());
        let config = server.config(&[("heartbeat.interval.ms", "10"), ("snapshot.mode", "no_data")]);
        let mut run = Run::start(&server, &worker, config).await;
        let place =
            |record: &SourceRecord| record.source_offset.to_map().get("pos").and_then(Value::as_i64).unwrap();
        let deadline = std::time::Instant::now() + mysql_support::PATIENCE;
        let mut last = 0;
        for id in 0..3 {
            server.run(&[&format!("INSERT INTO other.t VALUES ({id})")]).await;
            // Heartbeats from before the insert may come first.
            let before = last;
            while last <= before {
                assert!(std::time::Instant::now() < deadline, "{kind:?}: the position stays at {last}");
                for record in run.some().await {
                    assert_eq!(&*record.record.topic, "__debezium-heartbeat.p");
                    assert!(place(&record) >= last, "{kind:?}: back from {last}");
                    last = place(&record);
                }
            }
        }
        run.stop().await;
    }
}

#[tokio::test]
async fn an_encrypted_connection_gives_the_same() {
    let Some(server) = Server::start(Kind::MySql, &[]).await else { return };
    server.run(&TABLES).await;
    server.run(&["SET GLOBAL require_secure_transport = ON"]).await;
    let start = |mode| server.config(&[("database.ssl.mode", mode)]);
    let mut run = Run::start(&server, &Arc::new(Worker::default()), start("disabled")).await;
    let report = run.failure().await.report();
    assert!(report.contains("database.ssl.mode=disabled") && report.contains("demands"), "{report}");
    run.stop().await;
    for mode in ["required", "preferred"] {
        let mut run = Run::start(&server, &Arc::new(Worker::default()), start(mode)).await;
        assert_eq!(run.take(3).await.len(), 3, "{mode}");
        run.stop().await;
    }
    let mut run = Run::start(&server, &Arc::new(Worker::default()), start("verify_identity")).await;
    let report = run.failure().await.report();
    assert!(report.contains("database.ssl.mode"), "the server's certificate is its own: {report}");
    run.stop().await;
}

/// A converter refuses a struct whose schema differs from its field's in anything, such as being optional.
#[tokio::test]
async fn a_point_has_the_schema_of_its_column() {
    let Some(server) = Server::start(Kind::MariaDb, &[]).await else { return };
    server
        .run(&["CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY, p POINT, q POINT NOT NULL)"])
        .await;
    server.run(&["INSERT INTO shop.t VALUES (1, POINT(1, 2), POINT(3, 4))"]).await;
    let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&[])).await;
    let mut records = run.take(1).await;
    server.run(&["INSERT INTO shop.t VALUES (2, POINT(1, 2), POINT(3, 4))"]).await;
    records.extend(run.take(1).await);
    for record in &records {
        let value = record.record.value.value.as_struct().unwrap();
        let row = value.get("after").and_then(Value::as_struct).unwrap();
        for (field, value) in row.schema().fields().iter().zip(row.values()).skip(1) {
            assert_eq!(value.as_struct().unwrap().schema(), &field.schema, "{}", brief(record));
        }
    }
    run.stop().await;
}
