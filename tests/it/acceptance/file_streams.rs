//! `FileStreamSourceConnectorsIntegrationTest` and `FileStreamSinkConnectorsIntegrationTest`: Kafka's file connectors over their lives.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::Stage;

const LINES: usize = 5;

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn append(file: &Path, range: std::ops::Range<usize>) {
    let mut opened = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    for line in lines(range) {
        writeln!(opened, "{line}").unwrap();
    }
}

async fn stop(stage: &Stage, name: &str) {
    assert_eq!(stage.put(&format!("/connectors/{name}/stop")).await.0, 204);
    stage.is(name, "STOPPED", &[]).await;
}

async fn resume(stage: &Stage, name: &str) {
    assert_eq!(stage.put(&format!("/connectors/{name}/resume")).await.0, 202);
    stage.is(name, "RUNNING", &["RUNNING"]).await;
}

async fn alter(stage: &Stage, name: &str, partition: Value, offset: Value) -> (u16, Value) {
    let body = json!({"offsets": [{"partition": partition, "offset": offset}]});
    stage.worker.call(Method::PATCH, &format!("/connectors/{name}/offsets"), Some(&body)).await.unwrap()
}

async fn reset(stage: &Stage, name: &str) {
    let (status, answer) = stage.call(Method::DELETE, &format!("/connectors/{name}/offsets")).await;
    assert_eq!(status, 200, "{answer}");
}

/// A file source whose lines are all in the topic of its name.
async fn source(stage: &Stage, name: &str) -> PathBuf {
    let file = stage.folder().join(format!("{name}.txt"));
    append(&file, 0..LINES);
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    stage.create(name, json!({"connector.class": class, "topic": name, "file": file})).await;
    assert_eq!(stage.values(name, LINES).await, lines(0..LINES));
    file
}

#[tokio::test]
async fn test_simple_source() {
    let (stage, name) = (Stage::shared().await, "file-simple-source");
    let file = source(&stage, name).await;
    append(&file, LINES..2 * LINES);
    assert_eq!(stage.values(name, 2 * LINES).await, lines(0..2 * LINES));
    stage.delete(name).await;
}

#[tokio::test]
async fn test_stop_resume_saved_offset() {
    let (stage, name) = (Stage::shared().await, "file-saved-offset");
    let file = source(&stage, name).await;
    stop(&stage, name).await;
    append(&file, LINES..2 * LINES);
    resume(&stage, name).await;
    assert_eq!(stage.values(name, 2 * LINES).await, lines(0..2 * LINES), "each line once");
    stage.delete(name).await;
}

#[tokio::test]
async fn test_alter_offsets_of_file_source() {
    let (stage, name) = (Stage::shared().await, "file-alter-source");
    let file = source(&stage, name).await;
    stop(&stage, name).await;
    let partition = json!({"filename": file});
    let wrong = [
        (json!({"otherfile": file}), json!({"position": 7})),
        (partition.clone(), json!({"position": -1})),
        (partition.clone(), json!({"position": "here"})),
        (partition.clone(), json!({"place": 7})),
    ];
    for (partition, offset) in wrong {
        let (status, answer) = alter(&stage, name, partition, offset).await;
        assert_eq!(status, 400, "{answer}");
    }
    // Behind the second line.
    let position = "line 0\nline 1\n".len();
    assert_eq!(alter(&stage, name, partition, json!({"position": position})).await.0, 200);
    resume(&stage, name).await;
    let expected = [lines(0..LINES), lines(2..LINES)].concat();
    assert_eq!(stage.values(name, expected.len()).await, expected);
    stage.delete(name).await;
}

#[tokio::test]
async fn test_reset_offsets_of_file_source() {
    let (stage, name) = (Stage::shared().await, "file-reset-source");
    source(&stage, name).await;
    stop(&stage, name).await;
    reset(&stage, name).await;
    resume(&stage, name).await;
    let expected = [lines(0..LINES), lines(0..LINES)].concat();
    assert_eq!(stage.values(name, expected.len()).await, expected);
    stage.delete(name).await;
}

/// Waits until a file holds these lines.
async fn holds(stage: &Stage, file: &Path, expected: &[String]) {
    stage
        .until("the file", || async {
            let text = fs::read_to_string(file)?;
            ensure!(text.lines().eq(expected), "{text}");
            Ok(())
        })
        .await;
}

/// A file sink that has written all of the topic of its name.
async fn sink(stage: &Stage, name: &str) -> PathBuf {
    let file = stage.folder().join(format!("{name}.txt"));
    let values = lines(0..LINES);
    stage.make_topic(name, 1).await;
    stage.produce(name, Some(0), &values.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let class = "org.apache.kafka.connect.file.FileStreamSinkConnector";
    stage.create(name, json!({"connector.class": class, "topics": name, "file": file})).await;
    holds(stage, &file, &values).await;
    file
}

#[tokio::test]
async fn test_simple_sink() {
    let (stage, name) = (Stage::shared().await, "file-simple-sink");
    let file = sink(&stage, name).await;
    stage.produce(name, Some(0), &["line 5"]).await;
    holds(&stage, &file, &lines(0..LINES + 1)).await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_alter_offsets_of_file_sink() {
    let (stage, name) = (Stage::shared().await, "file-alter-sink");
    let file = sink(&stage, name).await;
    stop(&stage, name).await;
    let partition = json!({"kafka_topic": name, "kafka_partition": 0});
    assert_eq!(alter(&stage, name, partition, json!({"kafka_offset": 2})).await.0, 200);
    resume(&stage, name).await;
    // What is in the file stays there: a user asked for it twice.
    holds(&stage, &file, &[lines(0..LINES), lines(2..LINES)].concat()).await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_reset_offsets_of_file_sink() {
    let (stage, name) = (Stage::shared().await, "file-reset-sink");
    let file = sink(&stage, name).await;
    stop(&stage, name).await;
    reset(&stage, name).await;
    resume(&stage, name).await;
    holds(&stage, &file, &[lines(0..LINES), lines(0..LINES)].concat()).await;
    stage.delete(name).await;
}

#[tokio::test]
async fn test_sink_multiple_topics_with_multiple_tasks() {
    let (stage, name) = (Stage::shared().await, "file-many-topics");
    let file = stage.folder().join("many.txt");
    let topics = [0, 1, 2].map(|number| format!("{name}-{number}"));
    for topic in &topics {
        stage.make_topic(topic, 1).await;
        stage.produce(topic, Some(0), &[topic]).await;
    }
    let config = json!({"connector.class": "FileStreamSink", "topics": topics.join(","), "tasks.max": "2", "file": file});
    stage.create(name, config).await;
    stage
        .until("the lines of all topics", || async {
            let text = fs::read_to_string(&file)?;
            let mut found: Vec<_> = text.lines().collect();
            found.sort_unstable();
            ensure!(found == topics, "{text}");
            Ok(())
        })
        .await;
    stage.delete(name).await;
}
