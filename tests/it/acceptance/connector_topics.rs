//! `ConnectorTopicsIntegrationTest` (KIP-558): which topics a connector has used.

use anyhow::ensure;
use serde_json::json;

use super::stage::Stage;

async fn topics_are(stage: &Stage, name: &str, topics: &[&str]) {
    stage
        .until(&format!("{name} used {topics:?}"), || async {
            let answer = stage.worker.get(&format!("/connectors/{name}/topics")).await?;
            ensure!(answer == json!({name: {"topics": topics}}), "{answer}");
            Ok(())
        })
        .await;
}

#[tokio::test]
async fn test_get_active_topics_and_reset() {
    let (stage, name) = (Stage::shared().await, "active-topics");
    // Transforms decide; both tasks count.
    let routed = json!({"tasks.max": "2", "records": "4", "transforms": "route", "transforms.route.type": "RegexRouter",
        "transforms.route.regex": "active-(.*)", "transforms.route.replacement": "used-$1"});
    stage.create(name, stage.source(name, routed)).await;
    topics_are(&stage, name, &["used-topics"]).await;
    stage.configure(name, stage.source(name, json!({"topic": "active-more", "records": "8"}))).await;
    topics_are(&stage, name, &["active-more", "used-topics"]).await;
    let sink = "active-sink";
    stage.create(sink, stage.sink("active-more,used-topics", json!({}))).await;
    topics_are(&stage, sink, &["active-more", "used-topics"]).await;
    // What is used after the reset counts again.
    assert_eq!(stage.put(&format!("/connectors/{name}/topics/reset")).await.0, 202);
    topics_are(&stage, name, &[]).await;
    stage.configure(name, stage.source(name, json!({"topic": "active-more", "records": "12"}))).await;
    topics_are(&stage, name, &["active-more"]).await;
    // A connector that is deleted has used none.
    stage.delete(name).await;
    stage.create(name, stage.source(name, json!({"records": "0"}))).await;
    topics_are(&stage, name, &[]).await;
    stage.delete(name).await;
    stage.delete(sink).await;
}

#[tokio::test]
async fn test_topic_tracking_reset_is_disabled() {
    let stage = Stage::with(&[("topic.tracking.allow.reset", "false")]).await;
    stage.create("tracked", stage.source("tracked", json!({}))).await;
    topics_are(&stage, "tracked", &["tracked"]).await;
    let (status, answer) = stage.put("/connectors/tracked/topics/reset").await;
    assert_eq!((status, answer["message"].as_str()), (403, Some("Topic tracking reset is disabled.")));
}

#[tokio::test]
async fn test_topic_tracking_is_disabled() {
    let stage = Stage::with(&[("topic.tracking.enable", "false")]).await;
    stage.create("untracked", stage.source("untracked", json!({}))).await;
    stage.values("untracked", 10).await;
    let (status, answer) = stage.call(reqwest::Method::GET, "/connectors/untracked/topics").await;
    assert_eq!((status, answer["message"].as_str()), (403, Some("Topic tracking is disabled.")));
    assert_eq!(stage.put("/connectors/untracked/topics/reset").await.0, 403);
}
