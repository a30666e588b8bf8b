//! The topics of a real Kafka Connect 4.3, taken over: its connectors go on from their offsets, no record missing and none twice.
//!
//! `taken_over.json` holds what `ConnectDistributed` of Apache Kafka 4.3.0 had in its internal topics (and in the topic of its source)
//! when it was stopped, record by record, with exactly-once sources enabled: a file source and a file sink that had moved 22 lines, one of
//! them with characters beyond ASCII, which Connect counts as characters; a paused and a stopped source, one that was deleted,
//! a session key, log levels, a restart. `{folder}` stands for the folder of the files, `{worker}` for the worker.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use broker_client::{
    Client, ClientConfig, Delivery, NewTopic, OffsetAndMetadata, Producer, ProducerConfig, ProducerRecord,
    TopicPartition,
};
use harness::broker::Broker;
use harness::millrace::Millrace;
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_group_of_kafka_connect_goes_on_from_its_offsets() {
    let folder = tempfile::tempdir().unwrap();
    let golden = include_str!("taken_over.json").replace("{folder}", &folder.path().display().to_string());
    let golden: Value = serde_json::from_str(&golden).unwrap();
    fs::create_dir(folder.path().join("broker")).unwrap();
    let broker = Broker::start(&folder.path().join("broker"), &[]).await.unwrap();
    put_back(&broker.bootstrap_servers(), &golden).await;
    let before = golden["file"].as_str().unwrap();
    let after = "after one\nafter zwölf €\n";
    fs::write(folder.path().join("taken.txt"), format!("{before}{after}")).unwrap();
    fs::write(folder.path().join("sunk.txt"), before).unwrap();

    let millrace = start(folder.path(), &broker.bootstrap_servers()).await;
    let expected = format!("{before}{after}");
    wait::until("the lines after the take-over", wait::PATIENCE, || async {
        let sunk = fs::read_to_string(folder.path().join("sunk.txt"))?;
        ensure!(sunk == expected, "{sunk}");
        Ok(())
    })
    .await
    .unwrap();
    as_it_was_left(&millrace).await;
    // What came was committed, in a form that Kafka Connect reads back: under the same key.
    wait::until("the offset of the source", wait::PATIENCE, || async {
        let offsets = millrace.get("/connectors/taken-source/offsets").await?;
        let [offset] = offsets["offsets"].as_array().map(Vec::as_slice).unwrap_or_default() else {
            anyhow::bail!("{offsets}");
        };
        ensure!(offset["offset"]["position"] == expected.len(), "{offsets}");
        Ok(())
    })
    .await
    .unwrap();
    let sunk = fs::read_to_string(folder.path().join("sunk.txt")).unwrap();
    assert_eq!(sunk, expected, "nothing came twice");
}

async fn start(folder: &Path, bootstrap_servers: &str) -> Millrace {
    let text = "org.apache.kafka.connect.storage.StringConverter";
    let settings = [
        ("bootstrap.servers", bootstrap_servers),
        ("group.id", "golden"),
        ("key.converter", text),
        ("value.converter", text),
        ("config.storage.topic", "golden-configs"),
        ("offset.storage.topic", "golden-offsets"),
        ("status.storage.topic", "golden-status"),
    ];
    Millrace::standalone(folder, &settings).await.unwrap()
}

/// What users had done is as they had done it.
async fn as_it_was_left(millrace: &Millrace) {
    let names = ["paused-source", "stopped-source", "taken-sink", "taken-source"];
    assert_eq!(millrace.get("/connectors").await.unwrap(), json!(names));
    for (name, state) in
        [("paused-source", "PAUSED"), ("stopped-source", "STOPPED"), ("taken-sink", "RUNNING")]
    {
        wait::until(name, wait::PATIENCE, || async {
            let status = millrace.get(&format!("/connectors/{name}/status")).await?;
            ensure!(status["connector"]["state"] == state, "{status}");
            Ok(())
        })
        .await
        .unwrap();
    }
    let sink = millrace.get("/connectors/taken-sink/config").await.unwrap();
    assert_eq!(sink["errors.tolerance"], "all", "the last configuration counts");
    let topics = millrace.get("/connectors/taken-source/topics").await.unwrap();
    assert_eq!(topics, json!({"taken-source": {"topics": ["taken"]}}));
    // The session key was theirs and may be old by now, but there is one: a wrong signature is found wrong.
    let url = format!("{}/connectors/taken-source/tasks", millrace.url());
    let signed = reqwest::Client::new()
        .request(Method::POST, url)
        .header("X-Connect-Authorization", "S0VZ")
        .header("X-Connect-Request-Signature-Algorithm", "HmacSHA256")
        .body("[]");
    assert_eq!(signed.send().await.unwrap().status().as_u16(), 403);
}

/// Makes the topics and writes their records as they were.
pub(super) async fn put_back_topics(bootstrap_servers: &str, golden: &Value) -> Client {
    let config =
        ClientConfig { bootstrap_servers: vec![bootstrap_servers.to_owned()], ..ClientConfig::default() };
    let client = Client::new(config);
    for topic in golden["topics"].as_array().unwrap() {
        let name = topic["topic"].as_str().unwrap();
        let compacted = ("cleanup.policy".to_owned(), "compact".to_owned());
        let new = NewTopic {
            name: name.to_owned(),
            partitions: i32::try_from(topic["partitions"].as_i64().unwrap()).unwrap(),
            replication_factor: 1,
            configs: if is_internal(name) { vec![compacted] } else { Vec::new() },
        };
        client.create_topics(&[new]).await.unwrap();
        let producer = Producer::new(&client, ProducerConfig::default());
        producer.prepare(name).await.unwrap();
        let delivery = Delivery::new();
        for record in topic["records"].as_array().unwrap() {
            let record = ProducerRecord {
                topic: name,
                partition: record["partition"].as_i64().and_then(|partition| i32::try_from(partition).ok()),
                key: record["key"].as_str().filter(|key| !key.is_empty()).map(str::as_bytes),
                value: record["value"].as_str().map(str::as_bytes),
                ..ProducerRecord::default()
            };
            producer.append(record, &delivery).unwrap();
        }
        producer.flush().await.unwrap();
        delivery.wait().await.unwrap();
    }
    client
}

fn is_internal(topic: &str) -> bool {
    ["-configs", "-offsets", "-status"].iter().any(|end| topic.ends_with(end))
}

/// Puts the topics back, and the sink's committed offset.
async fn put_back(bootstrap_servers: &str, golden: &Value) {
    let client = put_back_topics(bootstrap_servers, golden).await;
    let committed = golden["sink_offsets"]["offsets"][0]["offset"]["kafka_offset"].as_i64().unwrap();
    // Control markers take offsets, too, where they were written; the records alone are numbered from 0.
    let records =
        golden["topics"].as_array().unwrap().iter().find(|topic| topic["topic"] == "taken").unwrap();
    let count = i64::try_from(records["records"].as_array().unwrap().len()).unwrap();
    assert_eq!(
        golden["file"].as_str().unwrap().lines().count(),
        records["records"].as_array().unwrap().len()
    );
    assert!(committed >= count, "the sink had all of them");
    let offset = (TopicPartition::new("taken", 0), OffsetAndMetadata::new(count));
    client.commit_group_offsets("connect-taken-sink", &[offset]).await.unwrap();
}
