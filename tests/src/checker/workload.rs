//! The checker's clients as processes: started, asked to meet at a barrier, and stopped once what is under way is done.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::history::History;
use crate::places;

/// A client must answer within this time whatever the broker goes through.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Idempotent,
    Transactional,
    /// Reads committed records as they come.
    Reader,
    /// Reads all records to the end, and ends.
    All,
    /// Reads all committed records to the end, and ends.
    Committed,
}

impl Kind {
    /// Its name, which for a producer is its topic's too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idempotent => "idempotent",
            Self::Transactional => "transactional",
            Self::Reader => "reader",
            Self::All => "all",
            Self::Committed => "committed",
        }
    }
}

/// Where the clients find their broker, and what they do with it.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    pub(super) bootstrap_servers: String,
    pub(super) folder: PathBuf,
    pub(super) partitions: i32,
    pub(super) seed: u64,
}

/// A running client; it is killed when this is dropped.
#[derive(Debug)]
pub(super) struct Workload {
    kind: Kind,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    history: PathBuf,
    log: PathBuf,
}

impl Workload {
    pub(super) fn start(kind: Kind, surroundings: &Surroundings) -> Result<Self> {
        let python = places::servers().join("python/bin/python");
        ensure!(python.exists(), "run `tests/servers/provide confluent-kafka` (`make test` does)");
        let script = places::repository().join("tests/src/checker/client.py");
        let path = |extension| surroundings.folder.join(kind.name()).with_extension(extension);
        let (history, log) = (path("history"), path("log"));
        let output = std::fs::File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new(python);
        command
            .arg(script)
            .arg(kind.name())
            .arg(&surroundings.bootstrap_servers)
            .arg(kind.name())
            .arg(&history);
        command.arg(surroundings.seed.to_string()).arg(surroundings.partitions.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output).kill_on_drop(true);
        let mut child = command.spawn().context("starting a client of the checker")?;
        let orders = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        Ok(Self { kind, child, orders, answers, history, log })
    }

    /// Waits until everything that a dead broker said is in the history; `false` if its death was not seen.
    pub(super) async fn barrier(&mut self) -> Result<bool> {
        self.order("barrier").await?;
        Ok(self.answer("barrier").await? == "barrier")
    }

    /// Ends the client once what is under way is done, and gives its history.
    pub(super) async fn stop(mut self) -> Result<History> {
        self.order("stop").await?;
        self.finish().await
    }

    /// Waits for its end, and gives its history.
    pub(super) async fn finish(mut self) -> Result<History> {
        self.answer("stopped").await?;
        let status = self.child.wait().await?;
        ensure!(status.success(), "{}: {status}\n{}", self.kind.name(), self.said());
        History::read(&self.history)
    }

    /// What it was told so far, as far as it has written it down.
    pub(super) fn history(&self) -> Result<History> {
        if self.history.exists() { History::read(&self.history) } else { Ok(History::default()) }
    }

    /// How much it has been told: grows while work goes on.
    pub(super) fn progress(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.history).map_or(0, |metadata| metadata.len()))
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    async fn order(&mut self, order: &str) -> Result<()> {
        let sent = self.orders.write_all(format!("{order}\n").as_bytes()).await;
        sent.with_context(|| format!("{} has ended:\n{}", self.kind.name(), self.said()))
    }

    async fn answer(&mut self, expected: &str) -> Result<String> {
        let line = tokio::time::timeout(ANSWER_LIMIT, self.answers.next_line()).await;
        match line.with_context(|| {
            format!("{}: no {expected:?} within {ANSWER_LIMIT:?}\n{}", self.kind.name(), self.said())
        })?? {
            Some(line) if line.starts_with(expected) => Ok(line),
            other => bail!("{} said {other:?} instead of {expected:?}:\n{}", self.kind.name(), self.said()),
        }
    }

    fn said(&self) -> String {
        tail_of(&self.log)
    }
}

/// The last lines of a log.
fn tail_of(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
