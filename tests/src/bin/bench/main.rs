//! The benchmark: how fast and how small, measured on the release binary as users run it, with records counted at the far end.
//!
//! `make bench`. Machines differ and are shared, so compare figures only within one run; a line counts as reached by its aim on two
//! cores. With a rival's command, each capture of MySQL is measured of both, one after the other: same server, same rows, same broker.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints its table")]

mod capture;
mod figures;
mod files;
mod format;
mod giant;
mod latency;
mod many_tables;
mod rival;
mod start;
mod usage;
mod workload;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use self::capture::{Capture, Way};
use self::figures::{Duel, Figure};
use self::format::Format;
use self::rival::Rival;

/// Measures Millrace and prints a table.
#[derive(Debug, Parser)]
#[command(after_long_help = rival::CONTRACT)]
struct Options {
    /// How many rows and lines each measurement moves.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// How many rows the giant transaction has.
    #[arg(long, default_value_t = 10_000_000)]
    transaction_rows: u64,
    /// How many tables `tables` captures.
    #[arg(long, default_value_t = 10_000)]
    tables: u64,
    /// What to measure; may be given several times. Without it all but `tables` and `transaction`, which take long.
    #[arg(long = "part", value_enum)]
    parts: Vec<Part>,
    /// Captures of MySQL in this form only; may be given several times.
    #[arg(long = "format", value_enum)]
    formats: Vec<Format>,
    /// A shell command that captures the same changes: it is measured beside Millrace. `--help` says what it must do.
    #[arg(long)]
    rival: Option<String>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Time to the first REST answer, idle memory.
    Start,
    /// File to topic to file.
    File,
    /// MySQL binlog to topic: JSON without and with schemas, Avro.
    Binlog,
    /// MySQL snapshot to topic.
    Snapshot,
    /// Rows of about 600 bytes, binlog and snapshot.
    Cart,
    /// From commit in MySQL to readable in the topic.
    Latency,
    /// Start and memory with very many captured tables.
    Tables,
    /// Memory in a giant transaction.
    Transaction,
}

impl Part {
    const USUAL: [Self; 6] =
        [Self::Start, Self::File, Self::Binlog, Self::Snapshot, Self::Cart, Self::Latency];
}

#[tokio::main]
async fn main() -> ExitCode {
    let (mut figures, mut duels) = (Vec::new(), Vec::new());
    let outcome = run(&Options::parse(), &mut figures, &mut duels).await;
    // What was measured before something failed is worth showing.
    figures::print(&figures, &duels);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options, figures: &mut Vec<Figure>, duels: &mut Vec<Duel>) -> Result<()> {
    let multiple = workload::TRANSACTION_ROWS;
    ensure!(options.rows.is_multiple_of(multiple), "--rows must be a multiple of {multiple}");
    let parts = if options.parts.is_empty() { &Part::USUAL[..] } else { &options.parts };
    let rival = options.rival.as_deref().map(Rival::new);
    for part in parts {
        match part {
            Part::Start => figures.extend(start::measure().await?),
            Part::File => figures.extend(files::measure(options.rows).await?),
            Part::Latency => figures.extend(latency::measure().await?),
            Part::Tables => figures.extend(many_tables::measure(options.tables).await?),
            Part::Transaction => figures.extend(giant::measure(options.transaction_rows).await?),
            Part::Binlog | Part::Snapshot | Part::Cart => {
                let is_wanted = |capture: &Capture| {
                    options.formats.is_empty() || options.formats.contains(&capture.format)
                };
                for capture in captures(*part).into_iter().filter(is_wanted) {
                    let (own, duel) = capture::measure(&capture, options.rows, rival.as_ref()).await?;
                    figures.extend(own);
                    duels.extend(duel);
                }
            }
        }
    }
    Ok(())
}

fn captures(part: Part) -> Vec<Capture> {
    let capture = |what, workload, way, format, aim| Capture { what, workload, way, format, aim };
    let (payments, cart) = (&workload::PAYMENTS, &workload::CART);
    match part {
        Part::Binlog => vec![
            capture(
                "MySQL binlog -> topic, 80-byte rows, JSON",
                payments,
                Way::Binlog,
                Format::Json,
                500_000.0,
            ),
            capture(
                "MySQL binlog -> topic, 80-byte rows, JSON with schemas",
                payments,
                Way::Binlog,
                Format::JsonWithSchemas,
                100_000.0,
            ),
            capture(
                "MySQL binlog -> topic, 80-byte rows, Avro",
                payments,
                Way::Binlog,
                Format::Avro,
                500_000.0,
            ),
        ],
        Part::Snapshot => {
            vec![capture(
                "MySQL snapshot -> topic, 80-byte rows, JSON",
                payments,
                Way::Snapshot,
                Format::Json,
                500_000.0,
            )]
        }
        Part::Cart => vec![
            capture("MySQL binlog -> topic, 600-byte rows, JSON", cart, Way::Binlog, Format::Json, 250_000.0),
            capture(
                "MySQL snapshot -> topic, 600-byte rows, JSON",
                cart,
                Way::Snapshot,
                Format::Json,
                250_000.0,
            ),
        ],
        _ => Vec::new(),
    }
}
