//! `test_bounce`, `test_exactly_once_source`, `test_file_source_and_sink` and `test_pause_state_persistent` of Kafka's
//! `connect_distributed_test.py`: three workers are stopped or killed one after another, under load.
//!
//! The verifiable source is the generator, with orders that each of its tasks numbers; the verifiable sink notes what it gets. Stopped
//! cleanly, everything comes exactly once at both ends. Killed, it is in the topic exactly once as well, and at the sink at least
//! once, since the noting sink cannot take back what it noted before its offset was committed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use broker_client::{Isolation, OffsetSpec};
use harness::sequence::{orders, unbroken};
use harness::wait::{self, PATIENCE};
use reqwest::Method;
use serde_json::{Value, json};

use super::trio::Trio;

const TASKS: i64 = 3;

/// A generator of three tasks, a sink of three tasks behind it, and a file that is copied through a topic.
struct Flow {
    trio: Trio,
    lines: Vec<String>,
}

impl Flow {
    async fn start() -> Self {
        let trio = Trio::start().await;
        let stage = &trio.stage;
        stage.make_topic("orders", 3).await;
        let json_converter = "org.apache.kafka.connect.json.JsonConverter";
        let generator = json!({
            "connector.class": "datagen", "topic": "orders", "quickstart": "orders", "records.per.second": "900",
            "tasks.max": TASKS.to_string(), "value.converter": json_converter, "value.converter.schemas.enable": "false",
        });
        stage.create("generator", generator).await;
        stage.create("noting", stage.sink("orders", json!({"tasks.max": TASKS.to_string()}))).await;
        let (from, to) = (stage.folder().join("in"), stage.folder().join("out"));
        fs::write(&from, "").unwrap();
        let source = json!({"connector.class": "FileStreamSource", "file": from, "topic": "lines"});
        let sink = json!({"connector.class": "FileStreamSink", "file": to, "topics": "lines"});
        stage.create("file-source", source).await;
        stage.create("file-sink", sink).await;
        Self { trio, lines: Vec::new() }
    }

    fn append(&mut self, label: &str) {
        let path = self.trio.stage.folder().join("in");
        let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
        for number in 0..20 {
            let line = format!("{label} {number}");
            writeln!(file, "{line}").unwrap();
            self.lines.push(line);
        }
    }

    /// Waits until this many more orders are in the topic.
    async fn goes_on(&self, more: i64) {
        let seen = self.end_of_orders().await.unwrap();
        wait::until("more orders", PATIENCE, || async {
            let found = self.end_of_orders().await?;
            ensure!(found >= seen + more, "{found} after {seen}");
            Ok(())
        })
        .await
        .unwrap();
    }

    /// Up to where there are committed orders, over all partitions.
    async fn end_of_orders(&self) -> Result<i64> {
        let client = self.trio.stage.client();
        let mut sum = 0;
        for partition in 0..3 {
            let committed = Isolation::ReadCommitted;
            sum += client.list_offsets_isolated("orders", partition, OffsetSpec::Latest, committed).await?;
        }
        Ok(sum)
    }

    async fn orders(&self) -> Result<Vec<i64>> {
        orders(&self.trio.stage.client(), "orders", Isolation::ReadCommitted).await
    }

    /// The numbers of the orders that the sink noted, sorted.
    fn noted(&self) -> Result<Vec<i64>> {
        let received = self.trio.stage.received("noting");
        let number = |line: &String| {
            let value = line.rsplit('\t').next().context("a value")?;
            let order: Value = serde_json::from_str(value)?;
            order["orderid"].as_i64().context("a number")
        };
        let mut numbers: Vec<_> = received.iter().map(number).collect::<Result<_>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Nothing is made any more: all that was made is in the topic once, and at the sink.
    async fn end(self, hard: bool) {
        let (status, _) = self.trio.stage.call(Method::PUT, "/connectors/generator/stop").await;
        assert_eq!(status, 204);
        self.trio.all_say("generator", "STOPPED", &[]).await;
        let made = self.orders().await.unwrap();
        for task in 0..TASKS {
            let own: Vec<i64> =
                made.iter().filter(|number| *number % TASKS == task).map(|number| number / TASKS).collect();
            assert!(unbroken(&own).unwrap() > 0, "task {task} did nothing");
        }
        wait::until("all orders at the sink", PATIENCE, || async {
            let noted = self.noted()?;
            let distinct: BTreeSet<_> = noted.iter().copied().collect();
            ensure!(distinct.iter().eq(&made), "{} of {}", distinct.len(), made.len());
            ensure!(
                hard || noted.len() == distinct.len(),
                "{} were noted twice",
                noted.len() - distinct.len()
            );
            Ok(())
        })
        .await
        .unwrap();
        wait::until("the file's lines", PATIENCE, || async {
            let out = fs::read_to_string(self.trio.stage.folder().join("out"))?;
            ensure!(out.lines().eq(&self.lines), "{} of {} lines", out.lines().count(), self.lines.len());
            Ok(())
        })
        .await
        .unwrap();
    }
}

async fn bounce(hard: bool) {
    let mut flow = Flow::start().await;
    flow.append("before");
    flow.goes_on(300).await;
    for worker in 0..3 {
        let process = flow.trio.worker_mut(worker).process().unwrap();
        if hard {
            process.kill().unwrap();
        } else {
            assert!(process.terminate().await.unwrap().success());
        }
        flow.append(&format!("while {worker} is away"));
        flow.trio.worker_mut(worker).start().await.unwrap();
        flow.goes_on(300).await;
    }
    flow.end(hard).await;
}

/// `test_bounce(clean=True)`, and `test_file_source_and_sink` with its rolling bounce.
#[tokio::test]
async fn test_bounce_clean() {
    bounce(false).await;
}

/// `test_bounce(clean=False)` and `test_exactly_once_source(clean=False)`.
#[tokio::test]
async fn test_bounce_hard_and_exactly_once_source() {
    bounce(true).await;
}

#[tokio::test]
async fn test_pause_state_persistent() {
    let (mut trio, name) = (Trio::start().await, "paused-for-long");
    trio.stage.create(name, trio.stage.source(name, json!({}))).await;
    trio.all_say(name, "RUNNING", &["RUNNING"]).await;
    assert_eq!(trio.stage.put(&format!("/connectors/{name}/pause")).await.0, 202);
    trio.all_say(name, "PAUSED", &["PAUSED"]).await;
    for worker in 0..3 {
        trio.worker_mut(worker).process().unwrap().terminate().await.unwrap();
    }
    for worker in 0..3 {
        trio.worker_mut(worker).start().await.unwrap();
    }
    // The group has come together anew, and given the task to somebody: who runs it says so.
    trio.all_say(name, "PAUSED", &["PAUSED"]).await;
}
