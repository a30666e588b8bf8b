//! What a measurement used: time, processor time and memory of a process and all that it started.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::process::processor_seconds;
use tokio::task::JoinHandle;

/// How often memory is looked at.
const SAMPLE: Duration = Duration::from_millis(200);

/// What it took to move some rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// The rows.
    pub(crate) rows: u64,
    /// How long it took.
    pub(crate) took: Duration,
    /// Processor time of the process and all that it started, on all cores.
    pub(crate) processor_seconds: f64,
    /// The most memory that was resident at once, in bytes.
    pub(crate) memory_peak: u64,
}

#[allow(clippy::cast_precision_loss, reason = "figures for people")]
impl Usage {
    /// Rows in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.rows as f64 / self.took.as_secs_f64()
    }

    /// Processor seconds of a million rows.
    pub(crate) fn processor_per_million(&self) -> f64 {
        self.processor_seconds / self.rows as f64 * 1e6
    }
}

/// Watches a process and all that it starts.
#[derive(Debug)]
pub(crate) struct Watch {
    root: u32,
    began: Instant,
    processor_before: f64,
    peak: Arc<AtomicU64>,
    sampler: JoinHandle<()>,
}

impl Watch {
    /// From now on.
    pub(crate) fn begin(root: u32) -> Result<Self> {
        let peak = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&peak);
        let sampler = tokio::spawn(async move {
            loop {
                // A process that ends while it is looked at counts no more.
                seen.fetch_max(resident(root).unwrap_or(0), Relaxed);
                tokio::time::sleep(SAMPLE).await;
            }
        });
        Ok(Self { root, began: Instant::now(), processor_before: processor_time(root)?, peak, sampler })
    }

    /// What was used since, for so many rows.
    pub(crate) fn end(self, rows: u64) -> Result<Usage> {
        let took = self.began.elapsed();
        let processor_seconds = processor_time(self.root)? - self.processor_before;
        let memory_peak = self.peak.load(Relaxed).max(resident(self.root)?);
        Ok(Usage { rows, took, processor_seconds, memory_peak })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.sampler.abort();
    }
}

fn processor_time(root: u32) -> Result<f64> {
    tree(root)?.into_iter().map(processor_seconds).sum()
}

fn resident(root: u32) -> Result<u64> {
    let one = |process| {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_whitespace().next()).unwrap_or("0");
        Ok(kibibytes.parse::<u64>()? * 1024)
    };
    tree(root)?.into_iter().map(one).sum()
}

/// The process and all that descend from it.
fn tree(root: u32) -> Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // Processes come and go while we look.
        let Ok(text) = fs::read_to_string(format!("/proc/{process}/stat")) else { continue };
        let fields = text.rsplit(')').next().context("no fields")?;
        let parent = fields.split_whitespace().nth(1).context("no parent")?.parse()?;
        children.entry(parent).or_default().push(process);
    }
    let mut all = vec![root];
    let mut next = 0;
    while let Some(process) = all.get(next).copied() {
        all.extend(children.get(&process).into_iter().flatten());
        next += 1;
    }
    Ok(all)
}
