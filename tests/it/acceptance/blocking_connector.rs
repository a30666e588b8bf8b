//! `BlockingConnectorTest`: a connector that blocks for ever in any call blocks nobody else; nor does it keep a worker from
//! stopping. The case of a blocking `config` has no counterpart: options are declared as data here.

use std::time::Instant;

use harness::wait;
use reqwest::Method;
use serde_json::json;

use super::stage::Stage;

/// Whatever one connector does, another is created, restarted and deleted.
async fn others_live(stage: &Stage, name: &str) {
    stage.create(name, stage.source(name, json!({}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(stage.post(&format!("/connectors/{name}/restart")).await.0, 204);
    assert_eq!(stage.post(&format!("/connectors/{name}/tasks/0/restart")).await.0, 204);
    stage.called(name, "start", 2).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stage.delete(name).await;
    assert_eq!(stage.call(Method::GET, "/connectors").await.0, 200);
}

#[tokio::test]
async fn test_block_in_connector_validate() {
    let (stage, name) = (Stage::shared().await, "block-validate");
    stage.block(name, "validate");
    let submitting = async { stage.submit(name, stage.source(name, json!({}))).await };
    let others = async {
        stage.called(name, "validate", 1).await;
        others_live(&stage, "beside-validate").await;
        let blocked = stage.call(Method::GET, &format!("/connectors/{name}")).await;
        stage.unblock(name, "validate");
        blocked.0
    };
    let (submitted, blocked) = tokio::join!(submitting, others);
    assert_eq!((submitted.0, blocked), (201, 404), "it is created once it was checked: {}", submitted.1);
    stage.delete(name).await;
}

/// Connect's `initialize` and `start` of a connector: here it is asked for its tasks.
#[tokio::test]
async fn test_block_in_connector_start() {
    let (stage, name) = (Stage::shared().await, "block-task-configs");
    stage.block(name, "task_configs");
    stage.create(name, stage.source(name, json!({}))).await;
    stage.called(name, "task_configs", 1).await;
    others_live(&stage, "beside-task-configs").await;
    assert_eq!(stage.status(name).await["health"], "starting");
    stage.delete(name).await;
    stage.unblock(name, "task_configs");
}

/// Blocks a task at a place, sees that all others live and that it can be deleted, and that its thread is told of.
async fn a_task_blocks(stage: &Stage, name: &str, place: &str, sink: bool) {
    let config = match sink {
        true => stage.sink("blocking-input", json!({})),
        false => stage.source(name, json!({"records": "100000000"})),
    };
    if place != "stop" {
        stage.block(name, place);
    }
    stage.create(name, config).await;
    match place {
        "stop" => {
            stage.called(name, if sink { "put" } else { "poll" }, 1).await;
            stage.block(name, place);
        }
        _ => stage.called(name, place, 1).await,
    }
    others_live(stage, &format!("beside-{name}")).await;
    stage.delete(name).await;
    if place == "stop" {
        stage.called(name, place, 1).await;
    }
    // The thread is told of once the worker has given up waiting for it, and no more when it is back.
    wait::until("a thread left behind", wait::PATIENCE, || async {
        anyhow::ensure!(stage.worker.metric(&["millrace_blocked_thread_count"]).await? >= 1.0, "none");
        Ok(())
    })
    .await
    .unwrap();
    others_live(stage, &format!("after-{name}")).await;
    stage.unblock(name, place);
}

#[tokio::test]
async fn test_block_in_source_task_start() {
    a_task_blocks(&*Stage::shared().await, "block-source-start", "start", false).await;
}

#[tokio::test]
async fn test_block_in_source_task_poll() {
    a_task_blocks(&*Stage::shared().await, "block-source-poll", "poll", false).await;
}

#[tokio::test]
async fn test_block_in_source_task_stop() {
    a_task_blocks(&*Stage::shared().await, "block-source-stop", "stop", false).await;
}

#[tokio::test]
async fn test_block_in_sink_task_start() {
    a_task_blocks(&*Stage::shared().await, "block-sink-start", "start", true).await;
}

#[tokio::test]
async fn test_block_in_sink_task_put() {
    let stage = Stage::shared().await;
    stage.produce("blocking-input", None, &["a"]).await;
    a_task_blocks(&stage, "block-sink-put", "put", true).await;
}

#[tokio::test]
async fn test_block_in_sink_task_stop() {
    let stage = Stage::shared().await;
    stage.produce("blocking-input", None, &["a"]).await;
    a_task_blocks(&stage, "block-sink-stop", "stop", true).await;
}

#[tokio::test]
async fn test_worker_restart_with_block_in_connector_start_and_task_stop() {
    let mut stage = Stage::with(&[]).await;
    stage.block("blocked", "task_configs");
    stage.create("blocked", stage.source("blocked", json!({}))).await;
    stage.called("blocked", "task_configs", 1).await;
    stage.create("stubborn", stage.source("stubborn", json!({}))).await;
    stage.is("stubborn", "RUNNING", &["RUNNING"]).await;
    stage.block("stubborn", "stop");
    let began = Instant::now();
    stage.worker.process().unwrap().terminate().await.unwrap();
    assert!(began.elapsed() < wait::PATIENCE / 2, "the worker waited for what blocks");
    stage.unblock("stubborn", "stop");
    stage.worker.start().await.unwrap();
    stage.is("stubborn", "RUNNING", &["RUNNING"]).await;
    others_live(&stage, "free").await;
    stage.unblock("blocked", "task_configs");
    stage.is("blocked", "RUNNING", &["RUNNING"]).await;
}
