//! Signals by REST and through a topic, on real servers: tables that a running connector is asked to read again are read once, over a
//! kill of the worker as well.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::{kcat, pipeline, wait};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// The first columns of the rows in a topic that snapshots read, in order.
fn read_rows(millrace: &Millrace, topic: &str) -> Result<Vec<i64>> {
    let file = millrace.folder().join("read.jsonl");
    kcat::consume(&millrace.bootstrap_servers(), topic, &file)?;
    let events = pipeline::read_json_lines(&file)?;
    let rows = events.iter().filter(|event| event["op"] == "r");
    Ok(rows.filter_map(|event| event["after"]["id"].as_i64()).collect())
}

async fn rows_are(millrace: &Millrace, expected: &[i64]) {
    wait::until("the rows that were asked for", LIMIT, || async {
        let found = read_rows(millrace, "shop.store.items")?;
        ensure!(found == expected, "{found:?}");
        Ok(())
    })
    .await
    .unwrap();
}

async fn send(millrace: &Millrace, signal: Value) -> (u16, Value) {
    millrace.call(Method::POST, "/connectors/shop/signals", Some(&signal)).await.unwrap()
}

fn snapshot(id: &str, kind: &str, filter: &str) -> Value {
    let conditions = json!([{"data-collection": "store.items", "filter": filter}]);
    let data =
        json!({"data-collections": ["store.items"], "type": kind, "additional-conditions": conditions});
    json!({"id": id, "type": "execute-snapshot", "data": data})
}

/// A connector that reads no rows by itself and listens to a topic.
async fn listening(database: &Database, millrace: &Millrace) {
    let mut config = pipeline::mysql_source(database, "store");
    for (name, value) in [
        ("snapshot.mode", "no_data"),
        ("signal.enabled.channels", "source,kafka"),
        ("signal.poll.interval.ms", "50"),
        ("read.only", "true"),
    ] {
        config[name] = json!(value);
    }
    millrace.create("shop", config).await.unwrap();
    millrace.running("shop").await.unwrap();
}

#[tokio::test]
async fn tables_are_read_on_demand_once_each_over_a_kill_as_well() {
    let database = Database::start(Kind::MySql).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let statements = ["CREATE DATABASE store", "CREATE TABLE store.items (id INT PRIMARY KEY)"];
    database.run(&statements).await.unwrap();
    database.run(&["INSERT INTO store.items VALUES (1), (2), (3)"]).await.unwrap();
    listening(&database, &millrace).await;

    let (code, answer) = send(&millrace, snapshot("first", "incremental", "id < 3")).await;
    assert_eq!((code, answer), (202, json!({"id": "first", "topic": "shop-signal"})));
    rows_are(&millrace, &[1, 2]).await;

    millrace.process().unwrap().kill().unwrap();
    millrace.start().await.unwrap();
    // Through the topic as well, as Debezium's users send them; one is for another connector.
    let lines = folder.path().join("signals");
    let second = snapshot("second", "blocking", "id = 3");
    let other = snapshot("other", "incremental", "id > 0");
    std::fs::write(&lines, format!("elsewhere\t{other}\nshop\t{second}\n")).unwrap();
    kcat::produce_keyed(&millrace.bootstrap_servers(), "shop-signal", &lines).unwrap();
    rows_are(&millrace, &[1, 2, 3]).await;
    let (code, _) = send(&millrace, snapshot("third", "incremental", "id = 2")).await;
    assert_eq!(code, 202);
    rows_are(&millrace, &[1, 2, 3, 2]).await;
}

#[tokio::test]
async fn signals_that_nobody_would_hear_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let config = json!({"connector.class": "millrace.datagen.DatagenSourceConnector", "topic": "numbers"});
    let (code, _) = send(&millrace, json!({"type": "log"})).await;
    assert_eq!(code, 404);
    millrace.create("shop", config).await.unwrap();
    for (signal, expected) in [
        (json!({"type": "log"}), "signal.enabled.channels=source,kafka"),
        (json!({"type": " "}), "needs a type"),
        (json!({"type": "log", "data": [1]}), "is an object"),
        (json!({"type": "log", "more": 1}), "more"),
    ] {
        let (code, answer) = send(&millrace, signal).await;
        assert_eq!(code, 400, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(expected), "{answer}");
    }
}
