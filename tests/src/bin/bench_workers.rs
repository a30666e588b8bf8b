//! The benchmark of a group of workers: how long work stands still when a worker is killed, leaves or joins, on the built binary.
//!
//! `make bench` runs it on the release binary. Three workers run 30 tasks; time is taken from the signal until the status of every task says
//! that it runs on a worker that is there. Compare figures only within one run.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use harness::cluster::Cluster;
use reqwest::Method;
use serde_json::json;

const WORKERS: usize = 3;
const TASKS: usize = 30;

/// Measures how a group of workers takes over, and prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// How often a worker is killed, and how often one leaves.
    #[arg(long, default_value_t = 20)]
    runs: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Options::parse().runs).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(runs: usize) -> Result<()> {
    ensure!(runs > 0, "--runs must be at least 1");
    let folder = tempfile::tempdir()?;
    let mut cluster = Cluster::start(folder.path(), WORKERS, &[]).await?;
    // Sources, so that no consumer group's own pace is measured; slow ones, so that it is not the machine's either.
    let source = json!({
        "connector.class": "millrace.datagen.DatagenSourceConnector",
        "topic": "generated",
        "records.per.second": "30",
        "tasks.max": TASKS.to_string(),
    });
    let (status, body) =
        cluster.any()?.call(Method::PUT, "/connectors/generated/config", Some(&source)).await?;
    ensure!(status == 201, "creating the connector: {status} {body}");
    cluster.settled(1, TASKS).await?;
    let (mut kills, mut leaves, mut joins) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..runs {
        let number = number % WORKERS;
        let began = Instant::now();
        cluster.kill(number)?;
        cluster.covered(TASKS).await?;
        kills.push(began.elapsed());
        cluster.restart(number).await?;
        let began = Instant::now();
        cluster.settled(1, TASKS).await?;
        joins.push(began.elapsed());
        let began = Instant::now();
        cluster.ask_to_stop(number)?;
        cluster.covered(TASKS).await?;
        leaves.push(began.elapsed());
        cluster.stopped(number).await?;
        cluster.restart(number).await?;
        cluster.settled(1, TASKS).await?;
        eprintln!("{number}: killed {:?}, joined {:?}, left {:?}", kills.last(), joins.last(), leaves.last());
    }
    println!("| what | median | worst | aim | |\n| --- | ---: | ---: | ---: | --- |");
    print("kill -9 of one of 3 workers -> its tasks run elsewhere", kills, Duration::from_millis(3_500))?;
    print("SIGTERM to one of 3 workers -> its tasks run elsewhere", leaves, Duration::from_millis(500))?;
    print("a worker answers -> its third of the tasks runs there", joins, Duration::from_millis(1_000))
}

fn print(what: &str, mut took: Vec<Duration>, aim: Duration) -> Result<()> {
    took.sort();
    let median = took.get(took.len() / 2).context("nothing was measured")?;
    let worst = took.last().context("nothing was measured")?;
    let verdict = if *worst <= aim { "reached" } else { "MISSED" };
    println!("| {what} | {median:.2?} | {worst:.2?} | {aim:.2?} | {verdict} |");
    Ok(())
}
