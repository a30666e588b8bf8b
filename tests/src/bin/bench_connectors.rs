//! The benchmark of many connectors: how long a thousand take to create over REST, what REST costs with them, how soon a worker has
//! them running again, and what an idle one weighs.
//!
//! `make bench`. On the binary as users run it; all connectors do nothing but be there.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::future::try_join_all;
use harness::millrace::Millrace;
use harness::wait;
use reqwest::Method;
use serde_json::{Value, json};

/// Requests that are under way at once while connectors are created.
const CLIENTS: usize = 8;
/// How many requests of each kind are timed.
const REQUESTS: usize = 1_000;
/// How long a worker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);
/// How long any one step may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Measures a worker with many connectors and prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// How many connectors.
    #[arg(long, default_value_t = 1_000)]
    connectors: usize,
    /// One in so many is a sink; 0 for sources only.
    #[arg(long, default_value_t = 10)]
    sink_every: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-connectors: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("quiet.txt"), "")?;
    let mut millrace = Millrace::prepare(folder.path(), &[])?;
    millrace.start().await?;
    tokio::time::sleep(SETTLE).await;
    let (empty, _) = millrace.process()?.memory()?;
    let count = options.connectors;

    eprintln!("creating {count} connectors ...");
    let began = Instant::now();
    create(&millrace, options, folder.path()).await?;
    let created = began.elapsed();
    running(&millrace, count).await?;
    let all_running = began.elapsed();
    print_line("created over REST", seconds(created), "s", 20.0);
    print_line("created and running", seconds(all_running), "s", 20.0);

    eprintln!("asking ...");
    tokio::time::sleep(SETTLE).await;
    print_line(
        "REST p99: status of one",
        ask(&millrace, |n| format!("/connectors/c{n}/status"), count).await?,
        "ms",
        20.0,
    );
    print_line(
        "REST p99: config of one",
        ask(&millrace, |n| format!("/connectors/c{n}"), count).await?,
        "ms",
        20.0,
    );
    print_line(
        "REST p99: list of all",
        ask(&millrace, |_| "/connectors".to_owned(), count).await?,
        "ms",
        20.0,
    );
    print_line("REST p99: pause or resume", pause_and_resume(&millrace, count).await?, "ms", 20.0);
    let began = Instant::now();
    millrace.get("/connectors?expand=status&expand=info").await?;
    print_line("everything expanded", seconds(began.elapsed()) * 1_000.0, "ms", f64::INFINITY);

    let processor = millrace.process()?.processor_seconds()?;
    tokio::time::sleep(SETTLE).await;
    let (full, _) = millrace.process()?.memory()?;
    let idle = (millrace.process()?.processor_seconds()? - processor) / SETTLE.as_secs_f64() * 100.0;
    print_line("processor while idle", idle, "% of a core", 10.0);
    print_line(
        "memory of an idle connector",
        kibibytes(full.saturating_sub(empty)) / number(count),
        "KiB",
        50.0,
    );

    eprintln!("restarting ...");
    millrace.process()?.terminate().await?;
    let began = Instant::now();
    millrace.start().await?;
    running(&millrace, count).await?;
    print_line("restart until all run again", seconds(began.elapsed()), "s", 3.0);
    millrace.process()?.terminate().await?;
    Ok(())
}

async fn create(millrace: &Millrace, options: &Options, folder: &Path) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let clients = (0..CLIENTS).map(|_| {
        let next = Arc::clone(&next);
        async move {
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= options.connectors {
                    return Ok::<_, anyhow::Error>(());
                }
                let body = json!({"name": format!("c{number}"), "config": config(number, options, folder)});
                let (status, answer) = millrace.call(Method::POST, "/connectors", Some(&body)).await?;
                ensure!(status == 201, "creating connector {number}: {status} {answer}");
            }
        }
    });
    try_join_all(clients).await.map(drop)
}

fn config(number: usize, options: &Options, folder: &Path) -> Value {
    if options.sink_every > 0 && number.is_multiple_of(options.sink_every) {
        let file = folder.join(format!("out-{number}.txt"));
        return json!({"connector.class": "FileStreamSink", "topics": "lines", "file": file});
    }
    json!({"connector.class": "FileStreamSource", "topic": "lines", "file": folder.join("quiet.txt")})
}

/// Waits until every connector and one task of each run.
async fn running(millrace: &Millrace, count: usize) -> Result<()> {
    wait::until("all running", LIMIT, || async {
        let all = millrace.get("/connectors?expand=status").await?;
        let all = all.as_object().context("no object")?;
        let runs = |connector: &&Value| {
            connector["status"]["connector"]["state"] == "RUNNING"
                && connector["status"]["tasks"].get(0).is_some_and(|task| task["state"] == "RUNNING")
        };
        let running = all.values().filter(runs).count();
        ensure!(running == count, "{running} of {count} run");
        Ok(())
    })
    .await
}

/// The 99th percentile of the time that GET takes, in milliseconds.
async fn ask(millrace: &Millrace, path: impl Fn(usize) -> String, count: usize) -> Result<f64> {
    let mut took = Vec::with_capacity(REQUESTS);
    for request in 0..REQUESTS {
        let began = Instant::now();
        millrace.get(&path(request % count)).await?;
        took.push(began.elapsed());
    }
    Ok(percentile_99(took))
}

/// The same for changes: each is durable when it is answered.
async fn pause_and_resume(millrace: &Millrace, count: usize) -> Result<f64> {
    let mut took = Vec::with_capacity(REQUESTS / 5);
    for request in 0..REQUESTS / 10 {
        for call in ["pause", "resume"] {
            let path = format!("/connectors/c{}/{call}", request % count);
            let began = Instant::now();
            let (status, answer) = millrace.call(Method::PUT, &path, None).await?;
            ensure!(status == 202, "{path}: {status} {answer}");
            took.push(began.elapsed());
        }
    }
    Ok(percentile_99(took))
}

fn percentile_99(mut took: Vec<Duration>) -> f64 {
    took.sort_unstable();
    let at = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
    took.get(at).map_or(0.0, |time| seconds(*time) * 1_000.0)
}

fn print_line(what: &str, measured: f64, unit: &str, aim: f64) {
    let verdict = if measured <= aim { "reached" } else { "missed" };
    match aim.is_finite() {
        true => println!("{what:<30} {measured:>10.1} {unit:<12} aim {aim:>6.0}  {verdict}"),
        false => println!("{what:<30} {measured:>10.1} {unit}"),
    }
}

const fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
const fn number(count: usize) -> f64 {
    count as f64
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
const fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
