//! What is wrong is said: the setting, what was found, what to do. And nothing is lost by it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::ensure;
use harness::database::{Database, Kind};
use harness::millrace::Millrace;
use harness::process::Process;
use harness::{kcat, pipeline, wait};
use reqwest::Method;
use serde_json::{Value, json};

const LIMIT: Duration = wait::PATIENCE;

async fn refusal(millrace: &Millrace, config: Value) -> String {
    let body = json!({"name": "wrong", "config": config});
    let (status, answer) = millrace.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!((status, answer["error_code"].as_u64()), (400, Some(400)), "{answer}");
    let message = answer["message"].as_str().unwrap().to_owned();
    assert!(!message.contains(harness::database::PASSWORD), "the message holds the password: {message}");
    message
}

fn assert_says(message: &str, parts: &[&str]) {
    let missing: Vec<_> = parts.iter().filter(|part| !message.contains(**part)).collect();
    assert!(missing.is_empty(), "does not say {missing:?}: {message}");
}

#[tokio::test]
async fn every_wrong_option_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let message = refusal(&millrace, json!({"connector.class": "NoSuchConnector"})).await;
    assert_says(&message, &["NoSuchConnector", "FileStreamSourceConnector"]);
    let config = json!({"connector.class": "FileStreamSource", "tasks.max": "zero", "errors.tolerance": "some", "batch.size": "-1"});
    assert_says(
        &refusal(&millrace, config).await,
        &["\"topic\"", "tasks.max", "errors.tolerance", "batch.size"],
    );
    let (status, answer) = millrace.call(Method::GET, "/connectors", None).await.unwrap();
    assert_eq!((status, answer), (200, json!([])), "a refused connector must not be there");
}

#[tokio::test]
async fn a_database_that_cannot_be_captured_says_why_and_what_to_grant() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let database = Database::start(Kind::MySql).await.unwrap();
    database
        .run(&[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY)",
            "CREATE USER weak@'%' IDENTIFIED BY 'weak'",
        ])
        .await
        .unwrap();

    let mut config = pipeline::mysql_source(&database, "shop");
    config["database.password"] = json!("wrong");
    assert_says(&refusal(&millrace, config).await, &["database.user", "database.password", "Access denied"]);

    let mut config = pipeline::mysql_source(&database, "shop");
    (config["database.user"], config["database.password"]) = (json!("weak"), json!("weak"));
    assert_says(&refusal(&millrace, config).await, &["GRANT", "REPLICATION SLAVE", "REPLICATION CLIENT"]);

    let mut config = pipeline::mysql_source(&database, "shop");
    config["database.port"] = json!(harness::places::free_port().unwrap().to_string());
    assert_says(&refusal(&millrace, config).await, &["database.hostname", "127.0.0.1", "refused"]);

    database.run(&["SET GLOBAL binlog_row_image = MINIMAL"]).await.unwrap();
    assert_says(
        &refusal(&millrace, pipeline::mysql_source(&database, "shop")).await,
        &["binlog_row_image", "MINIMAL", "FULL"],
    );
}

#[tokio::test]
async fn ports_and_data_folders_in_use_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let said = |folder: &std::path::Path| fs::read_to_string(folder.join("millrace.log")).unwrap();

    let same_data = tempfile::tempdir().unwrap();
    let text = format!(
        "listeners=http://127.0.0.1:0\nbroker.listeners=PLAINTEXT://127.0.0.1:0\nbroker.log.dirs={}\n",
        folder.path().join("data").display()
    );
    fs::write(same_data.path().join("worker.properties"), text).unwrap();
    let mut second = Process::start(same_data.path(), &["standalone", "worker.properties"]).unwrap();
    assert!(!second.ended(LIMIT).await.unwrap().success());
    assert_says(
        &said(same_data.path()),
        &[&folder.path().join("data").display().to_string(), "in use", "log.dirs"],
    );

    let same_port = tempfile::tempdir().unwrap();
    let text = format!("listeners={}\nbroker.listeners=PLAINTEXT://127.0.0.1:0\n", millrace.url());
    fs::write(same_port.path().join("worker.properties"), text).unwrap();
    let mut second = Process::start(same_port.path(), &["standalone", "worker.properties"]).unwrap();
    assert!(!second.ended(LIMIT).await.unwrap().success());
    assert_says(
        &said(same_port.path()),
        &["listeners", millrace.url().trim_start_matches("http://"), "in use"],
    );

    assert!(millrace.process().unwrap().exited().unwrap().is_none(), "the first worker must live on");
}

#[tokio::test]
async fn a_wrong_worker_file_names_the_line_and_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("worker.properties"),
        "listeners=http://127.0.0.1:0\noffset.flush.interval.ms=soon\n",
    )
    .unwrap();
    let mut process = Process::start(folder.path(), &["standalone", "worker.properties"]).unwrap();
    assert!(!process.ended(LIMIT).await.unwrap().success());
    assert_says(&process.log(), &["offset.flush.interval.ms", "soon"]);

    fs::write(folder.path().join("broken.properties"), "a=1\nb=\\u12\n").unwrap();
    let mut process = Process::start(folder.path(), &["standalone", "broken.properties"]).unwrap();
    assert!(!process.ended(LIMIT).await.unwrap().success());
    assert_says(&process.log(), &["broken.properties", "2"]);

    let mut process = Process::start(folder.path(), &["standalone", "missing.properties"]).unwrap();
    assert!(!process.ended(LIMIT).await.unwrap().success());
    assert_says(&process.log(), &["missing.properties", "No such file"]);
}

/// A sink that meets a record it cannot read fails and says which; with tolerance it goes on, and the record lies in the
/// dead letter queue.
#[tokio::test]
async fn a_poison_record_is_named_and_with_tolerance_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let lines = folder.path().join("lines");
    fs::write(&lines, "{\"a\":1}\nthis is no JSON\n{\"a\":2}\n").unwrap();
    kcat::produce(&millrace.bootstrap_servers(), "letters", "none", &lines).unwrap();
    let file = folder.path().join("out");
    let mut config = json!({
        "connector.class": "FileStreamSink", "topics": "letters", "file": file,
        "value.converter": "JsonConverter", "value.converter.schemas.enable": "false",
    });
    let body = json!({"name": "letters", "config": config});
    assert_eq!(millrace.call(Method::POST, "/connectors", Some(&body)).await.unwrap().0, 201);
    let status = failed(&millrace, "letters").await;
    let trace = status["tasks"][0]["trace"].as_str().unwrap().to_owned();
    assert_says(&trace, &["letters", "offset 1"]);

    config["errors.tolerance"] = json!("all");
    config["errors.deadletterqueue.topic.name"] = json!("dead");
    config["errors.deadletterqueue.context.headers.enable"] = json!("true");
    config["errors.deadletterqueue.topic.replication.factor"] = json!("1");
    let (status, answer) =
        millrace.call(Method::PUT, "/connectors/letters/config", Some(&config)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    wait::until("the good records", LIMIT, || async {
        let text = fs::read_to_string(&file)?;
        ensure!(text == "{a=1}\n{a=2}\n", "{text:?}");
        Ok(())
    })
    .await
    .unwrap();
    let dead = folder.path().join("dead");
    wait::until("the dead letter", LIMIT, || async {
        kcat::consume(&millrace.bootstrap_servers(), "dead", &dead)?;
        let text = fs::read_to_string(&dead)?;
        ensure!(text == "this is no JSON\n", "{text:?}");
        Ok(())
    })
    .await
    .unwrap();
}

/// A file that may not be written is said, and the sink goes on once it may.
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    let lines = folder.path().join("lines");
    fs::write(&lines, "one\n").unwrap();
    kcat::produce(&millrace.bootstrap_servers(), "lines", "none", &lines).unwrap();
    // A folder cannot be opened as a file, not even by root.
    let config = json!({"connector.class": "FileStreamSink", "topics": "lines", "file": closed});
    let body = json!({"name": "closed", "config": config});
    let (status, answer) = millrace.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    if status == 201 {
        let status = failed(&millrace, "closed").await;
        assert_says(status["tasks"][0]["trace"].as_str().unwrap(), &[&closed.display().to_string()]);
    } else {
        assert_says(answer["message"].as_str().unwrap(), &["file", &closed.display().to_string()]);
    }
}

async fn failed(millrace: &Millrace, name: &str) -> Value {
    let path = format!("/connectors/{name}/status");
    wait::until("the failed task", LIMIT, || async {
        let status = millrace.get(&path).await?;
        ensure!(status["tasks"][0]["trace"].is_string(), "{status}");
        Ok(status)
    })
    .await
    .unwrap()
}
