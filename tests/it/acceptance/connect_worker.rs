//! `ConnectWorkerIntegrationTest`, but for several workers and for the states of connectors.

use anyhow::ensure;
use broker_client::{Delivery, NewTopic, Producer, ProducerConfig, ProducerRecord};
use harness::broker::Broker;
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{SOURCE, Stage, numbers};

#[tokio::test]
async fn test_restart_failed_task() {
    let (stage, name) = (Stage::shared().await, "restart-failed-task");
    stage.fail(name, "start-0", "fatal");
    stage.create(name, stage.source(name, json!({"restart.attempts.max": "0"}))).await;
    let status = stage.is(name, "RUNNING", &["FAILED"]).await;
    assert!(status["tasks"][0]["trace"].as_str().unwrap().starts_with("made to fail in start-0"), "{status}");
    assert_eq!(status["health"], "failed", "running without a task that runs is not well");
    stage.heal(name, "start-0");
    assert_eq!(stage.post(&format!("/connectors/{name}/tasks/0/restart")).await.0, 204);
    let status = stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(status["health"], "healthy");
    let kept = &status["tasks"][0]["last_error"]["message"];
    assert!(kept.as_str().unwrap().contains("made to fail in start-0"), "{status}");
    stage.delete(name).await;
}

#[tokio::test]
async fn test_broker_coordinator() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), &[]).await.unwrap();
    let name = "broker-coordinator";
    let stage = Stage::with(&[("bootstrap.servers", &broker.bootstrap_servers())]).await;
    stage.create(name, stage.source(name, json!({"records": "100000000"}))).await;
    let polls = || stage.count(name, "poll");
    stage.called(name, "poll", 5).await;
    broker.process().unwrap().kill().unwrap();
    // What was polled waits for the broker; nothing more is polled than the buffer holds, and nothing fails.
    broker.restart().await.unwrap();
    let before = polls();
    stage.called(name, "poll", before + 5).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.count(name, "start"), 1, "the task went on");
    stage.delete(name).await;
}

#[tokio::test]
async fn test_task_statuses() {
    let (stage, name) = (Stage::shared().await, "task-statuses");
    for tasks in [2, 4, 1] {
        stage.configure(name, stage.source(name, json!({"tasks.max": tasks.to_string()}))).await;
        let status = stage.is(name, "RUNNING", &vec!["RUNNING"; tasks]).await;
        let ids: Vec<_> = status["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()).collect();
        assert_eq!(ids, (0..tasks).map(Value::from).collect::<Vec<_>>());
    }
    stage.delete(name).await;
}

#[tokio::test]
async fn test_source_task_not_blocked_on_shutdown_with_non_existent_topic() {
    let (stage, name) = (Stage::shared().await, "non-existent-topic");
    // The name is none that a topic may have: it can never be created, and the write waits or fails for ever.
    let config = stage.source(name, json!({"topic": "not a topic!", "restart.delay.ms": "10"}));
    stage.create(name, config).await;
    stage.called(name, "poll", 1).await;
    stage.delete(name).await;
    stage
        .until("gone", || async {
            let numbers = stage.worker.metric(&["millrace_", &format!("connector=\"{name}\"")]).await?;
            ensure!(numbers == 0.0 && stage.count(name, "stop") >= 1, "still there");
            Ok(())
        })
        .await;
}

#[tokio::test]
async fn test_patch_connector_config() {
    let (stage, name) = (Stage::shared().await, "patched");
    let missing = json!({"records": "3"});
    let path = format!("/connectors/{name}/config");
    let (status, answer) = stage.worker.call(Method::PATCH, &path, Some(&missing)).await.unwrap();
    assert_eq!(status, 404, "{answer}");
    stage.create(name, stage.source(name, json!({"records": "5", "extra": "x"}))).await;
    stage.values(name, 5).await;
    let patch = json!({"records": "7", "extra": null, "more": "y"});
    let (status, answer) = stage.worker.call(Method::PATCH, &path, Some(&patch)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let config = stage.worker.get(&path).await.unwrap();
    assert_eq!((&config["records"], &config["more"]), (&json!("7"), &json!("y")));
    assert!(config.get("extra").is_none(), "{config}");
    assert_eq!(stage.values(name, 7).await, numbers(7));
    stage.delete(name).await;
}

#[tokio::test]
async fn test_request_timeouts() {
    let (stage, name) = (Stage::with(&[("rest.request.timeout.ms", "1000")]).await, "request-timeouts");
    // The herder answers a restart once the connector has said what its tasks are.
    stage.create(name, stage.source(name, json!({}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stage.block(name, "task_configs");
    let (status, answer) = stage.post(&format!("/connectors/{name}/restart")).await;
    let message = answer["message"].as_str().unwrap();
    assert_eq!(status, 500, "{answer}");
    let expected =
        format!("Request timed out. The worker is currently starting connector {name}, which began at ");
    assert!(message.starts_with(&expected), "{message}");
    assert_eq!(stage.call(Method::GET, "/connectors").await.0, 200, "the others are answered");
    stage.unblock(name, "task_configs");
    assert_eq!(stage.post(&format!("/connectors/{name}/restart")).await.0, 204);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_tasks_max_enforcement() {
    let (stage, name) = (Stage::shared().await, "tasks-max");
    let too_many = json!({"tasks": "3", "tasks.max": "2", "restart.attempts.max": "0"});
    stage.create(name, stage.source(name, too_many.clone())).await;
    let status = stage.is(name, "FAILED", &[]).await;
    let trace = status["connector"]["trace"].as_str().unwrap();
    assert!(trace.contains("made 3 tasks, but tasks.max is 2"), "{trace}");
    let mut allowed = too_many.clone();
    allowed["tasks.max.enforce"] = json!("false");
    stage.configure(name, stage.source(name, allowed)).await;
    stage.is(name, "RUNNING", &["RUNNING"; 3]).await;
    // The new configuration is refused; what ran before it runs on.
    stage.configure(name, stage.source(name, too_many)).await;
    stage.is(name, "FAILED", &["RUNNING"; 3]).await;
    stage.configure(name, stage.source(name, json!({"tasks": "2", "tasks.max": "2"}))).await;
    stage.is(name, "RUNNING", &["RUNNING"; 2]).await;
    stage.delete(name).await;
}

/// Task configurations of a deleted connector, whose deletion compaction has eaten, stand before the new connector of that name.
#[tokio::test]
async fn test_compacted_deleted_older_connector_config() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let servers = broker.bootstrap_servers();
    let client = broker_client::Client::new(broker_client::ClientConfig {
        bootstrap_servers: vec![servers.clone()],
        ..Default::default()
    });
    let compacted = vec![("cleanup.policy".to_owned(), "compact".to_owned())];
    let topic = NewTopic {
        name: "connect-configs".to_owned(),
        partitions: 1,
        replication_factor: 1,
        configs: compacted,
    };
    client.create_topics(&[topic]).await.unwrap();
    let mut stage = Stage::prepared(&[("bootstrap.servers", &servers)]);
    let props = |config: Value| json!({"properties": config}).to_string();
    let name = "again";
    let old = stage.source(name, json!({"topic": "old", "name": name, "task.number": "0"}));
    let new = stage.source(name, json!({"topic": "new", "name": name}));
    let records = [
        ("task-again-0", props(old.clone())),
        ("task-again-1", props(old)),
        ("commit-again", json!({"tasks": 2}).to_string()),
        ("connector-again", props(new)),
    ];
    let producer = Producer::new(&client, ProducerConfig::default());
    producer.prepare("connect-configs").await.unwrap();
    let delivery = Delivery::new();
    for (key, value) in &records {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        let record = ProducerRecord { topic: "connect-configs", key, value, ..Default::default() };
        producer.append(record, &delivery).unwrap();
    }
    producer.close(wait::PATIENCE).await.unwrap();
    delivery.wait().await.unwrap();
    stage.worker.start().await.unwrap();
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    let new = wait::until("the new topic", wait::PATIENCE, || async {
        let topics = client.topics().await?;
        let names: Vec<String> = topics.into_iter().map(|topic| topic.name.to_string()).collect();
        ensure!(names.iter().any(|topic| topic == "new"), "{names:?}");
        Ok(names)
    });
    assert!(!new.await.unwrap().contains(&"old".to_owned()), "an old task was started");
}

#[tokio::test]
async fn test_reconfigure_connector_with_failing_task_configs() {
    let (stage, name) = (Stage::shared().await, "failing-task-configs");
    stage.create(name, stage.source(name, json!({"records": "5"}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stage.fail(name, "task_configs", "fatal");
    stage.configure(name, stage.source(name, json!({"records": "9", "restart.delay.ms": "50"}))).await;
    let status = stage.is(name, "FAILED", &["RUNNING"]).await;
    assert_eq!(status["health"], "degraded");
    assert!(status["connector"]["attempts"].as_u64().unwrap() >= 1, "{status}");
    assert_eq!(stage.values(name, 5).await, numbers(5), "the tasks of before run on");
    stage.heal(name, "task_configs");
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.values(name, 9).await, numbers(9));
    stage.delete(name).await;
}

#[tokio::test]
async fn test_runtime_property_reconfiguration() {
    let (stage, name) = (Stage::shared().await, "runtime-property");
    stage.create(name, stage.source(name, json!({"records": "3"}))).await;
    stage.values(name, 3).await;
    // The task's own settings are the same: it is restarted for its converter.
    let changed = json!({"records": "6", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false"});
    stage.configure(name, stage.source(name, changed)).await;
    assert_eq!(stage.values(name, 6).await, ["0", "1", "2", "\"3\"", "\"4\"", "\"5\""]);
    let routed = json!({"records": "8", "transforms": "route",
        "transforms.route.type": "RegexRouter", "transforms.route.regex": ".*", "transforms.route.replacement": "runtime-property-routed"});
    stage.configure(name, stage.source(name, routed)).await;
    assert_eq!(stage.values("runtime-property-routed", 2).await, ["6", "7"]);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_plugin_aliases() {
    let stage = Stage::shared().await;
    for (number, class) in
        [SOURCE, "CountingSourceConnector", "CountingSource", "counting"].iter().enumerate()
    {
        let name = format!("alias-{number}");
        let more = json!({"connector.class": class, "records": "2", "value.converter": "StringConverter",
            "transforms": "route", "transforms.route.type": "RegexRouter", "transforms.route.regex": "(.*)",
            "transforms.route.replacement": "$1-routed"});
        stage.create(&name, stage.source(&name, more)).await;
        assert_eq!(stage.values(&format!("{name}-routed"), 2).await, numbers(2), "{class}");
        stage.delete(&name).await;
    }
}
