//! How much was written, and how fast.

use std::time::Duration;

/// Counts what is sent.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) records: u64,
    bytes: u64,
}

impl Summary {
    /// One more record of a line of this length.
    pub(super) fn count(&mut self, line_bytes: usize) {
        self.records += 1;
        self.bytes += u64::try_from(line_bytes).unwrap_or_default();
    }

    /// A sentence for people.
    pub(super) fn told(&self, topic: &str, took: Duration) -> String {
        // A rate needs no more digits than a float has.
        let per_second = |amount: u64| amount as f64 / took.as_secs_f64().max(1e-9);
        let records_rate = per_second(self.records);
        let (megabytes, megabytes_rate) = (self.bytes as f64 / 1e6, per_second(self.bytes) / 1e6);
        format!(
            "{} records ({megabytes:.1} MB) to topic {topic} in {:.2} s: {records_rate:.0} records/s, {megabytes_rate:.1} MB/s",
            self.records,
            took.as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second() {
        let mut summary = Summary::default();
        summary.count(1_500_000);
        summary.count(500_000);
        let told = summary.told("t", Duration::from_millis(500));
        assert_eq!(told, "2 records (2.0 MB) to topic t in 0.50 s: 4 records/s, 4.0 MB/s");
    }
}
