//! What the group moves while things break: numbered orders of a generator, numbered lines of a file, and both topics into one file each;
//! and the changes of a database.
//!
//! All of it through REST, as a user would. Invariant: what is judged is read after the sources have stopped, up to the topics' ends.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use broker_client::{Client, Isolation, OffsetSpec};
use reqwest::Method;
use serde_json::{Value, json};

use super::changes::{self, Changes};
use super::verdict;
use crate::cluster::Cluster;
use crate::{pipeline, sequence, wait};

/// Tasks of the generator.
const ORDER_TASKS: i64 = 4;
/// Connectors, and all of their tasks.
pub(super) const CONNECTORS: usize = 5;
pub(super) const TASKS: usize = 8;
/// How long the sinks may take to write what is left, once the sources have stopped.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);
/// Changes are counted by reading all of them.
const COUNT_AGAIN: Duration = Duration::from_millis(500);

const TEXT: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// How far the records are: each of these numbers must grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    orders: i64,
    lines: i64,
    changes: i64,
    orders_written: u64,
    lines_written: u64,
}

impl Progress {
    /// Whether everything is further than it was.
    pub(super) fn is_beyond(self, before: Self) -> bool {
        self.orders > before.orders
            && self.lines > before.lines
            && self.changes > before.changes
            && self.orders_written > before.orders_written
            && self.lines_written > before.lines_written
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Workload {
    folder: PathBuf,
    client: Client,
    /// How many lines the source's file has.
    lines: i64,
    changes: Changes,
}

/// What arrived.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) orders: usize,
    pub(super) lines: usize,
    pub(super) changes: usize,
    pub(super) wrong: Vec<String>,
}

impl Workload {
    /// Submits the connectors.
    pub(super) async fn begin(
        cluster: &Cluster,
        servers: &str,
        changes: Changes,
        folder: &Path,
    ) -> Result<Self> {
        let (folder, client) = (folder.to_path_buf(), sequence::client(servers));
        let mut workload = Self { folder, client, lines: 0, changes };
        workload.append(10)?;
        let (orders, lines) = (workload.path("orders.out"), workload.path("lines.out"));
        let sink = |topic: &str, file: PathBuf| json!({"connector.class": "FileStreamSink", "topics": topic, "file": file, "value.converter": TEXT});
        let submitted = [
            ("orders", workload.generator()),
            ("lines", workload.file_source()),
            ("shop", workload.database_source()),
            ("orders-out", sink("orders", orders)),
            ("lines-out", sink("lines", lines)),
        ];
        for (name, config) in submitted {
            let path = format!("/connectors/{name}/config");
            let (status, body) = cluster.any()?.call(Method::PUT, &path, Some(&config)).await?;
            ensure!(status == 201, "creating {name}: {status} {body}");
        }
        workload.changes.begin(&workload.client).await?;
        let begun = wait::until("the first changes", wait::PATIENCE, || workload.committed_changes());
        begun.await?;
        Ok(workload)
    }

    fn generator(&self) -> Value {
        json!({
            "connector.class": "datagen", "topic": "orders", "quickstart": "orders", "records.per.second": "200",
            "tasks.max": ORDER_TASKS.to_string(), "value.converter": JSON, "value.converter.schemas.enable": "false",
            "exactly.once.support": "required", "topic.creation.default.partitions": "3",
            "topic.creation.default.replication.factor": "1",
        })
    }

    fn file_source(&self) -> Value {
        let file = self.path("lines.in");
        json!({
            "connector.class": "FileStreamSource", "topic": "lines", "file": file, "value.converter": TEXT,
            "exactly.once.support": "required",
        })
    }

    fn database_source(&self) -> Value {
        let mut config = pipeline::mysql_source(&self.changes.database, "shop");
        for (name, value) in [
            ("key.converter", JSON),
            ("key.converter.schemas.enable", "false"),
            ("value.converter", JSON),
            ("value.converter.schemas.enable", "false"),
            ("exactly.once.support", "required"),
        ] {
            config[name] = json!(value);
        }
        config
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Appends so many numbers to the source's file.
    pub(super) fn append(&mut self, count: i64) -> Result<()> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.path("lines.in"))?;
        let lines: String = (self.lines..self.lines + count).map(|number| format!("{number}\n")).collect();
        file.write_all(lines.as_bytes())?;
        self.lines += count;
        Ok(())
    }

    /// How far all of it is.
    pub(super) async fn progress(&self) -> Result<Progress> {
        let written = |name| fs::metadata(self.path(name)).map_or(0, |found| found.len());
        Ok(Progress {
            orders: self.committed("orders").await?,
            lines: self.committed("lines").await?,
            changes: self.committed_changes().await?,
            orders_written: written("orders.out"),
            lines_written: written("lines.out"),
        })
    }

    async fn committed_changes(&self) -> Result<i64> {
        let mut end = 0;
        for topic in changes::TOPICS {
            end += self.committed(topic).await?;
        }
        Ok(end)
    }

    /// The ends of a topic's partitions for readers of committed records, added up.
    async fn committed(&self, topic: &str) -> Result<i64> {
        let mut end = 0;
        for partition in 0..self.client.partitions_for(topic, false).await? {
            let latest = OffsetSpec::Latest;
            end +=
                self.client.list_offsets_isolated(topic, partition, latest, Isolation::ReadCommitted).await?;
        }
        Ok(end)
    }

    /// Stops the sources, lets the sinks write what is left, and judges.
    pub(super) async fn judge(mut self, cluster: &Cluster) -> Result<Judgement> {
        let shop = self.changes.stop().await?;
        self.lines_arrive().await?;
        self.changes_arrive(shop.journal().len()).await;
        for source in ["orders", "lines", "shop"] {
            self.stop(cluster, source).await?;
        }
        let orders = sequence::orders(&self.client, "orders", Isolation::ReadCommitted).await?;
        let lines = numbers(&sequence::values(&self.client, "lines", Isolation::ReadCommitted).await?)?;
        let changes = changes::arrived(&self.client, &changes::TOPICS).await?;
        let mut wrong = verdict::gaps_and_repeats("topic orders", &orders, ORDER_TASKS);
        wrong.extend(verdict::gaps_and_repeats("topic lines", &lines, 1));
        let all: Vec<i64> = (0..self.lines).collect();
        wrong.extend(verdict::differences(("topic lines", &lines), ("the file that was read", &all)));
        wrong.extend(changes::judge(&shop, &changes)?);
        for (name, topic) in [("orders.out", &orders), ("lines.out", &lines)] {
            let written = self.drained(name, topic.len()).await?;
            wrong.extend(verdict::differences((name, &written), ("its topic", topic)));
        }
        Ok(Judgement { orders: orders.len(), lines: lines.len(), changes: changes.len(), wrong })
    }

    /// Waits until the last line has arrived. Repeats may hide that some are missing, but then the verdict tells.
    async fn lines_arrive(&self) -> Result<()> {
        let wanted = usize::try_from(self.lines)?;
        wait::until("the last line in its topic", DRAIN_LIMIT, || async {
            let there = sequence::values(&self.client, "lines", Isolation::ReadCommitted).await?.len();
            ensure!(there >= wanted, "{there} of {wanted}");
            Ok(())
        })
        .await
    }

    /// Waits until so many changes have arrived. If some are missing the verdict tells which.
    async fn changes_arrive(&self, wanted: usize) {
        let waited = wait::until("the last change in its topic", DRAIN_LIMIT, || async {
            tokio::time::sleep(COUNT_AGAIN).await;
            let there = changes::arrived(&self.client, &changes::TOPICS).await?.len();
            ensure!(there >= wanted, "{there} of {wanted}");
            Ok(())
        });
        if let Err(error) = waited.await {
            eprintln!("{error:#}");
        }
    }

    async fn stop(&self, cluster: &Cluster, name: &str) -> Result<()> {
        let worker = cluster.any()?;
        let (status, body) = worker.call(Method::PUT, &format!("/connectors/{name}/stop"), None).await?;
        ensure!(status == 204, "stopping {name}: {status} {body}");
        wait::until(&format!("the end of {name}"), wait::PATIENCE, || async {
            let status = worker.get(&format!("/connectors/{name}/status")).await?;
            ensure!(status["connector"]["state"] == "STOPPED" && status["tasks"] == json!([]), "{status}");
            Ok(())
        })
        .await
    }

    /// Waits until a sink's file has so many lines, or stands still: its numbers.
    async fn drained(&self, name: &str, wanted: usize) -> Result<Vec<i64>> {
        let waited = wait::until(name, DRAIN_LIMIT, || async {
            let there = fs::read_to_string(self.path(name))?.lines().count();
            ensure!(there >= wanted, "{there} of {wanted}");
            Ok(())
        });
        // What is missing the verdict says better.
        if let Err(error) = waited.await {
            eprintln!("{error:#}");
        }
        let text = fs::read_to_string(self.path(name))?;
        text.lines().map(|line| number(line.as_bytes())).collect()
    }
}

fn numbers(values: &[Vec<u8>]) -> Result<Vec<i64>> {
    values.iter().map(|value| number(value)).collect()
}

/// The number of a line: an order's, or the line itself.
fn number(line: &[u8]) -> Result<i64> {
    let value: Value = serde_json::from_slice(line)
        .with_context(|| format!("neither an order nor a number: {}", String::from_utf8_lossy(line)))?;
    value.as_i64().or_else(|| value["orderid"].as_i64()).with_context(|| format!("no number: {value}"))
}
