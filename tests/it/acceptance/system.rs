//! kafkatest's `connect_rest_test` and `connect_test` (`tests/kafkatest/tests/connect`), with the connectors that they use: file source and
//! file sink.

use std::fs;
use std::io::Write as _;

use anyhow::ensure;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::Stage;

const FILE_SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";
const FILE_SINK: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";

fn append(stage: &Stage, file: &str, lines: &str) {
    let opened = fs::OpenOptions::new().create(true).append(true).open(stage.folder().join(file));
    opened.unwrap().write_all(lines.as_bytes()).unwrap();
}

async fn file_is(stage: &Stage, file: &str, text: &str) {
    stage
        .until(&format!("{file} holds {text:?}"), || async {
            let found = fs::read_to_string(stage.folder().join(file)).unwrap_or_default();
            ensure!(found == text, "{found:?}");
            Ok(())
        })
        .await;
}

fn of_name(configs: &Value) -> Vec<&str> {
    configs.as_array().unwrap().iter().filter_map(|config| config["definition"]["name"].as_str()).collect()
}

#[tokio::test]
#[allow(clippy::too_many_lines, reason = "one life of two connectors, as the original tells it")]
async fn test_rest_api() {
    let stage = Stage::with(&[]).await;
    let rest = &stage.worker;
    assert_eq!(rest.get("/connectors").await.unwrap(), json!([]));
    let plugins = rest.get("/connector-plugins").await.unwrap();
    for (class, kind) in [(FILE_SOURCE, "source"), (FILE_SINK, "sink")] {
        let known = plugins
            .as_array()
            .unwrap()
            .iter()
            .any(|plugin| plugin["class"] == class && plugin["type"] == kind);
        assert!(known, "{plugins}");
    }
    // Validation knows the connector's own options and all common ones.
    let source = json!({"name": "rest-source", "connector.class": FILE_SOURCE, "tasks.max": "1",
        "file": stage.folder().join("rest-in.txt"), "topic": "rest-topic"});
    let path = format!("/connector-plugins/{FILE_SOURCE}/config/validate");
    let (status, answer) = rest.call(Method::PUT, &path, Some(&source)).await.unwrap();
    assert_eq!((status, &answer["error_count"]), (200, &json!(0)), "{answer}");
    let names = of_name(&answer["configs"]);
    for name in [
        "name",
        "connector.class",
        "tasks.max",
        "key.converter",
        "value.converter",
        "header.converter",
        "transforms",
        "predicates",
        "config.action.reload",
        "errors.retry.timeout",
        "errors.retry.delay.max.ms",
        "errors.tolerance",
        "errors.log.enable",
        "errors.log.include.messages",
        "file",
        "topic",
        "batch.size",
        "topic.creation.groups",
        "exactly.once.support",
        "transaction.boundary",
        "transaction.boundary.interval.ms",
        "offsets.storage.topic",
        "tasks.max.enforce",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let sink = json!({"name": "rest-sink", "connector.class": FILE_SINK, "tasks.max": "1",
        "file": stage.folder().join("rest-out.txt"), "topics": "rest-topic"});
    let (status, answer) = stage.submit("rest-source", source.clone()).await;
    assert_eq!(status, 201, "{answer}");
    assert_eq!(
        (&answer["name"], &answer["type"], &answer["config"]),
        (&json!("rest-source"), &json!("source"), &source)
    );
    assert_eq!(stage.submit("rest-sink", sink.clone()).await.0, 201);
    let (status, answer) = stage.submit("rest-source", source.clone()).await;
    assert_eq!((status, &answer["error_code"]), (409, &json!(409)), "{answer}");
    assert_eq!(answer["message"], "Connector rest-source already exists");
    assert_eq!(rest.get("/connectors").await.unwrap(), json!(["rest-sink", "rest-source"]));
    stage.is("rest-source", "RUNNING", &["RUNNING"]).await;
    stage.is("rest-sink", "RUNNING", &["RUNNING"]).await;
    append(&stage, "rest-in.txt", "foo\nbar\n");
    file_is(&stage, "rest-out.txt", "foo\nbar\n").await;

    let task = json!({"connector": "rest-source", "task": 0});
    let expected = json!({"name": "rest-source", "config": source, "tasks": [task], "type": "source"});
    assert_eq!(rest.get("/connectors/rest-source").await.unwrap(), expected);
    assert_eq!(rest.get("/connectors/rest-source/config").await.unwrap(), source);
    let tasks = rest.get("/connectors/rest-source/tasks").await.unwrap();
    assert_eq!(tasks[0]["id"], task);
    assert_eq!(tasks[0]["config"]["task.class"], "org.apache.kafka.connect.file.FileStreamSourceTask");

    // Another file.
    let mut moved = source.clone();
    moved["file"] = json!(stage.folder().join("rest-more.txt"));
    append(&stage, "rest-more.txt", "baz\n");
    let (status, answer) =
        rest.call(Method::PUT, "/connectors/rest-source/config", Some(&moved)).await.unwrap();
    assert_eq!((status, &answer["config"]), (200, &moved), "{answer}");
    file_is(&stage, "rest-out.txt", "foo\nbar\nbaz\n").await;
    stage.delete("rest-source").await;
    stage.delete("rest-sink").await;
    assert_eq!(rest.get("/connectors").await.unwrap(), json!([]));
    assert_eq!(stage.call(Method::GET, "/connectors/rest-source").await.0, 404);
}

/// With each converter: what is in the file comes out of the topic, also after a restart, once.
#[tokio::test]
async fn test_file_source_and_sink() {
    let converters = [
        ("org.apache.kafka.connect.json.JsonConverter", "true"),
        ("org.apache.kafka.connect.json.JsonConverter", "false"),
        ("org.apache.kafka.connect.storage.StringConverter", "false"),
    ];
    let mut stage = Stage::with(&[]).await;
    let files = |number: usize| (format!("in-{number}.txt"), format!("out-{number}.txt"));
    for (number, (converter, schemas)) in converters.iter().enumerate() {
        let (input, output) = files(number);
        append(&stage, &input, "foo\nbar\n");
        let mut source = json!({"connector.class": FILE_SOURCE, "file": stage.folder().join(&input), "topic": format!("t{number}"),
            "value.converter": converter});
        let mut sink = json!({"connector.class": FILE_SINK, "file": stage.folder().join(&output), "topics": format!("t{number}"),
            "value.converter": converter});
        if converter.ends_with("JsonConverter") {
            for config in [&mut source, &mut sink] {
                config["value.converter.schemas.enable"] = json!(schemas);
            }
        }
        stage.create(&format!("source-{number}"), source).await;
        stage.create(&format!("sink-{number}"), sink).await;
    }
    for number in 0..converters.len() {
        file_is(&stage, &files(number).1, "foo\nbar\n").await;
    }
    stage.worker.process().unwrap().terminate().await.unwrap();
    stage.worker.start().await.unwrap();
    for number in 0..converters.len() {
        append(&stage, &files(number).0, "razz\nma\n");
    }
    for number in 0..converters.len() {
        file_is(&stage, &files(number).1, "foo\nbar\nrazz\nma\n").await;
    }
}
