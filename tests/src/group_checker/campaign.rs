//! Rounds of faults on one group, from its start to the verdict.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::changes::Changes;
use super::plan::{Fault, Plan, Round, WORKERS};
use super::workload::{CONNECTORS, Judgement, Progress, TASKS, Workload};
use crate::cluster::Cluster;
use crate::network::{self, Network};
use crate::wait;

/// After this long it is not waited for any more.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines that are appended to the source's file before, during and after the faults of a round.
const LINES: i64 = 50;

/// What is done to one group.
#[derive(Debug)]
pub struct Campaign {
    /// Decides the faults.
    pub seed: u64,
    /// No round begins after this long.
    pub lasts: Duration,
    /// How long everything may take to run again, and records to move, once all faults of a round are over.
    pub back_limit: Duration,
    /// A network with a member for the broker and one for each worker; without one nothing is cut.
    pub network: Option<Network>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Orders in their topic.
    pub orders: usize,
    /// Lines in their topic.
    pub lines: usize,
    /// Changes of the database in their topics.
    pub changes: usize,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// How long after each healing every task ran, sorted.
    pub running: Vec<Duration>,
    /// How long after each healing records had moved through everything, sorted.
    pub moving: Vec<Duration>,
    /// What is wrong; empty if nothing is.
    pub wrong: Vec<String>,
}

/// The group and its work while a campaign runs.
struct Scene {
    cluster: Cluster,
    workload: Workload,
    back_limit: Duration,
    report: Report,
}

impl Campaign {
    /// Runs the campaign in a folder.
    ///
    /// # Errors
    /// When something cannot be done, or does not come back at all; what is found wrong in the end is in the report.
    pub async fn run(self, folder: &Path) -> Result<Report> {
        let with_network = self.network.is_some();
        let (began, mut plan) = (Instant::now(), Plan::new(self.seed));
        let mut cluster = Cluster::start_in(self.network, folder, usize::from(WORKERS), &[]).await?;
        let servers = cluster.broker().bootstrap_servers();
        let host = if with_network { network::BRIDGE } else { "127.0.0.1" };
        let changes = Changes::prepare(host, self.seed).await?;
        let workload = Workload::begin(&cluster, &servers, changes, folder).await?;
        cluster.settled(CONNECTORS, TASKS).await?;
        let back_limit = self.back_limit;
        let mut scene = Scene { cluster, workload, back_limit, report: Report::default() };
        let before = scene.workload.progress().await?;
        scene.workload.append(LINES)?;
        scene.moves(before).await?;
        let mut number = 0;
        while began.elapsed() < self.lasts {
            number += 1;
            let round = plan.round(with_network);
            let done = scene.round(number, &round).await;
            done.with_context(|| format!("round {number} of seed {}: {round:?}", self.seed))?;
        }
        scene.close().await
    }
}

impl Scene {
    async fn round(&mut self, number: usize, round: &Round) -> Result<()> {
        tokio::time::sleep(round.quiet).await;
        self.workload.append(LINES)?;
        for fault in &round.faults {
            self.suffer(*fault)?;
            *self.report.faults.entry(fault.name()).or_default() += 1;
        }
        tokio::time::sleep(round.lasts / 2).await;
        self.workload.append(LINES)?;
        tokio::time::sleep(round.lasts / 2).await;
        let mut faults = round.faults.clone();
        faults.sort_by_key(Fault::healing_turn);
        for fault in faults {
            self.heal(fault).await?;
        }
        let healed = Instant::now();
        let complete = wait::until("every task", PATIENCE, || self.cluster.complete(CONNECTORS, TASKS));
        if let Err(error) = complete.await {
            return Err(error.context(self.views().await));
        }
        let running = healed.elapsed();
        let before = self.workload.progress().await?;
        self.workload.append(LINES)?;
        self.moves(before).await?;
        let moving = healed.elapsed();
        let names: Vec<_> = round.faults.iter().map(|fault| format!("{fault:?}")).collect();
        let (names, lasted) = (names.join(" and "), round.lasts);
        eprintln!(
            "round {number}: {names} for {lasted:.1?}: running after {running:.2?}, moving after {moving:.2?}"
        );
        if running.max(moving) > self.back_limit {
            self.report.wrong.push(format!(
                "round {number}, {names}: running after {running:.1?}, moving after {moving:.1?}"
            ));
        }
        self.report.running.push(running);
        self.report.moving.push(moving);
        Ok(())
    }

    fn suffer(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Cut { from, to, both } => {
                let network = self.cluster.network().context("there is no network to cut")?;
                network.cut(from, to)?;
                if both { network.cut(to, from) } else { Ok(()) }
            }
            Fault::Halt(worker) => self.cluster.halt(usize::from(worker)),
            Fault::Kill(worker) => self.cluster.kill(usize::from(worker)),
            Fault::Broker => self.cluster.broker().process()?.kill(),
        }
    }

    async fn heal(&mut self, fault: Fault) -> Result<()> {
        match fault {
            Fault::Cut { .. } => self.cluster.network().context("there is no network to heal")?.heal(),
            Fault::Halt(worker) => self.cluster.resume(usize::from(worker)),
            Fault::Kill(worker) => self.cluster.restart(usize::from(worker)).await,
            Fault::Broker => self.cluster.broker().restart().await,
        }
    }

    /// What each worker says of all connectors.
    async fn views(&self) -> String {
        let mut views = String::new();
        for worker in 0..usize::from(WORKERS) {
            let said = match self.cluster.worker(worker) {
                Ok(worker) => worker.get("/connectors?expand=status").await,
                Err(error) => Err(error),
            };
            views += &format!("worker {worker}: {said:?}\n");
        }
        views
    }

    /// Waits until records have moved through everything.
    async fn moves(&self, before: Progress) -> Result<()> {
        wait::until("records that move", PATIENCE, || async {
            let now = self.workload.progress().await?;
            ensure!(now.is_beyond(before), "before {before:?}, now {now:?}");
            Ok(())
        })
        .await
    }

    async fn close(mut self) -> Result<Report> {
        let Judgement { orders, lines, changes, wrong } = self.workload.judge(&self.cluster).await?;
        (self.report.orders, self.report.lines, self.report.changes) = (orders, lines, changes);
        self.report.wrong.extend(wrong);
        for worker in 0..usize::from(WORKERS) {
            let log = self.cluster.worker_mut(worker)?.process()?.log();
            let panics = log.lines().filter(|line| line.contains("panicked"));
            self.report.wrong.extend(panics.map(|line| format!("worker {worker}: {line}")));
        }
        self.report.running.sort();
        self.report.moving.sort();
        Ok(self.report)
    }
}
