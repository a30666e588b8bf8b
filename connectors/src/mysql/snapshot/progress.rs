//! How a snapshot gets on: rows, the estimated total, the rate and the time left, in the log and in gauges. Time is passed in.

use std::time::{Duration, Instant};

use api::Gauges;

const LOG_EVERY: Duration = Duration::from_secs(10);
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// The progress of one snapshot.
#[derive(Debug)]
pub struct Meter {
    gauges: Gauges,
    started: Instant,
    rows_at_start: u64,
    total: u64,
    logged: Instant,
    shown: Option<Instant>,
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Figures {
    per_second: u64,
    seconds_left: u64,
}

fn figures(read: u64, rows: u64, total: u64, elapsed: Duration) -> Figures {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let per_second = read.saturating_mul(1000) / millis;
    let seconds_left = total.saturating_sub(rows).checked_div(per_second).unwrap_or(0);
    Figures { per_second, seconds_left }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Meter {
    /// A snapshot that has read `rows` of about `total` already.
    #[must_use]
    pub const fn new(gauges: Gauges, rows: u64, total: u64, now: Instant) -> Self {
        Self { gauges, started: now, rows_at_start: rows, total, logged: now, shown: None }
    }

    /// So many rows are read, so many tables are left.
    pub fn show(&mut self, rows: u64, tables_left: usize, now: Instant) {
        if self.shown.is_some_and(|shown| now.duration_since(shown) < SHOW_EVERY) {
            return;
        }
        self.shown = Some(now);
        let total = self.total.max(rows);
        let elapsed = now.duration_since(self.started);
        let figures = figures(rows.saturating_sub(self.rows_at_start), rows, total, elapsed);
        self.set(rows, total, tables_left, figures);
        if now.duration_since(self.logged) >= LOG_EVERY {
            self.logged = now;
            tracing::info!(
                rows,
                estimated_total = total,
                rows_per_second = figures.per_second,
                seconds_left = figures.seconds_left,
                tables_left,
                "reading the snapshot"
            );
        }
    }

    /// All is read.
    pub fn finish(&self, rows: u64, now: Instant) {
        let elapsed = now.duration_since(self.started);
        let figures = figures(rows.saturating_sub(self.rows_at_start), rows, rows, elapsed);
        self.set(rows, rows, 0, figures);
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(rows, milliseconds, rows_per_second = figures.per_second, "the snapshot is complete");
    }

    fn set(&self, rows: u64, total: u64, tables_left: usize, figures: Figures) {
        self.gauges.set("snapshot_rows", gauge(rows));
        self.gauges.set("snapshot_estimated_rows", gauge(total));
        self.gauges.set("snapshot_rows_per_second", gauge(figures.per_second));
        self.gauges.set("snapshot_remaining_seconds", gauge(figures.seconds_left));
        self.gauges.set("snapshot_remaining_tables", i64::try_from(tables_left).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_what_this_run_read() {
        let found = figures(500, 1500, 3000, Duration::from_secs(5));
        assert_eq!(found, Figures { per_second: 100, seconds_left: 15 });
        assert_eq!(figures(0, 0, 10, Duration::ZERO).seconds_left, 0);
        let gauges = Gauges::default();
        let start = Instant::now();
        let mut meter = Meter::new(gauges.clone(), 1000, 3000, start);
        meter.show(1500, 2, start + Duration::from_secs(5));
        let shown = gauges.snapshot();
        assert_eq!((shown["snapshot_rows"], shown["snapshot_estimated_rows"]), (1500, 3000));
        assert_eq!((shown["snapshot_remaining_seconds"], shown["snapshot_remaining_tables"]), (15, 2));
    }
}
