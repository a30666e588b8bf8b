//! Who leads, over real processes: a leader that was halted through a rebalance writes nothing any more, and the key with which workers sign
//! what they ask each other may change at any time.

use std::collections::BTreeSet;

use anyhow::ensure;
use broker_client::Isolation;
use harness::cluster::Cluster;
use harness::wait::{self, PATIENCE};
use harness::{sequence, sequence::client};
use reqwest::Method;
use serde_json::{Value, json};

/// A source whose tasks ask the leader for their fencing before they start.
fn source(topic: &str, tasks: usize) -> Value {
    json!({
        "connector.class": "datagen", "topic": topic, "records.per.second": "20", "tasks.max": tasks.to_string(),
    })
}

async fn put(cluster: &Cluster, worker: usize, name: &str, config: &Value) {
    let path = format!("/connectors/{name}/config");
    let answer = cluster.worker(worker).unwrap().call(Method::PUT, &path, Some(config)).await;
    let (status, body) = answer.unwrap();
    assert!(status < 300, "{status} {body}");
}

/// The session keys that the config topic has had, in order.
async fn session_keys(servers: &str) -> anyhow::Result<Vec<String>> {
    let values = sequence::values(&client(servers), "connect-configs", Isolation::ReadCommitted).await?;
    let parsed = values.iter().filter_map(|value| serde_json::from_slice::<Value>(value).ok());
    Ok(parsed.filter_map(|value| Some(value.get("key")?.as_str()?.to_owned())).collect())
}

#[tokio::test]
async fn session_keys_are_renewed_and_requests_between_workers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [("inter.worker.key.ttl.ms", "400")];
    let mut cluster = Cluster::start(folder.path(), 3, &settings).await.unwrap();
    let servers = cluster.broker().bootstrap_servers();
    // Each round has tasks on all workers ask the leader, whoever was asked to change something.
    for round in 0..6 {
        put(&cluster, round % 3, &format!("source-{}", round % 2), &source("keys", 3 + round % 3)).await;
        let known = session_keys(&servers).await.unwrap().len();
        wait::until("another key", PATIENCE, || async {
            let keys = session_keys(&servers).await?.len();
            ensure!(keys > known, "{keys} keys");
            Ok(())
        })
        .await
        .unwrap();
    }
    // The last round of each connector: 4 and 5 give it 4 and 5 tasks.
    cluster.settled(2, 4 + 5).await.unwrap();
    let keys = session_keys(&servers).await.unwrap();
    let different: BTreeSet<&String> = keys.iter().collect();
    assert_eq!(different.len(), keys.len(), "every key is new");
    assert!(keys.len() >= 6, "{} keys", keys.len());
    // A leader that is gone leaves an old key; its successor makes a new one, which all take.
    let leader = cluster.leader().await.unwrap();
    cluster.kill(leader).unwrap();
    cluster.settled(2, 4 + 5).await.unwrap();
    let follower = (0..3).find(|worker| *worker != leader).unwrap();
    put(&cluster, follower, "source-0", &source("keys", 6)).await;
    cluster.settled(2, 6 + 5).await.unwrap();
    assert!(session_keys(&servers).await.unwrap().len() > keys.len());
}

/// How many requests wait at the halted leader.
const WAITING: usize = 12;

#[tokio::test]
async fn a_leader_that_was_halted_through_a_rebalance_writes_nothing_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 3, &[]).await.unwrap();
    let leader = cluster.leader().await.unwrap();
    // It has the right to write in this generation, and does not ask for it again.
    put(&cluster, leader, "before", &source("before", 2)).await;
    cluster.settled(1, 2).await.unwrap();
    let url = cluster.worker(leader).unwrap().url();
    cluster.halt(leader).unwrap();
    let asked: Vec<_> = (0..WAITING)
        .map(|number| {
            let request = reqwest::Client::new().put(format!("{url}/connectors/waiting-{number}/config"));
            tokio::spawn(request.json(&source("waiting", 1)).send())
        })
        .collect();
    cluster.covered(2).await.unwrap();
    let other = cluster.leader().await.unwrap();
    assert_ne!(other, leader);
    // The new leader takes the right to write, and changes what the old one wrote.
    put(&cluster, other, "before", &source("before", 3)).await;
    put(&cluster, other, "meanwhile", &source("meanwhile", 1)).await;
    cluster.covered(4).await.unwrap();
    cluster.resume(leader).unwrap();
    let mut made = BTreeSet::from(["before".to_owned(), "meanwhile".to_owned()]);
    for (number, answer) in asked.into_iter().enumerate() {
        let answer = answer.await.unwrap().unwrap();
        let (status, body) = (answer.status().as_u16(), answer.text().await.unwrap());
        match status {
            // Handed on to the new leader, once the old one knew of it.
            201 => assert!(made.insert(format!("waiting-{number}"))),
            409 => assert!(body.contains("\"rebalancing\""), "{body}"),
            _ => panic!("{status} {body}"),
        }
    }
    cluster.settled(made.len(), made.len() - 2 + 4).await.unwrap();
    for worker in 0..3 {
        let all = cluster.worker(worker).unwrap().get("/connectors").await.unwrap();
        let all: BTreeSet<String> = serde_json::from_value(all).unwrap();
        assert_eq!(all, made, "worker {worker}: what was refused is not there, what was answered for is");
    }
    let log = cluster.worker_mut(leader).unwrap().process().unwrap().log();
    assert!(log.contains("this worker stops its tasks") || log.contains("it stops its tasks"), "{log}");
}
