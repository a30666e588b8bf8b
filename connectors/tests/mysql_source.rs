//! The MySQL source against real servers: what comes out, and that nothing is lost or repeated on the way.

mod mysql_support;

use std::sync::Arc;

use api::Value;
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
