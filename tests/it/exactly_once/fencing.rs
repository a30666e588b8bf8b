//! Zombies: producers of tasks that somebody else runs now, or that were configured anew, write nothing that counts.

use std::process::Command;

use broker_client::Isolation;
use harness::broker::Broker;
use harness::millrace::Millrace;
use harness::sequence::{client, unbroken};
use harness::{places, wait};
use reqwest::Method;
use serde_json::json;

use super::{COMMITTED, failed, generator, orders, stop, until_orders, worker, worker_on};

#[tokio::test]
async fn a_zombie_worker_is_fenced_and_what_it_held_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let (_first_folder, mut first) = worker_on(&broker).await;
    let client = client(&broker.bootstrap_servers());
    let settings = json!({"records.per.second": "2000", "restart.attempts.max": "0"});
    first.create("gen", generator(settings)).await.unwrap();
    until_orders(&client, COMMITTED, 300).await;
    first.process().unwrap().signal("STOP").unwrap();
    // The second worker finds the connector in the config topic, and takes over its task.
    let (_second_folder, second) = worker_on(&broker).await;
    let before = orders(&client, "orders", COMMITTED).await.unwrap().len();
    until_orders(&client, COMMITTED, before + 1000).await;
    first.process().unwrap().signal("CONT").unwrap();
    wait::until("the zombie to find out", wait::PATIENCE, || {
        let log = first.process().unwrap().log();
        async move {
            anyhow::ensure!(log.contains("was fenced"), "its log says nothing of it");
            Ok(())
        }
    })
    .await
    .unwrap();
    let seen = orders(&client, "orders", COMMITTED).await.unwrap().len();
    until_orders(&client, COMMITTED, seen + 500).await;
    first.process().unwrap().kill().unwrap();
    stop(&second).await;
    unbroken(&orders(&client, "orders", COMMITTED).await.unwrap()).unwrap();
}

#[tokio::test]
async fn every_new_set_of_tasks_goes_on_where_the_one_before_stopped() {
    let (_folder, millrace) = worker(&[]).await;
    let client = client(&millrace.bootstrap_servers());
    let settings = |rate: u32| generator(json!({"records.per.second": rate.to_string(), "tasks.max": "2"}));
    millrace.create("gen", settings(2000)).await.unwrap();
    let mut seen = 0;
    for round in 1..=5 {
        seen = until_orders(&client, COMMITTED, seen + 200).await.len();
        let config = settings(2000 + 100 * round);
        let (status, answer) =
            millrace.call(Method::PUT, "/connectors/gen/config", Some(&config)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    until_orders(&client, COMMITTED, seen + 200).await;
    millrace.running("gen").await.unwrap();
    stop(&millrace).await;
    let numbers = orders(&client, "orders", COMMITTED).await.unwrap();
    for task in 0..2 {
        let own: Vec<i64> =
            numbers.iter().filter(|number| *number % 2 == task).map(|number| number / 2).collect();
        assert!(unbroken(&own).unwrap() > 0);
    }
    let configs =
        harness::sequence::values(&client, "connect-configs", Isolation::ReadCommitted).await.unwrap();
    let counted = configs.iter().filter(|value| *value == br#"{"task-count":2}"#).count();
    assert!(counted >= 1, "the sets of tasks are counted in the config topic");
}

/// A broker that allows what no ACL denies.
const AUTHORIZER: [(&str, &str); 2] = [
    ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
    ("allow.everyone.if.no.acl.found", "true"),
];

/// Denies everybody a transactional id, or allows it again.
fn tell(broker: &Broker, step: &str, id: &str) {
    let mut command = Command::new(places::servers().join("python/bin/python"));
    command.arg(places::repository().join("tests/it/exactly_once.py"));
    let output = command.args([&broker.bootstrap_servers(), step, id]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_worker_without_the_right_to_transactions_says_so_and_goes_on_unless_it_was_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &AUTHORIZER).await.unwrap();
    tell(&broker, "deny", "connect-cluster-connect-cluster");
    let (_folder, mut by_default) = worker_on(&broker).await;
    by_default.create("gen", generator(json!({"records.max": "100"}))).await.unwrap();
    let client = client(&broker.bootstrap_servers());
    assert_eq!(unbroken(&until_orders(&client, COMMITTED, 100).await).unwrap(), 100);
    let log = by_default.process().unwrap().log();
    assert!(log.contains("sources deliver at least once"), "{log}");
    let folder = tempfile::tempdir().unwrap();
    let servers = broker.bootstrap_servers();
    let settings = [("bootstrap.servers", servers.as_str()), ("exactly.once.source.support", "enabled")];
    let mut said = Millrace::prepare(folder.path(), &settings).unwrap();
    // Whether REST answered before the worker gave up does not matter.
    drop(said.start().await);
    let process = said.process().unwrap();
    let status = process.ended(wait::PATIENCE).await.unwrap();
    assert!(!status.success(), "{status}");
    let log = process.log();
    assert!(log.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "{log}");
}

#[tokio::test]
async fn tasks_fail_on_inability_to_fence_and_recover_when_it_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &AUTHORIZER).await.unwrap();
    let client = client(&broker.bootstrap_servers());
    let (_folder, millrace) = worker_on(&broker).await;
    let tell = |step: &str| tell(&broker, step, "connect-cluster-gen-1");
    let settings = |tasks: &str| {
        generator(json!({"records.per.second": "1000", "tasks.max": tasks, "restart.delay.max.ms": "1000"}))
    };
    millrace.create("gen", settings("2")).await.unwrap();
    until_orders(&client, COMMITTED, 100).await;
    tell("deny");
    // One task follows two: the producer of the second is to be fenced, which is denied.
    let (status, answer) =
        millrace.call(Method::PUT, "/connectors/gen/config", Some(&settings("1"))).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    let trace = failed(&millrace).await;
    assert!(trace.contains("fencing of connector gen failed"), "{trace}");
    assert!(trace.contains("TRANSACTIONAL_ID_AUTHORIZATION_FAILED"), "{trace}");
    tell("allow");
    millrace.running("gen").await.unwrap();
    let seen = orders(&client, "orders", COMMITTED).await.unwrap().len();
    until_orders(&client, COMMITTED, seen + 100).await;
}
