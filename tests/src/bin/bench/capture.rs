//! Captures of MySQL: a backlog of the binlog, or a snapshot, into a topic; by Millrace and, if there is one, by a rival.
//!
//! Both read the same rows of the same server, one after the other, and write to a broker of the same kind, counted in the same way.
//! The rules favour the rival: Millrace's clock runs from the command over REST to the last record and its processor time holds its
//! broker's; the rival's clock and processor time run from the first record that is seen, so that its start does not count, and its broker
//! is another process.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::database::{Database, Kind};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::pipeline;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::figures::{Duel, Figure, memory, rate};
use super::format::{Converter, Format};
use super::rival::{Rival, Running, Task};
use super::usage::{Usage, Watch};
use super::workload::Workload;

/// How long one side may take.
const LIMIT: Duration = Duration::from_secs(1_800);
/// What peak memory is aimed at, in MiB.
const MEMORY_AIM: f64 = 150.0;
/// How the rows get out of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As a backlog of the binlog.
    Binlog,
    /// By a snapshot.
    Snapshot,
}

/// What is to be captured, and how.
#[derive(Debug)]
pub(crate) struct Capture {
    /// As the table says it.
    pub(crate) what: &'static str,
    /// The rows.
    pub(crate) workload: &'static Workload,
    /// How they get out.
    pub(crate) way: Way,
    /// In which form they are written.
    pub(crate) format: Format,
    /// Rows in a second that are aimed at.
    pub(crate) aim: f64,
}

/// Has Millrace capture, and then the rival.
pub(crate) async fn measure(
    capture: &Capture,
    rows: u64,
    rival: Option<&Rival>,
) -> Result<(Vec<Figure>, Option<Duel>)> {
    eprintln!("{}, {rows} rows ...", capture.what);
    let database = Database::start(Kind::MySql).await?;
    capture.workload.create(&database).await?;
    let converter = Converter::prepare(capture.format).await?;
    let mut bench = Bench { capture, database, converter, in_table: 0 };
    let mut own = Own::prepare(&mut bench).await?;
    let mut other = match rival {
        Some(rival) => Some(Other::prepare(&mut bench, rival).await?),
        None => None,
    };
    capture.workload.load(&bench.database, rows).await?;
    bench.in_table += rows;

    let used = own.run(&bench, rows).await?;
    drop(own);
    let note = format!("{:.2} s of processor time a million rows", used.processor_per_million());
    let figures = vec![
        rate(capture.what, rows, used.took, capture.aim, &note),
        memory("peak memory of that", used.memory_peak, MEMORY_AIM),
    ];
    let Some(other) = &mut other else { return Ok((figures, None)) };
    eprintln!("    the same by the rival ...");
    let rival = other.run(&bench).await?;
    Ok((figures, Some(Duel { what: capture.what, own: used, rival })))
}

/// The server and what is in its table.
struct Bench<'a> {
    capture: &'a Capture,
    database: Database,
    converter: Converter,
    in_table: u64,
}

impl Bench<'_> {
    fn topic(&self, prefix: &str) -> String {
        format!("{prefix}.bench.{}", self.capture.workload.table)
    }

    /// Commits single rows until one came that no snapshot can have held: the second, since a snapshot's view is older than
    /// its first record.
    async fn until_streaming(&mut self, far_end: &FarEnd, prefix: &str) -> Result<()> {
        for _ in 0..2 {
            self.database.run(&[&self.capture.workload.insert(0..1)]).await?;
            self.in_table += 1;
            far_end.holds(&self.topic(prefix), self.in_table, LIMIT).await?;
        }
        Ok(())
    }
}

/// Millrace with its connector.
struct Own {
    millrace: Millrace,
    far_end: FarEnd,
    config: Value,
    _folder: TempDir,
}

impl Own {
    const PREFIX: &'static str = "shop";

    /// Starts it. To read a backlog, its connector is there already, and stopped.
    async fn prepare(bench: &mut Bench<'_>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let millrace = Millrace::standalone(folder.path(), &[]).await?;
        let far_end = FarEnd::new(&millrace.bootstrap_servers());
        let mut config = pipeline::mysql_source(&bench.database, "bench");
        config["table.include.list"] = json!(format!("bench.{}", bench.capture.workload.table));
        bench.converter.set_in(&mut config);
        let own = Self { millrace, far_end, config, _folder: folder };
        if bench.capture.way == Way::Binlog {
            own.millrace.create("bench", own.config.clone()).await?;
            bench.until_streaming(&own.far_end, Self::PREFIX).await?;
            put(&own.millrace, "/connectors/bench/stop").await?;
        }
        Ok(own)
    }

    /// Reads all that is new, and counts what came.
    async fn run(&mut self, bench: &Bench<'_>, rows: u64) -> Result<Usage> {
        let watch = Watch::begin(self.millrace.process()?.id()?)?;
        match bench.capture.way {
            Way::Binlog => put(&self.millrace, "/connectors/bench/resume").await?,
            Way::Snapshot => self.millrace.create("bench", self.config.clone()).await?,
        }
        let topic = bench.topic(Self::PREFIX);
        self.far_end.holds(&topic, bench.in_table, LIMIT).await?;
        let mut used = watch.end(rows)?;
        used.memory_peak = self.millrace.process()?.memory()?.1;
        self.far_end.has_exactly(&topic, bench.in_table, LIMIT).await?;
        Ok(used)
    }
}

/// A rival with its broker.
struct Other<'a> {
    rival: &'a Rival,
    far_end: FarEnd,
    task: Task,
    _broker: Millrace,
    _folder: TempDir,
}

impl<'a> Other<'a> {
    const PREFIX: &'static str = "rival";

    /// Starts its broker. To read a backlog, it has run already, and was stopped.
    async fn prepare(bench: &mut Bench<'_>, rival: &'a Rival) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Millrace::standalone(folder.path(), &[]).await?;
        let far_end = FarEnd::new(&broker.bootstrap_servers());
        let work = folder.path().join("rival");
        std::fs::create_dir(&work)?;
        let task = Task {
            folder: work,
            mysql_port: bench.database.port(),
            bootstrap_servers: broker.bootstrap_servers(),
            topic_prefix: Self::PREFIX,
            table: format!("bench.{}", bench.capture.workload.table),
            converter: bench.converter.class(),
            schemas: bench.converter.schemas_enable(),
            registry_url: bench.converter.registry_url(),
        };
        if bench.capture.way == Way::Binlog {
            let mut running = rival.start(&task)?;
            let streaming = bench.until_streaming(&far_end, Self::PREFIX);
            running.unless_it_ends(streaming).await?;
            running.stop().await?;
        }
        Ok(Self { rival, far_end, task, _broker: broker, _folder: folder })
    }

    /// Has it read all that is new, and counts what came.
    async fn run(&mut self, bench: &Bench<'_>) -> Result<Usage> {
        let topic = bench.topic(Self::PREFIX);
        let before = match bench.capture.way {
            Way::Binlog => self.far_end.holds(&topic, 1, LIMIT).await?,
            Way::Snapshot => 0,
        };
        let mut running: Running = self.rival.start(&self.task)?;
        let far_end = &self.far_end;
        let seen = running.unless_it_ends(far_end.holds(&topic, before + 1, LIMIT)).await?;
        let watch = Watch::begin(running.id()?)?;
        running.unless_it_ends(far_end.holds(&topic, bench.in_table, LIMIT)).await?;
        ensure!(seen < bench.in_table, "the rival was done before it was looked at: give it more --rows");
        let used = watch.end(bench.in_table - seen)?;
        self.far_end.has_exactly(&topic, bench.in_table, LIMIT).await?;
        running.stop().await?;
        Ok(used)
    }
}

/// A REST call without a body.
pub(crate) async fn put(millrace: &Millrace, path: &str) -> Result<()> {
    let (status, body) = millrace.call(Method::PUT, path, None).await?;
    ensure!(status < 300, "PUT {path}: {status} {body}");
    Ok(())
}
