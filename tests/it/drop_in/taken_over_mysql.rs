//! A Debezium MySQL connector of a real Kafka Connect 4.3, taken over: it goes on behind the last row that Debezium 3.6.3 had read.
//!
//! `taken_over_mysql.json` holds what the topics of the group held when its worker was killed (`kill -9`) with exactly-once sources: after a
//! snapshot of 14 rows and the streaming of 6, each row in a transaction of its own. `{uuid}`, `{file}`, `{pos}` and `{gtids}` stand for the
//! server and for its position before the last of these transactions, which is what Debezium's offset names, beside the row and the
//! event in it that were read. The same statements make the same server here.

use std::collections::BTreeMap;

use anyhow::ensure;
use harness::broker::Broker;
use harness::database::{CONNECTOR_USER, Database, Kind, PASSWORD};
use harness::millrace::Millrace;
use harness::sequence::{client, values};
use harness::wait;
use mysql_async::Row;
use mysql_async::prelude::Queryable as _;
use serde_json::Value;

use super::taken_over::put_back_topics;

const ROWS: u32 = 20;

#[tokio::test]
async fn a_connector_of_debezium_goes_on_behind_the_last_row_that_it_read() {
    let database = Database::start(Kind::MySql).await.unwrap();
    let create = [
        "CREATE DATABASE shop",
        "CREATE TABLE shop.orders (id INT PRIMARY KEY, name VARCHAR(80), price DECIMAL(10,2))",
    ];
    database.run(&create).await.unwrap();
    for id in 0..ROWS - 1 {
        insert(&database, id).await;
    }
    let position = position(&database).await;
    insert(&database, ROWS - 1).await;
    // What comes while nobody runs.
    insert(&database, ROWS).await;

    let folder = tempfile::tempdir().unwrap();
    let of_broker = folder.path().join("broker");
    std::fs::create_dir(&of_broker).unwrap();
    let broker = Broker::start(&of_broker, &[]).await.unwrap();
    let mut golden = include_str!("taken_over_mysql.json").to_owned();
    let brokers = broker.bootstrap_servers();
    let port = database.port().to_string();
    let replaced = [("broker", brokers.as_str()), ("port", &port), ("worker", "127.0.0.1:8083")];
    for (name, text) in replaced.into_iter().chain(position.iter().map(|(name, text)| (*name, text.as_str())))
    {
        golden = golden.replace(&format!("{{{name}}}"), text);
    }
    assert!(golden.contains(CONNECTOR_USER) && golden.contains(PASSWORD), "they log in as ours do");
    put_back_topics(&brokers, &serde_json::from_str(&golden).unwrap()).await;

    let settings = [
        ("bootstrap.servers", brokers.as_str()),
        ("group.id", "live"),
        ("config.storage.topic", "live-configs"),
        ("offset.storage.topic", "live-offsets"),
        ("status.storage.topic", "live-status"),
    ];
    let millrace = Millrace::standalone(folder.path(), &settings).await.unwrap();
    millrace.running("mysql").await.unwrap();
    insert(&database, ROWS + 1).await;
    wait::until("the rows after the take-over", wait::PATIENCE, || async {
        let found = ids(&brokers).await?;
        ensure!(found.len() >= 22, "{found:?}");
        Ok(())
    })
    .await
    .unwrap();
    let expected: Vec<_> = (0..ROWS + 2).map(u64::from).collect();
    assert_eq!(ids(&brokers).await.unwrap(), expected, "in order, none missing, none twice");
    // Going back, Debezium finds the class of its tasks again.
    let tasks = millrace.get("/connectors/mysql/tasks").await.unwrap();
    assert_eq!(tasks[0]["config"]["task.class"], "io.debezium.connector.mysql.MySqlConnectorTask");
    let configs =
        values(&client(&brokers), "live-configs", broker_client::Isolation::ReadCommitted).await.unwrap();
    let tasks = configs.iter().filter(|value| String::from_utf8_lossy(value).contains("task.class")).count();
    assert_eq!(tasks, 1, "what is the same is not written again");
}

async fn insert(database: &Database, id: u32) {
    let statement =
        format!("INSERT INTO shop.orders (id, name, price) VALUES ({id}, 'row {id}', {}.50)", id % 10);
    database.run(&[&statement]).await.unwrap();
}

/// Where the binlog ends, by the names of the golden data.
async fn position(database: &Database) -> BTreeMap<&'static str, String> {
    let mut connection = database.connect().await.unwrap();
    let status: Row = connection.query_first("SHOW BINARY LOG STATUS").await.unwrap().unwrap();
    let uuid: String = connection.query_first("SELECT @@server_uuid").await.unwrap().unwrap();
    let gtids: String = status.get("Executed_Gtid_Set").unwrap();
    let pos: u64 = status.get("Position").unwrap();
    let file: String = status.get("File").unwrap();
    connection.disconnect().await.unwrap();
    BTreeMap::from([("uuid", uuid), ("gtids", gtids), ("pos", pos.to_string()), ("file", file)])
}

/// The ids of the rows in the topic, in its order.
async fn ids(brokers: &str) -> anyhow::Result<Vec<u64>> {
    let isolation = broker_client::Isolation::ReadCommitted;
    let events = values(&client(brokers), "live.shop.orders", isolation).await?;
    let id = |event: &Vec<u8>| {
        let event: Value = serde_json::from_slice(event)?;
        anyhow::Context::context(event["after"]["id"].as_u64(), event.to_string())
    };
    events.iter().map(id).collect()
}
