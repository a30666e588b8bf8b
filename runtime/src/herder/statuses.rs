//! What the herder says of connectors and tasks: their states, and what supervision knows of them.
//!
//! Part of the herder's own task; the status store shows it here at once and writes it. Invariants: what went wrong last is kept
//! when all is well again; what hangs, and when the next try comes, is said only while it is so.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use api::Error;

use super::health::Stalled;
use super::run::{HerderTask, Subject};
use super::supervision::{root_cause_first, trace};
use super::{Care, State, TaskId};
use crate::store::status_record::{Status, StatusRecord};
use crate::worker::{self, now_ms};

/// The root cause stands first, so cutting the end of a trace loses the least; a status must fit a record.
const TRACE_BYTES_MAX: usize = 32 << 10;

impl HerderTask {
    pub(super) fn set_connector_status(&self, name: &str, state: State, trace: Option<String>) {
        let subject = Subject::Connector(name.to_owned());
        self.set_status(&subject, state, trace, self.care(&subject));
    }

    pub(super) fn set_task_status(&self, id: &TaskId, state: State, trace: Option<String>) {
        let subject = Subject::Task(id.clone());
        self.set_status(&subject, state, trace, self.care(&subject));
    }

    /// Something failed: says so, and has it restarted if that may help.
    pub(super) fn subject_failed(&mut self, subject: &Subject, error: &Error, ran: Duration) {
        let name = match subject {
            Subject::Connector(name) => name,
            Subject::Task(id) => &id.connector,
        };
        let config = self.state.connector(name).map(|state| state.config()).unwrap_or_default();
        let policy = worker::restart_policy(&config);
        let next = self.supervision.failed(subject, &policy, error, ran, Instant::now());
        let now = now_ms();
        let mut care = self.care(subject);
        care.failed(&root_cause_first(error), now);
        let delay_ms = |delay: Duration| i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        care.next_try = next.map(|next| now.saturating_add(delay_ms(next.delay)));
        self.set_status(subject, State::Failed, Some(trace(error, &policy, next)), care);
    }

    /// A task runs, but what it needs fails.
    pub(super) fn task_troubled(&self, id: &TaskId, error: &Error) {
        let subject = Subject::Task(id.clone());
        let cause = root_cause_first(error);
        let mut care = self.care(&subject);
        care.failed(&cause, now_ms());
        self.set_status(&subject, State::Running, Some(format!("{cause}\nIt is being tried again.")), care);
    }

    /// A task hangs in a call.
    pub(super) fn task_stalled(&self, id: &TaskId, operation: &'static str, since: Instant) {
        let hangs_ms = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
        tracing::error!(
            connector = id.connector,
            task = id.task,
            operation,
            "the task makes no progress: it has been in {operation} for {hangs_ms} ms (task.stall.timeout.ms)"
        );
        self.desk.context.metrics.worker().task_stalls.fetch_add(1, Relaxed);
        let stalled = Stalled { operation: operation.to_owned(), since: now_ms().saturating_sub(hangs_ms) };
        self.change_care(id, |care| care.stalled = Some(stalled));
    }

    /// A task that hung goes on.
    pub(super) fn task_moves(&self, id: &TaskId) {
        tracing::info!(connector = id.connector, task = id.task, "the task makes progress again");
        self.change_care(id, |care| care.stalled = None);
    }

    fn change_care(&self, id: &TaskId, change: impl FnOnce(&mut Care)) {
        let known = self.desk.context.statuses.task(id);
        let (state, trace) = known.map_or((State::Running, None), |known| (known.state, known.trace));
        let subject = Subject::Task(id.clone());
        let mut care = self.care(&subject);
        change(&mut care);
        self.set_status(&subject, state, trace, care);
    }

    /// What is known of something that is in a new state: what went wrong before, and how often in a row.
    fn care(&self, subject: &Subject) -> Care {
        let statuses = Arc::clone(&self.desk.context.statuses);
        let known = match subject {
            Subject::Connector(name) => statuses.connector(name),
            Subject::Task(id) => statuses.task(id),
        };
        let last_error = known.and_then(|known| known.care.last_error);
        Care { attempts: self.supervision.attempts(subject), next_try: None, last_error, stalled: None }
    }

    fn set_status(&self, subject: &Subject, state: State, mut trace: Option<String>, care: Care) {
        if let Some(trace) = trace.as_mut().filter(|trace| trace.len() > TRACE_BYTES_MAX) {
            trace.truncate(trace.floor_char_boundary(TRACE_BYTES_MAX));
        }
        let connector = match subject {
            Subject::Connector(name) => name,
            Subject::Task(id) => &id.connector,
        };
        let (worker_id, version) = (self.desk.worker_id.clone(), self.desk.version(connector));
        // What is given up was held until the generation before; of this one it may be another's, who speaks of it.
        let given_up = state == State::Unassigned && self.member.is_some() && self.generation > 1;
        let generation = if given_up { self.generation - 1 } else { self.generation };
        let status = Some(Status { state, trace, worker_id, generation, version, care });
        self.desk.context.statuses.set(match subject {
            Subject::Connector(name) => StatusRecord::Connector(name.clone(), status),
            Subject::Task(id) => StatusRecord::Task(id.clone(), status),
        });
    }
}
