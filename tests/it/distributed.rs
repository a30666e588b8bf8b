//! Several workers in one group: they share the work, take over from each other, and come back. What moves is moved without loss; what
//! need not move runs on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use harness::cluster::{Cluster, Places};
use harness::far_end::FarEnd;
use harness::wait::{self, PATIENCE};
use reqwest::Method;
use serde_json::{Value, json};

const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";

/// A sink of this many tasks; nothing needs to be written for them to run.
fn sink(folder: &Path, tasks: u32) -> Value {
    json!({
        "connector.class": "FileStreamSink",
        "file": folder.join("sink.txt"),
        "topics": "nothing",
        "tasks.max": tasks.to_string(),
        "value.converter": TEXT,
    })
}

fn source(file: &Path, topic: &str) -> Value {
    json!({"connector.class": "FileStreamSource", "file": file, "topic": topic, "value.converter": TEXT})
}

async fn put(cluster: &Cluster, name: &str, config: &Value) {
    let path = format!("/connectors/{name}/config");
    let (status, body) = cluster.any().unwrap().call(Method::PUT, &path, Some(config)).await.unwrap();
    assert!(status < 300, "{status} {body}");
}

fn append(file: &Path, lines: std::ops::Range<u32>) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    for line in lines {
        writeln!(file, "line {line}").unwrap();
    }
}

/// Tasks that run elsewhere than before.
fn moved(before: &Places, after: &Places) -> usize {
    let moved =
        |(task, worker): &(&String, &String)| before.tasks.get(*task).is_some_and(|old| old != *worker);
    after.tasks.iter().filter(moved).count()
}

#[tokio::test]
async fn workers_come_and_go_and_only_what_must_moves() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 1, &[]).await.unwrap();
    put(&cluster, "sink", &sink(folder.path(), 6)).await;
    let files = ["a", "b"].map(|name| (folder.path().join(name), format!("topic-{name}")));
    for (file, topic) in &files {
        append(file, 0..100);
        put(&cluster, topic, &source(file, topic)).await;
    }
    let alone = cluster.settled(3, 8).await.unwrap();
    cluster.add().await.unwrap();
    let two = cluster.settled(3, 8).await.unwrap();
    assert_eq!(moved(&alone, &two), 4, "{alone:?} {two:?}");
    files.iter().for_each(|(file, _)| append(file, 100..200));
    cluster.add().await.unwrap();
    let three = cluster.settled(3, 8).await.unwrap();
    assert_eq!(moved(&two, &three), 2, "{two:?} {three:?}");
    files.iter().for_each(|(file, _)| append(file, 200..300));
    cluster.stop(0).await.unwrap();
    let left = cluster.settled(3, 8).await.unwrap();
    let lost = three.tasks.values().filter(|worker| !left.tasks.values().any(|at| at == *worker)).count();
    assert_eq!(moved(&three, &left), lost, "{three:?} {left:?}");
    files.iter().for_each(|(file, _)| append(file, 300..400));
    let far_end = FarEnd::new(&cluster.any().unwrap().bootstrap_servers());
    for (_, topic) in &files {
        far_end.holds(topic, 400, PATIENCE).await.unwrap();
        assert_eq!(far_end.count(topic).await.unwrap(), 400, "every line once: all moves were clean");
    }
}

#[tokio::test]
async fn a_killed_leaders_work_goes_on_elsewhere_and_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 3, &[]).await.unwrap();
    put(&cluster, "sink", &sink(folder.path(), 7)).await;
    let file = folder.path().join("lines");
    append(&file, 0..100);
    put(&cluster, "lines", &source(&file, "lines")).await;
    cluster.settled(2, 8).await.unwrap();
    let leader = cluster.leader().await.unwrap();
    cluster.kill(leader).unwrap();
    append(&file, 100..200);
    let without = cluster.settled(2, 8).await.unwrap();
    assert_ne!(cluster.leader().await.unwrap(), leader);
    cluster.restart(leader).await.unwrap();
    let again = cluster.settled(2, 8).await.unwrap();
    assert!(moved(&without, &again) <= 3, "{without:?} {again:?}");
    append(&file, 200..300);
    let far_end = FarEnd::new(&cluster.any().unwrap().bootstrap_servers());
    far_end.holds("lines", 300, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn a_halted_worker_stops_its_work_when_it_goes_on_and_joins_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 2, &[]).await.unwrap();
    put(&cluster, "sink", &sink(folder.path(), 6)).await;
    cluster.settled(1, 6).await.unwrap();
    cluster.halt(1).unwrap();
    cluster.settled(1, 6).await.unwrap();
    cluster.resume(1).unwrap();
    cluster.settled(1, 6).await.unwrap();
    let log = cluster.worker_mut(1).unwrap().process().unwrap().log();
    assert!(
        log.contains("it stops its tasks and joins again") || log.contains("this worker stops its tasks"),
        "{log}"
    );
}

#[tokio::test]
async fn a_group_outlives_its_broker() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), 2, &[]).await.unwrap();
    let file = folder.path().join("lines");
    append(&file, 0..10);
    put(&cluster, "lines", &source(&file, "lines")).await;
    put(&cluster, "sink", &sink(folder.path(), 4)).await;
    cluster.settled(2, 5).await.unwrap();
    cluster.broker().process().unwrap().kill().unwrap();
    // Without their broker the workers prove nothing: they stop what others could be given.
    wait::until("workers that stop", PATIENCE, || async {
        let mut running = 0.0;
        for worker in [cluster.worker(0)?, cluster.worker(1)?] {
            running += worker.metric(&["task_count "]).await?;
        }
        anyhow::ensure!(running < 0.5, "{running} tasks run");
        Ok(())
    })
    .await
    .unwrap();
    cluster.broker().restart().await.unwrap();
    cluster.settled(2, 5).await.unwrap();
    append(&file, 10..20);
    let far_end = FarEnd::new(&cluster.any().unwrap().bootstrap_servers());
    far_end.holds("lines", 20, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn connectors_come_grow_shrink_and_go_and_the_group_stays_balanced() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path(), 3, &[]).await.unwrap();
    put(&cluster, "one", &sink(folder.path(), 4)).await;
    put(&cluster, "two", &sink(folder.path(), 5)).await;
    put(&cluster, "three", &sink(folder.path(), 2)).await;
    cluster.settled(3, 11).await.unwrap();
    put(&cluster, "two", &sink(folder.path(), 8)).await;
    let grown = cluster.settled(3, 14).await.unwrap();
    let spread: BTreeMap<&String, usize> = grown
        .tasks
        .iter()
        .filter(|(task, _)| task.starts_with("two"))
        .fold(BTreeMap::new(), |mut all, (_, at)| {
            *all.entry(at).or_default() += 1;
            all
        });
    assert_eq!(spread.len(), 3, "a connector's tasks spread over the workers: {spread:?}");
    put(&cluster, "two", &sink(folder.path(), 1)).await;
    cluster.settled(3, 7).await.unwrap();
    let any = cluster.any().unwrap();
    let (status, body) = any.call(Method::DELETE, "/connectors/one", None).await.unwrap();
    assert_eq!(status, 204, "{body}");
    cluster.settled(2, 3).await.unwrap();
}
