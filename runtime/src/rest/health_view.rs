//! What a status says beyond Kafka Connect: attempts, next try, last error, stalls, progress, and the health of the whole.
//!
//! Fields beside Connect's in the same objects, so that Connect's clients read on without noticing. Invariant: a field stands there
//! only if there is something to say, but for the health, which always does.

use serde::Serialize;

use crate::herder::{Care, TaskStatus};

/// Fields of a connector or a task.
#[derive(Debug, Default, Serialize)]
pub(super) struct CareView {
    #[serde(flatten)]
    care: Care,
    /// How long ago a poll, put or commit came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_progress_age_ms: Option<i64>,
}

impl CareView {
    /// What is known of a connector.
    pub(super) const fn of_connector(care: Care) -> Self {
        Self { care, last_progress_age_ms: None }
    }

    /// What is known of a task.
    pub(super) fn of_task(task: &TaskStatus) -> Self {
        Self { care: task.care.clone(), last_progress_age_ms: task.progress_age_ms }
    }
}
