//! `SinkConnectorsIntegrationTest`, `SourceConnectorsIntegrationTest`, `TransformationIntegrationTest`, `ExampleConnectIntegrationTest`.

use anyhow::ensure;
use broker_client::OffsetSpec;
use serde_json::json;

use super::stage::{Stage, numbers};

/// Each task is opened before it is put to, flushed before its partitions are closed, and stopped last.
fn check_order(calls: &[String], partitions: &[&str]) {
    for partition in partitions {
        let at = |place: &str| {
            calls.iter().position(|call| {
                let (called, what) = call.split_once(' ').unwrap_or((call, ""));
                called == place && what.split(',').any(|name| name == *partition)
            })
        };
        let last_put = calls.iter().rposition(|call| *call == format!("put {partition}")).unwrap();
        let (open, put, close) = (at("open").unwrap(), at("put").unwrap(), at("close").unwrap());
        assert!(open < put && last_put < close, "{partition}: {calls:?}");
        let flushed = calls[last_put..close]
            .iter()
            .any(|call| call.starts_with("pre_commit") && call.contains(partition));
        assert!(flushed, "{partition} was closed without a flush after its last records: {calls:?}");
    }
    assert!(calls.last().unwrap().starts_with("stop"), "{calls:?}");
}

async fn sink_order(name: &str, assignor: &str) {
    let (stage, topic) = (Stage::shared().await, format!("{name}-input"));
    stage.make_topic(&topic, 2).await;
    let config = json!({"consumer.override.partition.assignment.strategy": assignor, "tasks.max": "1"});
    stage.produce(&topic, Some(0), &["a", "b"]).await;
    stage.produce(&topic, Some(1), &["c"]).await;
    stage.create(name, stage.sink(&topic, config.clone())).await;
    stage.received_so_many(name, 3).await;
    // A second task takes a partition from the first.
    let mut two = config;
    two["tasks.max"] = json!("2");
    let other = format!("{name}-other");
    two["consumer.override.group.id"] = json!(format!("connect-{name}"));
    stage.create(&other, stage.sink(&topic, two)).await;
    stage.called(&other, "open", 1).await;
    stage
        .until("a partition is given up", || async {
            ensure!(stage.count(name, "close") >= 1, "{:?}", stage.calls(name));
            Ok(())
        })
        .await;
    stage.delete(&other).await;
    stage.delete(name).await;
    stage.called(name, "stop", 1).await;
    let partitions = [format!("{topic}-0"), format!("{topic}-1")];
    check_order(&stage.calls(name), &[&partitions[0], &partitions[1]]);
}

#[tokio::test]
async fn test_eager_consumer_partition_assignment() {
    sink_order("eager", "org.apache.kafka.clients.consumer.RoundRobinAssignor").await;
}

#[tokio::test]
async fn test_cooperative_consumer_partition_assignment() {
    sink_order("cooperative", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor").await;
}

#[tokio::test]
async fn test_topics_are_created_for_source_connectors_using_auto_create_topics_at_broker() {
    let stage = Stage::with(&[("topic.creation.enable", "false"), ("broker.num.partitions", "3")]).await;
    stage.create("auto", stage.source("auto", json!({}))).await;
    stage.is("auto", "RUNNING", &["RUNNING"]).await;
    stage
        .until("the topic as the broker makes it", || async {
            let partitions = stage.client().partitions_for("auto", false).await?;
            ensure!(partitions == 3, "{partitions} partitions");
            Ok(())
        })
        .await;
}

#[tokio::test]
async fn test_topics_are_created_for_source_connectors_using_topic_creation() {
    let (stage, name) = (Stage::shared().await, "topic-creation");
    let creation = json!({"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1",
        "topic.creation.groups": "wide", "topic.creation.wide.include": "topic-cre.*", "topic.creation.wide.partitions": "4"});
    stage.create(name, stage.source(name, creation)).await;
    stage
        .until("the topic as the connector says", || async {
            let partitions = stage.client().partitions_for(name, false).await?;
            ensure!(partitions == 4, "{partitions} partitions");
            Ok(())
        })
        .await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_switching_to_topic_creation_enabled() {
    let mut stage = Stage::prepared(&[("topic.creation.enable", "false"), ("broker.num.partitions", "3")]);
    stage.worker.start().await.unwrap();
    let creation =
        json!({"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "2"});
    let partitions = async |stage: &Stage, topic: &str, expected: i32| {
        stage
            .until("the topic", || async {
                let partitions = stage.client().partitions_for(topic, false).await?;
                ensure!(partitions == expected, "{partitions} partitions");
                Ok(())
            })
            .await;
    };
    stage.create("before", stage.source("before", creation.clone())).await;
    partitions(&stage, "before", 3).await;
    stage.worker.process().unwrap().terminate().await.unwrap();
    let file = stage.folder().join("worker.properties");
    let settings = std::fs::read_to_string(&file).unwrap().replace("topic.creation.enable=false", "");
    std::fs::write(&file, settings).unwrap();
    stage.worker.start().await.unwrap();
    stage.is("before", "RUNNING", &["RUNNING"]).await;
    stage.create("after", stage.source("after", creation)).await;
    partitions(&stage, "after", 2).await;
    partitions(&stage, "before", 3).await;
}

#[tokio::test]
async fn test_filter_on_topic_name_with_sink_connector() {
    let (stage, name) = (Stage::shared().await, "filter-topics");
    stage.produce("filter-foo", None, &["f1", "f2"]).await;
    stage.produce("filter-bar", None, &["b1"]).await;
    let config = json!({"transforms": "drop", "transforms.drop.type": "Filter", "transforms.drop.predicate": "bar",
        "predicates": "bar", "predicates.bar.type": "TopicNameMatches", "predicates.bar.pattern": "filter-ba."});
    stage.create(name, stage.sink("filter-foo,filter-bar", config)).await;
    let received = stage.received_so_many(name, 2).await;
    assert!(received.iter().all(|line| line.starts_with("filter-foo")), "{received:?}");
    // Records that were filtered count as read.
    stage
        .until("the offset of the filtered", || async {
            let lag = stage.client();
            let end = lag.list_offsets("filter-bar", 0, OffsetSpec::Latest).await?;
            let offsets = stage.worker.get(&format!("/connectors/{name}/offsets")).await?;
            let of_bar = offsets["offsets"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|offset| offset["partition"]["kafka_topic"] == "filter-bar");
            ensure!(of_bar.is_some_and(|offset| offset["offset"]["kafka_offset"] == end), "{offsets}");
            Ok(())
        })
        .await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_filter_on_tombstones_with_sink_connector() {
    let (stage, name) = (Stage::shared().await, "filter-tombstones");
    stage.produce("tombstones", None, &["a", "", "b"]).await;
    let config = json!({"value.converter": "org.apache.kafka.connect.storage.StringConverter",
        "transforms": "drop", "transforms.drop.type": "Filter", "transforms.drop.predicate": "dead", "transforms.drop.negate": "true",
        "predicates": "dead", "predicates.dead.type": "RecordIsTombstone"});
    // Negated: only tombstones pass, of which there are none.
    stage.create(name, stage.sink("tombstones", config)).await;
    stage
        .until("all read", || async {
            let offsets = stage.worker.get(&format!("/connectors/{name}/offsets")).await?;
            ensure!(offsets["offsets"][0]["offset"]["kafka_offset"] == 3, "{offsets}");
            Ok(())
        })
        .await;
    assert!(stage.received(name).is_empty());
    stage.delete(name).await;
}

#[tokio::test]
async fn test_filter_on_has_header_key_with_source_connector_and_topic_creation() {
    let (stage, name) = (Stage::shared().await, "filter-headers");
    let config = json!({"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1",
        "transforms": "drop", "transforms.drop.type": "Filter", "transforms.drop.predicate": "even",
        "predicates": "even", "predicates.even.type": "HasHeaderKey", "predicates.even.name": "even"});
    stage.create(name, stage.source(name, config)).await;
    assert_eq!(stage.values(name, 5).await, ["1", "3", "5", "7", "9"]);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_example_source_and_sink_connector() {
    let stage = Stage::shared().await;
    let json = json!({"tasks.max": "3", "records": "50"});
    stage.create("example-source", stage.source("example", json)).await;
    stage.create("example-sink", stage.sink("example", json!({"tasks.max": "3"}))).await;
    let received = stage.received_so_many("example-sink", 150).await;
    let mut values: Vec<_> =
        received.iter().filter_map(|line| line.rsplit('\t').next()?.parse::<usize>().ok()).collect();
    values.sort_unstable();
    let mut expected: Vec<usize> = numbers(50).iter().flat_map(|n| [n.parse().unwrap(); 3]).collect();
    expected.sort_unstable();
    assert_eq!(values, expected, "each once");
    stage.delete("example-sink").await;
    stage.delete("example-source").await;
}
