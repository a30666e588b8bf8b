//! Sources: nothing lost, offsets honest, and what pausing, stopping and restarting do.

use std::sync::atomic::Ordering;

use api::FlatMap;
use runtime::herder::{ConnectorOffset, HerderErrorKind, State};

use super::connectors::probe;
use super::harness::{TestBroker, TestWorker, eventually, numbers, props};

const CLASS: (&str, &str) = ("connector.class", "test.NumbersSourceConnector");

fn offset_of(offsets: &[ConnectorOffset]) -> Option<i64> {
    offsets.first()?.offset.as_ref()?.get("n")?.as_i64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_arrives_in_order_and_the_offset_follows() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    worker.create("all", &[CLASS, ("topic", "all"), ("count", "5000")]).await;
    eventually("the last offset is committed", || async {
        let offsets = worker.herder.offsets("all").await.unwrap();
        (offset_of(&offsets) == Some(4999)).then_some(())
    })
    .await;
    assert_eq!(broker.values("all").await, numbers(5000));
    eventually("the task hears of it", || async {
        (probe("all").committed.load(Ordering::Relaxed) == 4999).then_some(())
    })
    .await;
    eventually("the topic is known", || async {
        (worker.herder.active_topics("all").await.unwrap() == ["all"]).then_some(())
    })
    .await;
    let samples = worker.metrics.samples();
    let value = |name: &str| samples.iter().find(|sample| sample.name == name).map(|sample| sample.value);
    assert_eq!(value("source_record_write_total"), Some(5000.0));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_loses_nothing_and_repeats_nothing() {
    let broker = TestBroker::start().await;
    // Offsets are committed at the stop alone: the interval never comes.
    let worker = TestWorker::with(&broker, &[("offset.flush.interval.ms", "3600000")]).await;
    // More than it comes to until the stop, which thus comes in the middle.
    worker.create("clean", &[CLASS, ("topic", "clean"), ("count", "1000000000")]).await;
    eventually("some records", || async { (broker.end("clean").await > 1000).then_some(()) }).await;
    worker.stop().await;
    let count = broker.end("clean").await + 1000;
    probe("clean").count.store(count, Ordering::Relaxed);
    let worker = TestWorker::start(&broker).await;
    eventually("the rest", || async { (broker.end("clean").await >= count).then_some(()) }).await;
    worker.stop().await;
    assert_eq!(broker.values("clean").await, numbers(count));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_keeps_the_tasks_stop_does_not_and_resume_goes_on() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    let config = [CLASS, ("topic", "paused"), ("count", "1000000"), ("batch", "1"), ("tasks.max", "2")];
    worker.create("paused", &config).await;
    worker.tasks_are("paused", 2, State::Running).await;
    worker.herder.pause("paused").await.unwrap();
    let status = worker.tasks_are("paused", 2, State::Paused).await;
    assert_eq!(status.state, State::Paused);
    assert_eq!(probe("paused").stops.load(Ordering::Relaxed), 0);
    worker.herder.stop("paused").await.unwrap();
    eventually("stopped", || async {
        let status = worker.herder.status("paused").await.unwrap();
        (status.state == State::Stopped && status.tasks.is_empty()).then_some(())
    })
    .await;
    eventually("both tasks stop", || async {
        (probe("paused").stops.load(Ordering::Relaxed) == 2).then_some(())
    })
    .await;
    // A task's numbers go after its connector's `stop`, which is what was counted above.
    eventually("the numbers go with the tasks", || async {
        worker.metrics.samples().iter().all(|sample| sample.labels.is_empty()).then_some(())
    })
    .await;
    worker.herder.resume("paused").await.unwrap();
    worker.tasks_are("paused", 2, State::Running).await;
    assert_eq!(probe("paused").starts.load(Ordering::Relaxed), 4);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_configuration_restarts_the_tasks_and_survives_the_worker() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    worker.create("changed", &[CLASS, ("topic", "changed-a"), ("count", "10")]).await;
    eventually("the first topic", || async { (broker.values("changed-a").await.len() == 10).then_some(()) })
        .await;
    let patch =
        [("topic".to_owned(), Some("changed-b".to_owned())), ("count".to_owned(), Some("20".to_owned()))];
    worker.herder.patch_config("changed", patch.into_iter().collect()).await.unwrap();
    eventually("the second topic", || async { (broker.values("changed-b").await.len() >= 10).then_some(()) })
        .await;
    worker.stop().await;
    let worker = TestWorker::start(&broker).await;
    let status = worker.tasks_are("changed", 1, State::Running).await;
    assert_eq!(status.state, State::Running);
    assert_eq!(worker.herder.config("changed").await.unwrap()["topic"], "changed-b");
    let tasks = worker.herder.tasks("changed").await.unwrap();
    assert_eq!(tasks[0].config["task.class"], "test.NumbersSourceTask");
    worker.herder.delete("changed").await.unwrap();
    assert_eq!(worker.herder.status("changed").await.unwrap_err().kind, HerderErrorKind::NotFound);
    worker.stop().await;
    let worker = TestWorker::start(&broker).await;
    assert!(worker.herder.connectors().await.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offsets_of_a_stopped_connector_can_be_changed() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    worker.create("altered", &[CLASS, ("topic", "altered"), ("count", "100")]).await;
    eventually("all", || async { (broker.values("altered").await.len() == 100).then_some(()) }).await;
    let partition = FlatMap::new().with("number", "0");
    let wanted = ConnectorOffset { partition, offset: Some(FlatMap::new().with("n", 89_i64)) };
    let refused = worker.herder.alter_offsets("altered", vec![wanted.clone()]).await.unwrap_err();
    assert!(refused.message.contains("must be in the STOPPED state"), "{refused}");
    worker.herder.stop("altered").await.unwrap();
    eventually("altered", || async {
        worker.herder.alter_offsets("altered", vec![wanted.clone()]).await.ok()
    })
    .await;
    assert_eq!(worker.herder.offsets("altered").await.unwrap(), [wanted]);
    worker.herder.resume("altered").await.unwrap();
    eventually("ten come again", || async { (broker.values("altered").await.len() == 110).then_some(()) })
        .await;
    worker.herder.stop("altered").await.unwrap();
    eventually("reset", || async { worker.herder.reset_offsets("altered").await.ok() }).await;
    assert!(worker.herder.offsets("altered").await.unwrap().is_empty());
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transforms_stand_between_the_source_and_its_topic() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    let config = [
        CLASS,
        ("topic", "raw"),
        ("count", "100"),
        ("transforms", "route"),
        ("transforms.route.type", "org.apache.kafka.connect.transforms.RegexRouter"),
        ("transforms.route.regex", "(.*)"),
        ("transforms.route.replacement", "routed-$1"),
        ("topic.creation.default.partitions", "3"),
        ("topic.creation.default.replication.factor", "1"),
    ];
    worker.create("routed", &config).await;
    eventually("offset", || async {
        (offset_of(&worker.herder.offsets("routed").await.unwrap()) == Some(99)).then_some(())
    })
    .await;
    assert_eq!(broker.client.partitions_for("routed-raw", false).await.unwrap(), 3);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_or_wrong_is_refused() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    let config = props(&[CLASS, ("topic", "t")]);
    worker.herder.create("one", config.clone(), Default::default()).await.unwrap();
    let again = worker.herder.create("one", config.clone(), Default::default()).await.unwrap_err();
    assert_eq!(
        (again.kind, &*again.message),
        (HerderErrorKind::AlreadyExists, "Connector one already exists")
    );
    let bad = worker.herder.create("two", props(&[CLASS]), Default::default()).await.unwrap_err();
    assert_eq!(bad.kind, HerderErrorKind::BadRequest);
    assert!(bad.message.contains("\"topic\""), "{bad}");
    let many = props(&[CLASS, ("topic", "t"), ("too.many", "true")]);
    worker.herder.create("many", many, Default::default()).await.unwrap();
    let status = eventually("failed", || async {
        worker.herder.status("many").await.ok().filter(|status| status.state == State::Failed)
    })
    .await;
    assert!(status.trace.unwrap().contains("tasks.max is 1"));
    assert_eq!(
        worker.herder.restart("none", false, false).await.unwrap_err().kind,
        HerderErrorKind::NotFound
    );
    assert_eq!(worker.herder.restart_task("one", 7).await.unwrap_err().kind, HerderErrorKind::NotFound);
    worker.herder.restart("one", false, false).await.unwrap();
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_not_compacted_is_refused_with_what_to_do() {
    let broker = TestBroker::start().await;
    let topic = broker_client::NewTopic {
        name: "connect-configs".to_owned(),
        partitions: 1,
        replication_factor: 1,
        configs: Vec::new(),
    };
    broker.client.create_topics(&[topic]).await.unwrap();
    let error = TestWorker::start(&broker).await.start_error().await.to_string();
    assert!(error.contains("connect-configs (config.storage.topic) has cleanup.policy=delete"), "{error}");
}
