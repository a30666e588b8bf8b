//! What Kafka Connect has no test for: that a failed task comes back by itself, a task that hangs is named, and the lines of the log
//! about a connector can be had, without its secrets.

use std::process::Command;

use anyhow::ensure;
use harness::places;
use serde_json::{Value, json};

use super::stage::Stage;

#[tokio::test]
async fn a_failed_task_comes_back_by_itself_and_says_when() {
    let (stage, name) = (Stage::shared().await, "comes-back");
    stage.fail(name, "poll", "fatal");
    stage.create(name, stage.source(name, json!({"restart.delay.ms": "200"}))).await;
    let status = stage
        .until("a second attempt", || async {
            let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
            let task = &status["tasks"][0];
            ensure!(task["attempts"].as_u64() >= Some(2) && task["next_try"].is_i64(), "{status}");
            Ok(status)
        })
        .await;
    let error = &status["tasks"][0]["last_error"];
    assert!(error["message"].as_str().unwrap().starts_with("made to fail in poll"), "{status}");
    assert!(status["tasks"][0]["next_try"].as_i64() >= error["time"].as_i64(), "{status}");
    stage.heal(name, "poll");
    let status = stage
        .until("healthy", || async {
            let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
            ensure!(status["health"] == "healthy" && status["tasks"][0]["next_try"].is_null(), "{status}");
            Ok(status)
        })
        .await;
    assert!(status["tasks"][0]["last_error"]["time"].is_i64(), "it is kept: {status}");
    assert!(status["tasks"][0]["last_progress_age_ms"].is_i64(), "{status}");
    stage.delete(name).await;
}

/// Blocks or hangs a call until it is told of, then lets it go on.
async fn stalls(stage: &Stage, name: &str, place: &str, operation: &str, config: Value) {
    stage.block(name, place);
    stage.create(name, config).await;
    let stalled = |status: &Value| status["tasks"][0]["stalled"].clone();
    let status = stage
        .until("stalled", || async {
            let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
            ensure!(!stalled(&status).is_null(), "{status}");
            Ok(status)
        })
        .await;
    assert_eq!(stalled(&status)["operation"], operation, "{status}");
    assert!(stalled(&status)["since"].is_i64(), "{status}");
    assert_eq!(
        (&status["health"], &status["tasks"][0]["state"]),
        (&json!("degraded"), &json!("RUNNING")),
        "{status}"
    );
    let label = format!("connector=\"{name}\"");
    let metric = stage.worker.metric(&["millrace_task_stalled{", &label]).await.unwrap();
    assert_eq!(metric, 1.0);
    stage.unblock(name, place);
    stage
        .until("moving", || async {
            let status = stage.worker.get(&format!("/connectors/{name}/status")).await?;
            ensure!(stalled(&status).is_null() && status["health"] == "healthy", "{status}");
            Ok(())
        })
        .await;
    stage.delete(name).await;
}

#[tokio::test]
async fn a_task_that_hangs_is_named_until_it_goes_on() {
    let stage = Stage::shared().await;
    let short = json!({"task.stall.timeout.ms": "300"});
    stalls(&stage, "stalls-poll", "poll", "poll", stage.source("stalls-poll", short.clone())).await;
    stage.produce("stalls-input", None, &["a"]).await;
    stalls(&stage, "stalls-put", "put", "put", stage.sink("stalls-input", short.clone())).await;
    stalls(&stage, "stalls-flush", "pre_commit", "flush", stage.sink("stalls-input", short)).await;
}

#[tokio::test]
async fn a_task_that_hangs_is_started_again_if_told_so() {
    let (stage, name) = (Stage::shared().await, "stall-restart");
    stage.block(name, "poll");
    let config =
        json!({"task.stall.timeout.ms": "300", "task.stall.restart": "true", "restart.delay.ms": "10"});
    stage.create(name, stage.source(name, config)).await;
    stage.called(name, "start", 2).await;
    stage.unblock(name, "poll");
    let status = stage.is(name, "RUNNING", &["RUNNING"]).await;
    let error = &status["tasks"][0]["last_error"]["message"];
    assert!(error.as_str().unwrap().contains("it was in poll for"), "{status}");
    assert_eq!(stage.values(name, 10).await.len(), 10);
    stage.delete(name).await;
}

#[tokio::test]
async fn what_was_logged_about_a_connector_can_be_had_without_its_secrets() {
    let (stage, name) = (Stage::shared().await, "logged");
    stage.create(name, stage.source(name, json!({"secret": "CANARY-77"}))).await;
    stage.create("logged-other", stage.source("logged-other", json!({}))).await;
    stage.called(name, "poll", 1).await;
    stage.called("logged-other", "poll", 1).await;
    let run = |arguments: &[&str]| {
        let url = stage.worker.url();
        let all = [&["connectors", "--url", &url, "logs"], arguments].concat();
        Command::new(places::millrace_binary().unwrap()).args(all).output().unwrap()
    };
    let output = run(&[name, "--tail", "50"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("INFO task 0"), "{text}");
    assert!(text.contains("counting with secret [hidden]") && !text.contains("CANARY"), "{text}");
    let lines = String::from_utf8(run(&[name, "--json", "--task", "0"]).stdout).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["task"] == 0), "{lines:?}");
    let missing = run(&["never-was"]);
    assert_eq!(missing.status.code(), Some(1));
    // Who follows hears of what comes, and of the end.
    let url = format!("{}/connectors/{name}/logs?follow=true&tail=0", stage.worker.url());
    let mut following = reqwest::get(url).await.unwrap();
    assert_eq!(stage.post(&format!("/connectors/{name}/tasks/0/restart")).await.0, 204);
    let mut heard = String::new();
    while !heard.contains("counting with secret") {
        heard += &String::from_utf8_lossy(&following.chunk().await.unwrap().unwrap());
    }
    assert!(!heard.contains("CANARY") && !heard.contains("logged-other"), "{heard}");
    stage.delete("logged-other").await;
    stage.delete(name).await;
}
