//! A worker with connectors that misbehave on demand, and both ends of what they move.
//!
//! Started once for all cases that run at the same time: each has its own connectors and topics, by name. Its connectors are told what
//! to do, and tell what they did, in files (see `acceptance_worker/control.rs`).

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use anyhow::{Context, Result, ensure};
use broker_client::{
    Client, ClientConfig, ConsumerConfig, ConsumerRecord, Delivery, NewTopic, OffsetSpec, PartitionConsumer,
    Producer, ProducerConfig, ProducerRecord, TopicPartition,
};
use harness::millrace::Millrace;
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

pub(super) const SOURCE: &str = "org.example.acceptance.CountingSourceConnector";
pub(super) const SINK: &str = "org.example.acceptance.NotingSinkConnector";
const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";

/// What every worker is told.
pub(super) const SETTINGS: [(&str, &str); 4] = [
    ("task.shutdown.graceful.timeout.ms", "1000"),
    ("offset.flush.interval.ms", "100"),
    ("key.converter", STRINGS),
    ("value.converter", STRINGS),
];

/// The worker that cases share while any of them runs.
static SHARED: Mutex<Weak<Stage>> = Mutex::const_new(Weak::new());

pub(super) struct Stage {
    pub(super) worker: Millrace,
    folder: TempDir,
}

impl Stage {
    /// The shared one.
    pub(super) async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(stage) = shared.upgrade() {
            return stage;
        }
        let stage = Arc::new(Self::with(&[]).await);
        *shared = Arc::downgrade(&stage);
        stage
    }

    /// One of one's own, with these settings.
    pub(super) async fn with(settings: &[(&str, &str)]) -> Self {
        let mut stage = Self::prepared(settings);
        stage.worker.start().await.unwrap();
        stage
    }

    /// One that is not started yet.
    pub(super) fn prepared(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = Millrace::prepare(folder.path(), &[&SETTINGS, settings].concat()).unwrap();
        worker.run_binary("acceptance-worker").unwrap();
        Self { worker, folder }
    }

    /// This worker, which is one of a group; its connectors are told what to do in this folder.
    pub(super) const fn of(worker: Millrace, folder: TempDir) -> Self {
        Self { worker, folder }
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }

    fn file(&self, name: &str, rest: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{rest}"))
    }

    /// Has calls of a connector at a place keep their thread.
    pub(super) fn block(&self, name: &str, place: &str) {
        fs::write(self.file(name, &format!("block.{place}")), "").unwrap();
    }

    pub(super) fn unblock(&self, name: &str, place: &str) {
        fs::remove_file(self.file(name, &format!("block.{place}"))).unwrap();
    }

    /// Has calls of a connector at a place fail: `fatal`, `retriable`, `config`, `panic`.
    pub(super) fn fail(&self, name: &str, place: &str, kind: &str) {
        fs::write(self.file(name, &format!("fail.{place}")), kind).unwrap();
    }

    pub(super) fn heal(&self, name: &str, place: &str) {
        fs::remove_file(self.file(name, &format!("fail.{place}"))).unwrap();
    }

    fn lines(&self, name: &str, kind: &str) -> Vec<String> {
        let text = fs::read_to_string(self.file(name, kind)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The calls of a connector so far, in order, as `place what`.
    pub(super) fn calls(&self, name: &str) -> Vec<String> {
        self.lines(name, "calls")
    }

    /// How many calls of a connector there were at a place.
    pub(super) fn count(&self, name: &str, place: &str) -> usize {
        let calls = self.calls(name);
        calls.iter().filter(|call| call.split(' ').next() == Some(place)).count()
    }

    /// Waits until there were so many calls at a place.
    pub(super) async fn called(&self, name: &str, place: &str, count: usize) {
        self.until(&format!("{count} calls of {place} of {name}"), || async {
            ensure!(self.count(name, place) >= count, "{:?}", self.calls(name));
            Ok(())
        })
        .await;
    }

    /// What a sink got, as `topic\tpartition\toffset\tvalue`.
    pub(super) fn received(&self, name: &str) -> Vec<String> {
        self.lines(name, "received")
    }

    pub(super) async fn until<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        ask: impl FnMut() -> F,
    ) -> T {
        wait::until(what, wait::PATIENCE, ask).await.unwrap()
    }

    /// A configuration of the counting source that writes to a topic of its own name.
    pub(super) fn source(&self, name: &str, more: Value) -> Value {
        self.config(json!({"connector.class": SOURCE, "topic": name}), more)
    }

    /// A configuration of the noting sink.
    pub(super) fn sink(&self, topics: &str, more: Value) -> Value {
        self.config(json!({"connector.class": SINK, "topics": topics}), more)
    }

    fn config(&self, mut config: Value, more: Value) -> Value {
        config["control"] = json!(self.folder.path());
        config["tasks.max"] = json!("1");
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        config
    }

    pub(super) async fn call(&self, method: Method, path: &str) -> (u16, Value) {
        self.worker.call(method, path, None).await.unwrap()
    }

    pub(super) async fn post(&self, path: &str) -> (u16, Value) {
        self.call(Method::POST, path).await
    }

    pub(super) async fn put(&self, path: &str) -> (u16, Value) {
        self.call(Method::PUT, path).await
    }

    /// Submits a connector.
    pub(super) async fn submit(&self, name: &str, config: Value) -> (u16, Value) {
        let body = json!({"name": name, "config": config});
        self.worker.call(Method::POST, "/connectors", Some(&body)).await.unwrap()
    }

    /// Submits a connector that is good.
    pub(super) async fn create(&self, name: &str, config: Value) {
        let (status, answer) = self.submit(name, config).await;
        assert_eq!(status, 201, "{answer}");
    }

    pub(super) async fn configure(&self, name: &str, config: Value) {
        let path = format!("/connectors/{name}/config");
        let (status, answer) = self.worker.call(Method::PUT, &path, Some(&config)).await.unwrap();
        assert!(status == 200 || status == 201, "{status} {answer}");
    }

    pub(super) async fn delete(&self, name: &str) {
        let (status, answer) = self.call(Method::DELETE, &format!("/connectors/{name}")).await;
        assert_eq!(status, 204, "{answer}");
    }

    pub(super) async fn status(&self, name: &str) -> Value {
        self.worker.get(&format!("/connectors/{name}/status")).await.unwrap()
    }

    /// Waits until a connector is in this state and its tasks are in these: the status.
    pub(super) async fn is(&self, name: &str, state: &str, tasks: &[&str]) -> Value {
        self.until(&format!("{name} {state} with {tasks:?}"), || async {
            let status = self.worker.get(&format!("/connectors/{name}/status")).await?;
            let found = status["tasks"].as_array().context("no tasks")?;
            let same =
                found.iter().map(|task| task["state"].as_str().unwrap_or_default()).eq(tasks.iter().copied());
            ensure!(same && status["connector"]["state"] == state, "{status}");
            Ok(status)
        })
        .await
    }

    /// A client of the worker's broker.
    pub(super) fn client(&self) -> Client {
        let bootstrap_servers = vec![self.worker.bootstrap_servers()];
        Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() })
    }

    pub(super) async fn make_topic(&self, name: &str, partitions: i32) {
        let topic =
            NewTopic { name: name.to_owned(), partitions, replication_factor: 1, configs: Vec::new() };
        self.client().create_topics(&[topic]).await.unwrap();
    }

    /// Writes values to a partition.
    pub(super) async fn produce(&self, topic: &str, partition: Option<i32>, values: &[&str]) {
        let producer = Producer::new(&self.client(), ProducerConfig::default());
        producer.prepare(topic).await.unwrap();
        let delivery = Delivery::new();
        for value in values {
            let record = ProducerRecord {
                topic,
                partition,
                value: Some(value.as_bytes()),
                ..ProducerRecord::default()
            };
            producer.append(record, &delivery).unwrap();
        }
        producer.close(wait::PATIENCE).await.unwrap();
        delivery.wait().await.unwrap();
    }

    /// The records of partition 0 of a topic, up to its end.
    pub(super) async fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        let client = self.client();
        let end = client.list_offsets(topic, 0, OffsetSpec::Latest).await.unwrap_or(0);
        let partition = TopicPartition::new(topic, 0);
        let start = vec![(partition.clone(), 0)];
        let mut consumer = PartitionConsumer::assign(&client, start, ConsumerConfig::default());
        let mut found = Vec::new();
        while consumer.position(&partition).unwrap_or(0) < end {
            for fetched in consumer.poll().await.unwrap() {
                found.extend(fetched.records);
            }
        }
        found
    }

    /// Waits until partition 0 of a topic has so many records: their values.
    pub(super) async fn values(&self, topic: &str, count: usize) -> Vec<String> {
        self.until(&format!("{count} records in {topic}"), || async {
            let records = self.records(topic).await;
            ensure!(records.len() >= count, "{} records", records.len());
            let text = |value: Option<&[u8]>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
            Ok(records.iter().map(|record| text(record.value.as_deref()).unwrap_or_default()).collect())
        })
        .await
    }

    /// Waits until a sink got so many records.
    pub(super) async fn received_so_many(&self, name: &str, count: usize) -> Vec<String> {
        self.until(&format!("{count} records in {name}"), || async {
            let received = self.received(name);
            ensure!(received.len() >= count, "{received:?}");
            Ok(received)
        })
        .await
    }
}

/// "0", "1", ... below the count.
pub(super) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}
