//! Groups of real clients (confluent-kafka, that is librdkafka): eager and cooperative rebalances, static members, the consumer
//! protocol of KIP-848, and a restart of the broker in the middle of a group's life.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};

use harness::broker::Broker;
use harness::places;

/// The broker tells members of the consumer protocol to report twice a second, so that tests need not wait.
const SETTINGS: &[(&str, &str)] = &[("group.consumer.heartbeat.interval.ms", "500")];

fn start(broker: &Broker, step: &str) -> Child {
    let python = places::servers().join("python/bin/python");
    assert!(python.exists(), "run `tests/servers/provide confluent-kafka` (`make test` does)");
    let script = places::repository().join("tests/it/groups.py");
    Command::new(python)
        .arg(script)
        .args([&broker.bootstrap_servers(), step])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn passes(step: &str) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), SETTINGS).await.unwrap();
    let clients = start(&broker, step);
    let output = tokio::task::spawn_blocking(|| clients.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{step}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn eager_members_share_grow_and_shrink() {
    passes("eager").await;
}

#[tokio::test]
async fn cooperative_members_share_grow_and_shrink() {
    passes("cooperative").await;
}

#[tokio::test]
async fn a_static_member_comes_back_unnoticed() {
    passes("static").await;
}

#[tokio::test]
async fn members_of_the_consumer_protocol_share_grow_and_shrink() {
    passes("consumer").await;
}

#[tokio::test]
async fn members_go_on_over_a_restart_of_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), SETTINGS).await.unwrap();
    let mut clients = start(&broker, "restart");
    let mut said = BufReader::new(clients.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    if line == "ready\n" {
        broker.restart().await.unwrap();
        clients.stdin.take().unwrap().write_all(b"go on\n").unwrap();
    }
    said.read_to_string(&mut line).unwrap();
    let output = clients.wait_with_output().unwrap();
    assert!(output.status.success(), "{line}{}", String::from_utf8_lossy(&output.stderr));
}
