//! `checker-workers`: a group of workers through cut networks, halts, kills and restarts of its broker, for as long as one likes.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports to the person who runs it")]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use harness::group_checker::{Campaign, Report};
use harness::network::{self, Network};

/// Who takes part: a broker and three workers.
const MEMBERS: u8 = 4;

/// Breaks networks and processes of a group of workers, and checks that every record is there once and every task is back soon.
#[derive(Debug, Parser)]
struct Arguments {
    /// For how long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Decides what breaks when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seconds after the end of its faults everything must run again.
    #[arg(long, default_value_t = 10)]
    back_within: u64,
    /// Fail where processes cannot be given networks of their own, instead of leaving the cuts out.
    #[arg(long)]
    with_networks: bool,
    /// Said by the program to itself: it runs in a network namespace of its own.
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if !arguments.inside {
        let Some(missing) = network::missing() else {
            return Err(network::enter_own("--inside")).context("starting anew in a network namespace");
        };
        anyhow::ensure!(!arguments.with_networks, "{missing}");
        eprintln!("networks cannot be cut here, so cuts are left out: {missing}");
    }
    tokio::runtime::Runtime::new()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { seed, seconds, inside, back_within, .. } = arguments;
    let folder = tempfile::tempdir()?;
    let network = if inside { Some(Network::lay(MEMBERS)?) } else { None };
    let (lasts, back_limit) = (Duration::from_secs(seconds), Duration::from_secs(back_within));
    let campaign = Campaign { seed, lasts, back_limit, network };
    let outcome = tokio::select! {
        outcome = campaign.run(folder.path()) => outcome,
        interrupted = tokio::signal::ctrl_c() => { interrupted?; anyhow::bail!("interrupted") }
    };
    let report = match outcome {
        Ok(report) => report,
        Err(error) => return Err(error.context(format!("see {}", folder.keep().display()))),
    };
    println!("seed {seed}: {} rounds, {:?}", report.running.len(), report.faults);
    println!("{} orders, {} lines and {} changes arrived", report.orders, report.lines, report.changes);
    print_times(&report);
    if report.wrong.is_empty() {
        println!("each record is there once, and every task was back in time");
        return Ok(ExitCode::SUCCESS);
    }
    println!("BROKEN:\n{}\nsee {}", report.wrong.join("\n"), folder.keep().display());
    Ok(ExitCode::FAILURE)
}

fn print_times(report: &Report) {
    for (what, times) in [("every task ran", &report.running), ("records moved", &report.moving)] {
        if let (Some(median), Some(worst)) = (times.get(times.len() / 2), times.last()) {
            println!("after healing {what} within {median:.2?} (median), {worst:.2?} (worst)");
        }
    }
}
