//! Sinks: their offsets are those of a consumer group, which is called after them unless they say otherwise.

use anyhow::ensure;
use broker_client::Client;
use serde_json::{Value, json};

use super::super::stage::Stage;
use super::{Scene, alter, altered, fill, make_topic, merged, offsets_are, reset, resume, stop, was_reset};

const PARTITIONS: i32 = 3;
const TASKS: usize = 2;
const RECORDS: usize = 10;

/// A sink that reads the topic of its own name.
struct Sink<'a> {
    scene: &'a Scene,
    name: &'a str,
    more: Value,
    /// Where its topic and its group are.
    cluster: Client,
    group: String,
}

impl<'a> Sink<'a> {
    fn plain(scene: &'a Scene, name: &'a str) -> Self {
        let (cluster, group) = (scene.stage.client(), format!("connect-{name}"));
        Self { scene, name, more: json!({"tasks.max": TASKS.to_string()}), cluster, group }
    }

    fn with_group(scene: &'a Scene, name: &'a str) -> Self {
        let plain = Self::plain(scene, name);
        let group = format!("{name}-overridden-group-id");
        Self { more: merged(plain.more, &json!({"consumer.override.group.id": group})), group, ..plain }
    }

    fn elsewhere(scene: &'a Scene, name: &'a str) -> Self {
        let plain = Self::plain(scene, name);
        let more = merged(plain.more, &scene.to_other("consumer"));
        Self { more, cluster: scene.elsewhere(), ..plain }
    }

    fn stage(&self) -> &Stage {
        &self.scene.stage
    }

    async fn fill(&self) {
        fill(&self.cluster, self.name, PARTITIONS, RECORDS).await;
    }

    fn offset(&self, partition: i32, offset: Option<usize>) -> Value {
        let offset = offset.map(|offset| json!({"kafka_offset": offset}));
        json!({"partition": {"kafka_topic": self.name, "kafka_partition": partition}, "offset": offset})
    }

    /// Waits until the offsets of these partitions are this.
    async fn is_at(&self, partitions: std::ops::Range<i32>, offset: usize) {
        let expected: Vec<_> = partitions.map(|partition| self.offset(partition, Some(offset))).collect();
        offsets_are(self.stage(), self.name, &expected).await;
    }

    /// Makes the topic and the connector, and waits until all that is in the one is in the other.
    async fn begin(&self) {
        make_topic(&self.cluster, self.name, PARTITIONS).await;
        self.fill().await;
        self.stage().create(self.name, self.stage().sink(self.name, self.more.clone())).await;
        self.stage().is(self.name, "RUNNING", &["RUNNING"; TASKS]).await;
        self.is_at(0..PARTITIONS, RECORDS).await;
    }

    /// The group that was said is the one that is there.
    async fn end(&self) {
        let groups = self.cluster.list_groups().await.unwrap();
        let named = |name: &str| groups.iter().any(|group| group.group == name);
        assert!(named(&self.group), "{groups:?}");
        let by_default = format!("connect-{}", self.name);
        assert_eq!(named(&by_default), by_default == self.group, "{groups:?}");
        self.stage().delete(self.name).await;
    }

    /// How often each record of a partition came, by its offset.
    fn times(&self, partition: i32) -> Vec<usize> {
        let received = self.stage().received(self.name);
        let times = |offset: usize| {
            let place = format!("{}\t{partition}\t{offset}\t", self.name);
            received.iter().filter(|line| line.starts_with(&place)).count()
        };
        (0..RECORDS).map(times).collect()
    }
}

async fn get_and_verify(sink: Sink<'_>) {
    sink.begin().await;
    sink.fill().await;
    sink.is_at(0..PARTITIONS, 2 * RECORDS).await;
    sink.end().await;
}

#[tokio::test]
async fn test_get_sink_connector_offsets() {
    get_and_verify(Sink::plain(&*Scene::shared().await, "get-sink")).await;
}

#[tokio::test]
async fn test_get_sink_connector_offsets_overridden_consumer_group_id() {
    get_and_verify(Sink::with_group(&*Scene::shared().await, "get-sink-group")).await;
}

#[tokio::test]
async fn test_get_sink_connector_offsets_different_kafka_cluster_targeted() {
    get_and_verify(Sink::elsewhere(&*Scene::shared().await, "get-sink-elsewhere")).await;
}

async fn alter_and_verify(sink: Sink<'_>) {
    sink.begin().await;
    stop(sink.stage(), sink.name).await;
    // One is forgotten, the others are set; numbers may be texts.
    let offsets = [sink.offset(0, None), sink.offset(1, Some(5)), sink.offset(2, Some(5))];
    altered(sink.stage(), sink.name, &offsets).await;
    sink.is_at(1..PARTITIONS, 5).await;
    let texts = |partition: &str| json!({"partition": {"kafka_topic": sink.name, "kafka_partition": partition}, "offset": {"kafka_offset": "3"}});
    altered(sink.stage(), sink.name, &[texts("1"), texts("2")]).await;
    sink.is_at(1..PARTITIONS, 3).await;
    resume(sink.stage(), sink.name, TASKS).await;
    sink.is_at(0..PARTITIONS, RECORDS).await;
    assert_eq!(sink.times(0), [2; RECORDS]);
    for partition in 1..PARTITIONS {
        assert_eq!(sink.times(partition), [1, 1, 1, 2, 2, 2, 2, 2, 2, 2]);
    }
    sink.end().await;
}

#[tokio::test]
async fn test_alter_sink_connector_offsets() {
    alter_and_verify(Sink::plain(&*Scene::shared().await, "alter-sink")).await;
}

#[tokio::test]
async fn test_alter_sink_connector_offsets_overridden_consumer_group_id() {
    alter_and_verify(Sink::with_group(&*Scene::shared().await, "alter-sink-group")).await;
}

#[tokio::test]
async fn test_alter_sink_connector_offsets_different_kafka_cluster_targeted() {
    alter_and_verify(Sink::elsewhere(&*Scene::shared().await, "alter-sink-elsewhere")).await;
}

async fn reset_and_verify(sink: Sink<'_>) {
    sink.begin().await;
    stop(sink.stage(), sink.name).await;
    was_reset(sink.stage(), sink.name).await;
    // Again, when the group is gone already.
    was_reset(sink.stage(), sink.name).await;
    resume(sink.stage(), sink.name, TASKS).await;
    sink.is_at(0..PARTITIONS, RECORDS).await;
    for partition in 0..PARTITIONS {
        assert_eq!(sink.times(partition), [2; RECORDS]);
    }
    sink.end().await;
}

#[tokio::test]
async fn test_reset_sink_connector_offsets() {
    reset_and_verify(Sink::plain(&*Scene::shared().await, "reset-sink")).await;
}

#[tokio::test]
async fn test_reset_sink_connector_offsets_overridden_consumer_group_id() {
    reset_and_verify(Sink::with_group(&*Scene::shared().await, "reset-sink-group")).await;
}

#[tokio::test]
async fn test_reset_sink_connector_offsets_different_kafka_cluster_targeted() {
    reset_and_verify(Sink::elsewhere(&*Scene::shared().await, "reset-sink-elsewhere")).await;
}

/// A sink whose task is told to end while it puts, and does not: its offsets are refused until it has. (Kafka Connect's case blocks
/// in `stop`; there our tasks have left their group already, and have no way to commit any more.)
async fn zombie(name: &str, doing: &str) {
    // A request is answered within half of this.
    let settings = [("rest.request.timeout.ms", "4000"), ("task.shutdown.graceful.timeout.ms", "60000")];
    let stage = Stage::with(&settings).await;
    fill(&stage.client(), name, 1, RECORDS).await;
    stage.block(name, "put");
    stage.create(name, stage.sink(name, json!({}))).await;
    stage.called(name, "put", 1).await;
    stop(&stage, name).await;
    let offset =
        json!({"partition": {"kafka_topic": name, "kafka_partition": 0}, "offset": {"kafka_offset": 4}});
    let change = async || match doing {
        "alter" => alter(&stage, name, std::slice::from_ref(&offset)).await,
        _ => reset(&stage, name).await,
    };
    let (status, answer) = change().await;
    assert_eq!(status, 500, "{answer}");
    let message = answer["message"].as_str().unwrap();
    let expected = format!("Failed to {doing} consumer group offsets for connector {name}");
    assert!(message.starts_with(&expected) && message.contains("zombie sink task"), "{message}");
    stage.unblock(name, "put");
    stage
        .until("the zombie to be gone", || async {
            let (status, answer) = change().await;
            ensure!(status == 200, "{answer}");
            Ok(())
        })
        .await;
}

#[tokio::test]
async fn test_alter_sink_connector_offsets_zombie_sink_tasks() {
    zombie("alter-zombie", "alter").await;
}

#[tokio::test]
async fn test_reset_sink_connector_offsets_zombie_sink_tasks() {
    zombie("reset-zombie", "reset").await;
}
