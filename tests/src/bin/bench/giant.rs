//! One giant transaction: what it weighs while it is read, and that all of it arrives.

use std::time::Duration;

use anyhow::Result;
use harness::database::{Database, Kind};
use harness::far_end::FarEnd;
use harness::millrace::Millrace;
use harness::pipeline;
use serde_json::json;

use super::capture::put;
use super::figures::{Figure, memory, rate};
use super::usage::Watch;
use super::workload::PAYMENTS;

const LIMIT: Duration = Duration::from_secs(3_600);
const TOPIC: &str = "shop.bench.payments";

/// Reads a transaction of so many rows, which is committed while the connector is stopped.
pub(crate) async fn measure(rows: u64) -> Result<Vec<Figure>> {
    eprintln!("a transaction of {rows} rows: writing it ...");
    let database = Database::start(Kind::MySql).await?;
    PAYMENTS.create(&database).await?;
    let folder = tempfile::tempdir()?;
    let mut millrace = Millrace::standalone(folder.path(), &[]).await?;
    let far_end = FarEnd::new(&millrace.bootstrap_servers());
    let mut config = pipeline::mysql_source(&database, "bench");
    config["table.include.list"] = json!("bench.payments");
    millrace.create("bench", config).await?;
    for row in 1..=2 {
        database.run(&[&PAYMENTS.insert(0..1)]).await?;
        far_end.holds(TOPIC, row, LIMIT).await?;
    }
    put(&millrace, "/connectors/bench/stop").await?;
    PAYMENTS.load_at_once(&database, rows).await?;

    eprintln!("    reading it ...");
    let watch = Watch::begin(millrace.process()?.id()?)?;
    put(&millrace, "/connectors/bench/resume").await?;
    far_end.holds(TOPIC, rows + 2, LIMIT).await?;
    let used = watch.end(rows)?;
    let peak = millrace.process()?.memory()?.1;
    far_end.has_exactly(TOPIC, rows + 2, LIMIT).await?;
    let note = format!("{:.2} s of processor time a million rows", used.processor_per_million());
    Ok(vec![
        rate("a transaction of very many rows -> topic", rows, used.took, 250_000.0, &note),
        memory(format!("peak memory in a transaction of {rows} rows"), peak, 300.0),
    ])
}
