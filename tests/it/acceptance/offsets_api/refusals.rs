//! What is refused, and how: connectors that are not there or not stopped, and bodies that say nothing one could do.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::super::stage::Stage;
use super::{Scene, alter, path, reset, stop};

const NOT_STOPPED: &str = "Connectors must be in the STOPPED state before their offsets can be modified.";
const NOTHING: &str = "Partitions / offsets need to be provided for an alter offsets request";

#[tokio::test]
async fn test_get_non_existent_connector_offsets() {
    let scene = Scene::shared().await;
    assert_eq!(scene.stage.call(Method::GET, &path("non-existent")).await.0, 404);
    assert_eq!(reset(&scene.stage, "non-existent").await.0, 404);
}

#[tokio::test]
async fn test_alter_offsets_non_existent_connector() {
    let scene = Scene::shared().await;
    let (status, answer) =
        alter(&scene.stage, "non-existent", &[json!({"partition": {}, "offset": {}})]).await;
    assert_eq!((status, answer["error_code"].as_u64()), (404, Some(404)), "{answer}");
}

#[tokio::test]
async fn test_alter_offsets_non_stopped_connector() {
    let (scene, name) = (Scene::shared().await, "alter-running");
    let stage = &scene.stage;
    stage.create(name, stage.source(name, json!({}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    let refused = async || {
        let offset = json!({"partition": {"task": "0"}, "offset": {"n": 5}});
        for (status, answer) in [alter(stage, name, &[offset]).await, reset(stage, name).await] {
            assert_eq!(status, 400, "{answer}");
            assert!(answer["message"].as_str().unwrap().starts_with(NOT_STOPPED), "{answer}");
        }
    };
    refused().await;
    assert_eq!(stage.put(&format!("/connectors/{name}/pause")).await.0, 202);
    stage.is(name, "PAUSED", &["PAUSED"]).await;
    refused().await;
    stage.delete(name).await;
}

/// Sends a body as it is; it must be refused as the client's mistake, in JSON, with these words.
async fn refused(stage: &Stage, name: &str, body: &str, words: &str) {
    let url = format!("{}{}", stage.worker.url(), path(name));
    let request = Client::new().patch(url).header("Content-Type", "application/json").body(body.to_owned());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let answer: Value = answer.json().await.unwrap();
    // Kafka Connect answers what cannot be parsed with 500; that it is the client's mistake is one of the listed improvements.
    assert_eq!((status, answer["error_code"].as_u64()), (400, Some(400)), "{body}: {answer}");
    assert!(answer["message"].as_str().unwrap().contains(words), "{body}: {answer}");
}

/// What is no list of offsets, whosoever they are.
const MALFORMED: [(&str, &str); 9] = [
    ("[]", ""),
    ("{}", NOTHING),
    (r#"{"key": []}"#, "unknown field `key`"),
    (r#"{"offsets": []}"#, NOTHING),
    (r#"{"offsets": {}}"#, "Malformed JSON"),
    (r#"{"offsets": [123]}"#, "Malformed JSON"),
    (r#"{"offsets": [{"key": "val"}]}"#, "unknown field `key`"),
    (r#"{"offsets": [{"partition": []]}]}"#, "Malformed JSON"),
    (r#"{"offsets": [{"partition": {"a": {"b": 1}}, "offset": {"n": 1}}]}"#, "partition"),
];

#[tokio::test]
async fn test_alter_source_connector_offsets_invalid_request_body() {
    let (scene, name) = (Scene::shared().await, "alter-source-invalid");
    let stage = &scene.stage;
    stage.create(name, stage.source(name, json!({}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stop(stage, name).await;
    for (body, words) in MALFORMED {
        refused(stage, name, body, words).await;
    }
    stage.delete(name).await;
}

#[tokio::test]
async fn test_alter_sink_connector_offsets_invalid_request_body() {
    let (scene, name) = (Scene::shared().await, "alter-sink-invalid");
    let stage = &scene.stage;
    stage.make_topic(name, 1).await;
    stage.create(name, stage.sink(name, json!({}))).await;
    stage.is(name, "RUNNING", &["RUNNING"]).await;
    stop(stage, name).await;
    for (body, words) in MALFORMED {
        refused(stage, name, body, words).await;
    }
    let keys =
        "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'";
    let cases = [
        (json!({}), json!({}), "The partition for a sink connector offset cannot be null or missing"),
        (json!({"kafka_topic": "t"}), json!({}), keys),
        (json!({"kafka_partition": 1}), json!({}), keys),
        (
            json!({"kafka_topic": "t", "kafka_partition": "no"}),
            json!({}),
            "Failed to parse the following Kafka partition value in the provided offsets: 'no'",
        ),
        (
            json!({"kafka_topic": "t", "kafka_partition": 0}),
            json!({}),
            "The offset for a sink connector should either be null or contain the key 'kafka_offset'",
        ),
        (
            json!({"kafka_topic": "t", "kafka_partition": 0}),
            json!({"kafka_offset": "no"}),
            "Failed to parse the following Kafka offset value in the provided offsets: 'no'",
        ),
    ];
    for (partition, offset, words) in cases {
        let body = json!({"offsets": [{"partition": partition, "offset": offset}]}).to_string();
        refused(stage, name, &body, words).await;
    }
    stage.delete(name).await;
}
