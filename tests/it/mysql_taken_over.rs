//! The whole way of a take-over from a Debezium: its offset put in over REST, its schema history in a Kafka topic, records in topics.
//!
//! What comes out of each offset is compared record by record by `connectors/tests/mysql_takeover.rs`, whose golden data this uses.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use broker_client::{Client, ClientConfig, Delivery, NewTopic, Producer, ProducerConfig, ProducerRecord};
use harness::broker::Broker;
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::{kcat, pipeline, wait};
use mysql_async::prelude::Queryable;
use reqwest::Method;
use serde_json::{Value, json};

fn golden(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/tests/takeover").join(name);
    let output = Command::new("gzip").arg("-dc").arg(path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn debeziums_history_is_read_from_its_topic() {
    let database = Database::start(Kind::MySql).await.unwrap();
    let corpus = include_str!("../../connectors/tests/takeover/corpus.sql");
    let (before, after) = corpus.split_once("-- STREAM\n").unwrap();
    database.run(&["RESET BINARY LOGS AND GTIDS"]).await.unwrap();
    let mut session = database.connect().await.unwrap();
    session.query_drop("SET NAMES utf8mb4").await.unwrap();
    for statement in before.split(";;\n").chain(after.split(";;\n")).filter(|one| !one.trim().is_empty()) {
        session.query_drop(statement).await.unwrap();
    }
    let uuid: String = session.query_first("SELECT @@server_uuid").await.unwrap().unwrap();
    session.disconnect().await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let brokers = [folder.path().join("worker"), folder.path().join("history")];
    brokers.iter().for_each(|folder| std::fs::create_dir(folder).unwrap());
    let [worker_broker, history_broker] =
        [Broker::start(&brokers[0], &[]).await.unwrap(), Broker::start(&brokers[1], &[]).await.unwrap()];
    let records: Vec<Value> =
        golden("gtid.jsonl.gz").iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let theirs = records[0]["offset"]["gtids"].as_str().unwrap().split(':').next().unwrap();
    let history = golden("gtid.history.jsonl.gz");
    let history =
        history.iter().map(|line| serde_json::from_str::<String>(line).unwrap().replace(theirs, &uuid));
    write(&history_broker.bootstrap_servers(), "history-of-gtid", &history.collect::<Vec<_>>()).await;

    let settings = [("bootstrap.servers", worker_broker.bootstrap_servers())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let millrace = Millrace::standalone(folder.path(), &settings).await.unwrap();
    let mut config = pipeline::mysql_source(&database, "corpus");
    config["topic.prefix"] = json!("gtid");
    config["include.schema.changes"] = json!("false");
    config["schema.history.internal.kafka.topic"] = json!("history-of-gtid");
    config["schema.history.internal.kafka.bootstrap.servers"] = json!(history_broker.bootstrap_servers());
    let body = json!({"name": "taken", "initial_state": "STOPPED", "config": config});
    let (status, answer) = millrace.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    // The last record of the snapshot: no counters of events, which depend on what else the server writes.
    let offset: Value =
        serde_json::from_str(&records[1]["offset"].to_string().replace(theirs, &uuid)).unwrap();
    let body = json!({"offsets": [{"partition": {"server": "gtid"}, "offset": offset}]});
    wait::until("the offset", wait::PATIENCE, || async {
        let (status, answer) = millrace.call(Method::PATCH, "/connectors/taken/offsets", Some(&body)).await?;
        ensure!(status == 200, "{answer}");
        Ok(())
    })
    .await
    .unwrap();
    let (status, answer) = millrace.call(Method::PUT, "/connectors/taken/resume", None).await.unwrap();
    assert_eq!(status, 202, "{answer}");

    let sentinel = "gtid.corpus.sentinel";
    wait::until("the last row", wait::PATIENCE, || async {
        ensure!(kcat::list(&worker_broker.bootstrap_servers())?.contains(sentinel), "not yet");
        Ok(())
    })
    .await
    .unwrap();
    for (table, column) in [("t", "title"), ("made", "quoted col"), ("types", "text_2"), ("keyless", "id")] {
        let topic = format!("gtid.corpus.{table}");
        let file = folder.path().join(table);
        kcat::consume(&worker_broker.bootstrap_servers(), &topic, &file).unwrap();
        let found = std::fs::read_to_string(&file).unwrap();
        let expected = records[2..].iter().filter(|record| record["topic"] == topic.as_str()).count();
        assert_eq!(found.lines().count(), expected, "{topic}: {found}");
        assert!(found.contains(column), "{topic}: {found}");
    }
}

async fn write(bootstrap_servers: &str, topic: &str, values: &[String]) {
    let bootstrap_servers = vec![bootstrap_servers.to_owned()];
    let client = Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() });
    let new = NewTopic { name: topic.to_owned(), partitions: 1, replication_factor: 1, configs: Vec::new() };
    client.create_topics(&[new]).await.unwrap();
    let producer = Producer::new(&client, ProducerConfig::default());
    producer.prepare(topic).await.unwrap();
    let delivery = Delivery::new();
    for value in values {
        let record = ProducerRecord { topic, value: Some(value.as_bytes()), ..ProducerRecord::default() };
        producer.append(record, &delivery).unwrap();
    }
    producer.flush().await.unwrap();
    delivery.wait().await.unwrap();
}
