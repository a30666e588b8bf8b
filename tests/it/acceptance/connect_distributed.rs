//! `connect_distributed_test.py` of Kafka's system tests, on three workers: restarts, pauses and log levels wherever they are asked for.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::numbers;
use super::trio::Trio;

/// A source that nothing restarts by itself.
fn failing(trio: &Trio, name: &str) -> Value {
    trio.stage.source(name, json!({"restart.attempts.max": "0"}))
}

/// Asks another worker than the one before for something.
async fn ask(trio: &Trio, at: usize, method: Method, path: &str, expected: u16) {
    let (status, answer) = trio.workers()[at].call(method, path, None).await.unwrap();
    assert_eq!(status, expected, "{path}: {answer}");
}

#[tokio::test]
async fn test_restart_failed_connector() {
    let (trio, name) = (Trio::shared().await, "dist-failed-connector");
    trio.stage.fail(name, "task_configs", "fatal");
    trio.stage.create(name, failing(&trio, name)).await;
    trio.all_say(name, "FAILED", &[]).await;
    trio.stage.heal(name, "task_configs");
    ask(&trio, 1, Method::POST, &format!("/connectors/{name}/restart"), 204).await;
    trio.all_say(name, "RUNNING", &["RUNNING"]).await;
    trio.stage.delete(name).await;
}

#[tokio::test]
async fn test_restart_failed_task() {
    let trio = Trio::shared().await;
    trio.stage.make_topic("dist-failed-sink", 1).await;
    for (name, place) in [("dist-failed-source", "poll"), ("dist-failed-sink", "start")] {
        trio.stage.fail(name, place, "fatal");
        let config = match place {
            "poll" => failing(&trio, name),
            _ => trio.stage.sink(name, json!({"restart.attempts.max": "0"})),
        };
        trio.stage.create(name, config).await;
        trio.all_say(name, "RUNNING", &["FAILED"]).await;
        trio.stage.heal(name, place);
        ask(&trio, 2, Method::POST, &format!("/connectors/{name}/tasks/0/restart"), 204).await;
        trio.all_say(name, "RUNNING", &["RUNNING"]).await;
        trio.stage.delete(name).await;
    }
}

#[tokio::test]
async fn test_restart_connector_and_tasks_failed_connector() {
    let (trio, name) = (Trio::shared().await, "dist-both-connector");
    trio.stage.fail(name, "task_configs", "fatal");
    trio.stage.create(name, failing(&trio, name)).await;
    trio.all_say(name, "FAILED", &[]).await;
    trio.stage.heal(name, "task_configs");
    let path = format!("/connectors/{name}/restart?includeTasks=true&onlyFailed=true");
    ask(&trio, 2, Method::POST, &path, 202).await;
    trio.all_say(name, "RUNNING", &["RUNNING"]).await;
    trio.stage.delete(name).await;
}

#[tokio::test]
async fn test_restart_connector_and_tasks_failed_task() {
    let (trio, name) = (Trio::shared().await, "dist-both-task");
    trio.stage.fail(name, "poll", "fatal");
    trio.stage.create(name, failing(&trio, name)).await;
    trio.all_say(name, "RUNNING", &["FAILED"]).await;
    trio.stage.heal(name, "poll");
    let path = format!("/connectors/{name}/restart?includeTasks=true&onlyFailed=true");
    ask(&trio, 1, Method::POST, &path, 202).await;
    trio.all_say(name, "RUNNING", &["RUNNING"]).await;
    trio.stage.delete(name).await;
}

#[tokio::test]
async fn test_pause_and_resume_source() {
    let (trio, name) = (Trio::shared().await, "dist-pause-source");
    let stage = &trio.stage;
    stage.create(name, stage.source(name, json!({}))).await;
    stage.values(name, 10).await;
    ask(&trio, 1, Method::PUT, &format!("/connectors/{name}/pause"), 202).await;
    trio.all_say(name, "PAUSED", &["PAUSED"]).await;
    // What is to come waits for the resumption: once it is done, there is exactly that.
    stage.configure(name, stage.source(name, json!({"records": "30"}))).await;
    trio.all_say(name, "PAUSED", &["PAUSED"]).await;
    assert_eq!(stage.records(name).await.len(), 10);
    ask(&trio, 2, Method::PUT, &format!("/connectors/{name}/resume"), 202).await;
    trio.all_say(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.values(name, 30).await, numbers(30));
    stage.delete(name).await;
}

#[tokio::test]
async fn test_pause_and_resume_sink() {
    let (trio, name) = (Trio::shared().await, "dist-pause-sink");
    let stage = &trio.stage;
    stage.make_topic(name, 1).await;
    stage.create(name, stage.sink(name, json!({}))).await;
    stage.produce(name, Some(0), &["a", "b"]).await;
    stage.received_so_many(name, 2).await;
    ask(&trio, 2, Method::PUT, &format!("/connectors/{name}/pause"), 202).await;
    trio.all_say(name, "PAUSED", &["PAUSED"]).await;
    stage.produce(name, Some(0), &["c"]).await;
    assert_eq!(stage.received(name).len(), 2);
    ask(&trio, 1, Method::PUT, &format!("/connectors/{name}/resume"), 202).await;
    let received = stage.received_so_many(name, 3).await;
    assert_eq!(
        received,
        ["a", "b", "c"]
            .iter()
            .enumerate()
            .map(|(at, value)| format!("{name}\t0\t{at}\t{value}"))
            .collect::<Vec<_>>()
    );
    stage.delete(name).await;
}

#[tokio::test]
async fn test_dynamic_logging() {
    let trio = Trio::shared().await;
    let logger = "runtime.acceptance.dynamic";
    let level = async |worker: usize| {
        let answer = trio.workers()[worker].get(&format!("/admin/loggers/{logger}")).await?;
        anyhow::Ok(answer["level"].as_str().unwrap_or_default().to_owned())
    };
    let set = async |level: &str, query: &str| {
        let path = format!("/admin/loggers/{logger}{query}");
        trio.workers()[1].call(Method::PUT, &path, Some(&json!({"level": level}))).await.unwrap().0
    };
    assert_eq!(set("TRACE", "?scope=worker").await, 200);
    assert_eq!(level(1).await.unwrap(), "TRACE");
    assert_ne!(level(0).await.unwrap(), "TRACE", "only one worker was asked");
    assert_eq!(set("ERROR", "?scope=cluster").await, 204);
    for worker in 0..3 {
        trio.stage
            .until("the level at every worker", || async {
                let level = level(worker).await?;
                anyhow::ensure!(level == "ERROR", "{level} at {worker}");
                Ok(())
            })
            .await;
    }
}
