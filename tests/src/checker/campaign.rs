//! Rounds of faults on one broker, from an empty folder to the verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use broker_client::{Client, ClientConfig, NewTopic, TopicResult};

use super::fault::{self, Disk};
use super::history::History;
use super::plan::{self, Fault, Round};
use super::verdict::{self, Evidence};
use super::workload::{Kind, Surroundings, Workload};
use crate::broker::Broker;
use crate::wait;

const PARTITIONS: i32 = 3;
/// Small segments, so that faults meet the change from one to the next.
const SETTINGS: [(&str, &str); 1] = [("log.segment.bytes", "1048576")];
/// After a fault every client must get on within this time.
const PROGRESS_LIMIT: Duration = Duration::from_secs(90);

/// What is done to one broker.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// Decides faults and work.
    pub seed: u64,
    /// How many faults.
    pub rounds: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records that the broker acknowledged.
    pub acknowledged: usize,
    /// Transactions that ended as their producer wished, committed or aborted.
    pub transactions: usize,
    /// Records that the reader saw meanwhile.
    pub read: usize,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// What is wrong; empty if nothing is.
    pub wrong: Vec<String>,
}

/// The broker and its clients while a campaign runs.
struct Scene {
    broker: Broker,
    disk: Disk,
    producers: Vec<Workload>,
    reader: Workload,
    surroundings: Surroundings,
    report: Report,
}

impl Campaign {
    /// Runs the campaign in a folder.
    ///
    /// # Errors
    /// When a client or the broker does not get on; what is found wrong in the end is in the report.
    pub async fn run(self, folder: &Path) -> Result<Report> {
        let mut scene = Scene::set(folder, self.seed).await?;
        scene.all_get_on().await?;
        for round in plan::rounds(self.seed, self.rounds) {
            tokio::time::sleep(round.quiet).await;
            scene.suffer(round).await?;
            scene.all_get_on().await?;
        }
        scene.close().await
    }
}

async fn create_topics(bootstrap_servers: &str) -> Result<()> {
    let bootstrap_servers = vec![bootstrap_servers.to_owned()];
    let client = Client::new(ClientConfig { bootstrap_servers, ..ClientConfig::default() });
    let topic = |kind: Kind| NewTopic {
        name: kind.name().to_owned(),
        partitions: PARTITIONS,
        replication_factor: 1,
        configs: Vec::new(),
    };
    for outcome in client.create_topics(&[topic(Kind::Idempotent), topic(Kind::Transactional)]).await? {
        ensure!(matches!(outcome.result, TopicResult::Done), "{outcome:?}");
    }
    Ok(())
}

impl Scene {
    async fn set(folder: &Path, seed: u64) -> Result<Self> {
        let disk = Disk::prepare(folder.join("data"))?;
        let broker = Broker::start(folder, &SETTINGS).await?;
        let (bootstrap_servers, folder) = (broker.bootstrap_servers(), folder.to_path_buf());
        create_topics(&bootstrap_servers).await?;
        let surroundings = Surroundings { bootstrap_servers, folder, partitions: PARTITIONS, seed };
        let start = |kind| Workload::start(kind, &surroundings);
        let producers = vec![start(Kind::Idempotent)?, start(Kind::Transactional)?];
        let reader = start(Kind::Reader)?;
        Ok(Self { broker, disk, producers, reader, surroundings, report: Report::default() })
    }

    async fn suffer(&mut self, round: Round) -> Result<()> {
        let name = match round.fault {
            Fault::Kill => {
                self.broker.process()?.kill()?;
                self.broker.restart().await?;
                "kill -9"
            }
            Fault::Stop(pause) => {
                fault::stop_for(&mut self.broker, pause).await?;
                "SIGSTOP"
            }
            Fault::DiskFull(_) if !self.disk.can_be_full() => {
                "disk full (left out: only root can mount a disk)"
            }
            Fault::DiskFull(pause) => {
                self.disk.fill()?;
                tokio::time::sleep(pause).await;
                self.disk.empty()?;
                "disk full"
            }
            Fault::TornTail | Fault::FlippedTail => self.damage(round).await?,
        };
        *self.report.faults.entry(name).or_default() += 1;
        Ok(())
    }

    /// Kills the broker, waits until its clients have heard its last words, and damages what it had promised nobody.
    async fn damage(&mut self, round: Round) -> Result<&'static str> {
        self.broker.process()?.kill()?;
        let mut seen = true;
        for client in self.producers.iter_mut().chain([&mut self.reader]) {
            seen &= client.barrier().await?;
        }
        if seen {
            fault::damage(&self.disk, &self.promised()?, round)?;
        }
        self.broker.restart().await?;
        Ok(match round.fault {
            _ if !seen => "kill -9 (its death was not seen by all, so nothing was damaged)",
            Fault::TornTail => "torn tail",
            _ => "flipped tail",
        })
    }

    /// The last offset of each partition that some client was told of; -1 where none was.
    fn promised(&self) -> Result<Vec<(String, i32, i64)>> {
        let mut last: BTreeMap<(String, i32), i64> = BTreeMap::new();
        let mut told = |topic: &str, partition: i32, offset: i64| {
            let last = last.entry((topic.to_owned(), partition)).or_insert(-1);
            *last = offset.max(*last);
        };
        for producer in &self.producers {
            (0..PARTITIONS).for_each(|partition| told(producer.name(), partition, -1));
            for record in producer.history()?.acknowledged {
                told(producer.name(), record.partition, record.offset);
            }
        }
        for record in self.reader.history()?.read {
            told(&record.topic, record.partition, record.offset);
        }
        Ok(last.into_iter().map(|((topic, partition), offset)| (topic, partition, offset)).collect())
    }

    /// Waits until every client has been told something new.
    async fn all_get_on(&mut self) -> Result<()> {
        for client in self.producers.iter().chain([&self.reader]) {
            let before = client.progress()?;
            let name = format!("{} gets on", client.name());
            wait::until(&name, PROGRESS_LIMIT, || async {
                ensure!(client.progress()? > before, "its history stays at {before} bytes");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn close(mut self) -> Result<Report> {
        let mut evidence = Evidence::default();
        for producer in self.producers {
            evidence.producers.insert(producer.name().to_owned(), producer.stop().await?);
        }
        evidence.reader = self.reader.stop().await?;
        let dump =
            async |kind| -> Result<History> { Workload::start(kind, &self.surroundings)?.finish().await };
        evidence.all = dump(Kind::All).await?.read;
        evidence.committed = dump(Kind::Committed).await?.read;
        let histories = || evidence.producers.values();
        self.report.acknowledged = histories().map(|history| history.acknowledged.len()).sum();
        self.report.transactions =
            histories().map(|history| history.committed.len() + history.aborted.len()).sum();
        self.report.read = evidence.reader.read.len();
        self.report.wrong = verdict::judge(&evidence);
        Ok(self.report)
    }
}
