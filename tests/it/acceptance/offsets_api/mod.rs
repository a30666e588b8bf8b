//! `OffsetsApiIntegrationTest` (KIP-875): offsets of connectors read, altered and reset over REST, each case under its name there.
//!
//! One worker whose sources are not exactly-once, as Kafka Connect's are by default, and a second broker for connectors that target
//! another cluster; both are started once for all cases that run at the same time.

mod refusals;
mod sinks;
mod sources;

use std::sync::{Arc, Weak};

use anyhow::ensure;
use broker_client::{Client, Delivery, NewTopic, Producer, ProducerConfig, ProducerRecord};
use harness::broker::Broker;
use harness::sequence;
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::stage::Stage;

/// What [`Scene::shared`] gives out while any case runs.
static SHARED: Mutex<Weak<Scene>> = Mutex::const_new(Weak::new());

const ALTERED: &str = "The offsets for this connector have been altered successfully";
const RESET: &str = "The offsets for this connector have been reset successfully";

/// A worker, and another cluster than its own.
struct Scene {
    stage: Stage,
    other: Broker,
    _folder: TempDir,
}

impl Scene {
    async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(scene) = shared.upgrade() {
            return scene;
        }
        let folder = tempfile::tempdir().unwrap();
        let other = Broker::start(folder.path(), &[]);
        let stage = Stage::with(&[("exactly.once.source.support", "disabled")]);
        let (other, stage) = tokio::join!(other, stage);
        let scene = Arc::new(Self { stage, other: other.unwrap(), _folder: folder });
        *shared = Arc::downgrade(&scene);
        scene
    }

    /// A client of the other cluster.
    fn elsewhere(&self) -> Client {
        sequence::client(&self.other.bootstrap_servers())
    }

    /// The settings that send a connector's clients of this kind to the other cluster.
    fn to_other(&self, kind: &str) -> Value {
        let brokers = self.other.bootstrap_servers();
        json!({format!("{kind}.override.bootstrap.servers"): brokers, "admin.override.bootstrap.servers": brokers})
    }
}

/// Makes a topic.
async fn make_topic(client: &Client, name: &str, partitions: i32) {
    let topic = NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs: Vec::new() };
    client.create_topics(&[topic]).await.unwrap();
}

/// Writes so many records to each partition of a topic.
async fn fill(client: &Client, topic: &str, partitions: i32, count: usize) {
    let producer = Producer::new(client, ProducerConfig::default());
    producer.prepare(topic).await.unwrap();
    let delivery = Delivery::new();
    for partition in 0..partitions {
        for number in 0..count {
            let value = number.to_string();
            let record = ProducerRecord {
                topic,
                partition: Some(partition),
                value: Some(value.as_bytes()),
                ..ProducerRecord::default()
            };
            producer.append(record, &delivery).unwrap();
        }
    }
    producer.close(wait::PATIENCE).await.unwrap();
    delivery.wait().await.unwrap();
}

fn path(name: &str) -> String {
    format!("/connectors/{name}/offsets")
}

/// Waits until a connector's offsets are these, in any order.
async fn offsets_are(stage: &Stage, name: &str, expected: &[Value]) {
    stage
        .until(&format!("offsets of {name}"), || async {
            let offsets = stage.worker.get(&path(name)).await?;
            let found = offsets["offsets"].as_array().map(Vec::as_slice).unwrap_or_default();
            let same = found.len() == expected.len() && expected.iter().all(|one| found.contains(one));
            ensure!(same, "{offsets}, expected {expected:?}");
            Ok(())
        })
        .await;
}

async fn alter(stage: &Stage, name: &str, offsets: &[Value]) -> (u16, Value) {
    stage.worker.call(Method::PATCH, &path(name), Some(&json!({"offsets": offsets}))).await.unwrap()
}

/// Alters offsets, which must be possible.
async fn altered(stage: &Stage, name: &str, offsets: &[Value]) {
    let (status, answer) = alter(stage, name, offsets).await;
    assert_eq!((status, &answer["message"]), (200, &json!(ALTERED)), "{answer}");
}

async fn reset(stage: &Stage, name: &str) -> (u16, Value) {
    stage.call(Method::DELETE, &path(name)).await
}

/// Resets offsets, which must be possible; then there are none.
async fn was_reset(stage: &Stage, name: &str) {
    let (status, answer) = reset(stage, name).await;
    assert_eq!((status, &answer["message"]), (200, &json!(RESET)), "{answer}");
    offsets_are(stage, name, &[]).await;
}

async fn stop(stage: &Stage, name: &str) {
    assert_eq!(stage.put(&format!("/connectors/{name}/stop")).await.0, 204);
    stage.is(name, "STOPPED", &[]).await;
}

async fn resume(stage: &Stage, name: &str, tasks: usize) {
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &vec!["RUNNING"; tasks]).await;
}

/// The settings of the first and those of the second, which count more.
fn merged(mut first: Value, second: &Value) -> Value {
    for (name, value) in second.as_object().into_iter().flatten() {
        first[name] = value.clone();
    }
    first
}
