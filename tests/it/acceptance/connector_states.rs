//! `ConnectWorkerIntegrationTest`: what pausing, stopping and resuming do, from every state; and states at creation.

use anyhow::ensure;
use harness::millrace::Millrace;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, numbers};

async fn go(stage: &Stage, name: &str, call: &str) {
    let (status, answer) = stage.put(&format!("/connectors/{name}/{call}")).await;
    assert_eq!(status, if call == "stop" { 204 } else { 202 }, "{call}: {answer}");
    match call {
        "pause" => stage.is(name, "PAUSED", &["PAUSED"; 2]).await,
        "stop" => stage.is(name, "STOPPED", &[]).await,
        _ => stage.is(name, "RUNNING", &["RUNNING"; 2]).await,
    };
}

/// All six ways between running, paused and stopped.
#[tokio::test]
async fn test_pause_stop_resume() {
    let (stage, name) = (Stage::shared().await, "pause-stop-resume");
    stage.create(name, stage.source(name, json!({"tasks.max": "2"}))).await;
    stage.is(name, "RUNNING", &["RUNNING"; 2]).await;
    for call in ["pause", "resume", "stop", "resume"] {
        go(&stage, name, call).await;
    }
    assert_eq!(stage.count(name, "start"), 4, "a pause keeps the tasks, a stop does not");
    // From paused to stopped, and from stopped to paused: a connector that was stopped has no tasks until they are made again.
    for call in ["pause", "stop"] {
        go(&stage, name, call).await;
    }
    assert_eq!(stage.put(&format!("/connectors/{name}/pause")).await.0, 202);
    stage
        .until("paused", || async {
            let status = stage.status(name).await;
            ensure!(status["connector"]["state"] == "PAUSED", "{status}");
            Ok(())
        })
        .await;
    go(&stage, name, "resume").await;
    stage.delete(name).await;
}

/// `WorkerSourceTaskTest.testStartPaused` and `WorkerSinkTaskTest.testStartPaused`: what is paused when its worker starts is not
/// started before it is resumed.
#[tokio::test]
async fn test_start_paused() {
    let mut stage = Stage::with(&[]).await;
    stage.produce("start-paused-input", None, &["a"]).await;
    let sink = stage.sink("start-paused-input", json!({}));
    for (name, config) in [("source", stage.source("source", json!({}))), ("sink", sink)] {
        stage.create(name, config).await;
        stage.is(name, "RUNNING", &["RUNNING"]).await;
        assert_eq!(stage.put(&format!("/connectors/{name}/pause")).await.0, 202);
        stage.is(name, "PAUSED", &["PAUSED"]).await;
    }
    let starts = |stage: &Stage| ["source", "sink"].map(|name| stage.count(name, "start"));
    let before = starts(&stage);
    stage.worker.process().unwrap().terminate().await.unwrap();
    stage.worker.start().await.unwrap();
    // A connector that is created now runs behind those that were there.
    stage.create("later", stage.source("later", json!({}))).await;
    stage.is("later", "RUNNING", &["RUNNING"]).await;
    for name in ["source", "sink"] {
        stage.is(name, "PAUSED", &["PAUSED"]).await;
    }
    assert_eq!(starts(&stage), before, "neither was started");
    for name in ["source", "sink"] {
        assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
        stage.is(name, "RUNNING", &["RUNNING"]).await;
    }
    assert_eq!(starts(&stage), before.map(|count| count + 1));
}

#[tokio::test]
async fn test_stopped_state() {
    let (stage, name) = (Stage::shared().await, "stopped-state");
    // The connector fails, and so do its tasks: it can be stopped in either state.
    stage.fail(name, "task_configs", "fatal");
    let config = stage.source(name, json!({"restart.attempts.max": "0"}));
    stage.create(name, config).await;
    stage.is(name, "FAILED", &[]).await;
    assert_eq!(stage.put(&format!("/connectors/{name}/stop")).await.0, 204);
    stage.is(name, "STOPPED", &[]).await;
    stage.heal(name, "task_configs");
    stage.fail(name, "start", "fatal");
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["FAILED"]).await;
    assert_eq!(stage.put(&format!("/connectors/{name}/stop")).await.0, 204);
    stage.is(name, "STOPPED", &[]).await;
    // Its offsets can be changed, it can be reconfigured, resumed and deleted.
    let offsets = json!({"offsets": [{"partition": {"task": "0"}, "offset": {"n": 3}}]});
    let path = format!("/connectors/{name}/offsets");
    let (status, answer) = stage.worker.call(Method::PATCH, &path, Some(&offsets)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    stage.heal(name, "start");
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.values(name, 6).await, numbers(10)[4..]);
    stage.delete(name).await;
    assert_eq!(stage.call(Method::GET, &format!("/connectors/{name}/status")).await.0, 404);
}

async fn create_as(worker: &Millrace, name: &str, state: &str, config: &Value) {
    let body = json!({"name": name, "config": config, "initial_state": state});
    let (status, answer) = worker.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
}

#[tokio::test]
async fn test_create_connector_with_paused_initial_state() {
    let (stage, name) = (Stage::shared().await, "born-paused");
    create_as(&stage.worker, name, "PAUSED", &stage.source(name, json!({}))).await;
    stage
        .until("paused", || async {
            let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
            ensure!(status["connector"]["state"] == "PAUSED", "{status}");
            Ok(())
        })
        .await;
    assert_eq!(stage.count(name, "poll"), 0, "nothing was moved");
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.values(name, 10).await, numbers(10));
    stage.delete(name).await;
}

#[tokio::test]
async fn test_create_source_connector_with_stopped_initial_state_and_modify_offsets() {
    let (stage, name) = (Stage::shared().await, "born-stopped-source");
    create_as(&stage.worker, name, "STOPPED", &stage.source(name, json!({}))).await;
    stage.is(name, "STOPPED", &[]).await;
    let offsets = json!({"offsets": [{"partition": {"task": "0"}, "offset": {"n": 5}}]});
    let path = format!("/connectors/{name}/offsets");
    let (status, answer) = stage.worker.call(Method::PATCH, &path, Some(&offsets)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stage.worker.get(&path).await.unwrap(), offsets);
    assert_eq!(stage.count(name, "start"), 0);
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.values(name, 4).await, numbers(10)[6..]);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_create_sink_connector_with_stopped_initial_state_and_modify_offsets() {
    let (stage, name) = (Stage::shared().await, "born-stopped-sink");
    stage.produce("born-stopped-input", None, &["a", "b", "c", "d", "e"]).await;
    create_as(&stage.worker, name, "STOPPED", &stage.sink("born-stopped-input", json!({}))).await;
    stage.is(name, "STOPPED", &[]).await;
    let partition = json!({"kafka_topic": "born-stopped-input", "kafka_partition": 0});
    let offsets = json!({"offsets": [{"partition": partition, "offset": {"kafka_offset": 3}}]});
    let path = format!("/connectors/{name}/offsets");
    let (status, answer) = stage.worker.call(Method::PATCH, &path, Some(&offsets)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    let expected = ["born-stopped-input\t0\t3\td", "born-stopped-input\t0\t4\te"];
    assert_eq!(stage.received_so_many(name, 2).await, expected);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_delete_connector_created_with_paused_or_stopped_initial_state() {
    let stage = Stage::shared().await;
    for state in ["PAUSED", "STOPPED"] {
        let name = &format!("deleted-{}", state.to_lowercase());
        create_as(&stage.worker, name, state, &stage.source(name, json!({}))).await;
        stage
            .until(state, || async {
                let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
                ensure!(status["connector"]["state"] == state, "{status}");
                Ok(())
            })
            .await;
        stage.delete(name).await;
        // The state went with it: one of the same name runs.
        stage.create(name, stage.source(name, json!({}))).await;
        stage.is(name, "RUNNING", &["RUNNING"]).await;
        stage.delete(name).await;
    }
}
