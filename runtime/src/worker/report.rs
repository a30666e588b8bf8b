//! What is said of a record that failed: in numbers, and in the log as `errors.log.*` allows.
//!
//! Connect's words (`LogReporter`). A record's content is logged only with `errors.log.include.messages`.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::pipeline::StageFailure;
use super::source::now_ms;
use super::tolerance::{ErrorPolicy, Verdict};
use crate::herder::TaskId;
use crate::metrics::TaskMetrics;

/// Reports the failures of one task.
#[derive(Debug)]
pub(crate) struct ErrorReports {
    id: TaskId,
    policy: ErrorPolicy,
    metrics: Arc<TaskMetrics>,
}

impl ErrorReports {
    /// Reports for a task, with its policy.
    pub(crate) fn new(id: &TaskId, policy: ErrorPolicy, metrics: Arc<TaskMetrics>) -> Self {
        Self { id: id.clone(), policy, metrics }
    }

    /// Counts a failure by what becomes of it, and logs it if it is final. `record` describes the record.
    pub(crate) fn judged(&self, verdict: Verdict, failure: &StageFailure, record: impl FnOnce() -> String) {
        self.metrics.record_failures.fetch_add(1, Relaxed);
        self.metrics.last_error_ms.store(now_ms(), Relaxed);
        match verdict {
            Verdict::Retry(_) => {
                self.metrics.retries.fetch_add(1, Relaxed);
                return;
            }
            Verdict::Skip => {
                self.metrics.records_skipped.fetch_add(1, Relaxed);
            }
            Verdict::Fail => {}
        }
        self.metrics.record_errors.fetch_add(1, Relaxed);
        if !self.policy.log {
            return;
        }
        self.metrics.errors_logged.fetch_add(1, Relaxed);
        let record = if self.policy.log_messages { record() } else { String::new() };
        let (stage, class) = (failure.stage.name(), failure.class);
        tracing::error!(
            error = %failure.error,
            "Error encountered in task {}. Executing stage '{stage}' with class '{class}'. {record}",
            self.id
        );
    }
}
