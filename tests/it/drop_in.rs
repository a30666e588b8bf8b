//! What people have in their files runs as it is: a worker file as Kafka ships it, a connector as Debezium's tutorial
//! registers it. Only addresses and ports are ours.

mod internal_topics;
mod rest_calls;
mod taken_over;
mod taken_over_mysql;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use harness::broker::Broker;
use harness::database::{CONNECTOR_USER, Database, Kind, PASSWORD};
use harness::millrace::Millrace;
use harness::{kcat, pipeline, wait};
use serde_json::{Value, json};

#[tokio::test]
async fn a_worker_file_of_connect_and_a_connector_of_debezium_run_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let broker_folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(broker_folder.path(), &[]).await.unwrap();
    let converter = "org.apache.kafka.connect.json.JsonConverter";
    let millrace = Millrace::standalone(
        folder.path(),
        &[
            ("bootstrap.servers", &broker.bootstrap_servers()),
            ("key.converter", converter),
            ("value.converter", converter),
            ("key.converter.schemas.enable", "true"),
            ("value.converter.schemas.enable", "true"),
            ("offset.storage.file.filename", "/tmp/connect.offsets"),
            ("plugin.path", "/usr/local/share/java,/usr/local/share/kafka/plugins,/opt/connectors,"),
        ],
    )
    .await
    .unwrap();
    let database = Database::start(Kind::MySql).await.unwrap();
    let rows = [
        "CREATE DATABASE inventory",
        "CREATE TABLE inventory.products (id INT PRIMARY KEY, name VARCHAR(255) NOT NULL)",
        "INSERT INTO inventory.products VALUES (101, 'scooter')",
    ];
    database.run(&rows).await.unwrap();

    let config = json!({
        "connector.class": "io.debezium.connector.mysql.MySqlConnector",
        "tasks.max": "1",
        "database.hostname": "127.0.0.1",
        "database.port": database.port().to_string(),
        "database.user": CONNECTOR_USER,
        "database.password": PASSWORD,
        "database.server.id": "184054",
        "topic.prefix": "dbserver1",
        "database.include.list": "inventory",
        "schema.history.internal.kafka.bootstrap.servers": broker.bootstrap_servers(),
        "schema.history.internal.kafka.topic": "schema-changes.inventory",
    });
    millrace.create("inventory-connector", config).await.unwrap();
    // The snapshot comes first, so that the change after it is streamed.
    arrived(&broker, folder.path(), 1).await;
    database.run(&["UPDATE inventory.products SET name = 'hammer' WHERE id = 101"]).await.unwrap();
    let events = arrived(&broker, folder.path(), 2).await;
    assert_eq!(events[0]["schema"]["name"], "dbserver1.inventory.products.Envelope");
    assert_eq!((&events[0]["payload"]["op"], &events[1]["payload"]["op"]), (&json!("r"), &json!("u")));
    assert_eq!(events[1]["payload"]["before"], json!({"id": 101, "name": "scooter"}));
    assert_eq!(events[1]["payload"]["after"], json!({"id": 101, "name": "hammer"}));
}

/// Waits until the topic of the products holds this many events.
async fn arrived(broker: &Broker, folder: &Path, count: usize) -> Vec<Value> {
    let read = folder.join("read");
    wait::until("the events", wait::PATIENCE, || async {
        kcat::consume(&broker.bootstrap_servers(), "dbserver1.inventory.products", &read)?;
        let events = pipeline::read_json_lines(&read)?;
        ensure!(events.len() == count, "{} events", events.len());
        Ok(events)
    })
    .await
    .unwrap()
}

/// Kafka's own example pair: a file to a topic and the topic to another file, from .properties files on the command line.
#[tokio::test]
async fn the_file_connectors_of_kafka_run_from_properties_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("test.txt"), "foo\nbar\n").unwrap();
    let source = "name=local-file-source\nconnector.class=FileStreamSource\ntasks.max=1\nfile=test.txt\ntopic=connect-test\n";
    let sink = "name=local-file-sink\nconnector.class=FileStreamSink\ntasks.max=1\nfile=test.sink.txt\ntopics=connect-test\n";
    fs::write(folder.path().join("connect-file-source.properties"), source).unwrap();
    fs::write(folder.path().join("connect-file-sink.properties"), sink).unwrap();
    let files = ["connect-file-source.properties", "connect-file-sink.properties"];
    let millrace = Millrace::standalone_with(folder.path(), &[], &files).await.unwrap();
    for name in ["local-file-source", "local-file-sink"] {
        millrace.running(name).await.unwrap();
    }
    wait::until("both lines", wait::PATIENCE, || async {
        let text = fs::read_to_string(folder.path().join("test.sink.txt"))?;
        ensure!(text == "foo\nbar\n", "{text:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// A sink by pattern takes topics in that come after it, soon: well before the half minute that would pass for a stall.
#[tokio::test]
async fn a_sink_by_pattern_finds_topics_that_come_later() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let (line, out) = (folder.path().join("line"), folder.path().join("out"));
    fs::write(&line, "late\n").unwrap();
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let config = json!({"connector.class": "FileStreamSink", "topics.regex": "late-.*", "file": out, "value.converter": text});
    millrace.create("late", config).await.unwrap();
    for (topic, expected) in [("late-1", "late\n"), ("late-2", "late\nlate\n")] {
        kcat::produce(&millrace.bootstrap_servers(), topic, "none", &line).unwrap();
        wait::until(topic, Duration::from_secs(25), || async {
            let found = fs::read_to_string(&out)?;
            ensure!(found == expected, "{found:?}");
            Ok(())
        })
        .await
        .unwrap();
    }
}
