//! Sinks: every record once in order, offsets after the sink has them, and what becomes of records that cannot be handled.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use broker_client::{Delivery, Producer, ProducerConfig, ProducerRecord};
use runtime::herder::State;

use super::connectors::{Probe, probe};
use super::harness::{TestBroker, TestWorker, eventually, numbers, text};

const CLASS: (&str, &str) = ("connector.class", "test.MemorySinkConnector");

async fn produce(broker: &TestBroker, topic: &str, values: &[String]) {
    let producer = Producer::new(&broker.client, ProducerConfig::default());
    producer.prepare(topic).await.unwrap();
    let delivery = Delivery::new();
    for value in values {
        let record = ProducerRecord {
            topic,
            value: Some(value.as_bytes()),
            headers: broker_client::RecordHeaders::Each(&[broker_client::Header {
                key: "h",
                value: Some(b"1"),
            }]),
            ..ProducerRecord::default()
        };
        producer.append(record, &delivery).unwrap();
    }
    producer.close(Duration::from_secs(10)).await.unwrap();
    delivery.wait().await.unwrap();
}

fn values(probe: &Probe) -> Vec<String> {
    probe.received.lock().unwrap().iter().map(|(_, _, _, value)| value.clone()).collect()
}

async fn received(probe: &Arc<Probe>, count: usize) {
    eventually(&format!("{count} records"), || async { (values(probe).len() >= count).then_some(()) }).await;
}

async fn committed(worker: &TestWorker, connector: &str, offset: i64) {
    eventually(&format!("offset {offset}"), || async {
        let offsets = worker.herder.offsets(connector).await.ok()?;
        let known = offsets.first()?.offset.as_ref()?.get("kafka_offset")?.as_i64();
        (known == Some(offset)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_comes_once_across_clean_restarts() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    produce(&broker, "in", &numbers(3000)).await;
    worker.create("once", &[CLASS, ("topics", "in")]).await;
    received(&probe("once"), 3000).await;
    worker.stop().await;
    produce(&broker, "in", &numbers(100)).await;
    let worker = TestWorker::start(&broker).await;
    received(&probe("once"), 3100).await;
    committed(&worker, "once", 3100).await;
    worker.stop().await;
    let expected: Vec<_> = numbers(3000).into_iter().chain(numbers(100)).collect();
    assert_eq!(values(&probe("once")), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_failed_is_put_again_as_it_was() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    produce(&broker, "again", &numbers(500)).await;
    probe("again").failures.store(5, Ordering::Relaxed);
    worker.create("again", &[CLASS, ("topics", "again"), ("consumer.override.max.poll.records", "50")]).await;
    received(&probe("again"), 500).await;
    committed(&worker, "again", 500).await;
    assert_eq!(values(&probe("again")), numbers(500));
    worker.tasks_are("again", 1, State::Running).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_record_goes_to_the_dead_letter_queue_with_the_reason() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    produce(&broker, "poison", &numbers(100)).await;
    let config = [
        CLASS,
        ("topics", "poison"),
        ("refuses", "42"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", "dead"),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    worker.create("poison", &config).await;
    committed(&worker, "poison", 100).await;
    assert_eq!(values(&probe("poison")).len(), 99);
    let dead = broker.records("dead").await;
    assert_eq!(dead.len(), 1);
    assert_eq!(text(dead[0].value.as_deref()), "42");
    let header = |name: &str| {
        let found = dead[0].headers.iter().find(|(key, _)| *key == *name);
        text(found.and_then(|(_, value)| value.as_deref()))
    };
    assert_eq!(header("h"), "1", "the record's own headers stay");
    assert_eq!(header("__connect.errors.offset"), "42");
    assert_eq!(header("__connect.errors.stage"), "TASK_PUT");
    assert!(header("__connect.errors.exception.message").contains("this sink refuses it"));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_not_the_converters_are_tolerated_or_fail_the_task_by_name() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    let good = |n: i32| format!("{{\"n\":{n}}}");
    produce(&broker, "json", &[good(1), "{broken".to_owned(), good(3)]).await;
    let json = ("value.converter", "org.apache.kafka.connect.json.JsonConverter");
    let plain = ("value.converter.schemas.enable", "false");
    worker.create("strict", &[CLASS, ("topics", "json"), json, plain]).await;
    let status = worker.tasks_are("strict", 1, State::Failed).await;
    let trace = status.tasks[0].trace.clone().unwrap();
    assert!(trace.contains("offset 1 of partition 0 of topic json"), "{trace}");
    assert!(trace.contains("VALUE_CONVERTER") && trace.contains("Not restarted"), "{trace}");
    worker.create("lenient", &[CLASS, ("topics", "json"), json, plain, ("errors.tolerance", "all")]).await;
    committed(&worker, "lenient", 3).await;
    assert_eq!(values(&probe("lenient")).len(), 2);
    let skipped = worker.metrics.samples().into_iter().find(|sample| {
        sample.name == "total_records_skipped" && sample.labels.contains(&("connector", "lenient".to_owned()))
    });
    assert_eq!(skipped.unwrap().value, 1.0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_share_the_partitions_and_a_pattern_finds_topics() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    for topic in ["shared-a", "shared-b", "other"] {
        produce(&broker, topic, &numbers(10)).await;
    }
    worker.create("shared", &[CLASS, ("topics.regex", "shared-.*"), ("tasks.max", "2")]).await;
    received(&probe("shared"), 20).await;
    let seen = probe("shared").received.lock().unwrap().clone();
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|(topic, _, _, _)| topic.starts_with("shared-")));
    worker.stop().await;
}
