//! How soon a worker answers, and what it weighs when it has nothing to do.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::millrace::Millrace;

use super::figures::{Figure, memory};

/// How often a worker is started to tell how long that takes.
const STARTS: usize = 5;
/// How long an idle worker is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// Starts workers with empty data folders.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    eprintln!("start and idle memory ...");
    let mut took = Vec::new();
    let mut idle = 0;
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        let mut millrace = Millrace::prepare(folder.path(), &[])?;
        took.push(millrace.start().await?);
        tokio::time::sleep(SETTLE).await;
        idle = idle.max(millrace.process()?.memory()?.0);
    }
    took.sort();
    let median = took.get(STARTS / 2).context("no start")?.as_secs_f64() * 1e3;
    let note = format!("median of {STARTS}, empty data folder");
    Ok(vec![
        Figure::falling("start to first REST answer", median, 200.0, "ms").noted(note),
        memory("memory, idle worker with broker", idle, 40.0),
    ])
}
