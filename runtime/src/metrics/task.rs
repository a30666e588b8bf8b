//! The numbers of one task: what it moved, what failed, how long it took, when it last got on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use api::{Gauges, TopicPartition};
use parking_lot::Mutex;

use super::{Sample, SampleKind, Timing, as_f64, signed_as_f64};
use crate::herder::TaskId;

/// What a source task did.
#[derive(Debug, Default)]
pub struct SourceMetrics {
    /// Records that the task handed out.
    pub record_poll: AtomicU64,
    /// Records that were given to the producer, after the transforms.
    pub record_write: AtomicU64,
    /// Their bytes: keys and values.
    pub record_write_bytes: AtomicU64,
    /// Records that are on their way to the broker.
    pub record_active: AtomicU64,
    /// How long polls took.
    pub poll_batch: Timing,
}

/// What a sink task did.
#[derive(Debug, Default)]
pub struct SinkMetrics {
    /// Records read from the topics.
    pub record_read: AtomicU64,
    /// Their bytes: keys and values.
    pub record_read_bytes: AtomicU64,
    /// Records that the task took, after the transforms.
    pub record_send: AtomicU64,
    /// Records that were put and not yet committed.
    pub record_active: AtomicU64,
    /// How long puts took.
    pub put_batch: Timing,
    /// Records behind the end of each partition that is read.
    pub lag: Mutex<BTreeMap<TopicPartition, i64>>,
}

/// Everything counted about one task.
#[derive(Debug)]
pub struct TaskMetrics {
    /// If it is a source task.
    pub source: Option<SourceMetrics>,
    /// If it is a sink task.
    pub sink: Option<SinkMetrics>,
    /// Operations on records that failed, retries included.
    pub record_failures: AtomicU64,
    /// Records that could not be processed.
    pub record_errors: AtomicU64,
    /// Records that were passed over.
    pub records_skipped: AtomicU64,
    /// Operations that were tried again.
    pub retries: AtomicU64,
    /// Errors that were logged (`errors.log.enable`).
    pub errors_logged: AtomicU64,
    /// Records sent to the dead letter queue.
    pub deadletterqueue_produce_requests: AtomicU64,
    /// Records that the dead letter queue did not take.
    pub deadletterqueue_produce_failures: AtomicU64,
    /// Commits of offsets that worked.
    pub offset_commit_success: AtomicU64,
    /// Commits of offsets that did not.
    pub offset_commit_failure: AtomicU64,
    /// How long commits took.
    pub offset_commit: Timing,
    /// When an error was last counted, in milliseconds since 1970; 0 if none was.
    pub last_error_ms: AtomicI64,
    /// Whether the task hangs in a call.
    pub stalled: AtomicBool,
    /// The task's own numbers.
    pub gauges: Gauges,
    started: Instant,
    progress_ms: AtomicI64,
}

impl TaskMetrics {
    /// Fresh numbers of a source task.
    #[must_use]
    pub fn source() -> Self {
        Self { source: Some(SourceMetrics::default()), ..Self::new() }
    }

    /// Fresh numbers of a sink task.
    #[must_use]
    pub fn sink() -> Self {
        Self { sink: Some(SinkMetrics::default()), ..Self::new() }
    }

    fn new() -> Self {
        Self {
            source: None,
            sink: None,
            record_failures: AtomicU64::default(),
            record_errors: AtomicU64::default(),
            records_skipped: AtomicU64::default(),
            retries: AtomicU64::default(),
            errors_logged: AtomicU64::default(),
            deadletterqueue_produce_requests: AtomicU64::default(),
            deadletterqueue_produce_failures: AtomicU64::default(),
            offset_commit_success: AtomicU64::default(),
            offset_commit_failure: AtomicU64::default(),
            offset_commit: Timing::default(),
            last_error_ms: AtomicI64::default(),
            stalled: AtomicBool::default(),
            gauges: Gauges::default(),
            started: Instant::now(),
            progress_ms: AtomicI64::default(),
        }
    }

    /// Notes that the task got on: a poll, put or commit came back.
    pub(crate) fn progress(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        self.progress_ms.store(i64::try_from(elapsed).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Milliseconds since the task last got on.
    #[must_use]
    pub fn progress_age_ms(&self, now: Instant) -> i64 {
        let elapsed = now.saturating_duration_since(self.started).as_millis();
        i64::try_from(elapsed).unwrap_or(i64::MAX) - self.progress_ms.load(Ordering::Relaxed)
    }

    /// Adds every number of this task.
    pub(super) fn samples(&self, id: &TaskId, samples: &mut Vec<Sample>) {
        let labels = vec![("connector", id.connector.clone()), ("task", id.task.to_string())];
        let mut rows = Rows { labels, samples };
        if let Some(source) = &self.source {
            source.rows(&mut rows);
        }
        if let Some(sink) = &self.sink {
            sink.rows(&mut rows);
        }
        self.error_rows(&mut rows);
        rows.counter(
            "offset_commit_success_total",
            "Offset commits that worked.",
            &self.offset_commit_success,
        );
        rows.counter(
            "offset_commit_failure_total",
            "Offset commits that failed.",
            &self.offset_commit_failure,
        );
        rows.timing("offset_commit", "Time of offset commits", &self.offset_commit);
        let age = signed_as_f64(self.progress_age_ms(Instant::now()));
        rows.gauge("last_progress_age_ms", "Milliseconds since a poll, put or commit came back.", age);
        let stalled = u64::from(self.stalled.load(Ordering::Relaxed));
        rows.gauge(
            "task_stalled",
            "1 while a call of the task takes longer than task.stall.timeout.ms.",
            as_f64(stalled),
        );
        for (name, number) in self.gauges.snapshot() {
            rows.gauge(name, "", signed_as_f64(number));
        }
    }

    fn error_rows(&self, rows: &mut Rows<'_>) {
        let failures = "Operations on records that failed, retries included.";
        rows.counter("total_record_failures", failures, &self.record_failures);
        rows.counter("total_record_errors", "Records that could not be processed.", &self.record_errors);
        rows.counter("total_records_skipped", "Records that were passed over.", &self.records_skipped);
        rows.counter("total_retries", "Operations that were tried again.", &self.retries);
        rows.counter("total_errors_logged", "Errors that were logged.", &self.errors_logged);
        rows.counter(
            "deadletterqueue_produce_requests",
            "Records sent to the dead letter queue.",
            &self.deadletterqueue_produce_requests,
        );
        rows.counter(
            "deadletterqueue_produce_failures",
            "Records that the dead letter queue did not take.",
            &self.deadletterqueue_produce_failures,
        );
        rows.gauge(
            "last_error_timestamp",
            "When an error was last counted, in milliseconds since 1970; 0 if none was.",
            signed_as_f64(self.last_error_ms.load(Ordering::Relaxed)),
        );
    }
}

impl SourceMetrics {
    fn rows(&self, rows: &mut Rows<'_>) {
        rows.counter("source_record_poll_total", "Records handed out by the task.", &self.record_poll);
        rows.counter("source_record_write_total", "Records given to the producer.", &self.record_write);
        rows.counter(
            "source_record_write_bytes_total",
            "Bytes of keys and values given to the producer.",
            &self.record_write_bytes,
        );
        let active = as_f64(self.record_active.load(Ordering::Relaxed));
        rows.gauge("source_record_active_count", "Records on their way to the broker.", active);
        rows.timing("poll_batch", "Time of polls", &self.poll_batch);
    }
}

impl SinkMetrics {
    fn rows(&self, rows: &mut Rows<'_>) {
        rows.counter("sink_record_read_total", "Records read from the topics.", &self.record_read);
        rows.counter(
            "sink_record_read_bytes_total",
            "Bytes of keys and values read from the topics.",
            &self.record_read_bytes,
        );
        rows.counter("sink_record_send_total", "Records taken by the task.", &self.record_send);
        let active = as_f64(self.record_active.load(Ordering::Relaxed));
        rows.gauge("sink_record_active_count", "Records put and not yet committed.", active);
        rows.timing("put_batch", "Time of puts", &self.put_batch);
        let lag = self.lag.lock().clone();
        rows.gauge(
            "sink_record_lag_max",
            "Records behind the end, of the partition furthest behind.",
            signed_as_f64(lag.values().copied().max().unwrap_or(0)),
        );
        let partitions = as_f64(u64::try_from(lag.len()).unwrap_or(u64::MAX));
        rows.gauge("partition_count", "Partitions that the task reads.", partitions);
        for (partition, behind) in lag {
            rows.partition("sink_record_lag", "Records behind the end.", &partition, signed_as_f64(behind));
        }
    }
}

/// Adds samples with the labels of one task.
struct Rows<'a> {
    labels: Vec<(&'static str, String)>,
    samples: &'a mut Vec<Sample>,
}

impl Rows<'_> {
    fn add(&mut self, name: String, kind: SampleKind, help: &'static str, value: f64) {
        self.samples.push(Sample { name, kind, help, labels: self.labels.clone(), value });
    }

    fn counter(&mut self, name: &str, help: &'static str, count: &AtomicU64) {
        self.add(name.to_owned(), SampleKind::Counter, help, as_f64(count.load(Ordering::Relaxed)));
    }

    fn gauge(&mut self, name: &str, help: &'static str, value: f64) {
        self.add(name.to_owned(), SampleKind::Gauge, help, value);
    }

    fn timing(&mut self, name: &str, help: &'static str, timing: &Timing) {
        let ms = |duration: std::time::Duration| duration.as_secs_f64() * 1_000.0;
        self.add(format!("{name}_time_ms_sum"), SampleKind::Counter, help, ms(timing.sum()));
        self.add(format!("{name}_time_ms_count"), SampleKind::Counter, help, as_f64(timing.count()));
        self.add(format!("{name}_time_ms_max"), SampleKind::Gauge, help, ms(timing.max()));
    }

    fn partition(&mut self, name: &str, help: &'static str, partition: &TopicPartition, value: f64) {
        let mut labels = self.labels.clone();
        labels.push(("topic", partition.topic.to_string()));
        labels.push(("partition", partition.partition.to_string()));
        self.samples.push(Sample { name: name.to_owned(), kind: SampleKind::Gauge, help, labels, value });
    }
}
