//! `millrace connectors` against a worker: every command, what it prints and how it ends.

use std::fs;

use anyhow::ensure;
use harness::millrace::Millrace;
use harness::wait;
use serde_json::{Value, json};

use super::Cli;

#[tokio::test]
async fn connectors_are_applied_watched_halted_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let cli = Cli(worker.bootstrap_servers());
    let run = |arguments: &[&str]| {
        let url = worker.url();
        cli.run(&[&["connectors", "--url", &url], arguments].concat())
    };
    let file = folder.path().join("orders.properties");
    let properties = "name=orders\nconnector.class=datagen\ntopic=orders\nrecords.per.second=100\n";
    fs::write(&file, properties).unwrap();
    let file = file.display().to_string();

    assert_eq!(run(&["validate", &file]).ok(), "orders is valid\n");
    assert_eq!(run(&["apply", &file]).ok(), "created connector orders\n");
    assert_eq!(run(&["apply", &file]).ok(), "updated connector orders\n");
    worker.running("orders").await.unwrap();
    assert!(cli.run(&["consume", "orders", "-n", "3", "-o", "earliest"]).ok().lines().count() == 3);
    let listed = run(&["list"]).ok();
    let row: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["orders", "source", "RUNNING", "1", "RUNNING"], "{listed}");
    assert_eq!(run(&["status", "orders", "--json"]).json()[0]["tasks"][0]["state"], "RUNNING");
    let mut got: Vec<_> = run(&["get", "orders"]).ok().lines().map(str::to_owned).collect();
    got.sort();
    let mut said: Vec<_> = properties.lines().map(str::to_owned).collect();
    said.sort();
    assert_eq!(got, said);

    for (command, done, state) in
        [("pause", "paused", "PAUSED"), ("resume", "resumed", "RUNNING"), ("stop", "stopped", "STOPPED")]
    {
        assert_eq!(run(&[command, "orders"]).ok(), format!("{done} connector orders\n"));
        wait::until(state, wait::PATIENCE, || async {
            let status = run(&["status", "orders"]).stdout;
            ensure!(status.lines().nth(1).is_some_and(|line| line.contains(state)), "{status}");
            Ok(())
        })
        .await
        .unwrap();
    }
    assert!(!run(&["offsets", "orders", "--json"]).json()["offsets"].as_array().unwrap().is_empty());
    assert!(run(&["offsets", "orders", "--reset", "--yes"]).ok().contains("reset"));
    assert_eq!(run(&["offsets", "orders", "--json"]).json(), json!({"offsets": []}));
    assert_eq!(
        run(&["resume", "orders", "--json"]).json(),
        json!([{"name": "orders", "done": true, "error": null}])
    );
    worker.running("orders").await.unwrap();
    run(&["restart", "orders", "--include-tasks"]).ok();
    assert_eq!(run(&["delete", "orders", "--yes"]).ok(), "deleted connector orders\n");
    assert_eq!(run(&["list", "--json"]).json(), json!({}));
}

#[tokio::test]
async fn refusals_of_a_worker_have_codes_of_their_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Millrace::standalone(folder.path(), &[]).await.unwrap();
    let cli = Cli(worker.bootstrap_servers());
    let url = worker.url();
    let run = |arguments: &[&str]| cli.run(&[&["connectors", "--url", &url], arguments].concat());
    run(&["status", "missing/really"]).failed(1, &["missing/really", "404"]);
    run(&["pause", "missing"]).failed(1, &["missing: "]);
    let file = folder.path().join("wrong.json");
    fs::write(
        &file,
        r#"{"name": "wrong", "config": {"connector.class": "datagen", "records.per.second": "many"}}"#,
    )
    .unwrap();
    let file = file.display().to_string();
    let told = run(&["validate", &file]);
    told.failed(2, &["wrong: topic: ", "wrong: records.per.second: "]);
    run(&["apply", &file]).failed(2, &["wrong: ", "records.per.second"]);
    let validated = run(&["validate", "--json", &file]);
    assert_eq!(validated.code, Some(2));
    let answer: Value = serde_json::from_str(&validated.stdout).unwrap();
    assert_eq!(answer[0]["valid"], false);
    run(&["apply", "/no/such/file"]).failed(2, &["/no/such/file"]);
    cli.run(&["connectors", "list", "--url", "http://127.0.0.1:1"])
        .failed(3, &["no worker answers at 127.0.0.1:1", "--url"]);
    cli.run(&["connectors", "list", "--url", "nonsense"]).failed(2, &["--url"]);
}
