//! What Debezium's MariaDB connector cannot read, and ours does: addresses, compressed columns and events, sequences beside system-versioned
//! tables, tables that are replaced. Rows come the same from a snapshot and from the binlog.

#![allow(clippy::unwrap_used, reason = "a test: what is not as expected fails it")]

mod mysql_support;

use std::sync::Arc;

use api::SourceRecord;
use mysql_support::{Kind, Run, Server, Worker, text};

const BEFORE: [&str; 9] = [
    "CREATE DATABASE shop COMMENT 'with a comment'",
    "CREATE TABLE shop.addresses (id INT PRIMARY KEY, four INET4, six INET6 NOT NULL DEFAULT '::1', y YEAR)",
    "CREATE TABLE shop.packed (id INT PRIMARY KEY, v VARCHAR(50) COMPRESSED, t TEXT COMPRESSED CHARACTER SET latin1, g POINT, \
     l VARCHAR(9) CHARACTER SET latin1)",
    "CREATE TABLE shop.other (id INT PRIMARY KEY, v VARCHAR(9))",
    "CREATE TABLE shop.periods (id INT PRIMARY KEY, v INT, a TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, b TIMESTAMP(6) \
     GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING",
    "CREATE SEQUENCE shop.numbers",
    "INSERT INTO shop.addresses VALUES (1, '1.2.3.4', 'fe80::1:0:0:1', 1999)",
    "INSERT INTO shop.packed VALUES (1, 'café', REPEAT('é', 100), POINT(1, 2), 'ü')",
    "INSERT INTO shop.other VALUES (1, 'one')",
];

const AFTER: [&str; 15] = [
    "INSERT INTO shop.addresses SELECT id + 10, four, six, y FROM shop.addresses",
    "UPDATE shop.addresses SET four = '0.0.0.0', six = '1:0:0:2::3' WHERE id = 11",
    "INSERT INTO shop.packed SELECT id + 10, v, t, g, l FROM shop.packed",
    "UPDATE shop.packed SET v = REPEAT('v', 50) WHERE id = 11",
    "INSERT INTO shop.other VALUES (2, 'two')",
    "UPDATE shop.other SET v = 'ein' WHERE id = 1",
    "DELETE FROM shop.other WHERE id = 2",
    "INSERT INTO shop.periods (id, v) VALUES (NEXTVAL(shop.numbers), 1)",
    "CREATE SEQUENCE shop.dropped START WITH 10",
    "SELECT NEXTVAL(shop.dropped)",
    "DROP SEQUENCE shop.dropped",
    "CREATE OR REPLACE TABLE shop.other (w INT PRIMARY KEY, x INT COMMENT 'other')",
    "INSERT INTO shop.other VALUES (7, 8)",
    "ALTER TABLE shop.other ADD y INET4 DEFAULT '1.1.1.1' FIRST",
    "INSERT INTO shop.other (w, x) VALUES (9, 10)",
];

/// The operation, the table and the values of a row; points as their bytes are left out.
fn row(record: &SourceRecord) -> String {
    let value = record.record.value.value.as_struct();
    let op = value.and_then(|value| value.get("op")).map_or_else(|| "tombstone".to_owned(), text);
    let after = value.and_then(|value| value.get("after")).and_then(api::Value::as_struct);
    let cell =
        |value: &api::Value| if value.as_struct().is_some() { "struct".to_owned() } else { text(value) };
    let cells: Vec<_> = after.map(|after| after.values().iter().map(cell).collect()).unwrap_or_default();
    format!("{op} {} {}", record.record.topic.rsplit('.').next().unwrap(), cells.join("|"))
}

async fn rows_are_read(metadata: &str) {
    let arguments = ["--log-bin-compress=ON", "--log-bin-compress-min-len=10", metadata];
    let Some(server) = Server::start(Kind::MariaDb, &arguments).await else { return };
    server.run(&BEFORE).await;
    let mut run = Run::start(&server, &Arc::new(Worker::default()), server.config(&[])).await;
    let mut records = Vec::new();
    run.until_following(&mut records).await;
    let snapshot: Vec<_> = records.iter().map(row).collect();
    let long = "é".repeat(100);
    assert_eq!(
        snapshot,
        [
            "r addresses 1|1.2.3.4|fe80::1:0:0:1|1999".to_owned(),
            "r other 1|one".to_owned(),
            format!("r packed 1|café|{long}|struct|ü")
        ]
    );
    server.run(&AFTER).await;
    while !records.last().is_some_and(|record| row(record).starts_with("c other 1.1.1.1|9")) {
        records.extend(run.some().await);
    }
    run.stop().await;
    let streamed: Vec<_> = records[3..].iter().map(row).collect();
    let expected = [
        "c addresses 11|1.2.3.4|fe80::1:0:0:1|1999".to_owned(),
        "u addresses 11|0.0.0.0|1:0:0:2::3|1999".to_owned(),
        format!("c packed 11|café|{long}|struct|ü"),
        format!("u packed 11|{}|{long}|struct|ü", "v".repeat(50)),
    ];
    assert_eq!(streamed[..4], expected);
    let rest: Vec<_> =
        streamed[4..].iter().map(|row| row.splitn(3, '|').take(2).collect::<Vec<_>>().join("|")).collect();
    let expected = [
        "c other 2|two",
        "u other 1|ein",
        "d other ",
        "tombstone other ",
        "c periods 1|1",
        "c other 7|8",
        "c other 1.1.1.1|9",
    ];
    assert_eq!(rest, expected);
}

#[tokio::test]
async fn what_only_mariadb_has_is_read_with_its_table_definitions() {
    rows_are_read("--binlog-row-metadata=NO_LOG").await;
}

#[tokio::test]
async fn what_only_mariadb_has_is_read_with_row_metadata() {
    rows_are_read("--binlog-row-metadata=FULL").await;
}
