//! `checker`: campaigns of faults against the broker, seed after seed, until a promise breaks or all rounds are through.

#![allow(clippy::print_stdout, reason = "it reports to the person who runs it")]

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use harness::checker::Campaign;

/// Kills, stops, fills and damages a broker under work, and checks that it kept every promise.
#[derive(Debug, Parser)]
struct Arguments {
    /// Faults in all.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Faults per broker, after which everything is read back and judged.
    #[arg(long, default_value_t = 20)]
    rounds_per_broker: usize,
    /// The first seed; each broker takes the next one.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let (mut left, mut seed) = (arguments.rounds, arguments.seed);
    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    while left > 0 {
        let rounds = left.min(arguments.rounds_per_broker.max(1));
        let folder = tempfile::tempdir()?;
        let campaign = Campaign { seed, rounds };
        let report = campaign.run(folder.path()).await;
        let report =
            report.with_context(|| format!("seed {seed}, {rounds} rounds; see {}", keep(folder.path())))?;
        println!(
            "seed {seed}: {rounds} rounds, {} records acknowledged, {} transactions, {} records read meanwhile: {}",
            report.acknowledged,
            report.transactions,
            report.read,
            if report.wrong.is_empty() { "every promise kept" } else { "BROKEN" }
        );
        if !report.wrong.is_empty() {
            println!("{}\nsee {}", report.wrong.join("\n"), keep(&folder.keep()));
            return Ok(ExitCode::FAILURE);
        }
        for (fault, count) in report.faults {
            *faults.entry(fault).or_default() += count;
        }
        (left, seed) = (left - rounds, seed + 1);
    }
    println!("{} rounds: {faults:?}", arguments.rounds);
    Ok(ExitCode::SUCCESS)
}

fn keep(folder: &std::path::Path) -> String {
    folder.display().to_string()
}
