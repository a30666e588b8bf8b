//! Sources: their offsets are in the worker's offsets topic, or in one of their own, which is on the cluster that they write to.

use anyhow::ensure;
use broker_client::{Client, Isolation};
use harness::sequence;
use serde_json::{Value, json};

use super::super::stage::Stage;
use super::{Scene, altered, merged, offsets_are, resume, stop, was_reset};

const TASKS: usize = 2;
const RECORDS: usize = 10;

/// A source that writes to the topic of its own name.
struct Source<'a> {
    stage: &'a Stage,
    name: &'a str,
    more: Value,
    /// Where its topic is.
    cluster: Client,
}

impl<'a> Source<'a> {
    fn plain(stage: &'a Stage, name: &'a str) -> Self {
        Self { stage, name, more: json!({"tasks.max": TASKS.to_string()}), cluster: stage.client() }
    }

    fn with_topic(stage: &'a Stage, name: &'a str) -> Self {
        let plain = Self::plain(stage, name);
        let own = format!("{name}-custom-offsets-topic");
        Self { more: merged(plain.more, &json!({"offsets.storage.topic": own})), ..plain }
    }

    fn elsewhere(scene: &'a Scene, name: &'a str) -> Self {
        let plain = Self::plain(&scene.stage, name);
        Self { more: merged(plain.more, &scene.to_other("producer")), cluster: scene.elsewhere(), ..plain }
    }

    fn config(&self, records: usize) -> Value {
        self.stage.source(self.name, merged(self.more.clone(), &json!({"records": records.to_string()})))
    }

    /// Waits until each task has handed out so many records and its offset says so.
    async fn is_at(&self, records: usize) {
        let offsets: Vec<_> = (0..TASKS).map(|task| offset(task, Some(records - 1))).collect();
        offsets_are(self.stage, self.name, &offsets).await;
    }

    async fn begin(&self) {
        self.stage.create(self.name, self.config(RECORDS)).await;
        self.stage.is(self.name, "RUNNING", &["RUNNING"; TASKS]).await;
        self.is_at(RECORDS).await;
    }

    /// Waits until the topic holds so many records: how often each value is there.
    async fn times(&self, count: usize) -> Vec<usize> {
        self.stage
            .until(&format!("{count} records in {}", self.name), || async {
                let values = sequence::values(&self.cluster, self.name, Isolation::ReadCommitted).await?;
                ensure!(values.len() >= count, "{} records", values.len());
                let times = |number: usize| {
                    values.iter().filter(|value| *value == number.to_string().as_bytes()).count()
                };
                Ok((0..RECORDS).map(times).collect())
            })
            .await
    }
}

fn offset(task: usize, n: Option<usize>) -> Value {
    let offset = n.map(|n| json!({"n": n}));
    json!({"partition": {"task": task.to_string()}, "offset": offset})
}

async fn get_and_verify(source: Source<'_>) {
    source.begin().await;
    source.stage.configure(source.name, source.config(2 * RECORDS)).await;
    source.is_at(2 * RECORDS).await;
    assert_eq!(source.times(TASKS * 2 * RECORDS).await, [TASKS; RECORDS]);
    if let Some(own) = source.more["offsets.storage.topic"].as_str() {
        let kept = sequence::values(&source.cluster, own, Isolation::ReadCommitted).await.unwrap();
        assert!(!kept.is_empty(), "{own} is not used");
    }
    source.stage.delete(source.name).await;
}

#[tokio::test]
async fn test_get_source_connector_offsets() {
    get_and_verify(Source::plain(&Scene::shared().await.stage, "get-source")).await;
}

#[tokio::test]
async fn test_get_source_connector_offsets_custom_offsets_topic() {
    get_and_verify(Source::with_topic(&Scene::shared().await.stage, "get-source-topic")).await;
}

#[tokio::test]
async fn test_get_source_connector_offsets_different_kafka_cluster_targeted() {
    get_and_verify(Source::elsewhere(&*Scene::shared().await, "get-source-elsewhere")).await;
}

async fn alter_and_verify(source: Source<'_>) {
    source.begin().await;
    stop(source.stage, source.name).await;
    // One of a partition that no task has is kept, and forgotten again.
    let offsets = [offset(0, Some(5)), offset(1, Some(5)), offset(7, Some(5))];
    altered(source.stage, source.name, &offsets).await;
    offsets_are(source.stage, source.name, &offsets).await;
    altered(source.stage, source.name, &[offset(7, None), offset(1, None)]).await;
    offsets_are(source.stage, source.name, &offsets[..1]).await;
    resume(source.stage, source.name, TASKS).await;
    source.is_at(RECORDS).await;
    // Task 0 goes on behind 5, task 1 begins anew.
    let times = source.times(TASKS * RECORDS + 4 + RECORDS).await;
    assert_eq!(times, [3, 3, 3, 3, 3, 3, 4, 4, 4, 4]);
    source.stage.delete(source.name).await;
}

#[tokio::test]
async fn test_alter_source_connector_offsets() {
    alter_and_verify(Source::plain(&Scene::shared().await.stage, "alter-source")).await;
}

#[tokio::test]
async fn test_alter_source_connector_offsets_custom_offsets_topic() {
    alter_and_verify(Source::with_topic(&Scene::shared().await.stage, "alter-source-topic")).await;
}

#[tokio::test]
async fn test_alter_source_connector_offsets_different_kafka_cluster_targeted() {
    alter_and_verify(Source::elsewhere(&*Scene::shared().await, "alter-source-elsewhere")).await;
}

#[tokio::test]
async fn test_alter_source_connector_offsets_exactly_once_support_enabled() {
    alter_and_verify(Source::plain(&*Stage::shared().await, "alter-source-exactly")).await;
}

async fn reset_and_verify(source: Source<'_>) {
    source.begin().await;
    stop(source.stage, source.name).await;
    was_reset(source.stage, source.name).await;
    was_reset(source.stage, source.name).await;
    resume(source.stage, source.name, TASKS).await;
    source.is_at(RECORDS).await;
    assert_eq!(source.times(2 * TASKS * RECORDS).await, [2 * TASKS; RECORDS]);
    source.stage.delete(source.name).await;
}

#[tokio::test]
async fn test_reset_source_connector_offsets() {
    reset_and_verify(Source::plain(&Scene::shared().await.stage, "reset-source")).await;
}

#[tokio::test]
async fn test_reset_source_connector_offsets_custom_offsets_topic() {
    reset_and_verify(Source::with_topic(&Scene::shared().await.stage, "reset-source-topic")).await;
}

#[tokio::test]
async fn test_reset_source_connector_offsets_different_kafka_cluster_targeted() {
    reset_and_verify(Source::elsewhere(&*Scene::shared().await, "reset-source-elsewhere")).await;
}

#[tokio::test]
async fn test_reset_source_connector_offsets_exactly_once_support_enabled() {
    reset_and_verify(Source::plain(&*Stage::shared().await, "reset-source-exactly")).await;
}
