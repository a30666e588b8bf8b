//! Panics, blocked threads and calls that never end: the task's own trouble, and nobody else's.

use std::sync::atomic::Ordering;
use std::time::Duration;

use runtime::herder::{Readiness, State};

use super::connectors::probe;
use super::harness::{PATIENCE, TestBroker, TestWorker, eventually, numbers};

const SOURCE: (&str, &str) = ("connector.class", "test.NumbersSourceConnector");
/// For tasks that do not stop by themselves.
const IMPATIENT: (&str, &str) = ("task.shutdown.graceful.timeout.ms", "500");

/// Waits until so many calls are stuck.
async fn stuck(connector: &str, calls: u32) {
    eventually("a call that is stuck", || async {
        (probe(connector).stuck.load(Ordering::Relaxed) >= calls).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_fails_its_task_which_is_started_again() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    probe("panics").panics.store(1, Ordering::Relaxed);
    // Long enough for the failure to be seen.
    let config = [SOURCE, ("topic", "panics"), ("count", "100"), ("restart.delay.ms", "3000")];
    worker.create("panics", &config).await;
    let status = worker.tasks_are("panics", 1, State::Failed).await;
    assert_eq!(status.state, State::Running, "the connector itself is well");
    let trace = status.tasks[0].trace.clone().unwrap();
    assert!(trace.starts_with("panicked at") && trace.contains("made to panic"), "{trace}");
    assert!(trace.contains("Restart 1 of 20 comes in"), "{trace}");
    worker.tasks_are("panics", 1, State::Running).await;
    eventually("all records", || async { (broker.values("panics").await == numbers(100)).then_some(()) })
        .await;
    assert_eq!(probe("panics").starts.load(Ordering::Relaxed), 2);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_restarts_a_failed_task_waits_for_a_person() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    probe("waits").panics.store(1, Ordering::Relaxed);
    worker.create("waits", &[SOURCE, ("topic", "waits"), ("restart.attempts.max", "0")]).await;
    worker.tasks_are("waits", 1, State::Failed).await;
    let answer = worker.herder.restart("waits", true, true).await.unwrap().unwrap();
    assert_eq!((answer.state, answer.tasks[0].state), (State::Running, State::Restarting));
    worker.tasks_are("waits", 1, State::Running).await;
    worker.herder.restart_task("waits", 0).await.unwrap();
    eventually("a third start", || async {
        (probe("waits").starts.load(Ordering::Relaxed) == 3).then_some(())
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_task_blocks_neither_others_nor_the_herder() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::with(&broker, &[IMPATIENT]).await;
    // More blocked threads than the runtime has.
    for name in ["blocked-0", "blocked-1", "blocked-2"] {
        probe(name).blocks.store(true, Ordering::Relaxed);
        worker.create(name, &[SOURCE, ("topic", name)]).await;
        stuck(name, 1).await;
    }
    probe("blocked-start").blocks_start.store(true, Ordering::Relaxed);
    worker.create("blocked-start", &[SOURCE, ("topic", "blocked-start")]).await;
    worker.create("free", &[SOURCE, ("topic", "free"), ("count", "1000")]).await;
    eventually("the free one's records", || async {
        (broker.values("free").await.len() == 1000).then_some(())
    })
    .await;
    assert_eq!(worker.herder.ready().await, Readiness::Healthy);
    // They stay blocked over all of this: whatever waited for them would wait for ever.
    let deleting = async {
        worker.herder.delete("blocked-0").await.unwrap();
        worker.herder.delete("blocked-start").await.unwrap();
    };
    tokio::time::timeout(PATIENCE, deleting).await.unwrap();
    assert!(!worker.herder.connectors().await.unwrap().contains(&"blocked-0".to_owned()));
    worker.stop().await;
    for name in ["blocked-0", "blocked-1", "blocked-2"] {
        probe(name).blocks.store(false, Ordering::Relaxed);
    }
    probe("blocked-start").blocks_start.store(false, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_never_ends_is_dropped_at_the_stop() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::with(&broker, &[IMPATIENT]).await;
    probe("hangs").hangs.store(true, Ordering::Relaxed);
    worker.create("hangs", &[SOURCE, ("topic", "hangs"), ("count", "10")]).await;
    worker.tasks_are("hangs", 1, State::Running).await;
    stuck("hangs", 1).await;
    worker.herder.restart_task("hangs", 0).await.unwrap();
    probe("hangs").hangs.store(false, Ordering::Relaxed);
    eventually("records", || async { (broker.values("hangs").await.len() == 10).then_some(()) }).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_in_trouble_says_so_and_goes_on() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    probe("trouble").failures.store(u32::MAX, Ordering::Relaxed);
    worker.create("trouble", &[SOURCE, ("topic", "trouble"), ("count", "10")]).await;
    let trace = eventually("trouble in the status", || async {
        worker.herder.task_status("trouble", 0).await.ok()?.trace
    })
    .await;
    assert!(trace.contains("made to fail") && trace.contains("tried again"), "{trace}");
    probe("trouble").failures.store(0, Ordering::Relaxed);
    eventually("records", || async { (broker.values("trouble").await.len() == 10).then_some(()) }).await;
    eventually("no trace", || async {
        worker.herder.task_status("trouble", 0).await.ok().filter(|task| task.trace.is_none())
    })
    .await;
    worker.stop().await;
}

/// A member that vanished without a word would hold its partitions until its session times out, which here is longer than the
/// test's patience.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_panics_or_hangs_gives_its_partitions_to_the_next_run_at_once() {
    let broker = TestBroker::start().await;
    // Short for the sink that hangs, long enough for its source to commit.
    let worker = TestWorker::with(&broker, &[("task.shutdown.graceful.timeout.ms", "5000")]).await;
    worker.create("feed", &[SOURCE, ("topic", "feed"), ("count", "500")]).await;
    probe("fragile").panics.store(1, Ordering::Relaxed);
    let sink = ("connector.class", "test.MemorySinkConnector");
    let session = ("consumer.override.session.timeout.ms", "600000");
    worker.create("fragile", &[sink, session, ("topics", "feed"), ("restart.delay.ms", "100")]).await;
    let got = || probe("fragile").received.lock().unwrap().len();
    eventually("every record", || async { (got() >= 500).then_some(()) }).await;
    assert_eq!(probe("fragile").starts.load(Ordering::Relaxed), 2);
    probe("fragile").hangs.store(true, Ordering::Relaxed);
    worker.herder.patch_config("feed", [("count".to_owned(), Some("600".to_owned()))].into()).await.unwrap();
    eventually("more in the topic", || async { (broker.values("feed").await.len() == 600).then_some(()) })
        .await;
    stuck("fragile", 1).await;
    worker.herder.restart_task("fragile", 0).await.unwrap();
    probe("fragile").hangs.store(false, Ordering::Relaxed);
    eventually("the rest", || async { (got() >= 600).then_some(()) }).await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_for_a_while_costs_nothing_but_time() {
    let broker = TestBroker::start().await;
    let worker = TestWorker::start(&broker).await;
    let count = 200_000;
    let total = count.to_string();
    worker.create("outage", &[SOURCE, ("topic", "outage"), ("count", &total)]).await;
    let sink = ("connector.class", "test.MemorySinkConnector");
    worker.create("outage-sink", &[sink, ("topics", "outage")]).await;
    let got = || probe("outage-sink").received.lock().unwrap().len();
    eventually("some records", || async { (got() > 100).then_some(()) }).await;
    let broker = broker.restart(Duration::from_millis(1500)).await;
    eventually("all in the topic", || async {
        (broker.values("outage").await.len() >= 200_000).then_some(())
    })
    .await;
    // Some may come twice, since offsets of what was put could not be committed; so distinct ones are counted.
    let distinct = || {
        let sink = probe("outage-sink");
        let received = sink.received.lock().unwrap();
        received.iter().map(|(_, _, offset, _)| *offset).collect::<std::collections::HashSet<_>>().len()
    };
    eventually("all in the sink", || async { (distinct() == 200_000).then_some(()) }).await;
    assert_eq!(broker.values("outage").await, numbers(count), "nothing lost, nothing twice, in order");
    worker
        .herder
        .put_config("after", [SOURCE, ("topic", "after")].map(|(k, v)| (k.to_owned(), v.to_owned())).into())
        .await
        .unwrap();
    worker.tasks_are("after", 1, State::Running).await;
    worker.stop().await;
}
