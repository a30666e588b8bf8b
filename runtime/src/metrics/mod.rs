//! Numbers about connectors and tasks, for whoever asks (`/metrics`).
//!
//! Beside the data path: the loops add to atomics once per batch, reading walks the tasks that are there. Names are Kafka
//! Connect's in Prometheus' form. Invariant: when a task goes, its numbers go.

mod group;
mod task;
mod timing;

pub use group::GroupMetrics;
pub use task::{SinkMetrics, SourceMetrics, TaskMetrics};
pub use timing::Timing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::herder::TaskId;

/// Whether a number only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// It only grows, from the task's start.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One number, ready to be printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, without a prefix for the program, such as `source_record_poll_total`.
    pub name: String,
    /// Whether it only grows.
    pub kind: SampleKind,
    /// What it counts; empty for a task's own gauges.
    pub help: &'static str,
    /// Labels, such as `connector` and `task`.
    pub labels: Vec<(&'static str, String)>,
    /// The number.
    pub value: f64,
}

/// The numbers of a worker and of all its tasks. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tasks: RwLock<BTreeMap<TaskId, Arc<TaskMetrics>>>,
    worker: WorkerMetrics,
    group: GroupMetrics,
}

/// How often connectors and tasks were started and restarted on this worker.
#[derive(Debug, Default)]
pub struct WorkerMetrics {
    /// Starts of connectors that worked.
    pub connector_startup_success: AtomicU64,
    /// Starts of connectors that failed.
    pub connector_startup_failure: AtomicU64,
    /// Starts of tasks that worked.
    pub task_startup_success: AtomicU64,
    /// Starts of tasks that failed.
    pub task_startup_failure: AtomicU64,
    /// Restarts that supervision made.
    pub task_restarts: AtomicU64,
    /// Times that a task was found to hang.
    pub task_stalls: AtomicU64,
    /// Connectors on this worker.
    pub connectors: AtomicU64,
}

impl Metrics {
    /// Takes a task in, with fresh numbers; they go with [`Metrics::remove`].
    pub(crate) fn register(&self, id: &TaskId, task: Arc<TaskMetrics>) {
        self.0.tasks.write().insert(id.clone(), task);
    }

    /// Forgets a task's numbers, unless a newer run of it has put its own in their place.
    pub(crate) fn remove(&self, id: &TaskId, task: &Arc<TaskMetrics>) {
        let mut tasks = self.0.tasks.write();
        if tasks.get(id).is_some_and(|current| Arc::ptr_eq(current, task)) {
            tasks.remove(id);
        }
    }

    /// The numbers of one task.
    #[must_use]
    pub fn task(&self, id: &TaskId) -> Option<Arc<TaskMetrics>> {
        self.0.tasks.read().get(id).cloned()
    }

    /// The worker's own numbers.
    #[must_use]
    pub fn worker(&self) -> &WorkerMetrics {
        &self.0.worker
    }

    /// The numbers of the worker's place in its group.
    #[must_use]
    pub fn group(&self) -> &GroupMetrics {
        &self.0.group
    }

    /// Every number as it stands, the worker's first, then by name and task.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        let tasks = self.0.tasks.read().clone();
        let mut samples = self.0.worker.samples(tasks.len());
        self.0.group.samples(&mut samples);
        for (id, task) in &tasks {
            task.samples(id, &mut samples);
        }
        samples
    }
}

impl WorkerMetrics {
    fn samples(&self, tasks: usize) -> Vec<Sample> {
        use SampleKind::{Counter, Gauge};
        let tasks = AtomicU64::new(u64::try_from(tasks).unwrap_or(u64::MAX));
        let blocked = AtomicU64::new(crate::worker::left_behind() + crate::validation::left_behind());
        let threads = AtomicU64::new(u64::try_from(crate::worker::thread_count()).unwrap_or(u64::MAX));
        let startups = |success: &AtomicU64, failure: &AtomicU64| {
            AtomicU64::new(success.load(Ordering::Relaxed) + failure.load(Ordering::Relaxed))
        };
        let connector_startups = startups(&self.connector_startup_success, &self.connector_startup_failure);
        let task_startups = startups(&self.task_startup_success, &self.task_startup_failure);
        let rows: [(&str, SampleKind, &'static str, &AtomicU64); 12] = [
            ("connector_count", Gauge, "Connectors on this worker.", &self.connectors),
            ("task_count", Gauge, "Tasks on this worker.", &tasks),
            (
                "connector_startup_success_total",
                Counter,
                "Starts of connectors that worked.",
                &self.connector_startup_success,
            ),
            (
                "connector_startup_failure_total",
                Counter,
                "Starts of connectors that failed.",
                &self.connector_startup_failure,
            ),
            (
                "task_startup_success_total",
                Counter,
                "Starts of tasks that worked.",
                &self.task_startup_success,
            ),
            (
                "task_startup_failure_total",
                Counter,
                "Starts of tasks that failed.",
                &self.task_startup_failure,
            ),
            ("connector_startup_attempts_total", Counter, "Starts of connectors.", &connector_startups),
            ("task_startup_attempts_total", Counter, "Starts of tasks.", &task_startups),
            ("task_restart_total", Counter, "Restarts of failed tasks by supervision.", &self.task_restarts),
            ("task_stall_total", Counter, "Times that a task was found to hang.", &self.task_stalls),
            (
                "blocked_thread_count",
                Gauge,
                "Threads that connectors keep though nobody waits for them any more.",
                &blocked,
            ),
            ("connector_thread_count", Gauge, "Threads that run the code of connectors.", &threads),
        ];
        let sample = |(name, kind, help, number): (&str, SampleKind, &'static str, &AtomicU64)| Sample {
            name: name.to_owned(),
            kind,
            help,
            labels: Vec::new(),
            value: as_f64(number.load(Ordering::Relaxed)),
        };
        rows.into_iter().map(sample).collect()
    }
}

/// A count as a sample's value: exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "counts beyond 2^53 lose their last digits, as in Prometheus")]
pub(crate) const fn as_f64(count: u64) -> f64 {
    count as f64
}

/// A signed number as a sample's value: exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "numbers beyond 2^53 lose their last digits, as in Prometheus")]
pub(crate) const fn signed_as_f64(number: i64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_with_their_task_but_not_with_its_predecessor() {
        let metrics = Metrics::default();
        let id = TaskId::new("shop", 0);
        let (old, new) = (Arc::new(TaskMetrics::source()), Arc::new(TaskMetrics::source()));
        metrics.register(&id, Arc::clone(&old));
        metrics.register(&id, Arc::clone(&new));
        metrics.remove(&id, &old);
        assert!(metrics.task(&id).is_some());
        metrics.remove(&id, &new);
        assert!(metrics.samples().iter().all(|sample| sample.labels.is_empty()));
    }

    #[test]
    fn samples_name_connector_and_task() {
        let metrics = Metrics::default();
        let task = Arc::new(TaskMetrics::source());
        task.source.as_ref().unwrap().record_poll.fetch_add(5, Ordering::Relaxed);
        task.gauges.set("behind_source_milliseconds", 7);
        metrics.register(&TaskId::new("shop", 1), task);
        let samples = metrics.samples();
        let polled = samples.iter().find(|sample| sample.name == "source_record_poll_total").unwrap();
        assert_eq!((polled.value, polled.kind), (5.0, SampleKind::Counter));
        assert_eq!(polled.labels, [("connector", "shop".to_owned()), ("task", "1".to_owned())]);
        assert!(
            samples.iter().any(|sample| sample.name == "behind_source_milliseconds" && sample.value == 7.0)
        );
    }
}
