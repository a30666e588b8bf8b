//! Exactly-once delivery of sources (KIP-618): what readers of committed records see, after Connect's ExactlyOnceSourceIntegrationTest and
//! `test_exactly_once_source`. The source is the generator, whose orders are numbered.

use anyhow::{Context, Result, ensure};
use broker_client::{Client, Isolation};
use harness::broker::Broker;
use harness::millrace::Millrace;
use harness::sequence::{self, client, orders, unbroken};
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};

mod clusters;
mod fencing;

const COMMITTED: Isolation = Isolation::ReadCommitted;
const WRITTEN: Isolation = Isolation::ReadUncommitted;

/// A generator of orders for topic `orders`, with these settings over its own.
fn generator(settings: Value) -> Value {
    let mut config = json!({"connector.class": "datagen", "topic": "orders", "quickstart": "orders"});
    for (name, value) in settings.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

async fn worker(settings: &[(&str, &str)]) -> (tempfile::TempDir, Millrace) {
    let folder = tempfile::tempdir().unwrap();
    let millrace = Millrace::standalone(folder.path(), settings).await.unwrap();
    (folder, millrace)
}

/// A worker on this broker, in a folder of its own.
async fn worker_on(broker: &Broker) -> (tempfile::TempDir, Millrace) {
    worker(&[("bootstrap.servers", &broker.bootstrap_servers())]).await
}

/// Waits until so many orders are in the topic for readers of this kind: their numbers, sorted.
async fn until_orders(client: &Client, isolation: Isolation, count: usize) -> Vec<i64> {
    wait::until("the orders", wait::PATIENCE, || async {
        let numbers = orders(client, "orders", isolation).await?;
        ensure!(numbers.len() >= count, "{} of {count}", numbers.len());
        Ok(numbers)
    })
    .await
    .unwrap()
}

/// Changes something about the connector, and waits until its tasks are gone.
async fn stop(millrace: &Millrace) {
    let (status, answer) = millrace.call(Method::PUT, "/connectors/gen/stop", None).await.unwrap();
    assert_eq!(status, 204, "{answer}");
    wait::until("the tasks to be gone", wait::PATIENCE, || async {
        let status = millrace.get("/connectors/gen/status").await?;
        ensure!(status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([]), "{status}");
        Ok(())
    })
    .await
    .unwrap();
}

/// The number in the connector's only offset.
async fn offset(millrace: &Millrace) -> Result<i64> {
    let offsets = millrace.get("/connectors/gen/offsets").await?;
    offsets["offsets"][0]["offset"]["number"].as_i64().with_context(|| offsets.to_string())
}

/// Waits until the task has failed: its trace.
async fn failed(millrace: &Millrace) -> String {
    wait::until("the task to fail", wait::PATIENCE, || async {
        let status = millrace.get("/connectors/gen/status").await?;
        let task = &status["tasks"][0];
        ensure!(task["state"] == "FAILED", "{status}");
        Ok(task["trace"].as_str().unwrap_or_default().to_owned())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn preflight_validation_refuses_what_cannot_be_exactly_once() {
    let (_folder, millrace) = worker(&[]).await;
    let refused = async |worker: &Millrace, config: Value| {
        let body = json!({"name": "gen", "config": config});
        let (status, answer) = worker.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
        assert_eq!(status, 400, "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    };
    let stdin =
        json!({"connector.class": "FileStreamSource", "topic": "t", "exactly.once.support": "required"});
    let text = refused(&millrace, stdin).await;
    assert!(
        text.contains("does not support exactly-once semantics with the provided configuration"),
        "{text}"
    );
    let text = refused(&millrace, generator(json!({"transaction.boundary": "connector"}))).await;
    assert!(text.contains("does not support connector-defined transaction boundaries"), "{text}");
    millrace.create("gen", generator(json!({"exactly.once.support": "required"}))).await.unwrap();

    let (_folder, without) = worker(&[("exactly.once.source.support", "disabled")]).await;
    let text = refused(&without, generator(json!({"exactly.once.support": "required"}))).await;
    assert!(text.contains("This worker does not have exactly-once source support enabled."), "{text}");
}

#[tokio::test]
async fn poll_boundary_commits_every_batch_with_its_offset() {
    let (_folder, millrace) = worker(&[]).await;
    let client = client(&millrace.bootstrap_servers());
    millrace.create("gen", generator(json!({"records.max": "5000", "batch.size": "70"}))).await.unwrap();
    let numbers = until_orders(&client, COMMITTED, 5000).await;
    assert_eq!(unbroken(&numbers).unwrap(), 5000);
    // No waiting: who sees the last record sees its offset.
    assert_eq!(offset(&millrace).await.unwrap(), 4999);
}

#[tokio::test]
async fn interval_boundary_shows_nothing_before_its_time_and_a_pause_ends_it() {
    let (_folder, millrace) = worker(&[]).await;
    let client = client(&millrace.bootstrap_servers());
    let settings = json!({
        "records.max": "300", "transaction.boundary": "interval", "transaction.boundary.interval.ms": "600000",
    });
    millrace.create("gen", generator(settings)).await.unwrap();
    until_orders(&client, WRITTEN, 300).await;
    assert!(orders(&client, "orders", COMMITTED).await.unwrap().is_empty(), "the interval is not over");
    let (status, _) = millrace.call(Method::PUT, "/connectors/gen/pause", None).await.unwrap();
    assert_eq!(status, 202);
    assert_eq!(unbroken(&until_orders(&client, COMMITTED, 300).await).unwrap(), 300);
}

#[tokio::test]
async fn connector_boundary_ends_transactions_where_the_connector_says() {
    let (_folder, millrace) = worker(&[]).await;
    let client = client(&millrace.bootstrap_servers());
    let settings = json!({
        "records.max": "200", "batch.size": "20", "transaction.boundary": "connector",
        "transaction.records": "7", "transaction.abort.every": "3",
    });
    millrace.create("gen", generator(settings)).await.unwrap();
    let kept: Vec<i64> = (0..200).filter(|number| (number / 7) % 3 != 2).collect();
    assert_eq!(until_orders(&client, COMMITTED, kept.len()).await, kept);
    wait::until("the offset of the last record", wait::PATIENCE, || async {
        let last = offset(&millrace).await?;
        ensure!(last == 199, "{last}");
        Ok(())
    })
    .await
    .unwrap();
    // Those that were aborted were not written again, nor were the others.
    let written = orders(&client, "orders", WRITTEN).await.unwrap();
    assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "something was written twice: {written:?}");
}

#[tokio::test]
async fn a_source_may_not_write_to_its_own_offsets_topic() {
    let (_folder, millrace) = worker(&[]).await;
    let settings = json!({"topic": "connect-offsets", "restart.attempts.max": "0"});
    let body = json!({"name": "gen", "config": generator(settings)});
    let (status, answer) = millrace.call(Method::POST, "/connectors", Some(&body)).await.unwrap();
    assert_eq!(status, 201, "{answer}");
    let trace = failed(&millrace).await;
    assert!(trace.contains("Source tasks may not produce to their own offsets topics"), "{trace}");
}

#[tokio::test]
async fn a_separate_offsets_topic_is_used_and_the_workers_is_its_backup() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), &[]).await.unwrap();
    let (_folder, millrace) = worker_on(&broker).await;
    let client = client(&broker.bootstrap_servers());
    let settings =
        |count: &str| generator(json!({"records.max": count, "offsets.storage.topic": "own-offsets"}));
    millrace.create("gen", settings("500")).await.unwrap();
    until_orders(&client, COMMITTED, 500).await;
    assert_eq!(offset(&millrace).await.unwrap(), 499);
    let own = sequence::values(&client, "own-offsets", COMMITTED).await.unwrap();
    assert!(!own.is_empty());
    wait::until("the copy", wait::PATIENCE, || async {
        let copies = sequence::values(&client, "connect-offsets", COMMITTED).await?;
        ensure!(copies.last() == own.last(), "{copies:?} {own:?}");
        Ok(())
    })
    .await
    .unwrap();
    stop(&millrace).await;
    client.delete_topics(&["own-offsets"]).await.unwrap();
    let (status, answer) =
        millrace.call(Method::PUT, "/connectors/gen/config", Some(&settings("800"))).await.unwrap();
    assert_eq!(status, 200, "{answer}");
    millrace.call(Method::PUT, "/connectors/gen/resume", None).await.unwrap();
    assert_eq!(unbroken(&until_orders(&client, COMMITTED, 800).await).unwrap(), 800);
}

#[tokio::test]
async fn over_clean_and_hard_bounces_every_record_is_there_exactly_once() {
    let (_folder, mut millrace) = worker(&[]).await;
    let client = client(&millrace.bootstrap_servers());
    let settings = json!({"records.per.second": "3000", "tasks.max": "3"});
    millrace.create("gen", generator(settings)).await.unwrap();
    let mut seen = 0;
    for round in 0..6 {
        seen = until_orders(&client, COMMITTED, seen + 500).await.len();
        if round % 3 == 2 {
            millrace.process().unwrap().terminate().await.unwrap();
        } else {
            millrace.process().unwrap().kill().unwrap();
        }
        millrace.start().await.unwrap();
    }
    until_orders(&client, COMMITTED, seen + 500).await;
    stop(&millrace).await;
    // Three tasks are not equally far, so each is looked at by itself.
    let numbers = orders(&client, "orders", COMMITTED).await.unwrap();
    for task in 0..3 {
        let own: Vec<i64> =
            numbers.iter().filter(|number| *number % 3 == task).map(|number| number / 3).collect();
        assert!(unbroken(&own).unwrap() > 0);
    }
}

#[tokio::test]
async fn at_least_once_the_first_offsets_are_committed_at_once() {
    // An interval that no test lives to see.
    let settings = [("exactly.once.source.support", "disabled"), ("offset.flush.interval.ms", "3600000")];
    let (_folder, millrace) = worker(&settings).await;
    millrace.create("gen", generator(json!({"records.per.second": "100"}))).await.unwrap();
    wait::until("the first offset", wait::PATIENCE, || offset(&millrace)).await.unwrap();
}
