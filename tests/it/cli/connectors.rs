//! `millrace connectors` against a worker: every command, what it prints and how it ends.

use std::fs;

use anyhow::ensure;
use harness::millrace::Millrace;
use harness::{places, wait};
use serde_json::{Value, json};

use super::{Cli, Said};
use crate::authority::Authority;

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
    assert_eq!(run(&["apply", "--dry-run", &file]).ok(), "connector orders would be created\n");
    assert_eq!(run(&["apply", &file]).ok(), "created connector orders\n");
    assert_eq!(run(&["apply", &file]).ok(), "unchanged connector orders\n");
    let other = folder.path().join("other.properties");
    fs::write(&other, properties.replace("orders", "other")).unwrap();
    let other = other.display().to_string();
    assert_eq!(run(&["apply", &file, &other]).ok(), "unchanged connector orders\ncreated connector other\n");
    let pruned = "connector orders would be unchanged\nconnector other would be deleted\n";
    assert_eq!(run(&["apply", &file, "--prune", "--dry-run"]).ok(), pruned);
    assert_eq!(run(&["list", "--json"]).json().as_object().unwrap().len(), 2);
    let pruned = json!([{"name": "orders", "outcome": "unchanged"}, {"name": "other", "outcome": "deleted"}]);
    assert_eq!(run(&["apply", &file, "--prune", "--yes", "--json"]).json(), pruned);
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
    let good = folder.path().join("good.properties");
    fs::write(&good, "name=good\nconnector.class=datagen\ntopic=good\n").unwrap();
    run(&["apply", &good.display().to_string(), &file])
        .failed(2, &["Nothing was applied", "wrong: ", "records.per.second"]);
    assert_eq!(run(&["list", "--json"]).json(), json!({}), "all or none");
    let validated = run(&["validate", "--json", &file]);
    assert_eq!(validated.code, Some(2));
    let answer: Value = serde_json::from_str(&validated.stdout).unwrap();
    assert_eq!(answer[0]["valid"], false);
    run(&["apply", "/no/such/file"]).failed(2, &["/no/such/file"]);
    cli.run(&["connectors", "list", "--url", "http://127.0.0.1:1"])
        .failed(3, &["no worker answers at 127.0.0.1:1", "--url"]);
    cli.run(&["connectors", "list", "--url", "nonsense"]).failed(2, &["--url"]);
}

/// A worker that speaks https and knows users, tokens and certificates, asked by each.
#[tokio::test]
async fn a_worker_that_asks_who_is_there_is_told() {
    let (folder, ca) = (tempfile::tempdir().unwrap(), Authority::new().unwrap());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (trusted, own) = (write("ca.pem", &ca.pem), write("own.pem", &ca.sign("alice").unwrap()));
    let server = write("server.pem", &ca.sign("server").unwrap());
    let users = write("users", "root=CANARY-root\n");
    let token = "CANARY-token-of-ci";
    let tokens = write("tokens", &format!("ci={token}\n"));
    let port = places::free_port().unwrap();
    let url = format!("https://127.0.0.1:{port}");
    let settings = [
        ("listeners", url.as_str()),
        ("listeners.https.ssl.keystore.location", &server),
        ("listeners.https.ssl.truststore.location", &trusted),
        ("listeners.https.ssl.client.auth", "requested"),
        ("rest.users.file", &users),
        ("rest.tokens.file", &tokens),
    ];
    let mut worker = Millrace::prepare(folder.path(), &settings).unwrap();
    worker.launch().unwrap();
    let cli = Cli(worker.bootstrap_servers());
    let run = |environment: &[(&str, &str)], more: &[&str]| {
        let mut command = cli.command(&[&["connectors", "list", "--json", "--url", &url], more].concat());
        Said::of(command.envs(environment.iter().copied()).output().unwrap())
    };
    let certificate = ["--ca", &trusted, "--cert", &own];
    wait::until("the worker", wait::PATIENCE, || async {
        let said = run(&[], &certificate);
        ensure!(said.code == Some(0), "{said:?}");
        Ok(())
    })
    .await
    .unwrap();
    run(&[], &["--ca", &trusted]).failed(1, &["401"]);
    run(&[], &[]).failed(3, &["--ca"]);
    run(&[], &["--ca", "/no/such/file"]).failed(2, &["/no/such/file"]);
    let (password, token) = (write("password", "CANARY-root\nmore\n"), write("token", token));
    let root = ["--ca", &trusted, "--user", "root"];
    run(&[], &[&root[..], &["--password-file", &password]].concat()).ok();
    run(&[("MILLRACE_PASSWORD", "CANARY-root")], &root).ok();
    run(&[("MILLRACE_CA", &trusted), ("MILLRACE_USER", "root"), ("MILLRACE_PASSWORD", "CANARY-root")], &[])
        .ok();
    run(&[], &root).failed(2, &["--password-file", "MILLRACE_PASSWORD"]);
    run(&[("MILLRACE_PASSWORD", "wrong")], &root).failed(1, &["401"]);
    run(&[], &["--ca", &trusted, "--token-file", &token]).ok();
    run(&[("MILLRACE_TOKEN", "CANARY-token-of-ci")], &["--ca", &trusted]).ok();

    // Users come and go without a restart, also those whose password was checked a moment ago.
    write("users", "root=CANARY-new\nnew=CANARY-of-new\n");
    // It is the old password that is tried again and again: too many that are wrong would keep everybody out for a minute.
    wait::until("the old password to be refused", wait::PATIENCE, || async {
        let said = run(&[("MILLRACE_PASSWORD", "CANARY-root")], &root);
        ensure!(said.code == Some(1) && said.stderr.contains("401"), "{said:?}");
        Ok(())
    })
    .await
    .unwrap();
    run(&[("MILLRACE_PASSWORD", "CANARY-new")], &root).ok();
    run(&[("MILLRACE_PASSWORD", "CANARY-of-new")], &["--ca", &trusted, "--user", "new"]).ok();
    write("tokens", "ci=CANARY-another-token\n");
    wait::until("the old token to be refused", wait::PATIENCE, || async {
        let said = run(&[], &["--ca", &trusted, "--token-file", &token]);
        ensure!(said.code == Some(1), "{said:?}");
        Ok(())
    })
    .await
    .unwrap();
    let log = worker.process().unwrap().log();
    assert!(!log.contains("CANARY"), "a secret was written down");
}
