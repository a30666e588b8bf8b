//! Connectors that write to another cluster than the worker's: their transactions, their fencing and their offsets are there, and the
//! worker's own offsets topic is a backup. After Connect's ExactlyOnceSourceIntegrationTest, `testSeparateOffsetsTopic`.

use anyhow::ensure;
use broker_client::Client;
use harness::broker::Broker;
use harness::cluster::Cluster;
use harness::millrace::Millrace;
use harness::sequence::{self, client, unbroken};
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};

use super::{COMMITTED, generator, offset, orders, stop, until_orders, worker};

/// The other cluster.
struct Target {
    _folder: tempfile::TempDir,
    broker: Broker,
    client: Client,
}

impl Target {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(folder.path(), &[]).await.unwrap();
        let client = client(&broker.bootstrap_servers());
        Self { _folder: folder, broker, client }
    }

    /// A generator that writes here, with these settings.
    fn generator(&self, settings: &Value) -> Value {
        let brokers = self.broker.bootstrap_servers();
        let mut config = generator(
            json!({"producer.override.bootstrap.servers": brokers, "admin.override.bootstrap.servers": brokers}),
        );
        for (name, value) in settings.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    }
}

async fn configure(millrace: &Millrace, config: &Value) {
    let (status, answer) = millrace.call(Method::PUT, "/connectors/gen/config", Some(config)).await.unwrap();
    assert_eq!(status, 200, "{answer}");
}

async fn resume(millrace: &Millrace) {
    let (status, _) = millrace.call(Method::PUT, "/connectors/gen/resume", None).await.unwrap();
    assert_eq!(status, 202);
}

#[tokio::test]
async fn test_separate_offsets_topic() {
    let target = Target::start().await;
    let (_folder, mut millrace) = worker(&[]).await;
    let own = client(&millrace.bootstrap_servers());
    let settings = |count: &str| {
        target.generator(&json!({"records.max": count, "offsets.storage.topic": "own-offsets"}))
    };
    millrace.create("gen", settings("500")).await.unwrap();
    assert_eq!(unbroken(&until_orders(&target.client, COMMITTED, 500).await).unwrap(), 500);
    assert_eq!(offset(&millrace).await.unwrap(), 499);
    // Records and offsets are there, a copy of the offsets is here, and nothing else.
    let theirs = sequence::values(&target.client, "own-offsets", COMMITTED).await.unwrap();
    wait::until("the copy", wait::PATIENCE, || async {
        let copies = sequence::values(&own, "connect-offsets", COMMITTED).await?;
        ensure!(copies.last() == theirs.last(), "{copies:?} {theirs:?}");
        Ok(())
    })
    .await
    .unwrap();
    let here: Vec<_> = own.topics().await.unwrap().into_iter().map(|topic| topic.name).collect();
    assert!(here.iter().all(|topic| topic != "orders" && topic != "own-offsets"), "{here:?}");
    // A worker that was killed goes on where it was.
    millrace.process().unwrap().kill().unwrap();
    millrace.start().await.unwrap();
    configure(&millrace, &settings("800")).await;
    assert_eq!(unbroken(&until_orders(&target.client, COMMITTED, 800).await).unwrap(), 800);
    // The backup serves when the topic is gone.
    wait::until("the copy", wait::PATIENCE, || async {
        let copies = sequence::values(&own, "connect-offsets", COMMITTED).await?;
        let last = copies.last().map(|copy| String::from_utf8_lossy(copy).into_owned());
        ensure!(last.as_ref().is_some_and(|last| last.contains("799")), "{last:?}");
        Ok(())
    })
    .await
    .unwrap();
    stop(&millrace).await;
    target.client.delete_topics(&["own-offsets"]).await.unwrap();
    configure(&millrace, &settings("900")).await;
    resume(&millrace).await;
    assert_eq!(unbroken(&until_orders(&target.client, COMMITTED, 900).await).unwrap(), 900);
    // When offsets are forgotten, they are in both places: all is written again.
    stop(&millrace).await;
    let (status, answer) = millrace.call(Method::DELETE, "/connectors/gen/offsets", None).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    resume(&millrace).await;
    let numbers = until_orders(&target.client, COMMITTED, 1800).await;
    let twice: Vec<i64> = (0..900).flat_map(|number| [number, number]).collect();
    assert_eq!(numbers, twice);
}

/// Without a topic of their own, the offsets are in a topic there that is called as the worker's is here.
#[tokio::test]
async fn offsets_of_a_connector_on_another_cluster_are_in_its_transactions() {
    let target = Target::start().await;
    let (_folder, mut millrace) = worker(&[]).await;
    let settings = target.generator(&json!({"records.per.second": "2000"}));
    millrace.create("gen", settings).await.unwrap();
    let mut seen = 0;
    for _ in 0..3 {
        seen = until_orders(&target.client, COMMITTED, seen + 300).await.len();
        millrace.process().unwrap().kill().unwrap();
        millrace.start().await.unwrap();
    }
    until_orders(&target.client, COMMITTED, seen + 300).await;
    stop(&millrace).await;
    // Its last transaction may end a moment after the connector is said to be stopped.
    wait::until("records and offset to agree", wait::PATIENCE, || async {
        let count = unbroken(&orders(&target.client, "orders", COMMITTED).await?)?;
        let offset = offset(&millrace).await?;
        ensure!(offset + 1 == i64::try_from(count)?, "{count} orders, offset {offset}");
        Ok(())
    })
    .await
    .unwrap();
    let there = sequence::values(&target.client, "connect-offsets", COMMITTED).await.unwrap();
    assert!(!there.is_empty(), "offsets of a transaction are where its records are");
}

/// A worker that was thought dead is fenced on the cluster that its task writes to.
#[tokio::test]
async fn a_zombie_is_fenced_on_the_cluster_that_it_writes_to() {
    let target = Target::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 2, &[]).await.unwrap();
    let settings =
        target.generator(&json!({"records.per.second": "2000", "offsets.storage.topic": "own-offsets"}));
    cluster.any().unwrap().create("gen", settings).await.unwrap();
    until_orders(&target.client, COMMITTED, 300).await;
    let places = cluster.covered(1).await.unwrap();
    let at = (0..2).find(|worker| cluster.worker(*worker).unwrap().worker_id() == places.tasks["gen-0"]);
    let zombie = at.unwrap();
    cluster.halt(zombie).unwrap();
    // The other one takes the task over, which takes a session.
    let before = orders(&target.client, "orders", COMMITTED).await.unwrap().len();
    until_orders(&target.client, COMMITTED, before + 1000).await;
    cluster.resume(zombie).unwrap();
    let seen = orders(&target.client, "orders", COMMITTED).await.unwrap().len();
    until_orders(&target.client, COMMITTED, seen + 1000).await;
    cluster.settled(1, 1).await.unwrap();
    stop(cluster.any().unwrap()).await;
    unbroken(&orders(&target.client, "orders", COMMITTED).await.unwrap()).unwrap();
}
