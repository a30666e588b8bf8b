//! The tasks of this worker, as the herder runs them: started, told, heard, let go, started again.
//!
//! Part of the herder's own task. Invariant: a run's end is heard before another run of the same task begins, and what an older run
//! says counts for nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use api::{Error, Result};

use super::plan::RunningTask;
use super::run::{HerderTask, Run, Subject};
use super::{State, TargetState, TaskId};
use crate::store::status_record::{Status, StatusRecord};
use crate::worker::{self, News, Report, TaskSpec};

impl HerderTask {
    pub(super) fn start_task(&mut self, id: TaskId, task: RunningTask) {
        let Some(connector) = self.state.connector(&id.connector) else { return };
        let Some((_, config)) = connector.tasks().find(|(number, _)| *number == id.task) else { return };
        self.next_run += 1;
        let spec = TaskSpec {
            id: id.clone(),
            run: self.next_run,
            connector: connector.config(),
            task: Arc::clone(config),
            revision: task.revision,
            target: task.target,
        };
        let handle = worker::start(&self.desk.context, spec, self.reports.0.clone());
        self.runs.insert(id.clone(), Run { number: self.next_run, handle: Some(handle) });
        self.running.tasks.insert(id, task);
    }

    pub(super) fn set_task_target(&mut self, id: &TaskId, target: TargetState) {
        if let Some(task) = self.running.tasks.get_mut(id) {
            task.target = target;
        }
        if let Some(handle) = self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            handle.set_target(target);
        }
    }

    pub(super) fn stop_task(&mut self, id: &TaskId) {
        self.supervision.forget(&Subject::Task(id.clone()));
        match self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            Some(handle) => {
                handle.stop();
                if let Some(task) = self.running.tasks.get_mut(id) {
                    task.stopping = true;
                }
            }
            None => self.task_is_gone(id),
        }
    }

    pub(super) fn task_is_gone(&mut self, id: &TaskId) {
        self.running.tasks.remove(id);
        self.runs.remove(id);
        let connector = self.state.connector(&id.connector);
        let exists = connector.is_some_and(|connector| connector.tasks().any(|(task, _)| task == id.task));
        if !exists {
            self.desk.context.statuses.set(StatusRecord::Task(id.clone(), None));
        } else if !self.is_ours(|share| share.tasks.contains(id)) {
            self.task_is_unassigned(id);
        }
    }

    /// Says that nobody runs a task, unless somebody else has begun to: in the round that took it from here it may have been given to
    /// another, whose word of that generation counts for more.
    pub(super) fn task_is_unassigned(&self, id: &TaskId) {
        let known = self.desk.context.statuses.task(id);
        let is_ours =
            |known: &Status| known.worker_id == self.desk.worker_id || known.generation < self.generation;
        if known.as_ref().is_none_or(is_ours) {
            self.set_task_status(id, State::Unassigned, None);
        }
    }

    pub(super) fn heard(&mut self, report: Report) {
        let Report { id, run, news } = report;
        self.touched.add(&id.connector);
        if self.runs.get(&id).is_none_or(|known| known.number != run) {
            return;
        }
        let stopping = self.running.tasks.get(&id).is_none_or(|task| task.stopping);
        match news {
            News::Exited { outcome: _, .. } if stopping => self.task_is_gone(&id),
            News::Exited { outcome, ran } => self.task_failed(&id, outcome, ran),
            _ if stopping => {}
            News::Running => self.task_runs(&id),
            News::Paused => self.set_task_status(&id, State::Paused, None),
            News::Troubled(error) => self.task_troubled(&id, &error),
            News::Stalled { operation, since } => self.task_stalled(&id, operation, since),
            News::Moving => self.task_moves(&id),
        }
    }

    pub(super) fn task_runs(&mut self, id: &TaskId) {
        let known = self.desk.context.statuses.task(id).map(|status| status.state);
        if !matches!(known, Some(State::Running | State::Paused)) {
            self.desk.context.metrics.worker().task_startup_success.fetch_add(1, Relaxed);
        }
        self.set_task_status(id, State::Running, None);
    }

    pub(super) fn task_failed(&mut self, id: &TaskId, outcome: Result<()>, ran: Duration) {
        let error = outcome.err().unwrap_or_else(|| Error::fatal("the task ended without being told to"));
        if let Some(run) = self.runs.get_mut(id) {
            run.handle = None;
        }
        let known = self.desk.context.statuses.task(id).map(|status| status.state);
        if !matches!(known, Some(State::Running | State::Paused)) {
            self.desk.context.metrics.worker().task_startup_failure.fetch_add(1, Relaxed);
        }
        tracing::error!(connector = id.connector, task = id.task, %error, "the task failed");
        self.subject_failed(&Subject::Task(id.clone()), &error, ran);
    }

    /// Lets the plan start a failed task anew.
    pub(super) fn forget_failed_run(&mut self, id: &TaskId) {
        self.running.tasks.remove(id);
        self.runs.remove(id);
        self.set_task_status(id, State::Restarting, None);
    }

    pub(super) fn restart_task(&mut self, id: &TaskId) {
        if !self.running.tasks.contains_key(id) {
            return;
        }
        self.supervision.forget(&Subject::Task(id.clone()));
        match self.runs.get(id).and_then(|run| run.handle.as_ref()) {
            Some(handle) => {
                handle.stop();
                if let Some(task) = self.running.tasks.get_mut(id) {
                    task.stopping = true;
                }
                self.set_task_status(id, State::Restarting, None);
            }
            None => self.forget_failed_run(id),
        }
    }
}
